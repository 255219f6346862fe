//! What clients of Alertmanager ask, in its own shapes.

use serde_json::Value;

use super::*;
use crate::alert::incident::{Signal, step};
use crate::alert::observe::Labels;
use crate::config::site::Environment;
use crate::embedded;
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::web::auth::Role;

const NOW: UnixMs = UnixMs(1_772_366_400_000); // 2026-03-01T12:00:00Z

fn ann() -> Principal {
    Principal { id: "tok_ann".into(), name: "ann".into(), role: Role::Operator }
}

fn config() -> Config {
    Config::from_text(embedded::config_json(Environment::Production)).unwrap()
}

/// A database in which these rules of the shipped configuration fire.
fn firing(config: &Config, rules: &[&str]) -> Sqlite {
    let db = Sqlite::new();
    for rule in config.alerting.rules.iter().filter(|rule| rules.contains(&rule.id.as_str())) {
        let subject = Subject { for_ms: 0, ..Subject::of_rule(rule, &Labels::new()) };
        let state = step(None, &subject, Signal::On { measured: None, detail: Some("No data.".into()) }, NOW).next.unwrap();
        now_or_never(db.batch(alerts::swap(&[&state]))).unwrap();
    }
    db
}

fn alerts_of(db: &Sqlite, config: &Config, text: &str) -> Vec<Value> {
    let addresses = Addresses::resolve(&config.alerting, |_| Some("https://hooks.example/x".into()));
    let found = now_or_never(list_alerts(db, text, (config, &addresses), NOW.plus(60_000))).unwrap();
    serde_json::to_value(found).unwrap().as_array().unwrap().clone()
}

/// As `amtool silence add` sends it: every member, matchers as objects, the clock a little behind.
fn post(db: &Sqlite, id: &str, matchers: &str, comment: &str) -> Result<String, Problem> {
    let body = format!(
        r#"{{"id":"{id}","comment":"{comment}","createdBy":"ann","startsAt":"2026-03-01T11:59:59.900Z","endsAt":"2026-03-01T13:00:00.000Z",
            "matchers":[{matchers}]}}"#
    );
    now_or_never(create_silence(db, body.as_bytes(), &ann(), NOW)).map(|answer| answer["silenceID"].as_str().unwrap().to_owned())
}

const ORIGIN: &str = r#"{"name":"rule","value":"origin-down","isRegex":false,"isEqual":true}"#;

#[test]
fn an_alert_reads_as_alertmanagers_own() {
    let config = config();
    let db = firing(&config, &["latency-p95", "origin-down"]);
    let silence = post(&db, "", ORIGIN, "we know").unwrap();
    let found = alerts_of(&db, &config, "");
    insta::assert_snapshot!(serde_json::to_string_pretty(&found).unwrap().replace(&silence, "sil_…"));
}

#[test]
fn alerts_are_found_by_what_amtool_asks() {
    let config = config();
    let db = firing(&config, &["latency-p95", "origin-down", "conversion-low"]);
    post(&db, "", r#"{"name":"alertname","value":"Conv.*","isRegex":true}"#, "we know").unwrap();
    for (text, expected) in [
        ("", vec!["conversion-low", "latency-p95", "origin-down"]),
        ("active=true&inhibited=true&silenced=true&unprocessed=true", vec!["conversion-low", "latency-p95", "origin-down"]),
        ("silenced=false", vec!["latency-p95", "origin-down"]),
        ("silenced=false&inhibited=false", vec!["origin-down"]),
        ("active=false", vec!["conversion-low", "latency-p95"]),
        ("filter=severity%3D%22critical%22", vec!["origin-down"]),
        ("filter=team%3Dops&filter=severity%21%3Dcritical", vec!["latency-p95"]),
        ("filter=alertname%3D~%22Pages+.%2A%22", vec!["latency-p95"]),
        ("receiver=sentry", vec!["origin-down"]),
        ("receiver=slack-.%2A", vec!["conversion-low", "latency-p95", "origin-down"]),
    ] {
        let mut rules: Vec<String> =
            alerts_of(&db, &config, text).iter().map(|alert| alert["labels"]["rule"].as_str().unwrap().to_owned()).collect();
        rules.sort();
        assert_eq!(rules, expected, "{text}");
    }
    let addresses = Addresses::resolve(&config.alerting, |_| None);
    let bad = now_or_never(list_alerts(&db, "filter=%5Ba", (&config, &addresses), NOW)).unwrap_err();
    assert_eq!(bad.status, 400);
    assert!(error_text(&bad).starts_with("\"The request cannot be understood: filter: `[a` has no operator"), "{}", error_text(&bad));
}

#[test]
fn amtool_adds_queries_replaces_and_expires_a_silence() {
    let db = Sqlite::new();
    let first = post(&db, "", ORIGIN, "we know").unwrap();
    let shown = serde_json::to_value(now_or_never(silence(&db, &first, NOW)).unwrap()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&shown).unwrap().replace(&first, "sil_…"));
    let second = post(&db, &first, ORIGIN, "it takes longer").unwrap();
    assert_ne!(first, second);
    let states = |text: &str| -> Vec<(String, String)> {
        let found = serde_json::to_value(now_or_never(list_silences(&db, text, NOW.plus(1))).unwrap()).unwrap();
        let one = |silence: &Value| (silence["comment"].as_str().unwrap().into(), silence["status"]["state"].as_str().unwrap().into());
        found.as_array().unwrap().iter().map(one).collect()
    };
    let pair = |comment: &str, state: &str| (comment.to_owned(), state.to_owned());
    assert_eq!(states(""), [pair("it takes longer", "active"), pair("we know", "expired")]);
    assert_eq!(states("filter=rule%3D%22other%22"), []);
    now_or_never(end_silence(&db, &second, NOW)).unwrap();
    let mut ended = states("filter=rule%3D%22origin-down%22");
    ended.sort();
    assert_eq!(ended, [pair("it takes longer", "expired"), pair("we know", "expired")]);
    assert_eq!(now_or_never(end_silence(&db, "sil_none", NOW)).unwrap_err().status, 404);
    assert_eq!(post(&db, "sil_none", ORIGIN, "x").unwrap_err().status, 404);
    let nothing = post(&db, "", "", "").unwrap_err();
    let said = error_text(&nothing);
    assert!(nothing.status == 400 && said.contains("/matchers: Send 1 to 20") && said.contains("/comment: Say in"), "{said}");
}

#[test]
fn the_status_has_every_member_clients_insist_on() {
    let status = status(&config(), NOW);
    for pointer in ["/cluster/status", "/cluster/peers", "/config/original", "/uptime", "/versionInfo/version", "/versionInfo/goVersion"] {
        assert!(status.pointer(pointer).is_some(), "{pointer}");
    }
}
