//! What was seen of a document: its values in the order in which they are written.
//!
//! Shape: a [`Part`] says where a value lies and which part follows behind all that it holds, so
//! that members nobody asks for are stepped over; a value is made of it when somebody asks for the
//! value. Units: bytes of the document, positions among parts. Errors: none. Source: RFC 8259.

use crate::mapping::plain;

/// A value of a document, with its name there.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::mapping) struct Part {
    pub(in crate::mapping) kind: Kind,
    /// It prints as it is written, and so does all that it holds.
    pub(in crate::mapping) is_as_written: bool,
    /// It prints without one of its texts being made, and no name in it comes twice.
    pub(in crate::mapping) is_simple: bool,
    /// Names of this map have no escapes and differ.
    pub(in crate::mapping) has_plain_names: bool,
    pub(super) is_name_escaped: bool,
    /// Its name, without quotes; empty in lists.
    pub(in crate::mapping) name_at: u32,
    pub(in crate::mapping) name_bytes: u32,
    /// Where it lies, texts without their quotes; on the heap for what was made: its text there, or
    /// the number of the list or map.
    pub(in crate::mapping) at: u32,
    pub(in crate::mapping) bytes: u32,
    /// The part behind it and all that it holds.
    pub(in crate::mapping) next: u32,
    /// How many members or items it has.
    pub(in crate::mapping) count: u32,
}

/// What a part is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(in crate::mapping) enum Kind {
    #[default]
    Null,
    True,
    False,
    Text,
    /// A text with escapes.
    Escaped,
    /// The same, made.
    MadeText,
    Number,
    List,
    Map,
    MadeList,
    MadeMap,
}

/// The part at a position; a null where none is.
#[inline(always)]
pub(in crate::mapping) fn part_at(parts: &[Part], at: u32) -> Part {
    parts.get(at as usize).copied().unwrap_or_default()
}

/// The member of this name below the map at `map`, whose names are plain.
#[inline]
pub(in crate::mapping) fn member_at(
    parts: &[Part],
    map: u32,
    source: &[u8],
    name: &[u8],
) -> Option<u32> {
    let end = parts.get(map as usize)?.next;
    let mut at = map.wrapping_add(1);
    while at < end {
        let part = parts.get(at as usize)?;
        if part.name_bytes as usize == name.len() {
            let from = part.name_at as usize;
            let known = source.get(from..from.wrapping_add(name.len()))?;
            if plain::are_same(known, name) {
                return Some(at);
            }
        }
        at = part.next;
    }
    None
}

/// The item at a position of the list at `list`, if it is one of the first: further ones are found
/// at once in a list that is made.
pub(in crate::mapping) fn item_at(parts: &[Part], list: u32, position: i64) -> Option<u32> {
    let list_part = parts.get(list as usize)?;
    let is_near = (0..STEPPED_MAX).contains(&position) && position < i64::from(list_part.count);
    if list_part.kind != Kind::List || !is_near {
        return None;
    }
    let mut at = list.wrapping_add(1);
    for _ in 0..position {
        at = parts.get(at as usize)?.next;
    }
    Some(at)
}

/// Items are stepped over up to so many.
const STEPPED_MAX: i64 = 16;

const _: () = assert!(size_of::<Part>() == 32);
