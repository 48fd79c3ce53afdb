//! A simulated client: asks in many ways and checks every byte that comes back.
//!
//! What it is: one task per connection that writes requests, reads answers, and holds both
//! against the ledger. Shape: a [`Script`] of requests drawn before the connection opens, and
//! [`Habits`] that say how it is performed. Units: bytes, milliseconds. Errors: what the gateway
//! did wrong becomes a violation. Source: RFC 9112 sections 6, 9; RELIABILITY section 10.

use std::{cell::RefCell, collections::VecDeque, net::SocketAddr, rc::Rc};

use super::{
    check::{Ledger, answer_token},
    message::{Ends, Head, Piece, Reader, body_differs},
    peer,
    script::{Habits, Kind, MOCK_BODY, Request, Script},
};
use crate::{
    base::{prng::Prng, time::Mono},
    exec::{Core, RecvEnd, Stream, connect},
    ring::Transport,
};

/// A client and the connection it will open.
pub(super) struct Client {
    pub(super) core: Rc<Core>,
    pub(super) ledger: Rc<RefCell<Ledger>>,
    pub(super) to: SocketAddr,
    pub(super) prng: Prng,
}

/// What became of a connection.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    /// Whole answers with status 200 from an origin.
    pub(super) good: usize,
    /// All that came.
    pub(super) answers: usize,
}

/// An answer on its way.
struct Answer {
    status: u16,
    /// Arrival number at the origin; `None`: the gateway's own.
    arrival: Option<u64>,
    ends: Option<Ends>,
    /// This is the connection's last.
    last: bool,
    count: u64,
    own_body: Vec<u8>,
}

/// A connection under way.
struct Session<'a> {
    client: &'a mut Client,
    habits: Habits,
    stream: Stream,
    reader: Reader,
    /// Not begun yet.
    ahead: VecDeque<Request>,
    /// The one being written, and how far.
    writing: Option<(Request, usize)>,
    /// Begun, and not answered.
    unanswered: VecDeque<Waiting>,
    answer: Option<Answer>,
    write_at: Mono,
    /// The answer that ends the connection has come.
    over: bool,
    outcome: Outcome,
}

/// What is known of a request that waits for its answer.
struct Waiting {
    token: u64,
    kind: Kind,
    head: bool,
    minor: u8,
    keep_alive: bool,
    /// May get a 100.
    expects: bool,
}

/// Why a session ends.
enum End {
    /// All is said, or the client had enough.
    Done,
    /// The other side ended it.
    Ended(RecvEnd),
    /// A rule was broken.
    Violation(String),
}

impl Client {
    /// Opens a connection and performs `script`.
    pub(super) async fn perform(&mut self, script: Script) -> Outcome {
        let Script { requests, habits } = script;
        self.ledger.borrow_mut().figures.connections += 1;
        let deadline = self.core.now().plus_ms(10_000);
        let opened = connect(&self.core, self.to, Transport::Stream, deadline).await;
        let Ok(stream) = opened else {
            self.note(|| "client: no connection".to_owned());
            return Outcome::default();
        };
        let write_at = self.core.now();
        let mut session = Session {
            client: self,
            habits,
            stream,
            reader: Reader::new(),
            ahead: requests.into(),
            writing: None,
            unanswered: VecDeque::new(),
            answer: None,
            write_at,
            over: false,
            outcome: Outcome::default(),
        };
        let end = session.run().await;
        session.finish(end)
    }

    fn note(&self, event: impl FnOnce() -> String) {
        self.ledger.borrow_mut().note(self.core.now(), event);
    }
}

