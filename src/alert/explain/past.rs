//! What is made of one rule at an earlier moment: the same evaluator over what is still stored.
//!
//! Invariant: nothing is guessed. What is no longer stored is named, in the verdict if it decides it and in `missing` otherwise. The
//! condition is asked of the last whole minute: the ten-second slices a tick sees are gone after 15 minutes, and the minutes they
//! became stand in for them, each at its end, as in a backtest. Silences and maintenance are those of the moment to the millisecond,
//! and what fires is read from the episodes. Messages are those of an hour on either side, at most fifty.

use serde_json::{Value, json};

use super::super::evaluate::{Moment, zone};
use super::super::incident::{AlertState, Subject};
use super::super::observe::{
    Blindness, Coverage, LIVE_MS, LiveWindow, Resolution, SLICE_MS, View, cut_off, looks, observe, reads_live, stored_reads,
};
use super::super::suppress::Suppressors;
use super::super::tick::{Memory, read_stored, remembered};
use super::{Labels, delivery, judged, of_alert, of_rule, stored, with};
use crate::channel::Addresses;
use crate::config::Config;
use crate::config::alerting::{Over, Rule};
use crate::ports::{Db, DbError};
use crate::storage::config::InForce;
use crate::storage::deliveries::{self, Sent};
use crate::storage::episodes::{self, Episode};
use crate::storage::series::{self, Slice};
use crate::telemetry::series::name;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs, Window};

/// How far from the moment a message is still shown.
const AROUND_MS: i64 = HOUR_MS;
/// Messages of the rule's alerts that are shown: ten channels, five times.
const MAX_MESSAGES: i64 = 50;

/// The moment that is asked about, and the one at which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// About when.
    pub at: UnixMs,
    /// When.
    pub now: UnixMs,
}

/// Explains `rule` as of an earlier moment; `live` are the Collectors' windows now, `in_force` what was in force then.
pub async fn explain(
    asked: Asked,
    rule: &Rule,
    (in_force, addresses): (&InForce, &Addresses),
    db: &impl Db,
    live: &LiveWindow,
) -> Result<Value, DbError> {
    let config = &in_force.config;
    let mut memory = remembered(asked.at, db).await?;
    memory.silences.retain(|silence| silence.created_at <= asked.at);
    let results = db.batch(episodes::of_moment(&rule.id, asked.at).into()).await?;
    let [firing, own] = episodes::of_moment_found(results)?;

    // An alert that fired then is answered even if nothing is left of it.
    let fired = |state: &&AlertState| firing.iter().any(|episode| episode.alert == state.subject.id);
    let known: Vec<Labels> = memory.states.iter().filter(fired).filter_map(|state| state.subject.instance_of(rule)).collect();
    let minute = asked.at.floor(MINUTE_MS);
    let slices = slices(rule, minute, asked.now, db, live).await?;
    let observed = if let Some(blindness) = gone(rule, minute, asked.now, config) {
        Err(blindness)
    } else {
        let stored = read_stored(stored_reads(looks(&rule.when), minute, zone(config)), db).await;
        let coverage = if minute > cut_off(asked.now) { &live.coverage } else { &Coverage::Whole };
        observe(rule, &known, minute, zone(config), &View::new(&slices, coverage, &stored))
    };
    let seen = judged(rule, known, observed, Moment { now: minute, since: memory.since }, config);

    let subjects: Vec<Subject> = seen.iter().map(|(_, instance)| Subject::of_rule(rule, &instance.labels)).collect();
    let ids: Vec<&str> = subjects.iter().map(|subject| subject.id.as_str()).collect();
    let around = Window { from: asked.at.plus(-AROUND_MS), to: asked.at.plus(AROUND_MS) };
    let sent =
        deliveries::sent(db.batch(vec![deliveries::around(&ids, around, MAX_MESSAGES)]).await?.into_iter().next().unwrap_or_default())?;

    let others: Vec<&Subject> = memory.states.iter().filter(fired).map(|state| &state.subject).collect();
    let suppressors = Suppressors::at(asked.at, &memory.silences, &config.alerting, &others);
    let mut alerts = Vec::new();
    for ((verdict, instance), subject) in seen.iter().zip(&subjects) {
        let stands = stands(subject, &own, &memory, &sent, asked, config);
        alerts.push(with(stands, of_alert(rule, subject, (verdict, instance), &suppressors, (config, addresses), asked.at)));
    }
    let last_tick = slices.iter().rev().find(|slice| slice.cells.iter().any(|(key, _)| key.name() == name::TICKS));
    let explained = json!({
        "at": asked.at.rfc3339(),
        "asked_at": asked.now.rfc3339(),
        "last_tick_at": last_tick.map(|slice| slice.t.floor(MINUTE_MS).rfc3339()),
        "config_version": in_force.version,
        "missing": missing(rule, asked, memory.since, in_force),
        "alerts": alerts,
    });
    Ok(with(explained, of_rule(rule)))
}

