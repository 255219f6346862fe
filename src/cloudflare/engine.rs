//! The Engine Durable Object: one tick at a time, the outbox, and the timers that cron is too coarse for.
//!
//! Calls: `/tick` a moment (from cron), `/deliver` nothing (after a test alert was written). The alarm rings when the next
//! message is due, and at the latest [`LATE_MS`] after the last good tick, when it ticks itself: cron may be late or stop. While a rule is
//! evaluated more often than cron comes, it rings and ticks at every boundary of ten seconds (`alert::boundary`).
//! Invariant: whatever fails, the alarm is set again. Doing something twice at once is harmless by the SQL; the flags here
//! only save the work.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::join;
use serde::Serialize;
use worker::wasm_bindgen;
use worker::{Delay, DurableObject, Env, Request, Response, State, durable_object};

use super::d1::D1;
use super::in_force::{Active, engine_config};
use super::outbound::Outbound;
use super::{bindings, clock, collectors, outward, report};
use crate::alert::boundary::{self, Duties};
use crate::alert::dispatch::dispatch;
use crate::alert::tick::{Seen, TickOutcome, TickReport, tick};
use crate::alert::weekly;
use crate::channel::Addresses;
use crate::config::Config;
use crate::outbox::deliver::{Courier, Sent};
use crate::ports::Db;
use crate::storage::deploys;
use crate::time::{MINUTE_MS, SECOND_MS, UnixMs};
use crate::upkeep;

/// The only instance's name.
pub(super) const NAME: &str = "engine";
/// How long after the last good tick the alarm ticks itself: cron comes every 60 s, and half a minute late is not late.
const LATE_MS: i64 = 90 * SECOND_MS;
/// When to look again after the database failed.
const AGAIN_MS: i64 = 10 * SECOND_MS;
/// How long one call goes on sending: well below the minute after which the next tick comes.
const MAX_CALL_MS: i64 = 25 * SECOND_MS;
/// As [`MAX_CALL_MS`], while the alarm has to be back for the next boundary.
const MAX_FINE_CALL_MS: i64 = 8 * SECOND_MS;
/// A message due this soon is waited for: the spacing of the slowest channel. Later ones are left to the alarm.
const SOON_MS: i64 = 1_100;
/// Where the moment of the last good tick is kept, on the wall clock.
const LAST_TICK_KEY: &str = "last_tick_wall";
/// Where the last minute is kept whose duties were done.
const MINUTE_KEY: &str = "minute_done";

/// The Engine.
#[durable_object(alarm)]
pub struct Engine {
    state: State,
    env: Env,
    courier: RefCell<Courier>,
    ticking: Cell<bool>,
    delivering: Cell<Delivering>,
    last_tick_wall: Cell<Option<UnixMs>>,
    /// The newest moment that was ticked.
    last_moment: Cell<Option<UnixMs>>,
    /// The minute whose duties were done last, long ago if none was; `None` until it was asked for.
    minute_done: Cell<Option<UnixMs>>,
    /// Whether the version that runs is written down.
    noted: Cell<bool>,
    /// Whether a rule is evaluated more often than cron comes; `None` until the configuration was read.
    fine: Cell<Option<bool>>,
}

/// Whether somebody delivers, and whether something came in meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivering {
    Nobody,
    Somebody,
    SomebodyWithMore,
}

/// What `/tick` and `/deliver` answer.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    /// The tick, if there was one; `None` when one was already running.
    pub(super) tick: Option<TickReport>,
    /// The attempts made.
    pub(super) sent: Vec<Sent>,
    /// When the next message is due.
    pub(super) next_due_at: Option<UnixMs>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl DurableObject for Engine {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            courier: RefCell::default(),
            ticking: Cell::new(false),
            delivering: Cell::new(Delivering::Nobody),
            last_tick_wall: Cell::new(None),
            last_moment: Cell::new(None),
            minute_done: Cell::new(None),
            noted: Cell::new(false),
            fine: Cell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let body = request.text().await?;
        let done = match request.path().as_str() {
            "/tick" => self.tick(bindings::read(&body)?).await,
            "/deliver" => self.deliver(clock::now()).await,
            _ => return Response::error("no such call", 404),
        };
        self.arm(done.next_due_at).await;
        bindings::json(&done)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        // First of all, so that nothing below can leave the Engine without an alarm.
        self.set_alarm(clock::now().plus(LATE_MS)).await;
        let now = clock::now();
        let late = now.since(self.last_tick_wall().await) >= LATE_MS;
        let at = boundary::moment(now);
        let is_boundary = self.is_fine().await && self.last_moment.get().is_none_or(|last| last < at);
        let done = if late || is_boundary { self.tick(at).await } else { self.deliver(now).await };
        self.arm(done.next_due_at).await;
        Response::ok("")
    }
}

