//! Laws of alerting under any interleaving of ticks, crashes, silences, muted routes and faults: nothing is lost, nothing is told while
//! it is silenced or its route is muted, the last thing heard is the last thing that happened, and a message is heard twice only where its peer took it and the answer was lost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;

use parapet::alert::dispatch::dispatch;
use parapet::alert::tick::tick;
use parapet::config::alerting::{Hours, Route, Span, TimeInterval, Weekday};
use parapet::outbox::deliver::Courier;
use parapet::time::UnixMs;
use proptest::prelude::*;
use world::{DbFault, EMAIL, Mood, SLACK, World, at_s, switch};

/// What may happen next.
#[derive(Debug, Clone)]
enum Event {
    /// Time goes on.
    Wait(i64),
    /// A rule's condition begins or ends.
    Switch(usize, f64),
    /// Cron comes; perhaps twice, perhaps late, its awaits mixed; perhaps the process dies in the middle.
    Ticks { second_late_s: Option<i64>, turns: Vec<usize>, crash_after: Option<usize> },
    /// The outbox is worked on, perhaps by two at once, perhaps until the process dies.
    Deliver { second: bool, turns: Vec<usize>, crash_after: Option<usize> },
    /// A tick and a delivery at once.
    Both(Vec<usize>),
    /// The next batches fail.
    Database(Vec<DbFault>),
    /// A peer's next answers.
    Peer(&'static str, Vec<Mood>),
    /// Somebody silences a rule from now on, for so many seconds.
    Silence(usize, i64),
    /// Somebody ends every silence now.
    EndSilences,
}

const RULES: [&str; 2] = ["s-one", "s-two"];

fn turns() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..2, 0..24)
}

fn crash() -> impl Strategy<Value = Option<usize>> {
    prop::option::weighted(0.3, 0_usize..12)
}

fn any_mood() -> impl Strategy<Value = Mood> {
    prop::sample::select(vec![
        Mood::Takes,
        Mood::Busy(1),
        Mood::Busy(90),
        Mood::Breaks,
        Mood::Gone,
        Mood::Moves,
        Mood::TimesOut,
        Mood::TakesThenTimesOut,
        Mood::TakesThenCloses,
        Mood::Unreachable,
    ])
}

fn any_fault() -> impl Strategy<Value = DbFault> {
    prop::sample::select(vec![DbFault::None, DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter])
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1_i64..200).prop_map(Event::Wait),
        3 => (0_usize..2, prop::bool::ANY).prop_map(|(rule, on)| Event::Switch(rule, if on { 1.0 } else { 0.0 })),
        4 => (prop::option::of(0_i64..60), turns(), crash())
            .prop_map(|(second_late_s, turns, crash_after)| Event::Ticks { second_late_s, turns, crash_after }),
        4 => (prop::bool::ANY, turns(), crash()).prop_map(|(second, turns, crash_after)| Event::Deliver { second, turns, crash_after }),
        1 => turns().prop_map(Event::Both),
        1 => prop::collection::vec(any_fault(), 1..5).prop_map(Event::Database),
        2 => (0_usize..2, 1_i64..900).prop_map(|(rule, seconds)| Event::Silence(rule, seconds)),
        1 => Just(Event::EndSilences),
        2 => (prop::sample::select(vec![SLACK, EMAIL]), prop::collection::vec(any_mood(), 1..4)).prop_map(|(peer, moods)| Event::Peer(peer, moods)),
    ]
}

/// The world, and what the story has to remember of it.
struct Play {
    world: World,
    now: UnixMs,
    values: [f64; 2],
    /// Deliveries that were cut off: each may have lost one answer of each channel.
    crashes: usize,
    silences: Vec<String>,
}

impl Play {
    /// The first rule's e-mail is muted in these minutes.
    fn new(muted: &std::ops::Range<i64>) -> Self {
        let mut world = World::with_rules(RULES.map(switch).to_vec());
        let clock = |minute: i64| format!("{:02}:{:02}", 12 + minute / 60, minute % 60);
        let hours = Hours { days: vec![Weekday::Mon], hours: Span { from: clock(muted.start), to: clock(muted.end) }, zone: "UTC".into() };
        world.config.alerting.time_intervals = vec![TimeInterval { id: "pause".into(), hours }];
        let everything = world.config.alerting.routes[0].clone();
        let of_first = |channel: &str, mute_times: &[&str]| Route {
            matchers: [("rule".to_owned(), RULES[0].to_owned())].into_iter().collect(),
            channels: vec![channel.to_owned()],
            r#continue: channel == "email",
            mute_times: mute_times.iter().map(|name| (*name).to_owned()).collect(),
            ..Route::default()
        };
        world.config.alerting.routes = vec![of_first("email", &["pause"]), of_first("slack", &[]), everything];
        Self { world, now: at_s(0), values: [0.0; 2], crashes: 0, silences: Vec::new() }
    }

