//! The resource tree and the host map by examples, and against a slow obvious model.
//!
//! Rows marked "recorded" come from the real service (`GET /users/me` falling through to a
//! variable sibling, the greedy fallback by method, double slashes).

use proptest::prelude::*;
use tidegate_edge::route::{
    ApiHosts, Asked, Found, Headers, HostFault, HostMap, HostMapBuilder, InsertFault, Params,
    RouteIndex, StageIndex, Tree, TreeBuilder, Verb, VerbKey, tree::STEPS_MAX,
};

fn key(verb: &str) -> VerbKey {
    match verb {
        "ANY" => VerbKey::Any,
        token => VerbKey::One(Verb::from_token(token.as_bytes())),
    }
}

fn build(methods: &[(&str, &str)]) -> Result<Tree, InsertFault> {
    let mut builder = TreeBuilder::new();
    for (index, (verb, path)) in methods.iter().enumerate() {
        if *verb == "-" {
            builder.resource(path)?;
        } else {
            let route = RouteIndex(u32::try_from(index).expect("small table"));
            builder.insert(path, key(verb), route)?;
        }
    }
    builder.finish()
}

/// `VERB /resource {name=value …}` or `none`; the one function that touches the tree.
fn look_up(tree: &Tree, methods: &[(&str, &str)], verb: &str, path: &str) -> String {
    let mut params = Params::new();
    let found = tree.find(
        path.as_bytes(),
        0,
        Verb::from_token(verb.as_bytes()),
        &mut params,
    );
    let Some(RouteIndex(index)) = found else {
        assert!(params.as_slice().is_empty(), "a miss leaves no parameters");
        return "none".to_owned();
    };
    let (verb, resource) = methods[index as usize];
    let mut text = format!("{verb} {resource}");
    for param in params.as_slice() {
        text += &format!(" {}={}", tree.name(param.name), &path[param.range()]);
    }
    text
}

/// The API of the recorded cases.
const RECORDED: &[(&str, &str)] = &[
    ("POST", "/test"),
    ("OPTIONS", "/{proxy+}"),
    ("ANY", "/part1"),
    ("GET", "/part1/{tail+}"),
    ("GET", "/users/{userId}"),
    ("PATCH", "/users/me"),
    ("POST", "/roles/provision"),
    ("GET", "/roles/{roleId}"),
    ("GET", "/things/real"),
    ("ANY", "/things/{proxy+}"),
    ("-", "/jobs"),
    ("GET", "/jobs/{operation}"),
    ("GET", "/"),
    ("GET", "/any"),
    ("ANY", "/any"),
    ("GET", "/a/b/c"),
    ("GET", "/a/{x}/d"),
    ("GET", "/{one}/{two}/{three}"),
    ("GET", "/api.v1:batch/x_y-z"),
];

