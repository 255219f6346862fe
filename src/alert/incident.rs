//! The state machine of one alert: inactive → pending → firing → resolved.
//!
//! Pure: `step(stored, subject, signal, now)` says what happened and what to store. `for` and `keep_firing_for` are measured
//! in time, never in ticks, and compare with `≥`, so a late or skipped tick is late, not lost. Invariants: an older tick
//! changes nothing; a [`Signal::Hold`] (we could not look, or the rule says to wait) never resolves and never fires.

use serde::Serialize;

use super::contributors::Contributor;
use super::evaluate::{NoDataWhy, Verdict};
use super::flapping;
use super::group::Membership;
use super::notification::NotifyReason;
use super::observe::Labels;
use super::quantity::Measured;
use super::respond::{AlarmVerdict, Response};
use super::suppress::Suppression;
use crate::config::alerting::{NoData, OnError, OpensIncident, Rule, Severity};
use crate::ids;
use crate::order;
use crate::record::{record, words};
use crate::sorted::Map;
use crate::time::UnixMs;

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The condition did not hold long enough to fire.
    Inactive,
    /// It holds, not yet for long enough.
    Pending,
    /// People were told.
    Firing,
    /// It fired and is over.
    Resolved,
}

words!(Phase { Inactive "inactive", Pending "pending", Firing "firing", Resolved "resolved" });

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 4] = [Self::Inactive, Self::Pending, Self::Firing, Self::Resolved];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }

    /// The phase called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

/// What an alert is about: a configured rule, or something Parapet watches of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subject {
    /// The alert's id (`alr_…`): rule and instance labels.
    pub id: String,
    /// The rule's id.
    pub rule: String,
    /// What is wrong.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// Labels for routing; `rule` and `severity` included.
    pub labels: Map<String, String>,
    /// How long the condition must hold.
    pub for_ms: i64,
    /// How long it keeps firing after the condition last held.
    pub keep_firing_for_ms: i64,
    /// One sentence: what it does to people.
    pub summary: String,
    /// More texts by name, with templates as the summary.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, String>,
    /// Where to read what to do; may be a path, may be empty.
    pub runbook: String,
    /// Who owns it.
    pub owner: String,
    /// Whether it opens an incident.
    #[serde(skip_serializing_if = "OpensIncident::is_default")]
    pub incident: OpensIncident,
}

record!(Subject {
    id,
    rule,
    name,
    severity,
    labels,
    for_ms,
    keep_firing_for_ms,
    summary,
    annotations = Map::new(),
    runbook,
    owner,
    incident = OpensIncident::Critical,
    ..
});

impl Subject {
    /// The subject of a rule's own condition; `instance` sets it apart from the rule's others.
    pub fn of_rule(rule: &Rule, instance: &Labels) -> Self {
        let mut labels = rule.labels.clone();
        labels.extend(instance.clone());
        labels.insert("rule".to_owned(), rule.id.clone());
        labels.insert("severity".to_owned(), rule.severity.as_str().to_owned());
        Self {
            id: Self::id(&rule.id, instance),
            rule: rule.id.clone(),
            name: rule.name.clone(),
            severity: rule.severity,
            labels,
            for_ms: rule.for_ms,
            keep_firing_for_ms: rule.keep_firing_for_ms,
            summary: rule.summary.clone(),
            annotations: rule.annotations.clone(),
            runbook: rule.runbook.clone(),
            owner: rule.owner.clone(),
            incident: rule.incident,
        }
    }
}

impl Subject {
    /// The id of the alert of `rule` that `instance` sets apart from its others.
    pub(super) fn id(rule: &str, instance: &Labels) -> String {
        let mut parts = vec![rule.to_owned()];
        // The name's length keeps `a=b` of one label from reading as another's.
        parts.extend(instance.iter().map(|(label, value)| format!("{}:{label}={value}", label.len())));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        ids::derived(ids::prefix::ALERT, &parts)
    }

