//! HMAC-SHA256 as its RFC has it, apart from Parapet's own, for peers that check signatures and for those that make them.

use sha2::{Digest, Sha256};

/// The code of the parts of `message`, one after the other, under a `key` of at most 64 bytes.
pub fn hmac_sha256(key: &[u8], message: &[&[u8]]) -> Vec<u8> {
    let mut key = key.to_vec();
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let mut inner = Sha256::new_with_prefix(pad(0x36));
    for part in message {
        inner.update(part);
    }
    let mut outer = Sha256::new_with_prefix(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize().to_vec()
}
