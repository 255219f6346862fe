//! What a sample means to the tick that sees it.

use super::super::file;
use super::*;
use crate::config::alerting::{Aggregate, Bound, Compare, Over, Rule, Selector, When};
use crate::config::read::{self, Source};
use crate::config::site::Environment;

fn config(when: When) -> Config {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    let mut config = read::folder(&folder, Environment::Production).unwrap();
    let rule = config.alerting.rules.remove(0);
    config.alerting.rules = vec![Rule { id: "r".into(), when, for_ms: 0, keep_firing_for_ms: 0, by: vec![], ..rule }];
    config
}

fn threshold(series: &str, aggregate: Aggregate, over_ms: i64) -> When {
    let of = Selector { series: series.into(), labels: Labels::new() };
    When::Threshold { of, aggregate, over: Over::Ms(over_ms), compare: Compare::Above, bound: Bound::Value(-1.0) }
}

/// What the rule measures at each minute from 0 on; `-` is nothing.
fn measured(when: When, series: &str, minutes: i64) -> String {
    let config = config(when);
    let at = |minute: i64| {
        let text = format!(
            "tests:\n- name: a\n  rules: [r]\n{series}\n  expect: [{{ at: {minute}m, alerts: [{{ rule: r, state: firing, value: -7 }}] }}]\n"
        );
        let tests = file::read(&Source { name: "t.yaml".into(), text }, &config).unwrap();
        let failures = run(&tests[0], &config);
        let got = failures[0].rows.iter().find(|row| row.found == Found::Unexpected && row.columns[1] == "firing");
        got.map_or("-".to_owned(), |row| row.columns[3].trim_start_matches("value ").to_owned())
    };
    (0..minutes).map(at).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_sample_of_a_counter_is_what_came_in_its_interval_and_the_tick_at_its_end_sees_it_first() {
    let series = "  series: [{ series: a_total, values: 1+1x5 }]";
    assert_eq!(measured(threshold("a_total", Aggregate::Sum, 60_000), series, 8), "- 1 2 3 4 5 6 -");
    assert_eq!(measured(threshold("a_total", Aggregate::Sum, 120_000), series, 8), "- 1 3 5 7 9 11 6");
    // A window shorter than a minute sees the sample too, and an hour, which reads stored minutes, sees them all.
    assert_eq!(measured(threshold("a_total", Aggregate::Sum, 10_000), series, 8), "- 1 2 3 4 5 6 -");
    assert_eq!(measured(threshold("a_total", Aggregate::Sum, 3_600_000), series, 25), format!("- 1 3 6 10 15 21{}", " 21".repeat(18)));
}

#[test]
fn intervals_of_seconds_and_of_minutes_end_at_their_ticks() {
    let sum = || threshold("a_total", Aggregate::Sum, 60_000);
    assert_eq!(measured(sum(), "  interval: 20s\n  series: [{ series: a_total, values: 1x8 }]", 5), "- 3 3 3 -");
    assert_eq!(measured(sum(), "  interval: 2m\n  series: [{ series: a_total, values: 1 _ 5 }]", 8), "- - 1 - - - 5 -");
}

#[test]
fn a_gauge_is_known_where_a_sample_is_and_a_distribution_holds_each_value_count_times() {
    let gauge = "  series: [{ series: depth, kind: gauge, values: 3 _ 5 stale 7 }]";
    assert_eq!(measured(threshold("depth", Aggregate::Last, 60_000), gauge, 7), "- 3 - 5 - 7 -");
    assert_eq!(measured(threshold("depth", Aggregate::Max, 300_000), gauge, 7), "- 3 3 5 5 7 7");
    let values = "  series: [{ series: d, kind: distribution, values: 2x1, count: 10 }, { series: d, kind: distribution, values: 8 }]";
    assert_eq!(measured(threshold("d", Aggregate::Count, 120_000), values, 4), "- 11 21 10");
    assert_eq!(measured(threshold("d", Aggregate::Sum, 120_000), values, 4), "- 28 48 20");
    assert_eq!(measured(threshold("d", Aggregate::P50, 60_000), values, 3).split(' ').next_back(), Some("2"));
}
