//! YAML text to a tree.
//!
//! Shape: parser events build [`Node`]s on an explicit stack; anchors keep a copy of their node.
//! Units: spans in bytes; depth and nodes are bounded by [`DEPTH_MAX`] and [`NODES_MAX`], aliases
//! counted as often as they are expanded.
//! Errors: a syntax error ends the reading; duplicate keys, foreign tags and complex keys are
//! collected and reading goes on.
//! Source: YAML 1.2.2 with its core schema, and the `<<` merge key that documents in the field use.

use std::{borrow::Cow, collections::BTreeMap};

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Tag};

use super::{
    DEPTH_MAX, NODES_MAX, Source, Span,
    node::{Entry, Keys, Node, Value},
};
use crate::diagnostics::{Problem, Severity};

/// Reads one document; an empty text is an empty tree.
pub fn parse(source: &Source) -> Result<Node, Vec<Problem>> {
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(&source.text, options);
    let mut builder = Builder::new(source);
    while let Some(next) = parser.next_event() {
        match next {
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => {
                let span = span.byte_range();
                let span = span.map_or(Span::default(), |range| Span::new(range.start, range.end));
                if builder.take(event, span).is_err() {
                    break;
                }
            }
            Err(error) => {
                builder.syntax_error(&error);
                break;
            }
        }
    }
    builder.finish()
}

/// Reading cannot go on; the problem is already noted.
struct Stop;

struct Builder<'a> {
    source: &'a Source,
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    problems: Vec<Problem>,
}

enum Frame {
    Sequence {
        start: Span,
        items: Vec<Node>,
        anchor: usize,
    },
    Mapping {
        start: Span,
        entries: Vec<Entry>,
        keys: Keys,
        merged: Vec<Node>,
        pending: Option<Key>,
        anchor: usize,
    },
}

