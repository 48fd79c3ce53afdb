//! A tree into a serde type, with every problem of the tree at once.
//!
//! Shape: a serde `Deserializer` over [`Node`]s. Unknown keys are noted and passed over. Other
//! faults end one attempt: the place is noted, that node is left out, and the next attempt runs
//! with its default, until one succeeds.
//! Units: at most [`PROBLEMS_MAX`] attempts.
//! Errors: [`Problem`]s at the key or value, with the nearest known word as a hint.
//! Source: serde's data model, maps and scalars only.

use std::{cell::RefCell, collections::BTreeSet, fmt};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor},
};

use super::{
    Document, Span,
    node::{Cursor, Entry, Node, Value},
};
use crate::diagnostics::{Problem, Severity, did_you_mean};

/// Reads what can be read; faulty parts have their defaults.
pub fn read<T: for<'de> Deserialize<'de> + Default>(document: &Document) -> (T, Vec<Problem>) {
    let notes = RefCell::new(Notes::default());
    let mut problems = Vec::new();
    let mut value = T::default();
    while problems.len() < PROBLEMS_MAX {
        notes.borrow_mut().unknown.clear();
        let at = document.cursor();
        match T::deserialize(Reader { at, notes: &notes }) {
            Ok(read) => {
                value = read;
                break;
            }
            Err(fault) => {
                let place = fault.place.unwrap_or_default();
                let is_new = notes.borrow_mut().left_out.insert(place.pointer.clone());
                let follows = fault.missing.as_ref().is_some_and(|field| {
                    let pointer = super::node::join(&place.pointer, field);
                    notes.borrow().left_out.contains(&pointer)
                });
                if !follows {
                    problems.push(document.source.problem(
                        Severity::Error,
                        place.span,
                        &place.pointer,
                        fault.message,
                        fault.hint,
                    ));
                }
                if !is_new || place.pointer.is_empty() {
                    break;
                }
            }
        }
    }
    let notes = notes.into_inner();
    for unknown in notes.unknown {
        problems.push(document.source.problem(
            Severity::Error,
            unknown.span,
            &unknown.pointer,
            format!("`{}` is not a known key here", unknown.key),
            did_you_mean(&unknown.key, unknown.known),
        ));
    }
    (value, problems)
}

/// More problems than this are not worth reading.
pub const PROBLEMS_MAX: usize = 100;

#[derive(Default)]
struct Notes {
    unknown: Vec<Unknown>,
    left_out: BTreeSet<String>,
}

struct Unknown {
    key: String,
    span: Span,
    pointer: String,
    known: &'static [&'static str],
}

#[derive(Clone, Debug, Default)]
struct Place {
    pointer: String,
    span: Span,
}

/// Why one attempt ended.
#[derive(Debug)]
struct Fault {
    message: String,
    hint: Option<String>,
    place: Option<Place>,
    missing: Option<String>,
}

