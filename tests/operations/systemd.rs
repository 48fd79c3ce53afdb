//! The binary under a service manager: sockets passed to it, and what it tells.
//!
//! What it is: each test plays the manager, as systemd does: descriptors from 3 on, `LISTEN_*` in
//! the environment, a datagram socket for notifications. Shape: [`Manager`] holds what outlives a
//! gateway. Units: microseconds of the monotonic clock in notifications. Errors: a connection that
//! is lost between two gateways, a word to the manager that is missing or comes too soon.
//! Source: sd_listen_fds(3), sd_notify(3), systemd.service(5) on `notify-reload`.

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, RawFd},
        linux::net::SocketAddrExt,
        unix::{
            net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener},
            process::CommandExt,
        },
    },
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{
    common::{DOCUMENT, Origin, origin_settings, signal, status, wait_for},
    running::gateway::install,
};

/// What stands in for systemd.
struct Manager {
    dir: tempfile::TempDir,
    told: UnixDatagram,
    notify: String,
    /// Processes started, and those that they named as their successors.
    pids: Vec<u32>,
}

impl Manager {
    /// One whose gateway has `settings`; it is told at a path or an abstract name.
    fn new(settings: &str, is_abstract: bool) -> Manager {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("notify");
        let (told, notify) = if is_abstract {
            let name = format!("tidegate-test{}", path.display());
            let address = UnixAddress::from_abstract_name(&name).expect("a short name");
            (UnixDatagram::bind_addr(&address), format!("@{name}"))
        } else {
            (UnixDatagram::bind(&path), path.display().to_string())
        };
        let told = told.expect("a socket");
        told.set_read_timeout(Some(Duration::from_secs(20)))
            .expect("an option");
        // A program of our own path: whoever runs it is ours to end.
        install(&dir.path().join("tidegate"));
        let manager = Manager {
            dir,
            told,
            notify,
            pids: Vec::new(),
        };
        manager.write("api.yaml", &DOCUMENT.replace("SCHEME", "http"));
        manager.configure(settings);
        manager
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("written");
    }

