//! Talk with the Collectors: what they hold in memory, for ticks and for the console, and what the Engine counts of itself.

use std::time::Duration;

use futures_util::future::{Either, select};
use worker::{Delay, Env};

use super::bindings;
use super::collector::{Ask, Write};
use super::isolate;
use crate::alert::observe::{Coverage, LIVE_MS, LiveWindow, SLICE_MS};
use crate::alert::tick::TickReport;
use crate::config::Config;
use crate::outbox::deliver::Sent;
use crate::telemetry::buffer::{Batch, Entry, Writer};
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{Kind, SeriesKey, name};
use crate::telemetry::window::{Detail, LiveAnswer};
use crate::time::UnixMs;

/// How long a Collector may take: one that does not answer blinds the tick, it does not stop it.
const BOUND: Duration = Duration::from_secs(5);

/// Every Collector's answer to the JSON `body` at `path`, by shard, and the shards that gave none.
pub(super) async fn ask(env: &Env, path: &str, body: &str) -> (Vec<(u32, String)>, Vec<u32>) {
    let (mut answers, mut missing) = (Vec::new(), Vec::new());
    for shard in 0..isolate::collector_shards(env) {
        match within_bound(isolate::ask_collector(env, shard, path, body)).await {
            Ok(answer) => answers.push((shard, answer)),
            Err(error) => {
                worker::console_error!("collector {shard} did not answer {path}: {error}");
                missing.push(shard);
            }
        }
    }
    (answers, missing)
}

/// What the Collectors hold in memory: of the window `asked`, or since they began.
pub(super) async fn ask_live(env: &Env, path: &str, asked: Option<Ask>) -> (Vec<LiveAnswer>, Vec<u32>) {
    let (answers, mut missing) = ask(env, path, &serde_json::to_string(&asked).unwrap_or_default()).await;
    let mut read = Vec::new();
    for (shard, text) in answers {
        match serde_json::from_str(&text) {
            Ok(answer) => read.push(answer),
            Err(error) => {
                // What cannot be read was not seen: taken for an empty window it would resolve alerts.
                worker::console_error!("collector {shard}: its answer to {path} does not read: {error}");
                missing.push(shard);
            }
        }
    }
    (read, missing)
}

/// The slices of all Collectors for a tick at `now`.
pub(super) async fn live_window(env: &Env, now: UnixMs) -> LiveWindow {
    // A Collector leaves out the bucket that the start falls into; two more make sure the 15 minutes are whole.
    let asked = Ask { now, window_ms: LIVE_MS + 2 * SLICE_MS, detail: Detail::Slices };
    let (live, missing) = ask_live(env, "/window", Some(asked)).await;
    let slices = live.into_iter().flat_map(|answer| answer.slices).collect();
    LiveWindow { slices, coverage: if missing.is_empty() { Coverage::Whole } else { Coverage::Missing(missing) } }
}

/// Counts the tick; its moment is the sequence number, so a tick counts once.
pub(super) async fn count_tick(env: &Env, config: &Config, report: &TickReport) {
    let entry = entry(name::TICKS, &[("outcome", report.outcome.as_str())], report.now);
    count(env, config, "engine-tick", report.now, vec![entry]).await;
}

/// Counts the attempts of one call that began at `at`; two calls never begin in the same millisecond, since one delivers.
pub(super) async fn count_deliveries(env: &Env, config: &Config, sent: &[Sent], at: UnixMs) {
    let entries = sent.iter().map(|sent| entry(name::DELIVERIES, &[("channel", &sent.channel), ("outcome", sent.outcome.as_str())], at));
    count(env, config, "engine-delivery", at, entries.collect()).await;
}

fn entry(name: &str, labels: &[(&str, &str)], t: UnixMs) -> Entry {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Entry { t, key: SeriesKey::new(Kind::Counter, name, labels), cell: Cell::count(1), id: None }
}

async fn count(env: &Env, config: &Config, counter: &str, at: UnixMs, entries: Vec<Entry>) {
    if entries.is_empty() {
        return;
    }
    let writer = Some(Writer { isolate: counter.to_owned(), seq: u64::try_from(at.0).unwrap_or_default() });
    let write = Write { shard: 0, bounds: isolate::bounds(config), batch: Batch { writer, entries } };
    let written = within_bound(async { isolate::ask_collector(env, 0, "/write", &bindings::text_of(&write)?).await }).await;
    if let Err(error) = written {
        worker::console_error!("{counter}: not counted: {error}");
    }
}

async fn within_bound<T>(call: impl Future<Output = worker::Result<T>>) -> worker::Result<T> {
    match select(std::pin::pin!(call), std::pin::pin!(Delay::from(BOUND))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(((), _)) => Err(worker::Error::RustError(format!("no answer within {BOUND:?}"))),
    }
}
