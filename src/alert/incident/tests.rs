//! The state machine step by step, and its stored form.

use proptest::prelude::*;

use super::super::evaluate::RuleFault;
use super::super::observe::Blindness;
use super::super::quantity::{Threshold, Unit};
use super::*;
use crate::record::FromJson;
use crate::time::{MINUTE_MS, SECOND_MS};

const T0: UnixMs = UnixMs(1_772_452_800_000);

fn measured(value: f64) -> Measured {
    Measured::new(value, Threshold::Above(1.0), Unit::Plain, MINUTE_MS)
}

fn on(value: f64) -> Signal {
    Signal::On { measured: Some(measured(value)), detail: None }
}

fn off() -> Signal {
    Signal::Off { measured: Some(measured(0.0)) }
}

pub(crate) fn subject(for_ms: i64, keep_firing_for_ms: i64) -> Subject {
    Subject {
        id: "alr_1".into(),
        rule: "r".into(),
        name: "R".into(),
        severity: Severity::Critical,
        labels: Map::new(),
        for_ms,
        keep_firing_for_ms,
        summary: String::new(),
        annotations: Map::new(),
        runbook: String::new(),
        owner: String::new(),
        incident: OpensIncident::Critical,
    }
}

/// What it shows, the subject, signals at seconds since the start, the transitions they make.
type Story = (&'static str, Subject, Vec<(i64, Signal)>, Vec<&'static str>);

/// Plays signals at seconds since the start; gives the transitions and what is stored in the end.
fn play(subject: &Subject, story: &[(i64, Signal)]) -> (Vec<&'static str>, Option<AlertState>) {
    let mut stored: Option<AlertState> = None;
    let mut transitions = Vec::new();
    for (second, signal) in story {
        let step = step(stored.as_ref(), subject, signal.clone(), T0.plus(second * SECOND_MS));
        transitions.push(step.transition.as_str());
        stored = step.next.or(stored);
    }
    (transitions, stored)
}

#[test]
fn an_alert_lives_as_the_field_expects() {
    let table: [Story; 12] = [
        ("for 0 fires at once", subject(0, 0), vec![(0, on(2.0)), (60, off())], vec!["fired", "resolved"]),
        (
            "for is reached exactly",
            subject(120_000, 0),
            vec![(0, on(2.0)), (60, on(2.0)), (120, on(2.0)), (180, on(2.0))],
            vec!["became_pending", "still_pending", "fired", "still_firing"],
        ),
        ("skipped ticks are late, not lost", subject(120_000, 0), vec![(0, on(2.0)), (3_600, on(2.0))], vec!["became_pending", "fired"]),
        (
            "a gap in the condition starts over",
            subject(120_000, 0),
            vec![(0, on(2.0)), (60, off()), (120, on(2.0)), (180, on(2.0)), (240, on(2.0))],
            vec!["became_pending", "pending_ended", "became_pending", "still_pending", "fired"],
        ),
        ("nothing wrong is quiet", subject(0, 0), vec![(0, off()), (60, Signal::Hold), (120, Signal::Gone)], vec!["quiet"; 3]),
        (
            "keep_firing_for counts from when it last held",
            subject(0, 120_000),
            vec![(0, on(2.0)), (60, on(2.0)), (120, off()), (179, off()), (180, off()), (240, off())],
            vec!["fired", "still_firing", "still_firing", "still_firing", "resolved", "quiet"],
        ),
        (
            "a relapse within keep_firing_for is the same episode",
            subject(0, 120_000),
            vec![(0, on(2.0)), (60, off()), (100, on(2.0)), (219, off()), (220, off())],
            vec!["fired", "still_firing", "still_firing", "still_firing", "resolved"],
        ),
        (
            "not knowing neither resolves nor fires",
            subject(60_000, 0),
            vec![(0, on(2.0)), (60, Signal::Hold), (120, on(2.0)), (180, Signal::Hold), (999, Signal::Hold)],
            vec!["became_pending", "still_pending", "fired", "still_firing", "still_firing"],
        ),
        (
            "it fires again after it was resolved",
            subject(0, 0),
            vec![(0, on(2.0)), (60, off()), (120, on(2.0))],
            vec!["fired", "resolved", "fired"],
        ),
        ("a rule that is gone resolves", subject(0, 600_000), vec![(0, on(2.0)), (60, Signal::Gone)], vec!["fired", "resolved"]),
        (
            "one that is only pending just ends",
            subject(60_000, 0),
            vec![(0, on(2.0)), (30, Signal::Gone)],
            vec!["became_pending", "pending_ended"],
        ),
        ("an older tick is ignored", subject(0, 0), vec![(60, on(2.0)), (0, off()), (61, off())], vec!["fired", "stale", "resolved"]),
    ];
    for (name, subject, story, expected) in table {
        assert_eq!(play(&subject, &story).0, expected, "{name}");
    }
}

