//! `parapet replay`: drives access logs through a running Parapet, as the clients in them.
//!
//! One thread reads and paces, a few send, each over its own kept connection; a short channel between them bounds memory
//! whatever the log's size. Development only: the target must be plain http on loopback, and Parapet refuses the headers
//! outside `ENVIRONMENT=dev`. A request is never sent twice.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{ERROR, Exit, instant};
use crate::time::UnixMs;

mod http;
mod log;
mod report;
#[cfg(test)]
mod tests;

use http::{Answer, Client};
use log::Logged;
use report::{Report, Tally};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site behind Parapet, on this machine: http://localhost:8787
    #[arg(long, value_name = "URL", value_parser = loopback)]
    to: Target,
    /// Access logs in the combined format, plain or gzipped; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A multiple of the log's own time, or `max`
    #[arg(long, default_value = "max", value_parser = speed)]
    speed: Speed,
    /// Connections at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    address: SocketAddr,
    /// The `Host` header.
    host: String,
}

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Speed {
    Max,
    Times(f64),
}

fn loopback(text: &str) -> Result<Target, String> {
    let rest = text.trim_end_matches('/').strip_prefix("http://").ok_or("write an address such as http://localhost:8787")?;
    if rest.contains(['/', '?', '#', '@']) {
        return Err("write scheme, host and port only: the log brings the paths".to_owned());
    }
    let with_port =
        if rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) { rest.to_owned() } else { format!("{rest}:80") };
    let addresses: Vec<SocketAddr> = with_port.to_socket_addrs().map_err(|error| format!("`{rest}` cannot be found: {error}"))?.collect();
    // workerd listens on IPv4 by default, and localhost is often IPv6 first.
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).ok_or("no address")?;
    if !address.ip().is_loopback() {
        return Err("replay is for development: the address must be on this machine".to_owned());
    }
    Ok(Target { address: *address, host: rest.to_owned() })
}

fn speed(text: &str) -> Result<Speed, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
        _ => Err("write a number greater than 0, or `max`".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> Exit {
    // Before anything is sent: a file that is not there, or a target that is down.
    for file in args.files.iter().filter(|file| file.as_os_str() != "-") {
        if let Err(error) = File::open(file) {
            anstream::eprintln!("{ERROR}: cannot read {}: {error}", file.display());
            return Exit::Unreadable;
        }
    }
    if let Err(error) = std::net::TcpStream::connect_timeout(&args.to.address, http::LIMIT) {
        anstream::eprintln!("{ERROR}: nothing answers at {}: {error}\nStart it with `make run`.", args.to.host);
        return Exit::Remote;
    }
    let replayed = replay(args);
    let (refused, unreadable) = (replayed.refused, replayed.unreadable);
    let (answers, failures) = (replayed.tally.answers(), replayed.tally.failures());
    let report = Report::new(replayed.tally, replayed.bad_lines, replayed.elapsed);
    anstream::print!("{}", if args.json { report.json() } else { report.text() });
    if refused {
        anstream::eprintln!(
            "{ERROR}: {} is not in development and refuses to be replayed to.\nSet ENVIRONMENT=dev there, as `make run` does.",
            args.to.host
        );
        return Exit::Remote;
    }
    if let Some((path, error)) = unreadable {
        anstream::eprintln!("{ERROR}: cannot read {} to its end: {error}", path.display());
        return Exit::Unreadable;
    }
    match (answers, failures) {
        (0, 1..) => Exit::Remote,
        (_, 1..) => Exit::Findings,
        _ => Exit::Ok,
    }
}

/// What a replay came to.
struct Replayed {
    tally: Tally,
    bad_lines: u64,
    elapsed: Duration,
    /// The target said it is not in development.
    refused: bool,
    unreadable: Option<(PathBuf, std::io::Error)>,
}

fn replay(args: &Args) -> Replayed {
    let started = instant();
    let stop = AtomicBool::new(false);
    let (sender, receiver) = sync_channel(2 * usize::from(args.concurrency));
    let receiver = Mutex::new(receiver);
    let mut reader =
        Reader { bar: bar(&args.files), pace: Pace { speed: args.speed, start: None, latest: UnixMs(i64::MIN) }, bad_lines: 0 };
    let (unreadable, tally) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.concurrency).map(|_| scope.spawn(|| work(&args.to, &receiver, &stop))).collect();
        let unreadable = args.files.iter().find_map(|file| reader.read(file, &sender, &stop).err().map(|error| (file.clone(), error)));
        drop(sender);
        let mut tally = Tally::default();
        workers.into_iter().filter_map(|worker| worker.join().ok()).for_each(|part| tally.merge(&part));
        (unreadable, tally)
    });
    reader.bar.finish_and_clear();
    Replayed { tally, bad_lines: reader.bad_lines, elapsed: started.elapsed(), refused: stop.into_inner(), unreadable }
}

