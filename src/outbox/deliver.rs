//! Sends what is due: claim → render → send → classify → record.
//!
//! One [`round`] claims at most one message of each channel and sends them one after another, so a round of eight channels with
//! timeouts of 10 s is over before its lease of two minutes is, and a slow peer delays the others by one timeout at most.
//! The caller reads the clock and asks for the next round; [`Round::next_due_at`] is when.
//!
//! Invariant: what a peer answered is not forgotten while we live. A record the database did not take is kept in the
//! [`Courier`] and written before anything is claimed again, so the database's failures alone never make a message go out twice.

use serde::Serialize;

use super::message::AttemptOutcome;
use super::retry;
use crate::alert::notification::Notification;
use crate::channel::answer::{Answer, DeliveryOutcome, classify};
use crate::channel::{self, Address, Addresses, RenderError, timeout_ms};
use crate::config::alerting::Channel;
use crate::ports::{Db, DbError, Http, HttpError, HttpResponse};
use crate::record;
use crate::sorted::Map;
use crate::storage::Statement;
use crate::storage::outbox::{self, Claimed, Ended, NextDue};
use crate::time::{MINUTE_MS, SECOND_MS, UnixMs};

/// How long a claimed message is nobody else's: more than eight sends that time out.
pub const LEASE_MS: i64 = 2 * MINUTE_MS;
/// How long to wait when the database does not answer.
const DB_PAUSE_MS: i64 = 5 * SECOND_MS;

/// What the sender remembers in memory between rounds. Losing it costs at most one early send and what a crash costs anyway.
#[derive(Debug, Default)]
pub struct Courier {
    /// Per channel, not before when: the token bucket of one token, refilled at the channel's spacing or its `Retry-After`.
    next_send_at: Map<String, UnixMs>,
    /// Records the database did not take.
    unrecorded: Vec<Statement>,
}

/// What one round did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Its moment.
    pub at: UnixMs,
    /// The attempts made, in order.
    pub sent: Vec<Sent>,
    /// When the next message is due; `None` when nothing is owed.
    pub next_due_at: Option<UnixMs>,
    /// What the database refused, if it did.
    pub problem: Option<String>,
}

/// One attempt of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The message.
    pub message: String,
    /// Its channel.
    pub channel: String,
    /// Which attempt it was.
    pub attempt: u32,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// The peer's status, if it answered.
    pub status: Option<u16>,
    /// Why, without secrets.
    pub detail: String,
}

/// Sends at most one due message of each channel.
pub async fn round(
    now: UnixMs,
    channels: &[Channel],
    addresses: &Addresses,
    db: &impl Db,
    http: &impl Http,
    courier: &mut Courier,
) -> Round {
    let mut round = Round { at: now, sent: Vec::new(), next_due_at: None, problem: None };
    if let Err(error) = run(&mut round, channels, addresses, db, http, courier).await {
        round.problem = Some(error.to_string());
        round.next_due_at = Some(now.plus(DB_PAUSE_MS));
    }
    round
}

async fn run(
    round: &mut Round,
    channels: &[Channel],
    addresses: &Addresses,
    db: &impl Db,
    http: &impl Http,
    courier: &mut Courier,
) -> Result<(), DbError> {
    // What is known is written down before anything is claimed: a delivered message must not be claimed again.
    courier.record(Vec::new(), db).await?;
    let paused: Vec<&str> = courier.paused(round.at);
    let claimed = db.batch(outbox::claim(round.at, round.at.plus(LEASE_MS), &paused).into()).await?;
    let claimed = claimed.into_iter().next().unwrap_or_default().decode::<Claimed>("outbox")?;
    let mut unwritten = None;
    for message in &claimed {
        let channel = channels.iter().find(|channel| channel.id == message.channel);
        let Attempted { answer, at, remote } = attempt(message, channel, addresses, http, round.at).await;
        let sent = decide(message, &answer, at);
        courier.pace(channel, &answer, at);
        let retry_at = retry_at(message, &answer, at);
        let record = outbox::record(&Ended {
            id: &message.id,
            channel: &message.channel,
            attempt: message.attempts,
            outcome: sent.outcome,
            status: sent.status,
            detail: &sent.detail,
            at,
            retry_at,
            remote: remote.as_deref(),
        });
        // The others are sent all the same: they are claimed, and their peers are alive.
        unwritten = courier.record(record, db).await.err().or(unwritten);
        round.sent.push(sent);
    }
    if let Some(error) = unwritten {
        return Err(error);
    }
    let due = db.batch(vec![outbox::next_due()]).await?.into_iter().next().unwrap_or_default().decode::<NextDue>("outbox")?;
    round.next_due_at = due.iter().map(|next| courier.not_before(&next.channel, next.due_at)).min();
    Ok(())
}

/// One send.
struct Attempted {
    /// What the peer meant.
    answer: Answer,
    /// The moment of its answer as far as it can be known without a clock.
    at: UnixMs,
    /// What is open at the peer now.
    remote: Option<String>,
}

