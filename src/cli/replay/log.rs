//! A line of an access log in the combined (or common) format.
//!
//! Invariant: a line either reads whole, or is refused with the reason; nothing is guessed. What a log holds was
//! written by whoever sent it: a target that could end a request line, or split it, makes a bad line.

use std::net::IpAddr;

use chrono::DateTime;

use crate::time::UnixMs;

/// One request as a server logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logged {
    /// The client.
    pub(super) client: IpAddr,
    /// When it was answered; logs are not in order to the second.
    pub(super) at: UnixMs,
    /// `GET`, …
    pub(super) method: String,
    /// Path and query, unchanged.
    pub(super) target: String,
    /// The status that was answered.
    pub(super) status: u16,
    /// The size of the body; `-` is 0.
    pub(super) bytes: u64,
    /// Without the `-` that stands for none.
    pub(super) referrer: Option<String>,
    /// Without the `-` that stands for none.
    pub(super) user_agent: Option<String>,
}

/// Why a line is not a request that can be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadLine {
    #[error("it ends before the {0}")]
    Ends(&'static str),
    #[error("`{0}` is not an address; turn off HostnameLookups where the log is written")]
    Client(String),
    #[error("`{0}` is not a time such as 17/May/2015:10:05:03 +0000")]
    Time(String),
    #[error("{0:?} is not a request line such as GET / HTTP/1.1")]
    Request(String),
    #[error("`{0}` is not a status from 200 to 599")]
    Status(String),
    #[error("`{0}` is not a size")]
    Size(String),
}

/// Reads one line, without its line end. Fields after the user agent are ignored: many servers add their own.
pub(super) fn parse(line: &str) -> Result<Logged, BadLine> {
    let mut rest = Rest(line);
    let client = rest.word("address")?;
    let client = client.parse().map_err(|_| BadLine::Client(shown(client)))?;
    rest.word("identity")?;
    rest.word("user")?;
    let time = rest.between('[', ']', "time")?;
    let at = DateTime::parse_from_str(time, "%d/%b/%Y:%H:%M:%S %z").map_err(|_| BadLine::Time(shown(time)))?;
    let request = rest.quoted("request")?;
    let (method, target) = request_line(&request).ok_or_else(|| BadLine::Request(shown(&request)))?;
    let status = rest.word("status")?;
    let status = status.parse().ok().filter(|status| (200..600).contains(status)).ok_or_else(|| BadLine::Status(shown(status)))?;
    let size = rest.word("size")?;
    let bytes = if size == "-" { 0 } else { size.parse().map_err(|_| BadLine::Size(shown(size)))? };
    let given = |text: String| (!text.is_empty() && text != "-").then_some(text);
    let (referrer, user_agent) = if rest.0.trim().is_empty() {
        (None, None) // the common format ends here
    } else {
        (given(rest.quoted("referrer")?), given(rest.quoted("user agent")?))
    };
    Ok(Logged { client, at: UnixMs(at.timestamp_millis()), method, target, status, bytes, referrer, user_agent })
}

/// Method and target of a request line that a client can send as it is.
fn request_line(text: &str) -> Option<(String, String)> {
    let (method, rest) = text.split_once(' ')?;
    let (target, protocol) = rest.rsplit_once(' ')?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let visible = |c: char| !c.is_whitespace() && !c.is_control();
    let sendable = !method.is_empty() && method.chars().all(token) && target.starts_with('/') && target.chars().all(visible);
    (sendable && protocol.starts_with("HTTP/")).then(|| (method.to_owned(), target.to_owned()))
}

