//! Eight cores that hammer one key, from seeds.
//!
//! What it is: the shipped gate over one shared table, asked in an order that a seed draws, by
//! cores whose clocks run apart, while plans are reloaded with other rates, processes restart, and
//! leases come late or not at all. Shape: a seed draws everything; a failure prints it. What is
//! held: grants in any window stay below rate · t + burst of the greatest rate and burst in use,
//! the quota is never exceeded, a lease is lost only with the table, and when nothing fails any
//! more the quota is spent to its end. Units: nanoseconds, requests.
//! Source: RELIABILITY sections 6 and 10. `TIDEGATE_SEEDS=n` changes how many seeds run.

use std::sync::Arc;

use tidegate_edge::{
    base::{
        prng::Prng,
        time::{Mono, Wall},
    },
    limits::{
        Caller, Directory, Gate, Id, Identity, KeyHasher, KeyRecord, LeaseSource, Leases, Level,
        Limit, Period, PlanRecord, PlanStage, Quota, Rate, Refusal, RouteLimits, RouteRate, Table,
        Wish,
        names::{method_tag, stage_tag},
    },
};

const KEY: &[u8] = b"the-one-key-that-all-cores-see";
const CORES: u64 = 8;
const ASKED: u64 = 600;
const SECOND: u64 = 1_000_000_000;
const DAY_MS: u64 = 86_400_000;

/// The durable side of a quota: counts first, answers then; may fail or lose its answer.
struct Ledger {
    left: u64,
    fails: bool,
}

impl LeaseSource for Ledger {
    fn lease(&mut self, wishes: &[Wish], answers: &mut [u32]) -> Result<(), String> {
        if self.fails {
            return Err("the store is away".to_owned());
        }
        for (wish, answer) in wishes.iter().zip(answers) {
            let count = self.left.min(u64::from(wish.quota.lease()));
            self.left -= count;
            *answer = u32::try_from(count).expect("a lease");
        }
        Ok(())
    }
}

struct World {
    table: Arc<Table>,
    leases: Arc<Leases>,
    ledger: Ledger,
    quota: Quota,
    /// Every rate that was in use.
    rate: Rate,
    gate: Gate,
    directory: Directory,
}

fn id(text: &str) -> Id {
    Id::parse(text).expect("an id")
}

fn draw_rate(prng: &mut Prng) -> Rate {
    let twentieths = match prng.below(3) {
        0 => 1 + prng.below(20),
        _ => 1 + prng.below(8_000),
    };
    let burst = u32::try_from(1 + prng.below(30)).expect("small");
    Rate::new(twentieths as f64 / 20.0, burst).expect("a rate")
}

fn directory(rate: Rate, quota: Quota) -> Directory {
    let hasher = KeyHasher::new(&[7; 16]);
    let plan = PlanRecord {
        id: id("gold"),
        throttle: Some(rate),
        quota: Some(quota),
        stages: vec![PlanStage {
            api: "a".to_owned(),
            stage: "dev".to_owned(),
            methods: Vec::new(),
        }],
    };
    let key = KeyRecord {
        id: id("k1"),
        tag: hasher.tag(KEY).expect("a tag"),
        enabled: true,
        plans: vec![id("gold")],
    };
    Directory::build(hasher, &[plan], [key]).expect("a directory")
}

fn gate(table: &Arc<Table>, leases: &Arc<Leases>) -> Gate {
    let route = RouteLimits {
        stage: stage_tag("a", "dev"),
        method: method_tag("GET", "/"),
        needs_key: true,
        rates: [RouteRate {
            level: Level::Account,
            limit: Limit::new(Rate::new(100_000.0, 1_000).expect("a rate")).expect("a limit"),
            identity: Identity::single(Level::Account, &[]),
        }]
        .into(),
    };
    Gate::new(table, leases, [route].iter()).expect("a gate")
}

