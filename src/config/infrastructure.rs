//! What is measured and how much of it is kept.

use serde::Serialize;

use crate::record::record;

/// Routes, bounds, retention, ingest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Infrastructure {
    /// Route templates, most specific first: `/bookings/:id`. A path that fits none goes through the normaliser.
    pub routes: Vec<String>,
    /// Most route templates counted apart; the rest is `(other)`.
    pub max_routes: u32,
    /// Most series one Collector shard holds; the rest is counted under `(other)`.
    pub max_series: u32,
    /// How long each resolution is kept.
    pub retention: Retention,
    /// Bounds of `POST /api/metrics`.
    pub ingest: Ingest,
}

record!(Infrastructure { routes, max_routes, max_series, retention, ingest });

/// Days each resolution is kept in D1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retention {
    /// One-minute rows.
    pub minute_days: u32,
    /// One-hour rows.
    pub hour_days: u32,
    /// One-day rows.
    pub day_days: u32,
}

record!(Retention { minute_days, hour_days, day_days });

/// Bounds of one `POST /api/metrics`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ingest {
    /// Most metrics in one array.
    pub max_batch: u32,
    /// Largest request body, in bytes.
    pub max_body_bytes: u32,
    /// Most tags on one metric.
    pub max_tags: u32,
    /// Most different label sets of one ingested metric name; the rest is counted under `(other)`.
    pub max_series_per_name: u32,
}

record!(Ingest { max_batch, max_body_bytes, max_tags, max_series_per_name });
