//! Stories of alerts, from traffic to what people read: the real SQL, scripted peers, a clock the story moves.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::alert::observe::Coverage;
use parapet::alert::respond::Act;
use parapet::alert::tick::TickOutcome;
use parapet::channel::Addresses;
use parapet::config::alerting::{Bound, Route, Rule, Severity, Via, When};
use parapet::record::FromJson;
use world::{DbFault, EMAIL, Mood, SENTRY, SLACK, World, at_s, error_rate, sentry_channel, slack_channel, switch};

fn triples(of: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    of.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

fn burst() -> World {
    let mut world = World::with_rules(vec![error_rate()]);
    world.traffic(at_s(-900), at_s(0), 100, 0);
    world.traffic(at_s(0), at_s(600), 90, 10);
    world.traffic(at_s(600), at_s(1_800), 100, 0);
    world
}

#[test]
fn a_5xx_burst_makes_exactly_one_message_on_each_channel_and_recovery_one_resolved_each() {
    let mut world = burst();
    world.config.alerting.channels.push(sentry_channel("sentry"));
    world.config.alerting.routes[0].channels.push("sentry".into());
    world.addresses = Addresses::resolve(&world.config.alerting, world::secret);
    world.run(at_s(-300), at_s(1_800));
    let issues: std::collections::BTreeSet<_> = world.http.heard.borrow().iter().map(|heard| heard.alert.clone()).collect();
    assert_eq!(issues.len(), 1, "one fingerprint, so one issue");
    for peer in [SLACK, EMAIL, SENTRY] {
        let titles = world.http.titles(peer);
        assert_eq!(titles.len(), 2, "{titles:?}");
        assert!(titles[0].contains("FIRING critical · API error rate") && titles[0].contains("> 2 %"), "{titles:?}");
        assert!(titles[1].contains("RESOLVED critical · API error rate after"), "{titles:?}");
    }
    assert!(world.all_closed());
}

#[test]
fn a_burst_shorter_than_for_tells_nobody() {
    let mut world = World::with_rules(vec![error_rate()]);
    world.config.alerting.rules[0].for_ms = 900_000;
    world.traffic(at_s(-900), at_s(0), 100, 0);
    world.traffic(at_s(0), at_s(60), 90, 10);
    world.traffic(at_s(60), at_s(1_800), 100, 0);
    world.run(at_s(-300), at_s(1_800));
    assert!(world.http.heard.borrow().is_empty());
}

#[test]
fn running_the_same_tick_again_changes_nothing_and_an_older_one_is_harmless() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    assert_eq!(world.tick(at_s(0)).messages, 2);
    let before = world.db.query("SELECT * FROM outbox, alerts");
    assert_eq!(world.tick(at_s(0)).outcome, TickOutcome::AlreadyDone { last: at_s(0) });
    world.set("s-one", 0.0, at_s(-60));
    assert_eq!(world.tick(at_s(-60)).outcome, TickOutcome::AlreadyDone { last: at_s(0) });
    assert_eq!(world.db.query("SELECT * FROM outbox, alerts"), before);
}

#[test]
fn a_slack_that_is_busy_is_asked_again_after_the_time_it_named() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.http.next_moods(SLACK, [Mood::Busy(30)]);
    world.run(at_s(0), at_s(59));
    assert_eq!(world.http.arrivals_at(SLACK), [at_s(0), at_s(30)]);
    let (_, attempts) = world.delivery(&world.ids("slack")[0]);
    assert_eq!(
        attempts.iter().map(|attempt| (attempt.outcome.as_str(), attempt.status)).collect::<Vec<_>>(),
        [("retry", Some(429)), ("delivered", Some(200))]
    );
}

#[test]
fn faults_of_a_peer_delay_a_message_and_never_lose_or_double_it() {
    for (moods, heard) in [
        (vec![Mood::Breaks, Mood::Breaks], 1),
        (vec![Mood::TimesOut], 1),
        (vec![Mood::Unreachable, Mood::Breaks, Mood::Busy(1)], 1),
        // The peer took it and its answer was lost: the only way to hear it twice.
        (vec![Mood::TakesThenCloses], 2),
        (vec![Mood::TakesThenTimesOut], 2),
    ] {
        let mut world = World::with_rules(vec![switch("s-one")]);
        world.set("s-one", 1.0, at_s(-5));
        world.http.next_moods(SLACK, moods.clone());
        world.run(at_s(0), at_s(300));
        assert_eq!(world.http.titles(SLACK).len(), heard, "{moods:?}");
        assert_eq!(world.http.titles(EMAIL).len(), 1);
        assert!(world.all_closed());
    }
}

#[test]
fn a_provider_with_idempotency_keys_sends_one_email_even_when_its_answer_is_lost() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.http.next_moods(EMAIL, [Mood::TakesThenCloses, Mood::TakesThenTimesOut]);
    world.run(at_s(0), at_s(300));
    assert_eq!(world.http.titles(EMAIL).len(), 1);
}

#[test]
fn a_resolved_notice_waits_for_the_firing_one_and_is_retried_like_it() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.set("s-one", 0.0, at_s(55));
    world.http.next_moods(SLACK, vec![Mood::Breaks; 6]);
    world.run(at_s(0), at_s(1_200));
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].contains("FIRING") && titles[1].contains("RESOLVED"), "{titles:?}");
}

#[test]
fn a_dead_channel_is_told_by_another_one_at_once_and_its_recovery_too() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    world.set("s-one", 1.0, at_s(-5));
    world.http.next_moods(SLACK, [Mood::Gone]);
    world.run(at_s(0), at_s(59));
    assert!(world.http.titles(SLACK).is_empty());
    let titles = world.http.titles(EMAIL);
    assert!(titles.iter().any(|title| title.contains("Notifications do not reach slack")), "{titles:?}");
    assert_eq!(titles.len(), 2);
    // Somebody mends the webhook; the next message goes through, and the alert about the channel is over.
    world.set("s-two", 1.0, at_s(100));
    world.run(at_s(120), at_s(300));
    assert_eq!(world.http.titles(SLACK).len(), 1);
    let titles = world.http.titles(EMAIL);
    assert!(titles.iter().any(|title| title.contains("RESOLVED critical · Notifications do not reach slack")), "{titles:?}");
}

#[test]
fn a_redirect_is_not_followed_and_is_the_end_of_a_message() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.http.next_moods(SLACK, [Mood::Moves]);
    world.run(at_s(0), at_s(59));
    let (message, attempts) = world.delivery(&world.ids("slack")[0]);
    assert_eq!(message.state.as_str(), "dead");
    assert_eq!(attempts[0].detail.as_deref(), Some("answered 307: redirects are not followed"));
}

