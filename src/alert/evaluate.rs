//! Does a rule's condition hold? One pure function from what was observed to a [`Verdict`].
//!
//! The same function serves the live tick and whatever replays history. A verdict says why: no data, our own blindness
//! and a rule that cannot be evaluated are three different answers, and none of them is "all is well".

use serde::{Deserialize, Serialize};

use super::observe::{Blindness, Observation, Observed};
use super::quantity::{Measured, Threshold, Unit};
use crate::config::Config;
use crate::config::alerting::{Aggregate, Bound, Rule, Selector, When};
use crate::config::business::Target;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::Kind;
use crate::time::{UnixMs, local_minute_and_weekday};

/// The answer of one rule at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The condition holds.
    Holds(Measured),
    /// It does not.
    DoesNotHold(Measured),
    /// There is nothing to judge by.
    NoData(NoDataWhy),
    /// We could not look.
    Blind(Blindness),
    /// The rule cannot be evaluated as it is written.
    Broken(RuleFault),
}

impl Verdict {
    /// The reported text.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Holds(_) => "holds",
            Self::DoesNotHold(_) => "does_not_hold",
            Self::NoData(_) => "no_data",
            Self::Blind(_) => "blind",
            Self::Broken(_) => "broken",
        }
    }

    /// What was measured, if anything was.
    pub fn measured(&self) -> Option<Measured> {
        match self {
            Self::Holds(measured) | Self::DoesNotHold(measured) => Some(*measured),
            Self::NoData(_) | Self::Blind(_) | Self::Broken(_) => None,
        }
    }
}

/// Why there is nothing to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoDataWhy {
    /// No series matched in the window.
    NothingInWindow,
    /// A share of too few.
    TooFewSamples {
        /// How many there were.
        samples: f64,
        /// How many it takes.
        needed: f64,
    },
    /// Less than a quarter of the target's hours is over. Always means "wait", whatever the rule says of missing data.
    TooEarly,
}

impl NoDataWhy {
    /// A sentence for a person.
    pub fn sentence(self) -> String {
        match self {
            Self::NothingInWindow => "No data in the window.".to_owned(),
            Self::TooFewSamples { samples, needed } => format!("Only {samples} samples in the window; it takes {needed}."),
            Self::TooEarly => "Too early in the day to judge.".to_owned(),
        }
    }
}

/// Why a rule cannot be evaluated as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RuleFault {
    /// It refers to a target that is not configured.
    #[error("there is no target called {target}")]
    UnknownTarget {
        /// What it refers to.
        target: String,
    },
    /// The target's hours do not read as `HH:MM`, or close before they open.
    #[error("the hours of target {target} are not HH:MM to a later HH:MM")]
    BadHours {
        /// The target.
        target: String,
    },
    /// The selector matches series of several kinds, which do not add up.
    #[error("{series} is the name of series of several kinds")]
    MixedKinds {
        /// The metric name.
        series: String,
    },
    /// The aggregate has no meaning for the kind.
    #[error("{aggregate} has no meaning for the {kind} {series}", kind = kind.as_str())]
    NoSuchAggregate {
        /// The metric name.
        series: String,
        /// Its kind.
        kind: Kind,
        /// The aggregate, as configured.
        aggregate: String,
    },
}

/// The verdict of `rule` at `now` on what was observed.
pub fn evaluate(rule: &Rule, observed: &Observed, now: UnixMs, config: &Config) -> Verdict {
    let observations = match observed {
        Ok(observations) => observations,
        Err(blindness) => return Verdict::Blind(blindness.clone()),
    };
    let judged = match (&rule.when, observations.as_slice()) {
        (When::Threshold { of, aggregate, compare, bound, .. }, [seen]) => threshold(of, seen, *aggregate, now, config, (*compare, bound)),
        (When::Ratio { part, whole, compare, bound, min_samples, .. }, [some, all]) => {
            ratio((part, some), (whole, all), Threshold::new(*compare, *bound), *min_samples)
        }
        (When::Absence { of, .. }, [seen]) => absence(of, seen),
        // `observe` answers every selector, so this is a caller's mistake; it must not read as health.
        (When::Threshold { .. } | When::Ratio { .. } | When::Absence { .. }, _) => {
            return Verdict::Blind(Blindness::Stored { message: "not every selector was looked at".to_owned() });
        }
    };
    judged.unwrap_or_else(Verdict::Broken)
}

fn judge(measured: Measured) -> Verdict {
    if measured.threshold.broken_by(measured.value) { Verdict::Holds(measured) } else { Verdict::DoesNotHold(measured) }
}

fn threshold(
    of: &Selector,
    seen: &Observation,
    aggregate: Aggregate,
    now: UnixMs,
    config: &Config,
    (compare, bound): (crate::config::alerting::Compare, &Bound),
) -> Result<Verdict, RuleFault> {
    let bound = match bound {
        Bound::Value(bound) => *bound,
        Bound::OfTarget { target, share } => {
            let target = config.business.targets.iter().find(|known| known.id == *target);
            let target = target.ok_or_else(|| RuleFault::UnknownTarget { target: bound_target(bound) })?;
            match expected_by(target, now, config)? {
                Some(expected) => expected * share,
                None => return Ok(Verdict::NoData(NoDataWhy::TooEarly)),
            }
        }
    };
    let Some(cell) = only_kind(of, seen)? else { return Ok(Verdict::NoData(NoDataWhy::NothingInWindow)) };
    let Some(value) = aggregated(of, cell, aggregate, seen.window.length_ms())? else {
        return Ok(Verdict::NoData(NoDataWhy::NothingInWindow));
    };
    let (threshold, unit) = (Threshold::new(compare, bound), Unit::of(&of.series, aggregate));
    Ok(judge(Measured { value, threshold, unit, over_ms: seen.window.length_ms() }))
}

