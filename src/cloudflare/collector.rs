//! The Collector Durable Object: one writer per shard, so D1 rows are idempotent overwrites.
//!
//! Calls: `/write` a [`Write`], `/window` a [`Ask`], `/totals`, `/config` a version. Once a minute the alarm writes the
//! closed minutes to D1 and checkpoints.
//!
//! Invariant: a `/write` is on this object's disk before it is answered: its batch is journalled in the same turn that
//! merges it (writes without an await between them are atomic, and the output gate holds the answer until they are
//! durable). A restart reads the checkpoint and applies the journal that came after it. The journal's (isolate, sequence)
//! is kept an hour and ids of ingested metrics a day, so what is sent again counts once.

use std::cell::{Cell as Slot, RefCell};
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use worker::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, SqlStorage, SqlStorageValue, State, durable_object};

use super::bindings::{column_int, column_text};
use super::d1::D1;
use super::{bindings, clock, report};
use crate::ports::Db;
use crate::record::record;
use crate::storage;
use crate::telemetry::buffer::Batch;
use crate::telemetry::window::{Bounds, Checkpoint, Detail, LATE_MS, LIVE_MS, LiveAnswer, Part, Window};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs};

/// A batch for one shard, with the bounds of the sender's configuration.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Write {
    /// The shard this Collector is.
    pub(super) shard: u32,
    /// The bounds to hold.
    pub(super) bounds: Bounds,
    /// What to count.
    pub(super) batch: Batch,
}

/// What a `/write` answers once the batch is on disk.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Written {
    /// The configuration version in force, for isolates to follow.
    pub(super) config_version: i64,
}

record!(Written { config_version, .. });

/// A window question.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Ask {
    /// The window's end.
    pub(super) now: UnixMs,
    /// Its length.
    pub(super) window_ms: i64,
    /// How much of it.
    pub(super) detail: Detail,
}

record!(Ask { now, window_ms, detail });

/// How long after a minute's end it is written: stragglers of the last flush have come by then.
const SETTLE_MS: i64 = 3 * SECOND_MS;
/// How long a D1 that refused is left alone.
const D1_RETRY_MS: i64 = 10 * SECOND_MS;
/// SQLite rows of a Durable Object hold 2 MB; a stored part is cut into pieces below that.
const CHUNK_CHARS: usize = 500_000;

/// The Collector.
#[durable_object(alarm)]
pub struct Collector {
    state: State,
    env: Env,
    memory: RefCell<Option<Memory>>,
    alarm_is_set: Slot<bool>,
}

struct Memory {
    window: Window,
    shard: u32,
    bounds: Bounds,
    config_version: i64,
    next_ingest_seq: i64,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Collector")
    }
}

impl DurableObject for Collector {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, memory: RefCell::new(None), alarm_is_set: Slot::new(false) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let body = request.text().await?;
        let now = clock::now();
        self.wake(now)?;
        match request.path().as_str() {
            "/write" => {
                let written = self.write(serde_json::from_str(&body)?, now)?;
                self.arm(now).await;
                bindings::json(&written)
            }
            "/window" => {
                let ask: Ask = bindings::read(&body)?;
                self.with_memory(|memory| Ok(memory.window.live(ask.now, ask.window_ms, ask.detail))).and_then(|live| bindings::json(&live))
            }
            "/totals" => self
                .with_memory(|memory| Ok(LiveAnswer { slices: Vec::new(), cells: memory.window.totals(), lag_ms: 0 }))
                .and_then(|totals| bindings::json(&totals)),
            "/config" => {
                let version: i64 = bindings::read(&body)?;
                self.set_config_version(version)?;
                bindings::json(&version)
            }
            _ => Response::error("no such call", 404),
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        let now = clock::now();
        self.alarm_is_set.set(false);
        self.wake(now)?;
        let outcome = self.write_to_d1(now).await;
        self.checkpoint(now)?;
        let unwritten = self.with_memory(|memory| Ok(memory.window.unwritten_minutes().len()))?;
        if let Err(message) = &outcome {
            self.set_alarm(now.plus(D1_RETRY_MS)).await;
            report::own(&self.env, "collector", &format!("minutes are not in D1 yet: {message}")).await;
        } else if unwritten > 0 {
            self.arm(now).await;
        }
        Response::ok("")
    }
}

