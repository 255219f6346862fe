//! An alert as an event: one alert is one issue, by its fingerprint.

use sentry_core::protocol::{Context, EnvelopeItem, Level, LogEntry, Map, Value};

use super::{Frame, RenderError, derived_id, request, tag};
use crate::alert::notification::Notification;
use crate::config::alerting::Severity;
use crate::edge::redact::Scrubber;
use crate::order;
use crate::ports::HttpRequest;

/// The request that tells the project of `dsn` of `notification`.
///
/// # Errors
///
/// The DSN is not one (its text is not repeated), or the envelope cannot be written.
pub fn render_alert(notification: &Notification, dsn: &str) -> Result<HttpRequest, RenderError> {
    let scrubber = Scrubber::new(&[]);
    let frame = Frame {
        id: derived_id(&["alert", &notification.id]),
        level: level(notification),
        at: notification.at,
        environment: &notification.site.environment,
        logger: "parapet.alert",
        fingerprint: vec![notification.rule.clone(), notification.alert.clone()],
    };
    let id = frame.id;
    let mut event = frame.event();
    // A `message` beside it is older than Sentry's schema of events, which refuses it.
    event.logentry = Some(LogEntry { message: scrubber.text(&notification.title()), params: Vec::new() });
    event.tags = tags(notification, &scrubber);
    event.contexts = Map::from([("alert".to_owned(), Context::Other(facts(notification, &scrubber)))]);
    event.extra = numbers(notification);
    request(dsn, Some(id), EnvelopeItem::from(event))
}

fn level(notification: &Notification) -> Level {
    match (notification.reason.is_end(), notification.severity) {
        (true, _) | (_, Severity::Info) => Level::Info,
        (false, Severity::Warning) => Level::Warning,
        (false, Severity::Critical) => Level::Fatal,
    }
}

/// The alert's labels, and over them what every alert has. Sentry makes the environment a tag by itself.
fn tags(notification: &Notification, scrubber: &Scrubber) -> Map<String, String> {
    let labels = notification.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let state = notification.state_word().to_ascii_lowercase();
    let own = [
        ("rule", notification.rule.as_str()),
        ("severity", notification.severity.as_str()),
        ("alert_id", &notification.alert),
        ("state", &state),
        ("reason", notification.reason.as_str()),
    ];
    order::map(labels.chain(own).filter_map(|(key, value)| tag(scrubber, key, value)))
}

/// What a person reads beside the message. The links are the deployment's own and stay whole.
fn facts(notification: &Notification, scrubber: &Scrubber) -> Map<String, Value> {
    let texts = [("Summary", Some(&notification.summary)), ("Detail", notification.detail.as_ref())];
    let texts = texts.into_iter().filter_map(|(label, text)| Some((label, text?.clone())));
    let shown = notification.facts().into_iter().chain(texts).map(|(label, text)| (label, scrubber.text(&text)));
    let links = [("Dashboard", Some(&notification.dashboard)), ("Runbook", notification.runbook.as_ref())];
    let links = links.into_iter().filter_map(|(label, url)| Some((label, url?.clone())));
    let own = notification.annotations.iter().map(|(name, text)| (name.clone(), Value::String(scrubber.text(text))));
    own.chain(shown.chain(links).map(|(label, text)| (label.to_owned(), Value::String(text)))).collect()
}

/// The same as numbers, for whoever queries.
fn numbers(notification: &Notification) -> Map<String, Value> {
    let mut numbers = Map::from([
        ("since".to_owned(), Value::String(notification.since.rfc3339())),
        ("message_id".to_owned(), Value::String(notification.id.clone())),
    ]);
    if let Some(measured) = &notification.measured {
        numbers.insert("value".to_owned(), measured.value.into());
        numbers.insert("threshold".to_owned(), serde_json::to_value(measured.threshold).unwrap_or_default());
    }
    if !notification.contributors.is_empty() {
        numbers.insert("contributors".to_owned(), serde_json::to_value(&notification.contributors).unwrap_or_default());
    }
    numbers
}