/// What stands in for the live slices of `minute`: the stored minutes before it, each at its end, and the live slices of now where those
/// are not surely written.
async fn slices(rule: &Rule, minute: UnixMs, now: UnixMs, db: &impl Db, live: &LiveWindow) -> Result<Vec<Slice>, DbError> {
    let looks = looks(&rule.when);
    let mut names: Vec<&str> = looks.iter().map(|look| look.of.series.as_str()).collect();
    names.push(name::TICKS);
    let mut reads = Vec::new();
    let mut from = minute.plus(-LIVE_MS);
    while from < minute.min(cut_off(now)) {
        // Apart, since the minutes of one read come added up.
        reads.push(series::read_minutes(&names, Window { from, to: from.plus(MINUTE_MS) }));
        from = from.plus(MINUTE_MS);
    }
    let mut found = Vec::new();
    if !reads.is_empty() {
        for result in db.batch(reads).await? {
            found.extend(series::slices(result)?.into_iter().map(|slice| Slice { t: slice.t.plus(MINUTE_MS - SLICE_MS), ..slice }));
        }
    }
    found.extend(live.slices.iter().filter(|slice| cut_off(now) <= slice.t && slice.t < minute).cloned());
    Ok(found)
}

/// What the condition looks at and retention has dropped.
fn gone(rule: &Rule, minute: UnixMs, now: UnixMs, config: &Config) -> Option<Blindness> {
    let (looks, zone, kept) = (looks(&rule.when), zone(config), &config.infrastructure.retention);
    let is_gone = |from: UnixMs, days: u32| from < kept_from(now, days);
    let live = reads_live(&looks, minute, zone).then(|| {
        let reach = looks.iter().filter_map(|look| if let Over::Ms(ms) = look.over { Some(ms) } else { None }).max().unwrap_or(LIVE_MS);
        (minute.plus(-reach.min(LIVE_MS)), Resolution::Minute)
    });
    let stored = stored_reads(looks, minute, zone).into_iter().map(|read| (read.stretch.1.from, read.stretch.0));
    let lost = |(from, resolution): (UnixMs, Resolution)| {
        let (what, days) = match resolution {
            Resolution::Minute => ("minutes", kept.minute_days),
            Resolution::Hour | Resolution::HourByHour => ("hours", kept.hour_days),
        };
        is_gone(from, days).then(|| Blindness::Gone { what, from: from.rfc3339(), days })
    };
    live.into_iter().chain(stored).find_map(lost)
}

fn kept_from(now: UnixMs, days: u32) -> UnixMs {
    now.plus(-i64::from(days) * DAY_MS)
}

/// How an alert stood then, by its episodes, and what was sent of it around that moment.
fn stands(subject: &Subject, episodes: &[Episode], memory: &Memory, sent: &[Sent], asked: Asked, config: &Config) -> Value {
    let episode = episodes.iter().find(|episode| episode.alert == subject.id);
    let is_over = |episode: &Episode| episode.ended_at.is_some_and(|ended| ended <= asked.at);
    // The last episode's beginning is remembered with the alert; earlier ones are known from when they fired only.
    let was_pending = |state: &AlertState| state.since <= asked.at && state.fired_at.is_none_or(|fired| asked.at < fired);
    let state = match episode {
        Some(episode) if !is_over(episode) => "firing",
        _ if stored(memory, subject).is_some_and(was_pending) => "pending",
        _ if asked.at < kept_from(asked.now, config.infrastructure.retention.day_days) => "not_stored",
        _ => "not_firing",
    };
    let moment = |of: fn(&Episode) -> Option<UnixMs>| episode.and_then(of).map(UnixMs::rfc3339);
    let of_alert = |sent: &&Sent| sent.message.alert == subject.id || sent.members.contains(&subject.id);
    json!({
        "state": state,
        "fired_at": moment(|episode| Some(episode.fired_at)),
        "told_at": moment(|episode| episode.told_at),
        "acknowledged_at": moment(|episode| episode.acknowledged_at),
        "resolved_at": moment(|episode| episode.ended_at),
        "deliveries": sent.iter().filter(of_alert).map(|sent| delivery(&sent.message)).collect::<Vec<Value>>(),
    })
}

/// What cannot be known of that moment any more, beside what blinds the condition.
fn missing(rule: &Rule, asked: Asked, since: UnixMs, in_force: &InForce) -> Vec<String> {
    let (mut missing, kept) = (Vec::new(), &in_force.config.infrastructure.retention);
    let is_gone = |days: u32| asked.at < kept_from(asked.now, days);
    if asked.at < since {
        missing.push(format!("Parapet ticked first at {}: nothing was watched then.", since.rfc3339()));
    }
    if is_gone(kept.day_days) {
        missing.push(format!("What fired then: it is kept for {} days.", kept.day_days));
    }
    if is_gone(kept.hour_days) {
        missing.push(format!("Messages and silences that were over then or soon after: they are kept for {} days.", kept.hour_days));
    }
    let looks = looks(&rule.when);
    if looks.iter().any(|look| look.of.series == name::TICK_AGE) {
        missing.push("The age of ticks: it is measured at each tick and not stored.".to_owned());
    }
    if looks.iter().any(|look| matches!(look.over, Over::Ms(ms) if ms % MINUTE_MS != 0)) {
        missing.push("Parts of minutes: a window that is not of whole minutes sees the whole of each minute that ends in it.".to_owned());
    }
    match (&in_force.refused, in_force.version) {
        (Some(refusal), asked) => missing.push(format!("The configuration of then: {refusal}. Version {asked} is asked instead.")),
        (None, 0) => missing.push("The configuration the Worker carried then: the one it carries now is asked.".to_owned()),
        (None, _) => {}
    }
    missing
}

#[cfg(test)]
mod tests;
