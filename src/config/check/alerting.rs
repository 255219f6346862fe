//! Checks of channels, routes and rules: everything refers to something, and every alert reaches somebody.

use crate::sorted::Map as BTreeMap;

use super::{Findings, condition, quiet, suggest, texts};
use crate::config::Config;
use crate::config::alerting::{Alerting, EVERY_LABEL, Route, Rule, Via};

/// Labels every alert has; a rule cannot set them itself.
const GIVEN_LABELS: [&str; 2] = ["severity", "rule"];

pub(super) fn channels_and_routes(alerting: &Alerting, found: &mut Findings) {
    found.unique("/alerting/channels", "/id", alerting.channels.iter().map(|channel| channel.id.as_str()));
    for (index, channel) in alerting.channels.iter().enumerate() {
        let at = |key: &str| format!("/alerting/channels/{index}/{key}");
        found.id(at("id"), &channel.id);
        match &channel.via {
            Via::Slack { secret, channel } => {
                let example = if channel.is_some() { "SLACK_BOT_TOKEN" } else { "SLACK_WEBHOOK_URL" };
                binding(secret, at("via/slack/secret"), example, found);
                if let Some(channel) = channel.as_ref().filter(|channel| !is_slack_channel(channel)) {
                    let fix = "copy its id from the end of the channel's details in Slack: `C0123ABCDEF`";
                    found.add(at("via/slack/channel"), format!("`{channel}` is not a channel's id"), fix);
                }
            }
            Via::Pagerduty { secret, .. } => binding(secret, at("via/pagerduty/secret"), "PAGERDUTY_ROUTING_KEY", found),
            Via::Statuspage { secret, page, components } => {
                binding(secret, at("via/statuspage/secret"), "STATUSPAGE_API_KEY", found);
                statuspage(page, components, &at("via/statuspage"), found);
            }
            Via::Cloudevents { secret } => binding(secret, at("via/cloudevents/secret"), "CLOUDEVENTS_URL", found),
            Via::Webhook { secret, signing_secret } => {
                binding(secret, at("via/webhook/secret"), "WEBHOOK_URL", found);
                binding(signing_secret, at("via/webhook/signing_secret"), "WEBHOOK_SIGNING_SECRET", found);
            }
            Via::Email { from, .. } if !from.contains('@') => {
                found.add(at("via/email/from"), format!("`{from}` is not a sender"), "write an address, or `Name <address>`");
            }
            Via::Email { recipients: Some(name), .. } => binding(name, at("via/email/recipients"), "OPERATIONS_EMAIL_RECIPIENTS", found),
            Via::Email { .. } | Via::Sentry {} => {}
        }
    }
    let ids: Vec<&str> = alerting.channels.iter().map(|channel| channel.id.as_str()).collect();
    for (index, route) in alerting.routes.iter().enumerate() {
        let at = |key: &str| format!("/alerting/routes/{index}/{key}");
        if route.channels.is_empty() {
            found.add(at("channels"), "this route leads nowhere", "name at least one channel");
        }
        for (place, channel) in route.channels.iter().enumerate().filter(|(_, channel)| !ids.contains(&channel.as_str())) {
            found.add_drawn_from(
                ids_of("/alerting/channels", ids.len()),
                at(&format!("channels/{place}")),
                format!("there is no channel `{channel}`"),
                suggest(channel, ids.iter().copied(), &format!("use one of: {}", ids.join(", "))),
            );
        }
        if let Some(earlier) = alerting.routes.iter().take(index).position(|earlier| !earlier.r#continue && takes_all_of(earlier, route)) {
            let drawn_from =
                vec![format!("/alerting/routes/{earlier}/matchers"), format!("/alerting/routes/{earlier}/continue"), at("matchers")];
            let what = format!("this route is never reached: route {} takes all its alerts and does not `continue`", earlier + 1);
            found.add_drawn_from(drawn_from, format!("/alerting/routes/{index}"), what, "move it up, or set `continue: true` there");
        }
        grouping(alerting, route, &format!("/alerting/routes/{index}"), found);
    }
}

/// Timings belong to groups, and groups to labels that alerts have.
fn grouping(alerting: &Alerting, route: &Route, at: &str, found: &mut Findings) {
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
        if route.group_by.is_empty() {
            let fix = "name the labels of a group: `group_by: [rule]`, or `[...]` for every label";
            found.add_drawn_from(vec![format!("{at}/group_by")], place, format!("`{key}` does nothing without `group_by`"), fix);
        } else {
            found.duration(place, value_ms, &range);
        }
    }
}

