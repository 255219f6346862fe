//! Whose clicks are believed, and what they ask for.

use super::*;

/// Slack's own example (docs.slack.dev, "Verifying requests from Slack").
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const AT: UnixMs = UnixMs(1_531_420_618_000);

fn clicked(payload: &Value) -> Vec<u8> {
    let text = payload.to_string();
    let encoded = text.bytes().map(|byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") });
    format!("payload={}", encoded.collect::<Vec<_>>().concat()).into_bytes()
}

fn payload() -> Value {
    json!({
        "type": "block_actions",
        "user": {"id": "U1", "username": "thandi", "name": "thandi"},
        "response_url": "https://hooks.slack.com/actions/T1/1/x",
        "message": {"blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "■ CRITICAL — API error rate"}},
            {"type": "actions", "elements": [
                {"type": "button", "action_id": "acknowledge", "value": "alr_1"},
                {"type": "button", "url": "https://console.example/operations"},
            ]},
        ]},
        "actions": [{"action_id": "acknowledge", "value": "alr_1", "type": "button"}],
    })
}

#[test]
fn slacks_own_example_is_believed_and_nothing_else() {
    let said = |secret: &str, timestamp: Option<&str>, signature: Option<&str>, body: &str, now| {
        verify(secret, timestamp, signature, body.as_bytes(), now).map_err(|problem| problem.status)
    };
    let stamp = Some("1531420618");
    assert_eq!(said(SECRET, stamp, Some(SIGNATURE), BODY, AT), Ok(()));
    assert_eq!(said(SECRET, stamp, Some(SIGNATURE), BODY, AT.plus(300_000)), Ok(()));
    for (secret, timestamp, signature, body, now) in [
        (SECRET, stamp, Some(SIGNATURE), BODY, AT.plus(301_000)),
        (SECRET, stamp, Some(SIGNATURE), BODY, AT.plus(-301_000)),
        (SECRET, Some("1531420619"), Some(SIGNATURE), BODY, AT),
        (SECRET, Some("soon"), Some(SIGNATURE), BODY, AT),
        (SECRET, None, Some(SIGNATURE), BODY, AT),
        (SECRET, stamp, None, BODY, AT),
        (SECRET, stamp, Some("v0="), BODY, AT),
        (SECRET, stamp, Some(SIGNATURE), "token=other", AT),
        ("another", stamp, Some(SIGNATURE), BODY, AT),
    ] {
        assert_eq!(said(secret, timestamp, signature, body, now), Err(401));
    }
}

#[test]
fn a_click_says_who_wants_what() {
    let click = click(&clicked(&payload())).unwrap();
    assert_eq!(
        (click.alert.as_str(), click.verb, click.by.name.as_str(), click.by.id.as_str()),
        ("alr_1", Verb::Acknowledge, "@thandi", "slack:U1")
    );
    assert_eq!(click.act(AT), Act::Acknowledge);
    assert_eq!(Click { verb: Verb::Snooze, ..click }.act(AT), Act::Snooze { until: AT.plus(SNOOZE_MS) });
}

#[test]
fn what_is_not_our_button_is_passed_over() {
    for (pointer, value) in
        [("/actions/0/action_id", json!("vote")), ("/actions/0/value", json!(7)), ("/user/id", Value::Null), ("/actions", json!([]))]
    {
        let mut other = payload();
        *other.pointer_mut(pointer).unwrap() = value;
        assert_eq!(click(&clicked(&other)), None, "{pointer}");
    }
    for body in ["", "payload=", "payload=%7B", "text=hi"] {
        assert_eq!(click(body.as_bytes()), None);
    }
}

#[test]
fn the_message_shows_who_has_it_where_the_button_was() {
    let click = click(&clicked(&payload())).unwrap();
    let problem = Problem::new(409, "not_firing", "The alert does not fire", "Nothing was done.");
    let body = |done| -> Value { serde_json::from_slice(&click.answer(&done).unwrap().body).unwrap() };
    assert_eq!(
        body(Err(problem)),
        json!({"response_type": "ephemeral", "replace_original": false, "text": "The alert does not fire. Nothing was done."})
    );
    let taken = super::super::respond::tests::taken_by("@thandi");
    insta::assert_snapshot!(serde_json::to_string_pretty(&body(Ok(taken))).unwrap());
}
