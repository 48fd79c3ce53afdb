//! What: the floor bench: CPU per request of the gateway beside a relay that parses nothing.
//! Shape: a table of servers, a table of ratios between them, a table of cases that name what a
//!   person asks for. All servers of a run live at once, on one processor; each round loads every
//!   one of them in turn, so that a ratio compares neighbours in time.
//! Units: seconds of load, microseconds of CPU per request.
//! Errors: a server that does not start fails its cases only; the run goes on and ends with 1.
//! Source: docs/performance.md.

mod options;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ArgMatches;

use self::options::Options;
pub(crate) use self::options::command;
use crate::certificate::Certificate;
use crate::cpu::{Cpus, used};
use crate::gateway::{Integration, Throttle};
use crate::process::{Server, build_gateway};
use crate::report::{Ratio, Report, Sample};
use crate::ring::Sizes;
use crate::wrk::{Traffic, Wrk};
use crate::{gateway, host, idle, peers};

/// Measures; false if something asked for could not be.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    let options = Options::read(matches);
    if cfg!(debug_assertions) {
        eprintln!("this bench is a debug build: its relay is not the floor; use --release");
    }
    let host = host::describe();
    let directory = tempfile::Builder::new()
        .prefix("tidegate-bench.")
        .tempdir()?;
    let mut bench = Bench {
        cpus: Cpus::choose()?,
        certificate: Certificate::generate(directory.path())?,
        directory: directory.path(),
        origins: Vec::new(),
        gateway: None,
        report: Report::default(),
        options: &options,
    };
    if let Some(name) = &options.perf {
        return bench.profile(name).map(|()| true);
    }
    bench.measure_costs()?;
    if bench.has_case("idle") {
        bench.measure_idle()?;
    }
    bench.report.print(&RATIOS);
    if let Some(path) = &options.json {
        bench.report.write_json(&RATIOS, host, path)?;
    }
    Ok(bench.report.is_complete())
}

struct Bench<'a> {
    cpus: Cpus,
    certificate: Certificate,
    directory: &'a Path,
    origins: Vec<(Answer, Server)>,
    gateway: Option<PathBuf>,
    report: Report,
    options: &'a Options,
}

