//! The database of the native tests: a real SQLite with every migration applied, and failures on demand.

use std::cell::{Cell, RefCell};

use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value as Sql};

use super::{Param, Statement, StatementResult};
use crate::ports::{Db, DbError};

/// An in-memory database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: RefCell<rusqlite::Connection>,
    failure: Cell<Option<Failure>>,
    steps: Cell<i32>,
}

/// What the next batch does instead of working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is refused; nothing happens.
    Refuse,
    /// It happens, and the answer is lost.
    LoseAnswer,
}

impl Sqlite {
    /// A database as a fresh deployment has it.
    pub(crate) fn new() -> Self {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let mut files: Vec<_> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            connection.execute_batch(&std::fs::read_to_string(file).unwrap()).unwrap();
        }
        // D1's own limits: the bounds of a statement are documented, that of UNION was found by asking it.
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
        ] {
            connection.set_limit(limit, most).unwrap();
        }
        Self { connection: RefCell::new(connection), failure: Cell::new(None), steps: Cell::new(0) }
    }

    /// What everything so far took, in steps of SQLite's machine: the same on every computer.
    pub(crate) fn steps(&self) -> i32 {
        self.steps.get()
    }

    /// The next batch fails that way.
    pub(crate) fn fail_next(&self, failure: Failure) {
        self.failure.set(Some(failure));
    }
}

impl rusqlite::ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Sql::Null),
            Self::Int(value) => (*value).into(),
            Self::Real(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
        })
    }
}

impl Db for Sqlite {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<StatementResult>, DbError> {
        let failure = self.failure.take();
        if failure == Some(Failure::Refuse) {
            return Err(DbError::Refused { message: "asked to refuse".into() });
        }
        let mut connection = self.connection.borrow_mut();
        let refused = |error: rusqlite::Error| DbError::Refused { message: error.to_string() };
        let transaction = connection.transaction().map_err(refused)?;
        let results =
            statements.iter().map(|statement| run(&transaction, statement, &self.steps)).collect::<Result<Vec<_>, _>>().map_err(refused)?;
        transaction.commit().map_err(refused)?;
        if failure == Some(Failure::LoseAnswer) {
            return Err(DbError::Lost { message: "asked to lose the answer".into() });
        }
        Ok(results)
    }
}

fn run(transaction: &rusqlite::Transaction<'_>, statement: &Statement, steps: &Cell<i32>) -> rusqlite::Result<StatementResult> {
    let before = transaction.total_changes();
    let mut prepared = transaction.prepare(statement.sql)?;
    let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let params = rusqlite::params_from_iter(&statement.params);
    let rows = prepared
        .query_map(params, |row| {
            let value = |(index, name): (usize, &String)| Ok((name.clone(), json(row.get::<_, Sql>(index)?)));
            names.iter().enumerate().map(value).collect::<rusqlite::Result<serde_json::Map<_, _>>>().map(serde_json::Value::Object)
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    steps.set(steps.get() + prepared.get_status(rusqlite::StatementStatus::VmStep));
    Ok(StatementResult { rows, changes: transaction.total_changes() - before, rows_read: 0, rows_written: 0 })
}

fn json(value: Sql) -> serde_json::Value {
    match value {
        Sql::Null => serde_json::Value::Null,
        Sql::Integer(value) => value.into(),
        Sql::Real(value) => value.into(),
        Sql::Text(value) => value.into(),
        Sql::Blob(value) => value.into(),
    }
}

/// Runs a future that never waits, as everything does natively: the database above answers at once.
pub(crate) fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the future waits for something no test will ever do"),
    }
}
