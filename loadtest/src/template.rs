//! Requests with holes: text in which `${…}` is filled anew for each request.
//!
//! What it is: the parsed form, and its rendering into one buffer of the caller. Shape: a
//! [`Template`] is a list of pieces; a [`Request`] is a head and a body ready to render.
//! Ranges: numbers up to 2^53. Errors: [`Fault`] says which hole is none.
//! Source: RFC 9112 sections 3 and 6.
//!
//! | Hole | Filled with |
//! |---|---|
//! | `${n}` | the number of the request, from 0 |
//! | `${1..1000}` | a number of the range, all alike |
//! | `${zipf 1..1000 1.1}` | a number of the range, the first the most popular |
//! | `${id}` | 20 hexadecimal digits that no other request of the run has |
//! | `${key}` | the next API key of the file |

use std::sync::Arc;

use tidegate_edge::base::prng::Prng;

use crate::zipf::Zipf;

/// Text with holes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, PartialEq, Debug)]
enum Piece {
    Literal(Vec<u8>),
    Number,
    Uniform {
        first: u64,
        count: u64,
    },
    Zipf {
        first: u64,
        zipf: Zipf,
    },
    Id,
    Key,
    /// The bytes of the rendered body.
    Length,
}

/// What fills the holes of one request.
pub struct Filling<'a> {
    /// Of all requests, over all workers.
    pub number: u64,
    /// Names the request towards the server.
    pub id: Id,
    /// API keys, taken in turn.
    pub keys: &'a [String],
    /// For the numbers.
    pub prng: &'a mut Prng,
}

/// Names a request among all of this and every other run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id {
    /// Of the run.
    pub run: u32,
    /// Of the request.
    pub number: u64,
}

impl Id {
    /// Digits of an id.
    pub const BYTES: usize = 20;
    /// Digits of the run at its beginning.
    pub const RUN_BYTES: usize = 8;

    /// Its digits.
    #[must_use]
    pub fn digits(self) -> [u8; Id::BYTES] {
        let mut digits = [0; Id::BYTES];
        let number = self.number & 0xffff_ffff_ffff;
        let value = (u128::from(self.run) << 48) | u128::from(number);
        for (index, digit) in digits.iter_mut().rev().enumerate() {
            let nibble = (value >> (4 * index)) & 0xf;
            *digit = HEX[usize::try_from(nibble).unwrap_or(0)];
        }
        digits
    }
}

/// Why a template is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A hole without its end.
    #[error("`${{` without `}}`")]
    Open,
    /// A hole of no kind.
    #[error("`${{{0}}}` is no hole: there are n, id, key, 1..1000 and zipf 1..1000 1.1")]
    Unknown(String),
    /// A range that runs backward or too far.
    #[error("`${{{0}}}` is no range")]
    Range(String),
    /// A line break where it would end a header.
    #[error("a control character in the target or a header")]
    Control,
}

impl Template {
    /// Reads text with holes.
    ///
    /// # Errors
    /// A hole that is none.
    pub fn parse(text: &str) -> Result<Template, Fault> {
        let mut template = Template::default();
        let mut rest = text;
        while let Some((before, hole)) = rest.split_once("${") {
            template.push_literal(before.as_bytes());
            let (hole, after) = hole.split_once('}').ok_or(Fault::Open)?;
            template.pieces.push(Piece::parse(hole)?);
            rest = after;
        }
        template.push_literal(rest.as_bytes());
        Ok(template)
    }

    /// Bytes as they are.
    #[must_use]
    pub fn literal(bytes: Vec<u8>) -> Template {
        Template {
            pieces: vec![Piece::Literal(bytes)],
        }
    }

    fn push_literal(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some(Piece::Literal(last)) => last.extend_from_slice(bytes),
            _ if bytes.is_empty() => {}
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
    }

    fn append(&mut self, other: Template) {
        for piece in other.pieces {
            match piece {
                Piece::Literal(bytes) => self.push_literal(&bytes),
                hole => self.pieces.push(hole),
            }
        }
    }

