//! One test: ticks from minute 0 on, each on what was measured before it, and what was expected against what is.
//!
//! A sample is what its series held in its interval: sample `i` covers `[i, i+1)` intervals and stands in the last 10 s of
//! it, so that the tick at its end is the first to see it, whatever the window. A counter's sample is its increase, a gauge's its
//! level (known only where a sample is), a distribution's a value seen (`count` times). Ticks run every minute, also at minute 0;
//! samples `before` it are history that the first tick finds.

use super::file::{Expectation, ExpectedAlert, ExpectedNotification, Series, Test};
use crate::alert::evaluate::Verdict;
use crate::alert::history::History;
use crate::alert::incident::{AlertState, Phase};
use crate::alert::observe::Labels;
use crate::alert::observe::{Coverage, SLICE_MS};
use crate::alert::rehearsal::{Rehearsal, own_labels};
use crate::config::Config;
use crate::outbox::message::NewMessage;
use crate::telemetry::cell::Cell;
use crate::time::{MINUTE_MS, UnixMs};

/// What is not as it was expected at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The line of the first thing that is missing, or of the expectation.
    pub(super) line: usize,
    /// When, since minute 0.
    pub(super) at_ms: i64,
    /// When, by the clock.
    pub(super) now: UnixMs,
    /// `alerts` or `notifications`.
    pub(super) about: &'static str,
    /// What was expected, and what is.
    pub(super) rows: Vec<Row>,
    /// What the rules measured.
    pub(super) notes: Vec<String>,
}

/// One alert or message, in columns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) found: Found,
    pub(super) columns: Vec<String>,
}

/// Whether something is where it was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is.
    AsExpected,
    /// It was expected and is not there.
    Missing,
    /// It is there and was not expected.
    Unexpected,
}

/// Runs the test; every failure of it.
pub(super) fn run(test: &Test, config: &Config) -> Vec<Failure> {
    let mut rehearsal = Rehearsal::new(config);
    let mut history = History::of(&config.alerting.rules);
    let mut samples = in_order(test).into_iter().peekable();
    let (mut verdicts, mut sent) = (Vec::new(), Vec::new());
    let mut failures = Vec::new();
    let mut expected = test.expect.iter().peekable();
    let mut was_down = false;
    let mut minute_ms = 0;
    while expected.peek().is_some() {
        while let Some((at, series, value)) = samples.next_if(|(at, ..)| *at < minute_ms) {
            let at = test.start.plus(at);
            history.take(at, &series.key, &cell(series, value, at));
        }
        let within = |spans: &[crate::time::Window]| spans.iter().any(|span| span.contains(UnixMs(minute_ms)));
        let is_down = within(&test.downtime);
        if !is_down {
            if was_down {
                rehearsal.restart();
            }
            let coverage = if within(&test.blind) { Coverage::Missing(vec![0]) } else { Coverage::Whole };
            let ticked = rehearsal.tick(test.start.plus(minute_ms), &mut history, coverage);
            verdicts = ticked.verdicts;
            sent.extend(ticked.messages.into_iter().filter(|message| test.rules.contains(&message.notification.rule)));
        }
        was_down = is_down;
        while let Some(expectation) = expected.next_if(|expectation| expectation.at_ms < minute_ms + MINUTE_MS) {
            let standing = Standing { test, config, states: rehearsal.states(), verdicts: &verdicts };
            failures.extend(standing.alerts(expectation));
            failures.extend(notifications(test, expectation, &sent));
            sent.clear();
        }
        minute_ms += MINUTE_MS;
    }
    failures
}

/// Every sample with when it is counted, since minute 0.
fn in_order(test: &Test) -> Vec<(i64, &Series, f64)> {
    let mut all = Vec::new();
    for series in &test.series {
        for (at, sample) in (1_i64..).map(|n| n * test.interval_ms - SLICE_MS - test.before_ms).zip(&series.samples) {
            all.extend(sample.map(|value| (at, series, value)));
        }
    }
    all.sort_by_key(|(at, ..)| *at);
    all
}

fn cell(series: &Series, value: f64, at: UnixMs) -> Cell {
    let mut cell = Cell::single(series.key.kind(), value, at.0);
    let one = cell.clone();
    for _ in 1..series.count {
        cell.merge(&one);
    }
    cell
}

/// How things stand at one moment.
struct Standing<'t> {
    test: &'t Test,
    config: &'t Config,
    states: &'t [AlertState],
    verdicts: &'t [(String, String, Verdict)],
}

