//! The weekly report: when it is due, of which week, and its messages.
//!
//! It is of the Monday-to-Monday week before the moment it is due, on the clock of its zone, so a week with a change of the clock is an
//! hour shorter or longer. Invariants: a message's id is derived from the week's first day and the channel, so a late, doubled or
//! repeated call writes nothing twice; a report that could not be written within a day of its moment is not sent at all, since old news
//! is noise; a week that ended before the first tick is not reported, nor one without an alert that was watched only in part.

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone};

use super::notification::{MAX_SHOWN, Noisy, Notification, NotifyReason, Weekly, dashboard_url};
use super::shift::shifts;
use crate::channel::Addresses;
use crate::config::Config;
use crate::config::alerting::{Severity, WeeklyReport};
use crate::config::site::Site;
use crate::ids;
use crate::outbox::message::{NewMessage, Sendable};
use crate::ports::{Db, DbError};
use crate::storage::episodes::{self, RuleRow, Told};
use crate::storage::{alerts, deliveries, outbox};
use crate::time::{DAY_MS, UnixMs, Window};

/// A report that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The first day of its week, `2026-03-02`.
    pub monday: String,
    /// The week.
    pub week: Window,
}

/// Writes the messages of the report that is due at `now` and not written yet; how many those are.
pub async fn write_due(now: UnixMs, config: &Config, addresses: &Addresses, db: &impl Db) -> Result<usize, DbError> {
    let Some((report, due)) = config.alerting.report.as_ref().and_then(|report| Some((report, due(report, now)?))) else { return Ok(0) };

    // Once a minute for a day: look for what is written by its keys, before a week is read.
    let wanted: Vec<(&String, String)> = report.channels.iter().map(|channel| (channel, message_id(&due, channel))).collect();
    let ids: Vec<&str> = wanted.iter().map(|(_, id)| id.as_str()).collect();
    let mut found = db.batch(vec![deliveries::written(&ids), alerts::last_tick()]).await?.into_iter();
    let written = deliveries::ids(found.next().unwrap_or_default())?;
    let since = alerts::newest_tick(found.next().unwrap_or_default())?.map_or(now, |last| last.since);
    let missing: Vec<&(&String, String)> = wanted.iter().filter(|(_, id)| !written.contains(id)).collect();
    if missing.is_empty() || due.week.to <= since {
        return Ok(0);
    }

    let (rules, told) = episodes::reported(db.batch(episodes::report(due.week.from, due.week.to).into()).await?)?;
    if rules.is_empty() && due.week.from < since {
        return Ok(0);
    }
    let weekly = weekly(rules, &told, &due, config, &report.zone);
    let messages: Vec<NewMessage> = missing
        .into_iter()
        .map(|(channel, id)| NewMessage {
            channel: (*channel).clone(),
            seq: 0,
            notification: notification(id.clone(), &due, weekly.clone(), &config.site, now),
            sendable: Sendable::to(channel, addresses),
        })
        .collect();
    db.batch(outbox::insert_free(&messages, now)).await?;
    Ok(messages.len())
}

fn message_id(due: &Due, channel: &str) -> String {
    ids::derived(ids::prefix::MESSAGE, &["weekly", &due.monday, channel])
}

/// The report that is due at `now`: that of the newest moment it is sent at, for a day.
pub fn due(report: &WeeklyReport, now: UnixMs) -> Option<Due> {
    let zone = report.zone.parse().unwrap_or(chrono_tz::UTC);
    let minute = report.minute()?;
    let today = now.utc().with_timezone(&zone).date_naive();
    let since_day = (7 + today.weekday().num_days_from_monday() - report.day.from_monday()) % 7;
    let newest = back(today, since_day)?;
    // On the day itself the clock may not have come so far; then the one before is a week old.
    let at = on_clock(newest, minute, zone)?;
    if !(0..DAY_MS).contains(&now.since(at)) {
        return None;
    }
    let next_monday = back(newest, report.day.from_monday())?;
    let monday = back(next_monday, 7)?;
    let week = Window { from: on_clock(monday, 0, zone)?, to: on_clock(next_monday, 0, zone)? };
    Some(Due { monday: format!("{:04}-{:02}-{:02}", monday.year(), monday.month(), monday.day()), week })
}

fn back(date: NaiveDate, days: u32) -> Option<NaiveDate> {
    date.checked_sub_days(Days::new(u64::from(days)))
}

/// The first moment at which the clock shows `minute` of `date`; an hour later if it skips that.
fn on_clock(date: NaiveDate, minute: u32, zone: chrono_tz::Tz) -> Option<UnixMs> {
    let local = date.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::minutes(i64::from(minute)))?;
    let at = zone.from_local_datetime(&local).earliest();
    let at = at.or_else(|| zone.from_local_datetime(&local.checked_add_signed(TimeDelta::hours(1))?).earliest());
    Some(UnixMs(at?.timestamp_millis()))
}

