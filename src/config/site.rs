//! Which deployment this is: environment, hosts, links. From the environment's overlay file.

use serde::{Deserialize, Serialize};

use crate::record::{record, words};

/// The environments; the `ENVIRONMENT` variable picks the overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// A developer's machine: the replay header is honoured.
    Dev,
    /// Before production.
    Staging,
    /// The real thing.
    Production,
}

words!(Environment { Dev "dev", Staging "staging", Production "production" });

impl Environment {
    /// Every environment.
    pub const ALL: [Self; 3] = [Self::Dev, Self::Staging, Self::Production];

    /// The configured text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The environment called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == text)
    }
}

/// One deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// Which overlay this is.
    pub environment: Environment,
    /// The platform's name as messages print it.
    pub name: String,
    /// Hosts (without port) on which Parapet answers its own console and API. A request for any other host is the site's.
    pub console_hosts: Vec<String>,
    /// Whether console hosts also serve the site (development: both are localhost).
    pub console_serves_site: ConsoleServes,
    /// Absolute base of links in messages, without a trailing slash.
    pub console_url: String,
    /// IANA zone of business days, schedules and printed times.
    pub timezone: String,
    /// ISO 4217 code of amounts.
    pub currency: String,
}

record!(Site { environment, name, console_hosts, console_serves_site, console_url, timezone, currency });

/// What a console host answers beside Parapet's own paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleServes {
    /// Only Parapet; other paths are 404.
    ConsoleOnly,
    /// Paths that are not Parapet's go to the origin.
    SiteToo,
}

words!(ConsoleServes { ConsoleOnly "console_only", SiteToo "site_too" });
