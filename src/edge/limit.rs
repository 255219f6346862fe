//! Exact limits: at most N of one client in any window of W, decided by a log of the last N admissions.
//!
//! Invariant: an admission at `a` counts until `a + W` (half-open), so at any `now` at most N admissions lie in
//! `(now − W, now]`, whatever the schedule; a fixed window, a two-bucket counter and a token bucket of burst N all admit 2N
//! in some window. Denied attempts are not logged: they do not extend the wait. A client that waits exactly
//! `Retry-After` is admitted, since the oldest admission has left the window by then.
//!
//! Memory: N ≤ 64 moments of 8 bytes and a key per active client; a key idle for W is dropped by [`SlidingLog::sweep`].

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use crate::config::security::Limit;
use crate::record::choice;
use crate::time::UnixMs;

/// What a limit says of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitDecision {
    /// Go ahead.
    Admitted {
        /// Attempts left in this window.
        remaining: u32,
        /// Until the oldest admission leaves the window.
        reset_ms: i64,
    },
    /// The log is full.
    Denied {
        /// Until the next attempt is admitted.
        retry_in_ms: i64,
    },
}

choice!(LimitDecision { Admitted "admitted" { remaining, reset_ms }, Denied "denied" { retry_in_ms } });

/// The admissions of every client under one rule.
#[derive(Debug, Clone, Default)]
pub struct SlidingLog {
    admitted: HashMap<String, VecDeque<i64>>,
    latest_ms: i64,
}

impl SlidingLog {
    /// Decides one attempt of `key` and logs it when admitted. A clock that steps back is taken as standing still.
    pub fn attempt(&mut self, key: &str, now: UnixMs, requests: u32, window_ms: i64) -> LimitDecision {
        let now_ms = self.observe_clock(now);
        let log = self.admitted.entry(key.to_owned()).or_default();
        while log.front().is_some_and(|oldest| *oldest <= now_ms - window_ms) {
            log.pop_front();
        }
        let used = u32::try_from(log.len()).unwrap_or(u32::MAX);
        if used >= requests {
            let oldest = log.front().copied().unwrap_or(now_ms);
            return LimitDecision::Denied { retry_in_ms: oldest + window_ms - now_ms };
        }
        log.push_back(now_ms);
        let oldest = log.front().copied().unwrap_or(now_ms);
        LimitDecision::Admitted { remaining: requests - used - 1, reset_ms: oldest + window_ms - now_ms }
    }

    /// Puts back an admission read from storage; in the order they happened.
    pub fn restore(&mut self, key: &str, at: UnixMs) {
        self.observe_clock(at);
        self.admitted.entry(key.to_owned()).or_default().push_back(at.0);
    }

    /// The moment the log acts on: never earlier than any it has seen.
    pub fn observe_clock(&mut self, now: UnixMs) -> i64 {
        self.latest_ms = self.latest_ms.max(now.0);
        self.latest_ms
    }

    /// Drops what no longer counts at `now`.
    pub fn sweep(&mut self, now: UnixMs, window_ms: i64) {
        let now_ms = self.observe_clock(now);
        self.admitted.retain(|_, log| log.back().is_some_and(|latest| *latest > now_ms - window_ms));
    }

    /// Clients with an admission in the log.
    pub fn clients(&self) -> usize {
        self.admitted.len()
    }
}

/// Denials this isolate knows of, until the moment the Limiter named: repeat offenders cost no sub-request. Sound for a
/// log, which cannot free a place earlier. Admissions are never cached. At most 4,096 entries; a full cache is emptied of
/// what has passed, and if nothing has, it forgets all and asks the Limiter again.
#[derive(Debug, Default)]
pub struct DenyCache {
    until_ms: HashMap<(usize, String), i64>,
}

const MAX_DENIALS: usize = 4_096;

impl DenyCache {
    /// How long `key` stays denied under the rule at `rule_index`; `None` when nothing is known.
    pub fn retry_in_ms(&self, rule_index: usize, key: &str, now: UnixMs) -> Option<i64> {
        let until_ms = *self.until_ms.get(&(rule_index, key.to_owned()))?;
        (until_ms > now.0).then_some(until_ms - now.0)
    }

