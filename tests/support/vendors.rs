//! The vendors beyond Slack, e-mail and Sentry: what each reads of a request, by its documentation, and how it says yes and no.

use std::collections::{BTreeMap, BTreeSet};

use parapet::ids::hex;
use parapet::ports::{HttpRequest, HttpResponse};
use parapet::time::UnixMs;
use serde_json::{Value, json};

use super::{Heard, answer, slack_bot};

#[path = "hmac.rs"]
mod hmac;

/// A receiver of Alertmanager's webhook that checks Standard Webhooks' signature.
pub const WEBHOOK: &str = "alerts.example.com";
/// Its key: the one of the specification's own example.
pub const WEBHOOK_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The same key's bytes.
const WEBHOOK_KEY_HEX: &str = "31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0";

/// PagerDuty's Events API v2.
pub const PAGERDUTY: &str = "events.pagerduty.com";
/// An integration's key.
const ROUTING_KEY: &str = "R03secret00000000000000000000KEY";

/// A consumer of CloudEvents.
pub const CLOUDEVENTS: &str = "events.example.com";

/// Atlassian Statuspage.
pub const STATUSPAGE: &str = "api.statuspage.io";
/// Its API key.
const STATUSPAGE_KEY: &str = "statuspagesecret-4e75-b5a0";

/// What a vendor made of a request.
pub struct Read {
    /// By what it drops the second of two; `None` when it does not.
    pub dedup_key: Option<String>,
    /// What a person sees; `None` when it is nothing new to anybody.
    pub heard: Option<Heard>,
    /// Its answer.
    pub answer: HttpResponse,
}

/// What the vendors remember.
#[derive(Debug, Default)]
pub struct Memory {
    /// PagerDuty's open incidents.
    pub paged: BTreeSet<String>,
    /// Statuspage's incidents: name and states in order.
    pub incidents: Vec<(String, Vec<String>)>,
    /// The state of each of its components.
    pub components: BTreeMap<String, String>,
    /// Slack's channel, as a bot writes it.
    pub slack: slack_bot::Workspace,
}

/// What the vendor at `peer` makes of a request, if it is one of those here.
pub fn read(peer: &str, request: &HttpRequest, now: UnixMs, memory: &mut Memory) -> Option<Result<Read, HttpResponse>> {
    match peer {
        WEBHOOK => Some(webhook(request, now)),
        PAGERDUTY => Some(pagerduty(request, now, memory)),
        CLOUDEVENTS => Some(cloudevents(request, now)),
        STATUSPAGE => Some(statuspage(request, now, memory)),
        slack_bot::SLACK_API => Some(slack_bot::read(request, now, &mut memory.slack)),
        _ => None,
    }
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('\u{a0}', " ")
}

