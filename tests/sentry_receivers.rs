//! What programs nobody here wrote make of our Sentry envelopes: Bugsink files them as issues, Relay checks them as Sentry does.
//! `make test` installs both; without `RECEIVERS` the stories are skipped.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/receivers/mod.rs"]
mod receivers;
#[path = "support/world.rs"]
mod world;

use std::cell::RefCell;

use parapet::alert::dispatch::dispatch;
use parapet::channel::answer::{Answer, DeliveryOutcome, classify};
use parapet::channel::sentry::quota::{Category, limited_until};
use parapet::channel::sentry::{CheckIn, CheckInStatus, Sent, check_in, error_event};
use parapet::channel::{Address, Addresses};
use parapet::config::alerting::{Rule, Via};
use parapet::edge::redact::Scrubber;
use parapet::ports::{Http, HttpError, HttpRequest, HttpResponse};
use parapet::telemetry::errors::ErrorReport;
use parapet::time::{MINUTE_MS, UnixMs};
use receivers::{Bugsink, Wire};
use serde_json::{Value, json};
use world::{World, block_on, error_rate, sentry_channel};

/// Relay throws away what is older than thirty days by its own clock.
#[allow(clippy::disallowed_methods, reason = "another program's clock cannot be moved by the story")]
fn wall() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMs(i64::try_from(since.as_millis()).unwrap()).floor(MINUTE_MS)
}

/// The envelope's event.
fn event(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body.split(|byte| *byte == b'\n').nth(2).unwrap()).unwrap()
}

/// Takes everything, so that only the requests matter.
#[derive(Default)]
struct Recorder(RefCell<Vec<HttpRequest>>);

impl Http for Recorder {
    async fn send(&self, request: HttpRequest, _: u32) -> Result<HttpResponse, HttpError> {
        self.0.borrow_mut().push(request);
        Ok(HttpResponse { status: 200, headers: vec![], body: vec![] })
    }
}

/// Ten minutes in which one request in ten fails, alerted to the project of `dsn` alone, delivered as the Engine does it.
fn burst(rule: Rule, dsn: &str, http: &impl Http) {
    let mut world = World::with_rules(vec![rule]);
    world.config.alerting.channels = vec![sentry_channel("sentry")];
    world.config.alerting.routes[0].channels = vec!["sentry".into()];
    world.addresses = Addresses::resolve(&world.config.alerting, |name| (name == "SENTRY_DSN").then(|| dsn.to_owned()));
    let end = wall();
    let at_min = |minutes: i64| end.plus(minutes * MINUTE_MS);
    world.traffic(at_min(-50), at_min(-35), 100, 0);
    world.traffic(at_min(-35), at_min(-25), 90, 10);
    world.traffic(at_min(-25), at_min(0), 100, 0);
    for minute in -40..0 {
        world.tick(at_min(minute));
        let round = block_on(dispatch(at_min(minute), &world.config, &world.addresses, &world.db, http, &mut world.courier));
        assert_eq!(round.problem, None);
    }
    let states: Vec<String> = world.messages().into_iter().map(|(_, reason, state)| format!("{reason} {state}")).collect();
    assert_eq!(states, ["first delivered", "resolved delivered"]);
}

/// Three requests whose answer was the origin's 502, as one event.
fn error(dsn: &str) -> HttpRequest {
    let report = ErrorReport::origin("GET", "/bookings/:id", Some(502), "the origin answered 502", "req-00000001");
    let sent = Sent { at: wall(), occurrences: 3, environment: "production" };
    error_event(dsn, &report, &sent, &Scrubber::new(&[])).unwrap()
}

