//! Checks of the weekly report: it arrives, and calls nobody.

use super::alerting::ids_of;
use super::{Findings, suggest};
use crate::config::alerting::Alerting;

pub(super) fn weekly(alerting: &Alerting, found: &mut Findings) {
    let Some(report) = &alerting.report else { return };
    let at = "/alerting/report";
    if report.minute().is_none() {
        found.add(format!("{at}/at"), format!("`{}` is not a time of day", report.at), "write `HH:MM`: \"08:00\"");
    }
    found.zone(format!("{at}/zone"), &report.zone);
    if report.channels.is_empty() {
        found.add(format!("{at}/channels"), "nobody is sent it", "name a channel, or take `report` out");
    }
    for (place, name) in report.channels.iter().enumerate() {
        let (at, drawn_from) = (format!("{at}/channels/{place}"), ids_of("/alerting/channels", alerting.channels.len()));
        let fitting = || alerting.channels.iter().filter(|channel| channel.via.takes_reports()).map(|channel| channel.id.as_str());
        match alerting.channels.iter().find(|channel| channel.id == *name) {
            None => {
                let fix = suggest(name, fitting(), "use the id of a Slack or e-mail channel");
                found.add_drawn_from(drawn_from, at, format!("there is no channel `{name}`"), fix);
            }
            Some(channel) if !channel.via.takes_reports() => {
                let others: Vec<&str> = fitting().collect();
                let fix = format!("use Slack or e-mail: {}", others.join(", "));
                found.add(at, format!("`{name}` takes alerts, and a report is none"), fix);
            }
            Some(_) if report.channels.iter().take(place).any(|earlier| earlier == name) => {
                found.add(at, format!("`{name}` is named twice"), "name it once");
            }
            Some(_) => {}
        }
    }
}