impl Engine {
    /// The whole way of one tick: look, decide and write; then send, and tell the outside at the same time.
    async fn tick(&self, now: UnixMs) -> Done {
        let minute_done = self.minute_done().await;
        if self.ticking.replace(true) {
            return Done { tick: None, sent: Vec::new(), next_due_at: None };
        }
        let began = clock::now();
        // The next tick need not wait for slow peers, so the flag is lowered before anything is sent.
        let decided = {
            let _reset = Reset(&self.ticking);
            self.decide(now).await
        };
        let (active, ticked) = match decided {
            Ok(decided) => decided,
            Err(why) => return Done { tick: Some(TickReport::failed(now, why)), ..self.deliver(now).await },
        };
        let duties = boundary::duties(now, self.minute_done.get().unwrap_or(minute_done));
        if duties == Duties::None && matches!(ticked.outcome, TickOutcome::AlreadyDone { .. }) {
            return Done { tick: Some(ticked), ..self.deliver(now).await };
        }
        if duties == Duties::OfTheMinute && !matches!(ticked.outcome, TickOutcome::Failed { .. }) {
            self.remember_minute(now.floor(MINUTE_MS)).await;
        }
        let told = async {
            if duties == Duties::OfTheMinute {
                outward::tell(&self.env, active.config(), &ticked, clock::now().since(began)).await;
            }
            if let TickOutcome::Failed { why } = &ticked.outcome {
                report::own(&self.env, "tick", why).await;
            }
        };
        let (mut done, ()) = join(self.deliver(now), told).await;
        if duties == Duties::OfTheMinute {
            collectors::count_tick(&self.env, active.config(), &ticked).await;
            // After the alerts, and the alarm sends it at once.
            if self.weekly_report(&active, now).await > 0 {
                done.next_due_at = Some(now);
            }
            self.upkeep(active.config(), now).await;
        }
        Done { tick: Some(ticked), ..done }
    }

    /// The tick itself, and the configuration it was decided by.
    async fn decide(&self, now: UnixMs) -> Result<(Active, TickReport), String> {
        let active = engine_config(&self.env).await?;
        self.fine.set(Some(boundary::is_fine(&active.config().alerting.rules)));
        let live = collectors::live_window(&self.env, now).await;
        let seen = Seen { live: &live, config_problem: active.problem.as_deref() };
        let report = match D1::bound(&self.env) {
            Ok(db) => {
                self.note_version(&db, now).await;
                tick(now, active.config(), &self.addresses(&active), &db, &seen).await
            }
            Err(error) => TickReport::failed(now, error.to_string()),
        };
        worker::console_log!("{}", serde_json::json!({"event": "tick", "report": &report}));
        if !matches!(report.outcome, TickOutcome::Failed { .. }) {
            self.last_moment.set(self.last_moment.get().max(Some(now)));
            self.remember_tick().await;
        }
        Ok((active, report))
    }

    /// Writes the weekly report when it is due; how many messages that made.
    async fn weekly_report(&self, active: &Active, now: UnixMs) -> usize {
        let written = match D1::bound(&self.env) {
            Ok(db) => weekly::write_due(now, active.config(), &self.addresses(active), &db).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(written) => written,
            Err(error) => {
                report::own(&self.env, "weekly_report", &format!("put off to the next tick: {error}")).await;
                0
            }
        }
    }

    /// Writes down which version runs, once in the life of this instance: a new version is a new instance.
    async fn note_version(&self, db: &D1, now: UnixMs) {
        if let Some(version) = bindings::version(&self.env).filter(|_| !self.noted.get()) {
            self.noted.set(db.batch(vec![deploys::insert(&deploys::own(&version, now))]).await.is_ok());
        }
    }

    /// What can wait, last of all.
    async fn upkeep(&self, config: &Config, now: UnixMs) {
        let done = match D1::bound(&self.env) {
            Ok(db) => upkeep::run(now, &config.infrastructure.retention, &db).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(done) if done == upkeep::Upkeep::default() => {}
            Ok(done) => worker::console_log!("{}", serde_json::json!({"event": "upkeep", "done": done})),
            Err(error) => report::own(&self.env, "upkeep", &format!("put off to the next tick: {error}")).await,
        }
    }

