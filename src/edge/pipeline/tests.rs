//! Which way a request goes, and what is asked and counted on it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::config::{alerting, business, infrastructure, security, sentry, site};
use crate::telemetry::series::name;

fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the scripted edge never waits"),
    }
}

fn guarded(mode: LimitMode, on_failure: OnFailure) -> Config {
    Config {
        site: site::Site {
            environment: site::Environment::Dev,
            name: "Site".into(),
            console_hosts: vec![],
            console_serves_site: site::ConsoleServes::SiteToo,
            console_url: "http://localhost".into(),
            timezone: "Africa/Johannesburg".into(),
            currency: "ZAR".into(),
        },
        infrastructure: infrastructure::Infrastructure {
            routes: vec![],
            max_routes: 200,
            max_series: 2_000,
            retention: infrastructure::Retention { minute_days: 7, hour_days: 90, day_days: 730 },
            ingest: infrastructure::Ingest { max_batch: 100, max_body_bytes: 65_536, max_tags: 8, max_series_per_name: 100 },
        },
        security: security::Security {
            limits: vec![Limit {
                id: "pay".into(),
                path: "/api/payments".into(),
                methods: vec![],
                requests: 3,
                window_s: 60,
                mode,
                on_failure,
            }],
        },
        sentry: sentry::Sentry {
            origin_error_sample_rate: 1.0,
            max_events_per_minute: 10,
            monitor: sentry::Monitor {
                slug: "tick".into(),
                checkin_margin_min: 2,
                max_runtime_min: 2,
                failure_issue_threshold: 2,
                recovery_threshold: 1,
            },
            scrub_keys: vec![],
        },
        business: business::Business { shown: vec![], targets: vec![] },
        alerting: alerting::Alerting::default(),
    }
}

/// An edge whose Limiter and origin say what the story says.
struct Scripted {
    limiter: Result<LimitDecision, LimiterSilent>,
    status: Option<u16>,
    asked: RefCell<Vec<&'static str>>,
}

impl Edge for Scripted {
    type Response = ();
    async fn attempt(&self, _: &Limit, _: &str) -> Result<LimitDecision, LimiterSilent> {
        self.asked.borrow_mut().push("limiter");
        self.limiter
    }
    async fn forward(&self, _: &str) -> Forwarded<()> {
        self.asked.borrow_mut().push("origin");
        match self.status {
            Some(status) => {
                Forwarded::Answered((), OriginAnswer { status, response_bytes: 10, cache: CacheStatus::None, duration_ms: 5.0 })
            }
            None => Forwarded::Failed { failure: OriginFailure::Unreachable, message: "refused".into() },
        }
    }
}

struct Story {
    isolate: RefCell<Isolate>,
    edge: Scripted,
}

impl Story {
    fn with(config: Config, limiter: Result<LimitDecision, LimiterSilent>, status: Option<u16>) -> Self {
        Self { isolate: RefCell::new(Isolate::new(Rc::new(config))), edge: Scripted { limiter, status, asked: RefCell::default() } }
    }

    /// The status the client gets, and who was asked on the way.
    fn request(&self, path: &str) -> (u16, Vec<&'static str>) {
        self.edge.asked.borrow_mut().clear();
        let facts = Facts {
            method: "POST",
            host: "site.example",
            path,
            address: Some("203.0.113.7"),
            replay: Replay::Absent,
            user_agent: "curl/8",
            country: Country::of("ZA"),
            colo: Colo::of("JNB"),
            request_id: "req_1234",
        };
        let status = match block_on(run(&self.edge, &facts, &self.isolate, UnixMs(1_000_000))) {
            Outcome::Reserved => 0,
            Outcome::Origin { .. } => self.edge.status.unwrap(),
            Outcome::Own { answer, .. } => answer.status,
        };
        (status, self.edge.asked.borrow().clone())
    }

    fn counted(&self, metric: &str, label: &str) -> Vec<(String, f64)> {
        let mut isolate = self.isolate.borrow_mut();
        isolate.flush("iso", UnixMs(1_000_500));
        let batches = isolate.buffer.unacknowledged();
        let of = batches.iter().flat_map(|batch| &batch.entries).filter(|entry| entry.key.name() == metric);
        of.map(|entry| (entry.key.label(label).unwrap().to_owned(), entry.cell.amount())).collect()
    }
}

