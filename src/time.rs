//! Moments, spans and half-open windows, all in UTC milliseconds.
//!
//! Invariant: a [`Window`] is `[from, to)`; two windows that touch share no moment. Civil time (a business day in
//! `Africa/Johannesburg`) exists only at the border, in [`day_window`].

use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};
use chrono_tz::OffsetName;
use serde::{Deserialize, Serialize};

use crate::record::{FromJson, Read};

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl FromJson for UnixMs {
    fn from_json(value: serde_json::Value) -> Read<Self> {
        i64::from_json(value).map(Self)
    }
}

/// One second, in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// One minute, in milliseconds.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// One hour, in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day of 24 hours, in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

impl UnixMs {
    /// The start of the bucket of `width_ms` that holds this moment.
    #[must_use]
    pub fn floor(self, width_ms: i64) -> Self {
        Self(self.0.div_euclid(width_ms.max(1)) * width_ms.max(1))
    }

    /// This moment `ms` later (earlier if negative).
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative if `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC with milliseconds, for example `2026-03-01T12:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        self.utc().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    /// Reads RFC 3339: `2026-03-01T14:00:00+02:00`, with or without a fraction, `Z` for UTC, a space for `T`.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let (date, rest) = (text.get(..10)?, text.get(11..)?);
        let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
        text.get(10..11).filter(|between| ["T", "t", " "].contains(between))?;
        let fraction_chars = rest.strip_prefix('.').map_or(0, |fraction| 1 + fraction.bytes().take_while(u8::is_ascii_digit).count());
        let (fraction, zone) = (rest.get(..fraction_chars)?, rest.get(fraction_chars..)?);
        let ms: i64 = match fraction.get(1..) {
            None => 0,
            Some("") => return None,
            Some(digits) => digits.bytes().chain(*b"00").take(3).fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0')),
        };
        let offset_min = match (zone, zone.get(..1)) {
            ("Z" | "z", _) => 0,
            (_, Some("+")) => minutes(zone.get(1..)?)?,
            (_, Some("-")) => -minutes(zone.get(1..)?)?,
            _ => return None,
        };
        let [year, month, day] = numbers(date, ["", "-", "-"], [4, 2, 2])?;
        Some(civil([year, month, day], clock)?.plus(ms - offset_min * MINUTE_MS))
    }

    /// Reads `2026-03-01 14:00` on the clock of `zone`: the first of two such moments; none, if the clock skipped it.
    pub fn from_clock(text: &str, zone: chrono_tz::Tz) -> Option<Self> {
        let [year, month, day, hour, minute] = numbers(text, ["", "-", "-", " ", ":"], [4, 2, 2, 2, 2])?;
        let local = civil([year, month, day], &format!("{hour:02}:{minute:02}:00"))?.utc().naive_utc();
        zone.from_local_datetime(&local).earliest().map(|at| Self(at.timestamp_millis()))
    }

    /// Reads HTTP's date, which is always UTC: `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let mut parts = text.get(5..).filter(|_| text.get(3..5) == Some(", "))?.split(' ');
        let [day] = numbers(parts.next()?, [""], [2])?;
        let name = parts.next()?;
        let month = i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
        let [year] = numbers(parts.next()?, [""], [4])?;
        let clock = parts.next()?;
        (parts.next() == Some("GMT") && parts.next().is_none()).then(|| civil([year, month, day], clock))?
    }

    /// The same moment as chrono's UTC date and time; moments outside chrono's range become the epoch.
    pub fn utc(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0).single().unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// `HH:MM ZZZ` in `zone`, the way messages print a moment: `14:02 SAST`.
    pub fn clock_in(self, zone: chrono_tz::Tz) -> String {
        let here = self.utc().with_timezone(&zone);
        format!("{:02}:{:02} {}", here.hour(), here.minute(), here.offset().abbreviation().unwrap_or("UTC"))
    }

    /// `28 Feb` in `zone`.
    pub fn date_in(self, zone: chrono_tz::Tz) -> String {
        let here = self.utc().with_timezone(&zone);
        let month = usize::try_from(here.month0()).ok().and_then(|month| MONTHS.get(month));
        format!("{} {}", here.day(), month.unwrap_or(&""))
    }
}

/// chrono's own formatter costs 10 KB of WebAssembly.
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `HH:MM` of an offset, in minutes.
fn minutes(text: &str) -> Option<i64> {
    let [hours, minutes] = numbers(text, ["", ":"], [2, 2])?;
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Numbers of so many digits, each after its mark, and nothing else.
fn numbers<const N: usize>(text: &str, marks: [&str; N], digits: [usize; N]) -> Option<[i64; N]> {
    let mut rest = text;
    let mut read = [0; N];
    for ((number, mark), digits) in read.iter_mut().zip(marks).zip(digits) {
        rest = rest.strip_prefix(mark)?;
        let these = rest.get(..digits).filter(|these| these.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = these.parse().ok()?;
        rest = rest.get(digits..)?;
    }
    rest.is_empty().then_some(read)
}

/// A civil date and `HH:MM:SS` in UTC; a leap second counts as the one before.
fn civil([year, month, day]: [i64; 3], clock: &str) -> Option<UnixMs> {
    let [hour, minute, second] = numbers(clock, ["", ":", ":"], [2, 2, 2])?;
    let small = |number: i64| u32::try_from(number).ok();
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, small(month)?, small(day)?)?;
    let time = chrono::NaiveTime::from_hms_opt(small(hour)?, small(minute)?, small(second.min(59))?)?;
    (second <= 60).then(|| UnixMs(date.and_time(time).and_utc().timestamp_millis()))
}

/// A half-open span of time, `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Window {
    /// First moment inside.
    pub from: UnixMs,
    /// First moment after.
    pub to: UnixMs,
}

