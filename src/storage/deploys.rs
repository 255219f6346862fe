//! The table `deploy`, and with it what changed shortly before a moment.
//!
//! Invariant: a version of a service is one row however often it is told of, so a pipeline may send it again. Parapet's own
//! version moves to the present when it comes back after another: a rollback is a change, too.

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

/// Writes it down unless that version is known, then reads what is known of it. The first result's `changes` is 1 when it is new.
pub fn insert(deploy: &Deploy) -> [Statement; 2] {
    let Deploy { service, version, at, url, author } = deploy;
    let key = [service.as_str().into(), version.as_str().into()];
    [
        Statement::new(
            "INSERT INTO deploy (service, version, at, url, author) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (service, version) DO NOTHING",
            [service.as_str().into(), version.as_str().into(), Param::Int(at.0), url.as_str().into(), author.as_str().into()],
        ),
        Statement::new("SELECT service, version, at, url, author FROM deploy WHERE service = ?1 AND version = ?2", key),
    ]
}

/// Writes down that Parapet itself runs as `version` at `now`, unless that was the last it ran as.
pub fn run_as(version: &str, now: UnixMs) -> Statement {
    Statement::new(
        "INSERT INTO deploy (service, version, at, url, author) SELECT 'parapet', ?1, ?2, '', 'parapet'
         WHERE ?1 <> coalesce((SELECT version FROM deploy WHERE service = 'parapet' ORDER BY at DESC LIMIT 1), '')
         ON CONFLICT (service, version) DO UPDATE SET at = excluded.at",
        [version.into(), Param::Int(now.0)],
    )
}

/// The newest [`SHOWN_ROWS`].
pub fn newest() -> Statement {
    Statement::new(
        "SELECT service, version, at, url, author FROM deploy ORDER BY at DESC, service, version LIMIT ?1",
        [Param::Int(SHOWN_ROWS)],
    )
}

/// The rows of [`newest`], or the second of [`insert`].
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
