//! Every argument, and the way from them to options.
//!
//! Shape: rows of the parser by heading, then one function that reads them. Units: as the help
//! says. Errors: text for the usage error. Source: docs/load-testing.md.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use super::EXIT_HELP;
use crate::{
    options::{Options, Pace},
    scenario::Wish,
    schedule::Arrivals,
};

const EXAMPLES: &str = "\
Examples:
  tidegate-load http://127.0.0.1:8080/ --rate 5000 --duration 30s
  tidegate-load http://127.0.0.1:8080/items/'${zipf 1..100000}' -r 20000 --arrivals poisson
  tidegate-load https://localhost:8443/ -r 2000 --insecure --new-connections --no-resumption
  tidegate-load http://127.0.0.1:8080/ --ramp 100..20000 -d 60s --json a.json --html a.html
  tidegate-load http://127.0.0.1:8080/ --replay access.log --replay-speed 2
  tidegate-load compare a.json b.json --threshold p99=5%";

/// The parser of the whole command line.
#[must_use]
pub fn command() -> Command {
    let compare = Command::new("compare")
        .about("Compare two results: changes, how sure they are, and a verdict")
        .args(super::compare::arguments());
    let schema = Command::new("schema").about("Print the JSON schema of the result file");
    Command::new("tidegate-load")
        .version(clap::crate_version!())
        .about("Open-loop HTTP load: a schedule fixes when each request starts, and latency counts from there")
        .after_help(format!("{EXAMPLES}\n\n{EXIT_HELP}"))
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .arg_required_else_help(true)
        .subcommand(compare)
        .subcommand(schema)
        .arg(
            Arg::new("url")
                .value_name("URL")
                .required(true)
                .value_hint(ValueHint::Url)
                .help("http:// or https://, path and query with holes such as ${1..1000}"),
        )
        .args(schedule_args())
        .args(connection_args())
        .args(request_args())
        .args(check_args())
        .args(tls_args())
        .args(output_args())
}

fn schedule_args() -> Vec<Arg> {
    let head = "When requests start";
    vec![
        text("rate", "N", "Starts a second")
            .short('r')
            .value_parser(rate)
            .default_value("1000"),
        text("duration", "TIME", "How long")
            .short('d')
            .value_parser(time)
            .default_value("10s"),
        text(
            "arrivals",
            "KIND",
            "At equal distances, or as unrelated clients arrive",
        )
        .value_parser(["even", "poisson"])
        .default_value("even"),
        text(
            "ramp",
            "FROM..TO",
            "A rate that changes evenly over the duration",
        )
        .value_parser(ramp)
        .conflicts_with_all(["steps", "trace", "closed"]),
        text(
            "steps",
            "N,N,…",
            "Rates one after the other, each for an equal part",
        )
        .value_parser(steps)
        .conflicts_with_all(["trace", "closed"]),
        file("trace", "A moment in seconds on each line").conflicts_with("closed"),
        flag(
            "closed",
            "Ask again when the answer has come; hides what a stalling server does",
        ),
        text(
            "think",
            "TIME",
            "With --closed: mean time between an answer and the next request",
        )
        .value_parser(time)
        .requires("closed"),
        text("requests-max", "N", "Starts at most")
            .short('n')
            .value_parser(value_parser!(u64).range(1..))
            .default_value("10000000"),
        text("seed", "N", "Makes draws repeat")
            .value_parser(value_parser!(u64))
            .default_value("1"),
    ]
    .into_iter()
    .map(|arg| arg.help_heading(head))
    .collect()
}