#[test]
fn bugsink_files_an_alert_and_its_end_as_one_issue_and_everything_else_where_it_belongs() {
    let Some(receivers) = receivers::folder() else {
        eprintln!("skipped: RECEIVERS is not set; `make test` sets it");
        return;
    };
    let bugsink = Bugsink::start(&receivers);
    burst(error_rate(), &bugsink.dsn, &Wire);
    a_retried_error_is_delivered_twice_and_filed_once(&bugsink.dsn);
    a_check_in_is_taken_and_a_wrong_key_is_final(&bugsink.dsn);

    let issues = bugsink.issues();
    let counts: Vec<usize> = issues.iter().map(|issue| issue["events"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [2, 1], "{issues:#?}");
    let (fired, ended, failed) = (&issues[0]["events"][0], &issues[0]["events"][1], &issues[1]["events"][0]);
    let titles = [fired, ended, failed].map(|event| event["title"].as_str().unwrap().replace('\u{a0}', " "));
    assert_eq!(titles[0], "FIRING critical · API error rate 8 % > 2 % · team=platform · production");
    assert_eq!(titles[1], "RESOLVED critical · API error rate after 12 min · team=platform · production");
    assert!(titles[2].ends_with("the origin answered 502"), "{titles:?}");
    // Bugsink files an event that names no level, which to Sentry means `error`, under none.
    assert_eq!([fired, ended, failed].map(|event| event["level"].as_str().unwrap()), ["fatal", "info", ""]);
    for (event, state) in [(fired, "firing"), (ended, "resolved")] {
        let tags = &event["tags"];
        for (tag, value) in [("rule", "api-error-rate"), ("severity", "critical"), ("team", "platform"), ("state", state)] {
            assert_eq!(tags[tag], value, "{tags:#}");
        }
        assert_eq!(event["environment"], "production");
    }
    assert_eq!(fired["tags"]["alert_id"], ended["tags"]["alert_id"]);
    assert_eq!((&failed["tags"]["status"], &failed["tags"]["request_id"]), (&json!("502"), &json!("req-00000001")));
}

fn a_retried_error_is_delivered_twice_and_filed_once(dsn: &str) {
    for _ in 0..2 {
        let answer = meant(error(dsn), dsn);
        assert_eq!(answer.outcome, DeliveryOutcome::Delivered, "{answer:?}");
    }
}

fn a_check_in_is_taken_and_a_wrong_key_is_final(dsn: &str) {
    let monitor = World::with_rules(vec![]).config.sentry.monitor;
    let tick = CheckIn { status: CheckInStatus::Ok, duration_ms: 1_250, scheduled: wall(), environment: "production" };
    let answer = meant(check_in(dsn, &monitor, &tick).unwrap(), dsn);
    assert_eq!(answer.outcome, DeliveryOutcome::Delivered, "{answer:?}");

    let wrong_key = "0".repeat(32);
    let other = format!("http://{wrong_key}@{}", dsn.split_once('@').unwrap().1);
    let answer = meant(error(&other), &other);
    assert_eq!(answer.outcome, DeliveryOutcome::Permanent, "{answer:?}");
    assert!(!answer.detail.contains(&wrong_key), "{answer:?}");
}

/// What its answer means to us.
fn meant(request: HttpRequest, dsn: &str) -> Answer {
    let answer = block_on(Wire.send(request, 10_000));
    // It says in every answer that it takes no transactions for a day, which must not keep alerts and errors quiet.
    assert_eq!(Category::ALL.map(|category| limited_until(answer.as_ref().unwrap(), category, wall())), [None, None]);
    classify(&Via::Sentry {}, &Address::Sentry { dsn: dsn.to_owned() }, &answer, wall())
}

#[test]
fn sentrys_own_checks_find_nothing_to_mend_in_alerts_and_errors() {
    let Some(receivers) = receivers::folder() else { return };
    let (dsn, sentry) = ("https://key@o1.ingest.sentry.io/42", Recorder::default());
    // A team that wrote what no tag can hold.
    let mut rule = error_rate();
    rule.labels.insert("what it is, in a sentence that is too long for a key".to_owned(), format!("line\n{}", "é".repeat(400)));
    rule.summary = "Requests fail. ".repeat(600);
    burst(rule, dsn, &sentry);
    block_on(sentry.send(error(dsn), 10_000)).unwrap();
    let events: Vec<Value> = sentry.0.borrow().iter().map(event).collect();

    let normalized = receivers::normalized(&receivers, &events);
    assert_eq!((events.len(), normalized.len()), (3, 3));
    for (sent, kept) in events.iter().zip(&normalized) {
        assert_eq!((&kept["errors"], &kept["_meta"]), (&Value::Null, &Value::Null), "{kept:#}");
        // An event of level `error`, Sentry's default, names none.
        assert_eq!(kept["level"], sent.get("level").cloned().unwrap_or_else(|| json!("error")));
        assert_eq!(kept["logentry"]["formatted"], sent["logentry"]["message"], "{kept:#}");
        for field in ["event_id", "fingerprint", "logger", "environment", "release"] {
            assert_eq!(kept[field], sent[field], "{field}: {kept:#}");
        }
        let tags: serde_json::Map<String, Value> =
            kept["tags"].as_array().unwrap().iter().map(|tag| (tag[0].as_str().unwrap().to_owned(), tag[1].clone())).collect();
        let missing: Vec<_> = sent["tags"].as_object().unwrap().iter().filter(|(key, value)| tags.get(*key) != Some(value)).collect();
        assert!(missing.is_empty(), "{missing:?} of {kept:#}");
    }
}
