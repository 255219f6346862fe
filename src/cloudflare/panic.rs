//! A panic is told to Sentry before the instance dies.
//!
//! On stable Rust a panic aborts: every request in flight in this isolate fails and the memory starts anew. The hook runs
//! first, and what it hands to JavaScript's `waitUntil` survives. It touches no state of ours (a borrow may be what
//! panicked) and asks the runtime for the secrets itself: `env` of `cloudflare:workers` is there in every event. The
//! budget lives in JavaScript, which the reset leaves alone: at most [`a few`](panic_send) events a minute an isolate.

use wasm_bindgen::prelude::*;
use worker::event;

use super::clock;
use crate::channel::sentry::{self, Sent};
use crate::edge::redact::Scrubber;
use crate::telemetry::errors::ErrorReport;

#[wasm_bindgen(inline_js = r"
import { env, waitUntil } from 'cloudflare:workers';
const PER_MINUTE = 5;
let minute = 0, sent = 0;
export function panicBinding(name) {
  try { return typeof env[name] === 'string' ? env[name] : undefined; } catch { return undefined; }
}
export function panicSend(url, fields, body) {
  try {
    const now = Math.floor(Date.now() / 60000);
    if (now !== minute) { minute = now; sent = 0; }
    if (sent >= PER_MINUTE) return;
    sent += 1;
    const headers = new Headers();
    for (let at = 0; at < fields.length; at += 2) headers.append(fields[at], fields[at + 1]);
    const answer = fetch(url, { method: 'POST', redirect: 'manual', headers, body });
    waitUntil(answer.then((response) => response.arrayBuffer()).then(() => {}, () => console.error('a panic could not be reported')));
  } catch { console.error('a panic could not be reported'); }
}
")]
extern "C" {
    /// A variable's or secret's text.
    #[wasm_bindgen(js_name = panicBinding)]
    fn panic_binding(name: &str) -> Option<String>;
    /// Sends within the `waitUntil` of the event that panicked; at most five a minute.
    #[wasm_bindgen(js_name = panicSend)]
    fn panic_send(url: &str, fields: Vec<String>, body: Vec<u8>);
}

/// Puts the report in front of the runtime's own hook, which resets the instance and says so on the console.
#[event(start)]
fn start() {
    let runtime_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        tell_sentry(&info.to_string());
        runtime_hook(info);
    }));
}

fn tell_sentry(message: &str) {
    let Some(dsn) = panic_binding("SENTRY_DSN").filter(|dsn| !dsn.trim().is_empty()) else {
        worker::console_error!("a panic is not reported: SENTRY_DSN is not set");
        return;
    };
    let environment = panic_binding("ENVIRONMENT").unwrap_or_else(|| "production".to_owned());
    let sent = Sent { at: clock::now(), occurrences: 1, environment: &environment };
    match sentry::error_event(&dsn, &ErrorReport::panic(message), &sent, &Scrubber::new(&[])) {
        Ok(request) => {
            let fields = request.headers.into_iter().flat_map(|(name, value)| [name, value]).collect();
            panic_send(&request.url, fields, request.body);
        }
        Err(error) => worker::console_error!("a panic is not reported: {error}"),
    }
}
