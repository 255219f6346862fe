//! What a person does about a firing alert: acknowledge, snooze, resolve, escalate. Pure: a state, an act, the next state.
//!
//! Invariants: an act is a change of the alert's state like any other, so it is applied by compare-and-swap and cannot be
//! undone by a tick that read the state before; whoever was told that an alert fires is told that somebody has it. A snooze
//! lasts between [`MIN_SNOOZE_MS`] and [`MAX_SNOOZE_MS`]: a longer quiet is a silence, which has matchers and a reason.

use serde::Serialize;

use super::incident::{AlertState, Phase, touched};
use super::notification::NotifyReason;
use crate::record::{record, words};
use crate::time::{DAY_MS, MINUTE_MS, UnixMs};

/// Shortest snooze.
pub const MIN_SNOOZE_MS: i64 = 5 * MINUTE_MS;
/// Longest snooze.
pub const MAX_SNOOZE_MS: i64 = DAY_MS;

/// What can be done about an alert, as paths and counters have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Somebody has it: nothing escalates until it is over.
    Acknowledge,
    /// The same until a moment.
    Snooze,
    /// It is over, for people.
    Resolve,
    /// Tell the next ones now.
    Escalate,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 4] = [Self::Acknowledge, Self::Snooze, Self::Resolve, Self::Escalate];

    /// The text in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Snooze => "snooze",
            Self::Resolve => "resolve",
            Self::Escalate => "escalate",
        }
    }

    /// The verb called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}

/// What an alarm turned out to be, said by whoever resolves it: what a rule's precision is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmVerdict {
    /// Something was wrong, and it was worth telling.
    TrueAlarm,
    /// Nothing was wrong.
    FalseAlarm,
    /// Something was wrong, and everybody knew.
    Expected,
}

words!(AlarmVerdict { TrueAlarm "true_alarm", FalseAlarm "false_alarm", Expected "expected" });

impl AlarmVerdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::TrueAlarm, Self::FalseAlarm, Self::Expected];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrueAlarm => "true_alarm",
            Self::FalseAlarm => "false_alarm",
            Self::Expected => "expected",
        }
    }

    /// The verdict called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// Somebody has the alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Response {
    /// Who: a name, not an id.
    pub by: String,
    /// Since when.
    pub at: UnixMs,
    /// Until when; `None`, until the alert is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMs>,
    /// What they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

record!(Response { by, at, until, note, .. });

/// One act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Somebody has it.
    Acknowledge,
    /// The same until then.
    Snooze {
        /// The end.
        until: UnixMs,
    },
    /// It is over.
    Resolve {
        /// What it turned out to be.
        verdict: Option<AlarmVerdict>,
    },
    /// Tell the next ones now.
    Escalate,
}

/// Why an act does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The alert does not fire.
    #[error("it does not fire: it is {}", .0.as_str())]
    NotFiring(Phase),
    /// The snooze is too short or too long.
    #[error("a snooze lasts from 5 minutes to a day; make a silence for more")]
    SnoozeSpan,
}

/// The state of an alert after `act` of `by`, and what people are told; `None` when it is as they want it already.
pub fn respond(
    state: &AlertState,
    act: &Act,
    by: &str,
    note: Option<&str>,
    now: UnixMs,
) -> Result<Option<(AlertState, NotifyReason)>, Refused> {
    if state.phase != Phase::Firing {
        return Err(Refused::NotFiring(state.phase));
    }
    let has_it = |until| Response { by: by.to_owned(), at: now, until, note: note.map(str::to_owned) };
    let next = touched(state, now.max(state.at));
    Ok(match act {
        Act::Acknowledge if state.response.as_ref().is_some_and(|response| response.until.is_none()) => None,
        Act::Acknowledge => Some((AlertState { response: Some(has_it(None)), ..next }, NotifyReason::Acknowledged)),
        Act::Snooze { until } if !(MIN_SNOOZE_MS..=MAX_SNOOZE_MS).contains(&until.since(now)) => return Err(Refused::SnoozeSpan),
        Act::Snooze { until } => Some((AlertState { response: Some(has_it(Some(*until))), ..next }, NotifyReason::Acknowledged)),
        Act::Resolve { verdict } => {
            let (phase, resolved_at) = (Phase::Resolved, Some(next.at));
            let (response, alarm) = (Some(has_it(None)), *verdict);
            Some((AlertState { phase, resolved_at, response, alarm, ..next }, NotifyReason::Resolved))
        }
        // Whoever has it asks for help: the others are told, and go on being told until one of them has it.
        Act::Escalate => Some((AlertState { response: None, ..next }, NotifyReason::Escalated)),
    })
}

#[cfg(test)]
mod tests;
