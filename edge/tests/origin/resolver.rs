//! Names of endpoints over a real ring: servers on loopback, from silent to truncated.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use crate::{
    name_server::NameServer,
    origins::{core, endpoint, group, shut_down, until},
};
use tidegate_edge::{
    exec::Core,
    origin::{
        GroupState, PlanStates, Resolver, ResolverConfig,
        report::{EndpointReport, describe},
    },
};

const PORT: u16 = 8080;

fn config(servers: &[SocketAddr]) -> ResolverConfig {
    ResolverConfig {
        servers: servers.into(),
        timeout_ms: 80,
        attempts: 1,
        ..ResolverConfig::default()
    }
}

fn named(names: &[&str]) -> (PlanStates, Arc<GroupState>) {
    let endpoints = names.iter().map(|name| endpoint(name, PORT)).collect();
    let (origins, state) = group(endpoints, None, &[]);
    ((origins, vec![Arc::clone(&state)]), state)
}

/// The addresses of one endpoint, in their order; all have the plan's port.
fn addresses(state: &GroupState, endpoint: usize) -> Vec<String> {
    let addresses = state.endpoints[endpoint].addresses();
    assert!(addresses.iter().all(|address| address.port() == PORT));
    addresses.iter().map(|a| a.ip().to_string()).collect()
}

fn start(core: &Rc<Core>, config: ResolverConfig, name: &str) -> (Rc<Resolver>, Arc<GroupState>) {
    let resolver = Resolver::new(core, config, "", "");
    let (plan, state) = named(&[name]);
    resolver.watch(&[plan]);
    (resolver, state)
}

