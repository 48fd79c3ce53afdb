//! The product from outside: a running gateway, raw clients, scriptable origins.
//!
//! What it is: [`Gateway`] runs the binary on its own folder and ports; [`Client`] sends exact
//! bytes; [`Origin`] is a thread per connection around a given function. Shape: std threads and
//! sockets only. Units: milliseconds, bytes. Errors: anything unexpected panics with what the
//! gateway said on standard error. Source: own.

#![allow(dead_code, unreachable_pub)] // each test file uses a part
#![allow(clippy::disallowed_methods)] // real time: these tests are the outside world

pub mod authority;
pub mod foreign;

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Everything below `/dev/` is forwarded, but `/dev/mock`.
pub const DOCUMENT: &str = r#"
openapi: 3.0.1
info: { title: Outside, version: "1" }
paths:
  /mock:
    get:
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses:
          default:
            statusCode: "200"
            responseTemplates: { application/json: '{"mock": true}' }
  /{proxy+}:
    x-amazon-apigateway-any-method:
      parameters:
        - { name: proxy, in: path, required: true, schema: { type: string } }
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: ANY
        uri: SCHEME://origin.test/{proxy}
        timeoutInMillis: 29000
        requestParameters:
          integration.request.path.proxy: method.request.path.proxy
"#;

/// A running gateway; it ends with its last handle.
pub struct Gateway {
    child: Child,
    pub dir: tempfile::TempDir,
    said: Arc<Mutex<String>>,
}

/// Longest wait for the gateway to be ready or gone.
const PATIENCE: Duration = Duration::from_secs(20);

impl Gateway {
    /// Runs with `settings` (TOML without `[[apis]]`) in a fresh folder, forwarding over `scheme`.
    pub fn start(settings: &str) -> Gateway {
        Gateway::start_in(tempfile::tempdir().expect("a folder"), settings, DOCUMENT)
    }

    /// As [`Gateway::start`], in a folder that holds certificates already.
    pub fn start_in(dir: tempfile::TempDir, settings: &str, document: &str) -> Gateway {
        let scheme = if settings.contains("https://origin.test") {
            "https"
        } else {
            "http"
        };
        write(&dir, "api.yaml", &document.replace("SCHEME", scheme));
        let common = "[[apis]]\ndocument = \"api.yaml\"\n[admin]\nsocket = \"admin.sock\"\n";
        write(&dir, "tidegate.toml", &format!("{settings}\n{common}"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["run", "--config"])
            .arg(dir.path().join("tidegate.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let said = Arc::new(Mutex::new(String::new()));
        let (lines, copy) = (child.stderr.take().expect("a pipe"), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let mut said = copy.lock().expect("whole");
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mut gateway = Gateway { child, dir, said };
        gateway.wait_listening(settings.matches("[[listen]]").count().max(1));
        gateway
    }

    fn wait_listening(&mut self, count: usize) {
        let until = Instant::now() + PATIENCE;
        while self.said().matches("listening on").count() < count {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "{ended:?}: {}", self.said());
            assert!(Instant::now() < until, "not ready: {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("whole").clone()
    }

    /// Where the listener on 127.0.0.`last` is.
    pub fn at(&self, last: u8) -> SocketAddr {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let said = self.said();
        let addresses = said
            .lines()
            .filter_map(|line| line.split("listening on ").nth(1))
            .filter_map(|rest| rest.split(',').next()?.trim().parse::<SocketAddr>().ok());
        let found = addresses.into_iter().find(|address| address.ip() == ip);
        found.unwrap_or_else(|| panic!("no listener on {ip}: {said}"))
    }

    /// Where the only listener is.
    pub fn address(&self) -> SocketAddr {
        self.at(1)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory in RAM now and at most: `VmRSS` and `VmHWM`.
    pub fn memory(&self) -> (u64, u64) {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("alive");
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            kib.expect("a figure") * 1024
        };
        (value("VmRSS:"), value("VmHWM:"))
    }

    /// Asks for an orderly end and waits for it.
    pub fn stop(mut self) -> (Option<i32>, String) {
        signal(self.pid(), libc::SIGTERM);
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status.code(), self.said());
            }
            assert!(Instant::now() < until, "does not end: {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the gateway said:\n{}", self.said());
        }
    }
}

/// Sends `number` to a process that the test started.
pub fn signal(pid: u32, number: i32) {
    let pid = i32::try_from(pid).expect("a pid");
    // SAFETY: kill(2) takes plain numbers.
    assert_eq!(unsafe { libc::kill(pid, number) }, 0, "signal {number}");
}

/// Writes a file into `dir`.
pub fn write(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text).expect("written");
    path
}

/// Settings of one worker that listens on 127.0.0.1 and forwards to `origin`; more may follow.
pub fn settings(origin: SocketAddr, more: &str) -> String {
    format!(
        "{}\n{}\n{more}",
        "[server]\nworkers = 1\ndrain_delay_ms = 0\n[[listen]]\naddress = \"127.0.0.1:0\"",
        origin_settings(&format!("http://{origin}"), "")
    )
}

/// The origin group behind [`DOCUMENT`].
pub fn origin_settings(url: &str, more: &str) -> String {
    let scheme = url.split(':').next().unwrap_or("http");
    format!(
        "[origins.o]\nmatch = \"{scheme}://origin.test\"\nallow_addresses = [\"loopback\"]\n\
         {more}\n[[origins.o.endpoints]]\nurl = \"{url}\"\n"
    )
}

/// How a connection was found at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Open,
    Closed,
    Reset,
}

