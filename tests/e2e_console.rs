//! Parapet's own paths, in the real runtime: who may, what is answered, and how a configuration takes effect.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a story that cannot go on fails")]

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::http::{Request, Response};
use support::runtime::{Runtime, Setup};
use support::wait::until;

const ADMIN: &str = "bootstrap-token-of-the-tests";

fn start() -> Runtime {
    Setup::new().var("BOOTSTRAP_TOKEN", ADMIN).start()
}

fn get(runtime: &Runtime, target: &str, token: &str) -> Response {
    runtime.send(&Request::get(target).bearer(token))
}

fn post(runtime: &Runtime, target: &str, token: &str, body: &Value) -> Response {
    runtime.send(&Request::post_json(target, body).bearer(token))
}

fn token(runtime: &Runtime, role: &str) -> String {
    let made = post(runtime, "/api/v1/tokens", ADMIN, &json!({"name": format!("{role} of the tests"), "role": role}));
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["token"].as_str().unwrap().to_owned()
}

#[test]
fn an_incident_and_the_delivery_log_are_read_from_the_real_database() {
    let runtime = start();
    let ask = json!({"title": "Logins from one network", "severity": "critical", "reason": "400 in a minute", "dedup_key": "logins"});
    let opened = post(&runtime, "/api/v1/incidents", ADMIN, &ask);
    assert_eq!(opened.status, 201, "{}", opened.text());
    let path = format!("/api/v1/incidents/{}", opened.json()["id"].as_str().unwrap());
    for (verb, body, status) in [
        ("notes", json!({"text": "blocked at the edge"}), 200),
        ("owner", json!({"owner": "thandi"}), 200),
        ("status-updates", json!({"status": "monitoring", "text": "We are looking."}), 409),
        ("resolve", json!({"verdict": "true_alarm"}), 200),
    ] {
        let done = post(&runtime, &format!("{path}/{verb}"), ADMIN, &body);
        assert_eq!(done.status, status, "{verb}: {}", done.text());
    }
    let shown = get(&runtime, &path, ADMIN).json();
    assert_eq!((shown["incident"]["state"].as_str(), shown["incident"]["owner"].as_str()), (Some("resolved"), Some("thandi")));
    let kinds: Vec<&str> = shown["timeline"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["opened", "detected", "note", "owner", "resolved", "verdict"], "{shown}");
    assert_eq!(get(&runtime, "/api/v1/incidents?state=resolved", ADMIN).json()["incidents"].as_array().map(Vec::len), Some(1));
    for (target, status) in [("/api/v1/deliveries?state=dead&limit=5", 200), ("/api/v1/deliveries/msg_none", 404), ("/api/v1/alerts", 200)]
    {
        assert_eq!(get(&runtime, target, ADMIN).status, status, "{target}");
    }
    let redriven = post(&runtime, "/api/v1/deliveries/redrive", ADMIN, &json!({"channel": "slack-default"}));
    assert_eq!((redriven.status, redriven.json()["code"].as_str()), (409, Some("not_redriven")), "{}", redriven.text());
    assert!(!runtime.log().contains("d1: "), "{}", runtime.log());
}

#[test]
fn each_role_does_what_it_may_and_each_refusal_says_why() {
    let runtime = start();
    let (viewer, ingest) = (token(&runtime, "viewer"), token(&runtime, "ingest"));
    let metric = json!({"name": "bookings_completed_total", "value": 1, "kind": "counter"});
    assert_eq!(get(&runtime, "/api/metrics/realtime", &viewer).status, 200);
    assert_eq!(post(&runtime, "/api/metrics", &ingest, &metric).status, 202);
    for (answer, status, code) in [
        (runtime.get("/api/metrics/realtime"), 401, "token_missing"),
        (get(&runtime, "/api/metrics/realtime", "forged"), 401, "token_malformed"),
        (get(&runtime, "/api/metrics/realtime", &viewer.replacen("ppt_", "ppt_x", 1)), 401, "token_malformed"),
        (post(&runtime, "/api/metrics", &viewer, &metric), 403, "role_insufficient"),
        (get(&runtime, "/api/metrics", &ingest), 403, "role_insufficient"),
        (post(&runtime, "/api/test-alert", &viewer, &json!({})), 403, "role_insufficient"),
        (get(&runtime, "/api/metrics/realtime?window=61", &viewer), 400, "unknown_window"),
        (get(&runtime, "/api/metrics/nothing", &viewer), 404, "not_found"),
        (runtime.send(&Request::new("DELETE", "/api/metrics").bearer(&viewer)), 405, "method_not_allowed"),
        (runtime.send(&Request::new("POST", "/api/metrics").bearer(&ingest).body(&b"{"[..])), 400, "bad_json"),
    ] {
        let problem = answer.json();
        assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"), "the id to ask about");
    }
}

