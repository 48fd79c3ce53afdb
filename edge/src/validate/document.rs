//! A JSON text as a flat list of values.
//!
//! Shape: values in the order in which they stand; a list or map knows where it ends, a member is
//! a text and its value. All texts stand in one string. Of a repeated member all are kept, so that
//! nobody behind the gateway reads one that was not looked at. Units: bytes, and indexes into the
//! list. Ranges: [`VALUES_MAX`] values of 16 bytes, 128 levels. Errors: [`Unreadable`]. Source:
//! RFC 8259.

use super::number::Number;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use std::fmt::{self, Write};

/// Most values in a body, member names included.
pub const VALUES_MAX: usize = 1 << 20;

/// A parsed text.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    cells: Vec<Cell>,
    texts: String,
}

#[derive(Clone, Copy, Debug)]
enum Cell {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// Bytes of the texts.
    Text(u32, u32),
    /// Where it ends, and how many it holds.
    List(u32, u32),
    Map(u32, u32),
}

const _: () = assert!(size_of::<Cell>() == 16);

/// The text is no JSON, or more than is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unreadable;

impl Document {
    /// Reads a body.
    pub(super) fn parse(bytes: &[u8]) -> Result<Document, Unreadable> {
        let mut document = Document::default();
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let read = Reader(&mut document).deserialize(&mut reader);
        read.and_then(|()| reader.end()).map_err(|_| Unreadable)?;
        Ok(document)
    }

    /// A value of a schema.
    pub(super) fn of(value: &serde_json::Value) -> Result<Document, Unreadable> {
        let mut document = Document::default();
        let read = Reader(&mut document).deserialize(value);
        read.map_err(|_| Unreadable)?;
        Ok(document)
    }

    /// The whole.
    pub(super) fn root(&self) -> Value<'_> {
        Value {
            document: self,
            at: 0,
        }
    }

    /// Adds a value; its place.
    fn push(&mut self, cell: Cell) -> Option<usize> {
        let at = self.cells.len();
        if at >= VALUES_MAX {
            return None;
        }
        self.cells.push(cell);
        Some(at)
    }

    fn push_text(&mut self, text: &str) -> Option<usize> {
        let from = u32::try_from(self.texts.len()).ok()?;
        self.texts.push_str(text);
        let to = u32::try_from(self.texts.len()).ok()?;
        self.push(Cell::Text(from, to))
    }

    fn len(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }
}

const _: () = assert!(VALUES_MAX < u32::MAX as usize);

/// One value of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'d> {
    document: &'d Document,
    at: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'d> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(&'d str),
    /// How many items.
    List(usize),
    /// How many members.
    Map(usize),
}

impl<'d> Value<'d> {
    pub(super) fn kind(self) -> Kind<'d> {
        match self.cell() {
            Cell::Null => Kind::Null,
            Cell::Boolean(boolean) => Kind::Boolean(boolean),
            Cell::Unsigned(unsigned) => Kind::Number(Number::Unsigned(unsigned)),
            Cell::Signed(signed) => Kind::Number(Number::Signed(signed)),
            Cell::Float(float) => Kind::Number(Number::Float(float)),
            Cell::Text(from, to) => Kind::Text(self.text(from, to)),
            Cell::List(_, count) => Kind::List(index(count)),
            Cell::Map(_, count) => Kind::Map(index(count)),
        }
    }

    fn cell(self) -> Cell {
        self.document
            .cells
            .get(self.at)
            .copied()
            .unwrap_or(Cell::Null)
    }

    fn text(self, from: u32, to: u32) -> &'d str {
        self.document
            .texts
            .get(index(from)..index(to))
            .unwrap_or("")
    }

    /// Where the next value stands.
    fn end(self) -> usize {
        match self.cell() {
            Cell::List(end, _) | Cell::Map(end, _) => index(end),
            _ => self.at.saturating_add(1),
        }
    }

    fn at(self, at: usize) -> Value<'d> {
        Value {
            document: self.document,
            at,
        }
    }

    /// Items of a list.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'d>> {
        let end = match self.cell() {
            Cell::List(end, _) => index(end),
            _ => 0,
        };
        let mut at = self.at.saturating_add(1);
        std::iter::from_fn(move || {
            let item = (at < end).then(|| self.at(at))?;
            at = item.end();
            Some(item)
        })
    }

    /// Members of a map, as they stand.
    pub(super) fn members(self) -> impl Iterator<Item = (&'d str, Value<'d>)> {
        let end = match self.cell() {
            Cell::Map(end, _) => index(end),
            _ => 0,
        };
        let mut at = self.at.saturating_add(1);
        std::iter::from_fn(move || {
            let name = (at < end).then(|| self.at(at))?;
            let Kind::Text(text) = name.kind() else {
                return None;
            };
            let value = self.at(name.end());
            at = value.end();
            Some((text, value))
        })
    }

    /// A member of a map.
    pub(super) fn member(self, wanted: &str) -> Option<Value<'d>> {
        self.members()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    }

    /// Values in it, itself included: what it costs to look at.
    pub(super) fn size(self) -> usize {
        self.end().saturating_sub(self.at)
    }

    /// Writes it as JSON without blanks.
    pub(super) fn write(self, out: &mut impl Write) -> fmt::Result {
        match self.kind() {
            Kind::Null => out.write_str("null"),
            Kind::Boolean(boolean) => write!(out, "{boolean}"),
            Kind::Number(number) => write!(out, "{number}"),
            Kind::Text(text) => write_text(text, out),
            Kind::List(_) => {
                out.write_char('[')?;
                for (at, item) in self.items().enumerate() {
                    if at > 0 {
                        out.write_char(',')?;
                    }
                    item.write(out)?;
                }
                out.write_char(']')
            }
            Kind::Map(_) => {
                out.write_char('{')?;
                for (at, (name, value)) in self.members().enumerate() {
                    if at > 0 {
                        out.write_char(',')?;
                    }
                    write_text(name, out)?;
                    out.write_char(':')?;
                    value.write(out)?;
                }
                out.write_char('}')
            }
        }
    }
}

