//! `parapet anomaly`: a score for every point of a series, by the detector that judges busy series in a deployment.
//!
//! A file is CSV with the header `timestamp,value`, oldest row first. Timestamps are `YYYY-MM-DD HH:MM:SS` (UTC), RFC 3339, or seconds since
//! 1970. What is printed is CSV too: `timestamp,value,score,alarm`, the first two as they were read. A series is
//! never guessed: a row that cannot be read ends the command, with the file, the line and what to do.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime};

use super::{ERROR, Exit};
use crate::alert::anomaly::high_count::{Detector, Outcome};
use crate::time::{SECOND_MS, UnixMs};

/// Arguments of `anomaly`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CSV files with the header `timestamp,value`; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

const HEADER: &str = "timestamp,value";

/// Why a file is not a series.
#[derive(Debug, thiserror::Error)]
enum BadSeries {
    #[error("the header is {found:?}; write `{HEADER}` as the first line")]
    Header { found: String },
    #[error("{found:?} is not two columns; write one timestamp, a comma and one value")]
    Columns { found: String },
    #[error("{found:?} is not a time; write 2026-03-01 14:05:00 (UTC), 2026-03-01T14:05:00+02:00, or seconds since 1970")]
    Time { found: String },
    #[error("{found:?} is not a number; write one such as 12.5, or leave the row out")]
    Value { found: String },
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// What ended the command early.
#[derive(Debug)]
enum Stop {
    /// At a line (from 1).
    Bad { line: u64, why: BadSeries },
    /// Nobody reads what is printed any more.
    Closed,
}

pub(super) fn run(args: &Args) -> Exit {
    let mut out = BufWriter::new(io::stdout().lock());
    for path in &args.files {
        let judged = match open(path) {
            Ok(lines) => caption(args, path, &mut out).and_then(|()| judge(lines, &mut out)),
            Err(error) => {
                anstream::eprintln!("{ERROR}: cannot read {}: {error}", path.display());
                return Exit::Unreadable;
            }
        };
        match judged {
            Ok(()) => {}
            Err(Stop::Closed) => return Exit::Ok,
            Err(Stop::Bad { line, why }) => {
                // What was judged comes before what is wrong; if nobody reads it, the message still counts.
                let _ = out.flush();
                anstream::eprintln!("{ERROR}: {}:{line}: {why}", path.display());
                return Exit::Unreadable;
            }
        }
    }
    let _ = out.flush(); // a closed pipe leaves nobody to tell
    Exit::Ok
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path.as_os_str() == "-" { Ok(Box::new(BufReader::new(io::stdin()))) } else { Ok(Box::new(BufReader::new(File::open(path)?))) }
}

/// Says whose points follow, where there are several files.
fn caption(args: &Args, path: &Path, out: &mut impl Write) -> Result<(), Stop> {
    if args.files.len() < 2 {
        return Ok(());
    }
    writeln!(out, "# {}", path.display()).map_err(|_| Stop::Closed)
}

/// Judges one series, row by row.
fn judge(lines: impl BufRead, out: &mut impl Write) -> Result<(), Stop> {
    let mut detector = Detector::default();
    let mut titled = false;
    for (line, text) in (1..).zip(lines.lines()) {
        let bad = |why| Stop::Bad { line, why };
        let text = text.map_err(|error| bad(error.into()))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if !titled {
            if text.replace([' ', '"'], "") != HEADER {
                return Err(bad(BadSeries::Header { found: shown(text) }));
            }
            titled = true;
            writeln!(out, "{HEADER},score,alarm").map_err(|_| Stop::Closed)?;
        } else if !text.is_empty() {
            let (timestamp, value) = columns(text).map_err(bad)?;
            let judged = detector.observe(moment(timestamp).map_err(bad)?, number(value).map_err(bad)?);
            let alarm = u8::from(judged.outcome == Outcome::Alarm);
            writeln!(out, "{timestamp},{value},{:.6},{alarm}", judged.score).map_err(|_| Stop::Closed)?;
        }
    }
    if titled { Ok(()) } else { Err(Stop::Bad { line: 1, why: BadSeries::Header { found: String::new() } }) }
}

fn columns(text: &str) -> Result<(&str, &str), BadSeries> {
    match text.split_once(',') {
        Some((timestamp, value)) if !value.contains(',') => Ok((timestamp.trim(), value.trim())),
        _ => Err(BadSeries::Columns { found: shown(text) }),
    }
}

fn moment(text: &str) -> Result<UnixMs, BadSeries> {
    let seconds = || text.parse::<i64>().ok().map(|seconds| UnixMs(seconds.saturating_mul(SECOND_MS)));
    let civil = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok().map(|at| UnixMs(at.and_utc().timestamp_millis()));
    let rfc3339 = || DateTime::parse_from_rfc3339(text).ok().map(|at| UnixMs(at.timestamp_millis()));
    civil().or_else(rfc3339).or_else(seconds).ok_or_else(|| BadSeries::Time { found: shown(text) })
}

fn number(text: &str) -> Result<f64, BadSeries> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| BadSeries::Value { found: shown(text) })
}

/// A file's text in a message: short; `{:?}` escapes what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
