//! Values of a running template, and the heap that holds what they share.
//!
//! Shape: a [`Value`] is 16 bytes and copied; lists and maps are ids into the [`Heap`], so two
//! names can mean one list, as in Java, and a list that holds itself leaks nothing. A [`Text`] is a
//! range of the template, the body or the heap. What documents hold lies side by side, until the
//! template changes it. Units: bytes, ids. Errors: [`Fault::Memory`] past [`HEAP_BYTES_MAX`]. The
//! heap is kept between renders and only forgets what it held.

use super::{
    error::{Fault, Halt},
    json::{Open, Part},
};

/// Most bytes of text and values that one render may make.
pub(super) const HEAP_BYTES_MAX: usize = 48 << 20;

/// Where a text lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum Pool {
    Program,
    Body,
    /// The body as well: what a string of the document there holds, or a part of that. JSON needs no
    /// escapes for it.
    Plain,
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

    /// The same as bytes, where characters do not matter.
    #[inline(always)]
    pub(super) fn bytes_of(self, source: &str) -> &[u8] {
        let at = self.at as usize;
        let range = at..at.saturating_add(self.bytes as usize);
        source.as_bytes().get(range).unwrap_or(&[])
    }
}

/// What a name or an expression stands for. What follows the kind is aligned, so that a value moves
/// in three pieces.
#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(u32)]
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
    /// A list, a map or a number of the payload that was seen, and is made when somebody needs it;
    /// the position of its part. Only names and ends of references hold these.
    Part(u32),
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

#[derive(Debug)]
struct List {
    kind: ListKind,
    place: Place,
    /// What a document says in place of this list, if it prints just so.
    written: Text,
    own: Vec<Value>,
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

/// Members are in the order of arrival; keys are unique.
#[derive(Debug)]
struct Map {
    kind: MapKind,
    place: Place,
    /// As of a list.
    written: Text,
    own: Vec<Member>,
}

/// Key and value.
pub(super) type Member = [Value; 2];

/// Where the items of a list or the members of a map lie.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// With those of other containers of documents.
    Read { at: u32, count: u32 },
    /// By themselves, since they change.
    Own,
}

impl Place {
    fn of<'h, T>(self, read: &'h [T], own: &'h [T]) -> &'h [T] {
        match self {
            Place::Own => own,
            Place::Read { at, count } => {
                let at = at as usize;
                read.get(at..at.saturating_add(count as usize))
                    .unwrap_or(&[])
            }
        }
    }

    fn is_read(self) -> bool {
        matches!(self, Place::Read { .. })
    }

    /// The same, to be changed, where adding and removing is possible.
    fn owned<'h, T: Copy>(&mut self, read: &[T], own: &'h mut Vec<T>) -> &'h mut Vec<T> {
        if let Place::Read { .. } = self {
            own.clear();
            own.extend_from_slice(self.of(read, &[]));
            *self = Place::Own;
        }
        own
    }
}

/// Lists, maps and made text of one render.
#[derive(Default, Debug)]
pub(super) struct Heap {
    pub(super) text: String,
    lists: Vec<List>,
    lists_used: usize,
    maps: Vec<Map>,
    maps_used: usize,
    /// What was seen of documents.
    pub(super) parts: Vec<Part>,
    /// Items of all lists that were read.
    items: Vec<Value>,
    /// Members of all maps that were read.
    members: Vec<Member>,
    /// Something that was read has been changed since.
    is_changed: bool,
    /// Room of whoever reads.
    stack: Vec<Value>,
    around: Vec<Open>,
    /// Room of whoever makes a text.
    room: String,
    values: usize,
}

impl Heap {
    /// Forgets everything, keeping a bounded part of the memory.
    pub(super) fn reset(&mut self) {
        self.lists_used = 0;
        self.maps_used = 0;
        self.values = 0;
        self.is_changed = false;
        self.text.clear();
        if self.text.capacity() > KEPT_TEXT_BYTES_MAX {
            self.text = String::new();
        }
        if self.lists.len() > KEPT_CONTAINERS_MAX || self.maps.len() > KEPT_CONTAINERS_MAX {
            self.lists = Vec::new();
            self.maps = Vec::new();
        }
        forget(&mut self.parts);
        forget(&mut self.items);
        forget(&mut self.members);
    }

