//! Whether Parapet has watched for long enough to judge a condition.
//!
//! A window that reaches back beyond the first tick is only partly seen: nothing in it is no absence, and its sum is no low sum. So a
//! condition waits until its whole window was watched, unless the part that was seen settles it or another guard does:
//!
//! - a sum, count, rate or maximum *above* its bound is above it whatever came before; so is a minimum below it, and a last value;
//! - a ratio that asks for samples (`min_samples` of 2 or more) has as many as it takes;
//! - means and quantiles of at most 15 minutes, which a page may not wait for.
//!
//! A burn rate waits pair by pair: the one-hour pair judges after an hour. What was watched counts from the first tick ever, which
//! every tick's report hands on to the next; it outlives restarts and deploys, and a deployment older than the report's
//! key counts as old. Time in which a running deployment was down counts as watched: it shows as blindness or missing ticks.

use super::evaluate::NoDataWhy;
use super::observe::{LIVE_MS, Observation};
use crate::config::alerting::{Aggregate, Compare, When};
use crate::time::UnixMs;

/// Fewer samples than this are no guard.
const GUARDING_SAMPLES: f64 = 2.0;

/// Why to wait with a condition that looks at `seen`, if it is to wait; `since` is the first tick.
pub(super) fn wait(when: &When, seen: &[Observation], since: UnixMs, now: UnixMs) -> Option<NoDataWhy> {
    let longest = seen.iter().map(|seen| seen.window.from).min()?;
    let waits = match when {
        When::Absence { .. } | When::Change { .. } => true,
        When::Threshold { aggregate, compare, .. } => match (aggregate, compare) {
            (Aggregate::Sum | Aggregate::Count | Aggregate::Rate, Compare::Below) => true,
            (Aggregate::Sum | Aggregate::Count | Aggregate::Rate | Aggregate::Max, Compare::Above)
            | (Aggregate::Min, Compare::Below)
            | (Aggregate::Last, _) => false,
            (Aggregate::Avg | Aggregate::P50 | Aggregate::P95 | Aggregate::P99 | Aggregate::Max | Aggregate::Min, _) => is_long(seen),
        },
        When::Ratio { min_samples, .. } => *min_samples < GUARDING_SAMPLES && is_long(seen),
        // These ask for each of their parts, and what learns for what it has learnt.
        When::BurnRate { .. } | When::Anomaly { .. } | When::All(_) | When::Any(_) => false,
    };
    if waits { unseen(longest, since, now) } else { None }
}

fn is_long(seen: &[Observation]) -> bool {
    seen.iter().any(|seen| seen.window.length_ms() > LIVE_MS + super::observe::SLICE_MS)
}

/// The wait for a window that begins at `from`, unless all of it was watched.
pub(super) fn unseen(from: UnixMs, since: UnixMs, now: UnixMs) -> Option<NoDataWhy> {
    (from < since).then(|| NoDataWhy::WarmingUp { seen_ms: now.since(since).max(0), needed_ms: now.since(from) })
}

#[cfg(test)]
mod tests;
