//! The resource tree of one API: from a path and a verb to a route.
//!
//! Shape: a flat array of nodes, each with one route per verb (`ANY` already spread), at most one
//! `{param}` and one `{greedy+}` child; static children stand in one open-addressed table keyed by
//! (parent, segment). Units: byte offsets. Ranges: paths to 65,535 bytes; the steps of the worst
//! lookup are computed when the tree is built and capped by [`STEPS_MAX`]. Errors: a lookup only
//! misses; building returns [`InsertFault`]. Source: Amazon API Gateway developer guide, "set up
//! a proxy integration with a proxy resource": a *method request* of a specific resource precedes
//! one of a generic resource, so a node without the verb is passed by, static > param > greedy.
//!
//! Cost. A segment equals the text of at most one static child, so below one node a path can enter
//! one static, the param and the greedy child. Every node of the tree is entered at most once per
//! lookup (its own prefix decides whether the path reaches it), and
//! `steps(n) = 1 + max(steps(static children)) + steps(param) + steps(greedy)` bounds what any
//! path can make us do below `n`. Ordinary APIs have steps near their depth; the compiler refuses
//! the pathological ones, so no request costs more than `STEPS_MAX` entries, each with at most
//! `PROBES_MAX` comparisons in the static table. The recursion is as deep as the tree
//! ([`super::pattern::PARTS_MAX`]), never as deep as the request.

use super::{
    params::{NameId, Param, Params},
    pattern::{self, PARTS_MAX, Part, PatternFault},
    verb::{VERBS, Verb, VerbKey},
};

/// Longest path that is matched; a longer one misses.
pub const PATH_BYTES_MAX: usize = u16::MAX as usize;
/// Most nodes a lookup may enter in the worst case.
pub const STEPS_MAX: u32 = 512;
/// Longest run of slots a lookup in the static table may read.
const PROBES_MAX: usize = 8;
/// "No node" and "no route".
const NONE: u32 = u32::MAX;

/// A route, an index into the plan's routes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RouteIndex(pub u32);

/// Why a method does not fit into the tree.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InsertFault {
    #[error(transparent)]
    Pattern(#[from] PatternFault),
    #[error("{verb} is declared twice on this resource")]
    Duplicate {
        verb: &'static str,
        earlier: RouteIndex,
    },
    #[error("the variable `{name}` has a sibling named `{earlier}`; a parent has one")]
    SiblingVariable { name: String, earlier: String },
    #[error("the tree has more than 65,535 variable names or 16,777,216 nodes")]
    TooLarge,
    #[error(
        "one request could make a lookup enter {steps} resources (at most {STEPS_MAX}): too many \
         levels have both a literal and a variable part"
    )]
    TooManySteps { steps: u32 },
}

/// The compiled tree.
#[derive(Debug)]
pub struct Tree {
    nodes: Box<[Node]>,
    /// Static children: `(tag, node)`, node `NONE` when free. The length is a power of two.
    slots: Box<[(u32, u32)]>,
    texts: Box<[u8]>,
    names: Box<[Box<str>]>,
    steps: u32,
}

#[derive(Clone, Debug)]
struct Node {
    routes: [u32; VERBS],
    parent: u32,
    param: u32,
    greedy: u32,
    text_start: u32,
    text_bytes: u16,
    /// Name of this node's own variable.
    name: NameId,
    has_static: bool,
}

impl Tree {
    /// The route of `verb` on the resource path `path[from..]`, which is empty or starts with `/`.
    ///
    /// Values land in `params` as ranges of `path`; on a miss `params` is empty. One trailing
    /// slash is ignored; other empty segments are literal and only a greedy variable takes them.
    pub fn find(
        &self,
        path: &[u8],
        from: usize,
        verb: Verb,
        params: &mut Params,
    ) -> Option<RouteIndex> {
        params.clear();
        let mut end = path.len();
        if end > PATH_BYTES_MAX || from > end || (from < end && path.get(from) != Some(&b'/')) {
            return None;
        }
        if end > from && path.last() == Some(&b'/') {
            end -= 1;
        }
        let walk = Walk {
            tree: self,
            path: path.get(..end)?,
            verb: verb.index(),
        };
        let route = walk.below(0, from, params)?;
        Some(RouteIndex(route))
    }

    /// The variable's name, without braces and plus.
    #[must_use]
    pub fn name(&self, id: NameId) -> &str {
        self.names.get(usize::from(id.0)).map_or("", |name| name)
    }

    /// Most nodes that any request can make a lookup enter.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.steps
    }

    fn static_child(&self, parent: u32, segment: &[u8]) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let tag = tag_of(parent, segment);
        for probe in 0..PROBES_MAX {
            let (slot_tag, child) = *self.slots.get((tag as usize).wrapping_add(probe) & mask)?;
            if child == NONE {
                return None;
            }
            if slot_tag == tag && self.is_child(child, parent, segment) {
                return Some(child);
            }
        }
        None
    }

    fn is_child(&self, child: u32, parent: u32, segment: &[u8]) -> bool {
        self.nodes.get(child as usize).is_some_and(|node| {
            let start = node.text_start as usize;
            node.parent == parent
                && self.texts.get(start..start + usize::from(node.text_bytes)) == Some(segment)
        })
    }
}

