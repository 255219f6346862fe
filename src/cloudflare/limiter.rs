//! The Limiter Durable Object.

use worker::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

/// The Limiter.
#[durable_object(alarm)]
pub struct Limiter {
    state: State,
    env: Env,
}

impl DurableObject for Limiter {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, _request: Request) -> worker::Result<Response> {
        let _ = (&self.state, &self.env);
        Response::ok("{}")
    }

    async fn alarm(&self) -> worker::Result<Response> {
        Response::ok("")
    }
}
