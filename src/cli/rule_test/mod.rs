//! `parapet test`: unit tests of alert rules, by the evaluator and state machine that decide live.
//!
//! The way of a file: `config::read::Document` (shape and places) → `file` (meaning; samples by `notation`) → `run` (ticks and
//! differences) → here (what is printed). A mistake in one file stops that file only; every failure of every test is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use self::file::Test;
use self::run::{Failure, Found};
use super::{ERROR, Exit, Format, validate};
use crate::alert::evaluate::zone;
use crate::config::Config;
use crate::config::read::{self, Diagnostic, Paint, ReadError, Source};
use crate::config::site::Environment;
use crate::time::MINUTE_MS;

mod file;
mod notation;
mod run;

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Test files, or folders of them [default: tests/ in the configuration's folder]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The configuration's folder [default: monitoring]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How to print the results
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What became of one file.
#[derive(Debug)]
enum Outcome {
    /// Its tests ran.
    Ran(Vec<Ran>),
    /// It has mistakes, and nothing of it ran.
    Mistakes(Vec<Diagnostic>),
}

/// One test that ran.
#[derive(Debug)]
struct Ran {
    test: Test,
    failures: Vec<Failure>,
    zone: chrono_tz::Tz,
}

pub(super) fn run(args: &Args) -> Exit {
    let folder = super::folder(args.dir.clone());
    let files = if args.files.is_empty() { vec![folder.join(FOLDER)] } else { args.files.clone() };
    let sources = match files.iter().map(|path| sources(path)).collect::<Result<Vec<_>, _>>() {
        Ok(sources) => sources.concat(),
        Err(error) => {
            anstream::eprintln!("{ERROR}: {error}\nName test files: `parapet test FILE…`.");
            return Exit::Unreadable;
        }
    };
    let configs = match configs(&folder, &sources) {
        Ok(configs) => configs,
        Err(exit) => return exit,
    };
    let ran: Vec<(String, Outcome)> = sources.iter().map(|source| (source.name.clone(), run_file(source, &configs))).collect();
    match args.format {
        Format::Text => {
            anstream::print!("{}", ran.iter().map(|(name, outcome)| text(name, outcome)).collect::<String>());
            anstream::eprintln!("{}", closing(&ran));
        }
        Format::Json => anstream::println!("{}", json(&ran)),
    }
    if ran.iter().all(|(_, outcome)| is_well(outcome)) && !ran.is_empty() { Exit::Ok } else { Exit::Findings }
}

/// Where tests are, in the configuration's folder.
const FOLDER: &str = "tests";

/// The file, or every YAML file in the folder, by name.
fn sources(path: &Path) -> Result<Vec<Source>, ReadError> {
    if path.is_dir() {
        return read::load(path);
    }
    let unreadable = |error| ReadError::Unreadable { path: path.display().to_string(), error };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Ok(vec![Source { name: path.display().to_string(), text: String::from_utf8_lossy(&bytes).into_owned() }])
}

/// The configuration of each environment that a file tests.
fn configs(folder: &Path, sources: &[Source]) -> Result<BTreeMap<&'static str, Config>, Exit> {
    let mut configs = BTreeMap::new();
    for environment in sources.iter().map(file::environment).chain([Environment::Production]) {
        if configs.contains_key(environment.as_str()) {
            continue;
        }
        let checked = validate::check(folder, &[environment]).map_err(|error| validate::unreadable(&error))?;
        let closing = validate::closing(&checked, folder);
        let Some((_, config)) = checked.valid.into_iter().next() else {
            anstream::eprintln!(
                "{closing}\nIts rules cannot be tested before: `parapet validate {}` says what is wrong.",
                folder.display()
            );
            return Err(Exit::Findings);
        };
        configs.insert(environment.as_str(), config);
    }
    Ok(configs)
}

fn run_file(source: &Source, configs: &BTreeMap<&'static str, Config>) -> Outcome {
    let Some(config) = configs.get(file::environment(source).as_str()) else { return Outcome::Mistakes(Vec::new()) };
    let zone = zone(config);
    match file::read(source, config) {
        Ok(tests) => Outcome::Ran(tests.into_iter().map(|test| Ran { failures: run::run(&test, config), test, zone }).collect()),
        Err(mistakes) => Outcome::Mistakes(mistakes),
    }
}

fn is_well(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Ran(tests) if tests.iter().all(|ran| ran.failures.is_empty()))
}

