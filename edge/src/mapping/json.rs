//! A JSON document as parts, or as values.
//!
//! Shape: [`skim`] goes once over the bytes, with what is open on a stack, proves that they are
//! JSON and leaves a [`Part`] for each value; [`value`] and [`made`] make values of parts when
//! somebody asks, [`parse`] makes all of them. Texts without escapes stay ranges of the document,
//! and so does a container that prints as it is written. Members keep their order, a repeated name
//! keeps its first place and its last value. Units: bytes. Errors: `None` for a text that is no
//! JSON or nests deeper than `DATA_DEPTH_MAX`; [`Fault`] when the heap is full. Source: RFC 8259.
//! Decimals become doubles as Java reads them; longer numbers keep their text.

mod escape;
mod make;
mod names;
mod part;
mod skim;

pub(super) use make::{Source, made, number, printable, value};
pub(super) use part::{Kind, Part, count_of, item_at, member_at, part_at};
pub(super) use skim::{Open, skim};

use super::{
    error::{Fault, Halt},
    value::{Heap, Pool, Value, small},
};

/// Reads `source`, which is what `pool` calls the text at `base`, and makes all of its values.
pub(super) fn parse(
    heap: &mut Heap,
    source: &str,
    pool: Pool,
    base: u32,
) -> Result<Option<Value>, Halt> {
    // Places are counted in 32 bits.
    if base.checked_add(small(source.len())).is_none() {
        return Err(Fault::Memory.into());
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

#[cfg(test)]
mod tests;
