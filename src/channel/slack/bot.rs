//! Slack by a bot token: one message for each episode of an alert, or of a group, which always shows how it stands, and a thread of
//! what happened since.
//!
//! The first message is posted (`chat.postMessage`) and its `ts` kept with the outbox row. Each later one writes that message anew
//! (`chat.update`), which calls nobody, and what is worth a call (`call`) is then said in its thread: what asks somebody to act
//! is broadcast to the channel, an end is not. A message that cannot be written anew any more (deleted, or too old to edit in that
//! workspace) is posted anew; so is every beginning (`begins`), also while an older episode was never told to be over.
//!
//! One outbox row is therefore one request or two, in one attempt, never more. The update comes first because repeating it changes
//! nothing: when the second request fails, the whole row is tried again, and no step has to be stored. A reply or a new message
//! whose answer was lost is seen twice, as everywhere with Slack, which has no idempotency key. Both requests together may take
//! as long as one of another channel: two times [`TIMEOUT_MS`].
//!
//! What is kept is `ts`, of a group's message `one ts` or `several ts`: a message about an alert that a group tells of is written
//! into the group's message while that is about this alert alone, and else into its thread. A click on a button replaces the
//! message through `response_url` at once. The row that tells of the click says the same in full, and none follows it within
//! [`SPACING_MS`], so a late replacement does not hide what came after.
//!
//! Limits (docs.slack.dev, Web API): `chat.update` is Tier 3, 50 a minute; `chat.postMessage` one a second for each channel. Errors come
//! with status 200 and `{"ok":false,"error":…}`; 429 has `Retry-After`.

use serde_json::{Value, json};

use super::super::answer::{DeliveryOutcome, asked_ms, by_status};
use super::super::{Attempt, RenderError, Secret, head, is_web_url, post};
use super::{Buttons, MAX_FIELD_CHARS, MAX_SECTION_CHARS, bullet, context, escaped, field, header, message, section};
use crate::alert::notification::{GroupReason, Notification, NotifyReason};
use crate::ports::{HttpRequest, HttpResponse};
use crate::time::UnixMs;

/// Where the Web API is; `SLACK_API_URL` says otherwise (`https://slack-gov.com/api`).
pub const API: &str = "https://slack.com/api";
/// The bound on each of at most two requests.
pub const TIMEOUT_MS: u32 = 5_000;
/// The least time between two rows: 50 updates a minute.
pub const SPACING_MS: i64 = 1_200;
/// Longest first line of a reply.
const MAX_LINE_CHARS: usize = 300;

/// An app in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// Its token.
    pub token: Secret,
    /// Where its Web API is.
    pub api: String,
    /// What its buttons can do.
    pub buttons: Buttons,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    /// A new message.
    Post,
    /// The message with this `ts`, as things stand now.
    Update(&'a str),
    /// A line in its thread.
    Reply(&'a str),
}

/// The request that tells the Slack channel `channel` of `notification` as `bot`.
///
/// # Errors
///
/// The token cannot be one, or the address of the API (their texts are not repeated), or the request cannot be written.
pub fn render(notification: &Notification, channel: &str, bot: &Bot, attempt: Attempt<'_>) -> Result<HttpRequest, RenderError> {
    let token = bot.token.text.trim();
    if !token.starts_with("xox") || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(bot.token.bad_key());
    }
    if !is_web_url(&bot.api) {
        return Err(RenderError::BadAddress { secret: super::super::SLACK_API_URL.to_owned() });
    }
    let (method, body) = match step(notification, attempt) {
        Step::Post => ("chat.postMessage", addressed(message(notification, bot.buttons), channel, None)),
        Step::Update(ts) => ("chat.update", addressed(message(notification, bot.buttons), channel, Some(("ts", ts)))),
        Step::Reply(ts) => {
            let mut body = addressed(reply(notification), channel, Some(("thread_ts", ts)));
            if let (Some(body), Some(Call::Everybody)) = (body.as_object_mut(), call(notification)) {
                body.insert("reply_broadcast".to_owned(), true.into());
            }
            ("chat.postMessage", body)
        }
    };
    let mut request = post(&format!("{}/{method}", bot.api.trim_end_matches('/')), "application/json; charset=utf-8", &body)?;
    request.headers.push(("authorization".to_owned(), format!("Bearer {token}")));
    Ok(request)
}

