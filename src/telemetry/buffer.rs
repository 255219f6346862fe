//! The isolate's buffer: what was seen in the last second or less, until a flush carries it to a Collector.
//!
//! Invariants: recording never waits and never fails. A flush that was not acknowledged is kept and sent again under its own
//! sequence number; the Collector counts each number once. Who flushes, and when, is the shell's: see cloudflare/entry.mjs.
//!
//! Memory: cells are keyed by bounded labels (≤ 200 routes × 8 methods × 5 classes, 677 countries, …); at most
//! [`MAX_UNACKNOWLEDGED`] flushes wait, the oldest is dropped and its loss counted.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::cell::{Cell, Distribution, Micros};
use super::sample::{CacheStatus, Colo, Country, LimitEffect, Method, OriginFailure, Sample, StatusClass};
use super::series::{Kind, SeriesKey, name};
use super::sketch::Sketch;
use crate::config::security::Limit;
use crate::edge::client::ClientClass;
use crate::edge::route::{RouteId, RouteTable};
use crate::time::UnixMs;

/// The width of the Collector's finest bucket.
pub const BUCKET_MS: i64 = 10_000;
/// Flushes that wait for an acknowledgement; at one a second, half a minute of a dead Collector.
pub const MAX_UNACKNOWLEDGED: usize = 30;

/// One value on its way to a Collector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was seen.
    pub t: UnixMs,
    /// What it belongs to.
    pub key: SeriesKey,
    /// The value.
    pub cell: Cell,
    /// The client-made id of an ingested metric; the same id counts once in 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What a Collector takes in one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Who sends it and its number; `None` for ingested metrics, which carry ids of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<Writer>,
    /// The values.
    pub entries: Vec<Entry>,
}

/// A flush's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Writer {
    /// The isolate, a random id drawn at its first flush.
    pub isolate: String,
    /// Its flush number.
    pub seq: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Count {
    Country(Country),
    Colo(Colo),
    Client(ClientClass),
    Cache(CacheStatus),
    Limit(usize, LimitEffect),
    Origin(RouteId, OriginFailure),
}

#[derive(Debug, Default)]
struct Requests {
    count: u64,
    bytes: u64,
    duration: Option<Distribution>,
}

/// The isolate's buffer.
#[derive(Debug, Default)]
pub struct Buffer {
    opened_at: Option<UnixMs>,
    requests: BTreeMap<(RouteId, Method, StatusClass), Requests>,
    counts: BTreeMap<Count, u64>,
    closed: Vec<Entry>,
    unacknowledged: VecDeque<Batch>,
    next_seq: u64,
    dropped_flushes: u64,
}

/// What the buffer needs to name its cells when it closes.
#[derive(Debug)]
pub struct Names<'a> {
    /// Route ids to templates.
    pub routes: &'a RouteTable,
    /// Limit indexes to rules.
    pub limits: &'a [Limit],
}

impl Buffer {
    /// Counts one request seen at `now`.
    pub fn record(&mut self, sample: &Sample, now: UnixMs, names: &Names<'_>) {
        if self.opened_at.is_some_and(|opened| opened.floor(BUCKET_MS) != now.floor(BUCKET_MS)) {
            self.close(names);
        }
        self.opened_at.get_or_insert(now);
        let requests = self.requests.entry((sample.route, sample.method, sample.class)).or_default();
        requests.count += 1;
        requests.bytes = requests.bytes.saturating_add(sample.response_bytes);
        if let Some(duration_ms) = sample.duration_ms {
            observe(&mut requests.duration, duration_ms / 1_000.0);
        }
        let mut count = |what| *self.counts.entry(what).or_default() += 1;
        count(Count::Country(sample.country));
        count(Count::Colo(sample.colo));
        count(Count::Client(sample.client));
        count(Count::Cache(sample.cache));
        if let Some((rule, effect)) = sample.limit {
            count(Count::Limit(rule, effect));
        }
        if let Some(failure) = sample.origin_failure {
            count(Count::Origin(sample.route, failure));
        }
    }

    /// Counts one thing of Parapet's own, for example a lost flush.
    pub fn count(&mut self, key: SeriesKey, n: u64, now: UnixMs) {
        if n > 0 {
            self.closed.push(Entry { t: now, key, cell: Cell::count(n), id: None });
        }
    }

