//! JSON texts that others read: by paths, or member by member.
//!
//! Shape: a [`Document`] keeps memory from text to text; [`Document::parse`] gives the root
//! [`Node`], [`Document::open`] a [`Finder`] that reads the text when it is first asked. Nothing
//! is copied but texts with escapes. Units: bytes. Errors: `None` for a text that is no JSON;
//! [`Fault`] when a bound of steps or memory is met. Source: RFC 8259; Jayway JsonPath.

use super::{
    OUTPUT_BYTES_MAX,
    error::{Fault, Halt},
    json::{self, Source},
    json_path::{self, Walker},
    meter::Meter,
    print::Printer,
    value::{Heap, Pool, Text, Value},
};
use std::borrow::Cow;

/// Memory for JSON texts, one after the other.
#[derive(Default, Debug)]
pub struct Document {
    heap: Heap,
}

/// A compiled path into a document.
#[derive(Clone, Debug)]
pub struct BodyPath {
    path: json_path::Path,
}

/// A value of a document.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    heap: &'d Heap,
    source: &'d str,
    value: Value,
}

/// Finds values in one document.
pub struct Finder<'d> {
    heap: &'d mut Heap,
    source: &'d str,
    /// Once it was asked for: the root, or that there is none.
    root: Option<Option<Value>>,
    meter: Meter,
}

impl BodyPath {
    /// Compiles a path; the `$.` in front may be left out.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn compile(source: &str) -> Result<BodyPath, Fault> {
        json_path::parse(source).map(|path| BodyPath { path })
    }
}

impl Document {
    /// An empty one.
    #[must_use]
    pub fn new() -> Document {
        Document::default()
    }

    /// The root of `source`; `None` when it is no JSON.
    ///
    /// # Errors
    /// More values than memory is given to them.
    pub fn parse<'d>(&'d mut self, source: &'d str) -> Result<Option<Node<'d>>, Fault> {
        self.heap.reset();
        let root = json::parse(&mut self.heap, source, Pool::Plain, 0).map_err(|halt| *halt)?;
        let heap = &self.heap;
        Ok(root.map(|value| Node {
            heap,
            source,
            value,
        }))
    }

    /// A finder of values in `source`, which is not read before it is asked.
    pub fn open<'d>(&'d mut self, source: &'d str) -> Finder<'d> {
        self.heap.reset();
        Finder {
            heap: &mut self.heap,
            source,
            root: None,
            meter: Meter::new(),
        }
    }
}

impl<'d> Finder<'d> {
    /// The text that is searched.
    #[must_use]
    pub fn source(&self) -> &'d str {
        self.source
    }

    /// Whether the text is JSON.
    ///
    /// # Errors
    /// A bound that was met.
    pub fn is_json(&mut self) -> Result<bool, Fault> {
        let root = self.root().map_err(|halt| *halt)?;
        Ok(root.is_some())
    }

    /// Appends what `path` finds, a text as it is and anything else as JSON; tells whether
    /// something was found. A null is nothing.
    ///
    /// # Errors
    /// A bound that was met.
    pub fn find(&mut self, path: &BodyPath, out: &mut String) -> Result<bool, Fault> {
        self.found(path, out).map_err(|halt| *halt)
    }

    fn found(&mut self, path: &BodyPath, out: &mut String) -> Result<bool, Halt> {
        let Some(root) = self.root()? else {
            return Ok(false);
        };
        let mut walker = Walker {
            program: "",
            body: self.source,
            heap: self.heap,
            meter: &mut self.meter,
        };
        let found = json_path::find(&mut walker, root, &path.path)?;
        let Some(value) = found.filter(|value| *value != Value::Null) else {
            return Ok(false);
        };
        let value = json::printable(self.heap, Source::body(self.source), value)?;
        let printer = Printer {
            program: "",
            body: self.source,
            heap: self.heap,
            bytes_max: OUTPUT_BYTES_MAX,
        };
        match value {
            Value::Text(text) => out.push_str(printer.text(text)),
            other => printer.json(out, other, 0)?,
        }
        Ok(true)
    }

    fn root(&mut self) -> Result<Option<Value>, Halt> {
        if let Some(known) = self.root {
            return Ok(known);
        }
        self.meter.spend_bytes(self.source.len())?;
        let root = match json::skim(self.heap, self.source)? {
            Some(root) => Some(json::value(self.heap, Source::body(self.source), root)?),
            None => None,
        };
        self.root = Some(root);
        Ok(root)
    }
}

