//! How long each kind of condition waits after a first deployment.
use std::collections::BTreeMap;

use super::*;
use crate::alert::evaluate::{Moment, Verdict, evaluate};
use crate::config::Config;
use crate::config::alerting::Rule;
use crate::record::FromJson as _;
use crate::telemetry::cell::Cell;
use crate::time::{HOUR_MS, MINUTE_MS, Window};

/// 2026-03-02T12:00:00Z.
const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn rule(when: &serde_json::Value) -> Rule {
    Rule::from_json(serde_json::json!({
        "id": "r", "name": "R", "severity": "info", "when": when, "no_data": "alert", "error": "alert", "summary": "", "runbook": "", "owner": "",
    }))
    .unwrap()
}

/// The word of the verdict, after `watched_ms`, on looks of these lengths and counts.
fn said(when: &serde_json::Value, looks: &[(i64, u64)], watched_ms: i64) -> &'static str {
    let config: Config = crate::record::read(include_bytes!("../../../tests/support/minimal-config.json")).unwrap();
    let seen: Vec<Observation> = looks
        .iter()
        .map(|(length_ms, count)| Observation {
            window: Window::ending_at(NOON, *length_ms),
            cells: vec![Cell::count(*count)],
            hours: BTreeMap::new(),
        })
        .collect();
    match evaluate(&rule(when), &seen, Moment { now: NOON, since: NOON.plus(-watched_ms) }, &config) {
        Verdict::NoData(NoDataWhy::WarmingUp { seen_ms, needed_ms }) => {
            assert!(seen_ms == watched_ms && needed_ms > seen_ms, "{seen_ms} of {needed_ms}");
            "warming_up"
        }
        verdict => verdict.as_str(),
    }
}

fn threshold(compare: &str, bound: f64) -> serde_json::Value {
    serde_json::json!({"threshold": {"of": {"series": "x"}, "aggregate": "sum", "over": {"ms": HOUR_MS}, "compare": compare, "bound": {"value": bound}}})
}

#[test]
fn what_a_partly_seen_window_cannot_say_waits_and_what_it_can_say_does_not() {
    let absence = serde_json::json!({"absence": {"of": {"series": "x"}, "over": {"ms": HOUR_MS}}});
    let ratio = |min_samples: f64| serde_json::json!({"ratio": {"part": {"series": "x"}, "whole": {"series": "y"}, "over": {"ms": HOUR_MS}, "compare": "above", "bound": 0.1, "min_samples": min_samples}});
    let (hour, five) = (HOUR_MS, 5 * MINUTE_MS);
    for (when, looks, watched_ms, expected) in [
        // Nothing in five minutes is no hour without anything; a whole hour is.
        (&absence, vec![(hour, 0)], five, "warming_up"),
        (&absence, vec![(hour, 0)], hour - 1, "warming_up"),
        (&absence, vec![(hour, 0)], hour, "holds"),
        // Few in five minutes may be many in the hour; many in five minutes are many.
        (&threshold("below", 10.0), vec![(hour, 3)], five, "warming_up"),
        (&threshold("below", 10.0), vec![(hour, 3)], hour, "holds"),
        (&threshold("above", 10.0), vec![(hour, 30)], five, "holds"),
        // A share of enough samples is a share; of any number it is not.
        (&ratio(50.0), vec![(hour, 20), (hour, 60)], five, "holds"),
        (&ratio(1.0), vec![(hour, 1), (hour, 1)], five, "warming_up"),
        (&ratio(1.0), vec![(hour, 1), (hour, 1)], hour, "holds"),
    ] {
        assert_eq!(said(when, &looks, watched_ms), expected, "{when} after {watched_ms} ms");
    }
}

#[test]
fn one_condition_that_was_seen_whole_settles_a_combination_while_another_warms_up() {
    let absence = serde_json::json!({"absence": {"of": {"series": "x"}, "over": {"ms": 24 * HOUR_MS}}});
    let any = serde_json::json!({"any": [threshold("above", 10.0), absence.clone()]});
    let all = serde_json::json!({"all": [threshold("above", 10.0), absence]});
    let looks = [(HOUR_MS, 30), (24 * HOUR_MS, 0)];
    assert_eq!(said(&any, &looks, HOUR_MS), "holds");
    assert_eq!(said(&all, &looks, HOUR_MS), "warming_up");
}

#[test]
fn each_pair_of_a_burn_rate_waits_for_its_own_long_window() {
    let when = serde_json::json!({"burn_rate": {"bad": {"series": "x"}, "all": {"series": "y"}, "objective": 0.999, "pace": "page"}});
    let pair = |long_ms, short_ms, bad: u64| [(long_ms, bad), (long_ms, 1_000), (short_ms, bad), (short_ms, 1_000)];
    let looks = [pair(HOUR_MS, 5 * MINUTE_MS, 500), pair(6 * HOUR_MS, 30 * MINUTE_MS, 500)].concat();
    assert_eq!(said(&when, &looks, 5 * MINUTE_MS), "warming_up");
    assert_eq!(said(&when, &looks, HOUR_MS), "holds");
    let looks = [pair(HOUR_MS, 5 * MINUTE_MS, 0), pair(6 * HOUR_MS, 30 * MINUTE_MS, 500)].concat();
    assert_eq!(said(&when, &looks, HOUR_MS), "does_not_hold", "six hours were not watched yet");
    assert_eq!(said(&when, &looks, 6 * HOUR_MS), "holds");
}

#[test]
fn the_wait_is_said_in_words() {
    let why = unseen(NOON.plus(-24 * HOUR_MS), NOON.plus(-5 * MINUTE_MS), NOON).unwrap();
    insta::assert_snapshot!(why.sentence(), @"Warming up: Parapet has watched for 5 min; the rule looks back 1 d.");
}
