//! The way of a hit allocates nothing: from the request's head to the head that answers it.

use crate::counted::count_here;
use tidegate_edge::{
    base::time::Wall,
    cache::http::{
        Decision, Draft, HttpCacheRules, KeyChoice, KeyPolicy, KeySource, Names, Normalise, Record,
        Request, Response, Serve, VaryNames, answer,
        encode::write_variants,
        hash::{Uri, uri_tag},
        report::{CACHE_STATUS_BYTES_MAX, CacheStatus, Outcome},
        serve, storable,
    },
    wire::{
        HeadLimits, HeadWriter, RequestHead, ResponseHead, ResponseTo, parse_request,
        parse_response,
    },
};

const REQUEST: &[u8] = b"GET /a/b?x=1&y=2 HTTP/1.1\r\nHost: Api.example\r\n\
    Accept-Language: en, de;q=0.5\r\nAccept-Encoding: gzip, br\r\nCookie: s=1; t=2\r\n\
    Authorization: Bearer x\r\nCache-Control: max-age=100\r\nIf-None-Match: \"f\"\r\n\
    Range: bytes=2-5\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nETag: \"e\"\r\n\
    Vary: Accept-Encoding, accept-language\r\nContent-Length: 10\r\n\r\n";
const NOW: Wall = Wall(1_757_400_000_250);

/// One hit on a variant, everything on the way switched on. Gives the length of its head.
fn hit(
    policy: &KeyPolicy,
    rules: &HttpCacheRules,
    head: &RequestHead,
    records: (&[u8], &[u8]),
    key: &mut [u8],
    out: &mut [u8],
) -> usize {
    let source = source(head);
    let request = Request::new(head, REQUEST, policy.caller(&source, true));
    let primary = policy.write(&source, key).expect("fits");
    let Some(Record::Variants(variants)) = Record::decode(records.0, 0) else {
        panic!("a list");
    };
    policy
        .write_variant(&source, &variants, primary, key)
        .expect("fits");
    let Some(Record::Response(stored)) = Record::decode(records.1, 10) else {
        panic!("a response");
    };
    let found = serve(&request, &stored, rules, policy.normalise(), NOW);
    let Serve::Fresh { age_s } = found else {
        panic!("{found:?}");
    };
    let mut writer = HeadWriter::new(out);
    answer(&request, &stored).write_head(&stored, Some(age_s), &mut writer);
    let status = CacheStatus {
        name: "tidegate",
        outcome: Outcome::Hit,
        ttl_s: Some(60),
        stored: false,
        collapsed: false,
        detail: None,
    };
    let mut text = [0; CACHE_STATUS_BYTES_MAX];
    writer.field(b"Cache-Status", status.write(&mut text));
    writer.end().expect("fits")
}

fn source(head: &RequestHead) -> KeySource<'_> {
    KeySource {
        scope: b"scope",
        uri: Uri {
            is_https: true,
            host: head.host.name.of(REQUEST),
            port: head.host.port,
            path: head.path(REQUEST),
            query: head.target.query.map(|query| query.of(REQUEST)),
        },
        fields: &head.fields,
        bytes: REQUEST,
        principal: Some(b"user 7"),
    }
}

#[test]
fn a_hit_allocates_nothing() {
    let policy = KeyPolicy::new(KeyChoice {
        query: Names::AllExcept(vec![b"y".to_vec()]),
        headers: vec![b"x-a".to_vec(), b"authorization".to_vec()],
        cookies: Names::Listed(vec![b"s".to_vec()]),
        partition: true,
        normalise: Normalise {
            encodings: true,
            languages_unordered: true,
        },
    })
    .expect("a policy");
    let rules = HttpCacheRules {
        request_directives: tidegate_edge::cache::http::RequestDirectivesRule::Honour,
        ..HttpCacheRules::default()
    };
    let limits = HeadLimits::default();
    let mut head = RequestHead::new();
    parse_request(REQUEST, &limits, &mut head).expect("well-formed");
    let mut answered = ResponseHead::new();
    parse_response(RESPONSE, &limits, ResponseTo::default(), &mut answered).expect("well-formed");
    let response = Response::new(&answered, RESPONSE, NOW, NOW, &rules);
    let source = source(&head);
    let request = Request::new(&head, REQUEST, policy.caller(&source, true));
    let Decision::Store(terms) = storable(&request, &response, &rules) else {
        panic!("storable");
    };
    let draft = Draft {
        request: &request,
        response: &response,
        terms: &terms,
        normalise: policy.normalise(),
        uri_tag: uri_tag(b"scope", &source.uri),
        body_bytes: None,
        is_dated: true,
    };
    let mut meta = [0; 4_096];
    let meta_bytes = draft.write(&mut meta).expect("fits");
    let mut list = [0; 1_024];
    let names = VaryNames::of_response(&response).expect("names");
    let list_bytes = write_variants(&names, 1, &mut list).expect("fits");
    let records = (&list[..list_bytes], &meta[..meta_bytes]);
    let (mut key, mut out) = ([0; 4_096], [0; 4_096]);
    // A first one may set up what lasts.
    hit(&policy, &rules, &head, records, &mut key, &mut out);
    let again = || hit(&policy, &rules, &head, records, &mut key, &mut out);
    let (allocations, len) = count_here(again);
    assert_eq!(allocations, 0);
    let text = std::str::from_utf8(&out[..len]).expect("text");
    assert!(
        text.starts_with("HTTP/1.1 206 Partial Content\r\n"),
        "{text}"
    );
    assert!(text.contains("Content-Range: bytes 2-5/10\r\n"), "{text}");
    assert!(
        text.contains("Cache-Status: tidegate; hit; ttl=60\r\n"),
        "{text}"
    );
}
