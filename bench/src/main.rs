//! What: the bench of the gateway: `floor` measures, the other commands are the servers it starts.
//! Shape: arguments in, a table and optionally JSON out.
//! Units: seconds, bytes and counts on the command line.
//! Errors: one line on standard error and exit code 1.
//! Source: docs/performance.md.
#![allow(clippy::disallowed_methods)] // A bench lives on the host's clock and may sleep.

mod buckets;
mod buffers;
mod cache;
mod certificate;
mod cpu;
mod floor;
mod gateway;
mod hit_ratio;
mod host;
mod idle;
mod origin;
mod peers;
mod process;
mod relay;
mod report;
mod responder;
mod restart;
mod ring;
mod template;
mod versus;
mod wrk;

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::ring::Sizes;

fn main() -> ExitCode {
    // More sockets than a default shell allows; what the host refuses shows up as a failed case.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match run(&command().get_matches()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tidegate-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(matches: &ArgMatches) -> io::Result<bool> {
    let (name, matches) = matches.subcommand().expect("a command is required");
    if name == "floor" {
        return floor::run(floor_options(matches));
    }
    if name == "cache" {
        return cache::run(&cache_options(matches));
    }
    if name == "hit-ratio" {
        return hit_ratio::run(&hit_ratio_options(matches));
    }
    if name == "restart" {
        return restart::run(&restart_options(matches));
    }
    if name == "buckets" {
        return buckets::run(&buckets::options(matches));
    }
    if name == "versus" {
        return versus::run(&versus::options(matches));
    }
    if name == "template" {
        return template::run(&template_options(matches));
    }
    let address: &String = matches.get_one("listen").expect("it has a default");
    let listener = TcpListener::bind(address)?;
    println!("listening {}", listener.local_addr()?);
    let stop = io::stdin().as_fd().try_clone_to_owned()?;
    let sizes = sizes(matches);
    match name {
        "relay" => {
            let origin = *matches.get_one("origin").expect("it is required");
            let certificate: Option<&PathBuf> = matches.get_one("certificate");
            let key: Option<&PathBuf> = matches.get_one("key");
            let tls = certificate
                .zip(key)
                .map(|(c, k)| certificate::server_config(c, k));
            relay::run(listener, stop, origin, tls.transpose()?, sizes)?;
        }
        "responder" => responder::run(listener, stop, response(matches), sizes)?,
        "origin" => origin::run(listener, stop, response(matches), sizes)?,
        other => unreachable!("{other} is not a command"),
    }
    Ok(true)
}

fn floor_options(matches: &ArgMatches) -> floor::Options {
    let number = |name| *matches.get_one::<u32>(name).expect("it has a default");
    floor::Options {
        rounds: number("rounds"),
        seconds: number("seconds"),
        connections: number("connections"),
        idle_connections: number("idle-connections"),
        cases: names(matches, "case"),
        peers: names(matches, "peers"),
        perf: matches.get_one::<String>("perf").cloned(),
        gateway: matches.get_one::<PathBuf>("gateway").cloned(),
        json: matches.get_one::<PathBuf>("json").cloned(),
        sizes: sizes(matches),
    }
}

fn cache_options(matches: &ArgMatches) -> cache::Options {
    let number = |name| *matches.get_one::<u32>(name).expect("it has a default");
    cache::Options {
        keys: u64::from(number("keys")),
        body_bytes: body_bytes(matches),
        rounds: number("rounds"),
        millions: number("millions"),
        folder: matches
            .get_one::<PathBuf>("folder")
            .expect("it has a default")
            .clone(),
        is_sealed: matches.get_flag("sealed"),
        has_large_pages: !matches.get_flag("small-pages"),
        cases: names(matches, "case"),
    }
}

fn hit_ratio_options(matches: &ArgMatches) -> hit_ratio::Options {
    let sizes = matches.get_many::<f64>("sizes").unwrap_or_default();
    let number = |name| *matches.get_one::<u32>(name).expect("it has a default");
    hit_ratio::Options {
        trace: matches.get_one::<PathBuf>("trace").cloned(),
        sizes: sizes.copied().collect(),
        capacity_bytes: u64::from(number("capacity-mib")) << 20,
        object_bytes_max: number("object-kib") << 10,
        requests: number("requests"),
        folder: matches
            .get_one::<PathBuf>("folder")
            .expect("it has a default")
            .clone(),
    }
}

