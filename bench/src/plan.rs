//! What: plans at the size of a host with a thousand APIs: a request's route, the compilation, and
//!   what a swap under load costs requests.
//! Shape: routes and compilation in this process; then a gateway serves the same from files, is told
//!   to reload again and again, and a closed loop of requests notes its slowest answers, with and
//!   without reloads.
//! Units: nanoseconds a look-up, milliseconds for the rest.
//! Errors: `io::Error` when a plan does not compile or the gateway does not answer.
//! Source: docs/performance.md says what the figures mean.

use std::fs;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Command};
use serde_json::{Map, Value, json};
use tidegate_edge::model::api::{
    Api, Integration, IntegrationKind, IntegrationResponse, Method, Resource, Template, Verb,
};
use tidegate_edge::model::settings::Settings;
use tidegate_edge::plan::{Compiled, Resolution, compile};
use tidegate_edge::route::{Params, Verb as Asked};

use crate::arguments::{self, count, folder, number};
use crate::cpu::ending_with_us;
use crate::process::{build_gateway, free_address};

/// What to measure.
struct Options {
    apis: u32,
    routes: u32,
    rounds: u32,
    swaps: u32,
    folder: PathBuf,
    /// Instead of building one.
    gateway: Option<PathBuf>,
}

/// The parser.
pub(crate) fn command() -> Command {
    Command::new("plan")
        .about("Routes, compilation and swaps of plans with many APIs")
        .arg(count("apis", "1000", "APIs"))
        .arg(count("routes", "100", "Routes of each"))
        .arg(count("rounds", "5", "Rounds of routing and compiling"))
        .arg(count("swaps", "5", "Reloads under load"))
        .arg(folder())
        .arg(arguments::gateway())
}

/// Measures and prints.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    let options = Options {
        apis: number(matches, "apis"),
        routes: number(matches, "routes"),
        rounds: number(matches, "rounds"),
        swaps: number(matches, "swaps"),
        folder: arguments::folder_of(matches),
        gateway: arguments::path(matches, "gateway"),
    };
    for _ in 0..options.rounds {
        println!("{:<28}{:>10.1} ns", "route in 300 resources", route()?);
    }
    for _ in 0..options.rounds {
        let ms = compiled(&options)?;
        println!("{:<28}{ms:>10.0} ms", "compilation");
    }
    swapped(&options)?;
    Ok(true)
}

/// Nanoseconds to the route of one request.
fn route() -> io::Result<f64> {
    const LOOKUPS: u32 = 2_000_000;
    let resources = (0..30u32).flat_map(|collection| {
        let below = [
            "",
            "/search",
            "/{id}",
            "/{id}/status",
            "/{id}/history",
            "/{id}/items",
        ];
        let deep = [
            "/{id}/items/{item}",
            "/{id}/items/{item}/price",
            "/{id}/notes",
            "/{id}/f/{f+}",
        ];
        let all = below.into_iter().chain(deep);
        all.map(move |path| resource(format!("/collection{collection:02}{path}")))
    });
    let api = Api {
        id: "bench".to_owned(),
        resources: resources.collect(),
        ..Api::default()
    };
    let plan = plan(json!({ "apis": [{ "document": "a" }] }), &[api])?.plan;
    let paths: [&[u8]; 4] = [
        b"/dev/collection17/4711",
        b"/dev/collection03/search",
        b"/dev/collection29/4711/items/12/price",
        b"/dev/collection11/4711/f/2026/11/report.pdf",
    ];
    let host = b"bench.execute-api.localhost";
    let mut params = Params::new();
    let started = Instant::now();
    for path in paths.iter().cycle().take(LOOKUPS as usize) {
        let found = plan.resolve(black_box(host), black_box(path), Asked::Get, &mut params);
        if !matches!(black_box(found), Resolution::Route { .. }) {
            return Err(io::Error::other(format!("{found:?}")));
        }
    }
    let ns = started.elapsed().as_secs_f64() * 1e9;
    Ok(ns / f64::from(LOOKUPS))
}

/// Milliseconds to compile all APIs.
fn compiled(options: &Options) -> io::Result<f64> {
    let apis: Vec<Api> = (0..options.apis)
        .map(|number| Api {
            id: format!("api{number:06}"),
            name: format!("API {number}"),
            resources: (0..options.routes)
                .map(|route| resource(path_of(route)))
                .collect(),
            ..Api::default()
        })
        .collect();
    let sources =
        (0..options.apis).map(|number| json!({ "document": "a", "stage": format!("s{number}") }));
    let settings = json!({ "apis": sources.collect::<Vec<_>>() });
    let started = Instant::now();
    let compiled = plan(settings, &apis)?;
    let ms = started.elapsed().as_secs_f64() * 1e3;
    let routes = compiled.plan.routes.len();
    let expected = (options.apis as usize) * (options.routes as usize);
    if routes != expected {
        return Err(io::Error::other(format!("{routes} routes of {expected}")));
    }
    Ok(ms)
}

fn plan(settings: Value, apis: &[Api]) -> io::Result<Compiled> {
    let settings: Settings = serde_json::from_value(settings).map_err(io::Error::other)?;
    let compiled = compile(&settings, apis, 1);
    compiled.map_err(|findings| io::Error::other(format!("{findings:?}")))
}

fn path_of(route: u32) -> String {
    format!("/group{:02}/item{route}/{{id}}", route / 10)
}

