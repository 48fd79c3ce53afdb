//! References that print what lies in the payload or in the request as it lies there.
//!
//! Shape: names alone lead to a text or a number, so no value is made of it and nothing is copied
//! but to the output; whatever else a reference is goes the long way, which prints the same and
//! costs the same steps. Units: steps, bytes. Errors: a fault when a bound is met. Source:
//! Velocity 1.7, `ASTReference`.

use super::{Run, reference::STAGE_VARIABLES};
use crate::mapping::{
    error::Halt,
    inputs::ContextValue,
    json::{self, Kind},
    plain,
    value::Value,
    vtl::program::{Reference, Step},
};

impl<'r> Run<'r> {
    /// Prints a reference, if it is such a one.
    #[inline(always)]
    pub(super) fn print_in_place(&mut self, reference: &'r Reference) -> Result<bool, Halt> {
        if self.visible != 0 || reference.steps.is_empty() {
            return Ok(false);
        }
        let found = match self.slot(reference.slot) {
            Value::Part(at) => self.seen_text(at, &reference.steps),
            Value::Context(0) if self.extra.is_none() => self.context_text(&reference.steps),
            Value::Null if reference.slot == STAGE_VARIABLES => {
                self.stage_variable_text(&reference.steps)
            }
            _ => None,
        };
        let Some((text, looks)) = found else {
            return Ok(false);
        };
        self.spot = reference.spot;
        self.meter.spend(reference.steps.len() as u64)?;
        self.meter.spend_looks(looks)?;
        self.say(text)?;
        Ok(true)
    }

    /// What a reference to a loop says of it, if it is such a one: `$foreach.hasNext`.
    #[inline(always)]
    pub(super) fn loop_value(&mut self, reference: &'r Reference) -> Result<Value, Halt> {
        if let [Step::Property(name)] = &*reference.steps
            && self.visible == 0
            && let Value::Loop(depth) = self.slot(reference.slot)
        {
            self.spot = reference.spot;
            self.meter.spend(1)?;
            return Ok(self.round_member(depth, name.of(&self.program.text)));
        }
        Ok(Value::Null)
    }

    /// A text or a number below a part of the payload, and how many members were looked at.
    #[inline(always)]
    fn seen_text(&self, from: u32, steps: &'r [Step]) -> Option<(&'r str, usize)> {
        let (parts, body) = (&self.heap.parts, self.body.as_bytes());
        let mut at = from;
        let mut looks: usize = 0;
        for step in steps {
            let Step::Property(name) = step else {
                return None;
            };
            if !json::part_at(parts, at).is_plain_map() {
                return None;
            }
            let name = name.bytes_of(&self.program.text);
            let (found, looked) = json::member_at(parts, at, body, name);
            looks = looks.saturating_add(looked);
            at = found?;
        }
        let part = json::part_at(parts, at);
        if part.kind != Kind::Text && !(part.kind == Kind::Number && part.is_as_written()) {
            return None;
        }
        let range = part.at as usize..part.at.saturating_add(part.bytes) as usize;
        Some((self.body.get(range)?, looks))
    }

    /// A text below `$context`, likewise.
    #[inline(never)]
    fn context_text(&self, steps: &'r [Step]) -> Option<(&'r str, usize)> {
        let mut value = ContextValue::Map(self.inputs.context);
        let mut looks: usize = 0;
        for step in steps {
            let (Step::Property(name), ContextValue::Map(members)) = (step, value) else {
                return None;
            };
            let name = name.bytes_of(&self.program.text);
            looks = looks.saturating_add(members.len());
            let mut named = members.iter();
            let found = named.find(|(known, _)| plain::are_same(known.as_bytes(), name));
            value = found?.1;
        }
        let is_overridden = |step: &Step| match step {
            Step::Property(name) => name.bytes_of(&self.program.text).ends_with(b"Override"),
            _ => true,
        };
        match value {
            ContextValue::Text(text) if !steps.first().is_some_and(is_overridden) => {
                Some((text, looks))
            }
            _ => None,
        }
    }

    /// A stage variable, likewise, as long as nobody has asked for all of them.
    #[inline(never)]
    fn stage_variable_text(&self, steps: &'r [Step]) -> Option<(&'r str, usize)> {
        let [Step::Property(name)] = steps else {
            return None;
        };
        if self.stage_variables.is_some() {
            return None;
        }
        let name = name.bytes_of(&self.program.text);
        let variables = self.inputs.stage_variables;
        let mut named = variables.iter().rev();
        let found = named.find(|(known, _)| plain::are_same(known.as_bytes(), name));
        Some((found?.1, variables.len()))
    }
}
