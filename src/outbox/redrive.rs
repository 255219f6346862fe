//! May a dead message be sent all the same? Pure: the message, its alert as it stands, where its channel leads.
//!
//! Invariant: what people then hear is true when it is sent. So only the newest message of an alert to a channel is sent again, one
//! that says it fires only while that episode lasts, and one that says it is over only while it does not fire. Whoever hears by a
//! re-drive that an alert fires is told of its end like everybody else.

use crate::alert::incident::{AlertState, Phase, touched};
use crate::alert::notification::{Notification, NotifyReason};
use crate::channel::Addresses;
use crate::outbox::message::MessageState;
use crate::record;
use crate::storage::deliveries::Letter;
use crate::time::UnixMs;

/// Why a message is not sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not given up.
    #[error("it is {}, not dead", .0.as_str())]
    NotDead(MessageState),
    /// People would hear things out of order.
    #[error("a newer message about the same alert was written for the channel: {newer}")]
    Newer {
        /// The newest.
        newer: String,
    },
    /// It would tell of a fire that is out.
    #[error("it says that the alert fires, and that episode is over")]
    EpisodeOver,
    /// It would call a fire out that burns.
    #[error("it says that the alert ended, and the alert fires again")]
    FiresAgain,
    /// There is nobody to send it to.
    #[error("channel {channel} cannot be used: the secret {secret} is not set")]
    ChannelOff {
        /// The channel.
        channel: String,
        /// What it lacks.
        secret: String,
    },
    /// The channel was taken out of the configuration.
    #[error("channel {channel} is no longer configured")]
    ChannelGone {
        /// The channel.
        channel: String,
    },
    /// It was written by a version that wrote something else.
    #[error("the stored message does not read")]
    Unreadable,
}

/// The state its alert is given when the message becomes due at `now`; `None` for a test or a report, which tell of no alert, and for a group,
/// whose alerts know that they belong to it.
pub fn redrive(letter: &Letter, addresses: &Addresses, now: UnixMs) -> Result<Option<AlertState>, Refused> {
    let message = &letter.message;
    if message.state != MessageState::Dead {
        return Err(Refused::NotDead(message.state));
    }
    if let Some(newer) = &letter.newer {
        return Err(Refused::Newer { newer: newer.clone() });
    }
    let channel = message.channel.clone();
    if addresses.get(&channel).is_none() {
        return Err(Refused::ChannelGone { channel });
    }
    if let Some(secret) = addresses.missing(&channel) {
        return Err(Refused::ChannelOff { secret: secret.to_owned(), channel });
    }
    let said: Notification = record::read(message.notification.as_bytes()).map_err(|_| Refused::Unreadable)?;
    if let Some(group) = &said.group {
        // A group writes a newer message whenever what it told is no longer so: that there is none is most of the proof.
        return match (said.reason.is_end(), letter.members_firing) {
            (true, 0) => Ok(None),
            (true, _) => Err(Refused::FiresAgain),
            (false, firing) if firing >= group.firing => Ok(None),
            (false, _) => Err(Refused::EpisodeOver),
        };
    }
    let firing = letter.alert.as_ref().filter(|state| state.phase == Phase::Firing);
    match (said.reason, firing) {
        (NotifyReason::Test | NotifyReason::Update | NotifyReason::Report, _) => Ok(None),
        (reason, Some(_)) if reason.is_end() => Err(Refused::FiresAgain),
        (reason, None) if reason.is_end() => Ok(letter.alert.as_ref().map(|state| touched(state, now))),
        (_, Some(state)) if state.since == said.since => {
            let mut next = touched(state, now);
            if !next.told.contains(&channel) {
                next.told.push(channel);
            }
            Ok(Some(next))
        }
        (_, _) => Err(Refused::EpisodeOver),
    }
}
