//! The one pass over a text.
//!
//! The cursor moves forward only. A word is looked at where it starts; a number, `@`, `+`, `?` or `://` where it stands.
//! A key that looks secret plans a mask over its value ahead of the cursor and the scan goes on, so the key itself is
//! scrubbed too.

use super::{Marker, OPEN_QUERY_KEYS, Scrubber, normalised, numbers};

/// Keys by their public prefix: our own API tokens, and vendors'.
const KEY_PREFIXES: [&str; 15] = [
    "ppt_",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "whsec_",
    "AKIA",
];

/// How far a `?` looks for the `=` that makes it a query.
const QUERY_LOOKAHEAD_BYTES: usize = 256;

/// How far a URL looks for the `/webhook` in its path.
const WEBHOOK_LOOKAHEAD_BYTES: usize = 256;

/// The text without what must not leave.
pub(super) fn scrub(scrubber: &Scrubber, text: &str) -> String {
    let mut scan = Scan {
        scrubber,
        text,
        at: 0,
        out: String::with_capacity(text.len()),
        mask: None,
        replaced_to: None,
        examined_to: 0,
        no_jwt_before: 0,
    };
    while let Some(c) = scan.rest().chars().next() {
        if !scan.step(c) {
            scan.out.push(c);
            scan.at += c.len_utf8();
        }
    }
    scan.out
}

/// Bytes of the text that will be replaced when the cursor gets there.
struct Mask {
    from: usize,
    to: usize,
    with: Marker,
}

