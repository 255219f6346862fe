//! Envelopes as Sentry reads them, and what is never in them.

use proptest::prelude::*;
use sentry_core::Envelope;
use sentry_core::types::Dsn;

use super::quota::{Category, DEFAULT_WAIT_MS, MAX_WAIT_MS, limited_until};
use super::*;
use crate::alert::notification::{Notification, NotifyReason, Stamp};
use crate::alert::quantity::{Measured, Threshold, Unit};
use crate::config::alerting::Severity;
use crate::config::sentry::Monitor;
use crate::ports::HttpResponse;
use crate::sorted::Map;
use crate::telemetry::errors::{ErrorKind, ErrorReport};

const DSN: &str = "https://0123456789abcdef0123456789abcdef@o42.ingest.sentry.io/4507";
const NOON: UnixMs = UnixMs(1_772_366_400_500);

fn firing() -> Notification {
    let labels = [("rule", "api-errors"), ("severity", "critical"), ("route", "/api/bookings")];
    Notification {
        id: "msg_0123456789abcdef0123".to_owned(),
        alert: "alr_0123456789abcdef0123".to_owned(),
        reason: NotifyReason::First,
        severity: Severity::Critical,
        rule: "api-errors".to_owned(),
        name: "API error rate".to_owned(),
        summary: "Bookings fail for visitors; thandi@example.co.za saw it first".to_owned(),
        annotations: Map::new(),
        detail: None,
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        measured: Some(Measured::new(0.064, Threshold::Above(0.02), Unit::Ratio, 300_000)),
        peak: Some(0.071),
        trend: None,
        normal: None,
        contributors: Vec::new(),
        change: None,
        response: None,
        page_status: None,
        for_ms: 300_000,
        since: NOON.plus(-660_000),
        at: NOON,
        owner: "payments-oncall".to_owned(),
        runbook: Some("https://console.example/runbooks/api-errors".to_owned()),
        dashboard: "https://console.example/operations?from=1772364000000&to=1772366700500".to_owned(),
        site: Stamp {
            name: "Chairs".to_owned(),
            environment: "production".to_owned(),
            timezone: "Africa/Johannesburg".to_owned(),
            currency: "ZAR".to_owned(),
        },
        group: None,
        report: None,
    }
}

fn monitor() -> Monitor {
    Monitor {
        slug: "parapet-tick".to_owned(),
        checkin_margin_min: 2,
        max_runtime_min: 5,
        failure_issue_threshold: 2,
        recovery_threshold: 1,
    }
}

fn origin_error() -> ErrorReport {
    ErrorReport::origin("GET", "/bookings/:id", None, "connect to 10.0.0.7:5432 as app, password=hunter2, failed", "req-00000001")
}

fn error_request(report: &ErrorReport) -> HttpRequest {
    let sent = Sent { at: NOON, occurrences: 3, environment: "production" };
    error_event(DSN, report, &sent, &Scrubber::new(&[])).unwrap()
}

/// The request as it goes out, the payload indented.
fn shown(request: &HttpRequest) -> String {
    Envelope::from_slice(&request.body).expect("the protocol's own parser takes it");
    let body = String::from_utf8(request.body.clone()).unwrap();
    let lines: Vec<&str> = body.lines().collect();
    let [header, item, payload] = lines.as_slice() else { panic!("three lines: {body}") };
    let payload_value: serde_json::Value = serde_json::from_str(payload).unwrap();
    assert_eq!(item.parse::<serde_json::Value>().unwrap()["length"], payload.len());
    let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let pretty = serde_json::to_string_pretty(&payload_value).unwrap();
    format!("{} {}\n{}\n\n{header}\n{item}\n{pretty}", request.method, request.url, headers.join("\n"))
}

fn payload(request: &HttpRequest) -> serde_json::Value {
    serde_json::from_slice(request.body.split(|byte| *byte == b'\n').nth(2).unwrap()).unwrap()
}

#[test]
fn a_firing_alert_is_a_fatal_event_under_its_own_fingerprint() {
    insta::assert_snapshot!(shown(&render_alert(&firing(), DSN).unwrap()));
}

