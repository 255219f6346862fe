//! What a series is called: a kind, a Prometheus name and sorted labels.
//!
//! Invariant: equal keys have equal canonical texts and equal ids, whatever order the labels came in. The kind is part
//! of the key, so two cells that meet under one key always merge.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize, Serializer};

use crate::ids;
use crate::order;
use crate::record::words;

/// How the values of a series combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A level: the last, lowest and highest value seen.
    Gauge,
    /// Values with a count, a sum and quantiles.
    Distribution,
}

words!(Kind { Counter "counter", Gauge "gauge", Distribution "distribution" });

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Counter, Self::Gauge, Self::Distribution];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Distribution => "distribution",
        }
    }

    /// The kind called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The identity of a series. A copy shares its texts: a live window names each series in up to ninety slices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "(Kind, String, Vec<(String, String)>)")]
pub struct SeriesKey(Rc<Parts>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    kind: Kind,
    name: String,
    labels: Vec<(String, String)>,
}

impl From<(Kind, String, Vec<(String, String)>)> for SeriesKey {
    fn from((kind, name, labels): (Kind, String, Vec<(String, String)>)) -> Self {
        Self::new(kind, name, labels)
    }
}

impl Serialize for SeriesKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.kind(), self.name(), self.labels()).serialize(serializer)
    }
}

impl SeriesKey {
    /// A key; labels are sorted, and of two labels of one name the first given stays.
    pub fn new(kind: Kind, name: impl Into<String>, mut labels: Vec<(String, String)>) -> Self {
        order::sort_by(&mut labels, |a, b| a.0 < b.0);
        labels.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(Rc::new(Parts { kind, name: name.into(), labels }))
    }

    /// How its values combine.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The metric name, for example `http_requests_total`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Label names and values, sorted by name.
    pub fn labels(&self) -> &[(String, String)] {
        &self.0.labels
    }

    /// The value of one label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels().iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `name{a="1",b="2"}`, the way Prometheus writes it.
    pub fn canonical(&self) -> String {
        if self.labels().is_empty() {
            return self.name().to_owned();
        }
        let labels: Vec<String> = self.labels().iter().map(|(key, value)| format!("{key}=\"{}\"", escape_label_value(value))).collect();
        format!("{}{{{}}}", self.name(), labels.join(","))
    }

    /// The 53-bit id D1 rows carry: a hash of the kind and the canonical text.
    pub fn id(&self) -> i64 {
        ids::hash53(format!("{} {}", self.kind().as_str(), self.canonical()).as_bytes())
    }
}

/// The place of each key in the order in which keys come: 0, 1, 2. Copies of one key have one place, equal keys made apart do not:
/// it is a matter of addresses, and many times cheaper than comparing texts.
#[derive(Debug, Default)]
pub struct Places {
    by_address: BTreeMap<usize, usize>,
    in_order: Vec<usize>,
    last: usize,
}

impl Places {
    /// The place of `key`; a new key has the next one. Keys that come again in the same order are found without a search.
    pub fn of(&mut self, key: &SeriesKey) -> usize {
        let address = Rc::as_ptr(&key.0).addr();
        let next = self.last + 1;
        self.last = if self.in_order.get(next) == Some(&address) {
            next
        } else {
            *self.by_address.entry(address).or_insert_with(|| {
                self.in_order.push(address);
                self.in_order.len() - 1
            })
        };
        self.last
    }
}

