//! Stories of the channels beyond Slack, e-mail and Sentry: each vendor's own format, limits and errors, from traffic to what
//! people see there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::channel::Addresses;
use parapet::config::alerting::{Channel, PagerDutyRegion, Via};
use world::vendors::{self, CLOUDEVENTS, PAGERDUTY, STATUSPAGE, WEBHOOK};
use world::{EMAIL, Mood, World, at_s, error_rate, switch};

fn webhook() -> Via {
    Via::Webhook { secret: "WEBHOOK_URL".into(), signing_secret: "WEBHOOK_SIGNING_SECRET".into() }
}

fn pagerduty() -> Via {
    Via::Pagerduty { secret: "PAGERDUTY_ROUTING_KEY".into(), region: PagerDutyRegion::Us }
}

fn cloudevents() -> Via {
    Via::Cloudevents { secret: "CLOUDEVENTS_URL".into() }
}

fn statuspage() -> Via {
    let components = [("team=platform".to_owned(), "b13yz5g2cw10".to_owned())];
    Via::Statuspage { secret: "STATUSPAGE_API_KEY".into(), page: "kctbh9vrtdwd".into(), components: components.into() }
}

/// A world whose alerts go to `via` and to e-mail, which is told when `via` is dead.
fn world_with(via: Via, rules: Vec<parapet::config::alerting::Rule>) -> World {
    let mut world = World::with_rules(rules);
    world.config.alerting.channels.push(Channel { id: "under-test".into(), via, send_resolved: true });
    world.config.alerting.routes[0].channels = vec!["under-test".into(), "email".into()];
    world.addresses = Addresses::resolve(&world.config.alerting, world::secret);
    world
}

/// Ten minutes of one request in ten failing, then calm.
fn burst(via: Via) -> World {
    let mut world = world_with(via, vec![error_rate()]);
    world.traffic(at_s(-900), at_s(0), 100, 0);
    world.traffic(at_s(0), at_s(600), 90, 10);
    world.traffic(at_s(600), at_s(1_800), 100, 0);
    world
}

/// Outcomes and statuses of the attempts of the channel's first message, and everything written down of them.
fn attempts(world: &World) -> (Vec<(String, Option<u16>)>, String) {
    let (message, attempts) = world.delivery(&world.ids("under-test")[0]);
    let details = attempts.iter().filter_map(|attempt| attempt.detail.clone()).chain(message.detail).collect::<Vec<_>>().join("\n");
    (attempts.into_iter().map(|attempt| (attempt.outcome.as_str().to_owned(), attempt.status)).collect(), details)
}

/// Nothing that was stored holds a secret.
fn assert_no_secret_is_stored(world: &World) {
    let rows = ["SELECT * FROM outbox", "SELECT * FROM attempts", "SELECT * FROM channels", "SELECT * FROM alerts"];
    let stored = rows.iter().map(|sql| format!("{:?}", world.db.query(sql))).collect::<Vec<_>>().concat();
    for (binding, secret) in vendors::secrets() {
        let longest = secret.split(['/', '_', '=']).max_by_key(|part| part.len()).unwrap();
        assert!(!stored.contains(longest), "{binding}");
    }
}

#[test]
fn a_webhook_reader_gets_one_signed_group_that_fires_and_resolves() {
    let mut world = burst(webhook());
    world.run(at_s(-300), at_s(1_800));
    let titles = world.http.titles(WEBHOOK);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].starts_with("firing FIRING critical · API error rate"), "{titles:?}");
    assert!(titles[1].starts_with("resolved RESOLVED critical · API error rate after"), "{titles:?}");
    let groups: std::collections::BTreeSet<_> =
        world.http.heard.borrow().iter().filter(|heard| heard.peer == WEBHOOK).map(|heard| heard.alert.clone()).collect();
    assert_eq!(groups.len(), 1, "one group key");
}

