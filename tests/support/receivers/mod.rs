//! Programs nobody here wrote that read what Parapet sends to Sentry: Bugsink, which files issues as Sentry does, and Relay's
//! library, with which Sentry itself checks and normalises events. `scripts/receivers.sh` installs both; `RECEIVERS` is where.
#![allow(
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test support: a broken receiver must stop the story"
)]

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use parapet::ports::{Http, HttpError, HttpRequest, HttpResponse};
use serde_json::Value;
use tempfile::TempDir;

#[path = "../wait.rs"]
mod wait;

/// Where the receivers are installed; `None` when this run does without them (`make test` never does).
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("RECEIVERS").map(PathBuf::from)
}

/// A Bugsink of its own database on a loopback port, gone with the value.
pub struct Bugsink {
    folder: TempDir,
    programs: PathBuf,
    server: Option<Child>,
    /// What to set as `SENTRY_DSN`.
    pub dsn: String,
}

/// Digested within the request and held to Sentry's published schema of events, so that an answer says all there is to say.
const STRICT: &str = r#"
SNAPPEA["TASK_ALWAYS_EAGER"] = True
BUGSINK.update(VALIDATE_ON_DIGEST="strict", PHONEHOME=False)
ALLOWED_HOSTS = ["127.0.0.1"]
"#;

impl Bugsink {
    /// A server with one project, ready to take envelopes.
    pub fn start(receivers: &std::path::Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bugsink = Self { folder, programs: receivers.join("bin"), server: None, dsn: String::new() };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configured = finished(
            bugsink
                .command("bugsink-create-conf")
                .args(["--template=singleserver", "--host=127.0.0.1", "--base-dir", "."])
                .arg(format!("--port={port}")),
            "",
        );
        let conf = bugsink.folder.path().join("bugsink_conf.py");
        let written = std::fs::read_to_string(&conf).unwrap_or_else(|error| panic!("{error}: {configured}"));
        std::fs::write(&conf, format!("{written}{STRICT}BUGSINK[\"BASE_URL\"] = \"http://127.0.0.1:{port}\"\n")).unwrap();
        finished(bugsink.command("bugsink-manage").args(["migrate", "-v0"]), "");
        let dsn = bugsink.shell("from projects.models import Project\nprint(Project.objects.create(name='parapet').dsn)");
        bugsink.dsn = dsn.trim().into();
        let address = format!("127.0.0.1:{port}");
        let server = bugsink.command("bugsink-manage").args(["runserver", "--noreload", &address]).stderr(Stdio::null()).spawn();
        bugsink.server = Some(server.unwrap());
        wait::until("Bugsink's port", 60, || std::net::TcpStream::connect(&address).ok());
        bugsink
    }

    /// Its issues with their events, oldest first.
    pub fn issues(&self) -> Vec<Value> {
        serde_json::from_str(&self.shell(include_str!("issues.py"))).unwrap()
    }

    fn shell(&self, python: &str) -> String {
        finished(self.command("bugsink-manage").args(["shell", "-v0", "-c", python]), "")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path()).env("PYTHONPATH", self.folder.path()).env_remove("DJANGO_SETTINGS_MODULE");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for Bugsink {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            drop(server.kill());
            drop(server.wait());
        }
    }
}

/// What Sentry would keep of each event: Relay's normalisation with its default settings.
pub fn normalized(receivers: &std::path::Path, events: &[Value]) -> Vec<Value> {
    let mut python = Command::new(receivers.join("bin/python"));
    let text = finished(python.args(["-c", include_str!("normalized.py")]), &serde_json::to_string(events).unwrap());
    serde_json::from_str(&text).unwrap()
}

/// Runs it to its end with `input`; what it printed. A failure stops the story with what it complained about.
fn finished(command: &mut Command, input: &str) -> String {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/receivers.sh installs it"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The port to the outside over real sockets: the headers and bytes of the request, and no redirect followed.
pub struct Wire;

impl Http for Wire {
    async fn send(&self, request: HttpRequest, timeout_ms: u32) -> Result<HttpResponse, HttpError> {
        let bound = std::time::Duration::from_millis(timeout_ms.into());
        let config = ureq::Agent::config_builder().timeout_global(Some(bound)).http_status_as_error(false).max_redirects(0).build();
        let mut outgoing = ureq::http::Request::builder().method(request.method.as_str()).uri(&request.url);
        for (name, value) in &request.headers {
            outgoing = outgoing.header(name, value);
        }
        let sent = ureq::Agent::from(config).run(outgoing.body(request.body).unwrap());
        let mut answer = sent.map_err(|error| HttpError::Network { message: error.to_string() })?;
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned())).collect();
        Ok(HttpResponse { status: answer.status().as_u16(), headers, body: answer.body_mut().read_to_vec().unwrap() })
    }
}
