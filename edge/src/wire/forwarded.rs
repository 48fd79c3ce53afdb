//! The lists in which proxies say who stood before them, read from the right.
//!
//! What it is: the elements of `Forwarded`, `X-Forwarded-For` and `X-Forwarded-Proto`. Each proxy
//! appends, so the right end is a neighbour's word and the left end anybody's: elements are cut
//! off backwards, and nothing on the left, an open quote included, changes how the right is read.
//! Shape: [`Elements`] gives slices, [`forwarded`] and [`forwarded_for`] read one of them.
//! Units: bytes. Ranges: a node of more than 64 bytes is not read. Errors: none; an element that
//! is malformed, or names nobody (`unknown`, `_hidden`), gives `None`.
//! Source: RFC 7239 sections 4 and 6; RFC 9110 sections 5.6.1 (lists) and 5.6.4 (quoted strings).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::token::{self, QUOTED, TOKEN, VALUE};

/// How a client spoke to a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Who spoke to a proxy, in that proxy's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Its address; IPv4 mapped into IPv6 is IPv4.
    pub ip: IpAddr,
    /// How it spoke, if that was said.
    pub scheme: Option<Scheme>,
}

impl Scheme {
    /// The scheme called `text`, in any case.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Scheme> {
        [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|scheme| scheme.as_bytes().eq_ignore_ascii_case(text))
    }

    /// Its name.
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Scheme::Http => b"http",
            Scheme::Https => b"https",
        }
    }
}

/// The elements of a list, trimmed, the last one first; empty ones are passed over.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'v> {
    rest: &'v [u8],
}

impl<'v> Elements<'v> {
    /// Those of the field value `value`.
    #[must_use]
    pub fn of(value: &'v [u8]) -> Elements<'v> {
        Elements { rest: value }
    }
}

impl<'v> Iterator for Elements<'v> {
    type Item = &'v [u8];

    fn next(&mut self) -> Option<&'v [u8]> {
        while !self.rest.is_empty() {
            let from = last_element_at(self.rest);
            let (before, element) = self.rest.split_at_checked(from)?;
            self.rest = match before {
                [before @ .., _comma] => before,
                [] => &[],
            };
            let element = token::trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Where the last element of `list` begins: behind the last comma that is not in quotes.
///
/// Read backwards a quoted string begins with its end; the quotes inside are escaped, so that the
/// next one without a backslash is where it was opened.
fn last_element_at(list: &[u8]) -> usize {
    let mut quoted = false;
    for (at, byte) in list.iter().enumerate().rev() {
        match byte {
            b',' if !quoted => return at.saturating_add(1),
            b'"' if !quoted => quoted = true,
            b'"' => quoted = is_escaped(list.get(..at).unwrap_or(&[])),
            _ => {}
        }
    }
    0
}

/// Whether what follows `before` is the second half of a quoted pair.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\');
    backslashes.count() % 2 == 1
}

/// Who one element of `Forwarded` names.
#[must_use]
pub fn forwarded(element: &[u8]) -> Option<Hop> {
    let mut room = [0; NODE_BYTES_MAX];
    let mut ip = None;
    let mut scheme = None;
    let (mut has_for, mut has_proto) = (false, false);
    let mut rest = element;
    while !rest.is_empty() {
        let pair;
        (pair, rest) = next_pair(rest)?;
        let Some((name, value)) = pair else {
            continue;
        };
        // No parameter may occur twice: one of the two would be somebody else's.
        if name.eq_ignore_ascii_case(b"for") {
            ip = unquoted(value, &mut room).and_then(node);
            (!std::mem::replace(&mut has_for, true)).then_some(())?;
        } else if name.eq_ignore_ascii_case(b"proto") {
            scheme = unquoted(value, &mut room).and_then(Scheme::parse);
            (!std::mem::replace(&mut has_proto, true)).then_some(())?;
        }
    }
    ip.map(|ip| Hop { ip, scheme })
}

/// Who one element of `X-Forwarded-For` names. It has no grammar of its own: an address, or a node
/// as `Forwarded` writes it, quoted or not.
#[must_use]
pub fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    if let Some(ip) = parsed::<IpAddr>(element) {
        return Some(ip.to_canonical());
    }
    match element {
        [b'"', text @ .., b'"'] => node(text),
        text => node(text),
    }
}

/// A name and its value as written, quotes included.
type Pair<'v> = (&'v [u8], &'v [u8]);

/// The first pair of `text`, if there is one before its first `;`, and what lies behind that.
fn next_pair(text: &[u8]) -> Option<(Option<Pair<'_>>, &[u8])> {
    let text = token::trim(text);
    let (name, rest) = split_while(text, TOKEN);
    let (pair, rest) = match rest {
        [b'=', rest @ ..] if !name.is_empty() => {
            let (value, rest) = rest.split_at_checked(value_bytes(rest)?)?;
            (Some((name, value)), rest)
        }
        rest if name.is_empty() => (None, rest),
        _ => return None,
    };
    match token::trim(rest) {
        [] => Some((pair, &[])),
        [b';', rest @ ..] => Some((pair, rest)),
        _ => None,
    }
}

/// How long the token or quoted string is that `text` begins with.
fn value_bytes(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        let length = split_while(text, TOKEN).0.len();
        return (length > 0).then_some(length);
    }
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => {
                token::is(*text.get(at + 1)?, VALUE).then_some(())?;
                at += 2;
            }
            byte => {
                token::is(*byte, QUOTED).then_some(())?;
                at += 1;
            }
        }
    }
}

