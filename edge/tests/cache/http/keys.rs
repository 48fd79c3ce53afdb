//! Keys: one for what is one, and never one for two.

use tidegate_edge::cache::http::{
    Caller, KeyChoice, KeyFault, KeyPolicy, KeySource, KeyView, Names, Normalise, Record,
    encode::write_variants,
    hash::{Uri, uri_tag},
    policy::PolicyFault,
};
use tidegate_edge::cache::http::{HttpCacheRules, VaryNames};

use super::text::{AnsweredText, AskedText, START, cut, table};

/// A key of `GET target` with these lines.
pub(crate) fn key(
    policy: &KeyPolicy,
    target: &str,
    lines: &[&str],
    principal: Option<&str>,
) -> Vec<u8> {
    let asked = AskedText::with(&format!("GET {target}"), lines);
    let mut out = vec![0; 65_536];
    let source = source(&asked, principal);
    let len = policy.write(&source, &mut out).expect("fits");
    out.truncate(len);
    out
}

fn source<'a>(asked: &'a AskedText, principal: Option<&'a str>) -> KeySource<'a> {
    let bytes = asked.text.as_bytes();
    KeySource {
        scope: b"api/stage",
        uri: Uri {
            is_https: true,
            host: asked.head.host.name.of(bytes),
            port: asked.head.host.port,
            path: asked.head.path(bytes),
            query: asked.head.target.query.map(|query| query.of(bytes)),
        },
        fields: &asked.head.fields,
        bytes,
        principal: principal.map(str::as_bytes),
    }
}

pub(crate) fn list(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

pub(crate) fn policy(query: Names, headers: &[&str], cookies: Names, partition: bool) -> KeyPolicy {
    KeyPolicy::new(KeyChoice {
        query,
        headers: list(headers),
        cookies,
        partition,
        normalise: Normalise::default(),
    })
    .expect("a policy")
}

#[test]
fn pairs_of_requests() {
    let cookies = |names| policy(Names::All, &[], names, false);
    let query = |names| policy(names, &[], Names::None, false);
    let fields = &["X-A", "Authorization"];
    let policies = [
        ("all", KeyPolicy::default()),
        ("none", query(Names::None)),
        ("some", query(Names::Listed(list(&["a", "b"])))),
        ("except", query(Names::AllExcept(list(&["utm"])))),
        ("head", policy(Names::All, fields, Names::None, false)),
        ("cookies", cookies(Names::Listed(list(&["s"])))),
        ("all_cookies", cookies(Names::All)),
        ("most_cookies", cookies(Names::AllExcept(list(&["t"])))),
    ];
    for row in table(PAIRS) {
        let [name, target, lines, other_target, other_lines, expected] = row[..] else {
            panic!("{row:?}");
        };
        let (_, policy) = policies
            .iter()
            .find(|(known, _)| *known == name)
            .expect(name);
        let one = key(policy, target, &cut(lines), None);
        let other = key(policy, other_target, &cut(other_lines), None);
        assert_eq!(one == other, expected == "same", "{row:?}");
    }
}

/// Policy, two requests with their fields, whether they have one key. Whatever an origin could take
/// for a listed parameter counts.
const PAIRS: &str = r#"
all | /a |  | /a | X: y ; Cookie: a=b ; Authorization: z | same
all | /a |  | /A |  | other
all | /a |  | /a? |  | other
all | /a?x |  | /a?x= |  | other
all | /a?x&y |  | /a?y&x |  | other
all | /a/b |  | /a%2Fb |  | other
none | /a |  | /a?x |  | same
some | /?a=1&c=2 |  | /?a=1 |  | same
some | /?a=1&b=2 |  | /?b=2&a=1 |  | same
some | /?a=1&b=2 |  | /?a=2&b=1 |  | other
some | /?a=1&a=2 |  | /?a=2&a=1 |  | other
some | /?a |  | /?a= |  | other
some | /?a=1 |  | /?a=1&a=1 |  | other
some | /?a=1 |  | /?b=1 |  | other
some | / |  | /? |  | same
some | / |  | /?c=1 |  | same
some | /?a=1 |  | /?a=1&%61=2 |  | other
some | /?c=1 |  | /?c=1;a=2 |  | other
some | /?c=1 |  | /?c=1&A=2 |  | other
some | /?c=1 |  | /?c=1&a[]=2 |  | other
some | /?c=1 |  | /?c=1&%zz=2 |  | other
except | /?x=1&utm=2 |  | /?x=1 |  | same
except | /?utm=2 |  | /?u%74m=3 |  | same
except | /?x=1&y=2 |  | /?y=2&x=1 |  | other
except | /?utm=2 |  | /?UTM=2 |  | other
except | /?utm=2 |  | /?utm=2;x=1 |  | other
head | / | X-A: 1, 2 | / | x-a: 1 ; X-A: 2 | same
head | / | X-A: 1 | / | X-A: 1 ; X-B: 2 | same
head | / | X-A: 1 | / |  | other
head | / | X-A:  | / |  | other
head | / | X-A: "1 , 2" | / | X-A: "1,2" | other
head | / | X-A: "1 ; X-A: 2" | / | X-A: "1,2" | other
head | / | Authorization: a | / | Authorization: b | other
cookies | / | Cookie: s=1; t=2 | / | Cookie: t=3; s=1 | same
cookies | / | Cookie: s=1 | / | Cookie: s=2 | other
cookies | / | Cookie: s=1 | / |  | other
cookies | / | Cookie: s=1 | / | Cookie: s=1; s=2 | other
cookies | / | Cookie: s= | / |  | other
all_cookies | / | Cookie: s=1; t=2 | / | Cookie: s=1; t=3 | other
most_cookies | / | Cookie: s=1; t=2 | / | Cookie: t=4; s=1 | same
most_cookies | / | Cookie: s=1; t=2 | / | Cookie: s=1; T=2 | other
"#;

const URI: Uri<'static> = Uri {
    is_https: true,
    host: b"host",
    port: None,
    path: b"/a",
    query: None,
};

