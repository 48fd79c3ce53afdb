//! What: a wide-area deployment on one host: the real gateways, real TCP and the load generator over
//!   lines with real delays, and what was measured beside the formula and the simulator.
//! Shape: namespaces (`space`) joined by devices (`tun`) between which a thread (`pump`) moves
//!   packets through delays (`line`); in them the programs (`world`, `files`), which are loaded case
//!   by case (`case`, `load`); then a table (`report`). `small` asks the simulator beforehand.
//!
//!   It is one command, with the delay line on a thread: whoever owns the namespaces owns devices
//!   and children too, so nothing has to be handed over, and one end ends all.
//! Units: nanoseconds inside, milliseconds for people.
//! Errors: `io::Error`; where the host forbids what is needed, one that [`is_refusal`] knows.
//! Source: docs/wan.md.

mod case;
mod files;
mod line;
mod load;
mod options;
mod pump;
mod report;
mod small;
mod space;
mod tun;
mod world;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ArgMatches;

use self::case::{Case, Deployment, Distances, Session};
use self::line::Way;
use self::load::{Load, Measured, open_ways};
use self::options::Options;
pub(crate) use self::options::command;
use self::report::{Results, Row, Simulated};
use self::small::Simulator;
use self::space::Refusal;
use self::world::{Setup, World};

/// Measures and reports; false if a row is beyond what was allowed.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    let options = Options::read(matches)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let results = measure(&options, &stop)?;
    results.print();
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{:#}\n", results.to_json()))?;
    }
    Ok(true)
}

/// Whether the host forbade what is needed.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Refusal>())
}

fn measure(options: &Options, stop: &AtomicBool) -> io::Result<Results> {
    // Seen from outside: namespaces inherit it and cannot look it up.
    let qdisc = std::fs::read_to_string(DEFAULT_QDISC).unwrap_or_default();
    let directory = tempfile::Builder::new().prefix("tidegate-wan-").tempdir()?;
    let simulated = simulate(options, directory.path(), stop)?;
    space::enter()?;
    let pace = options.pace;
    let group = pace.warm_up + pace.counted + GROUP_MORE;
    let groups = u32::try_from(options.sessions.len()).expect("a few");
    let setup = Setup {
        distances: simulated.distances,
        line: Way {
            bits_per_s: options.bits_per_s,
            ..Way::of_delay(0)
        },
        idle_restart: options.idle_restart,
        sizes: options.sizes.clone(),
        seed: 1,
        bound: group * groups + Duration::from_secs(60),
    };
    let mut world = World::raise(&options.tools, &setup, directory.path())?;
    let mut rows = Vec::new();
    for session in &options.sessions {
        for (case, measured) in
            measure_group(options, *session, &mut world, directory.path(), stop)?
        {
            rows.push(Row {
                case,
                measured,
                formula_ns: case.formula_ns(&simulated.distances),
                simulated: simulated.of(&case),
            });
        }
    }
    let tcp = world.tcp.clone();
    let repeated = world.repeated()?;
    let line = world.finish()?;
    Ok(Results {
        rows,
        title: simulated.title,
        distances: simulated.distances,
        pace,
        tcp,
        repeated,
        qdisc: qdisc.trim().to_owned(),
        late_p50_ns: line.late.value_at_quantile(0.5),
        late_p99_ns: line.late.value_at_quantile(0.99),
        late_max_ns: line.late.max(),
        packets: line.counts.iter().flatten().map(|c| c.delivered).sum(),
        dropped: line.refused
            + line
                .counts
                .iter()
                .flatten()
                .map(|c| c.overflowed)
                .sum::<u64>(),
    })
}

/// All deployments and sizes on one kind of connection, at the same time: each of them asks seldom,
/// and nothing that they share is anywhere near busy.
fn measure_group(
    options: &Options,
    session: Session,
    world: &mut World,
    directory: &Path,
    stop: &AtomicBool,
) -> io::Result<Vec<(Case, Measured)>> {
    let sizes = options.sizes.iter().flat_map(|body_bytes| {
        Deployment::ALL.map(|deployment| Case {
            deployment,
            session,
            body_bytes: *body_bytes,
        })
    });
    let cases: Vec<Case> = sizes.collect();
    let pace = options.pace;
    let started = Instant::now();
    let within = pace.warm_up + pace.counted + GROUP_MORE;
    let wait = || {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("ended by a signal"));
        }
        if started.elapsed() > within {
            return Err(io::Error::other("the load does not end"));
        }
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    };
    open_ways(&options.tools.generator, world, &options.sizes, wait)?;
    let apart = Duration::from_secs_f64(1.0 / pace.rate).div_f64(cases.len() as f64);
    let mut loads = Vec::new();
    for case in cases {
        let load = Load::start(&options.tools.generator, world, case, pace, directory)?;
        loads.push((case, load));
        std::thread::sleep(apart);
    }
    for (_, load) in &mut loads {
        while load.is_running()? {
            wait()?;
            world.check()?;
        }
    }
    let measured = loads
        .into_iter()
        .map(|(case, load)| Ok((case, load.finish()?)));
    measured.collect()
}

/// What the simulator says, where it was asked.
struct Predicted {
    title: String,
    distances: Distances,
    rows: Vec<(Session, u32, [Simulated; Deployment::ALL.len()])>,
}

impl Predicted {
    fn of(&self, case: &Case) -> Option<Simulated> {
        let mut rows = self.rows.iter();
        let (.., row) = rows.find(|(s, b, _)| (*s, *b) == (case.session, case.body_bytes))?;
        let index = Deployment::ALL.iter().position(|d| *d == case.deployment)?;
        Some(row[index])
    }
}

/// Asks the simulator about every case, as the smallest version of the scenario has it.
fn simulate(options: &Options, directory: &Path, stop: &AtomicBool) -> io::Result<Predicted> {
    let Some(path) = &options.scenario else {
        return Ok(Predicted {
            title: "no scenario".to_owned(),
            distances: options.distances,
            rows: Vec::new(),
        });
    };
    let simulator = Simulator {
        gateway: &options.tools.gateway,
        directory,
        stop,
    };
    let small = simulator.shrink(path, options.city.as_deref(), options.idle_restart)?;
    let mut rows = Vec::new();
    for session in &options.sessions {
        for body_bytes in &options.sizes {
            let seen = simulator.ask(&small, *session, *body_bytes, options.pace.rate)?;
            rows.push((*session, *body_bytes, seen));
        }
    }
    Ok(Predicted {
        title: small.title(),
        distances: small.distances(),
        rows,
    })
}

const DEFAULT_QDISC: &str = "/proc/sys/net/core/default_qdisc";
/// What a group may take beyond its load: the generators' start and last answers.
const GROUP_MORE: Duration = Duration::from_secs(30);
