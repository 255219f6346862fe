//! Waiting for something to become true, bounded: the one place that looks again after a pause.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(50);

/// The first `Some` of `look`; `what` names what did not come within `seconds`.
pub fn until<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let (began, bound) = (stopwatch(), Duration::from_secs(seconds));
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < bound, "waited {seconds} s for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// The test machine's clock, which bounds waits and measures rates.
#[expect(clippy::disallowed_methods, reason = "a bounded wait needs the test machine's clock")]
pub fn stopwatch() -> Instant {
    Instant::now()
}
