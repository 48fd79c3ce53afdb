//! What: how long after its start a gateway serves the first hit from a region that is full already.
//! Shape: the gateway makes its region and is killed; the store's own functions fill the region; a
//!   gateway asks the origin for one answer and is killed. Then, round by round, one is started on the
//!   same configuration and asked for that answer until it comes, without the origin, and killed.
//! Units: milliseconds by the clock, from before the process is made to the last byte of the answer.
//! Errors: `io::Error` when a gateway does not answer, or answers with anything but the hit.
//! Source: docs/performance.md says what the figure means.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Command};
use tidegate_edge::cache::{Insert, Namespace, Store, StoreOptions};

use crate::arguments::{self, count, folder, number};
use crate::cpu::{Cpus, spawn_on};
use crate::gateway::{self, Configured, Setup};
use crate::process::{Server, build_gateway};

/// What to measure.
struct Options {
    /// The region.
    capacity_mib: u32,
    /// Bytes of the objects that fill it.
    object_bytes: usize,
    /// Starts.
    rounds: u32,
    /// Where the region is made, and removed.
    folder: PathBuf,
    /// Instead of building one.
    gateway: Option<PathBuf>,
}

/// The parser.
pub(crate) fn command() -> Command {
    Command::new("restart")
        .about("Milliseconds from a gateway's start to its first hit from a full region")
        .arg(count("capacity-mib", "1024", "MiB of the region"))
        .arg(count("rounds", "10", "Starts"))
        .arg(folder())
        .arg(arguments::gateway())
        .arg(arguments::body().default_value("512"))
}

/// Measures and prints; false when a first hit took longer than is allowed.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    measure(&Options {
        capacity_mib: number(matches, "capacity-mib"),
        object_bytes: arguments::body_bytes(matches),
        rounds: number(matches, "rounds"),
        folder: arguments::folder_of(matches),
        gateway: arguments::path(matches, "gateway"),
    })
}

fn measure(options: &Options) -> io::Result<bool> {
    let cpus = Cpus::choose()?;
    let given = options.gateway.as_ref();
    let binary = given.map_or_else(build_gateway, |path| path.canonicalize())?;
    let directory = tempfile::tempdir_in(&options.folder)?;
    let origin = Server::own(cpus.load, "origin", &["origin", "--body-bytes", "128"])?;
    let setup = Setup {
        tls: None,
        access_log: false,
        cache_mib: Some(options.capacity_mib),
        connections_max: None,
        throttle: gateway::Throttle::Open,
        integration: gateway::Integration::Proxied,
        origin: origin.address,
    };
    let configured = gateway::configure(setup, directory.path())?;
    let start = || Gateway::start(&binary, cpus.server, &configured);
    let made_ms = start()?.first_answer(configured.address, false)?;
    println!("{:<24}{made_ms:>8.1} ms", "first start, region made");
    fill(&gateway::region(directory.path()), options.object_bytes)?;
    start()?.first_answer(configured.address, true)?;
    drop(origin);
    let mut times_ms = Vec::new();
    for _ in 0..options.rounds {
        times_ms.push(start()?.first_answer(configured.address, true)?);
    }
    times_ms.sort_by(f64::total_cmp);
    let at = |index: usize| times_ms.get(index).copied().unwrap_or(f64::NAN);
    let last = times_ms.len().saturating_sub(1);
    println!(
        "{:<24}{:>8.1} ms, {:.1} to {:.1} in {} rounds",
        "first hit after exec",
        at(last / 2),
        at(0),
        at(last),
        times_ms.len()
    );
    Ok(at(last) <= FIRST_HIT_MS_MAX)
}

/// A gateway that is killed at the end.
struct Gateway {
    child: Child,
    started: Instant,
    messages: PathBuf,
}

impl Gateway {
    fn start(binary: &Path, cpu: usize, configured: &Configured) -> io::Result<Gateway> {
        let messages = configured.directory.join("messages.txt");
        let file = std::fs::File::create(&messages)?;
        let mut command = configured.command(binary);
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let started = Instant::now();
        Ok(Gateway {
            child: spawn_on(cpu, &mut command)?,
            started,
            messages,
        })
    }

    /// Asks until there is an answer, and with `wants_hit` until it is a hit: a miss is stored.
    fn first_answer(&mut self, address: SocketAddr, wants_hit: bool) -> io::Result<f64> {
        while self.started.elapsed() < ANSWER_WITHIN {
            match ask(address) {
                Ok(answer) if !answer.starts_with(b"HTTP/1.1 200 ") => {
                    let text = String::from_utf8_lossy(&answer).into_owned();
                    return Err(io::Error::other(text));
                }
                Ok(answer) if !wants_hit || is_hit(&answer) => {
                    return Ok(self.started.elapsed().as_secs_f64() * 1000.0);
                }
                Ok(_) => {}
                Err(_) => thread::sleep(BETWEEN_TRIES),
            }
            if let Some(status) = self.child.try_wait()? {
                let words = std::fs::read_to_string(&self.messages).unwrap_or_default();
                return Err(io::Error::other(format!("it ended ({status}): {words}")));
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own.
fn ask(address: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    let head = format!("GET /dev/items/1 HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn is_hit(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    text.lines()
        .take_while(|line| !line.is_empty())
        .any(|line| line.starts_with("x-cache: hit"))
}

/// Stores objects in a namespace of their own until what is used grows no more.
fn fill(region: &Path, object_bytes: usize) -> io::Result<()> {
    let store = Store::open_existing(&StoreOptions::new(region, 0, 1)).map_err(io::Error::other)?;
    let owner = store.owner().map_err(io::Error::other)?;
    let generation = store.generation(PLACE);
    let body = vec![0x42; object_bytes];
    let mut number = 0_u64;
    let stats = loop {
        for _ in 0..INSERTS_BETWEEN_LOOKS {
            number += 1;
            let insert = Insert {
                namespace: PLACE,
                generation,
                key: &number.to_le_bytes(),
                meta: b"",
                body: &[&body],
                stored_s: NOW_S,
                expires_s: u32::MAX,
                keep_until_s: u32::MAX,
            };
            owner.insert(&insert, NOW_S).map_err(io::Error::other)?;
        }
        let stats = store.stats();
        if stats.segments_reclaimed > 0 {
            break stats;
        }
    };
    println!(
        "{:<24}{:>8} objects, {:.1} % of {} MiB for objects in use",
        "filled",
        stats.objects,
        stats.used_bytes as f64 * 100.0 / stats.data_bytes as f64,
        stats.data_bytes >> 20
    );
    Ok(())
}

const FIRST_HIT_MS_MAX: f64 = 200.0;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_micros(500);
const INSERTS_BETWEEN_LOOKS: u32 = 4096;
/// Not one of the gateway's.
const PLACE: Namespace = Namespace(u64::MAX);
const NOW_S: u32 = 1_800_000_000;
