//! Alerts that are told of together: which group an alert belongs to, and when a group owes a message. Pure.
//!
//! Alertmanager's grouping: alerts of one route with the same values of its `group_by` labels are one message per channel. The
//! first message waits `group_wait` for more alerts, later ones come `group_interval` apart at the least, and a group that fires
//! on unchanged is told of again after `repeat_interval`. Whether there is something to say is its dedup rule ([`dedup`]), row by row.
//!
//! | last told | now | people hear |
//! |---|---|---|
//! | nothing | some fire | first notification |
//! | nothing | none fires | nothing |
//! | some fire | one fires that was not told | new alerts added |
//! | some fire | none fires | all resolved |
//! | some fire | some ended that were not told as ended, and ends are wanted | some resolved |
//! | some fire | the same, longer than `repeat_interval` ago | repeat |
//! | some fire | the same | nothing |
//!
//! Where we differ, so that nothing is lost: a told alert that is silenced stays told, and its end is heard; a change after a long
//! calm, and that all of a group is over, is told at once instead of at the next beat of the interval; a group all of whose alerts
//! somebody has, or come and go, is not repeated.
//!
//! Slack, e-mail and webhooks are told by groups. Sentry, PagerDuty, Statuspage and CloudEvents have an issue or incident per
//! alert, so they are told of each alert by itself. Invariant: a group's message and its new state are one write, which happens
//! only if every alert it names stands as this tick saw it; so nobody is told of a group that an act has changed meanwhile.
//! An alert keeps the group it was told by until its end, whatever the routes say by then.

use serde::Serialize;

use super::incident::{AlertState, Phase};
use super::notification::{Group, GroupReason, Notification, NotifyReason};
use super::tell;
use crate::channel::Addresses;
use crate::config::Config;
use crate::config::alerting::{EVERY_LABEL, Via};
use crate::config::routes::Branch;
use crate::ids;
use crate::order;
use crate::outbox::message::{self, NewMessage, Sendable};
use crate::record::record;
use crate::sorted::Map;
use crate::storage::body_and_digest;
use crate::time::{HOUR_MS, MINUTE_MS, UnixMs};

/// Most alerts a message names; the rest is counted. Ten lines fit a Slack section, and ten alerts fit 20 kB of webhook.
pub const MAX_NAMED: usize = 10;
/// `group_interval` of a route that does not say: Alertmanager's.
const GROUP_INTERVAL_MS: i64 = 5 * MINUTE_MS;
/// `repeat_interval` of a route that does not say: Alertmanager's.
const REPEAT_INTERVAL_MS: i64 = 4 * HOUR_MS;

/// A group an alert is told by, on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// The channel.
    pub channel: String,
    /// The group (`grp_…`).
    pub group: String,
}

record!(Membership { channel, group, .. });

/// A group as an alert finds it: what is kept of its route, so that a change of the configuration loses no end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opening {
    /// The group (`grp_…`).
    pub id: String,
    /// The channel.
    pub channel: String,
    /// What its alerts have in common.
    pub labels: Map<String, String>,
    /// How long its first message waits.
    pub wait_ms: i64,
    /// The least time between two messages.
    pub interval_ms: i64,
    /// How long after its last message it is told of again; 0, never.
    pub repeat_ms: i64,
}

record!(Opening { id, channel, labels, wait_ms, interval_ms, repeat_ms, .. });

impl Opening {
    /// The group of an alert with `labels` that `route` sends to `channel`; `None` if the route does not group.
    pub fn of(route: &Branch<'_>, channel: &str, labels: &Map<String, String>) -> Option<Self> {
        if route.group_by.is_empty() {
            return None;
        }
        let every = route.group_by.iter().any(|label| label == EVERY_LABEL);
        let mut labels = labels.clone();
        labels.retain(|label, _| every || route.group_by.contains(label));
        let mut parts = vec![channel.to_owned(), route.asks.join(","), route.group_by.join(",")];
        // The name's length keeps `a=b` of one label from reading as another's.
        parts.extend(labels.iter().map(|(label, value)| format!("{}:{label}={value}", label.len())));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Some(Self {
            id: ids::derived(ids::prefix::GROUP, &parts),
            channel: channel.to_owned(),
            labels,
            wait_ms: route.group_wait_ms.unwrap_or(0),
            interval_ms: route.group_interval_ms.unwrap_or(GROUP_INTERVAL_MS),
            repeat_ms: route.repeat_interval_ms.unwrap_or(REPEAT_INTERVAL_MS),
        })
    }
}

