//! From the first bad request to Slack's request, by the clock: the built Worker in the real runtime, real requests, nothing sped up.
//!
//! Twenty trials overlap: each fails one request of a route of its own, at another phase of the interval, and ends when a message about that
//! route is posted to Slack. Cron is called as the platform calls it: at each whole minute of the clock, with that minute as
//! its scheduled time, and never otherwise. Bounds: 20 s at the 95th percentile with a rule of 10 s, 75 s with one of a minute.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a story that cannot go on fails")]

mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use support::http::{Connection, Request};
use support::peers::{Peer, slack};
use support::runtime::{Runtime, Setup};
use support::wait::{stopwatch, until};

const ADMIN: &str = "bootstrap-token-of-the-tests";
const TRIALS: usize = 20;
const MINUTE_MS: i64 = 60_000;

/// One rule: a failed request of any route.
fn alerting(interval: &str) -> String {
    format!(
        r"
channels:
  - id: slack
    via: {{ slack: {{ secret: SLACK_ALERTS_WEBHOOK }} }}
routes:
  - channels: [slack]
rules:
  - id: failures
    name: Requests fail
    severity: critical
    when:
      threshold:
        of: {{ series: http_requests_total, labels: {{ class: 5xx }} }}
        aggregate: sum
        over: 2m
        compare: above
        bound: 0
    by: [route]
    for: 0s
    interval: {interval}
    keep_firing_for: 1h
    no_data: ok
    error: keep
    summary: Requests fail.
    runbook: /runbooks/error-rate
    owner: operations
"
    )
}

struct Story {
    slack: Peer,
    heartbeat: Peer,
    runtime: Runtime,
}

impl Story {
    fn new(interval: &str) -> Self {
        let (slack, heartbeat) = (slack::slack(), Peer::plain());
        let runtime = Setup::new()
            .var("BOOTSTRAP_TOKEN", ADMIN)
            .var("SLACK_ALERTS_WEBHOOK", &slack.url("/services/T0/B0/secret"))
            .var("HEARTBEAT_URL", &heartbeat.url("/alive"))
            .start();
        let story = Self { slack, heartbeat, runtime };
        story.apply(interval);
        story
    }

