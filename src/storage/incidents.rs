//! The tables `incident`, `incident_alert` and `incident_entry`.
//!
//! Invariants: what hangs on a change of an alert asks, in the change's own batch, whether the alert stands as the change
//! left it; the unique index `incident_open` lets one incident be open for a key, whoever writes first. Every statement
//! does nothing the second time.

use serde::Serialize;

use super::{Param, Statement, StatementResult, alerts};
use crate::config::alerting::Severity;
use crate::incident::follow::{Done, Seen};
use crate::incident::{EntryKind, Incident, IncidentState, Opening, SETTLE_MS};
use crate::ports::DbError;
use crate::record::record;
use crate::time::UnixMs;

/// Rows of one JSON parameter: 200 of at most ~1 KB stay far below D1's 2 MB a value.
const ROWS_PER_STATEMENT: usize = 200;
/// Most rows of one incident that are read: an incident of 500 messages is a storm, whose end says no more than its beginning.
pub const MAX_ROWS: i64 = 500;

macro_rules! select {
    () => {
        "SELECT id, key, title, severity, owner, state, opened_at, resolved_at, verdict, version FROM incident "
    };
}

// The places in a row of `follow`. The first four are what `stands!` asks for.
macro_rules! stands {
    () => {
        "EXISTS (SELECT 1 FROM alerts a WHERE a.id = json_extract(j.value, '$[0]') AND a.version = json_extract(j.value, '$[2]')
           AND a.digest = json_extract(j.value, '$[3]'))"
    };
}

/// An alert that fires, may join an incident and is in none yet.
macro_rules! is_new {
    () => {
        concat!(
            "json_extract(j.value, '$[10]') IS NULL AND NOT EXISTS (SELECT 1 FROM incident_alert m
               WHERE m.alert = json_extract(j.value, '$[0]') AND m.episode = json_extract(j.value, '$[1]')) AND ",
            stands!()
        )
    };
}

macro_rules! none_is_open {
    () => {
        "NOT EXISTS (SELECT 1 FROM incident o WHERE o.key = json_extract(j.value, '$[4]') AND o.state = 'open')"
    };
}

/// Writes what incidents keep of changes, in the batch of the changes and after them.
pub fn follow(seen: &[Seen<'_>], done: &[Done<'_>]) -> Vec<Statement> {
    let mut statements: Vec<Statement> = seen.chunks(ROWS_PER_STATEMENT).flat_map(alerts_of).collect();
    statements.extend(done.chunks(ROWS_PER_STATEMENT).map(entries_of));
    statements
}

