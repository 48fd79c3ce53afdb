//! Which stored response answers which request, and what happens when its origin fails.

use tidegate_edge::base::time::Wall;
use tidegate_edge::cache::http::{
    Caller, Failure, HttpCacheRules, MissReason, Normalise, OnFailure, RequestDirectivesRule,
    Serve, miss, on_failure, serve,
};

use super::{
    records::{record_of, stored},
    text::{AskedText, after, cut, table},
};

fn show(found: Serve<'_>) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    match found {
        Serve::Fresh { age_s } => format!("fresh {age_s}"),
        Serve::Stale { age_s, refresh } => {
            format!("stale {age_s}{}", if refresh { " refresh" } else { "" })
        }
        Serve::Revalidate { validators, reason } => format!(
            "ask {} {},{}",
            reason.as_str(),
            text(validators.if_none_match),
            text(validators.if_modified_since)
        ),
        Serve::Miss(reason) => format!("miss {}", reason.as_str()),
        Serve::GatewayTimeout => "504".to_owned(),
    }
}

fn rules(directives: RequestDirectivesRule) -> HttpCacheRules {
    HttpCacheRules {
        request_directives: directives,
        ..HttpCacheRules::default()
    }
}

#[test]
fn ages_and_client_directives() {
    let rules = rules(RequestDirectivesRule::Honour);
    for row in table(ROWS) {
        let [lines, later_s, start, asks, expected] = row[..] else {
            panic!("{row:?}");
        };
        let meta = record_of(200, &cut(lines));
        let asked = AskedText::with(start, &cut(asks));
        // The request took 20 ms, which count; the sums below are of whole seconds.
        let later_s: u64 = later_s.parse().expect("a number");
        let now = Wall(after(later_s).0 - 20);
        let request = asked.facts(Caller::Unknown);
        let found = serve(
            &request,
            &stored(&meta, 1),
            &rules,
            Normalise::default(),
            now,
        );
        assert_eq!(show(found), expected, "{row:?}");
    }
}

/// Fields of the stored response, seconds since, request, its fields, decision.
const ROWS: &str = r#"
Cache-Control: max-age=10 | 0 | GET / |  | fresh 0
Cache-Control: max-age=10 | 9 | GET / |  | fresh 9
Cache-Control: max-age=10 | 10 | GET / |  | ask stale ,
Cache-Control: max-age=10 ; ETag: "e" | 10 | GET / |  | ask stale "e",
Cache-Control: max-age=10 | 9 | HEAD / |  | fresh 9
Cache-Control: max-age=10 | 9 | POST / |  | miss method
Cache-Control: max-age=10 | 9 | PURGE / |  | miss method
Cache-Control: max-age=10 | 9 | GET / | Content-Length: 1 | miss request-body
Cache-Control: max-age=10 | 9 | GET / | If-Match: * | miss precondition
Cache-Control: max-age=10 ; Vary: x-lang | 9 | GET / | X-Lang: de | fresh 9
Cache-Control: max-age=10 ; Vary: x-lang | 9 | GET / | X-Lang: en | miss vary
Cache-Control: max-age=10 ; Vary: x-lang | 9 | GET / |  | miss vary
Cache-Control: max-age=10, no-cache ; ETag: "e" | 1 | GET / |  | ask no-cache "e",
Cache-Control: max-age=10 ; Age: 5 | 4 | GET / |  | fresh 9
Cache-Control: max-age=10 ; Age: 5 | 5 | GET / |  | ask stale ,
Cache-Control: max-age=10 | 3 | GET / | Cache-Control: max-age=2 | ask request ,
Cache-Control: max-age=10 | 3 | GET / | Cache-Control: max-age=3 | fresh 3
Cache-Control: max-age=10 | 3 | GET / | Cache-Control: min-fresh=7 | fresh 3
Cache-Control: max-age=10 | 3 | GET / | Cache-Control: min-fresh=8 | ask request ,
Cache-Control: max-age=10 | 3 | GET / | Cache-Control: no-cache | ask request ,
Cache-Control: max-age=10 | 3 | GET / | Pragma: no-cache | ask request ,
Cache-Control: max-age=10 | 3 | GET / | Pragma: no-cache ; Cache-Control: x | fresh 3
Cache-Control: max-age=10 | 3 | GET / | Cache-Control: no-store | fresh 3
Cache-Control: max-age=10 | 3 | GET / | Cache-Control: only-if-cached | fresh 3
Cache-Control: max-age=10 | 13 | GET / | Cache-Control: only-if-cached | 504
Cache-Control: max-age=10 | 13 | GET / | Cache-Control: only-if-cached, max-stale | stale 13
Cache-Control: max-age=10 ; Vary: x-lang | 3 | GET / | Cache-Control: only-if-cached | 504
Cache-Control: max-age=10 | 3 | POST / | Cache-Control: only-if-cached | miss method
Cache-Control: max-age=10 | 13 | GET / | Cache-Control: max-stale | stale 13
Cache-Control: max-age=10 | 13 | GET / | Cache-Control: max-stale=2 | ask stale ,
Cache-Control: max-age=10 | 13 | GET / | Cache-Control: max-stale=3 | stale 13
Cache-Control: max-age=10 | 13 | GET / | Cache-Control: max-stale=9, max-age=9 | ask request ,
Cache-Control: max-age=10, must-revalidate | 13 | GET / | Cache-Control: max-stale | ask stale ,
Cache-Control: s-maxage=10 | 13 | GET / | Cache-Control: max-stale | ask stale ,
Cache-Control: max-age=10, stale-while-revalidate=5 | 14 | GET / |  | stale 14 refresh
Cache-Control: max-age=10, stale-while-revalidate=5 | 15 | GET / |  | ask stale ,
Cache-Control: max-age=10, stale-while-revalidate=5 | 14 | GET / | Cache-Control: max-age=60 | ask stale ,
Cache-Control: max-age=10, stale-while-revalidate=5 | 14 | GET / | Cache-Control: min-fresh=1 | ask request ,
Cache-Control: max-age=10, immutable | 9 | GET / | Cache-Control: max-age=0 | fresh 9
Cache-Control: max-age=10, immutable | 10 | GET / | Cache-Control: max-age=0 | ask request ,
Cache-Control: max-age=10, immutable | 9 | GET / | Cache-Control: no-cache | ask request ,
"#;

