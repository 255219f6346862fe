//! Takes secrets and personal data out of what leaves: texts, URLs, header lists, JSON values.
//!
//! Invariant: a valid card number, South African id number, e-mail address or phone number, a bearer token, a JWT, the
//! userinfo of a URL, a query value that is not allow-listed, and the value of a key that looks secret never come out.
//! What comes out reads the same after a second scrub. Scanners are written by hand, each look-ahead bounded or
//! remembered, so the time is linear (and no regex engine has to fit into the Worker).
//!
//! Limits: a text is cut at [`MAX_TEXT_BYTES`] first; markers are at most four times as long as what they replace
//! (`=1&` becomes `=[filtered]&`), so at most 32 KB come out. JSON deeper than [`MAX_DEPTH`] is filtered whole.
//!
//! What it cannot tell: one in ten numbers of 13 to 19 digits that start with 2 to 9 passes the Luhn test by chance and
//! is taken for a card. Moments in milliseconds start with 1 and stay.

use crate::order;
use serde_json::Value;

mod numbers;
mod scan;

/// Longest text that is looked at; what is beyond is dropped before the scan.
pub const MAX_TEXT_BYTES: usize = 8_192;

/// Deepest JSON value that is looked at.
pub const MAX_DEPTH: usize = 16;

/// Most passes over one text. Two are the rule: the second finds nothing new.
const MAX_PASSES: usize = 4;

/// How far back a cut looks for white space, so that it leaves no half address.
const CUT_SEARCH_BYTES: usize = 256;

/// Key names whose values never leave, whatever the configuration adds. Compared without case, `-` and `_`, as a part
/// of the key: `X-Api-Key` holds `apikey`. See [`SHORT_KEY_BYTES`] for the short ones.
const SECRET_KEYS: [&str; 27] = [
    "password",
    "passwd",
    "pwd",
    "userpwd",
    "mysqlpwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "auth",
    "credential",
    "cookie",
    "session",
    "jwt",
    "bearer",
    "csrf",
    "xsrf",
    "cvv",
    "cvc",
    "signature",
    "cardnumber",
    "idnumber",
    "webhookurl",
    "recipients",
];

/// A key name this short or shorter must be a whole part of a key (`card_pan`, `cardPan`), not sit in a word (`company`).
const SHORT_KEY_BYTES: usize = 3;

/// Headers that name the client; compared exactly, in lower case.
const CLIENT_HEADERS: [&str; 7] =
    ["cf-connecting-ip", "cf-connecting-ipv6", "x-forwarded-for", "x-real-ip", "true-client-ip", "forwarded", "x-user-id"];

/// Query keys whose values may stay, if they are plain and hold nothing personal.
const OPEN_QUERY_KEYS: [&str; 20] = [
    "page",
    "per_page",
    "limit",
    "offset",
    "sort",
    "order",
    "view",
    "tab",
    "lang",
    "locale",
    "format",
    "version",
    "v",
    "window",
    "range",
    "date",
    "category",
    "utm_source",
    "utm_medium",
    "utm_campaign",
];

/// What stands in the place of something taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A payment card number.
    Card,
    /// An e-mail address.
    Email,
    /// A South African id number.
    Id,
    /// A phone number.
    Phone,
    /// A bearer token, a JWT or a vendor's key.
    Token,
    /// A value whose key, or whose place in a URL, says that it is secret.
    Filtered,
}

impl Marker {
    /// Every marker.
    pub const ALL: [Self; 6] = [Self::Card, Self::Email, Self::Id, Self::Phone, Self::Token, Self::Filtered];

    /// The text that is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "[card]",
            Self::Email => "[email]",
            Self::Id => "[id]",
            Self::Phone => "[phone]",
            Self::Token => "[token]",
            Self::Filtered => "[filtered]",
        }
    }

    /// The marker that `text` starts with.
    pub fn starting(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|marker| text.starts_with(marker.as_str()))
    }
}

/// Scrubs with the built-in key names and the configured ones.
#[derive(Debug, Clone)]
pub struct Scrubber {
    keys: Vec<String>,
}

