//! `GET /api/metrics/realtime`: the last minutes in one JSON document, from the Collectors' live window.

use serde::Serialize;

use super::endpoint::parameters;
use super::problem::Problem;
use crate::order;
use crate::sorted::Map;
use crate::telemetry::cell::Cell;
use crate::telemetry::sample::StatusClass;
use crate::telemetry::series::{SeriesKey, name};
use crate::telemetry::window::LiveAnswer;
use crate::time::UnixMs;

/// The windows that can be asked for, in seconds.
pub const WINDOWS_S: [u32; 3] = [60, 300, 900];

/// The window a query asks for: `window=60|300|900`, 60 when it asks for none.
pub fn window_s(query: &str) -> Result<u32, Problem> {
    let mut window_s = 60;
    for (key, value) in parameters(query) {
        if key != "window" {
            let detail = format!("`{}` is not a parameter of this path; the only one is window.", key.chars().take(40).collect::<String>());
            return Err(Problem::bad_request("unknown_parameter", detail).with_error(key, "unknown"));
        }
        window_s = value.parse().ok().filter(|asked| WINDOWS_S.contains(asked)).ok_or_else(|| {
            Problem::bad_request("unknown_window", "`window` is one of 60, 300 and 900 (seconds).")
                .with_error("window", "not one of 60, 300, 900")
        })?;
    }
    Ok(window_s)
}