fn connection_args() -> Vec<Arg> {
    let head = "Connections";
    vec![
        text("connections", "N", "Connections in all")
            .short('c')
            .value_parser(value_parser!(u32).range(1..))
            .default_value("64"),
        text("pipelining", "N", "Requests on a connection at a time")
            .value_parser(value_parser!(u32).range(1..))
            .default_value("1"),
        flag(
            "new-connections",
            "A new connection for every request; -c is how many at a time",
        ),
        text(
            "connect-rate",
            "N",
            "New connections a second at the beginning; all at once without it",
        )
        .value_parser(rate),
        text("timeout", "TIME", "For a connection, and for an answer")
            .value_parser(time)
            .default_value("10s"),
        text(
            "waiting-max",
            "N",
            "Starts that may wait for a connection; more are dropped",
        )
        .value_parser(value_parser!(u32).range(1..))
        .default_value("100000"),
        text(
            "cpus",
            "N,N,…",
            "Processors, one worker each; one worker anywhere without it",
        )
        .value_parser(cpus),
        text(
            "spin",
            "TIME",
            "So long before a start a worker stays awake, to be exact; 0s lets it sleep",
        )
        .value_parser(time)
        .default_value("30us"),
        flag(
            "allow-remote",
            "Load a host other than this one; only with leave",
        ),
    ]
    .into_iter()
    .map(|arg| arg.help_heading(head))
    .collect()
}

fn request_args() -> Vec<Arg> {
    let head = "Requests (holes: ${n} ${1..9} ${zipf 1..9 1.1} ${id} ${key})";
    let alone = ["scenario", "replay"];
    vec![
        text("method", "METHOD", "GET without it, POST with a body")
            .short('X')
            .conflicts_with_all(alone),
        text(
            "header",
            "NAME: VALUE",
            "A header field (repeatable), with holes",
        )
        .short('H')
        .action(ArgAction::Append)
        .conflicts_with("scenario"),
        text("body", "TEXT", "A body, with holes").conflicts_with_all(alone),
        file("body-file", "A body, as it is").conflicts_with_all(["scenario", "replay", "body"]),
        file("scenario", "Weighted requests in TOML").conflicts_with("replay"),
        file(
            "replay",
            "The requests and moments of a Tidegate access log (JSON)",
        )
        .conflicts_with_all(["ramp", "steps", "trace", "closed"]),
        text("replay-speed", "N", "How much faster than it was")
            .value_parser(rate)
            .default_value("1"),
        file(
            "key-file",
            "An API key on each line, taken in turn by ${key}",
        ),
    ]
    .into_iter()
    .map(|arg| arg.help_heading(head))
    .collect()
}

fn check_args() -> Vec<Arg> {
    let head = "What answers must be";
    vec![
        text(
            "expect-status",
            "LIST",
            "Such as 200,3xx,400-404; below 400 without it",
        ),
        text("expect-sha256", "DIGEST", "Digest of the body"),
        text("expect-bytes", "N", "Bytes of the body").value_parser(value_parser!(u64)),
        text("expect-contains", "TEXT", "Text in the body"),
        text(
            "echo-header",
            "NAME",
            "Sends the request's id in it; the answer must bring the same",
        ),
        flag(
            "echo-body",
            "The body must hold the request's id (${id}) and none of another",
        ),
    ]
    .into_iter()
    .map(|arg| arg.help_heading(head).conflicts_with("scenario"))
    .chain([flag("fail-on-error", "Exit status 1 when a request failed").help_heading(head)])
    .collect()
}

fn tls_args() -> Vec<Arg> {
    let head = "TLS 1.3";
    vec![
        file("ca", "Roots to trust, PEM; the system's without it"),
        flag("insecure", "Any certificate will do"),
        flag("no-resumption", "Every handshake is a full one"),
        text(
            "server-name",
            "NAME",
            "Another name to ask for than that of the URL",
        ),
    ]
    .into_iter()
    .map(|arg| arg.help_heading(head))
    .collect()
}

