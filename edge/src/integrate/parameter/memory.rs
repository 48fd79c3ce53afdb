//! Memory of mappings, kept from run to run.
//!
//! Shape: values lie one after the other in one run of bytes; a slot says whose each is. Units:
//! byte offsets, positions of rules. Errors: [`MappingFault`]. Source: own.

use super::{
    fault::MappingFault,
    source::{Phase, Reading},
};
use crate::{
    base::text::lossy,
    mapping::{Document, Variables},
};
use std::{borrow::Cow, ops::Range};

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

    /// Runs `rules` over one exchange; the payload is looked at only if `reads_body`.
    pub(super) fn run(
        &mut self,
        variables: &dyn Variables,
        phase: Phase,
        reads_body: bool,
        is_lenient: bool,
        rules: impl FnOnce(&mut Reading<'_>, &mut Sink<'_>) -> Result<(), MappingFault>,
    ) -> Result<(), MappingFault> {
        self.text.clear();
        self.slots.clear();
        let payload = match (reads_body, phase) {
            (false, _) => Cow::Borrowed("{}"),
            (true, Phase::Answer) => payload_text(variables.answer_body()),
            (true, Phase::Request | Phase::GatewayResponse) => payload_text(variables.body()),
        };
        let mut reading = Reading {
            variables,
            phase,
            finder: self.document.open(payload.trim_ascii()),
            is_lenient,
            is_json: None,
            scratch: std::mem::take(&mut self.scratch),
        };
        let mut sink = Sink {
            text: &mut self.text,
            slots: &mut self.slots,
        };
        let done = rules(&mut reading, &mut sink);
        self.scratch = reading.scratch;
        done
    }

    /// The values of the last run with their rules.
    pub(super) fn values(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let slots = self.slots.iter();
        slots.map(|slot| (slot.rule, self.text.get(slot.value.clone()).unwrap_or(&[])))
    }
}

/// A payload as text; an empty one is an empty object.
fn payload_text(payload: &[u8]) -> Cow<'_, str> {
    if payload.is_empty() {
        return Cow::Borrowed("{}");
    }
    lossy(payload)
}
