//! Request validators: what of a request is checked before its integration is asked.
//!
//! Shape: validators have names; the root names one for all operations, an operation its own.
//! Units: none. Errors: names that no validator has.
//! Source: `x-amazon-apigateway-request-validators` and `-request-validator`.

use tidegate_edge::model::api::{Named, RequestValidator};

use super::{
    Fate::{self, Fine},
    Reader, Strictness, VALIDATOR, VALIDATORS,
};
use crate::{diagnostics::did_you_mean, source::node::Cursor};

impl<'a> Reader<'a> {
    pub(super) fn validators(&mut self, root: &Cursor<'a>) -> Vec<RequestValidator> {
        const MEMBERS: &[(&str, Fate)] = &[
            ("validateRequestBody", Fine),
            ("validateRequestParameters", Fine),
        ];
        let Some(table) = root.get(VALIDATORS) else {
            return Vec::new();
        };
        if !self.is_table(&table, "request validators") {
            return Vec::new();
        }
        let mut validators = Vec::new();
        for (entry, at) in table.members() {
            if !self.is_table(&at, "a request validator") {
                continue;
            }
            self.sort_out(&at, MEMBERS, Strictness::Strict);
            validators.push(RequestValidator {
                name: entry.key.clone(),
                validates_body: self.flag_of(&at, "validateRequestBody").unwrap_or(false),
                validates_parameters: self
                    .flag_of(&at, "validateRequestParameters")
                    .unwrap_or(false),
                pointer: at.pointer,
            });
        }
        validators
    }

    /// The validator that `holder`, an operation or the root, names.
    pub(super) fn validator(&mut self, holder: &Cursor<'a>) -> Option<Named> {
        let name = self.text_of(holder, VALIDATOR)?;
        let at = holder.get(VALIDATOR)?;
        let table = self.cursor().get(VALIDATORS);
        let known: Vec<&str> = table
            .iter()
            .flat_map(|table| table.node.entries())
            .map(|entry| entry.key.as_str())
            .collect();
        if !known.contains(&name) {
            let message = format!("there is no request validator `{name}`");
            let hint = did_you_mean(name, &known);
            let hint = hint.unwrap_or_else(|| format!("add it to `{VALIDATORS}`"));
            self.error(&at, message, hint);
            return None;
        }
        Some(Named {
            name: name.to_owned(),
            value: serde_json::Value::Null,
            pointer: at.pointer,
        })
    }
}
