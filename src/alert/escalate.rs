//! Who is told next of an alert nobody has taken: escalation policies and on-call rotations. Pure.
//!
//! A policy is a list of steps, each `after` the moment people were first told; the first policy whose labels and hours fit
//! is in force, looked up anew at each tick, so a night that begins in the middle changes who is told. Invariants: one step
//! a tick and alert; a step that comes due while somebody has the alert, or while it is kept quiet, is not taken; a rotation
//! always names somebody. A shift is a week of local time: the hand-over is at the same clock time in summer and winter.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::incident::AlertState;
use super::maintenance;
use crate::config::alerting::{self, Alerting, Date, Escalation, Rotation};
use crate::time::{DAY_MS, UnixMs};

/// When the next step of the policy for `state` is due, if there is one.
pub fn due_at(state: &AlertState, alerting: &Alerting, now: UnixMs) -> Option<UnixMs> {
    let (_, after_ms) = step(policy(state, alerting, now)?, state.escalated)?;
    Some(state.told_at?.plus(after_ms))
}
/// The channels of the next step, due or not; the last step's when all were taken.
pub fn next<'a>(state: &AlertState, alerting: &'a Alerting, now: UnixMs) -> Vec<&'a str> {
    let notify = policy(state, alerting, now).and_then(|policy| {
        let index = usize::try_from(state.escalated).ok()?;
        policy.steps.get(index).or(policy.steps.last()).map(|step| step.notify.as_slice())
    });
    notify.map_or_else(Vec::new, |notify| channels(notify, alerting, now))
}

/// The channels that are told together with the routes', and how many steps that is: those `after: 0s`.
pub fn at_once<'a>(state: &AlertState, alerting: &'a Alerting, now: UnixMs) -> (Vec<&'a str>, u32) {
    let Some(policy) = policy(state, alerting, now) else { return (Vec::new(), 0) };
    let mut told = Vec::new();
    let mut taken = 0;
    for step in policy.steps.iter().take_while(|step| step.after_ms == 0) {
        told.extend(channels(&step.notify, alerting, now));
        taken += 1;
    }
    (told, taken)
}

fn policy<'a>(state: &AlertState, alerting: &'a Alerting, now: UnixMs) -> Option<&'a Escalation> {
    let labels = &state.subject.labels;
    alerting.escalations.iter().find(|policy| {
        let fits = policy.matchers.iter().all(|(label, value)| labels.get(label) == Some(value));
        fits && policy.hours.as_ref().is_none_or(|hours| maintenance::is_within(hours, now))
    })
}

/// Step number `index`, and when it is due after people were first told; beyond the last one that is the last, repeated.
fn step(policy: &Escalation, index: u32) -> Option<(&[String], i64)> {
    if let Some(step) = usize::try_from(index).ok().and_then(|index| policy.steps.get(index)) {
        return Some((&step.notify, step.after_ms));
    }
    let last = policy.steps.last().filter(|_| policy.repeat_ms > 0)?;
    let times = i64::from(index) - i64::try_from(policy.steps.len()).ok()? + 1;
    Some((&last.notify, last.after_ms.saturating_add(policy.repeat_ms.saturating_mul(times))))
}

/// Channels as they are, rotations as whoever is on call.
fn channels<'a>(notify: &'a [String], alerting: &'a Alerting, now: UnixMs) -> Vec<&'a str> {
    let mut channels = Vec::new();
    for name in notify {
        let rotation = alerting.rotations.iter().find(|rotation| rotation.id == *name);
        let channel = rotation.map_or(Some(name.as_str()), |rotation| on_call(rotation, now));
        channels.extend(channel.filter(|channel| !channels.contains(channel)));
    }
    channels
}

/// The channel of whoever is on call in `rotation` at `now`; `None` only for a rotation without members.
pub fn on_call(rotation: &Rotation, now: UnixMs) -> Option<&str> {
    let zone = rotation.zone.parse().unwrap_or(chrono_tz::UTC);
    let local = now.utc().with_timezone(&zone).naive_local();
    let read = |text: &str| moment(alerting::local_moment(text)?);
    let covers = |from: &str, until: &str| Some(read(from)? <= local && local < read(until)?);
    if let Some(other) = rotation.overrides.iter().find(|other| covers(&other.from, &other.until) == Some(true)) {
        return Some(&other.member);
    }
    let members = i64::try_from(rotation.members.len()).ok().filter(|members| *members > 0)?;
    let index = shifts_since_start(rotation, local).rem_euclid(members);
    usize::try_from(index).ok().and_then(|index| rotation.members.get(index)).map(String::as_str)
}

/// Whole weeks from the rotation's first hand-over, which is the one on or before its first day, to `local`.
fn shifts_since_start(rotation: &Rotation, local: NaiveDateTime) -> i64 {
    let minute = rotation.handover.minute().unwrap_or(0);
    let starts = alerting::date(&rotation.starts).and_then(|date| moment((date, minute))).unwrap_or(local);
    let back = (7 + starts.weekday().num_days_from_monday() - rotation.handover.day.from_monday()) % 7;
    let first = starts.checked_sub_days(Days::new(u64::from(back))).unwrap_or(starts);
    (local - first).num_milliseconds().div_euclid(7 * DAY_MS)
}

fn moment(((year, month, day), minute): (Date, u32)) -> Option<NaiveDateTime> {
    let midnight = NaiveDate::from_ymd_opt(year, month, day)?.and_time(NaiveTime::MIN);
    midnight.checked_add_signed(TimeDelta::minutes(i64::from(minute)))
}

#[cfg(test)]
mod tests;
