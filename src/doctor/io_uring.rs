//! Kernel, ring, sysctl, seccomp and container: may the loop have its ring here?
//!
//! Shape: the probe's answer and the host's files in, findings out. Units: none. Errors: a refused
//! ring is the failing finding. Source: Documentation/admin-guide/sysctl/kernel.rst, seccomp(2).

use super::{Finding, Host, Level};
use tidegate_edge::ring::probe::{Capabilities, KERNEL_FLOOR, Kernel, Refusal, SECCOMP_PROFILE};

/// Kernel first, since every other answer depends on it.
pub(super) fn findings(host: &Host, probed: &Result<Capabilities, Refusal>) -> Vec<Finding> {
    vec![
        kernel(host, probed.is_ok()),
        ring(probed),
        sysctl(host),
        seccomp(host, probed.is_ok()),
        container(host),
    ]
}

fn kernel(host: &Host, works: bool) -> Finding {
    let release = host.text("/proc/sys/kernel/osrelease");
    let release = release.unwrap_or_else(|| "unknown".into());
    let why = "single issuer and deferred task work, on which the loop stands, came with 6.1";
    let old = Kernel::parse(&release).is_none_or(|kernel| kernel < KERNEL_FLOOR);
    let seen = format!("{release} (needed: {KERNEL_FLOOR})");
    let finding = Finding::ok("kernel", seen, why);
    match (old, works) {
        (false, _) => finding,
        // A distribution's old number with new features: the probe knows better.
        (true, true) => finding.but(Level::Warn, "uname -r; plan for a newer kernel"),
        (true, false) => finding.but(Level::Fail, "boot a newer kernel, then: uname -r"),
    }
}

fn ring(probed: &Result<Capabilities, Refusal>) -> Finding {
    let why = "every byte of the gateway passes through io_uring; there is no slower fallback";
    match probed {
        Ok(can) => {
            let extras: Vec<&str> = [
                (can.send_zc, "zero-copy send"),
                (can.bundles, "bundles"),
                (can.min_timeout, "minimum wait"),
            ]
            .into_iter()
            .filter_map(|(there, name)| there.then_some(name))
            .collect();
            let extras = match extras.as_slice() {
                [] => "none of the extras".to_owned(),
                some => format!("also {}", some.join(", ")),
            };
            let seen = format!(
                "no-op, multishot accept and receive, buffer ring, ring messages work; {extras}"
            );
            Finding::ok("io_uring", seen, why)
        }
        Err(refusal) => {
            Finding::ok("io_uring", refusal.cause(), why).but(Level::Fail, refusal.cure())
        }
    }
}

fn sysctl(host: &Host) -> Finding {
    let why = "this switch refuses io_uring to some or all processes";
    let name = "kernel.io_uring_disabled";
    let group = host.text("/proc/sys/kernel/io_uring_group");
    let group = group.unwrap_or_else(|| "-1".into());
    let everyone = "sysctl -w kernel.io_uring_disabled=0";
    match host.number("/proc/sys/kernel/io_uring_disabled") {
        None => Finding::ok(name, "absent (before 6.6, or hidden): not restricted", why),
        Some(0) => Finding::ok(name, "0: every process may", why),
        Some(1) => Finding::ok(
            name,
            format!("1: only members of group {group} and CAP_SYS_ADMIN"),
            why,
        )
        .but(
            Level::Warn,
            format!("put the gateway's user into kernel.io_uring_group, or {everyone}"),
        ),
        Some(value) => {
            Finding::ok(name, format!("{value}: nobody may"), why).but(Level::Fail, everyone)
        }
    }
}

fn seccomp(host: &Host, works: bool) -> Finding {
    let why = "container runtimes filter io_uring by default; the filter answers as the kernel";
    let mode = host.field("/proc/self/status", "Seccomp");
    let seen = match mode.as_deref() {
        None => "unknown: /proc/self/status does not say",
        Some("0") => "no filter",
        Some("1") => "strict mode",
        Some(_) if works => "a filter is active and lets io_uring through",
        Some(_) => "a filter is active",
    };
    let finding = Finding::ok("seccomp", seen, why);
    match mode.as_deref() {
        Some("0") | None => finding,
        Some(_) if works => finding,
        Some(_) => finding.but(
            Level::Warn,
            format!("docker run --security-opt seccomp={SECCOMP_PROFILE} …"),
        ),
    }
}

