//! Alerts that come together are told together: what people read in Slack, in an e-mail and at a webhook, from the first alert of a
//! group to its last end; a storm of three hundred; and the laws of it under crashes, acts and faults.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use parapet::alert::dispatch::dispatch;
use parapet::alert::tick::tick;
use parapet::config::alerting::Severity;
use parapet::outbox::deliver::Courier;
use parapet::time::UnixMs;
use proptest::prelude::*;
use serde_json::Value;
use world::{DbFault, EMAIL, Mood, SENTRY, SLACK, World, at_s, block_on, sentry_channel, switch};

/// Rules `s-one` … of one team, told together by Slack and e-mail.
fn together(rules: &[&str]) -> World {
    let rules = rules.iter().map(|id| switch(id)).map(|mut rule| {
        rule.labels.insert("team".into(), "ops".into());
        rule
    });
    let mut world = World::with_rules(rules.collect());
    world.config.alerting.routes[0].group_by = vec!["team".into()];
    world
}

fn set(world: &mut World, minute: i64, values: &[(&str, f64)]) -> UnixMs {
    let now = at_s(minute * 60);
    world.switches(now, values.iter().copied());
    now
}

/// A tick at `minute`, and its deliveries.
fn minute(world: &mut World, minute: i64, values: &[(&str, f64)]) {
    let now = set(world, minute, values);
    world.run(now, now.plus(59_000));
}

fn slack_text(world: &World, message: usize) -> String {
    let arrivals = world.http.arrivals.borrow();
    let body = &arrivals.iter().filter(|arrival| arrival.peer == SLACK).nth(message).unwrap().body;
    let texts = body["blocks"].as_array().unwrap().iter().filter_map(|block| block["text"]["text"].as_str());
    texts.collect::<Vec<_>>().join("\n").replace('\u{a0}', " ")
}

#[test]
fn three_alerts_at_once_are_one_message_and_so_is_their_end() {
    let mut world = together(&["s-one", "s-two", "s-three"]);
    minute(&mut world, 0, &[("s-one", 1.0), ("s-two", 1.0), ("s-three", 1.0)]);
    minute(&mut world, 1, &[("s-one", 1.0), ("s-two", 0.0), ("s-three", 1.0)]);
    minute(&mut world, 5, &[("s-one", 1.0), ("s-two", 0.0), ("s-three", 1.0)]);
    minute(&mut world, 10, &[("s-one", 0.0), ("s-two", 0.0), ("s-three", 0.0)]);
    insta::assert_snapshot!(world.http.titles(SLACK).join("\n"));
    assert_eq!(world.http.titles(EMAIL).len(), 3);
    insta::assert_snapshot!(slack_text(&world, 1));
    let email =
        world.http.arrivals.borrow().iter().rfind(|arrival| arrival.peer == EMAIL).unwrap().body["text"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(email.replace('\u{a0}', " "));
    assert!(world.all_closed());
}

#[test]
fn an_alert_that_is_alone_in_its_group_is_told_as_ever() {
    let mut world = together(&["s-one", "s-two"]);
    minute(&mut world, 0, &[("s-one", 1.0), ("s-two", 0.0)]);
    minute(&mut world, 6, &[("s-one", 0.0), ("s-two", 0.0)]);
    let mut alone = world.reborn();
    alone.config.alerting.routes[0].group_by.clear();
    minute(&mut alone, 0, &[("s-one", 1.0), ("s-two", 0.0)]);
    minute(&mut alone, 6, &[("s-one", 0.0), ("s-two", 0.0)]);
    assert_eq!(world.http.titles(SLACK), alone.http.titles(SLACK));
    assert_eq!(world.http.titles(SLACK).len(), 2);
}

#[test]
fn sentry_hears_of_each_alert_by_itself() {
    let mut world = together(&["s-one", "s-two"]);
    world.config.alerting.channels.push(sentry_channel("sentry"));
    world.config.alerting.routes[0].channels.push("sentry".into());
    world.addresses = parapet::channel::Addresses::resolve(&world.config.alerting, world::secret);
    minute(&mut world, 0, &[("s-one", 1.0), ("s-two", 1.0)]);
    assert_eq!(world.http.titles(SENTRY).len(), 2);
    assert_eq!(world.http.titles(SLACK).len(), 1);
}

#[test]
fn a_change_of_the_routes_loses_no_end() {
    let mut world = together(&["s-one", "s-two"]);
    minute(&mut world, 0, &[("s-one", 1.0), ("s-two", 1.0)]);
    // Nobody groups any more, and another route would be used.
    world.config.alerting.routes[0].group_by.clear();
    world.config.alerting.routes[0].channels = vec!["email".into()];
    minute(&mut world, 10, &[("s-one", 0.0), ("s-two", 0.0)]);
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.len(), 2);
    assert!(titles[1].contains("RESOLVED"), "{titles:?}");
}

