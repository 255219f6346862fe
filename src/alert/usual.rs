//! What is usual for an alert that begins: the same number over the same window a week ago.
//!
//! A change and an anomaly know their baseline by themselves; the other conditions do not, and looking a week back at every tick would
//! cost a read for every rule. So it is looked up once, when the condition begins to hold, from the whole hours of that time: one read
//! for all of a tick's alerts, an hour or two of rows of the series they look at. Invariant: a message never waits for
//! this, and nothing is decided by it; a week ago that is not stored, or cannot be read, is left out.

use super::evaluate::{Moment, Verdict, evaluate, zone};
use super::group::GroupChange;
use super::incident::Phase;
use super::observe::{Coverage, Look, View, looks, observe_looks, stored_reads};
use super::quantity::Normal;
use super::tick::read_stored;
use crate::config::Config;
use crate::config::alerting::{Aggregate, Rule, When};
use crate::outbox::enqueue::Change;
use crate::ports::Db;
use crate::time::{DAY_MS, UnixMs};

const WEEK_MS: i64 = 7 * DAY_MS;
/// Alerts looked up in one tick: in a storm people read a digest.
const MAX_LOOKED_UP: usize = 20;

/// Writes into `changes`, their messages and those of `groups` what is usual for the alerts that begin at `now`.
pub(super) async fn look_up(changes: &mut [Change], groups: &mut [GroupChange], config: &Config, now: UnixMs, db: &impl Db) {
    let rules = &config.alerting.rules;
    let mut begins: Vec<(&mut Change, &Rule)> = Vec::new();
    for change in changes.iter_mut().filter(|change| lacks_normal(change, now)).take(MAX_LOOKED_UP) {
        let rule = rules.iter().find(|rule| change.next.subject.instance_of(rule).is_some());
        begins.extend(rule.filter(|rule| has_a_week_ago(&rule.when)).map(|rule| (change, rule)));
    }
    if begins.is_empty() {
        return;
    }
    let zone = zone(config);
    let reads = stored_reads(begins.iter().flat_map(|(_, rule)| a_week_ago(rule)), now, zone);
    let stored = read_stored(reads, db).await;
    let view = View::new([], &Coverage::Whole, &stored);
    for (change, rule) in begins {
        let Some(instance) = change.next.subject.instance_of(rule) else { continue };
        let Ok(seen) = observe_looks(&a_week_ago(rule), &rule.by, &[], now, zone, &view) else { continue };
        let Some(seen) = seen.into_iter().find(|seen| seen.labels == instance) else { continue };
        let verdict = evaluate(rule, &seen.observations, Moment { now, since: UnixMs(0) }, config);
        let (Verdict::Holds(then) | Verdict::DoesNotHold(then)) = verdict else { continue };
        let Some(measured) = change.next.measured.as_mut() else { continue };
        // A level that was there counts as one, which is no amount that could be usual.
        if matches!(rule.when, When::Absence { .. }) && then.value <= 1.0 {
            continue;
        }
        let normal = Normal { value: then.value * scale(&rule.when, measured.over_ms, then.over_ms), unit: then.unit };
        measured.normal = Some(normal);
        for message in &mut change.messages {
            message.notification.normal = Some(normal);
        }
        for message in groups.iter_mut().filter_map(|group| group.message.as_mut()) {
            message.notification.say_normal(&change.next.subject.id, normal);
        }
    }
}

fn lacks_normal(change: &Change, now: UnixMs) -> bool {
    let state = &change.next;
    let begins = matches!(state.phase, Phase::Pending | Phase::Firing) && state.since == now;
    begins && state.measured.is_some_and(|measured| measured.normal.is_none())
}

/// Whether there is a number a week ago: a change and an anomaly know what is usual themselves, and a combination has no one number.
fn has_a_week_ago(when: &When) -> bool {
    matches!(when, When::Threshold { .. } | When::Ratio { .. } | When::Absence { .. } | When::BurnRate { .. })
}

fn a_week_ago(rule: &Rule) -> Vec<Look<'_>> {
    looks(&rule.when).into_iter().map(|look| Look { ago_ms: look.ago_ms + WEEK_MS, ..look }).collect()
}

/// What adds up over time is brought from the whole hours that were read to the length of the window, be it the day so far.
fn scale(when: &When, over_ms: i64, read_ms: i64) -> f64 {
    match when {
        When::Threshold { aggregate: Aggregate::Sum | Aggregate::Count, .. } | When::Absence { .. } if read_ms > 0 => {
            over_ms as f64 / read_ms as f64
        }
        _ => 1.0,
    }
}
