//! A world in which alerts live: the real SQL on a real SQLite, peers that speak the vendors' formats and fail on demand,
//! a clock that only the story moves, and calls that can be interleaved and cut off at every await.
//!
//! Every database or network call yields before and after it acts, so a future dropped between two polls is a process that
//! crashed before the write, or after it.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "every story uses its own part of the world")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a story that cannot go on fails")]

#[path = "slack_bot.rs"]
pub mod slack_bot;
#[path = "vendors.rs"]
pub mod vendors;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use parapet::alert::dispatch::dispatch;
use parapet::alert::observe::{Coverage, LiveWindow};
use parapet::alert::respond::Act;
use parapet::alert::tick::{Seen, TickReport, tick};
use parapet::channel::Addresses;
use parapet::config::Config;
use parapet::config::alerting::{
    Aggregate, Alerting, Bound, Channel, Compare, EmailFormat, NoData, OnError, OpensIncident, Over, Route, Rule, Selector, Severity, Via,
    When,
};
use parapet::outbox::deliver::{Courier, Round};
use parapet::outbox::message::MessageState;
use parapet::ports::{Db, DbError, Http, HttpError, HttpRequest, HttpResponse};
use parapet::record;
use parapet::storage::outbox::{AttemptRow, MessageRow, delivery, found_delivery};
use parapet::storage::series::Slice;
use parapet::storage::silences::{self, Silence};
use parapet::storage::{Param, Statement, StatementResult};
use parapet::telemetry::cell::Cell as Value;
use parapet::telemetry::series::{Kind, SeriesKey};
use parapet::time::UnixMs;
use parapet::web::auth::{Principal, Role};
use parapet::web::deliveries::{self, Redriven};
use parapet::web::problem::Problem;
use parapet::web::respond;
use serde_json::json;

/// 2026-03-02T12:00:00Z, a Monday, 14:00 in Johannesburg.
pub const NOON: UnixMs = UnixMs(1_772_452_800_000);

pub fn at_s(seconds: i64) -> UnixMs {
    NOON.plus(seconds * 1_000)
}

// === time and interleaving

/// Yields once: the place where another process may run, or this one may die.
async fn step_aside() {
    let mut yielded = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Polls until `enough` says so: the process stands still in the middle of what it does.
pub fn poll_until(future: &mut Pin<Box<dyn Future<Output = ()> + '_>>, enough: impl Fn() -> bool) {
    while !enough() {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it ended before it came that far");
    }
}

/// Polls the futures in the order `turns` gives (each turn picks one of those still running), then lets the rest finish in
/// order. `crash_after` turns, everything still running is dropped instead.
pub fn interleave(futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>, turns: &[usize], crash_after: Option<usize>) {
    let mut running: Vec<_> = futures.into_iter().collect();
    let mut turn = 0;
    while !running.is_empty() {
        if crash_after == Some(turn) {
            return;
        }
        let pick = turns.get(turn).copied().unwrap_or(0) % running.len();
        if running[pick].as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            drop(running.remove(pick));
        }
        turn += 1;
    }
}

// === the database

/// How the next batches fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbFault {
    /// It works.
    None,
    /// Refused: nothing is written.
    RefuseBefore,
    /// The connection breaks before anything is written.
    LoseBefore,
    /// Everything is written, then the connection breaks.
    LoseAfter,
}

/// SQLite with the migrations applied, D1's transactions and D1's numbers.
#[derive(Debug)]
pub struct Sqlite {
    connection: RefCell<rusqlite::Connection>,
    faults: RefCell<VecDeque<DbFault>>,
}

