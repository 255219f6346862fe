//! What explains an alert that begins or fires: its rule's cells of the live slices, now and before, by label.
//!
//! Only live slices are read, so two windows have 15 minutes together: a rule over more than half of that is compared over
//! 7.5 minutes. The window before ends where the rule's window began when its condition began to hold. An anomaly's hours are compared with the
//! mean of the same hours of up to four weeks before, which its tick has read anyway. A gauge has no amount to share out, and a
//! condition of several has no one change: they are not explained.

use super::contributors::{Amounts, Contributor, Direction, Tally, contributors};
use super::incident::{Step, Subject, Transition};
use super::observe::{Coverage, Index, LIVE_MS, Labels, LiveWindow, Resolution, SLICE_MS, Stored};
use super::quantity::{Measured, Threshold};
use crate::config::alerting::{Aggregate, Bound, Compare, Over, Rule, Selector, When};
use crate::sorted::Set;
use crate::storage::series::Slice;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::SeriesKey;
use crate::time::{DAY_MS, UnixMs, Window};

/// Alerts explained in one tick: in a storm people read a digest.
const MAX_EXPLAINED: usize = 20;
/// Weeks an anomaly's hours are compared with: more would dilute a season.
const WEEKS: i64 = 4;

/// `steps`, those that begin or fire with their contributors.
pub fn explained(
    mut steps: Vec<(Subject, Step)>,
    rules: &[Rule],
    (live, stored): (&LiveWindow, &Stored),
    now: UnixMs,
) -> Vec<(Subject, Step)> {
    if live.coverage != Coverage::Whole {
        return steps;
    }
    let mut past = None;
    let begins = |step: &Step| matches!(step.transition, Transition::BecamePending | Transition::Fired);
    for (subject, step) in steps.iter_mut().filter(|(_, step)| begins(step)).take(MAX_EXPLAINED) {
        let Some(state) = step.next.as_mut() else { continue };
        let Some((rule, instance)) = rules.iter().find_map(|rule| Some((rule, subject.instance_of(rule)?))) else { continue };
        let found = match (&rule.when, state.measured) {
            (When::Anomaly { of, aggregate, .. }, Some(measured)) => {
                counted_hours(*aggregate).map(|counted| of_anomaly(rule, (of, counted), &instance, stored, measured)).unwrap_or_default()
            }
            _ => of_rule(rule, &instance, past.get_or_insert_with(|| Past::new(&live.slices)), state.since, now),
        };
        // What was found when it began stands until there is better.
        if !found.is_empty() {
            state.contributors = found;
        }
    }
    steps
}

/// What of a cell is counted.
#[derive(Clone, Copy)]
enum Counted {
    Amount,
    Sum,
    /// Values above a bound.
    Beyond(f64),
}

impl Counted {
    fn of(self, cell: &Cell) -> f64 {
        match (cell, self) {
            (Cell::Gauge(_), _) => 0.0,
            (Cell::Distribution(values), Self::Sum) => values.sum.as_f64(),
            (Cell::Distribution(values), Self::Beyond(bound)) => cell.amount() - values.sketch.count_at_most(bound) as f64,
            (Cell::Counter(_) | Cell::Distribution(_), _) => cell.amount(),
        }
    }
}

/// What a condition is explained by: the series that got worse, and those its usual shares are reckoned from.
struct Change<'a> {
    of: &'a Selector,
    counted: Counted,
    usual: (&'a Selector, Counted),
    direction: Direction,
    over_ms: i64,
}

