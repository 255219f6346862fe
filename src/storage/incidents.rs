//! The tables `incident`, `incident_alert` and `incident_entry`.
//!
//! Invariants: what hangs on a change of an alert asks, in the change's own batch, whether the alert stands as the change
//! left it; the unique index `incident_open` lets one incident be open for a key, whoever writes first. Every statement
//! does nothing the second time.

use serde::Serialize;

use super::{Param, Statement, StatementResult, body_and_digest, outbox};
use crate::alert::notification::Notification;
use crate::alert::respond::AlarmVerdict;
use crate::config::alerting::Severity;
use crate::incident::edit::{self, Entry, Known, REPEAT_MS};
use crate::incident::follow::{Done, Seen};
use crate::incident::postmortem::Facts;
use crate::incident::{Incident, IncidentState, Opening, SETTLE_MS};
use crate::outbox::message::NewMessage;
use crate::ports::DbError;
use crate::record::{self, record};
use crate::time::UnixMs;

/// Rows of one JSON parameter: 200 of at most ~1 KB stay far below D1's 2 MB a value.
const ROWS_PER_STATEMENT: usize = 200;
/// Most rows of one incident that are read: a storm of 300 alerts on three channels with their ends is 2,400 lines of at most ~200
/// bytes, half a megabyte.
pub const MAX_ROWS: i64 = 2_500;

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
                body_and_digest(seen.state).1,
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
            let digest = body_and_digest(state).1;
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
         AND NOT EXISTS (SELECT 1 FROM incident_entry d WHERE d.incident = i.id AND d.kind = 'detected')
         AND coalesce((SELECT d.text FROM incident_entry d WHERE d.incident = i.id AND d.kind = 'status_update'
           ORDER BY d.at DESC, d.seq DESC LIMIT 1), 'resolved: ') GLOB 'resolved: *'"
    };
}

/// Resolves at `now` the incidents whose alerts were all over for [`SETTLE_MS`]; what something else than an alert opened or
/// added to, and what the public was told of and not that it is over, is resolved by a person.
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

/// Opens an incident, or adds to the open one of its key; one batch. [`incidents`] of the last result is that incident. What the same
/// source said in the same words within [`REPEAT_MS`] is not said again: it is the same request, sent again.
pub fn open(opening: &Opening) -> [Statement; 4] {
    let text = |text: &str| Param::from(text);
    let (at, severity) = (Param::Int(opening.at.0), text(opening.severity.as_str()));
    [
        Statement::new(
            "INSERT INTO incident (id, key, title, severity, owner, state, opened_at, resolved_at, version)
             SELECT ?1, ?2, ?3, ?4, ?5, 'open', ?6, NULL, 1
             WHERE NOT EXISTS (SELECT 1 FROM incident WHERE key = ?2 AND state = 'open') ON CONFLICT DO NOTHING",
            [text(&opening.id()), text(&opening.key), text(&opening.title), severity.clone(), text(&opening.owner), at.clone()],
        ),
        Statement::new(
            "UPDATE incident SET severity = ?2, version = version + 1 WHERE key = ?1 AND state = 'open'
               AND instr('info warning critical', ?2) > instr('info warning critical', severity)",
            [text(&opening.key), severity],
        ),
        Statement::new(
            "INSERT INTO incident_entry (incident, at, kind, alert, seq, actor, text)
             SELECT i.id, ?2, 'detected', '', ?6, ?3, ?4 FROM incident i WHERE i.key = ?1 AND i.state = 'open' AND NOT EXISTS (
               SELECT 1 FROM incident_entry e WHERE e.incident = i.id AND e.at > ?2 - ?5 AND e.kind = 'detected' AND e.actor = ?3 AND e.text = ?4)
             ON CONFLICT DO NOTHING",
            [text(&opening.key), at, text(&opening.source), text(&opening.text), Param::Int(REPEAT_MS), Param::Int(opening.seq())],
        ),
        Statement::new(concat!(select!(), "WHERE key = ?1 AND state = 'open'"), [text(&opening.key)]),
    ]
}

