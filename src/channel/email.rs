//! E-mail through a provider's HTTP API: Resend's, SendGrid's, or a plain JSON shape; HTML and text parts.
//!
//! The URL in `EMAIL_WEBHOOK_URL` may carry credentials, which move into the `Authorization` header (`fetch` refuses them in a
//! URL): `https://user:password@…` is Basic, `https://token@…` is Bearer. `EMAIL_WEBHOOK_TOKEN` is Bearer and wins.
//! Resend keeps an `Idempotency-Key` for 24 hours, as long as the outbox tries; SendGrid has none, so a lost answer can double.

use maud::{DOCTYPE, html};
use serde_json::{Value, json};

use super::{EMAIL_URL, RenderError, origin, report};
use crate::alert::link::{Link, LinkAct, PATH, Signer};
use crate::alert::notification::Notification;
use crate::base64;
use crate::config::alerting::EmailFormat;
use crate::ports::HttpRequest;

/// RFC 5322 lets a line hold 998 characters; that is also what providers accept as a subject.
const MAX_SUBJECT_CHARS: usize = 250;

/// An e-mail provider's account. Holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    url: String,
    authorization: Option<String>,
    recipients: Vec<String>,
    secrets: Vec<String>,
    signer: Option<Signer>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({} recipients)", self.recipients.len())
    }
}

impl Account {
    /// The account at `url`, for comma-separated `recipients`, with a bearer `token` if there is one.
    pub fn new(url: &str, recipients: &str, token: Option<String>) -> Self {
        let (bare, credentials) = split_credentials(url.trim());
        let in_url = credentials.as_deref().map(|credentials| {
            if credentials.contains(':') {
                format!("Basic {}", base64::encode(credentials.as_bytes()))
            } else {
                format!("Bearer {credentials}")
            }
        });
        let authorization = token.as_deref().map(|token| format!("Bearer {}", token.trim())).or(in_url);
        let recipients: Vec<String> =
            recipients.split(',').map(str::trim).filter(|address| !address.is_empty()).map(str::to_owned).collect();
        let secrets =
            [Some(url.to_owned()), credentials, token, Some(bare.clone())].into_iter().flatten().chain(recipients.clone()).collect();
        Self { url: bare, authorization, recipients, secrets, signer: None }
    }

    /// The same account, whose e-mails have links that act if there is a `signer`.
    #[must_use]
    pub fn signing(mut self, signer: Option<Signer>) -> Self {
        self.secrets.extend(signer.as_ref().map(|signer| signer.secret().to_owned()));
        Self { signer, ..self }
    }

    /// What can be done from an e-mail that calls somebody, and by which links.
    fn links(&self, notification: &Notification, channel: &str) -> Vec<(&'static str, String)> {
        let Some(signer) = self.signer.as_ref().filter(|_| notification.reason.says_firing()) else { return Vec::new() };
        let url = |act| format!("{}{PATH}{}", origin(&notification.dashboard), signer.token(&Link::new(notification, act, channel)));
        LinkAct::ALL.map(|act| (act.label(), url(act))).into()
    }

    /// Every text that must not be printed.
    pub(super) fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(String::as_str).collect()
    }
}

/// The request that sends `notification`, as told to `channel`, in the provider's format.
pub fn render(
    notification: &Notification,
    channel: &str,
    (format, from): (EmailFormat, &str),
    account: &Account,
) -> Result<HttpRequest, RenderError> {
    if !(account.url.starts_with("https://") || account.url.starts_with("http://")) {
        return Err(RenderError::BadAddress { secret: EMAIL_URL.to_owned() });
    }
    let body = body(notification, &account.links(notification, channel), (format, from), account);
    let body = serde_json::to_vec(&body).map_err(|error| RenderError::Body { why: error.to_string() })?;
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(account.authorization.iter().map(|value| ("authorization".to_owned(), value.clone())));
    // Resend reads it; a plain endpoint may; SendGrid does not and gets the id as a custom argument.
    headers.push(("idempotency-key".to_owned(), notification.id.clone()));
    Ok(HttpRequest { method: "POST".to_owned(), url: account.url.clone(), headers, body })
}

/// Links that act, by what they do.
type Acts<'a> = &'a [(&'static str, String)];

fn body(notification: &Notification, acts: Acts<'_>, (format, from): (EmailFormat, &str), account: &Account) -> Value {
    let subject = subject(notification);
    let (html, text) = match &notification.report {
        Some(report) => (report::html_part(notification, report), report::text_part(notification, report)),
        None => (html_part(notification, acts), text_part(notification, acts)),
    };
    // Mail clients put the messages of one alert into one thread by this header.
    let headers = json!({"References": format!("<{}@parapet>", notification.alert), "X-Entity-Ref-ID": notification.id});
    match format {
        EmailFormat::Resend => json!({
            "from": from, "to": account.recipients, "subject": subject, "html": html, "text": text, "headers": headers,
        }),
        EmailFormat::Sendgrid => json!({
            "personalizations": [{"to": account.recipients.iter().map(|to| mailbox(to)).collect::<Vec<_>>()}],
            "from": mailbox(from), "subject": subject, "headers": headers,
            "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": html}],
            "custom_args": {"message_id": notification.id},
        }),
        EmailFormat::Plain => json!({
            "from": from, "to": account.recipients, "subject": subject, "html": html, "text": text, "message_id": notification.id,
        }),
    }
}

