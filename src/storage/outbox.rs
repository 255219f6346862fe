//! The tables `outbox`, `attempts` and `channels`.
//!
//! Invariants: a message of an alert to a channel is claimed only when every earlier one of the pair is closed, and one that tells
//! of a group only when every earlier one that tells of its alerts is, so the last thing a person hears is the last thing that happened. The attempt number is the fence: an answer is recorded on the row only
//! while that attempt holds the lease, except that "delivered" always counts.

use serde::Serialize;

use super::{Param, Statement, StatementResult, body_and_digest};
use crate::alert::group::GroupChange;
use crate::alert::incident::AlertState;
use crate::outbox::message::{AttemptOutcome, MessageState, NewMessage, Sendable};
use crate::ports::DbError;
use crate::record::record;
use crate::time::{MINUTE_MS, UnixMs};

/// Rows of one JSON parameter: 200 of at most ~4 KB stay far below D1's 2 MB a value.
const ROWS_PER_STATEMENT: usize = 200;

type NewRow<'a> = (&'a str, &'a str, i64, &'a str, &'a str, &'a str, String, i64, Option<String>, i64, String, Option<String>);

fn new_row(message: &NewMessage, now: UnixMs, guard: (i64, String)) -> NewRow<'_> {
    let notification = &message.notification;
    let group = notification.group.as_ref();
    let about = group.map_or(&notification.alert, |group| &group.id);
    let members = group.map(|group| serde_json::to_string(&group.members).unwrap_or_default());
    let (state, detail) = match &message.sendable {
        Sendable::Now => (MessageState::Due, None),
        Sendable::ChannelOff { secret } => (MessageState::Dead, Some(format!("channel_off: the secret {secret} is not set"))),
    };
    let text = serde_json::to_string(notification).unwrap_or_default();
    let reason = notification.reason.as_str();
    (&notification.id, about, message.seq, &message.channel, reason, state.as_str(), text, now.0, detail, guard.0, guard.1, members)
}

macro_rules! insert_into_outbox {
    ($condition:literal) => {
        concat!(
            "INSERT INTO outbox (id, alert, seq, channel, reason, state, notification, created_at, due_at, attempts, closed_at, detail, members)
             SELECT json_extract(j.value, '$[0]'), json_extract(j.value, '$[1]'), json_extract(j.value, '$[2]'), json_extract(j.value, '$[3]'),
                    json_extract(j.value, '$[4]'), json_extract(j.value, '$[5]'), json_extract(j.value, '$[6]'), json_extract(j.value, '$[7]'),
                    json_extract(j.value, '$[7]'), 0,
                    CASE WHEN json_extract(j.value, '$[5]') = 'dead' THEN json_extract(j.value, '$[7]') END, json_extract(j.value, '$[8]'),
                    json_extract(j.value, '$[11]')
             FROM json_each(?1) j WHERE ",
            $condition,
            " ON CONFLICT (id) DO NOTHING"
        )
    };
}

/// Writes messages, each only if the alert stands exactly as its change left it.
pub fn insert_for_changes(messages: &[(&AlertState, &NewMessage)], now: UnixMs) -> Vec<Statement> {
    insert(
        messages,
        insert_into_outbox!(
            "EXISTS (SELECT 1 FROM alerts a WHERE a.id = json_extract(j.value, '$[1]') AND a.version = json_extract(j.value, '$[9]')
                 AND a.digest = json_extract(j.value, '$[10]'))"
        ),
        |(state, message)| new_row(message, now, (state.version, body_and_digest(state).1)),
    )
}

/// Writes messages that tell of a change of an incident, which they name as their alert, before the change in its batch.
pub fn insert_for_incident(messages: &[NewMessage], now: UnixMs) -> Vec<Statement> {
    insert(
        messages,
        insert_into_outbox!(
            "EXISTS (SELECT 1 FROM incident i WHERE i.id = json_extract(j.value, '$[1]') AND i.version = json_extract(j.value, '$[2]') - 1)"
        ),
        |message| new_row(message, now, (0, String::new())),
    )
}

/// Writes messages about groups, each only if the group stands exactly as its change left it.
pub fn insert_for_groups(messages: &[(&GroupChange, &NewMessage)], now: UnixMs) -> Vec<Statement> {
    insert(
        messages,
        insert_into_outbox!(
            "EXISTS (SELECT 1 FROM alert_group g WHERE g.id = json_extract(j.value, '$[1]') AND g.version = json_extract(j.value, '$[9]')
                 AND g.digest = json_extract(j.value, '$[10]'))"
        ),
        |(change, message)| new_row(message, now, (change.next.version, body_and_digest(&change.next).1)),
    )
}

