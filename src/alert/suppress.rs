//! Is an alert kept quiet, by what and why? Pure: the alert, what is silenced, under maintenance or firing, and `now`.
//!
//! It stands between the state machine and the routes. The state changes and is stored all the same; only the telling is
//! withheld, and made up for when the reason is over while the alert still fires. The rows, by what was told before:
//!
//! | the alert | told before | suppressed now | people hear |
//! |---|---|---|---|
//! | begins to fire | – | no | that it fires |
//! | begins to fire | – | yes | nothing; it is owed |
//! | fires on | no, owed | yes | nothing; it is owed |
//! | fires on | no, owed | no | that it fires, now |
//! | fires on | yes | yes or no | nothing: they know |
//! | ends | no, owed | yes or no | nothing: they never knew |
//! | ends | yes | yes or no | that it is over: a silence must not leave a page open that is none |
//!
//! A silence is looked at before maintenance, and that before inhibition: what a person asked for is named first.
//! Inhibition is Alertmanager's: an alert does not inhibit itself, nor do two that match both sides inhibit each other, and
//! a source inhibits also while it is itself silenced. Beyond it, a circle of explanations explains nothing: a source counts
//! only if it, or what explains it in the end, is explained by nothing. So of alerts that fire, inhibition leaves one to be told.
//! A rule's `depends_on` is an inhibition by the alerts of another rule, and follows the same laws.

use serde::Serialize;

use super::incident::Subject;
use super::maintenance;
use super::matcher::{Matcher, all_match};
use super::watch::{ALERTNAME, RULE_ERROR};
use crate::config::alerting::Alerting;
use crate::record::{record, words};
use crate::sorted::{Map, Set};
use crate::storage::silences::Silence;
use crate::time::UnixMs;

/// What kind of thing keeps an alert quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressedBy {
    /// Somebody silenced it.
    Silence,
    /// A maintenance window is open.
    Maintenance,
    /// Another alert that fires explains it.
    Inhibition,
    /// An alert of a rule that its own rule depends on fires.
    Dependency,
}

words!(SuppressedBy { Silence "silence", Maintenance "maintenance", Inhibition "inhibition", Dependency "dependency" });

impl SuppressedBy {
    /// Every kind, in the order they are looked at.
    pub const ALL: [Self; 4] = [Self::Silence, Self::Maintenance, Self::Inhibition, Self::Dependency];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Maintenance => "maintenance",
            Self::Inhibition => "inhibition",
            Self::Dependency => "dependency",
        }
    }

    /// The kind called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Why an alert is kept quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// By what kind of thing.
    pub by: SuppressedBy,
    /// The silence's, window's or inhibition's id; of a dependency, the other rule's.
    pub id: String,
    /// The alert that explains it, for an inhibition or a dependency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

record!(Suppression { by, id, source, .. });

/// The labels that matchers see: the alert's own, and `alertname` and `owner` where it has none.
pub fn labels(subject: &Subject) -> Map<String, String> {
    let mut labels = subject.labels.clone();
    labels.entry(ALERTNAME.to_owned()).or_insert_with(|| subject.name.clone());
    labels.entry("owner".to_owned()).or_insert_with(|| subject.owner.clone());
    labels
}

/// Everything that may keep an alert quiet at one moment.
#[derive(Debug)]
pub struct Suppressors<'a> {
    silences: &'a [Silence],
    windows: Vec<(&'a str, Vec<Matcher>)>,
    inhibitions: Vec<Inhibitor<'a>>,
}

#[derive(Debug)]
struct Inhibitor<'a> {
    by: SuppressedBy,
    id: &'a str,
    source: Vec<Matcher>,
    target: Vec<Matcher>,
    equal: &'a [String],
    firing: Vec<Source>,
}

/// An alert that fires and matches an inhibition's source side.
#[derive(Debug)]
struct Source {
    alert: String,
    labels: Map<String, String>,
    is_target_too: bool,
}

impl<'a> Suppressors<'a> {
    /// What may keep alerts quiet at `now`, when `firing` fire. Matchers that do not read (the configuration's check refuses
    /// them) keep nothing quiet.
    pub fn at(now: UnixMs, silences: &'a [Silence], alerting: &'a Alerting, firing: &[&Subject]) -> Self {
        let open = alerting.maintenance.iter().filter(|window| maintenance::is_open(window, now));
        let windows = open.filter_map(|window| Some((window.id.as_str(), read(&window.matchers)?))).collect();
        let configured = alerting.inhibitions.iter().filter_map(|inhibition| {
            let sides = (read(&inhibition.source)?, read(&inhibition.target)?);
            Some(Inhibitor::among(firing, (SuppressedBy::Inhibition, &inhibition.id), sides, &inhibition.equal))
        });
        let dependencies = alerting.rules.iter().flat_map(|rule| {
            rule.depends_on.iter().filter_map(|cause| {
                let sides = (own_alerts(cause)?, own_alerts(&rule.id)?);
                Some(Inhibitor::among(firing, (SuppressedBy::Dependency, cause), sides, &[]))
            })
        });
        let mut inhibitions: Vec<Inhibitor<'_>> = configured.chain(dependencies).collect();
        let grounded = grounded(&inhibitions, firing);
        for inhibition in &mut inhibitions {
            inhibition.firing.retain(|source| grounded.contains(source.alert.as_str()));
        }
        Self { silences, windows, inhibitions }
    }

