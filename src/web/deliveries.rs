//! `/api/v1/deliveries`: the delivery log, and dead messages sent all the same.
//!
//! Invariant: a re-drive is a change of the message's alert by compare-and-swap, so a tick at the same moment and a re-drive
//! never both have their way; a re-drive that lost is decided anew, at most three times.

use serde::Serialize;

use super::alerts::{AttemptView, MessageView, attempt_view, message_view, no_such_delivery};
use super::auth::Principal;
use super::endpoint::parameters;
use super::problem::Problem;
use crate::alert::incident::AlertState;
use crate::channel::Addresses;
use crate::channel::email::percent_decoded;
use crate::outbox::message::MessageState;
use crate::outbox::redrive::{Refused, redrive};
use crate::ports::Db;
use crate::record::{self, record};
use crate::storage::deliveries::{self, Before, Filter, Letter};
use crate::storage::{alerts, outbox};
use crate::time::UnixMs;

/// Messages of a page when it does not say.
const USUAL_ROWS: u32 = 50;
/// Most messages of a page, at about 1 KB each.
const MAX_ROWS: u32 = 200;
/// Most messages one call re-drives: one statement's parameter, and minutes of a channel that takes one a second.
const MAX_REDRIVEN: u32 = 200;
/// How often a re-drive is decided anew because a tick changed the alert meanwhile: a tick a minute cannot do it twice.
const TRIES: usize = 3;

/// One message of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Logged {
    /// The message.
    #[serde(flatten)]
    pub message: MessageView,
    /// How often it was tried.
    pub attempts: u32,
    /// The last time.
    pub last_attempt: Option<AttemptView>,
}

/// The answer to `GET /api/v1/deliveries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The newest first.
    pub deliveries: Vec<Logged>,
    /// What to send as `before` for the next page; `null` on the last one.
    pub next: Option<String>,
}

/// The answer to `POST /api/v1/deliveries/redrive`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redriven {
    /// The messages that are due again.
    pub redriven: Vec<String>,
    /// Those that are not, and why.
    pub refused: Vec<NotRedriven>,
    /// Whether there may be more: ask again.
    pub more: bool,
}

/// A message that stays dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRedriven {
    /// The message.
    pub id: String,
    /// Why.
    pub why: String,
}

/// What a query asks for, and how many rows of it.
fn asked(query: &str) -> Result<(Filter, u32), Problem> {
    let (mut filter, mut rows) = (Filter::default(), USUAL_ROWS);
    let bad = |key: &str, what: String| Problem::bad_request("bad_parameter", format!("`{key}` {what}")).with_error(key, "not understood");
    for (key, value) in parameters(query) {
        let value = percent_decoded(value);
        match key {
            "state" => {
                let words = || MessageState::ALL.map(MessageState::as_str).join(", ");
                filter.state = Some(MessageState::from_str(&value).ok_or_else(|| bad(key, format!("is one of {}.", words())))?);
            }
            "channel" => filter.channel = Some(value),
            "alert" => filter.alert = Some(value),
            "limit" => {
                let known = value.parse().ok().filter(|rows| (1..=MAX_ROWS).contains(rows));
                rows = known.ok_or_else(|| bad(key, format!("is a number from 1 to {MAX_ROWS}.")))?;
            }
            "before" => {
                let read = value.split_once('-').and_then(|(at, id)| Some(Before(UnixMs(at.parse().ok()?), id.to_owned())));
                filter.before = Some(read.ok_or_else(|| bad(key, "is what `next` of the page before said.".to_owned()))?);
            }
            _ => {
                let key: String = key.chars().take(40).collect();
                return Err(bad(&key, "is not a parameter of this path; known are state, channel, alert, limit and before.".to_owned()));
            }
        }
    }
    Ok((filter, rows))
}

/// `GET /api/v1/deliveries`: 200 with a page of the log.
pub async fn list<D: Db>(db: &D, query: &str) -> Result<Page, Problem> {
    let (filter, rows) = asked(query)?;
    let found = db.batch(vec![deliveries::log(&filter, rows)]).await.map_err(Problem::no_database)?.pop().unwrap_or_default();
    let found = deliveries::logged(found).map_err(Problem::no_database)?;
    let is_full = found.len() >= usize::try_from(rows).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| is_full).map(|(last, _)| format!("{}-{}", last.created_at.0, last.id));
    let shown = |(message, last): (outbox::MessageRow, Option<outbox::AttemptRow>)| {
        let attempts = message.attempts;
        Logged { message: message_view(message), attempts, last_attempt: last.map(attempt_view) }
    };
    Ok(Page { deliveries: found.into_iter().map(shown).collect(), next })
}