#[test]
fn a_channel_that_takes_nothing_for_ten_minutes_is_told_by_another_one_while_its_messages_are_kept() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.http.usual_mood(SLACK, Mood::Breaks);
    world.run(at_s(0), at_s(900));
    assert!(world.http.titles(EMAIL).iter().any(|title| title.contains("Notifications do not reach slack")));
    assert!(world.messages().contains(&("slack".into(), "first".into(), "due".into())));
    world.http.heal();
    world.run(at_s(960), at_s(3_600));
    assert_eq!(world.http.titles(SLACK).len(), 1);
    assert!(world.all_closed());
}

#[test]
fn after_a_day_of_refusals_a_message_is_given_up_and_never_before() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.http.usual_mood(SLACK, Mood::TimesOut);
    world.run(at_s(0), at_s(86_000));
    assert_eq!(world.delivery(&world.ids("slack")[0]).0.state.as_str(), "due");
    world.run(at_s(86_040), at_s(88_000));
    let (message, attempts) = world.delivery(&world.ids("slack")[0]);
    assert_eq!(message.state.as_str(), "dead");
    assert!(message.detail.unwrap().starts_with("given up after a day: no answer within"));
    assert!((80..130).contains(&attempts.len()), "{}", attempts.len());
}

#[test]
fn blindness_neither_resolves_nor_stays_silent() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    world.live.coverage = Coverage::Missing(vec![1]);
    world.set("s-one", 0.0, at_s(50));
    assert!(!world.tick(at_s(60)).is_clean());
    world.run(at_s(120), at_s(299));
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.len(), 2, "one for all rules, none resolved: {titles:?}");
    assert!(titles[1].contains("Parapet cannot see the site"));
    world.live.coverage = Coverage::Whole;
    world.set("s-one", 0.0, at_s(350));
    world.run(at_s(360), at_s(420));
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.iter().filter(|title| title.contains("RESOLVED")).count(), 2, "{titles:?}");
}

#[test]
fn a_broken_rule_raises_its_own_alert_and_stops_no_other() {
    let mut broken = switch("s-broken");
    if let When::Threshold { bound, .. } = &mut broken.when {
        *bound = Bound::OfTarget { target: "nobody-knows".into(), share: 0.8 };
    }
    let mut world = World::with_rules(vec![broken, switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    let titles = world.http.titles(SLACK);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles.iter().any(|title| title.contains("FIRING warning · Rule s-broken cannot be evaluated")));
    assert!(titles.iter().any(|title| title.contains("FIRING critical · Switch s-one")));
}

#[test]
fn a_rule_that_is_taken_away_while_it_fires_says_so() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    world.config.alerting.rules.clear();
    world.run(at_s(60), at_s(180));
    assert_eq!(
        world.messages(),
        triples(&[
            ("email", "first", "delivered"),
            ("slack", "first", "delivered"),
            ("email", "rule_removed", "delivered"),
            ("slack", "rule_removed", "delivered"),
        ])
    );
}

#[test]
fn a_channel_without_its_secret_is_off_named_and_never_silent() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.addresses = Addresses::resolve(&world.config.alerting, |name| world::secret(name).filter(|_| name != "SLACK_ALERTS_WEBHOOK"));
    assert_eq!(world.addresses.warnings(), ["channel slack is off: the secret SLACK_ALERTS_WEBHOOK is not set"]);
    // Only Slack is asked for: the alert goes out by e-mail all the same, and the log shows what did not.
    world.config.alerting.routes[0].channels = vec!["slack".into()];
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    assert_eq!(world.messages(), triples(&[("email", "first", "delivered"), ("slack", "first", "dead")]));
    let (message, _) = world.delivery(&world.ids("slack")[0]);
    assert_eq!(message.detail.as_deref(), Some("channel_off: the secret SLACK_ALERTS_WEBHOOK is not set"));
}

#[test]
fn a_burst_of_alerts_reaches_slack_one_a_second_and_email_does_not_wait_for_it() {
    let ids: Vec<String> = (0..10).map(|n| format!("s-{n}")).collect();
    let mut world = World::with_rules(ids.iter().map(|id| switch(id)).collect());
    for id in &ids {
        world.set(id, 1.0, at_s(-5));
    }
    world.run(at_s(0), at_s(59));
    let arrivals = world.http.arrivals_at(SLACK);
    assert_eq!(arrivals.len(), 10);
    assert!(arrivals.windows(2).all(|pair| pair[1].since(pair[0]) >= 1_000), "{arrivals:?}");
    assert!(world.http.arrivals_at(EMAIL).last().unwrap().since(at_s(0)) <= 5_000);
}

#[test]
fn two_ticks_at_once_have_the_effect_of_one() {
    use parapet::alert::tick::tick;
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    world.set("s-one", 1.0, at_s(-5));
    world.set("s-two", 1.0, at_s(-5));
    // Every order of the awaits of two ticks, at the same moment and at two.
    for order in 0..256_usize {
        for second in [at_s(0), at_s(35)] {
            let world = world.reborn();
            let turns: Vec<usize> = (0..8).map(|bit| order >> bit & 1).collect();
            let one = async { drop(tick(at_s(0), &world.config, &world.addresses, &world.db, &world.seen()).await) };
            let two = async { drop(tick(second, &world.config, &world.addresses, &world.db, &world.seen()).await) };
            world::interleave(vec![Box::pin(one), Box::pin(two)], &turns, None);
            assert_eq!(world.messages().len(), 4, "order {order:b}: {:?}", world.messages());
        }
    }
}

#[test]
fn a_database_that_refuses_a_tick_changes_nothing_and_one_that_loses_its_answer_changes_it_once() {
    for fault in [DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter] {
        let mut world = World::with_rules(vec![switch("s-one")]);
        world.set("s-one", 1.0, at_s(-5));
        // The first batch of a tick reads, the second asks what is usual of what begins, the third what is
        // around it, the fourth is its write.
        world.db.fail_next([DbFault::None, DbFault::None, DbFault::None, fault]);
        assert!(matches!(world.tick(at_s(0)).outcome, TickOutcome::Failed { .. }));
        assert_eq!(world.messages().len(), if fault == DbFault::LoseAfter { 2 } else { 0 });
        world.set("s-one", 1.0, at_s(5));
        world.run(at_s(10), at_s(69));
        assert_eq!(world.http.titles(SLACK).len(), 1);
        assert_eq!(world.http.titles(EMAIL).len(), 1);
    }
}

