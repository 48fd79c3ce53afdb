//! What: the primary key that a request has in the cache.
//! Shape: the request of `head`, under the usual policy and under one that chooses.
//! Units: bytes.
//! Errors: a key that does not fit panics.
//! Source: docs/caching.md, the key.

use std::hint::black_box;

use tidegate_edge::cache::http::{
    hash::Uri,
    key::KeySource,
    policy::{KeyChoice, KeyPolicy, Names},
};

use super::{Operation, head};

const SCOPE: &[u8] = b"d1f0a2|orders|prod";

/// Writes that of the usual policy: the whole URI.
pub(super) fn write() -> Operation {
    write_under(KeyChoice::default())
}

/// Writes that of a policy with two parameters, a header and a cookie, which is digested.
pub(super) fn write_chosen() -> Operation {
    write_under(KeyChoice {
        query: Names::Listed(vec![b"page".to_vec(), b"sort".to_vec()]),
        headers: vec![b"accept-language".to_vec()],
        cookies: Names::Listed(vec![b"theme".to_vec()]),
        ..KeyChoice::default()
    })
}

fn write_under(choice: KeyChoice) -> Operation {
    let policy = KeyPolicy::new(choice).expect("a policy");
    let head = head::parsed();
    let mut key = [0; 1024];
    Box::new(move || {
        let bytes = black_box(head::BYTES);
        let source = KeySource {
            scope: SCOPE,
            uri: Uri {
                is_https: true,
                host: head.host.name.of(bytes),
                port: head.host.port,
                path: head.path(bytes),
                query: Some(head.query(bytes)),
            },
            fields: &head.fields,
            bytes,
            principal: None,
        };
        let written = policy.write(&source, &mut key).expect("room");
        black_box(&key[..written]);
    })
}