/// A log's text in a message: short, and nothing a terminal obeys.
fn shown(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What is left of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn word(&mut self, what: &'static str) -> Result<&'a str, BadLine> {
        let start = self.0.trim_start_matches(' ');
        let (word, rest) = start.split_once(' ').unwrap_or((start, ""));
        self.0 = rest;
        if word.is_empty() { Err(BadLine::Ends(what)) } else { Ok(word) }
    }

    fn between(&mut self, open: char, close: char, what: &'static str) -> Result<&'a str, BadLine> {
        let start = self.0.trim_start_matches(' ').strip_prefix(open).ok_or(BadLine::Ends(what))?;
        let (inside, rest) = start.split_once(close).ok_or(BadLine::Ends(what))?;
        self.0 = rest;
        Ok(inside)
    }

    /// Text in quotes, in which `\"` and `\\` stand for `"` and `\`.
    fn quoted(&mut self, what: &'static str) -> Result<String, BadLine> {
        let start = self.0.trim_start_matches(' ').strip_prefix('"').ok_or(BadLine::Ends(what))?;
        let mut text = String::new();
        let mut chars = start.char_indices();
        while let Some((index, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = start.get(index + 1..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(BadLine::Ends(what))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /presentations/a.png?x=%20b HTTP/1.1" 200 203023 "http://semicomplete.com/p/" "Mozilla/5.0 (Macintosh) \"q\"""#;

    #[test]
    fn a_combined_line_reads_whole() {
        let logged = parse(LINE).unwrap();
        assert_eq!(logged.at.rfc3339(), "2015-05-17T10:05:03.000Z");
        assert_eq!((logged.method.as_str(), logged.target.as_str()), ("GET", "/presentations/a.png?x=%20b"));
        assert_eq!((logged.status, logged.bytes, logged.client.to_string()), (200, 203_023, "83.149.9.216".into()));
        assert_eq!(logged.user_agent.as_deref(), Some("Mozilla/5.0 (Macintosh) \"q\""));
    }

    #[test]
    fn other_servers_lines_read_too() {
        for (line, target, bytes) in [
            (r#"::1 - frank [10/Oct/2000:13:55:36 -0700] "HEAD / HTTP/1.0" 304 -"#, "/", 0),
            (r#"10.0.0.1 - - [10/Oct/2000:13:55:36 +0200] "POST //a/../b?c=\\x00 HTTP/2.0" 499 0 "-" "-""#, r"//a/../b?c=\x00", 0),
            (r#"10.0.0.1 - - [10/Oct/2000:13:55:36 +0200] "GET /ä%zz HTTP/1.1" 200 5 "-" "curl" "203.0.113.9" rt=0.1"#, "/ä%zz", 5),
        ] {
            let logged = parse(line).unwrap();
            assert_eq!((logged.target.as_str(), logged.bytes), (target, bytes), "{line}");
            assert!(logged.referrer.is_none(), "{line}");
        }
    }

    #[test]
    fn a_bad_line_says_what_is_wrong_with_it() {
        let table = [
            ("", "it ends before the address"),
            ("# comment", "`#` is not an address; turn off HostnameLookups where the log is written"),
            (
                "a.example - - [17/May/2015:10:05:03 +0000]",
                "`a.example` is not an address; turn off HostnameLookups where the log is written",
            ),
            (r#"10.0.0.1 - - "GET / HTTP/1.1" 200 1"#, "it ends before the time"),
            (r#"10.0.0.1 - - [today] "GET / HTTP/1.1" 200 1"#, "`today` is not a time such as 17/May/2015:10:05:03 +0000"),
            (r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTT"#, "it ends before the request"),
            (
                r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 1"#,
                r#""\\x16\\x03\\x01" is not a request line such as GET / HTTP/1.1"#,
            ),
            (
                r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a b HTTP/1.1" 200 1"#,
                r#""GET /a b HTTP/1.1" is not a request line such as GET / HTTP/1.1"#,
            ),
            (
                r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "CONNECT a:443 HTTP/1.1" 400 1"#,
                r#""CONNECT a:443 HTTP/1.1" is not a request line such as GET / HTTP/1.1"#,
            ),
            (r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 101 1"#, "`101` is not a status from 200 to 599"),
            (r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1k"#, "`1k` is not a size"),
            (r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "cut off"#, "it ends before the user agent"),
        ];
        for (line, why) in table {
            assert_eq!(parse(line).unwrap_err().to_string(), why, "{line}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_line_holds_it_is_answered_and_cannot_split_a_request(line in "\\PC{0,120}", agent in "[^\"\\\\]{0,40}") {
            let _ = parse(&line);
            let crafted = format!(r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /{line} HTTP/1.1" 200 1 "-" "{agent}""#);
            if let Ok(logged) = parse(&crafted) {
                prop_assert!(!logged.target.contains(|c: char| c.is_control() || c == ' '));
            }
        }
    }
}
