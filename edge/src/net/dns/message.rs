//! Queries and answers as bytes, over hickory-proto's codec.
//!
//! Shape: a [`Question`] is encoded to a datagram (or, with two length bytes, to a TCP message);
//! [`decode`] turns what came back into an [`Answer`] or a fault. Alias chains are followed
//! inside the answer, whatever the order of its records.
//! Units and ranges: TTLs in seconds, above 2^31 - 1 read as 0; at most [`CHAIN_MAX`] aliases and
//! [`ADDRESSES_MAX`] addresses; the datagram size we offer is [`DATAGRAM_BYTES_MAX`].
//! Errors: [`DnsFault`]; `NotOurs` is no reason to stop waiting, the others are.
//! Source: RFC 1035 section 4, RFC 2181 section 8, RFC 2308 section 5, RFC 6891.

use super::{DnsFault, Family, normal};
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, RecordType},
};
use std::net::IpAddr;

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// From the ring's randomness, new for each attempt: it is what a forger must guess.
    pub id: u16,
    /// As [`normal`] spells it.
    pub name: String,
    /// A or AAAA.
    pub family: Family,
}

/// What a server said about a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// At least one address.
    Addresses {
        /// In the server's order.
        ips: Vec<IpAddr>,
        /// The least TTL of the chain.
        ttl_s: u32,
    },
    /// The name exists, without addresses of this family.
    NoData {
        /// How long that holds; 0 when the server did not say.
        ttl_s: u32,
    },
    /// The name does not exist.
    NoName {
        /// How long that holds; 0 when the server did not say.
        ttl_s: u32,
    },
    /// The datagram was too small: ask again over TCP.
    Truncated,
}

/// How an answer came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// One message, perhaps truncated.
    Udp,
    /// Behind two length bytes, whole.
    Tcp,
}

/// Writes the datagram that asks `question`. Without `edns` for servers that answered FORMERR.
///
/// # Errors
/// The name is none.
pub fn encode(question: &Question, edns: bool) -> Result<Vec<u8>, DnsFault> {
    let name = wire_name(&question.name)?;
    let mut message = Message::new(question.id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, record_type(question.family)));
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(DATAGRAM_BYTES_MAX).set_version(0);
        message.set_edns(edns);
    }
    message
        .to_vec()
        .map_err(|fault| DnsFault::Malformed(fault.to_string()))
}

/// The same with the two length bytes of TCP.
///
/// # Errors
/// The name is none.
pub fn encode_tcp(question: &Question) -> Result<Vec<u8>, DnsFault> {
    let message = encode(question, true)?;
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(&message);
    Ok(framed)
}

/// The message at the start of what a TCP connection gave, once it is whole.
#[must_use]
pub fn unframe_tcp(received: &[u8]) -> Option<&[u8]> {
    let (length, rest) = received.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

/// Reads one message (without TCP's length) as the answer to `question`.
///
/// # Errors
/// `NotOurs` for what answers something else; otherwise this server is of no use now.
pub fn decode(question: &Question, bytes: &[u8], transport: Transport) -> Result<Answer, DnsFault> {
    let Some(&[id_high, id_low, flags, _]) = bytes.first_chunk::<4>() else {
        return Err(DnsFault::NotOurs);
    };
    if u16::from_be_bytes([id_high, id_low]) != question.id || flags & FLAG_RESPONSE == 0 {
        return Err(DnsFault::NotOurs);
    }
    let truncated = flags & FLAG_TRUNCATED != 0;
    let message = match Message::from_vec(bytes) {
        Ok(message) => message,
        // Some servers cut in the middle of a record. A forger gains only a TCP query.
        Err(_) if truncated && transport == Transport::Udp => return Ok(Answer::Truncated),
        Err(fault) => return Err(DnsFault::Malformed(fault.to_string())),
    };
    let name = wire_name(&question.name)?;
    let refused = |code: ResponseCode| DnsFault::ServerRefused(code.to_string());
    let asked = |query: &Query| {
        query.name().eq_ignore_root(&name)
            && query.query_type() == record_type(question.family)
            && query.query_class() == DNSClass::IN
    };
    let code = message.metadata.response_code;
    match message.queries.as_slice() {
        [query] if asked(query) => {}
        // An error may come without the question.
        [] if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) => {
            return Err(refused(code));
        }
        _ => return Err(DnsFault::NotOurs),
    }
    if message.metadata.op_code != OpCode::Query {
        return Err(DnsFault::NotOurs);
    }
    if truncated {
        return match transport {
            Transport::Udp => Ok(Answer::Truncated),
            Transport::Tcp => Err(DnsFault::Malformed("truncated over TCP".to_owned())),
        };
    }
    match code {
        ResponseCode::NoError | ResponseCode::NXDomain => {
            follow(&message, name, question.family, code)
        }
        code => Err(refused(code)),
    }
}

