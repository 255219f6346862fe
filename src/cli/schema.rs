//! `parapet schema`: writes the JSON Schemas that editors use, from the shapes the reader uses.

use std::path::PathBuf;

use super::Exit;
use crate::config::read::schema;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to write to
    #[arg(default_value = "schema")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args) -> Exit {
    let write = || {
        std::fs::create_dir_all(&args.dir)?;
        schema::all().iter().try_for_each(|(name, text)| std::fs::write(args.dir.join(name), text))
    };
    match write() {
        Ok(()) => {
            anstream::eprintln!("{} schemas written to {}", schema::all().len(), args.dir.display());
            Exit::Ok
        }
        Err(error) => {
            anstream::eprintln!("error: cannot write to {}: {error}", args.dir.display());
            Exit::Unreadable
        }
    }
}
