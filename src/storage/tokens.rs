//! The table `token`: who may, by the hash of what they present.

use super::{Param, Statement, StatementResult};
use crate::ports::DbError;
use crate::record::record;
use crate::time::UnixMs;

/// A stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `tok_…`: what lists and revocations name.
    pub id: String,
    /// SHA-256 of the whole token, hex.
    pub hash: String,
    /// What it is for.
    pub name: String,
    /// Its role's text.
    pub role: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMs,
    /// From when on it opens nothing.
    pub expires_at: UnixMs,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
}

record!(Token { id, hash, name, role, created_by, created_at, expires_at, revoked_at, .. });

/// The token with that hash.
pub fn by_hash(hash: &str) -> Statement {
    Statement::new("SELECT id, hash, name, role, created_by, created_at, expires_at, revoked_at FROM token WHERE hash = ?1", [hash.into()])
}

/// Tokens that are neither revoked nor expired for more than 30 days, newest first, at most 500.
pub fn list(now: UnixMs) -> Statement {
    Statement::new(
        "SELECT id, hash, name, role, created_by, created_at, expires_at, revoked_at FROM token
         WHERE coalesce(revoked_at, expires_at) > ?1 ORDER BY created_at DESC, id LIMIT 500",
        [Param::Int(now.plus(-30 * crate::time::DAY_MS).0)],
    )
}

/// Stores a token.
pub fn insert(token: &Token) -> Statement {
    Statement::new(
        "INSERT INTO token (id, hash, name, role, created_by, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        [
            token.id.as_str().into(),
            token.hash.as_str().into(),
            token.name.as_str().into(),
            token.role.as_str().into(),
            token.created_by.as_str().into(),
            Param::Int(token.created_at.0),
            Param::Int(token.expires_at.0),
        ],
    )
}

/// Revokes a token; the second statement's rows say whether there is one of that id.
pub fn revoke(id: &str, now: UnixMs) -> Vec<Statement> {
    vec![
        Statement::new("UPDATE token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL", [id.into(), Param::Int(now.0)]),
        Statement::new("SELECT id, hash, name, role, created_by, created_at, expires_at, revoked_at FROM token WHERE id = ?1", [id.into()]),
    ]
}

/// The rows of any of these.
pub fn tokens(result: StatementResult) -> Result<Vec<Token>, DbError> {
    result.decode("token")
}
