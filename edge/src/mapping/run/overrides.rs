//! What templates write below `$context`.
//!
//! Shape: `requestOverride` and `responseOverride` are maps that the template fills; at the end
//! they become [`Overrides`]. Units: none. Errors: [`Fault::OverriddenTwice`]. Source: the
//! developer guide, "use a mapping template to override an API's request and response parameters
//! and status codes".

use super::Run;
use crate::mapping::{
    Overrides,
    error::Halt,
    value::{MapKind, Text, Value},
};

/// What a request template leaves that overrides nothing.
static NONE: Overrides = Overrides {
    request_path: Vec::new(),
    request_query: Vec::new(),
    request_header: Vec::new(),
    response_header: Vec::new(),
    status: None,
};
const PARTS: [&str; 3] = ["path", "querystring", "header"];

impl Run<'_> {
    /// `#set($context.name = value)`: a member that only this render sees.
    pub(super) fn put_context(&mut self, name: &str, key: Text, value: Value) -> Result<(), Halt> {
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

    /// `$context.requestOverride`, made with what the request template has left.
    pub(super) fn request_override(&mut self) -> Result<u32, Halt> {
        if let Some(request) = self.request_override {
            return Ok(request);
        }
        let before = self.inputs.overrides.unwrap_or(&NONE);
        let request = self.heap.new_map(MapKind::Silent)?;
        let lists = [
            &before.request_path,
            &before.request_query,
            &before.request_header,
        ];
        for (name, list) in PARTS.into_iter().zip(lists) {
            let map = self.override_map(list)?;
            let key = self.kept(name)?;
            self.heap.push_member(request, key, Value::Map(map))?;
        }
        self.request_override = Some(request);
        Ok(request)
    }

    /// `$context.responseOverride`, likewise.
    pub(super) fn response_override(&mut self) -> Result<u32, Halt> {
        if let Some(response) = self.response_override {
            return Ok(response);
        }
        let before = self.inputs.overrides.unwrap_or(&NONE);
        let response = self.heap.new_map(MapKind::StatusOnce)?;
        let map = self.override_map(&before.response_header)?;
        let key = self.kept("header")?;
        self.heap.push_member(response, key, Value::Map(map))?;
        if let Some(status) = before.status {
            let key = self.kept("status")?;
            let status = Value::Int(i64::from(status));
            self.heap.push_member(response, key, status)?;
        }
        self.response_override = Some(response);
        Ok(response)
    }

    fn override_map(&mut self, list: &[(String, String)]) -> Result<u32, Halt> {
        let id = self.heap.new_map(MapKind::Once)?;
        for (name, value) in list {
            let key = self.kept(name)?;
            let value = self.kept(value)?;
            self.put_member(id, key, value)?;
        }
        Ok(id)
    }

    /// The overrides at the end of a render.
    pub(super) fn taken_overrides(&mut self) -> Result<Overrides, Halt> {
        let mut taken = self.inputs.overrides.cloned().unwrap_or_default();
        if let Some(request) = self.request_override {
            let lists = [
                &mut taken.request_path,
                &mut taken.request_query,
                &mut taken.request_header,
            ];
            for (name, list) in PARTS.into_iter().zip(lists) {
                let map = self.member(request, name.as_bytes())?;
                *list = self.pairs(map)?;
            }
        }
        if let Some(response) = self.response_override {
            let map = self.member(response, b"header")?;
            taken.response_header = self.pairs(map)?;
            let status = self.member(response, b"status")?;
            taken.status = self.status(status);
        }
        Ok(taken)
    }

    fn pairs(&mut self, map: Value) -> Result<Vec<(String, String)>, Halt> {
        let Value::Map(id) = map else {
            return Ok(Vec::new());
        };
        let mut pairs = Vec::with_capacity(self.heap.members(id).len());
        for position in 0..self.heap.members(id).len() {
            let Some([key, value]) = self.heap.members(id).get(position).copied() else {
                continue;
            };
            pairs.push((self.owned(key)?, self.owned(value)?));
        }
        Ok(pairs)
    }

    fn owned(&mut self, value: Value) -> Result<String, Halt> {
        if let Value::Text(text) = value {
            let owned = self.text(text).to_owned();
            self.meter.spend_bytes(owned.len())?;
            return Ok(owned);
        }
        let mut owned = String::new();
        self.print_into(&mut owned, value)?;
        Ok(owned)
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
