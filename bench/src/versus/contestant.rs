//! What: who takes part: the two floors, Tidegate and the rivals, started for one case.
//! Shape: a contestant and a setup in, a running server out, with all that belongs to it: a log
//!   writer, a place in memory for its cache, its access log.
//! Units: none.
//! Errors: `io::Error` with the server's own messages; a program that is missing is said so.
//! Source: `peer` for the rivals; docs/performance.md.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;
use tempfile::TempDir;

use super::case::{Case, Need, Way};
use super::client::Client;
use super::peer::{MESSAGES, PEERS, Peer, Version};
use super::template::Filling;
use crate::certificate::Certificate;
use crate::cpu::{Cpus, used, with_descendants};
use crate::gateway;
use crate::process::{Server, free_address};

/// One who takes part.
#[derive(Clone, Copy)]
pub(crate) enum Contestant {
    Responder,
    Relay,
    Tidegate,
    Peer(&'static Peer),
}

/// What a contestant is started with.
pub(crate) struct Setup<'a> {
    pub(crate) case: &'a Case,
    pub(crate) is_logging: bool,
    pub(crate) cpus: Cpus,
    /// The origin of the case.
    pub(crate) origin: SocketAddr,
    pub(crate) certificate: &'a Certificate,
    pub(crate) tls: Option<&'a Arc<ClientConfig>>,
    pub(crate) gateway: &'a Path,
    /// A directory that is this server's alone.
    pub(crate) directory: PathBuf,
}

/// A contestant that answers.
pub(crate) struct Running {
    // In the order of their end: who reads the memory goes first.
    log_writer: Option<Server>,
    pub(crate) server: Server,
    /// None for the responder, which asks nobody.
    pub(crate) origin: Option<SocketAddr>,
    pub(crate) log: PathBuf,
    /// An origin of its own, if it has one.
    _own_origin: Option<Server>,
    _memory: TempDir,
}

impl Running {
    /// Processor time of everything that belongs to the server.
    pub(crate) fn used_ns(&self) -> io::Result<u64> {
        let writer = self.log_writer.as_ref().map(Server::pid);
        let family = [self.server.pid()]
            .into_iter()
            .chain(writer)
            .flat_map(with_descendants);
        family.map(|pid| used(pid).map(|used| used.run_ns)).sum()
    }
}

/// Everybody, in the order of rounds and tables.
pub(crate) fn contestants() -> impl Iterator<Item = Contestant> {
    [
        Contestant::Responder,
        Contestant::Relay,
        Contestant::Tidegate,
    ]
    .into_iter()
    .chain(PEERS.iter().map(Contestant::Peer))
}

