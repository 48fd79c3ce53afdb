//! What: what limits cost by themselves: a key look-up with five levels, and one bucket that two
//!   cores want at once.
//! Shape: rounds over a gate with a table of its own; a line for each. The contended rounds run
//!   beside a bare compare-and-swap loop on a word of the same table's kind, in turn, and count
//!   what was granted. `--instructions N` runs one pass of N requests and nothing else, for a tool
//!   that counts instructions: `scripts/limits-instructions.sh`.
//! Units: nanoseconds a request; grants.
//! Errors: a gate that cannot be made; a count that is not exact.
//! Source: docs/limits.md, "What it costs".

use std::{
    hint::black_box,
    io,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use clap::{Arg, ArgMatches, Command, value_parser};
use tidegate_edge::{
    base::time::{Mono, Wall},
    limits::{
        Ask, Caller, Directory, Gate, Id, Identity, KeyHasher, KeyRecord, Leases, Level, Limit,
        MethodRate, PlanRecord, PlanStage, Rate, RouteLimits, RouteRate, Table,
        names::{method_tag, stage_tag},
    },
};

use crate::arguments;

/// What to measure and how long.
struct Options {
    rounds: u32,
    requests: u64,
    keys: u32,
    /// Run only so many requests, without a clock.
    instructions: Option<u64>,
}

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("buckets")
        .about("Nanoseconds for a key look-up with five levels, and for a contended bucket")
        .arg(arguments::count("rounds", "7", "Rounds"))
        .arg(arguments::count(
            "requests",
            "2000000",
            "Requests of a round",
        ))
        .arg(arguments::count(
            "keys",
            "1000",
            "API keys in the directory",
        ))
        .arg(
            Arg::new("instructions")
                .long("instructions")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("Only pass so many requests, to be counted from outside"),
        )
}

fn options(matches: &ArgMatches) -> Options {
    let number = |name| arguments::number(matches, name);
    Options {
        rounds: number("rounds"),
        requests: u64::from(number("requests")),
        keys: number("keys"),
        instructions: matches.get_one::<u64>("instructions").copied(),
    }
}

/// Measures and prints; false when a count is wrong.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    let options = options(matches);
    let world = World::new(options.keys)?;
    world.pass_each()?; // every key has its buckets before anything is measured
    if let Some(requests) = options.instructions {
        let passed = pass_many(&world, requests, START_NS);
        println!("{passed} of {requests} passed");
        return Ok(passed == requests);
    }
    println!("{} keys, values of {VALUE_CHARS} characters", options.keys);
    for round in 0..u64::from(options.rounds) {
        let start = Instant::now();
        let from_ns = START_NS * (round + 2);
        let passed = pass_many(&world, options.requests, from_ns);
        let ns = start.elapsed().as_nanos() as f64 / options.requests as f64;
        println!("key look-up and five levels {ns:.1} ns");
        if passed != options.requests {
            println!("{passed} of {} passed", options.requests);
            return Ok(false);
        }
    }
    contend(&options)
}

/// A gate with five levels before every request, all of them wide.
struct World {
    gate: Gate,
    directory: Directory,
    values: Vec<[u8; VALUE_CHARS]>,
}

impl World {
    fn new(keys: u32) -> io::Result<World> {
        let hasher = KeyHasher::new(b"a bench's secret");
        let plan = PlanRecord {
            id: id("gold")?,
            throttle: Some(wide()?),
            quota: None,
            stages: vec![PlanStage {
                api: "a1".to_owned(),
                stage: "dev".to_owned(),
                methods: vec![MethodRate {
                    verb: "GET".to_owned(),
                    path: "/pets".to_owned(),
                    rate: wide()?,
                }],
            }],
        };
        let values: Vec<[u8; VALUE_CHARS]> = (0..keys).map(value).collect();
        let records = values.iter().zip(0_u32..).map(|(value, number)| {
            let tag = hasher.tag(value).expect("it is short enough");
            Ok(KeyRecord {
                id: id(&format!("k{number}"))?,
                tag,
                enabled: true,
                plans: vec![id("gold")?],
            })
        });
        let records: Vec<KeyRecord> = records.collect::<io::Result<_>>()?;
        let directory = Directory::build(hasher, &[plan], records).map_err(io::Error::other)?;
        let stage = stage_tag("a1", "dev");
        let levels = [Level::Account, Level::Stage, Level::Method];
        let rate = |level| -> io::Result<RouteRate> {
            Ok(RouteRate {
                level,
                limit: Limit::new(wide()?).map_err(io::Error::other)?,
                identity: Identity::single(level, &[stage]),
            })
        };
        let route = RouteLimits {
            stage,
            method: method_tag("GET", "/pets"),
            needs_key: true,
            rates: levels.into_iter().map(rate).collect::<io::Result<_>>()?,
        };
        let table = Table::private(1 << 14, [0x5eed, 0xface]).map_err(io::Error::other)?;
        let leases = Arc::new(Leases::default());
        let gate =
            Gate::new(&Arc::new(table), &leases, [route].iter()).map_err(io::Error::other)?;
        Ok(World {
            gate,
            directory,
            values,
        })
    }

