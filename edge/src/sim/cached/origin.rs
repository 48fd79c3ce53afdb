//! The origin of a run with caches: serves objects that have versions, or fails.
//!
//! What it is: one task per connection; follows ranges and conditions, raises a version on unsafe
//! requests, and lets some fetches fail at any point. Shape: [`Act`] is what may happen. Units:
//! milliseconds, bytes. Errors: a request that the gateway should not have sent is a violation.
//! Source: RFC 9110 sections 13 and 14; RFC 9111.

use std::{cell::RefCell, rc::Rc};

use super::{
    super::{
        message::{Ends, Head, LAST_CHUNK, Piece, Reader, body_bytes, chunk},
        peer,
    },
    book::{Book, Face, Kind, Site, Thing},
    plan::ORIGIN,
};
use crate::{
    base::prng::Prng,
    exec::{Core, Listener, Stream},
    ring::{Errno, ListenAddress},
};

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Answer,
    /// The connection ends without an answer.
    Leave,
    /// It ends within the head.
    PartOfHead,
    /// It ends within the body.
    PartOfBody,
    /// No answer comes.
    Silence,
    /// An error without a word about caches.
    Error,
}

struct Connection {
    core: Rc<Core>,
    book: Rc<RefCell<Book>>,
    prng: Prng,
    /// Odds of a failure, in per mille.
    malice: u64,
    stream: Stream,
    reader: Reader,
}

