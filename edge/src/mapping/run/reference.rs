//! Reading and assigning references.
//!
//! Shape: a name, then members, positions and methods; what is missing on the way is an empty
//! text. Units: none. Errors: [`Fault`] of a method. Source: Velocity 1.7, `ASTReference`,
//! `ASTIndex` and the property look-up of its introspection.

use super::Run;
use crate::mapping::{
    error::Halt,
    json::{self, Source},
    value::{ListKind, MapKind, Text, Value},
    vtl::program::{Expression, Method, Reference, Step},
};

impl<'r> Run<'r> {
    /// The value of a reference, never `Null`.
    pub(super) fn reference(&mut self, reference: &'r Reference) -> Result<Value, Halt> {
        let found = self.found(reference)?;
        self.made(found)
    }

    /// The same, for whoever can do with a part of the payload that was only seen.
    pub(super) fn found(&mut self, reference: &'r Reference) -> Result<Value, Halt> {
        self.spot = reference.spot;
        let mut value = self.variable(reference.slot)?;
        for step in &reference.steps {
            if value == Value::Null {
                break;
            }
            self.meter.spend(1)?;
            value = match (value, step) {
                // Most steps by far.
                (Value::Map(id), Step::Property(name)) => {
                    let program = self.program;
                    self.member(id, name.bytes_of(&program.text))?
                }
                (Value::Part(at), Step::Property(name)) => self.part_member(at, *name)?,
                (Value::Context(id), Step::Property(name)) => {
                    let program = self.program;
                    self.context_member(id, name.of(&program.text))?
                }
                (Value::Loop(depth), Step::Property(name)) => {
                    self.round_member(depth, name.of(&self.program.text))
                }
                _ => {
                    let value = self.step(value, step)?;
                    self.spot = reference.spot;
                    value
                }
            };
        }
        Ok(if value == Value::Null {
            Value::EMPTY
        } else {
            value
        })
    }

    /// A value that is no part of the payload.
    #[inline]
    pub(super) fn made(&mut self, value: Value) -> Result<Value, Halt> {
        match value {
            Value::Part(_) => json::made(self.heap, Source::body(self.body), value),
            value => Ok(value),
        }
    }

    /// `.name` of a part of the payload.
    #[inline(always)]
    fn part_member(&mut self, map: u32, name: Text) -> Result<Value, Halt> {
        let program = self.program;
        if !json::part_at(&self.heap.parts, map).is_plain_map() {
            let value = self.made(Value::Part(map))?;
            return self.property(value, name.of(&program.text));
        }
        let (body, name) = (self.body.as_bytes(), name.bytes_of(&program.text));
        let (found, looks) = json::member_at(&self.heap.parts, map, body, name);
        self.meter.spend_looks(looks)?;
        match found {
            Some(at) => json::value(self.heap, Source::body(self.body), at),
            None => Ok(Value::Null),
        }
    }

    /// The value of a name: what a macro has set its parameter to, the argument, or a variable.
    #[inline]
    pub(super) fn variable(&mut self, slot: u32) -> Result<Value, Halt> {
        match self.slot(slot) {
            value if self.visible == 0 && value != Value::Null => Ok(value),
            _ => self.variable_in_macros(slot),
        }
    }

    fn variable_in_macros(&mut self, slot: u32) -> Result<Value, Halt> {
        for index in (0..self.visible).rev() {
            let Some(argument) = self.argument(index, slot) else {
                continue;
            };
            if let Some(value) = self.set_in(index, slot) {
                return Ok(value);
            }
            self.enter()?;
            self.meter.spend(1)?;
            let visible = std::mem::replace(&mut self.visible, index);
            let value = self.value(argument)?;
            self.visible = visible;
            self.leave();
            return Ok(value);
        }
        let value = self.slot(slot);
        if value == Value::Null && slot == STAGE_VARIABLES {
            return self.stage_variables();
        }
        Ok(value)
    }

    fn set_in(&self, index: usize, slot: u32) -> Option<Value> {
        let frame = self.frames.get(index)?;
        let found = frame.set.iter().find(|(named, _)| *named == slot);
        found
            .map(|(_, value)| *value)
            .filter(|value| *value != Value::Null)
    }

