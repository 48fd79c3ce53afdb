//! What every part of an import needs: references, judged members, values of a kind, problems.
//!
//! Shape: methods of the reader, each a line or two at its caller.
//! Units: none.
//! Errors: values of another kind than asked for, each at its place with a hint.
//! Source: OpenAPI "Reference Object"; RFC 6901.

use serde_json::{Map, Number};
use tidegate_edge::model::api::Named;

use super::{Dialect, Fate, Reader, Strictness};
use crate::{
    diagnostics::{Severity, did_you_mean, nearest},
    source::node::{Cursor, Node, Value},
};

impl<'a> Reader<'a> {
    /// Judges every member by `table`; those it does not hold by `strictness`.
    pub(super) fn sort_out(
        &mut self,
        at: &Cursor<'a>,
        table: &[(&str, Fate)],
        strictness: Strictness,
    ) {
        for (entry, member) in at.members() {
            let key = entry.key.as_str();
            match table.iter().find(|(known, _)| *known == key) {
                Some((_, Fate::Fine)) => {}
                Some((_, Fate::Unserved(instead))) => {
                    let is_empty = match &member.node.value {
                        Value::Sequence(items) => items.is_empty(),
                        Value::Mapping(entries) => entries.is_empty(),
                        _ => false,
                    };
                    if !is_empty {
                        self.unserved(&member, key, instead);
                    }
                }
                None => self.unknown(&member, key, table, strictness),
            }
        }
    }

    fn unknown(
        &mut self,
        at: &Cursor<'a>,
        key: &str,
        table: &[(&str, Fate)],
        strictness: Strictness,
    ) {
        let is_ours = key.starts_with("x-amazon-");
        if key.starts_with("x-") && !is_ours {
            return;
        }
        let known: Vec<&str> = table.iter().map(|(known, _)| *known).collect();
        let near = nearest(key, known.iter().copied()).is_some();
        let hint = if near || !is_ours {
            did_you_mean(key, &known)
        } else {
            Some("it has no effect".to_owned())
        };
        let severity = match strictness {
            Strictness::Strict => Severity::Error,
            Strictness::Loose => Severity::Warning,
        };
        let message = format!("`{key}` is not known here");
        self.push(severity, at, true, message, hint);
    }

    /// Warns of the vendor's members of `at` that do not belong there.
    pub(super) fn stray(&mut self, at: &Cursor<'a>, known: &[&str]) {
        for (entry, member) in at.members() {
            let key = entry.key.as_str();
            if key.starts_with("x-amazon-apigateway-") && !known.contains(&key) {
                let message = format!("`{key}` is not known here");
                self.warn_at_key(&member, message, "it has no effect");
            }
        }
    }

    /// A member that is read and has no effect.
    pub(super) fn unserved(&mut self, at: &Cursor<'a>, what: &str, instead: &str) {
        let message = format!("`{what}` is not served");
        self.warn_at_key(at, message, instead);
    }

    /// A warning about a member, which points to its key.
    pub(super) fn warn_at_key(&mut self, at: &Cursor<'a>, message: String, hint: &str) {
        self.push(Severity::Warning, at, true, message, Some(hint.to_owned()));
    }

    pub(super) fn error(
        &mut self,
        at: &Cursor<'a>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (message, hint) = (message.into(), Some(hint.into()));
        self.push(Severity::Error, at, false, message, hint);
    }

    pub(super) fn error_at_key(&mut self, at: &Cursor<'a>, message: String, hint: Option<String>) {
        self.push(Severity::Error, at, true, message, hint);
    }

    pub(super) fn push(
        &mut self,
        severity: Severity,
        at: &Cursor<'a>,
        is_about_key: bool,
        message: String,
        hint: Option<String>,
    ) {
        let span = at.key_span.filter(|_| is_about_key);
        let span = span.unwrap_or_else(|| at.span());
        let source = &self.document.source;
        let problem = source.problem(severity, span, &at.pointer, message, hint);
        self.report.push(problem);
    }

    /// The node itself, or what its `$ref` leads to within the document.
    pub(super) fn resolve(&mut self, at: &Cursor<'a>) -> Option<Cursor<'a>> {
        let mut found = at.clone();
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = found.get("$ref") else {
                return Some(found);
            };
            let Some(target) = reference.text() else {
                self.error(&reference, "`$ref` must be a text", "write \"#/…\"");
                return None;
            };
            let Some(pointer) = target.strip_prefix('#') else {
                let message = format!("`{target}` leads out of this document");
                self.error(&reference, message, "copy that part into this document");
                return None;
            };
            let mut next = self.cursor();
            for part in pointer.split('/').skip(1) {
                let name = part.replace("~1", "/").replace("~0", "~");
                let Some(child) = next.child(&name) else {
                    let known: Vec<&str> = next.node.entries().iter().map(|e| &*e.key).collect();
                    let message = format!("`{target}` leads nowhere: there is no `{name}`");
                    let hint = did_you_mean(&name, &known);
                    self.push(Severity::Error, &reference, false, message, hint);
                    return None;
                };
                next = child;
            }
            found = next;
        }
        self.error(at, "this `$ref` leads back to itself", "break the circle");
        None
    }