fn container(host: &Host) -> Finding {
    let why = "inside a container its runtime decides on system calls, CPUs and memory";
    let finding = |seen: &str| Finding::ok("container", seen, why);
    let groups = host.text("/proc/1/cgroup").unwrap_or_default();
    let release = host.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = host.text("/proc/version").unwrap_or_default();
    if host.has("/.dockerenv") {
        finding("docker (/.dockerenv)")
    } else if host.has("/run/.containerenv") {
        finding("podman (/run/.containerenv)")
    } else if host.has("/var/run/secrets/kubernetes.io") || groups.contains("kubepods") {
        finding("kubernetes")
    } else if ["docker", "containerd", "lxc"]
        .iter()
        .any(|word| groups.contains(word))
    {
        finding("a container, by the control group of process 1")
    } else if version.contains("gVisor") {
        finding("gVisor").but(
            Level::Warn,
            "run the gateway outside gVisor: it has no io_uring",
        )
    } else if release.contains("microsoft") {
        finding("WSL")
    } else {
        finding("no sign of one")
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_of;
    use super::*;

    fn can() -> Capabilities {
        Capabilities {
            release: "6.1.0".into(),
            send_zc: true,
            bundles: false,
            min_timeout: false,
            completions: 8192,
        }
    }

    #[test]
    fn each_state_has_its_level() {
        use Level::{Fail, Ok, Warn};
        const RELEASE: &str = "/proc/sys/kernel/osrelease";
        const DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";
        const STATUS: &str = "/proc/self/status";
        // file, its text, whether the probe works, finding, level, a word of what was seen
        let rows = [
            (RELEASE, "6.1.0-13-amd64", true, "kernel", Ok, "6.1.0-13"),
            (
                RELEASE,
                "5.14.0-427.el9",
                true,
                "kernel",
                Warn,
                "needed: 6.1",
            ),
            (RELEASE, "5.15.0", false, "kernel", Fail, "5.15.0"),
            (
                "/nothing",
                "",
                true,
                "kernel.io_uring_disabled",
                Ok,
                "absent",
            ),
            (
                DISABLED,
                "0",
                true,
                "kernel.io_uring_disabled",
                Ok,
                "every process",
            ),
            (
                DISABLED,
                "1",
                true,
                "kernel.io_uring_disabled",
                Warn,
                "group -1",
            ),
            (
                DISABLED,
                "2",
                false,
                "kernel.io_uring_disabled",
                Fail,
                "nobody",
            ),
            (STATUS, "Seccomp:\t0", true, "seccomp", Ok, "no filter"),
            (
                STATUS,
                "Seccomp:\t2",
                true,
                "seccomp",
                Ok,
                "lets io_uring through",
            ),
            (STATUS, "Seccomp:\t2", false, "seccomp", Warn, "active"),
            ("/.dockerenv", "", true, "container", Ok, "docker"),
            ("/run/.containerenv", "", true, "container", Ok, "podman"),
            (
                "/proc/1/cgroup",
                "0::/kubepods/x",
                true,
                "container",
                Ok,
                "kubernetes",
            ),
            ("/nothing", "", true, "container", Ok, "no sign"),
            ("/nothing", "", true, "io_uring", Ok, "also zero-copy send"),
            (
                "/nothing",
                "",
                false,
                "io_uring",
                Fail,
                "io_uring_disabled is 2",
            ),
        ];
        for (file, text, works, name, level, word) in rows {
            let (_dir, host) = host_of(&[(file, text)]);
            let probed = if works {
                Result::Ok(can())
            } else {
                Err(Refusal::DisabledForAll)
            };
            let all = findings(&host, &probed);
            let found = all
                .iter()
                .find(|finding| finding.name == name)
                .expect("is there");
            assert_eq!(found.level, level, "{file} {text}: {found:?}");
            assert!(found.seen.contains(word), "{file} {text}: {found:?}");
            assert_eq!(found.cure.is_some(), level != Ok, "{found:?}");
        }
    }
}
