//! The cipher of simulated links: hides nothing, but has the sizes and turns of TLS 1.3.
//!
//! Shape: records of 5 header bytes, the plain bytes, 17 zeros (content type and tag), and
//! handshake flights as large as real ones: hello, server flight, finished, tickets.
//! Units and ranges: bytes; a record carries at most 16 KiB and costs 22 more.
//! Errors: a record that is no beginning of what may follow is [`TlsError::Protocol`]; since
//! simulated links lose and cut bytes but never forge them, it means a bug of ours.
//! Source: RFC 8446 sections 5.1 and 5.2.
//!
//! Real key exchange ignores injected randomness and would make simulated runs differ.

use super::{
    TlsError,
    session::{Progress, TlsSink},
};

/// One end of a simulated TLS connection.
#[derive(Debug)]
pub struct NullSession {
    step: Step,
    /// The record that is arriving.
    record: Vec<u8>,
    plain: Vec<u8>,
    plain_read: usize,
    output: Vec<u8>,
    output_taken: usize,
    server_name: Option<String>,
    peer_closed: bool,
    said_goodbye: bool,
    resumed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    ServerAwaitsHello,
    ServerAwaitsFinished,
    ClientAwaitsFlight,
    OpenServer,
    OpenClient,
    Failed,
}

impl NullSession {
    /// Waits for a hello.
    #[must_use]
    pub fn server() -> NullSession {
        NullSession::new(Step::ServerAwaitsHello)
    }

    /// Has a hello for `server_name` in its output.
    #[must_use]
    pub fn client(server_name: &str) -> NullSession {
        NullSession::greeting(server_name, HELLO, CLIENT_HELLO_BYTES)
    }

    /// The same, with a ticket of an earlier session.
    #[must_use]
    pub fn client_again(server_name: &str) -> NullSession {
        NullSession::greeting(server_name, HELLO_AGAIN, CLIENT_HELLO_AGAIN_BYTES)
    }

    fn greeting(server_name: &str, kind: u8, flight_bytes: usize) -> NullSession {
        let mut session = NullSession::new(Step::ClientAwaitsFlight);
        session.resumed = kind == HELLO_AGAIN;
        let mut name = server_name.as_bytes();
        name = name
            .get(..CLIENT_HELLO_BYTES - HEADER_BYTES - 2)
            .unwrap_or(name);
        let mut body = vec![kind, u8::try_from(name.len()).unwrap_or(u8::MAX)];
        body.extend_from_slice(name.get(..usize::from(u8::MAX)).unwrap_or(name));
        session.push_flight(&body, flight_bytes);
        session
    }

    fn new(step: Step) -> NullSession {
        NullSession {
            step,
            record: Vec::new(),
            plain: Vec::new(),
            plain_read: 0,
            output: Vec::new(),
            output_taken: 0,
            server_name: None,
            peer_closed: false,
            said_goodbye: false,
            resumed: false,
        }
    }

