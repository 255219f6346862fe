use super::*;

/// What the API's own snapshot holds, so that what is printed is what a deployment says.
fn document() -> Value {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/alert/explain/snapshots");
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
