//! Unusual points of a busy series: level and season, a range guard, and a refractory period.
//!
//! Points come in order and each is judged by what came before it, then learnt. Two measures add up to how *strange* a point is:
//!
//! - deviation: `|value − (level + season of the hour)|` in standard deviations of the earlier errors. The level follows the
//!   errors with weight 0.02, the season of each hour of the day (UTC) with weight 0.25 and the variance with weight 0.001 (a
//!   growing mean before a thousand points). An error is learnt as at most ten deviations, so one spike cannot widen "normal";
//! - excess: how far the value lies outside everything seen before, as a share of that range, at most ten.
//!
//! `strangeness = ln(1 + deviation / 2) + 2·ln(1 + 20·excess)`, and the score is `s / (1 + s)` with `s = strangeness / 1.35`:
//! in `[0, 1)`, and an alarm from 0.5 on. That is a deviation of 5.7 inside the range, or a new extreme by 4.8 % of the range.
//!
//! After an alarm the series is *refractory* for a fifth of the points seen so far, at least 100 and at most 1,000 (16 h of
//! minutes): the score is 0 unless the strangeness reaches 1.5 times that of the alarm, which is an alarm of its own. One
//! event is so told once, and told again only when it gets worse.
//!
//! Invariants: the state is 24 seasons and a dozen numbers (under 400 bytes) whatever the length of the series; every score is in
//! `[0, 1)`; the same points give the same scores. The numbers are the middle of a plateau on the public benchmark
//! (`tests/anomaly_quality.rs`): each weight and bound can change by half either way and the standard score stays above 60, by half
//! the alarm's own threshold above 57; the best simple detector there has 49.

use crate::time::{DAY_MS, HOUR_MS, UnixMs};

/// What an hour of the day adds to the level is kept for each of them.
const HOURS: usize = 24;
const LEVEL_WEIGHT: f64 = 0.02;
const SEASON_WEIGHT: f64 = 0.25;
const VARIANCE_WEIGHT: f64 = 0.001;
/// Deviations beyond this are learnt as this.
const LEARNT_DEVIATIONS: f64 = 10.0;
/// A range is exceeded by at most this multiple of itself.
const MAX_EXCESS: f64 = 10.0;
/// Strangeness that is an alarm.
const ALARM_STRANGENESS: f64 = 1.35;
/// A score that is an alarm.
pub const ALARM_SCORE: f64 = 0.5;
/// Points before the first alarm: range and variance of fewer say little.
pub const LEARNING_POINTS: u64 = 200;
const REFRACTORY_POINTS: std::ops::RangeInclusive<u64> = 100..=1_000;
/// The refractory period is one in this many of the points seen.
const REFRACTORY_SHARE: u64 = 5;
/// An alarm within the refractory period takes this many times the strangeness of the last.
const WORSE: f64 = 1.5;
/// Values are kept within this, so that a square is still a number.
const LARGEST: f64 = 1e150;

/// What became of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Too little history to judge by.
    Learning,
    /// Nothing strange.
    Normal,
    /// Strange: tell somebody.
    Alarm,
    /// Told already, less than a refractory period ago.
    Refractory,
    /// Not a number, or infinite: neither judged nor learnt.
    Unreadable,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [Self::Learning, Self::Normal, Self::Alarm, Self::Refractory, Self::Unreadable];

    /// The reported text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Normal => "normal",
            Self::Alarm => "alarm",
            Self::Refractory => "refractory",
            Self::Unreadable => "unreadable",
        }
    }

    /// The outcome called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// How a point compares with what came before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// 0 (as expected) to below 1; an alarm from [`ALARM_SCORE`]. 0 while learning and while refractory.
    pub score: f64,
    /// What became of the point.
    pub outcome: Outcome,
    /// The value that was expected: level and season of the hour.
    pub expected: f64,
    /// The distance from it, in standard deviations of the earlier errors.
    pub deviation: f64,
    /// How far outside the range seen before, as a share of that range.
    pub excess: f64,
}

/// What is known of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detector {
    seen: u64,
    level: f64,
    seasons: [f64; HOURS],
    variance: f64,
    lowest: f64,
    highest: f64,
    last_alarm: Option<LastAlarm>,
}

/// What keeps a series refractory.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LastAlarm {
    strangeness: f64,
    /// The number of points seen from which the series is judged again.
    quiet_until: u64,
}

