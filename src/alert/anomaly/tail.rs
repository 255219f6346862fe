//! How likely so few events are, if nothing is wrong.
//!
//! Counts with mean `E` and variance `φ·E` are Poisson for `φ = 1` and negative binomial above. `ln P(0)` is `−E`, or `−E·ln φ / (φ − 1)`;
//! each next term is the one before times `E / (n + 1)`, or `(n + r) / (n + 1) · (1 − 1/φ)` with `r = E / (φ − 1)`. The terms are kept as
//! logarithms, so nothing underflows before it matters. Beyond [`SUMMED`] events the sum would cost more than the normal
//! approximation errs (1e-3 of the spread), so the latter is used.

/// Up to this many events the terms are summed.
const SUMMED: u64 = 10_000;
/// Below this dispersion the two distributions agree to the digits that matter.
const POISSON_BELOW: f64 = 1.000_1;

/// The probability of at most `count` events where `expected` are usual with variance `dispersion · expected`.
pub(super) fn at_most(count: u64, expected: f64, dispersion: f64) -> f64 {
    if expected <= 0.0 {
        return 1.0;
    }
    let p = if count > SUMMED { normal(count as f64 + 0.5, expected, dispersion) } else { sum(count, expected, dispersion) };
    p.clamp(0.0, 1.0)
}

fn sum(count: u64, expected: f64, dispersion: f64) -> f64 {
    let poisson = dispersion < POISSON_BELOW;
    let (mut term, r) =
        if poisson { (-expected, 0.0) } else { (-expected * dispersion.ln() / (dispersion - 1.0), expected / (dispersion - 1.0)) };
    let mut total = term.exp();
    for n in 0..count {
        let n = n as f64;
        term += if poisson { (expected / (n + 1.0)).ln() } else { ((n + r) / (n + 1.0) * (1.0 - 1.0 / dispersion)).ln() };
        total += term.exp();
    }
    total
}

/// Abramowitz and Stegun 26.2.17: absolute error below 7.5e-8.
fn normal(bound: f64, expected: f64, dispersion: f64) -> f64 {
    let z = (bound - expected) / (expected * dispersion.max(1.0)).sqrt();
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let polynomial = t * (0.319_381_53 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let upper = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial;
    if z < 0.0 { upper } else { 1.0 - upper }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tails_are_the_ones_in_the_books() {
        for (count, expected, dispersion, p) in [
            (0, 8.0, 1.0, 3.354_626e-4),
            (3, 10.0, 1.0, 0.010_336_05),
            (10, 10.0, 1.0, 0.583_039_8),
            // r = 5, success probability 1/2: the chance of at most 2 failures before the fifth success is 29/128.
            (2, 5.0, 2.0, 29.0 / 128.0),
            (0, 5.0, 2.0, 1.0 / 32.0),
        ] {
            let found = at_most(count, expected, dispersion);
            assert!((found / p - 1.0).abs() < 1e-5, "P(X <= {count} | {expected}, {dispersion}) = {found}, not {p}");
        }
        assert_eq!(at_most(0, 0.0, 1.0), 1.0, "nothing is usual where nothing is expected");
    }

    #[test]
    fn the_sum_and_the_approximation_meet() {
        for (expected, dispersion) in [(10_100.0, 1.0), (10_300.0, 3.0)] {
            let (below, above) = (at_most(SUMMED, expected, dispersion), at_most(SUMMED + 1, expected, dispersion));
            assert!((below - above).abs() < 0.005, "{below} {above}");
        }
    }

    proptest! {
        #[test]
        fn a_tail_is_a_probability_that_grows_with_the_count(count in 0_u64..400, expected in 0.0..500.0_f64, dispersion in 1.0..20.0_f64) {
            let (fewer, more) = (at_most(count, expected, dispersion), at_most(count + 1, expected, dispersion));
            prop_assert!((0.0..=1.0).contains(&fewer));
            prop_assert!(fewer <= more + 1e-12);
        }
    }
}
