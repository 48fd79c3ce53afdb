//! Tables and properties of the PROXY header decoder.
//!
//! Shape: rows of name, bytes given, answer expected, cut at every place. Units: bytes.
//! Ranges: every prefix of every row. Errors: the name of the row that fails.
//! Source: the examples of "The PROXY protocol" sections 2.1 and 2.2.

use super::*;
use proptest::prelude::*;

fn done(consumed: usize, source: &str, destination: &str) -> Decoded {
    Decoded::Done(ProxyHeader {
        consumed,
        source: Some(source.parse().expect("a socket address")),
        destination: Some(destination.parse().expect("a socket address")),
        local: false,
    })
}

fn unknown(consumed: usize, local: bool) -> Decoded {
    Decoded::Done(ProxyHeader {
        consumed,
        source: None,
        destination: None,
        local,
    })
}

fn v2(version_command: u8, family: u8, length: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = V2_SIGNATURE.to_vec();
    bytes.extend_from_slice(&[version_command, family]);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

const FOUR: &[u8] = &[192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];

fn line_rows() -> Vec<(&'static str, Vec<u8>, Decoded)> {
    let six = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
               ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    let all_f = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
    let malformed = Decoded::Fault(ProxyFault::MalformedLine);
    let row = |name, text: &str, expected| (name, text.as_bytes().to_vec(), expected);
    vec![
        row(
            "the example of the protocol",
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n",
            done(47, "192.168.0.1:56324", "192.168.0.11:443"),
        ),
        row(
            "worst case TCP4",
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            done(56, "255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        row("worst case TCP6", six, done(104, all_f, all_f)),
        row("unknown, short", "PROXY UNKNOWN\r\n", unknown(15, false)),
        row(
            "unknown, with addresses",
            "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
            unknown(43, false),
        ),
        row(
            "bare LF",
            "PROXY TCP4 1.2.3.4 1.2.3.5 1 2\n",
            malformed.clone(),
        ),
        row(
            "bare CR",
            "PROXY TCP4 1.2.3.4 1.2.3.5 1 2\rx",
            malformed.clone(),
        ),
        row(
            "two spaces",
            "PROXY TCP4  1.2.3.4 1.2.3.5 1 2\r\n",
            malformed.clone(),
        ),
        row(
            "trailing space",
            "PROXY TCP4 1.2.3.4 1.2.3.5 1 2 \r\n",
            malformed.clone(),
        ),
        row(
            "port zero-led",
            "PROXY TCP4 1.2.3.4 1.2.3.5 01 2\r\n",
            malformed.clone(),
        ),
        row(
            "port signed",
            "PROXY TCP4 1.2.3.4 1.2.3.5 +1 2\r\n",
            malformed.clone(),
        ),
        row(
            "port empty",
            "PROXY TCP4 1.2.3.4 1.2.3.5  2\r\n",
            malformed.clone(),
        ),
        row(
            "port over",
            "PROXY TCP4 1.2.3.4 1.2.3.5 65536 2\r\n",
            malformed.clone(),
        ),
        row(
            "octet zero-led",
            "PROXY TCP4 01.2.3.4 1.2.3.5 1 2\r\n",
            malformed.clone(),
        ),
        row(
            "families crossed",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            malformed.clone(),
        ),
        row(
            "UDP",
            "PROXY UDP4 1.2.3.4 1.2.3.5 1 2\r\n",
            malformed.clone(),
        ),
        row(
            "lower case family",
            "PROXY tcp4 1.2.3.4 1.2.3.5 1 2\r\n",
            malformed.clone(),
        ),
        row(
            "port missing",
            "PROXY TCP4 1.2.3.4 1.2.3.5 1\r\n",
            malformed.clone(),
        ),
        row("UNKNOWNX", "PROXY UNKNOWNX\r\n", malformed),
        row(
            "http",
            "GET / HTTP/1.1\r\n",
            Decoded::Fault(ProxyFault::NotProxy),
        ),
        row("TLS", "\x16\x03\x01", Decoded::Fault(ProxyFault::NotProxy)),
        row(
            "lower case",
            "proxy TCP4",
            Decoded::Fault(ProxyFault::NotProxy),
        ),
        row("nothing", "", Decoded::Need),
        (
            "no end in 107 bytes",
            [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 93]].concat(),
            Decoded::Fault(ProxyFault::TooLong),
        ),
        (
            "end just behind 107 bytes",
            [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 92], b"\r\n"].concat(),
            Decoded::Fault(ProxyFault::TooLong),
        ),
        (
            "end just at 107 bytes",
            [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 91], b"\r\n"].concat(),
            unknown(107, false),
        ),
    ]
}