/// On a terminal, how much of the files has been read; reading is never more than a few requests ahead of sending.
fn bar(files: &[PathBuf]) -> ProgressBar {
    let sizes: Option<Vec<u64>> = files.iter().map(|file| file.metadata().ok().map(|file| file.len())).collect();
    let bar = match sizes {
        Some(sizes) => ProgressBar::with_draw_target(Some(sizes.iter().sum()), ProgressDrawTarget::stderr()),
        None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
    };
    let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {elapsed} of {eta} left  {msg}");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// Reads files line by line, paces and hands on.
struct Reader {
    bar: ProgressBar,
    pace: Pace,
    bad_lines: u64,
}

/// The longest line that is read; a longer one is bad.
const MAX_LINE_BYTES: u64 = 65_536;

impl Reader {
    fn read(&mut self, path: &Path, sender: &SyncSender<Logged>, stop: &AtomicBool) -> std::io::Result<()> {
        let mut lines = open(path, &self.bar)?;
        let mut number = 0_u64;
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            number += 1;
            if !line.ends_with(b"\n") {
                // Too long, or the last one: whatever is left of it is skipped.
                skip_line(&mut lines)?;
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                continue;
            }
            match log::parse(text) {
                Ok(logged) => {
                    self.pace.wait(logged.at);
                    // Nobody receives only after the target refused.
                    let _ = sender.send(logged);
                }
                Err(why) => {
                    self.bad_lines += 1;
                    let told = format!("{}:{number}: {why}", path.display());
                    self.bar.suspend(|| anstream::eprintln!("{told}"));
                }
            }
        }
    }
}

fn skip_line(lines: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let available = lines.fill_buf()?;
        let (skip, done) = match available.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (available.len(), available.is_empty()),
        };
        lines.consume(skip);
        if done {
            return Ok(());
        }
    }
}

/// The text of a log; gzip is known by its first two bytes, whatever the name.
fn open(path: &Path, bar: &ProgressBar) -> std::io::Result<Box<dyn BufRead>> {
    let file: Box<dyn Read> = if path.as_os_str() == "-" { Box::new(std::io::stdin()) } else { Box::new(File::open(path)?) };
    let mut raw = BufReader::new(bar.wrap_read(file));
    let gzipped = raw.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzipped { Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(raw))) } else { Box::new(raw) })
}

/// When the next request is due. Servers log answers, so times step back now and then; those are due at once.
struct Pace {
    speed: Speed,
    start: Option<(Instant, UnixMs)>,
    latest: UnixMs,
}

impl Pace {
    fn wait(&mut self, at: UnixMs) {
        let left = self.due_in(at, instant());
        if !left.is_zero() {
            std::thread::sleep(left);
        }
    }

    fn due_in(&mut self, at: UnixMs, now: Instant) -> Duration {
        let Speed::Times(times) = self.speed else { return Duration::ZERO };
        let (start, first) = *self.start.get_or_insert((now, at));
        self.latest = self.latest.max(at);
        let offset_ms = u64::try_from(self.latest.since(first)).unwrap_or_default();
        let due = start + Duration::from_millis(offset_ms).div_f64(times);
        due.saturating_duration_since(now)
    }
}

fn work(target: &Target, receiver: &Mutex<Receiver<Logged>>, stop: &AtomicBool) -> Tally {
    let mut client = Client::new(target.address);
    let mut tally = Tally::default();
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(logged) = next else { return tally };
        if stop.load(Ordering::Relaxed) {
            continue; // drains the channel, so that the reader never waits for it
        }
        let sent = instant();
        let outcome = client.send(&head(&logged, &target.host), &logged.method);
        if outcome.as_ref().is_ok_and(is_refusal) {
            stop.store(true, Ordering::Relaxed);
        }
        tally.count(&logged, &outcome, sent.elapsed());
    }
}

/// Parapet's answer outside development; the same for every request, so the first one ends the replay.
fn is_refusal(answer: &Answer) -> bool {
    answer.status == 403 && String::from_utf8_lossy(&answer.start).contains("\"code\":\"replay_refused\"")
}

/// The request as logged, with what the log knows of client and answer in development-only headers.
fn head(logged: &Logged, host: &str) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", logged.method, logged.target);
    let mut field = |name: &str, value: &str| {
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        head.extend([name, ": ", &value, "\r\n"]);
    };
    field("x-parapet-replay-client", &logged.client.to_string());
    field("x-parapet-replay-status", &logged.status.to_string());
    field("x-parapet-replay-bytes", &logged.bytes.to_string());
    if let Some(agent) = &logged.user_agent {
        field("user-agent", agent);
    }
    if let Some(referrer) = &logged.referrer {
        field("referer", referrer);
    }
    if !matches!(logged.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
        field("content-length", "0");
    }
    head.push_str("\r\n");
    head.into_bytes()
}