#[test]
fn a_resolved_alert_is_an_info_event_of_the_same_issue() {
    let resolved = Notification { id: "msg_9".to_owned(), reason: NotifyReason::Resolved, at: NOON.plus(3_600_000), ..firing() };
    let request = render_alert(&resolved, DSN).unwrap();
    assert_eq!(payload(&request)["fingerprint"], payload(&render_alert(&firing(), DSN).unwrap())["fingerprint"]);
    insta::assert_snapshot!(shown(&request));
}

#[test]
fn severities_become_levels() {
    for (severity, level) in [(Severity::Info, "info"), (Severity::Warning, "warning"), (Severity::Critical, "fatal")] {
        let request = render_alert(&Notification { severity, ..firing() }, DSN).unwrap();
        assert_eq!(payload(&request)["level"], level);
    }
}

#[test]
fn a_retried_message_is_the_same_event_and_another_message_is_not() {
    let once = render_alert(&firing(), DSN).unwrap();
    assert_eq!(once, render_alert(&firing(), DSN).unwrap());
    let other = render_alert(&Notification { id: "msg_other".to_owned(), ..firing() }, DSN).unwrap();
    assert_ne!(payload(&once)["event_id"], payload(&other)["event_id"]);
    let id = payload(&once)["event_id"].as_str().unwrap().to_owned();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()) && id.get(12..13) == Some("4"), "{id}");
}

#[test]
fn an_error_event_names_the_route_and_no_secret() {
    insta::assert_snapshot!(shown(&error_request(&origin_error())));
}

#[test]
fn a_5xx_is_grouped_by_route_and_status() {
    let report = ErrorReport::origin("POST", "/api/bookings", Some(502), "the origin answered 502", "req-00000002");
    let payload = payload(&error_request(&report));
    assert_eq!(payload["fingerprint"], serde_json::json!(["origin_status", "/api/bookings", "502"]));
    assert_eq!(payload["tags"]["status"], "502");
}

#[test]
fn a_panic_is_fatal_and_unhandled() {
    let payload = payload(&error_request(&ErrorReport::panic("panicked at src/x.rs:1:2:\nindex 5")));
    assert_eq!((&payload["level"], &payload["exception"]["values"][0]["mechanism"]["handled"]), (&"fatal".into(), &false.into()));
    assert_eq!(payload["exception"]["values"][0]["type"], ErrorKind::Panic.title());
}

#[test]
fn a_tick_checks_in_with_the_monitors_configuration() {
    let tick = CheckIn { status: CheckInStatus::Ok, duration_ms: 1_250, scheduled: UnixMs(1_772_366_400_000), environment: "production" };
    let request = check_in(DSN, &monitor(), &tick).unwrap();
    insta::assert_snapshot!(shown(&request));
    assert_eq!(request, check_in(DSN, &monitor(), &tick).unwrap());
    let next = CheckIn { scheduled: tick.scheduled.plus(60_000), ..tick };
    assert_ne!(payload(&request)["check_in_id"], payload(&check_in(DSN, &monitor(), &next).unwrap())["check_in_id"]);
}

#[test]
fn self_hosted_addresses_keep_port_and_path() {
    for (dsn, url) in [
        ("http://key@127.0.0.1:9000/1", "http://127.0.0.1:9000/api/1/envelope/"),
        ("https://key@sentry.example/on/prem/7\n", "https://sentry.example/on/prem/api/7/envelope/"),
        ("https://key:old-secret@[::1]:443/7", "https://[::1]/api/7/envelope/"),
    ] {
        let request = render_alert(&firing(), dsn).unwrap();
        assert_eq!(request.url, url);
        assert!(
            request.headers.contains(&("x-sentry-auth".into(), format!("Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key=key")))
        );
    }
}

