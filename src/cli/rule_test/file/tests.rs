//! Files of rule tests: every mistake at once, with its place.

use super::*;
use crate::config::read::{self, Paint};

fn config() -> Config {
    read::folder(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring"), Environment::Production).unwrap()
}

fn mistakes(text: &str) -> Vec<Diagnostic> {
    super::read(&Source { name: "t.yaml".into(), text: text.into() }, &config()).err().unwrap_or_default()
}

#[test]
fn a_file_with_many_mistakes_gets_them_all_in_one_go_each_with_place_and_fix() {
    let found = mistakes(
        r#"environment: prod
tests:
  - name: nothing is right here
    rules: [error-rate-critcal, latency-p95, limit-surge]
    start: 2026-03-02 12:00
    interval: 15s
    series:
      - { series: 'http_request_duration_secnds', values: 1x5 }
      - { series: 'http_request_duration_seconds{rout="/a"}', values: 1 2+ 3 }
      - { series: "http_request_duration_seconds{route=/a}", values: 1x5, cuont: 5 }
      - { series: http_requests_limited_total, values: 5-2x5 }
      - { series: http_requests_limited_total, values: 1x5, count: 3, kind: gauge }
      - { series: parapet_tick_age_seconds, values: 1x5 }
    downtme:
      - { from: 5m, to: 4m }
    blind:
      - { from: 5m, to: 4m }
    expect:
      - at: 5m
        alerts: [{ rule: latency-p96, state: fireing }]
      - at: 4 min
        notifications: [{ rule: latency-p95, channel: slak-alerts, reason: first }]
      - at: 3m
"#,
    );
    insta::assert_snapshot!(found.iter().map(|mistake| mistake.text(Paint::Plain)).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_test_that_could_not_fail_is_a_mistake() {
    let first = |text: &str| mistakes(text).first().map(|mistake| (mistake.message.clone(), mistake.line)).unwrap_or_default();
    assert_eq!(first("tests: []\n"), ("there is no test".to_owned(), 1));
    assert_eq!(
        first("tests:\n- name: a\n  rules: [latency-p95]\n  expect: []\n"),
        ("nothing is expected, so it cannot fail".to_owned(), 4)
    );
    assert_eq!(first("tests:\n- name: a\n  rules: []\n  expect: [{ at: 0m, alerts: [] }]\n"), ("no rule is looked at".to_owned(), 3));
    let twice = "- name: a\n  rules: [latency-p95]\n  expect: [{ at: 1m, alerts: [] }, { at: 1m, alerts: [] }]\n";
    let found = mistakes(&format!("tests:\n{twice}{twice}"));
    let said: Vec<_> = found.iter().map(|mistake| (mistake.line, mistake.message.as_str())).collect();
    let (again, called) = ("this is not after the expectation above", "a test above is called `a` too");
    assert_eq!(said, [(4, again), (5, called), (7, again)]);
}

#[test]
fn what_a_name_does_not_tell_has_to_be_said() {
    let gauge = |kind: &str| {
        let text = format!(
            "tests:\n- name: a\n  rules: [g]\n  series: [{{ series: queue_depth, values: 1x5{kind} }}]\n  expect: [{{ at: 1m, alerts: [] }}]\n"
        );
        let mut config = config();
        let rule = config.alerting.rules.iter_mut().find(|rule| rule.id == "samples-dropped").unwrap();
        rule.id = "g".into();
        if let crate::config::alerting::When::Threshold { of, .. } = &mut rule.when {
            of.series = "queue_depth".into();
        }
        super::read(&Source { name: "t.yaml".into(), text }, &config)
    };
    assert_eq!(gauge("").unwrap_err()[0].message, "what kind of series this is, its name does not tell");
    assert_eq!(gauge(", kind: gauge").unwrap()[0].series[0].key.kind(), Kind::Gauge);
    assert_eq!(gauge(", kind: gauge, count: 2").unwrap_err()[0].message, "a sample of a gauge is one value");
}
