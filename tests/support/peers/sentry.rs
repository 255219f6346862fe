//! Sentry's envelope endpoint (develop.sentry.dev, "Envelopes" and "Check-Ins").

use serde_json::Value;

use super::{Peer, Received, Vendor};

/// A project that answers with an event id.
pub fn sentry() -> Peer {
    Peer::start(Vendor { success: (200, "application/json", r#"{"id":"fc6d8c0c43fc4630ad850ee518f1b9d0"}"#), violations })
}

/// What to set as `SENTRY_DSN`.
pub fn dsn(peer: &Peer) -> String {
    format!("http://public@{}/42", peer.address())
}

/// The items of an envelope: their `type`, and their payload as JSON.
pub fn items(request: &Received) -> Vec<(String, Value)> {
    parse(&request.body).map(|(_, items)| items).unwrap_or_default()
}

/// Every accepted item of that type (`event`, `check_in`, …).
pub fn accepted_items(peer: &Peer, kind: &str) -> Vec<Value> {
    let all = peer.accepted().into_iter().flat_map(|request| items(&request));
    all.filter(|(found, _)| found == kind).map(|(_, payload)| payload).collect()
}

fn violations(request: &Received) -> Vec<String> {
    let mut found = vec![];
    if request.method != "POST" || request.target.split('?').next() != Some("/api/42/envelope/") {
        found.push(format!("sentry: {} {} is not POST /api/42/envelope/", request.method, request.target));
    }
    let auth = request.header("x-sentry-auth").unwrap_or_default();
    for part in ["sentry_version=7", "sentry_client=", "sentry_key=public"] {
        if !auth.contains(part) {
            found.push(format!("sentry: X-Sentry-Auth {auth:?} lacks {part}"));
        }
    }
    if request.header("content-type") != Some("application/x-sentry-envelope") {
        found.push(format!("sentry: content type {:?}", request.header("content-type")));
    }
    match parse(&request.body) {
        Err(reason) => found.push(format!("sentry: not an envelope: {reason}")),
        Ok((_, items)) => items.iter().for_each(|(kind, payload)| check_item(kind, payload, &mut found)),
    }
    found
}

fn check_item(kind: &str, payload: &Value, found: &mut Vec<String>) {
    let size = payload.to_string().len();
    match kind {
        "event" => {
            if !is_hex_id(&payload["event_id"]) || payload["timestamp"].is_null() {
                found.push(format!("sentry: an event needs event_id (32 hex) and timestamp: {payload}"));
            }
            if size > 1_000_000 {
                found.push(format!("sentry: an event of {size} bytes, 1 MB at most"));
            }
        }
        "check_in" => {
            let status = payload["status"].as_str().unwrap_or_default();
            if !is_hex_id(&payload["check_in_id"])
                || !payload["monitor_slug"].is_string()
                || !["in_progress", "ok", "error"].contains(&status)
            {
                found.push(format!("sentry: not a check-in: {payload}"));
            }
        }
        _ => {}
    }
}

/// Ids come with or without dashes.
fn is_hex_id(id: &Value) -> bool {
    let digits: String = id.as_str().unwrap_or_default().chars().filter(|sign| *sign != '-').collect();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

type Parsed = (Value, Vec<(String, Value)>);

fn parse(body: &[u8]) -> Result<Parsed, String> {
    let (header, mut rest) = line(body);
    let header: Value = serde_json::from_slice(header).map_err(|error| format!("header: {error}"))?;
    let mut items = vec![];
    while !rest.is_empty() {
        let (item_header, after) = line(rest);
        if item_header.is_empty() {
            rest = after;
            continue;
        }
        let item: Value = serde_json::from_slice(item_header).map_err(|error| format!("item header: {error}"))?;
        let payload = match item["length"].as_u64() {
            Some(length) => after.get(..usize::try_from(length).unwrap_or(usize::MAX)).ok_or("an item longer than the envelope")?,
            None => line(after).0,
        };
        rest = after.get(payload.len()..).unwrap_or_default();
        let kind = item["type"].as_str().ok_or("an item without a type")?.to_owned();
        items.push((kind, serde_json::from_slice(payload).map_err(|error| format!("payload: {error}"))?));
    }
    if items.is_empty() { Err("no items".to_owned()) } else { Ok((header, items)) }
}

fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}
