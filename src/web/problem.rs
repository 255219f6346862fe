//! Errors as `application/problem+json` (RFC 9457): what is wrong, where, and what to do.

use serde::Serialize;

use crate::ports::DbError;

/// One refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A URI reference that names the kind of problem.
    pub r#type: String,
    /// The kind of problem in words; the same for every occurrence.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence: what was sent, what is expected.
    pub detail: String,
    /// A stable word for programs.
    pub code: &'static str,
    /// Which members of the request are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The request, for whoever is asked about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One wrong member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A JSON pointer into the request body, or a parameter's name.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem of our own kind; its type is a page below the console's documentation.
    pub fn new(status: u16, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("/_parapet/problems/{code}"),
            title,
            status,
            detail: detail.into(),
            code,
            errors: Vec::new(),
            request_id: None,
        }
    }

    /// 400: the request cannot be read.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(400, code, "The request cannot be understood", detail)
    }

    /// 404: nothing of ours answers that path.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "not_found", "There is nothing here", detail)
    }

    /// 405: the path exists for other methods.
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self::new(405, "method_not_allowed", "This path does not take that method", format!("Use {allowed}."))
    }

    /// 503: a part of Parapet does not answer; nothing was stored.
    pub fn unavailable(what: &str) -> Self {
        Self::new(
            503,
            "unavailable",
            "Parapet cannot do this right now",
            format!("{what} does not answer; nothing was stored. Send the same request again in a few seconds."),
        )
    }

    /// The same of the database, whatever it said.
    pub fn no_database(_: DbError) -> Self {
        Self::unavailable("The database")
    }

    /// With one wrong member.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// With the request's id.
    #[must_use]
    pub fn for_request(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.to_owned());
        self
    }

    /// The body as sent.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The content type of every error.
pub const CONTENT_TYPE: &str = "application/problem+json";
