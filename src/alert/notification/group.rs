//! One message about several alerts: what it names, and how it reads.
//!
//! At most ten alerts are named, the worst first, and the rest counted: ten lines fit a Slack section. A group of a single alert reads
//! exactly as a message about that alert.

use serde::Serialize;

use super::{Notification, NotifyReason};
use crate::alert::nearby::NearbyChange;
use crate::alert::quantity::Normal;
use crate::alert::sparkline::Trend;
use crate::record::{record, words};
use crate::sorted::Map;
use crate::time::UnixMs;

/// Why a group is told of: Alertmanager's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupReason {
    /// Its first alerts fire.
    First,
    /// More of them do.
    NewAlerts,
    /// Some are over.
    SomeResolved,
    /// All are over.
    AllResolved,
    /// It fires on, and nobody has it.
    Repeat,
}

words!(GroupReason {
    First "first",
    NewAlerts "new_alerts",
    SomeResolved "some_resolved",
    AllResolved "all_resolved",
    Repeat "repeat",
});

impl GroupReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::First, Self::NewAlerts, Self::SomeResolved, Self::AllResolved, Self::Repeat];

    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::NewAlerts => "new_alerts",
            Self::SomeResolved => "some_resolved",
            Self::AllResolved => "all_resolved",
            Self::Repeat => "repeat",
        }
    }

    /// The reason called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// The alerts a message about a group tells of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The group (`grp_…`).
    pub id: String,
    /// What its alerts have in common.
    pub labels: Map<String, String>,
    /// Why it is told of.
    pub reason: GroupReason,
    /// How many of them fire.
    pub firing: u32,
    /// How many are told to be over.
    pub resolved: u32,
    /// All of them, by id.
    pub members: Vec<String>,
    /// At most ten of them, the worst first; none is about a group itself.
    pub alerts: Vec<Notification>,
}

record!(Group { id, labels, reason, firing, resolved, members, alerts, .. });

impl Group {
    /// `3 alerts fire, 1 is over`.
    fn counted(&self) -> String {
        let fire = match self.firing {
            0 => None,
            1 => Some("1 alert fires".to_owned()),
            many => Some(format!("{many} alerts fire")),
        };
        let over = match (self.resolved, self.firing) {
            (0, _) => None,
            (1, 0) => Some("1 alert".to_owned()),
            (many, 0) => Some(format!("{many} alerts")),
            (1, _) => Some("1 is over".to_owned()),
            (many, _) => Some(format!("{many} are over")),
        };
        fire.into_iter().chain(over).collect::<Vec<_>>().join(", ")
    }

    /// A line for each alert it names, and one for those it does not.
    fn lines(&self) -> String {
        let line = |alert: &Notification| {
            let state = if alert.reason.is_end() { "over".to_owned() } else { alert.severity.as_str().to_owned() };
            let place = alert.place_beyond(&self.labels).map(|place| format!(" · {place}")).unwrap_or_default();
            let since = if alert.reason.is_end() { String::new() } else { format!(" · since {}", alert.since_clock()) };
            format!("• {state}: {}{place}{since}", alert.headline())
        };
        let mut lines: Vec<String> = self.alerts.iter().map(line).collect();
        let more = usize::try_from(self.firing + self.resolved).unwrap_or_default().saturating_sub(self.alerts.len());
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        lines.join("\n")
    }
}

impl Notification {
    /// Says what is usual for `alert`, if the message is about it or names it.
    pub fn say_normal(&mut self, alert: &str, normal: Normal) {
        if self.alert == alert {
            self.normal = Some(normal);
        }
        let named = self.group.iter_mut().flat_map(|group| group.alerts.iter_mut());
        named.filter(|named| named.alert == alert).for_each(|named| named.normal = Some(normal));
    }

    /// Shows how the number of its alert went.
    pub fn show_trend(&mut self, trend: Option<&Trend>) {
        self.trend = trend.cloned().map(Box::new);
        // About a single alert, a group names that one.
        let named = self.group.iter_mut().flat_map(|group| group.alerts.iter_mut());
        named.for_each(|named| named.trend = trend.cloned().map(Box::new));
    }

    /// Names what changed before it began, also before those of its alerts that began then.
    pub fn show_change(&mut self, change: &NearbyChange) {
        let since = self.since;
        self.change = Some(Box::new(change.clone()));
        let named = self.group.iter_mut().flat_map(|group| group.alerts.iter_mut()).filter(|named| named.since == since);
        named.for_each(|named| named.change = Some(Box::new(change.clone())));
    }

    /// The message about `group` at `now`; `None` if it names nothing. About a single alert it says all there is to say of it.
    pub fn of_group(group: &Group, now: UnixMs) -> Option<Self> {
        let worst = group.alerts.first()?;
        if group.alerts.len() == 1 && group.members.len() == 1 {
            let reason = if group.reason == GroupReason::Repeat { NotifyReason::StillFiring } else { worst.reason };
            // It keeps the alert's own id, which its buttons name.
            return Some(Self { reason, group: Some(Box::new(group.clone())), ..worst.clone() });
        }
        let since = group.alerts.iter().map(|alert| alert.since).min().unwrap_or(now);
        let reason = match (group.firing, group.reason) {
            (0, _) => NotifyReason::Resolved,
            (_, GroupReason::Repeat) => NotifyReason::StillFiring,
            (_, GroupReason::First | GroupReason::NewAlerts | GroupReason::SomeResolved | GroupReason::AllResolved) => NotifyReason::First,
        };
        let shared = |text: fn(&Self) -> &str| {
            let of_first = text(worst);
            group.alerts.iter().all(|alert| text(alert) == of_first).then(|| of_first.to_owned())
        };
        Some(Self {
            alert: group.id.clone(),
            reason,
            rule: shared(|alert| &alert.rule).unwrap_or_else(|| "several".to_owned()),
            name: shared(|alert| &alert.name).map_or_else(|| group.counted(), |name| format!("{name}: {}", group.counted())),
            summary: worst.summary.clone(),
            detail: Some(group.lines()),
            labels: group.labels.clone(),
            measured: None,
            peak: None,
            normal: None,
            trend: None,
            contributors: Vec::new(),
            change: None,
            for_ms: 0,
            response: None,
            since,
            at: now,
            owner: shared(|alert| &alert.owner).unwrap_or_else(|| "several".to_owned()),
            runbook: worst.runbook.clone(),
            group: Some(Box::new(group.clone())),
            ..worst.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_survive_the_round_trip() {
        for reason in GroupReason::ALL {
            assert_eq!(GroupReason::from_str(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert_eq!(GroupReason::from_str("again"), None);
    }
}
