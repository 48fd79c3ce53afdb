//! Fuzz body: a request, its response and what a cache makes of them.
//!
//! Asserts: what must not be stored is not; what is stored reads back, is a well-formed head
//! without a field of the connection, answers its own request, and can be updated by itself.
//! Shape: a request head, then a response head. Units: bytes. Errors: a broken promise panics.
//! Source: RFC 9111 sections 3, 4 and 4.3.4.

use tidegate_edge::{
    base::time::Wall,
    cache::http::{
        Caller, Decision, Draft, HttpCacheRules, KeyPolicy, KeySource, KeyView, MissReason,
        Normalise, Record, Request, Response, Serve, answer,
        freshen::Scratch,
        hash::{Uri, uri_tag},
        serve, storable,
    },
    wire::{
        HeadFinder, HeadLimits, HeadWriter, Known, Method, RequestHead, ResponseHead, ResponseTo,
        parse_request, parse_response,
    },
};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let limits = HeadLimits::default();
    let Ok(Some(end)) = HeadFinder::request().find(data, &limits) else {
        return;
    };
    let (asked, answered) = data.split_at(end);
    let mut head = RequestHead::new();
    if parse_request(asked, &limits, &mut head).is_err() {
        return;
    }
    let request = Request::new(&head, asked, Caller::Unknown);
    let uri = Uri {
        is_https: true,
        host: head.host.name.of(asked),
        port: head.host.port,
        path: head.path(asked),
        query: head.target.query.map(|query| query.of(asked)),
    };
    check_key(&head, asked, uri);
    let to = ResponseTo {
        head: head.method == Method::Head,
        upgrade: false,
    };
    let mut answer_head = ResponseHead::new();
    if parse_response(answered, &limits, to, &mut answer_head).is_err() {
        return;
    }
    let rules = HttpCacheRules::default();
    let response = Response::new(&answer_head, answered, Wall(NOW_MS), Wall(NOW_MS), &rules);
    if let Decision::Store(terms) = storable(&request, &response, &rules) {
        assert!(head.method == Method::Get && !response.allows.private);
        assert!(!response.head.fields.has(Known::SetCookie) || response.allows.withholds);
        let draft = Draft {
            request: &request,
            response: &response,
            terms: &terms,
            normalise: Normalise::default(),
            uri_tag: uri_tag(b"", &uri),
            body_bytes: Some(BODY_BYTES),
            is_dated: true,
        };
        check_record(&draft, &rules);
    }
}

fn check_key(head: &RequestHead, bytes: &[u8], uri: Uri<'_>) {
    let source = KeySource {
        scope: b"scope",
        uri,
        fields: &head.fields,
        bytes,
        principal: None,
    };
    let mut key = vec![0; 65_536];
    let len = KeyPolicy::default()
        .write(&source, &mut key)
        .expect("heads are smaller");
    let view = KeyView::decode(&key[..len]).expect("a key of ours");
    assert_eq!(view.path, uri.path);
    assert!(view.host.eq_ignore_ascii_case(uri.host));
}

fn check_record(draft: &Draft<'_>, rules: &HttpCacheRules) {
    let (request, response) = (draft.request, draft.response);
    let mut meta = vec![0; 65_536];
    let Ok(len) = draft.write(&mut meta) else {
        return;
    };
    let body_bytes = match response.head.framing {
        tidegate_edge::wire::Framing::None => 0,
        tidegate_edge::wire::Framing::Length(length) => length,
        _ => BODY_BYTES,
    };
    let Some(Record::Response(stored)) = Record::decode(&meta[..len], body_bytes) else {
        panic!("a record of ours does not decode");
    };
    assert_eq!(stored.status, response.head.status);
    let served = serve(request, &stored, rules, Normalise::default(), Wall(NOW_MS));
    assert!(
        !matches!(served, Serve::Miss(MissReason::Vary)),
        "it answers its own request"
    );
    assert_eq!(
        matches!(served, Serve::Fresh { .. }),
        draft.terms.fresh_for_ms() > 0
    );
    let mut out = vec![0; 70_000];
    let mut writer = HeadWriter::new(&mut out);
    answer(request, &stored).write_head(&stored, Some(0), &mut writer);
    let len = writer.end().expect("fits");
    let limits = HeadLimits {
        head_bytes_max: 65_536,
        fields_max: 256,
        ..HeadLimits::default()
    };
    let mut sent = ResponseHead::new();
    parse_response(&out[..len], &limits, ResponseTo::default(), &mut sent).expect("well-formed");
    assert!(sent.fields.iter().all(|field| !field.hop_by_hop));
    let mut scratch = Scratch::default();
    if let Some(merged) = scratch.merge(&stored, response, rules) {
        assert_eq!(merged.head.status, stored.status);
        assert_eq!(merged.etag().unwrap_or(b""), stored.etag);
    }
}

/// Some time in 2025.
const NOW_MS: u64 = 1_757_400_000_250;
const BODY_BYTES: u64 = 10;
