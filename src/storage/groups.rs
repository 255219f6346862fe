//! The table `alert_group`.
//!
//! Invariant: a change is a compare-and-swap on the group's version that also asks for every alert it was decided from to stand
//! as it was seen, so a group never tells of an alert somebody has changed meanwhile; its message asks for the change in turn (`outbox`).

use super::{Param, Statement, StatementResult, body_and_digest};
use crate::alert::group::{GroupChange, GroupState};
use crate::ports::DbError;
use crate::time::UnixMs;

/// Rows of one JSON parameter: 100 groups of at most 300 alerts in a storm, 50 bytes each, are 1.5 MB of D1's 2 MB a value.
const ROWS_PER_STATEMENT: usize = 100;

/// Reads every group.
pub fn all() -> Statement {
    Statement::new("SELECT body FROM alert_group ORDER BY id", [])
}

/// The groups [`all`] found.
pub fn states(result: StatementResult) -> Result<Vec<GroupState>, DbError> {
    result.bodies("alert_group")
}

/// Stores the changes, each only if the stored version is the one before its own and its alerts stand as they were seen.
pub fn swap(changes: &[GroupChange]) -> Vec<Statement> {
    let statement = |chunk: &[GroupChange]| {
        let rows: Vec<_> = chunk
            .iter()
            .map(|GroupChange { next, seen, .. }| {
                let (body, digest) = body_and_digest(next);
                let idle_since = next.opened_at.is_none().then_some(next.at);
                (&next.group.id, next.version, digest, idle_since, body, seen)
            })
            .collect();
        Statement::new(
            "INSERT INTO alert_group (id, version, digest, idle_since, body)
             SELECT json_extract(j.value, '$[0]'), json_extract(j.value, '$[1]'), json_extract(j.value, '$[2]'),
                    json_extract(j.value, '$[3]'), json_extract(j.value, '$[4]')
             FROM json_each(?1) j
             WHERE NOT EXISTS (
               SELECT 1 FROM json_each(j.value, '$[5]') s LEFT JOIN alerts a ON a.id = json_extract(s.value, '$[0]')
               WHERE a.version IS NOT json_extract(s.value, '$[1]') OR a.digest IS NOT coalesce(json_extract(s.value, '$[2]'), a.digest))
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, digest = excluded.digest,
               idle_since = excluded.idle_since, body = excluded.body
             WHERE alert_group.version = excluded.version - 1",
            [Param::Text(serde_json::to_string(&rows).unwrap_or_default())],
        )
    };
    changes.chunks(ROWS_PER_STATEMENT).map(statement).collect()
}

/// Drops at most `rows` groups without alerts since `before`.
pub fn expire(before: UnixMs, rows: u32) -> Statement {
    Statement::new(
        "DELETE FROM alert_group WHERE id IN (SELECT id FROM alert_group WHERE idle_since < ?1 ORDER BY idle_since LIMIT ?2)",
        [Param::Int(before.0), Param::Int(i64::from(rows))],
    )
}
