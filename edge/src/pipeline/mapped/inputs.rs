//! What a template reads, made from the exchange.
//!
//! What it is: the texts of parameters, variables and `$context`, put together only as far as the
//! template names them. Shape: texts lie in one string, rows say where; [`render`] borrows them
//! for the time of one render. All of it is memory that the next render uses again. Units: bytes.
//! Errors: [`Fault::Configuration`] for a render that failed. Source: Amazon API Gateway developer
//! guide, "mapping template reference".

use std::ops::Range;

use super::super::{
    context::{Context, decoded},
    fault::Fault,
    journal,
};
use crate::{
    base::text::lossy,
    mapping::{ContextValue, Inputs, Output, Overrides},
    plan::{
        TemplatePlan,
        template::{ContextRead, IDENTITY, ParamsRead},
    },
    wire::query::pairs,
};

/// Memory of what templates read.
#[derive(Default, Debug)]
pub(in crate::pipeline) struct InputMemory {
    made: Made,
    pairs: Vec<(&'static str, &'static str)>,
    root: Vec<(&'static str, ContextValue<'static>)>,
    identity: Vec<(&'static str, ContextValue<'static>)>,
}

/// Texts, and where each of them lies.
#[derive(Default, Debug)]
struct Made {
    text: String,
    /// Parameters of the path, of the query, and fields, one kind behind the other.
    params: Vec<Pair>,
    query_from: usize,
    header_from: usize,
    root: Vec<(&'static str, Range<usize>)>,
    identity: Vec<(&'static str, Range<usize>)>,
    /// `$context.customDomain.basePathMatched`.
    base_path: Option<Range<usize>>,
}

/// A name and its value as places in the text.
type Pair = (Range<usize>, Range<usize>);

impl InputMemory {
    /// Forgets the texts of the last render; of their memory `kept_bytes` stay.
    pub(in crate::pipeline) fn clear(&mut self, kept_bytes: usize) {
        self.made.clear();
        self.made.text.shrink_to(kept_bytes);
    }
}

/// Renders `plan` over `body` into `output`.
pub(super) fn render(
    plan: &TemplatePlan,
    context: &Context<'_>,
    body: &str,
    overrides: Option<&Overrides>,
    memory: &mut InputMemory,
    output: &mut Output,
) -> Result<Overrides, Fault> {
    let InputMemory {
        made,
        pairs: pairs_kept,
        root: root_kept,
        identity: identity_kept,
    } = memory;
    made.clear();
    if !plan.params.is_nothing() {
        made.params(context, &plan.params);
    }
    if let Some(read) = &plan.context {
        made.context(context, read);
    }
    let text = |place: &Range<usize>| made.text.get(place.clone()).unwrap_or("");
    let value = |place: &Range<usize>| ContextValue::Text(text(place));

    let mut pairs = emptied(std::mem::take(pairs_kept), |_| ("", ""));
    let params = made.params.iter();
    pairs.extend(params.map(|(name, value)| (text(name), text(value))));
    if let Some(stage) = context.stage.filter(|_| plan.reads_stage_variables) {
        let variables = stage.variables.iter();
        pairs.extend(variables.map(|(name, value)| (&**name, &**value)));
    }
    let mut identity = emptied(std::mem::take(identity_kept), nothing);
    let members = made.identity.iter();
    identity.extend(members.map(|(name, place)| (*name, value(place))));
    let base_path = made.base_path.as_ref();
    let domain = base_path.map(|place| [("basePathMatched", value(place))]);
    let mut root = emptied(std::mem::take(root_kept), nothing);
    root.extend(made.root.iter().map(|(name, place)| (*name, value(place))));
    if plan.context.is_some() {
        root.push((IDENTITY, ContextValue::Map(&identity)));
        root.push(("authorizer", ContextValue::Map(&[])));
        if let Some(domain) = &domain {
            root.push(("customDomain", ContextValue::Map(domain)));
        }
    }
    let part = |from: usize, to: usize| pairs.get(from..to).unwrap_or(&[]);
    let inputs = Inputs {
        body,
        path: part(0, made.query_from),
        query: part(made.query_from, made.header_from),
        header: part(made.header_from, made.params.len()),
        stage_variables: part(made.params.len(), pairs.len()),
        context: &root,
        overrides,
    };
    let rendered = plan.template.render(&inputs, output);

    *root_kept = emptied(root, nothing);
    *identity_kept = emptied(identity, nothing);
    *pairs_kept = emptied(pairs, |_| ("", ""));
    let side = if overrides.is_none() {
        "request"
    } else {
        "response"
    };
    rendered.map_err(|error| journal::no_render(context.x, side, &error))
}

/// The memory of `rows`, for rows that live longer or shorter: an empty list collected in place.
fn emptied<T, U>(mut rows: Vec<T>, other: impl FnMut(T) -> U) -> Vec<U> {
    rows.clear();
    rows.into_iter().map(other).collect()
}

fn nothing<'v>(_: (&str, ContextValue<'_>)) -> (&'v str, ContextValue<'v>) {
    ("", ContextValue::Text(""))
}