    fn configure(&self, settings: &str) {
        let common = "[[apis]]\ndocument = \"api.yaml\"\n[admin]\nsocket = \"admin.sock\"\n";
        self.write("tidegate.toml", &format!("{settings}\n{common}"));
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Starts the gateway with `sockets` from 3 on; `variables` may replace those of the manager.
    fn start(&mut self, sockets: &[(RawFd, &str)], variables: &[(&str, &str)]) -> Child {
        let names: Vec<&str> = sockets.iter().map(|(_, name)| *name).collect();
        let fds: Vec<RawFd> = sockets.iter().map(|(fd, _)| *fd).collect();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log());
        // The shell's own number is that of the program it becomes.
        let mut command = Command::new("sh");
        command
            .args(["-c", "LISTEN_PID=${PID:-$$} exec \"$@\"", "sh"])
            .arg(self.dir.path().join("tidegate"))
            .args(["run", "--config"])
            .arg(self.dir.path().join("tidegate.toml"))
            .env("LISTEN_FDS", sockets.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env("NOTIFY_SOCKET", &self.notify)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"));
        // SAFETY: between fork and exec only fcntl(2) and dup2(2) are called, on plain numbers.
        unsafe {
            command.pre_exec(move || pass(&fds));
        }
        let child = command.spawn().expect("sh starts");
        self.pids.push(child.id());
        child
    }

    /// The next message, line by line.
    fn next_told(&self) -> Vec<String> {
        let mut buffer = [0; 1024];
        let count = self.told.recv(&mut buffer).unwrap_or_else(|error| {
            panic!("nothing is told ({error}):\n{}", self.said());
        });
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        assert!(text.ends_with('\n'), "whole lines: {text:?}");
        text.lines().map(str::to_owned).collect()
    }

    /// Nothing waits to be read.
    fn told_nothing(&self) -> bool {
        self.told.set_nonblocking(true).expect("an option");
        let mut buffer = [0; 1024];
        let result = self.told.recv(&mut buffer);
        self.told.set_nonblocking(false).expect("an option");
        result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        for pid in &self.pids {
            let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            if program.starts_with(self.dir.path()) {
                signal(*pid, libc::SIGKILL);
            }
        }
    }
}

/// Puts copies of `fds` at 3, 4 and so on. Far up first: a target may be another's source.
fn pass(fds: &[RawFd]) -> io::Result<()> {
    const FAR: RawFd = 200;
    for (fd, at) in fds.iter().zip(0..) {
        // SAFETY: makes a descriptor and touches no memory.
        if unsafe { libc::fcntl(*fd, libc::F_DUPFD, FAR + at) } != FAR + at {
            return Err(io::Error::last_os_error());
        }
    }
    for (_, at) in fds.iter().zip(0..) {
        // SAFETY: as above; the copy at the target is inherited.
        if unsafe { libc::dup2(FAR + at, 3 + at) } < 0 || unsafe { libc::close(FAR + at) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Settings of two workers with listeners called as `names` say.
fn settings(origin: SocketAddr, names: &[&str]) -> String {
    let listen = |name: &&str| format!("[[listen]]\naddress = \"fd:{name}\"\n");
    let listen: String = names.iter().map(listen).collect();
    format!(
        "[server]\nworkers = 2\ndrain_delay_ms = 0\n{listen}{}",
        origin_settings(&format!("http://{origin}"), "")
    )
}

fn listener(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).expect("a port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// A connection with a request on it, which nobody may have accepted yet.
fn asked(to: SocketAddr, greeting: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("a connection");
    let request = "GET /dev/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    write!(stream, "{greeting}{request}").expect("sent");
    stream
}

/// The status on it; 0: it ended without one.
fn answered(mut stream: TcpStream) -> u16 {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("an option");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    status(&answer)
}

fn ended(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_for("the end", 20_000, || {
        status = child.try_wait().expect("a child");
        status.is_some()
    });
    status.expect("just seen")
}

#[test]
fn passed_sockets_are_served_by_name_and_lose_nothing_between_two_gateways() {
    const GREETING: &str = "PROXY TCP4 192.0.2.7 127.0.0.1 1234 80\r\n";
    let origin = Origin::ok();
    let (web, web_at) = listener("127.0.0.1:0");
    let (greeted, greeted_at) = listener("127.0.0.1:0");
    let (dual, dual_at) = listener("[::]:0"); // takes IPv4 as well, as systemd's do
    let dual_at = SocketAddr::from(([127, 0, 0, 1], dual_at.port()));
    let listen = settings(origin.address, &["greeted"]).replace(
        "fd:greeted\"\n",
        "fd:greeted\"\nproxy_protocol_from = [\"127.0.0.0/8\"]\n\
         [[listen]]\naddress = \"fd:web\"\n[[listen]]\naddress = \"fd:dual\"\n",
    );
    let mut manager = Manager::new(&listen, false);
    let sockets = [
        (web.as_raw_fd(), "web"),
        (greeted.as_raw_fd(), "greeted"),
        (dual.as_raw_fd(), "dual"),
    ];
    for round in 0..2 {
        // Before anybody accepts: the request waits in the socket.
        let early = asked(web_at, "");
        let mut child = manager.start(&sockets, &[]);
        assert_eq!(answered(early), 200, "round {round}: {}", manager.said());
        assert_eq!(manager.next_told(), ["READY=1"]);
        for _ in 0..8 {
            for (to, greeting, expected, client) in [
                (web_at, "", 200, "127.0.0.1"),
                (web_at, GREETING, 400, ""),
                (greeted_at, GREETING, 200, "192.0.2.7"),
                (dual_at, "", 200, "127.0.0.1"),
            ] {
                assert_eq!(answered(asked(to, greeting)), expected, "{to} {greeting:?}");
                let line = format!("X-Forwarded-For: {client}\r\n");
                let seen = origin.last_seen();
                assert!(expected != 200 || seen.contains(&line), "{to}: {seen}");
            }
        }
        assert!(manager.told_nothing(), "ready is said once");
        signal(child.id(), libc::SIGTERM);
        assert_eq!(manager.next_told(), ["STOPPING=1"]);
        assert_eq!(ended(&mut child).code(), Some(0), "{}", manager.said());
    }
}

#[test]
fn sockets_that_cannot_be_served_are_said_so() {
    let origin = Origin::ok();
    let (open, web_at) = listener("127.0.0.1:0");
    let (accepted, _kept) = {
        let (listener, address) = listener("127.0.0.1:0");
        let kept = TcpStream::connect(address).expect("connected");
        (listener.accept().expect("accepted").0, kept)
    };
    let dir = tempfile::tempdir().expect("a folder");
    let unix = UnixListener::bind(dir.path().join("s")).expect("bound");
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let not_passed = "no socket of that name was passed";
    let no_listener = "no listening TCP socket";
    let unusable = "sockets that the service manager passes are unusable";
    let (web, accepted, unix, datagrams) = (
        open.as_raw_fd(),
        accepted.as_raw_fd(),
        unix.as_raw_fd(),
        datagrams.as_raw_fd(),
    );
    // name, sockets, variables, what is said
    let rows: &[(&str, &[(RawFd, &str)], &[(&str, &str)], &[&str])] = &[
        (
            "for another process",
            &[(web, "web")],
            &[("PID", "1")],
            &[not_passed],
        ),
        (
            "no process",
            &[(web, "web")],
            &[("PID", "x")],
            &[unusable, not_passed],
        ),
        ("none", &[], &[], &[not_passed]),
        (
            "another name",
            &[(web, "www")],
            &[],
            &[not_passed, "fd:www"],
        ),
        (
            "fewer names than sockets",
            &[(web, "web"), (web, "other")],
            &[("LISTEN_FDNAMES", "web")],
            &[unusable, not_passed],
        ),
        (
            "fewer sockets than said",
            &[(web, "web")],
            &[("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "web:more")],
            &[unusable, not_passed],
        ),
        (
            "an accepted connection",
            &[(accepted, "web")],
            &[],
            &[no_listener],
        ),
        ("a Unix socket", &[(unix, "web")], &[], &[no_listener]),
        (
            "a datagram socket",
            &[(datagrams, "web")],
            &[],
            &[no_listener],
        ),
        (
            "one of two",
            &[(web, "web"), (datagrams, "web")],
            &[],
            &[no_listener],
        ),
    ];
    for (name, sockets, variables, expected) in rows {
        let mut manager = Manager::new(&settings(origin.address, &["web"]), false);
        let mut child = manager.start(sockets, variables);
        assert_eq!(
            ended(&mut child).code(),
            Some(1),
            "{name}: {}",
            manager.said()
        );
        let said = manager.said();
        for words in *expected {
            assert!(said.contains(words), "{name}: {said}");
        }
        assert!(manager.told_nothing(), "{name}");
    }
    // One too many is a warning.
    let mut manager = Manager::new(&settings(origin.address, &["web"]), false);
    let mut child = manager.start(&[(datagrams, "more"), (web, "web")], &[]);
    assert_eq!(manager.next_told(), ["READY=1"]);
    assert_eq!(answered(asked(web_at, "")), 200);
    let said = manager.said();
    assert!(
        said.contains("nothing listens on; is `fd:more` missing?"),
        "{said}"
    );
    signal(child.id(), libc::SIGTERM);
    assert_eq!(ended(&mut child).code(), Some(0));
}

/// The monotonic clock of the host.
fn monotonic_us() -> u128 {
    // SAFETY: timespec is plain data for which all zeroes is valid.
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes one timespec.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(result, 0);
    let part = |number: i64| u128::try_from(number).expect("positive");
    part(now.tv_sec) * 1_000_000 + part(now.tv_nsec) / 1_000
}

#[test]
fn the_manager_is_told_of_every_change() {
    let origin = Origin::ok();
    for is_abstract in [false, true] {
        let (web, web_at) = listener("127.0.0.1:0");
        let good = settings(origin.address, &["web"]);
        let mut manager = Manager::new(&good, is_abstract);
        let mut child = manager.start(&[(web.as_raw_fd(), "web")], &[]);
        drop(web); // the gateway's copy alone is left
        assert_eq!(manager.next_told(), ["READY=1"]);
        assert_eq!(
            answered(asked(web_at, "")),
            200,
            "ready means that it serves"
        );

        // A refused reload ends as well: the old settings serve.
        for settings in ["[server]\nworkerz = 1\n", &good] {
            manager.configure(settings);
            let before = monotonic_us();
            signal(child.id(), libc::SIGHUP);
            let told = manager.next_told();
            let [reloading, monotonic] = &told[..] else {
                panic!("{told:?}");
            };
            assert_eq!(reloading, "RELOADING=1");
            let stamp = monotonic.strip_prefix("MONOTONIC_USEC=");
            let stamp = stamp.and_then(|text| text.parse::<u128>().ok());
            let stamp = stamp.unwrap_or_else(|| panic!("{told:?}"));
            assert!((before..=monotonic_us()).contains(&stamp), "{told:?}");
            assert_eq!(manager.next_told(), ["READY=1"]);
            assert_eq!(answered(asked(web_at, "")), 200);
        }

        // The successor has the sockets, and becomes the main process before the old one ends.
        signal(child.id(), libc::SIGUSR2);
        let told = manager.next_told();
        let pid = told[0]
            .strip_prefix("MAINPID=")
            .and_then(|text| text.parse().ok());
        let pid: u32 = pid.unwrap_or_else(|| panic!("{told:?}\n{}", manager.said()));
        manager.pids.push(pid);
        assert_eq!(ended(&mut child).code(), Some(0), "{}", manager.said());
        assert_eq!(answered(asked(web_at, "")), 200);
        assert!(manager.told_nothing(), "an upgrade is no stop and no start");
        signal(pid, libc::SIGHUP);
        assert_eq!(manager.next_told()[0], "RELOADING=1");
        assert_eq!(manager.next_told(), ["READY=1"]);
        signal(pid, libc::SIGTERM);
        assert_eq!(manager.next_told(), ["STOPPING=1"]);
        wait_for("the successor's end", 20_000, || {
            fs::read_link(format!("/proc/{pid}/exe")).is_err()
        });
        assert!(
            TcpStream::connect(web_at).is_err(),
            "nobody holds it any more"
        );
    }
}

#[test]
fn a_gateway_that_cannot_start_is_never_ready() {
    let origin = Origin::ok();
    let (taken, taken_at) = listener("127.0.0.1:0");
    let plain = |address: &str| settings(origin.address, &["x"]).replace("fd:x", address);
    let rows = [
        ("an address that is taken", plain(&taken_at.to_string()), 1),
        (
            "settings that are none",
            "[server]\nworkerz = 1\n".to_owned(),
            3,
        ),
    ];
    for (name, settings, code) in rows {
        let mut manager = Manager::new(&settings, false);
        let mut child = manager.start(&[], &[]);
        assert_eq!(
            ended(&mut child).code(),
            Some(code),
            "{name}: {}",
            manager.said()
        );
        assert!(manager.told_nothing(), "{name}");
    }
    drop(taken);
    // A manager that has gone is a message, no reason to end.
    let mut manager = Manager::new(&plain("127.0.0.1:0"), false);
    let mut child = manager.start(&[], &[("NOTIFY_SOCKET", "/nowhere/notify")]);
    wait_for("a word", 20_000, || {
        manager
            .said()
            .contains("the service manager cannot be told")
    });
    assert!(child.try_wait().expect("a child").is_none(), "it serves");
    signal(child.id(), libc::SIGTERM);
    assert_eq!(ended(&mut child).code(), Some(0), "{}", manager.said());
}
