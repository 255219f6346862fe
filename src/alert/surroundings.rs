//! What a message shows around an alert: how its number went before, and what changed before it began.
//!
//! It is looked up when there is a message to send, for at most [`MAX_LOOKED_UP`] alerts and moments in one batch: in a storm people read a digest.
//! Invariant: a message never waits for this, and nothing is decided by it; what cannot be read is left out. A message about
//! several alerts has no one number to show.

use super::evaluate::zone;
use super::group::GroupChange;
use super::incident::Subject;
use super::notification::Notification;
use super::observe::{Coverage, Index, Labels, LiveWindow};
use super::trend::{Plan, plan};
use crate::config::Config;
use crate::config::alerting::Rule;
use crate::order;
use crate::outbox::enqueue::Change;
use crate::ports::Db;
use crate::storage::deploys;
use crate::time::UnixMs;

const MAX_LOOKED_UP: usize = 10;

/// An alert whose messages are sent.
struct Sought {
    alert: String,
    plan: Plan,
    instance: Labels,
}

/// Writes into the messages of `changes` and `groups` what is around their alerts.
pub(super) async fn look_around(
    changes: &mut [Change],
    groups: &mut [GroupChange],
    (config, live): (&Config, &LiveWindow),
    now: UnixMs,
    db: &impl Db,
) {
    let alone = changes.iter_mut().flat_map(|change| &mut change.messages).map(|message| &mut message.notification);
    let grouped = groups.iter_mut().filter_map(|group| Some(&mut group.message.as_mut()?.notification));
    let mut messages: Vec<&mut Notification> = alone.chain(grouped).collect();
    let mut sought: Vec<Sought> = Vec::new();
    for message in messages.iter().filter(|message| live.coverage == Coverage::Whole && !message.is_about_several()) {
        if sought.len() < MAX_LOOKED_UP && !sought.iter().any(|known| known.alert == message.alert) {
            sought.extend(seek(message, &config.alerting.rules));
        }
    }
    let mut begun: Vec<UnixMs> = Vec::new();
    for message in messages.iter().filter(|message| message.reason.says_firing()) {
        if begun.len() < MAX_LOOKED_UP && !begun.contains(&message.since) {
            begun.push(message.since);
        }
    }
    if sought.is_empty() && begun.is_empty() {
        return;
    }
    let reads = sought.iter().map(|sought| sought.plan.read(&sought.instance, now, zone(config)));
    let reads = reads.chain(begun.iter().map(|since| deploys::before(*since))).collect();
    let Ok(results) = db.batch(reads).await else { return };
    let mut results = results.into_iter();
    let live = Index::new(&live.slices);
    for (Sought { alert, plan, instance }, rows) in sought.iter().zip(results.by_ref()) {
        let mut about = messages.iter_mut().filter(|message| message.alert == *alert).peekable();
        let own = about.peek().and_then(|message| message.measured);
        let trend = plan.draw(instance, rows, &live, own, (now, config));
        about.for_each(|message| message.show_trend(trend.as_ref()));
    }
    for (since, rows) in begun.into_iter().zip(results) {
        let Ok(Some(change)) = deploys::nearest(rows) else { continue };
        let firing = messages.iter_mut().filter(|message| message.since == since && message.reason.says_firing());
        firing.for_each(|message| message.show_change(&change));
    }
}

/// What to read for the alert that `message` is about, if its rule's number has a course.
fn seek(message: &Notification, rules: &[Rule]) -> Option<Sought> {
    let rule = rules.iter().find(|rule| rule.id == message.rule)?;
    let instance: Labels = order::map(rule.by.iter().filter_map(|label| Some((label.clone(), message.labels.get(label)?.clone()))));
    let is_its = Subject::id(&rule.id, &instance) == message.alert;
    let plan = plan(&rule.when).filter(|_| is_its)?;
    Some(Sought { alert: message.alert.clone(), plan, instance })
}
