//! The PROXY protocol header, versions 1 and 2: who really connected to the balancer before us.
//!
//! Shape: [`decode`] looks at the bytes received so far and answers Need, Done or Fault; it keeps
//! no state, the caller keeps the bytes. Only listed peers are asked for a header, and then it is
//! required.
//! Units and ranges: bytes; a version 1 line has at most 107, a version 2 header at most
//! 16 + [`V2_BODY_BYTES_MAX`].
//! Errors: [`ProxyFault`]; the connection is closed, nothing is answered.
//! Source: "The PROXY protocol", W. Tarreau, revision of 2020-03-05, sections 2.1 and 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the first bytes of a connection hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decoded {
    /// A header has begun and is not complete: read more, then ask again with all bytes.
    Need,
    /// The whole header is there.
    Done(ProxyHeader),
    /// This is no header, or a broken one.
    Fault(ProxyFault),
}

/// A header; the bytes behind `consumed` are the client's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyHeader {
    /// Length of the header in bytes.
    pub consumed: usize,
    /// Who connected, when the balancer knows.
    pub source: Option<SocketAddr>,
    /// Where to.
    pub destination: Option<SocketAddr>,
    /// The balancer speaks for itself (a health check): use the addresses of the socket.
    pub local: bool,
}

/// Why a header was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProxyFault {
    /// Neither "PROXY " nor the version 2 signature.
    #[error("no PROXY header at the start of the connection")]
    NotProxy,
    /// Version 1 without its line end in 107 bytes, or version 2 over our limit.
    #[error("PROXY header too long")]
    TooLong,
    /// A version 1 line that is not exactly as the protocol writes it.
    #[error("malformed PROXY version 1 line")]
    MalformedLine,
    /// The version nibble is not 2.
    #[error("unknown PROXY version")]
    UnknownVersion,
    /// The command is neither LOCAL nor PROXY.
    #[error("unknown PROXY command")]
    UnknownCommand,
    /// Address family or transport that a TCP listener cannot have.
    #[error("PROXY address family or transport is not a TCP connection")]
    UnknownFamily,
    /// The body is shorter than its addresses, or a value runs over the end.
    #[error("PROXY version 2 lengths disagree")]
    LengthsDisagree,
    /// The header carries a CRC32c that does not hold.
    #[error("PROXY version 2 checksum is wrong")]
    WrongChecksum,
}

/// Reads the header at the start of `bytes`.
///
/// A connection that cannot become a header is refused at its first wrong byte.
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded {
    let result = if starts_alike(bytes, V2_SIGNATURE) {
        decode_v2(bytes)
    } else if starts_alike(bytes, V1_PREFIX) {
        decode_v1(bytes)
    } else {
        Err(ProxyFault::NotProxy)
    };
    match result {
        Ok(Some(header)) => Decoded::Done(header),
        Ok(None) => Decoded::Need,
        Err(fault) => Decoded::Fault(fault),
    }
}

/// Writes a version 1 line (for tests and the load generator).
pub fn encode_v1(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let line = format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    );
    out.extend_from_slice(line.as_bytes());
}

/// Writes a version 2 header with `values` (type, bytes) behind the addresses. Both addresses must
/// be of one family; a mixed pair is written as IPv6 with the IPv4 side mapped.
pub fn encode_v2(
    source: SocketAddr,
    destination: SocketAddr,
    values: &[(u8, &[u8])],
    out: &mut Vec<u8>,
) {
    let mut body = Vec::new();
    let family = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            body.extend_from_slice(&from.octets());
            body.extend_from_slice(&to.octets());
            FAMILY_TCP4
        }
        (from, to) => {
            body.extend_from_slice(&as_v6(from).octets());
            body.extend_from_slice(&as_v6(to).octets());
            FAMILY_TCP6
        }
    };
    body.extend_from_slice(&source.port().to_be_bytes());
    body.extend_from_slice(&destination.port().to_be_bytes());
    for (kind, value) in values {
        body.push(*kind);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&value[..usize::from(length)]);
    }
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(V2_SIGNATURE);
    out.extend_from_slice(&[0x21, family]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&body[..usize::from(length)]);
}

fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// Is `bytes` a beginning of `pattern`, or the other way round?
fn starts_alike(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.iter().zip(pattern).all(|(a, b)| a == b)
}

fn decode_v1(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    let window = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = memchr::memchr2(b'\r', b'\n', window) else {
        if bytes.len() >= V1_BYTES_MAX {
            return Err(ProxyFault::TooLong);
        }
        return Ok(None);
    };
    match window.get(end..end.saturating_add(2)) {
        Some(b"\r\n") => {}
        None if window.get(end) == Some(&b'\r') && bytes.len() < V1_BYTES_MAX => return Ok(None),
        None if window.get(end) == Some(&b'\r') => return Err(ProxyFault::TooLong),
        _ => return Err(ProxyFault::MalformedLine),
    }
    let line = window
        .get(V1_PREFIX.len()..end)
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or(ProxyFault::MalformedLine)?;
    let consumed = end.saturating_add(2);
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Ok(Some(ProxyHeader {
            consumed,
            source: None,
            destination: None,
            local: false,
        }));
    }
    let (source, destination) = line_addresses(line).ok_or(ProxyFault::MalformedLine)?;
    Ok(Some(ProxyHeader {
        consumed,
        source: Some(source),
        destination: Some(destination),
        local: false,
    }))
}

