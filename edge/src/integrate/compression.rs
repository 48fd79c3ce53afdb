//! Content codings of bodies: which one an answer gets, and gzip and deflate both ways.
//!
//! Shape: [`Accepted`] reads `Accept-Encoding`, [`choose`] decides; a core keeps one [`Codecs`],
//! whose coders are taken for a body and given back, so that their memory serves the next one. A
//! coder works in steps, between which others may run. Units: bytes; weights in thousandths.
//! Ranges: `minimumCompressionSize` is 0 to 10,485,760. Errors: [`DecodeFault`]; an answer that
//! cannot be compressed is sent as it is. Source: RFC 9110 sections 8.4 and 12.5.3, RFC 1950 and
//! 1952; Amazon API Gateway developer guide, "payload compression".

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Largest `minimumCompressionSize`.
pub const COMPRESSION_BYTES_MIN_MAX: u32 = 10_485_760;

/// A content coding that this gateway applies and removes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// The zlib format of RFC 1950.
    Deflate,
}

impl Coding {
    /// As `Content-Encoding` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }
}

/// What the client's `Accept-Encoding` lines say, with their weights.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Accepted {
    gzip: Option<u16>,
    deflate: Option<u16>,
    identity: Option<u16>,
    /// `*`: every coding that is not named.
    others: Option<u16>,
}

impl Accepted {
    /// Reads one line; of a coding named twice, the first counts. What cannot be read is skipped.
    pub fn read(&mut self, value: &[u8]) {
        for element in value.split(|byte| *byte == b',') {
            let mut parts = element.split(|byte| *byte == b';');
            let name = parts.next().unwrap_or(b"").trim_ascii();
            let mut weight = Some(WEIGHT_MAX);
            for parameter in parts {
                let parameter = parameter.trim_ascii();
                if let [b'q' | b'Q', b'=', digits @ ..] = parameter {
                    weight = weight_of(digits);
                }
            }
            let Some(weight) = weight else { continue };
            let place = match name.to_ascii_lowercase().as_slice() {
                b"gzip" | b"x-gzip" => &mut self.gzip,
                b"deflate" => &mut self.deflate,
                b"identity" => &mut self.identity,
                b"*" => &mut self.others,
                _ => continue,
            };
            place.get_or_insert(weight);
        }
    }

    /// The coding that the client likes best; `None`: none at all. Of equal ones, gzip.
    #[must_use]
    pub fn best(self) -> Option<Coding> {
        let gzip = self.gzip.or(self.others).unwrap_or(0);
        let deflate = self.deflate.or(self.others).unwrap_or(0);
        let plain = self.identity.unwrap_or(0);
        if gzip.max(deflate) == 0 || plain > gzip.max(deflate) {
            return None;
        }
        Some(match gzip >= deflate {
            true => Coding::Gzip,
            false => Coding::Deflate,
        })
    }
}

/// Largest weight, 1.
const WEIGHT_MAX: u16 = 1_000;

/// `0.5` as 500.
fn weight_of(digits: &[u8]) -> Option<u16> {
    let (whole, rest) = digits.split_first()?;
    let thousandths = match rest {
        [] | [b'.'] => 0,
        [b'.', decimals @ ..] if decimals.len() <= 3 => {
            let mut value = 0u16;
            for place in 0..3 {
                let digit = decimals.get(place).copied().unwrap_or(b'0');
                let digit = digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))?;
                value = value.checked_mul(10)?.checked_add(u16::from(digit))?;
            }
            value
        }
        _ => return None,
    };
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(WEIGHT_MAX),
        _ => None,
    }
}

/// What decides about an answer besides the client's wishes.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Length of its body.
    pub body_bytes: usize,
    /// It has a `Content-Encoding`, or `Cache-Control: no-transform`.
    pub is_fixed: bool,
}

/// The coding that an answer gets, if it gets one. An answer that may get one, here or for
/// another client, says `Vary: Accept-Encoding`.
#[must_use]
pub fn choose(body_bytes_min: Option<u32>, accepted: Accepted, answer: Answer) -> Option<Coding> {
    let least = usize::try_from(body_bytes_min?).unwrap_or(usize::MAX);
    let is_whole = !matches!(answer.status, 0..=199 | 204 | 205 | 206 | 304);
    let is_wanted = is_whole && !answer.is_fixed && answer.body_bytes >= least;
    if !is_wanted || answer.body_bytes == 0 {
        return None;
    }
    accepted.best()
}

