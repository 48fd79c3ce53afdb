//! What a person asks for, before it is a plan.
//!
//! What it is: the options as typed values, and the one way from them to a [`Plan`]. Shape:
//! [`Options`] has the defaults of the command line. Units: nanoseconds, counts, rates per second.
//! Ranges: constants below; a run is bounded in time and count unless somebody writes otherwise.
//! Errors: [`Fault`], with the option it comes from. Source: docs/load-testing.md.

use std::path::{Path, PathBuf};

use tidegate_edge::base::text::counted;

use crate::{
    host,
    plan::{Load, Mix, Plan, Shape},
    replay,
    scenario::{self, Scenario, Wish},
    schedule::{self, Arrivals, Profile, Schedule},
    target::{self, TlsWishes},
};

/// When requests start, as it was asked for.
#[derive(Clone, PartialEq, Debug)]
pub enum Pace {
    /// One rate.
    Constant(f64),
    /// From one rate to another.
    Ramp(f64, f64),
    /// One after the other, each for an equal part.
    Steps(Vec<f64>),
    /// A file with a moment on each line, in seconds.
    Trace(PathBuf),
    /// As fast as answers come.
    Closed {
        /// Mean time between an answer and the next request.
        think_ns: u64,
    },
}

/// Everything that can be asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to.
    pub url: String,
    /// When requests start.
    pub pace: Pace,
    /// How arrivals follow their rate.
    pub arrivals: Arrivals,
    /// How long.
    pub duration_ns: u64,
    /// Starts at most.
    pub requests_max: u64,
    /// Connections.
    pub connections: usize,
    /// Requests on a connection at a time.
    pub pipelining: usize,
    /// A connection for every request.
    pub fresh: bool,
    /// New connections a second at the beginning; 0: at once.
    pub connects_per_s: f64,
    /// For a connection, and for an answer.
    pub timeout_ns: u64,
    /// A start handled later counts as late.
    pub late_ns: u64,
    /// Starts that may wait, in all.
    pub waiting_max: usize,
    /// The request of the command line.
    pub request: Wish,
    /// A file of weighted requests.
    pub scenario: Option<PathBuf>,
    /// An access log to replay.
    pub replay: Option<PathBuf>,
    /// How much faster than it was.
    pub replay_speed: f64,
    /// A file with an API key on each line.
    pub keys: Option<PathBuf>,
    /// How the server proves itself.
    pub tls: TlsWishes,
    /// Beyond this host.
    pub allow_remote: bool,
    /// One worker each.
    pub cpus: Vec<usize>,
    /// So long before a start a worker no longer sleeps.
    pub spin_ns: u64,
    /// How often figures are handed over.
    pub interval_ns: u64,
    /// Makes draws repeat.
    pub seed: u64,
    /// Names the run in request ids.
    pub run: u32,
    /// In results.
    pub label: String,
    /// A process to read along.
    pub server_pid: Option<u32>,
}

impl Options {
    /// The defaults, towards `url`.
    #[must_use]
    pub fn new(url: &str) -> Options {
        Options {
            url: url.to_owned(),
            pace: Pace::Constant(1000.0),
            arrivals: Arrivals::Even,
            duration_ns: 10 * NS_PER_S,
            requests_max: 10_000_000,
            connections: 64,
            pipelining: 1,
            fresh: false,
            connects_per_s: 0.0,
            timeout_ns: 10 * NS_PER_S,
            late_ns: 1_000_000,
            waiting_max: 100_000,
            request: Wish::default(),
            scenario: None,
            replay: None,
            replay_speed: 1.0,
            keys: None,
            tls: TlsWishes::default(),
            allow_remote: false,
            cpus: Vec::new(),
            spin_ns: 30_000,
            interval_ns: 250_000_000,
            seed: 1,
            run: 1,
            label: String::new(),
            server_pid: None,
        }
    }

