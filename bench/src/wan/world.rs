//! What: a small world on one host: clients, an edge and a region, each in a network namespace, the
//!   delay line between them, and the real programs in their places.
//! Shape: [`World::raise`] makes all of it, its drop takes it all away.
//!
//! ```text
//!   clients 10.77.1.1 ── 10.77.1.2 edge 10.77.2.1 ── 10.77.2.2 region ── 127.0.0.1 origins
//!           10.77.3.1 ─────────────────────────────── 10.77.3.2
//! ```
//! Units: as the names say.
//! Errors: `io::Error`; a [`Refusal`] in it where the host forbids namespaces or TUN devices.
//! Source: docs/wan.md.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::case::{Case, Deployment, Distances};
use super::files::Gateway;
use super::line::Way;
use super::pump::{Joint, Pump, Summary};
use super::space::{self, Refusal, Space};
use super::tun::{self, Tun};
use crate::certificate::Certificate;

/// The programs that run in it.
pub(crate) struct Tools {
    pub(crate) gateway: PathBuf,
    pub(crate) generator: PathBuf,
}

/// What it is like.
pub(crate) struct Setup {
    pub(crate) distances: Distances,
    /// Of every line; its delay is that of the distance.
    pub(crate) line: Way,
    /// TCP takes a connection that rests for idle, and shrinks its window.
    pub(crate) idle_restart: bool,
    /// Bytes of the answers that can be asked for.
    pub(crate) sizes: Vec<u32>,
    pub(crate) seed: u64,
    /// No packet moves after that.
    pub(crate) bound: Duration,
}

/// A running world. Processes end before their devices do, and those before their namespaces.
pub(crate) struct World {
    servers: Vec<Process>,
    pump: Option<Pump>,
    client: Space,
    edge: Space,
    region: Space,
    certificate: Certificate,
    pub(crate) distances: Distances,
    /// What TCP does about congestion there, and when connections rest.
    pub(crate) tcp: String,
}

impl World {
    /// Makes the namespaces, joins them, and starts the programs; their files go to `directory`.
    /// Call [`space::enter`] before.
    pub(crate) fn raise(tools: &Tools, setup: &Setup, directory: &Path) -> io::Result<World> {
        let client = Space::make("client")?;
        let edge = Space::make("edge")?;
        let region = Space::make("region")?;
        let tcp = tune(&[&client, &edge, &region], setup.idle_restart)?;
        let distances = setup.distances;
        let line = |delay_ns| Way {
            delay_ns,
            ..setup.line
        };
        let join = |ends: [(&Space, &str, Ipv4Addr); 2], rtt_ns: u64, seed: u64| {
            let [(left, left_name, left_at), (right, right_name, right_at)] = ends;
            let ends = [
                open(left, left_name, left_at, right_at)?,
                open(right, right_name, right_at, left_at)?,
            ];
            Ok::<Joint, io::Error>(Joint::new(ends, line(rtt_ns / 2), seed))
        };
        let joints = vec![
            join(
                [
                    (&client, "to-edge", CLIENT_NEAR),
                    (&edge, "to-client", EDGE),
                ],
                distances.client_edge_ns,
                setup.seed,
            )?,
            join(
                [(&edge, "to-region", EDGE_FAR), (&region, "to-edge", REGION)],
                distances.edge_region_ns,
                setup.seed + 2,
            )?,
            join(
                [
                    (&client, "to-region", CLIENT_FAR),
                    (&region, "to-client", REGION_FAR),
                ],
                distances.client_region_ns,
                setup.seed + 4,
            )?,
        ];
        let mut world = World {
            servers: Vec::new(),
            pump: Some(Pump::start(joints, setup.bound)?),
            client,
            edge,
            region,
            certificate: Certificate::generate_for(
                [EDGE, REGION, REGION_FAR].map(|at| at.to_string()).to_vec(),
                directory,
            )?,
            distances,
            tcp,
        };
        world.serve(tools, &setup.sizes, directory)?;
        Ok(world)
    }

    /// Where a case asks.
    pub(crate) fn url(&self, case: &Case) -> String {
        let host = match case.deployment {
            Deployment::Regional => REGION_FAR,
            Deployment::Edge | Deployment::EdgeCached => EDGE,
        };
        let [plain, tls] = ports(host);
        let (scheme, at) = if case.session.is_tls() {
            ("https", tls)
        } else {
            ("http", plain)
        };
        format!(
            "{scheme}://{at}/{}/{}",
            case.deployment.name(),
            case.body_bytes
        )
    }