/// Whether messages over `via` can be about several alerts.
pub fn is_groupable(via: &Via) -> bool {
    match via {
        Via::Slack { .. } | Via::Email { .. } | Via::Webhook { .. } => true,
        Via::Sentry {} | Via::Pagerduty { .. } | Via::Statuspage { .. } | Via::Cloudevents { .. } => false,
    }
}

/// What is remembered of a group on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupState {
    /// What it is.
    pub group: Opening,
    /// Grows by one with every stored change.
    pub version: i64,
    /// The moment of the last change.
    pub at: UnixMs,
    /// Since when it has alerts; `None` while it has none.
    pub opened_at: Option<UnixMs>,
    /// Its last message since then.
    pub told_at: Option<UnixMs>,
    /// The alerts its channel believes to fire.
    pub firing: Vec<String>,
    /// The alerts its last message said to be over.
    pub resolved: Vec<String>,
}

record!(GroupState { group, version, at, opened_at, told_at, firing, resolved, .. });

/// A change of a group, with its message if it owes one.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupChange {
    /// The new state.
    pub next: GroupState,
    /// What is said.
    pub message: Option<NewMessage>,
    /// The alerts it was decided from: all have to stand like that when it is written.
    pub seen: Vec<Stand>,
}

/// How an alert stands: its id, its version, and whose write that version is, if it is of the same tick. Another's write of the
/// same version is another state; one that was read has no other.
pub type Stand = (String, i64, Option<String>);

/// What an alert of a group is to it now.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The alert, after this tick.
    pub state: &'a AlertState,
    /// Whether something keeps it quiet.
    pub is_quiet: bool,
    /// Whether this tick says of it that it no longer comes and goes, and fires.
    pub has_settled: bool,
    /// Whether its state is this tick's, and not written yet.
    pub is_new: bool,
}

impl Member<'_> {
    fn stand(&self) -> Stand {
        let digest = self.is_new.then(|| body_and_digest(self.state).1);
        (self.state.subject.id.clone(), self.state.version, digest)
    }

    /// Whether people are to believe that it fires.
    fn fires(&self) -> bool {
        self.state.phase == Phase::Firing || self.state.flapping.is_some()
    }

    /// Whether somebody has it at `now`.
    fn is_taken(&self, now: UnixMs) -> bool {
        self.state.response.as_ref().is_some_and(|response| response.until.is_none_or(|until| until > now))
    }
}

/// What the groups owe after a tick's alerts have changed: `members` are all alerts, `opened` the groups that those that began in this
/// tick belong to, each as often as it was asked for.
pub fn gather(
    now: UnixMs,
    stored: &[GroupState],
    opened: impl IntoIterator<Item = Opening>,
    members: &Map<&str, Member<'_>>,
    told_by: (&Config, &Addresses),
) -> Vec<GroupChange> {
    let mut of_group: Map<&str, Vec<Member<'_>>> = Map::new();
    for member in members.values() {
        for membership in &member.state.groups {
            of_group.entry(&membership.group).or_default().push(*member);
        }
    }
    let new = |opening: Opening| GroupState {
        group: opening,
        version: 0,
        at: UnixMs(0),
        opened_at: None,
        told_at: None,
        firing: Vec::new(),
        resolved: Vec::new(),
    };
    let mut groups: Map<String, GroupState> = order::map(stored.iter().map(|state| (state.group.id.clone(), state.clone())));
    for opening in opened {
        match groups.get_mut(&opening.id) {
            // The route's timings as they are now.
            Some(known) => known.group = opening,
            None => drop(groups.insert(opening.id.clone(), new(opening))),
        }
    }
    let none = Vec::new();
    let step = |state: GroupState| {
        let own = of_group.get(state.group.id.as_str()).unwrap_or(&none);
        step(now, &state, own, members, told_by)
    };
    groups.into_values().filter_map(step).collect()
}

