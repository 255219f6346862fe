//! A small HTTP/1.1 client over one kept connection: it sends a target byte for byte as it was logged.
//!
//! Invariant: a request is written at most once. A connection the server closed while it lay idle is noticed before the
//! next request goes out on it; one that breaks afterwards is a failure, since the server may have counted the request.
//! Every request ends within [`LIMIT`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::cli::instant;

/// The longest a request may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// The longest head of an answer.
const MAX_HEAD_BYTES: u64 = 65_536;
/// What is kept of a body: enough to recognise a problem document.
const KEPT_BYTES: usize = 1_024;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The size of the body.
    pub(super) bytes: u64,
    /// The first [`KEPT_BYTES`] of it.
    pub(super) start: Vec<u8>,
}

/// Why nothing useful came back. The request may have been counted, unless it is `Connect`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("no whole answer within {} s", LIMIT.as_secs())]
    Timeout,
    #[error("the connection broke: {0}")]
    Broke(String),
    #[error("the answer is not HTTP/1.1: {0}")]
    Strange(&'static str),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => Self::Timeout,
            _ => Self::Broke(error.to_string()),
        }
    }
}

/// A client of one address.
#[derive(Debug)]
pub(super) struct Client {
    address: SocketAddr,
    idle: Option<BufReader<Timed>>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, idle: None }
    }

    /// Sends a whole request head (it has no body) and reads the whole answer.
    pub(super) fn send(&mut self, head: &[u8], method: &str) -> Result<Answer, Failure> {
        let deadline = instant() + LIMIT;
        let mut connection = match self.idle.take().filter(still_open) {
            Some(connection) => connection,
            None => BufReader::new(Timed::connect(self.address, deadline)?),
        };
        connection.get_mut().deadline = deadline;
        connection.get_mut().write_all(head)?;
        let (answer, keep) = read_answer(&mut connection, method)?;
        self.idle = keep.then_some(connection);
        Ok(answer)
    }
}

/// Whether the server has neither closed the idle connection nor said anything on it.
fn still_open(connection: &BufReader<Timed>) -> bool {
    let stream = &connection.get_ref().stream;
    let quiet = stream.set_nonblocking(true).is_ok()
        && matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    quiet && stream.set_nonblocking(false).is_ok()
}

/// A stream whose reads and writes all end by the deadline.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn connect(address: SocketAddr, deadline: Instant) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, LIMIT).map_err(|error| Failure::Connect(error.to_string()))?;
        // Without it each small request would wait for the last one's acknowledgement.
        stream.set_nodelay(true)?;
        Ok(Self { stream, deadline })
    }

    fn left(&self) -> std::io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(instant());
        if left.is_zero() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// The answer, and whether the connection may be used again.
fn read_answer(connection: &mut impl BufRead, method: &str) -> Result<(Answer, bool), Failure> {
    let head = loop {
        let head = read_head(connection)?;
        // 1xx are announcements; the answer follows.
        if head.status >= 200 {
            break head;
        }
    };
    let mut body = Body::default();
    let framed = if method == "HEAD" || matches!(head.status, 204 | 304) {
        true
    } else if head.chunked {
        read_chunks(connection, &mut body)?;
        true
    } else if let Some(length) = head.length {
        body.take(connection, length)?;
        true
    } else {
        std::io::copy(connection, &mut body)?;
        false
    };
    Ok((Answer { status: head.status, bytes: body.bytes, start: body.start }, framed && head.keep))
}

struct Head {
    status: u16,
    length: Option<u64>,
    chunked: bool,
    keep: bool,
}

fn read_head(connection: &mut impl BufRead) -> Result<Head, Failure> {
    let mut limited = connection.take(MAX_HEAD_BYTES);
    let line = read_line(&mut limited)?;
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .filter(|status| (100..1000).contains(status))
        .ok_or(Failure::Strange("no status line"))?;
    let mut head = Head { status, length: None, chunked: false, keep: line.starts_with("HTTP/1.1") };
    loop {
        let line = read_line(&mut limited)?;
        let Some((name, value)) = line.split_once(':') else {
            return if line.is_empty() { Ok(head) } else { Err(Failure::Strange("a header without a colon")) };
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = Some(value.parse().map_err(|_| Failure::Strange("a length that is no number"))?),
            "transfer-encoding" => head.chunked = value.to_ascii_lowercase().ends_with("chunked"),
            "connection" if value.eq_ignore_ascii_case("close") => head.keep = false,
            _ => {}
        }
    }
}

/// One line without its end; a closed connection in the middle is a failure.
fn read_line(connection: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = Vec::new();
    connection.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(Failure::Broke("closed in the middle of the answer's head".to_owned()));
    }
    line.pop_if(|byte| *byte == b'\r');
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn read_chunks(connection: &mut impl BufRead, body: &mut Body) -> Result<(), Failure> {
    loop {
        let line = read_line(&mut connection.take(MAX_HEAD_BYTES))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| Failure::Strange("a chunk without a size"))?;
        if size == 0 {
            while !read_line(&mut connection.take(MAX_HEAD_BYTES))?.is_empty() {}
            return Ok(());
        }
        body.take(connection, size)?;
        read_line(&mut connection.take(2))?;
    }
}

/// A body that is counted and thrown away, but for its start.
#[derive(Default)]
struct Body {
    bytes: u64,
    start: Vec<u8>,
}

impl Body {
    fn take(&mut self, connection: &mut impl BufRead, length: u64) -> Result<(), Failure> {
        if std::io::copy(&mut connection.take(length), self)? == length {
            return Ok(());
        }
        Err(Failure::Broke("closed in the middle of the answer's body".to_owned()))
    }
}

impl Write for Body {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.bytes = self.bytes.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        self.start.extend(buffer.iter().take(KEPT_BYTES.saturating_sub(self.start.len())));
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, method: &str) -> Result<(Answer, bool), Failure> {
        read_answer(&mut text.as_bytes(), method)
    }

    #[test]
    fn every_framing_is_read_to_its_end() {
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, 5, true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n",
                "GET",
                200,
                13,
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "GET", 200, 13, false),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304, 0, true),
            ("HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, 0, true),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n", "HEAD", 404, 0, true),
            (
                "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                "GET",
                200,
                0,
                false,
            ),
        ];
        for (text, method, status, bytes, keep) in table {
            let (answer, kept) = read(text, method).unwrap();
            assert_eq!((answer.status, answer.bytes, kept), (status, bytes, keep), "{text}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_is_a_failure() {
        let whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n\r\n";
        assert!(read(whole, "GET").is_ok());
        for cut in 0..whole.len() {
            assert!(read(whole.get(..cut).unwrap(), "GET").is_err(), "cut at {cut}");
        }
        assert_eq!(read("<html>\n", "GET").unwrap_err(), Failure::Strange("no status line"));
        assert!(matches!(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell", "GET"), Err(Failure::Broke(_))));
    }
}