#[test]
fn clients_are_not_heard_unless_the_rules_say_so() {
    let meta = record_of(200, &["Cache-Control: max-age=10"]);
    let stored = stored(&meta, 1);
    for line in [
        "no-cache",
        "max-age=0",
        "min-fresh=60",
        "only-if-cached",
        "max-stale",
    ] {
        let line = format!("Cache-Control: {line}");
        let asked = AskedText::get(&[&line]);
        let request = asked.facts(Caller::Unknown);
        let rules = rules(RequestDirectivesRule::Ignore);
        let found = serve(&request, &stored, &rules, Normalise::default(), after(5));
        assert_eq!(show(found), "fresh 5", "{line}");
        let found = serve(&request, &stored, &rules, Normalise::default(), after(50));
        assert_eq!(show(found), "ask stale ,", "{line}");
        let found = miss(&request, MissReason::Absent, &rules);
        assert_eq!(show(found), "miss absent", "{line}");
    }
}

#[test]
fn failing_origins() {
    let rules = rules(RequestDirectivesRule::Honour);
    for row in table(FAILURES) {
        let [allows, later_s, asks, status, expected] = row[..] else {
            panic!("{row:?}");
        };
        let line = format!("Cache-Control: {allows}");
        let meta = record_of(200, &[&line, "ETag: \"e\""]);
        let asks = format!("Cache-Control: {asks}");
        let asked = AskedText::get(&[&asks]);
        let later_s: u64 = later_s.parse().expect("a number");
        let now = Wall(after(later_s).0 - 20);
        let failure = match status.parse() {
            Ok(status) => Failure::Status(status),
            Err(_) => Failure::Unreachable,
        };
        let request = asked.facts(Caller::Unknown);
        let found = match on_failure(&request, &stored(&meta, 1), &rules, failure, now) {
            OnFailure::Stale { age_s } => format!("stale {age_s}"),
            OnFailure::GatewayTimeout => "504".to_owned(),
            OnFailure::Forward => "forward".to_owned(),
        };
        assert_eq!(found, expected, "{row:?}");
    }
}

/// Cache-Control as stored, seconds since, Cache-Control of the request, what came, decision.
const FAILURES: &str = r#"
max-age=10 | 15 |  | none | stale 15
max-age=10 | 15 |  | 503 | stale 15
max-age=10 | 15 |  | 500 | stale 15
max-age=10 | 15 |  | 501 | forward
max-age=10 | 15 |  | 404 | forward
max-age=10 | 90000 |  | none | forward
max-age=10, stale-if-error=6 | 15 |  | 502 | stale 15
max-age=10, stale-if-error=5 | 15 |  | 502 | forward
max-age=10, stale-if-error=0 | 15 |  | none | forward
max-age=10, stale-if-error=0 | 15 | stale-if-error=9 | none | stale 15
max-age=10, must-revalidate | 15 |  | none | 504
max-age=10, must-revalidate | 15 | stale-if-error=9 | none | 504
max-age=10, proxy-revalidate | 15 |  | none | 504
s-maxage=10 | 15 |  | none | 504
s-maxage=10, stale-if-error=9 | 15 |  | none | stale 15
max-age=10, must-revalidate | 15 |  | 503 | forward
max-age=10, no-cache | 5 |  | none | 504
max-age=10, no-cache, stale-if-error=99 | 5 |  | none | 504
max-age=10 | 5 | no-cache | none | forward
"#;
