//! Which errors are one, and how many are sent.

use proptest::prelude::*;

use super::*;
use crate::config::sentry::Monitor;

const NOON: UnixMs = UnixMs(1_772_366_400_000);

fn config(rate: f64, per_minute: u32) -> Sentry {
    let monitor =
        Monitor { slug: "tick".to_owned(), checkin_margin_min: 2, max_runtime_min: 5, failure_issue_threshold: 2, recovery_threshold: 1 };
    Sentry { origin_error_sample_rate: rate, max_events_per_minute: per_minute, monitor, scrub_keys: Vec::new() }
}

fn answered(route: &str, status: u16, request: usize) -> ErrorReport {
    ErrorReport::origin("GET", route, Some(status), "the origin answered", &format!("req-{request:08}"))
}

#[test]
fn a_group_sends_once_a_minute_and_the_next_event_says_how_many_waited() {
    let (mut reporter, config) = (ErrorReporter::default(), config(1.0, 60));
    let mut decide = |after_ms| reporter.decide(&answered("/a", 502, 1), NOON.plus(after_ms), &config);
    assert_eq!(decide(0), ReportDecision::Send { occurrences: 1 });
    assert_eq!(decide(1), ReportDecision::Grouped { count: 1 });
    assert_eq!(decide(59_999), ReportDecision::Grouped { count: 2 });
    assert_eq!(decide(60_000), ReportDecision::Send { occurrences: 3 });
    assert_eq!(decide(60_001), ReportDecision::Grouped { count: 1 });
}

#[test]
fn another_route_status_kind_or_text_is_another_group_and_another_number_in_the_text_is_not() {
    let (mut reporter, config) = (ErrorReporter::default(), config(1.0, 60));
    let mut sends = |report: &ErrorReport| matches!(reporter.decide(report, NOON, &config), ReportDecision::Send { .. });
    assert!(sends(&answered("/a", 502, 1)));
    assert!(sends(&answered("/b", 502, 2)));
    assert!(sends(&answered("/a", 503, 3)));
    assert!(sends(&ErrorReport::origin("GET", "/a", None, "connect to 10.0.0.7:5432 failed", "req-1")));
    assert!(!sends(&ErrorReport::origin("GET", "/a", None, "connect to 10.0.0.12:80 failed", "req-2")));
    assert!(sends(&ErrorReport::own("collector", "connect to 10.0.0.7:5432 failed")));
    assert!(sends(&ErrorReport::panic("panicked at src/a.rs:1:2")));
}

#[test]
fn the_budget_of_a_minute_ends_and_begins_again() {
    let (mut reporter, config) = (ErrorReporter::default(), config(1.0, 2));
    let mut decide = |route: &str, after_ms| reporter.decide(&answered(route, 502, 1), NOON.plus(after_ms), &config);
    assert_eq!(decide("/a", 0), ReportDecision::Send { occurrences: 1 });
    assert_eq!(decide("/b", 1), ReportDecision::Send { occurrences: 1 });
    assert_eq!(decide("/c", 2), ReportDecision::OverBudget);
    assert_eq!(decide("/c", 3), ReportDecision::OverBudget);
    assert_eq!(decide("/c", 60_000), ReportDecision::Send { occurrences: 3 });
}

#[test]
fn sentrys_wish_for_silence_is_kept_until_its_moment_and_a_shorter_one_does_not_end_it() {
    let (mut reporter, config) = (ErrorReporter::default(), config(1.0, 60));
    let until = NOON.plus(90_000);
    reporter.observe_limit(Some(until));
    reporter.observe_limit(Some(NOON.plus(5_000)));
    reporter.observe_limit(None);
    let mut decide = |after_ms| reporter.decide(&ErrorReport::own("d1", "refused"), NOON.plus(after_ms), &config);
    assert_eq!(decide(0), ReportDecision::RateLimited { until });
    assert_eq!(decide(89_999), ReportDecision::RateLimited { until });
    assert_eq!(decide(90_000), ReportDecision::Send { occurrences: 3 });
}

#[test]
fn a_sample_of_the_origins_5xx_is_the_same_in_every_isolate_and_of_the_right_size() {
    let sent = |rate| {
        let verdict = |request: usize| {
            let decision = ErrorReporter::default().decide(&answered("/a", 502, request), NOON, &config(rate, 60));
            decision != ReportDecision::Sampled
        };
        (0..10_000).filter(|request| verdict(*request)).collect::<Vec<_>>()
    };
    assert_eq!(sent(0.0).len(), 0);
    assert_eq!(sent(1.0).len(), 10_000);
    // Binomial: 2,000 ± 4 × 40.
    assert!((1_840..=2_160).contains(&sent(0.2).len()), "{}", sent(0.2).len());
    assert_eq!(sent(0.2), sent(0.2));
}

