//! One step of delivery as the Engine takes it: a round of sends and, when a message was given up, the alert about its
//! channel at once, so that people hear of it through another one now and not at the next tick.

use super::tick::watch_channels;
use crate::channel::Addresses;
use crate::config::Config;
use crate::outbox::deliver::{Courier, Round, round};
use crate::outbox::message::AttemptOutcome;
use crate::ports::{Db, Http};
use crate::time::UnixMs;

/// Sends at most one due message of each channel. Call again when [`Round::next_due_at`] is reached.
pub async fn dispatch(now: UnixMs, config: &Config, addresses: &Addresses, db: &impl Db, http: &impl Http, courier: &mut Courier) -> Round {
    let mut done = round(now, &config.alerting.channels, addresses, db, http, courier).await;
    if !done.sent.iter().any(|sent| sent.outcome == AttemptOutcome::Dead) {
        return done;
    }
    match watch_channels(now, config, addresses, db).await {
        Ok(report) if report.messages > 0 => done.next_due_at = Some(now),
        Ok(_) => {}
        // The next tick looks at the channels again.
        Err(error) => done.problem = done.problem.or(Some(error.to_string())),
    }
    done
}
