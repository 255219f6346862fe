//! What this isolate keeps between requests, and its flushes to the Collector.
//!
//! Invariant: a flush runs in the `wait_until` of the request that owns it (entry.mjs), on that request's own runtime objects,
//! since an isolate's requests must not await each other's. A panic empties this memory: at most the last second is lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use worker::{Delay, Env};

use super::bindings::{self, Class};
use super::collector::{Write, Written};
use super::{active, clock, report};
use crate::config::Config;
use crate::edge::pipeline::Isolate;
use crate::ids;
use crate::telemetry::window::Bounds;
use crate::time::UnixMs;

/// Waits between tries to send what a Collector did not take: together below the 30 s a `wait_until` lives.
const RETRY_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];

/// This isolate.
#[derive(Clone)]
pub(super) struct Here {
    /// The core's memory.
    pub(super) isolate: Rc<RefCell<Isolate>>,
    /// A random id, drawn once.
    pub(super) id: Rc<str>,
    config_version: Rc<std::cell::Cell<i64>>,
    next_request: Rc<std::cell::Cell<u32>>,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// This isolate's memory, if a request has made it.
pub(super) fn known() -> Option<Here> {
    HERE.with_borrow(Clone::clone)
}

/// This isolate's memory, made at its first request from the embedded configuration.
pub(super) fn here(env: &Env) -> Result<Here, crate::config::ConfigError> {
    if let Some(here) = known() {
        return Ok(here);
    }
    let in_force = active::current(env)?;
    let mut random = [0_u8; 8];
    // Without randomness two isolates would share an id and one's flushes would be taken for the other's.
    if getrandom::fill(&mut random).is_err() {
        random = clock::now().0.to_le_bytes();
    }
    let here = Here {
        isolate: Rc::new(RefCell::new(Isolate::new(Rc::new(in_force.config.clone())))),
        id: ids::hex(&random).into(),
        config_version: Rc::new(std::cell::Cell::new(in_force.version)),
        next_request: Rc::default(),
    };
    HERE.with_borrow_mut(|slot| slot.replace(here.clone()));
    Ok(here)
}

impl Here {
    /// The configuration in force.
    pub(super) fn config(&self) -> Rc<Config> {
        Rc::clone(&self.isolate.borrow().config)
    }

    /// An id for a request that brought none: the isolate's random id and a running number.
    pub(super) fn request_id(&self) -> String {
        let n = self.next_request.get().wrapping_add(1);
        self.next_request.set(n);
        [ids::prefix::REQUEST, "_", &self.id, &ids::hex(&n.to_be_bytes())].concat()
    }

    /// Closes the buffer and sends what no Collector has acknowledged.
    pub(super) async fn flush(&self, env: &Env) {
        self.close(clock::now());
        for wait in RETRY_AFTER {
            match self.send(env).await {
                Ok(()) => return,
                Err(error) => worker::console_error!("flush not acknowledged, kept and sent again: {error}"),
            }
            Delay::from(wait).await;
        }
        if let Err(error) = self.send(env).await {
            report::own(env, "flush", &format!("left for the next request's: {error}")).await;
        }
    }

    fn close(&self, now: UnixMs) {
        let mut isolate = self.isolate.borrow_mut();
        for (key, n) in report::take_counts() {
            isolate.buffer.count(key, n, now);
        }
        isolate.flush(&self.id, now);
    }

    async fn send(&self, env: &Env) -> worker::Result<()> {
        let (batches, bounds) = {
            let isolate = self.isolate.borrow();
            (isolate.buffer.unacknowledged(), bounds(&isolate.config))
        };
        let shard = shard_of(self.id.as_bytes(), collector_shards(env));
        for batch in batches {
            let seq = batch.writer.as_ref().map_or(0, |writer| writer.seq);
            let write = bindings::text_of(&Write { shard, bounds, batch })?;
            let written: Written = bindings::read(&ask_collector(env, shard, "/write", &write).await?)?;
            self.isolate.borrow_mut().buffer.acknowledge(seq);
            self.follow(env, written.config_version).await;
        }
        Ok(())
    }

    /// Follows the configuration version a Collector names; one that does not read leaves the last good one in force.
    pub(super) async fn follow(&self, env: &Env, version: i64) {
        if version == self.config_version.get() {
            return;
        }
        if let Ok(in_force) = active::follow(env, version).await
            && in_force.version != self.config_version.replace(in_force.version)
        {
            self.isolate.borrow_mut().follow(Rc::new(in_force.config.clone()));
        }
    }
}

/// The bounds a Collector holds for this configuration.
pub(super) fn bounds(config: &Config) -> Bounds {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    Bounds {
        max_series: size(config.infrastructure.max_series),
        max_series_per_name: size(config.infrastructure.ingest.max_series_per_name),
    }
}

/// How many Collectors share the load.
pub(super) fn collector_shards(env: &Env) -> u32 {
    shards(env, "COLLECTOR_SHARDS", 1)
}

/// A shard count from a variable.
pub(super) fn shards(env: &Env, variable: &str, default: u32) -> u32 {
    bindings::text(env, variable).and_then(|text| text.parse().ok()).filter(|n| (1..=256).contains(n)).unwrap_or(default)
}

/// The shard of a key.
pub(super) fn shard_of(key: &[u8], shards: u32) -> u32 {
    u32::try_from(ids::hash64(key) % u64::from(shards.max(1))).unwrap_or_default()
}

/// Asks the Collector of `shard`.
pub(super) async fn ask_collector(env: &Env, shard: u32, path: &str, text: &str) -> worker::Result<String> {
    bindings::call(env, Class::Collector, &format!("collector-{shard}"), path, text).await
}
