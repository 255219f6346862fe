//! A file of rule tests as values that can be run: names resolved, samples read, and every mistake with its place.

use super::notation::{self, Unread};
use crate::alert::incident::Phase;
use crate::alert::notification::NotifyReason;
use crate::alert::observe::{Labels, SLICE_MS};
use crate::config::Config;
use crate::config::alerting::Selector;
use crate::config::check;
use crate::config::read::rule_tests::Document;
use crate::config::read::{Diagnostic, Source};
use crate::config::site::Environment;
use crate::record::{FromJson, record};
use crate::telemetry::series::{Kind, SeriesKey, name};
use crate::time::{MINUTE_MS, UnixMs, Window};

/// One test.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) rules: Vec<String>,
    pub(super) start: UnixMs,
    pub(super) interval_ms: i64,
    pub(super) before_ms: i64,
    pub(super) series: Vec<Series>,
    pub(super) downtime: Vec<Window>,
    pub(super) blind: Vec<Window>,
    pub(super) expect: Vec<Expectation>,
}

/// What one series holds, interval by interval.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) key: SeriesKey,
    pub(super) samples: Vec<Option<f64>>,
    pub(super) count: u32,
}

/// What is expected at one moment; `None` is not looked at.
#[derive(Debug)]
pub(super) struct Expectation {
    pub(super) line: usize,
    pub(super) at_ms: i64,
    pub(super) alerts: Option<Vec<ExpectedAlert>>,
    pub(super) notifications: Option<Vec<ExpectedNotification>>,
}

/// An alert that is expected.
#[derive(Debug, Clone)]
pub(super) struct ExpectedAlert {
    pub(super) line: usize,
    pub(super) rule: String,
    pub(super) state: Phase,
    pub(super) labels: Labels,
    pub(super) value: Option<f64>,
}

/// A message that is expected.
#[derive(Debug, Clone)]
pub(super) struct ExpectedNotification {
    pub(super) line: usize,
    pub(super) rule: String,
    pub(super) channel: String,
    pub(super) reason: NotifyReason,
}

struct WrittenTest {
    name: String,
    rules: Vec<String>,
    start: Option<String>,
    interval_ms: i64,
    before_ms: i64,
    series: Vec<WrittenSeries>,
    downtime: Vec<WrittenSpan>,
    blind: Vec<WrittenSpan>,
    expect: Vec<WrittenExpectation>,
}

struct WrittenSeries {
    series: String,
    values: String,
    kind: Option<Kind>,
    count: Option<u32>,
}

struct WrittenSpan {
    from_ms: i64,
    to_ms: i64,
}

struct WrittenExpectation {
    at_ms: i64,
    alerts: Option<Vec<WrittenAlert>>,
    notifications: Option<Vec<WrittenNotification>>,
}

struct WrittenAlert {
    rule: String,
    state: Phase,
    labels: Labels,
    value: Option<f64>,
}

struct WrittenNotification {
    rule: String,
    channel: String,
    reason: NotifyReason,
}

record!(WrittenTest {
    name,
    rules,
    start,
    interval_ms = MINUTE_MS,
    before_ms = 0,
    series = Vec::new(),
    downtime = Vec::new(),
    blind = Vec::new(),
    expect
});
record!(WrittenSeries { series, values, kind, count });
record!(WrittenSpan { from_ms, to_ms });
record!(WrittenExpectation { at_ms, alerts, notifications });
record!(WrittenAlert { rule, state, labels = Labels::new(), value });
record!(WrittenNotification { rule, channel, reason });

/// 2026-03-02T08:00:00Z, a Monday.
const START: UnixMs = UnixMs(1_772_438_400_000);

/// The environment whose configuration `source` tests; production if it does not say, or does not read.
pub(super) fn environment(source: &Source) -> Environment {
    let document = Document::read(source);
    let said = document.value().get("environment").and_then(serde_json::Value::as_str);
    said.and_then(Environment::from_str).unwrap_or(Environment::Production)
}