struct Scan<'a> {
    scrubber: &'a Scrubber,
    text: &'a str,
    at: usize,
    out: String,
    mask: Option<Mask>,
    /// Where the last replacement ended.
    replaced_to: Option<usize>,
    /// The end of the last word looked at; what is left of it after a replacement was looked at with it.
    examined_to: usize,
    /// Up to here no JWT starts: one look has already followed this run of characters to its end.
    no_jwt_before: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The character in front of the cursor as a second scrub would see it: behind a marker its bracket.
    fn before(&self) -> Option<char> {
        if self.replaced_to == Some(self.at) {
            return Some(']');
        }
        self.text.get(..self.at)?.chars().next_back()
    }

    /// Takes what stands at the cursor if it is something; false leaves one plain character to the caller.
    fn step(&mut self, c: char) -> bool {
        if self.take_mask() {
            return true;
        }
        let word_starts = is_word(c) && self.at >= self.examined_to && !self.before().is_some_and(is_word);
        if word_starts && (self.word() || self.take_mask()) {
            return true;
        }
        match c {
            '[' => Marker::starting(self.rest()).is_some_and(|marker| self.copy(marker.as_str().len())),
            '0'..='9' => self.number(),
            '+' => self.phone(),
            '@' | '%' => self.email(),
            ':' => self.url(),
            '?' => self.query(),
            'e' => self.jwt(),
            _ => false,
        }
    }

    fn take_mask(&mut self) -> bool {
        let reached = self.mask.take_if(|mask| self.at >= mask.from).filter(|mask| self.at < mask.to);
        reached.is_some_and(|mask| self.replace(mask.to - self.at, mask.with))
    }

    fn copy(&mut self, bytes: usize) -> bool {
        self.out.push_str(self.rest().get(..bytes).unwrap_or_default());
        self.at += bytes;
        true
    }

    fn replace(&mut self, bytes: usize, marker: Marker) -> bool {
        self.out.push_str(marker.as_str());
        self.at += bytes;
        self.replaced_to = Some(self.at);
        true
    }

    /// A word starts: an opaque id is copied; a secret key, a scheme or a vendor's key plans a mask.
    fn word(&mut self) -> bool {
        let rest = self.rest();
        let word = rest.get(..rest.find(|c| !is_word(c)).unwrap_or(rest.len())).unwrap_or_default();
        self.examined_to = self.at + word.len();
        if is_opaque_id(word) {
            return self.copy(word.len());
        }
        if self.mask.is_none() {
            let (start, end) = (self.at, self.at + word.len());
            let after = rest.get(word.len()..).unwrap_or_default();
            let value = if self.scrubber.is_secret(word) { value_of(word, after) } else { None };
            self.mask = value
                .map(|(from, to)| Mask { from: end + from, to: end + to, with: Marker::Filtered })
                .or_else(|| credentials(word, after).map(|(from, to)| Mask { from: end + from, to: end + to, with: Marker::Token }))
                .or_else(|| vendor_key_at(word).map(|at| Mask { from: start + at, to: end, with: Marker::Token }));
        }
        false
    }

    fn number(&mut self) -> bool {
        let found = numbers::personal(self.rest(), self.before());
        if let Some((marker, bytes)) = found {
            return self.replace(bytes, marker);
        }
        let run = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.copy(run)
    }

    fn phone(&mut self) -> bool {
        let number = numbers::international_phone(self.rest().get(1..).unwrap_or_default());
        number.is_some_and(|bytes| self.replace(1 + bytes, Marker::Phone))
    }

    /// `@` (or `%40`) with something in front of it and a domain behind it: what is in front is taken back.
    fn email(&mut self) -> bool {
        let Some(sign) = ["@", "%40"].into_iter().find(|sign| self.rest().starts_with(*sign)) else { return false };
        let domain = domain_bytes(self.rest().get(sign.len()..).unwrap_or_default());
        if domain == 0 {
            return false;
        }
        let kept = self.out.trim_end_matches(|c: char| c.is_alphanumeric() || "._%+-".contains(c)).len();
        if kept == self.out.len() && !Marker::ALL.into_iter().any(|marker| self.out.ends_with(marker.as_str())) {
            return false;
        }
        self.out.truncate(kept);
        self.replace(sign.len() + domain, Marker::Email)
    }

    /// `://`: userinfo goes, and so does the path of a webhook.
    fn url(&mut self) -> bool {
        let Some(after) = self.rest().strip_prefix("://").filter(|_| self.mask.is_none()) else { return false };
        let authority = after.get(..after.find(|c| ends_url(c) || "/?#\\".contains(c)).unwrap_or(after.len())).unwrap_or_default();
        let userinfo = authority.rfind('@').map_or(0, |at| at + 1);
        self.copy("://".len());
        if userinfo > 0 {
            self.replace(userinfo, Marker::Filtered);
            self.out.push('@');
        }
        let host = authority.get(userinfo..).unwrap_or_default();
        let path = after.get(authority.len()..).unwrap_or_default();
        let secret_from = if host.to_ascii_lowercase().starts_with("hooks.") {
            path.starts_with('/').then_some(1)
        } else {
            let near = path.get(..path.floor_char_boundary(WEBHOOK_LOOKAHEAD_BYTES)).unwrap_or_default();
            let near = near.get(..near.find(|c| ends_url(c) || "?#".contains(c)).unwrap_or(near.len())).unwrap_or_default();
            let word = near.find("/webhook").map(|at| at + "/webhook".len());
            word.and_then(|at| near.get(at..)?.find('/').map(|slash| at + slash + 1))
        };
        self.mask = secret_from.and_then(|from| {
            let length = path.get(from..)?.find(ends_url).unwrap_or(path.len() - from);
            let start = self.at + host.len();
            (length > 0).then_some(Mask { from: start + from, to: start + from + length, with: Marker::Filtered })
        });
        true
    }

    /// `?key=value&…`: keys stay, values go unless their key is allow-listed and they are plain.
    fn query(&mut self) -> bool {
        let after = self.rest().get(1..).unwrap_or_default();
        let near = after.get(..after.floor_char_boundary(QUERY_LOOKAHEAD_BYTES)).unwrap_or_default();
        let ends = |c: char| ends_url(c) || c == '#';
        if self.mask.is_some() || !near.chars().take_while(|c| !ends(*c)).any(|c| c == '=') {
            return false;
        }
        let query = after.get(..after.find(ends).unwrap_or(after.len())).unwrap_or_default();
        for (place, pair) in query.split('&').enumerate() {
            self.out.push(if place == 0 { '?' } else { '&' });
            let (key, value) = pair.split_once('=').map_or((pair, None), |(key, value)| (key, Some(value)));
            self.out.push_str(&scrub(self.scrubber, key));
            if let Some(value) = value {
                self.out.push('=');
                self.out.push_str(if value.is_empty() || self.may_stay(key, value) { value } else { Marker::Filtered.as_str() });
            }
        }
        self.at += 1 + query.len();
        true
    }

    fn may_stay(&self, key: &str, value: &str) -> bool {
        let plain = value.len() <= 64 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.,:-".contains(&byte));
        plain && OPEN_QUERY_KEYS.contains(&key) && !self.scrubber.is_secret(key) && scrub(self.scrubber, value) == value
    }

    /// `eyJ….….…`, also without a signature. Runs are followed once: a second start in the same run ends the same way.
    fn jwt(&mut self) -> bool {
        let rest = self.rest();
        if !rest.starts_with("eyJ") || self.at < self.no_jwt_before || self.before().is_some_and(|c| c.is_ascii_alphabetic()) {
            return false;
        }
        let run = |text: &str| text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)).count();
        let header = run(rest);
        let after_dot = |at: usize| rest.get(at..).and_then(|text| text.strip_prefix('.')).map(|text| at + 1 + run(text));
        let Some(payload_end) = after_dot(header).filter(|end| *end > header + 4) else {
            self.no_jwt_before = self.at + header;
            return false;
        };
        self.replace(after_dot(payload_end).unwrap_or(payload_end), Marker::Token)
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// White space and what encloses a URL in prose, markup and JSON.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// A UUID, one of our own ids (`alr_` and 20 hex digits), or hex of the length of a trace id, a SHA-1 or a SHA-256 with
/// a letter in it: digits inside are nobody's.
fn is_opaque_id(word: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let uuid = word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.split('-').all(hex);
    let own = word.split_once('_').is_some_and(|(kind, id)| kind.len() == 3 && id.len() == 20 && hex(id));
    uuid || own || (matches!(word.len(), 32 | 40 | 64) && hex(word) && word.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

/// Where in `word` a vendor's key starts.
fn vendor_key_at(word: &str) -> Option<usize> {
    KEY_PREFIXES.into_iter().filter_map(|prefix| word.find(prefix).filter(|at| word.len() >= at + prefix.len() + 8)).min()
}

/// The longest domain at the start of `text`: labels and a last label that starts with a letter and has two characters.
fn domain_bytes(text: &str) -> usize {
    let (mut end, mut at) = (0, 0);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let label = rest.get(..rest.find(|c: char| !c.is_alphanumeric() && c != '-').unwrap_or(rest.len())).unwrap_or_default();
        let label = if rest.get(label.len()..).is_some_and(|more| more.starts_with('.')) { label } else { label.trim_end_matches('-') };
        if label.is_empty() {
            return end;
        }
        if at > 0 && label.chars().next().is_some_and(char::is_alphabetic) && label.chars().count() >= 2 {
            end = at + label.len();
        }
        at += label.len();
        if !text.get(at..).is_some_and(|more| more.starts_with('.')) {
            return end;
        }
        at += 1;
    }
}

/// After the words `Bearer` and `Basic`: where in `after` the credentials are.
fn credentials(word: &str, after: &str) -> Option<(usize, usize)> {
    let scheme = word.to_ascii_lowercase();
    let (bearer, basic) = (scheme.ends_with("bearer"), scheme.ends_with("basic"));
    let gap = after.bytes().take_while(|byte| *byte == b' ').count();
    if gap == 0 || !(bearer || basic) {
        return None;
    }
    let token = after.get(gap..)?;
    let token = token.get(..token.find(|c: char| !c.is_ascii_alphanumeric() && !"-._~+/=".contains(c)).unwrap_or(token.len()))?;
    // An ordinary word has no digit and no capital after its first letter.
    let coded = token.bytes().enumerate().any(|(at, byte)| byte.is_ascii_digit() || byte == b'=' || (at > 0 && byte.is_ascii_uppercase()));
    let secret = (bearer && (coded || token.len() >= 16)) || (basic && coded && token.len() >= 6);
    secret.then_some((gap, gap + token.len()))
}

/// The value of a secret key: where it is in `after`, the text behind the key. `None` when none is there.
fn value_of(key: &str, after: &str) -> Option<(usize, usize)> {
    let skip = |text: &'_ str, fits: fn(u8) -> bool| text.bytes().take_while(|byte| fits(*byte)).count();
    let rest = |at: usize| after.get(at..).unwrap_or_default();
    let blank = |byte: u8| byte == b' ' || byte == b'\t';
    let mut at = skip(rest(0), |byte| byte == b'\\');
    at += skip(rest(at), |byte| byte == b'"' || byte == b'\'').min(1);
    at += skip(rest(at), blank);
    let sign = ["=>", ":=", "==", "=", ":"].into_iter().find(|sign| rest(at).starts_with(sign))?;
    if rest(at).starts_with("::") {
        return None;
    }
    at += sign.len();
    at += skip(rest(at), blank);
    let escapes = skip(rest(at), |byte| byte == b'\\');
    let opened = rest(at + escapes).chars().next().filter(|c| matches!(c, '"' | '\''));
    let (from, length) = match opened {
        Some(quote) => (at + escapes + 1, quoted_bytes(rest(at + escapes + 1), quote, escapes)),
        None => (at, bare_bytes(key, rest(at))),
    };
    (length > 0).then_some((from, from + length))
}

/// Bytes up to the closing quote, or to the end.
fn quoted_bytes(text: &str, quote: char, backslashes: usize) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && (!escaped || backslashes > 0) {
            let head = text.get(..at).unwrap_or_default();
            return if backslashes > 0 { head.trim_end_matches('\\').len() } else { at };
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Bytes of a value without quotes: a bracketed value and what clings to it, a whole header line of a cookie or
/// credentials, else up to white space or what closes it; `Bearer x` is one value.
fn bare_bytes(key: &str, text: &str) -> usize {
    let rest = |at: usize| text.get(at..).unwrap_or_default();
    if Marker::starting(text).is_some() {
        return run_bytes(text);
    }
    if text.starts_with(['{', '[']) {
        let bracketed = bracketed_bytes(text);
        return bracketed + run_bytes(rest(bracketed));
    }
    let name = normalised(key);
    if name.contains("cookie") || name.contains("authorization") {
        return text.find(['\n', '\r', '"']).unwrap_or(text.len());
    }
    let length = run_bytes(text);
    let scheme = text.get(..length).unwrap_or_default().to_ascii_lowercase();
    let has_scheme = ["bearer", "basic", "token", "digest"].contains(&scheme.as_str()) && rest(length).starts_with(' ');
    if has_scheme { length + 1 + run_bytes(rest(length + 1)) } else { length }
}

fn run_bytes(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        if let Some(marker) = Marker::starting(rest) {
            at += marker.as_str().len();
            continue;
        }
        let mut chars = rest.chars();
        let Some(c) = chars.next() else { return at };
        let closes = |c: char| matches!(c, ',' | ';' | ')' | ']' | '}');
        let last = chars.next().is_none_or(|next| next.is_whitespace() || closes(next) || matches!(next, '"' | '\''));
        if ends_url(c) || c == '&' || (closes(c) && last) {
            return at;
        }
        at += c.len_utf8();
    }
}

fn bracketed_bytes(text: &str) -> usize {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => in_text = !in_text,
            '{' | '[' if !in_text => depth += 1,
            '}' | ']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}