proptest! {
    #[test]
    fn whatever_is_taken_for_a_dsn_goes_where_the_crate_would_send_it(
        scheme in "https?", key in "[a-zA-Z0-9_-]{1,32}", secret in "(:[a-z0-9]{1,8})?",
        host in r"([a-zA-Z0-9]([a-z0-9-]{0,5}[a-z0-9])?\.){0,3}[a-z]{2,5}|127\.0\.0\.1|\[::1\]", port in "(:([1-9][0-9]{0,3}|80|443))?",
        folders in "(/[a-z0-9_-]{1,6}){0,2}", project in "[0-9]{1,8}", slash in "/?",
    ) {
        let text = format!("{scheme}://{key}{secret}@{host}{port}{folders}/{project}{slash}");
        let dsn: Dsn = text.parse().unwrap();
        let project = Project::of(&text).unwrap();
        prop_assert_eq!(project.endpoint, dsn.envelope_api_url().to_string());
        prop_assert_eq!(project.key, dsn.public_key());
    }

    #[test]
    fn any_text_is_refused_or_makes_a_url_and_a_header_without_surprises(text in "(https?://)?[ -~é\n]{0,12}@?[ -~é\n]{0,20}/?[ -~\n]{0,8}") {
        if let Some(project) = Project::of(&text) {
            prop_assert!(text.trim().parse::<Dsn>().is_ok(), "{text}");
            prop_assert!(project.endpoint.chars().chain(project.key.chars()).all(|c| c.is_ascii_graphic() && !"@?#%\\,\"".contains(c)));
        }
    }
}

#[test]
fn a_bad_dsn_is_refused_without_being_repeated() {
    for dsn in
        ["", "hunter2-secret", "https://o42.ingest.sentry.io/hunter2-secret", "https://hunter2-secret@host", "ftp://hunter2-secret@host/1"]
    {
        let error = render_alert(&firing(), dsn).unwrap_err();
        assert_eq!(error, RenderError::BadAddress { secret: "SENTRY_DSN".to_owned() });
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn labels_that_sentry_would_drop_are_cut_to_what_it_keeps() {
    let long = "x".repeat(500);
    let labels = Map::from([("a key with spaces, and far too long".to_owned(), long), ("empty".to_owned(), " \n".to_owned())]);
    let payload = payload(&render_alert(&Notification { labels, ..firing() }, DSN).unwrap());
    assert_eq!(payload["tags"]["a_key_with_spaces__and_far_too_l"].as_str().map(str::len), Some(MAX_TAG_VALUE_CHARS));
    assert_eq!(payload["tags"].get("empty"), None);
}

fn answered(status: u16, headers: &[(&str, &str)]) -> HttpResponse {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    HttpResponse { status, headers, body: Vec::new() }
}

#[test]
fn silence_is_kept_as_long_as_sentry_asks() {
    let limits = |value| answered(200, &[("x-sentry-rate-limits", value)]);
    for (answer, error_ms, monitor_ms) in [
        (answered(200, &[]), None, None),
        (answered(200, &[("retry-after", "5")]), None, None),
        (answered(500, &[("retry-after", "5")]), None, None),
        (answered(429, &[("retry-after", "5")]), Some(5_000), Some(5_000)),
        (answered(429, &[]), Some(DEFAULT_WAIT_MS), Some(DEFAULT_WAIT_MS)),
        (answered(429, &[("retry-after", "soon")]), Some(DEFAULT_WAIT_MS), Some(DEFAULT_WAIT_MS)),
        (limits("30:error:project"), Some(30_000), None),
        (limits("30:default;security:key, 2700:transaction:organization:quota"), Some(30_000), None),
        (limits("30:monitor:key, 10::organization"), Some(10_000), Some(30_000)),
        (limits("10:error:key,40:error;monitor:organization:x,20:error:key"), Some(40_000), Some(40_000)),
        (limits("x:error:key"), Some(DEFAULT_WAIT_MS), None),
        (limits(":error"), Some(DEFAULT_WAIT_MS), None),
        (limits("0.5:error:key"), Some(500), None),
        (limits("999999999999999999999:error:key"), Some(MAX_WAIT_MS), None),
        (limits(""), None, None),
        (limits(", ,"), None, None),
        (answered(429, &[("x-sentry-rate-limits", "9:transaction:key"), ("retry-after", "7")]), Some(7_000), Some(7_000)),
    ] {
        let waits =
            [Category::Error, Category::Monitor].map(|category| limited_until(&answer, category, NOON).map(|until| until.since(NOON)));
        assert_eq!(waits, [error_ms, monitor_ms], "{answer:?}");
    }
}

#[test]
fn categories_survive_the_round_trip() {
    for category in Category::ALL {
        assert_eq!(Category::from_str(category.as_str()), Some(category));
    }
    assert_eq!(Category::from_str("default"), Some(Category::Error));
    assert_eq!(Category::from_str("transaction"), None);
}
