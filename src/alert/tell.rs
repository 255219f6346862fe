//! From a step of the state machine to the messages it owes: who is told, and what.
//!
//! Invariant: who was told that it fires is told that it is over, whatever the routes say by then, unless the
//! channel is gone or does not want to hear of ends. Who was not told because every route there was muted is told when one
//! opens while the alert still fires; escalation counts from the first time anybody was told.

use super::escalate;
use super::flapping::{self, Damped};
use super::incident::{AlertState, Step, Transition, touched};
use super::notification::{Notification, NotifyReason, Stamp, dashboard_url, runbook_url};
use super::respond::Response;
use super::route::{Routing, RoutingWhy, route};
use super::suppress::Suppression;
use super::texts;
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

/// What is owed of an alert that fires on, is not kept quiet, and of which people know.
fn unanswered(state: &AlertState, (config, addresses): (&Config, &Addresses), now: UnixMs) -> Owed {
    if !state.muted.is_empty() && opened(state, config, addresses, now).is_somebody() {
        return Owed::Message(NotifyReason::First);
    }
    let alerting = &config.alerting;
    match &state.response {
        Some(Response { until: Some(until), .. }) if *until <= now => Owed::Message(NotifyReason::StillFiring),
        None if escalate::due_at(state, alerting, now).is_some_and(|at| at <= now) => Owed::Message(NotifyReason::Escalated),
        Some(_) | None => Owed::Nothing,
    }
}