/// A raw TCP client.
pub struct Client {
    pub stream: TcpStream,
    pub heard: Vec<u8>,
}

impl Client {
    pub fn connect(to: SocketAddr) -> Client {
        let stream = TcpStream::connect(to).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Client {
            stream,
            heard: Vec::new(),
        }
    }

    /// Sends; a gateway that has closed already does not matter.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Reads until the end or until nothing came for `patience_ms`.
    pub fn hear(&mut self, patience_ms: u64) -> End {
        self.hear_until(patience_ms, |_| false)
    }

    /// Reads until `enough`, the end, or silence for `patience_ms`.
    pub fn hear_until(&mut self, patience_ms: u64, enough: impl Fn(&[u8]) -> bool) -> End {
        let patience = Duration::from_millis(patience_ms);
        self.stream
            .set_read_timeout(Some(patience))
            .expect("an option");
        let mut buffer = [0; 64 * 1024];
        loop {
            if enough(&self.heard) {
                return End::Open;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return End::Closed,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return End::Open;
                }
                Err(_) => return End::Reset,
            }
        }
    }

    /// One request with one answer of a declared length: its status.
    pub fn ask(&mut self, request: &str) -> u16 {
        self.heard.clear();
        self.send(request);
        self.hear_until(10_000, is_whole);
        status(&self.heard)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }
}

/// The status of the first answer; 0 when there is none.
pub fn status(bytes: &[u8]) -> u16 {
    let text =
        String::from_utf8_lossy(bytes.get(..bytes.len().min(32)).unwrap_or(&[])).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.unwrap_or(0)
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = head_end(bytes) else {
        return false;
    };
    let length = field(&bytes[..end], "content-length").and_then(|text| text.parse().ok());
    bytes.len() >= end + length.unwrap_or(0)
}

/// Where the body begins.
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(at + 4)
}

/// The value of the first field called `name`.
pub fn field(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head).into_owned();
    text.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// A listener whose connections a function serves, each on a thread of its own.
pub struct Origin {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Vec<u8>>>>,
    pub connections: Arc<Mutex<usize>>,
}

impl Origin {
    /// Serves each connection with `serve`.
    pub fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(Mutex::new(0));
        let (serve, count) = (Arc::new(serve), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                *count.lock().expect("whole") += 1;
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        Origin {
            address,
            seen: Arc::default(),
            connections,
        }
    }

    /// Answers every request with `answer` and keeps what it got.
    pub fn answering(answer: &'static [u8]) -> Origin {
        let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let origin = Origin::serving(move |mut stream| {
            let mut input = Vec::new();
            while let Some(request) = read_request(&mut stream, &mut input) {
                kept.lock().expect("whole").push(request);
                if stream.write_all(answer).is_err() {
                    return;
                }
            }
        });
        Origin { seen, ..origin }
    }

    pub fn ok() -> Origin {
        Origin::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    pub fn last_seen(&self) -> String {
        let seen = self.seen.lock().expect("whole");
        let last = seen.last().cloned().unwrap_or_default();
        String::from_utf8_lossy(&last).into_owned()
    }

    pub fn count_seen(&self) -> usize {
        self.seen.lock().expect("whole").len()
    }
}

/// The next request whole, framing as it came; `None` at the connection's end.
pub fn read_request(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut buffer = [0; 64 * 1024];
    let mut more = |input: &mut Vec<u8>| {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        input.extend_from_slice(&buffer[..count]);
        Some(())
    };
    let end = loop {
        match head_end(input) {
            Some(end) => break end,
            None => more(input)?,
        }
    };
    let length = field(&input[..end], "content-length").and_then(|text| text.parse().ok());
    let chunked = field(&input[..end], "transfer-encoding").is_some();
    let whole = |input: &[u8]| {
        if chunked {
            let body = &input[end..];
            let last = body.windows(5).position(|window| window == b"0\r\n\r\n")?;
            return Some(end + last + 5);
        }
        let total = end + length.unwrap_or(0);
        (input.len() >= total).then_some(total)
    };
    loop {
        if let Some(total) = whole(input) {
            let rest = input.split_off(total);
            return Some(std::mem::replace(input, rest));
        }
        more(input)?;
    }
}

/// Runs a program of the system; fails when it is missing.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed and does not start: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that has ended already does not read.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("ended")
}

/// Standard output of curl, quiet, at most 20 s.
pub fn curl(arguments: &[&str]) -> String {
    let mut all = vec!["-sS", "--max-time", "20", "--noproxy", "*"];
    all.extend_from_slice(arguments);
    let output = run("curl", &all, "");
    let (out, err) = (output.stdout, output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&err)
    )
}

/// Waits until `condition`.
pub fn wait_for(what: &str, patience_ms: u64, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_millis(patience_ms);
    while !condition() {
        assert!(Instant::now() < until, "{what} does not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
