//! What is stored and under which terms.

use tidegate_edge::{
    cache::http::{
        Caller, Decision, HttpCacheRules, NegativeTtl, Response, SetCookieRule, storable,
    },
    wire::ResponseTo,
};

use super::text::{AnsweredText, AskedText, START, START_S, cut, date, table};

/// The decision in words: what gave the lifetime, its seconds, and what differs from nothing.
fn show(decision: Decision) -> String {
    let terms = match decision {
        Decision::Pass { reason, remember_s } => {
            return format!("pass {} {remember_s}", reason.as_str());
        }
        Decision::Store(terms) => terms,
    };
    let lifetime = terms.lifetime;
    let mut text = format!("{} {}", lifetime.source.as_str(), lifetime.seconds);
    for (value, word) in [
        (terms.initial_age_ms, "age"),
        (u64::from(terms.stale_while_revalidate_s), "swr"),
        (u64::from(terms.stale_if_error_s), "sie"),
    ] {
        if value > 0 {
            text += &format!(" {word} {value}");
        }
    }
    for (is_on, word) in [
        (terms.must_revalidate, " must"),
        (terms.no_cache, " no-cache"),
        (terms.immutable, " immutable"),
    ] {
        text += if is_on { word } else { "" };
    }
    text
}

fn decide(
    asked: (&str, &str),
    status: u16,
    lines: &str,
    rules: &HttpCacheRules,
    caller: Caller,
) -> String {
    let asked = AskedText::with(asked.0, &cut(asked.1));
    let lines: Vec<String> = cut(lines).into_iter().map(dated).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let answered = AnsweredText::with(status, &lines);
    let response = answered.facts(START, rules);
    show(storable(&asked.facts(caller), &response, rules))
}

/// `@n` at the end of a line is a date, n seconds from the start.
fn dated(line: &str) -> String {
    match line.split_once('@') {
        Some((name, delta)) => {
            let delta: i64 = delta.parse().expect("a number");
            format!("{name}{}", date(START_S + delta))
        }
        None => line.to_owned(),
    }
}

#[test]
fn requests_and_callers() {
    let rules = HttpCacheRules::default();
    for row in table(REQUESTS) {
        let [start, asks, caller, lines, expected] = row[..] else {
            panic!("{row:?}");
        };
        let caller = match caller {
            "InKey" => Caller::InKey,
            "Authorized" => Caller::Authorized,
            _ => Caller::Unknown,
        };
        let found = decide((start, asks), 200, lines, &rules, caller);
        assert_eq!(found, expected, "{row:?}");
    }
}

/// Request, its fields, who asks, fields of the answer, decision.
const REQUESTS: &str = r#"
GET / |  | Unknown | Cache-Control: max-age=5 | max-age 5 sie 86400
HEAD / |  | Unknown | Cache-Control: max-age=5 | pass method 0
POST / |  | Unknown | Cache-Control: max-age=5 | pass method 0
OPTIONS / |  | Unknown | Cache-Control: max-age=5 | pass method 0
GET / | Content-Length: 1 | Unknown | Cache-Control: max-age=5 | pass request-body 0
GET / | Content-Length: 0 | Unknown | Cache-Control: max-age=5 | max-age 5 sie 86400
GET / | Transfer-Encoding: chunked | Unknown | Cache-Control: max-age=5 | pass request-body 0
GET / | If-Match: "a" | Unknown | Cache-Control: max-age=5 | pass precondition 0
GET / | if-unmodified-since: x | Unknown | Cache-Control: max-age=5 | pass precondition 0
GET / | Cache-Control: no-store | Unknown | Cache-Control: max-age=5 | pass request-no-store 0
GET / | Authorization: x | Unknown | Cache-Control: max-age=5 | pass authorized 0
GET / | X-Api-Key: x | Unknown | Cache-Control: max-age=5 | pass authorized 0
GET / | X-Amz-Security-Token: x | Unknown | Cache-Control: max-age=5 | pass authorized 0
GET / | Cookie: x=y | Unknown | Cache-Control: max-age=5 | max-age 5 sie 86400
GET / | Authorization: x | InKey | Cache-Control: max-age=5 | max-age 5 sie 86400
GET / |  | Authorized | Cache-Control: max-age=5 | pass authorized 0
GET / |  | InKey | Cache-Control: max-age=5 | max-age 5 sie 86400
GET / | Authorization: x | Unknown | Cache-Control: public, max-age=5 | max-age 5 sie 86400
GET / | Authorization: x | Authorized | Cache-Control: s-maxage=5 | s-maxage 5 must
GET / | Authorization: x | Unknown | Cache-Control: must-revalidate, max-age=5 | max-age 5 must
GET / | Authorization: x | Unknown | Cache-Control: proxy-revalidate, max-age=5 | pass authorized 0
GET / | Authorization: x | Unknown | Cache-Control: private, public, max-age=5 | pass private 120
"#;

