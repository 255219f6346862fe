//! The delivery log, and dead messages that are to be sent all the same: more of the tables `outbox` and `attempts`.
//!
//! Invariant: a message becomes due again only while it is dead, the newest of its alert to its channel, and its alert
//! stands exactly as the re-drive's own change left it; all of that is asked for in the statement that does it.

use serde_json::Value;

use super::outbox::{AttemptRow, MessageRow};
use super::{Param, Statement, StatementResult, body_and_digest};
use crate::alert::incident::AlertState;
use crate::outbox::message::{AttemptOutcome, MessageState};
use crate::ports::DbError;
use crate::record::{self, FromJson, record};
use crate::time::{UnixMs, Window};

macro_rules! message {
    () => {
        "o.id, o.alert, o.channel, o.reason, o.state, o.created_at, o.due_at, o.attempts, o.closed_at, o.redriven_at, o.detail, o.notification"
    };
}

/// Where a page of the log begins: after the message written at `0` with the id `1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before(pub UnixMs, pub String);

/// Which messages of the log are wanted; `None` leaves that open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that stand here.
    pub state: Option<MessageState>,
    /// Only those of this channel.
    pub channel: Option<String>,
    /// Only those of this alert.
    pub alert: Option<String>,
    /// Only older ones than this.
    pub before: Option<Before>,
}

/// Reads at most `rows` messages with their last attempts, the newest first.
pub fn log(filter: &Filter, rows: u32) -> Statement {
    // Later than any message, and below 2^53.
    let before = filter.before.clone().unwrap_or(Before(UnixMs(9_000_000_000_000_000), String::new()));
    Statement::new(
        concat!(
            "SELECT ",
            message!(),
            ", t.at AS at, t.outcome, t.status, t.detail AS said
             FROM outbox o LEFT JOIN attempts t ON t.message = o.id AND t.attempt = o.attempts
             WHERE (o.created_at, o.id) < (?1, ?2) AND (?3 IS NULL OR o.state = ?3) AND (?4 IS NULL OR o.channel = ?4)
               AND (?5 IS NULL OR o.alert = ?5)
             ORDER BY o.created_at DESC, o.id DESC LIMIT ?6"
        ),
        [
            Param::Int(before.0.0),
            before.1.into(),
            filter.state.map(MessageState::as_str).into(),
            filter.channel.clone().into(),
            filter.alert.clone().into(),
            Param::Int(i64::from(rows)),
        ],
    )
}

struct Tried {
    attempts: u32,
    at: Option<UnixMs>,
    outcome: Option<AttemptOutcome>,
    status: Option<u16>,
    said: Option<String>,
}

record!(Tried { attempts, at, outcome, status, said, .. });

/// The messages [`log`] found, each with its last attempt.
pub fn logged(result: StatementResult) -> Result<Vec<(MessageRow, Option<AttemptRow>)>, DbError> {
    let row = |row: Value| {
        let tried = Tried::from_json(row.clone())?;
        let last = tried.at.zip(tried.outcome).map(|(at, outcome)| AttemptRow {
            attempt: tried.attempts,
            at,
            outcome,
            status: tried.status,
            detail: tried.said,
        });
        Ok((MessageRow::from_json(row)?, last))
    };
    let shape = |error: Box<record::Misread>| DbError::Shape { table: "outbox", message: error.to_string() };
    result.rows.into_iter().map(|found| row(found).map_err(shape)).collect()
}

/// Reads the first `rows` messages written in `window` of these alerts, by themselves or by their groups. It reads the whole outbox, as the
/// log does: for people who ask.
pub fn around(alerts: &[&str], window: Window, rows: i64) -> Statement {
    Statement::new(
        "WITH these AS MATERIALIZED (SELECT value FROM json_each(?3))
         SELECT o.id, o.alert, o.channel, o.reason, o.state, o.created_at, o.due_at, o.attempts, o.closed_at, o.redriven_at, o.detail, '' AS notification,
           coalesce(members, '[]') AS members
         FROM outbox o WHERE created_at >= ?1 AND created_at < ?2 AND (alert IN (SELECT value FROM these)
           OR EXISTS (SELECT 1 FROM json_each(o.members) m WHERE m.value IN (SELECT value FROM these)))
         ORDER BY created_at, id LIMIT ?4",
        [
            Param::Int(window.from.0),
            Param::Int(window.to.0),
            Param::Text(serde_json::to_string(alerts).unwrap_or_default()),
            Param::Int(rows),
        ],
    )
}

/// A message, and the alerts it tells of if it is a group's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message.
    pub message: MessageRow,
    /// The alerts' ids.
    pub members: Vec<String>,
}

/// What [`around`] found.
pub fn sent(result: StatementResult) -> Result<Vec<Sent>, DbError> {
    struct Of {
        members: String,
    }

    record!(Of { members, .. });
    let one = |row: serde_json::Value| {
        let Of { members } = Of::from_json(row.clone())?;
        Ok(Sent { message: MessageRow::from_json(row)?, members: record::read(members.as_bytes()).unwrap_or_default() })
    };
    let shape = |error: Box<record::Misread>| DbError::Shape { table: "outbox", message: error.to_string() };
    result.rows.into_iter().map(|row| one(row).map_err(shape)).collect()
}