fn output_args() -> Vec<Arg> {
    let head = "Results";
    vec![
        file("json", "Write the figures here, - for standard output"),
        file("html", "Write a page with charts here"),
        file("hlog", "Write an HdrHistogram log here"),
        text("label", "TEXT", "Stands in the results").default_value(""),
        text("interval", "TIME", "How often figures are taken")
            .value_parser(time)
            .default_value("250ms"),
        text(
            "server-pid",
            "PID",
            "Also read the processor time of this process",
        )
        .value_parser(value_parser!(u32)),
        flag("quiet", "Nothing while it runs").short('q'),
    ]
    .into_iter()
    .map(|arg| arg.help_heading(head))
    .collect()
}

fn text(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn file(name: &'static str, help: &'static str) -> Arg {
    text(name, "FILE", help)
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// What the arguments ask for.
///
/// # Errors
/// A header without a colon.
pub fn options(given: &ArgMatches) -> Result<Options, String> {
    let string = |name| given.get_one::<String>(name).cloned();
    let path = |name| given.get_one::<PathBuf>(name).cloned();
    let number = |name| {
        given
            .get_one::<u32>(name)
            .map_or(0, |number| *number as usize)
    };
    let ns = |name| given.get_one::<u64>(name).copied().unwrap_or(0);
    let float = |name| given.get_one::<f64>(name).copied();
    let mut options = Options::new(&string("url").unwrap_or_default());
    options.pace = if given.get_flag("closed") {
        Pace::Closed {
            think_ns: ns("think"),
        }
    } else if let Some(Ends(from, to)) = given.get_one("ramp") {
        Pace::Ramp(*from, *to)
    } else if let Some(Rates(rates)) = given.get_one("steps") {
        Pace::Steps(rates.clone())
    } else if let Some(file) = path("trace") {
        Pace::Trace(file)
    } else {
        Pace::Constant(float("rate").unwrap_or(options.replay_speed))
    };
    if string("arrivals").as_deref() == Some("poisson") {
        options.arrivals = Arrivals::Poisson;
    }
    options.duration_ns = ns("duration");
    options.requests_max = ns("requests-max");
    options.seed = ns("seed");
    options.connections = number("connections");
    options.pipelining = number("pipelining");
    options.fresh = given.get_flag("new-connections");
    options.connects_per_s = float("connect-rate").unwrap_or(0.0);
    options.timeout_ns = ns("timeout");
    options.waiting_max = number("waiting-max");
    options.cpus = given
        .get_one::<Cpus>("cpus")
        .map(|cpus| cpus.0.clone())
        .unwrap_or_default();
    options.spin_ns = ns("spin");
    options.allow_remote = given.get_flag("allow-remote");
    options.request = request(given)?;
    options.scenario = path("scenario");
    options.replay = path("replay");
    options.replay_speed = float("replay-speed").unwrap_or(1.0);
    options.keys = path("key-file");
    options.tls.ca = path("ca");
    options.tls.insecure = given.get_flag("insecure");
    options.tls.no_resumption = given.get_flag("no-resumption");
    options.tls.server_name = string("server-name");
    options.label = string("label").unwrap_or_default();
    options.interval_ns = ns("interval");
    options.server_pid = given.get_one("server-pid").copied();
    options.run = std::process::id();
    Ok(options)
}

fn request(given: &ArgMatches) -> Result<Wish, String> {
    let string = |name| given.get_one::<String>(name).cloned();
    let mut wish = Wish {
        method: string("method"),
        body: string("body"),
        body_file: given.get_one::<PathBuf>("body-file").cloned(),
        ..Wish::default()
    };
    for line in given.get_many::<String>("header").unwrap_or_default() {
        let split = line.split_once(':');
        let (name, value) =
            split.ok_or_else(|| format!("`{line}` is no header; write 'Name: value'"))?;
        wish.headers
            .insert(name.trim().to_owned(), value.trim().to_owned());
    }
    wish.expect.status = string("expect-status");
    wish.expect.sha256 = string("expect-sha256");
    wish.expect.body_bytes = given.get_one("expect-bytes").copied();
    wish.expect.contains = string("expect-contains");
    wish.expect.echo_header = string("echo-header");
    wish.expect.echo_body = given.get_flag("echo-body");
    Ok(wish)
}

/// Both ends of a ramp.
#[derive(Clone)]
struct Ends(f64, f64);

/// Steps.
#[derive(Clone)]
struct Rates(Vec<f64>);

/// Processors.
#[derive(Clone)]
struct Cpus(Vec<usize>);

fn rate(text: &str) -> Result<f64, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1e3),
        None => (text, 1.0),
    };
    let value = digits
        .parse::<f64>()
        .map_err(|_| "a number, such as 5000 or 20k".to_owned())?
        * factor;
    let fits = value.is_finite() && value > 0.0 && value <= crate::schedule::RATE_MAX_PER_S;
    fits.then_some(value)
        .ok_or_else(|| "a number above 0 and up to 1e9".to_owned())
}

