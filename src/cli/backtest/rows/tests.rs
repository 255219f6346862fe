//! Stored history as files: exported, one row a line, gzipped, or none of these.

use std::io::Write as _;

use super::*;
use crate::ports::Db as _;
use crate::storage::Statement;
use crate::storage::series::{self, Slice, export_sql};
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::telemetry::series::Kind;
use crate::time::{MINUTE_MS, Window};

const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn key(kind: Kind, name: &str) -> SeriesKey {
    SeriesKey::new(kind, name, vec![("a".into(), "it's \"1\"".into())])
}

fn written(text: &[u8], name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn all(path: &Path) -> Result<Vec<Row>, BadRows> {
    let mut rows = Vec::new();
    read(path, &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// Rows as the command gives them: the real tables, the very SQL, wrangler's wrapping.
fn exported_rows() -> (Vec<serde_json::Value>, Vec<Row>) {
    let db = Sqlite::new();
    let mut values = Cell::single(Kind::Distribution, 0.25, 7);
    values.merge(&Cell::single(Kind::Distribution, 3.0, 8));
    let cells = |n: i64| {
        vec![
            (key(Kind::Counter, "a_total"), Cell::single(Kind::Counter, 1.5 + n as f64, 0)),
            (key(Kind::Distribution, "d_seconds"), values.clone()),
            (key(Kind::Gauge, "g'auge"), Cell::single(Kind::Gauge, -2.0, NOON.0 + 7)),
            (key(Kind::Counter, "not_asked_for_total"), Cell::count(1)),
        ]
    };
    let slices: Vec<Slice> = (0..3).map(|n| Slice { t: NOON.plus(n * MINUTE_MS), cells: cells(n) }).collect();
    now_or_never(db.batch(series::write_minutes(0, &slices))).unwrap();
    let window = Window { from: NOON, to: NOON.plus(2 * MINUTE_MS) };
    let sql: &'static str = Box::leak(export_sql("minute", &["a_total", "d_seconds", "g'auge"], window).into_boxed_str());
    let rows = now_or_never(db.batch(vec![Statement::new(sql, [])])).unwrap().remove(0).rows;
    let asked = |t: UnixMs, n: i64| cells(n).into_iter().take(3).map(move |(key, cell)| (t, key, cell));
    (rows, asked(NOON, 0).chain(asked(NOON.plus(MINUTE_MS), 1)).collect())
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    rows
}

#[test]
fn what_the_printed_command_exports_reads_as_what_was_stored() {
    let (rows, stored) = exported_rows();
    let meta = serde_json::json!({ "served_by": "v3-prod", "duration": 1.5, "rows_read": 9 });
    let document = serde_json::json!([{ "results": rows, "success": true, "meta": meta }]);
    let (_dir, path) = written(serde_json::to_string_pretty(&document).unwrap().as_bytes(), "day.json");
    assert_eq!(sorted(all(&path).unwrap()), sorted(stored));
}

#[test]
fn one_row_a_line_reads_too_and_so_does_gzip() {
    let (rows, stored) = exported_rows();
    let lines = rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n\n";
    let (_dir, path) = written(lines.as_bytes(), "day.jsonl");
    assert_eq!(sorted(all(&path).unwrap()), sorted(stored.clone()));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    let (_dir, path) = written(&gzip.finish().unwrap(), "day.jsonl.gz");
    assert_eq!(sorted(all(&path).unwrap()), sorted(stored));
}

#[test]
fn what_is_no_history_says_where_and_what_is_expected() {
    for (text, said) in [
        ("[{\"results\": [{\"t\": 1}]}]", "at line 1 column 23; expected rows of `minute`"),
        ("[{\"success\": false}]", "an answer without `results`"),
        ("[1]", "expected an answer with `results`"),
        ("[{\"results\": []}] x", "trailing characters at line 1 column 19"),
        ("\n{\"t\": 1}\n", "day.json:2: a row of minute does not read as expected: /: the key `name` is missing"),
        ("timestamp,value\n", "day.json:1: expected"),
    ] {
        let (_dir, path) = written(text.as_bytes(), "day.json");
        let error = all(&path).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    assert!(all(Path::new("no-such-file")).unwrap_err().to_string().starts_with("cannot read no-such-file"));
}

#[test]
fn the_files_of_a_folder_come_by_name_and_others_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["2026-03-02.json", "2026-03-01.json.gz", "README.md", "2026-03-03.jsonl"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    std::fs::create_dir(dir.path().join("old.json")).unwrap();
    let found = files(&[dir.path().to_owned(), "else.txt".into()]).unwrap();
    let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["2026-03-01.json.gz", "2026-03-02.json", "2026-03-03.jsonl", "else.txt"]);
}
