//! Which label values explain a change: `route /api/bookings 71 %, country ZA 64 %`.
//!
//! Two windows of equal length are compared, now and before, label by label. A value's share is its growth over the growth of
//! all values of its label that grew, so a label's shares are 0 to 1 and add up to 1 at most. What has its usual share of
//! the traffic explains nothing, however large it is: a value is named for what it has beyond that.

use serde::Serialize;

use crate::order;
use crate::record::record;
use crate::sorted::Map;
use crate::telemetry::series::OTHER;

/// A smaller share says nothing to who reads it at night.
const MIN_SHARE: f64 = 0.2;
/// A value has to have this much more of the change than of what is usual.
const MIN_EXCESS: f64 = 0.1;
/// Of a change of fewer, a share is chance: one of two is already half.
const MIN_CHANGE: f64 = 5.0;
/// Lines a message has room for.
const MAX_CONTRIBUTORS: usize = 3;

/// One label value and its share of the change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contributor {
    /// The label's name.
    pub label: String,
    /// Its value.
    pub value: String,
    /// 0 to 1.
    pub share: f64,
}

record!(Contributor { label, value, share, .. });

/// What one label value had.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Amounts {
    /// In the window that ends now.
    pub now: f64,
    /// In the window before, of the same length.
    pub before: f64,
    /// Of all there was before, good and bad; what its usual share is reckoned from.
    pub usual: f64,
}

/// Which way is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More is.
    Up,
    /// Less is.
    Down,
}

/// Amounts by label and value. A series without a label counts under the empty value, which is never named.
pub type Tally = Map<String, Map<String, Amounts>>;

/// Of each label the value that explains most beyond its usual share, if that is enough; the largest shares first.
pub fn contributors(tally: &Tally, direction: Direction) -> Vec<Contributor> {
    let mut found: Vec<Contributor> = tally.iter().filter_map(|(label, values)| foremost(label, values, direction)).collect();
    order::sort_by(&mut found, |a, b| a.share > b.share);
    found.truncate(MAX_CONTRIBUTORS);
    found
}

fn foremost(label: &str, values: &Map<String, Amounts>, direction: Direction) -> Option<Contributor> {
    let change: f64 = values.values().map(|amounts| worsening(amounts, direction)).sum();
    if change < MIN_CHANGE {
        return None;
    }
    let usual: f64 = values.values().map(|amounts| amounts.usual.max(0.0)).sum();
    let mut best: Option<(f64, Contributor)> = None;
    for (value, amounts) in values.iter().filter(|(value, _)| !value.is_empty() && *value != OTHER) {
        let share = (worsening(amounts, direction) / change).clamp(0.0, 1.0);
        let excess = if usual > 0.0 { share - amounts.usual.max(0.0) / usual } else { share };
        if share >= MIN_SHARE && excess >= MIN_EXCESS && best.as_ref().is_none_or(|(known, _)| excess > *known) {
            best = Some((excess, Contributor { label: label.to_owned(), value: value.clone(), share }));
        }
    }
    best.map(|(_, contributor)| contributor)
}

fn worsening(amounts: &Amounts, direction: Direction) -> f64 {
    match direction {
        Direction::Up => (amounts.now - amounts.before).max(0.0),
        Direction::Down => (amounts.before - amounts.now).max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(of: &[(&str, &str, [f64; 3])]) -> Tally {
        let mut tally = Tally::new();
        for (label, value, [now, before, usual]) in of {
            tally.entry((*label).into()).or_default().insert((*value).into(), Amounts { now: *now, before: *before, usual: *usual });
        }
        tally
    }

    #[test]
    fn the_value_with_more_of_the_change_than_is_usual_is_named() {
        use Direction::{Down, Up};
        for (why, of, direction, named) in [
            ("one route broke", vec![("route", "/a", [80.0, 0.0, 50.0]), ("route", "/b", [20.0, 0.0, 50.0])], Up, vec![("/a", 0.8)]),
            (
                "all is in one country, as ever",
                vec![("country", "ZA", [92.0, 2.0, 900.0]), ("country", "KE", [8.0, 0.0, 100.0])],
                Up,
                vec![],
            ),
            (
                "a small one stands out",
                vec![("country", "ZA", [60.0, 0.0, 900.0]), ("country", "KE", [40.0, 0.0, 10.0])],
                Up,
                vec![("KE", 0.4)],
            ),
            ("too few to say", vec![("route", "/a", [4.0, 0.0, 1.0]), ("route", "/b", [0.0, 0.0, 9.0])], Up, vec![]),
            ("nothing grew", vec![("route", "/a", [10.0, 50.0, 50.0])], Up, vec![]),
            ("one stopped", vec![("route", "/a", [0.0, 50.0, 50.0]), ("route", "/b", [50.0, 50.0, 50.0])], Down, vec![("/a", 1.0)]),
            ("what has no name", vec![("route", "(other)", [50.0, 0.0, 0.0]), ("route", "", [50.0, 0.0, 0.0])], Up, vec![]),
        ] {
            let found = contributors(&tally(&of), direction);
            let found: Vec<(&str, f64)> = found.iter().map(|found| (found.value.as_str(), found.share)).collect();
            assert_eq!(found, named, "{why}");
        }
    }

    #[test]
    fn of_many_labels_the_three_that_explain_most_are_named() {
        let shares = [("a", 50.0), ("b", 90.0), ("c", 60.0), ("d", 70.0)];
        let of: Vec<_> =
            shares.iter().flat_map(|(label, n)| [(*label, "x", [*n, 0.0, 1.0]), (*label, "y", [100.0 - n, 0.0, 9.0])]).collect();
        let found: Vec<String> = contributors(&tally(&of), Direction::Up).into_iter().map(|found| found.label).collect();
        assert_eq!(found, ["b", "d", "c"]);
    }

    proptest! {
        #[test]
        fn a_share_is_the_values_own_part_of_the_change_and_each_label_has_one(
            amounts in prop::collection::btree_map("[ab]", prop::collection::btree_map("[a-e]?", (0.0..1e6, 0.0..1e6, 0.0..1e6), 1..6), 0..3),
            up in any::<bool>(),
        ) {
            let of = |(now, before, usual): (f64, f64, f64)| Amounts { now, before, usual };
            let tally: Tally = amounts.into_iter().map(|(label, values)| (label, values.into_iter().map(|(value, it)| (value, of(it))).collect())).collect();
            let direction = if up { Direction::Up } else { Direction::Down };
            let found = contributors(&tally, direction);
            prop_assert!(found.len() <= MAX_CONTRIBUTORS);
            for it in &found {
                let values = tally.get(&it.label).unwrap();
                let change: f64 = values.values().map(|amounts| worsening(amounts, direction)).sum();
                // A share times the change is what the value itself grew by: no more is laid at its door.
                prop_assert!((it.share * change - worsening(values.get(&it.value).unwrap(), direction)).abs() <= 1e-6 * change);
                prop_assert_eq!(found.iter().filter(|other| other.label == it.label).count(), 1);
            }
            prop_assert!(found.iter().all(|it| (MIN_SHARE..=1.0).contains(&it.share)));
        }
    }
}
