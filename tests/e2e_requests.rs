//! What passes through Parapet is what was sent: in the real runtime, against the demo site's echo.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a story that cannot go on fails"
)]

mod support;

use serde_json::{Value, json};
use support::http::{Request, Response};
use support::runtime::{Runtime, Setup};

fn echoed(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

fn echoed_header<'a>(echo: &'a Value, name: &str) -> Option<&'a str> {
    echo["headers"].as_array()?.iter().find(|pair| pair[0] == name)?[1].as_str()
}

#[test]
fn a_request_reaches_the_origin_as_it_was_sent() {
    let runtime = Setup::new().start();
    for (method, target) in [
        ("GET", "/demo/echo/a%20b?x=1&x=2&empty=&%E2%82%AC=%zz"),
        ("GET", "/demo/echo/%ff%fe/%zz"),
        ("DELETE", "/demo/echo/x"),
        ("OPTIONS", "/demo/echo/x"),
        ("PATCH", "/demo/echo/x"),
    ] {
        let echo = echoed(&runtime.send(&Request::new(method, target).header("X-Custom", "kept").header("Accept-Encoding", "gzip")));
        assert_eq!((echo["method"].as_str(), echo["target"].as_str()), (Some(method), Some(target)));
        assert_eq!(echoed_header(&echo, "x-custom"), Some("kept"));
    }
}

#[test]
fn bodies_stream_through_whatever_their_size_and_framing() {
    let runtime = Setup::new().start();
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let echo = echoed(&runtime.send(&Request::new("PUT", "/demo/echo").body(large.clone())));
    assert_eq!(echo["body_bytes"], 5_000_000);
    let mut connection = runtime.connect();
    connection
        .write_raw(
            b"POST /demo/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        )
        .unwrap();
    assert_eq!(echoed(&connection.read_response("POST").unwrap())["body_bytes"], 11);
    let mut connection = runtime.connect();
    connection.write_raw(b"GET /demo/stream?chunks=3&ms=200 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    connection.read_head().unwrap();
    assert_eq!(connection.read_chunk().unwrap(), b"piece 1\n", "the first piece comes before the last is made");
}

#[test]
fn responses_keep_cookies_status_text_redirects_304_and_compressed_bytes() {
    let runtime = Setup::new().start();
    let login = runtime.send(
        &Request::post_json("/api/auth/login", &json!({"email": "thandi@example.co.za", "password": "right"})).client_ip("203.0.113.1"),
    );
    assert_eq!(login.header_all("set-cookie").len(), 2, "{:?}", login.headers);
    let redirect = runtime.get("/book");
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("/search")), "a redirect is the visitor's to follow");
    let teapot = runtime.get("/demo/status/418?text=Short%20And%20Stout");
    assert_eq!((teapot.status, teapot.reason.as_str()), (418, "Short And Stout"));
    let home = runtime.get("/");
    let again = runtime.send(&Request::get("/").header("If-None-Match", home.header("etag").unwrap()));
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = runtime.send(&Request::new("HEAD", "/"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    let gzip = runtime.send(&Request::get("/demo/gzip").header("Accept-Encoding", "gzip"));
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert_eq!(gzip.body.get(..2), Some(&[0x1f, 0x8b][..]), "the very bytes the origin compressed");
}

#[test]
fn a_websocket_is_upgraded_and_echoes() {
    let runtime = Setup::new().start();
    let mut connection = runtime.connect();
    connection
        .write_raw(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        .unwrap();
    assert_eq!(connection.read_head().unwrap().status, 101);
    // A masked text frame "hi" with a mask of zeros; the echo comes back unmasked.
    connection.write_raw(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    let frame = connection.read_raw(4).unwrap();
    assert_eq!(&frame[2..], b"hi");
}

#[test]
fn a_request_id_goes_to_the_origin_and_back_and_a_malformed_one_is_replaced() {
    let runtime = Setup::new().start();
    let kept = runtime.send(&Request::get("/demo/echo").header("X-Request-Id", "trace-0123456789"));
    assert_eq!(kept.header("x-request-id"), Some("trace-0123456789"));
    assert_eq!(echoed_header(&kept.json(), "x-request-id"), Some("trace-0123456789"));
    let replaced = runtime.send(&Request::get("/demo/echo").header("X-Request-Id", "<script>"));
    let id = replaced.header("x-request-id").unwrap().to_owned();
    assert!(id.starts_with("req_"), "{id}");
    assert_eq!(echoed_header(&replaced.json(), "x-request-id"), Some(id.as_str()));
}

#[test]
fn absurd_requests_are_answered_and_what_deserves_forwarding_is_forwarded() {
    let runtime = Setup::new().start();
    let long = "a".repeat(16_000);
    let echo = echoed(&runtime.send(&Request::get("/demo/echo").header("X-Long", &long)));
    assert_eq!(echoed_header(&echo, "x-long"), Some(long.as_str()));
    assert!(runtime.send(&Request::new("BREW", "/")).status >= 400, "the runtime itself refuses methods it does not know");
    assert_eq!(runtime.get("/").status, 200, "and goes on");
}

#[test]
fn a_dead_origin_is_a_502_page_that_names_the_request() {
    let runtime = Setup::new().origin_url("http://127.0.0.1:9").start();
    let answer = runtime.send(&Request::get("/search").header("X-Request-Id", "trace-0123456789"));
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("application/problem+json")));
    let problem = answer.json();
    assert_eq!((problem["code"].as_str(), problem["request_id"].as_str()), (Some("origin_unreachable"), Some("trace-0123456789")));
}

#[test]
fn a_replayed_client_address_is_believed_in_development_only() {
    let refused = |runtime: &Runtime| runtime.send(&Request::get("/").header("x-parapet-replay-client", "203.0.113.9"));
    assert_eq!(refused(&Setup::new().start()).status, 200);
    let production = Setup::new().var("ENVIRONMENT", "production").start();
    assert_eq!(refused(&production).json()["code"], "replay_refused");
    assert_eq!(production.get("/").status, 200);
}