fn line_addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = line.split(' ');
    let family = words.next()?;
    let mut ip = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (from, to) = (ip()?, ip()?);
    let from_port = port(words.next()?)?;
    let to_port = port(words.next()?)?;
    if words.next().is_some() {
        return None;
    }
    Some((
        SocketAddr::new(from, from_port),
        SocketAddr::new(to, to_port),
    ))
}

/// Digits only, no leading zero.
fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if plain { word.parse().ok() } else { None }
}

fn decode_v2(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    let Some(&version_command) = bytes.get(V2_SIGNATURE.len()) else {
        return Ok(None);
    };
    if version_command >> 4 != 2 {
        return Err(ProxyFault::UnknownVersion);
    }
    let local = match version_command & 0x0f {
        0 => true,
        1 => false,
        _ => return Err(ProxyFault::UnknownCommand),
    };
    let Some(&[family, high, low]) = bytes.get(13..V2_HEAD_BYTES) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > V2_BODY_BYTES_MAX {
        return Err(ProxyFault::TooLong);
    }
    let consumed = V2_HEAD_BYTES.saturating_add(length);
    let Some(body) = bytes.get(V2_HEAD_BYTES..consumed) else {
        return Ok(None);
    };
    let unknown = ProxyHeader {
        consumed,
        source: None,
        destination: None,
        local,
    };
    if local {
        // "the receiver must accept this connection as valid and must use the real connection
        // endpoints and discard the protocol block"
        return Ok(Some(unknown));
    }
    let (addresses, values) = match family {
        FAMILY_UNSPEC => (None, body),
        FAMILY_TCP4 => split_addresses(body, 4)?,
        FAMILY_TCP6 => split_addresses(body, 16)?,
        FAMILY_UNIX => match body.get(UNIX_ADDRESSES_BYTES..) {
            Some(values) => (None, values),
            None => return Err(ProxyFault::LengthsDisagree),
        },
        _ => return Err(ProxyFault::UnknownFamily),
    };
    if family != FAMILY_UNSPEC {
        // The body of an unspecified family may be anything.
        check_values(bytes.get(..consumed).unwrap_or(bytes), values)?;
    }
    Ok(Some(ProxyHeader {
        source: addresses.map(|(source, _)| source),
        destination: addresses.map(|(_, destination)| destination),
        ..unknown
    }))
}

type AddressPair = (SocketAddr, SocketAddr);

fn split_addresses(body: &[u8], width: usize) -> Result<(Option<AddressPair>, &[u8]), ProxyFault> {
    let parts = || {
        let (from, rest) = body.split_at_checked(width)?;
        let (to, rest) = rest.split_at_checked(width)?;
        let (ports, values) = rest.split_first_chunk::<4>()?;
        let [a, b, c, d] = *ports;
        let source = SocketAddr::new(ip(from)?, u16::from_be_bytes([a, b]));
        let destination = SocketAddr::new(ip(to)?, u16::from_be_bytes([c, d]));
        Some(((source, destination), values))
    };
    let (pair, values) = parts().ok_or(ProxyFault::LengthsDisagree)?;
    Ok((Some(pair), values))
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .ok()
        .or_else(|| <[u8; 16]>::try_from(octets).map(IpAddr::from).ok())
}

/// Walks the type-length-values behind the addresses: all are skipped, but they must fill the body
/// exactly, and a checksum must hold.
fn check_values(header: &[u8], mut values: &[u8]) -> Result<(), ProxyFault> {
    while let Some((&[kind, high, low], rest)) = values.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((value, rest)) = rest.split_at_checked(length) else {
            return Err(ProxyFault::LengthsDisagree);
        };
        if kind == VALUE_CRC32C {
            let Ok(expected) = <[u8; 4]>::try_from(value) else {
                return Err(ProxyFault::LengthsDisagree);
            };
            let start = header.len().saturating_sub(rest.len()).saturating_sub(4);
            if crc32c_without(header, start) != u32::from_be_bytes(expected) {
                return Err(ProxyFault::WrongChecksum);
            }
        }
        values = rest;
    }
    if values.is_empty() {
        Ok(())
    } else {
        Err(ProxyFault::LengthsDisagree)
    }
}

/// CRC32c of `bytes` with the four at `zero_at` taken as 0 (RFC 3309 appendix B, bit by bit: a
/// header is read once per connection).
fn crc32c_without(bytes: &[u8], zero_at: usize) -> u32 {
    let mut crc = u32::MAX;
    for (index, byte) in bytes.iter().enumerate() {
        let hidden = index.checked_sub(zero_at).is_some_and(|offset| offset < 4);
        crc ^= if hidden { 0 } else { u32::from(*byte) };
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

/// The longest version 1 line, line end included: the worst case of two full IPv6 addresses is 104.
pub const V1_BYTES_MAX: usize = 107;
/// The longest body of a version 2 header that we read.
pub const V2_BODY_BYTES_MAX: usize = 2048;
const V1_PREFIX: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD_BYTES: usize = 16;
const UNIX_ADDRESSES_BYTES: usize = 216;
const FAMILY_UNSPEC: u8 = 0x00;
const FAMILY_TCP4: u8 = 0x11;
const FAMILY_TCP6: u8 = 0x21;
const FAMILY_UNIX: u8 = 0x31;
const VALUE_CRC32C: u8 = 0x03;

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;