async fn attempt(message: &Claimed, channel: Option<&Channel>, addresses: &Addresses, http: &impl Http, now: UnixMs) -> Attempted {
    let own = |outcome, detail: String| Attempted { answer: Answer::own(outcome, detail), at: now, remote: None };
    let Some((channel, address)) = channel.zip(addresses.get(&message.channel)) else {
        return own(DeliveryOutcome::Permanent, "channel_gone: it is no longer configured".to_owned());
    };
    if let Address::Missing { secret } = address {
        return own(DeliveryOutcome::Retry { after_ms: None }, format!("channel_off: the secret {secret} is not set"));
    }
    let notification: Notification = match record::read(message.notification.as_bytes()) {
        Ok(notification) => notification,
        Err(error) => return own(DeliveryOutcome::Permanent, format!("the stored message does not read: {error}")),
    };
    let open = message.remote.as_deref().filter(|id| !id.is_empty());
    let first = channel::Attempt { now, open, before: None };
    let send = async |sending| Ok(http.send(channel::render(&notification, channel, address, sending)?, timeout_ms(&channel.via)).await);
    let went_on: Option<HttpResponse>;
    let (sending, result) = match send(first).await {
        Ok(Ok(response)) if channel::goes_on(&notification, &channel.via, first, &response) => {
            went_on = Some(response);
            let second = channel::Attempt { before: went_on.as_ref(), ..first };
            (second, send(second).await)
        }
        result => (first, result),
    };
    let result = match result {
        Ok(result) => result,
        Err(error @ RenderError::NothingToEnd) => return own(DeliveryOutcome::Delivered, error.to_string()),
        Err(error) => return own(DeliveryOutcome::Permanent, error.to_string()),
    };
    let at = match &result {
        Err(HttpError::Timeout { after_ms }) => now.plus(i64::from(*after_ms)),
        Ok(_) | Err(HttpError::Network { .. } | HttpError::BadUrl) => now,
    };
    let remote = channel::opened(&notification, &channel.via, sending, &result);
    Attempted { answer: classify(&channel.via, address, &result, at), at, remote }
}

/// What an answer makes of the message: a retry after the last allowed moment is the end.
fn decide(message: &Claimed, answer: &Answer, at: UnixMs) -> Sent {
    let gives_up = at.since(message.counts_from) >= retry::GIVE_UP_AFTER_MS;
    let (outcome, detail) = match (&answer.outcome, gives_up) {
        (DeliveryOutcome::Delivered, _) => (AttemptOutcome::Delivered, answer.detail.clone()),
        (DeliveryOutcome::Retry { .. }, false) => (AttemptOutcome::Retry, answer.detail.clone()),
        (DeliveryOutcome::Retry { .. }, true) => (AttemptOutcome::Dead, format!("given up after a day: {}", answer.detail)),
        (DeliveryOutcome::Permanent, _) => (AttemptOutcome::Dead, answer.detail.clone()),
    };
    let (message, channel, attempt) = (message.id.clone(), message.channel.clone(), message.attempts);
    Sent { message, channel, attempt, outcome, status: answer.status, detail }
}

fn retry_at(message: &Claimed, answer: &Answer, at: UnixMs) -> UnixMs {
    let after_ms = match answer.outcome {
        DeliveryOutcome::Retry { after_ms } => after_ms,
        DeliveryOutcome::Delivered | DeliveryOutcome::Permanent => None,
    };
    retry::next_at(&message.id, message.attempts, at, after_ms)
}

impl Courier {
    /// Writes `record` after everything that is still to be written; keeps it all if the database does not take it.
    async fn record(&mut self, record: Vec<Statement>, db: &impl Db) -> Result<(), DbError> {
        self.unrecorded.extend(record);
        if self.unrecorded.is_empty() {
            return Ok(());
        }
        db.batch(self.unrecorded.clone()).await?;
        self.unrecorded.clear();
        Ok(())
    }

    /// Whether some answer is known only here.
    pub fn has_unrecorded(&self) -> bool {
        !self.unrecorded.is_empty()
    }

    fn paused(&self, now: UnixMs) -> Vec<&str> {
        self.next_send_at.iter().filter(|(_, at)| **at > now).map(|(channel, _)| channel.as_str()).collect()
    }

    fn not_before(&self, channel: &str, due_at: UnixMs) -> UnixMs {
        self.next_send_at.get(channel).map_or(due_at, |at| due_at.max(*at))
    }

    /// After a send the channel rests for its spacing; a peer that asked for a pause gets it for all messages, within bounds.
    fn pace(&mut self, channel: Option<&Channel>, answer: &Answer, at: UnixMs) {
        let Some(channel) = channel else { return };
        let asked_ms = match answer.outcome {
            DeliveryOutcome::Retry { after_ms } => after_ms.unwrap_or_default().clamp(0, retry::RETRY_AFTER_FLOOR_MS),
            DeliveryOutcome::Delivered | DeliveryOutcome::Permanent => 0,
        };
        self.next_send_at.insert(channel.id.clone(), at.plus(channel::spacing_ms(&channel.via).max(asked_ms)));
    }
}
