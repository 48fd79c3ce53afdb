//! A gateway's worker on a thread of its own whose allocations are counted, clients' and origin's
//! are not; what a test allocates itself is counted by [`count_here`].
//!
//! Shape: [`start`] a worker as [`Setup`] says, [`Running::count`] what it allocates while a client asks.
//! Units: calls of the allocator. Errors: a malformed test panics. Source: own.

#![allow(dead_code, unreachable_pub)] // each test file uses a part

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use rustls::pki_types::{CertificateDer, ServerName};
use tidegate_edge::{
    exec::{Core, Inbox, Post},
    model::{api::IntegrationKind, settings::Settings},
    net::tls::{TlsClock, ticket::TicketKeys},
    plan::compile,
    ring::{
        ListenAddress, Ring,
        kernel::{Kernel, KernelOptions},
    },
    server::{Admission, Blueprint, CacheSecrets, Gauges, Keyring, LimitsHome, Order, Worker},
    telemetry::{
        histograms::CoreHistograms,
        metrics::{Registry, StageName},
        writer::LogWriter,
    },
};

use super::documents;

thread_local! {
    /// What this thread allocates is added there; other threads may be counted at the same time.
    static COUNTED: Cell<Option<&'static AtomicU64>> = const { Cell::new(None) };
}

fn note() {
    if let Ok(Some(count)) = COUNTED.try_with(Cell::get) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A count of its own, which outlives the thread that it is for.
fn new_count() -> &'static AtomicU64 {
    Box::leak(Box::default())
}

struct Counting;

// SAFETY: hands every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(place, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An origin that gives `answer` to every request.
pub fn serve_origin(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_all(stream, answer));
        }
    });
    address
}

fn answer_all(mut stream: TcpStream, answer: &[u8]) {
    stream.set_nodelay(true).expect("no delay");
    let mut held = Vec::new();
    let mut buf = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buf) {
        held.extend_from_slice(&buf[..count]);
        while let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            held.drain(..end + 4);
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}

/// What the worker is to do.
#[derive(Default)]
pub struct Setup<'a> {
    /// Certificate and key to terminate TLS with.
    pub identity: Option<&'a Identity>,
    /// Where answers are kept for an hour.
    pub cache: Option<PathBuf>,
    /// Where the access log goes.
    pub log: Option<PathBuf>,
    /// The integration is `http`, behind mappings without templates, instead of `http_proxy`.
    pub is_mapped: bool,
    /// It is reached by the last of many routing rules of a domain.
    pub is_ruled: bool,
}

/// A worker that serves.
pub struct Running {
    pub address: SocketAddr,
    allocations: &'static AtomicU64,
    /// Kept, so that the worker goes on waiting for orders.
    _post: Post<Order>,
}

/// A worker on a counted thread of its own.
pub fn start(origin: SocketAddr, setup: &Setup<'_>) -> Running {
    let settings = settings(origin, setup);
    let log = setup.log.clone();
    let is_mapped = setup.is_mapped;
    let allocations = new_count();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let core = Core::new(
            Ring::Kernel(Kernel::new(&KernelOptions::default()).expect("a ring")),
            1 << 12,
        );
        let uri = format!("http://{origin}/{{proxy}}");
        let mut integration = documents::proxy(&uri, &[("path.proxy", "path.proxy")]);
        if is_mapped {
            integration.kind = IntegrationKind::Http;
            integration.responses = documents::ok_mock().responses;
            integration.responses[0].templates.clear();
        }
        let api = documents::api("counted", vec![("ANY /{proxy+}", integration)]);
        let compiled = compile(&settings, &[api], 1).expect("compiles");
        let keyring = Keyring {
            tickets: TicketKeys::new(core.wall()).expect("randomness"),
            clock: TlsClock::new(core.wall()),
            cache: CacheSecrets::fresh().expect("randomness"),
            limits: LimitsHome::private([1, 2]),
        };
        let blueprint = Blueprint::new(compiled.plan, &keyring, None)
            .unwrap_or_else(|errors| panic!("{errors:?}"));
        let fd = core
            .listen(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into()), false)
            .expect("listens");
        let address = core.names(fd).local.expect("an address");
        let mut registry = Registry::new(1);
        let ids = registry.stages(&[StageName {
            api: "a".into(),
            stage: "dev".into(),
        }]);
        let writer = log.map(|path| {
            let open = move || std::fs::File::create(&path);
            let (writer, mut sinks) = LogWriter::start_with(open, 1, 4).expect("a log");
            (writer, sinks.pop().expect("a sink"))
        });
        let (_writer, log) = writer.unzip();
        let gauges = Gauges {
            metrics: registry.core(0).expect("a core"),
            cells: registry.stage_cells(0, &ids),
            histograms: CoreHistograms::new(&ids),
            log,
            execution: None,
        };
        let (post, inbox) = Inbox::new(&core, 4);
        let admission = Admission::new([1, 2, 3, 4]);
        let worker = Worker::start(&core, &blueprint, &admission, &[(fd, 0)], inbox, gauges);
        tell.send(Running {
            address,
            allocations,
            _post: post,
        })
        .expect("somebody waits");
        COUNTED.set(Some(allocations));
        core.run();
        COUNTED.set(None);
        drop(worker);
        core.shutdown();
    });
    told.recv().expect("a running worker")
}

