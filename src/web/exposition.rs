//! `GET /api/metrics`: the running totals as Prometheus text (format 0.0.4), as `promtool check metrics` accepts it.
//!
//! Invariant: one `HELP` and one `TYPE` per name, its samples together. Histogram borders lie on the sketch's own grid
//! (powers of 2), so the counts are exact and not interpolated.
use std::fmt::Write as _;

use crate::sorted::Map;
use crate::telemetry::cell::{Cell, Distribution};
use crate::telemetry::series::{Kind, SeriesKey, escape_label_value, name};

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Borders are `2^k` for k in this range: 2^-10 s ≈ 1 ms to 2^6 = 64 s for durations; other units get a count beyond.
const BORDERS_POWERS: std::ops::RangeInclusive<i32> = -10..=6;

/// The text of all totals.
pub fn render(totals: &[(SeriesKey, Cell)]) -> String {
    let mut by_name: Map<&str, Vec<(&SeriesKey, &Cell)>> = Map::new();
    for (key, cell) in totals {
        by_name.entry(key.name()).or_default().push((key, cell));
    }
    let mut out = String::new();
    for (name, samples) in by_name {
        let Some(kind) = samples.first().map(|(key, _)| key.kind()) else { continue };
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Distribution => "histogram",
        };
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {word}", help(name));
        for (key, cell) in samples.into_iter().filter(|(key, _)| key.kind() == kind) {
            sample(&mut out, key, cell);
        }
    }
    out
}

fn sample(out: &mut String, key: &SeriesKey, cell: &Cell) {
    match cell {
        Cell::Counter(sum) => {
            let _ = writeln!(out, "{} {}", key.canonical(), sum.as_f64());
        }
        Cell::Gauge(gauge) => {
            let _ = writeln!(out, "{} {}", key.canonical(), gauge.last);
        }
        Cell::Distribution(cell) => histogram(out, key, cell),
    }
}

fn histogram(out: &mut String, key: &SeriesKey, cell: &Distribution) {
    let labels = |le: Option<&str>| {
        let pairs = key.labels().iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(le.map(|le| ("le", le)));
        let text: Vec<String> = pairs.map(|(name, value)| format!("{name}=\"{}\"", escape_label_value(value))).collect();
        if text.is_empty() { String::new() } else { format!("{{{}}}", text.join(",")) }
    };
    let count = cell.sketch.count();
    for power in BORDERS_POWERS {
        let border = f64::from(power).exp2();
        let _ = writeln!(out, "{}_bucket{} {}", key.name(), labels(Some(&border.to_string())), cell.sketch.count_at_most(border));
    }
    let _ = writeln!(out, "{}_bucket{} {count}", key.name(), labels(Some("+Inf")));
    let _ = writeln!(out, "{}_sum{} {}", key.name(), labels(None), cell.sum.as_f64());
    let _ = writeln!(out, "{}_count{} {count}", key.name(), labels(None));
}

fn help(metric: &str) -> &'static str {
    match metric {
        name::REQUESTS => "Requests by route, method and status class.",
        name::DURATION => "Time until the origin's response headers.",
        name::RESPONSE_BYTES => "Response bytes the origin declared.",
        name::BY_COUNTRY => "Requests by the client's country.",
        name::BY_COLO => "Requests by Cloudflare location.",
        name::BY_CLIENT => "Requests by class of user agent.",
        name::BY_CACHE => "Requests by cache status.",
        name::LIMITED => "Requests a limit decided on, by rule and decision.",
        name::ORIGIN_ERRORS => "Requests without an answer from the origin, by route and reason.",
        name::DROPPED => "Values that were not kept, by reason.",
        name::TICKS => "Engine ticks by outcome.",
        name::TICK_AGE => "Time since the last finished tick.",
        name::DELIVERIES => "Outbox messages by channel and outcome.",
        _ => "Recorded by the platform.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_one_type_a_name_and_cumulative_buckets() {
        let key = |kind, name: &str, labels: &[(&str, &str)]| {
            SeriesKey::new(kind, name, labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect())
        };
        let mut latency = Cell::single(Kind::Distribution, 0.04, 0);
        latency.merge(&Cell::single(Kind::Distribution, 3.0, 0));
        let text = render(&[
            (key(Kind::Counter, name::REQUESTS, &[("route", "/a\"b"), ("class", "2xx")]), Cell::count(3)),
            (key(Kind::Counter, name::REQUESTS, &[("route", "/"), ("class", "5xx")]), Cell::count(1)),
            (key(Kind::Gauge, "queue_depth", &[]), Cell::single(Kind::Gauge, 4.5, 0)),
            (key(Kind::Distribution, name::DURATION, &[]), latency),
        ]);
        assert_eq!(text.matches("# TYPE http_requests_total counter").count(), 1);
        assert!(text.contains("http_requests_total{class=\"2xx\",route=\"/a\\\"b\"} 3\n"), "{text}");
        assert!(text.contains("queue_depth 4.5\n"));
        assert!(text.contains("http_request_duration_seconds_bucket{le=\"0.0625\"} 1\n"), "{text}");
        assert!(text.contains("http_request_duration_seconds_bucket{le=\"+Inf\"} 2\n"));
        assert!(text.contains("http_request_duration_seconds_sum 3.04\n"));
    }
}
