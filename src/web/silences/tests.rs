//! Silences that are made, listed and ended by API.

use super::*;
use crate::storage::sqlite::{Failure, Sqlite, now_or_never};
use crate::time::HOUR_MS;
use crate::web::auth::Role;

const NOW: UnixMs = UnixMs(1_772_366_400_000); // 2026-03-01T12:00:00Z

fn ann() -> Principal {
    Principal { id: "tok_ann".into(), name: "ann".into(), role: Role::Operator }
}

fn make(db: &Sqlite, body: &str) -> Result<Shown, Problem> {
    now_or_never(create(db, body.as_bytes(), &ann(), NOW))
}

#[test]
fn every_state_reads_back() {
    for state in SilenceState::ALL {
        assert_eq!(SilenceState::from_str(state.as_str()), Some(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

#[test]
fn a_silence_is_made_listed_and_ended_once() {
    let db = Sqlite::new();
    let made = make(
        &db,
        r#"{"matchers": ["rule=origin-down", {"name": "team", "value": "a|b", "isRegex": true}],
        "reason": " upgrade ", "ends_at": "2026-03-01T16:00:00+02:00"}"#,
    )
    .unwrap();
    assert_eq!((made.state, made.reason.as_str(), made.author.as_str()), (SilenceState::Active, "upgrade", "ann"));
    assert_eq!(made.matchers, ["rule=\"origin-down\"", "team=~\"a|b\""]);
    assert_eq!((made.starts_at.clone(), made.ends_at.clone()), (NOW.rfc3339(), NOW.plus(2 * HOUR_MS).rfc3339()));
    let later =
        make(&db, r#"{"matchers": ["rule=x"], "reason": "r", "author": "bob", "starts_at": "2026-03-02T12:00:00Z", "duration_s": 60}"#);
    assert_eq!(later.unwrap().state, SilenceState::Pending);
    assert_eq!(now_or_never(list(&db, NOW)).unwrap().silences.len(), 2);

    let ended = now_or_never(end(&db, &made.id, NOW.plus(5_000))).unwrap();
    assert_eq!((ended.state, ended.ends_at.clone()), (SilenceState::Expired, NOW.plus(5_000).rfc3339()));
    let again = now_or_never(end(&db, &made.id, NOW.plus(9_000))).unwrap();
    assert_eq!(again.ends_at, ended.ends_at, "the first end stands");
    assert_eq!(now_or_never(end(&db, "sil_none", NOW)).unwrap_err().status, 404);
    // Ended ones are listed for five days.
    assert_eq!(now_or_never(list(&db, NOW.plus(4 * DAY_MS))).unwrap().silences.len(), 2);
    assert_eq!(now_or_never(list(&db, NOW.plus(7 * DAY_MS))).unwrap().silences.len(), 0);
}

#[test]
fn a_silence_that_makes_no_sense_lists_all_that_is_wrong() {
    let db = Sqlite::new();
    for (body, pointers) in [
        (r#"{"matchers": [], "reason": "", "author": " "}"#, vec!["/matchers", "/reason", "/author", "/ends_at"]),
        (r#"{"matchers": ["rule=~[a]", "x"], "reason": "r", "duration_s": 60}"#, vec!["/matchers/0", "/matchers/1"]),
        (r#"{"matchers": ["rule!=a"], "reason": "r", "duration_s": 60}"#, vec!["/matchers"]),
        (r#"{"matchers": ["rule=*"], "reason": "r", "duration_s": 60}"#, vec!["/matchers"]),
        (r#"{"matchers": ["rule=a"], "reason": "r"}"#, vec!["/ends_at"]),
        (r#"{"matchers": ["rule=a"], "reason": "r", "duration_s": 0}"#, vec!["/ends_at"]),
        (r#"{"matchers": ["rule=a"], "reason": "r", "ends_at": "2026-02-01T00:00:00Z"}"#, vec!["/ends_at"]),
        (r#"{"matchers": ["rule=a"], "reason": "r", "ends_at": "tomorrow"}"#, vec!["/ends_at"]),
        (r#"{"matchers": ["rule=a"], "reason": "r", "duration_s": 9999999999}"#, vec!["/ends_at"]),
    ] {
        let problem = make(&db, body).unwrap_err();
        let found: Vec<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!((problem.status, found), (422, pointers), "{body}");
    }
    for body in ["", "[]", r#"{"matchers": ["rule=a"], "reason": "r", "until": "x"}"#, r#"{"matchers": "rule=a", "reason": "r"}"#] {
        assert_eq!(make(&db, body).unwrap_err().status, 400, "{body}");
    }
    db.fail_next(Failure::Refuse);
    assert_eq!(make(&db, r#"{"matchers": ["rule=a"], "reason": "r", "duration_s": 60}"#).unwrap_err().status, 503);
}
