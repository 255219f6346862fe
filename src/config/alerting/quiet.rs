//! What keeps alerts quiet by configuration: causes, maintenance, and coming and going too often.

use serde::Serialize;

use super::calendar::{Date, Span, Weekday, date};
use crate::record::record;

/// When an alert flaps, and when it has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Flapping {
    /// How often it begins to fire.
    pub times: u32,
    /// Within how long.
    pub within_ms: i64,
    /// How long it has to stand still to have settled.
    pub settled_after_ms: i64,
}

record!(Flapping { times, within_ms, settled_after_ms });

/// While an alert that matches `source` fires, alerts that match `target` are kept quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inhibition {
    /// Stable and unique.
    pub id: String,
    /// Matchers of the cause.
    pub source: Vec<String>,
    /// Matchers of what it explains.
    pub target: Vec<String>,
    /// Labels that both must have with the same value; one that neither has is the same.
    pub equal: Vec<String>,
}

record!(Inhibition { id, source, target, equal = Vec::new() });

/// A recurring window in which alerts are expected and nobody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Maintenance {
    /// Stable and unique.
    pub id: String,
    /// Matchers of what is expected; none means every alert.
    pub matchers: Vec<String>,
    /// The days it begins on, in its zone.
    pub days: Vec<Weekday>,
    /// From when to when, in its zone.
    pub hours: Span,
    /// IANA zone.
    pub zone: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub author: String,
    /// The last day it begins on, `YYYY-MM-DD`.
    pub expires: String,
}

record!(Maintenance { id, matchers, days, hours, zone, reason, author, expires });

impl Maintenance {
    /// Year, month and day of `expires`; `None` unless it is a date.
    pub fn last_day(&self) -> Option<Date> {
        date(&self.expires)
    }
}
