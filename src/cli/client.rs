//! Asks the running gateway over its admin socket.
//!
//! What it is: one blocking HTTP/1.1 exchange. Shape: [`ask`] gives an [`Answer`]. Units: seconds
//! for the time limit. Ranges: an upgrade may take half a minute, a walk over a large cache longer. Errors:
//! [`Unavailable`], when nobody answers. Source: RFC 9112; the paths are those of `process::admin`.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::process::admin::socket_candidates;

/// What the gateway said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Nobody answers.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    #[error("no gateway answers: none of these sockets exists: {0}")]
    NoSocket(String),
    #[error("no gateway answers on {}: {error}", path.display())]
    Silent { path: PathBuf, error: io::Error },
}

/// Sends `method path` to the gateway on `admin`, or on the default socket.
///
/// # Errors
/// No gateway is there, or it does not answer.
pub(super) fn ask(admin: Option<&Path>, method: &str, path: &str) -> Result<Answer, Unavailable> {
    ask_patiently(admin, method, path, ANSWER_MAX)
}

/// The same for what may take as long as `patience`.
///
/// # Errors
/// No gateway is there, or it does not answer.
pub(super) fn ask_patiently(
    admin: Option<&Path>,
    method: &str,
    path: &str,
    patience: Duration,
) -> Result<Answer, Unavailable> {
    send(admin, method, path, b"", patience)
}

/// The same with a body.
///
/// # Errors
/// No gateway is there, or it does not answer.
pub(super) fn send(
    admin: Option<&Path>,
    method: &str,
    path: &str,
    body: &[u8],
    patience: Duration,
) -> Result<Answer, Unavailable> {
    let socket = match admin {
        Some(socket) => socket.to_owned(),
        None => default_socket()?,
    };
    exchange(&socket, method, path, body, patience).map_err(|error| Unavailable::Silent {
        path: socket,
        error,
    })
}

fn default_socket() -> Result<PathBuf, Unavailable> {
    let candidates = socket_candidates();
    let found = candidates.iter().find(|path| path.exists());
    found.cloned().ok_or_else(|| {
        let tried: Vec<String> = candidates
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        Unavailable::NoSocket(tried.join(", "))
    })
}

fn exchange(
    socket: &Path,
    method: &str,
    path: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}Connection: close\r\n\r\n"
    )?;
    // Who is refused before all was sent is told why.
    let _ = stream.write_all(body);
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    parse(&received).ok_or_else(|| io::Error::other("its answer is cut or malformed"))
}

/// The status and the body, which must be whole.
fn parse(received: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(received).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields = lines.filter_map(|line| line.split_once(": "));
    let length = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.parse::<usize>().ok())?;
    (body.len() == length).then(|| Answer {
        status,
        body: body.to_owned(),
    })
}

/// A name as one part of a path.
pub(super) fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

const ANSWER_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_count() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let answer = Answer {
            status: 200,
            body: "ok".to_owned(),
        };
        assert_eq!(parse(whole.as_bytes()), Some(answer));
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn names_become_one_part_of_a_path() {
        let rows = [
            ("pets", "pets"),
            ("https://a:8443", "https:%2F%2Fa:8443"),
            ("ü %", "%C3%BC%20%25"),
        ];
        for (name, expected) in rows {
            assert_eq!(encode(name), expected);
        }
    }
}
