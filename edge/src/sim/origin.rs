//! A simulated origin: answers what it is asked, or worse.
//!
//! What it is: one task per connection that checks every request against the ledger, draws what
//! to do with it, and does it. Shape: [`Act`] is what may happen to a request. Units:
//! milliseconds, bytes. Errors: what the gateway did wrong becomes a violation; the origin's own
//! misbehaviour is its purpose. Source: RELIABILITY sections 1 and 4 (what origins do).

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use super::{
    check::{Ledger, Told, answer_token},
    message::{Ends, Head, LAST_CHUNK, Piece, Reader, body_bytes, chunk},
    peer,
};
use crate::{
    base::{prng::Prng, time::Mono},
    exec::{Core, Listener, Stream},
    ring::{Errno, ListenAddress},
};

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    /// A whole answer behind the whole request.
    Answer,
    /// As `Answer`, then more bytes that look like another answer.
    Surplus,
    /// As `Answer`, then the connection ends although it need not.
    AnswerAndClose,
    /// Some interim answers first.
    Interim(u64),
    /// A whole answer before the body was read, which is read afterwards.
    Early,
    /// The same, and the connection ends.
    EarlyAndClose,
    /// The connection ends before an answer, in order or not.
    Leave { reset: bool },
    /// The connection ends within the answer's head.
    PartOfHead,
    /// The connection ends within the answer's body.
    PartOfBody { reset: bool },
    /// Something that is no answer.
    Nonsense,
    /// Nothing at all.
    Silence,
}

/// How an exchange leaves the connection.
enum After {
    Keep,
    Close,
    Reset,
}

/// One connection.
struct Connection {
    core: Rc<Core>,
    ledger: Rc<RefCell<Ledger>>,
    prng: Prng,
    /// Odds of anything but a plain answer, in per mille.
    malice: u64,
    stream: Stream,
    reader: Reader,
}

/// Listens at `address` and serves every connection.
///
/// # Errors
/// What listen(2) answered.
pub(super) fn serve(
    core: &Rc<Core>,
    address: SocketAddr,
    ledger: &Rc<RefCell<Ledger>>,
    mut prng: Prng,
    malice: u64,
) -> Result<(), Errno> {
    let mut listener = Listener::bind(core, &ListenAddress::Tcp(address))?;
    let (inner, ledger) = (Rc::clone(core), Rc::clone(ledger));
    core.spawn(async move {
        while let Some(accepted) = listener.accept().await {
            let Ok(fd) = accepted else {
                listener.resume();
                continue;
            };
            let connection = Connection {
                core: Rc::clone(&inner),
                ledger: Rc::clone(&ledger),
                prng: Prng::new(prng.next_u64()),
                malice,
                stream: Stream::new(&inner, fd),
                reader: Reader::new(),
            };
            inner.spawn(connection.run());
        }
    });
    Ok(())
}

impl Connection {
    async fn run(mut self) {
        loop {
            let Some(head) = self.request_head().await else {
                return;
            };
            let arrived = self.ledger.borrow_mut().arrived(&head);
            let (token, arrival) = match arrived {
                Ok(arrived) => arrived,
                Err(what) => return self.violate(what),
            };
            let calm = self.ledger.borrow().calm;
            let act = if calm { Act::Answer } else { self.draw_act() };
            self.note(|| format!("origin: {token:x} arrives ({arrival}): {act:?}"));
            let ends = head.framing().unwrap_or(None);
            self.reader.expect_body(ends);
            let mut exchange = Exchange {
                token,
                arrival,
                method: head.start.split(' ').next().unwrap_or("").to_owned(),
                unread: ends.is_some(),
                calm,
            };
            match self.perform(&mut exchange, act).await {
                Some(After::Keep) => {}
                Some(After::Close) => {
                    let soon = self.core.now().plus_ms(5_000);
                    let _ = self.stream.sent(0, soon).await;
                    return;
                }
                Some(After::Reset) => return self.stream.reset(),
                None => return,
            }
        }
    }

    /// The next head; `None` when the connection is over, by either side's wish.
    async fn request_head(&mut self) -> Option<Head> {
        // Some origins tire just when they are needed.
        let calm = self.ledger.borrow().calm;
        let patience_ms = match self.prng.below(4) {
            0 if !calm => self.prng.below(60),
            1 if !calm => self.prng.below(3_000),
            _ => 60_000,
        };
        let deadline = self.core.now().plus_ms(patience_ms);
        loop {
            match self.reader.next() {
                Piece::Head(head) => return Some(head),
                Piece::Nothing => {}
                other => {
                    let what = format!("an origin reads {other:?} instead of a request");
                    self.violate(what.chars().take(200).collect());
                    return None;
                }
            }
            match self.stream.recv(deadline).await {
                Ok(buf) => self.reader.feed(&buf),
                Err(_) => return None,
            }
        }
    }

