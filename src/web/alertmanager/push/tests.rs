//! What clients of Alertmanager push, what is taken of it, and what is said of the rest.

use super::*;
use crate::storage::sqlite::{Sqlite, now_or_never};
use crate::time::MINUTE_MS;
use crate::web::alertmanager::error_text;

const NOW: UnixMs = UnixMs(1_772_366_400_000); // 2026-03-01T12:00:00Z

fn pushed(db: &Sqlite, body: &str) -> Result<Value, String> {
    now_or_never(push(db, body.as_bytes(), NOW)).map_err(|problem| {
        assert_eq!(problem.status, 400, "clients read only a 400's text");
        error_text(&problem)
    })
}

fn firing(db: &Sqlite) -> Vec<Pushed> {
    stored::alerts(now_or_never(db.batch(vec![stored::firing(NOW)])).unwrap().remove(0)).unwrap()
}

#[test]
fn times_are_read_as_alertmanager_reads_them() {
    let (at, timeout) = (|ms: i64| NOW.plus(ms), NOW.plus(5 * MINUTE_MS));
    for (starts, ends, expected) in [
        (None, None, (NOW, timeout, End::TimesOut)),
        (Some(at(-60_000)), None, (at(-60_000), timeout, End::TimesOut)),
        (Some(at(-60_000)), Some(at(9)), (at(-60_000), at(9), End::Said)),
        (None, Some(at(-9)), (at(-9), at(-9), End::Said)),
    ] {
        assert_eq!(times(starts, ends, NOW), expected);
    }
}

#[test]
fn what_prometheus_and_amtool_send_is_kept() {
    let db = Sqlite::new();
    // As Prometheus sends it, and as amtool does: no end is the year 1, and absent members are null.
    let body = r#"[
        {"labels":{"alertname":"HighLoad","instance":"db:9100","empty":""},"annotations":{"summary":"Load is 9"},
         "startsAt":"2026-03-01T11:55:00.123456789Z","endsAt":"2026-03-01T12:04:00Z","generatorURL":"http://p:9090/graph?g0.expr=up"},
        {"labels":{"alertname":"Manual"},"annotations":null,"startsAt":"0001-01-01T00:00:00.000Z","endsAt":"0001-01-01T00:00:00.000Z"}]"#;
    assert_eq!(pushed(&db, body), Ok(json!({})));
    let mut kept = firing(&db);
    kept.sort_by(|a, b| a.labels.cmp(&b.labels));
    assert_eq!(kept[0].labels.keys().collect::<Vec<_>>(), ["alertname", "instance"]);
    assert_eq!((kept[0].starts_at, kept[0].ends_at), (NOW.plus(-299_877), NOW.plus(4 * MINUTE_MS)));
    assert_eq!((kept[1].starts_at, kept[1].ends_at, kept[1].annotations.len()), (NOW, NOW.plus(5 * MINUTE_MS), 0));
    assert_eq!(pushed(&db, "[]"), Ok(json!({})));
}

#[test]
fn what_cannot_be_taken_is_named_and_the_rest_is_taken() {
    let db = Sqlite::new();
    let (long, many) = ("x".repeat(2_001), (0..41).map(|n| format!("\"l{n}\":\"v\"")).collect::<Vec<_>>().join(","));
    for (alert, said) in [
        ("{}", "/: the key `labels` is missing"),
        (r#"{"labels":{"severity":"info"}}"#, "/labels/alertname is missing: it says what is wrong"),
        (r#"{"labels":{"alertname":""}}"#, "/labels/alertname is missing: it says what is wrong"),
        (r#"{"labels":{"alertname":1}}"#, "/labels/alertname: expected a text"),
        (r#"{"labels":{"alertname":"a","b-c":"d"}}"#, "/labels: `b-c` is not a name of letters, digits and _"),
        (r#"{"labels":{"alertname":"a"},"annotations":{"":"d"}}"#, "/annotations: `` is not a name of letters, digits and _"),
        (r#"{"labels":{"alertname":"a"},"endsAt":"soon"}"#, "/endsAt is a moment like 2026-03-01T12:00:00Z"),
        (
            r#"{"labels":{"alertname":"a"},"startsAt":"2026-03-01T12:00:01Z","endsAt":"2026-03-01T12:00:00Z"}"#,
            "/endsAt is before /startsAt",
        ),
        (&format!(r#"{{"labels":{{"alertname":"{long}"}}}}"#), "/labels have 2010 bytes; 2000 are taken"),
        (
            &format!(r#"{{"labels":{{"alertname":"a"}},"annotations":{{"summary":"{long}"}},"generatorURL":"{long}"}}"#),
            "/annotations and generatorURL have 4009 bytes; 4000 are taken",
        ),
        (&format!(r#"{{"labels":{{"alertname":"a",{many}}}}}"#), "/labels are 42; 40 are taken"),
    ] {
        let body = format!(r#"[{{"labels":{{"alertname":"good"}}}},{alert}]"#);
        assert_eq!(pushed(&db, &body), Err(format!("\"Not every alert was taken: alert 1: {said}.\"")));
    }
    assert_eq!(firing(&db).len(), 1, "the good one alone");
    let bad = format!("[{}]", ["{}"; 12].join(","));
    let said = pushed(&db, &bad).unwrap_err();
    assert!(said.contains("alert 9: ") && !said.contains("alert 10: ") && said.ends_with(". And 2 more.\""), "{said}");
}

#[test]
fn more_than_is_taken_is_refused_with_the_bound() {
    let db = Sqlite::new();
    let many = |count: usize, from: usize| {
        let one = |n: usize| format!(r#"{{"labels":{{"alertname":"a","n":"{n}"}}}}"#);
        format!("[{}]", (from..from + count).map(one).collect::<Vec<_>>().join(","))
    };
    for (body, said) in [
        ("{}".to_owned(), "The body does not read: /: expected a list. It is a list of alerts."),
        ("[".to_owned(), "The body does not read: it is not JSON, at line 1 column 1. It is a list of alerts."),
        (many(513, 0), "At most 512 alerts are taken at once; these are 513."),
        (" ".repeat(1_000_001), "At most 1000000 bytes are taken at once; send fewer alerts."),
    ] {
        assert_eq!(pushed(&db, &body), Err(format!("\"The request cannot be understood: {said}\"")));
    }
    for part in 0..4 {
        let done = pushed(&db, &many(512, part * 512));
        assert_eq!(done.is_ok(), part < 3, "{done:?}");
        if let Err(said) = done {
            assert_eq!(said, "\"Not every alert was taken: 48 are not kept, since 2000 others are: push fewer, with labels that last.\"");
        }
    }
    assert_eq!(firing(&db).len(), 2_000);
}
