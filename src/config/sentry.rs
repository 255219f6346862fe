//! Error events and cron check-ins to Sentry.

use serde::Serialize;

use crate::record::record;

/// The Sentry configuration; the address itself is the secret `SENTRY_DSN`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sentry {
    /// Share of origin 5xx that become events, 0 to 1; thrown errors and Parapet's own always do.
    pub origin_error_sample_rate: f64,
    /// Most events one isolate sends a minute.
    pub max_events_per_minute: u32,
    /// The monitor the tick checks in with.
    pub monitor: Monitor,
    /// Key names (matched as a part of the key, case-insensitive) whose values never leave.
    pub scrub_keys: Vec<String>,
}

record!(Sentry { origin_error_sample_rate, max_events_per_minute, monitor, scrub_keys });

/// A Sentry cron monitor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Monitor {
    /// Its slug.
    pub slug: String,
    /// Minutes a check-in may be late.
    pub checkin_margin_min: u32,
    /// Minutes a tick may take.
    pub max_runtime_min: u32,
    /// Missed or failed check-ins in a row before Sentry opens an issue.
    pub failure_issue_threshold: u32,
    /// Good check-ins in a row before it closes it.
    pub recovery_threshold: u32,
}

record!(Monitor { slug, checkin_margin_min, max_runtime_min, failure_issue_threshold, recovery_threshold });
