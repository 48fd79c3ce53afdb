//! Lists: methods, and what `#foreach` goes over.
//!
//! Shape: positions as 64-bit integers, as templates have them. Units: items. Errors:
//! [`Fault::Method`] where Java throws: a position out of range, or a change of an array. Source:
//! `java.util.ArrayList`.

use super::{Run, reference::position_of};
use crate::mapping::{
    ROUNDS_MAX,
    error::{Fault, Halt},
    json::{self, Kind, Source},
    value::{ListKind, Value, small},
};

impl Run<'_> {
    /// A method of a list.
    pub(super) fn list_method(
        &mut self,
        id: u32,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, Halt> {
        let count = self.heap.items(id).len();
        let kind = self.heap.list_kind(id);
        if kind == ListKind::View && !VIEW_METHODS.contains(&name) {
            return Ok(Value::Null);
        }
        Ok(match (name, arguments) {
            ("size", []) => number(count),
            ("isEmpty", []) => Value::Bool(count == 0),
            ("get", [Value::Int(position)]) => {
                let at = in_range("get", *position, count)?;
                self.heap.items(id).get(at).copied().unwrap_or(Value::Null)
            }
            ("contains", [value]) => Value::Bool(self.position_in(id, *value)?.is_some()),
            ("containsAll", [Value::List(other)]) => {
                for position in 0..self.heap.items(*other).len() {
                    let item = self.heap.items(*other).get(position).copied();
                    if self.position_in(id, item.unwrap_or(Value::Null))?.is_none() {
                        return Ok(Value::Bool(false));
                    }
                }
                Value::Bool(true)
            }
            ("indexOf", [value]) => self.position_in(id, *value)?.map_or(Value::Int(-1), number),
            ("lastIndexOf", [value]) => {
                let mut found = Value::Int(-1);
                for position in 0..count {
                    let item = self.heap.items(id).get(position).copied();
                    if self.equals(*value, item.unwrap_or(Value::Null))? {
                        found = number(position);
                    }
                }
                found
            }
            ("toString", []) => self.printed(Value::List(id))?,
            ("equals", [value]) => Value::Bool(self.equals(Value::List(id), *value)?),
            ("subList", [Value::Int(from), Value::Int(to)]) => self.part(id, *from, *to)?,
            _ if kind == ListKind::Fixed => Value::Null,
            _ => return self.list_change(id, name, arguments),
        })
    }

    fn list_change(&mut self, id: u32, name: &str, arguments: &[Value]) -> Result<Value, Halt> {
        let count = self.heap.items(id).len();
        Ok(match (name, arguments) {
            ("add", [value]) => {
                self.heap.push(id, *value)?;
                Value::Bool(true)
            }
            ("add", [Value::Int(position), value]) => {
                let at = in_range("add", *position, count.saturating_add(1))?;
                self.meter.spend_looks(count)?;
                self.heap.charge(1)?;
                if let Some(items) = self.heap.items_mut(id)
                    && at <= items.len()
                {
                    items.insert(at, *value);
                }
                Value::EMPTY
            }
            ("addAll", [other @ (Value::List(_) | Value::Map(_))]) => {
                let turns = self.turns(*other)?;
                let Some(turns) = turns.filter(|_| !matches!(other, Value::Map(_))) else {
                    return Ok(Value::Null);
                };
                for position in 0..turns {
                    let value = self.turn_made(*other, position);
                    self.meter.spend_looks(1)?;
                    self.heap.push(id, value)?;
                }
                Value::Bool(turns > 0)
            }
            ("set", [Value::Int(position), value]) => self.set_item(id, *position, *value)?,
            ("remove", [Value::Int(position)]) => {
                let at = in_range("remove", *position, count)?;
                self.meter.spend_looks(count)?;
                match self.heap.items_mut(id) {
                    Some(items) if at < items.len() => items.remove(at),
                    _ => Value::Null,
                }
            }
            ("remove", [value]) => {
                let found = self.position_in(id, *value)?;
                if let (Some(at), Some(items)) = (found, self.heap.items_mut(id)) {
                    items.remove(at);
                }
                Value::Bool(found.is_some())
            }
            ("clear", []) => {
                if let Some(items) = self.heap.items_mut(id) {
                    items.clear();
                }
                Value::Null
            }
            _ => Value::Null,
        })
    }

    /// `list[position] = value`, also `set`, which gives the former item.
    pub(super) fn set_item(&mut self, id: u32, position: i64, value: Value) -> Result<Value, Halt> {
        let count = self.heap.items(id).len();
        let at = position_of(position, count).filter(|at| *at < count);
        let at = at.ok_or_else(|| out_of_range("set", position, count))?;
        let place = self.heap.items_mut(id).and_then(|items| items.get_mut(at));
        Ok(place.map_or(Value::Null, |place| std::mem::replace(place, value)))
    }

    fn part(&mut self, id: u32, from: i64, to: i64) -> Result<Value, Halt> {
        let count = self.heap.items(id).len();
        let end = in_range("subList", to, count.saturating_add(1))?;
        let start = in_range("subList", from, end.saturating_add(1))?;
        let kind = self.heap.list_kind(id);
        let items: Vec<Value> = self.heap.items(id).get(start..end).unwrap_or(&[]).to_vec();
        let made = self.heap.list_of(kind, &items)?;
        self.meter.spend_looks(count)?;
        Ok(Value::List(made))
    }

    fn position_in(&mut self, id: u32, value: Value) -> Result<Option<usize>, Halt> {
        for position in 0..self.heap.items(id).len() {
            let item = self.heap.items(id).get(position).copied();
            if self.equals(value, item.unwrap_or(Value::Null))? {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// How many rounds a loop over `value` has; `None` for what cannot be gone over. Of a part, one
    /// more than are allowed stands for all that are more.
    pub(super) fn turns(&mut self, value: Value) -> Result<Option<usize>, Halt> {
        Ok(match value {
            Value::List(id) => Some(self.heap.items(id).len()),
            Value::Map(id) => Some(self.heap.members(id).len()),
            Value::Part(at) => {
                let count = json::count_of(&self.heap.parts, at, ROUNDS_MAX.saturating_add(1));
                self.meter.spend_looks(count)?;
                Some(count)
            }
            _ => None,
        })
    }

    /// Whether a loop can go over a part as it was seen: a list, or a map without repeated names.
    pub(super) fn is_seen(&self, at: u32) -> bool {
        let part = json::part_at(&self.heap.parts, at);
        part.kind == Kind::List || part.is_plain_map()
    }

    /// What a round of that loop is about: an item, or the value of a member; rounds come in order.
    pub(super) fn turn(
        &mut self,
        over: Value,
        position: usize,
        place: &mut Place,
    ) -> Result<Value, Halt> {
        let Value::Part(at) = over else {
            return Ok(self.turn_made(over, position));
        };
        if !self.is_seen(at) {
            // The loop has made and perhaps changed what it goes over.
            let made = self.made(over)?;
            return Ok(self.turn_made(made, position));
        }
        let next = place.next.unwrap_or(at.wrapping_add(1));
        place.next = Some(json::part_at(&self.heap.parts, next).next);
        json::value(self.heap, Source::body(self.body), next)
    }

    /// The same of a list or a map.
    fn turn_made(&self, over: Value, position: usize) -> Value {
        let found = match over {
            Value::List(id) => self.heap.items(id).get(position).copied(),
            Value::Map(id) => self.heap.members(id).get(position).map(|[_, value]| *value),
            _ => None,
        };
        found.unwrap_or(Value::Null)
    }

    /// A list that nothing is added to, of this kind.
    pub(super) fn fixed_list(&mut self, kind: ListKind, items: &[Value]) -> Result<Value, Halt> {
        Ok(Value::List(self.heap.list_of(kind, items)?))
    }
}

/// Where a loop over a part of the payload stands: the part of the next round, behind the first.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    next: Option<u32>,
}

/// What `java.util.Set` and `Collection` have of the methods of a list.
const VIEW_METHODS: [&str; 6] = [
    "size",
    "isEmpty",
    "contains",
    "containsAll",
    "equals",
    "toString",
];

/// A count or position as a template sees it.
pub(super) fn number(count: usize) -> Value {
    Value::Int(i64::from(small(count)))
}

/// A position below `count`, or what Java throws.
fn in_range(method: &str, position: i64, count: usize) -> Result<usize, Halt> {
    let at = usize::try_from(position).ok().filter(|at| *at < count);
    at.ok_or_else(|| out_of_range(method, position, count).into())
}

fn out_of_range(method: &str, position: i64, count: usize) -> Fault {
    Fault::method(method, format!("position {position} of {count}"))
}
