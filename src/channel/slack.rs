//! Slack: Block Kit to an incoming webhook, or as a bot (see [`bot`]).
//!
//! Limits (docs.slack.dev, Block Kit): header 150 characters, section text 3,000, at most 10 fields of 2,000, button text 75,
//! button URL 3,000 (a longer link, or one that is not http(s), is left out). `&`, `<` and `>` are control characters in
//! `mrkdwn` and are escaped; a text is cut before it is too long, never inside an entity. Buttons that act go to
//! `web::slack_actions`; those with a link only open it.

use serde_json::{Value, json};

use super::{RenderError, cut, is_web_url, report};
use crate::alert::notification::{Notification, NotifyReason, TREND};
use crate::alert::respond::Verb;
use crate::config::alerting::Severity;
use crate::ports::HttpRequest;

pub mod bot;

pub(super) const MAX_HEADER_CHARS: usize = 150;
pub(super) const MAX_SECTION_CHARS: usize = 3_000;
pub(super) const MAX_FIELD_CHARS: usize = 2_000;
const MAX_FIELDS: usize = 10;

/// What the buttons of messages can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buttons {
    /// Open pages: nobody told us how to check a click.
    Links,
    /// Acknowledge and snooze as well: `SLACK_SIGNING_SECRET` is set.
    Acts,
}

/// The request that posts `notification` to the webhook at `url`, which came from the binding `secret`.
pub fn render(notification: &Notification, url: &str, secret: &str, can: Buttons) -> Result<HttpRequest, RenderError> {
    if !is_web_url(url) {
        return Err(RenderError::BadAddress { secret: secret.to_owned() });
    }
    let body = serde_json::to_vec(&message(notification, can)).map_err(|error| RenderError::Body { why: error.to_string() })?;
    let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    Ok(HttpRequest { method: "POST".to_owned(), url: url.to_owned(), headers, body })
}

/// The message: a fallback text for notifications, and the blocks.
fn message(notification: &Notification, can: Buttons) -> Value {
    let since =
        if notification.reason == NotifyReason::First { format!(" · since {}", notification.since_clock()) } else { String::new() };
    let fallback = format!("{} {}{since}", bullet(notification), notification.title());
    if let Some(report) = &notification.report {
        return json!({"text": escaped(&fallback, MAX_SECTION_CHARS), "blocks": report::slack_blocks(notification, report)});
    }
    let facts = notification.facts().into_iter().filter(|(label, _)| *label != TREND);
    let fields: Vec<Value> = facts.take(MAX_FIELDS).map(|(label, text)| field(label, &text)).collect();
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": cut(&header(notification), MAX_HEADER_CHARS), "emoji": true}}),
        json!({"type": "section", "text": {"type": "mrkdwn", "text": section(notification)}}),
        json!({"type": "section", "fields": fields}),
        json!({"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(&context(notification), MAX_FIELD_CHARS)}]}),
    ];
    let buttons = buttons(notification, can);
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    json!({"text": escaped(&fallback, MAX_SECTION_CHARS), "blocks": blocks})
}

/// `■ CRITICAL — API error rate`: shape and word, not colour alone.
fn header(notification: &Notification) -> String {
    let severity = notification.severity.as_str().to_ascii_uppercase();
    match notification.reason {
        NotifyReason::First | NotifyReason::StillFiring | NotifyReason::Settled => {
            format!("{} {severity} — {}", shape(notification.severity), notification.name)
        }
        NotifyReason::Escalated => format!("{} ESCALATED {severity} — {}", shape(notification.severity), notification.name),
        NotifyReason::Flapping => format!("≈ FLAPPING {severity} — {}", notification.name),
        NotifyReason::Acknowledged => format!("◐ ACKNOWLEDGED — {}", notification.name),
        NotifyReason::Resolved | NotifyReason::RuleRemoved => format!("● RESOLVED — {}", notification.name),
        NotifyReason::Update => format!("○ UPDATE — {}", notification.name),
        NotifyReason::Test => format!("○ TEST {severity} — {}", notification.name),
        NotifyReason::Report => notification.name.clone(),
    }
}

fn section(notification: &Notification) -> String {
    let currency = &notification.site.currency;
    let numbers = notification.measured.as_ref().map(|measured| {
        let comparison = escaped(&measured.comparison(currency), 250);
        if notification.reason.is_end() { format!("Now {comparison}") } else { format!("*{comparison}*") }
    });
    let course = notification.course().map(|(line, rest)| format!("`{line}` {}", escaped(&rest, 200)));
    let sentences = [notification.ending().map(|ending| escaped(&ending, 500)), numbers, course];
    let effect = notification.effect();
    // The alerts of a group are a line each, and a group has no numbers of its own.
    let (effect_chars, detail_chars) = if notification.is_about_several() { (500, 1_900) } else { (1_000, 490) };
    let texts = [(Some(effect.as_str()), effect_chars), (notification.description(), 500), (notification.detail.as_deref(), detail_chars)];
    let texts = texts.into_iter().filter_map(|(text, max_chars)| Some(escaped(text?, max_chars)));
    let lines: Vec<String> = sentences.into_iter().flatten().chain(texts).collect();
    lines.join("\n")
}

fn field(label: &str, text: &str) -> Value {
    json!({"type": "mrkdwn", "text": format!("*{label}*\n{}", escaped(text, MAX_FIELD_CHARS - 50))})
}

fn context(notification: &Notification) -> String {
    format!("{} · {} · rule {}", notification.alert, notification.id, notification.rule)
}

fn buttons(notification: &Notification, can: Buttons) -> Vec<Value> {
    let mut buttons = acts(notification, can);
    let links = [("Dashboard", Some(notification.dashboard.as_str())), ("Runbook", notification.runbook.as_deref())];
    buttons.extend(link_buttons(links.into_iter().filter_map(|(text, url)| Some((text, url?)))));
    buttons
}

/// Buttons that open pages; one with a URL that Slack refuses would cost the whole message.
pub(super) fn link_buttons<'a>(links: impl Iterator<Item = (&'a str, &'a str)>) -> impl Iterator<Item = Value> {
    let usable = links.filter(|(_, url)| is_web_url(url));
    usable.map(|(text, url)| json!({"type": "button", "text": {"type": "plain_text", "text": text}, "url": url}))
}

