//! Test alerts and the delivery log: what is asked, checked; what is stored, as shown.

use serde::Serialize;

use super::problem::Problem;
use crate::alert::notification::{Notification, NotifyReason};
use crate::alert::route::{Routing, RoutingWhy, route};
use crate::channel::Addresses;
use crate::config::Config;
use crate::config::alerting::Severity;
use crate::ids;
use crate::order;
use crate::outbox::message::{self, AttemptOutcome, MessageState, NewMessage, Sendable};
use crate::ports::DbError;
use crate::record;
use crate::sorted::Map;
use crate::storage::outbox::{AttemptRow, Audit, ChannelHealth, MessageRow};
use crate::storage::{StatementResult, alerts};
use crate::time::{MINUTE_MS, SECOND_MS, UnixMs, human_span};

/// Longest message of a test alert, in characters: it still fits a Slack section.
const MAX_MESSAGE_CHARS: usize = 500;

/// A test alert that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestAlert {
    /// How bad it pretends to be.
    pub severity: Severity,
    /// What it says.
    pub message: String,
    /// The one channel to tell; otherwise the routes decide.
    pub channel: Option<String>,
}

/// Reads `{"alert_type": "critical|warning|info", "message": "…", "channel": "…"}`; `channel` is optional.
pub fn test_alert(body: &[u8], config: &Config) -> Result<TestAlert, Problem> {
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| Problem::bad_request("bad_json", format!("The body is not JSON: {error}.")))?;
    let serde_json::Value::Object(members) = value else {
        return Err(Problem::bad_request("bad_json", "The body is not a JSON object: send {\"alert_type\": …, \"message\": …}."));
    };
    let mut problem = Problem::new(422, "bad_test_alert", "The test alert cannot be sent", "See errors.");
    for name in members.keys().filter(|name| !["alert_type", "message", "channel"].contains(&name.as_str())) {
        problem = problem.with_error(pointer(name), "There is no such member; known are alert_type, message and channel.");
    }
    let severity = match members.get("alert_type").map(|value| value.as_str().and_then(Severity::from_str)) {
        Some(Some(severity)) => Some(severity),
        Some(None) => {
            problem = problem.with_error("/alert_type", "Must be \"critical\", \"warning\" or \"info\".");
            None
        }
        None => {
            problem = problem.with_error("/alert_type", "Is missing: send \"critical\", \"warning\" or \"info\".");
            None
        }
    };
    let message = match members.get("message").map(|value| value.as_str().map(str::trim)) {
        Some(Some(text)) if !text.is_empty() && text.chars().count() <= MAX_MESSAGE_CHARS => Some(text.to_owned()),
        Some(_) => {
            problem = problem.with_error("/message", format!("Must be a text of 1 to {MAX_MESSAGE_CHARS} characters."));
            None
        }
        None => {
            problem = problem.with_error("/message", "Is missing: say what the test is.");
            None
        }
    };
    let ids: Vec<&str> = config.alerting.channels.iter().map(|channel| channel.id.as_str()).collect();
    let channel = match members.get("channel") {
        None | Some(serde_json::Value::Null) => None,
        Some(value) => {
            let known = value.as_str().filter(|id| ids.contains(id)).map(str::to_owned);
            if known.is_none() {
                problem = problem.with_error("/channel", format!("There is no such channel; configured are {}.", ids.join(", ")));
            }
            known
        }
    };
    match (severity, message) {
        (Some(severity), Some(message)) if problem.errors.is_empty() => Ok(TestAlert { severity, message, channel }),
        _ => Err(problem),
    }
}

impl TestAlert {
    /// The messages it takes at `now`, for `storage::outbox::insert_free`; a problem when nobody could be told.
    pub fn messages(&self, now: UnixMs, config: &Config, addresses: &Addresses) -> Result<Vec<NewMessage>, Problem> {
        let labels = self.labels();
        let routing = match &self.channel {
            Some(channel) => only(channel, addresses),
            None => route(&labels, &config.alerting, addresses, None, None),
        };
        if routing.channels.is_empty() {
            return Err(nobody(&routing, addresses));
        }
        let alert = ids::derived(ids::prefix::ALERT, &["test", &now.0.to_string(), &self.message]);
        let new = |channel: &String| {
            let id = message::id(&alert, now, channel, NotifyReason::Test, 0);
            let (notification, sendable) = (self.notification(id, &alert, &labels, now, config), Sendable::to(channel, addresses));
            NewMessage { channel: channel.clone(), seq: 0, notification, sendable }
        };
        Ok(routing.channels.iter().chain(&routing.off).map(new).collect())
    }

