//! What Parapet watches of itself, as alerts like any other: its own blindness, rules that cannot be evaluated, a
//! configuration that cannot be used, silences that end soon, and channels that do not take messages.
//!
//! One alert for one cause: when the Collectors do not answer, every rule is blind, and people get one message, not fifty.

use super::evaluate::Verdict;
use super::incident::{AlertState, Phase, Signal, Subject};
use super::tick::Judged;
use crate::config::alerting::{Alerting, OnError, OpensIncident, Rule, Severity};
use crate::ids;
use crate::order;
use crate::sorted::Map;
use crate::storage::outbox::ChannelHealth;
use crate::storage::series::Slice;
use crate::storage::silences::Silence;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{Kind, SeriesKey, name};
use crate::time::{HOUR_MS, MINUTE_MS, UnixMs};

/// How long blindness lasts before people are told: one slow answer is not worth a page, three ticks are.
const BLIND_FOR_MS: i64 = 2 * MINUTE_MS;
/// How long a channel takes nothing before people are told through another: past the first six attempts.
const CHANNEL_FAILING_MS: i64 = 10 * MINUTE_MS;
/// How long before its end a silence is called to mind: time to look whether the work is done.
const REMIND_MS: i64 = 15 * MINUTE_MS;
/// Shorter silences are still in mind when they end.
const REMINDED_MS: i64 = HOUR_MS;

/// The label that names what kind of alert of our own it is.
pub const ALERTNAME: &str = "alertname";
/// What it is called on the alert about a rule that cannot be evaluated.
pub const RULE_ERROR: &str = "rule-error";
/// The label with the channel that an alert is about.
pub const CHANNEL: &str = "channel";

