//! The table `pushed_alert`.
//!
//! Invariant: two pushes of one alert become what Alertmanager makes of them (`provider/mem` and `Alert.Merge` there), in one statement,
//! so that pushes at the same moment lose nothing. Where their times overlap the earliest start stays; of ends, one that was said
//! and is later stays beside one that lies ahead, and of two that are past the later one. Else the younger push is what counts.

use super::{Param, Statement, StatementResult};
use crate::ports::DbError;
use crate::record::{self, record};
use crate::sorted::Map;
use crate::time::UnixMs;

/// Most alerts that are kept, those that ended included: at about 1 KB each, and 6 KB at worst, a tick reads them all.
pub const MAX_KEPT: i64 = 2_000;
/// So many are kept for long after their end; of more, only those that ended just now.
const MAX_ENDED: i64 = 1_000;

/// An alert as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Its id (`alr_…`).
    pub id: String,
    /// Its labels: what it is.
    pub labels: Map<String, String>,
    /// What is said of it.
    pub annotations: Map<String, String>,
    /// Since when.
    pub starts_at: UnixMs,
    /// It fires before.
    pub ends_at: UnixMs,
    /// Where it comes from; may be empty.
    pub generator_url: String,
    /// The last push.
    pub updated_at: UnixMs,
}

/// Whose word its end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Whoever pushed it said so.
    Said,
    /// Nobody did: it ends unless it is pushed again.
    TimesOut,
}

/// Whether the pushed times and the kept ones overlap.
macro_rules! overlap {
    () => {
        "(excluded.ends_at > pushed_alert.starts_at AND excluded.ends_at < pushed_alert.ends_at
           OR excluded.starts_at > pushed_alert.starts_at AND excluded.starts_at < pushed_alert.ends_at)"
    };
}

/// Keeps what is pushed at `now`, in this order; new alerts only while there is room. Answers the ids that are kept.
pub fn upsert(alerts: &[(Pushed, End)], now: UnixMs) -> Statement {
    let row = |(alert, end): &(Pushed, End)| {
        let Pushed { id, labels, annotations, starts_at, ends_at, generator_url, .. } = alert;
        serde_json::json!([id, labels, annotations, starts_at, ends_at, u8::from(*end == End::TimesOut), generator_url])
    };
    let rows: Vec<serde_json::Value> = alerts.iter().map(row).collect();
    Statement::new(
        concat!(
            "INSERT INTO pushed_alert (id, labels, annotations, starts_at, ends_at, times_out, generator_url, updated_at)
             SELECT id, labels, annotations, starts_at, ends_at, times_out, generator_url, ?2 FROM (
               SELECT json_extract(j.value, '$[0]') AS id, json_extract(j.value, '$[1]') AS labels, json_extract(j.value, '$[2]') AS annotations,
                      json_extract(j.value, '$[3]') AS starts_at, json_extract(j.value, '$[4]') AS ends_at,
                      json_extract(j.value, '$[5]') AS times_out, json_extract(j.value, '$[6]') AS generator_url,
                      j.key AS turn, p.id IS NOT NULL AS is_known, row_number() OVER (PARTITION BY p.id IS NOT NULL ORDER BY j.key) AS place
               FROM json_each(?1) j LEFT JOIN pushed_alert p ON p.id = json_extract(j.value, '$[0]'))
             WHERE is_known OR place + (SELECT count(*) FROM pushed_alert) <= ?3 ORDER BY turn
             ON CONFLICT (id) DO UPDATE SET annotations = excluded.annotations, generator_url = excluded.generator_url,
               updated_at = excluded.updated_at, times_out = excluded.times_out,
               starts_at = CASE WHEN ",
            overlap!(),
            " THEN min(pushed_alert.starts_at, excluded.starts_at) ELSE excluded.starts_at END,
               ends_at = CASE WHEN ",
            overlap!(),
            " AND CASE WHEN excluded.ends_at <= ?2 THEN pushed_alert.ends_at <= ?2 ELSE pushed_alert.times_out = 0 END
               THEN max(pushed_alert.ends_at, excluded.ends_at) ELSE excluded.ends_at END
             RETURNING id"
        ),
        [Param::Text(serde_json::to_string(&rows).unwrap_or_default()), Param::Int(now.0), Param::Int(MAX_KEPT)],
    )
}

/// The ids [`upsert`] kept.
pub fn kept(result: StatementResult) -> Result<Vec<String>, DbError> {
    struct Row {
        id: String,
    }

    record!(Row { id, .. });
    Ok(result.decode::<Row>("pushed_alert")?.into_iter().map(|row| row.id).collect())
}

/// Reads what fires at `now`.
pub fn firing(now: UnixMs) -> Statement {
    Statement::new(
        "SELECT id, labels, annotations, starts_at, ends_at, generator_url, updated_at FROM pushed_alert WHERE ends_at > ?1 ORDER BY id",
        [Param::Int(now.0)],
    )
}

/// The alerts [`firing`] found. One that does not read is left out: it must not stop a tick.
pub fn alerts(result: StatementResult) -> Result<Vec<Pushed>, DbError> {
    struct Row {
        id: String,
        labels: String,
        annotations: String,
        starts_at: UnixMs,
        ends_at: UnixMs,
        generator_url: String,
        updated_at: UnixMs,
    }

    record!(Row { id, labels, annotations, starts_at, ends_at, generator_url, updated_at, .. });
    let read = |row: Row| {
        let Row { id, labels, annotations, starts_at, ends_at, generator_url, updated_at } = row;
        let (labels, annotations) = (record::read(labels.as_bytes()).ok()?, record::read(annotations.as_bytes()).ok()?);
        Some(Pushed { id, labels, annotations, starts_at, ends_at, generator_url, updated_at })
    };
    Ok(result.decode::<Row>("pushed_alert")?.into_iter().filter_map(read).collect())
}

/// Drops what ended before `long_ago`, of many also what ended before `just_now`, and the alerts of what is dropped.
pub fn expire(long_ago: UnixMs, just_now: UnixMs) -> [Statement; 2] {
    [
        Statement::new(
            "DELETE FROM pushed_alert WHERE ends_at < ?1
               OR (ends_at < ?2 AND id NOT IN (SELECT id FROM pushed_alert ORDER BY ends_at DESC, id LIMIT ?3))",
            [Param::Int(long_ago.0), Param::Int(just_now.0), Param::Int(MAX_ENDED)],
        ),
        Statement::new(
            "DELETE FROM alerts WHERE rule >= 'pushed:' AND rule < 'pushed;' AND phase IN ('inactive', 'resolved')
               AND NOT EXISTS (SELECT 1 FROM pushed_alert p WHERE p.id = alerts.id)",
            [],
        ),
    ]
}

#[cfg(test)]
mod tests;
