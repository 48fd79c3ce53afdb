//! What `$context.error.validationErrorString` says of a refused body.
//!
//! Shape: the walk of `check.rs` again, but with the order, the silences and the wording of the
//! Java library json-schema-validator, which the service is known by: checks by keyword, then
//! members by name; of what stands deeper nothing once something is wrong, except beside it; no
//! reasons of the branches of anyOf, oneOf, allOf and not. Units: bytes. Ranges: at most
//! [`WORDS_BYTES_MAX`]. Errors: [`Unfinished`], when only a part is told. Source: that library's
//! validation messages, and messages of the service that its users' tests recorded.

use super::{
    check::{Checker, Unfinished, as_count, type_of},
    document::{Kind, Value, write_text},
    number::Number,
    schema::{Check, Names, Node, NodeId},
};
use std::fmt::{self, Write};

/// Longest text.
pub const WORDS_BYTES_MAX: usize = 8 * 1024;

/// The text as far as it is.
pub(super) struct Words {
    text: String,
    /// Something was wrong.
    is_failure: bool,
    is_full: bool,
}

impl Words {
    /// Says what is wrong with a body that is not valid.
    pub(super) fn of(checker: &mut Checker<'_>, root: NodeId, value: Value<'_>) -> String {
        let mut words = Words {
            text: "[".to_owned(),
            is_failure: false,
            is_full: false,
        };
        // What could not be finished is told as far as it came.
        let _ = checker.explain(root, value, 0, &mut words);
        words.text.push(']');
        words.text
    }

    /// Adds one message.
    fn say(&mut self, message: fmt::Arguments<'_>) {
        if self.is_failure {
            self.put(", ");
        }
        self.is_failure = true;
        // The only error is that there is no more room.
        let _ = self.write_fmt(message);
    }

    fn put(&mut self, text: &str) {
        let room = WORDS_BYTES_MAX.saturating_sub(self.text.len());
        if text.len() <= room && !self.is_full {
            return self.text.push_str(text);
        }
        if !self.is_full {
            let end = text.floor_char_boundary(room);
            self.text.push_str(text.get(..end).unwrap_or(""));
            self.text.push('…');
        }
        self.is_full = true;
    }
}

impl Write for Words {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text);
        match self.is_full {
            true => Err(fmt::Error),
            false => Ok(()),
        }
    }
}

impl<'m> Checker<'m> {
    /// Says what is wrong with `value`, as far as the library would.
    fn explain(
        &mut self,
        id: NodeId,
        value: Value<'_>,
        depth: usize,
        words: &mut Words,
    ) -> Result<(), Unfinished> {
        if depth >= super::check::DEPTH_MAX {
            return Err(Unfinished);
        }
        let node = self.node(id)?;
        for check in &node.checks {
            if words.is_full {
                return Ok(());
            }
            if !self.passes(node, check, value, depth)? {
                self.describe(node, check, value, depth, words)?;
            }
        }
        if words.is_failure {
            return Ok(());
        }
        let below = depth.saturating_add(1);
        for (at, item) in value.items().enumerate() {
            if let Some(schema) = node.items.at(at)
                && !words.is_full
            {
                self.explain(schema, item, below, words)?;
            }
        }
        if node.members.is_empty() {
            return Ok(());
        }
        let mut members: Vec<(&str, Value<'_>)> = value.members().collect();
        self.spend(as_count(members.len()))?;
        members.sort_by(|left, right| java_order(left.0, right.0));
        for (name, member) in members {
            for schema in self.schemas_of(node, name)? {
                if !words.is_full {
                    self.explain(schema, member, below, words)?;
                }
            }
        }
        Ok(())
    }

    /// The message of a check that failed.
    fn describe(
        &mut self,
        node: &'m Node,
        check: &'m Check,
        value: Value<'_>,
        depth: usize,
        words: &mut Words,
    ) -> Result<(), Unfinished> {
        let branches = |checker: &mut Checker<'m>, schemas: &[NodeId]| {
            checker.valid(schemas, value, depth, schemas.len())
        };
        match check {
            Check::AdditionalProperties => self.describe_unknown(node, value, words)?,
            Check::AllOf(all) => words.say(format_args!(
                "instance failed to match all required schemas (matched only {} out of {})",
                branches(self, all)?,
                all.len()
            )),
            Check::AnyOf(any) => words.say(format_args!(
                "instance failed to match at least one required schema among {}",
                any.len()
            )),
            Check::OneOf(one) => words.say(format_args!(
                "instance failed to match exactly one schema (matched {} out of {})",
                branches(self, one)?,
                one.len()
            )),
            Check::Not(_) => {
                words.say(format_args!(
                    "instance matched a schema which it should not have"
                ));
            }
            Check::Dependencies { .. } => self.describe_needed(check, value, depth, words)?,
            Check::Required(names) => {
                let missing = self.missing(value, names)?;
                words.say(format_args!(
                    "object has missing required properties ({})",
                    List(&missing)
                ));
            }
            Check::Enum(options) => words.say(format_args!(
                "instance value ({}) not found in enum (possible values: {})",
                Json(value),
                Json(options.root())
            )),
            Check::Type(types) => words.say(format_args!(
                "instance type ({}) does not match any allowed primitive type (allowed: {})",
                type_of(value),
                List(&types.names().collect::<Vec<_>>())
            )),
            check => match value.kind() {
                Kind::List(count) => describe_list(check, count, words),
                Kind::Map(count) => describe_map(check, count, words),
                Kind::Number(number) => describe_number(check, number, words),
                Kind::Text(text) => {
                    let length = self.length(text)?;
                    describe_text(check, text, length, words);
                }
                Kind::Null | Kind::Boolean(_) => {}
            },
        }
        Ok(())
    }

