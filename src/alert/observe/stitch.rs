//! Which parts of a look's window are read where.
//!
//! Invariant: the parts touch and do not overlap; together they are the window.

use super::{Grain, LIVE_MS, Look, Resolution, SLICE_MS, Stretch};
use crate::config::alerting::Over;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs, Window, day_window};

/// From how long ago on a stitched window reads live slices.
const CUT_OFF_MS: i64 = 10 * MINUTE_MS;
/// From this length on a window's whole hours are read as hours: 3 days of one series are 72 rows then, not 4,320.
const HOURS_FROM_MS: i64 = 6 * HOUR_MS;
/// From this age on only hours are read: minutes are kept for seven days.
const MINUTES_UNTIL_MS: i64 = 6 * DAY_MS;

/// From when on live slices are read at `now`: older minutes are surely written.
pub(in crate::alert) fn cut_off(now: UnixMs) -> UnixMs {
    now.plus(-CUT_OFF_MS).floor(MINUTE_MS)
}

/// A look's window, and which parts of it are read where.
pub(super) struct Stitch {
    pub(super) whole: Window,
    pub(super) stored: Vec<Stretch>,
    pub(super) live: Option<Window>,
}

/// Starts are floored to the bucket they fall in, so a window is at most one bucket longer than asked, never shorter.
pub(super) fn stitch(look: &Look<'_>, now: UnixMs, zone: chrono_tz::Tz) -> Stitch {
    let cut_off = cut_off(now);
    if let (Grain::Hours, Over::Ms(ms)) = (look.grain, look.over) {
        let whole = Window { from: cut_off.floor(HOUR_MS).plus(-ms), to: cut_off.floor(HOUR_MS) };
        return Stitch { whole, stored: vec![(Resolution::HourByHour, whole)], live: None };
    }
    let to = if look.ago_ms > 0 { now.plus(-look.ago_ms).floor(MINUTE_MS) } else { now };
    let from = match look.over {
        Over::Ms(ms) if ms <= LIVE_MS && look.ago_ms == 0 => now.plus(-ms).floor(SLICE_MS),
        Over::Ms(ms) => to.plus(-ms).floor(MINUTE_MS),
        Over::Today => day_window(to, zone).from,
    };
    let whole = Window { from, to };
    let within_live = matches!(look.over, Over::Ms(ms) if ms <= LIVE_MS) && look.ago_ms == 0;
    if within_live || from >= cut_off {
        return Stitch { whole, stored: Vec::new(), live: Some(whole) };
    }
    if now.since(from) > MINUTES_UNTIL_MS && now.since(to) > MINUTES_UNTIL_MS {
        let from = from.floor(HOUR_MS);
        let whole = Window { from, to: to.floor(HOUR_MS).max(from.plus(HOUR_MS)) };
        return Stitch { whole, stored: vec![(Resolution::Hour, whole)], live: None };
    }
    let stored = stretches(Window { from, to: to.min(cut_off) }, now);
    let from = stored.first().map_or(from, |(_, window)| window.from);
    Stitch { whole: Window { from, to }, stored, live: (to > cut_off).then_some(Window { from: cut_off, to }) }
}

fn stretches(rows: Window, now: UnixMs) -> Vec<Stretch> {
    if rows.length_ms() < HOURS_FROM_MS {
        return vec![(Resolution::Minute, rows)];
    }
    let old = now.since(rows.from) > MINUTES_UNTIL_MS;
    let first = if old { rows.from.floor(HOUR_MS) } else { rows.from.plus(HOUR_MS - 1).floor(HOUR_MS) };
    let last = rows.to.floor(HOUR_MS);
    let parts = [
        (Resolution::Minute, Window { from: rows.from, to: first }),
        (Resolution::Hour, Window { from: first, to: last }),
        (Resolution::Minute, Window { from: last, to: rows.to }),
    ];
    parts.into_iter().filter(|(_, window)| window.length_ms() > 0).collect()
}
