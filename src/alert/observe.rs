//! What a rule sees: the cells its selectors match, merged over its window.
//!
//! Windows of at most 15 minutes are read from the Collectors' live slices of 10 s alone. Longer ones are stitched: D1's
//! rows before a cut-off ten minutes ago (a Collector writes a minute seconds after it ends, so ten minutes is slack
//! for a bad spell), live slices from the cut-off on; from six hours on the whole hours are read as hours. Invariant: the parts
//! touch and do not overlap, so no value counts twice.
//!
//! A rule may ask for one alert for each set of label values: it then sees an [`Instance`] for each, at most
//! [`MAX_INSTANCES`]. Finding nothing and failing to look are different things: the second is a [`Blindness`].

use std::collections::BTreeMap;

use crate::sorted::Map;

use serde::Serialize;

use super::burn;
use crate::config::alerting::{Over, Rule, Selector, When};
use crate::order;
use crate::storage::series::Slice;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{OTHER, Places, SeriesKey};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs, Window, day_window};

/// Width of a live slice.
pub const SLICE_MS: i64 = 10 * SECOND_MS;
/// How far back live slices go.
pub const LIVE_MS: i64 = 15 * MINUTE_MS;
/// From how long ago on a stitched window reads live slices.
const CUT_OFF_MS: i64 = 10 * MINUTE_MS;
/// From this length on a window's whole hours are read as hours: 3 days of one series are 72 rows then, not 4,320.
const HOURS_FROM_MS: i64 = 6 * HOUR_MS;
/// From this age on only hours are read: minutes are kept for seven days.
const MINUTES_UNTIL_MS: i64 = 6 * DAY_MS;
/// Alerts one rule can raise at once; what is beyond goes into one of `(other)`. A person reads fifty at most.
pub const MAX_INSTANCES: usize = 50;

/// The Collectors' open windows, as the shell fetched them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiveWindow {
    /// 10 s slices of the last 15 minutes, of all shards; two slices of one moment add up.
    pub slices: Vec<Slice>,
    /// Whether every shard answered.
    pub coverage: Coverage,
}

/// Whether every shard answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// All of them did.
    Whole,
    /// These did not.
    Missing(Vec<u32>),
}

/// Why we could not look. Never a statement about the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
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

/// Label values that set one alert of a rule apart from its others; empty for a rule without `by`.
pub type Labels = Map<String, String>;

/// What a rule sees of one of its alerts: one observation for each of its [`looks`], in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Which.
    pub labels: Labels,
    /// What was found.
    pub observations: Vec<Observation>,
}

/// What a rule sees.
pub type Observed = Result<Vec<Instance>, Blindness>;

/// How finely stored rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// Minute by minute.
    Minute,
    /// Hour by hour; an hour that is not rolled up yet by its minutes.
    Hour,
}

/// A span of stored rows.
pub type Stretch = (Resolution, Window);

/// The stored rows of each stretch, or why there are none.
pub type Stored = Map<Stretch, Result<Vec<Slice>, Blindness>>;

/// A read of D1 that some rules need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRead {
    /// The rows.
    pub stretch: Stretch,
    /// The metric names.
    pub names: Vec<String>,
}

/// One thing a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look<'a> {
    /// Which series.
    pub of: &'a Selector,
    /// Over how long.
    pub over: Over,
    /// How long before now the window ends.
    pub ago_ms: i64,
}

/// What a condition looks at: a ratio at its part, then its whole; a change at now, then at then; a combination at what its
/// conditions look at, one after the other.
pub fn looks(when: &When) -> Vec<Look<'_>> {
    let now = |of, over| Look { of, over, ago_ms: 0 };
    match when {
        When::Threshold { of, over, .. } | When::Absence { of, over } => vec![now(of, *over)],
        When::Ratio { part, whole, over, .. } => vec![now(part, *over), now(whole, *over)],
        When::Change { of, over_ms, against_ms, .. } => {
            let over = Over::Ms(*over_ms);
            vec![now(of, over), Look { of, over, ago_ms: *against_ms }]
        }
        When::BurnRate { bad, all, pace, .. } => {
            let windows = burn::windows(*pace).into_iter().flat_map(|pair| [pair.long_ms, pair.short_ms]);
            windows.flat_map(|over_ms| [now(bad, Over::Ms(over_ms)), now(all, Over::Ms(over_ms))]).collect()
        }
        When::All(of) | When::Any(of) => of.iter().flat_map(looks).collect(),
    }
}

