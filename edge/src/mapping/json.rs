//! A JSON document as parts, or as values.
//!
//! Shape: [`skim`] goes once over the bytes, with what is open on a stack, proves that they are JSON
//! and leaves a [`Part`] for each value; [`value`] and [`made`] make values of parts when somebody
//! asks, [`parse`] makes all of them. Texts without escapes stay ranges of the document, and so does
//! a container that prints as it is written. Members keep their order, a repeated name keeps its
//! first place and its last value. Units: bytes. Errors: `None` for a text that is no JSON or nests
//! deeper than [`DATA_DEPTH_MAX`]; [`Fault`] when the heap is full. Source: RFC 8259. Decimals
//! become doubles as Java reads them; longer numbers keep their text.

mod escape;
mod make;
mod names;
mod part;

pub(super) use make::{Source, made, number, printable, value};
pub(super) use part::{Kind, Part, item_at, member_at, part_at};

use super::{
    decimal,
    error::Fault,
    plain,
    print::DATA_DEPTH_MAX,
    value::{HEAP_BYTES_MAX, Heap, Pool, Value, small},
};
use escape::{is_usual, unescaped};
use names::{are_unique, mark};

/// Reads `source`, which is what `pool` calls the text at `base`, and makes all of its values.
pub(super) fn parse(
    heap: &mut Heap,
    source: &str,
    pool: Pool,
    base: u32,
) -> Result<Option<Value>, Fault> {
    // Places are counted in 32 bits.
    if base.checked_add(small(source.len())).is_none() {
        return Err(Fault::Memory);
    }
    let seen = heap.parts.len();
    let root = skim(heap, source)?;
    let source = Source {
        text: source,
        pool,
        base,
    };
    let made = match root {
        None => Ok(None),
        Some(root) => value(heap, source, root)
            .and_then(|value| made(heap, source, value))
            .map(Some),
    };
    heap.parts.truncate(seen);
    made
}

/// Sees the parts of `source`; gives the position of the root.
pub(super) fn skim(heap: &mut Heap, source: &str) -> Result<Option<u32>, Fault> {
    if small(source.len()) == u32::MAX {
        return Err(Fault::Memory);
    }
    let mut reader = Reader {
        parts: std::mem::take(&mut heap.parts),
        around: heap.take_around(),
        heap,
        bytes: source.as_bytes(),
    };
    let root = small(reader.parts.len());
    let seen = reader.document();
    let (parts, around) = (reader.parts, reader.around);
    heap.parts = parts;
    heap.give_around(around);
    match seen {
        Ok(()) => Ok(Some(root)),
        Err(Stop::Syntax) => Ok(None),
        Err(Stop::Memory) => Err(Fault::Memory),
    }
}

/// Why reading ends early.
#[derive(Clone, Copy)]
enum Stop {
    Syntax,
    Memory,
}

impl From<Fault> for Stop {
    /// The heap knows no other fault.
    fn from(_: Fault) -> Stop {
        Stop::Memory
    }
}

struct Reader<'r> {
    heap: &'r mut Heap,
    bytes: &'r [u8],
    parts: Vec<Part>,
    /// The containers around the innermost one.
    around: Vec<Open>,
}

/// Where reading stands; kept out of [`Reader`], so that it stays in registers.
struct Cursor<'s> {
    bytes: &'s [u8],
    at: u32,
    /// Where the last thing was that prints in another way than it is written.
    loose_at: u32,
    /// Where the last thing was that must be made before it is printed.
    odd_at: u32,
}

/// A container that is being read.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Open {
    /// Its offset.
    at: u32,
    /// Its position among the parts.
    part: u32,
    /// How many values it has so far.
    count: u32,
    /// Bits that its names have set; most names differ in theirs.
    marks: u64,
    is_map: bool,
    /// One of its names has escapes.
    is_escaped: bool,
    /// Two of its names are the same.
    is_repeated: bool,
    /// Two of its many names may be the same.
    is_doubtful: bool,
}

/// Where the name of a member lies.
#[derive(Clone, Copy, Default)]
struct Name {
    at: u32,
    bytes: u32,
    is_escaped: bool,
}

impl Open {
    /// What ends it.
    #[inline(always)]
    fn end(&self) -> u8 {
        if self.is_map { b'}' } else { b']' }
    }
}

