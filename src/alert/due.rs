//! Which rules a tick evaluates: those with a boundary of their interval since the last tick.
//!
//! Boundaries are by the clock (UTC): a rule of ten minutes has one at ten past, whenever it was configured. Nothing is remembered
//! of a rule beyond the last tick, for every boundary a tick meets it deals with. Invariants: a boundary whose tick is late,
//! skipped or failed is met by the next applied tick, once; a tick that could not see is no evaluation, so after it every rule is
//! due. A rule that is configured anew waits for its first boundary, an hour at most.

use crate::config::alerting::Rule;
use crate::storage::alerts::LastTick;
use crate::time::UnixMs;

/// Those of `rules` that a tick at `now` evaluates; all of them if it is the first.
pub(super) fn due<'r>(rules: &'r [Rule], last: Option<&LastTick>, now: UnixMs) -> Vec<&'r Rule> {
    let last = last.filter(|last| !last.was_blind).map(|last| last.at);
    rules.iter().filter(|rule| last.is_none_or(|last| met_boundary(rule.interval_ms, last, now))).collect()
}

/// Whether a boundary lies in `(last, now]`; an interval of none is every tick.
fn met_boundary(interval_ms: i64, last: UnixMs, now: UnixMs) -> bool {
    interval_ms <= 0 || now.floor(interval_ms) > last.floor(interval_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_met_once_however_late() {
        let minute = |minute: i64| UnixMs(1_772_452_800_000 + minute * 60_000);
        for (interval_min, last, now, expected) in [
            (1, 0, 1, true),
            (10, 0, 9, false),
            (10, 9, 10, true),
            (10, 9, 14, true),
            (10, 14, 19, false),
            (10, 10, 11, false),
            (10, 10, 45, true),
            (60, 59, 60, true),
            (60, 60, 119, false),
            (0, 5, 5, true),
        ] {
            assert_eq!(met_boundary(interval_min * 60_000, minute(last), minute(now)), expected, "{interval_min} min, {last} to {now}");
        }
        let second = |second: i64| UnixMs(1_772_452_800_000 + second * 1_000);
        assert!(!met_boundary(10_000, second(3), second(9)) && met_boundary(10_000, second(9), second(10)));
    }
}
