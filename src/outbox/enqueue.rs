//! From a changed alert to the statements of one batch: the compare-and-swap, and what depends on it:
//! the messages, or the note of why there are none, and what incidents keep of it.
//!
//! Invariant: a message is written if and only if the change it tells of was. Both are in one transaction, each message
//! asks for the version and digest its change wrote, and its id is derived, so writing it again does nothing.

use crate::alert::group::{GroupChange, Opening};
use crate::alert::incident::AlertState;
use crate::alert::suppress::Suppression;
use crate::incident::follow::follow;
use crate::outbox::message::NewMessage;
use crate::storage::{Statement, alerts, episodes, groups, incidents, outbox, silences};
use crate::time::UnixMs;

/// One alert's change, and the messages that tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The new state.
    pub next: AlertState,
    /// Who is told what.
    pub messages: Vec<NewMessage>,
    /// What keeps it quiet from now on, if that is new.
    pub withheld: Option<Suppression>,
    /// The groups that tell of it from now on.
    pub openings: Vec<Opening>,
}

impl Change {
    /// `next`, of which nobody is told.
    pub fn of(next: AlertState) -> Self {
        Self { next, messages: Vec::new(), withheld: None, openings: Vec::new() }
    }
}

/// The statements that apply `changes` at `now`, swaps first. The first [`swap_statements`] answer the ids that were swapped.
pub fn enqueue(changes: &[Change], now: UnixMs) -> Vec<Statement> {
    let states: Vec<&AlertState> = changes.iter().map(|change| &change.next).collect();
    let mut statements = alerts::swap(&states);
    let messages: Vec<(&AlertState, &NewMessage)> =
        changes.iter().flat_map(|change| change.messages.iter().map(move |message| (&change.next, message))).collect();
    statements.extend(outbox::insert_for_changes(&messages, now));
    let withheld: Vec<(&AlertState, &Suppression)> =
        changes.iter().filter_map(|change| Some((&change.next, change.withheld.as_ref()?))).collect();
    statements.extend(silences::withhold(&withheld, now));
    let (seen, done) = follow(changes);
    statements.extend(incidents::follow(&seen, &done));
    statements.extend(episodes::record(&states));
    statements
}

/// The statements that apply what groups owe at `now`, after those of [`enqueue`] in the same batch: each change only if its alerts
/// stand as they were seen.
pub fn enqueue_groups(changes: &[GroupChange], now: UnixMs) -> Vec<Statement> {
    let mut statements = groups::swap(changes);
    let told: Vec<(&GroupChange, &NewMessage)> = changes.iter().filter_map(|change| Some((change, change.message.as_ref()?))).collect();
    statements.extend(outbox::insert_for_groups(&told, now));
    statements
}

/// How many of the statements of [`enqueue`] are swaps.
pub fn swap_statements(changes: &[Change]) -> usize {
    changes.len().div_ceil(alerts::ROWS_PER_STATEMENT)
}