/// Writes messages that tell of no alert: tests.
pub fn insert_free(messages: &[NewMessage], now: UnixMs) -> Vec<Statement> {
    insert(messages, insert_into_outbox!("true"), |message| new_row(message, now, (0, String::new())))
}

fn insert<'a, T>(messages: &'a [T], sql: &'static str, row: impl Fn(&'a T) -> NewRow<'a>) -> Vec<Statement> {
    let statement = |chunk: &'a [T]| {
        let rows: Vec<NewRow<'a>> = chunk.iter().map(&row).collect();
        Statement::new(sql, [Param::Text(serde_json::to_string(&rows).unwrap_or_default())])
    };
    messages.chunks(ROWS_PER_STATEMENT).map(statement).collect()
}

/// A message that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The message.
    pub id: String,
    /// Its channel.
    pub channel: String,
    /// The number of this attempt, from 1: the fence.
    pub attempts: u32,
    /// When it was written, or last made due again after it was dead: what its time counts from.
    pub counts_from: UnixMs,
    /// What is said, JSON.
    pub notification: String,
    /// What the newest earlier message of the alert, or of a group that tells of it, to the channel left open at the peer, if that
    /// is not over. Of an incident's message, what one of its alerts made of it there, if it left nothing open itself.
    pub remote: Option<String>,
}

record!(Claimed { id, channel, attempts, counts_from, notification, remote, .. });

// Of one moment, what was said of an alert by itself goes before what its group says: groups are decided last.
macro_rules! unblocked {
    () => {
        "o.state IN ('due', 'leased') AND NOT EXISTS (
           SELECT 1 FROM outbox e WHERE e.state IN ('due', 'leased') AND e.alert = o.alert AND e.channel = o.channel AND e.seq < o.seq)
         AND NOT EXISTS (
           SELECT 1 FROM json_each(o.members) m JOIN outbox e ON e.alert = m.value AND e.channel = o.channel
           WHERE e.state IN ('due', 'leased') AND e.created_at <= o.created_at)
         AND NOT EXISTS (
           SELECT 1 FROM outbox e, json_each(e.members) m WHERE e.members IS NOT NULL AND e.state IN ('due', 'leased')
             AND e.channel = o.channel AND e.created_at < o.created_at AND e.alert <> o.alert
             AND (m.value = o.alert OR m.value IN (SELECT value FROM json_each(o.members))))"
    };
}

/// How long a rule that a channel was told of waits behind the first message of a rule it was not told of: longer than one
/// rule's fifty alerts take at a message a second, shorter than people take to look.
const STORM_MS: i64 = 5 * MINUTE_MS;

/// Claims at `now`, until `lease_until`, one message of each channel, `paused` ones left out, and begins an attempt for each: the
/// longest due, but first of all one of a rule the channel was told nothing of lately, so that a storm hides nothing else. It
/// starves nobody: every rule goes ahead once. The first result holds what was claimed.
pub fn claim(now: UnixMs, lease_until: UnixMs, paused: &[&str]) -> [Statement; 2] {
    let claim = Statement::new(
        concat!(
            "WITH lately AS MATERIALIZED (
               SELECT DISTINCT s.channel, a.rule FROM outbox s JOIN alerts a ON a.id = s.alert WHERE s.closed_at > ?4)
             UPDATE outbox SET state = 'leased', due_at = ?2, attempts = attempts + 1 WHERE id IN (
               SELECT id FROM (
                 SELECT o.id, row_number() OVER (PARTITION BY o.channel
                   ORDER BY l.rule IS NOT NULL, o.due_at, o.created_at, o.id) AS place
                 FROM outbox o LEFT JOIN alerts a ON a.id = o.alert LEFT JOIN lately l ON l.channel = o.channel AND l.rule = a.rule
                 WHERE o.due_at <= ?1 AND o.channel NOT IN (SELECT value FROM json_each(?3)) AND ",
            unblocked!(),
            ") WHERE place = 1)
             RETURNING id, channel, attempts, coalesce(redriven_at, created_at) AS counts_from, notification,
               coalesce(nullif((SELECT remote FROM (
                   SELECT * FROM (SELECT e.remote, e.created_at FROM outbox e WHERE e.alert = outbox.alert AND e.channel = outbox.channel
                     AND e.seq < outbox.seq AND e.remote IS NOT NULL ORDER BY e.seq DESC LIMIT 1)
                   UNION ALL
                   SELECT * FROM (SELECT e.remote, e.created_at FROM alerts a, json_each(a.body, '$.groups') g
                     JOIN outbox e ON e.alert = json_extract(g.value, '$.group') AND e.channel = outbox.channel
                     WHERE a.id = outbox.alert AND e.remote IS NOT NULL ORDER BY e.seq DESC LIMIT 1)
                 ) ORDER BY created_at DESC LIMIT 1), ''),
                 (SELECT e.remote FROM incident_alert m JOIN outbox e ON e.alert = m.alert AND e.created_at >= m.episode
                    AND e.created_at <= coalesce(m.ended_at, e.created_at)
                  WHERE m.incident = outbox.alert AND e.channel = outbox.channel AND e.remote <> '' ORDER BY e.closed_at DESC LIMIT 1)) AS remote"
        ),
        [
            Param::Int(now.0),
            Param::Int(lease_until.0),
            Param::Text(serde_json::to_string(paused).unwrap_or_default()),
            Param::Int(now.plus(-STORM_MS).0),
        ],
    );
    let begin = Statement::new(
        // The list of states is what the index `outbox_due` is of; by `leased` alone every message ever sent would be read.
        "INSERT INTO attempts (message, attempt, at, outcome)
         SELECT id, attempts, ?1, 'unknown' FROM outbox WHERE state IN ('due', 'leased') AND state = 'leased' AND due_at = ?2
         ON CONFLICT DO NOTHING",
        [Param::Int(now.0), Param::Int(lease_until.0)],
    );
    [claim, begin]
}

/// When each channel's next message is due.
pub fn next_due() -> Statement {
    Statement::new(concat!("SELECT o.channel, min(o.due_at) AS due_at FROM outbox o WHERE ", unblocked!(), " GROUP BY o.channel"), [])
}

/// A channel and when its next message is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextDue {
    /// The channel.
    pub channel: String,
    /// Unix milliseconds.
    pub due_at: UnixMs,
}