impl World {
    fn new(prng: &mut Prng) -> World {
        let table = Arc::new(Table::private(64, [prng.next_u64(), 3]).expect("a table"));
        let leases = Arc::new(Leases::default());
        let limit = 1 + prng.below(ASKED);
        let quota = Quota::new(limit, 0, Period::Day).expect("a quota");
        let rate = draw_rate(prng);
        World {
            gate: gate(&table, &leases),
            directory: directory(rate, quota),
            ledger: Ledger {
                left: limit,
                fails: false,
            },
            table,
            leases,
            quota,
            rate,
        }
    }

    fn ask(&self, now: u64) -> Result<(), Refusal> {
        let caller = Caller {
            route: 0,
            client: None,
            key: Some(KEY),
            now: Mono(now),
            wall: Wall(20_000 * DAY_MS),
            tells: false,
        };
        self.gate.pass(&self.directory, &caller).map(|passed| {
            assert_eq!(passed.key, Some(id("k1")));
        })
    }

    /// Something happens beside the requests.
    fn disturb(&mut self, prng: &mut Prng) {
        match prng.below(12) {
            0..=3 => {
                self.ledger.fails = prng.below(3) == 0;
                let _ = self.leases.serve(&self.table, &mut self.ledger);
            }
            4 => {
                let rate = draw_rate(prng);
                self.rate.micro_per_s = self.rate.micro_per_s.max(rate.micro_per_s);
                self.rate.burst = self.rate.burst.max(rate.burst);
                self.directory = directory(rate, self.quota);
            }
            5 => {
                // The process ends with the wishes that waited; the table stays.
                self.leases = Arc::new(Leases::default());
                self.gate = gate(&self.table, &self.leases);
            }
            _ => {}
        }
    }
}

fn beyond(grants: &mut [u64], rate: Rate) -> Option<String> {
    grants.sort_unstable();
    for (i, from) in grants.iter().enumerate() {
        for (j, to) in grants.iter().enumerate().skip(i) {
            let nanos = u128::from(SECOND) * 1_000_000;
            let most = u128::from(rate.burst) * nanos
                + u128::from(rate.micro_per_s) * u128::from(to - from);
            if (j - i + 1) as u128 * nanos > most {
                return Some(format!("{} grants from {from} to {to}", j - i + 1));
            }
        }
    }
    None
}

/// What is wrong in the run of `seed`.
fn run(seed: u64) -> Option<String> {
    let mut prng = Prng::new(seed);
    let mut world = World::new(&mut prng);
    let skews: Vec<u64> = (0..CORES).map(|_| prng.below(SECOND / 10)).collect();
    let (mut now, mut grants) = (100 * SECOND, Vec::new());
    for _ in 0..ASKED {
        now += prng.below(20_000_000) * prng.below(2);
        let core = usize::try_from(prng.below(CORES)).expect("a core");
        let at = now - skews[core];
        if world.ask(at).is_ok() {
            grants.push(at);
        }
        world.disturb(&mut prng);
    }
    if let Some(what) = beyond(&mut grants, world.rate) {
        return Some(what);
    }
    // Faults stop, and everything must finish: the quota is spent to its last request.
    // A reload with a fast rate counts at once, whatever went before.
    world.directory = directory(Rate::new(100.0, 30).expect("a rate"), world.quota);
    let mut spent = grants.len() as u64;
    for step in 0..4 * ASKED {
        now += SECOND;
        match world.ask(now) {
            Ok(()) => spent += 1,
            Err(Refusal::Awaits) => {
                world.ledger.fails = false;
                let served = world.leases.serve(&world.table, &mut world.ledger);
                served.expect("the store is there");
            }
            Err(Refusal::QuotaExceeded { .. }) => break,
            Err(Refusal::Throttled { .. }) if step == 0 => {}
            Err(other) => return Some(format!("{other:?} when all is quiet")),
        }
    }
    (spent != world.quota.limit).then(|| format!("{spent} of {}", world.quota.limit))
}

#[test]
fn eight_cores_at_one_key_stay_within_its_limits() {
    let count = std::env::var("TIDEGATE_SEEDS").map_or(300, |text| text.parse().expect("a number"));
    let failures: Vec<String> = (1..=count)
        .filter_map(|seed| run(seed).map(|what| format!("seed {seed}: {what}")))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
