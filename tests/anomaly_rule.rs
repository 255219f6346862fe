//! What the anomaly RULE is worth, not its detector alone: a shipped rule's ticks over simulated bookings, from rows as they are stored
//! (no row in an hour without bookings) to messages, by the evaluator and the state machine that decide live.
//!
//! Nine weeks are learnt from before anything counts. Every hour is judged ten minutes after its end, as a deployment does.

#![allow(clippy::unwrap_used, missing_docs, reason = "a story that cannot go on fails")]

use parapet::alert::history::History;
use parapet::alert::notification::NotifyReason;
use parapet::alert::observe::Coverage;
use parapet::alert::rehearsal::Rehearsal;
use parapet::config::Config;
use parapet::config::site::Environment;
use parapet::telemetry::cell::Cell;
use parapet::telemetry::series::{Kind, SeriesKey};
use parapet::time::{HOUR_MS, MINUTE_MS, UnixMs};

/// Monday 2026-03-02, midnight in Johannesburg, where the shipped site is.
const MONDAY: UnixMs = UnixMs(1_772_402_400_000);
const LEARNT_HOURS: i64 = 9 * 168;
const JUDGED_WEEKS: i64 = 8;
const SITES: u64 = 4;

/// SplitMix64: the same numbers at every run.
struct Seeded(u64);

impl Seeded {
    /// In `(0, 1]`.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        let (mut product, mut count) = (self.uniform(), 0);
        while product > (-mean).exp() {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

/// Bookings usual in a local hour of the week: 12 by day, 4 in the evening, 0.3 at night, half at weekends.
fn usual(hour: i64) -> f64 {
    let rate = match hour % 24 {
        8..18 => 12.0,
        18..22 => 4.0,
        _ => 0.3,
    };
    if hour / 24 % 7 >= 5 { rate / 2.0 } else { rate }
}

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
