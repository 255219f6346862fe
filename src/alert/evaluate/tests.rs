//! Every kind of condition, as tables.

use std::collections::BTreeMap;

use super::*;
use crate::config::alerting::{Compare, NoData, OnError, OpensIncident, Over, Severity};
use crate::time::{HOUR_MS, MINUTE_MS, Window};

/// 2026-03-02T12:00:00Z, 14:00 in Johannesburg.
const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn config() -> Config {
    let text = include_str!("../../../tests/support/minimal-config.json");
    crate::record::read(text.as_bytes()).unwrap()
}

/// A moment of a deployment that has watched for long.
fn watched(now: UnixMs) -> Moment {
    Moment { now, since: UnixMs(0) }
}

fn selector(series: &str) -> Selector {
    Selector { series: series.into(), labels: crate::sorted::Map::new() }
}

fn rule(when: When) -> Rule {
    Rule {
        id: "r".into(),
        name: "R".into(),
        severity: Severity::Info,
        when,
        by: Vec::new(),
        recovery: None,
        for_ms: 0,
        keep_firing_for_ms: 0,
        interval_ms: MINUTE_MS,
        depends_on: Vec::new(),
        no_data: NoData::Ok,
        error: OnError::Keep,
        incident: OpensIncident::Critical,
        labels: crate::sorted::Map::new(),
        summary: String::new(),
        annotations: crate::sorted::Map::new(),
        runbook: String::new(),
        owner: String::new(),
    }
}

fn seen(cells: Vec<Cell>) -> Observation {
    Observation { window: Window::ending_at(NOON, 5 * MINUTE_MS), cells, hours: BTreeMap::new() }
}

fn values(kind: Kind, values: &[f64]) -> Vec<Cell> {
    let mut cells = values.iter().zip(0..).map(|(value, at)| Cell::single(kind, *value, at));
    let Some(mut sum) = cells.next() else { return Vec::new() };
    cells.for_each(|cell| sum.merge(&cell));
    vec![sum]
}

fn threshold_rule(series: &str, aggregate: Aggregate, compare: Compare, bound: Bound) -> Rule {
    rule(When::Threshold { of: selector(series), aggregate, over: Over::Ms(5 * MINUTE_MS), compare, bound })
}

/// The verdict's word and its value.
fn said(rule: &Rule, observations: &[Observation], now: UnixMs) -> (&'static str, Option<f64>) {
    let verdict = evaluate(rule, observations, watched(now), &config());
    (verdict.as_str(), verdict.measured().map(|measured| (measured.value * 1e3).round() / 1e3))
}

#[test]
fn every_aggregate_of_every_kind_has_its_value_or_is_a_fault_of_the_rule() {
    use Aggregate::{Avg, Count, Last, Max, Min, P50, P95, P99, Rate, Sum};
    let all = [Sum, Rate, Count, Avg, Min, Max, Last, P50, P95, P99];
    let row = |kind| {
        all.map(|aggregate| {
            let rule = threshold_rule("x", aggregate, Compare::Above, Bound::Value(1e9));
            said(&rule, &[seen(values(kind, &[3.0, 0.0, 6.0]))], NOON).1
        })
    };
    assert_eq!(row(Kind::Counter), [Some(9.0), Some(0.03), Some(9.0), None, None, None, None, None, None, None]);
    assert_eq!(row(Kind::Gauge), [None, None, None, None, Some(0.0), Some(6.0), Some(6.0), None, None, None]);
    let distribution = row(Kind::Distribution);
    assert_eq!(distribution[..7], [Some(9.0), Some(0.01), Some(3.0), Some(3.0), Some(0.0), Some(6.0), None]);
    // Quantiles are the sketch's: within 2.2 % of 3 (the lower nearest rank of three values).
    for quantile in &distribution[7..] {
        assert!((quantile.unwrap() / 3.0 - 1.0).abs() < 0.022, "{distribution:?}");
    }
    let rule = threshold_rule("x", P95, Compare::Above, Bound::Value(1.0));
    let verdict = evaluate(&rule, &[seen(values(Kind::Counter, &[1.0]))], watched(NOON), &config());
    assert_eq!(verdict, Verdict::Broken(RuleFault::NoSuchAggregate { series: "x".into(), kind: Kind::Counter, aggregate: "p95".into() }));
}

