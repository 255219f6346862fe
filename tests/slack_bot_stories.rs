//! Slack as a bot: what people see in the channel from the first message of an alert to its end, and after crashes, refusals,
//! deleted messages and lost answers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::alert::dispatch::dispatch;
use parapet::alert::respond::Act;
use parapet::channel::Addresses;
use parapet::config::alerting::{Channel, Via};
use parapet::outbox::deliver::Courier;
use parapet::web::{respond, slack_actions};
use proptest::prelude::*;
use serde_json::json;
use world::slack_bot::{BOT_TOKEN, CHANNEL, SLACK_API, Shown};
use world::{DbFault, EMAIL, Mood, World, at_s, block_on, interleave, switch};

/// The switches `rules`, told to a bot's channel and to e-mail.
fn world(rules: &[&str]) -> World {
    let mut world = World::with_rules(rules.iter().map(|id| switch(id)).collect());
    let via = Via::Slack { secret: "SLACK_BOT_TOKEN".into(), channel: Some(CHANNEL.into()) };
    world.config.alerting.channels.push(Channel { id: "under-test".into(), via, send_resolved: true });
    world.config.alerting.routes[0].channels = vec!["under-test".into(), "email".into()];
    world.addresses = Addresses::resolve(&world.config.alerting, world::secret);
    world
}

/// A tick at `minute`, and its deliveries within the minute.
fn minute(world: &mut World, minute: i64, values: &[(&str, f64)]) {
    world.switches(at_s(minute * 60), values.iter().copied());
    world.run(at_s(minute * 60), at_s(minute * 60 + 59));
}

/// The same after somebody acted at its beginning.
fn act(world: &mut World, at_minute: i64, act: &Act, values: &[(&str, f64)]) {
    world.act(act, at_s(at_minute * 60)).unwrap();
    minute(world, at_minute, values);
}

/// Each message as people see it: every text it had, then its thread.
fn channel(world: &World) -> String {
    let told = |shown: &Shown| {
        let thread = shown.thread.iter().map(|line| format!("  ↳ {line}"));
        shown
            .texts
            .iter()
            .enumerate()
            .map(|(n, text)| format!("{}{text}", if n == 0 { "" } else { "= " }))
            .chain(thread)
            .collect::<Vec<_>>()
    };
    world.http.memory.borrow().slack.messages.values().flat_map(told).collect::<Vec<_>>().join("\n")
}

fn messages(world: &World) -> Vec<Shown> {
    world.http.memory.borrow().slack.messages.values().cloned().collect()
}

