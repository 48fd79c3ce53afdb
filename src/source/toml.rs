//! TOML text to a tree.
//!
//! Shape: the TOML crate's spanned table, copied into [`Node`]s; keys sorted by place.
//! Units: spans in bytes.
//! Errors: every syntax error the crate recovers from, at once; a key twice is one of them.
//! Source: TOML 1.0.

use toml::de::{DeTable, DeValue};

use super::{
    DEPTH_MAX, Source, Span,
    node::{Entry, Node, Value},
};
use crate::diagnostics::{Problem, Severity};

/// Reads a whole file.
pub fn parse(source: &Source) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or(0..0);
            let message = format!("not valid TOML: {}", error.message());
            let hint = "see https://toml.io for the notation";
            syntax_problem(source, Span::new(span.start, span.end), &message, hint)
        })
        .collect();
    problems.sort_by_key(|problem| (problem.line, problem.column));
    let span = table.span();
    let root = table_node(table.get_ref(), Span::new(span.start, span.end), 0);
    match root {
        Some(root) if problems.is_empty() => Ok(root),
        Some(_) => Err(problems),
        None => {
            let message = format!("tables are nested more than {DEPTH_MAX} deep");
            let hint = "no key of the settings needs that";
            problems.push(syntax_problem(source, Span::default(), &message, hint));
            Err(problems)
        }
    }
}

fn syntax_problem(source: &Source, span: Span, message: &str, hint: &str) -> Problem {
    source.problem(Severity::Error, span, "", message, Some(hint.to_owned()))
}

/// `None` when it goes too deep.
fn table_node(table: &DeTable<'_>, span: Span, depth: usize) -> Option<Node> {
    let mut entries = Vec::new();
    for (key, value) in table {
        let key_span = key.span();
        let value_span = value.span();
        let value_span = Span::new(value_span.start, value_span.end);
        entries.push(Entry {
            key: key.get_ref().to_string(),
            key_span: Span::new(key_span.start, key_span.end),
            node: value_node(value.get_ref(), value_span, depth)?,
        });
    }
    entries.sort_by_key(|entry| entry.key_span.start);
    Some(Node {
        span,
        value: Value::Mapping(entries),
    })
}

fn value_node(value: &DeValue<'_>, span: Span, depth: usize) -> Option<Node> {
    if depth > DEPTH_MAX {
        return None;
    }
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => {
            match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Value::Integer(integer),
                // Beyond i64 no setting has a meaning; a float is refused where one is read.
                Err(_) => Value::Float(f64::INFINITY),
            }
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(moment) => Value::Text(moment.to_string()),
        DeValue::Array(array) => {
            let mut items = Vec::new();
            for item in array.iter() {
                let span = item.span();
                let span = Span::new(span.start, span.end);
                items.push(value_node(item.get_ref(), span, depth + 1)?);
            }
            Value::Sequence(items)
        }
        DeValue::Table(table) => return table_node(table, span, depth + 1),
    };
    Some(Node { span, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syntax_error_is_reported() {
        let text = "a = \nb = 1\nb = 2\nc = [1,\n";
        let problems = parse(&Source::new("t.toml", text)).expect_err("broken");
        assert!(problems.len() >= 2, "{problems:?}");
        assert_eq!(problems[0].line, 1);
        assert!(problems.iter().any(|p| p.line == 3), "{problems:?}");
    }

    #[test]
    fn values_keep_their_places() {
        let text = "[a]\nn = 0x10\nf = 1.5\n[[b]]\nt = \"x\"\n";
        let root = parse(&Source::new("t.toml", text)).expect("TOML");
        let a = &root.entries()[0].node;
        assert_eq!(a.entries()[0].node.value, Value::Integer(16));
        assert_eq!(a.entries()[0].node.span, Span::new(8, 12));
        assert_eq!(a.entries()[1].node.value, Value::Float(1.5));
        assert_eq!(root.entries()[1].node.items().len(), 1);
    }
}