#[test]
fn an_answer_the_database_did_not_take_down_is_not_forgotten_and_the_message_not_sent_again() {
    for fault in [DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter] {
        let mut world = World::with_rules(vec![switch("s-one")]);
        world.set("s-one", 1.0, at_s(-5));
        world.tick(at_s(0));
        // Claim works; both records, and the next three tries to write them, do not.
        world.db.fail_next([DbFault::None, fault, fault, fault, fault, fault]);
        assert!(world.deliver(at_s(0)).problem.is_some());
        assert!(world.courier.has_unrecorded());
        for second in 0..100 {
            world.deliver(at_s(5 + second * 5));
        }
        assert!(!world.courier.has_unrecorded());
        assert_eq!(world.http.titles(SLACK).len(), 1, "{fault:?}");
        assert!(world.all_closed());
    }
}

#[test]
fn a_crash_between_the_batch_and_the_send_costs_at_most_the_lease() {
    use parapet::outbox::deliver::{Courier, LEASE_MS, round};
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.tick(at_s(0));
    let mut courier = Courier::default();
    let doomed = async {
        round(at_s(0), &world.config.alerting.channels, &world.addresses, &world.db, &world.http, &mut courier).await;
    };
    // Two awaits into the claim: it is written, nothing is sent.
    world::interleave(vec![Box::pin(doomed)], &[], Some(2));
    assert!(world.http.arrivals.borrow().is_empty());
    assert_eq!(world.messages(), triples(&[("email", "first", "leased"), ("slack", "first", "leased")]));
    assert!(world.deliver(at_s(1)).sent.is_empty());
    assert_eq!(world.deliver(at_s(0).plus(LEASE_MS)).sent.len(), 2);
    let (_, attempts) = world.delivery(&world.ids("slack")[0]);
    assert_eq!(attempts.iter().map(|attempt| attempt.outcome.as_str()).collect::<Vec<_>>(), ["unknown", "delivered"]);
}

#[test]
fn routes_pick_channels_by_labels_and_go_on_where_they_say_so() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    let mut security = slack_channel("security");
    security.via = Via::Slack { secret: "SLACK_SECURITY_WEBHOOK".into(), channel: None };
    world.config.alerting.channels.push(security);
    world.addresses = Addresses::resolve(&world.config.alerting, world::secret);
    world.config.alerting.rules[0].severity = Severity::Warning;
    let route = |matchers: &[(&str, &str)], channel: &str, goes_on| Route {
        matchers: matchers.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        channels: vec![channel.into()],
        r#continue: goes_on,
        ..Route::default()
    };
    world.config.alerting.routes = vec![
        route(&[("severity", "critical")], "email", false),
        route(&[("rule", "s-one"), ("severity", "warning")], "security", true),
        route(&[], "slack", false),
        route(&[], "email", false),
    ];
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    assert_eq!(world.messages(), triples(&[("security", "first", "delivered"), ("slack", "first", "delivered")]));
}

#[test]
fn a_sender_that_lost_its_lease_cannot_undo_what_another_one_did() {
    use parapet::outbox::deliver::{Courier, LEASE_MS, round};
    for (slow, heard, outcomes) in [
        // The slow one's peer refused, the quick one's took it: delivered it stays.
        ([Mood::Breaks, Mood::Takes], 1, ["retry", "delivered"]),
        // The slow one's peer took it after all: delivered, whatever the quick one met.
        ([Mood::Takes, Mood::Breaks], 1, ["delivered", "retry"]),
        ([Mood::Gone, Mood::Takes], 1, ["dead", "delivered"]),
    ] {
        let mut world = World::with_rules(vec![switch("s-one")]);
        world.config.alerting.routes[0].channels = vec!["slack".into()];
        world.set("s-one", 1.0, at_s(-5));
        world.tick(at_s(0));
        world.http.next_moods(SLACK, slow);
        let (mut first, mut second) = (Courier::default(), Courier::default());
        let channels = &world.config.alerting.channels;
        let later = at_s(0).plus(LEASE_MS);
        {
            let run = async { drop(round(at_s(0), channels, &world.addresses, &world.db, &world.http, &mut first).await) };
            let mut slow: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(run);
            world::poll_until(&mut slow, || !world.http.arrivals.borrow().is_empty());
            world::block_on(round(later, channels, &world.addresses, &world.db, &world.http, &mut second));
            world::block_on(slow);
        }
        let (message, attempts) = world.delivery(&world.ids("slack")[0]);
        assert_eq!(message.state.as_str(), "delivered", "{slow:?}");
        assert_eq!(attempts.iter().map(|attempt| attempt.outcome.as_str()).collect::<Vec<_>>(), outcomes);
        assert_eq!(world.http.titles(SLACK).len(), heard);
    }
}

