//! CPUs: which this process may use, how much time on them, and which share a core.
//!
//! Shape: affinity mask, quota of the control groups and sysfs topology in, findings out. Units:
//! CPUs by number; thousandths of a CPU. Errors: unknown topology is said so. Source:
//! sched_setaffinity(2), Documentation/admin-guide/cputopology.rst.

use super::{Finding, Host, Level, cgroup, host::numbers_of_list};
use std::collections::BTreeSet;
use tidegate_edge::base::text::counted;

/// The CPUs this process may run on.
pub(super) fn usable(host: &Host) -> Vec<u32> {
    let list = host.field("/proc/self/status", "Cpus_allowed_list");
    numbers_of_list(&list.unwrap_or_default())
}

/// Mask, quota and siblings.
pub(super) fn findings(host: &Host, usable: &[u32]) -> Vec<Finding> {
    vec![
        affinity(host, usable),
        quota(host, usable.len()),
        siblings(host, usable),
    ]
}

fn affinity(host: &Host, usable: &[u32]) -> Finding {
    let why = "the gateway pins one thread to each CPU it may use";
    let online = host
        .text("/sys/devices/system/cpu/online")
        .unwrap_or_default();
    let online = numbers_of_list(&online).len().max(usable.len());
    let seen = match usable.len() {
        0 => "unknown: /proc/self/status does not say".to_owned(),
        count if count == online => format!("{count}, all of this host"),
        count => format!("{count} of {online} (affinity mask or cpuset)"),
    };
    Finding::ok("CPUs", seen, why)
}

fn quota(host: &Host, usable: usize) -> Finding {
    let why = "a pinned thread that has spent its quota stands still for the rest of the period";
    let Some(milli) = cgroup::cpu_milli(host) else {
        return Finding::ok("CPU quota", "none", why);
    };
    let usable = u64::try_from(usable).unwrap_or(u64::MAX);
    let seen = format!(
        "{}.{:02} CPUs of time on {usable} CPUs",
        milli / 1000,
        milli % 1000 / 10
    );
    let finding = Finding::ok("CPU quota", seen, why);
    if milli >= usable.saturating_mul(1000) {
        return finding;
    }
    let whole = (milli / 1000).max(1);
    let last = whole - 1;
    let cure = format!(
        "taskset -c 0-{last} tidegate run … (docker: --cpuset-cpus 0-{last} in place of --cpus)"
    );
    finding.but(Level::Warn, cure)
}

fn siblings(host: &Host, usable: &[u32]) -> Finding {
    let why = "two CPUs of one core share its units: together they do less than two cores";
    let mut cores = BTreeSet::new();
    for cpu in usable {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        match host.text(&path) {
            Some(list) => cores.insert(numbers_of_list(&list)),
            None => return Finding::ok("SMT siblings", "unknown: no topology in /sys", why),
        };
    }
    let seen = match (usable.len(), cores.len()) {
        (cpus, cores) if cpus == cores => "none among the usable CPUs".to_owned(),
        (cpus, cores) => format!("{} on {}", counted(cpus, "CPU"), counted(cores, "core")),
    };
    Finding::ok("SMT siblings", seen, why)
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_of;
    use super::*;

    const STATUS: &str = "/proc/self/status";
    const ONLINE: &str = "/sys/devices/system/cpu/online";

    #[test]
    fn masks_quotas_and_siblings() {
        let sibling =
            |cpu| format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let (first, second) = (sibling(0), sibling(1));
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
            ("all", vec![(ONLINE, "0-1")], "CPUs", Level::Ok, "2, all"),
            ("some", vec![(ONLINE, "0-7")], "CPUs", Level::Ok, "2 of 8"),
            ("no quota", vec![], "CPU quota", Level::Ok, "none"),
            (
                "wide",
                vec![("/cg/cpu.max", "200000 100000")],
                "CPU quota",
                Level::Ok,
                "2.00",
            ),
            (
                "tight",
                vec![("/cg/cpu.max", "150000 100000")],
                "CPU quota",
                Level::Warn,
                "1.50",
            ),
            ("no topology", vec![], "SMT siblings", Level::Ok, "unknown"),
            (
                "apart",
                vec![(&first, "0"), (&second, "1")],
                "SMT siblings",
                Level::Ok,
                "none",
            ),
            (
                "one core",
                vec![(&first, "0-1"), (&second, "0-1")],
                "SMT siblings",
                Level::Ok,
                "on 1",
            ),
        ];
        for (name, files, finding, level, words) in rows {
            let mut all = vec![(STATUS, "Cpus_allowed_list:\t0-1")];
            all.extend(group);
            all.extend(files);
            let (_dir, host) = host_of(&all);
            let found = findings(&host, &usable(&host));
            let found = found
                .iter()
                .find(|one| one.name == finding)
                .expect("is there");
            assert_eq!(found.level, level, "{name}: {found:?}");
            assert!(found.seen.contains(words), "{name}: {found:?}");
        }
    }
}
