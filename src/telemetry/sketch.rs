//! The latency sketch: a base-2 exponential histogram at fixed scale 4.
//!
//! Bucket `i` holds values in `(base^i, base^(i+1)]` with `base = 2^(1/16) ≈ 1.0443`, so a quantile answered with a
//! bucket's middle is off by at most `sqrt(base) − 1 ≈ 2.17 %`. The grid is OTLP's ExponentialHistogram at scale 4
//! (index = ceil(log2(v)·16) − 1) and Prometheus' native histogram schema 4 (its bucket number is ours + 1).
//!
//! Invariant: merging is bucket-wise addition, so it is commutative, associative, has the empty sketch as identity, and
//! merging parts gives exactly what one sketch over everything would. 1 ms to 60 s spans 254 buckets; values are clamped
//! to [`MIN_INDEX`]..=[`MAX_INDEX`], so a sketch has at most 1,281 buckets whatever is observed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids;

/// Buckets per doubling.
const PER_DOUBLING: i32 = 16;
/// Lowest bucket: 2^-40 ≈ 10^-12; smaller positive values count there.
pub const MIN_INDEX: i32 = -40 * PER_DOUBLING;
/// Highest bucket: 2^40 ≈ 10^12; larger values count there.
pub const MAX_INDEX: i32 = 40 * PER_DOUBLING;

/// Counts per bucket, plus the values that are zero or below.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sketch {
    zero: u64,
    buckets: BTreeMap<i32, u64>,
}

/// An encoded sketch that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an encoded sketch")]
pub struct BadSketch;

impl Sketch {
    /// Counts one value. NaN counts as zero.
    pub fn observe(&mut self, value: f64) {
        self.observe_n(value, 1);
    }

    /// Counts `n` equal values.
    pub fn observe_n(&mut self, value: f64, n: u64) {
        if value > 0.0 {
            let slot = self.buckets.entry(index_of(value)).or_default();
            *slot = slot.saturating_add(n);
        } else {
            self.zero = self.zero.saturating_add(n);
        }
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.zero = self.zero.saturating_add(other.zero);
        for (index, n) in &other.buckets {
            let slot = self.buckets.entry(*index).or_default();
            *slot = slot.saturating_add(*n);
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.buckets.values().fold(self.zero, |sum, n| sum.saturating_add(*n))
    }

    /// The `q`-quantile by the lower nearest rank, rank = floor(q·(n − 1)); `None` when empty.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "q is clamped to 0..=1, so the rank is below the count")]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * (count - 1) as f64).floor() as u64;
        let mut seen = self.zero;
        if rank < seen {
            return Some(0.0);
        }
        for (index, n) in &self.buckets {
            seen = seen.saturating_add(*n);
            if rank < seen {
                return Some(middle_of(*index));
            }
        }
        self.buckets.keys().next_back().map(|index| middle_of(*index))
    }

    /// How many values are at most `bound`: exact when `bound` is a bucket border, that is `2^(k/16)`.
    pub fn count_at_most(&self, bound: f64) -> u64 {
        if bound <= 0.0 {
            return if bound < 0.0 { 0 } else { self.zero };
        }
        let last = index_of(bound);
        self.buckets.range(..=last).fold(self.zero, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// Bytes: the zero count, then per bucket the zig-zag difference of the index and the count, all as varints.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + self.buckets.len() * 2);
        put_varint(&mut out, self.zero);
        let mut previous = 0_i32;
        for (index, n) in &self.buckets {
            let step = i64::from(*index) - i64::from(previous);
            put_varint(&mut out, ((step << 1) ^ (step >> 63)).cast_unsigned());
            put_varint(&mut out, *n);
            previous = *index;
        }
        out
    }

    /// The sketch that [`Sketch::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadSketch> {
        let mut rest = bytes.iter();
        let zero = take_varint(&mut rest)?;
        let mut buckets = BTreeMap::new();
        let mut index = 0_i64;
        while rest.len() > 0 {
            let step = take_varint(&mut rest)?;
            index += (step >> 1).cast_signed() ^ -(step & 1).cast_signed();
            let n = take_varint(&mut rest)?;
            let index = i32::try_from(index).ok().filter(|i| (MIN_INDEX..=MAX_INDEX).contains(i)).ok_or(BadSketch)?;
            buckets.insert(index, n);
        }
        Ok(Self { zero, buckets })
    }
}

impl TryFrom<String> for Sketch {
    type Error = BadSketch;
    fn try_from(text: String) -> Result<Self, BadSketch> {
        Self::decode(&ids::unhex(&text).ok_or(BadSketch)?)
    }
}

impl From<Sketch> for String {
    fn from(sketch: Sketch) -> Self {
        ids::hex(&sketch.encode())
    }
}

/// The bucket of a positive value; powers of two are exact, as the OTLP mapping asks.
#[expect(
    clippy::cast_possible_truncation,
    reason = "log2 of a positive finite f64 is within ±1,075, ×16 fits i32; infinity saturates and is clamped"
)]
fn index_of(value: f64) -> i32 {
    let scaled = value.log2() * f64::from(PER_DOUBLING);
    ((scaled.ceil() as i32).saturating_sub(1)).clamp(MIN_INDEX, MAX_INDEX)
}

/// The value a bucket answers with: the geometric middle, within 2.17 % of everything in it.
fn middle_of(index: i32) -> f64 {
    ((f64::from(index) + 0.5) / f64::from(PER_DOUBLING)).exp2()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

fn take_varint(rest: &mut std::slice::Iter<'_, u8>) -> Result<u64, BadSketch> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.next().ok_or(BadSketch)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(BadSketch)
}

#[cfg(test)]
mod tests;
