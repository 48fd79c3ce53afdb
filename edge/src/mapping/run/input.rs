//! `$input`, `$stageVariables` and the part of `$context` that comes from the request.
//!
//! Shape: the payload is parsed once, when it is first asked for; parameters become maps only when
//! they are asked for as maps. Units: bytes. Errors: [`Fault`]; a payload that is no JSON is none.
//! Source: the developer guide's `$input` and `$context` variables.

use super::{Run, reference::as_text};
use crate::mapping::{
    error::Halt,
    inputs::{ContextValue, Pairs},
    json::{self, Source},
    json_path::{self, Walker},
    plain,
    value::{MapKind, Pool, Text, Value, small},
    vtl::program::Constant,
};

impl<'r> Run<'r> {
    /// `$input.body`.
    pub(super) fn body_text(&self) -> Value {
        Value::Text(Text {
            pool: Pool::Body,
            at: 0,
            bytes: small(self.body.len()),
        })
    }

    /// A method of `$input`.
    pub(super) fn input_method(
        &mut self,
        name: &str,
        arguments: &[Value],
        constant: &Constant,
    ) -> Result<Value, Halt> {
        match (name, arguments) {
            ("params", []) => self.params(),
            ("params", [Value::Text(wanted)]) => self.param(*wanted),
            ("json" | "path", [_]) => {
                let Some(path) = as_text(arguments.first()) else {
                    return Ok(Value::Null);
                };
                let found = self.found_in_body(path, constant)?;
                let found = found.filter(|value| *value != Value::Null);
                if name == "path" {
                    return Ok(found.unwrap_or(Value::Null));
                }
                let mut made = self.heap.take_room();
                match found {
                    Some(value) => {
                        let value = json::printable(self.heap, Source::body(self.body), value)?;
                        self.printer().json(&mut made, value, 0)?;
                    }
                    None => made.push_str("\"\""),
                }
                self.meter.spend_bytes(made.len())?;
                self.kept_room(made)
            }
            ("getBody", []) => Ok(self.body_text()),
            _ => Ok(Value::Null),
        }
    }

    /// What a path finds in the payload.
    fn found_in_body(&mut self, path: Text, constant: &Constant) -> Result<Option<Value>, Halt> {
        let Some(root) = self.document()? else {
            return Ok(None);
        };
        let parsed;
        let path = match constant {
            Constant::Path(path) => path,
            _ => {
                self.meter.spend(PATH_STEPS)?;
                parsed = json_path::parse(self.text(path))?;
                &parsed
            }
        };
        let mut walker = Walker {
            program: &self.program.text,
            body: self.body,
            heap: self.heap,
            meter: &mut self.meter,
        };
        json_path::find(&mut walker, root, path)
    }

    fn document(&mut self) -> Result<Option<Value>, Halt> {
        if let Some(known) = self.document {
            return Ok(known);
        }
        self.meter.spend_bytes(self.body.len())?;
        let seen = match json::skim(self.heap, self.body)? {
            Some(root) => Some(json::value(self.heap, Source::body(self.body), root)?),
            None => None,
        };
        self.document = Some(seen);
        Ok(seen)
    }

    /// `$input.params('x')`: of the path, the query or the header fields.
    fn param(&mut self, wanted: Text) -> Result<Value, Halt> {
        let inputs = self.inputs;
        let wanted = self.text(wanted);
        let named = |pairs: Pairs<'r>| {
            let found = pairs.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| *value)
        };
        let looked = [inputs.path, inputs.query, inputs.header];
        let count = looked.iter().map(|pairs| pairs.len()).sum();
        let found = looked.into_iter().find_map(named);
        self.meter.spend_looks(count)?;
        match found {
            Some(value) => self.kept(value),
            None => Ok(Value::EMPTY),
        }
    }

    /// `$input.params()`.
    fn params(&mut self) -> Result<Value, Halt> {
        if let Some(id) = self.params {
            return Ok(Value::Map(id));
        }
        let inputs = self.inputs;
        let all = self.heap.new_map(MapKind::Plain)?;
        let kinds = [
            ("path", inputs.path),
            ("querystring", inputs.query),
            ("header", inputs.header),
        ];
        for (name, pairs) in kinds {
            let map = self.map_of(MapKind::Plain, pairs)?;
            let key = self.kept(name)?;
            self.put_member(all, key, Value::Map(map))?;
        }
        self.params = Some(all);
        Ok(Value::Map(all))
    }

    /// `$stageVariables`.
    pub(super) fn stage_variables(&mut self) -> Result<Value, Halt> {
        if let Some(id) = self.stage_variables {
            return Ok(Value::Map(id));
        }
        let inputs = self.inputs;
        let id = self.map_of(MapKind::Plain, inputs.stage_variables)?;
        self.stage_variables = Some(id);
        Ok(Value::Map(id))
    }

    /// A member of `$context` or of a map below it.
    pub(super) fn context_member(&mut self, id: u32, name: &str) -> Result<Value, Halt> {
        if id == 0 {
            match name {
                "requestOverride" => return self.request_override().map(Value::Map),
                "responseOverride" => return self.response_override().map(Value::Map),
                _ => {}
            }
            if let Some(extra) = self.extra {
                let value = self.member(extra, name.as_bytes())?;
                if value != Value::Null {
                    return Ok(value);
                }
            }
        }
        let members = self.context_members(id);
        self.meter.spend_looks(members.len())?;
        let is_named = |known: &str| plain::are_same(known.as_bytes(), name.as_bytes());
        let found = members.iter().find(|(known, _)| is_named(known));
        match found.map(|(_, value)| value) {
            Some(ContextValue::Text(text)) => self.kept(text),
            Some(ContextValue::Map(map)) => {
                // Looked up again and again, a map keeps its number.
                let is_map = |known: &&[(&str, ContextValue<'_>)]| std::ptr::eq(*known, *map);
                let known = self.contexts.iter().position(is_map);
                let at = known.unwrap_or(self.contexts.len());
                if known.is_none() {
                    self.contexts.push(map);
                }
                Ok(Value::Context(small(at.saturating_add(1))))
            }
            None => Ok(Value::Null),
        }
    }

    fn context_members(&self, id: u32) -> &'r [(&'r str, ContextValue<'r>)] {
        match id.checked_sub(1) {
            None => self.inputs.context,
            Some(at) => self.contexts.get(at as usize).copied().unwrap_or(&[]),
        }
    }

    /// A method of `$context` or of a map below it.
    pub(super) fn context_method(
        &mut self,
        id: u32,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, Halt> {
        match (name, arguments) {
            ("get", [Value::Text(key)]) => {
                let key = self.text(*key).to_owned();
                self.context_member(id, &key)
            }
            ("put", [Value::Text(key), value]) if id == 0 => {
                let member = self.text(*key).to_owned();
                self.put_context(&member, *key, *value)?;
                Ok(Value::Null)
            }
            _ => {
                let map = self.context_map(id)?;
                self.map_method(map, name, arguments)
            }
        }
    }

    /// The members as a map, for loops and its other methods.
    pub(super) fn context_map(&mut self, id: u32) -> Result<u32, Halt> {
        let members = self.context_members(id);
        let map = self.heap.new_map(MapKind::Silent)?;
        for (name, _) in members {
            let value = self.context_member(id, name)?;
            let key = self.kept(name)?;
            self.heap.push_member(map, key, value)?;
        }
        Ok(map)
    }
}

/// What parsing a path costs.
const PATH_STEPS: u64 = 5;
