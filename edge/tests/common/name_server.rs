//! A name server for tests, on a thread of its own.
//!
//! Shape: [`NameServer`] answers over UDP and TCP on one loopback port from a zone of text rows,
//! which can be replaced, and notes every question. Rows: `NAME A 192.0.2.1`, `NAME AAAA ::1`,
//! `NAME CNAME OTHER`, `NAME EMPTY`, each perhaps with a TTL behind; or what to do instead of
//! answering, `NAME SILENT|SERVFAIL|TC|NOEDNS|GUESSED`, with `A` or `AAAA` behind for one family
//! alone. A name without rows does not exist. Units: seconds. Errors: tests panic.
//! Source: RFC 1035 section 4.

#![allow(dead_code, unreachable_pub)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, SOA},
    },
};

pub struct NameServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    zone: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
}

impl NameServer {
    pub fn start(zone: &[&str]) -> NameServer {
        let (udp, tcp) = (0..20)
            .find_map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
                let tcp = TcpListener::bind(udp.local_addr().expect("an address")).ok()?;
                Some((udp, tcp))
            })
            .expect("a port free for both");
        let address = udp.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let server = NameServer {
            address,
            shared: Arc::clone(&shared),
        };
        server.set_zone(zone);
        let over_udp = Arc::clone(&shared);
        thread::spawn(move || {
            let mut datagram = [0; 2048];
            while let Ok((count, peer)) = udp.recv_from(&mut datagram) {
                for answer in over_udp.answers(&datagram[..count], true) {
                    udp.send_to(&answer, peer).expect("sent");
                }
            }
        });
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let mut stream = stream.expect("accepted");
                let mut length = [0; 2];
                stream.read_exact(&mut length).expect("a length");
                let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut message).expect("a message");
                for answer in shared.answers(&message, false) {
                    let length = u16::try_from(answer.len()).expect("short").to_be_bytes();
                    let framed = [&length[..], &answer].concat();
                    let (first, rest) = framed.split_at(framed.len() / 2);
                    stream.write_all(first).expect("written");
                    stream.flush().expect("flushed");
                    stream.write_all(rest).expect("written");
                }
            }
        });
        server
    }

    /// An address at which nobody answers: connecting is refused.
    pub fn dead() -> SocketAddr {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
        udp.local_addr().expect("an address")
    }

    pub fn set_zone(&self, zone: &[&str]) {
        *self.shared.zone.lock().expect("unpoisoned") =
            zone.iter().map(|row| (*row).to_owned()).collect();
    }

    /// The questions so far, sorted: `udp A name`.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.shared.asked.lock().expect("unpoisoned").clone();
        asked.sort();
        asked
    }
}

impl Shared {
    /// The datagrams that answer `bytes`.
    fn answers(&self, bytes: &[u8], is_udp: bool) -> Vec<Vec<u8>> {
        let query = Message::from_vec(bytes).expect("a query");
        let question = query.queries.first().expect("a question").clone();
        let name = question.name().to_string();
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let kind = question.query_type().to_string();
        let transport = if is_udp { "udp" } else { "tcp" };
        let row = format!("{transport} {kind} {name}");
        self.asked.lock().expect("unpoisoned").push(row);
        let zone = self.zone.lock().expect("unpoisoned").clone();
        let rows: Vec<Vec<&str>> = zone.iter().map(|r| r.split(' ').collect()).collect();
        let does = |word: &str| {
            rows.iter().any(|row| {
                row[0] == name && row[1] == word && row.get(2).is_none_or(|only| *only == kind)
            })
        };
        let mut answer = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
        answer.add_query(question);
        if does("SILENT") {
            return Vec::new();
        }
        if does("SERVFAIL") {
            answer.metadata.response_code = ResponseCode::ServFail;
        } else if does("NOEDNS") && query.edns.is_some() {
            answer.metadata.response_code = ResponseCode::FormErr;
        } else if does("TC") && is_udp {
            answer.metadata.truncation = true;
        } else {
            fill(&mut answer, &rows, &name, &kind);
        }
        let right = answer.to_vec().expect("encodes");
        if !does("GUESSED") {
            return vec![right];
        }
        // First what somebody would send who has not seen the question.
        let mut guess = answer.clone();
        guess.metadata.id = query.metadata.id.wrapping_add(1);
        guess.answers.clear();
        guess.add_answer(record(&name, RData::A(A::new(6, 6, 6, 6)), 60));
        vec![guess.to_vec().expect("encodes"), right]
    }
}

/// Follows aliases as a recursive server does.
fn fill(answer: &mut Message, rows: &[Vec<&str>], name: &str, kind: &str) {
    let of_name: Vec<&Vec<&str>> = rows.iter().filter(|row| row[0] == name).collect();
    if of_name.is_empty() {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    let found = answer.answers.len();
    for row in of_name {
        let ttl_s = row.get(3).map_or(60, |ttl_s| ttl_s.parse().expect("a TTL"));
        match row[1] {
            "A" if kind == "A" => {
                let ip = row[2].parse().expect("an address");
                answer.add_answer(record(name, RData::A(A(ip)), ttl_s));
            }
            "AAAA" if kind == "AAAA" => {
                let ip = row[2].parse().expect("an address");
                answer.add_answer(record(name, RData::AAAA(AAAA(ip)), ttl_s));
            }
            "CNAME" => {
                answer.add_answer(record(name, RData::CNAME(CNAME(full(row[2]))), ttl_s));
                return fill(answer, rows, row[2], kind);
            }
            _ => {}
        }
    }
    if answer.answers.len() == found {
        let soa = SOA::new(full("ns.test"), full("admin.test"), 1, 1, 1, 1, 60);
        answer.add_authority(record("test", RData::SOA(soa), 60));
    }
}

fn record(name: &str, data: RData, ttl_s: u32) -> Record {
    let record = Record::from_rdata(full(name), ttl_s, data);
    assert_ne!(record.record_type(), RecordType::NULL);
    record
}

fn full(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).expect("a name")
}