fn restart_options(matches: &ArgMatches) -> restart::Options {
    let number = |name| *matches.get_one::<u32>(name).expect("it has a default");
    restart::Options {
        capacity_mib: number("capacity-mib"),
        object_bytes: body_bytes(matches),
        rounds: number("rounds"),
        folder: matches
            .get_one::<PathBuf>("folder")
            .expect("it has a default")
            .clone(),
        gateway: matches.get_one::<PathBuf>("gateway").cloned(),
    }
}

fn template_options(matches: &ArgMatches) -> template::Options {
    let number = |name| *matches.get_one::<u32>(name).expect("it has a default");
    template::Options {
        file: matches.get_one::<PathBuf>("file").cloned(),
        input: matches.get_one::<PathBuf>("input").cloned(),
        rounds: number("rounds"),
        renders: number("renders"),
    }
}

fn names(matches: &ArgMatches, name: &str) -> Vec<String> {
    let given = matches.get_many::<String>(name).unwrap_or_default();
    given.cloned().collect()
}

fn sizes(matches: &ArgMatches) -> Sizes {
    Sizes {
        buffer_bytes: *matches.get_one("buffer-bytes").expect("it has a default"),
        buffers: *matches.get_one("buffers").expect("it has a default"),
    }
}

fn body_bytes(matches: &ArgMatches) -> usize {
    *matches.get_one("body-bytes").expect("it has a default")
}

fn response(matches: &ArgMatches) -> &'static [u8] {
    origin::response(body_bytes(matches), &names(matches, "header"))
}

fn command() -> Command {
    let server = |name: &'static str, about: &'static str| {
        Command::new(name).about(about).args(size_args()).arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDRESS")
                .default_value("127.0.0.1:0")
                .help("Where to accept; the server ends when its standard input does"),
        )
    };
    let body = Arg::new("body-bytes")
        .long("body-bytes")
        .value_name("N")
        .default_value("128")
        .value_parser(value_parser!(usize))
        .help("Bytes in the body of each answer");
    let path = |name: &'static str, help: &'static str| {
        let parser = value_parser!(PathBuf);
        Arg::new(name)
            .long(name)
            .value_name("FILE")
            .value_parser(parser)
            .help(help)
    };
    Command::new("tidegate-bench")
        .about("CPU cost of the gateway beside bare relays and rival proxies")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            floor_command()
                .args(size_args())
                .arg(path(
                    "gateway",
                    "Measure this binary instead of building the product",
                ))
                .arg(path("json", "Write the figures here")),
        )
        .subcommand(
            server("relay", "Relay bytes to an origin, parsing nothing")
                .arg(
                    Arg::new("origin")
                        .long("origin")
                        .value_name("ADDRESS")
                        .required(true)
                        .value_parser(value_parser!(std::net::SocketAddr))
                        .help("One connection goes here for each that comes"),
                )
                .arg(path("certificate", "Terminate TLS 1.3 with this PEM").requires("key"))
                .arg(path("key", "The certificate's key, PEM").requires("certificate")),
        )
        .subcommand(cache_command().arg(body.clone()))
        .subcommand(hit_ratio_command())
        .subcommand(
            restart_command()
                .arg(path(
                    "gateway",
                    "Measure this binary instead of building the product",
                ))
                .arg(body.clone().default_value("512")),
        )
        .subcommand(buckets::command())
        .subcommand(versus::command())
        .subcommand(
            Command::new("template")
                .about("Nanoseconds for rendering a mapping template")
                .arg(path("file", "Another template than the built-in one"))
                .arg(path("input", "Another payload than the built-in one"))
                .arg(count("rounds", "5", "Rounds"))
                .arg(count("renders", "100000", "Renders of a round")),
        )
        .subcommand(
            server("responder", "Answer every receive with fixed bytes")
                .arg(body.clone())
                .arg(header_arg()),
        )
        .subcommand(
            server("origin", "Answer every request head with a fixed body")
                .arg(body)
                .arg(header_arg()),
        )
}

fn header_arg() -> Arg {
    Arg::new("header")
        .long("header")
        .value_name("NAME: VALUE")
        .action(ArgAction::Append)
        .help("A header line of each answer (repeatable)")
}

