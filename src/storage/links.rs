//! The table `used_link`.
//!
//! Invariant: a link acts once. The row is written in the batch of the act and only if the act was applied; a second row of the same
//! link is refused, and with it everything else of its batch.

use super::{Param, Statement, StatementResult, body_and_digest};
use crate::alert::incident::AlertState;
use crate::alert::link::Link;
use crate::ports::DbError;
use crate::record::record;
use crate::time::UnixMs;

/// Notes at `now` that the link with this `hash` was used by `by` for the changes to all of `states`: the batch fails if it was before.
pub fn spend(hash: &str, link: &Link, by: &str, states: &[&AlertState], now: UnixMs) -> Statement {
    let rows: Vec<_> = states.iter().map(|state| (&state.subject.id, state.version, body_and_digest(state).1)).collect();
    Statement::new(
        "INSERT INTO used_link (hash, used_by, used_at, expires_at) SELECT ?1, ?2, ?3, ?4
         WHERE NOT EXISTS (SELECT 1 FROM json_each(?5) j WHERE NOT EXISTS (
           SELECT 1 FROM alerts a WHERE a.id = json_extract(j.value, '$[0]') AND a.version = json_extract(j.value, '$[1]')
             AND a.digest = json_extract(j.value, '$[2]')))",
        [
            hash.into(),
            by.into(),
            Param::Int(now.0),
            Param::Int(link.expires_at.0),
            Param::Text(serde_json::to_string(&rows).unwrap_or_default()),
        ],
    )
}

/// Reads who used the link with this hash.
pub fn used(hash: &str) -> Statement {
    Statement::new("SELECT used_by, used_at FROM used_link WHERE hash = ?1", [hash.into()])
}

/// Who used a link, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Whose link it was.
    pub by: String,
    /// When.
    pub used_at: UnixMs,
}

record!(Use { by as "used_by", used_at, .. });

/// What [`used`] found.
pub fn found(result: StatementResult) -> Result<Option<Use>, DbError> {
    Ok(result.decode("used_link")?.into_iter().next())
}

/// Drops at most `rows` of those that are refused anyway at `now`.
pub fn expire(now: UnixMs, rows: u32) -> Statement {
    Statement::new(
        "DELETE FROM used_link WHERE hash IN (SELECT hash FROM used_link WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        [Param::Int(now.0), Param::Int(i64::from(rows))],
    )
}

#[cfg(test)]
mod tests {
    use super::super::alerts;
    use super::*;
    use crate::alert::incident::tests::subject;
    use crate::alert::incident::{Signal, step};
    use crate::alert::link::LinkAct;
    use crate::ports::Db;
    use crate::storage::sqlite::{Sqlite, now_or_never};

    const NOW: UnixMs = UnixMs(1_000);

    fn uses(db: &Sqlite, hash: &str) -> Option<Use> {
        found(now_or_never(db.batch(vec![used(hash)])).unwrap().remove(0)).unwrap()
    }

    #[test]
    fn a_link_is_spent_with_the_change_it_made_and_once_and_forgotten_when_it_is_refused_anyway() {
        let db = Sqlite::new();
        let state = step(None, &subject(0, 0), Signal::On { measured: None, detail: None }, NOW).next.unwrap();
        let other = AlertState { version: 2, ..state.clone() };
        now_or_never(db.batch(alerts::swap(&[&state]))).unwrap();
        let link = |expires_at: i64| Link {
            alert: state.subject.id.clone(),
            act: LinkAct::Snooze,
            expires_at: UnixMs(expires_at),
            channel: "email".into(),
        };
        now_or_never(db.batch(vec![spend("h1", &link(2_000), "ann", &[&other, &state], NOW)])).unwrap();
        assert_eq!(uses(&db, "h1"), None, "another change was made");
        for (hash, expires_at) in [("h1", 2_000), ("h2", 3_000), ("h3", 2_500)] {
            now_or_never(db.batch(vec![spend(hash, &link(expires_at), "ann", &[&state], NOW)])).unwrap();
        }
        assert_eq!(uses(&db, "h1"), Some(Use { by: "ann".into(), used_at: NOW }));
        let again = [alerts::swap(&[&other]), vec![spend("h1", &link(2_000), "ben", &[&other], NOW)]].concat();
        assert!(now_or_never(db.batch(again)).is_err());
        let stored = alerts::states(now_or_never(db.batch(vec![alerts::all()])).unwrap().remove(0)).unwrap();
        assert_eq!(stored, std::slice::from_ref(&state), "what it would have done is not done");
        now_or_never(db.batch(vec![expire(UnixMs(2_600), 1)])).unwrap();
        assert_eq!(["h1", "h2", "h3"].map(|hash| uses(&db, hash).is_some()), [false, true, true]);
        now_or_never(db.batch(vec![expire(UnixMs(2_600), 10)])).unwrap();
        assert_eq!(["h1", "h2", "h3"].map(|hash| uses(&db, hash).is_some()), [false, true, false]);
    }
}