#[test]
fn thrown_and_own_errors_are_never_sampled_out() {
    let mut reporter = ErrorReporter::default();
    for report in [ErrorReport::origin("GET", "/a", None, "closed", "req-1"), ErrorReport::own("d1", "lost"), ErrorReport::panic("x")] {
        assert_eq!(reporter.decide(&report, NOON, &config(0.0, 60)), ReportDecision::Send { occurrences: 1 });
    }
}

#[test]
fn a_panic_names_the_file_below_its_crate_and_not_the_machine_that_built_it() {
    let built = "panicked at /home/ci/.cargo/registry/src/index.crates.io-1949/worker-0.8.7/src/context.rs:47:14:\nunwrap";
    assert_eq!(ErrorReport::panic(built).text, "panicked at worker-0.8.7/src/context.rs:47:14:\nunwrap");
    assert_eq!(ErrorReport::panic("panicked at src/a.rs:1:2").text, "panicked at src/a.rs:1:2");
}

#[test]
fn memory_is_bounded_and_the_group_silent_longest_makes_room() {
    let (mut reporter, config) = (ErrorReporter::default(), config(1.0, u32::MAX));
    for n in 0..10 * MAX_GROUPS {
        let _ = reporter.decide(&answered(&format!("/{n}"), 502, n), NOON.plus(i64::try_from(n).unwrap()), &config);
        assert!(reporter.groups.len() <= MAX_GROUPS);
    }
    let at = NOON.plus(i64::try_from(10 * MAX_GROUPS).unwrap());
    let last = answered(&format!("/{}", 10 * MAX_GROUPS - 1), 502, 1);
    assert_eq!(reporter.decide(&last, at, &config), ReportDecision::Grouped { count: 1 });
    assert_eq!(reporter.decide(&answered("/0", 502, 1), at, &config), ReportDecision::Send { occurrences: 1 });
}

#[test]
fn every_decision_is_counted_by_its_outcome() {
    let mut reporter = ErrorReporter::default();
    let limited = ReportDecision::RateLimited { until: NOON };
    let all = [
        ReportDecision::Send { occurrences: 1 },
        ReportDecision::Sampled,
        ReportDecision::Grouped { count: 1 },
        ReportDecision::OverBudget,
        limited,
    ];
    assert_eq!(all.map(|decision| decision.outcome()), ReportDecision::OUTCOMES);
    for request in 0..3 {
        let _ = reporter.decide(&answered("/a", 502, request), NOON, &config(1.0, 60));
    }
    let counts: Vec<_> = reporter.take_counts().into_iter().map(|(key, n)| (key.canonical(), n)).collect();
    assert_eq!(
        counts,
        [
            (r#"parapet_error_events_total{outcome="grouped"}"#.to_owned(), 2),
            (r#"parapet_error_events_total{outcome="sent"}"#.to_owned(), 1)
        ]
    );
    assert_eq!(reporter.take_counts(), []);
}

#[test]
fn kinds_survive_the_round_trip() {
    for kind in ErrorKind::ALL {
        assert_eq!(ErrorKind::from_str(kind.as_str()), Some(kind));
    }
    assert_eq!(ErrorKind::from_str("error"), None);
}

proptest! {
    #[test]
    fn no_schedule_sends_more_than_the_budget_or_a_group_twice_a_minute_and_no_error_is_forgotten(
        seen in prop::collection::vec((0_u8..6, 0_i64..20_000), 1..200),
        per_minute in 1_u32..5,
    ) {
        let (mut reporter, config) = (ErrorReporter::default(), config(1.0, per_minute));
        let (mut now, mut sends) = (NOON, Vec::new());
        let mut told = 0;
        for (place, wait_ms) in &seen {
            now = now.plus(*wait_ms);
            if let ReportDecision::Send { occurrences } = reporter.decide(&ErrorReport::own(&format!("part {place}"), "x"), now, &config) {
                sends.push((now, *place));
                told += occurrences;
            }
        }
        for (at, place) in &sends {
            let same_minute = sends.iter().filter(|(other, _)| other.floor(MINUTE_MS) == at.floor(MINUTE_MS)).count();
            prop_assert!(same_minute <= per_minute as usize);
            let same_group = sends.iter().filter(|(other, group)| group == place && (0..GROUP_MS).contains(&other.since(*at))).count();
            prop_assert_eq!(same_group, 1);
        }
        let waiting: u32 = reporter.groups.values().map(|group| group.waiting).sum();
        prop_assert_eq!(told + waiting, u32::try_from(seen.len()).unwrap());
    }
}
