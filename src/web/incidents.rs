//! `/api/v1/incidents`: open, list, show with the timeline, note, hand over, judge anew, resolve.
//!
//! Invariant: whatever a person changes is an entry of the timeline with their name, in the same batch, applied by
//! compare-and-swap and decided anew when another change was faster. Doing the same twice is no mistake and no second entry.

use serde::Serialize;

use super::auth::Principal;
use super::endpoint::parameters;
use super::problem::Problem;
use crate::alert::evaluate::zone;
use crate::alert::respond::AlarmVerdict;
use crate::channel::Addresses;
use crate::config::Config;
use crate::config::alerting::Severity;
use crate::incident::edit::{self, Edit, Edited, REPEAT_MS};
use crate::incident::{Incident, IncidentState, Opening, PageStatus, postmortem};
use crate::ports::Db;
use crate::record::{self, FromJson, record};
use crate::storage::incidents;
use crate::time::UnixMs;

/// Incidents of one answer, unless it is asked for fewer or more.
const SHOWN: i64 = 50;
/// Most of one answer.
const MAX_SHOWN: i64 = 200;
/// Characters of a note: a page. It is stored whole, and read by people.
const MAX_TEXT_CHARS: usize = 4_000;
/// Characters of a name, as of a silence's author.
const MAX_NAME_CHARS: usize = 200;
/// How often an edit is decided anew because another was faster: five people who write in the same second.
const TRIES: usize = 5;

/// What can be done about an incident, as paths have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Write something down.
    Note,
    /// Somebody else sees to it.
    Owner,
    /// It is better or worse.
    Severity,
    /// Tell the public.
    StatusUpdate,
    /// It is over.
    Resolve,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 5] = [Self::Note, Self::Owner, Self::Severity, Self::StatusUpdate, Self::Resolve];

    /// The text in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "notes",
            Self::Owner => "owner",
            Self::Severity => "severity",
            Self::StatusUpdate => "status-updates",
            Self::Resolve => "resolve",
        }
    }

    /// The verb called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }

    /// What it takes.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::Note => &["text"],
            Self::Owner => &["owner"],
            Self::Severity => &["severity"],
            Self::StatusUpdate => &["status", "text"],
            Self::Resolve => &["verdict", "text"],
        }
    }
}

/// An incident as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What changes name.
    pub id: String,
    /// `open` or `resolved`.
    pub state: IncidentState,
    /// What is wrong.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// Who sees to it.
    pub owner: String,
    /// What its alerts share, or the key it was opened with.
    pub key: String,
    /// RFC 3339.
    pub opened_at: String,
    /// When its last alert ended, or a person said it is over.
    pub resolved_at: Option<String>,
    /// What it turned out to be, once a person said.
    pub verdict: Option<AlarmVerdict>,
}

/// The answer to `GET /api/v1/incidents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The newest first.
    pub incidents: Vec<Shown>,
    /// What `after` asks for the next ones with, while there may be some.
    pub next: Option<String>,
}

/// An episode of an alert as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownAlert {
    /// The alert.
    pub id: String,
    /// Its rule.
    pub rule: String,
    /// What is wrong.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// When it began to fire, RFC 3339.
    pub fired_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
}

/// A line of the timeline as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownLine {
    /// RFC 3339.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// Which alert it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alert: String,
    /// The channel of a message.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// The answer to `GET /api/v1/incidents/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detailed {
    /// The incident.
    pub incident: Shown,
    /// The alerts in it, in the order they began; an alert that came back is here twice.
    pub alerts: Vec<ShownAlert>,
    /// Oldest first.
    pub timeline: Vec<ShownLine>,
    /// Whether the timeline goes on behind its last line.
    pub is_cut: bool,
}

/// Who did what nobody did.
const PARAPET: &str = "parapet";

fn shown(incident: Incident) -> Shown {
    Shown {
        id: incident.id,
        state: incident.state,
        title: incident.title,
        severity: incident.severity,
        owner: incident.owner,
        key: incident.key,
        opened_at: incident.opened_at.rfc3339(),
        resolved_at: incident.resolved_at.map(UnixMs::rfc3339),
        verdict: incident.verdict,
    }
}

