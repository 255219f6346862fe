//! `GET /api/v1/health`: how Parapet itself is, what is off for want of a secret, and what to do about it.
//!
//! Invariant: the status never says more than was looked at. A part that did not answer is a reason of its own, and no
//! secret's text is here, only names. A missing secret is a warning, not a bad status: a team without e-mail is not ill.
//! Only when no channel is left is it one, for then nobody would be told.

use serde::Serialize;

use crate::alert::link::LINK_SIGNING_SECRET;
use crate::channel::{SENTRY_DSN, needed};
use crate::config::Config;
use crate::config::alerting::Via;
use crate::order;
use crate::time::{MINUTE_MS, SECOND_MS, UnixMs, human_span};

/// The binding with the first administrator's token.
pub const BOOTSTRAP_TOKEN: &str = "BOOTSTRAP_TOKEN";

/// Cron comes each minute, and the Engine's alarm ticks by itself 90 s after the last good tick: beyond both by a minute.
pub const LATE_TICK_MS: i64 = MINUTE_MS + 90 * SECOND_MS;

/// Five minutes without a tick: alerts do not work.
pub const NO_TICK_MS: i64 = 5 * MINUTE_MS;

/// A flush is at most 1 s old and a retry of it 16 s: beyond that, numbers are stale.
pub const LATE_COLLECTOR_MS: i64 = 30 * SECOND_MS;

/// What was looked at. `None` is a part that did not answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The Engine.
    pub engine: Option<Ticks>,
    /// The Collectors.
    pub collector: Option<Intake>,
    /// The outbox in D1.
    pub outbox: Option<Messages>,
    /// API tokens in D1.
    pub tokens: Option<u64>,
}

/// The Engine's ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticks {
    /// When the last one finished; `None` before the first.
    pub last_at: Option<UnixMs>,
    /// Alerts of which it found something owed to people for too long.
    pub overdue: Vec<String>,
}

/// The Collectors' intake.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intake {
    /// How old the oldest value is that is not in D1 yet, beyond its minute.
    pub lag_ms: i64,
    /// Values dropped in the last 15 minutes.
    pub dropped: f64,
}

/// The outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Messages {
    /// Messages to be sent.
    pub due: u64,
    /// Those that wait for more than five minutes.
    pub overdue: u64,
    /// Messages given up in the last 24 hours.
    pub dead: u64,
}

/// The verdict, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything that was looked at works.
    Ok,
    /// Something works badly; people are still told.
    Degraded,
    /// Alerts or numbers do not work.
    Down,
}

impl Status {
    /// Every status, best first.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Degraded, Self::Down];

    /// The text that is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    /// The status called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// 503 when down, so that an uptime check needs no JSON; else 200.
    pub fn http_status(self) -> u16 {
        if self == Self::Down { 503 } else { 200 }
    }
}

/// Why the status is not `ok`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// How bad it is.
    pub status: Status,
    /// A stable word for programs.
    pub code: &'static str,
    /// What is wrong, with its number.
    pub detail: String,
}

/// A secret that is not set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The binding's name.
    pub secret: String,
    /// What is off without it.
    pub off: Vec<String>,
    /// What to do.
    pub fix: String,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// The verdict.
    pub status: Status,
    /// Why, worst first.
    pub reasons: Vec<Reason>,
    /// Secrets that are not set.
    pub warnings: Vec<Warning>,
    /// When this was looked at.
    pub at: UnixMs,
    /// Parapet's version.
    pub version: &'static str,
    /// When the last tick finished.
    pub last_tick_at: Option<UnixMs>,
    /// How long ago that is.
    pub tick_age_ms: Option<i64>,
    /// See [`Intake::lag_ms`].
    pub collector_lag_ms: Option<i64>,
    /// See [`Intake::dropped`].
    pub dropped: Option<f64>,
    /// See [`Messages::due`].
    pub outbox_due: Option<u64>,
    /// See [`Messages::dead`].
    pub outbox_dead: Option<u64>,
}

/// The health at `now`; `is_set` says whether a secret is bound and not empty.
pub fn health(config: &Config, seen: &Seen, is_set: impl Fn(&str) -> bool, now: UnixMs) -> Health {
    let mut reasons = [tick_reasons(seen, now), collector_reasons(seen), outbox_reasons(seen)].concat();
    let channels = &config.alerting.channels;
    if !channels.is_empty() && channels.iter().all(|channel| needed(&channel.via).iter().any(|secret| !is_set(secret))) {
        reasons.push(reason(Status::Degraded, "no_channel", "every channel lacks a secret: nobody would be told of an alert".to_owned()));
    }
    order::sort_by(&mut reasons, |a, b| a.status > b.status);
    let last_tick_at = seen.engine.as_ref().and_then(|ticks| ticks.last_at);
    Health {
        status: reasons.first().map_or(Status::Ok, |reason| reason.status),
        reasons,
        warnings: warnings(config, seen, is_set),
        at: now,
        version: env!("CARGO_PKG_VERSION"),
        last_tick_at,
        tick_age_ms: last_tick_at.map(|at| now.since(at).max(0)),
        collector_lag_ms: seen.collector.map(|intake| intake.lag_ms),
        dropped: seen.collector.map(|intake| intake.dropped),
        outbox_due: seen.outbox.map(|messages| messages.due),
        outbox_dead: seen.outbox.map(|messages| messages.dead),
    }
}

