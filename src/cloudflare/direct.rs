//! A request that waits for nothing but its origin: what entry.mjs asks before and tells after.
//!
//! One crossing a request (`admit`) and one for many (`flush`); numbers and names cross as lines of one text, which no
//! method, URL, header value or place name can hold a line feed in.

#![expect(unreachable_pub, reason = "what JavaScript calls has to be public")]

use wasm_bindgen::prelude::*;
use worker::{Context, Env, worker_sys};

use super::fetch::{fields, host_and_path, lines, replay, report_origin, request_id};
use super::glue;
use super::isolate::{self, Here};
use crate::edge::pipeline::{self, Facts, OriginAnswer, OriginError, Replay, Way};
use crate::telemetry::sample::{CacheStatus, Colo, Country, OriginFailure};
use crate::time::UnixMs;

/// Whether a request goes the direct way, and under which id. `None` sends it the whole way, as does an isolate's first.
/// `facts`: method, URL, request id, replay client, one a line.
#[wasm_bindgen]
pub fn admit(facts: &str) -> Option<String> {
    let here = isolate::known()?;
    let [method, url, id, replay_client] = lines(facts);
    let (host, path) = host_and_path(url);
    match pipeline::way(method, host, path, replay(replay_client), &here.config()) {
        Way::Direct => Some(request_id(id, &here)),
        Way::Reserved | Way::Refused | Way::Guarded(..) => None,
    }
}

/// The lines of one note, which entry.mjs takes of each request that went the direct way.
const NOTE_LINES: usize = 11;

/// Remembers requests that went the direct way and were answered, and reports the origin's errors among them.
#[wasm_bindgen]
pub fn observe(notes: &str, env: &Env, context: worker_sys::Context) {
    let Some(here) = isolate::known() else { return };
    let context = Context::new(context);
    remember(notes, &here, |facts, error, now| report_origin(facts, error, &here, env, &context, now));
}

/// Remembers such requests, then sends everything this isolate has to its Collector. 5xx answers come by [`observe`].
#[wasm_bindgen]
pub async fn flush(notes: String, env: Env) {
    let Some(here) = isolate::known() else { return };
    remember(&notes, &here, |_, _, _| {});
    here.flush(&env).await;
}

fn remember(notes: &str, here: &Here, mut failed: impl FnMut(&Facts<'_>, &OriginError, UnixMs)) {
    let mut rest = notes.split('\n');
    loop {
        let mut next = || rest.next().unwrap_or_default();
        let note: [&str; NOTE_LINES] = std::array::from_fn(|_| next());
        let [at_ms, duration_ms, status, bytes, cache, id, method, url, country, colo, user_agent] = note;
        let Ok(now) = at_ms.parse().map(UnixMs) else { return };
        let (facts, answer) = (
            direct(method, url, id, country, colo, user_agent),
            OriginAnswer {
                status: status.parse().unwrap_or(200),
                response_bytes: bytes.parse().unwrap_or(0),
                cache: CacheStatus::from_str(cache),
                duration_ms: duration_ms.parse::<u32>().unwrap_or_default().into(),
            },
        );
        let error = pipeline::observe(&facts, None, &answer, &mut here.isolate.borrow_mut(), now);
        if let Some(error) = error {
            failed(&facts, &error, now);
        }
    }
}

/// The answer to a request that went the direct way to an origin that failed; `note` as in [`observe`].
#[wasm_bindgen(js_name = answerFailure)]
pub fn answer_failure(note: &str, message: String, env: &Env, context: worker_sys::Context) -> Result<web_sys::Response, JsValue> {
    let [at_ms, _, _, _, _, id, method, url, country, colo, user_agent]: [&str; NOTE_LINES] = lines(note);
    let (Some(here), Ok(now)) = (isolate::known(), at_ms.parse().map(UnixMs)) else { return glue::own_response(502, Vec::new(), "") };
    let facts = direct(method, url, id, country, colo, user_agent);
    let failure = OriginFailure::Unreachable;
    let (answer, error) = pipeline::unanswered(&facts, None, failure, message, &mut here.isolate.borrow_mut(), now);
    report_origin(&facts, &error, &here, env, &Context::new(context), now);
    glue::own_response(answer.status, fields(answer.headers), &answer.body)
}

/// The facts of a request that no limit asked who it was.
fn direct<'a>(method: &'a str, url: &'a str, id: &'a str, country: &str, colo: &str, user_agent: &'a str) -> Facts<'a> {
    let (host, path) = host_and_path(url);
    Facts {
        method,
        host,
        path,
        address: None,
        replay: Replay::Absent,
        user_agent,
        country: Country::of(country),
        colo: Colo::of(colo),
        request_id: id,
    }
}
