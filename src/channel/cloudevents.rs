//! CloudEvents 1.0, structured mode: one JSON event to an event bus, a broker or a function.
//!
//! `source` and `id` together are one event to every consumer: the console's address and the message's id, the same at every
//! attempt. `subject` is the alert. `severitytext` and `severitynumber` are the severity extension, on OpenTelemetry's scale.
//! The specification of CloudEvents over web hooks lets the address hold the credentials (`?access_token=…`). Its validation request
//! (OPTIONS) protects targets that strangers can name; ours is named by whoever runs Parapet.
//!
//! Size: every intermediary must forward 64 KiB, that is 65,536 bytes. Texts are cut at 1,000 characters, and an event that is
//! still too long (labels are many, or JSON writes six bytes for a character) goes out without its labels and facts.

use serde_json::{Map, Value, json};

use super::{RenderError, Secret, cut, origin, post};
use crate::alert::notification::{Notification, NotifyReason};
use crate::config::alerting::Severity;
use crate::order;
use crate::ports::HttpRequest;

/// Longest text of an event.
const MAX_TEXT_CHARS: usize = 1_000;
/// Largest event.
const MAX_BODY_BYTES: usize = 65_536;
/// The media type of one event as JSON.
const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// The request that delivers `notification` to the endpoint at `url`.
///
/// # Errors
///
/// The URL cannot be called (it is not repeated), or the event cannot be written.
pub fn render(notification: &Notification, url: &Secret) -> Result<HttpRequest, RenderError> {
    let url = url.web_url()?;
    let whole = post(url, CONTENT_TYPE, &event(notification, &data(notification)))?;
    if whole.body.len() <= MAX_BODY_BYTES {
        return Ok(whole);
    }
    let mut short = data(notification);
    short.retain(|name, _| !["labels", "facts", "detail", "annotations"].contains(&name.as_str()));
    short.insert("shortened".to_owned(), true.into());
    post(url, CONTENT_TYPE, &event(notification, &short))
}

fn event(notification: &Notification, data: &Map<String, Value>) -> Value {
    let (severity_text, severity_number) = severity(notification);
    json!({
        "specversion": "1.0",
        "id": notification.id,
        "source": origin(&notification.dashboard),
        "type": kind(notification.reason),
        "subject": notification.alert,
        "time": notification.at.rfc3339(),
        "severitytext": severity_text,
        "severitynumber": severity_number,
        "datacontenttype": "application/json",
        "data": data,
    })
}

fn kind(reason: NotifyReason) -> &'static str {
    match reason {
        NotifyReason::First | NotifyReason::StillFiring | NotifyReason::Settled => "dev.parapet.alert.firing",
        NotifyReason::Flapping => "dev.parapet.alert.flapping",
        NotifyReason::Escalated => "dev.parapet.alert.escalated",
        NotifyReason::Acknowledged => "dev.parapet.alert.acknowledged",
        NotifyReason::Resolved | NotifyReason::RuleRemoved => "dev.parapet.alert.resolved",
        NotifyReason::Update => "dev.parapet.incident.update",
        NotifyReason::Test => "dev.parapet.alert.test",
        NotifyReason::Report => "dev.parapet.report",
    }
}

/// OpenTelemetry's severities: INFO 9 to 12, WARN 13 to 16, FATAL 21 to 24. What is over is information.
fn severity(notification: &Notification) -> (&'static str, u8) {
    match (notification.reason.is_end(), notification.severity) {
        (true, _) | (false, Severity::Info) => ("INFO", 9),
        (false, Severity::Warning) => ("WARN", 13),
        (false, Severity::Critical) => ("FATAL", 21),
    }
}

/// What a consumer reads: every text as other channels print it, and the numbers as numbers.
fn data(notification: &Notification) -> Map<String, Value> {
    let text = |text: &str| Value::from(cut(text, MAX_TEXT_CHARS));
    let facts: Map<String, Value> = notification.facts().into_iter().map(|(name, fact)| (name.to_owned(), text(&fact))).collect();
    let labels: Map<String, Value> = notification.labels.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let mut data = order::object([
        ("title".to_owned(), text(&notification.title())),
        ("reason".to_owned(), notification.reason.as_str().into()),
        ("severity".to_owned(), notification.severity.as_str().into()),
        ("rule".to_owned(), text(&notification.rule)),
        ("name".to_owned(), text(&notification.name)),
        ("summary".to_owned(), text(&notification.effect())),
        ("since".to_owned(), notification.since.rfc3339().into()),
        ("owner".to_owned(), text(&notification.owner)),
        ("environment".to_owned(), text(&notification.site.environment)),
        ("site".to_owned(), text(&notification.site.name)),
        ("dashboard".to_owned(), text(&notification.dashboard)),
        ("labels".to_owned(), labels.into()),
        ("facts".to_owned(), facts.into()),
    ]);
    if !notification.annotations.is_empty() {
        let own: Map<String, Value> = notification.annotations.iter().map(|(name, own)| (name.clone(), text(own))).collect();
        data.insert("annotations".to_owned(), own.into());
    }
    data.extend(notification.detail.as_ref().map(|detail| ("detail".to_owned(), text(detail))));
    data.extend(notification.runbook.as_ref().map(|runbook| ("runbook".to_owned(), text(runbook))));
    if let Some(measured) = &notification.measured {
        data.insert("value".to_owned(), measured.value.into());
        data.insert("threshold".to_owned(), serde_json::to_value(measured.threshold).unwrap_or_default());
        data.insert("unit".to_owned(), serde_json::to_value(measured.unit).unwrap_or_default());
    }
    data
}

#[cfg(test)]
mod tests;
