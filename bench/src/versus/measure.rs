//! What: the measuring part of `versus`: cases, contestants, rounds.
//! Shape: for each case everybody who can take part is started and checked; then rounds, in which
//!   all are loaded in turn; then latencies; then the servers end and the rows are written.
//! Units: seconds of load, microseconds of CPU per request.
//! Errors: what concerns one contestant becomes its reason in the results; what concerns all, such
//!   as a missing wrk, ends the run.
//! Source: docs/performance.md, "Beside others".

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use super::case::{self, Case, Way};
use super::client::{Subject, came_from_the_right_place};
use super::contestant::{Contestant, Running, Setup, contestants, start_answering};
use super::load::Generator;
use super::options::Options;
use super::results::{self, Figures, IdleRow, Results, Round, Row, Settings};
use crate::certificate::Certificate;
use crate::cpu::{Cpus, busy_ns};
use crate::process::{Server, build_gateway};
use crate::wrk::{Run, Traffic, Wrk};
use crate::{host, idle, origin};

/// Runs every case that is wanted.
pub(super) fn measure(options: &Options) -> io::Result<Results> {
    if cfg!(debug_assertions) {
        eprintln!("this bench is a debug build: its floors are none; use --release");
    }
    let host = serde_json::from_value(host::describe()).map_err(io::Error::other)?;
    let directory = tempfile::Builder::new()
        .prefix("tidegate-bench.")
        .tempdir()?;
    let gateway = options.gateway.clone();
    let cpus = Cpus::choose()?;
    let generator = Generator::find(options.generator.as_deref()).map(|program| Generator {
        program,
        cpu: cpus.load,
        connections: options.connections,
        seconds: options.seconds,
    });
    let certificate = Certificate::generate(directory.path())?;
    let mut bench = Bench {
        cpus,
        gateway: gateway.map_or_else(build_gateway, |path| path.canonicalize())?,
        tls: certificate.client_config()?,
        certificate,
        directory: directory.path(),
        results: Results {
            format: results::FORMAT.to_owned(),
            host,
            settings: settings(options, &generator),
            contestants: Vec::new(),
            cases: Vec::new(),
            idle: Vec::new(),
            failures: Vec::new(),
        },
        generator: generator.ok(),
        options,
    };
    let present = bench.introduce();
    for case in case::CASES
        .iter()
        .filter(|case| options.wants_case(case.name))
    {
        if case.is_idle {
            bench.measure_idle(case, &present)?;
        } else {
            bench.measure_case(case, &present)?;
        }
    }
    Ok(bench.results)
}

fn settings(options: &Options, generator: &io::Result<Generator>) -> Settings {
    Settings {
        rounds: options.rounds,
        seconds: options.seconds,
        connections: options.connections,
        idle_connections: options.idle_connections,
        latency: generator.as_ref().ok().map(|_| "tidegate-load".to_owned()),
        latency_absent: generator.as_ref().err().map(ToString::to_string),
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
    }
}

struct Bench<'a> {
    cpus: Cpus,
    gateway: PathBuf,
    certificate: Certificate,
    tls: Arc<ClientConfig>,
    directory: &'a Path,
    generator: Option<Generator>,
    results: Results,
    options: &'a Options,
}

/// A contestant in a case, started and checked.
struct Entrant {
    contestant: Contestant,
    is_logging: bool,
    wrk: Wrk,
    running: Running,
    rounds: Vec<Round>,
}

impl Entrant {
    /// One run of the case's load.
    fn load(&self, case: &Case, seconds: u32) -> io::Result<Run> {
        // The responder, which has no origin, speaks no TLS.
        let tls = case.tls && self.running.origin.is_some();
        let name = label(&self.contestant, self.is_logging);
        self.wrk
            .run(&name, tls, self.running.server.address, seconds)
    }
}

