//! Names with all of their values, in the order in which each name first came.
//!
//! Shape: pairs over one run of bytes, linked by equal names; memory is kept from event to event.
//! Units: positions of pairs, byte offsets. Ranges: a head or a query; with many pairs names are
//! found by sorting, so that thousands of them cost no square. Errors: none. Source: own.

use crate::wire::query::decode_query;
use std::{cmp::Ordering, ops::Range};

#[derive(Debug, Default)]
pub(super) struct Groups {
    text: Vec<u8>,
    pairs: Vec<Pair>,
    /// Positions of pairs by name; only while linking.
    order: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Pair {
    name: Range<usize>,
    value: Range<usize>,
    /// Whether no pair before has this name.
    is_first: bool,
    /// The next pair of this name.
    next: Option<usize>,
    /// The last pair of this name; kept in the first one.
    last: usize,
}

/// One name.
#[derive(Clone, Copy)]
pub(super) struct Group<'g> {
    groups: &'g Groups,
    first: usize,
}

/// Up to so many pairs are compared each with each.
const COMPARED_MAX: usize = 16;

impl Groups {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
    }

    /// A field as it came.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = self.keep(name);
        let value = self.keep(value);
        self.push(name, value);
    }

    /// A field with its name in lower case.
    pub(super) fn add_lower(&mut self, name: &[u8], value: &[u8]) {
        let name = self.keep(name);
        if let Some(kept) = self.text.get_mut(name.clone()) {
            kept.make_ascii_lowercase();
        }
        let value = self.keep(value);
        self.push(name, value);
    }

    /// A pair of a query, decoded.
    pub(super) fn add_query(&mut self, name: &[u8], value: &[u8]) {
        let name = self.keep_decoded(name);
        let value = self.keep_decoded(value);
        self.push(name, value);
    }

    /// Finds out which pairs have one name.
    pub(super) fn link(&mut self, ignores_case: bool) {
        let compare: fn(&[u8], &[u8]) -> Ordering = if ignores_case {
            |a, b| {
                let lower = |byte: &u8| byte.to_ascii_lowercase();
                a.iter().map(lower).cmp(b.iter().map(lower))
            }
        } else {
            Ord::cmp
        };
        if self.pairs.len() <= COMPARED_MAX {
            self.link_few(compare);
        } else {
            self.link_many(compare);
        }
    }

    fn link_few(&mut self, compare: fn(&[u8], &[u8]) -> Ordering) {
        for at in 0..self.pairs.len() {
            let first = (0..at).find(|first| {
                let is_first = self.pairs.get(*first).is_some_and(|pair| pair.is_first);
                is_first && compare(self.name(*first), self.name(at)).is_eq()
            });
            if let Some(first) = first {
                self.join(first, at);
            }
        }
    }

    fn link_many(&mut self, compare: fn(&[u8], &[u8]) -> Ordering) {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(0..self.pairs.len());
        order.sort_unstable_by(|a, b| compare(self.name(*a), self.name(*b)).then(a.cmp(b)));
        let mut first = None;
        for at in &order {
            match first {
                Some(first) if compare(self.name(first), self.name(*at)).is_eq() => {
                    self.join(first, *at);
                }
                _ => first = Some(*at),
            }
        }
        self.order = order;
    }

    /// Puts the pair `at` behind the others of the name of `first`.
    fn join(&mut self, first: usize, at: usize) {
        let last = self.pairs.get(first).map_or(first, |pair| pair.last);
        if let Some(pair) = self.pairs.get_mut(last) {
            pair.next = Some(at);
        }
        if let Some(pair) = self.pairs.get_mut(first) {
            pair.last = at;
        }
        if let Some(pair) = self.pairs.get_mut(at) {
            pair.is_first = false;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The names, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Group<'_>> {
        let firsts = self
            .pairs
            .iter()
            .enumerate()
            .filter(|(_, pair)| pair.is_first);
        firsts.map(|(first, _)| Group {
            groups: self,
            first,
        })
    }

    fn push(&mut self, name: Range<usize>, value: Range<usize>) {
        self.pairs.push(Pair {
            name,
            value,
            is_first: true,
            next: None,
            last: self.pairs.len(),
        });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        start..self.text.len()
    }

    fn keep_decoded(&mut self, raw: &[u8]) -> Range<usize> {
        let kept = self.keep(raw);
        let place = self.text.get_mut(kept.clone()).unwrap_or(&mut []);
        let len = decode_query(raw, place).map_or(0, |decoded| decoded.len());
        let end = kept.start.saturating_add(len);
        self.text.truncate(end);
        kept.start..end
    }

    fn name(&self, at: usize) -> &[u8] {
        let range = self.pairs.get(at).map(|pair| pair.name.clone());
        range.and_then(|range| self.text.get(range)).unwrap_or(&[])
    }

    fn value(&self, at: usize) -> &[u8] {
        let range = self.pairs.get(at).map(|pair| pair.value.clone());
        range.and_then(|range| self.text.get(range)).unwrap_or(&[])
    }
}

impl<'g> Group<'g> {
    pub(super) fn name(self) -> &'g [u8] {
        self.groups.name(self.first)
    }

    /// The last value.
    pub(super) fn last(self) -> &'g [u8] {
        let pair = self.groups.pairs.get(self.first);
        self.groups.value(pair.map_or(self.first, |pair| pair.last))
    }

    /// All values in order.
    pub(super) fn values(self) -> impl Iterator<Item = &'g [u8]> {
        let next = move |at: &usize| self.groups.pairs.get(*at).and_then(|pair| pair.next);
        std::iter::successors(Some(self.first), next).map(move |at| self.groups.value(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(groups: &Groups) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown = groups.iter().map(|group| {
            let values: Vec<String> = group.values().map(text).collect();
            assert_eq!(text(group.last()), *values.last().expect("a value"));
            format!("{}={}", text(group.name()), values.join(","))
        });
        shown.collect()
    }

    #[test]
    fn pairs_of_one_name_stand_together() {
        let mut groups = Groups::default();
        for (name, value) in [("b", "1"), ("A", "2"), ("b", "3"), ("a", "4"), ("b", "")] {
            groups.add(name.as_bytes(), value.as_bytes());
        }
        groups.link(true);
        assert_eq!(shown(&groups), ["b=1,3,", "A=2,4"]);
        groups.clear();
        groups.add_query(b"a%20b", b"1+2");
        groups.add_query(b"A+B", b"%2B");
        groups.add_query(b"a+b", b"%zz");
        groups.link(false);
        assert_eq!(shown(&groups), ["a b=1 2,%zz", "A B=+"]);
        groups.clear();
        groups.add_lower(b"X-Multi", b"V");
        groups.link(false);
        assert_eq!(shown(&groups), ["x-multi=V"]);
    }

    #[test]
    fn many_pairs_are_linked_as_few_are() {
        for count in [COMPARED_MAX, COMPARED_MAX + 1, 4_000] {
            let mut groups = Groups::default();
            let mut expected: Vec<(String, Vec<String>)> = Vec::new();
            for at in 0..count {
                let name = format!("n{}", at * 7 % (count / 2));
                groups.add(name.as_bytes(), at.to_string().as_bytes());
                match expected.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, values)) => values.push(at.to_string()),
                    None => expected.push((name, vec![at.to_string()])),
                }
            }
            groups.link(false);
            let expected = expected.iter();
            let expected = expected.map(|(name, values)| format!("{name}={}", values.join(",")));
            assert_eq!(shown(&groups), expected.collect::<Vec<_>>());
        }
    }
}
