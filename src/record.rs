//! Reads a JSON value as a Rust value, in little code: `record!`, `words!` and `choice!` list the fields, words and
//! variants of a type, and every field of one Rust type shares one function.
//!
//! Why not serde's derive: it writes a state machine for each struct and each input, about 2.5 KB of WASM for each type;
//! measured on the configuration alone it was 110 KB of code where this is 30. A text is parsed once into
//! [`serde_json::Value`], by serde. Invariant: a key that is not listed, and a word that is not, are errors that say where.

use serde_json::{Map, Value};

use crate::sorted;

/// Why a JSON value is not what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", if .pointer.is_empty() { "/" } else { .pointer })]
pub struct Misread {
    /// JSON pointer to the value.
    pub pointer: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Another type of value.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A key that must be there is not.
    #[error("the key `{0}` is missing")]
    Missing(&'static str),
    /// A key nobody reads.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// It.
        key: String,
    },
    /// A text that is none of the words.
    #[error("`{word}` is not one of {}", .known.join(", "))]
    UnknownWord {
        /// It.
        word: String,
        /// What is read.
        known: &'static [&'static str],
    },
}

impl From<Why> for Box<Misread> {
    fn from(why: Why) -> Self {
        Self::new(Misread { pointer: String::new(), why })
    }
}

/// Why a text is not what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON.
    #[error("it is not JSON, at line {line} column {column}")]
    NotJson {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// It is JSON of another shape; reading stops at the first mistake.
    #[error(transparent)]
    Misread(Box<Misread>),
}

/// Reads JSON text.
pub fn read<T: FromJson>(text: &[u8]) -> Result<T, Unreadable> {
    T::from_json(parse(text)?).map_err(Unreadable::Misread)
}

fn parse(text: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice(text).map_err(|error| Unreadable::NotJson { line: error.line(), column: error.column() })
}

/// What reading gives; the error is boxed to keep what every field returns small.
pub type Read<T> = Result<T, Box<Misread>>;

/// A type that is read from JSON.
pub trait FromJson: Sized {
    /// The value, or the first mistake in it.
    fn from_json(value: Value) -> Read<Self>;

    /// What an absent key means; nothing for a key that must be there.
    fn absent() -> Option<Self> {
        None
    }
}

/// An object whose keys are taken one by one.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// The object `value`, whatever its keys.
    pub fn any(value: Value) -> Read<Self> {
        let Value::Object(map) = value else { return Err(Why::Expected("an object").into()) };
        Ok(Self(map))
    }

    /// The object `value`, whose keys are among `known`.
    pub fn of(value: Value, known: &'static [&'static str]) -> Read<Self> {
        let fields = Self::any(value)?;
        match fields.0.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(fields),
            Some(key) => Err(Why::UnknownKey { key: key.clone() }.into()),
        }
    }

    /// The keys that were not taken, as an object.
    pub fn rest(self) -> Value {
        Value::Object(self.0)
    }

    /// The value of `key`. One function for each type, not one for each field: it must not be inlined.
    #[inline(never)]
    pub fn take<T: FromJson>(&mut self, key: &'static str) -> Read<T> {
        match self.0.remove(key) {
            Some(value) => T::from_json(value).map_err(|misread| below(key, misread)),
            None => T::absent().ok_or_else(|| Why::Missing(key).into()),
        }
    }

    /// The value of `key`; `default` if it is absent.
    pub fn take_or<T: FromJson>(&mut self, key: &'static str, default: T) -> Read<T> {
        if self.0.contains_key(key) { self.take(key) } else { Ok(default) }
    }
}

/// `misread`, found in the member `key`.
#[cold]
#[expect(clippy::unnecessary_box_returns, reason = "an error that is small to pass on; see `Read`")]
fn below(key: &str, mut misread: Box<Misread>) -> Box<Misread> {
    misread.pointer.insert_str(0, key);
    misread.pointer.insert(0, '/');
    misread
}

/// The one key of an object and its value, or a text and nothing: how an enum is written.
pub fn one_key(value: Value) -> Read<(String, Value)> {
    match value {
        Value::String(word) => Ok((word, Value::Null)),
        Value::Object(map) if map.len() == 1 => map.into_iter().next().ok_or_else(|| Why::Expected("one key").into()),
        _ => Err(Why::Expected("an object with one key").into()),
    }
}

/// The text `value`.
pub fn text(value: Value) -> Read<String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Why::Expected("a text").into()),
    }
}

impl FromJson for String {
    fn from_json(value: Value) -> Read<Self> {
        text(value)
    }
}

impl FromJson for bool {
    fn from_json(value: Value) -> Read<Self> {
        value.as_bool().ok_or_else(|| Why::Expected("true or false").into())
    }
}

impl FromJson for f64 {
    fn from_json(value: Value) -> Read<Self> {
        value.as_f64().ok_or_else(|| Why::Expected("a number").into())
    }
}

impl FromJson for i64 {
    fn from_json(value: Value) -> Read<Self> {
        value.as_i64().ok_or_else(|| Why::Expected("a whole number").into())
    }
}

