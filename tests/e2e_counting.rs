//! Every request counts exactly once, whatever happens to flushes, and what is acknowledged survives a kill.

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
use std::time::Duration;

use serde_json::{Value, json};
use support::http::{Request, Response};
use support::runtime::{Fault, Part, Runtime, Setup};
use support::wait::{stopwatch, until};

const TOKEN: &str = "story-token-of-the-tests";

fn start() -> Runtime {
    Setup::new().var("BOOTSTRAP_TOKEN", TOKEN).start()
}

fn realtime(runtime: &Runtime) -> Value {
    runtime.send(&Request::get("/api/metrics/realtime?window=900").bearer(TOKEN)).json()
}

fn counted(runtime: &Runtime) -> u64 {
    realtime(runtime)["requests"]["count"].as_u64().unwrap_or_default()
}

/// Sends `n` requests as a log's replay would, spread over statuses and routes.
fn visit(runtime: &Runtime, n: u64) {
    let mut connection = runtime.connect();
    for visit in 0..n {
        let (path, status) =
            [("/search", "200"), ("/bookings/17", "404"), ("/availability", "500"), ("/", "304")][usize::try_from(visit % 4).unwrap()];
        let request = Request::get(path)
            .header("x-parapet-replay-client", &format!("198.51.100.{}", visit % 200))
            .header("x-parapet-replay-status", status)
            .header("x-parapet-replay-bytes", "100");
        assert_eq!(connection.send(&request).unwrap().status.to_string(), status);
    }
}

fn wait_for_count(runtime: &Runtime, expected: u64) {
    until(&format!("{expected} requests in realtime"), 40, || (counted(runtime) == expected).then_some(()));
}

/// Requests per status class in D1, once the open minute has closed and been written.
fn in_d1(runtime: &mut Runtime) -> BTreeMap<String, u64> {
    let rows = runtime
        .d1("SELECT json_extract(s.labels, '$[0][1]') AS class, SUM(m.value) AS n FROM minute m JOIN series s ON s.id = m.series
         WHERE s.name = 'http_requests_total' GROUP BY 1");
    rows.iter().map(|row| (row["class"].as_str().unwrap().to_owned(), row["n"].as_f64().unwrap() as u64)).collect()
}

#[test]
fn flushes_refused_lost_or_doubled_count_every_request_once_and_so_does_d1() {
    let mut runtime = start();
    visit(&runtime, 40);
    runtime.fault(Part::Collector, &[Fault::LoseAnswer, Fault::Refuse, Fault::Pass, Fault::LoseAnswer, Fault::LoseAnswer]);
    let mut total = 40;
    until("the faults to have struck", 40, || {
        visit(&runtime, 4);
        total += 4;
        let struck = runtime.struck(Part::Collector, Fault::LoseAnswer) + runtime.struck(Part::Collector, Fault::Refuse);
        (struck >= 4).then_some(())
    });
    visit(&runtime, 40);
    total += 40;
    wait_for_count(&runtime, total);
    let quarter = total / 4;
    let expected: BTreeMap<String, u64> =
        [("2xx", quarter), ("3xx", quarter), ("4xx", quarter), ("5xx", quarter)].map(|(class, n)| (class.to_owned(), n)).into();
    assert_eq!(until("the minute in D1", 90, || Some(in_d1(&mut runtime)).filter(|rows| *rows == expected)), expected);
}

#[test]
fn an_isolate_sends_one_flush_a_second_at_any_traffic() {
    let mut runtime = start();
    runtime.fault_path(Part::Collector, "/write", &[Fault::Pass]);
    let (mut total, started) = (0, stopwatch());
    while started.elapsed() < Duration::from_secs(3) {
        visit(&runtime, 100);
        total += 100;
    }
    wait_for_count(&runtime, total);
    let (flushes, seconds) = (runtime.struck(Part::Collector, Fault::Pass), started.elapsed().as_secs_f64());
    assert!(flushes >= 2 && flushes as f64 <= seconds / 0.9 + 1.0, "{flushes} flushes in {seconds} s for {total} requests");
}

#[test]
fn a_kill_loses_nothing_a_collector_acknowledged_and_at_most_the_last_second() {
    let mut runtime = start();
    visit(&runtime, 100);
    wait_for_count(&runtime, 100);
    visit(&runtime, 20);
    runtime.kill();
    runtime.restart();
    let after = until("the Collector to wake", 20, || Some(counted(&runtime)).filter(|count| *count >= 100));
    println!("of 120 requests, 20 of them in the last second before the kill, {} were lost", 120 - after);
    assert!((100..=120).contains(&after), "{after}");
    visit(&runtime, 10);
    wait_for_count(&runtime, after + 10);
}

fn post(runtime: &Runtime, metrics: &Value) -> Response {
    runtime.send(&Request::post_json("/api/metrics", metrics).bearer(TOKEN))
}

fn uuid_v7(n: u64) -> String {
    format!("0190b6a2-7c3e-7d55-9f4e-{n:012x}")
}

fn booked(runtime: &Runtime) -> f64 {
    realtime(runtime)["business"]["revenue_cents_total"].as_f64().unwrap_or_default()
}

#[test]
fn acknowledged_metrics_survive_twenty_kills_and_what_is_sent_again_counts_once() {
    let mut runtime = start();
    let mut batches: Vec<Value> = Vec::new();
    for round in 0..20_u64 {
        let batch: Vec<Value> =
            (0..5).map(|n| json!({"name": "revenue_cents_total", "value": 100, "kind": "counter", "id": uuid_v7(round * 5 + n)})).collect();
        let answer = post(&runtime, &json!(batch));
        assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (202, Some(5)), "{}", answer.text());
        batches.push(json!(batch));
        runtime.kill();
        runtime.restart();
    }
    assert_eq!(booked(&runtime), 10_000.0, "every acknowledged batch is there");
    for batch in &batches {
        assert_eq!(post(&runtime, batch).status, 202);
    }
    assert_eq!(post(&runtime, &json!({"name": "revenue_cents_total", "value": 1, "kind": "counter", "id": uuid_v7(999)})).status, 202);
    assert_eq!(until("the sum to move on", 5, || Some(booked(&runtime)).filter(|sum| *sum > 10_000.0)), 10_001.0, "and counts once");
}

#[test]
fn a_lost_acknowledgement_is_sent_again_and_counts_once() {
    let mut runtime = start();
    let metric = json!({"name": "revenue_cents_total", "value": 700, "kind": "counter", "id": uuid_v7(1)});
    runtime.fault(Part::Collector, &[Fault::LoseAnswer]);
    assert_eq!(post(&runtime, &metric).json()["code"], "unavailable");
    assert_eq!(post(&runtime, &metric).status, 202);
    assert_eq!(until("the metric in realtime", 5, || Some(booked(&runtime)).filter(|sum| *sum > 0.0)), 700.0);
}
