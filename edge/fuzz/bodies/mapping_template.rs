//! Fuzz body: a mapping template and a payload.
//!
//! Asserts: neither compiling nor rendering panics, bounds hold, a second render over used memory
//! says the same, and the places of errors lie in the template.
//! Shape: template and payload, cut by the first NUL. Units: bytes. Errors: a broken promise
//! panics. Source: the bounds of mapping templates.

use tidegate_edge::mapping::{ContextValue, Inputs, OUTPUT_BYTES_MAX, Output, Template};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let source = String::from_utf8_lossy(parts.next().unwrap_or(&[]));
    let body = String::from_utf8_lossy(parts.next().unwrap_or(&[]));
    let lines = source.split('\n').count();
    let template = match Template::compile(&source) {
        Ok(template) => template,
        Err(error) => {
            assert!(error.line >= 1 && error.line as usize <= lines, "{error}");
            assert!(error.column >= 1, "{error}");
            return;
        }
    };
    let inputs = Inputs {
        body: &body,
        path: &[("id", "42")],
        query: &[("q", "it's \"x\"/y")],
        header: &[("h", "v")],
        stage_variables: &[("a", "A")],
        context: &[
            ("stage", ContextValue::Text("dev")),
            (
                "identity",
                ContextValue::Map(&[("sourceIp", ContextValue::Text("::1"))]),
            ),
        ],
        overrides: None,
    };
    let mut output = Output::new();
    let first = template.render(&inputs, &mut output);
    let text = output.text().to_owned();
    assert!(text.len() <= OUTPUT_BYTES_MAX);
    if let Err(error) = &first {
        assert!(error.line >= 1 && error.line as usize <= lines, "{error}");
        assert!(text.is_empty());
    }
    if let Ok(overrides) = &first
        && let Some(status) = overrides.status
    {
        assert!((100..=599).contains(&status));
    }
    assert_eq!(template.render(&inputs, &mut output), first);
    assert_eq!(output.text(), text);
}
