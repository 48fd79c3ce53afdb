//! What: the least proxy that Pingora makes: one origin, keep-alive on both sides, one thread.
//! Shape: arguments in (`--listen`, `--origin`, and `--certificate` with `--key`, `--log`,
//!   `--limit`), a server that runs until it is told to end.
//! Units: requests per minute for the limit.
//! Errors: a wrong argument or a listener that cannot be had ends the program with a message.
//! Source: Pingora's user guide: "Life of a request", rate limiter, configuration.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::{Error, HttpPeer, Result};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::tls::ssl::SslVersion;
use pingora_limits::rate::Rate;

fn main() {
    let arguments = arguments();
    let value = |name: &str| arguments.get(name).map(String::as_str);
    let needed = |name: &str| value(name).unwrap_or_else(|| panic!("--{name} is required"));
    let mut conf = ServerConf::default();
    conf.threads = 1;
    conf.work_stealing = false;
    conf.upstream_keepalive_pool_size = 128;
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let proxy = Proxy {
        origin: needed("origin").to_owned(),
        log: value("log").map(open_log),
        limit: value("limit").map(|limit| limit.parse().expect("--limit is a number")),
        rate: Rate::new(Duration::from_secs(60)),
    };
    let mut service = http_proxy_service(&server.configuration, proxy);
    match (value("certificate"), value("key")) {
        (Some(certificate), Some(key)) => {
            let mut tls = TlsSettings::intermediate(certificate, key).expect("a certificate");
            tls.set_min_proto_version(Some(SslVersion::TLS1_3))
                .expect("TLS 1.3");
            service.add_tls_with_settings(needed("listen"), None, tls);
        }
        _ => service.add_tcp(needed("listen")),
    }
    server.add_service(service);
    server.run_forever();
}

struct Proxy {
    origin: String,
    log: Option<Log>,
    limit: Option<isize>,
    rate: Rate,
}

type Log = Arc<Mutex<BufWriter<File>>>;

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _context: &mut ()) -> Result<bool> {
        if session.as_downstream().get_keepalive().is_some() {
            session.set_keepalive(Some(KEEP_ALIVE_S));
        }
        let Some(limit) = self.limit else {
            return Ok(false);
        };
        if self.rate.observe(&address(session), 1) <= limit {
            return Ok(false);
        }
        session.respond_error(429).await?;
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _context: &mut (),
    ) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(
            self.origin.as_str(),
            false,
            String::new(),
        )))
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, _context: &mut ()) {
        let Some(log) = &self.log else { return };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let status = session
            .response_written()
            .map_or(0, |head| head.status.as_u16());
        let head = session.req_header();
        let address = address(session).map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        let agent = head
            .headers
            .get("user-agent")
            .and_then(|v| v.to_str().ok())
            .unwrap_or("-");
        let mut log = log.lock().expect("no writer panics");
        // A log that cannot be written must not fail the request.
        let _ = writeln!(
            log,
            "{address} - - [{}.{:03}] \"{} {} HTTP/1.1\" {status} {} \"-\" \"{agent}\"",
            now.as_secs(),
            now.subsec_millis(),
            head.method,
            head.uri,
            session.body_bytes_sent(),
        );
    }
}

fn address(session: &Session) -> Option<IpAddr> {
    Some(session.client_addr()?.as_inet()?.ip())
}

/// Opens the log, whose buffer goes out each second at the latest.
fn open_log(path: &str) -> Log {
    let log = Arc::new(Mutex::new(BufWriter::with_capacity(
        64 * 1024,
        File::create(path).expect("the log can be made"),
    )));
    let flushed = Arc::clone(&log);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let _ = flushed.lock().expect("no writer panics").flush();
        }
    });
    log
}

/// `--name value` pairs.
fn arguments() -> HashMap<String, String> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let pairs = given.chunks(2).map(|pair| match pair {
        [name, value] if name.starts_with("--") => (name[2..].to_owned(), value.clone()),
        _ => panic!("{pair:?}: pairs of --name and value are expected"),
    });
    pairs.collect()
}

const KEEP_ALIVE_S: u64 = 300;
