//! The identifiers of a request beside its id: the extended id, and the trace that it belongs to.
//!
//! What it is: `x-amz-apigw-id` is made of the request id, so that nothing is kept; the trace
//! header is written once, when something is going to send it. Shape: plain functions into fixed
//! arrays and into the exchange's own text. Units: seconds since 1970 in a trace's root. Errors:
//! none; a trace header that cannot be read is replaced. Source: Amazon API Gateway developer
//! guide, "`$context` variables"; AWS X-Ray developer guide, "tracing header" (recorded table of
//! what is kept and what is added).

use super::exchange::{Exchange, REQUEST_ID_BYTES, hex_pair};
use crate::wire::known::Known;

/// Length of an extended request id, its `=` included.
pub(super) const EXTENDED_ID_BYTES: usize = 16;

/// The extended request id that goes with `request_id`: 88 bits that hardly two requests share.
pub(super) fn extended_id(request_id: &[u8; REQUEST_ID_BYTES]) -> [u8; EXTENDED_ID_BYTES] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = SEED;
    let (words, rest) = request_id.as_chunks::<16>();
    for word in words {
        state = (state ^ u128::from_le_bytes(*word)).wrapping_mul(PRIME);
        state ^= state >> 71;
    }
    for byte in rest {
        state = (state ^ u128::from(*byte)).wrapping_mul(PRIME);
    }
    state ^= state >> 59;
    state = state.wrapping_mul(PRIME);
    let mut id = [b'='; EXTENDED_ID_BYTES];
    for place in id.iter_mut().take(EXTENDED_ID_BYTES - 1) {
        let digit = usize::try_from(state >> 122).unwrap_or(0);
        *place = ALPHABET.get(digit).copied().unwrap_or(b'A');
        state = state.wrapping_shl(6);
    }
    id
}

/// Where mixing begins, and an odd number with bits all over.
const SEED: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

