//! Business targets that rules refer to.

use serde::Serialize;

use crate::record::record;

/// The business configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Business {
    /// Metric names (as posted to `/api/metrics`) shown under `business` in realtime, in this order.
    pub shown: Vec<String>,
    /// Daily goals.
    pub targets: Vec<Target>,
}

record!(Business { shown, targets });

/// A goal for one counter over one business day.
#[derive(Debug, Clone, PartialEq, Serialize)]
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

record!(Target { id, series, per_day, hours });

/// Local hours of a day, `[from, to)`, as minutes since midnight written `HH:MM`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hours {
    /// Opening, `HH:MM`.
    pub from: String,
    /// Closing, `HH:MM`; later than `from`.
    pub to: String,
}

record!(Hours { from, to });

impl Hours {
    /// Opening and closing as minutes since local midnight; `None` unless both are `HH:MM` and closing is later.
    /// Closing may be `24:00`.
    pub fn minutes(&self) -> Option<(u32, u32)> {
        let (from, to) = (minute_of_day(&self.from)?, minute_of_day(&self.to)?);
        (from < to).then_some((from, to))
    }
}

/// `HH:MM` as minutes since midnight, `24:00` included.
pub fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?;
    let (hour, minute): (u32, u32) = (two_digits(hour)?, two_digits(minute)?);
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_minutes_of_a_day_and_close_after_they_open() {
        let minutes = |from: &str, to: &str| Hours { from: from.into(), to: to.into() }.minutes();
        assert_eq!(minutes("08:00", "18:30"), Some((480, 1110)));
        assert_eq!(minutes("00:00", "24:00"), Some((0, 1440)));
        for (from, to) in [("8:00", "18:00"), ("18:00", "08:00"), ("08:00", "08:00"), ("08:60", "09:00"), ("08:00", "24:01"), ("", "")] {
            assert_eq!(minutes(from, to), None, "{from}–{to}");
        }
    }
}
