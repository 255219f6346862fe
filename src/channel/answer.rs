//! What a peer's answer means: one table for all channels, and the few deviations of each.
//!
//! 2xx is delivered; 408, 425, 429, 5xx, a timeout or a broken connection is worth another attempt; any other 4xx will not get
//! better by repeating; a redirect is never followed and so is permanent. (Alertmanager gives up on 408 and 429 too; Slack
//! and Resend say in their documentation that 429 means later, so we do not.)

use serde::Serialize;

use super::sentry::quota::{self, Category};
use super::{Address, slack, statuspage};
use crate::config::alerting::{EmailFormat, Via};
use crate::ports::{HttpError, HttpResponse};
use crate::time::{SECOND_MS, UnixMs};

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The peer has it.
    Delivered,
    /// It may work later.
    Retry {
        /// How long the peer asked us to wait, in milliseconds.
        after_ms: Option<i64>,
    },
    /// It will not work by repeating.
    Permanent,
}

/// An outcome, and what is written down of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What it means.
    pub outcome: DeliveryOutcome,
    /// The peer's status, if it answered.
    pub status: Option<u16>,
    /// Why, in words; no secret in it.
    pub detail: String,
}

impl Answer {
    /// An answer we gave ourselves: nothing was sent.
    pub fn own(outcome: DeliveryOutcome, detail: String) -> Self {
        Self { outcome, status: None, detail }
    }
}

/// What the peer of a channel meant, at `now`.
pub fn classify(via: &Via, address: &Address, result: &Result<HttpResponse, HttpError>, now: UnixMs) -> Answer {
    let response = match result {
        Ok(response) => response,
        Err(HttpError::BadUrl) => return Answer::own(DeliveryOutcome::Permanent, HttpError::BadUrl.to_string()),
        Err(error @ (HttpError::Timeout { .. } | HttpError::Network { .. })) => {
            return Answer::own(DeliveryOutcome::Retry { after_ms: None }, without_secrets(&error.to_string(), address));
        }
    };
    let body = String::from_utf8_lossy(&response.body);
    if let Via::Slack { secret, channel: Some(channel) } = via {
        let (outcome, why) = slack::bot::classify(response, secret, channel, now);
        return Answer { detail: why.unwrap_or_else(|| detail(response, &body, address)), outcome, status: Some(response.status) };
    }
    let outcome = match via {
        Via::Slack { .. } if response.status == 200 && body.trim() != "ok" => DeliveryOutcome::Permanent,
        // Resend: another request with this idempotency key is being worked on.
        Via::Email { format: EmailFormat::Resend, .. } if response.status == 409 && body.contains("concurrent_idempotent_requests") => {
            DeliveryOutcome::Retry { after_ms: None }
        }
        // Sentry says how long in a header of its own, and a 429 without any means a minute.
        Via::Sentry {} if response.status == 429 => {
            let until = quota::limited_until(response, Category::Error, now);
            DeliveryOutcome::Retry { after_ms: until.map(|until| until.since(now)) }
        }
        Via::Statuspage { .. } if response.status == statuspage::ENHANCE_YOUR_CALM => {
            DeliveryOutcome::Retry { after_ms: asked_ms(response, now) }
        }
        Via::Slack { .. }
        | Via::Email { .. }
        | Via::Sentry {}
        | Via::Webhook { .. }
        | Via::Pagerduty { .. }
        | Via::Cloudevents { .. }
        | Via::Statuspage { .. } => by_status(response, now),
    };
    Answer { detail: detail(response, &body, address), outcome, status: Some(response.status) }
}

pub(super) fn by_status(response: &HttpResponse, now: UnixMs) -> DeliveryOutcome {
    match response.status {
        200..=299 => DeliveryOutcome::Delivered,
        408 | 425 | 429 | 500..=599 => DeliveryOutcome::Retry { after_ms: asked_ms(response, now) },
        _ => DeliveryOutcome::Permanent,
    }
}

pub(super) fn asked_ms(response: &HttpResponse, now: UnixMs) -> Option<i64> {
    response.header("retry-after").and_then(|value| retry_after_ms(value, now))
}

/// `Retry-After` as milliseconds from `now`: whole or broken seconds, or an HTTP date. Anything else counts as absent.
pub fn retry_after_ms(value: &str, now: UnixMs) -> Option<i64> {
    decimal_seconds_ms(value.trim()).or_else(|| Some(UnixMs::from_http_date(value.trim())?.since(now).max(0)))
}

/// `12` or `0.25` seconds in whole milliseconds, rounded up. Read by hand: the standard library's reader of floats brings 14 KB.
pub(super) fn decimal_seconds_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let seconds = if whole.is_empty() { 0 } else { whole.parse::<i64>().unwrap_or(i64::MAX) };
    let mut ms = fraction.bytes().chain(*b"000").take(3).fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
    ms += i64::from(fraction.bytes().skip(3).any(|digit| digit != b'0'));
    Some(seconds.saturating_mul(SECOND_MS).saturating_add(ms))
}

/// Most characters of a peer's text that are kept.
const MAX_QUOTE_CHARS: usize = 200;

fn detail(response: &HttpResponse, body: &str, address: &Address) -> String {
    let said: String = body.chars().filter(|c| !c.is_control()).take(MAX_QUOTE_CHARS).collect();
    let said = without_secrets(said.trim(), address);
    match (response.status, said.is_empty()) {
        (300..=399, _) => format!("answered {}: redirects are not followed", response.status),
        (status, true) => format!("answered {status}"),
        (status, false) => format!("answered {status}: {said}"),
    }
}

/// `text` with the address and every part of it that is long enough to be a key replaced.
fn without_secrets(text: &str, address: &Address) -> String {
    // As used: a secret may have been set with a line feed at its end.
    let secrets: Vec<&str> = address.secrets().into_iter().map(str::trim).collect();
    let parts = secrets.iter().flat_map(|secret| std::iter::once(*secret).chain(secret.split(['/', '@', ':', '?', '=', '&'])));
    // Hosts stay readable: they hold a dot, and keys of the vendors here longer than a host label do too only with the whole URL.
    parts
        .filter(|part| part.len() >= 8 && (part.contains("://") || !is_host(part)))
        .fold(text.to_owned(), |text, part| text.replace(part, "…"))
}

/// A name of letters, digits, dots and hyphens that ends in a short top level, such as `hooks.slack.com`.
fn is_host(part: &str) -> bool {
    part.rsplit_once('.').is_some_and(|(_, top)| (2..=6).contains(&top.len()) && top.chars().all(|c| c.is_ascii_lowercase()))
        && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        && !part.starts_with("SG.")
}
