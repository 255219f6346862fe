//! The life of a Slack message over real connections: a server on loopback that speaks HTTP and Slack's Web API, found by
//! `SLACK_API_URL`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: each story uses its own part of it, and a broken fixture must stop it"
)]
#[path = "support/http.rs"]
mod http;
#[path = "support/world.rs"]
mod world;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use http::{Connection, Request, Wire};
use parapet::alert::dispatch::dispatch;
use parapet::alert::respond::Act;
use parapet::channel::Addresses;
use parapet::config::alerting::{Channel, Via};
use parapet::ports::{Http, HttpError, HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};
use parapet::time::UnixMs;
use world::slack_bot::{CHANNEL, Workspace, answered};
use world::{World, at_s, block_on, switch};

/// How the server treats one request beyond what Slack's API says to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// It takes it and closes without an answer.
    TakesAndCloses,
    /// 503, and a page.
    Down,
}

#[derive(Debug, Default)]
struct Inside {
    workspace: Workspace,
    weather: Vec<Weather>,
    now: UnixMs,
    heard: Vec<String>,
}

/// Slack on loopback.
struct Slack {
    address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

impl Slack {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let slack = Self { address: listener.local_addr().unwrap(), inside: Arc::default() };
        let inside = Arc::clone(&slack.inside);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A broken connection is the client's business; the story sees it there.
                let _ = serve(stream, &inside);
            }
        });
        slack
    }
}

fn serve(stream: TcpStream, inside: &Mutex<Inside>) -> std::io::Result<()> {
    let mut wire = Wire::new(stream)?;
    let line = wire.line()?;
    let mut parts = line.split(' ').map(str::to_owned);
    let (method, url) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let headers = wire.headers()?;
    let body = wire.framed_body(&headers)?.unwrap_or_default();
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let request = HttpRequest { method, url, headers, body };
    let mut inside = inside.lock().unwrap();
    inside.heard.push(request.url.clone());
    let (weather, now) = (inside.weather.pop(), inside.now);
    let answer = match weather {
        Some(Weather::Down) => HttpResponse { status: 503, headers: vec![], body: b"<html>be right back</html>".to_vec() },
        _ => answered(&request, now, &mut inside.workspace),
    };
    if weather == Some(Weather::TakesAndCloses) {
        return Ok(());
    }
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
    let head = format!("HTTP/1.1 {} OK\r\n{headers}Content-Length: {}\r\n\r\n", answer.status, answer.body.len());
    wire.write(&[head.as_bytes(), &answer.body].concat())
}

/// The client: one connection for each request.
struct Loopback;

impl Http for Loopback {
    async fn send(&self, request: HttpRequest, _timeout_ms: u32) -> Result<HttpResponse, HttpError> {
        let peer = request.peer().trim_start_matches("http://").parse().map_err(|_| HttpError::BadUrl)?;
        let path = request.url.split_at(request.peer().len()).1;
        let mut sent = Request::new(&request.method, path).body(request.body.clone());
        for (name, value) in &request.headers {
            sent = sent.header(name, value);
        }
        let response = Connection::open(peer).and_then(|mut connection| connection.send(&sent));
        let response = response.map_err(|error| HttpError::Network { message: error.to_string() })?;
        let headers = response.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let body = response.body.into_iter().take(MAX_RESPONSE_BYTES).collect();
        Ok(HttpResponse { status: response.status, headers, body })
    }
}

/// A world whose only channel is a bot's, and its Slack.
fn world() -> (World, Slack) {
    let slack = Slack::open();
    let mut world = World::with_rules(vec![switch("s-one")]);
    let via = Via::Slack { secret: "SLACK_BOT_TOKEN".into(), channel: Some(CHANNEL.into()) };
    world.config.alerting.channels = vec![Channel { id: "slack".into(), via, send_resolved: true }];
    world.config.alerting.routes[0].channels = vec!["slack".into()];
    let api = format!("http://{}/api/", slack.address);
    let secret = |name: &str| if name == "SLACK_API_URL" { Some(api.clone()) } else { world::secret(name) };
    world.addresses = Addresses::resolve(&world.config.alerting, secret);
    (world, slack)
}

/// A tick at `minute`, and what is sent until all is said.
fn minute(world: &mut World, slack: &Slack, minute: i64, value: f64) {
    let now = at_s(minute * 60);
    world.switches(now, [("s-one", value)]);
    world.tick(now);
    let mut due = Some(now);
    while let Some(at) = due.filter(|at| at.since(now) < 60_000) {
        slack.inside.lock().unwrap().now = at;
        let round = block_on(dispatch(at, &world.config, &world.addresses, &world.db, &Loopback, &mut world.courier));
        due = round.next_due_at.map(|next| next.max(at.plus(1)));
    }
}

#[test]
fn a_message_lives_from_the_first_word_to_the_last_over_real_connections() {
    let (mut world, slack) = world();
    minute(&mut world, &slack, 0, 1.0);
    // The update is lost on its way back, and the next one finds nobody in.
    slack.inside.lock().unwrap().weather = vec![Weather::Down, Weather::TakesAndCloses];
    world.act(&Act::Acknowledge, at_s(120)).unwrap();
    minute(&mut world, &slack, 2, 1.0);
    world.act(&Act::Escalate, at_s(240)).unwrap();
    minute(&mut world, &slack, 4, 1.0);
    slack.inside.lock().unwrap().workspace.next_errors.extend(["", "internal_error"]);
    minute(&mut world, &slack, 6, 0.0);
    let inside = slack.inside.lock().unwrap();
    assert_eq!(inside.workspace.messages.len(), 1);
    let shown = inside.workspace.messages.values().next().unwrap();
    let words = |texts: &[String]| texts.iter().map(|text| text.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(words(&shown.texts), ["FIRING", "ACKNOWLEDGED", "ACKNOWLEDGED", "ESCALATED", "RESOLVED", "RESOLVED"]);
    assert_eq!(words(&shown.thread), ["ESCALATED", "RESOLVED"]);
    let update = "/api/chat.update";
    let post = "/api/chat.postMessage";
    assert_eq!(inside.heard, [post, update, update, update, update, post, update, post, update, post]);
    assert!(world.all_closed());
}
