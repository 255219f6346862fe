//! Stories of a replay against a small site on loopback.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;

use super::*;

const LOG: &str = r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a%20b?x=1&y=%zz HTTP/1.1" 200 5 "http://from.example/" "Agent \"1\""
10.0.0.2 - - [17/May/2015:10:05:43 +0000] "HEAD /b HTTP/1.1" 304 0 "-" "-"

not a line
2001:db8::1 - - [17/May/2015:10:05:12 +0000] "POST /c HTTP/1.1" 500 12 "-" "curl""#;

/// What a site was asked: the head of each request, as it came.
type Asked = Arc<Mutex<Vec<String>>>;

/// A site that answers each request with the status its header asks for, and closes a connection after `per_connection`.
fn site(per_connection: usize, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (Target, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.unwrap());
                for _ in 0..per_connection {
                    let head: Vec<String> = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                    if head.is_empty() {
                        return;
                    }
                    let head = head.join("\n");
                    let text = answer(&head);
                    seen.lock().unwrap().push(head);
                    reader.get_mut().write_all(text.as_bytes()).unwrap();
                }
            });
        }
    });
    (Target { address, host: "site.test".into() }, asked)
}

fn logged_status(head: &str) -> String {
    let status = head.lines().find_map(|line| line.strip_prefix("x-parapet-replay-status: ")).unwrap();
    let body = if head.starts_with("HEAD") || status == "304" { "" } else { "hello" };
    format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\n\r\n{body}")
}

fn logs(dir: &tempfile::TempDir, times: usize) -> PathBuf {
    let path = dir.path().join("access.log");
    std::fs::write(&path, format!("{LOG}\n").repeat(times)).unwrap();
    path
}

fn args(to: Target, file: PathBuf) -> Args {
    Args { to, files: vec![file], speed: Speed::Max, concurrency: 3, json: true }
}

fn json(replayed: Replayed) -> serde_json::Value {
    serde_json::from_str(&Report::new(replayed.tally, replayed.bad_lines, replayed.elapsed).json()).unwrap()
}

#[test]
fn every_line_is_sent_once_as_its_client_with_its_target_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let (to, asked) = site(usize::MAX, logged_status);
    let report = json(replay(&args(to, logs(&dir, 20))));
    assert_eq!((&report["sent"], &report["answered"], &report["bad_lines"]), (&60.into(), &60.into(), &20.into()));
    assert_eq!(report["logged_by_class"], serde_json::json!({ "2xx": 20, "3xx": 20, "5xx": 20 }));
    assert_eq!(report["answered_by_class"], report["logged_by_class"]);

    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 60);
    let first = asked.iter().find(|head| head.starts_with("GET")).unwrap();
    insta::assert_snapshot!(first, @r#"
    GET /a%20b?x=1&y=%zz HTTP/1.1
    host: site.test
    x-parapet-replay-client: 10.0.0.1
    x-parapet-replay-status: 200
    x-parapet-replay-bytes: 5
    user-agent: Agent "1"
    referer: http://from.example/
    "#);
    let post = asked.iter().find(|head| head.starts_with("POST")).unwrap();
    assert!(post.contains("x-parapet-replay-client: 2001:db8::1") && post.contains("content-length: 0"), "{post}");
}

#[test]
fn a_server_that_closes_connections_costs_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let closing = |head: &str| logged_status(head).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let (to, asked) = site(1, closing);
    let report = json(replay(&args(to, logs(&dir, 10))));
    assert_eq!((&report["answered"], &report["failed"]), (&30.into(), &0.into()));
    assert_eq!(asked.lock().unwrap().len(), 30);
}

#[test]
fn a_request_whose_answer_breaks_is_reported_and_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (to, asked) =
        site(
            1,
            |head| if head.starts_with("POST") { "HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nhal".into() } else { logged_status(head) },
        );
    let report = json(replay(&args(to, logs(&dir, 1))));
    assert_eq!((&report["sent"], &report["answered"], &report["failed"]), (&3.into(), &2.into(), &1.into()));
    assert_eq!(report["failures"], serde_json::json!({ "the connection broke: closed in the middle of the answer's body": 1 }));
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[test]
fn a_deployment_that_is_not_in_development_ends_the_replay() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = r#"{"type":"x","title":"t","status":403,"detail":"d","code":"replay_refused"}"#;
    let (to, asked) = site(usize::MAX, move |_| format!("HTTP/1.1 403 X\r\ncontent-length: {}\r\n\r\n{refusal}", refusal.len()));
    let replayed = replay(&args(to, logs(&dir, 1_000)));
    assert!(replayed.refused);
    assert!(asked.lock().unwrap().len() < 20, "it went on after it was refused");
}

#[test]
fn gzipped_logs_are_known_by_their_bytes_and_a_torn_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(format!("{LOG}\n").repeat(500).as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    let (to, _) = site(usize::MAX, logged_status);
    let path = dir.path().join("access.log");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(json(replay(&args(to.clone(), path.clone())))["answered"], 1_500);
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let torn = replay(&args(to, path.clone()));
    assert_eq!(torn.unreadable.unwrap().0, path);
}

#[test]
fn a_line_without_end_does_not_fill_the_memory_and_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    std::fs::write(&path, format!("{}\n{LOG}\n", "x".repeat(1_000_000))).unwrap();
    let (to, _) = site(usize::MAX, logged_status);
    let report = json(replay(&args(to, path)));
    assert_eq!((&report["sent"], &report["bad_lines"]), (&3.into(), &2.into()));
}

#[test]
fn at_a_speed_requests_are_due_when_the_log_says_and_late_lines_at_once() {
    let now = instant();
    let mut pace = Pace { speed: Speed::Times(10.0), start: None, latest: UnixMs(i64::MIN) };
    assert_eq!(pace.due_in(UnixMs(0), now), Duration::ZERO);
    assert_eq!(pace.due_in(UnixMs(40_000), now), Duration::from_secs(4));
    assert_eq!(pace.due_in(UnixMs(9_000), now), Duration::from_secs(4), "not before the one above it");
    assert_eq!(pace.due_in(UnixMs(40_000), now + Duration::from_secs(5)), Duration::ZERO);
    let mut max = Pace { speed: Speed::Max, ..pace };
    assert_eq!(max.due_in(UnixMs(i64::MAX), now), Duration::ZERO);
}

#[test]
fn only_this_machine_can_be_replayed_to() {
    assert_eq!(loopback("http://127.0.0.1:8787/").unwrap().address.port(), 8787);
    assert_eq!(loopback("http://localhost").unwrap().address.port(), 80);
    for bad in ["https://127.0.0.1", "http://192.0.2.1:80", "http://127.0.0.1:1/path", "http://user@127.0.0.1", "127.0.0.1:80", "http://"] {
        assert!(loopback(bad).is_err(), "{bad}");
    }
    assert_eq!((speed("2.5"), speed("max")), (Ok(Speed::Times(2.5)), Ok(Speed::Max)));
    assert!(speed("0").is_err() && speed("-1").is_err() && speed("NaN").is_err() && speed("fast").is_err());
}
