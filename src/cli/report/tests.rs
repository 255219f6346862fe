//! What people read of a week's rules and shifts.

use super::*;

/// What the API's own story holds, so that what is printed is what a deployment says.
fn document() -> Value {
    let file = "tests/snapshots/incident_stories__a_week_of_alerts_says_which_rules_are_worth_their_noise_and_who_bore_it.snap";
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    serde_json::from_str(text.splitn(3, "---\n").nth(2).unwrap()).unwrap()
}

#[test]
fn a_team_reads_which_rules_are_noise_and_who_was_woken() {
    insta::assert_snapshot!(text(&document()).replace('\u{a0}', " "));
}

#[test]
fn a_quiet_week_is_one_line_and_nothing_steers_the_terminal() {
    let quiet = serde_json::json!({"from": "a", "to": "b\u{1b}[2J", "alerts": 0, "quiet": 0, "rules": [], "shifts": []});
    assert_eq!(text(&quiet), "a to b [2J: 0 alerts, 0 more were kept quiet\n");
}

#[test]
fn days_are_asked_for_as_moments() {
    assert_eq!(day("2027-03-01").as_deref(), Ok("2027-03-01T00:00:00Z"));
    for text in ["", "2027-13-01", "yesterday", "2027-03-01T00:00:00Z"] {
        assert!(day(text).is_err(), "{text}");
    }
}