impl Collector {
    fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }

    fn with_memory<T>(&self, read: impl FnOnce(&mut Memory) -> worker::Result<T>) -> worker::Result<T> {
        let mut memory = self.memory.borrow_mut();
        read(memory.as_mut().ok_or_else(|| worker::Error::RustError("the Collector has not woken".to_owned()))?)
    }

    /// Reads the disk into memory, once per life of the object.
    fn wake(&self, now: UnixMs) -> worker::Result<()> {
        if self.memory.borrow().is_some() {
            return Ok(());
        }
        let sql = self.sql();
        for statement in SCHEMA {
            sql.exec(statement, None)?;
        }
        let unwritten: Vec<UnixMs> = self.meta("unwritten")?.and_then(|text| bindings::read(&text).ok()).unwrap_or_default();
        let window = Window::restored(self.stored_parts()?, &unwritten);
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut memory = Memory {
            window,
            shard: u32::try_from(number(self.meta("shard")?)).unwrap_or_default(),
            bounds: Bounds { max_series: usize::MAX, max_series_per_name: usize::MAX },
            config_version: number(self.meta("config_version")?),
            next_ingest_seq: now.0,
        };
        for row in sql.exec("SELECT at, body FROM journal WHERE body IS NOT NULL ORDER BY at", None)?.raw() {
            let row = row?;
            match serde_json::from_str::<Write>(column_text(&row, 1)) {
                Ok(write) => memory.window.apply(&write.batch, UnixMs(column_int(&row, 0)), write.bounds),
                Err(error) => worker::console_error!("collector: a journal row does not read: {error}"),
            }
        }
        self.memory.replace(Some(memory));
        Ok(())
    }

    /// Journals and merges a batch in one turn: no await between the first write and the last.
    fn write(&self, mut write: Write, now: UnixMs) -> worker::Result<Written> {
        let sql = self.sql();
        self.with_memory(|memory| {
            let written = Written { config_version: memory.config_version };
            let (isolate, seq) = if let Some(writer) = &write.batch.writer {
                (writer.isolate.clone(), i64::try_from(writer.seq).unwrap_or(i64::MAX))
            } else {
                memory.next_ingest_seq += 1;
                ("ingest".to_owned(), memory.next_ingest_seq)
            };
            let known = sql.exec("SELECT seq FROM journal WHERE isolate = ? AND seq = ?", vec![isolate.clone().into(), seq.into()])?;
            if known.raw().next().is_some() {
                return Ok(written);
            }
            let fresh_ids = keep_unknown(&sql, &mut write.batch)?;
            if memory.shard != write.shard {
                set_meta(&sql, "shard", &write.shard.to_string())?;
                memory.shard = write.shard;
            }
            memory.bounds = write.bounds;
            let body = serde_json::to_string(&write)?;
            sql.exec(
                "INSERT INTO journal (isolate, seq, at, body) VALUES (?, ?, ?, ?)",
                vec![isolate.into(), seq.into(), now.0.into(), body.into()],
            )?;
            if !fresh_ids.is_empty() {
                sql.exec(
                    "INSERT INTO event (id, at) SELECT value, ? FROM json_each(?)",
                    vec![now.0.into(), serde_json::to_string(&fresh_ids)?.into()],
                )?;
            }
            memory.window.apply(&write.batch, now, write.bounds);
            Ok(written)
        })
    }

    async fn write_to_d1(&self, now: UnixMs) -> Result<(), String> {
        let (shard, slices, mark) = self
            .with_memory(|memory| {
                memory.window.expire(now, memory.bounds);
                let (slices, mark) = memory.window.unwritten(now);
                Ok((memory.shard, slices, mark))
            })
            .map_err(|error| error.to_string())?;
        let db = D1::bound(&self.env).map_err(|error| error.to_string())?;
        if !slices.is_empty() {
            db.batch(storage::series::write_minutes(shard, &slices)).await.map_err(|error| error.to_string())?;
        }
        let active = super::active::version(&db).await.map_err(|error| error.to_string())?;
        self.with_memory(|memory| {
            memory.window.written(&mark);
            Ok(())
        })
        .and_then(|()| self.set_config_version(active))
        .map_err(|error| error.to_string())
    }

    /// Stores what changed and drops what is over, in one turn.
    fn checkpoint(&self, now: UnixMs) -> worker::Result<()> {
        let sql = self.sql();
        self.with_memory(|memory| {
            for (part, t, cells) in memory.window.checkpoint() {
                let key: Vec<SqlStorageValue> = vec![part.as_str().into(), t.0.into()];
                sql.exec("DELETE FROM checkpoint WHERE part = ? AND t = ?", key)?;
                let text: Vec<char> = serde_json::to_string(&cells)?.chars().collect();
                for (chunk, piece) in (0_i64..).zip(text.chunks(CHUNK_CHARS)) {
                    let row = vec![part.as_str().into(), t.0.into(), chunk.into(), piece.iter().collect::<String>().into()];
                    sql.exec("INSERT INTO checkpoint (part, t, chunk, body) VALUES (?, ?, ?, ?)", row)?;
                }
            }
            let unwritten = memory.window.unwritten_minutes();
            let kept_from = unwritten.first().copied().unwrap_or(now).0.min(now.0 - LATE_MS - 2 * MINUTE_MS);
            set_meta(&sql, "unwritten", &serde_json::to_string(&unwritten)?)?;
            sql.exec("UPDATE journal SET body = NULL WHERE body IS NOT NULL", None)?;
            sql.exec("DELETE FROM journal WHERE at < ?", vec![(now.0 - HOUR_MS).into()])?;
            sql.exec("DELETE FROM event WHERE at < ?", vec![(now.0 - DAY_MS).into()])?;
            sql.exec("DELETE FROM checkpoint WHERE part = 'ten' AND t < ?", vec![(now.0 - LIVE_MS - MINUTE_MS).into()])?;
            sql.exec("DELETE FROM checkpoint WHERE part = 'minute' AND t < ?", vec![kept_from.into()])?;
            Ok(())
        })
    }

    fn set_config_version(&self, version: i64) -> worker::Result<()> {
        let sql = self.sql();
        self.with_memory(|memory| {
            if memory.config_version != version {
                set_meta(&sql, "config_version", &version.to_string())?;
                memory.config_version = version;
            }
            Ok(())
        })
    }

    fn meta(&self, key: &str) -> worker::Result<Option<String>> {
        let row = self.sql().exec("SELECT value FROM meta WHERE key = ?", vec![key.into()])?.raw().next().transpose()?;
        Ok(row.map(|row| column_text(&row, 0).to_owned()))
    }

    fn stored_parts(&self) -> worker::Result<Vec<Checkpoint>> {
        let mut parts: Vec<(Part, UnixMs, String)> = Vec::new();
        for row in self.sql().exec("SELECT part, t, body FROM checkpoint ORDER BY part, t, chunk", None)?.raw() {
            let row = row?;
            let Some(part) = Part::from_str(column_text(&row, 0)) else { continue };
            let (t, body) = (UnixMs(column_int(&row, 1)), column_text(&row, 2));
            match parts.last_mut().filter(|(known, begun, _)| *known == part && *begun == t) {
                Some((_, _, text)) => text.push_str(body),
                None => parts.push((part, t, body.to_owned())),
            }
        }
        parts.into_iter().map(|(part, t, text)| Ok((part, t, serde_json::from_str(&text)?))).collect()
    }

    /// Makes sure the alarm rings shortly after this minute ends.
    async fn arm(&self, now: UnixMs) {
        if !self.alarm_is_set.get() {
            self.set_alarm(now.floor(MINUTE_MS).plus(MINUTE_MS + SETTLE_MS)).await;
        }
    }

    async fn set_alarm(&self, at: UnixMs) {
        self.alarm_is_set.set(true);
        if let Err(error) = self.state.storage().set_alarm(at.utc()).await {
            self.alarm_is_set.set(false);
            worker::console_error!("collector: the alarm could not be set: {error}");
        }
    }
}

