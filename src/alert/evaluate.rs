//! Does a rule's condition hold? One pure function from what was observed to a [`Verdict`].
//!
//! The same function serves the live tick and whatever replays history. A verdict says why: no data, our own blindness
//! and a rule that cannot be evaluated are three different answers, and none of them is "all is well".

use serde::Serialize;

use self::target::{bound_target, expected_by};
use super::burn;
use super::observe::{Blindness, Observation, looks};
use super::quantity::{Measured, Threshold, Unit};
use super::unusual;
use super::warm_up;
use crate::config::Config;
use crate::config::alerting::{Aggregate, Bound, Pace, Rule, Selector, When};
use crate::telemetry::cell::Cell;
use crate::telemetry::series::Kind;
use crate::time::{UnixMs, human_span};

mod target;

/// The answer of one rule at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
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

impl Verdict {
    /// A sentence for a person; `currency` is an ISO 4217 code.
    pub fn sentence(&self, currency: &str) -> String {
        match self {
            Self::Holds(measured) => format!("It holds: {}.", measured.comparison(currency)),
            Self::DoesNotHold(measured) => format!("It does not hold: {}.", measured.comparison(currency)),
            Self::NoData(why) => why.sentence(),
            Self::Blind(why) => format!("Nothing can be seen: {why}."),
            Self::Broken(fault) => format!("It cannot be evaluated: {fault}."),
        }
    }
}

/// Why there is nothing to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
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
    /// So little is usual at this time that even nothing would mean nothing.
    TooFewUsual {
        /// What is usual.
        usual: f64,
        /// What it takes.
        needed: f64,
    },
    /// Parapet did not run in an hour that has to be judged. Always means "wait".
    Unwatched {
        /// Its first moment.
        hour: UnixMs,
    },
    /// Less than a quarter of the target's hours is over. Always means "wait", whatever the rule says of missing data.
    TooEarly,
    /// The condition looks further back than Parapet has watched. Always means "wait", too.
    WarmingUp {
        /// How long it has watched.
        seen_ms: i64,
        /// How far back the condition looks.
        needed_ms: i64,
    },
}

impl NoDataWhy {
    /// A sentence for a person.
    pub fn sentence(self) -> String {
        match self {
            Self::NothingInWindow => "No data in the window.".to_owned(),
            Self::TooFewSamples { samples, needed } => format!("Only {samples} samples in the window; it takes {needed}."),
            Self::TooFewUsual { usual, needed } => {
                format!("Too little is usual at this time to judge: {usual:.1} in six hours; it takes {needed:.1}.")
            }
            Self::Unwatched { hour } => format!("Parapet did not run in the hour from {}, which would be judged.", hour.rfc3339()),
            Self::TooEarly => "Too early in the day to judge.".to_owned(),
            Self::WarmingUp { seen_ms, needed_ms } => {
                format!("Warming up: Parapet has watched for {}; the rule looks back {}.", human_span(seen_ms), human_span(needed_ms))
            }
        }
    }
}

/// Why a rule cannot be evaluated as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
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

/// When a condition is judged, and since when Parapet has watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The tick's moment.
    pub now: UnixMs,
    /// The first tick.
    pub since: UnixMs,
}

/// The verdict of `rule` at a moment on what was seen of one of its instances.
pub fn evaluate(rule: &Rule, seen: &[Observation], at: Moment, config: &Config) -> Verdict {
    let measured = |measured: Measured| Measured { recovery: rule.recovery, ..measured };
    match condition(&rule.when, seen, at, config) {
        Ok(Verdict::Holds(found)) => Verdict::Holds(measured(found)),
        Ok(Verdict::DoesNotHold(found)) => Verdict::DoesNotHold(measured(found)),
        Ok(verdict) => verdict,
        Err(fault) => Verdict::Broken(fault),
    }
}

