//! The exact limits and the request path's survival, in the real runtime.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a story that cannot go on fails"
)]

mod support;

use std::sync::Barrier;

use serde_json::json;
use support::http::{Connection, Request, Response};
use support::runtime::{Fault, Part, Runtime, Setup};

fn login(address: &str) -> Request {
    Request::post_json("/api/auth/login", &json!({"email": "thandi@example.co.za", "password": "right"})).client_ip(address)
}

fn pay(address: &str) -> Request {
    Request::post_json("/api/payments", &json!({"booking": 17, "amount_cents": 65_000})).client_ip(address)
}

fn refused(response: &Response) -> bool {
    response.status == 429
}

#[test]
fn two_hundred_at_once_and_exactly_five_are_admitted() {
    let runtime = Setup::new().start();
    let (address, barrier) = (runtime.address(), Barrier::new(20));
    let admitted: usize = std::thread::scope(|scope| {
        let crowds: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(address).unwrap();
                    barrier.wait();
                    (0..10).filter(|_| !refused(&connection.send(&login("203.0.113.7")).unwrap())).count()
                })
            })
            .collect();
        crowds.into_iter().map(|crowd| crowd.join().unwrap()).sum()
    });
    assert_eq!(admitted, 5);
    assert!(!refused(&runtime.send(&login("203.0.113.8"))), "another client has its own five");
}

#[test]
fn one_slash_64_is_one_client_and_a_forged_forwarded_for_is_no_way_round() {
    let runtime = Setup::new().start();
    let answers: Vec<u16> = (0..8)
        .map(|n| runtime.send(&login(&format!("2001:db8:1:2::{n:x}")).header("X-Forwarded-For", &format!("10.0.0.{n}"))).status)
        .collect();
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 3, "{answers:?}");
}

#[test]
fn a_denial_says_when_to_come_back_in_the_fields_of_draft_10() {
    let runtime = Setup::new().start();
    let answers: Vec<Response> = (0..4).map(|_| runtime.send(&pay("203.0.113.7"))).collect();
    assert_eq!(answers[0].header("ratelimit"), Some("\"payments\";r=2;t=60"));
    let denied = &answers[3];
    assert_eq!((denied.status, denied.header("ratelimit-policy")), (429, Some("\"payments\";q=3;w=60")));
    let retry_after_s: u32 = denied.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&retry_after_s));
    assert_eq!(denied.header("content-type"), Some("application/problem+json"));
    assert_eq!(denied.json()["code"], "quota_exceeded");
}

#[test]
fn a_restart_or_an_eviction_in_the_middle_of_a_window_admits_none_extra() {
    let mut runtime = Setup::new().start();
    assert!((0..3).all(|_| !refused(&runtime.send(&pay("203.0.113.7")))));
    runtime.kill();
    runtime.restart();
    assert!(refused(&runtime.send(&pay("203.0.113.7"))));
    assert!((0..3).all(|_| !refused(&runtime.send(&pay("203.0.113.8")))));
    let shard = parapet::ids::hash64(b"203.0.113.8") % 8;
    runtime.evict("Limiter", &format!("payments-{shard}"));
    assert!(refused(&runtime.send(&pay("203.0.113.8"))));
}

fn everything_of_the_site_answers(runtime: &Runtime) {
    for target in ["/", "/search?q=x", "/availability?clinic=1", "/demo/echo"] {
        assert_eq!(runtime.get(target).status, 200, "{target}");
    }
    assert_eq!(runtime.send(&login("203.0.113.20")).status, 200, "login falls back to the isolate's own log");
}

#[test]
fn with_any_part_of_parapet_dead_the_site_answers_and_payments_do_as_their_rule_says() {
    for fault in [Fault::Refuse, Fault::Hang] {
        let mut runtime = Setup::new().start();
        for part in [Part::Db, Part::Collector, Part::Limiter, Part::Engine] {
            runtime.fault_always(part, &[fault]);
        }
        everything_of_the_site_answers(&runtime);
        let payment = runtime.send(&pay("203.0.113.20"));
        assert_eq!((payment.status, payment.json()["code"].as_str()), (503, Some("temporary_reduced_capacity")), "payments fail closed");
        runtime.heal(Part::Limiter);
        assert_eq!(runtime.send(&pay("203.0.113.21")).status, 201, "and open again when the Limiter does");
    }
}

#[test]
fn without_its_limiter_login_is_still_limited_by_each_isolate() {
    let mut runtime = Setup::new().start();
    runtime.fault_always(Part::Limiter, &[Fault::Refuse]);
    let answers: Vec<u16> = (0..7).map(|_| runtime.send(&login("203.0.113.7")).status).collect();
    assert_eq!(answers, [200, 200, 200, 200, 200, 429, 429]);
}