/// `POST /api/v1/deliveries/{id}/redrive`: makes one dead message due.
pub async fn redrive_one<D: Db>(db: &D, id: &str, by: &Principal, addresses: &Addresses, now: UnixMs) -> Result<(), Problem> {
    for _ in 0..TRIES {
        let letter = read(db, deliveries::letter(id)).await?.pop().ok_or_else(|| no_such_delivery(id))?;
        let next = redrive(&letter, addresses, now).map_err(|why| refused(&why))?;
        if !write(db, &[(letter, next)], by, now).await?.is_empty() {
            return Ok(());
        }
    }
    Err(Problem::unavailable("The alert, which changes at this moment,"))
}

/// `POST /api/v1/deliveries/redrive` with `{"channel": …}`: makes what is dead of a channel due, where it is still true.
pub async fn redrive_channel<D: Db>(db: &D, body: &[u8], by: &Principal, addresses: &Addresses, now: UnixMs) -> Result<Redriven, Problem> {
    struct Asked {
        channel: String,
    }

    record!(Asked { channel });
    let unreadable = |error| Problem::bad_request("bad_json", format!("The body does not read: {error}. It is {{\"channel\": \"…\"}}."));
    let channel = record::read::<Asked>(body).map_err(unreadable)?.channel;
    let gone = || refused(&Refused::ChannelGone { channel: channel.clone() }).with_error("/channel", "There is no such channel.");
    if addresses.get(&channel).is_none() {
        return Err(gone());
    }
    if let Some(secret) = addresses.missing(&channel) {
        return Err(refused(&Refused::ChannelOff { channel, secret: secret.to_owned() }));
    }
    let letters = read(db, deliveries::dead_letters(&channel, MAX_REDRIVEN)).await?;
    let more = letters.len() >= usize::try_from(MAX_REDRIVEN).unwrap_or(usize::MAX);
    let (mut ready, mut not) = (Vec::new(), Vec::new());
    for letter in letters {
        match redrive(&letter, addresses, now) {
            Ok(next) => ready.push((letter, next)),
            Err(why) => not.push(NotRedriven { id: letter.message.id, why: why.to_string() }),
        }
    }
    let redriven = write(db, &ready, by, now).await?;
    let lost = ready.into_iter().map(|(letter, _)| letter.message.id).filter(|id| !redriven.contains(id));
    not.extend(lost.map(|id| NotRedriven { id, why: "its alert changed at this moment; ask again".to_owned() }));
    Ok(Redriven { redriven, refused: not, more })
}

/// Swaps the alerts and makes the messages due, in one transaction; answers the messages that are.
async fn write<D: Db>(db: &D, ready: &[(Letter, Option<AlertState>)], by: &Principal, now: UnixMs) -> Result<Vec<String>, Problem> {
    let states: Vec<&AlertState> = ready.iter().filter_map(|(_, next)| next.as_ref()).collect();
    let messages: Vec<_> = ready.iter().map(|(letter, next)| (letter.message.id.as_str(), next.as_ref())).collect();
    let mut statements = alerts::swap(&states);
    statements.push(deliveries::redrive(&messages, &format!("re-driven by {}", by.name), now));
    let done = db.batch(statements).await.map_err(Problem::no_database)?.pop().unwrap_or_default();
    deliveries::ids(done).map_err(Problem::no_database)
}

async fn read<D: Db>(db: &D, statement: crate::storage::Statement) -> Result<Vec<Letter>, Problem> {
    let found = db.batch(vec![statement]).await.map_err(Problem::no_database)?.pop().unwrap_or_default();
    deliveries::letters(found).map_err(Problem::no_database)
}

fn refused(why: &Refused) -> Problem {
    Problem::new(409, "not_redriven", "The message is not sent again", format!("Nothing was done: {why}."))
}

#[cfg(test)]
mod tests;
