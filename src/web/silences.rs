//! `/api/v1/silences`: an operator makes, lists and ends silences.
//!
//! Invariant: every silence says which alerts, why, who answers for it and when it ends; nothing is quiet for ever, and
//! nothing is quiet by accident: its matchers must leave some alert out.

use serde::Serialize;
use serde_json::Value;

use super::auth::Principal;
use super::problem::Problem;
use crate::alert::matcher::Matcher;
use crate::ids;
use crate::ports::{Db, DbError};
use crate::record::{self, record};
use crate::storage::StatementResult;
use crate::storage::silences::{self, MAX_IN_FORCE, Silence};
use crate::time::{DAY_MS, SECOND_MS, UnixMs};

/// Days a silence lasts at most.
pub const MAX_DAYS: i64 = 90;
/// Most matchers of one silence.
pub const MAX_MATCHERS: usize = 20;
/// Longest reason, in characters.
pub const MAX_REASON_CHARS: usize = 1_000;
/// Longest author, in characters.
pub const MAX_AUTHOR_CHARS: usize = 200;
/// How long ended silences are listed: Alertmanager's five days.
const SHOWN_MS: i64 = 5 * DAY_MS;

/// What is asked for.
#[derive(Debug)]
struct Wanted {
    matchers: Vec<Value>,
    reason: String,
    author: Option<String>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    duration_s: Option<i64>,
}

record!(Wanted { matchers, reason, author, starts_at, ends_at, duration_s });

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It is in force.
    Active,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Active, Self::Expired];

    /// The sent text, Alertmanager's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }

    /// The state called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Where `silence` stands at `now`.
    pub fn of(silence: &Silence, now: UnixMs) -> Self {
        if silence.ends_at <= now {
            Self::Expired
        } else if silence.starts_at > now {
            Self::Pending
        } else {
            Self::Active
        }
    }
}

/// A silence as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What ending it names.
    pub id: String,
    /// `pending`, `active` or `expired`.
    pub state: SilenceState,
    /// Which alerts, each as text.
    pub matchers: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub author: String,
    /// Whose token made it.
    pub created_by: String,
    /// RFC 3339.
    pub starts_at: String,
    /// RFC 3339.
    pub ends_at: String,
    /// Alerts people would have been told of, but for it.
    pub would_have_told: u64,
}

/// The answer to `GET /api/v1/silences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The one that ends last first.
    pub silences: Vec<Shown>,
}

/// A silence as asked for, in either API's words, before it is checked.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) matchers: Vec<Result<Matcher, String>>,
    pub(super) reason: String,
    pub(super) author: String,
    pub(super) starts_at: Option<UnixMs>,
    pub(super) ends_at: Option<UnixMs>,
}

