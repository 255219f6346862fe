//! JSON Schemas (draft 2020-12) of the files, for editors: drawn from the same shapes the reader uses.

use serde_json::{Value, json};

use super::shape::{Key, Need, Shape};
use super::{files, rule_tests};

/// File name and text of every schema, in `schema/`.
pub fn all() -> Vec<(String, String)> {
    let overlay = files::overlay(crate::config::site::Environment::Production);
    let named = |name: &str| format!("{}.schema.json", name.rsplit_once('.').map_or(name, |(stem, _)| stem));
    files::SHARED
        .iter()
        .map(|file| (named(file.name), document(file)))
        .chain(std::iter::once(("environment-config.schema.json".to_owned(), document(overlay))))
        .chain(std::iter::once((named(rule_tests::FILE.name), document(&rule_tests::FILE))))
        .collect()
}

fn document(file: &files::File) -> String {
    let mut schema = of(&file.shape);
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!(file.doc));
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("$schema".to_owned(), json!({ "type": "string", "description": "This schema, for editors." }));
            if file.section == "site" {
                let doc = "Single values of the shared files that differ here, by path: \"security.limits.login.mode\".";
                properties.insert(files::OVERRIDES.to_owned(), json!({ "type": "object", "description": doc }));
            }
        }
    }
    format!("{schema:#}\n")
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Words => json!({ "type": ["string", "number"] }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Integer(range) => json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() }),
        Shape::Number(range) => json!({ "type": "number", "minimum": range.start(), "maximum": range.end() }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Duration(_) => json!({ "type": ["string", "integer"], "pattern": "^([0-9]+[smhd]|0)$", "maximum": 0 }),
        Shape::Lookback(_) => json!({ "type": "string", "pattern": "^([0-9]+[smhd]|today)$" }),
        Shape::List(item) => json!({ "type": "array", "items": of(item) }),
        Shape::Labels => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Shape::Matchers => json!({ "oneOf": [of(&Shape::Labels), of(&Shape::List(&Shape::Text))] }),
        Shape::Map(keys) => map(keys),
        Shape::Again(_, place) => json!({ "$ref": place }),
        Shape::OneOf(keys) => one_of(keys),
        Shape::NumberOr(keys) => json!({ "oneOf": [{ "type": "number" }, one_of(keys)] }),
    }
}

fn map(keys: &[Key]) -> Value {
    let required: Vec<&str> = keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties(keys), "required": required, "additionalProperties": false })
}

fn one_of(keys: &[Key]) -> Value {
    json!({ "type": "object", "properties": properties(keys), "minProperties": 1, "maxProperties": 1, "additionalProperties": false })
}

fn properties(keys: &[Key]) -> Value {
    let described = |key: &Key| {
        let mut schema = of(&key.shape);
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), json!(key.doc));
        }
        (key.name.to_owned(), schema)
    };
    Value::Object(keys.iter().map(described).collect())
}
