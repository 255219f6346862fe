//! Matchers on an alert's labels, in Prometheus Alertmanager's notation: `severity="critical"`, `team!="ops"`, `rule=~"api-.*"`.
//!
//! A regular-expression engine would be a quarter of the Worker, so `=~` and `!~` take the part of the language that people
//! use here: alternatives of literal text with `.`, `.*` and `.+`, anchored at both ends as Alertmanager's are. The rest is
//! refused with the place it begins. In `=` and `!=` a `*` stands for any text. Invariants: a label an alert does not have
//! is the empty text, as in Alertmanager; a matcher's own text reads back as the same matcher.

use serde::Serialize;

use crate::record::{FromJson, Misread, record};
use crate::sorted::Map;

/// Longest text of one matcher, in bytes: matching takes at most this many steps for each character of a label.
pub const MAX_MATCHER_BYTES: usize = 512;

/// How a label's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `=~`.
    Matches,
    /// `!~`.
    DoesNotMatch,
}

impl Operator {
    /// Every operator, the longer texts first: `=~` begins with `=`.
    pub const ALL: [Self; 4] = [Self::Matches, Self::DoesNotMatch, Self::NotEqual, Self::Equal];

    /// The written text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::DoesNotMatch => "!~",
        }
    }

    /// The operator written `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.as_str() == text)
    }

    fn is_regex(self) -> bool {
        match self {
            Self::Matches | Self::DoesNotMatch => true,
            Self::Equal | Self::NotEqual => false,
        }
    }

    fn is_positive(self) -> bool {
        match self {
            Self::Equal | Self::Matches => true,
            Self::NotEqual | Self::DoesNotMatch => false,
        }
    }
}

/// Why a text is not a matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// It is not Alertmanager's JSON form.
    #[error("it is not a matcher: {0}")]
    Parts(#[from] Box<Misread>),
    /// There is no operator.
    #[error("`{text}` has no operator: write `label=\"value\"`, with `=`, `!=`, `=~` or `!~`")]
    NoOperator {
        /// The text.
        text: String,
    },
    /// The label's name is empty or has characters a name cannot have.
    #[error("`{name}` is not a label's name: use letters, digits, `_`, `-`, `.` and `:`")]
    BadName {
        /// The name.
        name: String,
    },
    /// A quoted value does not end, or something follows it.
    #[error("the value of `{name}` does not end with its quote")]
    BadQuote {
        /// The label.
        name: String,
    },
    /// Part of a regular expression that is not supported here.
    #[error(
        "`{found}` at character {at} of `{pattern}` is not supported: use alternatives of plain text with `.`, `.*` and `.+`, such as `api-.*|web`"
    )]
    Unsupported {
        /// The regular expression.
        pattern: String,
        /// What is not supported.
        found: char,
        /// Where, from 1.
        at: usize,
    },
    /// The text is longer than [`MAX_MATCHER_BYTES`].
    #[error("a matcher has at most {MAX_MATCHER_BYTES} bytes, this one {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// One piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// This character.
    One(char),
    /// Any one character.
    AnyOne,
    /// Any text, also none.
    AnyText,
}

/// One matcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Wire")]
pub struct Matcher {
    name: String,
    operator: Operator,
    value: String,
    /// The value as alternatives; one for `=` and `!=`.
    patterns: Vec<Vec<Piece>>,
}

/// Alertmanager's JSON form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    name: String,
    value: String,
    is_regex: bool,
    is_equal: bool,
}

record!(Wire { name, value, is_regex as "isRegex" = false, is_equal as "isEqual" = true, .. });

impl From<Matcher> for Wire {
    fn from(matcher: Matcher) -> Self {
        let (is_regex, is_equal) = (matcher.operator.is_regex(), matcher.operator.is_positive());
        Self { name: matcher.name, value: matcher.value, is_regex, is_equal }
    }
}

impl Matcher {
    /// Alertmanager's JSON form, `{name, value, isRegex, isEqual}`.
    pub fn from_parts(parts: serde_json::Value) -> Result<Self, MatcherError> {
        let wire = Wire::from_json(parts)?;
        let operator = match (wire.is_regex, wire.is_equal) {
            (false, true) => Operator::Equal,
            (false, false) => Operator::NotEqual,
            (true, true) => Operator::Matches,
            (true, false) => Operator::DoesNotMatch,
        };
        Self::new(&wire.name, operator, &wire.value)
    }

