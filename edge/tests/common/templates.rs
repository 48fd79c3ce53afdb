//! Template examples as files, and the request they are rendered for.
//!
//! Shape: a case begins with `## name`; `T` lines are the template, `B` lines the payload, `=`
//! lines the output, each joined by line ends. Instead of output: `! words` of a render error, or
//! `!! line:column words` of a template error. `> name=value` is an override, in order. `~ reason`
//! says why Velocity differs. Units: bytes. Errors: a malformed file panics. Source: own.

#![allow(dead_code, unreachable_pub)]

use std::{fs, path::Path};
use tidegate_edge::mapping::{ContextValue, Inputs, Output, Overrides, Template};

/// One example.
#[derive(Debug, Default)]
pub struct Example {
    pub name: String,
    pub template: String,
    pub body: String,
    pub output: Option<String>,
    pub error: Option<String>,
    pub overrides: Vec<String>,
    pub differs: Option<String>,
}

/// All examples of `tests/mapping/*.case`.
pub fn load() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mapping");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("a folder of examples")
        .map(|entry| entry.expect("directory entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "case"))
        .collect();
    files.sort();
    let mut examples = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("a text file");
        let file = path.file_stem().expect("a name").to_string_lossy();
        examples.extend(parse(&file, &text));
    }
    examples
}

fn parse(file: &str, text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut marks = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            examples.push(Example {
                name: format!("{file}: {name}"),
                ..Example::default()
            });
            marks.clear();
            continue;
        }
        let Some(example) = examples.last_mut() else {
            continue;
        };
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let is_more = marks.contains(mark);
        let add = |text: &mut String| {
            if is_more {
                text.push('\n');
            }
            text.push_str(rest);
        };
        match mark {
            "" => continue,
            "T" => add(&mut example.template),
            "B" => add(&mut example.body),
            "=" => add(example.output.get_or_insert_default()),
            "!" | "!!" => example.error = Some(line.to_owned()),
            ">" => example.overrides.push(rest.to_owned()),
            "~" => example.differs = Some(rest.to_owned()),
            _ => panic!("{file}: `{line}` is no line of an example"),
        }
        marks.push_str(mark);
    }
    examples
}

/// `$context` of every example.
pub const CONTEXT: &[(&str, ContextValue<'_>)] = &[
    ("requestId", ContextValue::Text("r-1")),
    ("stage", ContextValue::Text("dev")),
    ("httpMethod", ContextValue::Text("POST")),
    ("resourcePath", ContextValue::Text("/pets/{id}")),
    (
        "identity",
        ContextValue::Map(&[
            ("sourceIp", ContextValue::Text("203.0.113.9")),
            ("userAgent", ContextValue::Text("curl/8")),
        ]),
    ),
    (
        "authorizer",
        ContextValue::Map(&[
            ("principalId", ContextValue::Text("user-1")),
            (
                "claims",
                ContextValue::Map(&[("sub", ContextValue::Text("s-1"))]),
            ),
        ]),
    ),
];

/// The request of every example, with this payload.
pub fn inputs(body: &str) -> Inputs<'_> {
    Inputs {
        body,
        path: &[("id", "42")],
        query: &[("q1", "v1"), ("q2", "it's \"x\"/y")],
        header: &[("h1", "hv"), ("X-Y", "xy")],
        stage_variables: &[("a", "A"), ("b-c", "BC")],
        context: CONTEXT,
        overrides: None,
    }
}

/// Overrides as the lines of an example have them.
pub fn lines(overrides: &Overrides) -> Vec<String> {
    let lists = [
        ("request.path", &overrides.request_path),
        ("request.querystring", &overrides.request_query),
        ("request.header", &overrides.request_header),
        ("response.header", &overrides.response_header),
    ];
    let mut lines = Vec::new();
    for (place, list) in lists {
        for (name, value) in list {
            lines.push(format!("{place}.{name}={value}"));
        }
    }
    if let Some(status) = overrides.status {
        lines.push(format!("response.status={status}"));
    }
    lines
}

/// What the engine makes of an example: its output, or the line of its error.
pub fn run(
    template: &str,
    body: &str,
    output: &mut Output,
) -> (Result<String, String>, Vec<String>) {
    let compiled = match Template::compile(template) {
        Ok(compiled) => compiled,
        Err(error) => {
            let place = format!("!! {}:{} {}", error.line, error.column, error.message);
            return (Err(place), Vec::new());
        }
    };
    match compiled.render(&inputs(body), output) {
        Ok(overrides) => (Ok(output.text().to_owned()), lines(&overrides)),
        Err(error) => (Err(format!("! {error}")), Vec::new()),
    }
}