impl FromJson for u64 {
    fn from_json(value: Value) -> Read<Self> {
        value.as_u64().ok_or_else(|| Why::Expected("a whole number from 0").into())
    }
}

impl FromJson for u32 {
    fn from_json(value: Value) -> Read<Self> {
        u64::from_json(value)?.try_into().map_err(|_| Why::Expected("a whole number of at most 32 bits").into())
    }
}

impl FromJson for u16 {
    fn from_json(value: Value) -> Read<Self> {
        u64::from_json(value)?.try_into().map_err(|_| Why::Expected("a whole number of at most 16 bits").into())
    }
}

impl FromJson for Value {
    fn from_json(value: Value) -> Read<Self> {
        Ok(value)
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: Value) -> Read<Self> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromJson> FromJson for Box<T> {
    fn from_json(value: Value) -> Read<Self> {
        T::from_json(value).map(Self::new)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: Value) -> Read<Self> {
        let Value::Array(items) = value else { return Err(Why::Expected("a list").into()) };
        let mut read = Self::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            read.push(T::from_json(item).map_err(|misread| below(&index.to_string(), misread))?);
        }
        Ok(read)
    }
}

impl<T: FromJson> FromJson for sorted::Map<String, T> {
    fn from_json(value: Value) -> Read<Self> {
        let Value::Object(map) = value else { return Err(Why::Expected("an object").into()) };
        let mut read = Self::new();
        for (key, value) in map {
            let value = T::from_json(value).map_err(|misread| below(&key, misread))?;
            read.insert(key, value);
        }
        Ok(read)
    }
}

/// How a struct is read: every field, in a list that the compiler completes; `= default` where the key may be absent.
///
/// A list that ends with `..` passes over other keys: a stored format, which a newer version may have written.
macro_rules! record {
    ($name:ident { $($field:ident $(as $key:literal)? $(= $default:expr)?,)* .. }) => {
        impl $crate::record::FromJson for $name {
            fn from_json(value: serde_json::Value) -> $crate::record::Read<Self> {
                let mut fields = $crate::record::Fields::any(value)?;
                Ok(Self { $($field: $crate::record::field!(fields, $field $(as $key)? $(= $default)?)),* })
            }
        }
    };
    ($name:ident { $($field:ident $(as $key:literal)? $(= $default:expr)?),* $(,)? }) => {
        impl $crate::record::FromJson for $name {
            fn from_json(value: serde_json::Value) -> $crate::record::Read<Self> {
                let mut fields = $crate::record::Fields::of(value, &[$($crate::record::key!($field $(as $key)?)),*])?;
                Ok(Self { $($field: $crate::record::field!(fields, $field $(as $key)? $(= $default)?)),* })
            }
        }
    };
}

/// One field of `record!`.
macro_rules! field {
    ($fields:ident, $field:ident $(as $key:literal)?) => { $fields.take($crate::record::key!($field $(as $key)?))? };
    ($fields:ident, $field:ident $(as $key:literal)? = $default:expr) => { $fields.take_or($crate::record::key!($field $(as $key)?), $default)? };
}

/// The key of one field of `record!`.
macro_rules! key {
    ($field:ident as $key:literal) => {
        $key
    };
    ($field:ident) => {
        stringify!($field)
    };
}

/// How an enum of words is read.
macro_rules! words {
    ($name:ident { $($variant:ident $word:literal),* $(,)? }) => {
        impl $crate::record::FromJson for $name {
            fn from_json(value: serde_json::Value) -> $crate::record::Read<Self> {
                let word = $crate::record::text(value)?;
                Ok(match word.as_str() {
                    $($word => Self::$variant,)*
                    _ => return Err($crate::record::Why::UnknownWord { word, known: &[$($word),*] }.into()),
                })
            }
        }
    };
}

/// How an enum with values is read: an object with one key. A variant has fields, or one value (`(it)`), or is a word.
macro_rules! choice {
    ($name:ident { $($variant:ident $word:literal $({ $($field:ident $(= $default:expr)?),* $(,)? })? $(($inner:ident))?),* $(,)? }) => {
        impl $crate::record::FromJson for $name {
            fn from_json(value: serde_json::Value) -> $crate::record::Read<Self> {
                let (word, value) = $crate::record::one_key(value)?;
                match word.as_str() {
                    $($word => $crate::record::variant!(value, $word, $variant $({ $($field $(= $default)?),* })? $(($inner))?),)*
                    _ => Err($crate::record::Why::UnknownWord { word, known: &[$($word),*] }.into()),
                }
            }
        }
    };
}

/// One variant of `choice!`.
macro_rules! variant {
    ($value:ident, $word:literal, $variant:ident { $($field:ident $(= $default:expr)?),* }) => {{
        #[allow(unused_mut, unused_variables, reason = "a variant may have no fields")]
        let read = |value| {
            let mut fields = $crate::record::Fields::of(value, &[$(stringify!($field)),*])?;
            Ok(Self::$variant { $($field: $crate::record::field!(fields, $field $(= $default)?)),* })
        };
        $crate::record::inside($word, read($value))
    }};
    ($value:ident, $word:literal, $variant:ident ($inner:ident)) => {
        $crate::record::inside($word, $crate::record::FromJson::from_json($value).map(Self::$variant))
    };
    ($value:ident, $word:literal, $variant:ident) => { Ok(Self::$variant) };
}