impl Session<'_> {
    async fn run(&mut self) -> End {
        let core = Rc::clone(&self.client.core);
        let patience = core.now().plus_ms(PATIENCE_MS);
        loop {
            if self.write() {
                return End::Done;
            }
            if self.is_done() {
                return End::Done;
            }
            let until = if !self.can_write() {
                patience
            } else if self.write_at > core.now() {
                self.write_at
            } else {
                core.now().plus_ms(LOOK_MS)
            };
            match self.stream.recv(until.min(patience)).await {
                Ok(buf) => {
                    self.reader.feed(&buf);
                    drop(buf);
                    if let Err(what) = self.read() {
                        return End::Violation(what);
                    }
                    if self.habits.read_pause_ms > 0 {
                        let pause_ms = self.habits.read_pause_ms;
                        core.sleep_until(core.now().plus_ms(pause_ms)).await;
                    }
                }
                Err(RecvEnd::Timeout) if core.now() >= patience => {
                    let tokens: Vec<String> = (self.unanswered.iter())
                        .map(|waiting| format!("{:x}", waiting.token))
                        .collect();
                    return End::Violation(format!("nothing more came for {tokens:?}"));
                }
                Err(RecvEnd::Timeout) => {}
                Err(end) => return End::Ended(end),
            }
        }
    }

    /// Everything was asked and answered.
    fn is_done(&self) -> bool {
        let asked = self.ahead.is_empty() && self.writing.is_none();
        asked && self.unanswered.is_empty() && !self.over && !self.habits.waits_for_close
    }

    // --- writing ----------------------------------------------------------------------------

    fn can_write(&self) -> bool {
        self.writing.is_some() || (!self.ahead.is_empty() && self.may_begin())
    }

    fn may_begin(&self) -> bool {
        !self.over && self.unanswered.len() < self.habits.depth
    }

    /// Writes what is due; `true` when the client leaves in the middle.
    fn write(&mut self) -> bool {
        let core = Rc::clone(&self.client.core);
        while core.now() >= self.write_at && self.stream.unsent_bytes() < peer::AHEAD_BYTES {
            if self.writing.is_none() && !self.begin_request() {
                return false;
            }
            let Some((request, at)) = &mut self.writing else {
                return false;
            };
            let mut to = request.bytes.len().min(*at + self.habits.piece_bytes);
            if let Some(hold) = request.hold_at.filter(|hold| *at <= *hold) {
                to = to.min(hold);
                if *at == hold && core.now() < request.hold_until {
                    self.write_at = request.hold_until;
                    return false;
                }
                if *at == hold {
                    request.hold_at = None;
                    continue;
                }
                request.hold_until = core.now().plus_ms(request.hold_ms);
            }
            let (cut, stall) = (request.cut_at, request.stall_at);
            if let Some(cut) = cut.or(stall) {
                to = to.min(cut);
            }
            if to > *at {
                if !peer::queue(&core, &mut self.stream, &request.bytes[*at..to]) {
                    self.write_at = core.now().plus_ms(1);
                    return false;
                }
                *at = to;
            }
            if to == request.bytes.len() {
                self.request_written();
            }
            if cut == Some(to) {
                return true;
            }
            if stall == Some(to) {
                self.write_at = Mono::FAR; // it never goes on
                return false;
            }
            if self.habits.write_pause_ms > 0 {
                let pause_ms = 1 + self.client.prng.below(self.habits.write_pause_ms);
                self.write_at = core.now().plus_ms(pause_ms);
            }
        }
        false
    }

    fn request_written(&mut self) {
        let Some((request, _)) = self.writing.take() else {
            return;
        };
        if let Some(ask) = self.client.ledger.borrow_mut().ask_mut(request.token) {
            ask.sent_whole = true;
        }
        if self.ahead.is_empty() && self.habits.half_closes {
            self.stream.shutdown_when_sent();
        }
    }

    fn begin_request(&mut self) -> bool {
        if !self.may_begin() {
            return false;
        }
        let Some(request) = self.ahead.pop_front() else {
            return false;
        };
        let token = request.token;
        self.client
            .note(|| format!("client: {token:x} {}", request.label()));
        self.client.ledger.borrow_mut().figures.asked += 1;
        self.unanswered.push_back(Waiting {
            token,
            kind: request.kind,
            head: request.method == "HEAD",
            minor: request.minor,
            keep_alive: request.keep_alive,
            expects: request.hold_at.is_some(),
        });
        self.writing = Some((request, 0));
        true
    }

    // --- reading ----------------------------------------------------------------------------

    fn read(&mut self) -> Result<(), String> {
        loop {
            if self.over {
                return match self.reader.held() {
                    [] => Ok(()),
                    held => Err(format!(
                        "{:?} behind the last answer",
                        String::from_utf8_lossy(&held[..held.len().min(60)])
                    )),
                };
            }
            match self.reader.next() {
                Piece::Nothing => {
                    if self.unanswered.is_empty() && !self.reader.is_between() {
                        return Err("an answer to nobody".to_owned());
                    }
                    return Ok(());
                }
                Piece::Head(head) => self.head_came(&head)?,
                Piece::Body(bytes) => self.body_came(&bytes)?,
                Piece::End => self.answer_ended()?,
                Piece::Broken(why) => return Err(format!("no answer: {why}")),
            }
        }
    }

    fn head_came(&mut self, head: &Head) -> Result<(), String> {
        let now = self.client.core.now();
        let Some(waiting) = self.unanswered.front_mut() else {
            return Err(format!("{:?} to nobody", head.start));
        };
        let status = (head.start.strip_prefix("HTTP/1.1 "))
            .and_then(|rest| rest.get(..3)?.parse::<u16>().ok())
            .ok_or(format!("status line {:?}", head.start))?;
        let token = waiting.token;
        if status == 100 && std::mem::replace(&mut waiting.expects, false) {
            self.reader.expect_body(None);
            if let Some((request, _)) = &mut self.writing {
                request.hold_at = None;
                self.write_at = now;
            }
            return Ok(());
        }
        if status == 103 && waiting.minor > 0 {
            self.reader.expect_body(None); // an origin's hint, which clients of 1.0 do not get
            return Ok(());
        }
        if status < 200 {
            return Err(format!("{token:x}: {status}, which nobody asked for"));
        }
        let told = (self.client.ledger.borrow_mut()).answer_came(token, status, head)?;
        self.client
            .note(|| format!("client: {token:x} gets {status}, {told:?}"));
        let bodiless = waiting.head || status == 204 || status == 304;
        let framing = head.framing()?;
        let last = head.says_close() || (waiting.minor == 0 && !waiting.keep_alive);
        let ends = match framing {
            _ if bodiless => None,
            None => Some(Ends::WithConnection),
            some => some,
        };
        if ends == Some(Ends::WithConnection) && !last {
            return Err(format!("{token:x}: an answer without an end"));
        }
        if waiting.minor == 0 && framing == Some(Ends::Chunked) {
            return Err(format!("{token:x}: chunks for a client of 1.0"));
        }
        if told.is_none() {
            self.check_own(status)?;
        }
        self.reader.expect_body(ends);
        self.answer = Some(Answer {
            status,
            arrival: told.map(|told| told.arrival),
            ends,
            last,
            count: 0,
            own_body: Vec::new(),
        });
        if ends.is_none() {
            return self.answer_ended();
        }
        Ok(())
    }

    /// Is this a status that the gateway may answer with by itself?
    fn check_own(&self, status: u16) -> Result<(), String> {
        let Some(waiting) = self.unanswered.front() else {
            return Ok(());
        };
        let whole = self.is_whole(waiting.token);
        let calm = self.client.ledger.borrow().calm && self.habits.is_plain;
        let allowed = match (waiting.kind, status) {
            (Kind::Garbage, 400..=499 | 501 | 505) => true,
            (Kind::Mock, 200) | (Kind::Unknown, 403) => true,
            (Kind::TooLarge, 413) => true,
            (Kind::Garbage, _) => status == 503 && !calm,
            (_, 408 | 400) => !whole,
            (Kind::Mock | Kind::Unknown, _) => status == 503,
            (Kind::Forwarded | Kind::TooLarge, 502..=504) => !calm,
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        Err(format!("{:x}: the gateway answers {status}", waiting.token))
    }

    fn is_whole(&self, token: u64) -> bool {
        let mut ledger = self.client.ledger.borrow_mut();
        ledger.ask_mut(token).is_some_and(|ask| ask.sent_whole)
    }

    fn body_came(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (Some(waiting), Some(answer)) = (self.unanswered.front(), &mut self.answer) else {
            return Err("a body without a head".to_owned());
        };
        match answer.arrival {
            None => answer.own_body.extend_from_slice(bytes),
            Some(arrival) => {
                let expected = answer_token(waiting.token, arrival);
                if let Some(offset) = body_differs(expected, answer.count, bytes) {
                    let token = waiting.token;
                    return Err(format!(
                        "{token:x}: byte {offset} of the answer is not its own"
                    ));
                }
            }
        }
        answer.count += bytes.len() as u64;
        Ok(())
    }

    /// The answer looks whole.
    fn answer_ended(&mut self) -> Result<(), String> {
        let (Some(waiting), Some(answer)) = (self.unanswered.pop_front(), self.answer.take())
        else {
            return Err("an end without an answer".to_owned());
        };
        let token = waiting.token;
        let mut ledger = self.client.ledger.borrow_mut();
        match answer.arrival {
            Some(arrival) => {
                let told = ledger.told(token, arrival);
                let due = told.filter(|told| told.whole).map(|told| told.body_bytes);
                let bodiless = answer.ends.is_none();
                if due != Some(answer.count) && !(bodiless && answer.count == 0) {
                    let count = answer.count;
                    return Err(format!(
                        "{token:x} looks whole with {count} bytes of {told:?}"
                    ));
                }
                ledger.figures.answered += 1;
                self.outcome.good += usize::from(answer.status == 200);
            }
            None => {
                ledger.figures.own += 1;
                let mocked = waiting.kind == Kind::Mock && answer.status == 200;
                let text = String::from_utf8_lossy(&answer.own_body);
                if mocked && answer.ends.is_some() && text != MOCK_BODY {
                    return Err(format!("{token:x}: a mock says {text:?}"));
                }
                self.outcome.good += usize::from(mocked);
            }
        }
        drop(ledger);
        self.outcome.answers += 1;
        if answer.last {
            self.over = true;
            self.ahead.clear();
            self.writing = None; // whoever is answered while it writes need not go on
        }
        Ok(())
    }

    // --- the end ----------------------------------------------------------------------------

    fn finish(mut self, end: End) -> Outcome {
        match end {
            End::Violation(what) => self.violate(what),
            End::Done => {
                self.client.ledger.borrow_mut().figures.ended += self.unanswered.len() as u64;
            }
            End::Ended(end) => {
                let failed = end != RecvEnd::Closed || self.stream.poll_sent(0).is_pending();
                let failed = failed || self.send_failed();
                if let Err(what) = self.ended(failed) {
                    self.violate(what);
                }
            }
        }
        let outcome = self.outcome;
        if self.habits.resets {
            self.stream.reset();
        }
        outcome
    }

    fn send_failed(&mut self) -> bool {
        matches!(self.stream.poll_sent(0), std::task::Poll::Ready(Err(_)))
    }

    /// The connection is over; what was open may be whole, or is seen to be cut.
    fn ended(&mut self, failed: bool) -> Result<(), String> {
        if let Some(answer) = &self.answer {
            if answer.ends == Some(Ends::WithConnection) && !failed {
                self.answer_ended()?;
            } else {
                self.unanswered.pop_front();
                self.client.ledger.borrow_mut().figures.cut += 1;
            }
        }
        let left = self.unanswered.len() as u64;
        self.client
            .note(|| format!("client: ended, {left} unanswered, failed: {failed}"));
        self.client.ledger.borrow_mut().figures.ended += left;
        Ok(())
    }

    fn violate(&self, what: String) {
        let now = self.client.core.now();
        self.client.ledger.borrow_mut().violate(now, what);
    }
}

/// Nothing takes longer: every wait of the gateway has a shorter bound.
const PATIENCE_MS: u64 = 120_000;
/// How often a writer looks whether there is room again.
const LOOK_MS: u64 = 5;
