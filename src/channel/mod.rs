//! Receivers, one file each: `render` makes the request, `classify` reads the answer. Neither sends.
//!
//! Invariant: nothing here that can be printed or stored holds a secret: [`Address`] has no readable `Debug`, and what a peer
//! said is quoted only after every part of its address was taken out.

use serde::Serialize;

use crate::alert::link::{LINK_SIGNING_SECRET, Signer};
use crate::alert::notification::{Notification, NotifyReason};
use crate::config::alerting::{Alerting, Channel, Via};
use crate::order;
use crate::ports::{HttpError, HttpRequest, HttpResponse};
use crate::sorted::Map;
use crate::time::UnixMs;

pub mod answer;
pub mod cloudevents;
pub mod email;
mod head;
pub mod pagerduty;
mod report;
pub mod sentry;
pub mod slack;
pub mod statuspage;
pub mod webhook;

/// Why a notification could not be turned into a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RenderError {
    /// The secret that holds the address is not a URL (or DSN) this channel can use. Its text is not repeated here.
    #[error("the secret {secret} does not hold a usable address")]
    BadAddress {
        /// The binding's name.
        secret: String,
    },
    /// The secret that holds a key is not one this channel can use. Its text is not repeated here.
    #[error("the secret {secret} does not hold a usable key")]
    BadKey {
        /// The binding's name.
        secret: String,
    },
    /// The peer was never told of a beginning, so there is no end to tell.
    #[error("nothing is open there")]
    NothingToEnd,
    /// The body could not be written.
    #[error("the message could not be written: {why}")]
    Body {
        /// What went wrong.
        why: String,
    },
}

/// The binding with the Slack app's signing secret: clicks on buttons are believed when it is set.
pub const SLACK_SIGNING_SECRET: &str = "SLACK_SIGNING_SECRET";
/// The optional binding with the address of Slack's Web API.
pub const SLACK_API_URL: &str = "SLACK_API_URL";
/// The binding with the e-mail provider's URL.
pub const EMAIL_URL: &str = "EMAIL_WEBHOOK_URL";
/// The binding with the comma-separated recipients.
pub const EMAIL_RECIPIENTS: &str = "ALERT_EMAIL_RECIPIENTS";
/// The optional binding with the provider's bearer token.
pub const EMAIL_TOKEN: &str = "EMAIL_WEBHOOK_TOKEN";
/// The binding with Sentry's DSN.
pub const SENTRY_DSN: &str = "SENTRY_DSN";

/// A secret and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    binding: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", self.binding)
    }
}

impl Secret {
    /// The text, if it is an address that can be called: `fetch` refuses credentials in one.
    fn web_url(&self) -> Result<&str, RenderError> {
        let url = self.text.trim();
        let authority = url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        if is_web_url(url) && !authority.is_empty() && !authority.contains('@') { Ok(url) } else { Err(self.bad_address()) }
    }

    fn bad_address(&self) -> RenderError {
        RenderError::BadAddress { secret: self.binding.clone() }
    }

    fn bad_key(&self) -> RenderError {
        RenderError::BadKey { secret: self.binding.clone() }
    }
}

/// Where a channel's messages go. Holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// An incoming webhook.
    Slack {
        /// Its URL.
        url: String,
        /// The binding it came from.
        secret: String,
        /// What its buttons can do.
        buttons: slack::Buttons,
    },
    /// A bot in a Slack workspace.
    SlackBot(slack::bot::Bot),
    /// An e-mail provider.
    Email(email::Account),
    /// A Sentry project.
    Sentry {
        /// Its DSN.
        dsn: String,
    },
    /// An endpoint that checks signatures.
    Webhook {
        /// Its URL.
        url: Secret,
        /// The key requests are signed with.
        key: Secret,
    },
    /// A PagerDuty integration.
    PagerDuty {
        /// Its routing key.
        key: Secret,
    },
    /// A consumer of CloudEvents.
    CloudEvents {
        /// Its URL.
        url: Secret,
    },
    /// An account at Statuspage.
    Statuspage {
        /// Its API key.
        key: Secret,
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
            Self::SlackBot(_) => f.write_str("SlackBot(…)"),
            Self::Email(_) => f.write_str("Email(…)"),
            Self::Sentry { .. } => f.write_str("Sentry(…)"),
            Self::Webhook { .. } => f.write_str("Webhook(…)"),
            Self::PagerDuty { .. } => f.write_str("PagerDuty(…)"),
            Self::CloudEvents { .. } => f.write_str("CloudEvents(…)"),
            Self::Statuspage { .. } => f.write_str("Statuspage(…)"),
            Self::Missing { secret } => write!(f, "Missing({secret})"),
        }
    }
}

impl Address {
    /// The binding that is not set; `None` when the channel can be used.
    fn missing(&self) -> Option<&str> {
        match self {
            Self::Missing { secret } => Some(secret),
            Self::Slack { .. }
            | Self::SlackBot(_)
            | Self::Email(_)
            | Self::Sentry { .. }
            | Self::Webhook { .. }
            | Self::PagerDuty { .. }
            | Self::CloudEvents { .. }
            | Self::Statuspage { .. } => None,
        }
    }