    /// What clients trust.
    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate.certificate
    }

    /// Starts a client.
    pub(crate) fn client(&self, name: &str, command: &mut Command) -> io::Result<Process> {
        Process::start(&self.client, name, command)
    }

    /// An error if something has ended that should run.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        for server in &mut self.servers {
            if !server.is_running()? {
                let (name, words) = (&server.name, server.last_words());
                return Err(io::Error::other(format!("{name} has ended{words}")));
            }
        }
        match &self.pump {
            Some(pump) if pump.is_running() => Ok(()),
            _ => Err(io::Error::other("the delay line has ended")),
        }
    }

    /// What TCP has sent again in all places.
    pub(crate) fn repeated(&self) -> io::Result<Repeated> {
        let mut sum = Repeated::default();
        for space in [&self.client, &self.edge, &self.region] {
            let read =
                || fs::read_to_string(SNMP).and_then(|a| Ok(a + &fs::read_to_string(NETSTAT)?));
            let one = Repeated::of(&space.within(read)?);
            sum.segments += one.segments;
            sum.timeouts += one.timeouts;
            sum.probes += one.probes;
        }
        Ok(sum)
    }

    /// Ends it, and says what the delay line has done.
    pub(crate) fn finish(mut self) -> io::Result<Summary> {
        self.servers.clear();
        let pump = self.pump.take().expect("it is taken once");
        pump.finish()
    }

    /// Starts origins, the region's gateway, the edge's gateway.
    fn serve(&mut self, tools: &Tools, sizes: &[u32], directory: &Path) -> io::Result<()> {
        let mut origins = Vec::new();
        for bytes in sizes {
            let (origin, at) = origin(&self.region, *bytes)?;
            self.servers.push(origin);
            origins.push((*bytes, format!("http://{at}")));
        }
        // The edge meets another port for each size, and so has a pool for each: a connection that has
        // carried small answers alone would make a large one wait for its window to grow.
        let behind: Vec<[SocketAddr; 2]> = (0..)
            .zip(sizes)
            .map(|(index, _)| ports_at(REGION, index))
            .collect();
        let mut listen = behind.clone();
        listen.push(ports(REGION_FAR));
        let region = Gateway {
            listen,
            certificate: &self.certificate,
            stages: &[Deployment::Regional.name()],
            sizes: &origins,
        };
        let base = |[plain, _]: &[SocketAddr; 2]| {
            format!("http://{plain}/{}", Deployment::Regional.name())
        };
        let through: Vec<(u32, String)> =
            sizes.iter().copied().zip(behind.iter().map(base)).collect();
        let edge = Gateway {
            listen: vec![ports(EDGE)],
            certificate: &self.certificate,
            stages: &[Deployment::Edge.name(), Deployment::EdgeCached.name()],
            sizes: &through,
        };
        for (space, files) in [(&self.region, region), (&self.edge, edge)] {
            let started = gateway(&tools.gateway, space, &files, &directory.join(space.name))?;
            self.servers.push(started);
        }
        Ok(())
    }
}

/// A program in one of the places; it is killed when this is dropped.
pub(crate) struct Process {
    /// What to call it in messages.
    pub(crate) name: String,
    pub(crate) child: Child,
    /// Where its messages go.
    messages: Option<PathBuf>,
}

impl Process {
    /// One that has started.
    pub(crate) fn of(name: &str, child: Child) -> Process {
        Process {
            name: name.to_owned(),
            child,
            messages: None,
        }
    }

    fn start(space: &Space, name: &str, command: &mut Command) -> io::Result<Process> {
        let child = space.spawn(command).map_err(|error| {
            let program = command.get_program().to_string_lossy();
            io::Error::new(error.kind(), format!("{program}: {error}"))
        })?;
        Ok(Process::of(name, child))
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    fn last_words(&self) -> String {
        let text = self.messages.as_ref().map(fs::read_to_string);
        let text = text.and_then(Result::ok).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let kept = &lines[lines.len().saturating_sub(12)..];
        kept.iter().map(|line| format!("\n    {line}")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Addresses of each line's ends, with nothing else in their networks.
const CLIENT_NEAR: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
const EDGE: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 2);
const EDGE_FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 1);
const REGION: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 2);
const CLIENT_FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 3, 1);
const REGION_FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 3, 2);

/// Where a gateway serves at an address: plain, and TLS.
fn ports(host: Ipv4Addr) -> [SocketAddr; 2] {
    ports_at(host, 0)
}

/// The same for those that serve several times.
fn ports_at(host: Ipv4Addr, index: u16) -> [SocketAddr; 2] {
    [8080, 8443].map(|port| SocketAddr::from((host, port + index)))
}

/// Makes TCP the same on every host, as far as it may be changed; the answer is what it does. Reno
/// is in every kernel and allowed in every namespace, and until a packet is lost it is slow start as
/// the RFCs have it. BBR paces, and CUBIC may leave slow start early.
fn tune(spaces: &[&Space], idle_restart: bool) -> io::Result<String> {
    let mut tcp = String::new();
    for space in spaces {
        tcp = space.within(|| {
            for (path, value) in SETTINGS {
                let _ = fs::write(path, value); // a read-only /proc/sys keeps the host's values
            }
            let _ = fs::write(IDLE_RESTART, if idle_restart { "1" } else { "0" });
            let congestion = fs::read_to_string(CONGESTION)?;
            let restarts = fs::read_to_string(IDLE_RESTART)?.trim() == "1";
            let windows = if restarts { "shrink" } else { "stay" };
            Ok(format!("{}, windows {windows} at rest", congestion.trim()))
        })?;
    }
    Ok(tcp)
}

