//! How much work one render has done.
//!
//! Shape: a counter of steps. Units: one step is a node, a method, a value looked at, or
//! [`STEP_BYTES`] bytes read or written. Errors: [`Fault::Steps`] past the bound.

use super::error::Fault;

/// Most steps of one render.
pub const STEPS_MAX: u64 = 100_000;
/// Bytes that cost one step, so that few steps over long texts are bounded too.
const STEP_BYTES: usize = 1_024;
/// Members compared for one step.
const STEP_LOOKS: usize = 64;

/// Counts steps.
#[derive(Debug)]
pub(super) struct Meter {
    spent: u64,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter { spent: 0 }
    }

    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Fault> {
        self.spent = self.spent.saturating_add(steps);
        if self.spent > STEPS_MAX {
            return Err(Fault::Steps { max: STEPS_MAX });
        }
        Ok(())
    }

    /// Work on so many bytes.
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Fault> {
        self.spend(u64::try_from(bytes / STEP_BYTES).unwrap_or(u64::MAX))
    }

    /// So many members or items compared.
    pub(super) fn spend_looks(&mut self, looks: usize) -> Result<(), Fault> {
        self.spend(u64::try_from(looks / STEP_LOOKS).unwrap_or(u64::MAX))
    }

    pub(super) fn spent(&self) -> u64 {
        self.spent
    }
}
