//! What health says of a deployment, and of what is missing in it.

use super::*;
use crate::config::site::Environment;

const NOON: UnixMs = UnixMs(1_772_366_400_000);

/// Every secret the shipped configuration's channels need.
const SECRETS: [&str; 9] = [
    "SLACK_ALERTS_WEBHOOK",
    "SLACK_SECURITY_WEBHOOK",
    "SLACK_BUSINESS_WEBHOOK",
    "SLACK_WEBHOOK_URL",
    "EMAIL_WEBHOOK_URL",
    "ALERT_EMAIL_RECIPIENTS",
    "LINK_SIGNING_SECRET",
    "SENTRY_DSN",
    "BOOTSTRAP_TOKEN",
];

fn shipped() -> Config {
    Config::from_text(crate::embedded::config_json(Environment::Production)).unwrap()
}

fn well() -> Seen {
    Seen {
        engine: Some(Ticks { last_at: Some(NOON.plus(-20_000)), overdue: Vec::new() }),
        collector: Some(Intake { lag_ms: 900, dropped: 0.0 }),
        outbox: Some(Messages { due: 0, overdue: 0, dead: 0 }),
        tokens: Some(1),
    }
}

fn of(seen: &Seen) -> Health {
    health(&shipped(), seen, |_| true, NOON)
}

fn codes(health: &Health) -> Vec<(Status, &str)> {
    health.reasons.iter().map(|reason| (reason.status, reason.code)).collect()
}

#[test]
fn all_well_has_no_reason_and_no_warning() {
    let health = of(&well());
    assert_eq!((health.status, health.reasons, health.warnings), (Status::Ok, vec![], vec![]));
    assert_eq!(health.tick_age_ms, Some(20_000));
}

#[test]
fn each_missing_secret_is_named_with_what_is_off_and_what_to_do() {
    let fresh = Seen { tokens: Some(0), ..well() };
    for secret in SECRETS {
        let health = health(&shipped(), &fresh, |name| name != secret, NOON);
        let [warning] = health.warnings.as_slice() else { panic!("{:?}", health.warnings) };
        assert_eq!((warning.secret.as_str(), warning.fix.as_str()), (secret, format!("npx wrangler secret put {secret}").as_str()));
        assert!(!warning.off.is_empty());
        assert_eq!(health.status, Status::Ok, "a team without a channel is not ill");
    }
}

#[test]
fn a_fresh_deployment_says_everything_that_is_missing() {
    let fresh = Seen { engine: Some(Ticks { last_at: None, overdue: Vec::new() }), tokens: Some(0), ..well() };
    let health = health(&shipped(), &fresh, |_| false, NOON);
    insta::assert_snapshot!(serde_json::to_string_pretty(&health).unwrap());
}

#[test]
fn a_stored_token_makes_the_bootstrap_token_unnecessary() {
    assert_eq!(health(&shipped(), &well(), |secret| secret != BOOTSTRAP_TOKEN, NOON).warnings, []);
    let unknown = Seen { tokens: None, ..well() };
    assert_eq!(health(&shipped(), &unknown, |secret| secret != BOOTSTRAP_TOKEN, NOON).warnings, []);
}

#[test]
fn one_usable_channel_is_enough_to_be_told() {
    let only_slack = |secret: &str| secret == "SLACK_WEBHOOK_URL";
    assert_eq!(health(&shipped(), &well(), only_slack, NOON).status, Status::Ok);
    assert_eq!(codes(&health(&shipped(), &well(), |_| false, NOON)), [(Status::Degraded, "no_channel")]);
}

#[test]
fn a_tick_is_late_after_its_bound_and_missing_after_five_minutes() {
    for (age_ms, expected) in [
        (LATE_TICK_MS, None),
        (LATE_TICK_MS + 1, Some((Status::Degraded, "late_tick"))),
        (NO_TICK_MS, Some((Status::Degraded, "late_tick"))),
        (NO_TICK_MS + 1, Some((Status::Down, "no_tick"))),
    ] {
        let seen = Seen { engine: Some(Ticks { last_at: Some(NOON.plus(-age_ms)), overdue: Vec::new() }), ..well() };
        assert_eq!(codes(&of(&seen)), expected.into_iter().collect::<Vec<_>>(), "{age_ms}");
    }
    let ahead = Seen { engine: Some(Ticks { last_at: Some(NOON.plus(5_000)), overdue: Vec::new() }), ..well() };
    assert_eq!((of(&ahead).status, of(&ahead).tick_age_ms), (Status::Ok, Some(0)));
}

#[test]
fn a_part_that_does_not_answer_is_down_and_named() {
    for (seen, code) in [
        (Seen { engine: None, ..well() }, "engine_silent"),
        (Seen { collector: None, ..well() }, "collector_silent"),
        (Seen { outbox: None, ..well() }, "database_silent"),
    ] {
        assert_eq!(codes(&of(&seen)), [(Status::Down, code)]);
        assert_eq!(of(&seen).status.http_status(), 503);
    }
}

#[test]
fn numbers_that_are_late_or_lost_and_messages_that_wait_or_died_degrade() {
    let intake = |lag_ms, dropped| Seen { collector: Some(Intake { lag_ms, dropped }), ..well() };
    let outbox = |due, overdue, dead| Seen { outbox: Some(Messages { due, overdue, dead }), ..well() };
    for (seen, code) in [
        (intake(LATE_COLLECTOR_MS, 0.0), None),
        (intake(LATE_COLLECTOR_MS + 1, 0.0), Some("late_collector")),
        (intake(0, 3.0), Some("dropped")),
        (outbox(9, 0, 0), None),
        (outbox(9, 1, 0), Some("late_messages")),
        (outbox(0, 0, 1), Some("dead_messages")),
    ] {
        let expected: Vec<_> = code.map(|code| (Status::Degraded, code)).into_iter().collect();
        assert_eq!(codes(&of(&seen)), expected, "{seen:?}");
    }
}

#[test]
fn alerts_that_people_should_have_heard_of_are_named() {
    let engine = Some(Ticks { last_at: Some(NOON.plus(-20_000)), overdue: vec!["alr_1".into(), "alr_2".into()] });
    let health = of(&Seen { engine, ..well() });
    assert_eq!(codes(&health), [(Status::Degraded, "alerts_overdue")]);
    assert_eq!(health.reasons[0].detail, "people should have heard more than 5 min ago of: alr_1, alr_2");
}

#[test]
fn the_worst_reason_comes_first_and_is_the_status() {
    let seen = Seen { engine: None, collector: Some(Intake { lag_ms: 0, dropped: 1.0 }), ..well() };
    assert_eq!(codes(&of(&seen)), [(Status::Down, "engine_silent"), (Status::Degraded, "dropped")]);
    assert_eq!(of(&seen).status, Status::Down);
}

#[test]
fn statuses_survive_the_round_trip() {
    for status in Status::ALL {
        assert_eq!(Status::from_str(status.as_str()), Some(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    assert_eq!(Status::from_str("fine"), None);
}
