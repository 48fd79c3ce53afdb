//! Values out of parts.
//!
//! Shape: [`value`] makes what costs nothing to make and leaves lists, maps and numbers as
//! [`Value::Part`]; [`made`] makes those too, with all that they hold, and notes it in the part, so
//! that whoever asks again gets the same list or map. Units: bytes. Errors: [`Fault::Memory`].
//! Source: RFC 8259; `java.util.LinkedHashMap` for repeated names.

use super::{
    escape::unescaped,
    names::Names,
    part::{ESCAPED, Kind, Part, part_at},
};
use crate::mapping::{
    decimal::{self, Number},
    error::Halt,
    plain,
    value::{Heap, Pool, Text, Value, small},
};

/// A document that was seen: what `pool` calls the text at `base`.
#[derive(Clone, Copy)]
pub(in crate::mapping) struct Source<'s> {
    pub(in crate::mapping) text: &'s str,
    pub(in crate::mapping) pool: Pool,
    pub(in crate::mapping) base: u32,
}

impl<'s> Source<'s> {
    /// The payload of a render.
    pub(in crate::mapping) fn body(text: &'s str) -> Source<'s> {
        Source {
            text,
            pool: Pool::Plain,
            base: 0,
        }
    }

    fn text(self, at: u32, bytes: u32) -> Text {
        Text {
            pool: self.pool,
            at: self.base.wrapping_add(at),
            bytes,
        }
    }
}

/// The value of the part at `at`; lists, maps and numbers stay parts.
#[inline]
pub(in crate::mapping) fn value(
    heap: &mut Heap,
    source: Source<'_>,
    at: u32,
) -> Result<Value, Halt> {
    let part = part_at(&heap.parts, at);
    match part.kind {
        Kind::Text => Ok(Value::Text(source.text(part.at, part.bytes))),
        Kind::List | Kind::Map | Kind::Number => Ok(Value::Part(at)),
        _ => rare_value(heap, source, at, part),
    }
}

fn rare_value(heap: &mut Heap, source: Source<'_>, at: u32, part: Part) -> Result<Value, Halt> {
    Ok(match part.kind {
        Kind::Null => Value::Null,
        Kind::True => Value::Bool(true),
        Kind::False => Value::Bool(false),
        Kind::Text => Value::Text(source.text(part.at, part.bytes)),
        Kind::MadeText => Value::Text(Text {
            pool: Pool::Heap,
            at: part.at,
            bytes: part.bytes,
        }),
        Kind::MadeList => Value::List(part.at),
        Kind::MadeMap => Value::Map(part.at),
        Kind::Number | Kind::List | Kind::Map => Value::Part(at),
        Kind::Escaped => {
            let text = made_text(heap, source, part.at)?;
            note(heap, at, Kind::MadeText, text);
            Value::Text(text)
        }
    })
}

/// `value` as a value of its own, if it is a part.
#[inline]
pub(in crate::mapping) fn made(
    heap: &mut Heap,
    source: Source<'_>,
    value: Value,
) -> Result<Value, Halt> {
    match value {
        Value::Part(at) => made_part(heap, source, at),
        value => Ok(value),
    }
}

/// The same for what will be printed as JSON, which most parts can be as they are.
pub(in crate::mapping) fn printable(
    heap: &mut Heap,
    source: Source<'_>,
    value: Value,
) -> Result<Value, Halt> {
    match value {
        Value::Part(at) if !part_at(&heap.parts, at).is_simple() => made_part(heap, source, at),
        value => Ok(value),
    }
}

/// A number as a value.
pub(in crate::mapping) fn number(source: Source<'_>, part: Part) -> Value {
    let long = Value::Number(source.text(part.at, part.bytes));
    if part.bytes > SHORT_BYTES_MAX {
        return long;
    }
    let text = source.text.as_bytes().get(part.at as usize..);
    let read = text.and_then(decimal::read);
    match read.map(|read| read.number) {
        Some(Number::Int(number)) => Value::Int(number),
        Some(Number::Double(number)) => Value::Double(number),
        Some(Number::Long) => long,
        None => Value::Null,
    }
}

fn made_part(heap: &mut Heap, source: Source<'_>, at: u32) -> Result<Value, Halt> {
    let mut maker = Maker {
        stack: heap.take_stack(),
        heap,
        source,
    };
    let value = maker.value(at);
    let stack = maker.stack;
    heap.give_stack(stack);
    value
}

struct Maker<'m> {
    heap: &'m mut Heap,
    source: Source<'m>,
    /// Items, and names with values, of the containers being made, innermost last.
    stack: Vec<Value>,
}

