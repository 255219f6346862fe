//! What a rule sees of live slices and stored rows, and how its instances are bounded.

use super::*;
use crate::config::alerting::{Aggregate, Bound, Compare, NoData, OnError, OpensIncident, Severity};
use crate::sorted::Map;
use crate::time::DAY_MS;

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
        by: Vec::new(),
        recovery: None,
        for_ms: 0,
        keep_firing_for_ms: 0,
        interval_ms: 60_000,
        depends_on: Vec::new(),
        no_data: NoData::Ok,
        error: OnError::Keep,
        incident: OpensIncident::Critical,
        labels: Map::new(),
        summary: String::new(),
        annotations: Map::new(),
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
    instances(rule, &[], now, live, stored).remove(0).observations.remove(0)
}

fn instances(rule: &Rule, known: &[Labels], now: UnixMs, live: &[Slice], stored: &Stored) -> Vec<Instance> {
    observe(rule, known, now, ZONE, &View::new(live, &Coverage::Whole, stored)).unwrap()
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
        let stored = stored_reads(looks(&over.when), now, ZONE)
            .into_iter()
            .map(|read| {
                // The store knows more than was asked for; only the asked range may count.
                let minutes = every(MINUTE_MS, read.stretch.1.from.plus(-10 * MINUTE_MS), now.floor(MINUTE_MS));
                (read.stretch, Ok(minutes.iter().flat_map(|slice| std::iter::repeat_n(slice.clone(), 6)).collect()))
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
    let reads = stored_reads(looks(&today.when), NOON, ZONE);
    let spans: Vec<_> = reads.iter().map(|read| (read.stretch.0, read.stretch.1.from.rfc3339(), read.stretch.1.to.rfc3339())).collect();
    let text = |hour: &str| format!("2026-03-{hour}:00.000Z");
    assert_eq!(
        spans,
        [(Resolution::Minute, text("02T11:00"), text("02T11:50")), (Resolution::Hour, text("01T22:00"), text("02T11:00"))],
        "whole hours as hours, the rest by the minute"
    );
    let just_after_midnight = NOON.plus(10 * HOUR_MS + 9 * MINUTE_MS);
    assert!(stored_reads(looks(&today.when), just_after_midnight, ZONE).is_empty());
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
    let reads = stored_reads(rules.iter().flat_map(|rule| looks(&rule.when)), NOON, ZONE);
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
    let (none, missing) = (Stored::new(), Coverage::Missing(vec![2]));
    let short = rule(Over::Ms(MINUTE_MS), &[]);
    let look = |rule: &Rule, coverage: &Coverage, stored: &Stored| observe(rule, &[], NOON, ZONE, &View::new(&[], coverage, stored));
    assert_eq!(look(&short, &missing, &none), Err(Blindness::Live { shards: vec![2] }));
    let long = rule(Over::Ms(HOUR_MS), &[]);
    let blindness = Blindness::Stored { message: "busy".into() };
    let stretch = stored_reads(looks(&long.when), NOON, ZONE)[0].stretch;
    let stored = Stored::from([(stretch, Err(blindness.clone()))]);
    assert_eq!(look(&long, &Coverage::Whole, &stored), Err(blindness));
    assert!(look(&long, &Coverage::Whole, &none).is_err());
    assert_eq!(seen(&short, NOON, &[], &stored).cells, []);
}

#[test]
fn one_instance_for_each_set_of_values_and_for_each_alert_there_is() {
    let by_route = Rule { by: vec!["route".into()], ..rule(Over::Ms(MINUTE_MS), &[]) };
    let at = NOON.plus(-SLICE_MS);
    let live = [one(at, "/a"), one(at, "/b"), one(at.plus(-SLICE_MS), "/a")];
    let label = |route: &str| Labels::from([("route".to_owned(), route.to_owned())]);
    let amounts = |known: &[Labels], live: &[Slice]| -> Vec<(Labels, i64)> {
        let found = instances(&by_route, known, NOON, live, &Stored::new());
        found.into_iter().map(|instance| (instance.labels, amount(&instance.observations[0]))).collect()
    };
    assert_eq!(amounts(&[], &live), [(label("/a"), 2), (label("/b"), 1)]);
    assert_eq!(amounts(&[label("/gone")], &live), [(label("/a"), 2), (label("/b"), 1), (label("/gone"), 0)]);
    assert_eq!(amounts(&[], &[]), [], "no series, no alert");
    // Beyond the bound the largest stay apart.
    let many: Vec<Slice> = (0..80).map(|n| one(at, &format!("/{n}"))).chain([one(at, "/79")]).collect();
    let found = amounts(&[], &many);
    assert_eq!(found.len(), MAX_INSTANCES);
    assert!(found.contains(&(label("/79"), 2)) && found.contains(&(label(OTHER), 31)), "{found:?}");
    assert_eq!(found.iter().map(|(_, n)| n).sum::<i64>(), 81);
}

#[test]
fn a_change_looks_at_two_windows_that_touch_and_last_weeks_is_read_by_the_hour() {
    let change = |over_ms, against_ms| When::Change {
        of: Selector { series: "x_total".into(), labels: Map::new() },
        aggregate: Aggregate::Sum,
        over_ms,
        against_ms,
        compare: Compare::Above,
        bound: 1.0,
        min_baseline: 1.0,
    };
    let previous = Rule { when: change(5 * MINUTE_MS, 5 * MINUTE_MS), ..rule(Over::Today, &[]) };
    let live = every(SLICE_MS, NOON.plus(-LIVE_MS), NOON);
    let observations = instances(&previous, &[], NOON, &live, &Stored::new()).remove(0).observations;
    assert_eq!(observations.iter().map(amount).collect::<Vec<_>>(), [30, 30]);
    assert_eq!(observations[1].window.to, observations[0].window.from);
    let last_week = Rule { when: change(HOUR_MS, 7 * DAY_MS), ..rule(Over::Today, &[]) };
    let reads = stored_reads(looks(&last_week.when), NOON.plus(7 * MINUTE_MS), ZONE);
    let hours: Vec<_> = reads.iter().filter(|read| read.stretch.0 == Resolution::Hour).map(|read| read.stretch.1).collect();
    assert_eq!(hours, [Window { from: NOON.plus(-7 * DAY_MS - HOUR_MS), to: NOON.plus(-7 * DAY_MS) }]);
}

proptest::proptest! {
    /// Whatever the window and the moment: its parts touch, do not overlap, and make up the whole.
    #[test]
    fn the_parts_of_a_window_make_it_up(over_s in 10_i64..700_000, ago_min in 0_i64..12_000, at_ms in 0_i64..7_200_000) {
        let of = Selector { series: "x".into(), labels: Map::new() };
        let look = Look { of: &of, over: Over::Ms(over_s * SECOND_MS), ago_ms: ago_min * MINUTE_MS, grain: Grain::Whole };
        let stitch = stitch(&look, NOON.plus(at_ms), ZONE);
        let mut parts: Vec<Window> = stitch.stored.iter().map(|(_, window)| *window).chain(stitch.live).collect();
        parts.sort_unstable();
        proptest::prop_assert_eq!(parts.first().map(|part| part.from), Some(stitch.whole.from));
        proptest::prop_assert_eq!(parts.last().map(|part| part.to), Some(stitch.whole.to));
        proptest::prop_assert!(parts.windows(2).all(|pair| pair[0].to == pair[1].from), "{:?}", parts);
        for (resolution, window) in &stitch.stored {
            if *resolution == Resolution::Hour {
                proptest::prop_assert_eq!((window.from.floor(HOUR_MS), window.to.floor(HOUR_MS)), (window.from, window.to));
            }
        }
    }
}