    /// A part that both families keep, under `components` or at the root.
    pub(super) fn component(&self, open_api: &str, swagger: &str) -> Option<Cursor<'a>> {
        let root = self.cursor();
        match self.dialect {
            Dialect::OpenApi => root.get("components")?.get(open_api),
            Dialect::Swagger => root.get(swagger),
        }
    }

    /// A text member; an error when it is something else.
    pub(super) fn text_of(&mut self, at: &Cursor<'a>, key: &str) -> Option<&'a str> {
        let member = at.get(key)?;
        if member.text().is_none() {
            let kind = member.node.kind();
            let message = format!("`{key}` must be a text, here it is {kind}");
            self.error(&member, message, "quote the value");
        }
        member.text()
    }

    /// A member that is true or false; texts of the two words pass, as in the service.
    pub(super) fn flag_of(&mut self, at: &Cursor<'a>, key: &str) -> Option<bool> {
        let member = at.get(key)?;
        let flag = match &member.node.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) => text.to_ascii_lowercase().parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            let kind = member.node.kind();
            let message = format!("`{key}` must be true or false, here it is {kind}");
            self.error(&member, message, "write true or false");
        }
        flag
    }

    /// A whole number within `range`; texts of digits pass, as in the service.
    pub(super) fn number_of(
        &mut self,
        at: &Cursor<'a>,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let member = at.get(key)?;
        let number = match &member.node.value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let (first, last) = (range.start(), range.end());
        let hint = format!("write {first} to {last}");
        match number {
            None => {
                let kind = member.node.kind();
                let message = format!("`{key}` must be a number, here it is {kind}");
                self.error(&member, message, hint);
                None
            }
            Some(number) if !range.contains(&number) => {
                self.error(&member, format!("{number} is out of range"), hint);
                None
            }
            inside => inside,
        }
    }

    /// Texts of a list; nothing without one.
    pub(super) fn texts_of(&mut self, at: &Cursor<'a>, key: &str) -> Vec<Cursor<'a>> {
        let Some(list) = at.get(key) else {
            return Vec::new();
        };
        if !self.is_list(&list, &format!("`{key}`")) {
            return Vec::new();
        }
        let (texts, others): (Vec<_>, Vec<_>) =
            list.items().partition(|item| item.text().is_some());
        for item in others {
            let message = format!("a text belongs here, not {}", item.node.kind());
            self.error(&item, message, "quote the value");
        }
        texts
    }

    /// Whether this is a table; an error when not.
    pub(super) fn is_table(&mut self, at: &Cursor<'a>, what: &str) -> bool {
        if matches!(at.node.value, Value::Mapping(_)) {
            return true;
        }
        let message = format!("{what} must be a table, here it is {}", at.node.kind());
        self.error(at, message, "write its members indented below it");
        false
    }

    /// Whether this is a list; an error when not.
    pub(super) fn is_list(&mut self, at: &Cursor<'a>, what: &str) -> bool {
        if matches!(at.node.value, Value::Sequence(_)) {
            return true;
        }
        let message = format!("{what} must be a list, here it is {}", at.node.kind());
        self.error(at, message, "write `- …` rows below it");
        false
    }

    /// The word of a member among `known`, found by `parse`; an error for other words.
    pub(super) fn word_of<T>(
        &mut self,
        at: &Cursor<'a>,
        key: &str,
        parse: impl Fn(&str) -> Option<T>,
        known: &[&str],
    ) -> Option<T> {
        let text = self.text_of(at, key)?;
        let word = parse(text);
        if word.is_none() {
            let member = at.get(key).unwrap_or_else(|| at.clone());
            let hint = did_you_mean(text, known).unwrap_or_default();
            self.error(&member, format!("`{text}` is no value of `{key}`"), hint);
        }
        word
    }

    /// Keeps what is for people, under the place where it comes back.
    pub(super) fn describe(&mut self, place: String, at: &Cursor<'a>) {
        self.descriptions.push(Named {
            name: place,
            value: json(at.node),
            pointer: at.pointer.clone(),
        });
    }

    /// Keeps those members of `at` that are for people: the `known` ones, and foreign extensions.
    pub(super) fn describe_members(&mut self, place: &str, at: &Cursor<'a>, known: &[&str]) {
        for (entry, member) in at.members() {
            let key = entry.key.as_str();
            let foreign = key.starts_with("x-")
                && !key.starts_with("x-amazon-")
                && !key.starts_with("x-tidegate-");
            if foreign || known.contains(&key) {
                self.describe(crate::source::node::join(place, key), &member);
            }
        }
    }
}

/// A tree as JSON; what JSON has no number for becomes null.
pub(super) fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => {
            Number::from_f64(*number).map_or(serde_json::Value::Null, Into::into)
        }
        Value::Text(text) => text.as_str().into(),
        Value::Sequence(items) => items.iter().map(json).collect(),
        Value::Mapping(entries) => {
            let members = entries.iter();
            let members = members.map(|entry| (entry.key.clone(), json(&entry.node)));
            members.collect::<Map<_, _>>().into()
        }
    }
}

/// A longer chain of `$ref`s is taken for a circle.
const REFERENCES_MAX: usize = 16;
