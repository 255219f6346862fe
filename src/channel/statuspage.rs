//! Atlassian Statuspage: firing opens an incident, the end resolves it; both set the components that the alert's labels name.
//!
//! What is written here is public: the rule's name and summary, how long it lasted, and nothing of values, labels or links. A test only
//! asks for the page, which shows that key and page fit, and publishes nothing.
//!
//! Statuspage names the incident, so its id is read from the answer and kept with the message ([`incident`]); an alert that fires
//! while its incident is still open adds to it; so does what a person tells the public of an incident one of whose alerts opened it. It has no idempotency key: when it creates an incident and the answer
//! is lost, the retry creates a second one, which a person closes.
//!
//! Limits (Statuspage's API documentation): name 255 characters, body 25,000; one request a second for each key over a rolling minute,
//! answered by 420 or 429 beyond.

use serde_json::{Map, Value, json};

use super::{RenderError, Secret, cut, post};
use crate::alert::notification::{Notification, NotifyReason};
use crate::config::alerting::Severity;
use crate::ports::{HttpRequest, HttpResponse};
use crate::sorted;

const PAGES: &str = "https://api.statuspage.io/v1/pages";
/// Longest name of an incident.
const MAX_NAME_CHARS: usize = 255;
/// Longest update.
const MAX_BODY_CHARS: usize = 25_000;
/// The status of too many requests that Statuspage has beside 429.
pub(super) const ENHANCE_YOUR_CALM: u16 = 420;

/// A page and its parts.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The page's id.
    pub id: &'a str,
    /// Which label (`team=ops`) is about which component.
    pub components: &'a sorted::Map<String, String>,
}

/// The request that tells `page` of `notification` with the API key `key`; `open` is the alert's incident, if one is open there.
///
/// # Errors
///
/// The key cannot be one (its text is not repeated), the request cannot be written, or there is nothing to end.
pub fn render(notification: &Notification, page: Page<'_>, key: &Secret, open: Option<&str>) -> Result<HttpRequest, RenderError> {
    let token = key.text.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(key.bad_key());
    }
    let incidents = format!("{PAGES}/{}/incidents", page.id);
    let body = json!({ "incident": incident_body(notification, page.components) });
    let mut request = match (notification.reason, open) {
        (NotifyReason::Test, _) => {
            let (method, url) = ("GET".to_owned(), format!("{PAGES}/{}", page.id));
            HttpRequest { method, url, headers: Vec::new(), body: Vec::new() }
        }
        (_, Some(open)) => HttpRequest { method: "PATCH".to_owned(), ..post(&format!("{incidents}/{open}"), "application/json", &body)? },
        (reason, None) if opens(reason) => post(&incidents, "application/json", &body)?,
        (_, None) => return Err(RenderError::NothingToEnd),
    };
    request.headers.push(("authorization".to_owned(), format!("OAuth {token}")));
    Ok(request)
}

fn incident_body(notification: &Notification, components: &sorted::Map<String, String>) -> Value {
    let over = notification.reason.is_end();
    let (impact, component) = match notification.severity {
        Severity::Critical => ("critical", Some("major_outage")),
        Severity::Warning => ("minor", Some("degraded_performance")),
        Severity::Info => ("none", None),
    };
    let component = component.map(|status| if over { "operational" } else { status });
    let labels: Vec<String> = notification.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let named = components.iter().filter(|(label, _)| labels.contains(label));
    let statuses: Map<String, Value> = named.filter_map(|(_, id)| Some((id.clone(), component?.into()))).collect();
    let text = match notification.reason {
        _ if notification.page_status.is_some() => notification.summary.clone(),
        NotifyReason::Resolved => format!("Resolved after {}.", notification.lasted()),
        NotifyReason::RuleRemoved => format!("No longer watched, after {}.", notification.lasted()),
        // Who has it, and what they noted, is not the public's business.
        NotifyReason::Acknowledged => format!("{} Somebody is working on it.", notification.summary),
        NotifyReason::First
        | NotifyReason::Escalated
        | NotifyReason::StillFiring
        | NotifyReason::Flapping
        | NotifyReason::Settled
        | NotifyReason::Update
        | NotifyReason::Test
        | NotifyReason::Report => notification.summary.clone(),
    };
    let status = match (notification.page_status, over, notification.reason) {
        (Some(status), ..) => status.as_str(),
        (None, true, _) => "resolved",
        (None, false, NotifyReason::Acknowledged) => "identified",
        (None, false, _) => "investigating",
    };
    let mut incident = json!({
        "name": cut(&notification.name, MAX_NAME_CHARS),
        "status": status,
        "impact_override": impact,
        "body": cut(&text, MAX_BODY_CHARS),
    });
    if let (Some(incident), false) = (incident.as_object_mut(), statuses.is_empty()) {
        incident.insert("component_ids".to_owned(), statuses.keys().cloned().collect());
        incident.insert("components".to_owned(), statuses.into());
    }
    incident
}

/// Whether what is said for `reason` opens an incident where none is open.
fn opens(reason: NotifyReason) -> bool {
    reason.says_firing() || reason == NotifyReason::Update
}

/// What is open at the page after `response` took on a message sent for `reason`: the incident's id, or an empty text once nothing is.
/// `None` when the answer does not say.
pub fn incident(reason: NotifyReason, response: &HttpResponse) -> Option<String> {
    match (reason, response.status) {
        (reason, 200..=299) if reason.is_end() => Some(String::new()),
        (reason, 200..=299) if opens(reason) => id(&response.body),
        (_, _) => None,
    }
}

/// The `id` of an object that may be cut off behind it: only the head of an answer is kept. It becomes part of a URL.
fn id(body: &[u8]) -> Option<String> {
    let id = super::head::members(body, &["id"]).remove("id")?.as_str()?.to_owned();
    (!id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric())).then_some(id)
}

#[cfg(test)]
mod tests;
