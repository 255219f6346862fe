//! The weekly report as it is stored in a message, and its sentences.
//!
//! Only the five noisiest rules are shown: who reads a mail acts on one or two, and the link has the rest. A rule is named as one to
//! change when at least three of its alerts were judged and fewer than half were true alarms: of two, one false alarm is chance.
//! Invariant: what nobody judged or took is said in words, not as 0.

use serde::Serialize;

use super::Stamp;
use crate::alert::shift::Shift;
use crate::record::record;
use crate::time::{UnixMs, human_span};

/// Rules a report shows.
pub const MAX_SHOWN: usize = 5;
/// Rules it names as ones to change.
const MAX_NAMED: usize = 3;
/// The least judged alerts that say something of a rule.
const MIN_JUDGED: u64 = 3;

/// A week's alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weekly {
    /// Its Monday's midnight.
    pub from: UnixMs,
    /// The next Monday's.
    pub to: UnixMs,
    /// The zone of both.
    pub zone: String,
    /// Alerts people were told of.
    pub alerts: u64,
    /// Alerts they were not told of.
    pub quiet: u64,
    /// Told ones that somebody judged.
    pub judged: u64,
    /// Those of them that were true alarms.
    pub true_alarms: u64,
    /// The noisiest rules.
    pub noisiest: Vec<Noisy>,
    /// Rules that were wrong more often than right.
    pub to_change: Vec<Noisy>,
    /// Whoever was on call and was told of something.
    pub shifts: Vec<Shift>,
    /// Where all of it can be read.
    pub url: String,
}

record!(Weekly { from, to, zone, alerts, quiet, judged, true_alarms, noisiest, to_change, shifts, url, .. });

/// A rule people were told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Noisy {
    /// What is wrong.
    pub name: String,
    /// Alerts people were told of.
    pub alerts: u64,
    /// Those that somebody judged.
    pub judged: u64,
    /// Those of them that were true alarms.
    pub true_alarms: u64,
    /// Median time from telling to taking.
    pub acknowledge_ms: Option<i64>,
    /// Median time from firing to the end.
    pub resolve_ms: Option<i64>,
}

record!(Noisy { name, alerts, judged, true_alarms, acknowledge_ms, resolve_ms, .. });

impl Noisy {
    /// Whether it was wrong more often than right, as far as that can be said.
    pub fn is_to_change(&self) -> bool {
        self.judged >= MIN_JUDGED && self.true_alarms * 2 < self.judged
    }

    /// `1 of 4 (25 %)`.
    fn precision(&self) -> Option<String> {
        (self.judged > 0).then(|| format!("{} of {} ({})", self.true_alarms, self.judged, percent(self.true_alarms, self.judged)))
    }

    /// Count, share, precision and the two times, in the order of [`Weekly::HEAD`] and after the name; `–` for what is not known.
    pub fn cells(&self, all: u64) -> [String; 5] {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let [taken, over] = [self.acknowledge_ms, self.resolve_ms].map(|ms| or_none(ms.map(human_span)));
        [self.alerts.to_string(), percent(self.alerts, all), or_none(self.precision()), taken, over]
    }

    /// The same as a sentence.
    fn line(&self, all: u64) -> String {
        let precision = self.precision().map_or_else(|| "not judged".to_owned(), |precision| format!("true alarms {precision}"));
        let taken = self.acknowledge_ms.map_or_else(|| "never taken".to_owned(), |ms| format!("taken after {}", human_span(ms)));
        let over = self.resolve_ms.map_or_else(|| "none is over".to_owned(), |ms| format!("over after {}", human_span(ms)));
        format!("{}: {} ({}), {precision}, {taken}, {over}", self.name, count(self.alerts), percent(self.alerts, all))
    }
}