fn ratio(
    (part, some): (&Selector, &Observation),
    (whole, all): (&Selector, &Observation),
    threshold: Threshold,
    needed: f64,
) -> Result<Verdict, RuleFault> {
    let samples = only_kind(whole, all)?.map_or(0.0, Cell::amount);
    if samples <= 0.0 {
        return Ok(Verdict::NoData(NoDataWhy::NothingInWindow));
    }
    if samples < needed {
        return Ok(Verdict::NoData(NoDataWhy::TooFewSamples { samples, needed }));
    }
    let value = only_kind(part, some)?.map_or(0.0, Cell::amount) / samples;
    Ok(judge(Measured { value, threshold, unit: Unit::Ratio, over_ms: all.window.length_ms() }))
}

fn absence(of: &Selector, seen: &Observation) -> Result<Verdict, RuleFault> {
    let value = match only_kind(of, seen)? {
        // A gauge that was written is there, whatever its level.
        Some(Cell::Gauge(_)) => 1.0,
        Some(cell) => cell.amount(),
        None => 0.0,
    };
    Ok(judge(Measured { value, threshold: Threshold::Something, unit: Unit::Plain, over_ms: seen.window.length_ms() }))
}

fn only_kind<'a>(selector: &Selector, seen: &'a Observation) -> Result<Option<&'a Cell>, RuleFault> {
    match seen.cells.as_slice() {
        [] => Ok(None),
        [cell] => Ok(Some(cell)),
        _ => Err(RuleFault::MixedKinds { series: selector.series.clone() }),
    }
}

/// `None` when the cell holds no value (an empty distribution).
fn aggregated(of: &Selector, cell: &Cell, aggregate: Aggregate, over_ms: i64) -> Result<Option<f64>, RuleFault> {
    let seconds = (over_ms as f64 / 1_000.0).max(1.0);
    let meaningless = || RuleFault::NoSuchAggregate { series: of.series.clone(), kind: cell.kind(), aggregate: said(aggregate) };
    Ok(match (cell, aggregate) {
        (Cell::Counter(sum), Aggregate::Sum | Aggregate::Count) => Some(sum.as_f64()),
        (Cell::Counter(sum), Aggregate::Rate) => Some(sum.as_f64() / seconds),
        (Cell::Gauge(gauge), Aggregate::Last) => Some(gauge.last),
        (Cell::Gauge(gauge), Aggregate::Min) => Some(gauge.min),
        (Cell::Gauge(gauge), Aggregate::Max) => Some(gauge.max),
        (Cell::Distribution(_), _) if cell.amount() <= 0.0 => None,
        (Cell::Distribution(values), Aggregate::Sum) => Some(values.sum.as_f64()),
        (Cell::Distribution(_), Aggregate::Count) => Some(cell.amount()),
        (Cell::Distribution(_), Aggregate::Rate) => Some(cell.amount() / seconds),
        (Cell::Distribution(values), Aggregate::Avg) => Some(values.sum.as_f64() / cell.amount()),
        (Cell::Distribution(values), Aggregate::Min) => Some(values.min),
        (Cell::Distribution(values), Aggregate::Max) => Some(values.max),
        (Cell::Distribution(_), Aggregate::P50) => cell.quantile(0.5),
        (Cell::Distribution(_), Aggregate::P95) => cell.quantile(0.95),
        (Cell::Distribution(_), Aggregate::P99) => cell.quantile(0.99),
        (Cell::Counter(_) | Cell::Gauge(_) | Cell::Distribution(_), _) => return Err(meaningless()),
    })
}

/// The aggregate's configured text, from its one definition: the serialised form.
fn said(aggregate: Aggregate) -> String {
    serde_json::to_value(aggregate).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn bound_target(bound: &Bound) -> String {
    match bound {
        Bound::OfTarget { target, .. } => target.clone(),
        Bound::Value(value) => value.to_string(),
    }
}

/// What a target expects by `now`: its goal spread evenly over its local hours; nothing before a quarter of them is
/// over, all of it from closing on.
fn expected_by(target: &Target, now: UnixMs, config: &Config) -> Result<Option<f64>, RuleFault> {
    let bad_hours = || RuleFault::BadHours { target: target.id.clone() };
    let from = minute_of_day(&target.hours.from).ok_or_else(bad_hours)?;
    let to = minute_of_day(&target.hours.to).filter(|to| *to > from).ok_or_else(bad_hours)?;
    let (minute, _) = local_minute_and_weekday(now, zone(config));
    let share = (f64::from(minute) - f64::from(from)) / f64::from(to - from);
    Ok((share >= 0.25).then(|| target.per_day * share.min(1.0)))
}

/// The site's zone; UTC if its name is unknown, which the configuration's check refuses.
pub fn zone(config: &Config) -> chrono_tz::Tz {
    config.site.timezone.parse().unwrap_or(chrono_tz::UTC)
}

/// `HH:MM` as minutes since midnight, `24:00` included.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours.checked_mul(60)?.checked_add(minutes)?;
    (minutes < 60 && minute <= 24 * 60).then_some(minute)
}

#[cfg(test)]
mod tests;
