//! Fuzz body: a JSONPath and a payload.
//!
//! Asserts: a path that is accepted alone is accepted and found the same as a constant and as a
//! variable, and what is found as JSON is JSON.
//! Shape: path and payload, cut by the first NUL. Units: bytes. Errors: a broken promise panics.
//! Source: Jayway JsonPath.

use tidegate_edge::mapping::{Inputs, Output, Template, check_path};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let path = String::from_utf8_lossy(parts.next().unwrap_or(&[]));
    let body = String::from_utf8_lossy(parts.next().unwrap_or(&[]));
    let is_path = check_path(&path).is_ok();
    // As a header field it is a variable, as a literal a constant.
    let inputs = Inputs {
        body: &body,
        header: &[("path", &path)],
        ..Inputs::default()
    };
    let mut output = Output::new();
    let variable = Template::compile("$input.json($input.params('path'))").expect("compiles");
    let rendered = variable.render(&inputs, &mut output);
    let found = output.text().to_owned();
    if rendered.is_ok() && !path.is_empty() {
        let is_read = serde_json::from_str::<serde_json::Value>(&body).is_ok();
        assert!(is_path || !is_read, "{path:?} is used");
        assert!(
            serde_json::from_str::<serde_json::Value>(&found).is_ok(),
            "{found:?}"
        );
    }
    let literal = format!("$input.json('{}')", path.replace('\'', "''"));
    match Template::compile(&literal) {
        Err(_) => assert!(!is_path, "{path:?} is refused as a constant"),
        Ok(constant) => {
            let constant = constant.render(&inputs, &mut output);
            if rendered.is_ok() && constant.is_ok() {
                assert_eq!(output.text(), found, "{path:?}");
            }
        }
    }
}
