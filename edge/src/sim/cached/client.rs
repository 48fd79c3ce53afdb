//! A client of a run with caches: asks for few things, often, and knows what each must be.
//!
//! What it is: one connection after the other, on each some requests, each checked to its last
//! byte: whose object it is, of which version at least, and whether it is whole. Shape:
//! [`Client::visit`] is one connection. Units: milliseconds, bytes. Errors: violations.
//! Source: RELIABILITY sections 5 and 10.

use std::{cell::RefCell, rc::Rc};

use super::{
    super::{
        message::{Ends, Head, Piece, Reader, body_differs},
        peer,
    },
    book::{Book, Face, Site, Thing},
    plan::GATEWAY,
};
use crate::{
    base::{prng::Prng, time::Mono},
    exec::{Core, Stream, connect},
    ring::Transport,
};

/// A client.
pub(super) struct Client {
    pub(super) core: Rc<Core>,
    pub(super) book: Rc<RefCell<Book>>,
    pub(super) prng: Prng,
    /// What it asks for.
    pub(super) things: Vec<Thing>,
    /// It does nothing but plain GET, and must be answered well.
    pub(super) is_plain: bool,
}

/// A request.
struct Ask {
    thing: Thing,
    method: &'static str,
    caller: &'static str,
    language: &'static str,
    range: Option<(u64, u64)>,
    /// A tag that it sends.
    tag: Option<String>,
    /// The oldest version it may get.
    floor: u64,
    /// When it leaves, if it does.
    leaves_at: Mono,
}

/// An answer on its way.
struct Answer {
    status: u16,
    /// What its body is of; `None`: an error's.
    face: Option<Face>,
    /// Where in that body it begins.
    at: u64,
    /// Bytes that it has.
    due: u64,
    count: u64,
}

/// Why a connection ends before its requests do.
enum End {
    Violation(String),
    /// The gateway or the network ended it, within an answer or before.
    Cut,
    Unanswered,
    /// The client did.
    Left,
}

impl Client {
    /// Asks `count` times on one connection; gives how many whole answers came.
    pub(super) async fn visit(&mut self, count: u64) -> u64 {
        let deadline = self.core.now().plus_ms(5_000);
        let opened = connect(&self.core, GATEWAY, Transport::Stream, deadline).await;
        let Ok(mut stream) = opened else {
            return 0;
        };
        let (mut reader, mut good) = (Reader::new(), 0);
        for _ in 0..count {
            match self.ask(&mut stream, &mut reader).await {
                Ok(goes_on) => {
                    good += 1;
                    if !goes_on {
                        break;
                    }
                }
                Err(end) => {
                    self.ended(end);
                    break;
                }
            }
        }
        if self.prng.chance(300) {
            stream.reset();
        }
        good
    }

    fn ended(&self, end: End) {
        let mut book = self.book.borrow_mut();
        match end {
            End::Violation(what) => book.violate(self.core.now(), what),
            End::Cut | End::Unanswered if self.is_plain => {
                book.violate(self.core.now(), "a cut in calm".to_owned());
            }
            End::Unanswered => book.figures.unanswered += 1,
            End::Cut => book.figures.cut += 1,
            End::Left => book.figures.left += 1,
        }
    }

