//! The pages of a link, and what their button does.

use std::cell::Cell;

use super::*;
use crate::alert::incident::tests::subject;
use crate::alert::incident::{Signal, step};
use crate::alert::link::LinkAct;
use crate::alert::tell::told;
use crate::config::site::Environment;
use crate::embedded;
use crate::storage::sqlite::{Failure, Sqlite, now_or_never};
use crate::storage::{Statement, StatementResult};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

const NOW: UnixMs = UnixMs(1_772_409_600_000); // 2026-03-02T00:00:00Z, 02:00 in Johannesburg

fn config() -> Config {
    Config::from_text(embedded::config_json(Environment::Dev)).unwrap()
}

fn signer() -> Signer {
    Signer::new("a-secret-of-more-than-24-characters").unwrap()
}

/// A database where one alert fires, and what was told of it by e-mail.
struct Mailbox {
    db: Sqlite,
    config: Config,
    addresses: Addresses,
}

impl Mailbox {
    fn with_alert() -> Self {
        let config = config();
        let addresses = Addresses::resolve(&config.alerting, |_| Some("https://x.example/y".to_owned()));
        let mailbox = Self { db: Sqlite::new(), config, addresses };
        let mut subject = subject(0, 0);
        subject.labels.insert("severity".into(), "critical".into());
        (subject.name, subject.owner) = ("API error rate".into(), "operations".into());
        subject.summary = "Visitors see <errors>.".into();
        mailbox.steps(&subject, Signal::On { measured: None, detail: None }, NOW);
        mailbox
    }

    fn steps(&self, subject: &crate::alert::incident::Subject, signal: Signal, now: UnixMs) {
        let stored = self.states().into_iter().next();
        let step = step(stored.as_ref(), subject, signal, now);
        let reason = step.transition.notify().unwrap();
        let (change, _) = told(step.next.unwrap(), reason, (&self.config, &self.addresses), now);
        now_or_never(self.db.batch(enqueue(&[change], now))).unwrap();
    }

    fn states(&self) -> Vec<AlertState> {
        alerts::states(now_or_never(self.db.batch(vec![alerts::all()])).unwrap().remove(0)).unwrap()
    }

    fn state(&self) -> AlertState {
        self.states().remove(0)
    }

    fn token(&self, act: LinkAct, channel: &str) -> String {
        let said = notification(&self.state(), NotifyReason::First, String::new(), &self.config);
        signer().token(&Link { expires_at: NOW.plus(DAY_MS), ..Link::new(&said, act, channel) })
    }

    fn get(&self, token: &str, after_ms: i64) -> Page {
        now_or_never(show(&self.db, token, Some(&signer()), &self.config, NOW.plus(after_ms)))
    }

    fn post(&self, token: &str, after_ms: i64) -> Page {
        now_or_never(act(&self.db, token, Some(&signer()), (&self.config, &self.addresses), NOW.plus(after_ms)))
    }

    /// How many messages tell that somebody has it.
    fn acknowledged(&self) -> u64 {
        let count = Statement::new("SELECT count(*) AS n FROM outbox WHERE reason = 'acknowledged'", []);
        now_or_never(self.db.batch(vec![count])).unwrap().remove(0).rows[0]["n"].as_u64().unwrap()
    }
}

/// Reading works, and the write after it fails once.
struct SecondFails<'a>(&'a Sqlite, Cell<u32>, Failure);

impl Db for SecondFails<'_> {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<StatementResult>, DbError> {
        self.1.set(self.1.get() + 1);
        if self.1.get() == 2 {
            self.0.fail_next(self.2);
        }
        self.0.batch(statements).await
    }
}

fn title(page: &Page) -> (u16, String) {
    let title = page.html.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0;
    (page.status, title.to_owned())
}

#[test]
fn the_page_says_what_the_button_does_and_looking_does_nothing() {
    let mailbox = Mailbox::with_alert();
    let before = mailbox.state();
    for act in LinkAct::ALL {
        let (name, token) = (act.as_str(), mailbox.token(act, "email"));
        let page = mailbox.get(&token, 2 * MINUTE_MS);
        assert_eq!(page, mailbox.get(&token, 2 * MINUTE_MS));
        insta::assert_snapshot!(name, page.html.replace("><", ">\n<").replace('\u{a0}', "␣"));
    }
    assert_eq!((mailbox.state(), mailbox.acknowledged()), (before, 0));
}

