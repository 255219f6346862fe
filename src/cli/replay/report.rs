//! What a replay adds up to: every line of the log is in exactly one sum.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::http::{Answer, Failure};
use super::log::Logged;
use crate::telemetry::sketch::Sketch;

/// Sums of one or more workers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Sent and logged, by the logged class.
    logged: BTreeMap<String, u64>,
    /// Answered, by the answered class.
    answered: BTreeMap<String, u64>,
    /// Sent, by method.
    methods: BTreeMap<String, u64>,
    /// Answered with another status than the log's, by `logged → answered`.
    changed: BTreeMap<String, u64>,
    /// Not answered, by reason.
    failed: BTreeMap<String, u64>,
    bytes: u64,
    seconds: Sketch,
}

fn class(status: u16) -> String {
    format!("{}xx", status / 100)
}

fn add(sums: &mut BTreeMap<String, u64>, key: String) {
    *sums.entry(key).or_default() += 1;
}

impl Tally {
    pub(super) fn count(&mut self, logged: &Logged, outcome: &Result<Answer, Failure>, took: Duration) {
        add(&mut self.logged, class(logged.status));
        add(&mut self.methods, logged.method.clone());
        match outcome {
            Ok(answer) => {
                add(&mut self.answered, class(answer.status));
                if answer.status != logged.status {
                    add(&mut self.changed, format!("{} → {}", logged.status, answer.status));
                }
                self.bytes += answer.bytes;
                self.seconds.observe(took.as_secs_f64());
            }
            Err(failure) => add(&mut self.failed, failure.to_string()),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.logged, &other.logged),
            (&mut self.answered, &other.answered),
            (&mut self.methods, &other.methods),
            (&mut self.changed, &other.changed),
            (&mut self.failed, &other.failed),
        ] {
            for (key, count) in theirs {
                *mine.entry(key.clone()).or_default() += count;
            }
        }
        self.bytes += other.bytes;
        self.seconds.merge(&other.seconds);
    }

    pub(super) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(super) fn answers(&self) -> u64 {
        self.answered.values().sum()
    }
}

/// A replay as programs read it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u8,
    lines: u64,
    bad_lines: u64,
    sent: u64,
    answered: u64,
    failed: u64,
    logged_by_class: BTreeMap<String, u64>,
    answered_by_class: BTreeMap<String, u64>,
    sent_by_method: BTreeMap<String, u64>,
    status_changed: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
    body_bytes: u64,
    elapsed_s: f64,
    requests_per_s: f64,
    latency_ms: Option<Latency>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p95: f64,
    p99: f64,
}

impl Report {
    pub(super) fn new(tally: Tally, bad_lines: u64, elapsed: Duration) -> Self {
        let quantile_ms = |q| tally.seconds.quantile(q).map(|seconds: f64| (seconds * 1e5).round() / 100.0);
        let latency_ms = match (quantile_ms(0.5), quantile_ms(0.95), quantile_ms(0.99)) {
            (Some(p50), Some(p95), Some(p99)) => Some(Latency { p50, p95, p99 }),
            _ => None,
        };
        let (answered, failed) = (tally.answers(), tally.failures());
        let sent = answered + failed;
        let elapsed_s = (elapsed.as_secs_f64() * 1e3).round() / 1e3;
        Self {
            schema: 1,
            lines: sent + bad_lines,
            bad_lines,
            sent,
            answered,
            failed,
            logged_by_class: tally.logged,
            answered_by_class: tally.answered,
            sent_by_method: tally.methods,
            status_changed: tally.changed,
            failures: tally.failed,
            body_bytes: tally.bytes,
            elapsed_s,
            requests_per_s: if elapsed_s > 0.0 { (sent as f64 / elapsed_s * 10.0).round() / 10.0 } else { 0.0 },
            latency_ms,
        }
    }

    pub(super) fn json(&self) -> String {
        format!("{}\n", serde_json::to_string_pretty(self).unwrap_or_default())
    }

    pub(super) fn text(&self) -> String {
        let row = |name: &str, logged: u64, answered: u64| format!("{name:<8}{logged:>10}{answered:>10}");
        let count = |sums: &BTreeMap<String, u64>, class: &str| sums.get(class).copied().unwrap_or_default();
        let classes: BTreeSet<&String> = self.logged_by_class.keys().chain(self.answered_by_class.keys()).collect();
        let mut lines = vec![
            format!("{} lines: {} sent, {} bad", self.lines, self.sent, self.bad_lines),
            format!("{} answered, {} failed, in {} s ({} a second)", self.answered, self.failed, self.elapsed_s, self.requests_per_s),
            format!("\n{:<8}{:>10}{:>10}", "class", "logged", "answered"),
        ];
        lines.extend(
            classes.into_iter().map(|class| row(class, count(&self.logged_by_class, class), count(&self.answered_by_class, class))),
        );
        lines.push(row("sum", self.sent, self.answered));
        for (title, sums) in [("status changed", &self.status_changed), ("failures", &self.failures)] {
            lines.extend(sums.iter().map(|(what, count)| format!("{title}: {what}: {count}")));
        }
        if let Some(latency) = &self.latency_ms {
            lines.push(format!("\nlatency: p50 {} ms, p95 {} ms, p99 {} ms", latency.p50, latency.p95, latency.p99));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let line = |status: u16| {
            super::super::log::parse(&format!(r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" {status} 5"#)).unwrap()
        };
        let answer = |status| Ok(Answer { status, bytes: 5, start: vec![] });
        let mut first = Tally::default();
        first.count(&line(200), &answer(200), Duration::from_millis(10));
        first.count(&line(200), &answer(429), Duration::from_millis(10));
        let mut second = Tally::default();
        second.count(&line(404), &answer(404), Duration::from_millis(10));
        second.count(&line(500), &Err(Failure::Timeout), Duration::from_secs(10));
        first.merge(&second);
        first
    }

    #[test]
    fn every_line_is_in_exactly_one_sum() {
        let report = Report::new(tally(), 2, Duration::from_secs(2));
        insta::assert_snapshot!(report.text(), @r"
        6 lines: 4 sent, 2 bad
        3 answered, 1 failed, in 2 s (2 a second)

        class       logged  answered
        2xx              2         1
        4xx              1         2
        5xx              1         0
        sum              4         3
        status changed: 200 → 429: 1
        failures: no whole answer within 10 s: 1

        latency: p50 9.91 ms, p95 9.91 ms, p99 9.91 ms
        ");
    }

    #[test]
    fn programs_get_the_same_sums() {
        let json: serde_json::Value = serde_json::from_str(&Report::new(tally(), 2, Duration::from_secs(2)).json()).unwrap();
        assert_eq!((&json["schema"], &json["lines"], &json["sent"], &json["failed"]), (&1.into(), &6.into(), &4.into(), &1.into()));
        assert_eq!(json["answered_by_class"], serde_json::json!({ "2xx": 1, "4xx": 2 }));
        assert_eq!(json["status_changed"], serde_json::json!({ "200 → 429": 1 }));
    }
}