fn binary_rows() -> Vec<(&'static str, Vec<u8>, Decoded)> {
    let disagree = Decoded::Fault(ProxyFault::LengthsDisagree);
    let family = Decoded::Fault(ProxyFault::UnknownFamily);
    let four_done = |consumed| done(consumed, "192.168.0.1:56324", "192.168.0.11:443");
    let mut six = Vec::new();
    six.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
    six.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
    six.extend_from_slice(&[0, 1, 0, 2]);
    let with = |tail: &[u8]| [FOUR, tail].concat();
    vec![
        ("TCP4", v2(0x21, 0x11, 12, FOUR), four_done(28)),
        (
            "TCP4 and data",
            v2(0x21, 0x11, 12, &with(b"GET /")),
            four_done(28),
        ),
        (
            "TCP6",
            v2(0x21, 0x21, 36, &six),
            done(52, "[::1]:1", "[::1]:2"),
        ),
        ("LOCAL", v2(0x20, 0, 0, b""), unknown(16, true)),
        (
            "LOCAL with a block",
            v2(0x20, 0x11, 3, b"abc"),
            unknown(19, true),
        ),
        ("UNSPEC", v2(0x21, 0, 2, b"ab"), unknown(18, false)),
        ("UNIX", v2(0x21, 0x31, 216, &[0; 216]), unknown(232, false)),
        (
            "UNIX short",
            v2(0x21, 0x31, 215, &[0; 215]),
            disagree.clone(),
        ),
        ("UDP4", v2(0x21, 0x12, 12, FOUR), family.clone()),
        ("unknown family", v2(0x21, 0x41, 12, FOUR), family),
        (
            "version 3",
            v2(0x31, 0x11, 12, FOUR),
            Decoded::Fault(ProxyFault::UnknownVersion),
        ),
        (
            "command 2",
            v2(0x22, 0x11, 12, FOUR),
            Decoded::Fault(ProxyFault::UnknownCommand),
        ),
        (
            "addresses short",
            v2(0x21, 0x11, 11, &FOUR[..11]),
            disagree.clone(),
        ),
        (
            "value skipped",
            v2(0x21, 0x11, 17, &with(&[4, 0, 2, 9, 9])),
            four_done(33),
        ),
        (
            "value over the end",
            v2(0x21, 0x11, 17, &with(&[4, 0, 3, 9, 9])),
            disagree.clone(),
        ),
        ("value cut", v2(0x21, 0x11, 14, &with(&[4, 0])), disagree),
        (
            "over our limit",
            v2(0x21, 0x11, 2049, FOUR),
            Decoded::Fault(ProxyFault::TooLong),
        ),
        (
            "checksum wrong",
            v2(0x21, 0x11, 19, &with(&[3, 0, 4, 1, 2, 3, 4])),
            Decoded::Fault(ProxyFault::WrongChecksum),
        ),
    ]
}

#[test]
fn rows_decode_as_written_and_their_prefixes_need_more() {
    for (name, given, expected) in line_rows().into_iter().chain(binary_rows()) {
        assert_eq!(decode(&given), expected, "{name}");
        for cut in 0..given.len() {
            let early = decode(&given[..cut]);
            assert!(
                early == Decoded::Need || early == expected,
                "{name} cut at {cut}: {early:?}"
            );
            if let Decoded::Done(header) = &expected {
                assert_eq!(
                    early == Decoded::Need,
                    cut < header.consumed,
                    "{name} at {cut}"
                );
            }
        }
    }
}

#[test]
fn a_checksum_that_holds_is_accepted() {
    assert_eq!(
        crc32c_without(b"123456789", 9),
        0xe306_9283,
        "the check value of CRC-32C"
    );
    let mut header = v2(0x21, 0x11, 19, &[FOUR, &[3, 0, 4, 0, 0, 0, 0]].concat());
    let crc = crc32c_without(&header, 31).to_be_bytes();
    header[31..35].copy_from_slice(&crc);
    assert_eq!(
        decode(&header),
        done(35, "192.168.0.1:56324", "192.168.0.11:443")
    );
    header[17] ^= 1;
    assert_eq!(decode(&header), Decoded::Fault(ProxyFault::WrongChecksum));
}

fn endpoints() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let four = any::<([u8; 4], u16, [u8; 4], u16)>()
        .prop_map(|(a, p, b, q)| (SocketAddr::from((a, p)), SocketAddr::from((b, q))));
    let six = any::<([u8; 16], u16, [u8; 16], u16)>()
        .prop_map(|(a, p, b, q)| (SocketAddr::from((a, p)), SocketAddr::from((b, q))));
    prop_oneof![four, six]
}

proptest! {
    #[test]
    fn what_was_encoded_decodes((source, destination) in endpoints(), value in any::<Vec<u8>>()) {
        for version in [1, 2] {
            let mut bytes = Vec::new();
            match version {
                1 => encode_v1(source, destination, &mut bytes),
                _ => encode_v2(source, destination, &[(0xe0, &value)], &mut bytes),
            }
            let consumed = bytes.len();
            bytes.extend_from_slice(&value);
            let expected = Decoded::Done(ProxyHeader {
                consumed,
                source: Some(source),
                destination: Some(destination),
                local: false,
            });
            prop_assert_eq!(decode(&bytes), expected);
            prop_assert_eq!(decode(&bytes[..consumed - 1]), Decoded::Need);
        }
    }

    /// A fault or an answer, once given, does not change when more bytes arrive.
    #[test]
    fn more_bytes_never_change_an_answer(tail in any::<Vec<u8>>(), start in 0usize..3) {
        let head: &[u8] = [b"".as_slice(), V1_PREFIX, V2_SIGNATURE][start];
        let bytes = [head, &tail].concat();
        let mut settled: Option<Decoded> = None;
        for cut in 0..=bytes.len() {
            let now = decode(&bytes[..cut]);
            if let Some(before) = &settled {
                prop_assert_eq!(before, &now);
            } else if now != Decoded::Need {
                settled = Some(now);
            }
        }
    }
}