/// Listens and serves every connection.
///
/// # Errors
/// What listen(2) answered.
pub(super) fn serve(
    core: &Rc<Core>,
    book: &Rc<RefCell<Book>>,
    mut prng: Prng,
    malice: u64,
) -> Result<(), Errno> {
    let mut listener = Listener::bind(core, &ListenAddress::Tcp(ORIGIN))?;
    let (inner, book) = (Rc::clone(core), Rc::clone(book));
    core.spawn(async move {
        while let Some(accepted) = listener.accept().await {
            let Ok(fd) = accepted else {
                listener.resume();
                continue;
            };
            let connection = Connection {
                core: Rc::clone(&inner),
                book: Rc::clone(&book),
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

/// An answer, but for how it is sent.
struct Reply {
    status: u16,
    fields: String,
    body: Vec<u8>,
}

impl Connection {
    async fn run(mut self) {
        while let Some(head) = self.request_head().await {
            self.reader.expect_body(head.framing().unwrap_or(None));
            if matches!(head.framing(), Ok(Some(Ends::Length(0)))) {
                self.reader.next();
            }
            let Some(thing) = thing_of(&head) else {
                let what = format!("the origin is asked {:?}", head.start);
                let now = self.core.now();
                return self.book.borrow_mut().violate(now, what);
            };
            let act = self.draw_act();
            let reply = self.reply(&head, thing, act);
            self.book.borrow_mut().note(self.core.now(), || {
                let version = self.book_version(&reply);
                format!("origin: {} {act:?} {} {version}", head.start, reply.status)
            });
            if self.perform(&head, reply, act).await.is_none() {
                return;
            }
        }
    }

    fn book_version(&self, reply: &Reply) -> String {
        reply.fields.lines().next().unwrap_or("").to_owned()
    }

    async fn request_head(&mut self) -> Option<Head> {
        let deadline = self.core.now().plus_ms(20_000);
        loop {
            match self.reader.next() {
                Piece::Head(head) => return Some(head),
                Piece::Nothing => {}
                _ => return None,
            }
            match self.stream.recv(deadline).await {
                Ok(buf) => self.reader.feed(&buf),
                Err(_) => return None,
            }
        }
    }

    fn draw_act(&mut self) -> Act {
        let is_calm = self.book.borrow().calm;
        if is_calm || !self.prng.chance(self.malice) {
            return Act::Answer;
        }
        self.book.borrow_mut().figures.failed += 1;
        match self.prng.below(10) {
            0 | 1 => Act::Leave,
            2 => Act::PartOfHead,
            3..6 => Act::PartOfBody,
            6 => Act::Silence,
            _ => Act::Error,
        }
    }

    /// What the request gets, as of now.
    fn reply(&mut self, head: &Head, thing: Thing, act: Act) -> Reply {
        let mut book = self.book.borrow_mut();
        book.figures.arrived += 1;
        let is_change = head.start.starts_with("POST ");
        let is_error = act == Act::Error;
        let version = match is_change && !is_error {
            true => book.change(thing),
            false => book.version(thing),
        };
        let caller = head.get("authorization").unwrap_or("-");
        let face = thing.face(version, caller, head.get("x-lang").unwrap_or("-"));
        if is_error {
            return Reply {
                status: 500,
                fields: "X-Error: yes\r\n".to_owned(),
                body: b"error".to_vec(),
            };
        }
        if is_change {
            return Reply {
                status: 200,
                fields: format!("X-Version: {version}\r\n"),
                body: b"changed".to_vec(),
            };
        }
        let fields = format!(
            "X-Object: {}\r\nETag: \"{}\"\r\n{}",
            face.name,
            face.name,
            directives(thing)
        );
        conditional(head, &face, fields)
    }

    async fn perform(&mut self, head: &Head, reply: Reply, act: Act) -> Option<()> {
        self.pause().await;
        match act {
            Act::Leave => return None,
            Act::Silence => {
                let long = self.core.now().plus_ms(15_000);
                while self.stream.recv(long).await.is_ok() {}
                return None;
            }
            _ => {}
        }
        let bodiless = head.start.starts_with("HEAD ") || reply.status == 304;
        let chunked = !bodiless && self.prng.chance(300);
        let mut out = format!("HTTP/1.1 {} Word\r\n{}", reply.status, reply.fields).into_bytes();
        if chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        } else if reply.status != 304 {
            out.extend_from_slice(format!("Content-Length: {}\r\n", reply.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        if act == Act::PartOfHead {
            out.truncate(out.len() / 2);
            self.send(&out).await?;
            return self.leave().await;
        }
        let body: &[u8] = if bodiless { b"" } else { &reply.body };
        let to = match act {
            Act::PartOfBody => {
                let most = u64::try_from(body.len()).unwrap_or(0).max(1);
                usize::try_from(self.prng.below(most)).unwrap_or(0)
            }
            _ => body.len(),
        };
        for part in body.get(..to)?.chunks(3_000) {
            match chunked {
                true => out.extend_from_slice(&chunk(part)),
                false => out.extend_from_slice(part),
            }
            self.send(&std::mem::take(&mut out)).await?;
            if self.prng.chance(200) {
                self.pause().await;
            }
        }
        if act == Act::PartOfBody && !bodiless {
            self.send(&out).await?;
            return self.leave().await;
        }
        if chunked {
            out.extend_from_slice(LAST_CHUNK);
        }
        self.send(&out).await
    }

    /// Some answers take their time, so that others come to wait for them.
    async fn pause(&mut self) {
        let ms = match self.prng.below(8) {
            0 => self.prng.below(600),
            1..4 => self.prng.below(40),
            _ => return,
        };
        self.core.sleep_until(self.core.now().plus_ms(ms)).await;
    }

    async fn leave(&mut self) -> Option<()> {
        let soon = self.core.now().plus_ms(5_000);
        let _ = self.stream.sent(0, soon).await;
        None
    }

    async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.is_empty() {
            return Some(());
        }
        peer::send_all(&self.core, &mut self.stream, bytes).await
    }
}

/// What a request is for; `None` when no client can have asked so.
fn thing_of(head: &Head) -> Option<Thing> {
    let (_, rest) = head.start.split_once(' ')?;
    let (target, _) = rest.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (site, number) = path.strip_prefix('/')?.split_once('/')?;
    let site = Site::ALL
        .into_iter()
        .find(|known| format!("{known:?}") == site)?;
    // The policy of that site does not count it.
    let is_foreign = site == Site::Callers && query.contains("noise") && !is_unsafe(head);
    (!is_foreign).then_some(Thing {
        site,
        number: number.parse().ok()?,
    })
}

fn is_unsafe(head: &Head) -> bool {
    head.start.starts_with("POST ")
}

/// What an answer says about how it may be kept.
fn directives(thing: Thing) -> &'static str {
    match thing.kind() {
        Kind::Long | Kind::Large | Kind::TooLarge => "Cache-Control: public, max-age=600\r\n",
        Kind::Short => "Cache-Control: public, max-age=1\r\n",
        Kind::Language => "Cache-Control: public, max-age=600\r\nVary: X-Lang\r\n",
        Kind::Asked => "Cache-Control: public, max-age=0\r\n",
        Kind::Behind => "Cache-Control: public, max-age=0, stale-while-revalidate=600\r\n",
        Kind::Never => "Cache-Control: no-store\r\n",
    }
}

/// The answer as the request's conditions and range have it.
fn conditional(head: &Head, face: &Face, mut fields: String) -> Reply {
    let tag = format!("\"{}\"", face.name);
    let reply = |status, fields, body| Reply {
        status,
        fields,
        body,
    };
    if head.get("if-none-match") == Some(&tag) {
        return reply(304, fields, Vec::new());
    }
    let range = head.get("range").and_then(|text| {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last && last < face.body_bytes).then_some((first, last))
    });
    if let Some((first, last)) = range {
        let total = face.body_bytes;
        fields.push_str(&format!("Content-Range: bytes {first}-{last}/{total}\r\n"));
        return reply(206, fields, body_bytes(face.token, first, last + 1));
    }
    reply(200, fields, body_bytes(face.token, 0, face.body_bytes))
}
