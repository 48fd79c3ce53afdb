//! Streams of events, as whoever runs functions sends them.
//!
//! Shape: bytes of frames with their checksums. Units: bytes. Errors: names and values over 255
//! bytes panic. Source: Smithy, "Amazon event stream specification".

#![allow(dead_code, unreachable_pub)]

/// A frame with text headers.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in headers {
        lines.push(u8::try_from(name.len()).expect("a short name"));
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(&[7, 0, u8::try_from(value.len()).expect("a short value")]);
        lines.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).expect("a short frame").to_be_bytes();
    let whole = length(lines.len() + payload.len() + 16);
    let mut out = [whole, length(lines.len())].concat();
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&lines);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

/// An event.
pub fn event(kind: &str, payload: &[u8]) -> Vec<u8> {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/octet-stream"),
        (":message-type", "event"),
    ];
    frame(&headers, payload)
}

/// One chunk of a body.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}
