//! The e-mail endpoints: Resend's and SendGrid's own APIs, and one for Parapet's plain JSON.

use serde_json::Value;

use super::{Peer, Received, Vendor};

/// `POST /emails` of Resend (resend.com/docs/api-reference/emails/send-email).
pub fn resend() -> Peer {
    Peer::start(Vendor {
        success: (200, "application/json", r#"{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}"#),
        violations: resend_violations,
    })
}

/// `POST /v3/mail/send` of SendGrid (twilio.com/docs/sendgrid/api-reference/mail-send).
pub fn sendgrid() -> Peer {
    Peer::start(Vendor { success: (202, "text/plain", ""), violations: sendgrid_violations })
}

/// An endpoint that takes `{from?, to[], subject, text, html}`.
pub fn plain() -> Peer {
    Peer::start(Vendor { success: (200, "application/json", "{}"), violations: plain_violations })
}

fn resend_violations(request: &Received) -> Vec<String> {
    let mut found = common_violations("resend", request);
    let body = request.json();
    let recipients = body["to"].as_array().map_or(usize::from(body["to"].is_string()), Vec::len);
    need(&mut found, (1..=50).contains(&recipients), || format!("resend: {recipients} recipients in `to`, 1 to 50 are allowed"));
    need(&mut found, is_text(&body["from"]), || "resend: `from` is missing".to_owned());
    need(&mut found, is_text(&body["subject"]), || "resend: `subject` is missing".to_owned());
    need(&mut found, is_text(&body["html"]) && is_text(&body["text"]), || "resend: an HTML and a text part are wanted".to_owned());
    let key_length = request.header("idempotency-key").map_or(0, str::len);
    need(&mut found, (1..=256).contains(&key_length), || {
        format!("resend: Idempotency-Key of {key_length} characters, 1 to 256 are wanted")
    });
    found
}

fn sendgrid_violations(request: &Received) -> Vec<String> {
    let mut found = common_violations("sendgrid", request);
    let body = request.json();
    let people = body["personalizations"].as_array().cloned().unwrap_or_default();
    need(&mut found, !people.is_empty(), || "sendgrid: `personalizations` is empty".to_owned());
    for person in &people {
        let recipients = person["to"].as_array().cloned().unwrap_or_default();
        need(&mut found, !recipients.is_empty() && recipients.iter().all(|to| is_text(&to["email"])), || {
            format!("sendgrid: not recipients: {}", person["to"])
        });
    }
    need(&mut found, is_text(&body["from"]["email"]), || "sendgrid: `from.email` is missing".to_owned());
    need(&mut found, is_text(&body["subject"]), || "sendgrid: `subject` is missing".to_owned());
    let kinds: Vec<_> = body["content"].as_array().into_iter().flatten().filter_map(|part| part["type"].as_str()).collect();
    need(&mut found, kinds == ["text/plain", "text/html"], || {
        format!("sendgrid: content is {kinds:?}, text/plain must come before text/html")
    });
    found
}

fn plain_violations(request: &Received) -> Vec<String> {
    let mut found = common_violations("plain e-mail", request);
    let body = request.json();
    need(&mut found, body["to"].as_array().is_some_and(|to| !to.is_empty() && to.iter().all(is_text)), || {
        format!("plain e-mail: not recipients: {}", body["to"])
    });
    for part in ["subject", "text", "html"] {
        need(&mut found, is_text(&body[part]), || format!("plain e-mail: `{part}` is missing"));
    }
    found
}

fn common_violations(vendor: &str, request: &Received) -> Vec<String> {
    let mut found = vec![];
    let is_json = request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) && request.json().is_object();
    need(&mut found, request.method == "POST" && is_json, || format!("{vendor}: not a POST of a JSON object"));
    let subject = request.json()["subject"].as_str().unwrap_or_default().to_owned();
    need(&mut found, subject.chars().count() <= 998 && !subject.contains(['\r', '\n']), || {
        format!("{vendor}: a subject is one line of 998 characters at most: {subject:?}")
    });
    found
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn need(found: &mut Vec<String>, holds: bool, otherwise: impl FnOnce() -> String) {
    if !holds {
        found.push(otherwise());
    }
}
