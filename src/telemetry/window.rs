//! The Collector's core: batches in, exactly once; a live window and whole minutes out.
//!
//! Every value is merged into its 10-second bucket (kept [`LIVE_MS`]), its minute (kept [`LATE_MS`] and a little) and the
//! running total that `/api/metrics` shows. A minute is the whole truth of its D1 rows, so a late value merges in and the
//! rows are overwritten; values later than [`LATE_MS`] are counted as dropped.
//!
//! Exactly once: a flush is known by (isolate, sequence), an ingested metric by its own id; both are remembered on disk by
//! the shell and handed in as what is already known. Merging is commutative, so order does not matter.
//!
//! Memory: at most `max_series` keys (shared by reference) × (90 buckets + 65 minutes + 1 total) cells of ~100 bytes:
//! 300 active series are about 5 MB, the shipped bound of 4,000 about 62 MB of a Durable Object's 128.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::buffer::{BUCKET_MS, Batch, Entry, dropped_key};
use super::cell::Cell;
use super::series::{Kind, OTHER, SeriesKey, name};
use super::wire;
use crate::order;
use crate::record::words;
use crate::storage::series::Slice;
use crate::time::{HOUR_MS, MINUTE_MS, UnixMs};

/// How far back the 10-second buckets reach.
pub const LIVE_MS: i64 = 15 * MINUTE_MS;
/// How late a value may be.
pub const LATE_MS: i64 = HOUR_MS;
/// How long a minute waits for a dead D1: six hours of 300 series are about 10 MB.
pub const UNWRITTEN_MS: i64 = 6 * HOUR_MS;
/// How far in the future a value may claim to be; clocks differ.
pub const AHEAD_MS: i64 = 5 * MINUTE_MS;

type Cells = BTreeMap<SeriesKey, Cell>;

/// Bounds from the configuration.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Bounds {
    /// Most series in all.
    pub max_series: usize,
    /// Most label sets of one ingested name.
    pub max_series_per_name: usize,
}

/// The Collector's memory.
#[derive(Debug, Default)]
pub struct Window {
    tens: BTreeMap<UnixMs, Cells>,
    minutes: BTreeMap<UnixMs, Cells>,
    totals: Cells,
    names: HashMap<String, (Kind, usize)>,
    dirty: BTreeMap<UnixMs, u64>,
    changed: Changed,
    generation: u64,
}

/// What has changed since the last checkpoint.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changed {
    tens: BTreeSet<UnixMs>,
    minutes: BTreeSet<UnixMs>,
}

/// The stored part of the memory that one checkpoint row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The running totals; restored first, since they hold every key.
    Total,
    /// One minute.
    Minute,
    /// One 10-second bucket.
    Ten,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Total, Self::Minute, Self::Ten];

    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ten => "ten",
            Self::Minute => "minute",
            Self::Total => "total",
        }
    }

    /// The part called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == text)
    }
}

/// One stored row: which part, its start (0 for the totals), its cells.
pub type Checkpoint = (Part, UnixMs, Vec<(SeriesKey, Cell)>);

/// The answer to one window question: the Engine asks with slices, realtime without.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveAnswer {
    /// The 10-second slices of the window, oldest first; empty unless asked for.
    #[serde(with = "wire")]
    pub slices: Vec<Slice>,
    /// Every series merged over the window; empty if slices were asked for.
    pub cells: Vec<(SeriesKey, Cell)>,
    /// How long the oldest closed minute has been waiting for D1; 0 when all are written.
    pub lag_ms: i64,
}

impl Window {
    /// Takes in a batch that is known to be new.
    pub fn apply(&mut self, batch: &Batch, now: UnixMs, bounds: Bounds) {
        for entry in &batch.entries {
            self.take(entry, now, bounds);
        }
    }

    fn take(&mut self, entry: &Entry, now: UnixMs, bounds: Bounds) {
        let refused = if now.since(entry.t) > LATE_MS {
            Some("late")
        } else if entry.t.since(now) > AHEAD_MS {
            Some("ahead")
        } else if self.names.get(entry.key.name()).is_some_and(|(kind, _)| *kind != entry.key.kind()) {
            Some("kind_conflict")
        } else {
            None
        };
        match refused {
            Some(reason) => self.merge(&dropped_key(reason), &Cell::count(1), now, now, bounds),
            None => self.merge(&entry.key, &entry.cell, entry.t, now, bounds),
        }
    }

