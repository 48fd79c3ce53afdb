//! The host and port a request is for.
//!
//! Shape: a span for the name, a number for the port. Units: none. Ranges: a name of at most 253
//! bytes in labels of at most 63, an IPv4 address, or an IPv6 address in brackets; ports 1 to
//! 65,535. Errors: lists, user information, paths, escapes and empty parts are refused.
//! Source: RFC 9110 §7.2, §4.2; RFC 3986 §3.2.2; RFC 1123 §2.1. Underscores pass: they are common.

use super::{
    fault::HeadFault,
    span::Span,
    token::{self, LABEL},
};

/// A validated host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Host {
    /// The name in its own case, without a final dot; an IPv6 address keeps its brackets.
    pub name: Span,
    /// The port, when one was given.
    pub port: Option<u16>,
}

impl Host {
    /// Reads `text`, a slice of `bytes`.
    pub fn parse(bytes: &[u8], text: &[u8]) -> Result<Host, HeadFault> {
        let (name, port) = split(text).ok_or(HeadFault::HostInvalid)?;
        let name = Span::within(bytes, name).ok_or(HeadFault::HostInvalid)?;
        Ok(Host { name, port })
    }

    /// Whether both are the same host, the case of the name aside.
    #[must_use]
    pub fn is_same(self, other: Host, bytes: &[u8]) -> bool {
        self.port == other.port
            && self
                .name
                .of(bytes)
                .eq_ignore_ascii_case(other.name.of(bytes))
    }
}

/// Name (without a final dot) and port of an authority; `None` when it is not strictly one.
#[must_use]
pub fn split(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    if text.first() == Some(&b'[') {
        let end = memchr::memchr(b']', text)?;
        let (name, rest) = text.split_at_checked(end + 1)?;
        let address = std::str::from_utf8(name.get(1..end)?).ok()?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        return match rest {
            [] => Some((name, None)),
            [b':', port @ ..] => Some((name, Some(parse_port(port)?))),
            _ => None,
        };
    }
    let name_bytes = name_length(text)?;
    let (name, rest) = text.split_at_checked(name_bytes)?;
    let port = match rest {
        [] => None,
        [_, digits @ ..] => Some(parse_port(digits)?),
    };
    let name = name.strip_suffix(b".").unwrap_or(name);
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some((name, port))
}

/// Length of the labels and dots at the start of `text`, up to a colon or the end.
fn name_length(text: &[u8]) -> Option<usize> {
    let mut label_start = 0;
    for (at, &byte) in text.iter().enumerate() {
        if token::is(byte, LABEL) {
            continue;
        }
        let label_bytes = at - label_start;
        let is_label = (1..=LABEL_BYTES_MAX).contains(&label_bytes);
        match byte {
            b'.' if is_label => label_start = at + 1,
            b':' if is_label || (label_bytes == 0 && at > 0) => return Some(at),
            _ => return None,
        }
    }
    (text.len() - label_start <= LABEL_BYTES_MAX).then_some(text.len())
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 {
        return None;
    }
    let mut port: u32 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    u16::try_from(port).ok().filter(|&port| port > 0)
}

const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    type Split = Option<(&'static str, Option<u16>)>;

    #[test]
    fn hosts_are_strict() {
        let long_label = "a".repeat(64);
        let long_name = format!("{}a", "a.".repeat(127));
        let rows: &[(&str, Split)] = &[
            ("example.com", Some(("example.com", None))),
            ("example.com.", Some(("example.com", None))),
            ("Example.com:8080", Some(("Example.com", Some(8080)))),
            ("a_b-c.d1", Some(("a_b-c.d1", None))),
            ("127.0.0.1:1", Some(("127.0.0.1", Some(1)))),
            ("[::1]", Some(("[::1]", None))),
            ("[2001:db8::1]:65535", Some(("[2001:db8::1]", Some(65535)))),
            ("", None),
            (".", None),
            (".:80", None),
            (":80", None),
            ("a.:80", Some(("a", Some(80)))),
            ("..", None),
            (".a", None),
            ("a..b", None),
            ("a..", None),
            ("a:", None),
            ("a:0", None),
            ("a:65536", None),
            ("a:000080", None),
            ("a:+80", None),
            ("a:80:80", None),
            ("a b", None),
            ("a,b", None),
            ("user@a", None),
            ("a/b", None),
            ("a?b", None),
            ("a%41", None),
            ("a\u{e9}", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[::1%25eth0]", None),
            ("[1.2.3.4]", None),
            ("::1", None),
            (&long_label, None),
            (&long_name, None),
        ];
        for (given, expected) in rows {
            let found = split(given.as_bytes());
            let expected = expected.map(|(name, port)| (name.as_bytes(), port));
            assert_eq!(found, expected, "{given:?}");
        }
    }
}