#[test]
fn responses() {
    let rules = HttpCacheRules::default();
    for row in table(RESPONSES) {
        let [status, lines, expected] = row[..] else {
            panic!("{row:?}");
        };
        let status = status.parse().expect("a status");
        let found = decide(("GET /", ""), status, lines, &rules, Caller::Unknown);
        assert_eq!(found, expected, "{status} {lines}");
    }
}

/// Status, fields, decision.
const RESPONSES: &str = r#"
200 |  | pass stale-without-validator 120
200 | ETag: "a" | nothing 0 sie 86400
200 | ETag: "a" ; ETag: "b" | pass stale-without-validator 120
200 | Last-Modified: x | pass stale-without-validator 120
200 | Cache-Control: public | pass stale-without-validator 120
206 | Cache-Control: max-age=5 | pass partial 0
416 | Cache-Control: max-age=5 | pass partial 0
304 | Cache-Control: max-age=5 | pass not-modified 0
201 | ETag: "a" | pass no-lifetime 120
201 | Cache-Control: max-age=5 | max-age 5 sie 86400
500 | ETag: "a" | pass no-lifetime 120
404 | ETag: "a" | nothing 0 sie 86400
200 | Cache-Control: no-store, max-age=5 | pass no-store 120
200 | Cache-Control: no-store, must-understand, max-age=5 | max-age 5 sie 86400
299 | Cache-Control: no-store, must-understand, max-age=5 | pass must-understand 120
299 | Cache-Control: must-understand, max-age=5 | pass must-understand 120
200 | Cache-Control: private | pass private 120
200 | Cache-Control: private="x", max-age=5 | max-age 5 sie 86400
200 | Cache-Control: x="y, max-age=5 | pass malformed 120
200 | Cache-Control: max-age=5 ; Set-Cookie: a=b | pass set-cookie 120
200 | Cache-Control: max-age=5, private="set-cookie" ; Set-Cookie: a=b | max-age 5 sie 86400
200 | Cache-Control: max-age=5 ; Vary: a, * | pass vary 120
200 | Cache-Control: max-age=5 ; Vary: a b | pass vary 120
200 | Cache-Control: max-age=5 ; Vary: a, b, | max-age 5 sie 86400
200 | Cache-Control: max-age=5 ; Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q | pass vary 120
200 | Cache-Control: max-age=5 ; Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,A | max-age 5 sie 86400
200 | Cache-Control: no-cache, max-age=5 | pass stale-without-validator 120
200 | Cache-Control: no-cache, max-age=5 ; ETag: "a" | max-age 5 must no-cache
200 | Cache-Control: max-age=5, stale-while-revalidate=7, stale-if-error=9 | max-age 5 swr 7 sie 9
200 | Cache-Control: max-age=5, stale-if-error=0 | max-age 5
200 | Cache-Control: s-maxage=5, stale-while-revalidate=7 | s-maxage 5 swr 7 must
200 | Cache-Control: max-age=5, must-revalidate, stale-while-revalidate=7 | max-age 5 must
200 | Cache-Control: max-age=5, proxy-revalidate, stale-if-error=7 | max-age 5 must
200 | Cache-Control: max-age=5, immutable | max-age 5 sie 86400 immutable
200 | Cache-Control: max-age=0 | pass stale-without-validator 120
200 | Cache-Control: max-age=0, stale-if-error=5 | max-age 0 sie 5
200 | Cache-Control: max-age=0, stale-while-revalidate=5 | max-age 0 swr 5 sie 86400
200 | Cache-Control: max-age=9 ; Age: 8 | max-age 9 age 8000 sie 86400
200 | Cache-Control: max-age=9 ; Age: 9 | pass stale-without-validator 120
200 | Cache-Control: max-age=9 ; Date: @-3 | max-age 9 age 3000 sie 86400
200 | Cache-Control: max-age=9 ; Date: @3 | max-age 9 sie 86400
200 | Cache-Control: max-age=9 ; Date: @-3 ; Age: 4 | max-age 9 age 4000 sie 86400
200 | Expires: @9 | expires 9 sie 86400
200 | Expires: @9 ; Date: @-2 | expires 11 age 2000 sie 86400
200 | Expires: @9 ; Expires: @1 | expires 9 sie 86400
200 | Expires: @-1 ; ETag: "a" | expires 0 sie 86400
200 | Expires: 0 ; ETag: "a" ; Last-Modified: @-999 | expires 0 sie 86400
200 | Last-Modified: @-1000 | heuristic 100 sie 86400
200 | Last-Modified: @-1000 ; Date: @-10 | heuristic 99 age 10000 sie 86400
200 | Last-Modified: @-99999999 | heuristic 86400 sie 86400
200 | Last-Modified: @5 | heuristic 0 sie 86400
201 | Last-Modified: @-1000 | pass no-lifetime 120
201 | Last-Modified: @-1000 ; Cache-Control: public | heuristic 100 sie 86400
200 | CDN-Cache-Control: max-age=7 ; Cache-Control: no-store | max-age 7 sie 86400
200 | CDN-Cache-Control: no-store ; Cache-Control: max-age=7 | pass no-store 120
200 | CDN-Cache-Control: x ; Expires: @9 ; Cache-Control: max-age=9 | pass stale-without-validator 120
200 | CDN-Cache-Control: 1 ; Cache-Control: max-age=7 | max-age 7 sie 86400
200 | Cache-Control: max-age=99999999999 | max-age 31536000 sie 86400
"#;