fn alerts_of(seen: &[Seen<'_>]) -> [Statement; 6] {
    let rows: Vec<_> = seen
        .iter()
        .map(|seen| {
            let subject = &seen.state.subject;
            let (ended_at, ended_by) = seen.ended.unzip();
            (
                &subject.id,
                seen.episode,
                seen.state.version,
                alerts::body_and_digest(seen.state).1,
                &seen.key,
                &seen.incident,
                &subject.name,
                subject.severity.as_str(),
                &subject.owner,
                u8::from(seen.opens),
                ended_at,
                ended_by.flatten(),
                &subject.rule,
                seen.state.at,
            )
        })
        .collect();
    let rows = Param::Text(serde_json::to_string(&rows).unwrap_or_default());
    let settle = Param::Int(SETTLE_MS);
    [
        // A relapse soon after the key's newest incident was resolved: of an alert that was in it, or could open one.
        Statement::new(
            concat!(
                "INSERT INTO incident_entry (incident, at, kind, alert, seq, actor, text)
                 SELECT i.id, json_extract(j.value, '$[13]'), 'reopened', json_extract(j.value, '$[0]'), 0, '', json_extract(j.value, '$[6]')
                 FROM json_each(?1) j JOIN incident i ON i.id = (
                   SELECT r.id FROM incident r WHERE r.key = json_extract(j.value, '$[4]') AND r.state = 'resolved'
                   ORDER BY r.resolved_at DESC, r.id LIMIT 1)
                 WHERE i.resolved_at > json_extract(j.value, '$[13]') - ?2 AND i.resolved_at < json_extract(j.value, '$[1]')
                   AND (json_extract(j.value, '$[9]') = 1 OR EXISTS (
                     SELECT 1 FROM incident_alert b WHERE b.incident = i.id AND b.alert = json_extract(j.value, '$[0]'))) AND ",
                none_is_open!(),
                " AND ",
                is_new!(),
                " ON CONFLICT DO NOTHING"
            ),
            [rows.clone(), settle],
        ),
        Statement::new(
            "UPDATE OR IGNORE incident SET state = 'open', resolved_at = NULL, verdict = NULL, version = version + 1
             WHERE state = 'resolved' AND key IN (SELECT json_extract(value, '$[4]') FROM json_each(?1)) AND EXISTS (
               SELECT 1 FROM incident_entry e WHERE e.incident = incident.id AND e.kind = 'reopened' AND e.at > incident.resolved_at)",
            [rows.clone()],
        ),
        Statement::new(
            concat!(
                "INSERT INTO incident (id, key, title, severity, owner, state, opened_at, resolved_at, version)
                 SELECT json_extract(j.value, '$[5]'), json_extract(j.value, '$[4]'), json_extract(j.value, '$[6]'),
                   json_extract(j.value, '$[7]'), json_extract(j.value, '$[8]'), 'open', json_extract(j.value, '$[1]'), NULL, 1
                 FROM json_each(?1) j WHERE json_extract(j.value, '$[9]') = 1 AND ",
                none_is_open!(),
                " AND ",
                is_new!(),
                " ON CONFLICT DO NOTHING"
            ),
            [rows.clone()],
        ),
        Statement::new(
            concat!(
                "UPDATE incident SET severity = 'critical', version = version + 1 WHERE state = 'open' AND severity <> 'critical' AND key IN (
                   SELECT json_extract(j.value, '$[4]') FROM json_each(?1) j WHERE json_extract(j.value, '$[7]') = 'critical' AND ",
                is_new!(),
                ")"
            ),
            [rows.clone()],
        ),
        Statement::new(
            concat!(
                "INSERT INTO incident_alert (alert, episode, incident, rule, name, severity)
                 SELECT json_extract(j.value, '$[0]'), json_extract(j.value, '$[1]'), i.id, json_extract(j.value, '$[12]'),
                   json_extract(j.value, '$[6]'), json_extract(j.value, '$[7]')
                 FROM json_each(?1) j JOIN incident i ON i.key = json_extract(j.value, '$[4]') AND i.state = 'open'
                 WHERE ",
                is_new!(),
                " ON CONFLICT DO NOTHING"
            ),
            [rows.clone()],
        ),
        Statement::new(
            concat!(
                "UPDATE incident_alert SET ended_at = json_extract(j.value, '$[10]'), ended_by = json_extract(j.value, '$[11]')
                 FROM json_each(?1) j WHERE incident_alert.alert = json_extract(j.value, '$[0]')
                   AND incident_alert.episode = json_extract(j.value, '$[1]') AND incident_alert.ended_at IS NULL
                   AND json_extract(j.value, '$[10]') IS NOT NULL AND ",
                stands!()
            ),
            [rows],
        ),
    ]
}

fn entries_of(done: &[Done<'_>]) -> Statement {
    let rows: Vec<_> = done
        .iter()
        .map(|done| {
            let state = done.state;
            let digest = alerts::body_and_digest(state).1;
            (&state.subject.id, done.episode, state.version, digest, state.at, done.kind.as_str(), done.actor, &done.text)
        })
        .collect();
    Statement::new(
        concat!(
            "INSERT INTO incident_entry (incident, at, kind, alert, seq, actor, text)
             SELECT m.incident, json_extract(j.value, '$[4]'), json_extract(j.value, '$[5]'), m.alert, json_extract(j.value, '$[2]'),
               json_extract(j.value, '$[6]'), json_extract(j.value, '$[7]')
             FROM json_each(?1) j JOIN incident_alert m
               ON m.alert = json_extract(j.value, '$[0]') AND m.episode = json_extract(j.value, '$[1]')
             WHERE ",
            stands!(),
            " ON CONFLICT DO NOTHING"
        ),
        [Param::Text(serde_json::to_string(&rows).unwrap_or_default())],
    )
}

macro_rules! is_settled {
    () => {
        "i.state = 'open' AND (SELECT count(*) > 0 AND count(m.ended_at) = count(*) AND max(m.ended_at) <= ?1 - ?2
           FROM incident_alert m WHERE m.incident = i.id)
         AND NOT EXISTS (SELECT 1 FROM incident_entry d WHERE d.incident = i.id AND d.kind = 'detected')"
    };
}

/// Resolves at `now` the incidents whose alerts were all over for [`SETTLE_MS`]; what something else than an alert opened or
/// added to is resolved by a person.
pub fn settle(now: UnixMs) -> [Statement; 2] {
    let at = [Param::Int(now.0), Param::Int(SETTLE_MS)];
    [
        Statement::new(
            concat!(
                "INSERT INTO incident_entry (incident, at, kind, alert, seq, actor, text)
                 SELECT i.id, ?1, 'resolved', '', i.version, '', 'all its alerts are over' FROM incident i WHERE ",
                is_settled!(),
                " ON CONFLICT DO NOTHING"
            ),
            at.clone(),
        ),
        Statement::new(
            concat!(
                "UPDATE incident SET state = 'resolved', version = version + 1,
                   resolved_at = (SELECT max(m.ended_at) FROM incident_alert m WHERE m.incident = incident.id)
                 WHERE id IN (SELECT i.id FROM incident i WHERE ",
                is_settled!(),
                ")"
            ),
            at,
        ),
    ]
}

/// Opens an incident, or adds to the open one of its key; one batch. [`incidents`] of the last result is that incident.
pub fn open(opening: &Opening) -> [Statement; 3] {
    let text = |text: &str| Param::from(text);
    let at = Param::Int(opening.at.0);
    let severity = text(opening.severity.as_str());
    [
        Statement::new(
            "INSERT INTO incident (id, key, title, severity, owner, state, opened_at, resolved_at, version)
             SELECT ?1, ?2, ?3, ?4, ?5, 'open', ?6, NULL, 1
             WHERE NOT EXISTS (SELECT 1 FROM incident WHERE key = ?2 AND state = 'open') ON CONFLICT DO NOTHING",
            [text(&opening.id()), text(&opening.key), text(&opening.title), severity, text(&opening.owner), at.clone()],
        ),
        Statement::new(
            "INSERT INTO incident_entry (incident, at, kind, alert, seq, actor, text)
             SELECT id, ?2, 'detected', '', 0, ?3, ?4 FROM incident WHERE key = ?1 AND state = 'open' ON CONFLICT DO NOTHING",
            [text(&opening.key), at, text(&opening.source), text(&opening.text)],
        ),
        Statement::new(concat!(select!(), "WHERE key = ?1 AND state = 'open'"), [text(&opening.key)]),
    ]
}

/// The incidents in `state`, all without it, that were opened before `before`, the newest first.
pub fn list(state: Option<IncidentState>, before: UnixMs, limit: i64) -> Statement {
    Statement::new(
        concat!(select!(), "WHERE opened_at < ?1 AND (?2 IS NULL OR state = ?2) ORDER BY opened_at DESC, id LIMIT ?3"),
        [Param::Int(before.0), state.map(IncidentState::as_str).into(), Param::Int(limit)],
    )
}

/// What [`list`] or [`open`] found.
pub fn incidents(result: StatementResult) -> Result<Vec<Incident>, DbError> {
    result.decode("incident")
}

/// An episode of an alert in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The alert.
    pub alert: String,
    /// When it began to fire.
    pub episode: UnixMs,
    /// Its rule.
    pub rule: String,
    /// What is wrong.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// Who resolved it, if a person did.
    pub ended_by: Option<String>,
}

record!(Member { alert, episode, rule, name, severity, ended_at, ended_by, .. });

/// A stored entry of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// When.
    pub at: UnixMs,
    /// What was done.
    pub kind: EntryKind,
    /// The alert; empty for the incident.
    pub alert: String,
    /// Who; empty for Parapet.
    pub actor: String,
    /// In words.
    pub text: String,
}

