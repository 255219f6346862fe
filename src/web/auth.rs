//! Who may: roles, the form of tokens, and the verdict on what a request presents.
//!
//! A token is `ppt_`, 43 characters (32 random bytes in base64url) and 6 of a checksum, so a mistyped or truncated one is
//! told from an unknown one without asking the database, and secret scanners can find it. Only its SHA-256 is stored.
//! 256 random bits cannot be guessed, so one round of SHA-256 is enough and a lookup by hash leaks nothing useful; hashes are
//! still compared in constant time. The bootstrap secret is an admin for the first minutes of a deployment.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::ids;
use crate::ports::Db;
use crate::storage::tokens::{self, Token};
use crate::time::UnixMs;

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads metrics, dashboards, configuration.
    Viewer,
    /// Acts on alerts, and reads.
    Operator,
    /// Sees security events and personal data in them, and reads.
    Security,
    /// Everything: configuration, tokens.
    Admin,
    /// Records metrics and events, and reads nothing.
    Ingest,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Operator, Self::Security, Self::Admin, Self::Ingest];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Security => "security",
            Self::Admin => "admin",
            Self::Ingest => "ingest",
        }
    }

    /// The role called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether this role may do what `needed` may.
    pub fn allows(self, needed: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operator => matches!(needed, Self::Operator | Self::Viewer),
            Self::Security => matches!(needed, Self::Security | Self::Viewer),
            Self::Viewer => needed == Self::Viewer,
            Self::Ingest => needed == Self::Ingest,
        }
    }
}

/// Whoever a request comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Principal {
    /// The token's id, or `bootstrap`: what audit entries and versions name.
    pub id: String,
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

const PREFIX: &str = "ppt_";
const BODY_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;

/// A bootstrap secret shorter than this opens nothing: `openssl rand -hex 16` gives 32.
pub const MIN_BOOTSTRAP_CHARS: usize = 24;

/// The token made of 32 random bytes.
pub fn mint(random: [u8; 32]) -> String {
    let body = base64url(&random);
    format!("{PREFIX}{body}{}", checksum(&body))
}

fn checksum(body: &str) -> String {
    let digest = Sha256::digest(format!("{PREFIX}{body}").as_bytes());
    base64url(&digest).chars().take(CHECKSUM_CHARS).collect()
}

fn well_formed(token: &str) -> bool {
    token
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_at_checked(BODY_CHARS))
        .is_some_and(|(body, sum)| sum == checksum(body) && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or_default();
            out.push(ALPHABET.get(index).map_or('A', |letter| char::from(*letter)));
        }
    }
    out
}

/// Whether two texts are equal, in time that depends on their lengths only.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// What the `Authorization` header holds.
fn presented(header: Option<&str>) -> Result<&str, Problem> {
    let header = header.map(str::trim).filter(|header| !header.is_empty()).ok_or_else(|| {
        refused("token_missing", "Send the header `Authorization: Bearer <token>`. An admin makes tokens with POST /api/v1/tokens.")
    })?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => Ok(token.trim()),
        _ => Err(refused("token_malformed", "The Authorization header is not of the form `Bearer <token>`.")),
    }
}

fn refused(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(401, code, "Who you are is not clear", detail)
}

/// The `WWW-Authenticate` header that goes with a refusal (RFC 6750), if one does.
pub fn www_authenticate(problem: &Problem) -> Option<&'static str> {
    match (problem.status, problem.code) {
        (401, "token_missing") => Some("Bearer realm=\"parapet\""),
        (401, _) => Some("Bearer realm=\"parapet\", error=\"invalid_token\""),
        (403, "role_insufficient") => Some("Bearer realm=\"parapet\", error=\"insufficient_scope\""),
        _ => None,
    }
}

/// Whoever presents `header`, if that may do what `needed` may. Asks the database only for well-formed tokens.
pub async fn authorize<D: Db>(
    db: &D,
    header: Option<&str>,
    bootstrap: Option<&str>,
    now: UnixMs,
    needed: Role,
) -> Result<Principal, Problem> {
    let token = presented(header)?;
    let hash = ids::sha256_hex(token.as_bytes());
    let bootstrap = bootstrap.map(str::trim).filter(|secret| secret.len() >= MIN_BOOTSTRAP_CHARS);
    if bootstrap.is_some_and(|secret| same(&ids::sha256_hex(secret.as_bytes()), &hash)) {
        return Ok(Principal { id: "bootstrap".into(), name: "bootstrap".into(), role: Role::Admin });
    }
    if !well_formed(token) {
        return Err(refused(
            "token_malformed",
            "That is not a whole token of Parapet: it starts with `ppt_` and has 53 characters. Copy it again.",
        ));
    }
    let unavailable = |_| Problem::unavailable("The database that knows the tokens");
    let results = db.batch(vec![tokens::by_hash(&hash)]).await.map_err(unavailable)?;
    let rows = results.into_iter().next().map(tokens::tokens).transpose().map_err(unavailable)?.unwrap_or_default();
    verdict(&rows, &hash, now, needed)
}

/// The verdict on a well-formed token: known, still good, and of a role that suffices.
pub fn verdict(rows: &[Token], hash: &str, now: UnixMs, needed: Role) -> Result<Principal, Problem> {
    let token = rows
        .iter()
        .find(|row| same(&row.hash, hash))
        .ok_or_else(|| refused("token_unknown", "That token was never made here. Is it another deployment's?"))?;
    if let Some(at) = token.revoked_at.filter(|at| *at <= now) {
        return Err(refused("token_revoked", format!("The token `{}` was revoked at {}.", token.name, at.rfc3339())));
    }
    if token.expires_at <= now {
        return Err(refused(
            "token_expired",
            format!("The token `{}` expired at {}. Ask an admin for another.", token.name, token.expires_at.rfc3339()),
        ));
    }
    let role = Role::from_str(&token.role)
        .ok_or_else(|| refused("token_unknown", format!("The token `{}` has a role this build does not know.", token.name)))?;
    if !role.allows(needed) {
        let detail = format!("This needs the role {}; the token `{}` has {}.", needed.as_str(), token.name, role.as_str());
        return Err(Problem::new(403, "role_insufficient", "You may not do this", detail));
    }
    Ok(Principal { id: token.id.clone(), name: token.name.clone(), role })
}

#[cfg(test)]
mod tests;
