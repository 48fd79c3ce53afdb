//! Fuzz body: a chunked body on the wire.
//!
//! Asserts: any cut decodes to the same bytes, end and fault; the body keeps its limit; a decoded
//! body encoded again decodes to itself.
//! Shape: the input is the body as a peer sends it. Units: bytes. Errors: a broken promise panics.
//! Source: RFC 9112 section 7.1; the parsing and limits tables.

use tidegate_edge::wire::{
    BodyFault, BodyLimits, BodyReader, ChunkedDecoder, Framing, Step,
    write::{CHUNK_LINE_BYTES_MAX, LAST_CHUNK, chunk_size_line},
};

/// Body, bytes used up to its end, and the fault if any.
type Outcome = (Vec<u8>, Option<usize>, Option<BodyFault>);

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let limits = BodyLimits {
        body_bytes_max: 1_000,
        extension_bytes_max: 64,
        trailer_bytes_max: 128,
        trailers_max: 4,
    };
    let whole = decode(data, usize::MAX, limits);
    for piece in [1, 2, data.len() % 61 + 3] {
        assert_eq!(decode(data, piece, limits), whole, "in pieces of {piece}");
    }
    let (body, end, fault) = whole;
    assert!(body.len() <= 1_000);
    assert!(end.is_none() || fault.is_none());
    if end.is_some() {
        for size in [1, 7, 1_000] {
            let encoded = encode(&body, size);
            let again = decode(&encoded, usize::MAX, limits);
            assert_eq!(again, (body.clone(), Some(encoded.len()), None));
        }
    }
    assert!(size_of::<ChunkedDecoder>() <= 128);
}

fn decode(data: &[u8], piece: usize, limits: BodyLimits) -> Outcome {
    let mut reader = BodyReader::new(Framing::Chunked, limits).expect("no declared length");
    let mut body = Vec::new();
    let mut at = 0;
    let mut have = 0usize;
    while have < data.len() {
        have = have.saturating_add(piece).min(data.len());
        loop {
            match reader.read(&data[at..have]) {
                Err(fault) => return (body, None, Some(fault)),
                Ok(Step::Need) => break,
                Ok(Step::Data { skip, len }) => {
                    assert!(len > 0);
                    body.extend_from_slice(&data[at + skip..at + skip + len]);
                    at += skip + len;
                }
                Ok(Step::End { consumed }) => {
                    assert!(reader.is_done() && reader.close().is_ok());
                    return (body, Some(at + consumed), None);
                }
            }
        }
        at = have;
    }
    assert!(reader.close().is_err());
    (body, None, None)
}

fn encode(body: &[u8], size: usize) -> Vec<u8> {
    let mut encoded = Vec::new();
    for chunk in body.chunks(size) {
        let mut line = [0; CHUNK_LINE_BYTES_MAX];
        encoded.extend_from_slice(chunk_size_line(chunk.len() as u64, &mut line));
        encoded.extend_from_slice(chunk);
        encoded.extend_from_slice(b"\r\n");
    }
    encoded.extend_from_slice(LAST_CHUNK);
    encoded
}
