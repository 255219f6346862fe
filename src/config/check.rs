//! What a configuration must mean, beyond its shape: every mistake with its place and its fix.
//!
//! Pure, and shared: the reader of `monitoring/` maps each [`Problem::pointer`] to file, line and column, the API serves
//! it as it is. Invariant: a configuration without problems has no dangling reference, no unreachable entry, no rule
//! whose alert nobody gets and no bound that the code which uses it cannot hold.

use std::ops::RangeInclusive;

use super::Config;
use super::alerting::Over;

mod alerting;
mod condition;
mod escalation;
mod quiet;
mod report;
mod routes;
mod sections;
#[cfg(test)]
mod tests;
mod texts;

/// One mistake of meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer into the configuration: `/alerting/rules/3/when/threshold/bound`.
    pub pointer: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// Other places this verdict was drawn from: with one of them unknown there is no verdict.
    pub(super) relies_on: Vec<String>,
    /// The part of the value that is meant; empty, all of it.
    pub(super) part: String,
}

impl Problem {
    /// A mistake that rests on its own place alone.
    pub fn new(pointer: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), what: what.into(), fix: fix.into(), relies_on: Vec::new(), part: String::new() }
    }
}

/// Requests one exact limit admits in its window: each is an entry in the Limiter's log.
pub const LIMIT_REQUESTS: RangeInclusive<i64> = 1..=64;
/// Seconds of a limit's window: up to a day.
pub const LIMIT_WINDOW_S: RangeInclusive<i64> = 1..=86_400;
/// A share of a whole.
pub const SHARE: RangeInclusive<f64> = 0.0..=1.0;
/// How far back a condition looks, in milliseconds: the live resolution of 10 s to the 7 days of minutes that are kept, and one more.
pub const LOOKBACK_MS: RangeInclusive<i64> = 10_000..=8 * 86_400_000;
/// How often a rule is evaluated, in milliseconds: live slices are 10 s wide, and what is looked at less than hourly is a report.
pub const INTERVAL_MS: RangeInclusive<i64> = 10_000..=3_600_000;
/// How often a rule is evaluated that reads weeks of hours, in milliseconds: at every minute two million rows a day would be read for each series.
pub const LEARNING_INTERVAL_MS: RangeInclusive<i64> = 600_000..=3_600_000;
/// Days of hours that a rule needs which learns: eight weeks and the hours it judges.
pub const LEARNT_DAYS: u32 = 57;
/// How long a condition must hold, or an alert keeps firing, in milliseconds: up to 7 days.
pub const HOLD_MS: RangeInclusive<i64> = 0..=7 * 86_400_000;
/// How often an alert begins to fire before it flaps: as many moments as are kept of it.
pub const FLAPS: RangeInclusive<i64> = 3..=10;
/// Within how long, in milliseconds.
pub const FLAP_WITHIN_MS: RangeInclusive<i64> = 600_000..=86_400_000;
/// How long an alert stands still until it has settled, in milliseconds.
pub const SETTLED_AFTER_MS: RangeInclusive<i64> = 300_000..=86_400_000;
/// How long the first message of a group waits, in milliseconds: what waits longer than 5 minutes should not be an alert.
pub const GROUP_WAIT_MS: RangeInclusive<i64> = 0..=300_000;
/// The least time between two messages of a group, in milliseconds: from a tick to a day.
pub const GROUP_INTERVAL_MS: RangeInclusive<i64> = 10_000..=86_400_000;
/// When a group is told of again, in milliseconds: never, or up to 30 days.
pub const REPEAT_INTERVAL_MS: RangeInclusive<i64> = 0..=30 * 86_400_000;
/// When a step of an escalation comes, after people were first told, in milliseconds: up to a day.
pub const ESCALATE_AFTER_MS: RangeInclusive<i64> = 0..=86_400_000;
/// How often an escalation's last step is repeated, in milliseconds: more often than every 5 minutes is noise.
pub const ESCALATE_REPEAT_MS: RangeInclusive<i64> = 300_000..=86_400_000;
/// Route templates counted apart: each multiplies every request series.
pub const MAX_ROUTES: RangeInclusive<i64> = 1..=1_000;
/// Series of one Collector shard: at ~1 KB each, 50,000 are 50 MB of a Durable Object's 128.
pub const MAX_SERIES: RangeInclusive<i64> = 100..=50_000;
/// Days a resolution is kept: up to ten years.
pub const RETENTION_DAYS: RangeInclusive<i64> = 1..=3_650;
/// Metrics of one `POST /api/metrics`.
pub const INGEST_BATCH: RangeInclusive<i64> = 1..=1_000;
/// Bytes of one `POST /api/metrics`: up to 1 MiB.
pub const INGEST_BODY_BYTES: RangeInclusive<i64> = 1_024..=1_048_576;
/// Tags of one ingested metric.
pub const INGEST_TAGS: RangeInclusive<i64> = 0..=16;
/// Label sets of one ingested metric name.
pub const INGEST_SERIES: RangeInclusive<i64> = 1..=10_000;
/// Sentry events of one isolate a minute.
pub const SENTRY_EVENTS: RangeInclusive<i64> = 0..=600;
/// Minutes in a Sentry monitor's settings: up to a day.
pub const MONITOR_MINUTES: RangeInclusive<i64> = 1..=1_440;
/// Check-ins in a Sentry monitor's thresholds.
pub const MONITOR_CHECKINS: RangeInclusive<i64> = 1..=100;
/// An amount: a daily goal, a number of samples. 2^53 is where JavaScript's integers end.
pub const AMOUNT: RangeInclusive<f64> = 0.0..=9_007_199_254_740_992.0;

