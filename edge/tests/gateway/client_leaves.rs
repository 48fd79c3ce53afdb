//! A client that leaves before its answer: the origin is not kept working for nobody.
//!
//! What it is: a whole gateway on kernel and twin, an origin that thinks for long, and clients
//! that go in different ways. Units: milliseconds of the world's clock. Source: RELIABILITY
//! section 3 (a cancel frees origin work in 100 ms).

use crate::{
    bed::{Kind, bytes},
    play::{Answer, Stage},
};
use serde_json::json;
use tidegate_edge::exec::RecvEnd;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";
/// The origin thinks much longer than anybody waits here.
const LONG_MS: u64 = 20_000;

fn stage(kind: Kind, half_closed_ms: u64, delay_ms: u64, bytes: &[u8]) -> Stage {
    let settings = json!({ "limits": { "half_closed_ms": half_closed_ms } });
    let answer = Answer {
        bytes: bytes.to_vec(),
        delay_ms,
        ..Answer::default()
    };
    Stage::new(kind, settings, vec![answer])
}

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Going {
    Closes,
    Resets,
    EndsItsSide,
}

fn leaves(kind: Kind, request: &'static [u8], going: Going) {
    let stage = stage(
        kind,
        100,
        LONG_MS,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    stage.perform(async move |core, mut stream| {
        stream.send(bytes(&core, request));
        core.sleep_until(core.now().plus_ms(50)).await; // the request is with the origin
        match going {
            Going::Closes => drop(stream),
            Going::Resets => stream.reset(),
            Going::EndsItsSide => {
                stream.shutdown_when_sent();
                let end = stream.recv(core.now().plus_ms(LONG_MS / 2)).await;
                assert!(!matches!(end, Ok(_) | Err(RecvEnd::Timeout)), "{end:?}");
            }
        }
    });
    let took_ms = stage.until_ended(1);
    assert!(took_ms < LONG_MS / 2, "{kind:?} {going:?}: {took_ms} ms");
    assert_eq!(stage.seen().len(), 1, "nothing is repeated for nobody");
    stage.finish();
}

#[test]
fn an_origin_is_left_with_its_client() {
    for kind in [Kind::Kernel, Kind::Twin] {
        for request in [GET, POST] {
            for going in [Going::Closes, Going::Resets, Going::EndsItsSide] {
                leaves(kind, request, going);
            }
        }
    }
}

#[test]
fn a_client_that_only_ends_its_side_gets_a_prompt_answer() {
    for kind in [Kind::Kernel, Kind::Twin] {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let stage = stage(kind, 5_000, 200, answer);
        stage.perform(async move |core, mut stream| {
            stream.send(bytes(&core, GET));
            stream.shutdown_when_sent();
            let mut heard = Vec::new();
            while let Ok(buf) = stream.recv(core.now().plus_ms(3_000)).await {
                heard.extend_from_slice(&buf);
            }
            assert!(heard.starts_with(b"HTTP/1.1 200 OK\r\n"), "{kind:?}");
            assert!(heard.ends_with(b"ok"), "{kind:?}");
        });
        stage.finish();
    }
}

#[test]
fn an_answer_under_way_is_given_up_with_its_client() {
    for kind in [Kind::Kernel, Kind::Twin] {
        // The rest of the body never comes.
        let stage = stage(
            kind,
            100,
            0,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        );
        stage.perform(async move |core, mut stream| {
            stream.send(bytes(&core, GET));
            let first = stream.recv(core.now().plus_ms(3_000)).await;
            assert!(first.is_ok(), "{kind:?}");
            stream.reset();
        });
        let took_ms = stage.until_ended(1);
        assert!(took_ms < LONG_MS / 2, "{kind:?}: {took_ms} ms");
        stage.finish();
    }
}
