//! Stories of a configuration that is applied, applied again and taken back.

use super::*;
use crate::storage::sqlite::{Failure, Sqlite, now_or_never};

const NOW: UnixMs = UnixMs(1_772_366_400_000);
const ENVIRONMENT: Environment = Environment::Staging;

fn shipped() -> Config {
    store::embedded(ENVIRONMENT).unwrap()
}

fn with_login_limit(requests: u32) -> Config {
    let mut config = shipped();
    config.security.limits[0].requests = requests;
    config
}

fn body(config: &Config) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({ "config": config, "note": " why not " })).unwrap()
}

fn put(db: &Sqlite, config: &Config) -> Result<Applied, Problem> {
    now_or_never(apply(db, &body(config), ENVIRONMENT, "tok_ops", NOW))
}

fn go_to(db: &Sqlite, version: i64) -> Result<Applied, Problem> {
    now_or_never(activate(db, format!("{{\"version\": {version}}}").as_bytes(), ENVIRONMENT, "tok_lead", NOW.plus(1)))
}

fn document(db: &Sqlite) -> Document {
    now_or_never(read(db, ENVIRONMENT, &InForce { version: 0, config: shipped(), refused: None })).unwrap()
}

#[test]
fn a_fresh_deployment_runs_on_what_was_built_in() {
    let db = Sqlite::new();
    let document = document(&db);
    assert_eq!((document.version, document.source, document.hash), (0, Source::Embedded, shipped().hash()));
    assert_eq!(put(&db, &shipped()).unwrap(), Applied { version: 0, hash: shipped().hash(), changed: false }, "that is active already");
    assert_eq!(super::tests::document(&db).history, []);
}

#[test]
fn versions_are_counted_and_the_same_text_twice_is_one() {
    let db = Sqlite::new();
    let first = put(&db, &with_login_limit(7)).unwrap();
    assert_eq!((first.version, first.changed, first.status()), (1, true, 201));
    assert_eq!(put(&db, &with_login_limit(7)).unwrap(), Applied { changed: false, ..first.clone() });
    assert_eq!(put(&db, &with_login_limit(8)).unwrap().version, 2);
    assert_eq!(put(&db, &with_login_limit(7)).unwrap().version, 3, "an older text is a new version: history only grows");
    assert_eq!(put(&db, &shipped()).unwrap().version, 4, "so is the embedded one, once another is active");

    let document = document(&db);
    assert_eq!((document.version, document.source, document.in_force), (4, Source::Applied, 0));
    assert_eq!(document.history.iter().map(|entry| entry.version).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!((document.author.as_deref(), document.note.as_deref()), (Some("tok_ops"), Some("why not")));
}

#[test]
fn going_back_activates_an_older_version_and_is_history_too() {
    let db = Sqlite::new();
    let first = put(&db, &with_login_limit(7)).unwrap();
    put(&db, &with_login_limit(8)).unwrap();
    assert_eq!(go_to(&db, 1).unwrap(), Applied { changed: true, ..first.clone() });
    assert_eq!(go_to(&db, 1).unwrap(), Applied { changed: false, ..first.clone() });
    assert_eq!(put(&db, &with_login_limit(7)).unwrap(), Applied { changed: false, ..first });
    assert_eq!(document(&db).version, 1);
    assert_eq!(go_to(&db, 0).unwrap().hash, shipped().hash());
    assert_eq!(document(&db).source, Source::Embedded);
    assert!(!put(&db, &shipped()).unwrap().changed);
    assert_eq!(put(&db, &with_login_limit(9)).unwrap().version, 3);
    assert_eq!(document(&db).history.iter().map(|entry| entry.version).collect::<Vec<_>>(), [3, 0, 1, 2, 1]);

    let problem = go_to(&db, 9).unwrap_err();
    assert_eq!((problem.status, problem.code, problem.errors[0].pointer.as_str()), (422, "no_such_version", "/version"));
}

#[test]
fn what_this_build_cannot_run_on_is_not_stored() {
    let db = Sqlite::new();
    let mut nonsense = with_login_limit(500);
    nonsense.alerting.routes[0].channels.push("pager".into());
    let problem = put(&db, &nonsense).unwrap_err();
    let told: Vec<String> = problem.errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    /config/security/limits/0/requests 500 is out of range; use a number from 1 to 64.
    /config/alerting/routes/0/channels/2 there is no channel `pager`; use one of: slack-alerts, slack-security, slack-business, slack-default, email, operations, security, technical-lead, business-owner, sentry.
    ");
    let production = store::embedded(Environment::Production).unwrap();
    assert_eq!(put(&db, &production).unwrap_err().code, "other_environment");

    let send = |body: &[u8]| now_or_never(apply(&db, body, ENVIRONMENT, "x", NOW)).unwrap_err();
    let unknown = String::from_utf8(body(&shipped())).unwrap().replacen("\"max_routes\"", "\"max_roads\"", 1);
    assert!(send(unknown.as_bytes()).detail.contains("/config/infrastructure: unknown key `max_roads`"));
    for text in ["", "{}", "null", "{\"config\": 1}", "{\"config\": {}, \"force\": true}"] {
        assert_eq!(send(text.as_bytes()).status, 400, "{text}");
    }
    let long = serde_json::json!({ "config": shipped(), "note": "x".repeat(501) });
    assert_eq!(send(long.to_string().as_bytes()).errors[0].pointer, "/note");
    assert_eq!(document(&db).history, []);
}

#[test]
fn an_answer_that_got_lost_is_found_again_by_sending_the_same() {
    let db = Sqlite::new();
    db.fail_next(Failure::Refuse);
    assert_eq!(put(&db, &with_login_limit(7)).unwrap_err().status, 503);
    db.fail_next(Failure::LoseAnswer);
    assert_eq!(put(&db, &with_login_limit(7)).unwrap_err().status, 503);
    assert_eq!(put(&db, &with_login_limit(7)).unwrap(), Applied { version: 1, hash: with_login_limit(7).hash(), changed: false });
}
