//! The command line `parapet`: what a person or a pipeline does to a deployment from outside.
//!
//! Results go to stdout, messages and progress to stderr; colours and the progress bar only to a terminal that wants them
//! (`NO_COLOR`, `TERM=dumb`). Secrets come from the environment, never from flags. The exit codes are a contract, see [`Exit`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::site::Environment;

mod anomaly;
mod apply;
mod backtest;
mod explain;
mod replay;
mod report;
mod routes;
mod rule_test;
mod schema;
mod validate;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// It ran and found something: mistakes in the configuration, tests or requests that failed.
    Findings,
    /// The command line makes no sense; nothing was done.
    Usage,
    /// A file could not be read or written.
    Unreadable,
    /// The deployment did not answer, or refused.
    Remote,
}

impl Exit {
    /// Every ending, in the order of the codes.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Findings, Self::Usage, Self::Unreadable, Self::Remote];

    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Unreadable => 3,
            Self::Remote => 4,
        }
    }
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

const EXAMPLES: &str = "\x1b[1mExamples:\x1b[0m
  parapet validate                                   check monitoring/ for every environment
  parapet validate --env production --secrets set.json
                                                     and that every channel has its secret (`wrangler secret list > set.json`)
  parapet test                                       run monitoring/tests/ against the rules
  parapet backtest --from 2026-03-01 --to 2026-03-08 --dir changed --against monitoring history/
                                                     what changed rules would have done differently
  parapet apply --to https://ops.example.com         make monitoring/ the running configuration
  parapet apply --to https://ops.example.com --version 3
                                                     roll back to version 3
  parapet replay --to http://localhost:8787 access.log.gz
                                                     drive a log through a running Parapet
  parapet explain latency-p95 --to https://ops.example.com
                                                     say why a rule fires, or does not
  parapet report --to https://ops.example.com        say which rules were worth their noise last week
  parapet routes --rule error-rate-critical          say who would be told of its alert
  parapet anomaly bookings.csv                       score every point of a series";

const CODES: &str = "\x1b[1mExit codes:\x1b[0m
  0 all is well, 1 something was found, 2 usage, 3 a file cannot be read, 4 the deployment failed or refused";

/// Monitoring and alerting at the edge.
#[derive(Debug, Parser)]
#[command(name = "parapet", version, about, before_long_help = EXAMPLES, after_help = CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a configuration folder and report every mistake at once
    Validate(validate::Args),
    /// Make a folder, or an earlier version, the running configuration of a deployment
    Apply(apply::Args),
    /// Drive access logs through a running Parapet (development only)
    Replay(replay::Args),
    /// Test the alert rules: samples in, expected alerts and messages out
    Test(rule_test::Args),
    /// Say what the alert rules would have done on stored history, or what changed rules would do differently
    Backtest(backtest::Args),
    /// Score every point of a series with the detector of the `anomaly` rules
    Anomaly(anomaly::Args),
    /// Say what a deployment makes of one rule at this moment, and why
    Explain(explain::Args),
    /// Say which rules of a deployment were worth their noise, and who bore it
    Report(report::Args),
    /// Say who would be told of an alert, route by route
    Routes(routes::Args),
    /// Write the JSON Schemas of the configuration files, for editors
    Schema(schema::Args),
}

/// Which environments a command means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Environments {
    Dev,
    Staging,
    Production,
    All,
}

impl Environments {
    fn list(self) -> Vec<Environment> {
        match self {
            Self::Dev => vec![Environment::Dev],
            Self::Staging => vec![Environment::Staging],
            Self::Production => vec![Environment::Production],
            Self::All => Environment::ALL.to_vec(),
        }
    }
}

/// Where the configuration is unless a command says otherwise.
const FOLDER: &str = "monitoring";

fn folder(given: Option<PathBuf>) -> PathBuf {
    given.unwrap_or_else(|| PathBuf::from(FOLDER))
}

/// What a message starts with.
const ERROR: &str = "\x1b[1;31merror\x1b[0m";

/// The monotonic clock: the command line times real requests, and nothing of it runs in the core.
#[expect(clippy::disallowed_methods, reason = "the command line is an entry point of its own")]
fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

/// Runs the command that `args` (program name first) spell.
pub fn run(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let exit = match Cli::try_parse_from(args) {
        Ok(cli) => match cli.command {
            Command::Validate(args) => validate::run(args),
            Command::Apply(args) => apply::run(&args),
            Command::Replay(args) => replay::run(&args),
            Command::Test(args) => rule_test::run(&args),
            Command::Backtest(args) => backtest::run(&args),
            Command::Anomaly(args) => anomaly::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Routes(args) => routes::run(&args),
            Command::Schema(args) => schema::run(&args),
        },
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            // A closed pipe leaves nobody to tell.
            let _ = error.print();
            exit
        }
    };
    ExitCode::from(exit.code())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let codes: Vec<u8> = Exit::ALL.into_iter().map(Exit::code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4]);
        assert!(codes.iter().all(|code| CODES.contains(&format!("{code} "))));
    }

    #[test]
    fn a_mistyped_command_gets_a_suggestion() {
        let error = Cli::try_parse_from(["parapet", "valdate"]).unwrap_err().to_string();
        assert!(error.contains("'validate'"), "{error}");
    }

    #[test]
    fn no_flag_takes_a_secret() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_arguments().all(|arg| !arg.get_id().as_str().contains("token")), "{}", command.get_name());
        }
    }
}
