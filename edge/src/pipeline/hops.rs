//! The client behind listed proxies.
//!
//! What it is: a connection's peer is the client, unless it is a proxy that the plan lists: then
//! the request's own lists say who the client is, for this request alone. They are walked from the
//! right: listed proxies are passed over, and the first address that is not one is the client;
//! when all are, it is the leftmost. An element that cannot be read, or names nobody, ends the
//! walk at the hop before it: what lies behind is nobody's word.
//! Shape: [`Told`], made once per request, and only when the peer is listed. Units: none.
//! Errors: none; what was not told is taken from the connection.
//! Source: RELIABILITY section 1, last paragraph; RFC 7239 sections 5 and 8.1.

use std::net::IpAddr;

use super::exchange::{AddressText, Exchange, Peer};
use crate::{
    plan::NetworkSet,
    wire::{
        forwarded::{Elements, Hop, Scheme, forwarded, forwarded_for},
        head::RequestHead,
        known::Known,
    },
};

/// What listed proxies say of the client.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Its address; the peer's when they say none.
    pub ip: IpAddr,
    /// The same as text.
    pub ip_text: AddressText,
    /// How it spoke to the first of them; `None`: not said, or in no word we know.
    pub scheme: Option<Scheme>,
}

/// What `peer` and the `proxies` before it say of the client of `x`, whose head is parsed; `None`
/// when the peer is not listed, or not any more since it connected.
#[inline]
pub(super) fn told(proxies: &NetworkSet, peer: &Peer, x: &Exchange) -> Option<Told> {
    if !peer.trusted || !proxies.contains(peer.ip) {
        return None;
    }
    let is_listed = |ip| proxies.contains(ip);
    Some(Told::read(&x.head, x.head_bytes.bytes(), peer, is_listed))
}

impl Told {
    /// Reads it from `head`, whose bytes are `bytes`; `is_listed` knows the proxies, `peer` is one.
    ///
    /// `Forwarded` counts only where there is no `X-Forwarded-For`: a proxy that keeps one of the
    /// two lists lets the other pass from anybody.
    fn read(
        head: &RequestHead,
        bytes: &[u8],
        peer: &Peer,
        is_listed: impl Fn(IpAddr) -> bool,
    ) -> Told {
        let elements = |known| {
            let lines = head.fields.all(known).rev();
            lines.flat_map(|line| Elements::of(line.value.of(bytes)))
        };
        let nameless = |ip| Hop { ip, scheme: None };
        let hop = if head.fields.has(Known::XForwardedFor) {
            let ips = elements(Known::XForwardedFor).map(forwarded_for);
            walk(peer.ip, ips.map(|ip| ip.map(nameless)), is_listed)
        } else {
            walk(
                peer.ip,
                elements(Known::Forwarded).map(forwarded),
                is_listed,
            )
        };
        let scheme = if head.fields.has(Known::XForwardedProto) {
            let last = elements(Known::XForwardedProto).next();
            last.and_then(Scheme::parse)
        } else {
            hop.scheme
        };
        let ip_text = if hop.ip == peer.ip {
            peer.ip_text
        } else {
            AddressText::new(hop.ip)
        };
        Told {
            ip: hop.ip,
            ip_text,
            scheme,
        }
    }
}