    /// Nothing is filled in.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.pieces
            .iter()
            .all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// Takes API keys.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.pieces.contains(&Piece::Key)
    }

    fn refuse_controls(&self) -> Result<(), Fault> {
        let is_clean = |piece: &Piece| match piece {
            Piece::Literal(bytes) => bytes
                .iter()
                .all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f)),
            _ => true,
        };
        if self.pieces.iter().all(is_clean) {
            Ok(())
        } else {
            Err(Fault::Control)
        }
    }

    /// Appends the filled text to `out`.
    pub fn render(&self, filling: &mut Filling<'_>, body_bytes: usize, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Number => push_number(out, filling.number),
                Piece::Uniform { first, count } => {
                    push_number(out, first + filling.prng.below(*count))
                }
                Piece::Zipf { first, zipf } => {
                    push_number(out, first - 1 + zipf.draw(filling.prng))
                }
                Piece::Id => out.extend_from_slice(&filling.id.digits()),
                Piece::Key => {
                    let turn = filling.number % filling.keys.len().max(1) as u64;
                    let key = usize::try_from(turn)
                        .ok()
                        .and_then(|turn| filling.keys.get(turn));
                    out.extend_from_slice(key.map_or(&[], |key| key.as_bytes()));
                }
                Piece::Length => push_number(out, body_bytes as u64),
            }
        }
    }
}

impl Piece {
    fn parse(hole: &str) -> Result<Piece, Fault> {
        let unknown = || Fault::Unknown(hole.to_owned());
        let mut words = hole.split_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("n"), None, ..) => Ok(Piece::Number),
            (Some("id"), None, ..) => Ok(Piece::Id),
            (Some("key"), None, ..) => Ok(Piece::Key),
            (Some("zipf"), Some(range), exponent, None) => {
                let (first, count) = range_of(range, hole)?;
                let exponent: f64 = exponent.unwrap_or("1").parse().map_err(|_| unknown())?;
                if !(0.0..=10.0).contains(&exponent) || first == 0 {
                    return Err(Fault::Range(hole.to_owned()));
                }
                Ok(Piece::Zipf {
                    first,
                    zipf: Zipf::new(count, exponent),
                })
            }
            (Some(range), None, ..) if range.contains("..") => {
                let (first, count) = range_of(range, hole)?;
                Ok(Piece::Uniform { first, count })
            }
            _ => Err(unknown()),
        }
    }
}

/// The first number and how many there are.
fn range_of(range: &str, hole: &str) -> Result<(u64, u64), Fault> {
    let fault = || Fault::Range(hole.to_owned());
    let (first, last) = range.split_once("..").ok_or_else(fault)?;
    let first: u64 = first.parse().map_err(|_| fault())?;
    let last: u64 = last.parse().map_err(|_| fault())?;
    if last < first || last >= 1 << 53 {
        return Err(fault());
    }
    Ok((first, last - first + 1))
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b"0123456789"[usize::try_from(rest % 10).unwrap_or(0)];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// What a request is made of.
#[derive(Clone, Debug, Default)]
pub struct Parts<'a> {
    /// As in the request line.
    pub method: &'a str,
    /// Path and query, with holes.
    pub target: &'a str,
    /// The authority, for the Host header.
    pub host: &'a str,
    /// Names and values; values with holes.
    pub headers: &'a [(String, String)],
    /// With holes.
    pub body: Option<Template>,
    /// Every request has a connection of its own.
    pub closes: bool,
}

/// A request ready to render.
#[derive(Clone, Debug)]
pub struct Request {
    head: Template,
    body: Template,
    /// Nobody answers it with a body.
    pub is_head: bool,
}

