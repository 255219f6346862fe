//! Events as PagerDuty's API reads them, and its limits.

use super::super::tests::{firing, resolved, secret, test_message};
use super::*;

const KEY: &str = "R0123456789ABCDEF0123456789ABCDE";

fn event(notification: &Notification, action: Action) -> Value {
    let request = render(notification, action, PagerDutyRegion::Us, &secret(KEY)).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://events.pagerduty.com/v2/enqueue"));
    assert!(request.body.len() <= MAX_BODY_BYTES);
    serde_json::from_slice(&request.body).unwrap()
}

fn shown(notification: &Notification) -> String {
    serde_json::to_string_pretty(&event(notification, Action::of(notification))).unwrap().replace('\u{a0}', "␣")
}

#[test]
fn a_firing_alert_triggers_its_incident() {
    insta::assert_snapshot!(shown(&firing()));
}

#[test]
fn a_resolved_one_resolves_the_same_incident() {
    insta::assert_snapshot!(shown(&resolved()));
}

#[test]
fn a_test_pages_like_an_alert() {
    insta::assert_snapshot!(shown(&test_message()));
}

#[test]
fn an_acknowledgement_names_the_incident_and_nothing_more() {
    let event = event(&firing(), Action::Acknowledge);
    assert_eq!(event, json!({"routing_key": KEY, "event_action": "acknowledge", "dedup_key": firing().alert}));
}

#[test]
fn actions_survive_the_round_trip() {
    for action in Action::ALL {
        assert_eq!(Action::from_str(action.as_str()), Some(action));
    }
    assert_eq!(Action::from_str("snooze"), None);
}

#[test]
fn a_summary_is_cut_by_characters() {
    let long = Notification { name: "é".repeat(2_000), measured: None, ..firing() };
    let summary = event(&long, Action::Trigger)["payload"]["summary"].as_str().unwrap().to_owned();
    assert_eq!((summary.chars().count(), summary.chars().last()), (1_024, Some('…')));
}

#[test]
fn an_event_over_512_kb_goes_out_with_a_note_in_place_of_its_details() {
    // Alertmanager's own case: details of 513,000 bytes.
    let long = Notification { detail: Some("a".repeat(513_000)), ..firing() };
    let event = event(&long, Action::Trigger);
    assert_eq!(event["payload"]["custom_details"], json!({ "error": DETAILS_REMOVED }));
    assert_eq!(event["payload"]["summary"].as_str().unwrap(), firing().title());
    let longest = Notification {
        name: "😀".repeat(200_000),
        owner: "😀".repeat(200_000),
        rule: "😀".repeat(200_000),
        labels: crate::sorted::Map::from([("route".to_owned(), "😀".repeat(200_000))]),
        ..long
    };
    render(&longest, Action::Trigger, PagerDutyRegion::Us, &secret(KEY)).map(|request| assert!(request.body.len() <= 65_536)).unwrap();
}

#[test]
fn the_european_service_has_its_own_address() {
    let request = render(&firing(), Action::Trigger, PagerDutyRegion::Eu, &secret(KEY)).unwrap();
    assert_eq!(request.peer(), "https://events.eu.pagerduty.com");
}

#[test]
fn a_key_that_is_none_is_named_and_not_repeated() {
    for wrong in ["", "short", KEY.trim_start_matches('R'), "R0123456789ABCDEF0123456789ABCD-", "https://events.pagerduty.com/xyz"] {
        let error = render(&firing(), Action::Trigger, PagerDutyRegion::Us, &secret(wrong)).unwrap_err();
        assert_eq!(error, RenderError::BadKey { secret: "NAME".into() });
    }
    assert!(render(&firing(), Action::Trigger, PagerDutyRegion::Us, &secret(&format!(" {KEY}\n"))).is_ok());
}
