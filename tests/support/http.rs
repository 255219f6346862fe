//! A blocking HTTP/1.1 client that sends exactly the bytes it is given and shows exactly what came back.
//!
//! Fidelity stories need what ordinary clients hide: header order and repeats, the reason phrase, raw chunk framing, half-sent
//! bodies. One [`Connection`] is one TCP connection, kept alive between requests.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer under test takes, also on a loaded machine.
pub const WAIT: Duration = Duration::from_secs(40);

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    /// In the order and the letter case received.
    pub headers: Vec<(String, String)>,
    /// Transfer coding removed, content coding kept.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every value of that header, in order.
    pub fn header_all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; a body that is not JSON stops the story.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }
}

/// A request under construction. Only `Host`, and `Content-Length` for a body, are added to what the story names.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: vec![], body: None }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn post_json(target: &str, body: &serde_json::Value) -> Self {
        Self::new("POST", target).header("Content-Type", "application/json").body(body.to_string().into_bytes())
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The visitor's address, as Cloudflare would name it.
    pub fn client_ip(self, address: &str) -> Self {
        self.header("CF-Connecting-IP", address)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// The runtime's `request.cf`, for example `{"country":"ZA","colo":"JNB"}`.
    pub fn cf(self, cf: &serde_json::Value) -> Self {
        self.header("MF-CF-Blob", &cf.to_string())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            write!(head, "Host: {host}\r\n").unwrap();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if let Some(body) = &self.body {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

/// One kept-alive connection to the Worker.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    host: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, WAIT)?;
        Ok(Self { wire: Wire::new(stream)?, host: address.to_string() })
    }

    /// Sends and reads the final answer.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write_raw(&request.bytes(&self.host))?;
        self.read_response(&request.method)
    }

    /// Sends these bytes and nothing else.
    pub fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write(bytes)
    }

    /// Reads one response; `method` decides whether it has a body.
    pub fn read_response(&mut self, method: &str) -> io::Result<Response> {
        let mut response = self.read_head()?;
        let bodiless = method == "HEAD" || response.status == 204 || response.status == 304 || response.status < 200;
        if !bodiless {
            response.body = match self.wire.framed_body(&response.headers)? {
                Some(body) => body,
                None => self.wire.rest()?,
            };
        }
        Ok(response)
    }

    /// Reads the status line and the headers only, for streams read piece by piece.
    pub fn read_head(&mut self) -> io::Result<Response> {
        let status_line = self.wire.line()?;
        let mut parts = status_line.splitn(3, ' ');
        let status = parts.nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| broken(&format!("status line {status_line:?}")))?;
        let reason = parts.next().unwrap_or_default().to_owned();
        Ok(Response { status, reason, headers: self.wire.headers()?, body: vec![] })
    }

    /// One chunk of a chunked body; empty at the end.
    pub fn read_chunk(&mut self) -> io::Result<Vec<u8>> {
        self.wire.chunk()
    }

    /// Exactly this many raw bytes, for example WebSocket frames after a 101.
    pub fn read_raw(&mut self, count: usize) -> io::Result<Vec<u8>> {
        self.wire.exactly(count)
    }
}

/// HTTP/1.1 framing on a socket, for both ends.
#[derive(Debug)]
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(WAIT))?;
        stream.set_write_timeout(Some(WAIT))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// One line without its end.
    pub fn line(&mut self) -> io::Result<String> {
        let mut bytes = vec![];
        self.0.read_until(b'\n', &mut bytes)?;
        if !bytes.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection closed"));
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Headers up to the empty line, as they came.
    pub fn headers(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut headers = vec![];
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(headers);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken(&format!("header {line:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The body its headers announce; none when they announce no length.
    pub fn framed_body(&mut self, headers: &[(String, String)]) -> io::Result<Option<Vec<u8>>> {
        let header = |name: &str| headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            let mut body = vec![];
            loop {
                let chunk = self.chunk()?;
                if chunk.is_empty() {
                    return Ok(Some(body));
                }
                body.extend(chunk);
            }
        }
        header("content-length").and_then(|text| text.parse().ok()).map(|length| self.exactly(length)).transpose()
    }

    fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let size_line = self.line()?;
        let size = usize::from_str_radix(size_line.split(';').next().unwrap_or_default().trim(), 16)
            .map_err(|_| broken(&format!("chunk size {size_line:?}")))?;
        let chunk = self.exactly(size)?;
        self.line()?;
        Ok(chunk)
    }

    fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut body = vec![];
        self.0.read_to_end(&mut body)?;
        Ok(body)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
