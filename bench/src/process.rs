//! What: a server process of the bench: started on a processor, known by its port, ended for sure.
//! Shape: the child handle, an address, and the file its messages go to.
//! Units: waits in milliseconds.
//! Errors: `io::Error` with the server's own last words in it.
//! Source: std::process.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cpu::spawn_on;

/// A running server.
pub(crate) struct Server {
    /// What to call it in messages.
    pub(crate) name: String,
    /// Where it answers.
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts one of this program's own commands (`relay …`), which prints where it listens.
    pub(crate) fn own(cpu: usize, name: &str, arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = spawn_on(cpu, &mut command)?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("listening ")
            .and_then(|text| text.parse().ok());
        let mut server = Server {
            name: name.to_owned(),
            address: UNKNOWN,
            child,
        };
        server.address =
            address.ok_or_else(|| io::Error::other(format!("{name} did not start: {line:?}")))?;
        Ok(server)
    }

    /// Starts a foreign server, whose messages go to `messages`; returns once `ready` agrees.
    pub(crate) fn foreign(
        cpu: usize,
        name: &str,
        command: &mut Command,
        address: SocketAddr,
        messages: &Path,
        ready: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<Self> {
        let file = std::fs::File::create(messages)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = spawn_on(cpu, command)?;
        let mut server = Server {
            name: name.to_owned(),
            address,
            child,
        };
        server.wait_ready(messages, ready)?;
        Ok(server)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn terminate(&mut self) {
        // A child that is still unreaped keeps its id: the signal cannot meet another process.
        if let (Ok(None), Ok(pid)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            // SAFETY: kill(2) takes two numbers and touches no memory of ours.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
    }

    fn wait_ready(
        &mut self,
        messages: &Path,
        ready: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let words = last_words(messages);
                return Err(io::Error::other(format!(
                    "{} ended ({status}){words}",
                    self.name
                )));
            }
            let Err(error) = ready() else { return Ok(()) };
            if started.elapsed() > READY_WITHIN {
                let (seconds, words) = (READY_WITHIN.as_secs(), last_words(messages));
                return Err(io::Error::other(format!(
                    "{} did not answer on {} within {seconds} s ({error}){words}",
                    self.name, self.address
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    /// Ends the child: by its closed standard input if it is ours, else by SIGTERM to its own id,
    /// so that it may end children of its own; by SIGKILL if that takes too long.
    fn drop(&mut self) {
        let started = Instant::now();
        if self.child.stdin.take().is_none() {
            self.terminate();
        }
        while started.elapsed() < END_WITHIN {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address that was free a moment ago.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The release binary of the product, built if need be.
pub(crate) fn build_gateway() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--package",
            "tidegate",
            "--bin",
            "tidegate",
        ])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("the gateway did not build"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut paths = messages.filter_map(|message: serde_json::Value| {
        (message["target"]["name"] == "tidegate").then_some(())?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    paths
        .next_back()
        .ok_or_else(|| io::Error::other("cargo named no gateway binary"))
}

fn last_words(messages: &Path) -> String {
    let text = std::fs::read_to_string(messages).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let kept = &lines[lines.len().saturating_sub(12)..];
    if kept.is_empty() {
        String::new()
    } else {
        format!(":\n    {}", kept.join("\n    "))
    }
}

const READY_WITHIN: Duration = Duration::from_secs(20);
const END_WITHIN: Duration = Duration::from_secs(2);
const UNKNOWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
