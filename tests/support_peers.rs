//! The peers themselves: a message a vendor would refuse is refused here, or the delivery stories could not fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a story stops at what it did not expect")]

mod support;

use serde_json::json;
use support::http::{Connection, Request};
use support::peers::{Answer, Peer, email, sentry, slack};

fn post(peer: &Peer, request: &Request) -> u16 {
    Connection::open(peer.address()).unwrap().send(request).unwrap().status
}

fn refusal_of(peer: Peer) -> String {
    let refusal = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(peer))).expect_err("the peer should have objected");
    refusal.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn slack_takes_a_block_kit_message_and_refuses_one_over_its_limits() {
    let peer = slack::slack();
    let message = json!({ "text": "firing", "blocks": [{ "type": "header", "text": { "type": "plain_text", "text": "5xx" } }] });
    assert_eq!(post(&peer, &Request::post_json("/services/x", &message)), 200);
    assert_eq!(slack::texts(&peer.accepted()[0].json()), "5xx\nfiring");

    let too_long = json!({ "text": "firing", "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(3_001) } }] });
    assert_eq!(post(&peer, &Request::post_json("/services/x", &too_long)), 400);
    assert_eq!(peer.accepted().len(), 1);
    assert!(refusal_of(peer).contains("a section has 3001 characters"));
}

#[test]
fn email_endpoints_want_their_own_shapes() {
    let mail = json!({ "from": "a@example.com", "to": ["b@example.com"], "subject": "s", "html": "<p>h</p>", "text": "t" });
    let resend = email::resend();
    assert_eq!(post(&resend, &Request::post_json("/emails", &mail).header("Idempotency-Key", "msg_1")), 200);
    let sendgrid = email::sendgrid();
    let shaped = json!({ "personalizations": [{ "to": [{ "email": "b@example.com" }] }], "from": { "email": "a@example.com" }, "subject": "s",
        "content": [{ "type": "text/plain", "value": "t" }, { "type": "text/html", "value": "<p>h</p>" }] });
    assert_eq!(post(&sendgrid, &Request::post_json("/v3/mail/send", &shaped)), 202);
    assert_eq!(post(&sendgrid, &Request::post_json("/v3/mail/send", &mail)), 400);
    assert!(refusal_of(sendgrid).contains("`personalizations` is empty"));
    assert_eq!(post(&email::plain(), &Request::post_json("/", &mail)), 200);
}

#[test]
fn sentry_reads_envelopes_and_their_items() {
    let peer = sentry::sentry();
    let event = json!({ "event_id": "fc6d8c0c43fc4630ad850ee518f1b9d0", "timestamp": 1_790_000_000, "message": "m" }).to_string();
    let envelope =
        format!("{{\"event_id\":\"fc6d8c0c43fc4630ad850ee518f1b9d0\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len());
    let request = Request::new("POST", "/api/42/envelope/")
        .header("Content-Type", "application/x-sentry-envelope")
        .header("X-Sentry-Auth", "Sentry sentry_version=7, sentry_client=parapet/0, sentry_key=public")
        .body(envelope);
    assert_eq!(post(&peer, &request), 200);
    assert_eq!(sentry::accepted_items(&peer, "event")[0]["message"], "m");
    assert_eq!(post(&peer, &Request::new("POST", "/api/42/store/").body("{}")), 400);
    assert!(refusal_of(peer).contains("is not POST /api/42/envelope/"));
}

#[test]
fn a_peer_answers_as_told_and_remembers_what_it_took_on() {
    let peer = Peer::plain();
    peer.then([Answer::rate_limited(7), Answer::AcceptAndClose, Answer::Close]);
    let mut first = Connection::open(peer.address()).unwrap();
    let limited = first.send(&Request::get("/1")).unwrap();
    assert_eq!((limited.status, limited.header("Retry-After")), (429, Some("7")));
    assert!(first.send(&Request::get("/2")).is_err());
    assert!(Connection::open(peer.address()).unwrap().send(&Request::get("/3")).is_err());
    assert_eq!(post(&peer, &Request::get("/4")), 200);
    let accepted: Vec<_> = peer.wait_for_accepted(2).into_iter().map(|request| request.target).collect();
    assert_eq!(accepted, ["/2", "/4"]);
    assert_eq!(peer.received().len(), 4);
}
