//! Identifiers: what they look like, and how the deterministic ones are made.
//!
//! Invariant: nothing here is random. An id the core makes is a hash of what it names, so doing the same thing twice
//! makes the same id, and the second write is recognised. Random ids (request ids, isolate ids) are drawn in the shell.

use sha2::{Digest, Sha256};

/// A 64-bit FNV-1a hash with a final avalanche (the constants are FNV's own and `SplitMix64`'s finaliser).
pub fn hash64(bytes: &[u8]) -> u64 {
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The low 53 bits of [`hash64`]: an integer that a JavaScript number, and so D1, carries without loss.
/// Two of 10,000 names meet with probability 10,000² / 2 / 2⁵³ ≈ 6 in a billion.
pub fn hash53(bytes: &[u8]) -> i64 {
    i64::try_from(hash64(bytes) & 0x001f_ffff_ffff_ffff).unwrap_or_default()
}

/// Lower-case hex of the SHA-256 of `bytes`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Bytes of a hex text; `None` on odd length or a character that is not hex.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    Some(digits?.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// A prefixed deterministic id: `prefix_` and 20 hex digits (80 bits) of the SHA-256 of `parts` joined by a NUL.
pub fn derived(prefix: &str, parts: &[&str]) -> String {
    let digest = sha256_hex(parts.join("\0").as_bytes());
    format!("{prefix}_{}", digest.get(..20).unwrap_or(&digest))
}

/// The kinds of thing that carry a prefixed id.
pub mod prefix {
    /// An alert: one rule and one label set.
    pub const ALERT: &str = "alr";
    /// An outbox message: one notification to one channel.
    pub const MESSAGE: &str = "msg";
    /// A request on the site's host.
    pub const REQUEST: &str = "req";
    /// An incident.
    pub const INCIDENT: &str = "inc";
    /// A silence.
    pub const SILENCE: &str = "sil";
    /// Alerts that are told of together on one channel.
    pub const GROUP: &str = "grp";
    /// An API token's public half.
    pub const TOKEN: &str = "tok";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_make_the_same_id_and_other_parts_another() {
        assert_eq!(derived("msg", &["a", "b"]), derived("msg", &["a", "b"]));
        assert_ne!(derived("msg", &["a", "b"]), derived("msg", &["ab"]));
        assert_eq!(derived("msg", &["a"]).len(), 24);
    }

    #[test]
    fn hex_survives_the_round_trip() {
        assert_eq!(unhex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }

    #[test]
    fn a_53_bit_hash_fits_a_javascript_number() {
        for n in 0..1000_u32 {
            assert!(hash53(&n.to_le_bytes()) < 1 << 53);
        }
    }
}