#[test]
fn who_acknowledges_while_a_tick_runs_is_not_told_of_a_state_that_is_past() {
    for turns in [[0, 1, 0, 1, 0, 1], [1, 1, 0, 0, 0, 1], [1, 0, 1, 0, 1, 0]] {
        let mut world = together(&["s-one"]);
        minute(&mut world, 0, &[("s-one", 1.0)]);
        let now = set(&mut world, 10, &[("s-one", 0.0)]);
        world.act_during_tick(&parapet::alert::respond::Act::Acknowledge, now, &turns);
        for later in 11..14 {
            minute(&mut world, later, &[("s-one", 0.0)]);
        }
        let titles = world.http.titles(SLACK);
        assert!(titles.last().unwrap().contains("RESOLVED"), "{turns:?}: {titles:?}");
        assert_eq!(titles.iter().filter(|title| title.contains("RESOLVED")).count(), 1, "{titles:?}");
    }
}

#[test]
fn who_hears_that_somebody_has_an_alert_before_its_group_named_it_hears_its_end() {
    let mut world = together(&["s-one", "s-two"]);
    minute(&mut world, 0, &[("s-one", 1.0), ("s-two", 0.0)]);
    minute(&mut world, 1, &[("s-one", 1.0), ("s-two", 1.0)]);
    let rows = world.db.query("SELECT id, rule FROM alerts");
    let two = rows.iter().find(|row| row["rule"] == "s-two").unwrap()["id"].as_str().unwrap();
    world::block_on(world.acting_on(two, &parapet::alert::respond::Act::Acknowledge, at_s(90))).unwrap();
    for later in 2..8 {
        minute(&mut world, later, &[("s-one", 1.0), ("s-two", 0.0)]);
    }
    let titles = world.http.titles(SLACK);
    assert!(titles[1].contains("ACKNOWLEDGED") && titles[1].contains("s-two"), "{titles:#?}");
    let told = slack_text(&world, titles.len() - 1);
    assert!(told.contains("• over: Switch s-two after 1 min"), "{told}");
    assert_eq!(titles.len(), 3, "{titles:#?}");
}

#[test]
fn a_storm_is_a_digest_and_another_services_first_alert_is_not_in_it() {
    let mut storm = switch("s-storm");
    storm.by = vec!["route".into()];
    let mut world = World::with_rules(vec![storm, switch("s-other")]);
    let key = |route: usize| {
        let labels = vec![("route".to_owned(), format!("/r/{route:03}"))];
        parapet::telemetry::series::SeriesKey::new(parapet::telemetry::series::Kind::Gauge, "s_storm", labels)
    };
    let storm_at = |world: &mut World, now: UnixMs, value: f64| {
        let cell = |_| parapet::telemetry::cell::Cell::single(parapet::telemetry::series::Kind::Gauge, value, now.0 - 1);
        let cells = (0..45).map(|route| (key(route), cell(route))).collect();
        world.live.slices.push(parapet::storage::series::Slice { t: now.plus(-1).floor(10_000), cells });
    };
    let now = set(&mut world, 0, &[("s-other", 1.0)]);
    storm_at(&mut world, now, 1.0);
    world.run(now, now.plus(59_000));
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles.iter().any(|title| title.contains("Switch s-storm: 45 alerts fire")), "{titles:?}");
    assert!(titles.iter().any(|title| title.contains("Switch s-other 1")), "{titles:?}");
    insta::assert_snapshot!(slack_text(&world, titles.iter().position(|title| title.contains("45")).unwrap()));

    let now = set(&mut world, 10, &[("s-other", 1.0)]);
    storm_at(&mut world, now, 0.0);
    world.run(now, now.plus(59_000));
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.len(), 3, "{titles:?}");
    assert!(titles[2].contains("RESOLVED") && titles[2].contains("45 alerts"), "{titles:?}");
}