const RECORDED_ROWS: &[(&str, &str, &str)] = &[
    ("GET", "/", "GET /"),
    ("GET", "", "GET /"),
    ("OPTIONS", "/", "none"), // recorded: the greedy variable does not match the root
    ("POST", "/test", "POST /test"),
    ("POST", "/test/", "POST /test"), // recorded: trailing slash
    ("OPTIONS", "/test", "OPTIONS /{proxy+} proxy=test"), // recorded: other method
    ("OPTIONS", "/test/x/y", "OPTIONS /{proxy+} proxy=test/x/y"),
    (
        "OPTIONS",
        "/proxy-value/",
        "OPTIONS /{proxy+} proxy=proxy-value",
    ), // recorded
    (
        "OPTIONS",
        "/proxy-value//double-slash",
        "OPTIONS /{proxy+} proxy=proxy-value//double-slash", // recorded
    ),
    ("GET", "/part1/random", "GET /part1/{tail+} tail=random"), // recorded
    ("PUT", "/part1", "ANY /part1"),
    (
        "OPTIONS",
        "/part1/random",
        "OPTIONS /{proxy+} proxy=part1/random",
    ),
    ("DELETE", "/part1/random", "none"),
    ("GET", "/users/me", "GET /users/{userId} userId=me"), // recorded
    ("PATCH", "/users/me", "PATCH /users/me"),             // recorded
    ("GET", "/users/abc123", "GET /users/{userId} userId=abc123"),
    ("POST", "/users/me", "none"), // recorded: 403 Missing Authentication Token
    ("POST", "/roles/provision", "POST /roles/provision"),
    (
        "GET",
        "/roles/provision",
        "GET /roles/{roleId} roleId=provision",
    ), // recorded
    ("GET", "/things/real", "GET /things/real"),
    ("POST", "/things/real", "ANY /things/{proxy+} proxy=real"), // recorded
    ("POST", "/things", "none"),
    ("POST", "/things/", "none"),
    ("POST", "/things//", "none"), // an empty value is no match
    ("POST", "/things//x", "ANY /things/{proxy+} proxy=/x"),
    ("OPTIONS", "/jobs", "OPTIONS /{proxy+} proxy=jobs"), // recorded: resource without methods
    (
        "OPTIONS",
        "/jobs/reboot",
        "OPTIONS /{proxy+} proxy=jobs/reboot",
    ),
    (
        "GET",
        "/jobs/reboot",
        "GET /jobs/{operation} operation=reboot",
    ),
    ("GET", "/jobs//", "none"),
    (
        "GET",
        "/users/test%2Balias@gmail.com",
        "GET /users/{userId} userId=test%2Balias@gmail.com", // recorded: stays encoded
    ),
    (
        "GET",
        "/users/a%2Fb;c=d",
        "GET /users/{userId} userId=a%2Fb;c=d",
    ),
    (
        "GET",
        "/users/a/b",
        "GET /{one}/{two}/{three} one=users two=a three=b",
    ),
    ("GET", "/users//b", "none"), // an empty segment is no parameter
    ("GET", "/any", "GET /any"),
    ("POST", "/any", "ANY /any"),
    ("PROPFIND", "/any", "ANY /any"),
    ("get", "/any", "ANY /any"), // verbs are case-sensitive
    ("GET", "/ANY", "none"),
    ("GET", "/a/b/c", "GET /a/b/c"),
    ("GET", "/a/b/d", "GET /a/{x}/d x=b"), // the literal has no such child
    (
        "GET",
        "/a/b/e",
        "GET /{one}/{two}/{three} one=a two=b three=e",
    ),
    ("GET", "/api.v1:batch/x_y-z", "GET /api.v1:batch/x_y-z"),
    ("GET", "*", "none"),
    ("GET", "no-slash", "none"),
];

#[test]
fn the_tree_by_example() {
    let tree = build(RECORDED).expect("a legal API");
    for (verb, path, expected) in RECORDED_ROWS {
        assert_eq!(
            look_up(&tree, RECORDED, verb, path),
            *expected,
            "{verb} {path}"
        );
    }
}

#[test]
fn the_resource_path_may_start_inside_the_path() {
    let tree = build(&[("GET", "/pets/{id}")]).expect("a legal API");
    let mut params = Params::new();
    let path = b"/dev/pets/7/";
    let found = tree.find(path, 4, Verb::Get, &mut params);
    assert_eq!(found, Some(RouteIndex(0)));
    assert_eq!(params.value(0, path), Some(&b"7"[..]));
    assert_eq!(tree.find(path, 5, Verb::Get, &mut params), None);
    assert_eq!(tree.find(path, 99, Verb::Get, &mut params), None);
}

#[test]
fn a_path_beyond_the_offsets_misses() {
    let tree = build(&[("GET", "/{proxy+}")]).expect("a legal API");
    let mut params = Params::new();
    for (bytes, hit) in [(65_535, true), (65_536, false)] {
        let path = format!("/{}", "x".repeat(bytes - 1));
        let found = tree.find(path.as_bytes(), 0, Verb::Get, &mut params);
        assert_eq!(found.is_some(), hit, "{bytes}");
    }
}

#[test]
fn resource_paths_that_are_refused() {
    let deep = "/a".repeat(65);
    let wide = (0..33).map(|n| format!("/{{p{n}}}")).collect::<String>();
    let long = format!("/{}", "x".repeat(257));
    let rows: &[(&str, &str)] = &[
        ("pets", "starts with `/`"),
        ("", "starts with `/`"),
        ("//", "empty part"),
        ("/a//b", "empty part"),
        ("/a b", "`a b` is no path part"),
        ("/a%20b", "is no path part"),
        ("/ä", "is no path part"),
        ("/.", "cannot be reached"),
        ("/a/../b", "cannot be reached"),
        ("/{}", "is no path variable"),
        ("/{+}", "is no path variable"),
        ("/{a b}", "is no path variable"),
        ("/x{a}", "is no path variable"),
        ("/{a}.json", "is no path variable"),
        ("/{a", "is no path variable"),
        ("/{a+}/b", "must be the last part"),
        ("/{a}/{a}", "stands twice"),
        ("/{a}/{a+}", "stands twice"),
        (&deep, "65 parts"),
        (&wide, "33 variables"),
        (&long, "longer than"),
    ];
    for (path, expected) in rows {
        let fault = build(&[("GET", path)]).expect_err(path).to_string();
        assert!(fault.contains(expected), "{path}: {fault}");
    }
}

