//! What one series holds for one span of time, and how two of them become one.
//!
//! The merge law: merging is commutative, associative and has an identity, so shards, retries in any order and roll-ups
//! give exactly what one big window would. Floating-point addition is not associative, so sums are kept as whole
//! [`Micros`]; they stay below 2^53 µ (nine thousand million units a cell), which a JavaScript number carries exactly.

use serde::{Deserialize, Serialize};

use super::series::Kind;
use super::sketch::Sketch;

/// A sum in whole millionths of the unit, so that adding is exact in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

/// The largest sum a cell holds: 2^53 − 1 millionths; beyond it a sum stays there.
pub const MAX_MICROS: i64 = (1 << 53) - 1;

impl Micros {
    /// The nearest whole number of millionths; values beyond ±[`MAX_MICROS`] and NaN are clamped.
    #[expect(clippy::cast_possible_truncation, reason = "float-to-int casts saturate, and the clamp follows")]
    pub fn from_f64(value: f64) -> Self {
        Self(((value * 1e6).round() as i64).clamp(-MAX_MICROS, MAX_MICROS))
    }

    /// A whole number of units.
    pub fn from_units(units: u64) -> Self {
        Self(i64::try_from(units.saturating_mul(1_000_000)).unwrap_or(MAX_MICROS).min(MAX_MICROS))
    }

    /// The value in units.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).clamp(-MAX_MICROS, MAX_MICROS))
    }
}

/// A gauge's cell: the value seen last (of two at the same moment, the larger), the lowest and the highest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "(i64, f64, f64, f64)", into = "(i64, f64, f64, f64)")]
pub struct Gauge {
    /// When `last` was seen, Unix milliseconds.
    pub at: i64,
    /// The value seen last.
    pub last: f64,
    /// The lowest value seen.
    pub min: f64,
    /// The highest value seen.
    pub max: f64,
}

impl From<(i64, f64, f64, f64)> for Gauge {
    fn from((at, last, min, max): (i64, f64, f64, f64)) -> Self {
        Self { at, last, min, max }
    }
}

impl From<Gauge> for (i64, f64, f64, f64) {
    fn from(gauge: Gauge) -> Self {
        (gauge.at, gauge.last, gauge.min, gauge.max)
    }
}

/// A distribution's cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "(Micros, f64, f64, Sketch)", into = "(Micros, f64, f64, Sketch)")]
pub struct Distribution {
    /// The sum of the values.
    pub sum: Micros,
    /// The lowest value.
    pub min: f64,
    /// The highest value.
    pub max: f64,
    /// Counts by size.
    pub sketch: Sketch,
}

impl From<(Micros, f64, f64, Sketch)> for Distribution {
    fn from((sum, min, max, sketch): (Micros, f64, f64, Sketch)) -> Self {
        Self { sum, min, max, sketch }
    }
}

impl From<Distribution> for (Micros, f64, f64, Sketch) {
    fn from(cell: Distribution) -> Self {
        (cell.sum, cell.min, cell.max, cell.sketch)
    }
}

/// One series in one span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// A counter's increase.
    #[serde(rename = "c")]
    Counter(Micros),
    /// A gauge's level.
    #[serde(rename = "g")]
    Gauge(Gauge),
    /// A distribution's values.
    #[serde(rename = "d")]
    Distribution(Distribution),
}

impl Cell {
    /// A counter that grew by `units`.
    pub fn count(units: u64) -> Self {
        Self::Counter(Micros::from_units(units))
    }

    /// A cell of that kind holding one value seen at `at_ms`.
    pub fn single(kind: Kind, value: f64, at_ms: i64) -> Self {
        match kind {
            Kind::Counter => Self::Counter(Micros::from_f64(value)),
            Kind::Gauge => Self::Gauge(Gauge { at: at_ms, last: value, min: value, max: value }),
            Kind::Distribution => {
                let mut sketch = Sketch::default();
                sketch.observe(value);
                Self::Distribution(Distribution { sum: Micros::from_f64(value), min: value, max: value, sketch })
            }
        }
    }