record!(NextDue { channel, due_at, .. });

/// The end of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended<'a> {
    /// The message.
    pub id: &'a str,
    /// Its channel.
    pub channel: &'a str,
    /// The attempt that ended.
    pub attempt: u32,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// The peer's status, if it answered.
    pub status: Option<u16>,
    /// Why, without secrets.
    pub detail: &'a str,
    /// When it ended.
    pub at: UnixMs,
    /// When it is tried again, if it is.
    pub retry_at: UnixMs,
    /// What is open at the peer now, if it says.
    pub remote: Option<&'a str>,
}

/// Records the end of an attempt. Running it twice changes nothing more.
pub fn record(ended: &Ended<'_>) -> Vec<Statement> {
    let attempt = Statement::new(
        "UPDATE attempts SET outcome = ?3, status = ?4, detail = ?5 WHERE message = ?1 AND attempt = ?2",
        [
            ended.id.into(),
            Param::Int(ended.attempt.into()),
            ended.outcome.as_str().into(),
            ended.status.map(i64::from).into(),
            ended.detail.into(),
        ],
    );
    let (id, number, at) = (Param::from(ended.id), Param::Int(ended.attempt.into()), Param::Int(ended.at.0));
    let (channel, detail) = (Param::from(ended.channel), Param::from(ended.detail));
    let (row, health) = match ended.outcome {
        AttemptOutcome::Delivered => (
            Statement::new(
                "UPDATE outbox SET state = 'delivered', closed_at = ?2, detail = ?3, remote = ?4 WHERE id = ?1 AND state <> 'delivered'",
                [id, at.clone(), detail.clone(), ended.remote.into()],
            ),
            Statement::new(
                "INSERT INTO channels (id, delivered_at, detail) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET delivered_at = max(coalesce(delivered_at, 0), ?2), failing_since = NULL, detail = ?3",
                [channel, at, detail],
            ),
        ),
        AttemptOutcome::Dead => (
            Statement::new(
                "UPDATE outbox SET state = 'dead', closed_at = ?3, detail = ?4 WHERE id = ?1 AND attempts = ?2 AND state = 'leased'",
                [id, number, at.clone(), detail.clone()],
            ),
            Statement::new(
                "INSERT INTO channels (id, failing_since, dead_at, detail) VALUES (?1, ?2, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET failing_since = coalesce(failing_since, ?2), dead_at = ?2, detail = ?3",
                [channel, at, detail],
            ),
        ),
        AttemptOutcome::Retry | AttemptOutcome::Unknown => (
            Statement::new(
                "UPDATE outbox SET state = 'due', due_at = ?3, detail = ?4 WHERE id = ?1 AND attempts = ?2 AND state = 'leased'",
                [id, number, Param::Int(ended.retry_at.0), detail.clone()],
            ),
            Statement::new(
                "INSERT INTO channels (id, failing_since, detail) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET failing_since = coalesce(failing_since, ?2), detail = ?3",
                [channel, at, detail],
            ),
        ),
    };
    vec![attempt, row, health]
}

/// How each channel fares.
pub fn channels() -> Statement {
    Statement::new("SELECT id, delivered_at, failing_since, dead_at, detail FROM channels ORDER BY id", [])
}