impl Contestant {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Contestant::Responder => "responder",
            Contestant::Relay => "relay",
            Contestant::Tidegate => "tidegate",
            Contestant::Peer(peer) => peer.name,
        }
    }

    pub(crate) fn is_floor(&self) -> bool {
        matches!(self, Contestant::Responder | Contestant::Relay)
    }

    pub(crate) fn note(&self) -> &'static str {
        match self {
            Contestant::Responder => "fixed bytes to whatever arrives, nothing parsed, no TLS",
            Contestant::Relay => "bytes moved to a connection of its own, nothing parsed",
            Contestant::Tidegate => "one worker, metrics on",
            Contestant::Peer(peer) => peer.note,
        }
    }

    /// Why it cannot take part in a case, if so.
    pub(crate) fn cannot(&self, case: &Case) -> Option<&'static str> {
        let table = match self {
            Contestant::Responder | Contestant::Relay | Contestant::Tidegate => &[],
            Contestant::Peer(peer) => peer.cannot,
        };
        let lacking = |need| table.iter().find(|(lacking, _)| *lacking == need);
        case.needs().find_map(lacking).map(|(_, why)| *why)
    }

    /// What it says about itself, or why it cannot be run.
    pub(crate) fn version(&self, gateway: &Path) -> io::Result<String> {
        let (program, how) = match self {
            Contestant::Responder | Contestant::Relay => return Ok(OWN_VERSION.to_owned()),
            Contestant::Tidegate => (gateway.to_owned(), &Version::Printed("--version")),
            Contestant::Peer(peer) => (program(peer), &peer.version),
        };
        let argument = match how {
            Version::Printed(argument) => argument,
            Version::Fixed(text) if program.exists() => return Ok((*text).to_owned()),
            Version::Fixed(_) => return Err(missing(&program)),
        };
        let mut command = command(&program);
        let output = command
            .arg(argument)
            .output()
            .map_err(|error| started(error, &program))?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        version_in(&text).ok_or_else(|| io::Error::other(format!("no version in {text:?}")))
    }

    /// Starts it on its processor and waits until it answers.
    pub(crate) fn start(&self, setup: Setup) -> io::Result<Running> {
        fs::create_dir_all(&setup.directory)?;
        let memory = tempfile::Builder::new()
            .prefix("tidegate-bench.")
            .tempdir_in(MEMORY)?;
        let log = match self {
            Contestant::Peer(peer) => setup.directory.join(peer.log),
            _ => setup.directory.join(TIDEGATE_LOG),
        };
        let (mut log_writer, mut own_origin) = (None, None);
        let mut origin = Some(setup.origin);
        let server = match self {
            Contestant::Responder => {
                origin = None;
                start_answering("responder", setup.case, setup.cpus.server)
            }
            Contestant::Relay => {
                own_origin = closing_origin(&setup)?;
                let address = own_origin.as_ref().map_or(setup.origin, |own| own.address);
                start_relay(&setup, address)
            }
            Contestant::Tidegate => {
                let needs = |wanted| setup.case.needs().any(|need| need == wanted);
                let is_cached = needs(Need::Cache);
                let wanted = gateway::Setup {
                    tls: setup.case.tls.then_some(setup.certificate),
                    access_log: setup.is_logging,
                    cache_mib: is_cached.then_some(gateway::CACHE_MIB),
                    connections_max: Some(CONNECTIONS_MAX),
                    throttle: if needs(Need::Limit) {
                        gateway::Throttle::Refuses
                    } else {
                        gateway::Throttle::Open
                    },
                    integration: gateway::Integration::Proxied,
                    origin: setup.origin,
                };
                let (name, directory) = (setup.case.name, &setup.directory);
                gateway::start(setup.gateway, setup.cpus.server, name, wanted, directory)
            }
            Contestant::Peer(peer) => {
                let (server, writer) = start_peer(peer, &setup, memory.path())?;
                log_writer = writer;
                Ok(server)
            }
        }?;
        Ok(Running {
            log_writer,
            server,
            origin,
            log,
            _own_origin: own_origin,
            _memory: memory,
        })
    }
}

/// Starts this program's origin, or its responder, which answers with the same bytes.
pub(crate) fn start_answering(command: &str, case: &Case, cpu: usize) -> io::Result<Server> {
    let body = case.body_bytes.to_string();
    let mut arguments = vec![command, "--body-bytes", &body];
    // Caches reckon an answer's age from its date: one without is stale at once for some.
    let date = Command::new("date")
        .args(["-u", HTTP_DATE])
        .env("LC_ALL", "C")
        .output()?;
    let date = String::from_utf8_lossy(&date.stdout);
    if case.way == Way::Hit {
        arguments.extend([
            "--header",
            "Cache-Control: max-age=86400",
            "--header",
            date.trim(),
        ]);
    }
    Server::own(cpu, command, &arguments)
}

/// A relay closes nothing by itself: where connections are to end, its origin says so.
fn closing_origin(setup: &Setup) -> io::Result<Option<Server>> {
    if !setup.case.is_new_connection {
        return Ok(None);
    }
    let body = setup.case.body_bytes.to_string();
    let arguments = [
        "origin",
        "--body-bytes",
        &body,
        "--header",
        "Connection: close",
    ];
    Server::own(setup.cpus.load, "the relay's origin", &arguments).map(Some)
}

