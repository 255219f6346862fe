//! Incidents as they are opened, edited and shown.

use super::*;
use crate::incident::Opening;
use crate::storage::sqlite::{Failure, Sqlite, now_or_never};
use crate::time::MINUTE_MS;
use crate::web::auth::Role;

const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn thandi() -> Principal {
    Principal { id: "tok_1".into(), name: "Thandi".into(), role: Role::Operator }
}

fn opened(db: &Sqlite, key: &str, minute: i64) -> String {
    let opening = Opening {
        key: key.into(),
        title: format!("Title {key}"),
        severity: Severity::Warning,
        owner: "ann".into(),
        source: "login".into(),
        text: "400 failed logins".into(),
        at: NOON.plus(minute * MINUTE_MS),
    };
    now_or_never(db.batch(incidents::open(&opening).into())).unwrap();
    opening.id()
}

fn sent(db: &Sqlite, id: &str, verb: Verb, body: &str, minute: i64) -> Result<Detailed, Problem> {
    let config: Config = record::read(include_bytes!("../../../tests/support/minimal-config.json")).unwrap();
    let told_by = (&config, &Addresses::default());
    now_or_never(edit(db, id, &asked(verb, body.as_bytes())?, &thandi(), told_by, NOON.plus(minute * MINUTE_MS)))
}

fn lines(detailed: &Detailed) -> Vec<String> {
    detailed.timeline.iter().skip(1).map(|line| format!("{} {} {}", line.kind, line.actor, line.text).trim_end().to_owned()).collect()
}

#[test]
fn verbs_survive_the_round_trip() {
    for verb in Verb::ALL {
        assert_eq!(Verb::from_str(verb.as_str()), Some(verb));
    }
}