/// How a channel fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelHealth {
    /// The channel.
    pub id: String,
    /// Its newest delivery.
    pub delivered_at: Option<UnixMs>,
    /// Its first failure since then.
    pub failing_since: Option<UnixMs>,
    /// The newest message given up.
    pub dead_at: Option<UnixMs>,
    /// What the peer said last.
    pub detail: Option<String>,
}

record!(ChannelHealth { id, delivered_at, failing_since, dead_at, detail, .. });

impl ChannelHealth {
    /// Whether nothing went through since a message was given up.
    pub fn is_dead(&self) -> bool {
        self.dead_at.is_some_and(|dead| self.delivered_at.is_none_or(|delivered| delivered < dead))
    }
}

/// Audits the outbox at `now`: all open messages, and those that are overdue by more than five minutes and wait for no other.
pub fn audit(now: UnixMs) -> Statement {
    Statement::new(
        concat!(
            "SELECT (SELECT count(*) FROM outbox WHERE state IN ('due', 'leased')) AS open,
                    (SELECT count(*) FROM outbox WHERE state = 'dead' AND closed_at > ?1 - 86400000) AS dead, count(*) AS overdue
             FROM outbox o WHERE o.due_at < ?1 - 300000 AND ",
            unblocked!()
        ),
        [Param::Int(now.0)],
    )
}

/// Drops at most `rows` messages closed before `before`, with their attempts; one transaction.
pub fn expire(before: UnixMs, rows: u32) -> [Statement; 2] {
    let oldest = [Param::Int(before.0), Param::Int(i64::from(rows))];
    [
        Statement::new(
            "DELETE FROM attempts WHERE message IN (SELECT id FROM outbox WHERE closed_at < ?1 ORDER BY closed_at, id LIMIT ?2)",
            oldest.clone(),
        ),
        Statement::new(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE closed_at < ?1 ORDER BY closed_at, id LIMIT ?2)",
            oldest,
        ),
    ]
}

/// What [`audit`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Audit {
    /// Messages not closed yet.
    pub open: u64,
    /// Those overdue by more than five minutes: nobody works on them.
    pub overdue: u64,
    /// Those given up in the last 24 hours.
    pub dead: u64,
}

record!(Audit { open, overdue, dead, .. });

/// Reads one message and its attempts: two statements.
pub fn delivery(id: &str) -> [Statement; 2] {
    [
        Statement::new(
            "SELECT id, alert, channel, reason, state, created_at, due_at, attempts, closed_at, redriven_at, detail, notification
             FROM outbox WHERE id = ?1",
            [id.into()],
        ),
        Statement::new("SELECT attempt, at, outcome, status, detail FROM attempts WHERE message = ?1 ORDER BY attempt", [id.into()]),
    ]
}

/// Reads the messages with these ids, by primary key, oldest first.
pub fn messages(ids: &[String]) -> Statement {
    Statement::new(
        "SELECT id, alert, channel, reason, state, created_at, due_at, attempts, closed_at, redriven_at, detail, '' AS notification
         FROM outbox WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY created_at, id",
        [Param::Text(serde_json::to_string(ids).unwrap_or_default())],
    )
}

/// One message, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The message.
    pub id: String,
    /// Its alert.
    pub alert: String,
    /// Its channel.
    pub channel: String,
    /// Why it is sent.
    pub reason: String,
    /// Where it stands.
    pub state: MessageState,
    /// When it was written.
    pub created_at: UnixMs,
    /// When it is due, or its lease ends.
    pub due_at: UnixMs,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was closed.
    pub closed_at: Option<UnixMs>,
    /// When it was made due again after it was dead.
    pub redriven_at: Option<UnixMs>,
    /// Why it stands where it stands.
    pub detail: Option<String>,
    /// What is said, JSON.
    pub notification: String,
}

record!(MessageRow { id, alert, channel, reason, state, created_at, due_at, attempts, closed_at, redriven_at, detail, notification, .. });

/// One attempt, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptRow {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it began.
    pub at: UnixMs,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// The peer's status, if it answered.
    pub status: Option<u16>,
    /// Why, without secrets.
    pub detail: Option<String>,
}

record!(AttemptRow { attempt, at, outcome, status, detail, .. });

/// The message and its attempts that [`delivery`] found; `None` if there is no such message.
pub fn found_delivery(results: Vec<StatementResult>) -> Result<Option<(MessageRow, Vec<AttemptRow>)>, DbError> {
    let mut results = results.into_iter();
    let message = results.next().unwrap_or_default().decode::<MessageRow>("outbox")?.into_iter().next();
    let attempts = results.next().unwrap_or_default().decode::<AttemptRow>("attempts")?;
    Ok(message.map(|message| (message, attempts)))
}

#[cfg(test)]
mod tests;