impl Scrubber {
    /// A scrubber for `sentry.scrub_keys`; the built-in names always hold.
    pub fn new(scrub_keys: &[String]) -> Self {
        let configured = scrub_keys.iter().map(|key| normalised(key)).filter(|key| !key.is_empty());
        let mut keys: Vec<String> = SECRET_KEYS.into_iter().map(str::to_owned).chain(configured).collect();
        order::sort_by(&mut keys, |a, b| a < b);
        keys.dedup();
        Self { keys }
    }

    /// Whether the value of `key` is secret by its name.
    pub fn is_secret(&self, key: &str) -> bool {
        let (whole, parts) = (normalised(key), parts(key));
        self.keys.iter().any(|secret| match secret.len() {
            0..=SHORT_KEY_BYTES => parts.contains(secret),
            _ => whole.contains(secret.as_str()),
        })
    }

    /// A message, a log line, a URL or a path with query: `text` without what must not leave.
    pub fn text(&self, text: &str) -> String {
        let kept = capped(text);
        let mut out = scan::scrub(self, kept);
        // Taking a number with a space in it out can make a query of what was prose: look again until nothing changes.
        for _ in 1..MAX_PASSES {
            let again = scan::scrub(self, &out);
            if again == out {
                break;
            }
            out = again;
        }
        if kept.len() < text.len() {
            out.push('…');
        }
        out
    }

    /// The value of a named thing: a header, a tag, a form field.
    pub fn value(&self, key: &str, value: &str) -> String {
        if value.is_empty() || !self.is_secret(key) { self.text(value) } else { Marker::Filtered.as_str().to_owned() }
    }

    /// Headers as they may be shown: secret ones and those that name the client are filtered, the others are scrubbed.
    pub fn headers(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        headers
            .iter()
            .map(|(name, value)| {
                let names_client = CLIENT_HEADERS.contains(&name.to_ascii_lowercase().as_str());
                let shown = if names_client { Marker::Filtered.as_str().to_owned() } else { self.value(name, value) };
                (self.text(name), shown)
            })
            .collect()
    }

    /// A JSON value, keys included. Booleans and nulls stay: they hold no secret.
    pub fn json(&self, value: Value) -> Value {
        self.json_at(value, MAX_DEPTH)
    }

    fn json_at(&self, value: Value, depth_left: usize) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value,
            Value::String(text) => Value::String(self.text(&text)),
            Value::Number(ref number) => {
                let shown = number.to_string();
                let personal = !number.is_f64() && self.text(&shown) != shown;
                if personal { Value::String(self.text(&shown)) } else { value }
            }
            Value::Array(_) | Value::Object(_) if depth_left == 0 => Value::String(Marker::Filtered.as_str().to_owned()),
            Value::Array(values) => Value::Array(values.into_iter().map(|value| self.json_at(value, depth_left - 1)).collect()),
            Value::Object(fields) => {
                let field = |(key, value): (String, Value)| {
                    let scalar = matches!(value, Value::Null | Value::Bool(_));
                    let shown = if self.is_secret(&key) && !scalar {
                        Value::String(Marker::Filtered.as_str().to_owned())
                    } else {
                        self.json_at(value, depth_left - 1)
                    };
                    (self.text(&key), shown)
                };
                Value::Object(order::object(fields.into_iter().map(field)))
            }
        }
    }
}

/// Letters and digits only, in lower case: `X-Api_Key` is `xapikey`.
fn normalised(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// `cardPan2` and `card-pan-2` are `card`, `pan`, `2`; in lower case.
fn parts(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for c in key.chars() {
        let begins = !c.is_ascii_alphanumeric()
            || before.is_ascii_digit() != c.is_ascii_digit()
            || (before.is_ascii_lowercase() && c.is_ascii_uppercase());
        if begins {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            part.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    parts
}

fn capped(text: &str) -> &str {
    if text.len() <= MAX_TEXT_BYTES {
        return text;
    }
    let head = text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default();
    let tail_from = head.floor_char_boundary(head.len().saturating_sub(CUT_SEARCH_BYTES));
    let space = head.get(tail_from..).and_then(|tail| tail.rfind(char::is_whitespace));
    space.and_then(|at| head.get(..tail_from + at)).unwrap_or(head)
}

#[cfg(test)]
mod tests;
