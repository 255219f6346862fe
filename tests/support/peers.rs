//! The servers Parapet talks to, on loopback: they answer as told, remember what they got, and hold every message to its vendor's
//! format and limits. A message the vendor would refuse is answered with the vendor's error and stops the story when the peer ends.

pub mod email;
pub mod sentry;
pub mod slack;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::http::{WAIT, Wire};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub target: String,
    /// In the order and the letter case received.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the peer took it on: it would show in the channel, the mailbox, the issue list.
    pub accepted: bool,
}

impl Received {
    /// The first header of that name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// How the peer treats one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Takes it on and says so, as the vendor does.
    Accept,
    /// Answers with this and takes nothing on.
    Status { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Takes it on, then closes without an answer.
    AcceptAndClose,
    /// Closes without having taken it on.
    Close,
    /// Never answers, and takes nothing on.
    Hang,
    /// Exactly these bytes, then the connection closes.
    Raw(Vec<u8>),
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: vec![], body: String::new() }
    }

    /// 429 with `Retry-After`.
    pub fn rate_limited(retry_after_s: u32) -> Self {
        Self::Status { status: 429, headers: vec![("Retry-After", retry_after_s.to_string())], body: String::new() }
    }
}

/// What a vendor says to a request: its answer when all is well, or its refusal and why.
pub struct Vendor {
    pub success: (u16, &'static str, &'static str),
    /// Every way in which the request is not what the vendor documents.
    pub violations: fn(&Received) -> Vec<String>,
}

/// A server of one vendor.
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    vendor: Vendor,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    otherwise: Option<Answer>,
    received: Vec<Received>,
    violations: Vec<String>,
    ended: bool,
}

impl Peer {
    /// A server that takes anything on with `200`.
    pub fn plain() -> Self {
        Self::start(Vendor { success: (200, "text/plain", "ok"), violations: |_| vec![] })
    }

    pub fn start(vendor: Vendor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared { vendor, state: Mutex::default(), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.lock().ended {
                    return;
                }
                let serving = Arc::clone(&accepting);
                // A broken connection is the client's business; the story sees it there.
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next requests are answered so, in this order; later ones are accepted.
    pub fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().script.extend(answers);
    }

    /// Every request without an answer of its own is answered so.
    pub fn always(&self, answer: Answer) {
        self.shared.lock().otherwise = Some(answer);
    }

    /// Everything that arrived.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// What the peer took on: what a person would see.
    pub fn accepted(&self) -> Vec<Received> {
        self.received().into_iter().filter(|request| request.accepted).collect()
    }

    /// Waits until at least `count` requests were accepted; stops the story when that takes too long.
    pub fn wait_for_accepted(&self, count: usize) -> Vec<Received> {
        let enough = |state: &mut State| state.received.iter().filter(|request| request.accepted).count() < count;
        let (state, outcome) = self.shared.changed.wait_timeout_while(self.shared.lock(), WAIT, enough).unwrap();
        assert!(!outcome.timed_out(), "waited for {count} accepted requests, got {:?}", state.received);
        state.received.iter().filter(|request| request.accepted).cloned().collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let violations = {
            let mut state = self.shared.lock();
            state.ended = true;
            std::mem::take(&mut state.violations)
        };
        self.shared.changed.notify_all();
        drop(TcpStream::connect(self.address));
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "the vendor would refuse: {violations:#?}");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = Wire::new(stream)?;
        loop {
            let request = read_request(&mut wire)?;
            let (answer, refusal) = self.take_on(request);
            match answer {
                Answer::Accept if refusal.is_empty() => {
                    let (status, kind, body) = self.vendor.success;
                    wire.write(&reply(status, &[("Content-Type", kind.to_owned())], body))?;
                }
                Answer::Accept => wire.write(&reply(400, &[], &refusal))?,
                Answer::Status { status, headers, body } => wire.write(&reply(status, &headers, &body))?,
                Answer::Raw(bytes) => return wire.write(&bytes),
                Answer::AcceptAndClose | Answer::Close => return Ok(()),
                Answer::Hang => {
                    drop(self.changed.wait_while(self.lock(), |state| !state.ended).unwrap());
                    return Ok(());
                }
            }
        }
    }

    /// Records the request; how to answer it, and why the vendor refuses it, if it does.
    fn take_on(&self, mut request: Received) -> (Answer, String) {
        let violations = (self.vendor.violations)(&request);
        let mut state = self.lock();
        let answer = state.script.pop_front().or_else(|| state.otherwise.clone()).unwrap_or(Answer::Accept);
        request.accepted = violations.is_empty() && matches!(answer, Answer::Accept | Answer::AcceptAndClose | Answer::Raw(_));
        state.received.push(request);
        let refusal = violations.join("; ");
        state.violations.extend(violations);
        drop(state);
        self.changed.notify_all();
        (answer, refusal)
    }
}

fn read_request(wire: &mut Wire) -> io::Result<Received> {
    let line = wire.line()?;
    let mut parts = line.split(' ');
    let method = parts.next().unwrap_or_default().to_owned();
    let target = parts.next().unwrap_or_default().to_owned();
    let headers = wire.headers()?;
    let body = wire.framed_body(&headers)?.unwrap_or_default();
    Ok(Received { method, target, headers, body, accepted: false })
}

fn reply(status: u16, headers: &[(&str, String)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
