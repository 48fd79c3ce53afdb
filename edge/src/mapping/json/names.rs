//! Names of one object that are the same.
//!
//! Shape: a name has a mark of two bits, and only a name whose bits have been seen is compared with
//! others; [`Names`] knows where names lie. Units: bytes. Errors: none. Source: RFC 8259 section 4
//! leaves repeated names open; `java.util.LinkedHashMap` keeps the first place and the last value.

use super::super::value::{Member, Pool, Value};
use rapidhash::v3::rapidhash_v3;

/// Two bits for a name that begins `word`; `ends` marks where it ends there, 0 if it does not.
#[inline(always)]
pub(super) fn mark(word: u64, ends: u64) -> u64 {
    // All of the name, and of the quote behind it what is below the mark.
    let below = ends & ends.wrapping_neg();
    let mixed = (word & below.wrapping_sub(1)).wrapping_mul(MIXER);
    1 << (mixed >> 58) | 1 << (mixed >> 52 & 63)
}

/// Whether names differ, and their hashes too.
pub(super) fn are_unique<'n>(names: impl Iterator<Item = &'n [u8]>) -> bool {
    let mut hashes: Vec<u64> = names.map(rapidhash_v3).collect();
    hashes.sort_unstable();
    // Unlike names of one hash only cost a closer look.
    hashes.is_sorted_by(|a, b| a < b)
}

/// Names of one object, which lie in the source or on the heap.
#[derive(Clone, Copy)]
pub(super) struct Names<'n> {
    pub(super) source: &'n [u8],
    pub(super) base: u32,
    pub(super) made: &'n [u8],
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

    /// One member a name, at the place of the first and with the value of the last; `None` if that
    /// is how they are.
    pub(super) fn united(self, members: &[Member]) -> Option<Vec<Member>> {
        if are_unique(members.iter().map(|[key, _]| self.of(*key))) {
            return None;
        }
        let mut members = members.to_vec();
        let key = |members: &[Member], at: usize| {
            members.get(at).map_or(&b""[..], |[key, _]| self.of(*key))
        };
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|a, b| key(&members, *a).cmp(key(&members, *b)).then(a.cmp(b)));
        // Each repeated member with the first of its name, in order.
        let mut repeated = Vec::new();
        for run in order.chunk_by(|a, b| key(&members, *a) == key(&members, *b)) {
            if let Some((head, tail)) = run.split_first() {
                repeated.extend(tail.iter().map(|at| (*at, *head)));
            }
        }
        if repeated.is_empty() {
            return None;
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
        Some(members)
    }
}

/// Odd, with bits all over.
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;
