//! Alertmanager's own command line, and a Prometheus that takes Parapet for its Alertmanager, against Parapet's API: the real SQL, tokens
//! and handlers behind a socket; and Alertmanager's own reader of what our webhooks send. Set `AMTOOL` and `PROMETHEUS` to the programs, or have them in the path (Debian:
//! `prometheus-alertmanager`, `prometheus`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use parapet::channel::Addresses;
use parapet::config::alerting::{Channel, Via};
use parapet::time::UnixMs;
use parapet::web::alertmanager as api;
use parapet::web::auth::{self, Principal, Role};
use parapet::web::endpoint::{Alertmanager, Endpoint, resolve};
use parapet::web::problem::Problem;
use parapet::web::tokens;
use world::vendors::WEBHOOK;
use world::{World, at_s, block_on, switch};

/// `amtool` sends its own clock's time.
#[allow(clippy::disallowed_methods, reason = "another program's clock cannot be moved by the story")]
fn wall() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMs(i64::try_from(since.as_millis()).unwrap())
}

fn program(variable: &str, usual: &str, package: &str) -> String {
    let name = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let runs = Command::new(&name).arg("--version").output().is_ok();
    assert!(runs, "{name} does not run: install the Debian package {package}, or set {variable} to where {usual} is");
    name
}

fn amtool_program() -> String {
    program("AMTOOL", "amtool", "prometheus-alertmanager")
}

fn handled(world: &World, (method, target, token): (&str, &str, Option<&str>), body: &[u8]) -> Result<String, Problem> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (db, now) = (&world.db, wall());
    let (endpoint, needed) = resolve(method, path)?;
    let by = block_on(auth::authorize(db, token, None, now, needed))?;
    let Endpoint::Alertmanager(asked) = endpoint else { return Err(Problem::not_found("not Alertmanager's")) };
    let json = |value: serde_json::Result<String>| Ok(value.unwrap());
    match asked {
        Alertmanager::Alerts => {
            json(serde_json::to_string(&block_on(api::list_alerts(db, query, (&world.config, &world.addresses), now))?))
        }
        Alertmanager::PushAlerts => json(serde_json::to_string(&block_on(api::push::push(db, body, now))?)),
        Alertmanager::Silences => json(serde_json::to_string(&block_on(api::list_silences(db, query, now))?)),
        Alertmanager::CreateSilence => json(serde_json::to_string(&block_on(api::create_silence(db, body, &by, now))?)),
        Alertmanager::Silence(id) => json(serde_json::to_string(&block_on(api::silence(db, &id, now))?)),
        Alertmanager::EndSilence(id) => json(serde_json::to_string(&block_on(api::end_silence(db, &id, now))?)),
        Alertmanager::Status => json(serde_json::to_string(&api::status(&world.config, now))),
    }
}

