//! Fuzz body: what a function streams, as events and as it is.
//!
//! Asserts: decoding never panics; any cut reads the same; what is read whole is what a slow reader
//! of the whole stream finds in it; a front is as long as it may be. Shape: the stream. Units:
//! bytes. Errors: a broken promise panics. Source: Smithy, "Amazon event stream specification".

use tidegate_edge::{
    integrate::function::{AnswerFormat, AnswerReader, FRONT_BYTES_MAX, Front},
    wire::{EventDecoder, Step, event_frame::EventFault},
};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let whole = read(data, usize::MAX);
    for piece in [1, 2, 3, 13, 64] {
        assert_eq!(read(data, piece), whole, "pieces of {piece}");
    }
    if let (payload, Ok(_)) = &whole {
        assert_eq!(Some(payload.as_slice()), slow(data).as_deref());
    }
    check_front(data);
}

/// What was handed out, and whether the stream has ended.
fn read(data: &[u8], piece: usize) -> (Vec<u8>, Result<bool, EventFault>) {
    let mut decoder = EventDecoder::new();
    let mut payload = Vec::new();
    for piece in data.chunks(piece) {
        let mut at = 0;
        loop {
            match decoder.decode(&piece[at..]) {
                Ok(Step::Data { skip, len }) => {
                    assert!(len > 0, "a step goes on");
                    payload.extend_from_slice(&piece[at + skip..at + skip + len]);
                    at += skip + len;
                }
                Ok(_) => break,
                Err(fault) => return (payload, Err(fault)),
            }
        }
    }
    (payload, Ok(decoder.is_complete()))
}

/// The payload of the chunks in `data`, which has no fault; of the last frame what is there.
fn slow(mut data: &[u8]) -> Option<Vec<u8>> {
    let mut payload = Vec::new();
    while data.len() >= 12 {
        let word =
            |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().expect("four")) as usize;
        let (frame_bytes, header_bytes) = (word(0), word(4));
        if word(8) != crc(&data[..8]) || frame_bytes < header_bytes + 16 {
            return None;
        }
        let frame = &data[..frame_bytes.min(data.len())];
        let end = frame_bytes - 4;
        let headers = frame.get(12..12 + header_bytes);
        if headers.is_some_and(is_chunk) {
            payload.extend_from_slice(&frame[12 + header_bytes..end.min(frame.len())]);
        }
        if frame.len() == frame_bytes {
            let expected = u32::from_be_bytes(frame[end..].try_into().expect("four")) as usize;
            if expected != crc(&frame[..end]) {
                return None;
            }
        }
        data = &data[frame.len()..];
    }
    Some(payload)
}

/// Whether headers say `:event-type` is `PayloadChunk` of an event.
fn is_chunk(headers: &[u8]) -> bool {
    let has = |name: &str, value: &str| {
        let mut line = vec![u8::try_from(name.len()).expect("short")];
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(&[7, 0, u8::try_from(value.len()).expect("short")]);
        line.extend_from_slice(value.as_bytes());
        values(headers).iter().any(|known| *known == line)
    };
    has(":message-type", "event") && has(":event-type", "PayloadChunk")
}

/// Each header of `headers`, whole.
fn values(mut headers: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some(name_bytes) = headers.first() {
        let kind_at = 1 + usize::from(*name_bytes);
        let value_bytes = match headers[kind_at] {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            9 => 16,
            _ => {
                2 + usize::from(u16::from_be_bytes([
                    headers[kind_at + 1],
                    headers[kind_at + 2],
                ]))
            }
        };
        let (header, rest) = headers.split_at(kind_at + 1 + value_bytes);
        found.push(header);
        headers = rest;
    }
    found
}

/// CRC-32, a bit at a time.
fn crc(bytes: &[u8]) -> usize {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc as usize
}

fn check_front(data: &[u8]) {
    let mut front = Front::default();
    let nul = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    for (at, byte) in data.iter().enumerate() {
        match front.push(*byte) {
            Ok(false) => {}
            Ok(true) => {
                assert_eq!(front.metadata(), &data[..nul]);
                assert!(at < FRONT_BYTES_MAX && data[nul..=at] == [0; 8]);
                let mut reader = AnswerReader::new();
                let _ = reader.read(AnswerFormat::Streamed, front.metadata());
                return;
            }
            Err(_) => {
                assert!(at >= FRONT_BYTES_MAX || (at > nul && at < nul + 8));
                return;
            }
        }
    }
}
