//! Receivers, one file each: `render` makes the request, `classify` reads the answer. Neither sends.
//!
//! Invariant: nothing here that can be printed or stored holds a secret: [`Address`] has no readable `Debug`, and what a peer
//! said is quoted only after every part of its address was taken out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alert::notification::Notification;
use crate::config::alerting::{Alerting, Channel, Via};
use crate::ports::HttpRequest;

pub mod answer;
pub mod email;
pub mod sentry;
pub mod slack;

/// Why a notification could not be turned into a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RenderError {
    /// The secret that holds the address is not a URL (or DSN) this channel can use. Its text is not repeated here.
    #[error("the secret {secret} does not hold a usable address")]
    BadAddress {
        /// The binding's name.
        secret: String,
    },
    /// The body could not be written.
    #[error("the message could not be written: {why}")]
    Body {
        /// What went wrong.
        why: String,
    },
}

/// The binding with the e-mail provider's URL.
pub const EMAIL_URL: &str = "EMAIL_WEBHOOK_URL";
/// The binding with the comma-separated recipients.
pub const EMAIL_RECIPIENTS: &str = "ALERT_EMAIL_RECIPIENTS";
/// The optional binding with the provider's bearer token.
pub const EMAIL_TOKEN: &str = "EMAIL_WEBHOOK_TOKEN";
/// The binding with Sentry's DSN.
pub const SENTRY_DSN: &str = "SENTRY_DSN";

/// Where a channel's messages go. Holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// An incoming webhook.
    Slack {
        /// Its URL.
        url: String,
        /// The binding it came from.
        secret: String,
    },
    /// An e-mail provider.
    Email(email::Account),
    /// A Sentry project.
    Sentry {
        /// Its DSN.
        dsn: String,
    },
    /// Nowhere: the named secret is not bound.
    Missing {
        /// The binding's name.
        secret: String,
    },
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slack { .. } => f.write_str("Slack(…)"),
            Self::Email(_) => f.write_str("Email(…)"),
            Self::Sentry { .. } => f.write_str("Sentry(…)"),
            Self::Missing { secret } => write!(f, "Missing({secret})"),
        }
    }
}

/// The addresses of all configured channels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses(BTreeMap<String, Address>);

impl Addresses {
    /// The addresses of the configured channels; `binding` gives a secret's text by its name.
    pub fn resolve(alerting: &Alerting, binding: impl Fn(&str) -> Option<String>) -> Self {
        let bound = |secret: &str| binding(secret).filter(|text| !text.trim().is_empty()).ok_or_else(|| secret.to_owned());
        let resolve = |via: &Via| -> Result<Address, String> {
            Ok(match via {
                Via::Slack { secret } => Address::Slack { url: bound(secret)?, secret: secret.clone() },
                Via::Email { .. } => {
                    Address::Email(email::Account::new(&bound(EMAIL_URL)?, &bound(EMAIL_RECIPIENTS)?, bound(EMAIL_TOKEN).ok()))
                }
                Via::Sentry {} => Address::Sentry { dsn: bound(SENTRY_DSN)? },
            })
        };
        let address = |channel: &Channel| resolve(&channel.via).unwrap_or_else(|secret| Address::Missing { secret });
        Self(alerting.channels.iter().map(|channel| (channel.id.clone(), address(channel))).collect())
    }

    /// Where `channel` goes.
    pub fn get(&self, channel: &str) -> Option<&Address> {
        self.0.get(channel)
    }

    /// The secret `channel` lacks; `None` when it can be used.
    pub fn missing(&self, channel: &str) -> Option<&str> {
        match self.0.get(channel) {
            Some(Address::Missing { secret }) => Some(secret),
            Some(Address::Slack { .. } | Address::Email(_) | Address::Sentry { .. }) => None,
            None => Some("(not configured)"),
        }
    }

    /// One named warning for each channel that is off, for the health output.
    pub fn warnings(&self) -> Vec<String> {
        let off = |(channel, address): (&String, &Address)| match address {
            Address::Missing { secret } => Some(format!("channel {channel} is off: the secret {secret} is not set")),
            Address::Slack { .. } | Address::Email(_) | Address::Sentry { .. } => None,
        };
        self.0.iter().filter_map(off).collect()
    }
}

/// The request that takes `notification` to `channel`.
pub fn render(notification: &Notification, channel: &Channel, address: &Address) -> Result<HttpRequest, RenderError> {
    match (&channel.via, address) {
        (Via::Slack { .. }, Address::Slack { url, secret }) => slack::render(notification, url, secret),
        (Via::Email { format, from }, Address::Email(account)) => email::render(notification, *format, from, account),
        (Via::Sentry {}, Address::Sentry { dsn }) => sentry::render_alert(notification, dsn),
        (_, Address::Missing { secret }) => Err(RenderError::BadAddress { secret: secret.clone() }),
        (Via::Slack { .. } | Via::Email { .. } | Via::Sentry {}, Address::Slack { .. } | Address::Email(_) | Address::Sentry { .. }) => {
            Err(RenderError::Body { why: "the channel's address is of another kind".to_owned() })
        }
    }
}

/// The least time between two sends to one channel: Slack allows one message a second, Resend two.
pub fn spacing_ms(via: &Via) -> i64 {
    match via {
        Via::Slack { .. } => 1_000,
        Via::Email { .. } => 500,
        Via::Sentry {} => 0,
    }
}

#[cfg(test)]
mod tests;
