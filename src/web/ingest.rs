//! `POST /api/metrics`: what programs record, bounded and checked one by one.
//!
//! Invariant: one bad metric never costs the good ones beside it; each refusal names its index, a stable code and the fix.
//! Bounds come from the configuration (`ingest`); names follow Prometheus, and the prefixes Parapet writes are its own.

use serde::Serialize;
use serde_json::Value;

use super::problem::Problem;
use crate::config::infrastructure::Ingest;
use crate::order;
use crate::telemetry::buffer::Entry;
use crate::telemetry::cell::{Cell, MAX_MICROS};
use crate::telemetry::series::{self, Kind, SeriesKey};
use crate::telemetry::window::{AHEAD_MS, LATE_MS};
use crate::time::{UnixMs, human_span};

/// Longest metric name, tag name and tag value, in bytes.
pub const MAX_NAME_BYTES: usize = 100;
/// Longest tag value, in bytes.
pub const MAX_TAG_VALUE_BYTES: usize = 200;

/// One refused metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Its place in the array; 0 for a single metric.
    pub index: usize,
    /// A stable word for programs.
    pub code: &'static str,
    /// What is wrong and what to send instead.
    pub detail: String,
}

/// The answer to a `POST /api/metrics`, sent with 202 once the accepted ones are on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// How many are on disk, those already known by their id included.
    pub accepted: usize,
    /// The others.
    pub rejected: Vec<Rejection>,
}

/// Reads a body into entries and rejections, or refuses it whole.
pub fn read(body: &[u8], bounds: &Ingest, now: UnixMs) -> Result<(Vec<Entry>, Vec<Rejection>), Problem> {
    let max_body_bytes = usize::try_from(bounds.max_body_bytes).unwrap_or(usize::MAX);
    if body.len() > max_body_bytes {
        let detail = format!("The body has {} bytes; at most {max_body_bytes} are taken. Send fewer metrics at once.", body.len());
        return Err(Problem::new(413, "body_too_large", "The request is too large", detail));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request("bad_json", format!("The body is not JSON: {error}. Send one metric object or an array of them."))
    })?;
    let metrics = match value {
        Value::Array(metrics) => metrics,
        Value::Object(_) => vec![value],
        other => {
            let detail = format!("The body is {}; send one metric object or an array of them.", kind_of(&other));
            return Err(Problem::bad_request("not_a_metric", detail));
        }
    };
    if metrics.len() > usize::try_from(bounds.max_batch).unwrap_or(usize::MAX) {
        let detail = format!("The array has {} metrics; at most {} are taken at once.", metrics.len(), bounds.max_batch);
        return Err(Problem::new(413, "batch_too_large", "The request is too large", detail));
    }
    let (mut entries, mut rejected) = (Vec::new(), Vec::new());
    for (index, metric) in metrics.into_iter().enumerate() {
        match entry(metric, bounds, now) {
            Ok(entry) => entries.push(entry),
            Err((code, detail)) => rejected.push(Rejection { index, code, detail }),
        }
    }
    Ok((entries, rejected))
}

type Refusal = (&'static str, String);

const MEMBERS: [&str; 6] = ["name", "value", "kind", "tags", "id", "at"];

fn entry(metric: Value, bounds: &Ingest, now: UnixMs) -> Result<Entry, Refusal> {
    let Value::Object(mut metric) = metric else {
        return Err(("not_a_metric", format!("this is {}, not a metric object", kind_of(&metric))));
    };
    if let Some(unknown) = metric.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
        return Err(("unknown_member", format!("`{unknown}` is not a member of a metric; the members are {}", MEMBERS.join(", "))));
    }
    let name = name(metric.remove("name"))?;
    let kind = match metric.remove("kind") {
        Some(Value::String(text)) => {
            Kind::from_str(&text).ok_or_else(|| ("bad_kind", format!("`kind` is `{text}`; it is one of counter, gauge, distribution")))?
        }
        _ => return Err(("bad_kind", "`kind` is missing; it is one of counter, gauge, distribution".to_owned())),
    };
    let value = value(metric.get("value"), kind)?;
    let labels = tags(metric.remove("tags"), bounds)?;
    let t = at(metric.get("at"), now)?;
    let id = id(metric.remove("id"))?;
    Ok(Entry { t, key: SeriesKey::new(kind, name, labels), cell: Cell::single(kind, value, t.0), id })
}

