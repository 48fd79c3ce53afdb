//! Several cores of one simulated world, driven on one thread.
//!
//! What it is: the scheduler of a simulation. Shape: rounds of turns in an order the seed picks;
//! when no core has anything left to do, time jumps to the next event or deadline. Units: virtual
//! time. Errors: none; see [`Ran`]. Source: RELIABILITY section 10.

use std::rc::Rc;

use crate::{base::time::Mono, exec::Core, ring::sim::World};

/// Why a run came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ran {
    /// No core has a task left.
    Finished,
    /// Tasks are left, but nothing will ever wake them.
    Stuck,
    /// The time given is over.
    TimeOver,
}

/// Turns `cores` until all their tasks have ended, nothing can happen any more, or `until`.
pub fn run(world: &World, cores: &[Rc<Core>], until: Mono) -> Ran {
    let mut order: Vec<usize> = (0..cores.len()).collect();
    loop {
        shuffle(world, &mut order);
        let (mut idle, mut next) = (true, Mono::FAR);
        for place in &order {
            if stalls(world) {
                idle = false;
                continue;
            }
            let turn = cores[*place].turn(false);
            idle &= turn.ran == 0 && turn.landed == 0 && turn.ready == 0;
            next = next.min(turn.next);
        }
        if cores.iter().all(|core| core.tasks_count() == 0) {
            return Ran::Finished;
        }
        if world.now() >= until {
            return Ran::TimeOver;
        }
        if !idle || world.has_unreaped() {
            world.advance(world.now().plus_ns(ROUND_NS));
            continue;
        }
        let next = next.min(world.next_event());
        if next == Mono::FAR {
            return Ran::Stuck;
        }
        world.advance(next.min(until));
    }
}

/// Lets every core end what it does; afterwards all may be dropped.
pub fn shutdown(cores: &[Rc<Core>]) {
    for core in cores {
        core.shutdown();
    }
}

fn stalls(world: &World) -> bool {
    let per_mille = world.faults().core_stall;
    per_mille > 0 && world.draw() % 1000 < per_mille
}

fn shuffle(world: &World, order: &mut [usize]) {
    for last in (1..order.len()).rev() {
        let bound = u64::try_from(last).unwrap_or(0) + 1;
        let other = usize::try_from(world.draw() % bound).unwrap_or(0);
        order.swap(last, other);
    }
}

/// What a round costs, so that a task that only yields still sees time pass.
const ROUND_NS: u64 = 1_000;