fn addressed(mut body: Value, channel: &str, place: Option<(&str, &str)>) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.insert("channel".to_owned(), channel.into());
        body.extend(place.map(|(name, ts)| (name.to_owned(), ts.into())));
    }
    body
}

/// What happened, below the message that shows how things stand and has the buttons.
fn reply(notification: &Notification) -> Value {
    let text = |text: String| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let facts = notification.facts().into_iter().filter(|(label, _)| ["Where", "Taken by"].contains(label));
    let fields: Vec<Value> = facts.map(|(label, text)| field(label, &text)).collect();
    let mut blocks = vec![text(format!("*{}*", escaped(&header(notification), MAX_LINE_CHARS))), text(section(notification))];
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    let ids = json!({"type": "mrkdwn", "text": escaped(&context(notification), MAX_FIELD_CHARS)});
    blocks.push(json!({"type": "context", "elements": [ids]}));
    json!({"text": escaped(&format!("{} {}", bullet(notification), notification.title()), MAX_SECTION_CHARS), "blocks": blocks})
}

/// Which request of the attempt it is.
fn step<'a>(notification: &Notification, attempt: Attempt<'a>) -> Step<'a> {
    let known = attempt.open.map(Known::read).filter(|_| !begins(notification));
    match (known, attempt.before) {
        (None, _) => Step::Post,
        (Some(known), None) if known.about == About::Several && notification.group.is_none() => Step::Reply(known.ts),
        (Some(known), None) => Step::Update(known.ts),
        (Some(_), Some(before)) if is_gone(before) => Step::Post,
        (Some(known), Some(_)) => Step::Reply(known.ts),
    }
}

/// Whether `response` to the first request of an attempt asks for a second.
pub fn goes_on(notification: &Notification, attempt: Attempt<'_>, response: &HttpResponse) -> bool {
    match step(notification, attempt) {
        _ if attempt.before.is_some() => false,
        Step::Post => false,
        Step::Update(_) => is_gone(response) || is_ok(response) && call(notification).is_some(),
        Step::Reply(_) => is_gone(response),
    }
}

/// Whether what is told begins with it: it has a message of its own.
fn begins(notification: &Notification) -> bool {
    match (&notification.group, notification.reason) {
        (_, NotifyReason::Test | NotifyReason::Report) => true,
        (Some(group), _) => group.reason == GroupReason::First,
        (None, reason) => reason == NotifyReason::First,
    }
}

/// Who is called when a message was written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// Who follows the thread.
    Thread,
    /// The whole channel.
    Everybody,
}

/// Who hears of it; nobody of what asks for nothing, such as that somebody has it.
fn call(notification: &Notification) -> Option<Call> {
    match (notification.reason, notification.group.as_ref().map(|group| group.reason)) {
        (NotifyReason::Escalated | NotifyReason::StillFiring | NotifyReason::Flapping, _)
        | (NotifyReason::First, Some(GroupReason::NewAlerts)) => Some(Call::Everybody),
        (NotifyReason::Resolved | NotifyReason::RuleRemoved | NotifyReason::Settled, _) => Some(Call::Thread),
        (NotifyReason::First | NotifyReason::Acknowledged | NotifyReason::Update | NotifyReason::Test | NotifyReason::Report, _) => None,
    }
}

/// A message of ours, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known<'a> {
    about: About,
    ts: &'a str,
}

/// What a message of ours is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// One alert by itself.
    Alert,
    /// A group of one.
    One,
    /// A group of several.
    Several,
}

impl<'a> Known<'a> {
    fn read(kept: &'a str) -> Self {
        match kept.split_once(' ') {
            Some(("several", ts)) => Self { about: About::Several, ts },
            Some((_, ts)) => Self { about: About::One, ts },
            None => Self { about: About::Alert, ts: kept },
        }
    }
}