    /// What the macro of this frame calls `slot`.
    fn argument(&self, index: usize, slot: u32) -> Option<&'r Expression> {
        let frame = self.frames.get(index)?;
        let position = frame
            .defined
            .parameters
            .iter()
            .position(|named| *named == slot)?;
        frame.arguments.get(position)
    }

    fn step(&mut self, value: Value, step: &'r Step) -> Result<Value, Halt> {
        let program = self.program;
        match step {
            Step::Property(name) => {
                let value = self.made(value)?;
                self.property(value, name.of(&program.text))
            }
            Step::Index(index) => {
                let index = self.value(index)?;
                if let (Value::Part(list), Value::Int(position)) = (value, index)
                    && let Some(item) = json::item_at(&self.heap.parts, list, position)
                {
                    return json::value(self.heap, Source::body(self.body), item);
                }
                let value = self.made(value)?;
                self.index(value, index)
            }
            Step::Method(method) => {
                let value = self.made(value)?;
                self.method(value, method)
            }
        }
    }

    /// `.name`.
    fn property(&mut self, value: Value, name: &'r str) -> Result<Value, Halt> {
        Ok(match value {
            Value::Map(id) => return self.member(id, name.as_bytes()),
            Value::Context(id) => return self.context_member(id, name),
            Value::Entry(id, position) => self.entry_member(id, position, name),
            Value::Loop(depth) => self.round_member(depth, name),
            Value::Input if name == "body" => self.body_text(),
            Value::List(id) if name == "empty" => Value::Bool(self.heap.items(id).is_empty()),
            Value::Text(text) if name == "empty" => Value::Bool(text.bytes == 0),
            _ => Value::Null,
        })
    }

    /// `$foreach.name`.
    pub(super) fn round_member(&self, depth: u32, name: &str) -> Value {
        let Some(round) = self.loops.get(depth as usize) else {
            return Value::Null;
        };
        let number = |index: usize| Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
        match name {
            "index" => number(round.index),
            "count" => number(round.index.saturating_add(1)),
            "hasNext" => Value::Bool(round.has_next),
            "first" => Value::Bool(round.index == 0),
            "last" => Value::Bool(!round.has_next),
            "parent" => depth.checked_sub(1).map_or(Value::Null, Value::Loop),
            "topmost" => Value::Loop(0),
            _ => Value::Null,
        }
    }

    /// `[index]`: out of range is missing; negative positions count from the end.
    fn index(&mut self, value: Value, index: Value) -> Result<Value, Halt> {
        match (value, index) {
            (Value::List(id), _) if self.heap.list_kind(id) == ListKind::View => Ok(Value::Null),
            (Value::List(id), Value::Int(position)) => {
                let items = self.heap.items(id);
                let found = position_of(position, items.len()).and_then(|at| items.get(at));
                Ok(found.copied().unwrap_or(Value::Null))
            }
            (Value::Map(id), key) => self.get(id, key),
            (Value::Context(id), Value::Text(text)) => {
                let name = self.text(text).to_owned();
                self.context_member(id, &name)
            }
            _ => Ok(Value::Null),
        }
    }

    /// A method by the type of its receiver; one that is not there gives `Null`.
    fn method(&mut self, value: Value, method: &'r Method) -> Result<Value, Halt> {
        let mut given = [Value::Null; ARGUMENTS_MAX];
        let count = method.arguments.len();
        if count > ARGUMENTS_MAX {
            return Ok(Value::Null);
        }
        for (place, argument) in given.iter_mut().zip(&method.arguments) {
            *place = self.value(argument)?;
        }
        let arguments = given.get(..count).unwrap_or(&[]);
        let program = self.program;
        let name = method.name.of(&program.text);
        self.meter.spend(1)?;
        match value {
            Value::Text(text) => self.text_method(text, name, arguments, &method.constant),
            Value::List(id) => self.list_method(id, name, arguments),
            Value::Map(id) => self.map_method(id, name, arguments),
            Value::Entry(id, at) => Ok(match name {
                "getKey" => self.entry_member(id, at, "key"),
                "getValue" => self.entry_member(id, at, "value"),
                "toString" => self.printed(value)?,
                _ => Value::Null,
            }),
            Value::Int(_) | Value::Double(_) | Value::Number(_) | Value::Bool(_) => {
                self.number_method(value, name, arguments)
            }
            Value::Loop(depth) => Ok(match name {
                "hasNext" | "getHasNext" => self.round_member(depth, "hasNext"),
                "getIndex" => self.round_member(depth, "index"),
                "getCount" => self.round_member(depth, "count"),
                "isFirst" | "getFirst" => self.round_member(depth, "first"),
                "isLast" | "getLast" => self.round_member(depth, "last"),
                _ => Value::Null,
            }),
            Value::Input => self.input_method(name, arguments, &method.constant),
            Value::Util => self.util_method(name, arguments),
            Value::Context(id) => self.context_method(id, name, arguments),
            Value::Block(_) if name == "toString" => self.printed(value),
            Value::Null | Value::Block(_) | Value::Part(_) => Ok(Value::Null),
        }
    }

    /// `#set($reference = value)`; what cannot be assigned to is left alone.
    pub(super) fn assign(&mut self, left: &'r Reference, value: Value) -> Result<(), Halt> {
        let Some((last, before)) = left.steps.split_last() else {
            self.assign_slot(left.slot, value);
            return Ok(());
        };
        let mut at = self.variable(left.slot)?;
        for step in before {
            if at == Value::Null {
                return Ok(());
            }
            at = self.step(at, step)?;
        }
        let at = self.made(at)?;
        let program = self.program;
        match (at, last) {
            (Value::Map(id), Step::Property(name)) => {
                self.put(id, Value::Text(*name), value)?;
            }
            (Value::Map(id), Step::Index(key)) => {
                let key = self.value(key)?;
                self.put(id, key, value)?;
            }
            (Value::Context(0), Step::Property(name)) => {
                self.put_context(name.of(&program.text), *name, value)?;
            }
            (Value::Context(0), Step::Index(key)) => {
                if let Value::Text(key) = self.value(key)? {
                    let name = self.text(key).to_owned();
                    self.put_context(&name, key, value)?;
                }
            }
            (Value::List(id), Step::Index(index)) => {
                if let Value::Int(position) = self.value(index)? {
                    self.set_item(id, position, value)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Sets a name, for the whole template and for the macros that have a parameter of this name:
    /// it hides the argument from then on.
    pub(super) fn assign_slot(&mut self, slot: u32, value: Value) {
        for index in 0..self.visible {
            let Some(frame) = self.frames.get_mut(index) else {
                continue;
            };
            if !frame.defined.parameters.contains(&slot) {
                continue;
            }
            match frame.set.iter_mut().find(|(named, _)| *named == slot) {
                Some(place) => place.1 = value,
                None => frame.set.push((slot, value)),
            }
        }
        self.set_slot(slot, value);
    }

    /// The value as a text of its own.
    pub(super) fn printed(&mut self, value: Value) -> Result<Value, Halt> {
        if let Value::Text(_) = value {
            return Ok(value);
        }
        let mut made = self.heap.take_room();
        self.print_into(&mut made, value)?;
        self.kept_room(made)
    }

    /// Appends the value to a text that is being made.
    pub(super) fn print_into(&mut self, made: &mut String, value: Value) -> Result<(), Halt> {
        let before = made.len();
        if self.holds_block(value, 0) {
            // What its blocks print goes to `made` instead of the output.
            std::mem::swap(made, &mut self.out);
            let printed = self.print(&value);
            std::mem::swap(made, &mut self.out);
            return printed;
        }
        self.printer().java(made, value, 0)?;
        self.meter.spend_bytes(made.len().saturating_sub(before))
    }

    /// A new map or list counts against memory; this one is for names made from texts.
    #[inline]
    pub(super) fn kept(&mut self, text: &str) -> Result<Value, Halt> {
        Ok(Value::Text(self.heap.keep(text)?))
    }

    /// The same for a text that was made in the heap's room, which is given back.
    pub(super) fn kept_room(&mut self, made: String) -> Result<Value, Halt> {
        let kept = self.heap.keep(&made);
        self.heap.give_room(made);
        kept.map(Value::Text)
    }

    /// A map of pairs.
    pub(super) fn map_of(&mut self, kind: MapKind, pairs: &[(&str, &str)]) -> Result<u32, Halt> {
        let id = self.heap.new_map(kind)?;
        for (name, value) in pairs {
            let key = self.kept(name)?;
            let value = self.kept(value)?;
            self.put_member(id, key, value)?;
        }
        Ok(id)
    }
}

/// The position in a list of `count`, if there is one.
pub(super) fn position_of(position: i64, count: usize) -> Option<usize> {
    let count = i64::try_from(count).ok()?;
    let at = if position < 0 {
        position.checked_add(count)?
    } else {
        position
    };
    usize::try_from(at).ok()
}

/// A text argument.
pub(super) fn as_text(value: Option<&Value>) -> Option<Text> {
    match value {
        Some(Value::Text(text)) => Some(*text),
        _ => None,
    }
}

/// `$stageVariables`, by slot.
pub(super) const STAGE_VARIABLES: u32 = 3;
/// Methods take no more arguments.
const ARGUMENTS_MAX: usize = 3;
