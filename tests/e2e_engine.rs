//! The Engine in the real runtime: ticks, alarms, restarts and blindness.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a story that cannot go on fails")]

mod support;

use serde_json::{Value, json};
use support::http::Request;
use support::peers::{Answer, Peer, email, sentry, slack};
use support::runtime::{Part, Runtime, Setup};
use support::wait::until;

const TOKEN: &str = "story-token-of-the-tests";

/// Where people are told.
struct Vendors {
    slack: Peer,
    email: Peer,
    sentry: Peer,
}

impl Vendors {
    fn start() -> Self {
        Self { slack: slack::slack(), email: email::plain(), sentry: sentry::sentry() }
    }

    fn setup(&self) -> Setup {
        Setup::new()
            .var("BOOTSTRAP_TOKEN", TOKEN)
            .var("SLACK_ALERTS_WEBHOOK", &self.slack.url("/services/T0/B0/secretSecret"))
            .var("SLACK_WEBHOOK_URL", &self.slack.url("/services/T0/B0/secretSecret"))
            .var("EMAIL_WEBHOOK_URL", &self.email.url("/send"))
            .var("ALERT_EMAIL_RECIPIENTS", "ops@example.com,owner@example.com")
            .var("SENTRY_DSN", &sentry::dsn(&self.sentry))
    }

    /// What Slack took on.
    fn slack_texts(&self) -> Vec<String> {
        self.slack.accepted().iter().map(|request| slack::texts(&request.json())).collect()
    }
}

fn get(runtime: &Runtime, path: &str) -> Value {
    runtime.send(&Request::get(path).bearer(TOKEN)).json()
}

fn visit(runtime: &Runtime, n: u64, status: &str) {
    let mut connection = runtime.connect();
    for _ in 0..n {
        let request = Request::get("/search")
            .header("x-parapet-replay-client", "198.51.100.7")
            .header("x-parapet-replay-status", status)
            .header("x-parapet-replay-bytes", "100");
        assert_eq!(connection.send(&request).unwrap().status.to_string(), status);
    }
}

fn wait_for_count(runtime: &Runtime, expected: u64) {
    until(&format!("{expected} requests in realtime"), 40, || {
        (get(runtime, "/api/metrics/realtime?window=900")["requests"]["count"] == expected).then_some(())
    });
}

fn firing(runtime: &mut Runtime) -> usize {
    runtime.d1("SELECT id FROM alerts WHERE phase = 'firing'").len()
}

/// The Worker's clock, in milliseconds: the tests have no other.
fn clock(runtime: &Runtime) -> i64 {
    let at = get(runtime, "/api/metrics/realtime?window=60")["at"].as_str().unwrap().to_owned();
    chrono::DateTime::parse_from_rfc3339(&at).unwrap().timestamp_millis()
}

#[test]
fn the_alarm_sends_again_to_the_second_when_the_peer_said_and_bad_requests_are_told_why() {
    let vendors = Vendors::start();
    let runtime = vendors.setup().start();
    vendors.slack.then([Answer::rate_limited(6)]);
    let body = json!({"alert_type": "info", "message": "Does this arrive?", "channel": "slack-alerts"});
    let receipt = runtime.send(&Request::post_json("/api/test-alert", &body).bearer(TOKEN)).json();
    let id = receipt["deliveries"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&receipt["deliveries"][0]["state"], &receipt["deliveries"][0]["attempts"][0]["status"]), (&"due".into(), &429.into()));
    // Nobody ticks: the Engine's alarm sends it again when Slack said.
    let delivery = until("the second attempt", 20, || {
        let delivery = get(&runtime, &format!("/api/v1/deliveries/{id}"));
        (delivery["state"] == "delivered").then_some(delivery)
    });
    assert_eq!(delivery["attempts"][1]["status"], 200);
    assert!(!delivery.to_string().contains("secretSecret"));
    for (body, status) in
        [("{", 400), (r#"{"alert_type":"loud","message":"x"}"#, 422), (r#"{"alert_type":"info","message":"x","channel":"pager"}"#, 422)]
    {
        let answer = runtime.send(&Request::new("POST", "/api/test-alert").bearer(TOKEN).body(body));
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")), "{body}");
    }
    assert_eq!(runtime.send(&Request::get("/api/v1/deliveries/msg_none").bearer(TOKEN)).status, 404);
}

#[test]
fn an_engine_that_is_evicted_or_killed_owes_what_it_owed() {
    let vendors = Vendors::start();
    let mut runtime = vendors.setup().start();
    vendors.slack.then([Answer::status(500)]);
    let body = json!({"alert_type": "info", "message": "Still owed", "channel": "slack-alerts"});
    let receipt = runtime.send(&Request::post_json("/api/test-alert", &body).bearer(TOKEN)).json();
    let id = receipt["deliveries"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(receipt["deliveries"][0]["state"], "due");
    runtime.kill();
    runtime.restart();
    until("the message after the restart", 30, || {
        (get(&runtime, &format!("/api/v1/deliveries/{id}"))["state"] == "delivered").then_some(())
    });
    assert_eq!(vendors.slack.accepted().len(), 1);
}

#[test]
fn collectors_that_do_not_answer_blind_the_tick_and_nothing_is_resolved_or_invented() {
    use support::runtime::Fault;
    let vendors = Vendors::start();
    let mut runtime = vendors.setup().start();
    visit(&runtime, 60, "503");
    wait_for_count(&runtime, 60);
    let now = clock(&runtime) + 10_000;
    for minute in 0..2 {
        runtime.tick(now + minute * 60_000);
    }
    let before = firing(&mut runtime);
    assert!(before >= 1);
    runtime.fault_always(Part::Collector, &[Fault::Refuse]);
    for minute in 30..34 {
        runtime.tick(now + minute * 60_000);
    }
    runtime.heal(Part::Collector);
    // All that fired fires on, and one alert says that we are blind.
    assert_eq!(firing(&mut runtime), before + 1);
    let slack = vendors.slack_texts();
    assert!(slack.iter().all(|text| !text.contains("RESOLVED")), "{slack:#?}");
}
