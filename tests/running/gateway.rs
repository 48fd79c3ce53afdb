//! The real binary as a child process, in a folder of its own.
//!
//! Shape: [`Gateway`] knows the folder, the address it listens on and the process that serves now,
//! which an upgrade changes. Units: milliseconds. Errors: panics that show the gateway's own
//! messages. Source: the admin socket's paths.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host
#![allow(dead_code)] // no test uses all of it

use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    os::unix::{net::UnixStream, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A gateway under test; dropped, its processes end.
pub(crate) struct Gateway {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    /// The process started first.
    child: Child,
    /// The one that serves now.
    pub(crate) pid: i32,
    pids: Vec<i32>,
}

pub(crate) const API: &str = r#"
openapi: 3.0.1
info: { title: Test, version: "1" }
paths:
  /{proxy+}:
    x-amazon-apigateway-any-method:
      parameters:
        - { name: proxy, in: path, required: true, schema: { type: string } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: ANY
        uri: http://origin.test/{proxy}
        requestParameters:
          integration.request.path.proxy: method.request.path.proxy
"#;

impl Gateway {
    /// Starts one in front of `origin`, with `server` as the lines of `[server]`.
    pub(crate) fn start(origin: SocketAddr, server: &str) -> Gateway {
        let folder = tempfile::tempdir().expect("a folder");
        Gateway::start_in(folder, API, &settings(origin, server, "127.0.0.1:0"))
    }

    /// Starts one that serves the document `api` with `settings`, which name it `api.yaml`.
    pub(crate) fn start_in(folder: tempfile::TempDir, api: &str, settings: &str) -> Gateway {
        fs::write(folder.path().join("api.yaml"), api).expect("the document");
        install(&folder.path().join("tidegate"));
        fs::write(folder.path().join("tidegate.toml"), settings).expect("the settings");
        let child = spawn(folder.path());
        let pid = i32::try_from(child.id()).expect("a small id");
        let mut gateway = Gateway {
            folder,
            address: ([127, 0, 0, 1], 0).into(),
            child,
            pid,
            pids: vec![pid],
        };
        gateway.await_ready();
        gateway
    }

    pub(crate) fn await_ready(&mut self) {
        self.await_that("it is ready", |gateway| {
            gateway
                .try_ask("GET", "/readyz")
                .is_some_and(|(status, _)| status == 200)
        });
        let log = self.log();
        let line = log.rsplit("listening on ").next().unwrap_or_default();
        let text = line.split(',').next().unwrap_or_default();
        self.address = text
            .parse()
            .unwrap_or_else(|_| panic!("no address in\n{log}"));
    }

    /// Ends the process started last with `number`, and starts another one in the same folder;
    /// gives the status of the one before.
    pub(crate) fn restart(&mut self, number: i32) -> ExitStatus {
        self.signal(number);
        let status = self.wait(Duration::from_secs(20));
        self.restart_stopped();
        status
    }

    /// Starts another process once the one before has ended, and waits until it is ready.
    pub(crate) fn restart_stopped(&mut self) {
        self.start_again();
        self.await_ready();
    }

    /// Starts another process, whatever becomes of it, once the one before has ended.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.folder.path());
        self.pid = i32::try_from(self.child.id()).expect("a small id");
        self.pids.push(self.pid);
    }

    /// Replaces the settings' file.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.folder.path().join("tidegate.toml"), text).expect("the settings");
    }

    /// The program that the next upgrade starts.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("tidegate")
    }

    /// What the gateway, and its successors, said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Asks over the admin socket: status and body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> (u16, String) {
        self.try_ask(method, path)
            .unwrap_or_else(|| panic!("no answer to {method} {path}\n{}", self.log()))
    }

    pub(crate) fn try_ask(&self, method: &str, path: &str) -> Option<(u16, String)> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(40)))
            .ok()?;
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    /// Runs the command line on the gateway's socket.
    pub(crate) fn cli(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(arguments)
            .arg("--admin")
            .arg(self.socket())
            .output()
            .expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Upgrades and takes note of the successor.
    pub(crate) fn upgrade(&mut self) {
        let (status, body) = self.ask("POST", "/upgrade");
        assert_eq!(status, 200, "{body}\n{}", self.log());
        let answer: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let pid = answer["pid"].as_i64().expect("an id");
        self.pid = i32::try_from(pid).expect("a small id");
        self.pids.push(self.pid);
    }

    /// Signals the process that serves.
    pub(crate) fn signal(&self, number: i32) {
        // SAFETY: sends a signal to a process that this test started.
        assert_eq!(unsafe { libc::kill(self.pid, number) }, 0, "{}", self.log());
    }

    /// Waits for the process started first.
    pub(crate) fn wait(&mut self, most: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status;
            }
            assert!(start.elapsed() < most, "it does not end\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The signal that ended it.
    pub(crate) fn wait_for_signal(&mut self, most: Duration) -> Option<i32> {
        self.wait(most).signal()
    }

    /// Polls until `condition` holds.
    pub(crate) fn await_that(&self, what: &str, condition: impl Fn(&Gateway) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            let waited = start.elapsed();
            assert!(
                waited < Duration::from_secs(10),
                "never: {what}\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Successors are nobody's children here; those that ended have given their ids back only
        // if their path does not lead to our program any more.
        for pid in &self.pids {
            let path = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            if path.starts_with(self.folder.path()) {
                // SAFETY: ends a process that runs the binary of this test's own folder.
                unsafe { libc::kill(*pid, libc::SIGKILL) };
            }
        }
        let _ = self.child.wait();
    }
}

/// Runs the binary of a folder on its settings; what it says is added to the log.
fn spawn(folder: &Path) -> Child {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"));
    // A test that has several gateways share one puts a link there.
    let shared = folder.join("runtime");
    let runtime = if shared.exists() { &shared } else { folder };
    let mut command = Command::new(folder.join("tidegate"));
    command
        .args(["run", "--config"])
        .arg(folder.join("tidegate.toml"))
        .env("RUNTIME_DIRECTORY", runtime)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.expect("a log"));
    loop {
        match command.spawn() {
            // Another test's child, not yet the program that it will be, has a copy open still.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(20));
            }
            child => return child.expect("the binary starts"),
        }
    }
}

