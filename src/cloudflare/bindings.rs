//! What the deployment hands the Worker: binding names in one place, and calls to our own Durable Objects.

use serde::Serialize;
use wasm_bindgen_futures::JsFuture;
use worker::{Env, Response, SqlStorageValue};

use super::glue;
use crate::record::{self, FromJson};

/// The D1 database.
pub(super) const DB: &str = "DB";

/// The Durable Object classes, by binding name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Merges flushes, one instance a shard.
    Collector,
    /// Exact limits, one instance a shard.
    Limiter,
    /// One tick at a time; a single instance.
    Engine,
}

impl Class {
    fn binding(self) -> &'static str {
        match self {
            Self::Collector => "COLLECTOR",
            Self::Limiter => "LIMITER",
            Self::Engine => "ENGINE",
        }
    }
}

/// `POST`s the JSON `text` to `path` of the Durable Object of `class` called `name` and gives its JSON answer; any status but 200
/// is an error.
pub(super) async fn call(env: &Env, class: Class, name: &str, path: &str, text: &str) -> worker::Result<String> {
    let namespace = js_sys::Reflect::get(env, &class.binding().into())?;
    let answer = JsFuture::from(glue::ask_object(&namespace, name, path, text)?).await?;
    Ok(answer.as_string().unwrap_or_default())
}

/// `body` as JSON text.
pub(super) fn text_of<B: Serialize>(body: &B) -> worker::Result<String> {
    Ok(serde_json::to_string(body)?)
}

/// What a JSON text says.
pub(super) fn read<A: FromJson>(text: &str) -> worker::Result<A> {
    record::read(text.as_bytes()).map_err(|error| worker::Error::RustError(error.to_string()))
}

/// A 200 with `body` as JSON.
pub(super) fn json<B: Serialize>(body: &B) -> worker::Result<Response> {
    Ok(Response::ok(text_of(body)?)?.with_headers(worker::Headers::from_iter([("content-type", "application/json")])))
}

/// A variable's or secret's text; `None` when it is not bound or empty.
pub(super) fn text(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &name.into()).ok()?.as_string()?;
    (!value.trim().is_empty()).then_some(value)
}

/// Which version of the Worker runs: its tag, or the first part of its id; `None` when it is not bound.
pub(super) fn version(env: &Env) -> Option<String> {
    let metadata = js_sys::Reflect::get(env, &"CF_VERSION_METADATA".into()).ok()?;
    let member = |name: &str| js_sys::Reflect::get(&metadata, &name.into()).ok()?.as_string().filter(|text| !text.is_empty());
    member("tag").or_else(|| member("id").map(|id| id.chars().take(8).collect()))
}

/// The text in column `index` of a row; empty if there is none.
pub(super) fn column_text(row: &[SqlStorageValue], index: usize) -> &str {
    match row.get(index) {
        Some(SqlStorageValue::String(text)) => text,
        _ => "",
    }
}

/// The whole number in column `index` of a row; 0 if there is none.
#[expect(clippy::cast_possible_truncation, reason = "SQLite's integers come as JavaScript numbers, whole and below 2^53")]
pub(super) fn column_int(row: &[SqlStorageValue], index: usize) -> i64 {
    match row.get(index) {
        Some(SqlStorageValue::Integer(number)) => *number,
        Some(SqlStorageValue::Float(number)) => *number as i64,
        _ => 0,
    }
}