fn step(
    now: UnixMs,
    state: &GroupState,
    own: &[Member<'_>],
    all: &Map<&str, Member<'_>>,
    (config, addresses): (&Config, &Addresses),
) -> Option<GroupChange> {
    let group = &state.group;
    let known = known(state, own);
    let concerned: Vec<Member<'_>> = concerned(&known, own, all);
    // Somebody was faster: what they did is newer than this moment, and the next tick sees it.
    if state.at > now || concerned.iter().any(|member| member.state.at > now) {
        return None;
    }
    let fires = |id: &str| own.iter().any(|member| member.state.subject.id == id && member.fires());
    let audible = |member: &&Member<'_>| member.fires() && (!member.is_quiet || known.contains(&member.state.subject.id));
    let firing: Vec<Member<'_>> = own.iter().filter(audible).copied().collect();
    let resolved: Vec<String> = known.iter().filter(|id| !fires(id)).cloned().collect();

    let moved = |next: GroupState, message| {
        let seen = concerned.iter().map(Member::stand).collect();
        Some(GroupChange { next: GroupState { version: state.version + 1, at: now, ..next }, message, seen })
    };
    if firing.is_empty() && known.is_empty() {
        return state.opened_at.and_then(|_| moved(idle(state), None));
    }
    let opened_at = state.opened_at.unwrap_or(now);
    let due_at = match state.told_at {
        None => opened_at.plus(group.wait_ms),
        // Whoever works on it is told at once that all of it is over.
        Some(_) if firing.is_empty() => now,
        Some(told) => told.plus(group.interval_ms),
    };
    let told_at = state.told_at.or((!known.is_empty()).then_some(opened_at));
    let last = told_at.map(|at| Last { firing: &known, resolved: &state.resolved, at });
    let channel = config.alerting.channels.iter().find(|channel| channel.id == group.channel);
    let ids: Vec<String> = firing.iter().map(|member| member.state.subject.id.clone()).collect();
    let repeats = repeats(group, &firing, now, (config, addresses));
    let wants_ends = channel.is_some_and(|channel| channel.send_resolved);
    let why = if now < due_at { None } else { dedup(last, (&ids, &resolved), now, repeats, wants_ends) };
    let Some(why) = why else {
        let opens = state.opened_at.is_none();
        // What is said of an alert that has settled is a reminder too: the next one counts from here.
        let told_at = if own.iter().any(|member| member.has_settled) { Some(now) } else { state.told_at };
        let is_changed = opens || told_at != state.told_at;
        return if is_changed { moved(GroupState { opened_at: Some(opened_at), told_at, ..state.clone() }, None) } else { None };
    };
    let next = GroupState { opened_at: Some(opened_at), told_at: Some(now), firing: ids, resolved: resolved.clone(), ..state.clone() };
    let next = if firing.is_empty() { GroupState { resolved, ..idle(&next) } } else { next };
    let is_heard = channel.is_some() && (wants_ends || why != GroupReason::AllResolved);
    let loud: Vec<Member<'_>> = firing.iter().filter(|member| !member.is_quiet).copied().collect();
    let ended: Vec<Member<'_>> =
        concerned.iter().filter(|member| wants_ends && next.resolved.contains(&member.state.subject.id)).copied().collect();
    let message = is_heard.then(|| told(now, state.version + 1, group, why, (&loud, &ended), config)).flatten();
    let sendable = Sendable::to(&group.channel, addresses);
    let message = message.map(|notification| NewMessage { channel: group.channel.clone(), seq: now.0, notification, sendable });
    moved(next, message)
}

/// A group without alerts.
fn idle(state: &GroupState) -> GroupState {
    GroupState { opened_at: None, told_at: None, firing: Vec::new(), resolved: Vec::new(), ..state.clone() }
}

/// The alerts the channel believes to fire: those it was told of by the group, and those an escalation told it of.
fn known(state: &GroupState, own: &[Member<'_>]) -> Vec<String> {
    let mut known = state.firing.clone();
    for member in own.iter().filter(|member| member.state.told.contains(&state.group.channel)) {
        // An end that is not newer than the group's last change was told by it.
        let is_open = member.fires() || member.state.resolved_at.is_some_and(|at| at > state.at);
        if is_open && !known.contains(&member.state.subject.id) {
            known.push(member.state.subject.id.clone());
        }
    }
    known
}

/// The alerts a message of the group may be about.
fn concerned<'a>(known: &[String], own: &[Member<'a>], all: &Map<&str, Member<'a>>) -> Vec<Member<'a>> {
    let mut concerned = own.to_vec();
    let others = known.iter().filter(|id| !own.iter().any(|member| member.state.subject.id == **id));
    concerned.extend(others.filter_map(|id| all.get(id.as_str()).copied()));
    concerned
}

/// After how long the group is told of again; `None`, not now: never, or somebody has all of it, or it is quiet, or its route is muted.
/// Of an alert that comes and goes people know that they hear when it has settled: it is owed no reminder, and escalates if nobody has it.
fn repeats(group: &Opening, firing: &[Member<'_>], now: UnixMs, (config, addresses): (&Config, &Addresses)) -> Option<i64> {
    let is_owed = |member: &&Member<'_>| {
        let is_steady = member.state.flapping.is_none() && !member.has_settled;
        is_steady && !member.is_quiet && !member.is_taken(now)
    };
    let owed = firing.iter().find(is_owed)?;
    let is_open = || tell::reaches(owed.state, &group.channel, (config, addresses), now);
    (group.repeat_ms > 0 && is_open()).then_some(group.repeat_ms)
}

/// What a channel was told last.
#[derive(Debug, Clone, Copy)]
pub struct Last<'a> {
    /// The alerts that fired.
    pub firing: &'a [String],
    /// Those that were said to be over.
    pub resolved: &'a [String],
    /// When.
    pub at: UnixMs,
}

