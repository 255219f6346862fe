//! Receivers without their secret: what only who knows the deployment's secrets can say of a configuration.
//!
//! Only names are kept of what the file holds: no value is printed or remembered.

use crate::channel::Addresses;
use crate::config::Config;
use crate::config::check::{Problem, nearest};

/// The names of what is set.
#[derive(Debug)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Those of a file like `.dev.vars`, or of what `wrangler secret list` prints.
    pub(super) fn of(text: &str) -> Self {
        let listed = serde_json::from_str::<Vec<serde_json::Value>>(text);
        let named = |entry: &serde_json::Value| entry["name"].as_str().map(str::to_owned);
        Self(listed.map_or_else(|_| text.lines().filter_map(set).collect(), |list| list.iter().filter_map(named).collect()))
    }

    /// A problem for each secret that a channel cannot do without and that is not set.
    pub(super) fn missing(&self, config: &Config) -> Vec<Problem> {
        let alerting = &config.alerting;
        let mut problems = Vec::new();
        for (index, channel) in alerting.channels.iter().enumerate() {
            let mut told: Vec<String> = Vec::new();
            let lacking = |told: &[String]| {
                let is_set = |name: &str| self.0.iter().chain(told).any(|set| set == name).then(|| "set".to_owned());
                Addresses::resolve(alerting, is_set).missing(&channel.id).map(str::to_owned)
            };
            while let Some(secret) = lacking(&told).filter(|secret| !told.contains(secret)) {
                let via = serde_json::to_value(&channel.via).unwrap_or_default();
                let pointer = format!("/alerting/channels/{index}/via{}", place(&via, &secret).unwrap_or_default());
                let what = format!("the secret `{secret}` is not set: channel `{}` reaches nobody", channel.id);
                let set = || self.0.iter().map(String::as_str).filter(|set| alerting.channels.iter().all(|other| !names(other, set)));
                let fix = nearest(&secret, set()).map(|near| format!("did you mean `{near}`?"));
                let fix = fix.unwrap_or_else(|| format!("set it with `npx wrangler secret put {secret}`, or remove the channel"));
                problems.push(Problem::new(pointer, what, fix));
                told.push(secret);
            }
        }
        problems
    }
}

/// The name a line sets to something.
fn set(line: &str) -> Option<String> {
    let (name, value) = line.trim().trim_start_matches("export ").split_once('=')?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!name.starts_with('#') && !value.is_empty()).then(|| name.trim().to_owned())
}

/// Where in `via` its secret is named; of a kind of channel that names none, the kind.
fn place(via: &serde_json::Value, secret: &str) -> Option<String> {
    let (kind, fields) = via.as_object()?.iter().next()?;
    let field = fields.as_object().and_then(|fields| fields.iter().find(|(_, value)| *value == secret));
    Some(field.map_or_else(|| format!("/{kind}"), |(field, _)| format!("/{kind}/{field}")))
}

fn names(channel: &crate::config::alerting::Channel, secret: &str) -> bool {
    serde_json::to_value(&channel.via).is_ok_and(|via| place(&via, secret).is_some_and(|place| place.matches('/').count() > 1))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::FOLDER;
    use super::super::check_with;
    use super::*;
    use crate::config::read::{self, Paint};
    use crate::config::site::Environment;

    /// What is said of the shipped folder, or of it with another alerting file.
    fn printed(alerting: Option<&str>, secrets: &Secrets) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for source in read::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER)).unwrap() {
            let name = Path::new(&source.name).file_name().unwrap().to_owned();
            let text = alerting.filter(|_| name == "alerting-configuration.yaml").unwrap_or(&source.text);
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let checked = check_with(dir.path(), &[Environment::Production], |config| secrets.missing(config)).unwrap();
        let folder = format!("{}/", dir.path().display());
        checked.mistakes.iter().map(|mistake| mistake.text(Paint::Plain).replace(&folder, "monitoring/")).collect()
    }

    /// All that the shipped configuration needs.
    const ALL: [&str; 7] = [
        "SLACK_ALERTS_WEBHOOK",
        "SLACK_SECURITY_WEBHOOK",
        "SLACK_BUSINESS_WEBHOOK",
        "SLACK_WEBHOOK_URL",
        "EMAIL_WEBHOOK_URL",
        "ALERT_EMAIL_RECIPIENTS",
        "SENTRY_DSN",
    ];

    fn all() -> Secrets {
        Secrets(ALL.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn what_is_set_is_read_from_both_kinds_of_files_and_an_empty_value_sets_nothing() {
        let dev_vars =
            "# BOOTSTRAP_TOKEN=\"x\"\nSENTRY_DSN=\"https://key@host/1\"\nexport A=b\nSLACK_WEBHOOK_URL=\"\"\n\nHEARTBEAT_URL=''\n";
        assert_eq!(Secrets::of(dev_vars).0, ["SENTRY_DSN", "A"]);
        let listed = r#"[{"name": "SENTRY_DSN", "type": "secret_text"}, {"name": "A", "type": "secret_text"}]"#;
        assert_eq!(Secrets::of(listed).0, ["SENTRY_DSN", "A"]);
    }

    #[test]
    fn with_all_secrets_set_there_is_nothing_to_say_and_without_any_there_is_of_every_channel() {
        assert_eq!(printed(None, &all()), [""; 0]);
        let found = printed(None, &Secrets(Vec::new()));
        let told = |name: &str| found.iter().filter(|text| text.contains(&format!("the secret `{name}` is not set"))).count();
        assert!(ALL.iter().all(|name| told(name) >= 1), "{}", found.join("\n"));
    }

    #[test]
    fn every_mistake_of_a_newcomer_is_told_at_its_place_in_one_go() {
        // Wrong unit, unknown series, indentation, duplicate id, unreachable route, receiver without secret, silence without expiry.
        let found = printed(Some(include_str!("newcomer.yaml")), &all());
        assert_eq!(found.len(), 7, "{}", found.join("\n"));
        insta::assert_snapshot!(found.join("\n"));
    }
}
