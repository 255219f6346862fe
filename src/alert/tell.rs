//! From a step of the state machine to the messages it owes: who is told, and what.
//!
//! Invariant: who was told that it fires is told that it is over, whatever the routes say by then, unless the
//! channel is gone or does not want to hear of ends.

use super::incident::{AlertState, Step, Transition, touched};
use super::notification::{Notification, NotifyReason, Stamp, dashboard_url, runbook_url};
use super::route::{Routing, RoutingWhy, route};
use super::suppress::Suppression;
use super::watch::{ALERTNAME, CHANNEL};
use crate::channel::Addresses;
use crate::config::Config;
use crate::outbox::enqueue::Change;
use crate::outbox::message::{self, NewMessage, Sendable};
use crate::time::UnixMs;

/// What is owed to people after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owed {
    /// Nothing.
    Nothing,
    /// A message, now.
    Message(NotifyReason),
    /// That it fires, when this is over.
    Later(Suppression),
}

/// The table of [`super::suppress`]. `withheld` is why people were not told that it fires, `suppression` what keeps it
/// quiet now.
fn owed(transition: &Transition, withheld: Option<&Suppression>, suppression: Option<Suppression>) -> Owed {
    match (transition, withheld, suppression) {
        (Transition::Fired, _, Some(why)) | (Transition::StillFiring(_), Some(_), Some(why)) => Owed::Later(why),
        (Transition::StillFiring(_), Some(_), None) => Owed::Message(NotifyReason::First),
        (Transition::Resolved(_), Some(_), _) => Owed::Nothing,
        (transition, _, _) => transition.notify().map_or(Owed::Nothing, Owed::Message),
    }
}

/// The change a step asks for, with its messages, and who they go to; `None` when there is nothing to store. `stored` is
/// the state before the step.
pub fn tell(
    step: Step,
    stored: Option<&AlertState>,
    suppression: Option<Suppression>,
    (config, addresses): (&Config, &Addresses),
    now: UnixMs,
) -> Option<(Change, Option<Routing>)> {
    let withheld = step.next.as_ref().or(stored).and_then(|state| state.withheld.as_ref());
    let owed = owed(&step.transition, withheld, suppression);
    // An alert that fires on may have nothing new to store, and still be told now.
    let told_late = owed == Owed::Message(NotifyReason::First) && step.next.is_none();
    let mut next = step.next.or_else(|| stored.filter(|_| told_late).map(|state| touched(state, now)))?;
    let reason = match owed {
        Owed::Nothing => return Some((Change { next, messages: Vec::new(), withheld: None }, None)),
        Owed::Later(why) => {
            let known = stored.filter(|stored| stored.fired_at == next.fired_at).and_then(|stored| stored.withheld.as_ref());
            let new = (known != Some(&why)).then(|| why.clone());
            next.withheld = Some(why);
            return Some((Change { next, messages: Vec::new(), withheld: new }, None));
        }
        Owed::Message(reason) => reason,
    };
    next.withheld = None;
    let routing = if reason.is_end() { as_told(&next, config, addresses) } else { first(&next, config, addresses) };
    if !reason.is_end() {
        next.told.clone_from(&routing.channels);
    }
    let messages = messages(&next, reason, &routing, config, addresses);
    Some((Change { next, messages, withheld: None }, Some(routing)))
}

fn first(state: &AlertState, config: &Config, addresses: &Addresses) -> Routing {
    let labels = &state.subject.labels;
    let about_channel = labels.get(ALERTNAME).is_some_and(|name| name == "channel-dead");
    let except = labels.get(CHANNEL).filter(|_| about_channel).map(String::as_str);
    route(labels, &config.alerting, addresses, except)
}

fn as_told(state: &AlertState, config: &Config, addresses: &Addresses) -> Routing {
    let wants = |id: &&String| config.alerting.channels.iter().any(|channel| channel.id == **id && channel.send_resolved);
    let (channels, off): (Vec<String>, Vec<String>) =
        state.told.iter().filter(wants).cloned().partition(|channel| addresses.missing(channel).is_none());
    let why = if channels.is_empty() { RoutingWhy::Nobody } else { RoutingWhy::Matched };
    Routing { channels, off, why }
}

fn messages(state: &AlertState, reason: NotifyReason, routing: &Routing, config: &Config, addresses: &Addresses) -> Vec<NewMessage> {
    let episode = state.fired_at.unwrap_or(state.at);
    let new = |channel: &String, sendable: Sendable| {
        let id = message::id(&state.subject.id, episode, channel, reason);
        NewMessage { channel: channel.clone(), seq: state.version, notification: notification(state, reason, id, config), sendable }
    };
    let on = routing.channels.iter().map(|channel| new(channel, Sendable::Now));
    let off = routing.off.iter().map(|channel| {
        let secret = addresses.missing(channel).unwrap_or("(not configured)").to_owned();
        new(channel, Sendable::ChannelOff { secret })
    });
    on.chain(off).collect()
}

fn notification(state: &AlertState, reason: NotifyReason, id: String, config: &Config) -> Notification {
    let subject = &state.subject;
    Notification {
        id,
        alert: subject.id.clone(),
        reason,
        severity: subject.severity,
        rule: subject.rule.clone(),
        name: subject.name.clone(),
        summary: subject.summary.clone(),
        detail: state.detail.clone(),
        labels: subject.labels.clone(),
        measured: state.measured,
        peak: state.peak,
        normal: None,
        for_ms: subject.for_ms,
        since: state.since,
        at: state.at,
        owner: subject.owner.clone(),
        runbook: runbook_url(&config.site, &subject.runbook),
        dashboard: dashboard_url(&config.site, state.since, state.at),
        site: Stamp::from(&config.site),
    }
}

#[cfg(test)]
mod tests;
