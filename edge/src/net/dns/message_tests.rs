//! Tables of DNS answers, made with the same codec and with bytes by hand.
//!
//! Shape: rows of name, change to a good answer, expected. Units: seconds. Ranges: every prefix
//! and random bytes do not panic. Errors: the row's name. Source: RFC 1035, RFC 2308.

use super::*;
use hickory_proto::rr::{
    Record,
    rdata::{A, AAAA, CNAME, SOA},
};
use proptest::prelude::*;

fn question(family: Family) -> Question {
    Question {
        id: 0x1234,
        name: "api.example.test".to_owned(),
        family,
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn a(owner: &str, ttl_s: u32, last: u8) -> Record {
    Record::from_rdata(name(owner), ttl_s, RData::A(A::new(192, 0, 2, last)))
}

fn alias(owner: &str, ttl_s: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl_s, RData::CNAME(CNAME(name(target))))
}

fn soa(ttl_s: u32, minimum_s: u32) -> Record {
    let soa = SOA::new(name("ns.test."), name("root.test."), 1, 2, 3, 4, minimum_s);
    Record::from_rdata(name("example.test."), ttl_s, RData::SOA(soa))
}

fn answer(family: Family) -> Message {
    let mut message = Message::new(0x1234, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(name("API.example.test."), record_type(family)));
    message
}

fn read(message: &Message) -> Result<Answer, DnsFault> {
    let bytes = message.to_vec().expect("encodes");
    decode(&question(Family::V4), &bytes, Transport::Udp)
}

fn addresses(lasts: &[u8], ttl_s: u32) -> Result<Answer, DnsFault> {
    let ips = lasts
        .iter()
        .map(|last| IpAddr::from([192, 0, 2, *last]))
        .collect();
    Ok(Answer::Addresses { ips, ttl_s })
}

#[test]
fn a_query_has_the_bytes_of_the_standard() {
    let plain = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x03api\x07example\x04test\0\0\x01\0\x01";
    assert_eq!(
        encode(&question(Family::V4), false).as_deref(),
        Ok(plain.as_slice())
    );
    let mut with_edns = plain.to_vec();
    with_edns[11] = 1;
    with_edns.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    assert_eq!(
        encode(&question(Family::V4), true).as_deref(),
        Ok(with_edns.as_slice())
    );
    let framed = encode_tcp(&question(Family::V6)).expect("encodes");
    let inner = unframe_tcp(&framed).expect("whole");
    assert_eq!(inner, encode(&question(Family::V6), true).expect("encodes"));
    assert_eq!(inner[30..34], [0, 28, 0, 1]);
    for cut in 0..framed.len() {
        assert_eq!(unframe_tcp(&framed[..cut]), None);
    }
    let bad = Question {
        name: "a..b".to_owned(),
        ..question(Family::V4)
    };
    assert_eq!(
        encode(&bad, true),
        Err(DnsFault::BadName("a..b".to_owned()))
    );
}

type Change = fn(&mut Message);

#[test]
fn answers_are_read_as_the_table_says() {
    const API: &str = "api.example.test.";
    let rows: &[(&str, Change, Result<Answer, DnsFault>)] = &[
        (
            "two addresses, least TTL",
            |m| {
                m.add_answers([a(API, 300, 1), a(API, 60, 2)]);
            },
            addresses(&[1, 2], 60),
        ),
        (
            "a chain, in reverse",
            |m| {
                m.add_answers([
                    a("c.test.", 300, 1),
                    alias("b.test.", 20, "c.test."),
                    alias(API, 30, "B.test."),
                ]);
            },
            addresses(&[1], 20),
        ),
        (
            "addresses of somebody else",
            |m| {
                m.add_answer(a("evil.test.", 300, 1))
                    .add_authority(soa(50, 40));
            },
            Ok(Answer::NoData { ttl_s: 40 }),
        ),
        (
            "alias to nothing",
            |m| {
                m.add_answer(alias(API, 30, "gone.test."))
                    .add_authority(soa(50, 40));
                m.metadata.response_code = ResponseCode::NXDomain;
            },
            Ok(Answer::NoName { ttl_s: 30 }),
        ),
        (
            "an alias of itself",
            |m| {
                m.add_answer(alias(API, 30, API));
            },
            Err(DnsFault::ChainTooLong),
        ),
        ("no data, no SOA", |_| {}, Ok(Answer::NoData { ttl_s: 0 })),
        (
            "SOA's own TTL is less",
            |m| {
                m.add_authority(soa(10, 40));
                m.metadata.response_code = ResponseCode::NXDomain;
            },
            Ok(Answer::NoName { ttl_s: 10 }),
        ),
        (
            "TTL with the top bit",
            |m| {
                m.add_answer(a(API, 1 << 31, 1));
            },
            addresses(&[1], 0),
        ),
        (
            "truncated",
            |m| m.metadata.truncation = true,
            Ok(Answer::Truncated),
        ),
        ("another id", |m| m.metadata.id = 1, Err(DnsFault::NotOurs)),
        (
            "a query",
            |m| m.metadata.message_type = MessageType::Query,
            Err(DnsFault::NotOurs),
        ),
        (
            "another opcode",
            |m| m.metadata.op_code = OpCode::Status,
            Err(DnsFault::NotOurs),
        ),
        ("no question", |m| m.queries.clear(), Err(DnsFault::NotOurs)),
        (
            "another name",
            |m| m.queries[0].name = name("other.test."),
            Err(DnsFault::NotOurs),
        ),
        (
            "another type",
            |m| m.queries[0].query_type = RecordType::AAAA,
            Err(DnsFault::NotOurs),
        ),
        (
            "server failure",
            |m| m.metadata.response_code = ResponseCode::ServFail,
            Err(DnsFault::ServerRefused(ResponseCode::ServFail.to_string())),
        ),
        (
            "refused without a question",
            |m| {
                m.queries.clear();
                m.metadata.response_code = ResponseCode::Refused;
            },
            Err(DnsFault::ServerRefused(ResponseCode::Refused.to_string())),
        ),
    ];
    for (row, change, expected) in rows {
        let mut message = answer(Family::V4);
        change(&mut message);
        assert_eq!(read(&message), *expected, "{row}");
    }
}

#[test]
fn families_do_not_mix_and_many_addresses_are_cut() {
    let mut six = answer(Family::V6);
    let loopback = RData::AAAA(AAAA(std::net::Ipv6Addr::LOCALHOST));
    six.add_answers([
        a("api.example.test.", 5, 1),
        Record::from_rdata(name("api.example.test."), 9, loopback),
    ]);
    let bytes = six.to_vec().expect("encodes");
    let expected = Answer::Addresses {
        ips: vec!["::1".parse().expect("an address")],
        ttl_s: 9,
    };
    assert_eq!(
        decode(&question(Family::V6), &bytes, Transport::Tcp),
        Ok(expected)
    );
    let mut many = answer(Family::V4);
    many.add_answers((0..200).map(|last| a("api.example.test.", 5, last)));
    let Ok(Answer::Addresses { ips, .. }) = read(&many) else {
        panic!("addresses");
    };
    assert_eq!(ips.len(), ADDRESSES_MAX);
}

#[test]
fn cut_messages_are_faults_and_a_cut_truncated_one_asks_for_tcp() {
    let mut message = answer(Family::V4);
    message.add_answer(a("api.example.test.", 5, 1));
    let whole = message.to_vec().expect("encodes");
    message.metadata.truncation = true;
    let truncated = message.to_vec().expect("encodes");
    for cut in 0..whole.len() {
        let given = decode(&question(Family::V4), &whole[..cut], Transport::Udp);
        assert!(given.is_err(), "cut at {cut}: {given:?}");
        if cut >= 4 {
            let udp = decode(&question(Family::V4), &truncated[..cut], Transport::Udp);
            assert_eq!(udp, Ok(Answer::Truncated), "cut at {cut}");
        }
    }
    let tcp = decode(&question(Family::V4), &truncated, Transport::Tcp);
    assert!(matches!(tcp, Err(DnsFault::Malformed(_))));
}

proptest! {
    #[test]
    fn hostile_bytes_do_not_panic(tail in any::<Vec<u8>>(), flip in any::<(u16, u8)>()) {
        let mut bytes = b"\x12\x34\x80\0".to_vec();
        bytes.extend_from_slice(&tail);
        let _ = decode(&question(Family::V4), &bytes, Transport::Udp);
        let mut message = answer(Family::V4);
        message.add_answers([alias("api.example.test.", 5, "b.test."), a("b.test.", 5, 1)]);
        let mut good = message.to_vec().expect("encodes");
        let at = usize::from(flip.0) % good.len();
        good[at] ^= flip.1;
        let _ = decode(&question(Family::V4), &good, Transport::Udp);
    }
}
