//! When the Engine ticks, and what falls to a tick beside its rules.
//!
//! Cron comes once a minute. While a rule is evaluated more often, the Engine's own alarm ticks at every boundary of ten seconds as
//! well, and both name a tick by its boundary: whoever comes second finds it done. What belongs to the minute (check-in, heartbeat, upkeep,
//! counting ticks) falls to the first tick of a minute, whoever called and whenever it came. Invariants: it is done once in a minute, also
//! when the tick that should have done it was cut off after its work; without a rule below a minute no alarm rings for a boundary.

use crate::config::alerting::Rule;
use crate::time::{MINUTE_MS, SECOND_MS, UnixMs};

/// The least interval of a rule, and the width of a live slice.
pub const FINE_MS: i64 = 10 * SECOND_MS;

/// Whether one of `rules` is evaluated more often than cron comes.
pub fn is_fine(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.interval_ms < MINUTE_MS)
}

/// The moment a tick that begins at `now` is of.
pub fn moment(now: UnixMs) -> UnixMs {
    now.floor(FINE_MS)
}

/// The next moment after `now` at which one is due.
pub fn next(now: UnixMs) -> UnixMs {
    moment(now).plus(FINE_MS)
}

/// What falls to a tick beside its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duties {
    /// Nothing.
    None,
    /// The minute's.
    OfTheMinute,
}

/// What falls to the tick of the moment `at`, when those of the minute `done` were done last.
pub fn duties(at: UnixMs, done: UnixMs) -> Duties {
    if at.floor(MINUTE_MS) > done { Duties::OfTheMinute } else { Duties::None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: UnixMs = UnixMs(1_772_452_800_000);

    #[test]
    fn cron_and_alarm_name_a_moment_alike_and_the_alarm_rings_at_the_next() {
        for (after_ms, of_s, next_s) in [(0, 0, 10), (1, 0, 10), (9_999, 0, 10), (10_000, 10, 20), (59_999, 50, 60)] {
            let now = NOON.plus(after_ms);
            assert_eq!((moment(now), next(now)), (NOON.plus(of_s * SECOND_MS), NOON.plus(next_s * SECOND_MS)), "{after_ms} ms");
        }
    }

    #[test]
    fn what_belongs_to_a_minute_falls_to_its_first_tick_whoever_called() {
        for (why, at_s, done_s, expected) in [
            ("the first ever", 0, -1_772_452_800, Duties::OfTheMinute),
            ("the alarm at :00.2, before cron", 60, 0, Duties::OfTheMinute),
            ("cron at :00, after the alarm did it", 60, 60, Duties::None),
            ("within the minute", 90, 60, Duties::None),
            ("the alarm at :10, when cron and the alarm of :00 did not come", 70, 0, Duties::OfTheMinute),
            ("cron that comes a minute late", 60, 120, Duties::None),
        ] {
            let at = NOON.plus(at_s * SECOND_MS);
            assert_eq!(duties(at, NOON.plus(done_s * SECOND_MS)), expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn each_minute_that_saw_a_tick_in_time_has_its_duties_once(ticks in prop::collection::vec(0_i64..60, 1..80)) {
            let (mut done, mut times) = (UnixMs(0), std::collections::BTreeMap::<UnixMs, u32>::new());
            let mut newest = NOON.plus(-MINUTE_MS);
            for tenth in ticks {
                let at = NOON.plus(tenth * FINE_MS);
                let minute = at.floor(MINUTE_MS);
                if duties(at, done) == Duties::OfTheMinute {
                    done = minute;
                    *times.entry(minute).or_default() += 1;
                }
                // One that comes after a later minute's is too late to say that all was well then.
                prop_assert_eq!(times.contains_key(&minute), minute > newest || times.contains_key(&minute));
                newest = newest.max(minute);
            }
            prop_assert!(times.values().all(|times| *times == 1));
            prop_assert!(times.contains_key(&newest));
        }
    }
}