impl Bench<'_> {
    fn measure_costs(&mut self) -> io::Result<()> {
        let mut contestants = Vec::new();
        for role in &ROLES {
            if !self.wants(role) {
                continue;
            }
            let wrk = self.wrk(role)?;
            match self.start(role) {
                Ok(server) => contestants.push((role, wrk, server)),
                Err(error) => self.report.fail(format!("{}: {error}", role.name)),
            }
        }
        contestants.retain(|(role, wrk, server)| {
            let warm = wrk.run(role.name, role.tls, server.address, WARM_SECONDS);
            warm.inspect_err(|error| self.report.fail(error.to_string()))
                .is_ok()
        });
        for round in 1..=self.options.rounds {
            for (role, wrk, server) in &contestants {
                match sample(wrk, role, server, self.options.seconds) {
                    Ok(sample) => {
                        println!("round {round}  {:<14}{sample}", role.name);
                        self.report.add(role.name, round, sample);
                    }
                    Err(error) => self.report.fail(format!("round {round}: {error}")),
                }
            }
        }
        Ok(())
    }

    /// Fresh servers: what load has grown in the others must not hide what a connection takes.
    fn measure_idle(&mut self) -> io::Result<()> {
        let tls = self.certificate.client_config()?;
        for (figure, role_name) in IDLE_FIGURES {
            let role = role(role_name)?;
            if role.kind == Kind::Nginx && self.options.peers.is_empty() {
                continue;
            }
            let measured = self.start(role).and_then(|server| {
                let tls = role.tls.then_some(&tls);
                let connections = self.options.idle_connections;
                idle::measure(server.address, server.pid(), tls, connections)
            });
            match measured {
                Ok(bytes) => self.report.add_idle(figure, bytes),
                Err(error) => self.report.fail(format!("idle {role_name}: {error}")),
            }
        }
        Ok(())
    }

    fn profile(&mut self, name: &str) -> io::Result<()> {
        let role = role(name)?;
        let wrk = self.wrk(role)?;
        let server = self.start(role)?;
        wrk.run(role.name, role.tls, server.address, WARM_SECONDS)?;
        let seconds = self.options.seconds;
        let data = self.directory.join("perf.data");
        let mut record = Command::new("perf");
        record.args(["record", "-q", "-e", "cpu-clock", "-F", "2999", "-g", "-p"]);
        record.arg(server.pid().to_string()).arg("-o").arg(&data);
        record.args(["--", "sleep", &seconds.to_string()]);
        let mut recording = record.spawn().map_err(|error| {
            io::Error::other(format!(
                "perf cannot be run ({error}); apt-get install linux-perf"
            ))
        })?;
        let sampled = sample(&wrk, role, &server, seconds + 1);
        recording.wait()?;
        println!(
            "{}: {:.3} µs per request while profiled",
            role.name, sampled?.cost_us
        );
        let mut report = Command::new("perf");
        report.args([
            "report",
            "--stdio",
            "--no-children",
            "-g",
            "none",
            "--percent-limit",
            "0.4",
        ]);
        report
            .args(["--sort", "symbol", "-i"])
            .arg(&data)
            .status()?;
        Ok(())
    }

    fn wrk(&self, role: &Role) -> io::Result<Wrk> {
        let connections = self.options.connections;
        let traffic = Traffic {
            is_refused: role.throttle == Throttle::Refuses,
            has_key: role.has_key,
            posts_order: role.answer == Answer::Order,
            ..Traffic::default()
        };
        Wrk::new(self.cpus.load, connections, traffic, self.directory)
    }

    fn wants(&self, role: &Role) -> bool {
        if role.kind == Kind::Nginx && !self.options.peers.iter().any(|peer| peer == "nginx") {
            return false;
        }
        role.cases.iter().any(|case| self.has_case(case))
    }

    fn has_case(&self, case: &str) -> bool {
        let cases = &self.options.cases;
        if cases.is_empty() {
            case != "responder"
        } else {
            cases.iter().any(|name| name == case)
        }
    }

    fn start(&mut self, role: &Role) -> io::Result<Server> {
        let cpu = self.cpus.server;
        let tls = role.tls.then_some(());
        let answer = role.answer.arguments();
        let sizes = size_arguments(self.options.sizes);
        let mut arguments: Vec<&str> = sizes.iter().map(String::as_str).collect();
        if role.kind == Kind::Responder {
            arguments.extend(answer.iter().map(String::as_str));
            arguments.insert(0, "responder");
            return Server::own(cpu, role.name, &arguments);
        }
        let origin = self.origin(role.answer)?;
        let directory = self.directory.join(role.name);
        match role.kind {
            Kind::Responder => unreachable!("it has no origin"),
            Kind::Relay => {
                let origin = origin.to_string();
                arguments.splice(0..0, ["relay", "--origin", &origin]);
                let certificate = self.certificate.certificate.display().to_string();
                let key = self.certificate.key.display().to_string();
                if role.tls {
                    arguments.extend(["--certificate", &certificate, "--key", &key]);
                }
                Server::own(cpu, role.name, &arguments)
            }
            Kind::Gateway => {
                let binary = self.gateway_binary()?;
                let tls = tls.map(|()| &self.certificate);
                let setup = gateway::Setup {
                    tls,
                    access_log: role.access_log,
                    cache_mib: role.cached.then_some(gateway::CACHE_MIB),
                    connections_max: None,
                    throttle: role.throttle,
                    integration: role.integration,
                    origin,
                };
                gateway::start(&binary, cpu, role.name, setup, &directory)
            }
            Kind::Nginx => {
                let tls = tls.map(|()| &self.certificate);
                peers::start_nginx(cpu, tls, origin, &directory)
            }
        }
    }

    /// The bench's origin for an answer, started at its first use.
    fn origin(&mut self, answer: Answer) -> io::Result<std::net::SocketAddr> {
        if let Some((_, origin)) = self.origins.iter().find(|(known, _)| *known == answer) {
            return Ok(origin.address);
        }
        let arguments = answer.arguments();
        let mut command = vec!["origin"];
        command.extend(arguments.iter().map(String::as_str));
        let origin = Server::own(self.cpus.load, "origin", &command)?;
        let address = origin.address;
        self.origins.push((answer, origin));
        Ok(address)
    }

    fn gateway_binary(&mut self) -> io::Result<PathBuf> {
        if self.gateway.is_none() {
            let given = self.options.gateway.clone();
            self.gateway = Some(given.map_or_else(build_gateway, |path| path.canonicalize())?);
        }
        Ok(self.gateway.clone().expect("it was just set"))
    }
}

