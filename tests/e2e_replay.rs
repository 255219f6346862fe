//! A real log's traffic through a running Parapet: realtime and D1 account for every request exactly once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a story that cannot go on fails"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use parapet::config::Config;
use parapet::config::site::Environment;
use parapet::edge::route::RouteTable;
use parapet::embedded;
use serde_json::{Value, json};
use support::http::Request;
use support::runtime::{Fault, Part, Runtime, Setup};
use support::wait::until;

const ADMIN: &str = "bootstrap-token-of-the-tests";

/// Requests by (class, method, route).
type Sums = BTreeMap<(String, String, String), u64>;

/// The development configuration with room for every route of a log that is not a booking platform's.
fn roomy() -> Config {
    let mut config = Config::from_text(embedded::config_json(Environment::Dev)).unwrap();
    config.infrastructure.max_routes = 1_000;
    config.infrastructure.max_series = 10_000;
    config
}

fn start(config: &Config) -> Runtime {
    let runtime = Setup::new().var("BOOTSTRAP_TOKEN", ADMIN).start();
    let body = json!({"config": serde_json::from_str::<Value>(&config.to_json()).unwrap()});
    let applied = runtime.send(&Request::post_json("/api/v1/config", &body).bearer(ADMIN));
    assert_eq!(applied.status, 201, "{}", applied.text());
    runtime
}

/// What the log says, by the same normaliser.
fn in_log(text: &str, config: &Config) -> Sums {
    let mut routes = RouteTable::new(&config.infrastructure.routes, config.infrastructure.max_routes);
    let mut sums = Sums::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.split('"').collect();
        let mut request = parts[1].split(' ');
        let (method, target) = (request.next().unwrap(), request.next().unwrap());
        let class = format!("{}xx", parts[2].trim().chars().next().unwrap());
        let id = routes.route_of(target.split('?').next().unwrap());
        *sums.entry((class, method.to_owned(), routes.name(id).to_owned())).or_default() += 1;
    }
    sums
}

fn in_d1(runtime: &mut Runtime) -> Sums {
    let rows = runtime.d1("SELECT s.labels AS labels, SUM(m.value) AS n FROM minute m JOIN series s ON s.id = m.series
         WHERE s.name = 'http_requests_total' GROUP BY s.labels");
    let mut sums = Sums::new();
    for row in rows {
        let labels: BTreeMap<String, String> =
            serde_json::from_str::<Vec<(String, String)>>(row["labels"].as_str().unwrap()).unwrap().into_iter().collect();
        let key = (labels["class"].clone(), labels["method"].clone(), labels["route"].clone());
        *sums.entry(key).or_default() += row["n"].as_f64().unwrap() as u64;
    }
    sums
}

fn replay(runtime: &Runtime, log: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_parapet")).args(["replay", "--json", "--to", &runtime.url()]).arg(log).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn realtime_count(runtime: &Runtime) -> u64 {
    let document = runtime.send(&Request::get("/api/metrics/realtime?window=900").bearer(ADMIN)).json();
    document["requests"]["count"].as_u64().unwrap_or_default()
}

/// Replays `text` while some flushes fail, and compares every sum.
fn accounts_for(text: &str) {
    let config = roomy();
    let mut runtime = start(&config);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log.gz");
    let mut gz = flate2::write::GzEncoder::new(std::fs::File::create(&log).unwrap(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    gz.finish().unwrap();
    runtime.fault(Part::Collector, &[Fault::Pass, Fault::LoseAnswer, Fault::Refuse, Fault::LoseAnswer]);
    let report = replay(&runtime, &log);
    let lines = text.lines().count() as u64;
    until("every request in realtime", 60, || (realtime_count(&runtime) == lines).then_some(()));
    let expected = in_log(text, &config);
    until("every request in D1", 120, || (in_d1(&mut runtime).values().sum::<u64>() >= lines).then_some(()));
    assert_eq!(in_d1(&mut runtime), expected, "{report}");
}

/// Two thousand lines as a small site's log has them.
fn made_up_log() -> String {
    let mut text = String::new();
    for n in 0..2_000_u32 {
        let (path, status) = match n % 7 {
            0 => (format!("/bookings/{n}"), 200),
            1 => (format!("/search?q={n}&city=durban"), 200),
            2 => (format!("/images/{n}.png"), 304),
            3 => (format!("/news/2026-03-{:02}", n % 28 + 1), 301),
            4 => (format!("/wp-admin/{n}.php"), 404),
            5 => ("/%zz/%ff".to_owned(), 404),
            _ => ("/".to_owned(), if n % 5 == 0 { 500 } else { 200 }),
        };
        let method = if n % 11 == 0 { "HEAD" } else { "GET" };
        let address = format!("198.51.{}.{}", n / 200, n % 200);
        let (minute, second, bytes) = (n / 60 % 60, n % 60, n % 5_000);
        let at = format!("17/May/2026:10:{minute:02}:{second:02} +0000");
        writeln!(text, "{address} - - [{at}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"Mozilla/5.0 (X11; Linux)\"").unwrap();
    }
    text
}

#[test]
fn a_replayed_log_is_accounted_for_exactly_once_while_flushes_fail() {
    accounts_for(&made_up_log());
}

#[test]
fn five_thousand_real_requests_are_accounted_for_exactly_once() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/access-log-1.log.gz");
    let Ok(file) = std::fs::File::open(&log) else {
        println!("this extra story needs a real log beside the project, which is absent; the made-up log's story stands alone");
        return;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    accounts_for(&text);
}