/// Ids become parts of addresses, and a component is found by a whole label.
fn statuspage(page: &str, components: &BTreeMap<String, String>, at: &str, found: &mut Findings) {
    let is_id = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_id(page) {
        found.add(
            format!("{at}/page"),
            format!("`{page}` is not a page's id"),
            "copy it from the page's address: manage.statuspage.io/pages/ID",
        );
    }
    for (label, id) in components {
        // The whole map: a label may hold the `/` that separates places.
        let at = format!("{at}/components");
        if !is_id(id) {
            found.add(at, format!("`{id}` is not a component's id"), "copy it from the component's settings, under `API info`");
        } else if !label.contains('=') {
            found.add(at, format!("`{label}` is not a label"), "write name and value: `team=ops`");
        }
    }
}

/// A channel, a private one or a conversation: names can change, and Slack does not take them for updates.
fn is_slack_channel(id: &str) -> bool {
    id.len() >= 9 && id.starts_with(['C', 'G', 'D']) && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// What stands at `at` must be the name of a binding, such as `example`, and not the secret itself.
fn binding(name: &str, at: String, example: &str, found: &mut Findings) {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let kind =
        if name.contains("://") { Some("address") } else { ["whsec_", "xox"].iter().any(|start| name.starts_with(start)).then_some("key") };
    if let Some(kind) = kind {
        let fix = format!("write the NAME of the binding, such as `{example}`, and revoke this {kind}: it is in a file now");
        found.add(at, format!("{} {kind} stands here, and it is a secret", if kind == "key" { "a" } else { "an" }), fix);
    } else if name.is_empty() || !name.chars().all(fits) {
        found.add(at, format!("`{name}` is not a binding's name"), format!("use capitals, digits and `_`: `{example}`"));
    }
}

/// Whether every alert that `later` matches matches `earlier` too.
fn takes_all_of(earlier: &Route, later: &Route) -> bool {
    earlier.matchers.iter().all(|(label, value)| later.matchers.get(label) == Some(value))
}

/// The list and each entry's id: what a verdict "there is none of that id" rests on.
pub(super) fn ids_of(list: &str, len: usize) -> Vec<String> {
    std::iter::once(list.to_owned()).chain((0..len).map(|index| format!("{list}/{index}/id"))).collect()
}

pub(super) fn rules(config: &Config, found: &mut Findings) {
    let alerting = &config.alerting;
    found.unique("/alerting/rules", "/id", alerting.rules.iter().map(|rule| rule.id.as_str()));
    for (index, rule) in alerting.rules.iter().enumerate() {
        let at = |key: &str| format!("/alerting/rules/{index}/{key}");
        found.id(at("id"), &rule.id);
        for (key, text) in [("name", &rule.name), ("summary", &rule.summary), ("owner", &rule.owner)] {
            found.filled(at(key), text);
        }
        if !["/", "https://", "http://"].iter().any(|start| rule.runbook.starts_with(start)) {
            found.add(at("runbook"), format!("`{}` is not a link", rule.runbook), "write an https address, or a path that starts with `/`");
        }
        found.duration(at("for_ms"), rule.for_ms, &super::HOLD_MS);
        found.duration(at("keep_firing_for_ms"), rule.keep_firing_for_ms, &super::HOLD_MS);
        found.duration(at("interval_ms"), rule.interval_ms, &super::INTERVAL_MS);
        if rule.when.learns() && !super::LEARNING_INTERVAL_MS.contains(&rule.interval_ms) {
            let what = "a rule that learns reads eight weeks of hours each time it is evaluated";
            found.add_drawn_from(
                vec![at("when")],
                at("interval_ms"),
                what,
                "set `interval: 10m`: an hour is judged ten minutes after its end",
            );
        }
        if rule.when.learns() && config.infrastructure.retention.hour_days < super::LEARNT_DAYS {
            let what = format!("a rule that learns needs {} days of hours, and `{}` is one", super::LEARNT_DAYS, rule.id);
            found.add("/infrastructure/retention/hour_days", what, format!("keep them for {} days or more", super::LEARNT_DAYS));
        }
        for label in rule.labels.keys().filter(|label| GIVEN_LABELS.contains(&label.as_str())) {
            found.add(at(&format!("labels/{label}")), format!("`{label}` is given to every alert by Parapet"), "choose another label");
        }
        condition::condition(config, &rule.when, &at("when"), found);
        texts::texts(rule, &format!("/alerting/rules/{index}"), found);
        condition::instances(rule, &format!("/alerting/rules/{index}"), found);
        reaches_somebody(alerting, rule, index, found);
    }
}

fn reaches_somebody(alerting: &Alerting, rule: &Rule, index: usize, found: &mut Findings) {
    let label = |name: &str| match name {
        "severity" => Some(rule.severity.as_str()),
        "rule" => Some(rule.id.as_str()),
        other => rule.labels.get(other).map(String::as_str),
    };
    if alerting.routes.iter().any(|route| route.matchers.iter().all(|(name, value)| label(name) == Some(value))) {
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