struct Key {
    text: String,
    span: Span,
    is_merge: bool,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source) -> Self {
        Builder {
            source,
            stack: Vec::new(),
            root: None,
            documents: 0,
            anchors: BTreeMap::new(),
            nodes: 0,
            problems: Vec::new(),
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problem(span, "a second document begins here", "keep one per file");
                    return Err(Stop);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1 + text.len() / 64, 1, span)?;
                self.scalar(text, style, anchor, tag, span)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(span, tag.as_deref())?;
                self.stack.push(Frame::Sequence {
                    start: span,
                    items: Vec::new(),
                    anchor,
                });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(span, tag.as_deref())?;
                self.stack.push(Frame::Mapping {
                    start: span,
                    entries: Vec::new(),
                    keys: Keys::default(),
                    merged: Vec::new(),
                    pending: None,
                    anchor,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(anchor) => self.alias(anchor, span)?,
            _ => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        span: Span,
    ) -> Result<(), Stop> {
        let is_plain = style == ScalarStyle::Plain;
        let is_text = tag.as_ref().and_then(|tag| tag.core_suffix()) == Some("str");
        self.tag(tag.as_deref(), span);
        if self.wants_key() {
            if anchor != 0 {
                let value = Value::Text(text.clone().into_owned());
                self.anchors.insert(anchor, Node { span, value });
            }
            self.key(text.into_owned(), span, is_plain);
            return Ok(());
        }
        let value = if is_plain && !is_text {
            plain(&text)
        } else {
            Value::Text(text.into_owned())
        };
        self.place(Node { span, value }, anchor)
    }

    fn key(&mut self, text: String, span: Span, is_plain: bool) {
        let is_merge = is_plain && text == "<<";
        if let Some(Frame::Mapping { keys, pending, .. }) = self.stack.last_mut() {
            let is_new = is_merge || keys.insert(&text);
            *pending = Some(Key {
                text: text.clone(),
                span,
                is_merge,
            });
            if !is_new {
                let message = format!("the key `{text}` stands here a second time");
                self.problem(span, &message, "remove one of the two");
            }
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(node) = self.anchors.get(&anchor) else {
            self.problem(
                span,
                "this alias is used inside its own anchor",
                "a document cannot contain itself",
            );
            return Err(Stop);
        };
        let (nodes, depth) = node.measure();
        self.count(nodes, depth, span)?;
        let value = self.anchors.get(&anchor).map(|node| node.value.clone());
        let value = value.unwrap_or(Value::Null);
        if self.wants_key() {
            match value {
                Value::Text(text) => self.key(text, span, false),
                _ => return self.complex_key(span),
            }
            return Ok(());
        }
        // The alias is where the reader looks; the anchor may be far away.
        self.place(Node { span, value }, 0)
    }

    fn open(&mut self, span: Span, tag: Option<&Tag>) -> Result<(), Stop> {
        self.tag(tag, span);
        self.count(1, 1, span)?;
        if self.wants_key() {
            return self.complex_key(span);
        }
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Stop> {
        let (start, value, anchor) = match self.stack.pop() {
            Some(Frame::Sequence {
                start,
                items,
                anchor,
            }) => (start, Value::Sequence(items), anchor),
            Some(Frame::Mapping {
                start,
                mut entries,
                mut keys,
                merged,
                anchor,
                ..
            }) => {
                for entry in merged.into_iter().flat_map(Self::merge_entries) {
                    if keys.insert(&entry.key) {
                        entries.push(entry);
                    }
                }
                (start, Value::Mapping(entries), anchor)
            }
            None => return Ok(()),
        };
        let span = Span::new(start.start, end.end.max(start.end));
        self.place(Node { span, value }, anchor)
    }

    fn merge_entries(node: Node) -> Vec<Entry> {
        match node.value {
            Value::Mapping(entries) => entries,
            Value::Sequence(items) => {
                let entries = items.into_iter().map(|item| match item.value {
                    Value::Mapping(entries) => entries,
                    _ => Vec::new(),
                });
                entries.flatten().collect()
            }
            _ => Vec::new(),
        }
    }

    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor != 0 {
            // The kept copy costs memory like an expansion does.
            let (nodes, _) = node.measure();
            self.count(nodes, 0, node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::Sequence { items, .. }) => items.push(node),
            Some(Frame::Mapping {
                entries,
                pending,
                merged,
                ..
            }) => {
                if let Some(key) = pending.take() {
                    if key.is_merge {
                        merged.push(node);
                    } else {
                        entries.push(Entry {
                            key: key.text,
                            key_span: key.span,
                            node,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Frame::Mapping { pending: None, .. })
        )
    }

    fn complex_key(&mut self, span: Span) -> Result<(), Stop> {
        self.problem(
            span,
            "a key must be a text",
            "write the key as one word or quote it",
        );
        Err(Stop)
    }

    fn tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema()
        {
            let message = format!("the tag `{}` has no meaning here", tag.original());
            self.problem(span, &message, "write the plain value");
        }
    }

    fn count(&mut self, nodes: usize, depth: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            let message =
                format!("the document has more than {NODES_MAX} values, aliases expanded");
            self.problem(span, &message, "split it into several APIs");
            return Err(Stop);
        }
        if self.stack.len().saturating_add(depth) > DEPTH_MAX {
            let message = format!("values are nested more than {DEPTH_MAX} deep");
            self.problem(span, &message, "flatten the document");
            return Err(Stop);
        }
        Ok(())
    }

    fn problem(&mut self, span: Span, message: &str, hint: &str) {
        self.problems.push(self.source.problem(
            Severity::Error,
            span,
            "",
            message,
            Some(hint.to_owned()),
        ));
    }

    fn syntax_error(&mut self, error: &ScanError) {
        let marker = error.marker();
        let at = marker.byte_offset();
        let at = at.unwrap_or_else(|| self.source.offset(marker.line(), marker.col() + 1));
        let hint = "check indentation, colons and quotes of this and the line above";
        let message = format!("not valid YAML: {}", error.info());
        self.problem(Span::new(at, at), &message, hint);
    }

    fn finish(self) -> Result<Node, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(self.root.unwrap_or(Node {
            span: Span::default(),
            value: Value::Null,
        }))
    }
}

/// The core schema's reading of an unquoted scalar.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let first = text.as_bytes().first().copied().unwrap_or(0);
    if !(first.is_ascii_digit() || b"+-.".contains(&first)) {
        return Value::Text(text.to_owned());
    }
    let integer = if let Some(hex) = text.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok()
    } else if let Some(octal) = text.strip_prefix("0o") {
        i64::from_str_radix(octal, 8).ok()
    } else {
        text.parse::<i64>().ok()
    };
    if let Some(integer) = integer {
        return Value::Integer(integer);
    }
    let is_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    match text.parse::<f64>() {
        Ok(number) if text.chars().all(is_number) => Value::Float(number),
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Document, Format};

    fn read(text: &str) -> Result<Node, Vec<Problem>> {
        Document::parse(Source::new("t.yaml", text), Format::Yaml).map(|document| document.root)
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let rows = [
            ("a", Value::Text("a".into())),
            ("no", Value::Text("no".into())),
            ("200", Value::Integer(200)),
            ("-7", Value::Integer(-7)),
            ("0x1F", Value::Integer(31)),
            ("2.0", Value::Float(2.0)),
            ("3.0.1", Value::Text("3.0.1".into())),
            ("'200'", Value::Text("200".into())),
            ("!!str 200", Value::Text("200".into())),
            ("~", Value::Null),
            ("True", Value::Bool(true)),
            (
                "-",
                Value::Sequence(vec![Node {
                    span: Span::new(1, 1),
                    value: Value::Null,
                }]),
            ),
        ];
        for (given, expected) in rows {
            match read(given) {
                Ok(node) if matches!(expected, Value::Sequence(_)) => {
                    assert_eq!(node.items().len(), 1, "{given}");
                }
                found => assert_eq!(found.map(|node| node.value), Ok(expected), "{given}"),
            }
        }
    }

    #[test]
    fn aliases_and_merges_are_expanded() {
        let root = read("a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  l: 3\n").expect("YAML");
        let keys = |index: usize| -> Vec<(String, Value)> {
            let node = &root.entries()[index].node;
            let entries = node.entries().iter();
            entries
                .map(|e| (e.key.clone(), e.node.value.clone()))
                .collect()
        };
        assert_eq!(keys(0), keys(1));
        assert_eq!(
            keys(2),
            [
                ("l".into(), Value::Integer(3)),
                ("k".into(), Value::Integer(1))
            ]
        );
    }

    #[test]
    fn faults_have_a_place() {
        let rows = [
            ("a: 1\nb: 2\na: 3\n", 3, 1, "second time"),
            ("a: [1\nb: 2\n", 2, 0, "not valid YAML"),
            ("a: !Ref x\n", 1, 9, "tag"),
            ("? {a: 1}\n: b\n", 1, 3, "key must be"),
            ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
            ("a: &x [*x]\n", 1, 8, "inside its own"),
        ];
        for (given, line, column, message) in rows {
            let problems = read(given).expect_err(given);
            let first = &problems[0];
            assert_eq!(first.line, line, "{given}: {first:?}");
            assert!(column == 0 || first.column == column, "{given}: {first:?}");
            assert!(first.message.contains(message), "{given}: {first:?}");
        }
    }

    #[test]
    fn expansion_is_bounded() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            let list = vec![below; 10].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        let problems = read(&bomb).expect_err("bounded");
        assert!(problems[0].message.contains("more than"), "{problems:?}");
        for deep in [
            "[".repeat(10_000),
            "- ".repeat(10_000),
            "{a: ".repeat(10_000),
        ] {
            assert!(read(&deep).is_err());
        }
    }
}
