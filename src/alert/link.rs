//! Links by which whoever reads an e-mail takes its alert: what they say, and the code that shows we made them.
//!
//! A token is text that a URL carries as it is: alert or group, act, expiry, channel in hex, HMAC-SHA256 of those under the deployment's
//! secret. Invariants: the same notification to the same channel makes the same tokens, so a retry sends the same bytes; nothing of a
//! token is believed before its code is right; the expiry tells when the message was made, so an old e-mail takes nothing that fired later.

use super::notification::{Notification, NotifyReason};
use super::respond::{Act, Verb};
use crate::hmac::hmac_sha256;
use crate::ids;
use crate::time::{DAY_MS, HOUR_MS, UnixMs};
use crate::web::auth::same;

/// The binding with the secret that links are signed with; without it e-mails have none.
pub const LINK_SIGNING_SECRET: &str = "LINK_SIGNING_SECRET";
/// A shorter secret signs nothing: whoever has a link could try out every one. `openssl rand -hex 32` gives 64.
pub const MIN_SECRET_CHARS: usize = 24;
/// How long after its notification a link works: as long as a message is tried to be delivered.
pub const LASTS_MS: i64 = DAY_MS;
/// How long the snooze link snoozes.
const SNOOZE_MS: i64 = HOUR_MS;
/// What is signed begins with it: the code of anything else that the secret might sign is none of a link.
const DOMAIN: &[u8] = b"parapet link 1\n";
/// The path of links.
pub const PATH: &str = "/_parapet/a/";

/// What the link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkAct {
    /// Somebody has it.
    Acknowledge,
    /// The same for an hour.
    Snooze,
    /// The next ones are told.
    Escalate,
    /// It is over.
    Resolve,
}

impl LinkAct {
    /// Every act, in the order of an e-mail.
    pub const ALL: [Self; 4] = [Self::Acknowledge, Self::Snooze, Self::Escalate, Self::Resolve];

    /// The text in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => Verb::Acknowledge.as_str(),
            Self::Snooze => Verb::Snooze.as_str(),
            Self::Escalate => Verb::Escalate.as_str(),
            Self::Resolve => Verb::Resolve.as_str(),
        }
    }

    /// The act called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == text)
    }

    /// The text on links and buttons.
    pub fn label(self) -> &'static str {
        match self {
            Self::Acknowledge => "Acknowledge",
            Self::Snooze => "Snooze for 1 hour",
            Self::Escalate => "Escalate",
            Self::Resolve => "Resolve",
        }
    }

    /// What is done at `now`.
    pub fn act(self, now: UnixMs) -> Act {
        match self {
            Self::Acknowledge => Act::Acknowledge,
            Self::Snooze => Act::Snooze { until: now.plus(SNOOZE_MS) },
            Self::Escalate => Act::Escalate,
            Self::Resolve => Act::Resolve { verdict: None },
        }
    }

    /// What people hear when it was done.
    pub fn told_as(self) -> NotifyReason {
        match self {
            Self::Acknowledge | Self::Snooze => NotifyReason::Acknowledged,
            Self::Escalate => NotifyReason::Escalated,
            Self::Resolve => NotifyReason::Resolved,
        }
    }
}

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The alert, or the group of them.
    pub alert: String,
    /// What is to be done.
    pub act: LinkAct,
    /// It works before.
    pub expires_at: UnixMs,
    /// The channel of the e-mail.
    pub channel: String,
}

impl Link {
    /// The link that does `act`, in what `channel` is told by `notification`.
    pub fn new(notification: &Notification, act: LinkAct, channel: &str) -> Self {
        Self { alert: notification.alert.clone(), act, expires_at: notification.at.plus(LASTS_MS), channel: channel.to_owned() }
    }

    /// When the message was made that it was in: it is about what fired by then.
    pub fn told_at(&self) -> UnixMs {
        self.expires_at.plus(-LASTS_MS)
    }

    fn payload(&self) -> String {
        let (act, channel) = (self.act.as_str(), ids::hex(self.channel.as_bytes()));
        format!("{}.{act}.{}.{channel}", self.alert, self.expires_at.0)
    }

    fn read(payload: &str) -> Option<Self> {
        let mut parts = payload.split('.');
        let mut next = || parts.next();
        let (alert, act, expires_at, channel) = (next()?, next()?, next()?, next()?);
        Some(Self {
            alert: alert.to_owned(),
            act: LinkAct::from_str(act)?,
            expires_at: UnixMs(expires_at.parse().ok()?),
            channel: String::from_utf8(ids::unhex(channel)?).ok()?,
        })
    }
}

/// Signs links and knows its own. Holds a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Signer(String);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// The one of `secret`, if that is long enough.
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        (secret.len() >= MIN_SECRET_CHARS).then(|| Self(secret.to_owned()))
    }

    /// The text that must not be printed.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The token of `link`.
    pub fn token(&self, link: &Link) -> String {
        let payload = link.payload();
        format!("{payload}.{}", self.code(&payload))
    }

    /// What `token` says, if this signed it, whether or not it has expired.
    pub fn read(&self, token: &str) -> Option<Link> {
        let (payload, code) = token.rsplit_once('.')?;
        if same(code, &self.code(payload)) { Link::read(payload) } else { None }
    }

    fn code(&self, payload: &str) -> String {
        ids::hex(&hmac_sha256(self.0.as_bytes(), &[DOMAIN, payload.as_bytes()]))
    }
}

#[cfg(test)]
mod tests;