const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[32m";
const OFF: &str = "\x1b[0m";

fn text(name: &str, outcome: &Outcome) -> String {
    let tests = match outcome {
        Outcome::Mistakes(mistakes) => {
            return mistakes.iter().flat_map(|mistake| [mistake.text(Paint::Ansi), "\n".to_owned()]).collect();
        }
        Outcome::Ran(tests) => tests,
    };
    let mut lines = Vec::new();
    for ran in tests {
        let said = if ran.failures.is_empty() { format!("{GREEN}ok{OFF}    ") } else { format!("{RED}FAILED{OFF}") };
        lines.push(format!("{said}  {name}:{}  {}", ran.test.line, ran.test.name));
        for failure in &ran.failures {
            lines.push(format!(
                "        {name}:{}  at {} ({}): {} are not as expected",
                failure.line,
                since_start(failure.at_ms),
                failure.now.clock_in(ran.zone),
                failure.about
            ));
            lines.extend(rows(failure));
            lines.extend(failure.notes.iter().map(|note| format!("            {note}")));
        }
    }
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// `7m`, as the file says it.
fn since_start(ms: i64) -> String {
    match ms {
        ms if ms % MINUTE_MS == 0 => format!("{}m", ms / MINUTE_MS),
        ms => format!("{}s", ms / 1_000),
    }
}

/// The rows, their columns lined up; `-` was expected, `+` is there instead.
fn rows(failure: &Failure) -> Vec<String> {
    let widths: Vec<usize> = (0..4)
        .map(|column| {
            failure.rows.iter().filter_map(|row| row.columns.get(column)).map(|text| text.chars().count()).max().unwrap_or_default()
        })
        .collect();
    let line = |row: &run::Row| {
        let (sign, colour) = match row.found {
            Found::AsExpected => (' ', ""),
            Found::Missing => ('-', RED),
            Found::Unexpected => ('+', GREEN),
        };
        let padded = row.columns.iter().zip(&widths).filter(|(_, width)| **width > 0).map(|(text, width)| format!("{text:width$}"));
        let columns = padded.collect::<Vec<_>>().join("  ");
        let said = match row.found {
            Found::AsExpected => "         ",
            Found::Missing => "expected ",
            Found::Unexpected => "got      ",
        };
        let off = if colour.is_empty() { "" } else { OFF };
        format!("          {colour}{sign} {said} {}{off}", columns.trim_end())
    };
    failure.rows.iter().map(line).collect()
}

fn closing(ran: &[(String, Outcome)]) -> String {
    let tests = || ran.iter().filter_map(|(_, outcome)| if let Outcome::Ran(tests) = outcome { Some(tests) } else { None }).flatten();
    let (all, failed) = (tests().count(), tests().filter(|ran| !ran.failures.is_empty()).count());
    let unread = ran.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Mistakes(_))).count();
    let mut said = match (all, failed) {
        (0, _) if unread == 0 => "There is no test file there: write one, as the README shows.".to_owned(),
        (0, _) => "No test ran.".to_owned(),
        (_, 0) => format!("{all} tests passed."),
        (_, _) => format!("{failed} of {all} tests failed. `-` was expected, `+` is what the rules did."),
    };
    if unread > 0 {
        let _ = write!(said, " {unread} of {} files did not run: correct the mistakes above.", ran.len());
    }
    said
}

fn json(ran: &[(String, Outcome)]) -> serde_json::Value {
    let row = |row: &run::Row| {
        let found = match row.found {
            Found::AsExpected => "as_expected",
            Found::Missing => "missing",
            Found::Unexpected => "unexpected",
        };
        serde_json::json!({ "found": found, "what": row.columns })
    };
    let failure = |failure: &Failure| {
        let rows: Vec<_> = failure.rows.iter().map(row).collect();
        serde_json::json!({
            "line": failure.line, "at_ms": failure.at_ms, "now": failure.now.rfc3339(), "about": failure.about, "rows": rows, "notes": failure.notes,
        })
    };
    let test = |ran: &Ran| {
        let failures: Vec<_> = ran.failures.iter().map(failure).collect();
        serde_json::json!({ "name": ran.test.name, "line": ran.test.line, "passed": failures.is_empty(), "failures": failures })
    };
    let file = |(name, outcome): &(String, Outcome)| match outcome {
        Outcome::Ran(tests) => serde_json::json!({ "file": name, "tests": tests.iter().map(test).collect::<Vec<_>>() }),
        Outcome::Mistakes(mistakes) => serde_json::json!({ "file": name, "mistakes": mistakes }),
    };
    serde_json::json!({ "schema": 1, "files": ran.iter().map(file).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests;
