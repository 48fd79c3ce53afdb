//! Finding values by a path.
//!
//! Shape: a definite path gives one value or none, any other a JSON list. Units: steps are counted
//! for every value that is looked at. Errors: [`Fault`] when a bound is met. Source: Jayway
//! JsonPath; descent looks at a value before its children.

use super::{
    Function, Path, Segment,
    filter::{Comparison, Filter, Operand},
};
use crate::mapping::{
    OUTPUT_BYTES_MAX,
    error::Halt,
    json::{self, Source},
    meter::Meter,
    print::Printer,
    value::{Heap, ListKind, MapKind, Member, Text, Value},
};
use std::cmp::Ordering;

/// What a search needs of a render.
pub(in crate::mapping) struct Walker<'w> {
    pub(in crate::mapping) program: &'w str,
    pub(in crate::mapping) body: &'w str,
    pub(in crate::mapping) heap: &'w mut Heap,
    pub(in crate::mapping) meter: &'w mut Meter,
}

/// What `path` finds below `root`; `None` is a missing value.
pub(in crate::mapping) fn find(
    walker: &mut Walker<'_>,
    root: Value,
    path: &Path,
) -> Result<Option<Value>, Halt> {
    walker.find(root, root, path)
}

impl Walker<'_> {
    fn find(&mut self, root: Value, from: Value, path: &Path) -> Result<Option<Value>, Halt> {
        let (segments, function) = match path.segments.split_last() {
            Some((Segment::Function(function), before)) => (before, Some(*function)),
            _ => (&*path.segments, None),
        };
        if function.is_none() && path.is_straight {
            return self.follow(from, segments);
        }
        let root = self.made(root)?;
        let from = self.made(from)?;
        let mut found = Vec::new();
        self.walk(root, from, segments, &mut found)?;
        if let Some(function) = function {
            return match found.first() {
                Some(first) if found.len() == 1 => self.apply(function, *first),
                Some(_) => {
                    let all = self.list(&found)?;
                    self.apply(function, all)
                }
                None => Ok(None),
            };
        }
        if path.is_definite {
            return Ok(found.first().copied());
        }
        self.list(&found).map(Some)
    }

    /// As `walk`, for members and positions alone.
    fn follow(&mut self, from: Value, segments: &[Segment]) -> Result<Option<Value>, Halt> {
        let mut at = from;
        for segment in segments {
            self.meter.spend(1)?;
            let next = match segment {
                Segment::Member(name) => self.member_value(at, name)?,
                Segment::Position(position) => self.item_value(at, *position)?,
                _ => None,
            };
            match next {
                Some(value) => at = value,
                None => return Ok(None),
            }
        }
        self.meter.spend(1)?;
        Ok(Some(at))
    }

    /// The member of this name; what was seen is not made for it.
    fn member_value(&mut self, at: Value, name: &str) -> Result<Option<Value>, Halt> {
        let made = match at {
            Value::Part(map) => {
                let part = json::part_at(&self.heap.parts, map);
                if part.is_plain_map() {
                    let source = Source::body(self.body);
                    let (bytes, name) = (self.body.as_bytes(), name.as_bytes());
                    let (found, looks) = json::member_at(&self.heap.parts, map, bytes, name);
                    self.meter.spend_looks(looks)?;
                    let value = found.map(|at| json::value(self.heap, source, at));
                    return value.transpose();
                }
                self.made(at)?
            }
            at => at,
        };
        Ok(self.member(made, name)?.map(|[_, value]| value))
    }

    /// The same of an item.
    fn item_value(&mut self, at: Value, position: i64) -> Result<Option<Value>, Halt> {
        if let Value::Part(list) = at
            && let Some(item) = json::item_at(&self.heap.parts, list, position)
        {
            return json::value(self.heap, Source::body(self.body), item).map(Some);
        }
        let list = self.made(at)?;
        Ok(self.item(list, position))
    }

    fn made(&mut self, value: Value) -> Result<Value, Halt> {
        json::made(self.heap, Source::body(self.body), value)
    }

    fn list(&mut self, found: &[Value]) -> Result<Value, Halt> {
        Ok(Value::List(self.heap.list_of(ListKind::Json, found)?))
    }

    fn walk(
        &mut self,
        root: Value,
        at: Value,
        segments: &[Segment],
        found: &mut Vec<Value>,
    ) -> Result<(), Halt> {
        self.meter.spend(1)?;
        let Some((segment, rest)) = segments.split_first() else {
            found.push(at);
            return Ok(());
        };
        match segment {
            Segment::Member(name) => match self.member(at, name)? {
                Some([_, value]) => self.walk(root, value, rest, found),
                None => Ok(()),
            },
            Segment::Members(names) => self.members(root, at, names, rest, found),
            Segment::Position(position) => match self.item(at, *position) {
                Some(value) => self.walk(root, value, rest, found),
                None => Ok(()),
            },
            Segment::Positions(positions) => {
                for position in positions {
                    if let Some(value) = self.item(at, *position) {
                        self.walk(root, value, rest, found)?;
                    }
                }
                Ok(())
            }
            Segment::Slice(from, to) => {
                for position in self.slice(at, *from, *to) {
                    if let Some(value) = self.child(at, position) {
                        self.walk(root, value, rest, found)?;
                    }
                }
                Ok(())
            }
            Segment::Wildcard => {
                for position in 0..self.count(at) {
                    if let Some(value) = self.child(at, position) {
                        self.walk(root, value, rest, found)?;
                    }
                }
                Ok(())
            }
            Segment::Descent => {
                // A filter that follows is about the value itself, not about its items.
                match rest.split_first() {
                    Some((Segment::Filter(filter), after)) => {
                        if matches!(at, Value::Map(_)) && self.accepts(root, at, filter)? {
                            self.walk(root, at, after, found)?;
                        }
                    }
                    _ => self.walk(root, at, rest, found)?,
                }
                for position in 0..self.count(at) {
                    if let Some(value) = self.child(at, position) {
                        self.walk(root, value, segments, found)?;
                    }
                }
                Ok(())
            }
            Segment::Filter(filter) => {
                if let Value::Map(_) = at {
                    if self.accepts(root, at, filter)? {
                        self.walk(root, at, rest, found)?;
                    }
                    return Ok(());
                }
                for position in 0..self.count(at) {
                    if let Some(value) = self.child(at, position)
                        && self.accepts(root, value, filter)?
                    {
                        self.walk(root, value, rest, found)?;
                    }
                }
                Ok(())
            }
            // Only at the end, where `find` takes it away.
            Segment::Function(_) => Ok(()),
        }
    }

    /// `['a','b']`: an object of those at the end of a path, each in turn elsewhere.
    fn members(
        &mut self,
        root: Value,
        at: Value,
        names: &[Box<str>],
        rest: &[Segment],
        found: &mut Vec<Value>,
    ) -> Result<(), Halt> {
        if !matches!(at, Value::Map(_)) {
            return Ok(());
        }
        let id = self.heap.new_map(MapKind::Plain)?;
        for name in names {
            let Some([key, value]) = self.member(at, name)? else {
                continue;
            };
            if rest.is_empty() {
                self.heap.push_member(id, key, value)?;
            } else {
                self.walk(root, value, rest, found)?;
            }
        }
        if rest.is_empty() {
            found.push(Value::Map(id));
        }
        Ok(())
    }

    fn text(&self, text: Text) -> &str {
        self.printer().text(text)
    }

    fn printer(&self) -> Printer<'_> {
        Printer {
            program: self.program,
            body: self.body,
            heap: self.heap,
            bytes_max: OUTPUT_BYTES_MAX,
        }
    }

    fn member(&mut self, at: Value, name: &str) -> Result<Option<Member>, Halt> {
        let Value::Map(id) = at else {
            return Ok(None);
        };
        let members = self.heap.members(id);
        self.meter.spend_looks(members.len())?;
        let printer = self.printer();
        let mut members = members.iter();
        let named = members.find(|[key, _]| printer.is_named(*key, name.as_bytes()));
        Ok(named.copied())
    }

    fn item(&self, at: Value, position: i64) -> Option<Value> {
        let Value::List(id) = at else {
            return None;
        };
        let items = self.heap.items(id);
        let count = i64::try_from(items.len()).ok()?;
        let position = if position < 0 {
            position.saturating_add(count)
        } else {
            position
        };
        items.get(usize::try_from(position).ok()?).copied()
    }

    fn slice(&self, at: Value, from: Option<i64>, to: Option<i64>) -> std::ops::Range<usize> {
        let Value::List(id) = at else {
            return 0..0;
        };
        let count = i64::try_from(self.heap.items(id).len()).unwrap_or(i64::MAX);
        let bound = |position: i64| {
            let position = if position < 0 {
                position.saturating_add(count)
            } else {
                position
            };
            usize::try_from(position.clamp(0, count)).unwrap_or(0)
        };
        bound(from.unwrap_or(0))..bound(to.unwrap_or(count))
    }

    fn count(&self, at: Value) -> usize {
        match at {
            Value::List(id) => self.heap.items(id).len(),
            Value::Map(id) => self.heap.members(id).len(),
            _ => 0,
        }
    }

    fn child(&self, at: Value, position: usize) -> Option<Value> {
        match at {
            Value::List(id) => self.heap.items(id).get(position).copied(),
            Value::Map(id) => self.heap.members(id).get(position).map(|[_, value]| *value),
            _ => None,
        }
    }

    fn accepts(&mut self, root: Value, at: Value, filter: &Filter) -> Result<bool, Halt> {
        self.meter.spend(1)?;
        match filter {
            Filter::Any(terms) => {
                for term in terms {
                    if self.accepts(root, at, term)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::All(terms) => {
                for term in terms {
                    if !self.accepts(root, at, term)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Not(term) => Ok(!self.accepts(root, at, term)?),
            Filter::Exists(operand) => Ok(self.operand(root, at, operand)?.is_some()),
            Filter::Matches(operand, pattern) => match self.operand(root, at, operand)? {
                Some(Side::Value(Value::Text(text))) => {
                    self.meter.spend_bytes(text.bytes as usize)?;
                    Ok(pattern.is_match(self.text(text)))
                }
                _ => Ok(false),
            },
            Filter::Compare(left, comparison, right) => {
                let left = self.operand(root, at, left)?;
                let right = self.operand(root, at, right)?;
                self.compare(left, *comparison, right)
            }
        }
    }

    fn operand<'f>(
        &mut self,
        root: Value,
        at: Value,
        operand: &'f Operand,
    ) -> Result<Option<Side<'f>>, Halt> {
        Ok(match operand {
            Operand::Path { is_rooted, path } => {
                let from = if *is_rooted { root } else { at };
                let found = self.find(root, from, path)?;
                found.map(|value| match value {
                    Value::Int(number) => Side::Number(precise(number)),
                    Value::Double(number) => Side::Number(number),
                    Value::Bool(value) => Side::Bool(value),
                    Value::Null => Side::Null,
                    other => Side::Value(other),
                })
            }
            Operand::Text(text) => Some(Side::Text(text)),
            Operand::Number(number) => Some(Side::Number(*number)),
            Operand::Bool(value) => Some(Side::Bool(*value)),
            Operand::Null => Some(Side::Null),
            Operand::List(items) => Some(Side::List(items)),
        })
    }

    fn compare(
        &mut self,
        left: Option<Side<'_>>,
        comparison: Comparison,
        right: Option<Side<'_>>,
    ) -> Result<bool, Halt> {
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(matches!(
                comparison,
                Comparison::NotEqual | Comparison::NotIn
            ));
        };
        if let Comparison::In | Comparison::NotIn = comparison {
            let Side::List(items) = right else {
                return Ok(false);
            };
            let mut is_in = false;
            for item in items {
                let item = self.operand(Value::Null, Value::Null, item)?;
                is_in |=
                    item.is_some_and(|item| self.order(&left, &item).is_some_and(Ordering::is_eq));
            }
            return Ok(is_in == (comparison == Comparison::In));
        }
        if let Side::Value(Value::Text(text)) = left {
            self.meter.spend_bytes(text.bytes as usize)?;
        }
        let order = self.order(&left, &right);
        Ok(match comparison {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::NotEqual => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessEqual => order.is_some_and(Ordering::is_le),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterEqual => order.is_some_and(Ordering::is_ge),
            Comparison::In | Comparison::NotIn => false,
        })
    }

    /// The order of two sides of one type; unlike types have none.
    fn order(&self, left: &Side<'_>, right: &Side<'_>) -> Option<Ordering> {
        match (left, right) {
            (Side::Number(a), Side::Number(b)) => a.partial_cmp(b),
            (Side::Bool(a), Side::Bool(b)) => (a == b).then_some(Ordering::Equal),
            (Side::Null, Side::Null) => Some(Ordering::Equal),
            _ => Some(self.side_text(left)?.cmp(self.side_text(right)?)),
        }
    }

    fn side_text<'a>(&'a self, side: &Side<'a>) -> Option<&'a str> {
        match side {
            Side::Text(text) => Some(text),
            Side::Value(Value::Text(text)) => Some(self.text(*text)),
            _ => None,
        }
    }

    fn apply(&mut self, function: Function, to: Value) -> Result<Option<Value>, Halt> {
        let count = self.count(to);
        self.meter.spend_looks(count)?;
        if function == Function::Length {
            let is_counted = matches!(to, Value::List(_) | Value::Map(_));
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            return Ok(is_counted.then_some(Value::Int(count)));
        }
        if function == Function::Keys {
            let Value::Map(id) = to else {
                return Ok(None);
            };
            let keys = self.heap.members(id).iter().map(|[key, _]| *key);
            let keys: Vec<Value> = keys.collect();
            return self.list(&keys).map(Some);
        }
        let Value::List(id) = to else {
            return Ok(None);
        };
        let numbers: Vec<f64> = self
            .heap
            .items(id)
            .iter()
            .filter_map(|item| match item {
                Value::Int(number) => Some(precise(*number)),
                Value::Double(number) => Some(*number),
                _ => None,
            })
            .collect();
        if numbers.is_empty() {
            return Ok(None);
        }
        let sum: f64 = numbers.iter().sum();
        Ok(Some(Value::Double(match function {
            Function::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            Function::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Function::Average => sum / precise(i64::try_from(numbers.len()).unwrap_or(1)),
            _ => sum,
        })))
    }
}

/// One side of a comparison, found.
enum Side<'f> {
    Text(&'f str),
    Number(f64),
    Bool(bool),
    Null,
    List(&'f [Operand]),
    /// A text, a list or a map.
    Value(Value),
}

/// An integer as a double, as Java's arithmetic widens it.
#[allow(clippy::cast_precision_loss)] // what Java does too
fn precise(number: i64) -> f64 {
    number as f64
}