#[test]
fn an_incident_is_noted_handed_over_judged_and_resolved_and_the_timeline_says_who() {
    let db = Sqlite::new();
    let id = opened(&db, "a", 0);
    sent(&db, &id, Verb::Note, r#"{"text": " one address, all accounts "}"#, 1).unwrap();
    sent(&db, &id, Verb::Owner, r#"{"owner": "sipho"}"#, 2).unwrap();
    sent(&db, &id, Verb::Severity, r#"{"severity": "critical"}"#, 3).unwrap();
    let resolve = r#"{"text": "blocked", "verdict": "true_alarm"}"#;
    let over = sent(&db, &id, Verb::Resolve, resolve, 4).unwrap();
    let Shown { state, severity, verdict, ref owner, ref resolved_at, .. } = over.incident;
    assert_eq!((state, severity, owner.as_str()), (IncidentState::Resolved, Severity::Critical, "sipho"));
    assert_eq!((resolved_at.as_deref(), verdict), (Some("2026-03-02T12:04:00.000Z"), Some(AlarmVerdict::TrueAlarm)));
    let told = [
        "detected login 400 failed logins",
        "note Thandi one address, all accounts",
        "owner Thandi sipho",
        "severity Thandi critical",
        "note Thandi blocked",
        "resolved Thandi",
        "verdict Thandi true_alarm",
    ];
    assert_eq!(lines(&over), told);
    assert_eq!((over.timeline[0].kind.as_str(), over.timeline[0].actor.as_str()), ("opened", "parapet"));
    // Again, it is so already.
    sent(&db, &id, Verb::Owner, r#"{"owner": "sipho"}"#, 5).unwrap();
    sent(&db, &id, Verb::Severity, r#"{"severity": "critical"}"#, 5).unwrap();
    assert_eq!(sent(&db, &id, Verb::Resolve, resolve, 5).unwrap(), over);
}

#[test]
fn the_same_note_sent_again_is_one_and_one_can_be_written_when_it_is_over() {
    let db = Sqlite::new();
    let id = opened(&db, "a", 0);
    let note = r#"{"text": "still looking"}"#;
    db.fail_next(Failure::LoseAnswer);
    assert_eq!(sent(&db, &id, Verb::Note, note, 1).unwrap_err().status, 503, "the reading is lost: nothing was written");
    for (minute, notes) in [(1, 1), (1, 1), (10, 1), (12, 2)] {
        let told = lines(&sent(&db, &id, Verb::Note, note, minute).unwrap());
        assert_eq!(told.iter().filter(|line| line.starts_with("note")).count(), notes, "minute {minute}");
    }
    let two = sent(&db, &id, Verb::Note, r#"{"text": "and another"}"#, 12).unwrap();
    assert_eq!(lines(&two).len(), 4, "two notes of one millisecond are two");
    sent(&db, &id, Verb::Resolve, "", 13).unwrap();
    let noted = sent(&db, &id, Verb::Note, r#"{"text": "the cause was a cron job"}"#, 60).unwrap();
    assert_eq!(lines(&noted).last().unwrap(), "note Thandi the cause was a cron job");
}

#[test]
fn an_incident_that_ended_by_itself_is_judged_the_next_day_and_judged_anew() {
    let db = Sqlite::new();
    let id = opened(&db, "a", 0);
    sent(&db, &id, Verb::Resolve, "", 4).unwrap();
    for verdict in ["expected", "false_alarm"] {
        let judged = sent(&db, &id, Verb::Resolve, &format!(r#"{{"verdict": "{verdict}"}}"#), 1_500).unwrap();
        assert_eq!(judged.incident.verdict.unwrap().as_str(), verdict);
        assert_eq!(judged.incident.resolved_at.as_deref(), Some("2026-03-02T12:04:00.000Z"), "when it ended does not change");
    }
}

#[test]
fn the_same_cause_twice_is_one_incident_until_it_is_over() {
    let db = Sqlite::new();
    let ask = |reason: &str, minute: i64| {
        let body = format!(r#"{{"title": "Credential stuffing", "severity": "warning", "reason": "{reason}", "dedup_key": "login"}}"#);
        now_or_never(open(&db, body.as_bytes(), &thandi(), NOON.plus(minute * MINUTE_MS)))
    };
    let (status, first) = ask("400 failures", 0).unwrap();
    assert_eq!((status, first.title.as_str(), first.owner.as_str(), first.key.as_str()), (201, "Credential stuffing", "Thandi", "login"));
    db.fail_next(Failure::LoseAnswer);
    assert_eq!(ask("900 failures", 1).unwrap_err().status, 503);
    assert_eq!(ask("900 failures", 2).unwrap(), (200, first.clone()));
    let told = lines(&now_or_never(show(&db, &first.id)).unwrap());
    assert_eq!(told, ["detected Thandi 400 failures", "detected Thandi 900 failures"]);
    sent(&db, &first.id, Verb::Resolve, "", 3).unwrap();
    let (status, second) = ask("20 failures", 5).unwrap();
    assert!(status == 201 && second.id != first.id);
}

#[test]
fn a_list_is_read_page_by_page_the_newest_first() {
    let db = Sqlite::new();
    // Two begin at the same moment.
    let ids: Vec<String> = [("a", 0), ("b", 5), ("c", 5), ("d", 9)].map(|(key, minute)| opened(&db, key, minute)).into();
    sent(&db, &ids[3], Verb::Resolve, "", 10).unwrap();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = now_or_never(list(&db, &format!("limit=1{after}"))).unwrap();
        seen.extend(page.incidents.into_iter().map(|incident| incident.id));
        let Some(next) = page.next else { break };
        after = format!("&after={next}");
    }
    assert_eq!((seen.len(), &seen[0], &seen[3]), (4, &ids[3], &ids[0]));
    assert!(seen.contains(&ids[1]) && seen.contains(&ids[2]));
    let of = |query: &str| now_or_never(list(&db, query)).unwrap().incidents.len();
    assert_eq!((of("state=open"), of("state=resolved"), of("")), (3, 1, 4));
}

#[test]
fn mistakes_are_said() {
    let db = Sqlite::new();
    let id = opened(&db, "a", 0);
    let status = |verb, body: &str| sent(&db, &id, verb, body, 1).unwrap_err().status;
    for (verb, body, expected) in [
        (Verb::Note, "", 422),
        (Verb::Note, r#"{"text": "  "}"#, 422),
        (Verb::Note, r#"{"text": "x", "owner": "y"}"#, 422),
        (Verb::Resolve, r#"{"text": ""}"#, 422),
        (Verb::Resolve, r#"{"verdict": "maybe"}"#, 400),
        (Verb::Note, r#"{"text": "x", "verdict": "expected"}"#, 422),
        (Verb::Owner, "{}", 422),
        (Verb::Severity, "{}", 422),
        (Verb::Severity, r#"{"severity": "bad"}"#, 400),
        (Verb::Severity, r#"{"severity": "info", "text": "x"}"#, 422),
        (Verb::Note, "{", 400),
        (Verb::StatusUpdate, r#"{"text": "We are looking."}"#, 422),
        (Verb::StatusUpdate, r#"{"status": "monitoring"}"#, 422),
        (Verb::StatusUpdate, r#"{"status": "monitoring", "text": "nobody would read it"}"#, 409),
    ] {
        assert_eq!(status(verb, body), expected, "{verb:?} {body}");
    }
    assert_eq!(status(Verb::Note, &format!(r#"{{"text": "{}"}}"#, "x".repeat(4_001))), 422);
    assert_eq!(sent(&db, "inc_none", Verb::Note, r#"{"text": "x"}"#, 1).unwrap_err().status, 404);
    assert_eq!(now_or_never(show(&db, "inc_none")).unwrap_err().status, 404);
    let whole = serde_json::json!({"title": "t", "severity": "info", "reason": "r", "dedup_key": "k"});
    for member in ["title", "severity", "reason", "dedup_key"] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(member);
        let problem = now_or_never(open(&db, body.to_string().as_bytes(), &thandi(), NOON)).unwrap_err();
        assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, format!("/{member}").as_str()));
    }
    for query in ["state=pending", "limit=0", "limit=201", "limit=x", "page=2"] {
        assert_eq!(now_or_never(list(&db, query)).unwrap_err().status, 400, "{query}");
    }
    db.fail_next(Failure::Refuse);
    assert_eq!(now_or_never(list(&db, "")).unwrap_err().status, 503);
    assert_eq!(lines(&now_or_never(show(&db, &id)).unwrap()).len(), 1, "no mistake left an entry");
}