    pub(super) fn feed(&mut self, input: &mut &[u8]) -> Result<Progress, TlsError> {
        while !input.is_empty() && self.plain_bytes() < RECORD_PLAIN_BYTES_MAX {
            if self.step == Step::Failed {
                return Err(TlsError::Failed);
            }
            if self.peer_closed {
                *input = &[];
                break;
            }
            let waiting: &[u8] = *input;
            if let Some((record, rest)) = self.whole_record(waiting) {
                *input = rest;
                self.take_record(record)?;
                continue;
            }
            let wanted = self.record_bytes_missing();
            let (piece, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
            self.record.extend_from_slice(piece);
            *input = rest;
            if self.record.len() > HEADER_BYTES && self.record_bytes_missing() == 0 {
                let mut record = std::mem::take(&mut self.record);
                self.take_record(&record)?;
                record.clear();
                self.record = record;
            }
        }
        Ok(Progress {
            plain_bytes: self.plain_bytes(),
            wants_write: self.wants_write(),
            handshaking: self.is_handshaking(),
            peer_closed: self.peer_closed,
        })
    }

    pub(super) fn read_plain(&mut self, out: &mut [u8]) -> usize {
        let waiting = self.plain.get(self.plain_read..).unwrap_or_default();
        let count = waiting.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), waiting.get(..count)) {
            to.copy_from_slice(from);
        }
        self.plain_read = self.plain_read.saturating_add(count);
        if self.plain_read == self.plain.len() {
            self.plain.clear();
            self.plain_read = 0;
        }
        count
    }

    pub(super) fn write_plain(&mut self, data: &[u8]) -> usize {
        if self.is_handshaking() || self.said_goodbye || self.step == Step::Failed {
            return 0;
        }
        let room = super::session::OUTPUT_BYTES_MAX.saturating_sub(self.output.len());
        let data = data.get(..room).unwrap_or(data);
        for piece in data.chunks(RECORD_PLAIN_BYTES_MAX) {
            self.push_record(APPLICATION_DATA, piece, TAIL_BYTES);
        }
        data.len()
    }

    pub(super) fn take_output(&mut self, sink: &mut impl TlsSink) -> usize {
        let waiting = self.output.get(self.output_taken..).unwrap_or_default();
        let taken = sink.append(waiting).min(waiting.len());
        self.output_taken = self.output_taken.saturating_add(taken);
        if self.output_taken == self.output.len() {
            self.output.clear();
            self.output_taken = 0;
        }
        taken
    }

    pub(super) fn close_notify(&mut self) {
        if !self.said_goodbye {
            self.said_goodbye = true;
            self.push_record(ALERT, &[1, 0], TAIL_BYTES);
        }
    }

    pub(super) fn trim(&mut self) {
        for buffer in [&mut self.record, &mut self.plain, &mut self.output] {
            buffer.shrink_to_fit();
        }
    }

    pub(super) fn wants_write(&self) -> bool {
        self.output_taken < self.output.len()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        !matches!(self.step, Step::OpenServer | Step::OpenClient)
    }

    pub(super) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    pub(super) fn resumed(&self) -> bool {
        self.resumed
    }

    fn plain_bytes(&self) -> usize {
        self.plain.len().saturating_sub(self.plain_read)
    }

    /// The record that `input` begins with, if it is there in one piece and nothing stands before it.
    fn whole_record<'a>(&self, input: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let [_, _, _, high, low] = input.first_chunk::<HEADER_BYTES>()?;
        let body_bytes = usize::from(u16::from_be_bytes([*high, *low]));
        let is_whole = self.record.is_empty() && body_bytes > 0;
        is_whole.then(|| input.split_at_checked(HEADER_BYTES.saturating_add(body_bytes)))?
    }

    /// Takes a record; after one that makes no sense nothing else is taken.
    fn take_record(&mut self, record: &[u8]) -> Result<(), TlsError> {
        let taken = self.accept_record(record);
        if taken.is_err() {
            self.step = Step::Failed;
        }
        taken
    }

    /// What the arriving record lacks: first its header, then the rest.
    fn record_bytes_missing(&self) -> usize {
        let whole = match self.record.first_chunk::<HEADER_BYTES>() {
            Some([_, _, _, high, low]) => {
                HEADER_BYTES.saturating_add(usize::from(u16::from_be_bytes([*high, *low])))
            }
            None => HEADER_BYTES,
        };
        whole.saturating_sub(self.record.len())
    }

    fn accept_record(&mut self, record: &[u8]) -> Result<(), TlsError> {
        let broken = TlsError::Protocol(rustls::Error::DecryptError);
        let Some((&[kind, 3, 3, _, _], body)) = record.split_first_chunk::<HEADER_BYTES>() else {
            return Err(TlsError::NotTls);
        };
        match (kind, self.step, body.first()) {
            (HANDSHAKE, Step::ServerAwaitsHello, Some(&kind @ (HELLO | HELLO_AGAIN))) => {
                let name = body.get(2..).unwrap_or_default();
                let length = usize::from(body.get(1).copied().unwrap_or(0));
                let name = name.get(..length).ok_or(broken)?;
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                self.server_name = Some(name).filter(|name| !name.is_empty());
                self.step = Step::ServerAwaitsFinished;
                self.resumed = kind == HELLO_AGAIN;
                let flight_bytes = if self.resumed {
                    SERVER_FLIGHT_AGAIN_BYTES
                } else {
                    SERVER_FLIGHT_BYTES
                };
                self.push_flight(&[SERVER_FLIGHT], flight_bytes);
            }
            (HANDSHAKE, Step::ClientAwaitsFlight, Some(&SERVER_FLIGHT)) => {
                self.step = Step::OpenClient;
                self.push_flight(&[FINISHED], FINISHED_BYTES);
            }
            (HANDSHAKE, Step::ServerAwaitsFinished, Some(&FINISHED)) => {
                self.step = Step::OpenServer;
                self.push_flight(&[TICKETS], TICKETS_BYTES);
            }
            (HANDSHAKE, Step::OpenClient, Some(&TICKETS)) => {}
            (APPLICATION_DATA, Step::OpenClient | Step::OpenServer, _) => {
                let length = body
                    .len()
                    .checked_sub(TAIL_BYTES)
                    .ok_or_else(|| broken.clone())?;
                let plain = body.get(..length).ok_or(broken)?;
                self.plain.extend_from_slice(plain);
            }
            (ALERT, _, Some(1)) => self.peer_closed = true,
            _ => return Err(broken),
        }
        Ok(())
    }

    fn push_flight(&mut self, body: &[u8], flight_bytes: usize) {
        let tail = flight_bytes
            .saturating_sub(HEADER_BYTES)
            .saturating_sub(body.len());
        self.push_record(HANDSHAKE, body, tail);
    }

    fn push_record(&mut self, kind: u8, body: &[u8], tail_bytes: usize) {
        let length = body.len().saturating_add(tail_bytes);
        let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        self.output.extend_from_slice(&[kind, 3, 3, high, low]);
        self.output.extend_from_slice(body);
        let end = self.output.len().saturating_add(tail_bytes);
        self.output.resize(end, 0);
    }
}

