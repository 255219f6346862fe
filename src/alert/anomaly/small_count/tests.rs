//! Stories of the detector of rare events: outages it sees, and quiet hours it leaves alone.

use proptest::prelude::*;

use super::*;

const ZONE: Tz = Tz::Africa__Johannesburg;
/// Monday 2026-03-02, midnight in Johannesburg.
const MONDAY: UnixMs = UnixMs(1_772_402_400_000);

/// Every hour of `weeks` from [`MONDAY`], with `count(hour of the week)` events.
fn history(weeks: i64, count: impl Fn(i64) -> u64) -> Vec<HourCount> {
    (0..weeks * 168).map(|hour| HourCount { hour: MONDAY.plus(hour * HOUR_MS), count: count(hour % 168) }).collect()
}

/// Twelve by day, nothing by night.
fn by_day(hour: i64) -> u64 {
    if (8..20).contains(&(hour % 24)) { 12 } else { 0 }
}

fn judged_at(hour: i64, weeks: i64, change: impl Fn(i64, u64) -> u64) -> Verdict {
    let now = MONDAY.plus(hour * HOUR_MS);
    let mut all = history(weeks, by_day);
    for entry in &mut all {
        entry.count = change(entry.hour.since(now) / HOUR_MS, entry.count);
    }
    all.retain(|entry| entry.hour < now);
    judge(&all, now.plus(20 * 60_000), ZONE)
}

const NINTH_WEEK: i64 = 9 * 168;

#[test]
fn an_hour_without_bookings_at_noon_is_too_few() {
    let Verdict::TooFew(told) = judged_at(NINTH_WEEK + 13, 10, |ago, usual| if ago == -1 { 0 } else { usual }) else { panic!("missed") };
    assert_eq!((told.hours, told.observed, told.expected, told.dispersion), (1, 0, 12.0, 1.0));
    assert!((told.p - (-12.0_f64).exp()).abs() < 1e-12, "{told:?}");
}

#[test]
fn the_usual_day_is_usual_and_a_night_is_never_judged_by_itself() {
    let usual = judged_at(NINTH_WEEK + 13, 10, |_, usual| usual);
    assert!(matches!(usual, Verdict::Usual(Judgement { observed: 12, .. })), "{usual:?}");
    let night = judged_at(NINTH_WEEK + 5, 10, |ago, usual| if ago >= -4 { 0 } else { usual });
    assert!(matches!(night, Verdict::Sparse { .. }), "{night:?}");
}

#[test]
fn bookings_in_families_widen_the_window() {
    let all = history(9, |hour| if (8..20).contains(&(hour % 24)) { 12 } else { 0 });
    // Every other week three times as many as in the one before: 6 and 18.
    let mixed: Vec<HourCount> = all
        .iter()
        .map(|entry| HourCount {
            count: if entry.hour.since(MONDAY) / WEEK_MS % 2 == 0 { entry.count / 2 } else { entry.count * 3 / 2 },
            ..*entry
        })
        .collect();
    let now = MONDAY.plus((8 * 168 + 15) * HOUR_MS);
    let Verdict::Usual(judged) = judge(&mixed, now, ZONE) else { panic!("{:?}", judge(&mixed, now, ZONE)) };
    assert!(judged.dispersion > 3.0 && judged.hours > 1, "{judged:?}");
}

#[test]
fn young_history_and_missing_hours_are_said_and_never_judged() {
    assert_eq!(judged_at(3 * 168 + 13, 10, |_, usual| usual), Verdict::Learning(TooYoung { weeks: 3 }));
    let now = MONDAY.plus((NINTH_WEEK + 13) * HOUR_MS);
    let mut all = history(10, by_day);
    all.retain(|entry| entry.hour != now.plus(-HOUR_MS));
    assert_eq!(judge(&all, now, ZONE), Verdict::Gap { hour: now.plus(-HOUR_MS) });
}

#[test]
fn a_missing_hour_in_the_past_does_not_lower_what_is_usual() {
    let now = MONDAY.plus((NINTH_WEEK + 13) * HOUR_MS);
    let mut all = history(10, by_day);
    all.retain(|entry| entry.hour.since(MONDAY) / HOUR_MS % 336 != 12);
    let Verdict::Usual(judged) = judge(&all, now, ZONE) else { panic!("not judged") };
    assert_eq!(judged.expected, 12.0);
}

#[test]
fn an_outage_that_lasts_is_not_learnt_as_usual_within_its_day() {
    for hours in 1..=6 {
        let verdict = judged_at(NINTH_WEEK + 14, 10, |ago, usual| if ago >= -hours { 0 } else { usual });
        assert!(matches!(verdict, Verdict::TooFew(_)), "{hours} h: {verdict:?}");
    }
}

#[test]
fn hours_of_the_week_are_the_sites() {
    assert_eq!(hour_of_week(MONDAY, ZONE), 0);
    assert_eq!(hour_of_week(MONDAY.plus(-HOUR_MS), ZONE), 167);
    assert_eq!(hour_of_week(MONDAY, Tz::UTC), 166);
}

proptest! {
    #[test]
    fn fewer_events_are_never_more_likely(count in 0_u64..60, hour in 0_i64..168) {
        let now = MONDAY.plus((NINTH_WEEK + hour) * HOUR_MS);
        let profile = Profile::learn(&history(9, |hour| 3 + by_day(hour)), now, ZONE).unwrap();
        let p = |count: u64| {
            let recent: Vec<HourCount> = (1..=6).map(|ago| HourCount { hour: now.plus(-ago * HOUR_MS), count }).collect();
            match profile.judge(&recent, now) {
                Verdict::Usual(judged) | Verdict::TooFew(judged) => judged.p,
                other => panic!("{other:?}"),
            }
        };
        prop_assert!(p(count) <= p(count + 1) + 1e-12);
    }
}
