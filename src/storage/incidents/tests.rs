//! Which alerts join which incident, by the real SQL.

use super::*;
use crate::alert::incident::{AlertState, Phase};
use crate::config::alerting::OpensIncident;
use crate::outbox::enqueue::{Change, enqueue};
use crate::ports::Db as _;
use crate::record::read;
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::time::MINUTE_MS;

const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn at(minutes: i64) -> UnixMs {
    NOON.plus(minutes * MINUTE_MS)
}

/// The alert `id` of team ops after its change number `version`, firing since `episode`.
fn state(id: &str, severity: Severity, episode: UnixMs, version: i64) -> AlertState {
    let stored = serde_json::json!({
        "subject": {
            "id": id, "rule": format!("rule-{id}"), "name": format!("Name {id}"), "severity": severity, "labels": {"team": "ops"},
            "for_ms": 0, "keep_firing_for_ms": 0, "summary": "", "runbook": "", "owner": "ann",
        },
        "phase": "firing", "version": version, "at": episode, "since": episode, "fired_at": episode, "last_held_at": episode, "told": [],
    });
    read(stored.to_string().as_bytes()).unwrap()
}

fn ended(state: &AlertState, at: UnixMs) -> AlertState {
    AlertState { phase: Phase::Resolved, resolved_at: Some(at), at, version: state.version + 1, ..state.clone() }
}

fn apply(db: &Sqlite, states: &[AlertState], now: UnixMs) {
    let changes: Vec<Change> = states.iter().map(|next| Change::of(next.clone())).collect();
    let mut statements = enqueue(&changes, now);
    statements.extend(settle(now));
    now_or_never(db.batch(statements)).unwrap();
}

fn all(db: &Sqlite) -> Vec<Incident> {
    incidents(now_or_never(db.batch(vec![list(None, None, 100)])).unwrap().remove(0)).unwrap()
}

fn read_one(db: &Sqlite, id: &str) -> Whole {
    whole(now_or_never(db.batch(one(id).into())).unwrap()).unwrap().unwrap()
}

fn members(db: &Sqlite, id: &str) -> Vec<String> {
    read_one(db, id).1.into_iter().map(|member| member.alert).collect()
}

fn kinds(db: &Sqlite, id: &str) -> Vec<String> {
    let read = ["opened", "fired", "ended"];
    read_one(db, id).2.into_iter().map(|line| line.kind).filter(|kind| !read.contains(&kind.as_str())).collect()
}

fn by_person(db: &Sqlite, at: UnixMs) {
    let sql = "UPDATE incident SET state = 'resolved', resolved_at = ?1, version = version + 1 WHERE state = 'open'";
    now_or_never(db.batch(vec![Statement::new(sql, [Param::Int(at.0)])])).unwrap();
}

#[test]
fn alerts_of_one_key_in_one_batch_are_one_incident_and_the_worst_names_its_severity() {
    let db = Sqlite::new();
    let states =
        [state("a", Severity::Warning, at(0), 1), state("b", Severity::Critical, at(0), 1), state("c", Severity::Critical, at(0), 1)];
    apply(&db, &states, at(0));
    let found = all(&db);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].title.as_str(), found[0].key.as_str(), found[0].owner.as_str()), ("Name b", "team=ops", "ann"));
    assert_eq!((found[0].severity, found[0].state, found[0].opened_at), (Severity::Critical, IncidentState::Open, at(0)));
    assert_eq!(members(&db, &found[0].id), ["a", "b", "c"]);
}

#[test]
fn a_warning_opens_none_joins_what_is_open_and_one_that_fired_before_joins_at_its_next_change() {
    let db = Sqlite::new();
    let warning = state("w", Severity::Warning, at(0), 1);
    apply(&db, std::slice::from_ref(&warning), at(0));
    assert_eq!(all(&db), []);
    apply(&db, &[state("c", Severity::Critical, at(1), 1)], at(1));
    apply(&db, &[AlertState { version: 2, at: at(2), ..warning }], at(2));
    let found = all(&db);
    assert_eq!(members(&db, &found[0].id), ["w", "c"], "in the order they began");
    assert_eq!(read_one(&db, &found[0].id).1[0].episode, at(0));
}

