//! The configuration: what is watched, the thresholds, who is told. Data in `monitoring/`, types here.
//!
//! Three readers share this module: `build.rs` (a bad file is a compile error), the command line (`validate`, `apply`)
//! and the Worker. It therefore names nothing of the crate but `ids`, `record`, `alert::matcher` and the catalogue `telemetry::series::name`. Files are
//! YAML or JSON for people and are read natively by `read`, which reports every mistake with file, line and column; the
//! Worker only ever sees one compact JSON text of [`Config`], embedded at build time or stored as a version in D1.
//!
//! Invariant: a [`Config`] that left [`Config::from_text`] or `read::folder` has passed [`check::problems`]; every
//! cross-reference in it (channel, target, route) resolves. Unknown keys are errors everywhere.

use serde::Serialize;

use crate::record::{self, Unreadable, record};

pub mod alerting;
pub mod business;
pub mod check;
pub mod infrastructure;
pub mod matchers;
#[cfg(not(target_family = "wasm"))]
pub mod read;
pub mod routes;
pub mod security;
pub mod sentry;
pub mod site;
pub mod template;

/// The whole configuration of one deployment: the files of `monitoring/` with one environment's overlay applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
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

record!(Config { site, infrastructure, security, sentry, business, alerting });

/// Why a text is not a configuration. Nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or JSON of another shape.
    #[error("the configuration does not read: {0}")]
    Shape(#[from] Unreadable),
    /// It reads, and is not sensible: every mistake of meaning, in the order of the document.
    #[error("the configuration has {} mistakes, the first at {}: {}", .0.len(), .0.first().map_or("", |p| &p.pointer), .0.first().map_or("", |p| &p.what))]
    Meaning(Vec<check::Problem>),
}

impl Config {
    /// Reads the compact JSON that [`Config::to_json`] writes and checks what it means.
    pub fn from_text(text: &str) -> Result<Self, ConfigError> {
        let config: Self = record::read(text.as_bytes())?;
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
