//! The life of a request: the layers, in order, one reason a line. Read [`run`].
//!
//! Invariants: no layer waits but the limit (guarded routes only, bounded) and the origin; nothing a layer fails at keeps
//! a request from being answered, except a limit that says `on_failure: deny`. A denied request never reaches the origin.
//! No borrow of the [`Isolate`] lives across an `await`: requests of one isolate interleave there.

use std::cell::RefCell;
use std::rc::Rc;

use super::client::{ClientClass, ClientKey};
use super::limit::{self, DenyCache, LimitDecision, SlidingLog};
use super::reserved::{self, Owner};
use super::route::{RouteId, RouteTable};
use crate::config::Config;
use crate::config::security::{Limit, LimitMode, OnFailure};
use crate::config::site::Environment;
use crate::telemetry::buffer::{Buffer, Names};
use crate::telemetry::sample::{CacheStatus, Colo, Country, LimitEffect, Method, OriginFailure, Sample, StatusClass};
use crate::time::{SECOND_MS, UnixMs};
use crate::web::problem::{self, Problem};

/// What is read of a request before anything is decided.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The host without port.
    pub host: &'a str,
    /// The path, still percent-encoded, without query.
    pub path: &'a str,
    /// The client's address as Cloudflare says it.
    pub address: Option<&'a str>,
    /// Whether the request claims a client of its own: see [`Replay`].
    pub replay: Replay,
    /// `User-Agent`, empty when there is none.
    pub user_agent: &'a str,
    /// Where the client is.
    pub country: Country,
    /// Which location answers.
    pub colo: Colo,
    /// The id that goes to the origin and back.
    pub request_id: &'a str,
}

/// The development-only header by which `parapet replay` sends a log's own client addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The request does not carry it.
    Absent,
    /// It does, and `Facts::address` is what it says.
    Claimed,
}

/// Everything one isolate remembers between requests.
#[derive(Debug)]
pub struct Isolate {
    /// The configuration in force.
    pub config: Rc<Config>,
    /// What is waiting to be flushed.
    pub buffer: Buffer,
    routes: RouteTable,
    denials: DenyCache,
    edge_logs: Vec<SlidingLog>,
}

impl Isolate {
    /// A fresh isolate under `config`.
    pub fn new(config: Rc<Config>) -> Self {
        Self {
            routes: RouteTable::new(&config.infrastructure.routes, config.infrastructure.max_routes),
            edge_logs: vec![SlidingLog::default(); config.security.limits.len()],
            denials: DenyCache::default(),
            buffer: Buffer::default(),
            config,
        }
    }

    /// Follows another configuration. What is buffered is closed under the old names first.
    pub fn follow(&mut self, config: Rc<Config>) {
        self.buffer.close(&Names { routes: &self.routes, limits: &self.config.security.limits });
        let buffer = std::mem::take(&mut self.buffer);
        *self = Self { buffer, ..Self::new(config) };
    }

    /// Closes the buffer into the next numbered flush.
    pub fn flush(&mut self, isolate: &str, now: UnixMs) {
        self.buffer.flush(isolate, now, &Names { routes: &self.routes, limits: &self.config.security.limits });
    }

    fn record(&mut self, sample: &Sample, now: UnixMs) {
        self.buffer.record(sample, now, &Names { routes: &self.routes, limits: &self.config.security.limits });
    }
}

/// The Limiter did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimiterSilent;

/// What the origin did.
#[derive(Debug)]
pub enum Forwarded<R> {
    /// It answered: its response, untouched, and what is read of it.
    Answered(R, OriginAnswer),
    /// It did not.
    Failed {
        /// Why.
        failure: OriginFailure,
        /// What the runtime said, for the error event.
        message: String,
    },
}

/// What is read of an origin's response.
#[derive(Debug, Clone, Copy)]
pub struct OriginAnswer {
    /// The status.
    pub status: u16,
    /// The declared body length; 0 when none is declared.
    pub response_bytes: u64,
    /// What its cache header says.
    pub cache: CacheStatus,
    /// Until its headers came.
    pub duration_ms: f64,
}

