//! Examples for the reader of answers: every one in every cut.
//!
//! Shape: a table of bytes and what must come out. Units: bytes. Errors: as the rows say.
//! Source: RFC 9112.

use super::*;

#[derive(Default, Debug, PartialEq, Eq, Clone)]
struct Seen {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sink for Seen {
    fn status(&mut self, status: u16) {
        self.status = status;
    }
    fn field(&mut self, name: &[u8], value: &[u8]) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.fields.push((text(name), text(value)));
    }
    fn body(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }
}

/// Reads all answers of `bytes`, given in pieces cut at the two places; the end follows.
fn read(
    bytes: &[u8],
    cuts: [usize; 2],
    to_head: bool,
) -> Result<Vec<(u16, Vec<u8>, bool)>, Malformed> {
    let mut reader = Reader::default();
    let mut answers = Vec::new();
    let mut seen = Seen::default();
    for piece in [
        &bytes[..cuts[0]],
        &bytes[cuts[0]..cuts[1]],
        &bytes[cuts[1]..],
    ] {
        let mut rest = piece;
        while !rest.is_empty() {
            match reader.feed(rest, to_head, &mut seen)? {
                Step::More => break,
                Step::Done { used, closes } => {
                    let whole = std::mem::take(&mut seen);
                    answers.push((whole.status, whole.body, closes));
                    rest = &rest[used..];
                }
            }
        }
    }
    if reader.end()? {
        answers.push((seen.status, seen.body, true));
    }
    Ok(answers)
}

/// Name, bytes, whether a HEAD was asked, and what must come out.
type Row = (
    &'static str,
    &'static [u8],
    bool,
    Result<Vec<(u16, &'static [u8], bool)>, Malformed>,
);

fn rows() -> Vec<Row> {
    vec![
        ("length", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, Ok(vec![(200, b"abc", false)])),
        ("empty", b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", false, Ok(vec![(404, b"", false)])),
        ("no reason", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, Ok(vec![(200, b"", false)])),
        (
            "two",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 201 OK\r\ncontent-length:1\r\n\r\nb",
            false,
            Ok(vec![(200, b"a", false), (201, b"b", false)]),
        ),
        (
            "chunked",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
            false,
            Ok(vec![(200, b"abc0123456789", false)]),
        ),
        ("until the end", b"HTTP/1.1 200 OK\r\n\r\nabc", false, Ok(vec![(200, b"abc", true)])),
        ("head", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true, Ok(vec![(200, b"", false)])),
        ("no content", b"HTTP/1.1 204 No\r\n\r\n", false, Ok(vec![(204, b"", false)])),
        ("interim", b"HTTP/1.1 103 Hi\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", false, Ok(vec![(204, b"", false)])),
        ("close", b"HTTP/1.1 204 No\r\nConnection: x, close\r\n\r\n", false, Ok(vec![(204, b"", true)])),
        ("old", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", false, Ok(vec![(200, b"a", true)])),
        ("same twice", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", false, Ok(vec![(200, b"a", false)])),
        ("lengths differ", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", false, Err(Malformed::Framing)),
        ("both", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false, Err(Malformed::Framing)),
        ("no length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, Err(Malformed::Framing)),
        ("coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, Err(Malformed::Framing)),
        ("no status", b"HTTP/2 200 OK\r\n\r\n", false, Err(Malformed::StatusLine)),
        ("status of four", b"HTTP/1.1 2000 OK\r\n\r\n", false, Err(Malformed::StatusLine)),
        ("space before the colon", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", false, Err(Malformed::Field)),
        ("chunk size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", false, Err(Malformed::Chunk)),
        ("chunk too long", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", false, Err(Malformed::Chunk)),
        ("cut head", b"HTTP/1.1 200 OK\r\n", false, Err(Malformed::Cut)),
        ("cut body", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", false, Err(Malformed::Cut)),
        ("cut chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", false, Err(Malformed::Cut)),
    ]
}

#[test]
fn every_cut_reads_the_same() {
    for (name, bytes, to_head, expected) in rows() {
        let expected = expected.map(|answers| {
            let owned =
                |(status, body, closes): (u16, &[u8], bool)| (status, body.to_vec(), closes);
            answers.into_iter().map(owned).collect::<Vec<_>>()
        });
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let seen = read(bytes, [first, second], to_head);
                assert_eq!(seen, expected, "{name} cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn a_head_without_an_end_is_given_up() {
    let mut reader = Reader::default();
    let mut seen = Seen::default();
    let line = vec![b'a'; HEAD_BYTES_MAX];
    assert_eq!(reader.feed(&line, false, &mut seen), Ok(Step::More));
    assert_eq!(
        reader.feed(&line, false, &mut seen),
        Err(Malformed::HeadTooLong)
    );
}