impl Sqlite {
    pub fn migrated() -> Self {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            connection.execute_batch(&std::fs::read_to_string(file).unwrap()).unwrap();
        }
        // D1's own limits: the bounds of a statement are documented, that of UNION was found by asking it.
        for (limit, most) in [
            (rusqlite::limits::Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
            (rusqlite::limits::Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
            (rusqlite::limits::Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (rusqlite::limits::Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
        ] {
            connection.set_limit(limit, most).unwrap();
        }
        Self { connection: RefCell::new(connection), faults: RefCell::default() }
    }

    /// The next batches fail like this, in order.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = DbFault>) {
        self.faults.borrow_mut().extend(faults);
    }

    pub fn heal(&self) {
        self.faults.borrow_mut().clear();
    }

    fn run(&self, statements: &[Statement]) -> Result<Vec<StatementResult>, DbError> {
        let mut connection = self.connection.borrow_mut();
        let transaction = connection.transaction().unwrap();
        let results = statements.iter().map(|statement| run_one(&transaction, statement)).collect::<Result<Vec<_>, _>>();
        let results = results.map_err(|error| DbError::Refused { message: error.to_string() })?;
        transaction.commit().unwrap();
        Ok(results)
    }

    pub fn query(&self, sql: &'static str) -> Vec<serde_json::Value> {
        self.run(&[Statement::new(sql, [])]).unwrap().remove(0).rows
    }
}

fn run_one(connection: &rusqlite::Connection, statement: &Statement) -> rusqlite::Result<StatementResult> {
    let mut prepared = connection.prepare_cached(statement.sql)?;
    for (at, param) in statement.params.iter().enumerate() {
        match param {
            Param::Null => prepared.raw_bind_parameter(at + 1, rusqlite::types::Null)?,
            // D1 is given JavaScript numbers, so integers arrive as doubles there too.
            Param::Int(value) => prepared.raw_bind_parameter(at + 1, *value as f64)?,
            Param::Real(value) => prepared.raw_bind_parameter(at + 1, *value)?,
            Param::Text(value) => prepared.raw_bind_parameter(at + 1, value.as_str())?,
        }
    }
    let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let mut found = Vec::new();
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let mut object = serde_json::Map::new();
        for (at, name) in names.iter().enumerate() {
            let value = match row.get_ref(at)? {
                rusqlite::types::ValueRef::Null => serde_json::Value::Null,
                rusqlite::types::ValueRef::Integer(value) => json!(value),
                rusqlite::types::ValueRef::Real(value) => json!(value),
                rusqlite::types::ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                rusqlite::types::ValueRef::Blob(bytes) => json!(bytes),
            };
            object.insert(name.clone(), value);
        }
        found.push(serde_json::Value::Object(object));
    }
    drop(rows);
    Ok(StatementResult { rows: found, changes: connection.changes(), ..StatementResult::default() })
}

impl Db for Sqlite {
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<StatementResult>, DbError> {
        step_aside().await;
        let fault = self.faults.borrow_mut().pop_front().unwrap_or(DbFault::None);
        let message = "scripted".to_owned();
        let result = match fault {
            DbFault::None => self.run(&statements),
            DbFault::RefuseBefore => Err(DbError::Refused { message }),
            DbFault::LoseBefore => Err(DbError::Lost { message }),
            DbFault::LoseAfter => self.run(&statements).and(Err(DbError::Lost { message })),
        };
        step_aside().await;
        result
    }
}

// === the peers

/// How a peer takes one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes it and says so.
    Takes,
    /// 429 with `Retry-After` in seconds.
    Busy(u32),
    /// 500.
    Breaks,
    /// 404: it will never take it.
    Gone,
    /// A redirect to somewhere else.
    Moves,
    /// Nothing arrives in time, and it did not act.
    TimesOut,
    /// It takes the message, and the answer does not arrive in time.
    TakesThenTimesOut,
    /// It takes the message, and the connection breaks before the answer.
    TakesThenCloses,
    /// The connection cannot be made.
    Unreachable,
}

impl Mood {
    /// Whether the peer has the message although we cannot know.
    pub fn loses_the_answer(self) -> bool {
        matches!(self, Self::TakesThenTimesOut | Self::TakesThenCloses)
    }
}

/// A message as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The peer's host.
    pub peer: String,
    /// The message's id.
    pub message: String,
    /// The alert's id.
    pub alert: String,
    /// The one-line text.
    pub title: String,
    /// When it arrived.
    pub at: UnixMs,
}

/// One request as it reached a peer.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub peer: String,
    pub at: UnixMs,
    pub mood: Mood,
    pub body: serde_json::Value,
}

/// The vendors, by host.
#[derive(Debug, Default)]
pub struct Peers {
    moods: RefCell<BTreeMap<String, VecDeque<Mood>>>,
    usual: RefCell<BTreeMap<String, Mood>>,
    pub heard: RefCell<Vec<Heard>>,
    pub arrivals: RefCell<Vec<Arrival>>,
    idempotent: RefCell<BTreeSet<String>>,
    pub memory: RefCell<vendors::Memory>,
    pub now: Cell<UnixMs>,
}

