//! Why the kernel refuses io_uring to this process, and what a person does about it.
//!
//! Shape: [`Evidence`] is what was seen (an errno and the state of the host); [`classify`] is a
//! pure function from it to one [`Refusal`], one variant per row of the table an operator needs.
//! Units: memory in bytes; errno as the kernel's positive number. Errors: a refusal *is* the
//! error; its `Display` names the cause and then the cure.
//! Source: io_uring_setup(2), Documentation/admin-guide/sysctl/kernel.rst (`io_uring_disabled`).

use std::fmt;

/// The oldest kernel with everything the loop stands on: single issuer and deferred task work.
pub const KERNEL_FLOOR: Kernel = Kernel { major: 6, minor: 1 };

/// The container profile in the source tree that lets the ring through.
pub const SECCOMP_PROFILE: &str = "configs/seccomp-io-uring.json";

/// A kernel release as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kernel {
    /// The first number of `uname -r`.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

/// What was seen when the ring was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// What was being done, for example `io_uring_setup`.
    pub step: &'static str,
    /// The kernel's answer, a positive errno.
    pub errno: i32,
    /// `kernel.io_uring_disabled`; absent before 6.6 and where /proc/sys is hidden.
    pub sysctl: Option<u32>,
    /// `kernel.io_uring_group`; -1 when no group is named.
    pub group: Option<i64>,
    /// Whether this process may use the ring at sysctl 1: in the group, or CAP_SYS_ADMIN.
    pub group_member: bool,
    /// A seccomp filter is active on this process.
    pub seccomp: bool,
    /// The running release as `uname -r` prints it.
    pub release: String,
    /// RLIMIT_MEMLOCK, soft; `None` is unlimited.
    pub memlock_bytes: Option<u64>,
    /// Locked memory the rings of this gateway take.
    pub memlock_needed_bytes: u64,
}

/// Why there is no ring, one variant per cure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// `kernel.io_uring_disabled` is 2.
    DisabledForAll,
    /// `kernel.io_uring_disabled` is 1 and this process is not in the group.
    DisabledOutsideGroup {
        /// `kernel.io_uring_group`, -1 when none is named.
        group: i64,
    },
    /// A seccomp filter answered in the kernel's place, as container runtimes do by default.
    Filtered {
        /// What the filter answered.
        errno: i32,
    },
    /// The kernel was built without io_uring, or a sandbox imitates a kernel without it.
    Missing {
        /// The running release.
        release: String,
    },
    /// The kernel knows io_uring but not what the loop needs.
    KernelTooOld {
        /// The running release.
        release: String,
        /// What it does not know.
        lacks: String,
    },
    /// The rings do not fit into RLIMIT_MEMLOCK.
    MemlockTooLow {
        /// The limit now; `None` is unlimited.
        now_bytes: Option<u64>,
        /// What the rings take.
        needed_bytes: u64,
    },
    /// No file descriptor is left for a ring.
    NoDescriptors,
    /// An answer without a row: a security module, or a fault of the kernel.
    Unexpected {
        /// What was being done.
        step: &'static str,
        /// The answer.
        errno: i32,
    },
}

/// Finds the row of the table for what was seen.
///
/// The sysctl comes before the filter, since EPERM with 2 has a certain cause; ENOSYS never comes
/// from the sysctl, so there the filter is first.
#[must_use]
pub fn classify(seen: &Evidence) -> Refusal {
    match (seen.errno, seen.sysctl) {
        (libc::EPERM, Some(2)) => Refusal::DisabledForAll,
        (libc::EPERM, Some(1)) if !seen.group_member => Refusal::DisabledOutsideGroup {
            group: seen.group.unwrap_or(-1),
        },
        (libc::EPERM | libc::ENOSYS, _) if seen.seccomp => Refusal::Filtered { errno: seen.errno },
        (libc::ENOSYS, _) => Refusal::Missing {
            release: seen.release.clone(),
        },
        (libc::EINVAL, _) => Refusal::KernelTooOld {
            release: seen.release.clone(),
            lacks: seen.step.to_owned(),
        },
        (libc::ENOMEM, _) => Refusal::MemlockTooLow {
            now_bytes: seen.memlock_bytes,
            needed_bytes: seen.memlock_needed_bytes,
        },
        (libc::EMFILE | libc::ENFILE, _) => Refusal::NoDescriptors,
        (errno, _) => Refusal::Unexpected {
            step: seen.step,
            errno,
        },
    }
}

