//! The delivery log page by page, and messages that are sent again.

use super::*;
use crate::alert::incident::tests::subject;
use crate::alert::incident::{Signal, step};
use crate::alert::notification::NotifyReason;
use crate::alert::tell::told;
use crate::config::Config;
use crate::config::site::Environment;
use crate::embedded;
use crate::outbox::enqueue::enqueue;
use crate::outbox::retry::GIVE_UP_AFTER_MS;
use crate::storage::outbox::{claim, found_delivery};
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::time::{DAY_MS, MINUTE_MS};
use crate::web::auth::Role;

const NOW: UnixMs = UnixMs(1_772_409_600_000);
/// The slack channel of the shipped routes for a critical alert.
const SLACK: &str = "slack-alerts";

fn thandi() -> Principal {
    Principal { id: "tok_1".into(), name: "Thandi".into(), role: Role::Operator }
}

fn config() -> Config {
    let mut config = Config::from_text(embedded::config_json(Environment::Dev)).unwrap();
    config.alerting.routes.iter_mut().for_each(|route| route.group_by.clear());
    config
}

fn addresses() -> Addresses {
    Addresses::resolve(&config().alerting, |_| Some("https://x.example/y".to_owned()))
}

/// A database where the alert fires (and resolves, a minute later), every message dead but those the test revives.
struct Letters(Sqlite);

impl Letters {
    fn fired() -> Self {
        let db = Sqlite::new();
        let mut subject = subject(0, 0);
        subject.labels.insert("severity".into(), "critical".into());
        subject.labels.insert("team".into(), "ops".into());
        let state = step(None, &subject, Signal::On { measured: None, detail: None }, NOW).next.unwrap();
        let (change, _) = told(state, NotifyReason::First, (&config(), &addresses()), NOW);
        now_or_never(db.batch(enqueue(&[change], NOW))).unwrap();
        Self(db).all_dead()
    }

    fn all_dead(self) -> Self {
        self.sql("UPDATE outbox SET state = 'dead', closed_at = created_at, detail = 'answered 404: no_service' WHERE state = 'due'");
        self
    }

    fn ended(self) -> Self {
        let state = self.state();
        let next = step(Some(&state), &state.subject, Signal::Off { measured: None }, NOW.plus(MINUTE_MS)).next.unwrap();
        let (change, _) = told(next, NotifyReason::Resolved, (&config(), &addresses()), NOW.plus(MINUTE_MS));
        now_or_never(self.0.batch(enqueue(&[change], NOW.plus(MINUTE_MS)))).unwrap();
        self.all_dead()
    }

    fn sql(&self, sql: &'static str) {
        now_or_never(self.0.batch(vec![crate::storage::Statement::new(sql, [])])).unwrap();
    }

    fn state(&self) -> AlertState {
        alerts::states(now_or_never(self.0.batch(vec![alerts::all()])).unwrap().remove(0)).unwrap().remove(0)
    }

    fn page(&self, query: &str) -> Page {
        now_or_never(list(&self.0, query)).unwrap()
    }

    /// The id of what was said to Slack for this reason.
    fn id(&self, reason: &str) -> String {
        let said = self.page("channel=slack-alerts").deliveries;
        said.into_iter().find(|logged| logged.message.reason == reason).unwrap().message.id
    }

    fn redrive(&self, id: &str) -> Result<(), String> {
        now_or_never(redrive_one(&self.0, id, &thandi(), &addresses(), NOW.plus(2 * DAY_MS))).map_err(|problem| problem.detail)
    }

    fn redrive_all(&self) -> Redriven {
        let body = br#"{"channel": "slack-alerts"}"#;
        now_or_never(redrive_channel(&self.0, body, &thandi(), &addresses(), NOW.plus(2 * DAY_MS))).unwrap()
    }
}