/// What a member is called in an API: reason, author, beginning, end.
pub(super) type Names = [&'static str; 4];

fn shown(silence: Silence, now: UnixMs) -> Shown {
    Shown {
        state: SilenceState::of(&silence, now),
        id: silence.id,
        matchers: silence.matchers.iter().map(ToString::to_string).collect(),
        reason: silence.reason,
        author: silence.author,
        created_by: silence.created_by,
        starts_at: silence.starts_at.rfc3339(),
        ends_at: silence.ends_at.rfc3339(),
        would_have_told: silence.withheld,
    }
}

/// A moment as RFC 3339.
pub(super) fn moment(text: &str) -> Option<UnixMs> {
    UnixMs::from_rfc3339(text)
}

/// The silence a draft makes at `now`, or everything that is wrong with it.
pub(super) fn checked(draft: Draft, names: Names, by: &Principal, now: UnixMs) -> Result<Silence, Problem> {
    let [reason_name, author_name, start_name, end_name] = names.map(|name| format!("/{name}"));
    let mut problem = Problem::new(422, "bad_silence", "The silence cannot be made like this", "Correct the members listed in `errors`.");
    let mut matchers = Vec::new();
    let count = draft.matchers.len();
    for (place, matcher) in draft.matchers.into_iter().enumerate() {
        match matcher {
            Ok(matcher) => matchers.push(matcher),
            Err(why) => problem = problem.with_error(format!("/matchers/{place}"), why),
        }
    }
    if count == 0 || count > MAX_MATCHERS {
        problem = problem.with_error("/matchers", format!("Send 1 to {MAX_MATCHERS} matchers, such as \"rule=origin-down\"."));
    } else if matchers.len() == count && matchers.iter().all(Matcher::takes_empty) {
        problem = problem.with_error("/matchers", "At least one must not match the empty text, or every alert would be silenced.");
    }
    let (reason, author) = (draft.reason.trim().to_owned(), draft.author.trim().to_owned());
    if reason.is_empty() || reason.chars().count() > MAX_REASON_CHARS {
        problem = problem.with_error(reason_name, format!("Say in 1 to {MAX_REASON_CHARS} characters why it is quiet."));
    }
    if author.is_empty() || author.chars().count() > MAX_AUTHOR_CHARS || author.chars().any(char::is_control) {
        problem = problem.with_error(author_name, format!("Say in 1 to {MAX_AUTHOR_CHARS} characters who answers for it."));
    }
    // The past cannot be silenced; clients send their own clock's now.
    let starts_at = draft.starts_at.unwrap_or(now).max(now);
    let ends_at = draft.ends_at.unwrap_or(now);
    if draft.ends_at.is_none() {
        problem = problem.with_error(end_name, "Is missing: nothing is quiet for ever. Send an RFC 3339 time.");
    } else if ends_at <= starts_at {
        problem = problem.with_error(end_name, "Must be later than its beginning and than now.");
    } else if ends_at.since(now) > MAX_DAYS * DAY_MS {
        problem = problem.with_error(end_name, format!("At most {MAX_DAYS} days from now; for longer, make it anew or change the rule."));
    }
    if starts_at.since(now) > MAX_DAYS * DAY_MS {
        problem = problem.with_error(start_name, format!("At most {MAX_DAYS} days from now."));
    }
    if !problem.errors.is_empty() {
        return Err(problem);
    }
    let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    let (from, to) = (starts_at.0.to_string(), ends_at.0.to_string());
    let id = ids::derived(ids::prefix::SILENCE, &[&texts.join(","), &from, &to, &author, &reason, &now.0.to_string()]);
    let created_by = by.id.clone();
    Ok(Silence { id, matchers, reason, author, created_by, created_at: now, starts_at, ends_at, updated_at: now, withheld: 0 })
}

/// Stores a silence, and ends the one it `replaces` in the same transaction.
pub(super) async fn store<D: Db>(db: &D, silence: &Silence, replaces: Option<&str>, now: UnixMs) -> Result<(), Problem> {
    let mut known = rows(db.batch(vec![silences::list(now)]).await)?;
    known.retain(|known| Some(known.id.as_str()) != replaces);
    if i64::try_from(known.len()).unwrap_or(i64::MAX) >= MAX_IN_FORCE {
        let detail = format!("{MAX_IN_FORCE} silences have not ended; end some first.");
        return Err(Problem::new(409, "too_many_silences", "There are too many silences", detail));
    }
    let mut statements = Vec::new();
    if let Some(replaced) = replaces {
        if rows(db.batch(vec![silences::by_id(replaced)]).await)?.is_empty() {
            return Err(no_such_silence());
        }
        statements.push(silences::end(replaced, now));
    }
    statements.push(silences::insert(silence));
    db.batch(statements).await.map_err(unavailable)?;
    Ok(())
}

/// `POST /api/v1/silences` with `{matchers, reason, author?, starts_at?, ends_at | duration_s}`: 201.
pub async fn create<D: Db>(db: &D, body: &[u8], by: &Principal, now: UnixMs) -> Result<Shown, Problem> {
    let wanted: Wanted = record::read(body).map_err(|error| {
        Problem::bad_request(
            "bad_json",
            format!("The body does not read: {error}. Send {{\"matchers\", \"reason\", \"author\", \"starts_at\", \"ends_at\"}}."),
        )
    })?;
    let read = |text: Option<&String>, name: &str| match text {
        None => Ok(None),
        Some(text) => moment(text).map(Some).ok_or_else(|| {
            let detail = format!("`{}` is not an RFC 3339 time.", text.chars().take(40).collect::<String>());
            Problem::new(422, "bad_silence", "The silence cannot be made like this", "See errors.").with_error(format!("/{name}"), detail)
        }),
    };
    let starts_at = read(wanted.starts_at.as_ref(), "starts_at")?;
    let lasts = wanted.duration_s.map(|seconds| starts_at.unwrap_or(now).max(now).plus(seconds.saturating_mul(SECOND_MS)));
    // As text, or as Alertmanager's API has it.
    let matcher = |written: Value| match written {
        Value::String(text) => Matcher::parse(&text).map_err(|error| error.to_string()),
        parts => Matcher::from_parts(parts).map_err(|error| error.to_string()),
    };
    let draft = Draft {
        matchers: wanted.matchers.into_iter().map(matcher).collect(),
        reason: wanted.reason,
        author: wanted.author.unwrap_or_else(|| by.name.clone()),
        starts_at,
        ends_at: read(wanted.ends_at.as_ref(), "ends_at")?.or(lasts),
    };
    let silence = checked(draft, ["reason", "author", "starts_at", "ends_at"], by, now)?;
    store(db, &silence, None, now).await?;
    Ok(shown(silence, now))
}

/// Silences that have not ended for more than five days.
pub(super) async fn recent<D: Db>(db: &D, now: UnixMs) -> Result<Vec<Silence>, Problem> {
    rows(db.batch(vec![silences::list(now.plus(-SHOWN_MS))]).await)
}

/// The silence of that id.
pub(super) async fn one<D: Db>(db: &D, id: &str) -> Result<Silence, Problem> {
    rows(db.batch(vec![silences::by_id(id)]).await)?.into_iter().next().ok_or_else(no_such_silence)
}

/// `GET /api/v1/silences`: 200.
pub async fn list<D: Db>(db: &D, now: UnixMs) -> Result<Listed, Problem> {
    Ok(Listed { silences: recent(db, now).await?.into_iter().map(|silence| shown(silence, now)).collect() })
}

/// `DELETE /api/v1/silences/{id}`: 200, also when it was over before (the first end stands). Alerts it kept quiet that still
/// fire are told with the next tick.
pub async fn end<D: Db>(db: &D, id: &str, now: UnixMs) -> Result<Shown, Problem> {
    let rows = rows(db.batch(vec![silences::end(id, now), silences::by_id(id)]).await)?;
    rows.into_iter().next().map(|silence| shown(silence, now)).ok_or_else(no_such_silence)
}

fn no_such_silence() -> Problem {
    Problem::not_found("There is no silence of that id. GET /api/v1/silences lists them.")
}

/// The rows of a batch's last statement.
fn rows(answer: Result<Vec<StatementResult>, DbError>) -> Result<Vec<Silence>, Problem> {
    silences::silences(answer.map_err(unavailable)?.pop().unwrap_or_default()).map_err(unavailable)
}

fn unavailable(_: DbError) -> Problem {
    Problem::unavailable("The database that knows the silences")
}

#[cfg(test)]
mod tests;
