//! Frames: published vectors, every cut, bounds.

use super::*;

/// `{'foo':'bar'}`, the payload of the vectors.
const PAYLOAD: &[u8] = b"{'foo':'bar'}";

/// Frames that others have published, and what is in them. The last bytes of each are its checksum,
/// so a slip here would show.
const VECTORS: &[(&str, &[u8], Result<(&str, &[u8]), EventFault>)] = &[
    (
        "empty",
        b"\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff",
        Ok(("", b"")),
    ),
    (
        "int32 header",
        b"\0\0\0\x2d\0\0\0\x10\x41\xc4\x24\xb8\x0aevent-type\x04\0\0\xa0\x0c{'foo':'bar'}\x36\xf4\x80\xa0",
        Ok(("event-type=?", PAYLOAD)),
    ),
    (
        "no headers",
        b"\0\0\0\x1d\0\0\0\0\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36",
        Ok(("", PAYLOAD)),
    ),
    (
        "one text header",
        b"\0\0\0\x3d\0\0\0\x20\x07\xfd\x83\x96\x0ccontent-type\x07\0\x10application/json{'foo':'bar'}\x8d\x9c\x08\xb1",
        Ok(("content-type=application/json", PAYLOAD)),
    ),
    (
        "headers changed",
        b"\0\0\0\x3d\0\0\0\x20\x07\xfd\x83\x96\x0ccontent+type\x07\0\x10application/json{'foo':'bar'}\x8d\x9c\x08\xb1",
        Err(EventFault::FrameChecksum),
    ),
    (
        "length of the headers changed",
        b"\0\0\0\x3d\0\0\x01\x20\x07\xfd\x83\x96\x0ccontent-type\x07\0\x10application/json{'foo':'bar'}\x8d\x9c\x08\xb1",
        Err(EventFault::PreludeChecksum),
    ),
    (
        "length changed",
        b"\x01\0\0\x1d\0\0\0\0\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36",
        Err(EventFault::PreludeChecksum),
    ),
    (
        "payload changed",
        b"\0\0\0\x1d\0\0\0\0\xfd\x52\x8c\x5a{'foo':'bar'\x8d\xc3\x65\x39\x36",
        Err(EventFault::FrameChecksum),
    ),
];

/// A frame of our own making.
fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let bytes = u32::try_from(headers.len() + payload.len()).expect("short") + ADDED_BYTES;
    let header_bytes = u32::try_from(headers.len()).expect("short");
    let mut out = [bytes.to_be_bytes(), header_bytes.to_be_bytes()].concat();
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

/// Headers, payload, and frames that ended, of a stream that comes in pieces.
fn read<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Result<(String, Vec<u8>, usize), EventFault> {
    let mut decoder = FrameDecoder::new();
    let (mut headers, mut payload, mut ends) = (String::new(), Vec::new(), 0);
    for piece in pieces {
        let mut at = 0;
        loop {
            match decoder.decode(&piece[at..])? {
                FrameStep::Need => break,
                FrameStep::Headers { consumed } => {
                    at += consumed;
                    for (name, value) in decoder.headers() {
                        let value = match value {
                            HeaderValue::Text(text) => text,
                            HeaderValue::Other => b"?",
                        };
                        let [name, value] = [name, value].map(String::from_utf8_lossy);
                        headers += &format!("{name}={value}");
                    }
                }
                FrameStep::Payload { skip, len } => {
                    payload.extend_from_slice(&piece[at + skip..at + skip + len]);
                    at += skip + len;
                }
                FrameStep::End { consumed } => {
                    at += consumed;
                    ends += 1;
                    assert!(decoder.is_between());
                }
            }
        }
    }
    Ok((headers, payload, ends))
}

#[test]
fn published_vectors_at_every_cut() {
    for (name, bytes, expected) in VECTORS {
        for cut in 0..=bytes.len() {
            let (before, behind) = bytes.split_at(cut);
            let found = read([before, behind]);
            let expected =
                expected.map(|(headers, payload)| (headers.to_owned(), payload.to_vec(), 1));
            assert_eq!(found, expected, "{name} cut at {cut}");
        }
        let found = read(bytes.chunks(1));
        assert_eq!(found.is_ok(), expected.is_ok(), "{name} byte by byte");
    }
}

#[test]
fn frames_follow_one_another() {
    let frames: Vec<u8> = VECTORS
        .iter()
        .take(4)
        .flat_map(|row| row.1)
        .copied()
        .collect();
    let (_, payload, ends) = read(frames.chunks(5)).expect("whole");
    assert_eq!((payload, ends), (PAYLOAD.repeat(3), 4));
}

#[test]
fn headers_of_every_type() {
    let all: &[u8] = b"\x01a\0\x01b\x01\x01c\x02.\x01d\x03..\x01e\x04....\x01f\x05........\
        \x01g\x06\0\x03...\x01h\x07\0\x01t\x01i\x08........\x01j\x09................";
    let (headers, ..) = read([&frame(all, b"")[..]]).expect("headers");
    assert_eq!(
        headers,
        "a=?b=?c=?d=?e=?f=?g=?h=tj=?".replace("tj", "ti=?j")
    );
    let bad: &[&[u8]] = &[
        b"\0\x07\0\x01t",     // no name
        b"\x01a",             // no type
        b"\x01a\x0a",         // a type that is none
        b"\x01a\x07\0\x02t",  // a value that is cut
        b"\x01a\x07\0",       // a length that is cut
        b"\x05a",             // a name that is cut
        b"\x01a\x09........", // a UUID that is cut
    ];
    for headers in bad {
        let found = read([&frame(headers, b"x")[..]]);
        assert_eq!(found, Err(EventFault::Headers), "{headers:?}");
    }
}

#[test]
fn lengths_that_cannot_be() {
    let prelude = |frame_bytes: u32, header_bytes: u32| {
        let mut out = [frame_bytes.to_be_bytes(), header_bytes.to_be_bytes()].concat();
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        read([&out[..]]).map(|_| ())
    };
    let most = u32::try_from(HEADERS_BYTES_MAX).expect("short");
    let rows = [
        (0, 0, false),
        (15, 0, false),
        (16, 0, true),
        (16, 1, false),
        (17, 1, true),
        (u32::MAX, u32::MAX, false),
        (u32::MAX, 0, false),
        (FRAME_BYTES_MAX, 0, true),
        (FRAME_BYTES_MAX + 1, 0, false),
        (FRAME_BYTES_MAX, most, true),
        (FRAME_BYTES_MAX, most + 1, false),
    ];
    for (frame_bytes, header_bytes, is_possible) in rows {
        let expected = if is_possible {
            Ok(())
        } else {
            Err(EventFault::Length)
        };
        let found = prelude(frame_bytes, header_bytes);
        assert_eq!(found, expected, "{frame_bytes} {header_bytes}");
    }
}