/// What is owed of an alert that may come and go.
fn damped(owed: Owed, state: &AlertState, transition: &Transition, is_quiet: bool, config: &Config, now: UnixMs) -> Owed {
    let is_first = owed == Owed::Message(NotifyReason::First);
    match flapping::damped(config.alerting.flapping.as_ref(), state, transition, is_first, is_quiet, now) {
        Damped::AsEver => owed,
        Damped::Nothing => Owed::Nothing,
        Damped::Instead(reason) => Owed::Message(reason),
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
    let state = step.next.as_ref().or(stored);
    let is_quiet = suppression.is_some();
    let is_open = matches!(step.transition, Transition::StillFiring(_)) && !is_quiet;
    let owed = match owed(&step.transition, state.and_then(|state| state.withheld.as_ref()), suppression) {
        Owed::Nothing if is_open => state.map_or(Owed::Nothing, |state| unanswered(state, (config, addresses), now)),
        owed => owed,
    };
    let owed = state.map_or(owed.clone(), |state| damped(owed, state, &step.transition, is_quiet, config, now));
    // An alert that fires on may have nothing new to store, and still be told of now.
    let told_late = matches!(owed, Owed::Message(_)) && step.next.is_none();
    let mut next = step.next.or_else(|| stored.filter(|_| told_late).map(|state| touched(state, now)))?;
    match owed {
        Owed::Nothing => Some((Change::of(next), None)),
        Owed::Later(why) => {
            let known = stored.filter(|stored| stored.fired_at == next.fired_at).and_then(|stored| stored.withheld.as_ref());
            let new = (known != Some(&why)).then(|| why.clone());
            next.withheld = Some(why);
            Some((Change { withheld: new, ..Change::of(next) }, None))
        }
        Owed::Message(reason) => {
            let (change, routing) = told(next, reason, (config, addresses), now);
            Some((change, Some(routing)))
        }
    }
}

/// `state` with everything that comes of telling people of it for `reason`.
pub fn told(state: AlertState, reason: NotifyReason, (config, addresses): (&Config, &Addresses), now: UnixMs) -> (Change, Routing) {
    // Who takes an alert nobody was told of has it; the others are still owed that it fires.
    let withheld = if reason == NotifyReason::Acknowledged { state.withheld.clone() } else { None };
    let policy = config.alerting.flapping.as_ref();
    let said = flapping::sentence(policy, reason, state.flapping.is_some() && state.resolved_at.is_some_and(|at| at < now));
    let mut next = AlertState { withheld, ..state };
    let routing = match reason {
        NotifyReason::First if !next.muted.is_empty() => {
            let routing = opened(&next, config, addresses, now);
            next.told_at = next.told_at.or(Some(now));
            next.told.extend(routing.alone());
            next.groups.extend(routing.memberships());
            next.muted.retain(|channel| !routing.channels.contains(channel) && !routing.off.contains(channel));
            routing
        }
        NotifyReason::First | NotifyReason::Flapping | NotifyReason::Test | NotifyReason::Report => {
            let (mut routing, taken) = first(&next, config, addresses, now);
            let is_told = routing.why != RoutingWhy::Muted;
            (next.told_at, next.escalated) = (is_told.then_some(now), taken);
            next.told = routing.alone();
            next.groups = routing.memberships();
            routing.muted.retain(|channel| !routing.channels.contains(channel));
            if reason == NotifyReason::Flapping {
                // Everybody is told by itself, and the group learns of it by that.
                next.flapping = Some(now);
                next.told.clone_from(&routing.channels);
            }
            next.muted.clone_from(&routing.muted);
            routing.off.retain(|channel| !routing.channels.contains(channel));
            routing
        }
        NotifyReason::Resolved | NotifyReason::RuleRemoved => {
            if next.flapping.take().is_some() {
                next.flaps.clear();
            }
            as_told(&next, config, addresses)
        }
        NotifyReason::Settled => {
            (next.flapping, next.flaps) = (None, Vec::new());
            known(next.heard_on(), addresses)
        }
        NotifyReason::Acknowledged => {
            // Who hears that somebody has it knows that it fires, even before its group would have named it.
            next.told = next.heard_on();
            known(next.told.clone(), addresses)
        }
        NotifyReason::Update => known(next.heard_on(), addresses),
        NotifyReason::StillFiring => {
            (next.told_at, next.escalated, next.response) = (Some(now), 0, None);
            known(next.heard_on(), addresses)
        }
        NotifyReason::Escalated => {
            let names = escalate::next(&next, &config.alerting, now).into_iter().map(str::to_owned).collect();
            let routing = reached(names, &next, config, addresses);
            next.escalated = next.escalated.saturating_add(1);
            let new = routing.channels.iter().filter(|channel| !next.told.contains(channel)).cloned().collect::<Vec<String>>();
            next.muted.retain(|channel| !new.contains(channel));
            next.told.extend(new);
            routing
        }
    };
    let mut messages = messages(&next, reason, &routing, config, addresses);
    for message in &mut messages {
        let detail = message.notification.detail.take();
        message.notification.detail =
            Some([detail, said.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ")).filter(|it| !it.is_empty());
    }
    let openings = routing.groups.clone();
    (Change { messages, openings, ..Change::of(next) }, routing)
}

/// Whether a route that is open at `now` takes the alert to `channel`.
pub(super) fn reaches(state: &AlertState, channel: &str, (config, addresses): (&Config, &Addresses), now: UnixMs) -> bool {
    let routing = route(&state.subject.labels, &config.alerting, addresses, its_channel(state), Some(now));
    routing.channels.iter().any(|known| known == channel)
}

/// Where the routes send it, and with them the steps of its escalation that wait for nothing; how many those are.
fn first(state: &AlertState, config: &Config, addresses: &Addresses, now: UnixMs) -> (Routing, u32) {
    let mut routing = route(&state.subject.labels, &config.alerting, addresses, its_channel(state), Some(now));
    if routing.why == RoutingWhy::Muted {
        return (routing, 0);
    }
    let (more, taken) = escalate::at_once(state, &config.alerting, now);
    for channel in more.into_iter().filter(|channel| Some(*channel) != its_channel(state)) {
        let known = if addresses.missing(channel).is_none() { &mut routing.channels } else { &mut routing.off };
        if !known.iter().any(|known| known == channel) {
            known.push(channel.to_owned());
        }
    }
    if !routing.channels.is_empty() && routing.why == RoutingWhy::Nobody {
        routing.why = RoutingWhy::Matched;
    }
    (routing, taken)
}

/// The channels that were not told because their routes were muted, and whose routes no longer are.
fn opened(state: &AlertState, config: &Config, addresses: &Addresses, now: UnixMs) -> Routing {
    let mut routing = route(&state.subject.labels, &config.alerting, addresses, its_channel(state), Some(now));
    routing.channels.retain(|channel| state.muted.contains(channel));
    routing.off.retain(|channel| state.muted.contains(channel));
    routing.groups.retain(|group| state.muted.contains(&group.channel));
    routing
}

/// The channel an alert about a dead channel is about: it cannot tell of itself.
fn its_channel(state: &AlertState) -> Option<&str> {
    let labels = &state.subject.labels;
    let about_channel = labels.get(ALERTNAME).is_some_and(|name| name == "channel-dead");
    labels.get(CHANNEL).filter(|_| about_channel).map(String::as_str)
}

/// An escalation's channels; every channel that is on when none of them is, or when there is no policy to name some.
fn reached(names: Vec<String>, state: &AlertState, config: &Config, addresses: &Addresses) -> Routing {
    let asked_for = known(names, addresses);
    if !asked_for.channels.is_empty() {
        return asked_for;
    }
    let channels = addresses.usable(&config.alerting, its_channel(state));
    let why = if channels.is_empty() { RoutingWhy::Nobody } else { RoutingWhy::Fallback };
    Routing { channels, why, ..asked_for }
}

fn known(names: Vec<String>, addresses: &Addresses) -> Routing {
    let (channels, off): (Vec<String>, Vec<String>) = names.into_iter().partition(|channel| addresses.missing(channel).is_none());
    let why = if channels.is_empty() { RoutingWhy::Nobody } else { RoutingWhy::Matched };
    Routing { channels, off, groups: Vec::new(), muted: Vec::new(), why }
}

/// Those that were told by itself that it fires; the others are told by their groups.
fn as_told(state: &AlertState, config: &Config, addresses: &Addresses) -> Routing {
    let wants = |id: &&String| config.alerting.channels.iter().any(|channel| channel.id == **id && channel.send_resolved);
    let is_grouped = |id: &&String| state.groups.iter().any(|membership| membership.channel == **id);
    known(state.told.iter().filter(|id| wants(id) && !is_grouped(id)).cloned().collect(), addresses)
}

fn messages(state: &AlertState, reason: NotifyReason, routing: &Routing, config: &Config, addresses: &Addresses) -> Vec<NewMessage> {
    let episode = state.fired_at.unwrap_or(state.at);
    let new = |channel: &String| {
        let id = message::id(&state.subject.id, episode, channel, reason, state.version);
        let (notification, sendable) = (notification(state, reason, id, config), Sendable::to(channel, addresses));
        NewMessage { channel: channel.clone(), seq: state.version, notification, sendable }
    };
    let alone = if reason == NotifyReason::Flapping { routing.channels.clone() } else { routing.alone() };
    alone.iter().chain(&routing.off).map(new).collect()
}

/// The message about `state`, its texts rendered.
pub fn notification(state: &AlertState, reason: NotifyReason, id: String, config: &Config) -> Notification {
    let subject = &state.subject;
    texts::rendered(Notification {
        id,
        alert: subject.id.clone(),
        reason,
        severity: subject.severity,
        rule: subject.rule.clone(),
        name: subject.name.clone(),
        summary: subject.summary.clone(),
        annotations: subject.annotations.clone(),
        detail: state.detail.clone(),
        labels: subject.labels.clone(),
        measured: state.measured,
        peak: state.peak,
        normal: state.measured.and_then(|measured| measured.normal),
        trend: None,
        contributors: state.contributors.clone(),
        change: None,
        for_ms: subject.for_ms,
        response: state.response.clone(),
        page_status: None,
        since: state.since,
        at: state.at,
        owner: subject.owner.clone(),
        runbook: runbook_url(&config.site, &subject.runbook),
        dashboard: dashboard_url(&config.site, state.since, state.at),
        site: Stamp::from(&config.site),
        group: None,
        report: None,
    })
}

#[cfg(test)]
mod tests;
