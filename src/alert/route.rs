//! Who is told: pure routing from an alert's labels to channels.
//!
//! Routes are tried in order; one that matches stops the search unless it says `continue`. Never silent: when every channel
//! a route names is switched off (its secret is missing), the alert goes to every channel that is on, and the ones that
//! are off get a dead row each, which the delivery log and the health output show.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::channel::Addresses;
use crate::config::alerting::{Alerting, Route};

/// Who is told, and how that came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Routing {
    /// Channels that are told.
    pub channels: Vec<String>,
    /// Channels that would be told, were their secret set.
    pub off: Vec<String>,
    /// How it came about.
    pub why: RoutingWhy,
}

/// How a routing came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingWhy {
    /// By the routes that matched.
    Matched,
    /// No channel of the routes that matched can be used; every other one is.
    Fallback,
    /// No route matches, or no channel can be used at all.
    Nobody,
}

/// What became of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried<'a> {
    /// It takes the alert, and the search goes on.
    TakesAndContinues,
    /// It takes the alert, and the search ends.
    TakesAndEnds,
    /// A label is not what it asks for.
    Differs {
        /// The label.
        label: &'a str,
        /// What the alert has; `None` when it lacks the label.
        has: Option<&'a str>,
    },
    /// An earlier one ended the search.
    NotTried,
}

/// What becomes of each route, in order, for an alert with `labels`.
pub fn tried<'a>(labels: &'a BTreeMap<String, String>, routes: &'a [Route]) -> Vec<Tried<'a>> {
    let mut ended = false;
    let try_one = |route: &'a Route| {
        if ended {
            return Tried::NotTried;
        }
        let differs = route.matchers.iter().find(|(label, value)| labels.get(*label) != Some(value));
        if let Some((label, _)) = differs {
            return Tried::Differs { label, has: labels.get(label).map(String::as_str) };
        }
        ended = !route.r#continue;
        if ended { Tried::TakesAndEnds } else { Tried::TakesAndContinues }
    };
    routes.iter().map(try_one).collect()
}

/// Whom an alert with `labels` is told to. `except` is left out: the channel the alert is about.
pub fn route(labels: &BTreeMap<String, String>, alerting: &Alerting, addresses: &Addresses, except: Option<&str>) -> Routing {
    let takes = |(_, tried): &(&Route, Tried<'_>)| matches!(tried, Tried::TakesAndContinues | Tried::TakesAndEnds);
    let matched = alerting.routes.iter().zip(tried(labels, &alerting.routes)).filter(takes);
    let channels = matched.flat_map(|(route, _)| &route.channels).map(String::as_str);
    let mut named: Vec<&str> = channels.filter(|channel| Some(*channel) != except).collect();
    let mut seen = std::collections::BTreeSet::new();
    named.retain(|channel| seen.insert(*channel));
    let (on, off): (Vec<&str>, Vec<&str>) = named.into_iter().partition(|channel| addresses.missing(channel).is_none());
    if !on.is_empty() {
        return Routing { channels: owned(on), off: owned(off), why: RoutingWhy::Matched };
    }
    // An alert about a channel has lost its only receiver by definition: it falls back even when no route is left.
    let fallback = addresses.usable(alerting, except);
    if fallback.is_empty() || (off.is_empty() && except.is_none()) {
        return Routing { channels: Vec::new(), off: owned(off), why: RoutingWhy::Nobody };
    }
    Routing { channels: fallback, off: owned(off), why: RoutingWhy::Fallback }
}

fn owned(channels: Vec<&str>) -> Vec<String> {
    channels.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
