//! Slack's Web API: channels whose messages are kept by `ts`, can be written anew, answered and deleted, with its documented answers.

use std::collections::BTreeMap;

use parapet::ports::{HttpRequest, HttpResponse};
use parapet::time::UnixMs;
use serde_json::{Value, json};

use super::vendors::Read;
use super::{Heard, answer, slack_reads};

/// Its host.
pub const SLACK_API: &str = "slack.com";
/// The app's token.
pub const BOT_TOKEN: &str = "xoxb-000000000000-botsecret0123456789";
/// The channel it was invited to.
pub const CHANNEL: &str = "C0123ABCDEF";

/// A message as the channel shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Every text it had, the last one is what people see.
    pub texts: Vec<String>,
    /// What was said in its thread, `*` in front of what the whole channel saw.
    pub thread: Vec<String>,
}

/// The channel.
#[derive(Debug, Default)]
pub struct Workspace {
    /// Its messages, in the order they were posted.
    pub messages: BTreeMap<String, Shown>,
    /// What it says to the next requests instead of taking them; an empty word takes one.
    pub next_errors: std::collections::VecDeque<&'static str>,
    /// How often it had to ask for patience.
    pub limited: u32,
    posted: u32,
    posts: Vec<UnixMs>,
    updates: Vec<UnixMs>,
}

impl Workspace {
    /// What people see: each message's present text, and its thread.
    pub fn seen(&self) -> Vec<(String, Vec<String>)> {
        self.messages.values().map(|shown| (shown.texts.last().unwrap().clone(), shown.thread.clone())).collect()
    }
}

/// Asks to wait for what is left of a window in which `calls` were as many as it takes.
fn limit(calls: &mut Vec<UnixMs>, (most, window_ms): (usize, i64), now: UnixMs) -> Result<(), HttpResponse> {
    calls.retain(|at| now.since(*at) < window_ms);
    if calls.len() < most {
        calls.push(now);
        return Ok(());
    }
    let left_ms = window_ms - now.since(calls[0]);
    let mut busy = answer(429, r#"{"ok":false,"error":"ratelimited"}"#);
    busy.headers.push(("retry-after".to_owned(), ((left_ms + 999) / 1_000).to_string()));
    Err(busy)
}

fn refused(error: &str) -> HttpResponse {
    answer(200, &json!({"ok": false, "error": error}).to_string())
}

/// The answer to a request.
pub fn answered(request: &HttpRequest, now: UnixMs, workspace: &mut Workspace) -> HttpResponse {
    read(request, now, workspace).map_or_else(|refusal| refusal, |read| read.answer)
}

/// What the API makes of a request.
pub fn read(request: &HttpRequest, now: UnixMs, workspace: &mut Workspace) -> Result<Read, HttpResponse> {
    // Only an update can find that a message may not be changed.
    let fits = |error: &&str| !["edit_window_closed", "cant_update_message"].contains(error) || request.url.ends_with("/chat.update");
    if let Some(error) = workspace.next_errors.pop_front().filter(|error| !error.is_empty()).filter(fits) {
        return Err(refused(error));
    }
    let header = |name: &str| request.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if header("authorization") != Some(&format!("Bearer {BOT_TOKEN}")) {
        return Err(refused("invalid_auth"));
    }
    if request.method != "POST" || header("content-type") != Some("application/json; charset=utf-8") {
        return Err(refused("invalid_post_type"));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| refused("invalid_json"))?;
    if body["channel"] != CHANNEL {
        return Err(refused("channel_not_found"));
    }
    let (message, alert, title) = slack_reads(&body).ok_or_else(|| refused("invalid_blocks"))?;
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let ts = match request.url.rsplit_once("/api/").map(|(_, method)| method) {
        // Tier 3.
        Some("chat.update") => {
            limit(&mut workspace.updates, (50, 60_000), now).inspect_err(|_| workspace.limited += 1)?;
            let ts = text("ts").ok_or_else(|| refused("invalid_arguments"))?;
            workspace.messages.get_mut(&ts).ok_or_else(|| refused("message_not_found"))?.texts.push(title.clone());
            ts
        }
        // One message a second.
        Some("chat.postMessage") => {
            limit(&mut workspace.posts, (1, 1_000), now).inspect_err(|_| workspace.limited += 1)?;
            workspace.posted += 1;
            let ts = format!("{}.{:06}", now.0 / 1_000, workspace.posted);
            match text("thread_ts") {
                Some(parent) => {
                    let broadcast = if body["reply_broadcast"] == true { "*" } else { "" };
                    let parent = workspace.messages.get_mut(&parent).ok_or_else(|| refused("thread_not_found"))?;
                    parent.thread.push(format!("{broadcast}{title}"));
                }
                None => drop(workspace.messages.insert(ts.clone(), Shown { texts: vec![title.clone()], thread: vec![] })),
            }
            ts
        }
        _ => return Err(refused("unknown_method")),
    };
    let heard = Heard { peer: SLACK_API.to_owned(), message, alert, title, at: now };
    // The message comes back with the answer, and is longer than what we keep.
    let padding = "x".repeat(8_000);
    let mut said = format!(r#"{{"ok":true,"channel":"{CHANNEL}","ts":"{ts}","message":{body},"padding":"{padding}"}}"#);
    said.truncate((0..=parapet::ports::MAX_RESPONSE_BYTES).rev().find(|at| said.is_char_boundary(*at)).unwrap());
    Ok(Read { dedup_key: None, heard: Some(heard), answer: answer(200, &said) })
}
