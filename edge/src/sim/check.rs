//! What is true in a simulated run, and what must hold.
//!
//! What it is: the book in which clients write what they ask and origins what they see and tell;
//! every entry is checked against the others. Shape: [`Ledger`], shared by all simulated peers; a
//! request is known by its token. The first violation is kept and ends the run. Units: bytes,
//! counts. Errors: violations, as text. Source: RELIABILITY sections 4, 8 and 10: no byte crosses
//! exchanges, one answer or close each, the origin sees what the client sent, cut answers look cut.

use std::collections::BTreeMap;

use super::{
    message::{Ends, Head, body_differs},
    script::BODY_BYTES_MAX,
};
use crate::base::time::Mono;

/// How the exchanges of a run ended.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Requests begun by clients.
    pub asked: u64,
    /// Request heads that reached an origin.
    pub arrived: u64,
    /// Requests that an origin read whole.
    pub read_whole: u64,
    /// Whole answers of an origin.
    pub answered: u64,
    /// Answers of an origin that were visibly cut.
    pub cut: u64,
    /// Answers that the gateway gave itself.
    pub own: u64,
    /// Requests whose connection ended without an answer.
    pub ended: u64,
    /// Requests that reached an origin once more.
    pub repeated: u64,
    /// Connections between clients and gateway.
    pub connections: u64,
}

impl Figures {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Figures) {
        self.asked += other.asked;
        self.arrived += other.arrived;
        self.read_whole += other.read_whole;
        self.answered += other.answered;
        self.cut += other.cut;
        self.own += other.own;
        self.ended += other.ended;
        self.repeated += other.repeated;
        self.connections += other.connections;
    }
}

/// A request as its client knows it.
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) body_bytes: u64,
    /// Every byte was handed to the client's socket.
    pub(super) sent_whole: bool,
    /// Heads that origins saw.
    arrivals: u64,
    /// What they told, by arrival.
    told: Vec<Told>,
    /// An origin showed the beginning of an answer and then ended the connection in order.
    began_to_answer: bool,
    /// Origins knew it by its trace alone.
    is_traced: bool,
}

/// An answer as its origin knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) arrival: u64,
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    /// Every byte was handed to the origin's socket.
    pub(super) whole: bool,
}

/// The book of a run.
pub(super) struct Ledger {
    pub(super) figures: Figures,
    /// Faults are over: everybody behaves.
    pub(super) calm: bool,
    /// No connection is reset by the network.
    pub(super) resets_none: bool,
    /// What one send put on the wire, one receive finds.
    pub(super) pieces_whole: bool,
    asks: BTreeMap<u64, Ask>,
    request_ids: BTreeMap<String, u64>,
    violation: Option<String>,
    events: Option<Vec<String>>,
}

impl Ledger {
    /// An empty one, which keeps the events of the run if `verbose`.
    pub(super) fn new(verbose: bool) -> Ledger {
        Ledger {
            figures: Figures::default(),
            calm: false,
            resets_none: false,
            pieces_whole: false,
            asks: BTreeMap::new(),
            request_ids: BTreeMap::new(),
            violation: None,
            events: verbose.then(Vec::new),
        }
    }

