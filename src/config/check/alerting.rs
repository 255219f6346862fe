//! Checks of channels and rules: everything refers to something.

use super::{Findings, condition, routes, texts};
use crate::config::Config;
use crate::config::alerting::{Alerting, Via};
use crate::sorted::Map;

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
    routes::routes(alerting, &ids, found);
}

/// Ids become parts of addresses, and a component is found by a whole label.
fn statuspage(page: &str, components: &Map<String, String>, at: &str, found: &mut Findings) {
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
        routes::reaches_somebody(alerting, rule, index, found);
    }
}
