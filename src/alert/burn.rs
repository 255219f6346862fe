//! Burn rates of a service-level objective: the windows, and whether a handful of errors means anything.
//!
//! A burn rate is the share of errors over the share the objective allows: at 1 the budget lasts its 30 days, at 14.4 a
//! fiftieth of it is gone in an hour. Windows and factors are the SRE workbook's ("Alerting on SLOs", recommended
//! parameters). A rate alone pages at night: at 20 requests an hour and 99.9 % one error is a burn rate of 50. So the errors
//! must also be more than chance gives at the allowed share, once in a thousand looks at most: that guard took the false
//! pages of 200 simulated days to none, at any traffic (`tests`).

use crate::config::alerting::Pace;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// A long and a short window, and the factor that both must exceed: the short one ends the alert soon after the errors end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The burn rate.
    pub factor: f64,
    /// The long window.
    pub long_ms: i64,
    /// The short one.
    pub short_ms: i64,
}

/// The pairs of a pace; one that is exceeded is enough.
pub fn windows(pace: Pace) -> [Pair; 2] {
    let pair = |factor, long_ms, short_ms| Pair { factor, long_ms, short_ms };
    match pace {
        Pace::Page => [pair(14.4, HOUR_MS, 5 * MINUTE_MS), pair(6.0, 6 * HOUR_MS, 30 * MINUTE_MS)],
        Pace::Ticket => [pair(3.0, DAY_MS, 2 * HOUR_MS), pair(1.0, 3 * DAY_MS, 6 * HOUR_MS)],
    }
}

/// Chance by which a healthy service may look this bad.
const CHANCE: f64 = 1e-3;
/// The normal deviate with that chance above it.
const DEVIATE: f64 = 3.09;
/// Beyond this many errors the normal approximation is as good.
const EXACT_UNTIL: f64 = 1_000.0;

/// Whether `bad` or more of `all` come by chance less than once in a thousand looks, when each is bad with `allowed`.
pub fn is_more_than_chance(bad: f64, all: f64, allowed: f64) -> bool {
    let (bad, all) = (bad.round(), all.round().max(bad.round()));
    if bad <= 0.0 {
        return false;
    }
    if allowed <= 0.0 {
        return true;
    }
    if bad > EXACT_UNTIL {
        return bad - all * allowed > DEVIATE * (all * allowed * (1.0 - allowed)).sqrt();
    }
    // The chance of exactly `bad`, by logarithms; the chances of more follow from it one by one.
    let mut ln = bad * allowed.ln() + (all - bad) * (-allowed).ln_1p();
    let mut k = 0.0;
    while k < bad {
        ln += ((all - k) / (k + 1.0)).ln();
        k += 1.0;
    }
    let (mut chance, mut tail) = (ln.exp(), 0.0);
    while k <= all && chance > CHANCE * 1e-6 && tail <= CHANCE {
        tail += chance;
        chance *= (all - k) / (k + 1.0) * allowed / (1.0 - allowed);
        k += 1.0;
    }
    // Left of the mean the chances still grow, so an early end says nothing; there it is never significant.
    bad > all * allowed && tail <= CHANCE
}

#[cfg(test)]
mod tests;
