//! Digits that are somebody's: cards, South African id numbers, phone numbers.
//!
//! Each function looks at a text that starts with the digits and says how many bytes are personal. Groups may be
//! parted by one space or dash. At most [`MOST_DIGITS`] + 1 digits are read, so a look-ahead is bounded.

use super::Marker;

/// The longest card number (ISO/IEC 7812).
const MOST_DIGITS: usize = 19;

/// Where digits stand in the text, group by group.
#[derive(Debug, Default)]
struct Groups {
    digits: Vec<u8>,
    /// After each group: how many digits so far, and the byte it ends at.
    ends: Vec<(usize, usize)>,
}

impl Groups {
    /// Reads groups of digits from the start of `text`, at most `most` digits, each next group after what `separator`
    /// takes (bytes; 0: nothing). A group that does not fit whole is left out.
    fn read(text: &str, most: usize, separator: impl Fn(&str) -> usize) -> Self {
        let mut groups = Self::default();
        let mut at = 0;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let run = rest.bytes().take(most + 1).take_while(u8::is_ascii_digit).count();
            if run == 0 || groups.digits.len() + run > most {
                return groups;
            }
            groups.digits.extend(rest.bytes().take(run).map(|byte| byte - b'0'));
            at += run;
            groups.ends.push((groups.digits.len(), at));
            let parted = separator(text.get(at..).unwrap_or_default());
            if parted == 0 {
                return groups;
            }
            at += parted;
        }
    }

    /// The sizes of the groups up to the one that ends at `count` digits.
    fn sizes(&self, count: usize) -> Vec<usize> {
        let ends: Vec<usize> = self.ends.iter().map(|(digits, _)| *digits).take_while(|digits| *digits <= count).collect();
        ends.iter().zip(std::iter::once(&0).chain(ends.iter())).map(|(end, start)| end - start).collect()
    }

    fn first(&self, count: usize) -> &[u8] {
        self.digits.get(..count).unwrap_or_default()
    }
}

/// What the digits at the start of `text` are, and how many bytes of it; `before` is the character in front of them.
pub(super) fn personal(text: &str, before: Option<char>) -> Option<(Marker, usize)> {
    identity_or_card(text).or_else(|| {
        let stands_alone = before.is_none_or(|c| !c.is_alphanumeric());
        stands_alone.then(|| national_phone(text)).flatten().map(|bytes| (Marker::Phone, bytes))
    })
}

fn identity_or_card(text: &str) -> Option<(Marker, usize)> {
    let first_run = text.bytes().take_while(u8::is_ascii_digit).take(MOST_DIGITS + 1).count();
    let parted_by = text.get(first_run..).and_then(|rest| rest.chars().next()).filter(|c| is_separator(*c));
    let same = |rest: &str| parted_by.filter(|c| rest.starts_with(*c)).map_or(0, char::len_utf8);
    let groups = Groups::read(text, MOST_DIGITS, same);
    groups.ends.iter().rev().find_map(|(count, end)| {
        let digits = groups.first(*count);
        if is_id_number(digits) {
            return Some((Marker::Id, *end));
        }
        // Dates and lists of small numbers have groups of one or two digits; cards are printed in threes and more.
        let sizes = groups.sizes(*count);
        let printed_like_a_card = sizes.iter().rev().skip(1).all(|size| *size >= 3);
        (printed_like_a_card && is_card(digits)).then_some((Marker::Card, *end))
    })
}

/// A space, a dash, and what word processors make of them.
fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '\u{a0}' | '\u{202f}' | '\u{2010}'..='\u{2014}' | '\u{2212}')
}

/// 13 to 19 digits that pass the Luhn test. Padding zeros do not count, and no card starts with 1 except the airlines'
/// own: moments in milliseconds, microseconds and nanoseconds do.
fn is_card(digits: &[u8]) -> bool {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let number = digits.get(zeros..).unwrap_or_default();
    (13..=MOST_DIGITS).contains(&number.len()) && number.first().is_some_and(|first| *first >= 2) && passes_luhn(number)
}

/// `YYMMDD SSSS C A Z`: a date that exists in some century, citizenship 0 to 2, Luhn.
fn is_id_number(digits: &[u8]) -> bool {
    let [y1, y2, m1, m2, d1, d2, _, _, _, _, citizenship, _, _] = *digits else { return false };
    let (year, month, day) = (y1 * 10 + y2, m1 * 10 + m2, d1 * 10 + d2);
    let days = match month {
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day) && citizenship <= 2 && passes_luhn(digits)
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `0XX XXX XXXX` in the usual groupings, `0027…`, and `27` before a mobile number as chat programs write it.
fn national_phone(text: &str) -> Option<usize> {
    let parted = |rest: &str| {
        let bracket = usize::from(rest.starts_with(')'));
        let after = rest.get(bracket..).unwrap_or_default().chars().next().filter(|c| is_separator(*c));
        bracket + after.map_or(0, char::len_utf8)
    };
    let groups = Groups::read(text, 13, parted);
    groups.ends.iter().find_map(|(count, end)| {
        let fits = match (*count, groups.first(*count)) {
            (10, [0, 1..=8, ..]) => matches!(groups.sizes(10).as_slice(), [10] | [3, 7] | [3, 3, 4] | [3, 4, 3] | [4, 3, 3] | [4, 6]),
            (11, [2, 7, 6..=8, ..]) => groups.sizes(11).as_slice() == [11],
            (13, [0, 0, 2, 7, 1..=8, ..]) => true,
            _ => false,
        };
        (fits && ends_word(text, *end)).then_some(*end)
    })
}

/// E.164 after its `+` (which `text` does not hold): 8 to 15 digits; a South African number is exactly 11, or 12 with
/// its trunk zero.
pub(super) fn international_phone(text: &str) -> Option<usize> {
    let parted = |rest: &str| rest.bytes().take(2).take_while(|byte| matches!(byte, b' ' | b'-' | b'(' | b')')).count();
    let groups = Groups::read(text, 15, parted);
    let south_african = |count: usize| match groups.first(count) {
        [2, 7, 0, ..] => count == 12,
        [2, 7, ..] => count == 11,
        _ => false,
    };
    let exact = groups.ends.iter().find(|(count, _)| south_african(*count));
    let longest = || groups.ends.iter().rev().find(|(count, _)| (8..=15).contains(count) && groups.digits.first() != Some(&0));
    exact.or_else(longest).map(|(_, end)| *end)
}

fn ends_word(text: &str, end: usize) -> bool {
    text.get(end..).and_then(|rest| rest.chars().next()).is_none_or(|c| !c.is_alphanumeric())
}
