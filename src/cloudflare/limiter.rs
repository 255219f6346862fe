//! The Limiter Durable Object: an exact sliding log per client, one instance per (rule, shard).
//!
//! Call: `/attempt` an [`Attempt`], answered with a [`LimitDecision`]. Deciding and logging are one turn without an await,
//! so concurrent attempts are decided one after the other; an admission is on disk before it is answered, so an eviction
//! or a restart admits none extra. Denials write nothing.

use std::cell::{Cell as Slot, RefCell};

use serde::Serialize;
use worker::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::bindings::{column_int, column_text};
use super::{bindings, clock};
use crate::edge::limit::{LimitDecision, SlidingLog};
use crate::record::record;
use crate::time::{SECOND_MS, UnixMs};

/// One attempt.
#[derive(Debug, Serialize)]
pub(super) struct Attempt {
    /// The client.
    pub(super) key: String,
    /// Admitted per window.
    pub(super) requests: u32,
    /// The window.
    pub(super) window_s: u32,
}

record!(Attempt { key, requests, window_s });

/// The longest window a rule may have; older admissions count for nobody.
const MAX_WINDOW_MS: i64 = 86_400 * SECOND_MS;
/// Admissions between two sweeps of what no longer counts.
const SWEEP_EVERY: u32 = 1_000;

/// The Limiter.
#[durable_object]
pub struct Limiter {
    state: State,
    log: RefCell<Option<SlidingLog>>,
    window_ms: Slot<i64>,
    until_sweep: Slot<u32>,
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limiter")
    }
}

impl DurableObject for Limiter {
    fn new(state: State, _env: Env) -> Self {
        Self { state, log: RefCell::new(None), window_ms: Slot::new(0), until_sweep: Slot::new(0) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let attempt: Attempt = bindings::read(&request.text().await?)?;
        bindings::json(&self.decide(&attempt, clock::now())?)
    }
}

impl Limiter {
    fn decide(&self, attempt: &Attempt, now: UnixMs) -> worker::Result<LimitDecision> {
        let window_ms = i64::from(attempt.window_s) * SECOND_MS;
        self.window_ms.set(window_ms);
        self.wake(now)?;
        if self.until_sweep.get() == 0 {
            self.sweep(now)?;
            self.until_sweep.set(SWEEP_EVERY);
        }
        let (decision, at_ms) = {
            let mut log = self.log.borrow_mut();
            let log = log.get_or_insert_default();
            let at_ms = log.observe_clock(now);
            (log.attempt(&attempt.key, now, attempt.requests, window_ms), at_ms)
        };
        if matches!(decision, LimitDecision::Admitted { .. }) {
            self.until_sweep.set(self.until_sweep.get().saturating_sub(1));
            let row = vec![attempt.key.as_str().into(), at_ms.into()];
            if let Err(error) = self.state.storage().sql().exec("INSERT INTO admission (key, at) VALUES (?, ?)", row) {
                // Memory is ahead of the disk: forget it, so that the next attempt reads the disk.
                self.log.replace(None);
                return Err(error);
            }
        }
        Ok(decision)
    }

    fn wake(&self, now: UnixMs) -> worker::Result<()> {
        if self.log.borrow().is_some() {
            return Ok(());
        }
        let sql = self.state.storage().sql();
        sql.exec("CREATE TABLE IF NOT EXISTS admission (key TEXT NOT NULL, at INTEGER NOT NULL)", None)?;
        let mut log = SlidingLog::default();
        let since = vec![(now.0 - MAX_WINDOW_MS).into()];
        for row in sql.exec("SELECT key, at FROM admission WHERE at > ? ORDER BY at", since)?.raw() {
            let row = row?;
            log.restore(column_text(&row, 0), UnixMs(column_int(&row, 1)));
        }
        self.log.replace(Some(log));
        Ok(())
    }

    fn sweep(&self, now: UnixMs) -> worker::Result<()> {
        let window_ms = self.window_ms.get();
        if let Some(log) = self.log.borrow_mut().as_mut() {
            log.sweep(now, window_ms);
        }
        self.state.storage().sql().exec("DELETE FROM admission WHERE at <= ?", vec![(now.0 - window_ms).into()])?;
        Ok(())
    }
}
