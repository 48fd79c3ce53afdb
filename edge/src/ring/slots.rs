//! The table of operations in flight.
//!
//! ```text
//!          put            wait            land(last)        take
//!  Free ─────────▶ Flying ─────▶ Awaited ───────────▶ Landed ─────▶ Free
//!                    │  └────────────┬──────────────────▲
//!                    └── orphan ─────┴▶ Orphaned ── land(last), discard ──▶ Free
//!
//!  a prompt send that moved everything:  Flying or Awaited ── settle ──▶ Free
//! ```
//!
//! What it is: a fixed slab; an operation never moves while the kernel may touch it. Shape: a
//! slot is one [`Op`], its state and generation. Ranges: `capacity` slots, made once. Errors: a
//! full table refuses the operation. A completion of an old generation is a bug and asserts.
//! Only the last completion frees a slot.

use super::{
    Errno,
    op::{Key, Landing, Op},
};

/// Where an operation stands; see the drawing above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Free { next: u32 },
    Flying,
    Awaited { waiter: u32 },
    Landed { result: i32 },
    Orphaned,
}

struct Slot {
    generation: u32,
    state: State,
    op: Op,
}

/// What the loop does with a landing.
#[derive(Debug)]
pub enum Landed {
    /// Somebody owns it; the operation is still in its slot.
    Owned {
        /// The task to wake; `None` when nobody waits right now.
        waiter: Option<u32>,
    },
    /// Nobody wants it: it was discarded, and this descriptor must be closed.
    Orphan {
        /// A descriptor that arrived too late.
        close: Option<super::Fd>,
    },
}

/// All operations of one core.
pub struct Slots {
    slots: Vec<Slot>,
    capacity: u32,
    free: u32,
    used: u32,
}

const NIL: u32 = u32::MAX;

impl Slots {
    /// A table of at most `capacity` operations. Memory is reserved now, touched when used.
    #[must_use]
    pub fn new(capacity: u32) -> Slots {
        assert!(
            capacity > 0 && capacity < Key::CANCEL,
            "slot capacity {capacity}"
        );
        Slots {
            slots: Vec::with_capacity(capacity as usize),
            capacity,
            free: NIL,
            used: 0,
        }
    }

    /// Takes a slot for `op`.
    ///
    /// # Errors
    /// Gives `op` back when the table is full.
    pub fn put(&mut self, op: Op) -> Result<Key, Op> {
        let index = if self.free != NIL {
            let index = self.free;
            let slot = &mut self.slots[index as usize];
            let State::Free { next } = slot.state else {
                unreachable!("free list holds a used slot")
            };
            self.free = next;
            slot.state = State::Flying;
            slot.op = op;
            index
        } else {
            let index = self.slots.len();
            if index >= self.capacity as usize {
                return Err(op);
            }
            self.slots.push(Slot {
                generation: 1,
                state: State::Flying,
                op,
            });
            u32::try_from(index).unwrap_or(NIL)
        };
        self.used += 1;
        Ok(Key {
            index,
            generation: self.slots[index as usize].generation,
        })
    }

    /// The operation of a slot in flight, at its final address.
    pub fn op(&mut self, key: Key) -> &mut Op {
        &mut self.slot(key).op
    }

    /// Names the task to wake at the landing, or takes the result if it has landed.
    pub fn wait(&mut self, key: Key, waiter: u32) -> Option<i32> {
        let slot = self.slot(key);
        match slot.state {
            State::Landed { result } => Some(result),
            State::Flying | State::Awaited { .. } => {
                slot.state = State::Awaited { waiter };
                None
            }
            State::Free { .. } | State::Orphaned => unreachable!("waiting on {:?}", slot.state),
        }
    }

    /// Leaves the operation to land by itself. `true`: it is in flight and wants a cancel.
    pub fn orphan(&mut self, key: Key) -> bool {
        let slot = self.slot(key);
        match slot.state {
            State::Flying | State::Awaited { .. } => {
                slot.state = State::Orphaned;
                true
            }
            State::Landed { .. } => {
                self.release(key.index);
                false
            }
            State::Free { .. } | State::Orphaned => unreachable!("orphaning {:?}", slot.state),
        }
    }

