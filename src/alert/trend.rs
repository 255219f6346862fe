//! How a rule's number went before a message, point by point, as the rule itself would have measured it.
//!
//! A point is the rule's condition evaluated at that moment over its own window, so the line, its peak and the alert's value compare. A
//! window of less than an hour is drawn every two minutes for the last half hour, a longer one at each of the last 24 whole hours and now.
//! What has no course of its own is drawn by what it is made of: a burn rate by its share of errors (a page's over 5 minutes, a
//! ticket's by the hour), a change by what changed, an anomaly and a day so far by their hours, a target by how much of what is expected
//! was there, a combination of all by its first condition. An absence has no line, and of alternatives nobody knows which holds.
//!
//! Arithmetic: one read an alert, of the series its labels leave: at most 90 minutes, or 24 hours and the window (`storage::trend` has the
//! bounds). Minutes since ten minutes ago come from the live slices, as rules read them.

use std::collections::BTreeMap;

use super::evaluate::{Moment, Verdict, condition, zone};
use super::observe::{Index, Labels, Observation, cut_off, looks};
use super::quantity::{Measured, Threshold, Unit};
use super::sparkline::{Trend, line, worst};
use crate::config::Config;
use crate::config::alerting::{Aggregate, Bound, Compare, Finds, Over, Pace, Selector, When};
use crate::sorted::Map;
use crate::storage::trend::{Found, Wanted, cells, read_hours, read_minutes};
use crate::storage::{Statement, StatementResult};
use crate::telemetry::cell::Cell;
use crate::telemetry::series::SeriesKey;
use crate::time::{HOUR_MS, MINUTE_MS, UnixMs, Window, day_window};

/// Between two points of a short window, and how many there are: half an hour.
const STEP_MS: i64 = 2 * MINUTE_MS;
const SHORT_POINTS: i64 = 16;
/// Hours of a long window's line.
const LONG_POINTS: i64 = 24;

/// What is drawn of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    when: When,
    over: Over,
    worse: Compare,
    caption: &'static str,
    ends: Ends,
}

/// What the last point is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    /// The alert's own value.
    Own,
    /// It, as a part of what this share of the expected is compared with.
    OfTarget(f64),
    /// Another number, at the last whole minute or hour.
    Other,
}

/// What is drawn of `when`, if anything is.
pub(super) fn plan(when: &When) -> Option<Plan> {
    let hourly = Over::Ms(HOUR_MS);
    let other = |when, over, worse, caption| Some(Plan { when, over, worse, caption, ends: Ends::Other });
    let by_the_hour = "hour by hour, last 24 h";
    match when {
        When::Threshold { over, compare, bound: Bound::OfTarget { share, .. }, .. } => {
            let ends = Ends::OfTarget(*share);
            Some(Plan { when: when.clone(), over: *over, worse: *compare, caption: "of what is expected by then, today", ends })
        }
        When::Threshold { over: Over::Today, compare, .. } | When::Ratio { over: Over::Today, compare, .. } => {
            other(when.clone(), hourly, *compare, by_the_hour)
        }
        When::Threshold { over, compare, .. } | When::Ratio { over, compare, .. } => {
            Some(Plan { when: when.clone(), over: *over, worse: *compare, caption: last(*over), ends: Ends::Own })
        }
        When::Change { of, aggregate, over_ms, compare, .. } => {
            let over = Over::Ms(*over_ms);
            other(plain(of, *aggregate, *compare), over, *compare, last(over))
        }
        When::Anomaly { of, aggregate, finds } => {
            let worse = if *finds == Finds::Fewer { Compare::Below } else { Compare::Above };
            other(plain(of, *aggregate, worse), hourly, worse, by_the_hour)
        }
        When::BurnRate { bad, all, pace, .. } => {
            let (over, caption) = match pace {
                Pace::Page => (Over::Ms(5 * MINUTE_MS), "share of errors, last 30 min"),
                Pace::Ticket => (hourly, "share of errors, hour by hour, last 24 h"),
            };
            let (part, whole) = (bad.clone(), all.clone());
            other(When::Ratio { part, whole, over, compare: Compare::Above, bound: 0.0, min_samples: 1.0 }, over, Compare::Above, caption)
        }
        When::All(of) => Some(Plan { ends: Ends::Other, ..plan(of.first()?)? }).filter(|plan| plan.over != Over::Today),
        When::Absence { .. } | When::Any(_) => None,
    }
}

fn last(over: Over) -> &'static str {
    if is_short(over) { "last 30 min" } else { "last 24 h" }
}

fn is_short(over: Over) -> bool {
    matches!(over, Over::Ms(ms) if ms < HOUR_MS)
}

fn plain(of: &Selector, aggregate: Aggregate, compare: Compare) -> When {
    When::Threshold { of: of.clone(), aggregate, over: Over::Ms(HOUR_MS), compare, bound: Bound::Value(0.0) }
}

impl Plan {
    fn step_ms(&self) -> i64 {
        if is_short(self.over) { MINUTE_MS } else { HOUR_MS }
    }

