//! Content codings of payloads that are read whole.
//!
//! What it is: decodes what a client or a backend has coded, and codes answers for clients that
//! accept it. Long payloads are worked on in steps, between which others run. Shape: a function
//! for each. Units: bytes. Ranges: what is decoded has the bounds of the payloads it becomes.
//! Errors: 415 for a coding that is unknown or broken. Source: Amazon API Gateway developer guide,
//! "payload compression"; RFC 9110 section 8.4.

use super::{ask::ANSWER_BYTES_MAX, exchange::Exchange, fault::Fault, local::Local, room::Room};
use crate::{
    exec::Core,
    integrate::compression::{
        Accepted, Answer, Coding, DecodeFault, STEP_BYTES, Step, choose, coding_of,
    },
    wire::{fault::BodyFault, fields::Fields, known::Known},
};

/// Decodes the client's payload in `body`.
pub(super) async fn decode_request(
    local: &Local,
    x: &Exchange,
    body: &mut Vec<u8>,
    bytes_max: u64,
) -> Result<(), Fault> {
    match named(&x.head.fields, x.head_bytes.bytes()) {
        Ok(None) => Ok(()),
        Ok(Some(coding)) => {
            let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
            decode(local, coding, body, bytes_max)
                .await
                .map_err(refused)
        }
        Err(fault) => Err(refused(fault)),
    }
}

/// Decodes the backend's payload in `body`; `false`: it is coded in a way that nobody knows here.
pub(super) async fn decode_answer(
    local: &Local,
    x: &Exchange,
    body: &mut Vec<u8>,
) -> Result<bool, Fault> {
    match named(&x.answer.fields, x.answer_bytes.bytes()) {
        Ok(None) => Ok(true),
        Err(_) => Ok(false),
        Ok(Some(coding)) => {
            let bytes_max = usize::try_from(ANSWER_BYTES_MAX).unwrap_or(usize::MAX);
            let decoded = decode(local, coding, body, bytes_max).await;
            decoded.map(|()| true).map_err(|fault| match fault {
                DecodeFault::TooLarge => Fault::AnswerTooLarge,
                DecodeFault::Unknown | DecodeFault::Broken => Fault::OriginGone,
            })
        }
    }
}

fn named(fields: &Fields, bytes: &[u8]) -> Result<Option<Coding>, DecodeFault> {
    if !fields.has(Known::ContentEncoding) {
        return Ok(None);
    }
    let lines = fields.all(Known::ContentEncoding);
    let lines: Vec<&[u8]> = lines.map(|field| field.value.of(bytes)).collect();
    coding_of(Some(&lines.join(&b","[..])))
}

fn refused(fault: DecodeFault) -> Fault {
    match fault {
        DecodeFault::TooLarge => Fault::Body(BodyFault::TooLarge),
        DecodeFault::Unknown | DecodeFault::Broken => Fault::UnsupportedMediaType,
    }
}

async fn decode(
    local: &Local,
    coding: Coding,
    body: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), DecodeFault> {
    let mut decoder = local.codecs.borrow_mut().decoder(coding);
    let mut out = Vec::new();
    let done = loop {
        match decoder.step(body, bytes_max, &mut out) {
            Ok(Step::More) => pause(&local.core).await,
            Ok(Step::Done) => break Ok(()),
            Err(fault) => break Err(fault),
        }
    };
    local.codecs.borrow_mut().keep_decoder(decoder);
    done.map(|()| *body = out)
}

/// The coding that the answer in `room` gets, if it gets one.
fn chosen(x: &Exchange, bytes_min: Option<u32>, status: u16, room: &Room) -> Option<Coding> {
    let mut accepted = Accepted::default();
    for field in x.head.fields.all(Known::AcceptEncoding) {
        accepted.read(x.text(field.value));
    }
    let transforms = room.fields.last(b"Cache-Control").is_none_or(|value| {
        let mut words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        !words.any(|word| word.eq_ignore_ascii_case(b"no-transform"))
    });
    let answer = Answer {
        status,
        body_bytes: room.out.len(),
        is_fixed: !transforms || room.fields.last(b"Content-Encoding").is_some(),
    };
    choose(bytes_min, accepted, answer)
}

/// Codes the answer in `room` if its client likes that.
pub(super) async fn encode(
    local: &Local,
    x: &Exchange,
    bytes_min: Option<u32>,
    status: u16,
    room: &mut Room,
) {
    let Some(coding) = bytes_min.and_then(|_| chosen(x, bytes_min, status, room)) else {
        return;
    };
    let mut encoder = local.codecs.borrow_mut().encoder(coding);
    room.answer.clear();
    let is_coded = loop {
        match encoder.step(&room.out, &mut room.answer) {
            Ok(Step::More) => pause(&local.core).await,
            Ok(Step::Done) => break true,
            Err(_) => break false,
        }
    };
    local.codecs.borrow_mut().keep_encoder(encoder);
    if is_coded {
        say_coded(coding, room);
    }
}

/// The same for answers that nobody waits with: long ones are sent as they are.
pub(super) fn encode_now(
    local: &Local,
    x: &Exchange,
    bytes_min: Option<u32>,
    status: u16,
    room: &mut Room,
) {
    let Some(coding) = bytes_min.and_then(|_| chosen(x, bytes_min, status, room)) else {
        return;
    };
    room.answer.clear();
    let mut codecs = local.codecs.borrow_mut();
    if room.out.len() <= STEP_BYTES && codecs.encode(coding, &room.out, &mut room.answer) {
        say_coded(coding, room);
    }
}

fn say_coded(coding: Coding, room: &mut Room) {
    std::mem::swap(&mut room.out, &mut room.answer);
    room.fields
        .add(b"Content-Encoding", coding.name().as_bytes());
    room.fields.add(b"Vary", b"Accept-Encoding");
}

async fn pause(core: &Core) {
    core.yield_now().await;
}