fn sample(wrk: &Wrk, role: &Role, server: &Server, seconds: u32) -> io::Result<Sample> {
    let before = used(server.pid())?;
    let run = wrk.run(role.name, role.tls, server.address, seconds)?;
    let after = used(server.pid())?;
    let (elapsed_us, requests) = (run.elapsed_us as f64, run.requests as f64);
    let run_us = (after.run_ns - before.run_ns) as f64 / 1000.0;
    let waited_us = (after.waited_ns - before.waited_ns) as f64 / 1000.0;
    Ok(Sample {
        cost_us: run_us / requests,
        rate: requests * 1e6 / elapsed_us,
        busy: run_us / elapsed_us,
        disturbed: waited_us / elapsed_us,
    })
}

fn size_arguments(sizes: Sizes) -> [String; 4] {
    [
        "--buffer-bytes".to_owned(),
        sizes.buffer_bytes.to_string(),
        "--buffers".to_owned(),
        sizes.buffers.to_string(),
    ]
}

fn role(name: &str) -> io::Result<&'static Role> {
    ROLES.iter().find(|role| role.name == name).ok_or_else(|| {
        let names: Vec<&str> = ROLES.iter().map(|role| role.name).collect();
        io::Error::other(format!(
            "no server is called {name}; there are {}",
            names.join(", ")
        ))
    })
}

/// One server of a run.
struct Role {
    name: &'static str,
    kind: Kind,
    tls: bool,
    access_log: bool,
    cached: bool,
    throttle: Throttle,
    /// The load sends an API key.
    has_key: bool,
    integration: Integration,
    answer: Answer,
    cases: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Responder,
    Relay,
    Gateway,
    Nginx,
}

/// What the origin answers with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// So many bytes, to requests without a body.
    Bytes(usize),
    /// An order, to requests that post one.
    Order,
}

impl Answer {
    /// The arguments of a command that answers.
    fn arguments(self) -> Vec<String> {
        match self {
            Answer::Bytes(bytes) => vec!["--body-bytes".to_owned(), bytes.to_string()],
            Answer::Order => vec!["--order".to_owned()],
        }
    }
}

const fn role_of(
    name: &'static str,
    kind: Kind,
    answer: Answer,
    cases: &'static [&'static str],
) -> Role {
    Role {
        name,
        kind,
        tls: false,
        access_log: false,
        cached: false,
        throttle: Throttle::Open,
        has_key: false,
        integration: Integration::Proxied,
        answer,
        cases,
    }
}

const SMALL: Answer = Answer::Bytes(128);
const LARGE: Answer = Answer::Bytes(64 * 1024);

