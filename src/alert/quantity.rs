//! A measured number, its unit, and the one way it is printed: `6.4 %`, `850 ms`, `R 1 234,50`.
//!
//! Invariant: a value beyond its bound never prints as equal to it: [`Measured::comparison`] adds decimals until the two differ.

use serde::Serialize;

use crate::config::alerting::{Aggregate, Compare};
use crate::record::{choice, record, words};

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things without a unit.
    Plain,
    /// A share of one, printed as percent.
    Ratio,
    /// Seconds.
    Seconds,
    /// Minor units of the site's currency.
    Cents,
    /// Bytes.
    Bytes,
    /// Things per second.
    PerSecond,
    /// So many times as much.
    Times,
}

words!(Unit { Plain "plain", Ratio "ratio", Seconds "seconds", Cents "cents", Bytes "bytes", PerSecond "per_second", Times "times" });

impl Unit {
    /// The unit of `aggregate` of the series called `name`: Prometheus names end in their base unit.
    pub fn of(name: &str, aggregate: Aggregate) -> Self {
        let base = name.strip_suffix("_total").unwrap_or(name);
        match aggregate {
            Aggregate::Count => Self::Plain,
            Aggregate::Rate => Self::PerSecond,
            _ if base.ends_with("_seconds") => Self::Seconds,
            _ if base.ends_with("_cents") => Self::Cents,
            _ if base.ends_with("_bytes") => Self::Bytes,
            _ if base.ends_with("_ratio") => Self::Ratio,
            _ => Self::Plain,
        }
    }

    /// `value` as people read it; `currency` is an ISO 4217 code.
    pub fn text(self, value: f64, currency: &str) -> String {
        self.text_with(value, currency, 0)
    }

    /// As [`Unit::text`] with `extra` more decimals.
    fn text_with(self, value: f64, currency: &str, extra: usize) -> String {
        match self {
            Self::Plain => number(value, extra),
            Self::Ratio => format!("{}{NBSP}%", number(value * 100.0, extra)),
            Self::PerSecond => format!("{}/s", number(value, extra)),
            Self::Times => format!("{}×", number(value, extra)),
            Self::Seconds if value.abs() < 1.0 => format!("{}{NBSP}ms", number(value * 1_000.0, extra)),
            Self::Seconds => format!("{}{NBSP}s", number(value, extra)),
            Self::Cents => money(value, currency),
            Self::Bytes => bytes(value, extra),
        }
    }
}

/// The no-break space between a number and its unit, and between thousands.
const NBSP: char = '\u{a0}';

/// Three significant digits, no trailing zeros, thousands apart.
fn number(value: f64, extra: usize) -> String {
    let size = value.abs();
    let decimals = extra
        + match size {
            _ if size >= 100.0 || size == 0.0 => 0,
            _ if size >= 10.0 => 1,
            _ if size >= 1.0 => 2,
            _ => 3,
        };
    let fixed = format!("{value:.decimals$}");
    let trimmed = if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.') } else { &fixed };
    let (whole, fraction) = trimmed.split_once('.').map_or((trimmed, None), |(whole, fraction)| (whole, Some(fraction)));
    let whole = grouped(whole);
    fraction.map_or_else(|| whole.clone(), |fraction| format!("{whole}.{fraction}"))
}

/// `R 1 234,50`: cents with a decimal comma, as `Intl` prints `en-ZA`.
fn money(cents: f64, currency: &str) -> String {
    let symbol = if currency == "ZAR" { "R" } else { currency };
    let fixed = format!("{:.2}", cents.abs() / 100.0);
    let (whole, fraction) = fixed.split_once('.').unwrap_or((&fixed, "00"));
    let sign = if cents.round() < 0.0 { "-" } else { "" };
    format!("{sign}{symbol}{NBSP}{},{fraction}", grouped(whole))
}

/// Powers of 1,000, as disk and network vendors count.
fn bytes(value: f64, extra: usize) -> String {
    let scales = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (size, unit) = scales.into_iter().find(|(size, _)| value.abs() >= *size).unwrap_or((1.0, "B"));
    format!("{}{NBSP}{unit}", number(value / size, extra))
}

/// Digits in groups of three from the right, the sign kept.
fn grouped(whole: &str) -> String {
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::with_capacity(whole.len() + whole.len() / 3 * 2);
    out.push_str(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(NBSP);
        }
        out.push(digit);
    }
    out
}

/// What a value was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// Bad when greater.
    Above(f64),
    /// Bad when less.
    Below(f64),
    /// Bad when nothing came at all.
    Something,
}

choice!(Threshold { Above "above" (it), Below "below" (it), Something "something" });

impl Threshold {
    /// The threshold of a rule that compares.
    pub fn new(compare: Compare, bound: f64) -> Self {
        match compare {
            Compare::Above => Self::Above(bound),
            Compare::Below => Self::Below(bound),
        }
    }

    /// Whether `value` is on the bad side.
    pub fn broken_by(self, value: f64) -> bool {
        match self {
            Self::Above(bound) => value > bound,
            Self::Below(bound) => value < bound,
            Self::Something => value <= 0.0,
        }
    }

    /// The worse of two values.
    pub fn worse(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Above(_) => a.max(b),
            Self::Below(_) | Self::Something => a.min(b),
        }
    }
}

/// A value and what it was held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// What was found.
    pub value: f64,
    /// What it was compared with.
    pub threshold: Threshold,
    /// The unit of both.
    pub unit: Unit,
    /// Over how long, in milliseconds.
    pub over_ms: i64,
    /// Where the value has to get back to before a firing alert ends; `None`, the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<f64>,
    /// What is usual, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normal: Option<Normal>,
}

record!(Measured { value, threshold, unit, over_ms, recovery, normal, .. });

