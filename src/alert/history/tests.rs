//! What the history in memory keeps, and what it forgets.

use super::*;
use crate::config::site::Environment;

const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn history() -> History {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    History::of(&crate::config::read::folder(&folder, Environment::Production).unwrap().alerting.rules)
}

fn requests(route: &str, method: &str) -> SeriesKey {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    SeriesKey::new(Kind::Counter, name::REQUESTS, vec![label("route", route), label("method", method), label("class", "2xx")])
}

#[test]
fn labels_no_rule_tells_apart_merge_and_names_no_rule_selects_are_not_kept() {
    let mut history = history();
    history.take(NOON, &requests("/a", "GET"), &Cell::count(2));
    history.take(NOON, &requests("/a", "POST"), &Cell::count(3));
    history.take(NOON, &requests("/b", "GET"), &Cell::count(5));
    history.take(NOON, &SeriesKey::new(Kind::Counter, name::BY_COLO, vec![]), &Cell::count(7));
    let live = history.live(NOON.plus(MINUTE_MS), Coverage::Whole);
    let cells: Vec<_> = live.slices.iter().flat_map(|slice| &slice.cells).map(|(key, cell)| (key.canonical(), cell.amount())).collect();
    let key = |route: &str| format!("http_requests_total{{class=\"2xx\",route=\"{route}\"}}");
    assert_eq!(cells, [(key("/a"), 5.0), (key("/b"), 5.0)]);
}

#[test]
fn what_no_rule_reaches_any_more_is_forgotten() {
    let mut history = history();
    assert_eq!(history.minutes_reach_ms(), 3 * DAY_MS, "the slow pace of the burn rate");
    assert_eq!(history.reach_ms(), 56 * DAY_MS + 6 * HOUR_MS, "what is usual for bookings");
    for hour in 0..24 * 7 {
        let now = NOON.plus(hour * HOUR_MS);
        history.take(now.plus(-1), &requests("/a", "GET"), &Cell::count(1));
        history.live(now, Coverage::Whole);
        let kept: usize = history.names.values().flat_map(|kept| kept.series.values()).map(|buckets| buckets.minutes.len()).sum();
        assert!(kept <= 24 * 3 + 4, "{kept} minutes after {hour} h");
        assert!(history.live.slices.len() <= 1);
    }
}

#[test]
fn what_is_learnt_from_is_kept_as_hours_and_answered_hour_by_hour() {
    let mut history = history();
    let bookings = SeriesKey::new(Kind::Counter, "bookings_completed_total", vec![]);
    for hour in 0..24 * 70 {
        let now = NOON.plus(hour * HOUR_MS);
        history.take(now.plus(-1), &bookings, &Cell::count(1));
        history.live(now, Coverage::Whole);
    }
    let buckets = &history.names["bookings_completed_total"].series[&bookings];
    assert!(buckets.minutes.len() <= 24 + 4, "{} minutes for the conversion of a day", buckets.minutes.len());
    assert!((1_350..1_360).contains(&buckets.hours.len()), "{} hours", buckets.hours.len());
    let window = Window { from: NOON.plus(60 * DAY_MS), to: NOON.plus(60 * DAY_MS + 3 * HOUR_MS) };
    let of = |resolution| {
        let read = StoredRead { stretch: (resolution, window), names: vec!["bookings_completed_total".into()] };
        history.stored(vec![read]).into_values().next().unwrap().unwrap().len()
    };
    assert_eq!((of(Resolution::Hour), of(Resolution::HourByHour)), (1, 3));
}

#[test]
fn live_slices_do_not_pile_up_while_no_tick_runs() {
    let mut history = history();
    for minute in 0..24 * 60 {
        history.take(NOON.plus(minute * MINUTE_MS), &requests("/a", "GET"), &Cell::count(1));
        assert!(history.live.slices.len() <= 17);
    }
}