#[test]
fn many_ends_at_once_are_a_digest_too() {
    let rules: Vec<String> = (0..14).map(|number| format!("s-{number:02}")).collect();
    let mut world = World::with_rules(rules.iter().map(|id| switch(id)).collect());
    let values = |on: usize| rules.iter().enumerate().map(|(at, id)| (id.as_str(), if at < on { 1.0 } else { 0.0 })).collect::<Vec<_>>();
    minute(&mut world, 0, &values(7));
    minute(&mut world, 1, &values(14));
    assert_eq!(world.http.titles(SLACK).len(), 14);
    minute(&mut world, 10, &values(0));
    let titles = world.http.titles(SLACK);
    // Fourteen rules with an end each: ten keep their own message, four are told together.
    assert_eq!(titles.len(), 14 + 11, "{titles:?}");
    assert_eq!(titles.iter().filter(|title| title.contains("RESOLVED")).count(), 11);
    assert!(titles.iter().any(|title| title.contains("4 alerts after")), "{titles:?}");
    minute(&mut world, 11, &values(0));
    assert_eq!(world.http.titles(SLACK).len(), 25, "once");
}

#[test]
fn the_button_of_a_group_takes_all_of_it_and_says_so_once() {
    use parapet::alert::respond::Act;
    let mut world = together(&["s-one", "s-two", "s-three"]);
    world.config.alerting.channels.push(sentry_channel("sentry"));
    world.config.alerting.routes[0].channels.push("sentry".into());
    world.addresses = parapet::channel::Addresses::resolve(&world.config.alerting, world::secret);
    let on = [("s-one", 1.0), ("s-two", 1.0), ("s-three", 0.0)];
    minute(&mut world, 0, &on);
    let group =
        world.db.query("SELECT alert FROM outbox WHERE members IS NOT NULL AND channel = 'slack'")[0]["alert"].as_str().unwrap().to_owned();
    block_on(world.acting_on(&group, &Act::Acknowledge, at_s(10))).unwrap();
    minute(&mut world, 1, &on);
    let titles = world.http.titles(SLACK);
    assert_eq!((titles.len(), titles[1].contains("ACKNOWLEDGED")), (2, true), "{titles:?}");
    assert!(slack_text(&world, 1).contains("So is 1 more alert of its group."), "{}", slack_text(&world, 1));
    assert_eq!(world.http.titles(SENTRY).iter().filter(|title| title.contains("ACKNOWLEDGED")).count(), 2, "an issue each");
    // Nobody hears of it again, though it fires on for a day.
    for later in [300, 800, 1_400] {
        minute(&mut world, later, &on);
    }
    assert_eq!(world.http.titles(SLACK).len(), 2);
    // What joins later is nobody's yet.
    minute(&mut world, 1_500, &[("s-one", 1.0), ("s-two", 1.0), ("s-three", 1.0)]);
    assert_eq!(world.http.titles(SLACK).len(), 3);
    let off = [("s-one", 0.0), ("s-two", 0.0), ("s-three", 0.0)];
    minute(&mut world, 1_510, &off);
    assert_eq!(block_on(world.acting_on(&group, &Act::Acknowledge, at_s(90_700))).unwrap_err().status, 409);
}

#[test]
fn an_alert_somebody_took_while_it_was_silenced_is_told_when_the_silence_is_over() {
    let mut world = together(&["s-one"]);
    world.silence("rule=s-one", at_s(0), at_s(300));
    minute(&mut world, 0, &[("s-one", 1.0)]);
    world.act(&parapet::alert::respond::Act::Acknowledge, at_s(10)).unwrap();
    minute(&mut world, 1, &[("s-one", 1.0)]);
    assert!(world.http.titles(SLACK).is_empty());
    minute(&mut world, 5, &[("s-one", 1.0)]);
    minute(&mut world, 11, &[("s-one", 0.0)]);
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 2 && titles[0].contains("FIRING") && titles[1].contains("RESOLVED"), "{titles:?}");
}

#[test]
fn a_dead_message_about_a_group_is_sent_again_while_it_is_true() {
    use parapet::web::auth::{Principal, Role};
    let by = Principal { id: "tok_1".into(), name: "Thandi".into(), role: Role::Operator };
    let again = |world: &World, minute: i64| {
        let body = br#"{"channel": "slack"}"#;
        let now = at_s(minute * 60);
        block_on(parapet::web::deliveries::redrive_channel(&world.db, body, &by, &world.addresses, now)).unwrap();
    };
    let (on, half) = ([("s-one", 1.0), ("s-two", 1.0)], [("s-one", 1.0), ("s-two", 0.0)]);
    for (later, heard) in [(&on, 1), (&half, 0)] {
        let mut world = together(&["s-one", "s-two"]);
        world.http.usual_mood(SLACK, Mood::Gone);
        minute(&mut world, 0, &on);
        assert!(world.messages().contains(&("slack".into(), "first".into(), "dead".into())));
        world.http.heal();
        minute(&mut world, 1, later);
        again(&world, 2);
        minute(&mut world, 2, later);
        let titles = world.http.titles(SLACK);
        assert_eq!(titles.iter().filter(|title| title.contains("2 alerts fire")).count(), heard, "{titles:?}");
    }
}