    fn merge(&mut self, key: &SeriesKey, cell: &Cell, t: UnixMs, now: UnixMs, bounds: Bounds) {
        let key = self.known(key, bounds);
        let (ten, minute) = (t.floor(BUCKET_MS), t.floor(MINUTE_MS));
        self.generation += 1;
        if now.since(ten) < LIVE_MS {
            merge_into(self.tens.entry(ten).or_default(), &key, cell);
            self.changed.tens.insert(ten);
        }
        merge_into(self.minutes.entry(minute).or_default(), &key, cell);
        self.changed.minutes.insert(minute);
        self.dirty.insert(minute, self.generation);
        merge_into(&mut self.totals, &key, cell);
    }

    /// The shared key: the one already known, a new one, or beyond a bound the name's `(other)`.
    fn known(&mut self, key: &SeriesKey, bounds: Bounds) -> SeriesKey {
        if let Some((known, _)) = self.totals.get_key_value(key) {
            return known.clone();
        }
        let of_name = self.names.get(key.name()).map_or(0, |(_, n)| *n);
        let name_fits = name::is_own(key.name()) || of_name < bounds.max_series_per_name || key.labels().is_empty();
        let key = if self.totals.len() < bounds.max_series && name_fits { key.clone() } else { overflow(key) };
        if let Some((known, _)) = self.totals.get_key_value(&key) {
            return known.clone();
        }
        self.names.entry(key.name().to_owned()).or_insert((key.kind(), 0)).1 += 1;
        key
    }

    /// The window of `window_ms` that ends now: whole 10-second buckets, the open one included.
    pub fn live(&self, now: UnixMs, window_ms: i64, with: Detail) -> LiveAnswer {
        let from = now.plus(-window_ms).floor(BUCKET_MS).plus(BUCKET_MS);
        let tens = self.tens.range(from..=now.plus(AHEAD_MS));
        let mut merged = Cells::new();
        let mut slices = Vec::new();
        for (t, cells) in tens {
            match with {
                Detail::Slices => slices.push(Slice { t: *t, cells: pairs(cells) }),
                Detail::Merged => cells.iter().for_each(|(key, cell)| merge_into(&mut merged, key, cell)),
            }
        }
        LiveAnswer { slices, cells: pairs(&merged), lag_ms: self.lag_ms(now) }
    }

    /// The running totals since the Collector began.
    pub fn totals(&self) -> Vec<(SeriesKey, Cell)> {
        pairs(&self.totals)
    }

    /// The closed minutes D1 does not have yet, with the mark to hand back once it has.
    pub fn unwritten(&self, now: UnixMs) -> (Vec<Slice>, BTreeMap<UnixMs, u64>) {
        let closed = self.dirty.iter().filter(|(t, _)| t.plus(MINUTE_MS) <= now);
        let closed: BTreeMap<UnixMs, u64> = order::map(closed.map(|(t, generation)| (*t, *generation)));
        let slices = closed.keys().filter_map(|t| Some(Slice { t: *t, cells: pairs(self.minutes.get(t)?) })).collect();
        (slices, closed)
    }

    /// D1 has the minutes of `mark`; those that changed meanwhile stay unwritten.
    pub fn written(&mut self, mark: &BTreeMap<UnixMs, u64>) {
        self.dirty.retain(|t, generation| mark.get(t) != Some(generation));
    }

    /// The minutes, open or closed, that D1 does not have yet.
    pub fn unwritten_minutes(&self) -> Vec<UnixMs> {
        self.dirty.keys().copied().collect()
    }

    fn lag_ms(&self, now: UnixMs) -> i64 {
        self.dirty.keys().next().map_or(0, |t| now.since(t.plus(MINUTE_MS)).max(0))
    }

    /// What to store so that a restart forgets nothing: the changed parts, their rows overwritten.
    pub fn checkpoint(&mut self) -> Vec<Checkpoint> {
        let changed = std::mem::take(&mut self.changed);
        if changed == Changed::default() {
            return Vec::new();
        }
        let tens = changed.tens.iter().filter_map(|t| Some((Part::Ten, *t, pairs(self.tens.get(t)?))));
        let minutes = changed.minutes.iter().filter_map(|t| Some((Part::Minute, *t, pairs(self.minutes.get(t)?))));
        tens.chain(minutes).chain([(Part::Total, UnixMs(0), pairs(&self.totals))]).collect()
    }

