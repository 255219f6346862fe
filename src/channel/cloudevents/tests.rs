//! Events as a consumer of CloudEvents reads them.

use super::super::tests::{firing, resolved, secret, test_message};
use super::*;

const URL: &str = "https://events.example.com/alerts?access_token=0123456789";

fn event_of(notification: &Notification) -> Value {
    let request = render(notification, &secret(URL)).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", URL));
    assert_eq!(request.headers, [("content-type".to_owned(), "application/cloudevents+json; charset=utf-8".to_owned())]);
    assert!(request.body.len() <= MAX_BODY_BYTES);
    serde_json::from_slice(&request.body).unwrap()
}

fn shown(notification: &Notification) -> String {
    serde_json::to_string_pretty(&event_of(notification)).unwrap().replace('\u{a0}', "␣")
}

#[test]
fn a_firing_alert_is_one_event() {
    insta::assert_snapshot!(shown(&firing()));
}

#[test]
fn a_resolved_one_is_another_about_the_same_subject() {
    insta::assert_snapshot!(shown(&resolved()));
}

#[test]
fn types_and_severities_follow_reason_and_severity() {
    for (reason, severity, kind, number) in [
        (NotifyReason::First, Severity::Info, "dev.parapet.alert.firing", 9),
        (NotifyReason::First, Severity::Warning, "dev.parapet.alert.firing", 13),
        (NotifyReason::First, Severity::Critical, "dev.parapet.alert.firing", 21),
        (NotifyReason::RuleRemoved, Severity::Critical, "dev.parapet.alert.resolved", 9),
        (NotifyReason::Test, Severity::Critical, "dev.parapet.alert.test", 21),
    ] {
        let event = event_of(&Notification { reason, severity, ..test_message() });
        assert_eq!((&event["type"], &event["severitynumber"]), (&json!(kind), &json!(number)));
    }
}

#[test]
fn names_of_attributes_are_what_the_specification_allows() {
    let event = event_of(&firing());
    let fits = |name: &String| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) && name.len() <= 20;
    assert!(event.as_object().unwrap().keys().all(fits));
}

#[test]
fn an_event_never_is_larger_than_what_everybody_forwards() {
    // JSON writes a control character as six bytes.
    let long = |text: &str| text.repeat(5_000);
    let many: crate::sorted::Map<String, String> = (0..100).map(|n| (format!("label{n}"), long("é"))).collect();
    let widest = Notification {
        name: long("\u{1}"),
        summary: long("\u{1}"),
        detail: Some(long("\u{1}")),
        owner: long("\u{1}"),
        rule: long("\u{1}"),
        labels: many,
        runbook: Some(long("\u{1}")),
        dashboard: format!("https://ops.example.com/{}", long("\u{1}")),
        ..firing()
    };
    let event = event_of(&widest);
    assert_eq!((&event["data"]["shortened"], &event["data"]["labels"]), (&json!(true), &Value::Null));
    assert_eq!(event["source"], "https://ops.example.com");
    assert_eq!(event_of(&firing())["data"].get("shortened"), None);
}

#[test]
fn an_address_that_cannot_be_called_is_named_and_not_repeated() {
    assert_eq!(render(&firing(), &secret("events.example.com")), Err(RenderError::BadAddress { secret: "NAME".into() }));
}