#[test]
fn a_threshold_holds_only_beyond_its_bound() {
    for (compare, value, word) in [
        (Compare::Above, 2.0, "does_not_hold"),
        (Compare::Above, 2.000_001, "holds"),
        (Compare::Below, 2.0, "does_not_hold"),
        (Compare::Below, 1.999_999, "holds"),
    ] {
        let rule = threshold_rule("x", Aggregate::Sum, compare, Bound::Value(2.0));
        assert_eq!(said(&rule, &[seen(values(Kind::Counter, &[value]))], NOON).0, word, "{compare:?} {value}");
    }
    let rule = threshold_rule("x", Aggregate::Sum, Compare::Below, Bound::Value(2.0));
    assert_eq!(said(&rule, &[seen(vec![])], NOON), ("no_data", None));
}

#[test]
fn a_ratio_needs_its_samples_and_counts_a_missing_part_as_zero() {
    let rule = rule(When::Ratio {
        part: selector("bad"),
        whole: selector("all"),
        over: Over::Ms(5 * MINUTE_MS),
        compare: Compare::Above,
        bound: 0.02,
        min_samples: 20.0,
    });
    for (part, whole, expected) in [
        (vec![], vec![], ("no_data", None)),
        (vec![19.0], vec![19.0], ("no_data", None)),
        (vec![], vec![20.0], ("does_not_hold", Some(0.0))),
        (vec![1.0], vec![50.0], ("does_not_hold", Some(0.02))),
        (vec![2.0], vec![50.0], ("holds", Some(0.04))),
    ] {
        let observed = [seen(values(Kind::Counter, &part)), seen(values(Kind::Counter, &whole))];
        assert_eq!(said(&rule, &observed, NOON), expected, "{part:?} of {whole:?}");
    }
    // Distributions are counted: the share of requests, not of seconds.
    let observed = [seen(values(Kind::Distribution, &[9.0])), seen(values(Kind::Distribution, &[1.0; 40]))];
    assert_eq!(said(&rule, &observed, NOON), ("holds", Some(0.025)));
}

#[test]
fn absence_holds_when_nothing_came() {
    let rule = rule(When::Absence { of: selector("x"), over: Over::Ms(5 * MINUTE_MS) });
    for (cells, word) in [
        (vec![], "holds"),
        (values(Kind::Counter, &[0.0]), "holds"),
        (values(Kind::Counter, &[1.0]), "does_not_hold"),
        (values(Kind::Distribution, &[0.0]), "does_not_hold"),
        // A gauge at zero is there.
        (values(Kind::Gauge, &[0.0]), "does_not_hold"),
    ] {
        assert_eq!(said(&rule, &[seen(cells.clone())], NOON).0, word, "{cells:?}");
    }
}