fn name(given: Option<Value>) -> Result<String, Refusal> {
    let Some(Value::String(name)) = given else { return Err(("bad_name", "`name` is missing or not a text".to_owned())) };
    if !is_name(&name) {
        let detail = format!(
            "`{}` is not a metric name: letters, digits and `_`, not starting with a digit, at most {MAX_NAME_BYTES} bytes",
            excerpt(&name)
        );
        return Err(("bad_name", detail));
    }
    if series::name::is_own(&name) {
        return Err(("reserved_name", format!("`{name}` starts with a prefix Parapet writes itself (http_, parapet_); choose another")));
    }
    Ok(name)
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

fn value(given: Option<&Value>, kind: Kind) -> Result<f64, Refusal> {
    let Some(value) = given.and_then(Value::as_f64) else { return Err(("bad_value", "`value` is missing or not a number".to_owned())) };
    let limit = MAX_MICROS as f64 / 1e6;
    if !value.is_finite() || value.abs() > limit {
        return Err(("bad_value", format!("`value` is {value}; its size is at most {limit}")));
    }
    if kind == Kind::Counter && value < 0.0 {
        return Err(("bad_value", format!("`value` is {value}; a counter only grows. Use a gauge for a level")));
    }
    Ok(value)
}

fn tags(given: Option<Value>, bounds: &Ingest) -> Result<Vec<(String, String)>, Refusal> {
    let tags: crate::sorted::Map<String, Value> = match given {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(tags)) => order::map(tags),
        Some(other) => return Err(("bad_tags", format!("`tags` is {}; send an object of texts", kind_of(&other)))),
    };
    if tags.len() > usize::try_from(bounds.max_tags).unwrap_or(usize::MAX) {
        return Err(("too_many_tags", format!("`tags` has {} members; at most {} are taken", tags.len(), bounds.max_tags)));
    }
    tags.into_iter()
        .map(|(key, value)| {
            let Value::String(value) = value else {
                return Err(("bad_tags", format!("tag `{}` is {}; send a text", excerpt(&key), kind_of(&value))));
            };
            if !is_name(&key) || key.starts_with("__") {
                return Err((
                    "bad_tags",
                    format!("`{}` is not a tag name: letters, digits and `_`, not starting with a digit or `__`", excerpt(&key)),
                ));
            }
            if value.len() > MAX_TAG_VALUE_BYTES || value.chars().any(char::is_control) {
                return Err((
                    "bad_tags",
                    format!("the value of tag `{key}` is longer than {MAX_TAG_VALUE_BYTES} bytes or has control characters"),
                ));
            }
            Ok((key, value))
        })
        .collect()
}

fn at(given: Option<&Value>, now: UnixMs) -> Result<UnixMs, Refusal> {
    let at = match given {
        None | Some(Value::Null) => return Ok(now),
        Some(Value::Number(number)) => number.as_i64().map(UnixMs),
        Some(Value::String(text)) => UnixMs::from_rfc3339(text),
        Some(_) => None,
    };
    let at =
        at.ok_or_else(|| ("bad_at", "`at` is neither Unix milliseconds nor an RFC 3339 time such as 2026-03-01T12:00:00Z".to_owned()))?;
    if now.since(at) > LATE_MS {
        return Err(("too_late", format!("`at` is {} ago; at most {} are taken", human_span(now.since(at)), human_span(LATE_MS))));
    }
    if at.since(now) > AHEAD_MS {
        return Err(("too_far_ahead", format!("`at` is {} in the future; check the clock", human_span(at.since(now)))));
    }
    Ok(at)
}

