//! What each way of presenting oneself is answered.

use proptest::prelude::*;

use super::*;
use crate::storage::sqlite::{Failure, Sqlite, now_or_never};
use crate::time::DAY_MS;

const NOW: UnixMs = UnixMs(1_772_366_400_000);
const BOOTSTRAP: &str = "0123456789abcdef0123456789abcdef";

fn stored(db: &Sqlite, seed: u8, role: &str, expires_at: UnixMs, revoked: Option<UnixMs>) -> String {
    let token = mint([seed; 32]);
    let row = Token {
        id: format!("tok_{seed}"),
        hash: ids::sha256_hex(token.as_bytes()),
        name: format!("{role} of the test"),
        role: role.into(),
        created_by: "bootstrap".into(),
        created_at: NOW,
        expires_at,
        revoked_at: None,
    };
    now_or_never(db.batch(vec![tokens::insert(&row)])).unwrap();
    if let Some(at) = revoked {
        now_or_never(db.batch(tokens::revoke(&row.id, at))).unwrap();
    }
    token
}

fn ask(db: &Sqlite, header: Option<&str>, needed: Role) -> Result<Principal, Problem> {
    now_or_never(authorize(db, header, Some(BOOTSTRAP), NOW, needed))
}

#[test]
fn every_way_to_be_refused_has_its_own_answer() {
    let db = Sqlite::new();
    let viewer = stored(&db, 1, "viewer", NOW.plus(1), None);
    let expired = stored(&db, 2, "admin", NOW, None);
    let revoked = stored(&db, 3, "admin", NOW.plus(DAY_MS), Some(NOW));
    let future_role = stored(&db, 4, "auditor", NOW.plus(DAY_MS), None);
    let mistyped = format!("{}x", viewer.get(..52).unwrap());
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let table = [
        (None, 401, "token_missing"),
        (Some("  ".to_owned()), 401, "token_missing"),
        (Some(format!("Basic {viewer}")), 401, "token_malformed"),
        (Some("Bearer".to_owned()), 401, "token_malformed"),
        (bearer("hunter2"), 401, "token_malformed"),
        (bearer(&mistyped), 401, "token_malformed"),
        (bearer(&mint([9; 32])), 401, "token_unknown"),
        (bearer(&expired), 401, "token_expired"),
        (bearer(&revoked), 401, "token_revoked"),
        (bearer(&future_role), 401, "token_unknown"),
        (bearer(&viewer), 403, "role_insufficient"),
    ];
    for (header, status, code) in table {
        let problem = ask(&db, header.as_deref(), Role::Admin).unwrap_err();
        assert_eq!((problem.status, problem.code), (status, code), "{header:?}");
        assert!(www_authenticate(&problem).is_some());
        let text = problem.to_json();
        assert!(
            !text.contains(&viewer) && !text.contains("hunter2") && !text.contains(BOOTSTRAP),
            "an answer repeats what was presented: {text}"
        );
    }
    assert_eq!(ask(&db, bearer(&viewer).as_deref(), Role::Viewer).unwrap().id, "tok_1");
}

#[test]
fn the_bootstrap_secret_is_an_admin_even_when_the_database_is_down() {
    let db = Sqlite::new();
    db.fail_next(Failure::Refuse);
    let principal = ask(&db, Some(&format!("bearer {BOOTSTRAP}")), Role::Admin).unwrap();
    assert_eq!((principal.id.as_str(), principal.role), ("bootstrap", Role::Admin));
    let short = now_or_never(authorize(&db, Some("Bearer short"), Some("short"), NOW, Role::Viewer));
    assert_eq!(short.unwrap_err().code, "token_malformed", "a short secret opens nothing");
    let empty = now_or_never(authorize(&db, Some("Bearer "), Some(""), NOW, Role::Viewer));
    assert_eq!(empty.unwrap_err().code, "token_malformed");
}

#[test]
fn a_database_that_does_not_answer_is_not_a_wrong_token() {
    let db = Sqlite::new();
    let token = stored(&db, 1, "viewer", NOW.plus(1), None);
    db.fail_next(Failure::Refuse);
    assert_eq!(ask(&db, Some(&format!("Bearer {token}")), Role::Viewer).unwrap_err().status, 503);
}

#[test]
fn roles_contain_what_they_should_and_survive_the_round_trip() {
    for role in Role::ALL {
        assert_eq!(Role::from_str(role.as_str()), Some(role));
        assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        assert!(role.allows(role) && Role::Admin.allows(role));
    }
    assert_eq!(Role::from_str("root"), None);
    let allowed = |role: Role| Role::ALL.into_iter().filter(|needed| role.allows(*needed)).map(Role::as_str).collect::<Vec<_>>();
    assert_eq!(allowed(Role::Viewer), ["viewer"]);
    assert_eq!(allowed(Role::Operator), ["viewer", "operator"]);
    assert_eq!(allowed(Role::Security), ["viewer", "security"]);
    assert_eq!(allowed(Role::Ingest), ["ingest"]);
}

#[test]
fn the_form_of_a_token_stays() {
    assert_eq!(base64url(b"\xfb\xff\xfe"), "-__-");
    assert_eq!(base64url(b"f"), "Zg");
    insta::assert_snapshot!(mint([7; 32]), @"ppt_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcrv-IPj");
}

proptest! {
    #[test]
    fn every_minted_token_is_well_formed_and_no_other_text_is(random: [u8; 32], place in 0..53_usize, letter in "[A-Za-z0-9_-]") {
        let token = mint(random);
        prop_assert_eq!(token.len(), 53);
        prop_assert!(well_formed(&token));
        let mut wrong = token.clone();
        wrong.replace_range(place..=place, &letter);
        prop_assert!(wrong == token || !well_formed(&wrong));
        prop_assert!(!well_formed(token.get(..place).unwrap()));
    }
}