impl Peers {
    /// The next requests to `peer` meet these moods, then its usual one again.
    pub fn next_moods(&self, peer: &str, moods: impl IntoIterator<Item = Mood>) {
        self.moods.borrow_mut().entry(peer.to_owned()).or_default().extend(moods);
    }

    /// From now on `peer` is like this.
    pub fn usual_mood(&self, peer: &str, mood: Mood) {
        self.usual.borrow_mut().insert(peer.to_owned(), mood);
    }

    pub fn heal(&self) {
        self.moods.borrow_mut().clear();
        self.usual.borrow_mut().clear();
    }

    pub fn titles(&self, peer: &str) -> Vec<String> {
        self.heard.borrow().iter().filter(|heard| heard.peer == peer).map(|heard| heard.title.clone()).collect()
    }

    pub fn arrivals_at(&self, peer: &str) -> Vec<UnixMs> {
        self.arrivals.borrow().iter().filter(|arrival| arrival.peer == peer).map(|arrival| arrival.at).collect()
    }

    /// What a person who reads the message sees; the vendor refuses what its format does not allow.
    fn take(&self, peer: &str, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
        let done = answer(200, if peer.contains("slack") { "ok" } else { r#"{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}"# });
        if let Some(read) = vendors::read(peer, request, self.now.get(), &mut self.memory.borrow_mut()) {
            let read = read?;
            if read.dedup_key.is_none_or(|key| self.idempotent.borrow_mut().insert(key)) {
                self.heard.borrow_mut().extend(read.heard);
            }
            return Ok(read.answer);
        }
        if peer == SENTRY {
            let (event, heard) = sentry_reads(request).ok_or_else(|| answer(400, "bad envelope"))?;
            // Sentry drops a second event with the same id.
            if self.idempotent.borrow_mut().insert(event) {
                self.heard.borrow_mut().push(Heard { at: self.now.get(), ..heard });
            }
            return Ok(done);
        }
        let body: serde_json::Value = serde_json::from_slice(&request.body).map_err(|_| answer(400, "invalid_payload"))?;
        let (message, alert, title) = if peer.contains("slack") {
            slack_reads(&body).ok_or_else(|| answer(400, "invalid_blocks"))?
        } else {
            resend_reads(&body, request).ok_or_else(|| answer(422, "validation_error"))?
        };
        // Resend drops a second request with the same key; a Slack webhook posts it again.
        if !peer.contains("slack") && !self.idempotent.borrow_mut().insert(message.clone()) {
            return Ok(done);
        }
        self.heard.borrow_mut().push(Heard { peer: peer.to_owned(), message, alert, title, at: self.now.get() });
        Ok(done)
    }
}

/// Block Kit as docs.slack.dev has it: known block types, their limits, entities instead of control characters.
fn slack_reads(body: &serde_json::Value) -> Option<(String, String, String)> {
    let short = |value: &serde_json::Value, most: usize| {
        value.as_str().filter(|text| !text.is_empty() && text.chars().count() <= most).map(str::to_owned)
    };
    let title = short(&body["text"], 3_000)?;
    let blocks = body["blocks"].as_array().filter(|blocks| blocks.len() <= 50)?;
    let mut ids = None;
    for block in blocks {
        match block["type"].as_str()? {
            "header" => drop(short(&block["text"]["text"], 150).filter(|_| block["text"]["type"] == "plain_text")?),
            "section" if block["fields"].is_array() => {
                let fields = block["fields"].as_array().filter(|fields| (1..=10).contains(&fields.len()))?;
                for field in fields {
                    short(&field["text"], 2_000)?;
                }
            }
            "section" => drop(short(&block["text"]["text"], 3_000)?),
            "context" => ids = short(&block["elements"][0]["text"], 2_000),
            "actions" => {
                for button in block["elements"].as_array().filter(|buttons| (1..=25).contains(&buttons.len()))? {
                    short(&button["text"]["text"], 75)?;
                    // A button opens a page or acts on what it names.
                    if button["url"].is_null() {
                        short(&button["action_id"], 255).and(short(&button["value"], 2_000))?;
                    } else {
                        short(&button["url"], 3_000).filter(|url| url.starts_with("http"))?;
                    }
                }
            }
            _ => return None,
        }
    }
    let ids = ids?;
    let word = |prefix: &str| ids.split(" · ").find(|word| word.starts_with(prefix)).map(str::to_owned);
    (!title.contains('<')).then_some(())?;
    Some((
        word("msg_")?,
        ["alr_", "grp_", "rep_"].into_iter().find_map(word)?,
        title.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&").replace('\u{a0}', " "),
    ))
}

/// Resend's OpenAPI: from, to (1 to 50), subject, html or text; the key at most 256 characters.
fn resend_reads(body: &serde_json::Value, request: &HttpRequest) -> Option<(String, String, String)> {
    body["from"].as_str().filter(|from| from.contains('@'))?;
    body["to"].as_array().filter(|to| (1..=50).contains(&to.len()))?;
    body["html"].as_str().filter(|html| html.starts_with("<!DOCTYPE html>"))?;
    let text = body["text"].as_str()?;
    let key =
        request.headers.iter().find(|(name, _)| name == "idempotency-key").map(|(_, key)| key.clone()).filter(|key| key.len() <= 256)?;
    request.headers.iter().find(|(name, value)| name == "authorization" && value == "Bearer re_key")?;
    let is_about = |word: &&str| ["alr_", "grp_", "rep_"].iter().any(|prefix| word.starts_with(prefix));
    let alert = text.split_whitespace().find(is_about)?.trim_end_matches(',').to_owned();
    Some((key, alert, body["subject"].as_str()?.replace('\u{a0}', " ")))
}

/// An envelope as Sentry's developer documentation has it: three lines, the item's length exact, the key in a header.
fn sentry_reads(request: &HttpRequest) -> Option<(String, Heard)> {
    request.headers.iter().find(|(name, value)| name == "x-sentry-auth" && value.contains("sentry_key=publickey"))?;
    let text = std::str::from_utf8(&request.body).ok()?;
    let mut lines = text.splitn(3, '\n');
    let header: serde_json::Value = serde_json::from_str(lines.next()?).ok()?;
    let item: serde_json::Value = serde_json::from_str(lines.next()?).ok()?;
    let payload = lines.next()?.trim_end_matches('\n');
    (item["type"] == "event" && item["length"].as_u64()? == payload.len() as u64).then_some(())?;
    let event: serde_json::Value = serde_json::from_str(payload).ok()?;
    let alert = event["fingerprint"].as_array()?.last()?.as_str()?.to_owned();
    let message = event["extra"]["message_id"].as_str()?.to_owned();
    let title = event["logentry"]["message"].as_str()?.replace('\u{a0}', " ");
    Some((header["event_id"].as_str()?.to_owned(), Heard { peer: SENTRY.to_owned(), message, alert, title, at: UnixMs(0) }))
}

fn answer(status: u16, body: &str) -> HttpResponse {
    HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() }
}

impl Http for Peers {
    async fn send(&self, request: HttpRequest, timeout_ms: u32) -> Result<HttpResponse, HttpError> {
        step_aside().await;
        let peer = request.peer().trim_start_matches("https://").to_owned();
        let scripted = self.moods.borrow_mut().get_mut(&peer).and_then(VecDeque::pop_front);
        let mood = scripted.or_else(|| self.usual.borrow().get(&peer).copied()).unwrap_or(Mood::Takes);
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        self.arrivals.borrow_mut().push(Arrival { peer: peer.clone(), at: self.now.get(), mood, body });
        let result = match mood {
            Mood::Takes => Ok(self.take(&peer, &request).unwrap_or_else(|refusal| refusal)),
            Mood::Busy(seconds) => {
                let mut busy = answer(429, r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#);
                busy.headers.push(("retry-after".to_owned(), seconds.to_string()));
                Ok(busy)
            }
            Mood::Breaks => Ok(answer(500, "rollup_error")),
            Mood::Gone => Ok(answer(404, "no_service")),
            Mood::Moves => Ok(answer(307, "")),
            Mood::TimesOut => Err(HttpError::Timeout { after_ms: timeout_ms }),
            Mood::TakesThenTimesOut => self.take(&peer, &request).map_or_else(Ok, |_| Err(HttpError::Timeout { after_ms: timeout_ms })),
            Mood::TakesThenCloses => {
                let closed = || HttpError::Network { message: "connection closed before the answer".to_owned() };
                self.take(&peer, &request).map_or_else(Ok, |_| Err(closed()))
            }
            Mood::Unreachable => Err(HttpError::Network { message: "connection refused".to_owned() }),
        };
        step_aside().await;
        result
    }
}

// === the configuration

pub const SLACK: &str = "hooks.slack.com";
pub const EMAIL: &str = "api.resend.com";
pub const SENTRY: &str = "o1.ingest.sentry.io";

pub fn selector(series: &str, labels: &[(&str, &str)]) -> Selector {
    Selector { series: series.to_owned(), labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect() }
}

/// `API error rate`, critical: 5xx over all requests above 2 % of at least 20 in 5 minutes, for two minutes.
pub fn error_rate() -> Rule {
    Rule {
        id: "api-error-rate".to_owned(),
        name: "API error rate".to_owned(),
        severity: Severity::Critical,
        when: When::Ratio {
            part: selector("http_requests_total", &[("class", "5xx")]),
            whole: selector("http_requests_total", &[]),
            over: Over::Ms(300_000),
            compare: Compare::Above,
            bound: 0.02,
            min_samples: 20.0,
        },
        by: Vec::new(),
        recovery: None,
        for_ms: 120_000,
        keep_firing_for_ms: 0,
        // At every tick, however close: stories tell seconds.
        interval_ms: 0,
        depends_on: Vec::new(),
        no_data: NoData::Ok,
        error: OnError::Alert,
        incident: OpensIncident::Critical,
        labels: parapet::sorted::Map::from([("team".to_owned(), "platform".to_owned())]),
        summary: "Requests fail on our side: visitors see errors & cannot book.".to_owned(),
        annotations: parapet::sorted::Map::new(),
        runbook: "/runbooks/api-error-rate".to_owned(),
        owner: "platform-oncall".to_owned(),
    }
}

/// A rule on the last value of a gauge, which a story can switch at will; fires at once.
pub fn switch(id: &str) -> Rule {
    Rule {
        id: id.to_owned(),
        name: format!("Switch {id}"),
        when: When::Threshold {
            of: selector(&id.replace('-', "_"), &[]),
            aggregate: Aggregate::Last,
            over: Over::Ms(60_000),
            compare: Compare::Above,
            bound: Bound::Value(0.5),
        },
        by: Vec::new(),
        recovery: None,
        for_ms: 0,
        no_data: NoData::Keep,
        labels: parapet::sorted::Map::new(),
        summary: "The switch is on.".to_owned(),
        ..error_rate()
    }
}

pub fn slack_channel(id: &str) -> Channel {
    Channel { id: id.to_owned(), via: Via::Slack { secret: "SLACK_ALERTS_WEBHOOK".to_owned(), channel: None }, send_resolved: true }
}

pub fn email_channel(id: &str) -> Channel {
    let from = "Parapet <alerts@example.com>".to_owned();
    Channel { id: id.to_owned(), via: Via::Email { format: EmailFormat::Resend, from, recipients: None }, send_resolved: true }
}

pub fn sentry_channel(id: &str) -> Channel {
    Channel { id: id.to_owned(), via: Via::Sentry {}, send_resolved: true }
}

/// Everything to Slack and e-mail.
pub fn config(rules: Vec<Rule>) -> Config {
    let everything = Route { channels: vec!["slack".to_owned(), "email".to_owned()], ..Route::default() };
    let mut config: Config = record::read(include_bytes!("minimal-config.json")).unwrap();
    let channels = vec![slack_channel("slack"), email_channel("email")];
    config.alerting = Alerting { channels, routes: vec![everything], rules, ..Alerting::default() };
    config
}

pub fn secret(name: &str) -> Option<String> {
    let text = match name {
        "SLACK_ALERTS_WEBHOOK" => "https://hooks.slack.com/services/T000/B000/XXXXXXXXsecretXXXX",
        "SLACK_SECURITY_WEBHOOK" => "https://security.slack.com/services/T000/B000/XXXXXXXXsecretXXXX",
        "EMAIL_WEBHOOK_URL" => "https://api.resend.com/emails",
        "EMAIL_WEBHOOK_TOKEN" => "re_key",
        "SENTRY_DSN" => "https://publickey@o1.ingest.sentry.io/42",
        "ALERT_EMAIL_RECIPIENTS" => "ops@example.com, owner@example.com",
        other => vendors::secrets().remove(other)?,
    };
    Some(text.to_owned())
}

// === the world

/// All of it.
#[derive(Debug)]
pub struct World {
    pub db: Sqlite,
    pub http: Peers,
    pub config: Config,
    pub addresses: Addresses,
    pub live: LiveWindow,
    pub courier: Courier,
}

impl World {
    pub fn with_rules(rules: Vec<Rule>) -> Self {
        Self::with_config(config(rules))
    }

