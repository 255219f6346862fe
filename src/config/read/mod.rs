//! Reads `monitoring/` for one environment and reports every mistake in one go.
//!
//! The way of a file: text → `node` (a tree with places) → `overlay` (the environment's own values) → `decode` against
//! the `shape`s of `files` → the configuration's types → `check`, whose pointers lead back to places.
//! Native only: the Worker sees the compact JSON that comes out.
//!
//! Invariant: there is a configuration exactly when there is no diagnostic.
use std::path::Path;

use super::Config;
use super::check::{self, Problem};
use super::site::Environment;
use crate::record::FromJson;
use crate::sorted::Map;

mod decode;
pub mod diagnostic;
mod files;
mod node;
mod overlay;
pub mod rule_tests;
pub mod schema;
mod shape;
#[cfg(test)]
mod tests;

use decode::Decoder;
pub use diagnostic::{Diagnostic, Paint};
pub use node::Source;
use node::{Node, Place};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The folder, or a file in it, cannot be read at all.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// What was opened.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// It can be read, and these are its mistakes, by file and line.
    #[error("{} mistakes", .0.len())]
    Mistakes(Vec<Diagnostic>),
}

/// The configuration that the folder holds for `environment`.
pub fn folder(folder: &Path, environment: Environment) -> Result<Config, ReadError> {
    sources(&load(folder)?, environment).map_err(ReadError::Mistakes)
}

/// Every file of the folder that could be meant as configuration, by name. Text that is not UTF-8 keeps U+FFFD marks,
/// which the parser then reports with their place.
pub fn load(folder: &Path) -> Result<Vec<Source>, ReadError> {
    let unreadable = |path: &Path| {
        let path = path.display().to_string();
        move |error| ReadError::Unreadable { path, error }
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let is_configuration =
            path.extension().is_some_and(|extension| ["json", "yaml", "yml", "jsonc"].iter().any(|known| extension == *known));
        if is_configuration {
            let bytes = std::fs::read(&path).map_err(unreadable(&path))?;
            found.push(Source { name: path.display().to_string(), text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The configuration that `sources` hold for `environment`, or every mistake in them.
pub fn sources(sources: &[Source], environment: Environment) -> Result<Config, Vec<Diagnostic>> {
    sources_and(sources, environment, |_| Vec::new())
}

/// The same, with what `also` finds in what could be read.
pub fn sources_and(
    sources: &[Source],
    environment: Environment,
    also: impl Fn(&Config) -> Vec<Problem>,
) -> Result<Config, Vec<Diagnostic>> {
    let mut decoder = Decoder::new(sources);
    let mut sections = Vec::new();
    let expected = || files::SHARED.iter().chain(std::iter::once(files::overlay(environment)));
    for file in expected() {
        match sources.iter().position(|source| base_name(&source.name) == file.name) {
            None => decoder.found.push(missing(file.name, sources)),
            Some(index) => {
                let tree = sources.get(index).and_then(|source| node::parse(index, source, &mut decoder.found));
                sections.extend(tree.map(|tree| (file.section, tree)));
            }
        }
    }
    decoder.found.extend(unread(sources, expected().map(|file| file.name)));
    override_values(&mut decoder, &mut sections);

    let mut object = serde_json::Map::new();
    for file in expected() {
        let pointer = format!("/{}", file.section);
        let value = if let Some((_, tree)) = sections.iter().find(|(section, _)| *section == file.section) {
            decoder.section(tree, &file.shape, &pointer)
        } else {
            decoder.lost.push(pointer);
            file.shape.placeholder()
        };
        object.insert(file.section.to_owned(), value);
    }
    if let Some(site) = object.get_mut("site").and_then(serde_json::Value::as_object_mut) {
        site.insert("environment".to_owned(), environment.as_str().into());
    }
    finish(decoder, serde_json::Value::Object(object), also)
}

fn finish(mut decoder: Decoder<'_>, value: serde_json::Value, also: impl Fn(&Config) -> Vec<Problem>) -> Result<Config, Vec<Diagnostic>> {
    let config: Option<Config> = match FromJson::from_json(value) {
        Ok(config) => Some(config),
        Err(error) => {
            let message = format!("the reader and the configuration's types disagree: {error}");
            decoder.found.push(whole_file("monitoring", message, "this is a defect of Parapet: please report it"));
            None
        }
    };
    for problem in config.iter().flat_map(|config| [check::problems(config), also(config)].concat()) {
        if decoder.lost.iter().all(|lost| !rests_on(&problem, lost)) {
            let place = decoder.narrowed(place_of(&decoder.places, &problem.pointer), &problem.part);
            decoder.complain(place, problem.what, problem.fix);
        }
    }
    decoder.found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    decoder.found.dedup();
    match config {
        Some(config) if decoder.found.is_empty() => Ok(config),
        _ => Err(decoder.found),
    }
}

/// Whether the verdict was drawn from what stands at `lost`, or inside it.
fn rests_on(problem: &Problem, lost: &str) -> bool {
    std::iter::once(&problem.pointer)
        .chain(&problem.relies_on)
        .any(|pointer| pointer.strip_prefix(lost).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Where the innermost known part of `pointer` was written.
fn place_of(places: &Map<String, Place>, pointer: &str) -> Place {
    let mut rest = pointer;
    loop {
        match (places.get(rest), rest.rfind('/')) {
            (Some(place), _) => return *place,
            (None, Some(slash)) => rest = rest.get(..slash).unwrap_or_default(),
            (None, None) => return Place::default(),
        }
    }
}

fn override_values(decoder: &mut Decoder<'_>, sections: &mut Vec<(&'static str, Node)>) {
    let Some(index) = sections.iter().position(|(section, _)| *section == "site") else { return };
    let (_, mut site) = sections.remove(index);
    if let Some(overrides) = overlay::take_overrides(&mut site) {
        for (entry, message, fix) in overlay::apply(overrides, sections) {
            decoder.complain(entry.at, message, fix);
        }
    }
    sections.push(("site", site));
}

fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn names() -> impl Iterator<Item = &'static str> {
    files::SHARED.iter().chain(&files::OVERLAYS).map(|file| file.name)
}

fn missing(name: &str, sources: &[Source]) -> Diagnostic {
    let spare = sources.iter().map(|source| base_name(&source.name)).filter(|source| names().all(|known| known != *source));
    let fix = check::nearest(name, spare)
        .map_or_else(|| "add it, or take it from the repository's history".to_owned(), |near| format!("rename `{near}`"));
    whole_file(name, "this file is missing", fix)
}

/// Files nothing reads: a key in them would do nothing. One whose name is nearly that of a missing file was reported there.
fn unread(sources: &[Source], expected: impl Iterator<Item = &'static str>) -> Vec<Diagnostic> {
    let known: Vec<&str> = names().collect();
    let absent: Vec<&str> = expected.filter(|name| sources.iter().all(|source| base_name(&source.name) != *name)).collect();
    sources
        .iter()
        .filter(|source| !known.contains(&base_name(&source.name)))
        .filter(|source| check::nearest(base_name(&source.name), known.iter().copied()).is_none_or(|near| !absent.contains(&near)))
        .map(|source| {
            let fix = check::suggest(base_name(&source.name), known.iter().copied(), "move it elsewhere, or remove it");
            whole_file(&source.name, "nothing reads this file", fix)
        })
        .collect()
}

fn whole_file(file: &str, message: impl Into<String>, fix: impl Into<String>) -> Diagnostic {
    Diagnostic { file: file.to_owned(), line: 0, column: 0, width: 1, message: message.into(), fix: fix.into(), source: String::new() }
}
