//! Which errors become events in Sentry: sampled, grouped, within a budget, and silent while Sentry asks for silence.
//!
//! One reporter per isolate. Invariants: of one group at most one event goes out in [`GROUP_MS`], and the next one says
//! how many it stands for; no more than `max_events_per_minute` go out in a minute; whatever is not sent is counted by
//! why. Memory: at most [`MAX_GROUPS`] groups of a hash and three numbers (≈ 8 KB); the one silent longest makes room.
//!
//! Sampling is a hash of the request id, so the same request gives the same verdict in every isolate and test.

use std::collections::HashMap;

use super::series::{Kind, SeriesKey, name};
use crate::config::sentry::Sentry;
use crate::ids::hash64;
use crate::order;
use crate::time::{MINUTE_MS, UnixMs};

/// How long a group stays silent after an event.
pub const GROUP_MS: i64 = MINUTE_MS;

/// Most groups one isolate remembers.
pub const MAX_GROUPS: usize = 200;

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The origin answered 5xx.
    OriginStatus,
    /// The origin did not answer.
    OriginFetch,
    /// A part of Parapet failed and went on.
    Own,
    /// Parapet panicked.
    Panic,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::OriginStatus, Self::OriginFetch, Self::Own, Self::Panic];

    /// The tag's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OriginStatus => "origin_status",
            Self::OriginFetch => "origin_fetch",
            Self::Own => "own",
            Self::Panic => "panic",
        }
    }

    /// The kind called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The first words of the title.
    pub fn title(self) -> &'static str {
        match self {
            Self::OriginStatus => "Origin answered with an error",
            Self::OriginFetch => "Origin did not answer",
            Self::Own => "Parapet error",
            Self::Panic => "Parapet panic",
        }
    }
}

/// One error as it was seen. Texts are scrubbed when the event is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReport {
    /// What kind it is.
    pub kind: ErrorKind,
    /// The route's template, or the part of Parapet that failed.
    pub place: String,
    /// The request's method; empty outside a request.
    pub method: String,
    /// What the origin answered.
    pub status: Option<u16>,
    /// What was said.
    pub text: String,
    /// The request's id; empty outside a request.
    pub request_id: String,
}

impl ErrorReport {
    /// The origin's failure in `route`: 5xx when there is a status, else no answer.
    pub fn origin(method: &str, route: &str, status: Option<u16>, text: &str, request_id: &str) -> Self {
        let kind = if status.is_some() { ErrorKind::OriginStatus } else { ErrorKind::OriginFetch };
        let (method, place) = (method.to_owned(), route.to_owned());
        Self { kind, place, method, status, text: text.to_owned(), request_id: request_id.to_owned() }
    }

    /// A failure of Parapet's own in `part` (`collector`, `engine`, `d1`, …).
    pub fn own(part: &str, text: &str) -> Self {
        Self {
            kind: ErrorKind::Own,
            place: part.to_owned(),
            method: String::new(),
            status: None,
            text: text.to_owned(),
            request_id: String::new(),
        }
    }

    /// A panic; its message names the place: the file below the crate, not below the machine that built it.
    pub fn panic(text: &str) -> Self {
        let text = text.split_once("/registry/src/").map_or_else(
            || text.to_owned(),
            |(before, after)| {
                let kept = before.rfind(char::is_whitespace).and_then(|at| before.get(..=at)).unwrap_or_default();
                format!("{kept}{}", after.split_once('/').map_or(after, |(_, file)| file))
            },
        );
        Self { kind: ErrorKind::Panic, ..Self::own("panic", &text) }
    }

    /// What makes two errors the same: kind, place, and the status or the text with its numbers taken out.
    pub fn group(&self) -> [String; 3] {
        let what = self.status.map_or_else(|| without_numbers(&self.text), |status| status.to_string());
        [self.kind.as_str().to_owned(), self.place.clone(), what]
    }

    /// `GET /bookings/:id`, or the part.
    pub fn where_text(&self) -> String {
        format!("{} {}", self.method, self.place).trim().to_owned()
    }
}

/// Runs of digits as `#`, so that a port or an id in a message makes no group of its own; at most 200 characters.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(200) {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

