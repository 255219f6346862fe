//! Sentry: alerts, errors and cron check-ins as envelopes, built from sentry-core's protocol types and sent by ourselves.
//!
//! Nothing of the SDK runs and its `Dsn` is not used (see `project`). `Event::default()`, `Breadcrumb::default()`, `Dsn::to_auth()` and every `capture_*` read the
//! system clock, which panics in WASM, so an event is built field by field with the time it is given.
//!
//! Invariants: rendering the same thing twice gives the same bytes and the same `event_id`, by which Sentry drops the
//! second; the DSN's text is in no error; everything but our own links goes through the scrubber.
//!
//! An event of the store API cannot resolve an issue, so the end of an alert is an event of level `info` under the same
//! fingerprint that says so; the issue is closed by Sentry's own auto-resolve or by a person. No `sent_at` is written: an
//! outbox may send long after, and Sentry would move the event's time by the difference.
//!
//! Limits (develop.sentry.dev): an event 1 MB, a check-in 100 KB, a tag key 32 and its value 200 characters. A text here
//! is at most 32 KB after scrubbing, an event holds at most some twenty.

use std::time::{Duration, SystemTime};

use sentry_core::protocol::{ClientSdkInfo, EnvelopeItem, Event, Level, Map};
use sentry_core::types::Uuid;
use sentry_core::{Envelope, protocol::EnvelopeHeaders};

use self::project::Project;
use super::{RenderError, SENTRY_DSN};
use crate::edge::redact::Scrubber;
use crate::ids;
use crate::ports::HttpRequest;
use crate::time::UnixMs;

mod alert;
mod check_in;
mod error;
mod project;
pub mod quota;

pub use alert::render_alert;
pub use check_in::{CheckIn, CheckInStatus, check_in};
pub use error::{Sent, error_event};

/// What Sentry shows as the sender.
const CLIENT: &str = concat!("parapet/", env!("CARGO_PKG_VERSION"));

/// What Sentry shows as the release of Parapet's own events.
const RELEASE: &str = concat!("parapet@", env!("CARGO_PKG_VERSION"));

/// Longest tag key Sentry keeps.
const MAX_TAG_KEY_CHARS: usize = 32;

/// Longest tag value Sentry keeps.
const MAX_TAG_VALUE_CHARS: usize = 200;

/// The request that posts one item to the project of `dsn`.
fn request(dsn: &str, event_id: Option<Uuid>, item: EnvelopeItem) -> Result<HttpRequest, RenderError> {
    let project = Project::of(dsn).ok_or_else(|| RenderError::BadAddress { secret: SENTRY_DSN.to_owned() })?;
    let headers = event_id.map_or_else(EnvelopeHeaders::new, |id| EnvelopeHeaders::new().with_event_id(id));
    let mut envelope = Envelope::new().with_headers(headers);
    envelope.add_item(item);
    let mut body = Vec::new();
    envelope.to_writer(&mut body).map_err(|error| RenderError::Body { why: error.to_string() })?;
    Ok(HttpRequest {
        method: "POST".to_owned(),
        url: project.endpoint,
        headers: vec![
            ("content-type".to_owned(), "application/x-sentry-envelope".to_owned()),
            ("x-sentry-auth".to_owned(), format!("Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={}", project.key)),
        ],
        body,
    })
}

/// What every event of ours has; the rest of its fields is empty.
struct Frame<'a> {
    id: Uuid,
    level: Level,
    at: UnixMs,
    environment: &'a str,
    logger: &'a str,
    fingerprint: Vec<String>,
}

impl Frame<'_> {
    fn event(self) -> Event<'static> {
        let sdk = ClientSdkInfo {
            name: "parapet".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            integrations: Vec::new(),
            packages: Vec::new(),
        };
        Event {
            event_id: self.id,
            level: self.level,
            fingerprint: self.fingerprint.into_iter().map(Into::into).collect(),
            culprit: None,
            transaction: None,
            message: None,
            logentry: None,
            logger: Some(self.logger.to_owned()),
            modules: Map::new(),
            platform: "other".into(),
            timestamp: system_time(self.at),
            server_name: None,
            release: Some(RELEASE.into()),
            dist: None,
            environment: Some(self.environment.to_owned().into()),
            user: None,
            request: None,
            contexts: Map::new(),
            breadcrumbs: Vec::new().into(),
            exception: Vec::new().into(),
            stacktrace: None,
            template: None,
            threads: Vec::new().into(),
            tags: Map::new(),
            extra: Map::new(),
            debug_meta: std::borrow::Cow::default(),
            sdk: Some(std::borrow::Cow::Owned(sdk)),
        }
    }
}

/// Adding to the epoch reads no clock. Moments before 1970 become the epoch.
fn system_time(at: UnixMs) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or_default())
}

/// A version 4 UUID made of a hash: the same parts give the same id.
fn derived_id(parts: &[&str]) -> Uuid {
    let digest = ids::sha256_hex(parts.join("\0").as_bytes());
    let bits = digest.get(..32).and_then(|hex| u128::from_str_radix(hex, 16).ok()).unwrap_or_default();
    let without_version = bits & !0x0000_0000_0000_f000_c000_0000_0000_0000;
    Uuid::from_u128(without_version | 0x0000_0000_0000_4000_8000_0000_0000_0000)
}

/// A tag as Sentry keeps it; `None` when nothing of it would be kept.
fn tag(scrubber: &Scrubber, key: &str, value: &str) -> Option<(String, String)> {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.:-".contains(c) { c } else { '_' };
    let key: String = key.chars().map(allowed).take(MAX_TAG_KEY_CHARS).collect();
    let one_line = scrubber.value(&key, value).replace(['\n', '\r'], " ");
    let value: String = one_line.trim().chars().take(MAX_TAG_VALUE_CHARS).collect();
    (!key.is_empty() && !value.is_empty()).then_some((key, value))
}

#[cfg(test)]
mod tests;
