//! Standard Webhooks' symmetric signature: `v1,` and base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`.

use std::ops::RangeInclusive;

use crate::base64;
use crate::hmac::hmac_sha256;

/// How long a key is, by the specification.
const KEY_BYTES: RangeInclusive<usize> = 24..=64;
/// What marks a text as a key.
const KEY_PREFIX: &str = "whsec_";

/// The key that `text` holds: `whsec_` and base64 of 24 to 64 bytes.
pub(super) fn key(text: &str) -> Option<Vec<u8>> {
    let bytes = base64::decode(text.trim().strip_prefix(KEY_PREFIX)?)?;
    KEY_BYTES.contains(&bytes.len()).then_some(bytes)
}

/// The value of `webhook-signature`.
pub(super) fn sign(key: &[u8], id: &str, at_s: &str, body: &[u8]) -> String {
    let mac = hmac_sha256(key, &[id.as_bytes(), b".", at_s.as_bytes(), b".", body]);
    format!("v1,{}", base64::encode(&mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_is_signed_as_its_libraries_do() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_is_whsec_and_base64_of_24_to_64_bytes() {
        let of = |bytes: usize| format!("whsec_{}", base64::encode(&vec![7; bytes]));
        for (text, bytes) in [
            (of(24), Some(24)),
            (format!(" {}\n", of(64)), Some(64)),
            (of(23), None),
            (of(65), None),
            ("whsec_".to_owned(), None),
            ("whsec_not base64 at all, whatever it is".to_owned(), None),
            (base64::encode(&[7; 24]), None),
        ] {
            assert_eq!(key(&text).map(|key| key.len()), bytes, "{text}");
        }
    }
}
