//! Errors to Sentry, after the response and never in its way.
//!
//! At most once: an event that does not arrive is not sent again, but the next of its group says how many it stands for,
//! and the series of errors count them all. Sentry's wish for silence goes back to the reporter.

use std::cell::RefCell;
use std::future::Future;

use worker::{Context, Env};

use super::outbound::Outbound;
use super::{active, bindings, clock};
use crate::channel::SENTRY_DSN;
use crate::channel::sentry::quota::{self, Category};
use crate::channel::sentry::{self, Sent};
use crate::config::Config;
use crate::edge::redact::Scrubber;
use crate::ports::{Http, HttpRequest};
use crate::telemetry::errors::{ErrorReport, ErrorReporter, ReportDecision};
use crate::telemetry::series::SeriesKey;
use crate::time::UnixMs;

/// How long an event may take; it holds a `wait_until`, which lives 30 s.
const TIMEOUT_MS: u32 = 5_000;

thread_local! {
    static REPORTER: RefCell<ErrorReporter> = RefCell::default();
}

/// Reports an error of a request, in its `wait_until`.
pub(super) fn error(env: &Env, context: &Context, config: &Config, report: &ErrorReport, now: UnixMs) {
    if let Some(sending) = sending(env, config, report, now) {
        context.wait_until(sending);
    }
}

/// What has to be awaited so that an error gets to Sentry: for a Durable Object's or the cron trigger's own `wait_until`.
/// `None` when nothing is to be sent, or `SENTRY_DSN` is not set (which the health output says).
pub(super) fn sending(env: &Env, config: &Config, report: &ErrorReport, now: UnixMs) -> Option<impl Future<Output = ()> + use<>> {
    let dsn = bindings::text(env, SENTRY_DSN)?;
    let decision = REPORTER.with_borrow_mut(|reporter| reporter.decide(report, now, &config.sentry));
    let ReportDecision::Send { occurrences } = decision else { return None };
    let sent = Sent { at: now, occurrences, environment: config.site.environment.as_str() };
    match sentry::error_event(&dsn, report, &sent, &Scrubber::new(&config.sentry.scrub_keys)) {
        Ok(request) => Some(send(request)),
        Err(error) => {
            worker::console_error!("an error is not reported: {error}");
            None
        }
    }
}

/// Reports a failure of Parapet's own, where something can wait for it: a Durable Object, or a `wait_until`.
pub(super) async fn own(env: &Env, part: &str, message: &str) {
    worker::console_error!("{part}: {message}");
    let Ok(in_force) = active::current(env) else { return };
    if let Some(sending) = sending(env, &in_force.config, &ErrorReport::own(part, message), clock::now()) {
        sending.await;
    }
}

/// What was decided since the last call, as counters for the isolate's buffer.
pub(super) fn take_counts() -> Vec<(SeriesKey, u64)> {
    REPORTER.with_borrow_mut(ErrorReporter::take_counts)
}

async fn send(request: HttpRequest) {
    match Outbound.send(request, TIMEOUT_MS).await {
        Ok(response) => {
            let until = quota::limited_until(&response, Category::Error, clock::now());
            REPORTER.with_borrow_mut(|reporter| reporter.observe_limit(until));
            if !(200..300).contains(&response.status) {
                worker::console_error!("Sentry answered an error event with {}", response.status);
            }
        }
        Err(error) => worker::console_error!("an error event did not reach Sentry: {error}"),
    }
}
