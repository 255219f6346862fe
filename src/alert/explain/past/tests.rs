//! What is said of an earlier moment, against what was said then.

use super::super::tests::{World, at};
use super::*;
use crate::alert::matcher::Matcher;
use crate::storage::silences::{self, Silence};
use crate::storage::sqlite::now_or_never;
use crate::storage::{Param, Statement, alerts, series};
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{Kind, SeriesKey};

/// The world of [`World::new`], whose minutes were written down as well, and in which route /b failed from 12:00 to 12:10.
fn lived() -> World {
    let mut world = World::new();
    let tick = SeriesKey::new(Kind::Counter, name::TICKS, vec![("outcome".into(), "applied".into())]);
    for slice in &mut world.live.slices {
        let failed = (at(0)..at(10)).contains(&slice.t);
        slice.cells.retain(|(key, _)| failed || key.label("class") != Some("5xx"));
        slice.cells.push((tick.clone(), Cell::count(1)));
    }
    now_or_never(world.db.batch(series::write_minutes(0, &world.live.slices))).unwrap();
    // A tick of a deployment that watched for long.
    now_or_never(world.db.batch(vec![alerts::remember_tick(at(-1), r#"{"since":1}"#)])).unwrap();
    world
}

fn ask(world: &World, rule: &str, at: UnixMs, now: UnixMs) -> Value {
    let rule = world.config.alerting.rules.iter().find(|known| known.id == rule).unwrap();
    let in_force = InForce { version: 7, config: world.config.clone(), refused: None };
    now_or_never(explain(Asked { at, now }, rule, (&in_force, &world.addresses), &world.db, &world.live)).unwrap()
}

fn alert<'v>(said: &'v Value, route: &str) -> &'v Value {
    said["alerts"].as_array().unwrap().iter().find(|alert| alert["labels"]["route"] == route).unwrap()
}

const DAY: i64 = 24 * 60;

#[test]
fn a_day_later_it_says_of_each_minute_what_was_said_in_it() {
    let world = lived();
    let mut then = Vec::new();
    for minute in 0..30 {
        world.tick(at(minute));
        then.push((minute, world.explain("route-errors", at(minute))));
    }
    for (minute, then) in then {
        for asked in [at(minute), at(minute).plus(59_999)] {
            let said = ask(&world, "route-errors", asked, at(DAY));
            for route in ["/a", "/b"] {
                let (then, said) = (alert(&then, route), alert(&said, route));
                for what in
                    ["looks", "verdict", "says", "value", "recovery", "routes", "channels", "channels_off", "suppressed_by", "groups"]
                {
                    assert_eq!(said[what], then[what], "{what} of {route} in minute {minute}");
                }
                let state = then["state"].as_str().unwrap();
                assert_eq!(
                    said["state"],
                    if ["inactive", "resolved"].contains(&state) { "not_firing" } else { state },
                    "{route}, {minute}"
                );
            }
        }
    }
}

#[test]
fn minutes_that_are_not_written_yet_are_looked_up_where_they_are() {
    let mut world = lived();
    (0..5).for_each(|minute| world.tick(at(minute)));
    let then = world.explain("route-errors", at(4));
    // Nine minutes later the Collectors have the last minute and the database those before; the rest is what either may have lost.
    world.live.slices.retain(|slice| slice.t >= at(3));
    now_or_never(world.db.batch(vec![Statement::new("DELETE FROM minute WHERE t >= ?1", [Param::Int(at(3).0)])])).unwrap();
    let said = ask(&world, "route-errors", at(4), at(13));
    assert_eq!(alert(&said, "/b")["looks"], alert(&then, "/b")["looks"]);
    world.live.coverage = Coverage::Missing(vec![2]);
    let blind = ask(&world, "route-errors", at(4), at(13));
    assert_eq!(blind["alerts"][0]["says"], "Nothing can be seen: Collector shards [2] did not answer.");
    assert_eq!(alert(&ask(&world, "route-errors", at(3), at(13)), "/b")["verdict"], "holds", "what is written does not need them");
}

#[test]
fn people_read_how_it_stood_what_kept_it_quiet_and_what_was_sent() {
    let world = lived();
    let silence = |id: &str, starts: i64, ends: i64, created: i64| Silence {
        id: id.into(),
        matchers: vec![Matcher::parse("rule=route-errors").unwrap()],
        reason: "load test".into(),
        author: "thandi".into(),
        created_by: "tok_1".into(),
        created_at: at(created),
        starts_at: at(starts),
        ends_at: at(ends),
        updated_at: at(created),
        withheld: 0,
    };
    // The last one was made up later, and held nothing back at 12:06.
    let insert = |silence: Silence| now_or_never(world.db.batch(vec![silences::insert(&silence)])).unwrap();
    insert(silence("sil_over", -60, 1, -60));
    insert(silence("sil_open", 6, 60, 4));
    (0..30).for_each(|minute| world.tick(at(minute)));
    insert(silence("sil_later", 0, 60, 20));
    // As a group tells: the message names the group, and the alert among its members.
    let grouped = "UPDATE outbox SET members = json_array(alert), alert = 'grp_1' WHERE channel = 'email'";
    now_or_never(world.db.batch(vec![Statement::new(grouped, [])])).unwrap();
    let said = ask(&world, "route-errors", at(6).plus(30_000), at(DAY));
    let quiet: Vec<&str> = alert(&said, "/b")["suppressed_by"].as_array().unwrap().iter().map(|why| why["id"].as_str().unwrap()).collect();
    assert_eq!(quiet, ["sil_open"]);
    insta::assert_snapshot!(format!("{said:#}\n"));
}

#[test]
fn what_retention_has_dropped_is_named_and_nothing_is_made_up() {
    let world = lived();
    (0..30).for_each(|minute| world.tick(at(minute)));
    let kept = &world.config.infrastructure.retention;
    let [minutes, hours, days] = [kept.minute_days, kept.hour_days, kept.day_days].map(i64::from);
    let says = |rule: &str, now: i64| {
        let said = ask(&world, rule, at(5), at(now));
        let alert = said["alerts"].as_array().unwrap().last().unwrap().clone();
        (alert["verdict"].to_string(), alert["state"].to_string(), alert["says"].to_string(), said["missing"].to_string())
    };
    let (verdict, state, _, missing) = says("route-errors", minutes * DAY - 10);
    assert_eq!((verdict.as_str(), state.as_str(), missing.as_str()), (r#""holds""#, r#""firing""#, "[]"));
    let (verdict, state, text, missing) = says("route-errors", minutes * DAY + 10);
    assert_eq!((verdict.as_str(), state.as_str(), missing.as_str()), (r#""blind""#, r#""firing""#, "[]"));
    assert!(text.contains("the minutes from 2026-03-02T11:55:00.000Z on are no longer all stored: they are kept for 7 days"), "{text}");
    let (_, state, _, missing) = says("route-errors", hours * DAY + 10);
    assert!(state == r#""firing""# && missing.contains("Messages and silences"), "{state} {missing}");
    // Its last episode is the alert's own; of others nothing is left.
    let (_, state, _, missing) = says("latency-p95", days * DAY + 10);
    assert!(state == r#""not_stored""# && missing.contains("What fired then: it is kept for"), "{state} {missing}");
    let before = ask(&world, "route-errors", UnixMs(0), at(0));
    assert!(before["missing"][0].as_str().unwrap().starts_with("Parapet ticked first at 1970-01-01"), "{}", before["missing"]);
}

#[test]
fn a_moment_without_a_tick_says_so() {
    let world = lived();
    let last = |minute: i64| ask(&world, "route-errors", at(minute), at(DAY))["last_tick_at"].clone();
    assert_eq!(last(5), "2026-03-02T12:04:00.000Z");
    assert_eq!((last(44), last(45)), (json!("2026-03-02T12:29:00.000Z"), Value::Null));
}
