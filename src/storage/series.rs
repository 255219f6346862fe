//! The tables `series`, `minute`, `hour` and `day`: cells as rows and rows as cells.
//!
//! Invariant: a row is the whole truth of its (t, series, shard), so writing overwrites and repeating it changes
//! nothing. All rows of one write travel as one JSON parameter; sketches as hex, since JSON has no bytes.

use super::rollup::{self, Level};
use super::{Param, Statement, StatementResult};
use crate::ids;
use crate::order;
use crate::ports::DbError;
use crate::record::{Fields, FromJson, Read, record};
use crate::telemetry::cell::{Cell, Distribution, Gauge, Micros};
use crate::telemetry::series::{Kind, SeriesKey};
use crate::telemetry::sketch::Sketch;
use crate::time::{HOUR_MS, UnixMs, Window};

/// All cells of one span of time.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Slice {
    /// Its start.
    pub t: UnixMs,
    /// The series that have a value in it.
    pub cells: Vec<(SeriesKey, Cell)>,
}

/// Overwrites rows of a value table with those of one JSON parameter, an array of [`JsonRow`].
macro_rules! write_rows {
    ($table:literal) => {
        concat!(
            "INSERT OR REPLACE INTO ",
            $table,
            " (t, series, shard, value, at, low, high, sketch)
             SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
                    json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'), unhex(json_extract(value, '$[7]'))
             FROM json_each(?1)"
        )
    };
}
pub(super) use write_rows;

/// Rows of one JSON parameter: 500 rows of at most ~700 bytes stay far below D1's 2 MB a value.
pub const ROWS_PER_STATEMENT: usize = 500;

/// Writes the slices of `shard` as minute rows, series first, and marks their hours for rolling up; one transaction of a
/// few statements.
pub fn write_minutes(shard: u32, slices: &[Slice]) -> Vec<Statement> {
    let cells: Vec<(UnixMs, &SeriesKey, &Cell)> =
        slices.iter().flat_map(|slice| slice.cells.iter().map(move |(key, cell)| (slice.t, key, cell))).collect();
    let mut hours: Vec<UnixMs> = slices.iter().map(|slice| slice.t.floor(HOUR_MS)).collect();
    hours.dedup();
    let marks = hours.into_iter().map(|hour| rollup::mark(Level::Hour, hour));
    cells
        .chunks(ROWS_PER_STATEMENT)
        .flat_map(|chunk| {
            let mut keys: Vec<&SeriesKey> = chunk.iter().map(|(_, key, _)| *key).collect();
            order::sort_by(&mut keys, |a, b| a < b);
            keys.dedup();
            let series: Vec<_> = keys.iter().map(|key| (key.id(), key.kind().as_str(), key.name(), key.labels())).collect();
            let rows: Vec<_> = chunk.iter().map(|(t, key, cell)| stored(*t, key.id(), shard, cell)).collect();
            [
                Statement::new(
                    "INSERT INTO series (id, kind, name, labels)
                     SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]')
                     FROM json_each(?1) WHERE true ON CONFLICT (id) DO NOTHING",
                    [json(&series)],
                ),
                Statement::new(
                    write_rows!("minute"),
                    [json(&rows)],
                ),
            ]
        })
        .chain(marks)
        .collect()
}

/// Reads the minute rows of `window` of the series called `names`, by one seek per (minute, series): a day of one
/// series is 1,440 rows read, whatever else the minutes hold. Counters come added up, as one row at the window's start.
pub fn read_minutes(names: &[&str], window: Window) -> Statement {
    Statement::new(
        "WITH RECURSIVE minutes(t) AS (SELECT ?1 WHERE ?1 < ?2 UNION ALL SELECT t + 60000 FROM minutes WHERE t + 60000 < ?2),
         wanted AS (SELECT * FROM series WHERE name IN (SELECT value FROM json_each(?3)))
         SELECT CAST(?1 AS INTEGER) AS t, s.kind, s.name, s.labels, SUM(m.value) AS value, NULL AS at, NULL AS low, NULL AS high, NULL AS sketch
         FROM wanted s CROSS JOIN minutes CROSS JOIN minute m ON m.t = minutes.t AND m.series = s.id WHERE s.kind = 'counter' GROUP BY s.id
         UNION ALL
         SELECT m.t, s.kind, s.name, s.labels, m.value, m.at, m.low, m.high, hex(m.sketch)
         FROM wanted s CROSS JOIN minutes CROSS JOIN minute m ON m.t = minutes.t AND m.series = s.id WHERE s.kind <> 'counter'
         ORDER BY 1",
        [Param::Int(window.from.floor(60_000).0), Param::Int(window.to.0), json(&names)],
    )
}