impl Standing<'_> {
    fn alerts(&self, expectation: &Expectation) -> Option<Failure> {
        let expected = expectation.alerts.as_ref()?;
        let mut rest: Vec<&AlertState> = self.states.iter().filter(|state| self.test.rules.contains(&state.subject.rule)).collect();
        let mut rows = Vec::new();
        let mut missing: Vec<&ExpectedAlert> = Vec::new();
        for alert in expected {
            match rest.iter().position(|state| self.is(state, alert)) {
                Some(index) => rows.push(Row { found: Found::AsExpected, columns: self.columns(rest.remove(index), &missing) }),
                None => missing.push(alert),
            }
        }
        rows.extend(missing.iter().map(|alert| Row { found: Found::Missing, columns: expected_columns(alert) }));
        let is_missed = |rule: &str| missing.iter().any(|alert| alert.rule == rule);
        let mut is_wrong = !missing.is_empty();
        for state in rest {
            let stands = matches!(state.phase, Phase::Pending | Phase::Firing);
            is_wrong |= stands;
            // One that is over, or never fired, need not be expected; it is shown where it says why another is missing.
            if stands || is_missed(&state.subject.rule) {
                rows.push(Row { found: Found::Unexpected, columns: self.columns(state, &missing) });
            }
        }
        if !is_wrong {
            return None;
        }
        rows.sort_by(|a, b| a.columns.first().cmp(&b.columns.first()));
        let line = missing.first().map_or(expectation.line, |alert| alert.line);
        let notes = missing.iter().map(|alert| alert.rule.as_str()).collect::<std::collections::BTreeSet<_>>();
        let notes = notes.into_iter().flat_map(|rule| self.said(rule)).collect();
        let now = self.test.start.plus(expectation.at_ms);
        Some(Failure { line, at_ms: expectation.at_ms, now, about: "alerts", rows, notes })
    }

    fn is(&self, state: &AlertState, alert: &ExpectedAlert) -> bool {
        let near = |value: f64, wanted: f64| (value - wanted).abs() <= 1e-9 * wanted.abs().max(1.0);
        state.subject.rule == alert.rule
            && state.phase == alert.state
            && alert.labels.iter().all(|(name, value)| state.subject.labels.get(name) == Some(value))
            && alert.value.is_none_or(|wanted| self.value(state).is_some_and(|value| near(value, wanted)))
    }

    /// What the tick measured; what is stored, where it did not measure.
    fn value(&self, state: &AlertState) -> Option<f64> {
        let verdict = self.verdicts.iter().find(|(alert, ..)| *alert == state.subject.id).map(|(_, _, verdict)| verdict);
        verdict.and_then(Verdict::measured).or(state.measured).map(|measured| measured.value)
    }

    /// With the labels that set it apart, and those that an alert of its rule which is missing was to have.
    fn columns(&self, state: &AlertState, missing: &[&ExpectedAlert]) -> Vec<String> {
        let mut labels = own_labels(state, self.config);
        for name in missing.iter().filter(|alert| alert.rule == state.subject.rule).flat_map(|alert| alert.labels.keys()) {
            labels.extend(state.subject.labels.get_key_value(name).map(|(name, value)| (name.clone(), value.clone())));
        }
        let value = self.value(state).map_or_else(|| "no value".to_owned(), |value| format!("value {value}"));
        vec![state.subject.rule.clone(), state.phase.as_str().to_owned(), pairs(&labels), value]
    }

    /// What the rule's condition says, in a sentence for each of its alerts.
    fn said(&self, rule: &str) -> Vec<String> {
        let of_rule: Vec<&Verdict> = self.verdicts.iter().filter(|(_, of, _)| of == rule).map(|(.., verdict)| verdict).collect();
        if of_rule.is_empty() {
            return vec![format!("{rule}: no series of its own")];
        }
        let currency = &self.config.site.currency;
        of_rule.into_iter().map(|verdict| format!("{rule}: {}", verdict.sentence(currency))).collect()
    }
}

fn expected_columns(alert: &ExpectedAlert) -> Vec<String> {
    let value = alert.value.map(|value| format!("value {value}")).unwrap_or_default();
    vec![alert.rule.clone(), alert.state.as_str().to_owned(), pairs(&alert.labels), value]
}

fn pairs(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn notifications(test: &Test, expectation: &Expectation, sent: &[NewMessage]) -> Option<Failure> {
    let expected = expectation.notifications.as_ref()?;
    let columns = |message: &NewMessage| {
        let notification = &message.notification;
        vec![notification.rule.clone(), message.channel.clone(), notification.reason.as_str().to_owned()]
    };
    let mut rest: Vec<Vec<String>> = sent.iter().map(columns).collect();
    let (mut rows, mut line) = (Vec::new(), None);
    for ExpectedNotification { line: here, rule, channel, reason } in expected {
        let wanted = vec![rule.clone(), channel.clone(), reason.as_str().to_owned()];
        let found = if let Some(index) = rest.iter().position(|columns| *columns == wanted) {
            rest.remove(index);
            Found::AsExpected
        } else {
            line = line.or(Some(*here));
            Found::Missing
        };
        rows.push(Row { found, columns: wanted });
    }
    rows.extend(rest.into_iter().map(|columns| Row { found: Found::Unexpected, columns }));
    if rows.iter().all(|row| row.found == Found::AsExpected) {
        return None;
    }
    rows.sort_by(|a, b| a.columns.cmp(&b.columns));
    let (now, line) = (test.start.plus(expectation.at_ms), line.unwrap_or(expectation.line));
    Some(Failure { line, at_ms: expectation.at_ms, now, about: "notifications", rows, notes: Vec::new() })
}

#[cfg(test)]
mod tests;
