//! What ticks without a deployment decide and remember.

use super::super::observe::{LIVE_MS, LiveWindow, SLICE_MS};
use super::super::tick::tick;
use super::*;
use crate::config::site::Environment;
use crate::ports::Db as _;
use crate::storage::series::{self, Slice};
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::storage::{Statement, alerts};
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{Kind, SeriesKey, name};
use crate::time::{HOUR_MS, MINUTE_MS};

/// 2026-03-02T12:00:00Z.
const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn shipped() -> Config {
    crate::config::read::folder(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring"), Environment::Production).unwrap()
}

fn key(kind: Kind, name: &str, labels: &[(&str, &str)]) -> SeriesKey {
    SeriesKey::new(kind, name, labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect())
}

/// Hours in which the site fails, gets slow, goes silent and is well again; one slice in ten seconds.
fn slice(n: i64) -> Slice {
    let t = NOON.plus(n * SLICE_MS);
    let minute = n / 6;
    let failed = match minute % 240 {
        60..75 => 20,
        75..120 => 1,
        _ => 0,
    };
    let slow = if minute % 300 > 150 && minute % 300 < 190 { 2.5 } else { 0.2 };
    let request = |route, class| key(Kind::Counter, name::REQUESTS, &[("route", route), ("method", "GET"), ("class", class)]);
    let mut cells = vec![
        (request("/a", "2xx"), Cell::count(30)),
        (request("/b", "2xx"), Cell::count(10)),
        (request("/b", "5xx"), Cell::count(failed)),
        (key(Kind::Distribution, name::DURATION, &[("route", "/a")]), Cell::single(Kind::Distribution, slow, t.0)),
        (key(Kind::Counter, "booking_visits_total", &[]), Cell::count(1)),
    ];
    if minute % 50 == 0 {
        cells.push((key(Kind::Counter, "bookings_completed_total", &[]), Cell::count(1)));
    }
    if (200..204).contains(&minute) {
        cells.clear();
    }
    Slice { t, cells }
}

#[test]
fn a_rehearsal_decides_what_live_ticks_on_the_real_sql_decide() {
    let config = shipped();
    let addresses = Addresses::resolve(&config.alerting, |_| Some("set".to_owned()));
    let db = Sqlite::new();
    let (mut rehearsal, mut history) = (Rehearsal::new(&config), History::of(&config.alerting.rules));
    // Both begin to watch at the first tick.
    rehearsal.watching_since(NOON.plus(MINUTE_MS));
    let (mut fired, mut messages) = (0, (0, 0));
    let mut live: Vec<Slice> = Vec::new();
    for minute in 1..=9 * 60 {
        let slices: Vec<Slice> = (6 * (minute - 1)..6 * minute).map(slice).collect();
        let t = NOON.plus((minute - 1) * MINUTE_MS);
        let mut cells: Vec<(SeriesKey, Cell)> = Vec::new();
        for (key, cell) in slices.iter().flat_map(|slice| &slice.cells) {
            match cells.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => known.merge(cell),
                None => cells.push((key.clone(), cell.clone())),
            }
        }
        for slice in &slices {
            for (key, cell) in &slice.cells {
                history.take(slice.t, key, cell);
            }
        }
        now_or_never(db.batch(series::write_minutes(0, &[Slice { t, cells }]))).unwrap();
        live.extend(slices);
        // A tick that comes late, and half an hour in which none comes: rules that wait must not notice the difference.
        if (300..330).contains(&minute) {
            continue;
        }
        let now = NOON.plus(minute * MINUTE_MS + if minute % 7 == 0 { 4_000 } else { 0 });
        live.retain(|slice| now.since(slice.t) <= LIVE_MS);
        let coverage = if minute % 97 == 0 { Coverage::Missing(vec![0]) } else { Coverage::Whole };
        let window = LiveWindow { slices: live.clone(), coverage: coverage.clone() };
        let report = now_or_never(tick(now, &config, &addresses, &db, &Seen { live: &window, config_problem: None }));
        let ticked = rehearsal.tick(now, &mut history, coverage);
        messages = (messages.0 + report.messages, messages.1 + ticked.messages.len());
        if minute % 30 == 0 {
            rehearsal.restart();
        }
        let stored = now_or_never(db.batch(vec![alerts::all()])).unwrap().remove(0);
        let mut states = rehearsal.states().to_vec();
        states.sort_by(|a, b| a.subject.id.cmp(&b.subject.id));
        assert_eq!(alerts::states(stored).unwrap(), states, "minute {minute}");
        fired += ticked.changed.iter().filter(|state| state.fired_at == Some(now)).count();
    }
    assert_eq!(messages.0, messages.1);
    assert!(fired >= 6, "only {fired} alerts fired, so little was compared");
    let minutes = now_or_never(db.batch(vec![Statement::new("SELECT count(*) AS n FROM minute", [])])).unwrap();
    assert!(minutes[0].rows[0]["n"].as_i64() > Some(9 * HOUR_MS / MINUTE_MS), "nothing was stored, so little was compared");
}

#[test]
fn an_alert_about_a_rule_is_told_apart_from_the_rules_own() {
    let mut config = shipped();
    let rule = config.alerting.rules.iter_mut().find(|rule| rule.id == "latency-p95").unwrap();
    if let crate::config::alerting::When::Threshold { aggregate, .. } = &mut rule.when {
        *aggregate = crate::config::alerting::Aggregate::Last;
    }
    let (mut rehearsal, mut history) = (Rehearsal::new(&config), History::of(&config.alerting.rules));
    let slow = Cell::single(Kind::Distribution, 3.0, 0);
    history.take(NOON, &key(Kind::Distribution, name::DURATION, &[]), &slow);
    let ticked = rehearsal.tick(NOON.plus(MINUTE_MS), &mut history, Coverage::Whole);
    let about: Vec<_> = ticked.changed.iter().filter(|state| state.subject.rule == "latency-p95").collect();
    assert_eq!(about.len(), 1, "a level of a distribution has no meaning");
    assert_eq!(own_labels(about[0], &config), [("alertname".to_owned(), "rule-error".to_owned())].into());
}
