//! SQL as data: a [`Statement`] is text and parameters, a row is a JSON object; one file per table family.
//!
//! Limits (D1): 100 bound parameters a statement, 100 KB of SQL, 2 MB a row, so many rows travel as ONE JSON parameter
//! read by `json_each(?1)`. Integers are bound as JavaScript numbers: they must stay below 2^53.

use serde::Serialize;

use crate::ids;
use crate::ports::DbError;
use crate::record::{self, FromJson, record};

pub mod alerts;
pub mod config;
pub mod deliveries;
pub mod deploys;
pub mod episodes;
pub mod groups;
pub mod incidents;
pub mod links;
pub mod outbox;
pub mod pushed;
pub mod rollup;
pub mod series;
pub mod silences;
#[cfg(test)]
pub(crate) mod sqlite;
pub mod tokens;
pub mod trend;

/// A bound value.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// SQL NULL.
    Null,
    /// An integer below 2^53 in size.
    Int(i64),
    /// A floating-point number.
    Real(f64),
    /// Text (JSON included).
    Text(String),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Param {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Param>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One SQL statement with numbered parameters (`?1`, `?2`, …).
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text.
    pub sql: &'static str,
    /// What `?1`, `?2`, … stand for.
    pub params: Vec<Param>,
}

impl Statement {
    /// A statement and its parameters.
    pub fn new(sql: &'static str, params: impl IntoIterator<Item = Param>) -> Self {
        Self { sql, params: params.into_iter().collect() }
    }
}

/// What one statement of a batch gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatementResult {
    /// The rows, each a JSON object keyed by column name.
    pub rows: Vec<serde_json::Value>,
    /// Rows inserted, updated or deleted.
    pub changes: u64,
    /// What D1 bills as read; 0 where the runtime does not say.
    pub rows_read: u64,
    /// What D1 bills as written; 0 where the runtime does not say.
    pub rows_written: u64,
}

impl StatementResult {
    /// The rows as `T`, or which table did not read as expected.
    pub fn decode<T: FromJson>(self, table: &'static str) -> Result<Vec<T>, DbError> {
        self.rows.into_iter().map(|row| T::from_json(row).map_err(|error| DbError::Shape { table, message: error.to_string() })).collect()
    }

    /// The column `body` of each row, JSON, as `T`.
    pub fn bodies<T: FromJson>(self, table: &'static str) -> Result<Vec<T>, DbError> {
        let shape = |error: record::Unreadable| DbError::Shape { table, message: error.to_string() };
        self.decode::<Body>(table)?.into_iter().map(|row| record::read(row.body.as_bytes()).map_err(shape)).collect()
    }
}

struct Body {
    body: String,
}

record!(Body { body, .. });

/// A state as stored, and the digest that tells whose write it is.
pub fn body_and_digest(state: &impl Serialize) -> (String, String) {
    let body = serde_json::to_string(state).unwrap_or_default();
    let digest = format!("{:016x}", ids::hash64(body.as_bytes()));
    (body, digest)
}
