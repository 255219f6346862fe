//! Slices between a Collector and the Engine: each series' name once, its cells by its place, counters as plain numbers.
//!
//! Arithmetic: 10,000 counters with one value a minute are 140,000 cells of some 80 bytes with their names in each, 11 MB a
//! tick; so it is 3 MB, and names are read 10,000 times instead of 140,000.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::{Cell, Micros};
use super::series::{Places, SeriesKey};
use crate::storage::series::Slice;
use crate::time::UnixMs;

/// A slice: its start; place and millionths of each counter, one after the other; place and cell of everything else.
type Packed<C> = (UnixMs, Vec<i64>, Vec<(usize, C)>);

/// For serde's `with`.
pub(super) fn serialize<S: Serializer>(slices: &[Slice], serializer: S) -> Result<S::Ok, S::Error> {
    let mut places = Places::default();
    let mut keys: Vec<&SeriesKey> = Vec::new();
    let mut packed: Vec<Packed<&Cell>> = Vec::new();
    for slice in slices {
        let (mut counters, mut others) = (Vec::new(), Vec::new());
        for (key, cell) in &slice.cells {
            let place = places.of(key);
            if place == keys.len() {
                keys.push(key);
            }
            match cell {
                Cell::Counter(Micros(micros)) => counters.extend([i64::try_from(place).unwrap_or(i64::MAX), *micros]),
                Cell::Gauge(_) | Cell::Distribution(_) => others.push((place, cell)),
            }
        }
        packed.push((slice.t, counters, others));
    }
    (keys, packed).serialize(serializer)
}

/// For serde's `with`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Slice>, D::Error> {
    let (keys, packed) = <(Vec<SeriesKey>, Vec<Packed<Cell>>)>::deserialize(deserializer)?;
    let unpacked = packed.into_iter().map(|(t, counters, others)| {
        let mut cells = Vec::new();
        for pair in counters.chunks(2) {
            let [place, micros] = pair else { return None };
            cells.push((keys.get(usize::try_from(*place).ok()?)?.clone(), Cell::Counter(Micros(*micros))));
        }
        for (place, cell) in others {
            cells.push((keys.get(place)?.clone(), cell));
        }
        Some(Slice { t, cells })
    });
    unpacked.collect::<Option<_>>().ok_or_else(|| D::Error::custom("a cell of no series"))
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
        let level = SeriesKey::new(Kind::Gauge, "x", vec![]);
        let slices = vec![
            Slice { t: UnixMs(0), cells: vec![(a.clone(), Cell::count(1)), (b.clone(), Cell::count(2))] },
            Slice {
                t: UnixMs(10_000),
                cells: vec![(b, Cell::count(3)), (key("/a"), Cell::count(4)), (level, Cell::single(Kind::Gauge, 1.5, 7))],
            },
        ];
        let answer = LiveAnswer { slices, cells: Vec::new(), lag_ms: 7 };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text.matches("/b").count(), 1, "{text}");
        assert_eq!(serde_json::from_str::<LiveAnswer>(&text).unwrap(), answer);
        for broken in ["[0,1],[]", "[],[[0,{\"c\":1}]]", "[0],[]", "[-1,1],[]"] {
            let text = format!(r#"{{"slices":[[],[[0,{broken}]]],"cells":[],"lag_ms":0}}"#);
            assert!(serde_json::from_str::<LiveAnswer>(&text).is_err(), "{broken}");
        }
    }
}