/// What TCP has sent again; without loss on the lines, because somebody was late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub(crate) segments: u64,
    /// Of which nobody acknowledged anything in time.
    pub(crate) timeouts: u64,
    /// Sent to learn whether the last one has come.
    pub(crate) probes: u64,
}

impl Repeated {
    /// Reads the kernel's tables: lines of names, each with a line of values behind it.
    fn of(text: &str) -> Repeated {
        let lines: Vec<&str> = text.lines().collect();
        let find = |table: &str, name: &str| {
            lines.chunks(2).find_map(|pair| {
                let names = pair.first()?.strip_prefix(table)?.split_whitespace();
                let mut values = pair.get(1)?.strip_prefix(table)?.split_whitespace();
                values.nth(names.into_iter().position(|known| known == name)?)
            })
        };
        let count = |table, name| find(table, name).and_then(|text| text.parse().ok());
        Repeated {
            segments: count("Tcp:", "RetransSegs").unwrap_or(0),
            timeouts: count("TcpExt:", "TCPTimeouts").unwrap_or(0),
            probes: count("TcpExt:", "TCPLossProbes").unwrap_or(0),
        }
    }
}

const SNMP: &str = "/proc/thread-self/net/snmp";
const NETSTAT: &str = "/proc/thread-self/net/netstat";
const CONGESTION: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
const IDLE_RESTART: &str = "/proc/sys/net/ipv4/tcp_slow_start_after_idle";
const SETTINGS: &[(&str, &str)] = &[
    (CONGESTION, "reno"),
    // A receiver whose program comes late to read announces a smaller window, and a sender that has to
    // wait for it needs a flight more. With room for a whole answer it does not.
    ("/proc/sys/net/ipv4/tcp_rmem", "4096 1048576 6291456"),
    // What one connection has learned is not for the next one.
    ("/proc/sys/net/ipv4/tcp_no_metrics_save", "1"),
    // No neighbours to discover.
    ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"),
    ("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"),
];

fn open(space: &Space, name: &str, own: Ipv4Addr, peer: Ipv4Addr) -> io::Result<Tun> {
    space.within(|| {
        Tun::open(name, own, peer).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => {
                    format!(
                        "\n  modprobe tun makes it; a container needs --device {}",
                        tun::DEVICE
                    )
                }
                _ => format!(
                    "\n  {} must be open to this user (chmod 666, as udev has it){}",
                    tun::DEVICE,
                    space::hint()
                ),
            };
            Refusal(format!("no TUN device: {error}{hint}")).into()
        })
    })
}

/// An origin that answers everything with so many bytes, for ever fresh.
fn origin(space: &Space, bytes: u32) -> io::Result<(Process, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["origin", "--listen", "127.0.0.1:0"])
        .arg(format!("--body-bytes={bytes}"))
        .arg("--header=Cache-Control: max-age=86400")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = Process::start(space, "the origin", &mut command)?;
    let stdout = process.child.stdout.take().expect("it is piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let at = line.trim().strip_prefix("listening ");
    let at = at.and_then(|text| text.parse().ok());
    let at = at.ok_or_else(|| io::Error::other(format!("the origin did not start: {line:?}")))?;
    Ok((process, at))
}

/// A gateway, once it accepts.
fn gateway(binary: &Path, space: &Space, files: &Gateway, directory: &Path) -> io::Result<Process> {
    let settings = files.write(directory)?;
    let messages = directory.join("messages.txt");
    let file = File::create(&messages)?;
    let mut command = Command::new(binary);
    command
        .args(["run", "--config"])
        .arg(settings)
        .current_dir(directory)
        .env("RUNTIME_DIRECTORY", directory)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let name = format!("the gateway of the {}", space.name);
    let mut process = Process::start(space, &name, &mut command)?;
    process.messages = Some(messages);
    let started = Instant::now();
    let addresses: Vec<SocketAddr> = files.listen.iter().flatten().copied().collect();
    for at in addresses {
        while let Err(error) = space.within(|| TcpStream::connect(at)) {
            let words = process.last_words();
            if !process.is_running()? {
                return Err(io::Error::other(format!("{name} has ended{words}")));
            }
            if started.elapsed() > READY_WITHIN {
                let why = format!("{name} does not accept on {at}: {error}{words}");
                return Err(io::Error::other(why));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(process)
}

const READY_WITHIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::Repeated;

    #[test]
    fn what_was_sent_again_is_found_by_its_name() {
        let text = "Ip: Forwarding TTL\nIp: 1 64\nTcp: ActiveOpens RetransSegs InErrs\n\
                    Tcp: 5 7 0\nTcpExt: A TCPTimeouts B TCPLossProbes\nTcpExt: 1 2 3 4\n";
        let expected = Repeated {
            segments: 7,
            timeouts: 2,
            probes: 4,
        };
        assert_eq!(Repeated::of(text), expected);
        assert_eq!(Repeated::of("Tcp: X\n"), Repeated::default());
    }
}