#[test]
fn the_button_takes_the_alert_once_and_everybody_hears_it() {
    let mailbox = Mailbox::with_alert();
    let (take, snooze) = (mailbox.token(LinkAct::Acknowledge, "email"), mailbox.token(LinkAct::Snooze, "email"));
    let done = mailbox.post(&snooze, MINUTE_MS);
    assert_eq!(done.status, 200);
    insta::assert_snapshot!(done.html.replace("><", ">\n<").replace('\u{a0}', "␣"));
    let response = mailbox.state().response.unwrap();
    assert_eq!((response.by.as_str(), response.until), ("e-mail link (email)", Some(NOW.plus(MINUTE_MS + HOUR_MS))));
    let heard = mailbox.acknowledged();
    assert!(heard > 0);
    for page in [mailbox.post(&snooze, 2 * MINUTE_MS), mailbox.get(&snooze, 2 * MINUTE_MS)] {
        assert_eq!(title(&page), (410, "This link was used".to_owned()));
        assert!(page.html.contains("already used by e-mail link (email) at 02:01 SAST on 2 Mar, and works once."), "{}", page.html);
    }
    assert_eq!(mailbox.acknowledged(), heard, "it acts once");
    // The other link of the same e-mail is another link.
    assert_eq!(mailbox.post(&take, 3 * MINUTE_MS).status, 200);
    assert_eq!(mailbox.state().response.unwrap().until, None);
    // And whoever comes later hears who has it, without using up a link.
    let late = mailbox.token(LinkAct::Acknowledge, "on-call");
    let page = mailbox.post(&late, 4 * MINUTE_MS);
    assert_eq!(title(&page), (409, "Somebody has this alert".to_owned()));
    assert!(page.html.contains("e-mail link (email) acknowledged it at 02:03 SAST on 2 Mar"), "{}", page.html);
}

#[test]
fn who_asks_for_help_or_says_that_it_is_over_is_heard() {
    let mailbox = Mailbox::with_alert();
    assert_eq!(mailbox.post(&mailbox.token(LinkAct::Acknowledge, "email"), MINUTE_MS).status, 200);
    let page = mailbox.post(&mailbox.token(LinkAct::Escalate, "email"), 2 * MINUTE_MS);
    assert!(page.status == 200 && title(&page).1.starts_with("Escalated: "), "{}", page.html);
    assert_eq!((mailbox.state().response, mailbox.state().escalated), (None, 1), "nobody has it until somebody takes it anew");
    let page = mailbox.post(&mailbox.token(LinkAct::Resolve, "email"), 3 * MINUTE_MS);
    assert!(page.status == 200 && title(&page).1.starts_with("Resolved: "), "{}", page.html);
    assert_eq!(mailbox.state().phase, Phase::Resolved);
    let page = mailbox.get(&mailbox.token(LinkAct::Snooze, "email"), 4 * MINUTE_MS);
    assert_eq!(title(&page), (409, "This alert is over".to_owned()));
}

#[test]
fn a_link_that_cannot_act_says_why_and_asks_no_database_without_need() {
    let mailbox = Mailbox::with_alert();
    let token = mailbox.token(LinkAct::Acknowledge, "email");
    let refused = |token: &str, after_ms: i64| {
        let pages = [mailbox.get(token, after_ms), mailbox.post(token, after_ms)];
        assert_eq!(pages[0], pages[1]);
        title(&pages[0])
    };
    // These three ask nothing: the failure stays for the next batch.
    mailbox.db.fail_next(Failure::Refuse);
    assert_eq!(refused(token.get(1..).unwrap(), 0), (404, "This link is not whole".to_owned()));
    assert_eq!(refused(&token, DAY_MS), (410, "This link has expired".to_owned()));
    let off = now_or_never(show(&mailbox.db, &token, None, &mailbox.config, NOW));
    assert_eq!(title(&off), (503, "Links in e-mails are switched off".to_owned()));
    assert_eq!(title(&mailbox.get(&token, 0)), (503, "Parapet cannot do this right now".to_owned()));

    let subject = mailbox.state().subject;
    mailbox.steps(&subject, Signal::Off { measured: None }, NOW.plus(MINUTE_MS));
    assert_eq!(refused(&token, MINUTE_MS), (409, "This alert is over".to_owned()));
    mailbox.steps(&subject, Signal::On { measured: None, detail: None }, NOW.plus(2 * MINUTE_MS));
    assert_eq!(
        refused(&token, 2 * MINUTE_MS),
        (409, "This alert is over".to_owned()),
        "it fires again: an old e-mail takes no new episode"
    );
    assert_eq!(mailbox.acknowledged(), 0);
}

#[test]
fn an_act_whose_answer_was_lost_is_done_once() {
    for failure in [Failure::Refuse, Failure::LoseAnswer] {
        let mailbox = Mailbox::with_alert();
        let token = mailbox.token(LinkAct::Snooze, "email");
        let db = SecondFails(&mailbox.db, Cell::new(0), failure);
        let told_by = (&mailbox.config, &mailbox.addresses);
        let page = now_or_never(act(&db, &token, Some(&signer()), told_by, NOW.plus(MINUTE_MS)));
        let expected = if failure == Failure::Refuse { 200 } else { 410 };
        assert_eq!(page.status, expected, "{failure:?}: {}", page.html);
        assert_eq!((mailbox.state().version, mailbox.post(&token, MINUTE_MS).status), (2, 410));
    }
}

#[test]
fn the_only_style_is_the_one_whose_hash_is_allowed_and_nothing_else_is() {
    let mailbox = Mailbox::with_alert();
    let page = mailbox.get(&mailbox.token(LinkAct::Acknowledge, "email"), 0).html;
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = ids::unhex(&ids::sha256_hex(style.as_bytes())).unwrap();
    assert!(HEADERS[1].contains(&format!("'sha256-{}'", crate::base64::encode(&digest))), "{}", HEADERS[1]);
    for part in ["<script", "style=", "src=", "<link", "onclick"] {
        assert!(!page.contains(part), "{part}");
    }
}