#[test]
fn a_share_of_a_target_is_paced_over_its_local_hours() {
    // 1,000,000 cents from 08:00 to 20:00 in Johannesburg (06:00 to 18:00 UTC); the rule wants 80 %.
    let bound = Bound::OfTarget { target: "daily-revenue".into(), share: 0.8 };
    let rule = threshold_rule("revenue_cents_total", Aggregate::Sum, Compare::Below, bound);
    for (local_hour, expected) in
        [(0, None), (7, None), (10, None), (11, Some(200_000.0)), (14, Some(400_000.0)), (20, Some(800_000.0)), (23, Some(800_000.0))]
    {
        let now = NOON.plus((local_hour - 14) * HOUR_MS);
        let verdict = evaluate(&rule, &[seen(values(Kind::Counter, &[199_999.0]))], watched(now), &config());
        match (expected, verdict) {
            (None, Verdict::NoData(NoDataWhy::TooEarly)) => {}
            (Some(bound), Verdict::Holds(measured)) => {
                assert_eq!((measured.threshold, measured.unit), (Threshold::Below(bound), Unit::Cents), "{local_hour}");
            }
            (expected, verdict) => panic!("at {local_hour}: expected {expected:?}, got {verdict:?}"),
        }
    }
    // One minute before the quarter there is no verdict, from the quarter on there is.
    let quarter = NOON.plus(-3 * HOUR_MS);
    assert_eq!(said(&rule, &[seen(values(Kind::Counter, &[200_000.0]))], quarter.plus(-MINUTE_MS)).0, "no_data");
    assert_eq!(said(&rule, &[seen(values(Kind::Counter, &[200_000.0]))], quarter).0, "does_not_hold");
}

#[test]
fn faults_of_a_rule_and_blindness_are_no_verdicts_about_the_site() {
    let unknown = threshold_rule("x", Aggregate::Sum, Compare::Below, Bound::OfTarget { target: "none".into(), share: 1.0 });
    let observed = [seen(values(Kind::Counter, &[1.0]))];
    assert_eq!(
        evaluate(&unknown, &observed, watched(NOON), &config()),
        Verdict::Broken(RuleFault::UnknownTarget { target: "none".into() })
    );
    let mut bad_hours = config();
    bad_hours.business.targets[0].hours.to = "08:00".into();
    let paced = threshold_rule("x", Aggregate::Sum, Compare::Below, Bound::OfTarget { target: "daily-revenue".into(), share: 1.0 });
    assert_eq!(
        evaluate(&paced, &observed, watched(NOON), &bad_hours),
        Verdict::Broken(RuleFault::BadHours { target: "daily-revenue".into() })
    );
    let plain = threshold_rule("x", Aggregate::Sum, Compare::Below, Bound::Value(1.0));
    let mixed = [seen([values(Kind::Counter, &[1.0]), values(Kind::Gauge, &[1.0])].concat())];
    assert_eq!(evaluate(&plain, &mixed, watched(NOON), &config()), Verdict::Broken(RuleFault::MixedKinds { series: "x".into() }));
    assert_eq!(evaluate(&plain, &[], watched(NOON), &config()).as_str(), "blind");
}

#[test]
fn hours_read_as_people_write_them() {
    for (text, minute) in
        [("00:00", Some(0)), ("08:30", Some(510)), ("24:00", Some(1_440)), ("24:01", None), ("8", None), ("08:60", None), ("-1:00", None)]
    {
        assert_eq!(crate::config::business::minute_of_day(text), minute, "{text}");
    }
}

fn counted(value: f64) -> Observation {
    seen(if value > 0.0 { values(Kind::Counter, &[value]) } else { Vec::new() })
}

#[test]
fn a_change_is_measured_against_what_was() {
    let rule = |aggregate, compare, bound| {
        let of = selector("x");
        rule(When::Change { of, aggregate, over_ms: HOUR_MS, against_ms: HOUR_MS, compare, bound, min_baseline: 10.0 })
    };
    let halved = rule(Aggregate::Sum, Compare::Below, -0.5);
    for (now, then, expected) in [
        (40.0, 100.0, ("holds", Some(-0.6))),
        (50.0, 100.0, ("does_not_hold", Some(-0.5))),
        (0.0, 100.0, ("holds", Some(-1.0))),
        (0.0, 9.0, ("no_data", None)),
        (100.0, 0.0, ("no_data", None)),
    ] {
        assert_eq!(said(&halved, &[counted(now), counted(then)], NOON), expected, "{now} after {then}");
    }
    let doubled = rule(Aggregate::Sum, Compare::Above, 1.0);
    assert_eq!(said(&doubled, &[counted(201.0), counted(100.0)], NOON), ("holds", Some(1.01)));
    // An old window is read in whole hours: twice as long, twice as much, no change.
    let longer =
        Observation { window: Window::ending_at(NOON, 10 * MINUTE_MS), cells: values(Kind::Counter, &[200.0]), hours: BTreeMap::new() };
    assert_eq!(said(&doubled, &[counted(100.0), longer.clone()], NOON), ("does_not_hold", Some(0.0)));
    assert_eq!(said(&rule(Aggregate::Rate, Compare::Above, 1.0), &[counted(4_000.0), longer], NOON).0, "no_data", "0.3/s is below ten");
    // A level that is not there is not zero.
    let slower = rule(Aggregate::P95, Compare::Above, 1.0);
    assert_eq!(said(&slower, &[seen(vec![]), seen(values(Kind::Distribution, &[20.0]))], NOON).0, "no_data");
}

