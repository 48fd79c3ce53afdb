//! Memory for requests that are mapped.
//!
//! What it is: payloads, field lines and what templates print into, kept by a core from request to
//! request. Shape: [`Room`] is taken by a mapped request and given back; [`FieldList`] holds lines
//! in one text; `Account` says how much all requests of a core hold. Units: bytes. Ranges: an
//! unused room keeps at most `KEPT_BYTES` of each. Errors: none.

use super::{
    fault::Fault,
    local::Local,
    mapped::{InputMemory, Parameters},
};
use crate::{
    integrate::{
        function::{AnswerReader, EventWriter},
        parameter::MappingMemory,
    },
    mapping::{Document, Output},
    wire::{fault::WriteFault, write::HeadWriter},
};

/// What one mapped request works in.
#[derive(Default)]
pub struct Room {
    /// The client's payload.
    pub(super) body: Vec<u8>,
    /// The backend's payload.
    pub(super) answer: Vec<u8>,
    /// A payload on its way out, when it is none of the others.
    pub(super) out: Vec<u8>,
    /// Fields on their way out.
    pub(super) fields: FieldList,
    /// How long a payload would be that HEAD has left out.
    pub(super) left_out_bytes: Option<u64>,
    /// What templates print into.
    pub(super) output: Output,
    /// What parameter mappings write into.
    pub(super) mapping: MappingMemory,
    /// Outputs that are looked into.
    pub(super) document: Document,
    /// What writes events of functions.
    pub(super) events: EventWriter,
    /// What reads their outputs.
    pub(super) answers: AnswerReader,
    /// What templates read.
    pub(super) inputs: InputMemory,
    /// Path and query parameters on their way out.
    pub(super) parameters: Parameters,
    /// A target on its way out.
    pub(super) target: Vec<u8>,
}

/// Bytes that an unused room keeps of each of its parts.
const KEPT_BYTES: usize = 64 * 1024;

impl Room {
    /// Forgets the request, and memory that the next one hardly needs.
    pub(super) fn clear(&mut self) {
        for bytes in [&mut self.body, &mut self.answer, &mut self.out] {
            bytes.clear();
            bytes.shrink_to(KEPT_BYTES);
        }
        self.inputs.clear(KEPT_BYTES);
        self.parameters.clear(KEPT_BYTES);
        self.fields.clear();
        self.left_out_bytes = None;
        if self.output.text().len() > KEPT_BYTES {
            self.output = Output::new();
        }
    }
}

/// Field lines of a head that is being made.
#[derive(Default, Debug)]
pub struct FieldList {
    text: Vec<u8>,
    rows: Vec<Row>,
}

/// Where name and value end in the text; the name begins where the row before ended.
#[derive(Clone, Copy, Debug)]
struct Row {
    from: usize,
    name_end: usize,
    value_end: usize,
    is_gone: bool,
    /// Its name and its value have been looked at by a parser or a compiler.
    is_verified: bool,
}

