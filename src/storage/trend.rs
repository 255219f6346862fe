//! Minutes and hours of a few selectors one by one, added up by the database: what the line of an alert is drawn from.
//!
//! Labels are compared as text in the column's JSON, which is compact and has each name once, so a pair is there or it is not. Bounds:
//! of more than `MAX_SERIES` series nothing is read (45 minutes of them are 22,500 rows read), and gauges and sketches, which the
//! database cannot add up, come as at most [`MAX_ROWS`] rows of some 700 bytes.

use super::series::{CellRow, json};
use super::{Param, Statement, StatementResult};
use crate::config::alerting::Selector;
use crate::ports::DbError;
use crate::sorted::Map;
use crate::telemetry::cell::Cell;
use crate::time::{HOUR_MS, MINUTE_MS, UnixMs, Window};

/// Rows of an answer; one of as many may be cut short.
pub const MAX_ROWS: usize = 2_000;
/// Series all selectors together may find.
#[cfg(test)]
const MAX_SERIES: usize = 500;

/// A selector, and the labels that set an alert of its rule apart.
pub type Wanted<'a> = (&'a Selector, &'a Map<String, String>);

/// The cells of ?3, an array of [name, [text that is in the labels, …], [text that is not, …]], from ?1 to before ?2 every ?4 ms.
macro_rules! cells_of {
    ($cells:literal) => {
        concat!(
            "WITH RECURSIVE moments(t) AS (SELECT ?1 WHERE ?1 < ?2 UNION ALL SELECT t + ?4 FROM moments WHERE t + ?4 < ?2),
         sixty(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM sixty WHERE n < 59),
         dirty_hours AS (SELECT t FROM dirty WHERE level = 'hour' AND t >= ?1 AND t < ?2),
         found AS (SELECT w.key AS w, s.id, s.kind FROM json_each(?3) w CROSS JOIN series s ON s.name = json_extract(w.value, '$[0]')
           WHERE NOT EXISTS (SELECT 1 FROM json_each(w.value, '$[1]') l WHERE instr(s.labels, l.value) = 0)
             AND NOT EXISTS (SELECT 1 FROM json_each(w.value, '$[2]') l WHERE instr(s.labels, l.value) > 0) LIMIT 501),
         wanted AS (SELECT * FROM found WHERE (SELECT count(*) FROM found) <= 500),
         cells AS (",
            $cells,
            ")
         SELECT t, w AS series, kind, SUM(value) AS value, NULL AS at, NULL AS low, NULL AS high, NULL AS sketch
         FROM cells WHERE kind = 'counter' GROUP BY w, t
         UNION ALL
         SELECT t, w, kind, value, at, low, high, hex(sketch) FROM cells WHERE kind <> 'counter' LIMIT 2000"
        )
    };
}

/// Reads the minutes of `window`.
pub fn read_minutes(wanted: &[Wanted<'_>], window: Window) -> Statement {
    let sql = cells_of!(
        "SELECT m.t, s.w, s.kind, m.value, m.at, m.low, m.high, m.sketch
         FROM wanted s CROSS JOIN moments CROSS JOIN minute m ON m.t = moments.t AND m.series = s.id"
    );
    Statement::new(sql, parameters(wanted, window, MINUTE_MS))
}

/// Reads the hours of `window`; of an hour that is not rolled up yet, its minutes.
pub fn read_hours(wanted: &[Wanted<'_>], window: Window) -> Statement {
    let sql = cells_of!(
        "SELECT h.t, s.w, s.kind, h.value, h.at, h.low, h.high, h.sketch
           FROM wanted s CROSS JOIN moments CROSS JOIN hour h ON h.t = moments.t AND h.series = s.id
           WHERE moments.t NOT IN (SELECT t FROM dirty_hours)
           UNION ALL
           SELECT d.t, s.w, s.kind, m.value, m.at, m.low, m.high, m.sketch
           FROM wanted s CROSS JOIN dirty_hours d CROSS JOIN sixty CROSS JOIN minute m ON m.t = d.t + sixty.n * 60000 AND m.series = s.id"
    );
    Statement::new(sql, parameters(wanted, window, HOUR_MS))
}

fn parameters(wanted: &[Wanted<'_>], window: Window, step_ms: i64) -> [Param; 4] {
    let wanted: Vec<_> = wanted.iter().map(texts).collect();
    [Param::Int(window.from.floor(step_ms).0), Param::Int(window.to.0), json(&wanted), Param::Int(step_ms)]
}

/// A selector as texts that are in a series' labels, and those that are not: `["class","5xx"]`, `["route","/api/` for `/api/*`.
fn texts<'a>((of, instance): &Wanted<'a>) -> (&'a str, Vec<String>, Vec<String>) {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let instance = instance.iter().map(|(name, value)| (name, value.as_str(), "\"]"));
    let selected =
        of.labels.iter().map(|(name, value)| value.strip_suffix('*').map_or((name, value.as_str(), "\"]"), |start| (name, start, "")));
    for (name, value, end) in selected.chain(instance) {
        let pair = serde_json::to_string(&(name, value)).unwrap_or_default();
        let open = pair.strip_suffix("\"]").unwrap_or(&pair);
        match (value, end) {
            // A label of any value, or of none, is there or is not.
            ("", "") => {}
            ("", _) => without.push(open.strip_suffix('"').unwrap_or(open).to_owned()),
            (_, end) => with.push(format!("{open}{end}")),
        }
    }
    (&of.series, with, without)
}

/// A cell that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The place of the selector that selects it.
    pub look: usize,
    /// Its minute or hour.
    pub t: UnixMs,
    /// What it holds.
    pub cell: Cell,
}

/// The cells that were found; `None` if there may be more.
pub fn cells(result: StatementResult) -> Result<Option<Vec<Found>>, DbError> {
    if result.rows.len() >= MAX_ROWS {
        return Ok(None);
    }
    let rows = result.decode::<CellRow>("minute")?;
    let cell =
        |row: CellRow| Ok(Found { look: usize::try_from(row.series).unwrap_or(usize::MAX), t: UnixMs(row.t), cell: row.into_cell()? });
    rows.into_iter().map(cell).collect::<Result<Vec<_>, DbError>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_becomes_the_texts_of_its_labels() {
        let of = |labels: &[(&str, &str)]| Selector {
            series: "x_total".into(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let here: Map<String, String> = [("route".to_owned(), "/a \"b\"".to_owned())].into_iter().collect();
        let none = Map::new();
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        for (selector, instance, with, without) in [
            (of(&[]), &none, list(&[]), list(&[])),
            (of(&[("class", "5xx")]), &here, list(&[r#"["class","5xx"]"#, r#"["route","/a \"b\""]"#]), list(&[])),
            (of(&[("route", "/api/*"), ("any", "*")]), &none, list(&[r#"["route","/api/"#]), list(&[])),
            (of(&[("tenant", "")]), &none, list(&[]), list(&[r#"["tenant","#])),
        ] {
            assert_eq!(texts(&(&selector, instance)), ("x_total", with, without));
        }
        let sql = read_minutes(&[], Window { from: UnixMs(0), to: UnixMs(0) }).sql;
        assert!(
            sql.contains(&format!("<= {MAX_SERIES})")) && sql.ends_with(&format!("LIMIT {MAX_ROWS}")),
            "the bounds are those of the text"
        );
    }
}
