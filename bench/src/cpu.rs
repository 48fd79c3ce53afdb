//! What: where a process runs and what it has cost: processor affinity, CPU time, private memory.
//! Shape: a process id in, a number out; affinity is set on a thread that then starts the child,
//!   so that every thread the child ever makes inherits it.
//! Units: nanoseconds of CPU (user and system together), bytes of memory.
//! Errors: `io::Error` when /proc cannot be read, which mostly means the process has died.
//! Source: proc(5): stat, task/TID/schedstat, task/TID/children, smaps_rollup; sched_setaffinity(2).

use std::fs;
use std::io;
use std::process::{Child, Command};

/// The two processors of a run.
#[derive(Clone, Copy)]
pub(crate) struct Cpus {
    /// For the server under test and nothing else.
    pub(crate) server: usize,
    /// For load and origin.
    pub(crate) load: usize,
}

impl Cpus {
    /// The first two processors this process may use.
    pub(crate) fn choose() -> io::Result<Self> {
        let ids = core_affinity::get_core_ids().unwrap_or_default();
        match ids.as_slice() {
            [server, load, ..] => Ok(Cpus {
                server: server.id,
                load: load.id,
            }),
            _ => Err(io::Error::other(
                "two processors are needed: one to measure, one for load",
            )),
        }
    }
}

/// Starts `command` on one processor, threads and all.
pub(crate) fn spawn_on(cpu: usize, command: &mut Command) -> io::Result<Child> {
    std::thread::scope(|scope| {
        let spawning = scope.spawn(|| {
            if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
                return Err(io::Error::other(format!("cannot pin to processor {cpu}")));
            }
            command.spawn()
        });
        spawning.join().expect("spawning does not panic")
    })
}

/// Processor time of all living threads of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// Time on the processor.
    pub(crate) run_ns: u64,
    /// Time ready to run while something else had the processor.
    pub(crate) waited_ns: u64,
}

/// What a process has used since it started.
pub(crate) fn used(pid: u32) -> io::Result<Used> {
    let mut sum = Used::default();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading; its time is then lost, which
        // servers with fixed threads do not do.
        let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(run_ns)), Some(Ok(waited_ns))) = (numbers.next(), numbers.next()) else {
            return Err(io::Error::other("schedstat is unreadable"));
        };
        sum.run_ns += run_ns;
        sum.waited_ns += waited_ns;
    }
    Ok(sum)
}

/// Time that a processor has not been idle, whoever used it; its clock ticks a hundred times a
/// second.
pub(crate) fn busy_ns(cpu: usize) -> io::Result<u64> {
    busy_ns_in(&fs::read_to_string("/proc/stat")?, cpu)
        .ok_or_else(|| io::Error::other(format!("/proc/stat has no processor {cpu}")))
}

fn busy_ns_in(stat: &str, cpu: usize) -> Option<u64> {
    let name = format!("cpu{cpu}");
    let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
    let (_, numbers) = lines.find(|(known, _)| *known == name)?;
    let ticks: Vec<u64> = numbers
        .split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are within user
    let busy = ticks.get(..3)?.iter().chain(ticks.get(5..8)?).sum::<u64>();
    Some(busy * NS_PER_TICK)
}

/// A process and all that descend from it: some servers work in a child.
pub(crate) fn with_descendants(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&pid) = family.get(next) {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children = children.split_whitespace().map(str::parse);
            family.extend(children.flatten().filter(|child: &u32| *child != pid));
        }
    }
    family
}

/// Memory of a process that no other process shares.
pub(crate) fn private_bytes(pid: u32) -> io::Result<u64> {
    Ok(private_bytes_in(&fs::read_to_string(format!(
        "/proc/{pid}/smaps_rollup"
    ))?))
}

fn private_bytes_in(rollup: &str) -> u64 {
    let lines = rollup.lines().filter_map(|line| line.split_once(':'));
    let private = lines.filter(|(name, _)| matches!(*name, "Private_Clean" | "Private_Dirty"));
    private
        .filter_map(|(_, value)| first_number(value))
        .sum::<u64>()
        * 1024
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

const NS_PER_TICK: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::{busy_ns_in, private_bytes_in, with_descendants};

    #[test]
    fn a_processor_is_busy_with_all_but_waiting() {
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 4 1000 1000 8 16 32 999 999\nintr 5\n";
        assert_eq!(busy_ns_in(stat, 1), Some(63 * 10_000_000));
        assert_eq!(busy_ns_in(stat, 0), None);
    }

    #[test]
    fn children_of_children_are_found() {
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'cat; exit' ; exit"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        while with_descendants(shell.id()).len() < 3 {
            assert_eq!(shell.try_wait().unwrap(), None, "it waits for its input");
            std::thread::yield_now();
        }
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }

    #[test]
    fn private_memory_is_clean_plus_dirty() {
        let rollup = "Rss: 90 kB\nShared_Dirty: 7 kB\nPrivate_Clean:  3 kB\nPrivate_Dirty: 40 kB\n\
                      Private_Hugetlb: 0 kB\n";
        assert_eq!(private_bytes_in(rollup), 43 * 1024);
    }
}
