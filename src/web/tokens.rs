//! `/api/v1/tokens`: an admin makes, lists and revokes API tokens.
//!
//! Invariant: a token's text is in exactly one answer, the one to the request that made it.

use serde::Serialize;

use super::auth::{self, Principal, Role};
use super::problem::Problem;
use crate::ids;
use crate::ports::{Db, DbError};
use crate::record::{self, record};
use crate::storage::tokens::{self, Token};
use crate::time::{DAY_MS, UnixMs};

/// Days a token lives unless its maker says otherwise.
pub const DEFAULT_DAYS: u32 = 90;
/// Days it lives at most.
pub const MAX_DAYS: u32 = 366;
/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 100;

/// What is asked for.
#[derive(Debug)]
struct Wanted {
    name: String,
    role: String,
    expires_in_days: Option<u32>,
}

record!(Wanted { name, role, expires_in_days });

/// A token as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What revocation names.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// `active`, `expired` or `revoked`.
    pub state: &'static str,
    /// Who made it.
    pub created_by: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// The answer to a request that made a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The token; not shown again.
    pub token: String,
    /// What lists will show of it.
    #[serde(flatten)]
    pub shown: Shown,
}

/// The answer to `GET /api/v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Newest first.
    pub tokens: Vec<Shown>,
}

fn shown(token: Token, now: UnixMs) -> Shown {
    let state = match token.revoked_at {
        Some(_) => "revoked",
        None if token.expires_at <= now => "expired",
        None => "active",
    };
    Shown {
        id: token.id,
        name: token.name,
        role: token.role,
        state,
        created_by: token.created_by,
        created_at: token.created_at.rfc3339(),
        expires_at: token.expires_at.rfc3339(),
        revoked_at: token.revoked_at.map(UnixMs::rfc3339),
    }
}

/// `POST /api/v1/tokens` with `{name, role, expires_in_days?}`: 201. `random` is fresh for every call.
pub async fn create<D: Db>(db: &D, body: &[u8], by: &Principal, random: [u8; 32], now: UnixMs) -> Result<Made, Problem> {
    let wanted: Wanted = record::read(body).map_err(|error| {
        Problem::bad_request("bad_json", format!("The body does not read: {error}. Send {{\"name\", \"role\", \"expires_in_days\"}}."))
    })?;
    let name = wanted.name.trim().to_owned();
    let days = wanted.expires_in_days.unwrap_or(DEFAULT_DAYS);
    let mut problem =
        Problem::new(422, "bad_token_request", "The token cannot be made like this", "Correct the members listed in `errors`.");
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        problem = problem.with_error("/name", format!("Say in 1 to {MAX_NAME_CHARS} characters what the token is for."));
    }
    let role = Role::from_str(&wanted.role);
    if role.is_none() {
        problem = problem.with_error("/role", format!("Use one of: {}.", Role::ALL.map(Role::as_str).join(", ")));
    }
    if !(1..=MAX_DAYS).contains(&days) {
        problem = problem.with_error("/expires_in_days", format!("Use 1 to {MAX_DAYS} days."));
    }
    let Some(role) = role.filter(|_| problem.errors.is_empty()) else { return Err(problem) };

    let text = auth::mint(random);
    let hash = ids::sha256_hex(text.as_bytes());
    let token = Token {
        id: ids::derived(ids::prefix::TOKEN, &[&hash]),
        hash,
        name,
        role: role.as_str().to_owned(),
        created_by: by.id.clone(),
        created_at: now,
        expires_at: now.plus(i64::from(days) * DAY_MS),
        revoked_at: None,
    };
    db.batch(vec![tokens::insert(&token)]).await.map_err(unavailable)?;
    Ok(Made { token: text, shown: shown(token, now) })
}

/// `GET /api/v1/tokens`: 200.
pub async fn list<D: Db>(db: &D, now: UnixMs) -> Result<Listed, Problem> {
    let rows = rows(db.batch(vec![tokens::list(now)]).await)?;
    Ok(Listed { tokens: rows.into_iter().map(|token| shown(token, now)).collect() })
}

