//! `parapet routes`: who would be told of an alert, and why, by the router that tells them.
//!
//! The alert is a configured rule's (`--rule`), or any with these labels. Every secret counts as set unless `--without`
//! names it, so what is printed is what a full deployment does, and what is left when a secret is lost.

use std::path::PathBuf;

use super::{ERROR, Exit, validate};
use crate::alert::incident::Subject;
use crate::alert::observe::Labels;
use crate::alert::route::{RoutingWhy, route};
use crate::channel::Addresses;
use crate::config::alerting::Alerting;
use crate::config::matchers::Unmet;
use crate::config::routes::{Branch, Tried, tried};
use crate::config::site::Environment;
use crate::order;

/// Arguments of `routes`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The alert's labels, as `team=ops severity=critical`; they win over the rule's
    #[arg(long, value_name = "NAME=VALUE", value_parser = label, num_args = 1..)]
    labels: Vec<(String, String)>,
    /// An alert of this rule
    #[arg(long, value_name = "ID", required_unless_present = "labels")]
    rule: Option<String>,
    /// Secrets that are not set
    #[arg(long, value_name = "SECRET", num_args = 1..)]
    without: Vec<String>,
    /// The environment whose configuration is meant
    #[arg(long, default_value = "production", value_parser = environment)]
    env: Environment,
    /// The folder [default: monitoring]
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as severity=critical")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn environment(text: &str) -> Result<Environment, String> {
    Environment::from_str(text).ok_or_else(|| "use dev, staging or production".to_owned())
}

pub(super) fn run(args: &Args) -> Exit {
    let folder = super::folder(args.dir.clone());
    let checked = match validate::check(&folder, &[args.env]) {
        Ok(checked) => checked,
        Err(error) => return validate::unreadable(&error),
    };
    let Some((_, config)) = checked.valid.first() else {
        anstream::eprintln!("{}", validate::closing(&checked, &folder));
        return Exit::Findings;
    };
    let mut labels = Labels::new();
    if let Some(id) = &args.rule {
        let Some(rule) = config.alerting.rules.iter().find(|rule| rule.id == *id) else {
            let ids: Vec<&str> = config.alerting.rules.iter().map(|rule| rule.id.as_str()).collect();
            anstream::eprintln!("{ERROR}: there is no rule `{id}`. There are: {}", ids.join(", "));
            return Exit::Usage;
        };
        let instance = order::map(rule.by.iter().map(|label| (label.clone(), "…".to_owned())));
        labels = Subject::of_rule(rule, &instance).labels;
    }
    labels.extend(args.labels.iter().cloned());
    let is_set = |secret: &str| (!args.without.iter().any(|without| without == secret)).then(|| "set".to_owned());
    let (text, exit) = explained(&labels, &config.alerting, &Addresses::resolve(&config.alerting, is_set));
    anstream::print!("{text}");
    exit
}

/// Every route with what became of it, and who is told; findings when nobody is.
fn explained(labels: &Labels, alerting: &Alerting, addresses: &Addresses) -> (String, Exit) {
    let mut lines = vec![format!("alert  {}", matchers(labels))];
    let tried = tried(labels, &alerting.routes);
    let width = tried.iter().map(|(branch, _)| branch.place().len()).max().unwrap_or_default().max(2);
    for (branch, tried) in &tried {
        let to = branch.channels.join(", ");
        let what = match tried {
            Tried::TakesAndContinues => format!("takes it → {to}, and goes on{}", hours(branch)),
            Tried::TakesAndEnds => format!("takes it → {to}{}", hours(branch)),
            Tried::TakenBelow => "takes it, by a route below".to_owned(),
            Tried::Differs(Unmet { label, has: Some(has) }) => format!("no: {label} is {has}"),
            Tried::Differs(Unmet { label, has: None }) => format!("no: it has no {label}"),
            Tried::NotTried => "not tried".to_owned(),
        };
        lines.push(format!("route {:<width$} {:<28} {what}", branch.place(), asks(branch)));
    }
    let routing = route(labels, alerting, addresses, None, None);
    let off = routing.off.iter().map(|channel| format!("off    {channel}: {} is not set", addresses.missing(channel).unwrap_or_default()));
    lines.extend(off);
    let told = routing.channels.join(", ");
    lines.push(match routing.why {
        RoutingWhy::Matched => format!("told   {told}"),
        RoutingWhy::Fallback => format!("told   {told} (none of its own channels can be used, so every other one is)"),
        RoutingWhy::Nobody | RoutingWhy::Muted => "told   nobody: add a last route without matchers, or set a secret".to_owned(),
    });
    let exit = if routing.why == RoutingWhy::Nobody { Exit::Findings } else { Exit::Ok };
    (lines.join("\n") + "\n", exit)
}

/// When a route tells nobody.
fn hours(route: &Branch<'_>) -> String {
    let named = |word: &str, names: &[String]| if names.is_empty() { String::new() } else { format!(", {word} {}", names.join(", ")) };
    named("not during", route.mute_times) + &named("only during", route.active_times)
}

/// What it asks itself, beside what those above it do.
fn asks(route: &Branch<'_>) -> String {
    let texts = route.route.matchers.texts();
    if texts.is_empty() { "everything".to_owned() } else { texts.join(" ") }
}

fn matchers(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