impl Detector {
    /// Judges the next point, then learns it. Points come in order of time; two of the same moment are two points.
    pub fn observe(&mut self, at: UnixMs, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement { score: 0.0, outcome: Outcome::Unreadable, expected: self.level, deviation: 0.0, excess: 0.0 };
        }
        let value = value.clamp(-LARGEST, LARGEST);
        let hour = hour_of_day(at);
        if self.seen == 0 {
            (self.level, self.lowest, self.highest) = (value, value, value);
        }
        let expected = self.level + self.seasons.get(hour).copied().unwrap_or_default();
        let error = value - expected;
        let (deviation, excess) = (self.deviation(error), self.excess(value));
        let strangeness = self.strangeness(value, error);
        let (score, outcome) = self.decide(strangeness);
        self.learn(hour, value, error);
        Judgement { score, outcome, expected, deviation, excess }
    }

    /// The judgement of the last point of a history, oldest first; `None` of an empty one.
    pub fn replay(history: impl IntoIterator<Item = (UnixMs, f64)>) -> Option<Judgement> {
        let mut detector = Self::default();
        history.into_iter().map(|(at, value)| detector.observe(at, value)).last()
    }

    /// The nearest values below and above what is expected at `at` that would be an alarm, were the series not refractory.
    pub fn edges(&self, at: UnixMs) -> (f64, f64) {
        let expected = self.level + self.seasons.get(hour_of_day(at)).copied().unwrap_or_default();
        // A deviation this large is an alarm by itself.
        let reach = 2.0 * ALARM_STRANGENESS.exp_m1() * self.variance.sqrt();
        let edge = |sign: f64| {
            let (mut near, mut far) = (0.0, reach);
            for _ in 0..40 {
                let middle = f64::midpoint(near, far);
                if self.strangeness(expected + sign * middle, sign * middle) >= ALARM_STRANGENESS { far = middle } else { near = middle }
            }
            expected + sign * far
        };
        (edge(-1.0), edge(1.0))
    }

    fn strangeness(&self, value: f64, error: f64) -> f64 {
        (self.deviation(error) / 2.0).ln_1p() + 2.0 * (20.0 * self.excess(value)).ln_1p()
    }

    fn deviation(&self, error: f64) -> f64 {
        if self.variance > 0.0 {
            error.abs() / self.variance.sqrt()
        } else if error == 0.0 {
            0.0
        } else {
            // A series that never erred has no measure for its first error.
            LEARNT_DEVIATIONS
        }
    }

    fn excess(&self, value: f64) -> f64 {
        let outside = (self.lowest - value).max(value - self.highest).max(0.0);
        let range = self.highest - self.lowest;
        if outside > 0.0 { (outside / range).min(MAX_EXCESS) } else { 0.0 }
    }

    fn decide(&mut self, strangeness: f64) -> (f64, Outcome) {
        if self.seen < LEARNING_POINTS {
            return (0.0, Outcome::Learning);
        }
        let alarms = strangeness >= ALARM_STRANGENESS;
        let relative = strangeness / ALARM_STRANGENESS;
        let score = relative / (1.0 + relative);
        match self.last_alarm {
            Some(last) if self.seen < last.quiet_until && strangeness < WORSE * last.strangeness => (0.0, Outcome::Refractory),
            _ if alarms => {
                let points = (self.seen / REFRACTORY_SHARE).clamp(*REFRACTORY_POINTS.start(), *REFRACTORY_POINTS.end());
                self.last_alarm = Some(LastAlarm { strangeness, quiet_until: self.seen.saturating_add(points) });
                (score, Outcome::Alarm)
            }
            _ => (score, Outcome::Normal),
        }
    }

    fn learn(&mut self, hour: usize, value: f64, error: f64) {
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            return;
        }
        let growing_mean = 1.0 / self.seen as f64;
        let bound = LEARNT_DEVIATIONS * self.variance.sqrt();
        let error = if self.seen > LEARNING_POINTS && bound > 0.0 { error.clamp(-bound, bound) } else { error };
        self.variance += growing_mean.max(VARIANCE_WEIGHT) * (error * error - self.variance);
        self.level += growing_mean.max(LEVEL_WEIGHT) * error;
        if let Some(season) = self.seasons.get_mut(hour) {
            *season += SEASON_WEIGHT * error;
        }
        self.lowest = self.lowest.min(value);
        self.highest = self.highest.max(value);
    }
}

fn hour_of_day(at: UnixMs) -> usize {
    usize::try_from(at.0.rem_euclid(DAY_MS) / HOUR_MS).unwrap_or_default()
}

#[cfg(test)]
mod tests;
