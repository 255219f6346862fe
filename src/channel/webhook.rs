//! Any endpoint: Alertmanager's webhook body, version 4, signed as Standard Webhooks says.
//!
//! Whatever reads Alertmanager's webhook (on-call tools, chat bridges, GoAlert, Keep) reads this. An alert whose route does not
//! group is a group of its own, as Alertmanager groups by `...`: the group's labels are all of the alert's. `alertname`, which readers rely on, is the rule's
//! id unless the alert has one. A firing alert ends at Go's zero time, as there.
//!
//! Invariant: the body and `webhook-id` of a message are the same at every attempt, so a reader can drop the second; the
//! timestamp is the attempt's, because readers refuse one that is more than some minutes old, and the signature covers all three.
//!
//! Size: Standard Webhooks asks for less than 20 kB, which ten ordinary alerts keep; the others of a group are counted. The twelve
//! annotations of every alert are cut at 1,000 characters, the rule's own, labels and what an alert mostly comes from or follows at 200.

use serde_json::{Value, json};

use super::{RenderError, Secret, cut, origin, post};
use crate::alert::notification::{GroupReason, Notification, NotifyReason, TREND};
use crate::ids;
use crate::order;
use crate::ports::HttpRequest;
use crate::sorted::Map;
use crate::time::UnixMs;

mod signature;

/// Longest annotation.
const MAX_ANNOTATION_CHARS: usize = 1_000;
/// Longest label value.
const MAX_LABEL_CHARS: usize = 200;
/// The end of what has not ended.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// The request that takes `notification` to the endpoint at `url` at `now`, signed with `key`.
///
/// # Errors
///
/// The URL cannot be called, or the key is not `whsec_` and base64 of 24 to 64 bytes. Neither text is repeated.
pub fn render(notification: &Notification, receiver: &str, url: &Secret, key: &Secret, now: UnixMs) -> Result<HttpRequest, RenderError> {
    let key_bytes = signature::key(&key.text).ok_or_else(|| key.bad_key())?;
    let mut request = post(url.web_url()?, "application/json", &body(notification, receiver))?;
    let at_s = now.0.div_euclid(1_000).to_string();
    let signature = signature::sign(&key_bytes, &notification.id, &at_s, &request.body);
    let named = [("webhook-id", notification.id.clone()), ("webhook-timestamp", at_s), ("webhook-signature", signature)];
    request.headers.extend(named.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Ok(request)
}

fn body(notification: &Notification, receiver: &str) -> Value {
    let group = notification.group.as_deref();
    let alerts = group.map_or(std::slice::from_ref(notification), |group| &group.alerts);
    let all = group.map_or(1, |group| group.firing + group.resolved);
    let common_labels = common(alerts.iter().map(labels));
    let group_labels = group.map_or_else(|| labels(notification), |group| shortened(&group.labels));
    let said = group.map_or_else(|| reason(notification.reason), |group| group_reason(group.reason));
    json!({
        "version": "4",
        "groupKey": group_key(&group_labels),
        "truncatedAlerts": all.saturating_sub(u32::try_from(alerts.len()).unwrap_or(u32::MAX)),
        "status": status(notification),
        "receiver": receiver,
        "groupLabels": group_labels,
        "commonLabels": common_labels,
        "commonAnnotations": common(alerts.iter().map(annotations)),
        "externalURL": origin(&notification.dashboard),
        "notification_reason": said,
        "alerts": alerts.iter().map(alert).collect::<Vec<Value>>(),
    })
}

fn alert(notification: &Notification) -> Value {
    let ends_at = if notification.reason.is_end() { notification.at.rfc3339() } else { ZERO_TIME.to_owned() };
    json!({
        "status": status(notification),
        "labels": labels(notification),
        "annotations": annotations(notification),
        "startsAt": notification.since.rfc3339(),
        "endsAt": ends_at,
        "generatorURL": notification.dashboard,
        "fingerprint": format!("{:016x}", ids::hash64(notification.alert.as_bytes())),
    })
}

fn status(notification: &Notification) -> &'static str {
    if notification.reason.is_end() { "resolved" } else { "firing" }
}

/// What all of them have with the same value.
fn common<'a>(mut maps: impl Iterator<Item = Map<&'a str, String>>) -> Map<&'a str, String> {
    let mut common = maps.next().unwrap_or_default();
    for map in maps {
        common.retain(|name, value| map.get(name) == Some(value));
    }
    common
}

fn shortened(labels: &Map<String, String>) -> Map<&str, String> {
    order::map(labels.iter().map(|(name, value)| (name.as_str(), cut(value, MAX_LABEL_CHARS))))
}

fn labels(notification: &Notification) -> Map<&str, String> {
    let given = [("alertname", &notification.rule), ("environment", &notification.site.environment), ("site", &notification.site.name)];
    let own = notification.labels.iter().map(|(name, value)| (name.as_str(), value));
    order::map(given.into_iter().chain(own).map(|(name, value)| (name, cut(value, MAX_LABEL_CHARS))))
}

/// `{}:{alertname="api-error-rate", route="/api/bookings"}`: the same when it fires, when it resolves and when it fires again.
fn group_key(labels: &Map<&str, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", Value::from(value.as_str()))).collect();
    format!("{{}}:{{{}}}", pairs.join(", "))
}

fn annotations(notification: &Notification) -> Map<&str, String> {
    let facts = notification.facts();
    let fact = |label: &str| facts.iter().find(|(name, _)| *name == label).map(|(_, text)| text.clone());
    let all = [
        ("title", Some(notification.title())),
        ("summary", Some(notification.effect())),
        ("description", notification.ending().or_else(|| notification.explanation())),
        ("value", fact("Value")),
        ("threshold", fact("Threshold")),
        ("normal", fact("Normal")),
        ("trend", fact(TREND)),
        ("deploy", notification.changed().map(|(_, text)| cut(&text, MAX_LABEL_CHARS))),
        ("contributors", notification.mostly().map(|mostly| cut(&mostly, MAX_LABEL_CHARS))),
        ("owner", Some(notification.owner.clone())),
        ("dashboard_url", Some(notification.dashboard.clone())),
        ("runbook_url", notification.runbook.clone()),
    ];
    let own = notification.annotations.iter().map(|(name, text)| (name.as_str(), cut(text, MAX_LABEL_CHARS)));
    order::map(own.chain(all.into_iter().filter_map(|(name, text)| Some((name, cut(&text?, MAX_ANNOTATION_CHARS))))))
}

/// Alertmanager's own words.
fn group_reason(reason: GroupReason) -> &'static str {
    match reason {
        GroupReason::First => "first notification",
        GroupReason::NewAlerts => "new alerts added to the group",
        GroupReason::SomeResolved => "some alerts resolved",
        GroupReason::AllResolved => "all alerts resolved",
        GroupReason::Repeat => "repeat interval elapsed",
    }
}

/// Alertmanager's own words where it has them.
fn reason(reason: NotifyReason) -> &'static str {
    match reason {
        NotifyReason::First => "first notification",
        NotifyReason::Resolved => "all alerts resolved",
        NotifyReason::RuleRemoved => "rule removed",
        NotifyReason::Flapping => "flapping",
        NotifyReason::Settled => "settled",
        NotifyReason::Escalated => "escalated",
        NotifyReason::Acknowledged => "acknowledged",
        NotifyReason::StillFiring => "repeat interval elapsed",
        NotifyReason::Update => "status update",
        NotifyReason::Test => "test",
        NotifyReason::Report => "report",
    }
}

#[cfg(test)]
mod tests;
