//! Alerts as people see them, and what people do about them: list, show, acknowledge, snooze, resolve, escalate.
//!
//! Invariant: an act and the messages that tell of it are one batch, applied by compare-and-swap on the alert's version; when
//! a tick was faster the act is decided anew on what it wrote, at most three times. Doing the same twice is no mistake.

use serde::Serialize;

use super::auth::Principal;
use super::problem::Problem;
use crate::alert::group::is_groupable;
use crate::alert::incident::{AlertState, Phase};
use crate::alert::respond::{Act, AlarmVerdict, Refused, Response, Verb, respond};
use crate::alert::suppress::Suppression;
use crate::alert::tell::told;
use crate::channel::Addresses;
use crate::config::Config;
use crate::ids;
use crate::outbox::enqueue::{Change, enqueue, swap_statements};
use crate::ports::Db;
use crate::record::{self, record};
use crate::sorted::Map;
use crate::storage::alerts;
use crate::time::{MINUTE_MS, SECOND_MS, UnixMs};

/// How often an act is decided anew because a tick changed the alert meanwhile: a tick a minute cannot do it twice.
const TRIES: usize = 3;
/// Characters of a note.
const MAX_NOTE_CHARS: usize = 500;
/// How long an alert that is over stays in the list.
const SHOWN_AFTER_MS: i64 = 24 * 60 * MINUTE_MS;

/// An alert as shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// What acts name.
    pub id: String,
    /// `pending`, `firing` or `resolved`.
    pub phase: Phase,
    /// Its rule.
    pub rule: String,
    /// What is wrong.
    pub name: String,
    /// Its labels, `severity` included.
    pub labels: Map<String, String>,
    /// The last measured value, in the rule's unit.
    pub value: Option<f64>,
    /// The worst value of the episode.
    pub peak: Option<f64>,
    /// When the condition began to hold, RFC 3339.
    pub since: String,
    /// When it began to fire.
    pub fired_at: Option<String>,
    /// When it ended.
    pub resolved_at: Option<String>,
    /// The channels that were told.
    pub told: Vec<String>,
    /// Steps of the escalation that were taken.
    pub escalated: u32,
    /// Who has it, or who resolved it.
    pub response: Option<TakenBy>,
    /// What it turned out to be.
    pub verdict: Option<AlarmVerdict>,
    /// Why people were not told.
    pub withheld: Option<Suppression>,
}

/// Who has an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakenBy {
    /// Their name.
    pub by: String,
    /// Since when, RFC 3339.
    pub at: String,
    /// Until when, if it was snoozed.
    pub until: Option<String>,
    /// What they said.
    pub note: Option<String>,
}

/// The answer to `GET /api/v1/alerts`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Those that fire first, the newest first.
    pub alerts: Vec<Shown>,
}

fn shown(state: AlertState) -> Shown {
    let taken_by = |response: Response| TakenBy {
        by: response.by,
        at: response.at.rfc3339(),
        until: response.until.map(UnixMs::rfc3339),
        note: response.note,
    };
    let told = state.heard_on();
    Shown {
        id: state.subject.id,
        phase: state.phase,
        rule: state.subject.rule,
        name: state.subject.name,
        labels: state.subject.labels,
        value: state.measured.map(|measured| measured.value),
        peak: state.peak,
        since: state.since.rfc3339(),
        fired_at: state.fired_at.map(UnixMs::rfc3339),
        resolved_at: state.resolved_at.map(UnixMs::rfc3339),
        told,
        escalated: state.escalated,
        response: state.response.map(taken_by),
        verdict: state.alarm,
        withheld: state.withheld,
    }
}

/// `GET /api/v1/alerts`: 200. What is pending or fires, and what ended within a day.
pub async fn list<D: Db>(db: &D, now: UnixMs) -> Result<Listed, Problem> {
    let mut states = read(db, alerts::all()).await?;
    states.retain(|state| match state.phase {
        Phase::Inactive => false,
        Phase::Pending | Phase::Firing => true,
        Phase::Resolved => state.resolved_at.is_some_and(|at| now.since(at) < SHOWN_AFTER_MS),
    });
    let fires = |state: &AlertState| state.phase == Phase::Firing;
    crate::order::sort_by(&mut states, |a, b| (fires(b), b.since) < (fires(a), a.since));
    Ok(Listed { alerts: states.into_iter().map(shown).collect() })
}

/// `GET /api/v1/alerts/{id}`: 200.
pub async fn show<D: Db>(db: &D, id: &str) -> Result<Shown, Problem> {
    Ok(shown(one(db, id).await?))
}

struct Asked {
    note: Option<String>,
    duration_s: Option<i64>,
    verdict: Option<AlarmVerdict>,
}

record!(Asked { note, duration_s, verdict });