fn start_relay(setup: &Setup, origin: SocketAddr) -> io::Result<Server> {
    let origin = origin.to_string();
    let mut arguments = vec!["relay", "--origin", &origin];
    let certificate = setup.certificate.certificate.display().to_string();
    let key = setup.certificate.key.display().to_string();
    if setup.case.tls {
        arguments.extend(["--certificate", &certificate, "--key", &key]);
    }
    Server::own(setup.cpus.server, "the relay", &arguments)
}

fn start_peer(
    peer: &'static Peer,
    setup: &Setup,
    memory: &Path,
) -> io::Result<(Server, Option<Server>)> {
    let address = free_address()?;
    let filling = filling(setup, address, memory)?;
    let told = |why| io::Error::other(format!("{}: {why}", peer.name));
    for (name, template) in peer.files {
        let text = filling
            .fill(template)
            .map_err(|why| told(format!("{name}, {why}")))?;
        fs::write(setup.directory.join(name), text)?;
    }
    let program = program(peer);
    let mut command = filled_command(&filling, &program, peer.arguments).map_err(told)?;
    for (name, value) in peer.environment {
        let value = filling.fill_argument(value).map_err(told)?;
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(&setup.directory);
    let ready = || {
        Client::connect(address, setup.tls)?
            .get(1, true)
            .map(|_| ())
    };
    let messages = setup.directory.join(MESSAGES);
    let server = Server::foreign(
        setup.cpus.server,
        peer.name,
        &mut command,
        address,
        &messages,
        &ready,
    )
    .map_err(|error| started(error, &program))?;
    let Some((program, arguments)) = peer.log_writer.filter(|_| setup.is_logging) else {
        return Ok((server, None));
    };
    let mut command = filled_command(&filling, Path::new(program), arguments).map_err(told)?;
    let messages = setup.directory.join("log-writer.txt");
    let log = setup.directory.join(peer.log);
    let writes = || {
        ready()?;
        match fs::metadata(&log) {
            Ok(metadata) if metadata.len() > 0 => Ok(()),
            _ => Err(io::Error::other("the log is still empty")),
        }
    };
    let cpu = setup.cpus.server;
    let writer = Server::foreign(cpu, program, &mut command, address, &messages, &writes)
        .map_err(|error| started(error, Path::new(program)))?;
    Ok((server, Some(writer)))
}

fn filled_command(
    filling: &Filling,
    program: &Path,
    arguments: &[&str],
) -> Result<Command, String> {
    let mut command = command(program);
    for argument in arguments {
        command.args(filling.fill_argument(argument)?);
    }
    Ok(command)
}

/// Everything a template may name.
fn filling(setup: &Setup, address: SocketAddr, memory: &Path) -> io::Result<Filling> {
    let Certificate { certificate, key } = setup.certificate;
    let both = setup.directory.join("certificate-and-key.pem");
    fs::write(&both, [fs::read(certificate)?, fs::read(key)?].concat())?;
    let has = |wanted| setup.case.needs().any(|need| need == wanted);
    let path = |path: &Path| path.display().to_string();
    Ok(Filling {
        places: vec![
            ("LISTEN", address.to_string()),
            ("PORT", address.port().to_string()),
            ("ORIGIN", setup.origin.to_string()),
            ("HOST", setup.origin.ip().to_string()),
            ("ORIGIN_PORT", setup.origin.port().to_string()),
            ("DIRECTORY", path(&setup.directory)),
            ("MEMORY", path(memory)),
            ("CERTIFICATE", path(certificate)),
            ("KEY", path(key)),
            ("CERTIFICATE_AND_KEY", path(&both)),
        ],
        flags: vec![
            ("TLS", setup.case.tls),
            ("CACHE", has(Need::Cache)),
            ("LIMIT", has(Need::Limit)),
            ("LOG", setup.is_logging),
        ],
    })
}

fn program(peer: &Peer) -> PathBuf {
    match peer.program.strip_prefix("@PEERS@/") {
        Some(path) => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../target/peers")
            .join(path),
        None => PathBuf::from(peer.program),
    }
}

/// A command that also finds daemons where an ordinary user does not look.
fn command(program: &Path) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin"));
    command
}