    pub fn with_config(config: Config) -> Self {
        let addresses = Addresses::resolve(&config.alerting, secret);
        let live = LiveWindow { slices: Vec::new(), coverage: Coverage::Whole };
        Self { db: Sqlite::migrated(), http: Peers::default(), config, addresses, live, courier: Courier::default() }
    }

    /// The same deployment and traffic with an empty database, and nothing said yet.
    pub fn reborn(&self) -> Self {
        Self { live: self.live.clone(), ..Self::with_config(self.config.clone()) }
    }

    /// `ok` good and `bad` failed requests in every 10 s of `[from, to)`.
    pub fn traffic(&mut self, from: UnixMs, to: UnixMs, ok: u64, bad: u64) {
        let key = |class: &str| SeriesKey::new(Kind::Counter, "http_requests_total", vec![("class".to_owned(), class.to_owned())]);
        let mut t = from.floor(10_000);
        while t < to {
            self.live.slices.push(Slice { t, cells: vec![(key("2xx"), Value::count(ok)), (key("5xx"), Value::count(bad))] });
            t = t.plus(10_000);
        }
    }

    /// As [`World::traffic`], to one route.
    pub fn traffic_to(&mut self, route: &str, from: UnixMs, to: UnixMs, ok: u64, bad: u64) {
        let key = |class: &str| {
            let labels = [("class", class), ("route", route)].map(|(label, value)| (label.to_owned(), value.to_owned()));
            SeriesKey::new(Kind::Counter, "http_requests_total", labels.into())
        };
        let mut t = from.floor(10_000);
        while t < to {
            self.live.slices.push(Slice { t, cells: vec![(key("2xx"), Value::count(ok)), (key("5xx"), Value::count(bad))] });
            t = t.plus(10_000);
        }
    }