/// What the layers ask of the runtime.
#[expect(async_fn_in_trait, reason = "both implementations are single-threaded; no Send bound is wanted")]
pub trait Edge {
    /// The runtime's response.
    type Response;
    /// Asks the Limiter, for at most 250 ms.
    async fn attempt(&self, limit: &Limit, key: &str) -> Result<LimitDecision, LimiterSilent>;
    /// Sends the request to the origin with its id.
    async fn forward(&self, request_id: &str) -> Forwarded<Self::Response>;
}

/// An answer of Parapet's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// How a request ended.
#[derive(Debug)]
pub enum Outcome<R> {
    /// It is Parapet's own path; the console answers.
    Reserved,
    /// The origin's response, with fields to add.
    Origin {
        /// Untouched.
        response: R,
        /// Fields to add.
        headers: Vec<(&'static str, String)>,
        /// Set when the origin answered 5xx.
        error: Option<OriginError>,
    },
    /// Refused or failed.
    Own {
        /// What to send.
        answer: Answer,
        /// Set when the origin failed.
        error: Option<OriginError>,
    },
}

/// What an error event says of an origin's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginError {
    /// The route's template.
    pub route: String,
    /// The status it answered; `None` when it did not answer.
    pub status: Option<u16>,
    /// What the runtime said.
    pub message: String,
}

/// Which way a request goes, by what is known of it before anything is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way<'a> {
    /// It is Parapet's own path.
    Reserved,
    /// It claims a client of its own where that is not allowed.
    Refused,
    /// A limit guards it: the rule and its place in the configuration.
    Guarded(usize, &'a Limit),
    /// It waits for nothing but its origin.
    Direct,
}

/// The layers before the first wait, in order. `path` is without query.
pub fn way<'a>(method: &str, host: &str, path: &str, replay: Replay, config: &'a Config) -> Way<'a> {
    // Parapet's own paths first: they are neither limited nor counted as the site's.
    if reserved::owner(host, path, &config.site) == Owner::Parapet {
        return Way::Reserved;
    }
    // A made-up client address is for development; anywhere else it would be a way round the limits.
    if replay == Replay::Claimed && config.site.environment != Environment::Dev {
        return Way::Refused;
    }
    // A guarded route asks its limit, by who is asking, before the origin sees anything.
    limit::guarding(&config.security.limits, method, path).map_or(Way::Direct, |(index, rule)| Way::Guarded(index, rule))
}

/// The layers, in order. The shell takes a [`Way::Direct`] request through [`way`], then [`observe`] or [`unanswered`], alone.
pub async fn run<E: Edge>(edge: &E, facts: &Facts<'_>, isolate: &RefCell<Isolate>, now: UnixMs) -> Outcome<E::Response> {
    let config = Rc::clone(&isolate.borrow().config);
    let gate = match way(facts.method, facts.host, facts.path, facts.replay, &config) {
        Way::Reserved => return Outcome::Reserved,
        Way::Refused => return Outcome::Own { answer: replay_refused(facts), error: None },
        Way::Guarded(index, rule) => admit(edge, facts, index, rule, isolate, now).await,
        Way::Direct => Gate::OPEN,
    };
    // What passed goes to the origin, untouched.
    let forwarded = match &gate {
        Gate::Open { .. } => Some(edge.forward(facts.request_id).await),
        Gate::Shut { .. } => None,
    };
    // What came back is observed, and remembered without waiting.
    conclude(facts, gate, forwarded, isolate, now)
}