// === laws

const RULES: [&str; 4] = ["s-one", "s-two", "s-three", "s-four"];

#[derive(Debug, Clone)]
enum Event {
    Wait(i64),
    Switch(usize, f64),
    Ticks { second_late_s: Option<i64>, turns: Vec<usize>, crash_after: Option<usize> },
    Deliver { turns: Vec<usize>, crash_after: Option<usize> },
    Database(Vec<DbFault>),
    Peer(&'static str, Vec<Mood>),
    Silence(usize, i64),
    Acknowledge { during_tick: bool, turns: Vec<usize> },
    Regroup(bool),
}

fn turns() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..2, 0..24)
}

fn any_event() -> impl Strategy<Value = Event> {
    let crash = || prop::option::weighted(0.3, 0_usize..12);
    let moods = vec![Mood::Takes, Mood::Busy(90), Mood::Breaks, Mood::TimesOut, Mood::TakesThenTimesOut, Mood::Unreachable];
    let faults = vec![DbFault::None, DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter];
    prop_oneof![
        4 => (1_i64..400).prop_map(Event::Wait),
        5 => (0_usize..4, prop::bool::ANY).prop_map(|(rule, on)| Event::Switch(rule, if on { 1.0 } else { 0.0 })),
        5 => (prop::option::of(0_i64..60), turns(), crash())
            .prop_map(|(second_late_s, turns, crash_after)| Event::Ticks { second_late_s, turns, crash_after }),
        4 => (turns(), crash()).prop_map(|(turns, crash_after)| Event::Deliver { turns, crash_after }),
        1 => prop::collection::vec(prop::sample::select(faults), 1..5).prop_map(Event::Database),
        1 => (0_usize..4, 1_i64..900).prop_map(|(rule, seconds)| Event::Silence(rule, seconds)),
        2 => (prop::bool::ANY, turns()).prop_map(|(during_tick, turns)| Event::Acknowledge { during_tick, turns }),
        1 => prop::bool::ANY.prop_map(Event::Regroup),
        2 => (prop::sample::select(vec![SLACK, EMAIL]), prop::collection::vec(prop::sample::select(moods), 1..4))
            .prop_map(|(peer, moods)| Event::Peer(peer, moods)),
    ]
}

struct Play {
    world: World,
    now: UnixMs,
    values: [f64; 4],
}

impl Play {
    fn look(&mut self) {
        self.world.switches(self.now, RULES.into_iter().zip(self.values));
    }

    fn apply(&mut self, event: &Event) {
        self.look();
        let (world, now) = (&mut self.world, self.now);
        match event {
            Event::Wait(seconds) => self.now = now.plus(seconds * 1_000),
            Event::Switch(rule, value) => self.values[*rule] = *value,
            Event::Ticks { second_late_s, turns, crash_after } => {
                let world = &*world;
                let ticking = |at| async move { drop(tick(at, &world.config, &world.addresses, &world.db, &world.seen()).await) };
                let mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = vec![Box::pin(ticking(now))];
                if let Some(late_s) = second_late_s {
                    futures.push(Box::pin(ticking(now.plus(late_s * 1_000))));
                }
                world::interleave(futures, turns, *crash_after);
                self.now = now.plus(second_late_s.unwrap_or_default() * 1_000);
            }
            Event::Deliver { turns, crash_after } => {
                let mut courier = std::mem::take(&mut world.courier);
                let ended = std::cell::Cell::new(false);
                {
                    let world = &*world;
                    let one = async {
                        dispatch(now, &world.config, &world.addresses, &world.db, &world.http, &mut courier).await;
                        ended.set(true);
                    };
                    world::interleave(vec![Box::pin(one)], turns, *crash_after);
                }
                world.courier = if ended.get() { courier } else { Courier::default() };
            }
            Event::Database(faults) => world.db.fail_next(faults.iter().copied()),
            Event::Peer(peer, moods) => world.http.next_moods(peer, moods.iter().copied()),
            Event::Silence(rule, seconds) => drop(world.silence(&format!("rule={}", RULES[*rule]), now, now.plus(seconds * 1_000))),
            Event::Acknowledge { during_tick, turns } => {
                let act = parapet::alert::respond::Act::Acknowledge;
                if world.db.query("SELECT id FROM alerts").is_empty() {
                    return;
                }
                let world = &*world;
                let acting = async { drop(world.acting(&act, now).await) };
                let ticking = async { drop(tick(now, &world.config, &world.addresses, &world.db, &world.seen()).await) };
                let mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = vec![Box::pin(acting)];
                if *during_tick {
                    futures.push(Box::pin(ticking));
                }
                world::interleave(futures, turns, None);
            }
            Event::Regroup(by_team) => {
                world.config.alerting.routes[0].group_by = if *by_team { vec!["team".into()] } else { vec!["rule".into()] };
            }
        }
    }

