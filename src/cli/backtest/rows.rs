//! Minute rows from files, one at a time: nothing of a file is kept beyond the row at hand.
//!
//! A file is what `wrangler d1 execute --json` prints (`[{"results": [row, …]}]`) or one row a line, plain or gzipped. A row is
//! `{"t", "kind", "name", "labels", "value", "at", "low", "high", "sketch"}` as the table `minute` and its `series` have them, `labels` as
//! a text that holds a JSON list of pairs, `sketch` in hex. Rows come in order of time, also from file to file.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::storage::series::exported;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::SeriesKey;
use crate::time::UnixMs;

/// A minute of one series and shard.
pub(super) type Row = (UnixMs, SeriesKey, Cell);

/// Why a file is no history.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRows {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("{path}: {error}; expected rows of `minute`, as the command that `parapet backtest` without files prints gives them")]
    Shape { path: String, error: serde_json::Error },
    #[error("{path}:{line}: {error}; expected one row of `minute`, as JSON")]
    Line { path: String, line: usize, error: serde_json::Error },
}

/// What files of a folder end in to be meant.
const ENDS: [&str; 4] = ["json", "jsonl", "ndjson", "gz"];

/// The files that are meant, those of a folder by name.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, BadRows> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = |error| BadRows::Unreadable { path: path.display().to_string(), error };
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(unreadable)?.map(|entry| entry.map(|entry| entry.path()));
            let mut found: Vec<PathBuf> = entries.collect::<Result<_, _>>().map_err(unreadable)?;
            found.retain(|path| path.is_file() && path.extension().is_some_and(|end| ENDS.iter().any(|known| end == *known)));
            found.sort();
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// Gives every row of the file to `take`; what it refuses stops the reading.
pub(super) fn read(path: &Path, take: &mut dyn FnMut(Row) -> Result<(), String>) -> Result<(), BadRows> {
    let name = || path.display().to_string();
    let unreadable = |error| BadRows::Unreadable { path: name(), error };
    let mut raw = BufReader::new(File::open(path).map_err(unreadable)?);
    let is_gzipped = raw.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
    let mut lines: Box<dyn BufRead> =
        if is_gzipped { Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(raw))) } else { Box::new(raw) };
    let is_document = lines.fill_buf().map_err(unreadable)?.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if is_document {
        let mut reader = serde_json::Deserializer::from_reader(lines);
        let shape = |error| BadRows::Shape { path: name(), error };
        reader.deserialize_seq(Answers { take }).map_err(shape)?;
        return reader.end().map_err(shape);
    }
    for (line, text) in (1..).zip(lines.lines()) {
        let text = text.map_err(unreadable)?;
        if !text.trim().is_empty() {
            let row = serde_json::from_str(&text).and_then(|value| give(value, take));
            row.map_err(|error| BadRows::Line { path: name(), line, error })?;
        }
    }
    Ok(())
}

fn give<E: serde::de::Error>(value: serde_json::Value, take: &mut dyn FnMut(Row) -> Result<(), String>) -> Result<(), E> {
    exported(value).map_err(E::custom).and_then(|row| take(row).map_err(E::custom))
}

/// The list of answers, one for each statement.
struct Answers<'t> {
    take: &'t mut dyn FnMut(Row) -> Result<(), String>,
}

impl<'de> Visitor<'de> for Answers<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of answers with `results`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut answers: A) -> Result<(), A::Error> {
        while answers.next_element_seed(Answer { take: &mut *self.take })?.is_some() {}
        Ok(())
    }
}

/// One answer: its `results` are rows, the rest is about them.
struct Answer<'t> {
    take: &'t mut dyn FnMut(Row) -> Result<(), String>,
}

impl<'de> DeserializeSeed<'de> for Answer<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Answer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an answer with `results`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut answer: A) -> Result<(), A::Error> {
        let mut has_results = false;
        while let Some(key) = answer.next_key::<String>()? {
            if key == "results" {
                has_results = true;
                answer.next_value_seed(Results { take: &mut *self.take })?;
            } else {
                answer.next_value::<IgnoredAny>()?;
            }
        }
        if has_results { Ok(()) } else { Err(A::Error::custom("an answer without `results`")) }
    }
}

/// The rows of one answer.
struct Results<'t> {
    take: &'t mut dyn FnMut(Row) -> Result<(), String>,
}

impl<'de> DeserializeSeed<'de> for Results<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Results<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<serde_json::Value>()? {
            give(row, self.take)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