impl Made {
    fn clear(&mut self) {
        self.text.clear();
        self.params.clear();
        (self.query_from, self.header_from) = (0, 0);
        self.root.clear();
        self.identity.clear();
        self.base_path = None;
    }

    fn params(&mut self, context: &Context<'_>, read: &ParamsRead) {
        for (name, value) in context.path_parameters() {
            if read.wants_text(name.as_bytes()) {
                let pair = (self.put(name.as_bytes()), self.put(value));
                self.params.push(pair);
            }
        }
        self.query_from = self.params.len();
        let query = context.x.head.query(context.x.head_bytes.bytes());
        let mut room = Vec::new();
        for pair in pairs(query) {
            let name = decoded(pair.name, &mut room);
            if read.wants(name) {
                let name = self.put(name);
                let value = self.put(decoded(pair.value, &mut room));
                self.last_counts(self.query_from, (name, value));
            }
        }
        self.header_from = self.params.len();
        let wants = |name: &[u8]| read.wants_text(name);
        context.each_field_of(wants, &mut |name, value| {
            let pair = (self.put(name), self.put(value));
            self.last_counts(self.header_from, pair);
        });
    }

    fn context(&mut self, context: &Context<'_>, read: &ContextRead) {
        for name in &read.names {
            if let Some(value) = context.value(name) {
                let place = self.put(&value);
                self.root.push((name, place));
            }
        }
        if read.base_path {
            let value = context.value("customDomain.basePathMatched");
            self.base_path = value.map(|value| self.put(&value));
        }
        for name in &read.identity {
            if let Some(value) = context.value(name) {
                let place = self.put(&value);
                let member = name.strip_prefix("identity.").unwrap_or(name);
                self.identity.push((member, place));
            }
        }
    }

    /// Adds a parameter to those that begin at `from`; of one name, the last value counts.
    fn last_counts(&mut self, from: usize, pair: Pair) {
        let name = self.text.get(pair.0.clone());
        let mut known = self.params.iter().skip(from);
        match known.position(|known| self.text.get(known.0.clone()) == name) {
            Some(at) => {
                if let Some(known) = self.params.get_mut(from.saturating_add(at)) {
                    known.1 = pair.1;
                }
            }
            None => self.params.push(pair),
        }
    }

    /// Appends bytes as text; what is no UTF-8 becomes U+FFFD.
    fn put(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.text.len();
        self.text.push_str(&lossy(bytes));
        from..self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_render_leave_their_memory_to_the_next() {
        let text = String::from("ab");
        let mut rows: Vec<(&str, &str)> = Vec::with_capacity(9);
        rows.push((&text, &text));
        let place = rows.as_ptr().cast::<u8>();
        let kept: Vec<(&'static str, &'static str)> = emptied(rows, |_| ("", ""));
        assert!(kept.is_empty() && kept.capacity() >= 9);
        assert_eq!(kept.as_ptr().cast::<u8>(), place);
    }
}
