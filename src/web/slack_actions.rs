//! Clicks on the buttons of our Slack messages: who clicked what, whether Slack really sent it, and what is said then.
//!
//! Slack signs requests (docs.slack.dev, "Verifying requests from Slack"): `v0=` and the hex HMAC-SHA256, under the app's
//! signing secret, of `v0:{timestamp}:{body}`; a request older than five minutes is a replay. It wants an answer within three
//! seconds. The message that was clicked is replaced through `response_url`, so the others see who has the alert.
//! Invariant: nothing of a request is read before its signature is right.

use serde_json::{Value, json};

use super::auth::{Principal, Role, same};
use super::problem::Problem;
use super::respond::Shown;
use crate::alert::incident::Phase;
use crate::alert::respond::{Act, Verb};
use crate::channel::email::percent_decoded;
use crate::channel::slack::escaped;
use crate::hmac::hmac_sha256;
use crate::ids;
use crate::ports::HttpRequest;
use crate::time::{HOUR_MS, UnixMs};

/// How old a signed request may be, in seconds.
const MAX_AGE_S: i64 = 300;
/// Most of a name that is shown.
const MAX_NAME_CHARS: usize = 100;
/// How long the snooze button snoozes.
pub const SNOOZE_MS: i64 = HOUR_MS;

/// One click.
#[derive(Debug, Clone, PartialEq)]
pub struct Click {
    /// The alert.
    pub alert: String,
    /// What is to be done.
    pub verb: Verb,
    /// Who clicked.
    pub by: Principal,
    /// Where the message can be replaced.
    response_url: Option<String>,
    /// The blocks of the message.
    blocks: Vec<Value>,
}

/// Whether `body` came from the Slack that knows `secret`, lately.
pub fn verify(secret: &str, timestamp: Option<&str>, signature: Option<&str>, body: &[u8], now: UnixMs) -> Result<(), Problem> {
    let forged = |detail: &str| Problem::new(401, "bad_signature", "The request is not signed by Slack", detail);
    let (Some(timestamp), Some(signature)) = (timestamp, signature) else {
        return Err(forged("X-Slack-Signature and X-Slack-Request-Timestamp are missing."));
    };
    let age_s = timestamp.parse::<i64>().map(|at_s| (now.0 / 1_000 - at_s).abs());
    if age_s.map_or(true, |age_s| age_s > MAX_AGE_S) {
        return Err(forged("X-Slack-Request-Timestamp is not within five minutes of now."));
    }
    let mac = hmac_sha256(secret.trim().as_bytes(), &[b"v0:", timestamp.as_bytes(), b":", body]);
    if same(signature, &format!("v0={}", ids::hex(&mac))) { Ok(()) } else { Err(forged("X-Slack-Signature is not that of this body.")) }
}

/// The click in `payload=…`; `None` for what is not one of our buttons.
pub fn click(body: &[u8]) -> Option<Click> {
    let form = std::str::from_utf8(body).ok()?;
    let payload = form.split('&').find_map(|pair| pair.strip_prefix("payload="))?;
    let payload: Value = serde_json::from_str(&percent_decoded(&payload.replace('+', " "))).ok()?;
    let action = payload.pointer("/actions/0")?;
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let id = text(&payload, "/user/id")?;
    let name = text(&payload, "/user/name").or_else(|| text(&payload, "/user/username")).unwrap_or_else(|| id.clone());
    Some(Click {
        alert: text(action, "/value")?,
        verb: Verb::from_str(action.get("action_id")?.as_str()?)?,
        by: Principal { id: format!("slack:{id}"), name: format!("@{name}"), role: Role::Operator },
        response_url: text(&payload, "/response_url").filter(|url| url.starts_with("https://") || url.starts_with("http://")),
        blocks: payload.pointer("/message/blocks").and_then(Value::as_array).cloned().unwrap_or_default(),
    })
}

impl Click {
    /// What it asks for.
    pub fn act(&self, now: UnixMs) -> Act {
        match self.verb {
            Verb::Acknowledge => Act::Acknowledge,
            Verb::Snooze => Act::Snooze { until: now.plus(SNOOZE_MS) },
            Verb::Resolve => Act::Resolve { verdict: None },
            Verb::Escalate => Act::Escalate,
        }
    }

    /// The request that shows in Slack what became of it, if there is a place for it.
    pub fn answer(&self, done: &Result<Shown, Problem>) -> Option<HttpRequest> {
        let body = match done {
            Ok(shown) => self.replaced(shown),
            Err(problem) => {
                json!({"response_type": "ephemeral", "replace_original": false, "text": format!("{}. {}", problem.title, problem.detail)})
            }
        };
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        let body = serde_json::to_vec(&body).ok()?;
        Some(HttpRequest { method: "POST".to_owned(), url: self.response_url.clone()?, headers, body })
    }

    /// The same message, with what was done where the buttons were that did it.
    fn replaced(&self, shown: &Shown) -> Value {
        let said = said(shown, &self.by.name);
        let mut blocks = Vec::new();
        for block in &self.blocks {
            let mut block = block.clone();
            if let Some(elements) = block.get_mut("elements").and_then(Value::as_array_mut) {
                elements.retain(|element| element.get("action_id").and_then(Value::as_str).and_then(Verb::from_str).is_none());
                if elements.is_empty() {
                    continue;
                }
            }
            blocks.push(block);
        }
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": said}]}));
        json!({"replace_original": true, "text": said, "blocks": blocks})
    }
}

fn said(shown: &Shown, by: &str) -> String {
    match (&shown.response, shown.phase) {
        (_, Phase::Resolved) => format!("🟢 resolved by {}", escaped(by, MAX_NAME_CHARS)),
        (Some(response), _) => {
            let until = response.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            format!("✅ acknowledged by {}{until}", escaped(&response.by, MAX_NAME_CHARS))
        }
        (None, _) => format!("🔴 escalated by {}", escaped(by, MAX_NAME_CHARS)),
    }
}

#[cfg(test)]
mod tests;