/// Alertmanager's dedup rule: whether there is something to say of alerts that are now `firing` and `resolved`, and why.
/// `repeat_ms` is `None` when it is not to be repeated.
pub fn dedup(
    last: Option<Last<'_>>,
    (firing, resolved): (&[String], &[String]),
    now: UnixMs,
    repeat_ms: Option<i64>,
    wants_ends: bool,
) -> Option<GroupReason> {
    let Some(last) = last else {
        return (!firing.is_empty()).then_some(GroupReason::First);
    };
    let all_in = |some: &[String], of: &[String]| some.iter().all(|id| of.contains(id));
    if !all_in(firing, last.firing) {
        return Some(GroupReason::NewAlerts);
    }
    if firing.is_empty() {
        return (!last.firing.is_empty()).then_some(GroupReason::AllResolved);
    }
    if wants_ends && !all_in(resolved, last.resolved) {
        return Some(GroupReason::SomeResolved);
    }
    repeat_ms.filter(|repeat_ms| now.since(last.at) > *repeat_ms).map(|_| GroupReason::Repeat)
}

/// The message: the alerts that fire, the worst first, and those that ended; the worst stands for all where one is needed.
fn told(
    now: UnixMs,
    version: i64,
    group: &Opening,
    why: GroupReason,
    (firing, ended): (&[Member<'_>], &[Member<'_>]),
    config: &Config,
) -> Option<Notification> {
    let id = message::id(&group.id, now, &group.channel, NotifyReason::StillFiring, version);
    let mut worst_first = firing.to_vec();
    order::sort_by(&mut worst_first, |a, b| {
        let (a, b) = (a.state, b.state);
        let reads_like = |state: &AlertState| (state.since, state.subject.name.clone(), state.subject.labels.clone());
        match a.subject.severity.cmp(&b.subject.severity) {
            std::cmp::Ordering::Equal => reads_like(a) < reads_like(b),
            other => other.is_gt(),
        }
    });
    let one = |member: &Member<'_>, reason| tell::notification(member.state, reason, id.clone(), config);
    let fires = worst_first.iter().map(|member| one(member, NotifyReason::First));
    let over = ended.iter().map(|member| one(member, NotifyReason::Resolved));
    let alerts: Vec<Notification> = fires.chain(over).take(MAX_NAMED).collect();
    let mut all: Vec<String> = Vec::new();
    all.extend(firing.iter().chain(ended).map(|member| member.state.subject.id.clone()));
    let count = |members: &[Member<'_>]| u32::try_from(members.len()).unwrap_or(u32::MAX);
    let about = Group {
        id: group.id.clone(),
        labels: group.labels.clone(),
        reason: why,
        firing: count(firing),
        resolved: count(ended),
        members: all,
        alerts,
    };
    Notification::of_group(&about, now)
}

#[cfg(test)]
mod tests;