impl FieldList {
    /// Appends a line that may be none: whoever writes it looks.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        self.append(name, &[value], false);
    }

    /// The same, its value in parts that stand next to each other.
    pub(super) fn add_parts(&mut self, name: &[u8], value: &[&[u8]]) {
        self.append(name, value, false);
    }

    /// Appends a line whose name and value a parser or a compiler has looked at.
    pub(super) fn add_verified(&mut self, name: &[u8], value: &[u8]) {
        self.append(name, &[value], true);
    }

    fn append(&mut self, name: &[u8], value: &[&[u8]], is_verified: bool) {
        let from = self.text.len();
        self.text.extend_from_slice(name);
        let name_end = self.text.len();
        for part in value {
            self.text.extend_from_slice(part);
        }
        self.rows.push(Row {
            from,
            name_end,
            value_end: self.text.len(),
            is_gone: false,
            is_verified,
        });
    }

    /// Appends a line in the place of all that have this name.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    /// The same with a line that was looked at.
    pub(super) fn set_verified(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.add_verified(name, value);
    }

    /// Removes all lines of this name.
    pub(super) fn remove(&mut self, name: &[u8]) {
        for row in &mut self.rows {
            let known = self.text.get(row.from..row.name_end).unwrap_or(&[]);
            row.is_gone |= known.eq_ignore_ascii_case(name);
        }
    }

    /// Keeps the lines whose name `keeps` likes.
    pub(super) fn retain(&mut self, keeps: impl Fn(&[u8]) -> bool) {
        for row in &mut self.rows {
            row.is_gone |= !keeps(self.text.get(row.from..row.name_end).unwrap_or(&[]));
        }
    }

    /// The value of the last line of this name.
    pub(super) fn last(&self, name: &[u8]) -> Option<&[u8]> {
        let named = self
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.last().map(|(_, value)| value)
    }

    /// All lines in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows().map(|(_, name, value)| (name, value))
    }

    fn rows(&self) -> impl Iterator<Item = (&Row, &[u8], &[u8])> {
        let rows = self.rows.iter().filter(|row| !row.is_gone);
        rows.map(|row| {
            let name = self.text.get(row.from..row.name_end).unwrap_or(&[]);
            let value = self.text.get(row.name_end..row.value_end).unwrap_or(&[]);
            (row, name, value)
        })
    }

    /// Writes all lines.
    ///
    /// # Errors
    /// They do not fit, or one is no field: the writer keeps the fault to its end.
    pub(super) fn write(&self, head: &mut HeadWriter<'_>) {
        self.write_but(b"", head);
    }

    /// The same without the lines named `left_out`.
    ///
    /// # Errors
    /// As [`FieldList::write`].
    pub(super) fn write_but(&self, left_out: &[u8], head: &mut HeadWriter<'_>) {
        for (row, name, value) in self.rows() {
            if name.eq_ignore_ascii_case(left_out) && !left_out.is_empty() {
                continue;
            }
            if row.is_verified {
                head.field_verified(name, value);
            } else {
                head.field(name, value);
            }
        }
    }

    /// Forgets all lines; memory stays.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.rows.clear();
    }
}

/// Why a head could not be made: values that are no field values are the configuration's mistake.
pub(super) fn head_fault(fault: WriteFault) -> Fault {
    match fault {
        WriteFault::Full | WriteFault::Invalid => Fault::Configuration,
    }
}

/// Payload bytes of one request, as its core counts them.
pub(super) struct Account<'l> {
    local: &'l Local,
    bytes: u64,
}

impl<'l> Account<'l> {
    /// Nothing yet.
    pub(super) fn new(local: &'l Local) -> Account<'l> {
        Account { local, bytes: 0 }
    }

    /// The request holds `bytes` now.
    ///
    /// # Errors
    /// All requests of the core together hold more than `bytes_max`, or the core is pressed.
    pub(super) fn holds(&mut self, bytes: u64, bytes_max: u64) -> Result<(), Fault> {
        let others = self.local.payload_bytes.get().saturating_sub(self.bytes);
        let all = others.saturating_add(bytes);
        self.local.payload_bytes.set(all);
        let grows = bytes > self.bytes;
        self.bytes = bytes;
        if grows && (all > bytes_max || self.local.pressure.get().refuses()) {
            return Err(Fault::Overload);
        }
        Ok(())
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let all = self.local.payload_bytes.get();
        self.local.payload_bytes.set(all.saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_replaced_and_removed() {
        let mut fields = FieldList::default();
        fields.add(b"A", b"1");
        fields.add(b"b", b"");
        fields.add(b"a", b"2");
        assert_eq!(fields.last(b"a"), Some(&b"2"[..]));
        fields.set(b"a", b"3");
        let lines: Vec<_> = fields.iter().collect();
        assert_eq!(lines, [(&b"b"[..], &b""[..]), (b"a", b"3")]);
        fields.remove(b"B");
        assert_eq!(fields.last(b"b"), None);
        let mut room = [0; 64];
        let mut head = HeadWriter::new(&mut room);
        fields.write(&mut head);
        assert_eq!(head.end(), Ok(b"a: 3\r\n\r\n".len()));
        fields.add(b"x", b"a\r\nb: c");
        let mut head = HeadWriter::new(&mut room);
        fields.write(&mut head);
        assert_eq!(head.end(), Err(WriteFault::Invalid));
        fields.clear();
        assert_eq!(fields.iter().count(), 0);
    }
}