/// What the rest of Parapet knows, handed in by the shell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// Alerts firing and pending; `None` when D1 does not answer.
    pub alerts: Option<(u64, u64)>,
    /// When the last tick finished; `None` when none has or D1 does not answer.
    pub last_tick_at: Option<UnixMs>,
    /// The answer misses a Collector shard.
    pub missing_shards: u32,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Realtime {
    at: String,
    window_s: u32,
    requests: Requests,
    latency_ms: Latency,
    routes: Vec<ByRoute>,
    countries: Vec<Map<&'static str, serde_json::Value>>,
    client_classes: Vec<Map<&'static str, serde_json::Value>>,
    limited: Limited,
    blocked: u64,
    origin_errors: u64,
    business: Map<String, serde_json::Value>,
    alerts: Alerts,
    health: Health,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Requests {
    count: u64,
    per_second: f64,
    errors_5xx: u64,
    error_ratio: f64,
    by_status_class: Map<&'static str, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Latency {
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ByRoute {
    route: String,
    method: String,
    count: u64,
    error_ratio: f64,
    p95_ms: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Limited {
    total: u64,
    by_rule: Map<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Alerts {
    firing: Option<u64>,
    pending: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Health {
    last_tick_at: Option<String>,
    collector_lag_ms: i64,
    dropped: u64,
    missing_shards: u32,
}

/// The document of what the Collectors answered.
pub fn render(now: UnixMs, window_s: u32, live: &LiveAnswer, shown_business: &[String], around: &Surroundings) -> Realtime {
    let read = Reader { cells: &live.cells };
    let total_of = |class: StatusClass| read.total(name::REQUESTS, Some(("class", class.as_str())));
    let by_status_class = order::map(StatusClass::ALL.into_iter().map(|class| (class.as_str(), total_of(class))));
    let count = read.total(name::REQUESTS, None);
    let errors_5xx = read.total(name::REQUESTS, Some(("class", "5xx")));
    let duration = read.merged(name::DURATION, |_| true);
    let refused = |key: &SeriesKey| matches!(key.label("decision"), Some("limited" | "failed_closed"));
    let limited_by_rule: Map<String, u64> = order::map(read.by_label(name::LIMITED, "rule", refused));
    Realtime {
        at: now.rfc3339(),
        window_s,
        requests: Requests {
            count,
            per_second: rounded(count as f64 / f64::from(window_s.max(1))),
            errors_5xx,
            error_ratio: ratio(errors_5xx, count),
            by_status_class,
        },
        latency_ms: Latency {
            p50: quantile_ms(duration.as_ref(), 0.5),
            p95: quantile_ms(duration.as_ref(), 0.95),
            p99: quantile_ms(duration.as_ref(), 0.99),
        },
        routes: read.routes(),
        countries: ranked("country", read.by_label(name::BY_COUNTRY, "country", |_| true)),
        client_classes: ranked("client_class", read.by_label(name::BY_CLIENT, "client_class", |_| true)),
        limited: Limited { total: limited_by_rule.values().sum(), by_rule: limited_by_rule },
        blocked: 0,
        origin_errors: read.total(name::ORIGIN_ERRORS, None),
        business: read.business(shown_business),
        alerts: Alerts { firing: around.alerts.map(|(firing, _)| firing), pending: around.alerts.map(|(_, pending)| pending) },
        health: Health {
            last_tick_at: around.last_tick_at.map(UnixMs::rfc3339),
            collector_lag_ms: live.lag_ms,
            dropped: whole(dropped(live)),
            missing_shards: around.missing_shards,
        },
    }
}

/// Values that were not kept, in the window.
pub fn dropped(live: &LiveAnswer) -> f64 {
    live.cells.iter().filter(|(key, _)| key.name() == name::DROPPED).fold(0.0, |sum, (_, cell)| sum + cell.amount())
}

struct Reader<'a> {
    cells: &'a [(SeriesKey, Cell)],
}

impl Reader<'_> {
    fn of(&self, name: &str) -> impl Iterator<Item = &(SeriesKey, Cell)> {
        self.cells.iter().filter(move |(key, _)| key.name() == name)
    }

    fn total(&self, name: &str, label: Option<(&str, &str)>) -> u64 {
        whole(
            self.of(name)
                .filter(|(key, _)| label.is_none_or(|(label, value)| key.label(label) == Some(value)))
                .map(|(_, cell)| cell.amount())
                .sum(),
        )
    }

    fn merged(&self, name: &str, keep: impl Fn(&SeriesKey) -> bool) -> Option<Cell> {
        self.of(name).filter(|(key, _)| keep(key)).map(|(_, cell)| cell.clone()).reduce(|mut sum, cell| {
            sum.merge(&cell);
            sum
        })
    }

    fn by_label(&self, name: &str, label: &str, keep: impl Fn(&SeriesKey) -> bool) -> Vec<(String, u64)> {
        let mut sums: Map<String, f64> = Map::new();
        for (key, cell) in self.of(name).filter(|(key, _)| keep(key)) {
            *sums.entry(key.label(label).unwrap_or_default().to_owned()).or_default() += cell.amount();
        }
        sums.into_iter().map(|(value, sum)| (value, whole(sum))).collect()
    }

    fn routes(&self) -> Vec<ByRoute> {
        let mut counts: Map<(String, String), (u64, u64)> = Map::new();
        for (key, cell) in self.of(name::REQUESTS) {
            let at = (key.label("route").unwrap_or_default().to_owned(), key.label("method").unwrap_or_default().to_owned());
            let (count, errors) = counts.entry(at).or_default();
            *count += whole(cell.amount());
            if key.label("class") == Some("5xx") {
                *errors += whole(cell.amount());
            }
        }
        let mut routes: Vec<ByRoute> = counts
            .into_iter()
            .map(|((route, method), (count, errors))| {
                let duration =
                    self.merged(name::DURATION, |key| key.label("route") == Some(&route) && key.label("method") == Some(&method));
                ByRoute { count, error_ratio: ratio(errors, count), p95_ms: quantile_ms(duration.as_ref(), 0.95), route, method }
            })
            .collect();
        order::sort_by(&mut routes, |a, b| (b.count, &a.route) < (a.count, &b.route));
        routes
    }

    /// Every recorded metric of the platform, the configured ones first present even when nothing came.
    fn business(&self, shown: &[String]) -> Map<String, serde_json::Value> {
        let mut business: Map<String, serde_json::Value> = order::map(shown.iter().map(|name| (name.clone(), serde_json::Value::Null)));
        let names: Vec<&str> = self.cells.iter().map(|(key, _)| key.name()).filter(|name| !name::is_own(name)).collect();
        for metric in names {
            let Some(cell) = self.merged(metric, |_| true) else { continue };
            let value = match &cell {
                Cell::Counter(sum) => serde_json::json!(sum.as_f64()),
                Cell::Gauge(gauge) => serde_json::json!({ "last": gauge.last, "min": gauge.min, "max": gauge.max }),
                Cell::Distribution(distribution) => serde_json::json!({
                    "count": distribution.sketch.count(), "sum": distribution.sum.as_f64(),
                    "p50": cell.quantile(0.5), "p95": cell.quantile(0.95), "p99": cell.quantile(0.99),
                }),
            };
            business.insert(metric.to_owned(), value);
        }
        business
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts of counters are whole, not negative and below 2^53")]
fn whole(amount: f64) -> u64 {
    amount.max(0.0).round() as u64
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { rounded(part as f64 / whole as f64) }
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn quantile_ms(cell: Option<&Cell>, q: f64) -> Option<f64> {
    cell?.quantile(q).map(|seconds| (seconds * 1e5).round() / 1e2)
}

fn ranked(label: &'static str, mut counts: Vec<(String, u64)>) -> Vec<Map<&'static str, serde_json::Value>> {
    order::sort_by(&mut counts, |a, b| (b.1, &a.0) < (a.1, &b.0));
    counts.into_iter().map(|(value, count)| order::map([(label, value.into()), ("count", count.into())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::series::Kind;

    fn cell(kind: Kind, name: &str, labels: &[(&str, &str)], value: f64) -> (SeriesKey, Cell) {
        (SeriesKey::new(kind, name, labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()), Cell::single(kind, value, 0))
    }

    #[test]
    fn the_document_has_every_field_and_its_sums_agree() {
        let request = |route, class, n| cell(Kind::Counter, name::REQUESTS, &[("class", class), ("method", "GET"), ("route", route)], n);
        let live = LiveAnswer {
            slices: vec![],
            cells: vec![
                request("/", "2xx", 90.0),
                request("/", "5xx", 10.0),
                request("/search", "2xx", 20.0),
                cell(Kind::Distribution, name::DURATION, &[("class", "2xx"), ("method", "GET"), ("route", "/")], 0.25),
                cell(Kind::Counter, name::BY_COUNTRY, &[("country", "ZA")], 110.0),
                cell(Kind::Counter, name::BY_COUNTRY, &[("country", "NA")], 10.0),
                cell(Kind::Counter, name::BY_CLIENT, &[("client_class", "browser")], 120.0),
                cell(Kind::Counter, name::LIMITED, &[("decision", "limited"), ("rule", "login")], 3.0),
                cell(Kind::Counter, name::LIMITED, &[("decision", "would_limit"), ("rule", "login")], 9.0),
                cell(Kind::Counter, "revenue_cents_total", &[("branch", "a")], 45_000.0),
            ],
            lag_ms: 12,
        };
        let around = Surroundings { alerts: Some((1, 2)), last_tick_at: Some(UnixMs(1_772_366_400_000)), missing_shards: 0 };
        let document = render(UnixMs(1_772_366_405_000), 60, &live, &["bookings_total".into()], &around);
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn only_the_offered_windows_are_taken() {
        assert_eq!(window_s("").unwrap(), 60);
        assert_eq!(window_s("window=900").unwrap(), 900);
        assert_eq!(window_s("window=61").unwrap_err().code, "unknown_window");
        assert_eq!(window_s("windows=60").unwrap_err().code, "unknown_parameter");
    }
}
