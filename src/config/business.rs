//! Business targets that rules refer to.

use serde::{Deserialize, Serialize};

/// The business configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Business {
    /// Metric names (as posted to `/api/metrics`) shown under `business` in realtime, in this order.
    pub shown: Vec<String>,
    /// Daily goals.
    pub targets: Vec<Target>,
}

/// A goal for one counter over one business day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What rules call it.
    pub id: String,
    /// The counter it counts.
    pub series: String,
    /// The goal per day, in the counter's unit (cents for revenue).
    pub per_day: f64,
    /// The hours over which the day's goal is expected to come in evenly.
    pub hours: Hours,
}

/// Local hours of a day, `[from, to)`, as minutes since midnight written `HH:MM`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Opening, `HH:MM`.
    pub from: String,
    /// Closing, `HH:MM`; later than `from`.
    pub to: String,
}
