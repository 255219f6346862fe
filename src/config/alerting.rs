//! How alerts are found, told and kept quiet: the parts of `alerting-configuration.yaml`.
//!
//! Durations are written `30s`, `5m`, `1h`, `7d` in the file and are milliseconds here.

mod calendar;
mod channel;
mod people;
mod quiet;
mod rule;

use serde::Serialize;

pub use self::calendar::*;
pub use self::channel::*;
pub use self::people::*;
pub use self::quiet::*;
pub use self::rule::*;
use super::business::minute_of_day;
use super::matchers::Matchers;
use crate::record::{record, words};

/// The alerting configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Alerting {
    /// Where notifications can go.
    pub channels: Vec<Channel>,
    /// Which alerts go where, in order; every route that matches is used until one that does not `continue`.
    pub routes: Vec<Route>,
    /// What is watched.
    pub rules: Vec<Rule>,
    /// Which alerts explain which others, so that people hear of the cause alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inhibitions: Vec<Inhibition>,
    /// When which alerts are expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<Maintenance>,
    /// Who is told next of an alert nobody has taken; the first that fits is in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalations: Vec<Escalation>,
    /// Who is on call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<Rotation>,
    /// Hours that routes name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_intervals: Vec<TimeInterval>,
    /// When an alert comes and goes too often to be told each time; never, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flapping: Option<Flapping>,
    /// When who is sent a report of the week; never, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<WeeklyReport>,
}

/// When who is sent a report of the alerts of the week before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeeklyReport {
    /// The day of the week.
    pub day: Weekday,
    /// The time, `HH:MM`.
    pub at: String,
    /// IANA zone of both, and of the week.
    pub zone: String,
    /// The channels: Slack and e-mail only.
    pub channels: Vec<String>,
}

record!(WeeklyReport { day, at, zone, channels });

impl WeeklyReport {
    /// Minutes since midnight; `None` unless `at` is `HH:MM`.
    pub fn minute(&self) -> Option<u32> {
        minute_of_day(&self.at).filter(|minute| *minute < 24 * 60)
    }
}

record!(Alerting { channels, routes, rules, inhibitions = Vec::new(), maintenance = Vec::new(), escalations = Vec::new(), rotations = Vec::new(), time_intervals = Vec::new(), flapping, report });

/// Sends alerts to channels.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Route {
    /// What an alert must have (`severity`, `rule` and the rule's own labels); empty matches all.
    pub matchers: Matchers,
    /// The channels' ids.
    pub channels: Vec<String>,
    /// Whether later routes are tried too.
    pub r#continue: bool,
    /// Routes for some of its alerts; what they do not say they have from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Self>,
    /// Time intervals in which it tells nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mute_times: Vec<String>,
    /// Time intervals outside which it tells nobody; none, it always may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub active_times: Vec<String>,
    /// Alerts with the same values of these labels are told of together; `...` is every label; none, each by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<String>,
    /// How the messages of a group follow each other; not used without `group_by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_wait_ms: Option<i64>,
    /// The least time between two messages of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_interval_ms: Option<i64>,
    /// How long after its last message a group that fires on is told of again; 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_interval_ms: Option<i64>,
}

record!(Route {
    matchers = Matchers::default(),
    channels = Vec::new(),
    r#continue as "continue" = false,
    routes = Vec::new(),
    mute_times = Vec::new(),
    active_times = Vec::new(),
    group_by = Vec::new(),
    group_wait_ms,
    group_interval_ms,
    repeat_interval_ms,
});

/// Every label, in `group_by`: Alertmanager's word for it.
pub const EVERY_LABEL: &str = "...";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it today.
    Warning,
    /// Wakes somebody.
    Critical,
}

words!(Severity { Info "info", Warning "warning", Critical "critical" });

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The configured, stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}
