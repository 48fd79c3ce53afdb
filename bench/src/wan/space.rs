//! What: namespaces of one's own: a user namespace in which this process may do what it likes, and
//!   in it network namespaces that see nothing of the host's network, nor it of them.
//! Shape: [`enter`] once, while there is one thread; then a [`Space`] for each place. A process that
//!   is started in one dies with the thread that started it, so nothing is left behind even when
//!   this one is killed; the devices go with the last descriptor.
//! Units: none.
//! Errors: [`Refusal`] where the host forbids it, with what to change; else `io::Error`.
//! Source: user_namespaces(7), network_namespaces(7), prctl(2) PR_SET_PDEATHSIG.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use super::tun;

/// This host does not allow what is needed.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, refusal)
    }
}

/// Leaves the host's network behind, as root of a new user namespace. Nobody needs to be root for
/// it where the host lets users make such namespaces; root manages without one where it does not.
pub(crate) fn enter() -> io::Result<()> {
    // SAFETY: both take nothing and cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    match unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) {
        Ok(()) => {
            // Whoever may map groups without leave could use it to shed a group that denies.
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {user} 1\n"))?;
            fs::write("/proc/self/gid_map", format!("0 {group} 1\n"))?;
            Ok(())
        }
        Err(_) if user == 0 && unshare(libc::CLONE_NEWNET).is_ok() => Ok(()),
        Err(error) => Err(forbidden("user namespace", &error)),
    }
}

/// A network namespace; it lives as long as this or a process in it.
pub(crate) struct Space {
    /// What to call it in messages.
    pub(crate) name: &'static str,
    file: File,
}

impl Space {
    /// Makes one, with a loopback device.
    pub(crate) fn make(name: &'static str) -> io::Result<Space> {
        let file = aside(|| {
            unshare(libc::CLONE_NEWNET)?;
            tun::raise_loopback()?;
            File::open("/proc/thread-self/ns/net")
        })
        .map_err(|error| forbidden("network namespace", &error))?;
        Ok(Space { name, file })
    }

    /// Runs `work` in there, on a thread of its own.
    pub(crate) fn within<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        aside(|| {
            move_to(&self.file)?;
            work()
        })
    }

    /// Starts a process in there that ends when the calling thread does.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let file = self.file.try_clone()?;
        let parent = std::process::id();
        // SAFETY: between fork and exec the closure only makes system calls; it allocates nothing
        // and takes no lock. The descriptor is its own.
        unsafe {
            command.pre_exec(move || {
                move_to(&file)?;
                end_with(parent)
            });
        }
        // Ctrl-C is for this process; it ends the others in its own order.
        command.process_group(0).spawn()
    }
}

/// The settings by which this host refuses, as far as it shows them.
pub(crate) fn hint() -> String {
    let mut hints = String::new();
    for (path, forbids, text) in SWITCHES {
        let found = fs::read_to_string(path).unwrap_or_default();
        if found.trim() == *forbids {
            hints += &format!("\n  {path} is {forbids}: {text}");
        }
    }
    hints
}

/// Why unshare(2) failed.
fn forbidden(what: &str, error: &io::Error) -> io::Error {
    let mut hint = hint();
    if hint.is_empty() {
        hint += "\n  in a container: its profile forbids unshare(2); start it with a wider one";
    }
    Refusal(format!("no {what}: {error}{hint}")).into()
}

/// A setting, the value that forbids namespaces, and what to do about it.
const SWITCHES: &[(&str, &str, &str)] = &[
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl kernel.unprivileged_userns_clone=1 allows them to users",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "sysctl user.max_user_namespaces=1000 allows some",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "programs without a profile get no rights in them; \
         sysctl kernel.apparmor_restrict_unprivileged_userns=0 lifts that",
    ),
];

/// Runs `work` on a thread of its own, which may then change namespaces.
fn aside<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| scope.spawn(work).join().expect("it does not panic"))
}

fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: unshare(2) takes a number; with these flags it concerns no memory.
    if unsafe { libc::unshare(flags) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn move_to(space: &File) -> io::Result<()> {
    // SAFETY: setns(2) takes a descriptor, which is open, and a number.
    if unsafe { libc::setns(space.as_raw_fd(), libc::CLONE_NEWNET) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Asks for death when the parent dies; it may be dead already.
fn end_with(parent: u32) -> io::Result<()> {
    // SAFETY: this order takes a number and concerns the calling process alone.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } < 0 {
        return Err(io::Error::last_os_error());
    }
    if std::os::unix::process::parent_id() != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}
