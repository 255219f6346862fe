//! The auditor: alerts that fire while something that was owed to people did not happen. Pure.
//!
//! It looks after everything else of a tick and trusts none of it: an alert that fires, that nothing keeps quiet and that got no
//! message in this tick must have been told to somebody, and its next escalation must lie ahead. What it finds makes the tick
//! unclean, so the heartbeat and the check-in outside say it, and the health output names it. After a gap of ticks several steps of one
//! alert may be late at once; a tick takes one, so the auditor may speak for as many minutes as there are steps.

use super::escalate;
use super::incident::{AlertState, Phase};
use crate::config::alerting::Alerting;
use crate::time::{MINUTE_MS, UnixMs};

/// How late is overdue: what the outbox's audit calls so, too.
pub const OVERDUE_MS: i64 = 5 * MINUTE_MS;

/// Whether people should have heard of `state`, which nothing keeps quiet, more than five minutes before `now`, and did not.
pub fn is_overdue(state: &AlertState, alerting: &Alerting, now: UnixMs) -> bool {
    let Some(fired_at) = state.fired_at.filter(|_| state.phase == Phase::Firing) else { return false };
    let is_unheard = state.told.is_empty() && state.groups.is_empty() && state.muted.is_empty();
    let owed_since = if is_unheard {
        Some(state.told_at.unwrap_or(fired_at))
    } else if state.response.is_none() {
        escalate::due_at(state, alerting, now)
    } else {
        None
    };
    owed_since.is_some_and(|owed_since| now.since(owed_since) > OVERDUE_MS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::group::Membership;
    use super::super::incident::tests::subject;
    use super::super::incident::{Signal, step};
    use super::super::respond::Response;
    use super::*;
    use crate::record::FromJson;

    const T0: UnixMs = UnixMs(1_772_452_800_000);

    #[test]
    fn what_is_owed_and_did_not_happen_is_found() {
        let escalations = json!([{"id": "all", "steps": [{"after_ms": 600_000, "notify": ["slack"]}]}]);
        let alerting: Alerting =
            FromJson::from_json(json!({"channels": [], "routes": [], "rules": [], "escalations": escalations})).unwrap();
        let fired = step(None, &subject(0, 0), Signal::On { measured: None, detail: None }, T0).next.unwrap();
        let told = AlertState { told: vec!["slack".into()], told_at: Some(T0), ..fired.clone() };
        let grouped = Membership { channel: "slack".into(), group: "grp_1".into() };
        let table = [
            ("told nobody", fired.clone(), 6, true),
            ("told nobody, just now", fired.clone(), 5, false),
            ("nobody could be told", AlertState { told_at: Some(T0), ..fired.clone() }, 6, true),
            ("its routes are muted", AlertState { muted: vec!["slack".into()], ..fired.clone() }, 6, false),
            ("a group tells of it", AlertState { groups: vec![grouped], ..fired.clone() }, 6, false),
            ("told", told.clone(), 6, false),
            ("its escalation is late, not very", told.clone(), 15, false),
            ("its escalation is overdue", told.clone(), 16, true),
            ("it was taken", AlertState { escalated: 1, ..told.clone() }, 60, false),
            (
                "somebody has it",
                AlertState { response: Some(Response { by: "ann".into(), at: T0, until: None, note: None }), ..told.clone() },
                60,
                false,
            ),
            ("it is over", AlertState { phase: Phase::Resolved, ..fired }, 60, false),
        ];
        for (name, state, minutes, expected) in table {
            assert_eq!(is_overdue(&state, &alerting, T0.plus(minutes * MINUTE_MS)), expected, "{name}");
        }
    }
}
