//! Checks of what keeps alerts quiet: a mistake here is silence where somebody expects a message.

use super::alerting::ids_of;
use super::{Findings, suggest};
use crate::alert::matcher::{Matcher, Operator};
use crate::config::alerting::{Alerting, Span, Weekday};
use crate::config::routes::every;
use crate::telemetry::series::name;

/// Labels every alert has when matchers look at it.
const GIVEN_LABELS: [&str; 4] = ["alertname", "owner", "rule", "severity"];
/// The severities, as labels have them.
const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];

pub(super) fn inhibitions(alerting: &Alerting, found: &mut Findings) {
    found.unique("/alerting/inhibitions", "/id", alerting.inhibitions.iter().map(|inhibition| inhibition.id.as_str()));
    for (index, inhibition) in alerting.inhibitions.iter().enumerate() {
        let at = |key: &str| format!("/alerting/inhibitions/{index}/{key}");
        found.id(at("id"), &inhibition.id);
        for (key, texts) in [("source", &inhibition.source), ("target", &inhibition.target)] {
            matchers(alerting, texts, &at(key), found);
            if texts.is_empty() {
                found.add(at(key), "no matcher means every alert", "name the rule: `rule=origin-down`");
            }
        }
        for (place, name) in inhibition.equal.iter().enumerate() {
            label(alerting, name, format!("{}/{place}", at("equal")), found);
        }
    }
}

pub(super) fn maintenance(alerting: &Alerting, found: &mut Findings) {
    found.unique("/alerting/maintenance", "/id", alerting.maintenance.iter().map(|window| window.id.as_str()));
    for (index, window) in alerting.maintenance.iter().enumerate() {
        let at = |key: &str| format!("/alerting/maintenance/{index}/{key}");
        found.id(at("id"), &window.id);
        matchers(alerting, &window.matchers, &at("matchers"), found);
        hours((&window.days, &window.hours, &window.zone), &format!("/alerting/maintenance/{index}"), found);
        found.filled(at("reason"), &window.reason);
        found.filled(at("author"), &window.author);
        if window.last_day().is_none() {
            found.add(at("expires"), format!("`{}` is not a date", window.expires), "write the last day it begins on: `2027-03-31`");
        }
    }
}

/// Time intervals and the routes that name them.
pub(super) fn time_intervals(alerting: &Alerting, found: &mut Findings) {
    let ids: Vec<&str> = alerting.time_intervals.iter().map(|interval| interval.id.as_str()).collect();
    found.unique("/alerting/time_intervals", "/id", ids.iter().copied());
    for (index, interval) in alerting.time_intervals.iter().enumerate() {
        let at = |key: &str| format!("/alerting/time_intervals/{index}/{key}");
        found.id(at("id"), &interval.id);
        hours((&interval.hours.days, &interval.hours.hours, &interval.hours.zone), &at("hours"), found);
    }
    for branch in every(&alerting.routes) {
        for (key, names) in [("mute_times", &branch.route.mute_times), ("active_times", &branch.route.active_times)] {
            for (place, name) in names.iter().enumerate().filter(|(_, name)| !ids.contains(&name.as_str())) {
                let at = format!("{}/{key}/{place}", branch.pointer());
                let fix = suggest(name, ids.iter().copied(), "use the id of an entry of `time_intervals`");
                found.add_drawn_from(ids_of("/alerting/time_intervals", ids.len()), at, format!("there is no time interval `{name}`"), fix);
            }
        }
    }
}

/// Days, hours and zone that stand beside each other at `at`.
pub(super) fn hours((days, hours, zone): (&[Weekday], &Span, &str), at: &str, found: &mut Findings) {
    if days.is_empty() {
        found.add(format!("{at}/days"), "it begins on no day", "name at least one: `[sun]`");
    }
    if hours.minutes().is_none() {
        let what = format!("`{}` to `{}` is not a span of a day", hours.from, hours.to);
        found.add(format!("{at}/hours"), what, "write `HH:MM` twice, not the same: \"22:00\" and \"02:00\"");
    }
    found.zone(format!("{at}/zone"), zone);
}

pub(super) fn matchers(alerting: &Alerting, texts: &[String], at: &str, found: &mut Findings) {
    for (place, text) in texts.iter().enumerate() {
        let at = format!("{at}/{place}");
        match Matcher::parse(text) {
            Err(error) => found.add(at, "this is not a matcher", error.to_string()),
            Ok(matcher) => {
                label(alerting, matcher.name(), at.clone(), found);
                meant(alerting, &matcher, at, found);
            }
        }
    }
}

