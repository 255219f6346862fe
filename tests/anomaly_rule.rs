//! What the anomaly RULE is worth, not its detector alone: a shipped rule's ticks over simulated bookings, from rows as they are stored
//! (no row in an hour without bookings) to messages, by the evaluator and the state machine that decide live.
//!
//! Nine weeks are learnt from before anything counts. Every hour is judged ten minutes after its end, as a deployment does.

#![allow(clippy::unwrap_used, missing_docs, reason = "a story that cannot go on fails")]

mod support {
    pub mod bookings;
}

use parapet::alert::history::History;
use parapet::alert::notification::NotifyReason;
use parapet::alert::observe::Coverage;
use parapet::alert::rehearsal::Rehearsal;
use parapet::config::Config;
use parapet::config::site::Environment;
use parapet::telemetry::cell::Cell;
use parapet::telemetry::series::{Kind, SeriesKey};
use parapet::time::{HOUR_MS, MINUTE_MS, UnixMs};
use support::bookings::{Seeded, usual};

/// Monday 2026-03-02, midnight in Johannesburg, where the shipped site is.
const MONDAY: UnixMs = UnixMs(1_772_402_400_000);
const LEARNT_HOURS: i64 = 9 * 168;
const JUDGED_WEEKS: i64 = 8;
const SITES: u64 = 4;

fn shipped() -> Config {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    let mut config = parapet::config::read::folder(&folder, Environment::Production).unwrap();
    config.alerting.rules.retain(|rule| rule.id == "bookings-unusual");
    assert_eq!(config.alerting.rules.len(), 1);
    config
}

/// The hours after which people were told that there are too few, where bookings of hours in `outage` are lost.
fn told(config: &Config, site: u64, outage: impl Fn(i64) -> bool) -> Vec<i64> {
    let (mut seeded, mut rehearsal, mut history) = (Seeded(site), Rehearsal::new(config), History::of(&config.alerting.rules));
    let key = |name: &str, labels| SeriesKey::new(Kind::Counter, name, labels);
    let bookings = key("bookings_completed_total", Vec::new());
    let ticks = key("parapet_ticks_total", vec![("outcome".to_owned(), "applied".to_owned())]);
    let mut told = Vec::new();
    for hour in 0..LEARNT_HOURS + JUDGED_WEEKS * 168 {
        let at = MONDAY.plus(hour * HOUR_MS);
        let count = seeded.poisson(usual(hour));
        history.take(at, &ticks, &Cell::count(60));
        if count > 0 && !outage(hour) {
            history.take(at, &bookings, &Cell::count(count));
        }
        if hour >= LEARNT_HOURS {
            let ticked = rehearsal.tick(at.plus(HOUR_MS + 10 * MINUTE_MS), &mut history, Coverage::Whole);
            let first = ticked.messages.iter().any(|message| message.notification.reason == NotifyReason::First);
            told.extend(first.then_some(hour));
        }
    }
    told
}

#[test]
fn the_shipped_rule_raises_few_false_alarms_on_ordinary_bookings() {
    let config = &shipped();
    let false_alarms: usize = std::thread::scope(|scope| {
        let sites: Vec<_> = (1..=SITES).map(|site| scope.spawn(move || told(config, site, |_| false).len())).collect();
        sites.into_iter().map(|site| site.join().unwrap()).sum()
    });
    let a_week = false_alarms as f64 / (SITES as f64 * JUDGED_WEEKS as f64);
    println!("{a_week:.3} false alarms a week");
    assert!(a_week <= 0.1, "{a_week} false alarms a week");
}

#[test]
fn it_tells_of_an_outage_by_day_within_three_hours() {
    let config = shipped();
    // Six hours from 9:00 on every third day.
    let begins = |hour: i64| hour >= LEARNT_HOURS && hour / 24 % 3 == 0;
    let out = |hour: i64| begins(hour) && (9..15).contains(&(hour % 24));
    let told = told(&config, 7, out);
    let outages: Vec<i64> = (LEARNT_HOURS..LEARNT_HOURS + JUDGED_WEEKS * 168).filter(|hour| begins(*hour) && hour % 24 == 9).collect();
    let seen = outages.iter().filter(|begin| told.iter().any(|hour| (**begin..**begin + 3).contains(hour))).count();
    println!("{seen} of {} outages told within three hours", outages.len());
    assert!(seen as f64 >= 0.91 * outages.len() as f64, "{seen} of {}: {told:?}", outages.len());
}
