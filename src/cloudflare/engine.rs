//! The Engine Durable Object: one tick at a time, the outbox, and the timers that cron is too coarse for.
//!
//! Calls: `/tick` a moment (from cron), `/deliver` nothing (after a test alert was written). The alarm rings when the next
//! message is due, and at the latest [`LATE_MS`] after the last good tick, when it ticks itself: cron may be late or stop.
//! Invariant: whatever fails, the alarm is set again. Doing something twice at once is harmless by the SQL; the flags here
//! only save the work.

use std::cell::{Cell, RefCell};

use serde::{Deserialize, Serialize};
use worker::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use super::d1::D1;
use super::in_force::{Active, engine_config};
use super::outbound::Outbound;
use super::{bindings, clock, collectors, outward};
use crate::alert::dispatch::dispatch;
use crate::alert::tick::{Seen, TickOutcome, TickReport, tick};
use crate::channel::Addresses;
use crate::config::Config;
use crate::outbox::deliver::{Courier, Sent};
use crate::time::{SECOND_MS, UnixMs};
use crate::upkeep;

/// The only instance's name.
pub(super) const NAME: &str = "engine";
/// How long after the last good tick the alarm ticks itself: cron comes every 60 s, and half a minute late is not late.
const LATE_MS: i64 = 90 * SECOND_MS;
/// When to look again after the database failed.
const AGAIN_MS: i64 = 10 * SECOND_MS;
/// Rounds of sends in one call: with three channels 60 sends; the rest is sent when the alarm rings, at once.
const MAX_ROUNDS: usize = 20;
/// Where the moment of the last good tick is kept, on the wall clock.
const LAST_TICK_KEY: &str = "last_tick_wall";

/// The Engine.
#[durable_object(alarm)]
pub struct Engine {
    state: State,
    env: Env,
    courier: RefCell<Courier>,
    ticking: Cell<bool>,
    delivering: Cell<Delivering>,
    last_tick_wall: Cell<Option<UnixMs>>,
}

/// Whether somebody delivers, and whether something came in meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivering {
    Nobody,
    Somebody,
    SomebodyWithMore,
}

/// What `/tick` and `/deliver` answer.
#[derive(Debug, Serialize, Deserialize)]
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
        let (courier, last_tick_wall) = (RefCell::default(), Cell::new(None));
        Self { state, env, courier, ticking: Cell::new(false), delivering: Cell::new(Delivering::Nobody), last_tick_wall }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let body = request.text().await?;
        let done = match request.path().as_str() {
            "/tick" => self.tick(serde_json::from_str(&body)?).await,
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
        let done = if late { self.tick(now).await } else { self.deliver(now).await };
        self.arm(done.next_due_at).await;
        Response::ok("")
    }
}

impl Engine {
    /// The whole way of one tick: look, decide, write, send, tell the outside.
    async fn tick(&self, now: UnixMs) -> Done {
        if self.ticking.replace(true) {
            return Done { tick: None, sent: Vec::new(), next_due_at: None };
        }
        let _reset = Reset(&self.ticking);
        let began = clock::now();
        let active = match engine_config(&self.env).await {
            Ok(active) => active,
            Err(why) => return Done { tick: Some(TickReport::failed(now, why)), sent: Vec::new(), next_due_at: None },
        };
        let (config, addresses) = (&active.config, self.addresses(&active));
        let live = collectors::live_window(&self.env, now).await;
        let seen = Seen { live: &live, config_problem: active.problem.as_deref() };
        let report = match D1::bound(&self.env) {
            Ok(db) => tick(now, config, &addresses, &db, &seen).await,
            Err(error) => TickReport::failed(now, error.to_string()),
        };
        worker::console_log!("{}", serde_json::json!({"event": "tick", "report": &report}));
        if !matches!(report.outcome, TickOutcome::Failed { .. }) {
            self.remember_tick().await;
        }
        let done = self.deliver(now.max(clock::now())).await;
        collectors::count_tick(&self.env, config, &report, &done.sent, now).await;
        if !matches!(report.outcome, TickOutcome::AlreadyDone { .. }) {
            outward::tell(&self.env, config, &report, clock::now().since(began)).await;
            self.upkeep(config, now).await;
        }
        Done { tick: Some(report), ..done }
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
            Err(error) => worker::console_error!("upkeep: put off to the next tick: {error}"),
        }
    }

    /// Sends what is due until nothing is, or enough was sent for one call. `floor` is a moment that has certainly come: a
    /// tick's, which a replayed schedule may put ahead of the wall clock.
    async fn deliver(&self, floor: UnixMs) -> Done {
        let mut done = Done { tick: None, sent: Vec::new(), next_due_at: Some(clock::now().plus(AGAIN_MS)) };
        if self.delivering.get() != Delivering::Nobody {
            self.delivering.set(Delivering::SomebodyWithMore);
            return done;
        }
        self.delivering.set(Delivering::Somebody);
        let _reset = Finished(&self.delivering);
        let (Ok(db), Ok(active)) = (D1::bound(&self.env), engine_config(&self.env).await) else { return done };
        let mut courier = Lent { to: &self.courier, courier: self.courier.take() };
        let addresses = self.addresses(&active);
        for _ in 0..MAX_ROUNDS {
            self.delivering.set(Delivering::Somebody);
            let now = floor.max(clock::now());
            let round = dispatch(now, &active.config, &addresses, &db, &Outbound, &mut courier.courier).await;
            if !round.sent.is_empty() || round.problem.is_some() {
                worker::console_log!("{}", serde_json::json!({"event": "delivery", "round": &round}));
            }
            done.next_due_at = round.next_due_at;
            done.sent.extend(round.sent);
            let more = self.delivering.get() == Delivering::SomebodyWithMore;
            let due = done.next_due_at.is_some_and(|at| at <= floor.max(clock::now()));
            if round.problem.is_some() || !(more || due) {
                break;
            }
        }
        done
    }

    fn addresses(&self, active: &Active) -> Addresses {
        Addresses::resolve(&active.config.alerting, |name| bindings::text(&self.env, name))
    }

    /// The alarm for the next message, or for a cron that does not come.
    async fn arm(&self, next_due_at: Option<UnixMs>) {
        let now = clock::now();
        let late_at = self.last_tick_wall().await.plus(LATE_MS);
        // A tick that failed is tried again soon, not at once.
        let late_at = if late_at <= now { now.plus(AGAIN_MS) } else { late_at };
        self.set_alarm(next_due_at.map_or(late_at, |due| due.min(late_at)).max(now)).await;
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
