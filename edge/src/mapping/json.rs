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
    value::{Heap, ListKind, MapKind, Member, Pool, Text, VALUES_MAX, Value, small},
};
use rapidhash::v3::rapidhash_v3;

/// Reads `source`, which is what `pool` calls the text at `base`.
pub(super) fn parse(
    heap: &mut Heap,
    source: &str,
    pool: Pool,
    base: u32,
) -> Result<Option<Value>, Fault> {
    let mut reader = Reader {
        stack: heap.take_stack(),
        heap,
        source,
        rest: source.as_bytes(),
        pool,
        base,
    };
    reader.space();
    let value = reader.value(0);
    reader.space();
    let is_whole = reader.rest.is_empty();
    let stack = std::mem::take(&mut reader.stack);
    heap.give_stack(stack);
    match value {
        Ok(value) => Ok(is_whole.then_some(value)),
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
    /// What is left of it.
    rest: &'r [u8],
    pool: Pool,
    base: u32,
    /// Items, and keys with values, of the containers being read, innermost last.
    stack: Vec<Value>,
}

impl<'r> Reader<'r> {
    /// Offset of what is left.
    fn at(&self) -> usize {
        self.source.len().saturating_sub(self.rest.len())
    }

    #[inline]
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(Stop::Syntax)
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        if depth >= DATA_DEPTH_MAX {
            return Err(Stop::Syntax);
        }
        match self.rest {
            [b'"', ..] => self.string(),
            [b'{', ..] => self.object(depth),
            [b'[', ..] => self.array(depth),
            [b'-' | b'0'..=b'9', ..] => self.number(),
            [b't', b'r', b'u', b'e', rest @ ..] => self.word(rest, Value::Bool(true)),
            [b'f', b'a', b'l', b's', b'e', rest @ ..] => self.word(rest, Value::Bool(false)),
            [b'n', b'u', b'l', b'l', rest @ ..] => self.word(rest, Value::Null),
            _ => Err(Stop::Syntax),
        }
    }

    /// A word that was passed.
    fn word(&mut self, rest: &'r [u8], value: Value) -> Result<Value, Stop> {
        self.rest = rest;
        Ok(value)
    }

    fn push(&mut self, value: Value) -> Result<(), Stop> {
        // As many could not be kept anyway.
        if self.stack.len() >= VALUES_MAX {
            return Err(Stop::Memory);
        }
        self.stack.push(value);
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Value, Stop> {
        let first = self.stack.len();
        self.expect(b'[')?;
        self.space();
        if !self.eat(b']') {
            loop {
                self.space();
                let value = self.value(depth.saturating_add(1))?;
                self.push(value)?;
                self.space();
                if self.eat(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        let items = self.stack.get(first..).unwrap_or(&[]);
        let id = self.heap.list_of(ListKind::Json, items)?;
        self.stack.truncate(first);
        Ok(Value::List(id))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Stop> {
        let first = self.stack.len();
        self.expect(b'{')?;
        self.space();
        if !self.eat(b'}') {
            loop {
                self.space();
                let key = self.string()?;
                self.push(key)?;
                self.space();
                self.expect(b':')?;
                self.space();
                let value = self.value(depth.saturating_add(1))?;
                self.push(value)?;
                self.space();
                if self.eat(b'}') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        let id = self.map(first)?;
        self.stack.truncate(first);
        Ok(Value::Map(id))
    }

    /// The keys and values on the stack as a map with one member a name: the place of the first,
    /// the value of the last.
    fn map(&mut self, first: usize) -> Result<u32, Stop> {
        let (read, _) = self.stack.get(first..).unwrap_or(&[]).as_chunks::<2>();
        let members = read.iter().map(|[key, value]| (*key, *value));
        let names = Names {
            source: self.source,
            base: self.base,
            made: &self.heap.text,
        };
        if !names.are_repeated(read) {
            return Ok(self.heap.map_of(MapKind::Plain, members)?);
        }
        let mut members: Vec<Member> = members.collect();
        names.unite(&mut members);
        self.heap.charge(read.len().saturating_sub(members.len()))?;
        Ok(self.heap.map_of(MapKind::Plain, members.into_iter())?)
    }

    fn string(&mut self) -> Result<Value, Stop> {
        self.expect(b'"')?;
        let start = self.at();
        let run = plain::json_run(self.rest);
        match self.rest.split_at_checked(run) {
            Some((plain, [b'"', rest @ ..])) => {
                self.rest = rest;
                Ok(Value::Text(self.text(start, plain.len())))
            }
            Some((_, [b'\\', ..])) => self.escaped(),
            _ => Err(Stop::Syntax),
        }
    }

    /// A range of the source.
    fn text(&self, at: usize, bytes: usize) -> Text {
        Text {
            pool: self.pool,
            at: self.base.saturating_add(small(at)),
            bytes: small(bytes),
        }
    }

    /// A string with escapes, behind its quote, made on the heap.
    fn escaped(&mut self) -> Result<Value, Stop> {
        let made = self.heap.text.len();
        loop {
            let start = self.at();
            let run = plain::json_run(self.rest);
            let plain = self.source.get(start..start.saturating_add(run));
            self.heap.text.push_str(plain.unwrap_or(""));
            match self.rest.get(run..) {
                Some([b'"', rest @ ..]) => {
                    self.rest = rest;
                    return Ok(Value::Text(self.heap.made_since(made)?));
                }
                Some([b'\\', rest @ ..]) => {
                    self.rest = rest;
                    let character = self.escape()?;
                    self.heap.text.push(character);
                }
                _ => return Err(Stop::Syntax),
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, Stop> {
        let (byte, rest) = self.rest.split_first().ok_or(Stop::Syntax)?;
        self.rest = rest;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(*byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.unit()?;
                if !(0xd800..0xdc00).contains(&high) {
                    return Ok(char::from_u32(high).unwrap_or('?'));
                }
                let before = self.rest;
                if self.eat(b'\\') && self.eat(b'u') {
                    let low = self.unit()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let both = ((high & 0x3ff) << 10 | low & 0x3ff).saturating_add(0x1_0000);
                        return Ok(char::from_u32(both).unwrap_or('?'));
                    }
                }
                // A half without its other prints as Java encodes it.
                self.rest = before;
                '?'
            }
            _ => return Err(Stop::Syntax),
        })
    }

    fn unit(&mut self) -> Result<u32, Stop> {
        let (digits, rest) = self.rest.split_first_chunk::<4>().ok_or(Stop::Syntax)?;
        self.rest = rest;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(Stop::Syntax)?;
            Ok(unit << 4 | digit)
        })
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let start = self.at();
        let (number, bytes) = decimal::read(self.rest).ok_or(Stop::Syntax)?;
        self.rest = self.rest.get(bytes..).unwrap_or(&[]);
        Ok(match number {
            Number::Int(number) => Value::Int(number),
            Number::Double(number) => Value::Double(number),
            Number::Long => Value::Number(self.text(start, bytes)),
        })
    }
}

/// Names of one object, which lie in the source or on the heap.
#[derive(Clone, Copy)]
struct Names<'n> {
    source: &'n str,
    base: u32,
    made: &'n str,
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
        let bytes = all
            .as_bytes()
            .get(at..at.saturating_add(text.bytes as usize));
        bytes.unwrap_or(b"")
    }

    fn are_repeated(self, members: &[[Value; 2]]) -> bool {
        if members.len() > SCANNED_MAX {
            let hash = |[key, _]: &[Value; 2]| rapidhash_v3(self.of(*key));
            let mut hashes: Vec<u64> = members.iter().map(hash).collect();
            hashes.sort_unstable();
            // Unlike names of one hash only cost the closer look.
            return !hashes.is_sorted_by(|a, b| a < b);
        }
        let bytes = |key: &Value| match key {
            Value::Text(text) => text.bytes,
            _ => 0,
        };
        let mut before = members.iter();
        while let Some([key, _]) = before.next_back() {
            let mut same = before
                .clone()
                .filter(|[other, _]| bytes(other) == bytes(key));
            if same.any(|[other, _]| self.of(*other) == self.of(*key)) {
                return true;
            }
        }
        false
    }

    fn unite(self, members: &mut Vec<Member>) {
        let key = |members: &[Member], at: usize| {
            members.get(at).map_or(&b""[..], |(key, _)| self.of(*key))
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
            let value = members.get(*at).map(|(_, value)| *value);
            if let (Some(value), Some(kept)) = (value, members.get_mut(*head)) {
                kept.1 = value;
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

/// Up to so many members are compared each with each.
const SCANNED_MAX: usize = 24;

#[cfg(test)]
mod tests;
