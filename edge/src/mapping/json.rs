//! A JSON document as values.
//!
//! Shape: texts without escapes stay ranges of the document; members keep their order, a repeated
//! name keeps its first place and its last value. Units: bytes. Errors: `None` for a text that is
//! no JSON or nests deeper than [`DATA_DEPTH_MAX`]; [`Fault`] when the heap is full. Source: RFC
//! 8259. Decimals become doubles as Java reads them; longer numbers keep their text.

use super::{
    decimal::{self, Number},
    error::Fault,
    plain,
    print::DATA_DEPTH_MAX,
    value::{Heap, Member, Pool, Text, VALUES_MAX, Value, small},
};
use rapidhash::v3::rapidhash_v3;

/// Reads `source`, which is what `pool` calls the text at `base`.
pub(super) fn parse(
    heap: &mut Heap,
    source: &str,
    pool: Pool,
    base: u32,
) -> Result<Option<Value>, Fault> {
    // Places are counted in 32 bits.
    if base
        .checked_add(small(source.len()))
        .is_none_or(|end| end == u32::MAX)
    {
        return Err(Fault::Memory);
    }
    let mut reader = Reader {
        stack: heap.take_stack(),
        around: heap.take_around(),
        heap,
        source,
        pool,
        base,
    };
    let value = reader.document();
    let (stack, around) = (reader.stack, reader.around);
    heap.give_stack(stack, around);
    match value {
        Ok(value) => Ok(Some(value)),
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
    source: &'r str,
    pool: Pool,
    base: u32,
    /// Items, and keys with values, of the containers being read, innermost last.
    stack: Vec<Value>,
    /// The containers around the innermost one.
    around: Vec<Open>,
}

/// Where reading stands; kept out of [`Reader`], so that it stays in registers.
struct Cursor<'s> {
    bytes: &'s [u8],
    at: u32,
    /// Where the last thing was that prints in another way than it is written.
    loose_at: u32,
}

