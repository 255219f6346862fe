//! The laws of a configuration: it survives its own text, and its text is always the same.

use proptest::prelude::*;

use crate::config::alerting::{Aggregate, Bound, Compare, NoData, OnError, Over, Override, Selector, Severity, When};
use crate::config::business::{Hours, Target};
use crate::config::security::{Limit, LimitMode, OnFailure};
use crate::config::site::Environment;
use crate::config::{Config, ConfigError};
use crate::embedded;

use super::{duration_text, nearest};

fn shipped() -> Config {
    Config::from_text(embedded::config_json(Environment::Production)).unwrap()
}

fn any_limit() -> impl Strategy<Value = Limit> {
    let mode = prop::sample::select(vec![LimitMode::Enforce, LimitMode::Shadow]);
    let on_failure = prop::sample::select(vec![OnFailure::Allow, OnFailure::Edge, OnFailure::Deny]);
    let methods = prop::sample::subsequence(vec!["GET".to_owned(), "POST".to_owned(), "PUT".to_owned()], 0..=3);
    (1..=64_u32, 1..=86_400_u32, mode, on_failure, methods).prop_map(|(requests, window_s, mode, on_failure, methods)| Limit {
        id: String::new(),
        path: String::new(),
        methods,
        requests,
        window_s,
        mode,
        on_failure,
    })
}

fn any_when() -> impl Strategy<Value = When> {
    let over = prop_oneof![Just(Over::Today), (10_000..=691_200_000_i64).prop_map(Over::Ms)];
    let compare = prop::sample::select(vec![Compare::Above, Compare::Below]);
    let class = "[1-5]xx|\\*|[^\\x00]{0,8}";
    let counted =
        move || class.prop_map(|class| Selector { series: "http_requests_total".into(), labels: [("class".to_owned(), class)].into() });
    prop_oneof![
        (counted(), over.clone(), compare.clone(), prop::num::f64::NORMAL, prop::sample::select(vec![Aggregate::Sum, Aggregate::Rate]))
            .prop_map(|(of, over, compare, bound, aggregate)| When::Threshold { of, aggregate, over, compare, bound: Bound::Value(bound) }),
        (counted(), counted(), over.clone(), compare, 0.0..=1.0_f64, 0.0..1e9_f64)
            .prop_map(|(part, whole, over, compare, bound, min_samples)| When::Ratio { part, whole, over, compare, bound, min_samples }),
        (counted(), over).prop_map(|(of, over)| When::Absence { of, over }),
    ]
}

/// Sensible configurations, far from the shipped one.
fn any_config() -> impl Strategy<Value = Config> {
    let severity = prop::sample::select(Severity::ALL.to_vec());
    let rules = prop::collection::vec((any_when(), severity, 0..=604_800_000_i64, "[^\\x00{]{0,20}x"), 0..8);
    let target = (0.01..1e12_f64, 0..23_u32).prop_map(|(per_day, hour)| Target {
        id: "goal".into(),
        series: "revenue_cents_total".into(),
        per_day,
        hours: Hours { from: format!("{hour:02}:30"), to: "24:00".into() },
    });
    (prop::collection::vec(any_limit(), 0..6), rules, target, "[^\\x00]{0,30}x").prop_map(|(limits, rules, target, name)| {
        let mut config = shipped();
        config.site.name = name;
        config.business.targets = vec![target];
        config.security.limits = limits;
        for (index, limit) in config.security.limits.iter_mut().enumerate() {
            (limit.id, limit.path) = (format!("limit-{index}"), format!("/api/{index}"));
        }
        for inhibition in &mut config.alerting.inhibitions {
            (inhibition.source, inhibition.target) = (vec!["rule=rule-*".into()], vec!["severity!=critical".into()]);
        }
        let template = config.alerting.rules[0].clone();
        config.alerting.rules = rules
            .into_iter()
            .enumerate()
            .map(|(index, (when, severity, for_ms, summary))| {
                let mut rule = template.clone();
                (rule.id, rule.when, rule.severity, rule.for_ms, rule.summary) = (format!("rule-{index}"), when, severity, for_ms, summary);
                (rule.no_data, rule.error) = (NoData::Keep, OnError::Keep);
                rule
            })
            .collect();
        config
    })
}

proptest! {
    #[test]
    fn a_configuration_survives_its_own_text_and_has_one_hash(config in any_config()) {
        let text = config.to_json();
        let read = Config::from_text(&text).unwrap();
        prop_assert_eq!(&read, &config);
        prop_assert_eq!(read.to_json(), text);
        prop_assert_eq!(read.hash(), config.hash());
    }

    #[test]
    fn whatever_text_arrives_is_answered_not_died_of(text in "[\\x00-\\x7f]{0,200}", cut in 0..6_000_usize) {
        prop_assert!(Config::from_text(&text).is_err());
        let embedded = embedded::config_json(Environment::Dev);
        let cut = cut.min(embedded.len() - 1);
        prop_assert!(Config::from_text(embedded.get(..cut).unwrap_or_default()).is_err());
    }
}

#[test]
fn a_text_of_another_shape_says_where_it_goes_wrong() {
    let text = shipped().to_json().replace("\"max_routes\":", "\"max_roads\":");
    assert_eq!(
        Config::from_text(&text).unwrap_err().to_string(),
        "the configuration does not read: /infrastructure: unknown key `max_roads`"
    );
}

