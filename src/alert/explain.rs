//! What is made of one rule at this moment, and why: what it looks at, what it finds, the verdict, how its alerts stand, what
//! keeps them quiet, who is told and what became of the last messages. [`past`] says the same of an earlier moment.
//!
//! Invariant: nothing here decides. What is read is what a tick reads, and every answer is that of the function the tick asks; so
//! it says what a tick at this moment would do, and writes nothing. Other alerts (which may explain this one) stand as stored.
//! Built as a JSON value, which costs the Worker less than types.

use serde_json::{Value, json};

use super::evaluate::{Moment, Verdict, evaluate, zone};
use super::group::Opening;
use super::incident::{AlertState, Phase, Subject, signal, step};
use super::notification::NotifyReason;
use super::observe::{Instance, Labels, LiveWindow, Observation, Observed, View, looks, observe};
use super::route::route;
use super::suppress::{Suppression, Suppressors};
use super::tick::{Memory, remembered, stored_minutes};
use super::watch;
use crate::channel::Addresses;
use crate::config::Config;
use crate::config::alerting::Rule;
use crate::config::matchers::Unmet;
use crate::config::routes::{Tried, tried};
use crate::outbox::message;
use crate::ports::{Db, DbError};
use crate::storage::outbox::{self, MessageRow};
use crate::time::UnixMs;

/// Explains `rule` at `now`; `live` are the Collectors' windows at that moment.
pub async fn explain(now: UnixMs, rule: &Rule, told_by: (&Config, &Addresses), db: &impl Db, live: &LiveWindow) -> Result<Value, DbError> {
    let (config, _) = told_by;
    let memory = remembered(now, db).await?;
    let stored = stored_minutes(now, &[rule], zone(config), db).await;
    let own = memory.last.as_ref().map(|last| watch::tick_age(last.at, now));
    let view = View::new(live.slices.iter().chain(&own), &live.coverage, &stored);
    let known: Vec<Labels> = memory.states.iter().filter_map(|state| state.subject.instance_of(rule)).collect();
    let observed = observe(rule, &known, now, zone(config), &view);
    let seen = judged(rule, known, observed, Moment { now, since: memory.since }, config);
    let ids: Vec<String> = seen.iter().flat_map(|(_, instance)| message_ids(rule, &instance.labels, &memory, config)).collect();
    let messages = db.batch(vec![outbox::messages(&ids)]).await?.into_iter().next().unwrap_or_default();
    Ok(explanation(now, rule, told_by, &memory, &seen, &messages.decode("outbox")?))
}

/// What the condition says of each of the rule's alerts, by what was `observed`.
fn judged(rule: &Rule, mut known: Vec<Labels>, observed: Observed, at: Moment, config: &Config) -> Vec<(Verdict, Instance)> {
    match observed {
        Ok(instances) => instances.into_iter().map(|instance| (evaluate(rule, &instance.observations, at, config), instance)).collect(),
        Err(blindness) => {
            if known.is_empty() {
                known.push(Labels::new());
            }
            let blind = |labels| (Verdict::Blind(blindness.clone()), Instance { labels, observations: Vec::new() });
            known.into_iter().map(blind).collect()
        }
    }
}

/// The messages there can be of the last episode, by the ids they are derived from: found by key, without reading the outbox.
fn message_ids(rule: &Rule, instance: &Labels, memory: &Memory, config: &Config) -> Vec<String> {
    let subject = Subject::of_rule(rule, instance);
    let Some(episode) = stored(memory, &subject).and_then(|state| state.fired_at) else { return Vec::new() };
    // What can be said again has the version in its id, and is found in the delivery log.
    let reasons = [NotifyReason::First, NotifyReason::Resolved];
    let of = |channel: &str| reasons.map(|reason| message::id(&subject.id, episode, channel, reason, 0));
    config.alerting.channels.iter().flat_map(|channel| of(&channel.id)).collect()
}

fn stored<'m>(memory: &'m Memory, subject: &Subject) -> Option<&'m AlertState> {
    memory.states.iter().find(|state| state.subject.id == subject.id)
}

