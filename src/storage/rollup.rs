//! Rolling finer rows up into coarser ones, and dropping what is past its retention.
//!
//! Invariant: a coarse row is overwritten from the finer rows of its span, never added to, so rolling up twice changes
//! nothing. Sketches merge in Rust, since D1 has no function for it; one chunk reads [`SERIES_PER_CHUNK`] series, at most
//! 60 minutes (or 24 hours) each: 2,400 rows, a tenth of a second of D1.

use super::series::{CellRow, json, stored, write_rows};
use super::{Param, Statement, StatementResult};
use crate::ports::DbError;
use crate::record::record;
use crate::telemetry::cell::Cell;
use crate::time::{DAY_MS, HOUR_MS, UnixMs};

/// Series rolled up by one read.
pub const SERIES_PER_CHUNK: u32 = 40;
/// Rows one delete drops: D1 stops a statement that runs for long, and an unbounded delete would never get anywhere.
pub const ROWS_PER_DELETE: u32 = 2_000;

/// A coarser resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Hours, from minutes.
    Hour,
    /// Days (UTC), from hours.
    Day,
}

impl Level {
    /// Both levels, the finer first: days are made of hours.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The level called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// The length of one of its buckets.
    pub fn width_ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }
}

/// A span to roll up, and the count of marks it had when it was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dirty {
    /// Its start.
    pub t: UnixMs,
    /// Marks so far.
    pub marks: i64,
}

record!(Dirty { t, marks, .. });

/// Marks the bucket of `level` that holds `t`: a finer row in it was written.
pub fn mark(level: Level, t: UnixMs) -> Statement {
    Statement::new(
        "INSERT INTO dirty (level, t, marks) VALUES (?1, ?2, 1) ON CONFLICT (level, t) DO UPDATE SET marks = marks + 1",
        [level.as_str().into(), Param::Int(t.floor(level.width_ms()).0)],
    )
}

/// The oldest dirty bucket of `level` that ended before `before`.
pub fn oldest_dirty(level: Level, before: UnixMs) -> Statement {
    Statement::new(
        "SELECT t, marks FROM dirty WHERE level = ?1 AND t + ?2 <= ?3 ORDER BY t LIMIT 1",
        [level.as_str().into(), Param::Int(level.width_ms()), Param::Int(before.0)],
    )
}

/// The bucket is rolled up; unless it was marked again meanwhile.
pub fn clean(level: Level, dirty: Dirty) -> Statement {
    Statement::new(
        "DELETE FROM dirty WHERE level = ?1 AND t = ?2 AND marks = ?3",
        [level.as_str().into(), Param::Int(dirty.t.0), Param::Int(dirty.marks)],
    )
}

/// The finer rows of the bucket at `t`, of the next [`SERIES_PER_CHUNK`] series after `after`, in order of series.
pub fn read_finer(level: Level, t: UnixMs, after: i64) -> Statement {
    let sql = match level {
        Level::Hour => {
            "SELECT t, series, shard, value, at, low, high, hex(sketch) AS sketch, s.kind AS kind FROM minute JOIN series s ON s.id = series
             WHERE t >= ?1 AND t < ?2 AND series IN (SELECT DISTINCT series FROM minute WHERE t >= ?1 AND t < ?2 AND series > ?3 ORDER BY series LIMIT ?4)
             ORDER BY series"
        }
        Level::Day => {
            "SELECT t, series, shard, value, at, low, high, hex(sketch) AS sketch, s.kind AS kind FROM hour JOIN series s ON s.id = series
             WHERE t >= ?1 AND t < ?2 AND series IN (SELECT DISTINCT series FROM hour WHERE t >= ?1 AND t < ?2 AND series > ?3 ORDER BY series LIMIT ?4)
             ORDER BY series"
        }
    };
    Statement::new(sql, [Param::Int(t.0), Param::Int(t.0 + level.width_ms()), Param::Int(after), Param::Int(i64::from(SERIES_PER_CHUNK))])
}

/// One coarse cell, of (series, shard).
pub type Coarse = (i64, u32, Cell);

/// The chunk's coarse cells, and the last series in it; `None` when there was nothing left.
pub fn merged(result: StatementResult) -> Result<Option<(Vec<Coarse>, i64)>, DbError> {
    let mut cells: Vec<Coarse> = Vec::new();
    for row in result.decode::<CellRow>("minute")? {
        let (series, shard) = (row.series, row.shard);
        let cell = row.into_cell()?;
        match cells.iter_mut().rev().take_while(|(known, _, _)| *known == series).find(|(_, known, _)| *known == shard) {
            Some((_, _, known)) => known.merge(&cell),
            None => cells.push((series, shard, cell)),
        }
    }
    Ok(cells.last().map(|(series, _, _)| *series).map(|last| (cells, last)))
}

/// Overwrites the coarse rows of the bucket at `t`.
pub fn write_coarse(level: Level, t: UnixMs, cells: &[Coarse]) -> Statement {
    let rows: Vec<_> = cells.iter().map(|(series, shard, cell)| stored(t, *series, *shard, cell)).collect();
    let sql = match level {
        Level::Hour => write_rows!("hour"),
        Level::Day => write_rows!("day"),
    };
    Statement::new(sql, [json(&rows)])
}

/// Drops at most [`ROWS_PER_DELETE`] rows of each resolution that are older than its bound.
pub fn expire(minutes_before: UnixMs, hours_before: UnixMs, days_before: UnixMs) -> Vec<Statement> {
    let chunk = Param::Int(i64::from(ROWS_PER_DELETE));
    let drop = |sql, before: UnixMs| Statement::new(sql, [Param::Int(before.0), chunk.clone()]);
    vec![
        drop("DELETE FROM minute WHERE (t, series, shard) IN (SELECT t, series, shard FROM minute WHERE t < ?1 LIMIT ?2)", minutes_before),
        drop("DELETE FROM hour WHERE (t, series, shard) IN (SELECT t, series, shard FROM hour WHERE t < ?1 LIMIT ?2)", hours_before),
        drop("DELETE FROM day WHERE (t, series, shard) IN (SELECT t, series, shard FROM day WHERE t < ?1 LIMIT ?2)", days_before),
    ]
}