/// Why a request body cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeFault {
    /// 415.
    #[error("a content coding other than gzip and deflate")]
    Unknown,
    /// 415.
    #[error("the body is not what its content coding says, or ends early")]
    Broken,
    /// 413.
    #[error("the decoded body is too large")]
    TooLarge,
}

/// The coding that a request's `Content-Encoding` names; `None`: the body is as it is.
///
/// # Errors
/// [`DecodeFault::Unknown`], also for more than one coding.
pub fn coding_of(content_encoding: Option<&[u8]>) -> Result<Option<Coding>, DecodeFault> {
    let Some(value) = content_encoding else {
        return Ok(None);
    };
    match value.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => Ok(None),
        b"gzip" | b"x-gzip" => Ok(Some(Coding::Gzip)),
        b"deflate" => Ok(Some(Coding::Deflate)),
        _ => Err(DecodeFault::Unknown),
    }
}

/// The coders of one core that nobody uses at the moment.
#[derive(Debug, Default)]
pub struct Codecs {
    encoders: Vec<Encoder>,
    decoders: Vec<Decoder>,
}

impl Codecs {
    /// None yet; they are made when they are first needed.
    #[must_use]
    pub fn new() -> Codecs {
        Codecs::default()
    }

    /// An encoder at the start of a body.
    #[must_use]
    pub fn encoder(&mut self, coding: Coding) -> Encoder {
        let at = self.encoders.iter().position(|kept| kept.coding == coding);
        match at {
            Some(at) => self.encoders.swap_remove(at),
            None => Encoder::new(coding),
        }
    }

    /// Takes an encoder back, wherever it stopped.
    pub fn keep_encoder(&mut self, mut encoder: Encoder) {
        if self.encoders.len() < KEPT_MAX {
            encoder.state.reset();
            encoder.taken = 0;
            self.encoders.push(encoder);
        }
    }

    /// A decoder at the start of a body.
    #[must_use]
    pub fn decoder(&mut self, coding: Coding) -> Decoder {
        let at = self.decoders.iter().position(|kept| kept.coding == coding);
        match at {
            Some(at) => self.decoders.swap_remove(at),
            None => Decoder::new(coding),
        }
    }

    /// Takes a decoder back, wherever it stopped.
    pub fn keep_decoder(&mut self, mut decoder: Decoder) {
        if self.decoders.len() < KEPT_MAX {
            decoder.state.reset(true);
            decoder.taken = 0;
            decoder.given = 0;
            self.decoders.push(decoder);
        }
    }

    /// Appends the whole of `body`, coded, to `out`. `false`: `out` is as it was, and the body has
    /// to be sent as it is.
    pub fn encode(&mut self, coding: Coding, body: &[u8], out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let mut encoder = self.encoder(coding);
        let mut step = Ok(Step::More);
        while step == Ok(Step::More) {
            step = encoder.step(body, out);
        }
        if step.is_err() {
            out.truncate(before);
        }
        self.keep_encoder(encoder);
        step.is_ok()
    }

    /// Appends the whole of `body`, decoded, to `out`: at most `bytes_max` bytes.
    ///
    /// # Errors
    /// What is wrong with the body; `out` is then as it was.
    pub fn decode(
        &mut self,
        coding: Coding,
        body: &[u8],
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeFault> {
        let before = out.len();
        let mut decoder = self.decoder(coding);
        let mut step = Ok(Step::More);
        while step == Ok(Step::More) {
            step = decoder.step(body, bytes_max, out);
        }
        self.keep_decoder(decoder);
        step.map(|_| ()).inspect_err(|_| out.truncate(before))
    }
}

/// How far a body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// There is more to do.
    More,
    /// That was the end.
    Done,
}

/// An encoder could not go on; the body has to be sent as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the encoder does not go on")]
pub struct EncodeFault;

/// Compresses one body.
#[derive(Debug)]
pub struct Encoder {
    coding: Coding,
    state: Compress,
    /// Bytes of the body that are in.
    taken: usize,
}

impl Encoder {
    fn new(coding: Coding) -> Encoder {
        let level = Compression::new(LEVEL);
        let state = match coding {
            Coding::Gzip => Compress::new_gzip(level, WINDOW_BITS),
            Coding::Deflate => Compress::new_with_window_bits(level, true, WINDOW_BITS),
        };
        Encoder {
            coding,
            state,
            taken: 0,
        }
    }