const ADMITTED: Result<LimitDecision, LimiterSilent> = Ok(LimitDecision::Admitted { remaining: 1, reset_ms: 60_000 });
const DENIED: Result<LimitDecision, LimiterSilent> = Ok(LimitDecision::Denied { retry_in_ms: 41_000 });
const SILENT: Result<LimitDecision, LimiterSilent> = Err(LimiterSilent);

#[test]
fn an_unguarded_route_asks_nobody_but_the_origin() {
    let story = Story::with(guarded(LimitMode::Enforce, OnFailure::Deny), SILENT, Some(200));
    assert_eq!(story.request("/search"), (200, vec!["origin"]));
}

#[test]
fn a_denied_request_never_reaches_the_origin_and_the_next_one_asks_nobody() {
    let story = Story::with(guarded(LimitMode::Enforce, OnFailure::Deny), DENIED, Some(200));
    assert_eq!(story.request("/api/payments"), (429, vec!["limiter"]));
    assert_eq!(story.request("/api/payments"), (429, vec![]), "the denial is cached until the moment the Limiter named");
    assert_eq!(story.counted(name::LIMITED, "decision"), [("limited".to_owned(), 2.0)]);
}

#[test]
fn a_shadow_limit_counts_and_lets_through() {
    let story = Story::with(guarded(LimitMode::Shadow, OnFailure::Deny), DENIED, Some(200));
    assert_eq!(story.request("/api/payments"), (200, vec!["limiter", "origin"]));
    assert_eq!(story.counted(name::LIMITED, "decision"), [("would_limit".to_owned(), 1.0)]);
}

#[test]
fn without_its_limiter_a_rule_does_what_it_says() {
    let outcome = |on_failure| {
        let story = Story::with(guarded(LimitMode::Enforce, on_failure), SILENT, Some(200));
        let statuses: Vec<u16> = (0..4).map(|_| story.request("/api/payments").0).collect();
        (statuses, story.counted(name::LIMITED, "decision"))
    };
    assert_eq!(outcome(OnFailure::Allow), (vec![200; 4], vec![("failed_open".to_owned(), 4.0)]));
    assert_eq!(outcome(OnFailure::Deny), (vec![503; 4], vec![("failed_closed".to_owned(), 4.0)]));
    let (statuses, counted) = outcome(OnFailure::Edge);
    assert_eq!(statuses, [200, 200, 200, 429], "this isolate's own log is as exact, for this isolate");
    assert_eq!(counted, [("limited".to_owned(), 1.0), ("failed_to_edge".to_owned(), 3.0)]);
}

#[test]
fn a_dead_origin_is_a_502_that_names_the_request_and_an_error_to_report() {
    let story = Story::with(guarded(LimitMode::Enforce, OnFailure::Deny), ADMITTED, None);
    assert_eq!(story.request("/search"), (502, vec!["origin"]));
    assert_eq!(story.counted(name::ORIGIN_ERRORS, "reason"), [("unreachable".to_owned(), 1.0)]);
    assert_eq!(story.counted(name::REQUESTS, "class"), [("5xx".to_owned(), 1.0)], "what the client got is what is counted");
}

#[test]
fn the_429_tells_when_to_come_back() {
    let story = Story::with(guarded(LimitMode::Enforce, OnFailure::Deny), DENIED, Some(200));
    let facts_path = "/api/payments";
    story.request(facts_path);
    let isolate = story.isolate.borrow();
    let rule = &isolate.config.security.limits[0];
    let facts = Facts {
        method: "POST",
        host: "h",
        path: facts_path,
        address: None,
        replay: Replay::Absent,
        user_agent: "",
        country: Country::of(""),
        colo: Colo::of(""),
        request_id: "req_1234",
    };
    let answer = too_many(rule, &facts, 40_001, vec![("ratelimit-policy", limit::policy_field(rule))]);
    insta::assert_snapshot!(format!("{:#?}", answer));
}

#[test]
fn only_well_formed_request_ids_are_kept() {
    for (id, kept) in [("req_0123456789abcdef", true), ("short", false), ("with space in it", false), ("x\"><script>alert(1)", false)] {
        assert_eq!(is_request_id(id), kept, "{id}");
    }
    assert!(!is_request_id(&"a".repeat(65)));
}
