//! What every channel has in common: classes of answers, texts that are told, secrets that are not.

use serde_json::json;

use super::answer::{Answer, DeliveryOutcome, classify, retry_after_ms};
use super::*;
use crate::alert::contributors::Contributor;
use crate::alert::nearby::{ChangeKind, NearbyChange};
use crate::alert::notification::{NotifyReason, Stamp};
use crate::alert::quantity::{Measured, Normal, Threshold, Unit};
use crate::alert::sparkline::Trend;
use crate::config::alerting::{Compare, EmailFormat, PagerDutyRegion, Severity};
use crate::ports::{HttpError, HttpResponse};
use crate::record::FromJson;
use crate::sorted::Map;
use crate::time::{MINUTE_MS, UnixMs};

/// 2026-03-02T12:00:00Z.
pub(super) const NOON: UnixMs = UnixMs(1_772_452_800_000);

/// A secret that came from the binding `NAME`.
pub(super) fn secret(text: &str) -> Secret {
    Secret { text: text.to_owned(), binding: "NAME".to_owned() }
}

/// An error rate of 6.4 % over 5 minutes, firing since five minutes, at noon.
pub(crate) fn firing() -> Notification {
    Notification {
        id: "msg_0123456789abcdef0123".into(),
        alert: "alr_0123456789abcdef0123".into(),
        reason: NotifyReason::First,
        severity: Severity::Critical,
        rule: "api-error-rate".into(),
        name: "API error rate".into(),
        summary: "Requests fail on our side: visitors see <errors> & cannot book.".into(),
        annotations: Map::new(),
        detail: None,
        labels: Map::from([
            ("rule".into(), "api-error-rate".into()),
            ("severity".into(), "critical".into()),
            ("route".into(), "/api/bookings".into()),
        ]),
        measured: Some(Measured::new(0.064, Threshold::Above(0.02), Unit::Ratio, 5 * MINUTE_MS)),
        peak: Some(0.064),
        normal: Some(Normal { value: 0.003, unit: Unit::Ratio }),
        trend: Some(Box::new(Trend {
            line: "▁▁▁▁▁▁▁▁▁▁▁▂▃▆█▇".into(),
            caption: "last 30 min".into(),
            worst: 0.071,
            worse: Compare::Above,
            unit: Unit::Ratio,
            worst_at: NOON.plus(-2 * MINUTE_MS),
        })),
        contributors: vec![Contributor { label: "country".into(), value: "ZA".into(), share: 0.64 }],
        change: Some(Box::new(NearbyChange {
            kind: ChangeKind::Deploy,
            name: "booking-api".into(),
            version: "v2026.03.02-2".into(),
            at: NOON.plus(-9 * MINUTE_MS),
            url: "https://ci.example.com/runs/42?a=<b>".into(),
        })),
        response: None,
        page_status: None,
        for_ms: 5 * MINUTE_MS,
        since: NOON.plus(-5 * MINUTE_MS),
        at: NOON,
        owner: "payments-oncall".into(),
        runbook: Some("https://ops.example.com/runbooks/api-error-rate".into()),
        dashboard: "https://ops.example.com/operations?from=1&to=2".into(),
        site: Stamp {
            name: "Bookings".into(),
            environment: "production".into(),
            timezone: "Africa/Johannesburg".into(),
            currency: "ZAR".into(),
        },
        group: None,
        report: None,
    }
}

/// The same alert twelve minutes after it began, over.
pub(crate) fn resolved() -> Notification {
    let measured = Measured { value: 0.004, ..firing().measured.unwrap() };
    Notification { reason: NotifyReason::Resolved, at: NOON.plus(7 * MINUTE_MS), measured: Some(measured), peak: Some(0.071), ..firing() }
}

/// A test without numbers.
pub(super) fn test_message() -> Notification {
    Notification {
        reason: NotifyReason::Test,
        name: "Test alert".into(),
        summary: "Does this arrive?".into(),
        detail: Some("Somebody asked for this test; nothing is wrong.".into()),
        labels: Map::from([("severity".into(), "critical".into()), ("alertname".into(), "test".into())]),
        measured: None,
        peak: None,
        normal: None,
        trend: None,
        contributors: Vec::new(),
        change: None,
        runbook: None,
        since: NOON,
        ..firing()
    }
}

fn slack() -> Via {
    Via::Slack { secret: "HOOK".into(), channel: None }
}

fn email(format: EmailFormat) -> Via {
    Via::Email { format, from: "a@b.c".into(), recipients: None }
}

fn webhook() -> Via {
    Via::Webhook { secret: "URL".into(), signing_secret: "KEY".into() }
}

fn pagerduty() -> Via {
    Via::Pagerduty { secret: "ROUTING".into(), region: PagerDutyRegion::Us }
}