fn resource(path: String) -> Resource {
    let template = |text: &str| Template {
        content_type: "application/json".to_owned(),
        text: text.to_owned(),
        pointer: "/t".to_owned(),
    };
    let integration = Integration {
        request_templates: vec![template("{\"statusCode\": 200}")],
        responses: vec![IntegrationResponse {
            pointer: "/r".to_owned(),
            selection_pattern: None,
            status: 200,
            content_handling: None,
            parameters: Vec::new(),
            templates: vec![template("{}")],
        }],
        ..Integration::new(IntegrationKind::Mock, "/i")
    };
    Resource {
        pointer: format!("/paths{path}"),
        path,
        methods: vec![Method::new(Verb::Get, "/get", integration)],
    }
}

/// A gateway as a child process, ended when dropped.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill(); // gone already is as good
        let _ = self.0.wait();
    }
}

/// Serves all APIs from files, and swaps their plan under load.
fn swapped(options: &Options) -> io::Result<()> {
    let given = options.gateway.as_ref();
    let binary = given.map_or_else(build_gateway, |path| path.canonicalize())?;
    let directory = tempfile::tempdir_in(&options.folder)?;
    let address = free_address()?;
    write_files(options, address, directory.path())?;
    let messages = fs::File::create(directory.path().join("messages.txt"))?;
    let started = Instant::now();
    let mut program = Program::new(&binary);
    program
        .args(["run", "--config", "tidegate.toml"])
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(messages);
    let _gateway = Gateway(ending_with_us(&mut program).spawn()?);
    while TcpStream::connect(address).is_err() {
        if started.elapsed() > READY_WITHIN {
            return Err(io::Error::other("the gateway does not answer"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    let ms = started.elapsed().as_secs_f64() * 1e3;
    println!("{:<28}{ms:>10.0} ms", "start, from files");
    let socket = directory.path().join("admin.sock");
    let quiet = under_load(address, || {
        thread::sleep(QUIET);
        Ok(())
    })?;
    quiet.print("without a swap");
    for _ in 0..options.swaps {
        let mut took_ms = 0.0;
        let seen = under_load(address, || {
            let started = Instant::now();
            reload(&socket)?;
            took_ms = started.elapsed().as_secs_f64() * 1e3;
            thread::sleep(BEHIND); // the old plan is let go of
            Ok(())
        })?;
        println!("{:<28}{took_ms:>10.0} ms", "reload, from files");
        seen.print("with it");
    }
    Ok(())
}

/// What a client saw.
struct Seen {
    requests: u64,
    slowest_ms: f64,
    slow: u64,
}

impl Seen {
    fn print(&self, what: &str) {
        println!(
            "{what:<28}{:>10.2} ms the slowest of {}, {} above {SLOW_MS} ms",
            self.slowest_ms, self.requests, self.slow
        );
    }
}

/// Does `work` while one client asks, one request after the other.
fn under_load(address: SocketAddr, work: impl FnOnce() -> io::Result<()>) -> io::Result<Seen> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| ask(address, &stop));
        let done = work();
        stop.store(true, Ordering::Relaxed);
        let seen = client
            .join()
            .map_err(|_| io::Error::other("the client has failed"))?;
        done.and(seen)
    })
}

fn ask(address: SocketAddr, stop: &AtomicBool) -> io::Result<Seen> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let request = "GET /s0/group00/item7/1 HTTP/1.1\r\nHost: any\r\n\r\n";
    let mut seen = Seen {
        requests: 0,
        slowest_ms: 0.0,
        slow: 0,
    };
    let mut part = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        stream.write_all(request.as_bytes())?;
        let count = stream.read(&mut part)?;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        if !part[..count].starts_with(b"HTTP/1.1 200") {
            let said = String::from_utf8_lossy(&part[..count]).into_owned();
            return Err(io::Error::other(format!("it answered {said:?}")));
        }
        seen.requests += 1;
        seen.slowest_ms = seen.slowest_ms.max(ms);
        seen.slow += u64::from(ms > SLOW_MS);
    }
    Ok(seen)
}

fn reload(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"POST /reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(io::Error::other(answer))
    }
}

fn write_files(options: &Options, address: SocketAddr, directory: &Path) -> io::Result<()> {
    let mut paths = Map::new();
    for route in 0..options.routes {
        let operation = json!({
            "parameters": [{ "name": "id", "in": "path", "required": true,
                             "schema": { "type": "string" } }],
            "x-amazon-apigateway-integration": {
                "type": "mock",
                "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
                "responses": { "default": { "statusCode": "200",
                               "responseTemplates": { "application/json": "{}" } } },
            },
        });
        paths.insert(path_of(route), json!({ "get": operation }));
    }
    let document = json!({ "openapi": "3.0.1", "info": { "title": "t", "version": "1" },
                           "paths": paths });
    fs::write(directory.join("api.json"), document.to_string())?;
    let mut config = format!(
        "[server]\nworkers = 1\n[limits]\nrequests_per_connection_max = 0\n[admin]\nsocket = \
         \"admin.sock\"\n[process]\ntrial_ms = 0\n[[listen]]\naddress = \"{address}\"\n"
    );
    for number in 0..options.apis {
        config += &format!(
            "[[apis]]\ndocument = \"api.json\"\nid = \"api{number:06}\"\nstage = \"s{number}\"\n"
        );
    }
    fs::write(directory.join("tidegate.toml"), config)
}

const SLOW_MS: f64 = 5.0;
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Without a swap.
const QUIET: Duration = Duration::from_secs(3);
/// Behind a swap.
const BEHIND: Duration = Duration::from_millis(500);
