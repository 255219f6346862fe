//! Stories of what a message shows around an alert: how its number went before, drawn from what the tick could read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::config::alerting::{Rule, When};
use parapet::config::business::Target;
use parapet::ports::Db;
use parapet::record::FromJson;
use parapet::storage::series::{Slice, write_minutes};
use parapet::telemetry::cell::Cell;
use parapet::telemetry::series::{Kind, SeriesKey};
use parapet::time::UnixMs;
use serde_json::{Value, json};
use world::{EMAIL, SLACK, World, at_s, block_on, error_rate, switch};

/// What Slack showed, and what the e-mail said, of each message.
fn said(world: &World) -> (Vec<String>, Vec<String>) {
    let arrivals = world.http.arrivals.borrow();
    let of = |peer: &str, text: fn(&Value) -> &Value| -> Vec<String> {
        let bodies = arrivals.iter().filter(|arrival| arrival.peer == peer).map(|arrival| &arrival.body);
        bodies.map(|body| text(body).as_str().unwrap().replace('\u{a0}', " ")).collect()
    };
    (of(SLACK, |body| &body["blocks"][1]["text"]["text"]), of(EMAIL, |body| &body["text"]))
}

/// The line that begins with `label` of an e-mail.
fn line<'a>(email: &'a str, label: &str) -> Option<&'a str> {
    email.lines().find_map(|line| line.strip_prefix(label)?.strip_prefix(": "))
}

fn count(name: &str, labels: &[(&str, &str)], n: u64) -> (SeriesKey, Cell) {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (SeriesKey::new(Kind::Counter, name, labels), Cell::count(n))
}

/// Everything of the live window that is older than ten minutes is on disk, and no longer live.
fn settle(world: &mut World, now: UnixMs) {
    let (old, live): (Vec<Slice>, Vec<Slice>) =
        std::mem::take(&mut world.live.slices).into_iter().partition(|it| it.t < now.plus(-600_000));
    world.live.slices = live;
    store(world, old);
}

/// Minutes on disk, as a Collector writes them.
fn store(world: &World, slices: Vec<Slice>) {
    let mut minutes: Vec<Slice> = Vec::new();
    for slice in slices {
        let t = slice.t.floor(60_000);
        if minutes.last().is_none_or(|last| last.t != t) {
            minutes.push(Slice { t, cells: Vec::new() });
        }
        let cells = &mut minutes.last_mut().unwrap().cells;
        for (key, cell) in slice.cells {
            match cells.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => known.merge(&cell),
                None => cells.push((key, cell)),
            }
        }
    }
    block_on(world.db.batch(write_minutes(0, &minutes))).unwrap();
}

#[test]
fn a_message_draws_the_half_hour_before_it_as_its_rule_measured_it() {
    let mut world = World::with_rules(vec![Rule { by: vec!["route".to_owned()], for_ms: 0, ..error_rate() }]);
    // Well for long, then a tenth of the requests fails; another route failed before, and is not this alert's.
    world.traffic_to("/bookings", at_s(-2_400), at_s(-120), 100, 0);
    world.traffic_to("/bookings", at_s(-120), at_s(600), 90, 10);
    world.traffic_to("/bookings", at_s(600), at_s(1_800), 100, 0);
    let (old, live): (Vec<Slice>, Vec<Slice>) = std::mem::take(&mut world.live.slices).into_iter().partition(|slice| slice.t < at_s(-700));
    world.live.slices = live;
    store(&world, old);
    store(
        &world,
        (-40..-20)
            .map(|minute| Slice {
                t: at_s(minute * 60),
                cells: vec![count("http_requests_total", &[("class", "5xx"), ("route", "/other")], 90)],
            })
            .collect(),
    );
    world.tick(at_s(0));
    world.deliver(at_s(0));
    let (slack, emails) = said(&world);
    let (blocks, rest) = ("▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█", "last 30 min (peak 4 % at 14:00 SAST)");
    assert_eq!(line(&emails[0], "Trend"), Some(format!("{blocks} {rest}").as_str()), "{}", emails[0]);
    assert!(slack[0].contains(&format!("\n`{blocks}` {rest}\n")), "{}", slack[0]);
    // Its end shows all of it: up, the height, and down again.
    settle(&mut world, at_s(960));
    world.run(at_s(600), at_s(960));
    let (_, emails) = said(&world);
    assert_eq!(line(emails.last().unwrap(), "Trend"), Some("▁▁▁▁▁▁▁▁▄▇████▅▂ last 30 min (peak 10 % at 14:04 SAST)"), "{emails:?}");
}