    /// Notes an event, if anybody will read it.
    pub(super) fn note(&mut self, now: Mono, event: impl FnOnce() -> String) {
        if let Some(events) = &mut self.events {
            events.push(format!("{:>12.3} ms  {}", now.0 as f64 / 1e6, event()));
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<String> {
        self.events.take().unwrap_or_default()
    }

    /// Something that must not happen did.
    pub(super) fn violate(&mut self, now: Mono, what: String) {
        self.note(now, || format!("VIOLATION {what}"));
        self.violation.get_or_insert(what);
    }

    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    // --- clients ----------------------------------------------------------------------------

    /// A client is about to ask; `target` is made from the new token.
    pub(super) fn ask(
        &mut self,
        method: &'static str,
        body_bytes: u64,
        target: impl FnOnce(u64) -> String,
    ) -> u64 {
        // Tokens are far apart, so that bodies share nothing.
        let token = (self.asks.len() as u64 + 1).wrapping_mul(0x0001_0000_0001);
        let ask = Ask {
            method,
            target: target(token),
            body_bytes,
            sent_whole: false,
            arrivals: 0,
            told: Vec::new(),
            began_to_answer: false,
            is_traced: false,
        };
        self.asks.insert(token, ask);
        token
    }

    pub(super) fn ask_mut(&mut self, token: u64) -> Option<&mut Ask> {
        self.asks.get_mut(&token)
    }

    /// The head of an answer to `token` has come: what its origin told, `None` when the gateway
    /// answered itself.
    pub(super) fn answer_came(
        &mut self,
        token: u64,
        status: u16,
        head: &Head,
    ) -> Result<Option<Told>, String> {
        let id = head
            .get("x-amzn-requestid")
            .ok_or("an answer without request id")?;
        let of_id = self.request_ids.get(id).copied();
        if of_id.is_some_and(|other| other != token) {
            return Err(format!("{token:x} got the answer of {of_id:x?} by its id"));
        }
        let Some(text) = head.get("x-token") else {
            return Ok(None);
        };
        let is_traced = self.asks.get(&token).is_some_and(|ask| ask.is_traced);
        if of_id.is_none() && !is_traced {
            return Err(format!(
                "{token:x} got an answer that no origin's id explains"
            ));
        }
        let (origin_token, arrival) = parse_token(text).ok_or(format!("token {text:?}"))?;
        if origin_token != token {
            return Err(format!("{token:x} got the answer of {origin_token:x}"));
        }
        let ask = self.asks.get(&token).ok_or("an answer to nobody")?;
        let told = ask.told.iter().find(|told| told.arrival == arrival);
        let told = told.ok_or(format!("{token:x} got an answer that nobody told"))?;
        if told.status != status {
            return Err(format!("{token:x}: {status} instead of {}", told.status));
        }
        Ok(Some(*told))
    }

    /// As of now: what the origin told of an answer whose head has come.
    pub(super) fn told(&self, token: u64, arrival: u64) -> Option<Told> {
        let ask = self.asks.get(&token)?;
        ask.told
            .iter()
            .find(|told| told.arrival == arrival)
            .copied()
    }

    // --- origins ----------------------------------------------------------------------------

    /// A request's head reached an origin: its token and the number of this arrival.
    pub(super) fn arrived(&mut self, head: &Head) -> Result<(u64, u64), String> {
        let (method, rest) = head.start.split_once(' ').ok_or("no request line")?;
        let (target, version) = rest.split_once(' ').ok_or("no request line")?;
        if version != "HTTP/1.1" {
            return Err(format!("version {version:?} at an origin"));
        }
        let text = head.get("x-token").ok_or("a request without a token")?;
        let (token, _) = parse_token(text).ok_or(format!("token {text:?}"))?;
        let ask = self
            .asks
            .get_mut(&token)
            .ok_or("a token nobody asked with")?;
        if (ask.method, ask.target.as_str()) != (method, target) {
            let (method, target) = (ask.method, &ask.target);
            return Err(format!("{:?} instead of {method} {target}", head.start));
        }
        if head.count("host") != 1 {
            return Err(format!("{token:x}: not one Host"));
        }
        match head.framing()? {
            Some(Ends::Length(length)) if length != ask.body_bytes => {
                return Err(format!("{token:x}: length {length} at the origin"));
            }
            Some(Ends::Length(length)) if length > BODY_BYTES_MAX => {
                return Err(format!(
                    "{token:x}: a body of {length} bytes was let through"
                ));
            }
            None if ask.body_bytes > 0 => return Err(format!("{token:x} lost its body")),
            _ => {}
        }
        ask.arrivals += 1;
        self.figures.arrived += 1;
        let arrivals = ask.arrivals;
        if arrivals > 1 {
            self.figures.repeated += 1;
            if matches!(ask.method, "POST" | "PATCH") {
                return Err(format!("{} {token:x} reached origins twice", ask.method));
            }
            if arrivals > 2 {
                return Err(format!("{token:x} was sent {arrivals} times"));
            }
            if ask.began_to_answer {
                return Err(format!(
                    "{token:x} was repeated behind an answer's first byte"
                ));
            }
        }
        let Some(id) = head.get("x-request-id") else {
            // By the rules of API Gateway it has a trace of its own instead.
            ask.is_traced = true;
            let trace = head
                .get("x-amzn-trace-id")
                .ok_or("a request without its id")?;
            let of_trace = self.request_ids.insert(trace.to_owned(), token);
            return match of_trace.filter(|other| *other != token) {
                Some(other) => Err(format!("the trace of {other:x} came back with {token:x}")),
                None => Ok((token, arrivals)),
            };
        };
        let of_id = self.request_ids.insert(id.to_owned(), token);
        if of_id.is_some_and(|other| other != token) {
            return Err(format!("the id of {of_id:x?} came back with {token:x}"));
        }
        Ok((token, arrivals))
    }

    /// Bytes of a request's body reached an origin.
    pub(super) fn body_came(&self, token: u64, from: u64, bytes: &[u8]) -> Result<(), String> {
        if let Some(offset) = body_differs(token, from, bytes) {
            return Err(format!(
                "{token:x}: byte {offset} of the request's body is not its own"
            ));
        }
        let most = self.asks.get(&token).map_or(0, |ask| ask.body_bytes);
        if from + bytes.len() as u64 > most {
            return Err(format!("{token:x}: more than {most} bytes of body"));
        }
        Ok(())
    }

    /// An origin took a request for whole.
    pub(super) fn read_whole(&mut self, token: u64, body_bytes: u64) -> Result<(), String> {
        let ask = self.asks.get(&token).ok_or("a token nobody asked with")?;
        if ask.body_bytes != body_bytes || !ask.sent_whole {
            let (whole, most) = (ask.sent_whole, ask.body_bytes);
            return Err(format!(
                "{token:x} looked whole with {body_bytes} of {most} bytes, sent whole: {whole}"
            ));
        }
        if body_bytes > BODY_BYTES_MAX {
            return Err(format!(
                "{token:x}: a body of {body_bytes} bytes was let through"
            ));
        }
        self.figures.read_whole += 1;
        Ok(())
    }

    /// An origin begins an answer.
    pub(super) fn tell(&mut self, token: u64, told: Told) {
        if let Some(ask) = self.asks.get_mut(&token) {
            ask.told.push(told);
        }
    }

    /// The last byte of an answer is with the origin's socket.
    pub(super) fn told_whole(&mut self, token: u64, arrival: u64) {
        let told = self.asks.get_mut(&token).map(|ask| &mut ask.told);
        for told in told.into_iter().flatten() {
            if told.arrival == arrival {
                told.whole = true;
            }
        }
    }

    /// An answer that ends with its connection ended early, in order: it is whole as it is.
    pub(super) fn shorten(&mut self, token: u64, arrival: u64, body_bytes: u64) {
        let told = self.asks.get_mut(&token).map(|ask| &mut ask.told);
        for told in told.into_iter().flatten() {
            if told.arrival == arrival {
                told.body_bytes = body_bytes;
            }
        }
    }

    /// An origin showed some bytes of an answer and ended the connection in order.
    pub(super) fn began_to_answer(&mut self, token: u64) {
        if self.resets_none
            && let Some(ask) = self.asks.get_mut(&token)
        {
            ask.began_to_answer = true;
        }
    }
}

/// `TOKEN` or `TOKEN-ARRIVAL`, in hexadecimal.
fn parse_token(text: &str) -> Option<(u64, u64)> {
    let (token, arrival) = text.split_once('-').unwrap_or((text, "0"));
    Some((
        u64::from_str_radix(token, 16).ok()?,
        u64::from_str_radix(arrival, 16).ok()?,
    ))
}

/// The token of the body that answers `token` at its `arrival`.
pub(super) fn answer_token(token: u64, arrival: u64) -> u64 {
    !token ^ (arrival << 56)
}
