//! Values of a running template, and the heap that holds what they share.
//!
//! Shape: a [`Value`] is 16 bytes and copied; lists and maps are ids into the [`Heap`], so two
//! names can mean one list, as in Java, and a list that holds itself leaks nothing. A [`Text`] is a
//! range of the template, the body or the heap. Units: bytes, ids. Errors: [`Fault::Memory`] past
//! [`HEAP_BYTES_MAX`]. The heap is kept between renders and only forgets what it held.

use super::error::Fault;

/// Most bytes of text and values that one render may make.
pub(super) const HEAP_BYTES_MAX: usize = 48 << 20;

/// Where a text lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pool {
    Program,
    Body,
    Heap,
}

/// A range of one pool; always on character boundaries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Text {
    pub(super) pool: Pool,
    pub(super) at: u32,
    pub(super) bytes: u32,
}

impl Text {
    pub(super) const EMPTY: Text = Text {
        pool: Pool::Program,
        at: 0,
        bytes: 0,
    };

    /// This range of `source`; empty when the range is not there.
    pub(super) fn of(self, source: &str) -> &str {
        let at = self.at as usize;
        source
            .get(at..at.saturating_add(self.bytes as usize))
            .unwrap_or("")
    }
}

/// What a name or an expression stands for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// A number of a document that 64 bits do not hold; printed as it was written.
    Number(Text),
    Text(Text),
    List(u32),
    Map(u32),
    /// Member of a map: its id and position.
    Entry(u32, u32),
    /// A `#define` or the body of a block macro.
    Block(u32),
    /// `$foreach` of the loop at this depth.
    Loop(u32),
    Input,
    Util,
    /// `$context` and the maps below it that come from the request.
    Context(u32),
}

impl Value {
    pub(super) const EMPTY: Value = Value::Text(Text::EMPTY);
}

/// How a list prints, and whether it may grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ListKind {
    /// Written in the template: `[1, two]`.
    Java,
    /// From a JSON document: `[1,"two"]`.
    Json,
    /// An array: as `Java`, but nothing is added.
    Fixed,
    /// Keys, values or entries of a map: as `Fixed`, and without positions.
    View,
}

#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) kind: ListKind,
    pub(super) items: Vec<Value>,
}

/// How a map prints, and what may be put there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MapKind {
    Plain,
    /// Below `$context`: prints nothing.
    Silent,
    /// Headers, query or path of an override: silent, and a name is put once.
    Once,
    /// `responseOverride`: silent, and `status` is put once.
    StatusOnce,
}

#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) kind: MapKind,
    /// In the order of arrival; keys are unique.
    pub(super) members: Vec<(Value, Value)>,
}

/// Lists, maps and made text of one render.
#[derive(Default, Debug)]
pub(super) struct Heap {
    pub(super) text: String,
    lists: Vec<List>,
    lists_used: usize,
    maps: Vec<Map>,
    maps_used: usize,
    values: usize,
}

impl Heap {
    /// Forgets everything, keeping a bounded part of the memory.
    pub(super) fn reset(&mut self) {
        self.lists_used = 0;
        self.maps_used = 0;
        self.values = 0;
        self.text.clear();
        if self.text.capacity() > KEPT_TEXT_BYTES_MAX {
            self.text = String::new();
        }
        if self.lists.len() > KEPT_CONTAINERS_MAX || self.maps.len() > KEPT_CONTAINERS_MAX {
            self.lists = Vec::new();
            self.maps = Vec::new();
        }
    }

    /// Counts `values` made and checks the bound.
    pub(super) fn charge(&mut self, values: usize) -> Result<(), Fault> {
        self.values = self.values.saturating_add(values);
        let bytes = self.values.saturating_mul(size_of::<(Value, Value)>());
        if bytes.saturating_add(self.text.len()) > HEAP_BYTES_MAX {
            return Err(Fault::Memory);
        }
        Ok(())
    }

