//! `parapet backtest`: what rules would have done on stored history, by the evaluator and state machine that decide live.
//!
//! The way of a row: `rows` (a file, one row at a time) → `side` (a configuration's ticks) → here (what is printed). With
//! `--against` two configurations go through the same rows at once, and what differs is printed. Assumed, and printed with the result:
//! a tick every minute, Collectors that answer, fresh states at the beginning, channels that deliver.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::rows::{BadRows, Row};
use self::side::{Episode, Side};
use super::{ERROR, Exit, Format, validate};
use crate::alert::evaluate::zone;
use crate::alert::history::History;
use crate::config::Config;
use crate::config::site::Environment;
use crate::storage::series::export_sql;
use crate::telemetry::series::name::{TICK_AGE, TICKS};
use crate::time::{DAY_MS, MINUTE_MS, UnixMs, Window, human_span};
use chrono::{NaiveDate, NaiveTime, TimeZone as _};

mod rows;
mod side;

/// Arguments of `backtest`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of minute rows, or folders of them; without any, the commands that write them are printed
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The first tick: 2026-03-01 (midnight at the site) or 2026-03-01T08:00:00+02:00
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The last tick
    #[arg(long, value_name = "TIME")]
    to: String,
    /// The folder with the rules [default: monitoring]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// A folder to compare with: the rules as they are
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The environment whose configuration is meant
    #[arg(long, default_value = "production", value_parser = environment)]
    env: Environment,
    /// How to print the result
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn environment(text: &str) -> Result<Environment, String> {
    Environment::from_str(text).ok_or_else(|| "use dev, staging or production".to_owned())
}

pub(super) fn run(args: &Args) -> Exit {
    let folder = super::folder(args.dir.clone());
    let loaded = load(&folder, args.env).and_then(|config| Ok((config, args.against.as_ref().map(|dir| load(dir, args.env)).transpose()?)));
    let (config, against) = match loaded {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let zone = zone(&config);
    let (Some(from), Some(to)) = (moment(&args.from, zone), moment(&args.to, zone)) else {
        anstream::eprintln!("{ERROR}: --from and --to are 2026-03-01 (midnight at the site) or 2026-03-01T08:00:00+02:00");
        return Exit::Usage;
    };
    let window = Window { from, to };
    if from >= to {
        anstream::eprintln!("{ERROR}: --to is not after --from");
        return Exit::Usage;
    }
    if args.files.is_empty() {
        anstream::eprintln!("{ERROR}: there is no history to go through. Write it by these, a file a day, and name the folder:");
        anstream::println!("{}", commands(&[Some(&config), against.as_ref()], window, args.env));
        return Exit::Usage;
    }
    let sides: Vec<Side<'_>> = [Some(&config), against.as_ref()].into_iter().flatten().map(|config| Side::new(config, window)).collect();
    let (sides, seen) = match through(&args.files, sides) {
        Ok(done) => done,
        Err(error) => {
            anstream::eprintln!("{ERROR}: {error}");
            return Exit::Unreadable;
        }
    };
    let result = Backtest { sides, window, zone, seen };
    match args.format {
        Format::Text => {
            anstream::print!("{}", result.text());
            anstream::eprintln!("{}", result.closing());
        }
        Format::Json => anstream::println!("{}", result.json()),
    }
    if result.differs() { Exit::Findings } else { Exit::Ok }
}

fn load(folder: &Path, environment: Environment) -> Result<Config, Exit> {
    let checked = validate::check(folder, &[environment]).map_err(|error| validate::unreadable(&error))?;
    let closing = validate::closing(&checked, folder);
    checked.valid.into_iter().next().map(|(_, config)| config).ok_or_else(|| {
        anstream::eprintln!("{closing}\n`parapet validate {}` says what is wrong.", folder.display());
        Exit::Findings
    })
}

fn moment(text: &str, zone: chrono_tz::Tz) -> Option<UnixMs> {
    let date = || text.parse::<NaiveDate>().ok().and_then(|date| zone.from_local_datetime(&date.and_time(NaiveTime::MIN)).earliest());
    let rfc3339 = chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
    rfc3339.or_else(|| date().map(|at| at.timestamp_millis())).map(UnixMs)
}

/// Commands that export what `configs` look at for `window`, one for each day in UTC.
fn commands(configs: &[Option<&Config>], window: Window, environment: Environment) -> String {
    let rules = || configs.iter().flatten().flat_map(|config| &config.alerting.rules);
    let names: std::collections::BTreeSet<&str> =
        rules().flat_map(|rule| rule.when.selectors()).map(|selector| selector.series.as_str()).collect();
    let mut names: Vec<&str> = names.into_iter().filter(|name| *name != TICK_AGE).collect();
    let learns = rules().any(|rule| rule.when.learns());
    // What learns has to know in which hours there was somebody to count.
    names.extend(Some(TICKS).filter(|ticks| learns && !names.contains(ticks)));
    let histories = || configs.iter().flatten().map(|config| History::of(&config.alerting.rules));
    let reach_ms = histories().map(|history| history.reach_ms()).max().unwrap_or_default();
    let minutes_from = window.from.plus(-histories().map(|history| history.minutes_reach_ms()).max().unwrap_or_default()).floor(DAY_MS);
    let of = match environment {
        Environment::Dev => "--local",
        Environment::Staging => "--remote --env staging",
        Environment::Production => "--remote",
    };
    let mut lines = vec!["mkdir -p history".to_owned()];
    let mut day = window.from.plus(-reach_ms).floor(DAY_MS);
    if day < minutes_from {
        // Minutes are kept for a week; what is learnt from is older, and looked at by the hour.
        let of_those = rules().filter(|rule| rule.when.learns()).flat_map(|rule| rule.when.selectors());
        let hourly: std::collections::BTreeSet<&str> = of_those.map(|selector| selector.series.as_str()).chain([TICKS]).collect();
        let sql = export_sql("hour", &hourly.into_iter().collect::<Vec<_>>(), Window { from: day, to: minutes_from });
        lines.push(format!("npx wrangler d1 execute DB {of} --json --command \"{sql}\" > history/{}-hours.json", day.utc().date_naive()));
        day = minutes_from;
    }
    while day < window.to {
        let sql = export_sql("minute", &names, Window { from: day, to: day.plus(DAY_MS) });
        lines.push(format!("npx wrangler d1 execute DB {of} --json --command \"{sql}\" > history/{}.json", day.utc().date_naive()));
        day = day.plus(DAY_MS);
    }
    lines.join("\n")
}

/// What the files held.
#[derive(Debug, Default)]
struct Seen {
    rows: u64,
    first: Option<UnixMs>,
    last: Option<UnixMs>,
}

fn through<'a>(files: &[PathBuf], mut sides: Vec<Side<'a>>) -> Result<(Vec<Side<'a>>, Seen), BadRows> {
    let mut seen = Seen::default();
    for file in rows::files(files)? {
        rows::read(&file, &mut |(t, key, cell): Row| {
            if seen.last.is_some_and(|last| t < last) {
                return Err(format!(
                    "the minute {} comes after a later one: rows are read in order of time (ORDER BY m.t, files by name)",
                    t.rfc3339()
                ));
            }
            seen.rows += 1;
            seen.first = seen.first.or(Some(t));
            seen.last = Some(t);
            for side in &mut sides {
                side.take(t, &key, &cell);
            }
            Ok(())
        })?;
    }
    sides.iter_mut().for_each(Side::finish);
    Ok((sides, seen))
}

