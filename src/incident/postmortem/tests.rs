//! The draft where little is known, and texts that strangers chose.

use super::*;
use crate::alert::respond::AlarmVerdict;
use crate::config::alerting::Severity;
use crate::incident::{EntryKind, IncidentState};
use crate::time::{DAY_MS, MINUTE_MS};

const NOON: UnixMs = UnixMs(1_772_452_800_000);
const ZONE: Tz = chrono_tz::Africa::Johannesburg;

fn line(minute: i64, kind: &str, actor: &str, text: &str) -> Line {
    let (alert, channel) = (String::new(), String::new());
    Line { at: NOON.plus(minute * MINUTE_MS), kind: kind.into(), actor: actor.into(), alert, channel, text: text.into() }
}

fn facts(title: &str, lines: Vec<Line>) -> Facts {
    let incident = Incident {
        id: "inc_1".into(),
        key: "login".into(),
        title: title.into(),
        severity: Severity::Warning,
        owner: "security".into(),
        state: IncidentState::Resolved,
        opened_at: NOON,
        resolved_at: Some(NOON.plus(DAY_MS)),
        verdict: Some(AlarmVerdict::FalseAlarm),
        version: 3,
    };
    Facts { incident, members: Vec::new(), lines, said: Vec::new() }
}

#[test]
fn what_a_detection_opened_has_no_alerts_and_no_messages_and_reads_all_the_same() {
    let lines = vec![
        line(0, "opened", "", "Credential stuffing"),
        line(0, "detected", "waf", "900 failed logins"),
        line(1_440, "resolved", "Ann", ""),
    ];
    insta::assert_snapshot!(render(&facts("Credential stuffing", lines), ZONE));
}

#[test]
fn what_an_attacker_chose_stays_text() {
    let evil = "<img src=x>\n# Owned ![a](https://evil.example) | `x`";
    let draft = render(&facts(evil, vec![line(0, "detected", "waf", evil), line(1, "note", evil, evil)]), ZONE);
    let escaped = "&lt;img src=x> # Owned !\\[a\\](https://evil.example) \\| \\`x\\`";
    assert_eq!(draft.matches(escaped).count(), 4, "{draft}");
    assert!(!draft.contains("<img") && !draft.contains("\n# Owned") && !draft.contains("![a]"));
}

#[test]
fn every_kind_of_entry_is_told_in_words() {
    for kind in EntryKind::ALL.map(EntryKind::as_str).into_iter().chain(["opened", "fired", "ended", "delivered", "undelivered"]) {
        let said = sentence(&Line { alert: "Alert".into(), ..line(0, kind, "Ann", "text") }, "slack").unwrap();
        assert!(!said.starts_with(kind), "{said}");
    }
}