/// What becomes of one report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportDecision {
    /// It goes out and stands for `occurrences` errors: itself and those of its group kept back since the last event.
    Send {
        /// At least 1.
        occurrences: u32,
    },
    /// Not in the sample of origin 5xx.
    Sampled,
    /// Its group sent an event less than [`GROUP_MS`] ago.
    Grouped {
        /// How many of the group wait for the next event.
        count: u32,
    },
    /// This minute's events are used up.
    OverBudget,
    /// Sentry asked for silence.
    RateLimited {
        /// Until then.
        until: UnixMs,
    },
}

impl ReportDecision {
    /// The values of the label `outcome`.
    pub const OUTCOMES: [&'static str; 5] = ["sent", "sampled", "grouped", "over_budget", "rate_limited"];

    /// The label's value.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Send { .. } => "sent",
            Self::Sampled => "sampled",
            Self::Grouped { .. } => "grouped",
            Self::OverBudget => "over_budget",
            Self::RateLimited { .. } => "rate_limited",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Group {
    sent_at: Option<UnixMs>,
    seen_at: UnixMs,
    waiting: u32,
}

/// Decides, and remembers what it decided.
#[derive(Debug, Default)]
pub struct ErrorReporter {
    groups: HashMap<u64, Group>,
    minute: UnixMs,
    sent_this_minute: u32,
    limited_until: Option<UnixMs>,
    counts: HashMap<&'static str, u64>,
}

impl ErrorReporter {
    /// What becomes of `report` at `now`. A `Send` counts as sent.
    pub fn decide(&mut self, report: &ErrorReport, now: UnixMs, config: &Sentry) -> ReportDecision {
        let decision = self.weigh(report, now, config);
        *self.counts.entry(decision.outcome()).or_default() += 1;
        decision
    }

    fn weigh(&mut self, report: &ErrorReport, now: UnixMs, config: &Sentry) -> ReportDecision {
        if report.kind == ErrorKind::OriginStatus && !in_sample(&report.request_id, config.origin_error_sample_rate) {
            return ReportDecision::Sampled;
        }
        if now.floor(MINUTE_MS) != self.minute {
            (self.minute, self.sent_this_minute) = (now.floor(MINUTE_MS), 0);
        }
        let (limited_until, used_up) =
            (self.limited_until.filter(|until| now < *until), self.sent_this_minute >= config.max_events_per_minute);
        let group = self.group(report, now);
        group.seen_at = now;
        group.waiting = group.waiting.saturating_add(1);
        if group.sent_at.is_some_and(|sent_at| now.since(sent_at) < GROUP_MS) {
            return ReportDecision::Grouped { count: group.waiting };
        }
        if let Some(until) = limited_until {
            return ReportDecision::RateLimited { until };
        }
        if used_up {
            return ReportDecision::OverBudget;
        }
        group.sent_at = Some(now);
        let occurrences = std::mem::take(&mut group.waiting);
        self.sent_this_minute += 1;
        ReportDecision::Send { occurrences }
    }

    /// The report's group; a new one takes the place of the one silent longest when there are too many.
    fn group(&mut self, report: &ErrorReport, now: UnixMs) -> &mut Group {
        let key = hash64(report.group().join("\0").as_bytes());
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&key) {
            let oldest = self.groups.iter().min_by_key(|(key, group)| (group.seen_at, **key)).map(|(key, _)| *key);
            oldest.and_then(|key| self.groups.remove(&key));
        }
        self.groups.entry(key).or_insert(Group { sent_at: None, seen_at: now, waiting: 0 })
    }

    /// Takes in how long Sentry asked for silence in its answer (`quota::limited_until`); the longest wish holds.
    pub fn observe_limit(&mut self, until: Option<UnixMs>) {
        self.limited_until = self.limited_until.max(until);
    }

    /// The counts since the last call, as counters for the isolate's buffer.
    pub fn take_counts(&mut self) -> Vec<(SeriesKey, u64)> {
        let mut counts: Vec<(SeriesKey, u64)> = self
            .counts
            .drain()
            .map(|(outcome, n)| (SeriesKey::new(Kind::Counter, name::ERROR_EVENTS, vec![("outcome".to_owned(), outcome.to_owned())]), n))
            .collect();
        order::sort_by(&mut counts, |a, b| a < b);
        counts
    }
}

/// Whether the request is in the sample of `rate` (0 to 1).
fn in_sample(request_id: &str, rate: f64) -> bool {
    // The upper 53 bits as a number in [0, 1): exact in an f64.
    let place = (hash64(request_id.as_bytes()) >> 11) as f64 / (1_u64 << 53) as f64;
    place < rate
}

#[cfg(test)]
mod tests;