/// A UUID of version 7 in its canonical form, in lower case.
fn id(given: Option<Value>) -> Result<Option<String>, Refusal> {
    let text = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.to_ascii_lowercase(),
        Some(_) => return Err(("bad_id", "`id` is not a text; send a UUIDv7".to_owned())),
    };
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'7',
            _ => byte.is_ascii_hexdigit(),
        });
    if fits { Ok(Some(text)) } else { Err(("bad_id", format!("`{}` is not a UUIDv7", excerpt(&text)))) }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Ingest = Ingest { max_batch: 100, max_body_bytes: 65_536, max_tags: 8, max_series_per_name: 100 };
    const NOW: UnixMs = UnixMs(1_772_366_400_000);

    fn refused(metric: &str) -> String {
        let (entries, rejected) = read(metric.as_bytes(), &BOUNDS, NOW).unwrap();
        assert!(entries.is_empty(), "{metric} was accepted");
        format!("{}: {}", rejected[0].code, rejected[0].detail)
    }

    #[test]
    fn a_good_metric_is_an_entry() {
        let body = br#"{"name":"revenue_cents_total","value":45000,"kind":"counter","tags":{"branch":"rosebank"},
                        "id":"0190B6A2-7c3e-7d55-9f4e-1a2b3c4d5e6f","at":"2026-03-01T11:59:00Z"}"#;
        let (entries, rejected) = read(body, &BOUNDS, NOW).unwrap();
        assert_eq!(rejected, []);
        assert_eq!(entries[0].key.canonical(), r#"revenue_cents_total{branch="rosebank"}"#);
        assert_eq!(entries[0].t, NOW.plus(-60_000));
        assert_eq!(entries[0].id.as_deref(), Some("0190b6a2-7c3e-7d55-9f4e-1a2b3c4d5e6f"));
    }

    #[test]
    fn each_mistake_has_its_own_answer() {
        insta::assert_snapshot!(
            [
                refused(r#"{"value":1,"kind":"counter"}"#),
                refused(r#"{"name":"9x","value":1,"kind":"counter"}"#),
                refused(r#"{"name":"http_x","value":1,"kind":"counter"}"#),
                refused(r#"{"name":"x","value":1}"#),
                refused(r#"{"name":"x","value":1,"kind":"timer"}"#),
                refused(r#"{"name":"x","value":"1","kind":"gauge"}"#),
                refused(r#"{"name":"x","value":-1,"kind":"counter"}"#),
                refused(r#"{"name":"x","value":1e300,"kind":"gauge"}"#),
                refused(r#"{"name":"x","value":1,"kind":"gauge","tag":{}}"#),
                refused(r#"{"name":"x","value":1,"kind":"gauge","tags":{"a":1}}"#),
                refused(r#"{"name":"x","value":1,"kind":"gauge","tags":{"a b":"1"}}"#),
                refused(r#"{"name":"x","value":1,"kind":"gauge","tags":{"1":"","2":"","3":"","4":"","5":"","6":"","7":"","8":"","9":""}}"#),
                refused(r#"{"name":"x","value":1,"kind":"gauge","at":"yesterday"}"#),
                refused(r#"{"name":"x","value":1,"kind":"gauge","at":"2026-03-01T10:00:00Z"}"#),
                refused(r#"{"name":"x","value":1,"kind":"gauge","at":"2026-03-02T10:00:00Z"}"#),
                refused(r#"{"name":"x","value":1,"kind":"gauge","id":"0190b6a2-7c3e-4d55-9f4e-1a2b3c4d5e6f"}"#),
                refused("[7]"),
            ]
            .join("\n")
        );
    }

    #[test]
    fn a_body_that_is_no_metric_is_refused_whole() {
        let detail = |body: &[u8]| read(body, &BOUNDS, NOW).unwrap_err();
        assert_eq!((detail(b"{").status, detail(b"{").code), (400, "bad_json"));
        assert_eq!(detail(b"\"x\"").code, "not_a_metric");
        assert_eq!(detail(&vec![b' '; 65_537]).status, 413);
        assert_eq!(detail(format!("[{}]", vec!["1"; 101].join(",")).as_bytes()).code, "batch_too_large");
    }

    #[test]
    fn one_bad_metric_does_not_cost_the_good_ones() {
        let (entries, rejected) =
            read(br#"[{"name":"a","value":1,"kind":"gauge"},{"name":"b"},{"name":"c","value":1,"kind":"gauge"}]"#, &BOUNDS, NOW).unwrap();
        assert_eq!((entries.len(), rejected.len(), rejected[0].index), (2, 1, 1));
    }
}
