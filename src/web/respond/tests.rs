//! Alerts that are listed, taken and resolved by API.

use super::*;
use crate::alert::incident::tests::subject;
use crate::alert::incident::{Signal, step};
use crate::config::site::Environment;
use crate::embedded;
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::web::auth::Role;

const NOW: UnixMs = UnixMs(1_772_409_600_000);

fn thandi() -> Principal {
    Principal { id: "tok_1".into(), name: "Thandi".into(), role: Role::Operator }
}

fn config() -> Config {
    Config::from_text(embedded::config_json(Environment::Dev)).unwrap()
}

/// A database in which the one alert fires, and its id.
fn firing() -> (Sqlite, String) {
    let db = Sqlite::new();
    let state = step(None, &subject(0, 0), Signal::On { measured: None, detail: None }, NOW).next.unwrap();
    let config = config();
    let (change, _) = told(state, crate::alert::notification::NotifyReason::First, (&config, &Addresses::default()), NOW);
    let id = change.next.subject.id.clone();
    now_or_never(db.batch(enqueue(&[change], NOW))).unwrap();
    (db, id)
}

/// The alert as `by` has it.
pub(in crate::web) fn taken_by(by: &str) -> Shown {
    let (db, id) = firing();
    let by = Principal { name: by.into(), ..thandi() };
    let (config, addresses) = (config(), Addresses::default());
    now_or_never(act(&db, &id, (&Act::Acknowledge, None), &by, (&config, &addresses), NOW)).unwrap()
}

fn sent(db: &Sqlite, id: &str, verb: Verb, body: &str) -> Result<Shown, Problem> {
    let (act_asked, note) = asked(verb, body.as_bytes(), NOW)?;
    let (config, addresses) = (config(), Addresses::default());
    now_or_never(act(db, id, (&act_asked, note.as_deref()), &thandi(), (&config, &addresses), NOW.plus(MINUTE_MS)))
}

#[test]
fn an_alert_is_listed_taken_and_resolved() {
    let (db, id) = firing();
    let listed = now_or_never(list(&db, NOW)).unwrap().alerts;
    assert_eq!(listed.iter().map(|alert| (alert.id.as_str(), alert.phase)).collect::<Vec<_>>(), [(id.as_str(), Phase::Firing)]);
    let taken = sent(&db, &id, Verb::Acknowledge, r#"{"note": " looking at the pool "}"#).unwrap();
    let response = taken.response.clone().unwrap();
    assert_eq!((response.by.as_str(), response.note.as_deref()), ("Thandi", Some("looking at the pool")));
    assert_eq!(sent(&db, &id, Verb::Acknowledge, "").unwrap(), taken, "a second time is no mistake");
    let over = sent(&db, &id, Verb::Resolve, r#"{"verdict": "false_alarm"}"#).unwrap();
    assert_eq!((over.phase, over.verdict), (Phase::Resolved, Some(AlarmVerdict::FalseAlarm)));
    assert_eq!(now_or_never(show(&db, &id)).unwrap(), over);
    assert_eq!(sent(&db, &id, Verb::Escalate, "").unwrap_err().status, 409);
    assert_eq!(now_or_never(list(&db, NOW.plus(SHOWN_AFTER_MS + MINUTE_MS))).unwrap().alerts, []);
}

#[test]
fn what_cannot_be_done_says_why() {
    let (db, id) = firing();
    let said = |verb, body: &str| {
        let problem = sent(&db, &id, verb, body).unwrap_err();
        (problem.status, problem.errors.first().map(|error| error.pointer.clone()))
    };
    assert_eq!(said(Verb::Snooze, ""), (422, Some("/duration_s".into())));
    assert_eq!(said(Verb::Snooze, r#"{"duration_s": 60}"#), (422, Some("/duration_s".into())));
    assert_eq!(said(Verb::Acknowledge, r#"{"duration_s": 600}"#), (422, Some("/duration_s".into())));
    assert_eq!(said(Verb::Acknowledge, r#"{"verdict": "expected"}"#), (422, Some("/verdict".into())));
    assert_eq!(said(Verb::Resolve, r#"{"verdict": "perhaps"}"#), (400, None));
    assert_eq!(said(Verb::Resolve, &format!("{{\"note\": \"{}\"}}", "x".repeat(501))), (422, Some("/note".into())));
    assert_eq!(sent(&db, "alr_none", Verb::Acknowledge, "").unwrap_err().status, 404);
    assert_eq!(now_or_never(show(&db, &id)).unwrap().response, None, "nothing was done");
}
