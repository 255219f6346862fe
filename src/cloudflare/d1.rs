//! [`Db`] on D1: `batch` is a transaction; integers are bound as JavaScript numbers; rows come back as JSON objects.

use wasm_bindgen::JsValue;
use worker::{D1Database, D1Result, Env};

use super::bindings;
use crate::ports::{Db, DbError};
use crate::storage::{Param, Statement, StatementResult};

/// The bound database.
pub(super) struct D1(D1Database);

impl D1 {
    /// The database bound as `DB`.
    pub(super) fn bound(env: &Env) -> Result<Self, DbError> {
        env.d1(bindings::DB).map(Self).map_err(|error| DbError::Refused { message: error.to_string() })
    }
}

impl Db for D1 {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<StatementResult>, DbError> {
        let prepared = statements
            .iter()
            .map(|statement| self.0.prepare(statement.sql).bind(&statement.params.iter().map(bound).collect::<Vec<_>>()))
            .collect::<worker::Result<Vec<_>>>()
            .map_err(|error| db_error(&error))?;
        let results = self.0.batch(prepared).await.map_err(|error| db_error(&error))?;
        results.iter().map(read).collect()
    }
}

fn bound(param: &Param) -> JsValue {
    match param {
        Param::Null => JsValue::NULL,
        Param::Int(value) => JsValue::from_f64(*value as f64),
        Param::Real(value) => JsValue::from_f64(*value),
        Param::Text(value) => JsValue::from_str(value),
    }
}

fn read(result: &D1Result) -> Result<StatementResult, DbError> {
    let rows = result.results::<serde_json::Value>().map_err(|error| db_error(&error))?;
    let meta = result.meta().ok().flatten();
    let count = |value: Option<usize>| value.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    Ok(StatementResult {
        rows,
        changes: count(meta.as_ref().and_then(|meta| meta.changes)),
        rows_read: count(meta.as_ref().and_then(|meta| meta.rows_read)),
        rows_written: count(meta.as_ref().and_then(|meta| meta.rows_written)),
    })
}

/// Only the first line: worker's D1 errors print a JavaScript stack below it.
fn db_error(error: &worker::Error) -> DbError {
    let text = match error {
        worker::Error::D1(error) => error.cause(),
        other => other.to_string(),
    };
    let message = text.lines().next().unwrap_or_default().to_owned();
    if message.contains("connection lost") || message.contains("reset") { DbError::Lost { message } } else { DbError::Refused { message } }
}