/// What is usual, in its own unit: that of a change is what it changed from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Normal {
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
}

record!(Normal { value, unit, .. });

impl Measured {
    /// A value held against a threshold, which is also where it recovers.
    pub fn new(value: f64, threshold: Threshold, unit: Unit, over_ms: i64) -> Self {
        Self { value, threshold, unit, over_ms, recovery: None, normal: None }
    }

    /// The same where this is usual.
    #[must_use]
    pub fn normally(self, value: f64, unit: Unit) -> Self {
        Self { normal: Some(Normal { value, unit }), ..self }
    }

    /// The same, with what was usual `before` where this does not say.
    #[must_use]
    pub fn after(self, before: Option<Self>) -> Self {
        Self { normal: self.normal.or(before.and_then(|before| before.normal)), ..self }
    }

    /// Whether a firing alert may end.
    pub fn is_recovered(&self) -> bool {
        match (self.recovery, self.threshold) {
            (Some(level), Threshold::Above(_)) => self.value <= level,
            (Some(level), Threshold::Below(_)) => self.value >= level,
            (_, threshold) => !threshold.broken_by(self.value),
        }
    }

    /// The value alone: `6.4 %`.
    pub fn value_text(&self, currency: &str) -> String {
        self.pair(currency).0
    }

    /// The bound alone: `2 %`; `some` where anything would do.
    pub fn threshold_text(&self, currency: &str) -> String {
        self.pair(currency).1
    }

    /// What is bad, as a condition: `> 2 %`, `< 12 %`, `nothing`.
    pub fn condition_text(&self, currency: &str) -> String {
        let bound = self.threshold_text(currency);
        match self.threshold {
            Threshold::Above(_) => format!("> {bound}"),
            Threshold::Below(_) => format!("< {bound}"),
            Threshold::Something => "nothing".to_owned(),
        }
    }

    /// Both, as the title says it: `6.4 % > 2 %`. When the value is fine: `1.2 % ≤ 2 %`.
    pub fn comparison(&self, currency: &str) -> String {
        let (value, bound) = self.pair(currency);
        let broken = self.threshold.broken_by(self.value);
        match self.threshold {
            Threshold::Above(_) => format!("{value} {} {bound}", if broken { '>' } else { '≤' }),
            Threshold::Below(_) => format!("{value} {} {bound}", if broken { '<' } else { '≥' }),
            Threshold::Something if broken => "nothing came".to_owned(),
            Threshold::Something => format!("{value} came"),
        }
    }

    fn pair(&self, currency: &str) -> (String, String) {
        let (Threshold::Above(bound) | Threshold::Below(bound)) = self.threshold else {
            return (self.unit.text(self.value, currency), "some".to_owned());
        };
        let texts = |extra| (self.unit.text_with(self.value, currency, extra), self.unit.text_with(bound, currency, extra));
        #[expect(clippy::float_cmp, reason = "equal numbers may print equal; any difference must show")]
        let same = self.value == bound;
        // Nine decimals more is beyond what any stored sum (millionths) resolves.
        (0..=9).map(texts).find(|(value, bound)| same || value != bound).unwrap_or_else(|| texts(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let printed = |unit: Unit, value: f64| unit.text(value, "ZAR").replace(NBSP, " ");
        for (unit, value, said) in [
            (Unit::Ratio, 0.064, "6.4 %"),
            (Unit::Ratio, 0.12, "12 %"),
            (Unit::Ratio, 1.0, "100 %"),
            (Unit::Seconds, 0.85, "850 ms"),
            (Unit::Seconds, 1.855, "1.85 s"),
            (Unit::Seconds, 12.0, "12 s"),
            (Unit::Cents, 123_450.0, "R 1 234,50"),
            (Unit::Cents, -5.0, "-R 0,05"),
            (Unit::Cents, 0.0, "R 0,00"),
            (Unit::Bytes, 1_500.0, "1.5 kB"),
            (Unit::Plain, 1_234_567.0, "1 234 567"),
            (Unit::Plain, 0.0, "0"),
            (Unit::Plain, -1_000.0, "-1 000"),
            (Unit::PerSecond, 0.25, "0.25/s"),
        ] {
            assert_eq!(printed(unit, value), said);
        }
        assert_eq!(Unit::Cents.text(100.0, "EUR").replace(NBSP, " "), "EUR 1,00");
    }

    #[test]
    fn the_unit_comes_from_the_name_and_the_aggregate() {
        for (name, aggregate, unit) in [
            ("http_request_duration_seconds", Aggregate::P95, Unit::Seconds),
            ("http_request_duration_seconds", Aggregate::Count, Unit::Plain),
            ("revenue_cents", Aggregate::Sum, Unit::Cents),
            ("revenue_cents_total", Aggregate::Sum, Unit::Cents),
            ("http_response_bytes_total", Aggregate::Rate, Unit::PerSecond),
            ("cache_hit_ratio", Aggregate::Last, Unit::Ratio),
            ("bookings_total", Aggregate::Sum, Unit::Plain),
        ] {
            assert_eq!(Unit::of(name, aggregate), unit, "{name}");
        }
    }

    #[test]
    fn a_value_just_beyond_its_bound_never_prints_as_equal_to_it() {
        let measured = Measured::new(0.020_004, Threshold::Above(0.02), Unit::Ratio, 300_000);
        assert_eq!(measured.comparison("ZAR").replace(NBSP, " "), "2.0004 % > 2 %");
        let fine = Measured { value: 0.02, ..measured };
        assert_eq!(fine.comparison("ZAR").replace(NBSP, " "), "2 % ≤ 2 %");
        let low = Measured { threshold: Threshold::Below(0.12), value: 0.05, ..measured };
        assert_eq!(low.comparison("ZAR").replace(NBSP, " "), "5 % < 12 %");
    }
}