struct Scenario {
    row: &'static str,
    resolv: &'static str,
    name: &'static str,
    /// One zone per server, in the order to ask; without rows nobody is there.
    zones: &'static [&'static [&'static str]],
    addresses: &'static [&'static str],
    /// What each server is asked, sorted.
    asked: &'static [&'static [&'static str]],
}

const DEFAULTS: Scenario = Scenario {
    row: "",
    resolv: "",
    name: "a.test",
    zones: &[],
    addresses: &[],
    asked: &[],
};

const BOTH: &[&str] = &["udp A a.test", "udp AAAA a.test"];

const SCENARIOS: &[Scenario] = &[
    Scenario {
        row: "both families by turns",
        zones: &[&[
            "a.test A 192.0.2.1",
            "a.test A 192.0.2.2",
            "a.test AAAA ::1",
        ]],
        addresses: &["192.0.2.1", "::1", "192.0.2.2"],
        asked: &[BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "no such name",
        zones: &[&["b.test A 192.0.2.1"]],
        asked: &[BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "no address",
        zones: &[&["a.test EMPTY"]],
        asked: &[BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "one family alone",
        zones: &[&["a.test AAAA ::1"]],
        addresses: &["::1"],
        asked: &[BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "one family is silent",
        zones: &[&["a.test A 192.0.2.1", "a.test SILENT AAAA"]],
        addresses: &["192.0.2.1"],
        asked: &[BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "silent, then the second server",
        zones: &[&["a.test SILENT"], &["a.test A 192.0.2.1"]],
        addresses: &["192.0.2.1"],
        asked: &[BOTH, BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "failing, then the second server",
        zones: &[&["a.test SERVFAIL"], &["a.test A 192.0.2.1"]],
        addresses: &["192.0.2.1"],
        asked: &[BOTH, BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "nobody there, then the second server",
        zones: &[&[], &["a.test A 192.0.2.1"]],
        addresses: &["192.0.2.1"],
        asked: &[&[], BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "the second server is not asked after a denial",
        zones: &[&["b.test EMPTY"], &["a.test A 192.0.2.1"]],
        asked: &[BOTH, &[]],
        ..DEFAULTS
    },
    Scenario {
        row: "truncated, then TCP",
        zones: &[&["a.test TC A", "a.test A 192.0.2.1"]],
        addresses: &["192.0.2.1"],
        asked: &[&["tcp A a.test", "udp A a.test", "udp AAAA a.test"]],
        ..DEFAULTS
    },
    Scenario {
        row: "TCP at once",
        resolv: "options use-vc",
        zones: &[&["a.test A 192.0.2.1"]],
        addresses: &["192.0.2.1"],
        asked: &[&["tcp A a.test", "tcp AAAA a.test"]],
        ..DEFAULTS
    },
    Scenario {
        row: "a server from before EDNS",
        zones: &[&["a.test NOEDNS A", "a.test A 192.0.2.1"]],
        addresses: &["192.0.2.1"],
        asked: &[&["udp A a.test", "udp A a.test", "udp AAAA a.test"]],
        ..DEFAULTS
    },
    Scenario {
        row: "a guessed answer comes first",
        zones: &[&["a.test GUESSED", "a.test A 192.0.2.1"]],
        addresses: &["192.0.2.1"],
        asked: &[BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "aliases",
        zones: &[&[
            "a.test CNAME b.test",
            "b.test CNAME c.test",
            "c.test A 192.0.2.1",
        ]],
        addresses: &["192.0.2.1"],
        asked: &[BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "a short name: the second search domain has it",
        resolv: "search x.test y.test",
        name: "db",
        zones: &[&["db.y.test A 192.0.2.1"]],
        addresses: &["192.0.2.1"],
        asked: &[&[
            "udp A db.x.test",
            "udp A db.y.test",
            "udp AAAA db.x.test",
            "udp AAAA db.y.test",
        ]],
    },
    Scenario {
        row: "enough dots: as written first",
        resolv: "search x.test\noptions ndots:1",
        zones: &[&["a.test A 192.0.2.1", "a.test.x.test A 192.0.2.9"]],
        addresses: &["192.0.2.1"],
        asked: &[BOTH],
        ..DEFAULTS
    },
    Scenario {
        row: "a silent candidate is not passed over",
        resolv: "search x.test y.test",
        name: "db",
        zones: &[&["db.x.test SILENT", "db.y.test A 192.0.2.9"]],
        asked: &[&["udp A db.x.test", "udp AAAA db.x.test"]],
        ..DEFAULTS
    },
    Scenario {
        row: "localhost asks nobody",
        name: "localhost",
        zones: &[&["localhost A 192.0.2.9"]],
        addresses: &["127.0.0.1", "::1"],
        asked: &[&[]],
        ..DEFAULTS
    },
    Scenario {
        row: "the hosts file asks nobody",
        name: "in-hosts",
        zones: &[&["in-hosts A 192.0.2.9"]],
        addresses: &["192.0.2.77"],
        asked: &[&[]],
        ..DEFAULTS
    },
];

#[test]
fn names_get_the_addresses_that_servers_say() {
    let core = core();
    for scenario in SCENARIOS {
        let servers: Vec<Option<NameServer>> = scenario
            .zones
            .iter()
            .map(|zone| (!zone.is_empty()).then(|| NameServer::start(zone)))
            .collect();
        let list: Vec<SocketAddr> = servers
            .iter()
            .map(|server| match server {
                Some(server) => server.address,
                None => NameServer::dead(),
            })
            .collect();
        let hosts = "192.0.2.77 in-hosts";
        let resolver = Resolver::new(&core, config(&list), hosts, scenario.resolv);
        let (plan, state) = named(&[scenario.name]);
        resolver.watch(&[plan]);
        let seen = || {
            let asked = servers.iter().map(|server| match server {
                Some(server) => server.asked(),
                None => Vec::new(),
            });
            (addresses(&state, 0), asked.collect::<Vec<_>>())
        };
        let expected = {
            let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
            let asked = scenario.asked.iter().map(|asked| owned(asked)).collect();
            (owned(scenario.addresses), asked)
        };
        // With no socket left every question has ended, one way or the other.
        until(&core, 2_000, || {
            seen() == expected && core.sockets_open() == 0
        });
        assert_eq!(seen(), expected, "{}", scenario.row);
        until(&core, 20, || false);
        assert_eq!(seen(), expected, "{}: and it stays so", scenario.row);
    }
    shut_down(&core);
}

#[test]
fn addresses_are_renewed_by_ttl_and_are_never_away_meanwhile() {
    let core = core();
    let server = NameServer::start(&["a.test A 192.0.2.1 0"]);
    let config = ResolverConfig {
        ttl_ms_min: 300,
        ..config(&[server.address])
    };
    let (_resolver, state) = start(&core, config, "a.test");
    assert!(until(&core, 1_000, || !addresses(&state, 0).is_empty()));
    server.set_zone(&["a.test A 192.0.2.2 0"]);
    let mut gone = false;
    let mut renewed = || {
        let now = addresses(&state, 0);
        gone |= now.is_empty();
        now == ["192.0.2.2"]
    };
    assert!(!until(&core, 150, &mut renewed), "the TTL holds");
    assert!(until(&core, 1_000, &mut renewed), "the TTL ends");
    assert!(!gone);
    let before = server.asked().len();
    until(&core, 600, || false);
    let asked = server.asked().len() - before;
    assert!((1..=3).contains(&asked), "A alone, every 270 ms: {asked}");
    shut_down(&core);
}

#[test]
fn addresses_outlive_silent_servers_but_not_a_denial() {
    let core = core();
    let server = NameServer::start(&["a.test A 192.0.2.1 0"]);
    let config = ResolverConfig {
        ttl_ms_min: 50,
        retry_ms: 50,
        ..config(&[server.address])
    };
    let (resolver, state) = start(&core, config, "a.test");
    let is = |expected: &[&str]| addresses(&state, 0) == expected;
    assert!(until(&core, 1_000, || is(&["192.0.2.1"])));
    server.set_zone(&["a.test SILENT"]);
    assert!(until(&core, 2_000, || resolver.figures().failed >= 4));
    assert!(is(&["192.0.2.1"]), "kept while nobody answers");
    server.set_zone(&["a.test A 192.0.2.2 0"]);
    assert!(until(&core, 2_000, || is(&["192.0.2.2"])), "asked again");
    server.set_zone(&[]);
    assert!(until(&core, 2_000, || is(&[])), "denied");
    shut_down(&core);
}

#[test]
fn a_family_that_answers_does_not_wait_for_one_that_is_silent() {
    let core = core();
    let server = NameServer::start(&["a.test A 192.0.2.1", "a.test SILENT AAAA"]);
    let config = ResolverConfig {
        timeout_ms: 5_000,
        ..config(&[server.address])
    };
    let (_resolver, state) = start(&core, config, "a.test");
    assert!(until(&core, 1_000, || addresses(&state, 0) == ["192.0.2.1"]));
    shut_down(&core);
}

#[test]
fn a_name_is_asked_for_once_and_given_up_with_its_plan() {
    let core = core();
    let zone = ["db.x.test A 192.0.2.1", "slow.test SILENT"];
    let server = NameServer::start(&zone);
    let config = ResolverConfig {
        timeout_ms: 60_000,
        ..config(&[server.address])
    };
    let resolver = Resolver::new(&core, config, "", "search x.test");
    // The short name, the same written out, and each of them twice: one question a family.
    let (first, state) = named(&["db", "db.x.test", "db", "db.x.test", "slow.test"]);
    resolver.watch(&[first.clone(), first.clone()]);
    assert_eq!(resolver.names_count(), 3);
    let resolved = |state: &GroupState, count: usize| {
        (0..count).all(|endpoint| addresses(state, endpoint) == ["192.0.2.1"])
    };
    assert!(until(&core, 1_000, || resolved(&state, 4)));
    let of_db = |asked: Vec<String>| asked.iter().filter(|row| row.contains("db")).count();
    assert_eq!(of_db(server.asked()), 2, "{:?}", server.asked());

    let (second, state) = named(&["db", "db.x.test"]);
    resolver.watch(&[second]);
    assert!(resolved(&state, 2), "what is known is known at once");
    assert!(
        until(&core, 1_000, || core.sockets_open() == 0),
        "slow.test was given up, its sockets with it"
    );
    resolver.set_files("192.0.2.5 db", "search x.test");
    let by_hosts = || addresses(&state, 0) == ["192.0.2.5"];
    assert!(until(&core, 1_000, by_hosts), "the hosts file has changed");
    drop(resolver);
    assert!(until(&core, 1_000, || core.tasks_count() <= 1), "only ours");
    shut_down(&core);
}

#[test]
fn a_report_says_what_is_configured_and_how_it_is() {
    let core = core();
    until(&core, 1, || false);
    let ((origins, states), state) = named(&["a.test", "127.0.0.1"]);
    let now = core.now();
    state.endpoints[0].set_drained(true);
    state.endpoints[1].set_healthy(false);
    for _ in 0..5 {
        state.record_failure(1, origins[0].ejection, now);
    }
    state.record_failure(1, origins[0].ejection, now);
    let report = describe(&origins[0], &states[0], now.plus_ms(1_000));
    let row = |authority: &str| EndpointReport {
        origin: "group".to_owned(),
        region: "here".to_owned(),
        authority: authority.to_owned(),
        addresses: Vec::new(),
        priority: 0,
        weight: 1,
        healthy: true,
        drained: true,
        ejected_for_ms: 0,
        failures: 0,
    };
    let expected = vec![
        row("a.test:8080"),
        EndpointReport {
            addresses: vec![SocketAddr::from(([127, 0, 0, 1], PORT))],
            healthy: false,
            drained: false,
            ejected_for_ms: 29_000,
            failures: 1,
            ..row("127.0.0.1:8080")
        },
    ];
    assert_eq!(report, expected);
    let text = serde_json::to_string(&report).expect("JSON");
    let back: Vec<EndpointReport> = serde_json::from_str(&text).expect("a report");
    assert_eq!(back, expected);
}
