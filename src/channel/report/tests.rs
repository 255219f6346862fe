//! A week's report as its readers see it, and within what Slack takes.

use super::super::tests::{NOON, firing};
use super::*;
use crate::alert::notification::{Noisy, NotifyReason};
use crate::alert::shift::Shift;
use crate::config::alerting::Severity;
use crate::time::UnixMs;

fn noisy(name: &str, alerts: u64, (true_alarms, judged): (u64, u64), times: (Option<i64>, Option<i64>)) -> Noisy {
    Noisy { name: name.into(), alerts, judged, true_alarms, acknowledge_ms: times.0, resolve_ms: times.1 }
}

fn week() -> Weekly {
    let noisiest = vec![
        noisy("Pages are slow", 7, (1, 4), (Some(190_000), Some(720_000))),
        noisy("API error rate > 2 %", 4, (3, 3), (Some(61_000), Some(1_860_000))),
        noisy("Traffic surges", 2, (0, 0), (None, Some(4_320_000))),
        noisy("Ticks are missing", 1, (0, 0), (None, None)),
    ];
    let shift = |who: &str, alerts, critical| Shift { rotation: "on-call".into(), on_call: who.into(), alerts, critical };
    Weekly {
        from: UnixMs(1_771_797_600_000),
        to: UnixMs(1_772_402_400_000),
        zone: "Africa/Johannesburg".into(),
        alerts: 14,
        quiet: 9,
        judged: 7,
        true_alarms: 4,
        to_change: noisiest.iter().filter(|rule| rule.is_to_change()).cloned().collect(),
        noisiest,
        shifts: vec![shift("operations", 11, 4), shift("technical-lead", 3, 0)],
        url: "https://ops.example.com/api/v1/reports/alerts?from=2026-02-22T22:00:00.000Z&to=2026-03-01T22:00:00.000Z".into(),
    }
}

fn quiet_week(quiet: u64) -> Weekly {
    Weekly { alerts: 0, quiet, judged: 0, true_alarms: 0, noisiest: vec![], to_change: vec![], shifts: vec![], ..week() }
}

fn message(weekly: Weekly) -> (Notification, Weekly) {
    let told = Notification {
        alert: "rep_2026-02-23".into(),
        reason: NotifyReason::Report,
        severity: Severity::Info,
        name: weekly.headline(),
        at: NOON,
        report: Some(Box::new(weekly.clone())),
        ..firing()
    };
    (told, weekly)
}

fn visible(text: &str) -> String {
    text.replace('\u{a0}', "␣")
}

#[test]
fn the_text_part_says_what_was_noisy_who_bore_it_and_what_to_do() {
    let (told, weekly) = message(week());
    insta::assert_snapshot!(visible(&text_part(&told, &weekly)));
}

#[test]
fn the_html_part_is_a_table_of_rules() {
    let (told, weekly) = message(week());
    let html = html_part(&told, &weekly);
    assert!(html.contains("API error rate &gt; 2 %"));
    insta::assert_snapshot!(visible(&html));
}

#[test]
fn slack_shows_the_same() {
    let (told, weekly) = message(week());
    insta::assert_snapshot!(visible(&serde_json::to_string_pretty(&slack_blocks(&told, &weekly)).unwrap()));
}

#[test]
fn a_quiet_week_is_one_line() {
    for (quiet, line) in [
        (0, "Bookings production, 23 Feb to 1 Mar: no alerts."),
        (3, "Bookings production, 23 Feb to 1 Mar: no alerts. Kept quiet: 3 more."),
    ] {
        let (told, weekly) = message(quiet_week(quiet));
        let blocks = slack_blocks(&told, &weekly);
        assert_eq!(blocks[1]["text"]["text"], line);
        assert_eq!(
            blocks.as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect::<Vec<_>>(),
            ["header", "section", "context", "actions"]
        );
        let text = text_part(&told, &weekly);
        assert_eq!(text.lines().take(4).collect::<Vec<_>>(), ["Alerts of last week: none · production", "", line, ""]);
        assert!(!html_part(&told, &weekly).contains("<table"));
    }
}

#[test]
fn nothing_is_longer_than_slack_takes() {
    let mut long = week();
    for rule in &mut long.noisiest {
        rule.name = "<&>".repeat(2_000);
    }
    long.to_change = long.noisiest.clone();
    long.shifts = (0..200).map(|n| Shift { rotation: "&".repeat(60), on_call: format!("somebody-{n}"), alerts: 3, critical: 1 }).collect();
    long.url = format!("https://ops.example.com/{}", "x".repeat(3_000));
    let (told, long) = message(long);
    let blocks = slack_blocks(&told, &long);
    for block in blocks.as_array().unwrap() {
        let text = block["text"]["text"].as_str().unwrap_or_default();
        assert!(text.chars().count() <= MAX_SECTION_CHARS, "{}", text.chars().count());
    }
    let buttons = blocks.as_array().unwrap().last().unwrap()["elements"].as_array().unwrap();
    assert_eq!(buttons.len(), 1, "a link that Slack would refuse is left out");
}
