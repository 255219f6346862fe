//! `parapet explain`: what a deployment makes of one rule at this moment, or made at an earlier one, and why, for people.
//!
//! The deployment says it (`GET /api/v1/rules/{id}/explain`, role viewer); nothing is concluded here.

use serde_json::Value;

use super::apply::{Failure, Remote, console, token};
use super::{ERROR, Exit, Format};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The rule's id
    #[arg(value_parser = rule)]
    rule: String,
    /// The address of the console; the token (of a viewer) is read from PARAPET_TOKEN
    #[arg(long, value_name = "URL", value_parser = console)]
    to: String,
    /// An earlier moment: 2026-03-02T12:00:00Z, or "2026-03-02 14:00" on the clock of the site
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A rule's id, which is a part of a path.
fn rule(text: &str) -> Result<String, String> {
    let is_id = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if is_id { Ok(text.to_owned()) } else { Err("write a rule's id, such as error-rate-critical".to_owned()) }
}

pub(super) fn run(args: &Args) -> Exit {
    let asked = token().ok_or(Failure::NoToken).and_then(|token| {
        let remote = Remote::new(&args.to, &token);
        remote.get::<Value>(&path(&args.rule, args.at.as_deref()))
    });
    match (asked, args.format) {
        (Ok(explained), Format::Text) => anstream::print!("{}", text(&explained)),
        (Ok(explained), Format::Json) => anstream::println!("{explained:#}"),
        (Err(failure), _) => {
            anstream::eprintln!("{ERROR}: {failure}");
            return failure.exit();
        }
    }
    Exit::Ok
}

fn path(rule: &str, at: Option<&str>) -> String {
    let encoded = |text: &str| {
        text.bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect::<String>()
    };
    let query = at.map(|at| format!("?at={}", encoded(at))).unwrap_or_default();
    format!("/api/v1/rules/{rule}/explain{query}")
}

const BOLD: &str = "\x1b[1m";
const OFF: &str = "\x1b[0m";

fn text(explained: &Value) -> String {
    let said = |name: &str| word(&explained[name]);
    let mut lines = vec![format!("{BOLD}{}{OFF}  {}, {}", said("rule"), said("name"), said("severity"))];
    if explained["asked_at"].is_null() {
        lines.push(format!("at {}, the last tick was {}", said("at"), or(&explained["last_tick_at"], "never")));
    } else {
        lines.push(format!("at {} by configuration version {}, as stored at {}", said("at"), said("config_version"), said("asked_at")));
        lines.push(format!(
            "the last tick before was in the minute {}",
            or(&explained["last_tick_at"], "- (none is stored of the 15 minutes before)")
        ));
    }
    for missing in list(&explained["missing"]) {
        lines.push(format!("not stored: {}", word(missing)));
    }
    for alert in list(&explained["alerts"]) {
        lines.push(String::new());
        lines.extend(alert_lines(alert));
    }
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

fn alert_lines(alert: &Value) -> Vec<String> {
    let times = [
        ("since", "since"),
        ("fired_at", "fired"),
        ("told_at", "first told"),
        ("acknowledged_at", "taken"),
        ("last_held_at", "last held"),
        ("resolved_at", "resolved"),
    ];
    let times = times.iter().filter(|(name, _)| !alert[*name].is_null()).map(|(name, said)| format!(", {said} {}", word(&alert[*name])));
    let labels = Some(pairs(&alert["labels"])).filter(|labels| !labels.is_empty()).map(|labels| format!("{labels}  ")).unwrap_or_default();
    let mut lines = vec![format!("{BOLD}{labels}{}{OFF}{}", state(&alert["state"]), times.collect::<String>())];
    for look in list(&alert["looks"]) {
        let found: Vec<String> =
            list(&look["found"]).iter().map(|found| format!("{} {}", word(&found["kind"]), word(&found["amount"]))).collect();
        let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
        let labels = pairs(&look["labels"]);
        let labels = if labels.is_empty() { labels } else { format!(" {labels}") };
        lines.push(format!("  looks  {}{labels} from {} to {}: {found}", word(&look["series"]), word(&look["from"]), word(&look["to"])));
    }
    lines.push(format!("  says   {}", word(&alert["says"])));
    if !alert["now"].is_null() {
        lines.push(format!("  now    {}", word(&alert["now"]).replace('_', " ")));
    }
    for why in list(&alert["suppressed_by"]) {
        let source = or(&why["source"], "");
        let source = if source.is_empty() { source } else { format!(" ({source})") };
        lines.push(format!("  quiet  {} {}{source}", word(&why["by"]), word(&why["id"])));
    }
    for route in list(&alert["routes"]) {
        let asks = pairs(&route["asks"]) + &list(&route["asks"]).iter().map(word).collect::<Vec<_>>().join(" ");
        let asks = if asks.is_empty() { "everything" } else { &asks };
        let to = words(&route["channels"]);
        lines.push(format!("  route  {} {asks} → {to}: {}", word(&route["place"]), word(&route["does"])));
    }
    lines.push(format!(
        "  tells  {}",
        Some(words(&alert["channels"])).filter(|told| !told.is_empty()).unwrap_or_else(|| "nobody".to_owned())
    ));
    let off = words(&alert["channels_off"]);
    if !off.is_empty() {
        lines.push(format!("  off    {off}: a secret is not set"));
    }
    let muted = words(&alert["channels_muted"]);
    if !muted.is_empty() {
        lines.push(format!("  later  {muted}: the route is muted now"));
    }
    for sent in list(&alert["deliveries"]) {
        let attempts = word(&sent["attempts"]);
        let detail =
            Some(or(&sent["detail"], "")).filter(|detail| !detail.is_empty()).map(|detail| format!(": {detail}")).unwrap_or_default();
        let [id, channel, reason, state, at] = ["id", "channel", "reason", "state", "at"].map(|name| word(&sent[name]));
        lines.push(format!("  sent   {id} {at} to {channel} ({reason}): {state} after {attempts} attempts{detail}"));
    }
    lines
}

/// Where an alert stands, or stood.
fn state(state: &Value) -> String {
    match state.as_str() {
        Some("not_firing") => "not firing (whether it was pending is not stored)".to_owned(),
        Some("not_stored") => "unknown: what fired then is no longer stored".to_owned(),
        _ => word(state),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A value of the document as it is printed.
fn word(value: &Value) -> String {
    or(value, "-")
}

fn or(value: &Value, otherwise: &str) -> String {
    match value {
        Value::Null => otherwise.to_owned(),
        // A terminal obeys control characters; labels come from requests.
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        other => other.to_string(),
    }
}

fn words(value: &Value) -> String {
    list(value).iter().map(word).collect::<Vec<_>>().join(", ")
}

fn pairs(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| format!("{name}={}", word(value))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
