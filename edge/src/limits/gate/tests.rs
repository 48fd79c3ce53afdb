//! The gate as a table: who asks, what stands in the way, what is left.

use super::*;
use crate::limits::{
    directory::{KeyRecord, MethodRate, PlanRecord, PlanStage},
    key::KeyHasher,
    leases::LeaseSource,
    names::{method_tag, stage_tag},
    quota::{Period, Quota},
    rate::Rate,
};

const KEY: &[u8] = b"value-of-the-only-enabled-key";
const OFF: &[u8] = b"value-of-a-key-that-is-disabled";
const LONE: &[u8] = b"value-of-a-key-without-any-plan";
const NOW: Mono = Mono(50_000_000_000);
const WALL: Wall = Wall(1_700_000_000_000);

fn id(text: &str) -> Id {
    Id::parse(text).expect("an id")
}

fn rate(per_s: f64, burst: u32) -> Rate {
    Rate::new(per_s, burst).expect("a rate")
}

struct World {
    table: Arc<Table>,
    leases: Arc<Leases>,
    gate: Gate,
    directory: Directory,
}

/// One plan `gold` for `a1/dev`, and routes: 0 open, 1 with limits of method and account, 2 with a
/// key, 3 with a key on a stage that no plan lists.
fn world(throttle: Option<Rate>, quota: Option<Quota>, method: Option<Rate>) -> World {
    let hasher = KeyHasher::new(&[9; 16]);
    let methods = method.map(|rate| MethodRate {
        verb: "GET".to_owned(),
        path: "/pets".to_owned(),
        rate,
    });
    let plan = PlanRecord {
        id: id("gold"),
        throttle,
        quota,
        stages: vec![PlanStage {
            api: "a1".to_owned(),
            stage: "dev".to_owned(),
            methods: methods.into_iter().collect(),
        }],
    };
    let key = |name: &str, value: &[u8], enabled, plans: &[&str]| KeyRecord {
        id: id(name),
        tag: hasher.tag(value).expect("a tag"),
        enabled,
        plans: plans.iter().map(|plan| id(plan)).collect(),
    };
    let keys = [
        key("k1", KEY, true, &["gold"]),
        key("k2", OFF, false, &["gold"]),
        key("k3", LONE, true, &[]),
    ];
    let directory = Directory::build(hasher.clone(), &[plan], keys).expect("a directory");
    let table = Arc::new(Table::private(64, [3, 4]).expect("a table"));
    let leases = Arc::new(Leases::default());
    let row = |level, per_s, burst| RouteRate {
        level,
        limit: Limit::new(rate(per_s, burst)).expect("a limit"),
        identity: Identity::single(level, &[1]),
    };
    let route = |stage: &str, needs_key, rates: Vec<RouteRate>| RouteLimits {
        stage: stage_tag("a1", stage),
        method: method_tag("GET", "/pets"),
        needs_key,
        rates: rates.into(),
    };
    let routes = [
        route("dev", false, vec![]),
        route(
            "dev",
            false,
            vec![row(Level::Method, 1.0, 2), row(Level::Account, 1.0, 3)],
        ),
        route("dev", true, vec![row(Level::Account, 1.0, 3)]),
        route("prod", true, vec![]),
    ];
    let gate = Gate::new(&table, &leases, routes.iter()).expect("a gate");
    World {
        table,
        leases,
        gate,
        directory,
    }
}

impl World {
    fn ask(&self, route: usize, key: Option<&[u8]>, now: Mono) -> Result<Passed, Refusal> {
        let caller = Caller {
            route,
            client: None,
            key,
            now,
            wall: WALL,
            tells: true,
        };
        self.gate.pass(&self.directory, &caller)
    }
}

#[test]
fn a_key_must_be_valid_where_one_is_needed() {
    let world = world(None, None, None);
    let rows: [(usize, Option<&[u8]>, Result<Option<Id>, Refusal>); 8] = [
        (0, None, Ok(None)),
        (0, Some(b"nobody's"), Ok(None)),
        (2, None, Err(Refusal::Forbidden)),
        (2, Some(b"nobody's"), Err(Refusal::Forbidden)),
        (2, Some(OFF), Err(Refusal::Forbidden)),
        (2, Some(LONE), Err(Refusal::Forbidden)),
        (3, Some(KEY), Err(Refusal::Forbidden)),
        (2, Some(KEY), Ok(Some(id("k1")))),
    ];
    for (route, key, expected) in rows {
        let got = world.ask(route, key, NOW).map(|passed| passed.key);
        assert_eq!(got, expected, "{route} {key:?}");
    }
    for _ in 0..2 {
        assert!(
            world.ask(2, Some(KEY), NOW).is_ok(),
            "refusals cost no token"
        );
    }
    let refused = world
        .ask(2, None, NOW)
        .expect_err("the account's bucket is empty");
    assert!(
        matches!(refused, Refusal::Throttled { at: Some(at), .. } if at.level == Level::Account)
    );
}

