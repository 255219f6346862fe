//! The table `episode`: what became of every alert that fired, for reports.
//!
//! Invariants: an episode is written in the batch of its alert's change, if the alert stands as the change left it; when it was
//! first told and first taken stays, whatever comes later. A tick that changes only a value writes nothing here.

use super::{Param, Statement, StatementResult, body_and_digest};
use crate::alert::incident::{AlertState, Phase};
use crate::config::alerting::Severity;
use crate::ports::DbError;
use crate::record::record;
use crate::time::UnixMs;

/// Rows of one JSON parameter, each of at most ~500 bytes.
const ROWS_PER_STATEMENT: usize = 200;
/// Most rules of a report: more than fit a configuration people can keep in mind.
const MAX_RULES: i64 = 500;
/// Most episodes whose moments are read for the shifts: a hundred a day over three months, 400 KB.
pub const MAX_EPISODES: i64 = 10_000;

/// Writes what `states` say of their episodes, in the batch of their changes and after them.
pub fn record(states: &[&AlertState]) -> Vec<Statement> {
    let fired: Vec<(&AlertState, UnixMs)> = states
        .iter()
        .filter(|state| state.phase == Phase::Firing || state.phase == Phase::Resolved)
        .filter_map(|state| Some((*state, state.fired_at?)))
        .collect();
    fired.chunks(ROWS_PER_STATEMENT).map(record_chunk).collect()
}

fn record_chunk(fired: &[(&AlertState, UnixMs)]) -> Statement {
    let rows: Vec<_> = fired
        .iter()
        .map(|(state, fired_at)| {
            let subject = &state.subject;
            (
                &subject.id,
                state.version,
                body_and_digest(state).1,
                fired_at,
                &subject.rule,
                &subject.name,
                subject.severity.as_str(),
                state.told_at,
                state.response.as_ref().map(|response| response.at),
                state.resolved_at,
                state.alarm.map(crate::alert::respond::AlarmVerdict::as_str),
            )
        })
        .collect();
    Statement::new(
        "INSERT INTO episode (alert, fired_at, rule, name, severity, told_at, acknowledged_at, ended_at, verdict)
         SELECT json_extract(j.value, '$[0]'), json_extract(j.value, '$[3]'), json_extract(j.value, '$[4]'), json_extract(j.value, '$[5]'),
           json_extract(j.value, '$[6]'), json_extract(j.value, '$[7]'), json_extract(j.value, '$[8]'), json_extract(j.value, '$[9]'),
           json_extract(j.value, '$[10]')
         FROM json_each(?1) j WHERE EXISTS (
           SELECT 1 FROM alerts a WHERE a.id = json_extract(j.value, '$[0]') AND a.version = json_extract(j.value, '$[1]')
             AND a.digest = json_extract(j.value, '$[2]'))
         ON CONFLICT (alert, fired_at) DO UPDATE SET told_at = coalesce(told_at, excluded.told_at),
           acknowledged_at = coalesce(acknowledged_at, excluded.acknowledged_at), ended_at = excluded.ended_at, verdict = excluded.verdict
         WHERE (told_at IS NULL AND excluded.told_at IS NOT NULL)
           OR (acknowledged_at IS NULL AND excluded.acknowledged_at IS NOT NULL)
           OR ended_at IS NOT excluded.ended_at OR verdict IS NOT excluded.verdict",
        [Param::Text(serde_json::to_string(&rows).unwrap_or_default())],
    )
}

/// What a report says of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleRow {
    /// The rule.
    pub rule: String,
    /// Its name as of the newest alert.
    pub name: String,
    /// Alerts people were told of.
    pub alerts: u64,
    /// Alerts they were not told of: silences, maintenance, and what explains others.
    pub quiet: u64,
    /// Told alerts whose verdict is known: their own, or their incident's.
    pub judged: u64,
    /// Those of them that were true alarms.
    pub true_alarms: u64,
    /// Told alerts that somebody took.
    pub acknowledged: u64,
    /// Median time from telling to taking, of those.
    pub acknowledge_ms: Option<f64>,
    /// Median time from firing to the end, of those that are over.
    pub resolve_ms: Option<f64>,
}

record!(RuleRow { rule, name, alerts, quiet, judged, true_alarms, acknowledged, acknowledge_ms, resolve_ms, .. });

/// A told alert, for the shifts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub told_at: UnixMs,
    /// How bad it was.
    pub severity: Severity,
}

record!(Told { told_at, severity, .. });

/// Most episodes that are read of one moment: as many alerts fire at once in a bad hour.
const MAX_AT_ONCE: i64 = 500;

