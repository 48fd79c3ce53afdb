//! `tidegate template run` from outside.
//!
//! Shape: rows of files and options, and what is printed, with the exit code. Units: none. Errors:
//! the row that differs. Source: docs/mapping-templates.md.

use std::{fs, path::Path, process::Command};

struct Row {
    name: &'static str,
    template: &'static str,
    options: &'static [&'static str],
    code: i32,
    out: &'static str,
    /// Words on standard error.
    said: &'static [&'static str],
}

const FILES: &[(&str, &str)] = &[
    ("body.json", r#"{"name":"apple","qty":3}"#),
    (
        "context.json",
        r#"{"stage":"dev","identity":{"sourceIp":"::1"},"n":5}"#,
    ),
    (
        "params.json",
        r#"{"path":{"id":"42"},"querystring":{"q":"v"},"header":{"X-Y":"h"}}"#,
    ),
    ("variables.json", r#"{"host":"example.com"}"#),
    ("list.json", "[1]"),
];

const ROWS: &[Row] = &[
    Row {
        name: "payload",
        template: "{\"item\":$input.json('$.name')}\n",
        options: &["--input", "body.json"],
        code: 0,
        out: "{\"item\":\"apple\"}\n",
        said: &[],
    },
    Row {
        name: "everything else",
        template: "$context.stage $context.identity.sourceIp $context.n $input.params('id') \
                   $input.params('q') $input.params('X-Y') $stageVariables.host",
        options: &[
            "--context",
            "context.json",
            "--params",
            "params.json",
            "--stage-variables",
            "variables.json",
        ],
        code: 0,
        out: "dev ::1 5 42 v h example.com",
        said: &[],
    },
    Row {
        name: "overrides",
        template: "#set($context.responseOverride.status = 404)\
                   #set($context.requestOverride.header.A = 'b')x",
        options: &[],
        code: 0,
        out: "x",
        said: &[
            "requestOverride.header.A = b",
            "responseOverride.status = 404",
        ],
    },
    Row {
        name: "a template that does not compile",
        template: "first\n  #if(true\nlast",
        options: &[],
        code: 3,
        out: "",
        said: &[
            "t.vtl:3:1",
            "`)` of `#if` (line 2) is missing",
            "last",
            "1 error",
        ],
    },
    Row {
        name: "a render that fails",
        template: "first\n #set($s = 'abc')$s.substring(9)",
        options: &[],
        code: 1,
        out: "",
        said: &["t.vtl:2:18", "substring: 9 to 3 of 3"],
    },
    Row {
        name: "a file that is not there",
        template: "x",
        options: &["--input", "none.json"],
        code: 1,
        out: "",
        said: &["none.json", "No such file"],
    },
    Row {
        name: "a context that is no object",
        template: "x",
        options: &["--context", "list.json"],
        code: 1,
        out: "",
        said: &["list.json", "no JSON object"],
    },
];

#[test]
fn templates_run_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(Path::join(folder.path(), name), text).expect("a file");
    };
    for (name, text) in FILES {
        write(name, text);
    }
    for row in ROWS {
        write("t.vtl", row.template);
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .current_dir(folder.path())
            .args(["template", "run", "t.vtl"])
            .args(row.options)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(row.code), "{}: {said}", row.name);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            row.out,
            "{}",
            row.name
        );
        for word in row.said {
            assert!(said.contains(word), "{}: no {word:?} in\n{said}", row.name);
        }
    }
}
