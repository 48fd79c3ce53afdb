//! A host that refuses io_uring, made for real: the binary ends with 78 and names cause and cure.
//!
//! Shape: a row is what is done to the child before it starts, and the words it must then say.
//! Units: errno, bytes, descriptors. Errors: a child that starts serving, or says something else.
//! Source: seccomp(2), setrlimit(2); the table of refusals in `edge/src/ring/probe/refusal.rs`.

use std::{
    io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command, Output},
};

/// What stands between the child and its ring.
#[derive(Clone, Copy, Debug)]
enum Obstacle {
    /// A seccomp filter that answers io_uring_setup with this errno, as a container's does.
    Filter(u32),
    /// RLIMIT_NOFILE: enough for the dynamic loader, not for a ring and a socket.
    Descriptors(u64),
    /// RLIMIT_MEMLOCK, for a user without CAP_IPC_LOCK.
    LockedMemory(u64),
}

const NOBODY: u32 = 65_533;
const EXIT_RING_REFUSED: i32 = 78;

/// Runs `tidegate` behind the obstacle.
fn tidegate(arguments: &[&str], obstacle: Obstacle) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(binary_for_everyone(&dir));
    command.args(arguments).current_dir("/");
    // SAFETY: between fork and exec the closure makes system calls only and allocates nothing.
    unsafe { command.pre_exec(move || raise(obstacle)) };
    loop {
        match command.output() {
            // Another test's child, not yet the program that it will be, has our copy open still.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::yield_now();
            }
            output => return output.expect("the binary starts"),
        }
    }
}

/// A copy that a user without rights can run, wherever the build keeps its own.
fn binary_for_everyone(dir: &tempfile::TempDir) -> PathBuf {
    let open = std::fs::Permissions::from_mode(0o755);
    let path = dir.path().join("tidegate");
    std::fs::set_permissions(dir.path(), open.clone()).expect("an open directory");
    std::fs::copy(env!("CARGO_BIN_EXE_tidegate"), &path).expect("a copy");
    std::fs::set_permissions(&path, open).expect("an open file");
    path
}

fn raise(obstacle: Obstacle) -> io::Result<()> {
    match obstacle {
        Obstacle::Filter(errno) => filter_ring(errno),
        Obstacle::Descriptors(count) => limit(libc::RLIMIT_NOFILE, count),
        Obstacle::LockedMemory(bytes) => {
            limit(libc::RLIMIT_MEMLOCK, bytes)?;
            // SAFETY: plain system calls of this process about itself.
            let root = unsafe { libc::geteuid() } == 0;
            // SAFETY: as above; group first, since the user gives up the right to change it.
            if root && unsafe { libc::setgid(NOBODY) != 0 || libc::setuid(NOBODY) != 0 } {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        }
    }
}

fn limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let both = libc::rlimit {
        rlim_cur: value,
        rlim_max: value,
    };
    // SAFETY: the pointer is to a live `rlimit` for the length of the call.
    match unsafe { libc::setrlimit(resource, &raw const both) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Installs: if the call is io_uring_setup, answer `errno`; else allow.
fn filter_ring(errno: u32) -> io::Result<()> {
    const LOAD_NUMBER: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS, offset 0 of seccomp_data
    const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let setup = u32::try_from(libc::SYS_io_uring_setup).unwrap_or(u32::MAX);
    let step = |code, k, jf| libc::sock_filter { code, jt: 0, jf, k };
    let mut steps = [
        step(LOAD_NUMBER, 0, 0),
        step(JUMP_EQUAL, setup, 1),
        step(RETURN, libc::SECCOMP_RET_ERRNO | errno, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: prctl copies the program, which lives through both calls.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) != 0
    };
    if refused {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The commands that must refuse to start, each with every obstacle.
const COMMANDS: &[&[&str]] = &[&["doctor"]];

#[test]
fn a_refused_ring_ends_with_78_and_its_cause() {
    // obstacle, words that must be said
    let rows: &[(Obstacle, &[&str])] = &[
        (
            Obstacle::Filter(1),
            &["seccomp", "EPERM", "configs/seccomp-io-uring.json"],
        ),
        (
            Obstacle::Filter(38),
            &["seccomp", "ENOSYS", "configs/seccomp-io-uring.json"],
        ),
        (Obstacle::Filter(22), &["running kernel", "6.1"]),
        (
            Obstacle::Filter(12),
            &["RLIMIT_MEMLOCK", "needed", "ulimit -l"],
        ),
        (Obstacle::Descriptors(4), &["RLIMIT_NOFILE", "ulimit -n"]),
    ];
    for arguments in COMMANDS {
        for (obstacle, words) in rows {
            let output = tidegate(arguments, *obstacle);
            let said = said(&output);
            let code = output.status.code();
            assert_eq!(
                code,
                Some(EXIT_RING_REFUSED),
                "{arguments:?} {obstacle:?}\n{said}"
            );
            for word in *words {
                assert!(
                    said.contains(word),
                    "{arguments:?} {obstacle:?}: no {word:?}\n{said}"
                );
            }
        }
    }
}

#[test]
fn locked_memory_that_is_too_small_is_named() {
    for arguments in COMMANDS {
        let output = tidegate(arguments, Obstacle::LockedMemory(4096));
        let said = said(&output);
        // Kernels from 5.12 to 6.13 do not count rings; then the doctor warns and all works.
        if output.status.code() == Some(EXIT_RING_REFUSED) {
            assert!(said.contains("RLIMIT_MEMLOCK is 4 KiB now"), "{said}");
        } else {
            assert!(said.contains("LimitMEMLOCK="), "{said}");
        }
    }
}

#[test]
fn json_says_that_the_ring_is_refused() {
    let output = tidegate(&["doctor", "--json"], Obstacle::Filter(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(report["ring_refused"], true);
    let findings = report["findings"].as_array().expect("a list");
    for finding in findings {
        let cured = finding["cure"].is_string();
        assert_eq!(cured, finding["level"] != "ok", "{finding}");
        assert!(
            finding["why"].is_string() && finding["seen"].is_string(),
            "{finding}"
        );
    }
}

#[test]
fn the_shipped_profile_lets_the_ring_through_and_little_else() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/seccomp-io-uring.json");
    let text = std::fs::read_to_string(path).expect("the profile");
    let profile: serde_json::Value = serde_json::from_str(&text).expect("json");
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let rules = profile["syscalls"].as_array().expect("rules");
    let allows = |call: &str| {
        rules.iter().any(|rule| {
            let names = rule["names"].as_array().expect("names");
            rule["action"] == "SCMP_ACT_ALLOW" && names.iter().any(|name| name == call)
        })
    };
    for call in [
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "execve",
        "clone",
    ] {
        assert!(allows(call), "{call}");
    }
    for call in [
        "ptrace",
        "mount",
        "bpf",
        "unshare",
        "setns",
        "keyctl",
        "clone3",
        "kexec_load",
    ] {
        assert!(!allows(call), "{call}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["doctor", "--seccomp-profile"])
        .output()
        .expect("the binary starts");
    assert_eq!(
        output.stdout,
        text.as_bytes(),
        "the binary carries the same file"
    );
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}
