//! [`Http`] on the runtime's `fetch`: one send, no redirect followed, a bound on the wait, the body's head kept.

use std::time::Duration;

use futures_util::future::{Either, select};
use worker::{AbortController, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect};

use crate::ports::{Http, HttpError, HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};

/// The runtime's `fetch`.
pub(super) struct Outbound;

impl Http for Outbound {
    async fn send(&self, request: HttpRequest, timeout_ms: u32) -> Result<HttpResponse, HttpError> {
        let abort = AbortController::default();
        let signal = abort.signal();
        let exchange = std::pin::pin!(exchange(request, &signal));
        let bound = std::pin::pin!(Delay::from(Duration::from_millis(u64::from(timeout_ms))));
        match select(exchange, bound).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), _)) => {
                abort.abort();
                Err(HttpError::Timeout { after_ms: timeout_ms })
            }
        }
    }
}

async fn exchange(request: HttpRequest, signal: &worker::AbortSignal) -> Result<HttpResponse, HttpError> {
    let headers = Headers::new();
    for (name, value) in &request.headers {
        headers.append(name, value).map_err(|_| HttpError::BadUrl)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::from(request.method.clone())).with_headers(headers).with_redirect(RequestRedirect::Manual);
    if !request.body.is_empty() {
        init.with_body(Some(js_sys::Uint8Array::from(request.body.as_slice()).into()));
    }
    let outgoing = Request::new_with_init(&request.url, &init).map_err(|_| HttpError::BadUrl)?;
    let mut response = Fetch::Request(outgoing).send_with_signal(signal).await.map_err(|error| network(&error, &request))?;
    let mut body = response.bytes().await.map_err(|error| network(&error, &request))?;
    body.truncate(MAX_RESPONSE_BYTES);
    let headers = response.headers().entries().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    Ok(HttpResponse { status: response.status_code(), headers, body })
}

/// The runtime's text with the URL (a secret) taken out.
fn network(error: &worker::Error, request: &HttpRequest) -> HttpError {
    let message = error.to_string().replace(&request.url, request.peer());
    HttpError::Network { message: message.lines().next().unwrap_or_default().chars().take(200).collect() }
}
