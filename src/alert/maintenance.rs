//! Is a recurring maintenance window open? Pure: a window of the configuration and a moment.
//!
//! A window is local time: `22:00` to `02:00` on a Saturday begins on Saturday and ends on Sunday, and it belongs to the
//! Saturday, also for `expires`. Where a zone changes its clock the window follows the clock on the wall: an hour that is
//! skipped is not maintenance, one that comes twice is maintenance twice. Invariant: a window that does not read (the
//! configuration's check refuses it) is never open, so the mistake tells people too much and not too little.

use chrono::{Datelike, NaiveDate, Timelike};

use crate::config::alerting::{Hours, Maintenance, Span, Weekday};
use crate::time::UnixMs;

/// Whether `window` is open at `now`: its first minute is inside, its last is not.
pub fn is_open(window: &Maintenance, now: UnixMs) -> bool {
    let begins_on = |day: NaiveDate| window.days.contains(&weekday(day)) && not_expired(window, day);
    is_in(&window.hours, &window.zone, now, begins_on)
}

/// Whether `now` is within `hours`.
pub fn is_within(hours: &Hours, now: UnixMs) -> bool {
    is_in(&hours.hours, &hours.zone, now, |day| hours.days.contains(&weekday(day)))
}

fn is_in(hours: &Span, zone: &str, now: UnixMs, begins_on: impl Fn(NaiveDate) -> bool) -> bool {
    let (Some(hours), Ok(zone)) = (hours.minutes(), zone.parse::<chrono_tz::Tz>()) else { return false };
    let local = now.utc().with_timezone(&zone);
    let (minute, today) = (local.hour() * 60 + local.minute(), local.date_naive());
    let (from, to) = hours;
    if from < to {
        return from <= minute && minute < to && begins_on(today);
    }
    (from <= minute && begins_on(today)) || (minute < to && today.pred_opt().is_some_and(&begins_on))
}

fn not_expired(window: &Maintenance, day: NaiveDate) -> bool {
    window.last_day().is_some_and(|last| (day.year(), day.month(), day.day()) <= last)
}

fn weekday(day: NaiveDate) -> Weekday {
    match day.weekday() {
        chrono::Weekday::Mon => Weekday::Mon,
        chrono::Weekday::Tue => Weekday::Tue,
        chrono::Weekday::Wed => Weekday::Wed,
        chrono::Weekday::Thu => Weekday::Thu,
        chrono::Weekday::Fri => Weekday::Fri,
        chrono::Weekday::Sat => Weekday::Sat,
        chrono::Weekday::Sun => Weekday::Sun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    /// Monday 2026-03-02, midnight UTC.
    const MONDAY: UnixMs = UnixMs(1_772_409_600_000);

    fn window(days: &[Weekday], from: &str, to: &str, zone: &str, expires: &str) -> Maintenance {
        Maintenance {
            id: "w".into(),
            matchers: vec![],
            days: days.to_vec(),
            hours: Span { from: from.into(), to: to.into() },
            zone: zone.into(),
            reason: "database upgrade".into(),
            author: "ops".into(),
            expires: expires.into(),
        }
    }

    #[test]
    fn a_window_is_open_in_its_own_zone_on_its_own_days() {
        let weekdays = window(&[Weekday::Mon, Weekday::Wed], "02:00", "04:00", "Africa/Johannesburg", "2026-12-31");
        let overnight = window(&[Weekday::Sat], "22:00", "02:00", "UTC", "2026-03-07");
        for (window, day, hour, minute, expected) in [
            (&weekdays, 0, 0, 0, true),
            (&weekdays, 0, 1, 59, true),
            (&weekdays, 0, 2, 0, false),
            (&weekdays, -1, 23, 59, false),
            (&weekdays, 1, 0, 30, false),
            (&weekdays, 2, 0, 30, true),
            // Saturday is day 5; the window that began on it goes on into Sunday.
            (&overnight, 5, 21, 59, false),
            (&overnight, 5, 22, 0, true),
            (&overnight, 6, 1, 59, true),
            (&overnight, 6, 2, 0, false),
            (&overnight, 6, 22, 0, false),
            // Saturday at one belongs to Friday.
            (&overnight, 5, 1, 0, false),
            // A week later it has expired.
            (&overnight, 12, 22, 0, false),
        ] {
            let at = MONDAY.plus(day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS);
            assert_eq!(is_open(window, at), expected, "{} at {}", window.hours.from, at.rfc3339());
        }
    }

    #[test]
    fn a_window_follows_the_clock_on_the_wall_when_that_is_changed() {
        // Sunday 2026-03-29: in Berlin 02:00 is followed by 03:00, which is 01:00 UTC.
        let nightly = window(&[Weekday::Sun], "01:30", "03:30", "Europe/Berlin", "2026-12-31");
        let sunday = UnixMs(1_774_742_400_000);
        for (minutes, expected) in [(29, false), (30, true), (59, true), (60, true), (89, true), (90, false)] {
            assert_eq!(is_open(&nightly, sunday.plus(minutes * MINUTE_MS)), expected, "{minutes}");
        }
    }

    #[test]
    fn a_window_that_does_not_read_is_never_open() {
        let every = [Weekday::Mon, Weekday::Tue];
        for (from, to, zone, expires) in [
            ("00:00", "24:00", "Mars/Olympus", "2026-12-31"),
            ("0:00", "24:00", "UTC", "2026-12-31"),
            ("03:00", "03:00", "UTC", "2026-12-31"),
            ("00:00", "24:00", "UTC", "31.12.2026"),
            ("00:00", "24:00", "UTC", "2026-13-01"),
        ] {
            assert!(!is_open(&window(&every, from, to, zone, expires), MONDAY.plus(3 * HOUR_MS)), "{from} {to} {zone} {expires}");
        }
    }
}
