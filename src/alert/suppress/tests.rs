//! What keeps an alert quiet, and what explains it in the end.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::alerting::{OpensIncident, Severity};
use crate::record::FromJson;

/// Monday 2026-03-02, 12:00 UTC.
const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn subject(rule: &str, severity: Severity, own: &[(&str, &str)]) -> Subject {
    let mut labels: Map<String, String> = own.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    labels.extend([("rule".to_owned(), rule.to_owned()), ("severity".to_owned(), severity.as_str().to_owned())]);
    Subject {
        id: format!("alr_{rule}"),
        rule: rule.into(),
        name: format!("The rule {rule}"),
        severity,
        labels,
        for_ms: 0,
        keep_firing_for_ms: 0,
        summary: String::new(),
        annotations: Map::new(),
        runbook: String::new(),
        owner: "platform".into(),
        incident: OpensIncident::Critical,
    }
}

fn silence(id: &str, matchers: &str, from_s: i64, to_s: i64) -> Silence {
    Silence {
        id: id.into(),
        matchers: Matcher::parse_all(matchers).unwrap(),
        reason: "because".into(),
        author: "ann".into(),
        created_by: "tok_1".into(),
        created_at: NOON,
        starts_at: NOON.plus(from_s * 1_000),
        ends_at: NOON.plus(to_s * 1_000),
        updated_at: NOON,
        withheld: 0,
    }
}

fn alerting(inhibitions: &serde_json::Value, maintenance: &serde_json::Value) -> Alerting {
    FromJson::from_json(json!({"channels": [], "routes": [], "rules": [], "inhibitions": inhibitions, "maintenance": maintenance})).unwrap()
}

