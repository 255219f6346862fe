//! The table `deploy`, and with it what changed shortly before a moment.
//!
//! Invariant: a version of a service is one row however often it is told of, so a pipeline may send it again. One that comes back after
//! another moves to the present: a rollback is a change, too.

use super::{Param, Statement, StatementResult};
use crate::alert::nearby::{NearbyChange, REACH_MS};
use crate::ports::DbError;
use crate::record::record;
use crate::time::UnixMs;

/// Deploys that are listed.
pub const SHOWN_ROWS: i64 = 50;

/// A version that came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// What was deployed; empty is the site.
    pub service: String,
    /// Which version.
    pub version: String,
    /// When.
    pub at: UnixMs,
    /// Where to read about it; may be empty.
    pub url: String,
    /// Whose token told of it.
    pub author: String,
}

record!(Deploy { service, version, at, url, author, .. });

/// Writes down that `deploy` came into force, unless it is what its service runs as by then. The result's `changes` is 1 when that is
/// new, or when a version that ran before comes back.
pub fn insert(deploy: &Deploy) -> Statement {
    let Deploy { service, version, at, url, author } = deploy;
    Statement::new(
        "INSERT INTO deploy (service, version, at, url, author) SELECT ?1, ?2, ?3, ?4, ?5
         WHERE ?2 <> coalesce((SELECT version FROM deploy WHERE service = ?1 AND at <= ?3 ORDER BY at DESC LIMIT 1), '')
         ON CONFLICT (service, version) DO UPDATE SET at = excluded.at, url = excluded.url, author = excluded.author WHERE excluded.at > deploy.at",
        [service.as_str().into(), version.as_str().into(), Param::Int(at.0), url.as_str().into(), author.as_str().into()],
    )
}

/// Reads what is known of a version of a service.
pub fn one(service: &str, version: &str) -> Statement {
    Statement::new(
        "SELECT service, version, at, url, author FROM deploy WHERE service = ?1 AND version = ?2",
        [service.into(), version.into()],
    )
}

/// Parapet itself, running as `version` since `now`.
pub fn own(version: &str, now: UnixMs) -> Deploy {
    let name = || "parapet".to_owned();
    Deploy { service: name(), version: version.to_owned(), at: now, url: String::new(), author: name() }
}

/// The newest [`SHOWN_ROWS`].
pub fn newest() -> Statement {
    Statement::new(
        "SELECT service, version, at, url, author FROM deploy ORDER BY at DESC, service, version LIMIT ?1",
        [Param::Int(SHOWN_ROWS)],
    )
}

/// The rows of [`newest`] or [`one`].
pub fn deploys(result: StatementResult) -> Result<Vec<Deploy>, DbError> {
    result.decode("deploy")
}

/// Reads the last deploy and the last change of the configuration in the hour before `since`.
pub fn before(since: UnixMs) -> Statement {
    Statement::new(
        "SELECT * FROM (SELECT 'deploy' AS kind, service AS name, version, at, url FROM deploy
                        WHERE at > ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1)
         UNION ALL
         SELECT * FROM (SELECT 'configuration', coalesce(t.name, a.author), CAST(a.version AS TEXT), a.at, ''
                        FROM config_activation a LEFT JOIN token t ON t.id = a.author WHERE a.at > ?1 AND a.at <= ?2 ORDER BY a.id DESC LIMIT 1)",
        [Param::Int(since.plus(-REACH_MS).0), Param::Int(since.0)],
    )
}

/// The later of what [`before`] found.
pub fn nearest(result: StatementResult) -> Result<Option<NearbyChange>, DbError> {
    let found: Vec<NearbyChange> = result.decode("deploy")?;
    Ok(found.into_iter().reduce(|a, b| if b.at > a.at { b } else { a }))
}

/// Drops at most `rows` of those from before `before`.
pub fn expire(before: UnixMs, rows: u32) -> Statement {
    Statement::new(
        "DELETE FROM deploy WHERE (service, version) IN (SELECT service, version FROM deploy WHERE at < ?1 ORDER BY at LIMIT ?2)",
        [Param::Int(before.0), Param::Int(i64::from(rows))],
    )
}
