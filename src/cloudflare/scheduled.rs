//! The cron trigger: hands the scheduled moment to the Engine. A result here would be dropped by the runtime, so a failure
//! is logged; the Engine's alarm makes up for it.

use worker::{Env, ScheduleContext, ScheduledEvent, event};

use super::bindings::{self, Class};
use super::engine;
use crate::time::UnixMs;

#[event(scheduled)]
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit an i64 for 292 million years")]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    let now = UnixMs(event.schedule() as i64);
    if let Err(error) = bindings::call(&env, Class::Engine, engine::NAME, "/tick", &now.0.to_string()).await {
        worker::console_error!("tick at {}: the Engine did not answer: {error}", now.rfc3339());
    }
}
