//! Samples and series the way Prometheus' `promtool` writes them.
//!
//! Samples, apart by spaces: `5`, `_` (none), `stale` (none: to Parapet a series that ended is one that sends nothing);
//! `a+bxn` is a, a+b, … a+n·b, so n+1 samples, `a-bxn` likewise downwards, `axn` is a n+1 times, `_xn` is none n times.
//! Positions are in characters of the text, from 0.

use crate::telemetry::series::{Kind, SeriesKey, name};

/// Samples of one series: eleven days at ten seconds are 95,040.
pub(super) const MAX_SAMPLES: usize = 100_000;

/// What does not read, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) at: usize,
    pub(super) width: usize,
    pub(super) message: String,
    pub(super) fix: String,
}

impl Unread {
    fn new(at: usize, width: usize, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { at, width: width.max(1), message: message.into(), fix: fix.into() }
    }
}

/// The samples of `text`, one for each interval.
pub(super) fn samples(text: &str) -> Result<Vec<Option<f64>>, Unread> {
    let mut out = Vec::new();
    for (at, word) in words(text) {
        let bad = |message: String, fix: &str| Unread::new(at, word.chars().count(), message, fix);
        let found = sample(word).map_err(|fix| bad(format!("`{word}` is no sample"), &fix))?;
        let (first, step, count) = found;
        if out.len() + count > MAX_SAMPLES {
            return Err(bad(format!("more than {MAX_SAMPLES} samples"), "use a wider interval"));
        }
        out.extend((0..count).map(|n| first.map(|first| first + step * n as f64)));
    }
    if out.is_empty() { Err(Unread::new(0, 1, "there is no sample", FORMS)) } else { Ok(out) }
}

const FORMS: &str = "write samples such as `1 2 3`, `0+10x5`, `7x5`, `_`, `_x5` or `stale`";

fn words(text: &str) -> Vec<(usize, &str)> {
    let (mut words, mut at) = (Vec::new(), 0);
    for word in text.split(char::is_whitespace) {
        if !word.is_empty() {
            words.push((at, word));
        }
        at += word.chars().count() + 1;
    }
    words
}

/// First value (`None`: nothing came), step and number of samples; or the fix.
fn sample(word: &str) -> Result<(Option<f64>, f64, usize), String> {
    let (what, times) = match word.split_once('x') {
        Some((what, times)) => {
            let times = times.parse::<usize>().map_err(|_| format!("after the `x` comes a whole number; {FORMS}"))?;
            (what, Some(times.min(MAX_SAMPLES + 1)))
        }
        None => (word, None),
    };
    match what {
        "_" => return Ok((None, 0.0, times.unwrap_or(1))),
        "stale" if times.is_none() => return Ok((None, 0.0, 1)),
        "stale" => return Err("`stale` stands alone: write `_x5` for more".to_owned()),
        _ => {}
    }
    let (first, rest) = number(what).ok_or(FORMS)?;
    match (rest, times) {
        ("", times) => Ok((Some(first), 0.0, times.map_or(1, |times| times + 1))),
        (step, times) => match (number(step), times) {
            (Some((step, "")), Some(times)) => Ok((Some(first), step, times + 1)),
            (Some((_, "")), None) => Err(format!("say how often: `{word}x5`")),
            _ => Err(FORMS.to_owned()),
        },
    }
}

/// The number `text` begins with, and what follows it. `Inf` and `NaN` are none: no cell holds them.
fn number(text: &str) -> Option<(f64, &str)> {
    let mut end = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let sign = matches!(c, '+' | '-') && (at == 0 || matches!(before, 'e' | 'E'));
        if !(c.is_ascii_digit() || c == '.' || sign || (matches!(c, 'e' | 'E') && at > 0)) {
            break;
        }
        before = c;
        end = at + c.len_utf8();
    }
    let (number, rest) = text.split_at_checked(end)?;
    Some((number.parse().ok().filter(|value: &f64| value.is_finite())?, rest))
}

/// Name and labels of `name{label="value",…}`.
pub(super) fn series(text: &str) -> Result<(String, Vec<(String, String)>), Unread> {
    let mut rest = Rest { text, at: 0 };
    let whole = text.chars().count();
    let name = rest.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Unread::new(0, whole, "this is no metric name", "write it as `http_requests_total{class=\"5xx\"}`"));
    }
    let mut labels: Vec<(String, String)> = Vec::new();
    rest.spaces();
    if rest.text.is_empty() {
        return Ok((name, labels));
    }
    let form = "write labels as `{class=\"5xx\",route=\"/a\"}`";
    let bad = |rest: &Rest<'_>, message: &str| Unread::new(rest.at.min(whole.saturating_sub(1)), 1, message, form);
    if !rest.eat('{') {
        return Err(bad(&rest, "labels begin with `{`"));
    }
    loop {
        rest.spaces();
        if rest.eat('}') {
            break;
        }
        let (at, label) = (rest.at, rest.word(|c| c.is_ascii_alphanumeric() || c == '_'));
        if label.is_empty() {
            return Err(bad(&rest, "a label name or `}` is expected here"));
        }
        if labels.iter().any(|(known, _)| *known == label) {
            return Err(Unread::new(at, label.len(), format!("the label `{label}` is written twice"), "keep one"));
        }
        rest.spaces();
        if !rest.eat('=') {
            return Err(bad(&rest, "`=` is expected here: a series has values, not matchers"));
        }
        rest.spaces();
        let value = rest.quoted().ok_or_else(|| bad(&rest, "a value in double quotes is expected here"))?;
        labels.push((label, value));
        rest.spaces();
        if !rest.eat(',') && !rest.text.starts_with('}') {
            return Err(bad(&rest, "`,` or `}` is expected here"));
        }
    }
    rest.spaces();
    if rest.text.is_empty() { Ok((name, labels)) } else { Err(bad(&rest, "nothing more is expected here")) }
}

/// What is not read yet, and its place.
struct Rest<'t> {
    text: &'t str,
    at: usize,
}

impl Rest<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.text.chars();
        let next = chars.next()?;
        (self.text, self.at) = (chars.as_str(), self.at + 1);
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.text.starts_with(wanted) && self.next().is_some()
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut word = String::new();
        while self.text.chars().next().is_some_and(&belongs) {
            word.extend(self.next());
        }
        word
    }

    fn spaces(&mut self) {
        self.word(char::is_whitespace);
    }

    fn quoted(&mut self) -> Option<String> {
        if !self.eat('"') {
            return None;
        }
        let mut value = String::new();
        loop {
            match self.next()? {
                '"' => return Some(value),
                '\\' => match self.next()? {
                    'n' => value.push('\n'),
                    c @ ('"' | '\\') => value.push(c),
                    _ => return None,
                },
                c => value.push(c),
            }
        }
    }
}

/// The kind a metric name tells of: Parapet's own are known, and `_total` is a counter.
pub(super) fn kind_of(metric: &str) -> Option<Kind> {
    let own = name::OWN.iter().find(|(known, ..)| *known == metric).map(|(_, kind, _)| *kind);
    own.or_else(|| metric.ends_with("_total").then_some(Kind::Counter))
}

/// A series' key.
pub(super) fn key(kind: Kind, name: &str, labels: &[(String, String)]) -> SeriesKey {
    SeriesKey::new(kind, name, labels.to_vec())
}

#[cfg(test)]
mod tests;