/// One request of a connection that is closed after it.
fn serve(world: &World, stream: TcpStream) {
    stream.set_nonblocking(false).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let (mut token, mut length) = (None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        match header.trim().split_once(": ") {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => token = Some(value.to_owned()),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let (status, text) = match handled(world, (words[0], words[1], token.as_deref()), &body) {
        Ok(text) => (200, text),
        Err(problem) => (problem.status, api::error_text(&problem)),
    };
    let head =
        format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
    reader.get_mut().write_all((head + &text).as_bytes()).unwrap();
}

/// Runs it to its end; whether it went well, and what it printed.
fn amtool(world: &World, program: &str, http_config: &std::path::Path, args: &[&str]) -> (bool, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut child = Command::new(program)
        .arg(format!("--alertmanager.url=http://{}", listener.local_addr().unwrap()))
        .arg(format!("--http.config.file={}", http_config.display()))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = loop {
        match listener.accept() {
            Ok((stream, _)) => serve(world, stream),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.success(), said)
}

/// The HTTP file with a new token of that role.
fn token(world: &World, folder: &std::path::Path, role: &str, random: u8) -> std::path::PathBuf {
    let admin = Principal { id: "bootstrap".into(), name: "bootstrap".into(), role: Role::Admin };
    let asked = format!(r#"{{"name": "amtool", "role": "{role}"}}"#);
    let made = block_on(tokens::create(&world.db, asked.as_bytes(), &admin, [random; 32], wall())).unwrap();
    let file = folder.join(role);
    std::fs::write(&file, format!("authorization:\n  credentials: {}\n", made.token)).unwrap();
    file
}

#[test]
fn amtool_adds_an_alert_and_finds_it_and_ends_it() {
    let program = amtool_program();
    let mut world = World::with_rules(vec![]);
    let folder = tempfile::tempdir().unwrap();
    let (ingest, viewer) = (token(&world, folder.path(), "ingest", 7), token(&world, folder.path(), "viewer", 8));
    let add = |more: &[&str]| {
        let args = [&["alert", "add", "alertname=DiskFull", "host=one", "--annotation=summary=It is full"], more].concat();
        amtool(&world, &program, &ingest, &args)
    };
    let query = |args: &[&str]| amtool(&world, &program, &viewer, &[&["alert", "query"], args].concat());
    let (well, said) = add(&[]);
    assert!(well, "{said}");
    let (well, said) = query(&["host=one"]);
    assert!(well && said.contains("DiskFull") && said.contains("It is full") && said.contains("active"), "{said}");
    let (_, said) = query(&["host=two"]);
    assert!(!said.contains("DiskFull"), "{said}");

    let (well, said) = amtool(&world, &program, &ingest, &["alert", "add", "host=one"]);
    assert!(!well && said.contains("alert 0: /labels/alertname is missing"), "{said}");
    let (well, said) = amtool(&world, &program, &viewer, &["alert", "add", "alertname=DiskFull"]);
    assert!(!well && said.contains("403"), "{said}");

    let (well, said) = add(&[&format!("--start={}", wall().plus(-60_000).rfc3339()), &format!("--end={}", wall().plus(-1_000).rfc3339())]);
    assert!(well, "{said}");
    let (well, said) = query(&[]);
    assert!(well && !said.contains("DiskFull"), "{said}");
    world.run(wall(), wall());
    assert!(world.messages().is_empty(), "it began and ended between two ticks");
}

#[test]
fn amtool_lists_alerts_and_adds_queries_and_expires_silences() {
    let program = amtool_program();
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    let now = wall();
    world.set("s-one", 1.0, now.plus(-5_000));
    world.set("s-two", 1.0, now.plus(-5_000));
    world.tick(now);
    let folder = tempfile::tempdir().unwrap();
    let http_config = token(&world, folder.path(), "operator", 7);
    let run = |args: &[&str]| amtool(&world, &program, &http_config, args);

    let (well, said) = run(&["alert", "query"]);
    assert!(well && said.contains("Switch s-one") && said.contains("Switch s-two"), "{said}");
    let (well, said) = run(&["alert", "query", "rule=s-one"]);
    assert!(well && said.contains("Switch s-one") && !said.contains("Switch s-two"), "{said}");

    let (well, said) = run(&["silence", "add", "--comment=we know", "--author=ann", "--duration=1h", "rule=~s-(one|three)"]);
    assert!(!well && said.contains("`(` at character 3 of `s-(one|three)` is not supported"), "{said}");
    let (well, said) = run(&["silence", "add", "--comment=we know", "--author=ann", "--duration=1h", "rule=~s-one|s-three"]);
    let id = said.lines().find(|line| line.starts_with("sil_")).map(str::to_owned);
    assert!(well && id.is_some(), "{said}");
    let id = id.unwrap();

    let (well, said) = run(&["silence", "query"]);
    assert!(well && said.contains(&id) && said.contains("we know") && said.contains("ann"), "{said}");
    let (_, said) = run(&["alert", "query"]);
    assert!(!said.contains("Switch s-one") && said.contains("Switch s-two"), "silenced ones are left out: {said}");
    let (_, said) = run(&["alert", "query", "--silenced"]);
    assert!(said.contains("Switch s-one"), "{said}");

    let (well, said) = run(&["silence", "expire", &id]);
    assert!(well, "{said}");
    let (_, said) = run(&["silence", "query"]);
    assert!(!said.contains(&id), "{said}");
    let (_, said) = run(&["silence", "query", "--expired", "--within=1h"]);
    assert!(said.contains(&id), "{said}");
}

/// A program that is ended with the story.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_prometheus_that_takes_us_for_its_alertmanager_is_heard_on_slack() {
    let program = program("PROMETHEUS", "prometheus", "prometheus");
    let mut world = World::with_rules(vec![]);
    let folder = tempfile::tempdir().unwrap();
    let token = token(&world, folder.path(), "ingest", 7);
    let credentials = std::fs::read_to_string(token).unwrap().lines().find_map(|line| line.split_once(": ")).unwrap().1.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    let us = listener.local_addr().unwrap();
    write(
        "prometheus.yml",
        format!(
            "global: {{ evaluation_interval: 1s }}\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n    - \
             {{ scheme: http, authorization: {{ credentials: {credentials} }}, static_configs: [{{ targets: ['{us}'] }}] }}\n"
        ),
    );
    let rule = r#"{ alert: DiskFull, expr: "vector(99)", labels: { severity: critical, host: one }, annotations: { summary: "It is {{ $value }} % full" } }"#;
    write("rules.yml", format!("groups: [{{ name: g, rules: [{rule}] }}]\n"));
    let argument = |name: &str, path: &str| format!("--{name}={}", folder.path().join(path).display());
    let child = Command::new(&program)
        .args([argument("config.file", "prometheus.yml"), argument("storage.tsdb.path", "data")])
        .args(["--web.listen-address=127.0.0.1:0", "--rules.alert.resend-delay=1s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _running = Running(child.unwrap());
    // It finds its Alertmanagers five seconds after it started, and sends again what fired before.
    for _ in 0..6_000 {
        match listener.accept() {
            Ok((stream, _)) => serve(&world, stream),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
        if !world.db.query("SELECT id FROM pushed_alert").is_empty() {
            break;
        }
    }
    world.run(wall(), wall());
    let titles = world.http.titles(world::SLACK);
    assert!(titles.len() == 1 && titles[0].contains("FIRING critical · DiskFull · host=one"), "{titles:?}");
    let kept = world.db.query("SELECT json_extract(annotations, '$.summary') AS summary, generator_url FROM pushed_alert");
    assert!(kept[0]["summary"] == "It is 99 % full" && kept[0]["generator_url"].as_str().unwrap().contains("/graph?g0.expr="), "{kept:?}");
}

/// Reads every field a receiver's template may use, as Alertmanager's documentation names them.
const TEMPLATE: &str = r#"[{{ .Status | toUpper }} {{ .Alerts.Firing | len }}/{{ .Alerts.Resolved | len }}] {{ .GroupLabels.SortedPairs.Values | join " " }}
{{- with .CommonLabels.Remove .GroupLabels.Names }} ({{ .Names | join " " }}){{ end }} at {{ .ExternalURL }} for {{ .Receiver }}
{{ range .Alerts }}{{ .Status }} {{ .Labels.alertname }} {{ .StartsAt.Format "15:04:05" }} {{ if not .EndsAt.IsZero }}{{ .EndsAt.Format "15:04:05" }} {{ end -}}
{{ .Fingerprint | len }} {{ .Annotations.title }}
{{ end }}"#;

#[test]
fn alertmanager_reads_what_our_webhook_sends() {
    let program = amtool_program();
    let of_team = |id: &str| {
        let mut rule = switch(id);
        rule.labels.insert("team".into(), "ops".into());
        rule
    };
    let mut world = World::with_rules(vec![of_team("s-one"), of_team("s-two")]);
    let via = Via::Webhook { secret: "WEBHOOK_URL".into(), signing_secret: "WEBHOOK_SIGNING_SECRET".into() };
    world.config.alerting.channels.push(Channel { id: "hook".into(), via, send_resolved: true });
    world.config.alerting.routes[0].channels = vec!["hook".into()];
    world.config.alerting.routes[0].group_by = vec!["team".into()];
    world.addresses = Addresses::resolve(&world.config.alerting, world::secret);
    for (minute, values) in [(0, [1.0, 1.0]), (6, [0.0, 1.0]), (12, [0.0, 0.0])] {
        world.switches(at_s(minute * 60), ["s-one", "s-two"].into_iter().zip(values));
        world.run(at_s(minute * 60), at_s(minute * 60 + 59));
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, none) = (folder.path().join("data.json"), folder.path().join("none.tmpl"));
    std::fs::write(&none, r#"{{ define "none" }}{{ end }}"#).unwrap();
    let arrivals = world.http.arrivals.borrow();
    let mut read = String::new();
    for arrival in arrivals.iter().filter(|arrival| arrival.peer == WEBHOOK) {
        std::fs::write(&data, arrival.body.to_string()).unwrap();
        let rendered = Command::new(&program)
            .args(["template", "render", "--template.text", TEMPLATE])
            .arg("--template.glob")
            .arg(&none)
            .arg("--template.data")
            .arg(&data)
            .output()
            .unwrap();
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        read += &String::from_utf8(rendered.stdout).unwrap();
    }
    insta::assert_snapshot!(read.replace('\u{a0}', " "));
}