fn count(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    let parser = value_parser!(u32).range(1..);
    let arg = Arg::new(name)
        .long(name)
        .value_name("N")
        .default_value(default);
    arg.value_parser(parser).help(help)
}

fn cache_command() -> Command {
    Command::new("cache")
        .about(
            "Nanoseconds for a look-up and an insert in the cache's store, on one core and on two",
        )
        .arg(count("keys", "10000000", "Objects in the region"))
        .arg(count("rounds", "5", "Rounds of one thread and of two"))
        .arg(count(
            "millions",
            "4",
            "Millions of look-ups for a round and thread",
        ))
        .arg(folder())
        .arg(
            Arg::new("case")
                .long("case")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_parser(cache::case_names())
                .help("Only this case (repeatable); all without it"),
        )
        .arg(
            Arg::new("sealed")
                .long("sealed")
                .action(ArgAction::SetTrue)
                .help("Encrypt the objects"),
        )
        .arg(
            Arg::new("small-pages")
                .long("small-pages")
                .action(ArgAction::SetTrue)
                .help("Leave the region in pages of 4 KiB"),
        )
}

fn folder() -> Arg {
    Arg::new("folder")
        .long("folder")
        .value_name("FOLDER")
        .default_value("/dev/shm")
        .value_parser(value_parser!(PathBuf))
        .help("Where the region is made")
}

fn hit_ratio_command() -> Command {
    Command::new("hit-ratio")
        .about("The cache's hit ratio beside an exact S3-FIFO and an LRU")
        .arg(count(
            "capacity-mib",
            "64",
            "MiB of the region, for made traces",
        ))
        .arg(count("object-kib", "1088", "KiB of the largest object"))
        .arg(count("requests", "2000000", "Requests of a made trace"))
        .arg(folder())
        .arg(
            Arg::new("trace")
                .long("trace")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Replay this recorded trace, in libCacheSim's oracleGeneral format"),
        )
        .arg(
            Arg::new("sizes")
                .long("sizes")
                .value_name("SHARES")
                .default_value("0.01,0.1,0.3")
                .value_delimiter(',')
                .value_parser(value_parser!(f64))
                .help("The cache as shares of all bytes of the trace"),
        )
}

fn restart_command() -> Command {
    Command::new("restart")
        .about("Milliseconds from a gateway's start to its first hit from a full region")
        .arg(count("capacity-mib", "1024", "MiB of the region"))
        .arg(count("rounds", "10", "Starts"))
        .arg(folder())
}

fn floor_command() -> Command {
    Command::new("floor")
        .about("CPU per proxied request beside the bare relay, and memory per idle connection")
        .arg(count("rounds", "5", "Interleaved rounds over all cases"))
        .arg(count("seconds", "3", "Seconds of load per case and round"))
        .arg(count(
            "connections",
            "64",
            "Keep-alive connections of the load",
        ))
        .arg(count(
            "idle-connections",
            "4000",
            "Connections held open for the idle figure",
        ))
        .arg(
            Arg::new("case")
                .long("case")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_parser(floor::CASE_NAMES)
                .help("Only this case (repeatable); all without it"),
        )
        .arg(
            Arg::new("peers")
                .long("peers")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_parser(["nginx"])
                .help("Measure this rival too"),
        )
        .arg(
            Arg::new("perf")
                .long("perf")
                .value_name("SERVER")
                .num_args(0..=1)
                .default_missing_value("proxy")
                .help("Profile one server under load instead of measuring: proxy, relay, nginx …"),
        )
}

fn size_args() -> [Arg; 2] {
    [
        Arg::new("buffer-bytes")
            .long("buffer-bytes")
            .value_name("N")
            .default_value("16384")
            .value_parser(value_parser!(u32).range(64..=1 << 24))
            .help("Bytes of one receive buffer; give the gateway the same"),
        Arg::new("buffers")
            .long("buffers")
            .value_name("N")
            .default_value("256")
            .value_parser(power_of_two)
            .help("Receive buffers of one ring"),
    ]
}

fn power_of_two(text: &str) -> Result<u16, String> {
    let count: u16 = text.parse().map_err(|error| format!("{error}"))?;
    let fits = count.is_power_of_two() && count <= 1 << 15;
    fits.then_some(count)
        .ok_or_else(|| "a power of two up to 32768 is needed".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
