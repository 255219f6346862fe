//! What a step of delivery costs in a storm, and after one.

use super::*;
use crate::ports::Db;
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::time::SECOND_MS;

const NOW: UnixMs = UnixMs(1_772_452_800_000);

/// Work of one step of delivery in a storm of `alerts`, half of them told already.
fn steps_of_a_claim(alerts: i64) -> i32 {
    let db = Sqlite::new();
    let fill = [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO alerts (id, rule, phase, version, digest, body) SELECT 'alr_' || i, 'r' || i, 'firing', 1, 'd', '{}' FROM n WHERE ?2 > 0",
        "INSERT INTO outbox (id, alert, seq, channel, reason, state, notification, created_at, due_at, attempts, closed_at)
         SELECT 'msg_' || id, id, 1, 'events', 'first', CASE rowid % 2 WHEN 0 THEN 'due' ELSE 'delivered' END, '{}', ?2, ?2, 0,
           CASE rowid % 2 WHEN 1 THEN ?2 END FROM (SELECT id, row_number() OVER () AS rowid FROM alerts) WHERE rowid <= ?1",
    ];
    let fill = fill.map(|sql| Statement::new(sql, [Param::Int(alerts), Param::Int(NOW.0)]));
    now_or_never(db.batch(fill.into())).unwrap();
    let before = db.steps();
    let claimed = now_or_never(db.batch(claim(NOW, NOW.plus(MINUTE_MS), &[]).into())).unwrap();
    assert_eq!(claimed[0].rows.len(), 1);
    db.steps() - before
}

#[test]
fn a_step_of_delivery_costs_in_proportion_to_the_storm_and_not_to_its_square() {
    let (small, large) = (steps_of_a_claim(200), steps_of_a_claim(800));
    assert!(large < 6 * small, "{small} steps for 200 alerts, {large} for 800");
}

#[test]
fn what_was_delivered_long_ago_costs_a_step_of_delivery_nothing() {
    let with_history = |messages: i64| {
        let db = Sqlite::new();
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO outbox (id, alert, seq, channel, reason, state, notification, created_at, due_at, attempts, closed_at)
             SELECT 'msg_' || i, 'alr_' || i, 1, 'events', 'first', 'delivered', '{}', ?2, ?2, 1, ?2 FROM n";
        let long_ago = Param::Int(NOW.plus(-STORM_MS - SECOND_MS).0);
        now_or_never(db.batch(vec![Statement::new(fill, [Param::Int(messages), long_ago])])).unwrap();
        let before = db.steps();
        now_or_never(db.batch([claim(NOW, NOW.plus(MINUTE_MS), &[]).into(), vec![next_due()]].concat())).unwrap();
        db.steps() - before
    };
    assert_eq!(with_history(2_000), with_history(1));
}