const SCHEMA: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS journal (isolate TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT, PRIMARY KEY (isolate, seq)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS checkpoint (part TEXT NOT NULL, t INTEGER NOT NULL, chunk INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (part, t, chunk)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
];

fn set_meta(sql: &SqlStorage, key: &str, value: &str) -> worker::Result<()> {
    sql.exec("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", vec![key.into(), value.into()]).map(|_| ())
}

/// Drops the entries whose id is known, from before or from earlier in the same batch; gives the new ids.
fn keep_unknown(sql: &SqlStorage, batch: &mut Batch) -> worker::Result<Vec<String>> {
    let ids: Vec<&String> = batch.entries.iter().filter_map(|entry| entry.id.as_ref()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let asked = vec![serde_json::to_string(&ids)?.into()];
    let mut seen = HashSet::new();
    for row in sql.exec("SELECT id FROM event WHERE id IN (SELECT value FROM json_each(?))", asked)?.raw() {
        seen.insert(column_text(&row?, 0).to_owned());
    }
    let mut fresh = Vec::new();
    batch.entries.retain(|entry| match &entry.id {
        None => true,
        Some(id) if seen.insert(id.clone()) => {
            fresh.push(id.clone());
            true
        }
        Some(_) => false,
    });
    Ok(fresh)
}