/// One episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// The alert.
    pub alert: String,
    /// When it began to fire.
    pub fired_at: UnixMs,
    /// When people were first told.
    pub told_at: Option<UnixMs>,
    /// When somebody first had it.
    pub acknowledged_at: Option<UnixMs>,
    /// When it was over.
    pub ended_at: Option<UnixMs>,
}

record!(Episode { alert, fired_at, told_at, acknowledged_at, ended_at, .. });

/// Reads the episodes of all alerts that fired at `at`, and of each alert of `rule` the newest that had begun.
pub fn of_moment(rule: &str, at: UnixMs) -> [Statement; 2] {
    [
        Statement::new(
            "SELECT alert, fired_at, told_at, acknowledged_at, ended_at FROM episode
             WHERE fired_at <= ?1 AND (ended_at IS NULL OR ended_at > ?1) ORDER BY fired_at DESC LIMIT ?2",
            [Param::Int(at.0), Param::Int(MAX_AT_ONCE)],
        ),
        Statement::new(
            "SELECT alert, max(fired_at) AS fired_at, told_at, acknowledged_at, ended_at FROM episode
             WHERE fired_at <= ?1 AND rule = ?3 GROUP BY alert ORDER BY 2 DESC LIMIT ?2",
            [Param::Int(at.0), Param::Int(MAX_AT_ONCE), rule.into()],
        ),
    ]
}

/// What [`of_moment`] found.
pub fn of_moment_found(results: Vec<StatementResult>) -> Result<[Vec<Episode>; 2], DbError> {
    let mut results = results.into_iter();
    let mut next = || results.next().unwrap_or_default();
    Ok([next().decode("episode")?, next().decode("episode")?])
}

/// Reads what fired in `[from, to)`: by rule, the one people were told of most first, and each told alert.
pub fn report(from: UnixMs, to: UnixMs) -> [Statement; 2] {
    let of = |sql, rows| Statement::new(sql, [Param::Int(from.0), Param::Int(to.0), Param::Int(rows)]);
    [
        // A median is the mean of the one or two rows in the middle; rows without a value stand behind.
        of(
            "WITH e AS (SELECT e.*, e.told_at IS NOT NULL AS told, coalesce(e.verdict, i.verdict) AS judged,
                  e.acknowledged_at - e.told_at AS ack, e.ended_at - e.fired_at AS lasted
                FROM episode e LEFT JOIN incident_alert m ON m.alert = e.alert AND m.episode = e.fired_at
                  LEFT JOIN incident i ON i.id = m.incident
                WHERE e.fired_at >= ?1 AND e.fired_at < ?2),
              p AS (SELECT *, row_number() OVER (PARTITION BY rule, told ORDER BY ack IS NULL, ack) AS ack_place,
                  count(ack) OVER (PARTITION BY rule, told) AS acks,
                  row_number() OVER (PARTITION BY rule, told ORDER BY lasted IS NULL, lasted) AS lasted_place,
                  count(lasted) OVER (PARTITION BY rule, told) AS ends FROM e)
            SELECT rule, max(name) AS name, sum(told) AS alerts, sum(NOT told) AS quiet, sum(told AND judged IS NOT NULL) AS judged,
              coalesce(sum(told AND judged = 'true_alarm'), 0) AS true_alarms, sum(told AND ack IS NOT NULL) AS acknowledged,
              avg(CASE WHEN told AND ack_place IN ((acks + 1) / 2, (acks + 2) / 2) THEN ack END) AS acknowledge_ms,
              avg(CASE WHEN told AND lasted_place IN ((ends + 1) / 2, (ends + 2) / 2) THEN lasted END) AS resolve_ms
            FROM p GROUP BY rule ORDER BY alerts DESC, rule LIMIT ?3",
            MAX_RULES,
        ),
        of(
            "SELECT told_at, severity FROM episode WHERE fired_at >= ?1 AND fired_at < ?2 AND told_at IS NOT NULL ORDER BY fired_at LIMIT ?3",
            MAX_EPISODES,
        ),
    ]
}

/// What [`report`] found.
pub fn reported(results: Vec<StatementResult>) -> Result<(Vec<RuleRow>, Vec<Told>), DbError> {
    let mut results = results.into_iter();
    let mut next = || results.next().unwrap_or_default();
    Ok((next().decode("episode")?, next().decode("episode")?))
}

/// Drops at most `rows` episodes that began before `before`.
pub fn expire(before: UnixMs, rows: u32) -> Statement {
    Statement::new(
        "DELETE FROM episode WHERE (alert, fired_at) IN (
           SELECT alert, fired_at FROM episode WHERE fired_at < ?1 ORDER BY fired_at LIMIT ?2)",
        [Param::Int(before.0), Param::Int(i64::from(rows))],
    )
}

#[cfg(test)]
mod tests;