    fn draw_act(&mut self) -> Act {
        if !self.prng.chance(self.malice) {
            return Act::Answer;
        }
        let reset = self.prng.chance(500);
        match self.prng.below(14) {
            0 if self.ledger.borrow().pieces_whole => Act::Surplus,
            0 | 1 => Act::AnswerAndClose,
            2 => Act::Interim(1 + self.prng.below(3)),
            3 => Act::Interim(12),
            4 | 5 => Act::Early,
            6 => Act::EarlyAndClose,
            7 | 8 => Act::Leave { reset },
            9 => Act::PartOfHead,
            10 | 11 => Act::PartOfBody { reset },
            12 => Act::Nonsense,
            _ => Act::Silence,
        }
    }

    /// `None`: the connection failed or a rule was broken.
    async fn perform(&mut self, x: &mut Exchange, act: Act) -> Option<After> {
        if let Act::Leave { reset } = act
            && self.prng.chance(500)
        {
            return Some(if reset { After::Reset } else { After::Close }); // without the body
        }
        let early = match act {
            Act::Early | Act::EarlyAndClose => true,
            Act::PartOfBody { .. } => self.prng.chance(400),
            _ => false,
        };
        if !early {
            self.read_body(x).await?;
        }
        self.pause(x).await;
        match act {
            Act::Leave { reset: true } => return Some(After::Reset),
            Act::Leave { reset: false } => return Some(After::Close),
            Act::Silence => {
                let long = self.core.now().plus_ms(20_000);
                while self.stream.recv(long).await.is_ok() {}
                return None;
            }
            Act::Nonsense => {
                let row = usize::try_from(self.prng.below(NONSENSE.len() as u64)).unwrap_or(0);
                self.send(NONSENSE[row]).await?;
                self.ledger.borrow_mut().began_to_answer(x.token);
                return Some(After::Close);
            }
            Act::Interim(count) => {
                for _ in 0..count {
                    let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
                    self.send(hints).await?;
                }
            }
            _ => {}
        }
        let mut plan = self.draw_answer(x);
        if matches!(act, Act::Surplus) {
            plan.body_bytes = plan.body_bytes.min(1_000);
            plan.ends = match plan.ends {
                Ends::Length(_) => Ends::Length(plan.body_bytes),
                Ends::Chunked | Ends::WithConnection => Ends::Chunked,
            };
        }
        let sent = self.answer(x, &plan, act).await;
        if let Some(after) = sent? {
            return Some(after);
        }
        if plan.ends == Ends::WithConnection {
            return Some(After::Close);
        }
        if plan.says_close || matches!(act, Act::EarlyAndClose | Act::AnswerAndClose) {
            return Some(After::Close);
        }
        if early {
            self.read_body(x).await?;
        }
        Some(After::Keep)
    }

    async fn pause(&mut self, x: &Exchange) {
        let ms = match self.prng.below(10) {
            0 if !x.calm => self.prng.below(3_000),
            1..4 => self.prng.below(40),
            _ => return,
        };
        self.core.sleep_until(self.core.now().plus_ms(ms)).await;
    }

    /// Reads the body to its end and checks every byte; `None` when it does not come whole.
    async fn read_body(&mut self, x: &mut Exchange) -> Option<()> {
        let mut count = 0;
        while x.unread {
            match self.reader.next() {
                Piece::Body(bytes) => {
                    let came = self.ledger.borrow().body_came(x.token, count, &bytes);
                    if let Err(what) = came {
                        self.violate(what);
                        return None;
                    }
                    count += bytes.len() as u64;
                }
                Piece::End => x.unread = false,
                Piece::Nothing => match self.stream.recv(Mono::FAR).await {
                    Ok(buf) => self.reader.feed(&buf),
                    Err(end) => {
                        let token = x.token;
                        self.note(|| format!("origin: {token:x} ends at {count}: {end:?}"));
                        return None;
                    }
                },
                other => {
                    self.violate(format!("{:x}: {other:?} in a request's body", x.token));
                    return None;
                }
            }
        }
        let whole = self.ledger.borrow_mut().read_whole(x.token, count);
        if let Err(what) = whole {
            self.violate(what);
            return None;
        }
        Some(())
    }

    fn draw_answer(&mut self, x: &Exchange) -> AnswerPlan {
        let statuses: &[u16] = if x.calm {
            &[200]
        } else {
            &[200, 200, 200, 200, 201, 204, 304, 404, 500, 503]
        };
        let row = usize::try_from(self.prng.below(statuses.len() as u64)).unwrap_or(0);
        let status = statuses[row];
        let has_body = x.method != "HEAD" && status != 204 && status != 304;
        let body_bytes = match self.prng.below(12) {
            0 => 0,
            1 => self.prng.below(120_000),
            2 | 3 => self.prng.below(20_000),
            _ => self.prng.below(1_500),
        };
        let ends = match self.prng.below(10) {
            0 | 1 if has_body => Ends::WithConnection,
            2..5 if has_body => Ends::Chunked,
            _ => Ends::Length(body_bytes),
        };
        AnswerPlan {
            status,
            body_bytes,
            has_body,
            ends,
            says_close: ends == Ends::WithConnection || self.prng.chance(50),
        }
    }