/// A container that is being read.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Open {
    /// Its offset.
    at: u32,
    /// What it holds is on the stack from here.
    first: u32,
    /// Bits that its keys have set; most names differ in theirs.
    marks: u64,
    is_map: bool,
    /// Two of its keys are the same.
    is_repeated: bool,
    /// Two of its many keys may be the same.
    is_doubtful: bool,
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
    fn document(&mut self) -> Result<Value, Stop> {
        let source = self.source;
        let mut cursor = Cursor {
            bytes: source.as_bytes(),
            at: 0,
            loose_at: 0,
        };
        let mut open = Open::default();
        loop {
            if open.is_map {
                self.key(&mut open, &mut cursor)?;
            }
            let first = cursor.solid();
            if self.around.len() >= DATA_DEPTH_MAX {
                return Err(Stop::Syntax);
            }
            match first {
                b'"' => drop(self.string(&mut cursor)?),
                b'{' | b'[' => {
                    let inner = Open {
                        at: cursor.at,
                        first: small(self.stack.len()),
                        is_map: first == b'{',
                        ..Open::default()
                    };
                    cursor.pass();
                    if cursor.solid() != inner.end() {
                        self.around.push(std::mem::replace(&mut open, inner));
                        continue;
                    }
                    self.close(&inner, &mut cursor)?;
                }
                b'-' | b'0'..=b'9' => self.number(&mut cursor)?,
                _ => self.word(&mut cursor)?,
            }
            // Whatever ends with this value.
            loop {
                let next = cursor.solid();
                if self.around.is_empty() {
                    let is_whole = cursor.at as usize == source.len();
                    let value = self.stack.pop().filter(|_| is_whole);
                    return value.ok_or(Stop::Syntax);
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
    fn push(&mut self, value: Value) -> Result<(), Stop> {
        if self.stack.len() == self.stack.capacity() {
            self.grow()?;
        }
        self.stack.push(value);
        Ok(())
    }

    #[cold]
    fn grow(&mut self) -> Result<(), Stop> {
        // More could not be kept anyway.
        let room = VALUES_MAX.saturating_sub(self.stack.len());
        if room == 0 {
            return Err(Stop::Memory);
        }
        let more = self.stack.len().max(STACK_VALUES_MIN).min(room);
        self.stack.reserve_exact(more);
        Ok(())
    }

    /// Passes the end of a container, and puts it onto the stack in place of what it holds.
    #[inline(always)]
    fn close(&mut self, open: &Open, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        cursor.pass();
        let is_as_written = cursor.loose_at <= open.at;
        let bytes = cursor.at.wrapping_sub(open.at);
        let written = self.text(open.at, if is_as_written { bytes } else { 0 });
        if open.is_map && (open.is_repeated || open.is_doubtful) {
            cursor.loose_at = cursor.at;
            self.united_map(open.first)
        } else if open.is_map {
            self.map(open.first, written)
        } else {
            self.list(open.first, written)
        }
    }

    fn list(&mut self, first: u32, written: Text) -> Result<(), Stop> {
        let items = self.stack.get(first as usize..).unwrap_or(&[]);
        let id = self.heap.read_list(items, written)?;
        self.stack.truncate(first as usize);
        self.push(Value::List(id))
    }

    fn map(&mut self, first: u32, written: Text) -> Result<(), Stop> {
        let members = self.stack.get(first as usize..).unwrap_or(&[]);
        let id = self.heap.read_map(members.as_chunks().0, written)?;
        self.stack.truncate(first as usize);
        self.push(Value::Map(id))
    }

    /// A map with one member a name: the place of the first, the value of the last.
    #[cold]
    fn united_map(&mut self, first: u32) -> Result<(), Stop> {
        let (read, _) = self.stack.get(first as usize..).unwrap_or(&[]).as_chunks();
        let mut members = read.to_vec();
        self.names().unite(&mut members);
        self.heap.charge(read.len().saturating_sub(members.len()))?;
        let id = self.heap.read_map(&members, Text::EMPTY)?;
        self.stack.truncate(first as usize);
        self.push(Value::Map(id))
    }

    /// A key and its colon.
    #[inline(always)]
    fn key(&mut self, open: &mut Open, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        if cursor.solid() != b'"' {
            return Err(Stop::Syntax);
        }
        let start = cursor.at.wrapping_add(1);
        let is_plain = self.string(cursor)?;
        match plain::word(cursor.bytes, start) {
            Some(word) if is_plain => {
                let bytes = cursor.at.wrapping_sub(start).wrapping_sub(1);
                let mark = mark(word, bytes);
                if open.marks & mark != 0 {
                    self.look_back(open);
                }
                open.marks |= mark;
            }
            _ => {
                // It has no mark, so this key and all that follow are looked at.
                self.look_back(open);
                open.marks = u64::MAX;
            }
        }
        if cursor.solid() != b':' {
            return Err(Stop::Syntax);
        }
        cursor.pass();
        Ok(())
    }

    /// Compares the last key with those before it, if they are few.
    #[inline(never)]
    fn look_back(&self, open: &mut Open) {
        let read = self.stack.get(open.first as usize..).unwrap_or(&[]);
        // The key has no value yet.
        let (before, last) = read.as_chunks::<2>();
        if before.len() > SCANNED_MAX {
            open.is_doubtful = true;
        } else if let [key] = last {
            open.is_repeated |= self.names().has(before, *key);
        }
    }

    fn names(&self) -> Names<'_> {
        Names {
            source: self.source.as_bytes(),
            base: self.base,
            made: self.heap.text.as_bytes(),
        }
    }

    /// A string at its quote; tells whether it has no escapes.
    #[inline(always)]
    fn string(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        let start = cursor.at.wrapping_add(1);
        let end = plain::json_end(cursor.bytes, start);
        if cursor.byte_at(end) == b'"' {
            cursor.at = end.wrapping_add(1);
            self.push(Value::Text(self.text(start, end.wrapping_sub(start))))?;
            return Ok(true);
        }
        cursor.loose_at = start;
        cursor.at = self.escaped(start)?;
        Ok(false)
    }

    /// A range of the source, which was made sure to lie within 32 bits.
    #[inline(always)]
    fn text(&self, at: u32, bytes: u32) -> Text {
        Text {
            pool: self.pool,
            at: self.base.wrapping_add(at),
            bytes,
        }
    }

    #[inline(always)]
    fn number(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let start = cursor.at;
        let rest = cursor.bytes.get(start as usize..).unwrap_or(&[]);
        let read = decimal::read(rest).ok_or(Stop::Syntax)?;
        let bytes = small(read.bytes);
        cursor.at = start.wrapping_add(bytes);
        if !read.is_as_written {
            cursor.loose_at = cursor.at;
        }
        match read.number {
            Number::Int(number) => self.push(Value::Int(number)),
            Number::Double(number) => self.push(Value::Double(number)),
            Number::Long => self.push(Value::Number(self.text(start, bytes))),
        }
    }

    #[inline(always)]
    fn word(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let (value, bytes) = match cursor.bytes.get(cursor.at as usize..) {
            Some([b't', b'r', b'u', b'e', ..]) => (Value::Bool(true), 4),
            Some([b'f', b'a', b'l', b's', b'e', ..]) => (Value::Bool(false), 5),
            Some([b'n', b'u', b'l', b'l', ..]) => (Value::Null, 4),
            _ => return Err(Stop::Syntax),
        };
        cursor.at = cursor.at.wrapping_add(bytes);
        self.push(value)
    }

    /// A string with escapes, made on the heap; gives where it ends.
    #[cold]
    fn escaped(&mut self, start: u32) -> Result<u32, Stop> {
        let source = self.source;
        let made = self.heap.text.len();
        let mut at = start;
        loop {
            let end = plain::json_end(source.as_bytes(), at);
            let plain = source.get(at as usize..end as usize);
            self.heap.text.push_str(plain.unwrap_or(""));
            let rest = source.as_bytes().get(end as usize..).unwrap_or(&[]);
            let after = match rest {
                [b'"', rest @ ..] => {
                    let text = self.heap.made_since(made)?;
                    self.push(Value::Text(text))?;
                    return Ok(small(source.len().saturating_sub(rest.len())));
                }
                [b'\\', escape @ ..] => {
                    let (character, after) = unescaped(escape).ok_or(Stop::Syntax)?;
                    self.heap.text.push(character);
                    after
                }
                _ => return Err(Stop::Syntax),
            };
            at = small(source.len().saturating_sub(after.len()));
        }
    }
}

/// The character that stands behind a backslash, and what follows.
fn unescaped(escape: &[u8]) -> Option<(char, &[u8])> {
    let (byte, rest) = escape.split_first()?;
    let character = match byte {
        b'"' | b'\\' | b'/' => char::from(*byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescaped_unit(rest),
        _ => return None,
    };
    Some((character, rest))
}

fn unescaped_unit(digits: &[u8]) -> Option<(char, &[u8])> {
    let (high, rest) = unit(digits)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high).unwrap_or('?'), rest));
    }
    if let [b'\\', b'u', digits @ ..] = rest {
        let (low, rest) = unit(digits)?;
        if (0xdc00..0xe000).contains(&low) {
            let both = ((high & 0x3ff) << 10 | low & 0x3ff).saturating_add(0x1_0000);
            return Some((char::from_u32(both).unwrap_or('?'), rest));
        }
    }
    // A half without its other prints as Java encodes it.
    Some(('?', rest))
}

