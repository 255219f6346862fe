//! Why a message is sent. Channels read from it whether it calls, ends or only tells.

use serde::Serialize;

use crate::record::words;

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    /// The alert began to fire.
    First,
    /// The alert is over.
    Resolved,
    /// Its rule is no longer configured, so nothing watches it any more.
    RuleRemoved,
    /// Nobody has taken it for long enough to tell more people, or somebody asked to.
    Escalated,
    /// Somebody has it.
    Acknowledged,
    /// A snooze is over and it still fires.
    StillFiring,
    /// Somebody tells the public how an incident stands.
    Update,
    /// It comes and goes too often to be told each time.
    Flapping,
    /// It no longer comes and goes, and fires.
    Settled,
    /// Somebody asked for a test.
    Test,
    /// A week is over: what its alerts were.
    Report,
}

words!(NotifyReason {
    First "first",
    Resolved "resolved",
    RuleRemoved "rule_removed",
    Escalated "escalated",
    Acknowledged "acknowledged",
    StillFiring "still_firing",
    Update "update",
    Flapping "flapping",
    Settled "settled",
    Test "test",
    Report "report",
});

impl NotifyReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::First,
        Self::Resolved,
        Self::RuleRemoved,
        Self::Escalated,
        Self::Acknowledged,
        Self::StillFiring,
        Self::Update,
        Self::Flapping,
        Self::Settled,
        Self::Test,
        Self::Report,
    ];

    /// The stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Resolved => "resolved",
            Self::RuleRemoved => "rule_removed",
            Self::Escalated => "escalated",
            Self::Acknowledged => "acknowledged",
            Self::StillFiring => "still_firing",
            Self::Update => "update",
            Self::Flapping => "flapping",
            Self::Settled => "settled",
            Self::Test => "test",
            Self::Report => "report",
        }
    }

    /// The reason called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Whether the alert is over.
    pub fn is_end(self) -> bool {
        match self {
            Self::Resolved | Self::RuleRemoved => true,
            Self::First
            | Self::Escalated
            | Self::Acknowledged
            | Self::StillFiring
            | Self::Update
            | Self::Flapping
            | Self::Settled
            | Self::Test
            | Self::Report => false,
        }
    }

    /// Whether it says that the alert fires.
    pub fn says_firing(self) -> bool {
        match self {
            Self::First | Self::Escalated | Self::StillFiring | Self::Flapping | Self::Settled => true,
            Self::Resolved | Self::RuleRemoved | Self::Acknowledged | Self::Update | Self::Test | Self::Report => false,
        }
    }

    /// Whether it can be said more than once in an episode.
    pub fn repeats(self) -> bool {
        match self {
            Self::Escalated | Self::Acknowledged | Self::StillFiring | Self::Update | Self::Flapping | Self::Settled => true,
            Self::First | Self::Resolved | Self::RuleRemoved | Self::Test | Self::Report => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_survive_the_round_trip() {
        for reason in NotifyReason::ALL {
            assert_eq!(NotifyReason::from_str(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert_eq!(NotifyReason::from_str("again"), None);
    }
}