    /// A matcher of its three parts.
    pub fn new(name: &str, operator: Operator, value: &str) -> Result<Self, MatcherError> {
        let bytes = name.len() + value.len();
        if bytes > MAX_MATCHER_BYTES {
            return Err(MatcherError::TooLong { bytes });
        }
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || "_-.:".contains(c)) {
            return Err(MatcherError::BadName { name: name.to_owned() });
        }
        let patterns = if operator.is_regex() { alternatives(value)? } else { vec![glob(value)] };
        Ok(Self { name: name.to_owned(), operator, value: value.to_owned(), patterns })
    }

    /// Reads `name="value"` or `name=value`.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let no_operator = || MatcherError::NoOperator { text: text.to_owned() };
        let at = text.find(['=', '!']).ok_or_else(no_operator)?;
        let (name, rest) = text.split_at_checked(at).ok_or_else(no_operator)?;
        let written = |operator: Operator| Some((operator, rest.strip_prefix(operator.as_str())?));
        let (operator, value) = Operator::ALL.into_iter().find_map(written).ok_or_else(no_operator)?;
        let (name, value) = (name.trim(), value.trim());
        match value.strip_prefix('"') {
            None => Self::new(name, operator, value),
            Some(quoted) => {
                let value = unquoted(quoted).ok_or_else(|| MatcherError::BadQuote { name: name.to_owned() })?;
                Self::new(name, operator, &value)
            }
        }
    }

    /// Reads `{a="b",c!="d"}`, with or without the braces; nothing in them is no matcher.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, MatcherError> {
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(trimmed);
        parts(inner).into_iter().filter(|part| !part.trim().is_empty()).map(|part| Self::parse(part.trim())).collect()
    }

    /// The label it looks at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The value, as written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The value, if it stands for itself alone.
    pub fn literal(&self) -> Option<&str> {
        (!self.operator.is_regex() && !self.value.contains('*')).then_some(self.value.as_str())
    }

    /// Whether an alert with `labels` is meant.
    pub fn matches(&self, labels: &Map<String, String>) -> bool {
        self.takes(labels.get(&self.name).map_or("", String::as_str))
    }

    /// Whether an alert without the label is meant too: such a matcher alone narrows nothing down.
    pub fn takes_empty(&self) -> bool {
        self.takes("")
    }

    fn takes(&self, value: &str) -> bool {
        let value: Vec<char> = value.chars().collect();
        self.patterns.iter().any(|pattern| fits(pattern, &value)) == self.operator.is_positive()
    }
}

/// Whether all of `matchers` mean an alert with `labels`.
pub fn all_match(matchers: &[Matcher], labels: &Map<String, String>) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let escaped = self.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(f, "{}{}\"{escaped}\"", self.name, self.operator.as_str())
    }
}

/// The text up to the closing quote, which must be the last character.
fn unquoted(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(out),
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                escaped @ ('"' | '\\') => out.push(escaped),
                // A regular expression's own escape, such as `\.`.
                other => out.extend(['\\', other]),
            },
            plain => out.push(plain),
        }
    }
}

/// Splits at commas outside quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = escaped;
        escaped = quoted && !was_escaped && c == '\\';
        if c == '"' && !was_escaped {
            quoted = !quoted;
        }
        c == ',' && !quoted
    })
    .collect()
}

fn glob(text: &str) -> Vec<Piece> {
    text.chars().map(|c| if c == '*' { Piece::AnyText } else { Piece::One(c) }).collect()
}

/// The alternatives of a regular expression in the supported subset; one group around the whole is allowed.
fn alternatives(pattern: &str) -> Result<Vec<Vec<Piece>>, MatcherError> {
    let anchored = pattern.strip_prefix('^').unwrap_or(pattern);
    let skipped = pattern.chars().count() - anchored.chars().count();
    let anchored = anchored.strip_suffix('$').filter(|rest| !rest.ends_with('\\')).unwrap_or(anchored);
    let group = anchored.strip_prefix("(?:").map(|rest| (rest, 3)).or_else(|| anchored.strip_prefix('(').map(|rest| (rest, 1)));
    let group = group.and_then(|(rest, width)| Some((rest.strip_suffix(')').filter(|rest| !rest.ends_with('\\'))?, skipped + width)));
    let (inner, offset) = group.unwrap_or((anchored, skipped));
    let mut found = vec![Vec::new()];
    let mut push = |piece: Option<Piece>| match piece {
        Some(piece) => found.last_mut().map_or((), |pattern: &mut Vec<Piece>| pattern.push(piece)),
        None => found.push(Vec::new()),
    };
    let mut chars = inner.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        let unsupported = |found: char, at: usize| MatcherError::Unsupported { pattern: pattern.to_owned(), found, at: offset + at + 1 };
        match c {
            '|' => push(None),
            '.' => {
                match chars.peek() {
                    Some((_, '*')) => push(Some(Piece::AnyText)),
                    Some((_, '+')) => {
                        push(Some(Piece::AnyOne));
                        push(Some(Piece::AnyText));
                    }
                    _ => {
                        push(Some(Piece::AnyOne));
                        continue;
                    }
                }
                chars.next();
            }
            '\\' => match chars.next() {
                // `\d` and its kind are classes; a backslash before punctuation is that character.
                Some((_, escaped)) if !escaped.is_alphanumeric() => push(Some(Piece::One(escaped))),
                other => return Err(unsupported(other.map_or('\\', |(_, c)| c), at)),
            },
            '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return Err(unsupported(c, at)),
            plain => push(Some(Piece::One(plain))),
        }
    }
    Ok(found)
}

/// Whether `value` is as `pattern` says, from the first character to the last. Goes back only to the last [`Piece::AnyText`], so
/// it takes at most pieces × characters steps.
fn fits(pattern: &[Piece], value: &[char]) -> bool {
    let (mut piece, mut place) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(piece), value.get(place)) {
            (None, None) => return true,
            (Some(Piece::AnyText), _) => {
                again = Some((piece + 1, place));
                piece += 1;
                continue;
            }
            (Some(Piece::AnyOne), Some(_)) => {}
            (Some(Piece::One(wanted)), Some(found)) if wanted == found => {}
            _ => match again {
                Some((after, from)) if from < value.len() => {
                    again = Some((after, from + 1));
                    (piece, place) = (after, from + 1);
                    continue;
                }
                _ => return false,
            },
        }
        piece += 1;
        place += 1;
    }
}

#[cfg(test)]
mod tests;
