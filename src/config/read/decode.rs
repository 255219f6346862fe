//! A tree of nodes and a shape make a value, and every mistake on the way a diagnostic.
//!
//! Where a mistake stands, a placeholder that reads is put and its pointer noted as lost, so the rest is still checked and
//! nothing is concluded from what is not known. One mistake is one diagnostic: a key that is misspelt or on the wrong
//! level is not reported missing as well.
use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};

use super::diagnostic::Diagnostic;
use super::node::{Entry, Node, Place, Source, Value};
use super::shape::{Key, Need, Shape};
use crate::config::check;
use crate::sorted::Map;

/// Lines a text may go on over.
const PART_LINES: usize = 20;

/// What decoding gathers besides the value.
pub(super) struct Decoder<'a> {
    sources: &'a [Source],
    pub(super) found: Vec<Diagnostic>,
    /// Where each part of the configuration was written, by JSON pointer.
    pub(super) places: Map<String, Place>,
    /// Pointers under which a placeholder stands.
    pub(super) lost: Vec<String>,
    /// The maps around the current one, outermost first.
    around: Vec<(&'static [Key], String)>,
    /// Keys (by pointer) that were found, on another level or misspelt.
    accounted: Vec<String>,
    /// Keys that are missing so far, by the map's pointer: one may yet turn up further out.
    missing: Vec<(String, &'static str, Diagnostic)>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(sources: &'a [Source]) -> Self {
        Self {
            sources,
            found: Vec::new(),
            places: Map::new(),
            lost: Vec::new(),
            around: Vec::new(),
            accounted: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// A file's section: [`Decoder::value`], and then the keys that never turned up.
    pub(super) fn section(&mut self, node: &Node, shape: &'static Shape, pointer: &str) -> Json {
        let value = self.value(node, shape, pointer);
        self.found.extend(self.missing.drain(..).map(|(_, _, diagnostic)| diagnostic));
        value
    }

    /// The value of `node` as `shape`, for the part of the configuration at `pointer`.
    fn value(&mut self, node: &Node, shape: &'static Shape, pointer: &str) -> Json {
        self.places.insert(pointer.to_owned(), node.at);
        let decoded = match shape {
            Shape::List(item) => self.list(node, item, pointer),
            Shape::Matchers if matches!(node.value, Value::List(_)) => self.list(node, &Shape::Text, pointer),
            Shape::Labels | Shape::Matchers => self.labels(node, pointer),
            Shape::Map(keys) | Shape::Again(keys, _) => self.map(node, keys, pointer),
            Shape::OneOf(keys) => self.one_of(node, keys, pointer),
            Shape::NumberOr(keys) if matches!(node.value, Value::Map(_)) => self.one_of(node, keys, pointer),
            scalar => scalar_value(node, scalar).map_err(|(message, fix)| self.complain(node.at, message, fix)).ok(),
        };
        decoded.unwrap_or_else(|| {
            self.lost.push(pointer.to_owned());
            shape.placeholder()
        })
    }

    /// A mistake at `place`.
    pub(super) fn complain(&mut self, place: Place, message: impl Into<String>, fix: impl Into<String>) {
        if let Some(source) = self.sources.get(place.file) {
            self.found.push(source.diagnostic(place, message, fix));
        }
    }

    /// Where `part` of the value at `place` stands: on its line, or on one of those it goes on over.
    pub(super) fn narrowed(&self, place: Place, part: &str) -> Place {
        let lines = self.sources.get(place.file).filter(|_| !part.is_empty()).map(|source| source.text.lines());
        let found = lines.into_iter().flatten().zip(1..).skip(place.line.saturating_sub(1)).take(PART_LINES).find_map(|(text, line)| {
            let before = if line == place.line { place.column.saturating_sub(1) } else { 0 };
            let (start, _) = text.char_indices().nth(before)?;
            let at = text.get(start..)?.find(part)?;
            Some(Place { line, column: text.get(..start + at)?.chars().count() + 1, width: part.chars().count(), ..place })
        });
        found.unwrap_or(place)
    }

    fn list(&mut self, node: &Node, item: &'static Shape, pointer: &str) -> Option<Json> {
        let Value::List(items) = &node.value else {
            self.complain(node.at, format!("expected a list, found {}", node.describe()), "write `[…]`, or `- ` before each entry");
            return None;
        };
        Some(items.iter().enumerate().map(|(index, node)| self.value(node, item, &format!("{pointer}/{index}"))).collect())
    }

    fn labels(&mut self, node: &Node, pointer: &str) -> Option<Json> {
        let entries = self.entries(node, "write `name: value` pairs")?;
        let value = |entry: &Entry| (entry.key.clone(), self.value(&entry.node, &Shape::Text, &format!("{pointer}/{}", entry.key)));
        Some(Json::Object(entries.iter().map(value).collect()))
    }

    fn map(&mut self, node: &Node, keys: &'static [Key], pointer: &str) -> Option<Json> {
        let entries = self.entries(node, &format!("write its keys: {}", names(keys)))?;
        let mut object = self.known(entries, keys, pointer);
        for key in keys {
            let field = format!("{pointer}/{}", key.field);
            if key.need == Need::Optional || object.contains_key(key.field) {
                continue;
            }
            if let Some(source) = self.sources.get(node.at.file).filter(|_| !self.accounted.contains(&field)) {
                let (message, fix) = (format!("the key `{}` is missing here", key.name), format!("add `{}:` - {}", key.name, key.doc));
                self.missing.push((pointer.to_owned(), key.name, source.diagnostic(node.at, message, fix)));
            }
            self.lost.push(field);
            object.insert(key.field.to_owned(), key.shape.placeholder());
        }
        Some(Json::Object(object))
    }

    fn one_of(&mut self, node: &Node, keys: &'static [Key], pointer: &str) -> Option<Json> {
        let entries = self.entries(node, &format!("write one of the keys {}", names(keys)))?;
        let found_before = self.found.len();
        let object = self.known(entries, keys, pointer);
        if object.len() == 1 {
            return Some(Json::Object(object));
        }
        let extra = entries.iter().filter(|entry| keys.iter().any(|key| key.name == entry.key)).nth(1);
        match extra {
            Some(extra) => self.complain(extra.at, format!("one key is enough here, and `{}` is a second", extra.key), "keep one"),
            None if self.found.len() > found_before => {}
            None => self.complain(node.at, "a key is missing here", format!("write one of {}", names(keys))),
        }
        None
    }

    fn entries<'n>(&mut self, node: &'n Node, fix: &str) -> Option<&'n [Entry]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        self.complain(node.at, format!("expected a map of keys, found {}", node.describe()), fix);
        None
    }

    /// The fields whose keys are known; the others are mistakes.
    fn known(&mut self, entries: &[Entry], keys: &'static [Key], pointer: &str) -> serde_json::Map<String, Json> {
        let mut object = serde_json::Map::new();
        self.around.push((keys, pointer.to_owned()));
        for entry in entries {
            match keys.iter().find(|key| key.name == entry.key) {
                // A key written twice was reported by the parser; the first one stands.
                Some(key) if object.contains_key(key.field) => {}
                Some(key) => {
                    let value = self.value(&entry.node, &key.shape, &format!("{pointer}/{}", key.field));
                    object.insert(key.field.to_owned(), value);
                }
                None if self.around.len() == 1 && entry.key == "$schema" => {}
                None => self.unknown(entry, entries, keys, pointer),
            }
        }
        self.around.pop();
        object
    }

    /// An unknown key: misspelt, on the wrong level, or nothing that is read.
    fn unknown(&mut self, entry: &Entry, siblings: &[Entry], keys: &'static [Key], pointer: &str) {
        let unused = keys.iter().filter(|key| siblings.iter().all(|sibling| sibling.key != key.name));
        let further_out = self.around.iter().rev().skip(1).find_map(|(keys, at)| {
            let key = keys.iter().find(|key| key.name == entry.key)?;
            Some((format!("{at}/{}", key.field), at.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap_or_default().to_owned()))
        });
        let inside = keys.iter().find(|key| key.shape.keys().iter().any(|inner| inner.name == entry.key));
        let deeper =
            self.missing.iter().position(|(at, name, _)| *name == entry.key && at.len() > pointer.len() && at.starts_with(pointer));
        let fix = if let Some(index) = deeper {
            let (at, ..) = self.missing.remove(index);
            format!("it belongs inside `{}`: indent it", at.rsplit('/').next().unwrap_or_default())
        } else if let Some((accounted, outer)) = further_out {
            self.accounted.push(accounted);
            format!("it belongs to `{outer}`, further out: check the indentation")
        } else if let Some(inner) = inside {
            self.accounted.push(format!("{pointer}/{}", inner.field));
            format!("it belongs inside `{}`: indent it", inner.name)
        } else if let Some(near) = check::nearest(&entry.key, unused.map(|key| key.name)) {
            let field = keys.iter().find(|key| key.name == near).map_or(near, |key| key.field);
            self.accounted.push(format!("{pointer}/{field}"));
            format!("did you mean `{near}`?")
        } else if keys.is_empty() {
            "nothing is set here: write `{}`".to_owned()
        } else {
            format!("the keys here are {}", names(keys))
        };
        self.complain(entry.at, format!("unknown key `{}`", entry.key), fix);
    }
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

/// What is wrong, and the fix.
type Mistake = (String, String);

fn scalar_value(node: &Node, shape: &Shape) -> Result<Json, Mistake> {
    let wrong = |expected: &str, fix: &str| Err((format!("expected {expected}, found {}", node.describe()), fix.to_owned()));
    let Value::Scalar { text, quoted } = &node.value else {
        return wrong(expected(shape), "write a single value here");
    };
    if node.is_empty() {
        return wrong(expected(shape), &example(shape));
    }
    let bare = (!quoted).then_some(text.as_str());
    match shape {
        Shape::Text => match bare.filter(|text| is_number(text) || matches!(*text, "true" | "false")) {
            Some(text) => wrong("text", &format!("put it in quotes: \"{text}\"")),
            None => Ok(json!(text)),
        },
        Shape::Words => Ok(json!(text)),
        Shape::Flag => match bare {
            Some("true") => Ok(json!(true)),
            Some("false") => Ok(json!(false)),
            _ => wrong("true or false", "write true or false, without quotes"),
        },
        Shape::Integer(range) => match bare.and_then(|text| text.parse::<i64>().ok()) {
            Some(number) if range.contains(&number) => Ok(json!(number)),
            Some(number) => Err(check::number_out_of_range(&number.to_string(), range.start(), range.end())),
            None if bare.is_some_and(is_number) => wrong("a whole number", "write it without a fraction"),
            None => wrong("a whole number", &number_fix(text, *quoted)),
        },
        Shape::Number(range) => number(bare, range).unwrap_or_else(|| wrong("a number", &number_fix(text, *quoted))),
        Shape::NumberOr(keys) => match number(bare, &(f64::MIN..=f64::MAX)) {
            Some(value) => value.map(|value| json!({ "value": value })),
            None => wrong("a number", &format!("write a number, or the key {}", names(keys))),
        },
        Shape::Choice(words) if words.contains(&text.as_str()) => Ok(json!(text)),
        Shape::Choice(words) => {
            let fix = check::suggest(text, words.iter().copied(), &example(shape));
            Err((format!("`{text}` is not one of the words used here"), fix))
        }
        Shape::Duration(range) => duration(text, range).map(|ms| json!(ms)),
        Shape::Lookback(_) if text == "today" => Ok(json!("today")),
        Shape::Lookback(range) => match duration(text, range) {
            Ok(ms) => Ok(json!({ "ms": ms })),
            Err((message, fix)) if fix == UNITS => Err((message, example(shape))),
            Err(mistake) => Err(mistake),
        },
        Shape::List(_) | Shape::Labels | Shape::Matchers | Shape::Map(_) | Shape::Again(..) | Shape::OneOf(_) => {
            wrong(expected(shape), &example(shape))
        }
    }
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::Words => "text",
        Shape::Flag => "true or false",
        Shape::Integer(_) => "a whole number",
        Shape::Number(_) | Shape::NumberOr(_) => "a number",
        Shape::Choice(_) => "one word",
        Shape::Duration(_) | Shape::Lookback(_) => "a duration",
        Shape::List(_) => "a list",
        Shape::Labels | Shape::Matchers | Shape::Map(_) | Shape::Again(..) | Shape::OneOf(_) => "a map of keys",
    }
}

