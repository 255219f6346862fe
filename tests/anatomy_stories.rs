//! Stories of what a message shows around an alert: how its number went before, drawn from what the tick could read, and what changed
//! before it began.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::config::alerting::{Rule, When};
use parapet::config::business::Target;
use parapet::ports::Db;
use parapet::record::FromJson;
use parapet::storage::series::{Slice, write_minutes};
use parapet::storage::{Statement, config, deploys as stored};
use parapet::telemetry::cell::Cell;
use parapet::telemetry::series::{Kind, SeriesKey};
use parapet::time::UnixMs;
use parapet::web::auth::{Principal, Role};
use parapet::web::deploys;
use parapet::web::problem::Problem;
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
    block_on(world.db.batch(vec![Statement::new("ALTER TABLE series RENAME TO gone", [])])).unwrap();
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

// === what changed before it

fn pipeline() -> Principal {
    Principal { id: "tok_2".to_owned(), name: "ci".to_owned(), role: Role::Ingest }
}

fn deploy(world: &World, body: &Value, now: UnixMs) -> Result<(u16, deploys::Shown), Problem> {
    block_on(deploys::create(&world.db, body.to_string().as_bytes(), &pipeline(), now))
}

/// A world whose requests fail from `NOON` on; its rule holds for a minute before it fires.
fn failing() -> World {
    let mut world = World::with_rules(vec![Rule { for_ms: 60_000, ..error_rate() }]);
    world.traffic(at_s(-900), at_s(-60), 100, 0);
    world.traffic(at_s(-60), at_s(600), 50, 50);
    world
}

fn first_email(world: &mut World) -> String {
    world.run(at_s(0), at_s(60));
    said(world).1[0].clone()
}

#[test]
fn a_message_names_the_last_deploy_before_its_alert_began() {
    let mut world = failing();
    for (service, version, s) in
        [("booking-api", "v41", -3_000), ("booking-api", "v42", -240), ("web", "9f3c2d1", -1_200), ("web", "later", 30)]
    {
        let body = json!({"service": service, "version": version, "at": at_s(s).rfc3339(), "url": "https://ci.example.com/runs/42"});
        assert_eq!(deploy(&world, &body, at_s(60)).unwrap().0, 201);
    }
    let email = first_email(&mut world);
    assert_eq!(line(&email, "Deploy"), Some("v42 of booking-api at 13:56 SAST, 4 min before: https://ci.example.com/runs/42"), "{email}");
    let (slack, _) = said(&world);
    assert_eq!(slack.len(), 1);
    let fields = world.http.arrivals.borrow().iter().find(|arrival| arrival.peer == SLACK).unwrap().body["blocks"][2]["fields"].to_string();
    assert!(fields.contains("*Deploy*\\nv42 of booking-api at 13:56 SAST"), "{fields}");
}

#[test]
fn what_is_an_hour_away_is_not_near_and_of_a_configuration_its_author_is_named() {
    let mut world = failing();
    assert_eq!(deploy(&world, &json!({"version": "v1", "at": at_s(-3_600).rfc3339()}), at_s(0)).unwrap().0, 201);
    assert!(!first_email(&mut world).contains("Deploy"));

    let mut world = failing();
    let statements =
        ["INSERT INTO token VALUES ('tok_7', 'h', 'Thandi', 'admin', 'bootstrap', 0, 0, NULL)"].map(|sql| Statement::new(sql, []));
    block_on(world.db.batch(statements.into())).unwrap();
    let new = config::New { json: "{}", hash: "h", author: "tok_7", note: "", at: at_s(-600) };
    block_on(world.db.batch(config::apply(new, "e"))).unwrap();
    assert_eq!(deploy(&world, &json!({"version": "v1", "at": at_s(-1_200).rfc3339()}), at_s(0)).unwrap().0, 201);
    let email = first_email(&mut world);
    assert_eq!(line(&email, "Configuration"), Some("version 1 by Thandi at 13:50 SAST, 10 min before"), "{email}");

    // Who goes back to what is built in changes it, too.
    let mut world = failing();
    block_on(world.db.batch(config::apply(new, "e"))).unwrap();
    block_on(world.db.batch(config::activate(0, "bootstrap", at_s(-60)))).unwrap();
    assert_eq!(line(&first_email(&mut world), "Configuration"), Some("the built-in version by bootstrap at 13:59 SAST, 1 min before"));
}

