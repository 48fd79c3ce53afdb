//! What: the client of every measurement: Debian's wrk, one thread, driven by a small Lua script.
//! Shape: a script file with up to 1,000 ready-made request heads in, one line of JSON out.
//! Units: whole seconds in, requests and microseconds out.
//! Errors: any failed request or answer of 400 and above fails the run: a broken figure is none.
//! Source: wrk's SCRIPTING document.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cpu::spawn_on;
use crate::template;

/// wrk on the load processor, with its script.
pub(crate) struct Wrk {
    cpu: usize,
    connections: u32,
    traffic: Traffic,
    script: PathBuf,
}

/// What the requests of a run are like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    /// How many different URLs, asked for in turn.
    pub(crate) urls: usize,
    /// Every request asks for its connection to be closed.
    pub(crate) is_new_connection: bool,
    /// Every answer has to be a refusal.
    pub(crate) is_refused: bool,
    /// Every request sends [`API_KEY`].
    pub(crate) has_key: bool,
    /// Every request posts the order of `template`.
    pub(crate) posts_order: bool,
}

/// The API key that gateways with limits know.
pub(crate) const API_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCD";

impl Default for Traffic {
    /// Keep-alive, 1,000 URLs, no refusals, no bodies.
    fn default() -> Self {
        Traffic {
            urls: 1000,
            is_new_connection: false,
            is_refused: false,
            has_key: false,
            posts_order: false,
        }
    }
}

/// What wrk saw in one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) elapsed_us: u64,
}

impl Wrk {
    /// Writes the script into `directory`; fails if wrk is missing.
    pub(crate) fn new(
        cpu: usize,
        connections: u32,
        traffic: Traffic,
        directory: &Path,
    ) -> io::Result<Self> {
        version()?;
        let name = match traffic {
            Traffic { has_key: true, .. } => "requests-key.lua",
            Traffic {
                is_refused: true, ..
            } => "requests-refused.lua",
            Traffic {
                posts_order: true, ..
            } => "requests-order.lua",
            _ => "requests.lua",
        };
        let script = directory.join(name);
        let close = if traffic.is_new_connection {
            "Connection: close\\r\\n"
        } else {
            ""
        };
        let text = SCRIPT.replace("@URLS@", &traffic.urls.to_string());
        let key = if traffic.has_key {
            format!("X-API-Key: {API_KEY}\\r\\n")
        } else {
            String::new()
        };
        let (verb, body) = match traffic.posts_order {
            true => ("POST", template::BODY),
            false => ("GET", ""),
        };
        let framing = match body.len() {
            0 => String::new(),
            length => {
                format!("Content-Type: application/json\\r\\nContent-Length: {length}\\r\\n")
            }
        };
        let more = format!("{close}{key}{framing}");
        let text = text.replace("@VERB@", verb).replace("@MORE@", &more);
        fs::write(&script, text.replace("@BODY@", body))?;
        Ok(Wrk {
            cpu,
            connections,
            traffic,
            script,
        })
    }

    /// Loads `address` for `seconds`, on behalf of the server called `name`.
    pub(crate) fn run(
        &self,
        name: &str,
        tls: bool,
        address: SocketAddr,
        seconds: u32,
    ) -> io::Result<Run> {
        let scheme = if tls { "https" } else { "http" };
        let mut command = Command::new("wrk");
        command
            .args([
                "--threads",
                "1",
                "--connections",
                &self.connections.to_string(),
            ])
            .args([
                "--duration",
                &format!("{seconds}s"),
                "--timeout",
                "5s",
                "--script",
            ])
            .arg(&self.script)
            .arg(format!("{scheme}://{address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = spawn_on(self.cpu, &mut command)?.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        read_run(&text, self.traffic.is_refused).map_err(|why| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("wrk against {name}: {why}\n{stderr}"))
        })
    }
}

/// The version line of the installed wrk.
pub(crate) fn version() -> io::Result<String> {
    let output = Command::new("wrk")
        .arg("--version")
        .output()
        .map_err(|error| {
            io::Error::other(format!("wrk cannot be run ({error}); apt-get install wrk"))
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    Ok(line.split(" [").next().unwrap_or_default().to_owned())
}

fn read_run(text: &str, is_refused: bool) -> Result<Run, String> {
    let line = text.lines().find_map(|line| line.strip_prefix("RUN "));
    let line = line.ok_or_else(|| format!("no result in {text:?}"))?;
    let value: serde_json::Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let number = |name: &str| {
        value[name]
            .as_u64()
            .ok_or_else(|| format!("no {name} in {line}"))
    };
    let run = Run {
        requests: number("requests")?,
        elapsed_us: number("elapsed_us")?,
    };
    for kind in ["connect", "read", "write", "status", "timeout"] {
        let count = number(kind)?;
        let (least, most) = if is_refused && kind == "status" {
            // A limit of one a minute lets one of a hundred thousand through.
            (run.requests - run.requests / 1000, run.requests)
        } else {
            (0, 0)
        };
        if !(least..=most).contains(&count) {
            let all = run.requests;
            return Err(format!(
                "{count} of {all} requests failed ({kind}), not {least}"
            ));
        }
    }
    if run.requests == 0 {
        Err("no request was answered".to_owned())
    } else {
        Ok(run)
    }
}

/// Heads as curl sends them; `%d` is the only difference between them. There is no `response`
/// function: it would make wrk copy every answer into Lua.
const SCRIPT: &str = r#"
local heads = {}
local body = [==[@BODY@]==]
local next_head = 0

function init(args)
  local host = wrk.host .. ":" .. wrk.port
  for i = 1, @URLS@ do
    heads[i] = string.format(
      "@VERB@ /dev/items/%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n@MORE@\r\n",
      i, host) .. body
  end
end

function request()
  next_head = next_head % @URLS@ + 1
  return heads[next_head]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RUN {"requests":%d,"elapsed_us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,' ..
    '"timeout":%d}\n',
    summary.requests, summary.duration, e.connect, e.read, e.write, e.status, e.timeout))
end
"#;

#[cfg(test)]
mod tests {
    use super::read_run;

    const GOOD: &str = r#"{"requests":9,"elapsed_us":5,"connect":0,"read":0,"write":0,"#;

    #[test]
    fn a_run_with_failures_is_no_figure() {
        for (name, is_refused, rest, whole) in [
            ("clean", false, r#""status":0,"timeout":0}"#, true),
            ("refused", false, r#""status":3,"timeout":0}"#, false),
            ("all refused", true, r#""status":9,"timeout":0}"#, true),
            ("some refused", true, r#""status":8,"timeout":0}"#, false),
            ("late", false, r#""status":0,"timeout":1}"#, false),
            ("cut", false, "", false),
        ] {
            let text = format!("Running 3s test\nRUN {GOOD}{rest}\n");
            let run = read_run(&text, is_refused);
            assert_eq!(run.is_ok(), whole, "{name}: {run:?}");
        }
    }
}
