//! Routing rules of custom domains that cannot be.

use serde_json::{Value, json};

use crate::documents::{api, findings_of, ok_mock, settings};

/// What is wrong with routing rules, each at its place.
#[test]
fn faulty_routing_rules_are_refused() {
    let rule = |more: Value| {
        let mut rule = json!({ "priority": 5, "api": "a1", "stage": "dev" });
        let given = more.as_object().expect("members").clone();
        rule.as_object_mut().expect("members").extend(given);
        rule
    };
    let when = |condition: Value| vec![rule(json!({ "conditions": [condition] }))];
    let header = |name: &str, glob: &str| {
        when(json!({ "match_headers": [{ "header": name, "value_glob": glob }] }))
    };
    let paths = |list: Value| when(json!({ "match_base_paths": list }));
    let version = json!({ "match_headers": [{ "header": "x", "value_glob": "1" }] });
    let base = json!({ "match_base_paths": ["v1"] });
    let at = "E settings /domains/0/rules/0";
    let rows: Vec<(Vec<Value>, String)> = vec![
        (vec![rule(json!({}))], "none".to_owned()),
        (
            vec![rule(json!({ "priority": 0 }))],
            format!("{at}/priority: 0 is no priority"),
        ),
        (
            vec![rule(json!({ "priority": 1_000_001 }))],
            format!("{at}/priority: 1000001 is no priority"),
        ),
        (
            vec![rule(json!({})), rule(json!({}))],
            "E settings /domains/0/rules/1/priority: the priority 5 stands twice".to_owned(),
        ),
        (
            vec![rule(json!({ "api": "a2" }))],
            format!("{at}/api: there is no API `a2`"),
        ),
        (
            vec![rule(json!({ "stage": "prod" }))],
            format!("{at}/stage: the API `a1` has no stage `prod`"),
        ),
        (
            header("a b", "1"),
            format!("{at}/conditions/0/match_headers/0/header: `a b` is no header"),
        ),
        (
            header("x", "a*b"),
            format!("{at}/conditions/0/match_headers/0/value_glob: `a*b` is no glob: `*` stands"),
        ),
        (
            header("x", ""),
            format!("{at}/conditions/0/match_headers/0/value_glob: `` is no glob: it is empty"),
        ),
        (
            paths(json!(["v1", "v1//x"])),
            format!("{at}/conditions/0/match_base_paths/1: `v1//x` is no base path"),
        ),
        (
            paths(json!(["/"])),
            format!("{at}/conditions/0/match_base_paths/0: `/` is no base path"),
        ),
        (
            paths(json!([])),
            format!("{at}/conditions/0/match_base_paths: the list of base paths is empty"),
        ),
        (
            when(json!({ "match_headers": [] })),
            format!("{at}/conditions/0/match_headers: the list of headers is empty"),
        ),
        (
            when(json!({})),
            format!("{at}/conditions/0: the condition says nothing"),
        ),
        (
            when(json!({ "match_base_paths": ["v1"], "match_headers": [] })),
            format!("{at}/conditions/0: a condition is on paths or on headers"),
        ),
        (
            vec![rule(json!({ "conditions": [base, base] }))],
            format!("{at}/conditions/1: a rule has one condition on paths"),
        ),
        (
            vec![rule(json!({ "conditions": [version, version, version] }))],
            format!("{at}/conditions/2: a rule has at most two conditions on headers"),
        ),
        (
            vec![rule(json!({ "strip_base_path": true }))],
            "W settings /domains/0/rules/0/strip_base_path: there is no base path".to_owned(),
        ),
        (
            (1..=201)
                .map(|priority| rule(json!({ "priority": priority })))
                .collect(),
            "E settings /domains/0/rules: a domain has at most 200".to_owned(),
        ),
    ];
    let apis = [api("a1", vec![("GET /", ok_mock())])];
    for (rules, expected) in rows {
        let domain = json!({ "name": "d", "routing_mode": "ROUTING_RULE_ONLY", "rules": rules });
        let findings = findings_of(&settings(json!({ "domains": [domain] })), &apis);
        let found = findings.first().map_or("none", String::as_str);
        assert!(found.contains(&expected), "{expected}: {found}");
    }
    let mappings = json!([{ "path": "v1", "api": "a1" }]);
    // mode, what has no effect
    let rows = [
        (json!("BASE_PATH_MAPPING_ONLY"), Some("/domains/0/rules: ")),
        (json!("ROUTING_RULE_ONLY"), Some("/domains/0/mappings: ")),
        (json!("ROUTING_RULE_THEN_BASE_PATH_MAPPING"), None),
        (json!("ROUTING_RULE_THEN_API_MAPPING"), None),
    ];
    for (mode, expected) in rows {
        let domain = json!({
            "name": "d", "routing_mode": mode, "rules": [rule(json!({}))], "mappings": mappings,
        });
        let findings = findings_of(&settings(json!({ "domains": [domain] })), &apis);
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(findings.len(), expected.len(), "{mode}: {findings:?}");
        for (found, expected) in findings.iter().zip(expected) {
            assert!(found.starts_with("W settings"), "{found}");
            assert!(found.contains(expected), "{found}");
        }
    }
}
