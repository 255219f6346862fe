//! A line of blocks that shows how a number went: `▁▁▁▂▃▆█▇ last 30 min (peak 7.1 % at 14:09 SAST)`.
//!
//! Eight heights, from zero (or the lowest value, if that is below) to the highest, so that a rate that barely moved looks as if it barely
//! moved. A moment without a value is a `·`. Invariants: a line is as long as its points and at most [`MAX_POINTS`]; of two
//! values the greater is never drawn lower; the highest is `█`, unless all are nothing, which is a flat line.

use serde::Serialize;

use crate::config::alerting::Compare;
use crate::record::record;
use crate::time::UnixMs;

/// Points of a line: what fits a phone's width beside its caption.
pub const MAX_POINTS: usize = 24;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const GAP: char = '·';

/// How a number went before a message, drawn, and its worst moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// The blocks, the newest last.
    pub line: String,
    /// What was drawn, and over how long: `last 30 min`.
    pub caption: String,
    /// The worst of it.
    pub worst: f64,
    /// Which way is worse.
    pub worse: Compare,
    /// The unit of `worst`.
    pub unit: super::quantity::Unit,
    /// When it was.
    pub worst_at: UnixMs,
}

record!(Trend { line, caption, worst, worse, unit, worst_at, .. });

/// A block for each of the newest [`MAX_POINTS`] values.
pub fn line(values: &[Option<f64>]) -> String {
    let finite = |value: &Option<f64>| value.filter(|value| value.is_finite());
    let newest = values.get(values.len().saturating_sub(MAX_POINTS)..).unwrap_or_default();
    let (low, high) =
        newest.iter().filter_map(finite).fold((0.0, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
    let block = |value: f64| {
        // The halves keep the difference of two of the greatest numbers finite.
        let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7; not a number, of a flat line at zero, is 0")]
        let height = (share * 7.0).round() as usize;
        BLOCKS.get(height).copied().unwrap_or(GAP)
    };
    newest.iter().map(|value| finite(value).map_or(GAP, block)).collect()
}

/// The worst of `points`, the first if there are several, if at least two have a value: one is no line.
pub fn worst(points: &[(UnixMs, Option<f64>)], worse: Compare) -> Option<(UnixMs, f64)> {
    let mut known = points.iter().filter_map(|(at, value)| Some((*at, value.filter(|value| value.is_finite())?)));
    let first = known.next()?;
    let mut rest = known.peekable();
    rest.peek()?;
    let is_worse = |a: f64, b: f64| match worse {
        Compare::Above => a > b,
        Compare::Below => a < b,
    };
    Some(rest.fold(first, |worst, point| if is_worse(point.1, worst.1) { point } else { worst }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_reads_as_its_numbers_went() {
        for (why, values, drawn) in [
            ("it grew", vec![Some(0.0), Some(1.0), Some(2.0), Some(3.5), Some(7.0), Some(6.0)], "▁▂▃▅█▇"),
            ("nothing is known of some", vec![None, Some(7.0), None, Some(f64::NAN), Some(3.0)], "·█··▄"),
            ("flat", vec![Some(5.0); 4], "████"),
            ("nothing at all", vec![Some(0.0); 3], "▁▁▁"),
            ("one", vec![Some(0.064)], "█"),
            ("it barely moved", vec![Some(200.0), Some(205.0), Some(202.0)], "███"),
            ("it fell", vec![Some(12.0), Some(11.0), Some(3.0), Some(0.0)], "█▇▃▁"),
            ("below zero", vec![Some(-7.0), Some(0.0), Some(7.0)], "▁▅█"),
            ("the greatest there are", vec![Some(f64::MIN), Some(f64::MAX)], "▁█"),
            ("no values", vec![None, None], "··"),
            ("no points", vec![], ""),
        ] {
            assert_eq!(line(&values), drawn, "{why}");
        }
    }

    #[test]
    fn the_worst_is_the_first_of_its_kind_and_one_value_is_no_line() {
        let points = |values: &[Option<f64>]| -> Vec<_> { (0..).map(UnixMs).zip(values.iter().copied()).collect() };
        for (values, worse, found) in [
            (vec![Some(1.0), Some(3.0), None, Some(3.0)], Compare::Above, Some((1, 3.0))),
            (vec![Some(2.0), None, Some(1.0), Some(3.0)], Compare::Below, Some((2, 1.0))),
            (vec![None, Some(2.0), Some(f64::INFINITY)], Compare::Above, None),
            (vec![None], Compare::Above, None),
        ] {
            assert_eq!(worst(&points(&values), worse).map(|(at, value)| (at.0, value)), found, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn a_line_is_bounded_rises_with_its_values_and_tops_out_at_the_highest(
            values in prop::collection::vec(prop::option::of(prop_oneof![-1e6..1e6, prop::num::f64::ANY]), 0..40),
        ) {
            let drawn: Vec<char> = line(&values).chars().collect();
            let newest = &values[values.len().saturating_sub(MAX_POINTS)..];
            prop_assert_eq!(drawn.len(), newest.len());
            let height = |block: &char| BLOCKS.iter().position(|known| known == block);
            let known: Vec<(f64, usize)> =
                newest.iter().zip(&drawn).filter_map(|(value, block)| Some((value.filter(|value| value.is_finite())?, height(block)?))).collect();
            // Every number is drawn, and nothing else is.
            prop_assert_eq!(known.len(), newest.iter().flatten().filter(|value| value.is_finite()).count());
            prop_assert_eq!(known.len(), drawn.iter().filter(|block| **block != GAP).count());
            for (a, of_a) in &known {
                for (b, of_b) in &known {
                    prop_assert!(a < b || of_a >= of_b, "{a} {b} {drawn:?}");
                }
            }
            let high = known.iter().map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
            if known.iter().any(|(value, _)| *value < high) || high > 0.0 {
                prop_assert!(known.iter().filter(|(value, _)| *value == high).all(|(_, of_it)| *of_it == 7), "{drawn:?}");
            }
        }
    }
}
