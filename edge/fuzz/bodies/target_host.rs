//! Fuzz body: a request target and a host.
//!
//! Asserts: an accepted path means the same to an origin that decodes and resolves everything; an
//! accepted target parses the same from its parts; an accepted host is plain and parses again.
//! Shape: target and host, a line each. Units: bytes. Errors: a broken promise panics.
//! Source: RFC 3986 sections 3 and 5.2.4; the parsing table.

use tidegate_edge::wire::{Form, Host, Target, host, query};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let mut lines = data.splitn(2, |&byte| byte == b'\n');
    check_target(lines.next().unwrap_or(&[]));
    check_host(lines.next().unwrap_or(&[]));
}

fn check_target(text: &[u8]) {
    let Ok(target) = Target::parse(text, text) else {
        return;
    };
    let path = target.path(text);
    assert!(text.iter().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(eager_segments(path, true), eager_segments(path, false));
    let mut decoded = vec![0; text.len()];
    let whole = query::decode_path(path, &mut decoded).map(<[u8]>::to_vec);
    assert!(target.form == Form::Asterisk || whole.is_some_and(|path| !path.contains(&0)));
    let mut used = 0;
    for pair in query::pairs(target.query(text)) {
        used += pair.name.len() + pair.value.len();
        assert!(query::decode_query(pair.name, &mut decoded).is_some());
        assert!(query::decode_query(pair.value, &mut decoded).is_some());
    }
    assert!(used <= target.query(text).len());
    if target.form != Form::Asterisk {
        let mut plain = path.to_vec();
        if target.query.is_some() {
            plain.push(b'?');
            plain.extend_from_slice(target.query(text));
        }
        let again = Target::parse(&plain, &plain).expect("its own parts");
        assert_eq!(again.path(&plain), path);
        assert_eq!(again.query(&plain), target.query(text));
    }
}

fn check_host(text: &[u8]) {
    let Ok(found) = Host::parse(text, text) else {
        return;
    };
    let name = found.name.of(text);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    assert!(!name.is_empty() && name.len() <= 253 && name.iter().all(plain));
    let mut rebuilt = name.to_vec();
    if let Some(port) = found.port {
        rebuilt.extend_from_slice(format!(":{port}").as_bytes());
    }
    assert_eq!(host::split(&rebuilt), Some((name, found.port)));
}

/// The segments that an origin sees which decodes everything and takes `\` for `/`.
fn eager_segments(path: &[u8], resolve: bool) -> Vec<Vec<u8>> {
    let mut decoded = vec![0; path.len()];
    let decoded = query::decode_path(path, &mut decoded).expect("room");
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment {
            b"." if resolve => {}
            b".." if resolve => {
                kept.pop();
            }
            _ => kept.push(segment.to_vec()),
        }
    }
    kept
}
