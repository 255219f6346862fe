//! The verdict of an anomaly condition: whole hours against what is usual for them, by the detectors of [`super::anomaly`].
//!
//! Judged are whole hours that are surely written, so an hour is judged ten minutes after its end. Learnt is from the eight weeks before, from
//! the first hour in which the series was seen on; an hour without a row in which Parapet ticked counts nothing, one in which it did
//! not tick is unknown. Before four weeks (`fewer`) or 200 hours (`unusual`) the condition waits, whatever the rule says of missing data.
//! Invariant: what is said to be the bound is where the verdict turns, so a message compares what was decided by.

use super::anomaly::high_count::{Detector, LEARNING_POINTS, Outcome};
use super::anomaly::small_count::{self, HourCount, NEEDED_WEEKS, TooYoung, least_usual, nothing_is_significant_from};
use super::evaluate::{NoDataWhy, RuleFault, Verdict, aggregated};
use super::observe::Observation;
use super::quantity::{Measured, Threshold, Unit};
use crate::config::alerting::{Aggregate, Finds, Selector};
use crate::time::{DAY_MS, HOUR_MS, UnixMs};

const WEEK_MS: i64 = 7 * DAY_MS;

/// Whether the last hours of `seen` are usual.
pub(super) fn verdict(
    of: &Selector,
    aggregate: Aggregate,
    finds: Finds,
    seen: &Observation,
    zone: chrono_tz::Tz,
) -> Result<Verdict, RuleFault> {
    let mut points: Vec<(UnixMs, f64)> = Vec::with_capacity(seen.hours.len());
    for (hour, cell) in &seen.hours {
        points.extend(aggregated(of, cell, aggregate, HOUR_MS)?.map(|value| (*hour, value)));
    }
    let unit = Unit::of(&of.series, aggregate);
    Ok(match finds {
        Finds::Fewer => fewer(&points, seen.window.to, zone, unit),
        Finds::Unusual => unusual(&points, seen.window.to, unit),
    })
}

fn fewer(points: &[(UnixMs, f64)], until: UnixMs, zone: chrono_tz::Tz, unit: Unit) -> Verdict {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates, and a count is not negative")]
    let hours: Vec<HourCount> = points.iter().map(|(hour, value)| HourCount { hour: *hour, count: value.round() as u64 }).collect();
    match small_count::judge(&hours, until, zone) {
        small_count::Verdict::Learning(TooYoung { weeks }) => warming_up(weeks * WEEK_MS, NEEDED_WEEKS * WEEK_MS),
        small_count::Verdict::Gap { hour } => Verdict::NoData(NoDataWhy::Unwatched { hour }),
        small_count::Verdict::Sparse { expected } => {
            Verdict::NoData(NoDataWhy::TooFewUsual { usual: expected, needed: nothing_is_significant_from() })
        }
        small_count::Verdict::Usual(judged) => Verdict::DoesNotHold(sum(judged, unit)),
        small_count::Verdict::TooFew(judged) => Verdict::Holds(sum(judged, unit)),
    }
}

fn sum(judged: small_count::Judgement, unit: Unit) -> Measured {
    let least = least_usual(judged.expected, judged.dispersion) as f64;
    let over_ms = i64::from(judged.hours) * HOUR_MS;
    // Nobody reads the tenth of a booking.
    Measured::new(judged.observed as f64, Threshold::Below(least), unit, over_ms).normally(judged.expected.round(), unit)
}

fn unusual(points: &[(UnixMs, f64)], until: UnixMs, unit: Unit) -> Verdict {
    let last = until.plus(-HOUR_MS);
    let Some(((_, value), earlier)) = points.split_last().filter(|((hour, _), _)| *hour == last) else {
        return Verdict::NoData(NoDataWhy::NothingInWindow);
    };
    let mut detector = Detector::default();
    for (hour, value) in earlier {
        detector.observe(*hour, *value);
    }
    let (lowest, highest) = detector.edges(last);
    let judged = detector.observe(last, *value);
    let threshold = if *value < judged.expected { Threshold::Below(lowest) } else { Threshold::Above(highest) };
    let measured = Measured::new(*value, threshold, unit, HOUR_MS).normally(judged.expected, unit);
    match judged.outcome {
        Outcome::Learning => {
            let hours = i64::try_from(points.len()).unwrap_or_default();
            warming_up(hours * HOUR_MS, i64::try_from(LEARNING_POINTS).unwrap_or_default() * HOUR_MS)
        }
        Outcome::Alarm => Verdict::Holds(measured),
        Outcome::Normal | Outcome::Refractory => Verdict::DoesNotHold(measured),
        Outcome::Unreadable => Verdict::NoData(NoDataWhy::NothingInWindow),
    }
}

fn warming_up(seen_ms: i64, needed_ms: i64) -> Verdict {
    Verdict::NoData(NoDataWhy::WarmingUp { seen_ms, needed_ms })
}

#[cfg(test)]
mod tests;
