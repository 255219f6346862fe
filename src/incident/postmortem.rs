//! The draft of a postmortem, Markdown: what Parapet knows filled in, what only people know left to write.
//!
//! Pure. Invariant: whatever people, rules and detections wrote stays text: it can neither become markup nor end a line. A draft holds
//! at most [`incidents::MAX_ROWS`] lines of the timeline; messages to several channels are one line, so a storm stays readable.

use chrono::Datelike as _;
use chrono_tz::Tz;

use super::Incident;
use crate::alert::contributors::Contributor;
use crate::alert::notification::Notification;
use crate::storage::incidents::{self, Line, Member};
use crate::time::{SECOND_MS, UnixMs, human_span};

/// What there is to write from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The incident.
    pub incident: Incident,
    /// The episodes in it, oldest first.
    pub members: Vec<Member>,
    /// The timeline.
    pub lines: Vec<Line>,
    /// The newest message of each alert.
    pub said: Vec<Notification>,
}

/// The draft, with times in `zone`.
pub fn render(facts: &Facts, zone: Tz) -> String {
    let Facts { incident, said, .. } = facts;
    let mut out = vec![
        format!("# Postmortem: {}\n\n", plain(&incident.title)),
        format!("Filled in from the records of `{}`; what stands in _italics_ is for people to write.\n", incident.id),
        "\n| | |\n| --- | --- |\n".to_owned(),
    ];
    out.extend(table(facts, zone).into_iter().map(|(name, text)| format!("| {name} | {text} |\n")));
    out.push("\n## Summary\n\n_What happened, why, and what ended it, in three sentences._\n\n## Impact\n\n".to_owned());
    out.extend(said.iter().map(impact));
    out.push(if said.is_empty() { String::new() } else { "\n".to_owned() });
    out.push("_Who noticed, how many people and bookings it touched, what it cost._\n\n## Detection and response\n\n".to_owned());
    out.extend(response(facts, zone).into_iter().map(|(name, text)| format!("- {name}: {text}\n")));
    out.push("\n## Contributors\n\n".to_owned());
    let before = out.len();
    for of in said {
        let one =
            |it: &Contributor| format!("- {} {}: {:.0} % of {}\n", plain(&it.label), plain(&it.value), it.share * 100.0, plain(&of.name));
        out.extend(of.contributors.iter().map(one));
    }
    if out.len() == before {
        out.push("No label value stands out.\n".to_owned());
    }
    out.push("\n_What made it possible, what set it off, what made it worse._\n\n## Timeline\n".to_owned());
    out.extend(timeline(&facts.lines, zone));
    out.push("\n## What went well\n\n- \n\n## What went badly\n\n- \n".to_owned());
    out.push("\n## Action items\n\n| What | Who | Until when |\n| --- | --- | --- |\n|  |  |  |\n".to_owned());
    out.concat()
}

fn impact(said: &Notification) -> String {
    let place = said.place().map(|place| format!(" ({})", plain(&place))).unwrap_or_default();
    let worst = said.peak_text().zip(said.measured.as_ref()).map(|(peak, measured)| {
        let bound = measured.condition_text(&said.site.currency);
        format!(" At worst {peak} (it fires at {bound}).")
    });
    format!("- **{}**{place}: {}{}\n", plain(&said.name), plain(&said.summary), worst.unwrap_or_default())
}

fn moment(at: UnixMs, zone: Tz) -> String {
    format!("{} {} {}", at.date_in(zone), at.utc().with_timezone(&zone).year(), at.clock_in(zone))
}

fn table(facts: &Facts, zone: Tz) -> Vec<(&'static str, String)> {
    let incident = &facts.incident;
    let verdict = incident.verdict.map_or_else(|| "_not judged_".to_owned(), |verdict| verdict.as_str().replace('_', " "));
    let mut all = vec![
        ("Severity", incident.severity.as_str().to_owned()),
        ("Owner", plain(&incident.owner)),
        ("Verdict", verdict),
        ("Began", moment(began(facts), zone)),
    ];
    match incident.resolved_at {
        Some(at) => all.extend([("Ended", moment(at, zone)), ("Lasted", human_span(at.since(began(facts))))]),
        None => all.push(("Ended", "it goes on".to_owned())),
    }
    all
}

/// When the trouble began: before anything fired, if a message says so.
fn began(facts: &Facts) -> UnixMs {
    let begins = facts.said.iter().map(|notification| notification.since).chain(facts.members.iter().map(|member| member.episode));
    begins.chain([facts.incident.opened_at]).min().unwrap_or(facts.incident.opened_at)
}

