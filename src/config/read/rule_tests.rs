//! Files of rule tests (`monitoring/tests/*.yaml`): what they may say, and a [`Document`] whose every value knows its place.
//!
//! What a test means (which rules there are, what a series of samples holds) is for `cli::rule_test` to say; it does so by
//! [`Document::complain`], so that a mistake of meaning is told as one of spelling is. Invariant: nothing is complained of that
//! rests on a value which did not read.

use super::decode::Decoder;
use super::diagnostic::Diagnostic;
use super::node::{self, Place, Source};
use super::shape::{Key, Shape};
use super::{files, place_of};
use crate::config::check;

/// Width of what is seen at once, and the longest test, in milliseconds: from the slice of 10 s to eleven days.
const INTERVAL_MS: std::ops::RangeInclusive<i64> = 10_000..=86_400_000;
const SPAN_MS: std::ops::RangeInclusive<i64> = 0..=11 * 86_400_000;
/// What is learnt from before a test begins: eight weeks, and some.
const BEFORE_MS: std::ops::RangeInclusive<i64> = 0..=60 * 86_400_000;
/// Values one sample of a distribution may stand for.
const COUNT: std::ops::RangeInclusive<i64> = 1..=100_000;

/// The kind of file.
pub(super) static FILE: files::File =
    files::File { name: "rule-tests.yaml", section: "", doc: "Tests of alert rules", shape: Shape::Map(&TESTS) };

static TESTS: [Key; 2] = [
    Key::optional("environment", Shape::Choice(&["dev", "staging", "production"]), "Whose configuration is tested; left out, production."),
    Key::new("tests", Shape::List(&Shape::Map(&TEST)), "The tests; each begins with a fresh deployment."),
];

static TEST: [Key; 9] = [
    Key::new("name", Shape::Text, "What it shows."),
    Key::new("rules", Shape::List(&Shape::Text), "The rules looked at, by id. All others run too: they may explain an alert of these."),
    Key::optional("start", Shape::Text, "When minute 0 is, RFC 3339; left out, 2026-03-02T08:00:00Z, a Monday."),
    Key::optional_duration("interval", "interval_ms", INTERVAL_MS, "How far apart samples are; left out, 1m."),
    Key::optional_duration(
        "before",
        "before_ms",
        BEFORE_MS,
        "How long before minute 0 the series begin, while no tick runs; left out, with it.",
    ),
    Key::optional("series", Shape::List(&Shape::Map(&SERIES)), "What is measured."),
    Key::optional("downtime", Shape::List(&Shape::Map(&SPAN)), "When no tick runs."),
    Key::optional("blind", Shape::List(&Shape::Map(&SPAN)), "When ticks run and the Collectors do not answer."),
    Key::new("expect", Shape::List(&Shape::Map(&EXPECT)), "What is expected when."),
];

static SERIES: [Key; 4] = [
    Key::new("series", Shape::Text, "Name and labels: `http_requests_total{class=\"5xx\"}`."),
    Key::new("values", Shape::Words, "Samples: `1 2 3`, `0+10x5`, `5-1x5`, `7x5`, `_`, `_x5`, `stale`."),
    Key::optional("kind", Shape::Choice(&["counter", "gauge", "distribution"]), "Needed where the name does not tell."),
    Key::optional("count", Shape::Integer(COUNT), "For a distribution: how many values each sample stands for; left out, 1."),
];

static SPAN: [Key; 2] = [
    Key::duration("from", "from_ms", SPAN_MS, "Its first moment, since minute 0."),
    Key::duration("to", "to_ms", SPAN_MS, "The first moment after it."),
];

static EXPECT: [Key; 3] = [
    Key::duration("at", "at_ms", SPAN_MS, "When, since minute 0: after the tick of that minute."),
    Key::optional(
        "alerts",
        Shape::List(&Shape::Map(&ALERT)),
        "Every alert that is pending or fires; `[]` is none. Left out, not looked at.",
    ),
    Key::optional(
        "notifications",
        Shape::List(&Shape::Map(&NOTIFICATION)),
        "Every message since the expectation before; `[]` is none. Left out, not looked at.",
    ),
];

static ALERT: [Key; 4] = [
    Key::new("rule", Shape::Text, "Its rule."),
    Key::new("state", Shape::Choice(&["pending", "firing", "resolved"]), "How it stands."),
    Key::optional("labels", Shape::Labels, "Labels it must have; it may have others."),
    Key::optional("value", Shape::Number(check::LEVEL), "What the tick measured."),
];

static NOTIFICATION: [Key; 3] = [
    Key::new("rule", Shape::Text, "The rule it is about."),
    Key::new("channel", Shape::Text, "Where it goes."),
    Key::new(
        "reason",
        Shape::Choice(&["first", "resolved", "rule_removed", "escalated", "acknowledged", "still_firing"]),
        "Why it is sent.",
    ),
];

/// A file of rule tests: its values, their places, and its mistakes so far.
#[derive(Debug)]
pub struct Document<'a> {
    source: &'a Source,
    value: serde_json::Value,
    places: crate::sorted::Map<String, Place>,
    lost: Vec<String>,
    found: Vec<Diagnostic>,
}

impl<'a> Document<'a> {
    /// Reads the file; where a mistake stands a placeholder does.
    pub fn read(source: &'a Source) -> Self {
        let mut decoder = Decoder::new(std::slice::from_ref(source));
        let value = match node::parse(0, source, &mut decoder.found) {
            Some(tree) => decoder.section(&tree, &FILE.shape, ""),
            None => FILE.shape.placeholder(),
        };
        Self { source, value, places: decoder.places, lost: decoder.lost, found: decoder.found }
    }

    /// What the file says, durations in milliseconds under `…_ms`.
    pub fn value(&self) -> &serde_json::Value {
        &self.value
    }

    /// The line (from 1) of what stands at the JSON pointer.
    pub fn line(&self, pointer: &str) -> usize {
        place_of(&self.places, pointer).line
    }

    /// A mistake of meaning at the JSON pointer; `within` is where in its text, in characters, and how many.
    pub fn complain(&mut self, pointer: &str, within: Option<(usize, usize)>, message: impl Into<String>, fix: impl Into<String>) {
        let rests_on = |lost: &String| pointer.strip_prefix(lost.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if self.lost.iter().any(rests_on) {
            return;
        }
        let mut place = place_of(&self.places, pointer);
        let line = place.line.checked_sub(1).and_then(|index| self.source.text.lines().nth(index)).unwrap_or_default();
        let written: String = line.chars().skip(place.column.saturating_sub(1)).take(place.width).collect();
        let text = self.value.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        // A text with escapes, or on several lines, does not stand in the file as it reads; then all of it is meant.
        let quote = usize::from(written.starts_with(['"', '\'']));
        if let Some((at, width)) = within.filter(|_| written.chars().skip(quote).take(text.chars().count()).eq(text.chars())) {
            place = Place { column: place.column + quote + at, width, ..place };
        }
        self.found.push(self.source.diagnostic(place, message, fix));
    }

    /// Every mistake, by line.
    pub fn mistakes(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|mistake| (mistake.line, mistake.column));
        self.found.dedup();
        self.found
    }
}
