//! The fields of one head: where they lie and which of them the gateway knows.
//!
//! Shape: a vector that keeps its capacity from head to head, and a set of the known names
//! present. Units: none. Ranges: at most 256 fields. Errors: none.
//! Source: RFC 9110 §5, §7.6.1.

use super::{
    known::{HOP, Known},
    span::Span,
};

/// One field line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// The name as it was spelled.
    pub name: Span,
    /// The value without surrounding blanks.
    pub value: Span,
    /// What the name means to the gateway.
    pub known: Known,
    /// Meant for this connection only: never forwarded.
    pub hop_by_hop: bool,
    /// Goes on behind [`REMAPPED_PREFIX`]: under its own name the gateway speaks for itself.
    pub remapped: bool,
}

/// Stands before the name of a field that has to make room for the gateway's own.
pub const REMAPPED_PREFIX: &str = "x-amzn-Remapped-";

impl Field {
    /// Whether it goes on as `name`, in any case; `bytes` is its head.
    #[must_use]
    #[inline]
    pub fn is_named(&self, bytes: &[u8], name: &[u8]) -> bool {
        let name = if self.remapped {
            match name.split_at_checked(REMAPPED_PREFIX.len()) {
                Some((prefix, own)) if prefix.eq_ignore_ascii_case(REMAPPED_PREFIX.as_bytes()) => {
                    own
                }
                _ => return false,
            }
        } else {
            name
        };
        self.name.of(bytes).eq_ignore_ascii_case(name)
    }

    /// What stands before its name where it goes on.
    #[must_use]
    #[inline]
    pub fn prefix(&self) -> &'static [u8] {
        if self.remapped {
            REMAPPED_PREFIX.as_bytes()
        } else {
            b""
        }
    }
}

/// What becomes of a field on its way on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Onward {
    /// It goes on as it is.
    Same,
    /// It ends here.
    Ends,
    /// It goes on under its second name, see [`REMAPPED_PREFIX`].
    Remapped,
}

/// All field lines of a head, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fields {
    list: Vec<Field>,
    present: u128,
}

impl Fields {
    /// No fields, room for `capacity` of them.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Fields {
        Fields {
            list: Vec::with_capacity(capacity),
            present: 0,
        }
    }

    /// All fields in the order they came.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.list.iter()
    }

    /// Number of field lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a field of this name is present.
    #[must_use]
    #[inline]
    pub fn has(&self, known: Known) -> bool {
        self.present & known.bit() != 0
    }

    /// The first field of this name.
    #[must_use]
    pub fn first(&self, known: Known) -> Option<&Field> {
        self.all(known).next()
    }

    /// All fields of this name.
    pub fn all(&self, known: Known) -> impl DoubleEndedIterator<Item = &Field> {
        let list = if self.has(known) {
            self.list.as_slice()
        } else {
            &[]
        };
        list.iter().filter(move |field| field.known == known)
    }

    /// All fields named `name`, in any case; `bytes` is their head.
    pub fn named<'a>(&'a self, bytes: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a Field> {
        let fields = self.list.iter();
        fields.filter(move |field| field.is_named(bytes, name))
    }

    /// Marks what becomes of each field. What goes on under another name is known no more: nobody
    /// takes an endpoint's `Date` for that of the answer.
    pub fn mark_onward(&mut self, onward: impl Fn(&Field) -> Onward) {
        self.present = 0;
        for field in &mut self.list {
            match onward(field) {
                Onward::Same => {}
                Onward::Ends => field.hop_by_hop = true,
                Onward::Remapped => {
                    field.known = Known::Other;
                    field.hop_by_hop = false;
                    field.remapped = true;
                }
            }
            self.present |= field.known.bit();
        }
    }

    /// Adds a field that did not come with the others.
    pub fn add(&mut self, name: Span, value: Span, known: Known) {
        self.push(name, value, known, 0);
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.present = 0;
    }

    /// Adds a field and tells whether one of its known name was there before.
    #[inline]
    pub(super) fn push(&mut self, name: Span, value: Span, known: Known, marks: u8) -> bool {
        let bit = known.bit();
        let again = self.present & bit != 0;
        self.present |= bit;
        self.list.push(Field {
            name,
            value,
            known,
            hop_by_hop: marks & HOP != 0,
            remapped: false,
        });
        again
    }

    /// Makes room for `count` fields; a warm head has it.
    pub(super) fn reserve(&mut self, count: usize) {
        self.list.reserve(count);
    }

    /// Marks every field whose known name is in `names` as meant for this connection only.
    pub(super) fn mark_known(&mut self, names: u128) {
        if self.present & names != 0 {
            for field in &mut self.list {
                field.hop_by_hop |= field.known.bit() & names != 0;
            }
        }
    }

    /// Marks every field that is named `name` and has no known name.
    pub(super) fn mark_named(&mut self, bytes: &[u8], name: &[u8]) {
        for field in self
            .list
            .iter_mut()
            .filter(|field| field.known == Known::Other)
        {
            field.hop_by_hop |= field.name.of(bytes).eq_ignore_ascii_case(name);
        }
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{HeadLimits, ResponseHead, ResponseTo, parse_response, write::HeadWriter};

    #[test]
    fn marked_fields_go_on_under_the_names_that_they_have_then() {
        let bytes = b"HTTP/1.1 200 OK\r\nDate: d\r\nVia: v\r\nserver: s\r\nX-A: 1\r\n\r\n";
        let mut head = ResponseHead::new();
        let (limits, to) = (HeadLimits::default(), ResponseTo::default());
        parse_response(bytes, &limits, to, &mut head).expect("a head");
        let fields = &mut head.fields;
        fields.mark_onward(|field| match field.known {
            Known::Date | Known::Server => Onward::Remapped,
            Known::Via => Onward::Ends,
            _ => Onward::Same,
        });
        for known in [Known::Date, Known::Server] {
            assert!(
                !fields.has(known) && fields.first(known).is_none(),
                "{known:?}"
            );
        }
        for (name, count) in [
            ("date", 0),
            ("Server", 0),
            ("x-amzn-remapped-date", 1),
            ("X-Amzn-Remapped-Server", 1),
            ("x-amzn-remapped-x-a", 0),
            ("x-amzn-remapped-", 0),
            ("x-a", 1),
        ] {
            assert_eq!(
                fields.named(bytes, name.as_bytes()).count(),
                count,
                "{name}"
            );
        }
        let mut room = [0; 128];
        let mut out = HeadWriter::new(&mut room);
        for field in fields.iter().filter(|field| !field.hop_by_hop) {
            out.field_onward(field, bytes);
        }
        let written = out.end().expect("it fits");
        let expected = b"x-amzn-Remapped-Date: d\r\nx-amzn-Remapped-server: s\r\nX-A: 1\r\n\r\n";
        assert_eq!(&room[..written], expected);
    }
}