/// The key of `uri` under `scope`, asked for without any field but Host.
fn key_of(policy: &KeyPolicy, scope: &[u8], uri: Uri<'_>) -> Vec<u8> {
    let asked = AskedText::get(&[]);
    let mut out = vec![0; 1_024];
    let plain = source(&asked, None);
    let source = KeySource {
        scope,
        uri,
        ..plain
    };
    let len = policy.write(&source, &mut out).expect("fits");
    out.truncate(len);
    out
}

#[test]
fn every_part_of_a_uri_counts() {
    let policy = KeyPolicy::default();
    let own = key_of(&policy, b"s", URI);
    let tag = uri_tag(b"s", &URI);
    let at_port = |port| Uri {
        port: Some(port),
        ..URI
    };
    let plain = Uri {
        is_https: false,
        ..at_port(443)
    };
    let other_host = Uri {
        host: b"hostx",
        ..URI
    };
    let shouted = Uri {
        host: b"HOST",
        ..URI
    };
    let other_path = Uri { path: b"/", ..URI };
    let empty_query = Uri {
        query: Some(b""),
        ..URI
    };
    for (other, is_same) in [
        (URI, true),
        (shouted, true),
        (at_port(443), true),
        (at_port(80), false),
        (plain, false),
        (other_host, false),
        (other_path, false),
        (empty_query, false),
    ] {
        assert_eq!(key_of(&policy, b"s", other) == own, is_same, "{other:?}");
        assert_eq!(uri_tag(b"s", &other) == tag, is_same, "{other:?}");
    }
    assert_ne!(uri_tag(b"t", &URI), tag);
}

