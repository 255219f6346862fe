//! From failing requests to what people read, in the real runtime, with servers that speak the vendors' formats.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a story that cannot go on fails")]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::hmac::hmac_sha256;
use support::http::Request;
use support::peers::{Answer, Peer, email, sentry, slack};
use support::runtime::{Fault, Part, Runtime, Setup};
use support::wait::until;

const ADMIN: &str = "bootstrap-token-of-the-tests";
const SIGNING_SECRET: &str = "the-slack-apps-signing-secret";
const MINUTE_MS: i64 = 60_000;

/// One rule, told to Slack, e-mail and Sentry.
const ALERTING: &str = r"
channels:
  - id: slack
    via: { slack: { secret: SLACK_ALERTS_WEBHOOK } }
  - id: email
    via: { email: { format: resend, from: Parapet <alerts@bookings.example> } }
  - id: sentry
    via: { sentry: {} }
routes:
  - channels: [slack, email, sentry]
rules:
  - id: error-rate
    name: API error rate
    severity: critical
    when:
      ratio:
        part: { series: http_requests_total, labels: { class: 5xx } }
        whole: { series: http_requests_total }
        over: 5m
        compare: above
        bound: 0.05
        min_samples: 20
    for: 1m
    no_data: ok
    error: keep
    summary: More than 5 % of requests fail; people cannot book.
    runbook: /runbooks/error-rate
    owner: operations
";

struct Story {
    runtime: Runtime,
    slack: Peer,
    email: Peer,
    sentry: Peer,
    now_ms: i64,
}

