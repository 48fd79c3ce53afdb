//! Maps: look-up, assignment and methods.
//!
//! Shape: keys are values, compared as Java's `equals` has it. Units: members. Errors:
//! [`Fault::OverriddenTwice`] in the maps of overrides. Source: `java.util.LinkedHashMap`.

use super::{Run, list::number};
use crate::mapping::{
    error::{Fault, Halt},
    value::{ListKind, MapKind, Member, Value, small},
};

impl Run<'_> {
    /// Position of a member.
    pub(super) fn find_member(&mut self, id: u32, key: Value) -> Result<Option<usize>, Halt> {
        let count = self.heap.members(id).len();
        self.meter.spend_looks(count)?;
        if let Value::Text(key) = key {
            let printer = self.printer();
            let wanted = printer.bytes(key);
            let mut members = self.heap.members(id).iter();
            return Ok(members.position(|[known, _]| printer.is_named(*known, wanted)));
        }
        for position in 0..count {
            let known = self.heap.members(id).get(position).map(|[known, _]| *known);
            if self.equals(known.unwrap_or(Value::Null), key)? {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// The member of this name; `Null` when there is none.
    #[inline]
    pub(super) fn member(&mut self, id: u32, name: &[u8]) -> Result<Value, Halt> {
        let members = self.heap.members(id);
        self.meter.spend_looks(members.len())?;
        let printer = self.printer();
        for [known, value] in members {
            if printer.is_named(*known, name) {
                return Ok(*value);
            }
        }
        Ok(Value::Null)
    }

    /// `get(key)`.
    pub(super) fn get(&mut self, id: u32, key: Value) -> Result<Value, Halt> {
        let at = self.find_member(id, key)?;
        let member = at.and_then(|at| self.heap.members(id).get(at));
        Ok(member.map_or(Value::Null, |[_, value]| *value))
    }

    /// `put(key, value)`, which gives the former value.
    pub(super) fn put(&mut self, id: u32, key: Value, value: Value) -> Result<Value, Halt> {
        self.check_once(id, key)?;
        self.put_member(id, key, value)
    }

    /// As [`Run::put`], for maps that anything may be put into.
    pub(super) fn put_member(&mut self, id: u32, key: Value, value: Value) -> Result<Value, Halt> {
        if let Some(at) = self.find_member(id, key)? {
            let members = self.heap.members_mut(id);
            let place = members.and_then(|members| members.get_mut(at));
            let former = place.map(|[_, place]| std::mem::replace(place, value));
            return Ok(former.unwrap_or(Value::Null));
        }
        self.heap.push_member(id, key, value)?;
        Ok(Value::Null)
    }

    /// Names of overrides are set once; header names whatever their case.
    fn check_once(&mut self, id: u32, key: Value) -> Result<(), Halt> {
        let kind = self.heap.map_kind(id);
        let Value::Text(key) = key else {
            return Ok(());
        };
        if !matches!(kind, MapKind::Once | MapKind::StatusOnce) {
            return Ok(());
        }
        let count = self.heap.members(id).len();
        self.meter.spend_looks(count.saturating_mul(LOOKS_OF_ONE))?;
        let printer = self.printer();
        let name = printer.text(key);
        if kind == MapKind::StatusOnce && name != "status" {
            return Ok(());
        }
        let is_named = |[known, _]: &Member| match known {
            Value::Text(text) => printer.text(*text).eq_ignore_ascii_case(name),
            _ => false,
        };
        if self.heap.members(id).iter().any(is_named) {
            let name = name.to_owned();
            return Err(Fault::OverriddenTwice { name }.into());
        }
        Ok(())
    }

    /// `key` and `value` of an entry.
    pub(super) fn entry_member(&self, id: u32, position: u32, name: &str) -> Value {
        let entry = self.heap.members(id).get(position as usize);
        match (entry, name) {
            (Some([key, _]), "key") => *key,
            (Some([_, value]), "value") => *value,
            _ => Value::Null,
        }
    }

    /// A method of a map.
    pub(super) fn map_method(
        &mut self,
        id: u32,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, Halt> {
        let members = self.heap.members(id);
        Ok(match (name, arguments) {
            ("get", [key]) => self.get(id, *key)?,
            ("getOrDefault", [key, default]) => match self.find_member(id, *key)? {
                Some(_) => self.get(id, *key)?,
                None => *default,
            },
            ("put", [key, value]) => self.put(id, *key, *value)?,
            ("putAll", [Value::Map(other)]) => {
                for position in 0..self.heap.members(*other).len() {
                    let member = self.heap.members(*other).get(position).copied();
                    if let Some([key, value]) = member {
                        self.meter.spend(1)?;
                        self.put(id, key, value)?;
                    }
                }
                Value::Null
            }
            ("remove", [key]) => {
                let at = self.find_member(id, *key)?;
                match (at, self.heap.members_mut(id)) {
                    (Some(at), Some(members)) => {
                        let [_, former] = members.remove(at);
                        former
                    }
                    _ => Value::Null,
                }
            }
            ("clear", []) => {
                if let Some(members) = self.heap.members_mut(id) {
                    members.clear();
                }
                Value::Null
            }
            ("size", []) => number(members.len()),
            ("isEmpty", []) => Value::Bool(members.is_empty()),
            ("containsKey", [key]) => Value::Bool(self.find_member(id, *key)?.is_some()),
            ("containsValue", [value]) => {
                let mut found = false;
                for position in 0..members.len() {
                    let known = self.heap.members(id).get(position).map(|[_, known]| *known);
                    found |= self.equals(known.unwrap_or(Value::Null), *value)?;
                }
                Value::Bool(found)
            }
            ("keySet", []) => {
                let keys: Vec<Value> = members.iter().map(|[key, _]| *key).collect();
                self.fixed_list(ListKind::View, &keys)?
            }
            ("values", []) => {
                let values: Vec<Value> = members.iter().map(|[_, value]| *value).collect();
                self.fixed_list(ListKind::View, &values)?
            }
            ("entrySet", []) => {
                let entries = (0..members.len()).map(|at| Value::Entry(id, small(at)));
                let entries: Vec<Value> = entries.collect();
                self.fixed_list(ListKind::View, &entries)?
            }
            ("toString", []) => self.printed(Value::Map(id))?,
            ("equals", [value]) => Value::Bool(self.equals(Value::Map(id), *value)?),
            _ => Value::Null,
        })
    }
}

/// Comparing without case costs so much more than comparing lengths.
const LOOKS_OF_ONE: usize = 8;