#[test]
fn the_level_that_is_empty_is_named_and_the_others_keep_their_tokens() {
    let world = world(Some(rate(1.0, 2)), None, Some(rate(1.0, 1)));
    let first = world.ask(2, Some(KEY), NOW).expect("passes");
    let tightest = first.tightest.expect("limits");
    assert_eq!((tightest.level, tightest.left), (Level::UsageMethod, 0));
    for _ in 0..5 {
        let refused = world.ask(2, Some(KEY), NOW).expect_err("refused");
        let Refusal::Throttled { at: Some(at), key } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((at.level, at.wait_ns), (Level::UsageMethod, 1_000_000_000));
        assert_eq!(key, Some(id("k1")));
    }
    let later = Mono(NOW.0 + 1_000_000_000);
    let passed = world.ask(2, Some(KEY), later).expect("passes");
    assert_eq!(passed.key, Some(id("k1")));
    for _ in 0..2 {
        assert!(world.ask(1, None, later).is_ok());
    }
    let refused = world.ask(1, None, later).expect_err("refused");
    assert!(
        matches!(refused, Refusal::Throttled { at: Some(at), .. } if at.level == Level::Method)
    );
}

/// A quota that is counted in memory.
struct Ledger {
    left: u64,
    granted: u64,
}

impl LeaseSource for Ledger {
    fn lease(&mut self, wishes: &[Wish], answers: &mut [u32]) -> Result<(), String> {
        for (wish, answer) in wishes.iter().zip(answers) {
            let count = self.left.min(u64::from(wish.quota.lease()));
            self.left -= count;
            self.granted += count;
            *answer = u32::try_from(count).expect("a lease");
        }
        Ok(())
    }
}

#[test]
fn a_quota_is_spent_to_its_last_request_and_no_further() {
    for limit in [1, 7, 400, 1_234] {
        let quota = Quota::new(limit, 0, Period::Month).expect("a quota");
        let world = world(None, Some(quota), None);
        let mut ledger = Ledger {
            left: limit,
            granted: 0,
        };
        let mut passed = 0;
        for second in 0..2_000_u64 {
            let now = Mono(NOW.0 + second * 1_000_000_000);
            let mut got = world.ask(2, Some(KEY), now);
            if got == Err(Refusal::Awaits) {
                world
                    .leases
                    .serve(&world.table, &mut ledger)
                    .expect("served");
                got = world.ask(2, Some(KEY), now);
            }
            match got {
                Ok(_) => passed += 1,
                Err(Refusal::QuotaExceeded { key, wait_ms }) => {
                    assert_eq!(key, id("k1"));
                    assert!(wait_ms > 0);
                    break;
                }
                Err(other) => panic!("{limit} {second}: {other:?}"),
            }
            if world.leases.is_wanted() && second % 3 == 0 {
                world
                    .leases
                    .serve(&world.table, &mut ledger)
                    .expect("served");
            }
        }
        assert_eq!((passed, ledger.granted), (limit, limit));
    }
}

#[test]
fn a_throttled_request_costs_no_quota() {
    let quota = Quota::new(400, 0, Period::Day).expect("a quota");
    let world = world(Some(rate(1.0, 2)), Some(quota), None);
    let mut ledger = Ledger {
        left: 400,
        granted: 0,
    };
    assert_eq!(world.ask(2, Some(KEY), NOW), Err(Refusal::Awaits));
    world
        .leases
        .serve(&world.table, &mut ledger)
        .expect("served");
    for _ in 0..2 {
        assert!(
            world.ask(2, Some(KEY), NOW).is_ok(),
            "awaiting cost no token"
        );
    }
    for _ in 0..5 {
        let got = world.ask(2, Some(KEY), NOW);
        assert!(matches!(got, Err(Refusal::Throttled { .. })), "{got:?}");
    }
    let plan = world.directory.plans().iter().next().expect("a plan");
    let place = world
        .table
        .known_place(plan.identity(id("k1")))
        .expect("a place");
    let left = world
        .leases
        .unspent(&world.table, place, quota.window(WALL));
    assert_eq!((ledger.granted, left), (4, 2));
}