/// One lookup.
struct Walk<'a> {
    tree: &'a Tree,
    /// The path without its trailing slash.
    path: &'a [u8],
    verb: usize,
}

impl Walk<'_> {
    /// The best route below `index`, of which `path[..at]` has been consumed.
    fn below(&self, mut index: u32, mut at: usize, params: &mut Params) -> Option<u32> {
        loop {
            let node = self.tree.nodes.get(index as usize)?;
            if at >= self.path.len() {
                return self.route_of(index);
            }
            // `path[at]` is the slash before the next segment.
            let start = at + 1;
            let rest = self.path.get(start..)?;
            let end = start + memchr::memchr(b'/', rest).unwrap_or(rest.len());
            let segment = self.path.get(start..end)?;
            let fixed = if node.has_static {
                self.tree.static_child(index, segment)
            } else {
                None
            };
            let param = if segment.is_empty() { NONE } else { node.param };
            if let Some(child) = fixed {
                if param == NONE && node.greedy == NONE {
                    (index, at) = (child, end);
                    continue;
                }
                if let Some(route) = self.below(child, end, params) {
                    return Some(route);
                }
            }
            if param != NONE {
                params.push(self.param(param, start, end)?);
                if let Some(route) = self.below(param, end, params) {
                    return Some(route);
                }
                params.pop();
            }
            if node.greedy == NONE || rest.is_empty() {
                return None;
            }
            let route = self.route_of(node.greedy)?;
            params.push(self.param(node.greedy, start, self.path.len())?);
            return Some(route);
        }
    }

    fn route_of(&self, index: u32) -> Option<u32> {
        let node = self.tree.nodes.get(index as usize)?;
        let route = *node.routes.get(self.verb)?;
        (route != NONE).then_some(route)
    }

    fn param(&self, index: u32, start: usize, end: usize) -> Option<Param> {
        Some(Param {
            name: self.tree.nodes.get(index as usize)?.name,
            start: u16::try_from(start).ok()?,
            end: u16::try_from(end).ok()?,
        })
    }
}

/// Collects resources and methods, then freezes them into a [`Tree`].
#[derive(Debug)]
pub struct TreeBuilder {
    nodes: Vec<Draft>,
    names: Vec<Box<str>>,
}

#[derive(Debug)]
struct Draft {
    text: String,
    parent: u32,
    statics: Vec<u32>,
    param: u32,
    greedy: u32,
    name: NameId,
    routes: [u32; VERBS],
    any: u32,
}

impl Default for TreeBuilder {
    fn default() -> TreeBuilder {
        TreeBuilder::new()
    }
}

impl TreeBuilder {
    /// A tree of the root alone.
    #[must_use]
    pub fn new() -> TreeBuilder {
        TreeBuilder {
            nodes: vec![Draft::new("", NONE, NameId(0))],
            names: Vec::new(),
        }
    }

    /// Adds the method `verb` of the resource `path`, served by `route`.
    pub fn insert(
        &mut self,
        path: &str,
        verb: VerbKey,
        route: RouteIndex,
    ) -> Result<(), InsertFault> {
        let node = self.resource(path)?;
        let draft = &mut self.nodes[node as usize];
        let place = match verb {
            VerbKey::One(verb) => &mut draft.routes[verb.index()],
            VerbKey::Any => &mut draft.any,
        };
        if *place != NONE {
            return Err(InsertFault::Duplicate {
                verb: verb.token(),
                earlier: RouteIndex(*place),
            });
        }
        *place = route.0;
        Ok(())
    }

    /// Adds the resource `path`; without methods it only shapes the tree.
    pub fn resource(&mut self, path: &str) -> Result<u32, InsertFault> {
        let mut index = 0;
        for part in pattern::parse(path)? {
            index = match part {
                Part::Static(text) => self.static_child(index, text)?,
                Part::Param(name) | Part::Greedy(name) => {
                    self.variable_child(index, name, matches!(part, Part::Greedy(_)))?
                }
            };
        }
        Ok(index)
    }

    /// Freezes the tree; refuses one whose worst lookup passes [`STEPS_MAX`].
    pub fn finish(self) -> Result<Tree, InsertFault> {
        let steps = self.steps(0, 0);
        if steps > STEPS_MAX {
            return Err(InsertFault::TooManySteps { steps });
        }
        let mut texts = Vec::new();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for draft in &self.nodes {
            let mut routes = draft.routes;
            for route in routes.iter_mut().filter(|route| **route == NONE) {
                *route = draft.any;
            }
            nodes.push(Node {
                routes,
                parent: draft.parent,
                param: draft.param,
                greedy: draft.greedy,
                text_start: u32::try_from(texts.len()).expect("insert bounds nodes and parts"),
                text_bytes: u16::try_from(draft.text.len()).expect("parts are bounded"),
                name: draft.name,
                has_static: !draft.statics.is_empty(),
            });
            texts.extend_from_slice(draft.text.as_bytes());
        }
        Ok(Tree {
            slots: self.slots(),
            steps,
            nodes: nodes.into(),
            texts: texts.into(),
            names: self.names.into(),
        })
    }

