//! What a target expects by a moment of its day.

use super::{RuleFault, zone};
use crate::config::Config;
use crate::config::alerting::Bound;
use crate::config::business::{Target, minute_of_day};
use crate::time::{UnixMs, local_minute_and_weekday};

/// What a target expects by `now`: its goal spread evenly over its local hours; nothing before a quarter of them is
/// over, all of it from closing on.
pub(super) fn expected_by(target: &Target, now: UnixMs, config: &Config) -> Result<Option<f64>, RuleFault> {
    let bad_hours = || RuleFault::BadHours { target: target.id.clone() };
    let from = minute_of_day(&target.hours.from).ok_or_else(bad_hours)?;
    let to = minute_of_day(&target.hours.to).filter(|to| *to > from).ok_or_else(bad_hours)?;
    let (minute, _) = local_minute_and_weekday(now, zone(config));
    let share = (f64::from(minute) - f64::from(from)) / f64::from(to - from);
    Ok((share >= 0.25).then(|| target.per_day * share.min(1.0)))
}

/// The target a bound names.
pub(super) fn bound_target(bound: &Bound) -> String {
    match bound {
        Bound::OfTarget { target, .. } => target.clone(),
        Bound::Value(value) => value.to_string(),
    }
}