fn reason(status: Status, code: &'static str, detail: String) -> Reason {
    Reason { status, code, detail }
}

fn tick_reasons(seen: &Seen, now: UnixMs) -> Vec<Reason> {
    let Some(ticks) = &seen.engine else {
        return vec![reason(Status::Down, "engine_silent", "the Engine does not answer: no rule is evaluated".to_owned())];
    };
    let Some(last_at) = ticks.last_at else {
        return vec![reason(
            Status::Degraded,
            "no_tick_yet",
            "no tick has finished yet: the first comes within a minute of a deploy".to_owned(),
        )];
    };
    let age_ms = now.since(last_at);
    let late =
        |status, code| vec![reason(status, code, format!("the last tick finished {} ago; one is due each minute", human_span(age_ms)))];
    let mut reasons = match age_ms {
        age_ms if age_ms > NO_TICK_MS => late(Status::Down, "no_tick"),
        age_ms if age_ms > LATE_TICK_MS => late(Status::Degraded, "late_tick"),
        _ => Vec::new(),
    };
    if !ticks.overdue.is_empty() {
        let named = ticks.overdue.join(", ");
        reasons.push(reason(Status::Degraded, "alerts_overdue", format!("people should have heard more than 5 min ago of: {named}")));
    }
    reasons
}

fn collector_reasons(seen: &Seen) -> Vec<Reason> {
    let Some(intake) = seen.collector else {
        return vec![reason(Status::Down, "collector_silent", "a Collector does not answer: its numbers are missing".to_owned())];
    };
    let late = (intake.lag_ms > LATE_COLLECTOR_MS)
        .then(|| reason(Status::Degraded, "late_collector", format!("numbers reach D1 {} late", human_span(intake.lag_ms))));
    let dropped = (intake.dropped > 0.0)
        .then(|| reason(Status::Degraded, "dropped", format!("{} values were dropped in the last 15 min", intake.dropped)));
    late.into_iter().chain(dropped).collect()
}

fn outbox_reasons(seen: &Seen) -> Vec<Reason> {
    let Some(messages) = seen.outbox else {
        return vec![reason(Status::Down, "database_silent", "D1 does not answer: nothing is stored and nobody is told".to_owned())];
    };
    let late = (messages.overdue > 0).then(|| {
        reason(Status::Degraded, "late_messages", format!("{} of {} messages wait for more than 5 min", messages.overdue, messages.due))
    });
    let dead = (messages.dead > 0).then(|| {
        let detail = format!("{} messages were given up in the last 24 h; GET /api/v1/deliveries?state=dead says why", messages.dead);
        reason(Status::Degraded, "dead_messages", detail)
    });
    late.into_iter().chain(dead).collect()
}

/// One warning a missing secret, in the order of the channels, with everything that is off without it.
fn warnings(config: &Config, seen: &Seen, is_set: impl Fn(&str) -> bool) -> Vec<Warning> {
    let channels = &config.alerting.channels;
    let of_channels =
        channels.iter().flat_map(|channel| needed(&channel.via).into_iter().map(|secret| (secret, format!("channel {}", channel.id))));
    let of_sentry = ["error events", "cron check-ins"].map(|part| (SENTRY_DSN, part.to_owned()));
    // A token in D1 replaces the bootstrap token, which is better taken away then.
    let of_access = (seen.tokens == Some(0)).then(|| (BOOTSTRAP_TOKEN, "every API call: there is no other token yet".to_owned()));
    // A secret that is too short counts as none.
    let of_links = channels.iter().filter(|channel| matches!(channel.via, Via::Email { .. }));
    let of_links = of_links.map(|channel| (LINK_SIGNING_SECRET, format!("acknowledge and snooze links of channel {}", channel.id)));
    let mut warnings: Vec<Warning> = Vec::new();
    for (secret, off) in of_channels.chain(of_links).chain(of_sentry).chain(of_access).filter(|(secret, _)| !is_set(secret)) {
        if let Some(warning) = warnings.iter_mut().find(|warning| warning.secret == secret) {
            warning.off.push(off);
        } else {
            let fix = format!("npx wrangler secret put {secret}");
            warnings.push(Warning { secret: secret.to_owned(), off: vec![off], fix });
        }
    }
    warnings
}

#[cfg(test)]
mod tests;