    /// Closes what is open into the next numbered flush. [`Buffer::unacknowledged`] then has everything to send.
    pub fn flush(&mut self, isolate: &str, now: UnixMs, names: &Names<'_>) {
        self.close(names);
        let dropped = std::mem::take(&mut self.dropped_flushes);
        self.count(dropped_key("flush_lost"), dropped, now);
        let entries = std::mem::take(&mut self.closed);
        if !entries.is_empty() {
            self.next_seq += 1;
            self.unacknowledged.push_back(Batch { writer: Some(Writer { isolate: isolate.to_owned(), seq: self.next_seq }), entries });
        }
        while self.unacknowledged.len() > MAX_UNACKNOWLEDGED {
            self.unacknowledged.pop_front();
            self.dropped_flushes += 1;
        }
    }

    /// The flushes to send, oldest first.
    pub fn unacknowledged(&self) -> Vec<Batch> {
        self.unacknowledged.iter().cloned().collect()
    }

    /// Forgets a flush its Collector has on disk.
    pub fn acknowledge(&mut self, seq: u64) {
        self.unacknowledged.retain(|batch| batch.writer.as_ref().is_none_or(|writer| writer.seq != seq));
    }

    /// Whether anything is waiting to be sent.
    pub fn is_empty(&self) -> bool {
        self.opened_at.is_none() && self.closed.is_empty() && self.unacknowledged.is_empty()
    }

    /// Gives what is open its names, under which it will be sent.
    pub fn close(&mut self, names: &Names<'_>) {
        let Some(t) = self.opened_at.take() else { return };
        let entry = |kind, name: &str, labels: &[(&str, &str)], cell| Entry {
            t,
            key: SeriesKey::new(kind, name, labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()),
            cell,
            id: None,
        };
        for ((route, method, class), requests) in std::mem::take(&mut self.requests) {
            let labels = [("class", class.as_str()), ("method", method.as_str()), ("route", names.routes.name(route))];
            self.closed.push(entry(Kind::Counter, name::REQUESTS, &labels, Cell::count(requests.count)));
            if requests.bytes > 0 {
                self.closed.push(entry(Kind::Counter, name::RESPONSE_BYTES, &labels, Cell::count(requests.bytes)));
            }
            if let Some(duration) = requests.duration {
                self.closed.push(entry(Kind::Distribution, name::DURATION, &labels, Cell::Distribution(duration)));
            }
        }
        for (what, n) in std::mem::take(&mut self.counts) {
            let counter = |name, labels: &[(&str, &str)]| entry(Kind::Counter, name, labels, Cell::count(n));
            self.closed.push(match what {
                Count::Country(country) => counter(name::BY_COUNTRY, &[("country", country.as_str())]),
                Count::Colo(colo) => counter(name::BY_COLO, &[("colo", colo.as_str())]),
                Count::Client(class) => counter(name::BY_CLIENT, &[("client_class", class.as_str())]),
                Count::Cache(status) => counter(name::BY_CACHE, &[("cache_status", status.as_str())]),
                Count::Limit(rule, effect) => {
                    counter(name::LIMITED, &[("decision", effect.as_str()), ("rule", names.limits.get(rule).map_or("", |limit| &limit.id))])
                }
                Count::Origin(route, failure) => {
                    counter(name::ORIGIN_ERRORS, &[("reason", failure.as_str()), ("route", names.routes.name(route))])
                }
            });
        }
    }
}

/// The counter of what was not kept, by reason.
pub fn dropped_key(reason: &str) -> SeriesKey {
    SeriesKey::new(Kind::Counter, name::DROPPED, vec![("reason".to_owned(), reason.to_owned())])
}

fn observe(into: &mut Option<Distribution>, value: f64) {
    let cell = into.get_or_insert_with(|| Distribution { sum: Micros::default(), min: value, max: value, sketch: Sketch::default() });
    cell.sum = Micros(cell.sum.0.saturating_add(Micros::from_f64(value).0));
    cell.min = cell.min.min(value);
    cell.max = cell.max.max(value);
    cell.sketch.observe(value);
}

#[cfg(test)]
mod tests;
