//! What changed shortly before an alert: a deploy, or the configuration.
//!
//! The newest one in the hour before the condition began to hold is named, for want of a better guess: most trouble follows a change,
//! and the last is the first to undo. It is no cause, and the message says no more than when it was.

use serde::Serialize;

use crate::record::{record, words};
use crate::time::{HOUR_MS, UnixMs};

/// How long before an alert a change is near it.
pub const REACH_MS: i64 = HOUR_MS;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A version of a service came into force.
    Deploy,
    /// A version of the configuration did.
    Configuration,
}

words!(ChangeKind { Deploy "deploy", Configuration "configuration" });

/// A change shortly before an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearbyChange {
    /// What changed.
    pub kind: ChangeKind,
    /// The service, which may be empty; of a configuration, who applied it.
    pub name: String,
    /// The version.
    pub version: String,
    /// When.
    pub at: UnixMs,
    /// Where to read about it; may be empty.
    pub url: String,
}

record!(NearbyChange { kind, name, version, at, url, .. });

impl NearbyChange {
    /// What it is called in a message.
    pub fn label(&self) -> &'static str {
        match self.kind {
            ChangeKind::Deploy => "Deploy",
            ChangeKind::Configuration => "Configuration",
        }
    }

    /// `v2026.03.05-2 of api`, `version 7 by Thandi`.
    pub fn what(&self) -> String {
        let Self { name, version, .. } = self;
        match (self.kind, name.as_str(), version.as_str()) {
            (ChangeKind::Deploy, "", version) => version.to_owned(),
            (ChangeKind::Deploy, service, version) => format!("{version} of {service}"),
            (ChangeKind::Configuration, author, "0") => format!("the built-in version by {author}"),
            (ChangeKind::Configuration, author, version) => format!("version {version} by {author}"),
        }
    }
}
