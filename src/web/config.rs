//! `/api/v1/config`: which configuration is in force, applying another, going back.
//!
//! Invariant: what is stored has been read and checked by this build, for this environment; so the version that becomes
//! active is one that isolates of this build can follow.

use serde::Serialize;

use super::problem::Problem;
use crate::config::site::Environment;
use crate::config::{Config, ConfigError};
use crate::embedded;
use crate::ids;
use crate::ports::{Db, DbError};
use crate::record::{self, record};
use crate::storage::config::{self as store, Activation, InForce, New};
use crate::time::UnixMs;

/// Longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 500;
/// Largest configuration, in bytes of compact JSON; a row of D1 holds 2 MB.
pub const MAX_CONFIG_BYTES: usize = 1_000_000;

/// The answer to `GET /api/v1/config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    /// This deployment.
    pub environment: Environment,
    /// The version that is active; 0 is the embedded one.
    pub version: i64,
    /// Its SHA-256.
    pub hash: String,
    /// Where it comes from.
    pub source: Source,
    /// When it became active, RFC 3339; absent while nothing was ever applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<String>,
    /// Who made it active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Why, in the author's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the isolate that answers runs on; another than `version` for the seconds it takes to follow.
    pub in_force: i64,
    /// Why the active version is not in force here, if it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The last activations, newest first.
    pub history: Vec<Entry>,
}

/// Where a configuration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Built in.
    Embedded,
    /// Stored by `parapet apply`.
    Applied,
}

/// One activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The version.
    pub version: i64,
    /// Its SHA-256.
    pub hash: String,
    /// Who.
    pub author: String,
    /// When, RFC 3339.
    pub at: String,
    /// Why.
    pub note: String,
}

/// The answer to a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// The version that is active now.
    pub version: i64,
    /// Its SHA-256.
    pub hash: String,
    /// Whether this request changed anything.
    pub changed: bool,
}

impl Applied {
    /// 201 for a new version or activation, 200 when it was active already.
    pub fn status(&self) -> u16 {
        if self.changed { 201 } else { 200 }
    }
}

fn embedded_hash(environment: Environment) -> String {
    ids::sha256_hex(embedded::config_json(environment).as_bytes())
}

/// `GET /api/v1/config`: 200.
pub async fn read<D: Db>(db: &D, environment: Environment, in_force: &InForce) -> Result<Document, Problem> {
    let rows = activations(db.batch(vec![store::history(store::HISTORY_ROWS)]).await)?;
    let embedded_hash = embedded_hash(environment);
    let active = rows.first();
    let version = active.map_or(0, |row| row.version);
    Ok(Document {
        environment,
        version,
        hash: active.and_then(|row| row.hash.clone()).unwrap_or_else(|| embedded_hash.clone()),
        source: if version == 0 { Source::Embedded } else { Source::Applied },
        applied_at: active.map(|row| row.at.rfc3339()),
        author: active.map(|row| row.author.clone()),
        note: active.and_then(|row| row.note.clone()),
        in_force: in_force.version,
        refused: in_force.refused.as_ref().map(ToString::to_string),
        history: rows.into_iter().map(|row| entry(row, &embedded_hash)).collect(),
    })
}

fn entry(row: Activation, embedded_hash: &str) -> Entry {
    Entry {
        version: row.version,
        hash: row.hash.unwrap_or_else(|| embedded_hash.to_owned()),
        author: row.author,
        at: row.at.rfc3339(),
        note: row.note.unwrap_or_default(),
    }
}

struct Apply {
    config: Config,
    note: String,
}

record!(Apply { config, note = String::new() });

