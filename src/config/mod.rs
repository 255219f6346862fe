//! The configuration: what is watched, the thresholds, who is told. Data in `monitoring/`, types here.
//!
//! Three readers share this module: `build.rs` (a bad file is a compile error), the command line (`validate`, `apply`)
//! and the Worker. It therefore names nothing of the crate outside itself. Files are YAML or JSON for people and are read
//! natively by `read`, which reports every mistake with file, line and column; the Worker only ever sees one compact JSON
//! text of [`Config`], embedded at build time or stored as a version in D1.
//!
//! Invariant: a [`Config`] that left [`Config::from_json`] or `read::folder` has passed [`check::problems`]; every
//! cross-reference in it (channel, target, route) resolves. Unknown keys are errors everywhere.

use serde::{Deserialize, Serialize};

pub mod alerting;
pub mod business;
pub mod infrastructure;
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
