//! The pass over a document that proves it to be JSON and leaves its parts.
//!
//! Shape: one loop over the bytes, with what is open on a stack; what is likely is looked for
//! first, eight bytes at a time. Units: bytes of the document, positions among parts. Errors: `None` for a
//! text that is no JSON; [`Fault::Memory`] for more parts than a heap may hold. Source: RFC 8259.

use super::{
    escape::{is_usual, unescaped},
    names::{are_unique, mark},
    part::{AS_WRITTEN, ESCAPED, Kind, PLAIN_NAMES, Part, SIMPLE, part_at},
};
use crate::mapping::{
    decimal,
    error::{Fault, Halt},
    plain,
    print::DATA_DEPTH_MAX,
    value::{HEAP_BYTES_MAX, Heap, small},
};

/// Sees the parts of `source`; gives the position of the root.
pub(in crate::mapping) fn skim(heap: &mut Heap, source: &str) -> Result<Option<u32>, Halt> {
    if small(source.len()) == u32::MAX {
        return Err(Fault::Memory.into());
    }
    let mut reader = Reader {
        parts: std::mem::take(&mut heap.parts),
        containers: 0,
        around: heap.take_around(),
        bytes: source.as_bytes(),
    };
    let root = reader.parts.len();
    let seen = reader.document();
    let (parts, around) = (reader.parts, reader.around);
    // What lists and maps hold, and they themselves; the root is held by none.
    let values = parts.len().saturating_sub(root).saturating_sub(1);
    let values = values.saturating_add(reader.containers);
    heap.parts = parts;
    heap.give_around(around);
    heap.charge(values)?;
    match seen {
        Ok(()) => Ok(Some(small(root))),
        Err(Stop::Syntax) => Ok(None),
        Err(Stop::Memory) => Err(Fault::Memory.into()),
    }
}

/// Why reading ends early.
#[derive(Clone, Copy)]
enum Stop {
    Syntax,
    Memory,
}

struct Reader<'r> {
    bytes: &'r [u8],
    parts: Vec<Part>,
    /// How many lists and maps were closed.
    containers: usize,
    /// The containers around the innermost one.
    around: Vec<Open>,
}

/// What is known of how the bytes so far print; kept out of [`Reader`], so that it stays in
/// registers.
#[derive(Clone, Copy, Default)]
struct Cursor {
    at: u32,
    /// Where the last thing was that prints in another way than it is written.
    loose_at: u32,
    /// Where the last thing was that must be made before it is printed.
    odd_at: u32,
    /// How many parts there are.
    parts: u32,
}

/// A container that is being read.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::mapping) struct Open {
    /// Bits that its names have set; most names differ in theirs.
    marks: u64,
    /// Its position among the parts.
    part: u32,
    /// What ends it.
    end: u8,
    /// Its names have to be looked at once more.
    is_odd: bool,
}

/// Where the name of a member lies.
#[derive(Clone, Copy, Default)]
struct Name {
    at: u32,
    bytes: u32,
}

/// Where the blanks end that begin at `at`, if there are any.
#[inline(never)]
fn past_blanks(bytes: &[u8], at: u32) -> u32 {
    let mut at = at;
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at as usize) {
        at = at.wrapping_add(1);
        // Lines begin with many of one kind.
        while let Some(word) = plain::word(bytes, at) {
            let spaces = plain::spaces(word);
            at = at.wrapping_add(spaces);
            if spaces < u64::BITS / 8 {
                break;
            }
        }
    }
    at
}