fn refuse_next(world: &World, errors: &[&'static str]) {
    world.http.memory.borrow_mut().slack.next_errors.extend(errors);
}

const ON: [(&str, f64); 1] = [("s-one", 1.0)];
const OFF: [(&str, f64); 1] = [("s-one", 0.0)];

#[test]
fn one_message_shows_how_an_alert_stands_and_its_thread_what_happened() {
    let mut world = world(&["s-one"]);
    minute(&mut world, 0, &ON);
    act(&mut world, 2, &Act::Snooze { until: at_s(600) }, &ON);
    minute(&mut world, 10, &ON);
    act(&mut world, 12, &Act::Acknowledge, &ON);
    act(&mut world, 14, &Act::Escalate, &ON);
    minute(&mut world, 20, &OFF);
    minute(&mut world, 30, &ON);
    insta::assert_snapshot!(channel(&world));
    assert!(world.all_closed());
}

#[test]
fn a_group_is_one_message_and_who_takes_one_of_its_alerts_is_named_in_its_thread() {
    let mut world = world(&["s-one", "s-two", "s-three"]);
    world.config.alerting.routes[0].group_by = vec!["severity".into()];
    let all = |one, two, three| [("s-one", one), ("s-two", two), ("s-three", three)];
    minute(&mut world, 0, &all(1.0, 0.0, 0.0));
    act(&mut world, 2, &Act::Acknowledge, &all(1.0, 0.0, 0.0));
    minute(&mut world, 6, &all(1.0, 1.0, 0.0));
    world.switches(at_s(480), all(1.0, 1.0, 0.0));
    let second = world.db.query("SELECT id FROM alerts WHERE rule = 's-two'")[0]["id"].as_str().unwrap().to_owned();
    block_on(world.acting_on(&second, &Act::Acknowledge, at_s(480))).unwrap();
    minute(&mut world, 8, &all(1.0, 1.0, 0.0));
    minute(&mut world, 12, &all(0.0, 1.0, 0.0));
    minute(&mut world, 18, &all(0.0, 0.0, 0.0));
    minute(&mut world, 30, &all(0.0, 0.0, 1.0));
    insta::assert_snapshot!(channel(&world));
    assert!(world.all_closed());
}

#[test]
fn a_line_of_the_thread_that_was_not_accepted_is_said_later_and_once() {
    let mut world = world(&["s-one"]);
    minute(&mut world, 0, &ON);
    // The message was written anew, and its thread was not: twice.
    refuse_next(&world, &["", "internal_error", "", "fatal_error"]);
    minute(&mut world, 2, &OFF);
    let messages = messages(&world);
    assert_eq!((messages.len(), messages[0].texts.len(), messages[0].thread.len()), (1, 4, 1), "{messages:?}");
    assert!(messages[0].thread[0].contains("RESOLVED"));
    assert!(world.all_closed());
}

#[test]
fn a_message_that_is_gone_is_posted_anew_and_the_new_one_goes_on() {
    for gone in ["deleted", "edit_window_closed", "cant_update_message"] {
        let mut world = world(&["s-one"]);
        minute(&mut world, 0, &ON);
        if gone == "deleted" {
            world.http.memory.borrow_mut().slack.messages.clear();
        } else {
            refuse_next(&world, &[gone]);
        }
        act(&mut world, 2, &Act::Acknowledge, &ON);
        minute(&mut world, 4, &OFF);
        let newest = messages(&world).pop().unwrap();
        assert_eq!((newest.texts.len(), newest.thread.len()), (2, 1), "{gone}: {newest:?}");
        assert!(newest.texts[0].contains("ACKNOWLEDGED") && newest.texts[1].contains("RESOLVED"), "{gone}: {newest:?}");
        assert!(world.all_closed());
    }
}

#[test]
fn a_crash_at_any_moment_leaves_every_message_people_can_find_true_and_loses_no_word() {
    let delivery = |crash_after: usize, ends: bool| {
        let mut world = world(&["s-one"]);
        if ends {
            minute(&mut world, 0, &ON);
        }
        let at = at_s(120);
        world.switches(at, if ends { OFF } else { ON });
        world.tick(at);
        let (mut courier, mut has_ended) = (Courier::default(), false);
        interleave(
            vec![Box::pin(async {
                dispatch(at, &world.config, &world.addresses, &world.db, &world.http, &mut courier).await;
                has_ended = true;
            })],
            &[],
            Some(crash_after),
        );
        // Another process begins with what is stored.
        world.courier = Courier::default();
        for later in 3..8 {
            minute(&mut world, later, if ends { &OFF } else { &ON });
        }
        assert!(world.all_closed(), "after {crash_after} steps");
        (messages(&world), has_ended)
    };
    let (mut twice_said, mut twice_posted) = (0, 0);
    for crash_after in 0.. {
        let (messages, has_ended) = delivery(crash_after, true);
        assert_eq!(messages.len(), 1, "after {crash_after} steps: {messages:?}");
        assert!(messages[0].texts.last().unwrap().contains("RESOLVED"), "after {crash_after} steps: {messages:?}");
        assert!((1..=2).contains(&messages[0].thread.len()), "after {crash_after} steps: {messages:?}");
        twice_said += usize::from(messages[0].thread.len() == 2);
        let (messages, _) = delivery(crash_after, false);
        assert!((1..=2).contains(&messages.len()), "after {crash_after} steps: {messages:?}");
        twice_posted += usize::from(messages.len() == 2);
        if has_ended {
            break;
        }
    }
    // Slack has no key to know the second by: a crash between its taking a message and our writing that down is seen.
    assert!(twice_said > 0 && twice_posted > 0, "{twice_said} {twice_posted}");
}

#[test]
fn a_lost_answer_to_an_update_is_not_seen_at_all() {
    let mut world = world(&["s-one"]);
    minute(&mut world, 0, &ON);
    world.http.next_moods(SLACK_API, [Mood::TakesThenTimesOut, Mood::TakesThenCloses, Mood::Unreachable]);
    act(&mut world, 2, &Act::Acknowledge, &ON);
    let messages = messages(&world);
    assert_eq!((messages.len(), messages[0].thread.len()), (1, 0), "{messages:?}");
    assert!(messages[0].texts.last().unwrap().contains("ACKNOWLEDGED"));
    assert!(world.all_closed());
}

#[test]
fn slack_is_given_the_time_it_asks_for() {
    let mut world = world(&["s-one"]);
    world.http.next_moods(SLACK_API, [Mood::Busy(30)]);
    minute(&mut world, 0, &ON);
    assert_eq!(world.http.arrivals_at(SLACK_API), [at_s(0), at_s(30)]);
}

/// The blocks of the newest request to Slack.
fn newest_blocks(world: &World) -> serde_json::Value {
    world.http.arrivals.borrow().iter().rfind(|arrival| arrival.peer == SLACK_API).unwrap().body["blocks"].clone()
}

#[test]
fn a_click_is_seen_at_once_and_then_in_full() {
    let mut world = world(&["s-one"]);
    let signed = |name: &str| if name == "SLACK_SIGNING_SECRET" { Some("signing".into()) } else { world::secret(name) };
    world.addresses = Addresses::resolve(&world.config.alerting, signed);
    minute(&mut world, 0, &ON);
    let blocks = newest_blocks(&world);
    let button = blocks.as_array().unwrap().iter().flat_map(|block| block["elements"].as_array().cloned().unwrap_or_default());
    let button = button.into_iter().find(|element| element["action_id"] == "acknowledge").unwrap();
    let payload = json!({
        "type": "block_actions",
        "user": {"id": "U1", "name": "thandi"},
        "channel": {"id": CHANNEL},
        "container": {"type": "message", "message_ts": "1772452800.000001", "channel_id": CHANNEL},
        "message": {"type": "message", "bot_id": "B1", "ts": "1772452800.000001", "blocks": blocks},
        "response_url": "https://hooks.slack.com/actions/T1/1/x",
        "actions": [button],
    });
    let form = payload.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let click = slack_actions::click(format!("payload={form}").as_bytes()).unwrap();
    let at = at_s(30);
    let done = block_on(respond::act(&world.db, &click.alert, (&click.act(at), None), &click.by, (&world.config, &world.addresses), at));
    let replaced: serde_json::Value = serde_json::from_slice(&click.answer(&done).unwrap().body).unwrap();
    assert!(replaced["replace_original"] == true && replaced["text"] == "✅ acknowledged by @thandi", "{replaced}");
    world.run(at_s(60), at_s(119));
    let blocks = newest_blocks(&world).to_string();
    assert!(blocks.contains("◐ ACKNOWLEDGED — Switch s-one") && blocks.contains("*Taken by*\\n@thandi"), "{blocks}");
    for blocks in [replaced["blocks"].to_string(), blocks] {
        assert!(!blocks.contains("action_id"), "what was done cannot be done again: {blocks}");
    }
    assert_eq!(messages(&world).len(), 1);
}

#[test]
fn many_messages_at_once_stay_below_slacks_limits() {
    let ids: Vec<String> = (0..10).map(|n| format!("s-{n}")).collect();
    let mut world = world(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let all = |value: f64| ids.iter().map(|id| (id.as_str(), value)).collect::<Vec<_>>();
    minute(&mut world, 0, &all(1.0));
    minute(&mut world, 1, &all(0.0));
    let slack = &world.http.memory.borrow().slack;
    assert_eq!((slack.messages.len(), slack.limited), (10, 0));
    assert!(slack.messages.values().all(|shown| shown.texts.len() == 2 && shown.thread.len() == 1), "{:?}", slack.messages);
}

#[test]
fn the_end_of_what_slack_never_took_is_told_all_the_same() {
    let mut world = world(&["s-one"]);
    refuse_next(&world, &["invalid_blocks"]);
    minute(&mut world, 0, &ON);
    minute(&mut world, 2, &OFF);
    let messages = messages(&world);
    assert_eq!((messages.len(), messages[0].texts.len()), (1, 1), "{messages:?}");
    assert!(messages[0].texts[0].contains("RESOLVED"));
}

#[test]
fn a_token_that_was_revoked_is_said_with_what_to_do_and_email_tells_of_it() {
    let mut world = world(&["s-one"]);
    let other = |name: &str| if name == "SLACK_BOT_TOKEN" { Some("xoxb-000000000000-oldbotsecret".into()) } else { world::secret(name) };
    world.addresses = Addresses::resolve(&world.config.alerting, other);
    minute(&mut world, 0, &ON);
    let (message, attempts) = world.delivery(&world.ids("under-test")[0]);
    assert_eq!(message.state.as_str(), "dead");
    let detail = attempts[0].detail.as_deref().unwrap();
    assert_eq!(
        detail,
        "answered invalid_auth: set the secret SLACK_BOT_TOKEN to the bot token of an app that is installed in the workspace"
    );
    assert!(world.http.titles(EMAIL).iter().any(|title| title.contains("Notifications do not reach under-test")));
}

#[test]
fn nothing_that_is_stored_or_printed_holds_the_token() {
    let mut world = world(&["s-one"]);
    refuse_next(&world, &["not_in_channel"]);
    minute(&mut world, 0, &ON);
    minute(&mut world, 2, &OFF);
    let rows = ["SELECT * FROM outbox", "SELECT * FROM attempts", "SELECT * FROM channels", "SELECT * FROM alerts"];
    let stored = rows.iter().map(|sql| format!("{:?}", world.db.query(sql))).collect::<Vec<_>>().concat();
    let secret = BOT_TOKEN.rsplit('-').next().unwrap();
    assert!(!stored.contains(secret) && !format!("{:?}", world.addresses).contains(secret));
}

// === the law

#[derive(Debug, Clone)]
enum Event {
    /// A minute goes by with the switch like this.
    Minute(bool),
    /// The same, and the process dies after so many steps of a delivery.
    Crash(bool, usize),
    Act(Act),
    /// People delete the newest message.
    Delete,
    Refuse(Vec<&'static str>),
    Peer(Vec<Mood>),
    Database(Vec<DbFault>),
}

impl Event {
    /// Whether a message can be left behind that nobody knows of, or that cannot be changed any more.
    fn can_leave_one_behind(&self) -> bool {
        match self {
            Self::Crash(..) => true,
            Self::Refuse(errors) => errors.contains(&"edit_window_closed"),
            Self::Peer(moods) => moods.iter().any(|mood| mood.loses_the_answer()),
            Self::Minute(_) | Self::Act(_) | Self::Delete | Self::Database(_) => false,
        }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let errors = vec!["", "internal_error", "ratelimited", "edit_window_closed"];
    let moods = vec![Mood::Takes, Mood::Busy(20), Mood::Breaks, Mood::TimesOut, Mood::TakesThenTimesOut, Mood::Unreachable];
    let faults = vec![DbFault::None, DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter];
    let acts = vec![Act::Acknowledge, Act::Escalate, Act::Resolve { verdict: None }];
    prop_oneof![
        8 => any::<bool>().prop_map(Event::Minute),
        1 => (any::<bool>(), 0_usize..14).prop_map(|(on, steps)| Event::Crash(on, steps)),
        4 => prop::sample::select(acts).prop_map(Event::Act),
        1 => Just(Event::Delete),
        2 => prop::collection::vec(prop::sample::select(errors), 1..4).prop_map(Event::Refuse),
        1 => prop::collection::vec(prop::sample::select(moods), 1..4).prop_map(Event::Peer),
        1 => prop::collection::vec(prop::sample::select(faults), 1..4).prop_map(Event::Database),
    ]
}

/// A minute in which the process dies in the middle of its first delivery.
fn crash(world: &mut World, at_minute: i64, on: bool, steps: usize) {
    let at = at_s(at_minute * 60);
    world.switches(at, if on { ON } else { OFF });
    world.tick(at);
    let mut courier = std::mem::take(&mut world.courier);
    let delivery = async { drop(dispatch(at, &world.config, &world.addresses, &world.db, &world.http, &mut courier).await) };
    interleave(vec![Box::pin(delivery)], &[], Some(steps));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_newest_message_is_true_and_so_is_every_one_whose_answer_was_heard(
        events in prop::collection::vec(any_event(), 1..25),
        ends_on in any::<bool>(),
    ) {
        let mut world = world(&["s-one"]);
        world.config.alerting.routes[0].channels = vec!["under-test".into()];
        let mut now = 0;
        for event in &events {
            match event {
                Event::Minute(on) => minute(&mut world, now, if *on { &ON } else { &OFF }),
                Event::Crash(on, steps) => crash(&mut world, now, *on, *steps),
                Event::Act(act) if !world.db.query("SELECT id FROM alerts").is_empty() => drop(world.act(act, at_s(now * 60))),
                Event::Act(_) => {}
                Event::Delete => drop(world.http.memory.borrow_mut().slack.messages.pop_last()),
                Event::Refuse(errors) => refuse_next(&world, errors),
                Event::Peer(moods) => world.http.next_moods(SLACK_API, moods.iter().copied()),
                Event::Database(faults) => world.db.fail_next(faults.iter().copied()),
            }
            now += 1;
        }
        world.db.heal();
        world.http.heal();
        world.http.memory.borrow_mut().slack.next_errors.clear();
        // Longer than any back-off.
        for _ in 0..45 {
            minute(&mut world, now, if ends_on { &ON } else { &OFF });
            now += 1;
        }
        prop_assert!(world.all_closed());
        let dead = world.messages().into_iter().filter(|(channel, _, state)| channel == "under-test" && state == "dead").count();
        prop_assert_eq!(dead, 0);
        let messages = messages(&world);
        let is_over = |shown: &Shown| shown.texts.last().unwrap().contains("RESOLVED");
        let fire = messages.iter().filter(|shown| !is_over(shown)).count();
        let left_behind = events.iter().any(Event::can_leave_one_behind);
        let deleted = events.iter().any(|event| matches!(event, Event::Delete));
        if ends_on {
            // Of what fires there is one message, and it is the newest: the others tell of what is over.
            prop_assert!(deleted || messages.last().is_some_and(|shown| !is_over(shown)), "{:?}", messages);
            prop_assert!(left_behind || fire <= 1, "{:?}", messages);
        } else {
            // Who deletes the newest looks at the one that was left behind.
            prop_assert!(deleted && left_behind || messages.last().is_none_or(is_over), "{:?}", messages);
            prop_assert!(left_behind || fire == 0, "{:?}", messages);
        }
    }
}
