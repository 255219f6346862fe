//! Tells the outside how a tick went: a Sentry cron check-in, and a heartbeat URL that is called only after a clean one.
//! What watches the watcher must not stop it: failures here are logged and change nothing.

use worker::Env;

use super::bindings;
use super::outbound::Outbound;
use crate::alert::tick::TickReport;
use crate::channel::SENTRY_DSN;
use crate::channel::sentry::{CheckIn, CheckInStatus, check_in};
use crate::config::Config;
use crate::ports::{Http, HttpRequest};

/// The optional binding with a URL that a dead man's switch waits for.
const HEARTBEAT_URL: &str = "HEARTBEAT_URL";
/// The bound on each call.
const TIMEOUT_MS: u32 = 5_000;

/// Reports one tick.
pub(super) async fn tell(env: &Env, config: &Config, report: &TickReport, duration_ms: i64) {
    let clean = report.is_clean();
    if let Some(dsn) = bindings::text(env, SENTRY_DSN) {
        let status = if clean { CheckInStatus::Ok } else { CheckInStatus::Error };
        let environment = config.site.environment.as_str();
        match check_in(&dsn, &config.sentry.monitor, &CheckIn { status, duration_ms, scheduled: report.now, environment }) {
            Ok(request) => send("sentry check-in", request).await,
            Err(error) => worker::console_error!("sentry check-in: {error}"),
        }
    }
    if let Some(url) = bindings::text(env, HEARTBEAT_URL).filter(|_| clean) {
        send("heartbeat", HttpRequest { method: "GET".to_owned(), url, headers: Vec::new(), body: Vec::new() }).await;
    }
}

async fn send(what: &str, request: HttpRequest) {
    match Outbound.send(request, TIMEOUT_MS).await {
        Ok(response) if (200..300).contains(&response.status) => {}
        Ok(response) => worker::console_error!("{what}: answered {}", response.status),
        Err(error) => worker::console_error!("{what}: {error}"),
    }
}
