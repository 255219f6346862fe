//! The tables `silence` and `withheld`.
//!
//! Invariants: a silence is never deleted while it can be asked about, only ended; what a silence kept quiet is one row for
//! each episode of an alert, written in the batch of the alert's change and only if that change was applied.

use super::{Param, Statement, StatementResult, body_and_digest};
use crate::alert::incident::AlertState;
use crate::alert::matcher::Matcher;
use crate::alert::suppress::Suppression;
use crate::ports::DbError;
use crate::record::{self, record};
use crate::time::UnixMs;

/// Most silences in force that are looked at; one more is not in force. The one that ends last comes first.
pub const MAX_IN_FORCE: i64 = 500;
/// Rows of one JSON parameter.
const ROWS_PER_STATEMENT: usize = 200;

/// A stored silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// `sil_…`.
    pub id: String,
    /// Which alerts: all of these match. Never empty.
    pub matchers: Vec<Matcher>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub author: String,
    /// The principal that made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: UnixMs,
    /// Its first moment.
    pub starts_at: UnixMs,
    /// The first moment after it.
    pub ends_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
    /// Episodes of alerts it kept quiet: what people would have been told.
    pub withheld: u64,
}

impl Silence {
    /// Whether it is in force at `now`.
    pub fn holds_at(&self, now: UnixMs) -> bool {
        self.starts_at <= now && now < self.ends_at
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.matchers, s.reason, s.author, s.created_by, s.created_at, s.starts_at, s.ends_at, s.updated_at,
                    (SELECT count(*) FROM withheld w WHERE w.suppressor = s.id) AS withheld
             FROM silence s ",
            $rest
        )
    };
}

/// Silences in force at `now`.
pub fn in_force(now: UnixMs) -> Statement {
    Statement::new(
        select!("WHERE s.ends_at > ?1 AND s.starts_at <= ?1 ORDER BY s.ends_at DESC, s.id LIMIT ?2"),
        [Param::Int(now.0), Param::Int(MAX_IN_FORCE)],
    )
}

/// Silences that end after `since`, the one that ends last first.
pub fn list(since: UnixMs) -> Statement {
    Statement::new(select!("WHERE s.ends_at > ?1 ORDER BY s.ends_at DESC, s.id LIMIT ?2"), [Param::Int(since.0), Param::Int(MAX_IN_FORCE)])
}

/// The silence of that id.
pub fn by_id(id: &str) -> Statement {
    Statement::new(select!("WHERE s.id = ?1"), [id.into()])
}

/// Stores a silence; again, it does nothing.
pub fn insert(silence: &Silence) -> Statement {
    Statement::new(
        "INSERT INTO silence (id, matchers, reason, author, created_by, created_at, starts_at, ends_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
        [
            silence.id.as_str().into(),
            Param::Text(serde_json::to_string(&silence.matchers).unwrap_or_default()),
            silence.reason.as_str().into(),
            silence.author.as_str().into(),
            silence.created_by.as_str().into(),
            Param::Int(silence.created_at.0),
            Param::Int(silence.starts_at.0),
            Param::Int(silence.ends_at.0),
            Param::Int(silence.updated_at.0),
        ],
    )
}

/// Ends a silence at `now`; one that is over stays as it is, one that has not begun is over before it begins.
pub fn end(id: &str, now: UnixMs) -> Statement {
    Statement::new(
        "UPDATE silence SET ends_at = ?2, starts_at = min(starts_at, ?2), updated_at = ?2 WHERE id = ?1 AND ends_at > ?2",
        [id.into(), Param::Int(now.0)],
    )
}

/// The rows of any of the reads. One that does not read is left out: it keeps nothing quiet, and it must not stop a tick.
pub fn silences(result: StatementResult) -> Result<Vec<Silence>, DbError> {
    struct Row {
        id: String,
        matchers: String,
        reason: String,
        author: String,
        created_by: String,
        created_at: UnixMs,
        starts_at: UnixMs,
        ends_at: UnixMs,
        updated_at: UnixMs,
        withheld: u64,
    }

    record!(Row { id, matchers, reason, author, created_by, created_at, starts_at, ends_at, updated_at, withheld, .. });
    let read = |row: Row| {
        let parts: Vec<serde_json::Value> = record::read(row.matchers.as_bytes()).ok()?;
        let matchers: Vec<Matcher> = parts.into_iter().map(Matcher::from_parts).collect::<Result<_, _>>().ok()?;
        let Row { id, reason, author, created_by, created_at, starts_at, ends_at, updated_at, withheld, .. } = row;
        (!matchers.is_empty()).then_some(Silence {
            id,
            matchers,
            reason,
            author,
            created_by,
            created_at,
            starts_at,
            ends_at,
            updated_at,
            withheld,
        })
    };
    Ok(result.decode::<Row>("silence")?.into_iter().filter_map(read).collect())
}

