//! What fails is told to Sentry, without secrets, and never to the visitor's cost: in the real runtime.
//!
//! The panic is a real one in the production build. Nothing in Parapet panics on purpose; the fixture breaks a promise of
//! the runtime (`waitUntil` throws) where the Worker's library unwraps the answer.

mod support;

use support::http::Request;
use support::peers::{Answer, Peer, sentry};
use support::runtime::{Fault, Part, Runtime, Setup};
use support::wait::until;

/// A request id that every sample of a tenth holds: the reporter samples by the hash of the id.
fn sampled_id(from: usize) -> String {
    let place = |id: &String| (parapet::ids::hash64(id.as_bytes()) >> 11) as f64 / (1_u64 << 53) as f64;
    (from..from + 1_000).map(|n| format!("req-{n:08}")).find(|id| place(id) < 0.1).unwrap_or_default()
}

fn ask(runtime: &Runtime, path: &str, id: &str) -> u16 {
    runtime.send(&Request::get(path).header("x-request-id", id)).status
}

#[test]
fn the_origins_5xx_are_one_event_a_group_and_the_visitor_gets_what_the_origin_said() {
    let (origin, project) = (Peer::plain(), sentry::sentry());
    let runtime = Setup::new().origin_url(&origin.url("")).var("SENTRY_DSN", &sentry::dsn(&project)).start();
    origin.then((0..4).map(|_| Answer::status(503)));
    for n in 0..4 {
        assert_eq!(ask(&runtime, "/availability?email=thandi@example.co.za", &sampled_id(n * 1_000)), 503);
    }
    origin.then([Answer::status(500)]);
    assert_eq!(ask(&runtime, "/availability", &sampled_id(9_000)), 500);

    project.wait_for_accepted(2);
    let events = sentry::accepted_items(&project, "event");
    let statuses: Vec<_> = events.iter().map(|event| event["tags"]["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["503", "500"], "one event for each status, not one for each error");
    assert!(!format!("{events:?}").contains("thandi"));
}

#[test]
fn an_origin_that_does_not_answer_is_an_event_and_a_502() {
    let project = sentry::sentry();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let runtime = Setup::new().origin_url(&format!("http://{gone}")).var("SENTRY_DSN", &sentry::dsn(&project)).start();
    assert_eq!(ask(&runtime, "/", "req-00000001"), 502);
    project.wait_for_accepted(1);
    let events = sentry::accepted_items(&project, "event");
    assert_eq!((&events[0]["tags"]["kind"], &events[0]["tags"]["request_id"]), (&"origin_fetch".into(), &"req-00000001".into()));
}

#[test]
fn sentry_out_of_reach_costs_the_visitor_nothing() {
    let (origin, project) = (Peer::plain(), sentry::sentry());
    project.always(Answer::Hang);
    let runtime = Setup::new().origin_url(&origin.url("")).var("SENTRY_DSN", &sentry::dsn(&project)).start();
    origin.then([Answer::status(503)]);
    assert_eq!(ask(&runtime, "/", &sampled_id(0)), 503);
    assert_eq!(ask(&runtime, "/", "req-00000001"), 200);
}

/// A visit whose origin answers 500, which Parapet reports in the request's `waitUntil`.
fn failing(path: &str) -> Request {
    Request::post_json(path, &serde_json::json!({}))
        .header("x-parapet-replay-client", "198.51.100.7")
        .header("x-parapet-replay-status", "500")
}

#[test]
fn a_panic_in_the_production_build_is_told_to_sentry_and_the_next_request_is_answered() {
    let project = sentry::sentry();
    let mut runtime = Setup::new().var("SENTRY_DSN", &sentry::dsn(&project)).start();
    assert_eq!(runtime.get("/").status, 200);
    // One call of `waitUntil` is the flush's owner's, where a refusal is no panic; the other is the report's.
    runtime.fault(Part::WaitUntil, &[Fault::Refuse, Fault::Refuse]);
    let answer = runtime.connect().send(&failing("/search")).unwrap();
    assert_eq!(answer.status, 500, "the origin's own answer, since the panic came after it");
    assert!(answer.header("x-request-id").is_some());

    project.wait_for_accepted(1);
    let events = sentry::accepted_items(&project, "event");
    let event = &events[0];
    assert_eq!((&event["level"], &event["tags"]["kind"], &event["environment"]), (&"fatal".into(), &"panic".into(), &"dev".into()));
    let value = event["exception"]["values"][0]["value"].as_str().unwrap();
    assert!(value.starts_with("panicked at"), "{value}");

    runtime.heal(Part::WaitUntil);
    for path in ["/", "/search", "/"] {
        assert_eq!(runtime.get(path).status, 200, "a fresh instance answers {path}");
    }
}

#[test]
fn a_panic_on_the_whole_way_costs_that_request_and_no_other() {
    let project = sentry::sentry();
    let mut runtime = Setup::new().var("SENTRY_DSN", &sentry::dsn(&project)).start();
    runtime.fault(Part::WaitUntil, &[Fault::Refuse]);
    let lost = runtime.connect().send(&failing("/api/bookings"));
    assert!(lost.is_err() || lost.is_ok_and(|response| response.status == 500));
    project.wait_for_accepted(1);
    runtime.heal(Part::WaitUntil);
    assert_eq!(runtime.get("/").status, 200, "a fresh instance answers");
}

#[test]
fn a_failure_of_parapets_own_is_told_too() {
    let project = sentry::sentry();
    let mut runtime = Setup::new().var("SENTRY_DSN", &sentry::dsn(&project)).start();
    runtime.fault_always(Part::Db, &[Fault::Refuse]);
    runtime.tick(1_790_000_040_000);
    let events = until("the event of the tick that failed", 20, || {
        let events = sentry::accepted_items(&project, "event");
        events.iter().any(|event| event.to_string().contains("refused")).then_some(events)
    });
    assert!(events.iter().any(|event| event.to_string().contains("tick")), "{events:?}");
}
