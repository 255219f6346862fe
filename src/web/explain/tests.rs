//! Which rule and which moment are asked about.

use super::*;
use crate::alert::observe::Coverage;
use crate::config::site::Environment;
use crate::storage::sqlite::{Failure, Sqlite, now_or_never};
use crate::time::DAY_MS;

/// 2026-03-02T12:00:00Z.
const NOON: UnixMs = UnixMs(1_772_452_800_000);

fn shipped() -> Config {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    crate::config::read::folder(&folder, Environment::Production).unwrap()
}

fn quiet() -> LiveWindow {
    LiveWindow { slices: Vec::new(), coverage: Coverage::Whole }
}

#[test]
fn a_rule_is_explained_by_its_id_and_a_misspelt_one_is_asked_for() {
    let (config, db) = (shipped(), Sqlite::new());
    let addresses = Addresses::resolve(&config.alerting, |_| None);
    let ask = |rule: &str| now_or_never(explained(&db, rule, (&config, &addresses), &quiet(), NOON));
    for rule in &config.alerting.rules {
        assert_eq!(ask(&rule.id).unwrap()["rule"], rule.id);
    }
    let problem = ask("latency-p59").unwrap_err();
    assert_eq!((problem.status, problem.detail.as_str()), (404, "There is no rule called latency-p59. Did you mean latency-p95?"));
    db.fail_next(Failure::Refuse);
    assert_eq!(ask("latency-p95").unwrap_err().status, 503);
}

#[test]
fn an_earlier_moment_is_read_in_both_ways_of_writing_it_and_no_other() {
    let config = shipped();
    let ask = |query: &str| asked(query, &config, NOON);
    assert_eq!(ask(""), Ok(None));
    let an_hour_ago = Some(Asked { at: NOON.plus(-3_600_000), now: NOON });
    for query in ["at=2026-03-02T11:00:00Z", "at=2026-03-02T13:00:00%2B02:00", "at=2026-03-02T13:00:00+02:00", "at=2026-03-02%2013:00"] {
        assert_eq!(ask(query), Ok(an_hour_ago), "{query}");
    }
    for (query, why) in [
        (
            "at=yesterday",
            "`at=yesterday`: write a moment such as 2027-03-01T12:00:00Z, or 2027-03-01 14:00 on the clock of Africa/Johannesburg.",
        ),
        ("at=", "`at=`: write a moment"),
        ("at=2026-03-02T12:00:01Z", "this is later than now, 2026-03-02T12:00:00.000Z; what is to come is not stored."),
        ("when=2026-03-02T11:00:00Z", "an explanation takes `at`."),
    ] {
        let problem = ask(query).unwrap_err();
        assert!(problem.status == 400 && problem.detail.contains(why), "{query}: {}", problem.detail);
    }
}

#[test]
fn an_earlier_moment_is_explained_by_the_configuration_of_then_or_says_that_it_is_not() {
    let db = Sqlite::new();
    let batch = |statements| now_or_never(db.batch(statements)).unwrap();
    let embedded = shipped();
    let mut stricter = embedded.clone();
    stricter.alerting.rules.retain(|rule| rule.id != "latency-p95");
    for rule in stricter.alerting.rules.iter_mut().filter(|rule| rule.id == "route-errors") {
        rule.for_ms = 420_000;
    }
    for (json, at) in [(stricter.to_json(), NOON), ("{}".to_owned(), NOON.plus(DAY_MS)), (embedded.to_json(), NOON.plus(2 * DAY_MS))] {
        let hash = crate::ids::sha256_hex(json.as_bytes());
        batch(store::apply(store::New { json: &json, hash: &hash, author: "ann", note: "", at }, "embedded"));
    }
    let current = InForce { version: 3, config: embedded.clone(), refused: None };
    let ask = |rule: &str, day: i64| {
        let at = NOON.plus(day * DAY_MS + 1);
        let in_force = now_or_never(in_force_at(&db, &current, at)).unwrap();
        let addresses = Addresses::resolve(&in_force.config.alerting, |_| None);
        let asked = Asked { at, now: NOON.plus(3 * DAY_MS) };
        now_or_never(explained_past(&db, rule, (&in_force, &addresses), &quiet(), asked)).map_err(|problem| problem.detail)
    };
    let said = |day: i64| {
        let said = ask("route-errors", day).unwrap();
        (said["config_version"].as_i64().unwrap(), said["for_ms"].as_i64().unwrap(), said["missing"].to_string())
    };
    let (version, for_ms, missing) = said(-1);
    assert!((version, for_ms) == (0, 120_000) && missing.contains("The configuration the Worker carried then"), "{missing}");
    let (version, for_ms, missing) = said(0);
    assert!((version, for_ms) == (1, 420_000) && missing == "[]", "{missing}");
    assert_eq!(ask("latency-p95", 0), Err("There is no rule called latency-p95. Asked is configuration version 1, of then.".to_owned()));
    let (version, for_ms, missing) = said(1);
    assert!((version, for_ms) == (3, 120_000) && missing.contains("version 2: the configuration does not read"), "{missing}");
    assert_eq!(said(2), (3, 120_000, "[]".to_owned()));
    db.fail_next(Failure::Refuse);
    assert_eq!(now_or_never(in_force_at(&db, &current, NOON)).unwrap_err().status, 503);
}
