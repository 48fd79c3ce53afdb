//! Tables of codings, and what every body keeps through both ways.

use super::*;
use proptest::prelude::*;

const JSON: &[u8] =
    br#"{"pets":[{"id":1,"name":"cat"},{"id":2,"name":"cat"},{"id":3,"name":"cat"}]}"#;

#[test]
fn the_best_coding_follows_weights() {
    let rows: &[(&[&str], Option<Coding>)] = &[
        (&[], None),
        (&[""], None),
        (&["gzip"], Some(Coding::Gzip)),
        (&["GZIP"], Some(Coding::Gzip)),
        (&["x-gzip"], Some(Coding::Gzip)),
        (&["deflate"], Some(Coding::Deflate)),
        (&["identity"], None),
        (&["br"], None),
        (&["gzip, deflate, br"], Some(Coding::Gzip)),
        (&["deflate, gzip"], Some(Coding::Gzip)),
        (&["deflate;q=1.0, gzip;q=0.5"], Some(Coding::Deflate)),
        (&["deflate;q=0.501, gzip;q=0.5"], Some(Coding::Deflate)),
        (&["gzip;q=0"], None),
        (&["gzip;q=0.000"], None),
        (&["gzip;q=0, deflate"], Some(Coding::Deflate)),
        (&["gzip;q=0.3, identity;q=0.7"], None),
        (&["gzip;q=0.7, identity;q=0.7"], Some(Coding::Gzip)),
        (&["identity;q=0, gzip;q=0.1"], Some(Coding::Gzip)),
        (&["*"], Some(Coding::Gzip)),
        (&["*;q=0"], None),
        (&["*, gzip;q=0"], Some(Coding::Deflate)),
        (&["*;q=0, deflate"], Some(Coding::Deflate)),
        (&["gzip ; Q=0.5 , deflate ;q=0.4"], Some(Coding::Gzip)),
        (&["br", "deflate"], Some(Coding::Deflate)),
        (&["gzip;q=0", "gzip"], None),
        (&["gzip;q=2"], None),
        (&["gzip;q=1.001"], None),
        (&["gzip;q=0.1234"], None),
        (&["gzip;q="], None),
        (&["gzip;q=a"], None),
        (&["gzip;level=9"], Some(Coding::Gzip)),
    ];
    for (lines, expected) in rows {
        let mut accepted = Accepted::default();
        for line in *lines {
            accepted.read(line.as_bytes());
        }
        assert_eq!(accepted.best(), *expected, "{lines:?}");
    }
}

#[test]
fn an_answer_is_compressed_when_everything_allows_it() {
    let mut gzip = Accepted::default();
    gzip.read(b"gzip");
    let answer = |status, body_bytes, is_fixed| Answer {
        status,
        body_bytes,
        is_fixed,
    };
    let rows = [
        ("reaches the size", Some(100), answer(200, 100, false), true),
        ("one below", Some(100), answer(200, 99, false), false),
        ("every size", Some(0), answer(200, 1, false), true),
        ("nothing to compress", Some(0), answer(200, 0, false), false),
        ("off", None, answer(200, 1_000, false), false),
        ("coded already", Some(0), answer(200, 1_000, true), false),
        ("an error", Some(0), answer(500, 1_000, false), true),
        ("no content", Some(0), answer(204, 1_000, false), false),
        ("a part", Some(0), answer(206, 1_000, false), false),
        ("not modified", Some(0), answer(304, 1_000, false), false),
    ];
    for (name, least, answer, expected) in rows {
        let chosen = choose(least, gzip, answer);
        assert_eq!(chosen, expected.then_some(Coding::Gzip), "{name}");
        assert_eq!(choose(least, Accepted::default(), answer), None, "{name}");
    }
}

#[test]
fn a_request_names_one_coding() {
    let rows: &[(Option<&str>, Result<Option<Coding>, DecodeFault>)] = &[
        (None, Ok(None)),
        (Some(""), Ok(None)),
        (Some("identity"), Ok(None)),
        (Some("gzip"), Ok(Some(Coding::Gzip))),
        (Some(" GZip "), Ok(Some(Coding::Gzip))),
        (Some("x-gzip"), Ok(Some(Coding::Gzip))),
        (Some("deflate"), Ok(Some(Coding::Deflate))),
        (Some("br"), Err(DecodeFault::Unknown)),
        (Some("gzip, deflate"), Err(DecodeFault::Unknown)),
        (Some("gzip2"), Err(DecodeFault::Unknown)),
    ];
    for (value, expected) in rows {
        assert_eq!(coding_of(value.map(str::as_bytes)), *expected, "{value:?}");
    }
}