/// Four hexadecimal digits.
fn unit(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = digits.split_first_chunk::<4>()?;
    let unit = digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | digit)
    });
    Some((unit?, rest))
}

/// Names of one object, which lie in the source or on the heap.
#[derive(Clone, Copy)]
struct Names<'n> {
    source: &'n [u8],
    base: u32,
    made: &'n [u8],
}

impl<'n> Names<'n> {
    /// What a key says.
    fn of(self, key: Value) -> &'n [u8] {
        let Value::Text(text) = key else {
            return b"";
        };
        let (all, at) = match text.pool {
            Pool::Heap => (self.made, text.at),
            _ => (self.source, text.at.saturating_sub(self.base)),
        };
        let at = at as usize;
        let name = all.get(at..at.saturating_add(text.bytes as usize));
        name.unwrap_or(b"")
    }

    fn has(self, members: &[Member], key: Value) -> bool {
        let bytes = |key: Value| match key {
            Value::Text(text) => text.bytes,
            _ => 0,
        };
        let (name, wanted) = (self.of(key), bytes(key));
        let mut same = members.iter().filter(|[other, _]| bytes(*other) == wanted);
        same.any(|[other, _]| self.of(*other) == name)
    }

    /// Leaves one member a name.
    fn unite(self, members: &mut Vec<Member>) {
        let hash = |[key, _]: &Member| rapidhash_v3(self.of(*key));
        let mut hashes: Vec<u64> = members.iter().map(hash).collect();
        hashes.sort_unstable();
        // Unlike names of one hash only cost the closer look.
        if hashes.is_sorted_by(|a, b| a < b) {
            return;
        }
        let key = |members: &[Member], at: usize| {
            members.get(at).map_or(&b""[..], |[key, _]| self.of(*key))
        };
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|a, b| key(members, *a).cmp(key(members, *b)).then(a.cmp(b)));
        // Each repeated member with the first of its name, in order.
        let mut repeated = Vec::new();
        for run in order.chunk_by(|a, b| key(members, *a) == key(members, *b)) {
            if let Some((head, tail)) = run.split_first() {
                repeated.extend(tail.iter().map(|at| (*at, *head)));
            }
        }
        repeated.sort_unstable();
        for (at, head) in &repeated {
            let value = members.get(*at).map(|[_, value]| *value);
            if let (Some(value), Some([_, kept])) = (value, members.get_mut(*head)) {
                *kept = value;
            }
        }
        let mut dropped = repeated.iter().map(|(at, _)| *at).peekable();
        let mut position: usize = 0;
        members.retain(|_| {
            let is_dropped = dropped.next_if_eq(&position).is_some();
            position = position.saturating_add(1);
            !is_dropped
        });
    }
}

/// A bit for a name of so many bytes, which begins `word`.
#[inline(always)]
fn mark(word: u64, bytes: u32) -> u64 {
    let others = u64::BITS.saturating_sub(bytes.wrapping_mul(8).min(u64::BITS));
    let first = word.unbounded_shl(others).wrapping_add(u64::from(bytes));
    1 << (first.wrapping_mul(MIXER) >> (u64::BITS - 6))
}

/// Room for values grows by at least so many.
const STACK_VALUES_MIN: usize = 64;
/// A key is compared with up to so many before it, more are looked at together.
const SCANNED_MAX: usize = 24;
/// Odd, with bits all over.
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests;
