//! Simulated bookings of a site: what an hour of the week usually brings, and seeded draws around it.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part of it")]

/// SplitMix64: the same numbers at every run.
#[derive(Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    /// In `(0, 1]`.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Poisson, by Knuth's product of uniform numbers.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        let (mut product, mut count) = (self.uniform(), 0);
        while product > (-mean).exp() {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// Poisson with a gamma-distributed mean of shape 5: variance `mean + mean²/5`.
    pub fn negative_binomial(&mut self, mean: f64) -> u64 {
        let gamma: f64 = (0..5).map(|_| -self.uniform().ln()).sum();
        self.poisson(mean * gamma / 5.0)
    }
}

/// Bookings usual in a local hour of the week: 12 by day, 4 in the evening, 0.3 at night, half at weekends.
pub fn usual(hour: i64) -> f64 {
    let rate = match hour % 24 {
        8..18 => 12.0,
        18..22 => 4.0,
        _ => 0.3,
    };
    if hour / 24 % 7 >= 5 { rate / 2.0 } else { rate }
}
