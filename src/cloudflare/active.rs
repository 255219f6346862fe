//! The configuration in force: embedded, or a version stored in D1.

use worker::Env;

use super::bindings;
use super::d1::D1;
use crate::config::site::Environment;
use crate::config::{Config, ConfigError};
use crate::embedded;
use crate::ports::DbError;

/// The configuration built in for `ENVIRONMENT`; production when the variable is missing or unknown.
pub(super) fn embedded(env: &Env) -> Result<Config, ConfigError> {
    let environment = bindings::text(env, "ENVIRONMENT").and_then(|text| Environment::from_str(&text)).unwrap_or(Environment::Production);
    Config::from_json(embedded::config_json(environment))
}

/// The version in force; 0 is what the build embeds.
pub(super) async fn version(_db: &D1) -> Result<i64, DbError> {
    Ok(0)
}

/// The configuration of that version.
pub(super) async fn load(env: &Env, _version: i64) -> Result<Config, String> {
    embedded(env).map_err(|error| error.to_string())
}
