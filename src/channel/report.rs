//! The weekly report in Slack and in an e-mail.
//!
//! Slack's limits are those of [`super::slack`]: whatever a rule is called, a text is cut before it is too long. Nothing here looks anything up: the sentences are the report's own.

use maud::{DOCTYPE, html};
use serde_json::{Value, json};

use super::cut;
use super::slack::{MAX_FIELD_CHARS, MAX_HEADER_CHARS, MAX_SECTION_CHARS, escaped, link_buttons};
use crate::alert::notification::{Notification, Weekly};

const RULES: &str = "The noisiest rules";
const SHIFTS: &str = "Who was on call";
/// What the numbers are.
const NOTE: &str = "Times are medians; true alarms are of the alerts somebody judged.";

/// The message's blocks.
pub(super) fn slack_blocks(notification: &Notification, weekly: &Weekly) -> Value {
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": escaped(text, MAX_SECTION_CHARS)}});
    let advice = weekly.advice().map(|advice| format!("\n*{advice}*")).unwrap_or_default();
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": cut(&weekly.headline(), MAX_HEADER_CHARS), "emoji": true}}),
        section(&format!("{}{advice}", weekly.stretch(&notification.site))),
    ];
    for (title, lines) in lists(weekly) {
        blocks.push(section(&format!("*{title}*\n• {}", lines.join("\n• "))));
    }
    let note = if weekly.alerts == 0 { String::new() } else { format!(" · {NOTE}") };
    let context = format!("{} · {}{note}", notification.alert, notification.id);
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(&context, MAX_FIELD_CHARS)}]}));
    let buttons: Vec<Value> = link_buttons(links(notification, weekly).into_iter()).collect();
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    blocks.into()
}

/// The e-mail for programs without HTML.
pub(super) fn text_part(notification: &Notification, weekly: &Weekly) -> String {
    let mut lines = vec![notification.title(), String::new(), weekly.stretch(&notification.site)];
    lines.extend(weekly.advice());
    for (title, list) in lists(weekly) {
        lines.extend([String::new(), format!("{title}:")]);
        lines.extend(list.iter().map(|line| format!("- {line}")));
    }
    lines.push(String::new());
    if weekly.alerts > 0 {
        lines.push(NOTE.to_owned());
    }
    lines.extend(links(notification, weekly).iter().map(|(name, url)| format!("{name}: {url}")));
    lines.extend([ids(notification), String::new()]);
    lines.join("\n")
}

/// The e-mail: one table of rules, inline styles.
pub(super) fn html_part(notification: &Notification, weekly: &Weekly) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; meta name="viewport" content="width=device-width"; title { (notification.title()) } }
            body style="margin:0;padding:16px;font-family:Helvetica,Arial,sans-serif;color:#111827;background:#ffffff" {
                h1 style="margin:0 0 8px;font-size:20px" { (weekly.headline()) }
                p style="margin:0 0 8px" { (weekly.stretch(&notification.site)) }
                @if let Some(advice) = weekly.advice() { p style="margin:0 0 8px;font-weight:bold" { (advice) } }
                @if !weekly.noisiest.is_empty() {
                    h2 style="margin:16px 0 4px;font-size:16px" { (RULES) }
                    table cellpadding="4" cellspacing="0" {
                        tr { @for name in Weekly::HEAD { th scope="col" align="left" style="color:#4b5563" { (name) } } }
                        @for rule in &weekly.noisiest {
                            tr {
                                th scope="row" align="left" style="font-weight:normal" { (rule.name) }
                                @for cell in rule.cells(weekly.alerts) { td { (cell) } }
                            }
                        }
                    }
                }
                @if !weekly.shifts.is_empty() {
                    h2 style="margin:16px 0 4px;font-size:16px" { (SHIFTS) }
                    @for line in weekly.shift_lines() { p style="margin:0 0 4px" { (line) } }
                }
                @if weekly.alerts > 0 { p style="margin:16px 0 0;font-size:12px;color:#4b5563" { (NOTE) } }
                p style="margin:12px 0" {
                    @for (at, (name, url)) in links(notification, weekly).iter().enumerate() {
                        @if at > 0 { " · " }
                        a href=(url) { (name) }
                    }
                }
                p style="margin:0;font-size:12px;color:#4b5563" { (ids(notification)) }
            }
        }
    };
    page.into_string()
}

/// What is listed, without what there is nothing of.
fn lists(weekly: &Weekly) -> Vec<(&'static str, Vec<String>)> {
    [(RULES, weekly.rule_lines()), (SHIFTS, weekly.shift_lines())].into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}

fn links<'a>(notification: &'a Notification, weekly: &'a Weekly) -> [(&'static str, &'a str); 2] {
    [("Dashboard", &notification.dashboard), ("All rules (API, role viewer)", &weekly.url)]
}

fn ids(notification: &Notification) -> String {
    format!("Report {}, message {}", notification.alert, notification.id)
}

#[cfg(test)]
mod tests;
