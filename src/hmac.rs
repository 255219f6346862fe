//! HMAC-SHA256 (RFC 2104): two hashes around a padded key. Its vectors (RFC 4231) are in the tests; a crate for it brings two
//! more for comparing in constant time, which `web::auth` does by itself.

use sha2::{Digest, Sha256};

/// SHA-256's block.
const BLOCK_BYTES: usize = 64;

/// The code of the `message`'s parts, one after the other, under `key`.
pub(crate) fn hmac_sha256(key: &[u8], message: &[&[u8]]) -> Vec<u8> {
    let hashed;
    let key = if key.len() > BLOCK_BYTES {
        hashed = Sha256::digest(key);
        hashed.as_slice()
    } else {
        key
    };
    let padded =
        |pad: u8| -> Vec<u8> { key.iter().copied().chain(std::iter::repeat(0)).take(BLOCK_BYTES).map(|byte| byte ^ pad).collect() };
    let inner = message.iter().fold(Sha256::new().chain_update(padded(0x36)), Digest::chain_update).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::hex;

    #[test]
    fn the_vectors_of_rfc_4231_hold() {
        let counted: Vec<u8> = (1..=25).collect();
        let cases: [(&[u8], &[u8], &str); 6] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (&counted, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, data, mac) in cases {
            let (head, tail) = data.split_at(3);
            assert_eq!(hex(&hmac_sha256(key, &[head, tail])), mac);
        }
    }
}