/// A label value with `\`, `"` and line feed escaped, as the Prometheus text format asks.
pub fn escape_label_value(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Everything beyond a bound is counted under this label value.
pub const OTHER: &str = "(other)";

/// The names Parapet itself writes. Base units, `_total` for counters, as Prometheus asks.
pub mod name {
    /// Requests by `route`, `method`, `class` (`2xx` …).
    pub const REQUESTS: &str = "http_requests_total";
    /// Seconds until the origin's response headers, by `route`, `method`, `class`.
    pub const DURATION: &str = "http_request_duration_seconds";
    /// Response bytes the origin declared, by `route`, `method`, `class`.
    pub const RESPONSE_BYTES: &str = "http_response_bytes_total";
    /// Requests by `country`.
    pub const BY_COUNTRY: &str = "http_requests_by_country_total";
    /// Requests by `colo`.
    pub const BY_COLO: &str = "http_requests_by_colo_total";
    /// Requests by `client_class`.
    pub const BY_CLIENT: &str = "http_requests_by_client_total";
    /// Requests by `cache_status`.
    pub const BY_CACHE: &str = "http_requests_by_cache_total";
    /// Requests a limit decided on, by `rule` and `decision` (`limited`, `would_limit`, `degraded`).
    pub const LIMITED: &str = "http_requests_limited_total";
    /// Requests that got no answer from the origin, by `route` and `reason`.
    pub const ORIGIN_ERRORS: &str = "http_origin_errors_total";
    /// Samples or events that were not kept, by `reason`.
    pub const DROPPED: &str = "parapet_dropped_total";
    /// Engine ticks by `outcome`.
    pub const TICKS: &str = "parapet_ticks_total";
    /// Seconds since the last finished tick.
    pub const TICK_AGE: &str = "parapet_tick_age_seconds";
    /// Outbox messages by `channel` and `outcome`.
    pub const DELIVERIES: &str = "parapet_deliveries_total";
    /// Error reports by `outcome` (`sent`, `sampled`, `grouped`, `over_budget`, `rate_limited`).
    pub const ERROR_EVENTS: &str = "parapet_error_events_total";

    /// Whether Parapet writes a name itself: nobody else may, and its labels are bounded where they are made.
    pub fn is_own(name: &str) -> bool {
        name.starts_with("http_") || name.starts_with("parapet_")
    }

    /// Every name above with its kind and labels: what a rule of the configuration may select.
    pub const OWN: [(&str, super::Kind, &[&str]); 14] = {
        use super::Kind::{Counter, Distribution, Gauge};
        [
            (REQUESTS, Counter, &["route", "method", "class"]),
            (DURATION, Distribution, &["route", "method", "class"]),
            (RESPONSE_BYTES, Counter, &["route", "method", "class"]),
            (BY_COUNTRY, Counter, &["country"]),
            (BY_COLO, Counter, &["colo"]),
            (BY_CLIENT, Counter, &["client_class"]),
            (BY_CACHE, Counter, &["cache_status"]),
            (LIMITED, Counter, &["rule", "decision"]),
            (ORIGIN_ERRORS, Counter, &["route", "reason"]),
            (DROPPED, Counter, &["reason"]),
            (TICKS, Counter, &["outcome"]),
            (TICK_AGE, Gauge, &[]),
            (DELIVERIES, Counter, &["channel", "outcome"]),
            (ERROR_EVENTS, Counter, &["outcome"]),
        ]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_the_round_trip() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_str(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::from_str("histogram"), None);
    }

    #[test]
    fn copies_of_a_key_share_a_place_in_whatever_order_they_come() {
        let [a, b, c] = ["a", "b", "c"].map(|name| SeriesKey::new(Kind::Counter, name, vec![]));
        let mut places = Places::default();
        let keys = [&a, &b, &c, &a.clone(), &b, &c, &c, &a, &SeriesKey::new(Kind::Counter, "a", vec![]), &a, &b];
        assert_eq!(keys.map(|key| places.of(key)), [0, 1, 2, 0, 1, 2, 2, 0, 3, 0, 1]);
    }

    #[test]
    fn label_order_makes_no_other_series() {
        let one = SeriesKey::new(Kind::Counter, "x_total", vec![("b".into(), "2".into()), ("a".into(), "\"1\"".into())]);
        let two = SeriesKey::new(Kind::Counter, "x_total", vec![("a".into(), "\"1\"".into()), ("b".into(), "2".into())]);
        assert_eq!(one, two);
        assert_eq!(one.id(), two.id());
        assert_eq!(one.canonical(), r#"x_total{a="\"1\"",b="2"}"#);
        assert_ne!(one.id(), SeriesKey::new(Kind::Gauge, "x_total", one.labels().to_vec()).id());
    }

    #[test]
    fn the_stored_format_of_a_key_stays() {
        let key = SeriesKey::new(Kind::Counter, "x_total", vec![("a".into(), "1".into())]);
        assert_eq!(serde_json::to_string(&key).unwrap(), r#"["counter","x_total",[["a","1"]]]"#);
        assert_eq!(key.id(), 7_330_830_874_214_869);
    }
}
