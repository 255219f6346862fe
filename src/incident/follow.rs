//! From changes of alerts to what incidents keep of them. Pure: what happened is read off the new state alone.
//!
//! Invariant: every change of an alert that fires says again that it does, so an alert that fired before its incident was
//! opened joins at its next change; what was said before has the same key, and is not written twice.

use super::{EntryKind, id, incident_key};
use crate::alert::incident::{AlertState, Phase};
use crate::alert::notification::NotifyReason;
use crate::config::alerting::{OpensIncident, Severity};
use crate::outbox::enqueue::Change;
use crate::time::UnixMs;

/// An alert as incidents see it after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<'a> {
    /// The state the change wrote: what hangs on it is written only if it was.
    pub state: &'a AlertState,
    /// When the episode began to fire.
    pub episode: UnixMs,
    /// What its incident's alerts share.
    pub key: String,
    /// The id of the incident it opens, if it opens one.
    pub incident: String,
    /// Whether it may open one.
    pub opens: bool,
    /// When the episode ended, and who ended it, if a person did.
    pub ended: Option<(UnixMs, Option<&'a str>)>,
}

/// Something that was done about an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Done<'a> {
    /// The state the change wrote.
    pub state: &'a AlertState,
    /// When the episode began to fire.
    pub episode: UnixMs,
    /// What.
    pub kind: EntryKind,
    /// Who; empty for Parapet.
    pub actor: &'a str,
    /// In words.
    pub text: String,
}

/// What incidents keep of `changes`.
pub fn follow(changes: &[Change]) -> (Vec<Seen<'_>>, Vec<Done<'_>>) {
    let (mut all_seen, mut all_done) = (Vec::new(), Vec::new());
    for change in changes {
        if let Some(seen) = seen(&change.next) {
            all_done.extend(done(change, seen.episode));
            all_seen.push(seen);
        }
    }
    (all_seen, all_done)
}

fn seen(state: &AlertState) -> Option<Seen<'_>> {
    let subject = &state.subject;
    let ended = match state.phase {
        Phase::Firing => None,
        Phase::Resolved => Some((state.resolved_at?, state.response.as_ref().filter(|by| Some(by.at) == state.resolved_at))),
        Phase::Inactive | Phase::Pending => return None,
    };
    // What nobody is told of, as in maintenance, may join and opens nothing until they are told.
    let told = state.withheld.is_none();
    let opens = match subject.incident {
        OpensIncident::Always => told,
        OpensIncident::Critical => told && subject.severity == Severity::Critical,
        OpensIncident::Never => return None,
    };
    let (episode, key) = (state.fired_at?, incident_key(subject));
    let incident = id(&key, &subject.id, episode);
    Some(Seen { state, episode, key, incident, opens, ended: ended.map(|(at, by)| (at, by.map(|by| by.by.as_str()))) })
}

fn done(change: &Change, episode: UnixMs) -> Vec<Done<'_>> {
    let state = &change.next;
    let mut all = Vec::new();
    let mut push = |kind, actor, text| all.push(Done { state, episode, kind, actor, text });
    // A response is a change of its own, so only that change has its moment.
    let response = state.response.as_ref().filter(|response| response.at == state.at);
    if let Some((response, verdict)) = response.filter(|_| state.phase == Phase::Resolved).zip(state.alarm) {
        push(EntryKind::Verdict, &response.by, verdict.as_str().to_owned());
    }
    if let Some(response) = response.filter(|_| state.phase == Phase::Firing) {
        let until = response.until.map(|until| format!("until {}", until.rfc3339()));
        let said: Vec<&str> = until.as_deref().into_iter().chain(response.note.as_deref()).collect();
        push(EntryKind::Acknowledged, &response.by, said.join(": "));
    }
    let escalated: Vec<&str> = change
        .messages
        .iter()
        .filter(|message| message.notification.reason == NotifyReason::Escalated)
        .map(|message| message.channel.as_str())
        .collect();
    if !escalated.is_empty() {
        push(EntryKind::Escalated, "", format!("to {}", escalated.join(", ")));
    }
    if let Some(why) = &change.withheld {
        push(EntryKind::Withheld, "", format!("{} {}", why.by.as_str(), why.id));
    }
    all
}

#[cfg(test)]
mod tests;