#[test]
fn a_budget_burns_when_both_windows_of_a_pair_say_so_and_it_is_no_chance() {
    let page = rule(When::BurnRate { bad: selector("bad"), all: selector("all"), objective: 0.999, pace: Pace::Page });
    // Errors and requests of one hour, five minutes, six hours, half an hour.
    for (windows, expected) in [
        ([(0.0, 0.0); 4], ("no_data", None)),
        ([(0.0, 1_000.0), (0.0, 80.0), (0.0, 6_000.0), (0.0, 500.0)], ("does_not_hold", Some(0.0))),
        ([(20.0, 1_000.0), (2.0, 80.0), (20.0, 6_000.0), (9.0, 500.0)], ("holds", Some(20.0))),
        // Over: the hour still burns, the five minutes do not.
        ([(20.0, 1_000.0), (0.0, 80.0), (20.0, 6_000.0), (0.0, 500.0)], ("does_not_hold", Some(20.0))),
        // Slower, for longer: the second pair.
        ([(7.0, 1_000.0), (1.0, 80.0), (42.0, 6_000.0), (4.0, 500.0)], ("holds", Some(7.0))),
        // One error at night is a burn rate of fifty, and chance.
        ([(1.0, 20.0), (1.0, 2.0), (1.0, 120.0), (1.0, 10.0)], ("does_not_hold", Some(50.0))),
        ([(3.0, 20.0), (1.0, 2.0), (3.0, 120.0), (2.0, 10.0)], ("holds", Some(150.0))),
    ] {
        let seen: Vec<_> = windows.iter().flat_map(|(bad, all)| [counted(*bad), counted(*all)]).collect();
        assert_eq!(said(&page, &seen, NOON), expected, "{windows:?}");
    }
}

#[test]
fn combinations_wait_for_what_might_settle_them() {
    let above = |bound| When::Threshold {
        of: selector("x"),
        aggregate: Aggregate::Sum,
        over: Over::Ms(5 * MINUTE_MS),
        compare: Compare::Above,
        bound: Bound::Value(bound),
    };
    let (all, any) = (rule(When::All(vec![above(1.0), above(10.0)])), rule(When::Any(vec![above(1.0), above(10.0)])));
    for (first, second, of_all, of_any) in [
        (2.0, 11.0, ("holds", Some(2.0)), ("holds", Some(2.0))),
        (2.0, 10.0, ("does_not_hold", Some(10.0)), ("holds", Some(2.0))),
        (1.0, 10.0, ("does_not_hold", Some(1.0)), ("does_not_hold", Some(1.0))),
        (0.0, 10.0, ("does_not_hold", Some(10.0)), ("no_data", None)),
        (0.0, 11.0, ("no_data", None), ("holds", Some(11.0))),
    ] {
        let seen = [counted(first), counted(second)];
        assert_eq!((said(&all, &seen, NOON), said(&any, &seen, NOON)), (of_all, of_any), "{first} {second}");
    }
    assert_eq!(said(&all, &[counted(2.0)], NOON).0, "blind", "not every look was answered");
}
