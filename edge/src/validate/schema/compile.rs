//! Models to nodes.
//!
//! Shape: schemas wait in a queue, each with the index of the node that it becomes, so that neither
//! depth nor circles of references need a stack. Afterwards no schema may lead back to itself
//! without going deeper into the body, as checking it would never end. Units: none. Errors:
//! [`ModelFault`]s. Source: JSON Schema core, draft 4, sections 7 and 10.

use super::{
    Check, ModelFault, ModelId, ModelSource, Models, NODES_MAX, Node, NodeId, PATTERNS_BYTES_MAX,
    places::{self, Place},
};
use crate::validate::pattern::Pattern;
use serde_json::Value as Json;
use std::collections::{BTreeMap, VecDeque};

/// Most faults that are told.
const FAULTS_MAX: usize = 100;

pub(super) fn compile(sources: &[ModelSource<'_>]) -> Result<Models, Vec<ModelFault>> {
    let mut compiler = Compiler {
        sources,
        known: BTreeMap::new(),
        waiting: VecDeque::new(),
        nodes: Vec::new(),
        places: Vec::new(),
        patterns_bytes: 0,
        faults: Vec::new(),
    };
    let mut names: Vec<(Box<str>, ModelId)> = Vec::new();
    for (model, source) in sources.iter().enumerate() {
        let place = Place {
            model,
            pointer: String::new(),
        };
        if names.iter().any(|(name, _)| **name == *source.name) {
            compiler.fault(&place, "a second model of this name");
            continue;
        }
        let root = compiler.node(place, source.schema);
        names.push((source.name.into(), ModelId(root)));
    }
    names.sort_by(|left, right| left.0.cmp(&right.0));
    while let Some((place, schema, id)) = compiler.waiting.pop_front() {
        let node = compiler.schema(&place, schema);
        if let Some(slot) = compiler.nodes.get_mut(id.index()) {
            *slot = node;
        }
        if compiler.faults.len() >= FAULTS_MAX || compiler.nodes.len() > NODES_MAX {
            break;
        }
    }
    if compiler.nodes.len() > NODES_MAX {
        let place = Place {
            model: 0,
            pointer: String::new(),
        };
        compiler.fault(
            &place,
            &format!("the models hold more than {NODES_MAX} schemas"),
        );
    } else {
        compiler.refuse_circles();
    }
    if !compiler.faults.is_empty() {
        return Err(compiler.faults);
    }
    Ok(Models {
        nodes: compiler.nodes.into(),
        names: names.into(),
    })
}

/// What is compiled so far.
pub(super) struct Compiler<'c, 's> {
    sources: &'c [ModelSource<'s>],
    known: BTreeMap<Place, NodeId>,
    waiting: VecDeque<(Place, &'s Json, NodeId)>,
    nodes: Vec<Node>,
    /// Of each node.
    places: Vec<Place>,
    patterns_bytes: usize,
    faults: Vec<ModelFault>,
}

impl<'s> Compiler<'_, 's> {
    /// The node of the schema at `place`, which is compiled later.
    pub(super) fn node(&mut self, place: Place, schema: &'s Json) -> NodeId {
        if let Some(id) = self.known.get(&place) {
            return *id;
        }
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node::default());
        self.places.push(place.clone());
        self.known.insert(place.clone(), id);
        self.waiting.push_back((place, schema, id));
        id
    }

    /// The node that a `$ref` in the schema at `place` means.
    pub(super) fn reference(&mut self, place: &Place, reference: &str) -> Option<NodeId> {
        match places::follow(self.sources, place.model, reference) {
            Ok((target, schema)) => Some(self.node(target, schema)),
            Err(reason) => {
                self.fault(&place.member("$ref"), &reason);
                None
            }
        }
    }

    /// An expression that stands at `place`.
    pub(super) fn pattern(&mut self, place: &Place, source: &str) -> Option<Pattern> {
        match Pattern::compile(source) {
            Ok(pattern) => {
                self.patterns_bytes = self.patterns_bytes.saturating_add(pattern.bytes());
                if self.patterns_bytes > PATTERNS_BYTES_MAX {
                    self.fault(
                        place,
                        "with this one the expressions of the API are too large",
                    );
                }
                Some(pattern)
            }
            Err(reason) => {
                self.fault(place, &reason);
                None
            }
        }
    }

    /// Notes what is wrong at `place`.
    pub(super) fn fault(&mut self, place: &Place, reason: &str) {
        if self.faults.len() < FAULTS_MAX {
            let model = self
                .sources
                .get(place.model)
                .map_or("", |source| source.name);
            self.faults.push(ModelFault {
                model: model.to_owned(),
                pointer: place.pointer.clone(),
                reason: reason.to_owned(),
            });
        }
    }

    /// Refuses every schema that leads back to itself at the same place of a body.
    fn refuse_circles(&mut self) {
        let mut marks = vec![Mark::New; self.nodes.len()];
        for start in 0..self.nodes.len() {
            // Nodes on the way, each with how many of its steps were taken.
            let mut way = vec![(start, 0usize)];
            while let Some((at, taken)) = way.last_mut() {
                let (node, step) = (*at, *taken);
                *taken = step.saturating_add(1);
                let Some(mark) = marks.get_mut(node) else {
                    break;
                };
                match (*mark, step) {
                    (Mark::Done, _) => {
                        way.pop();
                        continue;
                    }
                    (_, 0) => *mark = Mark::OnTheWay,
                    _ => {}
                }
                let next = self
                    .nodes
                    .get(node)
                    .and_then(|node| in_place(node).nth(step));
                let Some(next) = next else {
                    *mark = Mark::Done;
                    way.pop();
                    continue;
                };
                if marks.get(next.index()) == Some(&Mark::OnTheWay) {
                    if let Some(place) = self.places.get(node).cloned() {
                        let reason = "leads back to itself at the same place of the body, \
                                      so that checking it would not end";
                        self.fault(&place, reason);
                    }
                } else {
                    way.push((next.index(), 0));
                }
            }
        }
    }
}

/// How far the search for circles is with a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnTheWay,
    Done,
}

/// Schemas that a node applies to the same value.
fn in_place(node: &Node) -> impl Iterator<Item = NodeId> {
    let of_check = |check: &Check| -> Vec<NodeId> {
        match check {
            Check::AllOf(all) | Check::AnyOf(all) | Check::OneOf(all) => all.to_vec(),
            Check::Not(id) => vec![*id],
            Check::Dependencies { schemas, .. } => schemas.iter().map(|(_, id)| *id).collect(),
            _ => Vec::new(),
        }
    };
    node.reference
        .into_iter()
        .chain(node.checks.iter().flat_map(of_check))
}
