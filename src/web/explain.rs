//! `GET /api/v1/rules/{id}/explain`: what is made of one rule now, or was at an earlier moment (`?at=`).
//!
//! Invariant: an earlier moment is explained by the configuration that was in force then, by its version; when that cannot be read, the
//! answer says so and which one is asked instead.

use serde_json::Value;

use super::endpoint::parameters;
use super::problem::Problem;
use crate::alert::evaluate::zone;
use crate::alert::explain::explain;
use crate::alert::explain::past::{self, Asked};
use crate::alert::observe::LiveWindow;
use crate::channel::Addresses;
use crate::channel::email::percent_decoded;
use crate::config::Config;
use crate::config::alerting::Rule;
use crate::config::check::nearest;
use crate::ports::Db;
use crate::storage::config::{self as store, InForce};
use crate::time::UnixMs;

/// Reads `at=`, RFC 3339 or `2026-03-02 14:00` in the site's zone; `None` asks about now.
pub fn asked(query: &str, config: &Config, now: UnixMs) -> Result<Option<Asked>, Problem> {
    let mut asked = None;
    for (name, value) in parameters(query) {
        let bad = |what: &str| Problem::bad_request("bad_query", format!("`{name}={value}`: {what}"));
        if name != "at" {
            return Err(bad("an explanation takes `at`."));
        }
        let text = percent_decoded(value);
        let at = UnixMs::from_rfc3339(&text).or_else(|| UnixMs::from_clock(&text, zone(config))).ok_or_else(|| {
            bad(&format!("write a moment such as 2027-03-01T12:00:00Z, or 2027-03-01 14:00 on the clock of {}.", config.site.timezone))
        })?;
        if at > now {
            return Err(bad(&format!("this is later than now, {}; what is to come is not stored.", now.rfc3339())));
        }
        asked = Some(Asked { at, now });
    }
    Ok(asked)
}

/// What was in force at `at`, where `current` is now.
pub async fn in_force_at(db: &impl Db, current: &InForce, at: UnixMs) -> Result<InForce, Problem> {
    let found = db.batch(vec![store::active_at(at)]).await.map_err(Problem::no_database)?;
    let activation = store::activations(found.into_iter().next().unwrap_or_default()).map_err(Problem::no_database)?;
    let version = activation.first().map_or(0, |activation| activation.version);
    if version == current.version {
        return Ok(InForce { refused: None, ..current.clone() });
    }
    let found =
        db.batch(vec![store::version(version)]).await.and_then(|results| store::stored(results.into_iter().next().unwrap_or_default()));
    Ok(store::follow(current.clone(), version, current.config.site.environment, found))
}

/// What is made of the rule called `rule` now, or that there is none.
pub async fn explained(db: &impl Db, rule: &str, told_by: (&Config, &Addresses), live: &LiveWindow, now: UnixMs) -> Result<Value, Problem> {
    let known = find(rule, told_by.0)?;
    explain(now, known, told_by, db, live).await.map_err(Problem::no_database)
}

/// What was made of the rule called `rule` at an earlier moment, by what was in force then.
pub async fn explained_past(
    db: &impl Db,
    rule: &str,
    (in_force, addresses): (&InForce, &Addresses),
    live: &LiveWindow,
    asked: Asked,
) -> Result<Value, Problem> {
    let known = find(rule, &in_force.config).map_err(|problem| Problem {
        detail: format!("{} Asked is configuration version {}, of then.", problem.detail, in_force.version),
        ..problem
    })?;
    past::explain(asked, known, (in_force, addresses), db, live).await.map_err(Problem::no_database)
}

fn find<'c>(rule: &str, config: &'c Config) -> Result<&'c Rule, Problem> {
    let rules = &config.alerting.rules;
    rules.iter().find(|known| known.id == rule).ok_or_else(|| {
        let near = nearest(rule, rules.iter().map(|rule| rule.id.as_str()));
        let meant = near.map_or_else(String::new, |near| format!(" Did you mean {near}?"));
        Problem::not_found(format!("There is no rule called {rule}.{meant}"))
    })
}

#[cfg(test)]
mod tests;
