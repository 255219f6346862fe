//! What was seen, kept in memory as a deployment keeps it: live slices of 10 s, minutes and hours.
//!
//! It answers [`stored_reads`](super::observe::stored_reads) as the SQL of [`crate::storage::series`] does, for rehearsals.
//! Invariant: values come in order of time, and none is seen before it was put in. Memory is bounded by the rules, not by what is
//! fed: only metric names a rule selects are kept, only labels a rule tells apart (values of the others merge), and only as
//! far back as a rule looks. At 150 bytes a minute and counter (measured; a distribution has its sketch besides), 150 series over the
//! three days of a slow burn rate are 100 MB. What is learnt from is kept as hours: eight weeks of a series are 200 KB.

use std::collections::{BTreeMap, BTreeSet};

use super::observe::{Coverage, Grain, LIVE_MS, LiveWindow, Resolution, SLICE_MS, Stored, StoredRead, looks};
use crate::config::alerting::{Over, Rule};
use crate::storage::series::Slice;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{Kind, SeriesKey, name};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs, Window};

/// How far a window may reach beyond its length: its start is floored to an hour, and a civil day can have 25.
const SLACK_MS: i64 = 2 * HOUR_MS;

/// What is kept of one metric name.
#[derive(Debug, Default)]
struct Kept {
    labels: BTreeSet<String>,
    reach_ms: i64,
    /// Hours are kept as long as minutes, and longer where they are learnt from.
    hours_reach_ms: i64,
    series: BTreeMap<SeriesKey, Buckets>,
}

/// One series.
#[derive(Debug, Default)]
struct Buckets {
    minutes: BTreeMap<UnixMs, Cell>,
    hours: BTreeMap<UnixMs, Cell>,
}

/// Everything the rules may look at.
#[derive(Debug)]
pub struct History {
    names: BTreeMap<String, Kept>,
    /// The slice that values go into now.
    open: Option<(UnixMs, BTreeMap<SeriesKey, Cell>)>,
    live: LiveWindow,
    expired: UnixMs,
}

impl History {
    /// An empty one for `rules`.
    pub fn of(rules: &[Rule]) -> Self {
        let mut names: BTreeMap<String, Kept> = BTreeMap::new();
        for rule in rules {
            for look in looks(&rule.when) {
                let kept = names.entry(look.of.series.clone()).or_default();
                kept.labels.extend(look.of.labels.keys().cloned().chain(rule.by.iter().cloned()));
                let over_ms = match look.over {
                    Over::Ms(ms) => ms,
                    Over::Today => DAY_MS,
                };
                let reach_ms = over_ms + look.ago_ms + SLACK_MS;
                kept.hours_reach_ms = kept.hours_reach_ms.max(reach_ms);
                match look.grain {
                    Grain::Whole => kept.reach_ms = kept.reach_ms.max(reach_ms),
                    Grain::Hours => {
                        let ticks = names.entry(name::TICKS.to_owned()).or_default();
                        ticks.hours_reach_ms = ticks.hours_reach_ms.max(reach_ms);
                    }
                }
            }
        }
        // Every tick measures it itself.
        names.remove(name::TICK_AGE);
        let live = LiveWindow { slices: Vec::new(), coverage: Coverage::Whole };
        Self { names, open: None, live, expired: UnixMs(i64::MIN) }
    }

    /// How far back the rules look at most, in milliseconds.
    pub fn reach_ms(&self) -> i64 {
        self.names.values().map(|kept| kept.hours_reach_ms - SLACK_MS).max().unwrap_or_default()
    }

    /// How far back they look at minutes at most.
    pub fn minutes_reach_ms(&self) -> i64 {
        self.names.values().map(|kept| kept.reach_ms - SLACK_MS).max().unwrap_or_default()
    }