fn started(error: io::Error, program: &Path) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        missing(program)
    } else {
        error
    }
}

fn missing(program: &Path) -> io::Error {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    io::Error::other(format!(
        "{name} is not installed; scripts/peers.sh installs it"
    ))
}

/// The first `1.2` or `1.2.3` in a text.
fn version_in(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let is_version =
        |word: &&str| word.contains('.') && word.split('.').all(|number| !number.is_empty());
    words.find(is_version).map(str::to_owned)
}

const TIDEGATE_LOG: &str = "access.log";
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");
const MEMORY: &str = "/dev/shm";
/// RFC 9110 section 5.6.7, as date(1) writes it.
const HTTP_DATE: &str = "+Date: %a, %d %b %Y %H:%M:%S GMT";
/// Enough for the idle cases; below the open-file limit of a usual host.
const CONNECTIONS_MAX: u32 = 15_000;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Setup, filling, version_in};
    use crate::certificate::Certificate;
    use crate::cpu::Cpus;
    use crate::versus::case::CASES;
    use crate::versus::peer::PEERS;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (text, expected) in [
            ("nginx version: nginx/1.22.1", Some("1.22.1")),
            (
                "envoy  version: 9e55809/1.40.0/Clean/RELEASE",
                Some("1.40.0"),
            ),
            ("varnishd (varnish-7.1.1 revision 7cee1c58)", Some("7.1.1")),
            ("2.6.2\n", Some("2.6.2")),
            ("a sentence. And 3. another", None),
        ] {
            assert_eq!(version_in(text).as_deref(), expected, "{text}");
        }
    }

    /// Every template and argument of every rival, for every case, with and without a log.
    #[test]
    fn templates_fill_without_places_left_over() {
        let directory = tempfile::tempdir().unwrap();
        let certificate = Certificate::generate(directory.path()).unwrap();
        let address = "127.0.0.1:80".parse().unwrap();
        for (case, is_logging) in CASES.iter().flat_map(|case| [(case, false), (case, true)]) {
            let setup = Setup {
                case,
                is_logging,
                cpus: Cpus { server: 0, load: 1 },
                origin: address,
                certificate: &certificate,
                tls: None,
                gateway: Path::new("tidegate"),
                directory: directory.path().to_owned(),
            };
            let filling = filling(&setup, address, directory.path()).unwrap();
            for peer in &PEERS {
                let files = peer
                    .files
                    .iter()
                    .map(|(name, text)| (*name, filling.fill(text)));
                let writer = peer.log_writer.map_or(&[][..], |(_, arguments)| arguments);
                let environment = peer.environment.iter().map(|(_, value)| value);
                let arguments = peer.arguments.iter().chain(writer).chain(environment);
                let arguments = arguments.map(|text| {
                    (
                        *text,
                        filling.fill_argument(text).map(Option::unwrap_or_default),
                    )
                });
                for (name, text) in files.chain(arguments) {
                    let text = text.unwrap_or_else(|why| panic!("{} {name}: {why}", peer.name));
                    for place in filling.places.iter().map(|(place, _)| format!("@{place}@")) {
                        assert!(!text.contains(&place), "{} {name}: {place}", peer.name);
                    }
                    for mark in ["@IF", "@ELSE", "@END"] {
                        assert!(!text.contains(mark), "{} {name}: {mark}", peer.name);
                    }
                }
            }
        }
    }
}