#[test]
fn the_state_remembers_the_episode_and_its_worst_value() {
    let story = [(0, on(3.0)), (60, on(7.0)), (120, on(5.0)), (180, off())];
    let state = play(&subject(60_000, 0), &story).1.unwrap();
    assert_eq!((state.phase, state.version), (Phase::Resolved, 4));
    assert_eq!((state.since, state.fired_at, state.resolved_at), (T0, Some(T0.plus(60_000)), Some(T0.plus(180_000))));
    assert_eq!((state.peak, state.measured), (Some(7.0), Some(measured(0.0))));
    // The next episode starts afresh, and the version goes on.
    let story = [story.as_slice(), &[(240, on(2.0))]].concat();
    let state = play(&subject(60_000, 0), &story).1.unwrap();
    assert_eq!((state.phase, state.version, state.peak, state.fired_at), (Phase::Pending, 5, Some(2.0), None));
}

#[test]
fn a_verdict_means_what_the_rule_says_it_means() {
    let no_data = Verdict::NoData(NoDataWhy::NothingInWindow);
    let early = Verdict::NoData(NoDataWhy::TooEarly);
    let warming = Verdict::NoData(NoDataWhy::WarmingUp { seen_ms: 1, needed_ms: 2 });
    let blind = Verdict::Blind(Blindness::Live { shards: vec![0] });
    let broken = Verdict::Broken(RuleFault::UnknownTarget { target: "t".into() });
    let word = |signal: Signal| match signal {
        Signal::On { .. } => "on",
        Signal::Off { .. } => "off",
        Signal::Hold => "hold",
        Signal::Gone => "gone",
    };
    let rule = |no_data, error| -> Rule {
        FromJson::from_json(serde_json::json!({
            "id": "r", "name": "R", "severity": "info", "when": {"absence": {"of": {"series": "x"}, "over": {"ms": 1}}},
            "no_data": no_data, "error": error, "summary": "", "runbook": "", "owner": "",
        }))
        .unwrap()
    };
    for (policy, verdict, expected) in [
        ("ok", &no_data, "off"),
        ("alert", &no_data, "on"),
        ("keep", &no_data, "hold"),
        ("ok", &early, "off"),
        ("alert", &early, "hold"),
        ("keep", &early, "hold"),
        ("ok", &warming, "hold"),
        ("alert", &warming, "hold"),
        ("keep", &warming, "hold"),
        ("ok", &blind, "hold"),
        ("alert", &blind, "hold"),
        ("ok", &broken, "hold"),
        ("alert", &broken, "hold"),
        ("ok", &Verdict::Holds(measured(2.0)), "on"),
        ("alert", &Verdict::DoesNotHold(measured(0.0)), "off"),
    ] {
        assert_eq!(word(signal(&rule(policy, "alert"), verdict)), expected, "{policy} {verdict:?}");
    }
    for (policy, verdict, expected) in [
        ("alert", &broken, "on"),
        ("keep", &broken, "off"),
        ("alert", &blind, "hold"),
        ("keep", &blind, "off"),
        ("alert", &no_data, "off"),
        ("alert", &Verdict::Holds(measured(2.0)), "off"),
    ] {
        assert_eq!(word(rule_error_signal(&rule("ok", policy), [verdict])), expected, "{policy} {verdict:?}");
    }
}