fn example(shape: &Shape) -> String {
    match shape {
        Shape::Choice(words) => format!("use one of: {}", words.join(", ")),
        Shape::Duration(_) => UNITS.to_owned(),
        Shape::Lookback(_) => format!("{UNITS}, or today"),
        other => format!("write {} here", expected(other)),
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn number(bare: Option<&str>, range: &RangeInclusive<f64>) -> Option<Result<Json, Mistake>> {
    let text = bare?;
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    Some(if range.contains(&value) { Ok(json!(value)) } else { Err(check::number_out_of_range(text, range.start(), range.end())) })
}

fn number_fix(text: &str, quoted: bool) -> String {
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.' || *c == '-').collect();
    match text.strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok()) {
        Some(percent) => format!("write the share: {}", percent / 100.0),
        None if quoted && is_number(text) => "remove the quotes".to_owned(),
        None if is_number(&digits) => format!("write the number alone: {digits}"),
        None => "write digits, without quotes".to_owned(),
    }
}

const UNITS: &str = "write a whole number and a unit: 30s, 5m, 1h, 7d";

/// Milliseconds of `30s`, `5m`, `1h`, `7d`; a bare `0` is nothing at all in any unit.
fn duration(text: &str, range: &RangeInclusive<i64>) -> Result<i64, Mistake> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if count == "0" => 1,
        _ => return Err((format!("`{text}` is not a duration"), duration_fix(count, unit.trim()))),
    };
    let Some(ms) = count.parse::<i64>().ok().and_then(|count| count.checked_mul(unit_ms)) else {
        return Err((format!("`{text}` is not a duration"), UNITS.to_owned()));
    };
    if range.contains(&ms) { Ok(ms) } else { Err(check::duration_out_of_range(text, range)) }
}

fn duration_fix(count: &str, unit: &str) -> String {
    let meant = match unit.to_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "hr" | "hrs" | "hour" | "hours" | "h" => "h",
        "day" | "days" | "d" => "d",
        _ => return UNITS.to_owned(),
    };
    if count.is_empty() { UNITS.to_owned() } else { format!("write `{count}{meant}`: the units are s, m, h and d") }
}
