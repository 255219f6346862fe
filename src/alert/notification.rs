//! What a person is told: one notification says everything a message needs, so that rendering looks nothing up.
//!
//! It is stored with its outbox row and rendered at each attempt. Invariant: rendering the same notification twice gives
//! the same bytes, so a provider's idempotency key holds over retries.

use serde::Serialize;

use super::contributors::Contributor;
use super::nearby::NearbyChange;
use super::quantity::{Measured, Normal};
use super::respond::Response;
use super::sparkline::Trend;
use crate::config::alerting::{Compare, Severity};
use crate::config::site::Site;
use crate::incident::PageStatus;
use crate::record::record;
use crate::sorted::Map;
use crate::time::{MINUTE_MS, UnixMs, human_span};

mod group;
mod reason;
mod weekly;

pub use group::{Group, GroupReason};
pub use reason::NotifyReason;
pub use weekly::{MAX_SHOWN, Noisy, Weekly};

/// The deployment, as messages print it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stamp {
    /// The platform's name.
    pub name: String,
    /// `production`, `staging`, `dev`.
    pub environment: String,
    /// IANA zone of printed times.
    pub timezone: String,
    /// ISO 4217 code of amounts.
    pub currency: String,
}

record!(Stamp { name, environment, timezone, currency, .. });

/// The dashboard at the range of an episode, half an hour of lead-in included.
pub fn dashboard_url(site: &Site, since: UnixMs, at: UnixMs) -> String {
    format!("{}/operations?from={}&to={}", site.console_url, since.plus(-30 * MINUTE_MS).0, at.plus(5 * MINUTE_MS).0)
}

/// A runbook as an absolute URL; a path is one below the console. Empty means there is none.
pub fn runbook_url(site: &Site, runbook: &str) -> Option<String> {
    match runbook {
        "" => None,
        path if path.starts_with('/') => Some(format!("{}{path}", site.console_url)),
        url => Some(url.to_owned()),
    }
}

impl From<&Site> for Stamp {
    fn from(site: &Site) -> Self {
        Self {
            name: site.name.clone(),
            environment: site.environment.as_str().to_owned(),
            timezone: site.timezone.clone(),
            currency: site.currency.clone(),
        }
    }
}

/// One message about one alert, or about a group of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notification {
    /// The message's own id (`msg_…`), the same at every attempt: the idempotency key.
    pub id: String,
    /// The alert (`alr_…`): the same when it fires, when it resolves and when it fires again. The fingerprint.
    pub alert: String,
    /// Why it is sent.
    pub reason: NotifyReason,
    /// How bad the alert is (also when it is over).
    pub severity: Severity,
    /// The rule's id.
    pub rule: String,
    /// The rule's name: what is wrong.
    pub name: String,
    /// One sentence: what is wrong and what it does to people.
    pub summary: String,
    /// The rule's other texts, by name.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, String>,
    /// What the numbers do not say: why there are none, what failed.
    pub detail: Option<String>,
    /// Labels of the alert, `severity` and `rule` included.
    pub labels: Map<String, String>,
    /// The value and its threshold at this moment.
    pub measured: Option<Measured>,
    /// The worst value of the episode, in the unit of `measured`.
    pub peak: Option<f64>,
    /// What is usual, where that is known.
    pub normal: Option<Normal>,
    /// How the number went before, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend: Option<Box<Trend>>,
    /// Which label values explain it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contributors: Vec<Contributor>,
    /// What changed shortly before it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Box<NearbyChange>>,
    /// How long the condition had to hold.
    pub for_ms: i64,
    /// Who has it, or who resolved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// Where an incident stands for the public, if this tells them, with `summary` as its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_status: Option<PageStatus>,
    /// When the condition began to hold.
    pub since: UnixMs,
    /// When the alert changed to what this message says.
    pub at: UnixMs,
    /// Who owns the rule.
    pub owner: String,
    /// Absolute URL of what to do.
    pub runbook: Option<String>,
    /// Absolute URL of the dashboard at that range.
    pub dashboard: String,
    /// The deployment.
    pub site: Stamp,
    /// The group the message is about, if its route groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<Group>>,
    /// The week it reports, if it is about no alert at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Box<Weekly>>,
}

record!(Notification {
    id,
    alert,
    reason,
    severity,
    rule,
    name,
    summary,
    annotations = Map::new(),
    detail,
    labels,
    measured,
    peak,
    normal,
    trend,
    contributors = Vec::new(),
    change,
    for_ms,
    response,
    page_status,
    since,
    at,
    owner,
    runbook,
    dashboard,
    site,
    group,
    report,
    ..
});

/// The fact that a message may show as a line of its own.
pub const TREND: &str = "Trend";

/// Label names that are said elsewhere in a message, or are not a place.
const NOT_A_PLACE: [&str; 3] = ["severity", "rule", "alertname"];

