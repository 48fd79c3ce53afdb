//! Memory: how much the gateway may have, whether it may be swapped out, and huge pages.
//!
//! Shape: /proc/meminfo, control groups and sysfs in, findings out. Units: bytes. Errors: unknown
//! amounts are said so. Source: proc(5), Documentation/admin-guide/mm/transhuge.rst.

use super::{Finding, Host, Level, cgroup, host::bytes};

/// Below this the pools of one core do not fit.
const MEMORY_MIN_BYTES: u64 = 64 << 20;
/// Below this a body buffer for every connection of a busy core does not.
const MEMORY_FAIR_BYTES: u64 = 256 << 20;

/// Bytes that this process may have: the host's, or less if a control group says so.
#[must_use]
pub fn granted_bytes(host: &Host) -> Option<u64> {
    let total = host.memory_bytes("MemTotal");
    total.into_iter().chain(cgroup::memory_bytes(host)).min()
}

/// Bytes that this process has in RAM.
#[must_use]
pub fn resident_bytes(host: &Host) -> Option<u64> {
    let value = host.field("/proc/self/status", "VmRSS")?;
    let kib: u64 = value.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// Amount, swap and huge pages.
pub(super) fn findings(host: &Host) -> Vec<Finding> {
    vec![amount(host), swap(host), huge_pages(host)]
}

fn amount(host: &Host) -> Finding {
    let why = "the gateway sheds load as it nears its memory; the kernel kills it beyond";
    let Some(total) = host.memory_bytes("MemTotal") else {
        return Finding::ok("memory", "unknown: /proc/meminfo does not say", why);
    };
    let available = host.memory_bytes("MemAvailable").unwrap_or(total);
    let limit = cgroup::memory_bytes(host).filter(|limit| *limit < total);
    let granted = limit.unwrap_or(available).min(available);
    let group = limit.map_or("no control group limit".into(), |limit| {
        format!("control group limit {}", bytes(limit))
    });
    let seen = format!(
        "{} available of {}, {group}",
        bytes(available),
        bytes(total)
    );
    let finding = Finding::ok("memory", seen, why);
    let cure = "raise the limit (systemd: MemoryMax=1G; docker: --memory 1g) or free memory";
    match granted {
        0..MEMORY_MIN_BYTES => finding.but(Level::Fail, cure),
        MEMORY_MIN_BYTES..MEMORY_FAIR_BYTES => finding.but(Level::Warn, cure),
        _ => finding,
    }
}

fn swap(host: &Host) -> Finding {
    let why = "a core that waits for a page from disk serves nobody meanwhile";
    match host.memory_bytes("SwapTotal") {
        None => Finding::ok("swap", "unknown: /proc/meminfo does not say", why),
        Some(0) => Finding::ok("swap", "none", why),
        Some(total) => {
            let free = host.memory_bytes("SwapFree").unwrap_or(total);
            let used = bytes(total.saturating_sub(free));
            let seen = format!("{} on, {used} in use", bytes(total));
            let cure = "systemctl edit tidegate: MemorySwapMax=0 (whole host: swapoff -a)";
            Finding::ok("swap", seen, why).but(Level::Warn, cure)
        }
    }
}

fn huge_pages(host: &Host) -> Finding {
    let why = "with `always` the kernel stalls a core to merge pages it did not ask to merge";
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    let name = "transparent huge pages";
    let Some(text) = host.text(path) else {
        return Finding::ok(name, "not in this kernel", why);
    };
    let chosen = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or(text.as_str(), |(chosen, _)| chosen);
    let finding = Finding::ok(name, chosen, why);
    if chosen == "always" {
        finding.but(Level::Warn, format!("echo madvise > {path}"))
    } else {
        finding
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_of;
    use super::*;

    #[test]
    fn the_process_has_and_may_have() {
        const GROUP: &[(&str, &str)] = &[
            ("/proc/self/cgroup", "0::/"),
            (
                "/proc/self/mountinfo",
                "30 24 0:26 / /cg rw - cgroup2 cgroup2 rw",
            ),
        ];
        let info = ("/proc/meminfo", "MemTotal: 1024 kB");
        let status = (
            "/proc/self/status",
            "Name: x\nVmRSS:\t     12 kB\nVmPeak: 9 kB",
        );
        // name, files, granted, resident
        let rows = [
            ("unknown", vec![], None, None),
            ("host", vec![info, status], Some(1 << 20), Some(12 << 10)),
            (
                "tighter",
                vec![info, ("/cg/memory.max", "4096")],
                Some(4096),
                None,
            ),
            (
                "wider",
                vec![info, ("/cg/memory.max", "4194304")],
                Some(1 << 20),
                None,
            ),
            (
                "group alone",
                vec![("/cg/memory.max", "4096")],
                Some(4096),
                None,
            ),
        ];
        for (name, files, granted, resident) in rows {
            let (_dir, host) = host_of(&[GROUP, &files].concat());
            assert_eq!(granted_bytes(&host), granted, "{name}");
            assert_eq!(resident_bytes(&host), resident, "{name}");
        }
    }

    #[test]
    fn memory_rows() {
        use Level::{Fail, Ok, Warn};
        const INFO: &str = "/proc/meminfo";
        const PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
        let large = "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nSwapTotal: 0 kB";
        let group = [
            ("/proc/self/cgroup", "0::/"),
            (
                "/proc/self/mountinfo",
                "30 24 0:26 / /cg rw - cgroup2 cgroup2 rw",
            ),
        ];
        // name, files, finding, level, words
        type Row<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str, Level, &'a str);
        let rows: Vec<Row<'_>> = vec![
            ("unknown", vec![], "memory", Ok, "unknown"),
            (
                "large",
                vec![(INFO, large)],
                "memory",
                Ok,
                "4 GiB available of 8 GiB",
            ),
            (
                "limit",
                vec![(INFO, large), ("/cg/memory.max", "134217728")],
                "memory",
                Warn,
                "128 MiB",
            ),
            (
                "tiny",
                vec![(INFO, large), ("/cg/memory.max", "33554432")],
                "memory",
                Fail,
                "32 MiB",
            ),
            ("no swap", vec![(INFO, large)], "swap", Ok, "none"),
            (
                "swap",
                vec![(INFO, "SwapTotal: 2048 kB\nSwapFree: 1024 kB")],
                "swap",
                Warn,
                "1 MiB in",
            ),
            ("no pages", vec![], "transparent huge pages", Ok, "not in"),
            (
                "asked",
                vec![(PAGES, "always [madvise] never")],
                "transparent huge pages",
                Ok,
                "mad",
            ),
            (
                "always",
                vec![(PAGES, "[always] madvise never")],
                "transparent huge pages",
                Warn,
                "al",
            ),
        ];
        for (name, files, finding, level, words) in rows {
            let mut all = group.to_vec();
            all.extend(files);
            let (_dir, host) = host_of(&all);
            let found = findings(&host);
            let found = found
                .iter()
                .find(|one| one.name == finding)
                .expect("is there");
            assert_eq!(found.level, level, "{name}: {found:?}");
            assert!(found.seen.contains(words), "{name}: {found:?}");
        }
    }
}
