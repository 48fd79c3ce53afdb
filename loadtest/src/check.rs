//! Whether an answer is the right one.
//!
//! What it is: what a run expects of every answer, and the judgement of one. Shape: [`Expect`] is
//! shared; a [`Judge`] follows one answer and ends in a verdict. An id that comes back must be the
//! request's own: one of another request means that bytes went to the wrong client. Units: bytes.
//! Ranges: [`BODY_BYTES_MAX`] of a body are looked at. Errors: a [`Cause`].
//! Source: FIPS 180-4 (SHA-256).

use aws_lc_rs::digest;

use crate::{recorder::Cause, response::Sink, template::Id};

/// What every answer must be.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Expect {
    /// Statuses that are right; with none, every one below 400 is.
    pub statuses: Vec<(u16, u16)>,
    /// Digest of the whole body.
    pub sha256: Option<[u8; 32]>,
    /// Bytes of the body.
    pub body_bytes: Option<u64>,
    /// Text somewhere in the body.
    pub contains: Option<Vec<u8>>,
    /// The header that brings the request's id back.
    pub echo: Option<String>,
    /// The body brings the request's id back, and none of another.
    pub echo_body: bool,
}

/// Follows one answer.
#[derive(Default)]
pub struct Judge {
    status: u16,
    body_bytes: u64,
    body: Vec<u8>,
    digest: Option<digest::Context>,
    echoed: Echo,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Echo {
    #[default]
    Missing,
    Own,
    Foreign,
}

impl Expect {
    fn status_fits(&self, status: u16) -> bool {
        if self.statuses.is_empty() {
            return status < 400;
        }
        self.statuses
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&status))
    }

    fn keeps_body(&self) -> bool {
        self.contains.is_some() || self.echo_body
    }

    /// Reads `200`, `2xx` or `200-204`, several with commas.
    ///
    /// # Errors
    /// The word that is no status.
    pub fn read_statuses(text: &str) -> Result<Vec<(u16, u16)>, String> {
        let read = |word: &str| {
            if let Some(class) = word.strip_suffix("xx") {
                let class: u16 = class.parse().ok()?;
                return (1..=5)
                    .contains(&class)
                    .then_some((class * 100, class * 100 + 99));
            }
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last && (100..600).contains(&first) && last < 600).then_some((first, last))
        };
        let words = text.split(',').map(str::trim);
        words
            .map(|word| read(word).ok_or_else(|| format!("`{word}` is no status")))
            .collect()
    }

    /// Reads the 64 digits of a digest.
    ///
    /// # Errors
    /// The text is none.
    pub fn read_sha256(text: &str) -> Result<[u8; 32], String> {
        let wrong = || "a SHA-256 has 64 hexadecimal digits".to_owned();
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            let digits = text.get(2 * index..2 * index + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(digest)
    }
}

/// One answer on its way through the reader.
pub struct Watch<'a> {
    /// What it must be.
    pub expect: &'a Expect,
    /// The request it should answer.
    pub id: Id,
    /// What has been seen of it.
    pub judge: &'a mut Judge,
}

