//! Stories of the detector of busy series: what is usual, and what is told once.

use proptest::prelude::*;

use super::*;
use crate::time::MINUTE_MS;

/// A day's wave with a little regular noise, a point every five minutes.
fn wave(point: u64) -> f64 {
    let angle = (point % 288) as f64 / 288.0 * std::f64::consts::TAU;
    100.0 + 40.0 * angle.sin() + ((point * 7_919) % 13) as f64 / 3.0
}

fn at(point: u64) -> UnixMs {
    UnixMs(i64::try_from(point).unwrap() * 5 * MINUTE_MS)
}

fn judged(points: u64, value: impl Fn(u64) -> f64) -> Vec<Judgement> {
    let mut detector = Detector::default();
    (0..points).map(|point| detector.observe(at(point), value(point))).collect()
}

fn alarms(judged: &[Judgement]) -> Vec<usize> {
    judged.iter().enumerate().filter(|(_, judgement)| judgement.outcome == Outcome::Alarm).map(|(point, _)| point).collect()
}

#[test]
fn a_daily_wave_is_usual() {
    assert_eq!(alarms(&judged(4_000, wave)), Vec::<usize>::new());
}

#[test]
fn a_spike_is_told_once_and_again_only_when_it_gets_worse() {
    let judged = judged(4_000, |point| match point {
        2_000..2_006 => 200.0,
        2_010 => 2_000.0,
        _ => wave(point),
    });
    assert_eq!(alarms(&judged), [2_000, 2_010]);
    let told = judged[2_000];
    assert!(told.score >= ALARM_SCORE && told.excess > 0.5 && told.deviation > 5.0, "{told:?}");
    assert_eq!((judged[2_001].score, judged[2_001].outcome), (0.0, Outcome::Refractory));
}

#[test]
fn a_drop_inside_the_range_is_seen_by_its_deviation() {
    // At its peak the wave falls to its own floor: no new extreme.
    let judged = judged(3_000, |point| if (2_948..2_954).contains(&point) { 62.0 } else { wave(point) });
    let told = judged[2_948];
    assert_eq!((told.outcome, told.excess), (Outcome::Alarm, 0.0), "{told:?}");
    assert!((120.0..160.0).contains(&told.expected), "{told:?}");
}

#[test]
fn a_series_that_never_moved_alarms_when_it_does() {
    let judged = judged(500, |point| if point == 400 { 8.0 } else { 7.0 });
    assert_eq!(alarms(&judged), [400]);
}

#[test]
fn nothing_alarms_while_it_is_learnt() {
    let judged = judged(LEARNING_POINTS, |point| if point % 50 == 49 { 1e9 } else { 1.0 });
    assert!(judged.iter().all(|judgement| judgement.score == 0.0 && judgement.outcome == Outcome::Learning));
}

#[test]
fn what_is_not_a_number_is_neither_judged_nor_learnt() {
    let mut detector = Detector::default();
    (0..300).for_each(|point| _ = detector.observe(at(point), wave(point)));
    let before = detector.clone();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(detector.observe(at(300), value).outcome, Outcome::Unreadable);
    }
    assert_eq!(detector, before);
}

#[test]
fn a_replay_ends_where_the_stream_does() {
    let stream = judged(700, wave);
    assert_eq!(Detector::replay((0..700).map(|point| (at(point), wave(point)))), stream.last().copied());
    assert_eq!(Detector::replay([]), None);
}

#[test]
fn outcomes_read_back_as_they_are_written() {
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::from_str(outcome.as_str()), Some(outcome));
    }
}

#[test]
fn the_state_is_small() {
    assert!(std::mem::size_of::<Detector>() < 400);
}

proptest! {
    #[test]
    fn a_score_is_in_its_range_whatever_comes(values in prop::collection::vec(any::<f64>(), 200..400), step_ms in -90_000_000_i64..90_000_000) {
        let mut detector = Detector::default();
        for (point, value) in (0_i64..).zip(values) {
            let judgement = detector.observe(UnixMs(point * step_ms), value);
            prop_assert!((0.0..1.0).contains(&judgement.score), "{judgement:?}");
            prop_assert!(judgement.deviation >= 0.0 && judgement.excess >= 0.0 && judgement.expected.is_finite(), "{judgement:?}");
            prop_assert_eq!(judgement.score >= ALARM_SCORE, judgement.outcome == Outcome::Alarm);
        }
    }

    #[test]
    fn the_unit_of_a_series_does_not_matter(exponent in -20_i32..20) {
        // Powers of two scale without rounding.
        let unit = f64::from(exponent).exp2();
        let plain = judged(600, |point| if point == 500 { 300.0 } else { wave(point) });
        let scaled = judged(600, |point| unit * if point == 500 { 300.0 } else { wave(point) });
        for (plain, scaled) in plain.iter().zip(&scaled) {
            prop_assert_eq!((plain.score, plain.outcome), (scaled.score, scaled.outcome));
        }
    }
}