    /// Everybody is well again; two hours go by: longer than any back-off and any silence.
    fn settle(&mut self) {
        self.world.db.heal();
        self.world.http.heal();
        for _ in 0..120 {
            self.now = self.now.plus(60_000);
            self.look();
            let now = self.now;
            self.world.run(now, now.plus(59_000));
        }
    }
}

/// What each message of a channel, in the order it was heard first, makes people believe to fire.
fn beliefs(world: &World, channel: &str) -> Vec<(String, Value)> {
    let peer = if channel == "slack" { SLACK } else { EMAIL };
    let rows = world.db.query("SELECT id, notification FROM outbox WHERE state = 'delivered'");
    let said: BTreeMap<&str, Value> = rows
        .iter()
        .map(|row| (row["id"].as_str().unwrap(), serde_json::from_str(row["notification"].as_str().unwrap()).unwrap()))
        .collect();
    let mut heard = Vec::new();
    for message in world.http.heard.borrow().iter().filter(|message| message.peer == peer) {
        if !heard.iter().any(|(id, _)| *id == message.message) {
            heard.extend(said.get(message.message.as_str()).map(|said| (message.message.clone(), said.clone())));
        }
    }
    heard
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_people_believe_in_the_end_is_how_things_stand(events in prop::collection::vec(any_event(), 1..50)) {
        let mut world = together(&RULES);
        world.config.alerting.routes[0].group_interval_ms = Some(60_000);
        let mut play = Play { world, now: at_s(0), values: [0.0; 4] };
        for event in &events {
            play.apply(event);
        }
        play.settle();
        let world = &play.world;
        prop_assert!(world.all_closed());
        if world.messages().iter().any(|(_, _, state)| state == "dead") {
            return Ok(());
        }
        for channel in ["slack", "email"] {
            let mut firing: BTreeSet<String> = BTreeSet::new();
            for (id, said) in beliefs(world, channel) {
                let alone = [said.clone()];
                let alerts: &[Value] = said["group"]["alerts"].as_array().map_or(&alone, |alerts| alerts);
                for alert in alerts {
                    let rule = alert["rule"].as_str().unwrap().to_owned();
                    if ["resolved", "rule_removed"].contains(&alert["reason"].as_str().unwrap()) {
                        prop_assert!(firing.remove(&rule), "{id} ends what was not known to fire: {alert}");
                    } else {
                        firing.insert(rule);
                    }
                }
            }
            let expected: BTreeSet<String> =
                RULES.iter().zip(play.values).filter(|(_, value)| *value > 0.5).map(|(rule, _)| (*rule).to_owned()).collect();
            prop_assert_eq!(firing, expected, "{}", channel);
        }
        // Nobody is told that an alert fires while it is silenced.
        for silence in world.db.query("SELECT matchers, starts_at, ends_at FROM silence") {
            for row in world.db.query("SELECT created_at, notification FROM outbox WHERE members IS NOT NULL") {
                let at = row["created_at"].as_i64().unwrap();
                let said: Value = serde_json::from_str(row["notification"].as_str().unwrap()).unwrap();
                let within = silence["starts_at"].as_i64().unwrap() < at && at < silence["ends_at"].as_i64().unwrap();
                for alert in said["group"]["alerts"].as_array().unwrap() {
                    let is_meant = silence["matchers"].as_str().unwrap().contains(alert["rule"].as_str().unwrap());
                    prop_assert!(!(within && is_meant && alert["reason"] == "first"), "{alert} in spite of {silence}");
                }
            }
        }
    }
}

#[test]
fn the_worst_alert_speaks_for_its_group() {
    let mut world = together(&["s-one", "s-two"]);
    world.config.alerting.rules[0].severity = Severity::Info;
    world.config.alerting.rules[1].severity = Severity::Critical;
    minute(&mut world, 0, &[("s-one", 1.0), ("s-two", 1.0)]);
    assert!(world.http.titles(SLACK)[0].contains("FIRING critical"), "{:?}", world.http.titles(SLACK));
}