    /// Sends an answer, or as much of it as `act` allows; `Some(Some(_))` when that is the end.
    async fn answer(&mut self, x: &Exchange, plan: &AnswerPlan, act: Act) -> Option<Option<After>> {
        let Exchange { token, arrival, .. } = *x;
        let body_bytes = if plan.has_body { plan.body_bytes } else { 0 };
        self.ledger.borrow_mut().tell(
            token,
            Told {
                arrival,
                status: plan.status,
                body_bytes,
                whole: false,
            },
        );
        let mut out = plan.head(token, arrival);
        if act == Act::PartOfHead {
            out.truncate(1 + usize::try_from(self.prng.below(out.len() as u64 - 1)).unwrap_or(0));
            self.ledger.borrow_mut().began_to_answer(token);
            self.send(&out).await?;
            return Some(Some(After::Close));
        }
        let cut = match act {
            Act::PartOfBody { .. } => Some(self.prng.below(body_bytes.max(1))),
            _ => None,
        };
        let to = cut.unwrap_or(body_bytes);
        let mut at = 0;
        while at < to {
            let part = 1 + self.prng.below(4_000).min(to - at - 1);
            let data = body_bytes_of(x, at, at + part);
            at += part;
            if plan.ends == Ends::Chunked {
                out.extend_from_slice(&chunk(&data));
            } else {
                out.extend_from_slice(&data);
            }
            if at == body_bytes && plan.ends != Ends::Chunked {
                self.ledger.borrow_mut().told_whole(token, arrival);
            }
            if out.len() > 3_000 {
                self.send(&std::mem::take(&mut out)).await?;
                if self.prng.chance(50) && !x.calm {
                    let soon = self.core.now().plus_ms(self.prng.below(20));
                    self.core.sleep_until(soon).await;
                }
            }
        }
        if let Act::PartOfBody { reset } = act
            && (reset || !matches!(plan.ends, Ends::WithConnection))
            && body_bytes > 0
        {
            self.send(&out).await?;
            return Some(Some(if reset { After::Reset } else { After::Close }));
        }
        if plan.ends == Ends::WithConnection && cut.is_some() {
            // An end in order is all that such a body has; what was sent is the whole of it.
            self.shorten(token, arrival, to);
        }
        if plan.ends == Ends::Chunked && plan.has_body {
            out.extend_from_slice(LAST_CHUNK);
        }
        self.ledger.borrow_mut().told_whole(token, arrival);
        if act == Act::Surplus {
            out.extend_from_slice(SURPLUS);
        }
        self.send(&out).await?;
        Some(None)
    }

    fn shorten(&self, token: u64, arrival: u64, body_bytes: u64) {
        self.ledger.borrow_mut().shorten(token, arrival, body_bytes);
    }

    async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        peer::send_all(&self.core, &mut self.stream, bytes).await
    }

    fn note(&self, event: impl FnOnce() -> String) {
        self.ledger.borrow_mut().note(self.core.now(), event);
    }

    fn violate(&self, what: String) {
        self.ledger.borrow_mut().violate(self.core.now(), what);
    }
}

/// One request under way.
struct Exchange {
    token: u64,
    arrival: u64,
    method: String,
    /// The body's end was not read yet.
    unread: bool,
    calm: bool,
}

fn body_bytes_of(x: &Exchange, from: u64, to: u64) -> Vec<u8> {
    body_bytes(answer_token(x.token, x.arrival), from, to)
}

/// An answer to be given.
struct AnswerPlan {
    status: u16,
    body_bytes: u64,
    has_body: bool,
    ends: Ends,
    says_close: bool,
}

impl AnswerPlan {
    fn head(&self, token: u64, arrival: u64) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Answer\r\n", self.status);
        head.push_str(&format!("X-Token: {token:x}-{arrival:x}\r\n"));
        match self.ends {
            Ends::Length(_) if self.status == 204 => {}
            Ends::Length(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
            Ends::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
            Ends::WithConnection => {}
        }
        if self.says_close {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// A whole answer to nobody.
const SURPLUS: &[u8] = b"HTTP/1.1 200 OK\r\nX-Token: bad-1\r\nContent-Length: 4\r\n\r\nevil";

/// Bytes that no answer begins with, or heads whose framing is in doubt.
const NONSENSE: &[&[u8]] = &[
    b"\0\x01\x02\x03\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    b"HTTP/1.1 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 2\r\n\r\nhi",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
];