impl Fault {
    fn at(mut self, at: &Cursor<'_>) -> Fault {
        self.place.get_or_insert_with(|| Place {
            pointer: at.pointer.clone(),
            span: at.span(),
        });
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault {
            message: message.to_string(),
            hint: None,
            place: None,
            missing: None,
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault {
            hint: Some(format!("write {}", wording(&expected.to_string()))),
            ..Fault::custom(format!("{} does not fit here", found_wording(found)))
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault {
            hint: Some(format!("write {}", wording(&expected.to_string()))),
            ..Fault::custom(format!("{} is out of range", found_wording(found)))
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Fault {
            hint: did_you_mean(variant, expected),
            ..Fault::custom(format!("`{variant}` is not one of the known words"))
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Fault {
            hint: Some(format!("add `{field} = …`")),
            missing: Some(field.to_owned()),
            ..Fault::custom(format!("`{field}` is missing"))
        }
    }
}

fn wording(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" => "a whole number, not negative".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "a text in quotes".to_owned(),
        "a sequence" => "a list: […]".to_owned(),
        other => match other.strip_prefix("struct ") {
            Some(_) => "a table".to_owned(),
            None => other.to_owned(),
        },
    }
}

fn found_wording(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Bool(flag) => format!("`{flag}`"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

struct Reader<'a, 'n> {
    at: Cursor<'a>,
    notes: &'n RefCell<Notes>,
}

impl<'n> Reader<'_, 'n> {
    fn is_left_out(notes: &RefCell<Notes>, pointer: &str) -> bool {
        notes.borrow().left_out.contains(pointer)
    }
}

impl<'de, 'a: 'de> de::Deserializer<'de> for Reader<'a, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let at = self.at.clone();
        let node: &'a Node = self.at.node;
        let read = match &node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Sequence(_) => visitor.visit_seq(Items {
                items: self.at.items().collect::<Vec<_>>().into_iter(),
                notes: self.notes,
            }),
            Value::Mapping(_) => visitor.visit_map(Members::new(self.at, None, self.notes)),
        };
        read.map_err(|fault: Fault| fault.at(&at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.at.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let at = self.at.clone();
        if !matches!(at.node.value, Value::Mapping(_)) {
            return self.deserialize_any(visitor);
        }
        let members = Members::new(self.at, Some(fields), self.notes);
        visitor.visit_map(members).map_err(|fault| fault.at(&at))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let read = match self.at.text() {
            Some(text) => visitor.visit_enum(text.into_deserializer()),
            // A word that comes with a value: `{ word = value }`.
            None if self.at.members().count() == 1 => {
                let members = Members::new(self.at.clone(), None, self.notes);
                visitor.visit_enum(de::value::MapAccessDeserializer::new(members))
            }
            None => {
                let message = format!("{} does not fit here", self.at.node.kind());
                Err(Fault {
                    hint: Some("write one of the known words in quotes".to_owned()),
                    ..de::Error::custom(message)
                })
            }
        };
        read.map_err(|fault: Fault| fault.at(&self.at))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a, 'n> {
    items: std::vec::IntoIter<Cursor<'a>>,
    notes: &'n RefCell<Notes>,
}

impl<'de, 'a: 'de> de::SeqAccess<'de> for Items<'a, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        for at in self.items.by_ref() {
            if !Reader::is_left_out(self.notes, &at.pointer) {
                let notes = self.notes;
                return seed.deserialize(Reader { at, notes }).map(Some);
            }
        }
        Ok(None)
    }
}

struct Members<'a, 'n> {
    members: std::vec::IntoIter<(&'a Entry, Cursor<'a>)>,
    value: Option<Cursor<'a>>,
    notes: &'n RefCell<Notes>,
}

impl<'a, 'n> Members<'a, 'n> {
    /// With `fields`, keys outside them are noted and passed over.
    fn new(
        at: Cursor<'a>,
        fields: Option<&'static [&'static str]>,
        notes: &'n RefCell<Notes>,
    ) -> Self {
        let mut members = Vec::new();
        for (entry, member) in at.members() {
            match fields {
                Some(known) if !known.contains(&entry.key.as_str()) => {
                    notes.borrow_mut().unknown.push(Unknown {
                        key: entry.key.clone(),
                        span: entry.key_span,
                        pointer: member.pointer,
                        known,
                    });
                }
                _ if Reader::is_left_out(notes, &member.pointer) => {}
                _ => members.push((entry, member)),
            }
        }
        Members {
            members: members.into_iter(),
            value: None,
            notes,
        }
    }
}

impl<'de, 'a: 'de> de::MapAccess<'de> for Members<'a, '_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((entry, at)) = self.members.next() else {
            return Ok(None);
        };
        self.value = Some(at);
        seed.deserialize(entry.key.as_str().into_deserializer())
            .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.value.take() {
            Some(at) => seed.deserialize(Reader {
                at,
                notes: self.notes,
            }),
            None => Err(de::Error::custom("a value without a key")),
        }
    }
}