fn encoded(coding: Coding, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Codecs::new().encode(coding, body, &mut out));
    out
}

fn decoded(coding: Coding, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, DecodeFault> {
    let mut out = Vec::new();
    let result = Codecs::new().decode(coding, body, bytes_max, &mut out);
    assert!(
        result.is_ok() || out.is_empty(),
        "nothing is left of a refused body"
    );
    result.map(|()| out)
}

#[test]
fn formats_are_those_of_their_names() {
    assert_eq!(
        encoded(Coding::Gzip, JSON).get(..3),
        Some(&[0x1f, 0x8b, 8][..])
    );
    assert_eq!(encoded(Coding::Deflate, JSON).first(), Some(&0x78));
    // Made by the gzip and zlib of another implementation, of `hello, hello, hello`.
    let rows: &[(Coding, &[u8])] = &[
        (
            Coding::Gzip,
            &[
                0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb, 0x48, 0xcd, 0xc9,
                0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa2, 0x00, 0x9f, 0xa1, 0xca, 0x09, 0x13, 0x00, 0x00,
                0x00,
            ],
        ),
        (
            Coding::Deflate,
            &[
                0x78, 0x9c, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa2, 0x00, 0x44,
                0x28, 0x06, 0xd5,
            ],
        ),
    ];
    for (coding, body) in rows {
        let text = decoded(*coding, body, 100);
        assert_eq!(
            text.as_deref(),
            Ok(&b"hello, hello, hello"[..]),
            "{coding:?}"
        );
    }
}

#[test]
fn broken_bodies_are_refused() {
    for coding in [Coding::Gzip, Coding::Deflate] {
        let whole = encoded(coding, JSON);
        for cut in 1..whole.len() {
            let part = whole.get(..cut).unwrap();
            let result = decoded(coding, part, 1_000);
            assert_eq!(result, Err(DecodeFault::Broken), "{coding:?} cut at {cut}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(decoded(coding, &longer, 1_000), Err(DecodeFault::Broken));
        let mut damaged = whole.clone();
        let middle = damaged.len() - 6;
        damaged[middle] ^= 1;
        assert_eq!(decoded(coding, &damaged, 1_000), Err(DecodeFault::Broken));
        assert_eq!(decoded(coding, JSON, 1_000), Err(DecodeFault::Broken));
        assert_eq!(decoded(coding, b"", 1_000), Ok(Vec::new()));
    }
    let gzip = encoded(Coding::Gzip, JSON);
    assert_eq!(
        decoded(Coding::Deflate, &gzip, 1_000),
        Err(DecodeFault::Broken)
    );
}

#[test]
fn gzip_members_follow_each_other() {
    let mut both = encoded(Coding::Gzip, b"one,");
    both.extend(encoded(Coding::Gzip, b"two"));
    assert_eq!(
        decoded(Coding::Gzip, &both, 7).as_deref(),
        Ok(&b"one,two"[..])
    );
    assert_eq!(decoded(Coding::Gzip, &both, 6), Err(DecodeFault::TooLarge));
    let mut both = encoded(Coding::Deflate, b"one,");
    both.extend(encoded(Coding::Deflate, b"two"));
    assert_eq!(decoded(Coding::Deflate, &both, 7), Err(DecodeFault::Broken));
}

#[test]
fn a_body_decodes_to_its_bound_and_no_further() {
    for coding in [Coding::Gzip, Coding::Deflate] {
        let body = encoded(coding, JSON);
        assert!(decoded(coding, &body, JSON.len()).is_ok());
        let result = decoded(coding, &body, JSON.len() - 1);
        assert_eq!(result, Err(DecodeFault::TooLarge));
    }
}

#[test]
fn a_bomb_takes_no_memory() {
    let zeros = vec![0u8; 20 << 20];
    for coding in [Coding::Gzip, Coding::Deflate] {
        let bomb = encoded(coding, &zeros);
        assert!(bomb.len() < zeros.len() / RATIO_MAX, "it is one");
        let mut out = Vec::new();
        let result = Codecs::new().decode(coding, &bomb, 10 << 20, &mut out);
        assert_eq!(result, Err(DecodeFault::TooLarge));
        assert!(
            out.capacity() < 8 << 20,
            "{} bytes for a bomb",
            out.capacity()
        );
        // A small body may be as regular as it likes.
        let small = encoded(coding, &zeros[..RATIO_FREE_BYTES]);
        assert!(decoded(coding, &small, 10 << 20).is_ok());
    }
}

#[test]
fn coders_that_stopped_anywhere_serve_again() {
    let mut codecs = Codecs::new();
    // Not so regular that it would be taken for a bomb.
    let noise = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0] >> 4;
    let large: Vec<u8> = (0..STEP_BYTES as u64 * 3).map(noise).collect();
    for coding in [Coding::Gzip, Coding::Deflate] {
        let expected = encoded(coding, JSON);
        let mut unused = Vec::new();
        let mut encoder = codecs.encoder(coding);
        assert_eq!(encoder.step(&large, &mut unused), Ok(Step::More));
        codecs.keep_encoder(encoder);
        let mut out = Vec::new();
        assert!(codecs.encode(coding, JSON, &mut out));
        assert_eq!(out, expected, "{coding:?}");

        let body = encoded(coding, &large);
        let mut decoder = codecs.decoder(coding);
        unused.clear();
        assert_eq!(
            decoder.step(&body, large.len(), &mut unused),
            Ok(Step::More)
        );
        codecs.keep_decoder(decoder);
        for broken in [&body[..20], &body[..]] {
            let mut out = Vec::new();
            let result = codecs.decode(coding, broken, large.len(), &mut out);
            assert_eq!(result.is_ok(), broken.len() == body.len());
            assert!(result.is_err() || out == large);
        }
    }
    for _ in 0..KEPT_MAX + 2 {
        codecs.keep_encoder(Encoder::new(Coding::Gzip));
        codecs.keep_decoder(Decoder::new(Coding::Gzip));
    }
    assert!(codecs.encoders.len() <= KEPT_MAX && codecs.decoders.len() <= KEPT_MAX);
}

proptest! {
    #[test]
    fn what_was_encoded_decodes(
        pieces in prop::collection::vec((any::<u8>(), 1..2_000usize), 0..200),
        noise in prop::collection::vec(any::<u8>(), 0..5_000),
    ) {
        let mut body: Vec<u8> = noise;
        for (byte, times) in pieces {
            body.extend(std::iter::repeat_n(byte, times));
            body.push(byte.wrapping_mul(7));
        }
        let mut codecs = Codecs::new();
        for coding in [Coding::Gzip, Coding::Deflate] {
            let (mut coded, mut out) = (b"kept".to_vec(), b"also".to_vec());
            prop_assert!(codecs.encode(coding, &body, &mut coded));
            prop_assert!(coded.starts_with(b"kept"));
            let coded = coded.get(4..).unwrap_or(&[]);
            let ratio = body.len() / coded.len().max(1);
            let result = codecs.decode(coding, coded, body.len(), &mut out);
            if ratio < RATIO_MAX || body.len() <= RATIO_FREE_BYTES {
                prop_assert_eq!(result, Ok(()));
                prop_assert_eq!(out.get(4..), Some(&body[..]));
            }
        }
    }

    #[test]
    fn any_bytes_end_in_an_answer(
        body in prop::collection::vec(any::<u8>(), 0..300), start in 0..3usize,
    ) {
        let starts: [&[u8]; 3] = [b"", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &[0x78, 0x9c]];
        let mut whole = starts[start].to_vec();
        whole.extend(body);
        for coding in [Coding::Gzip, Coding::Deflate] {
            let mut out = Vec::new();
            let _ = Codecs::new().decode(coding, &whole, 10_000, &mut out);
            prop_assert!(out.len() <= 10_000);
        }
        let mut accepted = Accepted::default();
        accepted.read(&whole);
        let _ = (accepted.best(), coding_of(Some(&whole)));
    }
}