impl Bench<'_> {
    /// Asks everybody for a version: who cannot say it is absent from the whole run.
    fn introduce(&mut self) -> Vec<Contestant> {
        let mut present = Vec::new();
        for contestant in contestants() {
            let name = contestant.name();
            if !contestant.is_floor() && !self.options.wants_contestant(name) {
                continue;
            }
            let version = contestant.version(&self.gateway);
            let absent = version.as_ref().err().map(ToString::to_string);
            match &absent {
                None => present.push(contestant),
                Some(why) => eprintln!("{name} is absent: {why}"),
            }
            self.results.contestants.push(results::Contestant {
                name: name.to_owned(),
                is_floor: contestant.is_floor(),
                version: version.ok(),
                note: contestant.note().to_owned(),
                absent,
            });
        }
        present
    }

    fn measure_case(&mut self, case: &'static Case, present: &[Contestant]) -> io::Result<()> {
        let origin = self.start_origin(case)?;
        let (mut entrants, mut absent) = (Vec::new(), BTreeMap::new());
        for (contestant, is_logging) in self.lots(case, present) {
            match self.enter(case, contestant, is_logging, &origin) {
                Ok(entrant) => entrants.push(entrant),
                Err(why) => {
                    absent.insert((contestant.name(), is_logging), why);
                }
            }
        }
        for round in 1..=self.options.rounds {
            for entrant in &mut entrants {
                let name = label(&entrant.contestant, entrant.is_logging);
                match sample(case, entrant, self.cpus.server, self.options, round) {
                    Ok(sample) => {
                        let text = shown(&sample);
                        println!("{:<14} round {round}  {name:<20}{text}", case.name);
                        entrant.rounds.push(sample);
                    }
                    Err(error) => {
                        self.fail(format!("{} round {round}, {name}: {error}", case.name));
                    }
                }
            }
        }
        self.conclude(case, present, &entrants, &absent);
        Ok(())
    }

    /// Who takes part in a case, and with which log setting; floors write none.
    fn lots(&self, case: &Case, present: &[Contestant]) -> Vec<(Contestant, bool)> {
        let floor = floor_name(case);
        let takes_part =
            |contestant: &&Contestant| !contestant.is_floor() || contestant.name() == floor;
        let logs = self.options.logs();
        let with_logs = |contestant: &Contestant| -> Vec<(Contestant, bool)> {
            let logs = if contestant.is_floor() {
                &[false][..]
            } else {
                logs
            };
            logs.iter()
                .map(|is_logging| (*contestant, *is_logging))
                .collect()
        };
        present
            .iter()
            .filter(takes_part)
            .flat_map(with_logs)
            .collect()
    }

    fn enter(
        &mut self,
        case: &'static Case,
        contestant: Contestant,
        is_logging: bool,
        origin: &Server,
    ) -> Result<Entrant, String> {
        if let Some(why) = contestant.cannot(case) {
            return Err(why.to_owned());
        }
        let name = label(&contestant, is_logging);
        let setup = self.setup(case, is_logging, origin.address, &name);
        let directory = setup.directory.clone();
        let started = contestant.start(setup).and_then(|running| {
            let entrant = Entrant {
                contestant,
                is_logging,
                wrk: self.wrk(case, &contestant, &directory)?,
                running,
                rounds: Vec::new(),
            };
            self.check(case, &entrant)?;
            entrant.load(case, WARM_SECONDS)?;
            Ok(entrant)
        });
        started.map_err(|error| {
            self.fail(format!("{}, {name}: {error}", case.name));
            error.to_string()
        })
    }

    /// Holds its answers against the case; floors give what they are made to give.
    fn check(&self, case: &'static Case, entrant: &Entrant) -> io::Result<()> {
        if entrant.contestant.is_floor() {
            return Ok(());
        }
        let running = &entrant.running;
        let subject = Subject {
            case,
            address: running.server.address,
            tls: case.tls.then_some(&self.tls),
            origin: running.origin,
            log: Some(&running.log),
            is_logging: entrant.is_logging,
        };
        subject.check()
    }

    fn wrk(&self, case: &Case, contestant: &Contestant, directory: &Path) -> io::Result<Wrk> {
        let traffic = Traffic {
            urls: case.urls(),
            is_new_connection: case.is_new_connection,
            is_refused: case.way == Way::Refused && !contestant.is_floor(),
            has_key: false,
            posts_order: false,
        };
        Wrk::new(self.cpus.load, self.options.connections, traffic, directory)
    }

    fn setup(
        &self,
        case: &'static Case,
        is_logging: bool,
        origin: SocketAddr,
        name: &str,
    ) -> Setup<'_> {
        Setup {
            case,
            is_logging,
            cpus: self.cpus,
            origin,
            certificate: &self.certificate,
            tls: case.tls.then_some(&self.tls),
            gateway: &self.gateway,
            directory: self.directory.join(case.name).join(name),
        }
    }

    /// Latencies, then the rows.
    fn conclude(
        &mut self,
        case: &'static Case,
        present: &[Contestant],
        entrants: &[Entrant],
        absent: &BTreeMap<(&str, bool), String>,
    ) {
        let floor = entrants
            .iter()
            .find(|entrant| entrant.contestant.is_floor());
        let floor = floor.map_or(&[][..], |floor| &floor.rounds);
        let mut rows = Vec::new();
        for (contestant, is_logging) in self.lots(case, present) {
            let entrant = entrants.iter().find(|entrant| {
                entrant.contestant.name() == contestant.name() && entrant.is_logging == is_logging
            });
            let mut figures =
                entrant.and_then(|entrant| Figures::of(entrant.rounds.clone(), floor));
            if let (Some(entrant), Some(figures)) = (entrant, &mut figures) {
                self.add_latency(case, entrant, figures);
            }
            let why = absent.get(&(contestant.name(), is_logging)).cloned();
            rows.push(Row {
                contestant: contestant.name().to_owned(),
                is_logging,
                absent: match figures {
                    Some(_) => None,
                    None => why.or_else(|| Some("every round was lost".to_owned())),
                },
                figures,
            });
        }
        self.results.cases.push(results::Case {
            name: case.name.to_owned(),
            title: case.title.to_owned(),
            floor: floor_name(case).to_owned(),
            rows,
        });
    }

    fn add_latency(&mut self, case: &Case, entrant: &Entrant, figures: &mut Figures) {
        if entrant.contestant.is_floor() || entrant.is_logging {
            return;
        }
        let Some(generator) = &self.generator else {
            return;
        };
        for share_percent in SHARES_PERCENT {
            let peak = figures.rate_per_s.median;
            let address = entrant.running.server.address;
            match generator.run(case, address, peak, share_percent, self.directory) {
                Ok(latency) => figures.latency.push(latency),
                Err(error) => {
                    figures.latency_absent = Some(error.to_string());
                    let name = entrant.contestant.name();
                    self.fail(format!("{}, latency of {name}: {error}", case.name));
                    return;
                }
            }
        }
    }

    fn measure_idle(&mut self, case: &'static Case, present: &[Contestant]) -> io::Result<()> {
        let origin = self.start_origin(case)?;
        let mut rows = Vec::new();
        for contestant in present.iter().filter(|contestant| !contestant.is_floor()) {
            let connections = self.options.idle_connections;
            let measured = match contestant.cannot(case) {
                Some(why) => Err(why.to_owned()),
                None => {
                    let setup = self.setup(case, false, origin.address, contestant.name());
                    let tls = setup.tls.cloned();
                    let measured = contestant.start(setup).and_then(|running| {
                        let (address, pid) = (running.server.address, running.server.pid());
                        idle::measure(address, pid, tls.as_ref(), connections)
                    });
                    measured.map_err(|error| {
                        self.fail(format!("{}, {}: {error}", case.name, contestant.name()));
                        error.to_string()
                    })
                }
            };
            if let Ok(bytes) = &measured {
                println!(
                    "{:<14} {:<20}{bytes:>9.0} bytes",
                    case.name,
                    contestant.name()
                );
            }
            rows.push(IdleRow {
                contestant: contestant.name().to_owned(),
                absent: measured.as_ref().err().cloned(),
                bytes: measured.ok(),
            });
        }
        self.results.idle.push(results::Idle {
            name: case.name.to_owned(),
            title: case.title.to_owned(),
            rows,
        });
        Ok(())
    }

    fn start_origin(&self, case: &Case) -> io::Result<Server> {
        start_answering("origin", case, self.cpus.load)
    }

    fn fail(&mut self, why: String) {
        eprintln!("{why}");
        self.results.failures.push(why);
    }
}