/// Walks from `name` over aliases to addresses.
fn follow(
    message: &Message,
    mut name: Name,
    family: Family,
    code: ResponseCode,
) -> Result<Answer, DnsFault> {
    let mut ttl_s = TTL_S_MAX;
    for _ in 0..=CHAIN_MAX {
        let mut ips = Vec::new();
        let mut ips_ttl_s = ttl_s;
        let mut alias = None;
        for record in &message.answers {
            if record.dns_class != DNSClass::IN || !record.name.eq_ignore_root(&name) {
                continue;
            }
            match (&record.data, family) {
                (RData::A(a), Family::V4) => ips.push(IpAddr::V4(a.0)),
                (RData::AAAA(a), Family::V6) => ips.push(IpAddr::V6(a.0)),
                (RData::CNAME(target), _) => {
                    alias = Some((target.0.clone(), plain_ttl_s(record.ttl)));
                    continue;
                }
                _ => continue,
            }
            ips_ttl_s = ips_ttl_s.min(plain_ttl_s(record.ttl));
        }
        if !ips.is_empty() {
            ips.truncate(ADDRESSES_MAX);
            return Ok(Answer::Addresses {
                ips,
                ttl_s: ips_ttl_s,
            });
        }
        match alias {
            Some((target, alias_ttl_s)) => {
                ttl_s = ttl_s.min(alias_ttl_s);
                name = target;
            }
            None => {
                let ttl_s = ttl_s.min(negative_ttl_s(message));
                return Ok(match code {
                    ResponseCode::NXDomain => Answer::NoName { ttl_s },
                    _ => Answer::NoData { ttl_s },
                });
            }
        }
    }
    Err(DnsFault::ChainTooLong)
}

/// "the minimum of the MINIMUM field of the SOA record and the TTL of the SOA itself"
fn negative_ttl_s(message: &Message) -> u32 {
    let of_soa = |record: &hickory_proto::rr::Record| match &record.data {
        RData::SOA(soa) => Some(plain_ttl_s(record.ttl).min(plain_ttl_s(soa.minimum))),
        _ => None,
    };
    message.authorities.iter().find_map(of_soa).unwrap_or(0)
}

/// "a TTL value received with the most significant bit set [is treated] as if [...] zero"
const fn plain_ttl_s(ttl_s: u32) -> u32 {
    if ttl_s > TTL_S_MAX { 0 } else { ttl_s }
}

fn wire_name(name: &str) -> Result<Name, DnsFault> {
    let mut wire =
        Name::from_ascii(normal(name)?).map_err(|_| DnsFault::BadName(name.to_owned()))?;
    wire.set_fqdn(true);
    Ok(wire)
}

const fn record_type(family: Family) -> RecordType {
    match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    }
}

/// What we say a datagram may have: fits every path without fragments (DNS flag day 2020).
pub const DATAGRAM_BYTES_MAX: u16 = 1232;
/// Aliases followed.
pub const CHAIN_MAX: usize = 8;
/// Addresses kept of one answer.
pub const ADDRESSES_MAX: usize = 64;
const TTL_S_MAX: u32 = (1 << 31) - 1;
const FLAG_RESPONSE: u8 = 0x80;
const FLAG_TRUNCATED: u8 = 0x02;

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
