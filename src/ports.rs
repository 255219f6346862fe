//! The two doors to the outside: the database and outgoing HTTP.
//!
//! Each has two implementations: D1 and `fetch` in the Worker's shell; a real SQLite and scripted servers in the tests.
//! Nothing else in the core is a trait. Both ports have errors of their own, so the core never sees a `worker` type.

use serde::Serialize;

use crate::storage::{Statement, StatementResult};

/// Why the database did not do what was asked. Either nothing of the batch happened, or (`Lost`) nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// The database answered with an error; a batch that fails changes nothing.
    #[error("the database refused: {message}")]
    Refused {
        /// What it said.
        message: String,
    },
    /// The connection broke: the batch may or may not have been applied.
    #[error("the database did not answer: {message}")]
    Lost {
        /// What broke.
        message: String,
    },
    /// A row did not have the shape its reader expects.
    #[error("a row of {table} does not read as expected: {message}")]
    Shape {
        /// The table read.
        table: &'static str,
        /// What did not fit.
        message: String,
    },
}

/// The system of record: D1 in the Worker.
#[expect(async_fn_in_trait, reason = "both implementations are single-threaded; no Send bound is wanted")]
pub trait Db {
    /// Runs the statements in order as one transaction: all of them or none. One result per statement.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<StatementResult>, DbError>;
}

/// An outgoing request. Redirects are never followed.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct HttpRequest {
    /// `POST`, `GET`, …
    pub method: String,
    /// The absolute URL. May hold a secret: never log it; see [`HttpRequest::peer`].
    pub url: String,
    /// Header names and values, in order. May hold secrets.
    pub headers: Vec<(String, String)>,
    /// The body as sent.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({} headers, {} bytes)", self.method, self.peer(), self.headers.len(), self.body.len())
    }
}

impl HttpRequest {
    /// Scheme and host of the URL, the only part of it that may be shown: webhook paths are secrets.
    pub fn peer(&self) -> &str {
        let after_scheme = self.url.find("://").map_or(0, |at| at + 3);
        let rest = self.url.get(after_scheme..).unwrap_or_default();
        let host_bytes = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = self.url.get(..after_scheme + host_bytes).unwrap_or_default();
        if rest.get(..host_bytes).is_some_and(|host| host.contains('@')) { "(address with credentials)" } else { host }
    }
}

/// What a peer answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// At most the first [`MAX_RESPONSE_BYTES`] of the body.
    pub body: Vec<u8>,
}

/// What is kept of a peer's answer: enough for any vendor's error text.
pub const MAX_RESPONSE_BYTES: usize = 4_096;

impl HttpResponse {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No complete answer within the bound; the peer may have acted.
    #[error("no answer within {after_ms} ms")]
    Timeout {
        /// The bound.
        after_ms: u32,
    },
    /// The connection failed or broke; the peer may have acted.
    #[error("the connection failed: {message}")]
    Network {
        /// What the runtime said, without the URL.
        message: String,
    },
    /// The URL is not one that can be called.
    #[error("not a URL that can be called")]
    BadUrl,
}

/// Outgoing HTTP.
#[expect(async_fn_in_trait, reason = "both implementations are single-threaded; no Send bound is wanted")]
pub trait Http {
    /// Sends once, follows no redirect, waits at most `timeout_ms`.
    async fn send(&self, request: HttpRequest, timeout_ms: u32) -> Result<HttpResponse, HttpError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_and_host_of_a_webhook_are_ever_shown() {
        let request = HttpRequest {
            method: "POST".into(),
            url: "https://hooks.slack.com/services/T0/B0/secret".into(),
            headers: vec![("authorization".into(), "Bearer secret".into())],
            body: vec![],
        };
        assert_eq!(format!("{request:?}"), "POST https://hooks.slack.com (1 headers, 0 bytes)");
        let with_user = HttpRequest { url: "https://user:secret@peer.example/x".into(), ..request };
        assert_eq!(with_user.peer(), "(address with credentials)");
    }
}