#[test]
fn methods_that_collide_are_refused() {
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[("GET", "/a"), ("GET", "/a")], "GET is declared twice"),
        (&[("GET", "/a"), ("GET", "/a/")], "GET is declared twice"),
        (&[("ANY", "/a"), ("ANY", "/a")], "ANY is declared twice"),
        (&[("GET", "/{a}"), ("PUT", "/{b}")], "sibling named `a`"),
        (&[("GET", "/{a+}"), ("PUT", "/{b+}")], "sibling named `a`"),
    ];
    for (methods, expected) in rows {
        let fault = build(methods).expect_err(expected).to_string();
        assert!(fault.contains(expected), "{methods:?}: {fault}");
    }
    build(&[("GET", "/{a}"), ("GET", "/{b+}"), ("ANY", "/{a}")]).expect("no collision");
}

/// Every level of `depth` has a literal and a variable part, so lookups can fail exponentially
/// late; the builder knows the cost and refuses before a client can use it.
#[test]
fn the_worst_lookup_is_known_when_the_tree_is_built() {
    fn full(depth: u32) -> Result<Tree, InsertFault> {
        let mut builder = TreeBuilder::new();
        for bits in 0..1u32 << depth {
            let path: String = (0..depth)
                .map(|level| {
                    if bits >> level & 1 == 0 {
                        "/a".to_owned()
                    } else {
                        format!("/{{p{level}}}")
                    }
                })
                .collect();
            builder.insert(&path, VerbKey::One(Verb::Get), RouteIndex(bits))?;
        }
        builder.finish()
    }
    let tree = full(7).expect("255 steps");
    assert_eq!(tree.steps(), 255);
    let mut params = Params::new();
    let miss = tree.find(b"/a/a/a/a/a/a/a", 0, Verb::Put, &mut params);
    assert_eq!(miss, None, "every node entered once, none twice");
    assert_eq!(
        full(9).map(|tree| tree.steps()),
        Err(InsertFault::TooManySteps { steps: 1023 })
    );
    let flat: Vec<String> = (0..5000).map(|n| format!("/resource-{n}")).collect();
    let methods: Vec<(&str, &str)> = flat.iter().map(|path| ("GET", path.as_str())).collect();
    let tree = build(&methods).expect("a wide API");
    assert_eq!(tree.steps(), 2, "width costs nothing");
    assert!(tree.steps() < STEPS_MAX);
    for path in &flat {
        assert_eq!(look_up(&tree, &methods, "GET", path), format!("GET {path}"));
    }
    assert_eq!(look_up(&tree, &methods, "GET", "/resource-5000"), "none");
}

/// The obvious model: every resource whose pattern matches the whole path and that serves the
/// verb is a candidate; compared part by part, literal < variable < greedy decides.
fn model(methods: &[(&str, &str)], verb: &str, path: &str) -> String {
    let path = match path.strip_suffix('/') {
        Some(rest) => rest,
        None => path,
    };
    let segments: Vec<&str> = if path.is_empty() {
        Vec::new()
    } else {
        path[1..].split('/').collect()
    };
    let mut best: Option<(Vec<u8>, bool, String)> = None;
    for (own, resource) in methods {
        if *own != verb && *own != "ANY" {
            continue;
        }
        let Some((ranks, values)) = match_one(resource, &segments) else {
            continue;
        };
        let candidate = (ranks, *own == "ANY", format!("{own} {resource}{values}"));
        if best
            .as_ref()
            .is_none_or(|best| (&candidate.0, candidate.1) < (&best.0, best.1))
        {
            best = Some(candidate);
        }
    }
    best.map_or("none".to_owned(), |(_, _, text)| text)
}

