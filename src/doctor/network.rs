//! Network: can the addresses be had, are there ports for origins, is the accept queue long enough?
//!
//! Shape: the wanted addresses and /proc/sys/net in, findings out; each address is bound for a
//! moment. Units: ports, connections. Errors: a refused address is a failing finding, with the
//! process that holds it where /proc shows it. Source: ip(7), tcp(7), listen(2).

use super::{
    Finding, Host, Level, Wanted,
    host::{CAP_NET_BIND_SERVICE, numbers_of_list},
};
use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
};
use tidegate_edge::base::text::counted;

/// Ports each origin connection may need at once: its own and those of closed ones in TIME_WAIT.
const PORTS_PER_CONNECTION: u64 = 4;
/// A burst of connections that must fit between two turns of a core.
const BACKLOG_MIN: u64 = 1024;
const LOW_PORTS_DEFAULT: u64 = 1024;

/// Every wanted address, then the host-wide numbers.
pub(super) fn findings(host: &Host, wanted: &Wanted) -> Vec<Finding> {
    let bind = |address: &SocketAddr| TcpListener::bind(address).map(drop);
    let addresses = wanted.listen.iter();
    let mut findings: Vec<Finding> = addresses
        .map(|address| listener(host, *address, bind(address)))
        .collect();
    findings.push(low_ports(host));
    findings.push(origin_ports(host, wanted.origin_connections_max));
    findings.push(backlog(host));
    findings
}

fn listener(host: &Host, address: SocketAddr, bound: io::Result<()>) -> Finding {
    let why = "clients connect here; an address that cannot be bound stops the start";
    let name = format!("listen {address}");
    let finding = |seen: String| Finding::ok(&name, seen, why);
    let Err(error) = bound else {
        return finding("free".into());
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => match holder(host, address.port()) {
            Some((_, name)) if name == "tidegate" => finding("held by a running tidegate".into()),
            Some((pid, name)) => finding(format!("in use by {name} (process {pid})")).but(
                Level::Fail,
                format!("stop it (kill {pid}), or choose another address"),
            ),
            None => finding("in use".into()).but(
                Level::Fail,
                format!("ss -ltnp 'sport = {}'", address.port()),
            ),
        },
        io::ErrorKind::PermissionDenied => finding("needs CAP_NET_BIND_SERVICE".into())
            .but(Level::Fail, low_port_cure(address.port())),
        io::ErrorKind::AddrNotAvailable => finding("not an address of this host".into())
            .but(Level::Fail, "ip -brief address (choose one of these)"),
        _ => finding(error.to_string()).but(
            Level::Fail,
            "choose another address, for example 127.0.0.1:8080",
        ),
    }
}

/// Who may listen below 1024. No failure by itself: it matters once such a port is wanted.
fn low_ports(host: &Host) -> Finding {
    let why = "ports 80 and 443 are below the line that ordinary processes may not cross";
    let first = host.number("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first = first.unwrap_or(LOW_PORTS_DEFAULT);
    let seen = match (first, host.capable(CAP_NET_BIND_SERVICE)) {
        (0, _) => "open to every process".to_owned(),
        (first, true) => format!("below {first}: allowed by CAP_NET_BIND_SERVICE"),
        (first, false) => format!("below {first}: not for this process"),
    };
    Finding::ok("low ports", seen, why)
}

fn low_port_cure(port: u16) -> String {
    format!(
        "setcap cap_net_bind_service=+ep $(command -v tidegate) (systemd: \
         AmbientCapabilities=CAP_NET_BIND_SERVICE), or sysctl -w \
         net.ipv4.ip_unprivileged_port_start={port}"
    )
}

fn origin_ports(host: &Host, connections_max: u32) -> Finding {
    let why = "each connection to one origin address takes a local port, and keeps it for a \
               minute after closing";
    let name = "local ports for origins";
    let range = host.text("/proc/sys/net/ipv4/ip_local_port_range");
    let mut bounds = range.as_deref().unwrap_or("").split_whitespace();
    let bounds = (
        bounds.next().and_then(|low| low.parse::<u32>().ok()),
        bounds.next().and_then(|high| high.parse::<u32>().ok()),
    );
    let (Some(low), Some(high)) = bounds else {
        return Finding::ok(name, "unknown: /proc/sys/net does not say", why);
    };
    let reserved = host.text("/proc/sys/net/ipv4/ip_local_reserved_ports");
    let reserved = numbers_of_list(&reserved.unwrap_or_default())
        .into_iter()
        .filter(|port| (low..=high).contains(port))
        .count();
    let whole = u64::from(high.saturating_sub(low)).saturating_add(1);
    let count = whole.saturating_sub(u64::try_from(reserved).unwrap_or(u64::MAX));
    let seen = format!(
        "{low} to {high}: {count} per origin address, at most {}",
        counted(connections_max, "connection")
    );
    let finding = Finding::ok(name, seen, why);
    if count >= u64::from(connections_max).saturating_mul(PORTS_PER_CONNECTION) {
        finding
    } else {
        let cure = "sysctl -w net.ipv4.ip_local_port_range='1024 65535'";
        finding.but(Level::Warn, cure)
    }
}

fn backlog(host: &Host) -> Finding {
    let why = "connections that arrive while a core is busy wait here; a full queue drops them";
    let name = "accept queue";
    match host.number("/proc/sys/net/core/somaxconn") {
        None => Finding::ok(name, "unknown: /proc/sys/net does not say", why),
        Some(count) if count >= BACKLOG_MIN => {
            Finding::ok(name, format!("net.core.somaxconn {count}"), why)
        }
        Some(count) => Finding::ok(name, format!("net.core.somaxconn {count}"), why)
            .but(Level::Warn, "sysctl -w net.core.somaxconn=4096"),
    }
}

/// The process that listens on `port`, by number and name, as far as /proc shows it.
fn holder(host: &Host, port: u16) -> Option<(u32, String)> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| host.text(path))
        .find_map(|table| listening_inode(&table, port))?;
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir(host.path("/proc")).ok()?;
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            let descriptors = fs::read_dir(host.path(&format!("/proc/{pid}/fd")));
            descriptors.into_iter().flatten().flatten().any(|entry| {
                fs::read_link(entry.path())
                    .is_ok_and(|target| target.as_os_str() == socket.as_str())
            })
        })
        .map(|pid| {
            let name = host.text(&format!("/proc/{pid}/comm"));
            (pid, name.unwrap_or_else(|| "unknown".into()))
        })
}