/// In the order of a round: what a ratio divides stands close together.
const ROLES: [Role; 21] = [
    role_of(
        "responder",
        Kind::Responder,
        SMALL,
        &["responder", "hit", "hit_log", "hit_tls", "refused"],
    ),
    Role {
        throttle: Throttle::Refuses,
        ..role_of("refused", Kind::Gateway, SMALL, &["refused"])
    },
    Role {
        cached: true,
        ..role_of("hit", Kind::Gateway, SMALL, &["hit"])
    },
    Role {
        cached: true,
        access_log: true,
        ..role_of("hit_log", Kind::Gateway, SMALL, &["hit_log"])
    },
    Role {
        cached: true,
        tls: true,
        ..role_of("hit_tls", Kind::Gateway, SMALL, &["hit_tls"])
    },
    role_of(
        "relay",
        Kind::Relay,
        SMALL,
        &["proxy", "proxy_log", "proxy_tls"],
    ),
    role_of("proxy", Kind::Gateway, SMALL, &["proxy"]),
    Role {
        integration: Integration::Streamed,
        ..role_of("api", Kind::Gateway, SMALL, &["proxy"])
    },
    Role {
        access_log: true,
        ..role_of("proxy_log", Kind::Gateway, SMALL, &["proxy_log"])
    },
    role_of("nginx", Kind::Nginx, SMALL, &["proxy"]),
    // Both are sent the key: the same request, with limits and without.
    Role {
        has_key: true,
        ..role_of("unlimited", Kind::Gateway, SMALL, &["limited"])
    },
    Role {
        has_key: true,
        throttle: Throttle::Keyed,
        ..role_of("limited", Kind::Gateway, SMALL, &["limited"])
    },
    Role {
        tls: true,
        ..role_of("relay_tls", Kind::Relay, SMALL, &["proxy_tls"])
    },
    Role {
        tls: true,
        ..role_of("proxy_tls", Kind::Gateway, SMALL, &["proxy_tls"])
    },
    Role {
        tls: true,
        ..role_of("nginx_tls", Kind::Nginx, SMALL, &["proxy_tls"])
    },
    role_of("relay_64k", Kind::Relay, LARGE, &["proxy_64k"]),
    role_of("proxy_64k", Kind::Gateway, LARGE, &["proxy_64k"]),
    role_of("nginx_64k", Kind::Nginx, LARGE, &["proxy_64k"]),
    Role {
        integration: Integration::Streamed,
        ..role_of("http_proxy", Kind::Gateway, Answer::Order, &["mapped"])
    },
    Role {
        integration: Integration::Passed,
        ..role_of("passed", Kind::Gateway, Answer::Order, &["mapped"])
    },
    Role {
        integration: Integration::Mapped,
        ..role_of("mapped", Kind::Gateway, Answer::Order, &["mapped"])
    },
];

const fn ratio(
    name: &'static str,
    of: &'static str,
    over: &'static str,
    target: Option<f64>,
) -> Ratio {
    Ratio {
        name,
        of,
        over,
        target,
    }
}

const RATIOS: [Ratio; 16] = [
    ratio("hit", "hit", "responder", Some(1.20)),
    ratio("hit_log", "hit_log", "responder", Some(1.40)),
    ratio("hit_tls", "hit_tls", "responder", Some(1.45)),
    ratio("refused", "refused", "responder", Some(1.15)),
    ratio("proxy", "proxy", "relay", Some(1.20)),
    ratio("api", "api", "proxy", None),
    ratio("limited", "limited", "unlimited", Some(1.04)),
    ratio("proxy_log", "proxy_log", "relay", Some(1.32)),
    ratio("proxy_tls", "proxy_tls", "relay_tls", Some(1.35)),
    ratio("proxy_tls_plain_floor", "proxy_tls", "relay", None),
    ratio("proxy_64k", "proxy_64k", "relay_64k", Some(1.15)),
    ratio("mapped", "mapped", "http_proxy", Some(1.60)),
    ratio("passed", "passed", "http_proxy", None),
    ratio("nginx", "nginx", "relay", None),
    ratio("nginx_tls", "nginx_tls", "relay_tls", None),
    ratio("nginx_64k", "nginx_64k", "relay_64k", None),
];

/// Figure and the server that it is taken from.
const IDLE_FIGURES: [(&str, &str); 4] = [
    ("plain", "proxy"),
    ("tls", "proxy_tls"),
    ("nginx_plain", "nginx"),
    ("nginx_tls", "nginx_tls"),
];

const WARM_SECONDS: u32 = 1;
