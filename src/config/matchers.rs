//! What a route asks of an alert: labels with their values, or matchers in Alertmanager's notation.
//!
//! Invariants: a matcher that does not read (the configuration's check refuses it) is met by no alert; as a map, values are
//! compared whole, and an alert must have the label.

use serde::Serialize;

use crate::alert::matcher::Matcher;
use crate::record::{FromJson, Read};
use crate::sorted::Map;

/// All of these; none is met by every alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Matchers {
    /// Labels and their values.
    Labels(Map<String, String>),
    /// `severity=~"critical|warning"`, `team!=ops`.
    Texts(Vec<String>),
}

impl Default for Matchers {
    fn default() -> Self {
        Self::Labels(Map::new())
    }
}

impl FromJson for Matchers {
    fn from_json(value: serde_json::Value) -> Read<Self> {
        if value.is_array() { Vec::from_json(value).map(Self::Texts) } else { FromJson::from_json(value).map(Self::Labels) }
    }
}

impl FromIterator<(String, String)> for Matchers {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        Self::Labels(crate::order::map(labels))
    }
}

/// The first matcher that an alert does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Its label.
    pub label: String,
    /// What the alert has; `None` when it lacks the label.
    pub has: Option<String>,
}

impl Matchers {
    /// Each as it is written: `team=ops`.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Labels(labels) => labels.iter().map(|(label, value)| format!("{label}={value}")).collect(),
            Self::Texts(texts) => texts.clone(),
        }
    }

    /// The first that an alert with `labels` does not meet; `None` when it meets them all.
    pub fn unmet(&self, labels: &Map<String, String>) -> Option<Unmet> {
        let label = match self {
            Self::Labels(wanted) => wanted.iter().find(|(label, value)| labels.get(*label) != Some(value))?.0.clone(),
            Self::Texts(texts) => texts.iter().find_map(|text| match Matcher::parse(text) {
                Ok(matcher) => (!matcher.matches(labels)).then(|| matcher.name().to_owned()),
                Err(_) => Some(text.clone()),
            })?,
        };
        Some(Unmet { has: labels.get(&label).cloned(), label })
    }
}
