//! Stories of the weekly report: it arrives on Monday morning once, however late or often crons come and whatever is lost, and
//! opens nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::alert::respond::{Act, AlarmVerdict};
use parapet::alert::weekly::write_due;
use parapet::channel::Addresses;
use parapet::config::alerting::{PagerDutyRegion, Rule, Severity, Via, Weekday, WeeklyReport};
use parapet::ports::DbError;
use parapet::record;
use parapet::time::UnixMs;
use parapet::web::auth::{Principal, Role};
use parapet::web::deliveries;
use world::{DbFault, EMAIL, Mood, SLACK, World, at_s, block_on, interleave, secret, switch};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// 08:00 in Johannesburg on Monday, 9 March: noon of Monday the 2nd is where the clock of these stories starts.
const EIGHT: i64 = 7 * DAY - 6 * HOUR;

/// Two rules, a rotation and the report; nothing happened yet, and the first tick was on Sunday, before the week.
fn world() -> World {
    let noisy = Rule { severity: Severity::Warning, name: "Pages are slow".into(), ..switch("s-noisy") };
    let mut world = World::with_rules(vec![Rule { name: "Origin does not answer".into(), ..switch("s-true") }, noisy]);
    let stored = r#"{"id": "on-call", "zone": "Africa/Johannesburg", "handover": {"day": "mon", "at": "09:00"}, "starts": "2026-03-02", "members": ["slack", "email"]}"#;
    world.config.alerting.rotations = vec![record::read(stored.as_bytes()).unwrap()];
    let channels = vec!["email".to_owned(), "slack".to_owned()];
    world.config.alerting.report =
        Some(WeeklyReport { day: Weekday::Mon, at: "08:00".into(), zone: "Africa/Johannesburg".into(), channels });
    world
}

/// As [`world`], and watched since Sunday, 1 March, before its week began.
fn watched() -> World {
    let world = world();
    world.tick(at_s(-DAY));
    world
}

/// What the Engine does in one minute: tick, send, and what falls to the minute.
fn minute(world: &mut World, now: UnixMs) {
    world.tick(now);
    deliver(world, now);
    if write(world, now).is_ok_and(|written| written > 0) {
        deliver(world, now);
    }
}

fn write(world: &World, now: UnixMs) -> Result<usize, DbError> {
    block_on(write_due(now, &world.config, &world.addresses, &world.db))
}

fn deliver(world: &mut World, now: UnixMs) {
    let mut due = Some(now);
    while let Some(at) = due.filter(|at| at.since(now) < 60_000) {
        due = world.deliver(at).next_due_at.map(|next| next.max(at.plus(1)));
    }
}

fn minutes(world: &mut World, from_s: i64, to_s: i64) {
    for s in (from_s..=to_s).step_by(60) {
        minute(world, at_s(s));
    }
}

/// `rule` fires for ten minutes; within them Thandi takes it, and judges it if she knows.
fn alert(world: &mut World, rule: &str, from_s: i64, verdict: Option<AlarmVerdict>) {
    for s in (from_s..from_s + 600).step_by(60) {
        world.set(rule, 1.0, at_s(s));
    }
    world.set(rule, 0.0, at_s(from_s + 600));
    let Some(verdict) = verdict else { return minutes(world, from_s, from_s + 720) };
    minutes(world, from_s, from_s + 120);
    let rows = world.db.query("SELECT id, rule FROM alerts");
    let id = rows.iter().find(|row| row["rule"] == rule).unwrap()["id"].as_str().unwrap().to_owned();
    block_on(world.acting_on(&id, &Act::Acknowledge, at_s(from_s + 150))).unwrap();
    minutes(world, from_s + 180, from_s + 600);
    block_on(world.acting_on(&id, &Act::Resolve { verdict: Some(verdict) }, at_s(from_s + 620))).unwrap();
    minutes(world, from_s + 660, from_s + 720);
}