impl Cursor<'_> {
    /// The next byte that is no blank, left where it is; 0, which begins nothing, at the end.
    #[inline(always)]
    fn solid(&mut self) -> u8 {
        let byte = self.byte_at(self.at);
        if byte > b' ' {
            return byte;
        }
        self.loose_at = self.at;
        let next = self.at.wrapping_add(1);
        let byte_after = self.byte_at(next);
        if byte == b' ' && byte_after > b' ' {
            self.at = next;
            return byte_after;
        }
        self.at = past_blanks(self.bytes, self.at);
        self.byte_at(self.at)
    }

    #[inline(always)]
    fn byte_at(&self, at: u32) -> u8 {
        self.bytes.get(at as usize).copied().unwrap_or(0)
    }

    /// Passes a byte that is there.
    #[inline(always)]
    fn pass(&mut self) {
        self.at = self.at.wrapping_add(1);
    }
}

/// Where the blanks end that begin at `at`, if there are any.
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
    fn document(&mut self) -> Result<(), Stop> {
        let mut cursor = Cursor {
            bytes: self.bytes,
            at: 0,
            loose_at: 0,
            odd_at: 0,
        };
        let mut open = Open::default();
        loop {
            let mut name = Name::default();
            if open.is_map {
                name = self.name(&mut open, &mut cursor)?;
            }
            let first = cursor.solid();
            open.count = open.count.wrapping_add(1);
            match first {
                b'"' => self.string(name, &mut cursor)?,
                b'{' | b'[' => {
                    let inner = self.opened(name, first == b'{', &mut cursor)?;
                    if cursor.solid() != inner.end() {
                        self.around.push(std::mem::replace(&mut open, inner));
                        // Nothing may stand deeper.
                        if self.around.len() >= DATA_DEPTH_MAX {
                            return Err(Stop::Syntax);
                        }
                        continue;
                    }
                    self.close(&inner, &mut cursor)?;
                }
                b'-' | b'0'..=b'9' => self.number(name, &mut cursor)?,
                _ => self.word(name, &mut cursor)?,
            }
            // Whatever ends with this value.
            loop {
                let next = cursor.solid();
                if self.around.is_empty() {
                    let is_whole = cursor.at as usize == self.bytes.len();
                    return if is_whole { Ok(()) } else { Err(Stop::Syntax) };
                }
                if next == b',' {
                    cursor.pass();
                    break;
                }
                if next != open.end() {
                    return Err(Stop::Syntax);
                }
                self.close(&open, &mut cursor)?;
                open = self.around.pop().unwrap_or_default();
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, part: Part) -> Result<(), Stop> {
        if self.parts.len() == self.parts.capacity() {
            self.grow()?;
        }
        self.parts.push(part);
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

    /// A value that holds no other.
    #[inline(always)]
    fn leaf(&mut self, kind: Kind, name: Name, (at, bytes): (u32, u32)) -> Result<(), Stop> {
        self.flagged(kind, name, (at, bytes), (true, true))
    }

    /// The same, with what is known of how it prints.
    #[inline(always)]
    fn flagged(
        &mut self,
        kind: Kind,
        name: Name,
        (at, bytes): (u32, u32),
        (is_as_written, is_simple): (bool, bool),
    ) -> Result<(), Stop> {
        self.push(Part {
            kind,
            is_as_written,
            is_simple,
            has_plain_names: false,
            is_name_escaped: name.is_escaped,
            name_at: name.at,
            name_bytes: name.bytes,
            at,
            bytes,
            next: small(self.parts.len()).wrapping_add(1),
            count: 0,
        })
    }

    /// Passes the start of a container.
    #[inline(always)]
    fn opened(
        &mut self,
        name: Name,
        is_map: bool,
        cursor: &mut Cursor<'_>,
    ) -> Result<Open, Stop> {
        let inner = Open {
            at: cursor.at,
            part: small(self.parts.len()),
            is_map,
            ..Open::default()
        };
        let kind = if is_map { Kind::Map } else { Kind::List };
        self.leaf(kind, name, (cursor.at, 0))?;
        cursor.pass();
        Ok(inner)
    }

    /// Passes the end of a container.
    #[inline(always)]
    fn close(&mut self, open: &Open, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        cursor.pass();
        self.heap.charge((open.count as usize).wrapping_add(1))?;
        let mut is_repeated = open.is_repeated;
        if open.is_doubtful {
            is_repeated |= self.has_repeated(open);
        }
        if is_repeated || open.is_escaped {
            (cursor.loose_at, cursor.odd_at) = (cursor.at, cursor.at);
        }
        let next = small(self.parts.len());
        if let Some(part) = self.parts.get_mut(open.part as usize) {
            part.is_as_written = cursor.loose_at <= open.at;
            part.is_simple = cursor.odd_at <= open.at;
            part.has_plain_names = !is_repeated && !open.is_escaped;
            part.bytes = cursor.at.wrapping_sub(open.at);
            part.next = next;
            part.count = open.count;
        }
        Ok(())
    }

    /// A name and its colon.
    #[inline(always)]
    fn name(&mut self, open: &mut Open, cursor: &mut Cursor<'_>) -> Result<Name, Stop> {
        if cursor.solid() != b'"' {
            return Err(Stop::Syntax);
        }
        let at = cursor.at.wrapping_add(1);
        let word = plain::word(cursor.bytes, at);
        let end = plain::name_end(cursor.bytes, at, word);
        let name = if cursor.byte_at(end) == b'"' {
            cursor.at = end.wrapping_add(1);
            let bytes = end.wrapping_sub(at);
            self.look(open, (at, bytes), word);
            Name {
                at,
                bytes,
                is_escaped: false,
            }
        } else {
            cursor.at = self.escaped_end(at)?.0;
            open.is_escaped = true;
            Name {
                at,
                bytes: 0,
                is_escaped: true,
            }
        };
        if cursor.solid() != b':' {
            return Err(Stop::Syntax);
        }
        cursor.pass();
        Ok(name)
    }

    /// Compares a name with those before it if its mark has been seen.
    #[inline(always)]
    fn look(&mut self, open: &mut Open, name: (u32, u32), word: Option<u64>) {
        let Some(word) = word else {
            // It has no mark, so this name and all that follow are looked at.
            self.look_back(open, name);
            open.marks = u64::MAX;
            return;
        };
        let mark = mark(word, name.1);
        if open.marks & mark == mark {
            self.look_back(open, name);
        }
        open.marks |= mark;
    }

    /// Compares a name with those before it, if they are few.
    #[inline(never)]
    fn look_back(&self, open: &mut Open, (at, bytes): (u32, u32)) {
        if open.count > SCANNED_MAX {
            open.is_doubtful = true;
            return;
        }
        let name = self.said(at, bytes);
        open.is_repeated |= self.names(open.part).any(|known| known == name);
    }

    /// Whether names of a map are the same, or of the same hash.
    #[cold]
    fn has_repeated(&self, open: &Open) -> bool {
        !are_unique(self.names(open.part))
    }

    /// Names of the members that were read; those with escapes are empty.
    fn names(&self, map: u32) -> impl Iterator<Item = &[u8]> {
        let mut at = map.wrapping_add(1);
        std::iter::from_fn(move || {
            let part = self.parts.get(at as usize)?;
            at = part.next;
            Some(self.said(part.name_at, part.name_bytes))
        })
    }

    fn said(&self, at: u32, bytes: u32) -> &[u8] {
        let range = at as usize..at.wrapping_add(bytes) as usize;
        self.bytes.get(range).unwrap_or(&[])
    }

    /// A string at its quote.
    #[inline(always)]
    fn string(&mut self, name: Name, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let start = cursor.at.wrapping_add(1);
        let end = plain::json_end(cursor.bytes, start);
        if cursor.byte_at(end) == b'"' {
            cursor.at = end.wrapping_add(1);
            return self.leaf(Kind::Text, name, (start, end.wrapping_sub(start)));
        }
        let (end, is_usual) = self.escaped_end(start)?;
        if !is_usual {
            (cursor.loose_at, cursor.odd_at) = (start, start);
        }
        cursor.at = end;
        let range = (start, end.wrapping_sub(start).wrapping_sub(1));
        self.flagged(Kind::Escaped, name, range, (is_usual, is_usual))
    }

    #[inline(always)]
    fn number(&mut self, name: Name, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let start = cursor.at;
        let rest = cursor.bytes.get(start as usize..).unwrap_or(&[]);
        let seen = decimal::skim(rest).ok_or(Stop::Syntax)?;
        cursor.at = start.wrapping_add(seen.bytes);
        if !seen.is_as_written {
            cursor.loose_at = cursor.at;
        }
        let flags = (seen.is_as_written, true);
        self.flagged(Kind::Number, name, (start, seen.bytes), flags)
    }

    #[inline(always)]
    fn word(&mut self, name: Name, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let (kind, bytes) = match cursor.bytes.get(cursor.at as usize..) {
            Some([b't', b'r', b'u', b'e', ..]) => (Kind::True, 4),
            Some([b'f', b'a', b'l', b's', b'e', ..]) => (Kind::False, 5),
            Some([b'n', b'u', b'l', b'l', ..]) => (Kind::Null, 4),
            _ => return Err(Stop::Syntax),
        };
        let start = cursor.at;
        cursor.at = start.wrapping_add(bytes);
        self.leaf(kind, name, (start, bytes))
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

/// Room for parts grows by at least so many.
const PARTS_MIN: usize = 64;
/// So many parts are more than a heap may hold.
const PARTS_MAX: usize = HEAP_BYTES_MAX / size_of::<Part>() + 1;
/// A name is compared with up to so many before it, more are looked at together.
const SCANNED_MAX: u32 = 24;

#[cfg(test)]
mod tests;
