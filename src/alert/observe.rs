//! What a rule sees: the cells its selectors match, merged over its window.
//!
//! Windows of at most 15 minutes are read from the Collectors' live slices of 10 s alone. Longer ones are stitched: D1's
//! minute rows before a cut-off ten minutes ago (a Collector writes a minute seconds after it ends, so ten minutes is slack
//! for a bad spell), live slices from the cut-off on. Invariant: the two parts touch and do not overlap, so no value counts twice.
//!
//! Finding nothing and failing to look are different things: the second is a [`Blindness`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::alerting::{Over, Rule, Selector, When};
use crate::storage::series::Slice;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::SeriesKey;
use crate::time::{MINUTE_MS, SECOND_MS, UnixMs, Window, day_window};

/// Width of a live slice.
pub const SLICE_MS: i64 = 10 * SECOND_MS;
/// How far back live slices go.
pub const LIVE_MS: i64 = 15 * MINUTE_MS;
/// From how long ago on a stitched window reads live slices.
const CUT_OFF_MS: i64 = 10 * MINUTE_MS;

/// The Collectors' open windows, as the shell fetched them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveWindow {
    /// 10 s slices of the last 15 minutes, of all shards; two slices of one moment add up.
    pub slices: Vec<Slice>,
    /// Whether every shard answered.
    pub coverage: Coverage,
}

/// Whether every shard answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// All of them did.
    Whole,
    /// These did not.
    Missing(Vec<u32>),
}

/// Why we could not look. Never a statement about the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Blindness {
    /// Collector shards did not answer.
    #[error("Collector shards {shards:?} did not answer")]
    Live {
        /// Which.
        shards: Vec<u32>,
    },
    /// The database did not give the older minutes.
    #[error("stored minutes could not be read: {message}")]
    Stored {
        /// What it said.
        message: String,
    },
}

/// What one selector found in its window.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The window looked at.
    pub window: Window,
    /// One merged cell for each kind of series that matched; more than one means the name is used for two kinds.
    pub cells: Vec<Cell>,
}

/// What a rule sees: one observation for each of its selectors, in the order of [`selectors`].
pub type Observed = Result<Vec<Observation>, Blindness>;

/// The stored minutes of one window start, or why there are none.
pub type Stored = BTreeMap<UnixMs, Result<Vec<Slice>, Blindness>>;

/// A read of D1 that some rules need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRead {
    /// The minutes.
    pub window: Window,
    /// The metric names.
    pub names: Vec<String>,
}

/// A rule's window: what is read from D1 and what from the live slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stitch {
    stored: Option<Window>,
    live: Window,
}

impl Stitch {
    fn whole(&self) -> Window {
        Window { from: self.stored.map_or(self.live.from, |stored| stored.from), to: self.live.to }
    }
}

/// The selectors of a rule: for a ratio the part, then the whole.
pub fn selectors(when: &When) -> Vec<&Selector> {
    match when {
        When::Threshold { of, .. } | When::Absence { of, .. } => vec![of],
        When::Ratio { part, whole, .. } => vec![part, whole],
    }
}

/// How far back the condition looks.
pub fn over(when: &When) -> Over {
    match when {
        When::Threshold { over, .. } | When::Absence { over, .. } | When::Ratio { over, .. } => *over,
    }
}

/// The reads of D1 that `rules` need at `now`: one for each window start, names together.
pub fn stored_reads(rules: &[Rule], now: UnixMs, zone: chrono_tz::Tz) -> Vec<StoredRead> {
    let mut reads: BTreeMap<UnixMs, StoredRead> = BTreeMap::new();
    for rule in rules {
        let Some(window) = stitch(over(&rule.when), now, zone).stored else { continue };
        let read = reads.entry(window.from).or_insert_with(|| StoredRead { window, names: Vec::new() });
        for selector in selectors(&rule.when) {
            if !read.names.contains(&selector.series) {
                read.names.push(selector.series.clone());
            }
        }
    }
    reads.into_values().collect()
}

/// Slices by metric name, so that a rule visits only its own series.
#[derive(Debug)]
pub struct Index<'a> {
    by_name: BTreeMap<&'a str, Vec<(UnixMs, &'a SeriesKey, &'a Cell)>>,
}

impl<'a> Index<'a> {
    /// The index of `slices`.
    pub fn new(slices: impl IntoIterator<Item = &'a Slice>) -> Self {
        let mut by_name: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for slice in slices {
            for (key, cell) in &slice.cells {
                by_name.entry(key.name()).or_default().push((slice.t, key, cell));
            }
        }
        Self { by_name }
    }

    fn merge_into(&self, cells: &mut Vec<Cell>, selector: &Selector, window: Window) {
        let found = self.by_name.get(selector.series.as_str()).into_iter().flatten();
        for (_, _, cell) in found.filter(|(t, key, _)| window.contains(*t) && matches(selector, key)) {
            match cells.iter_mut().find(|known| known.kind() == cell.kind()) {
                Some(known) => known.merge(cell),
                None => cells.push((*cell).clone()),
            }
        }
    }
}

/// What `rule` sees at `now`.
pub fn observe(rule: &Rule, now: UnixMs, zone: chrono_tz::Tz, live: (&Index<'_>, &Coverage), stored: &Stored) -> Observed {
    let (index, coverage) = live;
    if let Coverage::Missing(shards) = coverage {
        return Err(Blindness::Live { shards: shards.clone() });
    }
    let stitch = stitch(over(&rule.when), now, zone);
    let minutes = match stitch.stored.and_then(|window| stored.get(&window.from)) {
        Some(Ok(slices)) => Some(Index::new(slices)),
        Some(Err(blindness)) => return Err(blindness.clone()),
        None if stitch.stored.is_some() => return Err(Blindness::Stored { message: "they were not asked for".to_owned() }),
        None => None,
    };
    let look = |selector: &Selector| {
        let mut cells = Vec::new();
        if let (Some(window), Some(minutes)) = (stitch.stored, &minutes) {
            minutes.merge_into(&mut cells, selector, window);
        }
        index.merge_into(&mut cells, selector, stitch.live);
        Observation { window: stitch.whole(), cells }
    };
    Ok(selectors(&rule.when).into_iter().map(look).collect())
}

/// Starts are floored to the bucket they fall in, so a window is at most one bucket longer than asked, never shorter.
fn stitch(over: Over, now: UnixMs, zone: chrono_tz::Tz) -> Stitch {
    let cut_off = now.plus(-CUT_OFF_MS).floor(MINUTE_MS);
    let from = match over {
        Over::Ms(ms) if ms <= LIVE_MS => return Stitch { stored: None, live: Window { from: now.plus(-ms).floor(SLICE_MS), to: now } },
        Over::Ms(ms) => now.plus(-ms).floor(MINUTE_MS),
        Over::Today => day_window(now, zone).from,
    };
    if from >= cut_off {
        return Stitch { stored: None, live: Window { from, to: now } };
    }
    Stitch { stored: Some(Window { from, to: cut_off }), live: Window { from: cut_off, to: now } }
}

/// Whether `key` has every label of the selector; a missing label counts as empty, a trailing `*` matches any rest.
fn matches(selector: &Selector, key: &SeriesKey) -> bool {
    selector.labels.iter().all(|(name, wanted)| {
        let value = key.label(name).unwrap_or_default();
        wanted.strip_suffix('*').map_or(value == wanted, |prefix| value.starts_with(prefix))
    })
}

#[cfg(test)]
mod tests;
