//! An alert that comes and goes is said to, once; people hear of it again when it has settled, and never believe what is not so.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::alert::respond::Act;
use parapet::config::alerting::{Escalation, EscalationStep, Flapping};
use proptest::prelude::*;
use world::{SLACK, World, at_s, switch};

/// One alert, which flaps at its third time in an hour and has settled after half an hour.
fn nervous() -> World {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.config.alerting.flapping = Some(Flapping { times: 3, within_ms: 3_600_000, settled_after_ms: 1_800_000 });
    world
}

fn minute(world: &mut World, minute: i64, value: f64) {
    let now = at_s(minute * 60);
    world.switches(now, [("s-one", value)]);
    world.run(now, now.plus(59_000));
}

/// The word of each message: FIRING, RESOLVED, FLAPPING …
fn words(world: &World) -> Vec<String> {
    world.http.titles(SLACK).iter().map(|title| title.split(' ').nth(1).unwrap().to_owned()).collect()
}

/// On and off every five minutes, three times and a half: it fires from minute 30 on, told as flapping at minute 20.
fn flapping(world: &mut World) {
    for at in 0..7 {
        for one in 0..5 {
            minute(world, at * 5 + one, if at % 2 == 0 { 1.0 } else { 0.0 });
        }
    }
}

#[test]
fn it_is_said_to_flap_and_to_be_over() {
    let mut world = nervous();
    flapping(&mut world);
    assert_eq!(words(&world), ["FIRING", "RESOLVED", "FIRING", "RESOLVED", "FLAPPING"]);
    for at in 35..70 {
        minute(&mut world, at, 0.0);
    }
    assert_eq!(words(&world)[5..], ["RESOLVED"]);
    let arrivals = world.http.arrivals.borrow();
    let texts =
        arrivals.iter().filter(|arrival| arrival.peer == SLACK).map(|arrival| arrival.body["blocks"][1]["text"]["text"].as_str().unwrap());
    let texts: Vec<&str> = texts.collect();
    insta::assert_snapshot!(format!("{}\n\n{}", texts[4], texts[5]).replace('\u{a0}', " "));
    assert_eq!(arrivals.last().unwrap().at, at_s(65 * 60), "half an hour after it ended at minute 35");
}

#[test]
fn it_is_said_to_fire_on_and_then_to_be_over() {
    let mut world = nervous();
    flapping(&mut world);
    for at in 35..80 {
        minute(&mut world, at, 1.0);
    }
    assert_eq!(words(&world)[4..], ["FLAPPING", "FIRING"]);
    minute(&mut world, 80, 0.0);
    assert_eq!(words(&world)[4..], ["FLAPPING", "FIRING", "RESOLVED"]);
    // From here on it is an alert like any other.
    minute(&mut world, 81, 1.0);
    assert_eq!(words(&world)[7..], ["FIRING"]);
}

#[test]
fn a_group_hears_the_same() {
    let mut world = nervous();
    world.config.alerting.routes[0].group_by = vec!["rule".into()];
    flapping(&mut world);
    assert_eq!(words(&world), ["FIRING", "RESOLVED", "FIRING", "RESOLVED", "FLAPPING"]);
    for at in 35..70 {
        minute(&mut world, at, 0.0);
    }
    assert_eq!(words(&world)[5..], ["RESOLVED"]);
}

#[test]
fn a_group_is_not_reminded_of_what_comes_and_goes_and_then_counts_from_when_it_settled() {
    let mut world = nervous();
    let route = &mut world.config.alerting.routes[0];
    (route.group_by, route.repeat_interval_ms) = (vec!["rule".into()], Some(40 * 60_000));
    flapping(&mut world);
    for at in 35..200 {
        minute(&mut world, at, if at < 150 && (at / 10) % 2 == 1 { 0.0 } else { 1.0 });
    }
    assert_eq!(words(&world)[4..], ["FLAPPING", "FIRING"], "flapped for two hours, settled half an hour after minute 140");
    for at in 200..300 {
        minute(&mut world, at, 1.0);
    }
    let heard = world.http.heard.borrow();
    let reminders: Vec<i64> =
        heard.iter().filter(|heard| heard.peer == SLACK).skip(5).map(|heard| heard.at.since(at_s(0)) / 60_000).collect();
    assert_eq!(reminders, [170, 211, 252, 293], "and from then on like any other");
}

#[test]
fn nobody_taking_it_it_escalates_and_whoever_has_it_has_it_until_it_settles() {
    for takes in [false, true] {
        let mut world = nervous();
        let step = |after_ms| EscalationStep { after_ms, notify: vec!["slack".into()] };
        let id = "all".to_owned();
        world.config.alerting.escalations =
            vec![Escalation { id, matchers: parapet::sorted::Map::default(), hours: None, steps: vec![step(600_000)], repeat_ms: 0 }];
        for at in 0..21 {
            minute(&mut world, at, if (at / 5) % 2 == 0 { 1.0 } else { 0.0 });
        }
        assert_eq!(words(&world).last().unwrap(), "FLAPPING");
        if takes {
            world.act(&Act::Acknowledge, at_s(20 * 60 + 30)).unwrap();
        }
        for at in 21..45 {
            minute(&mut world, at, if (at / 2) % 2 == 0 { 1.0 } else { 0.0 });
        }
        assert_eq!(words(&world).contains(&"ESCALATED".to_owned()), !takes, "{:?}", words(&world));
    }
}

#[test]
fn a_rule_that_is_removed_ends_it() {
    let mut world = nervous();
    flapping(&mut world);
    world.config.alerting.rules.clear();
    minute(&mut world, 35, 1.0);
    assert_eq!(words(&world)[4..], ["FLAPPING", "RESOLVED"]);
    for at in 36..90 {
        minute(&mut world, at, 1.0);
    }
    assert_eq!(words(&world).len(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn between_flapping_and_settled_there_is_quiet_and_the_last_word_is_true(
        spans in prop::collection::vec(1_i64..15, 1..30),
        grouped in prop::bool::ANY,
    ) {
        let mut world = nervous();
        if grouped {
            world.config.alerting.routes[0].group_by = vec!["rule".into()];
            // Longer than it ever fires without a break, 45 minutes, and shorter than it may flap.
            world.config.alerting.routes[0].repeat_interval_ms = Some(50 * 60_000);
        }
        let (mut now, mut value) = (0, 0.0);
        for span in spans {
            value = 1.0 - value;
            for _ in 0..span {
                minute(&mut world, now, value);
                now += 1;
            }
        }
        for _ in 0..31 {
            minute(&mut world, now, value);
            now += 1;
        }
        let words = words(&world);
        let last = if value > 0.5 { "FIRING" } else { "RESOLVED" };
        prop_assert_eq!(words.last().unwrap(), last);
        for pair in words.windows(2) {
            // Something new each time; FIRING after FLAPPING is that it settled.
            prop_assert_ne!(&pair[0], &pair[1], "{:?}", words);
        }
        let heard = world.http.heard.borrow();
        let slack: Vec<_> = heard.iter().filter(|heard| heard.peer == SLACK).collect();
        for pair in slack.windows(2).filter(|pair| pair[0].title.contains("FLAPPING")) {
            prop_assert!(pair[1].at.since(pair[0].at) >= 30 * 60_000, "{:?}", words);
        }
    }
}
