//! What: where a process runs and what it has cost: processor affinity, CPU time, private memory.
//! Shape: a process id in, a number out; affinity is set in the child before its program runs,
//!   so that every thread it ever makes inherits it.
//! Units: nanoseconds of CPU (user and system together), bytes of memory.
//! Errors: `io::Error` when /proc cannot be read, which mostly means the process has died.
//! Source: proc(5): stat, task/TID/schedstat, task/TID/children, smaps_rollup; sched_setaffinity(2); PR_SET_PDEATHSIG in prctl(2).

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
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

/// Starts `command` on one processor, threads and all; it ends with this process, however that
/// ends. Only for the main thread: the kernel takes the end of the thread that started a child for
/// the end of its parent.
pub(crate) fn spawn_on(cpu: usize, command: &mut Command) -> io::Result<Child> {
    // SAFETY: a set of processors is plain numbers, for which zero is a value.
    let mut only: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `CPU_SET` writes inside of the set, and checks the bounds by its array.
    unsafe { libc::CPU_SET(cpu, &mut only) };
    let pin = move || {
        let bytes = size_of::<libc::cpu_set_t>();
        // SAFETY: the set lives in the closure; 0 is the calling process.
        match unsafe { libc::sched_setaffinity(0, bytes, &raw const only) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe { command.pre_exec(pin) };
    ending_with_us(command).spawn()
}

/// Has the child asked to end (SIGTERM) when the thread that starts it does, so that an abort or a
/// signal leaves nothing running.
pub(crate) fn ending_with_us(command: &mut Command) -> &mut Command {
    let parent = std::process::id();
    let ask = move || {
        // SAFETY: this order takes a number and concerns the calling process alone.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } < 0 {
            return Err(io::Error::last_os_error());
        }
        if std::os::unix::process::parent_id() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH)); // it ended before
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(ask) }
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

    use super::{busy_ns_in, ending_with_us, private_bytes_in, spawn_on, with_descendants};

    #[test]
    fn a_child_has_one_processor_and_ends_with_who_started_it() {
        let ids = core_affinity::get_core_ids().unwrap();
        let cpu = ids.last().unwrap().id;
        let mut command = Command::new("grep");
        command.args(["Cpus_allowed_list", "/proc/self/status"]);
        let output = spawn_on(cpu, command.stdout(Stdio::piped()))
            .and_then(std::process::Child::wait_with_output)
            .unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            words.split_whitespace().last(),
            Some(cpu.to_string().as_str())
        );

        let mut child = std::thread::spawn(|| {
            let mut sleeper = Command::new("sleep");
            ending_with_us(sleeper.arg("60")).spawn().unwrap()
        })
        .join()
        .unwrap();
        assert_eq!(child.wait().unwrap().code(), None, "a signal ended it");
    }

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