/// Seven alerts in the week: one critical and true, and pages that were slow on most days, once while that was silenced.
fn eventful() -> World {
    let mut world = watched();
    alert(&mut world, "s-true", HOUR, Some(AlarmVerdict::TrueAlarm));
    for (day, verdict) in [(0, Some(AlarmVerdict::FalseAlarm)), (1, Some(AlarmVerdict::TrueAlarm)), (2, Some(AlarmVerdict::FalseAlarm))] {
        alert(&mut world, "s-noisy", day * DAY + 4 * HOUR, verdict);
    }
    alert(&mut world, "s-noisy", 3 * DAY, None);
    alert(&mut world, "s-noisy", 4 * DAY, None);
    let silence = world.silence("rule=s-noisy", at_s(5 * DAY - 60), at_s(5 * DAY + HOUR));
    alert(&mut world, "s-noisy", 5 * DAY, None);
    world.end_silence(&silence, at_s(5 * DAY + HOUR));
    world
}

/// The reports people read: where, when (seconds after eight) and the title.
fn reports(world: &World) -> Vec<(String, i64, String)> {
    let heard = world.http.heard.borrow();
    let reports = heard.iter().filter(|heard| heard.alert.starts_with("rep_"));
    let mut reports: Vec<_> = reports.map(|heard| (heard.peer.clone(), heard.at.since(at_s(EIGHT)) / 1_000, heard.title.clone())).collect();
    reports.sort();
    reports
}

fn where_and_when(world: &World) -> Vec<(String, i64)> {
    reports(world).into_iter().map(|(peer, at, _)| (peer, at)).collect()
}

fn once_at(second: i64) -> Vec<(String, i64)> {
    vec![(EMAIL.to_owned(), second), (SLACK.to_owned(), second)]
}

#[test]
fn a_week_of_alerts_is_reported_on_monday_at_eight_once() {
    let mut world = eventful();
    minutes(&mut world, EIGHT - 600, EIGHT + 600);
    assert_eq!(where_and_when(&world), once_at(0));
    let (slack, email) = {
        let arrivals = world.http.arrivals.borrow();
        let to = |peer: &str| arrivals.iter().rfind(|arrival| arrival.peer == peer).unwrap().body.clone();
        (to(SLACK), to(EMAIL))
    };
    assert_eq!(email["headers"]["References"], "<rep_2026-03-02@parapet>");
    insta::assert_snapshot!(
        format!("{}\n\n{}", email["subject"].as_str().unwrap(), email["text"].as_str().unwrap()).replace('\u{a0}', " ")
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&slack).unwrap().replace('\u{a0}', " "));
    // It opened nothing, and is in the log as every message is.
    assert_eq!(world.db.query("SELECT id FROM alerts WHERE id LIKE 'rep%'"), Vec::<serde_json::Value>::new());
    assert_eq!(world.db.query("SELECT incident FROM incident_alert WHERE alert LIKE 'rep%'"), Vec::<serde_json::Value>::new());
    assert!(world.messages().contains(&("email".into(), "report".into(), "delivered".into())));
}

#[test]
fn crons_that_come_twice_late_or_hours_too_late_send_it_once() {
    for (crons, expected) in [
        (vec![EIGHT, EIGHT, EIGHT + 60, EIGHT + 60, EIGHT + DAY - 60], once_at(0)),
        (vec![EIGHT - 60, EIGHT + 17, EIGHT + 17], once_at(17)),
        (vec![EIGHT - 60, EIGHT + 2 * HOUR, EIGHT + 3 * HOUR], once_at(2 * HOUR)),
        (vec![EIGHT - 60, EIGHT + DAY - 60], once_at(DAY - 60)),
        // A day later it is old news.
        (vec![EIGHT - 60, EIGHT + DAY, EIGHT + 2 * DAY], vec![]),
        // A tick that is replayed later names its own moment.
        (vec![EIGHT, EIGHT - 60, EIGHT], once_at(0)),
    ] {
        let mut world = watched();
        alert(&mut world, "s-noisy", HOUR, None);
        for at in &crons {
            minute(&mut world, at_s(*at));
        }
        assert_eq!(where_and_when(&world), expected, "{crons:?}");
    }
}