fn change(when: &When) -> Option<Change<'_>> {
    let towards = |compare: &Compare| match compare {
        Compare::Above => Direction::Up,
        Compare::Below => Direction::Down,
    };
    let length = |over: &Over| match over {
        Over::Ms(ms) => (*ms).min(LIVE_MS / 2),
        Over::Today => LIVE_MS / 2,
    };
    match when {
        When::Threshold { of, aggregate, over, compare, bound } => {
            let (direction, over_ms) = (towards(compare), length(over));
            let (counted, all) = match (aggregate, bound, compare) {
                (Aggregate::Sum, _, _) => (Counted::Sum, Counted::Sum),
                (Aggregate::Rate | Aggregate::Count, _, _) => (Counted::Amount, Counted::Amount),
                (
                    Aggregate::Avg | Aggregate::Max | Aggregate::P50 | Aggregate::P95 | Aggregate::P99,
                    Bound::Value(bound),
                    Compare::Above,
                ) => (Counted::Beyond(*bound), Counted::Amount),
                _ => return None,
            };
            Some(Change { of, counted, usual: (of, all), direction, over_ms })
        }
        When::Change { of, aggregate: Aggregate::Sum | Aggregate::Rate | Aggregate::Count, over_ms, compare, .. } => {
            let over_ms = (*over_ms).min(LIVE_MS / 2);
            Some(Change { of, counted: Counted::Sum, usual: (of, Counted::Sum), direction: towards(compare), over_ms })
        }
        When::Ratio { part, whole, over, compare, .. } => Some(Change {
            of: part,
            counted: Counted::Amount,
            usual: (whole, Counted::Amount),
            direction: towards(compare),
            over_ms: length(over),
        }),
        When::BurnRate { bad, all, .. } => Some(Change {
            of: bad,
            counted: Counted::Amount,
            usual: (all, Counted::Amount),
            direction: Direction::Up,
            over_ms: LIVE_MS / 2,
        }),
        When::Change { .. } | When::Absence { .. } | When::Anomaly { .. } | When::All(_) | When::Any(_) => None,
    }
}

/// The live slices by series, and how far they go back.
struct Past<'a> {
    index: Index<'a>,
    oldest: Option<UnixMs>,
}

impl<'a> Past<'a> {
    fn new(slices: &'a [Slice]) -> Self {
        Self { index: Index::new(slices), oldest: slices.iter().map(|slice| slice.t).min() }
    }
}

fn of_rule(rule: &Rule, instance: &Labels, past: &Past<'_>, since: UnixMs, now: UnixMs) -> Vec<Contributor> {
    let Some(change) = change(&rule.when) else { return Vec::new() };
    let oldest = now.plus(-LIVE_MS).floor(SLICE_MS);
    let from = since.plus(-2 * change.over_ms).floor(SLICE_MS).max(oldest);
    let before = Window { from, to: from.plus(change.over_ms) };
    let recent = Window { from: now.plus(-change.over_ms).floor(SLICE_MS), to: now };
    // Nothing at all was seen by then: there is nothing to compare with.
    if past.oldest.is_none_or(|oldest| oldest >= before.to) {
        return Vec::new();
    }
    let mut tally = Tally::new();
    let labels = open_labels(rule, change.of, past);
    for (key, cells) in past.index.found(change.of).filter(|(key, _)| is_here(instance, key)) {
        let (now, before) = (amount(change.counted, cells, &recent), amount(change.counted, cells, &before));
        add(&mut tally, &labels, key, Amounts { now, before, usual: 0.0 });
    }
    let (usual, counted) = change.usual;
    for (key, cells) in past.index.found(usual).filter(|(key, _)| is_here(instance, key)) {
        add(&mut tally, &labels, key, Amounts { now: 0.0, before: 0.0, usual: amount(counted, cells, &before) });
    }
    contributors(&tally, change.direction)
}

/// What of an hour adds up.
fn counted_hours(aggregate: Aggregate) -> Option<Counted> {
    match aggregate {
        Aggregate::Sum => Some(Counted::Sum),
        Aggregate::Rate | Aggregate::Count => Some(Counted::Amount),
        _ => None,
    }
}

fn of_anomaly(
    rule: &Rule,
    (of, counted): (&Selector, Counted),
    instance: &Labels,
    stored: &Stored,
    measured: Measured,
) -> Vec<Contributor> {
    let by_the_hour = stored.iter().find(|((resolution, _), _)| *resolution == Resolution::HourByHour);
    let Some(((_, whole), Ok(slices))) = by_the_hour else { return Vec::new() };
    let past = Past::new(slices);
    let recent = Window::ending_at(whole.to, measured.over_ms);
    let ago = |weeks: i64| Window { from: recent.from.plus(-weeks * 7 * DAY_MS), to: recent.to.plus(-weeks * 7 * DAY_MS) };
    let known: Vec<Window> = (1..=WEEKS).map(ago).filter(|window| past.oldest.is_some_and(|oldest| oldest <= window.from)).collect();
    let mut tally = Tally::new();
    let labels = open_labels(rule, of, &past);
    for (key, cells) in past.index.found(of).filter(|(key, _)| is_here(instance, key)) {
        let before = known.iter().map(|window| amount(counted, cells, window)).sum::<f64>() / (known.len() as f64).max(1.0);
        add(&mut tally, &labels, key, Amounts { now: amount(counted, cells, &recent), before, usual: before });
    }
    let direction = if matches!(measured.threshold, Threshold::Above(_)) { Direction::Up } else { Direction::Down };
    if known.is_empty() { Vec::new() } else { contributors(&tally, direction) }
}

