//! Slices between a Collector and the Engine: each series' name once, its cells by its place.
//!
//! Arithmetic: 10,000 series with one value a minute are 140,000 cells of some 80 bytes with their names in each, 11 MB a tick;
//! with the names apart it is 3 MB, and names are read 10,000 times instead of 140,000.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::Cell;
use super::series::{Places, SeriesKey};
use crate::storage::series::Slice;
use crate::time::UnixMs;

/// For serde's `with`.
pub(super) fn serialize<S: Serializer>(slices: &[Slice], serializer: S) -> Result<S::Ok, S::Error> {
    let mut places = Places::default();
    let mut keys: Vec<&SeriesKey> = Vec::new();
    let mut packed: Vec<(UnixMs, Vec<(usize, &Cell)>)> = Vec::new();
    for slice in slices {
        let mut cells = Vec::new();
        for (key, cell) in &slice.cells {
            let place = places.of(key);
            if place == keys.len() {
                keys.push(key);
            }
            cells.push((place, cell));
        }
        packed.push((slice.t, cells));
    }
    (keys, packed).serialize(serializer)
}

/// For serde's `with`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Slice>, D::Error> {
    let (keys, packed) = <(Vec<SeriesKey>, Vec<(UnixMs, Vec<(usize, Cell)>)>)>::deserialize(deserializer)?;
    let mut slices = Vec::new();
    for (t, cells) in packed {
        let mut named = Vec::new();
        for (place, cell) in cells {
            let key = keys.get(place).ok_or_else(|| D::Error::custom("a cell of no series"))?;
            named.push((key.clone(), cell));
        }
        slices.push(Slice { t, cells: named });
    }
    Ok(slices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::series::Kind;
    use crate::telemetry::window::LiveAnswer;

    #[test]
    fn a_name_travels_once_and_every_cell_keeps_its_own() {
        let key = |route: &str| SeriesKey::new(Kind::Counter, "x_total", vec![("route".into(), route.into())]);
        let (a, b) = (key("/a"), key("/b"));
        let slices = vec![
            Slice { t: UnixMs(0), cells: vec![(a.clone(), Cell::count(1)), (b.clone(), Cell::count(2))] },
            Slice { t: UnixMs(10_000), cells: vec![(b, Cell::count(3)), (key("/a"), Cell::count(4))] },
        ];
        let answer = LiveAnswer { slices, cells: Vec::new(), lag_ms: 7 };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text.matches("/b").count(), 1, "{text}");
        assert_eq!(serde_json::from_str::<LiveAnswer>(&text).unwrap(), answer);
        assert!(serde_json::from_str::<LiveAnswer>(r#"{"slices":[[],[[0,[[0,{"c":1}]]]]],"cells":[],"lag_ms":0}"#).is_err());
    }
}