    fn labels(&self) -> Map<String, String> {
        let labels = [("rule", "test-alert"), ("alertname", "test"), ("severity", self.severity.as_str())];
        order::map(labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn notification(&self, id: String, alert: &str, labels: &Map<String, String>, now: UnixMs, config: &Config) -> Notification {
        Notification {
            rule: "test-alert".to_owned(),
            name: "Test alert".to_owned(),
            summary: self.message.clone(),
            detail: Some("Somebody asked for this test; nothing is wrong.".to_owned()),
            labels: labels.clone(),
            owner: "parapet".to_owned(),
            ..Notification::plain(id, alert, NotifyReason::Test, self.severity, now, &config.site)
        }
    }
}

fn only(channel: &str, addresses: &Addresses) -> Routing {
    let (channels, off) = match addresses.missing(channel) {
        None => (vec![channel.to_owned()], vec![]),
        Some(_) => (vec![], vec![channel.to_owned()]),
    };
    Routing { channels, off, groups: Vec::new(), muted: Vec::new(), why: RoutingWhy::Matched }
}

fn nobody(routing: &Routing, addresses: &Addresses) -> Problem {
    let why: Vec<String> = routing
        .off
        .iter()
        .map(|channel| format!("channel {channel} is off: the secret {} is not set", addresses.missing(channel).unwrap_or_default()))
        .collect();
    let detail = if why.is_empty() { "No route matches such an alert.".to_owned() } else { format!("{}.", why.join("; ")) };
    Problem::new(409, "nobody_to_tell", "Nobody would receive it", detail)
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// What `POST /api/test-alert` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestReceipt {
    /// One for each channel, as they stand after the first attempt.
    pub deliveries: Vec<DeliveryView>,
}

/// How alerting fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertHealth {
    /// The newest tick's moment, RFC 3339.
    pub last_tick_at: Option<String>,
    /// Seconds since.
    pub last_tick_age_s: Option<i64>,
    /// Every configured channel.
    pub channels: Vec<ChannelView>,
    /// What is owed.
    pub outbox: Audit,
    /// What should be looked at, in words.
    pub warnings: Vec<String>,
}

/// One channel as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelView {
    /// The channel.
    pub id: String,
    /// `ok`, `unused`, `failing`, `dead` or `off`.
    pub state: ChannelState,
    /// Its newest delivery, RFC 3339.
    pub delivered_at: Option<String>,
    /// Its first failure since then, RFC 3339.
    pub failing_since: Option<String>,
    /// What its peer said last, or which secret is missing; no secrets.
    pub detail: Option<String>,
}

/// How a channel fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelState {
    /// The last message went through.
    Ok,
    /// Nothing was sent yet.
    Unused,
    /// The last attempts failed; they are repeated.
    Failing,
    /// A message was given up since the last delivery.
    Dead,
    /// Its secret is not set.
    Off,
}

impl AlertHealth {
    /// From the results of `alerts::last_tick`, `outbox::channels` and `outbox::audit`, in that order.
    pub fn read(results: Vec<StatementResult>, config: &Config, addresses: &Addresses, now: UnixMs) -> Result<Self, DbError> {
        let mut results = results.into_iter();
        let mut next = || results.next().unwrap_or_default();
        let last = alerts::newest_tick(next())?.map(|last| last.at);
        let known: Vec<ChannelHealth> = next().decode("channels")?;
        let outbox: Audit = next().decode("outbox")?.into_iter().next().unwrap_or_default();
        let channels: Vec<ChannelView> = config
            .alerting
            .channels
            .iter()
            .map(|channel| channel_view(&channel.id, known.iter().find(|health| health.id == channel.id), addresses))
            .collect();
        let mut warnings = addresses.warnings();
        for channel in &channels {
            let said = channel.detail.as_deref().unwrap_or("no answer");
            match channel.state {
                ChannelState::Failing => warnings.push(format!("channel {} fails: {said}", channel.id)),
                ChannelState::Dead => warnings.push(format!("channel {} is dead: {said}", channel.id)),
                ChannelState::Ok | ChannelState::Unused | ChannelState::Off => {}
            }
        }
        if outbox.overdue > 0 {
            warnings.push(format!("{} messages are overdue by more than five minutes", outbox.overdue));
        }
        match last {
            None => warnings.push("no tick yet: is the cron trigger set?".to_owned()),
            Some(at) if now.since(at) > 3 * MINUTE_MS => warnings.push(format!("the last tick was {} ago", human_span(now.since(at)))),
            Some(_) => {}
        }
        let last_tick_age_s = last.map(|at| now.since(at) / SECOND_MS);
        Ok(Self { last_tick_at: last.map(UnixMs::rfc3339), last_tick_age_s, channels, outbox, warnings })
    }
}