#[test]
fn a_text_without_sense_lists_every_problem_with_its_pointer() {
    let mut config = shipped();
    config.security.limits[2].requests = 65;
    config.alerting.rules[0].for_ms = -1;
    config.alerting.routes[1].channels.push("pager".into());
    config.business.targets[0].per_day = 1e16;
    config.sentry.origin_error_sample_rate = 1.5;
    let Err(ConfigError::Meaning(problems)) = Config::from_text(&config.to_json()) else { panic!() };
    let told: Vec<String> = problems.iter().map(|problem| format!("{} {} ({})", problem.pointer, problem.what, problem.fix)).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    /security/limits/2/requests 65 is out of range (use a number from 1 to 64)
    /sentry/origin_error_sample_rate 1.5 is out of range (use a number from 0 to 1)
    /business/targets/0/per_day 10000000000000000 is out of range (use a number from 0 to 9007199254740992)
    /alerting/routes/1/channels/1 there is no channel `pager` (use one of: slack-alerts, slack-security, slack-business, slack-default, email, operations, security, technical-lead, business-owner, sentry)
    /alerting/rules/0/for_ms -1 ms is out of range (use 0s to 7d)
    ");
}

#[test]
fn rules_that_depend_on_each_other_in_a_circle_are_named() {
    let mut config = shipped();
    let ids: Vec<String> = config.alerting.rules.iter().map(|rule| rule.id.clone()).collect();
    for rule in &mut config.alerting.rules {
        rule.depends_on.clear();
    }
    // 0 → 1 → 2 → 0, and 3, which only hangs on the circle.
    for (rule, cause) in [(0, 1), (1, 2), (3, 0)] {
        config.alerting.rules[rule].depends_on = vec![ids[cause].clone()];
    }
    assert_eq!(super::problems(&config), []);
    config.alerting.rules[2].depends_on = vec![ids[0].clone()];
    let told: Vec<String> = super::problems(&config).into_iter().map(|problem| problem.pointer).collect();
    assert_eq!(told, [0, 1, 2].map(|rule| format!("/alerting/rules/{rule}/depends_on/0")));
}

#[test]
fn durations_read_back_as_the_files_write_them() {
    for (ms, text) in
        [(0, "0s"), (30_000, "30s"), (300_000, "5m"), (90_000, "90s"), (3_600_000, "1h"), (604_800_000, "7d"), (1_500, "1500 ms")]
    {
        assert_eq!(duration_text(ms), text);
    }
}

#[test]
fn suggestions_are_near_or_not_made() {
    let words = ["info", "warning", "critical"];
    assert_eq!(nearest("crticial", words), Some("critical"));
    assert_eq!(nearest("crit", words), Some("critical"));
    assert_eq!(nearest("WARNING", words), Some("warning"));
    assert_eq!(nearest("page", words), None);
}

#[test]
fn a_report_that_would_not_arrive_or_would_call_somebody_is_named() {
    let mut config = shipped();
    let report = config.alerting.report.as_mut().unwrap();
    (report.at, report.zone) = ("24:00".into(), "Africa/Joburg".into());
    report.channels = ["operatons", "sentry", "email", "email", "on-call"].map(str::to_owned).to_vec();
    let told = |config: &Config| {
        super::problems(config).iter().map(|problem| format!("{} {} ({})", problem.pointer, problem.what, problem.fix)).collect::<Vec<_>>()
    };
    insta::assert_snapshot!(told(&config).join("\n"));
    config.alerting.report.as_mut().unwrap().channels.clear();
    assert!(told(&config).last().unwrap().starts_with("/alerting/report/channels nobody is sent it"));
    config.alerting.report = None;
    assert_eq!(super::problems(&config), []);
}

#[test]
fn an_escalation_or_a_rotation_that_would_leave_somebody_alone_is_named() {
    let mut config = shipped();
    let alerting = &mut config.alerting;
    alerting.escalations[0].steps[0].notify[1] = "on-cal".into();
    alerting.escalations[0].steps[1].after_ms = 60_000;
    alerting.escalations[0].repeat_ms = 1_000;
    alerting.escalations[1].hours.as_mut().unwrap().days.clear();
    alerting.escalations[1].hours.as_mut().unwrap().hours.to = "18:00".into();
    alerting.escalations[2].steps.clear();
    alerting.escalations[3].matchers = alerting.escalations[2].matchers.clone();
    alerting.rotations[0].handover.at = "9".into();
    alerting.rotations[0].starts = "Monday".into();
    alerting.rotations[0].members.clear();
    alerting.rotations[0].overrides =
        vec![Override { from: "2026-12-24 09:00".into(), until: "2026-12-24 09:00".into(), member: "nobody".into() }];
    let told: Vec<String> = super::problems(&config).iter().map(|problem| format!("{} {}", problem.pointer, problem.what)).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    /alerting/escalations/0/steps/0/notify/1 there is no channel or rotation `on-cal`
    /alerting/escalations/0/steps/1/after_ms it comes before the step above it
    /alerting/escalations/0/repeat_ms 1s is out of range
    /alerting/escalations/1/hours/days it begins on no day
    /alerting/escalations/1/hours/hours `18:00` to `18:00` is not a span of a day
    /alerting/escalations/2/steps nobody is told next
    /alerting/escalations/3 it is never in force: `critical-by-day` takes everything before it
    /alerting/rotations/0/handover/at `9` is not a time of day
    /alerting/rotations/0/starts `Monday` is not a date
    /alerting/rotations/0/members nobody is on call
    /alerting/rotations/0/overrides/0/member there is no channel or rotation `nobody`
    /alerting/rotations/0/overrides/0/until it ends before it begins
    ");
}
