//! Rolling up and dropping: coarse rows are what the finer ones say, however often it is done and whatever comes late.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a story that cannot go on fails"
)]

#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;

use parapet::config::infrastructure::Retention;
use parapet::ports::Db;
use parapet::storage::Statement;
use parapet::storage::series::{Slice, read_hours, read_minutes, slices, write_minutes};
use parapet::telemetry::cell::Cell;
use parapet::telemetry::series::{Kind, SeriesKey};
use parapet::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs, Window};
use parapet::upkeep;
use proptest::prelude::*;
use world::{NOON, Sqlite, block_on};

const RETENTION: Retention = Retention { minute_days: 7, hour_days: 90, day_days: 730 };

fn latency(route: u32) -> SeriesKey {
    SeriesKey::new(Kind::Distribution, "latency_seconds", vec![("route".into(), format!("/{route}"))])
}

fn minute(db: &Sqlite, t: UnixMs, series: u32, value: f64) {
    let cells = (0..series).map(|n| (latency(n), Cell::single(Kind::Distribution, value, t.0))).collect();
    block_on(db.batch(write_minutes(0, &[Slice { t, cells }]))).unwrap();
}

fn upkeep(db: &Sqlite, now: UnixMs) -> upkeep::Upkeep {
    block_on(upkeep::run(now, &RETENTION, db)).unwrap()
}

fn rows(db: &Sqlite, sql: &'static str) -> Vec<serde_json::Value> {
    db.query(sql)
}

#[test]
fn hours_are_read_added_up_or_apart_rolled_up_or_not() {
    use parapet::storage::series::read_hours_apart;
    let db = Sqlite::migrated();
    let key = SeriesKey::new(Kind::Counter, "bookings_total", vec![]);
    for n in 0..150 {
        for shard in 0..2 {
            let slice = Slice { t: NOON.plus(n * MINUTE_MS), cells: vec![(key.clone(), Cell::count(1))] };
            block_on(db.batch(write_minutes(shard, &[slice]))).unwrap();
        }
    }
    upkeep(&db, NOON.plus(HOUR_MS + 5 * MINUTE_MS));
    let window = Window { from: NOON.plus(-HOUR_MS), to: NOON.plus(3 * HOUR_MS) };
    let read = |statement| {
        let rows = block_on(db.batch(vec![statement])).unwrap().remove(0);
        slices(rows).unwrap().into_iter().map(|slice| ((slice.t.0 - NOON.0) / HOUR_MS, slice.cells[0].1.amount())).collect::<Vec<_>>()
    };
    assert_eq!(read(read_hours(&["bookings_total"], window)), [(-1, 300.0)]);
    assert_eq!(read(read_hours_apart(&["bookings_total"], window)), [(0, 120.0), (1, 120.0), (2, 60.0)]);
}

#[test]
fn an_hour_is_rolled_up_once_it_has_settled_and_a_day_after_it() {
    let db = Sqlite::migrated();
    for n in 0..60 {
        minute(&db, NOON.plus(n * MINUTE_MS), 100, 0.25);
    }
    assert_eq!(upkeep(&db, NOON.plus(HOUR_MS)).rolled_up, 0, "not before it has settled");
    assert_eq!(upkeep(&db, NOON.plus(HOUR_MS + 5 * MINUTE_MS)).rows_written, 100);
    assert_eq!(upkeep(&db, NOON.plus(HOUR_MS + 6 * MINUTE_MS)).rolled_up, 0, "and only once");
    assert_eq!(
        rows(&db, "SELECT COUNT(*) AS n, MIN(value) AS low, MAX(value) AS high FROM hour"),
        [serde_json::json!({"n": 100, "low": 15.0, "high": 15.0})]
    );
    assert_eq!(upkeep(&db, NOON.floor(DAY_MS).plus(DAY_MS + 5 * MINUTE_MS)).rows_written, 100);
    assert_eq!(rows(&db, "SELECT COUNT(*) AS n, SUM(value) AS total FROM day"), [serde_json::json!({"n": 100, "total": 1500.0})]);
}

#[test]
fn a_late_minute_rolls_its_hour_up_again_from_the_whole() {
    let db = Sqlite::migrated();
    minute(&db, NOON, 1, 1.0);
    let later = NOON.plus(HOUR_MS + 5 * MINUTE_MS);
    upkeep(&db, later);
    minute(&db, NOON.plus(MINUTE_MS), 1, 2.0);
    assert_eq!(upkeep(&db, later).rolled_up, 1);
    assert_eq!(rows(&db, "SELECT value FROM hour"), [serde_json::json!({"value": 3.0})]);
}

#[test]
fn what_is_past_its_retention_goes_a_chunk_at_a_time() {
    let db = Sqlite::migrated();
    for n in 0..50 {
        minute(&db, NOON.plus(n * MINUTE_MS), 100, 1.0);
    }
    let much_later = NOON.plus(8 * DAY_MS);
    let dropped: Vec<u64> = (0..4).map(|_| upkeep(&db, much_later).rows_dropped).collect();
    assert_eq!(dropped, [2_000, 2_000, 1_000, 0]);
    assert_eq!(rows(&db, "SELECT COUNT(*) AS n FROM hour"), [serde_json::json!({"n": 100})], "the hour was rolled up first");
}

