//! Messages as Slack reads them, its limits, and the buttons.

use super::super::tests::{firing, resolved, test_message};
use super::*;

const HOOK: &str = "https://hooks.slack.com/services/T0/B0/secret";

fn rendered(notification: &Notification) -> Value {
    let request = render(notification, HOOK, "SLACK_WEBHOOK_URL", Buttons::Links).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", HOOK));
    serde_json::from_slice(&request.body).unwrap()
}

fn pretty(notification: &Notification) -> String {
    serde_json::to_string_pretty(&rendered(notification)).unwrap().replace('\u{a0}', "␣")
}

#[test]
fn a_firing_alert_says_state_value_threshold_since_and_links() {
    insta::assert_snapshot!(pretty(&firing()));
}

#[test]
fn a_resolved_one_says_how_long_and_how_bad() {
    insta::assert_snapshot!(pretty(&resolved()));
}

#[test]
fn a_test_says_it_is_one() {
    insta::assert_snapshot!(pretty(&test_message()));
}

#[test]
fn nothing_is_longer_than_slack_takes() {
    let long = Notification {
        name: "&".repeat(400),
        summary: "<é>".repeat(4_000),
        detail: Some("x".repeat(9_000)),
        owner: "&".repeat(5_000),
        dashboard: format!("https://ops.example.com/{}", "x".repeat(3_000)),
        labels: (0..50).map(|n| (format!("label{n}"), "&".repeat(100))).collect(),
        ..firing()
    };
    let message = rendered(&long);
    let chars = |value: &Value| value.as_str().unwrap().chars().count();
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(chars(&blocks[0]["text"]["text"]), MAX_HEADER_CHARS);
    assert!(chars(&message["text"]) <= MAX_SECTION_CHARS && chars(&blocks[1]["text"]["text"]) <= MAX_SECTION_CHARS);
    for field in blocks[2]["fields"].as_array().unwrap() {
        assert!(chars(&field["text"]) <= MAX_FIELD_CHARS);
    }
    // A link that Slack would refuse is left out, the other one stays.
    let buttons = blocks[4]["elements"].as_array().unwrap();
    assert_eq!(buttons.iter().map(|button| button["text"]["text"].as_str().unwrap()).collect::<Vec<_>>(), ["Runbook"]);
}

#[test]
fn cutting_never_splits_an_entity() {
    for most in 1..30 {
        let text = escaped("a&b<c>d", most);
        assert!(text.chars().count() <= most, "{text}");
        let rest = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
        assert!(!rest.contains(['&', ';']), "{text}");
    }
    assert_eq!(escaped("a&b", 20), "a&amp;b");
    assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
}

#[test]
fn a_secret_that_is_no_url_is_named_and_not_repeated() {
    for wrong in ["", "hooks.slack.com/x", "javascript:alert(1)", "https://hooks.slack.com/a b"] {
        assert_eq!(render(&firing(), wrong, "HOOK", Buttons::Links), Err(RenderError::BadAddress { secret: "HOOK".into() }), "{wrong:?}");
    }
}

#[test]
fn an_alert_nobody_has_can_be_taken_from_the_message_when_clicks_can_be_checked() {
    let acts = |reason: NotifyReason, can: Buttons| {
        let request = render(&Notification { reason, ..firing() }, HOOK, "SLACK_WEBHOOK_URL", can).unwrap();
        let message: Value = serde_json::from_slice(&request.body).unwrap();
        let blocks = message["blocks"].as_array().unwrap().clone();
        let buttons =
            blocks.iter().filter(|block| block["type"] == "actions").flat_map(|block| block["elements"].as_array().unwrap().clone());
        let acts = buttons.filter_map(|button| Some((button["action_id"].as_str()?.to_owned(), button["value"].as_str()?.to_owned())));
        acts.collect::<Vec<_>>()
    };
    let all: Vec<_> = ["acknowledge", "snooze", "escalate", "resolve"].map(|verb| (verb.to_owned(), firing().alert)).to_vec();
    for reason in NotifyReason::ALL {
        let open = matches!(
            reason,
            NotifyReason::First | NotifyReason::Escalated | NotifyReason::StillFiring | NotifyReason::Flapping | NotifyReason::Settled
        );
        assert_eq!(acts(reason, Buttons::Acts), if open { all.clone() } else { vec![] }, "{}", reason.as_str());
        assert_eq!(acts(reason, Buttons::Links), vec![]);
    }
}