/// Alertmanager's `template.Data` and `webhook.Message`, and Standard Webhooks' checks in the order its libraries make them.
fn webhook(request: &HttpRequest, now: UnixMs) -> Result<Read, HttpResponse> {
    let refused = |why: &str| answer(400, &json!({ "error": why }).to_string());
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| header(request, name));
    let [Some(id), Some(at_s), Some(signatures)] = headers else { return Err(refused("missing required headers")) };
    let sent_s: i64 = at_s.parse().map_err(|_| refused("invalid timestamp"))?;
    if (now.0 / 1_000 - sent_s).abs() > 300 {
        return Err(refused("message timestamp too old or too new"));
    }
    let expected = hmac(&[format!("{id}.{at_s}.").as_bytes(), &request.body]);
    if !signatures.split(' ').any(|signature| signature.strip_prefix("v1,").is_some_and(|mac| mac == expected)) {
        return Err(answer(401, r#"{"error":"no matching signature found"}"#));
    }
    let message = body(request);
    let alerts = message["alerts"].as_array().filter(|alerts| !alerts.is_empty()).ok_or_else(|| refused("no alerts"))?;
    let strings = |value: &Value| value.as_object().is_some_and(|map| !map.is_empty() && map.values().all(Value::is_string));
    for alert in alerts {
        let rfc3339 = |name: &str| alert[name].as_str().is_some_and(|at| at.len() >= 20 && at.ends_with('Z'));
        let fingerprint =
            alert["fingerprint"].as_str().is_some_and(|print| print.len() == 16 && print.chars().all(|c| c.is_ascii_hexdigit()));
        if !(strings(&alert["labels"]) && strings(&alert["annotations"]) && rfc3339("startsAt") && rfc3339("endsAt") && fingerprint) {
            return Err(refused("an alert does not read"));
        }
    }
    if message["version"] != "4" || message["groupKey"].as_str().is_none_or(|key| !key.starts_with("{}:{alertname=")) {
        return Err(refused("not a version 4 message"));
    }
    let heard = Heard {
        peer: WEBHOOK.to_owned(),
        message: id.to_owned(),
        alert: text(&message["groupKey"]),
        title: format!("{} {}", text(&message["status"]), text(&alerts[0]["annotations"]["title"])),
        at: now,
    };
    Ok(Read { dedup_key: Some(id.to_owned()), heard: Some(heard), answer: answer(204, "") })
}

/// The published schema of events; what is dropped without a word is not heard.
fn pagerduty(request: &HttpRequest, now: UnixMs, memory: &mut Memory) -> Result<Read, HttpResponse> {
    let refused =
        |why: &str| answer(400, &json!({"status": "invalid event", "message": "Event object is invalid", "errors": [why]}).to_string());
    let event = body(request);
    if request.method != "POST" || !request.url.ends_with("/v2/enqueue") || request.body.len() > 512_000 {
        return Err(refused("not an event"));
    }
    let within = |value: &Value, most: usize| value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()));
    if event["routing_key"] != ROUTING_KEY {
        return Err(refused("'routing_key' is invalid"));
    }
    let key = event["dedup_key"]
        .as_str()
        .filter(|key| (1..=255).contains(&key.len()))
        .ok_or_else(|| refused("'dedup_key' is missing"))?
        .to_owned();
    let accepted = answer(202, &json!({"status": "success", "message": "Event processed", "dedup_key": key}).to_string());
    let heard = |title: String| Heard { peer: PAGERDUTY.to_owned(), message: String::new(), alert: key.clone(), title, at: now };
    let heard = match event["event_action"].as_str() {
        Some("trigger") => {
            let payload = &event["payload"];
            let severity = ["critical", "error", "warning", "info"].iter().any(|severity| payload["severity"] == *severity);
            let links = event["links"]
                .as_array()
                .is_some_and(|links| links.iter().all(|link| link["href"].as_str().is_some_and(|url| url.starts_with("http"))));
            if !within(&payload["summary"], 1_024) || !within(&payload["source"], 10_000) || !severity || !links {
                return Err(refused("'payload' is invalid"));
            }
            // A second trigger of an open incident goes to its log.
            memory.paged.insert(key.clone()).then(|| heard(format!("triggered {}", text(&payload["summary"]))))
        }
        // What is not open cannot be ended, and PagerDuty says 202 all the same.
        Some("resolve") => memory.paged.remove(&key).then(|| heard("resolved".to_owned())),
        Some("acknowledge") => None,
        _ => return Err(refused("'event_action' is invalid")),
    };
    Ok(Read { dedup_key: None, heard, answer: accepted })
}

/// The JSON format and the web hook specification: the media type, the required attributes, at most 64 KiB.
fn cloudevents(request: &HttpRequest, now: UnixMs) -> Result<Read, HttpResponse> {
    if !header(request, "content-type").is_some_and(|kind| kind.starts_with("application/cloudevents+json")) {
        return Err(answer(415, ""));
    }
    if !request.url.ends_with("?access_token=eventsecret0123456789") {
        return Err(answer(401, &format!("no such token: {}", request.url)));
    }
    let event = body(request);
    let filled = |name: &str| event[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let known = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "severitytext", "severitynumber"];
    let attributes = event.as_object().is_some_and(|event| event.keys().all(|name| known.contains(&name.as_str())));
    if request.body.len() > 65_536 || event["specversion"] != "1.0" || !attributes {
        return Err(answer(400, "not a CloudEvent"));
    }
    let read = || Some((filled("id")?, filled("source")?, filled("type")?, filled("subject")?));
    let (id, source, kind, subject) = read().ok_or_else(|| answer(400, "a required attribute is missing"))?;
    let number = event["severitynumber"].as_u64().filter(|number| (1..=24).contains(number)).ok_or_else(|| answer(400, "severity"))?;
    let title = format!("{kind} {number} {}", text(&event["data"]["title"]));
    let heard = Heard { peer: CLOUDEVENTS.to_owned(), message: id.clone(), alert: subject, title, at: now };
    Ok(Read { dedup_key: Some(format!("{source} {id}")), heard: Some(heard), answer: answer(202, "") })
}