fn match_one(resource: &str, segments: &[&str]) -> Option<(Vec<u8>, String)> {
    let parts: Vec<&str> = resource
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let mut ranks = Vec::new();
    let mut values = String::new();
    for (index, part) in parts.iter().enumerate() {
        if let Some(name) = part.strip_suffix("+}") {
            let rest = segments.get(index..)?.join("/");
            if rest.is_empty() {
                return None;
            }
            ranks.push(2);
            values += &format!(" {}={rest}", &name[1..]);
            return Some((ranks, values));
        }
        let segment = segments.get(index)?;
        if let Some(name) = part.strip_prefix('{') {
            if segment.is_empty() {
                return None;
            }
            ranks.push(1);
            values += &format!(" {}={segment}", name.trim_end_matches('}'));
        } else if part == segment {
            ranks.push(0);
        } else {
            return None;
        }
    }
    (parts.len() == segments.len()).then_some((ranks, values))
}

fn any_resource() -> impl Strategy<Value = String> {
    // One variable name per level, so that most drawn resources are no conflicting siblings.
    let part = prop_oneof![4 => "[ab]", 2 => Just("ab".to_owned()), 3 => Just("{}".to_owned())];
    (prop::collection::vec(part, 0..4), prop::bool::weighted(0.3)).prop_map(|(parts, greedy)| {
        let mut path = String::new();
        for (level, part) in parts.iter().enumerate() {
            path += &match part.as_str() {
                "{}" => format!("/{{p{level}}}"),
                text => format!("/{text}"),
            };
        }
        if greedy {
            path += "/{rest+}";
        }
        if path.is_empty() {
            "/".to_owned()
        } else {
            path
        }
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(&["a", "b", "a", "b", "ab", "ab", "%2F", ""][..]);
    (prop::collection::vec(segment, 0..6), any::<bool>()).prop_map(|(segments, slash)| {
        let mut path: String = segments.iter().map(|text| format!("/{text}")).collect();
        if slash {
            path.push('/');
        }
        path
    })
}

const MODEL_VERBS: &[&str] = &["GET", "POST", "ANY"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tree_and_model_agree(
        drawn in prop::collection::vec((prop::sample::select(MODEL_VERBS), any_resource()), 1..14),
        paths in prop::collection::vec(any_path(), 1..12),
    ) {
        let mut methods: Vec<(&str, &str)> = Vec::new();
        for (verb, resource) in &drawn {
            let pair = (*verb, resource.as_str());
            if !methods.contains(&pair) {
                methods.push(pair);
            }
        }
        let tree = build(&methods).expect("no duplicates, one name per place");
        for path in &paths {
            for verb in ["GET", "POST", "PUT"] {
                prop_assert_eq!(
                    look_up(&tree, &methods, verb, path),
                    model(&methods, verb, path),
                    "{} {} in {:?}", verb, path, methods
                );
            }
        }
    }

    #[test]
    fn any_bytes_are_harmless(path in prop::collection::vec(any::<u8>(), 0..80), from in 0usize..90) {
        let tree = build(RECORDED).expect("a legal API");
        let mut params = Params::new();
        let _ = tree.find(&path, from, Verb::Options, &mut params);
        for param in params.as_slice() {
            prop_assert!(path.get(param.range()).is_some_and(|value| !value.is_empty()));
        }
    }
}

fn hosts() -> HostMap {
    let mut builder = HostMapBuilder::new();
    let stage = |n| StageIndex(n);
    builder.stage(None, "dev", stage(0)).expect("free");
    builder.stage(None, "prod", stage(1)).expect("free");
    builder.root("api.example.com", stage(2)).expect("free");
    builder.root("*.example.com", stage(3)).expect("free");
    builder
        .stage(Some("two.example.org"), "dev", stage(4))
        .expect("free");
    builder.root("[::1]", stage(5)).expect("free");
    builder.root("EXAMPLE.net.", stage(6)).expect("free");
    builder.finish()
}

#[test]
fn hosts_and_stages_by_example() {
    let map = hosts();
    // host, path, stage, where the path starts, where the resource path starts
    let rows: &[(&str, &str, Option<(u32, &str, &str)>)] = &[
        ("localhost:8080", "/dev/x", Some((0, "/dev/x", "/x"))),
        ("localhost", "/prod", Some((1, "/prod", ""))),
        ("localhost", "/prod/", Some((1, "/prod/", "/"))),
        ("localhost", "/dev//x", Some((0, "/dev//x", "/x"))), // recorded
        ("localhost", "//dev/x", Some((0, "/dev/x", "/x"))),  // recorded
        (
            "localhost",
            "///dev///x//y",
            Some((0, "/dev///x//y", "/x//y")),
        ),
        ("localhost", "/DEV/x", None),
        ("localhost", "/devel/x", None),
        ("localhost", "/", None),
        ("localhost", "", None),
        ("localhost", "*", None),
        ("", "/dev/x", Some((0, "/dev/x", "/x"))),
        ("api.example.com", "/dev/x", Some((2, "/dev/x", "/dev/x"))),
        ("API.Example.COM:443", "/", Some((2, "/", "/"))),
        ("api.example.com.", "//x", Some((2, "/x", "/x"))),
        ("other.example.com", "/x", Some((3, "/x", "/x"))),
        ("a.b.example.com", "/dev/x", Some((0, "/dev/x", "/x"))), // one label only
        (".example.com", "/x", None),
        ("example.com", "/dev/x", Some((0, "/dev/x", "/x"))),
        ("two.example.org", "/dev/x", Some((4, "/dev/x", "/x"))),
        ("two.example.org", "/prod/x", None), // a named host does not fall through
        ("[::1]:8443", "/x", Some((5, "/x", "/x"))),
        ("example.NET", "/x", Some((6, "/x", "/x"))),
    ];
    for (host, path, expected) in rows {
        let place = map.place(host.as_bytes(), path.as_bytes());
        let seen = place.map(|place| {
            let StageIndex(stage) = place.stage;
            (
                stage,
                &path[place.path_from..],
                &path[place.resource_from..],
            )
        });
        assert_eq!(seen, *expected, "{host} {path}");
    }
}

/// Two APIs with default hosts, one of them private, and a domain with base paths.
fn service() -> HostMap {
    let mut builder = HostMapBuilder::new();
    let stage = |n| StageIndex(n);
    let pets = [("dev", stage(0)), ("prod", stage(1))];
    let api = |id, stages, is_private, vpc_endpoints| ApiHosts {
        id,
        stages,
        is_private,
        vpc_endpoints,
        ..ApiHosts::default()
    };
    let endpoint = ["vpce-0a1".to_owned()];
    let inner = [("prod", stage(2))];
    for hosts in [
        api("pets01", &pets[..], false, &[][..]),
        api("inner-7", &inner[..], true, &endpoint[..]),
        ApiHosts {
            default: Some(stage(3)),
            ..api("http9", &[], false, &[])
        },
        ApiHosts {
            is_closed: true,
            ..api("shut", &[], false, &[])
        },
    ] {
        builder.api(&hosts).expect("free");
    }
    builder.stage(None, "dev", stage(0)).expect("free");
    let domain = "api.example.com";
    builder.domain(domain).expect("free");
    let bases = [
        ("v1", Some(stage(1)), &[][..]),
        ("v1/x", Some(stage(0)), &[][..]),
        ("any", None, &pets[..]),
        ("", Some(stage(2)), &[][..]),
    ];
    for (path, stage, names) in bases {
        builder.base(domain, path, stage, names).expect("free");
    }
    builder.domain("*.example.org").expect("free");
    let all = builder.base("*.example.org", "", None, &pets);
    all.expect("free");
    builder.finish()
}

#[test]
fn default_hosts_and_base_paths_by_example() {
    let map = service();
    // host, header, path, (stage, base path, resource path), or why not
    let aws = "pets01.execute-api.eu-central-1.amazonaws.com";
    let local = "pets01.execute-api.localhost";
    let domain = "api.example.com";
    type Expected<'e> = Result<(u32, &'e str, &'e str), Found>;
    const NOTHING: Result<(u32, &str, &str), Found> = Err(Found::Nothing);
    const HEALTH: Result<(u32, &str, &str), Found> = Err(Found::Health);
    let rows: &[(&str, Option<&str>, &str, Expected<'_>)] = &[
        (aws, None, "/dev/x", Ok((0, "", "/x"))),
        (aws, None, "//prod//x/", Ok((1, "", "/x/"))),
        (aws, None, "/other/x", NOTHING),
        (aws, None, "/ping", HEALTH),
        (aws, None, "//sping", HEALTH),
        (aws, None, "/ping/x", NOTHING),
        (
            "PETS01.Execute-Api.LocalHost:8080",
            None,
            "/prod",
            Ok((1, "", "")),
        ),
        (local, Some("inner-7"), "/dev/x", Ok((0, "", "/x"))),
        ("none.execute-api.localhost", None, "/dev/x", NOTHING),
        // No default host, so like any other: without a region, or with two.
        ("pets01.execute-api.amazonaws.com", None, "/prod/x", NOTHING),
        (
            "pets01.execute-api.a.b.amazonaws.com",
            None,
            "/dev/x",
            Ok((0, "", "/x")),
        ),
        (
            "pets01.execute-api.cn-north-1.amazonaws.com.cn",
            None,
            "/prod/",
            Ok((1, "", "/")),
        ),
        ("shut.execute-api.localhost", None, "/dev/x", NOTHING),
        ("shut.execute-api.localhost", None, "/ping", NOTHING),
        (
            "http9.execute-api.localhost",
            None,
            "/dev/x",
            Ok((3, "", "/dev/x")),
        ),
        (
            "inner-7.execute-api.localhost",
            None,
            "/prod/x",
            Ok((2, "", "/x")),
        ),
        (
            "inner-7-vpce-0A1.execute-api.localhost",
            None,
            "/prod/x",
            Ok((2, "", "/x")),
        ),
        (
            "inner-7-vpce-0a2.execute-api.localhost",
            None,
            "/prod/x",
            NOTHING,
        ),
        (
            "pets01-vpce-0a1.execute-api.localhost",
            None,
            "/dev/x",
            NOTHING,
        ), // not private
        (
            "vpce-0a1.execute-api.eu.vpce.amazonaws.com",
            Some("inner-7"),
            "/prod/x",
            Ok((2, "", "/x")),
        ),
        ("10.0.0.1", Some("inner-7"), "/prod/x", Ok((2, "", "/x"))),
        ("10.0.0.1", Some("nobody"), "/dev/x", NOTHING),
        ("10.0.0.1", None, "/dev/x", Ok((0, "", "/x"))),
        (domain, None, "/v1/pets", Ok((1, "/v1", "/pets"))),
        (domain, None, "/v1", Ok((1, "/v1", ""))),
        (domain, None, "//v1//pets", Ok((1, "/v1", "/pets"))),
        (domain, None, "/v1/x/y", Ok((0, "/v1/x", "/y"))),
        (domain, None, "/v1/xy", Ok((1, "/v1", "/xy"))), // whole segments
        (domain, None, "/v10/pets", Ok((2, "", "/v10/pets"))),
        (domain, None, "/", Ok((2, "", "/"))),
        (domain, None, "/any/prod/x", Ok((1, "/any", "/x"))),
        (domain, None, "/any//dev//x", Ok((0, "/any", "/x"))),
        (domain, None, "/any/none/x", NOTHING), // the longest decides alone
        (domain, None, "/any", NOTHING),
        (domain, None, "/ping", HEALTH),
        ("a.example.org", None, "/prod/x", Ok((1, "", "/x"))),
        ("a.example.org", None, "/x", NOTHING),
    ];
    for (host, api_id, path, expected) in rows {
        let asked = Asked {
            host: host.as_bytes(),
            path: path.as_bytes(),
            api_id: api_id.map(str::as_bytes),
            headers: Headers::default(),
        };
        let seen = match map.find(&asked) {
            Found::Place(place) => Ok((
                place.stage.0,
                &path[place.path_from..place.base_to],
                &path[place.resource_from..],
            )),
            other => Err(other),
        };
        assert_eq!(seen, *expected, "{host} {path}");
    }
}

#[test]
fn hosts_that_are_refused() {
    let long = format!("{}.com", "x".repeat(64));
    for host in [
        "", "*", "*.", "a..b", "-a.com", "a b", "a.com:80", "http://a", "*a.com", "a.*.com",
        "[::1", "[zz]", &long,
    ] {
        let fault = HostMapBuilder::new().root(host, StageIndex(0));
        assert!(
            matches!(fault, Err(HostFault::BadHost { .. })),
            "{host}: {fault:?}"
        );
    }
    let mut builder = HostMapBuilder::new();
    builder.root("a.com", StageIndex(0)).expect("free");
    builder
        .stage(Some("b.com"), "dev", StageIndex(1))
        .expect("free");
    let rows = [
        builder.root("A.com", StageIndex(2)),
        builder.stage(Some("b.com"), "dev", StageIndex(2)),
        builder.stage(Some("a.com"), "dev", StageIndex(2)),
        builder.root("b.com", StageIndex(2)),
    ];
    for fault in rows {
        assert!(fault.is_err());
    }
}