/// The tests in `source` of the rules of `config`, or every mistake.
pub(super) fn read(source: &Source, config: &Config) -> Result<Vec<Test>, Vec<Diagnostic>> {
    let mut document = Document::read(source);
    let written: Vec<WrittenTest> =
        match FromJson::from_json(document.value().get("tests").cloned().unwrap_or(serde_json::Value::Array(Vec::new()))) {
            Ok(written) => written,
            Err(error) => {
                let message = format!("the reader and the tests' types disagree: {error}");
                document.complain("", None, message, "this is a defect of Parapet: please report it");
                Vec::new()
            }
        };
    if written.is_empty() {
        document.complain("/tests", None, "there is no test", "write one, or remove the file");
    }
    let mut names: Vec<&str> = Vec::new();
    let mut tests = Vec::new();
    for (index, test) in written.iter().enumerate() {
        let at = format!("/tests/{index}");
        if names.contains(&test.name.as_str()) {
            document.complain(&format!("{at}/name"), None, format!("a test above is called `{}` too", test.name), "give each its own name");
        }
        names.push(&test.name);
        tests.push(read_test(test, &at, config, &mut document));
    }
    let mistakes = document.mistakes();
    if mistakes.is_empty() { Ok(tests) } else { Err(mistakes) }
}

fn read_test(test: &WrittenTest, at: &str, config: &Config, document: &mut Document<'_>) -> Test {
    let ids = || config.alerting.rules.iter().map(|rule| rule.id.as_str());
    if test.rules.is_empty() {
        document.complain(&format!("{at}/rules"), None, "no rule is looked at", "name the rules the test is about");
    }
    for (index, rule) in test.rules.iter().enumerate().filter(|(_, rule)| ids().all(|id| id != rule.as_str())) {
        let fix = check::nearest(rule, ids()).map_or_else(|| "use the id of a rule".to_owned(), |near| format!("did you mean `{near}`?"));
        document.complain(&format!("{at}/rules/{index}"), None, format!("there is no rule `{rule}`"), fix);
    }
    let start = test.start.as_ref().map_or(Some(START), |text| {
        let moment = chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| UnixMs(at.timestamp_millis()));
        moment.filter(|moment| moment.floor(MINUTE_MS) == *moment)
    });
    if start.is_none() {
        document.complain(&format!("{at}/start"), None, "this is no whole minute", "write it as \"2026-03-02T14:00:00+02:00\"");
    }
    if test.interval_ms % SLICE_MS != 0 {
        document.complain(&format!("{at}/interval_ms"), None, "what is seen at once is 10 s", "use 10s, 20s, … 1m, 5m");
    }
    let series = test.series.iter().enumerate();
    let series =
        series.filter_map(|(index, series)| read_series(series, &format!("{at}/series/{index}"), test, config, document)).collect();
    if test.expect.is_empty() {
        document.complain(&format!("{at}/expect"), None, "nothing is expected, so it cannot fail", "say what is expected, and when");
    }
    let mut before = -1;
    let expect = test.expect.iter().enumerate();
    let expect = expect.map(|(index, expected)| {
        let at = format!("{at}/expect/{index}");
        if expected.at_ms <= before {
            document.complain(&format!("{at}/at_ms"), None, "this is not after the expectation above", "put them in the order of time");
        }
        before = expected.at_ms;
        read_expectation(expected, &at, test, config, document)
    });
    let expect = expect.collect();
    Test {
        line: document.line(at),
        name: test.name.clone(),
        rules: test.rules.clone(),
        start: start.unwrap_or(START),
        interval_ms: test.interval_ms,
        before_ms: test.before_ms,
        series,
        downtime: spans(&test.downtime, &format!("{at}/downtime"), document),
        blind: spans(&test.blind, &format!("{at}/blind"), document),
        expect,
    }
}

/// Spans since minute 0.
fn spans(spans: &[WrittenSpan], at: &str, document: &mut Document<'_>) -> Vec<Window> {
    for (index, _) in spans.iter().enumerate().filter(|(_, span)| span.from_ms >= span.to_ms) {
        document.complain(&format!("{at}/{index}/to_ms"), None, "it ends before it begins", "`to` is the first moment after it");
    }
    spans.iter().map(|span| Window { from: UnixMs(span.from_ms), to: UnixMs(span.to_ms) }).collect()
}