fn weekly(rules: Vec<RuleRow>, told: &[Told], due: &Due, config: &Config, zone: &str) -> Weekly {
    let sum = |of: fn(&RuleRow) -> u64| rules.iter().map(of).sum();
    let (alerts, quiet, judged, true_alarms) =
        (sum(|row| row.alerts), sum(|row| row.quiet), sum(|row| row.judged), sum(|row| row.true_alarms));
    let Window { from, to } = due.week;
    let mut noisiest: Vec<Noisy> = rules.into_iter().filter(|row| row.alerts > 0).map(noisy).collect();
    let to_change = noisiest.iter().filter(|rule| rule.is_to_change()).cloned().collect();
    noisiest.truncate(MAX_SHOWN);
    let url = format!("{}/api/v1/reports/alerts?from={}&to={}", config.site.console_url, from.rfc3339(), to.rfc3339());
    let (zone, shifts) = (zone.to_owned(), shifts(told, &config.alerting.rotations));
    Weekly { from, to, zone, alerts, quiet, judged, true_alarms, noisiest, to_change, shifts, url }
}

#[expect(clippy::cast_possible_truncation, reason = "a span in milliseconds, far below 2^53")]
fn noisy(row: RuleRow) -> Noisy {
    Noisy {
        name: row.name,
        alerts: row.alerts,
        judged: row.judged,
        true_alarms: row.true_alarms,
        acknowledge_ms: row.acknowledge_ms.map(|ms| ms as i64),
        resolve_ms: row.resolve_ms.map(|ms| ms as i64),
    }
}

fn notification(id: String, due: &Due, weekly: Weekly, site: &Site, now: UnixMs) -> Notification {
    Notification {
        name: weekly.headline(),
        summary: weekly.advice().unwrap_or_default(),
        since: due.week.from,
        dashboard: dashboard_url(site, due.week.from, due.week.to),
        report: Some(Box::new(weekly)),
        ..Notification::plain(id, &format!("rep_{}", due.monday), NotifyReason::Report, Severity::Info, now, site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::alerting::Weekday;

    fn at(text: &str) -> UnixMs {
        UnixMs::from_rfc3339(text).unwrap()
    }

    fn report(day: Weekday, at: &str, zone: &str) -> WeeklyReport {
        WeeklyReport { day, at: at.into(), zone: zone.into(), channels: vec!["email".into()] }
    }

    #[test]
    fn it_is_due_for_a_day_from_its_moment_and_of_the_week_that_ended_on_monday() {
        let johannesburg = || report(Weekday::Mon, "08:00", "Africa/Johannesburg");
        for (report, now, expected) in [
            (johannesburg(), "2026-03-02T05:59:59.999Z", None),
            (johannesburg(), "2026-03-02T06:00:00Z", Some(("2026-02-23", "2026-02-22T22:00:00.000Z", "2026-03-01T22:00:00.000Z"))),
            (johannesburg(), "2026-03-03T05:59:59.999Z", Some(("2026-02-23", "2026-02-22T22:00:00.000Z", "2026-03-01T22:00:00.000Z"))),
            (johannesburg(), "2026-03-03T06:00:00Z", None),
            (johannesburg(), "2026-03-08T12:00:00Z", None),
            // A Sunday's is of the week before, not of the one that is not over.
            (
                report(Weekday::Sun, "23:30", "UTC"),
                "2026-03-08T23:45:00Z",
                Some(("2026-02-23", "2026-02-23T00:00:00.000Z", "2026-03-02T00:00:00.000Z")),
            ),
            (
                report(Weekday::Sun, "23:30", "UTC"),
                "2026-03-09T23:29:00Z",
                Some(("2026-02-23", "2026-02-23T00:00:00.000Z", "2026-03-02T00:00:00.000Z")),
            ),
            // Berlin's clocks go forward on 29 March and back on 25 October.
            (
                report(Weekday::Mon, "08:00", "Europe/Berlin"),
                "2026-03-30T06:00:00Z",
                Some(("2026-03-23", "2026-03-22T23:00:00.000Z", "2026-03-29T22:00:00.000Z")),
            ),
            (
                report(Weekday::Mon, "08:00", "Europe/Berlin"),
                "2026-10-26T07:00:00Z",
                Some(("2026-10-19", "2026-10-18T22:00:00.000Z", "2026-10-25T23:00:00.000Z")),
            ),
            // 02:30 is skipped there that day.
            (report(Weekday::Sun, "02:30", "Europe/Berlin"), "2026-03-29T01:29:00Z", None),
            (
                report(Weekday::Sun, "02:30", "Europe/Berlin"),
                "2026-03-29T01:30:00Z",
                Some(("2026-03-16", "2026-03-15T23:00:00.000Z", "2026-03-22T23:00:00.000Z")),
            ),
        ] {
            let found = due(&report, at(now));
            let found = found.map(|due| (due.monday, due.week.from.rfc3339(), due.week.to.rfc3339()));
            assert_eq!(
                found,
                expected.map(|(monday, from, to)| (monday.to_owned(), from.to_owned(), to.to_owned())),
                "{report:?} at {now}"
            );
        }
    }

    #[test]
    fn every_minute_of_a_year_is_of_at_most_one_report_and_every_week_has_one() {
        for zone in ["Africa/Johannesburg", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Pacific/Apia"] {
            let report = report(Weekday::Mon, "00:30", zone);
            let start = at("2026-01-05T12:00:00Z");
            let mut weeks: Vec<Due> = (0..364 * 24).filter_map(|hour| due(&report, start.plus(hour * 3_600_000))).collect();
            weeks.dedup();
            assert!((52..=53).contains(&weeks.len()), "{zone}: {}", weeks.len());
            for pair in weeks.windows(2) {
                assert_eq!(pair[0].week.to, pair[1].week.from, "{zone}");
            }
        }
    }
}