#[test]
fn the_log_is_read_page_by_page_the_newest_first() {
    let letters = Letters::fired().ended();
    let all = letters.page("").deliveries;
    assert!(all.len() >= 4, "{all:?}");
    assert!(all.is_sorted_by_key(|logged| std::cmp::Reverse((logged.message.created_at.clone(), logged.message.id.clone()))));
    let (mut paged, mut query) = (Vec::new(), "limit=1".to_owned());
    loop {
        let page = letters.page(&query);
        paged.extend(page.deliveries);
        match page.next {
            Some(next) => query = format!("limit=1&before={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all, "no message twice, none left out");
    let slack = letters.page("channel=slack-alerts&state=dead").deliveries;
    assert_eq!(slack.iter().map(|logged| logged.message.reason.as_str()).collect::<Vec<_>>(), ["resolved", "first"]);
    assert_eq!(slack[0].message.detail.as_deref(), Some("answered 404: no_service"));
    assert_eq!(letters.page("state=due").deliveries, []);
    assert_eq!(letters.page("alert=alr_none").deliveries, []);
}

#[test]
fn a_question_that_is_not_understood_is_answered_with_what_is_known() {
    for (query, said) in [
        ("state=lost", "`state` is one of due, leased, delivered, dead."),
        ("limit=0", "`limit` is a number from 1 to 200."),
        ("limit=201", "`limit` is a number from 1 to 200."),
        ("before=yesterday", "`before` is what `next` of the page before said."),
        ("chanel=x", "`chanel` is not a parameter of this path; known are state, channel, alert, limit and before."),
    ] {
        let problem = now_or_never(list(&Sqlite::new(), query)).unwrap_err();
        assert_eq!((problem.status, problem.detail.as_str()), (400, said));
    }
}

#[test]
fn a_dead_message_is_due_again_under_its_own_id_with_its_whole_time_before_it() {
    let letters = Letters::fired();
    let id = letters.id("first");
    letters.redrive(&id).unwrap();
    let later = NOW.plus(2 * DAY_MS);
    let (message, _) = found_delivery(now_or_never(letters.0.batch(outbox::delivery(&id).into())).unwrap()).unwrap().unwrap();
    assert_eq!((message.state, message.due_at, message.closed_at), (MessageState::Due, later, None));
    assert_eq!(message.detail.as_deref(), Some("re-driven by Thandi"));
    let claimed = now_or_never(letters.0.batch(claim(later, later.plus(120_000), &[]).into())).unwrap().remove(0);
    let claimed = claimed.decode::<outbox::Claimed>("outbox").unwrap().remove(0);
    assert_eq!((claimed.id.as_str(), claimed.attempts), (id.as_str(), 1), "attempts count on");
    assert!(later.since(claimed.counts_from) < GIVE_UP_AFTER_MS, "it is not given up at once");
}

#[test]
fn only_what_is_still_true_is_sent_again() {
    let letters = Letters::fired();
    assert!(letters.redrive("msg_none").unwrap_err().contains("no delivery"));
    let first = letters.id("first");
    let letters = letters.ended();
    let resolved = letters.id("resolved");
    assert_eq!(
        letters.redrive(&first).unwrap_err(),
        format!("Nothing was done: a newer message about the same alert was written for the channel: {resolved}.")
    );
    letters.sql("DELETE FROM outbox WHERE reason = 'resolved'");
    assert_eq!(letters.redrive(&first).unwrap_err(), "Nothing was done: it says that the alert fires, and that episode is over.");
    let letters = Letters::fired().ended();
    letters.sql("UPDATE alerts SET phase = 'firing', body = json_set(body, '$.phase', 'firing')");
    assert_eq!(letters.redrive(&resolved).unwrap_err(), "Nothing was done: it says that the alert ended, and the alert fires again.");
    assert_eq!(letters.redrive_all().redriven, Vec::<String>::new());
}

#[test]
fn whoever_hears_of_a_fire_by_a_redrive_is_told_of_its_end() {
    let letters = Letters::fired();
    letters.sql("UPDATE alerts SET body = json_set(body, '$.told', json('[]'))");
    letters.redrive(&letters.id("first")).unwrap();
    assert_eq!(letters.state().told, [SLACK]);
}

#[test]
fn a_whole_channel_is_sent_what_it_missed_and_nothing_twice() {
    let letters = Letters::fired().ended();
    let resolved = letters.id("resolved");
    let done = letters.redrive_all();
    assert_eq!(done, Redriven { redriven: vec![resolved.clone()], refused: vec![], more: false }, "the newest alone");
    assert_eq!(letters.redrive(&resolved).unwrap_err(), "Nothing was done: it is due, not dead.");
    assert_eq!(letters.redrive_all().redriven, Vec::<String>::new());
    letters.sql("UPDATE outbox SET state = 'delivered' WHERE state = 'due'");
    assert_eq!(letters.redrive(&resolved).unwrap_err(), "Nothing was done: it is delivered, not dead.");
}

#[test]
fn a_channel_that_cannot_be_used_is_said_to_be() {
    let letters = Letters::fired();
    let (on, off) = (addresses(), Addresses::resolve(&config().alerting, |_| None));
    let one = now_or_never(redrive_one(&letters.0, &letters.id("first"), &thandi(), &off, NOW)).unwrap_err();
    assert_eq!(one.detail, "Nothing was done: channel slack-alerts cannot be used: the secret SLACK_ALERTS_WEBHOOK is not set.");
    let asked = |body: &[u8], addresses| now_or_never(redrive_channel(&letters.0, body, &thandi(), addresses, NOW)).unwrap_err();
    assert_eq!(asked(br#"{"channel": "slack-alerts"}"#, &off).detail, one.detail);
    assert_eq!(asked(br#"{"channel": "fax"}"#, &on).detail, "Nothing was done: channel fax is no longer configured.");
    assert_eq!(asked(b"{}", &on).status, 400);
}