impl Maker<'_> {
    /// As deep as documents nest.
    fn value(&mut self, at: u32) -> Result<Value, Halt> {
        let part = part_at(&self.heap.parts, at);
        match part.kind {
            Kind::Number => Ok(number(self.source, part)),
            Kind::List => self.list(at, part),
            Kind::Map => self.map(at, part),
            _ => value(self.heap, self.source, at),
        }
    }

    fn list(&mut self, at: u32, part: Part) -> Result<Value, Halt> {
        let first = self.stack.len();
        let mut item = at.wrapping_add(1);
        while item < part.next {
            let value = self.value(item)?;
            self.stack.push(value);
            item = part_at(&self.heap.parts, item)
                .next
                .max(item.wrapping_add(1));
        }
        let written = self.written(part);
        let items = self.stack.get(first..).unwrap_or(&[]);
        let id = self.heap.read_list(items, written);
        self.stack.truncate(first);
        self.note(at, Kind::MadeList, id);
        Ok(Value::List(id))
    }

    fn map(&mut self, at: u32, part: Part) -> Result<Value, Halt> {
        let first = self.stack.len();
        let mut member = at.wrapping_add(1);
        while member < part.next {
            let name = self.name(member)?;
            self.stack.push(name);
            let value = self.value(member)?;
            self.stack.push(value);
            let next = part_at(&self.heap.parts, member).next;
            member = next.max(member.wrapping_add(1));
        }
        let written = self.written(part);
        let members = self.stack.get(first..).unwrap_or(&[]).as_chunks().0;
        let names = Names {
            source: self.source.text.as_bytes(),
            base: self.source.base,
            made: self.heap.text.as_bytes(),
        };
        let united = (!part.is_plain_map()).then(|| names.united(members));
        let id = match united.flatten() {
            Some(members) => self.heap.read_map(&members, Text::EMPTY),
            None => self.heap.read_map(members, written),
        };
        self.stack.truncate(first);
        self.note(at, Kind::MadeMap, id);
        Ok(Value::Map(id))
    }

    fn name(&mut self, at: u32) -> Result<Value, Halt> {
        let part = part_at(&self.heap.parts, at);
        if part.name_bytes == ESCAPED {
            return made_text(self.heap, self.source, part.name_at).map(Value::Text);
        }
        Ok(Value::Text(self.source.text(part.name_at, part.name_bytes)))
    }

    /// What the document says in the place of a container that prints just so.
    fn written(&self, part: Part) -> Text {
        let bytes = if part.is_as_written() { part.bytes } else { 0 };
        self.source.text(part.at, bytes)
    }

    fn note(&mut self, at: u32, kind: Kind, id: u32) {
        let text = Text {
            at: id,
            ..Text::EMPTY
        };
        note(self.heap, at, kind, text);
    }
}

fn note(heap: &mut Heap, at: u32, kind: Kind, text: Text) {
    if let Some(part) = heap.parts.get_mut(at as usize) {
        part.kind = kind;
        part.at = text.at;
        part.bytes = text.bytes;
    }
}

/// Longer numbers keep their text: none of 64 bits is written so, and it need not be read again and
/// again.
const SHORT_BYTES_MAX: u32 = decimal::INT_BYTES_MAX;

/// A string with escapes that begins at `start`, made on the heap.
#[cold]
fn made_text(heap: &mut Heap, source: Source<'_>, start: u32) -> Result<Text, Halt> {
    let source = source.text;
    let made = heap.text.len();
    let mut at = start;
    loop {
        let end = plain::json_end(source.as_bytes(), at);
        let plain = source.get(at as usize..end as usize);
        heap.text.push_str(plain.unwrap_or(""));
        let rest = source.as_bytes().get(end as usize..).unwrap_or(&[]);
        let [b'\\', escape @ ..] = rest else {
            return heap.made_since(made);
        };
        let Some((character, after)) = unescaped(escape) else {
            return heap.made_since(made);
        };
        heap.text.push(character);
        at = small(source.len().saturating_sub(after.len()));
    }
}