    /// Remembers a denial.
    pub fn remember(&mut self, rule_index: usize, key: &str, now: UnixMs, retry_in_ms: i64) {
        if self.until_ms.len() >= MAX_DENIALS {
            self.until_ms.retain(|_, until_ms| *until_ms > now.0);
        }
        if self.until_ms.len() >= MAX_DENIALS {
            self.until_ms.clear();
        }
        self.until_ms.insert((rule_index, key.to_owned()), now.0.saturating_add(retry_in_ms));
    }
}

/// The first limit that guards `method` and `path`, with its index.
pub fn guarding<'a>(limits: &'a [Limit], method: &str, path: &str) -> Option<(usize, &'a Limit)> {
    if limits.is_empty() || method == "OPTIONS" {
        return None;
    }
    let path = canonical_path(path);
    let guards = |limit: &Limit| limit.path == path && (limit.methods.is_empty() || limit.methods.iter().any(|guarded| guarded == method));
    limits.iter().enumerate().find(|(_, limit)| guards(limit))
}

/// The path as the origin is likely to read it: percent-decoded once, slashes collapsed, none at the end, ASCII in lower
/// case, so that `/API//bookings/` and `/api/%62ookings` meet the same limit as `/api/bookings`.
pub fn canonical_path(path: &str) -> String {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let escaped = (byte == b'%').then(|| Some((hex_digit(ahead.next()?)? << 4) | hex_digit(ahead.next()?)?)).flatten();
        if escaped.is_some() {
            rest = ahead;
        }
        let byte = escaped.unwrap_or(byte).to_ascii_lowercase();
        if byte != b'/' || decoded.last() != Some(&b'/') {
            decoded.push(byte);
        }
    }
    if decoded.len() > 1 && decoded.last() == Some(&b'/') {
        decoded.pop();
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Whole seconds, rounded up: waiting that long is always enough.
pub fn retry_after_s(retry_in_ms: i64) -> i64 {
    (retry_in_ms.max(0) + 999) / 1_000
}

/// `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10: `"login";q=5;w=60`.
pub fn policy_field(limit: &Limit) -> String {
    format!("\"{}\";q={};w={}", limit.id, limit.requests, limit.window_s)
}

/// `RateLimit` of the same draft: `"login";r=0;t=41`.
pub fn state_field(limit: &Limit, decision: LimitDecision) -> String {
    let (remaining, reset_ms) = match decision {
        LimitDecision::Admitted { remaining, reset_ms } => (remaining, reset_ms),
        LimitDecision::Denied { retry_in_ms } => (0, retry_in_ms),
    };
    format!("\"{}\";r={remaining};t={}", limit.id, retry_after_s(reset_ms))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::security::{LimitMode, OnFailure};

    fn login() -> Limit {
        Limit {
            id: "login".into(),
            path: "/api/auth/login".into(),
            methods: vec![],
            requests: 5,
            window_s: 60,
            mode: LimitMode::Enforce,
            on_failure: OnFailure::Edge,
        }
    }

    fn admitted(decision: LimitDecision) -> bool {
        matches!(decision, LimitDecision::Admitted { .. })
    }

    #[test]
    fn headers_follow_draft_10() {
        assert_eq!(policy_field(&login()), "\"login\";q=5;w=60");
        assert_eq!(state_field(&login(), LimitDecision::Denied { retry_in_ms: 40_001 }), "\"login\";r=0;t=41");
        assert_eq!(state_field(&login(), LimitDecision::Admitted { remaining: 4, reset_ms: 60_000 }), "\"login\";r=4;t=60");
    }

    #[test]
    fn another_spelling_of_the_path_is_the_same_path() {
        for path in
            ["/api/auth/login", "/api/auth/login/", "//api//auth/login", "/API/auth/Login", "/api/%61uth/login", "/api%2Fauth%2flogin"]
        {
            assert!(guarding(&[login()], "POST", path).is_some(), "{path}");
        }
        assert!(guarding(&[login()], "POST", "/api/auth/login/x").is_none());
        assert!(guarding(&[login()], "OPTIONS", "/api/auth/login").is_none(), "a CORS preflight is not an attempt");
        assert_eq!(canonical_path("/%zz/%"), "/%zz/%");
    }

    #[test]
    fn the_deny_cache_is_bounded_and_expires() {
        let mut cache = DenyCache::default();
        cache.remember(0, "a", UnixMs(1_000), 500);
        assert_eq!(cache.retry_in_ms(0, "a", UnixMs(1_499)), Some(1));
        assert_eq!(cache.retry_in_ms(0, "a", UnixMs(1_500)), None);
        assert_eq!(cache.retry_in_ms(1, "a", UnixMs(1_000)), None);
        for n in 0..10_000 {
            cache.remember(0, &n.to_string(), UnixMs(1_000), 500);
        }
        assert!(cache.until_ms.len() <= MAX_DENIALS);
    }

    /// Gaps between attempts, in ms: bursts, ordinary pauses, and waits around the window's edge.
    fn schedule() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(prop_oneof![4 => 0_i64..5, 3 => 0_i64..20_000, 1 => 59_990_i64..60_010, 1 => Just(-30_000_i64)], 1..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn never_more_than_n_in_any_window_and_never_denied_below_n(gaps in schedule(), requests in 1_u32..12) {
            let (mut log, mut clock, mut standing, mut at) = (SlidingLog::default(), 1_000_000_i64, 0_i64, Vec::<i64>::new());
            for gap in gaps {
                clock += gap;
                standing = standing.max(clock);
                let in_window = at.iter().filter(|admitted| **admitted > standing - 60_000).count();
                let decision = log.attempt("client", UnixMs(clock), requests, 60_000);
                prop_assert_eq!(admitted(decision), in_window < requests as usize, "{} of {} used at {}", in_window, requests, standing);
                if admitted(decision) { at.push(standing); }
            }
        }

        #[test]
        fn waiting_exactly_retry_after_is_enough_and_a_millisecond_less_is_not(gaps in schedule(), requests in 1_u32..12) {
            let (mut log, mut now) = (SlidingLog::default(), 1_000_000_i64);
            for gap in gaps {
                now += gap.max(0);
                if let LimitDecision::Denied { retry_in_ms } = log.attempt("client", UnixMs(now), requests, 60_000) {
                    prop_assert!(retry_in_ms > 0);
                    prop_assert!(!admitted(log.clone().attempt("client", UnixMs(now + retry_in_ms - 1), requests, 60_000)));
                    prop_assert!(admitted(log.clone().attempt("client", UnixMs(now + retry_after_s(retry_in_ms) * 1_000), requests, 60_000)));
                }
            }
        }

        #[test]
        fn a_restart_admits_none_extra(gaps in schedule(), restart_at in 0_usize..200) {
            let (mut log, mut now, mut stored) = (SlidingLog::default(), 1_000_000_i64, Vec::<i64>::new());
            let mut whole = SlidingLog::default();
            for (n, gap) in gaps.into_iter().enumerate() {
                now += gap.max(0);
                if n == restart_at {
                    log = SlidingLog::default();
                    stored.iter().filter(|at| **at > now - 60_000).for_each(|at| log.restore("client", UnixMs(*at)));
                }
                let decision = log.attempt("client", UnixMs(now), 5, 60_000);
                prop_assert_eq!(decision, whole.attempt("client", UnixMs(now), 5, 60_000));
                if admitted(decision) { stored.push(now); }
            }
        }

        #[test]
        fn sweeping_forgets_nothing_that_counts(gaps in schedule()) {
            let (mut log, mut swept, mut now) = (SlidingLog::default(), SlidingLog::default(), 1_000_000_i64);
            for gap in gaps {
                now += gap.max(0);
                swept.sweep(UnixMs(now), 60_000);
                prop_assert_eq!(log.attempt("c", UnixMs(now), 5, 60_000), swept.attempt("c", UnixMs(now), 5, 60_000));
            }
            swept.sweep(UnixMs(now + 60_000), 60_000);
            prop_assert_eq!(swept.clients(), 0);
        }
    }
}
