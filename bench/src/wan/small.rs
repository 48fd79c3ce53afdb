//! What: the smallest version of a scenario, and what the simulator says of it.
//! Shape: a scenario's table is changed to one city, its nearest edge, one region, and one kind of
//!   request on one kind of connection; `tidegate sim` plays it, and its JSON report is read.
//! Units: milliseconds.
//! Errors: `io::Error` with the simulator's own words, or with what its report lacks.
//! Source: docs/simulator.md for scenarios and reports.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value as Report;
use toml::{Table, Value};

use super::case::{Deployment, Distances, Session};
use super::report::Simulated;
use super::world::Process;

/// The simulator, and where it works.
pub(crate) struct Simulator<'a> {
    pub(crate) gateway: &'a Path,
    pub(crate) directory: &'a Path,
    /// Somebody wants it to end.
    pub(crate) stop: &'a AtomicBool,
}

impl Simulator<'_> {
    /// Finds the smallest version of the scenario in `path`: the clients of `city`, or of the largest
    /// one that has an edge nearer than the region.
    pub(crate) fn shrink(
        &self,
        path: &Path,
        city: Option<&str>,
        idle_restart: bool,
    ) -> io::Result<Small> {
        let text = fs::read_to_string(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        let mut table: Table = text.parse().map_err(io::Error::other)?;
        let folder = std::path::absolute(path)?;
        anchor_world(&mut table, folder.parent().unwrap_or(&folder));
        let report = self.play(&survey(&table))?;
        let factor = table
            .get("network")
            .and_then(|network| network.get("backbone")?.get("delay_factor")?.as_float());
        let places =
            Places::choose(&report, city, factor.unwrap_or(1.0)).map_err(io::Error::other)?;
        Ok(Small {
            table,
            places,
            idle_restart,
        })
    }

    /// What each deployment's clients see, in the order of [`Deployment::ALL`], when so many a second
    /// come on new connections.
    pub(crate) fn ask(
        &self,
        small: &Small,
        session: Session,
        body_bytes: u32,
        rate_per_s: f64,
    ) -> io::Result<[Simulated; 3]> {
        let report = self.play(&small.only(session, body_bytes, rate_per_s))?;
        let mut seen = [Simulated {
            p50_ms: 0.0,
            p99_ms: 0.0,
        }; Deployment::ALL.len()];
        for (deployment, seen) in Deployment::ALL.into_iter().zip(&mut seen) {
            let overall = &deployment_of(&report, deployment)?["overall"];
            let of = |name: &str| overall[name].as_u64();
            if of("errors") != Some(0) || of("good") != of("requests") {
                let name = deployment.name();
                return Err(odd(&format!("{name}: not every request was answered well")));
            }
            let ms = |name: &str| number(&overall["latency"], name);
            *seen = Simulated {
                p50_ms: ms("p50_ms")?,
                p99_ms: ms("p99_ms")?,
            };
        }
        Ok(seen)
    }

    fn play(&self, scenario: &Table) -> io::Result<Report> {
        let (file, json) = (self.file("small.toml"), self.file("small.json"));
        let text = toml::to_string(scenario).map_err(io::Error::other)?;
        fs::write(&file, text)?;
        let words = fs::File::create(self.file("small.txt"))?;
        let child = Command::new(self.gateway)
            .args(["sim", "--quiet"])
            .arg(&file)
            .arg("--json")
            .arg(&json)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words)
            .spawn()?;
        let mut process = Process::of("tidegate sim", child);
        let started = Instant::now();
        while process.is_running()? {
            let is_late = started.elapsed() > PLAY_WITHIN;
            if is_late || self.stop.load(Ordering::Relaxed) {
                let why = if is_late {
                    "it does not end"
                } else {
                    "ended by a signal"
                };
                return Err(io::Error::other(format!("tidegate sim: {why}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        if !process.child.wait()?.success() {
            let words = fs::read_to_string(self.file("small.txt"))?;
            return Err(io::Error::other(format!("tidegate sim: {}", words.trim())));
        }
        serde_json::from_slice(&fs::read(&json)?).map_err(io::Error::other)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// A scenario, and the places that are left of it.
pub(crate) struct Small {
    table: Table,
    places: Places,
    /// TCP takes a connection that rests for idle.
    idle_restart: bool,
}

impl Small {
    /// Round trips between them.
    pub(crate) fn distances(&self) -> Distances {
        self.places.distances
    }

    /// For people.
    pub(crate) fn title(&self) -> String {
        let Places {
            city, edge, region, ..
        } = &self.places;
        format!("clients in {city}, edge in {edge}, region in {region}")
    }

    /// The scenario with nothing in it but this, and nothing left to chance but arrivals.
    fn only(&self, session: Session, body_bytes: u32, rate_per_s: f64) -> Table {
        let Places {
            city, edge, region, ..
        } = &self.places;
        let mut table = self.table.clone();
        without_events(&mut table);
        let listed = |name: &String| Value::from(vec![name.as_str()]);
        set(
            &mut table,
            &["compare"],
            Deployment::ALL.map(Deployment::name).to_vec(),
        );
        set(&mut table, &["regions"], listed(region));
        set(&mut table, &["edges"], listed(edge));
        let crowd = if session.is_new() {
            Crowd {
                requests: whole(rate_per_s * NEW_S as f64).cast_signed().max(1),
                ..NEW
            }
        } else {
            KEPT
        };
        set(&mut table, &["seed"], SEED);
        set(&mut table, &["warm_up_s"], crowd.warm_up_s);
        set(&mut table, &["duration_s"], crowd.duration_s);
        set(&mut table, &["requests"], crowd.requests);
        for (key, value) in [
            ("cities", listed(city)),
            ("weights", Value::Array(Vec::new())),
            ("diurnal", 0.0.into()),
            ("tls", session.is_tls().into()),
            ("tls_resumed", share(session == Session::NewResumed)),
            ("requests_per_visit", crowd.requests_per_visit.into()),
            ("think_ms", crowd.think_ms.into()),
            ("keep_alive_s", 600.0.into()),
            ("connections_max", 64.into()),
            ("timeout_ms", 10_000.into()),
        ] {
            set(&mut table, &["clients", key], value);
        }
        for path in ["last_mile", "transit", "backbone"] {
            set(&mut table, &["network", path, "jitter_ms"], 0.0);
            set(&mut table, &["network", path, "loss"], 0.0);
        }
        for (path, rate) in [
            ("last_mile", "down_mbit"),
            ("last_mile", "up_mbit"),
            ("transit", "mbit"),
            ("backbone", "mbit"),
        ] {
            set(&mut table, &["network", path, rate], MBIT);
        }
        set(&mut table, &["network", "last_mile", "spread"], 1.0);
        set(&mut table, &["network", "idle_restart"], self.idle_restart);
        let mut class = Table::new();
        set(&mut class, &["name"], "only");
        set(&mut class, &["share"], 1.0);
        set(&mut class, &["backend"], "only");
        set(&mut class, &["objects"], 1);
        set(&mut class, &["max_age_s"], 86_400);
        set(
            &mut class,
            &["answer_bytes", "median"],
            i64::from(body_bytes),
        );
        set(&mut table, &["traffic"], vec![class]);
        let mut backend = Table::new();
        set(&mut backend, &["name"], "only");
        set(&mut backend, &["service_ms"], 0.0);
        set(&mut backend, &["servers", "count"], 1_000);
        set(&mut table, &["backends"], vec![backend]);
        table
    }
}

/// Where everything is.
#[derive(Debug, PartialEq)]
struct Places {
    city: String,
    edge: String,
    region: String,
    distances: Distances,
}

impl Places {
    /// Those of the wanted city, or of the largest that meets another place than the region's.
    /// `factor` is how much longer the backbone's ways are than the table's.
    fn choose(report: &Report, wanted: Option<&str>, factor: f64) -> Result<Places, String> {
        let list = |value: &Report| value.as_array().cloned().unwrap_or_default();
        let (cities, sites) = (list(&report["cities"]), list(&report["sites"]));
        let seen = |deployment| -> Result<Vec<Report>, String> {
            let found = deployment_of(report, deployment).map_err(|error| error.to_string())?;
            Ok(list(&found["cities"]))
        };
        let (regional, edge) = (seen(Deployment::Regional)?, seen(Deployment::Edge)?);
        let site = |row: &Report| {
            let index = usize::try_from(row["meets"].as_u64()?).ok()?;
            sites.get(index).cloned()
        };
        let mut best: Option<(f64, Places)> = None;
        for ((city, far), near) in cities.iter().zip(&regional).zip(&edge) {
            let (Some(meets), Some(region)) = (site(near), site(far)) else {
                continue;
            };
            let name = text(city, "name")?;
            let (edge, region_name) = (text(&meets, "name")?, text(&region, "name")?);
            let is_wanted = wanted.map_or(edge != region_name, |wanted| wanted == name);
            let share = number(city, "share").map_err(|error| error.to_string())?;
            if !is_wanted || best.as_ref().is_some_and(|(most, _)| *most >= share) {
                continue;
            }
            let rtt = |row: &Report| number(row, "rtt_ms").map(nanoseconds);
            let distances = Distances {
                client_edge_ns: rtt(near).map_err(|error| error.to_string())?,
                client_region_ns: rtt(far).map_err(|error| error.to_string())?,
                edge_region_ns: nanoseconds(between(report, &meets, &region)? * factor),
            };
            let places = Places {
                city: name,
                edge,
                region: region_name,
                distances,
            };
            best = Some((share, places));
        }
        best.map(|(_, places)| places)
            .ok_or_else(|| "no city of the scenario has an edge nearer than the region".to_owned())
    }
}

/// The backbone's round trip between two sites: measured, or as the report fits it.
fn between(report: &Report, from: &Report, to: &Report) -> Result<f64, String> {
    let (from_name, to_name) = (text(from, "name")?, text(to, "name")?);
    let fit = &report["delays"];
    let rows = fit["residuals"].as_array().cloned().unwrap_or_default();
    let is_pair = |row: &&Report| {
        let ends = [row["from"].as_str(), row["to"].as_str()];
        ends == [Some(&from_name[..]), Some(&to_name)]
            || ends == [Some(&to_name[..]), Some(&from_name)]
    };
    let of = |value: &Report, name: &str| number(value, name).map_err(|error| error.to_string());
    if let Some(row) = rows.iter().find(is_pair) {
        return of(row, "measured_ms");
    }
    let degrees = |site: &Report| Ok::<_, String>([of(site, "lat")?, of(site, "lon")?]);
    let km = great_circle_km(degrees(from)?, degrees(to)?);
    Ok(of(fit, "base_ms")? + of(fit, "stretch")? * km / FIBRE_RTT_KM_PER_MS)
}

/// By the haversine formula.
fn great_circle_km(from: [f64; 2], to: [f64; 2]) -> f64 {
    let [[lat, lon], [to_lat, to_lon]] = [from, to].map(|at| at.map(f64::to_radians));
    let half = |a: f64, b: f64| ((b - a) / 2.0).sin().powi(2);
    let chord = half(lat, to_lat) + lat.cos() * to_lat.cos() * half(lon, to_lon);
    2.0 * EARTH_KM * chord.sqrt().min(1.0).asin()
}

/// Just enough of a scenario to learn where its cities are and whom they meet.
fn survey(table: &Table) -> Table {
    let mut table = table.clone();
    without_events(&mut table);
    let kinds = [Deployment::Regional, Deployment::Edge].map(Deployment::name);
    set(&mut table, &["compare"], kinds.to_vec());
    set(&mut table, &["requests"], 200);
    set(&mut table, &["duration_s"], 20);
    set(&mut table, &["warm_up_s"], 0);
    table
}

/// Neither bursts nor failures, plans nor limits.
fn without_events(table: &mut Table) {
    for key in [
        "bursts",
        "failures",
        "plans",
        "limits",
        "regional_edges",
        "own_tier",
    ] {
        table.remove(key);
    }
    let classes = table.get_mut("traffic").and_then(Value::as_array_mut);
    for class in classes
        .into_iter()
        .flatten()
        .filter_map(Value::as_table_mut)
    {
        class.remove("keyed");
    }
}

/// A scenario's own world lies beside it; what is made of the scenario lies elsewhere.
fn anchor_world(table: &mut Table, folder: &Path) {
    let files = table.get_mut("world").and_then(Value::as_table_mut);
    for (_, file) in files.into_iter().flatten() {
        if let Some(name) = file.as_str() {
            *file = folder.join(name).to_string_lossy().into_owned().into();
        }
    }
}

/// Sets a key of nested tables, which are made as needed.
fn set(table: &mut Table, path: &[&str], value: impl Into<Value>) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut table = table;
    for key in parents {
        let entry = table.entry(*key).or_insert_with(|| Table::new().into());
        if !entry.is_table() {
            *entry = Table::new().into();
        }
        table = entry.as_table_mut().expect("it was made one");
    }
    table.insert((*last).to_owned(), value.into());
}

fn deployment_of(report: &Report, deployment: Deployment) -> io::Result<&Report> {
    let rows = report["deployments"].as_array();
    let mut rows = rows.into_iter().flatten();
    rows.find(|row| row["kind"].as_str() == Some(deployment.name()))
        .ok_or_else(|| odd(&format!("no deployment {}", deployment.name())))
}

fn number(value: &Report, name: &str) -> io::Result<f64> {
    value[name]
        .as_f64()
        .ok_or_else(|| odd(&format!("no {name}")))
}

fn text(value: &Report, name: &str) -> Result<String, String> {
    let found = value[name].as_str().map(str::to_owned);
    found.ok_or_else(|| odd(&format!("no {name}")).to_string())
}

fn odd(what: &str) -> io::Error {
    io::Error::other(format!("the simulator's report: {what}"))
}

fn nanoseconds(ms: f64) -> u64 {
    whole((ms * 1e6).round())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it saturates
fn whole(value: f64) -> u64 {
    value as u64
}

fn share(is_all: bool) -> Value {
    if is_all { 1.0 } else { 0.0 }.into()
}

/// How many come, and how often.
struct Crowd {
    requests: i64,
    duration_s: i64,
    warm_up_s: i64,
    requests_per_visit: f64,
    think_ms: f64,
}

/// Each request is a visit of its own, as many a second as the real ones of its size.
const NEW: Crowd = Crowd {
    requests: 1,
    duration_s: NEW_S,
    warm_up_s: 60,
    requests_per_visit: 1.0,
    think_ms: 0.0,
};
const NEW_S: i64 = 360;
/// A few visits that never end, most of which have begun when counting does, so that new connections
/// do not show.
const KEPT: Crowd = Crowd {
    requests: 16_000_000,
    duration_s: 400,
    warm_up_s: 300,
    requests_per_visit: 1_000_000.0,
    think_ms: 500.0,
};
/// Of the arrivals, for every scenario the same: they are no part of its smallest version.
const SEED: i64 = 1;
/// A simulation takes a second or two.
const PLAY_WITHIN: Duration = Duration::from_secs(100);
/// So fast that only distance counts: the lines here have no rate, for all cases share them.
const MBIT: f64 = 100_000.0;
const EARTH_KM: f64 = 6_371.008_8;
/// Light in fibre, there and back.
const FIBRE_RTT_KM_PER_MS: f64 = 100.0;

#[cfg(test)]
#[path = "small_tests.rs"]
mod tests;
