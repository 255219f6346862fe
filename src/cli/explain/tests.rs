//! What people read of a rule's explanation.

use super::*;

/// What the API's own snapshot holds, so that what is printed is what a deployment says.
fn document() -> Value {
    said_in("src/alert/explain/snapshots")
}

fn said_in(folder: &str) -> Value {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(file).unwrap();
    serde_json::from_str(text.splitn(3, "---\n").nth(2).unwrap()).unwrap()
}

fn plain(explained: &Value) -> String {
    text(explained).replace(BOLD, "").replace(OFF, "")
}

#[test]
fn people_see_each_alert_with_what_it_looks_at_and_who_is_told() {
    insta::assert_snapshot!(plain(&document()));
}

#[test]
fn what_keeps_it_quiet_is_shown_and_labels_cannot_steer_the_terminal() {
    let mut explained = document();
    explained["alerts"][0]["suppressed_by"] = serde_json::json!([{ "by": "inhibition", "id": "origin-explains", "source": "alr_1" }]);
    explained["alerts"][0]["labels"]["route"] = "/\u{1b}[2J".into();
    let text = plain(&explained);
    assert!(text.contains("\n  quiet  inhibition origin-explains (alr_1)\n"), "{text}");
    assert!(text.contains("\nroute=/ [2J  inactive\n") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_rule_is_a_part_of_a_path_and_nothing_else() {
    assert_eq!(rule("latency-p95"), Ok("latency-p95".to_owned()));
    for text in ["", "../tokens", "a/b", "a?b", "a b"] {
        assert!(rule(text).is_err(), "{text}");
    }
}

#[test]
fn of_an_earlier_moment_people_see_how_it_stood_and_what_is_not_stored() {
    let mut explained = said_in("src/alert/explain/past/snapshots");
    insta::assert_snapshot!(plain(&explained));
    explained["last_tick_at"] = Value::Null;
    explained["missing"] = serde_json::json!(["What fired then: it is kept for 400 days."]);
    explained["alerts"][0]["state"] = "not_stored".into();
    let text = plain(&explained);
    for line in [
        "the last tick before was in the minute - (none is stored of the 15 minutes before)",
        "not stored: What fired then: it is kept for 400 days.",
        "route=/a  unknown: what fired then is no longer stored",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
}

#[test]
fn a_moment_is_a_part_of_a_query_and_nothing_else() {
    assert_eq!(path("latency-p95", None), "/api/v1/rules/latency-p95/explain");
    let at = "2026-03-02 14:00+02:00&x=é";
    assert_eq!(path("latency-p95", Some(at)), "/api/v1/rules/latency-p95/explain?at=2026%2D03%2D02%2014%3A00%2B02%3A00%26x%3D%C3%A9");
}