    /// The instance of `rule` this is about, if it is about its condition as it is written now.
    pub fn instance_of(&self, rule: &Rule) -> Option<Labels> {
        let instance: Labels = order::map(rule.by.iter().filter_map(|label| Some((label.clone(), self.labels.get(label)?.clone()))));
        (self.rule == rule.id && Self::id(&rule.id, &instance) == self.id).then_some(instance)
    }
}

/// What is remembered of an alert between ticks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertState {
    /// What it is about, as of the last change: still known when the rule is gone.
    pub subject: Subject,
    /// Where it stands.
    pub phase: Phase,
    /// Grows by one with every stored change: the compare-and-swap's handle.
    pub version: i64,
    /// The tick that wrote this.
    pub at: UnixMs,
    /// When the condition began to hold.
    pub since: UnixMs,
    /// When this episode began to fire.
    pub fired_at: Option<UnixMs>,
    /// When the condition last held.
    pub last_held_at: UnixMs,
    /// When the episode ended.
    pub resolved_at: Option<UnixMs>,
    /// What was last measured.
    pub measured: Option<Measured>,
    /// The worst value since `since`.
    pub peak: Option<f64>,
    /// Why there is nothing measured, what failed.
    pub detail: Option<String>,
    /// The channels that were told by itself that it fires, and so are told when it ends.
    pub told: Vec<String>,
    /// The groups that tell other channels that it fires, and that it ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Membership>,
    /// The channels that are told when a route to them is no longer muted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub muted: Vec<String>,
    /// Why people were not told that it fires, while that is owed to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Suppression>,
    /// When people were first told that this episode fires, or a snooze ended: what escalation counts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told_at: Option<UnixMs>,
    /// Steps of the escalation policy that were taken since then.
    #[serde(skip_serializing_if = "is_zero")]
    pub escalated: u32,
    /// Who has it; also who resolved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// What it turned out to be, if somebody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm: Option<AlarmVerdict>,
    /// Which label values explain that it fires.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contributors: Vec<Contributor>,
    /// When it began to fire lately, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flaps: Vec<UnixMs>,
    /// Since when people know that it comes and goes, and hear of it again only when it has settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flapping: Option<UnixMs>,
}

impl AlertState {
    /// Every channel that was told, by itself or by a group.
    pub fn heard_on(&self) -> Vec<String> {
        let by_groups = self.groups.iter().map(|membership| &membership.channel).filter(|channel| !self.told.contains(channel));
        self.told.iter().chain(by_groups).cloned().collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

record!(AlertState { subject, phase, version, at, since, fired_at, last_held_at, resolved_at, measured, peak, detail, told, groups = Vec::new(), muted = Vec::new(), withheld, told_at, escalated = 0, response, alarm, contributors = Vec::new(), flaps = Vec::new(), flapping, .. });

/// A verdict after the rule's policy: what the state machine acts on.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// The condition holds.
    On {
        /// What was measured.
        measured: Option<Measured>,
        /// What the numbers do not say.
        detail: Option<String>,
    },
    /// It does not.
    Off {
        /// What was measured.
        measured: Option<Measured>,
    },
    /// Nothing can be said: the state stays.
    Hold,
    /// Nothing watches this any more.
    Gone,
}

/// What a verdict means for a rule's own alert.
pub fn signal(rule: &Rule, verdict: &Verdict) -> Signal {
    match (verdict, rule.no_data) {
        (Verdict::Holds(measured), _) => Signal::On { measured: Some(*measured), detail: None },
        (Verdict::DoesNotHold(measured), _) => Signal::Off { measured: Some(*measured) },
        (
            Verdict::NoData(
                NoDataWhy::NothingInWindow | NoDataWhy::TooFewSamples { .. } | NoDataWhy::TooFewUsual { .. } | NoDataWhy::TooEarly,
            ),
            NoData::Ok,
        ) => Signal::Off { measured: None },
        // Too early in the day, or in the life of a deployment, is not missing data, so it alerts nobody.
        (Verdict::NoData(why @ (NoDataWhy::NothingInWindow | NoDataWhy::TooFewSamples { .. })), NoData::Alert) => {
            Signal::On { measured: None, detail: Some(why.sentence()) }
        }
        (Verdict::NoData(_) | Verdict::Blind(_) | Verdict::Broken(_), _) => Signal::Hold,
    }
}

/// What its verdicts mean for the alert about the rule itself. Blindness is not the rule's fault, and says nothing of it.
pub fn rule_error_signal<'a>(rule: &Rule, verdicts: impl IntoIterator<Item = &'a Verdict>) -> Signal {
    let mut signal = Signal::Off { measured: None };
    for verdict in verdicts {
        match (verdict, rule.error) {
            (Verdict::Broken(fault), OnError::Alert) => return Signal::On { measured: None, detail: Some(fault.to_string()) },
            (Verdict::Blind(_), OnError::Alert) => signal = Signal::Hold,
            (Verdict::Broken(_) | Verdict::Blind(_), OnError::Keep)
            | (Verdict::Holds(_) | Verdict::DoesNotHold(_) | Verdict::NoData(_), OnError::Alert | OnError::Keep) => {}
        }
    }
    signal
}

