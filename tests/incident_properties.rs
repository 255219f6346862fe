//! The laws of incidents: no interleaving of ticks, crashes, acts, edits, silences and failing batches loses an alert's incident or
//! episode, doubles one, or leaves an incident open that is over. Simulated on the real SQL; failures shrink to a short story.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use parapet::alert::respond::{Act, AlarmVerdict};
use parapet::alert::tick::tick;
use parapet::incident::edit::Edit;
use parapet::time::UnixMs;
use parapet::web::auth::{Principal, Role};
use parapet::web::{incidents, respond};
use proptest::prelude::*;
use world::{DbFault, World, at_s, block_on, interleave, switch};

const RULES: [&str; 2] = ["s-one", "s-two"];

#[derive(Debug, Clone)]
enum Event {
    /// Time goes on.
    Wait(i64),
    /// A rule's condition begins or ends.
    Switch(usize, bool),
    /// Cron comes, perhaps twice, while somebody acts on the alerts and edits the incidents, perhaps until the process dies.
    Busy { ticks: usize, act: Option<Act>, edits: bool, turns: Vec<usize>, crash_after: Option<usize> },
    /// The next batches fail.
    Database(Vec<DbFault>),
    /// Somebody silences a rule for so many seconds.
    Silence(usize, i64),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![Just(Act::Acknowledge), Just(Act::Resolve { verdict: Some(AlarmVerdict::TrueAlarm) }), Just(Act::Escalate)]
}

fn any_event() -> impl Strategy<Value = Event> {
    let fault = prop::sample::select(vec![DbFault::None, DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter]);
    let turns = prop::collection::vec(0_usize..4, 0..24);
    let busy =
        (1_usize..3, prop::option::weighted(0.3, any_act()), prop::bool::weighted(0.3), turns, prop::option::weighted(0.2, 0_usize..20));
    prop_oneof![
        3 => (1_i64..1_000).prop_map(Event::Wait),
        3 => (0_usize..2, prop::bool::ANY).prop_map(|(rule, on)| Event::Switch(rule, on)),
        5 => busy.prop_map(|(ticks, act, edits, turns, crash_after)| Event::Busy { ticks, act, edits, turns, crash_after }),
        1 => prop::collection::vec(fault, 1..5).prop_map(Event::Database),
        1 => (0_usize..2, 1_i64..900).prop_map(|(rule, seconds)| Event::Silence(rule, seconds)),
    ]
}

fn ids(world: &World, sql: &'static str) -> Vec<String> {
    world.db.query(sql).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn look(world: &mut World, values: [bool; 2], now: UnixMs) {
    world.live.slices.clear();
    for (rule, on) in RULES.iter().zip(values) {
        world.set(rule, f64::from(u8::from(on)), now.plus(-1));
    }
}

fn busy(world: &World, now: UnixMs, (ticks, act, edits): (usize, Option<&Act>, bool), turns: &[usize], crash_after: Option<usize>) {
    let by = Principal { id: "tok_1".to_owned(), name: "Thandi".to_owned(), role: Role::Operator };
    let told_by = (&world.config, &world.addresses);
    let (alerts, open) = (ids(world, "SELECT id FROM alerts ORDER BY id"), ids(world, "SELECT id FROM incident WHERE state = 'open'"));
    let resolve = Edit::Resolve { verdict: Some(AlarmVerdict::FalseAlarm), note: Some("known".into()) };
    let mut futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
    for _ in 0..ticks {
        futures.push(Box::pin(async { drop(tick(now, &world.config, &world.addresses, &world.db, &world.seen()).await) }));
    }
    if let (Some(act), Some(alert)) = (act, alerts.first()) {
        futures.push(Box::pin(async { drop(respond::act(&world.db, alert, (act, None), &by, told_by, now).await) }));
    }
    if let (true, Some(incident)) = (edits, open.first()) {
        futures.push(Box::pin(async { drop(incidents::edit(&world.db, incident, &resolve, &by, told_by, now).await) }));
    }
    interleave(futures, turns, crash_after);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn every_alert_people_hear_of_is_in_one_incident_and_every_incident_ends(events in prop::collection::vec(any_event(), 1..30)) {
        let mut world = World::with_rules(RULES.map(switch).to_vec());
        let (mut now, mut values) = (at_s(0), [false; 2]);
        for event in &events {
            look(&mut world, values, now);
            match event {
                Event::Wait(seconds) => now = now.plus(seconds * 1_000),
                Event::Switch(rule, on) => values[*rule] = *on,
                Event::Busy { ticks, act, edits, turns, crash_after } => {
                    busy(&world, now, (*ticks, act.as_ref(), *edits), turns, *crash_after);
                    now = now.plus(1_000);
                }
                Event::Database(faults) => world.db.fail_next(faults.iter().copied()),
                Event::Silence(rule, seconds) => {
                    world.silence(&format!("rule={}", RULES[*rule]), now, now.plus(seconds * 1_000));
                }
            }
        }
        world.db.heal();
        for _ in 0..20 {
            now = now.plus(60_000);
            look(&mut world, [false; 2], now);
            block_on(tick(now, &world.config, &world.addresses, &world.db, &world.seen()));
        }

        let pairs = |sql| world.db.query(sql).iter().map(|row| (row["alert"].to_string(), row["at"].as_i64().unwrap())).collect::<Vec<_>>();
        let told = pairs("SELECT alert, fired_at AS at FROM episode WHERE told_at IS NOT NULL");
        let members = pairs("SELECT alert, episode AS at FROM incident_alert");
        for episode in &told {
            prop_assert!(members.contains(episode), "{episode:?} is in no incident: {members:?}");
        }
        let first = world.db.query("SELECT DISTINCT alert, notification ->> '$.since' AS at FROM outbox WHERE reason = 'first'");
        prop_assert_eq!(first.len(), told.iter().collect::<BTreeSet<_>>().len(), "whoever was told has an episode");
        prop_assert_eq!(pairs("SELECT alert, fired_at AS at FROM episode WHERE ended_at IS NULL"), vec![]);

        prop_assert_eq!(ids(&world, "SELECT id FROM incident WHERE state = 'open'"), Vec::<String>::new());
        let unbalanced = "SELECT id FROM incident i WHERE resolved_at IS NULL OR 1 <>
            (SELECT count(*) FILTER (WHERE kind = 'resolved') - count(DISTINCT CASE kind WHEN 'reopened' THEN at END)
             FROM incident_entry e WHERE e.incident = i.id)";
        prop_assert_eq!(ids(&world, unbalanced), Vec::<String>::new(), "{:?}", world.db.query("SELECT * FROM incident_entry"));
        let verdicts = "SELECT i.id FROM incident i JOIN incident_entry e ON e.incident = i.id WHERE e.kind = 'note' GROUP BY i.id, e.at HAVING count(*) > 1";
        prop_assert_eq!(ids(&world, verdicts), Vec::<String>::new(), "no note is doubled");
    }
}
