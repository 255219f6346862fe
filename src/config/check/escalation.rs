//! Checks of escalation policies and on-call rotations: a mistake here is nobody at the other end at night.

use super::alerting::ids_of;
use super::{Findings, quiet, suggest};
use crate::config::alerting::{Alerting, Escalation, Rotation, date, local_moment};

pub(super) fn escalations(alerting: &Alerting, found: &mut Findings) {
    found.unique("/alerting/escalations", "/id", alerting.escalations.iter().map(|policy| policy.id.as_str()));
    for (index, policy) in alerting.escalations.iter().enumerate() {
        let at = |key: &str| format!("/alerting/escalations/{index}/{key}");
        found.id(at("id"), &policy.id);
        if let Some(hours) = &policy.hours {
            quiet::hours((&hours.days, &hours.hours, &hours.zone), &at("hours"), found);
        }
        steps(alerting, policy, &at("steps"), found);
        if policy.repeat_ms != 0 {
            found.duration(at("repeat_ms"), policy.repeat_ms, &super::ESCALATE_REPEAT_MS);
        }
        let earlier = alerting.escalations.iter().take(index).find(|earlier| takes_all_of(earlier, policy));
        if let Some(earlier) = earlier {
            let fix = "move it up, or narrow the earlier one";
            found.add(
                format!("/alerting/escalations/{index}"),
                format!("it is never in force: `{}` takes everything before it", earlier.id),
                fix,
            );
        }
    }
}

fn takes_all_of(earlier: &Escalation, later: &Escalation) -> bool {
    earlier.hours.is_none() && earlier.matchers.iter().all(|(label, value)| later.matchers.get(label) == Some(value))
}

fn steps(alerting: &Alerting, policy: &Escalation, at: &str, found: &mut Findings) {
    if policy.steps.is_empty() {
        found.add(at, "nobody is told next", "add a step: `{ after: 15m, notify: [email] }`");
    }
    let mut before_ms = 0;
    for (index, step) in policy.steps.iter().enumerate() {
        found.duration(format!("{at}/{index}/after_ms"), step.after_ms, &super::ESCALATE_AFTER_MS);
        if step.after_ms < before_ms {
            found.add(
                format!("{at}/{index}/after_ms"),
                "it comes before the step above it",
                "`after` counts from the first message; let it grow",
            );
        }
        before_ms = step.after_ms;
        if step.notify.is_empty() {
            found.add(format!("{at}/{index}/notify"), "nobody is told", "name a channel or a rotation");
        }
        for (place, name) in step.notify.iter().enumerate() {
            let rotations = alerting.rotations.iter().map(|rotation| rotation.id.as_str());
            channel(alerting, name, rotations, format!("{at}/{index}/notify/{place}"), found);
        }
    }
}

fn channel<'a>(alerting: &'a Alerting, name: &str, also: impl Iterator<Item = &'a str>, at: String, found: &mut Findings) {
    let known: Vec<&str> = alerting.channels.iter().map(|channel| channel.id.as_str()).chain(also).collect();
    if !known.contains(&name) {
        let mut drawn_from = ids_of("/alerting/channels", alerting.channels.len());
        drawn_from.extend(ids_of("/alerting/rotations", alerting.rotations.len()));
        let fix = suggest(name, known, "use the id of a channel or a rotation");
        found.add_drawn_from(drawn_from, at, format!("there is no channel or rotation `{name}`"), fix);
    }
}

pub(super) fn rotations(alerting: &Alerting, found: &mut Findings) {
    found.unique("/alerting/rotations", "/id", alerting.rotations.iter().map(|rotation| rotation.id.as_str()));
    for (index, rotation) in alerting.rotations.iter().enumerate() {
        rotation_at(alerting, rotation, &format!("/alerting/rotations/{index}"), found);
    }
}

fn rotation_at(alerting: &Alerting, rotation: &Rotation, at: &str, found: &mut Findings) {
    let at = |key: &str| format!("{at}/{key}");
    found.id(at("id"), &rotation.id);
    if alerting.channels.iter().any(|channel| channel.id == rotation.id) {
        found.add(at("id"), format!("a channel is called `{}` too", rotation.id), "choose another name");
    }
    found.zone(at("zone"), &rotation.zone);
    if rotation.handover.minute().is_none() {
        found.add(at("handover/at"), format!("`{}` is not a time of day", rotation.handover.at), "write `HH:MM`: \"09:00\"");
    }
    if date(&rotation.starts).is_none() {
        found.add(at("starts"), format!("`{}` is not a date", rotation.starts), "write a day in the first shift: `2027-01-04`");
    }
    if rotation.members.is_empty() {
        found.add(at("members"), "nobody is on call", "name the channels that take turns");
    }
    let members = rotation.members.iter().enumerate().map(|(place, member)| (at(&format!("members/{place}")), member));
    let others = rotation.overrides.iter().enumerate().map(|(place, other)| (at(&format!("overrides/{place}/member")), &other.member));
    for (at, member) in members.chain(others) {
        channel(alerting, member, std::iter::empty(), at, found);
    }
    for (place, other) in rotation.overrides.iter().enumerate() {
        match (local_moment(&other.from), local_moment(&other.until)) {
            (Some(from), Some(until)) if from >= until => {
                found.add(at(&format!("overrides/{place}/until")), "it ends before it begins", "write a later moment");
            }
            (Some(_), Some(_)) => {}
            (from, _) => {
                let (key, text) = if from.is_none() { ("from", &other.from) } else { ("until", &other.until) };
                let fix = "write `YYYY-MM-DD HH:MM`, local: `2026-12-24 09:00`";
                found.add(at(&format!("overrides/{place}/{key}")), format!("`{text}` is not a moment"), fix);
            }
        }
    }
}