#[test]
fn a_critical_alert_makes_a_mild_incident_critical_once() {
    let db = Sqlite::new();
    let mut mild = state("a", Severity::Warning, at(0), 1);
    mild.subject.incident = OpensIncident::Always;
    apply(&db, std::slice::from_ref(&mild), at(0));
    assert_eq!(all(&db)[0].severity, Severity::Warning);
    let bad = state("b", Severity::Critical, at(1), 1);
    apply(&db, std::slice::from_ref(&bad), at(1));
    let raised = all(&db).remove(0);
    assert_eq!((raised.severity, raised.version), (Severity::Critical, 2));
    apply(&db, &[AlertState { version: 2, at: at(2), ..bad }], at(2));
    assert_eq!(all(&db)[0].version, 2);
}

#[test]
fn a_lost_compare_and_swap_leaves_no_trace() {
    let db = Sqlite::new();
    apply(&db, &[state("a", Severity::Critical, at(0), 1)], at(0));
    by_person(&db, at(1));
    let before = (all(&db), read_one(&db, &all(&db)[0].id));
    // Another writer decided from the same state: its version is taken.
    apply(&db, &[state("a", Severity::Critical, at(30), 1)], at(30));
    assert_eq!((all(&db), read_one(&db, &all(&db)[0].id)), before);
}

#[test]
fn an_incident_ends_when_its_alerts_were_over_for_fifteen_minutes_and_says_when_they_were() {
    let db = Sqlite::new();
    let (a, b) = (state("a", Severity::Critical, at(0), 1), state("b", Severity::Warning, at(1), 1));
    apply(&db, std::slice::from_ref(&a), at(0));
    apply(&db, std::slice::from_ref(&b), at(1));
    apply(&db, &[ended(&a, at(5))], at(5));
    apply(&db, &[], at(60));
    assert_eq!(all(&db)[0].state, IncidentState::Open, "one alert fires on");
    apply(&db, &[ended(&b, at(61))], at(61));
    apply(&db, &[], at(75));
    assert_eq!(all(&db)[0].state, IncidentState::Open);
    apply(&db, &[], at(76));
    let over = all(&db).remove(0);
    assert_eq!((over.state, over.resolved_at), (IncidentState::Resolved, Some(at(61))));
    assert_eq!(kinds(&db, &over.id), ["resolved"]);
    apply(&db, &[], at(77));
    assert_eq!(all(&db)[0].version, over.version, "once");
}

#[test]
fn a_relapse_while_it_settles_joins_and_a_later_one_is_another_incident() {
    let db = Sqlite::new();
    let first = state("a", Severity::Critical, at(0), 1);
    apply(&db, std::slice::from_ref(&first), at(0));
    apply(&db, &[ended(&first, at(5))], at(5));
    // At the very tick that would end it.
    let again = state("a", Severity::Critical, at(20), 3);
    apply(&db, std::slice::from_ref(&again), at(20));
    assert_eq!((all(&db).len(), all(&db)[0].state), (1, IncidentState::Open));
    apply(&db, &[ended(&again, at(25))], at(25));
    apply(&db, &[], at(40));
    apply(&db, &[state("a", Severity::Critical, at(41), 5)], at(41));
    let found = all(&db);
    assert_eq!(
        found.iter().map(|incident| (incident.state, incident.opened_at)).collect::<Vec<_>>(),
        [(IncidentState::Open, at(41)), (IncidentState::Resolved, at(0))]
    );
}

#[test]
fn what_a_person_resolved_stays_so_while_its_alert_fires_on_and_a_relapse_within_the_time_opens_it_again() {
    let db = Sqlite::new();
    let first = state("a", Severity::Critical, at(0), 1);
    apply(&db, std::slice::from_ref(&first), at(0));
    by_person(&db, at(5));
    apply(&db, &[AlertState { version: 2, at: at(6), ..first.clone() }], at(6));
    assert_eq!((all(&db).len(), all(&db)[0].state), (1, IncidentState::Resolved), "the same episode is what was resolved");
    apply(&db, &[ended(&AlertState { version: 2, ..first }, at(8))], at(8));
    apply(&db, &[state("a", Severity::Critical, at(10), 4), state("b", Severity::Critical, at(10), 1)], at(10));
    let again = all(&db);
    assert_eq!((again.len(), again[0].state, again[0].resolved_at), (1, IncidentState::Open, None));
    assert_eq!(members(&db, &again[0].id), ["a", "a", "b"]);
    by_person(&db, at(12));
    apply(&db, &[], at(13));
    assert_eq!(all(&db)[0].state, IncidentState::Resolved, "the old relapse does not open it a second time");
    apply(&db, &[state("c", Severity::Critical, at(27), 1)], at(27));
    assert_eq!(all(&db).len(), 2, "fifteen minutes later it is news");
}

