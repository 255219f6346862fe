//! `parapet report`: how good the rules of a deployment were, and how much the people on call had to bear, for people.
//!
//! The deployment counts (`GET /api/v1/reports/alerts`, role viewer); nothing is counted here.

use serde_json::Value;

use super::apply::{Failure, Remote, console, token};
use super::{ERROR, Exit, Format};
use crate::time::{UnixMs, human_span};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address of the console; the token (of a viewer) is read from PARAPET_TOKEN
    #[arg(long, value_name = "URL", value_parser = console)]
    to: String,
    /// Its first day, from midnight UTC; a week before the end without it
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<String>,
    /// The day after its last; now without it
    #[arg(long, value_name = "DATE", value_parser = day)]
    until: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Midnight of a day.
fn day(text: &str) -> Result<String, String> {
    let at = format!("{text}T00:00:00Z");
    UnixMs::from_rfc3339(&at).map(|_| at).ok_or_else(|| "write a day such as 2027-03-01".to_owned())
}

pub(super) fn run(args: &Args) -> Exit {
    let asked = token().ok_or(Failure::NoToken).and_then(|token| Remote::new(&args.to, &token).get::<Value>(&path(args)));
    match (asked, args.format) {
        (Ok(report), Format::Text) => anstream::print!("{}", text(&report)),
        (Ok(report), Format::Json) => anstream::println!("{report:#}"),
        (Err(failure), _) => {
            anstream::eprintln!("{ERROR}: {failure}");
            return failure.exit();
        }
    }
    Exit::Ok
}

fn path(args: &Args) -> String {
    let given = [("from", &args.from), ("to", &args.until)];
    let pairs: Vec<String> = given.iter().filter_map(|(name, at)| Some(format!("{name}={}", at.as_ref()?))).collect();
    format!("/api/v1/reports/alerts?{}", pairs.join("&"))
}

fn text(report: &Value) -> String {
    let said = |name: &str| word(&report[name]);
    let mut lines = vec![format!("{} to {}: {} alerts, {} more were kept quiet", said("from"), said("to"), said("alerts"), said("quiet"))];
    let rows = list(&report["rules"]);
    if !rows.is_empty() {
        lines.push("\nalerts  share   judged  true alarms  taken after   over after  rule, the noisiest first".to_owned());
    }
    for row in rows {
        let [alerts, judged, rule] = ["alerts", "judged", "rule"].map(|name| word(&row[name]));
        let [share, precision] = ["share", "precision"].map(|name| percent(&row[name]));
        let [taken, over] = ["acknowledge_s", "resolve_s"].map(|name| span(&row[name]));
        lines.push(format!("{alerts:>6}  {share:>5}  {judged:>7}  {precision:>11}  {taken:>11}  {over:>11}  {rule}"));
    }
    if !list(&report["shifts"]).is_empty() {
        lines.push("\nalerts  critical  on call".to_owned());
    }
    for shift in list(&report["shifts"]) {
        let [rotation, who, alerts, critical] = ["rotation", "on_call", "alerts", "critical"].map(|name| word(&shift[name]));
        lines.push(format!("{alerts:>6}  {critical:>8}  {who} ({rotation})"));
    }
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

#[expect(clippy::cast_possible_truncation, reason = "a span in seconds, printed to the second")]
fn span(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |seconds| human_span((seconds * 1_000.0) as i64))
}

/// A value of the document as it is printed: nothing in it can steer the terminal.
fn word(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