    fn static_child(&mut self, parent: u32, text: &str) -> Result<u32, InsertFault> {
        let known = self.nodes[parent as usize]
            .statics
            .iter()
            .find(|child| self.nodes[**child as usize].text == text);
        if let Some(child) = known {
            return Ok(*child);
        }
        let child = self.add(Draft::new(text, parent, NameId(0)))?;
        self.nodes[parent as usize].statics.push(child);
        Ok(child)
    }

    fn variable_child(
        &mut self,
        parent: u32,
        name: &str,
        greedy: bool,
    ) -> Result<u32, InsertFault> {
        let draft = &self.nodes[parent as usize];
        let known = if greedy { draft.greedy } else { draft.param };
        if known != NONE {
            let earlier = &self.names[usize::from(self.nodes[known as usize].name.0)];
            if **earlier != *name {
                return Err(InsertFault::SiblingVariable {
                    name: name.to_owned(),
                    earlier: earlier.to_string(),
                });
            }
            return Ok(known);
        }
        let id = match self.names.iter().position(|known| **known == *name) {
            Some(id) => id,
            None => {
                self.names.push(name.into());
                self.names.len() - 1
            }
        };
        let id = NameId(u16::try_from(id).map_err(|_| InsertFault::TooLarge)?);
        let child = self.add(Draft::new("", parent, id))?;
        let draft = &mut self.nodes[parent as usize];
        if greedy {
            draft.greedy = child;
        } else {
            draft.param = child;
        }
        Ok(child)
    }

    fn add(&mut self, draft: Draft) -> Result<u32, InsertFault> {
        const NODES_MAX: usize = 1 << 24;
        if self.nodes.len() >= NODES_MAX {
            return Err(InsertFault::TooLarge);
        }
        self.nodes.push(draft);
        u32::try_from(self.nodes.len() - 1).map_err(|_| InsertFault::TooLarge)
    }

    /// The bound of the file's head comment. `depth` guards the recursion of the builder itself.
    fn steps(&self, index: u32, depth: usize) -> u32 {
        assert!(depth <= PARTS_MAX, "patterns are cut at PARTS_MAX");
        let draft = &self.nodes[index as usize];
        let below = |child: u32| {
            if child == NONE {
                0
            } else {
                self.steps(child, depth + 1)
            }
        };
        let fixed = draft.statics.iter().map(|child| below(*child)).max();
        1u32.saturating_add(fixed.unwrap_or(0))
            .saturating_add(below(draft.param))
            .saturating_add(below(draft.greedy))
    }

    /// The static table, grown until no lookup reads more than `PROBES_MAX` slots.
    fn slots(&self) -> Box<[(u32, u32)]> {
        let count = self
            .nodes
            .iter()
            .map(|draft| draft.statics.len())
            .sum::<usize>();
        let mut size = (count * 2).next_power_of_two();
        loop {
            if let Some(slots) = self.slots_sized(size) {
                return slots;
            }
            size *= 2;
        }
    }

    fn slots_sized(&self, size: usize) -> Option<Box<[(u32, u32)]>> {
        let mut slots = vec![(0, NONE); size];
        for draft in &self.nodes {
            for child in &draft.statics {
                let node = &self.nodes[*child as usize];
                let tag = tag_of(node.parent, node.text.as_bytes());
                let place = (0..PROBES_MAX)
                    .map(|probe| (tag as usize).wrapping_add(probe) & (size - 1))
                    .find(|place| slots[*place].1 == NONE)?;
                slots[place] = (tag, *child);
            }
        }
        Some(slots.into())
    }
}

impl Draft {
    fn new(text: &str, parent: u32, name: NameId) -> Draft {
        Draft {
            text: text.to_owned(),
            parent,
            statics: Vec::new(),
            param: NONE,
            greedy: NONE,
            name,
            routes: [NONE; VERBS],
            any: NONE,
        }
    }
}

/// Hash of a static child. Unkeyed on purpose: requests never insert, and the table is built so
/// that no lookup reads more than `PROBES_MAX` slots, whatever a client sends.
fn tag_of(parent: u32, segment: &[u8]) -> u32 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = u64::from(parent).wrapping_add(1).wrapping_mul(MIX);
    let mut chunks = segment.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = mix(hash ^ u64::from_le_bytes(word), MIX);
    }
    let mut tail = 0;
    for byte in chunks.remainder() {
        tail = (tail << 8) | u64::from(*byte);
    }
    hash = mix(hash ^ tail ^ ((segment.len() as u64) << 56), MIX);
    u32::try_from(hash >> 32).unwrap_or(0)
}

fn mix(word: u64, by: u64) -> u64 {
    let product = word.wrapping_mul(by);
    product ^ (product >> 29)
}
