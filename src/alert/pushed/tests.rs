//! What a pushed alert is about, and when it is over.

use super::*;
use crate::alert::incident::step;

const NOW: UnixMs = UnixMs(1_772_366_400_000); // 2026-03-01T12:00:00Z

fn pairs(text: &str) -> Map<String, String> {
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    text.split(';').filter(|text| !text.is_empty()).map(pair).collect()
}

fn alert(labels: &str, annotations: &str) -> Pushed {
    let labels = pairs(labels);
    Pushed {
        id: id(&labels),
        labels,
        annotations: pairs(annotations),
        starts_at: NOW.plus(-3 * MINUTE_MS),
        ends_at: NOW.plus(5 * MINUTE_MS),
        generator_url: "http://prometheus:9090/graph".into(),
        updated_at: NOW,
    }
}

#[test]
fn labels_and_annotations_say_what_it_is_about() {
    for (labels, annotations, expected) in [
        (
            "alertname=DiskFull;severity=critical;team=ops",
            "summary=Full;description=At 99 %",
            "DiskFull critical ops | Full | - | description=At 99 %",
        ),
        ("alertname=DiskFull;severity=page", "description=At 99 %", "DiskFull warning unknown | At 99 % | - | "),
        ("alertname=DiskFull;owner=ann;team=ops", "", "DiskFull warning ann | DiskFull | - | "),
        ("alertname=A;severity=info", "runbook_url=https://w/a;runbook=https://w/b;graph=g", "A info unknown | A | https://w/a | graph=g"),
        ("alertname=A", "runbook=javascript:alert(1)", "A warning unknown | A | - | "),
    ] {
        let alert = alert(labels, annotations);
        let subject = subject(&alert);
        let runbook = if subject.runbook.is_empty() { "-" } else { &subject.runbook };
        let texts: Vec<String> = subject.annotations.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let (name, severity, owner) = (&subject.name, subject.severity.as_str(), &subject.owner);
        let said = format!("{name} {severity} {owner} | {} | {runbook} | {}", subject.summary, texts.join(";"));
        assert_eq!(said, expected);
        assert_eq!(subject.rule, format!("pushed:{}", subject.name));
        assert!(is_pushed(&subject.rule) && subject.labels.contains_key("severity"));
    }
    let linked = alert("alertname=A", "summary=s");
    assert_eq!(detail(&linked).as_deref(), Some("Source: http://prometheus:9090/graph"));
    assert_eq!(detail(&Pushed { generator_url: String::new(), ..linked }), None);
    let long = "ä".repeat(1_500);
    let long = subject(&alert("alertname=A", &format!("summary={long};a={long};b={long};c=c;description={long}")));
    assert_eq!((long.summary.chars().count(), long.summary.len()), (501, 1_003));
    assert_eq!(long.annotations.keys().collect::<Vec<_>>(), ["c", "description"], "while there is room");
}

#[test]
fn the_same_labels_are_the_same_alert_and_others_another() {
    assert_eq!(id(&pairs("alertname=a;host=b")), id(&pairs("host=b;alertname=a")));
    assert_ne!(id(&pairs("alertname=a;host=b")), id(&pairs("alertname=a;host=c")));
    assert_ne!(id(&pairs("alertname=a;host=b")), id(&pairs("alertname=a")));
}

#[test]
fn what_is_not_pushed_any_more_is_over_but_not_right_after_a_pause() {
    let alert = alert("alertname=a", "");
    let (subject, signal) = signals(std::slice::from_ref(&alert), &[], None, NOW).remove(0);
    let steps = dated(vec![(subject.clone(), step(None, &subject, signal, NOW))], std::slice::from_ref(&alert), NOW);
    let state = steps[0].1.next.clone().unwrap();
    assert_eq!((state.since, state.fired_at, state.version), (alert.starts_at, Some(NOW), NOW.0));
    let again = signals(std::slice::from_ref(&alert), std::slice::from_ref(&state), Some(NOW), NOW.plus(MINUTE_MS));
    assert!(again.len() == 1 && matches!(again[0].1, Signal::On { .. }), "{again:?}");
    let gone = |last_min: i64| signals(&[], std::slice::from_ref(&state), Some(NOW), NOW.plus(last_min * MINUTE_MS)).remove(0).1;
    assert_eq!((gone(1), gone(2)), (Signal::Off { measured: None }, Signal::Off { measured: None }));
    assert_eq!(gone(3), Signal::Hold, "nobody may have been able to push");
}

#[test]
fn an_alert_that_begins_in_the_future_began_now_and_one_known_keeps_its_versions() {
    let alert = Pushed { starts_at: NOW.plus(MINUTE_MS), ..alert("alertname=a", "") };
    let subject = subject(&alert);
    let on = || Signal::On { measured: None, detail: None };
    let first = step(None, &subject, on(), NOW.plus(-MINUTE_MS)).next.unwrap();
    let over = step(Some(&first), &subject, Signal::Off { measured: None }, NOW.plus(-1)).next.unwrap();
    let again = step(Some(&over), &subject, on(), NOW);
    let state = dated(vec![(subject, again)], std::slice::from_ref(&alert), NOW).remove(0).1.next.unwrap();
    assert_eq!((state.since, state.version), (NOW, 3));
}