/// Reads hour rows, of an hour that is not rolled up yet its minutes; counters added up by a row's start and group.
macro_rules! hour_rows {
    ($start:literal, $group:literal) => {
        concat!(
            "WITH RECURSIVE hours(t) AS (SELECT ?1 WHERE ?1 < ?2 UNION ALL SELECT t + 3600000 FROM hours WHERE t + 3600000 < ?2),
         sixty(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM sixty WHERE n < 59),
         dirty_hours AS (SELECT t FROM dirty WHERE level = 'hour' AND t >= ?1 AND t < ?2),
         wanted AS (SELECT * FROM series WHERE name IN (SELECT value FROM json_each(?3))),
         cells AS (
           SELECT h.t, s.id, s.kind, s.name, s.labels, h.value, h.at, h.low, h.high, h.sketch
           FROM wanted s CROSS JOIN hours CROSS JOIN hour h ON h.t = hours.t AND h.series = s.id WHERE hours.t NOT IN (SELECT t FROM dirty_hours)
           UNION ALL
           SELECT d.t, s.id, s.kind, s.name, s.labels, m.value, m.at, m.low, m.high, m.sketch
           FROM wanted s CROSS JOIN dirty_hours d CROSS JOIN sixty CROSS JOIN minute m ON m.t = d.t + sixty.n * 60000 AND m.series = s.id)
         SELECT ",
            $start,
            " AS t, kind, name, labels, SUM(value) AS value, NULL AS at, NULL AS low, NULL AS high, NULL AS sketch
         FROM cells WHERE kind = 'counter' GROUP BY ",
            $group,
            "
         UNION ALL
         SELECT t, kind, name, labels, value, at, low, high, hex(sketch) FROM cells WHERE kind <> 'counter'
         ORDER BY 1"
        )
    };
}

/// Reads the hour rows of `window` likewise; of an hour that is not rolled up yet, its minutes.
pub fn read_hours(names: &[&str], window: Window) -> Statement {
    Statement::new(hour_rows!("CAST(?1 AS INTEGER)", "id"), hours_of(names, window))
}

/// As [`read_hours`], with a row for each hour of a counter too: eight weeks of one are 1,350 rows read.
pub fn read_hours_apart(names: &[&str], window: Window) -> Statement {
    Statement::new(hour_rows!("t", "id, t"), hours_of(names, window))
}

fn hours_of(names: &[&str], window: Window) -> [Param; 3] {
    [Param::Int(window.from.floor(HOUR_MS).0), Param::Int(window.to.0), json(&names)]
}

/// The cells [`read_minutes`] or [`read_hours`] found, shards merged, one slice per bucket in order.
pub fn slices(result: StatementResult) -> Result<Vec<Slice>, DbError> {
    let mut out: Vec<Slice> = Vec::new();
    for row in result.decode::<Row>("minute")? {
        let (t, key, cell) = row.into_cell()?;
        if out.last().is_none_or(|slice| slice.t != t) {
            out.push(Slice { t, cells: Vec::new() });
        }
        if let Some(slice) = out.last_mut() {
            match slice.cells.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => known.merge(&cell),
                None => slice.cells.push((key, cell)),
            }
        }
    }
    Ok(out)
}

/// A value as one JSON parameter.
pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Param {
    Param::Text(serde_json::to_string(value).unwrap_or_default())
}

/// A value row as a JSON array, in the order of the columns.
pub(super) type JsonRow = (i64, i64, u32, f64, Option<i64>, Option<f64>, Option<f64>, Option<String>);