/// Writes down what was kept quiet by what, each only if the alert stands exactly as its change left it.
pub fn withhold(withheld: &[(&AlertState, &Suppression)], now: UnixMs) -> Vec<Statement> {
    let statement = |chunk: &[(&AlertState, &Suppression)]| {
        let rows: Vec<_> = chunk
            .iter()
            .map(|(state, why)| {
                let episode = state.fired_at.unwrap_or(state.at);
                let subject = &state.subject;
                (&why.id, &subject.id, episode, why.by.as_str(), &subject.rule, now, state.version, body_and_digest(state).1)
            })
            .collect();
        Statement::new(
            "INSERT INTO withheld (suppressor, alert, episode, kind, rule, at)
             SELECT json_extract(j.value, '$[0]'), json_extract(j.value, '$[1]'), json_extract(j.value, '$[2]'),
                    json_extract(j.value, '$[3]'), json_extract(j.value, '$[4]'), json_extract(j.value, '$[5]')
             FROM json_each(?1) j
             WHERE EXISTS (SELECT 1 FROM alerts a WHERE a.id = json_extract(j.value, '$[1]')
               AND a.version = json_extract(j.value, '$[6]') AND a.digest = json_extract(j.value, '$[7]'))
             ON CONFLICT DO NOTHING",
            [Param::Text(serde_json::to_string(&rows).unwrap_or_default())],
        )
    };
    withheld.chunks(ROWS_PER_STATEMENT).map(statement).collect()
}

/// Drops at most `rows` silences that ended before `before`, and as many rows of what was withheld before it.
pub fn expire(before: UnixMs, rows: u32) -> [Statement; 2] {
    let oldest = [Param::Int(before.0), Param::Int(i64::from(rows))];
    [
        Statement::new(
            "DELETE FROM silence WHERE id IN (SELECT id FROM silence WHERE ends_at < ?1 ORDER BY ends_at, id LIMIT ?2)",
            oldest.clone(),
        ),
        Statement::new(
            "DELETE FROM withheld WHERE (suppressor, alert, episode) IN (
               SELECT suppressor, alert, episode FROM withheld WHERE at < ?1 ORDER BY at LIMIT ?2)",
            oldest,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Db;
    use crate::storage::sqlite::{Sqlite, now_or_never};

    fn silence(id: &str, matchers: &str, starts_at: i64, ends_at: i64) -> Silence {
        Silence {
            id: id.into(),
            matchers: Matcher::parse_all(matchers).unwrap(),
            reason: "r".into(),
            author: "ann".into(),
            created_by: "tok_1".into(),
            created_at: UnixMs(0),
            starts_at: UnixMs(starts_at),
            ends_at: UnixMs(ends_at),
            updated_at: UnixMs(0),
            withheld: 0,
        }
    }

    fn run(db: &Sqlite, statement: Statement) -> Vec<Silence> {
        silences(now_or_never(db.batch(vec![statement])).unwrap().remove(0)).unwrap()
    }

    #[test]
    fn silences_read_back_and_what_does_not_read_keeps_nothing_quiet() {
        let db = Sqlite::new();
        let good = silence("sil_1", "rule=a,team!=b", 10, 20);
        for silence in [&good, &silence("sil_2", "", 10, 20), &silence("sil_3", "rule=a", 20, 30)] {
            run(&db, insert(silence));
        }
        assert_eq!(run(&db, by_id("sil_1")), std::slice::from_ref(&good));
        let held = |at| run(&db, in_force(UnixMs(at))).iter().map(|silence| silence.id.clone()).collect::<Vec<_>>();
        assert_eq!((held(9), held(10), held(19)), (vec![], vec!["sil_1".to_owned()], vec!["sil_1".to_owned()]));
        assert_eq!(held(20), ["sil_3"]);
    }

    #[test]
    fn one_that_is_ended_before_it_begins_never_held() {
        let db = Sqlite::new();
        run(&db, insert(&silence("sil_1", "rule=a", 100, 200)));
        run(&db, end("sil_1", UnixMs(50)));
        run(&db, end("sil_1", UnixMs(70)));
        let ended = run(&db, by_id("sil_1")).remove(0);
        assert_eq!((ended.starts_at, ended.ends_at), (UnixMs(50), UnixMs(50)));
        assert!(!ended.holds_at(UnixMs(50)));
    }

    #[test]
    fn old_ones_are_dropped_a_piece_at_a_time() {
        let db = Sqlite::new();
        for n in 0..3 {
            run(&db, insert(&silence(&format!("sil_{n}"), "rule=a", 0, 10 + n)));
        }
        let left = || run(&db, list(UnixMs(0))).len();
        now_or_never(db.batch(expire(UnixMs(12), 1).to_vec())).unwrap();
        assert_eq!(left(), 2);
        now_or_never(db.batch(expire(UnixMs(12), 10).to_vec())).unwrap();
        assert_eq!(left(), 1);
    }
}
