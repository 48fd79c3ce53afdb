//! How much work one render has done.
//!
//! Shape: a counter of steps. Units: one step is a node, a method, a value looked at, or
//! [`STEP_BYTES`] bytes read or written. Errors: [`Fault::Steps`] past the bound.

use super::error::{Fault, Halt};

/// Most steps of one render.
pub const STEPS_MAX: u64 = 100_000;
/// Bytes that cost one step, so that few steps over long texts are bounded too.
const STEP_BYTES: usize = 1_024;
/// Members compared for one step.
const STEP_LOOKS: usize = 64;

/// Counts steps.
#[derive(Debug)]
pub(super) struct Meter {
    /// How many may be taken yet.
    left: u64,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter { left: STEPS_MAX }
    }

    #[inline(always)]
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Halt> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => self.exhausted(),
        }
    }

    #[cold]
    fn exhausted(&mut self) -> Result<(), Halt> {
        self.left = 0;
        Err(Fault::Steps { max: STEPS_MAX }.into())
    }

    /// Work on so many bytes.
    #[inline(always)]
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Halt> {
        self.spend_parts(bytes, STEP_BYTES)
    }

    /// So many members or items compared.
    #[inline(always)]
    pub(super) fn spend_looks(&mut self, looks: usize) -> Result<(), Halt> {
        self.spend_parts(looks, STEP_LOOKS)
    }

    /// A step for every so many; most work is less than that.
    #[inline(always)]
    fn spend_parts(&mut self, count: usize, of_a_step: usize) -> Result<(), Halt> {
        if count < of_a_step {
            return Ok(());
        }
        self.spend(u64::try_from(count / of_a_step).unwrap_or(u64::MAX))
    }

    pub(super) fn spent(&self) -> u64 {
        STEPS_MAX.saturating_sub(self.left)
    }
}
