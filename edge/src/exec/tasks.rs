//! The tasks of one core.
//!
//! What it is: a slab of futures and the queue of those that may go on. Shape: a [`TaskId`] is an
//! index and a generation; waking a task that ended is harmless. A task is queued at most once.
//! Ranges: as many tasks as connections plus a handful. Errors: none.

use std::{collections::VecDeque, future::Future, pin::Pin};

use slab::Slab;

use super::timer::Alarm;

/// Names a task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl TaskId {
    /// Names no task.
    pub const NONE: TaskId = TaskId {
        index: u32::MAX,
        generation: 0,
    };
}

pub(super) type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// `None` while it is being polled.
    future: Option<TaskFuture>,
    generation: u32,
    queued: bool,
    alarm: Alarm,
}

/// The slab and the ready queue.
#[derive(Default)]
pub(super) struct Tasks {
    tasks: Slab<Task>,
    ready: VecDeque<TaskId>,
    generation: u32,
}

impl Tasks {
    /// Adds a task and queues it.
    pub(super) fn spawn(&mut self, future: TaskFuture) -> TaskId {
        self.generation = self.generation.wrapping_add(1);
        let task = Task {
            future: Some(future),
            generation: self.generation,
            queued: true,
            alarm: Alarm::default(),
        };
        let index = u32::try_from(self.tasks.insert(task)).unwrap_or(u32::MAX);
        let id = TaskId {
            index,
            generation: self.generation,
        };
        self.ready.push_back(id);
        id
    }

    /// Queues a task, once.
    pub(super) fn wake(&mut self, id: TaskId) {
        if let Some(task) = self.get(id)
            && !task.queued
        {
            task.queued = true;
            self.ready.push_back(id);
        }
    }

    /// Queues the task in a slot of the slab, whichever it is.
    pub(super) fn wake_index(&mut self, index: u32) {
        if let Some(task) = self.tasks.get(index as usize) {
            let id = TaskId {
                index,
                generation: task.generation,
            };
            self.wake(id);
        }
    }

    /// Queues every task.
    pub(super) fn wake_all(&mut self) {
        let ids: Vec<TaskId> = (self.tasks.iter())
            .filter_map(|(index, task)| {
                let index = u32::try_from(index).ok()?;
                Some(TaskId {
                    index,
                    generation: task.generation,
                })
            })
            .collect();
        for id in ids {
            self.wake(id);
        }
    }

    /// Takes the next ready task to poll it.
    pub(super) fn next_ready(&mut self) -> Option<(TaskId, TaskFuture)> {
        while let Some(id) = self.ready.pop_front() {
            if let Some(task) = self.get(id) {
                task.queued = false;
                if let Some(future) = task.future.take() {
                    return Some((id, future));
                }
            }
        }
        None
    }

    /// Puts a polled future back.
    pub(super) fn put_back(&mut self, id: TaskId, future: TaskFuture) {
        if let Some(task) = self.get(id) {
            task.future = Some(future);
        }
    }

    /// Forgets a task that ended.
    pub(super) fn finish(&mut self, id: TaskId) {
        if self.get(id).is_some() {
            self.tasks.remove(id.index as usize);
        }
    }

    pub(super) fn alarm(&mut self, id: TaskId) -> Option<&mut Alarm> {
        self.get(id).map(|task| &mut task.alarm)
    }

    pub(super) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Takes every future out, to be dropped where nothing is borrowed.
    pub(super) fn drain(&mut self) -> Vec<TaskFuture> {
        self.ready.clear();
        std::mem::take(&mut self.tasks)
            .into_iter()
            .filter_map(|(_, task)| task.future)
            .collect()
    }

    fn get(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks
            .get_mut(id.index as usize)
            .filter(|task| task.generation == id.generation)
    }
}