#[test]
fn a_test_alert_goes_the_same_way_as_a_real_one() {
    use parapet::ports::Db;
    use parapet::storage::outbox::insert_free;
    use parapet::web::alerts::test_alert;
    let mut world = World::with_rules(vec![]);
    let asked = test_alert(br#"{"alert_type":"critical","message":"Does this arrive?"}"#, &world.config).unwrap();
    let messages = asked.messages(at_s(0), &world.config, &world.addresses).unwrap();
    // Asked for twice in one moment, it is written once.
    for _ in 0..2 {
        world::block_on(world.db.batch(insert_free(&messages, at_s(0)))).unwrap();
    }
    world.http.next_moods(SLACK, [Mood::Breaks]);
    world.run(at_s(0), at_s(59));
    assert_eq!(world.http.titles(EMAIL), ["TEST critical · Test alert · production"]);
    assert_eq!(world.http.titles(SLACK).len(), 1);
    let (_, attempts) = world.delivery(&messages[0].notification.id);
    assert_eq!(attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(), [Some(500), Some(200)]);
}

#[test]
fn a_long_window_is_read_from_stored_minutes_and_live_slices() {
    use parapet::config::alerting::{Aggregate, Compare, Over};
    use parapet::ports::Db;
    use parapet::storage::series::{Slice, write_minutes};
    use parapet::telemetry::cell::Cell;
    use parapet::telemetry::series::{Kind, SeriesKey};
    let mut hourly = switch("s-hour");
    hourly.when = When::Threshold {
        of: world::selector("bookings_total", &[]),
        aggregate: Aggregate::Sum,
        over: Over::Ms(3_600_000),
        compare: Compare::Below,
        bound: Bound::Value(360.0),
    };
    let mut world = World::with_rules(vec![hourly]);
    // It has watched for the whole window.
    assert_eq!(world.tick(at_s(-3_600)).messages, 0);
    let key = SeriesKey::new(Kind::Counter, "bookings_total", vec![]);
    // One booking in each 10 s: 360 an hour, not one fewer and none counted twice.
    let slice = |at, count| Slice { t: at_s(at), cells: vec![(key.clone(), Cell::count(count))] };
    let minutes: Vec<Slice> = (-120..0).map(|minute| slice(minute * 60, 6)).collect();
    world::block_on(world.db.batch(write_minutes(0, &minutes))).unwrap();
    world.live.slices = (-90..0).map(|ten| slice(ten * 10, 1)).collect();
    assert_eq!(world.tick(at_s(0)).messages, 0);
    world.live.slices.remove(80);
    let report = world.tick(at_s(1));
    assert_eq!(report.messages, 2, "{report:?}");
}

#[test]
fn a_new_deployment_says_that_nothing_comes_only_when_it_has_watched_for_the_whole_window() {
    use parapet::config::alerting::Over;
    let mut missing = switch("missing");
    missing.when = When::Absence { of: world::selector("bookings_total", &[]), over: Over::Ms(3_600_000) };
    // Nothing but the database remembers between ticks, so a restart is no new beginning.
    let world = World::with_rules(vec![missing]);
    for minute in 0..60 {
        let report = world.tick(at_s(minute * 60));
        assert_eq!((report.messages, report.verdicts.get("no_data").copied().unwrap_or_default()), (0, 1), "minute {minute}: {report:?}");
    }
    let report = world.tick(at_s(3_600));
    assert_eq!((report.messages, report.verdicts.get("holds").copied().unwrap_or_default(), report.since), (2, 1, at_s(0)), "{report:?}");
}

#[test]
fn a_report_that_does_not_know_the_first_tick_is_of_a_deployment_that_watched_for_long() {
    use parapet::config::alerting::Over;
    use parapet::ports::Db;
    let mut missing = switch("missing");
    missing.when = When::Absence { of: world::selector("bookings_total", &[]), over: Over::Ms(3_600_000) };
    let world = World::with_rules(vec![missing]);
    let older = parapet::storage::alerts::remember_tick(at_s(-60), r#"{"now":1,"outcome":"applied"}"#);
    world::block_on(world.db.batch(vec![older])).unwrap();
    assert_eq!(world.tick(at_s(0)).messages, 2);
}

#[test]
fn a_rule_is_evaluated_at_each_boundary_of_its_interval_late_if_need_be_and_holds_between() {
    let mut slow = switch("slow");
    slow.interval_ms = 600_000;
    let mut world = World::with_rules(vec![slow]);
    let mut at = |seconds, value| {
        world.set("slow", value, at_s(seconds - 1));
        let report = world.tick(at_s(seconds));
        let evaluated: usize = report.verdicts.values().sum();
        (evaluated, report.messages, report.happenings.first().map_or("", |happening| happening.transition.as_str()))
    };
    // The first tick evaluates, whatever the moment; noon and ten past are boundaries.
    assert_eq!(at(60, 0.0), (1, 0, ""));
    assert_eq!(at(540, 1.0), (0, 0, ""));
    // No tick came at ten past: the next one is late for it, once.
    assert_eq!(at(660, 1.0), (1, 2, "fired"));
    assert_eq!(at(720, 0.0), (0, 0, "still_firing"));
    assert_eq!(at(1_140, 0.0), (0, 0, "still_firing"));
    assert_eq!(at(1_200, 0.0), (1, 2, "resolved"));
    assert_eq!(at(1_260, 1.0), (0, 0, ""));
}

#[test]
fn a_tick_that_could_not_see_is_no_evaluation_so_the_next_one_makes_up_for_it() {
    let mut slow = switch("slow");
    slow.interval_ms = 3_600_000;
    let mut world = World::with_rules(vec![slow]);
    world.set("slow", 1.0, at_s(50));
    world.live.coverage = parapet::alert::observe::Coverage::Missing(vec![0]);
    assert_eq!(world.tick(at_s(0)).verdicts.get("blind").copied().unwrap_or_default(), 1);
    world.live.coverage = parapet::alert::observe::Coverage::Whole;
    let report = world.tick(at_s(60));
    assert_eq!((report.verdicts.get("holds").copied().unwrap_or_default(), report.messages), (1, 2), "{report:?}");
    assert!(world.tick(at_s(120)).verdicts.is_empty());
}

#[test]
fn a_tick_that_did_not_come_for_five_minutes_is_told_by_the_next_one_and_never_by_the_first() {
    use parapet::config::alerting::{Aggregate, Compare, NoData, Over};
    let mut stalled = switch("s-ticks");
    stalled.when = When::Threshold {
        of: world::selector("parapet_tick_age_seconds", &[]),
        aggregate: Aggregate::Last,
        over: Over::Ms(60_000),
        compare: Compare::Above,
        bound: Bound::Value(300.0),
    };
    stalled.no_data = NoData::Ok;
    let mut world = World::with_rules(vec![stalled]);
    assert_eq!(world.tick(at_s(0)).messages, 0);
    assert_eq!(world.tick(at_s(60)).messages, 0);
    assert_eq!(world.tick(at_s(420)).messages, 2);
    world.run(at_s(480), at_s(539));
    assert_eq!(world.http.titles(EMAIL).len(), 2);
}

#[test]
fn a_silenced_alert_tells_nobody_and_what_it_would_have_told_is_counted() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    let silence = world.silence("rule=s-one", at_s(-60), at_s(3_600));
    world.set("s-one", 1.0, at_s(-5));
    let report = world.tick(at_s(0));
    assert_eq!((report.messages, report.withheld), (0, 1));
    let happened = report.happenings.iter().find(|happening| happening.rule == "s-one").unwrap();
    assert_eq!(happened.withheld.as_ref().map(|why| (why.by.as_str(), why.id.as_str())), Some(("silence", silence.as_str())));
    // It fires on, ends and fires again, all in silence; another rule's alert is told as ever.
    world.set("s-one", 1.0, at_s(55));
    assert_eq!(world.tick(at_s(60)).withheld, 0);
    world.set("s-one", 0.0, at_s(115));
    world.set("s-two", 1.0, at_s(115));
    world.run(at_s(120), at_s(179));
    world.set("s-one", 1.0, at_s(175));
    world.run(at_s(180), at_s(239));
    assert_eq!(world.messages(), triples(&[("email", "first", "delivered"), ("slack", "first", "delivered")]));
    assert!(world.http.titles(SLACK)[0].contains("Switch s-two"));
    let one = (silence.as_str(), "silence", "s-one");
    assert_eq!(world.withheld(), triples(&[one, one]));
}

#[test]
fn a_silence_that_ends_while_its_alert_fires_is_made_up_for_once() {
    for (ends, told_at) in [(None, 600), (Some(300), 300)] {
        let mut world = World::with_rules(vec![switch("s-one")]);
        let silence = world.silence("rule=s-one", at_s(0), at_s(600));
        world.set("s-one", 1.0, at_s(-5));
        world.run(at_s(0), at_s(239));
        assert!(world.http.heard.borrow().is_empty());
        if let Some(at) = ends {
            world.end_silence(&silence, at_s(at));
        }
        for minute in 4..30 {
            world.live.slices.clear();
            world.set("s-one", if minute < 20 { 1.0 } else { 0.0 }, at_s(minute * 60 - 5));
            world.run(at_s(minute * 60), at_s(minute * 60 + 59));
        }
        assert_eq!(world.http.arrivals_at(SLACK), [at_s(told_at), at_s(1_200)]);
        let titles = world.http.titles(SLACK);
        assert!(titles[0].contains("FIRING") && titles[1].contains("RESOLVED"), "{titles:?}");
    }
}

#[test]
fn a_silence_that_ends_while_we_are_blind_is_made_up_for_all_the_same() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.silence("rule=s-one", at_s(0), at_s(120));
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    world.live.coverage = Coverage::Missing(vec![0]);
    world.run(at_s(60), at_s(119));
    assert!(world.http.heard.borrow().is_empty());
    world.run(at_s(120), at_s(179));
    assert!(world.http.titles(SLACK).iter().any(|title| title.contains("FIRING critical · Switch s-one")));
}