/// The pure part: from what was read to what is shown.
fn explanation(
    now: UnixMs,
    rule: &Rule,
    told_by: (&Config, &Addresses),
    memory: &Memory,
    seen: &[(Verdict, Instance)],
    messages: &[MessageRow],
) -> Value {
    let firing: Vec<&Subject> = memory.states.iter().filter(|state| state.phase == Phase::Firing).map(|state| &state.subject).collect();
    let suppressors = Suppressors::at(now, &memory.silences, &told_by.0.alerting, &firing);
    let mut alerts = Vec::new();
    for (verdict, instance) in seen {
        let subject = Subject::of_rule(rule, &instance.labels);
        let state = stored(memory, &subject);
        let transition = step(state, &subject, signal(rule, verdict), now).transition;
        let sent: Vec<Value> = messages.iter().filter(|message| message.alert == subject.id).map(delivery).collect();
        let stands = json!({
            "state": state.map_or(Phase::Inactive, |state| state.phase).as_str(),
            "since": state.map(|state| state.since.rfc3339()),
            "fired_at": state.and_then(|state| state.fired_at).map(UnixMs::rfc3339),
            "last_held_at": state.map(|state| state.last_held_at.rfc3339()),
            "resolved_at": state.and_then(|state| state.resolved_at).map(UnixMs::rfc3339),
            "peak": state.and_then(|state| state.peak),
            "now": transition.as_str(),
            "withheld": state.and_then(|state| state.withheld.as_ref()).map(suppression),
            "told": state.map(AlertState::heard_on).unwrap_or_default(),
            "deliveries": sent,
        });
        alerts.push(with(stands, of_alert(rule, &subject, (verdict, instance), &suppressors, told_by, now)));
    }
    let ticked = json!({ "at": now.rfc3339(), "last_tick_at": memory.last.as_ref().map(|last| last.at.rfc3339()), "alerts": alerts });
    with(ticked, of_rule(rule))
}

fn of_rule(rule: &Rule) -> Value {
    json!({
        "rule": rule.id,
        "name": rule.name,
        "severity": rule.severity.as_str(),
        "for_ms": rule.for_ms,
        "keep_firing_for_ms": rule.keep_firing_for_ms,
        "interval_ms": rule.interval_ms,
    })
}

/// What is said of an alert at `now`, whatever is remembered of it: what is seen, what keeps it quiet, and who is told.
fn of_alert(
    rule: &Rule,
    subject: &Subject,
    (verdict, instance): (&Verdict, &Instance),
    suppressors: &Suppressors<'_>,
    (config, addresses): (&Config, &Addresses),
    now: UnixMs,
) -> Value {
    let routing = route(&subject.labels, &config.alerting, addresses, None, Some(now));
    let routes: Vec<Value> = tried(&subject.labels, &config.alerting.routes)
        .iter()
        .map(|(branch, tried)| json!({ "place": branch.place(), "asks": branch.route.matchers, "channels": branch.channels, "does": how(tried) }))
        .collect();
    let looks: Vec<Value> = looks(&rule.when)
        .iter()
        .zip(&instance.observations)
        .map(|(look, seen)| {
            json!({ "series": look.of.series, "labels": look.of.labels, "from": seen.window.from.rfc3339(), "to": seen.window.to.rfc3339(), "found": found(seen) })
        })
        .collect();
    let quiet: Vec<Value> = suppressors.all(subject, now).iter().map(suppression).collect();
    json!({
        "id": subject.id,
        "labels": instance.labels,
        "looks": looks,
        "verdict": verdict.as_str(),
        "says": verdict.sentence(&config.site.currency),
        "value": verdict.measured().map(|measured| measured.value),
        "recovery": rule.recovery,
        "suppressed_by": quiet,
        "routes": routes,
        "channels": routing.channels,
        "channels_off": routing.off,
        "channels_muted": routing.muted,
        "groups": routing.groups.iter().map(grouped).collect::<Vec<Value>>(),
    })
}

/// The members of two objects as one.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

fn found(seen: &Observation) -> Vec<Value> {
    seen.cells.iter().map(|cell| json!({ "kind": cell.kind().as_str(), "amount": cell.amount() })).collect()
}

fn suppression(why: &Suppression) -> Value {
    json!({ "by": why.by.as_str(), "id": why.id, "source": why.source })
}

fn grouped(group: &Opening) -> Value {
    json!({ "id": group.id, "channel": group.channel, "labels": group.labels })
}

/// What becomes of a route.
fn how(tried: &Tried) -> String {
    match tried {
        Tried::TakesAndContinues => "takes it, and goes on".to_owned(),
        Tried::TakesAndEnds => "takes it".to_owned(),
        Tried::TakenBelow => "takes it, by a route below".to_owned(),
        Tried::Differs(Unmet { label, has: Some(has) }) => format!("no: {label} is {has}"),
        Tried::Differs(Unmet { label, has: None }) => format!("no: it has no {label}"),
        Tried::NotTried => "not tried".to_owned(),
    }
}

fn delivery(message: &MessageRow) -> Value {
    json!({
        "id": message.id,
        "channel": message.channel,
        "reason": message.reason,
        "state": message.state.as_str(),
        "at": message.created_at.rfc3339(),
        "attempts": message.attempts,
        "detail": message.detail,
    })
}

pub mod past;

#[cfg(test)]
mod tests;
