//! What is explained of a rule, read as the person who asks.

use super::super::observe::Coverage;
use super::super::tick::{Seen, tick};
use super::*;
use crate::config::site::Environment;
use crate::storage::series::Slice;
use crate::storage::silences::{self, Silence};
use crate::storage::sqlite::{Failure, Sqlite, now_or_never};
use crate::telemetry::cell::Cell;
use crate::telemetry::series::{Kind, SeriesKey, name};
use crate::time::MINUTE_MS;

/// 2026-03-02T12:00:00Z.
pub(super) const NOON: UnixMs = UnixMs(1_772_452_800_000);

pub(super) fn at(minute: i64) -> UnixMs {
    NOON.plus(minute * MINUTE_MS)
}

pub(super) struct World {
    pub(super) config: Config,
    pub(super) addresses: Addresses,
    pub(super) db: Sqlite,
    pub(super) live: LiveWindow,
}

impl World {
    /// The shipped rules without Slack's default channel; of route /b half the requests fail.
    pub(super) fn new() -> Self {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
        let config = crate::config::read::folder(&folder, Environment::Production).unwrap();
        let set = |secret: &str| (secret != "SLACK_ALERTS_WEBHOOK").then(|| "https://peer.example/x".to_owned());
        let addresses = Addresses::resolve(&config.alerting, set);
        let request = |route: &str, class: &str| {
            SeriesKey::new(Kind::Counter, name::REQUESTS, vec![("route".into(), route.into()), ("class".into(), class.into())])
        };
        let cells = vec![
            (request("/a", "2xx"), Cell::count(900)),
            (request("/b", "2xx"), Cell::count(10)),
            (request("/b", "5xx"), Cell::count(10)),
        ];
        let slices = (-10..30).map(|minute| Slice { t: at(minute), cells: cells.clone() }).collect();
        Self { config, addresses, db: Sqlite::new(), live: LiveWindow { slices, coverage: Coverage::Whole } }
    }

    pub(super) fn tick(&self, now: UnixMs) {
        let report = now_or_never(tick(now, &self.config, &self.addresses, &self.db, &Seen { live: &self.live, config_problem: None }));
        assert_eq!(report.outcome.as_str(), "applied");
    }

    pub(super) fn explain(&self, rule: &str, now: UnixMs) -> Value {
        let rule = self.config.alerting.rules.iter().find(|known| known.id == rule).unwrap();
        now_or_never(explain(now, rule, (&self.config, &self.addresses), &self.db, &self.live)).unwrap()
    }
}

#[test]
fn a_firing_alert_says_what_it_looks_at_how_it_stands_who_was_told_and_what_became_of_it() {
    let world = World::new();
    (0..4).for_each(|minute| world.tick(at(minute)));
    insta::assert_snapshot!(format!("{:#}\n", world.explain("route-errors", at(4))));
}

#[test]
fn it_says_what_the_next_tick_would_do_and_writes_nothing() {
    let world = World::new();
    let now = |rule: &str, minute: i64| {
        let explained = world.explain(rule, at(minute));
        let alerts = explained["alerts"].as_array().unwrap();
        let one = alerts.iter().find(|alert| alert["labels"]["route"] != "/a").unwrap();
        (one["state"].as_str().unwrap().to_owned(), one["now"].as_str().unwrap().to_owned())
    };
    let said = |state: &str, transition: &str| (state.to_owned(), transition.to_owned());
    for _ in 0..2 {
        assert_eq!(now("route-errors", 0), said("inactive", "became_pending"));
    }
    world.tick(at(0));
    assert_eq!(now("route-errors", 1), said("pending", "still_pending"));
    assert_eq!(now("route-errors", 2), said("pending", "fired"));
    world.tick(at(2));
    assert_eq!(now("route-errors", 3), said("firing", "still_firing"));
    assert_eq!(now("latency-p95", 3), said("inactive", "quiet"));
}

#[test]
fn what_keeps_an_alert_quiet_is_named() {
    let world = World::new();
    let silence = Silence {
        id: "sil_1".into(),
        matchers: vec![crate::alert::matcher::Matcher::parse("rule=route-errors").unwrap()],
        reason: "load test".into(),
        author: "thandi".into(),
        created_by: "tok_1".into(),
        created_at: at(0),
        starts_at: at(0),
        ends_at: at(60),
        updated_at: at(0),
        withheld: 0,
    };
    now_or_never(world.db.batch(vec![silences::insert(&silence)])).unwrap();
    (0..4).for_each(|minute| world.tick(at(minute)));
    let explained = world.explain("route-errors", at(4));
    let alert = explained["alerts"].as_array().unwrap().iter().find(|alert| alert["labels"]["route"] == "/b").unwrap().clone();
    assert_eq!(alert["suppressed_by"], json!([{ "by": "silence", "id": "sil_1", "source": null }]));
    assert_eq!((&alert["withheld"]["id"], &alert["deliveries"]), (&json!("sil_1"), &json!([])));
}

#[test]
fn blindness_and_missing_data_are_told_apart_and_a_database_that_refuses_is_an_error() {
    let mut world = World::new();
    let new = &world.explain("bookings-missing", at(0))["alerts"][0];
    assert_eq!(new["says"], "Warming up: Parapet has watched for 0 s; the rule looks back 1 d.");
    let text = r#"{"since":1}"#; // a tick of a deployment that watched for long
    now_or_never(world.db.batch(vec![crate::storage::alerts::remember_tick(at(-1), text)])).unwrap();
    assert_eq!(world.explain("bookings-missing", at(0))["alerts"][0]["verdict"], "holds");
    assert_eq!(world.explain("conversion-low", at(0))["alerts"][0]["verdict"], "no_data");
    world.live.coverage = Coverage::Missing(vec![1]);
    let blind = &world.explain("route-errors", at(0))["alerts"][0];
    assert_eq!((&blind["verdict"], &blind["now"], &blind["looks"]), (&json!("blind"), &json!("quiet"), &json!([])));
    assert_eq!(blind["says"], "Nothing can be seen: Collector shards [1] did not answer.");
    world.db.fail_next(Failure::Refuse);
    let rule = &world.config.alerting.rules[0];
    assert!(now_or_never(explain(at(0), rule, (&world.config, &world.addresses), &world.db, &world.live)).is_err());
}