/// Writes a text with quotes and escapes.
pub(super) fn write_text(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            control @ '\0'..='\u{1f}' => write!(out, "\\u{:04X}", u32::from(control))?,
            other => out.write_char(other)?,
        }
    }
    out.write_char('"')
}

fn index(at: u32) -> usize {
    at as usize
}

/// Adds what it reads to the document.
struct Reader<'r>(&'r mut Document);

impl Reader<'_> {
    fn add<E: serde::de::Error>(self, cell: Cell) -> Result<(), E> {
        self.0.push(cell).map(|_| ()).ok_or_else(too_many)
    }
}

fn too_many<E: serde::de::Error>() -> E {
    E::custom("too many values")
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.add(Cell::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, boolean: bool) -> Result<(), E> {
        self.add(Cell::Boolean(boolean))
    }

    fn visit_u64<E: serde::de::Error>(self, unsigned: u64) -> Result<(), E> {
        self.add(Cell::Unsigned(unsigned))
    }

    fn visit_i64<E: serde::de::Error>(self, signed: i64) -> Result<(), E> {
        match u64::try_from(signed) {
            Ok(unsigned) => self.add(Cell::Unsigned(unsigned)),
            Err(_) => self.add(Cell::Signed(signed)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, float: f64) -> Result<(), E> {
        self.add(Cell::Float(float))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.0.push_text(text).map(|_| ()).ok_or_else(too_many)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let document = self.0;
        let at = document.push(Cell::List(0, 0)).ok_or_else(too_many)?;
        let mut count = 0u32;
        while items.next_element_seed(Reader(document))?.is_some() {
            count = count.saturating_add(1);
        }
        let end = document.len();
        if let Some(cell) = document.cells.get_mut(at) {
            *cell = Cell::List(end, count);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let document = self.0;
        let at = document.push(Cell::Map(0, 0)).ok_or_else(too_many)?;
        let mut count = 0u32;
        while members.next_key_seed(Reader(document))?.is_some() {
            members.next_value_seed(Reader(document))?;
            count = count.saturating_add(1);
        }
        let end = document.len();
        if let Some(cell) = document.cells.get_mut(at) {
            *cell = Cell::Map(end, count);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: Value<'_>) -> String {
        let mut out = String::new();
        value.write(&mut out).expect("strings take everything");
        out
    }

    #[test]
    fn texts_are_read_and_written() {
        let rows = [
            "null",
            "true",
            "-1",
            "18446744073709551615",
            "1.5",
            r#""a\"\\\n\u0001é""#,
            "[]",
            "{}",
            r#"[1,[2,[]],{"a":{"b":[null]},"c":"d"}]"#,
            r#"{"a":1,"a":2}"#,
        ];
        for text in rows {
            let document = Document::parse(text.as_bytes()).expect(text);
            assert_eq!(written(document.root()), text);
        }
        let document = Document::parse(br#" {"a":{"x":1},"b":[1,2]} "#).expect("reads");
        let root = document.root();
        assert!(matches!(root.kind(), Kind::Map(2)));
        assert_eq!(root.member("b").map(|value| value.items().count()), Some(2));
        assert_eq!(root.member("a").map(Value::size), Some(3));
        assert!(root.member("x").is_none());
        assert_eq!(root.items().count(), 0);
        assert_eq!(root.size(), 9);
    }

    #[test]
    fn what_is_no_json_is_unreadable() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{'a':1}",
            "1 2",
            "nul",
            "1e999",
            "\"\\ud800\"",
            &deep,
        ] {
            assert_eq!(
                Document::parse(text.as_bytes()).err(),
                Some(Unreadable),
                "{text}"
            );
        }
        assert!(Document::parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(Document::parse(list(VALUES_MAX - 1).as_bytes()).is_ok());
        assert!(Document::parse(list(VALUES_MAX).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(document) = Document::parse(&bytes) {
                let text = written(document.root());
                let again = Document::parse(text.as_bytes());
                prop_assert_eq!(again.map(|document| written(document.root())), Ok(text));
            }
        }

        #[test]
        fn any_text_keeps_its_characters(text in any::<String>()) {
            let value = serde_json::Value::String(text.clone());
            let document = Document::of(&value).expect("reads");
            prop_assert!(matches!(document.root().kind(), Kind::Text(found) if found == text));
            let read: String = serde_json::from_str(&written(document.root())).expect("is JSON");
            prop_assert_eq!(read, text);
        }
    }
}