fn is_here(instance: &Labels, key: &SeriesKey) -> bool {
    instance.iter().all(|(name, value)| key.label(name).unwrap_or_default() == value)
}

fn amount(counted: Counted, cells: &[(UnixMs, &Cell)], window: &Window) -> f64 {
    cells.iter().filter(|(t, _)| window.contains(*t)).map(|(_, cell)| counted.of(cell)).sum::<f64>()
}

/// The labels of the changed series that the rule neither selects by one value nor groups by.
fn open_labels(rule: &Rule, of: &Selector, past: &Past<'_>) -> Set<String> {
    let mut labels = Set::new();
    for (name, _) in past.index.found(of).flat_map(|(key, _)| key.labels()) {
        let fixed = of.labels.get(name).is_some_and(|value| !value.ends_with('*'));
        if !fixed && !rule.by.contains(name) && !labels.contains(name) {
            labels.insert(name.clone());
        }
    }
    labels
}

fn add(tally: &mut Tally, labels: &Set<String>, key: &SeriesKey, amounts: Amounts) {
    for label in labels {
        let value = key.label(label).unwrap_or_default();
        let known = tally.entry(label.clone()).or_default().entry(value.to_owned()).or_default();
        known.now += amounts.now;
        known.before += amounts.before;
        known.usual += amounts.usual;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FromJson;
    use crate::telemetry::series::Kind;
    use crate::time::MINUTE_MS;

    const NOON: UnixMs = UnixMs(1_772_452_800_000);

    fn rule(labels: &serde_json::Value) -> Rule {
        Rule::from_json(serde_json::json!({
            "id": "r", "name": "R", "severity": "critical", "no_data": "ok", "error": "keep", "summary": "", "runbook": "", "owner": "",
            "when": {"ratio": {"part": {"series": "x_total", "labels": labels}, "whole": {"series": "x_total"}, "over": {"ms": 300_000},
                "compare": "above", "bound": 0.02, "min_samples": 1.0}},
        }))
        .unwrap()
    }

    fn minute(ago: i64, cells: &[(&str, &str, u64)]) -> Slice {
        let key = |route: &str, class: &str| {
            SeriesKey::new(Kind::Counter, "x_total", vec![("route".into(), route.into()), ("class".into(), class.into())])
        };
        let cells = cells.iter().map(|(route, class, n)| (key(route, class), Cell::count(*n))).collect();
        Slice { t: NOON.plus(-ago * MINUTE_MS), cells }
    }

    #[test]
    fn the_route_that_broke_is_named_and_what_the_rule_selects_is_not() {
        let well = |ago| minute(ago, &[("/a", "2xx", 50), ("/b", "2xx", 50)]);
        let broken = |ago| minute(ago, &[("/a", "2xx", 30), ("/a", "5xx", 20), ("/b", "5xx", 5), ("/b", "2xx", 45)]);
        let slices: Vec<Slice> = (3..=14).map(well).chain((1..=2).map(broken)).collect();
        let rule = rule(&serde_json::json!({"class": "5xx"}));
        let found = of_rule(&rule, &Labels::new(), &Past::new(&slices), NOON.plus(-2 * MINUTE_MS), NOON);
        assert_eq!(found, [Contributor { label: "route".into(), value: "/a".into(), share: 0.8 }]);
        let young: Vec<Slice> = (1..=2).map(broken).collect();
        assert_eq!(of_rule(&rule, &Labels::new(), &Past::new(&young), NOON.plus(-2 * MINUTE_MS), NOON), [], "nothing to compare with");
    }
}
