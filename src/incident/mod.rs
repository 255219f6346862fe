//! Incidents: what went wrong as people speak of it, the alerts in it, and what was done.
//!
//! Alerts that share an [`incident_key`] are one incident while it is open. A critical alert opens one (a rule may say otherwise), a
//! milder one joins; [`Opening`] is how anything else opens one. `follow` turns changes of alerts into rows, `storage::incidents`
//! writes them in the batch of the change.
//!
//! Invariants: at most one incident is open for a key; an episode of an alert is in at most one incident; a change of an alert
//! that was not applied leaves no trace here. The timeline holds what people and Parapet did; when alerts began and ended,
//! and what became of messages, is read from their own rows, so the two cannot disagree.

pub mod edit;
pub mod follow;
pub mod postmortem;

use serde::Serialize;

use crate::alert::incident::Subject;
use crate::alert::respond::AlarmVerdict;
use crate::config::alerting::Severity;
use crate::ids;
use crate::record::{record, words};
use crate::time::{MINUTE_MS, UnixMs};

/// How long all alerts of an incident are over before it is resolved, and how long after a person resolved it a relapse
/// opens it again. 15 minutes is a choice: long enough to see a fix hold, and to keep an outage that comes and goes one incident.
pub const SETTLE_MS: i64 = 15 * MINUTE_MS;

/// The label that says whose alert it is.
const TEAM: &str = "team";

/// What alerts of one incident share: the team they are routed to, its owner where no label names one. The one place to change when
/// routes group alerts themselves.
pub fn incident_key(subject: &Subject) -> String {
    match subject.labels.get(TEAM) {
        Some(team) => format!("{TEAM}={team}"),
        None if subject.owner.is_empty() => format!("rule={}", subject.rule),
        None => format!("owner={}", subject.owner),
    }
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// It goes on.
    Open,
    /// It is over.
    Resolved,
}

words!(IncidentState { Open "open", Resolved "resolved" });

impl IncidentState {
    /// Every state.
    pub const ALL: [Self; 2] = [Self::Open, Self::Resolved];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
        }
    }

    /// The state called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Where an incident stands for the public: Statuspage's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PageStatus {
    /// Nobody knows why yet.
    Investigating,
    /// The cause is known.
    Identified,
    /// It seems mended.
    Monitoring,
    /// It is over.
    Resolved,
}

words!(PageStatus { Investigating "investigating", Identified "identified", Monitoring "monitoring", Resolved "resolved" });

impl PageStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Investigating, Self::Identified, Self::Monitoring, Self::Resolved];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }

    /// The status called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// What was done, as the timeline's stored entries have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Somebody has an alert.
    Acknowledged,
    /// The next ones were told of an alert.
    Escalated,
    /// People were not told of an alert.
    Withheld,
    /// An alert came back soon after the incident was resolved.
    Reopened,
    /// Something that is no alert opened it, or added to it.
    Detected,
    /// The incident is over.
    Resolved,
    /// Somebody wrote something down.
    Note,
    /// Somebody else sees to it.
    Owner,
    /// It is better or worse than it was.
    Severity,
    /// The public was told.
    StatusUpdate,
    /// Somebody said what it turned out to be.
    Verdict,
}

words!(EntryKind {
    Acknowledged "acknowledged",
    Escalated "escalated",
    Withheld "withheld",
    Reopened "reopened",
    Detected "detected",
    Resolved "resolved",
    Note "note",
    Owner "owner",
    Severity "severity",
    StatusUpdate "status_update",
    Verdict "verdict",
});

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Acknowledged,
        Self::Escalated,
        Self::Withheld,
        Self::Reopened,
        Self::Detected,
        Self::Resolved,
        Self::Note,
        Self::Owner,
        Self::Severity,
        Self::StatusUpdate,
        Self::Verdict,
    ];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Escalated => "escalated",
            Self::Withheld => "withheld",
            Self::Reopened => "reopened",
            Self::Detected => "detected",
            Self::Resolved => "resolved",
            Self::Note => "note",
            Self::Owner => "owner",
            Self::Severity => "severity",
            Self::StatusUpdate => "status_update",
            Self::Verdict => "verdict",
        }
    }

    /// The kind called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// `inc_…`.
    pub id: String,
    /// What its alerts share.
    pub key: String,
    /// What is wrong: the name of what opened it.
    pub title: String,
    /// How bad it is: at least as bad as its worst alert was when it joined.
    pub severity: Severity,
    /// Who sees to it.
    pub owner: String,
    /// Where it stands.
    pub state: IncidentState,
    /// When it began.
    pub opened_at: UnixMs,
    /// When its last alert ended, or a person said it is over.
    pub resolved_at: Option<UnixMs>,
    /// What it turned out to be, once a person said.
    pub verdict: Option<AlarmVerdict>,
    /// Grows by one with every change.
    pub version: i64,
}

record!(Incident { id, key, title, severity, owner, state, opened_at, resolved_at, verdict, version, .. });

/// An incident that is opened by something else than an alert: a security detection. While one is open for the key it adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// As [`incident_key`]: detections of one kind against one target share it.
    pub key: String,
    /// What is wrong.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// Who sees to it.
    pub owner: String,
    /// What detected it; with `at` it tells detections apart, so that writing one again does nothing.
    pub source: String,
    /// What was seen. No personal data: it is kept as long as the incident.
    pub text: String,
    /// When.
    pub at: UnixMs,
}

impl Opening {
    /// The id of the incident, if it is this that opens one.
    pub fn id(&self) -> String {
        id(&self.key, &self.source, self.at)
    }

    /// Tells apart what two sources say in one millisecond; below 2^53, as every stored number is.
    pub fn seq(&self) -> i64 {
        i64::try_from(ids::hash64(format!("{}\n{}", self.source, self.text).as_bytes()) >> 11).unwrap_or_default()
    }
}

/// The id of the incident that `source` opens at `at`.
fn id(key: &str, source: &str, at: UnixMs) -> String {
    ids::derived(ids::prefix::INCIDENT, &[key, source, &at.0.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::incident::tests::subject;

    #[test]
    fn texts_round_trip() {
        for state in IncidentState::ALL {
            assert_eq!(IncidentState::from_str(state.as_str()), Some(state));
        }
        for status in PageStatus::ALL {
            assert_eq!(PageStatus::from_str(status.as_str()), Some(status));
        }
        for kind in EntryKind::ALL {
            assert_eq!(EntryKind::from_str(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn alerts_of_one_team_share_an_incident_whatever_their_severity() {
        let of = |team: Option<&str>, owner: &str, severity: Severity| {
            let mut subject = subject(0, 0);
            subject.labels.insert("severity".into(), severity.as_str().into());
            subject.labels.extend(team.map(|team| ("team".to_owned(), team.to_owned())));
            (subject.owner, subject.severity) = (owner.into(), severity);
            incident_key(&subject)
        };
        for (team, owner, key) in [(Some("ops"), "ann", "team=ops"), (None, "ann", "owner=ann"), (None, "", "rule=r")] {
            for severity in Severity::ALL {
                assert_eq!(of(team, owner, severity), key);
            }
        }
    }
}
