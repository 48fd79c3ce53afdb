//! Fuzz body: a record and a key as a damaged or hostile store may give them.
//!
//! Asserts: nothing panics; whatever is read lies within its bounds and can be sent; reading twice
//! gives the same. Shape: eight bytes of body length, then the record. Units: bytes. Errors: a
//! broken promise panics. Source: the layout in `cache/http/record.rs` and `cache/http/key.rs`.

use tidegate_edge::{
    base::time::Wall,
    cache::http::{
        Answer, Caller, HttpCacheRules, KeyView, Normalise, Record, Request, Serve, Stored, answer,
        serve,
    },
    wire::{HeadLimits, RequestHead, parse_request},
};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    if let Some(view) = KeyView::decode(data) {
        assert!(view.scope.len() + view.host.len() + view.path.len() <= data.len());
    }
    let Some((length, meta)) = data.split_first_chunk::<8>() else {
        return;
    };
    let body_bytes = u64::from_le_bytes(*length);
    match Record::decode(meta, body_bytes) {
        Some(Record::Response(stored)) => check_response(&stored, meta),
        Some(Record::Variants(variants)) => assert!(variants.names.iter().count() > 0),
        Some(Record::Uncacheable(note)) => assert!(!note.holds(note.until)),
        Some(Record::Mark(_)) | None => {}
    }
}

fn check_response(stored: &Stored<'_>, meta: &[u8]) {
    assert!((200..=599).contains(&stored.status));
    let lines = stored.whole_lines();
    assert!(lines.ends_with(b"\r\n") && lines.len() < meta.len());
    assert!(lines.len() >= stored.field_lines().len() + "HTTP/1.1 \r\n".len());
    assert!(stored.field_lines().starts_with(stored.shared_lines()));
    assert!(stored.fields().count() <= lines.len() && stored.tags().count() <= meta.len());
    assert!(stored.age_ms(Wall(u64::MAX)) >= stored.age_ms(Wall(0)));
    for text in REQUESTS {
        let mut head = RequestHead::new();
        parse_request(text, &HeadLimits::default(), &mut head).expect("well-formed");
        let request = Request::new(&head, text, Caller::Unknown);
        let how = answer(&request, stored);
        let (at, bytes) = how.body(&request, stored);
        assert!(
            at.checked_add(bytes)
                .is_some_and(|end| end <= stored.body_bytes)
        );
        if let Answer::Partial { first, last } = how {
            assert!(first <= last && last < stored.body_bytes);
        }
        let rules = HttpCacheRules::default();
        let now = Wall(stored.response_time.0.saturating_add(1_000));
        let served = serve(&request, stored, &rules, Normalise::default(), now);
        if stored.no_cache {
            assert!(!matches!(served, Serve::Fresh { .. } | Serve::Stale { .. }));
        }
    }
}

const REQUESTS: [&[u8]; 3] = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\nX-Lang: de\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n",
];