/// A finished backtest; the first side is the one asked for, the second what it is compared with.
#[derive(Debug)]
struct Backtest<'a> {
    sides: Vec<Side<'a>>,
    window: Window,
    zone: chrono_tz::Tz,
    seen: Seen,
}

/// What became of an episode under the other configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It fires only with the rules asked for.
    New,
    /// It fired only with those compared with.
    Gone,
    /// It fires with both, at another time or with other messages; before.
    Was,
    /// The same, now.
    Is,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Was => "was",
            Self::Is => "is",
        }
    }
}

impl Backtest<'_> {
    fn episodes(&self) -> &[Episode] {
        self.sides.first().map(|side| side.episodes.as_slice()).unwrap_or_default()
    }

    fn against(&self) -> Option<&[Episode]> {
        self.sides.get(1).map(|side| side.episodes.as_slice())
    }

    fn differs(&self) -> bool {
        self.against().is_some() && !self.changes().is_empty()
    }

    /// What differs, by rule and time. Episodes of one alert that overlap are the same one.
    fn changes(&self) -> Vec<(Change, &Episode)> {
        let (now, before) = (self.episodes(), self.against().unwrap_or_default());
        let overlap =
            |a: &Episode, b: &Episode| a.alert == b.alert && a.fired_at <= b.until(self.window.to) && b.fired_at <= a.until(self.window.to);
        let mut groups: Vec<Vec<(Change, &Episode)>> = Vec::new();
        for episode in now {
            match before.iter().find(|other| overlap(episode, other)) {
                None => groups.push(vec![(Change::New, episode)]),
                Some(other) if other == episode => {}
                Some(other) => groups.push(vec![(Change::Was, other), (Change::Is, episode)]),
            }
        }
        let gone = before.iter().filter(|episode| !now.iter().any(|other| overlap(other, episode)));
        groups.extend(gone.map(|episode| vec![(Change::Gone, episode)]));
        groups.sort_by_key(|group| group.first().map(|(_, episode)| (episode.rule.as_str(), episode.fired_at)));
        groups.into_iter().flatten().collect()
    }

    fn row(&self, sign: &str, episode: &Episode) -> Vec<String> {
        let fired = episode.fired_at.utc().with_timezone(&self.zone).format("%Y-%m-%d %H:%M").to_string();
        let lasted = human_span(episode.until(self.window.to).since(episode.fired_at));
        let lasted = if episode.resolved_at.is_none() { format!("{lasted}, fires on") } else { lasted };
        let messages = match (&episode.quiet, episode.messages) {
            (None, messages) => messages.to_string(),
            (Some(why), 0) => format!("0, {why}"),
            (Some(why), messages) => format!("{messages}, late: {why}"),
        };
        vec![sign.to_owned(), fired, lasted, episode.peak.clone(), messages, episode.called()]
    }

    fn text(&self) -> String {
        let header = ["", "FIRED", "FOR", "PEAK", "MESSAGES", "ALERT"].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = if self.against().is_some() {
            self.changes().into_iter().map(|(change, episode)| self.row(change.as_str(), episode)).collect()
        } else {
            self.episodes().iter().map(|episode| self.row("", episode)).collect()
        };
        let mut text = if rows.is_empty() { String::new() } else { table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()) };
        let rules = self.by_rule();
        if !rules.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&table(&rules));
        }
        text
    }

    /// Each rule that fired: how often, for how long in all, with how many messages; both sides where there are two.
    fn by_rule(&self) -> Vec<Vec<String>> {
        let sum = |episodes: &[Episode], rule: &str| {
            let of_rule = || episodes.iter().filter(|episode| episode.rule == rule);
            let ms: i64 = of_rule().map(|episode| episode.until(self.window.to).since(episode.fired_at)).sum();
            let messages: usize = of_rule().map(|episode| episode.messages).sum();
            [of_rule().count().to_string(), human_span(ms), messages.to_string()]
        };
        let mut rules: Vec<&str> = self.sides.iter().flat_map(|side| &side.episodes).map(|episode| episode.rule.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        if rules.is_empty() {
            return Vec::new();
        }
        let titles = ["TIMES", "FOR", "MESSAGES"];
        let with = |prefix: &str| titles.map(|title| format!("{prefix}{title}"));
        let head = std::iter::once("RULE".to_owned());
        let mut table = vec![match self.against() {
            Some(_) => head.chain(with("WAS ")).chain(with("IS ")).collect(),
            None => head.chain(with("")).collect(),
        }];
        for rule in rules {
            let before = self.against().map(|episodes| sum(episodes, rule)).into_iter().flatten();
            table.push(std::iter::once(rule.to_owned()).chain(before).chain(sum(self.episodes(), rule)).collect());
        }
        table
    }

    fn closing(&self) -> String {
        let count = |episodes: &[Episode]| {
            let messages: usize = episodes.iter().map(|episode| episode.messages).sum();
            let plural = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
            format!("{}, {}", plural(episodes.len(), "alert"), plural(messages, "message"))
        };
        let ticks = self.window.length_ms() / MINUTE_MS + 1;
        let mut said = match self.against() {
            None => format!("{} in {ticks} ticks over {} rows.", count(self.episodes()), self.seen.rows),
            Some(before) if self.differs() => {
                format!("{} instead of {} in {ticks} ticks over {} rows.", count(self.episodes()), count(before), self.seen.rows)
            }
            Some(_) => format!("No difference: {} in {ticks} ticks over {} rows.", count(self.episodes()), self.seen.rows),
        };
        for doubt in self.doubts() {
            said.push('\n');
            said.push_str(&doubt);
        }
        said
    }

    /// What the result does not know.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let reach_ms = self.sides.iter().map(Side::reach_ms).max().unwrap_or_default();
        match (self.seen.first, self.seen.last) {
            (Some(first), Some(last)) => {
                if first > self.window.from.plus(-reach_ms).plus(MINUTE_MS) {
                    let reach = human_span(reach_ms);
                    doubts.push(format!("History begins {}: rules look back up to {reach}, and see less at first.", first.rfc3339()));
                }
                if last < self.window.to.plus(-2 * MINUTE_MS) {
                    doubts.push(format!("History ends {}: after that nothing was measured.", last.rfc3339()));
                }
            }
            _ => doubts.push("The files hold no row: nothing was measured.".to_owned()),
        }
        doubts
    }

    fn json(&self) -> serde_json::Value {
        let episode = |episode: &Episode| {
            serde_json::json!({
                "rule": episode.rule, "labels": episode.labels, "alert": episode.alert,
                "fired_at": episode.fired_at.rfc3339(), "resolved_at": episode.resolved_at.map(UnixMs::rfc3339),
                "peak": episode.peak, "messages": episode.messages, "quiet": episode.quiet,
            })
        };
        let list = |episodes: &[Episode]| episodes.iter().map(episode).collect::<Vec<_>>();
        let changes = self.against().map(|_| {
            let changes = self.changes();
            changes.iter().map(|(change, of)| serde_json::json!({ "change": change.as_str(), "episode": episode(of) })).collect::<Vec<_>>()
        });
        serde_json::json!({
            "schema": 1, "from": self.window.from.rfc3339(), "to": self.window.to.rfc3339(), "rows": self.seen.rows,
            "episodes": list(self.episodes()), "against": self.against().map(list), "changes": changes, "doubts": self.doubts(),
        })
    }
}

/// Rows with their columns lined up; an empty first column takes no room.
fn table(rows: &[Vec<String>]) -> String {
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for (column, text) in rows.iter().flat_map(|row| row.iter().enumerate()) {
        let width = widths.entry(column).or_default();
        *width = (*width).max(text.chars().count());
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(widths.values()).filter(|(_, width)| **width > 0).map(|(text, width)| format!("{text:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