impl Reader<'_> {
    /// The whole source.
    #[inline(never)]
    fn document(&mut self) -> Result<(), Stop> {
        let mut cursor = Cursor {
            parts: small(self.parts.len()),
            ..Cursor::default()
        };
        // What is around the root ends with a byte that no text has.
        let mut open = Open {
            end: u8::MAX,
            ..Open::default()
        };
        let root = cursor.parts;
        loop {
            let (name, first) = if open.end == b'}' {
                self.name(&mut open, &mut cursor)?
            } else {
                (Name::default(), self.solid(&mut cursor))
            };
            match first {
                b'"' => {
                    if self.string(name, &mut cursor)? {
                        continue;
                    }
                }
                b'{' | b'[' => {
                    let inner = self.opened(name, first == b'{', &mut cursor)?;
                    if self.solid(&mut cursor) != inner.end {
                        self.around.push(std::mem::replace(&mut open, inner));
                        // Nothing may stand deeper.
                        if self.around.len() >= DATA_DEPTH_MAX {
                            return Err(Stop::Syntax);
                        }
                        continue;
                    }
                    self.close(&inner, &mut cursor);
                }
                b'-' | b'0'..=b'9' => self.number(name, &mut cursor)?,
                _ => self.word(name, &mut cursor)?,
            }
            // Whatever ends with this value.
            loop {
                let next = self.solid_or_comma(&mut cursor);
                if next == b',' {
                    cursor.at = cursor.at.wrapping_add(1);
                    break;
                }
                if next != open.end {
                    return self.ended(root, &cursor);
                }
                self.close(&open, &mut cursor);
                open = self.around.pop().ok_or(Stop::Syntax)?;
            }
        }
    }

    /// Behind what is neither followed by a comma nor by the end of what it stands in: the end of
    /// the source, behind one value.
    #[cold]
    fn ended(&self, root: u32, cursor: &Cursor) -> Result<(), Stop> {
        let is_root = self.around.is_empty() && cursor.at as usize == self.bytes.len();
        let is_one = part_at(&self.parts, root).next == cursor.parts;
        if is_root && is_one {
            Ok(())
        } else {
            Err(Stop::Syntax)
        }
    }

    /// As [`Reader::solid`], where a comma is likely.
    #[inline(always)]
    fn solid_or_comma(&self, cursor: &mut Cursor) -> u8 {
        match self.bytes.get(cursor.at as usize) {
            Some(b',') => b',',
            _ => self.solid(cursor),
        }
    }

    /// The next byte that is no blank, left where it is; 0, which begins nothing, at the end.
    #[inline(always)]
    fn solid(&self, cursor: &mut Cursor) -> u8 {
        let ahead = plain::ahead(self.bytes, cursor.at);
        let [byte, after, ..] = ahead.to_le_bytes();
        if byte > b' ' {
            return byte;
        }
        cursor.loose_at = cursor.at;
        if byte == b' ' && after > b' ' {
            cursor.at = cursor.at.wrapping_add(1);
            return after;
        }
        if byte == b'\n' {
            // The start of a line, as far as it was looked ahead.
            let blanks = plain::spaces(ahead >> 8).wrapping_add(1);
            let [byte, ..] = ahead.unbounded_shr(blanks.wrapping_mul(8)).to_le_bytes();
            if byte > b' ' {
                cursor.at = cursor.at.wrapping_add(blanks);
                return byte;
            }
        }
        cursor.at = past_blanks(self.bytes, cursor.at);
        self.bytes.get(cursor.at as usize).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn push(&mut self, part: Part, cursor: &mut Cursor) -> Result<(), Stop> {
        if self.parts.len() == self.parts.capacity() {
            self.grow()?;
        }
        self.parts.push(part);
        cursor.parts = cursor.parts.wrapping_add(1);
        Ok(())
    }

    #[cold]
    fn grow(&mut self) -> Result<(), Stop> {
        // More could not be kept anyway.
        let room = PARTS_MAX.saturating_sub(self.parts.len());
        if room == 0 {
            return Err(Stop::Memory);
        }
        let more = self.parts.len().max(PARTS_MIN).min(room);
        self.parts.reserve_exact(more);
        Ok(())
    }

    /// A value from `at` on; what it holds is not known yet.
    #[inline(always)]
    fn leaf(
        &mut self,
        kind: Kind,
        flags: u8,
        name: Name,
        (at, bytes): (u32, u32),
        cursor: &mut Cursor,
    ) -> Result<(), Stop> {
        let part = Part {
            kind,
            flags,
            name_at: name.at,
            name_bytes: name.bytes,
            at,
            bytes,
            next: cursor.parts.wrapping_add(1),
        };
        self.push(part, cursor)
    }

    /// Passes the start of a container.
    #[inline(always)]
    fn opened(&mut self, name: Name, is_map: bool, cursor: &mut Cursor) -> Result<Open, Stop> {
        let inner = Open {
            part: cursor.parts,
            end: if is_map { b'}' } else { b']' },
            ..Open::default()
        };
        let kind = if is_map { Kind::Map } else { Kind::List };
        self.leaf(kind, 0, name, (cursor.at, 0), cursor)?;
        cursor.at = cursor.at.wrapping_add(1);
        Ok(inner)
    }

    /// Passes the end of a container.
    #[inline(always)]
    fn close(&mut self, open: &Open, cursor: &mut Cursor) {
        cursor.at = cursor.at.wrapping_add(1);
        let mut names = PLAIN_NAMES;
        if open.is_odd && !self.has_plain_names(open) {
            names = 0;
            (cursor.loose_at, cursor.odd_at) = (cursor.at, cursor.at);
        }
        if let Some(part) = self.parts.get_mut(open.part as usize) {
            let written = if cursor.loose_at <= part.at {
                AS_WRITTEN
            } else {
                0
            };
            let simple = if cursor.odd_at <= part.at { SIMPLE } else { 0 };
            part.flags = names | written | simple;
            part.bytes = cursor.at.wrapping_sub(part.at);
            part.next = cursor.parts;
        }
        self.containers = self.containers.wrapping_add(1);
    }

    /// A name, its colon, and what the value behind it begins with, left where it is.
    #[inline(always)]
    fn name(&mut self, open: &mut Open, cursor: &mut Cursor) -> Result<(Name, u8), Stop> {
        if self.solid(cursor) != b'"' {
            return Err(Stop::Syntax);
        }
        let at = cursor.at.wrapping_add(1);
        let word = plain::ahead(self.bytes, at);
        let ends = plain::json_marks(word);
        let end = if ends != 0 {
            at.wrapping_add(ends.trailing_zeros() / 8)
        } else {
            plain::json_end(self.bytes, at.wrapping_add(8))
        };
        let ahead = plain::ahead(self.bytes, end);
        let [quote, .., value, _, _, _, _] = ahead.to_le_bytes();
        if quote != b'"' {
            let name = self.name_escaped(open, at, cursor)?;
            return Ok((name, self.solid(cursor)));
        }
        let bytes = end.wrapping_sub(at);
        let mark = mark(word, ends);
        if open.marks & mark == mark {
            self.look_back(open, (at, bytes));
        }
        open.marks |= mark;
        let name = Name { at, bytes };
        // As most write it.
        if ahead & USUAL_MASK == USUAL_COLON && value > b' ' {
            cursor.loose_at = end;
            cursor.at = end.wrapping_add(3);
            return Ok((name, value));
        }
        cursor.at = end.wrapping_add(1);
        self.colon(cursor)?;
        Ok((name, self.solid(cursor)))
    }

    #[cold]
    fn name_escaped(&self, open: &mut Open, at: u32, cursor: &mut Cursor) -> Result<Name, Stop> {
        cursor.at = self.escaped_end(at)?.0;
        open.is_odd = true;
        self.colon(cursor)?;
        let bytes = ESCAPED;
        Ok(Name { at, bytes })
    }

    #[inline(always)]
    fn colon(&self, cursor: &mut Cursor) -> Result<(), Stop> {
        if self.solid(cursor) != b':' {
            return Err(Stop::Syntax);
        }
        cursor.at = cursor.at.wrapping_add(1);
        Ok(())
    }

    /// Compares a name with those before it, if they are few.
    #[inline(never)]
    fn look_back(&self, open: &mut Open, (at, bytes): (u32, u32)) {
        let name = self.said(at, bytes);
        let mut names = self.names(open.part);
        open.is_odd |= names.by_ref().take(SCANNED_MAX).any(|known| known == name);
        open.is_odd |= names.next().is_some();
    }

    /// Whether names of a map have no escapes, and differ as far as hashes tell.
    #[cold]
    fn has_plain_names(&self, open: &Open) -> bool {
        let has_escaped = self
            .members(open.part)
            .any(|part| part.name_bytes == ESCAPED);
        !has_escaped && are_unique(self.names(open.part))
    }

    /// Names of the members that were read.
    fn names(&self, map: u32) -> impl Iterator<Item = &[u8]> {
        let members = self.members(map);
        members.map(|part| self.said(part.name_at, part.name_bytes))
    }

    fn members(&self, map: u32) -> impl Iterator<Item = &Part> {
        let mut at = map.wrapping_add(1);
        std::iter::from_fn(move || {
            let part = self.parts.get(at as usize)?;
            at = part.next;
            Some(part)
        })
    }

    fn said(&self, at: u32, bytes: u32) -> &[u8] {
        let range = at as usize..at.wrapping_add(bytes) as usize;
        self.bytes.get(range).unwrap_or(&[])
    }

    /// A string at its quote; tells whether a comma behind it was passed, too.
    #[inline(always)]
    fn string(&mut self, name: Name, cursor: &mut Cursor) -> Result<bool, Stop> {
        let start = cursor.at.wrapping_add(1);
        let end = plain::json_end(self.bytes, start);
        let [quote, behind, ..] = plain::ahead(self.bytes, end).to_le_bytes();
        if quote == b'"' {
            let has_comma = behind == b',';
            cursor.at = end.wrapping_add(1).wrapping_add(u32::from(has_comma));
            let range = (start, end.wrapping_sub(start));
            self.leaf(Kind::Text, AS_WRITTEN | SIMPLE, name, range, cursor)?;
            return Ok(has_comma);
        }
        let (end, is_usual) = self.escaped_end(start)?;
        if !is_usual {
            (cursor.loose_at, cursor.odd_at) = (start, start);
        }
        cursor.at = end;
        let range = (start, end.wrapping_sub(start).wrapping_sub(1));
        let flags = if is_usual { AS_WRITTEN | SIMPLE } else { 0 };
        self.leaf(Kind::Escaped, flags, name, range, cursor)?;
        Ok(false)
    }

    #[inline(always)]
    fn number(&mut self, name: Name, cursor: &mut Cursor) -> Result<(), Stop> {
        let start = cursor.at;
        let rest = self.bytes.get(start as usize..).unwrap_or(&[]);
        let seen = decimal::skim(rest).ok_or(Stop::Syntax)?;
        cursor.at = start.wrapping_add(seen.bytes);
        let mut flags = AS_WRITTEN | SIMPLE;
        if !seen.is_as_written {
            cursor.loose_at = cursor.at;
            flags = SIMPLE;
        }
        self.leaf(Kind::Number, flags, name, (start, seen.bytes), cursor)
    }

    #[inline(always)]
    fn word(&mut self, name: Name, cursor: &mut Cursor) -> Result<(), Stop> {
        let (kind, bytes) = match plain::ahead(self.bytes, cursor.at).to_le_bytes() {
            [b't', b'r', b'u', b'e', ..] => (Kind::True, 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Kind::False, 5),
            [b'n', b'u', b'l', b'l', ..] => (Kind::Null, 4),
            _ => return Err(Stop::Syntax),
        };
        let start = cursor.at;
        cursor.at = start.wrapping_add(bytes);
        self.leaf(kind, AS_WRITTEN | SIMPLE, name, (start, bytes), cursor)
    }

    /// Where a string with escapes ends that begins at `start`, behind its quote; tells whether it
    /// is written as it prints.
    #[cold]
    fn escaped_end(&self, start: u32) -> Result<(u32, bool), Stop> {
        let source = self.bytes;
        let mut at = start;
        let mut is_written = true;
        loop {
            let end = plain::json_end(source, at);
            let rest = source.get(end as usize..).unwrap_or(&[]);
            let after = match rest {
                [b'"', after @ ..] => {
                    let end = small(source.len().saturating_sub(after.len()));
                    return Ok((end, is_written));
                }
                [b'\\', escape @ ..] => {
                    is_written &= is_usual(escape);
                    unescaped(escape).ok_or(Stop::Syntax)?.1
                }
                _ => return Err(Stop::Syntax),
            };
            at = small(source.len().saturating_sub(after.len()));
        }
    }
}

/// What most write behind a name: a quote, a colon and a blank, as they stand in a word.
const USUAL_COLON: u64 = u64::from_le_bytes(*b"\": \0\0\0\0\0");
const USUAL_MASK: u64 = 0xff_ffff;
/// Room for parts grows by at least so many.
const PARTS_MIN: usize = 64;
/// So many parts are more than a heap may hold.
pub(super) const PARTS_MAX: usize = HEAP_BYTES_MAX / size_of::<Part>() + 1;
/// A name is compared with up to so many before it, more are looked at together.
pub(super) const SCANNED_MAX: usize = 24;