    /// Every text that must not be printed.
    fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Slack { url, .. } => vec![url],
            Self::SlackBot(bot) => vec![&bot.token.text],
            Self::Email(account) => account.secrets(),
            Self::Sentry { dsn } => vec![dsn],
            Self::Webhook { url, key } => vec![&url.text, &key.text],
            Self::PagerDuty { key } | Self::Statuspage { key } => vec![&key.text],
            Self::CloudEvents { url } => vec![&url.text],
            Self::Missing { .. } => vec![],
        }
    }
}

/// The addresses of all configured channels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses(Map<String, Address>);

impl Addresses {
    /// The addresses of the configured channels; `binding` gives a secret's text by its name.
    pub fn resolve(alerting: &Alerting, binding: impl Fn(&str) -> Option<String>) -> Self {
        let bound = |secret: &str| binding(secret).filter(|text| !text.trim().is_empty()).ok_or_else(|| secret.to_owned());
        let secret = |name: &str| bound(name).map(|text| Secret { text, binding: name.to_owned() });
        let buttons = bound(SLACK_SIGNING_SECRET).map_or(slack::Buttons::Links, |_| slack::Buttons::Acts);
        let signer = bound(LINK_SIGNING_SECRET).ok().and_then(|secret| Signer::new(&secret));
        let resolve = |via: &Via| -> Result<Address, String> {
            Ok(match via {
                Via::Slack { secret, channel: None } => Address::Slack { url: bound(secret)?, secret: secret.clone(), buttons },
                Via::Slack { secret: token, channel: Some(_) } => {
                    let api = bound(SLACK_API_URL).unwrap_or_else(|_| slack::bot::API.to_owned());
                    Address::SlackBot(slack::bot::Bot { token: secret(token)?, api, buttons })
                }
                Via::Email { recipients, .. } => {
                    let own = recipients.as_ref().and_then(|name| bound(name).ok());
                    let url = bound(EMAIL_URL)?;
                    let recipients = own.map_or_else(|| bound(EMAIL_RECIPIENTS), Ok)?;
                    Address::Email(email::Account::new(&url, &recipients, bound(EMAIL_TOKEN).ok()).signing(signer.clone()))
                }
                Via::Sentry {} => Address::Sentry { dsn: bound(SENTRY_DSN)? },
                Via::Webhook { secret: url, signing_secret } => Address::Webhook { url: secret(url)?, key: secret(signing_secret)? },
                Via::Pagerduty { secret: key, .. } => Address::PagerDuty { key: secret(key)? },
                Via::Statuspage { secret: key, .. } => Address::Statuspage { key: secret(key)? },
                Via::Cloudevents { secret: url } => Address::CloudEvents { url: secret(url)? },
            })
        };
        let address = |channel: &Channel| resolve(&channel.via).unwrap_or_else(|secret| Address::Missing { secret });
        Self(order::map(alerting.channels.iter().map(|channel| (channel.id.clone(), address(channel)))))
    }

    /// Where `channel` goes.
    pub fn get(&self, channel: &str) -> Option<&Address> {
        self.0.get(channel)
    }

    /// Every channel of `alerting` that is on, but `except`; of several with one address, the first.
    pub fn usable(&self, alerting: &Alerting, except: Option<&str>) -> Vec<String> {
        let mut usable: Vec<(&String, Option<&Address>)> = Vec::new();
        for id in alerting.channels.iter().map(|channel| &channel.id) {
            let address = self.get(id);
            let is_new = usable.iter().all(|(_, known)| *known != address);
            if is_new && Some(id.as_str()) != except && self.missing(id).is_none() {
                usable.push((id, address));
            }
        }
        usable.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// The secret `channel` lacks; `None` when it can be used.
    pub fn missing(&self, channel: &str) -> Option<&str> {
        self.0.get(channel).map_or(Some("(not configured)"), Address::missing)
    }

    /// One named warning for each channel that is off, for the health output.
    pub fn warnings(&self) -> Vec<String> {
        let off = |(channel, address): (&String, &Address)| {
            address.missing().map(|secret| format!("channel {channel} is off: the secret {secret} is not set"))
        };
        self.0.iter().filter_map(off).collect()
    }
}

/// The secrets a channel cannot do without, by their bindings' names.
pub fn needed(via: &Via) -> Vec<&str> {
    match via {
        Via::Slack { secret, .. } | Via::Pagerduty { secret, .. } | Via::Cloudevents { secret } | Via::Statuspage { secret, .. } => {
            vec![secret]
        }
        Via::Email { .. } => vec![EMAIL_URL, EMAIL_RECIPIENTS],
        Via::Sentry {} => vec![SENTRY_DSN],
        Via::Webhook { secret, signing_secret } => vec![secret, signing_secret],
    }
}

/// The bound on an attempt.
pub const SEND_TIMEOUT_MS: u32 = 10_000;

/// What a request depends on beside the notification and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Its moment.
    pub now: UnixMs,
    /// What the peer made of an earlier message about the same alert and has not ended.
    pub open: Option<&'a str>,
    /// The peer's answer to the request before this one in the same attempt, if there was one.
    pub before: Option<&'a HttpResponse>,
}

