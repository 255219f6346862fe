//! What a person does about an incident: note, hand over, judge anew, resolve. Pure: an incident, an edit, what is written.
//!
//! Invariants: an edit is applied by compare-and-swap on the incident's version, with its entries in the same batch, so of two at
//! once both are told in the timeline, or the second finds nothing left to do. The same words of the same person within
//! [`REPEAT_MS`] are the same request sent again after a lost answer: they are written once. What the public reads is what was written
//! for it, and the incident's title.

use super::{EntryKind, Incident, IncidentState, PageStatus};
use crate::alert::notification::{Notification, NotifyReason, dashboard_url};
use crate::alert::respond::AlarmVerdict;
use crate::channel::Addresses;
use crate::config::Config;
use crate::config::alerting::{Severity, Via};
use crate::ids;
use crate::outbox::message::{NewMessage, Sendable};
use crate::record::record;
use crate::time::{MINUTE_MS, UnixMs};

/// How long the same words are a repetition: clients and people send again within a minute or two, and nobody means
/// the same note twice in ten.
pub const REPEAT_MS: i64 = 10 * MINUTE_MS;
/// What the public reads when somebody resolves an incident of which they were told more than its end.
const OVER: &str = "This incident is over.";

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Write something down; also when it is over.
    Note(String),
    /// Somebody else sees to it.
    Owner(String),
    /// It is better or worse.
    Severity(Severity),
    /// The public is told.
    StatusUpdate {
        /// Where it stands.
        status: PageStatus,
        /// What they read.
        text: String,
    },
    /// It is over, or was and is judged only now.
    Resolve {
        /// What it turned out to be.
        verdict: Option<AlarmVerdict>,
        /// What there is to say.
        note: Option<String>,
    },
}

/// What somebody did, to be told in the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was done.
    pub kind: EntryKind,
    /// Who.
    pub actor: String,
    /// In words.
    pub text: String,
}

record!(Entry { kind, actor, text, .. });

/// What an edit is decided on, beside the incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// What was written within [`REPEAT_MS`].
    pub lately: Vec<Entry>,
    /// Where it stands for the public, once they were told.
    pub page: Option<PageStatus>,
}

/// What becomes of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The incident after it.
    pub next: Incident,
    /// What is told of it.
    pub entries: Vec<Entry>,
    /// What the public is told.
    pub public: Option<(PageStatus, String)>,
}

/// What becomes of `edit` by `by`; `None` when the incident is as they want it already.
pub fn edit(incident: &Incident, known: &Known, edit: &Edit, by: &str, now: UnixMs) -> Option<Edited> {
    let mut next = Incident { version: incident.version + 1, ..incident.clone() };
    let (mut entries, mut public) = (Vec::new(), None);
    let mut write = |kind, text: &str| entries.push(Entry { kind, actor: by.to_owned(), text: text.to_owned() });
    let is_new = |kind, text: &str| !known.lately.iter().any(|entry| entry.kind == kind && entry.actor == by && entry.text == text);
    match edit {
        Edit::Note(text) if is_new(EntryKind::Note, text) => write(EntryKind::Note, text),
        Edit::Owner(owner) if incident.owner != *owner => {
            write(EntryKind::Owner, owner);
            next.owner.clone_from(owner);
        }
        Edit::Severity(severity) if incident.severity != *severity => {
            write(EntryKind::Severity, severity.as_str());
            next.severity = *severity;
        }
        Edit::StatusUpdate { status, text } => {
            let entry = said(*status, text);
            if is_new(EntryKind::StatusUpdate, &entry) {
                write(EntryKind::StatusUpdate, &entry);
                public = Some((*status, text.clone()));
            }
        }
        Edit::Resolve { verdict, note } => {
            if let Some(text) = note.as_ref().filter(|text| is_new(EntryKind::Note, text)) {
                write(EntryKind::Note, text);
            }
            if incident.state == IncidentState::Open {
                // Nobody has to think of the page, which would else say for ever that something is wrong.
                if known.page.is_some_and(|page| page != PageStatus::Resolved) {
                    write(EntryKind::StatusUpdate, &said(PageStatus::Resolved, OVER));
                    public = Some((PageStatus::Resolved, OVER.to_owned()));
                }
                write(EntryKind::Resolved, "");
                (next.state, next.resolved_at) = (IncidentState::Resolved, Some(now));
            }
            if let Some(verdict) = verdict.filter(|verdict| incident.verdict != Some(*verdict)) {
                write(EntryKind::Verdict, verdict.as_str());
                next.verdict = Some(verdict);
            }
        }
        Edit::Note(_) | Edit::Owner(_) | Edit::Severity(_) => {}
    }
    (!entries.is_empty()).then_some(Edited { next, entries, public })
}

/// An update as the timeline has it; [`page_of`] reads it.
fn said(status: PageStatus, text: &str) -> String {
    format!("{}: {text}", status.as_str())
}

/// Where an incident stands for the public after the update the timeline has as `entry`.
pub fn page_of(entry: &str) -> Option<PageStatus> {
    PageStatus::from_str(entry.split_once(": ")?.0)
}

/// What each status page is told: that `incident`, as it is after the edit, stands at `status`, with `text`.
pub fn public(
    incident: &Incident,
    (status, text): &(PageStatus, String),
    (config, addresses): (&Config, &Addresses),
    now: UnixMs,
) -> Vec<NewMessage> {
    let pages = config.alerting.channels.iter().filter(|channel| matches!(channel.via, Via::Statuspage { .. }));
    let reason = if *status == PageStatus::Resolved { NotifyReason::Resolved } else { NotifyReason::Update };
    let message = |channel: &String| {
        let parts = [incident.id.as_str(), channel, &incident.version.to_string()];
        let id = ids::derived(ids::prefix::MESSAGE, &parts);
        let notification = Notification {
            name: incident.title.clone(),
            summary: text.clone(),
            page_status: Some(*status),
            since: incident.opened_at,
            owner: incident.owner.clone(),
            dashboard: dashboard_url(&config.site, incident.opened_at, now),
            ..Notification::plain(id, &incident.id, reason, incident.severity, now, &config.site)
        };
        NewMessage { channel: channel.clone(), seq: incident.version, notification, sendable: Sendable::to(channel, addresses) }
    };
    pages.map(|channel| message(&channel.id)).collect()
}
