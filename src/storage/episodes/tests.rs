//! What is kept of an episode, and the medians of many.

use super::*;
use crate::alert::respond::{AlarmVerdict, Response};
use crate::outbox::enqueue::{Change, enqueue};
use crate::ports::Db as _;
use crate::record::read;
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::time::MINUTE_MS;

const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn at(minutes: i64) -> UnixMs {
    NOON.plus(minutes * MINUTE_MS)
}

fn firing(id: &str, episode: UnixMs, version: i64) -> AlertState {
    let stored = serde_json::json!({
        "subject": {
            "id": id, "rule": "r", "name": "Name", "severity": "warning", "labels": {}, "for_ms": 0, "keep_firing_for_ms": 0, "summary": "",
            "runbook": "", "owner": "ann",
        },
        "phase": "firing", "version": version, "at": episode, "since": episode, "fired_at": episode, "told_at": episode,
        "last_held_at": episode, "told": [],
    });
    read(stored.to_string().as_bytes()).unwrap()
}

/// Rows the episodes' own statement wrote.
fn apply(db: &Sqlite, state: &AlertState) -> u64 {
    now_or_never(db.batch(enqueue(&[Change::of(state.clone())], state.at))).unwrap().last().unwrap().changes
}

fn of(db: &Sqlite) -> RuleRow {
    reported(now_or_never(db.batch(report(at(-1), at(10_000)).into())).unwrap()).unwrap().0.remove(0)
}

#[test]
fn a_tick_that_changes_only_a_value_writes_no_episode_and_what_was_first_stays() {
    let db = Sqlite::new();
    let first = firing("a", at(0), 1);
    assert_eq!(apply(&db, &first), 1);
    assert_eq!(apply(&db, &AlertState { version: 2, at: at(1), peak: Some(3.0), ..first.clone() }), 0);
    let taken = |minute| Some(Response { by: "ann".into(), at: at(minute), until: None, note: None });
    assert_eq!(apply(&db, &AlertState { version: 3, at: at(2), response: taken(2), ..first.clone() }), 1);
    // It escalates, is told anew, and somebody else takes it.
    assert_eq!(apply(&db, &AlertState { version: 4, at: at(3), response: None, told_at: Some(at(3)), ..first.clone() }), 0);
    assert_eq!(apply(&db, &AlertState { version: 5, at: at(9), response: taken(9), ..first.clone() }), 0);
    let ended = AlertState { version: 6, at: at(12), phase: Phase::Resolved, resolved_at: Some(at(12)), response: taken(9), ..first };
    assert_eq!(apply(&db, &ended), 1);
    let row = of(&db);
    assert_eq!((row.alerts, row.acknowledged, row.judged), (1, 1, 0));
    assert_eq!((row.acknowledge_ms, row.resolve_ms), (Some(120_000.0), Some(720_000.0)));
    assert_eq!(apply(&db, &AlertState { version: 7, alarm: Some(AlarmVerdict::Expected), ..ended }), 1);
    assert_eq!((of(&db).judged, of(&db).true_alarms), (1, 0));
}

#[test]
fn a_lost_compare_and_swap_writes_no_episode() {
    let db = Sqlite::new();
    apply(&db, &firing("a", at(0), 1));
    assert_eq!(apply(&db, &firing("a", at(30), 1)), 0);
    assert_eq!(of(&db).alerts, 1);
}

#[test]
fn medians_are_of_the_told_alerts_that_have_a_value() {
    for (lasted, median) in
        [(vec![], None), (vec![4], Some(4)), (vec![9, 3], Some(6)), (vec![30, 2, 5], Some(5)), (vec![1, 100, 7, 3], Some(5))]
    {
        let db = Sqlite::new();
        for (place, minutes) in (0_i64..).zip(lasted) {
            let state = firing(&format!("a{place}"), at(place * 200), 1);
            apply(&db, &AlertState { phase: Phase::Resolved, resolved_at: Some(at(place * 200 + minutes)), ..state });
        }
        apply(&db, &firing("open", at(5_000), 1));
        // Quiet ones that ended at once.
        for place in 0..5 {
            let quiet = AlertState { told_at: None, ..firing(&format!("q{place}"), at(6_000), 1) };
            apply(&db, &AlertState { phase: Phase::Resolved, resolved_at: Some(at(6_000)), ..quiet });
        }
        let row = of(&db);
        assert_eq!((row.quiet, row.resolve_ms), (5, median.map(|minutes| f64::from(minutes) * 60_000.0)));
        assert_eq!((row.acknowledged, row.acknowledge_ms), (0, None));
    }
}

#[test]
fn old_episodes_go_the_oldest_first() {
    let db = Sqlite::new();
    for (place, id) in (0_i64..).zip(["a", "b", "c"]) {
        apply(&db, &firing(id, at(place), 1));
    }
    now_or_never(db.batch(vec![expire(at(2), 1)])).unwrap();
    assert_eq!(of(&db).alerts, 2);
    now_or_never(db.batch(vec![expire(at(2), 10)])).unwrap();
    assert_eq!(of(&db).alerts, 1);
}
