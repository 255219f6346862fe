//! `/api/v1/reports/alerts`: how good the rules are and how much the people on call had to bear, over a stretch of time.
//!
//! Only alerts people were told of count; those that were kept quiet are counted apart. A rule's precision is the share of true
//! alarms among the alerts somebody judged: by resolving the alert or its incident with a verdict. Who was on call is what the
//! rotations say now of the moments alerts were told. Invariant: what nobody judged or took has no precision and no median, not 0.

use serde::Serialize;

use super::endpoint::parameters;
use super::problem::Problem;
use crate::alert::shift::{Shift, shifts};
use crate::channel::email::percent_decoded;
use crate::config::Config;
use crate::ports::Db;
use crate::storage::episodes::{self, MAX_EPISODES, RuleRow};
use crate::time::{DAY_MS, UnixMs};

/// The stretch, unless one is asked for: a week.
const USUAL_MS: i64 = 7 * DAY_MS;
/// The longest stretch: a quarter.
const MAX_MS: i64 = 92 * DAY_MS;

/// The answer to `GET /api/v1/reports/alerts`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// RFC 3339.
    pub from: String,
    /// RFC 3339; not within.
    pub to: String,
    /// Alerts people were told of.
    pub alerts: u64,
    /// Alerts they were not told of.
    pub quiet: u64,
    /// The noisiest first.
    pub rules: Vec<ShownRule>,
    /// Whoever was on call and was told of something.
    pub shifts: Vec<Shift>,
    /// Whether there were more alerts than the shifts were counted from.
    pub is_cut: bool,
}

/// A rule of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownRule {
    /// The rule.
    pub rule: String,
    /// What is wrong.
    pub name: String,
    /// Alerts people were told of.
    pub alerts: u64,
    /// Its share of all of them.
    pub share: Option<f64>,
    /// Alerts they were not told of.
    pub quiet: u64,
    /// Those somebody judged.
    pub judged: u64,
    /// Those that were true alarms.
    pub true_alarms: u64,
    /// The share of these.
    pub precision: Option<f64>,
    /// Those somebody took.
    pub acknowledged: u64,
    /// Median time from telling to taking, in seconds.
    pub acknowledge_s: Option<f64>,
    /// Median time from firing to the end, in seconds.
    pub resolve_s: Option<f64>,
}

/// `GET /api/v1/reports/alerts?from=&to=`: 200. A week without them.
pub async fn alerts<D: Db>(db: &D, query: &str, config: &Config, now: UnixMs) -> Result<Report, Problem> {
    let (from, to) = stretch(query, now)?;
    let found = db.batch(episodes::report(from, to).into()).await.map_err(Problem::no_database)?;
    let (rules, told) = episodes::reported(found).map_err(Problem::no_database)?;
    let alerts = rules.iter().map(|row| row.alerts).sum();
    Ok(Report {
        from: from.rfc3339(),
        to: to.rfc3339(),
        alerts,
        quiet: rules.iter().map(|row| row.quiet).sum(),
        shifts: shifts(&told, &config.alerting.rotations),
        is_cut: i64::try_from(told.len()).is_ok_and(|told| told >= MAX_EPISODES),
        rules: rules.into_iter().map(|row| shown(row, alerts)).collect(),
    })
}

fn stretch(query: &str, now: UnixMs) -> Result<(UnixMs, UnixMs), Problem> {
    let (mut from, mut to) = (None, now);
    for (key, value) in parameters(query) {
        let bad = |what: &str| Problem::bad_request("bad_query", format!("`{key}={value}`: {what}"));
        let moment = || UnixMs::from_rfc3339(&percent_decoded(value)).ok_or_else(|| bad("write a moment such as 2027-03-01T00:00:00Z."));
        match key {
            "from" => from = Some(moment()?),
            "to" => to = moment()?,
            _ => return Err(bad("a report takes from and to.")),
        }
    }
    let from = from.unwrap_or_else(|| to.plus(-USUAL_MS));
    if !(1..=MAX_MS).contains(&to.since(from)) {
        return Err(Problem::bad_request("bad_query", "A report is of at most 92 days, and `from` is before `to`."));
    }
    Ok((from, to))
}

#[expect(clippy::cast_precision_loss, reason = "counts of alerts are far below 2^53")]
fn part(some: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| some as f64 / of as f64)
}

fn shown(row: RuleRow, all: u64) -> ShownRule {
    let seconds = |ms: Option<f64>| ms.map(|ms| ms / 1_000.0);
    ShownRule {
        share: part(row.alerts, all),
        precision: part(row.true_alarms, row.judged),
        rule: row.rule,
        name: row.name,
        alerts: row.alerts,
        quiet: row.quiet,
        judged: row.judged,
        true_alarms: row.true_alarms,
        acknowledged: row.acknowledged,
        acknowledge_s: seconds(row.acknowledge_ms),
        resolve_s: seconds(row.resolve_ms),
    }
}
