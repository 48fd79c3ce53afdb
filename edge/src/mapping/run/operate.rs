//! Values of expressions, conditions and operators.
//!
//! Shape: `value` for `#set`, arguments and operands, `condition` for `#if`. Units: none. Errors:
//! [`Fault::Overflow`]. Source: Velocity 1.7: `evaluate` and `value` of its nodes, `MathUtils`.

use super::{Flow, Run};
use crate::mapping::{
    error::{Fault, Halt},
    value::{ListKind, MapKind, Value},
    vtl::program::{Block, Expression, Operator},
};
use std::cmp::Ordering;

impl<'r> Run<'r> {
    /// The value of an expression; `Null` is the result of an operation that has none.
    pub(super) fn value(&mut self, expression: &'r Expression) -> Result<Value, Halt> {
        match expression {
            Expression::Text(text) => Ok(Value::Text(*text)),
            Expression::Interpolated(block) => self.interpolated(block),
            Expression::Int(value) => Ok(Value::Int(*value)),
            Expression::Double(value) => Ok(Value::Double(*value)),
            Expression::Number(text) => Ok(Value::Number(*text)),
            Expression::Bool(value) => Ok(Value::Bool(*value)),
            Expression::Reference(reference) => self.reference(reference),
            Expression::List(items) => {
                let id = self.heap.new_list(ListKind::Java)?;
                for item in items {
                    self.meter.spend(1)?;
                    let value = self.nested(item)?;
                    self.heap.push(id, value)?;
                }
                Ok(Value::List(id))
            }
            Expression::Map(members) => {
                let id = self.heap.new_map(MapKind::Plain)?;
                for (key, value) in members {
                    self.meter.spend(1)?;
                    let key = self.nested(key)?;
                    let value = self.nested(value)?;
                    self.put(id, key, value)?;
                }
                Ok(Value::Map(id))
            }
            Expression::Range(bounds) => {
                let (from, to) = (self.nested(&bounds.0)?, self.nested(&bounds.1)?);
                self.range(from, to)
            }
            Expression::Binary(operator, sides) => {
                self.meter.spend(1)?;
                self.enter()?;
                let value = self.binary(*operator, &sides.0, &sides.1)?;
                self.leave();
                Ok(value)
            }
            Expression::Not(inner) => Ok(Value::Bool(!self.condition(inner)?)),
        }
    }

    fn nested(&mut self, expression: &'r Expression) -> Result<Value, Halt> {
        self.enter()?;
        let value = self.value(expression)?;
        self.leave();
        Ok(value)
    }

    /// A string whose references are put in.
    fn interpolated(&mut self, block: &'r Block) -> Result<Value, Halt> {
        let room = self.heap.take_room();
        let out = std::mem::replace(&mut self.out, room);
        let flow = self.block(block);
        let made = std::mem::replace(&mut self.out, out);
        let flow = flow?;
        if flow != Flow::Next {
            self.pending = flow;
        }
        self.kept_room(made)
    }

    fn range(&mut self, from: Value, to: Value) -> Result<Value, Halt> {
        let (Some(from), Some(to)) = (whole(from), whole(to)) else {
            return Ok(Value::Null);
        };
        let id = self.heap.new_list(ListKind::Java)?;
        let mut at = from;
        loop {
            self.meter.spend(1)?;
            self.heap.push(id, Value::Int(at))?;
            match at.cmp(&to) {
                Ordering::Less => at = at.saturating_add(1),
                Ordering::Greater => at = at.saturating_sub(1),
                Ordering::Equal => return Ok(Value::List(id)),
            }
        }
    }

