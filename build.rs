//! Reads and checks `monitoring/` while building, so that a mistake there is a compile error with file, line, column and
//! fix, and hands the Worker one compact JSON text for each environment.
//!
//! The reader is the crate's own, by path. What it names of the crate comes along.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

// Each of these is linted where it belongs, in the library; here much of it is unused and nothing is exported.
#[path = "src/config/mod.rs"]
#[allow(dead_code, unreachable_pub, unfulfilled_lint_expectations, clippy::all, clippy::pedantic, reason = "linted in the library")]
mod config;
#[path = "src/ids.rs"]
#[allow(dead_code, unreachable_pub, clippy::all, clippy::pedantic, reason = "linted in the library")]
mod ids;
#[path = "src/order.rs"]
#[allow(dead_code, unreachable_pub, clippy::all, clippy::pedantic, reason = "linted in the library")]
mod order;
#[path = "src/record.rs"]
#[allow(dead_code, unreachable_pub, unfulfilled_lint_expectations, clippy::all, clippy::pedantic, reason = "linted in the library")]
mod record;
#[path = "src/sorted.rs"]
#[allow(dead_code, unreachable_pub, unfulfilled_lint_expectations, clippy::all, clippy::pedantic, reason = "linted in the library")]
mod sorted;
#[path = "src/alert"]
mod alert {
    #[allow(dead_code, unreachable_pub, unfulfilled_lint_expectations, clippy::all, clippy::pedantic, reason = "linted in the library")]
    pub mod matcher;
}
#[path = "src/telemetry"]
mod telemetry {
    #[allow(dead_code, unreachable_pub, unfulfilled_lint_expectations, clippy::all, clippy::pedantic, reason = "linted in the library")]
    pub mod series;
}

use config::read::{self, Paint, ReadError};
use config::site::Environment;

const FOLDER: &str = "monitoring";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={FOLDER}");
    let Some(out) = std::env::var_os("OUT_DIR") else { return ExitCode::FAILURE };
    let sources = match read::load(Path::new(FOLDER)) {
        Ok(sources) => sources,
        Err(ReadError::Unreadable { path, error }) => return fail(&format!("cannot read {path}: {error}")),
        Err(ReadError::Mistakes(_)) => return ExitCode::FAILURE,
    };
    let mut mistakes = BTreeSet::new();
    for environment in Environment::ALL {
        match read::sources(&sources, environment) {
            Ok(config) => {
                let path = Path::new(&out).join(environment.as_str()).with_extension("json");
                if let Err(error) = std::fs::write(&path, config.to_json()) {
                    return fail(&format!("cannot write {}: {error}", path.display()));
                }
            }
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() {
        return ExitCode::SUCCESS;
    }
    for mistake in &mistakes {
        eprintln!("{}", mistake.text(Paint::Plain));
    }
    let count = if mistakes.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", mistakes.len()) };
    fail(&format!("{count} in {FOLDER}/, with line and fix under `--- stderr`"))
}

fn fail(message: &str) -> ExitCode {
    println!("cargo::error={message}");
    ExitCode::FAILURE
}