    /// The Collectors know how the switches stand right now.
    fn look(&mut self) {
        self.world.switches(self.now, RULES.into_iter().zip(self.values));
    }

    fn apply(&mut self, event: &Event) {
        self.look();
        let (world, now) = (&mut self.world, self.now);
        let mut courier = std::mem::take(&mut world.courier);
        let world = &*world;
        let ticking = |at| async move { drop(tick(at, &world.config, &world.addresses, &world.db, &world.seen()).await) };
        match event {
            Event::Wait(seconds) => self.now = now.plus(seconds * 1_000),
            Event::Switch(rule, value) => self.values[*rule] = *value,
            Event::Ticks { second_late_s, turns, crash_after } => {
                let second = second_late_s.map(|late_s| ticking(now.plus(late_s * 1_000)));
                let mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = vec![Box::pin(ticking(now))];
                if let Some(second) = second {
                    futures.push(Box::pin(second));
                }
                world::interleave(futures, turns, *crash_after);
                self.now = now.plus(second_late_s.unwrap_or_default() * 1_000);
            }
            Event::Deliver { second, turns, crash_after } => {
                let mut other = Courier::default();
                let ended = std::cell::Cell::new(0);
                let wanted = if *second { 2 } else { 1 };
                {
                    let one = async {
                        dispatch(now, &world.config, &world.addresses, &world.db, &world.http, &mut courier).await;
                        ended.set(ended.get() + 1);
                    };
                    let two = async {
                        dispatch(now, &world.config, &world.addresses, &world.db, &world.http, &mut other).await;
                        ended.set(ended.get() + 1);
                    };
                    let mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + '_>>> = vec![Box::pin(one)];
                    if *second {
                        futures.push(Box::pin(two));
                    }
                    world::interleave(futures, turns, *crash_after);
                }
                if ended.get() < wanted || other.has_unrecorded() {
                    self.crashes += 1;
                }
                if ended.get() < wanted {
                    courier = Courier::default();
                }
            }
            Event::Both(turns) => {
                let one = async { drop(dispatch(now, &world.config, &world.addresses, &world.db, &world.http, &mut courier).await) };
                world::interleave(vec![Box::pin(one), Box::pin(ticking(now))], turns, None);
            }
            Event::Database(faults) => world.db.fail_next(faults.iter().copied()),
            Event::Peer(peer, moods) => world.http.next_moods(peer, moods.iter().copied()),
            Event::Silence(rule, seconds) => {
                self.silences.push(world.silence(&format!("rule={}", RULES[*rule]), now, now.plus(seconds * 1_000)));
            }
            Event::EndSilences => self.silences.iter().for_each(|silence| world.end_silence(silence, now)),
        }
        self.world.courier = courier;
    }

    /// Everybody is well again; an hour goes by: longer than any back-off.
    fn settle(&mut self) {
        self.world.db.heal();
        self.world.http.heal();
        let end = self.now.plus(3_600_000);
        while self.now < end {
            self.now = self.now.plus(60_000);
            self.look();
            let now = self.now;
            self.world.run(now, now.plus(59_000));
        }
    }
}

/// What was heard of each alert on each peer, in order.
fn heard(world: &World) -> BTreeMap<(String, String), Vec<(String, String)>> {
    let mut heard: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for message in world.http.heard.borrow().iter() {
        heard.entry((message.peer.clone(), message.alert.clone())).or_default().push((message.message.clone(), message.title.clone()));
    }
    heard
}