    /// Decides everything about the run.
    ///
    /// # Errors
    /// The first option that cannot be had.
    pub fn plan(&self) -> Result<Plan, Fault> {
        let target = target::resolve(&self.url, &self.tls, self.allow_remote)?;
        let keys = self.read_keys()?;
        let (shapes, mix, recorded) = self.shapes(&target.host, &target.path)?;
        if keys.is_empty() && shapes.iter().any(|shape| shape.request.has_key()) {
            return Err(Fault::Option("${key} needs --key-file".to_owned()));
        }
        let load = match recorded {
            Some(at_ns) => Load::Open(Schedule::Trace(at_ns.into())),
            None => self.load()?,
        };
        let plan = Plan {
            label: self.label.clone(),
            target,
            shapes,
            mix,
            load,
            requests_max: self.requests_max,
            connections: self.connections.max(self.cpus.len()),
            pipelining: self.pipelining,
            fresh: self.fresh,
            connects_per_s: self.connects_per_s,
            timeout_ns: self.timeout_ns,
            late_ns: self.late_ns,
            waiting_max: self.waiting_max / self.cpus.len().max(1),
            cpus: self.cpus.clone(),
            keys,
            seed: self.seed,
            run: self.run,
            interval_ns: self.interval_ns,
            spin_ns: self.spin_ns,
            server_pid: self.server_pid,
        };
        self.check(&plan)?;
        Ok(plan)
    }

    fn check(&self, plan: &Plan) -> Result<(), Fault> {
        let option = |text: String| Err(Fault::Option(text));
        if plan.load.duration_ns() > DURATION_MAX_NS {
            return option("a run lasts at most 24 hours".to_owned());
        }
        if !(1..=CONNECTIONS_MAX).contains(&plan.connections) {
            return option(format!("--connections is 1 to {CONNECTIONS_MAX}"));
        }
        if !(1..=PIPELINING_MAX).contains(&plan.pipelining) {
            return option(format!("--pipelining is 1 to {PIPELINING_MAX}"));
        }
        if plan.interval_ns < INTERVAL_MIN_NS {
            return option("--interval is at least 10ms".to_owned());
        }
        let intervals = plan.load.duration_ns() / plan.interval_ns;
        if intervals > INTERVALS_MAX {
            return option(format!(
                "more than {INTERVALS_MAX} intervals; choose a longer --interval"
            ));
        }
        if plan.fresh && plan.pipelining > 1 {
            return option("--pipelining needs connections that are kept".to_owned());
        }
        if plan.fresh && matches!(plan.load, Load::Closed { .. }) {
            return option("--new-connections goes with a rate, not with --closed".to_owned());
        }
        let (files, _) = rlimit::getrlimit(rlimit::Resource::NOFILE).unwrap_or((1024, 1024));
        let wanted = plan.connections as u64 + FILES_BESIDE;
        if wanted > files {
            return option(format!(
                "for {} {wanted} file descriptors are needed and {files} are allowed: ulimit -n {wanted}",
                counted(plan.connections, "connection")
            ));
        }
        if plan.connections as u64 > host::ports() {
            return option(format!(
                "{} connections to one address need as many local ports and there are {}: \
                 see net.ipv4.ip_local_port_range",
                plan.connections,
                host::ports()
            ));
        }
        Ok(())
    }

    fn load(&self) -> Result<Load, Fault> {
        let duration_ns = self.duration_ns;
        let profile = match &self.pace {
            Pace::Constant(rate) => Profile::constant(*rate, duration_ns)?,
            Pace::Ramp(from, to) => Profile::ramp(*from, *to, duration_ns)?,
            Pace::Steps(rates) => Profile::steps(rates, duration_ns)?,
            Pace::Trace(file) => {
                let at_ns = read_trace(file)?;
                return Ok(Load::Open(Schedule::Trace(at_ns.into())));
            }
            Pace::Closed { think_ns } if duration_ns > 0 => {
                return Ok(Load::Closed {
                    duration_ns,
                    think_ns: *think_ns,
                });
            }
            Pace::Closed { .. } => return Err(schedule::Fault::Duration.into()),
        };
        Ok(Load::Open(Schedule::Rate {
            profile,
            arrivals: self.arrivals,
        }))
    }

