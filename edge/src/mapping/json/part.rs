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
    pub(super) flags: u8,
    /// Its name, without quotes; empty in lists.
    pub(in crate::mapping) name_at: u32,
    /// [`ESCAPED`] for a name with escapes.
    pub(in crate::mapping) name_bytes: u32,
    /// Where it lies, texts without their quotes; on the heap for what was made: its text there, or
    /// the number of the list or map.
    pub(in crate::mapping) at: u32,
    pub(in crate::mapping) bytes: u32,
    /// The part behind it and all that it holds.
    pub(in crate::mapping) next: u32,
}

/// A flag: it prints as it is written, and so does all that it holds.
pub(super) const AS_WRITTEN: u8 = 1;
/// A flag: it prints without one of its texts being made, and no name in it comes twice.
pub(super) const SIMPLE: u8 = 2;
/// A flag: names of this map have no escapes and differ.
pub(super) const PLAIN_NAMES: u8 = 4;
/// How long a name with escapes is said to be.
pub(super) const ESCAPED: u32 = u32::MAX;

impl Part {
    /// It prints as it is written, and so does all that it holds.
    pub(in crate::mapping) fn is_as_written(self) -> bool {
        self.flags & AS_WRITTEN != 0
    }

    /// It prints without one of its texts being made, and no name in it comes twice.
    pub(in crate::mapping) fn is_simple(self) -> bool {
        self.flags & SIMPLE != 0
    }

    /// It is a map whose names have no escapes and differ.
    #[inline(always)]
    pub(in crate::mapping) fn is_plain_map(self) -> bool {
        self.kind == Kind::Map && self.flags & PLAIN_NAMES != 0
    }
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

/// How many members or items the part at `at` has, if not more than `max`.
pub(in crate::mapping) fn count_of(parts: &[Part], at: u32, max: usize) -> usize {
    let end = part_at(parts, at).next;
    let mut inside = at.wrapping_add(1);
    let mut count: usize = 0;
    while inside < end && count < max {
        inside = part_at(parts, inside).next.max(inside.wrapping_add(1));
        count = count.wrapping_add(1);
    }
    count
}

/// The member of this name below the map at `map`, whose names are plain, and how many members were
/// looked at.
#[inline(always)]
pub(in crate::mapping) fn member_at(
    parts: &[Part],
    map: u32,
    source: &[u8],
    name: &[u8],
) -> (Option<u32>, usize) {
    let end = parts.get(map as usize).map_or(0, |map| map.next);
    let mut at = map.wrapping_add(1);
    let mut looks: usize = 0;
    while at < end {
        let Some(part) = parts.get(at as usize) else {
            break;
        };
        looks = looks.wrapping_add(1);
        if part.name_bytes as usize == name.len() {
            let from = part.name_at as usize;
            let known = source.get(from..from.wrapping_add(name.len()));
            if known.is_some_and(|known| plain::are_same(known, name)) {
                return (Some(at), looks);
            }
        }
        at = part.next;
    }
    (None, looks)
}

/// The item at a position of the list at `list`, if it is one of the first: further ones are found
/// at once in a list that is made.
pub(in crate::mapping) fn item_at(parts: &[Part], list: u32, position: i64) -> Option<u32> {
    let list_part = parts.get(list as usize)?;
    if list_part.kind != Kind::List || !(0..STEPPED_MAX).contains(&position) {
        return None;
    }
    let mut at = list.wrapping_add(1);
    for _ in 0..position {
        at = parts.get(at as usize)?.next;
    }
    (at < list_part.next).then_some(at)
}

/// Items are stepped over up to so many.
const STEPPED_MAX: i64 = 16;

const _: () = assert!(size_of::<Part>() == 24);
