//! The built Worker in the real runtime, as a value: started, asked, ticked, broken, killed and restarted by a story.
//!
//! `runtime.mjs` starts Miniflare (workerd, D1, Durable Objects) with its state in a temporary folder, and takes orders over its
//! standard input. It and workerd are one process group, which ends with this value.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Connection, Request, Response};

/// A cold start takes about two seconds; ten of them at once on two cores take longer.
const START_WAIT: Duration = Duration::from_secs(90);
/// An order may hold a whole tick with its deliveries.
const ORDER_WAIT: Duration = Duration::from_secs(90);

/// What a story needs of the runtime before it starts.
#[derive(Debug, Default)]
pub struct Setup {
    vars: HashMap<String, String>,
    origin: Origin,
}

/// What answers behind Parapet.
#[derive(Debug, Default)]
enum Origin {
    /// The demo booking site in the same process, bound as `ORIGIN`.
    #[default]
    Demo,
    /// A server on loopback, bound as `ORIGIN` without anything in between.
    Bound(SocketAddr),
    /// No binding: `ORIGIN_URL`, or nothing.
    Unbound,
}

/// The part a fault strikes.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    Collector,
    Limiter,
    Engine,
    CollectorAlarm,
    EngineAlarm,
    Db,
    /// `waitUntil` of the event's context; only `Refuse` strikes, and the production build panics on it.
    WaitUntil,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Limiter => "limiter",
            Self::Engine => "engine",
            Self::CollectorAlarm => "collector_alarm",
            Self::EngineAlarm => "engine_alarm",
            Self::Db => "db",
            Self::WaitUntil => "wait_until",
        }
    }
}

/// What happens to one call.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It goes through untouched.
    Pass,
    /// It fails before anything happens.
    Refuse,
    /// It happens, and its answer is lost.
    LoseAnswer,
    /// It never happens, and the caller waits 30 s.
    Hang,
}

impl Fault {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse => "refuse",
            Self::LoseAnswer => "lose_answer",
            Self::Hang => "hang",
        }
    }
}

impl Setup {
    /// The demo site behind Parapet, in `ENVIRONMENT=dev`.
    pub fn new() -> Self {
        Self::default().var("ENVIRONMENT", "dev")
    }

    /// A variable or secret.
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A loopback server bound as `ORIGIN`.
    pub fn origin_bound(mut self, address: SocketAddr) -> Self {
        self.origin = Origin::Bound(address);
        self
    }

    /// A loopback server reached by `ORIGIN_URL` over the runtime's `fetch`.
    pub fn origin_url(mut self, url: &str) -> Self {
        self.origin = Origin::Unbound;
        self.var("ORIGIN_URL", url)
    }

    /// Starts; returns when the Worker answers.
    pub fn start(self) -> Runtime {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        assert!(root.join("build/index.js").exists(), "build/index.js is missing: run `make worker` (or `make test`, which builds first)");
        assert!(root.join("node_modules/.bin/node").exists(), "node_modules is missing: run `make setup`");
        let state = tempfile::tempdir().expect("a temporary folder");
        let (process, address) = spawn(&self, &state, 0);
        Runtime { setup: self, state, process: Some(process), address }
    }
}

/// A running Worker.
#[derive(Debug)]
pub struct Runtime {
    setup: Setup,
    state: tempfile::TempDir,
    process: Option<Process>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
    next_id: u64,
    log: Arc<Mutex<String>>,
}

