//! Vary: which request fields select among the stored responses of one URI.
//!
//! Shape: names sorted, lower-case, each once; written as a count and length-prefixed names, and
//! in a record each with the value that the storing request had. Units: bytes. Ranges: up to 16
//! names of up to 255 bytes. Errors: `*`, a name that is no token or too many of them give `None`,
//! and the response is not stored; written names that do not read back whole give `None`, a miss.
//! Source: RFC 9110 section 12.5.5; RFC 9111 section 4.1.

use super::{
    facts::Response,
    select::{self, Normalise, Out, Same, Sink},
};
use crate::wire::{Fields, Known, token};

/// Most names that are told apart.
pub const VARY_NAMES_MAX: usize = 16;

/// Names of request fields, sorted, each once, in any case.
#[derive(Clone, Copy, Debug)]
pub struct VaryNames<'a> {
    names: [&'a [u8]; VARY_NAMES_MAX],
    count: usize,
}

impl<'a> VaryNames<'a> {
    /// No names.
    #[must_use]
    pub fn none() -> VaryNames<'a> {
        VaryNames {
            names: [&[]; VARY_NAMES_MAX],
            count: 0,
        }
    }

    /// The names in the Vary lines of `response`; `None` when nothing can match them.
    #[must_use]
    pub fn of_response(response: &Response<'a>) -> Option<VaryNames<'a>> {
        let mut names = VaryNames::none();
        for name in response.lines(Known::Vary).flat_map(token::list) {
            if name == b"*" || !token::is_token(name) || name.len() > NAME_BYTES_MAX {
                return None;
            }
            names.insert(name)?;
        }
        Some(names)
    }

    /// These names and `others`; `None` when they are too many.
    #[must_use]
    pub fn with(mut self, others: &VaryNames<'a>) -> Option<VaryNames<'a>> {
        for name in others.iter() {
            self.insert(name)?;
        }
        Some(self)
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.names.into_iter().take(self.count)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether both have the same names.
    #[must_use]
    pub fn is_same(&self, other: &VaryNames<'_>) -> bool {
        self.count == other.count
            && self
                .iter()
                .zip(other.iter())
                .all(|(a, b)| a.eq_ignore_ascii_case(b))
    }

    fn insert(&mut self, name: &'a [u8]) -> Option<()> {
        let mut at = 0;
        for known in self.iter() {
            match compare(known, name) {
                std::cmp::Ordering::Less => at += 1,
                std::cmp::Ordering::Equal => return Some(()),
                std::cmp::Ordering::Greater => break,
            }
        }
        let end = self.count + 1;
        let room = self.names.get_mut(at..end)?;
        room.rotate_right(1);
        *room.first_mut()? = name;
        self.count = end;
        Some(())
    }

    /// Writes the names.
    pub(super) fn write(&self, out: &mut Out<'_>) {
        out.put(&[u8::try_from(self.count).unwrap_or(0)]);
        for name in self.iter() {
            write_name(name, out);
        }
    }

    /// Reads all of `bytes`, which [`Self::write`] wrote.
    pub(super) fn read(bytes: &'a [u8]) -> Option<VaryNames<'a>> {
        let mut names = VaryNames::none();
        let (&count, mut rest) = bytes.split_first()?;
        for _ in 0..count {
            names.insert(read_name(&mut rest)?)?;
        }
        (rest.is_empty() && names.count == usize::from(count)).then_some(names)
    }

    /// Writes the names, each with its value in the request of `fields`.
    pub(super) fn write_values(
        &self,
        fields: &Fields,
        bytes: &[u8],
        normalise: Normalise,
        out: &mut Out<'_>,
    ) {
        out.put(&[u8::try_from(self.count).unwrap_or(0)]);
        for name in self.iter() {
            write_name(name, out);
            out.sized(|out| select::value(fields, bytes, name, normalise, out));
        }
    }
}

/// Names with the values that select a stored response, as written in its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Selecting<'a>(&'a [u8]);

impl<'a> Selecting<'a> {
    /// Reads `bytes`, all of which [`VaryNames::write_values`] wrote.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Selecting<'a>> {
        let (&count, mut rest) = bytes.split_first()?;
        if usize::from(count) > VARY_NAMES_MAX {
            return None;
        }
        for _ in 0..count {
            read_name(&mut rest)?;
            read_sized(&mut rest)?;
        }
        rest.is_empty().then_some(Selecting(bytes))
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.first() == Some(&0)
    }

    /// The names and their values, mode byte first.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0.get(1..).unwrap_or(&[]);
        std::iter::from_fn(move || Some((read_name(&mut rest)?, read_sized(&mut rest)?)))
    }

    /// Whether the request of `fields` has the same values.
    #[must_use]
    #[inline]
    pub fn matches(&self, fields: &Fields, bytes: &[u8], normalise: Normalise) -> bool {
        self.iter().all(|(name, expected)| {
            let mut same = Same::as_in(expected);
            select::value(fields, bytes, name, normalise, &mut same);
            same.is_whole()
        })
    }
}

fn write_name(name: &[u8], out: &mut Out<'_>) {
    out.put(&[u8::try_from(name.len()).unwrap_or(0)]);
    out.put_lower(name);
}

fn read_name<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&len, behind) = rest.split_first()?;
    let (name, behind) = behind.split_at_checked(usize::from(len))?;
    *rest = behind;
    (!name.is_empty()).then_some(name)
}

/// What [`Out::sized`] wrote.
pub(super) fn read_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, behind) = rest.split_first_chunk::<2>()?;
    let (value, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    *rest = behind;
    Some(value)
}

fn compare(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let b = b.iter().map(u8::to_ascii_lowercase);
    a.iter().map(u8::to_ascii_lowercase).cmp(b)
}

const NAME_BYTES_MAX: usize = 255;
