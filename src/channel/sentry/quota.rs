//! How long Sentry asks to be left alone: `X-Sentry-Rate-Limits` (also on a 200) and `Retry-After`.
//!
//! `60:error;default:organization:reason, 2700::key`: seconds, categories (none means all), scope, reason. Of several
//! that concern us the longest holds; a number that is missing or unreadable is [`DEFAULT_WAIT_MS`].

use crate::channel::answer::decimal_seconds_ms;
use crate::channel::answer::retry_after_ms;
use crate::ports::HttpResponse;
use crate::time::{DAY_MS, MINUTE_MS, UnixMs};

/// What a refusal without a readable time means.
pub const DEFAULT_WAIT_MS: i64 = MINUTE_MS;

/// No answer keeps us quiet for longer: after a day we ask again.
pub const MAX_WAIT_MS: i64 = DAY_MS;

/// What Sentry counts an envelope's item as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Alerts and errors.
    Error,
    /// Check-ins.
    Monitor,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 2] = [Self::Error, Self::Monitor];

    /// The word in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Monitor => "monitor",
        }
    }

    /// The category called `text`; `default` is what older servers call errors.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        if text == "default" { Some(Self::Error) } else { Self::ALL.into_iter().find(|category| category.as_str() == text) }
    }
}

/// Until when nothing of `category` may be sent, by an answer that came at `now`.
pub fn limited_until(response: &HttpResponse, category: Category, now: UnixMs) -> Option<UnixMs> {
    let listed = response.header("x-sentry-rate-limits").and_then(|header| longest_ms(header, category));
    let refused = || response.header("retry-after").and_then(|value| retry_after_ms(value, now)).unwrap_or(DEFAULT_WAIT_MS);
    let wait_ms = listed.or_else(|| (response.status == 429).then(refused))?;
    Some(now.plus(wait_ms.clamp(0, MAX_WAIT_MS)))
}

fn longest_ms(header: &str, category: Category) -> Option<i64> {
    header
        .split(',')
        .filter_map(|limit| {
            let mut fields = limit.trim().split(':');
            let seconds = fields.next().unwrap_or_default().trim();
            let mut categories = fields.next().unwrap_or_default().split(';').map(str::trim).filter(|name| !name.is_empty()).peekable();
            let concerns_us = categories.peek().is_none() || categories.any(|name| Category::from_str(name) == Some(category));
            (!limit.trim().is_empty() && concerns_us).then(|| wait_ms(seconds))
        })
        .max()
}

fn wait_ms(seconds: &str) -> i64 {
    decimal_seconds_ms(seconds).unwrap_or(DEFAULT_WAIT_MS)
}