/// `POST /api/v1/config` with `{config, note?}`: stores a version and makes it active, unless it is what is active.
pub async fn apply<D: Db>(db: &D, body: &[u8], environment: Environment, author: &str, now: UnixMs) -> Result<Applied, Problem> {
    let wanted: Apply = record::read(body).map_err(|error| {
        let detail =
            format!("The body does not read: {error}. Send {{\"config\": …, \"note\": …}}; `parapet apply` does, from a checked folder.");
        Problem::bad_request("bad_config", detail)
    })?;
    let note = note(&wanted.note)?;
    let json = wanted.config.to_json();
    if json.len() > MAX_CONFIG_BYTES {
        let detail = format!("The configuration has {} bytes; at most {MAX_CONFIG_BYTES} are stored.", json.len());
        return Err(Problem::new(413, "config_too_large", "The configuration is too large", detail));
    }
    usable(&json, environment)?;
    let hash = ids::sha256_hex(json.as_bytes());
    let new = New { json: &json, hash: &hash, author, note, at: now };
    let results = db.batch(store::apply(new, &embedded_hash(environment))).await.map_err(unavailable)?;
    let changed = results.first().is_some_and(|inserted| inserted.changes == 1);
    let version = activations(Ok(results))?.first().map_or(0, |row| row.version);
    Ok(Applied { version, hash, changed })
}

fn note(text: &str) -> Result<&str, Problem> {
    let note = text.trim();
    if note.chars().count() <= MAX_NOTE_CHARS {
        return Ok(note);
    }
    let problem = Problem::new(422, "bad_note", "The note is too long", "Correct the members listed in `errors`.");
    Err(problem.with_error("/note", format!("Say it in {MAX_NOTE_CHARS} characters.")))
}

/// Whether this build, for this environment, can run on `json`.
fn usable(json: &str, environment: Environment) -> Result<Config, Problem> {
    let title = "The configuration cannot be used";
    let config = Config::from_text(json).map_err(|error| match error {
        ConfigError::Shape { .. } => Problem::new(422, "bad_config", title, format!("{error}.")),
        ConfigError::Meaning(problems) => {
            let detail = format!("{} mistakes, each in `errors` with its place. Nothing was stored.", problems.len());
            problems.into_iter().fold(Problem::new(422, "bad_config", title, detail), |all, problem| {
                all.with_error(format!("/config{}", problem.pointer), format!("{}; {}.", problem.what, problem.fix))
            })
        }
    })?;
    let theirs = config.site.environment;
    if theirs != environment {
        let detail = format!(
            "It is for {}, and this deployment is {}. Use `parapet apply --env {}`.",
            theirs.as_str(),
            environment.as_str(),
            environment.as_str()
        );
        let problem = Problem::new(422, "other_environment", title, detail);
        return Err(problem.with_error("/config/site/environment", format!("{} is expected here.", environment.as_str())));
    }
    Ok(config)
}

struct Activate {
    version: i64,
}

record!(Activate { version });

/// `POST /api/v1/config/activate` with `{version}`: goes back to a stored version, or with 0 to the embedded one.
pub async fn activate<D: Db>(db: &D, body: &[u8], environment: Environment, author: &str, now: UnixMs) -> Result<Applied, Problem> {
    let Activate { version } = record::read(body)
        .map_err(|error| Problem::bad_request("bad_json", format!("The body does not read: {error}. Send {{\"version\": 3}}.")))?;
    let hash = if version == 0 {
        embedded_hash(environment)
    } else {
        let mut results = db.batch(vec![store::version(version)]).await.map_err(unavailable)?;
        let found = store::stored(results.pop().unwrap_or_default()).map_err(unavailable)?;
        let row = found.ok_or_else(|| {
            let problem =
                Problem::new(422, "no_such_version", "There is no such version", "GET /api/v1/config lists the versions in `history`.");
            problem.with_error("/version", format!("{version} was never stored."))
        })?;
        usable(&row.json, environment)?;
        row.hash
    };
    let results = db.batch(store::activate(version, author, now)).await.map_err(unavailable)?;
    Ok(Applied { version, hash, changed: results.first().is_some_and(|inserted| inserted.changes == 1) })
}

/// The rows of a batch's last statement.
fn activations(answer: Result<Vec<crate::storage::StatementResult>, DbError>) -> Result<Vec<Activation>, Problem> {
    let last = answer.map_err(unavailable)?.pop().unwrap_or_default();
    store::activations(last).map_err(unavailable)
}

fn unavailable(_: DbError) -> Problem {
    Problem::unavailable("The database that holds the configuration")
}

#[cfg(test)]
mod tests;