    /// The memory that checkpoints and the list of [`Window::unwritten_minutes`] beside them describe; flushes stored after
    /// them are applied on top.
    pub fn restored(mut parts: Vec<Checkpoint>, unwritten: &[UnixMs]) -> Self {
        let unbounded = Bounds { max_series: usize::MAX, max_series_per_name: usize::MAX };
        order::sort_by(&mut parts, |a, b| (a.0, a.1) < (b.0, b.1));
        let mut window = Self::default();
        for (part, t, cells) in parts {
            for (key, cell) in cells {
                let key = window.known(&key, unbounded);
                let into = match part {
                    Part::Ten => window.tens.entry(t).or_default(),
                    Part::Minute => window.minutes.entry(t).or_default(),
                    Part::Total => &mut window.totals,
                };
                into.insert(key, cell);
            }
        }
        window.dirty = order::map(unwritten.iter().filter(|t| window.minutes.contains_key(t)).map(|t| (*t, 0)));
        window
    }

    /// Drops buckets that have left their reach. Unwritten minutes stay until D1 has them, at most [`UNWRITTEN_MS`]; what is
    /// given up after that is counted.
    pub fn expire(&mut self, now: UnixMs, bounds: Bounds) {
        let given_up = self.dirty.keys().filter(|t| now.since(**t) >= UNWRITTEN_MS).count();
        self.dirty.retain(|t, _| now.since(*t) < UNWRITTEN_MS);
        if given_up > 0 {
            self.merge(&dropped_key("minute_not_written"), &Cell::count(u64::try_from(given_up).unwrap_or_default()), now, now, bounds);
        }
        self.tens.retain(|t, _| now.since(*t) < LIVE_MS + MINUTE_MS);
        let dirty = &self.dirty;
        self.minutes.retain(|t, _| now.since(*t) < LATE_MS + 2 * MINUTE_MS || dirty.contains_key(t));
    }

    /// Series known.
    pub fn series(&self) -> usize {
        self.totals.len()
    }
}

/// How much of a window is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Merged cells only.
    Merged,
    /// The 10-second slices only.
    Slices,
}

words!(Detail { Merged "merged", Slices "slices" });

/// Answers of several shards as one: slices side by side, cells merged, the longest lag.
pub fn merge_answers(answers: Vec<LiveAnswer>) -> LiveAnswer {
    let mut slices: BTreeMap<UnixMs, Cells> = BTreeMap::new();
    let mut cells = Cells::new();
    let mut lag_ms = 0;
    for answer in answers {
        lag_ms = lag_ms.max(answer.lag_ms);
        for (key, cell) in answer.cells {
            merge_into(&mut cells, &key, &cell);
        }
        for slice in answer.slices {
            let into = slices.entry(slice.t).or_default();
            for (key, cell) in slice.cells {
                merge_into(into, &key, &cell);
            }
        }
    }
    let slices = slices.iter().map(|(t, cells)| Slice { t: *t, cells: pairs(cells) }).collect();
    LiveAnswer { slices, cells: pairs(&cells), lag_ms }
}

/// The key that is counted instead: of our own series only the route is given up, so that rules still see classes.
fn overflow(key: &SeriesKey) -> SeriesKey {
    let gives_up = |label: &str| !name::is_own(key.name()) || label == "route";
    let value_of = |label: &str, value: &str| if gives_up(label) { OTHER.to_owned() } else { value.to_owned() };
    let labels = key.labels().iter().map(|(label, value)| (label.clone(), value_of(label, value))).collect();
    SeriesKey::new(key.kind(), key.name(), labels)
}

fn merge_into(cells: &mut Cells, key: &SeriesKey, cell: &Cell) {
    match cells.get_mut(key) {
        Some(known) => known.merge(cell),
        None => {
            cells.insert(key.clone(), cell.clone());
        }
    }
}

fn pairs(cells: &Cells) -> Vec<(SeriesKey, Cell)> {
    cells.iter().map(|(key, cell)| (key.clone(), cell.clone())).collect()
}

#[cfg(test)]
mod tests;