#[test]
fn parapets_own_version_is_a_deploy_once_and_again_when_it_comes_back() {
    let world = failing();
    let runs = |version: &str, s: i64| drop(block_on(world.db.batch(vec![stored::insert(&stored::own(version, at_s(s)))])).unwrap());
    let known = || block_on(deploys::list(&world.db)).unwrap().deploys.into_iter().map(|it| (it.version, it.at)).collect::<Vec<_>>();
    runs("v1", -900);
    runs("v1", -800);
    assert_eq!(known(), [("v1".to_owned(), at_s(-900).rfc3339())]);
    runs("v2", -700);
    runs("v1", -300);
    runs("v1", -200);
    assert_eq!(known(), [("v1".to_owned(), at_s(-300).rfc3339()), ("v2".to_owned(), at_s(-700).rfc3339())]);
    let mut world = world;
    assert_eq!(line(&first_email(&mut world), "Deploy"), Some("v1 of parapet at 13:55 SAST, 5 min before"));
}

#[test]
fn a_deploy_that_is_told_twice_is_one_and_a_bad_one_says_what_is_wrong() {
    let world = World::with_rules(vec![]);
    let body = json!({"service": "web", "version": " 9f3c2d1 "});
    let (status, first) = deploy(&world, &body, at_s(0)).unwrap();
    assert_eq!((status, first.version.as_str(), first.told_by.as_str()), (201, "9f3c2d1", "ci"));
    let (status, again) = deploy(&world, &json!({"service": "web", "version": "9f3c2d1", "url": "https://x.example"}), at_s(90)).unwrap();
    assert_eq!((status, &again), (200, &first), "what was told first stands");
    assert_eq!(deploy(&world, &json!({"version": "9f3c2d1"}), at_s(5)).unwrap().0, 201, "another service");
    assert_eq!(block_on(deploys::list(&world.db)).unwrap().deploys.len(), 2);
    let pointers = |body: Value| {
        let problem = deploy(&world, &body, at_s(0)).unwrap_err();
        (problem.status, problem.errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>())
    };
    let long = "x".repeat(101);
    for (body, status, wrong) in [
        (json!({}), 400, vec![]),
        (json!({"version": "v1", "sevice": "web"}), 400, vec![]),
        (json!({"version": 7}), 400, vec![]),
        (json!({"version": " "}), 422, vec!["/version"]),
        (
            json!({"version": "a\nb", "service": long, "url": "ftp://x", "at": "yesterday"}),
            422,
            vec!["/version", "/service", "/url", "/at"],
        ),
        (json!({"version": "v1", "url": "https://x y"}), 422, vec!["/url"]),
        (json!({"version": "v1", "at": at_s(301).rfc3339()}), 422, vec!["/at"]),
        (json!({"version": "v1", "at": at_s(-31 * 86_400).rfc3339()}), 422, vec!["/at"]),
    ] {
        assert_eq!(pointers(body.clone()), (status, wrong.into_iter().map(str::to_owned).collect()), "{body}");
    }
    assert_eq!(deploy(&world, &json!({"version": "v2", "at": at_s(300).rfc3339()}), at_s(0)).unwrap().0, 201, "clocks differ");
}

#[test]
fn a_rollback_that_a_pipeline_tells_of_is_the_newest_deploy_and_a_late_report_is_not() {
    let world = World::with_rules(vec![]);
    let told = |version: &str, at: Option<i64>, now: i64| {
        let mut body = json!({"version": version});
        if let Some(at) = at {
            body["at"] = at_s(at).rfc3339().into();
        }
        deploy(&world, &body, at_s(now)).unwrap().0
    };
    let known = || block_on(deploys::list(&world.db)).unwrap().deploys.into_iter().map(|it| (it.version, it.at)).collect::<Vec<_>>();
    assert_eq!([told("v1", None, 0), told("v2", None, 600), told("v1", None, 900)], [201, 201, 201]);
    let [v1, v2] = [("v1".to_owned(), at_s(900).rfc3339()), ("v2".to_owned(), at_s(600).rfc3339())];
    assert_eq!(known(), [v1.clone(), v2.clone()]);
    // The answers were lost, so the pipeline tells of all of it again.
    assert_eq!([told("v1", None, 910), told("v2", Some(600), 920), told("v1", Some(0), 930)], [200, 200, 200]);
    assert_eq!(known(), [v1, v2]);
}

#[test]
fn deploys_are_dropped_with_the_hours_they_explain() {
    let world = World::with_rules(vec![]);
    let retention = &world.config.infrastructure.retention;
    let days = i64::from(retention.hour_days);
    deploy(&world, &json!({"version": "old"}), at_s(0)).unwrap();
    deploy(&world, &json!({"version": "new"}), at_s(60)).unwrap();
    let upkeep = |s: i64| block_on(parapet::upkeep::run(at_s(s), retention, &world.db)).unwrap().rows_dropped;
    assert_eq!(upkeep(days * 86_400), 0);
    assert_eq!(block_on(deploys::list(&world.db)).unwrap().deploys.len(), 2);
    assert_eq!(upkeep(days * 86_400 + 1), 1);
    assert_eq!(block_on(deploys::list(&world.db)).unwrap().deploys.into_iter().map(|it| it.version).collect::<Vec<_>>(), ["new"]);
}

