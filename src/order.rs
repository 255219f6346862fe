//! Sorting a few things, and ordered maps of them.
//!
//! The standard library's sorts cost two kilobytes of WebAssembly for each type they sort, and collecting into an ordered
//! map sorts. Here is what the Worker uses instead: an insertion sort, stable, n²/4 steps: for at most a few hundred
//! items, which is what the callers' bounds are.

use serde_json::{Map, Value};

use crate::sorted::Set;

/// Sorts by `before(a, b)`: whether `a` has to stand before `b`. Equal items keep their order.
pub fn sort_by<T>(items: &mut [T], mut before: impl FnMut(&T, &T) -> bool) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && items.get(at).zip(items.get(at - 1)).is_some_and(|(item, other)| before(item, other)) {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// The pairs as a map; of equal keys the last wins.
pub fn map<M: Default + Extend<P>, P>(pairs: impl IntoIterator<Item = P>) -> M {
    let mut map = M::default();
    map.extend(pairs);
    map
}

/// The members as a JSON object; of equal names the last wins.
pub fn object(members: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert(name, value);
    }
    object
}

/// The items as a set.
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> Set<T> {
    let mut set = Set::new();
    set.extend(items);
    set
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(mut items in prop::collection::vec((0_u8..20, 0_u8..), 0..60)) {
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            sort_by(&mut items, |a, b| a.0 < b.0);
            prop_assert_eq!(items, expected);
        }
    }
}
