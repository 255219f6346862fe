//! The tables `config_version` and `config_activation`: which configuration is in force, and how it came to be.
//!
//! Invariant: versions and activations are only added. Applying is one batch that decides in the database, so of two
//! people applying the same text at once one makes a version and the other finds it active.

use super::{Param, Statement, StatementResult};
use crate::config::site::Environment;
use crate::config::{Config, ConfigError};
use crate::embedded;
use crate::ports::DbError;
use crate::record::record;
use crate::time::UnixMs;

/// A stored version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// 1, 2, 3, …
    pub version: i64,
    /// The compact JSON.
    pub json: String,
    /// SHA-256 of it.
    pub hash: String,
    /// Who applied it.
    pub author: String,
    /// When it was applied.
    pub at: UnixMs,
    /// Why.
    pub note: String,
}

record!(Version { version, json, hash, author, at, note, .. });

/// An activation, newest first in [`history`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// The version that came into force; 0 is the embedded one.
    pub version: i64,
    /// Who did it.
    pub author: String,
    /// When.
    pub at: UnixMs,
    /// The version's hash; `None` for version 0.
    pub hash: Option<String>,
    /// The version's note; `None` for version 0.
    pub note: Option<String>,
}

record!(Activation { version, author, at, hash, note, .. });

/// Activations that [`history`] returns.
pub const HISTORY_ROWS: i64 = 50;

/// What is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct New<'a> {
    /// The compact JSON, at most ~1 MB: a row of D1 holds 2 MB.
    pub json: &'a str,
    /// SHA-256 of it.
    pub hash: &'a str,
    /// Who applies it.
    pub author: &'a str,
    /// Why.
    pub note: &'a str,
    /// When.
    pub at: UnixMs,
}

const INSERT: &str = "INSERT INTO config_version (version, json, hash, author, at, note)
     SELECT coalesce((SELECT max(version) FROM config_version), 0) + 1, ?1, ?2, ?3, ?4, ?5
     WHERE ?2 <> coalesce((SELECT v.hash FROM config_activation a JOIN config_version v ON v.version = a.version
                           WHERE a.id = (SELECT max(id) FROM config_activation)), ?6)";

/// A version and its first activation are always one batch, so a version that was never in force was stored in this one.
const ACTIVATE_NEW: &str = "INSERT INTO config_activation (version, author, at)
     SELECT version, author, at FROM config_version WHERE version NOT IN (SELECT version FROM config_activation)";

/// Stores a version and makes it active, unless the active one has the same hash; then reads the activation in force.
/// `embedded_hash` stands for version 0. The first result's `changes` is 1 when there is a new version.
pub fn apply(new: New<'_>, embedded_hash: &str) -> Vec<Statement> {
    vec![
        Statement::new(
            INSERT,
            [new.json.into(), new.hash.into(), new.author.into(), Param::Int(new.at.0), new.note.into(), embedded_hash.into()],
        ),
        Statement::new(ACTIVATE_NEW, []),
        active(),
    ]
}

/// Makes a version active if it exists (0 always does) and is not active already; then reads the activation in force.
pub fn activate(version: i64, author: &str, at: UnixMs) -> Vec<Statement> {
    vec![
        Statement::new(
            "INSERT INTO config_activation (version, author, at)
             SELECT ?1, ?2, ?3 WHERE (?1 = 0 OR EXISTS (SELECT 1 FROM config_version WHERE version = ?1))
               AND ?1 <> coalesce((SELECT version FROM config_activation ORDER BY id DESC LIMIT 1), 0)",
            [Param::Int(version), author.into(), Param::Int(at.0)],
        ),
        active(),
    ]
}

/// The activation in force; no row while nothing was ever applied.
pub fn active() -> Statement {
    history(1)
}

/// The last `rows` activations, newest first.
pub fn history(rows: i64) -> Statement {
    Statement::new(
        "SELECT a.version, a.author, a.at, v.hash, v.note FROM config_activation a
         LEFT JOIN config_version v ON v.version = a.version ORDER BY a.id DESC LIMIT ?1",
        [Param::Int(rows)],
    )
}

/// The activation that was in force at `at`; no row while nothing had been applied.
pub fn active_at(at: UnixMs) -> Statement {
    Statement::new(
        "SELECT a.version, a.author, a.at, v.hash, v.note FROM config_activation a
         LEFT JOIN config_version v ON v.version = a.version WHERE a.at <= ?1 ORDER BY a.id DESC LIMIT 1",
        [Param::Int(at.0)],
    )
}

/// One version with its text.
pub fn version(version: i64) -> Statement {
    Statement::new("SELECT version, json, hash, author, at, note FROM config_version WHERE version = ?1", [Param::Int(version)])
}