/// The inode of the socket that listens on `port`, from the text of /proc/net/tcp.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (_, hex) = words.get(1)?.rsplit_once(':')?;
        let same = u16::from_str_radix(hex, 16) == Ok(port) && *words.get(3)? == LISTEN;
        same.then(|| words.get(9)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_of;
    use super::*;

    #[test]
    fn a_refused_address_names_its_cure() {
        let (_dir, host) = host_of(&[]);
        let address = SocketAddr::from(([127, 0, 0, 1], 443));
        let rows = [
            (io::ErrorKind::AddrInUse, "in use", "ss -ltnp"),
            (
                io::ErrorKind::PermissionDenied,
                "CAP_NET_BIND_SERVICE",
                "setcap",
            ),
            (
                io::ErrorKind::AddrNotAvailable,
                "not an address",
                "ip -brief",
            ),
            (io::ErrorKind::Unsupported, "", "another address"),
        ];
        for (kind, seen, cure) in rows {
            let found = listener(&host, address, Err(kind.into()));
            assert_eq!(found.level, Level::Fail, "{kind:?}");
            assert!(found.seen.contains(seen), "{kind:?}: {found:?}");
            assert!(found.cure.expect("a cure").contains(cure), "{kind:?}");
        }
        assert_eq!(listener(&host, address, Ok(())).level, Level::Ok);
    }

    #[test]
    fn the_holder_of_a_port_is_found() {
        let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = held.local_addr().expect("bound");
        let wanted = Wanted {
            listen: vec![address],
            ..Wanted::default()
        };
        let found = findings(&Host::real(), &wanted).remove(0);
        let own = format!("process {}", std::process::id());
        assert_eq!(found.level, Level::Fail);
        assert!(found.seen.contains(&own), "{found:?}");
    }

    #[test]
    fn host_wide_numbers() {
        const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
        const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
        const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";
        const START: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
        // files, finding, level, words
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, Level, &'a str);
        let rows: &[Row<'_>] = &[
            (&[], "local ports for origins", Level::Ok, "unknown"),
            (
                &[(RANGE, "32768\t60999")],
                "local ports for origins",
                Level::Ok,
                "28232 per",
            ),
            (
                &[(RANGE, "60000\t60999")],
                "local ports for origins",
                Level::Warn,
                "1000 per",
            ),
            (
                &[(RANGE, "32768 60999"), (RESERVED, "80,32768-60000")],
                "local ports for origins",
                Level::Warn,
                "999 per",
            ),
            (&[(SOMAXCONN, "128")], "accept queue", Level::Warn, "128"),
            (&[(SOMAXCONN, "4096")], "accept queue", Level::Ok, "4096"),
            (&[(START, "0")], "low ports", Level::Ok, "every process"),
            (&[], "low ports", Level::Ok, "below 1024: not"),
            (
                &[("/proc/self/status", "CapEff: 400")],
                "low ports",
                Level::Ok,
                "allowed by",
            ),
        ];
        let wanted = Wanted {
            listen: Vec::new(),
            ..Wanted::default()
        };
        for (files, name, level, words) in rows {
            let (_dir, host) = host_of(files);
            let found = findings(&host, &wanted);
            let found = found
                .iter()
                .find(|one| one.name == *name)
                .expect("is there");
            assert_eq!(found.level, *level, "{files:?}: {found:?}");
            assert!(found.seen.contains(words), "{files:?}: {found:?}");
        }
    }
}