/// The documented API: pages and their incidents, the bounds of texts, the words of states. Its answer is longer than what we keep.
fn statuspage(request: &HttpRequest, now: UnixMs, memory: &mut Memory) -> Result<Read, HttpResponse> {
    let error = |status: u16, why: &str| answer(status, &json!({ "error": why }).to_string());
    if header(request, "authorization") != Some(&format!("OAuth {STATUSPAGE_KEY}")) {
        return Err(error(401, "Could not authenticate"));
    }
    let path = request.url.strip_prefix("https://api.statuspage.io/v1/pages/kctbh9vrtdwd").ok_or_else(|| error(404, "Not found"))?;
    let incident = &body(request)["incident"];
    let known = |value: &Value, words: &[&str]| words.iter().any(|word| value == word);
    let place = match (request.method.as_str(), path) {
        ("GET", "") => return Ok(Read { dedup_key: None, heard: None, answer: answer(200, r#"{"id":"kctbh9vrtdwd","name":"Bookings"}"#) }),
        ("POST", "/incidents") => {
            let name = incident["name"].as_str().filter(|name| (1..=255).contains(&name.chars().count()));
            memory.incidents.push((name.ok_or_else(|| error(422, "Name can't be blank"))?.to_owned(), vec![]));
            memory.incidents.len() - 1
        }
        ("PATCH", path) => {
            let id = path.strip_prefix("/incidents/inc").and_then(|number| number.parse::<usize>().ok());
            id.filter(|at| *at < memory.incidents.len()).ok_or_else(|| error(404, "Not found"))?
        }
        _ => return Err(error(404, "Not found")),
    };
    let known_states = ["operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"];
    let components = incident["components"].as_object().cloned().unwrap_or_default();
    if !known(&incident["status"], &["investigating", "identified", "monitoring", "resolved"])
        || !known(&incident["impact_override"], &["none", "minor", "major", "critical"])
        || !components.values().all(|state| known(state, &known_states))
        || incident["body"].as_str().is_none_or(|text| text.is_empty() || text.chars().count() > 25_000)
    {
        return Err(error(422, "is not included in the list"));
    }
    memory.components.extend(components.into_iter().map(|(id, state)| (id, text(&state))));
    memory.incidents[place].1.push(text(&incident["status"]));
    let (name, id) = (memory.incidents[place].0.clone(), format!("inc{place}"));
    let title = format!("{} {name}: {}", text(&incident["status"]), text(&incident["body"]));
    let heard = Heard { peer: STATUSPAGE.to_owned(), message: String::new(), alert: id.clone(), title, at: now };
    let mut said = format!(r#"{{"id":"{id}","components":[{{"id":"other"}}],"incident_updates":"{}"}}"#, "x".repeat(8_000));
    said.truncate(parapet::ports::MAX_RESPONSE_BYTES);
    let status = if request.method == "POST" { 201 } else { 200 };
    Ok(Read { dedup_key: None, heard: Some(heard), answer: answer(status, &said) })
}

/// Base64 of HMAC-SHA256 under the webhook's key.
fn hmac(message: &[&[u8]]) -> String {
    let code = hmac::hmac_sha256(&parapet::ids::unhex(WEBHOOK_KEY_HEX).unwrap(), message);
    let bits: String = hex(&code).chars().map(|digit| format!("{:04b}", digit.to_digit(16).unwrap())).collect::<Vec<_>>().concat();
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let sextets = bits.as_bytes().chunks(6).map(|six| format!("{:0<6}", std::str::from_utf8(six).unwrap()));
    let digits: String = sextets.map(|six| letters[usize::from_str_radix(&six, 2).unwrap()]).collect();
    format!("{digits}{}", "=".repeat((4 - digits.len() % 4) % 4))
}

/// The secrets of the channels here.
pub fn secrets() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("WEBHOOK_URL", "https://alerts.example.com/hooks/0123456789secret"),
        ("WEBHOOK_SIGNING_SECRET", WEBHOOK_KEY),
        ("STATUSPAGE_API_KEY", STATUSPAGE_KEY),
        ("PAGERDUTY_ROUTING_KEY", ROUTING_KEY),
        ("SLACK_BOT_TOKEN", slack_bot::BOT_TOKEN),
        ("CLOUDEVENTS_URL", "https://events.example.com/alerts?access_token=eventsecret0123456789"),
    ])
}
