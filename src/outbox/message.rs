//! A message: one notification to one channel, and where it stands.

use serde::Serialize;

use crate::alert::notification::{Notification, NotifyReason};
use crate::channel::Addresses;
use crate::ids;
use crate::record::words;
use crate::time::UnixMs;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// To be sent when it is due.
    Due,
    /// Being sent; free again when the lease ends.
    Leased,
    /// The peer has it.
    Delivered,
    /// Given up.
    Dead,
}

words!(MessageState { Due "due", Leased "leased", Delivered "delivered", Dead "dead" });

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Due, Self::Leased, Self::Delivered, Self::Dead];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Leased => "leased",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What became of one attempt, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It began; its end was not recorded.
    Unknown,
    /// The peer has it.
    Delivered,
    /// Another one follows.
    Retry,
    /// The last one.
    Dead,
}

words!(AttemptOutcome { Unknown "unknown", Delivered "delivered", Retry "retry", Dead "dead" });

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Delivered, Self::Retry, Self::Dead];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Dead => "dead",
        }
    }

    /// The outcome called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// A message to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// The channel.
    pub channel: String,
    /// Its place among the messages of its alert to its channel.
    pub seq: i64,
    /// What is said; its id is the message's.
    pub notification: Notification,
    /// Whether it can be sent at all.
    pub sendable: Sendable,
}

/// Whether a new message can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sendable {
    /// At once.
    Now,
    /// Never: its channel is off, for want of this secret. It is written down as dead, so that the log shows it.
    ChannelOff {
        /// The binding's name.
        secret: String,
    },
}

impl Sendable {
    /// Whether a message to `channel` can be sent.
    pub fn to(channel: &str, addresses: &Addresses) -> Self {
        addresses.missing(channel).map_or(Self::Now, |secret| Self::ChannelOff { secret: secret.to_owned() })
    }
}

/// The id of the message that tells `channel` of `reason` in the episode of `alert` that began at `episode`; what can be
/// said again is told apart by the `version` of the alert's state it tells of.
pub fn id(alert: &str, episode: UnixMs, channel: &str, reason: NotifyReason, version: i64) -> String {
    let (episode, version) = (episode.0.to_string(), version.to_string());
    let parts = [alert, &episode, channel, reason.as_str(), &version];
    let said_once = parts.len() - usize::from(!reason.repeats());
    ids::derived(ids::prefix::MESSAGE, parts.get(..said_once).unwrap_or(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_outcomes_survive_the_round_trip() {
        for state in MessageState::ALL {
            assert_eq!(MessageState::from_str(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for outcome in AttemptOutcome::ALL {
            assert_eq!(AttemptOutcome::from_str(outcome.as_str()), Some(outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }

    #[test]
    fn what_can_be_said_again_has_another_id_each_time() {
        for reason in NotifyReason::ALL {
            let ids = [id("alr_1", UnixMs(5), "slack", reason, 4), id("alr_1", UnixMs(5), "slack", reason, 5)];
            assert_eq!(ids[0] != ids[1], reason.repeats(), "{}", reason.as_str());
        }
    }

    #[test]
    fn an_id_names_alert_episode_channel_and_reason_and_nothing_else() {
        let one = id("alr_1", UnixMs(5), "slack", NotifyReason::First, 4);
        assert_eq!(one, id("alr_1", UnixMs(5), "slack", NotifyReason::First, 4));
        assert_eq!(one, "msg_ee2265da368fb0b7dfed");
        for other in [
            id("alr_2", UnixMs(5), "slack", NotifyReason::First, 4),
            id("alr_1", UnixMs(6), "slack", NotifyReason::First, 4),
            id("alr_1", UnixMs(5), "email", NotifyReason::First, 4),
            id("alr_1", UnixMs(5), "slack", NotifyReason::Resolved, 4),
        ] {
            assert_ne!(one, other);
        }
    }
}