    /// The shipped folder with this one rule, and a route template for each trial.
    fn apply(&self, interval: &str) {
        let folder = tempfile::tempdir().unwrap();
        let shipped = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring")).unwrap().map(Result::unwrap);
        for file in shipped.filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        std::fs::write(folder.path().join("alerting-configuration.yaml"), alerting(interval)).unwrap();
        let path = folder.path().join("infrastructure-monitoring-config.json");
        let routes = (0..TRIALS).map(|trial| format!("\"{}\",", route(trial))).collect::<Vec<_>>().join(" ");
        let text = std::fs::read_to_string(&path).unwrap().replacen("\"routes\": [", &format!("\"routes\": [{routes}"), 1);
        std::fs::write(&path, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_parapet"))
            .args(["apply", "--to", &self.runtime.url(), "--env", "dev", "--dir", folder.path().to_str().unwrap()])
            .env("PARAPET_TOKEN", ADMIN)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn route(trial: usize) -> String {
    format!("/trial-{trial:02}")
}

/// The test machine's clock, which the runtime shares: cron comes at its whole minutes.
fn wall_ms() -> i64 {
    i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// Calls cron at every whole minute until `ended`; how often.
fn cron(runtime: &mut Runtime, ended: &AtomicBool) -> usize {
    let mut calls = 0;
    // The one before the story began: a deployment is not born with it.
    runtime.tick(wall_ms().div_euclid(MINUTE_MS) * MINUTE_MS);
    while !ended.load(Ordering::Relaxed) {
        let next = (wall_ms().div_euclid(MINUTE_MS) + 1) * MINUTE_MS;
        until("the next minute or the end", 61, || (wall_ms() >= next || ended.load(Ordering::Relaxed)).then_some(()));
        if wall_ms() >= next {
            runtime.tick(next);
            calls += 1;
        }
    }
    calls + 1
}

/// Ends cron when it goes.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn get(address: SocketAddr, path: &str, status: &str) {
    let mut connection = Connection::open(address).unwrap();
    connection.send(&Request::get(path).header("x-parapet-replay-status", status)).unwrap();
}

/// Begins a trial every `apart`, and waits for all of them; each one's time to Slack.
fn trials(address: SocketAddr, slack: &Peer, apart: Duration, patience_s: u64) -> Vec<Duration> {
    let began = stopwatch();
    let (mut sent, mut heard) = (Vec::<Instant>::new(), vec![None; TRIALS]);
    until("a message about every route", patience_s, || {
        let trial = sent.len();
        if trial < TRIALS && began.elapsed() >= apart * u32::try_from(trial).unwrap() {
            sent.push(stopwatch());
            get(address, &route(trial), "500");
        }
        for message in slack.accepted() {
            let text = message.json().to_string();
            for (trial, heard) in heard.iter_mut().enumerate().filter(|(_, heard)| heard.is_none()) {
                if text.contains(&route(trial)) {
                    *heard = Some(sent[trial].elapsed());
                }
            }
        }
        heard.iter().copied().collect::<Option<Vec<Duration>>>()
    })
}

/// The 19th of 20.
fn p95(mut times: Vec<Duration>) -> Duration {
    times.sort();
    println!("{:?}", times.iter().map(|time| format!("{:.1}", time.as_secs_f64())).collect::<Vec<_>>());
    times[(times.len() * 95).div_ceil(100) - 1]
}

/// Runs the trials under cron; their times, how often cron was called, and the moments Parapet ticked at.
fn run(story: &mut Story, apart: Duration) -> (Vec<Duration>, usize, Vec<i64>) {
    let ended = AtomicBool::new(false);
    let Story { runtime, slack, .. } = story;
    let address = runtime.address();
    let (times, calls) = std::thread::scope(|scope| {
        let cron = scope.spawn(|| cron(runtime, &ended));
        // Also when the trials fail: cron would be waited for without end.
        let end = Ending(&ended);
        let times = trials(address, slack, apart, 240);
        drop(end);
        (times, cron.join().unwrap())
    });
    let log = runtime.log();
    let reports = log.lines().filter_map(|line| line.find("{\"event\":\"tick\"").and_then(|at| line.get(at..)));
    let reports = reports.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let applied = reports.filter(|line| line["report"]["outcome"] == "applied").filter_map(|line| line["report"]["now"].as_i64());
    (times, calls, applied.collect())
}

#[test]
fn with_a_rule_of_ten_seconds_slack_is_told_within_twenty() {
    let mut story = Story::new("10s");
    let (times, _, ticks) = run(&mut story, Duration::from_millis(3_700));
    let p95 = p95(times);
    println!("10 s rule: p95 {:.1} s", p95.as_secs_f64());
    assert!(p95 <= Duration::from_secs(20), "{p95:?}");
    assert!(ticks.iter().all(|now| now % 10_000 == 0), "a tick is named by its boundary: {ticks:?}");
    let minutes: std::collections::BTreeSet<i64> = ticks.iter().map(|now| now.div_euclid(MINUTE_MS)).collect();
    assert!(ticks.len() > 3 * minutes.len() / 2, "the alarm ticks between the minutes: {ticks:?}");
    // The last minute's may still be on its way.
    let heartbeats = story.heartbeat.accepted().len();
    assert!((minutes.len() - 1..=minutes.len()).contains(&heartbeats), "{heartbeats} heartbeats in {} minutes", minutes.len());
}

#[test]
fn with_cron_alone_slack_is_told_within_seventy_five_and_nothing_ticks_between() {
    let mut story = Story::new("1m");
    // Nine in a minute: of more than ten in one tick people are told by a digest, which names some.
    let (times, calls, ticks) = run(&mut story, Duration::from_secs(7));
    let p95 = p95(times);
    println!("one-minute cron: p95 {:.1} s", p95.as_secs_f64());
    assert!(p95 <= Duration::from_secs(75), "{p95:?}");
    assert_eq!(ticks.len(), calls, "no alarm for a boundary without a rule for it: {ticks:?}");
    assert!(ticks.iter().all(|now| now % MINUTE_MS == 0));
}