/// The alert about blindness, and what the verdicts say of it.
pub fn blindness(judged: &[Judged<'_>]) -> (Subject, Signal) {
    let blind = |error: OnError| {
        judged.iter().find_map(|judged| match &judged.verdict {
            Verdict::Blind(cause) if judged.rule.error == error => Some(cause),
            Verdict::Blind(_) | Verdict::Holds(_) | Verdict::DoesNotHold(_) | Verdict::NoData(_) | Verdict::Broken(_) => None,
        })
    };
    let signal = match blind(OnError::Alert) {
        Some(cause) => Signal::On { measured: None, detail: Some(format!("{cause}.")) },
        None => Signal::Off { measured: None },
    };
    let name = "Parapet cannot see the site";
    let summary = "Rules cannot be evaluated: what is wrong with the site now would not be noticed.";
    let subject = Subject { for_ms: BLIND_FOR_MS, ..own("parapet-blind", "blind", name, summary, Severity::Critical, Map::new()) };
    (subject, signal)
}

/// The alert about a configuration that is in force and cannot be used.
pub fn configuration(problem: Option<&str>) -> (Subject, Signal) {
    let signal = match problem {
        Some(why) => Signal::On { measured: None, detail: Some(format!("{why}.")) },
        None => Signal::Off { measured: None },
    };
    let name = "The configuration in force cannot be used";
    let summary = "Parapet works with the last good one: what was changed since is not watched.";
    let subject = Subject { for_ms: BLIND_FOR_MS, ..own("parapet-config", "config", name, summary, Severity::Warning, Map::new()) };
    (subject, signal)
}

/// The alert about silences that end soon while they keep quiet what still fires: people will be told of it all at once.
pub fn silences_ending(silences: &[Silence], states: &[AlertState], now: UnixMs) -> (Subject, Signal) {
    let kept_quiet = |silence: &Silence| {
        let by_it = |state: &&AlertState| state.withheld.as_ref().is_some_and(|why| why.id == silence.id);
        states.iter().filter(|state| state.phase == Phase::Firing).filter(by_it).count()
    };
    let soon = silences.iter().filter(|silence| {
        silence.holds_at(now) && silence.ends_at.since(now) <= REMIND_MS && silence.ends_at.since(silence.starts_at) >= REMINDED_MS
    });
    let said: Vec<String> = soon
        .map(|silence| (silence, kept_quiet(silence)))
        .filter(|(_, count)| *count > 0)
        .map(|(silence, count)| {
            let (id, author, end) = (&silence.id, &silence.author, silence.ends_at.rfc3339());
            format!("{id} of {author} ends at {end} and {count} of its alerts still fire")
        })
        .collect();
    let signal = if said.is_empty() {
        Signal::Off { measured: None }
    } else {
        Signal::On { measured: None, detail: Some(format!("{}.", said.join("; "))) }
    };
    let (name, summary) =
        ("A silence ends soon", "What it keeps quiet still fires, and people will be told: finish the work or make it longer.");
    (own("parapet-silence", "silence-ending", name, summary, Severity::Info, Map::new()), signal)
}

/// How long ago the tick before this one was, as a series like any other. The first tick ever has none.
pub fn tick_age(last: UnixMs, now: UnixMs) -> Slice {
    let key = SeriesKey::new(Kind::Gauge, name::TICK_AGE, Vec::new());
    let at = now.plus(-1);
    Slice { t: at, cells: vec![(key, Cell::single(Kind::Gauge, now.since(last) as f64 / 1_000.0, at.0))] }
}

/// The alert about a rule that cannot be evaluated as it is written.
pub fn rule_error(rule: &Rule) -> Subject {
    let name = format!("Rule {} cannot be evaluated", rule.id);
    let summary = format!("\"{}\" is not being watched until its rule is corrected.", rule.name);
    let subject = own(&rule.id, RULE_ERROR, &name, &summary, Severity::Warning, rule.labels.clone());
    Subject { owner: rule.owner.clone(), ..subject }
}

/// The alert about each configured channel, and what its health says at `now`. `states` are the alerts as stored.
pub fn channels(alerting: &Alerting, health: &[ChannelHealth], states: &[AlertState], now: UnixMs) -> Vec<(Subject, Signal)> {
    alerting
        .channels
        .iter()
        .map(|channel| {
            let subject = channel_subject(&channel.id);
            let health = health.iter().find(|health| health.id == channel.id);
            let told_at = states.iter().find(|state| state.subject.id == subject.id).and_then(|state| state.fired_at);
            (subject, channel_signal(health, told_at, now))
        })
        .collect()
}

fn channel_subject(channel: &str) -> Subject {
    let name = format!("Notifications do not reach {channel}");
    let summary = format!("Messages to {channel} are refused or unanswered: alerts sent only there are not seen by anybody.");
    let labels = order::map([(CHANNEL.to_owned(), channel.to_owned())]);
    own("parapet-channel", "channel-dead", &name, &summary, Severity::Critical, labels)
}

fn channel_signal(health: Option<&ChannelHealth>, told_at: Option<UnixMs>, now: UnixMs) -> Signal {
    let Some(health) = health else { return Signal::Off { measured: None } };
    let said = health.detail.as_deref().unwrap_or("no answer");
    // Also when the channel has recovered meanwhile: a message was lost, and nobody has heard of it yet.
    let untold = health.dead_at.is_some_and(|dead| told_at.is_none_or(|told| told < dead));
    if health.is_dead() || untold {
        return Signal::On { measured: None, detail: Some(format!("A message was given up: {said}.")) };
    }
    match health.failing_since {
        Some(since) if now.since(since) >= CHANNEL_FAILING_MS => {
            Signal::On { measured: None, detail: Some(format!("Nothing went through since {}: {said}.", since.rfc3339())) }
        }
        Some(_) => Signal::Hold,
        None => Signal::Off { measured: None },
    }
}

/// A subject of our own. Its identity is its rule and the labels that set it apart, never its severity or a team's labels.
fn own(rule: &str, alertname: &str, name: &str, summary: &str, severity: Severity, mut labels: Map<String, String>) -> Subject {
    let instance =
        labels.get(CHANNEL).filter(|_| rule == "parapet-channel").map_or(String::new(), |channel| format!(",{CHANNEL}={channel}"));
    let id = ids::derived(ids::prefix::ALERT, &[rule, &format!("{ALERTNAME}={alertname}{instance}")]);
    labels.insert("rule".to_owned(), rule.to_owned());
    labels.insert("severity".to_owned(), severity.as_str().to_owned());
    labels.insert(ALERTNAME.to_owned(), alertname.to_owned());
    Subject {
        id,
        rule: rule.to_owned(),
        name: name.to_owned(),
        severity,
        labels,
        for_ms: 0,
        keep_firing_for_ms: 0,
        summary: summary.to_owned(),
        annotations: Map::new(),
        runbook: String::new(),
        owner: "parapet".to_owned(),
        incident: OpensIncident::Critical,
    }
}