    fn read_keys(&self) -> Result<Vec<String>, Fault> {
        let Some(file) = &self.keys else {
            return Ok(Vec::new());
        };
        let text = read_text(file)?;
        let keys: Vec<String> = (text.lines().map(str::trim))
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        let is_clean = |key: &String| key.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        if keys.is_empty() || !keys.iter().all(is_clean) {
            let file = file.display();
            return Err(Fault::Option(format!(
                "{file}: a key on each line, printable ASCII"
            )));
        }
        Ok(keys)
    }

    /// The kinds of requests, and the moments where a log gives them.
    #[allow(clippy::type_complexity)]
    fn shapes(&self, host: &str, path: &str) -> Result<(Vec<Shape>, Mix, Option<Vec<u64>>), Fault> {
        if let Some(file) = &self.replay {
            let log = replay::Log::parse(&read_text(file)?, self.replay_speed)
                .map_err(|why| Fault::Option(format!("{}: {why}", file.display())))?;
            let shape = |(method, path): &(String, String)| {
                let wish = Wish {
                    method: Some(method.clone()),
                    path: Some(path.clone()),
                    ..self.request.clone()
                };
                wish.build(host, path, self.fresh)
            };
            let shapes = log.requests.iter().map(shape).collect::<Result<_, _>>()?;
            return Ok((shapes, Mix::InOrder(log.order), Some(log.at_ns)));
        }
        let scenario = match &self.scenario {
            Some(file) => Scenario::read(file)?,
            None => Scenario {
                requests: vec![self.request.clone()],
            },
        };
        let (shapes, mix) = scenario.build(host, path, self.fresh)?;
        Ok((shapes, mix, None))
    }
}

/// Why there is no plan.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Fault {
    /// The URL, its address or its certificates.
    #[error(transparent)]
    Target(#[from] target::Fault),
    /// A rate or a duration.
    #[error(transparent)]
    Schedule(#[from] schedule::Fault),
    /// A request.
    #[error(transparent)]
    Scenario(#[from] scenario::Fault),
    /// An option out of range.
    #[error("{0}")]
    Option(String),
}

fn read_text(file: &Path) -> Result<String, Fault> {
    let bytes = scenario::read_file(file)?;
    String::from_utf8(bytes).map_err(|_| Fault::Option(format!("{}: no UTF-8", file.display())))
}

/// Moments in seconds, one on each line, in any order; the first is the start.
fn read_trace(file: &Path) -> Result<Vec<u64>, Fault> {
    let mut seconds = Vec::new();
    for (index, line) in read_text(file)?.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.parse::<f64>() {
            Ok(moment) if moment.is_finite() && moment >= 0.0 => seconds.push(moment),
            _ => {
                let place = format!("{}:{}", file.display(), index + 1);
                return Err(Fault::Option(format!("{place}: no moment in seconds")));
            }
        }
    }
    seconds.sort_by(f64::total_cmp);
    let first = *seconds
        .first()
        .ok_or_else(|| Fault::Option(format!("{}: empty", file.display())))?;
    Ok(seconds
        .into_iter()
        .map(|moment| crate::worker::whole((moment - first) * 1e9))
        .collect())
}

const NS_PER_S: u64 = 1_000_000_000;
const DURATION_MAX_NS: u64 = 24 * 3600 * NS_PER_S;
const CONNECTIONS_MAX: usize = 1_000_000;
const PIPELINING_MAX: usize = 1024;
const INTERVAL_MIN_NS: u64 = 10_000_000;
const INTERVALS_MAX: u64 = 100_000;
/// Descriptors that are no connections.
const FILES_BESIDE: u64 = 32;
