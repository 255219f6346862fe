//! When an hour is not what is usual for it, as a rule sees it.

use std::collections::BTreeMap;

use super::*;
use crate::telemetry::cell::Cell;
use crate::time::Window;

/// Monday 2026-03-02, midnight UTC.
const MONDAY: UnixMs = UnixMs(1_772_409_600_000);

fn hour(hour: i64) -> UnixMs {
    MONDAY.plus(hour * HOUR_MS)
}

/// Twelve an hour by day, nothing at night, for `hours` hours, and then what `last` says, hour by hour.
fn seen(hours: i64, last: &[Option<u64>]) -> Observation {
    let usual = |at: i64| if (8..20).contains(&(at % 24)) { 12 } else { 0 };
    let mut counted: BTreeMap<UnixMs, Cell> = (0..hours).map(|at| (hour(at), Cell::count(usual(at)))).collect();
    counted.extend((hours..).zip(last).filter_map(|(at, count)| Some((hour(at), Cell::count((*count)?)))));
    let until = hours + i64::try_from(last.len()).unwrap();
    Observation { window: Window { from: hour(0), to: hour(until) }, cells: Vec::new(), hours: counted }
}

fn judged(finds: Finds, seen: &Observation) -> Verdict {
    let of = Selector { series: "bookings_completed_total".into(), labels: crate::alert::observe::Labels::new() };
    verdict(&of, Aggregate::Sum, finds, seen, chrono_tz::UTC).unwrap()
}

#[test]
fn fewer_than_usual_holds_by_day_and_waits_where_nothing_can_be_said() {
    let week = 168;
    let morning = 5 * week + 8;
    for (why, hours, last, expected) in [
        ("three weeks are too few", 3 * week + 8, vec![Some(0)], "Warming up: Parapet has watched for 21 d; the rule looks back 28 d."),
        ("as usual", morning, vec![Some(12)], "It does not hold: 12 ≥ 1"),
        ("an hour without any", morning, vec![Some(0)], "It holds: 0 < 1"),
        ("one can be chance", morning, vec![Some(1)], "It does not hold: 1 ≥ 1"),
        ("more than usual is none of it", morning, vec![Some(99)], "It does not hold: 99 ≥ 1"),
        ("night: nothing is usual", 5 * week + 2, vec![Some(0)], "Too little is usual at this time to judge: 0.0 in six hours"),
        ("Parapet was down", morning, vec![None], "Parapet did not run in the hour from 2026-04-06T08:00:00.000Z"),
    ] {
        let said = judged(Finds::Fewer, &seen(hours, &last)).sentence("ZAR");
        assert!(said.starts_with(expected), "{why}: {said}");
    }
    let measured = judged(Finds::Fewer, &seen(morning, &[Some(0)])).measured().unwrap();
    assert_eq!((measured.over_ms, measured.normal.map(|normal| normal.value)), (HOUR_MS, Some(10.0)), "{measured:?}");
}

#[test]
fn an_unusual_hour_holds_and_is_measured_against_where_the_verdict_turns() {
    let level = |hours: i64, last: u64| {
        // A level of 1,000 that goes up and down by 20.
        let counted = (0..hours).map(|at| (hour(at), Cell::count(1_000 + u64::try_from(at * 7 % 5).unwrap() * 10 - 20)));
        let mut counted: BTreeMap<UnixMs, Cell> = counted.collect();
        counted.insert(hour(hours), Cell::count(last));
        Observation { window: Window { from: hour(0), to: hour(hours + 1) }, cells: Vec::new(), hours: counted }
    };
    for (why, hours, last, expected) in [
        ("too young", 100, 5_000, "Warming up: Parapet has watched for 4 d"),
        ("as ever", 400, 1_010, "It does not hold: "),
        ("high", 400, 1_200, "It holds: 1 200 > "),
        ("low", 400, 500, "It holds: 500 < "),
    ] {
        let said = judged(Finds::Unusual, &level(hours, last)).sentence("ZAR").replace('\u{a0}', " ");
        assert!(said.starts_with(expected), "{why}: {said}");
    }
    let Verdict::Holds(high) = judged(Finds::Unusual, &level(400, 1_200)) else { panic!() };
    let Threshold::Above(bound) = high.threshold else { panic!() };
    assert!((1_020.0..1_100.0).contains(&bound), "{bound}");
    let held = |last: u64| matches!(judged(Finds::Unusual, &level(400, last)), Verdict::Holds(_));
    let turns = (1_000..1_200).find(|last| held(*last)).unwrap();
    assert!((0.0..1.0).contains(&(turns as f64 - bound)), "the verdict turns at {turns}, the bound is {bound}");
    let gap = Observation { window: Window { from: hour(0), to: hour(403) }, ..level(400, 1_000) };
    assert_eq!(judged(Finds::Unusual, &gap), Verdict::NoData(NoDataWhy::NothingInWindow), "the last hour is not there");
}
