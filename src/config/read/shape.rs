//! What a file may say, as data: the decoder and the JSON Schemas are both drawn from it.
//!
//! A [`Key`] names the key people write, the field of the configuration it fills, and the shape of its value. Shapes
//! mirror the types of `config`; a test feeds every one of them through serde, so the two cannot part.

use std::ops::RangeInclusive;

/// The shape of a value.
#[derive(Debug)]
pub(super) enum Shape {
    /// Any text.
    Text,
    /// Any text, also one that reads as a number.
    Words,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer(RangeInclusive<i64>),
    /// A number.
    Number(RangeInclusive<f64>),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `30s`, `5m`, `1h`, `7d`; milliseconds within the range.
    Duration(RangeInclusive<i64>),
    /// A duration, or `today`.
    Lookback(RangeInclusive<i64>),
    /// Any number of these.
    List(&'static Shape),
    /// Text for each of any keys.
    Labels,
    /// Text for each of any keys, or a list of texts.
    Matchers,
    /// These keys and no others.
    Map(&'static [Key]),
    /// A map of the same keys as one further out, which stands at that place of the schema.
    Again(&'static [Key], &'static str),
    /// Exactly one of these keys.
    OneOf(&'static [Key]),
    /// A number, or exactly one of these keys.
    NumberOr(&'static [Key]),
}

/// A key of a map.
#[derive(Debug)]
pub(super) struct Key {
    /// What people write.
    pub(super) name: &'static str,
    /// The field it fills.
    pub(super) field: &'static str,
    /// One sentence for editors.
    pub(super) doc: &'static str,
    /// What it holds.
    pub(super) shape: Shape,
    /// Whether it must be there.
    pub(super) need: Need,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    /// Without it the configuration's default holds.
    Optional,
}

impl Key {
    /// A key that must be there and fills the field of its own name.
    pub(super) const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, field: name, doc, shape, need: Need::Required }
    }

    /// A key that may be left out.
    pub(super) const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, field: name, doc, shape, need: Need::Optional }
    }

    /// A duration that must be there; its field carries the unit.
    pub(super) const fn duration(name: &'static str, field: &'static str, range: RangeInclusive<i64>, doc: &'static str) -> Self {
        Self { name, field, doc, shape: Shape::Duration(range), need: Need::Required }
    }

    /// A duration that may be left out; its field carries the unit.
    pub(super) const fn optional_duration(name: &'static str, field: &'static str, range: RangeInclusive<i64>, doc: &'static str) -> Self {
        Self { name, field, doc, shape: Shape::Duration(range), need: Need::Optional }
    }
}

impl Shape {
    /// The keys a map of this shape may have.
    pub(super) fn keys(&self) -> &'static [Key] {
        match self {
            Self::Map(keys) | Self::Again(keys, _) | Self::OneOf(keys) | Self::NumberOr(keys) => keys,
            _ => &[],
        }
    }

    /// A value that reads, put where a mistake stands so that the rest can still be checked.
    pub(super) fn placeholder(&self) -> serde_json::Value {
        use serde_json::{Map, Value, json};
        match self {
            Self::Text | Self::Words => json!(""),
            Self::Flag => json!(false),
            Self::Integer(range) | Self::Duration(range) => json!(range.start()),
            Self::Number(range) => json!(range.start()),
            Self::Choice(words) => json!(words.first()),
            Self::Lookback(range) => json!({ "ms": range.start() }),
            Self::List(_) => json!([]),
            Self::Labels | Self::Matchers => json!({}),
            Self::Map(keys) | Self::Again(keys, _) => {
                let required = keys.iter().filter(|key| key.need == Need::Required);
                Value::Object(required.map(|key| (key.field.to_owned(), key.shape.placeholder())).collect())
            }
            Self::OneOf(keys) => {
                Value::Object(keys.iter().take(1).map(|key| (key.field.to_owned(), key.shape.placeholder())).collect::<Map<_, _>>())
            }
            Self::NumberOr(_) => json!({ "value": 0 }),
        }
    }
}