/// The request that takes `notification` to `channel`. Of two attempts only what says when it was made differs.
pub fn render(notification: &Notification, channel: &Channel, address: &Address, attempt: Attempt<'_>) -> Result<HttpRequest, RenderError> {
    // A channel may have become another kind since the message was written: no report may call anybody.
    if notification.reason == NotifyReason::Report && !channel.via.takes_reports() {
        return Err(RenderError::Body { why: "reports go to Slack and e-mail only".to_owned() });
    }
    match (&channel.via, address) {
        (Via::Slack { channel: None, .. }, Address::Slack { url, secret, buttons }) => slack::render(notification, url, secret, *buttons),
        (Via::Slack { channel: Some(channel), .. }, Address::SlackBot(bot)) => slack::bot::render(notification, channel, bot, attempt),
        (Via::Email { format, from, .. }, Address::Email(account)) => email::render(notification, &channel.id, (*format, from), account),
        (Via::Sentry {}, Address::Sentry { dsn }) => sentry::render_alert(notification, dsn),
        (Via::Webhook { .. }, Address::Webhook { url, key }) => webhook::render(notification, &channel.id, url, key, attempt.now),
        (Via::Pagerduty { region, .. }, Address::PagerDuty { key }) => {
            pagerduty::render(notification, pagerduty::Action::of(notification), *region, key)
        }
        (Via::Cloudevents { .. }, Address::CloudEvents { url }) => cloudevents::render(notification, url),
        (Via::Statuspage { page, components, .. }, Address::Statuspage { key }) => {
            statuspage::render(notification, statuspage::Page { id: page, components }, key, attempt.open)
        }
        (_, Address::Missing { secret }) => Err(RenderError::BadAddress { secret: secret.clone() }),
        (
            Via::Slack { .. }
            | Via::Email { .. }
            | Via::Sentry {}
            | Via::Webhook { .. }
            | Via::Pagerduty { .. }
            | Via::Cloudevents { .. }
            | Via::Statuspage { .. },
            _,
        ) => Err(RenderError::Body { why: "the channel's address is of another kind".to_owned() }),
    }
}

/// Whether `response` to the first request of `attempt` asks for a second: [`render`] makes it when it is given that answer.
pub fn goes_on(notification: &Notification, via: &Via, attempt: Attempt<'_>, response: &HttpResponse) -> bool {
    matches!(via, Via::Slack { channel: Some(_), .. }) && slack::bot::goes_on(notification, attempt, response)
}

/// What is open at the peer after the `result` of `attempt`, to be kept with the message; empty once nothing is, `None` when that is not
/// known, or as before.
pub fn opened(notification: &Notification, via: &Via, attempt: Attempt<'_>, result: &Result<HttpResponse, HttpError>) -> Option<String> {
    match (via, result) {
        (Via::Statuspage { .. }, Ok(response)) => statuspage::incident(notification.reason, response),
        (Via::Slack { channel: Some(_), .. }, Ok(response)) => slack::bot::opened(notification, attempt, response),
        _ => None,
    }
}

/// The bound on one request: long for a healthy peer, short for the messages behind it. An attempt takes ten seconds at most.
pub fn timeout_ms(via: &Via) -> u32 {
    if let Via::Slack { channel: Some(_), .. } = via { slack::bot::TIMEOUT_MS } else { SEND_TIMEOUT_MS }
}

/// The least time between two sends to one channel: Slack and Statuspage allow one message a second, Resend two.
pub fn spacing_ms(via: &Via) -> i64 {
    match via {
        Via::Slack { channel: Some(_), .. } => slack::bot::SPACING_MS,
        Via::Slack { .. } | Via::Statuspage { .. } => 1_000,
        Via::Email { .. } => 500,
        Via::Sentry {} | Via::Webhook { .. } | Via::Pagerduty { .. } | Via::Cloudevents { .. } => 0,
    }
}

/// The longest link any receiver here takes: Slack's bound of a button.
const MAX_URL_CHARS: usize = 3_000;

fn is_web_url(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.chars().count() <= MAX_URL_CHARS
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The first `max_chars` of `text`, the last of them `…` if something was cut.
fn cut(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

/// Scheme and host of an absolute URL: of a link to the dashboard, the console.
fn origin(url: &str) -> &str {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let host_bytes = url.get(host_at..).and_then(|rest| rest.find(['/', '?', '#']));
    host_bytes.and_then(|bytes| url.get(..host_at + bytes)).unwrap_or(url)
}

/// A POST of `body` as `content_type`.
fn post(url: &str, content_type: &str, body: &serde_json::Value) -> Result<HttpRequest, RenderError> {
    let body = serde_json::to_vec(body).map_err(|error| RenderError::Body { why: error.to_string() })?;
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Ok(HttpRequest { method: "POST".to_owned(), url: url.to_owned(), headers, body })
}

#[cfg(test)]
pub(crate) mod tests;
