//! Whether a body is valid against a model.
//!
//! Shape: schemas and values are walked together, and the first check that fails ends the walk.
//! Units: steps, each about ten nanoseconds. Ranges: [`STEPS_MAX`] steps and [`DEPTH_MAX`] schemas
//! within each other for one body. Errors: [`Unfinished`]. Source: JSON Schema validation, draft 4.

use super::{
    document::{Kind, Value},
    number::Number,
    schema::{Check, Limit, Models, Node, NodeId, Types},
};
use rapidhash::v3::rapidhash_v3;
use std::cmp::Ordering;

/// Most steps for one body.
pub const STEPS_MAX: u64 = 32_000_000;
/// Most schemas within each other while one body is checked.
pub const DEPTH_MAX: usize = 512;

/// A body takes more work than is done for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unfinished;

/// Checks one body.
pub(super) struct Checker<'m> {
    pub(super) models: &'m Models,
    steps_left: u64,
}

type Checked = Result<bool, Unfinished>;

impl<'m> Checker<'m> {
    pub(super) fn new(models: &'m Models) -> Checker<'m> {
        Checker {
            models,
            steps_left: STEPS_MAX,
        }
    }

    /// Takes steps.
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Unfinished> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(Unfinished)?;
        Ok(())
    }

    /// The schema itself, behind its references.
    pub(super) fn node(&mut self, mut id: NodeId) -> Result<&'m Node, Unfinished> {
        loop {
            self.spend(1)?;
            // An index always names a node, and references have an end: both were compiled.
            let node = self.models.node(id).ok_or(Unfinished)?;
            match node.reference {
                Some(next) => id = next,
                None => return Ok(node),
            }
        }
    }

    /// Whether `value` is valid against the schema.
    pub(super) fn holds(&mut self, id: NodeId, value: Value<'_>, depth: usize) -> Checked {
        if depth >= DEPTH_MAX {
            return Err(Unfinished);
        }
        let node = self.node(id)?;
        for check in &node.checks {
            if !self.passes(node, check, value, depth)? {
                return Ok(false);
            }
        }
        let below = depth.saturating_add(1);
        match value.kind() {
            Kind::List(_) => {
                for (at, item) in value.items().enumerate() {
                    if let Some(schema) = node.items.at(at)
                        && !self.holds(schema, item, below)?
                    {
                        return Ok(false);
                    }
                }
            }
            Kind::Map(_) if !node.members.is_empty() => {
                for (name, member) in value.members() {
                    for schema in self.schemas_of(node, name)? {
                        if !self.holds(schema, member, below)? {
                            return Ok(false);
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }

    /// The schemas of a member: by name, by expressions, or that of all others.
    pub(super) fn schemas_of(
        &mut self,
        node: &'m Node,
        name: &str,
    ) -> Result<impl Iterator<Item = NodeId> + use<>, Unfinished> {
        self.spend(1)?;
        let named = node.members.named(name);
        let mut matching = Vec::new();
        for (pattern, schema) in &node.members.matching {
            self.spend(pattern.steps(name))?;
            if pattern.is_match(name) {
                matching.push(*schema);
            }
        }
        let is_known = named.is_some() || !matching.is_empty();
        let other = node.members.others.filter(|_| !is_known);
        Ok(named.into_iter().chain(matching).chain(other))
    }

    /// Whether the node has a schema for this member by its name.
    pub(super) fn knows(&mut self, node: &Node, name: &str) -> Checked {
        self.spend(1)?;
        if node.members.named(name).is_some() {
            return Ok(true);
        }
        for (pattern, _) in &node.members.matching {
            self.spend(pattern.steps(name))?;
            if pattern.is_match(name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether `value` passes one check. What a check is not about passes it.
    pub(super) fn passes(
        &mut self,
        node: &'m Node,
        check: &'m Check,
        value: Value<'_>,
        depth: usize,
    ) -> Checked {
        self.spend(1)?;
        match value.kind() {
            Kind::List(count) => match check {
                Check::AdditionalItems(most) => return Ok(count <= *most),
                Check::MaxItems(most) => return Ok(as_count(count) <= *most),
                Check::MinItems(least) => return Ok(as_count(count) >= *least),
                Check::UniqueItems => return self.are_unique(value),
                _ => {}
            },
            Kind::Map(count) => match check {
                Check::AdditionalProperties => return self.are_known(node, value),
                Check::Dependencies { .. } => return self.depend(check, value, depth),
                Check::MaxProperties(most) => return Ok(as_count(count) <= *most),
                Check::MinProperties(least) => return Ok(as_count(count) >= *least),
                Check::Required(names) => {
                    let steps = as_count(names.len()).saturating_mul(as_count(count));
                    self.spend(steps)?;
                    return Ok(names.iter().all(|name| value.member(name).is_some()));
                }
                _ => {}
            },
            Kind::Number(number) => match check {
                Check::Maximum(limit) => return Ok(!is_beyond(number, *limit, Ordering::Greater)),
                Check::Minimum(limit) => return Ok(!is_beyond(number, *limit, Ordering::Less)),
                Check::MultipleOf(divisor) => return Ok(number.is_multiple_of(*divisor)),
                _ => {}
            },
            Kind::Text(text) => match check {
                Check::MaxLength(most) => return self.length(text).map(|length| length <= *most),
                Check::MinLength(least) => return self.length(text).map(|length| length >= *least),
                Check::Pattern(pattern) => {
                    self.spend(pattern.steps(text))?;
                    return Ok(pattern.is_match(text));
                }
                _ => {}
            },
            Kind::Null | Kind::Boolean(_) => {}
        }
        self.passes_any(check, value, depth)
    }

    /// Checks that are about every kind of value.
    fn passes_any(&mut self, check: &'m Check, value: Value<'_>, depth: usize) -> Checked {
        match check {
            Check::AllOf(all) => Ok(self.valid(all, value, depth, all.len())? == all.len()),
            Check::AnyOf(any) => Ok(self.valid(any, value, depth, 1)? > 0),
            Check::OneOf(one) => Ok(self.valid(one, value, depth, 2)? == 1),
            Check::Not(schema) => Ok(!self.holds(*schema, value, depth.saturating_add(1))?),
            Check::Enum(options) => {
                for option in options.root().items() {
                    if self.are_equal(option, value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Check::Type(types) => Ok(types.has(type_of(value))),
            _ => Ok(true),
        }
    }

    /// Against how many of the schemas it is valid, counted to `enough`.
    pub(super) fn valid(
        &mut self,
        schemas: &[NodeId],
        value: Value<'_>,
        depth: usize,
        enough: usize,
    ) -> Result<usize, Unfinished> {
        let mut valid = 0usize;
        for schema in schemas {
            if self.holds(*schema, value, depth.saturating_add(1))? {
                valid = valid.saturating_add(1);
                if valid >= enough {
                    break;
                }
            }
        }
        Ok(valid)
    }

    fn are_known(&mut self, node: &Node, value: Value<'_>) -> Checked {
        for (name, _) in value.members() {
            if !self.knows(node, name)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn depend(&mut self, check: &'m Check, value: Value<'_>, depth: usize) -> Checked {
        let Check::Dependencies { names, schemas } = check else {
            return Ok(true);
        };
        for (name, needed) in names {
            if self.has(value, name)? {
                for name in needed {
                    if !self.has(value, name)? {
                        return Ok(false);
                    }
                }
            }
        }
        for (name, schema) in schemas {
            if self.has(value, name)? && !self.holds(*schema, value, depth.saturating_add(1))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a map has a member of this name.
    pub(super) fn has(&mut self, value: Value<'_>, name: &str) -> Checked {
        if let Kind::Map(count) = value.kind() {
            self.spend(as_count(count).saturating_add(1))?;
        }
        Ok(value.member(name).is_some())
    }

    /// Characters of a text.
    pub(super) fn length(&mut self, text: &str) -> Result<u64, Unfinished> {
        self.spend(as_count(text.len() / BYTES_PER_STEP))?;
        Ok(as_count(text.chars().count()))
    }

    fn are_unique(&mut self, list: Value<'_>) -> Checked {
        self.spend(as_count(list.size()))?;
        let mut marked: Vec<(u64, Value<'_>)> = Vec::new();
        for item in list.items() {
            marked.push((mark(item), item));
        }
        marked.sort_unstable_by_key(|(mark, _)| *mark);
        // Those with the same mark stand together, and are compared with each other.
        for (at, (mark, item)) in marked.iter().enumerate() {
            let rest = marked.get(at.saturating_add(1)..).unwrap_or(&[]);
            for (_, other) in rest.iter().take_while(|(other, _)| other == mark) {
                if self.are_equal(*item, *other)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether two values are the same; numbers by value, members in any order.
    fn are_equal(&mut self, left: Value<'_>, right: Value<'_>) -> Checked {
        self.spend(1)?;
        match (left.kind(), right.kind()) {
            (Kind::Null, Kind::Null) => Ok(true),
            (Kind::Boolean(left), Kind::Boolean(right)) => Ok(left == right),
            (Kind::Number(left), Kind::Number(right)) => Ok(left.compare(right).is_eq()),
            (Kind::Text(left), Kind::Text(right)) => {
                self.spend(as_count(left.len() / BYTES_PER_STEP))?;
                Ok(left == right)
            }
            (Kind::List(count), Kind::List(other)) if count == other => {
                for (left, right) in left.items().zip(right.items()) {
                    if !self.are_equal(left, right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Kind::Map(count), Kind::Map(other)) if count == other => {
                for (name, left) in left.members() {
                    self.spend(as_count(count))?;
                    let Some(right) = right.member(name) else {
                        return Ok(false);
                    };
                    if !self.are_equal(left, right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// Bytes of a text that one step passes.
const BYTES_PER_STEP: usize = 64;

/// A value that equal values share. It may be shared by others too, at the cost of steps.
fn mark(value: Value<'_>) -> u64 {
    let mix = |mark: u64, more: u64| {
        (mark ^ more)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    };
    match value.kind() {
        Kind::Null => 1,
        Kind::Boolean(boolean) => 2 + u64::from(boolean),
        Kind::Number(number) => mix(4, number.mark()),
        Kind::Text(text) => mix(5, rapidhash_v3(text.as_bytes())),
        Kind::List(_) => value.items().fold(6, |whole, item| mix(whole, mark(item))),
        Kind::Map(_) => value.members().fold(7, |whole, (name, member)| {
            whole.wrapping_add(mix(rapidhash_v3(name.as_bytes()), mark(member)))
        }),
    }
}

fn is_beyond(number: Number, limit: Limit, side: Ordering) -> bool {
    let order = number.compare(limit.at);
    order == side || limit.is_exclusive && order.is_eq()
}

/// The primitive type of a value, the narrowest for a number.
pub(super) fn type_of(value: Value<'_>) -> &'static str {
    match value.kind() {
        Kind::List(_) => "array",
        Kind::Boolean(_) => "boolean",
        Kind::Number(number) if number.is_integer() => "integer",
        Kind::Null => "null",
        Kind::Number(_) => "number",
        Kind::Map(_) => "object",
        Kind::Text(_) => "string",
    }
}

const _: () = assert!(Types::NAMES.len() == 7);

/// A number of things.
pub(super) fn as_count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
