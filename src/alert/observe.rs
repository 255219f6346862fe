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
use std::collections::btree_map::Entry;

use serde::Serialize;

pub(super) use self::stitch::cut_off;
use self::stitch::stitch;
use super::anomaly::small_count;
use super::burn;
use crate::config::alerting::{Over, Rule, Selector, When};
use crate::order;
use crate::sorted::{Map, Set};
use crate::storage::series::Slice;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{Kind, OTHER, Places, SeriesKey, name};
use crate::time::{HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs, Window};

mod stitch;

/// Width of a live slice.
pub const SLICE_MS: i64 = 10 * SECOND_MS;
/// How far back live slices go.
pub const LIVE_MS: i64 = 15 * MINUTE_MS;
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
    /// What was stored was dropped since.
    #[error("the {what} from {from} on are no longer all stored: they are kept for {days} days")]
    Gone {
        /// Minutes or hours.
        what: &'static str,
        /// From when on they are needed, RFC 3339.
        from: String,
        /// How long they are kept.
        days: u32,
    },
}

/// What one selector found in its window.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The window looked at.
    pub window: Window,
    /// One merged cell for each kind of series that matched; more than one means the name is used for two kinds.
    pub cells: Vec<Cell>,
    /// The same hour by hour, where a look keeps hours apart; a counter's hour in which it was watched and counted nothing is there.
    pub hours: BTreeMap<UnixMs, Cell>,
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
    /// As [`Resolution::Hour`], a counter's hours apart too.
    HourByHour,
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
    /// Whether its hours are kept apart.
    pub grain: Grain,
}

/// What a look is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// The window as one.
    Whole,
    /// The last whole hours that are surely written, one by one.
    Hours,
}

/// What a condition looks at: a ratio at its part, then its whole; a change at now, then at then; a combination at what its
/// conditions look at, one after the other.
pub fn looks(when: &When) -> Vec<Look<'_>> {
    let now = |of, over| Look { of, over, ago_ms: 0, grain: Grain::Whole };
    match when {
        When::Threshold { of, over, .. } | When::Absence { of, over } => vec![now(of, *over)],
        When::Ratio { part, whole, over, .. } => vec![now(part, *over), now(whole, *over)],
        When::Change { of, over_ms, against_ms, .. } => {
            let over = Over::Ms(*over_ms);
            vec![now(of, over), Look { ago_ms: *against_ms, ..now(of, over) }]
        }
        When::BurnRate { bad, all, pace, .. } => {
            let windows = burn::windows(*pace).into_iter().flat_map(|pair| [pair.long_ms, pair.short_ms]);
            windows.flat_map(|over_ms| [now(bad, Over::Ms(over_ms)), now(all, Over::Ms(over_ms))]).collect()
        }
        When::Anomaly { of, .. } => vec![Look { grain: Grain::Hours, ..now(of, Over::Ms(small_count::REACH_MS)) }],
        When::All(of) | When::Any(of) => of.iter().flat_map(looks).collect(),
    }
}