#[test]
fn scopes_and_policies_are_parts() {
    let own = key_of(&KeyPolicy::default(), b"api/stage", URI);
    assert_ne!(key_of(&KeyPolicy::default(), b"other", URI), own);
    let other = policy(Names::None, &[], Names::None, false);
    assert_ne!(
        key_of(&other, b"api/stage", URI),
        own,
        "another policy never finds it"
    );
    let reduced = KeyPolicy::new(KeyChoice {
        normalise: Normalise {
            encodings: true,
            ..Normalise::default()
        },
        ..KeyChoice::default()
    });
    let reduced = reduced.expect("a policy");
    assert_ne!(
        key_of(&reduced, b"api/stage", URI),
        own,
        "however alike they are"
    );
    let view = KeyView::decode(&own).expect("a key");
    assert_eq!((view.scope, view.host), (&b"api/stage"[..], &b"host"[..]));
    assert_eq!((view.port, view.path), (443, &b"/a"[..]));
    assert!(view.is_https && !view.is_variant);
    for end in 0..own.len() {
        let _ = KeyView::decode(&own[..end]);
    }
    let asked = AskedText::get(&[]);
    let found = KeyPolicy::default().write(&source(&asked, None), &mut [0; 16]);
    assert_eq!(found, Err(KeyFault::TooLong));
}

#[test]
fn callers_never_share() {
    let apart = policy(Names::All, &[], Names::None, true);
    let callers: [(Option<&str>, &[&str]); 7] = [
        (None, &[]),
        (Some(""), &[]),
        (Some("a"), &[]),
        (Some("b"), &["Authorization: a"]),
        (None, &["Authorization: a"]),
        (None, &["Authorization: b"]),
        (None, &["X-Api-Key: a"]),
    ];
    let keys: Vec<Vec<u8>> = callers
        .iter()
        .map(|(principal, lines)| key(&apart, "/", lines, *principal))
        .collect();
    for (at, one) in keys.iter().enumerate() {
        for (other_at, other) in keys.iter().enumerate() {
            assert_eq!(one == other, at == other_at, "{at} {other_at}");
        }
    }
    // Whoever is in no key is authorized for themselves alone.
    let shared = KeyPolicy::default();
    for (policy, (principal, lines), is_authorized, expected) in [
        (&apart, callers[0], false, Caller::Unknown),
        (&apart, callers[0], true, Caller::Authorized),
        (&apart, callers[2], true, Caller::InKey),
        (&apart, callers[4], false, Caller::InKey),
        (&apart, callers[6], true, Caller::InKey),
        (&shared, callers[2], true, Caller::Authorized),
        (&shared, callers[4], false, Caller::Unknown),
    ] {
        let asked = AskedText::get(lines);
        let found = policy.caller(&source(&asked, principal), is_authorized);
        assert_eq!(found, expected, "{principal:?} {lines:?}");
    }
    // The gateway's word counts, whatever else the request says.
    let same = key(&apart, "/", &["Authorization: x"], Some("b"));
    assert_eq!(same, keys[3]);
    let secret = "Authorization: very-secret-credential";
    let with = policy(Names::All, &["authorization"], Names::All, true);
    let written = key(&with, "/", &[secret, "Cookie: very-secret-cookie"], None);
    assert!(!String::from_utf8_lossy(&written).contains("very-secret"));
}