#[test]
fn a_group_names_the_deploy_before_its_first_alert() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    world.config.alerting.routes[0].group_by = vec!["team".to_owned()];
    deploy(&world, &json!({"version": "v7"}), at_s(-60)).unwrap();
    world.switches(at_s(0), [("s-one", 1.0), ("s-two", 1.0)]);
    world.tick(at_s(0));
    world.deliver(at_s(0));
    let (_, emails) = said(&world);
    assert_eq!(emails.len(), 1, "{emails:?}");
    assert_eq!(line(&emails[0], "Deploy"), Some("v7 at 13:59 SAST, 1 min before"), "{}", emails[0]);
    assert_eq!(line(&emails[0], "Trend"), None, "two alerts have no one number");
}

// === what is normal there

#[test]
fn what_was_usual_a_week_ago_is_said_of_every_condition_that_has_one_number() {
    let x = json!({"series": "x_total"});
    let bad = json!({"series": "x_total", "labels": {"class": "5xx"}});
    let so_far = |bound: Value| json!({"threshold": {"of": x, "aggregate": "sum", "over": "today", "compare": "below", "bound": bound}});
    let burns = json!({"burn_rate": {"bad": bad, "all": x, "objective": 0.99, "pace": "page"}});
    for (why, when, errors, expected) in [
        ("nothing comes", json!({"absence": {"of": x, "over": {"ms": 1_800_000}}}), 0, Some("300")),
        ("a level that is gone was never an amount", json!({"absence": {"of": {"series": "level"}, "over": {"ms": 1_800_000}}}), 0, None),
        // Fourteen hours of the local day are over, and half an hour.
        ("less than expected so far", so_far(json!({"of_target": {"target": "x", "share": 0.8}})), 0, Some("8 700")),
        ("less than a number so far", so_far(json!({"value": 5.0})), 0, Some("8 700")),
        ("errors burn", burns, 50, Some("10×")),
    ] {
        let rule = Rule { when: When::from_json(when).unwrap(), ..switch("r") };
        let mut world = World::with_rules(vec![rule]);
        let target = json!({"id": "x", "series": "x_total", "per_day": 28_800.0, "hours": {"from": "08:00", "to": "20:00"}});
        world.config.business.targets = vec![Target::from_json(target).unwrap()];
        world.tick(at_s(-10 * 86_400));
        // Ten a minute last week, and a level; nothing since but errors of something else.
        let week = 7 * 1_440;
        let level = |minute| (SeriesKey::new(Kind::Gauge, "level", vec![]), Cell::single(Kind::Gauge, 3.0, at_s(minute * 60).0));
        let minutes = (-week - 1_000..-week + 60).map(|minute| Slice {
            t: at_s(minute * 60),
            cells: vec![count("x_total", &[("class", "2xx")], 9), count("x_total", &[("class", "5xx")], 1), level(minute)],
        });
        store(&world, minutes.collect());
        world.live.slices =
            (15..30).map(|minute| Slice { t: at_s(minute * 60), cells: vec![count("x_total", &[("class", "5xx")], errors)] }).collect();
        world.tick(at_s(1_800));
        world.deliver(at_s(1_800));
        let (_, emails) = said(&world);
        assert_eq!(emails.len(), 1, "{why}");
        assert_eq!(
            line(&emails[0], "Normal"),
            expected,
            "{why}
{}",
            emails[0]
        );
    }
}

#[test]
fn what_an_anomaly_comes_from_is_reckoned_against_the_same_hours_of_the_weeks_before() {
    let when =
        |labels: Value| json!({"anomaly": {"of": {"series": "bookings_total", "labels": labels}, "aggregate": "sum", "finds": "fewer"}});
    for (why, labels, by, expected) in [
        ("one of two routes stopped", json!({}), vec![], Some("route /a (100 %)")),
        ("a rule for each route has none to name", json!({}), vec!["route".to_owned()], None),
        ("a selected one is no news", json!({"route": "/a"}), vec![], None),
    ] {
        let mut world =
            World::with_rules(vec![Rule { when: When::from_json(when(labels)).unwrap(), by, interval_ms: 600_000, ..switch("r") }]);
        // Five weeks of twenty an hour, five of them on another route, which goes on.
        let hours = (-840..1).map(|hour| {
            let broken = (hour < 0).then(|| count("bookings_total", &[("route", "/a")], 15));
            let cells = [count("bookings_total", &[("route", "/b")], 5), count("parapet_ticks_total", &[], 60)];
            Slice { t: at_s(hour * 3_600), cells: broken.into_iter().chain(cells).collect() }
        });
        store(&world, hours.collect());
        world.tick(at_s(4_200));
        world.deliver(at_s(4_200));
        let (_, emails) = said(&world);
        assert_eq!(emails.len(), 1, "{why}");
        assert_eq!(line(&emails[0], "Mostly"), expected, "{why}\n{}", emails[0]);
    }
}
