//! Checks of routes: each leads somewhere and is reached, and every alert reaches somebody.

use super::alerting::ids_of;
use super::{Findings, quiet, suggest};
use crate::alert::matcher::{Matcher, Operator};
use crate::config::alerting::{Alerting, EVERY_LABEL, Route, Rule};
use crate::config::matchers::Matchers;
use crate::config::routes::{Branch, every};
use crate::order;
use crate::sorted::Map;

/// Deeper trees nobody can follow: region, team, severity and one for what is special.
const MAX_DEPTH: usize = 4;

pub(super) fn routes(alerting: &Alerting, channels: &[&str], found: &mut Findings) {
    for branch in every(&alerting.routes) {
        let (route, place) = (branch.route, branch.pointer());
        let at = |key: &str| format!("{place}/{key}");
        if branch.path.len() == MAX_DEPTH + 1 {
            let what = format!("routes stand inside each other {MAX_DEPTH} deep at most");
            found.add(place.clone(), what, "write it beside the route above, with the matchers of both");
        }
        if branch.channels.is_empty() {
            found.add(at("channels"), "this route leads nowhere", "name at least one channel");
        }
        for (index, channel) in route.channels.iter().enumerate().filter(|(_, channel)| !channels.contains(&channel.as_str())) {
            found.add_drawn_from(
                ids_of("/alerting/channels", channels.len()),
                at(&format!("channels/{index}")),
                format!("there is no channel `{channel}`"),
                suggest(channel, channels.iter().copied(), &format!("use one of: {}", channels.join(", "))),
            );
        }
        if let Matchers::Texts(texts) = &route.matchers {
            quiet::matchers(alerting, texts, &at("matchers"), found);
        }
        is_reached(&alerting.routes, &branch, found);
        grouping(alerting, &branch, found);
    }
}

/// No earlier sibling takes all its alerts, and those above it take some.
fn is_reached(routes: &[Route], branch: &Branch<'_>, found: &mut Findings) {
    let Some((index, above)) = branch.path.split_last() else { return };
    let at = branch.pointer();
    let mut siblings = routes;
    let own = read(&branch.route.matchers);
    let mut walked = String::new();
    for place in above {
        let Some(route) = siblings.get(*place) else { return };
        walked = format!("{walked}{}{}", if walked.is_empty() { "" } else { "." }, place + 1);
        let refused = own.iter().find(|matcher| {
            let is_exact = matcher.operator() == Operator::Equal && matcher.literal().is_some();
            let alone = Map::from([(matcher.name().to_owned(), matcher.value().to_owned())]);
            is_exact && read(&route.matchers).iter().any(|outer| outer.name() == matcher.name() && !outer.matches(&alone))
        });
        if let Some(refused) = refused {
            let what = format!("this route is never reached: route {walked} above it takes no alert with {refused}");
            found.add_drawn_from(vec![format!("{at}/matchers")], at, what, "move it out of that route, or correct its matchers");
            return;
        }
        siblings = &route.routes;
    }
    let blocks = |earlier: &&Route| !earlier.r#continue && takes_all_of(earlier, branch.route, &own);
    if let Some(earlier) = siblings.iter().take(*index).position(|earlier| blocks(&earlier)) {
        let place = at.rsplit_once('/').map_or(String::new(), |(list, _)| format!("{list}/{earlier}"));
        let (before, number) = (if walked.is_empty() { "" } else { "." }, earlier + 1);
        let what = format!("this route is never reached: route {walked}{before}{number} takes all its alerts and does not `continue`");
        let drawn_from = vec![format!("{place}/matchers"), format!("{place}/continue"), format!("{at}/matchers")];
        found.add_drawn_from(drawn_from, at, what, "move it up, or set `continue: true` there");
    }
}

/// The matchers that read; in a map, values are compared whole.
fn read(matchers: &Matchers) -> Vec<Matcher> {
    match matchers {
        Matchers::Labels(labels) => labels.iter().filter_map(|(label, value)| Matcher::new(label, Operator::Equal, value).ok()).collect(),
        Matchers::Texts(texts) => texts.iter().filter_map(|text| Matcher::parse(text).ok()).collect(),
    }
}

/// Whether every alert that `later` matches (`own` are its matchers) surely matches `earlier` too.
fn takes_all_of(earlier: &Route, later: &Route, own: &[Matcher]) -> bool {
    if let (Matchers::Labels(earlier), Matchers::Labels(later)) = (&earlier.matchers, &later.matchers) {
        return earlier.iter().all(|(label, value)| later.get(label) == Some(value));
    }
    let exact = own.iter().filter(|matcher| matcher.operator() == Operator::Equal && matcher.literal().is_some());
    let exact: Map<String, String> = order::map(exact.map(|matcher| (matcher.name().to_owned(), matcher.value().to_owned())));
    let asked = read(&earlier.matchers);
    asked.len() == earlier.matchers.texts().len()
        && asked.iter().all(|asked| own.contains(asked) || (exact.contains_key(asked.name()) && asked.matches(&exact)))
}

/// Timings belong to groups, and groups to labels that alerts have.
fn grouping(alerting: &Alerting, branch: &Branch<'_>, found: &mut Findings) {
    let (route, at) = (branch.route, branch.pointer());
    for (place, label) in route.group_by.iter().enumerate().filter(|(_, label)| *label != EVERY_LABEL) {
        quiet::label(alerting, label, format!("{at}/group_by/{place}"), found);
    }
    let timings = [
        ("group_wait", route.group_wait_ms, super::GROUP_WAIT_MS),
        ("group_interval", route.group_interval_ms, super::GROUP_INTERVAL_MS),
        ("repeat_interval", route.repeat_interval_ms, super::REPEAT_INTERVAL_MS),
    ];
    for (key, value_ms, range) in timings {
        let Some(value_ms) = value_ms else { continue };
        let place = format!("{at}/{key}_ms");
        if branch.group_by.is_empty() {
            let fix = "name the labels of a group: `group_by: [rule]`, or `[...]` for every label";
            found.add_drawn_from(vec![format!("{at}/group_by")], place, format!("`{key}` does nothing without `group_by`"), fix);
        } else {
            found.duration(place, value_ms, &range);
        }
    }
}

/// Whether some route surely takes the rule's alerts: what only the series say of an alert may be anything.
pub(super) fn reaches_somebody(alerting: &Alerting, rule: &Rule, index: usize, found: &mut Findings) {
    let mut labels = rule.labels.clone();
    labels.insert("severity".to_owned(), rule.severity.as_str().to_owned());
    labels.insert("rule".to_owned(), rule.id.clone());
    let is_known = |matchers: &Matchers| {
        read(matchers).iter().all(|matcher| labels.contains_key(matcher.name()) || !rule.by.iter().any(|label| label == matcher.name()))
    };
    if alerting.routes.iter().any(|route| is_known(&route.matchers) && route.matchers.unmet(&labels).is_none()) {
        return;
    }
    let own = ["id", "severity", "labels"].map(|key| format!("/alerting/rules/{index}/{key}"));
    let routes = (0..alerting.routes.len()).map(|route| format!("/alerting/routes/{route}/matchers"));
    found.add_drawn_from(
        own.into_iter().chain(["/alerting/routes".to_owned()]).chain(routes).collect(),
        format!("/alerting/rules/{index}"),
        format!("nobody is told about `{}`: no route matches its labels", rule.id),
        "add a route for it, or a last route without matchers",
    );
}