/// A change as a share of what was: nothing is -1; a thousand times as much is more than any bound means.
pub const CHANGE: RangeInclusive<f64> = -1.0..=1_000.0;
/// A service-level objective: between one failure in two and one in a million.
pub const OBJECTIVE: RangeInclusive<f64> = 0.5..=0.999_999;
/// A level of any series.
pub const LEVEL: RangeInclusive<f64> = -9_007_199_254_740_992.0..=9_007_199_254_740_992.0;

/// Every mistake of meaning in `config`, in the order of the document.
pub fn problems(config: &Config) -> Vec<Problem> {
    let mut found = Findings::default();
    sections::site(&config.site, &mut found);
    sections::infrastructure(&config.infrastructure, &mut found);
    sections::limits(&config.security.limits, &mut found);
    sections::sentry(&config.sentry, &mut found);
    sections::business(&config.business, &mut found);
    alerting::channels_and_routes(&config.alerting, &mut found);
    alerting::rules(config, &mut found);
    quiet::inhibitions(&config.alerting, &mut found);
    quiet::maintenance(&config.alerting, &mut found);
    quiet::dependencies(&config.alerting, &mut found);
    quiet::time_intervals(&config.alerting, &mut found);
    quiet::flapping(&config.alerting, &mut found);
    escalation::escalations(&config.alerting, &mut found);
    escalation::rotations(&config.alerting, &mut found);
    report::weekly(&config.alerting, &mut found);
    found.problems
}

