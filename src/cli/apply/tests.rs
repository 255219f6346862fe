//! Stories of applying, against a scripted console on loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use super::*;

/// Request line, authorization, body.
type Asked = (String, String, String);

/// A console that gives these answers in order, and returns what it was asked.
fn console_that_answers(answers: Vec<(u16, String)>) -> (String, std::thread::JoinHandle<Vec<Asked>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || {
        answers
            .into_iter()
            .map(|(status, body)| {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let lines: Vec<String> = reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
                let field = |name: &str| {
                    lines
                        .iter()
                        .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
                        .map_or("", |(_, value)| value)
                        .to_owned()
                };
                let mut sent = vec![0; field("content-length").parse().unwrap_or(0)];
                reader.read_exact(&mut sent).unwrap();
                write!(reader.get_mut(), "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
                    .unwrap();
                (lines[0].clone(), field("authorization"), String::from_utf8(sent).unwrap())
            })
            .collect()
    };
    (url, std::thread::spawn(serve))
}

fn args(to: &str) -> Args {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(super::super::FOLDER);
    Args { to: to.to_owned(), dir: Some(dir), env: None, note: "quieter nights".into(), version: None }
}

fn staging(version: i64) -> (u16, String) {
    (200, format!(r#"{{"environment":"staging","version":{version},"hash":"x","source":"embedded","in_force":0,"history":[]}}"#))
}

#[test]
fn a_folder_is_read_for_the_environment_the_deployment_says_it_is() {
    let (url, console) = console_that_answers(vec![staging(4), (201, r#"{"version":5,"hash":"abc","changed":true}"#.into())]);
    let done = apply(&args(&url), Some(" secret\n".into())).unwrap();
    insta::assert_snapshot!(done.closing("https://ops.example.com"), @r"
    Version 5 is active in staging; isolates follow within seconds of traffic.
    Go back with `parapet apply --to https://ops.example.com --version 4`.
    ");
    let asked = console.join().unwrap();
    assert_eq!(asked[0], ("GET /api/v1/config HTTP/1.1".into(), "Bearer secret".into(), String::new()));
    assert_eq!(asked[1].0, "POST /api/v1/config HTTP/1.1");
    let sent: serde_json::Value = serde_json::from_str(&asked[1].2).unwrap();
    assert_eq!((&sent["config"]["site"]["environment"], &sent["note"]), (&"staging".into(), &"quieter nights".into()));
}

#[test]
fn going_back_sends_the_version_alone() {
    let (url, console) = console_that_answers(vec![staging(4), (200, r#"{"version":3,"hash":"abc","changed":false}"#.into())]);
    let done = apply(&Args { version: Some(3), ..args(&url) }, Some("secret".into())).unwrap();
    assert_eq!(done.closing(&url), "Version 3 was active already; nothing changed.");
    assert_eq!(console.join().unwrap()[1].2, r#"{"version":3}"#);
}

#[test]
fn a_refusal_is_told_with_every_place_and_exit_code_4() {
    let problem = r#"{"type":"x","title":"t","status":422,"detail":"2 mistakes.","code":"bad_config","errors":[{"pointer":"/config/a","detail":"no"},{"pointer":"/config/b","detail":"never"}]}"#;
    let (url, console) = console_that_answers(vec![staging(4), (422, problem.into())]);
    let failure = apply(&args(&url), Some("secret".into())).unwrap_err();
    assert_eq!(failure.to_string(), format!("{url} refused with 422: 2 mistakes.\n  /config/a: no\n  /config/b: never"));
    assert_eq!(failure.exit(), Exit::Remote);
    console.join().unwrap();
}

#[test]
fn every_failure_has_its_exit_code() {
    assert_eq!(apply(&args("http://127.0.0.1:9"), None).unwrap_err().exit(), Exit::Usage);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(apply(&args(&format!("http://{closed}")), Some("x".into())).unwrap_err().exit(), Exit::Remote);
    let (url, console) = console_that_answers(vec![(200, "<html>".into())]);
    assert!(matches!(apply(&args(&url), Some("x".into())).unwrap_err(), Failure::Strange { .. }));
    console.join().unwrap();
    let (url, console) = console_that_answers(vec![staging(0)]);
    let nowhere = Args { dir: Some("no-such-folder".into()), ..args(&url) };
    assert_eq!(apply(&nowhere, Some("x".into())).unwrap_err().exit(), Exit::Unreadable);
    console.join().unwrap();
}

#[test]
fn a_folder_with_mistakes_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("staging-config.json"), "{}").unwrap();
    let (url, console) = console_that_answers(vec![staging(0)]);
    let failure = apply(&Args { dir: Some(dir.path().into()), ..args(&url) }, Some("x".into())).unwrap_err();
    assert_eq!(failure.exit(), Exit::Findings);
    assert!(failure.to_string().starts_with("nothing was sent\n"), "{failure}");
    assert_eq!(console.join().unwrap().len(), 1);
}

#[test]
fn a_token_goes_only_where_nobody_listens_in() {
    for good in ["https://ops.example.com", "https://ops.example.com/", "http://localhost:8787", "http://127.0.0.1:1", "http://[::1]:8787"]
    {
        assert_eq!(console(good).unwrap(), good.trim_end_matches('/'));
    }
    for bad in ["http://ops.example.com", "http://localhost.evil.example", "ops.example.com", "https://", "ftp://x", ""] {
        assert!(console(bad).is_err(), "{bad}");
    }
}
