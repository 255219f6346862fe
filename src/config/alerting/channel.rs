//! Where messages go, and what each kind of destination needs to be told.

use serde::Serialize;

use crate::record::{choice, record, words};
use crate::sorted::Map;

/// A destination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Channel {
    /// What routes and deliveries call it.
    pub id: String,
    /// How messages get there.
    pub via: Via,
    /// Whether the end of an alert is told too.
    pub send_resolved: bool,
}

record!(Channel { id, via, send_resolved = true });

/// How messages reach a channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Slack: an incoming webhook, or a bot that keeps one message of each episode up to date.
    Slack {
        /// The binding that holds the webhook's URL, or the bot's token.
        secret: String,
        /// The id of the Slack channel the bot posts to; a webhook has its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
    },
    /// An e-mail provider's HTTP API at `EMAIL_WEBHOOK_URL`.
    Email {
        /// The shape of its request.
        format: EmailFormat,
        /// The sender, `Name <address>` or an address.
        from: String,
        /// The binding that holds the addresses; `ALERT_EMAIL_RECIPIENTS` while it is not set, or not named.
        #[serde(skip_serializing_if = "Option::is_none")]
        recipients: Option<String>,
    },
    /// Sentry, at `SENTRY_DSN`.
    Sentry {},
    /// Any endpoint that takes Alertmanager's webhook, signed as Standard Webhooks says.
    Webhook {
        /// The binding that holds the URL.
        secret: String,
        /// The binding that holds the signing key: `whsec_` and base64.
        signing_secret: String,
    },
    /// PagerDuty's Events API v2.
    Pagerduty {
        /// The binding that holds the integration's routing key.
        secret: String,
        /// Where the account lives.
        region: PagerDutyRegion,
    },
    /// Atlassian Statuspage.
    Statuspage {
        /// The binding that holds the API key.
        secret: String,
        /// The page's id.
        page: String,
        /// Labels as `name=value`, each with the id of the component it is about.
        components: Map<String, String>,
    },
    /// A consumer of CloudEvents 1.0 in structured mode.
    Cloudevents {
        /// The binding that holds the URL.
        secret: String,
    },
}

choice!(Via {
    Slack "slack" { secret, channel },
    Email "email" { format, from, recipients },
    Sentry "sentry" {},
    Webhook "webhook" { secret, signing_secret },
    Pagerduty "pagerduty" { secret, region = PagerDutyRegion::Us },
    Statuspage "statuspage" { secret, page, components = Map::new() },
    Cloudevents "cloudevents" { secret },
});

impl Via {
    /// Whether a report can go there: to people who read it when they have time, where it opens nothing.
    pub fn takes_reports(&self) -> bool {
        match self {
            Self::Slack { .. } | Self::Email { .. } => true,
            Self::Sentry {} | Self::Webhook { .. } | Self::Pagerduty { .. } | Self::Cloudevents { .. } | Self::Statuspage { .. } => false,
        }
    }
}

/// Where a PagerDuty account lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PagerDutyRegion {
    /// The United States, the default.
    #[default]
    Us,
    /// The European Union.
    Eu,
}

words!(PagerDutyRegion { Us "us", Eu "eu" });

/// The shapes of e-mail providers' requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailFormat {
    /// Resend: `{from, to, subject, html, text}`, `Idempotency-Key`.
    Resend,
    /// SendGrid v3: `{personalizations, from, subject, content}`.
    Sendgrid,
    /// `{from, to, subject, html, text, message_id}`.
    Plain,
}

words!(EmailFormat { Resend "resend", Sendgrid "sendgrid", Plain "plain" });