fn ramp(text: &str) -> Result<Ends, String> {
    let (from, to) = text
        .split_once("..")
        .ok_or("two rates, such as 100..20000")?;
    let end = |text: &str| if text == "0" { Ok(0.0) } else { rate(text) };
    Ok(Ends(end(from)?, end(to)?))
}

fn steps(text: &str) -> Result<Rates, String> {
    let step = |text: &str| {
        if text == "0" {
            Ok(0.0)
        } else {
            rate(text.trim())
        }
    };
    Ok(Rates(text.split(',').map(step).collect::<Result<_, _>>()?))
}

fn cpus(text: &str) -> Result<Cpus, String> {
    let read = |word: &str| {
        word.trim()
            .parse::<usize>()
            .map_err(|_| "numbers of processors, such as 0,1".to_owned())
    };
    Ok(Cpus(text.split(',').map(read).collect::<Result<_, _>>()?))
}

/// A time in nanoseconds, from text with its unit.
pub(super) fn time(text: &str) -> Result<u64, String> {
    let wrong = || "a time with its unit, such as 50us, 250ms, 10s or 2m".to_owned();
    let at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(at);
    let factor = match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return Err(wrong()),
    };
    let value = digits.parse::<f64>().map_err(|_| wrong())? * factor;
    let fits = value.is_finite() && (0.0..=86_400e9).contains(&value);
    if fits {
        Ok(crate::worker::whole(value))
    } else {
        Err("a time up to 24h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        let words = std::iter::once("tidegate-load").chain(line.split_whitespace());
        let matches = command()
            .try_get_matches_from(words)
            .map_err(|error| error.to_string())?;
        options(&matches)
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn options_are_read() {
        let given = read("http://h/ -r 20k -d 500ms --arrivals poisson -c 8 --cpus 0,1 -H A:b")
            .expect("options");
        assert_eq!(given.pace, Pace::Constant(20_000.0));
        assert_eq!((given.duration_ns, given.connections), (500_000_000, 8));
        assert_eq!(
            (given.arrivals, given.cpus),
            (Arrivals::Poisson, vec![0, 1])
        );
        assert_eq!(given.request.headers["A"], "b");
        let paces = [
            ("--ramp 0..5k", Pace::Ramp(0.0, 5000.0)),
            ("--steps 1,2", Pace::Steps(vec![1.0, 2.0])),
            ("--trace f", Pace::Trace("f".into())),
            (
                "--closed --think 5ms",
                Pace::Closed {
                    think_ns: 5_000_000,
                },
            ),
        ];
        for (line, pace) in paces {
            assert_eq!(read(&format!("http://h/ {line}")).expect(line).pace, pace);
        }
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for line in [
            "",
            "http://h/ -r 0",
            "http://h/ -r x",
            "http://h/ -d 5",
            "http://h/ -d 25h",
            "http://h/ -H x",
            "http://h/ --ramp 5",
            "http://h/ --closed --ramp 1..2",
            "http://h/ --think 1s",
            "http://h/ -c 0",
            "http://h/ --scenario f --body x",
            "compare a",
            "http://h/ --cpus a",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
