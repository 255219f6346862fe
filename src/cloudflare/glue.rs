//! The few lines of JavaScript on the hot path: reading a request's facts, sending it on, adding fields to a response.
//!
//! One crossing between WASM and JavaScript costs about a microsecond with its string; reading seven facts one by one
//! would be seven. Each function here does in one crossing what the runtime's own objects are needed for, and decides
//! nothing.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(inline_js = r"
export function requestFacts(request) {
  const headers = request.headers, cf = request.cf ?? {};
  return [request.method, request.url, headers.get('cf-connecting-ip') ?? '', headers.get('x-request-id') ?? '',
    headers.get('x-parapet-replay-client') ?? '', cf.country ?? '', cf.colo ?? '', headers.get('user-agent') ?? ''].join('\n');
}
export function forward(request, origin, url, requestId) {
  const outgoing = url === undefined ? new Request(request) : new Request(url, request);
  outgoing.headers.set('x-request-id', requestId);
  outgoing.headers.delete('expect');
  return origin === undefined ? fetch(outgoing) : origin.fetch(outgoing);
}
export function responseFacts(response) {
  const headers = response.headers;
  return response.status + '\n' + (headers.get('content-length') ?? '') + '\n' + (headers.get('cf-cache-status') ?? '');
}
export function withFields(response, fields) {
  if (response.status === 101) return response;
  const answer = new Response(response.body, response);
  for (let at = 0; at < fields.length; at += 2) answer.headers.set(fields[at], fields[at + 1]);
  return answer;
}
export function ownResponse(status, fields, body) {
  const headers = new Headers();
  for (let at = 0; at < fields.length; at += 2) headers.append(fields[at], fields[at + 1]);
  return new Response(body, { status, headers });
}
")]
extern "C" {
    /// Method, URL, address, request id, replay client, country, colo, user agent, one a line; header values hold no line feed.
    #[wasm_bindgen(js_name = requestFacts, catch)]
    pub(super) fn request_facts(request: &web_sys::Request) -> Result<String, JsValue>;
    /// Sends the request to the service binding `origin`, or to `url`, or where it was going.
    #[wasm_bindgen(catch)]
    pub(super) fn forward(request: &web_sys::Request, origin: &JsValue, url: Option<&str>, request_id: &str) -> Result<Promise, JsValue>;
    /// Status, declared length, cache status, one a line.
    #[wasm_bindgen(js_name = responseFacts, catch)]
    pub(super) fn response_facts(response: &web_sys::Response) -> Result<String, JsValue>;
    /// The same response with fields set; the body stays the runtime's own stream.
    #[wasm_bindgen(js_name = withFields, catch)]
    pub(super) fn with_fields(response: &web_sys::Response, fields: Vec<String>) -> Result<web_sys::Response, JsValue>;
    /// A response of our own.
    #[wasm_bindgen(js_name = ownResponse, catch)]
    pub(super) fn own_response(status: u16, fields: Vec<String>, body: &str) -> Result<web_sys::Response, JsValue>;
}