impl<'d> Node<'d> {
    /// Whether it is null.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.value == Value::Null
    }

    /// Its truth value, if it is one.
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Its number, if it is an integer of 64 bits.
    #[must_use]
    pub fn int(self) -> Option<i64> {
        match self.value {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    /// Its text, if it is one.
    #[must_use]
    pub fn text(self) -> Option<&'d str> {
        match self.value {
            Value::Text(text) => Some(self.text_of(text)),
            _ => None,
        }
    }

    /// What a text, a number or a truth value prints.
    #[must_use]
    pub fn scalar(self) -> Option<Cow<'d, str>> {
        match self.value {
            Value::Text(text) | Value::Number(text) => Some(Cow::Borrowed(self.text_of(text))),
            Value::Bool(true) => Some(Cow::Borrowed("true")),
            Value::Bool(false) => Some(Cow::Borrowed("false")),
            Value::Int(number) => Some(Cow::Owned(number.to_string())),
            Value::Double(number) => {
                let mut out = String::new();
                super::decimal::double(&mut out, number);
                Some(Cow::Owned(out))
            }
            _ => None,
        }
    }

    /// Its items, if it is a list.
    pub fn items(self) -> Option<impl Iterator<Item = Node<'d>>> {
        let Value::List(id) = self.value else {
            return None;
        };
        let items = self.heap.items(id).iter();
        Some(items.map(move |value| self.with(*value)))
    }

    /// Its members in order, if it is an object; names are unique.
    pub fn members(self) -> Option<impl Iterator<Item = (&'d str, Node<'d>)>> {
        let Value::Map(id) = self.value else {
            return None;
        };
        let members = self.heap.members(id).iter();
        Some(members.map(move |[name, value]| {
            let name = match name {
                Value::Text(text) => self.text_of(*text),
                _ => "",
            };
            (name, self.with(*value))
        }))
    }

    fn with(self, value: Value) -> Node<'d> {
        Node { value, ..self }
    }

    fn text_of(self, text: Text) -> &'d str {
        match text.pool {
            Pool::Heap => text.of(&self.heap.text),
            Pool::Program | Pool::Body | Pool::Plain => text.of(self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_texts_numbers_and_json() {
        let body = r#"{"a":"x\ny","n":7,"d":1.50,"t":true,"z":null,"o":{"k":["v",1]},"l":[{"p":1},{"p":2}],"":"e"}"#;
        let rows = [
            ("a", Some("x\ny")),
            ("$.a", Some("x\ny")),
            ("n", Some("7")),
            ("d", Some("1.5")),
            ("t", Some("true")),
            ("z", None),
            ("none", None),
            ("o", Some(r#"{"k":["v",1]}"#)),
            ("o.k[0]", Some("v")),
            ("o.k[-1]", Some("1")),
            ("l[*].p", Some("[1,2]")),
            ("l[?(@.p > 1)].p", Some("[2]")),
            (
                "$",
                Some(
                    r#"{"a":"x\ny","n":7,"d":1.5,"t":true,"z":null,"o":{"k":["v",1]},"l":[{"p":1},{"p":2}],"":"e"}"#,
                ),
            ),
        ];
        let mut document = Document::new();
        for (path, expected) in rows {
            let compiled = BodyPath::compile(path).expect(path);
            let mut out = String::new();
            let found = document.open(body).find(&compiled, &mut out);
            assert_eq!(found, Ok(expected.is_some()), "{path}");
            assert_eq!(out, expected.unwrap_or(""), "{path}");
        }
        let mut out = String::new();
        let path = BodyPath::compile("a").expect("a path");
        let mut finder = document.open("{a:1}");
        assert_eq!(finder.is_json(), Ok(false));
        assert_eq!(finder.find(&path, &mut out), Ok(false));
        assert!(BodyPath::compile("a[").is_err());
    }

    #[test]
    fn nodes_are_read_member_by_member() {
        let mut document = Document::new();
        let source = r#"{"s":"a\u00e9","n":-3,"b":false,"z":null,"l":[1,"two"],"s":"last"}"#;
        let root = document.parse(source).expect("fits").expect("JSON");
        let members: Vec<_> = root.members().expect("an object").collect();
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["s", "n", "b", "z", "l"]);
        let [text, number, truth, null, list] = &members[..] else {
            panic!("five members");
        };
        assert_eq!(text.1.text(), Some("last"));
        assert_eq!(number.1.int(), Some(-3));
        assert_eq!(truth.1.bool(), Some(false));
        assert!(null.1.is_null() && null.1.scalar().is_none());
        let items: Vec<_> = list.1.items().expect("a list").collect();
        let printed: Vec<_> = items.iter().filter_map(|item| item.scalar()).collect();
        assert_eq!(printed, ["1", "two"]);
        assert!(text.1.items().is_none() && text.1.members().is_none());
        assert!(document.parse("{").expect("fits").is_none());
    }
}
