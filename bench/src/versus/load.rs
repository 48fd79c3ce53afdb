//! What: latency under a planned load: `tidegate-load` run as a program, its JSON read.
//! Shape: a rate and a server in, percentiles or the reason why there are none out.
//! Units: requests per second in, microseconds out, counted from each planned start.
//! Errors: `io::Error` with the generator's own words; another format is refused.
//! Source: the generator's JSON format `tidegate-load/1`.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::case::{Case, Way};
use super::results::Latency;
use crate::cpu::spawn_on;

/// The generator, on the load processor.
pub(crate) struct Generator {
    pub(crate) program: PathBuf,
    pub(crate) cpu: usize,
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
}

impl Generator {
    /// The program that was named, or the one beside this one.
    pub(crate) fn find(named: Option<&Path>) -> io::Result<PathBuf> {
        let beside = std::env::current_exe()?.with_file_name("tidegate-load");
        let program = named.map_or(beside, Path::to_owned);
        if program.exists() {
            return Ok(program);
        }
        let why = "cargo build --release -p tidegate-loadtest makes it";
        Err(io::Error::other(format!(
            "no {} ({why})",
            program.display()
        )))
    }

    /// Loads `address` at `share_percent` of `peak` requests a second.
    pub(crate) fn run(
        &self,
        case: &Case,
        address: SocketAddr,
        peak: f64,
        share_percent: u32,
        directory: &Path,
    ) -> io::Result<Latency> {
        let rate = (peak * f64::from(share_percent) / 100.0).max(1.0);
        let json = directory.join("latency.json");
        let mut command = Command::new(&self.program);
        command.args(self.arguments(case, address, rate));
        command.arg("--json").arg(&json);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let output = spawn_on(self.cpu, &mut command)?.wait_with_output()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("tidegate-load: {}", words.trim())));
        }
        read(&fs::read_to_string(&json)?, share_percent)
    }

    fn arguments(&self, case: &Case, address: SocketAddr, rate: f64) -> Vec<String> {
        let scheme = if case.tls { "https" } else { "http" };
        let mut arguments = vec![
            format!("{scheme}://{address}/dev/items/${{1..{}}}", case.urls()),
            "--quiet".to_owned(),
            "--header=User-Agent: curl/8.14.1".to_owned(),
            "--header=Accept: */*".to_owned(),
            format!("--rate={rate:.1}"),
            "--arrivals=poisson".to_owned(),
            format!("--duration={}s", self.seconds),
            format!("--connections={}", self.connections),
            format!("--cpus={}", self.cpu),
        ];
        match case.way {
            Way::Refused => arguments.push("--expect-status=429".to_owned()),
            Way::Hit | Way::Proxy => {
                arguments.push("--expect-status=200".to_owned());
                arguments.push(format!("--expect-bytes={}", case.body_bytes));
            }
        }
        if case.tls {
            arguments.push("--insecure".to_owned());
        }
        if case.is_new_connection {
            arguments.push("--new-connections".to_owned());
            arguments.push("--no-resumption".to_owned());
        }
        arguments
    }
}

/// What is needed of the generator's file.
#[derive(Deserialize)]
struct Figures {
    format: String,
    plan: Plan,
    counts: Counts,
    rates: Rates,
    latency: Times,
    generator_limited: bool,
}

#[derive(Deserialize)]
struct Plan {
    rate_per_s: Option<f64>,
}

#[derive(Deserialize)]
struct Counts {
    dropped: u64,
    failed: std::collections::BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Rates {
    ok_per_s: f64,
}

#[derive(Deserialize)]
struct Times {
    p50_ns: u64,
    p99_ns: u64,
    p999_ns: u64,
}

fn read(text: &str, share_percent: u32) -> io::Result<Latency> {
    let figures: Figures = serde_json::from_str(text).map_err(io::Error::other)?;
    if figures.format != FORMAT {
        let why = format!("a result of the form {}, not {FORMAT}", figures.format);
        return Err(io::Error::other(why));
    }
    let us = |ns: u64| ns as f64 / 1e3;
    Ok(Latency {
        share_percent,
        planned_per_s: figures.plan.rate_per_s.unwrap_or(0.0),
        answered_per_s: figures.rates.ok_per_s,
        p50_us: us(figures.latency.p50_ns),
        p99_us: us(figures.latency.p99_ns),
        p999_us: us(figures.latency.p999_ns),
        failed: figures.counts.failed.values().sum::<u64>() + figures.counts.dropped,
        is_load_bound: figures.generator_limited,
    })
}

const FORMAT: &str = "tidegate-load/1";

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_generators_file_is_read() {
        let file = |format: &str| {
            format!(
                r#"{{"format":"{format}","plan":{{"rate_per_s":500.5}},"counts":{{"dropped":2,
                "failed":{{"timeout":1}}}},"rates":{{"ok_per_s":499.0}},"latency":{{"p50_ns":1500,
                "p99_ns":20000,"p999_ns":300000}},"generator_limited":true,"more":[]}}"#
            )
        };
        let latency = read(&file("tidegate-load/1"), 80).expect("the known form");
        assert_eq!(
            (latency.p50_us, latency.p99_us, latency.p999_us),
            (1.5, 20.0, 300.0)
        );
        assert_eq!((latency.share_percent, latency.failed), (80, 3));
        assert_eq!(
            (latency.planned_per_s, latency.answered_per_s),
            (500.5, 499.0)
        );
        assert!(latency.is_load_bound);
        assert!(read(&file("tidegate-load/2"), 80).is_err());
        assert!(read("{}", 80).is_err());
    }
}
