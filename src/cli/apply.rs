//! `parapet apply`: a checked folder, or an earlier version, becomes the running configuration of a deployment.
//!
//! The token comes from `PARAPET_TOKEN` only and is never sent in clear: beyond loopback the address must be https. The
//! folder is read for the environment the deployment says it is, so production's overlay cannot land on staging.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;

use super::{ERROR, Exit, validate};
use crate::config::read::Paint;
use crate::config::site::Environment;

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address of the console; the token is read from PARAPET_TOKEN
    #[arg(long, value_name = "URL", value_parser = console)]
    to: String,
    /// The folder [default: monitoring]
    #[arg(long, value_name = "DIR", conflicts_with = "version")]
    dir: Option<PathBuf>,
    /// The environment to read it for [default: what the deployment says it is]
    #[arg(long, value_enum, conflicts_with = "version")]
    env: Option<One>,
    /// Why; kept with the version
    #[arg(long, default_value = "", hide_default_value = true, conflicts_with = "version")]
    note: String,
    /// Go back to this version instead; 0 is the one that was built in
    #[arg(long, value_name = "N")]
    version: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum One {
    Dev,
    Staging,
    Production,
}

impl From<One> for Environment {
    fn from(one: One) -> Self {
        match one {
            One::Dev => Self::Dev,
            One::Staging => Self::Staging,
            One::Production => Self::Production,
        }
    }
}

/// A console's address without a slash at the end, if a token may be sent there.
pub(super) fn console(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    let host = |rest: &str| rest.split(['/', ':']).next().unwrap_or_default().to_owned();
    match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) if !host(rest).is_empty() => Ok(url.to_owned()),
        (_, Some(rest))
            if ["localhost", "127.0.0.1", "[::1]"]
                .iter()
                .any(|local| rest.starts_with(local) && (*local == "[::1]" || host(rest) == *local)) =>
        {
            Ok(url.to_owned())
        }
        (_, Some(_)) => Err("use https: the token would travel in clear".to_owned()),
        _ => Err("write an address such as https://ops.example.com".to_owned()),
    }
}

/// Why a deployment did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(
        "PARAPET_TOKEN is not set.\nPut an admin's token (or the deployment's BOOTSTRAP_TOKEN) into the environment; there is no flag for it."
    )]
    NoToken,
    #[error("{url} cannot be reached: {error}\nIs the address that of the console, and is the deployment up?")]
    Unreachable { url: String, error: String },
    #[error("{url} refused with {status}: {detail}{errors}")]
    Refused { url: String, status: u16, detail: String, errors: String },
    #[error("{url} does not answer like Parapet: {error}\nIs the address that of the console?")]
    Strange { url: String, error: String },
    #[error("{0}")]
    Unreadable(#[from] crate::config::read::ReadError),
    #[error("{0}")]
    Mistakes(String),
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::NoToken => Exit::Usage,
            Self::Unreadable(_) => Exit::Unreadable,
            Self::Mistakes(_) => Exit::Findings,
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Strange { .. } => Exit::Remote,
        }
    }
}

/// The token of the environment.
pub(super) fn token() -> Option<String> {
    std::env::var("PARAPET_TOKEN").ok().filter(|token| !token.trim().is_empty())
}

pub(super) fn run(args: &Args) -> Exit {
    match apply(args, token()) {
        Ok(done) => {
            anstream::println!("version {} ({})", done.applied.version, done.applied.hash);
            anstream::eprintln!("{}", done.closing(&args.to));
            Exit::Ok
        }
        Err(failure) => {
            anstream::eprintln!("{ERROR}: {failure}");
            failure.exit()
        }
    }
}

/// What was there, and what is now.
#[derive(Debug)]
struct Done {
    before: Current,
    applied: Applied,
}

impl Done {
    fn closing(&self, to: &str) -> String {
        let version = self.applied.version;
        match (self.applied.changed, self.before.version) {
            (false, _) => format!("Version {version} was active already; nothing changed."),
            (true, before) => format!(
                "Version {version} is active in {}; isolates follow within seconds of traffic.\nGo back with `parapet apply --to {to} --version {before}`.",
                self.before.environment.as_str()
            ),
        }
    }
}

/// What `GET /api/v1/config` says, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Current {
    environment: Environment,
    version: i64,
}

/// What a change answers.
#[derive(Debug, Deserialize)]
struct Applied {
    version: i64,
    hash: String,
    changed: bool,
}

fn apply(args: &Args, token: Option<String>) -> Result<Done, Failure> {
    let remote = Remote::new(&args.to, &token.ok_or(Failure::NoToken)?);
    let before: Current = remote.get("/api/v1/config")?;
    if let Some(version) = args.version {
        let applied = remote.post("/api/v1/config/activate", &serde_json::json!({ "version": version }))?;
        return Ok(Done { before, applied });
    }
    let environment = args.env.map_or(before.environment, Environment::from);
    let folder = super::folder(args.dir.clone());
    let mut checked = validate::check(&folder, &[environment])?;
    if !checked.mistakes.is_empty() {
        let printed: Vec<String> = checked.mistakes.iter().map(|mistake| mistake.text(Paint::Ansi)).collect();
        return Err(Failure::Mistakes(format!("nothing was sent\n\n{}\n{}", printed.join("\n"), validate::closing(&checked, &folder))));
    }
    let config = checked.valid.pop().map(|(_, config)| config);
    let applied = remote.post("/api/v1/config", &serde_json::json!({ "config": config, "note": args.note }))?;
    Ok(Done { before, applied })
}

/// A deployment's API, as its owner sees it.
pub(super) struct Remote {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

impl Remote {
    pub(super) fn new(url: &str, token: &str) -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30))).http_status_as_error(false).max_redirects(0);
        Self { agent: config.build().into(), url: url.to_owned(), authorization: format!("Bearer {}", token.trim()) }
    }

    pub(super) fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.agent.get(format!("{}{path}", self.url)).header("authorization", &self.authorization).call())
    }

    fn post<T: serde::de::DeserializeOwned>(&self, path: &str, body: &serde_json::Value) -> Result<T, Failure> {
        let request = self.agent.post(format!("{}{path}", self.url)).header("authorization", &self.authorization);
        self.read(request.header("content-type", "application/json").send(body.to_string()))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<T, Failure> {
        let url = || self.url.clone();
        let mut answer = answer.map_err(|error| Failure::Unreachable { url: url(), error: error.to_string() })?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_to_string().map_err(|error| Failure::Unreachable { url: url(), error: error.to_string() })?;
        if (200..300).contains(&status) {
            return serde_json::from_str(&body).map_err(|error| Failure::Strange { url: url(), error: error.to_string() });
        }
        Err(match serde_json::from_str::<Refusal>(&body) {
            Ok(refusal) => {
                let errors = refusal.errors.iter().flat_map(|error| ["\n  ", &error.pointer, ": ", &error.detail]).collect();
                Failure::Refused { url: url(), status, detail: refusal.detail, errors }
            }
            Err(_) => Failure::Strange { url: url(), error: format!("status {status} without a problem document") },
        })
    }
}

/// A problem document, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Refusal {
    detail: String,
    #[serde(default)]
    errors: Vec<Wrong>,
}

#[derive(Debug, Deserialize)]
struct Wrong {
    pointer: String,
    detail: String,
}

#[cfg(test)]
mod tests;
