//! The configuration in force in this isolate: embedded, or a version stored in D1.
//!
//! Invariant: there is always one. A version that cannot be used leaves the last good one in force and says why; it is
//! tried again whenever somebody names it.

use std::cell::RefCell;
use std::rc::Rc;

use worker::Env;

use super::bindings;
use super::d1::D1;
use crate::config::ConfigError;
use crate::config::site::Environment;
use crate::ports::{Db, DbError};
use crate::storage::config::{self as store, InForce};

thread_local! {
    static IN_FORCE: RefCell<Option<Rc<InForce>>> = const { RefCell::new(None) };
}

/// What `ENVIRONMENT` says; production when it is missing or unknown, the strictest.
pub(super) fn environment(env: &Env) -> Environment {
    bindings::text(env, "ENVIRONMENT").and_then(|text| Environment::from_str(&text)).unwrap_or(Environment::Production)
}

/// What is in force in this isolate; at first what the build embeds.
pub(super) fn current(env: &Env) -> Result<Rc<InForce>, ConfigError> {
    if let Some(known) = IN_FORCE.with_borrow(Clone::clone) {
        return Ok(known);
    }
    let first = InForce { version: 0, config: store::embedded(environment(env))?, refused: None };
    Ok(keep(first))
}

/// Follows `version`, and says what is in force then.
pub(super) async fn follow(env: &Env, version: i64) -> Result<Rc<InForce>, ConfigError> {
    let last_good = current(env)?;
    if last_good.version == version && last_good.refused.is_none() {
        return Ok(last_good);
    }
    let found = if version == 0 { Ok(None) } else { find(env, version).await };
    let now = store::follow((*last_good).clone(), version, environment(env), found);
    if let Some(refusal) = &now.refused {
        worker::console_error!("configuration: version {} stays in force: {refusal}", now.version);
    }
    Ok(keep(now))
}

/// The version that is active: the newest activation, 0 while there is none.
pub(super) async fn version(db: &D1) -> Result<i64, DbError> {
    let rows = db.batch(vec![store::active()]).await?.into_iter().next().map(store::activations).transpose()?;
    Ok(rows.unwrap_or_default().first().map_or(0, |row| row.version))
}

async fn find(env: &Env, version: i64) -> Result<Option<store::Version>, DbError> {
    let results = D1::bound(env)?.batch(vec![store::version(version)]).await?;
    results.into_iter().next().map_or(Ok(None), store::stored)
}

fn keep(in_force: InForce) -> Rc<InForce> {
    let in_force = Rc::new(in_force);
    IN_FORCE.with_borrow_mut(|slot| slot.replace(Rc::clone(&in_force)));
    in_force
}
