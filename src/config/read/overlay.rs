//! An environment's own values: its site section, and `overrides` of single values of the shared files.
//!
//! An override names the section, the keys and, in a list, the entry's id: `"security.limits.login.mode": "shadow"`. It
//! replaces what is there and never adds, so the shared file always shows every key an environment can differ in. The
//! value that replaces keeps its own place, so a mistake in it is reported where it was written.

use super::files::OVERRIDES;
use super::node::{Entry, Node, Value};
use crate::config::check;

/// A mistake in an override: at the entry, what, fix.
pub(super) type Misfit = (Entry, String, String);

/// Takes `overrides` out of an overlay's tree.
pub(super) fn take_overrides(overlay: &mut Node) -> Option<Entry> {
    let Value::Map(entries) = &mut overlay.value else { return None };
    let index = entries.iter().position(|entry| entry.key == OVERRIDES)?;
    Some(entries.remove(index))
}

/// Puts every override into the trees of the sections.
pub(super) fn apply(overrides: Entry, sections: &mut [(&'static str, Node)]) -> Vec<Misfit> {
    let Value::Map(entries) = overrides.node.value.clone() else {
        return vec![(overrides, "expected a map of keys".into(), "write `\"section.key\": value`".into())];
    };
    entries.into_iter().filter_map(|entry| replace(&entry, sections).err().map(|(what, fix)| (entry, what, fix))).collect()
}

fn replace(entry: &Entry, sections: &mut [(&'static str, Node)]) -> Result<(), (String, String)> {
    let mut parts = entry.key.split('.');
    let first = parts.next().unwrap_or_default();
    let names: Vec<&str> = sections.iter().map(|(section, _)| *section).collect();
    let Some((_, mut node)) = sections.iter_mut().find(|(section, _)| *section == first).map(|(section, node)| (section, node)) else {
        let fix = check::suggest(first, names.iter().copied(), &format!("start with one of: {}", names.join(", ")));
        return Err((format!("there is no section `{first}`"), fix));
    };
    for part in parts {
        let known = steps(node);
        let Some(index) = known.iter().position(|step| step == part) else {
            let fix = check::suggest(part, known.iter().map(String::as_str), "an override replaces a value that its shared file has");
            return Err((format!("`{}` leads to nothing: there is no `{part}`", entry.key), fix));
        };
        node = match &mut node.value {
            Value::Map(entries) => match entries.get_mut(index) {
                Some(entry) => &mut entry.node,
                None => return Ok(()),
            },
            Value::List(items) => match items.get_mut(index) {
                Some(item) => item,
                None => return Ok(()),
            },
            Value::Scalar { .. } => return Ok(()),
        };
    }
    *node = entry.node.clone();
    Ok(())
}

/// What the next part of a path may be: the keys of a map, the ids of a list's entries.
fn steps(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Map(entries) => entries.iter().map(|entry| entry.key.clone()).collect(),
        Value::List(items) => items.iter().map(|item| id(item).unwrap_or_default()).collect(),
        Value::Scalar { .. } => Vec::new(),
    }
}

fn id(item: &Node) -> Option<String> {
    let Value::Map(entries) = &item.value else { return None };
    match &entries.iter().find(|entry| entry.key == "id")?.node.value {
        Value::Scalar { text, .. } => Some(text.clone()),
        _ => None,
    }
}
