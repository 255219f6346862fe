//! [`Http`] on the runtime's `fetch`: one send, no redirect followed, a bound on the wait, the body's head kept.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::glue;
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};
use crate::record::{self, record};

/// The runtime's `fetch`.
pub(super) struct Outbound;

impl Http for Outbound {
    async fn send(&self, request: HttpRequest, timeout_ms: u32) -> Result<HttpResponse, HttpError> {
        let fields = request.headers.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect();
        let answer = match glue::exchange(&request.method, &request.url, fields, &request.body, timeout_ms, MAX_RESPONSE_BYTES) {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        let answer = answer.map_err(|error| failure(&error, &request, timeout_ms))?;
        if answer.is_null() {
            return Err(HttpError::BadUrl);
        }
        let parts: js_sys::Array = answer.unchecked_into();
        let head: Head = record::read(parts.get(0).as_string().unwrap_or_default().as_bytes())
            .map_err(|error| HttpError::Network { message: error.to_string() })?;
        let body = parts.get(1).unchecked_into::<js_sys::Uint8Array>().to_vec();
        let headers = head.headers.chunks(2).filter_map(|pair| Some((pair.first()?.to_ascii_lowercase(), pair.get(1)?.clone()))).collect();
        Ok(HttpResponse { status: head.status, headers, body })
    }
}

struct Head {
    status: u16,
    headers: Vec<String>,
}

record!(Head { status, headers });

/// The runtime's text with the URL (a secret) taken out.
fn failure(error: &JsValue, request: &HttpRequest, timeout_ms: u32) -> HttpError {
    let Some(error) = error.dyn_ref::<js_sys::Error>() else {
        return HttpError::Network { message: "the exchange failed".to_owned() };
    };
    if error.name() == "TimeoutError" {
        return HttpError::Timeout { after_ms: timeout_ms };
    }
    let message = String::from(error.message()).replace(&request.url, request.peer());
    HttpError::Network { message: message.lines().next().unwrap_or_default().chars().take(200).collect() }
}
