//! The clock of a simulated world with many cores.
//!
//! What it is: turns the cores that have something to do, and only those; when none has, time jumps
//! to the next event or deadline. Shape: [`Driver`] knows for each core whether it is in line and
//! when it wants to be woken. Units: virtual nanoseconds. Errors: none. Source: as `sim::world`,
//! which turns every core in every round: with two hundred of them that would be all the work.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    rc::Rc,
};

use crate::{base::time::Mono, exec::Core, ring::sim::World};

/// Cores and their clock.
pub(super) struct Driver {
    world: World,
    /// By ring; `None`: it has ended.
    cores: Vec<Option<Rc<Core>>>,
    in_line: Vec<bool>,
    line: VecDeque<usize>,
    /// When each core wants to be woken.
    due_ns: Vec<u64>,
    deadlines: BinaryHeap<Reverse<(u64, usize)>>,
    awake: Vec<usize>,
}

impl Driver {
    pub(super) fn new(world: &World) -> Driver {
        Driver {
            world: world.clone(),
            cores: Vec::new(),
            in_line: Vec::new(),
            line: VecDeque::new(),
            due_ns: Vec::new(),
            deadlines: BinaryHeap::new(),
            awake: Vec::new(),
        }
    }

    /// Turns `core`, which is on ring `ring`, from now on.
    pub(super) fn add(&mut self, ring: usize, core: &Rc<Core>) {
        if self.cores.len() <= ring {
            self.cores.resize(ring + 1, None);
            self.in_line.resize(ring + 1, false);
            self.due_ns.resize(ring + 1, u64::MAX);
        }
        self.cores[ring] = Some(Rc::clone(core));
        self.stand_in_line(ring);
    }

    /// Turns the core of `ring` no more.
    pub(super) fn remove(&mut self, ring: usize) {
        if let Some(core) = self.cores.get_mut(ring) {
            *core = None;
        }
    }

    fn stand_in_line(&mut self, ring: usize) {
        if let Some(stands) = self.in_line.get_mut(ring)
            && !std::mem::replace(stands, true)
        {
            self.line.push_back(ring);
        }
    }

    /// Lets everything happen until `until`.
    pub(super) fn run(&mut self, until: Mono) {
        let mut turns_in_place = 0u32;
        loop {
            self.wake_landed();
            if let Some(ring) = self.line.pop_front() {
                self.turn(ring);
                turns_in_place += 1;
                if turns_in_place == TURNS_IN_PLACE_MAX {
                    // Somebody waits for time to pass without saying so.
                    turns_in_place = 0;
                    self.world.advance(self.world.now().plus_ns(STEP_NS));
                }
                continue;
            }
            turns_in_place = 0;
            let next = self.next();
            if next > until {
                self.world.advance(until);
                return;
            }
            self.world.advance(next);
            while let Some(Reverse((due_ns, ring))) = self.deadlines.peek().copied()
                && due_ns <= next.0
            {
                self.deadlines.pop();
                if self.due_ns[ring] == due_ns {
                    self.due_ns[ring] = u64::MAX;
                    self.stand_in_line(ring);
                }
            }
        }
    }

    /// When something happens next.
    pub(super) fn next(&mut self) -> Mono {
        while let Some(Reverse((due_ns, ring))) = self.deadlines.peek().copied()
            && self.due_ns[ring] != due_ns
        {
            self.deadlines.pop(); // it has changed its mind
        }
        let due_ns = self
            .deadlines
            .peek()
            .map_or(u64::MAX, |Reverse((at, _))| *at);
        self.world.next_event().min(Mono(due_ns))
    }

    fn wake_landed(&mut self) {
        let mut awake = std::mem::take(&mut self.awake);
        self.world.take_awake(&mut awake);
        for ring in awake.drain(..) {
            self.stand_in_line(ring);
        }
        self.awake = awake;
    }

    fn turn(&mut self, ring: usize) {
        self.in_line[ring] = false;
        let Some(core) = &self.cores[ring] else {
            return;
        };
        let turn = core.turn(false);
        if turn.ran + turn.landed + turn.ready > 0 {
            self.stand_in_line(ring);
        } else if self.due_ns[ring] != turn.next.0 {
            self.due_ns[ring] = turn.next.0;
            if turn.next != Mono::FAR {
                self.deadlines.push(Reverse((turn.next.0, ring)));
            }
        }
    }
}

/// Turns without time passing before a step is forced.
const TURNS_IN_PLACE_MAX: u32 = 100_000;
const STEP_NS: u64 = 1_000;