#[test]
fn a_webhook_is_retried_under_the_same_id_with_a_timestamp_its_reader_still_takes() {
    // Well over the five minutes after which a reader refuses a timestamp.
    let mut world = world_with(webhook(), vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.http.next_moods(WEBHOOK, [vec![Mood::TakesThenCloses, Mood::Busy(7)], vec![Mood::Breaks; 7]].concat());
    world.run(at_s(0), at_s(3_600));
    assert_eq!(world.http.titles(WEBHOOK).len(), 1, "the reader drops what it has");
    let (outcomes, _) = attempts(&world);
    assert_eq!((outcomes.len(), outcomes.last().unwrap()), (10, &("delivered".to_owned(), Some(204))));
    assert_no_secret_is_stored(&world);
}

#[test]
fn a_webhook_that_is_gone_or_checks_another_key_is_dead_and_email_says_so() {
    let mut world = world_with(webhook(), vec![switch("s-one")]);
    let other = |name: &str| {
        if name == "WEBHOOK_SIGNING_SECRET" { Some("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()) } else { world::secret(name) }
    };
    world.addresses = Addresses::resolve(&world.config.alerting, other);
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    assert_eq!(attempts(&world).0, [("dead".to_owned(), Some(401))]);
    assert!(world.http.titles(EMAIL).iter().any(|title| title.contains("Notifications do not reach under-test")));
    assert_no_secret_is_stored(&world);
}

#[test]
fn pagerduty_pages_once_and_the_same_incident_ends_with_the_alert() {
    let mut world = burst(pagerduty());
    // The first answer is lost, so the trigger goes out twice; the resolve is delayed.
    world.http.next_moods(PAGERDUTY, [Mood::TakesThenTimesOut, Mood::Takes, Mood::Breaks, Mood::Busy(20)]);
    world.run(at_s(-300), at_s(1_800));
    let titles = world.http.titles(PAGERDUTY);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].starts_with("triggered FIRING critical · API error rate"), "{titles:?}");
    assert_eq!(titles[1], "resolved");
    assert_eq!(world.http.arrivals_at(PAGERDUTY).len(), 5);
    assert!(world.all_closed());
    assert_no_secret_is_stored(&world);
}

#[test]
fn an_alert_that_fires_again_is_a_new_incident_at_pagerduty() {
    let mut world = world_with(pagerduty(), vec![switch("s-one")]);
    for (at, value) in [(-5, 1.0), (115, 0.0), (235, 1.0), (355, 0.0)] {
        world.set("s-one", value, at_s(at));
    }
    world.run(at_s(0), at_s(500));
    let words: Vec<String> =
        world.http.titles(PAGERDUTY).iter().map(|title| title.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(words, ["triggered", "resolved", "triggered", "resolved"]);
}

#[test]
fn a_key_pagerduty_does_not_know_kills_the_channel_and_email_says_so() {
    let mut world = world_with(pagerduty(), vec![switch("s-one")]);
    let other = |name: &str| if name == "PAGERDUTY_ROUTING_KEY" { Some("X".repeat(32)) } else { world::secret(name) };
    world.addresses = Addresses::resolve(&world.config.alerting, other);
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    let (outcomes, details) = attempts(&world);
    assert_eq!(outcomes, [("dead".to_owned(), Some(400))]);
    assert!(details.contains("'routing_key' is invalid"), "{details}");
    assert!(world.http.titles(EMAIL).iter().any(|title| title.contains("Notifications do not reach under-test")));
}

#[test]
fn a_consumer_of_cloudevents_gets_each_event_once_even_when_its_answer_is_lost() {
    let mut world = burst(cloudevents());
    world.http.next_moods(CLOUDEVENTS, [Mood::TakesThenCloses, Mood::Busy(30)]);
    world.run(at_s(-300), at_s(1_800));
    let titles = world.http.titles(CLOUDEVENTS);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].starts_with("dev.parapet.alert.firing 21 FIRING critical · API error rate"), "{titles:?}");
    assert!(titles[1].starts_with("dev.parapet.alert.resolved 9 RESOLVED critical · API error rate"), "{titles:?}");
    assert!(world.all_closed());
    assert_no_secret_is_stored(&world);
}

#[test]
fn a_consumer_that_repeats_the_address_in_its_refusal_does_not_get_it_into_our_log() {
    let mut world = world_with(cloudevents(), vec![switch("s-one")]);
    let other = |name: &str| {
        if name == "CLOUDEVENTS_URL" {
            Some("https://events.example.com/alerts?access_token=oldeventsecret".into())
        } else {
            world::secret(name)
        }
    };
    world.addresses = Addresses::resolve(&world.config.alerting, other);
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    let (outcomes, details) = attempts(&world);
    assert_eq!(outcomes, [("dead".to_owned(), Some(401))]);
    assert!(details.contains("no such token: …") && !details.contains("oldeventsecret"), "{details}");
    assert!(world.http.titles(EMAIL).iter().any(|title| title.contains("Notifications do not reach under-test")));
}

#[test]
fn a_status_page_gets_an_incident_that_ends_with_the_alert_and_names_nothing_internal() {
    let mut world = burst(statuspage());
    world.http.next_moods(STATUSPAGE, [Mood::Breaks, Mood::Takes, Mood::Busy(30)]);
    world.run(at_s(-300), at_s(599));
    assert_eq!(world.http.memory.borrow().components["b13yz5g2cw10"], "major_outage");
    world.run(at_s(600), at_s(1_800));
    let titles = world.http.titles(STATUSPAGE);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert_eq!(titles[0], "investigating API error rate: Requests fail on our side: visitors see errors & cannot book.");
    assert!(titles[1].starts_with("resolved API error rate: Resolved after "), "{titles:?}");
    assert_eq!(world.http.memory.borrow().incidents.len(), 1);
    assert_eq!(world.http.memory.borrow().components["b13yz5g2cw10"], "operational");
    assert!(world.all_closed());
    assert_no_secret_is_stored(&world);
}

#[test]
fn an_alert_that_fires_again_is_a_new_incident_on_the_page_and_one_that_was_left_open_goes_on() {
    let mut world = world_with(statuspage(), vec![switch("s-one")]);
    for (at, value) in [(-5, 1.0), (115, 0.0), (235, 1.0), (355, 0.0), (475, 1.0), (595, 0.0)] {
        world.set("s-one", value, at_s(at));
    }
    // The second incident's end is refused.
    world.http.next_moods(STATUSPAGE, [Mood::Takes, Mood::Takes, Mood::Takes, Mood::Gone]);
    world.run(at_s(0), at_s(800));
    let states: Vec<String> = world.http.memory.borrow().incidents.iter().map(|(_, states)| states.join(" ")).collect();
    assert_eq!(states, ["investigating resolved", "investigating investigating resolved"]);
}

#[test]
fn the_end_of_an_incident_that_was_never_opened_is_not_published() {
    let mut world = world_with(statuspage(), vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.set("s-one", 0.0, at_s(115));
    world.http.next_moods(STATUSPAGE, [Mood::Gone]);
    world.run(at_s(0), at_s(300));
    assert!(world.http.titles(STATUSPAGE).is_empty(), "{:?}", world.http.titles(STATUSPAGE));
    let (ended, _) = world.delivery(&world.ids("under-test")[1]);
    assert_eq!((ended.state.as_str(), ended.detail.as_deref()), ("delivered", Some("nothing is open there")));
}
