//! Buckets, quantiles and the stored format of a sketch.

use proptest::prelude::*;

use super::*;

fn of(values: &[f64]) -> Sketch {
    let mut sketch = Sketch::default();
    for value in values {
        sketch.observe(*value);
    }
    sketch
}

fn lower_nearest_rank(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test ranks are small")]
    let rank = (q * (sorted.len() - 1) as f64).floor() as usize;
    sorted[rank]
}

#[test]
fn powers_of_two_close_their_bucket() {
    for exponent in -20..20 {
        let value = f64::from(exponent).exp2();
        assert_eq!(index_of(value), exponent * PER_DOUBLING - 1, "2^{exponent} is the upper, inclusive border");
        assert_eq!(index_of(value * (1.0 + 1e-12)), exponent * PER_DOUBLING);
    }
}

#[test]
fn the_stored_format_stays() {
    let sketch = of(&[0.0, 0.040, 0.041, 0.250, 3.0]);
    assert_eq!(String::from(sketch.clone()), "01950101020152017401", "{sketch:?}");
}

#[test]
fn garbage_is_refused_not_believed() {
    for bytes in [&[][..], &[0x80], &[0, 1], &[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], &[0xff; 12]] {
        assert_eq!(Sketch::decode(bytes), Err(BadSketch), "{bytes:?}");
    }
}

#[test]
fn absurd_values_are_clamped() {
    let sketch = of(&[f64::NAN, -1.0, f64::INFINITY, f64::MIN_POSITIVE, 1e300]);
    assert_eq!(sketch.count(), 5);
    assert_eq!(sketch.zero, 2);
    assert_eq!(Sketch::decode(&sketch.encode()), Ok(sketch));
}

proptest! {
    #[test]
    fn a_quantile_is_within_2_17_percent(values in prop::collection::vec(1e-4_f64..1e4, 1..300), q in 0.0_f64..=1.0) {
        let exact = lower_nearest_rank(&values, q);
        let answered = of(&values).quantile(q).unwrap();
        prop_assert!((answered / exact - 1.0).abs() <= 0.0219, "{answered} for {exact}");
    }

    #[test]
    fn merging_is_commutative_associative_and_equals_the_whole(
        a in prop::collection::vec(-1.0_f64..1e4, 0..50),
        b in prop::collection::vec(-1.0_f64..1e4, 0..50),
        c in prop::collection::vec(-1.0_f64..1e4, 0..50),
    ) {
        let merged = |parts: &[&Sketch]| parts.iter().fold(Sketch::default(), |mut sum, part| { sum.merge(part); sum });
        let (x, y, z) = (of(&a), of(&b), of(&c));
        let whole = of(&[a, b, c].concat());
        prop_assert_eq!(&merged(&[&x, &y, &z]), &whole);
        prop_assert_eq!(&merged(&[&z, &merged(&[&y, &x])]), &whole);
        prop_assert_eq!(Sketch::decode(&whole.encode()), Ok(whole.clone()));
        prop_assert_eq!(whole.count(), whole.count_at_most(f64::INFINITY));
    }

    #[test]
    fn counts_at_a_bucket_border_are_exact(values in prop::collection::vec(1e-3_f64..1e3, 0..200), k in -8_i32..8) {
        let border = f64::from(k).exp2();
        let exact = values.iter().filter(|value| **value <= border).count() as u64;
        prop_assert_eq!(of(&values).count_at_most(border), exact);
    }
}
