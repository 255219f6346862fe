//! Which request is made, what Slack's answers mean, and how the requests read.

use super::*;
use crate::alert::notification::Group;
use crate::channel::tests::{NOON, firing, resolved, secret, test_message};
use crate::sorted::Map;

const TOKEN: &str = "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy";
const TS: &str = "1503435956.000247";

fn bot(token: &str) -> Bot {
    Bot { token: secret(token), api: API.to_owned(), buttons: Buttons::Acts }
}

fn answered(status: u16, body: &str) -> HttpResponse {
    HttpResponse { status, headers: vec![("retry-after".to_owned(), "30".to_owned())], body: body.as_bytes().to_vec() }
}

fn refused(error: &str) -> HttpResponse {
    answered(200, &format!(r#"{{"ok":false,"error":"{error}"}}"#))
}

fn taken() -> HttpResponse {
    // Cut off, as a long answer is.
    answered(200, r#"{"ok":true,"channel":"C0123ABCDEF","ts":"1503435999.000300","message":{"text":"x"#)
}

fn attempt<'a>(open: Option<&'a str>, before: Option<&'a HttpResponse>) -> Attempt<'a> {
    Attempt { now: NOON, open, before }
}

fn of_group(reason: GroupReason, members: usize) -> Notification {
    let alert = |n: usize| Notification { alert: format!("alr_{n}"), ..firing() };
    let alerts: Vec<Notification> = (0..members).map(alert).collect();
    let group = Group {
        id: "grp_0123456789abcdef0123".into(),
        labels: Map::new(),
        reason,
        firing: 2,
        resolved: 0,
        members: alerts.iter().map(|alert| alert.alert.clone()).collect(),
        alerts,
    };
    Notification::of_group(&group, NOON).unwrap()
}

fn of(reason: NotifyReason) -> Notification {
    Notification { reason, ..firing() }
}

/// The request as it leaves, without the token.
fn sent(notification: &Notification, attempt: Attempt<'_>) -> String {
    let request = render(notification, "C0123ABCDEF", &bot(TOKEN), attempt).unwrap();
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {}", value.replace(TOKEN, "TOKEN")));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let body = serde_json::to_string_pretty(&body).unwrap().replace('\u{a0}', "␣");
    format!("{} {}\n{}\n\n{body}", request.method, request.url, headers.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_first_message_is_posted() {
    insta::assert_snapshot!(sent(&firing(), attempt(None, None)));
}

#[test]
fn an_end_is_written_into_the_message() {
    insta::assert_snapshot!(sent(&resolved(), attempt(Some(TS), None)));
}

#[test]
fn an_end_is_said_in_the_thread() {
    insta::assert_snapshot!(sent(&resolved(), attempt(Some(TS), Some(&taken()))));
}

#[test]
fn an_escalation_is_said_to_the_channel() {
    insta::assert_snapshot!(sent(&of(NotifyReason::Escalated), attempt(Some(TS), Some(&taken()))));
}

#[test]
fn each_notification_takes_its_place_and_one_request_or_two() {
    let (several, one) = (format!("several {TS}"), format!("one {TS}"));
    let (update, reply) = (Step::Update(TS), Step::Reply(TS));
    for (notification, open, first, second) in [
        // What is not known at Slack is posted, whatever it says.
        (of(NotifyReason::First), None, Step::Post, None),
        (of(NotifyReason::Acknowledged), None, Step::Post, None),
        (of(NotifyReason::Resolved), None, Step::Post, None),
        (of(NotifyReason::Escalated), None, Step::Post, None),
        // A beginning has a message of its own, also while an older one was never ended.
        (of(NotifyReason::First), Some(TS), Step::Post, None),
        (of(NotifyReason::Test), Some(TS), Step::Post, None),
        (of_group(GroupReason::First, 2), Some(&*several), Step::Post, None),
        // What happens to it later.
        (of(NotifyReason::Acknowledged), Some(TS), update, None),
        (of(NotifyReason::Update), Some(TS), update, None),
        (of(NotifyReason::Escalated), Some(TS), update, Some(reply)),
        (of(NotifyReason::StillFiring), Some(TS), update, Some(reply)),
        (of(NotifyReason::Flapping), Some(TS), update, Some(reply)),
        (of(NotifyReason::Settled), Some(TS), update, Some(reply)),
        (of(NotifyReason::Resolved), Some(TS), update, Some(reply)),
        (of(NotifyReason::RuleRemoved), Some(TS), update, Some(reply)),
        // Groups, and the alerts they tell of.
        (of_group(GroupReason::NewAlerts, 2), Some(&*one), update, Some(reply)),
        (of_group(GroupReason::SomeResolved, 2), Some(&*several), update, None),
        (of_group(GroupReason::Repeat, 2), Some(&*several), update, Some(reply)),
        (of(NotifyReason::Acknowledged), Some(&*one), update, None),
        (of(NotifyReason::Acknowledged), Some(&*several), reply, None),
        (of(NotifyReason::Escalated), Some(&*several), reply, None),
    ] {
        let said = format!("{} {open:?}", notification.reason.as_str());
        assert_eq!(step(&notification, attempt(open, None)), first, "{said}");
        let ok = taken();
        assert_eq!(goes_on(&notification, attempt(open, None), &ok), second.is_some(), "{said}");
        if let Some(second) = second {
            assert_eq!(step(&notification, attempt(open, Some(&ok))), second, "{said}");
            assert!(!goes_on(&notification, attempt(open, Some(&ok)), &ok), "{said}: a third request");
        }
        // A new message is the way out when the old one is gone; what has no old one has no way out.
        let gone = refused("message_not_found");
        assert_eq!(goes_on(&notification, attempt(open, None), &gone), first != Step::Post, "{said}");
        assert_eq!(step(&notification, attempt(open, Some(&gone))), Step::Post, "{said}");
        // Anything else ends the attempt.
        for end in [refused("internal_error"), refused("invalid_auth"), answered(503, ""), answered(429, "")] {
            assert!(!goes_on(&notification, attempt(open, None), &end), "{said}");
        }
    }
}

#[test]
fn what_is_kept_names_the_message_and_whose_it_is() {
    let (several, one) = (format!("several {TS}"), format!("one {TS}"));
    let (ok, gone) = (taken(), refused("message_not_found"));
    let new = "1503435999.000300";
    for (notification, open, before, kept) in [
        (of(NotifyReason::First), None, None, Some(new.to_owned())),
        (of(NotifyReason::First), Some(TS), None, Some(new.to_owned())),
        (of(NotifyReason::Acknowledged), Some(TS), None, Some(TS.to_owned())),
        (of(NotifyReason::Escalated), Some(TS), Some(&ok), Some(TS.to_owned())),
        (of(NotifyReason::Escalated), Some(TS), Some(&gone), Some(new.to_owned())),
        (of(NotifyReason::Resolved), Some(TS), Some(&ok), Some(String::new())),
        (of(NotifyReason::Resolved), None, None, Some(String::new())),
        (of(NotifyReason::Test), None, None, None),
        (of_group(GroupReason::First, 1), None, None, Some(format!("one {new}"))),
        (of_group(GroupReason::NewAlerts, 2), Some(&*one), Some(&ok), Some(several.clone())),
        (of(NotifyReason::Acknowledged), Some(&*one), None, None),
        (of(NotifyReason::Acknowledged), Some(&*several), None, None),
        (of(NotifyReason::First), Some(&*several), None, Some(new.to_owned())),
    ] {
        assert_eq!(opened(&notification, attempt(open, before), &ok), kept, "{} {open:?}", notification.reason.as_str());
        assert_eq!(opened(&notification, attempt(open, before), &refused("is_archived")), None);
    }
    for odd in [r#"{"ok":true}"#, r#"{"ok":true,"ts":7}"#, r#"{"ok":true,"ts":"../x"}"#, r#"{"ok":true,"ts":""}"#, "<html>"] {
        assert_eq!(opened(&firing(), attempt(None, None), &answered(200, odd)), None, "{odd}");
    }
}

#[test]
fn every_class_of_answer_means_one_thing_and_says_what_to_do() {
    let (retry, permanent) = (DeliveryOutcome::Retry { after_ms: Some(30_000) }, DeliveryOutcome::Permanent);
    for (response, outcome, words) in [
        (taken(), DeliveryOutcome::Delivered, "answered ok"),
        (refused("ratelimited"), retry.clone(), "answered ratelimited"),
        (refused("rate_limited"), retry.clone(), "answered rate_limited"),
        (refused("internal_error"), retry.clone(), "answered internal_error"),
        (refused("fatal_error"), retry.clone(), "answered fatal_error"),
        (refused("service_unavailable"), retry.clone(), "answered service_unavailable"),
        (refused("invalid_auth"), permanent.clone(), "set the secret SLACK_BOT_TOKEN to the bot token"),
        (refused("account_inactive"), permanent.clone(), "set the secret SLACK_BOT_TOKEN"),
        (refused("token_revoked"), permanent.clone(), "set the secret SLACK_BOT_TOKEN"),
        (refused("not_allowed_token_type"), permanent.clone(), "set the secret SLACK_BOT_TOKEN"),
        (refused("missing_scope"), permanent.clone(), "the scope chat:write"),
        (refused("channel_not_found"), permanent.clone(), "the app sees no channel C0123ABCDEF"),
        (refused("not_in_channel"), permanent.clone(), "invite the app to the channel C0123ABCDEF"),
        (refused("is_archived"), permanent.clone(), "out of the archive"),
        (refused("restricted_action_thread_locked"), permanent.clone(), "does not let the app post"),
        // Of the second request; after the first they lead to a new message.
        (refused("message_not_found"), permanent.clone(), "answered message_not_found"),
        (refused("edit_window_closed"), permanent.clone(), "answered edit_window_closed"),
        (refused("cant_update_message"), permanent.clone(), "answered cant_update_message"),
        (refused("invalid_blocks"), permanent.clone(), "answered invalid_blocks"),
        (refused("a_word_of_next_year"), permanent.clone(), "answered a_word_of_next_year"),
        (answered(400, ""), permanent.clone(), ""),
        (answered(302, ""), permanent, ""),
        (answered(429, r#"{"ok":false,"error":"ratelimited"}"#), retry.clone(), ""),
        (answered(500, ""), retry.clone(), ""),
        (answered(503, "<html>"), retry, ""),
        // Not Slack: a page of something in between. Never quoted as if it were a word of Slack's.
        (answered(200, "<html>"), DeliveryOutcome::Retry { after_ms: None }, ""),
        (answered(200, r#"{"ok":false,"error":"Look: xoxb"}"#), DeliveryOutcome::Retry { after_ms: None }, ""),
    ] {
        let (is, why) = classify(&response, "SLACK_BOT_TOKEN", "C0123ABCDEF", NOON);
        let body = String::from_utf8_lossy(&response.body);
        assert_eq!(is, outcome, "{} {body}", response.status);
        assert!(
            why.clone().unwrap_or_default().contains(words) && why.is_some() != words.is_empty(),
            "{} {body}: {why:?}",
            response.status
        );
    }
}

#[test]
fn a_token_that_is_none_is_named_and_not_repeated() {
    for wrong in ["", "two words", "https://hooks.slack.com/services/T0/B0/secret", "xoxb-zwölf"] {
        let refused = render(&firing(), "C0123ABCDEF", &bot(wrong), attempt(None, None));
        assert_eq!(refused, Err(RenderError::BadKey { secret: "NAME".into() }), "{wrong:?}");
    }
    let elsewhere = Bot { api: "slack.example".into(), ..bot(TOKEN) };
    let refused = render(&firing(), "C0123ABCDEF", &elsewhere, attempt(None, None));
    assert_eq!(refused, Err(RenderError::BadAddress { secret: "SLACK_API_URL".into() }));
    // Set with a line feed at its end, as `echo` does.
    assert!(render(&test_message(), "C0123ABCDEF", &bot(&format!("{TOKEN}\n")), attempt(None, None)).is_ok());
}

#[test]
fn nothing_in_a_thread_is_longer_than_slack_takes() {
    let long = Notification {
        reason: NotifyReason::Escalated,
        name: "&".repeat(4_000),
        summary: "<é>".repeat(4_000),
        detail: Some("x".repeat(9_000)),
        rule: "r".repeat(9_000),
        labels: (0..50).map(|n| (format!("label{n}"), "&".repeat(100))).collect(),
        ..firing()
    };
    let message = reply(&long);
    let blocks = message["blocks"].as_array().unwrap();
    let texts = [&message["text"], &blocks[0]["text"]["text"], &blocks[1]["text"]["text"]];
    assert!(texts.iter().all(|text| text.as_str().unwrap().chars().count() <= 3_000));
    let short = [&blocks[2]["fields"][0]["text"], &blocks[3]["elements"][0]["text"]];
    assert!(short.iter().all(|text| text.as_str().unwrap().chars().count() <= MAX_FIELD_CHARS));
}
