//! The configuration a tick works with: the version in force, or the last good one with the reason why.

use std::cell::RefCell;
use std::rc::Rc;

use worker::Env;

use super::active;
use super::d1::D1;
use crate::config::Config;

/// A configuration to work with.
pub(super) struct Active {
    /// The one in force, or the last good one, or the embedded one.
    pub(super) config: Rc<Config>,
    /// Why it is not the one in force.
    pub(super) problem: Option<String>,
}

thread_local! {
    static LAST_GOOD: RefCell<Option<(i64, Rc<Config>)>> = const { RefCell::new(None) };
}

/// The configuration in force; an error only when not even the embedded one reads.
pub(super) async fn engine_config(env: &Env) -> Result<Active, String> {
    let last_good = LAST_GOOD.with_borrow(Clone::clone);
    let why = match newest(env, last_good.as_ref()).await {
        Ok((version, config)) => {
            LAST_GOOD.with_borrow_mut(|slot| slot.replace((version, config.clone())));
            return Ok(Active { config, problem: None });
        }
        Err(why) => why,
    };
    let config = match last_good {
        Some((_, config)) => config,
        None => Rc::new(active::embedded(env).map_err(|error| error.to_string())?),
    };
    Ok(Active { config, problem: Some(why) })
}

/// The version in force, parsed only when it is another than the last good one.
async fn newest(env: &Env, known: Option<&(i64, Rc<Config>)>) -> Result<(i64, Rc<Config>), String> {
    let db = D1::bound(env).map_err(|error| error.to_string())?;
    let version = active::version(&db).await.map_err(|error| error.to_string())?;
    match known {
        Some((same, config)) if *same == version => Ok((version, config.clone())),
        Some(_) | None => Ok((version, Rc::new(active::load(env, version).await?))),
    }
}