    /// Takes the next [`STEP_BYTES`] of `body`, which is the same one in all steps, and appends
    /// what they make.
    ///
    /// # Errors
    /// [`EncodeFault`]; what is in `out` is of no use then.
    pub fn step(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Step, EncodeFault> {
        let end = body.len().min(self.taken.saturating_add(STEP_BYTES));
        let flush = match end == body.len() {
            true => FlushCompress::Finish,
            false => FlushCompress::None,
        };
        loop {
            let input = body.get(self.taken..end).ok_or(EncodeFault)?;
            out.reserve(GROW_BYTES);
            let (before, room) = (self.state.total_in(), out.len());
            let status = self.state.compress_vec(input, out, flush);
            let taken = self.state.total_in().saturating_sub(before);
            self.taken = self.taken.saturating_add(count(taken));
            match status {
                Ok(Status::StreamEnd) => return Ok(Step::Done),
                Ok(_) if self.taken >= end && flush == FlushCompress::None => {
                    return Ok(Step::More);
                }
                // With room to write and nothing written or read it would never end.
                Ok(_) if taken > 0 || out.len() > room => {}
                _ => return Err(EncodeFault),
            }
        }
    }
}

/// Decompresses one body.
#[derive(Debug)]
pub struct Decoder {
    coding: Coding,
    state: Decompress,
    /// Bytes of the body that are in.
    taken: usize,
    /// Bytes that came out.
    given: usize,
}

impl Decoder {
    fn new(coding: Coding) -> Decoder {
        let state = match coding {
            Coding::Gzip => Decompress::new_gzip(WINDOW_BITS),
            Coding::Deflate => Decompress::new(true),
        };
        Decoder {
            coding,
            state,
            taken: 0,
            given: 0,
        }
    }

    /// Appends about the next [`STEP_BYTES`] that `body`, the same one in all steps, decodes to.
    /// All steps together append at most `bytes_max`.
    ///
    /// # Errors
    /// What is wrong with the body; what is in `out` is of no use then.
    pub fn step(
        &mut self,
        body: &[u8],
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<Step, DecodeFault> {
        if body.is_empty() {
            return Ok(Step::Done);
        }
        let pause = self.given.saturating_add(STEP_BYTES);
        while self.given < pause {
            let input = body.get(self.taken..).unwrap_or(&[]);
            // One byte more than is allowed shows that there is too much.
            let most = bytes_max.saturating_sub(self.given).saturating_add(1);
            out.reserve(most.min(GROW_BYTES));
            let (before, room) = (self.state.total_in(), out.len());
            let status = self
                .state
                .decompress_vec(input, out, FlushDecompress::None)
                .map_err(|_| DecodeFault::Broken)?;
            let taken = count(self.state.total_in().saturating_sub(before));
            let given = out.len().saturating_sub(room);
            self.taken = self.taken.saturating_add(taken);
            self.given = self.given.saturating_add(given);
            self.check(body.len(), bytes_max)?;
            match status {
                Status::StreamEnd if self.taken >= body.len() => return Ok(Step::Done),
                Status::StreamEnd => self.next_member(body)?,
                _ if taken == 0 && given == 0 => return Err(DecodeFault::Broken),
                _ => {}
            }
        }
        Ok(Step::More)
    }

    /// No more came out than may.
    fn check(&self, body_bytes: usize, bytes_max: usize) -> Result<(), DecodeFault> {
        let is_bomb =
            self.given > RATIO_FREE_BYTES && self.given > body_bytes.saturating_mul(RATIO_MAX);
        match self.given > bytes_max || is_bomb {
            true => Err(DecodeFault::TooLarge),
            false => Ok(()),
        }
    }

    /// A gzip body may be several, one behind the other; nothing else may follow.
    fn next_member(&mut self, body: &[u8]) -> Result<(), DecodeFault> {
        let rest = body.get(self.taken..).unwrap_or(&[]);
        if self.coding != Coding::Gzip || !rest.starts_with(&[0x1f, 0x8b]) {
            return Err(DecodeFault::Broken);
        }
        self.state.reset(true);
        Ok(())
    }
}

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Bytes that one step takes or gives, about a millisecond's work.
pub const STEP_BYTES: usize = 128 * 1024;
/// Room made at once for what comes out.
const GROW_BYTES: usize = 32 * 1024;
/// Coders of a kind that a core keeps; an encoder is 270 KB.
const KEPT_MAX: usize = 4;
/// Between the fastest (1) and the smallest (9).
const LEVEL: u32 = 4;
/// The largest window, 32 KiB.
const WINDOW_BITS: u8 = 15;
/// A body may grow by this factor,
const RATIO_MAX: usize = 100;
/// and to this size whatever the factor.
const RATIO_FREE_BYTES: usize = 64 * 1024;

#[cfg(test)]
#[path = "compression_tests.rs"]
mod tests;