/// Whether one of `looks` reads live slices at `now`.
pub fn reads_live(looks: &[Look<'_>], now: UnixMs, zone: chrono_tz::Tz) -> bool {
    looks.iter().any(|look| stitch(look, now, zone).live.is_some())
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
            // An hour without a tick was not watched, and one with a tick was.
            if look.grain == Grain::Hours && !names.iter().any(|known| known == name::TICKS) {
                names.push(name::TICKS.to_owned());
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

    fn merge_into(&self, groups: &mut Groups, place: (usize, usize), look: &Look<'_>, by: &[String], window: Window) {
        for (key, cells) in self.found(look.of) {
            for (t, cell) in cells.iter().filter(|(t, _)| window.contains(*t)) {
                let labels = || order::map(by.iter().map(|label| (label.clone(), key.label(label).unwrap_or_default().to_owned())));
                let hour = (look.grain == Grain::Hours).then(|| t.floor(HOUR_MS));
                groups.merge(labels(), place, hour, cell);
            }
        }
    }
}

/// What one look found of one instance.
#[derive(Default, Clone)]
struct Found {
    cells: Vec<Cell>,
    hours: BTreeMap<UnixMs, Cell>,
}

/// What was found of each instance and look.
#[derive(Default)]
struct Groups(Map<Labels, Vec<Found>>);

impl Groups {
    fn of(&mut self, labels: Labels, looks: usize) -> &mut Vec<Found> {
        self.0.entry(labels).or_insert_with(|| vec![Found::default(); looks])
    }

    fn merge(&mut self, labels: Labels, (look, looks): (usize, usize), hour: Option<UnixMs>, cell: &Cell) {
        let Some(found) = self.of(labels, looks).get_mut(look) else { return };
        match found.cells.iter_mut().find(|known| known.kind() == cell.kind()) {
            Some(known) => known.merge(cell),
            None => found.cells.push(cell.clone()),
        }
        match hour.map(|hour| found.hours.entry(hour)) {
            Some(Entry::Occupied(mut known)) => known.get_mut().merge(cell),
            Some(Entry::Vacant(free)) => {
                free.insert(cell.clone());
            }
            None => {}
        }
    }

    /// The largest stay apart; the rest become one.
    fn bounded(self, looks: usize) -> Self {
        if self.0.len() <= MAX_INSTANCES {
            return self;
        }
        let size = |found: &[Found]| found.iter().flat_map(|found| &found.cells).map(Cell::amount).fold(0.0, f64::max);
        let mut ranked: Vec<_> = self.0.into_iter().map(|(labels, cells)| (size(&cells), (labels, cells))).collect();
        order::sort_by(&mut ranked, |(a, _), (b, _)| a > b);
        let rest = ranked.split_off(MAX_INSTANCES - 1);
        let mut kept = Self(order::map(ranked.into_iter().map(|(_, instance)| instance)));
        for (_, (labels, cells)) in rest {
            let other: Labels = order::map(labels.into_keys().map(|label| (label, OTHER.to_owned())));
            for (look, found) in cells.iter().enumerate() {
                for cell in found.cells.iter().filter(|_| found.hours.is_empty()) {
                    kept.merge(other.clone(), (look, looks), None, cell);
                }
                for (hour, cell) in &found.hours {
                    kept.merge(other.clone(), (look, looks), Some(*hour), cell);
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

impl Index<'_> {
    /// The hours in which Parapet ticked; none, if its ticks are not among the series.
    fn watched(&self) -> Set<UnixMs> {
        let ticks = self.by_name.get(name::TICKS).into_iter().flat_map(BTreeMap::values).flatten();
        order::set(ticks.map(|(t, _)| t.floor(HOUR_MS)))
    }
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
    let (mut windows, mut watched) = (Vec::new(), Set::new());
    for (place, look) in looks.iter().enumerate() {
        let stitch = stitch(look, now, zone);
        let place = (place, looks.len());
        for stretch in &stitch.stored {
            match view.stored.get(stretch) {
                Some(Ok(rows)) => {
                    rows.merge_into(&mut groups, place, look, by, stretch.1);
                    watched = if look.grain == Grain::Hours { rows.watched() } else { watched };
                }
                Some(Err(blindness)) => return Err((*blindness).clone()),
                None => return Err(Blindness::Stored { message: "they were not asked for".to_owned() }),
            }
        }
        if let Some(window) = stitch.live {
            live.merge_into(&mut groups, place, look, by, window);
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
    let seen = |(window, Found { cells, hours }): (&Window, Found)| {
        let hours = with_quiet_hours(hours, *window, &watched);
        Observation { window: *window, cells, hours }
    };
    let instance = |(labels, found): (Labels, Vec<Found>)| Instance { labels, observations: windows.iter().zip(found).map(seen).collect() };
    Ok(groups.0.into_iter().map(instance).collect())
}

/// A counter's hours from its first on: one in which nothing was counted has no row, and is there if Parapet `watched` it. Where it is
/// not known when it ticked, it did.
fn with_quiet_hours(mut hours: BTreeMap<UnixMs, Cell>, window: Window, watched: &Set<UnixMs>) -> BTreeMap<UnixMs, Cell> {
    let Some((mut hour, cell)) = hours.first_key_value().map(|(hour, cell)| (*hour, cell)) else { return hours };
    if cell.kind() != Kind::Counter {
        return hours;
    }
    while hour < window.to {
        if watched.is_empty() || watched.contains(&hour) {
            hours.entry(hour).or_insert_with(|| Cell::count(0));
        }
        hour = hour.plus(HOUR_MS);
    }
    hours
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