/// The entry of `known` that `wrong` was probably meant to be: one that it begins, or at most a third of its letters (and
/// one) apart.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase();
    let distance = |candidate: &str| {
        let begins = wrong.len() >= 3 && candidate.starts_with(&wrong);
        if begins { 1 } else { strsim::damerau_levenshtein(&wrong, candidate) }
    };
    known
        .into_iter()
        .map(|candidate| (distance(&candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean …?", or `otherwise`.
pub(super) fn suggest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    nearest(wrong, known).map_or_else(|| otherwise.to_owned(), |near| format!("did you mean `{near}`?"))
}

/// What is being gathered.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
}

impl Findings {
    fn add(&mut self, pointer: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) {
        self.add_drawn_from(Vec::new(), pointer, what, fix);
    }

    /// A problem whose verdict also rests on what stands at `relies_on`.
    fn add_drawn_from(&mut self, relies_on: Vec<String>, pointer: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) {
        self.problems.push(Problem { pointer: pointer.into(), what: what.into(), fix: fix.into(), relies_on, part: String::new() });
    }

    /// Narrows the last problem to the `part` of its value.
    fn points_to(&mut self, part: &str) {
        if let Some(problem) = self.problems.last_mut() {
            part.clone_into(&mut problem.part);
        }
    }

    /// A number outside `range` at `pointer`.
    fn integer(&mut self, pointer: impl Into<String>, value: impl Into<i64>, range: &RangeInclusive<i64>) {
        let value = value.into();
        if !range.contains(&value) {
            self.add(pointer, format!("{value} is out of range"), between(range.start(), range.end()));
        }
    }

    /// A number outside `range`, or not finite, at `pointer`.
    fn number(&mut self, pointer: impl Into<String>, value: f64, range: &RangeInclusive<f64>) {
        if !range.contains(&value) {
            self.add(pointer, format!("{value} is out of range"), between(range.start(), range.end()));
        }
    }

    /// A duration outside `range` at `pointer`.
    fn duration(&mut self, pointer: impl Into<String>, value_ms: i64, range: &RangeInclusive<i64>) {
        if !range.contains(&value_ms) {
            let (what, fix) = duration_out_of_range(&duration_text(value_ms), range);
            self.add(pointer, what, fix);
        }
    }

    fn over(&mut self, pointer: impl Into<String>, over: Over) {
        if let Over::Ms(value_ms) = over {
            self.duration(pointer, value_ms, &LOOKBACK_MS);
        }
    }

    /// Text that a person must be able to read.
    fn filled(&mut self, pointer: impl Into<String>, text: &str) {
        if text.trim().is_empty() {
            self.add(pointer, "this is empty", "write the text a person should read here");
        }
    }

    /// An id: lower-case letters, digits, `-`, `_`, starting with a letter or digit, at most 64.
    fn id(&mut self, pointer: impl Into<String>, id: &str) {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if id.is_empty() || id.len() > 64 || id.starts_with(['-', '_']) || !id.chars().all(fits) {
            self.add(
                pointer,
                format!("`{id}` is not an id"),
                "use 1 to 64 lower-case letters, digits, `-` and `_`, a letter or digit first",
            );
        }
    }

    /// Every id after the first of its kind.
    fn unique<'a>(&mut self, list: &str, key: &str, ids: impl Iterator<Item = &'a str>) {
        let mut seen = crate::sorted::Map::new();
        for (index, id) in ids.enumerate() {
            match seen.get(id) {
                None => {
                    seen.insert(id, index);
                }
                Some(first) => self.add_drawn_from(
                    vec![format!("{list}/{first}{key}")],
                    format!("{list}/{index}{key}"),
                    format!("`{id}` is already the {} of entry {}", key_name(key), first + 1),
                    "give each its own",
                ),
            }
        }
    }

    /// A time zone this build was made with.
    fn zone(&mut self, pointer: impl Into<String>, zone: &str) {
        if zone.parse::<chrono_tz::Tz>().is_err() {
            let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let otherwise = "use an IANA name such as `Africa/Johannesburg`; the zones built in are listed in `.cargo/config.toml`";
            self.add(pointer, format!("`{zone}` is not a time zone this build knows"), suggest(zone, zones, otherwise));
        }
    }

    /// A metric name as Prometheus writes it.
    fn metric_name(&mut self, pointer: impl Into<String>, name: &str) {
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':');
        if !starts || name.len() > 128 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':') {
            self.add(
                pointer,
                format!("`{name}` is not a metric name"),
                "use letters, digits and `_`, for example `bookings_completed_total`",
            );
        }
    }
}

fn key_name(key: &str) -> &str {
    match key.trim_start_matches('/') {
        "" => "value",
        name => name,
    }
}

fn between(least: impl std::fmt::Display, most: impl std::fmt::Display) -> String {
    format!("use a number from {least} to {most}")
}

/// The verdict on the duration written `text`, the same in the reader and here.
pub(super) fn duration_out_of_range(text: &str, range: &RangeInclusive<i64>) -> (String, String) {
    (format!("{text} is out of range"), format!("use {} to {}", duration_text(*range.start()), duration_text(*range.end())))
}

/// The verdict on the number written `text`, the same in the reader and here.
#[cfg(not(target_family = "wasm"))]
pub(super) fn number_out_of_range(text: &str, least: impl std::fmt::Display, most: impl std::fmt::Display) -> (String, String) {
    (format!("{text} is out of range"), between(least, most))
}

/// Milliseconds the way the files write them: the largest unit that divides them.
pub fn duration_text(ms: i64) -> String {
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")]
        .into_iter()
        .find(|(unit_ms, _)| ms != 0 && ms % unit_ms == 0)
        .map_or_else(|| if ms == 0 { "0s".to_owned() } else { format!("{ms} ms") }, |(unit_ms, unit)| format!("{}{unit}", ms / unit_ms))
}
