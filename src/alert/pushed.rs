//! Alerts that others push through Alertmanager's API, as a tick sees them: like a rule's alert that fires until its end.
//!
//! Invariants: a pushed alert is what its labels are, so the same labels are the same alert for whoever silences or takes it;
//! what was never seen again is over, but not on the first tick after a pause of ours: who could not push then has a tick's
//! time to push again.

use super::incident::{AlertState, Signal, Step, Subject, Transition};
use super::watch::ALERTNAME;
use crate::config::alerting::{OpensIncident, Severity};
use crate::sorted::Map;
use crate::storage::pushed::Pushed;
use crate::time::{MINUTE_MS, UnixMs};

/// What the rule of a pushed alert begins with; no configured rule's id has a colon.
const RULE_PREFIX: &str = "pushed:";
/// Between ticks further apart than this nobody may have been able to push: a tick a minute, and one that is missed.
const PAUSE_MS: i64 = 2 * MINUTE_MS + MINUTE_MS / 2;
/// Bytes of one text that is told, and of all annotations beside the summary: what 200 alerts store at once stays below D1's 2 MB a
/// value. `GET /api/v2/alerts` shows the rest.
const MAX_TEXT_BYTES: usize = 1_000;
/// See [`MAX_TEXT_BYTES`].
const MAX_ANNOTATION_BYTES: usize = 2_000;
/// Annotations that are told in a place of their own.
const PLACED: [&str; 3] = ["summary", "runbook_url", "runbook"];

/// The id of the alert that has these labels.
pub fn id(labels: &Map<String, String>) -> String {
    Subject::id(RULE_PREFIX, labels)
}

/// Whether an alert's rule says that it was pushed.
pub fn is_pushed(rule: &str) -> bool {
    rule.starts_with(RULE_PREFIX)
}

/// What a pushed alert is about. A severity that is none of ours, or that is not said, counts as a warning.
pub fn subject(alert: &Pushed) -> Subject {
    let label = |name: &str| alert.labels.get(name).map(String::as_str);
    let said = |name: &str| alert.annotations.get(name).map(|text| shortened(text)).filter(|text| !text.is_empty());
    let name = label(ALERTNAME).unwrap_or_default();
    let severity = label("severity").and_then(Severity::from_str).unwrap_or(Severity::Warning);
    let mut labels = alert.labels.clone();
    labels.entry("severity".to_owned()).or_insert_with(|| severity.as_str().to_owned());
    let annotations = annotations(&alert.annotations);
    let is_link = |text: &String| ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    Subject {
        id: alert.id.clone(),
        rule: format!("{RULE_PREFIX}{name}"),
        name: name.to_owned(),
        severity,
        for_ms: 0,
        keep_firing_for_ms: 0,
        summary: said("summary").or_else(|| said("description")).unwrap_or_else(|| name.to_owned()),
        runbook: said("runbook_url").or_else(|| said("runbook")).filter(is_link).unwrap_or_default(),
        owner: label("owner").or_else(|| label("team")).unwrap_or("unknown").to_owned(),
        incident: OpensIncident::Critical,
        annotations,
        labels,
    }
}

/// What is told beside the summary, the description first, while there is room; a description that is the summary is told once.
fn annotations(given: &Map<String, String>) -> Map<String, String> {
    let is_other = |name: &&String| !PLACED.contains(&name.as_str()) && *name != "description";
    let description = given.get_key_value("description").filter(|_| given.contains_key("summary"));
    let (mut told, mut room) = (Map::new(), MAX_ANNOTATION_BYTES);
    for (name, text) in description.into_iter().chain(given.iter().filter(|(name, _)| is_other(name))) {
        let text = shortened(text);
        if let Some(left) = room.checked_sub(name.len() + text.len()) {
            room = left;
            told.insert(name.clone(), text);
        }
    }
    told
}

/// Where the alert comes from.
fn detail(alert: &Pushed) -> Option<String> {
    Some(&alert.generator_url).filter(|url| url.starts_with("http")).map(|url| format!("Source: {url}"))
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    let kept = text.char_indices().map(|(at, char)| at + char.len_utf8()).take_while(|end| *end <= MAX_TEXT_BYTES).last();
    match text.get(..kept.unwrap_or_default()) {
        Some(start) if start.len() < text.len() => format!("{start}…"),
        _ => text.to_owned(),
    }
}

/// Which of `firing`, in the order of their ids as they are read, has that id.
fn of_id<'a>(firing: &'a [Pushed], id: &str) -> Option<&'a Pushed> {
    firing.binary_search_by(|alert| alert.id.as_str().cmp(id)).ok().and_then(|at| firing.get(at))
}

/// What is known at `now` of every alert that was ever pushed: it fires while it is among `firing`. `last` is the tick before.
pub fn signals(firing: &[Pushed], states: &[AlertState], last: Option<UnixMs>, now: UnixMs) -> Vec<(Subject, Signal)> {
    let fires = |alert: &Pushed| (subject(alert), Signal::On { measured: None, detail: detail(alert) });
    let over = || if last.is_some_and(|last| now.since(last) > PAUSE_MS) { Signal::Hold } else { Signal::Off { measured: None } };
    let others = states.iter().filter(|state| is_pushed(&state.subject.rule) && of_id(firing, &state.subject.id).is_none());
    firing.iter().map(fires).chain(others.map(|state| (state.subject.clone(), over()))).collect()
}

/// The steps, where those by which a pushed alert begins say since when, as it was pushed; the first one ever has a version that no
/// state of it had before, though older ones be dropped: messages are told in the order of versions.
pub fn dated(mut steps: Vec<(Subject, Step)>, firing: &[Pushed], now: UnixMs) -> Vec<(Subject, Step)> {
    for (subject, step) in &mut steps {
        if let (Some(alert), Some(state)) = (of_id(firing, &subject.id), &mut step.next)
            && step.transition == Transition::Fired
        {
            state.since = alert.starts_at.min(now);
            if state.version == 1 {
                state.version = now.0;
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests;
