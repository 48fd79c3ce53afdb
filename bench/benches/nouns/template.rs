//! What: a mapping template rendered from a payload, 1 KB each.
//! Shape: the template and the payload of the bench's `template` command.
//! Units: none.
//! Errors: a template that does not compile or render panics.
//! Source: `templates/order.vtl`, `templates/order.json`.

use std::hint::black_box;

use tidegate_edge::mapping::{ContextValue, Inputs, Output, Template};

use super::Operation;

const TEMPLATE: &str = include_str!("../../templates/order.vtl");
const INPUTS: Inputs<'static> = Inputs {
    body: include_str!("../../templates/order.json"),
    path: &[("id", "42")],
    query: &[("page", "7")],
    header: &[("Content-Type", "application/json")],
    stage_variables: &[("host", "orders.example.com")],
    context: &[
        (
            "requestId",
            ContextValue::Text("c6af9ac6-7b61-11e6-9a41-93e8deadbeef"),
        ),
        ("stage", ContextValue::Text("prod")),
        (
            "identity",
            ContextValue::Map(&[
                ("sourceIp", ContextValue::Text("203.0.113.9")),
                ("userAgent", ContextValue::Text("curl/8.5.0")),
            ]),
        ),
    ],
    overrides: None,
};

/// Renders it.
pub(super) fn render() -> Operation {
    let template = Template::compile(TEMPLATE).expect("a template");
    let mut output = Output::new();
    Box::new(move || {
        let rendered = template.render(black_box(&INPUTS), &mut output);
        rendered.expect("a text");
        assert!(!black_box(&output).text().is_empty());
    })
}
