//! What: one case measured: `tidegate-load` run in the clients' namespace, and what it found.
//! Shape: [`Load::start`], then [`Load::finish`] once the process has ended.
//! Units: nanoseconds; latency counts from the moment a request was due to its last byte.
//! Errors: `io::Error` with the generator's own words, or what is odd about its figures.
//! Source: docs/load-testing.md; the HdrHistogram log, whose intervals let the first seconds be left
//!   out, in which connections are young and caches empty.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use super::case::{Case, Deployment, Session};
use super::world::{Process, World};

/// How each case is loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Requests a second on new connections, as unrelated clients come; those that are kept have
    /// their own pace.
    pub(crate) rate: f64,
    /// Not counted.
    pub(crate) warm_up: Duration,
    /// Counted.
    pub(crate) counted: Duration,
}

/// What a case took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) count: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p90_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) max_ns: u64,
    /// How late the generator itself was, 99 of 100 times at most.
    pub(crate) late_p99_ns: u64,
}

/// Asks for each of `sizes` through the edge, often at once and some times over, which nobody counts:
/// afterwards the edge has more connections to the region than it will need, and their windows have
/// grown. Else the first requests that happen to coincide would pay for both.
pub(crate) fn open_ways(
    program: &Path,
    world: &World,
    sizes: &[u32],
    wait: impl Fn() -> io::Result<()>,
) -> io::Result<()> {
    for _ in 0..CROWDS {
        let mut crowds = Vec::new();
        for body_bytes in sizes {
            let case = Case {
                deployment: Deployment::Edge,
                session: Session::New,
                body_bytes: *body_bytes,
            };
            let mut command = Command::new(program);
            command
                .arg(world.url(&case))
                .args(["--quiet", "--allow-remote", "--fail-on-error"])
                .args(["--timeout=10s", "--new-connections", "--connections=64"])
                .args(["--arrivals=even", "--rate=400", "--duration=40ms"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            crowds.push(world.client("a crowd", &mut command)?);
        }
        for crowd in &mut crowds {
            while crowd.is_running()? {
                wait()?;
            }
            let status = crowd.child.wait()?;
            if !status.success() {
                return Err(io::Error::other(format!("a crowd: {status}")));
            }
        }
    }
    Ok(())
}

/// A generator at work.
pub(crate) struct Load {
    case: Case,
    pace: Pace,
    process: Process,
    json: PathBuf,
    log: PathBuf,
}

impl Load {
    /// Begins to load `case`; files go into `directory`.
    pub(crate) fn start(
        program: &Path,
        world: &World,
        case: Case,
        pace: Pace,
        directory: &Path,
    ) -> io::Result<Load> {
        let (session, bytes) = (case.session.name(), case.body_bytes);
        let name = format!("{}-{session}-{bytes}", case.deployment.name());
        let json = directory.join(format!("{name}.json"));
        let log = directory.join(format!("{name}.hlog"));
        // Kept connections of several sizes must not keep step, or the same one of the edge's
        // connections would always carry the same answers.
        let (rate, arrivals) = if case.session.is_new() {
            (pace.rate, "poisson")
        } else {
            let step = 1.0 + f64::from(case.body_bytes % 7) / 100.0;
            let period_s = case.period_ns(&world.distances) as f64 / 1e9 * step;
            (KEPT_CONNECTIONS as f64 / period_s, "even")
        };
        let mut command = Command::new(program);
        command
            .arg(world.url(&case))
            .args(["--quiet", "--allow-remote", "--fail-on-error"])
            .args(["--timeout", "10s", "--interval", "250ms"])
            .arg(format!("--rate={rate:.3}"))
            .arg(format!("--arrivals={arrivals}"))
            .arg(format!("--seed={}", case.body_bytes))
            .arg(format!(
                "--duration={}ms",
                (pace.warm_up + pace.counted).as_millis()
            ))
            .arg(format!("--expect-bytes={bytes}"))
            .arg("--expect-status=200")
            .arg("--json")
            .arg(&json)
            .arg("--hlog")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if case.session.is_new() {
            command.args(["--new-connections", "--connections", "64"]);
        } else {
            command.arg(format!("--connections={KEPT_CONNECTIONS}"));
        }
        if case.session.is_tls() {
            command.arg("--ca").arg(world.certificate());
        }
        if case.session == Session::NewTls {
            command.arg("--no-resumption");
        }
        let process = world.client(&name, &mut command)?;
        Ok(Load {
            case,
            pace,
            process,
            json,
            log,
        })
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> io::Result<bool> {
        self.process.is_running()
    }

    /// What it found; the process must have ended.
    pub(crate) fn finish(mut self) -> io::Result<Measured> {
        let status = self.process.child.wait()?;
        if !status.success() {
            let mut words = String::new();
            if let Some(mut stderr) = self.process.child.stderr.take() {
                stderr.read_to_string(&mut words)?;
            }
            let figures = fs::read_to_string(&self.json).unwrap_or_default();
            let counts = serde_json::from_str(&figures).map(|v: Value| v["counts"].to_string());
            let (name, words) = (&self.process.name, words.trim());
            let counts = counts.unwrap_or_default();
            return Err(io::Error::other(format!(
                "{name}: {status} {words} {counts}"
            )));
        }
        let figures: Value = serde_json::from_slice(&fs::read(&self.json)?)?;
        self.check(&figures["counts"])
            .map_err(|why| io::Error::other(format!("{}: {why}", self.process.name)))?;
        let latency = counted(&fs::read(&self.log)?, self.pace.warm_up)?;
        Ok(Measured {
            count: latency.len(),
            p50_ns: latency.value_at_quantile(0.5),
            p90_ns: latency.value_at_quantile(0.9),
            p99_ns: latency.value_at_quantile(0.99),
            max_ns: latency.max(),
            late_p99_ns: figures["lateness"]["p99_ns"].as_u64().unwrap_or(0),
        })
    }

    /// Whether the connections were of the kind that the case is about.
    fn check(&self, counts: &Value) -> Result<(), String> {
        let of = |name: &str| counts[name].as_u64().unwrap_or(0);
        let (sent, connects, resumed) = (of("sent"), of("connects"), of("resumed"));
        let expected = if self.case.session.is_new() {
            sent
        } else {
            KEPT_CONNECTIONS
        };
        if connects != expected {
            return Err(format!("{connects} connections instead of {expected}"));
        }
        // Connections opened at once before the first ticket came cannot resume.
        match self.case.session {
            Session::NewTls if resumed > 0 => Err(format!("{resumed} handshakes were resumed")),
            Session::NewResumed if resumed * 10 < sent * 8 => {
                Err(format!("only {resumed} of {sent} handshakes were resumed"))
            }
            _ => Ok(()),
        }
    }
}

/// The latencies of a log, but for answers that came within `warm_up`.
fn counted(log: &[u8], warm_up: Duration) -> io::Result<Histogram<u64>> {
    let odd = |what: String| io::Error::other(format!("the log of the load: {what}"));
    let mut all: Option<Histogram<u64>> = None;
    for entry in IntervalLogIterator::new(log) {
        let LogEntry::Interval(interval) = entry.map_err(|why| odd(format!("{why:?}")))? else {
            continue;
        };
        if interval.start_timestamp() < warm_up {
            continue;
        }
        let bytes = STANDARD
            .decode(interval.encoded_histogram())
            .map_err(|why| odd(why.to_string()))?;
        let histogram = Deserializer::new()
            .deserialize(&mut &bytes[..])
            .map_err(|why| odd(why.to_string()))?;
        match &mut all {
            Some(all) => all.add(&histogram).map_err(|why| odd(why.to_string()))?,
            None => all = Some(histogram),
        }
    }
    all.filter(|all| !all.is_empty())
        .ok_or_else(|| odd("nothing was counted".to_owned()))
}

/// Asked in turn.
const KEPT_CONNECTIONS: u64 = 2;
/// The second one grows the windows that the first has left half grown.
const CROWDS: usize = 3;