#[test]
fn a_closed_message_goes_with_its_attempts_after_ninety_days_and_an_open_one_never() {
    let db = Sqlite::migrated();
    for (id, closed_at) in [("msg_old", Some(NOON.0)), ("msg_new", Some(NOON.0 + 2 * DAY_MS)), ("msg_open", None)] {
        let row = [id.into(), closed_at.into()];
        block_on(db.batch(vec![
            Statement::new(
                "INSERT INTO outbox (id, alert, seq, channel, reason, state, notification, created_at, due_at, attempts, closed_at)
                 VALUES (?1, 'alr_1', 1, 'slack', 'first', iif(?2 IS NULL, 'due', 'delivered'), '{}', 0, 0, 1, ?2)",
                row,
            ),
            Statement::new("INSERT INTO attempts (message, attempt, at, outcome) VALUES (?1, 1, 0, 'delivered')", [id.into()]),
        ]))
        .unwrap();
    }
    assert_eq!(upkeep(&db, NOON.plus(91 * DAY_MS)).rows_dropped, 2);
    let left = |sql| rows(&db, sql).len();
    assert_eq!((left("SELECT id FROM outbox"), left("SELECT message FROM attempts WHERE message <> 'msg_old'")), (2, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_day_is_exactly_its_minutes_whatever_the_order_of_writing_and_rolling(
        minutes in prop::collection::vec((0_i64..1_440, 1_u32..4, 0.01_f64..10.0), 1..30),
        rolls in prop::collection::vec(0_i64..30, 0..30),
    ) {
        let db = Sqlite::migrated();
        let start = NOON.floor(DAY_MS);
        let mut truth: std::collections::BTreeMap<(i64, u32), f64> = std::collections::BTreeMap::new();
        for (at, (n, series, value)) in minutes.iter().enumerate() {
            minute(&db, start.plus(n * MINUTE_MS), *series, *value);
            (0..*series).for_each(|one| { truth.insert((*n, one), (value * 1e6).round() / 1e6); });
            if let Some(hour) = rolls.get(at) {
                upkeep(&db, start.plus(hour * HOUR_MS));
            }
        }
        let end = start.plus(DAY_MS + HOUR_MS);
        (0..26).for_each(|_| { upkeep(&db, end); });
        let sum = |sql| rows(&db, sql)[0]["n"].as_f64().unwrap();
        let expected: f64 = truth.values().sum();
        prop_assert!((sum("SELECT SUM(value) AS n FROM minute") - expected).abs() < 1e-3);
        prop_assert!((sum("SELECT SUM(value) AS n FROM hour") - expected).abs() < 1e-3);
        prop_assert!((sum("SELECT SUM(value) AS n FROM day") - expected).abs() < 1e-3);
        prop_assert_eq!(sum("SELECT COUNT(*) AS n FROM dirty"), 0.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Hours read as hours hold what their minutes do, rolled up or not, whatever came late.
    #[test]
    fn reading_by_the_hour_and_by_the_minute_finds_the_same(
        minutes in prop::collection::vec((0_i64..240, 0_u32..2, 1_u32..50), 1..80),
        late in prop::collection::vec((0_i64..240, 0_u32..2, 1_u32..50), 0..10),
        rolls in 0_usize..8,
    ) {
        let db = Sqlite::migrated();
        let count = |t: UnixMs, n: u32| (SeriesKey::new(Kind::Counter, "visits_total", vec![]), Cell::single(Kind::Counter, f64::from(n), t.0));
        let write = |(minute, series, n): (i64, u32, u32)| {
            let t = NOON.plus(minute * MINUTE_MS);
            let cells = vec![count(t, n), (latency(series), Cell::single(Kind::Distribution, f64::from(n), t.0))];
            block_on(db.batch(write_minutes(0, &[Slice { t, cells }]))).unwrap();
        };
        minutes.into_iter().for_each(write);
        for _ in 0..rolls {
            upkeep(&db, NOON.plus(5 * HOUR_MS));
        }
        late.into_iter().for_each(write);
        let whole = Window { from: NOON, to: NOON.plus(4 * HOUR_MS) };
        let names = ["visits_total", "latency_seconds"];
        let found = |statement: Statement| {
            let results = block_on(db.batch(vec![statement])).unwrap();
            let mut merged: BTreeMap<SeriesKey, Cell> = BTreeMap::new();
            for (key, cell) in slices(results.into_iter().next().unwrap()).unwrap().into_iter().flat_map(|slice| slice.cells) {
                match merged.get_mut(&key) {
                    Some(known) => known.merge(&cell),
                    None => {
                        merged.insert(key, cell);
                    }
                }
            }
            merged
        };
        prop_assert_eq!(found(read_hours(&names, whole)), found(read_minutes(&names, whole)));
    }
}
