//! The template language: from source to program.
//!
//! Shape: `scan` walks the bytes, `statement` finds directives in text, `reference` and
//! `expression` parse what follows `$` and what stands in parentheses; all build a
//! [`program::Program`]. Units: bytes; places count from 1. Errors: [`super::TemplateError`].
//! Source: Apache Velocity 1.7, grammar of its parser.

mod expression;
pub(super) mod program;
mod reference;
mod scan;
mod statement;

pub(super) use scan::parse;

/// Slots that have a value before the template begins, in this order.
pub(super) const GIVEN: [&str; 8] = [
    "input",
    "util",
    "context",
    "stageVariables",
    "foreach",
    "velocityCount",
    "velocityHasNext",
    "bodyContent",
];
/// `$foreach`, by slot.
pub(super) const SLOT_FOREACH: u32 = 4;
/// `$velocityCount`, by slot.
pub(super) const SLOT_COUNT: u32 = 5;
/// `$velocityHasNext`, by slot.
pub(super) const SLOT_HAS_NEXT: u32 = 6;
/// `$bodyContent`, by slot.
pub(super) const SLOT_BODY: u32 = 7;