/// The reads of D1 that `looks` need at `now`: one for each stretch, names together.
pub fn stored_reads<'a>(looks: impl IntoIterator<Item = Look<'a>>, now: UnixMs, zone: chrono_tz::Tz) -> Vec<StoredRead> {
    let mut reads: Map<Stretch, Vec<String>> = Map::new();
    for look in looks {
        for stretch in stitch(&look, now, zone).stored {
            let names = reads.entry(stretch).or_default();
            if !names.contains(&look.of.series) {
                names.push(look.of.series.clone());
            }
        }
    }
    reads.into_iter().map(|(stretch, names)| StoredRead { stretch, names }).collect()
}

/// Cells by metric name and series, so that a rule visits only its own.
#[derive(Debug)]
pub(super) struct Index<'a> {
    by_name: Map<&'a str, BySeries<'a>>,
}

type BySeries<'a> = BTreeMap<&'a SeriesKey, Vec<(UnixMs, &'a Cell)>>;

impl<'a> Index<'a> {
    pub(super) fn new(slices: impl IntoIterator<Item = &'a Slice>) -> Self {
        // By place first: the slices of one answer share their keys, so texts are compared once a series, not once a cell.
        let mut places = Places::default();
        let mut series: Vec<(&SeriesKey, Vec<(UnixMs, &Cell)>)> = Vec::new();
        for slice in slices {
            for (key, cell) in &slice.cells {
                let place = places.of(key);
                match series.get_mut(place) {
                    Some((_, cells)) => cells.push((slice.t, cell)),
                    None => series.push((key, vec![(slice.t, cell)])),
                }
            }
        }
        let mut by_name: Map<&str, BySeries<'a>> = Map::new();
        for (key, cells) in series {
            by_name.entry(key.name()).or_default().entry(key).or_default().extend(cells);
        }
        Self { by_name }
    }

    /// The series `selector` selects, with their cells.
    pub(super) fn found(&self, selector: &Selector) -> impl Iterator<Item = (&SeriesKey, &[(UnixMs, &'a Cell)])> {
        let found = self.by_name.get(selector.series.as_str()).into_iter().flatten();
        found.filter(move |(key, _)| matches(selector, key)).map(|(key, cells)| (*key, cells.as_slice()))
    }

    fn merge_into(&self, groups: &mut Groups, look: (usize, usize), selector: &Selector, by: &[String], window: Window) {
        for (key, cells) in self.found(selector) {
            for (_, cell) in cells.iter().filter(|(t, _)| window.contains(*t)) {
                let labels = || order::map(by.iter().map(|label| (label.clone(), key.label(label).unwrap_or_default().to_owned())));
                groups.merge(labels(), look, cell);
            }
        }
    }
}

/// The cells of each instance and look.
#[derive(Default)]
struct Groups(Map<Labels, Vec<Vec<Cell>>>);

impl Groups {
    fn of(&mut self, labels: Labels, looks: usize) -> &mut Vec<Vec<Cell>> {
        self.0.entry(labels).or_insert_with(|| vec![Vec::new(); looks])
    }

    fn merge(&mut self, labels: Labels, (look, looks): (usize, usize), cell: &Cell) {
        let Some(cells) = self.of(labels, looks).get_mut(look) else { return };
        match cells.iter_mut().find(|known| known.kind() == cell.kind()) {
            Some(known) => known.merge(cell),
            None => cells.push(cell.clone()),
        }
    }

    /// The largest stay apart; the rest become one.
    fn bounded(self, looks: usize) -> Self {
        if self.0.len() <= MAX_INSTANCES {
            return self;
        }
        let size = |cells: &[Vec<Cell>]| cells.iter().flatten().map(Cell::amount).fold(0.0, f64::max);
        let mut ranked: Vec<_> = self.0.into_iter().map(|(labels, cells)| (size(&cells), (labels, cells))).collect();
        order::sort_by(&mut ranked, |(a, _), (b, _)| a > b);
        let rest = ranked.split_off(MAX_INSTANCES - 1);
        let mut kept = Self(order::map(ranked.into_iter().map(|(_, instance)| instance)));
        for (_, (labels, cells)) in rest {
            let other: Labels = order::map(labels.into_keys().map(|label| (label, OTHER.to_owned())));
            for (look, cells) in cells.iter().enumerate() {
                for cell in cells {
                    kept.merge(other.clone(), (look, looks), cell);
                }
            }
        }
        kept
    }
}

/// The live slices and the stored rows, indexed once for all rules.
#[derive(Debug)]
pub struct View<'a> {
    live: Result<Index<'a>, Blindness>,
    stored: Map<Stretch, Result<Index<'a>, &'a Blindness>>,
}

impl<'a> View<'a> {
    /// What can be seen: the Collectors' slices with Parapet's own, and what was read of D1.
    pub fn new(slices: impl IntoIterator<Item = &'a Slice>, coverage: &Coverage, stored: &'a Stored) -> Self {
        let live = match coverage {
            Coverage::Whole => Ok(Index::new(slices)),
            Coverage::Missing(shards) => Err(Blindness::Live { shards: shards.clone() }),
        };
        let stored = order::map(stored.iter().map(|(stretch, slices)| (*stretch, slices.as_ref().map(Index::new))));
        Self { live, stored }
    }
}

/// What `rule` sees at `now`. `known` are the instances it has alerts of: they are answered even if nothing is left of them.
pub fn observe(rule: &Rule, known: &[Labels], now: UnixMs, zone: chrono_tz::Tz, view: &View<'_>) -> Observed {
    observe_looks(&looks(&rule.when), &rule.by, known, now, zone, view)
}

/// As [`observe`], of `looks` set apart `by` labels.
pub fn observe_looks(looks: &[Look<'_>], by: &[String], known: &[Labels], now: UnixMs, zone: chrono_tz::Tz, view: &View<'_>) -> Observed {
    let live = view.live.as_ref().map_err(Clone::clone)?;
    let mut groups = Groups::default();
    let mut windows = Vec::new();
    for (place, look) in looks.iter().enumerate() {
        let stitch = stitch(look, now, zone);
        let place = (place, looks.len());
        for stretch in &stitch.stored {
            match view.stored.get(stretch) {
                Some(Ok(rows)) => rows.merge_into(&mut groups, place, look.of, by, stretch.1),
                Some(Err(blindness)) => return Err((*blindness).clone()),
                None => return Err(Blindness::Stored { message: "they were not asked for".to_owned() }),
            }
        }
        if let Some(window) = stitch.live {
            live.merge_into(&mut groups, place, look.of, by, window);
        }
        windows.push(stitch.whole);
    }
    let mut groups = groups.bounded(looks.len());
    if by.is_empty() {
        groups.of(Labels::new(), looks.len());
    }
    for labels in known {
        groups.of(labels.clone(), looks.len());
    }
    let instance = |(labels, cells): (Labels, Vec<Vec<Cell>>)| Instance {
        labels,
        observations: windows.iter().zip(cells).map(|(window, cells)| Observation { window: *window, cells }).collect(),
    };
    Ok(groups.0.into_iter().map(instance).collect())
}

/// A look's window, and which parts of it are read where.
struct Stitch {
    whole: Window,
    stored: Vec<Stretch>,
    live: Option<Window>,
}

/// Starts are floored to the bucket they fall in, so a window is at most one bucket longer than asked, never shorter.
fn stitch(look: &Look<'_>, now: UnixMs, zone: chrono_tz::Tz) -> Stitch {
    let cut_off = now.plus(-CUT_OFF_MS).floor(MINUTE_MS);
    let to = if look.ago_ms > 0 { now.plus(-look.ago_ms).floor(MINUTE_MS) } else { now };
    let from = match look.over {
        Over::Ms(ms) if ms <= LIVE_MS && look.ago_ms == 0 => now.plus(-ms).floor(SLICE_MS),
        Over::Ms(ms) => to.plus(-ms).floor(MINUTE_MS),
        Over::Today => day_window(to, zone).from,
    };
    let whole = Window { from, to };
    let within_live = matches!(look.over, Over::Ms(ms) if ms <= LIVE_MS) && look.ago_ms == 0;
    if within_live || from >= cut_off {
        return Stitch { whole, stored: Vec::new(), live: Some(whole) };
    }
    if now.since(from) > MINUTES_UNTIL_MS && now.since(to) > MINUTES_UNTIL_MS {
        let from = from.floor(HOUR_MS);
        let whole = Window { from, to: to.floor(HOUR_MS).max(from.plus(HOUR_MS)) };
        return Stitch { whole, stored: vec![(Resolution::Hour, whole)], live: None };
    }
    let stored = stretches(Window { from, to: to.min(cut_off) }, now);
    let from = stored.first().map_or(from, |(_, window)| window.from);
    Stitch { whole: Window { from, to }, stored, live: (to > cut_off).then_some(Window { from: cut_off, to }) }
}

fn stretches(rows: Window, now: UnixMs) -> Vec<Stretch> {
    if rows.length_ms() < HOURS_FROM_MS {
        return vec![(Resolution::Minute, rows)];
    }
    let old = now.since(rows.from) > MINUTES_UNTIL_MS;
    let first = if old { rows.from.floor(HOUR_MS) } else { rows.from.plus(HOUR_MS - 1).floor(HOUR_MS) };
    let last = rows.to.floor(HOUR_MS);
    let parts = [
        (Resolution::Minute, Window { from: rows.from, to: first }),
        (Resolution::Hour, Window { from: first, to: last }),
        (Resolution::Minute, Window { from: last, to: rows.to }),
    ];
    parts.into_iter().filter(|(_, window)| window.length_ms() > 0).collect()
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
