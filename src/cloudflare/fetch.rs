//! A request that goes the whole way: read it, run the layers, act on the outcome. entry.mjs chooses; direct.rs is the other way.

use std::time::Duration;

use futures_util::future::{Either, select};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use worker::{Context, Delay, Env, event};

use super::bindings::{self, Class};
use super::isolate::{self, Here};
use super::limiter::Attempt;
use super::{clock, console, glue, report};
use crate::config::security::Limit;
use crate::edge::limit::LimitDecision;
use crate::edge::pipeline::{self, Edge, Facts, Forwarded, LimiterSilent, OriginAnswer, OriginError, Outcome, Replay};
use crate::telemetry::errors::ErrorReport;
use crate::telemetry::sample::{CacheStatus, Colo, Country, OriginFailure};
use crate::time::{SECOND_MS, UnixMs};

/// How long a limit waits for its Limiter.
const LIMITER_BOUND: Duration = Duration::from_millis(250);

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let Ok(here) = isolate::here(&env) else { return pass_through(&request, &env).await };
    let now = clock::now();
    let text = glue::request_facts(&request)?;
    let [method, url, id, replay_client, address, country, colo, user_agent] = lines(&text);
    let (host, path) = host_and_path(url);
    let replay = replay(replay_client);
    let address = if replay == Replay::Claimed { replay_client } else { address };
    let request_id = request_id(id, &here);
    let facts = Facts {
        method,
        host,
        path,
        address: (!address.is_empty()).then_some(address),
        replay,
        user_agent,
        country: Country::of(country),
        colo: Colo::of(colo),
        request_id: &request_id,
    };
    let runtime = Runtime { request: &request, env: &env };
    let (response, error) = match pipeline::run(&runtime, &facts, &here.isolate, now).await {
        Outcome::Reserved => return console::answer(request, &facts, url, &env, &here, now).await,
        Outcome::Origin { response, headers, error } => (glue::with_fields(&response, fields(headers)), error),
        Outcome::Own { answer, error } => (glue::own_response(answer.status, fields(answer.headers), &answer.body), error),
    };
    if let Some(error) = error {
        report_origin(&facts, &error, &here, &env, &context, now);
    }
    Ok(response?)
}

/// Without a configuration there is nothing to do but let the site be.
async fn pass_through(request: &web_sys::Request, env: &Env) -> worker::Result<web_sys::Response> {
    worker::console_error!("the embedded configuration does not read; requests pass through unobserved");
    let promise = glue::forward(request, env, "")?;
    Ok(JsFuture::from(promise).await?.unchecked_into())
}

pub(super) fn report_origin(facts: &Facts<'_>, error: &OriginError, here: &Here, env: &Env, context: &Context, now: UnixMs) {
    let error = ErrorReport::origin(facts.method, &error.route, error.status, &error.message, facts.request_id);
    report::error(env, context, &here.config(), &error, now);
}

/// The first lines of a text; the last of them is all the rest.
pub(super) fn lines<const N: usize>(text: &str) -> [&str; N] {
    let mut lines = text.splitn(N, '\n');
    std::array::from_fn(|_| lines.next().unwrap_or_default())
}

pub(super) fn replay(client: &str) -> Replay {
    if client.is_empty() { Replay::Absent } else { Replay::Claimed }
}

/// The id the request brought, if it is well-formed, or one of this isolate's.
pub(super) fn request_id(brought: &str, here: &Here) -> String {
    if pipeline::is_request_id(brought) { brought.to_owned() } else { here.request_id() }
}

/// Host without port and path without query of an absolute URL as the runtime normalises it.
pub(super) fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(path_at).unwrap_or((rest, ""));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    (host, if path.is_empty() { "/" } else { path })
}

pub(super) fn fields(headers: Vec<(&'static str, String)>) -> Vec<String> {
    headers.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

struct Runtime<'a> {
    request: &'a web_sys::Request,
    env: &'a Env,
}

impl Edge for Runtime<'_> {
    type Response = web_sys::Response;

    async fn attempt(&self, limit: &Limit, key: &str) -> Result<LimitDecision, LimiterSilent> {
        let asked = std::pin::pin!(async {
            let shard = isolate::shard_of(key.as_bytes(), isolate::shards(self.env, "LIMITER_SHARDS", 8));
            let attempt = Attempt { key: key.to_owned(), requests: limit.requests, window_s: limit.window_s };
            let name = format!("{}-{shard}", limit.id);
            bindings::read::<LimitDecision>(
                &bindings::call(self.env, Class::Limiter, &name, "/attempt", &bindings::text_of(&attempt)?).await?,
            )
        });
        match select(asked, std::pin::pin!(Delay::from(LIMITER_BOUND))).await {
            Either::Left((Ok(decision), _)) => Ok(decision),
            Either::Left((Err(error), _)) => {
                worker::console_error!("limit {}: the Limiter failed: {error}", limit.id);
                Err(LimiterSilent)
            }
            Either::Right(_) => {
                worker::console_error!("limit {}: the Limiter did not answer in time", limit.id);
                Err(LimiterSilent)
            }
        }
    }

    async fn forward(&self, request_id: &str) -> Forwarded<web_sys::Response> {
        let started = clock::now();
        let failed = |error: &JsValue| Forwarded::Failed {
            failure: OriginFailure::Unreachable,
            message: error.dyn_ref::<js_sys::Error>().map_or_else(|| "the request failed".to_owned(), |error| error.message().into()),
        };
        let answer = match glue::forward(self.request, self.env, request_id) {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(response) => {
                let response: web_sys::Response = response.unchecked_into();
                let text = glue::response_facts(&response).unwrap_or_default();
                let [status, bytes, cache] = lines(&text);
                let seen = OriginAnswer {
                    status: status.parse().unwrap_or(200),
                    response_bytes: bytes.parse().unwrap_or(0),
                    cache: CacheStatus::from_str(cache),
                    duration_ms: clock::now().since(started).clamp(0, 3_600 * SECOND_MS) as f64,
                };
                Forwarded::Answered(response, seen)
            }
            Err(error) => failed(&error),
        }
    }
}