#[test]
fn every_kind_reads_back() {
    for kind in SuppressedBy::ALL {
        assert_eq!(SuppressedBy::from_str(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn a_silence_keeps_quiet_what_it_matches_from_its_first_moment_to_its_last() {
    let alert = subject("api-errors", Severity::Critical, &[("team", "ops")]);
    let none = Alerting::default();
    for (matchers, from_s, to_s, expected) in [
        ("rule=api-errors", 0, 60, true),
        ("rule=api-errors", -60, 0, false),
        ("rule=api-errors", 1, 60, false),
        ("rule=api-errors", -60, 1, true),
        ("rule=api-errors,team=web", -60, 60, false),
        ("rule=api-*,team=ops", -60, 60, true),
        ("alertname=\"The rule api-errors\"", -60, 60, true),
        ("owner=platform", -60, 60, true),
        ("severity=~critical|warning", -60, 60, true),
        ("severity!=critical", -60, 60, false),
    ] {
        let silences = [silence("sil_1", matchers, from_s, to_s)];
        let found = Suppressors::at(NOON, &silences, &none, &[]).suppress(&alert, NOON);
        let expected = expected.then(|| Suppression { by: SuppressedBy::Silence, id: "sil_1".into(), source: None });
        assert_eq!(found, expected, "{matchers} {from_s} {to_s}");
    }
}

#[test]
fn the_first_reason_is_named_and_all_are_known() {
    let alert = subject("api-errors", Severity::Warning, &[]);
    let cause = subject("origin-down", Severity::Critical, &[]);
    let silences = [silence("sil_1", "rule=api-errors", -60, 60)];
    let alerting = alerting(
        &json!([{"id": "origin", "source": ["rule=origin-down"], "target": ["rule=api-*"]}]),
        &json!([{"id": "mondays", "matchers": [], "days": ["mon"], "hours": {"from": "12:00", "to": "13:00"}, "zone": "UTC",
                 "reason": "r", "author": "a", "expires": "2026-12-31"}]),
    );
    let kinds = |silences: &[Silence], now: UnixMs, firing: &[&Subject]| -> Vec<&'static str> {
        Suppressors::at(now, silences, &alerting, firing).all(&alert, now).into_iter().map(|why| why.by.as_str()).collect()
    };
    assert_eq!(kinds(&silences, NOON, &[&cause]), ["silence", "maintenance", "inhibition"]);
    assert_eq!(kinds(&[], NOON.plus(3_600_000), &[&cause]), ["inhibition"]);
    assert_eq!(kinds(&[], NOON.plus(3_600_000), &[]), [""; 0]);
}

#[test]
fn a_cause_explains_its_consequences_and_never_itself() {
    let alerting = alerting(
        &json!([
            {"id": "down", "source": ["rule=d1-down"], "target": ["severity!=critical"], "equal": ["region"]},
            {"id": "worse", "source": ["severity=critical"], "target": ["severity=~critical|warning"], "equal": ["team"]},
            {"id": "unread", "source": ["nothing"], "target": ["severity=info"]},
        ]),
        &json!([]),
    );
    let d1 = subject("d1-down", Severity::Critical, &[("region", "eu")]);
    let here = subject("slow", Severity::Info, &[("region", "eu")]);
    let there = subject("slow", Severity::Info, &[("region", "za")]);
    let nowhere = subject("slow", Severity::Info, &[]);
    let ops = subject("errors", Severity::Critical, &[("team", "ops"), ("region", "x")]);
    let ops_too = subject("latency", Severity::Critical, &[("team", "ops"), ("region", "x")]);
    let mild = subject("errors-mild", Severity::Warning, &[("team", "ops"), ("region", "x")]);
    for (name, alert, firing, expected) in [
        ("the cause fires", &here, vec![&d1], Some("alr_d1-down")),
        ("it does not", &here, vec![], None),
        ("in another region", &there, vec![&d1], None),
        ("a missing label is not the same as one that is there", &nowhere, vec![&d1], None),
        ("itself", &d1, vec![&d1], None),
        ("the milder is explained by the worse", &mild, vec![&ops], Some("alr_errors")),
        ("two that match both sides leave each other alone", &ops, vec![&ops, &ops_too], None),
    ] {
        let found = Suppressors::at(NOON, &[], &alerting, &firing).suppress(alert, NOON);
        assert_eq!(found.and_then(|why| why.source).as_deref(), expected, "{name}");
    }
}

#[test]
fn a_chain_of_causes_ends_in_one_and_a_circle_in_none() {
    let explains =
        |source: &str, target: &str| json!({"id": "i", "source": [format!("rule={source}")], "target": [format!("rule={target}")]});
    let subjects = ["a", "b", "c"].map(|rule| subject(rule, Severity::Critical, &[]));
    let told = |alerting: &Alerting, firing: &[&Subject]| -> Vec<String> {
        let suppressors = Suppressors::at(NOON, &[], alerting, firing);
        firing.iter().filter(|subject| suppressors.suppress(subject, NOON).is_none()).map(|subject| subject.rule.clone()).collect()
    };
    let all: Vec<&Subject> = subjects.iter().collect();
    let chain = alerting(&json!([explains("a", "b"), explains("b", "c")]), &json!([]));
    assert_eq!(told(&chain, &all), ["a"]);
    assert_eq!(told(&chain, &all[1..]), ["b"]);
    let circle = alerting(&json!([explains("a", "b"), explains("b", "a"), explains("b", "c")]), &json!([]));
    assert_eq!(told(&circle, &all), ["a", "b", "c"]);
    let entered = alerting(&json!([explains("a", "b"), explains("b", "a"), explains("c", "b")]), &json!([]));
    assert_eq!(told(&entered, &all), ["c"]);
}

/// Rules that depend on each other as `depends_on` says, by id.
fn dependent(rules: &[(&str, &[&str])]) -> Alerting {
    let rule = |(id, depends_on): &(&str, &[&str])| {
        json!({
            "id": id, "name": id, "severity": "warning", "no_data": "ok", "error": "alert", "summary": "", "runbook": "", "owner": "ops",
            "when": {"absence": {"of": {"series": "http_requests_total"}, "over": {"ms": 60_000}}}, "depends_on": depends_on,
        })
    };
    let rules: Vec<_> = rules.iter().map(rule).collect();
    FromJson::from_json(json!({"channels": [], "routes": [], "rules": rules})).unwrap()
}

#[test]
fn what_a_rule_depends_on_explains_its_alerts_while_it_fires() {
    let alerting = dependent(&[("d1-down", &[]), ("writes-fail", &["d1-down"]), ("bookings-fail", &["writes-fail", "d1-down"])]);
    let [cause, effect, last] = ["d1-down", "writes-fail", "bookings-fail"].map(|rule| subject(rule, Severity::Warning, &[]));
    let broken = Subject { id: "alr_broken".into(), ..subject("d1-down", Severity::Warning, &[(ALERTNAME, RULE_ERROR)]) };
    let about_effect = Subject { id: "alr_about".into(), ..subject("writes-fail", Severity::Warning, &[(ALERTNAME, RULE_ERROR)]) };
    for (name, alert, firing, expected) in [
        ("the cause fires", &effect, vec![&cause, &effect], Some("d1-down")),
        ("the cause does not fire", &effect, vec![&effect], None),
        ("the cause itself is told", &cause, vec![&cause, &effect], None),
        ("a cause that cannot be evaluated explains nothing", &effect, vec![&broken, &effect], None),
        ("an alert about the rule itself depends on nothing", &about_effect, vec![&cause, &about_effect], None),
        ("the first that fires is named", &last, vec![&cause, &effect, &last], Some("writes-fail")),
        ("a cause over another that does not fire must be named too, and is", &last, vec![&cause, &last], Some("d1-down")),
    ] {
        let found = Suppressors::at(NOON, &[], &alerting, &firing).suppress(alert, NOON);
        assert!(found.iter().all(|why| why.by == SuppressedBy::Dependency && why.source.is_some()), "{name}");
        assert_eq!(found.map(|why| why.id).as_deref(), expected, "{name}");
    }
}

proptest! {
    /// Whatever is configured, some alert that fires is not explained away by inhibition: no circle swallows all.
    #[test]
    fn inhibition_never_keeps_every_alert_quiet(
        sides in prop::collection::vec(("(rule|team)(=|!=)[abc*]", "(rule|team)(=|!=)[abc*]"), 1..5),
        rules in prop::collection::vec(("[abc]", "[abc]"), 1..6),
    ) {
        let inhibition = |(source, target): &(String, String)| json!({"id": "i", "source": [source], "target": [target]});
        let alerting = alerting(&json!(sides.iter().map(inhibition).collect::<Vec<_>>()), &json!([]));
        let mut subjects: Vec<Subject> = rules.iter().map(|(rule, team)| subject(rule, Severity::Info, &[("team", team)])).collect();
        for (at, subject) in subjects.iter_mut().enumerate() {
            subject.id = format!("alr_{at}");
        }
        let firing: Vec<&Subject> = subjects.iter().collect();
        let suppressors = Suppressors::at(NOON, &[], &alerting, &firing);
        prop_assert!(firing.iter().any(|subject| suppressors.suppress(subject, NOON).is_none()));
    }
}
