//! What people read of a backtest, and of two that are compared.

use super::*;
use crate::config::alerting::When;
use crate::config::read;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{Kind, SeriesKey, name};

/// 2026-03-02T08:00:00Z.
const START: UnixMs = UnixMs(1_772_438_400_000);

fn shipped() -> Config {
    read::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring"), Environment::Production).unwrap()
}

/// The shipped rules with another bound for the error rate, and a limit-surge that fires sooner.
fn changed() -> Config {
    let mut config = shipped();
    for rule in &mut config.alerting.rules {
        match (rule.id.as_str(), &mut rule.when) {
            ("error-rate-critical", When::Ratio { bound, .. }) => *bound = 0.2,
            ("limit-surge", _) => rule.for_ms = 0,
            _ => {}
        }
    }
    config
}

/// Four hours: ten per cent fail for a while, later thirty; somebody runs into limits; a route nobody changed a rule of is slow.
fn history() -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let key = |kind, name, label: &str, value: &str| SeriesKey::new(kind, name, vec![(label.into(), value.into())]);
    let mut lines = String::new();
    for minute in 0..240 {
        let t = START.plus(minute * MINUTE_MS);
        let failed = match minute {
            60..70 => 10,
            150..160 => 30,
            _ => 0,
        };
        let slow = if (100..115).contains(&minute) { 3.0 } else { 0.2 };
        let cells = [
            (key(Kind::Counter, name::REQUESTS, "class", "2xx"), Cell::count(100 - failed)),
            (key(Kind::Counter, name::REQUESTS, "class", "5xx"), Cell::count(failed)),
            (key(Kind::Counter, name::LIMITED, "decision", "limited"), Cell::count(if (200..206).contains(&minute) { 40 } else { 0 })),
            (key(Kind::Distribution, name::DURATION, "route", "/a"), Cell::single(Kind::Distribution, slow, t.0)),
            (key(Kind::Counter, "bookings_completed_total", "app", "a"), Cell::count(1)),
        ];
        for (key, cell) in &cells {
            lines.push_str(&line(t, key, cell));
        }
    }
    std::fs::write(dir.path().join("day.jsonl"), lines).unwrap();
    let files = vec![dir.path().to_owned()];
    (dir, files)
}

fn line(t: UnixMs, key: &SeriesKey, cell: &Cell) -> String {
    let (value, sketch) = match cell {
        Cell::Distribution(values) => (values.sum.as_f64(), crate::ids::hex(&values.sketch.encode())),
        cell => (cell.amount(), String::new()),
    };
    let labels = serde_json::to_string(key.labels()).unwrap();
    let row = serde_json::json!({
        "t": t.0, "kind": key.kind(), "name": key.name(), "labels": labels, "value": value, "at": null,
        "low": cell.quantile(0.0), "high": cell.quantile(1.0), "sketch": sketch,
    });
    format!("{row}\n")
}

fn result<'a>(files: &[PathBuf], configs: &[&'a Config]) -> Backtest<'a> {
    let window = Window { from: START, to: START.plus(240 * MINUTE_MS) };
    let (sides, seen) = through(files, configs.iter().map(|config| Side::new(config, window)).collect()).unwrap();
    Backtest { sides, window, zone: zone(configs[0]), seen }
}

#[test]
fn what_would_have_fired_says_when_for_how_long_how_bad_and_how_many_messages() {
    let (_dir, files) = history();
    let config = shipped();
    let result = result(&files, &[&config]);
    insta::assert_snapshot!(format!("{}\n{}\n", result.text(), result.closing()));
    assert!(!result.differs());
}

#[test]
fn two_folders_show_only_what_differs() {
    let (_dir, files) = history();
    let (now, before) = (changed(), shipped());
    let result = result(&files, &[&now, &before]);
    insta::assert_snapshot!(format!("{}\n{}\n", result.text(), result.closing()));
    assert!(result.differs());
    let document = result.json();
    let changes: Vec<_> = document["changes"].as_array().unwrap().iter().map(|change| change["change"].as_str().unwrap()).collect();
    assert!(["gone", "was", "is"].iter().all(|change| changes.contains(change)), "{changes:?}");
    assert_eq!(document["schema"], 1);
}

#[test]
fn a_folder_compared_with_itself_does_not_differ() {
    let (_dir, files) = history();
    let config = shipped();
    let result = result(&files, &[&config, &config]);
    assert!(!result.differs() && !result.episodes().is_empty());
    assert!(result.closing().starts_with("No difference: "), "{}", result.closing());
}

#[test]
fn rows_out_of_order_end_it_with_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let key = SeriesKey::new(Kind::Counter, name::REQUESTS, vec![]);
    let rows = line(START.plus(MINUTE_MS), &key, &Cell::count(1)) + &line(START, &key, &Cell::count(1));
    std::fs::write(dir.path().join("a.jsonl"), rows).unwrap();
    let error = through(&[dir.path().to_owned()], Vec::new()).unwrap_err().to_string();
    assert!(error.contains("a.jsonl:2: the minute 2026-03-02T08:00:00.000Z comes after a later one"), "{error}");
}

#[test]
fn times_are_moments_or_days_of_the_site() {
    let zone = chrono_tz::Africa::Johannesburg;
    for (text, utc) in [
        ("2026-03-02", Some("2026-03-01T22:00:00.000Z")),
        ("2026-03-02T08:00:00+02:00", Some("2026-03-02T06:00:00.000Z")),
        ("2026-03-02T08:00:00Z", Some("2026-03-02T08:00:00.000Z")),
        ("2026-03-02 08:00", None),
        ("yesterday", None),
    ] {
        assert_eq!(moment(text, zone).map(UnixMs::rfc3339).as_deref(), utc, "{text}");
    }
}

#[test]
fn without_files_the_commands_that_write_them_are_printed() {
    let config = shipped();
    let window = Window { from: START, to: START.plus(DAY_MS) };
    let text = commands(&[Some(&config), None], window, Environment::Production);
    let lines: Vec<&str> = text.lines().collect();
    // Weeks of hours to learn from, three days of a slow burn rate, the day the first tick is on, and the one the last tick is on.
    assert_eq!(lines.len(), 2 + 5, "{text}");
    insta::assert_snapshot!(lines[1..3].join("\n"));
    assert!(lines[6].contains("m.t >= 1772496000000 AND m.t < 1772582400000") && lines[6].ends_with("> history/2026-03-03.json"), "{text}");
    assert!(commands(&[Some(&config)], window, Environment::Dev).contains("execute DB --local --json"));
    assert!(commands(&[Some(&config)], window, Environment::Staging).contains("execute DB --remote --env staging --json"));
}