/// Writes the `X-Amzn-Trace-Id` of the request in `x` to its trace: what the client sent, with
/// what is missing of it; once for a request, however often it is sent. `random` gives 64 bits each
/// time.
pub(super) fn write_trace(x: &mut Exchange, mut random: impl FnMut() -> u64) {
    if !x.trace.is_empty() {
        return;
    }
    let mut trace = std::mem::take(&mut x.trace);
    let field = x.head.fields.all(Known::XAmznTraceId).last();
    let told = field.map(|field| x.text(field.value));
    let told = told.and_then(|value| std::str::from_utf8(value).ok());
    let told = told
        .filter(|value| value.len() <= TRACE_BYTES_MAX)
        .unwrap_or("");
    let member = |name: &str| {
        let mut parts = told.split(';').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let Some(root) = member("Root").filter(|root| is_root(root)) else {
        let second = u32::try_from(x.received_wall.0 / 1000).unwrap_or(u32::MAX);
        let fresh = fresh_trace(second, [random(), random(), random()]);
        trace.push_str(std::str::from_utf8(&fresh).unwrap_or(""));
        x.trace = trace;
        return;
    };
    trace.push_str("Root=");
    trace.push_str(root);
    trace.push_str(";Parent=");
    let parent = member("Parent");
    match parent {
        Some(parent) => trace.push_str(parent),
        None => {
            let mut digits = [b'0'; 16];
            put_hex(&mut digits, random());
            trace.push_str(std::str::from_utf8(&digits).unwrap_or(""));
        }
    }
    let sampled = parent.map(|_| member("Sampled").unwrap_or("1"));
    trace.push_str(";Sampled=");
    trace.push_str(sampled.unwrap_or("0"));
    let others = told.split(';').map(str::trim).filter(|part| {
        let own = ["Root=", "Parent=", "Sampled="];
        !part.is_empty() && !own.iter().any(|own| part.starts_with(own))
    });
    for part in others {
        trace.push(';');
        trace.push_str(part);
    }
    x.trace = trace;
}

/// The trace of a request that came without one at `second`; nobody samples it.
fn fresh_trace(second: u32, [high, low, parent]: [u64; 3]) -> [u8; FRESH_BYTES] {
    let mut text = *FRESH;
    for (at, digits, value) in [
        (7, 8, u64::from(second)),
        (16, 8, high),
        (24, 16, low),
        (48, 16, parent),
    ] {
        if let Some(room) = text.get_mut(at..at + digits) {
            put_hex(room, value);
        }
    }
    text
}

const FRESH: &[u8; FRESH_BYTES] =
    b"Root=1-ssssssss-rrrrrrrrrrrrrrrrrrrrrrrr;Parent=pppppppppppppppp;Sampled=0";
const FRESH_BYTES: usize = 74;

/// Fills `room` with the last hexadecimal digits of `value`, two for each byte.
fn put_hex(room: &mut [u8], value: u64) {
    let bytes = value.to_le_bytes();
    for (pair, byte) in room.chunks_exact_mut(2).rev().zip(bytes) {
        pair.copy_from_slice(&hex_pair(byte));
    }
}

/// The root of a trace header, as `$context.xrayTraceId` has it.
pub(super) fn root_of(trace: &str) -> Option<&str> {
    let mut parts = trace.split(';');
    parts.find_map(|part| part.strip_prefix("Root="))
}

/// `1-`, eight digits, `-`, 24 digits.
fn is_root(root: &str) -> bool {
    let mut parts = root.split('-');
    let is_hex = |part: Option<&str>, len: usize| {
        part.is_some_and(|part| part.len() == len && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    parts.next() == Some("1")
        && is_hex(parts.next(), 8)
        && is_hex(parts.next(), 24)
        && parts.next().is_none()
}

/// A longer header is replaced.
const TRACE_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{head::parse_request, limits::HeadLimits};

    const ROOT: &str = "1-5f84c7a5-1234567890abcdef12345678";

    fn traced(sent: &str) -> String {
        let mut x = Exchange::new();
        let field = match sent {
            "" => String::new(),
            sent => format!("X-Amzn-Trace-Id: {sent}\r\n"),
        };
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n");
        x.head_bytes.push(head.as_bytes());
        let bytes = x.head_bytes.bytes().to_vec();
        parse_request(&bytes, &HeadLimits::default(), &mut x.head).expect("a head");
        x.received_wall = crate::base::time::Wall(0x5f84_c7a5 * 1000);
        let mut next = 0;
        write_trace(&mut x, || {
            next += 1;
            next
        });
        x.trace.clone()
    }

    #[test]
    fn a_trace_keeps_what_was_told_and_gets_what_is_missing() {
        let made = "Root=1-5f84c7a5-000000010000000000000002;Parent=0000000000000003;Sampled=0";
        let rows = [
            ("".to_owned(), made.to_owned()),
            (
                format!("Root={ROOT}"),
                format!("Root={ROOT};Parent=0000000000000001;Sampled=0"),
            ),
            (
                format!("Root={ROOT};Parent=53995c3f42cd8ad8"),
                format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"),
            ),
            (
                format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=a:0"),
                format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=a:0"),
            ),
            (
                format!("Self=1-1-1; Root={ROOT}"),
                format!("Root={ROOT};Parent=0000000000000001;Sampled=0;Self=1-1-1"),
            ),
            ("Root=1-5;Parent=1".to_owned(), made.to_owned()),
        ];
        for (sent, expected) in rows {
            assert_eq!(traced(&sent), expected, "{sent}");
        }
        assert_eq!(root_of(made), Some("1-5f84c7a5-000000010000000000000002"));
    }

    #[test]
    fn extended_ids_differ_and_end_with_an_equals_sign() {
        let a = extended_id(b"00000000-0000-4000-8000-000000000000");
        let b = extended_id(b"00000000-0000-4000-8000-000000000001");
        assert_ne!(a, b);
        assert_eq!((a.last(), b.last()), (Some(&b'='), Some(&b'=')));
        assert!(
            a.iter()
                .take(15)
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
        );
    }
}
