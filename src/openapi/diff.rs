//! What differs between two APIs, in the terms of the model.
//!
//! Shape: both are written as the same kind of document, with everything an import needs, so that
//! nothing of the model escapes the comparison and nothing else enters it. A [`Change`] names a
//! route, a model or another part, and the members that differ.
//! Units: as in documents.
//! Errors: none; equal APIs have no changes. Where the order of members decides at run time
//! (templates, answers of an integration), it is compared too.
//! Source: Amazon API Gateway developer guide, "OpenAPI extensions".

use std::fmt::{self, Write};

use serde_json::{Map, Value, json};
use tidegate_edge::{
    base::text::counted,
    model::api::{Api, ApiKind},
};

use super::{
    ANY_METHOD, GATEWAY_RESPONSES, VALIDATORS,
    export::{ExportFormat, ExportOptions, export},
    paths::DEFAULT_ROUTES,
};
use crate::diagnostics::Colour;

/// One part that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `route`, `model`, …
    pub noun: &'static str,
    /// Empty for the API itself.
    pub name: String,
    pub kind: ChangeKind,
    /// Of a changed part, by name.
    pub members: Vec<MemberChange>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
}

impl ChangeKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Changed => "changed",
        }
    }

    const fn mark(self) -> char {
        match self {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Changed => '~',
        }
    }

    const fn colour_code(self) -> &'static str {
        match self {
            ChangeKind::Added => "32",
            ChangeKind::Removed => "31",
            ChangeKind::Changed => "33",
        }
    }
}

/// A member with what it was and is; `None`: it is not there.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberChange {
    /// Names from the part inwards; vendor members without their long beginning.
    pub path: Vec<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl MemberChange {
    fn kind(&self) -> ChangeKind {
        match (&self.before, &self.after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        }
    }
}

/// Everything that differs, part by part: first the API itself, then its routes.
#[must_use]
pub fn diff(before: &Api, after: &Api) -> Vec<Change> {
    let (old, new) = (Parts::of(before), Parts::of(after));
    let mut changes = Vec::new();
    compare("API", "", Some(&old.api), Some(&new.api), &mut changes);
    for (noun, old, new) in [
        ("path", &old.paths, &new.paths),
        ("route", &old.routes, &new.routes),
        ("model", &old.models, &new.models),
        ("security scheme", &old.schemes, &new.schemes),
        ("request validator", &old.validators, &new.validators),
        (
            "gateway response",
            &old.gateway_responses,
            &new.gateway_responses,
        ),
    ] {
        for (name, value) in old {
            compare(noun, name, Some(value), new.get(name), &mut changes);
        }
        let added = new.iter().filter(|(name, _)| !old.contains_key(*name));
        for (name, value) in added {
            compare(noun, name, None, Some(value), &mut changes);
        }
    }
    changes
}

/// A text for people, a line per difference.
#[must_use]
pub fn to_text(changes: &[Change], colour: Colour) -> String {
    let mut out = String::new();
    for change in changes {
        let head = format!("{} {}", change.kind.mark(), change.noun);
        let head = colour.paint(change.kind.colour_code(), &head);
        let name = printable(&change.name);
        let line = format!("{head} {name}");
        let _ = writeln!(out, "{}", line.trim_end());
        for member in &change.members {
            let mark = colour.paint(
                member.kind().colour_code(),
                &member.kind().mark().to_string(),
            );
            let path = printable(&member.path.join("."));
            let _ = writeln!(out, "    {mark} {path}: {}", Values(member));
        }
    }
    out
}

/// The same for programs.
#[must_use]
pub fn to_json(changes: &[Change]) -> Value {
    let member = |member: &MemberChange| {
        let mut object = Map::new();
        object.insert("member".to_owned(), json!(member.path));
        if let Some(before) = &member.before {
            object.insert("before".to_owned(), before.clone());
        }
        if let Some(after) = &member.after {
            object.insert("after".to_owned(), after.clone());
        }
        Value::Object(object)
    };
    let change = |change: &Change| {
        json!({
            "change": change.kind.as_str(),
            "part": change.noun,
            "name": change.name,
            "members": change.members.iter().map(member).collect::<Vec<_>>(),
        })
    };
    json!({
        "same": changes.is_empty(),
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
    })
}

type Object = Map<String, Value>;

/// A document, taken apart.
#[derive(Default)]
struct Parts {
    api: Value,
    /// Members of paths beside their methods.
    paths: Object,
    routes: Object,
    models: Object,
    schemes: Object,
    validators: Object,
    gateway_responses: Object,
}

impl Parts {
    fn of(api: &Api) -> Parts {
        let whole = ExportOptions::whole(ExportFormat::Oas30);
        // This format describes both kinds.
        let mut document = export(api, &whole).unwrap_or_default();
        let mut parts = Parts::default();
        let Some(root) = document.as_object_mut() else {
            return parts;
        };
        root.remove("openapi");
        root.remove("servers");
        for (path, item) in taken(root, "paths") {
            parts.path(&path, item);
        }
        let mut components = taken(root, "components");
        parts.models = taken(&mut components, "schemas");
        parts.schemes = taken(&mut components, "securitySchemes");
        parts.validators = taken(root, VALIDATORS);
        parts.gateway_responses = taken(root, GATEWAY_RESPONSES);
        let kind = match api.kind {
            ApiKind::Rest => "REST",
            ApiKind::Http => "HTTP",
        };
        root.insert("kind".to_owned(), kind.into());
        parts.api = document;
        parts
    }