impl Refusal {
    /// What stands in the way, one sentence without the cure.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Refusal::DisabledForAll => {
                "the sysctl kernel.io_uring_disabled is 2: io_uring is off for every process".into()
            }
            Refusal::DisabledOutsideGroup { group: -1 } => {
                "the sysctl kernel.io_uring_disabled is 1 and kernel.io_uring_group names no group"
                    .into()
            }
            Refusal::DisabledOutsideGroup { group } => format!(
                "the sysctl kernel.io_uring_disabled is 1 and this process is not in group \
                 {group} (kernel.io_uring_group)"
            ),
            Refusal::Filtered { errno } => format!(
                "a seccomp filter refuses io_uring_setup ({}), as container profiles do by default",
                errno_name(*errno)
            ),
            Refusal::Missing { release } => format!(
                "the kernel ({release}) lacks io_uring: built without CONFIG_IO_URING, or a \
                 sandbox imitates it"
            ),
            Refusal::KernelTooOld { release, lacks } => format!(
                "the running kernel is {release}, which refuses {lacks}; needed is {KERNEL_FLOOR} \
                 or newer"
            ),
            Refusal::MemlockTooLow {
                now_bytes,
                needed_bytes,
            } => format!(
                "no memory for the rings: RLIMIT_MEMLOCK is {} now, {} KiB are needed for this \
                 user's rings",
                kib(*now_bytes),
                needed_bytes.div_ceil(1024)
            ),
            Refusal::NoDescriptors => {
                "no file descriptor is left for a ring (RLIMIT_NOFILE, fs.file-max)".into()
            }
            Refusal::Unexpected { step, errno } => format!(
                "{step} answered {}; a security module (SELinux, AppArmor) may refuse it",
                errno_name(*errno)
            ),
        }
    }

    /// What to do about it, as a command or a setting.
    #[must_use]
    pub fn cure(&self) -> String {
        match self {
            Refusal::DisabledForAll => {
                "sysctl -w kernel.io_uring_disabled=0 (keep it in /etc/sysctl.d/90-tidegate.conf)"
                    .into()
            }
            Refusal::DisabledOutsideGroup { .. } => {
                "sysctl -w kernel.io_uring_group=$(id -g tidegate), with the gateway in that \
                 group; or sysctl -w kernel.io_uring_disabled=0"
                    .into()
            }
            Refusal::Filtered { .. } => format!(
                "docker run --security-opt seccomp={SECCOMP_PROFILE} … (`tidegate doctor \
                 --seccomp-profile` prints the file); under systemd SystemCallFilter=@aio"
            ),
            Refusal::Missing { .. } | Refusal::KernelTooOld { .. } => {
                format!("boot a kernel {KERNEL_FLOOR} or newer with CONFIG_IO_URING=y")
            }
            Refusal::MemlockTooLow { needed_bytes, .. } => format!(
                "ulimit -l {0} (systemd: LimitMEMLOCK={0}K; docker: --ulimit memlock={1})",
                needed_bytes.div_ceil(1024),
                needed_bytes.div_ceil(1024) * 1024
            ),
            Refusal::NoDescriptors => "ulimit -n 1048576 (systemd: LimitNOFILE=1048576)".into(),
            Refusal::Unexpected { .. } => {
                "look for the denial: journalctl -k --grep 'denied|io_uring'".into()
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. To cure it: {}", self.cause(), self.cure())
    }
}

impl std::error::Error for Refusal {}

impl Kernel {
    /// Reads `6.1.0-13-amd64` and its kind; `None` when it does not begin with two numbers.
    #[must_use]
    pub fn parse(release: &str) -> Option<Kernel> {
        let mut numbers = release.trim().splitn(3, '.');
        let major = numbers.next()?.parse().ok()?;
        let rest = numbers.next()?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let minor = rest.get(..end)?.parse().ok()?;
        Some(Kernel { major, minor })
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The short name of the errnos that appear in these messages.
fn errno_name(errno: i32) -> String {
    match errno {
        libc::EPERM => "EPERM".into(),
        libc::EACCES => "EACCES".into(),
        libc::ENOSYS => "ENOSYS".into(),
        libc::EINVAL => "EINVAL".into(),
        libc::ENOMEM => "ENOMEM".into(),
        libc::ETIME => "nothing within its second (ETIME)".into(),
        other => format!("errno {other}"),
    }
}

fn kib(bytes: Option<u64>) -> String {
    bytes.map_or("unlimited".into(), |bytes| format!("{} KiB", bytes / 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(errno: i32, sysctl: Option<u32>, seccomp: bool) -> Evidence {
        Evidence {
            step: "io_uring_setup",
            errno,
            sysctl,
            group: Some(-1),
            group_member: false,
            seccomp,
            release: "5.15.0-91-generic".into(),
            memlock_bytes: Some(65_536),
            memlock_needed_bytes: 300_000,
        }
    }

    #[test]
    fn every_row_names_its_cause() {
        let member = |base: Evidence| Evidence {
            group_member: true,
            ..base
        };
        let group = |base: Evidence| Evidence {
            group: Some(991),
            ..base
        };
        let (eperm, enosys) = (libc::EPERM, libc::ENOSYS);
        // name, given, words of the message that must stand there
        let rows: &[(&str, Evidence, &[&str])] = &[
            (
                "off for all",
                seen(eperm, Some(2), false),
                &["io_uring_disabled is 2", "=0"],
            ),
            (
                "off for all wins",
                seen(eperm, Some(2), true),
                &["io_uring_disabled is 2"],
            ),
            (
                "no group",
                seen(eperm, Some(1), false),
                &["disabled is 1", "io_uring_group"],
            ),
            (
                "other group",
                group(seen(eperm, Some(1), false)),
                &["is 1", "group 991"],
            ),
            (
                "a member, filter",
                member(seen(eperm, Some(1), true)),
                &[SECCOMP_PROFILE],
            ),
            (
                "filter EPERM, 0",
                seen(eperm, Some(0), true),
                &["seccomp", "EPERM", SECCOMP_PROFILE],
            ),
            (
                "filter EPERM, absent",
                seen(eperm, None, true),
                &["seccomp", SECCOMP_PROFILE],
            ),
            (
                "filter ENOSYS, 0",
                seen(enosys, Some(0), true),
                &["ENOSYS", SECCOMP_PROFILE],
            ),
            (
                "filter ENOSYS, absent",
                seen(enosys, None, true),
                &["ENOSYS", SECCOMP_PROFILE],
            ),
            (
                "filter ENOSYS, 2",
                seen(enosys, Some(2), true),
                &["seccomp", SECCOMP_PROFILE],
            ),
            (
                "no ring at all",
                seen(enosys, None, false),
                &["lacks io_uring", "CONFIG_IO_URING"],
            ),
            (
                "old",
                seen(libc::EINVAL, None, false),
                &["5.15.0-91-generic", "6.1"],
            ),
            (
                "old, filtered",
                seen(libc::EINVAL, Some(0), true),
                &["5.15.0-91-generic", "6.1"],
            ),
            (
                "memlock",
                seen(libc::ENOMEM, Some(0), false),
                &["64 KiB", "293 KiB", "ulimit -l 293"],
            ),
            (
                "descriptors",
                seen(libc::EMFILE, Some(0), false),
                &["RLIMIT_NOFILE"],
            ),
            (
                "security module",
                seen(libc::EACCES, Some(0), false),
                &["EACCES", "SELinux"],
            ),
            (
                "EPERM alone",
                seen(eperm, Some(0), false),
                &["EPERM", "security module"],
            ),
        ];
        for (name, given, words) in rows {
            let said = classify(given).to_string();
            for word in *words {
                assert!(said.contains(word), "{name}: no {word:?} in {said:?}");
            }
        }
    }

    #[test]
    fn releases_are_read() {
        let kernel = |major, minor| Some(Kernel { major, minor });
        let rows = [
            ("6.1.0-13-amd64", kernel(6, 1)),
            ("6.18.44-fc", kernel(6, 18)),
            ("5.15", kernel(5, 15)),
            ("6.12-rc3", kernel(6, 12)),
            ("7.0\n", kernel(7, 0)),
            ("six", None),
            ("", None),
            ("6.", None),
        ];
        for (given, expected) in rows {
            assert_eq!(Kernel::parse(given), expected, "{given:?}");
        }
        assert!(kernel(5, 19) < Some(KERNEL_FLOOR));
        assert!(kernel(6, 0) < Some(KERNEL_FLOOR));
        assert!(kernel(6, 10) > Some(KERNEL_FLOOR));
    }
}
