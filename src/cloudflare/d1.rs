//! [`Db`] on D1: one batch is one transaction, one JSON text of statements going in and one of rows coming back.
//!
//! JSON because the rows are read as JSON values anyway; going through serde for every JavaScript value would be a second
//! reader in the Worker. Integers are JavaScript numbers: below 2^53.

use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::Env;

use super::{bindings, glue};
use crate::ports::{Db, DbError};
use crate::record::{self, record};
use crate::storage::{Param, Statement, StatementResult};

/// The bound database.
pub(super) struct D1(JsValue);

impl D1 {
    /// The database bound as `DB`.
    pub(super) fn bound(env: &Env) -> Result<Self, DbError> {
        match js_sys::Reflect::get(env, &bindings::DB.into()) {
            Ok(database) if database.is_object() => Ok(Self(database)),
            _ => Err(DbError::Refused { message: format!("there is no D1 database bound as {}", bindings::DB) }),
        }
    }
}

impl Db for D1 {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<StatementResult>, DbError> {
        let asked: Vec<Value> = statements.into_iter().map(written).collect();
        let answer = match glue::d1_batch(&self.0, &Value::Array(asked).to_string()) {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        // What a person is answered does not say why, so it is said here, once for every caller.
        let text = answer
            .map_err(|error| db_error(&error))
            .inspect_err(|error| worker::console_error!("d1: {error}"))?
            .as_string()
            .unwrap_or_default();
        let results: Vec<Answered> = record::read(text.as_bytes()).map_err(|error| DbError::Refused { message: error.to_string() })?;
        Ok(results.into_iter().map(StatementResult::from).collect())
    }
}

/// `[sql, parameter, …]`.
fn written(statement: Statement) -> Value {
    let mut parts = vec![Value::from(statement.sql)];
    for param in statement.params {
        parts.push(match param {
            Param::Null => Value::Null,
            Param::Int(value) => value.into(),
            Param::Real(value) => value.into(),
            Param::Text(value) => value.into(),
        });
    }
    Value::Array(parts)
}

struct Answered {
    rows: Vec<Value>,
    changes: u64,
    rows_read: u64,
    rows_written: u64,
}

record!(Answered { rows, changes, rows_read, rows_written });

impl From<Answered> for StatementResult {
    fn from(answered: Answered) -> Self {
        let Answered { rows, changes, rows_read, rows_written } = answered;
        Self { rows, changes, rows_read, rows_written }
    }
}

/// What D1 says, without the JavaScript stack.
fn db_error(error: &JsValue) -> DbError {
    let text = error.dyn_ref::<js_sys::Error>().map_or_else(String::new, |error| error.message().into());
    let message = text.lines().next().unwrap_or_default().to_owned();
    if message.contains("connection lost") || message.contains("reset") { DbError::Lost { message } } else { DbError::Refused { message } }
}