/// `read`, whose mistake is in the member `key`.
pub fn inside<T>(key: &str, read: Read<T>) -> Read<T> {
    read.map_err(|misread| below(key, misread))
}

pub(crate) use {choice, field, key, record, variant, words};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Door {
        name: String,
        width_mm: u32,
        kind: Kind,
        notes: Vec<String>,
        since: Option<i64>,
        r#loop: bool,
    }

    #[derive(Debug, PartialEq)]
    enum Kind {
        Plain,
        Sliding { rails: u32, share: f64 },
        Double(Vec<Hinge>),
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Hinge {
        Left,
        Right,
    }

    record!(Door { name, width_mm, kind, notes = Vec::new(), since, r#loop as "loop" = false });
    choice!(Kind { Plain "plain", Sliding "sliding" { rails = 1, share }, Double "double" (hinges) });
    words!(Hinge { Left "left", Right "right" });

    fn door(value: Value) -> Result<Door, String> {
        Door::from_json(value).map_err(|misread| misread.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        let read = door(
            json!({"name": "front", "width_mm": 900, "kind": {"double": ["left", "right"]}, "notes": ["creaks"], "since": 7, "loop": true}),
        );
        let kind = Kind::Double(vec![Hinge::Left, Hinge::Right]);
        assert_eq!(
            read,
            Ok(Door { name: "front".into(), width_mm: 900, kind, notes: vec!["creaks".into()], since: Some(7), r#loop: true })
        );
    }

    #[test]
    fn what_may_be_absent_is() {
        for kind in [json!({"sliding": {"share": 0.5}}), json!({"sliding": {"share": 0.5, "rails": 1}})] {
            let read = door(json!({"name": "", "width_mm": 0, "kind": kind, "since": null})).unwrap();
            assert_eq!(read.kind, Kind::Sliding { rails: 1, share: 0.5 });
            assert_eq!((read.notes, read.since, read.r#loop), (Vec::new(), None, false));
        }
        assert_eq!(door(json!({"name": "", "width_mm": 0, "kind": "plain"})).unwrap().kind, Kind::Plain);
    }

    #[test]
    fn a_mistake_says_where_and_what() {
        let good = json!({"name": "front", "width_mm": 900, "kind": {"double": ["left"]}});
        let with = |pointer: &str, value: Value| {
            let mut door = good.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            door.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
            door
        };
        for (door_of, said) in [
            (json!([]), "/: expected an object"),
            (json!({"width_mm": 1}), "/: the key `name` is missing"),
            (with("/name", json!(7)), "/name: expected a text"),
            (with("/width_mm", json!(-1)), "/width_mm: expected a whole number from 0"),
            (with("/width_mm", json!(1.5)), "/width_mm: expected a whole number from 0"),
            (with("/since", json!("noon")), "/since: expected a whole number"),
            (with("/loop", json!("yes")), "/loop: expected true or false"),
            (with("/notes", json!("creaks")), "/notes: expected a list"),
            (with("/notes", json!(["creaks", 3])), "/notes/1: expected a text"),
            (with("/nmae", json!("x")), "/: unknown key `nmae`"),
            (with("/kind", json!("open")), "/kind: `open` is not one of plain, sliding, double"),
            (with("/kind", json!({"double": ["left", "up"]})), "/kind/double/1: `up` is not one of left, right"),
            (with("/kind", json!({"sliding": {"share": true}})), "/kind/sliding/share: expected a number"),
            (with("/kind", json!({"sliding": {"share": 1, "rial": 2}})), "/kind/sliding: unknown key `rial`"),
            (with("/kind", json!({"plain": null, "double": []})), "/kind: expected an object with one key"),
        ] {
            assert_eq!(door(door_of).unwrap_err(), said);
        }
    }

    #[derive(Debug, PartialEq)]
    struct Stored {
        n: u16,
    }

    record!(Stored { n, .. });

    #[test]
    fn a_stored_format_may_have_been_written_by_a_newer_version() {
        assert_eq!(Stored::from_json(json!({"n": 7, "new": {"a": []}})), Ok(Stored { n: 7 }));
        let said = |value| Stored::from_json(value).unwrap_err().to_string();
        assert_eq!(said(json!({"n": 65536})), "/n: expected a whole number of at most 16 bits");
        assert_eq!(said(json!({"new": 1})), "/: the key `n` is missing");
    }

    #[test]
    fn a_text_that_is_not_json_says_where_it_stops() {
        assert_eq!(read::<Vec<String>>(b"[\"a\",\n \"b\"").unwrap_err().to_string(), "it is not JSON, at line 2 column 4");
        assert_eq!(read::<Vec<String>>(b"[\"a\"]"), Ok(vec!["a".to_owned()]));
    }
}