impl Request {
    /// Puts the head together.
    ///
    /// # Errors
    /// A hole that is none, or a line break in a header.
    pub fn new(parts: Parts<'_>) -> Result<Arc<Request>, Fault> {
        let mut head = Template::default();
        head.push_literal(parts.method.as_bytes());
        head.push_literal(b" ");
        head.append(Template::parse(parts.target)?);
        head.push_literal(b" HTTP/1.1");
        let named = |wanted: &str| {
            parts
                .headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let mut line = |name: &str, value: Template| {
            head.push_literal(b"\r\n");
            head.push_literal(name.as_bytes());
            head.push_literal(b": ");
            head.append(value);
        };
        if !named("host") {
            line("Host", Template::parse(parts.host)?);
        }
        for (name, value) in parts.headers {
            line(name, Template::parse(value)?);
        }
        for (name, value) in [("User-Agent", USER_AGENT), ("Accept", "*/*")] {
            if !named(name) {
                line(name, Template::parse(value)?);
            }
        }
        if parts.closes && !named("connection") {
            line("Connection", Template::parse("close")?);
        }
        if parts.body.is_some() {
            line(
                "Content-Length",
                Template {
                    pieces: vec![Piece::Length],
                },
            );
        }
        let is_clean = head.pieces.iter().all(|piece| match piece {
            Piece::Literal(bytes) => {
                let text = Template {
                    pieces: vec![Piece::Literal(without_breaks(bytes))],
                };
                text.refuse_controls().is_ok()
            }
            _ => true,
        });
        let values_are_clean = (parts.headers.iter())
            .flat_map(|(name, value)| [name.as_str(), value.as_str()])
            .chain([parts.method, parts.target, parts.host])
            .all(|text| !text.contains(['\r', '\n']));
        if !is_clean || !values_are_clean {
            return Err(Fault::Control);
        }
        head.push_literal(b"\r\n\r\n");
        let body = parts.body.unwrap_or_default();
        Ok(Arc::new(Request {
            head,
            body,
            is_head: parts.method == "HEAD",
        }))
    }

    /// Takes API keys.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.head.has_key() || self.body.has_key()
    }

    /// Writes the request to `out`, which it empties first; `scratch` is for the body.
    pub fn render(&self, filling: &mut Filling<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        out.clear();
        scratch.clear();
        self.body.render(filling, 0, scratch);
        self.head.render(filling, scratch.len(), out);
        out.extend_from_slice(scratch);
    }
}

/// The breaks that stand between the lines we have put together.
fn without_breaks(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect()
}

const USER_AGENT: &str = concat!("tidegate-load/", env!("CARGO_PKG_VERSION"));
const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(request: &Request, number: u64) -> String {
        let keys = ["alpha".to_owned(), "beta".to_owned()];
        let mut prng = Prng::new(1);
        let id = Id { run: 0xab, number };
        let mut filling = Filling {
            number,
            id,
            keys: &keys,
            prng: &mut prng,
        };
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        request.render(&mut filling, &mut scratch, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_request_is_written_with_its_holes_filled() {
        let request = Request::new(Parts {
            method: "POST",
            target: "/items/${n}?range=${7..7}&hot=${zipf 1..1 1.2}",
            host: "example.test",
            headers: &[
                ("x-api-key".into(), "${key}".into()),
                ("x-id".into(), "${id}".into()),
            ],
            body: Some(Template::parse("{\"n\":${n}}").expect("a body")),
            closes: true,
        })
        .expect("a request");
        let text = rendered(&request, 11);
        let expected = format!(
            "POST /items/11?range=7&hot=1 HTTP/1.1\r\nHost: example.test\r\nx-api-key: beta\r\n\
             x-id: 000000ab00000000000b\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\n\
             Connection: close\r\nContent-Length: 8\r\n\r\n{{\"n\":11}}"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let rows = [
            ("${", Fault::Open),
            ("${x}", Fault::Unknown("x".into())),
            ("${}", Fault::Unknown(String::new())),
            ("${n n}", Fault::Unknown("n n".into())),
            ("${9..1}", Fault::Range("9..1".into())),
            ("${1..}", Fault::Range("1..".into())),
            ("${zipf 0..9}", Fault::Range("zipf 0..9".into())),
            ("${zipf 1..9 11}", Fault::Range("zipf 1..9 11".into())),
            ("${zipf 1..9 x}", Fault::Unknown("zipf 1..9 x".into())),
        ];
        for (given, fault) in rows {
            assert_eq!(Template::parse(given), Err(fault), "{given}");
        }
    }

    #[test]
    fn a_line_break_does_not_get_into_a_head() {
        let clean = Parts {
            method: "GET",
            target: "/",
            host: "h",
            ..Parts::default()
        };
        let bad = [("x".to_owned(), "a\r\nEvil: 1".to_owned())];
        let rows = [
            Parts {
                target: "/\n",
                ..clean.clone()
            },
            Parts {
                host: "h\r\n",
                ..clean.clone()
            },
            Parts {
                headers: &bad,
                ..clean.clone()
            },
            Parts {
                target: "/\u{7f}",
                ..clean.clone()
            },
        ];
        for parts in rows {
            assert_eq!(
                Request::new(parts.clone()).err(),
                Some(Fault::Control),
                "{parts:?}"
            );
        }
        assert!(Request::new(clean).is_ok());
    }
}