/// What happened to an alert in one tick.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// Nothing is wrong and nothing was.
    Quiet,
    /// The stored state is newer than this tick.
    Stale,
    /// The condition began to hold.
    BecamePending,
    /// It holds, not yet for long enough.
    StillPending,
    /// It stopped before it fired.
    PendingEnded,
    /// It fires.
    Fired,
    /// It fires on, and why.
    StillFiring(Firing),
    /// It is over.
    Resolved(NotifyReason),
}

/// Why an alert fires on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Firing {
    /// The condition holds.
    ConditionHolds,
    /// It does not, but the value is not back at the recovery level.
    NotRecovered,
    /// It held less than `keep_firing_for` ago.
    KeptUntil(UnixMs),
    /// Nothing can be said.
    Held,
}

impl Transition {
    /// The reported text.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Stale => "stale",
            Self::BecamePending => "became_pending",
            Self::StillPending => "still_pending",
            Self::PendingEnded => "pending_ended",
            Self::Fired => "fired",
            Self::StillFiring(_) => "still_firing",
            Self::Resolved(_) => "resolved",
        }
    }

    /// Why people are told of it, if they are.
    pub fn notify(&self) -> Option<NotifyReason> {
        match self {
            Self::Fired => Some(NotifyReason::First),
            Self::Resolved(reason) => Some(*reason),
            Self::Quiet | Self::Stale | Self::BecamePending | Self::StillPending | Self::PendingEnded | Self::StillFiring(_) => None,
        }
    }
}

/// A transition and what to store for it; `None` when what is stored already says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What happened.
    pub transition: Transition,
    /// What to store.
    pub next: Option<AlertState>,
}

impl Step {
    fn only(transition: Transition) -> Self {
        Self { transition, next: None }
    }
}

