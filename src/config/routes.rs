//! The tree of routes: what a route has from those above it, and which of them take an alert.
//!
//! As in Alertmanager: an alert that a route matches is tried at the routes below it, and is the route's own if none of them takes it;
//! one that takes it ends the search among its siblings unless it says `continue`. A route has from the one above whatever it does not
//! say itself: channels, grouping and its timings, and, other than in Alertmanager, its hours too: whoever mutes a route means what is
//! below it as well. Invariant: a route that matches takes the alert, itself or by one below it.

use super::alerting::Route;
use super::matchers::Unmet;
use crate::sorted::Map;

/// A route with what it has from those above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch<'a> {
    /// Its places from the top, from 0.
    pub path: Vec<usize>,
    /// The route itself.
    pub route: &'a Route,
    /// What it and those above it ask, as written.
    pub asks: Vec<String>,
    /// The channels' ids.
    pub channels: &'a [String],
    /// When it tells nobody.
    pub mute_times: &'a [String],
    /// Outside of what it tells nobody.
    pub active_times: &'a [String],
    /// What makes a group.
    pub group_by: &'a [String],
    /// How long a group's first message waits.
    pub group_wait_ms: Option<i64>,
    /// The least time between two messages of a group.
    pub group_interval_ms: Option<i64>,
    /// How long after its last message a group is told of again.
    pub repeat_interval_ms: Option<i64>,
}

impl<'a> Branch<'a> {
    /// `route`, which stands at `place` below `above`.
    pub fn of(route: &'a Route, place: usize, above: Option<&Self>) -> Self {
        let inherited = |own: &'a [String], theirs: fn(&Self) -> &'a [String]| match above {
            Some(above) if own.is_empty() => theirs(above),
            _ => own,
        };
        let timing = |own: Option<i64>, theirs: fn(&Self) -> Option<i64>| own.or_else(|| above.and_then(theirs));
        let mut path = above.map(|above| above.path.clone()).unwrap_or_default();
        path.push(place);
        let mut asks = above.map(|above| above.asks.clone()).unwrap_or_default();
        asks.extend(route.matchers.texts());
        Self {
            path,
            route,
            asks,
            channels: inherited(&route.channels, |above| above.channels),
            mute_times: inherited(&route.mute_times, |above| above.mute_times),
            active_times: inherited(&route.active_times, |above| above.active_times),
            group_by: inherited(&route.group_by, |above| above.group_by),
            group_wait_ms: timing(route.group_wait_ms, |above| above.group_wait_ms),
            group_interval_ms: timing(route.group_interval_ms, |above| above.group_interval_ms),
            repeat_interval_ms: timing(route.repeat_interval_ms, |above| above.repeat_interval_ms),
        }
    }

    /// Its places as people count them: `2.1` is the first below the second.
    pub fn place(&self) -> String {
        self.path.iter().map(|place| (place + 1).to_string()).collect::<Vec<_>>().join(".")
    }

    /// Where it stands in the configuration, as a JSON pointer.
    pub fn pointer(&self) -> String {
        self.path.iter().flat_map(|place| ["/routes/".to_owned(), place.to_string()]).fold("/alerting".to_owned(), |at, part| at + &part)
    }
}

/// What becomes of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It takes the alert, and the search goes on.
    TakesAndContinues,
    /// It takes the alert, and the search among its siblings ends.
    TakesAndEnds,
    /// It matches, and a route below it takes the alert.
    TakenBelow,
    /// A label is not what it asks for.
    Differs(Unmet),
    /// An earlier one ended the search, or the one above does not match.
    NotTried,
}

impl Tried {
    /// Whether the route itself takes the alert.
    pub fn takes(&self) -> bool {
        match self {
            Self::TakesAndContinues | Self::TakesAndEnds => true,
            Self::TakenBelow | Self::Differs(_) | Self::NotTried => false,
        }
    }
}

/// What becomes of each route for an alert with `labels`: in order, each before those below it.
pub fn tried<'a>(labels: &Map<String, String>, routes: &'a [Route]) -> Vec<(Branch<'a>, Tried)> {
    let mut out = Vec::new();
    descend(labels, routes, None, Search::Open, &mut out);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    Open,
    Ended,
}

/// Tries `routes`, which stand below `above`; whether one of them took the alert.
fn descend<'a>(
    labels: &Map<String, String>,
    routes: &'a [Route],
    above: Option<&Branch<'a>>,
    mut search: Search,
    out: &mut Vec<(Branch<'a>, Tried)>,
) -> bool {
    let mut is_taken = false;
    for (place, route) in routes.iter().enumerate() {
        let branch = Branch::of(route, place, above);
        let unmet = route.matchers.unmet(labels);
        let is_tried = search == Search::Open && unmet.is_none();
        let below = if is_tried { Search::Open } else { Search::Ended };
        let at = out.len();
        out.push((branch.clone(), Tried::NotTried));
        let is_taken_below = descend(labels, &route.routes, Some(&branch), below, out);
        let tried = match (search, unmet) {
            (Search::Ended, _) => Tried::NotTried,
            (Search::Open, Some(unmet)) => Tried::Differs(unmet),
            (Search::Open, None) if is_taken_below => Tried::TakenBelow,
            (Search::Open, None) if route.r#continue => Tried::TakesAndContinues,
            (Search::Open, None) => Tried::TakesAndEnds,
        };
        if let Some((_, slot)) = out.get_mut(at) {
            *slot = tried;
        }
        if is_tried {
            is_taken = true;
            search = if route.r#continue { Search::Open } else { Search::Ended };
        }
    }
    is_taken
}

/// Every route, each before those below it.
pub fn every(routes: &[Route]) -> Vec<Branch<'_>> {
    let mut out: Vec<Branch<'_>> = Vec::new();
    gather(routes, None, &mut out);
    out
}

fn gather<'a>(routes: &'a [Route], above: Option<&Branch<'a>>, out: &mut Vec<Branch<'a>>) {
    for (place, route) in routes.iter().enumerate() {
        let branch = Branch::of(route, place, above);
        out.push(branch.clone());
        gather(&route.routes, Some(&branch), out);
    }
}

#[cfg(test)]
mod tests;
