//! PagerDuty: Events API version 2.
//!
//! One alert is one incident by its `dedup_key`, the alert's id: firing triggers it, the end resolves it, and firing
//! again opens a new one. PagerDuty drops a second trigger of an open incident into its log, so a retry does not page twice.
//! A test triggers as a real alert does, or it would test nothing; a person resolves it.
//!
//! Limits (PagerDuty's developer documentation): routing key 32 characters, `dedup_key` 255, summary 1,024, the whole event 512 KB.
//! An event over that goes out with a note in place of its details, as Alertmanager sends it; all else in it is cut:
//! at most ten texts of 1,024 characters and two links of 3,000, 65 KB at four bytes a character.

use serde_json::{Map, Value, json};

use super::{RenderError, Secret, cut, is_web_url, post};
use crate::alert::notification::{Notification, NotifyReason};
use crate::config::alerting::{PagerDutyRegion, Severity};
use crate::order;
use crate::ports::HttpRequest;

/// Longest summary; what we also allow the other texts.
const MAX_TEXT_CHARS: usize = 1_024;
/// Largest event; thousands, as Alertmanager counts them, for the documentation does not say which KB it means.
const MAX_BODY_BYTES: usize = 512_000;
/// Length of an integration's key.
const ROUTING_KEY_CHARS: usize = 32;
/// What stands in place of details that are too long: Alertmanager's words, which tools already look for.
const DETAILS_REMOVED: &str = "Custom details have been removed because the original event exceeds the maximum size of 512KB";

/// What an event does to its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Opens it, or adds to it.
    Trigger,
    /// Says that somebody works on it.
    Acknowledge,
    /// Ends it.
    Resolve,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Trigger, Self::Acknowledge, Self::Resolve];

    /// PagerDuty's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }

    /// The action called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// What `notification` asks for.
    pub fn of(notification: &Notification) -> Self {
        match notification.reason {
            reason if reason.is_end() => Self::Resolve,
            NotifyReason::Acknowledged => Self::Acknowledge,
            _ => Self::Trigger,
        }
    }
}

/// The request that tells the integration whose key is `key` of `notification`.
///
/// # Errors
///
/// The key is not one (its text is not repeated), or the event cannot be written.
pub fn render(notification: &Notification, action: Action, region: PagerDutyRegion, key: &Secret) -> Result<HttpRequest, RenderError> {
    let routing_key = key.text.trim();
    if routing_key.len() != ROUTING_KEY_CHARS || !routing_key.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(key.bad_key());
    }
    let mut event = json!({"routing_key": routing_key, "event_action": action.as_str(), "dedup_key": notification.alert});
    // The others need no more, and PagerDuty shows no more of them.
    if let (Action::Trigger, Some(event)) = (action, event.as_object_mut()) {
        event.extend(trigger(notification, &details(notification)));
    }
    let url = match region {
        PagerDutyRegion::Us => "https://events.pagerduty.com/v2/enqueue",
        PagerDutyRegion::Eu => "https://events.eu.pagerduty.com/v2/enqueue",
    };
    let request = post(url, "application/json", &event)?;
    if request.body.len() <= MAX_BODY_BYTES {
        return Ok(request);
    }
    if let Some(event) = event.as_object_mut() {
        event.extend(trigger(notification, &json!({ "error": DETAILS_REMOVED })));
    }
    post(url, "application/json", &event)
}

/// The fields of an event that opens an incident.
fn trigger(notification: &Notification, details: &Value) -> Map<String, Value> {
    let text = |text: &str| cut(text, MAX_TEXT_CHARS);
    let links = [("Dashboard", Some(notification.dashboard.as_str())), ("Runbook", notification.runbook.as_deref())];
    let links = links.into_iter().filter_map(|(name, url)| Some((name, url.filter(|url| is_web_url(url))?)));
    let mut payload = json!({
        "summary": text(&notification.title()),
        "source": text(&format!("{} {}", notification.site.name, notification.site.environment)),
        "severity": severity(notification.severity),
        "timestamp": notification.since.rfc3339(),
        "group": text(&notification.owner),
        "class": text(&notification.rule),
        "custom_details": details,
    });
    if let (Some(payload), Some(place)) = (payload.as_object_mut(), notification.place()) {
        payload.insert("component".to_owned(), text(&place).into());
    }
    order::object([
        ("payload".to_owned(), payload),
        ("links".to_owned(), links.map(|(name, url)| json!({"href": url, "text": name})).collect()),
        ("client".to_owned(), "Parapet".into()),
        ("client_url".to_owned(), notification.dashboard.as_str().into()),
    ])
}

fn details(notification: &Notification) -> Value {
    let ids = [("Alert", &notification.alert), ("Message", &notification.id)];
    let texts = [("Summary", Some(notification.effect())), ("Detail", notification.detail.clone())];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text?)));
    let all = texts.chain(notification.facts()).chain(ids.map(|(name, id)| (name, id.clone())));
    let own = notification.annotations.iter().map(|(name, text)| (name.clone(), cut(text, MAX_TEXT_CHARS).into()));
    Value::Object(order::object(own.chain(all.map(|(name, text)| (name.to_owned(), text.into())))))
}

/// PagerDuty also has `error`, between the two upper ones.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

#[cfg(test)]
mod tests;
