//! What the command prints of the shipped routes.

use std::path::Path;

use super::*;

fn said(labels: &[(&str, &str)], without: &[&str]) -> (String, Exit) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(super::super::FOLDER);
    let checked = validate::check(&folder, &[Environment::Production]).unwrap();
    let alerting = &checked.valid[0].1.alerting;
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let is_set = |secret: &str| (!without.contains(&secret)).then(|| "set".to_owned());
    explained(&labels, alerting, &Addresses::resolve(alerting, is_set))
}

#[test]
fn every_route_says_why_it_takes_an_alert_or_not() {
    insta::assert_snapshot!(said(&[("severity", "critical"), ("team", "ops")], &[]).0, @"
    alert  severity=critical team=ops
    route 1  severity=critical            takes it → email, sentry, and goes on
    route 2  team=security                no: team is ops
    route 3  team=business                no: team is ops
    route 4  team=ops                     takes it → slack-alerts
    route 5  everything                   not tried
    told   email, sentry, slack-alerts
    ");
}

#[test]
fn a_lost_secret_shows_who_is_left() {
    let without = ["SLACK_ALERTS_WEBHOOK"];
    insta::assert_snapshot!(said(&[("severity", "warning"), ("team", "ops")], &without).0, @r"
    alert  severity=warning team=ops
    route 1  severity=critical            no: severity is warning
    route 2  team=security                no: team is ops
    route 3  team=business                no: team is ops
    route 4  team=ops                     takes it → slack-alerts
    route 5  everything                   not tried
    off    slack-alerts: SLACK_ALERTS_WEBHOOK is not set
    told   slack-security, slack-business, slack-default, email, sentry (none of its own channels can be used, so every other one is)
    ");
}

#[test]
fn nobody_is_a_finding() {
    let all = [
        "SLACK_ALERTS_WEBHOOK",
        "SLACK_SECURITY_WEBHOOK",
        "SLACK_BUSINESS_WEBHOOK",
        "SLACK_WEBHOOK_URL",
        "EMAIL_WEBHOOK_URL",
        "ALERT_EMAIL_RECIPIENTS",
        "SENTRY_DSN",
    ];
    let (text, exit) = said(&[("severity", "info")], &all);
    assert!(text.contains("told   nobody"), "{text}");
    assert_eq!(exit, Exit::Findings);
}

#[test]
fn the_path_of_an_alert_through_routes_inside_routes_is_shown() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(super::super::FOLDER);
    let mut config = validate::check(&folder, &[Environment::Production]).unwrap().valid.remove(0).1;
    config.alerting.routes = crate::record::read(
        br#"[
            { "matchers": { "team": "ops" }, "channels": ["slack-alerts"], "mute_times": ["night"], "continue": true, "routes": [
                { "matchers": ["severity=~\"critical|warning\"", "rule!=latency-p95"], "channels": ["email"], "routes": [
                    { "matchers": { "severity": "critical" }, "channels": ["email", "sentry"], "continue": true } ] },
                { "matchers": { "severity": "info" }, "mute_times": ["day"] } ] },
            { "channels": ["slack-default"] }
        ]"#,
    )
    .unwrap();
    let said = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let addresses = Addresses::resolve(&config.alerting, |_| Some("set".to_owned()));
        explained(&labels, &config.alerting, &addresses).0
    };
    insta::assert_snapshot!(said(&[("severity", "critical"), ("team", "ops"), ("rule", "origin-down")]), @r#"
    alert  rule=origin-down severity=critical team=ops
    route 1     team=ops                     takes it, by a route below
    route 1.1   severity=~"critical|warning" rule!=latency-p95 takes it, by a route below
    route 1.1.1 severity=critical            takes it → email, sentry, and goes on, not during night
    route 1.2   severity=info                not tried
    route 2     everything                   takes it → slack-default
    told   email, sentry, slack-default
    "#);
    insta::assert_snapshot!(said(&[("severity", "info"), ("team", "ops"), ("rule", "origin-down")]), @r#"
    alert  rule=origin-down severity=info team=ops
    route 1     team=ops                     takes it, by a route below
    route 1.1   severity=~"critical|warning" rule!=latency-p95 no: severity is info
    route 1.1.1 severity=critical            not tried
    route 1.2   severity=info                takes it → slack-alerts, not during day
    route 2     everything                   takes it → slack-default
    told   slack-alerts, slack-default
    "#);
    insta::assert_snapshot!(said(&[("severity", "warning"), ("team", "ops"), ("rule", "latency-p95")]), @r#"
    alert  rule=latency-p95 severity=warning team=ops
    route 1     team=ops                     takes it → slack-alerts, and goes on, not during night
    route 1.1   severity=~"critical|warning" rule!=latency-p95 no: rule is latency-p95
    route 1.1.1 severity=critical            not tried
    route 1.2   severity=info                no: severity is warning
    route 2     everything                   takes it → slack-default
    told   slack-alerts, slack-default
    "#);
}