    #[inline]
    fn passes(&self, value: &[u8], now_ns: u64) -> bool {
        let caller = Caller {
            route: 0,
            client: None,
            key: Some(value),
            now: Mono(now_ns),
            wall: Wall(1_700_000_000_000),
            tells: false,
        };
        self.gate.pass(&self.directory, &caller).is_ok()
    }

    fn pass_each(&self) -> io::Result<()> {
        for value in &self.values {
            for now_ns in [START_NS, START_NS] {
                if !self.passes(value, now_ns) {
                    return Err(io::Error::other("a first request is refused"));
                }
            }
        }
        Ok(())
    }
}

/// Requests of all keys in turn, two microseconds apart; how many passed. Its own symbol, so that a
/// tool can count what runs inside.
#[inline(never)]
fn pass_many(world: &World, requests: u64, from_ns: u64) -> u64 {
    let mut values = world.values.iter().cycle();
    let mut passed = 0;
    for number in 0..requests {
        let Some(value) = values.next() else { break };
        let now_ns = from_ns + number * 2_000;
        passed += u64::from(world.passes(black_box(value), now_ns));
    }
    passed
}

/// One bucket that two threads want, and one word that two threads count up.
fn contend(options: &Options) -> io::Result<bool> {
    let each = options.requests;
    // A few too many are asked for, so that a token that was granted twice shows.
    let burst = u32::try_from(2 * each - each / 100).map_err(io::Error::other)?;
    let limit = Rate::new(1.0, burst).and_then(Limit::new);
    let limit = &limit.map_err(io::Error::other)?;
    let mut ratios = Vec::new();
    for round in 0..options.rounds {
        let word = AtomicU64::new(0);
        let bare = on_two_cores(each, || count_up(&word));
        let table = Table::private(64, [u64::from(round), 3]).map_err(io::Error::other)?;
        let place = table.place(Identity::single(Level::Account, &[]));
        let place = place.ok_or_else(|| io::Error::other("the table has no room"))?;
        let ask = Ask { place, limit };
        let bucket = on_two_cores(each, || table.take(Mono(START_NS), &[ask]).is_ok());
        let ratio = bare.ns / bucket.ns;
        println!(
            "contended: bare {:.1} ns, bucket {:.1} ns, ratio {ratio:.2}; {} of {burst} granted",
            bare.ns, bucket.ns, bucket.granted
        );
        if bare.granted != word.load(Ordering::Relaxed) || bucket.granted != u64::from(burst) {
            println!("that is not exact");
            return Ok(false);
        }
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    if let (Some(least), Some(middle)) = (ratios.first(), ratios.get(ratios.len() / 2)) {
        println!("contended ratio: median {middle:.2}, least {least:.2}, goal {RATIO_GOAL}");
    }
    Ok(true)
}

/// The bare loop: what any exact counter that cores share has to do.
#[inline]
fn count_up(word: &AtomicU64) -> bool {
    let mut before = word.load(Ordering::Acquire);
    loop {
        let after = before + 1;
        match word.compare_exchange_weak(before, after, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return true,
            Err(there) => before = there,
        }
    }
}

/// What two threads did together.
struct Contended {
    /// Of one operation, both threads' taken together.
    ns: f64,
    granted: u64,
}

fn on_two_cores(each: u64, operation: impl Fn() -> bool + Sync) -> Contended {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let barrier = Barrier::new(3);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|index| {
                let (core, barrier, operation) = (cores.get(index), &barrier, &operation);
                scope.spawn(move || {
                    if let Some(core) = core {
                        core_affinity::set_for_current(*core);
                    }
                    barrier.wait();
                    (0..each).filter(|_| operation()).count() as u64
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        let granted = threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread that only counts"))
            .sum();
        Contended {
            ns: start.elapsed().as_nanos() as f64 / (2 * each) as f64,
            granted,
        }
    })
}

/// As long as those that are generated.
fn value(number: u32) -> [u8; VALUE_CHARS] {
    let mut value = [b'x'; VALUE_CHARS];
    let text = format!("{number:010}");
    value[VALUE_CHARS - text.len()..].copy_from_slice(text.as_bytes());
    value
}

fn id(text: &str) -> io::Result<Id> {
    Id::parse(text).ok_or_else(|| io::Error::other(format!("{text} is no id")))
}

/// Never empty at the pace of [`pass_many`]; what all keys share is never full either.
fn wide() -> io::Result<Rate> {
    Rate::new(400_000.0, 1_000_000).map_err(io::Error::other)
}

const VALUE_CHARS: usize = 40;
const START_NS: u64 = 50_000_000_000;
const RATIO_GOAL: f64 = 0.6;