    /// Whether a condition holds: a literal other than `true` never does, a reference does unless
    /// it is `false`.
    pub(super) fn condition(&mut self, expression: &'r Expression) -> Result<bool, Halt> {
        self.enter()?;
        let holds = match expression {
            Expression::Bool(value) => *value,
            Expression::Reference(reference) => match self.loop_value(reference)? {
                Value::Null => self.found(reference)? != Value::Bool(false),
                value => value != Value::Bool(false),
            },
            Expression::Not(inner) => !self.condition(inner)?,
            Expression::Binary(operator, sides) => {
                self.meter.spend(1)?;
                let (left, right) = (&sides.0, &sides.1);
                match operator {
                    Operator::And => self.condition(left)? && self.condition(right)?,
                    Operator::Or => self.condition(left)? || self.condition(right)?,
                    operator if is_comparison(*operator) => {
                        self.binary(*operator, left, right)? == Value::Bool(true)
                    }
                    _ => false,
                }
            }
            _ => false,
        };
        self.leave();
        Ok(holds)
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &'r Expression,
        right: &'r Expression,
    ) -> Result<Value, Halt> {
        if operator == Operator::And {
            return Ok(Value::Bool(self.condition(left)? && self.condition(right)?));
        }
        if operator == Operator::Or {
            return Ok(Value::Bool(self.condition(left)? || self.condition(right)?));
        }
        let left = self.value(left)?;
        let right = self.value(right)?;
        match operator {
            Operator::Equal => Ok(Value::Bool(self.is_equal(left, right)?)),
            Operator::NotEqual => Ok(Value::Bool(!self.is_equal(left, right)?)),
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                Ok(Value::Bool(ordered(operator, self.order(left, right))))
            }
            Operator::Add if is_text(left) || is_text(right) => self.joined(left, right),
            _ => self.computed(operator, left, right),
        }
    }

    fn joined(&mut self, left: Value, right: Value) -> Result<Value, Halt> {
        let mut made = self.heap.take_room();
        for side in [left, right] {
            if side != Value::Null {
                self.print_into(&mut made, side)?;
            }
        }
        self.kept_room(made)
    }

    fn computed(&self, operator: Operator, left: Value, right: Value) -> Result<Value, Halt> {
        if let (Value::Int(left), Value::Int(right)) = (left, right) {
            if right == 0 && matches!(operator, Operator::Divide | Operator::Modulo) {
                return Ok(Value::Null);
            }
            let computed = match operator {
                Operator::Add => left.checked_add(right),
                Operator::Subtract => left.checked_sub(right),
                Operator::Multiply => left.checked_mul(right),
                Operator::Divide => left.checked_div(right),
                Operator::Modulo => left.checked_rem(right),
                _ => return Ok(Value::Null),
            };
            return computed.map(Value::Int).ok_or(Fault::Overflow.into());
        }
        let (Some(left), Some(right)) = (self.number(left), self.number(right)) else {
            return Ok(Value::Null);
        };
        if right == 0.0 && matches!(operator, Operator::Divide | Operator::Modulo) {
            return Ok(Value::Null);
        }
        Ok(Value::Double(match operator {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Divide => left / right,
            Operator::Modulo => left % right,
            _ => return Ok(Value::Null),
        }))
    }

    /// A number as a double.
    pub(super) fn number(&self, value: Value) -> Option<f64> {
        match value {
            Value::Int(number) => Some(precise(number)),
            Value::Double(number) => Some(number),
            Value::Number(text) => self.text(text).parse().ok(),
            _ => None,
        }
    }

    /// The order of two numbers.
    pub(super) fn order(&self, left: Value, right: Value) -> Option<Ordering> {
        if let (Value::Int(left), Value::Int(right)) = (left, right) {
            return Some(left.cmp(&right));
        }
        self.number(left)?.partial_cmp(&self.number(right)?)
    }

    /// `==`: numbers by value, lists and maps by their items, unlike types as texts.
    pub(super) fn is_equal(&mut self, left: Value, right: Value) -> Result<bool, Halt> {
        self.meter.spend(1)?;
        match (left, right) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::Null, _) | (_, Value::Null) => Ok(false),
            (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
            (Value::Text(left), Value::Text(right)) => {
                if left.bytes != right.bytes {
                    return Ok(false);
                }
                self.meter.spend_bytes(left.bytes as usize)?;
                Ok(self.text(left) == self.text(right))
            }
            (Value::List(left), Value::List(right)) => self.same_items(left, right),
            (Value::Map(left), Value::Map(right)) => self.same_members(left, right),
            _ => {
                if let Some(order) = self.order(left, right) {
                    return Ok(order == Ordering::Equal);
                }
                let (mut a, mut b) = (String::new(), String::new());
                self.print_into(&mut a, left)?;
                self.print_into(&mut b, right)?;
                Ok(a == b)
            }
        }
    }

    fn same_items(&mut self, left: u32, right: u32) -> Result<bool, Halt> {
        let count = self.heap.items(left).len();
        if left == right || count != self.heap.items(right).len() {
            return Ok(left == right);
        }
        self.enter()?;
        for position in 0..count {
            let item = |id: u32| self.heap.items(id).get(position).copied();
            let (Some(left), Some(right)) = (item(left), item(right)) else {
                return Ok(false);
            };
            if !self.equals(left, right)? {
                self.leave();
                return Ok(false);
            }
        }
        self.leave();
        Ok(true)
    }

    fn same_members(&mut self, left: u32, right: u32) -> Result<bool, Halt> {
        let count = self.heap.members(left).len();
        if left == right || count != self.heap.members(right).len() {
            return Ok(left == right);
        }
        self.enter()?;
        for position in 0..count {
            let Some([key, value]) = self.heap.members(left).get(position).copied() else {
                return Ok(false);
            };
            let other = self.find_member(right, key)?;
            let other = other.and_then(|at| self.heap.members(right).get(at).copied());
            let is_same = match other {
                Some([_, other]) => self.equals(value, other)?,
                None => false,
            };
            if !is_same {
                self.leave();
                return Ok(false);
            }
        }
        self.leave();
        Ok(true)
    }

    /// Java's `equals`: unlike types never are.
    pub(super) fn equals(&mut self, left: Value, right: Value) -> Result<bool, Halt> {
        match (left, right) {
            (Value::Int(_), Value::Int(_))
            | (Value::Double(_), Value::Double(_))
            | (Value::Number(_), Value::Number(_))
            | (Value::Bool(_), Value::Bool(_))
            | (Value::Text(_), Value::Text(_))
            | (Value::List(_), Value::List(_))
            | (Value::Map(_), Value::Map(_)) => self.is_equal(left, right),
            _ => Ok(left == right),
        }
    }
}

fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessEqual
            | Operator::Greater
            | Operator::GreaterEqual
    )
}

fn ordered(operator: Operator, order: Option<Ordering>) -> bool {
    order.is_some_and(|order| match operator {
        Operator::Less => order.is_lt(),
        Operator::LessEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn is_text(value: Value) -> bool {
    matches!(value, Value::Text(_))
}

fn whole(value: Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(value),
        Value::Double(value) => Some(truncated(value)),
        _ => None,
    }
}

/// An integer as a double, as Java's arithmetic widens it.
#[allow(clippy::cast_precision_loss)] // what Java does too
fn precise(number: i64) -> f64 {
    number as f64
}

/// Java's narrowing of a double: towards zero, and the ends of the range for what is beyond.
#[allow(clippy::cast_possible_truncation)] // `as` saturates as Java does
pub(super) fn truncated(value: f64) -> i64 {
    value as i64
}
