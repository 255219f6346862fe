//! An alert that comes and goes: one message says that it flaps, one that it has settled, and between them people are left alone. Pure.
//!
//! It flaps when it begins to fire `times` within `within`; it has settled when it neither began nor ended for `settled_after`. In between
//! it keeps whoever was told, whoever has it, and its escalation: a critical alert that flaps and that nobody has still wakes
//! somebody. Invariant: what people hear last is how it stands. Settled while it fires, they hear that it does, and later of its end;
//! settled while it does not, they hear that it is over. The number of moments kept bounds `times`.

use super::incident::{AlertState, Phase, Transition};
use super::notification::NotifyReason;
use crate::config::alerting::Flapping;
use crate::config::check::FLAPS;
use crate::time::{UnixMs, human_span};

/// Moments kept of an alert: the most `times` can be.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of moments, checked to be small")]
const MAX_KEPT: usize = *FLAPS.end() as usize;

/// `flaps` and `now`, the oldest dropped.
pub fn with(flaps: &[UnixMs], now: UnixMs) -> Vec<UnixMs> {
    let kept = flaps.len().saturating_sub(MAX_KEPT - 1);
    flaps.iter().skip(kept).copied().chain([now]).collect()
}

/// A new episode `next` of an alert that was `stored`: while it flaps, it is still the one people were told of.
pub fn carried(stored: &AlertState, next: AlertState) -> AlertState {
    if stored.flapping.is_none() {
        return next;
    }
    AlertState {
        told: stored.told.clone(),
        groups: stored.groups.clone(),
        muted: stored.muted.clone(),
        told_at: stored.told_at,
        escalated: stored.escalated,
        response: stored.response.clone(),
        flapping: stored.flapping,
        ..next
    }
}

/// What flapping makes of what is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damped {
    /// What would be owed without it.
    AsEver,
    /// Nothing.
    Nothing,
    /// Another message.
    Instead(NotifyReason),
}

/// What is owed of `state` after `transition`, where it would be told that it fires if `is_first`.
pub fn damped(
    policy: Option<&Flapping>,
    state: &AlertState,
    transition: &Transition,
    is_first: bool,
    is_quiet: bool,
    now: UnixMs,
) -> Damped {
    if state.flapping.is_none() {
        let begins = is_first && matches!(transition, Transition::Fired);
        let flaps = policy.is_some_and(|policy| begins && often(policy, state, now));
        return if flaps { Damped::Instead(NotifyReason::Flapping) } else { Damped::AsEver };
    }
    let last_change = state.resolved_at.max(state.flaps.last().copied()).unwrap_or(state.at);
    let has_settled = policy.is_none_or(|policy| now.since(last_change) >= policy.settled_after_ms);
    match (transition, state.phase) {
        (Transition::Resolved(NotifyReason::RuleRemoved), _) => Damped::AsEver,
        (Transition::Fired | Transition::Resolved(_), _) => Damped::Nothing,
        (Transition::Stale, _) | (_, Phase::Pending) => Damped::AsEver,
        (_, Phase::Firing) if has_settled && !is_quiet => Damped::Instead(NotifyReason::Settled),
        (_, Phase::Inactive | Phase::Resolved) if has_settled => Damped::Instead(NotifyReason::Resolved),
        _ => Damped::AsEver,
    }
}

fn often(policy: &Flapping, state: &AlertState, now: UnixMs) -> bool {
    let lately = state.flaps.iter().filter(|at| now.since(**at) <= policy.within_ms).count();
    u32::try_from(lately).is_ok_and(|lately| lately >= policy.times)
}

/// What the numbers of a message do not say.
pub fn sentence(policy: Option<&Flapping>, reason: NotifyReason, was_flapping: bool) -> Option<String> {
    let policy = policy?;
    let still = human_span(policy.settled_after_ms);
    match (reason, was_flapping) {
        (NotifyReason::Flapping, _) => {
            let within = human_span(policy.within_ms);
            Some(format!(
                "It comes and goes: {} times within {within}. You hear of it again when it has stood still for {still}.",
                policy.times
            ))
        }
        (NotifyReason::Settled, _) => Some(format!("It no longer comes and goes: it has fired without a break for {still}.")),
        (NotifyReason::Resolved, true) => Some(format!("It no longer comes and goes: it has not fired for {still}.")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