async fn at_eight(world: &World) {
    drop(write_due(at_s(EIGHT), &world.config, &world.addresses, &world.db).await);
}

#[test]
fn a_crash_at_any_await_and_two_engines_at_once_send_it_once() {
    for crash_after in 0..8 {
        let mut world = watched();
        alert(&mut world, "s-noisy", HOUR, None);
        interleave(vec![Box::pin(at_eight(&world))], &[], Some(crash_after));
        minutes(&mut world, EIGHT + 60, EIGHT + 180);
        assert_eq!(where_and_when(&world), once_at(60), "crashed after {crash_after}");
    }
    for turns in 0..64_usize {
        let mut world = watched();
        alert(&mut world, "s-noisy", HOUR, None);
        let turns: Vec<usize> = (0..12).map(|bit| turns >> (bit % 6) & 1).collect();
        interleave(vec![Box::pin(at_eight(&world)), Box::pin(at_eight(&world))], &turns, None);
        minutes(&mut world, EIGHT + 60, EIGHT + 120);
        assert_eq!(where_and_when(&world), once_at(60), "{turns:?}");
    }
}

#[test]
fn a_database_that_refuses_puts_it_off_and_loses_no_tick() {
    for fault in [DbFault::RefuseBefore, DbFault::LoseBefore, DbFault::LoseAfter] {
        for place in 0..3 {
            let mut world = watched();
            alert(&mut world, "s-noisy", HOUR, None);
            world.tick(at_s(EIGHT));
            world.db.fail_next(std::iter::repeat_n(DbFault::None, place).chain([fault]));
            assert!(write(&world, at_s(EIGHT)).is_err(), "{fault:?} at batch {place}");
            minutes(&mut world, EIGHT + 60, EIGHT + 180);
            assert_eq!(where_and_when(&world), once_at(60), "{fault:?} at batch {place}");
        }
    }
}

#[test]
fn who_did_not_ask_for_one_gets_none() {
    let mut world = watched();
    world.config.alerting.report = None;
    alert(&mut world, "s-noisy", HOUR, None);
    minutes(&mut world, EIGHT, EIGHT + 300);
    assert_eq!(reports(&world), []);
}

#[test]
fn a_week_nobody_watched_is_not_reported_and_a_quiet_one_is_one_line() {
    let title = |world: &World| reports(world).into_iter().map(|(_, at, title)| (at, title)).collect::<Vec<_>>();
    let of_email = |world: &World| title(world).into_iter().next();

    // First seen on Monday at seven: the week before is none of ours.
    let mut world = world();
    minutes(&mut world, EIGHT - HOUR, EIGHT + 300);
    assert_eq!(title(&world), []);

    // First seen on Wednesday: without an alert there is nothing to say of half a week.
    let mut world = self::world();
    world.tick(at_s(2 * DAY));
    minutes(&mut world, EIGHT, EIGHT + 300);
    assert_eq!(title(&world), []);
    // The week after was quiet, and that is worth a line.
    minutes(&mut world, EIGHT + 7 * DAY, EIGHT + 7 * DAY + 300);
    assert_eq!(of_email(&world), Some((7 * DAY, "Alerts of last week: none · production".to_owned())));

    // With an alert, half a week is one.
    let mut world = self::world();
    world.tick(at_s(2 * DAY));
    alert(&mut world, "s-noisy", 3 * DAY, None);
    minutes(&mut world, EIGHT, EIGHT + 300);
    assert_eq!(of_email(&world), Some((0, "Alerts of last week: 1, none judged · production".to_owned())));
}

