//! Who is told: pure routing from an alert's labels to channels.
//!
//! Routes are tried in order; one that matches stops the search unless it says `continue` ([`crate::config::routes`]). Never silent: when every channel
//! a route names is switched off (its secret is missing), the alert goes to every channel that is on, and the ones that
//! are off get a dead row each, which the delivery log and the health output show.
//!
//! A route is muted inside its `mute_times` and outside its `active_times`: it still takes its alerts, ends the search as ever,
//! and its channels are told when it opens, if the alert still fires ([`super::tell`]).

use serde::Serialize;

use super::group::{Membership, Opening, is_groupable};
use super::maintenance;
use crate::channel::Addresses;
use crate::config::alerting::Alerting;
use crate::config::routes::{Branch, tried};
use crate::sorted::Map;
use crate::time::UnixMs;

/// Who is told, and how that came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Routing {
    /// Channels that are told.
    pub channels: Vec<String>,
    /// Channels that would be told, were their secret set.
    pub off: Vec<String>,
    /// The groups that tell some of the channels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Opening>,
    /// Channels to be told later: every route to them is muted now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub muted: Vec<String>,
    /// How it came about.
    pub why: RoutingWhy,
}

impl Routing {
    /// The channels that are told by itself, not by a group.
    pub fn alone(&self) -> Vec<String> {
        let is_grouped = |channel: &String| self.groups.iter().any(|group| group.channel == *channel);
        self.channels.iter().filter(|channel| !is_grouped(channel)).cloned().collect()
    }

    /// The groups that tell the others.
    pub fn memberships(&self) -> Vec<Membership> {
        let of = |group: &Opening| Membership { channel: group.channel.clone(), group: group.id.clone() };
        self.groups.iter().map(of).collect()
    }

    /// Whether it names anybody to be told now, on or off.
    pub fn is_somebody(&self) -> bool {
        !self.channels.is_empty() || !self.off.is_empty()
    }
}

/// How a routing came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingWhy {
    /// By the routes that matched.
    Matched,
    /// No channel of the routes that matched can be used; every other one is.
    Fallback,
    /// No route matches, or no channel can be used at all.
    Nobody,
    /// Every route that matched is muted now.
    Muted,
}

/// Whether `route` may tell anybody at `now`. Names without an interval (the configuration's check refuses them) mute nothing.
fn is_open(route: &Branch<'_>, alerting: &Alerting, now: UnixMs) -> bool {
    let intervals = |names: &[String]| -> Vec<bool> {
        let named = alerting.time_intervals.iter().filter(|interval| names.contains(&interval.id));
        named.map(|interval| maintenance::is_within(&interval.hours, now)).collect()
    };
    let active = intervals(route.active_times);
    (active.is_empty() || active.contains(&true)) && !intervals(route.mute_times).contains(&true)
}

/// Whom an alert with `labels` is told to at `now`; without a moment, when no route is muted. `except` is left out: the channel the
/// alert is about.
pub fn route(
    labels: &Map<String, String>,
    alerting: &Alerting,
    addresses: &Addresses,
    except: Option<&str>,
    now: Option<UnixMs>,
) -> Routing {
    let tried = tried(labels, &alerting.routes);
    let (mut named, mut muted): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut groups = Vec::new();
    for (route, _) in tried.iter().filter(|(_, tried)| tried.takes()) {
        let is_open = now.is_none_or(|now| is_open(route, alerting, now));
        let list = if is_open { &mut named } else { &mut muted };
        for channel in route.channels.iter().map(String::as_str).filter(|channel| Some(*channel) != except) {
            if !list.contains(&channel) {
                list.push(channel);
                // Of several open routes to a channel the first says how it is told.
                groups.extend(opening(route, channel, labels, (alerting, addresses)).filter(|_| is_open));
            }
        }
    }
    muted.retain(|channel| !named.contains(channel));
    let mut muted = owned(muted);
    let (on, off): (Vec<&str>, Vec<&str>) = named.into_iter().partition(|channel| addresses.missing(channel).is_none());
    if !on.is_empty() {
        return Routing { channels: owned(on), off: owned(off), groups, muted, why: RoutingWhy::Matched };
    }
    let nobody = |off, muted, why| Routing { channels: Vec::new(), off, groups: Vec::new(), muted, why };
    if off.is_empty() && !muted.is_empty() {
        return nobody(Vec::new(), muted, RoutingWhy::Muted);
    }
    // An alert about a channel has lost its only receiver by definition: it falls back even when no route is left.
    let fallback = addresses.usable(alerting, except);
    if fallback.is_empty() || (off.is_empty() && except.is_none()) {
        return nobody(owned(off), muted, RoutingWhy::Nobody);
    }
    muted.retain(|channel| !fallback.contains(channel));
    Routing { channels: fallback, off: owned(off), groups: Vec::new(), muted, why: RoutingWhy::Fallback }
}

/// The group by which `route` tells `channel` of an alert with `labels`, if it does.
fn opening(
    route: &Branch<'_>,
    channel: &str,
    labels: &Map<String, String>,
    (alerting, addresses): (&Alerting, &Addresses),
) -> Option<Opening> {
    let is_groupable = alerting.channels.iter().any(|known| known.id == channel && is_groupable(&known.via));
    let is_grouped = is_groupable && addresses.missing(channel).is_none();
    Opening::of(route, channel, labels).filter(|_| is_grouped)
}

fn owned(channels: Vec<&str>) -> Vec<String> {
    channels.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
