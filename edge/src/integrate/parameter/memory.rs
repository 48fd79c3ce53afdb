//! What mappings of both kinds of API run in, and the memory that they keep from run to run.
//!
//! Shape: [`Rules`] are the rows of one direction; their values lie one after the other in one run
//! of bytes, and a slot says whose each is. Units: byte offsets, positions of rules. Errors:
//! [`MappingFault`]. Source: own.

use super::{
    fault::MappingFault,
    source::{Phase, Reading},
};
use crate::{
    base::text::lossy,
    mapping::{Document, Variables},
};
use std::{borrow::Cow, ops::Range};

/// The rows of one direction.
#[derive(Clone, Debug)]
pub(super) struct Rules<R> {
    phase: Phase,
    rules: Box<[R]>,
    reads_body: bool,
}

impl<R> Rules<R> {
    pub(super) fn new(phase: Phase, rules: Vec<R>, reads_body: impl Fn(&R) -> bool) -> Rules<R> {
        Rules {
            phase,
            reads_body: rules.iter().any(reads_body),
            rules: rules.into(),
        }
    }

    /// Whether one of them needs the payload.
    pub(super) fn reads_body(&self) -> bool {
        self.reads_body
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The values of one exchange with their rows, in document order; `run` puts those of a row
    /// down.
    pub(super) fn run<'m>(
        &'m self,
        variables: &dyn Variables,
        memory: &'m mut MappingMemory,
        is_lenient: bool,
        run: impl Fn(&R, usize, &mut Reading<'_>, &mut Sink<'_>) -> Result<(), MappingFault>,
    ) -> Result<impl Iterator<Item = (&'m R, &'m [u8])>, MappingFault> {
        memory.text.clear();
        memory.slots.clear();
        let payload = match (self.reads_body, self.phase) {
            (false, _) => Cow::Borrowed("{}"),
            (true, Phase::Answer) => payload_text(variables.answer_body()),
            (true, Phase::Request | Phase::GatewayResponse) => payload_text(variables.body()),
        };
        let mut reading = Reading {
            variables,
            phase: self.phase,
            finder: memory.document.open(payload.trim_ascii()),
            is_lenient,
            is_json: None,
            scratch: std::mem::take(&mut memory.scratch),
        };
        let mut sink = Sink {
            text: &mut memory.text,
            slots: &mut memory.slots,
        };
        let mut rules = self.rules.iter().enumerate();
        let done = rules.try_for_each(|(at, rule)| run(rule, at, &mut reading, &mut sink));
        memory.scratch = reading.scratch;
        done?;
        Ok(memory.slots.iter().filter_map(|slot| {
            let rule = self.rules.get(slot.rule)?;
            Some((rule, memory.text.get(slot.value.clone()).unwrap_or(&[])))
        }))
    }
}

/// What a mapping writes into; one serves one core.
#[derive(Debug, Default)]
pub struct MappingMemory {
    document: Document,
    text: Vec<u8>,
    slots: Vec<Slot>,
    scratch: String,
}

/// One value.
#[derive(Debug)]
struct Slot {
    rule: usize,
    value: Range<usize>,
}

/// Where a run puts its values.
pub(super) struct Sink<'s> {
    pub(super) text: &'s mut Vec<u8>,
    slots: &'s mut Vec<Slot>,
}

impl Sink<'_> {
    /// What was appended since `start`.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.text.get(start..).unwrap_or(&[])
    }

    /// Puts `rule` down without a value.
    pub(super) fn mark(&mut self, rule: usize) {
        let end = self.text.len();
        self.slots.push(Slot {
            rule,
            value: end..end,
        });
    }

    /// What was appended since `start` is a value of `rule`; an empty one is none.
    pub(super) fn take(&mut self, rule: usize, start: usize) -> &[u8] {
        let value = start..self.text.len();
        if !value.is_empty() {
            self.slots.push(Slot {
                rule,
                value: value.clone(),
            });
        }
        self.text.get(value).unwrap_or(&[])
    }
}

impl MappingMemory {
    /// A new one.
    #[must_use]
    pub fn new() -> MappingMemory {
        MappingMemory::default()
    }
}

/// A payload as text; an empty one is an empty object.
fn payload_text(payload: &[u8]) -> Cow<'_, str> {
    if payload.is_empty() {
        return Cow::Borrowed("{}");
    }
    lossy(payload)
}