    /// The moments of the line; the last is that of the alert's own value, where the line ends with it.
    fn moments(&self, now: UnixMs, zone: chrono_tz::Tz) -> Vec<UnixMs> {
        let back = |count: i64, step_ms: i64| (0..count).rev().map(move |steps| now.floor(self.step_ms()).plus(-steps * step_ms));
        if is_short(self.over) {
            let whole = back(SHORT_POINTS, STEP_MS);
            return if self.ends == Ends::Other {
                whole.collect()
            } else {
                whole.filter(|at| *at < now.floor(MINUTE_MS)).chain([now]).collect()
            };
        }
        let opened = if self.over == Over::Today { day_window(now, zone).from } else { UnixMs(0) };
        let hours = if self.ends == Ends::Other { LONG_POINTS } else { LONG_POINTS - 1 };
        let whole = back(hours, HOUR_MS).filter(move |at| *at > opened);
        if self.ends == Ends::Other { whole.collect() } else { whole.filter(|at| *at < now).chain([now]).collect() }
    }

    /// The window of a moment, in whole minutes or hours.
    fn window(&self, at: UnixMs, zone: chrono_tz::Tz) -> Window {
        let to = at.floor(self.step_ms());
        let from = match self.over {
            Over::Ms(ms) => to.plus(-ms.max(1)).floor(self.step_ms()),
            Over::Today => day_window(at, zone).from.floor(HOUR_MS),
        };
        Window { from, to }
    }

    /// The rows the line of the alert that `instance` sets apart is drawn from.
    pub(super) fn read(&self, instance: &Labels, now: UnixMs, zone: chrono_tz::Tz) -> Statement {
        let wanted: Vec<Wanted<'_>> = looks(&self.when).into_iter().map(|look| (look.of, instance)).collect();
        let first = self.moments(now, zone).into_iter().map(|at| self.window(at, zone).from).min().unwrap_or(now);
        if is_short(self.over) {
            return read_minutes(&wanted, Window { from: first, to: cut_off(now) });
        }
        read_hours(&wanted, Window { from: first, to: now })
    }

    /// The line, from the `rows` that were read, the `live` slices and the alert's own value.
    pub(super) fn draw(
        &self,
        instance: &Labels,
        rows: StatementResult,
        live: &Index<'_>,
        own: Option<Measured>,
        (now, config): (UnixMs, &Config),
    ) -> Option<Trend> {
        let zone = zone(config);
        let looks = looks(&self.when);
        let mut lanes: Vec<Lane> = looks.iter().map(|look| self.live(look.of, instance, live, now)).collect();
        for Found { look, t, cell } in cells(rows).ok()?? {
            merge(lanes.get_mut(look)?.0.entry(t).or_default(), &cell);
        }
        let moments = self.moments(now, zone);
        let mut unit = Unit::Ratio;
        let mut points: Vec<(UnixMs, Option<f64>)> = Vec::new();
        for at in moments {
            let is_own = at == now && self.ends != Ends::Other;
            let measured = if is_own { own } else { self.measured(&lanes, at, config) };
            if let (Some(measured), Ends::Own | Ends::Other) = (measured, self.ends) {
                unit = measured.unit;
            }
            points.push((at, measured.and_then(|measured| self.value(&measured))));
        }
        let (worst_at, worst) = worst(&points, self.worse)?;
        let values: Vec<Option<f64>> = points.into_iter().map(|(_, value)| value).collect();
        Some(Trend { line: line(&values), caption: self.caption.to_owned(), worst, worse: self.worse, unit, worst_at })
    }

    fn value(&self, measured: &Measured) -> Option<f64> {
        match (self.ends, measured.threshold) {
            (Ends::OfTarget(share), Threshold::Above(bound) | Threshold::Below(bound)) if bound > 0.0 => {
                Some(measured.value / bound * share)
            }
            (Ends::OfTarget(_), _) => None,
            (Ends::Own | Ends::Other, _) => Some(measured.value),
        }
    }

    fn measured(&self, lanes: &[Lane], at: UnixMs, config: &Config) -> Option<Measured> {
        let window = self.window(at, zone(config));
        let seen: Vec<Observation> = lanes.iter().map(|lane| lane.seen(window)).collect();
        match condition(&self.when, &seen, Moment { now: at, since: UnixMs(0) }, config) {
            Ok(Verdict::Holds(measured) | Verdict::DoesNotHold(measured)) => Some(measured),
            Ok(Verdict::NoData(_) | Verdict::Blind(_) | Verdict::Broken(_)) | Err(_) => None,
        }
    }

    /// The minutes that are not surely written.
    fn live(&self, of: &Selector, instance: &Labels, live: &Index<'_>, now: UnixMs) -> Lane {
        let mut lane = Lane::default();
        let is_here = |key: &SeriesKey| instance.iter().all(|(name, value)| key.label(name).unwrap_or_default() == value);
        for (_, cells) in live.found(of).filter(|(key, _)| is_short(self.over) && is_here(key)) {
            for (t, cell) in cells.iter().filter(|(t, _)| *t >= cut_off(now)) {
                merge(lane.0.entry(t.floor(MINUTE_MS)).or_default(), cell);
            }
        }
        lane
    }
}

/// One look's cells, a few for each minute or hour: one of each kind.
#[derive(Default)]
struct Lane(Map<UnixMs, Vec<Cell>>);

impl Lane {
    fn seen(&self, window: Window) -> Observation {
        let mut cells = Vec::new();
        for (_, of_bucket) in self.0.iter().filter(|(t, _)| window.contains(**t)) {
            for cell in of_bucket {
                merge(&mut cells, cell);
            }
        }
        Observation { window, cells, hours: BTreeMap::new() }
    }
}

fn merge(into: &mut Vec<Cell>, cell: &Cell) {
    match into.iter_mut().find(|known| known.kind() == cell.kind()) {
        Some(known) => known.merge(cell),
        None => into.push(cell.clone()),
    }
}
