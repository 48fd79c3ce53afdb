//! What control groups grant this process: CPU time and memory, version 2 and version 1.
//!
//! Shape: the group of this process and every group above it, the tightest limit winning. Units:
//! thousandths of a CPU; bytes. Errors: an unreadable group sets no limit. Source: cgroups(7),
//! Documentation/admin-guide/cgroup-v2.rst.

use super::Host;

/// CPU time granted, in thousandths of a CPU; `None` when nothing limits it.
pub(super) fn cpu_milli(host: &Host) -> Option<u64> {
    let second = groups(host, Hierarchy::Second)
        .into_iter()
        .filter_map(|dir| quota_milli(&host.text(&format!("{dir}/cpu.max"))?));
    let first = groups(host, Hierarchy::First("cpu"))
        .into_iter()
        .filter_map(|dir| {
            let quota = host.text(&format!("{dir}/cpu.cfs_quota_us"))?;
            let period = host.text(&format!("{dir}/cpu.cfs_period_us"))?;
            quota_milli(&format!("{quota} {period}"))
        });
    second.chain(first).min()
}

/// Memory granted, in bytes; `None` when nothing limits it.
pub(super) fn memory_bytes(host: &Host) -> Option<u64> {
    let second = groups(host, Hierarchy::Second)
        .into_iter()
        .filter_map(|dir| host.number(&format!("{dir}/memory.max")));
    let first = groups(host, Hierarchy::First("memory"))
        .into_iter()
        .filter_map(|dir| host.number(&format!("{dir}/memory.limit_in_bytes")))
        .filter(|bytes| *bytes < V1_UNLIMITED_BYTES);
    second.chain(first).min()
}

/// From here on version 1 means "no limit": it prints the largest multiple of a page.
const V1_UNLIMITED_BYTES: u64 = 1 << 60;

/// A tree of groups: the one of version 2, or version 1's for one controller.
#[derive(Clone, Copy)]
enum Hierarchy {
    First(&'static str),
    Second,
}

/// The directories of this process's group and all above it, nearest first.
fn groups(host: &Host, hierarchy: Hierarchy) -> Vec<String> {
    let (Some(own), Some((root, mount))) = (own_path(host, hierarchy), mounted(host, hierarchy))
    else {
        return Vec::new();
    };
    // In a container without a namespace of its own the mount begins below the path's root.
    let below = match own.strip_prefix(root.trim_end_matches('/')) {
        Some(below) => below.trim_matches('/').to_owned(),
        None => String::new(),
    };
    let mut directories = Vec::new();
    let mut below = below.as_str();
    while !below.is_empty() {
        directories.push(format!("{mount}/{below}"));
        below = below.rsplit_once('/').map_or("", |(above, _)| above);
    }
    directories.push(mount);
    directories
}

/// The path of this process in the tree, from /proc/self/cgroup.
fn own_path(host: &Host, hierarchy: Hierarchy) -> Option<String> {
    let text = host.text("/proc/self/cgroup")?;
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let same = match hierarchy {
            Hierarchy::Second => id == "0" && controllers.is_empty(),
            Hierarchy::First(name) => controllers.split(',').any(|one| one == name),
        };
        same.then(|| path.to_owned())
    })
}

/// Root within the tree, and mount point, from /proc/self/mountinfo.
fn mounted(host: &Host, hierarchy: Hierarchy) -> Option<(String, String)> {
    let text = host.text("/proc/self/mountinfo")?;
    text.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, mount) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1).unwrap_or(""));
        let same = match hierarchy {
            Hierarchy::Second => name == "cgroup2",
            Hierarchy::First(controller) => {
                name == "cgroup" && options.split(',').any(|one| one == controller)
            }
        };
        same.then(|| (root.to_owned(), mount.to_owned()))
    })
}

/// `quota period` in microseconds as thousandths of a CPU; `max` and -1 are no limit.
fn quota_milli(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let quota: u64 = words.next()?.parse().ok()?;
    let period: u64 = words.next()?.parse().ok()?;
    quota.saturating_mul(1000).checked_div(period)
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_of;
    use super::*;

    const OWN: &str = "/proc/self/cgroup";
    const MOUNTS: &str = "/proc/self/mountinfo";
    const V2: &str = "30 24 0:26 / /cg rw,nosuid - cgroup2 cgroup2 rw";
    const V1: &str = "30 24 0:26 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      31 24 0:27 / /mem rw - cgroup cgroup rw,memory\n";

    #[test]
    fn the_tightest_group_wins() {
        // name, files, thousandths of a CPU, bytes
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<u64>, Option<u64>);
        let rows: &[Row<'_>] = &[
            ("nothing", &[], None, None),
            (
                "no limit",
                &[
                    (OWN, "0::/a"),
                    (MOUNTS, V2),
                    ("/cg/a/cpu.max", "max 100000"),
                ],
                None,
                None,
            ),
            (
                "own",
                &[
                    (OWN, "0::/a/b"),
                    (MOUNTS, V2),
                    ("/cg/a/b/cpu.max", "150000 100000"),
                    ("/cg/a/b/memory.max", "1048576"),
                ],
                Some(1500),
                Some(1 << 20),
            ),
            (
                "the one above is tighter",
                &[
                    (OWN, "0::/a/b"),
                    (MOUNTS, V2),
                    ("/cg/a/b/cpu.max", "150000 100000"),
                    ("/cg/a/cpu.max", "50000 100000"),
                    ("/cg/a/b/memory.max", "max"),
                    ("/cg/a/memory.max", "4096"),
                ],
                Some(500),
                Some(4096),
            ),
            (
                "a container sees its group as the root of the mount",
                &[
                    (OWN, "0::/docker/x"),
                    (MOUNTS, "30 24 0:26 /docker/x /cg ro - cgroup2 cgroup2 rw"),
                    ("/cg/cpu.max", "200000 100000"),
                ],
                Some(2000),
                None,
            ),
            (
                "version 1",
                &[
                    (OWN, "4:memory:/m\n1:cpu,cpuacct:/c"),
                    (MOUNTS, V1),
                    ("/cpu/c/cpu.cfs_quota_us", "250000"),
                    ("/cpu/c/cpu.cfs_period_us", "100000"),
                    ("/cpu/cpu.cfs_quota_us", "-1"),
                    ("/cpu/cpu.cfs_period_us", "100000"),
                    ("/mem/m/memory.limit_in_bytes", "8192"),
                    ("/mem/memory.limit_in_bytes", "9223372036854771712"),
                ],
                Some(2500),
                Some(8192),
            ),
            (
                "period 0",
                &[(OWN, "0::/"), (MOUNTS, V2), ("/cg/cpu.max", "1 0")],
                None,
                None,
            ),
        ];
        for (name, files, cpu, memory) in rows {
            let (_dir, host) = host_of(files);
            assert_eq!(cpu_milli(&host), *cpu, "{name}");
            assert_eq!(memory_bytes(&host), *memory, "{name}");
        }
    }
}
