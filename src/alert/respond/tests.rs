//! What each act does to an alert, and when it is refused.

use super::*;
use crate::alert::incident::tests::subject;
use crate::alert::incident::{Signal, step};

const NOW: UnixMs = UnixMs(1_772_409_600_000);

fn firing() -> AlertState {
    step(None, &subject(0, 0), Signal::On { measured: None, detail: None }, NOW).next.unwrap()
}

fn done(state: &AlertState, act: &Act) -> (AlertState, NotifyReason) {
    respond(state, act, "Thandi", Some("looking"), NOW.plus(MINUTE_MS)).unwrap().unwrap()
}

#[test]
fn verbs_and_verdicts_survive_the_round_trip() {
    for verb in Verb::ALL {
        assert_eq!(Verb::from_str(verb.as_str()), Some(verb));
    }
    for verdict in AlarmVerdict::ALL {
        assert_eq!(AlarmVerdict::from_str(verdict.as_str()), Some(verdict));
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
    }
}

#[test]
fn who_acknowledges_has_it_and_a_second_time_is_no_mistake() {
    let (state, reason) = done(&firing(), &Act::Acknowledge);
    assert_eq!((reason, state.phase, state.version), (NotifyReason::Acknowledged, Phase::Firing, firing().version + 1));
    let response = Response { by: "Thandi".into(), at: NOW.plus(MINUTE_MS), until: None, note: Some("looking".into()) };
    assert_eq!(state.response, Some(response));
    assert_eq!(respond(&state, &Act::Acknowledge, "Pieter", None, NOW), Ok(None));
}

#[test]
fn a_snooze_has_an_end_and_acknowledging_takes_it_away() {
    let snooze = |ms| respond(&firing(), &Act::Snooze { until: NOW.plus(ms) }, "Thandi", None, NOW);
    for (ms, allowed) in [(MIN_SNOOZE_MS - 1, false), (MIN_SNOOZE_MS, true), (MAX_SNOOZE_MS, true), (MAX_SNOOZE_MS + 1, false), (-1, false)]
    {
        assert_eq!(snooze(ms).is_ok(), allowed, "{ms}");
    }
    let (snoozed, reason) = snooze(MIN_SNOOZE_MS).unwrap().unwrap();
    assert_eq!((reason, snoozed.response.as_ref().unwrap().until), (NotifyReason::Acknowledged, Some(NOW.plus(MIN_SNOOZE_MS))));
    assert_eq!(done(&snoozed, &Act::Acknowledge).0.response.unwrap().until, None);
}

#[test]
fn who_resolves_says_what_it_was_and_who_escalates_gives_it_away() {
    let (state, reason) = done(&firing(), &Act::Resolve { verdict: Some(AlarmVerdict::FalseAlarm) });
    assert_eq!((reason, state.phase, state.alarm), (NotifyReason::Resolved, Phase::Resolved, Some(AlarmVerdict::FalseAlarm)));
    assert_eq!(state.resolved_at, Some(NOW.plus(MINUTE_MS)));
    let (state, reason) = done(&done(&firing(), &Act::Acknowledge).0, &Act::Escalate);
    assert_eq!((reason, state.response), (NotifyReason::Escalated, None));
}

#[test]
fn what_does_not_fire_cannot_be_taken() {
    for phase in [Phase::Inactive, Phase::Pending, Phase::Resolved] {
        let state = AlertState { phase, ..firing() };
        for act in [Act::Acknowledge, Act::Resolve { verdict: None }, Act::Escalate, Act::Snooze { until: NOW.plus(MIN_SNOOZE_MS) }] {
            assert_eq!(respond(&state, &act, "Thandi", None, NOW), Err(Refused::NotFiring(phase)));
        }
    }
}

#[test]
fn a_new_episode_belongs_to_nobody() {
    let (over, _) = done(&done(&firing(), &Act::Acknowledge).0, &Act::Resolve { verdict: Some(AlarmVerdict::Expected) });
    let again = step(Some(&over), &subject(0, 0), Signal::On { measured: None, detail: None }, NOW.plus(5 * MINUTE_MS)).next.unwrap();
    assert_eq!((again.phase, again.response, again.alarm, again.escalated, again.told_at), (Phase::Firing, None, None, 0, None));
}