#[test]
fn a_database_that_cannot_be_read_costs_the_line_and_not_the_message() {
    let mut world = World::with_rules(vec![Rule { for_ms: 0, ..error_rate() }]);
    world.traffic(at_s(-2_400), at_s(0), 90, 10);
    block_on(world.db.batch(vec![parapet::storage::Statement::new("ALTER TABLE series RENAME TO gone", [])])).unwrap();
    world.tick(at_s(0));
    world.deliver(at_s(0));
    let (slack, emails) = said(&world);
    assert_eq!((slack.len(), emails.len()), (1, 1));
    assert_eq!(line(&emails[0], "Trend"), None);
}

#[test]
fn what_has_no_course_of_its_own_is_drawn_by_what_it_is_made_of() {
    let x = json!({"series": "x_total"});
    let bad = json!({"series": "x_total", "labels": {"class": "5xx"}});
    let above =
        |ms: i64| json!({"threshold": {"of": x, "aggregate": "sum", "over": {"ms": ms}, "compare": "above", "bound": {"value": 1.0}}});
    let target = json!({"threshold": {"of": x, "aggregate": "sum", "over": "today", "compare": "below", "bound": {"of_target": {"target": "x", "share": 0.8}}}});
    let so_far = json!({"threshold": {"of": x, "aggregate": "sum", "over": "today", "compare": "above", "bound": {"value": 1.0}}});
    let change = json!({"change": {"of": x, "aggregate": "sum", "over_ms": 600_000, "against_ms": 600_000, "compare": "above", "bound": -0.9, "min_baseline": 1.0}});
    for (why, when, expected) in [
        ("a short window", above(300_000), Some("█▇▅▅▅▅▅▅▅▅▅▅▅▅▅▅ last 30 min (peak 50 at 13:30 SAST)")),
        ("a long one, by the hour and now", above(7_200_000), Some("██████████████████████▇ last 24 h (peak 1 200 at 1 Mar 16:00 SAST)")),
        ("the day so far, by the hour", so_far, Some("███████████████████████▆ hour by hour, last 24 h (peak 600 at 1 Mar 15:00 SAST)")),
        ("a change", change, Some("█▇▇▆▅▅▅▅▅▅▅▅▅▅▅▅ last 30 min (peak 100 at 13:30 SAST)")),
        (
            "a burn rate that wakes somebody",
            json!({"burn_rate": {"bad": bad, "all": x, "objective": 0.99, "pace": "page"}}),
            Some("████████████████ share of errors, last 30 min (peak 40 % at 13:30 SAST)"),
        ),
        (
            "one that does not",
            json!({"burn_rate": {"bad": bad, "all": x, "objective": 0.9, "pace": "ticket"}}),
            Some("████████████████████████ share of errors, hour by hour, last 24 h (peak 40 % at 1 Mar 15:00 SAST)"),
        ),
        (
            "a target, of which nobody speaks before a quarter of its hours",
            target,
            Some("··········█▇▆▅ of what is expected by then, today (lowest 57.3 % at 14:00 SAST)"),
        ),
        ("all of several", json!({"all": [above(300_000), above(600_000)]}), Some("█▇▅▅▅▅▅▅▅▅▅▅▅▅▅▅ last 30 min (peak 50 at 13:30 SAST)")),
        ("one of several", json!({"any": [above(300_000), above(600_000)]}), None),
        ("nothing at all", json!({"absence": {"of": {"series": "y_total"}, "over": {"ms": 300_000}}}), None),
    ] {
        let rule = Rule { when: When::from_json(when).unwrap(), ..switch("r") };
        let mut world = World::with_rules(vec![rule]);
        world.config.business.targets = vec![
            Target::from_json(json!({"id": "x", "series": "x_total", "per_day": 28_800.0, "hours": {"from": "08:00", "to": "20:00"}}))
                .unwrap(),
        ];
        // It has watched for long.
        world.tick(at_s(-10 * 86_400));
        // Since yesterday ten a minute, of which four fail, and half as many in the last half hour.
        let minutes = (-2_000..0).map(|minute| {
            let n = if minute < -30 { 2 } else { 1 };
            Slice {
                t: at_s(minute * 60),
                cells: vec![count("x_total", &[("class", "2xx")], 3 * n), count("x_total", &[("class", "5xx")], 2 * n)],
            }
        });
        let (old, live): (Vec<Slice>, Vec<Slice>) = minutes.partition(|slice| slice.t < at_s(-600));
        store(&world, old);
        world.live.slices = live;
        world.tick(at_s(0));
        world.deliver(at_s(0));
        let (_, emails) = said(&world);
        assert_eq!(emails.len(), 1, "{why}");
        assert_eq!(line(&emails[0], "Trend"), expected, "{why}\n{}", emails[0]);
    }
}