/// The client among `hops`, which come from the right; `peer` stands before them all.
fn walk(
    peer: IpAddr,
    hops: impl Iterator<Item = Option<Hop>>,
    is_listed: impl Fn(IpAddr) -> bool,
) -> Hop {
    let mut client = Hop {
        ip: peer,
        scheme: None,
    };
    for hop in hops {
        let Some(hop) = hop else { break };
        client = hop;
        if !is_listed(hop.ip) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{head::parse_request, limits::HeadLimits};

    const PEER: &str = "10.0.0.1";

    fn told(lines: &[&str]) -> (String, Option<Scheme>) {
        let head_text = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n",
            lines.join("\r\n")
        );
        let head_text = head_text.replace("\r\n\r\n\r\n", "\r\n\r\n");
        let mut head = RequestHead::new();
        parse_request(head_text.as_bytes(), &HeadLimits::default(), &mut head).expect("a head");
        let ip: IpAddr = PEER.parse().expect("an address");
        let peer = Peer {
            ip,
            ip_text: AddressText::new(ip),
            local_port: 80,
            tls: false,
            door: crate::plan::Door::Public,
            trusted: true,
        };
        // 10.0.0.0/8 and fd00::/8
        let is_listed = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[0] == 10,
            IpAddr::V6(ip) => ip.octets()[0] == 0xfd,
        };
        let told = Told::read(&head, head_text.as_bytes(), &peer, is_listed);
        let text = String::from_utf8_lossy(told.ip_text.as_bytes()).into_owned();
        assert_eq!(text, told.ip.to_string(), "the text is the address");
        (text, told.scheme)
    }

    #[test]
    fn hops_count_from_the_right() {
        // the lines of the head, the client
        let rows: &[(&[&str], &str)] = &[
            (&[], PEER),
            (&["X-Forwarded-For: 192.0.2.1"], "192.0.2.1"),
            (&["X-Forwarded-For: 6.6.6.6, 192.0.2.1"], "192.0.2.1"),
            (
                &["X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.2"],
                "192.0.2.1",
            ),
            (
                &["X-Forwarded-For: 10.0.0.9, 6.6.6.6,10.0.0.2 , 10.0.0.3"],
                "6.6.6.6",
            ),
            (&["X-Forwarded-For: 10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            (&["X-Forwarded-For: 10.0.0.1"], PEER),
            (&["X-Forwarded-For: 192.0.2.1,, 10.0.0.2,"], "192.0.2.1"),
            (&["X-Forwarded-For: 2001:db8::7, fd00::1"], "2001:db8::7"),
            (
                &["X-Forwarded-For: [2001:DB8::7]:99, [fd00::1]"],
                "2001:db8::7",
            ),
            (
                &["X-Forwarded-For: 192.0.2.1, ::ffff:10.0.0.2"],
                "192.0.2.1",
            ),
            // Lines are one list.
            (
                &[
                    "X-Forwarded-For: 6.6.6.6",
                    "A: b",
                    "X-Forwarded-For: 192.0.2.1, 10.0.0.2",
                ],
                "192.0.2.1",
            ),
            (
                &["X-Forwarded-For: 192.0.2.1", "x-forwarded-for: 10.0.0.2"],
                "192.0.2.1",
            ),
            // Unreadable: the last good hop.
            (&["X-Forwarded-For: "], PEER),
            (&["X-Forwarded-For: <script>"], PEER),
            (&["X-Forwarded-For: unknown"], PEER),
            (&["X-Forwarded-For: 192.0.2.1, unknown"], PEER),
            (
                &["X-Forwarded-For: 192.0.2.1, _hidden, 10.0.0.2"],
                "10.0.0.2",
            ),
            (&["X-Forwarded-For: 192.0.2.1, \", 10.0.0.2"], "10.0.0.2"),
            (&["X-Forwarded-For: \"6.6.6.6, 192.0.2.1"], "192.0.2.1"),
            // Forwarded, where there is no other list.
            (&["Forwarded: for=192.0.2.1"], "192.0.2.1"),
            (
                &["Forwarded: for=6.6.6.6, for=192.0.2.1;by=x, for=10.0.0.2"],
                "192.0.2.1",
            ),
            (
                &[
                    "Forwarded: for=\"[2001:db8::7]:1\"",
                    "Forwarded: for=\"[fd00::1]\"",
                ],
                "2001:db8::7",
            ),
            (&["Forwarded: for=10.0.0.9, for=10.0.0.2"], "10.0.0.9"),
            (
                &["Forwarded: for=192.0.2.1, for=unknown, for=10.0.0.2"],
                "10.0.0.2",
            ),
            (&["Forwarded: for=192.0.2.1, proto=https"], PEER),
            (
                &["Forwarded: for=\"6.6.6.6, for=192.0.2.1;host=\"a,b\""],
                "192.0.2.1",
            ),
            (
                &["Forwarded: for=6.6.6.6", "X-Forwarded-For: 192.0.2.1"],
                "192.0.2.1",
            ),
            (
                &["Forwarded: for=6.6.6.6", "X-Forwarded-For: unknown"],
                PEER,
            ),
        ];
        for (lines, expected) in rows {
            assert_eq!(told(lines).0, *expected, "{lines:?}");
        }
    }

    #[test]
    fn the_scheme_is_the_neighbours_word_or_that_of_the_clients_hop() {
        use Scheme::{Http, Https};
        let rows: &[(&[&str], Option<Scheme>)] = &[
            (&[], None),
            (&["X-Forwarded-Proto: https"], Some(Https)),
            (&["X-Forwarded-Proto: HTTP"], Some(Http)),
            (&["X-Forwarded-Proto: http, https"], Some(Https)),
            (
                &["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"],
                Some(Https),
            ),
            (&["X-Forwarded-Proto: https, ftp"], None),
            (&["X-Forwarded-Proto: https\u{e9}"], None),
            (&["X-Forwarded-Proto: "], None),
            (
                &["Forwarded: for=192.0.2.1;proto=https, for=10.0.0.2;proto=http"],
                Some(Https),
            ),
            (
                &["Forwarded: for=192.0.2.1, for=10.0.0.2;proto=https"],
                None,
            ),
            (
                &["Forwarded: for=unknown;proto=https, for=10.0.0.2;proto=http"],
                Some(Http),
            ),
            (
                &[
                    "Forwarded: for=192.0.2.1;proto=https",
                    "X-Forwarded-Proto: http",
                ],
                Some(Http),
            ),
            (
                &[
                    "Forwarded: for=192.0.2.1;proto=https",
                    "X-Forwarded-Proto: ws",
                ],
                None,
            ),
            (
                &[
                    "Forwarded: for=192.0.2.1;proto=https",
                    "X-Forwarded-For: 192.0.2.1",
                ],
                None,
            ),
        ];
        for (lines, expected) in rows {
            assert_eq!(told(lines).1, *expected, "{lines:?}");
        }
    }
}
