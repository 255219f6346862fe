//! Who is told next, and who is on call.

use serde::Serialize;

use super::calendar::{Hours, Weekday};
use crate::config::business::minute_of_day;
use crate::record::record;
use crate::sorted::Map;

/// Who is told next of an alert that fires and that nobody has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// Stable and unique.
    pub id: String,
    /// Labels an alert must have; empty matches all.
    pub matchers: Map<String, String>,
    /// When this policy is in force; always, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// In order.
    pub steps: Vec<EscalationStep>,
    /// After the last step, how often it is repeated; 0, never.
    pub repeat_ms: i64,
}

record!(Escalation { id, matchers = Map::new(), hours, steps, repeat_ms = 0 });

/// One step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EscalationStep {
    /// How long after people were first told; 0 is together with them.
    pub after_ms: i64,
    /// Channels and rotations.
    pub notify: Vec<String>,
}

record!(EscalationStep { after_ms = 0, notify });

/// Channels that take turns, a week each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// What escalations call it; no channel is called the same.
    pub id: String,
    /// IANA zone of everything below.
    pub zone: String,
    /// When a shift ends and the next begins.
    pub handover: Handover,
    /// The day the first member's shift begins, or a day in it, `YYYY-MM-DD`.
    pub starts: String,
    /// The channels, in turn.
    pub members: Vec<String>,
    /// Who stands in, the first that covers a moment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

record!(Rotation { id, zone, handover, starts, members, overrides = Vec::new() });

/// When a shift ends and the next begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Handover {
    /// The day of the week.
    pub day: Weekday,
    /// The time, `HH:MM`.
    pub at: String,
}

record!(Handover { day, at });

impl Handover {
    /// Minutes since midnight; `None` unless `at` is `HH:MM`.
    pub fn minute(&self) -> Option<u32> {
        minute_of_day(&self.at).filter(|minute| *minute < 24 * 60)
    }
}

/// Somebody stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Override {
    /// From when, local, `YYYY-MM-DD HH:MM`.
    pub from: String,
    /// Until when.
    pub until: String,
    /// The channel.
    pub member: String,
}

record!(Override { from, until, member });
