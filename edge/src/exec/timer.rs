//! One deadline per task, kept lazily.
//!
//! What it is: a heap of (deadline, task). A task that moves its deadline later touches nothing:
//! the earlier entry fires, finds the task's deadline still ahead, and is put back. Keep-alive
//! connections move theirs with every request, so this is the common case. Shape: binary heap,
//! at most one valid entry a task. Units: [`Mono`]. Errors: none.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::base::time::Mono;

use super::tasks::TaskId;

/// The deadline a task has, and the one its heap entry has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alarm {
    deadline: Mono,
    armed: Mono,
}

impl Default for Alarm {
    fn default() -> Alarm {
        Alarm {
            deadline: Mono::FAR,
            armed: Mono::FAR,
        }
    }
}

/// The deadlines of a core.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Mono, TaskId)>>,
}

impl Timers {
    /// Sets the deadline of `task`.
    pub(super) fn set(&mut self, task: TaskId, alarm: &mut Alarm, deadline: Mono) {
        alarm.deadline = deadline;
        if deadline < alarm.armed {
            alarm.armed = deadline;
            self.heap.push(Reverse((deadline, task)));
        }
    }

    /// The earliest entry, an idle task's outdated one included.
    pub(super) fn next(&self) -> Mono {
        self.heap.peek().map_or(Mono::FAR, |Reverse((at, _))| *at)
    }

    /// Takes the next entry that is due.
    pub(super) fn pop_due(&mut self, now: Mono) -> Option<(Mono, TaskId)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Judges an entry: `true` when the task's deadline has come; puts it back when it has not.
    pub(super) fn fired(&mut self, at: Mono, task: TaskId, alarm: &mut Alarm, now: Mono) -> bool {
        if alarm.armed != at {
            return false; // an earlier entry replaced this one
        }
        alarm.armed = Mono::FAR;
        if alarm.deadline <= now {
            return true;
        }
        let deadline = alarm.deadline;
        if deadline != Mono::FAR {
            self.set(task, alarm, deadline);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_deadline_moves_without_an_entry_and_still_fires() {
        let (mut timers, mut alarm) = (Timers::default(), Alarm::default());
        let task = TaskId {
            index: 1,
            generation: 1,
        };
        timers.set(task, &mut alarm, Mono(10));
        timers.set(task, &mut alarm, Mono(30));
        assert_eq!(timers.heap.len(), 1);
        let (at, _) = timers.pop_due(Mono(10)).expect("the old entry");
        assert!(!timers.fired(at, task, &mut alarm, Mono(10)));
        assert!(timers.pop_due(Mono(29)).is_none());
        let (at, _) = timers.pop_due(Mono(30)).expect("put back");
        assert!(timers.fired(at, task, &mut alarm, Mono(30)));
    }

    #[test]
    fn an_earlier_deadline_outdates_the_old_entry() {
        let (mut timers, mut alarm) = (Timers::default(), Alarm::default());
        let task = TaskId {
            index: 1,
            generation: 1,
        };
        timers.set(task, &mut alarm, Mono(30));
        timers.set(task, &mut alarm, Mono(10));
        let (at, _) = timers.pop_due(Mono(10)).expect("due");
        assert!(timers.fired(at, task, &mut alarm, Mono(10)));
        let (at, _) = timers.pop_due(Mono(30)).expect("outdated");
        assert!(!timers.fired(at, task, &mut alarm, Mono(30)));
    }
}