    /// Sets the gauge of a [`switch`] rule at `at`.
    pub fn set(&mut self, id: &str, value: f64, at: UnixMs) {
        let key = SeriesKey::new(Kind::Gauge, id.replace('-', "_"), vec![]);
        self.live.slices.push(Slice { t: at.floor(10_000), cells: vec![(key, Value::single(Kind::Gauge, value, at.0))] });
    }

    /// What the Collectors know right before `now` is how these [`switch`] rules stand.
    pub fn switches<'s>(&mut self, now: UnixMs, values: impl IntoIterator<Item = (&'s str, f64)>) {
        self.live.slices.clear();
        for (rule, value) in values {
            self.set(rule, value, now.plus(-1));
        }
        self.http.now.set(now);
    }

    pub fn tick(&self, now: UnixMs) -> TickReport {
        block_on(tick(now, &self.config, &self.addresses, &self.db, &self.seen()))
    }

    pub fn seen(&self) -> Seen<'_> {
        Seen { live: &self.live, config_problem: None }
    }

    /// One step of delivery.
    pub fn deliver(&mut self, now: UnixMs) -> Round {
        self.http.now.set(now);
        block_on(dispatch(now, &self.config, &self.addresses, &self.db, &self.http, &mut self.courier))
    }

    /// What the Engine does each minute from `from` to `to`: tick, then rounds whenever something is due, to the second.
    pub fn run(&mut self, from: UnixMs, to: UnixMs) {
        let mut now = from;
        while now <= to {
            self.tick(now);
            let next_tick = now.plus(60_000);
            let mut due = Some(now);
            while let Some(at) = due.filter(|at| *at < next_tick && *at <= to) {
                let done = self.deliver(at);
                due = done.next_due_at.map(|next| next.max(at.plus(1)));
            }
            now = next_tick;
        }
    }

    /// Silences what `matchers` match over `[from, to)`, asking again until the database has it.
    pub fn silence(&self, matchers: &str, from: UnixMs, to: UnixMs) -> String {
        let id = format!("sil_{}_{}_{matchers}", from.0, to.0);
        let silence = Silence {
            id: id.clone(),
            matchers: parapet::alert::matcher::Matcher::parse_all(matchers).unwrap(),
            reason: "we know".to_owned(),
            author: "ann".to_owned(),
            created_by: "tok_1".to_owned(),
            created_at: from,
            starts_at: from,
            ends_at: to,
            updated_at: from,
            withheld: 0,
        };
        while block_on(self.db.batch(vec![silences::insert(&silence)])).is_err() {}
        id
    }

    /// Ends it early.
    pub fn end_silence(&self, id: &str, at: UnixMs) {
        while block_on(self.db.batch(vec![silences::end(id, at)])).is_err() {}
    }

    /// What was not told because of what: suppressor, kind, rule.
    pub fn withheld(&self) -> Vec<(String, String, String)> {
        let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = self.db.query("SELECT suppressor, kind, rule FROM withheld ORDER BY at, suppressor, rule");
        rows.iter().map(|row| (text(row, "suppressor"), text(row, "kind"), text(row, "rule"))).collect()
    }

    /// Thandi does something about the one alert there is.
    pub fn act(&self, act: &Act, at: UnixMs) -> Result<respond::Shown, Problem> {
        block_on(self.acting(act, at))
    }

    /// The same while a tick runs at the same moment; `turns` says who goes on when.
    pub fn act_during_tick(&self, act: &Act, at: UnixMs, turns: &[usize]) {
        interleave(
            vec![
                Box::pin(async { drop(self.acting(act, at).await.unwrap()) }),
                Box::pin(async { drop(tick(at, &self.config, &self.addresses, &self.db, &self.seen()).await) }),
            ],
            turns,
            None,
        );
    }

    pub async fn acting(&self, act: &Act, at: UnixMs) -> Result<respond::Shown, Problem> {
        let id = self.db.query("SELECT id FROM alerts")[0]["id"].as_str().unwrap().to_owned();
        self.acting_on(&id, act, at).await
    }

    /// Thandi does something about this alert, or group.
    pub async fn acting_on(&self, id: &str, act: &Act, at: UnixMs) -> Result<respond::Shown, Problem> {
        let by = Principal { id: "tok_1".to_owned(), name: "Thandi".to_owned(), role: Role::Operator };
        respond::act(&self.db, id, (act, None), &by, (&self.config, &self.addresses), at).await
    }

    /// Thandi has a channel's dead messages sent again.
    pub fn redrive(&self, channel: &str, at: UnixMs) -> Redriven {
        let by = Principal { id: "tok_1".to_owned(), name: "Thandi".to_owned(), role: Role::Operator };
        let body = json!({ "channel": channel }).to_string();
        block_on(deliveries::redrive_channel(&self.db, body.as_bytes(), &by, &self.addresses, at)).unwrap()
    }

    pub fn messages(&self) -> Vec<(String, String, String)> {
        let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = self.db.query("SELECT channel, reason, state FROM outbox ORDER BY created_at, seq, channel");
        rows.iter().map(|row| (text(row, "channel"), text(row, "reason"), text(row, "state"))).collect()
    }

    pub fn all_closed(&self) -> bool {
        self.messages().iter().all(|(_, _, state)| {
            let state = MessageState::from_str(state).unwrap();
            state == MessageState::Delivered || state == MessageState::Dead
        })
    }

    pub fn delivery(&self, id: &str) -> (MessageRow, Vec<AttemptRow>) {
        found_delivery(block_on(self.db.batch(delivery(id).into())).unwrap()).unwrap().unwrap()
    }

    pub fn ids(&self, channel: &str) -> Vec<String> {
        let rows = self.db.query("SELECT id, channel FROM outbox ORDER BY created_at, seq");
        rows.iter().filter(|row| row["channel"] == channel).map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}