/// What a record adds to its plain bytes.
pub const RECORD_OVERHEAD_BYTES: usize = HEADER_BYTES + TAIL_BYTES;
/// The most that one record carries.
pub const RECORD_PLAIN_BYTES_MAX: usize = 16 * 1024;
/// A client hello with X25519 and ML-KEM shares.
pub const CLIENT_HELLO_BYTES: usize = 1_500;
/// Server hello with the hybrid share, a chain of two ECDSA certificates, finished.
pub const SERVER_FLIGHT_BYTES: usize = 2_900;
/// A client hello with a ticket as well.
pub const CLIENT_HELLO_AGAIN_BYTES: usize = 1_740;
/// Server hello with the hybrid share, finished: what is resumed needs no certificate.
pub const SERVER_FLIGHT_AGAIN_BYTES: usize = 1_300;
/// Change cipher spec and the client's finished.
pub const FINISHED_BYTES: usize = 80;
/// Two tickets.
pub const TICKETS_BYTES: usize = 250;
/// In front of a record's content.
pub const HEADER_BYTES: usize = 5;
/// Behind it.
pub const TAIL_BYTES: usize = 17;
const ALERT: u8 = 21;
/// The kind of a handshake's records.
pub const HANDSHAKE: u8 = 22;
/// The kind of records with plain bytes.
pub const APPLICATION_DATA: u8 = 23;
const HELLO: u8 = 1;
const SERVER_FLIGHT: u8 = 2;
const TICKETS: u8 = 4;
const HELLO_AGAIN: u8 = 5;
const FINISHED: u8 = 20;

const _: () = assert!(RECORD_OVERHEAD_BYTES == 22);
const _: () = assert!(CLIENT_HELLO_BYTES > HEADER_BYTES + 2 + u8::MAX as usize);