/// A cell as a row of `minute`, `hour` or `day`.
pub(super) fn stored(t: UnixMs, series: i64, shard: u32, cell: &Cell) -> JsonRow {
    match cell {
        Cell::Counter(sum) => (t.0, series, shard, sum.as_f64(), None, None, None, None),
        Cell::Gauge(gauge) => (t.0, series, shard, gauge.last, Some(gauge.at), Some(gauge.min), Some(gauge.max), None),
        Cell::Distribution(cell) => {
            (t.0, series, shard, cell.sum.as_f64(), None, Some(cell.min), Some(cell.max), Some(ids::hex(&cell.sketch.encode())))
        }
    }
}

/// A value row as read, with the kind of its series.
#[derive(Debug)]
pub(super) struct CellRow {
    pub(super) t: i64,
    pub(super) series: i64,
    pub(super) shard: u32,
    kind: Kind,
    value: f64,
    at: Option<i64>,
    low: Option<f64>,
    high: Option<f64>,
    sketch: Option<String>,
}

record!(CellRow { t, series = 0, shard = 0, kind, value, at, low, high, sketch, .. });

impl CellRow {
    /// The cell of the row.
    pub(super) fn into_cell(self) -> Result<Cell, DbError> {
        let shape = |message: &str| DbError::Shape { table: "minute", message: message.to_owned() };
        let (low, high) = (self.low.unwrap_or(self.value), self.high.unwrap_or(self.value));
        Ok(match self.kind {
            Kind::Counter => Cell::Counter(Micros::from_f64(self.value)),
            Kind::Gauge => Cell::Gauge(Gauge { at: self.at.unwrap_or(self.t), last: self.value, min: low, max: high }),
            Kind::Distribution => {
                let bytes = ids::unhex(&self.sketch.unwrap_or_default()).ok_or_else(|| shape("the sketch is not hex"))?;
                let sketch = Sketch::decode(&bytes).map_err(|_| shape("the sketch does not decode"))?;
                Cell::Distribution(Distribution { sum: Micros::from_f64(self.value), min: low, max: high, sketch })
            }
        })
    }
}

/// The SQL whose rows [`exported`] reads: the rows of `table` (`minute`, `hour`) in `[from, to)` (Unix ms) of the series called `names`, in
/// order of time, for `wrangler d1 execute --json`.
#[cfg(not(target_family = "wasm"))]
pub fn export_sql(table: &str, names: &[&str], window: Window) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    format!(
        "SELECT m.t, s.kind, s.name, s.labels, m.value, m.at, m.low, m.high, hex(m.sketch) AS sketch \
         FROM {table} m JOIN series s ON s.id = m.series \
         WHERE m.t >= {} AND m.t < {} AND s.name IN ({}) ORDER BY m.t",
        window.from.0,
        window.to.0,
        quoted.join(", ")
    )
}

/// The minute, series and cell of one row that [`export_sql`] gives.
#[cfg(not(target_family = "wasm"))]
pub fn exported(row: serde_json::Value) -> Result<(UnixMs, SeriesKey, Cell), DbError> {
    let row = Row::from_json(row).map_err(|error| DbError::Shape { table: "minute", message: error.to_string() })?;
    row.into_cell()
}

struct Row {
    name: String,
    labels: String,
    cell: CellRow,
}

impl FromJson for Row {
    fn from_json(value: serde_json::Value) -> Read<Self> {
        let mut fields = Fields::any(value)?;
        Ok(Self { name: fields.take("name")?, labels: fields.take("labels")?, cell: CellRow::from_json(fields.rest())? })
    }
}

impl Row {
    fn into_cell(self) -> Result<(UnixMs, SeriesKey, Cell), DbError> {
        let shape = |message: &str| DbError::Shape { table: "series", message: message.to_owned() };
        let labels = serde_json::from_str(&self.labels).map_err(|_| shape("labels are not a JSON list of pairs"))?;
        let (t, kind) = (UnixMs(self.cell.t), self.cell.kind);
        Ok((t, SeriesKey::new(kind, self.name, labels), self.cell.into_cell()?))
    }
}