#[test]
fn the_end_of_an_alert_people_know_of_is_told_also_in_silence() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    world.silence("severity=critical", at_s(60), at_s(3_600));
    world.set("s-one", 1.0, at_s(55));
    assert_eq!(world.tick(at_s(60)).withheld, 0);
    world.set("s-one", 0.0, at_s(115));
    world.run(at_s(120), at_s(179));
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 2 && titles[1].contains("RESOLVED"), "{titles:?}");
    assert!(world.withheld().is_empty());
}

#[test]
fn maintenance_in_its_own_zone_keeps_quiet_and_its_end_is_made_up_for() {
    use parapet::config::alerting::{Maintenance, Span, Weekday};
    let mut world = World::with_rules(vec![switch("s-one")]);
    // The story begins on a Monday at 14:00 in Johannesburg, which is noon in UTC.
    world.config.alerting.maintenance = vec![Maintenance {
        id: "weekly-upgrade".into(),
        matchers: vec!["rule=s-*".into()],
        days: vec![Weekday::Mon],
        hours: Span { from: "13:30".into(), to: "14:10".into() },
        zone: "Africa/Johannesburg".into(),
        reason: "the database is upgraded".into(),
        author: "operations".into(),
        expires: "2026-03-02".into(),
    }];
    world.set("s-one", 1.0, at_s(-5));
    for minute in 0..15 {
        world.set("s-one", 1.0, at_s(minute * 60 - 5));
        world.run(at_s(minute * 60), at_s(minute * 60 + 59));
    }
    assert_eq!(world.http.arrivals_at(SLACK), [at_s(600)]);
    assert_eq!(world.withheld(), triples(&[("weekly-upgrade", "maintenance", "s-one")]));
}

#[test]
fn people_hear_of_the_cause_and_of_its_consequence_only_if_that_stays() {
    use parapet::config::alerting::Inhibition;
    let mut world = World::with_rules(vec![switch("s-all"), switch("s-db")]);
    let (source, target) = (vec!["rule=s-db".to_owned()], vec!["severity=critical".to_owned()]);
    world.config.alerting.inhibitions = vec![Inhibition { id: "db-explains".into(), source, target, equal: vec![] }];
    // Both begin in the same tick; which one is looked at first makes no difference.
    world.set("s-all", 1.0, at_s(-5));
    world.set("s-db", 1.0, at_s(-5));
    world.run(at_s(0), at_s(59));
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 1 && titles[0].contains("Switch s-db"), "{titles:?}");
    assert_eq!(world.withheld(), triples(&[("db-explains", "inhibition", "s-all")]));
    world.set("s-all", 1.0, at_s(55));
    world.set("s-db", 0.0, at_s(55));
    world.run(at_s(60), at_s(119));
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 3 && titles.iter().any(|title| title.contains("FIRING critical · Switch s-all")), "{titles:?}");
}

#[test]
fn what_needs_the_database_is_told_only_if_it_stays_when_the_database_is_back() {
    let needs = parapet::config::alerting::Rule { depends_on: vec!["s-db".to_owned()], ..switch("s-all") };
    let mut world = World::with_rules(vec![needs, switch("s-db")]);
    let mut minute = |database: f64, at: i64| {
        world.live.slices.clear();
        world.set("s-all", 1.0, at_s(at - 5));
        world.set("s-db", database, at_s(at - 5));
        world.run(at_s(at), at_s(at + 59));
        (world.http.titles(SLACK), world.withheld())
    };
    let (titles, withheld) = minute(1.0, 0);
    assert!(titles.len() == 1 && titles[0].contains("Switch s-db"), "{titles:?}");
    assert_eq!(withheld, triples(&[("s-db", "dependency", "s-all")]));
    let (titles, _) = minute(1.0, 60);
    assert_eq!(titles.len(), 1, "{titles:?}");
    let (titles, _) = minute(0.0, 120);
    assert!(titles.len() == 3 && titles.iter().any(|title| title.contains("FIRING critical · Switch s-all")), "{titles:?}");
}

