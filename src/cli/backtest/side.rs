//! One configuration on its way through history: a tick every minute, each on the minutes that were over by then.
//!
//! Memory: what the rules reach (`alert::history`), and one [`Episode`] for each time an alert fired, at most one for two
//! ticks and alert.

use crate::alert::history::History;
use crate::alert::incident::{AlertState, Phase};
use crate::alert::observe::{Coverage, Labels, SLICE_MS};
use crate::alert::rehearsal::{Rehearsal, Ticked, own_labels};
use crate::config::Config;
use crate::telemetry::cell::Cell;
use crate::telemetry::series::SeriesKey;
use crate::time::{DAY_MS, MINUTE_MS, UnixMs, Window};

/// One time an alert fired.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Episode {
    pub(super) alert: String,
    pub(super) rule: String,
    pub(super) labels: Labels,
    pub(super) fired_at: UnixMs,
    /// `None`: it still fired at the end.
    pub(super) resolved_at: Option<UnixMs>,
    /// The worst value, as people read it.
    pub(super) peak: String,
    /// Messages about it, to all channels.
    pub(super) messages: usize,
    /// What kept it quiet, if something did.
    pub(super) quiet: Option<String>,
}

impl Episode {
    /// Until when it fired, at most `end`.
    pub(super) fn until(&self, end: UnixMs) -> UnixMs {
        self.resolved_at.unwrap_or(end)
    }

    /// Rule and the labels that set it apart.
    pub(super) fn called(&self) -> String {
        let labels = self.labels.iter().map(|(name, value)| format!(" {name}={value}"));
        std::iter::once(self.rule.clone()).chain(labels).collect()
    }
}

/// A configuration under way.
#[derive(Debug)]
pub(super) struct Side<'a> {
    config: &'a Config,
    rehearsal: Rehearsal<'a>,
    history: History,
    next: UnixMs,
    to: UnixMs,
    /// Whether a row came yet.
    begun: bool,
    /// What fired so far, in the order it began.
    pub(super) episodes: Vec<Episode>,
}

impl<'a> Side<'a> {
    /// One that ticks at every minute of `window`, its end included.
    pub(super) fn new(config: &'a Config, window: Window) -> Self {
        let next = window.from.plus(MINUTE_MS - 1).floor(MINUTE_MS);
        let history = History::of(&config.alerting.rules);
        Self { config, rehearsal: Rehearsal::new(config), history, next, to: window.to, begun: false, episodes: Vec::new() }
    }

    /// How far before its first tick it looks, in milliseconds.
    pub(super) fn reach_ms(&self) -> i64 {
        self.history.reach_ms()
    }

    /// Takes in one row; a row of a later minute says that the minutes before it are whole, so their ticks run first.
    pub(super) fn take(&mut self, minute: UnixMs, key: &SeriesKey, cell: &Cell) {
        // Rows come in order of time, so the first says since when the site was watched.
        if !self.begun {
            self.begun = true;
            self.rehearsal.watching_since(minute);
        }
        // What is older than any rule looks at its first tick would only take room.
        if self.next.since(minute) > self.reach_ms() + DAY_MS || minute >= self.to {
            return;
        }
        self.run_until(minute);
        // Where in its minute it was is not known; at its end every window that ends there sees it.
        self.history.take(minute.floor(MINUTE_MS).plus(MINUTE_MS - SLICE_MS), key, cell);
    }

    /// Runs the ticks that are left.
    pub(super) fn finish(&mut self) {
        self.run_until(self.to);
    }

    fn run_until(&mut self, last: UnixMs) {
        while self.next <= last.min(self.to) {
            let ticked = self.rehearsal.tick(self.next, &mut self.history, Coverage::Whole);
            self.note(ticked);
            self.next = self.next.plus(MINUTE_MS);
        }
    }

    fn note(&mut self, ticked: Ticked) {
        for state in &ticked.changed {
            let Some(fired_at) = state.fired_at else { continue };
            let peak = self.peak(state);
            let known = self.episodes.iter_mut().rev().find(|episode| episode.alert == state.subject.id && episode.fired_at == fired_at);
            let Some(episode) = known else {
                self.episodes.push(Episode {
                    alert: state.subject.id.clone(),
                    rule: state.subject.rule.clone(),
                    labels: own_labels(state, self.config),
                    fired_at,
                    resolved_at: None,
                    peak,
                    messages: 0,
                    quiet: quiet(state),
                });
                continue;
            };
            episode.peak = peak;
            episode.quiet = quiet(state).or(episode.quiet.take());
            episode.resolved_at = state.resolved_at.filter(|_| state.phase == Phase::Resolved);
        }
        for message in ticked.messages {
            let about = |episode: &&mut Episode| episode.alert == message.notification.alert;
            if let Some(episode) = self.episodes.iter_mut().rev().find(about) {
                episode.messages += 1;
            }
        }
    }

    fn peak(&self, state: &AlertState) -> String {
        match (state.peak, state.measured) {
            (Some(peak), Some(measured)) => measured.unit.text(peak, &self.config.site.currency),
            _ => "no data".to_owned(),
        }
    }
}

fn quiet(state: &AlertState) -> Option<String> {
    state.withheld.as_ref().map(|why| format!("{} {}", why.by.as_str(), why.id))
}

#[cfg(test)]
mod tests;