/// `GET /api/v1/incidents?state=&after=&limit=`: 200.
pub async fn list<D: Db>(db: &D, query: &str) -> Result<Listed, Problem> {
    let (mut state, mut after, mut limit) = (None, None, SHOWN);
    for (key, value) in parameters(query) {
        let bad = |what: &str| Problem::bad_request("bad_query", format!("`{key}={value}`: {what}"));
        match key {
            "state" => state = Some(IncidentState::from_str(value).ok_or_else(|| bad("a state is open or resolved."))?),
            "after" => after = Some(value),
            "limit" => {
                let asked = value.parse().ok().filter(|limit| (1..=MAX_SHOWN).contains(limit));
                limit = asked.ok_or_else(|| bad("a limit is a number from 1 to 200."))?;
            }
            _ => return Err(bad("incidents take state, after and limit.")),
        }
    }
    let found = db.batch(vec![incidents::list(state, after, limit)]).await.map_err(Problem::no_database)?.pop().unwrap_or_default();
    let found: Vec<Shown> = incidents::incidents(found).map_err(Problem::no_database)?.into_iter().map(shown).collect();
    let is_full = i64::try_from(found.len()).is_ok_and(|found| found == limit);
    let next = found.last().filter(|_| is_full).map(|last| last.id.clone());
    Ok(Listed { incidents: found, next })
}

/// `GET /api/v1/incidents/{id}`: 200.
pub async fn show<D: Db>(db: &D, id: &str) -> Result<Detailed, Problem> {
    let found = db.batch(incidents::one(id).into()).await.map_err(Problem::no_database)?;
    let (incident, members, lines) = incidents::whole(found).map_err(Problem::no_database)?.ok_or_else(unknown)?;
    let is_cut = i64::try_from(lines.len()).is_ok_and(|lines| lines >= incidents::MAX_ROWS);
    let alert = |member: incidents::Member| ShownAlert {
        id: member.alert,
        rule: member.rule,
        name: member.name,
        severity: member.severity,
        fired_at: member.episode.rfc3339(),
        ended_at: member.ended_at.map(UnixMs::rfc3339),
    };
    let line = |line: incidents::Line| ShownLine {
        at: line.at.rfc3339(),
        kind: line.kind,
        actor: if line.actor.is_empty() { PARAPET.to_owned() } else { line.actor },
        alert: line.alert,
        channel: line.channel,
        text: line.text,
    };
    let (alerts, timeline) = (members.into_iter().map(alert).collect(), lines.into_iter().map(line).collect());
    Ok(Detailed { incident: shown(incident), alerts, timeline, is_cut })
}

/// `GET /api/v1/incidents/{id}/postmortem`: 200, Markdown.
pub async fn draft<D: Db>(db: &D, id: &str, config: &Config) -> Result<String, Problem> {
    let found = db.batch(incidents::with_messages(id)).await.map_err(Problem::no_database)?;
    let facts = incidents::facts(found).map_err(Problem::no_database)?.ok_or_else(unknown)?;
    Ok(postmortem::render(&facts, zone(config)))
}

fn bad(member: &str, what: impl Into<String>) -> Problem {
    Problem::new(422, "bad_incident", "This cannot be done like this", "See errors.").with_error(format!("/{member}"), what)
}

fn body<T: FromJson>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    record::read(body).map_err(|error| Problem::bad_request("bad_json", format!("The body does not read: {error}.")))
}

/// The text of a member, which must say something, in at most `most` characters.
fn words(member: &str, text: Option<String>, most: usize) -> Result<String, Problem> {
    let text = text.unwrap_or_default().trim().to_owned();
    if text.is_empty() || text.chars().count() > most {
        return Err(bad(member, format!("Say it in 1 to {most} characters.")));
    }
    Ok(text)
}

struct Asked {
    text: Option<String>,
    owner: Option<String>,
    severity: Option<Severity>,
    status: Option<PageStatus>,
    verdict: Option<AlarmVerdict>,
}

record!(Asked { text, owner, severity, status, verdict });

