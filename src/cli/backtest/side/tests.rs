//! What one configuration makes of a history.

use super::*;
use crate::config::read;
use crate::config::site::Environment;
use crate::telemetry::series::{Kind, name};

const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn at(minute: i64) -> UnixMs {
    NOON.plus(minute * MINUTE_MS)
}

fn config() -> Config {
    read::folder(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring"), Environment::Production).unwrap()
}

fn origin_errors() -> SeriesKey {
    SeriesKey::new(Kind::Counter, name::ORIGIN_ERRORS, vec![("reason".into(), "timeout".into())])
}

fn of_rule<'s>(side: &'s Side<'_>, rule: &str) -> Vec<&'s Episode> {
    side.episodes.iter().filter(|episode| episode.rule == rule).collect()
}

#[test]
fn a_minute_is_seen_by_the_tick_at_its_end_and_by_none_before() {
    let config = config();
    let mut side = Side::new(&config, Window { from: at(0), to: at(60) });
    for minute in 0..60 {
        let failed = if (10..13).contains(&minute) { 20 } else { 0 };
        side.take(at(minute), &origin_errors(), &Cell::count(failed));
    }
    side.finish();
    let [episode] = of_rule(&side, "origin-down")[..] else { panic!("{:?}", side.episodes) };
    // Fires with the tick at 11, holds until the tick at 14 (a window of 2 minutes), is kept for three more.
    assert_eq!((episode.fired_at, episode.resolved_at), (at(11), Some(at(17))));
    assert_eq!((episode.peak.as_str(), episode.messages), ("40", 6));
}

#[test]
fn rows_of_several_shards_add_up_and_what_is_out_of_reach_is_not_kept() {
    let config = config();
    let mut side = Side::new(&config, Window { from: at(0), to: at(30) });
    side.take(at(-60 * 24 * 30), &origin_errors(), &Cell::count(1_000));
    for _ in 0..3 {
        side.take(at(-1), &origin_errors(), &Cell::count(4));
    }
    side.take(at(30), &origin_errors(), &Cell::count(1_000));
    side.finish();
    let [episode] = of_rule(&side, "origin-down")[..] else { panic!("{:?}", side.episodes) };
    assert_eq!((episode.fired_at, episode.peak.as_str()), (at(0), "12"));
}

#[test]
fn an_alert_that_another_one_explains_says_so() {
    let config = config();
    let mut side = Side::new(&config, Window { from: at(0), to: at(60) });
    let requests = |class: &str| SeriesKey::new(Kind::Counter, name::REQUESTS, vec![("class".into(), class.into())]);
    for minute in 0..60 {
        let failed = if minute >= 10 { 60 } else { 0 };
        side.take(at(minute), &origin_errors(), &Cell::count(failed));
        side.take(at(minute), &requests("5xx"), &Cell::count(failed));
        side.take(at(minute), &requests("2xx"), &Cell::count(100));
    }
    side.finish();
    let [episode] = of_rule(&side, "error-rate-critical")[..] else { panic!("{:?}", side.episodes) };
    assert_eq!((episode.messages, episode.quiet.as_deref(), episode.resolved_at), (0, Some("inhibition origin-explains"), None));
}