/// The rows of [`active`] or [`history`].
pub fn activations(result: StatementResult) -> Result<Vec<Activation>, DbError> {
    result.decode("config_activation")
}

/// The row of [`version`].
pub fn stored(result: StatementResult) -> Result<Option<Version>, DbError> {
    Ok(result.decode("config_version")?.into_iter().next())
}

/// The configuration in force, and why it is not the one that is active, if it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Its version; 0 is the embedded one.
    pub version: i64,
    /// What it says.
    pub config: Config,
    /// The active version that could not be used.
    pub refused: Option<Refusal>,
}

/// Why an active version is not in force. The last good one stays.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The database could not be asked; the next reply that names the version tries again.
    #[error("version {version} could not be read: {error}")]
    Unread {
        /// The active version.
        version: i64,
        /// What the database said.
        error: DbError,
    },
    /// There is no such row.
    #[error("version {version} does not exist")]
    Missing {
        /// The active version.
        version: i64,
    },
    /// It was stored by a build that knew other keys, or damaged.
    #[error("version {version}: {error}")]
    Broken {
        /// The active version.
        version: i64,
        /// What is wrong with it.
        error: ConfigError,
    },
    /// It belongs to another deployment.
    #[error("version {version} is for {}, this is {}", .theirs.as_str(), .ours.as_str())]
    OtherEnvironment {
        /// The active version.
        version: i64,
        /// Its environment.
        theirs: Environment,
        /// This deployment's.
        ours: Environment,
    },
}

/// The configuration the build embeds for `environment`.
pub fn embedded(environment: Environment) -> Result<Config, ConfigError> {
    Config::from_text(embedded::config_json(environment))
}

/// What is in force once `wanted` is the active version and `found` its row: that version, or the last good one and why.
#[must_use]
pub fn follow(last_good: InForce, wanted: i64, environment: Environment, found: Result<Option<Version>, DbError>) -> InForce {
    match read(wanted, environment, found) {
        Ok(config) => InForce { version: wanted, config, refused: None },
        Err(refusal) => InForce { refused: Some(refusal), ..last_good },
    }
}

fn read(version: i64, environment: Environment, found: Result<Option<Version>, DbError>) -> Result<Config, Refusal> {
    if version == 0 {
        return embedded(environment).map_err(|error| Refusal::Broken { version, error });
    }
    let row = found.map_err(|error| Refusal::Unread { version, error })?.ok_or(Refusal::Missing { version })?;
    let config = Config::from_text(&row.json).map_err(|error| Refusal::Broken { version, error })?;
    let theirs = config.site.environment;
    if theirs == environment { Ok(config) } else { Err(Refusal::OtherEnvironment { version, theirs, ours: environment }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(version: i64, json: String) -> Version {
        Version { version, hash: crate::ids::sha256_hex(json.as_bytes()), json, author: "ops".into(), at: UnixMs(1), note: String::new() }
    }

    #[test]
    fn a_version_that_cannot_be_used_leaves_the_last_good_one_in_force_and_says_why() {
        let good = InForce { version: 2, config: embedded(Environment::Dev).unwrap(), refused: None };
        let old = good.config.to_json().replace("max_routes", "max_paths");
        for (found, why) in [
            (Err(DbError::Lost { message: "gone".into() }), "version 3 could not be read: the database did not answer: gone"),
            (Ok(None), "version 3 does not exist"),
            (Ok(Some(stored(3, embedded(Environment::Staging).unwrap().to_json()))), "version 3 is for staging, this is dev"),
            (Ok(Some(stored(3, "{}".into()))), "version 3: the configuration does not read: /: the key `site` is missing"),
            (Ok(Some(stored(3, old))), "/infrastructure: unknown key `max_paths`"),
        ] {
            let now = follow(good.clone(), 3, Environment::Dev, found);
            assert_eq!((now.version, &now.config), (2, &good.config));
            assert!(now.refused.clone().unwrap().to_string().contains(why), "{:?}", now.refused);
        }
    }

    #[test]
    fn a_version_that_reads_takes_over_and_clears_the_refusal() {
        let last = InForce { version: 2, config: embedded(Environment::Dev).unwrap(), refused: Some(Refusal::Missing { version: 3 }) };
        let mut changed = last.config.clone();
        changed.security.limits[0].requests = 7;
        let now = follow(last, 4, Environment::Dev, Ok(Some(stored(4, changed.to_json()))));
        assert_eq!(now, InForce { version: 4, config: changed, refused: None });
        assert_eq!(follow(now, 0, Environment::Dev, Ok(None)).config, embedded(Environment::Dev).unwrap());
    }
}