#[test]
fn the_first_message_of_another_rule_goes_ahead_of_a_storm() {
    let storm = parapet::config::alerting::Rule { id: "s-storm".into(), by: vec!["route".into()], for_ms: 0, ..error_rate() };
    let mut world = World::with_rules(vec![storm, switch("s-early"), switch("s-late")]);
    let titles = |world: &World| world.http.titles(SLACK);
    // Slack takes a message a second. The storm comes in five gusts, too small for a digest each. One other rule begins with it,
    // a second one twenty seconds into it.
    world.set("s-early", 1.0, at_s(-5));
    for gust in 0..5 {
        for route in gust * 9..gust * 9 + 9 {
            world.traffic_to(&format!("/{route}"), at_s(-300), at_s(120), 5, 5);
        }
        world.tick(at_s(gust - 5));
    }
    let mut now = at_s(0);
    while now < at_s(120) {
        if now == at_s(20) {
            world.set("s-late", 1.0, at_s(15));
            world.tick(now);
        }
        world.deliver(now);
        now = now.plus(1_000);
    }
    let place = |rule: &str| titles(&world).iter().position(|title| title.contains(&format!("Switch {rule}"))).unwrap();
    assert!(place("s-early") <= 1, "{:?}", titles(&world));
    assert_eq!(place("s-late"), 20, "{:?}", titles(&world));
    // And nobody waits for ever.
    assert_eq!(titles(&world).len(), 47);
}

/// Mondays in Johannesburg, where it is 14:00.
fn interval(id: &str, from: &str, to: &str) -> parapet::config::alerting::TimeInterval {
    use parapet::config::alerting::{Hours, Span, TimeInterval, Weekday};
    let hours = Span { from: from.into(), to: to.into() };
    TimeInterval { id: id.into(), hours: Hours { days: vec![Weekday::Mon], hours, zone: "Africa/Johannesburg".into() } }
}

#[test]
fn a_route_that_is_muted_tells_what_still_fires_when_it_opens_and_what_ended_not_at_all() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    let everything = world.config.alerting.routes.remove(0);
    let to = |channel: &str, mute: &[&str], active: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (mute_times, active_times) = (names(mute), names(active));
        parapet::config::alerting::Route {
            channels: vec![channel.into()],
            r#continue: true,
            mute_times,
            active_times,
            ..everything.clone()
        }
    };
    world.config.alerting.time_intervals = vec![interval("lunch", "13:30", "14:10"), interval("afternoon", "14:05", "18:00")];
    world.config.alerting.routes = vec![to("slack", &["lunch"], &[]), to("email", &[], &["afternoon"])];
    for minute in 0..15 {
        world.live.slices.clear();
        world.set("s-one", 1.0, at_s(minute * 60 - 5));
        world.set("s-two", if minute < 7 { 1.0 } else { 0.0 }, at_s(minute * 60 - 5));
        world.run(at_s(minute * 60), at_s(minute * 60 + 59));
    }
    let heard: Vec<(String, String, i64)> =
        world.http.heard.borrow().iter().map(|heard| (heard.peer.clone(), heard.title.clone(), heard.at.since(at_s(0)) / 60_000)).collect();
    let minutes = |peer: &str| -> Vec<i64> { heard.iter().filter(|(at, _, _)| at == peer).map(|(_, _, minute)| *minute).collect() };
    // By e-mail both at 14:05, and the end of one at 14:07; Slack hears at 14:10 of the other alone, whose end nobody has seen.
    assert_eq!(minutes(EMAIL), [5, 5, 7], "{heard:?}");
    assert_eq!(minutes(SLACK), [10], "{heard:?}");
    assert!(heard.iter().all(|(peer, title, _)| peer == EMAIL || title.contains("FIRING critical · Switch s-one")), "{heard:?}");
}

#[test]
fn a_muted_alert_does_not_escalate_before_anybody_was_told() {
    use parapet::config::alerting::{Escalation, EscalationStep};
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.config.alerting.time_intervals = vec![interval("lunch", "13:30", "14:10")];
    world.config.alerting.routes[0].channels = vec!["slack".into()];
    world.config.alerting.routes[0].mute_times = vec!["lunch".into()];
    let steps = vec![EscalationStep { after_ms: 180_000, notify: vec!["email".into()] }];
    world.config.alerting.escalations = vec![Escalation { id: "all".into(), matchers: [].into(), hours: None, steps, repeat_ms: 0 }];
    for minute in 0..20 {
        world.live.slices.clear();
        world.set("s-one", if minute < 16 { 1.0 } else { 0.0 }, at_s(minute * 60 - 5));
        world.run(at_s(minute * 60), at_s(minute * 60 + 59));
    }
    // Told when the route opens, escalated three minutes later, and both hear of the end.
    assert_eq!(world.http.arrivals_at(SLACK), [at_s(600), at_s(960)]);
    assert_eq!(world.http.arrivals_at(EMAIL), [at_s(780), at_s(960)]);
}

#[test]
fn a_long_silence_is_called_to_mind_before_it_ends_if_its_alert_still_fires() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    world.silence("rule=s-one", at_s(0), at_s(3_600));
    world.silence("rule=s-two", at_s(0), at_s(3_600));
    for minute in 0..62 {
        world.live.slices.clear();
        world.set("s-one", 1.0, at_s(minute * 60 - 5));
        world.set("s-two", 0.0, at_s(minute * 60 - 5));
        world.run(at_s(minute * 60), at_s(minute * 60 + 59));
    }
    let titles = world.http.titles(EMAIL);
    let told = |what: &str| titles.iter().filter(|title| title.contains(what)).count();
    assert_eq!((told("FIRING info · A silence ends soon"), told("FIRING critical · Switch s-one"), titles.len()), (1, 1, 3), "{titles:?}");
    assert_eq!(world.http.arrivals_at(EMAIL)[0], at_s(2_700));
}

#[test]
fn what_a_tick_reports_is_one_plain_record() {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.set("s-one", 1.0, at_s(-5));
    insta::assert_snapshot!(serde_json::to_string_pretty(&world.tick(at_s(0))).unwrap());
}

#[test]
fn one_alert_for_each_route_that_fails_and_each_ends_by_itself() {
    let by_route = Rule { by: vec!["route".to_owned()], recovery: Some(0.005), ..error_rate() };
    let mut world = World::with_rules(vec![by_route]);
    world.traffic_to("/search", at_s(-300), at_s(1_800), 20, 0);
    world.traffic_to("/bookings", at_s(-300), at_s(300), 5, 5);
    world.traffic_to("/bookings", at_s(300), at_s(1_800), 10, 0);
    world.traffic_to("/payments", at_s(-300), at_s(600), 5, 5);
    // Below the bound, and not yet below the level of recovery: it goes on.
    world.traffic_to("/payments", at_s(600), at_s(1_200), 99, 1);
    world.traffic_to("/payments", at_s(1_200), at_s(1_800), 100, 0);
    world.run(at_s(0), at_s(1_800));
    let titles = world.http.titles(SLACK);
    let told =
        |word: &str, route: &str| titles.iter().filter(|title| title.contains(word) && title.contains(&format!("route={route}"))).count();
    assert_eq!(titles.len(), 4, "{titles:?}");
    for route in ["/bookings", "/payments"] {
        assert_eq!((told("FIRING", route), told("RESOLVED", route)), (1, 1), "{titles:?}");
    }
    let lasted = |route: &str| titles.iter().find(|title| title.contains("RESOLVED") && title.contains(route)).cloned().unwrap();
    assert!(lasted("/bookings").contains("after 10 min"), "{titles:?}");
    assert!(lasted("/payments").contains("after 23 min"), "{titles:?}");
}

