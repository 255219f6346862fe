//! Stories of alerts that others push through Alertmanager's API: the real handlers, SQL and ticks, scripted peers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::alert::respond::Act;
use parapet::channel::Addresses;
use parapet::config::alerting::Inhibition;
use parapet::record::FromJson;
use parapet::time::UnixMs;
use parapet::web::alertmanager;
use serde_json::{Value, json};
use world::{SLACK, World, at_s, block_on, slack_channel, switch};

fn push(world: &World, alerts: &Value, at: UnixMs) {
    block_on(alertmanager::push::push(&world.db, alerts.to_string().as_bytes(), at)).unwrap();
}

fn disk(host: &str) -> Value {
    json!({
        "labels": { "alertname": "DiskFull", "host": host, "severity": "critical" },
        "annotations": { "summary": "The disk is full: nothing is written.", "description": "At 99 %." },
        "generatorURL": "http://prometheus:9090/graph",
    })
}

fn disk_until(host: &str, end: UnixMs) -> Value {
    let mut alert = disk(host);
    alert["endsAt"] = end.rfc3339().into();
    alert
}

/// What `GET /api/v2/alerts` shows: host and state.
fn listed(world: &World, at: UnixMs) -> Vec<(String, String)> {
    let shown = block_on(alertmanager::list_alerts(&world.db, "", (&world.config, &world.addresses), at)).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |alert: &Value| (text(&alert["labels"]["host"]), text(&alert["status"]["state"]));
    serde_json::to_value(shown).unwrap().as_array().unwrap().iter().map(one).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_pushed_alert_is_told_silenced_and_ended_like_a_rules_own() {
    let mut world = World::with_rules(vec![]);
    world.run(at_s(-60), at_s(-1));
    push(&world, &json!([disk("one"), disk("two")]), at_s(-1));
    let mut shown = listed(&world, at_s(-1));
    shown.sort();
    assert_eq!(shown, pairs(&[("one", "active"), ("two", "active")]), "before any tick");
    world.silence("host=two", at_s(-1), at_s(120));
    world.run(at_s(0), at_s(59));
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.len(), 1, "{titles:?}");
    assert!(titles[0].contains("FIRING critical · DiskFull · host=one"), "{titles:?}");
    assert_eq!(world.withheld().len(), 1);

    // One ends as was said; the other is still pushed when its silence ends.
    push(&world, &json!([disk_until("one", at_s(100)), disk("two")]), at_s(100));
    world.run(at_s(120), at_s(179));
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.len(), 3, "{titles:?}");
    let ended = titles.iter().find(|title| title.contains("RESOLVED")).unwrap();
    assert!(ended.contains("DiskFull after 2 min 1 s · host=one"), "since it was pushed, not since the tick: {ended}");
    assert!(titles.iter().any(|title| title.contains("FIRING critical · DiskFull · host=two")), "{titles:?}");
    assert_eq!(listed(&world, at_s(179)), pairs(&[("two", "active")]));

    // Nobody pushes it again: after five minutes it is over.
    world.run(at_s(180), at_s(399));
    assert_eq!(world.http.titles(SLACK).len(), 3);
    world.run(at_s(420), at_s(600));
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 4 && titles[3].contains("RESOLVED") && titles[3].contains("host=two"), "{titles:?}");
    assert!(listed(&world, at_s(600)).is_empty() && world.all_closed());
}

#[test]
fn it_escalates_until_somebody_has_it_and_is_the_same_alert_when_it_comes_back() {
    let mut world = World::with_rules(vec![]);
    world.config.alerting.channels.push(slack_channel("lead"));
    let policy = json!({"id": "p", "steps": [{"after_ms": 600_000, "notify": ["lead"]}], "repeat_ms": 1_800_000});
    world.config.alerting.escalations = vec![FromJson::from_json(policy).unwrap()];
    world.addresses = Addresses::resolve(&world.config.alerting, world::secret);
    push(&world, &json!([disk_until("one", at_s(3_000))]), at_s(0));
    world.run(at_s(0), at_s(660));
    let reasons = |world: &World| world.messages().into_iter().map(|(_, reason, _)| reason).collect::<Vec<_>>();
    assert_eq!(reasons(&world), ["first", "first", "escalated"]);
    world.act(&Act::Acknowledge, at_s(690)).unwrap();
    world.run(at_s(720), at_s(3_060));
    assert_eq!(reasons(&world)[3..], ["acknowledged", "acknowledged", "acknowledged", "resolved", "resolved", "resolved"]);
    push(&world, &json!([disk("one")]), at_s(3_100));
    world.run(at_s(3_120), at_s(3_180));
    assert_eq!(reasons(&world)[9..], ["first", "first"]);
    let alerts: std::collections::BTreeSet<_> = world.http.heard.borrow().iter().map(|heard| heard.alert.clone()).collect();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
}

#[test]
fn a_rules_alert_explains_a_pushed_one() {
    let mut world = World::with_rules(vec![switch("database-down")]);
    let (source, target) = (vec!["rule=database-down".to_owned()], vec!["alertname=DiskFull".to_owned()]);
    world.config.alerting.inhibitions = vec![Inhibition { id: "db-explains".into(), source, target, equal: vec![] }];
    world.set("database-down", 1.0, at_s(-5));
    push(&world, &json!([disk("one")]), at_s(-1));
    world.run(at_s(0), at_s(59));
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 1 && titles[0].contains("Switch database-down"), "{titles:?}");
    assert_eq!(listed(&world, at_s(59)), pairs(&[("", "active"), ("one", "suppressed")]));
}

#[test]
fn a_pause_of_ours_ends_no_alert_that_is_pushed_again() {
    let mut world = World::with_rules(vec![]);
    push(&world, &json!([disk("one")]), at_s(0));
    world.run(at_s(0), at_s(60));
    // The database was gone for half an hour, for ticks and pushes alike.
    world.run(at_s(1_800), at_s(1_800));
    push(&world, &json!([disk("one")]), at_s(1_830));
    world.run(at_s(1_860), at_s(2_100));
    assert_eq!(world.http.titles(SLACK).len(), 1, "{:?}", world.http.titles(SLACK));
    world.run(at_s(2_160), at_s(2_220));
    assert_eq!(world.http.titles(SLACK).len(), 2, "it was not pushed again, and is over");
}