/// Puts the binary under test at `path`, in place of what stands there: a link, or a copy that another
/// process writes. A program that this one has just written cannot be run while a child of another
/// test, not yet the program that it will be, still has it open.
pub(crate) fn install(path: &Path) {
    let binary = Path::new(env!("CARGO_BIN_EXE_tidegate"));
    let _ = fs::remove_file(path);
    if fs::hard_link(binary, path).is_err() {
        let copied = Command::new("cp").arg(binary).arg(path).status();
        assert!(copied.expect("cp(1)").success(), "a copy of the binary");
    }
}

/// Puts `script` at `path` as a program, written by another process as well.
pub(crate) fn install_script(path: &Path, script: &str) {
    let _ = fs::remove_file(path);
    let written = Command::new("sh")
        .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .arg(script)
        .status();
    assert!(written.expect("sh(1)").success(), "a script");
}

/// A settings file for one origin, with the lines of `[server]` and one listener.
pub(crate) fn settings(origin: SocketAddr, server: &str, listen: &str) -> String {
    format!(
        "[server]\nworkers = 2\n{server}\n\
         [[listen]]\naddress = \"{listen}\"\n\
         [[apis]]\ndocument = \"api.yaml\"\n\
         [admin]\nsocket = \"admin.sock\"\n\
         [origins.test]\nmatch = \"http://origin.test\"\nallow_addresses = [\"loopback\"]\n\
         [[origins.test.endpoints]]\nurl = \"http://{origin}\"\nregion = \"here\"\n"
    )
}