fn read_series(series: &WrittenSeries, at: &str, test: &WrittenTest, config: &Config, document: &mut Document<'_>) -> Option<Series> {
    let unread = |key: &str, Unread { at: from, width, message, fix }: Unread, document: &mut Document<'_>| {
        document.complain(&format!("{at}/{key}"), Some((from, width)), message, fix);
    };
    let samples = notation::samples(&series.values).map_err(|why| unread("values", why, document)).ok();
    let (metric, labels) = notation::series(&series.series).map_err(|why| unread("series", why, document)).ok()?;
    let place = format!("{at}/series");
    let width = metric.chars().count();
    if metric == name::TICK_AGE {
        document.complain(&place, Some((0, width)), "every tick measures this itself", "write a `downtime` instead");
        return None;
    }
    let under_test = config.alerting.rules.iter().filter(|rule| test.rules.contains(&rule.id));
    let selected: Vec<&Selector> = under_test.flat_map(|rule| rule.when.selectors()).collect();
    if !selected.iter().any(|selector| selector.series == metric) {
        let names = || selected.iter().map(|selector| selector.series.as_str());
        let fix = check::nearest(&metric, names()).map_or_else(
            || format!("its rules read {}", names().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        document.complain(&place, Some((0, width)), format!("no rule of this test reads `{metric}`"), fix);
        return None;
    }
    if let Some((_, _, known)) = name::OWN.iter().find(|(own, ..)| *own == metric) {
        for (label, _) in labels.iter().filter(|(label, _)| !known.contains(&label.as_str())) {
            let fix = check::nearest(label, known.iter().copied())
                .map_or_else(|| format!("its labels are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            document.complain(&place, None, format!("`{metric}` has no label `{label}`"), fix);
        }
    }
    let told = notation::kind_of(&metric);
    let Some(kind) = told.or(series.kind) else {
        document.complain(
            &place,
            Some((0, width)),
            "what kind of series this is, its name does not tell",
            "add `kind: gauge` (or counter, distribution)",
        );
        return None;
    };
    if told.is_some() && series.kind.is_some_and(|said| said != kind) {
        document.complain(&format!("{at}/kind"), None, format!("`{metric}` is a {}", kind.as_str()), "remove this key");
    }
    if kind != Kind::Distribution && series.count.is_some() {
        document.complain(&format!("{at}/count"), None, format!("a sample of a {} is one value", kind.as_str()), "remove this key");
    }
    let samples = samples?;
    if kind == Kind::Counter && samples.iter().flatten().any(|value| *value < 0.0) {
        let fix = "a sample of a counter is what came in its interval, 0 or more";
        document.complain(&format!("{at}/values"), None, "a counter never falls", fix);
    }
    Some(Series { key: notation::key(kind, &metric, &labels), samples, count: series.count.unwrap_or(1) })
}

fn read_expectation(
    expected: &WrittenExpectation,
    at: &str,
    test: &WrittenTest,
    config: &Config,
    document: &mut Document<'_>,
) -> Expectation {
    if expected.alerts.is_none() && expected.notifications.is_none() {
        document.complain(at, None, "nothing is expected here", "add `alerts:` or `notifications:`");
    }
    let rule_is_looked_at = |rule: &str, at: String, document: &mut Document<'_>| {
        if !test.rules.iter().any(|known| known == rule) {
            let near = check::nearest(rule, test.rules.iter().map(String::as_str));
            let fix = near.map_or_else(|| "add it to the test's `rules`".to_owned(), |near| format!("did you mean `{near}`?"));
            document.complain(&at, None, format!("`{rule}` is not one of this test's rules"), fix);
        }
    };
    let alerts = expected.alerts.as_ref().map(|alerts| {
        let alerts = alerts.iter().enumerate();
        let alerts = alerts.map(|(index, alert)| {
            let at = format!("{at}/alerts/{index}");
            rule_is_looked_at(&alert.rule, format!("{at}/rule"), document);
            let WrittenAlert { rule, state, labels, value } = alert;
            ExpectedAlert { line: document.line(&at), rule: rule.clone(), state: *state, labels: labels.clone(), value: *value }
        });
        alerts.collect()
    });
    let notifications = expected.notifications.as_ref().map(|notifications| {
        let notifications = notifications.iter().enumerate();
        let notifications = notifications.map(|(index, notification)| {
            let at = format!("{at}/notifications/{index}");
            let WrittenNotification { rule, channel, reason } = notification;
            rule_is_looked_at(rule, format!("{at}/rule"), document);
            let channels = || config.alerting.channels.iter().map(|channel| channel.id.as_str());
            if channels().all(|known| known != channel) {
                let near = check::nearest(channel, channels());
                let fix = near.map_or_else(|| "use the id of a channel".to_owned(), |near| format!("did you mean `{near}`?"));
                document.complain(&format!("{at}/channel"), None, format!("there is no channel `{channel}`"), fix);
            }
            ExpectedNotification { line: document.line(&at), rule: rule.clone(), channel: channel.clone(), reason: *reason }
        });
        notifications.collect()
    });
    Expectation { line: document.line(at), at_ms: expected.at_ms, alerts, notifications }
}

#[cfg(test)]
mod tests;
