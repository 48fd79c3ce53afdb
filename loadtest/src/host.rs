//! What the host says about itself, this thread and another process.
//!
//! Shape: small readers of /proc; what cannot be read is zero or unknown. Units: nanoseconds of
//! processor time, counts. Errors: none; a missing file leaves its figure out.
//! Source: proc(5): schedstat, cpuinfo; ip_local_port_range in ip(7).

use std::fs;

use serde::{Deserialize, Serialize};

/// Processor time of a thread or a process.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ThreadTimes {
    /// On the processor.
    pub run_ns: u64,
    /// Ready, while something else had the processor.
    pub waited_ns: u64,
}

impl ThreadTimes {
    /// Of this thread.
    #[must_use]
    pub fn read() -> ThreadTimes {
        ThreadTimes::read_file("/proc/thread-self/schedstat").unwrap_or_default()
    }

    /// Of all threads of a process; `None` when there is none.
    #[must_use]
    pub fn of_process(pid: u32) -> Option<ThreadTimes> {
        let mut sum = ThreadTimes::default();
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let path = task.ok()?.path().join("schedstat");
            let times = ThreadTimes::read_file(path.to_str()?).unwrap_or_default();
            sum.run_ns += times.run_ns;
            sum.waited_ns += times.waited_ns;
        }
        Some(sum)
    }

    fn read_file(path: &str) -> Option<ThreadTimes> {
        let text = fs::read_to_string(path).ok()?;
        let mut numbers = text.split_whitespace().map(str::parse::<u64>);
        let run_ns = numbers.next()?.ok()?;
        let waited_ns = numbers.next()?.ok()?;
        Some(ThreadTimes { run_ns, waited_ns })
    }
}

/// Where a run took place.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Host {
    /// Of the processor.
    pub cpu: String,
    /// Processors.
    pub cpus: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// Version of this program.
    pub version: String,
    /// `release` or `debug`.
    pub build: String,
}

impl Host {
    /// This one.
    #[must_use]
    pub fn read() -> Host {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let model = model
            .and_then(|rest| rest.split_once(':'))
            .map(|(_, model)| model.trim());
        Host {
            cpu: model.unwrap_or("unknown").to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read_line("/proc/sys/kernel/osrelease"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            }
            .to_owned(),
        }
    }
}

/// Local ports that outgoing connections may have.
#[must_use]
pub fn ports() -> u64 {
    let range = read_line("/proc/sys/net/ipv4/ip_local_port_range");
    let mut numbers = range
        .split_whitespace()
        .filter_map(|number| number.parse::<u64>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if last >= first => last - first + 1,
        _ => 28_232,
    }
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_can_be_read() {
        let host = Host::read();
        assert!(host.cpus > 0 && !host.kernel.is_empty());
        assert!(ports() > 0);
        let own = ThreadTimes::of_process(std::process::id()).expect("we are a process");
        assert!(own.run_ns > 0);
        assert_eq!(ThreadTimes::of_process(u32::MAX), None);
    }
}