fn rows(world: &World) -> Vec<BTreeMap<String, String>> {
    let rows = world.db.query("SELECT id, alert, channel, reason, state, notification FROM outbox ORDER BY alert, channel, seq");
    rows.iter()
        .map(|row| row.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_the_last_word_is_true(
        events in prop::collection::vec(any_event(), 1..40),
        // Over before the world has settled.
        muted in (0_i64..29, 1_i64..30).prop_map(|(from, minutes)| from..from + minutes),
    ) {
        let mut play = Play::new(&muted);
        for event in &events {
            play.apply(event);
        }
        play.settle();
        let world = &play.world;
        let rows = rows(world);
        let heard = heard(world);
        let peer = |channel: &str| if channel == "slack" { SLACK } else { EMAIL };

        for row in &rows {
            // Every message is closed, and one that counts as delivered was heard.
            prop_assert!(row["state"] == "delivered" || row["state"] == "dead", "{row:?}");
            let here = heard.get(&(peer(&row["channel"]).to_owned(), row["alert"].clone())).cloned().unwrap_or_default();
            let times = here.iter().filter(|(id, _)| *id == row["id"]).count();
            if row["state"] == "delivered" {
                prop_assert!(times >= 1, "delivered and not heard: {row:?}");
            } else {
                // A message that was given up is told of through the other channel.
                let other = if row["channel"] == "slack" { "email" } else { "slack" };
                let name = format!("Notifications do not reach {}", row["channel"]);
                let told = rows.iter().any(|told| told["channel"] == other && told["notification"].contains(&name));
                prop_assert!(told, "nobody was told of {row:?}");
            }
            // Heard twice only where the peer took it and the answer was lost.
            let lost = world.http.arrivals.borrow().iter().filter(|arrival| {
                arrival.peer == peer(&row["channel"]) && arrival.mood.loses_the_answer() && arrival.body.to_string().contains(&row["id"])
            }).count();
            let most = if row["channel"] == "email" { 1 } else { 1 + lost + play.crashes };
            prop_assert!(times <= most, "heard {times} times, at most {most}: {row:?}");
        }

        // Nobody is told that an alert fires while it is silenced.
        for silence in world.db.query("SELECT matchers, starts_at, ends_at FROM silence") {
            let moment = |name: &str| silence[name].as_i64().unwrap();
            for row in world.db.query("SELECT reason, created_at, notification FROM outbox WHERE reason = 'first'") {
                let at = row["created_at"].as_i64().unwrap();
                let meant = RULES.iter().any(|rule| {
                    silence["matchers"].as_str().unwrap().contains(rule) && row["notification"].as_str().unwrap().contains(&format!("\"rule\":\"{rule}\""))
                });
                prop_assert!(!meant || at <= moment("starts_at") || at >= moment("ends_at"), "{row:?} in spite of {silence:?}");
            }
        }

        // Nor by a route that is muted.
        for row in world.db.query("SELECT created_at, notification FROM outbox WHERE reason = 'first' AND channel = 'email'") {
            let minute = UnixMs(row["created_at"].as_i64().unwrap()).since(at_s(0)).div_euclid(60_000);
            let is_first_rule = row["notification"].as_str().unwrap().contains(&format!("\"rule\":\"{}\"", RULES[0]));
            prop_assert!(!(is_first_rule && muted.contains(&minute)), "{row:?} while muted in {muted:?}");
        }

        for (rule, value) in RULES.iter().zip(play.values) {
            for channel in ["slack", "email"] {
                let of_rule = |row: &&BTreeMap<String, String>| row["channel"] == channel && row["notification"].contains(&format!("\"rule\":\"{rule}\""));
                let mine: Vec<_> = rows.iter().filter(of_rule).collect();
                // Beginnings and ends are written in turns, and the last one is how things stand.
                for (at, row) in mine.iter().enumerate() {
                    prop_assert_eq!(row["reason"] == "resolved", at % 2 == 1, "{:?}", mine);
                }
                prop_assert_eq!(mine.len() % 2 == 1, value > 0.5, "{} on {}: {:?}", rule, channel, mine);
                if mine.is_empty() || mine.iter().any(|row| row["state"] == "dead") {
                    continue;
                }
                let heard = &heard[&(peer(channel).to_owned(), mine[0]["alert"].clone())];
                let state = if value > 0.5 { "FIRING" } else { "RESOLVED" };
                prop_assert!(heard.last().unwrap().1.contains(state), "{heard:?}");
                // And they were heard in the order they happened.
                let mut ids: Vec<&String> = heard.iter().map(|(id, _)| id).collect();
                ids.dedup();
                prop_assert_eq!(ids, mine.iter().map(|row| &row["id"]).collect::<Vec<_>>());
            }
        }
    }
}