enum Gate {
    Open { effect: Option<(usize, LimitEffect)>, headers: Vec<(&'static str, String)> },
    Shut { effect: (usize, LimitEffect), answer: Answer },
}

impl Gate {
    const OPEN: Self = Self::Open { effect: None, headers: Vec::new() };
}

async fn admit<E: Edge>(edge: &E, facts: &Facts<'_>, index: usize, rule: &Limit, isolate: &RefCell<Isolate>, now: UnixMs) -> Gate {
    let key = ClientKey::of(facts.address).to_string();
    let key = key.as_str();
    let known = isolate.borrow().denials.retry_in_ms(index, key, now);
    let decided = match known {
        Some(retry_in_ms) => Ok(LimitDecision::Denied { retry_in_ms }),
        None => edge.attempt(rule, key).await,
    };
    let (decision, failed) = match (decided, rule.on_failure) {
        (Ok(decision), _) => (decision, None),
        (Err(LimiterSilent), OnFailure::Allow) => {
            return Gate::Open { effect: Some((index, LimitEffect::FailedOpen)), headers: Vec::new() };
        }
        (Err(LimiterSilent), OnFailure::Edge) => {
            (isolate.borrow_mut().attempt_here(index, key, rule, now), Some(LimitEffect::FailedToEdge))
        }
        (Err(LimiterSilent), OnFailure::Deny) if rule.mode == LimitMode::Shadow => {
            return Gate::Open { effect: Some((index, LimitEffect::FailedOpen)), headers: Vec::new() };
        }
        (Err(LimiterSilent), OnFailure::Deny) => {
            return Gate::Shut { effect: (index, LimitEffect::FailedClosed), answer: reduced_capacity(rule, facts) };
        }
    };
    let headers = vec![("ratelimit-policy", limit::policy_field(rule)), ("ratelimit", limit::state_field(rule, decision))];
    match decision {
        LimitDecision::Admitted { .. } => Gate::Open { effect: failed.map(|effect| (index, effect)), headers },
        LimitDecision::Denied { retry_in_ms } => {
            isolate.borrow_mut().denials.remember(index, key, now, retry_in_ms);
            match rule.mode {
                LimitMode::Shadow => Gate::Open { effect: Some((index, LimitEffect::WouldLimit)), headers: Vec::new() },
                LimitMode::Enforce => {
                    Gate::Shut { effect: (index, LimitEffect::Limited), answer: too_many(rule, facts, retry_in_ms, headers) }
                }
            }
        }
    }
}

impl Isolate {
    fn attempt_here(&mut self, index: usize, key: &str, rule: &Limit, now: UnixMs) -> LimitDecision {
        let window_ms = i64::from(rule.window_s) * SECOND_MS;
        match self.edge_logs.get_mut(index) {
            Some(log) => {
                if log.clients() >= MAX_EDGE_CLIENTS {
                    log.sweep(now, window_ms);
                }
                log.attempt(key, now, rule.requests, window_ms)
            }
            None => LimitDecision::Admitted { remaining: 0, reset_ms: window_ms },
        }
    }
}

/// Clients one isolate's own log holds before it is swept.
const MAX_EDGE_CLIENTS: usize = 4_096;

fn too_many(rule: &Limit, facts: &Facts<'_>, retry_in_ms: i64, mut headers: Vec<(&'static str, String)>) -> Answer {
    let retry_after_s = limit::retry_after_s(retry_in_ms);
    let detail = format!(
        "At most {} requests in any {} s are taken here from one client. Wait {retry_after_s} s, then try again.",
        rule.requests, rule.window_s
    );
    let mut problem = Problem::new(429, "quota_exceeded", "Too many requests", detail)
        .with_error(facts.path.to_owned(), format!("violates policy \"{}\"", rule.id))
        .for_request(facts.request_id);
    "https://iana.org/assignments/http-problem-types#quota-exceeded".clone_into(&mut problem.r#type);
    headers.push(("retry-after", retry_after_s.to_string()));
    answer(&problem, facts, headers)
}

fn reduced_capacity(rule: &Limit, facts: &Facts<'_>) -> Answer {
    let detail =
        format!("The limit \"{}\" cannot be checked right now, and this path takes no unchecked requests. Try again shortly.", rule.id);
    let mut problem = Problem::new(503, "temporary_reduced_capacity", "Temporarily unavailable", detail).for_request(facts.request_id);
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity".clone_into(&mut problem.r#type);
    answer(&problem, facts, vec![("retry-after", "2".to_owned())])
}

fn replay_refused(facts: &Facts<'_>) -> Answer {
    let detail = "The header x-parapet-replay-client is honoured only where ENVIRONMENT is dev. Leave it out.";
    answer(&Problem::new(403, "replay_refused", "Replaying is for development", detail).for_request(facts.request_id), facts, Vec::new())
}

fn bad_gateway(failure: OriginFailure, facts: &Facts<'_>) -> Answer {
    let (status, code, detail) = match failure {
        OriginFailure::Unreachable => {
            (502, "origin_unreachable", "The site behind this address could not be reached. Nothing you sent was the cause.")
        }
        OriginFailure::Timeout => {
            (504, "origin_timeout", "The site behind this address did not answer in time. Nothing you sent was the cause.")
        }
    };
    answer(&Problem::new(status, code, "The site did not answer", detail).for_request(facts.request_id), facts, Vec::new())
}

fn answer(problem: &Problem, facts: &Facts<'_>, mut headers: Vec<(&'static str, String)>) -> Answer {
    headers.extend([
        ("content-type", problem::CONTENT_TYPE.to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-request-id", facts.request_id.to_owned()),
    ]);
    Answer { status: problem.status, headers, body: problem.to_json() }
}

fn conclude<R>(facts: &Facts<'_>, gate: Gate, forwarded: Option<Forwarded<R>>, isolate: &RefCell<Isolate>, now: UnixMs) -> Outcome<R> {
    let mut isolate = isolate.borrow_mut();
    match (gate, forwarded) {
        (Gate::Shut { effect, answer }, _) => {
            let route = isolate.routes.route_of(facts.path);
            isolate.record(&Sample { limit: Some(effect), ..blank(facts, route, answer.status) }, now);
            Outcome::Own { answer, error: None }
        }
        (Gate::Open { effect, mut headers }, Some(Forwarded::Answered(response, answer))) => {
            let error = observe(facts, effect, &answer, &mut isolate, now);
            headers.push(("x-request-id", facts.request_id.to_owned()));
            Outcome::Origin { response, headers, error }
        }
        (Gate::Open { effect, .. }, failed) => {
            let (failure, message) = match failed {
                Some(Forwarded::Failed { failure, message }) => (failure, message),
                _ => (OriginFailure::Unreachable, "the origin was not asked".to_owned()),
            };
            let (answer, error) = unanswered(facts, effect, failure, message, &mut isolate, now);
            Outcome::Own { answer, error: Some(error) }
        }
    }
}

/// Remembers an origin's answer, to a request a limit had `effect` on. The error is set for 5xx.
pub fn observe(
    facts: &Facts<'_>,
    effect: Option<(usize, LimitEffect)>,
    answer: &OriginAnswer,
    isolate: &mut Isolate,
    now: UnixMs,
) -> Option<OriginError> {
    let OriginAnswer { status, response_bytes, cache, duration_ms } = *answer;
    let route = isolate.routes.route_of(facts.path);
    let sample = Sample { limit: effect, duration_ms: Some(duration_ms), response_bytes, cache, ..blank(facts, route, status) };
    isolate.record(&sample, now);
    (status >= 500).then(|| OriginError {
        route: isolate.routes.name(route).to_owned(),
        status: Some(status),
        message: format!("the origin answered {status}"),
    })
}

/// Remembers an origin that did not answer, and says what the visitor gets in its stead.
pub fn unanswered(
    facts: &Facts<'_>,
    effect: Option<(usize, LimitEffect)>,
    failure: OriginFailure,
    message: String,
    isolate: &mut Isolate,
    now: UnixMs,
) -> (Answer, OriginError) {
    let route = isolate.routes.route_of(facts.path);
    let answer = bad_gateway(failure, facts);
    isolate.record(&Sample { limit: effect, origin_failure: Some(failure), ..blank(facts, route, answer.status) }, now);
    (answer, OriginError { route: isolate.routes.name(route).to_owned(), status: None, message })
}

fn blank(facts: &Facts<'_>, route: RouteId, status: u16) -> Sample {
    Sample {
        route,
        method: Method::from_str(facts.method),
        class: StatusClass::of(status),
        duration_ms: None,
        response_bytes: 0,
        country: facts.country,
        colo: facts.colo,
        client: ClientClass::of(facts.user_agent),
        cache: CacheStatus::None,
        limit: None,
        origin_failure: None,
    }
}

/// Whether an incoming request id is kept: 8 to 64 letters, digits, `-`, `_` or `.`.
pub fn is_request_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests;