/// The verdict of one condition.
pub(super) fn condition(when: &When, seen: &[Observation], at: Moment, config: &Config) -> Result<Verdict, RuleFault> {
    if let Some(why) = warm_up::wait(when, seen, at.since, at.now) {
        return Ok(Verdict::NoData(why));
    }
    match (when, seen) {
        (When::Threshold { of, aggregate, compare, bound, .. }, [seen]) => {
            threshold(of, seen, *aggregate, at.now, config, (*compare, bound))
        }
        (When::Ratio { part, whole, compare, bound, min_samples, .. }, [some, all]) => {
            ratio((part, some), (whole, all), Threshold::new(*compare, *bound), *min_samples)
        }
        (When::Absence { of, .. }, [seen]) => absence(of, seen),
        (When::Change { of, aggregate, compare, bound, min_baseline, .. }, [now, then]) => {
            change(of, *aggregate, (now, then), Threshold::new(*compare, *bound), *min_baseline)
        }
        (When::BurnRate { bad, all, objective, pace }, seen) => burn_rate((bad, all), seen, 1.0 - objective, *pace, at),
        (When::Anomaly { of, aggregate, finds }, [seen]) => {
            only_kind(of, seen)?;
            unusual::verdict(of, *aggregate, *finds, seen, zone(config))
        }
        (When::All(of), seen) => combined(of, seen, at, config, Combination::All),
        (When::Any(of), seen) => combined(of, seen, at, config, Combination::Any),
        // `observe` answers every look, so this is a caller's mistake; it must not read as health.
        (When::Threshold { .. } | When::Ratio { .. } | When::Absence { .. } | When::Change { .. } | When::Anomaly { .. }, _) => {
            Ok(Verdict::Blind(Blindness::Stored { message: "not every selector was looked at".to_owned() }))
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Combination {
    All,
    Any,
}

/// One that settles it (for all, one that does not hold; for any, one that holds) decides; then blindness, since it might
/// have; then missing data; then the first.
fn combined(of: &[When], seen: &[Observation], at: Moment, config: &Config, combination: Combination) -> Result<Verdict, RuleFault> {
    let mut rest = seen;
    let mut verdicts = Vec::new();
    for when in of {
        let Some((seen, after)) = rest.split_at_checked(looks(when).len()) else {
            return Ok(Verdict::Blind(Blindness::Stored { message: "not every selector was looked at".to_owned() }));
        };
        verdicts.push(condition(when, seen, at, config)?);
        rest = after;
    }
    let settles = |verdict: &Verdict| match combination {
        Combination::All => matches!(verdict, Verdict::DoesNotHold(_)),
        Combination::Any => matches!(verdict, Verdict::Holds(_)),
    };
    let decisive: [&dyn Fn(&Verdict) -> bool; 4] =
        [&settles, &|verdict| matches!(verdict, Verdict::Blind(_)), &|verdict| matches!(verdict, Verdict::NoData(_)), &|_| true];
    let found = decisive.into_iter().find_map(|decides| verdicts.iter().find(|verdict| decides(verdict)));
    Ok(found.cloned().unwrap_or(Verdict::NoData(NoDataWhy::NothingInWindow)))
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
    Ok(judge(Measured::new(value, threshold, unit, seen.window.length_ms())))
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
    Ok(judge(Measured::new(value, threshold, Unit::Ratio, all.window.length_ms())))
}

fn absence(of: &Selector, seen: &Observation) -> Result<Verdict, RuleFault> {
    let value = match only_kind(of, seen)? {
        // A gauge that was written is there, whatever its level.
        Some(Cell::Gauge(_)) => 1.0,
        Some(cell) => cell.amount(),
        None => 0.0,
    };
    Ok(judge(Measured::new(value, Threshold::Something, Unit::Plain, seen.window.length_ms())))
}

fn change(
    of: &Selector,
    aggregate: Aggregate,
    (now, then): (&Observation, &Observation),
    threshold: Threshold,
    needed: f64,
) -> Result<Verdict, RuleFault> {
    let value_of = |seen: &Observation| match only_kind(of, seen)? {
        Some(cell) => aggregated(of, cell, aggregate, seen.window.length_ms()),
        None => Ok(None),
    };
    let lengths = now.window.length_ms() as f64 / (then.window.length_ms() as f64).max(1.0);
    // Old windows are read in whole hours, so what adds up over time is compared for the same length.
    let adds_up = matches!(aggregate, Aggregate::Sum | Aggregate::Count);
    let Some(baseline) = value_of(then)?.map(|value| if adds_up { value * lengths } else { value }) else {
        return Ok(Verdict::NoData(NoDataWhy::NothingInWindow));
    };
    if baseline <= 0.0 || baseline < needed {
        return Ok(Verdict::NoData(NoDataWhy::TooFewSamples { samples: baseline, needed }));
    }
    let value = match value_of(now)? {
        Some(value) => value,
        // What counts things counts none; a level that is not there is not zero.
        None if matches!(aggregate, Aggregate::Sum | Aggregate::Count | Aggregate::Rate) => 0.0,
        None => return Ok(Verdict::NoData(NoDataWhy::NothingInWindow)),
    };
    let measured = Measured::new(value / baseline - 1.0, threshold, Unit::Ratio, now.window.length_ms());
    Ok(judge(measured.normally(baseline, Unit::of(&of.series, aggregate))))
}

fn burn_rate((bad, all): (&Selector, &Selector), seen: &[Observation], allowed: f64, pace: Pace, at: Moment) -> Result<Verdict, RuleFault> {
    let counts = |some: &Observation, whole: &Observation| -> Result<(f64, f64), RuleFault> {
        Ok((only_kind(bad, some)?.map_or(0.0, Cell::amount), only_kind(all, whole)?.map_or(0.0, Cell::amount)))
    };
    let burn = |(errors, total): (f64, f64)| if total > 0.0 { errors / total / allowed } else { 0.0 };
    let mut verdict = Verdict::NoData(NoDataWhy::NothingInWindow);
    for (pair, seen) in burn::windows(pace).into_iter().zip(seen.chunks_exact(4)) {
        let [bad_long, all_long, bad_short, all_short] = seen else { continue };
        if let Some(why) = warm_up::unseen(all_long.window.from, at.since, at.now) {
            if matches!(verdict, Verdict::NoData(_)) {
                verdict = Verdict::NoData(why);
            }
            continue;
        }
        let (long, short) = (counts(bad_long, all_long)?, counts(bad_short, all_short)?);
        if long.1 <= 0.0 {
            continue;
        }
        let measured = Measured::new(burn(long), Threshold::Above(pair.factor), Unit::Times, all_long.window.length_ms());
        if burn(long) > pair.factor && burn(short) > pair.factor && burn::is_more_than_chance(long.0, long.1, allowed) {
            return Ok(Verdict::Holds(measured));
        }
        if matches!(verdict, Verdict::NoData(_)) {
            verdict = Verdict::DoesNotHold(measured);
        }
    }
    Ok(verdict)
}

fn only_kind<'a>(selector: &Selector, seen: &'a Observation) -> Result<Option<&'a Cell>, RuleFault> {
    match seen.cells.as_slice() {
        [] => Ok(None),
        [cell] => Ok(Some(cell)),
        _ => Err(RuleFault::MixedKinds { series: selector.series.clone() }),
    }
}

/// `None` when the cell holds no value (an empty distribution).
pub(super) fn aggregated(of: &Selector, cell: &Cell, aggregate: Aggregate, over_ms: i64) -> Result<Option<f64>, RuleFault> {
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

/// The site's zone; UTC if its name is unknown, which the configuration's check refuses.
pub fn zone(config: &Config) -> chrono_tz::Tz {
    config.site.timezone.parse().unwrap_or(chrono_tz::UTC)
}

#[cfg(test)]
mod tests;
