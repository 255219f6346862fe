//! `parapet validate`: every mistake of a configuration folder, for people, programs or GitHub.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use self::secrets::Secrets;
use super::{Environments, Exit};
use crate::config::Config;
use crate::config::check::Problem;
use crate::config::read::{self, Diagnostic, Paint, ReadError};
use crate::config::site::Environment;

mod secrets;

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder [default: monitoring]
    dir: Option<PathBuf>,
    /// The environments to check it for
    #[arg(long, value_enum, default_value = "all")]
    env: Environments,
    /// What is set there, to find receivers without their secret: a file like .dev.vars, or what `wrangler secret list` prints
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// How to print what was found
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// Workflow commands of GitHub Actions
    Github,
}

pub(super) fn run(args: Args) -> Exit {
    let folder = super::folder(args.dir);
    let secrets = match args.secrets.as_deref().map(std::fs::read_to_string).transpose() {
        Ok(text) => text.map(|text| Secrets::of(&text)),
        Err(error) => {
            anstream::eprintln!("{}: the file of secrets cannot be read: {error}", super::ERROR);
            return Exit::Unreadable;
        }
    };
    let without_secret = |config: &Config| secrets.as_ref().map(|secrets| secrets.missing(config)).unwrap_or_default();
    let checked = match check_with(&folder, &args.env.list(), without_secret) {
        Ok(checked) => checked,
        Err(error) => return unreadable(&error),
    };
    anstream::print!("{}", report(&checked, args.format));
    if args.format != Format::Json {
        anstream::eprintln!("{}", closing(&checked, &folder));
    }
    if checked.mistakes.is_empty() { Exit::Ok } else { Exit::Findings }
}

/// Says what could not be read.
pub(super) fn unreadable(error: &ReadError) -> Exit {
    anstream::eprintln!("{}: {error}\nName the folder that holds the configuration: `parapet validate DIR`.", super::ERROR);
    Exit::Unreadable
}

/// What a folder holds for some environments.
#[derive(Debug)]
pub(super) struct Checked {
    /// The environments it is valid for.
    pub(super) valid: Vec<(Environment, Config)>,
    /// Mistakes of all environments, by file and line, each once.
    pub(super) mistakes: BTreeSet<Diagnostic>,
}

/// Reads the folder once and checks it for each environment.
pub(super) fn check(folder: &Path, environments: &[Environment]) -> Result<Checked, ReadError> {
    check_with(folder, environments, |_| Vec::new())
}

/// The same, with what `also` finds.
fn check_with(folder: &Path, environments: &[Environment], also: impl Fn(&Config) -> Vec<Problem>) -> Result<Checked, ReadError> {
    let sources = read::load(folder)?;
    let mut checked = Checked { valid: Vec::new(), mistakes: BTreeSet::new() };
    for environment in environments {
        match read::sources_and(&sources, *environment, &also) {
            Ok(config) => checked.valid.push((*environment, config)),
            Err(mistakes) => checked.mistakes.extend(mistakes),
        }
    }
    Ok(checked)
}

fn report(checked: &Checked, format: Format) -> String {
    match format {
        Format::Text => lines(checked, |mistake| mistake.text(Paint::Ansi)),
        Format::Github => lines(checked, Diagnostic::github),
        Format::Json => {
            let valid: Vec<_> = checked
                .valid
                .iter()
                .map(|(environment, config)| serde_json::json!({ "environment": environment, "hash": config.hash() }))
                .collect();
            format!("{}\n", serde_json::json!({ "schema": 1, "valid": valid, "mistakes": checked.mistakes }))
        }
    }
}

fn lines(checked: &Checked, print: impl Fn(&Diagnostic) -> String) -> String {
    checked.mistakes.iter().flat_map(|mistake| [print(mistake), "\n".to_owned()]).collect()
}

/// The last line, and what to do next.
pub(super) fn closing(checked: &Checked, folder: &Path) -> String {
    match checked.mistakes.len() {
        0 => {
            let valid: Vec<String> = checked
                .valid
                .iter()
                .map(|(environment, config)| format!("{} ({})", environment.as_str(), config.hash().get(..12).unwrap_or_default()))
                .collect();
            format!("{} is valid for {}.\nMake it the running configuration: `parapet apply --to URL`.", folder.display(), valid.join(", "))
        }
        1 => format!("1 mistake in {}. Fix it as said above and run `parapet validate` again.", folder.display()),
        many => format!("{many} mistakes in {}. Fix them as said above and run `parapet validate` again.", folder.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(super::super::FOLDER)
    }

    fn broken() -> (tempfile::TempDir, Checked) {
        let dir = tempfile::tempdir().unwrap();
        for source in read::load(&folder()).unwrap() {
            let name = Path::new(&source.name).file_name().unwrap().to_owned();
            std::fs::write(
                dir.path().join(name),
                source.text.replace("\"requests\": 3,", "\"requests\": 300,").replace("\"ZAR\"", "\"rand\""),
            )
            .unwrap();
        }
        let checked = check(dir.path(), &Environment::ALL).unwrap();
        (dir, checked)
    }

    #[test]
    fn a_mistake_in_a_shared_file_is_told_once_for_all_environments() {
        let (_dir, checked) = broken();
        assert_eq!(checked.mistakes.len(), 4, "one shared, one in each overlay: {:#?}", checked.mistakes);
        assert!(checked.valid.is_empty());
        assert_eq!(report(&checked, Format::Github).lines().filter(|line| line.starts_with("::error file=")).count(), 4);
        assert!(closing(&checked, Path::new("m")).starts_with("4 mistakes in m."));
    }

    #[test]
    fn programs_get_one_versioned_document() {
        let json: serde_json::Value = serde_json::from_str(&report(&broken().1, Format::Json)).unwrap();
        assert_eq!(json["schema"], 1);
        let shared = json["mistakes"].as_array().unwrap().iter().find(|mistake| mistake["message"] == "300 is out of range").unwrap();
        assert_eq!(shared["fix"], "use a number from 1 to 64");
        assert!(shared["line"].as_u64().unwrap() > 1);
    }

    #[test]
    fn a_valid_folder_names_its_hashes_and_the_next_step() {
        let checked = check(&folder(), &Environment::ALL).unwrap();
        assert_eq!((checked.valid.len(), checked.mistakes.len()), (3, 0));
        let closing = closing(&checked, Path::new("monitoring"));
        assert!(closing.contains(checked.valid[0].1.hash().get(..12).unwrap()) && closing.contains("parapet apply --to URL"), "{closing}");
        assert_eq!(report(&checked, Format::Text), "");
    }
}
