//! glue.mjs, for Rust: reading a request's facts, sending it on, adding fields to a response, asking D1,
//! a Durable Object or a server, each in one crossing.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/cloudflare/glue.mjs")]
extern "C" {
    /// Method, URL, request id, replay client, address, country, colo, user agent, one a line.
    #[wasm_bindgen(js_name = requestFacts, catch)]
    pub(super) fn request_facts(request: &web_sys::Request) -> Result<String, JsValue>;
    /// Sends the request to its origin.
    #[wasm_bindgen(catch)]
    pub(super) fn forward(request: &web_sys::Request, env: &JsValue, request_id: &str) -> Result<Promise, JsValue>;
    /// Status, declared length, cache status, one a line.
    #[wasm_bindgen(js_name = responseFacts, catch)]
    pub(super) fn response_facts(response: &web_sys::Response) -> Result<String, JsValue>;
    /// The same response with fields set.
    #[wasm_bindgen(js_name = withFields, catch)]
    pub(super) fn with_fields(response: &web_sys::Response, fields: Vec<String>) -> Result<web_sys::Response, JsValue>;
    /// `POST`s JSON text to a Durable Object by its namespace and name; gives the JSON it answers, or an error for another status than 200.
    #[wasm_bindgen(js_name = askObject, catch)]
    pub(super) fn ask_object(namespace: &JsValue, name: &str, path: &str, text: &str) -> Result<Promise, JsValue>;
    /// One exchange with a server: `[JSON of status and fields, head of the body]`, or null for what cannot be a request.
    #[wasm_bindgen(catch)]
    pub(super) fn exchange(
        method: &str,
        url: &str,
        fields: Vec<String>,
        body: &[u8],
        timeout_ms: u32,
        most_bytes: usize,
    ) -> Result<Promise, JsValue>;
    /// Runs a JSON list of `[sql, parameter, …]` as one batch; gives a JSON list of `{rows, changes, rows_read, rows_written}`.
    #[wasm_bindgen(js_name = d1Batch, catch)]
    pub(super) fn d1_batch(database: &JsValue, statements: &str) -> Result<Promise, JsValue>;
    /// A response of our own.
    #[wasm_bindgen(js_name = ownResponse, catch)]
    pub(super) fn own_response(status: u16, fields: Vec<String>, body: &str) -> Result<web_sys::Response, JsValue>;
}