    /// Why `subject` is kept quiet at `now`, if it is.
    pub fn suppress(&self, subject: &Subject, now: UnixMs) -> Option<Suppression> {
        self.all(subject, now).into_iter().next()
    }

    /// Everything that keeps `subject` quiet at `now`, the first being the reason that is named.
    pub fn all(&self, subject: &Subject, now: UnixMs) -> Vec<Suppression> {
        let labels = labels(subject);
        let because = |by, id: &str, source| Suppression { by, id: id.to_owned(), source };
        let silences = self.silences.iter().filter(|silence| silence.holds_at(now) && all_match(&silence.matchers, &labels));
        let windows = self.windows.iter().filter(|(_, matchers)| all_match(matchers, &labels));
        let inhibitions = self.inhibitions.iter().filter_map(|inhibition| {
            let source = inhibition.sources_of(&subject.id, &labels).next()?;
            Some(because(inhibition.by, inhibition.id, Some(source.to_owned())))
        });
        silences
            .map(|silence| because(SuppressedBy::Silence, &silence.id, None))
            .chain(windows.map(|(id, _)| because(SuppressedBy::Maintenance, id, None)))
            .chain(inhibitions)
            .collect()
    }
}

impl<'a> Inhibitor<'a> {
    /// What explains alerts on the second of the `sides`: those of `firing` on the first.
    fn among(firing: &[&Subject], (by, id): (SuppressedBy, &'a str), sides: (Vec<Matcher>, Vec<Matcher>), equal: &'a [String]) -> Self {
        let (source, target) = sides;
        let mut found = Vec::new();
        for subject in firing {
            let labels = labels(subject);
            if all_match(&source, &labels) {
                let is_target_too = all_match(&target, &labels);
                found.push(Source { alert: subject.id.clone(), labels, is_target_too });
            }
        }
        Self { by, id, source, target, equal, firing: found }
    }

    /// The alerts that explain `alert`.
    fn sources_of<'s>(&'s self, alert: &'s str, labels: &'s Map<String, String>) -> impl Iterator<Item = &'s str> {
        let is_target = all_match(&self.target, labels);
        let is_source_too = is_target && all_match(&self.source, labels);
        let same = |source: &Source| self.equal.iter().all(|name| value(&source.labels, name) == value(labels, name));
        let explains =
            move |source: &&Source| is_target && source.alert != alert && !(is_source_too && source.is_target_too) && same(source);
        self.firing.iter().filter(explains).map(|source| source.alert.as_str())
    }
}

/// Of the alerts that fire, those explained by nothing, those they explain, and so on: all but what hangs in a circle.
fn grounded<'f>(inhibitions: &[Inhibitor<'_>], firing: &[&'f Subject]) -> Set<&'f str> {
    let explained_by = |subject: &&'f Subject| {
        let labels = labels(subject);
        let sources = |inhibition: &Inhibitor<'_>| inhibition.sources_of(&subject.id, &labels).map(str::to_owned).collect::<Vec<_>>();
        (subject.id.as_str(), inhibitions.iter().flat_map(sources).collect::<Vec<String>>())
    };
    let mut open: Vec<(&str, Vec<String>)> = firing.iter().map(explained_by).collect();
    let mut grounded = Set::new();
    loop {
        let known = grounded.len();
        open.retain(|(alert, sources)| {
            let is = sources.is_empty() || sources.iter().any(|source| grounded.contains(source.as_str()));
            !(is && grounded.insert(*alert))
        });
        if grounded.len() == known {
            return grounded;
        }
    }
}

fn value<'l>(labels: &'l Map<String, String>, name: &str) -> &'l str {
    labels.get(name).map_or("", String::as_str)
}

/// Matches the alerts of a rule's condition, and not the one about the rule itself: a rule that is broken explains nothing.
fn own_alerts(rule: &str) -> Option<Vec<Matcher>> {
    Matcher::parse_all(&format!("rule=\"{rule}\",alertname!=\"{RULE_ERROR}\"")).ok()
}

fn read(texts: &[String]) -> Option<Vec<Matcher>> {
    texts.iter().map(|text| Matcher::parse(text).ok()).collect()
}

#[cfg(test)]
mod tests;