/// The incidents in `state`, all without it, that come after the incident `after`: the newest first.
pub fn list(state: Option<IncidentState>, after: Option<&str>, limit: i64) -> Statement {
    Statement::new(
        concat!(
            select!(),
            "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR (opened_at, id) < (SELECT opened_at, id FROM incident WHERE id = ?2))
             ORDER BY opened_at DESC, id DESC LIMIT ?3"
        ),
        [state.map(IncidentState::as_str).into(), after.into(), Param::Int(limit)],
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

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: UnixMs,
    /// `opened`, `fired`, `ended`, `notified`, `delivered`, `undelivered`, or the word of an [`EntryKind`](crate::incident::EntryKind).
    pub kind: String,
    /// Who; empty for Parapet.
    pub actor: String,
    /// The name of the alert; empty for the incident.
    pub alert: String,
    /// The channel of a message.
    pub channel: String,
    /// In words.
    pub text: String,
}

record!(Line { at, kind, actor, alert, channel, text, .. });

// The incident's alerts as `m`, and as `o` the messages about them, about groups with one of them, and about itself. The message
// that tells of an end is written at the end, a group's up to an interval of groups later: as long as an incident settles.
macro_rules! its_messages {
    () => {
        "WITH m AS (SELECT * FROM incident_alert WHERE incident = ?1),
           o AS (SELECT o.*, m.name FROM m JOIN outbox o ON o.alert = m.alert AND o.created_at >= m.episode
               AND (m.ended_at IS NULL OR o.created_at <= m.ended_at)
             UNION ALL SELECT o.*, '' FROM outbox o WHERE o.alert = ?1
             UNION ALL SELECT o.*, '' FROM outbox o WHERE o.members IS NOT NULL
               AND o.created_at >= (SELECT opened_at FROM incident WHERE id = ?1)
               AND EXISTS (SELECT 1 FROM json_each(o.members) j JOIN m ON m.alert = j.value AND o.created_at >= m.episode
                 AND (m.ended_at IS NULL OR o.created_at <= m.ended_at + 900000))) "
    };
}

/// Reads one incident: itself, its alerts, its timeline. Of messages the timeline says why each was written, and of
/// those that were given up what the peer said last; of one moment's lines those come first that the others follow from. D1 unites at
/// most five selections.
pub fn one(id: &str) -> [Statement; 3] {
    let of = |sql| Statement::new(sql, [id.into(), Param::Int(MAX_ROWS)]);
    [
        Statement::new(concat!(select!(), "WHERE id = ?1"), [id.into()]),
        of("SELECT alert, episode, rule, name, severity, ended_at, ended_by FROM incident_alert WHERE incident = ?1
            ORDER BY episode, alert LIMIT ?2"),
        of(concat!(
            its_messages!(),
            "SELECT at, kind, actor, alert, channel, text FROM (
              SELECT 0 AS place, opened_at AS at, 'opened' AS kind, '' AS actor, '' AS alert, '' AS channel, title AS text
                FROM incident WHERE id = ?1
              UNION ALL SELECT 1, CASE w.value WHEN 'fired' THEN episode ELSE ended_at END, w.value,
                CASE w.value WHEN 'fired' THEN '' ELSE coalesce(ended_by, '') END, name, '', CASE w.value WHEN 'fired' THEN severity ELSE '' END
                FROM m, (SELECT 'fired' AS value UNION ALL SELECT 'ended') w WHERE w.value = 'fired' OR ended_at IS NOT NULL
              UNION ALL SELECT CASE e.kind WHEN 'resolved' THEN 6 WHEN 'verdict' THEN 7 ELSE 2 END, e.at, e.kind, e.actor,
                coalesce((SELECT name FROM m WHERE m.alert = e.alert LIMIT 1), e.alert), '', e.text FROM incident_entry e WHERE e.incident = ?1
              UNION ALL SELECT 3, created_at, 'notified', '', name, channel, reason FROM o
              UNION ALL SELECT 4, closed_at, CASE state WHEN 'dead' THEN 'undelivered' ELSE state END, '', name, channel,
                CASE state WHEN 'dead' THEN reason || coalesce(': ' || detail, '') ELSE reason END
                FROM o WHERE closed_at IS NOT NULL
            ) ORDER BY at, place, alert, channel LIMIT ?2"
        )),
    ]
}

/// One incident, its alerts and its timeline.
pub type Whole = (Incident, Vec<Member>, Vec<Line>);

/// What [`one`] found; `None` if there is no such incident.
pub fn whole(results: Vec<StatementResult>) -> Result<Option<Whole>, DbError> {
    let mut results = results.into_iter();
    let mut next = || results.next().unwrap_or_default();
    let incident = incidents(next())?.into_iter().next();
    let (members, lines) = (next().decode("incident_alert")?, next().decode("incident_entry")?);
    Ok(incident.map(|incident| (incident, members, lines)))
}

/// Newest messages of one incident that are read, each of at most ~20 KB.
const MAX_SAID: i64 = 20;

/// Reads what [`one`] reads, and the newest messages.
pub fn with_messages(id: &str) -> Vec<Statement> {
    let mut statements = Vec::from(one(id));
    statements.push(Statement::new(
        concat!(its_messages!(), "SELECT notification FROM o WHERE alert <> ?1 ORDER BY created_at DESC, alert LIMIT ?2"),
        [id.into(), Param::Int(MAX_SAID)],
    ));
    statements
}

/// What [`with_messages`] found; messages that another version wrote and this one cannot read are left out.
pub fn facts(mut results: Vec<StatementResult>) -> Result<Option<Facts>, DbError> {
    struct Row {
        notification: String,
    }

    record!(Row { notification, .. });
    let rows: Vec<Row> = results.pop().unwrap_or_default().decode("outbox")?;
    let Some((incident, members, lines)) = whole(results)? else { return Ok(None) };
    let mut said: Vec<Notification> = Vec::new();
    for row in rows {
        let Ok(message) = record::read::<Notification>(row.notification.as_bytes()) else { continue };
        let all = match &message.group {
            Some(group) => group.alerts.clone(),
            None => vec![message],
        };
        for one in all {
            let is_new = said.iter().all(|known| known.alert != one.alert);
            if is_new && members.iter().any(|member| member.alert == one.alert) {
                said.push(one);
            }
        }
    }
    Ok(Some(Facts { incident, members, lines, said }))
}

/// Reads what a change is decided on: the incident, what was written of it after `since`, and what the public was told last.
pub fn to_edit(id: &str, since: UnixMs) -> [Statement; 3] {
    [
        Statement::new(concat!(select!(), "WHERE id = ?1"), [id.into()]),
        Statement::new(
            "SELECT kind, actor, text FROM incident_entry WHERE incident = ?1 AND at > ?2 ORDER BY at DESC LIMIT ?3",
            [id.into(), Param::Int(since.0), Param::Int(MAX_ROWS)],
        ),
        Statement::new(
            "SELECT kind, actor, text FROM incident_entry WHERE incident = ?1 AND kind = 'status_update' ORDER BY at DESC, seq DESC LIMIT 1",
            [id.into()],
        ),
    ]
}

/// What [`to_edit`] found.
pub fn known(results: Vec<StatementResult>) -> Result<Option<(Incident, Known)>, DbError> {
    let mut results = results.into_iter();
    let mut next = || results.next().unwrap_or_default();
    let (found, lately) = (incidents(next())?, next().decode("incident_entry")?);
    let told: Vec<Entry> = next().decode("incident_entry")?;
    let page = told.first().and_then(|entry| edit::page_of(&entry.text));
    Ok(found.into_iter().next().map(|incident| (incident, Known { lately, page })))
}

/// Stores `next` with `entries` and `messages`, if the stored version is the one before its own; the last result has a row if it was.
pub fn change(next: &Incident, entries: &[Entry], messages: &[NewMessage], at: UnixMs) -> Vec<Statement> {
    let (id, version) = (Param::from(next.id.as_str()), Param::Int(next.version));
    let rows: Vec<_> = entries.iter().map(|entry| (entry.kind.as_str(), &entry.actor, &entry.text)).collect();
    let mut statements = outbox::insert_for_incident(messages, at);
    statements.extend([
        Statement::new(
            "INSERT INTO incident_entry (incident, at, kind, alert, seq, actor, text)
             SELECT i.id, ?3, json_extract(j.value, '$[0]'), '', ?2, json_extract(j.value, '$[1]'), json_extract(j.value, '$[2]')
             FROM json_each(?4) j JOIN incident i ON i.id = ?1 AND i.version = ?2 - 1",
            [id.clone(), version.clone(), Param::Int(at.0), Param::Text(serde_json::to_string(&rows).unwrap_or_default())],
        ),
        Statement::new(
            "UPDATE incident SET severity = ?3, owner = ?4, state = ?5, resolved_at = ?6, verdict = ?7, version = ?2
             WHERE id = ?1 AND version = ?2 - 1 RETURNING id",
            [
                id,
                version,
                next.severity.as_str().into(),
                next.owner.as_str().into(),
                next.state.as_str().into(),
                next.resolved_at.map(|at| at.0).into(),
                next.verdict.map(AlarmVerdict::as_str).into(),
            ],
        ),
    ]);
    statements
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
