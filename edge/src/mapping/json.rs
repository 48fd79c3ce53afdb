//! A JSON document as values.
//!
//! Shape: texts without escapes stay ranges of the document; members keep their order, a repeated
//! name keeps its first place and its last value. Units: bytes. Errors: `None` for a text that is
//! no JSON or nests deeper than [`DATA_DEPTH_MAX`]; [`Fault`] when the heap is full. Source: RFC
//! 8259. Decimals become doubles as Java reads them; longer numbers keep their text.

use super::{
    error::Fault,
    print::DATA_DEPTH_MAX,
    value::{Heap, ListKind, MapKind, Pool, Text, Value, small},
};

/// Reads `source`, which is what `pool` calls the text at `base`.
pub(super) fn parse(
    heap: &mut Heap,
    source: &str,
    pool: Pool,
    base: u32,
) -> Result<Option<Value>, Fault> {
    let mut reader = Reader {
        heap,
        source,
        bytes: source.as_bytes(),
        at: 0,
        pool,
        base,
        values: Vec::new(),
        members: Vec::new(),
    };
    reader.space();
    let value = reader.value(0);
    reader.space();
    let is_whole = reader.at == source.len();
    match value {
        Ok(value) => Ok(is_whole.then_some(value)),
        Err(Stop::Syntax) => Ok(None),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

enum Stop {
    Syntax,
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

struct Reader<'r> {
    heap: &'r mut Heap,
    source: &'r str,
    bytes: &'r [u8],
    at: usize,
    pool: Pool,
    base: u32,
    /// Items of the lists being read, innermost last.
    values: Vec<Value>,
    /// Members of the maps being read, innermost last.
    members: Vec<(Value, Value)>,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn pass(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.pass();
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        if found {
            self.pass();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        if depth >= DATA_DEPTH_MAX {
            return Err(Stop::Syntax);
        }
        match self.byte() {
            Some(b'"') => self.string(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(Stop::Syntax),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Stop> {
        let end = self.at.saturating_add(word.len());
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return Err(Stop::Syntax);
        }
        self.at = end;
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, Stop> {
        self.pass();
        let first = self.values.len();
        self.space();
        if !self.eat(b']') {
            loop {
                self.space();
                let value = self.value(depth.saturating_add(1))?;
                self.values.push(value);
                self.space();
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(Stop::Syntax);
                }
            }
        }
        let id = self.heap.new_list(ListKind::Json)?;
        self.heap.charge(self.values.len().saturating_sub(first))?;
        if let Some(items) = self.heap.items_mut(id) {
            items.extend(self.values.drain(first..));
        }
        Ok(Value::List(id))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Stop> {
        self.pass();
        let first = self.members.len();
        self.space();
        if !self.eat(b'}') {
            loop {
                self.space();
                if self.byte() != Some(b'"') {
                    return Err(Stop::Syntax);
                }
                let key = self.string()?;
                self.space();
                if !self.eat(b':') {
                    return Err(Stop::Syntax);
                }
                self.space();
                let value = self.value(depth.saturating_add(1))?;
                self.members.push((key, value));
                self.space();
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(Stop::Syntax);
                }
            }
        }
        let id = self.heap.new_map(MapKind::Plain)?;
        self.heap.charge(self.members.len().saturating_sub(first))?;
        self.unite(first);
        if let Some(members) = self.heap.members_mut(id) {
            members.extend(self.members.drain(first..));
        }
        Ok(Value::Map(id))
    }

    /// One member a name: the place of the first, the value of the last.
    fn unite(&mut self, first: usize) {
        let count = self.members.len().saturating_sub(first);
        if count <= SCANNED_MAX {
            let bytes = |member: &(Value, Value)| match member.0 {
                Value::Text(text) => text.bytes,
                _ => 0,
            };
            let members = self.members.get(first..).unwrap_or(&[]);
            let is_repeated = members.iter().enumerate().any(|(at, member)| {
                let before = members.get(..at).unwrap_or(&[]).iter().enumerate();
                before
                    .filter(|(_, other)| bytes(other) == bytes(member))
                    .any(|(other, _)| {
                        self.key(first.saturating_add(other)) == self.key(first.saturating_add(at))
                    })
            });
            if !is_repeated {
                return;
            }
        }
        let mut order: Vec<usize> = (first..self.members.len()).collect();
        order.sort_by(|a, b| self.key(*a).cmp(self.key(*b)).then(a.cmp(b)));
        // Each repeated member with the first of its name, in order.
        let mut repeated = Vec::new();
        for run in order.chunk_by(|a, b| self.key(*a) == self.key(*b)) {
            if let Some((head, tail)) = run.split_first() {
                repeated.extend(tail.iter().map(|at| (*at, *head)));
            }
        }
        if repeated.is_empty() {
            return;
        }
        repeated.sort_unstable();
        for (at, head) in &repeated {
            let value = self.members.get(*at).map(|(_, value)| *value);
            if let (Some(value), Some(kept)) = (value, self.members.get_mut(*head)) {
                kept.1 = value;
            }
        }
        let mut dropped = repeated.iter().map(|(at, _)| *at).peekable();
        let mut position: usize = 0;
        self.members.retain(|_| {
            let is_dropped = dropped.next_if_eq(&position).is_some();
            position = position.saturating_add(1);
            !is_dropped
        });
    }

    fn key(&self, at: usize) -> &str {
        match self.members.get(at) {
            Some((Value::Text(text), _)) if text.pool == Pool::Heap => text.of(&self.heap.text),
            Some((Value::Text(text), _)) => {
                let at = text.at.saturating_sub(self.base);
                Text { at, ..*text }.of(self.source)
            }
            _ => "",
        }
    }

    fn string(&mut self) -> Result<Value, Stop> {
        self.pass();
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or(&[]);
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\') || *byte < 0x20;
        self.at = start.saturating_add(rest.iter().position(ends).unwrap_or(rest.len()));
        match self.byte() {
            Some(b'"') => {}
            Some(b'\\') => return self.escaped(start),
            _ => return Err(Stop::Syntax),
        }
        let text = Text {
            pool: self.pool,
            at: self.base.saturating_add(small(start)),
            bytes: small(self.at.saturating_sub(start)),
        };
        self.pass();
        Ok(Value::Text(text))
    }

    /// The rest of a string with escapes, made on the heap.
    fn escaped(&mut self, start: usize) -> Result<Value, Stop> {
        let made = self.heap.text.len();
        let mut from = start;
        loop {
            match self.byte() {
                Some(mark @ (b'"' | b'\\')) => {
                    let plain = self.source.get(from..self.at).unwrap_or("");
                    self.heap.text.push_str(plain);
                    self.pass();
                    if mark == b'"' {
                        return Ok(Value::Text(self.heap.made_since(made)?));
                    }
                    let character = self.escape()?;
                    self.heap.text.push(character);
                    from = self.at;
                }
                Some(0x20..) => self.pass(),
                _ => return Err(Stop::Syntax),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let byte = self.byte().ok_or(Stop::Syntax)?;
        self.pass();
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
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
                let before = self.at;
                if self.eat(b'\\') && self.eat(b'u') {
                    let low = self.unit()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let both = ((high & 0x3ff) << 10 | low & 0x3ff).saturating_add(0x1_0000);
                        return Ok(char::from_u32(both).unwrap_or('?'));
                    }
                }
                // A half without its other prints as Java encodes it.
                self.at = before;
                '?'
            }
            _ => return Err(Stop::Syntax),
        })
    }

    fn unit(&mut self) -> Result<u32, Stop> {
        let end = self.at.saturating_add(4);
        let digits = self.bytes.get(self.at..end).ok_or(Stop::Syntax)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Stop::Syntax);
        }
        let text = std::str::from_utf8(digits).map_err(|_| Stop::Syntax)?;
        self.at = end;
        u32::from_str_radix(text, 16).map_err(|_| Stop::Syntax)
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.pass();
        }
        if self.at == start {
            Err(Stop::Syntax)
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let start = self.at;
        let _ = self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        let mut is_decimal = false;
        if self.eat(b'.') {
            is_decimal = true;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            is_decimal = true;
            self.pass();
            if let Some(b'+' | b'-') = self.byte() {
                self.pass();
            }
            self.digits()?;
        }
        let text = self.source.get(start..self.at).unwrap_or("");
        let kept = Value::Number(Text {
            pool: self.pool,
            at: self.base.saturating_add(small(start)),
            bytes: small(text.len()),
        });
        if !is_decimal {
            return Ok(text.parse().map_or(kept, Value::Int));
        }
        if text.len() > DOUBLE_BYTES_MAX {
            return Ok(kept);
        }
        Ok(text.parse().map_or(kept, Value::Double))
    }
}

/// Up to so many members are compared each with each.
const SCANNED_MAX: usize = 24;
/// Longer decimals keep their text, as the Java library makes big decimals of them.
const DOUBLE_BYTES_MAX: usize = 18;