#[test]
fn a_warning_opens_again_only_what_it_was_in() {
    for (was_in, open) in [(true, 1), (false, 0)] {
        let db = Sqlite::new();
        let mut states = vec![state("a", Severity::Critical, at(0), 1)];
        states.extend(was_in.then(|| state("w", Severity::Warning, at(0), 1)));
        apply(&db, &states, at(0));
        by_person(&db, at(5));
        apply(&db, &[state("w", Severity::Warning, at(8), if was_in { 2 } else { 1 })], at(8));
        assert_eq!(all(&db).iter().filter(|incident| incident.state == IncidentState::Open).count(), open);
    }
}

#[test]
fn an_alert_that_fired_all_along_is_no_relapse() {
    let db = Sqlite::new();
    let mut apart = state("b", Severity::Critical, at(1), 1);
    apart.subject.incident = OpensIncident::Never;
    apply(&db, &[state("a", Severity::Critical, at(0), 1), apart.clone()], at(1));
    by_person(&db, at(5));
    // Its rule opens incidents from now on.
    apart.subject.incident = OpensIncident::Critical;
    apply(&db, &[AlertState { version: 2, at: at(6), ..apart }], at(6));
    let found = all(&db);
    assert_eq!(found.iter().map(|incident| incident.state).collect::<Vec<_>>(), [IncidentState::Open, IncidentState::Resolved]);
    assert_eq!(found[0].opened_at, at(1), "it began when the alert did");
}

#[test]
fn a_detection_opens_one_or_adds_to_it_and_only_a_person_ends_it() {
    let db = Sqlite::new();
    let opening = |source: &str, minutes| Opening {
        key: "team=ops".into(),
        title: "Credential stuffing".into(),
        severity: Severity::Warning,
        owner: "security".into(),
        source: source.into(),
        text: "400 failed logins".into(),
        at: at(minutes),
    };
    let opened = |opening: &Opening| incidents(now_or_never(db.batch(open(opening).into())).unwrap().pop().unwrap()).unwrap().remove(0);
    let first = opened(&opening("login", 0));
    assert_eq!((first.id.clone(), first.title.as_str()), (opening("login", 0).id(), "Credential stuffing"));
    assert_eq!(opened(&opening("login", 0)), first, "written again, it is the same");
    assert_eq!(opened(&opening("login", 3)).id, first.id);
    assert_eq!(kinds(&db, &first.id), ["detected"], "sent again a little later, it is the same request");
    assert_eq!(opened(&opening("login", 13)).id, first.id);
    assert_eq!(kinds(&db, &first.id), ["detected", "detected"]);
    // Two sources in one millisecond, and one of them knows that it is worse.
    let worse = Opening { severity: Severity::Critical, ..opening("waf", 13) };
    assert_eq!(opened(&worse).severity, Severity::Critical);
    assert_eq!(opened(&opening("waf", 30)).severity, Severity::Critical, "and what comes after does not take it back");
    assert_eq!(kinds(&db, &first.id).len(), 4);
    let alert = state("a", Severity::Critical, at(4), 1);
    apply(&db, std::slice::from_ref(&alert), at(4));
    apply(&db, &[ended(&alert, at(5))], at(5));
    apply(&db, &[], at(60));
    assert_eq!((all(&db).len(), all(&db)[0].state), (1, IncidentState::Open));
}

#[test]
fn old_ones_go_with_what_belongs_to_them_a_piece_at_a_time_and_open_ones_stay() {
    let db = Sqlite::new();
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        let minute = i64::try_from(n).unwrap() * 60;
        let alert = state(name, Severity::Critical, at(minute), 1);
        apply(&db, std::slice::from_ref(&alert), at(minute));
        if name != "c" {
            apply(&db, &[ended(&alert, at(minute + 1))], at(minute + 1));
            apply(&db, &[], at(minute + 16));
        }
    }
    let left = |rows| {
        now_or_never(db.batch(expire(at(600), rows).into())).unwrap();
        let count = |sql| now_or_never(db.batch(vec![Statement::new(sql, [])])).unwrap()[0].rows[0]["n"].as_i64().unwrap();
        (all(&db).len(), count("SELECT count(*) AS n FROM incident_alert"), count("SELECT count(*) AS n FROM incident_entry"))
    };
    assert_eq!(left(1), (2, 2, 1));
    assert_eq!(left(10), (1, 1, 0));
}
