//! A request arrives: read it, run the layers, act on the outcome.

use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{Context, Delay, Env, event};

use super::bindings::{self, Class};
use super::isolate::{self, Here};
use super::limiter::Attempt;
use super::{clock, console, glue, report};
use crate::config::security::Limit;
use crate::edge::limit::LimitDecision;
use crate::edge::pipeline::{self, Edge, Facts, Forwarded, LimiterSilent, Outcome, Replay};
use crate::telemetry::buffer::Recorded;
use crate::telemetry::errors::ErrorReport;
use crate::telemetry::sample::{CacheStatus, Colo, Country, OriginFailure};
use crate::time::SECOND_MS;

/// How long a limit waits for its Limiter.
const LIMITER_BOUND: Duration = Duration::from_millis(250);

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let Ok(here) = isolate::here(&env) else { return pass_through(&request, &env).await };
    let now = clock::now();
    let (facts, url) = read(&request, &here)?;
    let runtime = Runtime { request: &request, url: &url, env: &env };
    let (response, recorded, error) = match pipeline::run(&runtime, &facts, &here.isolate, now).await {
        Outcome::Reserved => return console::answer(request, &facts, &url, &env, &here, now).await,
        Outcome::Origin { response, headers, recorded, error } => (glue::with_fields(&response, fields(headers)), recorded, error),
        Outcome::Own { answer, recorded, error } => {
            (glue::own_response(answer.status, fields(answer.headers), &answer.body), recorded, error)
        }
    };
    if let Some(error) = error {
        let error = ErrorReport::origin(&facts.method, &error.route, error.status, &error.message, &facts.request_id);
        report::error(&env, &context, &here.config(), &error, now);
    }
    if recorded == Recorded::OwnsFlush {
        here.flush_soon(env, &context);
    }
    Ok(response?)
}

/// Without a configuration there is nothing to do but let the site be.
async fn pass_through(request: &web_sys::Request, env: &Env) -> worker::Result<web_sys::Response> {
    worker::console_error!("the embedded configuration does not read; requests pass through unobserved");
    let promise = glue::forward(request, &origin(env), None, "")?;
    Ok(JsFuture::from(promise).await?.unchecked_into())
}

fn read(request: &web_sys::Request, here: &Here) -> worker::Result<(Facts, String)> {
    let text = glue::request_facts(request)?;
    let mut lines = text.splitn(8, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (method, url, address, id, replay_client, country, colo, user_agent) =
        (next(), next(), next(), next(), next(), next(), next(), next());
    let (host, path) = host_and_path(url);
    let replay = if replay_client.is_empty() { Replay::Absent } else { Replay::Claimed };
    let address = if replay == Replay::Claimed { replay_client } else { address };
    let facts = Facts {
        method: method.to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
        address: (!address.is_empty()).then(|| address.to_owned()),
        replay,
        user_agent: user_agent.to_owned(),
        country: Country::of(country),
        colo: Colo::of(colo),
        request_id: if pipeline::is_request_id(id) { id.to_owned() } else { here.request_id() },
    };
    Ok((facts, url.to_owned()))
}

/// Host without port and path without query of an absolute URL as the runtime normalises it.
fn host_and_path(url: &str) -> (&str, &str) {
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

fn fields(headers: Vec<(&'static str, String)>) -> Vec<String> {
    headers.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

fn origin(env: &Env) -> JsValue {
    Reflect::get(env, &JsValue::from_str("ORIGIN")).unwrap_or(JsValue::UNDEFINED)
}

struct Runtime<'a> {
    request: &'a web_sys::Request,
    url: &'a str,
    env: &'a Env,
}

impl Edge for Runtime<'_> {
    type Response = web_sys::Response;

    async fn attempt(&self, limit: &Limit, key: &str) -> Result<LimitDecision, LimiterSilent> {
        let asked = std::pin::pin!(async {
            let shard = isolate::shard_of(key.as_bytes(), isolate::shards(self.env, "LIMITER_SHARDS", 8));
            let stub = bindings::stub(self.env, Class::Limiter, &format!("{}-{shard}", limit.id))?;
            let attempt = Attempt { key: key.to_owned(), requests: limit.requests, window_s: limit.window_s };
            bindings::call::<_, LimitDecision>(&stub, "/attempt", &attempt).await
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
        let origin = origin(self.env);
        let url = if origin.is_undefined() { bindings::text(self.env, "ORIGIN_URL").map(|base| rebased(&base, self.url)) } else { None };
        let answered = match glue::forward(self.request, &origin, url.as_deref(), request_id) {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        let response: web_sys::Response = match answered {
            Ok(response) => response.unchecked_into(),
            Err(error) => return failed(&error),
        };
        let facts = glue::response_facts(&response).unwrap_or_default();
        let mut lines = facts.splitn(3, '\n');
        let mut next = || lines.next().unwrap_or_default();
        Forwarded::Answered {
            status: next().parse().unwrap_or(200),
            response_bytes: next().parse().unwrap_or(0),
            cache: CacheStatus::from_str(next()),
            duration_ms: clock::now().since(started).clamp(0, 3_600 * SECOND_MS) as f64,
            response,
        }
    }
}

/// The request's URL with scheme and host of `base`.
fn rebased(base: &str, url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    format!("{}{}", base.trim_end_matches('/'), rest.get(path_at..).unwrap_or("/"))
}