fn channel_view(id: &str, health: Option<&ChannelHealth>, addresses: &Addresses) -> ChannelView {
    let off = addresses.missing(id).map(|secret| format!("the secret {secret} is not set"));
    let state = match health {
        _ if off.is_some() => ChannelState::Off,
        None => ChannelState::Unused,
        Some(health) if health.is_dead() => ChannelState::Dead,
        Some(health) if health.failing_since.is_some() => ChannelState::Failing,
        Some(_) => ChannelState::Ok,
    };
    ChannelView {
        id: id.to_owned(),
        state,
        delivered_at: health.and_then(|health| health.delivered_at).map(UnixMs::rfc3339),
        failing_since: health.and_then(|health| health.failing_since).map(UnixMs::rfc3339),
        detail: off.or_else(|| health.and_then(|health| health.detail.clone())),
    }
}

/// A message as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageView {
    /// The message (`msg_…`).
    pub id: String,
    /// Its alert (`alr_…`).
    pub alert: String,
    /// Its channel.
    pub channel: String,
    /// Why it is sent.
    pub reason: String,
    /// What it says, in one line.
    pub title: String,
    /// Where it stands.
    pub state: MessageState,
    /// When it was written, RFC 3339.
    pub created_at: String,
    /// When it was made due again after it was dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redriven_at: Option<String>,
    /// When it is tried again, or its lease ends; only while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
    /// Why it stands where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One delivery as `GET /api/v1/deliveries/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryView {
    /// The message.
    #[serde(flatten)]
    pub message: MessageView,
    /// Every attempt, in order.
    pub attempts: Vec<AttemptView>,
}

/// One attempt as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptView {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it began, RFC 3339.
    pub at: String,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// The peer's status; `null` if it did not answer or was not asked.
    pub status: Option<u16>,
    /// Why, without secrets.
    pub detail: Option<String>,
}

/// The view of a stored message and its attempts.
pub fn delivery_view(message: MessageRow, attempts: Vec<AttemptRow>) -> DeliveryView {
    DeliveryView { message: message_view(message), attempts: attempts.into_iter().map(attempt_view).collect() }
}

/// The view of a stored message.
pub(super) fn message_view(message: MessageRow) -> MessageView {
    let open = match message.state {
        MessageState::Due | MessageState::Leased => true,
        MessageState::Delivered | MessageState::Dead => false,
    };
    let title = record::read::<Notification>(message.notification.as_bytes()).map(|notification| notification.title()).unwrap_or_default();
    MessageView {
        id: message.id,
        alert: message.alert,
        channel: message.channel,
        reason: message.reason,
        title,
        state: message.state,
        created_at: message.created_at.rfc3339(),
        redriven_at: message.redriven_at.map(UnixMs::rfc3339),
        due_at: open.then(|| message.due_at.rfc3339()),
        closed_at: message.closed_at.map(UnixMs::rfc3339),
        detail: message.detail,
    }
}

/// The view of a stored attempt.
pub(super) fn attempt_view(row: AttemptRow) -> AttemptView {
    AttemptView { attempt: row.attempt, at: row.at.rfc3339(), outcome: row.outcome, status: row.status, detail: row.detail }
}

/// The problem for a delivery nobody knows.
pub fn no_such_delivery(id: &str) -> Problem {
    Problem::not_found(format!("There is no delivery {}; ids look like msg_0123456789abcdef0123.", id.chars().take(40).collect::<String>()))
}

#[cfg(test)]
mod tests;