/// What can be done about an alert that fires and that nobody has.
fn acts(notification: &Notification, can: Buttons) -> Vec<Value> {
    if can == Buttons::Links || !notification.reason.says_firing() {
        return Vec::new();
    }
    let act = |text: &str, verb: Verb| json!({"type": "button", "text": {"type": "plain_text", "text": text}, "action_id": verb.as_str(), "value": notification.alert});
    let acts = [("Acknowledge", Verb::Acknowledge), ("Snooze 1 h", Verb::Snooze), ("Escalate", Verb::Escalate), ("Resolve", Verb::Resolve)];
    acts.into_iter().map(|(text, verb)| act(text, verb)).collect()
}

fn shape(severity: Severity) -> char {
    match severity {
        Severity::Critical => '■',
        Severity::Warning => '▲',
        Severity::Info => '●',
    }
}

fn bullet(notification: &Notification) -> char {
    match (notification.reason, notification.severity) {
        (NotifyReason::Resolved | NotifyReason::RuleRemoved, _) => '🟢',
        (NotifyReason::Update | NotifyReason::Test | NotifyReason::Report, _) => '⚪',
        (NotifyReason::Acknowledged, _) => '✅',
        (
            NotifyReason::First | NotifyReason::Escalated | NotifyReason::StillFiring | NotifyReason::Flapping | NotifyReason::Settled,
            severity,
        ) => match severity {
            Severity::Critical => '🔴',
            Severity::Warning => '🟠',
            Severity::Info => '🔵',
        },
    }
}

/// `text` with Slack's control characters as entities, at most `max_chars` long.
pub(crate) fn escaped(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut used = 0;
    for c in text.chars() {
        let mut buffer = [0; 4];
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            other => other.encode_utf8(&mut buffer),
        };
        let chars = piece.chars().count();
        if used + chars >= max_chars {
            out.push('…');
            return out;
        }
        out.push_str(piece);
        used += chars;
    }
    out
}

#[cfg(test)]
mod tests;
