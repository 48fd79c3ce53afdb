//! What a template reads, made from the exchange.
//!
//! What it is: the texts of parameters, variables and `$context`, put together only as far as the
//! template names them. Shape: texts lie in one string that is used again; [`render`] borrows them
//! for the time of one render. Units: bytes. Errors: [`Fault::Configuration`] for a render that
//! failed. Source: Amazon API Gateway developer guide, "mapping template reference".

use std::ops::Range;

use super::super::{
    context::{Context, IDENTITY_NAMES, NAMES, decoded},
    fault::Fault,
    journal,
};
use crate::{
    mapping::{ContextValue, Inputs, Output, Overrides},
    plan::TemplatePlan,
    wire::query::pairs,
};

/// A name and its value as places in the text.
type Pair = (Range<usize>, Range<usize>);

/// Renders `plan` over `body` into `output`; `text` is room.
pub(super) fn render(
    plan: &TemplatePlan,
    context: &Context<'_>,
    body: &str,
    overrides: Option<&Overrides>,
    text: &mut String,
    output: &mut Output,
) -> Result<Overrides, Fault> {
    text.clear();
    let mut made = Made::default();
    if plan.reads_params {
        made.params(context, text);
    }
    if plan.reads_context {
        made.context(context, text);
    }
    let text = &**text;
    let [path, query, header] =
        [&made.path, &made.query, &made.header].map(|list| texts(list, text));
    let variables: Vec<(&str, &str)> = match context.stage {
        Some(stage) if plan.reads_stage_variables => {
            let rows = stage.variables.iter();
            rows.map(|(name, value)| (&**name, &**value)).collect()
        }
        _ => Vec::new(),
    };
    let value = |place: &Range<usize>| ContextValue::Text(text.get(place.clone()).unwrap_or(""));
    let identity: Vec<(&str, ContextValue<'_>)> = (made.identity.iter())
        .map(|(name, place)| (*name, value(place)))
        .collect();
    let base_path = made.base_path.as_ref();
    let domain = base_path.map(|place| [("basePathMatched", value(place))]);
    let mut root: Vec<(&str, ContextValue<'_>)> = (made.root.iter())
        .map(|(name, place)| (*name, value(place)))
        .collect();
    if plan.reads_context {
        root.push(("identity", ContextValue::Map(&identity)));
        root.push(("authorizer", ContextValue::Map(&[])));
        if let Some(domain) = &domain {
            root.push(("customDomain", ContextValue::Map(domain)));
        }
    }
    let inputs = Inputs {
        body,
        path: &path,
        query: &query,
        header: &header,
        stage_variables: &variables,
        context: &root,
        overrides,
    };
    let rendered = plan.template.render(&inputs, output);
    let side = if overrides.is_none() {
        "request"
    } else {
        "response"
    };
    rendered.map_err(|error| journal::no_render(context.x, side, &error))
}

fn texts<'t>(pairs: &[Pair], text: &'t str) -> Vec<(&'t str, &'t str)> {
    let of = |place: &Range<usize>| text.get(place.clone()).unwrap_or("");
    pairs
        .iter()
        .map(|(name, value)| (of(name), of(value)))
        .collect()
}

#[derive(Default)]
struct Made {
    path: Vec<Pair>,
    query: Vec<Pair>,
    header: Vec<Pair>,
    root: Vec<(&'static str, Range<usize>)>,
    identity: Vec<(&'static str, Range<usize>)>,
    /// `$context.customDomain.basePathMatched`.
    base_path: Option<Range<usize>>,
}

impl Made {
    fn params(&mut self, context: &Context<'_>, text: &mut String) {
        for (name, value) in context.path_parameters() {
            let pair = (put(text, name.as_bytes()), put(text, value));
            self.path.push(pair);
        }
        let query = context.x.head.query(context.x.head_bytes.bytes());
        let mut room = Vec::new();
        for pair in pairs(query) {
            let name = put(text, decoded(pair.name, &mut room));
            let value = put(text, decoded(pair.value, &mut room));
            last_counts(&mut self.query, (name, value), text);
        }
        let header = &mut self.header;
        context.each_field(&mut |name, value| {
            let pair = (put(text, name), put(text, value));
            last_counts(header, pair, text);
        });
    }

    fn context(&mut self, context: &Context<'_>, text: &mut String) {
        for name in NAMES {
            if let Some(value) = context.value(name) {
                self.root.push((name, put(text, &value)));
            }
        }
        let base_path = context.value("customDomain.basePathMatched");
        self.base_path = base_path.map(|value| put(text, &value));
        let mut whole = String::from("identity.");
        let prefix = whole.len();
        for name in IDENTITY_NAMES {
            whole.truncate(prefix);
            whole.push_str(name);
            if let Some(value) = context.value(&whole) {
                self.identity.push((name, put(text, &value)));
            }
        }
    }
}

/// Of one name, the last value counts.
fn last_counts(list: &mut Vec<Pair>, pair: Pair, text: &str) {
    let name = text.get(pair.0.clone());
    match list
        .iter_mut()
        .find(|known| text.get(known.0.clone()) == name)
    {
        Some(known) => known.1 = pair.1,
        None => list.push(pair),
    }
}

/// Appends bytes as text; what is no UTF-8 becomes U+FFFD.
fn put(text: &mut String, bytes: &[u8]) -> Range<usize> {
    let from = text.len();
    match std::str::from_utf8(bytes) {
        Ok(valid) => text.push_str(valid),
        Err(_) => text.push_str(&String::from_utf8_lossy(bytes)),
    }
    from..text.len()
}