#[test]
fn variants_are_told_apart_by_what_selects_them() {
    let policy = KeyPolicy::default();
    let rules = HttpCacheRules::default();
    let answered = AnsweredText::with(200, &["Vary: X-Lang, Accept-Encoding"]);
    let response = answered.facts(START, &rules);
    let names = VaryNames::of_response(&response).expect("names");
    let variant = |nonce: u64, lines: &[&str]| {
        let mut list = [0; 512];
        let len = write_variants(&names, nonce, &mut list).expect("fits");
        let Some(Record::Variants(variants)) = Record::decode(&list[..len], 0) else {
            panic!("a list");
        };
        let asked = AskedText::get(lines);
        let mut out = [0; 1_024];
        let source = source(&asked, None);
        let primary = policy.write(&source, &mut out).expect("fits");
        let len = policy
            .write_variant(&source, &variants, primary, &mut out)
            .expect("fits");
        let mut short = out;
        let room = &mut short[..len - 1];
        let fault = policy.write_variant(&source, &variants, primary, room);
        assert_eq!(fault, Err(KeyFault::TooLong));
        assert!(KeyView::decode(&out[..len]).expect("a key").is_variant);
        out[..len].to_vec()
    };
    let de = variant(1, &["X-Lang: de", "Accept-Encoding: gzip, br"]);
    assert_eq!(
        variant(1, &["accept-encoding: gzip,br", "x-lang:de", "Other: 1"]),
        de
    );
    assert_ne!(variant(2, &["X-Lang: de", "Accept-Encoding: gzip, br"]), de);
    assert_ne!(variant(1, &["X-Lang: en", "Accept-Encoding: gzip, br"]), de);
    assert_ne!(variant(1, &["X-Lang: de"]), de);
    assert_ne!(variant(1, &["X-Lang: de", "Accept-Encoding: br, gzip"]), de);
    assert_ne!(key(&policy, "/", &["X-Lang: de"], None), de);
}

#[test]
fn reduced_values() {
    let normalise = Normalise {
        encodings: true,
        languages_unordered: true,
    };
    let policy = KeyPolicy::new(KeyChoice {
        headers: list(&["accept-encoding", "Accept-Language", "user-agent"]),
        normalise,
        ..KeyChoice::default()
    })
    .expect("a policy");
    let rows: &[(&str, &str, bool)] = &[
        (
            "Accept-Encoding: gzip, deflate, br",
            "Accept-Encoding: br;q=1, gzip",
            true,
        ),
        (
            "Accept-Encoding: gzip",
            "Accept-Encoding: gzip, br;q=0",
            true,
        ),
        (
            "Accept-Encoding: gzip",
            "Accept-Encoding: gzip, br;q=0.0",
            true,
        ),
        (
            "Accept-Encoding: gzip",
            "Accept-Encoding: gzip, br;q=0.01",
            false,
        ),
        ("Accept-Encoding: zstd", "Accept-Encoding: *", true),
        ("Accept-Encoding: zstd", "Accept-Encoding: br", false),
        (
            "Accept-Language: de, en;q=0.5",
            "Accept-Language: EN;\tq=0.5,De",
            true,
        ),
        ("Accept-Language: de", "Accept-Language: de, en", false),
        ("User-Agent: a, b", "User-Agent: a,b", false),
        ("User-Agent: a", "User-Agent: a", true),
    ];
    for (one, other, is_same) in rows {
        let found = key(&policy, "/", &cut(one), None) == key(&policy, "/", &cut(other), None);
        assert_eq!(found, *is_same, "{one:?} {other:?}");
    }
}

#[test]
fn choices_that_are_no_policy() {
    let many: Vec<Vec<u8>> = (0..65).map(|at| format!("n{at}").into_bytes()).collect();
    let rows = [
        (list(&[""]), PolicyFault::Name),
        (list(&["a b"]), PolicyFault::Name),
        (vec![vec![b'a'; 256]], PolicyFault::Name),
        (many.clone(), PolicyFault::TooMany),
    ];
    for (headers, fault) in rows {
        let choice = KeyChoice {
            headers,
            ..KeyChoice::default()
        };
        assert_eq!(KeyPolicy::new(choice), Err(fault));
    }
    let choice = KeyChoice {
        query: Names::Listed(many),
        ..KeyChoice::default()
    };
    assert_eq!(KeyPolicy::new(choice), Err(PolicyFault::TooMany));
    let sorted = policy(
        Names::Listed(list(&["b", "a", "b"])),
        &["X", "x"],
        Names::None,
        false,
    );
    assert_eq!(
        sorted,
        policy(Names::Listed(list(&["a", "b"])), &["x"], Names::None, false)
    );
    assert!(KeyPolicy::default().is_of_uri() && !sorted.is_of_uri());
}