record!(EntryRow { at, kind, alert, actor, text, .. });

/// A message about an alert of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its alert.
    pub alert: String,
    /// Its channel.
    pub channel: String,
    /// Why it was sent.
    pub reason: String,
    /// Where it stands.
    pub state: String,
    /// When it was written.
    pub created_at: UnixMs,
    /// When it was delivered or given up.
    pub closed_at: Option<UnixMs>,
    /// What the peer said.
    pub detail: Option<String>,
}

record!(MessageRow { alert, channel, reason, state, created_at, closed_at, detail, .. });

/// Reads one incident: itself, its alerts, its entries, its messages.
pub fn one(id: &str) -> [Statement; 4] {
    let of = |sql| Statement::new(sql, [id.into(), Param::Int(MAX_ROWS)]);
    [
        Statement::new(concat!(select!(), "WHERE id = ?1"), [id.into()]),
        of("SELECT alert, episode, rule, name, severity, ended_at, ended_by FROM incident_alert WHERE incident = ?1
            ORDER BY episode, alert LIMIT ?2"),
        of("SELECT at, kind, alert, actor, text FROM incident_entry WHERE incident = ?1 ORDER BY at, kind, alert, seq LIMIT ?2"),
        // The message that tells of the end is written at the end.
        of("SELECT o.alert, o.channel, o.reason, o.state, o.created_at, o.closed_at, o.detail FROM incident_alert m
            JOIN outbox o ON o.alert = m.alert AND o.created_at >= m.episode AND (m.ended_at IS NULL OR o.created_at <= m.ended_at)
            WHERE m.incident = ?1 ORDER BY o.created_at, o.alert, o.channel LIMIT ?2"),
    ]
}

/// One incident, its alerts, its entries and its messages.
pub type Whole = (Incident, Vec<Member>, Vec<EntryRow>, Vec<MessageRow>);

/// What [`one`] found; `None` if there is no such incident.
pub fn whole(results: Vec<StatementResult>) -> Result<Option<Whole>, DbError> {
    let mut results = results.into_iter();
    let mut next = || results.next().unwrap_or_default();
    let incident = incidents(next())?.into_iter().next();
    let (members, entries, messages) = (next().decode("incident_alert")?, next().decode("incident_entry")?, next().decode("outbox")?);
    Ok(incident.map(|incident| (incident, members, entries, messages)))
}

/// Drops at most `rows` incidents resolved before `before`, with what belongs to them; one transaction.
pub fn expire(before: UnixMs, rows: u32) -> [Statement; 3] {
    macro_rules! oldest {
        ($table:literal, $column:literal) => {
            Statement::new(
                concat!(
                    "DELETE FROM ",
                    $table,
                    " WHERE ",
                    $column,
                    " IN (SELECT id FROM incident WHERE state = 'resolved' AND resolved_at < ?1 ORDER BY resolved_at, id LIMIT ?2)"
                ),
                [Param::Int(before.0), Param::Int(i64::from(rows))],
            )
        };
    }
    [oldest!("incident_entry", "incident"), oldest!("incident_alert", "incident"), oldest!("incident", "id")]
}

#[cfg(test)]
mod tests;