fn response(facts: &Facts, zone: Tz) -> Vec<(&'static str, String)> {
    let began = began(facts);
    let first = |kinds: &[&str]| facts.lines.iter().find(|line| kinds.contains(&line.kind.as_str()));
    let after = |at: UnixMs| {
        let when = if at.date_in(zone) == began.date_in(zone) { at.clock_in(zone) } else { moment(at, zone) };
        let span = at.since(began);
        if span < SECOND_MS { format!("{when}, at once") } else { format!("{when}, after {}", human_span(span)) }
    };
    let or_nobody = |line: Option<&Line>, nobody: &str, who: fn(&Line) -> String| {
        line.map_or_else(|| nobody.to_owned(), |line| format!("{}{}", after(line.at), who(line)))
    };
    vec![
        (
            "Detected",
            or_nobody(first(&["fired", "detected"]), "by nobody", |line| match line.actor.as_str() {
                "" => format!(", by the alert {}", plain(&line.alert)),
                actor => format!(", by {}", plain(actor)),
            }),
        ),
        ("First message arrived", or_nobody(first(&["delivered"]), "none did", |line| format!(", by {}", plain(&line.channel)))),
        ("Acknowledged", or_nobody(first(&["acknowledged"]), "by nobody", |line| format!(", by {}", plain(&line.actor)))),
        ("Resolved", facts.incident.resolved_at.map_or_else(|| "not yet".to_owned(), after)),
    ]
}

fn timeline(lines: &[Line], zone: Tz) -> Vec<String> {
    let (mut out, mut day) = (Vec::new(), String::new());
    let mut rest = lines;
    while let Some((line, behind)) = rest.split_first() {
        // One line for the channels that had the same message at the same moment.
        let same = behind.iter().take_while(|next| (&next.kind, &next.text, &next.alert) == (&line.kind, &line.text, &line.alert));
        let same = if line.kind == "delivered" { same.count() } else { 0 };
        let (more, behind) = behind.split_at_checked(same).unwrap_or((&[], behind));
        rest = behind;
        let channels: Vec<&str> = [line].into_iter().chain(more).map(|line| line.channel.as_str()).collect();
        let Some(what) = sentence(line, &channels.join(", ")) else { continue };
        let date = line.at.date_in(zone);
        if date != day {
            out.push(format!("\n**{date}**\n\n"));
            day = date;
        }
        out.push(format!("- {} {what}\n", line.at.clock_in(zone)));
    }
    if lines.len() >= usize::try_from(incidents::MAX_ROWS).unwrap_or(usize::MAX) {
        out.push("- _It goes on; there were more lines than fit here._\n".to_owned());
    }
    out
}

/// What a line says; `None` for what another line says better.
fn sentence(line: &Line, channels: &str) -> Option<String> {
    let [alert, actor, text, channels] = [&line.alert, &line.actor, &line.text, channels].map(plain);
    let about = if alert.is_empty() { String::new() } else { format!(" about {alert}") };
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    Some(match line.kind.as_str() {
        "notified" => return None,
        "opened" => format!("The incident was opened{said}."),
        "fired" => format!("{alert} fired ({text})."),
        "ended" if actor.is_empty() => format!("{alert} ended."),
        "ended" => format!("{actor} resolved {alert}."),
        "delivered" => format!("{channels} heard{about}: {}.", reason(&text)),
        "undelivered" => format!("{channels} could not be told{about} ({text})."),
        "acknowledged" => format!("{actor} took {alert}{said}."),
        "escalated" => format!("{alert} was escalated {text}."),
        "withheld" => format!("{alert} was kept quiet by {text}."),
        "reopened" => format!("{alert} came back and opened it again."),
        "detected" => format!("{actor} reported{said}"),
        "note" => format!("{actor} noted{said}"),
        "owner" => format!("{actor} handed it to {text}."),
        "severity" => format!("{actor} made it {text}."),
        "status_update" => format!("{actor} told the public{said}"),
        "resolved" if actor.is_empty() => format!("It was resolved{said}."),
        "resolved" => format!("{actor} resolved it."),
        "verdict" => format!("{actor} judged {}: {}.", if alert.is_empty() { "it" } else { &alert }, text.replace("\\_", " ")),
        kind => format!("{kind}{about}{said}"),
    })
}

fn reason(reason: &str) -> &str {
    match reason {
        "first" => "it fires",
        "still_firing" => "it still fires",
        "acknowledged" => "somebody has it",
        "escalated" => "nobody has it yet",
        "resolved" => "it is over",
        "rule_removed" => "its rule was removed",
        "update" => "the update to the public",
        other => other,
    }
}

/// `text` as one line that is text.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '<' => out += "&lt;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