/// One round of one server, on processor `cpu`.
fn sample(
    case: &Case,
    entrant: &Entrant,
    cpu: usize,
    options: &Options,
    round: u32,
) -> io::Result<Round> {
    let running = &entrant.running;
    let is_floor = entrant.contestant.is_floor();
    let origin = running.origin.filter(|_| !is_floor);
    let asked_before = origin.map(origin::requests).transpose()?;
    let (before_ns, busy_before_ns) = (running.used_ns()?, busy_ns(cpu)?);
    let run = entrant.load(case, options.seconds)?;
    let (after_ns, busy_after_ns) = (running.used_ns()?, busy_ns(cpu)?);
    let asked = origin.map(origin::requests).transpose()?;
    if let Some(asked) = asked
        .zip(asked_before)
        .map(|(after, before)| after - before)
    {
        came_from_the_right_place(case.way, run.requests, asked)?;
    }
    let (elapsed_us, requests) = (run.elapsed_us as f64, run.requests as f64);
    let run_us = after_ns.saturating_sub(before_ns) as f64 / 1000.0;
    let busy_us = busy_after_ns.saturating_sub(busy_before_ns) as f64 / 1000.0;
    Ok(Round {
        round,
        cost_us: run_us / requests,
        rate_per_s: requests * 1e6 / elapsed_us,
        busy: run_us / elapsed_us,
        disturbed: ((busy_us - run_us) / elapsed_us).clamp(0.0, 1.0),
    })
}

fn shown(round: &Round) -> String {
    let (busy, disturbed) = (round.busy * 100.0, round.disturbed * 100.0);
    let (cost_us, rate) = (round.cost_us, round.rate_per_s);
    format!("{cost_us:>9.2} µs{rate:>9.0} requests/s{busy:>5.0}% busy{disturbed:>6.1}% disturbed")
}

fn label(contestant: &Contestant, is_logging: bool) -> String {
    let log = if is_logging { "_log" } else { "" };
    format!("{}{log}", contestant.name())
}

/// The floor of a case: it has no answers of its own where the origin gives them.
fn floor_name(case: &Case) -> &'static str {
    let floor = if case.is_relayed() {
        Contestant::Relay
    } else {
        Contestant::Responder
    };
    floor.name()
}

const WARM_SECONDS: u32 = 1;
const SHARES_PERCENT: [u32; 2] = [50, 80];
