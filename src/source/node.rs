//! A document's tree: what YAML, JSON and TOML have in common, with spans.
//!
//! Shape: a [`Node`] is a scalar, a sequence or a mapping in document order; a [`Cursor`] is a
//! node with the pointer that leads to it.
//! Units: spans in bytes of the text.
//! Errors: none; a mapping never holds a key twice (the readers refuse it).
//! Source: RFC 6901 for pointers.

use super::Span;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One member of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

impl Node {
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// How the value is called in a message: `a number`, `a list`, …
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a table",
        }
    }

    /// Nodes below and including this one, and how deep they go.
    pub(super) fn measure(&self) -> (usize, usize) {
        let children: &mut dyn Iterator<Item = &Node> = match &self.value {
            Value::Sequence(items) => &mut items.iter(),
            Value::Mapping(entries) => &mut entries.iter().map(|entry| &entry.node),
            Value::Text(text) => return (1 + text.len() / 64, 1),
            _ => return (1, 1),
        };
        let mut nodes = 1;
        let mut depth = 0;
        for child in children {
            let (below, deep) = child.measure();
            nodes += below;
            depth = depth.max(deep);
        }
        (nodes, depth + 1)
    }
}

/// A node with the way to it.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    pub node: &'a Node,
    /// The key it stands under, if any.
    pub key_span: Option<Span>,
    pub pointer: String,
}

impl<'a> Cursor<'a> {
    /// A member of a mapping.
    pub fn get(&self, key: &str) -> Option<Cursor<'a>> {
        let entry = self.node.entries().iter().find(|entry| entry.key == key)?;
        Some(self.member(entry))
    }

    /// A member of a mapping, or an item of a sequence by its number.
    pub fn child(&self, name: &str) -> Option<Cursor<'a>> {
        match &self.node.value {
            Value::Sequence(items) => {
                let index = name.parse::<usize>().ok()?;
                Some(self.item(index, items.get(index)?))
            }
            _ => self.get(name),
        }
    }

    /// Members of a mapping in document order; nothing for other nodes.
    pub fn members(&self) -> impl Iterator<Item = (&'a Entry, Cursor<'a>)> + use<'a> {
        let parent = self.clone();
        let entries = self.node.entries().iter();
        entries.map(move |entry| (entry, parent.member(entry)))
    }

    /// Items of a sequence; nothing for other nodes.
    pub fn items(&self) -> impl Iterator<Item = Cursor<'a>> + use<'a> {
        let parent = self.clone();
        let items = self.node.items().iter().enumerate();
        items.map(move |(index, node)| parent.item(index, node))
    }

    pub fn text(&self) -> Option<&'a str> {
        self.node.as_text()
    }

    fn member(&self, entry: &'a Entry) -> Cursor<'a> {
        Cursor {
            node: &entry.node,
            key_span: Some(entry.key_span),
            pointer: join(&self.pointer, &entry.key),
        }
    }

    fn item(&self, index: usize, node: &'a Node) -> Cursor<'a> {
        Cursor {
            node,
            key_span: None,
            pointer: format!("{}/{index}", self.pointer),
        }
    }
}

/// `pointer` with one more part, escaped.
pub fn join(pointer: &str, part: &str) -> String {
    format!("{pointer}/{}", part.replace('~', "~0").replace('/', "~1"))
}

/// Puts entries into a mapping and finds keys that stand there twice.
#[derive(Default, Debug)]
pub(super) struct Keys {
    seen: std::collections::BTreeSet<String>,
}

impl Keys {
    /// Whether the key is new.
    pub(super) fn insert(&mut self, key: &str) -> bool {
        self.seen.insert(key.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_escape_slash_and_tilde() {
        assert_eq!(join("/paths", "/a~b"), "/paths/~1a~0b");
    }
}
