//! What: the table of rivals: how each is started and what it cannot do.
//! Shape: one row each, of names, arguments and templates; no code belongs to a rival. Where a
//!   rival differs, its template or a column says how.
//! Units: none.
//! Errors: none; `contestant` says what did not start.
//! Source: configs/peers/, scripts/peers.sh, each program's manual.

use super::case::Need;

/// A rival.
pub(crate) struct Peer {
    /// What `--peer`, the tables and `scripts/peers.sh` call it.
    pub(crate) name: &'static str,
    /// The program; `@PEERS@` is where `scripts/peers.sh` puts what is not a system package.
    pub(crate) program: &'static str,
    pub(crate) version: Version,
    /// File names in the server's directory, and the templates that they are made from.
    pub(crate) files: &'static [(&'static str, &'static str)],
    pub(crate) arguments: &'static [&'static str],
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// What writes its access log, if the server does not: its cost counts.
    pub(crate) log_writer: Option<(&'static str, &'static [&'static str])>,
    /// Where its access log goes, in the server's directory.
    pub(crate) log: &'static str,
    pub(crate) cannot: &'static [(Need, &'static str)],
    /// What a reader should know of its figures.
    pub(crate) note: &'static str,
}

/// How the rival tells its version.
pub(crate) enum Version {
    /// An argument that makes it print the version somewhere in its output.
    Printed(&'static str),
    /// What `scripts/peers.sh` builds.
    Fixed(&'static str),
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../configs/peers/", $path))
    };
}

/// All rivals, in the order of the tables.
pub(crate) const PEERS: [Peer; 8] = [
    Peer {
        name: "nginx",
        program: "nginx",
        version: Version::Printed("-v"),
        files: &[("nginx.conf", template!("nginx.conf"))],
        arguments: &["-c", "@DIRECTORY@/nginx.conf", "-p", "@DIRECTORY@"],
        cannot: &[],
        note: "one process, cache on tmpfs with open_file_cache",
        ..PLAIN
    },
    Peer {
        name: "haproxy",
        program: "haproxy",
        version: Version::Printed("-v"),
        files: &[("haproxy.cfg", template!("haproxy.cfg"))],
        arguments: &["-db", "-f", "@DIRECTORY@/haproxy.cfg"],
        log: MESSAGES,
        note: "one thread, cache in memory, log to its standard output, a file",
        ..PLAIN
    },
    Peer {
        name: "varnish",
        program: "varnishd",
        version: Version::Printed("-V"),
        files: &[("varnish.vcl", template!("varnish.vcl"))],
        arguments: &[
            "-F",
            "-j",
            "none",
            "-n",
            "@MEMORY@",
            "-f",
            "@DIRECTORY@/varnish.vcl",
            "-a",
            "@LISTEN@",
            "-s",
            "malloc,256m",
            "-p",
            "thread_pools=1",
            "-p",
            "thread_pool_min=100",
            "-p",
            "thread_pool_max=400",
            "-p",
            "timeout_idle=300",
            "-p",
            "listen_depth=4096",
        ],
        log_writer: Some((
            "varnishncsa",
            &["-n", "@MEMORY@", "-w", "@DIRECTORY@/access.log"],
        )),
        cannot: &[(
            Need::Tls,
            "Varnish 7.1 terminates no TLS; another proxy has to",
        )],
        note: "one thread pool, malloc storage; varnishncsa writes the log and is counted",
        ..PLAIN
    },
    Peer {
        name: "caddy",
        program: "caddy",
        version: Version::Printed("version"),
        files: &[("Caddyfile", template!("Caddyfile"))],
        arguments: &[
            "run",
            "--adapter",
            "caddyfile",
            "--config",
            "@DIRECTORY@/Caddyfile",
        ],
        environment: &[("GOMAXPROCS", "1"), ("HOME", "@DIRECTORY@")],
        cannot: &[
            (Need::Cache, "the packaged Caddy has no cache module"),
            (Need::Limit, "the packaged Caddy has no rate limit module"),
        ],
        note: "GOMAXPROCS=1",
        ..PLAIN
    },
    Peer {
        name: "h2o",
        program: "h2o",
        version: Version::Printed("-v"),
        files: &[("h2o.yaml", template!("h2o.yaml"))],
        arguments: &["-m", "worker", "-c", "@DIRECTORY@/h2o.yaml"],
        cannot: &[(Need::Cache, "h2o does not keep what it proxies")],
        note: "one thread; it refuses by its mruby detector",
        ..PLAIN
    },
    Peer {
        name: "trafficserver",
        program: "traffic_server",
        version: Version::Printed("-V"),
        files: &[
            ("runroot.yaml", template!("trafficserver/runroot.yaml")),
            ("records.config", template!("trafficserver/records.config")),
            ("remap.config", template!("trafficserver/remap.config")),
            ("storage.config", template!("trafficserver/storage.config")),
            (
                "ssl_multicert.config",
                template!("trafficserver/ssl_multicert.config"),
            ),
            ("logging.yaml", template!("trafficserver/logging.yaml")),
            ("ip_allow.yaml", template!("trafficserver/ip_allow.yaml")),
            ("plugin.config", template!("trafficserver/plugin.config")),
        ],
        arguments: &["--run-root=@DIRECTORY@/runroot.yaml"],
        cannot: &[(
            Need::Limit,
            "the packaged plug-ins limit no rate of requests",
        )],
        note: "one event thread, RAM cache over a store on tmpfs",
        ..PLAIN
    },
    Peer {
        name: "envoy",
        program: "@PEERS@/envoy/envoy/_bin/envoy",
        version: Version::Printed("--version"),
        files: &[("envoy.yaml", template!("envoy.yaml"))],
        arguments: &[
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "error",
            "-c",
            "@DIRECTORY@/envoy.yaml",
        ],
        note: "one worker thread; its simple cache is marked as work in progress",
        ..PLAIN
    },
    Peer {
        name: "pingora",
        program: "@PEERS@/pingora/release/tidegate-peer-pingora",
        version: Version::Fixed("pingora 0.9.1"),
        arguments: &[
            "--listen",
            "@LISTEN@",
            "--origin",
            "@ORIGIN@",
            "@IF TLS@--certificate",
            "@IF TLS@@CERTIFICATE@",
            "@IF TLS@--key",
            "@IF TLS@@KEY@",
            "@IF LOG@--log",
            "@IF LOG@@DIRECTORY@/access.log",
            "@IF LIMIT@--limit",
            "@IF LIMIT@1",
        ],
        cannot: &[(
            Need::Cache,
            "the only store that comes with Pingora is marked as for tests",
        )],
        note: "a minimal proxy on one thread, OpenSSL (bench/peers/pingora)",
        ..PLAIN
    },
];

const PLAIN: Peer = Peer {
    name: "",
    program: "",
    version: Version::Fixed(""),
    files: &[],
    arguments: &[],
    environment: &[],
    log_writer: None,
    log: "access.log",
    cannot: &[],
    note: "",
};

/// Where a server's own messages go, in its directory.
pub(crate) const MESSAGES: &str = "messages.txt";

#[cfg(test)]
mod tests {
    use super::{PEERS, Version};

