//! The configuration a tick works with: the version in force, or the last good one with the reason why.

use std::rc::Rc;

use worker::Env;

use super::active;
use super::d1::D1;
use crate::config::Config;
use crate::storage::config::InForce;

/// A configuration to work with.
pub(super) struct Active {
    /// The one in force, or the last good one, or the embedded one.
    in_force: Rc<InForce>,
    /// Why it is not the one in force.
    pub(super) problem: Option<String>,
}

impl Active {
    /// What to work with.
    pub(super) fn config(&self) -> &Config {
        &self.in_force.config
    }
}

/// The configuration in force; an error only when not even the embedded one reads.
pub(super) async fn engine_config(env: &Env) -> Result<Active, String> {
    let version = match D1::bound(env) {
        Ok(db) => active::version(&db).await,
        Err(error) => Err(error),
    };
    let (in_force, unasked) = match version {
        Ok(version) => (active::follow(env, version).await, None),
        Err(error) => (active::current(env), Some(format!("which version is active could not be read: {error}"))),
    };
    let in_force = in_force.map_err(|error| error.to_string())?;
    let problem = unasked.or_else(|| in_force.refused.as_ref().map(ToString::to_string));
    Ok(Active { in_force, problem })
}
