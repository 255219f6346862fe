//! The head of a peer's answer: members of a JSON object that may be cut off behind them, because only the first bytes are kept.

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The members of the object in `body` whose names are among `names`, as far as it can be read.
pub(super) fn members(body: &[u8], names: &[&str]) -> Map<String, Value> {
    let mut found = Map::new();
    // Cut off, the object is an error, and what was read before it stands.
    let _ = serde_json::Deserializer::from_slice(body).deserialize_map(Members { names, found: &mut found });
    found
}

struct Members<'a> {
    names: &'a [&'a str],
    found: &'a mut Map<String, Value>,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if self.names.contains(&key.as_str()) {
                self.found.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