    #[test]
    fn every_rival_is_in_the_installing_script_and_no_other() {
        let script = include_str!("../../../scripts/peers.sh");
        let installed = script.lines().filter_map(|line| {
            let (how, rest) = line.split_once(' ')?;
            let name = rest.split(' ').next()?;
            matches!(how, "apt_peer" | "wheel_peer" | "crate_peer").then_some(name)
        });
        let installed: Vec<&str> = installed.collect();
        assert_eq!(installed, PEERS.map(|peer| peer.name));
    }

    #[test]
    fn programs_are_where_the_script_puts_them() {
        let script = include_str!("../../../scripts/peers.sh");
        for peer in &PEERS {
            let name = peer.name;
            let place = match peer.program.strip_prefix("@PEERS@/") {
                None => format!("apt_peer {name} {} ", peer.program),
                Some(path) if path.ends_with(&format!("release/tidegate-peer-{name}")) => {
                    format!("crate_peer {name} ")
                }
                Some(path) => path.strip_prefix(name).expect("a folder of its own")[1..].to_owned(),
            };
            assert!(script.contains(&place), "{name}: {place}");
        }
    }

    #[test]
    fn a_fixed_version_is_the_one_that_is_built() {
        let manifest = include_str!("../../peers/pingora/Cargo.toml");
        for peer in &PEERS {
            if let Version::Fixed(text) = peer.version {
                let (name, version) = text.split_once(' ').expect("a name and a version");
                let line = format!("{name} = {{ version = \"{version}\"");
                assert!(manifest.contains(&line), "{line}");
            }
        }
    }
}
