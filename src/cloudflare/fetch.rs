//! A request arrives.

use worker::{Context, Env, event};

#[event(fetch)]
async fn fetch(_request: web_sys::Request, _env: Env, _context: Context) -> worker::Result<worker::Response> {
    worker::Response::ok("parapet")
}