fn cloudevents() -> Via {
    Via::Cloudevents { secret: "BUS".into() }
}

fn statuspage() -> Via {
    Via::Statuspage { secret: "PAGE_KEY".into(), page: "kctbh9vrtdwd".into(), components: Map::new() }
}

fn hook() -> Address {
    Address::Slack {
        url: "https://hooks.slack.com/services/T000AAAA/B000BBBB/secretSecretSecret".into(),
        secret: "HOOK".into(),
        buttons: slack::Buttons::Links,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a send's result stands")]
fn answered(status: u16, headers: &[(&str, &str)], body: &str) -> Result<HttpResponse, HttpError> {
    let headers = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Ok(HttpResponse { status, headers, body: body.as_bytes().to_vec() })
}

#[test]
fn every_class_of_answer_means_one_thing() {
    let retry = |after_ms| DeliveryOutcome::Retry { after_ms };
    let delivered = DeliveryOutcome::Delivered;
    let permanent = DeliveryOutcome::Permanent;
    let resend = email(EmailFormat::Resend);
    let sendgrid = email(EmailFormat::Sendgrid);
    for (via, result, outcome) in [
        (slack(), answered(200, &[], "ok"), delivered.clone()),
        (slack(), answered(200, &[], "ok\n"), delivered.clone()),
        (slack(), answered(200, &[], r#"{"ok":false,"error":"no_service"}"#), permanent.clone()),
        (slack(), answered(200, &[], "<html>"), permanent.clone()),
        (slack(), answered(400, &[], "invalid_payload"), permanent.clone()),
        (slack(), answered(403, &[], "action_prohibited"), permanent.clone()),
        (slack(), answered(404, &[], "channel_not_found"), permanent.clone()),
        (slack(), answered(410, &[], "channel_is_archived"), permanent.clone()),
        (slack(), answered(429, &[("retry-after", "30")], "rate_limited"), retry(Some(30_000))),
        (slack(), answered(429, &[], "rate_limited"), retry(None)),
        (slack(), answered(500, &[], "rollup_error"), retry(None)),
        (slack(), answered(503, &[("retry-after", "Mon, 02 Mar 2026 12:01:00 GMT")], ""), retry(Some(60_000))),
        (slack(), answered(101, &[], ""), permanent.clone()),
        (slack(), answered(307, &[("location", "https://elsewhere.example")], ""), permanent.clone()),
        (resend.clone(), answered(200, &[], r#"{"id":"x"}"#), delivered.clone()),
        (resend.clone(), answered(409, &[], r#"{"name":"concurrent_idempotent_requests"}"#), retry(None)),
        (resend.clone(), answered(409, &[], r#"{"name":"invalid_idempotent_request"}"#), permanent.clone()),
        (resend, answered(422, &[], "validation_error"), permanent.clone()),
        (sendgrid.clone(), answered(202, &[], ""), delivered.clone()),
        (sendgrid.clone(), answered(401, &[], ""), permanent.clone()),
        (sendgrid, answered(413, &[], ""), permanent.clone()),
        (Via::Sentry {}, answered(200, &[], r#"{"id":"x"}"#), delivered.clone()),
        (Via::Sentry {}, answered(408, &[], ""), retry(None)),
        (Via::Sentry {}, answered(425, &[], ""), retry(None)),
        (Via::Sentry {}, answered(502, &[], ""), retry(None)),
        (webhook(), answered(204, &[], ""), delivered.clone()),
        (webhook(), answered(410, &[], ""), permanent.clone()),
        (webhook(), answered(429, &[("retry-after", "5")], ""), retry(Some(5_000))),
        (webhook(), answered(502, &[], ""), retry(None)),
        (webhook(), answered(504, &[], ""), retry(None)),
        (webhook(), answered(401, &[], "invalid signature"), permanent.clone()),
        (webhook(), answered(302, &[("location", "https://elsewhere.example")], ""), permanent.clone()),
        (pagerduty(), answered(202, &[], r#"{"status":"success"}"#), delivered.clone()),
        (pagerduty(), answered(400, &[], r#"{"status":"invalid event"}"#), permanent.clone()),
        (pagerduty(), answered(403, &[], ""), permanent.clone()),
        (pagerduty(), answered(429, &[], ""), retry(None)),
        (pagerduty(), answered(500, &[], ""), retry(None)),
        (pagerduty(), answered(503, &[], ""), retry(None)),
        (pagerduty(), Err(HttpError::Timeout { after_ms: 10_000 }), retry(None)),
        (cloudevents(), answered(200, &[], ""), delivered.clone()),
        (cloudevents(), answered(202, &[], ""), delivered.clone()),
        (cloudevents(), answered(204, &[], ""), delivered.clone()),
        (cloudevents(), answered(410, &[], ""), permanent.clone()),
        (cloudevents(), answered(415, &[], ""), permanent.clone()),
        (cloudevents(), answered(429, &[("retry-after", "60")], ""), retry(Some(60_000))),
        (cloudevents(), answered(503, &[], ""), retry(None)),
        (cloudevents(), answered(308, &[("location", "https://elsewhere.example")], ""), permanent.clone()),
        (statuspage(), answered(200, &[], "{}"), delivered.clone()),
        (statuspage(), answered(201, &[], r#"{"id":"p31zjtct2jer"}"#), delivered.clone()),
        (statuspage(), answered(401, &[], r#"{"error":"Could not authenticate"}"#), permanent.clone()),
        (statuspage(), answered(404, &[], r#"{"error":"Not found"}"#), permanent.clone()),
        (statuspage(), answered(420, &[], ""), retry(None)),
        (statuspage(), answered(420, &[("retry-after", "30")], ""), retry(Some(30_000))),
        (statuspage(), answered(429, &[], ""), retry(None)),
        (statuspage(), answered(422, &[], r#"{"error":["Name can't be blank"]}"#), permanent.clone()),
        (statuspage(), answered(500, &[], ""), retry(None)),
        (pagerduty(), answered(420, &[], ""), permanent.clone()),
        (slack(), Err(HttpError::Timeout { after_ms: 10_000 }), retry(None)),
        (slack(), Err(HttpError::Network { message: "reset".into() }), retry(None)),
        (slack(), Err(HttpError::BadUrl), permanent),
    ] {
        assert_eq!(classify(&via, &hook(), &result, NOON).outcome, outcome, "{via:?} {result:?}");
    }
}

#[test]
fn every_channel_but_the_public_one_shows_a_rules_own_text_and_most_show_what_it_comes_from() {
    let annotations = Map::from([("description".to_owned(), "Look at the pool first.".to_owned())]);
    let told = Notification { annotations, ..firing() };
    let token = secret("https://h.example/");
    let account = email::Account::new("https://mail.example.com/send", "ops@example.com", None);
    for (via, address) in [
        (slack(), hook()),
        (email(EmailFormat::Plain), Address::Email(account)),
        (webhook(), Address::Webhook { url: token.clone(), key: secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") }),
        (pagerduty(), Address::PagerDuty { key: secret("R0123456789ABCDEF0123456789ABCDE") }),
        (cloudevents(), Address::CloudEvents { url: token }),
        (Via::Sentry {}, Address::Sentry { dsn: "https://key@sentry.example/1".into() }),
    ] {
        let channel = Channel { id: "c".into(), via, send_resolved: true };
        let request = render(&told, &channel, &address, Attempt { now: NOON, open: None, before: None }).unwrap();
        let body = String::from_utf8(request.body).unwrap();
        assert!(body.contains("Look at the pool first.") && body.contains("country ZA (64"), "{body}");
    }
}

#[test]
fn retry_after_reads_seconds_and_dates_and_ignores_the_rest() {
    for (value, after_ms) in [
        ("30", Some(30_000)),
        (" 30 ", Some(30_000)),
        ("0.25", Some(250)),
        ("1.0001", Some(1_001)),
        ("Mon, 02 Mar 2026 12:00:10 GMT", Some(10_000)),
        ("Mon, 02 Mar 2026 11:00:00 GMT", Some(0)),
        ("-1", None),
        ("soon", None),
        ("NaN", None),
        ("inf", None),
        ("", None),
    ] {
        assert_eq!(retry_after_ms(value, NOON), after_ms, "{value:?}");
    }
}

#[test]
fn no_part_of_an_address_is_ever_quoted() {
    let echo = "no team at https://hooks.slack.com/services/T000AAAA/B000BBBB/secretSecretSecret, key secretSecretSecret";
    let answer = classify(&slack(), &hook(), &answered(404, &[], echo), NOON);
    assert_eq!(
        answer,
        Answer { outcome: DeliveryOutcome::Permanent, status: Some(404), detail: "answered 404: no team at …, key …".into() }
    );
    let error =
        Err(HttpError::Network { message: "cannot reach https://hooks.slack.com/services/T000AAAA/B000BBBB/secretSecretSecret".into() });
    assert_eq!(classify(&slack(), &hook(), &error, NOON).detail, "the connection failed: cannot reach …");
    // A host alone may be said.
    let dns = Err(HttpError::Network { message: "no such host: hooks.slack.com".into() });
    assert_eq!(classify(&slack(), &hook(), &dns, NOON).detail, "the connection failed: no such host: hooks.slack.com");
    let account = email::Account::new("https://user:pa%3Assword@mail.example.com/send", "ops@example.com", Some("SG.token-token".into()));
    let address = Address::Email(account);
    let echo = answered(401, &[], "SG.token-token pa:ssword user:pa:ssword ops@example.com \u{7}");
    let detail = classify(&email(EmailFormat::Plain), &address, &echo, NOON).detail;
    for secret in ["SG.token-token", "user:pa:ssword", "ops@example.com"] {
        assert!(!detail.contains(secret), "{detail}");
    }
    assert_eq!(
        format!("{:?} {address:?} {:?}", hook(), Address::Sentry { dsn: "https://key@sentry.example/1".into() }),
        "Slack(…) Email(…) Sentry(…)"
    );
}

#[test]
fn no_part_of_a_secret_of_the_other_channels_is_ever_quoted() {
    let held = |text: &str| secret(text);
    for (via, address, text) in [
        (
            webhook(),
            Address::Webhook { url: held("https://h.example/x/hookhookhook"), key: held("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") },
            "https://h.example/x/hookhookhook hookhookhook whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ),
        (pagerduty(), Address::PagerDuty { key: held("R0123456789ABCDEF0123456789ABCDE\n") }, "R0123456789ABCDEF0123456789ABCDE"),
        (statuspage(), Address::Statuspage { key: held("pagekeypagekey") }, "key pagekeypagekey"),
        (cloudevents(), Address::CloudEvents { url: held("https://h.example/?access_token=tokentoken") }, "access_token=tokentoken"),
    ] {
        for result in [answered(400, &[], text), Err(HttpError::Network { message: format!("cannot reach {text}") })] {
            let said = format!("{:?} {address:?}", classify(&via, &address, &result, NOON));
            for part in ["hookhook", "MfKQ9r8GKY", "R0123456789", "tokentoken", "pagekey"] {
                assert!(!said.contains(part), "{said}");
            }
        }
    }
}

#[test]
fn long_answers_are_cut_and_control_characters_dropped() {
    let answer = classify(&slack(), &hook(), &answered(500, &[], &format!("a\u{1b}[31m{}", "x".repeat(5_000))), NOON);
    assert_eq!(answer.detail.chars().count(), "answered 500: ".len() + 200);
    assert!(!answer.detail.contains('\u{1b}'));
}

#[test]
fn a_missing_secret_turns_a_channel_off_and_is_named() {
    let alerting: Alerting = FromJson::from_json(json!({
        "channels": [
            {"id": "slack", "via": {"slack": {"secret": "HOOK"}}},
            {"id": "email", "via": {"email": {"format": "plain", "from": "a@b.c"}}},
            {"id": "sentry", "via": {"sentry": {}}},
            {"id": "webhook", "via": {"webhook": {"secret": "URL", "signing_secret": "KEY"}}},
            {"id": "statuspage", "via": {"statuspage": {"secret": "PAGE_KEY", "page": "kctbh9vrtdwd"}}},
            {"id": "cloudevents", "via": {"cloudevents": {"secret": "BUS"}}},
            {"id": "pagerduty", "via": {"pagerduty": {"secret": "ROUTING"}}},
        ],
        "routes": [], "rules": [],
    }))
    .unwrap();
    let bound = |names: &'static [&'static str]| move |name: &str| names.contains(&name).then(|| "https://x.example".to_owned());
    let none = Addresses::resolve(&alerting, bound(&[]));
    assert_eq!(
        none.warnings().join("\n"),
        "channel cloudevents is off: the secret BUS is not set\nchannel email is off: the secret EMAIL_WEBHOOK_URL is not set\nchannel pagerduty is off: the secret ROUTING is not set\nchannel sentry is off: the secret SENTRY_DSN is not set\nchannel slack is off: the secret HOOK is not set\nchannel statuspage is off: the secret PAGE_KEY is not set\nchannel webhook is off: the secret URL is not set"
    );
    let some = Addresses::resolve(&alerting, bound(&["HOOK", "EMAIL_WEBHOOK_URL", "SENTRY_DSN", "URL", "ROUTING", "BUS", "PAGE_KEY"]));
    assert_eq!(
        some.warnings(),
        ["channel email is off: the secret ALERT_EMAIL_RECIPIENTS is not set", "channel webhook is off: the secret KEY is not set"]
    );
    assert_eq!((some.missing("slack"), some.missing("nobody")), (None, Some("(not configured)")));
    // Empty is as good as missing.
    assert_eq!(Addresses::resolve(&alerting, |_| Some("  ".to_owned())).warnings().len(), 7);
    let request = render(&firing(), &alerting.channels[0], none.get("slack").unwrap(), Attempt { now: NOON, open: None, before: None });
    assert_eq!(request, Err(RenderError::BadAddress { secret: "HOOK".into() }));
}