/// The title on one line.
fn subject(notification: &Notification) -> String {
    notification.title().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SUBJECT_CHARS).collect()
}

/// `Name <address>` or an address, as SendGrid's object.
fn mailbox(text: &str) -> Value {
    match text.split_once('<') {
        Some((name, rest)) => json!({"email": rest.trim_end().trim_end_matches('>').trim(), "name": name.trim().trim_matches('"')}),
        None => json!({"email": text.trim()}),
    }
}

fn text_part(notification: &Notification, acts: Acts<'_>) -> String {
    let mut lines = vec![notification.title(), String::new()];
    lines.extend(notification.ending());
    lines.push(notification.effect());
    lines.extend(notification.description().map(str::to_owned));
    lines.extend(notification.detail.clone());
    lines.push(String::new());
    lines.extend(notification.facts().into_iter().map(|(label, text)| format!("{label}: {text}")));
    lines.push(String::new());
    lines.extend(acts.iter().map(|(does, url)| format!("{does}: {url}")));
    lines.push(format!("Dashboard: {}", notification.dashboard));
    lines.extend(notification.runbook.as_ref().map(|url| format!("Runbook: {url}")));
    lines.push(ids(notification));
    lines.push(String::new());
    lines.join("\n")
}

fn ids(notification: &Notification) -> String {
    let kind = if notification.is_about_several() { "Group" } else { "Alert" };
    format!("{kind} {}, message {}, rule {}", notification.alert, notification.id, notification.rule)
}

/// One table, inline styles: what mail programs render alike. Colours have 5:1 contrast on white.
fn html_part(notification: &Notification, acts: Acts<'_>) -> String {
    let colour = match (notification.reason.is_end(), notification.severity) {
        (true, _) => "#0f766e",
        (false, crate::config::alerting::Severity::Critical) => "#991b1b",
        (false, crate::config::alerting::Severity::Warning) => "#b45309",
        (false, crate::config::alerting::Severity::Info) => "#1d4ed8",
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; meta name="viewport" content="width=device-width"; title { (subject(notification)) } }
            body style="margin:0;padding:16px;font-family:Helvetica,Arial,sans-serif;color:#111827;background:#ffffff" {
                table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:600px" {
                    tr { td style=(format!("border-left:6px solid {colour};padding:4px 12px")) {
                        p style=(format!("margin:0;font-weight:bold;color:{colour}")) {
                            (notification.state_word()) " " (notification.severity.as_str())
                        }
                        h1 style="margin:4px 0;font-size:20px" { (notification.headline()) }
                    } }
                    tr { td style="padding:12px 0" {
                        @if let Some(ending) = notification.ending() { p style="margin:0 0 8px" { (ending) } }
                        p style="margin:0 0 8px" { (notification.effect()) }
                        @if let Some(description) = notification.description() { p style="margin:0 0 8px" { (description) } }
                        @if let Some(detail) = &notification.detail {
                            @for line in detail.lines() { p style="margin:0 0 8px" { (line) } }
                        }
                    } }
                    tr { td {
                        table cellpadding="4" cellspacing="0" {
                            @for (label, text) in notification.facts() {
                                tr { th scope="row" align="left" style="color:#4b5563;font-weight:normal" { (label) } td { (text) } }
                            }
                        }
                    } }
                    @if !acts.is_empty() {
                        tr { td style="padding:12px 0 0" {
                            @for (does, url) in acts {
                                a href=(url) style=(format!("display:inline-block;margin:0 8px 8px 0;padding:10px 16px;font-weight:bold;text-decoration:none;color:#ffffff;background:{colour}")) { (does) }
                            }
                        } }
                    }
                    tr { td style="padding:12px 0" {
                        a href=(notification.dashboard) { "Dashboard" }
                        @if let Some(runbook) = &notification.runbook { " · " a href=(runbook) { "Runbook" } }
                    } }
                    tr { td style="font-size:12px;color:#4b5563" {
                        (ids(notification))
                    } }
                }
            }
        }
    };
    page.into_string()
}

/// The URL without `user:password@`, and that part decoded.
fn split_credentials(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let host_bytes = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(host_bytes).unwrap_or((rest, ""));
    match authority.rsplit_once('@') {
        Some((credentials, host)) => (format!("{scheme}://{host}{path}"), Some(percent_decoded(credentials))),
        None => (url.to_owned(), None),
    }
}

/// `%2F` as `/`, in a URL's user part or a query.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex =
            tail.first_chunk::<2>().and_then(|pair| std::str::from_utf8(pair).ok()).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let (byte, after) = match hex {
            Some(byte) if *first == b'%' => (byte, tail.get(2..).unwrap_or_default()),
            _ => (*first, tail),
        };
        out.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