impl Runtime {
    /// Where visitors connect; the same after a restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kept-alive connection to the Worker.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the runtime accepts connections")
    }

    /// One request on a connection of its own; no answer stops the story.
    pub fn send(&self, request: &Request) -> Response {
        self.connect().send(request).unwrap_or_else(|error| panic!("no answer to {request:?}: {error}\n{}", self.log()))
    }

    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    /// Runs the cron trigger with `now_ms` as the scheduled time; an exception in it stops the story.
    pub fn tick(&mut self, now_ms: i64) {
        let answer = self.order("tick", json!({ "now": now_ms }));
        assert!(
            answer["status"] == 200 && answer["text"].as_str().is_some_and(|text| text.contains("\"ok\"")),
            "tick: {answer}\n{}",
            self.log()
        );
    }

    /// Rows of the D1 database, read past any fault.
    pub fn d1(&mut self, sql: &str) -> Vec<Value> {
        match self.order("d1", json!({ "sql": sql })) {
            Value::Array(rows) => rows,
            other => panic!("not rows: {other}"),
        }
    }

    /// The next calls of `part` fare as listed, one after the other; then all is well again.
    pub fn fault(&mut self, part: Part, calls: &[Fault]) {
        self.plan(part, calls, "", false);
    }

    /// Every call of `part` fares as listed, round and round, until [`Runtime::heal`].
    pub fn fault_always(&mut self, part: Part, calls: &[Fault]) {
        self.plan(part, calls, "", true);
    }

    /// As [`Runtime::fault_always`], only for calls whose path starts with `path`.
    pub fn fault_path(&mut self, part: Part, path: &str, calls: &[Fault]) {
        self.plan(part, calls, path, true);
    }

    /// No more faults of `part`.
    pub fn heal(&mut self, part: Part) {
        self.plan(part, &[], "", false);
    }

    /// How often `fault` struck `part` since the start.
    pub fn struck(&mut self, part: Part, fault: Fault) -> u64 {
        self.order("usage", json!({}))["struck"][part.as_str()][fault.as_str()].as_u64().unwrap_or_default()
    }

    /// Rows that D1 says were written since the start: what would be billed.
    pub fn d1_rows_written(&mut self) -> u64 {
        self.order("usage", json!({}))["rows"]["written"].as_u64().unwrap_or_default()
    }

    /// The size of the Worker's WebAssembly memory.
    pub fn wasm_bytes(&mut self) -> u64 {
        self.order("usage", json!({}))["wasm_bytes"].as_u64().unwrap_or_default()
    }

    /// Evicts a Durable Object from memory, as the platform does at will.
    pub fn evict(&mut self, class: &str, name: &str) {
        self.order("evict", json!({ "class": class, "name": name }));
    }

    /// Rows of a Durable Object's own SQLite.
    pub fn object_sql(&mut self, class: &str, name: &str, sql: &str) -> Value {
        self.order("object_sql", json!({ "class": class, "name": name, "sql": sql }))
    }

    /// Kills workerd and all around it, at once (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            kill_group(&mut process.child);
        }
    }

    /// Starts again on the same state and the same port, killing first what still runs.
    pub fn restart(&mut self) {
        self.kill();
        let (process, address) = spawn(&self.setup, &self.state, self.address.port());
        self.process = Some(process);
        self.address = address;
    }

    /// What the runtime printed so far.
    pub fn log(&self) -> String {
        self.process.as_ref().map(|process| process.log.lock().unwrap().clone()).unwrap_or_default()
    }

    fn plan(&mut self, part: Part, calls: &[Fault], path: &str, repeat: bool) {
        let modes: Vec<_> = calls.iter().map(|fault| fault.as_str()).collect();
        self.order("fault", json!({ "part": part.as_str(), "modes": modes, "path": path, "repeat": repeat }));
    }

    fn order(&mut self, order: &str, mut details: Value) -> Value {
        let log = self.log();
        let process = self.process.as_mut().expect("the runtime runs");
        process.next_id += 1;
        details["id"] = process.next_id.into();
        details["order"] = order.into();
        writeln!(process.orders, "{details}").expect("the runtime takes orders");
        loop {
            let line = process.answers.recv_timeout(ORDER_WAIT).unwrap_or_else(|error| panic!("no answer to {order}: {error}\n{log}"));
            let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not an answer: {line}"));
            if answer["id"] == details["id"] {
                assert!(answer["error"].is_null(), "{order}: {}\n{log}", answer["error"]);
                return answer["ok"].clone();
            }
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the runtime's log ---\n{}", self.log());
        }
        self.kill();
    }
}

fn spawn(setup: &Setup, state: &tempfile::TempDir, port: u16) -> (Process, SocketAddr) {
    let origin = match setup.origin {
        Origin::Demo => json!("demo"),
        Origin::Unbound => json!("none"),
        Origin::Bound(address) => json!({ "external": address.to_string() }),
    };
    let options = json!({ "state": state.path(), "port": port, "vars": setup.vars, "origin": origin });
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(root.join("node_modules/.bin/node"))
        .arg(root.join("tests/support/runtime.mjs"))
        .arg(options.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("node starts");
    let log = Arc::new(Mutex::new(String::new()));
    let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let stderr_log = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            stderr_log.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let (sender, answers) = channel();
    let stdout_log = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            // The Worker's own console output shares standard output with the answers, which are marked.
            match line.strip_prefix('@') {
                Some(answer) => drop(sender.send(answer.to_owned())),
                None => stdout_log.lock().unwrap().push_str(&(line + "\n")),
            }
        }
    });
    let orders = child.stdin.take().expect("stdin is piped");
    let ready = answers.recv_timeout(START_WAIT).map_err(|error| error.to_string()).and_then(|line| {
        let ready: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let authority = ready["url"].as_str().and_then(|url| url.strip_prefix("http://")).ok_or("no url")?;
        authority.trim_end_matches('/').parse::<SocketAddr>().map_err(|error| error.to_string())
    });
    match ready {
        Ok(address) => (Process { child, orders, answers, next_id: 0, log }, address),
        Err(error) => {
            kill_group(&mut child);
            panic!("the runtime did not start: {error}\n{}", log.lock().unwrap());
        }
    }
}

fn kill_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.wait();
}