impl Story {
    fn new() -> Self {
        let (slack, email, sentry) = (slack::slack(), email::resend(), sentry::sentry());
        let runtime = Setup::new()
            .var("BOOTSTRAP_TOKEN", ADMIN)
            .var("SLACK_ALERTS_WEBHOOK", &slack.url("/services/T0/B0/secret"))
            .var("EMAIL_WEBHOOK_URL", &email.url("/emails"))
            .var("EMAIL_WEBHOOK_TOKEN", "re_story")
            .var("ALERT_EMAIL_RECIPIENTS", "ops@example.co.za")
            .var("SENTRY_DSN", &sentry::dsn(&sentry))
            .var("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .var("LINK_SIGNING_SECRET", "links-of-the-tests-are-signed-with-this")
            .start();
        let story = Self { runtime, slack, email, sentry, now_ms: 0 };
        story.watch_only_the_error_rate();
        story
    }

    fn watch_only_the_error_rate(&self) {
        let folder = tempfile::tempdir().unwrap();
        let shipped = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring")).unwrap().map(Result::unwrap);
        for file in shipped.filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        std::fs::write(folder.path().join("alerting-configuration.yaml"), ALERTING).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_parapet"))
            .args(["apply", "--to", &self.runtime.url(), "--env", "dev", "--dir", folder.path().to_str().unwrap()])
            .env("PARAPET_TOKEN", ADMIN)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Requests of which `bad` fail at the origin; returns when the Collector has them all.
    fn traffic(&mut self, good: u64, bad: u64) {
        let mut connection = self.runtime.connect();
        for n in 0..good + bad {
            let status = if n < bad { "500" } else { "200" };
            connection.send(&Request::get("/search").header("x-parapet-replay-status", status)).unwrap();
        }
        let document = until("the requests in realtime", 20, || {
            let document = self.runtime.send(&Request::get("/api/metrics/realtime?window=60").bearer(ADMIN)).json();
            (document["requests"]["count"].as_u64()? >= good + bad).then_some(document)
        });
        let at = document["at"].as_str().unwrap();
        self.now_ms = chrono::DateTime::parse_from_rfc3339(at).unwrap().timestamp_millis();
    }

    /// Ticks once a minute from now on, `minutes` times.
    fn ticks(&mut self, minutes: i64) {
        for _ in 0..minutes {
            self.runtime.tick(self.now_ms);
            self.now_ms += MINUTE_MS;
        }
    }

    /// How many accepted messages say they are firing, and how many resolved, on Slack, e-mail and Sentry.
    fn told(&self) -> [(usize, usize); 3] {
        let count = |texts: Vec<String>| {
            let of = |state: &str| texts.iter().filter(|text| text.contains(state)).count();
            (of("FIRING"), of("RESOLVED"))
        };
        let slack = self.slack.accepted().iter().map(|request| request.json()["text"].as_str().unwrap().to_owned()).collect();
        let email = self.email.accepted().iter().map(|request| request.json()["subject"].as_str().unwrap().to_owned()).collect();
        let sentry = sentry::accepted_items(&self.sentry, "event").into_iter().filter(|event| event["tags"]["rule"] == "error-rate");
        [count(slack), count(email), count(sentry.map(|event| event.to_string()).collect())]
    }

    /// Messages that are neither delivered nor given up.
    fn open_messages(&mut self) -> Vec<Value> {
        self.runtime.d1("SELECT * FROM outbox WHERE state NOT IN ('delivered', 'dead')")
    }
}

#[test]
fn a_5xx_burst_is_told_once_on_each_channel_and_its_end_once() {
    let mut story = Story::new();
    story.traffic(40, 20);
    story.ticks(3);
    assert_eq!(story.told(), [(1, 0); 3], "{}", story.runtime.log());
    let message = &story.slack.accepted()[0].json();
    let words = slack::texts(message);
    for part in ["API error rate", "33", "5", "since", "/runbooks/error-rate"] {
        assert!(words.contains(part) || message.to_string().contains(part), "{part} is missing in {words}");
    }
    story.ticks(8);
    assert_eq!(story.told(), [(1, 1); 3], "{}", story.runtime.log());
    assert_eq!(story.open_messages(), [] as [Value; 0]);
    assert!(!sentry::accepted_items(&story.sentry, "check_in").is_empty(), "each clean tick checks in");
}

#[test]
fn peers_that_fail_get_the_message_later_and_only_a_lost_answer_may_double_it() {
    let mut story = Story::new();
    story.slack.then([Answer::rate_limited(1), Answer::status(500)]);
    story.email.then([Answer::status(503)]);
    story.traffic(40, 20);
    story.ticks(2);
    until("every message to be delivered", 90, || story.open_messages().is_empty().then_some(()));
    assert_eq!(story.told(), [(1, 0); 3], "{}", story.runtime.log());
}

#[test]
fn two_ticks_at_once_a_refusing_d1_and_a_crash_lose_nothing() {
    let mut story = Story::new();
    story.traffic(40, 20);
    story.runtime.fault(Part::Db, &[Fault::Pass, Fault::Refuse, Fault::LoseAnswer, Fault::Pass, Fault::LoseAnswer]);
    story.ticks(1);
    let now_ms = story.now_ms;
    story.ticks(1);
    story.now_ms = now_ms;
    story.ticks(1);
    story.runtime.kill();
    story.runtime.restart();
    story.ticks(2);
    until("every message to be delivered", 90, || story.open_messages().is_empty().then_some(()));
    assert_eq!(story.told(), [(1, 0); 3], "{}", story.runtime.log());
}

#[test]
fn a_test_alert_goes_through_the_outbox_and_its_delivery_can_be_looked_up() {
    let mut story = Story::new();
    let body = json!({"alert_type": "warning", "message": "Is this thing on?", "channel": "slack"});
    let answer = story.runtime.send(&Request::post_json("/api/test-alert", &body).bearer(ADMIN));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["deliveries"][0]["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
    let delivery = until("the delivery", 20, || {
        let view = story.runtime.send(&Request::get(&format!("/api/v1/deliveries/{id}")).bearer(ADMIN)).json();
        (view["state"] == "delivered").then_some(view)
    });
    assert_eq!(delivery["attempts"][0]["status"], 200, "{delivery}");
    assert!(slack::texts(&story.slack.accepted()[0].json()).contains("Is this thing on?"));
    assert!(!delivery.to_string().contains("secret"), "no secret in what is shown");
    assert_eq!(story.open_messages(), [] as [Value; 0]);
}

/// A click on `action` of the alert `alert`, as Slack sends it, signed `at_s` seconds after 1970.
fn click(alert: &str, action: &str, response_url: &str, at_s: i64) -> Request {
    let payload = json!({
        "type": "block_actions",
        "user": {"id": "U1", "name": "thandi"},
        "response_url": response_url,
        "message": {"blocks": [{"type": "actions", "elements": [{"type": "button", "action_id": action, "value": alert}]}]},
        "actions": [{"action_id": action, "value": alert}],
    });
    let encoded: Vec<String> = payload.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = format!("payload={}", encoded.concat());
    let code = hmac_sha256(SIGNING_SECRET.as_bytes(), &[format!("v0:{at_s}:").as_bytes(), body.as_bytes()]);
    let signature = parapet::ids::hex(&code);
    Request::new("POST", "/api/v1/slack/actions")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", &at_s.to_string())
        .header("x-slack-signature", &format!("v0={signature}"))
        .body(body)
}

#[test]
fn an_alert_is_taken_by_api_and_by_a_click_in_slack_and_everybody_hears_who_has_it() {
    let mut story = Story::new();
    story.traffic(40, 20);
    let at_s = story.now_ms / 1_000;
    story.ticks(3);
    let message = story.slack.accepted()[0].json();
    let blocks = message["blocks"].as_array().unwrap();
    let buttons: Vec<&Value> =
        blocks.iter().filter(|block| block["type"] == "actions").flat_map(|block| block["elements"].as_array().unwrap()).collect();
    assert_eq!(buttons[0]["action_id"], "acknowledge", "{message}");
    let alert = buttons[0]["value"].as_str().unwrap().to_owned();
    let responses = Peer::plain();

    let forged = click(&alert, "acknowledge", &responses.url("/actions"), at_s).header("x-slack-signature", "v0=00");
    assert_eq!(story.runtime.send(&forged).status, 401);
    let stale = click(&alert, "acknowledge", &responses.url("/actions"), at_s - 600);
    assert_eq!(story.runtime.send(&stale).status, 401);
    let answer = story.runtime.send(&click(&alert, "acknowledge", &responses.url("/actions"), at_s));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let replaced = responses.wait_for_accepted(1)[0].json();
    assert_eq!((&replaced["replace_original"], &replaced["text"]), (&json!(true), &json!("✅ acknowledged by @thandi")));
    // The ticks were ahead of the clock, and so is the second that Slack wants between two messages.
    story.ticks(1);
    let heard = until("Slack to hear who has it", 20, || {
        let texts: Vec<String> = story.slack.accepted().iter().map(|request| request.json()["text"].as_str().unwrap().to_owned()).collect();
        texts.iter().any(|text| text.contains("ACKNOWLEDGED critical")).then_some(texts)
    });
    assert_eq!(heard.len(), 2, "{heard:?}");

    let shown = story.runtime.send(&Request::get("/api/v1/alerts").bearer(ADMIN)).json();
    assert_eq!((&shown["alerts"][0]["id"], &shown["alerts"][0]["response"]["by"]), (&json!(alert), &json!("@thandi")), "{shown}");
    let act =
        |verb: &str, body: &Value| story.runtime.send(&Request::post_json(&format!("/api/v1/alerts/{alert}/{verb}"), body).bearer(ADMIN));
    assert_eq!(act("snooze", &json!({})).status, 422);
    let snoozed = act("snooze", &json!({"duration_s": 1800, "note": "waiting for the provider"}));
    assert_eq!(snoozed.status, 200, "{}", snoozed.text());
    assert_eq!(snoozed.json()["response"]["note"], "waiting for the provider");
    let over = act("resolve", &json!({"verdict": "true_alarm"}));
    assert_eq!((&over.json()["phase"], &over.json()["verdict"]), (&json!("resolved"), &json!("true_alarm")));
    assert_eq!(act("acknowledge", &json!({})).status, 409);
    story.ticks(1);
    until("every message to be delivered", 90, || story.open_messages().is_empty().then_some(()));
    assert_eq!(story.told()[0], (1, 1), "{}", story.runtime.log());
}

#[test]
fn whoever_reads_the_e_mail_takes_the_alert_by_the_button_of_its_link_and_once() {
    let mut story = Story::new();
    story.traffic(40, 20);
    story.ticks(3);
    let mail = story.email.accepted()[0].json();
    let text = mail["text"].as_str().unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("Acknowledge: http://localhost:8787")).unwrap_or_else(|| panic!("{text}"));
    assert!(mail["html"].as_str().unwrap().contains(path));
    // A scanner opens it, and nothing happens.
    let page = story.runtime.send(&Request::get(path));
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{}", page.text());
    for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-robots-tag", "noindex, nofollow")] {
        assert_eq!(page.header(name), Some(value));
    }
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none';"));
    assert!(page.text().contains("<button>Acknowledge</button>") && page.text().contains("API error rate"), "{}", page.text());
    let taken_by = |story: &Story| {
        let shown = story.runtime.send(&Request::get("/api/v1/alerts").bearer(ADMIN)).json();
        shown["alerts"][0]["response"]["by"].clone()
    };
    assert_eq!(taken_by(&story), Value::Null);
    // The reader presses the button, twice.
    let press = |path: &str| story.runtime.send(&Request::new("POST", path).body(""));
    assert_eq!(press(path.strip_suffix(|_: char| true).unwrap()).status, 404);
    let done = press(path);
    assert!(done.status == 200 && done.text().contains("Acknowledged"), "{}", done.text());
    assert_eq!(taken_by(&story), "e-mail link (email)");
    let again = press(path);
    assert!(again.status == 410 && again.text().contains("already used by e-mail link (email)"), "{}", again.text());
    story.ticks(1);
    until("Slack to hear who has it", 20, || {
        let texts: Vec<String> = story.slack.accepted().iter().map(|request| request.json()["text"].as_str().unwrap().to_owned()).collect();
        texts.iter().any(|text| text.contains("ACKNOWLEDGED critical")).then_some(())
    });
}