    /// Counts `values` made and checks the bound.
    #[inline]
    pub(super) fn charge(&mut self, values: usize) -> Result<(), Halt> {
        self.values = self.values.saturating_add(values);
        let bytes = self.values.saturating_mul(size_of::<Member>());
        if bytes.saturating_add(self.text.len()) > HEAP_BYTES_MAX {
            return Err(Fault::Memory.into());
        }
        Ok(())
    }

    /// Keeps a copy of `text`.
    #[inline]
    pub(super) fn keep(&mut self, text: &str) -> Result<Text, Halt> {
        let at = self.text.len();
        if at.saturating_add(text.len()) > HEAP_BYTES_MAX {
            return Err(Fault::Memory.into());
        }
        self.text.push_str(text);
        self.made_since(at)
    }

    /// The text pushed onto the heap since `at`.
    #[inline]
    pub(super) fn made_since(&mut self, at: usize) -> Result<Text, Halt> {
        self.charge(1)?;
        Ok(Text {
            pool: Pool::Heap,
            at: small(at),
            bytes: small(self.text.len().saturating_sub(at)),
        })
    }

    /// A new empty list.
    pub(super) fn new_list(&mut self, kind: ListKind) -> Result<u32, Halt> {
        self.charge(1)?;
        Ok(self.add_list(kind, Place::Own, Text::EMPTY))
    }

    fn add_list(&mut self, kind: ListKind, place: Place, written: Text) -> u32 {
        let id = self.lists_used;
        match self.lists.get_mut(id) {
            Some(list) => {
                list.kind = kind;
                list.place = place;
                list.written = written;
                clear_own(&mut list.own);
            }
            None => self.lists.push(List {
                kind,
                place,
                written,
                own: Vec::new(),
            }),
        }
        self.lists_used = id.saturating_add(1);
        small(id)
    }

    /// A new empty map.
    pub(super) fn new_map(&mut self, kind: MapKind) -> Result<u32, Halt> {
        self.charge(1)?;
        Ok(self.add_map(kind, Place::Own, Text::EMPTY))
    }

    fn add_map(&mut self, kind: MapKind, place: Place, written: Text) -> u32 {
        let id = self.maps_used;
        match self.maps.get_mut(id) {
            Some(map) => {
                map.kind = kind;
                map.place = place;
                map.written = written;
                clear_own(&mut map.own);
            }
            None => self.maps.push(Map {
                kind,
                place,
                written,
                own: Vec::new(),
            }),
        }
        self.maps_used = id.saturating_add(1);
        small(id)
    }

    /// A new list of these items.
    pub(super) fn list_of(&mut self, kind: ListKind, items: &[Value]) -> Result<u32, Halt> {
        self.charge(items.len().saturating_add(1))?;
        Ok(self.place_list(kind, items, Text::EMPTY))
    }

    /// A new list of a document, which whoever saw it has charged for; `written` is what stands
    /// there, if that is how it prints.
    pub(super) fn read_list(&mut self, items: &[Value], written: Text) -> u32 {
        self.place_list(ListKind::Json, items, written)
    }

    fn place_list(&mut self, kind: ListKind, items: &[Value], written: Text) -> u32 {
        let (at, count) = (small(self.items.len()), small(items.len()));
        self.items.extend_from_slice(items);
        self.add_list(kind, Place::Read { at, count }, written)
    }

    /// A new map of a document, whose keys are unique; the rest as for lists.
    pub(super) fn read_map(&mut self, members: &[Member], written: Text) -> u32 {
        let (at, count) = (small(self.members.len()), small(members.len()));
        self.members.extend_from_slice(members);
        self.add_map(MapKind::Plain, Place::Read { at, count }, written)
    }