/// What `signal` does to the alert at `now`.
pub fn step(stored: Option<&AlertState>, subject: &Subject, signal: Signal, now: UnixMs) -> Step {
    if stored.is_some_and(|state| now < state.at) {
        return Step::only(Transition::Stale);
    }
    let phase = stored.map_or(Phase::Inactive, |state| state.phase);
    match (phase, stored, signal) {
        (Phase::Pending, Some(state), Signal::On { measured, detail }) if now.since(state.since) >= subject.for_ms => {
            fire(held(state, subject, measured, detail, now), now)
        }
        (Phase::Pending, Some(_), Signal::On { .. } | Signal::Hold) => Step::only(Transition::StillPending),
        (Phase::Pending, Some(state), Signal::Off { .. } | Signal::Gone) => {
            let next = AlertState { phase: Phase::Inactive, ..touched(state, now) };
            Step { transition: Transition::PendingEnded, next: Some(next) }
        }
        (Phase::Firing, Some(state), Signal::On { measured, detail }) => {
            let next = held(state, subject, measured, detail, now);
            Step { transition: Transition::StillFiring(Firing::ConditionHolds), next: Some(next) }
        }
        (Phase::Firing, Some(state), Signal::Off { measured: Some(measured) }) if !measured.is_recovered() => {
            let next = held(state, subject, Some(measured), None, now);
            Step { transition: Transition::StillFiring(Firing::NotRecovered), next: Some(next) }
        }
        (Phase::Firing, Some(_), Signal::Hold) => Step::only(Transition::StillFiring(Firing::Held)),
        (Phase::Firing, Some(state), Signal::Off { measured }) => {
            let until = state.last_held_at.plus(subject.keep_firing_for_ms);
            if now < until {
                return Step::only(Transition::StillFiring(Firing::KeptUntil(until)));
            }
            end(AlertState { measured: newest(measured, state), ..touched(state, now) }, NotifyReason::Resolved, now)
        }
        (Phase::Firing, Some(state), Signal::Gone) => end(touched(state, now), NotifyReason::RuleRemoved, now),
        (_, _, Signal::On { measured, detail }) => begin(stored, subject, measured, detail, now),
        (_, _, Signal::Off { .. } | Signal::Hold | Signal::Gone) => Step::only(Transition::Quiet),
    }
}

fn begin(stored: Option<&AlertState>, subject: &Subject, measured: Option<Measured>, detail: Option<String>, now: UnixMs) -> Step {
    let state = AlertState {
        subject: subject.clone(),
        phase: Phase::Pending,
        version: stored.map_or(1, |state| state.version + 1),
        at: now,
        since: now,
        fired_at: None,
        last_held_at: now,
        resolved_at: None,
        measured,
        peak: measured.map(|measured| measured.value),
        detail,
        told: Vec::new(),
        groups: Vec::new(),
        muted: Vec::new(),
        withheld: None,
        told_at: None,
        escalated: 0,
        response: None,
        alarm: None,
        contributors: Vec::new(),
        flaps: stored.map(|state| state.flaps.clone()).unwrap_or_default(),
        flapping: None,
    };
    let state = stored.map_or(state.clone(), |stored| flapping::carried(stored, state));
    if subject.for_ms <= 0 { fire(state, now) } else { Step { transition: Transition::BecamePending, next: Some(state) } }
}

fn fire(state: AlertState, now: UnixMs) -> Step {
    let flaps = flapping::with(&state.flaps, now);
    Step { transition: Transition::Fired, next: Some(AlertState { phase: Phase::Firing, fired_at: Some(now), flaps, ..state }) }
}

fn end(state: AlertState, reason: NotifyReason, now: UnixMs) -> Step {
    let next = AlertState { phase: Phase::Resolved, resolved_at: Some(now), ..state };
    Step { transition: Transition::Resolved(reason), next: Some(next) }
}

pub(crate) fn touched(state: &AlertState, now: UnixMs) -> AlertState {
    AlertState { version: state.version + 1, at: now, ..state.clone() }
}

/// What was measured last.
fn newest(measured: Option<Measured>, state: &AlertState) -> Option<Measured> {
    measured.map(|measured| measured.after(state.measured)).or(state.measured)
}

fn held(state: &AlertState, subject: &Subject, measured: Option<Measured>, detail: Option<String>, now: UnixMs) -> AlertState {
    let peak = match (state.peak, measured) {
        (Some(peak), Some(measured)) => Some(measured.threshold.worse(peak, measured.value)),
        (peak, measured) => peak.or(measured.map(|measured| measured.value)),
    };
    AlertState { subject: subject.clone(), last_held_at: now, measured: newest(measured, state), peak, detail, ..touched(state, now) }
}

#[cfg(test)]
pub(crate) mod tests;
