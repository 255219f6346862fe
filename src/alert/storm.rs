//! A storm becomes digests: when one tick has more to say to a channel than people can read, it says it in one message. Pure.
//!
//! Up to [`MAX_ALONE`] messages of a tick to a channel are sent one by one. Beyond that the alerts of a rule that has several, and
//! what is left over, are told together by a group of their own, as if a route had grouped them. A rule with a single alert keeps its own
//! message, the worst first, so three hundred alerts of one service do not bury the first one of another. The same holds for
//! three hundred ends, and for an escalation of all of them. Only channels whose messages can be about several alerts have digests.
//! Invariant: every alert taken out of a message of its own is in the group, so nothing is lost by it.

use super::group::{Membership, Opening, is_groupable};
use super::incident::AlertState;
use super::notification::NotifyReason;
use super::watch::{ALERTNAME, CHANNEL};
use crate::config::Config;
use crate::config::alerting::Severity;
use crate::ids;
use crate::order;
use crate::outbox::enqueue::Change;
use crate::outbox::message::{NewMessage, Sendable};
use crate::sorted::{Map, Set};
use crate::time::MINUTE_MS;

/// Most messages about single alerts that one tick sends to one channel: ten seconds of Slack at a message a second.
pub const MAX_ALONE: usize = 10;
/// The least time between two digests to one channel.
const DIGEST_INTERVAL_MS: i64 = 5 * MINUTE_MS;

/// Turns what is too much for a channel into a digest. `stored` are the alerts before this tick.
pub fn calm(changes: &mut [Change], stored: &Map<&str, &AlertState>, config: &Config) {
    for channel in config.alerting.channels.iter().filter(|channel| is_groupable(&channel.via)) {
        let crowd = crowd(changes, stored, &channel.id);
        if crowd.len() <= MAX_ALONE {
            continue;
        }
        let spared = spared(&crowd);
        let group = digest(&channel.id);
        for Waiting { alert, .. } in crowd.into_iter().filter(|waiting| !spared.contains(&waiting.alert)) {
            if let Some(change) = changes.iter_mut().find(|change| change.next.subject.id == alert) {
                gathered(change, &group);
            }
        }
    }
}

/// A message of its own that a channel is to get.
struct Waiting {
    alert: String,
    rule: String,
    severity: Severity,
}

/// The messages of this tick to `channel` that a digest can say.
fn crowd(changes: &[Change], stored: &Map<&str, &AlertState>, channel: &str) -> Vec<Waiting> {
    let is_new = |change: &Change| {
        let before = stored.get(change.next.subject.id.as_str());
        before.is_none_or(|before| !before.heard_on().iter().any(|told| told == channel))
    };
    let can_be_digested = |change: &&Change| {
        let about_a_channel = change.next.subject.labels.contains_key(CHANNEL) && change.next.subject.labels.contains_key(ALERTNAME);
        !about_a_channel
            && change.messages.iter().any(|message| {
                is_to(message, channel)
                    && match message.notification.reason {
                        NotifyReason::First | NotifyReason::Resolved | NotifyReason::RuleRemoved => true,
                        NotifyReason::Escalated => is_new(change),
                        NotifyReason::Acknowledged
                        | NotifyReason::StillFiring
                        | NotifyReason::Update
                        | NotifyReason::Flapping
                        | NotifyReason::Settled
                        | NotifyReason::Test
                        | NotifyReason::Report => false,
                    }
            })
    };
    let waiting = |change: &Change| {
        let subject = &change.next.subject;
        Waiting { alert: subject.id.clone(), rule: subject.rule.clone(), severity: subject.severity }
    };
    changes.iter().filter(can_be_digested).map(waiting).collect()
}

fn is_to(message: &NewMessage, channel: &str) -> bool {
    message.channel == channel && message.sendable == Sendable::Now
}

/// Those that keep their own message: the only ones of their rules, the worst first.
fn spared(crowd: &[Waiting]) -> Set<String> {
    let mut of_rule: Map<&str, usize> = Map::new();
    for waiting in crowd {
        *of_rule.entry(&waiting.rule).or_default() += 1;
    }
    let mut single: Vec<&Waiting> = crowd.iter().filter(|waiting| of_rule.get(waiting.rule.as_str()) == Some(&1)).collect();
    order::sort_by(&mut single, |a, b| a.severity > b.severity);
    order::set(single.into_iter().take(MAX_ALONE).map(|waiting| waiting.alert.clone()))
}

fn digest(channel: &str) -> Opening {
    Opening {
        id: ids::derived(ids::prefix::GROUP, &["storm", channel]),
        channel: channel.to_owned(),
        labels: Map::new(),
        wait_ms: 0,
        interval_ms: DIGEST_INTERVAL_MS,
        repeat_ms: 0,
    }
}

/// The alert is told by the group instead of by itself. Of an end, the channel stays told: that is how the group knows of it.
fn gathered(change: &mut Change, group: &Opening) {
    let is_end = change.messages.iter().any(|message| is_to(message, &group.channel) && message.notification.reason.is_end());
    change.messages.retain(|message| !is_to(message, &group.channel));
    if !is_end {
        change.next.told.retain(|channel| *channel != group.channel);
    }
    change.next.groups.push(Membership { channel: group.channel.clone(), group: group.id.clone() });
    change.openings.push(group.clone());
}
