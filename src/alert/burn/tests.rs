//! The guard against chance, and what it does to pages.

use super::*;

/// A small generator of its own, so that every run draws the same.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn the_guard_agrees_with_the_binomial_tail() {
    // Tails computed with exact rationals: P(X >= bad | all, allowed).
    for (bad, all, allowed, more_than_chance) in [
        (0.0, 100.0, 0.001, false),
        (1.0, 20.0, 0.001, false),    // 0.0198
        (2.0, 20.0, 0.001, true),     // 0.00019
        (2.0, 100.0, 0.001, false),   // 0.0046
        (3.0, 100.0, 0.001, true),    // 0.00015
        (20.0, 1_000.0, 0.01, false), // 0.0033
        (22.0, 1_000.0, 0.01, true),  // 0.0007
        (10.0, 1_000.0, 0.05, false), // left of the mean
        (1_200.0, 1_000_000.0, 0.001, true),
        (1_050.0, 1_000_000.0, 0.001, false),
        (5.0, 5.0, 0.5, false), // 0.031
    ] {
        assert_eq!(is_more_than_chance(bad, all, allowed), more_than_chance, "{bad} of {all} at {allowed}");
    }
}

/// Minutes in which the pace pages, of `days` at `per_hour` requests that fail with `failing`.
fn paged_minutes(days: usize, per_hour: f64, failing: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut draws = Draws(7);
    let minutes = days * 24 * 60;
    let (mut bad, mut all) = (vec![0.0_f64], vec![0.0_f64]);
    let mut paged = Vec::new();
    for minute in 0..minutes {
        // Sixty draws a minute at most: arrivals of a Bernoulli process.
        let (mut errors, mut requests) = (0.0, 0.0);
        for _ in 0..4 {
            if draws.next() < per_hour / 240.0 {
                requests += 1.0;
                errors += f64::from(u8::from(draws.next() < failing(minute)));
            }
        }
        bad.push(bad[minute] + errors);
        all.push(all[minute] + requests);
        let end = minute + 1;
        let within = |sums: &[f64], ms: i64| sums[end] - sums[end.saturating_sub(usize::try_from(ms / MINUTE_MS).unwrap())];
        let burns = |ms| within(&bad, ms) / within(&all, ms).max(1.0) / 0.001;
        let holds = windows(Pace::Page).into_iter().any(|pair| {
            burns(pair.long_ms) > pair.factor
                && burns(pair.short_ms) > pair.factor
                && is_more_than_chance(within(&bad, pair.long_ms), within(&all, pair.long_ms), 0.001)
        });
        if holds {
            paged.push(minute);
        }
    }
    paged
}

#[test]
fn a_healthy_service_at_twenty_requests_an_hour_pages_nobody_in_200_days() {
    assert_eq!(paged_minutes(200, 20.0, |_| 0.0005), Vec::<usize>::new());
}

#[test]
fn an_outage_at_twenty_requests_an_hour_pages_within_half_an_hour() {
    let outage = 10 * 24 * 60;
    let paged = paged_minutes(11, 20.0, |minute| if minute >= outage { 0.5 } else { 0.0005 });
    let first = *paged.first().unwrap();
    assert!((outage..outage + 30).contains(&first), "paged at minute {first} of an outage at {outage}");
}