impl Window {
    /// The `length_ms` that end at `to`.
    pub fn ending_at(to: UnixMs, length_ms: i64) -> Self {
        Self { from: to.plus(-length_ms), to }
    }

    /// Whether `at` lies inside.
    pub fn contains(&self, at: UnixMs) -> bool {
        self.from <= at && at < self.to
    }

    /// Length in milliseconds, never negative.
    pub fn length_ms(&self) -> i64 {
        self.to.since(self.from).max(0)
    }
}

/// The civil day of `zone` that holds `now`, from local midnight to the next local midnight.
pub fn day_window(now: UnixMs, zone: chrono_tz::Tz) -> Window {
    let local = now.utc().with_timezone(&zone);
    let midnight = |date: chrono::NaiveDate| {
        zone.from_local_datetime(&date.and_time(chrono::NaiveTime::MIN))
            .earliest()
            .map_or(now.floor(DAY_MS), |at| UnixMs(at.timestamp_millis()))
    };
    let today = local.date_naive();
    let tomorrow = today.succ_opt().unwrap_or(today);
    Window { from: midnight(today), to: midnight(tomorrow) }
}

/// Minutes since local midnight (0 to 1439) and the weekday (1 = Monday … 7 = Sunday) of `now` in `zone`.
pub fn local_minute_and_weekday(now: UnixMs, zone: chrono_tz::Tz) -> (u32, u32) {
    let local = now.utc().with_timezone(&zone);
    (local.hour() * 60 + local.minute(), local.weekday().number_from_monday())
}

/// `90 s`, `5 min`, `1 h 12 min`, `2 d 3 h`: a span the way people say it, at most two units.
pub fn human_span(ms: i64) -> String {
    let seconds = ms.max(0) / SECOND_MS;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) if seconds % 60 == 0 || minutes >= 5 => format!("{minutes} min"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_johannesburg_day_starts_at_22_utc() {
        let noon = UnixMs(1_772_366_400_000); // 2026-03-01T12:00:00Z
        let day = day_window(noon, chrono_tz::Africa::Johannesburg);
        assert_eq!(day.from.rfc3339(), "2026-02-28T22:00:00.000Z");
        assert_eq!(day.length_ms(), DAY_MS);
        assert_eq!(noon.clock_in(chrono_tz::Africa::Johannesburg), "14:00 SAST");
    }

    #[test]
    fn a_clock_on_a_wall_is_read_in_its_zone_and_an_hour_it_skips_is_no_moment() {
        let berlin = |text: &str| UnixMs::from_clock(text, chrono_tz::Europe::Berlin).map(UnixMs::rfc3339);
        for (text, expected) in [
            ("2026-03-02 13:00", Some("2026-03-02T12:00:00.000Z")),
            ("2026-07-02 13:00", Some("2026-07-02T11:00:00.000Z")),
            ("2026-03-29 02:30", None),
            // Twice there; the first.
            ("2026-10-25 02:30", Some("2026-10-25T00:30:00.000Z")),
            ("2026-02-30 13:00", None),
            ("2026-03-02 24:00", None),
            ("2026-03-02 1:00", None),
            ("2026-03-02T13:00", None),
            ("yesterday", None),
        ] {
            assert_eq!(berlin(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn rfc_3339_is_read_as_chrono_reads_it() {
        let plainly = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|at| UnixMs(at.timestamp_millis()));
        for text in [
            "2026-03-01T14:00:00+02:00",
            "2026-03-01T12:00:00Z",
            "2026-03-01t12:00:00.5z",
            "2026-03-01 12:00:00.123456789-03:30",
            "2024-02-29T23:59:60Z",
            "1969-12-31T23:59:59.999Z",
        ] {
            assert!(plainly(text).is_some());
            let (read, expected) = (UnixMs::from_rfc3339(text), plainly(text));
            // chrono keeps a leap second as a second more of the one before.
            assert_eq!(read, if text.contains(":60") { expected.map(|at| at.plus(-SECOND_MS)) } else { expected }, "{text}");
        }
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T12:00:00",
            "2026-02-29T12:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:60:00Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00+2:00",
            "2026-03-01T12:00:00Zulu",
            "+026-03-01T12:00:00Z",
            "2026-03-01X12:00:00Z",
            "2026-0é-01T12:00:00Z",
        ] {
            assert_eq!(UnixMs::from_rfc3339(text), None, "{text}");
            assert_eq!(plainly(text), None, "{text}");
        }
    }

    #[test]
    fn https_date_is_read() {
        assert_eq!(UnixMs::from_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(UnixMs(784_111_777_000)));
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37 EST",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "soon",
        ] {
            assert_eq!(UnixMs::from_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn spans_read_as_people_say_them() {
        for (ms, said) in
            [(0, "0 s"), (59_000, "59 s"), (90_000, "1 min 30 s"), (300_000, "5 min"), (4_320_000, "1 h 12 min"), (183_600_000, "2 d 3 h")]
        {
            assert_eq!(human_span(ms), said);
        }
    }

    #[test]
    fn floors_are_right_before_the_epoch_too() {
        assert_eq!(UnixMs(-1).floor(10), UnixMs(-10));
        assert_eq!(UnixMs(19).floor(10), UnixMs(10));
    }
}