impl Sink for Watch<'_> {
    fn status(&mut self, status: u16) {
        self.judge.status = status;
        if self.expect.sha256.is_some() {
            self.judge.digest = Some(digest::Context::new(&digest::SHA256));
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let Some(echo) = &self.expect.echo else {
            return;
        };
        if name.eq_ignore_ascii_case(echo.as_bytes()) {
            let is_own = value == self.id.digits() && self.judge.echoed != Echo::Foreign;
            self.judge.echoed = if is_own { Echo::Own } else { Echo::Foreign };
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        self.judge.body_bytes += bytes.len() as u64;
        if let Some(digest) = &mut self.judge.digest {
            digest.update(bytes);
        }
        if self.expect.keeps_body() && self.judge.body.len() < BODY_BYTES_MAX {
            self.judge.body.extend_from_slice(bytes);
        }
    }
}

impl Judge {
    /// The status that came; 0 before it did.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Judges the whole answer, and gets ready for the next one.
    ///
    /// # Errors
    /// What is wrong with it, the worst first.
    pub fn finish(&mut self, expect: &Expect, id: Id) -> Result<(), Cause> {
        let verdict = self.verdict(expect, id);
        self.status = 0;
        self.body_bytes = 0;
        self.body.clear();
        self.digest = None;
        self.echoed = Echo::Missing;
        verdict
    }

    fn verdict(&mut self, expect: &Expect, id: Id) -> Result<(), Cause> {
        if self.echoed == Echo::Foreign {
            return Err(Cause::Foreign);
        }
        if expect.echo_body {
            let own = id.digits();
            let ids = memchr::memmem::find_iter(&self.body, &own[..Id::RUN_BYTES]);
            let mut found = false;
            for at in ids {
                if !self.body[at..].starts_with(&own) {
                    return Err(Cause::Foreign);
                }
                found = true;
            }
            if !found && expect.status_fits(self.status) {
                return Err(Cause::Body);
            }
        }
        if !expect.status_fits(self.status) {
            return Err(Cause::Status);
        }
        if expect.echo.is_some() && self.echoed == Echo::Missing {
            return Err(Cause::Body);
        }
        let digest = self.digest.take().map(digest::Context::finish);
        let digest_fits = expect.sha256.is_none_or(|wanted| {
            digest
                .as_ref()
                .is_some_and(|digest| digest.as_ref() == wanted)
        });
        let length_fits = expect
            .body_bytes
            .is_none_or(|wanted| wanted == self.body_bytes);
        let pattern_fits = expect
            .contains
            .as_ref()
            .is_none_or(|wanted| memchr::memmem::find(&self.body, wanted).is_some());
        if digest_fits && length_fits && pattern_fits {
            Ok(())
        } else {
            Err(Cause::Body)
        }
    }
}

/// How much of a body is kept to be searched.
pub const BODY_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Id = Id { run: 7, number: 1 };
    const OTHER: Id = Id { run: 7, number: 2 };

    fn judge(expect: &Expect, status: u16, echo: Option<Id>, body: &[u8]) -> Result<(), Cause> {
        let mut judge = Judge::default();
        let mut watch = Watch {
            expect,
            id: OWN,
            judge: &mut judge,
        };
        watch.status(status);
        if let Some(id) = echo {
            watch.field(b"X-Id", &id.digits());
        }
        for piece in body.chunks(3) {
            watch.body(piece);
        }
        judge.finish(expect, OWN)
    }

    #[test]
    fn answers_are_judged() {
        let any = Expect::default();
        let statuses = |text| Expect {
            statuses: Expect::read_statuses(text).expect("statuses"),
            ..any.clone()
        };
        let (several, range) = (statuses("200, 4xx"), statuses("200-204"));
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sha = Expect {
            sha256: Some(Expect::read_sha256(digest).expect("a digest")),
            ..any.clone()
        };
        let contains = Expect {
            contains: Some(b"cde".to_vec()),
            ..any.clone()
        };
        let length = Expect {
            body_bytes: Some(3),
            ..any.clone()
        };
        let echo = Expect {
            echo: Some("x-id".into()),
            ..any.clone()
        };
        let body = Expect {
            echo_body: true,
            ..any.clone()
        };
        let own = [&b"id="[..], &OWN.digits()].concat();
        let mixed = [&own[..], &OTHER.digits()].concat();
        // Name, expectation, status, echo, body, verdict.
        let rows: Vec<(&str, &Expect, u16, Option<Id>, &[u8], Result<(), Cause>)> = vec![
            ("any", &any, 302, None, b"", Ok(())),
            ("error", &any, 400, None, b"", Err(Cause::Status)),
            ("asked for", &several, 429, None, b"", Ok(())),
            ("range", &range, 205, None, b"", Err(Cause::Status)),
            ("digest", &sha, 200, None, b"abc", Ok(())),
            ("digest differs", &sha, 200, None, b"abd", Err(Cause::Body)),
            (
                "pattern over a cut",
                &contains,
                200,
                None,
                b"abcdef",
                Ok(()),
            ),
            (
                "no pattern",
                &contains,
                200,
                None,
                b"abcef",
                Err(Cause::Body),
            ),
            ("length", &length, 200, None, b"abc", Ok(())),
            (
                "length differs",
                &length,
                200,
                None,
                b"abcd",
                Err(Cause::Body),
            ),
            ("echo", &echo, 200, Some(OWN), b"", Ok(())),
            ("no echo", &echo, 200, None, b"", Err(Cause::Body)),
            (
                "another's echo",
                &echo,
                200,
                Some(OTHER),
                b"",
                Err(Cause::Foreign),
            ),
            (
                "another's echo beats a status",
                &echo,
                500,
                Some(OTHER),
                b"",
                Err(Cause::Foreign),
            ),
            ("own body", &body, 200, None, &own, Ok(())),
            (
                "no id in the body",
                &body,
                200,
                None,
                b"x",
                Err(Cause::Body),
            ),
            (
                "another's bytes",
                &body,
                200,
                None,
                &mixed,
                Err(Cause::Foreign),
            ),
        ];
        for (name, expect, status, echo, body, verdict) in rows {
            assert_eq!(judge(expect, status, echo, body), verdict, "{name}");
        }
    }

    #[test]
    fn what_is_no_expectation_is_refused() {
        for text in ["", "2x", "6xx", "99", "204-200", "abc", "200,"] {
            assert!(Expect::read_statuses(text).is_err(), "{text}");
        }
        for text in ["", "abc", &"g".repeat(64)] {
            assert!(Expect::read_sha256(text).is_err(), "{text}");
        }
    }
}
