//! A warm proxied keep-alive request allocates nothing of ours; rustls's own are counted.
//!
//! The gateway's thread alone is counted, while a client and an origin on threads of their own
//! keep it busy.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
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
    model::settings::Settings,
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
    },
};

#[path = "common/documents.rs"]
mod documents;

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: hands every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.try_with(Cell::get).unwrap_or(false) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if COUNTED.try_with(Cell::get).unwrap_or(false) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(place, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

fn serve_origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_all(stream));
        }
    });
    address
}

fn answer_all(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("no delay");
    let mut held = Vec::new();
    let mut buf = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buf) {
        held.extend_from_slice(&buf[..count]);
        while let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            held.drain(..end + 4);
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    }
}

struct Running {
    address: SocketAddr,
    /// Kept, so that the worker goes on waiting for orders.
    _post: Post<Order>,
}

/// A worker on a counted thread of its own.
fn start(origin: SocketAddr, certificate: Option<(String, String)>) -> Running {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let core = Core::new(
            Ring::Kernel(Kernel::new(&KernelOptions::default()).expect("a ring")),
            1 << 12,
        );
        let uri = format!("http://{origin}/{{proxy}}");
        let mapped = documents::proxy(&uri, &[("path.proxy", "path.proxy")]);
        let api = documents::api("counted", vec![("ANY /{proxy+}", mapped)]);
        let mut settings: Settings = serde_json::from_value(serde_json::json!({
            "apis": [{"document": "api.yaml", "id": "counted"}],
            "listen": [{"address": "127.0.0.1:0", "tls": certificate.is_some()}],
            "origins": {"o": {
                "match": format!("http://{origin}"), "allow_addresses": ["loopback"],
            }},
            "limits": {"requests_per_connection_max": 0},
        }))
        .expect("settings");
        if let Some((chain, key)) = certificate {
            settings.tls.certificates = vec![tidegate_edge::model::settings::Certificate {
                certificate: chain.into(),
                key: key.into(),
            }];
        }
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
        let gauges = Gauges {
            metrics: registry.core(0).expect("a core"),
            cells: registry.stage_cells(0, &ids),
            histograms: CoreHistograms::new(&ids),
            log: None,
        };
        let (post, inbox) = Inbox::new(&core, 4);
        let admission = Admission::new([1, 2, 3, 4]);
        let worker = Worker::start(&core, &blueprint, &admission, &[(fd, 0)], inbox, gauges);
        tell.send(Running {
            address,
            _post: post,
        })
        .expect("somebody waits");
        COUNTED.set(true);
        core.run();
        COUNTED.set(false);
        drop(worker);
        core.shutdown();
    });
    told.recv().expect("a running worker")
}

const REQUEST: &[u8] =
    b"GET /dev/some/path?x=1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n";

fn ask(stream: &mut (impl Read + Write), times: usize) {
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
        assert!(
            got.starts_with(b"HTTP/1.1 200"),
            "{:?}",
            String::from_utf8_lossy(&got)
        );
    }
}

const WARM: usize = 200;
const COUNTED_REQUESTS: usize = 1_000;

/// Allocations of the gateway's thread over the counted requests.
fn count(stream: &mut (impl Read + Write)) -> u64 {
    ask(stream, WARM);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    ask(stream, COUNTED_REQUESTS);
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn a_warm_request_allocates_nothing() {
    let running = start(serve_origin(), None);
    let mut stream = TcpStream::connect(running.address).expect("connected");
    stream.set_nodelay(true).expect("no delay");
    let plain = count(&mut stream);
    assert_eq!(plain, 0, "allocations in {COUNTED_REQUESTS} plain requests");

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let folder = tempfile::tempdir().expect("a folder");
    let (chain, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&chain, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let text = |path: &std::path::Path| path.display().to_string();
    let running = start(serve_origin(), Some((text(&chain), text(&key))));
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from(made.cert.der().to_vec()))
        .expect("a root");
    let provider = tidegate_edge::net::tls::provider();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
    let stream = TcpStream::connect(running.address).expect("connected");
    stream.set_nodelay(true).expect("no delay");
    let tls = count(&mut rustls::StreamOwned::new(session, stream));
    // rustls 0.23: one vector for the record opened, one for the record sealed, and one for the
    // list of records to write.
    let each = tls.div_ceil(COUNTED_REQUESTS as u64);
    println!("rustls: {tls} allocations in {COUNTED_REQUESTS} requests");
    assert!(
        each <= 3,
        "{tls} allocations in {COUNTED_REQUESTS} TLS requests"
    );
}