/// What `POST /api/v1/incidents/{id}/{verb}` asks for with `{text}`, `{owner}`, `{severity}`, `{status, text}` or
/// `{verdict?, text?}`.
pub fn asked(verb: Verb, json: &[u8]) -> Result<Edit, Problem> {
    let Asked { text, owner, severity, status, verdict } = body(json)?;
    let given = [
        ("text", text.is_some()),
        ("owner", owner.is_some()),
        ("severity", severity.is_some()),
        ("status", status.is_some()),
        ("verdict", verdict.is_some()),
    ];
    if let Some((member, _)) = given.into_iter().find(|(member, is_given)| *is_given && !verb.members().contains(member)) {
        return Err(bad(member, format!("This takes {}.", verb.members().join(" and "))));
    }
    Ok(match verb {
        Verb::Note => Edit::Note(words("text", text, MAX_TEXT_CHARS)?),
        Verb::Owner => Edit::Owner(words("owner", owner, MAX_NAME_CHARS)?),
        Verb::Severity => Edit::Severity(severity.ok_or_else(|| bad("severity", "Say how bad it is: info, warning or critical."))?),
        Verb::StatusUpdate => Edit::StatusUpdate {
            status: status.ok_or_else(|| bad("status", "Say where it stands: investigating, identified, monitoring or resolved."))?,
            text: words("text", text, MAX_TEXT_CHARS)?,
        },
        Verb::Resolve => Edit::Resolve { verdict, note: text.map(|text| words("text", Some(text), MAX_TEXT_CHARS)).transpose()? },
    })
}

/// Does `edit` for `by`, and shows the incident as it is then.
pub async fn edit<D: Db>(
    db: &D,
    id: &str,
    edit: &Edit,
    by: &Principal,
    told_by: (&Config, &Addresses),
    now: UnixMs,
) -> Result<Detailed, Problem> {
    for _ in 0..TRIES {
        let found = db.batch(incidents::to_edit(id, now.plus(-REPEAT_MS)).into()).await.map_err(Problem::no_database)?;
        let (incident, known) = incidents::known(found).map_err(Problem::no_database)?.ok_or_else(unknown)?;
        let Some(Edited { next, entries, public }) = edit::edit(&incident, &known, edit, &by.name, now) else { return show(db, id).await };
        let messages = public.map(|said| edit::public(&next, &said, told_by, now)).unwrap_or_default();
        if messages.is_empty() && matches!(edit, Edit::StatusUpdate { .. }) {
            let detail = "No channel of kind statuspage is configured, so the public would not read it. A note says it to the team.";
            return Err(Problem::new(409, "no_status_page", "There is no status page", detail));
        }
        let written = db.batch(incidents::change(&next, &entries, &messages, now)).await.map_err(Problem::no_database)?;
        if written.last().is_some_and(|swapped| !swapped.rows.is_empty()) {
            return show(db, id).await;
        }
    }
    Err(Problem::unavailable("The incident, which changes at this moment,"))
}

struct Wanted {
    title: Option<String>,
    severity: Option<Severity>,
    reason: Option<String>,
    dedup_key: Option<String>,
    owner: Option<String>,
}

record!(Wanted { title, severity, reason, dedup_key, owner });

/// `POST /api/v1/incidents` with `{title, severity, reason, dedup_key, owner?}`: 201, or 200 if one was open for the key, which it
/// is added to then.
pub async fn open<D: Db>(db: &D, json: &[u8], by: &Principal, now: UnixMs) -> Result<(u16, Shown), Problem> {
    let wanted: Wanted = body(json)?;
    let opening = Opening {
        key: words("dedup_key", wanted.dedup_key, MAX_NAME_CHARS)?,
        title: words("title", wanted.title, MAX_NAME_CHARS)?,
        severity: wanted.severity.ok_or_else(|| bad("severity", "Say how bad it is: info, warning or critical."))?,
        owner: wanted.owner.map_or_else(|| Ok(by.name.clone()), |owner| words("owner", Some(owner), MAX_NAME_CHARS))?,
        source: by.name.clone(),
        text: words("reason", wanted.reason, MAX_TEXT_CHARS)?,
        at: now,
    };
    let result = db.batch(incidents::open(&opening).into()).await.map_err(Problem::no_database)?.pop().unwrap_or_default();
    let incident = incidents::incidents(result).map_err(Problem::no_database)?.into_iter().next();
    let incident = incident.ok_or_else(|| Problem::unavailable("The database"))?;
    Ok((if incident.id == opening.id() { 201 } else { 200 }, shown(incident)))
}

fn unknown() -> Problem {
    Problem::not_found("There is no such incident. GET /api/v1/incidents lists them.")
}

#[cfg(test)]
mod tests;