impl Weekly {
    /// The columns of the table of rules.
    pub const HEAD: [&'static str; 6] = ["Rule", "Alerts", "Share", "True alarms", "Taken after", "Over after"];

    /// `Alerts of last week: 14, 5 judged, 80 % true alarms`.
    pub fn headline(&self) -> String {
        let said = match (self.alerts, self.judged) {
            (0, _) => "none".to_owned(),
            (alerts, 0) => format!("{alerts}, none judged"),
            (alerts, judged) => format!("{alerts}, {judged} judged, {} true alarms", percent(self.true_alarms, judged)),
        };
        format!("Alerts of last week: {said}")
    }

    /// The week, where, and what people did not hear of.
    pub fn stretch(&self, site: &Stamp) -> String {
        let zone = self.zone.parse().unwrap_or(chrono_tz::UTC);
        // The last day is a Sunday: the end is no part of the week.
        let [first, last] = [self.from, self.to.plus(-1)].map(|at| at.date_in(zone));
        let alerts = if self.alerts == 0 { "no alerts".to_owned() } else { count(self.alerts) };
        let quiet = if self.quiet == 0 { String::new() } else { format!(" Kept quiet: {} more.", self.quiet) };
        format!("{} {}, {first} to {last}: {alerts}.{quiet}", site.name, site.environment)
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<String> {
        let named: Vec<String> = self
            .to_change
            .iter()
            .take(MAX_NAMED)
            .map(|rule| format!("{} (true alarms {} of {})", rule.name, rule.true_alarms, rule.judged))
            .collect();
        let more = self.to_change.len().saturating_sub(MAX_NAMED);
        match (self.alerts, self.judged) {
            (0, _) => None,
            _ if more > 0 => Some(format!("To change, wrong more often than right: {} and {more} more.", named.join(", "))),
            _ if !named.is_empty() => Some(format!("To change, wrong more often than right: {}.", named.join(", "))),
            (_, 0) => {
                Some("Nobody said which were true alarms: resolve alerts with a verdict, and this names the rules to change.".to_owned())
            }
            (alerts, judged) if judged * 2 < alerts => {
                Some(format!("No rule stands out, but only {judged} of {alerts} were judged: resolve alerts with a verdict."))
            }
            _ => Some("No rule was wrong more often than right.".to_owned()),
        }
    }

    /// A line for each of the noisiest rules.
    pub fn rule_lines(&self) -> Vec<String> {
        self.noisiest.iter().map(|rule| rule.line(self.alerts)).collect()
    }

    /// A line for each person who was on call.
    pub fn shift_lines(&self) -> Vec<String> {
        let line = |shift: &Shift| {
            let critical = if shift.critical == 0 { String::new() } else { format!(", {} critical", shift.critical) };
            format!("{} ({}): {}{critical}", shift.on_call, shift.rotation, count(shift.alerts))
        };
        self.shifts.iter().map(line).collect()
    }
}

fn count(alerts: u64) -> String {
    if alerts == 1 { "1 alert".to_owned() } else { format!("{alerts} alerts") }
}

fn percent(some: u64, of: u64) -> String {
    format!("{}\u{a0}%", (some * 200 + of).checked_div(of * 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, alerts: u64, judged: u64, true_alarms: u64) -> Noisy {
        Noisy { name: name.to_owned(), alerts, judged, true_alarms, acknowledge_ms: None, resolve_ms: None }
    }

    fn week(rules: &[Noisy]) -> Weekly {
        let sum = |of: fn(&Noisy) -> u64| rules.iter().map(of).sum();
        Weekly {
            from: UnixMs(1_771_797_600_000),
            to: UnixMs(1_772_402_400_000),
            zone: "Africa/Johannesburg".into(),
            alerts: sum(|rule| rule.alerts),
            quiet: 0,
            judged: sum(|rule| rule.judged),
            true_alarms: sum(|rule| rule.true_alarms),
            noisiest: rules.to_vec(),
            to_change: rules.iter().filter(|rule| rule.is_to_change()).cloned().collect(),
            shifts: Vec::new(),
            url: String::new(),
        }
    }

    #[test]
    fn the_headline_and_the_advice_follow_from_what_was_judged() {
        for (rules, headline, advice) in [
            (vec![], "none", None),
            (vec![rule("a", 4, 0, 0)], "4, none judged", Some("Nobody said which")),
            (vec![rule("a", 14, 5, 4)], "14, 5 judged, 80 % true alarms", Some("No rule stands out, but only 5 of 14")),
            (vec![rule("a", 5, 5, 3)], "5, 5 judged, 60 % true alarms", Some("No rule was wrong")),
            // Half is not fewer than half, and two are too few to say.
            (vec![rule("a", 4, 4, 2), rule("b", 2, 2, 0)], "6, 6 judged, 33 % true alarms", Some("No rule was wrong")),
            (
                vec![rule("a", 4, 4, 1), rule("b", 3, 3, 3), rule("c", 3, 3, 1)],
                "10, 10 judged, 50 % true alarms",
                Some("To change, wrong more often than right: a (true alarms 1 of 4), c (true alarms 1 of 3)."),
            ),
            (
                vec![rule("a", 9, 3, 0), rule("b", 3, 3, 0), rule("c", 3, 3, 0), rule("d", 3, 3, 0)],
                "18, 12 judged, 0 % true alarms",
                Some(
                    "To change, wrong more often than right: a (true alarms 0 of 3), b (true alarms 0 of 3), c (true alarms 0 of 3) and 1 more.",
                ),
            ),
        ] {
            let week = week(&rules);
            assert_eq!(week.headline().replace('\u{a0}', " "), format!("Alerts of last week: {headline}"));
            let said = week.advice();
            assert!(advice.map_or(said.is_none(), |advice| said.as_ref().is_some_and(|said| said.starts_with(advice))), "{said:?}");
        }
    }

    #[test]
    fn what_nobody_judged_or_took_is_no_number() {
        let week = week(&[rule("Pages are slow", 1, 0, 0)]);
        assert_eq!(week.rule_lines(), ["Pages are slow: 1 alert (100\u{a0}%), not judged, never taken, none is over"]);
        assert_eq!(week.noisiest[0].cells(3), ["1", "33\u{a0}%", "–", "–", "–"]);
    }

    #[test]
    fn it_reads_what_it_stores() {
        let week = week(&[rule("a", 4, 4, 1)]);
        let stored = serde_json::to_vec(&week).unwrap();
        assert_eq!(crate::record::read::<Weekly>(&stored).unwrap(), week);
    }
}