    /// Keeps a copy of `text`.
    pub(super) fn keep(&mut self, text: &str) -> Result<Text, Fault> {
        let at = self.text.len();
        if at.saturating_add(text.len()) > HEAP_BYTES_MAX {
            return Err(Fault::Memory);
        }
        self.text.push_str(text);
        self.made_since(at)
    }

    /// The text pushed onto the heap since `at`.
    pub(super) fn made_since(&mut self, at: usize) -> Result<Text, Fault> {
        self.charge(1)?;
        Ok(Text {
            pool: Pool::Heap,
            at: small(at),
            bytes: small(self.text.len().saturating_sub(at)),
        })
    }

    /// A new empty list.
    pub(super) fn new_list(&mut self, kind: ListKind) -> Result<u32, Fault> {
        self.charge(1)?;
        let id = self.lists_used;
        match self.lists.get_mut(id) {
            Some(list) => {
                list.kind = kind;
                list.items.clear();
                if list.items.capacity() > KEPT_ITEMS_MAX {
                    list.items = Vec::new();
                }
            }
            None => self.lists.push(List {
                kind,
                items: Vec::new(),
            }),
        }
        self.lists_used = id.saturating_add(1);
        Ok(small(id))
    }

    /// A new empty map.
    pub(super) fn new_map(&mut self, kind: MapKind) -> Result<u32, Fault> {
        self.charge(1)?;
        let id = self.maps_used;
        match self.maps.get_mut(id) {
            Some(map) => {
                map.kind = kind;
                map.members.clear();
                if map.members.capacity() > KEPT_ITEMS_MAX {
                    map.members = Vec::new();
                }
            }
            None => self.maps.push(Map {
                kind,
                members: Vec::new(),
            }),
        }
        self.maps_used = id.saturating_add(1);
        Ok(small(id))
    }

    pub(super) fn items(&self, id: u32) -> &[Value] {
        self.lists.get(id as usize).map_or(&[], |list| &list.items)
    }

    pub(super) fn list_kind(&self, id: u32) -> ListKind {
        self.lists
            .get(id as usize)
            .map_or(ListKind::Fixed, |list| list.kind)
    }

    /// The items, to be changed; whoever adds has charged for it.
    pub(super) fn items_mut(&mut self, id: u32) -> Option<&mut Vec<Value>> {
        self.lists.get_mut(id as usize).map(|list| &mut list.items)
    }

    pub(super) fn push(&mut self, id: u32, value: Value) -> Result<(), Fault> {
        self.charge(1)?;
        if let Some(items) = self.items_mut(id) {
            items.push(value);
        }
        Ok(())
    }

    pub(super) fn members(&self, id: u32) -> &[(Value, Value)] {
        self.maps.get(id as usize).map_or(&[], |map| &map.members)
    }

    pub(super) fn map_kind(&self, id: u32) -> MapKind {
        self.maps
            .get(id as usize)
            .map_or(MapKind::Plain, |map| map.kind)
    }

    /// The members, to be changed; keys stay unique.
    pub(super) fn members_mut(&mut self, id: u32) -> Option<&mut Vec<(Value, Value)>> {
        self.maps.get_mut(id as usize).map(|map| &mut map.members)
    }

    /// Adds a member whose key is known to be new.
    pub(super) fn push_member(&mut self, id: u32, key: Value, value: Value) -> Result<(), Fault> {
        self.charge(1)?;
        if let Some(members) = self.members_mut(id) {
            members.push((key, value));
        }
        Ok(())
    }
}

/// An offset or id as 32 bits; the heap's bound keeps it exact.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What a heap keeps between renders.
const KEPT_TEXT_BYTES_MAX: usize = 256 << 10;
const KEPT_CONTAINERS_MAX: usize = 4_096;
const KEPT_ITEMS_MAX: usize = 1_024;

const _: () = assert!(HEAP_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(size_of::<Value>() == 16);
