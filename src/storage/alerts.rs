//! The tables `alerts` and `tick`.
//!
//! Invariant: a change of an alert is a compare-and-swap on its version, so of two ticks that decided from the same state
//! one is applied and the other is not; what depends on a change asks for its version and digest (`outbox`).

use super::{Param, Statement, StatementResult, body_and_digest};
use crate::alert::incident::{AlertState, Phase};
use crate::ports::DbError;
use crate::record::{self, record};
use crate::sorted::Map;
use crate::time::UnixMs;

/// Rows of one JSON parameter: 200 of at most ~3 KB stay far below D1's 2 MB a value.
pub const ROWS_PER_STATEMENT: usize = 200;

/// Reads every alert.
pub fn all() -> Statement {
    Statement::new("SELECT body FROM alerts ORDER BY id", [])
}

/// Reads one alert.
pub fn one(id: &str) -> Statement {
    Statement::new("SELECT body FROM alerts WHERE id = ?1", [id.into()])
}

/// The alerts [`all`] or [`one`] found.
pub fn states(result: StatementResult) -> Result<Vec<AlertState>, DbError> {
    result.bodies("alerts")
}

/// Stores `states`, each only if the stored version is the one before its own. Answers the ids that were stored.
pub fn swap(states: &[&AlertState]) -> Vec<Statement> {
    states
        .chunks(ROWS_PER_STATEMENT)
        .map(|chunk| {
            let rows: Vec<_> = chunk
                .iter()
                .map(|state| {
                    let (body, digest) = body_and_digest(state);
                    (&state.subject.id, &state.subject.rule, state.phase.as_str(), state.version, digest, body)
                })
                .collect();
            Statement::new(
                "INSERT INTO alerts (id, rule, phase, version, digest, body)
                 SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
                        json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
                 FROM json_each(?1) WHERE true
                 ON CONFLICT (id) DO UPDATE SET rule = excluded.rule, phase = excluded.phase, version = excluded.version,
                   digest = excluded.digest, body = excluded.body
                 WHERE alerts.version = excluded.version - 1
                 RETURNING id",
                [Param::Text(serde_json::to_string(&rows).unwrap_or_default())],
            )
        })
        .collect()
}

/// Counts the alerts that are pending or firing.
pub fn counts() -> Statement {
    Statement::new("SELECT phase, count(*) AS n FROM alerts WHERE phase IN ('pending', 'firing') GROUP BY phase", [])
}

/// Firing and pending, as [`counts`] found them.
pub fn firing_and_pending(result: StatementResult) -> Result<(u64, u64), DbError> {
    struct Row {
        phase: Phase,
        n: u64,
    }

    record!(Row { phase, n, .. });
    let rows = result.decode::<Row>("alerts")?;
    let count = |phase: Phase| rows.iter().find(|row| row.phase == phase).map_or(0, |row| row.n);
    Ok((count(Phase::Firing), count(Phase::Pending)))
}

/// Reads the newest tick.
pub fn last_tick() -> Statement {
    Statement::new("SELECT at, report FROM tick WHERE id = 1", [])
}

/// The newest tick that was applied, and what the next one needs of its report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastTick {
    /// Its `now`.
    pub at: UnixMs,
    /// The first tick ever, which each report hands on; long ago, if this one does not know it.
    pub since: UnixMs,
    /// Whether it could not see what some rule looks at.
    pub was_blind: bool,
    /// The alerts of which something was owed to people for too long.
    pub overdue: Vec<String>,
}

/// What is read of a report.
#[derive(Default)]
struct Told {
    since: UnixMs,
    verdicts: Map<String, u64>,
    overdue: Vec<String>,
}

record!(Told { since = UnixMs(0), verdicts = Map::new(), overdue = Vec::new(), .. });

impl LastTick {
    /// The tick at `at` with this `report`, JSON; one that does not read knows nothing.
    pub fn of(at: UnixMs, report: &str) -> Self {
        let Told { since, verdicts, overdue } = record::read(report.as_bytes()).unwrap_or_default();
        Self { at, since, was_blind: verdicts.contains_key("blind"), overdue }
    }
}

/// What [`last_tick`] found; `None` before the first.
pub fn newest_tick(result: StatementResult) -> Result<Option<LastTick>, DbError> {
    struct Row {
        at: UnixMs,
        report: String,
    }

    record!(Row { at, report, .. });
    let newest = result.decode::<Row>("tick")?.into_iter().next();
    Ok(newest.map(|row| LastTick::of(row.at, &row.report)))
}

/// Remembers the tick at `at`, unless a newer one was.
pub fn remember_tick(at: UnixMs, report: &str) -> Statement {
    Statement::new(
        "INSERT INTO tick (id, at, report) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET at = excluded.at, report = excluded.report WHERE tick.at < excluded.at",
        [Param::Int(at.0), report.into()],
    )
}
