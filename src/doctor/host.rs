//! The host as files: what /proc and /sys say, from the real root or from a test's own.
//!
//! Shape: [`Host`] is a root directory; helpers read one text, number or field. Units: as the
//! files have them. Errors: what cannot be read or parsed is `None`. Source: proc(5).

use std::{fs, path::PathBuf};

/// Where the files of a host are found.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

/// Capabilities that matter here, as bits of CapEff. Source: linux/capability.h.
pub(super) const CAP_NET_BIND_SERVICE: u32 = 10;
pub(super) const CAP_IPC_LOCK: u32 = 14;

impl Host {
    /// This host.
    #[must_use]
    pub fn real() -> Host {
        Host::at("/")
    }

    /// A host whose /proc and /sys are below `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Host {
        Host { root: root.into() }
    }

    /// Where the absolute `path` of this host is to be found.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The text of a file, trimmed.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// The number a file holds.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The value of `name:` in a file of such lines, for example /proc/self/status.
    pub(super) fn field(&self, path: &str, name: &str) -> Option<String> {
        self.text(path)?
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(field, _)| field.trim() == name)
            .map(|(_, value)| value.trim().to_owned())
    }

    /// Bytes of a `name: 123 kB` line of /proc/meminfo.
    pub(super) fn memory_bytes(&self, name: &str) -> Option<u64> {
        let value = self.field("/proc/meminfo", name)?;
        let kib: u64 = value.split_whitespace().next()?.parse().ok()?;
        Some(kib.saturating_mul(1024))
    }

    /// The soft and hard limit of a row of /proc/self/limits; `None` within is unlimited.
    pub(super) fn limit(&self, row: &str) -> Option<(Option<u64>, Option<u64>)> {
        let text = self.text("/proc/self/limits")?;
        let rest = text.lines().find_map(|line| line.strip_prefix(row))?;
        let mut words = rest.split_whitespace();
        let mut next = || match words.next()? {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        };
        Some((next()?, next()?))
    }

    /// Whether this process has the capability of this number.
    pub(super) fn capable(&self, capability: u32) -> bool {
        self.field("/proc/self/status", "CapEff")
            .and_then(|mask| u64::from_str_radix(&mask, 16).ok())
            .is_some_and(|mask| mask & (1 << capability) != 0)
    }
}

/// The numbers of a list such as `0-2,7`, as the kernel prints CPU sets.
pub(super) fn numbers_of_list(list: &str) -> Vec<u32> {
    const CPUS_MAX: u32 = 1 << 16;
    let mut numbers = Vec::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            numbers.extend(first..=last.min(CPUS_MAX));
        }
    }
    numbers
}

/// A number of bytes in words: the largest unit that keeps one decimal.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => {
            let tenths = (count % size).saturating_mul(10) / size;
            match tenths {
                0 => format!("{} {unit}", count / size),
                tenths => format!("{}.{tenths} {unit}", count / size),
            }
        }
        None => format!("{count} B"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A host made of these files, in a directory that lives as long as the first of the pair.
    pub(in crate::doctor) fn host_of(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("a directory for the host's files");
        let host = Host::at(dir.path());
        for (path, text) in files {
            let path = host.path(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("directories");
            fs::write(path, text).expect("a file");
        }
        (dir, host)
    }

    #[test]
    fn files_are_read() {
        let (_dir, host) = host_of(&[
            (
                "/proc/self/status",
                "Seccomp:\t2\nCapEff:\t0000000000000400\n",
            ),
            (
                "/proc/self/limits",
                "Max open files            1024   unlimited   files\n",
            ),
            ("/proc/meminfo", "MemTotal:  2048 kB\n"),
            ("/proc/n", "12\n"),
        ]);
        assert_eq!(
            host.field("/proc/self/status", "Seccomp").as_deref(),
            Some("2")
        );
        assert!(host.capable(CAP_NET_BIND_SERVICE) && !host.capable(CAP_IPC_LOCK));
        assert_eq!(host.limit("Max open files"), Some((Some(1024), None)));
        assert_eq!(host.limit("Max nothing"), None);
        assert_eq!(host.memory_bytes("MemTotal"), Some(2 << 20));
        assert_eq!(host.number("/proc/n"), Some(12));
        assert_eq!(host.number("/proc/absent"), None);
    }

    #[test]
    fn lists_and_bytes() {
        let rows: &[(&str, &[u32])] = &[
            ("0", &[0]),
            ("0-2,7", &[0, 1, 2, 7]),
            ("", &[]),
            ("x,3", &[3]),
            ("5-4", &[]),
        ];
        for (given, expected) in rows {
            assert_eq!(numbers_of_list(given), *expected, "{given}");
        }
        let rows = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (8 << 30, "8 GiB"),
        ];
        for (given, expected) in rows {
            assert_eq!(bytes(given), expected);
        }
    }
}
