//! The exchange that the tables of tests are about.
//!
//! Shape: lists of names and values. Units: bytes. Errors: none. Source: own.

use crate::mapping::{ParameterPlace, Variables};
use std::borrow::Cow;

/// One exchange.
#[derive(Clone, Copy)]
pub(super) struct Fixture {
    pub(super) body: &'static str,
    pub(super) answer_body: &'static str,
}

const CONTEXT: &[(&str, &str)] = &[
    ("requestId", "r-1"),
    ("identity.sourceIp", "203.0.113.9"),
    ("empty", ""),
];
const STAGE: &[(&str, &str)] = &[("alias", "DEV"), ("none", "")];
const PATH: &[(&str, &str)] = &[("id", "a%2Fb")];
const QUERY: &[(&str, &str)] = &[
    ("q", "first"),
    ("one", "1"),
    ("q", "last one"),
    ("none", ""),
];
const HEADER: &[(&str, &str)] = &[("X-A", "h1"), ("X-A", "h2"), ("X-Empty", "")];
const ANSWER: &[(&str, &str)] = &[("X-R", "r1"), ("X-R", "r2"), ("Location", "/x")];

fn all<'f>(rows: &'f [(&str, &str)], name: &str) -> impl DoubleEndedIterator<Item = &'f [u8]> {
    let named = rows.iter().filter(move |(known, _)| *known == name);
    named.map(|(_, value)| value.as_bytes())
}

fn place_rows(place: ParameterPlace) -> &'static [(&'static str, &'static str)] {
    match place {
        ParameterPlace::Path => PATH,
        ParameterPlace::Query => QUERY,
        ParameterPlace::Header => HEADER,
    }
}

impl Variables for Fixture {
    fn context(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        all(CONTEXT, name).next_back().map(Cow::Borrowed)
    }

    fn stage_variable(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        all(STAGE, name).next_back().map(Cow::Borrowed)
    }

    fn parameter(&self, place: ParameterPlace, name: &str) -> Option<Cow<'_, [u8]>> {
        all(place_rows(place), name).next_back().map(Cow::Borrowed)
    }

    fn each_parameter(&self, place: ParameterPlace, name: &str, each: &mut dyn FnMut(&[u8])) {
        all(place_rows(place), name).for_each(each);
    }

    fn path(&self) -> &[u8] {
        b"/pets/a%2Fb"
    }

    fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }

    fn answer_header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        all(ANSWER, name).next_back().map(Cow::Borrowed)
    }

    fn each_answer_header(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        all(ANSWER, name).for_each(each);
    }

    fn answer_body(&self) -> &[u8] {
        self.answer_body.as_bytes()
    }
}
