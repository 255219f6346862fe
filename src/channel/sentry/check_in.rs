//! A cron check-in: the dead-man's switch outside of Cloudflare. The monitor is created by its first check-in.

use sentry_core::protocol::{EnvelopeItem, MonitorCheckIn, MonitorConfig, MonitorSchedule};

pub use sentry_core::protocol::MonitorCheckInStatus as CheckInStatus;

use super::{RenderError, derived_id, request};
use crate::config::sentry::Monitor;
use crate::ports::HttpRequest;
use crate::time::UnixMs;

/// The tick's schedule, as in `wrangler.toml`.
const EVERY_MINUTE: &str = "* * * * *";

/// How one tick went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckIn<'a> {
    /// `Ok` after a clean tick and a clean outbox, else `Error`.
    pub status: CheckInStatus,
    /// How long the tick took, in milliseconds.
    pub duration_ms: i64,
    /// The moment the tick was scheduled for: one tick has one check-in id, however often it is sent.
    pub scheduled: UnixMs,
    /// The environment Sentry files it under.
    pub environment: &'a str,
}

/// The request that checks in with `monitor` of the project of `dsn`.
///
/// # Errors
///
/// The DSN is not one (its text is not repeated), or the envelope cannot be written.
pub fn check_in(dsn: &str, monitor: &Monitor, tick: &CheckIn<'_>) -> Result<HttpRequest, RenderError> {
    let config = MonitorConfig {
        schedule: MonitorSchedule::Crontab { value: EVERY_MINUTE.to_owned() },
        checkin_margin: Some(monitor.checkin_margin_min.into()),
        max_runtime: Some(monitor.max_runtime_min.into()),
        timezone: Some("UTC".to_owned()),
        failure_issue_threshold: Some(monitor.failure_issue_threshold.into()),
        recovery_threshold: Some(monitor.recovery_threshold.into()),
    };
    let check_in = MonitorCheckIn {
        check_in_id: derived_id(&["check_in", &monitor.slug, tick.environment, &tick.scheduled.0.to_string()]),
        monitor_slug: monitor.slug.clone(),
        status: tick.status,
        environment: Some(tick.environment.to_owned()),
        duration: Some(tick.duration_ms.max(0) as f64 / 1_000.0),
        monitor_config: Some(config),
    };
    request(dsn, None, EnvelopeItem::MonitorCheckIn(check_in))
}