    /// Sends what is due, waiting out a channel's spacing, until nothing is due soon or it took long enough for one call; the
    /// alarm does the rest. `floor` is a moment that has certainly come: a tick's, which a replayed schedule may put ahead
    /// of the wall clock.
    async fn deliver(&self, floor: UnixMs) -> Done {
        let began = clock::now();
        let mut done = Done { tick: None, sent: Vec::new(), next_due_at: Some(began.plus(AGAIN_MS)) };
        if self.delivering.get() != Delivering::Nobody {
            self.delivering.set(Delivering::SomebodyWithMore);
            return done;
        }
        self.delivering.set(Delivering::Somebody);
        let _reset = Finished(&self.delivering);
        let (Ok(db), Ok(active)) = (D1::bound(&self.env), engine_config(&self.env).await) else { return done };
        self.fine.set(Some(boundary::is_fine(&active.config().alerting.rules)));
        let most_ms = if self.fine.get() == Some(true) { MAX_FINE_CALL_MS } else { MAX_CALL_MS };
        let addresses = self.addresses(&active);
        let mut courier = Lent { to: &self.courier, courier: self.courier.take() };
        let moment = || floor.plus(clock::now().since(began)).max(clock::now());
        loop {
            self.delivering.set(Delivering::Somebody);
            let round = dispatch(moment(), active.config(), &addresses, &db, &Outbound, &mut courier.courier).await;
            if !round.sent.is_empty() || round.problem.is_some() {
                worker::console_log!("{}", serde_json::json!({"event": "delivery", "round": &round}));
            }
            done.next_due_at = round.next_due_at;
            done.sent.extend(round.sent);
            let more = self.delivering.get() == Delivering::SomebodyWithMore;
            let wait_ms = if more { Some(0) } else { round.next_due_at.map(|at| at.since(moment()).max(0)) };
            match wait_ms.filter(|wait_ms| *wait_ms <= SOON_MS) {
                Some(wait_ms) if round.problem.is_none() && clock::now().since(began) < most_ms => {
                    Delay::from(Duration::from_millis(wait_ms.unsigned_abs())).await;
                }
                Some(_) | None => break,
            }
        }
        drop(courier);
        collectors::count_deliveries(&self.env, active.config(), &done.sent, began).await;
        done
    }

    fn addresses(&self, active: &Active) -> Addresses {
        Addresses::resolve(&active.config().alerting, |name| bindings::text(&self.env, name))
    }

    /// The alarm for the next message, or for a cron that does not come.
    async fn arm(&self, next_due_at: Option<UnixMs>) {
        let now = clock::now();
        let late_at = self.last_tick_wall().await.plus(LATE_MS);
        // A tick that failed is tried again soon, not at once.
        let late_at = if late_at <= now { now.plus(AGAIN_MS) } else { late_at };
        let boundary_at = if self.fine.get() == Some(true) { boundary::next(now) } else { late_at };
        self.set_alarm(next_due_at.unwrap_or(late_at).min(late_at).min(boundary_at).max(now)).await;
    }

    async fn is_fine(&self) -> bool {
        if self.fine.get().is_none() {
            let active = engine_config(&self.env).await;
            self.fine.set(active.ok().map(|active| boundary::is_fine(&active.config().alerting.rules)));
        }
        self.fine.get() == Some(true)
    }

    /// The minute whose duties were done last.
    async fn minute_done(&self) -> UnixMs {
        if let Some(known) = self.minute_done.get() {
            return known;
        }
        let stored = self.state.storage().get::<i64>(MINUTE_KEY).await.ok().flatten();
        let known = UnixMs(stored.unwrap_or_default());
        self.minute_done.set(Some(known));
        known
    }

    /// Before the duties are done, so that a second tick of the minute does not do them as well.
    async fn remember_minute(&self, minute: UnixMs) {
        self.minute_done.set(Some(minute));
        if let Err(error) = self.state.storage().put(MINUTE_KEY, minute.0).await {
            worker::console_error!("engine: the minute could not be kept: {error}");
        }
    }

    async fn set_alarm(&self, at: UnixMs) {
        if let Err(error) = self.state.storage().set_alarm(at.utc()).await {
            worker::console_error!("engine: the alarm could not be set: {error}");
        }
    }

    /// The wall clock at the last good tick; a new Engine starts counting now.
    async fn last_tick_wall(&self) -> UnixMs {
        if let Some(known) = self.last_tick_wall.get() {
            return known;
        }
        let stored = self.state.storage().get::<i64>(LAST_TICK_KEY).await.ok().flatten().map(UnixMs);
        let known = stored.unwrap_or_else(clock::now);
        self.last_tick_wall.set(Some(known));
        known
    }

    async fn remember_tick(&self) {
        let now = clock::now();
        self.last_tick_wall.set(Some(now));
        if let Err(error) = self.state.storage().put(LAST_TICK_KEY, now.0).await {
            worker::console_error!("engine: the tick's moment could not be kept: {error}");
        }
    }
}

/// Lowers the flag also when the call is cut off.
struct Reset<'a>(&'a Cell<bool>);

impl Drop for Reset<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// As [`Reset`], for delivering.
struct Finished<'a>(&'a Cell<Delivering>);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.set(Delivering::Nobody);
    }
}

/// The courier on loan: no borrow is held across an await, and it comes back also when the call is cut off.
struct Lent<'a> {
    to: &'a RefCell<Courier>,
    courier: Courier,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.to.replace(std::mem::take(&mut self.courier));
    }
}
