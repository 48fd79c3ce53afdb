//! The limits of this process that bound the gateway: locked memory and open files.
//!
//! Shape: a row of /proc/self/limits in, a finding out. Units: bytes, file descriptors,
//! connections. Errors: an unreadable limit is said so. Source: getrlimit(2), systemd.exec(5).

use super::{
    Finding, Host, Level,
    host::{CAP_IPC_LOCK, bytes},
};
use tidegate_edge::{base::text::counted, ring::probe::RingSize};

/// The share of the descriptors that client connections may take; each may need one more
/// towards an origin, and the rest is for listeners, rings, logs and files.
pub(super) const CONNECTIONS_PERCENT: u64 = 45;

/// Fewer connections than this and a busy browser is enough to fill the gateway.
const CONNECTIONS_MIN: u64 = 256;
/// Fewer than this is less than one core serves.
const CONNECTIONS_FAIR: u64 = 4096;

/// RLIMIT_MEMLOCK against what the rings of all cores lock.
pub(super) fn memlock(host: &Host, ring: RingSize) -> Finding {
    let why = "rings and their buffers are locked memory, counted for users without CAP_IPC_LOCK";
    let name = "locked memory";
    let needed = ring.memlock_bytes();
    let need = format!(
        "{} needed for {}",
        bytes(needed),
        counted(ring.cores, "core")
    );
    if host.capable(CAP_IPC_LOCK) {
        return Finding::ok(name, format!("not limited (CAP_IPC_LOCK); {need}"), why);
    }
    match host.limit("Max locked memory") {
        None => Finding::ok(name, format!("unknown; {need}"), why),
        Some((None, _)) => Finding::ok(name, format!("unlimited; {need}"), why),
        Some((Some(soft), _)) => {
            let finding = Finding::ok(name, format!("{}; {need}", bytes(soft)), why);
            if soft >= needed {
                return finding;
            }
            let kib = needed.div_ceil(1024);
            let cure = format!("ulimit -l {kib} (systemd: LimitMEMLOCK={kib}K)");
            finding.but(Level::Warn, cure)
        }
    }
}

/// RLIMIT_NOFILE and the ceiling of connections that follows.
pub(super) fn open_files(host: &Host) -> Finding {
    let why = "a connection is a descriptor; beyond the ceiling new clients are turned away";
    let name = "open files";
    let Some((soft, hard)) = host.limit("Max open files") else {
        return Finding::ok(name, "unknown: /proc/self/limits does not say", why);
    };
    let Some(hard) = hard else {
        return Finding::ok(name, "unlimited", why);
    };
    let soft = soft.unwrap_or(hard);
    let connections = hard.saturating_mul(CONNECTIONS_PERCENT) / 100;
    let seen = format!(
        "soft {soft}, hard {hard}: at most {} ({CONNECTIONS_PERCENT} % of hard, to which the gateway \
         raises itself)",
        counted(connections, "connection")
    );
    let finding = Finding::ok(name, seen, why);
    let cure = "ulimit -Hn 1048576 as root (systemd: LimitNOFILE=1048576; docker: --ulimit \
                nofile=1048576)";
    match connections {
        0..CONNECTIONS_MIN => finding.but(Level::Fail, cure),
        CONNECTIONS_MIN..CONNECTIONS_FAIR => finding.but(Level::Warn, cure),
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_of;
    use super::*;

    const LIMITS: &str = "/proc/self/limits";
    const STATUS: &str = "/proc/self/status";

    #[test]
    fn locked_memory_rows() {
        let ring = RingSize {
            cores: 4,
            ..RingSize::DEFAULT
        };
        let nobody = "CapEff:\t0000000000000000";
        let rows = [
            (
                "small",
                nobody,
                "65536",
                Level::Warn,
                "64 KiB; 864 KiB needed for 4 cores",
            ),
            ("enough", nobody, "8388608", Level::Ok, "8 MiB"),
            ("unlimited", nobody, "unlimited", Level::Ok, "unlimited"),
            (
                "root",
                "CapEff:\t0000000000004000",
                "0",
                Level::Ok,
                "not limited",
            ),
        ];
        for (name, status, soft, level, seen) in rows {
            let limits = format!("Max locked memory         {soft}   unlimited   bytes");
            let (_dir, host) = host_of(&[(STATUS, status), (LIMITS, &limits)]);
            let found = memlock(&host, ring);
            assert_eq!(found.level, level, "{name}: {found:?}");
            assert!(found.seen.contains(seen), "{name}: {found:?}");
        }
    }

    #[test]
    fn open_file_rows() {
        let rows = [
            ("256   256", Level::Fail, "at most 115 connections"),
            ("1024   1024", Level::Warn, "at most 460 connections"),
            ("1024   524288", Level::Ok, "at most 235929 connections"),
            ("20000   20000", Level::Ok, "at most 9000 connections"),
            ("unlimited   unlimited", Level::Ok, "unlimited"),
        ];
        for (limit, level, seen) in rows {
            let limits = format!("Max open files            {limit}   files");
            let (_dir, host) = host_of(&[(LIMITS, &limits)]);
            let found = open_files(&host);
            assert_eq!(found.level, level, "{limit}: {found:?}");
            assert!(found.seen.contains(seen), "{limit}: {found:?}");
        }
    }
}