#[test]
fn a_bad_test_alert_says_what_is_wrong_with_it() {
    let runtime = start();
    for body in [
        json!({"alert_type": "urgent", "message": "x"}),
        json!({"alert_type": "info"}),
        json!({"alert_type": "info", "message": "x", "channnel": "email"}),
    ] {
        let answer = post(&runtime, "/api/test-alert", ADMIN, &body);
        assert_eq!((answer.status, answer.header("content-type")), (422, Some("application/problem+json")), "{}", answer.text());
        assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(1), "{}", answer.text());
    }
}

#[test]
fn prometheus_reads_our_metrics() {
    let runtime = start();
    (0..5).for_each(|_| assert_eq!(runtime.get("/search?q=x").status, 200));
    post(
        &runtime,
        "/api/metrics",
        ADMIN,
        &json!([
            {"name": "bookings_completed_total", "value": 1, "kind": "counter", "tags": {"branch": "a\"\\\nb"}},
            {"name": "queue_depth", "value": 2.5, "kind": "gauge"},
        ]),
    );
    let text = until("the requests in the totals", 10, || {
        Some(get(&runtime, "/api/metrics", ADMIN).text()).filter(|text| text.contains("http_requests_total{"))
    });
    let mut promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(promtool) = promtool.as_mut() else { panic!("promtool is missing: install Debian's prometheus (.ci/run does)") };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let mut complaints = String::new();
    std::io::Read::read_to_string(&mut promtool.stderr.take().unwrap(), &mut complaints).unwrap();
    assert!(promtool.wait().unwrap().success(), "{complaints}\n{text}");
}

/// `parapet apply` as a person runs it.
fn apply(runtime: &Runtime, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_parapet"))
        .args(["apply", "--to", &runtime.url()])
        .args(arguments)
        .env("PARAPET_TOKEN", ADMIN)
        .output()
        .unwrap();
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// The shipped folder with logins limited to two a minute.
fn stricter() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring")).unwrap().map(Result::unwrap);
    for file in shipped.filter(|file| file.path().is_file()) {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let text = if file.file_name() == "security-monitoring-config.json" {
            text.replacen("\"requests\": 5", "\"requests\": 2", 1)
        } else {
            text
        };
        std::fs::write(folder.path().join(file.file_name()), text).unwrap();
    }
    folder
}

fn logins_admitted(runtime: &Runtime, address: &str) -> usize {
    let login = Request::post_json("/api/auth/login", &json!({"email": "t@example.co.za", "password": "right"})).client_ip(address);
    (0..8).filter(|_| runtime.send(&login).status == 200).count()
}

#[test]
fn an_applied_configuration_is_followed_within_seconds_and_rolled_back_as_fast() {
    let runtime = start();
    let folder = stricter();
    assert_eq!(logins_admitted(&runtime, "203.0.113.1"), 5);
    let (applied, said) = apply(&runtime, &["--dir", folder.path().to_str().unwrap(), "--env", "dev"]);
    assert!(applied, "{said}");
    let config = get(&runtime, "/api/v1/config", ADMIN).json();
    assert_eq!((config["version"].as_i64(), config["source"].as_str()), (Some(1), Some("applied")), "{config}");
    let mut client = 10;
    until("two logins a minute", 5, || {
        client += 1;
        (logins_admitted(&runtime, &format!("203.0.113.{client}")) == 2).then_some(())
    });
    let (rolled_back, said) = apply(&runtime, &["--version", "0"]);
    assert!(rolled_back, "{said}");
    until("five logins a minute", 5, || {
        client += 1;
        (logins_admitted(&runtime, &format!("203.0.113.{client}")) == 5).then_some(())
    });
    assert_eq!(get(&runtime, "/api/v1/config", ADMIN).json()["version"], 0);
}

#[test]
fn a_configuration_that_does_not_hold_together_is_refused_whole() {
    let runtime = start();
    let answer = post(&runtime, "/api/v1/config", ADMIN, &json!({"config": {"site": 1}}));
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("bad_config")), "{}", answer.text());
    assert_eq!(get(&runtime, "/api/v1/config", ADMIN).json()["version"], 0);
}
