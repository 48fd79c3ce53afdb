//! What `explain` says about requests to the sample configuration.
//!
//! Shape: rows of a request and the words the text has. Units: none. Errors: words that are not
//! there. Source: `configs/full.toml` and the documents it names.

use std::path::PathBuf;

use tidegate::{
    explain::explain,
    process::{Sources, load::load},
};

#[test]
fn requests_are_explained() {
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("configs/full.toml");
    let loaded = load(
        &Sources {
            config: Some(config),
            ..Sources::default()
        },
        7,
    );
    let plan = loaded.plan.as_ref().expect("the sample compiles");
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "GET",
            "/dev/pets/a%2Fb?x=1",
            &[
                "dev of \"Petstore\" (petstore01), found by path",
                "GET /pets/{petId}",
                "petstore.yaml:52",
                "petId = a%2Fb",
                "GET /pets/a%2Fb?x=1, Host: pets.example.com",
                "pets, least_outstanding",
                "https://10.0.0.1:8443  region eu-central-1, priority 0, weight 2",
                "checks: GET / every 5000 ms",
                "body 10485760 B",
                "revision     7",
                "cache        none",
                "`stage_cache.stages` does not name `dev`",
                "API key      not needed",
                "throttles    1. client address: 100 a second, 200 at once, for one client address",
                "\n             2. account: 20000 a second, 10000 at once, for all stages",
                "first at once: client address; first at a steady rate: client address",
            ],
        ),
        (
            "GET",
            "https://api.example.com/pets?type=dog",
            &[
                "prod of",
                "found by host",
                "X-Shop",
                "GET /pets?type=dog, Host: pets.example.com",
                "timeout      5000 ms",
                "cache        stage cache, 300 s",
                "region       own of petstore01/prod, 512 MiB",
                "max-age=0 is ignored with a Warning",
                "key          stage: prod of petstore01",
                "namespace: /pets",
            ],
        ),
        (
            "POST",
            "/prod/pets",
            &[
                "stage cache, 60 s",
                "\n             2. account: 20000 a second, 10000 at once, for all stages",
                "\n             3. stage: 1000 a second, 500 at once, for this stage",
                "\n             4. method: 10 a second, 20 at once, for this method",
                "refuses      first at once: method; first at a steady rate: method",
                "max-age=0 gets a fresh answer",
                "method: POST",
            ],
        ),
        (
            "GET",
            "http://localhost/echo/anything/a?v=1&x=2",
            &[
                "cache        edge policy `images`",
                "region       common, 512 MiB",
                "not kept: no-store, private, Set-Cookie, Vary: *",
                "lifetime     s-maxage, max-age or Expires, from 0 to 31536000 s",
                "404 without them 10 s",
                "URL: http://localhost:80/echo/anything/a",
                "query: only size, v: of v=1&x=2",
                "forwarded    query v=1",
                "/anything/a?v=1, Host",
                "header accept: absent",
            ],
        ),
        (
            "DELETE",
            "/echo/anything/a",
            &["not cached   the origin is always asked (method)"],
        ),
        (
            "GET",
            "/prod/",
            &[
                "mock, answers 200",
                "not cached   a mock answers from the plan",
            ],
        ),
        (
            "PURGE",
            "/dev/files/a/b",
            &["ANY /files/{proxy+}", "PURGE /files/a/b"],
        ),
        (
            "DELETE",
            "/dev/pets",
            &["403", "not for this verb", "GET", "POST"],
        ),
        ("GET", "/dev/pet", &["403", "no such resource", "/pets"]),
        (
            "GET",
            "/def/pets",
            &["403", "/dev/…", "/prod/…", "http://api.example.com/…"],
        ),
        ("GET", "/dev/../x", &["400", "dot segment"]),
        ("TRACE", "/dev/pets", &["405"]),
    ];
    for (method, url, words) in rows {
        let explanation = explain(plan, &loaded.configuration, (method, url, &[]));
        let text = explanation.to_string();
        for word in *words {
            assert!(
                text.contains(word),
                "{method} {url}: no {word:?} in\n{text}"
            );
        }
        let json: serde_json::Value =
            serde_json::from_str(&explanation.to_json()).expect("valid JSON");
        assert_eq!(json["method"], *method);
        assert_eq!(json["refusal"].is_object(), explanation.refusal.is_some());
    }
}

/// Headers choose the rule of a domain, and the rule the stage.
#[test]
fn rules_of_domains_are_explained() {
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("configs/full.toml");
    let sources = Sources {
        config: Some(config),
        ..Sources::default()
    };
    let loaded = load(&sources, 1);
    let plan = loaded.plan.as_ref().expect("the sample compiles");
    // headers, path, words
    let rows: &[(&[(&str, &str)], &str, &[&str])] = &[
        (
            &[("x-version", "beta-2")],
            "/pets/v1/pets",
            &["dev of", "found by rule 10", "GET /pets"],
        ),
        (
            &[("x-version", "Beta-2")],
            "/pets/v1/pets",
            &["prod of", "found by base path", "GET /pets"],
        ),
        (
            &[],
            "/pets/v1/pets",
            &["prod of", "found by base path", "GET /pets"],
        ),
        (&[("X-Version", "beta-2")], "/other", &["403"]),
        (&[("Host", "b")], "/pets/v1/pets", &["400"]),
    ];
    for (headers, path, words) in rows {
        let headers: Vec<(String, String)> = (headers.iter())
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let url = format!("https://shop.example.com{path}");
        let explanation = explain(plan, &loaded.configuration, ("GET", &url, &headers));
        let text = explanation.to_string();
        for word in *words {
            assert!(
                text.contains(word),
                "{headers:?} {path}: no {word:?} in\n{text}"
            );
        }
    }
}