    /// The kind of series it belongs to.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Distribution(_) => Kind::Distribution,
        }
    }

    /// Takes `other` in. Cells of different kinds never share a key; if they meet all the same, `self` stays as it is.
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Counter(mine), Self::Counter(theirs)) => *mine = mine.plus(*theirs),
            (Self::Gauge(mine), Self::Gauge(theirs)) => {
                if (theirs.at, theirs.last) > (mine.at, mine.last) {
                    (mine.at, mine.last) = (theirs.at, theirs.last);
                }
                mine.min = mine.min.min(theirs.min);
                mine.max = mine.max.max(theirs.max);
            }
            (Self::Distribution(mine), Self::Distribution(theirs)) => {
                mine.sum = mine.sum.plus(theirs.sum);
                mine.min = mine.min.min(theirs.min);
                mine.max = mine.max.max(theirs.max);
                mine.sketch.merge(&theirs.sketch);
            }
            (Self::Counter(_) | Self::Gauge(_) | Self::Distribution(_), _) => {}
        }
    }

    /// A counter's increase, a gauge's last value, a distribution's number of values.
    pub fn amount(&self) -> f64 {
        match self {
            Self::Counter(sum) => sum.as_f64(),
            Self::Gauge(gauge) => gauge.last,
            Self::Distribution(cell) => cell.sketch.count() as f64,
        }
    }

    /// A distribution's quantile, kept within its lowest and highest value; `None` for other kinds or when empty.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        match self {
            Self::Distribution(cell) => cell.sketch.quantile(q).map(|value| value.clamp(cell.min, cell.max.max(cell.min))),
            Self::Counter(_) | Self::Gauge(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_cell(kind: Kind) -> impl Strategy<Value = Cell> {
        prop::collection::vec((-1e3_f64..1e6, 0_i64..20), 1..8).prop_map(move |seen| {
            let mut cells = seen.iter().map(|(value, at)| Cell::single(kind, *value, *at));
            let first = cells.next().unwrap();
            cells.fold(first, |mut sum, cell| {
                sum.merge(&cell);
                sum
            })
        })
    }

    fn any_kind() -> impl Strategy<Value = Kind> {
        prop::sample::select(Kind::ALL.to_vec())
    }

    fn merged(a: &Cell, b: &Cell) -> Cell {
        let mut sum = a.clone();
        sum.merge(b);
        sum
    }

    proptest! {
        #[test]
        fn the_merge_law_holds_for_every_kind((a, b, c) in any_kind().prop_flat_map(|k| (any_cell(k), any_cell(k), any_cell(k)))) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&merged(&a, &b), &c).kind(), a.kind());
        }

        #[test]
        fn a_cell_survives_storage(cell in any_kind().prop_flat_map(any_cell)) {
            let text = serde_json::to_string(&cell).unwrap();
            prop_assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), cell);
        }
    }

    #[test]
    fn the_stored_format_of_a_cell_stays() {
        let text = |cell: &Cell| serde_json::to_string(cell).unwrap();
        assert_eq!(text(&Cell::count(3)), r#"{"c":3000000}"#);
        assert_eq!(text(&Cell::single(Kind::Gauge, 1.5, 7)), r#"{"g":[7,1.5,1.5,1.5]}"#);
        assert_eq!(text(&Cell::single(Kind::Distribution, 0.25, 7)), r#"{"d":[250000,0.25,0.25,"004101"]}"#);
    }

    #[test]
    fn sums_stop_at_what_a_javascript_number_carries() {
        let mut cell = Cell::count(u64::MAX);
        cell.merge(&Cell::count(u64::MAX));
        assert_eq!(cell, Cell::Counter(Micros(MAX_MICROS)));
    }
}
