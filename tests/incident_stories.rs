//! Stories of incidents: what one looks like after an outage, and that no answer lost, no database refusing and no two
//! people at once lose or double a line of its timeline.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::alert::respond::{Act, AlarmVerdict};
use parapet::alert::tick::tick;
use parapet::config::alerting::Severity;
use parapet::incident::edit::Edit;
use parapet::time::UnixMs;
use parapet::web::auth::{Principal, Role};
use parapet::web::incidents::{self, Detailed};
use proptest::prelude::*;
use world::{DbFault, NOON, Sqlite, World, at_s, block_on, error_rate, interleave};

fn person(name: &str) -> Principal {
    Principal { id: format!("tok_{name}"), name: name.to_owned(), role: Role::Operator }
}

/// The one incident there is.
fn the_incident(db: &Sqlite) -> Detailed {
    let listed = block_on(incidents::list(db, "")).unwrap();
    assert_eq!(listed.incidents.len(), 1);
    block_on(incidents::show(db, &listed.incidents[0].id)).unwrap()
}

/// The timeline as a person reads it, in minutes from noon.
fn told(incident: &Detailed) -> Vec<String> {
    let minute = |at: &str| (UnixMs::from_rfc3339(at).unwrap().0 - NOON.0) / 60_000;
    let line = |line: &incidents::ShownLine| format!("{} {} {} {} {}", minute(&line.at), line.kind, line.actor, line.channel, line.text);
    incident.timeline.iter().map(|shown| line(shown).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What `who` did, in order.
fn done_by(db: &Sqlite, who: &str) -> Vec<(String, String)> {
    the_incident(db).timeline.into_iter().filter(|line| line.actor == who).map(|line| (line.kind, line.text)).collect()
}

/// Ten minutes of one request in ten failing, then calm.
fn outage() -> World {
    let mut rule = error_rate();
    rule.severity = Severity::Critical;
    let mut world = World::with_rules(vec![rule]);
    world.traffic(at_s(-900), at_s(0), 100, 0);
    world.traffic(at_s(0), at_s(600), 90, 10);
    world.traffic(at_s(600), at_s(3_600), 100, 0);
    world
}

async fn edited(db: &Sqlite, id: &str, edit: &Edit, who: &str, at: UnixMs) -> bool {
    incidents::edit(db, id, edit, &person(who), at).await.is_ok()
}

#[test]
fn an_outage_is_one_incident_whose_timeline_tells_it_from_the_first_message_to_the_verdict() {
    let mut world = outage();
    world.run(at_s(-120), at_s(360));
    world.act(&Act::Acknowledge, at_s(390)).unwrap();
    world.run(at_s(420), at_s(480));
    let id = the_incident(&world.db).incident.id;
    assert!(block_on(edited(&world.db, &id, &Edit::Note("the pool is empty".into()), "Sipho", at_s(500))));
    world.run(at_s(540), at_s(2_700));
    let judged = Edit::Resolve { verdict: Some(AlarmVerdict::TrueAlarm), note: None };
    assert!(block_on(edited(&world.db, &id, &judged, "Thandi", at_s(3_000))));
    let told = told(&the_incident(&world.db));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn two_people_and_a_tick_at_the_same_moment_lose_and_double_nothing() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(&prop::collection::vec(0_usize..4, 0..40), |turns| {
            let mut world = outage();
            world.run(at_s(120), at_s(240));
            let id = the_incident(&world.db).incident.id;
            let now = at_s(420);
            let (db, id) = (&world.db, id.as_str());
            let write = |who: &'static str, edit: Edit| async move { while !edited(db, id, &edit, who, now).await {} };
            let tick = async { drop(tick(now, &world.config, &world.addresses, db, &world.seen()).await) };
            interleave(
                vec![
                    Box::pin(write("Thandi", Edit::Note("one".into()))),
                    Box::pin(write("Sipho", Edit::Note("one".into()))),
                    Box::pin(write("Lindiwe", Edit::Resolve { verdict: Some(AlarmVerdict::Expected), note: Some("known".into()) })),
                    Box::pin(tick),
                ],
                &turns,
                None,
            );
            let pair = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
            prop_assert_eq!(done_by(db, "Thandi"), [pair("note", "one")]);
            prop_assert_eq!(done_by(db, "Sipho"), [pair("note", "one")]);
            prop_assert_eq!(done_by(db, "Lindiwe"), [pair("note", "known"), pair("resolved", ""), pair("verdict", "expected")]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn whoever_sends_again_until_it_is_answered_is_told_once_whatever_the_database_does() {
    let faults = [DbFault::None, DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter];
    // Every way the three batches of an edit can fail, and the batches of its first repetition.
    for case in 0..4_usize.pow(4) {
        let script: Vec<DbFault> = (0..4).map(|place| faults[case / 4_usize.pow(place) % 4]).collect();
        let mut world = outage();
        world.run(at_s(120), at_s(240));
        let id = the_incident(&world.db).incident.id;
        world.db.fail_next(script.clone());
        let edits = [
            Edit::Note("one".into()),
            Edit::Owner("sipho".into()),
            Edit::Severity(Severity::Warning),
            Edit::Resolve { verdict: Some(AlarmVerdict::FalseAlarm), note: Some("a typo".into()) },
        ];
        for edit in &edits[case % 2..] {
            let mut at = at_s(400);
            while !block_on(edited(&world.db, &id, edit, "Thandi", at)) {
                at = at.plus(5_000);
            }
        }
        let all = ["note", "owner", "severity", "note", "resolved", "verdict"];
        let kinds: Vec<String> = done_by(&world.db, "Thandi").into_iter().map(|(kind, _)| kind).collect();
        let mut expected = all[case % 2..].to_vec();
        expected.sort_unstable();
        let mut sorted: Vec<&str> = kinds.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{script:?}");
    }
}

#[test]
fn an_incident_that_settles_while_a_person_resolves_it_is_resolved_once() {
    for turns in 0..64_usize {
        let mut world = outage();
        world.run(at_s(-120), at_s(1_560));
        let ended = the_incident(&world.db);
        assert!(ended.incident.resolved_at.is_none(), "its last alert is over, for less than 15 minutes");
        let id = ended.incident.id;
        let settles = at_s(1_620);
        let turns: Vec<usize> = (0..6).map(|place| turns >> place & 1).collect();
        let (db, seen) = (&world.db, world.seen());
        let resolve = Edit::Resolve { verdict: None, note: None };
        interleave(
            vec![
                Box::pin(async { while !edited(db, &id, &resolve, "Thandi", settles).await {} }),
                Box::pin(async { drop(tick(settles, &world.config, &world.addresses, db, &seen).await) }),
            ],
            &turns,
            None,
        );
        let resolved = the_incident(db).timeline.into_iter().filter(|line| line.kind == "resolved").count();
        assert_eq!(resolved, 1, "{turns:?}");
    }
}
