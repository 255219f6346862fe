//! Placeholder until the tokens land.

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Records metrics.
    Ingest,
    /// Acts on alerts.
    Operator,
    /// Everything.
    Admin,
}
