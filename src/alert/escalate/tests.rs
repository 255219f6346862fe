//! Who is told next and who is on call, over hand-overs, stand-ins and a change of the clocks.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::alert::incident::tests::subject;
use crate::alert::incident::{Signal, step as alert_step};
use crate::record::FromJson;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// Monday 2026-03-02 09:00 in Johannesburg.
const MONDAY_NINE: UnixMs = UnixMs(1_772_434_800_000);

fn rotation(overrides: &serde_json::Value) -> Rotation {
    FromJson::from_json(json!({
        "id": "on-call", "zone": "Africa/Johannesburg", "handover": {"day": "mon", "at": "09:00"}, "starts": "2026-03-04",
        "members": ["thandi", "pieter", "aisha"], "overrides": overrides,
    }))
    .unwrap()
}

fn alerting(escalations: &serde_json::Value) -> Alerting {
    let rotation = serde_json::to_value(rotation(&json!([]))).unwrap();
    FromJson::from_json(json!({"channels": [], "routes": [], "rules": [], "rotations": [rotation], "escalations": escalations})).unwrap()
}

fn told(at: UnixMs, escalated: u32) -> AlertState {
    let state = alert_step(None, &subject(0, 0), Signal::On { measured: None, detail: None }, at).next.unwrap();
    AlertState { told_at: Some(at), escalated, ..state }
}

#[test]
fn members_take_turns_at_the_hand_over() {
    let rotation = rotation(&json!([]));
    for (days, ms, expected) in [
        (0, 0, "thandi"),
        (0, -1, "aisha"),
        (6, DAY_MS - 1, "thandi"),
        (7, 0, "pieter"),
        (14, 0, "aisha"),
        (21, 0, "thandi"),
        (-7, 0, "aisha"),
        (-21, 0, "thandi"),
    ] {
        assert_eq!(on_call(&rotation, MONDAY_NINE.plus(days * DAY_MS + ms)), Some(expected), "{days} days, {ms} ms");
    }
}

#[test]
fn the_hand_over_stays_at_its_clock_time_where_the_clock_changes() {
    let london = Rotation { zone: "Europe/London".into(), ..rotation(&json!([])) };
    // 2026-03-30, the Monday after the clocks went forward: 09:00 is 08:00 UTC.
    let hand_over = UnixMs(1_774_857_600_000);
    assert_eq!(on_call(&london, hand_over.plus(-1)), Some("thandi"));
    assert_eq!(on_call(&london, hand_over), Some("pieter"));
}

#[test]
fn who_stands_in_is_on_call_for_that_time() {
    let rotation = rotation(&json!([
        {"from": "2026-03-03 12:00", "until": "2026-03-03 18:00", "member": "aisha"},
        {"from": "2026-03-03 00:00", "until": "2026-03-04 00:00", "member": "pieter"},
    ]));
    for (hours, expected) in [(0, "thandi"), (15, "pieter"), (26, "pieter"), (27, "aisha"), (33, "pieter"), (39, "thandi")] {
        assert_eq!(on_call(&rotation, MONDAY_NINE.plus(hours * HOUR_MS)), Some(expected), "{hours} h");
    }
}

/// Who is told by a tick at `now`, as it finds out.
fn due<'a>(state: &AlertState, alerting: &'a Alerting, now: UnixMs) -> Option<Vec<&'a str>> {
    due_at(state, alerting, now).filter(|at| *at <= now).map(|_| next(state, alerting, now))
}

#[test]
fn steps_come_due_one_after_the_other_and_the_last_is_repeated() {
    let alerting = alerting(&json!([{"id": "p", "repeat_ms": 30 * MINUTE_MS, "steps": [
        {"notify": ["chat"]},
        {"after_ms": 10 * MINUTE_MS, "notify": ["on-call", "chat"]},
        {"after_ms": 20 * MINUTE_MS, "notify": ["owner"]},
    ]}]));
    let at = |escalated, minutes| due(&told(MONDAY_NINE, escalated), &alerting, MONDAY_NINE.plus(minutes * MINUTE_MS));
    assert_eq!(at_once(&told(MONDAY_NINE, 0), &alerting, MONDAY_NINE), (vec!["chat"], 1));
    for (escalated, minutes, expected) in [
        (1, 9, None),
        (1, 10, Some(vec!["thandi", "chat"])),
        (2, 10, None),
        (2, 20, Some(vec!["owner"])),
        (3, 49, None),
        (3, 50, Some(vec!["owner"])),
        (4, 79, None),
        (4, 80, Some(vec!["owner"])),
    ] {
        assert_eq!(at(escalated, minutes), expected, "{escalated} taken, {minutes} min");
    }
    let never_told = AlertState { told_at: None, ..told(MONDAY_NINE, 1) };
    assert_eq!(due(&never_told, &alerting, MONDAY_NINE.plus(DAY_MS)), None);
    assert_eq!(next(&told(MONDAY_NINE, 9), &alerting, MONDAY_NINE), ["owner"]);
}

#[test]
fn the_first_policy_that_fits_severity_and_hour_is_in_force() {
    let night = json!({"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "hours": {"from": "18:00", "to": "07:00"}, "zone": "Africa/Johannesburg"});
    let alerting = alerting(&json!([
        {"id": "other", "matchers": {"severity": "info"}, "steps": [{"notify": ["nobody"]}]},
        {"id": "night", "matchers": {"severity": "critical"}, "hours": night, "steps": [{"notify": ["phone"]}]},
        {"id": "day", "matchers": {"severity": "critical"}, "steps": [{"notify": ["chat"]}]},
    ]));
    let mut state = told(MONDAY_NINE, 0);
    state.subject.labels.insert("severity".into(), "critical".into());
    let first = |hours| at_once(&state, &alerting, MONDAY_NINE.plus(hours * HOUR_MS)).0;
    assert_eq!([first(0), first(8), first(9), first(21), first(22)], [["chat"], ["chat"], ["phone"], ["phone"], ["chat"]]);
}

proptest! {
    #[test]
    fn somebody_is_always_on_call_and_everybody_as_often(start in -40_000_i64..40_000) {
        let rotation = rotation(&json!([]));
        let mut weeks = Vec::new();
        for week in 0..3 {
            weeks.extend(on_call(&rotation, MONDAY_NINE.plus(start * HOUR_MS + week * 7 * DAY_MS)));
        }
        weeks.sort_unstable();
        prop_assert_eq!(weeks, ["aisha", "pieter", "thandi"]);
    }
}