macro_rules! letter {
    ($which:literal) => {
        concat!(
            "SELECT * FROM (SELECT ",
            message!(),
            ", a.phase, a.body, (SELECT n.id FROM outbox n WHERE n.alert = o.alert AND n.channel = o.channel AND n.seq > o.seq
                 ORDER BY n.seq DESC LIMIT 1) AS newer, o.members,
               (SELECT count(*) FROM json_each(o.members) m JOIN alerts x ON x.id = m.value WHERE x.phase = 'firing') AS members_firing
             FROM outbox o LEFT JOIN alerts a ON a.id = o.alert) WHERE ",
            $which
        )
    };
}

/// Reads one message, what its alert is now, and the newest message that was written after it.
pub fn letter(id: &str) -> Statement {
    Statement::new(letter!("id = ?1"), [id.into()])
}

/// Reads, oldest first, at most `rows` dead messages of `channel` that may still be true: the newest of their alert to the channel,
/// and saying that it fires while it does, or that it ended while it does not. Tests and reports are left out.
pub fn dead_letters(channel: &str, rows: u32) -> Statement {
    Statement::new(
        letter!(
            "state = 'dead' AND channel = ?1 AND newer IS NULL AND reason <> 'test'
             AND (CASE WHEN members IS NULL THEN phase IS 'firing' ELSE members_firing > 0 END) = (reason NOT IN ('resolved', 'rule_removed'))
             ORDER BY created_at, id LIMIT ?2"
        ),
        [channel.into(), Param::Int(i64::from(rows))],
    )
}

/// A message, and what is to be known before it is sent again.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The message.
    pub message: MessageRow,
    /// The newest message of its alert to its channel, if that is another one.
    pub newer: Option<String>,
    /// Its alert as it stands.
    pub alert: Option<AlertState>,
    /// Of a message about a group: how many of its alerts fire.
    pub members_firing: u32,
}

/// What [`letter()`] or [`dead_letters`] found.
pub fn letters(result: StatementResult) -> Result<Vec<Letter>, DbError> {
    struct Around {
        newer: Option<String>,
        body: Option<String>,
        members_firing: u32,
    }

    record!(Around { newer, body, members_firing, .. });
    let shape = |message: String| DbError::Shape { table: "outbox", message };
    let one = |row: Value| {
        let around = Around::from_json(row.clone()).map_err(|error| shape(error.to_string()))?;
        let alert = around.body.map(|body| record::read(body.as_bytes())).transpose().map_err(|error| shape(error.to_string()))?;
        let message = MessageRow::from_json(row).map_err(|error| shape(error.to_string()))?;
        Ok(Letter { message, newer: around.newer, alert, members_firing: around.members_firing })
    };
    result.rows.into_iter().map(one).collect()
}

/// Makes dead messages due at `now`, because of `why`, each with the state its alert was given for it. Answers the ids.
pub fn redrive(messages: &[(&str, Option<&AlertState>)], why: &str, now: UnixMs) -> Statement {
    let rows: Vec<_> =
        messages.iter().map(|(id, state)| (id, state.map(|state| (&state.subject.id, state.version, body_and_digest(state).1)))).collect();
    Statement::new(
        "UPDATE outbox SET state = 'due', due_at = ?2, redriven_at = ?2, closed_at = NULL, detail = ?3
         WHERE state = 'dead' AND id IN (
             SELECT json_extract(j.value, '$[0]') FROM json_each(?1) j
             WHERE json_extract(j.value, '$[1]') IS NULL OR EXISTS (
               SELECT 1 FROM alerts a WHERE a.id = json_extract(j.value, '$[1][0]') AND a.version = json_extract(j.value, '$[1][1]')
                 AND a.digest = json_extract(j.value, '$[1][2]')))
           AND NOT EXISTS (SELECT 1 FROM outbox n WHERE n.alert = outbox.alert AND n.channel = outbox.channel AND n.seq > outbox.seq)
         RETURNING id",
        [Param::Text(serde_json::to_string(&rows).unwrap_or_default()), Param::Int(now.0), why.into()],
    )
}

/// Reads which of these messages are written, however they stand.
pub fn written(ids: &[&str]) -> Statement {
    let ids = serde_json::to_string(ids).unwrap_or_default();
    Statement::new("SELECT id FROM outbox WHERE id IN (SELECT value FROM json_each(?1))", [Param::Text(ids)])
}

/// The ids [`redrive`] answered, or [`written`] found.
pub fn ids(result: StatementResult) -> Result<Vec<String>, DbError> {
    struct Row {
        id: String,
    }

    record!(Row { id, .. });
    Ok(result.decode::<Row>("outbox")?.into_iter().map(|row| row.id).collect())
}
