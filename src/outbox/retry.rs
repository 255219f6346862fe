//! When a failed message is tried again.
//!
//! Exponential from 5 s, doubled each time, at most 15 min: 5 s, 10 s, 20 s … 640 s, then every quarter of an hour. The first
//! nine attempts fall into 43 minutes; a day holds about a hundred. After [`GIVE_UP_AFTER_MS`] a message is dead; its
//! channel is reported long before that. Jitter is a hash of (id, attempt), so it needs no randomness and tests know it.

use crate::ids;
use crate::time::{DAY_MS, MINUTE_MS, SECOND_MS, UnixMs};

/// The first delay.
const BASE_MS: i64 = 5 * SECOND_MS;
/// The longest delay of our own.
const CEILING_MS: i64 = 15 * MINUTE_MS;
/// A peer's `Retry-After` up to this long is honoured at any attempt; a longer one up to twice our own delay.
pub const RETRY_AFTER_FLOOR_MS: i64 = 5 * MINUTE_MS;
/// How long after it was written a message is given up.
pub const GIVE_UP_AFTER_MS: i64 = DAY_MS;

/// When `attempt` (the one that just failed, from 1) of message `id` is followed by the next. `after_ms` is what the peer asked.
pub fn next_at(id: &str, attempt: u32, now: UnixMs, after_ms: Option<i64>) -> UnixMs {
    let base_ms = base_ms(attempt);
    let spread = u64::try_from(base_ms / 2).unwrap_or_default() + 1;
    let jitter_ms = i64::try_from(ids::hash64(format!("{id}\0{attempt}").as_bytes()) % spread).unwrap_or_default();
    let delay_ms = match after_ms {
        // Never earlier than the peer asked, within reason, and never earlier than our own schedule.
        Some(after_ms) => after_ms.clamp(base_ms, (2 * base_ms).max(RETRY_AFTER_FLOOR_MS)),
        None => base_ms + jitter_ms,
    };
    now.plus(delay_ms)
}

fn base_ms(attempt: u32) -> i64 {
    let doublings = attempt.saturating_sub(1).min(16);
    (BASE_MS << doublings).min(CEILING_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMs = UnixMs(1_772_366_400_000);

    #[test]
    fn delays_double_up_to_a_quarter_of_an_hour() {
        for (attempt, base_s) in [(1, 5), (2, 10), (3, 20), (8, 640), (9, 900), (10, 900), (u32::MAX, 900)] {
            assert_eq!(base_ms(attempt), base_s * SECOND_MS, "attempt {attempt}");
        }
    }

    #[test]
    fn retry_after_is_honoured_within_bounds() {
        for (attempt, asked_s, waited_s) in [
            (1, 30, 30),     // what Slack asks
            (1, 1, 5),       // never sooner than our own schedule
            (1, 3_600, 300), // an hour is too long for a first attempt
            (9, 1_200, 1_200),
            (9, 7_200, 1_800), // twice our own delay
            (9, 0, 900),
        ] {
            assert_eq!(next_at("msg_1", attempt, NOW, Some(asked_s * SECOND_MS)).since(NOW), waited_s * SECOND_MS, "{attempt} {asked_s}");
        }
    }

    proptest! {
        #[test]
        fn jitter_stays_within_half_of_the_delay_and_is_the_same_each_time(attempt in 1_u32..40, id in "[a-z]{4}") {
            let waited_ms = next_at(&id, attempt, NOW, None).since(NOW);
            prop_assert!((base_ms(attempt)..=base_ms(attempt) * 3 / 2).contains(&waited_ms));
            prop_assert_eq!(next_at(&id, attempt, NOW, None).since(NOW), waited_ms);
        }
    }
}