    /// One request and its answer; whether the connection goes on.
    async fn ask(&mut self, stream: &mut Stream, reader: &mut Reader) -> Result<bool, End> {
        let ask = self.draw();
        let text = self.text_of(&ask);
        let (core, book) = (Rc::clone(&self.core), Rc::clone(&self.book));
        book.borrow_mut().figures.asked += 1;
        book.borrow_mut().note(core.now(), || {
            format!(
                "client: {} at least {}",
                text.replace("\r\n", " | "),
                ask.floor
            )
        });
        peer::send_all(&core, stream, text.as_bytes())
            .await
            .ok_or(End::Unanswered)?;
        let patience = core.now().plus_ms(PATIENCE_MS);
        let mut answer: Option<(Answer, bool)> = None;
        loop {
            match reader.next() {
                Piece::Head(head) => {
                    let came = self.head_came(&ask, &head).map_err(End::Violation)?;
                    let ends = ends_of(&ask, &head, came.status).map_err(End::Violation)?;
                    reader.expect_body(ends);
                    let is_last = head.says_close();
                    if ends.is_none() {
                        self.answered(&ask, &head, &came).map_err(End::Violation)?;
                        return Ok(!is_last);
                    }
                    self.tell(&ask, &head);
                    answer = Some((came, is_last));
                }
                Piece::Body(bytes) => {
                    let (answer, _) = answer.as_mut().ok_or(End::Cut)?;
                    body_came(&ask, answer, &bytes).map_err(End::Violation)?;
                }
                Piece::End => {
                    let (answer, is_last) = answer.take().ok_or(End::Cut)?;
                    if answer.count != answer.due && answer.face.is_some() {
                        let Answer { count, due, .. } = answer;
                        let what = format!("{:?} looks whole with {count} of {due}", ask.thing);
                        return Err(End::Violation(what));
                    }
                    book.borrow_mut().figures.answered += 1;
                    return Ok(!is_last);
                }
                Piece::Broken(why) => return Err(End::Violation(format!("no answer: {why}"))),
                Piece::Nothing => match stream.recv(ask.leaves_at.min(patience)).await {
                    Ok(buf) => reader.feed(&buf),
                    Err(_) if core.now() >= patience => {
                        let what = format!("nothing more came for {:?}", ask.thing);
                        return Err(End::Violation(what));
                    }
                    Err(_) if core.now() >= ask.leaves_at => return Err(End::Left),
                    Err(_) if answer.is_none() => return Err(End::Unanswered),
                    Err(_) => return Err(End::Cut),
                },
            }
        }
    }

    fn draw(&mut self) -> Ask {
        let prng = &mut self.prng;
        let row = usize::try_from(prng.below(self.things.len() as u64)).unwrap_or(0);
        let thing = self.things[row];
        let method = match prng.below(20) {
            _ if self.is_plain => "GET",
            0 | 1 => "POST",
            2 => "HEAD",
            _ => "GET",
        };
        let callers = ["-", "-", "u1", "u2"];
        let caller = callers[usize::try_from(prng.below(4)).unwrap_or(0)];
        let language = ["-", "de", "fr"][usize::try_from(prng.below(3)).unwrap_or(0)];
        let is_get = method == "GET" && !self.is_plain;
        let range = (is_get && prng.chance(150)).then(|| {
            let first = prng.below(60);
            (first, first + prng.below(900))
        });
        let has_tag = is_get && prng.chance(120);
        let leaves = !self.is_plain && prng.chance(120);
        let leaves_ms = prng.below(300);
        let version = self.book.borrow().version(thing);
        let now = self.core.now();
        Ask {
            thing,
            method,
            caller,
            language,
            range,
            tag: has_tag.then(|| thing.face(version, caller, language).name),
            floor: self.book.borrow().floor(thing),
            leaves_at: if leaves {
                now.plus_ms(leaves_ms)
            } else {
                Mono::FAR
            },
        }
    }