#[test]
fn a_day_drawn_from_rolled_up_hours_looks_as_one_drawn_from_minutes() {
    let of = json!({"series": "x_total", "labels": {"route": "/a*", "tenant": ""}});
    let rule = json!({"ratio": {"part": {"series": "x_total", "labels": {"class": "5xx", "route": "/a*", "tenant": ""}}, "whole": of,
        "over": {"ms": 3_600_000}, "compare": "above", "bound": 0.05, "min_samples": 1.0}});
    let drawn = |is_rolled_up: bool| {
        let mut world = World::with_rules(vec![Rule { when: When::from_json(rule.clone()).unwrap(), ..switch("r") }]);
        world.tick(at_s(-10 * 86_400));
        // One in ten fails on /a1 from nine hours ago on; /b and a tenant always fail.
        let minutes = (-1_500..0).map(|minute| {
            let bad = u64::from(minute >= -540);
            let of = |class, route| [("class", class), ("route", route)];
            let tenant = [("class", "5xx"), ("route", "/a1"), ("tenant", "t")];
            let cells = vec![
                count("x_total", &of("2xx", "/a1"), 10 - bad),
                count("x_total", &of("5xx", "/a1"), bad),
                count("x_total", &of("5xx", "/b"), 50),
                count("x_total", &tenant, 50),
            ];
            Slice { t: at_s(minute * 60), cells: cells.into_iter().filter(|(_, cell)| cell.amount() > 0.0).collect() }
        });
        let (old, live): (Vec<Slice>, Vec<Slice>) = minutes.partition(|slice| slice.t < at_s(-600));
        store(&world, old);
        world.live.slices = live;
        for _ in 0..if is_rolled_up { 60 } else { 0 } {
            block_on(parapet::upkeep::run(at_s(-600), &world.config.infrastructure.retention, &world.db)).unwrap();
        }
        assert_eq!(world.db.query("SELECT t FROM hour LIMIT 1").len(), usize::from(is_rolled_up));
        world.tick(at_s(0));
        world.deliver(at_s(0));
        line(&said(&world).1[0], "Trend").unwrap().to_owned()
    };
    assert_eq!(drawn(true), drawn(false));
    assert_eq!(drawn(true), "▁▁▁▁▁▁▁▁▁▁▁▁▁▁█████████ last 24 h (peak 10 % at 06:00 SAST)");
}