    /// The text of a document that says what `value` prints as JSON, if there is one.
    pub(super) fn written(&self, value: Value) -> Option<Text> {
        let written = match value {
            Value::List(id) => self.lists.get(id as usize)?.written,
            Value::Map(id) => self.maps.get(id as usize)?.written,
            _ => return None,
        };
        // A change anywhere may be one below this value.
        (written.bytes > 0 && !self.is_changed).then_some(written)
    }

    /// Whether something that was read has been changed since.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Empty room for values, to be given back by [`Heap::give_stack`].
    pub(super) fn take_stack(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.stack)
    }

    /// Empty room for containers, to be given back by [`Heap::give_around`].
    pub(super) fn take_around(&mut self) -> Vec<Open> {
        std::mem::take(&mut self.around)
    }

    pub(super) fn give_stack(&mut self, stack: Vec<Value>) {
        self.stack = stack;
        forget(&mut self.stack);
    }

    pub(super) fn give_around(&mut self, around: Vec<Open>) {
        self.around = around;
        self.around.clear();
    }

    /// Empty room for a text, to be given back by [`Heap::give_room`].
    pub(super) fn take_room(&mut self) -> String {
        std::mem::take(&mut self.room)
    }

    pub(super) fn give_room(&mut self, mut room: String) {
        room.clear();
        if room.capacity() <= KEPT_TEXT_BYTES_MAX {
            self.room = room;
        }
    }

    pub(super) fn items(&self, id: u32) -> &[Value] {
        let list = self.lists.get(id as usize);
        list.map_or(&[], |list| list.place.of(&self.items, &list.own))
    }

    pub(super) fn list_kind(&self, id: u32) -> ListKind {
        self.lists
            .get(id as usize)
            .map_or(ListKind::Fixed, |list| list.kind)
    }

    /// The items, to be changed; whoever adds has charged for it.
    pub(super) fn items_mut(&mut self, id: u32) -> Option<&mut Vec<Value>> {
        let list = self.lists.get_mut(id as usize)?;
        self.is_changed |= list.place.is_read();
        Some(list.place.owned(&self.items, &mut list.own))
    }

    pub(super) fn push(&mut self, id: u32, value: Value) -> Result<(), Halt> {
        self.charge(1)?;
        if let Some(items) = self.items_mut(id) {
            items.push(value);
        }
        Ok(())
    }

    pub(super) fn members(&self, id: u32) -> &[Member] {
        let map = self.maps.get(id as usize);
        map.map_or(&[], |map| map.place.of(&self.members, &map.own))
    }

    pub(super) fn map_kind(&self, id: u32) -> MapKind {
        self.maps
            .get(id as usize)
            .map_or(MapKind::Plain, |map| map.kind)
    }

    /// The members, to be changed; keys stay unique.
    pub(super) fn members_mut(&mut self, id: u32) -> Option<&mut Vec<Member>> {
        let map = self.maps.get_mut(id as usize)?;
        self.is_changed |= map.place.is_read();
        Some(map.place.owned(&self.members, &mut map.own))
    }

    /// Adds a member whose key is known to be new.
    pub(super) fn push_member(&mut self, id: u32, key: Value, value: Value) -> Result<(), Halt> {
        self.charge(1)?;
        if let Some(members) = self.members_mut(id) {
            members.push([key, value]);
        }
        Ok(())
    }
}

/// Empties room that is used again, unless there is too much of it.
fn forget<T>(room: &mut Vec<T>) {
    room.clear();
    if room.capacity() > KEPT_VALUES_MAX {
        *room = Vec::new();
    }
}

/// The same for the room of one list or map.
fn clear_own<T>(room: &mut Vec<T>) {
    room.clear();
    if room.capacity() > KEPT_ITEMS_MAX {
        *room = Vec::new();
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
const KEPT_VALUES_MAX: usize = 16_384;

const _: () = assert!(HEAP_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(size_of::<Value>() == 16);