#[test]
fn a_rules_texts_say_what_its_alert_has_on_every_channel() {
    let summary = "{{ value }} of requests to {{ labels.route }} fail; people cannot book.".to_owned();
    let description = "Beyond {{ threshold }} since {{ since }}: see {{ labels.team }}.".to_owned();
    let annotations = [("description".to_owned(), description)].into();
    let mut world = World::with_rules(vec![Rule { by: vec!["route".to_owned()], summary, annotations, for_ms: 0, ..error_rate() }]);
    world.traffic_to("/bookings", at_s(-300), at_s(300), 9, 1);
    world.traffic_to("/bookings", at_s(300), at_s(1_200), 100, 0);
    world.run(at_s(0), at_s(1_200));
    for peer in [SLACK, EMAIL] {
        let bodies: Vec<String> =
            world.http.arrivals.borrow().iter().filter(|arrival| arrival.peer == peer).map(|arrival| arrival.body.to_string()).collect();
        assert_eq!(bodies.len(), 2, "{bodies:?}");
        let says = |body: &str, text: &str| body.replace('\u{a0}', " ").contains(text);
        assert!(says(&bodies[0], "10 % of requests to /bookings fail; people cannot book."), "{}", bodies[0]);
        assert!(says(&bodies[0], "Beyond 2 % since 14:00 SAST: see platform."), "{}", bodies[0]);
        assert!(says(&bodies[1], "10 % of requests to /bookings fail"), "what is over tells its worst: {}", bodies[1]);
    }
}

#[test]
fn what_was_usual_a_week_ago_is_said_from_the_first_message_to_the_last() {
    use parapet::ports::Db;
    use parapet::storage::series::write_minutes;
    let by_route = Rule { by: vec!["route".to_owned()], ..error_rate() };
    let mut world = World::with_rules(vec![by_route]);
    // A week ago, in the same hour: 4 of 1,000 on this route, and another route that was worse.
    let week_s = 7 * 86_400;
    world.traffic_to("/bookings", at_s(-600 - week_s), at_s(-590 - week_s), 996, 4);
    world.traffic_to("/other", at_s(-600 - week_s), at_s(-590 - week_s), 50, 50);
    let minutes = std::mem::take(&mut world.live.slices);
    world::block_on(world.db.batch(write_minutes(0, &minutes))).unwrap();
    world.traffic_to("/bookings", at_s(-300), at_s(600), 9, 1);
    world.traffic_to("/new", at_s(-300), at_s(600), 9, 1);
    world.traffic_to("/bookings", at_s(600), at_s(1_200), 100, 0);
    world.run(at_s(0), at_s(1_200));
    let arrivals = world.http.arrivals.borrow();
    let said = |route: &str| -> Vec<String> {
        let texts = arrivals.iter().filter(|arrival| arrival.peer == SLACK).map(|arrival| arrival.body.to_string().replace('\u{a0}', " "));
        texts.filter(|text| text.contains(&format!("route={route}"))).collect()
    };
    assert_eq!(said("/bookings").len(), 2);
    assert!(said("/bookings").iter().all(|text| text.contains("*Normal*\\n0.4 %")), "{:?}", said("/bookings"));
    assert!(said("/new").iter().all(|text| !text.contains("Normal")), "nothing is known of it: {:?}", said("/new"));
}

#[test]
fn a_rule_that_learns_reads_weeks_of_hours_and_tells_what_is_usual() {
    use parapet::ports::Db;
    use parapet::storage::series::{Slice, write_minutes};
    use parapet::telemetry::cell::Cell;
    use parapet::telemetry::series::{Kind, SeriesKey};
    let key = |name: &str| SeriesKey::new(Kind::Counter, name, vec![]);
    let rule = serde_json::json!({"anomaly": {"of": {"series": "bookings_total"}, "aggregate": "sum", "finds": "fewer"}});
    let mut unusual = switch("unusual");
    (unusual.when, unusual.interval_ms) = (When::from_json(rule).unwrap(), 600_000);
    let mut world = World::with_rules(vec![unusual]);
    // Five weeks of ten an hour, then none for two hours; hours in which Parapet itself was down are not among them.
    let hour = |hour: i64| {
        let bookings = (hour < 0).then(|| (key("bookings_total"), Cell::count(10)));
        let cells: Vec<_> = bookings.into_iter().chain([(key("parapet_ticks_total"), Cell::count(60))]).collect();
        Slice { t: at_s(hour * 3_600), cells }
    };
    let slices: Vec<Slice> = (-840..2).filter(|at| !(-100..-90).contains(at)).map(hour).collect();
    world::block_on(world.db.batch(write_minutes(0, &slices))).unwrap();
    let mut at_minute = |minute: i64| {
        let report = world.tick(at_s(minute * 60));
        world.deliver(at_s(minute * 60));
        report.verdicts.into_iter().filter(|(_, n)| *n > 0).map(|(verdict, _)| verdict).collect::<Vec<_>>()
    };
    assert_eq!(at_minute(60), ["does_not_hold"], "the hour that just ended is not surely written");
    assert!(at_minute(65).is_empty(), "it is not due");
    assert_eq!(at_minute(70), ["holds"]);
    assert_eq!(at_minute(200), ["no_data"], "the third hour has no ticks: Parapet was down, and nobody can say");
    let arrivals = world.http.arrivals.borrow();
    let said: Vec<String> =
        arrivals.iter().filter(|arrival| arrival.peer == SLACK).map(|arrival| arrival.body.to_string().replace('\u{a0}', " ")).collect();
    assert_eq!(said.len(), 1, "it fires on: {said:?}");
    assert!(said[0].contains("*Normal*\\n10\"") && said[0].contains("*Value*\\n0 over 1 h"), "{}", said[0]);
}

