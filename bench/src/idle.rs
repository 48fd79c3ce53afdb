//! What: private memory a server grows per idle keep-alive connection.
//! Shape: a hundred connections first, held, so that what a server sets up once is not counted;
//!   then the measured thousands. Each does one request and then only stays open.
//! Units: bytes per connection.
//! Errors: `io::Error` when a connection is refused or an answer is not 200.
//! Source: RFC 9112 section 9.3 (persistence); /proc/PID/smaps_rollup.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::cpu::{private_bytes, with_descendants};

/// Opens `connections` to `address` and answers with the growth for each of them.
pub(crate) fn measure(
    address: SocketAddr,
    pid: u32,
    tls: Option<&Arc<ClientConfig>>,
    connections: u32,
) -> io::Result<f64> {
    let first = open(address, tls, CONNECTIONS_FIRST)?;
    std::thread::sleep(SETTLE);
    let before = private_bytes_of_family(pid)?;
    let measured = open(address, tls, connections)?;
    std::thread::sleep(SETTLE);
    let after = private_bytes_of_family(pid)?;
    drop((first, measured));
    Ok((after as f64 - before as f64) / f64::from(connections))
}

fn private_bytes_of_family(pid: u32) -> io::Result<u64> {
    with_descendants(pid).into_iter().map(private_bytes).sum()
}

/// An open connection that has had its one answer.
pub(crate) enum Idle {
    Plain {
        _held: TcpStream,
    },
    // The records' state is this program's memory, not the server's.
    Tls {
        _held: Box<StreamOwned<ClientConnection, TcpStream>>,
    },
}

fn open(
    address: SocketAddr,
    tls: Option<&Arc<ClientConfig>>,
    connections: u32,
) -> io::Result<Vec<Idle>> {
    (0..connections)
        .map(|number| {
            open_one(address, tls).map_err(|error| {
                io::Error::other(format!(
                    "idle connection {number} of {connections}: {error}"
                ))
            })
        })
        .collect()
}

/// Connects, does one exchange, and leaves the connection open.
pub(crate) fn open_one(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Idle> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    let Some(config) = tls else {
        exchange(&mut stream, address)?;
        return Ok(Idle::Plain { _held: stream });
    };
    let name = ServerName::from(address.ip());
    let session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let mut stream = Box::new(StreamOwned::new(session, stream));
    exchange(&mut stream, address)?;
    Ok(Idle::Tls { _held: stream })
}

/// One request over plain TCP whose answer begins with `status`, as refusals do.
pub(crate) fn ask_one(address: SocketAddr, status: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    let head = format!("GET /dev/items/1 HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let line = format!("HTTP/1.1 {status} ");
    let mut start = vec![0; line.len()];
    stream.read_exact(&mut start)?;
    if start != line.as_bytes() {
        let start = String::from_utf8_lossy(&start).into_owned();
        return Err(io::Error::other(format!("it answered {start:?}")));
    }
    Ok(())
}

/// One request, read to the end of its answer.
fn exchange(stream: &mut (impl Read + Write), address: SocketAddr) -> io::Result<()> {
    let head = format!(
        "GET /dev/items/1 HTTP/1.1\r\nHost: {address}\r\nUser-Agent: curl/8.14.1\r\n\
         Accept: */*\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut part = [0; 16 * 1024];
    loop {
        let len = stream.read(&mut part)?;
        answer.extend_from_slice(&part[..len]);
        match missing_bytes(&answer) {
            Ok(0) => return Ok(()),
            Ok(_) if len > 0 => {}
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(why) => return Err(io::Error::other(why)),
        }
    }
}

/// Bytes that an answer still lacks (at least 1 while its head is open).
fn missing_bytes(answer: &[u8]) -> Result<usize, String> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(1);
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("it answered {head:?}"));
    }
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: Option<usize> = length.and_then(|(_, value)| value.trim().parse().ok());
    let length = length.ok_or_else(|| format!("no content-length in {head:?}"))?;
    Ok((end + 4 + length).saturating_sub(answer.len()))
}

const CONNECTIONS_FIRST: u32 = 100;
const SETTLE: Duration = Duration::from_millis(1500);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::missing_bytes;

    #[test]
    fn an_answer_ends_with_its_body() {
        for (name, answer, expected) in [
            ("open head", "HTTP/1.1 200 OK\r\n", Ok(1)),
            (
                "no body yet",
                "HTTP/1.1 200 OK\r\ncontent-LENGTH: 3\r\n\r\n",
                Ok(3),
            ),
            (
                "whole",
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                Ok(0),
            ),
            (
                "refused",
                "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
                Err(()),
            ),
            ("unframed", "HTTP/1.1 200 OK\r\n\r\n", Err(())),
        ] {
            assert_eq!(
                missing_bytes(answer.as_bytes()).map_err(|_| ()),
                expected,
                "{name}"
            );
        }
    }
}
