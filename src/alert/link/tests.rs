//! What a link's token says, and that nothing else is believed.

use super::*;
use crate::channel::tests::firing;

const SECRET: &str = "a-secret-of-more-than-24-characters";

fn signer() -> Signer {
    Signer::new(SECRET).unwrap()
}

#[test]
fn acts_survive_the_round_trip() {
    for act in LinkAct::ALL {
        assert_eq!(LinkAct::from_str(act.as_str()), Some(act));
    }
    assert_eq!(LinkAct::from_str("delete"), None);
}

#[test]
fn a_token_says_what_was_signed_and_the_same_each_time() {
    for act in LinkAct::ALL {
        let link = Link::new(&firing(), act, "E-mail: ops.");
        assert_eq!((link.told_at(), link.expires_at), (firing().at, firing().at.plus(DAY_MS)));
        let token = signer().token(&link);
        assert_eq!(token, signer().token(&Link::new(&firing(), act, "E-mail: ops.")));
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "a URL carries it as it is: {token}");
        assert_eq!(signer().read(&token), Some(link));
    }
}

#[test]
fn a_token_that_is_not_ours_to_the_last_character_says_nothing() {
    let token = signer().token(&Link::new(&firing(), LinkAct::Acknowledge, "email"));
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        assert_eq!(signer().read(std::str::from_utf8(&changed).unwrap()), None, "character {at}");
        assert_eq!(signer().read(token.get(..at).unwrap()), None, "cut at {at}");
    }
    assert_eq!(signer().read(&format!("{token}0")), None);
    assert_eq!(Signer::new("another-secret-of-more-than-24").unwrap().read(&token), None);
    // The right code of something that is not a link.
    let code = |payload: &str| format!("{payload}.{}", signer().code(payload));
    for payload in ["", "alr_1", "alr_1.delete.1.65", "alr_1.acknowledge.x.65", "alr_1.acknowledge.1.6", "alr_1.acknowledge.1.ff"] {
        assert_eq!(signer().read(&code(payload)), None, "{payload}");
    }
}

#[test]
fn a_short_secret_signs_nothing_and_none_is_printed() {
    assert_eq!(Signer::new("  short-secret  "), None);
    assert_eq!(format!("{:?}", signer()), "Signer(…)");
}
