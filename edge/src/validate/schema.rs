//! Compiled models: JSON Schema as a list of nodes that name each other by index.
//!
//! Shape: a [`Node`] is one schema; its checks stand in the order of their keywords' names, which
//! is the order in which the service reports. Units: counts, and indexes of nodes. Ranges:
//! [`NODES_MAX`] schemas in an API. Errors: [`ModelFault`], with the model's name and a JSON
//! pointer into its schema. Source: JSON Schema core and validation, draft 4.

mod compile;
mod keywords;
mod places;

use super::{document::Document, number::Number, pattern::Pattern};

/// Most schemas, those within others included, in the models of an API.
pub const NODES_MAX: usize = 10_000;
/// Most memory of the models' expressions.
pub const PATTERNS_BYTES_MAX: usize = 64 << 20;

/// Index of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeId(u32);

impl NodeId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// One of an API's models.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ModelId(pub(super) NodeId);

/// A model as it is written.
#[derive(Clone, Copy, Debug)]
pub struct ModelSource<'s> {
    /// Its name, which references use.
    pub name: &'s str,
    /// Its schema.
    pub schema: &'s serde_json::Value,
}

/// Why a model does not compile.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("model {model}, `{pointer}`: {reason}")]
pub struct ModelFault {
    /// The model.
    pub model: String,
    /// Place in its schema, as `/properties/name/type`.
    pub pointer: String,
    /// What is wrong there.
    pub reason: String,
}

/// The compiled models of an API.
#[derive(Clone, Debug, Default)]
pub struct Models {
    nodes: Box<[Node]>,
    /// By name.
    names: Box<[(Box<str>, ModelId)]>,
}

impl Models {
    /// The model of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ModelId> {
        let at = self
            .names
            .binary_search_by(|(known, _)| (**known).cmp(name));
        self.names.get(at.ok()?).map(|(_, id)| *id)
    }

    /// Compiles the models of an API, which may refer to each other.
    ///
    /// # Errors
    /// What is wrong with them, up to a hundred faults.
    pub fn compile(sources: &[ModelSource<'_>]) -> Result<Models, Vec<ModelFault>> {
        compile::compile(sources)
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }
}

/// One schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// It is this one; nothing else in it counts.
    pub(super) reference: Option<NodeId>,
    /// In the order of their keywords.
    pub(super) checks: Box<[Check]>,
    pub(super) members: Members,
    pub(super) items: Items,
}

/// Schemas of an object's members.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    /// `properties`, by name.
    pub(super) named: Box<[(Box<str>, NodeId)]>,
    /// `patternProperties`, by expression.
    pub(super) matching: Box<[(Pattern, NodeId)]>,
    /// `additionalProperties`: the members that none of those is for.
    pub(super) others: Option<NodeId>,
}

impl Members {
    /// Whether a member can have a schema at all.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.matching.is_empty() && self.others.is_none()
    }

    pub(super) fn named(&self, name: &str) -> Option<NodeId> {
        let at = self
            .named
            .binary_search_by(|(known, _)| (**known).cmp(name));
        self.named.get(at.ok()?).map(|(_, id)| *id)
    }
}

/// Schemas of an array's items.
#[derive(Clone, Debug, Default)]
pub(super) enum Items {
    #[default]
    Any,
    Each(NodeId),
    /// One for each of the first, and for the rest.
    Tuple(Box<[NodeId]>, Option<NodeId>),
}

impl Items {
    pub(super) fn at(&self, at: usize) -> Option<NodeId> {
        match self {
            Items::Any => None,
            Items::Each(id) => Some(*id),
            Items::Tuple(first, rest) => first.get(at).copied().or(*rest),
        }
    }
}

/// What one keyword asks for.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// At most so many, as `additionalItems` is false.
    AdditionalItems(usize),
    /// `additionalProperties` is false: only members that the node knows.
    AdditionalProperties,
    AllOf(Box<[NodeId]>),
    AnyOf(Box<[NodeId]>),
    Dependencies {
        /// By name, each sorted.
        names: Box<[(Box<str>, Names)]>,
        /// By name.
        schemas: Box<[(Box<str>, NodeId)]>,
    },
    Enum(Box<Document>),
    MaxItems(u64),
    MaxLength(u64),
    MaxProperties(u64),
    Maximum(Limit),
    MinItems(u64),
    MinLength(u64),
    MinProperties(u64),
    Minimum(Limit),
    MultipleOf(Number),
    Not(NodeId),
    OneOf(Box<[NodeId]>),
    Pattern(Pattern),
    /// Sorted.
    Required(Names),
    Type(Types),
    UniqueItems,
}

/// Member names.
pub(super) type Names = Box<[Box<str>]>;

/// An end of a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) at: Number,
    /// The limit itself is outside.
    pub(super) is_exclusive: bool,
}

/// A set of primitive types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Types(u8);

impl Types {
    /// Their names, in the order in which they are listed.
    pub(super) const NAMES: [&'static str; 7] = [
        "array", "boolean", "integer", "null", "number", "object", "string",
    ];
    const INTEGER: usize = 2;
    const NUMBER: usize = 4;

    pub(super) const NONE: Types = Types(0);

    /// With the type of this name, numbers with integers; `None` for any other name.
    pub(super) fn with(self, name: &str) -> Option<Types> {
        let at = Types::NAMES.iter().position(|known| *known == name)?;
        let mut bits = self.0 | 1 << at;
        if at == Types::NUMBER {
            bits |= 1 << Types::INTEGER;
        }
        Some(Types(bits))
    }

    /// The names of those in it.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let is_in = move |at: &usize| self.0 & 1 << at != 0;
        (0..Types::NAMES.len())
            .filter(is_in)
            .filter_map(|at| Types::NAMES.get(at).copied())
    }

    /// Whether the type of this name is in it.
    pub(super) fn has(self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests;