    fn text_of(&mut self, ask: &Ask) -> String {
        let Thing { site, number } = ask.thing;
        // One site's policy does not count it, and the stage's key does not hold it.
        let noise = match site {
            Site::Callers | Site::Stage if self.prng.chance(300) => "?noise=1",
            _ => "",
        };
        let mut text = format!("{} /{number}{noise} HTTP/1.1\r\n", ask.method);
        text.push_str(&format!("Host: {}\r\n", site.host()));
        for (name, value) in [("Authorization", ask.caller), ("X-Lang", ask.language)] {
            if value != "-" {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        if let Some((first, last)) = ask.range {
            text.push_str(&format!("Range: bytes={first}-{last}\r\n"));
        }
        if let Some(tag) = &ask.tag {
            text.push_str(&format!("If-None-Match: \"{tag}\"\r\n"));
        }
        if site == Site::Stage && ask.method == "GET" && self.prng.chance(40) {
            text.push_str("Cache-Control: max-age=0\r\n");
        }
        if ask.method == "POST" {
            text.push_str("Content-Length: 0\r\n");
        }
        text.push_str("\r\n");
        text
    }

    /// Whose answer it is, and whether it may be.
    fn head_came(&self, ask: &Ask, head: &Head) -> Result<Answer, String> {
        let status = (head.start.strip_prefix("HTTP/1.1 "))
            .and_then(|rest| rest.get(..3)?.parse::<u16>().ok())
            .ok_or(format!("status line {:?}", head.start))?;
        let mut book = self.book.borrow_mut();
        book.note(self.core.now(), || {
            format!("client: gets {status} {:?}", head.fields)
        });
        let mut answer = Answer {
            status,
            face: None,
            at: 0,
            due: 0,
            count: 0,
        };
        match (status, ask.method) {
            (200, "POST") => {
                let version = head.get("x-version").and_then(|text| text.parse().ok());
                let version = version.ok_or("a change without its version")?;
                book.figures.changes += 1;
                book.know_changed(ask.thing, version);
                return Ok(answer);
            }
            (500, _) if head.get("x-error").is_some() && !self.is_plain => return Ok(answer),
            (500 | 502..=504, _) if !self.is_plain => {
                if head.get("x-error").is_none() {
                    book.figures.own += 1;
                }
                return Ok(answer);
            }
            (200 | 206 | 304, _) => {}
            (416, _) if ask.range.is_some() => return Ok(answer),
            _ => return Err(format!("{:?} is answered {status}", ask.thing)),
        }
        drop(book);
        let face = self.face_of(ask, head)?;
        answer.due = face.body_bytes;
        if status == 304 && ask.tag.as_ref() != Some(&face.name) {
            return Err(format!("{:?}: 304 to {:?}", face.name, ask.tag));
        }
        if status == 206 {
            let (first, last) = ask.range.ok_or("a part that nobody asked for")?;
            let last = last.min(face.body_bytes.saturating_sub(1));
            let expected = format!("bytes {first}-{last}/{}", face.body_bytes);
            if head.get("content-range") != Some(&expected) {
                return Err(format!("{:?} instead of {expected}", head.fields));
            }
            (answer.at, answer.due) = (first, last - first + 1);
        }
        answer.face = Some(face);
        Ok(answer)
    }

    /// What was sent, by its tag: it must be one that this client may get.
    fn face_of(&self, ask: &Ask, head: &Head) -> Result<Face, String> {
        let tag = head.get("etag").ok_or("an object without its tag")?;
        let name = tag.trim_matches('"');
        if head.get("x-object").is_some_and(|object| object != name) {
            return Err(format!("fields of two objects: {:?}", head.fields));
        }
        let version = name.rsplit('.').next().and_then(|text| text.parse().ok());
        let version: u64 = version.ok_or(format!("the tag {tag}"))?;
        let face = ask.thing.face(version, ask.caller, ask.language);
        if face.name != name {
            return Err(format!("{name} for one who may get {}", face.name));
        }
        if version < ask.floor {
            return Err(format!("{name}, but {} was known to be there", ask.floor));
        }
        Ok(face)
    }

    /// An answer without a body is over.
    fn answered(&self, ask: &Ask, head: &Head, answer: &Answer) -> Result<(), String> {
        if answer.status == 304 && ask.method != "GET" {
            return Err("304 to nobody who asked".to_owned());
        }
        self.book.borrow_mut().figures.answered += 1;
        self.tell(ask, head);
        Ok(())
    }

    /// Counts where the answer came from.
    fn tell(&self, ask: &Ask, head: &Head) {
        let mut book = self.book.borrow_mut();
        let figures = &mut book.figures;
        let said = head.get("cache-status").unwrap_or("");
        figures.hits += u64::from(said.contains("; hit"));
        figures.collapsed += u64::from(said.contains("; collapsed"));
        figures.renewed += u64::from(said.contains("fwd-status=304"));
        let is_part = head.start.contains(" 206 ") || head.start.contains(" 304 ");
        figures.parts += u64::from(is_part && (ask.range.is_some() || ask.tag.is_some()));
    }
}

/// How the answer's body ends; `None`: it has none.
fn ends_of(ask: &Ask, head: &Head, status: u16) -> Result<Option<Ends>, String> {
    if ask.method == "HEAD" || status == 304 {
        return Ok(None);
    }
    match head.framing()? {
        None => Err(format!("{:?}: an answer without an end", ask.thing)),
        Some(Ends::Length(0)) => Ok(None),
        ends => Ok(ends),
    }
}

fn body_came(ask: &Ask, answer: &mut Answer, bytes: &[u8]) -> Result<(), String> {
    if let Some(face) = &answer.face
        && let Some(offset) = body_differs(face.token, answer.at + answer.count, bytes)
    {
        return Err(format!("{:?}: byte {offset} is not its own", ask.thing));
    }
    answer.count += bytes.len() as u64;
    Ok(())
}

/// Nothing takes longer: every wait of the gateway has a shorter bound.
const PATIENCE_MS: u64 = 60_000;