#[test]
fn blindness_ends_no_routes_alert_and_a_route_without_traffic_is_well() {
    let by_route = Rule { by: vec!["route".to_owned()], ..error_rate() };
    let mut world = World::with_rules(vec![by_route]);
    world.traffic_to("/bookings", at_s(-300), at_s(240), 5, 5);
    world.run(at_s(0), at_s(180));
    assert_eq!(world.http.titles(SLACK).len(), 1);
    world.live.coverage = Coverage::Missing(vec![0]);
    world.run(at_s(240), at_s(300));
    assert_eq!(world.http.titles(SLACK).len(), 1, "what cannot be seen has not ended");
    world.live.coverage = Coverage::Whole;
    world.run(at_s(360), at_s(600));
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 2 && titles[1].contains("RESOLVED"), "{titles:?}");
}

fn escalating(steps: &serde_json::Value) -> World {
    let mut world = World::with_rules(vec![switch("s-one")]);
    world.config.alerting.channels.push(slack_channel("lead"));
    world.config.alerting.escalations =
        vec![FromJson::from_json(serde_json::json!({"id": "policy", "steps": steps, "repeat_ms": 1_800_000})).unwrap()];
    world.addresses = Addresses::resolve(&world.config.alerting, world::secret);
    world
}

#[test]
fn an_alert_nobody_takes_is_told_to_the_next_until_somebody_has_it() {
    let mut world =
        escalating(&serde_json::json!([{"after_ms": 600_000, "notify": ["lead"]}, {"after_ms": 1_200_000, "notify": ["email"]}]));
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(599));
    assert_eq!(world.messages(), triples(&[("email", "first", "delivered"), ("slack", "first", "delivered")]));
    world.run(at_s(600), at_s(900));
    assert_eq!(world.messages().last(), triples(&[("lead", "escalated", "delivered")]).last());
    assert!(world.http.titles(SLACK).last().unwrap().contains("ESCALATED critical"), "{:?}", world.http.titles(SLACK));
    let taken = world.act(&Act::Acknowledge, at_s(930)).unwrap();
    assert_eq!(taken.response.unwrap().by, "Thandi");
    world.run(at_s(960), at_s(7_200));
    let since: Vec<_> = world.messages().into_iter().skip(3).collect();
    assert_eq!(
        since,
        triples(&[("email", "acknowledged", "delivered"), ("lead", "acknowledged", "delivered"), ("slack", "acknowledged", "delivered")]),
        "everybody who was told hears it, and then nobody hears more"
    );
    world.set("s-one", 0.0, at_s(7_210));
    world.run(at_s(7_260), at_s(7_320));
    let ended: Vec<_> = world.messages().into_iter().skip(6).collect();
    assert_eq!(
        ended,
        triples(&[("email", "resolved", "delivered"), ("lead", "resolved", "delivered"), ("slack", "resolved", "delivered")])
    );
}

#[test]
fn a_snooze_that_ends_tells_them_again_and_the_escalation_begins_anew() {
    let mut world = escalating(&serde_json::json!([{"after_ms": 600_000, "notify": ["lead"]}]));
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(60));
    world.act(&Act::Snooze { until: at_s(1_800) }, at_s(90)).unwrap();
    world.run(at_s(120), at_s(1_799));
    assert_eq!(world.messages().len(), 4, "two first, two acknowledged: {:?}", world.messages());
    world.run(at_s(1_800), at_s(2_399));
    let reasons = |world: &World| world.messages().into_iter().map(|(_, reason, _)| reason).skip(4).collect::<Vec<_>>();
    assert_eq!(reasons(&world), ["still_firing", "still_firing"]);
    world.run(at_s(2_400), at_s(2_460));
    assert_eq!(reasons(&world), ["still_firing", "still_firing", "escalated"]);
}

#[test]
fn what_is_kept_quiet_or_over_does_not_escalate() {
    let mut world = escalating(&serde_json::json!([{"after_ms": 600_000, "notify": ["lead"]}]));
    world.set("s-one", 1.0, at_s(-5));
    world.run(at_s(0), at_s(60));
    world.silence("rule=s-one", at_s(90), at_s(1_200));
    world.run(at_s(120), at_s(1_199));
    assert_eq!(world.messages().len(), 2, "{:?}", world.messages());
    world.set("s-one", 0.0, at_s(1_199));
    world.run(at_s(1_200), at_s(7_200));
    let reasons: Vec<_> = world.messages().into_iter().map(|(_, reason, _)| reason).collect();
    assert_eq!(reasons, ["first", "first", "resolved", "resolved"]);
}

#[test]
fn an_act_and_a_tick_at_once_lose_neither() {
    for turns in [[0, 1, 0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1, 0, 0]] {
        let mut world = escalating(&serde_json::json!([{"after_ms": 600_000, "notify": ["lead"]}]));
        world.set("s-one", 1.0, at_s(-5));
        world.run(at_s(0), at_s(540));
        world.act_during_tick(&Act::Acknowledge, at_s(600), &turns);
        world.run(at_s(660), at_s(3_000));
        let escalated = world.messages().iter().filter(|(_, reason, _)| reason == "escalated").count();
        let acknowledged = world.messages().iter().filter(|(_, reason, _)| reason == "acknowledged").count();
        assert!(escalated <= 1, "{turns:?}: at most the step that was due at that moment: {:?}", world.messages());
        assert_eq!(acknowledged, 2 + escalated, "{turns:?}: everybody who was told: {:?}", world.messages());
    }
}

#[test]
fn a_slack_that_was_gone_gets_what_it_missed_once_it_is_back_and_nothing_that_is_over() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    world.set("s-one", 1.0, at_s(-5));
    world.set("s-two", 1.0, at_s(-5));
    world.http.usual_mood(SLACK, Mood::Gone);
    world.run(at_s(0), at_s(50));
    assert_eq!(world.messages().iter().filter(|(channel, _, state)| channel == "slack" && state == "dead").count(), 2);
    world.set("s-one", 0.0, at_s(60));
    world.http.heal();
    // The end is delivered, so what Slack missed of that alert is not told any more.
    world.run(at_s(60), at_s(120));
    let done = world.redrive("slack", at_s(130));
    assert_eq!((done.redriven.len(), done.refused.len()), (1, 0));
    world.run(at_s(180), at_s(240));
    let titles: Vec<String> = world.http.titles(SLACK).into_iter().filter(|title| title.contains("Switch")).collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].contains("RESOLVED") && titles[0].contains("s-one"), "{titles:?}");
    assert!(titles[1].contains("FIRING") && titles[1].contains("s-two"), "{titles:?}");
}
