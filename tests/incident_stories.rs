//! Stories of incidents: what one looks like after an outage, and that no answer lost, no database refusing and no two
//! people at once lose or double a line of its timeline.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::alert::respond::{Act, AlarmVerdict};
use parapet::alert::tick::tick;
use parapet::channel::Addresses;
use parapet::config::alerting::{Channel, Rule, Severity, Via};
use parapet::incident::edit::Edit;
use parapet::incident::{IncidentState, PageStatus};
use parapet::record;
use parapet::time::UnixMs;
use parapet::web::auth::{Principal, Role};
use parapet::web::incidents::{self, Detailed};
use parapet::web::{reports, respond};
use proptest::prelude::*;
use world::vendors::STATUSPAGE;
use world::{DbFault, NOON, Sqlite, World, at_s, block_on, error_rate, interleave, switch};

fn person(name: &str) -> Principal {
    Principal { id: format!("tok_{name}"), name: name.to_owned(), role: Role::Operator }
}

/// The one incident there is.
fn the_incident(db: &Sqlite) -> Detailed {
    let listed = block_on(incidents::list(db, "")).unwrap();
    assert_eq!(listed.incidents.len(), 1);
    block_on(incidents::show(db, &listed.incidents[0].id)).unwrap()
}

/// The timeline as a person reads it, in minutes from noon.
fn told(incident: &Detailed) -> Vec<String> {
    let minute = |at: &str| (UnixMs::from_rfc3339(at).unwrap().0 - NOON.0) / 60_000;
    let line = |line: &incidents::ShownLine| format!("{} {} {} {} {}", minute(&line.at), line.kind, line.actor, line.channel, line.text);
    incident.timeline.iter().map(|shown| line(shown).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What `who` did, in order.
fn done_by(db: &Sqlite, who: &str) -> Vec<(String, String)> {
    the_incident(db).timeline.into_iter().filter(|line| line.actor == who).map(|line| (line.kind, line.text)).collect()
}

/// Ten minutes of one request in ten failing, then calm.
fn outage() -> World {
    let mut rule = error_rate();
    rule.severity = Severity::Critical;
    let mut world = World::with_rules(vec![rule]);
    world.traffic(at_s(-900), at_s(0), 100, 0);
    world.traffic(at_s(0), at_s(600), 90, 10);
    world.traffic(at_s(600), at_s(3_600), 100, 0);
    world
}

async fn edited(world: &World, id: &str, edit: &Edit, who: &str, at: UnixMs) -> bool {
    incidents::edit(&world.db, id, edit, &person(who), (&world.config, &world.addresses), at).await.is_ok()
}

#[test]
fn an_outage_is_one_incident_whose_timeline_tells_it_from_the_first_message_to_the_verdict() {
    let mut world = outage();
    world.run(at_s(-120), at_s(360));
    world.act(&Act::Acknowledge, at_s(390)).unwrap();
    world.run(at_s(420), at_s(480));
    let id = the_incident(&world.db).incident.id;
    assert!(block_on(edited(&world, &id, &Edit::Note("the pool is empty".into()), "Sipho", at_s(500))));
    world.run(at_s(540), at_s(2_700));
    let judged = Edit::Resolve { verdict: Some(AlarmVerdict::TrueAlarm), note: None };
    assert!(block_on(edited(&world, &id, &judged, "Thandi", at_s(3_000))));
    let told = told(&the_incident(&world.db));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_draft_of_a_postmortem_tells_the_outage_to_whoever_has_to_write_it() {
    let mut world = World::with_rules(vec![error_rate()]);
    for (route, bad) in [("/api/bookings", 18), ("/api/search", 2)] {
        world.traffic_to(route, at_s(-900), at_s(0), 100, 0);
        world.traffic_to(route, at_s(0), at_s(600), 90, bad);
        world.traffic_to(route, at_s(600), at_s(3_600), 100, 0);
    }
    world.run(at_s(-120), at_s(360));
    world.act(&Act::Acknowledge, at_s(390)).unwrap();
    world.run(at_s(420), at_s(480));
    let id = the_incident(&world.db).incident.id;
    let draft = |world: &World| block_on(incidents::draft(&world.db, &id, &world.config)).unwrap();
    let going_on = draft(&world);
    assert!(going_on.contains("| Ended | it goes on |") && going_on.contains("- Resolved: not yet"), "{going_on}");
    let edits = [
        (500, "Sipho", Edit::Note("The pool is empty.\n<b>Restarting it.</b>".into())),
        (560, "Thandi", Edit::Owner("sipho".into())),
        (3_000, "Thandi", Edit::Resolve { verdict: Some(AlarmVerdict::TrueAlarm), note: None }),
    ];
    let mut from = at_s(540);
    for (at, who, edit) in &edits {
        if at_s(*at) > from {
            world.run(from, at_s(*at));
            from = at_s(*at).floor(60_000).plus(60_000);
        }
        assert!(block_on(edited(&world, &id, edit, who, at_s(*at))));
    }
    insta::assert_snapshot!(draft(&world));
}

#[test]
fn what_a_group_told_of_the_alerts_of_an_incident_stands_in_its_timeline_and_its_draft() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    world.config.alerting.routes[0].group_by = vec!["team".into()];
    for id in ["s-one", "s-two"] {
        world.set(id, 1.0, at_s(0));
    }
    world.run(at_s(0), at_s(60));
    for id in ["s-one", "s-two"] {
        world.set(id, 0.0, at_s(100));
    }
    world.run(at_s(120), at_s(180));
    let incident = the_incident(&world.db);
    let told: Vec<String> = told(&incident).into_iter().filter(|line| line.contains(" delivered ")).collect();
    assert_eq!(told.len(), 4, "two channels, the beginning and the end: {told:#?}");
    let draft = block_on(incidents::draft(&world.db, &incident.incident.id, &world.config)).unwrap();
    for name in ["s-one", "s-two"] {
        assert!(draft.contains(&format!("- **Switch {name}**: The switch is on. At worst 1 (it fires at > 0.5).")), "{draft}");
    }
}

#[test]
fn two_people_and_a_tick_at_the_same_moment_lose_and_double_nothing() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    runner
        .run(&prop::collection::vec(0_usize..4, 0..40), |turns| {
            let mut world = outage();
            world.run(at_s(120), at_s(240));
            let id = the_incident(&world.db).incident.id;
            let now = at_s(420);
            let (world, db, id) = (&world, &world.db, id.as_str());
            let write = |who: &'static str, edit: Edit| async move { while !edited(world, id, &edit, who, now).await {} };
            let tick = async { drop(tick(now, &world.config, &world.addresses, db, &world.seen()).await) };
            interleave(
                vec![
                    Box::pin(write("Thandi", Edit::Note("one".into()))),
                    Box::pin(write("Sipho", Edit::Note("one".into()))),
                    Box::pin(write("Lindiwe", Edit::Resolve { verdict: Some(AlarmVerdict::Expected), note: Some("known".into()) })),
                    Box::pin(tick),
                ],
                &turns,
                None,
            );
            let pair = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
            prop_assert_eq!(done_by(db, "Thandi"), [pair("note", "one")]);
            prop_assert_eq!(done_by(db, "Sipho"), [pair("note", "one")]);
            prop_assert_eq!(done_by(db, "Lindiwe"), [pair("note", "known"), pair("resolved", ""), pair("verdict", "expected")]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn whoever_sends_again_until_it_is_answered_is_told_once_whatever_the_database_does() {
    let faults = [DbFault::None, DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter];
    // Every way the three batches of an edit can fail, beginning with one edit or another.
    for case in 0..4_usize.pow(3) {
        let script: Vec<DbFault> = (0..3).map(|place| faults[case / 4_usize.pow(place) % 4]).collect();
        let mut world = outage();
        world.run(at_s(120), at_s(240));
        let id = the_incident(&world.db).incident.id;
        world.db.fail_next(script.clone());
        let edits = [
            Edit::Note("one".into()),
            Edit::Owner("sipho".into()),
            Edit::Severity(Severity::Warning),
            Edit::Resolve { verdict: Some(AlarmVerdict::FalseAlarm), note: Some("a typo".into()) },
        ];
        for edit in &edits[case % 2..] {
            let mut at = at_s(400);
            while !block_on(edited(&world, &id, edit, "Thandi", at)) {
                at = at.plus(5_000);
            }
        }
        let all = ["note", "owner", "severity", "note", "resolved", "verdict"];
        let kinds: Vec<String> = done_by(&world.db, "Thandi").into_iter().map(|(kind, _)| kind).collect();
        let mut expected = all[case % 2..].to_vec();
        expected.sort_unstable();
        let mut sorted: Vec<&str> = kinds.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{script:?}");
    }
}

#[test]
fn an_incident_that_settles_while_a_person_resolves_it_is_resolved_once() {
    for turns in 0..64_usize {
        let mut world = outage();
        world.run(at_s(-120), at_s(1_560));
        let ended = the_incident(&world.db);
        assert!(ended.incident.resolved_at.is_none(), "its last alert is over, for less than 15 minutes");
        let id = ended.incident.id;
        let settles = at_s(1_620);
        let turns: Vec<usize> = (0..6).map(|place| turns >> place & 1).collect();
        let (db, seen) = (&world.db, world.seen());
        let resolve = Edit::Resolve { verdict: None, note: None };
        interleave(
            vec![
                Box::pin(async { while !edited(&world, &id, &resolve, "Thandi", settles).await {} }),
                Box::pin(async { drop(tick(settles, &world.config, &world.addresses, db, &seen).await) }),
            ],
            &turns,
            None,
        );
        let resolved = the_incident(db).timeline.into_iter().filter(|line| line.kind == "resolved").count();
        assert_eq!(resolved, 1, "{turns:?}");
    }
}

fn update(status: PageStatus, text: &str) -> Edit {
    Edit::StatusUpdate { status, text: text.to_owned() }
}

fn with_status_page(mut world: World) -> World {
    let components = [("team=platform".to_owned(), "b13yz5g2cw10".to_owned())];
    let via = Via::Statuspage { secret: "STATUSPAGE_API_KEY".into(), page: "kctbh9vrtdwd".into(), components: components.into() };
    world.config.alerting.channels.push(Channel { id: "status".into(), via, send_resolved: true });
    world.addresses = Addresses::resolve(&world.config.alerting, world::secret);
    world
}

#[test]
fn what_the_team_tells_the_public_goes_into_the_incident_that_an_alert_opened_on_the_page() {
    let mut world = with_status_page(outage());
    world.config.alerting.routes[0].channels.push("status".into());
    world.run(at_s(-120), at_s(360));
    let id = the_incident(&world.db).incident.id;
    assert!(block_on(edited(&world, &id, &update(PageStatus::Identified, "A database is full. We are making room."), "Thandi", at_s(400))));
    world.run(at_s(420), at_s(1_200));
    assert!(block_on(edited(&world, &id, &update(PageStatus::Resolved, "All bookings of today are safe."), "Thandi", at_s(1_230))));
    world.run(at_s(1_260), at_s(1_320));
    insta::assert_snapshot!(world.http.titles(STATUSPAGE).join("\n"));
    assert_eq!(world.http.memory.borrow().incidents.len(), 1, "the public sees one story");
    let told = told(&the_incident(&world.db));
    for line in ["6 status_update Thandi identified: A database is full. We are making room.", "7 delivered parapet status update"] {
        assert!(told.contains(&line.to_owned()), "{line}: {told:#?}");
    }
}

#[test]
fn an_update_opens_an_incident_on_the_page_when_none_is_there_and_goes_on_in_it_until_it_is_over() {
    let mut world = with_status_page(outage());
    world.run(at_s(-120), at_s(300));
    let id = the_incident(&world.db).incident.id;
    let said = [
        (PageStatus::Investigating, "Some bookings fail. We are looking."),
        (PageStatus::Monitoring, "Bookings work again. We are watching."),
        (PageStatus::Resolved, "It is over."),
        (PageStatus::Resolved, "It is over, once more."),
    ];
    for (at, (status, text)) in (320..).step_by(60).zip(said) {
        assert!(block_on(edited(&world, &id, &update(status, text), "Thandi", at_s(at))));
        world.run(at_s(at + 10), at_s(at + 20));
    }
    let page = world.http.memory.borrow().incidents.clone();
    assert_eq!(page, [("API error rate".to_owned(), vec!["investigating".to_owned(), "monitoring".into(), "resolved".into()])]);
    assert!(world.all_closed());
}

#[test]
fn what_the_public_was_told_is_over_for_them_when_a_person_resolves_it_and_not_before() {
    let mut world = with_status_page(outage());
    world.run(at_s(-120), at_s(300));
    let id = the_incident(&world.db).incident.id;
    assert!(block_on(edited(&world, &id, &update(PageStatus::Investigating, "Some bookings fail. We are looking."), "Thandi", at_s(320))));
    world.run(at_s(360), at_s(7_200));
    assert_eq!(the_incident(&world.db).incident.state, IncidentState::Open, "its alert is long over; the public reads otherwise");
    let over = Edit::Resolve { verdict: Some(AlarmVerdict::TrueAlarm), note: None };
    assert!(block_on(edited(&world, &id, &over, "Thandi", at_s(7_230))));
    assert!(block_on(edited(&world, &id, &over, "Ben", at_s(7_240))), "it is as they want it already");
    world.run(at_s(7_260), at_s(7_320));
    let page = world.http.memory.borrow().incidents.clone();
    assert_eq!(page, [("API error rate".to_owned(), vec!["investigating".to_owned(), "resolved".into()])]);
    assert_eq!(world.http.titles(STATUSPAGE).last().unwrap(), "resolved API error rate: This incident is over.");
    let told = told(&the_incident(&world.db));
    assert_eq!(told.iter().filter(|line| line.contains("status_update Thandi resolved: This incident is over.")).count(), 1, "{told:#?}");
    assert!(world.all_closed());
}

#[test]
fn an_update_sent_again_is_published_once_whatever_the_database_does() {
    let faults = [DbFault::None, DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter];
    for case in 0..4_usize.pow(3) {
        let script: Vec<DbFault> = (0..3).map(|place| faults[case / 4_usize.pow(place) % 4]).collect();
        let mut world = with_status_page(outage());
        world.run(at_s(120), at_s(240));
        let id = the_incident(&world.db).incident.id;
        world.db.fail_next(script.clone());
        let mut at = at_s(250);
        while !block_on(edited(&world, &id, &update(PageStatus::Investigating, "We are looking."), "Thandi", at)) {
            at = at.plus(5_000);
        }
        world.run(at_s(300), at_s(310));
        assert_eq!(world.http.titles(STATUSPAGE), ["investigating API error rate: We are looking."], "{script:?}");
        assert_eq!(done_by(&world.db, "Thandi").len(), 1, "{script:?}");
    }
}

#[test]
fn updates_of_two_people_at_once_are_two_in_one_story_and_none_without_a_page() {
    for turns in 0..64_usize {
        let mut world = with_status_page(outage());
        world.run(at_s(120), at_s(240));
        let id = the_incident(&world.db).incident.id;
        let turns: Vec<usize> = (0..6).map(|place| turns >> place & 1).collect();
        let tell = |who: &'static str, text: &'static str| {
            let (world, id) = (&world, id.as_str());
            async move { while !edited(world, id, &update(PageStatus::Investigating, text), who, at_s(250)).await {} }
        };
        interleave(vec![Box::pin(tell("Thandi", "One.")), Box::pin(tell("Sipho", "Two."))], &turns, None);
        world.run(at_s(300), at_s(310));
        let mut heard = world.http.titles(STATUSPAGE);
        assert_eq!(world.http.memory.borrow().incidents.len(), 1);
        heard.sort_unstable();
        assert_eq!(heard, ["investigating API error rate: One.", "investigating API error rate: Two."], "{turns:?}");
    }
    let world = outage();
    world.tick(at_s(120));
    world.tick(at_s(240));
    let id = the_incident(&world.db).incident.id;
    assert!(!block_on(edited(&world, &id, &update(PageStatus::Investigating, "Nobody reads this."), "Thandi", at_s(250))));
    assert_eq!(done_by(&world.db, "Thandi"), []);
}

fn act_on(world: &World, rule: &str, act: &Act, at: UnixMs) {
    let rows = world.db.query("SELECT id, rule FROM alerts");
    let id = rows.iter().find(|row| row["rule"] == rule).unwrap()["id"].as_str().unwrap();
    block_on(respond::act(&world.db, id, (act, None), &person("Thandi"), (&world.config, &world.addresses), at)).unwrap();
}

const DAY: i64 = 86_400;

/// Two rules and a rotation over eight days: the switches are on for ten minutes at noon of the days they are said to be.
fn eventful(on: &[(&str, i64)]) -> World {
    let noisy = Rule { severity: Severity::Warning, ..switch("s-noisy") };
    let mut world = World::with_rules(vec![switch("s-true"), noisy]);
    let stored = r#"{"id": "ops", "zone": "Africa/Johannesburg", "handover": {"day": "mon", "at": "08:00"}, "starts": "2026-03-02", "members": ["slack", "email"]}"#;
    world.config.alerting.rotations = vec![record::read(stored.as_bytes()).unwrap()];
    for (rule, day) in on {
        world.set(rule, 1.0, at_s(day * DAY));
        for minute in 1..10 {
            world.set(rule, 1.0, at_s(day * DAY + minute * 60));
        }
        world.set(rule, 0.0, at_s(day * DAY + 600));
    }
    world
}

fn noon_of(world: &mut World, day: i64) {
    world.run(at_s(day * DAY), at_s(day * DAY + 660));
}

fn report(world: &World, query: &str) -> reports::Report {
    block_on(reports::alerts(&world.db, query, &world.config, at_s(8 * DAY))).unwrap()
}

#[test]
fn a_week_of_alerts_says_which_rules_are_worth_their_noise_and_who_bore_it() {
    let mut world = eventful(&[("s-true", 0), ("s-noisy", 1), ("s-noisy", 2), ("s-noisy", 3), ("s-noisy", 7)]);
    world.run(at_s(0), at_s(60));
    act_on(&world, "s-true", &Act::Acknowledge, at_s(90));
    world.run(at_s(120), at_s(1_800));
    let id = the_incident(&world.db).incident.id;
    let judged = Edit::Resolve { verdict: Some(AlarmVerdict::TrueAlarm), note: None };
    assert!(block_on(edited(&world, &id, &judged, "Thandi", at_s(3_000))));
    world.run(at_s(DAY), at_s(DAY + 180));
    act_on(&world, "s-noisy", &Act::Acknowledge, at_s(DAY + 200));
    act_on(&world, "s-noisy", &Act::Resolve { verdict: Some(AlarmVerdict::FalseAlarm) }, at_s(DAY + 620));
    world.run(at_s(DAY + 660), at_s(DAY + 660));
    noon_of(&mut world, 2);
    world.silence("rule=s-noisy", at_s(3 * DAY - 60), at_s(3 * DAY + 3_600));
    noon_of(&mut world, 3);
    noon_of(&mut world, 7);
    let week = report(&world, "from=2026-03-02T00:00:00Z&to=2026-03-10T00:00:00Z");
    insta::assert_snapshot!(serde_json::to_string_pretty(&week).unwrap());
    assert_eq!(report(&world, "").alerts, 3, "without a stretch it is the last week");
}

#[test]
fn what_a_report_counts_does_not_depend_on_what_the_database_loses() {
    let counts = |world: &World| {
        let report = report(world, "from=2026-03-02T00:00:00Z");
        report.rules.iter().map(|rule| (rule.rule.clone(), rule.alerts, rule.quiet, rule.acknowledged)).collect::<Vec<_>>()
    };
    let on = [("s-true", 0), ("s-noisy", 0), ("s-noisy", 1)];
    for fault in [DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter] {
        for place in 0..24 {
            let mut world = eventful(&on);
            world.db.fail_next(std::iter::repeat_n(DbFault::None, place).chain([fault]));
            noon_of(&mut world, 0);
            noon_of(&mut world, 1);
            assert_eq!(counts(&world), [("s-noisy".to_owned(), 2, 0, 0), ("s-true".to_owned(), 1, 0, 0)], "{fault:?} at batch {place}");
        }
    }
}

#[test]
fn what_a_report_cannot_answer_is_said() {
    let world = eventful(&[]);
    let ask = |query: &str| block_on(reports::alerts(&world.db, query, &world.config, at_s(0)));
    for query in ["from=yesterday", "to=2026-03-02", "week=9", "from=2026-03-02T13:00:00Z", "from=2025-01-01T00:00:00Z"] {
        assert_eq!(ask(query).unwrap_err().status, 400, "{query}");
    }
    let empty = ask("from=2026-03-01T14%3A00%3A00%2B02:00").unwrap();
    assert_eq!((empty.alerts, empty.rules.len(), empty.from.as_str()), (0, 0, "2026-03-01T12:00:00.000Z"));
    world.db.fail_next([DbFault::RefuseBefore]);
    assert_eq!(ask("").unwrap_err().status, 503);
}
