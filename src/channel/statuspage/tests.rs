//! Requests as Statuspage reads them: what opens, goes on and ends.

use super::super::tests::{firing, resolved, secret, test_message};
use super::*;

const KEY: &str = "89a229ce-1a8d-4e75-b5a0-statuspagekey";

fn components() -> crate::sorted::Map<String, String> {
    let pairs = [("route=/api/bookings", "b13yz5g2cw10"), ("severity=info", "8kbf7d35c070")];
    pairs.into_iter().map(|(label, id)| (label.to_owned(), id.to_owned())).collect()
}

fn request(notification: &Notification, open: Option<&str>) -> Result<HttpRequest, RenderError> {
    render(notification, Page { id: "kctbh9vrtdwd", components: &components() }, &secret(KEY), open)
}

fn shown(notification: &Notification, open: Option<&str>) -> String {
    let request = request(notification, open).unwrap();
    assert!(request.headers.contains(&("authorization".to_owned(), format!("OAuth {KEY}"))));
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    format!("{} {}\n{}", request.method, request.url, serde_json::to_string_pretty(&body).unwrap())
}

#[test]
fn a_firing_alert_opens_an_incident_that_shows_nothing_internal() {
    insta::assert_snapshot!(shown(&firing(), None));
}

#[test]
fn a_resolved_one_resolves_it_and_its_components() {
    insta::assert_snapshot!(shown(&resolved(), Some("p31zjtct2jer")));
}

#[test]
fn a_test_asks_for_the_page_and_publishes_nothing() {
    let request = request(&test_message(), None).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", "https://api.statuspage.io/v1/pages/kctbh9vrtdwd"));
    assert!(request.body.is_empty());
}

#[test]
fn an_incident_left_open_is_taken_up_again() {
    let request = request(&firing(), Some("p31zjtct2jer")).unwrap();
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("PATCH", "https://api.statuspage.io/v1/pages/kctbh9vrtdwd/incidents/p31zjtct2jer")
    );
}

#[test]
fn the_end_of_what_was_never_opened_is_nothing_to_send() {
    assert_eq!(request(&resolved(), None), Err(RenderError::NothingToEnd));
}

#[test]
fn severities_become_impacts_and_components_states() {
    for (severity, impact, component) in [
        (Severity::Critical, "critical", json!({"b13yz5g2cw10": "major_outage"})),
        (Severity::Warning, "minor", json!({"b13yz5g2cw10": "degraded_performance"})),
        (Severity::Info, "none", Value::Null),
    ] {
        let body = incident_body(&Notification { severity, ..firing() }, &components());
        assert_eq!((&body["impact_override"], &body["components"]), (&json!(impact), &component));
    }
}

#[test]
fn texts_are_cut_to_what_statuspage_takes() {
    let long = Notification { name: "é".repeat(300), summary: "é".repeat(30_000), ..firing() };
    let body = incident_body(&long, &components());
    let chars = |name: &str| body[name].as_str().unwrap().chars().count();
    assert_eq!((chars("name"), chars("body")), (255, 25_000));
}

#[test]
fn the_incidents_id_is_read_also_from_an_answer_that_was_cut_off() {
    let answer = |status, body: &str| HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() };
    for (reason, status, body, kept) in [
        (NotifyReason::First, 201, r#"{"id":"p31zjtct2jer","name":"x"}"#, Some("p31zjtct2jer")),
        (NotifyReason::First, 201, r#"{"components":[{"id":"other"}],"id":"p31zjtct2jer","incident_upda"#, Some("p31zjtct2jer")),
        (NotifyReason::First, 201, r#"{"components":[{"id":"oth"#, None),
        (NotifyReason::First, 201, r#"{"id":"../../x"}"#, None),
        (NotifyReason::First, 201, r#"{"id":7}"#, None),
        (NotifyReason::First, 201, "<html>", None),
        (NotifyReason::First, 422, r#"{"id":"p31zjtct2jer"}"#, None),
        (NotifyReason::Resolved, 200, r#"{"id":"p31zjtct2jer"}"#, Some("")),
        (NotifyReason::Resolved, 500, "", None),
        (NotifyReason::Test, 200, r#"{"id":"kctbh9vrtdwd"}"#, None),
    ] {
        assert_eq!(incident(reason, &answer(status, body)).as_deref(), kept, "{reason:?} {body}");
    }
}

#[test]
fn a_key_that_is_none_is_named_and_not_repeated() {
    let page = Page { id: "kctbh9vrtdwd", components: &components() };
    assert_eq!(render(&firing(), page, &secret("two words"), None), Err(RenderError::BadKey { secret: "NAME".into() }));
}