    fn describe_unknown(
        &mut self,
        node: &'m Node,
        value: Value<'_>,
        words: &mut Words,
    ) -> Result<(), Unfinished> {
        let mut unknown = Vec::new();
        for (name, _) in value.members() {
            if !self.knows(node, name)? {
                unknown.push(name);
            }
        }
        unknown.sort_by(|left, right| java_order(left, right));
        unknown.dedup();
        words.say(format_args!(
            "object instance has properties which are not allowed by the schema: {}",
            List(&unknown)
        ));
        Ok(())
    }

    /// Dependencies on names have messages; those on schemas say what the schema says.
    fn describe_needed(
        &mut self,
        check: &'m Check,
        value: Value<'_>,
        depth: usize,
        words: &mut Words,
    ) -> Result<(), Unfinished> {
        let Check::Dependencies { names, schemas } = check else {
            return Ok(());
        };
        for (name, needed) in names {
            if !self.has(value, name)? {
                continue;
            }
            let missing = self.missing(value, needed)?;
            if !missing.is_empty() {
                let needed: Vec<&str> = needed.iter().map(|name| &**name).collect();
                words.say(format_args!(
                    "property \"{name}\" of object has missing property dependencies \
                     (schema requires {}; missing: {})",
                    List(&needed),
                    List(&missing)
                ));
            }
        }
        for (name, schema) in schemas {
            if self.has(value, name)? {
                self.explain(*schema, value, depth.saturating_add(1), words)?;
            }
        }
        Ok(())
    }

    /// Those of `names` that are no members of `value`.
    fn missing<'n>(
        &mut self,
        value: Value<'_>,
        names: &'n Names,
    ) -> Result<Vec<&'n str>, Unfinished> {
        let mut missing = Vec::new();
        for name in names {
            if !self.has(value, name)? {
                missing.push(&**name);
            }
        }
        Ok(missing)
    }
}

fn describe_list(check: &Check, count: usize, words: &mut Words) {
    match check {
        Check::AdditionalItems(most) => words.say(format_args!(
            "schema only allows {most} elements in array but instance has {count} elements"
        )),
        Check::MaxItems(most) => words.say(format_args!(
            "array is too long: must have at most {most} elements but instance has {count} elements"
        )),
        Check::MinItems(least) => words.say(format_args!(
            "array is too short: must have at least {least} elements but instance has {count} \
             elements"
        )),
        Check::UniqueItems => {
            words.say(format_args!("array must not contain duplicate elements"));
        }
        _ => {}
    }
}

fn describe_map(check: &Check, count: usize, words: &mut Words) {
    match check {
        Check::MaxProperties(most) => words.say(format_args!(
            "object has too many properties (found {count} but schema requires at most {most})"
        )),
        Check::MinProperties(least) => words.say(format_args!(
            "object has too few properties (found {count} but schema requires at least {least})"
        )),
        _ => {}
    }
}

fn describe_number(check: &Check, number: Number, words: &mut Words) {
    match check {
        Check::Maximum(limit) if number.compare(limit.at).is_eq() => words.say(format_args!(
            "numeric instance is not strictly lower than the required maximum {}",
            limit.at
        )),
        Check::Maximum(limit) => words.say(format_args!(
            "numeric instance is greater than the required maximum (maximum: {}, found: {number})",
            limit.at
        )),
        Check::Minimum(limit) if number.compare(limit.at).is_eq() => words.say(format_args!(
            "numeric instance is not strictly greater than the required minimum {}",
            limit.at
        )),
        Check::Minimum(limit) => words.say(format_args!(
            "numeric instance is lower than the required minimum (minimum: {}, found: {number})",
            limit.at
        )),
        Check::MultipleOf(divisor) => words.say(format_args!(
            "remainder of division is not zero ({number} / {divisor})"
        )),
        _ => {}
    }
}

fn describe_text(check: &Check, text: &str, length: u64, words: &mut Words) {
    match check {
        Check::MaxLength(most) => words.say(format_args!(
            "string \"{text}\" is too long (length: {length}, maximum allowed: {most})"
        )),
        Check::MinLength(least) => words.say(format_args!(
            "string \"{text}\" is too short (length: {length}, required minimum: {least})"
        )),
        Check::Pattern(pattern) => words.say(format_args!(
            "ECMA 262 regex \"{}\" does not match input string \"{text}\"",
            pattern.source()
        )),
        _ => {}
    }
}

/// Strings in the order that Java gives them.
pub(super) fn java_order(left: &str, right: &str) -> std::cmp::Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// A value as JSON.
struct Json<'d>(Value<'d>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(out)
    }
}

/// Names as a JSON list.
struct List<'n>(&'n [&'n str]);

impl fmt::Display for List<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('[')?;
        for (at, name) in self.0.iter().enumerate() {
            if at > 0 {
                out.write_char(',')?;
            }
            write_text(name, out)?;
        }
        out.write_char(']')
    }
}
