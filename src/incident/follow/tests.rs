//! What of an alert's changes is an incident's business.

use super::*;
use crate::alert::incident::tests::subject;
use crate::alert::respond::{Act, AlarmVerdict, respond};
use crate::alert::suppress::{SuppressedBy, Suppression};
use crate::record::read;
use crate::time::{HOUR_MS, MINUTE_MS};

const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn firing(severity: Severity, incident: OpensIncident) -> AlertState {
    let stored = serde_json::json!({
        "subject": crate::alert::incident::Subject { severity, incident, ..subject(0, 0) }, "phase": "firing", "version": 3, "at": NOON,
        "since": NOON, "fired_at": NOON, "last_held_at": NOON, "told": [],
    });
    read(stored.to_string().as_bytes()).unwrap()
}

fn change(next: AlertState) -> Change {
    Change::of(next)
}

#[test]
fn who_opens_an_incident() {
    use OpensIncident::{Always, Critical, Never};
    for (severity, policy, opens) in [
        (Severity::Critical, Critical, Some(true)),
        (Severity::Warning, Critical, Some(false)),
        (Severity::Info, Critical, Some(false)),
        (Severity::Critical, Always, Some(true)),
        (Severity::Info, Always, Some(true)),
        (Severity::Critical, Never, None),
        (Severity::Warning, Never, None),
    ] {
        let changes = [change(firing(severity, policy))];
        assert_eq!(follow(&changes).0.first().map(|seen| seen.opens), opens, "{severity:?} {policy:?}");
    }
}

#[test]
fn what_does_not_fire_is_no_incidents_business() {
    for phase in [Phase::Pending, Phase::Inactive] {
        let changes = [change(AlertState { phase, fired_at: None, ..firing(Severity::Critical, OpensIncident::Always) })];
        assert_eq!(follow(&changes), (vec![], vec![]));
    }
}

#[test]
fn an_act_is_told_once_with_its_words_and_an_end_with_who_ended_it() {
    let state = firing(Severity::Critical, OpensIncident::Critical);
    let later = NOON.plus(MINUTE_MS);
    let after = |act: &Act, note| change(respond(&state, act, "Thandi", note, later).unwrap().unwrap().0);
    let told = |change: Change| {
        let changes = [change];
        let (seen, done) = follow(&changes);
        let done: Vec<_> = done.iter().map(|done| (done.kind, done.actor.to_owned(), done.text.clone())).collect();
        (seen[0].ended.map(|(at, by)| (at, by.map(str::to_owned))), done)
    };
    let by = |kind, text: &str| vec![(kind, "Thandi".to_owned(), text.to_owned())];
    assert_eq!(told(after(&Act::Acknowledge, Some("a bad deploy"))), (None, by(EntryKind::Acknowledged, "a bad deploy")));
    let snooze = Act::Snooze { until: later.plus(HOUR_MS) };
    assert_eq!(told(after(&snooze, None)), (None, by(EntryKind::Acknowledged, "until 2026-03-02T13:01:00.000Z")));
    let resolved = told(after(&Act::Resolve { verdict: None }, None));
    assert_eq!(resolved, (Some((later, Some("Thandi".to_owned()))), vec![]));
    let judged = told(after(&Act::Resolve { verdict: Some(AlarmVerdict::FalseAlarm) }, None));
    assert_eq!(judged.1, by(EntryKind::Verdict, "false_alarm"));

    // A tick changes the state afterwards: whoever has it did not take it again.
    let taken = after(&Act::Acknowledge, None).next;
    assert_eq!(told(change(AlertState { at: later.plus(MINUTE_MS), version: 5, ..taken.clone() })), (None, vec![]));
    // And whoever had it did not end it.
    let ended = AlertState { phase: Phase::Resolved, resolved_at: Some(later.plus(HOUR_MS)), at: later.plus(HOUR_MS), ..taken };
    assert_eq!(told(change(ended)), (Some((later.plus(HOUR_MS), None)), vec![]));
}

#[test]
fn what_nobody_is_told_of_opens_nothing_and_may_join() {
    let why = Suppression { by: SuppressedBy::Maintenance, id: "sunday".into(), source: None };
    for policy in [OpensIncident::Always, OpensIncident::Critical] {
        let changes = [change(AlertState { withheld: Some(why.clone()), ..firing(Severity::Critical, policy) })];
        assert_eq!(follow(&changes).0.first().map(|seen| seen.opens), Some(false), "{policy:?}");
    }
}

#[test]
fn what_keeps_it_quiet_is_said() {
    let why = Suppression { by: SuppressedBy::Silence, id: "sil_1".into(), source: None };
    let changes = [Change { withheld: Some(why), ..change(firing(Severity::Critical, OpensIncident::Critical)) }];
    let (_, done) = follow(&changes);
    assert_eq!((done[0].kind, done[0].actor, done[0].text.as_str()), (EntryKind::Withheld, "", "silence sil_1"));
}
