use std::collections::BTreeMap;

use super::*;
use crate::config::alerting::{Aggregate, Bound, Compare, NoData, OnError, Severity};
use crate::telemetry::series::Kind;
use crate::time::HOUR_MS;

const ZONE: chrono_tz::Tz = chrono_tz::Africa::Johannesburg;
/// 2026-03-02T12:00:00Z.
const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn rule(over: Over, labels: &[(&str, &str)]) -> Rule {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Rule {
        id: "r".into(),
        name: "R".into(),
        severity: Severity::Info,
        when: When::Threshold {
            of: Selector { series: "x_total".into(), labels },
            aggregate: Aggregate::Sum,
            over,
            compare: Compare::Above,
            bound: Bound::Value(0.0),
        },
        for_ms: 0,
        keep_firing_for_ms: 0,
        no_data: NoData::Ok,
        error: OnError::Keep,
        labels: BTreeMap::new(),
        summary: String::new(),
        runbook: String::new(),
        owner: String::new(),
    }
}

fn one(t: UnixMs, route: &str) -> Slice {
    Slice { t, cells: vec![(SeriesKey::new(Kind::Counter, "x_total", vec![("route".into(), route.into())]), Cell::count(1))] }
}

fn every(width_ms: i64, from: UnixMs, to: UnixMs) -> Vec<Slice> {
    let count = (to.since(from) / width_ms).max(0);
    (0..count).map(|n| one(from.plus(n * width_ms), "/a")).collect()
}

fn seen(rule: &Rule, now: UnixMs, live: &[Slice], stored: &Stored) -> Observation {
    observe(rule, now, ZONE, (&Index::new(live), &Coverage::Whole), stored).unwrap().remove(0)
}

/// Whole units of a counter.
fn amount(observation: &Observation) -> i64 {
    match observation.cells.first() {
        Some(Cell::Counter(sum)) => sum.0 / 1_000_000,
        Some(other) => panic!("not a counter: {other:?}"),
        None => 0,
    }
}

#[test]
fn a_short_window_holds_exactly_its_slices_and_not_the_one_that_just_began() {
    let live = every(SLICE_MS, NOON.plus(-LIVE_MS), NOON.plus(60_000));
    let observation = seen(&rule(Over::Ms(5 * MINUTE_MS), &[]), NOON, &live, &Stored::new());
    assert_eq!((amount(&observation), observation.window.length_ms()), (30, 5 * MINUTE_MS));
    // Between two slices the start is floored: at most one slice more, and the window says so.
    let observation = seen(&rule(Over::Ms(5 * MINUTE_MS), &[]), NOON.plus(4_000), &live, &Stored::new());
    assert_eq!((amount(&observation), observation.window.length_ms()), (31, 5 * MINUTE_MS + 4_000));
}

#[test]
fn a_long_window_counts_every_value_once_at_any_moment() {
    // One value in each 10 s, both as minutes (six each) and, for the last 15 minutes, as live slices.
    for offset_ms in [0, 1, 9_999, 10_000, 59_999] {
        let now = NOON.plus(offset_ms);
        let over = rule(Over::Ms(HOUR_MS), &[]);
        let live = every(SLICE_MS, NOON.plus(-LIVE_MS), now.floor(SLICE_MS));
        let stored = stored_reads(std::slice::from_ref(&over), now, ZONE)
            .into_iter()
            .map(|read| {
                // The store knows more than was asked for; only the asked range may count.
                let minutes = every(MINUTE_MS, read.window.from.plus(-10 * MINUTE_MS), now.floor(MINUTE_MS));
                (read.window.from, Ok(minutes.iter().flat_map(|slice| std::iter::repeat_n(slice.clone(), 6)).collect()))
            })
            .collect();
        let observation = seen(&over, now, &live, &stored);
        let expected = now.floor(SLICE_MS).since(now.plus(-HOUR_MS).floor(MINUTE_MS)) / SLICE_MS;
        assert_eq!(amount(&observation), expected, "{offset_ms}");
    }
}

#[test]
fn today_begins_at_local_midnight_and_right_after_it_needs_no_stored_minutes() {
    let today = rule(Over::Today, &[]);
    let reads = stored_reads(std::slice::from_ref(&today), NOON, ZONE);
    assert_eq!(reads.len(), 1);
    assert_eq!(reads[0].window.from.rfc3339(), "2026-03-01T22:00:00.000Z");
    assert_eq!(reads[0].window.to, NOON.plus(-10 * MINUTE_MS));
    let just_after_midnight = NOON.plus(10 * HOUR_MS + 9 * MINUTE_MS);
    assert!(stored_reads(std::slice::from_ref(&today), just_after_midnight, ZONE).is_empty());
    let live = every(SLICE_MS, just_after_midnight.plus(-LIVE_MS), just_after_midnight);
    assert_eq!(amount(&seen(&today, just_after_midnight, &live, &Stored::new())), 54);
}

#[test]
fn rules_with_one_window_share_one_read() {
    let mut other = rule(Over::Ms(HOUR_MS), &[]);
    if let When::Threshold { of, .. } = &mut other.when {
        of.series = "y_total".into();
    }
    let rules = [rule(Over::Ms(HOUR_MS), &[]), other.clone(), other, rule(Over::Ms(MINUTE_MS), &[])];
    let reads = stored_reads(&rules, NOON, ZONE);
    assert_eq!(reads.iter().map(|read| read.names.clone()).collect::<Vec<_>>(), [["x_total", "y_total"]]);
}

#[test]
fn labels_match_whole_by_prefix_and_absent_ones_are_empty() {
    let live = [one(NOON.plus(-SLICE_MS), "/api/bookings"), one(NOON.plus(-SLICE_MS), "/api/search"), one(NOON.plus(-SLICE_MS), "/home")];
    for (labels, found) in [
        (vec![], 3),
        (vec![("route", "/home")], 1),
        (vec![("route", "/api/*")], 2),
        (vec![("route", "*")], 3),
        (vec![("route", "/api")], 0),
        (vec![("method", "")], 3),
        (vec![("method", "GET")], 0),
        (vec![("route", "/api/*"), ("method", "GET")], 0),
    ] {
        assert_eq!(amount(&seen(&rule(Over::Ms(MINUTE_MS), &labels), NOON, &live, &Stored::new())), found, "{labels:?}");
    }
}

#[test]
fn failing_to_look_is_not_finding_nothing() {
    let (index, missing) = (Index::new(&[]), Coverage::Missing(vec![2]));
    let short = rule(Over::Ms(MINUTE_MS), &[]);
    assert_eq!(observe(&short, NOON, ZONE, (&index, &missing), &Stored::new()), Err(Blindness::Live { shards: vec![2] }));
    let long = rule(Over::Ms(HOUR_MS), &[]);
    let blindness = Blindness::Stored { message: "busy".into() };
    let stored = Stored::from([(NOON.plus(-HOUR_MS), Err(blindness.clone()))]);
    assert_eq!(observe(&long, NOON, ZONE, (&index, &Coverage::Whole), &stored), Err(blindness));
    assert!(observe(&long, NOON, ZONE, (&index, &Coverage::Whole), &Stored::new()).is_err());
    assert_eq!(seen(&short, NOON, &[], &stored).cells, []);
}