#[test]
fn bodies() {
    let rows = [
        ("Content-Length: 4", "max-age 5 sie 86400"),
        ("Content-Length: 5", "pass too-large 120"),
        ("Transfer-Encoding: chunked", "max-age 5 sie 86400"),
        ("Server: x", "pass close-delimited 120"),
    ];
    let rules = HttpCacheRules {
        body_bytes_max: 4,
        ..HttpCacheRules::default()
    };
    for (line, expected) in rows {
        let text = format!("HTTP/1.1 200 x\r\nCache-Control: max-age=5\r\n{line}\r\n\r\n");
        let answered = AnsweredText::of(text, ResponseTo::default());
        let asked = AskedText::get(&[]);
        let response = answered.facts(START, &rules);
        let found = show(storable(&asked.facts(Caller::Unknown), &response, &rules));
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn rules_of_an_operator() {
    let plain = HttpCacheRules::default();
    let least = HttpCacheRules {
        ttl_min_s: 60,
        ..plain.clone()
    };
    let overrides = HttpCacheRules {
        ttl_min_overrides: true,
        ..least.clone()
    };
    let most = HttpCacheRules {
        ttl_max_s: 30,
        stale_while_revalidate_s: 40,
        ..plain.clone()
    };
    let default = HttpCacheRules {
        ttl_default_s: 70,
        ..least.clone()
    };
    let negative = HttpCacheRules {
        negative: vec![
            NegativeTtl {
                status: 404,
                ttl_s: 10,
            },
            NegativeTtl {
                status: 503,
                ttl_s: 2,
            },
            NegativeTtl {
                status: 200,
                ttl_s: 99,
            },
        ],
        ..default.clone()
    };
    let cookies = HttpCacheRules {
        set_cookie: SetCookieRule::Store,
        heuristic_percent: 0,
        stale_if_error_s: 0,
        ..plain
    };
    for row in table(RULES) {
        let [name, status, lines, expected] = row[..] else {
            panic!("{row:?}");
        };
        let rules = match name {
            "least" => &least,
            "overrides" => &overrides,
            "most" => &most,
            "default" => &default,
            "negative" => &negative,
            _ => &cookies,
        };
        let status = status.parse().expect("a status");
        let found = decide(("GET /", ""), status, lines, rules, Caller::Unknown);
        assert_eq!(found, expected, "{row:?}");
    }
}

/// Rules, status, fields, decision.
const RULES: &str = r#"
least | 200 | Cache-Control: max-age=5 | max-age 60 sie 86400
least | 200 | Cache-Control: max-age=90 | max-age 90 sie 86400
least | 200 | Expires: 0 | expires 60 sie 86400
least | 200 |  | nothing 60 sie 86400
least | 201 |  | pass no-lifetime 120
least | 404 | Cache-Control: max-age=5 | max-age 5 sie 86400
least | 200 | Cache-Control: no-store | pass no-store 120
least | 200 | Cache-Control: private | pass private 120
least | 200 | Cache-Control: no-cache ; ETag: "a" | nothing 60 must no-cache
overrides | 200 | Cache-Control: no-store | nothing 60 sie 86400
overrides | 200 | Cache-Control: private, max-age=99 | max-age 99 sie 86400
overrides | 200 | Cache-Control: no-cache | nothing 60 sie 86400
overrides | 200 | Cache-Control: max-age=9 ; Vary: * | pass vary 120
overrides | 200 | Cache-Control: private ; Set-Cookie: a=b | pass set-cookie 120
most | 200 | Cache-Control: max-age=90 | max-age 30 swr 30 sie 30
most | 200 | Cache-Control: max-age=9, stale-while-revalidate=8 | max-age 9 swr 8 sie 30
default | 200 |  | default 70 sie 86400
default | 200 | Last-Modified: @-9000 | default 70 sie 86400
default | 404 | Last-Modified: @-9000 | heuristic 900 sie 86400
negative | 404 | Last-Modified: @-9000 | negative 10 sie 86400
negative | 503 |  | negative 2 sie 86400
negative | 503 | Cache-Control: max-age=5 | max-age 5 sie 86400
negative | 503 | Cache-Control: no-store | pass no-store 120
negative | 502 |  | pass no-lifetime 120
negative | 200 |  | default 70 sie 86400
cookies | 200 | Cache-Control: max-age=5 ; Set-Cookie: a=b | max-age 5
cookies | 200 | Last-Modified: @-9000 | nothing 0
"#;

#[test]
fn a_slow_answer_is_older() {
    let rules = HttpCacheRules::default();
    let asked = AskedText::get(&[]);
    let answered = AnsweredText::with(200, &["Cache-Control: max-age=5", "Age: 1"]);
    let came = tidegate_edge::base::time::Wall(START.0 + 1_500);
    let bytes = answered.text.as_bytes();
    let response = Response::new(&answered.head, bytes, START, came, &rules);
    let found = show(storable(&asked.facts(Caller::Unknown), &response, &rules));
    assert_eq!(found, "max-age 5 age 2500 sie 86400");
    // A clock that is set back in between makes nothing younger than the answer says.
    let response = Response::new(&answered.head, bytes, came, START, &rules);
    let found = show(storable(&asked.facts(Caller::Unknown), &response, &rules));
    assert_eq!(found, "max-age 5 age 1000 sie 86400");
}

#[test]
fn how_long_a_response_is_worth_its_place() {
    let rules = HttpCacheRules {
        stale_if_error_s: 3,
        keep_stale_s: 50,
        ..HttpCacheRules::default()
    };
    let rows = [
        ("max-age=10", false, 13_000),
        ("max-age=10", true, 60_000),
        ("max-age=10, stale-while-revalidate=70", true, 80_000),
        ("max-age=10, must-revalidate", false, 10_000),
        ("max-age=10, no-cache", true, 60_000),
    ];
    for (allows, has_validator, expected_ms) in rows {
        let mut lines = vec![format!("Cache-Control: {allows}")];
        lines.extend(has_validator.then(|| "ETag: \"e\"".to_owned()));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let asked = AskedText::get(&[]);
        let answered = AnsweredText::with(200, &lines);
        let response = answered.facts(START, &rules);
        let Decision::Store(terms) = storable(&asked.facts(Caller::Unknown), &response, &rules)
        else {
            panic!("{allows}");
        };
        assert_eq!(
            terms.keep_for_ms(has_validator, &rules),
            expected_ms,
            "{allows}"
        );
    }
}
