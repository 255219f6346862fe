//! The clock, read once per entry point. In production it stands still between I/O; durations are I/O time.

use crate::time::UnixMs;

/// The moment the runtime says it is.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit an i64 for 292 million years")]
pub(super) fn now() -> UnixMs {
    UnixMs(js_sys::Date::now() as i64)
}