impl Notification {
    /// A message for `reason` about `about`, at `at`: nothing was measured, it is nobody's, and its texts are to be filled in.
    pub fn plain(id: String, about: &str, reason: NotifyReason, severity: Severity, at: UnixMs, site: &Site) -> Self {
        Self {
            id,
            alert: about.to_owned(),
            reason,
            severity,
            rule: String::new(),
            name: String::new(),
            summary: String::new(),
            annotations: Map::new(),
            detail: None,
            labels: Map::new(),
            measured: None,
            peak: None,
            normal: None,
            trend: None,
            contributors: Vec::new(),
            change: None,
            for_ms: 0,
            response: None,
            page_status: None,
            since: at,
            at,
            owner: String::new(),
            runbook: None,
            dashboard: dashboard_url(site, at, at),
            site: Stamp::from(site),
            group: None,
            report: None,
        }
    }

    /// Whether it tells of more than one alert.
    pub fn is_about_several(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.id == self.alert)
    }

    /// `FIRING`, `FLAPPING`, `ESCALATED`, `ACKNOWLEDGED`, `RESOLVED`, `UPDATE`, `TEST` or `REPORT`.
    pub fn state_word(&self) -> &'static str {
        match self.reason {
            NotifyReason::First | NotifyReason::StillFiring | NotifyReason::Settled => "FIRING",
            NotifyReason::Flapping => "FLAPPING",
            NotifyReason::Escalated => "ESCALATED",
            NotifyReason::Acknowledged => "ACKNOWLEDGED",
            NotifyReason::Resolved | NotifyReason::RuleRemoved => "RESOLVED",
            NotifyReason::Update => "UPDATE",
            NotifyReason::Test => "TEST",
            NotifyReason::Report => "REPORT",
        }
    }

    /// The one title grammar: `FIRING critical · API error rate 6.4 % > 2 % · route=/api/bookings · production`.
    pub fn title(&self) -> String {
        if self.reason == NotifyReason::Report {
            return format!("{} · {}", self.name, self.site.environment);
        }
        let mut parts = vec![format!("{} {}", self.state_word(), self.severity.as_str()), self.headline()];
        parts.extend(self.place());
        parts.push(self.site.environment.clone());
        parts.join(" · ")
    }

    /// The name, with value and threshold where there are some. A resolved one says how long it lasted.
    pub fn headline(&self) -> String {
        match (self.reason.is_end(), self.measured.as_ref()) {
            (true, _) => format!("{} after {}", self.name, self.lasted()),
            (false, Some(measured)) => format!("{} {}", self.name, measured.comparison(&self.site.currency)),
            (false, None) => self.name.clone(),
        }
    }

    /// The labels that say where: `route=/api/bookings, country=ZA`.
    pub fn place(&self) -> Option<String> {
        self.place_beyond(&Map::new())
    }

    /// The same without the labels that were `said` already.
    fn place_beyond(&self, said: &Map<String, String>) -> Option<String> {
        let labels: Vec<String> = self
            .labels
            .iter()
            .filter(|(key, value)| !NOT_A_PLACE.contains(&key.as_str()) && said.get(*key) != Some(value))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        (!labels.is_empty()).then(|| labels.join(", "))
    }

    /// `14:02 SAST`: when the condition began to hold, in the site's zone (UTC when the zone is unknown). With the date
    /// (`28 Feb 14:02 SAST`) when that was another day than the message's.
    pub fn since_clock(&self) -> String {
        self.clock(self.since)
    }

    fn clock(&self, moment: UnixMs) -> String {
        let zone = self.site.timezone.parse().unwrap_or(chrono_tz::UTC);
        let (then, at) = (moment.utc().with_timezone(&zone), self.at.utc().with_timezone(&zone));
        let date = if then.date_naive() == at.date_naive() { String::new() } else { moment.date_in(zone) + " " };
        format!("{date}{}", moment.clock_in(zone))
    }

    /// How the number went before: the blocks, and `last 30 min (peak 7.1 % at 14:09 SAST)`.
    pub fn course(&self) -> Option<(&str, String)> {
        let trend = self.trend.as_ref()?;
        let word = match trend.worse {
            Compare::Above => "peak",
            Compare::Below => "lowest",
        };
        let worst = trend.unit.text(trend.worst, &self.site.currency);
        Some((&trend.line, format!("{} ({word} {worst} at {})", trend.caption, self.clock(trend.worst_at))))
    }

    /// From the beginning of the condition to this message's moment: `12 min`.
    pub fn lasted(&self) -> String {
        human_span(self.at.since(self.since))
    }

    /// The worst value of the episode, printed; `None` when it is the value itself or nothing was measured.
    pub fn peak_text(&self) -> Option<String> {
        let measured = self.measured.as_ref()?;
        self.peak.map(|peak| measured.unit.text(peak, &self.site.currency))
    }

    /// What is normal, printed.
    pub fn normal_text(&self) -> Option<String> {
        self.normal.map(|normal| normal.unit.text(normal.value, &self.site.currency))
    }

    /// What every channel shows, in this order: labels of at most ten facts and [`TREND`] with their texts.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if let Some(measured) = &self.measured {
            let span = human_span(measured.over_ms);
            facts.push(("Value", format!("{} over {span}", measured.value_text(&self.site.currency))));
            let held = if self.for_ms > 0 { format!(" for {}", human_span(self.for_ms)) } else { String::new() };
            facts.push(("Threshold", format!("{}{held}", measured.condition_text(&self.site.currency))));
        }
        facts.extend(self.normal_text().map(|normal| ("Normal", normal)));
        facts.extend(self.course().map(|(line, rest)| (TREND, format!("{line} {rest}"))));
        if self.reason != NotifyReason::Test {
            let ago = if self.at > self.since { format!(" ({})", self.lasted()) } else { String::new() };
            facts.push(("Since", format!("{}{ago}", self.since_clock())));
        }
        if self.reason.is_end() {
            facts.extend(self.peak_text().map(|peak| ("Peak", peak)));
        }
        facts.extend(self.response.as_ref().map(|response| ("Taken by", self.taken(response))));
        facts.extend(self.place().map(|place| ("Where", place)));
        facts.extend(self.mostly().map(|mostly| ("Mostly", mostly)));
        facts.extend(self.changed().filter(|_| !self.reason.is_end()));
        facts.push(("Environment", format!("{} {}", self.site.name, self.site.environment)));
        facts.push(("Owner", self.owner.clone()));
        facts
    }

    /// What changed before it: `Deploy`, `v2026.03.05-2 of api at 13:58 SAST, 4 min before`.
    pub fn changed(&self) -> Option<(&'static str, String)> {
        let change = self.change.as_ref()?;
        let before = human_span(self.since.since(change.at));
        let link = if change.url.is_empty() { String::new() } else { format!(": {}", change.url) };
        Some((change.label(), format!("{} at {}, {before} before{link}", change.what(), self.clock(change.at))))
    }

    /// What most of the trouble comes from: `country ZA (64 %)`.
    pub fn mostly(&self) -> Option<String> {
        let said = self.contributors.iter().map(|it| format!("{} {} ({:.0}\u{a0}%)", it.label, it.value, it.share * 100.0));
        (!self.contributors.is_empty()).then(|| said.collect::<Vec<String>>().join(", "))
    }

    /// The longer text for people, if its rule has one.
    pub fn description(&self) -> Option<&str> {
        self.annotations.get("description").map(String::as_str)
    }

    /// The rule's own text, and what the numbers do not say.
    pub fn explanation(&self) -> Option<String> {
        let texts: Vec<&str> = [self.description(), self.detail.as_deref()].into_iter().flatten().collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    }

    /// `Thandi until 14:32 SAST: looking at the pool`.
    fn taken(&self, response: &Response) -> String {
        let zone = self.site.timezone.parse().unwrap_or(chrono_tz::UTC);
        let until = response.until.map(|until| format!(" until {}", until.clock_in(zone))).unwrap_or_default();
        let note = response.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        format!("{}{until}{note}", response.by)
    }

    /// What it does to people; of an alert that is over, what it did.
    pub fn effect(&self) -> String {
        if self.reason.is_end() { format!("It was: {}", self.summary) } else { self.summary.clone() }
    }

    /// The sentence that says how it ended, for a message that says it is over: `Resolved after 12 min, peak 7.1 %.`
    pub fn ending(&self) -> Option<String> {
        let peak = self.peak_text().map_or(String::new(), |peak| format!(", peak {peak}"));
        match self.reason {
            NotifyReason::Resolved => Some(format!("Resolved after {}{peak}.", self.lasted())),
            NotifyReason::RuleRemoved => Some(format!("No longer watched: its rule was removed after {}{peak}.", self.lasted())),
            NotifyReason::First
            | NotifyReason::Escalated
            | NotifyReason::Acknowledged
            | NotifyReason::StillFiring
            | NotifyReason::Update
            | NotifyReason::Flapping
            | NotifyReason::Settled
            | NotifyReason::Test
            | NotifyReason::Report => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::firing;
    use crate::record::FromJson;

    #[test]
    fn a_message_reads_back_as_it_was_stored_and_an_older_one_without_what_came_later() {
        let message = firing();
        let mut stored = serde_json::to_value(&message).unwrap();
        assert_eq!(Notification::from_json(stored.clone()).unwrap(), message);
        for later in ["trend", "change"] {
            assert!(stored.as_object_mut().unwrap().remove(later).is_some(), "{later}");
        }
        assert_eq!(Notification::from_json(stored).unwrap(), Notification { trend: None, change: None, ..message });
    }
}
