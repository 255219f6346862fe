//! When an alert flaps, when it has settled, and what people are told in between.

use super::super::incident::tests::subject;
use super::super::incident::{Firing, Signal, step};
use super::*;
use crate::time::MINUTE_MS;

const T0: UnixMs = UnixMs(1_772_452_800_000);
const POLICY: Flapping = Flapping { times: 3, within_ms: 60 * MINUTE_MS, settled_after_ms: 30 * MINUTE_MS };

fn at(minute: i64) -> UnixMs {
    T0.plus(minute * MINUTE_MS)
}

/// An alert that began to fire at each of these minutes.
fn fired(minutes: &[i64]) -> AlertState {
    let state = step(None, &subject(0, 0), Signal::On { measured: None, detail: None }, at(0)).next.unwrap();
    let flaps = minutes.iter().map(|minute| at(*minute)).collect();
    AlertState { flaps, told: vec!["slack".into()], ..state }
}

fn over(state: &AlertState, minute: i64) -> AlertState {
    AlertState { phase: Phase::Resolved, resolved_at: Some(at(minute)), ..state.clone() }
}

#[test]
fn what_is_owed_of_an_alert_that_comes_and_goes() {
    use Damped::{AsEver, Instead, Nothing};
    let still = || Transition::StillFiring(Firing::ConditionHolds);
    let ends = || Transition::Resolved(NotifyReason::Resolved);
    let flapping = AlertState { flapping: Some(at(20)), ..fired(&[0, 10, 20]) };
    let resting = over(&flapping, 25);
    let pending = AlertState { phase: Phase::Pending, ..flapping.clone() };
    let gone = Transition::Resolved(NotifyReason::RuleRemoved);
    // What happens, the alert, whether it would be told that it fires, whether it is kept quiet, the minute, what is owed.
    let table = [
        ("its second time", Transition::Fired, fired(&[0, 10]), true, false, 10, AsEver),
        ("its third time", Transition::Fired, fired(&[0, 10, 20]), true, false, 20, Instead(NotifyReason::Flapping)),
        ("its third time in an hour and a bit", Transition::Fired, fired(&[0, 10, 61]), true, false, 61, AsEver),
        ("its third time, silenced", Transition::Fired, fired(&[0, 10, 20]), false, true, 20, AsEver),
        ("it fires on", still(), fired(&[0, 10, 20]), false, false, 21, AsEver),
        ("it flaps and ends", ends(), over(&flapping, 25), false, false, 25, Nothing),
        (
            "it flaps and fires again",
            Transition::Fired,
            AlertState { flaps: vec![at(0), at(30)], ..flapping.clone() },
            true,
            false,
            30,
            Nothing,
        ),
        ("it flaps and its rule is gone", gone, over(&flapping, 25), false, false, 25, AsEver),
        ("it has not settled", still(), flapping.clone(), false, false, 49, AsEver),
        ("it has settled, and fires", still(), flapping.clone(), false, false, 50, Instead(NotifyReason::Settled)),
        ("it has settled, fires and is silenced", still(), flapping.clone(), false, true, 50, AsEver),
        ("it rests, not for long", Transition::Quiet, resting.clone(), false, false, 54, AsEver),
        ("it has settled, and is over", Transition::Quiet, resting.clone(), false, false, 55, Instead(NotifyReason::Resolved)),
        ("it has settled, is over and is silenced", Transition::Quiet, resting.clone(), false, true, 55, Instead(NotifyReason::Resolved)),
        ("it may fire again in a moment", Transition::StillPending, pending, false, false, 90, AsEver),
        ("another was faster", Transition::Stale, resting, false, false, 90, AsEver),
    ];
    for (name, transition, state, is_first, is_quiet, minute, expected) in table {
        assert_eq!(damped(Some(&POLICY), &state, &transition, is_first, is_quiet, at(minute)), expected, "{name}");
    }
}

#[test]
fn without_a_policy_nothing_flaps_and_what_flapped_has_settled() {
    assert_eq!(damped(None, &fired(&[0, 1, 2]), &Transition::Fired, true, false, at(2)), Damped::AsEver);
    let flapped = over(&AlertState { flapping: Some(at(2)), ..fired(&[0, 1, 2]) }, 3);
    assert_eq!(damped(None, &flapped, &Transition::Quiet, false, false, at(4)), Damped::Instead(NotifyReason::Resolved));
}

#[test]
fn ten_moments_are_kept() {
    let mut flaps = Vec::new();
    for minute in 0..25 {
        flaps = with(&flaps, at(minute));
    }
    assert_eq!(flaps, (15..25).map(at).collect::<Vec<_>>());
}
