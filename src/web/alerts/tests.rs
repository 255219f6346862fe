//! Test alerts: what is read, what is refused, and where they go.

use serde_json::json;

use super::*;
use crate::record::{self, FromJson};
use crate::storage::outbox::MessageRow;

const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn config() -> Config {
    let mut config: Config = record::read(include_bytes!("../../../tests/support/minimal-config.json")).unwrap();
    config.alerting = FromJson::from_json(json!({
        "channels": [
            {"id": "slack", "via": {"slack": {"secret": "HOOK"}}},
            {"id": "email", "via": {"email": {"format": "plain", "from": "a@b.c"}}},
        ],
        "routes": [{"matchers": {"severity": "critical"}, "channels": ["slack", "email"]}, {"channels": ["email"]}],
        "rules": [],
    }))
    .unwrap();
    config
}

fn addresses(bound: &[&str]) -> Addresses {
    Addresses::resolve(&config().alerting, |name| bound.contains(&name).then(|| "https://x.example/y".to_owned()))
}

const ALL: [&str; 3] = ["HOOK", "EMAIL_WEBHOOK_URL", "ALERT_EMAIL_RECIPIENTS"];

#[test]
fn a_good_request_reads_as_it_was_meant() {
    let read = test_alert(br#"{"alert_type":"warning","message":" Hello ","channel":"slack"}"#, &config());
    assert_eq!(read, Ok(TestAlert { severity: Severity::Warning, message: "Hello".into(), channel: Some("slack".into()) }));
    let read = test_alert(br#"{"alert_type":"info","message":"Hello","channel":null}"#, &config()).unwrap();
    assert_eq!(read.channel, None);
}

#[test]
fn every_mistake_is_named_where_it_is_and_all_at_once() {
    for (body, status, code, pointers) in [
        (&b"{"[..], 400, "bad_json", vec![]),
        (b"\xff", 400, "bad_json", vec![]),
        (b"[]", 400, "bad_json", vec![]),
        (b"{}", 422, "bad_test_alert", vec!["/alert_type", "/message"]),
        (br#"{"alert_type":"fatal","message":""}"#, 422, "bad_test_alert", vec!["/alert_type", "/message"]),
        (br#"{"alert_type":1,"message":[],"chanel":"slack"}"#, 422, "bad_test_alert", vec!["/chanel", "/alert_type", "/message"]),
        (br#"{"alert_type":"info","message":"x","channel":"pager"}"#, 422, "bad_test_alert", vec!["/channel"]),
        (br#"{"alert_type":"info","message":"x","channel":7,"a/b":1}"#, 422, "bad_test_alert", vec!["/a~1b", "/channel"]),
    ] {
        let problem = test_alert(body, &config()).unwrap_err();
        let found: Vec<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!((problem.status, problem.code, found), (status, code, pointers), "{}", String::from_utf8_lossy(body));
    }
    let long = json!({"alert_type": "info", "message": "x".repeat(501)}).to_string();
    assert_eq!(test_alert(long.as_bytes(), &config()).unwrap_err().errors[0].pointer, "/message");
    let problem = test_alert(br#"{"alert_type":"info","message":"x","channel":"pager"}"#, &config()).unwrap_err();
    assert_eq!(problem.errors[0].detail, "There is no such channel; configured are slack, email.");
}

#[test]
fn a_test_goes_where_its_severity_leads_or_where_it_was_sent() {
    let asked = |severity, channel: Option<&str>| TestAlert { severity, message: "x".into(), channel: channel.map(str::to_owned) };
    let told = |asked: &TestAlert, bound: &[&str]| {
        let messages = asked.messages(NOON, &config(), &addresses(bound))?;
        Ok::<_, Problem>(messages.into_iter().map(|message| (message.channel, message.sendable == Sendable::Now)).collect::<Vec<_>>())
    };
    assert_eq!(told(&asked(Severity::Critical, None), &ALL).unwrap(), [("slack".into(), true), ("email".into(), true)]);
    assert_eq!(told(&asked(Severity::Info, None), &ALL).unwrap(), [("email".into(), true)]);
    assert_eq!(told(&asked(Severity::Info, Some("slack")), &ALL).unwrap(), [("slack".into(), true)]);
    assert_eq!(told(&asked(Severity::Critical, None), &["HOOK"]).unwrap(), [("slack".into(), true), ("email".into(), false)]);
    let problem = told(&asked(Severity::Info, Some("slack")), &[]).unwrap_err();
    assert_eq!((problem.status, problem.detail.as_str()), (409, "channel slack is off: the secret HOOK is not set."));
    assert_eq!(told(&asked(Severity::Critical, None), &[]).unwrap_err().code, "nobody_to_tell");
}

#[test]
fn a_test_asked_for_twice_at_once_is_one_message() {
    let asked = TestAlert { severity: Severity::Critical, message: "x".into(), channel: Some("slack".into()) };
    let id = |now| asked.messages(now, &config(), &addresses(&ALL)).unwrap().remove(0).notification.id;
    assert_eq!(id(NOON), id(NOON));
    assert_ne!(id(NOON), id(NOON.plus(1)));
}

#[test]
fn a_delivery_shows_each_attempt_with_the_peers_status() {
    let asked = TestAlert { severity: Severity::Critical, message: "x".into(), channel: Some("slack".into()) };
    let notification = asked.messages(NOON, &config(), &addresses(&ALL)).unwrap().remove(0).notification;
    let message = MessageRow {
        id: notification.id.clone(),
        alert: notification.alert.clone(),
        channel: "slack".into(),
        reason: "test".into(),
        state: MessageState::Due,
        created_at: NOON,
        due_at: NOON.plus(5_000),
        attempts: 1,
        closed_at: None,
        redriven_at: None,
        detail: Some("answered 500: rollup_error".into()),
        notification: serde_json::to_string(&notification).unwrap(),
    };
    let attempt = AttemptRow {
        attempt: 1,
        at: NOON,
        outcome: AttemptOutcome::Retry,
        status: Some(500),
        detail: Some("answered 500: rollup_error".into()),
    };
    insta::assert_snapshot!(serde_json::to_string_pretty(&delivery_view(message.clone(), vec![attempt])).unwrap());
    let closed = MessageRow { state: MessageState::Delivered, closed_at: Some(NOON.plus(6_000)), ..message };
    let view = delivery_view(closed, vec![]);
    assert_eq!((view.message.due_at, view.message.closed_at.as_deref()), (None, Some("2026-03-02T12:00:06.000Z")));
    assert_eq!(no_such_delivery("msg_x").status, 404);
}

#[test]
fn health_names_every_channel_that_is_not_well() {
    let rows = |rows: Vec<serde_json::Value>| StatementResult { rows, ..StatementResult::default() };
    let read = |channels: Vec<serde_json::Value>, last: Option<UnixMs>, overdue: u64, bound: &[&str]| {
        let tick = last.map(|at| json!({"at": at, "report": "{}"})).into_iter().collect();
        let results = vec![rows(tick), rows(channels), rows(vec![json!({"open": 3, "dead": 0, "overdue": overdue})])];
        AlertHealth::read(results, &config(), &addresses(bound), NOON).unwrap()
    };
    let well = read(
        vec![json!({"id": "slack", "delivered_at": 1, "failing_since": null, "dead_at": null, "detail": "answered 200: ok"})],
        Some(NOON.plus(-60_000)),
        0,
        &ALL,
    );
    assert_eq!(well.channels.iter().map(|channel| channel.state).collect::<Vec<_>>(), [ChannelState::Ok, ChannelState::Unused]);
    assert_eq!((well.warnings.len(), well.last_tick_age_s), (0, Some(60)));
    let unwell = read(
        vec![
            json!({"id": "slack", "delivered_at": null, "failing_since": 1, "dead_at": 2, "detail": "answered 404: no_service"}),
            json!({"id": "email", "delivered_at": 1, "failing_since": 2, "dead_at": null, "detail": "no answer within 10000 ms"}),
        ],
        Some(NOON.plus(-3_600_000)),
        2,
        &ALL,
    );
    insta::assert_snapshot!(unwell.warnings.join("\n"), @r"
    channel slack is dead: answered 404: no_service
    channel email fails: no answer within 10000 ms
    2 messages are overdue by more than five minutes
    the last tick was 1 h ago
    ");
    let off = read(vec![], None, 0, &["HOOK"]);
    insta::assert_snapshot!(off.warnings.join("\n"), @r"
    channel email is off: the secret EMAIL_WEBHOOK_URL is not set
    no tick yet: is the cron trigger set?
    ");
    assert_eq!(off.channels[1].state, ChannelState::Off);
}
