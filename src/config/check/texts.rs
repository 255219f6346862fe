//! Checks of a rule's texts: every template names something its alerts have, every annotation has a name of its own.

use super::{Findings, suggest};
use crate::config::alerting::Rule;
use crate::config::template::{LABEL, NAMES, Piece, pieces};

/// Annotations of one rule: each is in every message, and a webhook's body holds them twice.
const MAX_ANNOTATIONS: usize = 5;
/// Longest template, in characters.
const MAX_TEMPLATE_CHARS: usize = 500;
/// What every message says of itself.
const GIVEN: [&str; 11] =
    ["title", "summary", "value", "threshold", "normal", "trend", "deploy", "contributors", "owner", "dashboard_url", "runbook_url"];

/// The texts of `rule`, which stands at `at`.
pub(super) fn texts(rule: &Rule, at: &str, found: &mut Findings) {
    template(rule, (at, "summary"), &rule.summary, found);
    if rule.annotations.len() > MAX_ANNOTATIONS {
        let what = format!("{} annotations are more than a message has room for", rule.annotations.len());
        found.add(format!("{at}/annotations"), what, format!("keep {MAX_ANNOTATIONS}; `description` is the one that people see"));
    }
    for (name, text) in &rule.annotations {
        let key = format!("annotations/{name}");
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && name.len() <= 64;
        if !is_name || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            let fix = "use letters, digits and `_`, a letter first: `description`";
            found.add(format!("{at}/annotations"), format!("`{name}` is not an annotation's name"), fix);
        } else if GIVEN.contains(&name.as_str()) {
            found.add(format!("{at}/{key}"), format!("`{name}` is given to every message by Parapet"), "choose another name");
        }
        found.filled(format!("{at}/{key}"), text);
        template(rule, (at, &key), text, found);
    }
}

fn template(rule: &Rule, (at, key): (&str, &str), text: &str, found: &mut Findings) {
    let pointer = || format!("{at}/{key}");
    let chars = text.chars().count();
    if chars > MAX_TEMPLATE_CHARS && text.contains("{{") {
        found.add(pointer(), format!("{chars} characters are too long for a template"), format!("use at most {MAX_TEMPLATE_CHARS}"));
    }
    for piece in pieces(text) {
        match piece {
            Piece::Text(_) => {}
            Piece::Unclosed(part) => {
                let start = part.lines().next().unwrap_or_default().trim_end();
                found.add(pointer(), "two braces open here and nothing closes them", "write `{{ value }}`, with `}}` at the end");
                found.points_to(start);
            }
            Piece::Hole { whole, name } => hole(rule, at, &pointer(), (whole, name), found),
        }
    }
}

fn hole(rule: &Rule, at: &str, pointer: &str, (whole, name): (&str, &str), found: &mut Findings) {
    // Prometheus writes `$value` and `$labels.route`.
    let meant = name.trim_start_matches(['$', '.']);
    let given = ["rule", "severity"];
    let labels = || rule.by.iter().chain(rule.labels.keys()).map(String::as_str).chain(given);
    if name.strip_prefix(LABEL).is_some_and(|label| labels().any(|known| known == label)) || NAMES.contains(&name) {
        return;
    }
    let drawn_from = vec![format!("{at}/by"), format!("{at}/labels")];
    match meant.strip_prefix(LABEL) {
        Some(label) if labels().any(|known| known == label) => {
            found.add(pointer, format!("`{name}` is not known here"), format!("did you mean `{meant}`?"));
        }
        Some(label) => {
            let known: Vec<&str> = labels().collect();
            let otherwise = format!("add it to `by`, or use one of: {}", known.join(", "));
            // `route` is not a slip for `rule`: only the rule's own labels are guessed.
            let fix = suggest(label, known.iter().copied().filter(|known| !given.contains(known)), &otherwise);
            found.add_drawn_from(drawn_from, pointer, format!("this rule's alerts have no label `{label}`"), fix);
        }
        None if labels().any(|known| known == meant) && !NAMES.contains(&meant) => {
            found.add_drawn_from(drawn_from, pointer, format!("`{name}` is not known here"), format!("write `{{{{ {LABEL}{meant} }}}}`"));
        }
        None => {
            let otherwise = format!("use one of: {}, or {LABEL}NAME", NAMES.join(", "));
            found.add(pointer, format!("`{name}` is not known here"), suggest(meant, NAMES, &otherwise));
        }
    }
    found.points_to(whole);
}
