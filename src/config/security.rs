//! Rate limits.

use serde::Serialize;

use crate::record::{record, words};

/// The security configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Security {
    /// Exact limits, checked in order; the first whose path and method fit decides.
    pub limits: Vec<Limit>,
}

record!(Security { limits });

/// An exact limit: at most `requests` of one client in any `window_s` seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// The rule's name in `RateLimit-Policy`, metrics and logs.
    pub id: String,
    /// The path it guards, exactly (canonical form: decoded, no double or trailing slashes).
    pub path: String,
    /// The methods it guards; empty means all.
    pub methods: Vec<String>,
    /// Admitted per window, 1 to 64 (a log entry each).
    pub requests: u32,
    /// The window in seconds.
    pub window_s: u32,
    /// Whether a verdict is acted on or only counted.
    pub mode: LimitMode,
    /// What happens when the Limiter does not answer within 250 ms.
    pub on_failure: OnFailure,
}

record!(Limit { id, path, methods = Vec::new(), requests, window_s, mode, on_failure });

/// Whether a limit acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitMode {
    /// A denied request gets 429.
    Enforce,
    /// A denied request is counted as `would_limit` and goes through.
    Shadow,
}

words!(LimitMode { Enforce "enforce", Shadow "shadow" });

/// What a limit does without its Limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Let the request through.
    Allow,
    /// Decide by this isolate's own log.
    Edge,
    /// Refuse with 503: the only fail-closed path.
    Deny,
}

words!(OnFailure { Allow "allow", Edge "edge", Deny "deny" });