/// What later messages are about at Slack after `response` took on the last request; `None` when nothing changes.
pub fn opened(notification: &Notification, attempt: Attempt<'_>, response: &HttpResponse) -> Option<String> {
    // What a group opened the group ends.
    let is_the_groups = notification.group.is_none() && attempt.open.is_some_and(|open| Known::read(open).about != About::Alert);
    if !is_ok(response) || notification.reason == NotifyReason::Test || is_the_groups && !begins(notification) {
        return None;
    }
    if notification.reason.is_end() {
        return Some(String::new());
    }
    let ts = match step(notification, attempt) {
        Step::Post => head::members(&response.body, &["ts"]).remove("ts")?.as_str()?.to_owned(),
        // The answer to a line of the thread has the line's own.
        Step::Update(ts) | Step::Reply(ts) => ts.to_owned(),
    };
    let about = match (&notification.group, notification.is_about_several()) {
        (None, _) => "",
        (Some(_), false) => "one ",
        (Some(_), true) => "several ",
    };
    (!ts.is_empty() && ts.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')).then(|| format!("{about}{ts}"))
}

/// What Slack says went wrong: a word of its documentation; empty for no error, `None` for what is no answer of its API.
fn error(response: &HttpResponse) -> Option<String> {
    let mut said = head::members(&response.body, &["ok", "error"]);
    match (said.remove("ok"), said.remove("error")) {
        (Some(Value::Bool(true)), _) => Some(String::new()),
        (Some(Value::Bool(false)), Some(Value::String(word))) if word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
            Some(word)
        }
        _ => None,
    }
}

fn is_ok(response: &HttpResponse) -> bool {
    response.status == 200 && error(response).is_some_and(|word| word.is_empty())
}

/// Whether the message can be neither written anew nor answered any more.
fn is_gone(response: &HttpResponse) -> bool {
    let gone = ["message_not_found", "edit_window_closed", "cant_update_message", "thread_not_found", "cannot_reply_to_message"];
    response.status == 200 && error(response).is_some_and(|word| gone.contains(&word.as_str()))
}

/// What the last answer of an attempt means, and why in words that say what to do; no words when the answer speaks for itself.
pub fn classify(response: &HttpResponse, secret: &str, channel: &str, now: UnixMs) -> (DeliveryOutcome, Option<String>) {
    let word = match (response.status, error(response)) {
        (200, Some(word)) if word.is_empty() => return (DeliveryOutcome::Delivered, Some("answered ok".to_owned())),
        (200, Some(word)) => word,
        // A page of something between us and Slack.
        (200, None) => return (DeliveryOutcome::Retry { after_ms: None }, None),
        (_, _) => return (by_status(response, now), None),
    };
    let todo = match word.as_str() {
        "ratelimited"
        | "rate_limited"
        | "message_limit_exceeded"
        | "internal_error"
        | "fatal_error"
        | "request_timeout"
        | "service_unavailable"
        | "team_added_to_org"
        | "external_channel_migrating"
        | "update_failed" => {
            return (DeliveryOutcome::Retry { after_ms: asked_ms(response, now) }, Some(format!("answered {word}")));
        }
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" | "not_allowed_token_type" => {
            format!(": set the secret {secret} to the bot token of an app that is installed in the workspace")
        }
        "missing_scope" | "no_permission" => ": give the app the scope chat:write and install it again".to_owned(),
        "channel_not_found" => format!(": the app sees no channel {channel}: copy its id from the channel's details, and invite the app"),
        "not_in_channel" => format!(": invite the app to the channel {channel}"),
        "is_archived" => format!(": take the channel {channel} out of the archive, or name another"),
        word if word.starts_with("restricted_action") => format!(": the channel {channel} does not let the app post: see its permissions"),
        _ => String::new(),
    };
    (DeliveryOutcome::Permanent, Some(format!("answered {word}{todo}")))
}

#[cfg(test)]
mod tests;