/// `DELETE /api/v1/tokens/{id}`: 200, also when it was revoked before (the first time stands).
pub async fn revoke<D: Db>(db: &D, id: &str, now: UnixMs) -> Result<Shown, Problem> {
    let row = rows(db.batch(tokens::revoke(id, now)).await)?.into_iter().next();
    row.map(|token| shown(token, now)).ok_or_else(|| Problem::not_found("There is no token of that id. GET /api/v1/tokens lists them."))
}

/// The rows of a batch's last statement.
fn rows(answer: Result<Vec<crate::storage::StatementResult>, DbError>) -> Result<Vec<Token>, Problem> {
    let last = answer.map_err(unavailable)?.pop().unwrap_or_default();
    tokens::tokens(last).map_err(unavailable)
}

fn unavailable(_: DbError) -> Problem {
    Problem::unavailable("The database that knows the tokens")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::{Failure, Sqlite, now_or_never};

    const NOW: UnixMs = UnixMs(1_772_366_400_000);

    fn admin() -> Principal {
        Principal { id: "bootstrap".into(), name: "bootstrap".into(), role: Role::Admin }
    }

    fn make(db: &Sqlite, body: &str) -> Result<Made, Problem> {
        now_or_never(create(db, body.as_bytes(), &admin(), [7; 32], NOW))
    }

    #[test]
    fn a_token_opens_what_its_role_may_until_it_is_revoked() {
        let db = Sqlite::new();
        let made = make(&db, r#"{"name": " ci ", "role": "ingest", "expires_in_days": 1}"#).unwrap();
        let header = format!("Bearer {}", made.token);
        let ask = |now, needed| now_or_never(auth::authorize(&db, Some(&header), None, now, needed));
        assert_eq!(ask(NOW, Role::Ingest).unwrap().name, "ci");
        assert_eq!(ask(NOW, Role::Viewer).unwrap_err().code, "role_insufficient");
        assert_eq!(ask(NOW.plus(DAY_MS), Role::Ingest).unwrap_err().code, "token_expired");

        let revoked = now_or_never(revoke(&db, &made.shown.id, NOW.plus(5))).unwrap();
        assert_eq!((revoked.state, revoked.revoked_at), ("revoked", Some(NOW.plus(5).rfc3339())));
        assert_eq!(ask(NOW.plus(5), Role::Ingest).unwrap_err().code, "token_revoked");
        let again = now_or_never(revoke(&db, &made.shown.id, NOW.plus(9))).unwrap();
        assert_eq!(again.revoked_at, Some(NOW.plus(5).rfc3339()), "the first revocation stands");
        assert_eq!(now_or_never(revoke(&db, "tok_none", NOW)).unwrap_err().status, 404);
    }

    #[test]
    fn the_text_of_a_token_is_stored_and_listed_nowhere() {
        let db = Sqlite::new();
        let made = make(&db, r#"{"name": "ci", "role": "viewer"}"#).unwrap();
        let listed = serde_json::to_string(&now_or_never(list(&db, NOW)).unwrap()).unwrap();
        assert!(listed.contains(&made.shown.id) && !listed.contains(&made.token), "{listed}");
        let stored = now_or_never(db.batch(vec![tokens::list(NOW)])).unwrap();
        assert!(!format!("{stored:?}").contains(&made.token));
        assert_eq!(made.shown.expires_at, NOW.plus(i64::from(DEFAULT_DAYS) * DAY_MS).rfc3339());
    }

    #[test]
    fn a_request_that_makes_no_sense_lists_all_that_is_wrong() {
        let db = Sqlite::new();
        let problem = make(&db, r#"{"name": "", "role": "root", "expires_in_days": 0}"#).unwrap_err();
        let pointers: Vec<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!((problem.status, pointers), (422, vec!["/name", "/role", "/expires_in_days"]));
        for body in ["", "[]", r#"{"name": "x", "role": "viewer", "scope": "all"}"#] {
            assert_eq!(make(&db, body).unwrap_err().status, 400, "{body}");
        }
        db.fail_next(Failure::Refuse);
        assert_eq!(make(&db, r#"{"name": "x", "role": "viewer"}"#).unwrap_err().status, 503);
    }
}
