//! Alertmanager's body and Standard Webhooks' signature.

use super::super::tests::{NOON, firing, resolved, secret, test_message};
use super::*;
use crate::alert::contributors::Contributor;

const URL: &str = "https://alerts.example.com/hooks/0123456789";
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn rendered(notification: &Notification, now: UnixMs) -> HttpRequest {
    render(notification, "webhook", &secret(URL), &secret(KEY), now).unwrap()
}

fn shown(notification: &Notification) -> String {
    let request = rendered(notification, NOON);
    let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    format!("{} {}\n{}\n\n{}", request.method, request.url, headers.join("\n"), serde_json::to_string_pretty(&body).unwrap())
        .replace('\u{a0}', "␣")
}

#[test]
fn a_firing_alert_is_a_group_of_one() {
    insta::assert_snapshot!(shown(&firing()));
}

#[test]
fn a_resolved_one_is_the_same_group_and_has_an_end() {
    insta::assert_snapshot!(shown(&resolved()));
}

#[test]
fn a_test_says_it_is_one() {
    insta::assert_snapshot!(shown(&test_message()));
}

#[test]
fn a_later_attempt_has_the_same_id_and_body_and_a_fresh_signed_timestamp() {
    let (first, later) = (rendered(&firing(), NOON), rendered(&firing(), NOON.plus(600_000)));
    let header = |request: &HttpRequest, name: &str| request.headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
    assert_eq!((&first.url, &first.body), (&later.url, &later.body));
    assert_eq!(header(&first, "webhook-id"), firing().id);
    assert_eq!(header(&first, "webhook-id"), header(&later, "webhook-id"));
    assert_eq!((header(&first, "webhook-timestamp"), header(&later, "webhook-timestamp")), ("1772452800".into(), "1772453400".into()));
    for request in [&first, &later] {
        let expected = signature::sign(
            &signature::key(KEY).unwrap(),
            &header(request, "webhook-id"),
            &header(request, "webhook-timestamp"),
            &request.body,
        );
        assert_eq!(header(request, "webhook-signature"), expected);
    }
}

#[test]
fn the_body_stays_below_what_the_specification_asks() {
    let long = Notification {
        summary: "x".repeat(30_000),
        owner: "x".repeat(30_000),
        detail: Some("x".repeat(30_000)),
        labels: crate::sorted::Map::from([("route".to_owned(), "r".repeat(30_000))]),
        annotations: (0..5).map(|n| (format!("own_{n}"), "o".repeat(30_000))).collect(),
        contributors: vec![Contributor { label: "path".to_owned(), value: "p".repeat(30_000), share: 0.5 }],
        ..firing()
    };
    // Twice the annotations: once for the group, once for its only alert.
    assert!(rendered(&long, NOON).body.len() < 20_000);
}

#[test]
fn a_url_or_key_that_cannot_be_used_is_named_and_not_repeated() {
    let address = RenderError::BadAddress { secret: "NAME".into() };
    let key = RenderError::BadKey { secret: "NAME".into() };
    for (url, signing, error) in [
        ("alerts.example.com", KEY, &address),
        ("https://user:password@alerts.example.com/x", KEY, &address),
        ("https:///x", KEY, &address),
        (URL, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &key),
        (URL, "whsec_short", &key),
    ] {
        assert_eq!(render(&firing(), "webhook", &secret(url), &secret(signing), NOON).as_ref(), Err(error), "{url}");
    }
    assert_eq!(format!("{:?}", secret(KEY)), "Secret(NAME)");
}
