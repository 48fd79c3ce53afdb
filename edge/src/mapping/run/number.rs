//! Methods of numbers and booleans, with the static ones that an integer gives access to.
//!
//! Shape: one match. Units: none. Errors: [`Fault::Method`] where Java throws, as `parseInt` does
//! for a text that is no number. Source: `java.lang.Integer`, `Double`, `Boolean`.

use super::{Run, operate::truncated};
use crate::mapping::{
    error::{Fault, Halt},
    value::Value,
};
use std::cmp::Ordering;

impl Run<'_> {
    /// A method of a number or a boolean.
    pub(super) fn number_method(
        &mut self,
        value: Value,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, Halt> {
        Ok(match (name, arguments) {
            ("toString", []) => self.printed(value)?,
            ("equals", [other]) => Value::Bool(self.equals(value, *other)?),
            ("booleanValue", []) if matches!(value, Value::Bool(_)) => value,
            (_, _) if matches!(value, Value::Bool(_)) => Value::Null,
            ("intValue" | "longValue", []) => match value {
                Value::Int(_) => value,
                _ => self
                    .number(value)
                    .map_or(Value::Null, |number| Value::Int(truncated(number))),
            },
            ("doubleValue" | "floatValue", []) => {
                self.number(value).map_or(Value::Null, Value::Double)
            }
            ("compareTo", [other]) => match self.order(value, *other) {
                Some(Ordering::Less) => Value::Int(-1),
                Some(Ordering::Equal) => Value::Int(0),
                Some(Ordering::Greater) => Value::Int(1),
                None => Value::Null,
            },
            ("hashCode", []) if matches!(value, Value::Int(_)) => value,
            ("parseInt" | "parseLong" | "valueOf", [Value::Text(text)])
                if matches!(value, Value::Int(_)) =>
            {
                let text = self.text(*text);
                let digits = text.strip_prefix('+').unwrap_or(text);
                match digits.parse() {
                    Ok(number) => Value::Int(number),
                    Err(_) => return Err(no_number(name, text).into()),
                }
            }
            ("parseDouble" | "valueOf", [Value::Text(text)])
                if matches!(value, Value::Double(_)) =>
            {
                let text = self.text(*text);
                match text.trim().parse() {
                    Ok(number) => Value::Double(number),
                    Err(_) => return Err(no_number(name, text).into()),
                }
            }
            _ => Value::Null,
        })
    }
}

fn no_number(method: &str, text: &str) -> Fault {
    let shown: String = text.chars().take(40).collect();
    Fault::method(method, format!("`{shown}` is no number"))
}
