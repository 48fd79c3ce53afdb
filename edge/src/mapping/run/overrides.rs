//! What templates write below `$context`.
//!
//! Shape: `requestOverride` and `responseOverride` are maps that the template fills; at the end
//! they become [`Overrides`]. Units: none. Errors: [`Fault::OverriddenTwice`]. Source: the
//! developer guide, "use a mapping template to override an API's request and response parameters
//! and status codes".

use super::Run;
use crate::mapping::{
    Overrides,
    error::Fault,
    value::{MapKind, Text, Value},
};

const PARTS: [&str; 3] = ["path", "querystring", "header"];

impl Run<'_> {
    /// A member of `$context` that the template can write.
    pub(super) fn own_context_member(&mut self, name: &str) -> Result<Option<Value>, Fault> {
        let [request, response] = match name {
            "requestOverride" | "responseOverride" => self.override_maps()?,
            _ => {
                let Some(extra) = self.extra else {
                    return Ok(None);
                };
                let value = self.member(extra, name)?;
                return Ok(Some(value).filter(|value| *value != Value::Null));
            }
        };
        let id = if name == "requestOverride" {
            request
        } else {
            response
        };
        Ok(Some(Value::Map(id)))
    }

    /// `#set($context.name = value)`: a member that only this render sees.
    pub(super) fn put_context(&mut self, name: &str, key: Text, value: Value) -> Result<(), Fault> {
        if matches!(name, "requestOverride" | "responseOverride") {
            return Ok(());
        }
        let extra = match self.extra {
            Some(extra) => extra,
            None => self.heap.new_map(MapKind::Silent)?,
        };
        self.extra = Some(extra);
        self.put(extra, Value::Text(key), value)?;
        Ok(())
    }

    /// Both maps, made with what the request template has left.
    fn override_maps(&mut self) -> Result<[u32; 2], Fault> {
        if let Some(maps) = self.overrides {
            return Ok(maps);
        }
        let none = Overrides::default();
        let inputs = self.inputs;
        let before = inputs.overrides.unwrap_or(&none);
        let request = self.heap.new_map(MapKind::Silent)?;
        let lists = [
            &before.request_path,
            &before.request_query,
            &before.request_header,
        ];
        for (name, list) in PARTS.into_iter().zip(lists) {
            let map = self.override_map(list)?;
            let key = self.kept(name)?;
            self.put_member(request, key, Value::Map(map))?;
        }
        let response = self.heap.new_map(MapKind::StatusOnce)?;
        let map = self.override_map(&before.response_header)?;
        let key = self.kept("header")?;
        self.put_member(response, key, Value::Map(map))?;
        if let Some(status) = before.status {
            let key = self.kept("status")?;
            self.put_member(response, key, Value::Int(i64::from(status)))?;
        }
        self.overrides = Some([request, response]);
        Ok([request, response])
    }

    fn override_map(&mut self, list: &[(String, String)]) -> Result<u32, Fault> {
        let id = self.heap.new_map(MapKind::Once)?;
        for (name, value) in list {
            let key = self.kept(name)?;
            let value = self.kept(value)?;
            self.put_member(id, key, value)?;
        }
        Ok(id)
    }

    /// The overrides at the end of a render.
    pub(super) fn taken_overrides(&mut self) -> Result<Overrides, Fault> {
        let Some([request, response]) = self.overrides else {
            return Ok(self.inputs.overrides.cloned().unwrap_or_default());
        };
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        for (name, part) in PARTS.into_iter().zip(&mut parts) {
            let map = self.member(request, name)?;
            *part = self.pairs(map)?;
        }
        let [request_path, request_query, request_header] = parts;
        let map = self.member(response, "header")?;
        let response_header = self.pairs(map)?;
        let status = self.member(response, "status")?;
        Ok(Overrides {
            request_path,
            request_query,
            request_header,
            response_header,
            status: self.status(status),
        })
    }

    fn pairs(&mut self, map: Value) -> Result<Vec<(String, String)>, Fault> {
        let Value::Map(id) = map else {
            return Ok(Vec::new());
        };
        let mut pairs = Vec::with_capacity(self.heap.members(id).len());
        for position in 0..self.heap.members(id).len() {
            let Some((key, value)) = self.heap.members(id).get(position).copied() else {
                continue;
            };
            let (mut name, mut text) = (String::new(), String::new());
            self.print_into(&mut name, key)?;
            self.print_into(&mut text, value)?;
            pairs.push((name, text));
        }
        Ok(pairs)
    }

    /// A status, as a number or as its digits.
    fn status(&self, value: Value) -> Option<u16> {
        let status = match value {
            Value::Int(status) => u16::try_from(status).ok()?,
            Value::Text(text) => self.text(text).parse().ok()?,
            _ => return None,
        };
        (100..=599).contains(&status).then_some(status)
    }
}