#[test]
fn phases_survive_the_round_trip_and_the_stored_format_stays() {
    for phase in Phase::ALL {
        assert_eq!(Phase::from_str(phase.as_str()), Some(phase));
        assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
    }
    let state = play(&subject(0, 0), &[(0, on(2.5))]).1.unwrap();
    insta::assert_snapshot!(serde_json::to_string(&state).unwrap(), @r#"{"subject":{"id":"alr_1","rule":"r","name":"R","severity":"critical","labels":{},"for_ms":0,"keep_firing_for_ms":0,"summary":"","runbook":"","owner":""},"phase":"firing","version":1,"at":1772452800000,"since":1772452800000,"fired_at":1772452800000,"last_held_at":1772452800000,"resolved_at":null,"measured":{"value":2.5,"threshold":{"above":1.0},"unit":"plain","over_ms":60000},"peak":2.5,"detail":null,"told":[],"flaps":[1772452800000]}"#);
}

proptest! {
    /// Whatever the signals: people are told of a beginning and an end in turns, and the version never jumps.
    #[test]
    fn beginnings_and_ends_alternate(
        for_s in 0_i64..200,
        keep_s in 0_i64..200,
        signals in prop::collection::vec((1_i64..120, 0_u8..4), 1..60),
    ) {
        let subject = subject(for_s * SECOND_MS, keep_s * SECOND_MS);
        let (mut stored, mut now, mut told) = (None::<AlertState>, T0, Vec::new());
        for (after_s, kind) in signals {
            now = now.plus(after_s * SECOND_MS);
            let signal = match kind {
                0 => off(),
                1 => Signal::Hold,
                _ => on(2.0),
            };
            let done = step(stored.as_ref(), &subject, signal, now);
            if let Some(next) = done.next {
                prop_assert_eq!(next.version, stored.as_ref().map_or(1, |state| state.version + 1));
                if done.transition == Transition::Fired {
                    prop_assert!(now.since(next.since) >= subject.for_ms);
                }
                stored = Some(next);
            }
            told.extend(done.transition.notify());
        }
        for (at, reason) in told.iter().enumerate() {
            prop_assert_eq!(reason.is_end(), at % 2 == 1);
        }
        let firing = stored.is_some_and(|state| state.phase == Phase::Firing);
        prop_assert_eq!(firing, told.len() % 2 == 1);
    }
}

#[test]
fn a_firing_alert_ends_at_its_recovery_level_and_not_at_its_bound() {
    let at = |value: f64| Measured { recovery: Some(0.5), ..measured(value) };
    let signal = |value: f64| {
        if value > 1.0 { Signal::On { measured: Some(at(value)), detail: None } } else { Signal::Off { measured: Some(at(value)) } }
    };
    let values = [0.8, 2.0, 0.8, 0.51, 1.5, 0.5, 0.8];
    let signals: Vec<(i64, Signal)> = values.iter().zip(0..).map(|(value, minute)| (minute * 60, signal(*value))).collect();
    let (words, _) = play(&subject(0, 0), &signals);
    assert_eq!(words, ["quiet", "fired", "still_firing", "still_firing", "still_firing", "resolved", "quiet"]);
}

#[test]
fn alerts_of_one_rule_are_set_apart_by_the_values_of_its_labels() {
    let mut rule: Rule = FromJson::from_json(serde_json::json!({
        "id": "r", "name": "R", "severity": "info", "when": {"absence": {"of": {"series": "x"}, "over": {"ms": 60000}}},
        "no_data": "ok", "error": "keep", "summary": "s", "runbook": "/", "owner": "o", "by": ["route", "method"],
    }))
    .unwrap();
    let labels = |route: &str, method: &str| Labels::from([("route".into(), route.into()), ("method".into(), method.into())]);
    let (one, other) = (Subject::of_rule(&rule, &labels("/a", "GET")), Subject::of_rule(&rule, &labels("/a", "POST")));
    assert_ne!(one.id, other.id);
    assert_eq!((one.labels.get("route").unwrap().as_str(), one.labels.get("rule").unwrap().as_str()), ("/a", "r"));
    assert_eq!(one.instance_of(&rule), Some(labels("/a", "GET")));
    rule.by.pop();
    assert_eq!(one.instance_of(&rule), None, "an alert of the rule as it was is nobody's now");
}
