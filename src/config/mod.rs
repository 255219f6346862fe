//! The configuration: what is watched, the thresholds, who is told. Data in `monitoring/`, types here.
//!
//! Three readers share this module: `build.rs` (a bad file is a compile error), the command line (`validate`, `apply`)
//! and the Worker. It therefore names nothing of the crate but `ids`, `alert::matcher` and the catalogue `telemetry::series::name`. Files are
//! YAML or JSON for people and are read natively by `read`, which reports every mistake with file, line and column; the
//! Worker only ever sees one compact JSON text of [`Config`], embedded at build time or stored as a version in D1.
//!
//! Invariant: a [`Config`] that left [`Config::from_json`] or `read::folder` has passed [`check::problems`]; every
//! cross-reference in it (channel, target, route) resolves. Unknown keys are errors everywhere.

use serde::{Deserialize, Serialize};

pub mod alerting;
pub mod business;
pub mod check;
pub mod infrastructure;
#[cfg(not(target_family = "wasm"))]
pub mod read;
pub mod security;
pub mod sentry;
pub mod site;

/// The whole configuration of one deployment: the files of `monitoring/` with one environment's overlay applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Hosts, links, names (`production-config.json`, `staging-config.json` or `dev-config.json`).
    pub site: site::Site,
    /// Routes, series bounds, retention, ingest bounds (`infrastructure-monitoring-config.json`).
    pub infrastructure: infrastructure::Infrastructure,
    /// Rate limits (`security-monitoring-config.json`).
    pub security: security::Security,
    /// Error events, check-ins, scrubbing (`sentry-apm-config.json`).
    pub sentry: sentry::Sentry,
    /// Targets (`business-metrics-config.json`).
    pub business: business::Business,
    /// Rules, channels, routes (`alerting-configuration.yaml`).
    pub alerting: alerting::Alerting,
}

/// Why a text is not a configuration. Nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or JSON of another shape; serde stops at the first mistake.
    #[error("the configuration does not read, at line {line} column {column}: {message}")]
    Shape {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
        /// What serde says.
        message: String,
    },
    /// It reads, and is not sensible: every mistake of meaning, in the order of the document.
    #[error("the configuration has {} mistakes, the first at {}: {}", .0.len(), .0.first().map_or("", |p| &p.pointer), .0.first().map_or("", |p| &p.what))]
    Meaning(Vec<check::Problem>),
}

impl Config {
    /// Reads the compact JSON that [`Config::to_json`] writes and checks what it means.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_str(text).map_err(|error| ConfigError::Shape {
            line: error.line(),
            column: error.column(),
            message: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
        })?;
        let problems = check::problems(&config);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Meaning(problems)) }
    }

    /// Compact JSON; the same configuration always gives the same bytes (structs in order, maps sorted).
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Lower-case hex of the SHA-256 of [`Config::to_json`]: what two deployments compare.
    pub fn hash(&self) -> String {
        crate::ids::sha256_hex(self.to_json().as_bytes())
    }
}