/// The act that `POST /api/v1/alerts/{id}/{verb}` asks for with an empty body, or `{note?, duration_s?, verdict?}`.
pub fn asked(verb: Verb, body: &[u8], now: UnixMs) -> Result<(Act, Option<String>), Problem> {
    let nothing = Asked { note: None, duration_s: None, verdict: None };
    let unreadable = |error| {
        Problem::bad_request(
            "bad_json",
            format!("The body does not read: {error}. It may be empty, or {{\"note\", \"duration_s\", \"verdict\"}}."),
        )
    };
    let asked: Asked = if body.is_empty() { nothing } else { record::read(body).map_err(unreadable)? };
    let bad =
        |member: &str, what: &str| Problem::new(422, "bad_act", "This cannot be done like this", "See errors.").with_error(member, what);
    let note = asked.note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE_CHARS) {
        return Err(bad("/note", "Say it in 500 characters."));
    }
    let act = match (verb, asked.duration_s, asked.verdict) {
        (Verb::Snooze, Some(seconds), None) => Act::Snooze { until: now.plus(seconds.saturating_mul(SECOND_MS)) },
        (Verb::Snooze, None, _) => return Err(bad("/duration_s", "Say for how many seconds: 1800 is half an hour.")),
        (Verb::Resolve, None, verdict) => Act::Resolve { verdict },
        (Verb::Acknowledge, None, None) => Act::Acknowledge,
        (Verb::Escalate, None, None) => Act::Escalate,
        (_, Some(_), _) => return Err(bad("/duration_s", "Only a snooze has a duration.")),
        (_, _, Some(_)) => return Err(bad("/verdict", "Only resolving an alert has a verdict.")),
    };
    Ok((act, note))
}

/// Does `act` for `by`, tells people, and shows the alert as it is then. `id` may be a group's: then all of it that fires is meant.
pub async fn act<D: Db>(
    db: &D,
    id: &str,
    act: (&Act, Option<&str>),
    by: &Principal,
    told_by: (&Config, &Addresses),
    now: UnixMs,
) -> Result<Shown, Problem> {
    let is_group = is_group(id);
    for _ in 0..TRIES {
        let states = if is_group { firing_in(db, id).await? } else { vec![one(db, id).await?] };
        let (unchanged, mut changes) = acted(states, act, &by.name, told_by, now)?;
        said_once(&mut changes, told_by.0);
        let Some(first) = changes.first().map(|change| change.next.clone()) else {
            return unchanged.map(shown).ok_or_else(|| Problem::unavailable("The alert"));
        };
        let results = db.batch(enqueue(&changes, now)).await.map_err(Problem::no_database)?;
        let swapped: usize = results.iter().take(swap_statements(&changes)).map(|result| result.rows.len()).sum();
        // What a tick changed meanwhile is decided anew.
        if swapped == changes.len() {
            return Ok(shown(first));
        }
    }
    Err(Problem::unavailable("The alert, which changes at this moment,"))
}

/// Whether an id is a group's.
pub(super) fn is_group(id: &str) -> bool {
    id.strip_prefix(ids::prefix::GROUP).is_some_and(|rest| rest.starts_with('_'))
}

/// Whether an alert is told by the group.
pub(super) fn is_in(state: &AlertState, group: &str) -> bool {
    state.groups.iter().any(|membership| membership.group == group)
}

/// The changes that `act` asks for, and an alert that is as it is wanted already.
pub(super) fn acted(
    states: Vec<AlertState>,
    (act, note): (&Act, Option<&str>),
    by: &str,
    told_by: (&Config, &Addresses),
    now: UnixMs,
) -> Result<(Option<AlertState>, Vec<Change>), Problem> {
    let (mut unchanged, mut changes) = (None, Vec::new());
    for state in states {
        match respond(&state, act, by, note, now).map_err(refused)? {
            Some((next, reason)) => changes.push(told(next, reason, told_by, now).0),
            None => unchanged = Some(state),
        }
    }
    Ok((unchanged, changes))
}

/// Of what is done to a whole group, a channel that was told of it at once hears once.
pub(super) fn said_once(changes: &mut [Change], config: &Config) {
    let more = changes.len().saturating_sub(1);
    let Some((first, others)) = changes.split_first_mut().filter(|_| more > 0) else { return };
    let groups = |channel: &str| config.alerting.channels.iter().any(|known| known.id == channel && is_groupable(&known.via));
    for change in others {
        change.messages.retain(|message| !groups(&message.channel));
    }
    for message in first.messages.iter_mut().filter(|message| groups(&message.channel)) {
        message.notification.detail = Some(if more == 1 {
            "So is 1 more alert of its group.".to_owned()
        } else {
            format!("So are {more} more alerts of its group.")
        });
    }
}

/// The alerts of a group that fire.
async fn firing_in<D: Db>(db: &D, group: &str) -> Result<Vec<AlertState>, Problem> {
    let mut states = read(db, alerts::all()).await?;
    states.retain(|state| state.phase == Phase::Firing && is_in(state, group));
    if states.is_empty() {
        return Err(Problem::new(409, "not_firing", "The alerts do not fire", "Nothing was done: no alert of this group fires."));
    }
    Ok(states)
}

async fn one<D: Db>(db: &D, id: &str) -> Result<AlertState, Problem> {
    let found = read(db, alerts::one(id)).await?.into_iter().next();
    found.ok_or_else(|| Problem::not_found("There is no such alert. GET /api/v1/alerts lists them."))
}

async fn read<D: Db>(db: &D, statement: crate::storage::Statement) -> Result<Vec<AlertState>, Problem> {
    let result = db.batch(vec![statement]).await.map_err(Problem::no_database)?.pop().unwrap_or_default();
    alerts::states(result).map_err(Problem::no_database)
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::NotFiring(_) => Problem::new(409, "not_firing", "The alert does not fire", format!("Nothing was done: {refused}.")),
        Refused::SnoozeSpan => {
            Problem::new(422, "bad_act", "This cannot be done like this", "See errors.").with_error("/duration_s", format!("{refused}."))
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
