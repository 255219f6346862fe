//! `/_parapet/a/{token}`: the pages of the links in e-mails. A GET shows what the button does, and only the POST of the button does it:
//! mail programs and scanners open every link they see.
//!
//! Invariants: the database is asked only for tokens we signed; a link acts once, by a row in the batch of its act; a link that cannot
//! act says why and what to do instead. The pages have no script, send no referrer and stay in no cache.

use super::respond::{acted, is_group, is_in, said_once};
use crate::alert::incident::{AlertState, Phase};
use crate::alert::link::{Link, Signer};
use crate::alert::notification::{Notification, NotifyReason};
use crate::alert::respond::{Response, respond};
use crate::alert::tell::notification;
use crate::channel::Addresses;
use crate::config::Config;
use crate::ids;
use crate::order;
use crate::outbox::enqueue::{enqueue, swap_statements};
use crate::ports::{Db, DbError};
use crate::storage::alerts;
use crate::storage::links::{self, Use};
use crate::time::UnixMs;

mod page;

pub use page::{CONTENT_TYPE, HEADERS};

/// How often an act is decided anew because a tick changed the alert meanwhile: a tick a minute cannot do it twice.
const TRIES: usize = 3;

/// A status and a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The page.
    pub html: String,
}

/// Why a link does nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refused {
    /// There is no secret to know it by.
    #[error("links in e-mails are switched off")]
    Off,
    /// We did not make it, or not all of it is here.
    #[error("the link is not whole")]
    NotOurs,
    /// Its time is over.
    #[error("the link has expired")]
    Expired(UnixMs),
    /// It acted.
    #[error("the link was used")]
    Used(Use),
    /// The alert it is about ended.
    #[error("the alert is over")]
    Over,
    /// Somebody has the alert already.
    #[error("somebody has the alert")]
    Taken(Response),
    /// The database does not answer.
    #[error("the database does not answer")]
    Unavailable,
}

impl From<DbError> for Refused {
    fn from(_: DbError) -> Self {
        Self::Unavailable
    }
}

/// `GET`: what the link is about and what its button does.
pub async fn show<D: Db>(db: &D, token: &str, signer: Option<&Signer>, config: &Config, now: UnixMs) -> Page {
    let looked = async {
        let link = read(token, signer, now)?;
        let states = ready(db, token, &link, now).await?;
        Ok(page::button(&said(states.iter(), NotifyReason::First, config), &link))
    };
    looked.await.unwrap_or_else(|why: Refused| page::refused(&why, &config.site))
}

/// `POST`: does it. What is to be told then is in the outbox.
pub async fn act<D: Db>(db: &D, token: &str, signer: Option<&Signer>, told_by: (&Config, &Addresses), now: UnixMs) -> Page {
    take(db, token, signer, told_by, now).await.unwrap_or_else(|why| page::refused(&why, &told_by.0.site))
}

/// The page when there is no database to ask.
pub fn unavailable(config: &Config) -> Page {
    page::refused(&Refused::Unavailable, &config.site)
}

async fn take<D: Db>(db: &D, token: &str, signer: Option<&Signer>, told_by: (&Config, &Addresses), now: UnixMs) -> Result<Page, Refused> {
    let link = read(token, signer, now)?;
    for _ in 0..TRIES {
        let states = ready(db, token, &link, now).await?;
        let act = link.act.act(now);
        let (_, mut changes) = acted(states, (&act, None), &author(&link), told_by, now).map_err(|_| Refused::Over)?;
        said_once(&mut changes, told_by.0);
        let next: Vec<&AlertState> = changes.iter().map(|change| &change.next).collect();
        let mut statements = enqueue(&changes, now);
        statements.push(links::spend(&hash(token), &link, &author(&link), &next, now));
        // A batch that failed may have been refused because the link was used, or been applied all the same: looking again tells.
        // So it does when a tick changed one of the alerts meanwhile.
        let Ok(results) = db.batch(statements).await else { continue };
        let swapped: usize = results.iter().take(swap_statements(&changes)).map(|result| result.rows.len()).sum();
        if swapped == changes.len() {
            return Ok(page::done(&said(next.into_iter(), link.act.told_as(), told_by.0), &link));
        }
    }
    Err(Refused::Unavailable)
}

fn said<'a>(states: impl Iterator<Item = &'a AlertState>, reason: NotifyReason, config: &Config) -> Vec<Notification> {
    states.map(|state| notification(state, reason, String::new(), config)).collect()
}

/// What `token` says, while it may act.
fn read(token: &str, signer: Option<&Signer>, now: UnixMs) -> Result<Link, Refused> {
    let link = signer.ok_or(Refused::Off)?.read(token).ok_or(Refused::NotOurs)?;
    if link.expires_at <= now { Err(Refused::Expired(link.expires_at)) } else { Ok(link) }
}

/// What the link acts on, the worst first: its alert, or those of its group, that fired when it was told of them and fire still.
async fn ready<D: Db>(db: &D, token: &str, link: &Link, now: UnixMs) -> Result<Vec<AlertState>, Refused> {
    let of_group = is_group(&link.alert);
    let wanted = if of_group { alerts::all() } else { alerts::one(&link.alert) };
    let mut results = db.batch(vec![links::used(&hash(token)), wanted]).await?.into_iter();
    if let Some(used) = links::found(results.next().unwrap_or_default())? {
        return Err(Refused::Used(used));
    }
    let mut states = alerts::states(results.next().unwrap_or_default())?;
    states.retain(|state| {
        let fires = state.phase == Phase::Firing && state.fired_at.is_some_and(|at| at <= link.told_at());
        fires && (!of_group || is_in(state, &link.alert))
    });
    let has_it = states.iter().find_map(|state| state.response.clone());
    let act = link.act.act(now);
    states.retain(|state| respond(state, &act, &author(link), None, now).is_ok_and(|next| next.is_some()));
    if states.is_empty() {
        return Err(has_it.map_or(Refused::Over, Refused::Taken));
    }
    order::sort_by(&mut states, |a, b| a.subject.severity > b.subject.severity);
    Ok(states)
}

/// Who acts: whoever reads the e-mails of that channel.
fn author(link: &Link) -> String {
    format!("e-mail link ({})", link.channel)
}

/// What is kept of a token: it could act again if it were stored.
fn hash(token: &str) -> String {
    ids::sha256_hex(token.as_bytes())
}

#[cfg(test)]
mod tests;