#[test]
fn each_week_is_reported_by_itself() {
    let mut world = watched();
    alert(&mut world, "s-noisy", HOUR, None);
    minutes(&mut world, EIGHT, EIGHT + 60);
    alert(&mut world, "s-noisy", EIGHT + DAY, None);
    alert(&mut world, "s-noisy", EIGHT + 2 * DAY, None);
    minutes(&mut world, EIGHT + 7 * DAY, EIGHT + 7 * DAY + 60);
    let mails: Vec<_> = reports(&world).into_iter().filter(|(peer, ..)| peer == EMAIL).map(|(_, at, title)| (at, title)).collect();
    assert_eq!(
        mails,
        [
            (0, "Alerts of last week: 1, none judged · production".to_owned()),
            (7 * DAY, "Alerts of last week: 2, none judged · production".to_owned()),
        ]
    );
}

#[test]
fn a_peer_that_fails_is_tried_again_and_a_dead_report_can_be_sent_again() {
    let mut world = watched();
    alert(&mut world, "s-noisy", HOUR, None);
    world.http.next_moods(EMAIL, [Mood::Breaks, Mood::Breaks]);
    world.http.next_moods(SLACK, [Mood::Gone]);
    minutes(&mut world, EIGHT, EIGHT + 1_800);
    assert_eq!(reports(&world).iter().filter(|(peer, ..)| peer == EMAIL).count(), 1);
    let dead = world.db.query("SELECT id FROM outbox WHERE state = 'dead' AND reason = 'report'");
    assert_eq!(dead.len(), 1);
    let by = Principal { id: "tok_1".to_owned(), name: "Thandi".to_owned(), role: Role::Operator };
    let id = dead[0]["id"].as_str().unwrap();
    block_on(deliveries::redrive_one(&world.db, id, &by, &world.addresses, at_s(EIGHT + 2_000))).unwrap();
    minutes(&mut world, EIGHT + 2_040, EIGHT + 2_100);
    assert_eq!(reports(&world).iter().filter(|(peer, ..)| peer == SLACK).count(), 1);
}

#[test]
fn a_channel_that_is_off_leaves_a_note_in_the_log() {
    let mut world = watched();
    world.addresses = Addresses::resolve(&world.config.alerting, |name| secret(name).filter(|_| name != "SLACK_ALERTS_WEBHOOK"));
    minutes(&mut world, EIGHT, EIGHT + 120);
    let rows = world.db.query("SELECT channel, state, detail FROM outbox WHERE reason = 'report' ORDER BY channel");
    assert_eq!((&rows[0]["channel"], &rows[0]["state"]), (&"email".into(), &"delivered".into()));
    assert_eq!((&rows[1]["channel"], &rows[1]["state"]), (&"slack".into(), &"dead".into()));
    assert_eq!(rows[1]["detail"], "channel_off: the secret SLACK_ALERTS_WEBHOOK is not set");
}

#[test]
fn a_channel_that_became_a_pager_since_is_not_called_by_it() {
    let mut world = watched();
    alert(&mut world, "s-noisy", HOUR, None);
    world.http.usual_mood(SLACK, Mood::Breaks);
    minute(&mut world, at_s(EIGHT));
    world.config.alerting.channels[0].via = Via::Pagerduty { secret: "PAGERDUTY_ROUTING_KEY".into(), region: PagerDutyRegion::Us };
    world.addresses = Addresses::resolve(&world.config.alerting, secret);
    let before = world.http.arrivals.borrow().len();
    minutes(&mut world, EIGHT + 60, EIGHT + 1_800);
    let rows = world.db.query("SELECT state, detail FROM outbox WHERE reason = 'report' AND channel = 'slack'");
    assert_eq!(rows[0]["state"], "dead");
    assert!(rows[0]["detail"].as_str().unwrap().contains("reports go to Slack and e-mail only"), "{rows:?}");
    let called = world.http.arrivals.borrow()[before..].iter().filter(|arrival| arrival.body.to_string().contains("rep_")).count();
    assert_eq!(called, 0);
}