    /// Takes in what a series held in the slice of 10 s around `at`, which is not before any taken in already.
    pub fn take(&mut self, at: UnixMs, key: &SeriesKey, cell: &Cell) {
        let Some(kept) = self.names.get_mut(key.name()) else { return };
        let labels = key.labels().iter().filter(|(label, _)| kept.labels.contains(label)).cloned().collect();
        let key = SeriesKey::new(key.kind(), key.name(), labels);
        let buckets = kept.series.entry(key.clone()).or_default();
        merge_into(&mut buckets.minutes, at.floor(MINUTE_MS), cell);
        merge_into(&mut buckets.hours, at.floor(HOUR_MS), cell);
        let t = at.floor(SLICE_MS);
        if self.open.as_ref().is_some_and(|(open, _)| *open != t) {
            self.close();
        }
        merge_into(&mut self.open.get_or_insert_with(|| (t, BTreeMap::new())).1, key, cell);
    }

    fn close(&mut self) {
        if let Some((t, cells)) = self.open.take() {
            // Also before the first tick: days of what came before it would lie here.
            self.live.slices.retain(|slice| t.since(slice.t) <= LIVE_MS + MINUTE_MS);
            self.live.slices.push(Slice { t, cells: cells.into_iter().collect() });
        }
    }

    /// The live slices before `now`; what no rule reaches any more is forgotten.
    pub(super) fn live(&mut self, now: UnixMs, coverage: Coverage) -> &LiveWindow {
        self.close();
        self.live.slices.retain(|slice| now.since(slice.t) <= LIVE_MS + MINUTE_MS);
        if now.0.saturating_sub(self.expired.0) >= HOUR_MS {
            self.expired = now;
            for kept in self.names.values_mut() {
                let (oldest, oldest_hour) = (now.plus(-kept.reach_ms), now.plus(-kept.hours_reach_ms).floor(HOUR_MS));
                kept.series.retain(|_, buckets| {
                    buckets.minutes = buckets.minutes.split_off(&oldest);
                    buckets.hours = buckets.hours.split_off(&oldest_hour);
                    !buckets.hours.is_empty()
                });
            }
        }
        self.live.coverage = coverage;
        &self.live
    }

    /// The rows that `reads` ask for: counters added up as one row at the stretch's start, others bucket by bucket.
    pub(super) fn stored(&self, reads: Vec<StoredRead>) -> Stored {
        let mut stored = Stored::new();
        for StoredRead { stretch, names } in reads {
            let (resolution, window) = stretch;
            let mut slices: BTreeMap<UnixMs, Vec<(SeriesKey, Cell)>> = BTreeMap::new();
            for (key, buckets) in names.iter().filter_map(|name| self.names.get(name)).flat_map(|kept| &kept.series) {
                let adds_up = |key: &SeriesKey| key.kind() == Kind::Counter && resolution != Resolution::HourByHour;
                let (cells, width_ms) = match resolution {
                    Resolution::Minute => (&buckets.minutes, MINUTE_MS),
                    Resolution::Hour | Resolution::HourByHour => (&buckets.hours, HOUR_MS),
                };
                let window = Window { from: window.from.floor(width_ms), to: window.to.max(window.from) };
                let mut sums = BTreeMap::new();
                for (t, cell) in cells.range(window.from.min(window.to)..window.to) {
                    merge_into(&mut sums, if adds_up(key) { window.from } else { *t }, cell);
                }
                for (t, cell) in sums {
                    slices.entry(t).or_default().push((key.clone(), cell));
                }
            }
            stored.insert(stretch, Ok(slices.into_iter().map(|(t, cells)| Slice { t, cells }).collect()));
        }
        stored
    }
}

fn merge_into<K: Ord>(cells: &mut BTreeMap<K, Cell>, key: K, cell: &Cell) {
    match cells.get_mut(&key) {
        Some(known) => known.merge(cell),
        None => {
            cells.insert(key, cell.clone());
        }
    }
}

#[cfg(test)]
mod tests;