    /// Books one completion. Orphans are discarded and freed here; for the rest the caller acts
    /// and calls [`Slots::take`] when `landing.more` is false.
    pub fn land(&mut self, landing: &Landing) -> Landed {
        let index = landing.key.index as usize;
        let slot = &mut self.slots[index];
        assert_eq!(
            slot.generation, landing.key.generation,
            "completion of an old generation"
        );
        match slot.state {
            State::Orphaned => {
                let close = slot.op.discard(landing.result);
                if !landing.more {
                    self.release(landing.key.index);
                }
                Landed::Orphan { close }
            }
            State::Flying | State::Awaited { .. } => {
                let waiter = match slot.state {
                    State::Awaited { waiter } => Some(waiter),
                    _ => None,
                };
                if !landing.more {
                    slot.state = State::Landed {
                        result: landing.result,
                    };
                }
                Landed::Owned { waiter }
            }
            State::Free { .. } | State::Landed { .. } => {
                unreachable!("completion for a slot that is {:?}", slot.state)
            }
        }
    }

    /// Frees a landed slot and gives its operation back.
    pub fn take(&mut self, key: Key) -> (Op, i32) {
        let State::Landed { result } = self.slot(key).state else {
            unreachable!("taking an operation in flight")
        };
        (self.release(key.index), result)
    }

    /// Ends a prompt send that has not landed in its turn, and gives it back.
    pub fn settle(&mut self, key: Key) -> Op {
        let slot = self.slot(key);
        let flies = matches!(slot.state, State::Flying | State::Awaited { .. });
        assert!(
            flies && matches!(slot.op, Op::Send { prompt: true, .. }),
            "only a prompt send ends without a landing"
        );
        self.release(key.index)
    }

    /// Slots that are not free.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used
    }

    /// Most slots at once.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    fn slot(&mut self, key: Key) -> &mut Slot {
        let slot = &mut self.slots[key.index as usize];
        assert_eq!(slot.generation, key.generation, "key of an old generation");
        slot
    }

    fn release(&mut self, index: u32) -> Op {
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.state = State::Free { next: self.free };
        self.free = index;
        self.used -= 1;
        std::mem::replace(&mut slot.op, Op::Nop)
    }
}

/// The error of a full slot table.
pub const SLOTS_FULL: Errno = Errno::NO_BUFFERS;

#[cfg(test)]
mod tests {
    use super::*;

    fn landing(key: Key, result: i32, more: bool) -> Landing {
        Landing {
            key,
            result,
            more,
            buffer: None,
        }
    }

    #[test]
    fn life_of_an_operation() {
        let mut slots = Slots::new(1);
        let key = slots.put(Op::Nop).expect("room");
        assert!(slots.put(Op::Nop).is_err(), "full");
        assert_eq!(slots.wait(key, 7), None);
        assert!(matches!(
            slots.land(&landing(key, 5, false)),
            Landed::Owned { waiter: Some(7) }
        ));
        assert_eq!(slots.wait(key, 7), Some(5));
        assert_eq!(slots.take(key).1, 5);
        assert_eq!(slots.used(), 0);
        let again = slots.put(Op::Nop).expect("room");
        assert_ne!(again, key, "the generation moved on");
    }

    #[test]
    fn an_orphaned_accept_closes_what_arrives() {
        let mut slots = Slots::new(4);
        let key = slots
            .put(Op::Accept {
                listener: super::super::Fd(3),
            })
            .expect("room");
        assert!(slots.orphan(key));
        let Landed::Orphan { close } = slots.land(&landing(key, 9, true)) else {
            panic!("orphan")
        };
        assert_eq!(close, Some(super::super::Fd(9)));
        let Landed::Orphan { close } = slots.land(&landing(key, -libc::ECANCELED, false)) else {
            panic!("orphan")
        };
        assert_eq!(close, None);
        assert_eq!(slots.used(), 0);
    }

    #[test]
    #[should_panic(expected = "old generation")]
    fn a_stale_completion_asserts() {
        let mut slots = Slots::new(4);
        let key = slots.put(Op::Nop).expect("room");
        let _ = slots.land(&landing(key, 0, false));
        let _ = slots.take(key);
        let _ = slots.land(&landing(key, 0, false));
    }
}