/// A label no alert has makes a matcher that never, or always, matches.
pub(super) fn label(alerting: &Alerting, wanted: &str, at: String, found: &mut Findings) {
    // Alerts about channels have `channel`, and an alert may carry the labels of the series it is about.
    let known = || {
        let own = alerting.rules.iter().flat_map(|rule| rule.labels.keys()).map(String::as_str);
        let series = name::OWN.iter().flat_map(|(_, _, labels)| labels.iter().copied());
        GIVEN_LABELS.into_iter().chain(["channel"]).chain(own).chain(series)
    };
    if !known().any(|known| known == wanted) {
        let rules = (0..alerting.rules.len()).map(|rule| format!("/alerting/rules/{rule}/labels"));
        let fix = suggest(wanted, known(), "use a label of a rule, or one of alertname, owner, rule and severity");
        found.add_drawn_from(rules.collect(), at, format!("no alert has a label `{wanted}`"), fix);
    }
}

/// A literal rule or severity that there is none of.
fn meant(alerting: &Alerting, matcher: &Matcher, at: String, found: &mut Findings) {
    let Some(value) = matcher.literal().filter(|_| matcher.operator() == Operator::Equal) else { return };
    if matcher.name() == "severity" && !SEVERITIES.contains(&value) {
        found.add(at, format!("there is no severity `{value}`"), suggest(value, SEVERITIES, "use info, warning or critical"));
    } else if matcher.name() == "rule" && !value.starts_with("parapet-") {
        is_rule(alerting, value, at, found);
    }
}

/// Whether there is a rule `id`; a finding if there is none.
fn is_rule(alerting: &Alerting, id: &str, at: String, found: &mut Findings) -> bool {
    let ids = || alerting.rules.iter().map(|rule| rule.id.as_str());
    let is = ids().any(|known| known == id);
    if !is {
        let rules = ids_of("/alerting/rules", alerting.rules.len());
        found.add_drawn_from(rules, at, format!("there is no rule `{id}`"), suggest(id, ids(), "use the id of a rule"));
    }
    is
}

/// Numbers of `flapping` within their bounds.
pub(super) fn flapping(alerting: &Alerting, found: &mut Findings) {
    let Some(flapping) = &alerting.flapping else { return };
    if !super::FLAPS.contains(&i64::from(flapping.times)) {
        let fix = format!("use {} to {}", super::FLAPS.start(), super::FLAPS.end());
        found.add("/alerting/flapping/times", format!("{} is out of range", flapping.times), fix);
    }
    found.duration("/alerting/flapping/within_ms", flapping.within_ms, &super::FLAP_WITHIN_MS);
    found.duration("/alerting/flapping/settled_after_ms", flapping.settled_after_ms, &super::SETTLED_AFTER_MS);
}

/// What a rule depends on is a rule, and not, over any number of others, the rule itself: in a circle nothing explains anything.
pub(super) fn dependencies(alerting: &Alerting, found: &mut Findings) {
    for (index, rule) in alerting.rules.iter().enumerate() {
        for (place, cause) in rule.depends_on.iter().enumerate() {
            let at = format!("/alerting/rules/{index}/depends_on/{place}");
            if is_rule(alerting, cause, at.clone(), found) && needs(alerting, cause).contains(&rule.id.as_str()) {
                let drawn_from = (0..alerting.rules.len()).map(|rule| format!("/alerting/rules/{rule}/depends_on")).collect();
                let what = format!("`{}` depends on itself{}", rule.id, if *cause == rule.id { "" } else { ", by way of this one" });
                found.add_drawn_from(drawn_from, at, what, "name the cause on the side of its effect alone");
            }
        }
    }
}

/// `rule`, everything it depends on, everything that depends on, and so on.
fn needs<'a>(alerting: &'a Alerting, rule: &'a str) -> Vec<&'a str> {
    let mut needs = vec![rule];
    let mut next = 0;
    while let Some(one) = needs.get(next).copied() {
        next += 1;
        let causes = alerting.rules.iter().filter(|rule| rule.id == one).flat_map(|rule| &rule.depends_on);
        for cause in causes {
            if !needs.contains(&cause.as_str()) {
                needs.push(cause);
            }
        }
    }
    needs
}