fn settings(origin: SocketAddr, setup: &Setup<'_>) -> Settings {
    let mut given = serde_json::json!({
        "apis": [{"document": "api.yaml", "id": "counted"}],
        "listen": [{"address": "127.0.0.1:0", "tls": setup.identity.is_some()}],
        "origins": {"o": {
            "match": format!("http://{origin}"), "allow_addresses": ["loopback"],
        }},
        "limits": {"requests_per_connection_max": 0},
    });
    if let Some(path) = &setup.cache {
        given["apis"][0]["edge_cache"] = "kept".into();
        given["cache"] = serde_json::json!({
            "path": path, "capacity": "64 MiB", "policies": {"kept": {"ttl_default_s": 3600}},
        });
    }
    if setup.is_ruled {
        given["domains"] = ruled_domain();
    }
    if let Some(path) = &setup.log {
        given["access_log"] = serde_json::json!({ "path": path });
    }
    let mut settings: Settings = serde_json::from_value(given).expect("settings");
    if let Some(identity) = setup.identity {
        settings.tls.certificates = vec![tidegate_edge::model::settings::Certificate {
            certificate: identity.chain.clone(),
            key: identity.key.clone(),
        }];
    }
    settings
}

/// `localhost` as a domain whose last rule takes what [`REQUEST`] asks for.
fn ruled_domain() -> serde_json::Value {
    let rule = |priority: u32, glob: &str| {
        serde_json::json!({
            "priority": priority, "api": "counted", "stage": "dev", "strip_base_path": true,
            "conditions": [
                { "match_base_paths": ["dev", "other/path"] },
                { "match_headers": [{ "header": "user-agent", "value_glob": glob }] },
            ],
        })
    };
    let globs = ["wget*", "*9", "*fire*", "curl-8", "*curl*"];
    let rules: Vec<_> = (1..)
        .zip(globs)
        .map(|(nth, glob)| rule(nth, glob))
        .collect();
    serde_json::json!([
        { "name": "localhost", "routing_mode": "ROUTING_RULE_ONLY", "rules": rules },
    ])
}

/// A certificate of its own for `localhost`.
pub struct Identity {
    pub chain: PathBuf,
    pub key: PathBuf,
    leaf: CertificateDer<'static>,
}

impl Identity {
    pub fn new(folder: &Path) -> Identity {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let (chain, key) = (folder.join("c.pem"), folder.join("k.pem"));
        std::fs::write(&chain, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let leaf = CertificateDer::from(made.cert.der().to_vec());
        Identity { chain, key, leaf }
    }

    /// A client that trusts it, connected to `address`.
    pub fn connect(
        &self,
        address: SocketAddr,
    ) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.leaf.clone()).expect("a root");
        let provider = tidegate_edge::net::tls::provider();
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
        rustls::StreamOwned::new(session, connect(address))
    }
}

/// A plain client, connected to `address`.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("no delay");
    stream
}

const REQUEST: &[u8] =
    b"GET /dev/some/path?x=1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n";

/// Asks `times` times; every answer begins as 200, holds `expected` and ends with `hello`.
fn ask(stream: &mut (impl Read + Write), times: usize, expected: &str) {
    let mut buf = [0; 4096];
    for _ in 0..times {
        stream.write_all(REQUEST).expect("sent");
        let mut got = Vec::new();
        while !got.ends_with(b"hello") {
            let count = stream.read(&mut buf).expect("an answer");
            assert!(
                count > 0,
                "closed after {:?}",
                String::from_utf8_lossy(&got)
            );
            got.extend_from_slice(&buf[..count]);
        }
        let text = String::from_utf8_lossy(&got);
        assert!(text.starts_with("HTTP/1.1 200"), "{text:?}");
        assert!(text.contains(expected), "{text:?}");
    }
}

const WARM: usize = 200;
/// Requests over which allocations are counted.
pub const COUNTED_REQUESTS: usize = 1_000;

impl Running {
    /// Allocations of the gateway's thread over the counted requests, whose answers hold `expected`.
    pub fn count(&self, stream: &mut (impl Read + Write), expected: &str) -> u64 {
        ask(stream, WARM, "");
        let before = self.allocations.load(Ordering::Relaxed);
        ask(stream, COUNTED_REQUESTS, expected);
        self.allocations.load(Ordering::Relaxed) - before
    }
}

/// Allocations of this thread in `work`, and what that gave.
pub fn count_here<R>(work: impl FnOnce() -> R) -> (u64, R) {
    let allocations = new_count();
    COUNTED.set(Some(allocations));
    let result = work();
    COUNTED.set(None);
    (allocations.load(Ordering::Relaxed), result)
}

/// An answer that ends with `hello`.
pub const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