    fn path(&mut self, path: &str, item: Value) {
        let Value::Object(item) = item else {
            return;
        };
        let mut rest = Object::new();
        let mut count = 0_u32;
        for (key, operation) in item {
            let verb = match key.as_str() {
                ANY_METHOD => "ANY".to_owned(),
                "summary" | "description" => {
                    rest.insert(key, operation);
                    continue;
                }
                key if key.starts_with("x-") => {
                    rest.insert(key.to_owned(), operation);
                    continue;
                }
                key => key.to_ascii_uppercase(),
            };
            count += 1;
            let name = match DEFAULT_ROUTES.contains(&path) {
                true => "$default".to_owned(),
                false => format!("{verb} {path}"),
            };
            self.routes.insert(name, operation_parts(operation));
        }
        // A path is a part of its own where it says something, or has no route to say it.
        if !rest.is_empty() || count == 0 {
            self.paths.insert(path.to_owned(), rest.into());
        }
    }
}

/// Lists whose items have names become tables, so that a change is told of one item.
fn operation_parts(mut operation: Value) -> Value {
    let Some(members) = operation.as_object_mut() else {
        return operation;
    };
    if let Some(Value::Array(items)) = members.remove("parameters") {
        let row = |mut item: Value| {
            let object = item.as_object_mut()?;
            let place = object.remove("in")?;
            let name = object.remove("name")?;
            Some((format!("{} {}", place.as_str()?, name.as_str()?), item))
        };
        let rows: Object = items.into_iter().filter_map(row).collect();
        members.insert("parameters".to_owned(), rows.into());
    }
    if let Some(Value::Array(items)) = members.remove("security") {
        let mut rows = Object::new();
        for item in items {
            if let Value::Object(item) = item {
                rows.extend(item);
            }
        }
        members.insert("security".to_owned(), rows.into());
    }
    operation
}

fn taken(from: &mut Object, key: &str) -> Object {
    match from.remove(key) {
        Some(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

fn compare(
    noun: &'static str,
    name: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<Change>,
) {
    let mut members = Vec::new();
    let kind = match (before, after) {
        (None, None) => return,
        (None, Some(_)) => ChangeKind::Added,
        (Some(_), None) => ChangeKind::Removed,
        (Some(before), Some(after)) => {
            compare_values(&mut Vec::new(), before, after, &mut members);
            if members.is_empty() {
                return;
            }
            ChangeKind::Changed
        }
    };
    changes.push(Change {
        noun,
        name: name.to_owned(),
        kind,
        members,
    });
}

/// Tables member by member, all else as a whole.
fn compare_values(
    path: &mut Vec<String>,
    before: &Value,
    after: &Value,
    found: &mut Vec<MemberChange>,
) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if before != after {
            found.push(MemberChange {
                path: path.clone(),
                before: Some(before.clone()),
                after: Some(after.clone()),
            });
        }
        return;
    };
    for (key, before) in old {
        path.push(short(key).to_owned());
        match new.get(key) {
            Some(after) => compare_values(path, before, after, found),
            None => found.push(MemberChange {
                path: path.clone(),
                before: Some(before.clone()),
                after: None,
            }),
        }
        path.pop();
    }
    for (key, after) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        path.push(short(key).to_owned());
        found.push(MemberChange {
            path: path.clone(),
            before: None,
            after: Some(after.clone()),
        });
        path.pop();
    }
    let keys = |of: &Object, in_both: &Object| -> Vec<String> {
        let keys = of.keys().filter(|key| in_both.contains_key(*key));
        keys.cloned().collect()
    };
    let (old_keys, new_keys) = (keys(old, new), keys(new, old));
    if order_decides(path) && old_keys != new_keys {
        path.push("order".to_owned());
        found.push(MemberChange {
            path: path.clone(),
            before: Some(old_keys.into()),
            after: Some(new_keys.into()),
        });
        path.pop();
    }
}

/// Whether the first of several members is taken at run time.
fn order_decides(path: &[String]) -> bool {
    const ORDERED: [&str; 3] = ["requestTemplates", "responseTemplates", "responses"];
    let is_integration = path.iter().any(|part| part == "integration");
    let last = path.last().map(String::as_str);
    last.is_some_and(|last| ORDERED.contains(&last) && (is_integration || last != "responses"))
}

fn short(key: &str) -> &str {
    key.strip_prefix("x-amazon-apigateway-").unwrap_or(key)
}

/// What follows the name of a member.
struct Values<'a>(&'a MemberChange);

impl fmt::Display for Values<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.before, &self.0.after) {
            (Some(Value::String(old)), Some(Value::String(new)))
                if old.contains('\n') || new.contains('\n') =>
            {
                out.write_str(&lines(old, new))
            }
            (Some(old), Some(new)) => write!(out, "{} → {}", brief(old), brief(new)),
            (Some(one), None) | (None, Some(one)) => out.write_str(&brief(one)),
            (None, None) => Ok(()),
        }
    }
}

/// Texts of several lines: where they part.
fn lines(old: &str, new: &str) -> String {
    let pairs = old.lines().zip(new.lines());
    let same = pairs.take_while(|(old, new)| old == new).count();
    let line = |text: &str| match text.lines().nth(same) {
        Some(line) => brief(&Value::String(line.to_owned())),
        None => "its end".to_owned(),
    };
    let counts = (old.lines().count(), new.lines().count());
    let number = same.saturating_add(1);
    format!(
        "{} → {}, from line {number} on: {} → {}",
        counts.0,
        counted(counts.1, "line"),
        line(old),
        line(new)
    )
}

/// A value on one line, cut where it is long.
fn brief(value: &Value) -> String {
    const CHARS_MAX: usize = 72;
    let text = printable(&value.to_string());
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    let start: String = text.chars().take(CHARS_MAX).collect();
    format!("{start}…")
}

/// Control characters of a document must not reach the terminal.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}
