//! Ticks without a deployment: the live tick's own decisions, remembered in memory instead of D1.
//!
//! For rule tests and backtests. Invariant: nothing is decided here; [`super::tick`] decides, and what it would have written
//! is what the next tick remembers. Channels are taken to be well, and every message to be delivered.

use super::due::due;
use super::evaluate::{Verdict, zone};
use super::history::History;
use super::incident::{AlertState, Subject};
use super::observe::{Coverage, Labels, looks, stored_reads};
use super::tick::{Decision, Memory, Seen, decide};
use super::watch::ALERTNAME;
use crate::channel::Addresses;
use crate::config::Config;
use crate::order;
use crate::outbox::message::{NewMessage, Sendable};
use crate::storage::alerts::LastTick;
use crate::time::UnixMs;

/// Alerts under a configuration, and what was decided of them so far.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    config: &'a Config,
    addresses: Addresses,
    memory: Memory,
}

/// What one tick did.
#[derive(Debug)]
pub struct Ticked {
    /// The alerts it changed, as they stand now.
    pub changed: Vec<AlertState>,
    /// What people are told.
    pub messages: Vec<NewMessage>,
    /// What it judged: the alert's id, its rule's, and the verdict.
    pub verdicts: Vec<(String, String, Verdict)>,
}

impl<'a> Rehearsal<'a> {
    /// A deployment of `config` with every secret set and no alert yet, that has watched for long.
    pub fn new(config: &'a Config) -> Self {
        let addresses = Addresses::resolve(&config.alerting, |_| Some("set".to_owned()));
        Self { config, addresses, memory: Memory::default() }
    }

    /// Says that it watches since `since` only.
    pub fn watching_since(&mut self, since: UnixMs) {
        self.memory.since = since;
    }

    /// Evaluates every rule at `now`, which is after every tick before, on what `history` holds.
    pub fn tick(&mut self, now: UnixMs, history: &mut History, coverage: Coverage) -> Ticked {
        let due = due(&self.config.alerting.rules, self.memory.last.as_ref(), now);
        let looks = due.iter().flat_map(|rule| looks(&rule.when));
        let stored = history.stored(stored_reads(looks, now, zone(self.config)));
        let seen = Seen { live: history.live(now, coverage), config_problem: None };
        let Decision { judged, changes, groups, report } = decide(now, &due, (self.config, &self.addresses), &self.memory, &stored, &seen);
        let verdicts = judged.into_iter().map(|judged| {
            let subject = Subject::of_rule(judged.rule, &judged.instance);
            (subject.id, subject.rule, judged.verdict)
        });
        let verdicts = verdicts.collect();
        self.memory.last = Some(LastTick::of(now, &serde_json::to_string(&report).unwrap_or_default()));
        let mut ticked = Ticked { changed: Vec::new(), messages: Vec::new(), verdicts };
        for change in changes {
            match self.memory.states.iter_mut().find(|state| state.subject.id == change.next.subject.id) {
                Some(state) => state.clone_from(&change.next),
                None => self.memory.states.push(change.next.clone()),
            }
            ticked.changed.push(change.next);
            ticked.messages.extend(change.messages.into_iter().filter(|message| message.sendable == Sendable::Now));
        }
        for change in groups {
            match self.memory.groups.iter_mut().find(|state| state.group.id == change.next.group.id) {
                Some(state) => state.clone_from(&change.next),
                None => self.memory.groups.push(change.next),
            }
            ticked.messages.extend(change.message.filter(|message| message.sendable == Sendable::Now));
        }
        ticked
    }

    /// Every alert there is or was.
    pub fn states(&self) -> &[AlertState] {
        &self.memory.states
    }

    /// Forgets what is not stored: what a deployment that was down comes back with.
    pub fn restart(&mut self) {
        let text = serde_json::to_string(&self.memory.states).unwrap_or_default();
        self.memory.states = crate::record::read(text.as_bytes()).unwrap_or_default();
        let text = serde_json::to_string(&self.memory.groups).unwrap_or_default();
        self.memory.groups = crate::record::read(text.as_bytes()).unwrap_or_default();
    }
}

/// The labels that set an alert apart from its rule's others, and from the alert about the rule itself; all of them when the rule is
/// gone.
pub fn own_labels(state: &AlertState, config: &Config) -> Labels {
    let rule = config.alerting.rules.iter().find(|rule| rule.id == state.subject.rule);
    let rule_has = |name: &String| rule.is_some_and(|rule| !rule.by.contains(name) && name != ALERTNAME);
    order::map(state.subject.labels.iter().filter(|(name, _)| !rule_has(name)).map(|(name, value)| (name.clone(), value.clone())))
}

#[cfg(test)]
mod tests;
