//! `/api/v1/deploys`: a pipeline tells what it deployed, so that messages can name it.
//!
//! Invariant: telling of a version again changes nothing and answers what is known, so a request whose answer was lost can be
//! sent again.

use serde::Serialize;

use super::auth::Principal;
use super::problem::Problem;
use crate::ports::Db;
use crate::record::{self, record};
use crate::storage::deploys::{self, Deploy};
use crate::time::{DAY_MS, MINUTE_MS, UnixMs};

/// Longest name of a service or a version, in characters: a line of a message.
pub const MAX_NAME_CHARS: usize = 100;
/// Longest link, in characters.
pub const MAX_URL_CHARS: usize = 500;
/// How far ahead a pipeline's clock may be.
const MAX_AHEAD_MS: i64 = 5 * MINUTE_MS;
/// Oldest deploy that is taken: no alert looks further back than an hour, a list of a month is history enough.
const MAX_AGE_MS: i64 = 30 * DAY_MS;

/// What is told.
#[derive(Debug)]
struct Told {
    version: String,
    service: String,
    at: Option<String>,
    url: String,
}

record!(Told { version, service = String::new(), at, url = String::new() });

/// A deploy as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What was deployed; empty is the site.
    pub service: String,
    /// Which version.
    pub version: String,
    /// RFC 3339: when it came into force.
    pub at: String,
    /// Where to read about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Whose token told of it.
    pub told_by: String,
}

/// The answer to `GET /api/v1/deploys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Newest first.
    pub deploys: Vec<Shown>,
}

fn shown(deploy: Deploy) -> Shown {
    let Deploy { service, version, at, url, author } = deploy;
    Shown { service, version, at: at.rfc3339(), url, told_by: author }
}

/// `POST /api/v1/deploys` with `{version, service?, at?, url?}`: 201, or 200 when it was known.
pub async fn create<D: Db>(db: &D, body: &[u8], by: &Principal, now: UnixMs) -> Result<(u16, Shown), Problem> {
    let told: Told = record::read(body).map_err(|error| {
        Problem::bad_request("bad_json", format!("The body does not read: {error}. Send {{\"version\", \"service\", \"at\", \"url\"}}."))
    })?;
    let deploy = checked(&told, by, now)?;
    let mut results = db
        .batch(vec![deploys::insert(&deploy), deploys::one(&deploy.service, &deploy.version)])
        .await
        .map_err(Problem::no_database)?
        .into_iter();
    let is_new = results.next().is_some_and(|result| result.changes > 0);
    let known = deploys::deploys(results.next().unwrap_or_default()).map_err(Problem::no_database)?;
    let status = if is_new { 201 } else { 200 };
    Ok((status, shown(known.into_iter().next().unwrap_or(deploy))))
}

/// `GET /api/v1/deploys`: 200.
pub async fn list<D: Db>(db: &D) -> Result<Listed, Problem> {
    let results = db.batch(vec![deploys::newest()]).await.map_err(Problem::no_database)?;
    let rows = deploys::deploys(results.into_iter().next().unwrap_or_default()).map_err(Problem::no_database)?;
    Ok(Listed { deploys: rows.into_iter().map(shown).collect() })
}

/// The deploy that was told of, or everything that is wrong with it.
fn checked(told: &Told, by: &Principal, now: UnixMs) -> Result<Deploy, Problem> {
    let mut problem = Problem::new(422, "bad_deploy", "The deploy cannot be noted like this", "Correct the members listed in `errors`.");
    let is_line = |text: &str| text.chars().count() <= MAX_NAME_CHARS && !text.chars().any(char::is_control);
    let (version, service, url) = (told.version.trim(), told.service.trim(), told.url.trim());
    if version.is_empty() || !is_line(version) {
        problem = problem.with_error("/version", format!("Say in 1 to {MAX_NAME_CHARS} characters what was deployed."));
    }
    if !is_line(service) {
        problem = problem.with_error("/service", format!("Use at most {MAX_NAME_CHARS} characters."));
    }
    let starts_well = url.starts_with("https://") || url.starts_with("http://");
    if !url.is_empty()
        && (!starts_well || url.chars().count() > MAX_URL_CHARS || url.contains(|c: char| c.is_whitespace() || c.is_control()))
    {
        problem =
            problem.with_error("/url", format!("Send a link of at most {MAX_URL_CHARS} characters that starts with https:// or http://."));
    }
    let at = told.at.as_deref().map_or(Some(now), UnixMs::from_rfc3339);
    match at {
        None => problem = problem.with_error("/at", "Send an RFC 3339 time, such as 2026-03-02T14:00:00+02:00, or nothing for now."),
        Some(at) if at > now.plus(MAX_AHEAD_MS) => problem = problem.with_error("/at", "Lies ahead; tell of a deploy when it is done."),
        Some(at) if at < now.plus(-MAX_AGE_MS) => problem = problem.with_error("/at", "Is more than 30 days ago."),
        Some(_) => {}
    }
    let Some(at) = at.filter(|_| problem.errors.is_empty()) else { return Err(problem) };
    let (version, service, url) = (version.to_owned(), service.to_owned(), url.to_owned());
    Ok(Deploy { service, version, at, url, author: by.name.clone() })
}