/// What a value means: a quoted string without its quotes and backslashes.
fn unquoted<'v>(value: &'v [u8], room: &'v mut [u8; NODE_BYTES_MAX]) -> Option<&'v [u8]> {
    let [b'"', text @ .., b'"'] = value else {
        return Some(value);
    };
    let mut len = 0;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let byte = if *byte == b'\\' { bytes.next()? } else { byte };
        *room.get_mut(len)? = *byte;
        len += 1;
    }
    room.get(..len)
}

/// The address in a node: IPv4, or IPv6 in brackets, perhaps with a port. RFC 7239 section 6.
fn node(text: &[u8]) -> Option<IpAddr> {
    let (ip, rest) = match text {
        [b'[', rest @ ..] => {
            let (ip, rest) = rest.split_at_checked(memchr::memchr(b']', rest)?)?;
            (parsed::<Ipv6Addr>(ip)?.to_canonical(), rest.get(1..)?)
        }
        text => {
            let end = memchr::memchr(b':', text).unwrap_or(text.len());
            let (ip, rest) = text.split_at_checked(end)?;
            (IpAddr::V4(parsed::<Ipv4Addr>(ip)?), rest)
        }
    };
    let is_port = match rest {
        [] => true,
        [b':', b'_', hidden @ ..] => {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
            !hidden.is_empty() && hidden.iter().all(plain)
        }
        [b':', digits @ ..] => {
            (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    is_port.then_some(ip)
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `text` in two: the bytes of `class` that it begins with, and the others.
fn split_while(text: &[u8], class: u8) -> (&[u8], &[u8]) {
    let len = text.iter().take_while(|byte| token::is(**byte, class));
    text.split_at_checked(len.count()).unwrap_or((text, &[]))
}

/// An IPv6 address in brackets with a port has 53 bytes; a hidden port may be a little longer.
const NODE_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_from_the_right() {
        let rows: &[(&str, &[&str])] = &[
            ("", &[]),
            (" ,\t, ", &[]),
            ("a", &["a"]),
            ("a,b , c", &["c", "b", "a"]),
            (",a,,b,", &["b", "a"]),
            (r#"a="1,2", b"#, &["b", r#"a="1,2""#]),
            (r#"a="\",\\", b="," "#, &[r#"b=",""#, r#"a="\",\\""#]),
            (r#"a="\\",b"#, &["b", r#"a="\\""#]),
            (r#"a="x,\"y", b"#, &["b", r#"a="x,\"y""#]),
            // What somebody left open on the left stays there.
            (r#"a="x, b=1, c"#, &["c", "b=1", r#"a="x"#]),
            (r#"a="x, b="1,2""#, &[r#"b="1,2""#, r#"a="x"#]),
            (r#"a=\, b="1,2", c"#, &["c", r#"b="1,2""#, r"a=\"]),
            (r#"a", b"#, &["b", r#"a""#]),
        ];
        for (given, expected) in rows {
            let found: Vec<&str> = Elements::of(given.as_bytes())
                .map(|element| std::str::from_utf8(element).expect("text"))
                .collect();
            assert_eq!(found, *expected, "{given}");
        }
    }

    #[test]
    fn an_element_of_forwarded_names_one_hop() {
        use Scheme::{Http, Https};
        let rows: &[(&str, Option<(&str, Option<Scheme>)>)] = &[
            ("for=192.0.2.60", Some(("192.0.2.60", None))),
            (
                "FOR=192.0.2.60;Proto=HTTP",
                Some(("192.0.2.60", Some(Http))),
            ),
            (
                r#"proto=https;for="192.0.2.60:4711";by=203.0.113.43;host="a:80""#,
                Some(("192.0.2.60", Some(Https))),
            ),
            (r#"for="[2001:db8::17]""#, Some(("2001:db8::17", None))),
            (r#"for="[2001:DB8::17]:4711""#, Some(("2001:db8::17", None))),
            (r#"for="[::ffff:192.0.2.1]""#, Some(("192.0.2.1", None))),
            (r#"for="192.0.2.1:_gazonk""#, Some(("192.0.2.1", None))),
            (r#"for="1\92.0.2.1""#, Some(("192.0.2.1", None))),
            ("for=192.0.2.1;", Some(("192.0.2.1", None))),
            (";;for=192.0.2.1 ; x=y", Some(("192.0.2.1", None))),
            ("for=192.0.2.1;proto=ftp", Some(("192.0.2.1", None))),
            (r#"for=192.0.2.1;x="\"; for=\"""#, Some(("192.0.2.1", None))),
            // Nobody is named.
            ("", None),
            ("proto=https", None),
            ("for=unknown", None),
            ("for=_SEVKISEK", None),
            (r#"for="_gazonk:80""#, None),
            (r#"for="unknown:80""#, None),
            ("for=a.example", None),
            // Malformed.
            ("192.0.2.1", None),
            ("for", None),
            ("for=", None),
            ("for=192.0.2.1:80", None),
            ("for=[2001:db8::17]", None),
            (r#"for="2001:db8::17""#, None),
            (r#"for="[2001:db8::17""#, None),
            (r#"for="[2001:db8::17]80""#, None),
            (r#"for="[2001:db8::17%eth0]""#, None),
            (r#"for="[192.0.2.1]""#, None),
            (r#"for="192.0.2.1:""#, None),
            (r#"for="192.0.2.1:123456""#, None),
            (r#"for="192.0.2.1:_""#, None),
            (r#"for="192.0.2.1:_a b""#, None),
            (r#"for="192.0.2.1"#, None),
            (r#"for=192.0.2.1""#, None),
            (r#"for="192.0.2.1\"#, None),
            (r#"for="192.0.2.1"x"#, None),
            ("for =192.0.2.1", None),
            ("for= 192.0.2.1", None),
            ("for=192.0.2.1 x", None),
            ("for=192.0.2.1;x", None),
            ("for=192.0.2.1;=x", None),
            ("for=192.0.2.1;for=192.0.2.2", None),
            ("for=192.0.2.1;For=192.0.2.1", None),
            ("for=192.0.2.1;proto=http;proto=https", None),
            ("for=192.0.02.1", None),
            ("for=192.0.2", None),
            ("for=192.0.2.1\u{e9}", None),
        ];
        for (given, expected) in rows {
            let found = forwarded(given.as_bytes());
            let expected = expected.map(|(ip, scheme)| Hop {
                ip: ip.parse().expect("an address"),
                scheme,
            });
            assert_eq!(found, expected, "{given}");
        }
        let long = format!("for=\"192.0.2.1:_{}\"", "x".repeat(NODE_BYTES_MAX));
        assert_eq!(forwarded(long.as_bytes()), None, "longer than is read");
    }

    #[test]
    fn an_element_of_x_forwarded_for_is_an_address_or_a_node() {
        let rows: &[(&str, Option<&str>)] = &[
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("2001:db8::17", Some("2001:db8::17")),
            ("[2001:db8::17]", Some("2001:db8::17")),
            ("[2001:db8::17]:4711", Some("2001:db8::17")),
            (r#""[2001:db8::17]:4711""#, Some("2001:db8::17")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("\"", None),
            ("\"\"", None),
            ("\"192.0.2.1", None),
            ("for=192.0.2.1", None),
            ("192.0.2.1 192.0.2.2", None),
            ("192.0.2.256", None),
            ("192.0.2.1:http", None),
            ("2001:db8::17%eth0", None),
            ("<script>", None),
        ];
        for (given, expected) in rows {
            let expected = expected.map(|ip| ip.parse().expect("an address"));
            assert_eq!(forwarded_for(given.as_bytes()), expected, "{given}");
        }
    }
}
