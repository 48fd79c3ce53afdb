//! The end of the process, in order.
//!
//! What it is: first `/readyz` says 503 for a while, so that whoever sends traffic stops; then the
//! workers stop accepting, serve what they have, and end; a second call ends at once. Shape:
//! [`end`] for a stop, [`end_for_successor`] after an upgrade, when nobody needs to be warned.
//! Units: milliseconds. Errors: none; connections left at the deadline are cut. Source:
//! RELIABILITY section 9.

use std::rc::Rc;

use sd_notify::NotifyState;
use tidegate_edge::{base::time::Mono, exec::Stream, server::Order};

use super::{
    control::{Control, Phase},
    manager,
};

/// Ends in order; called again, at once.
pub(super) fn end(control: &Rc<Control>) {
    match control.phase.get() {
        Phase::Serving => {
            eprintln!("tidegate: draining");
            manager::tell(&[NotifyState::Stopping]);
            let delay_ms = control.blueprint.borrow().plan.server.drain_delay_ms;
            begin(control, u64::from(delay_ms), Admin::Answers);
        }
        Phase::Draining | Phase::Hurrying => {
            eprintln!("tidegate: ending at once");
            control.phase.set(Phase::Hurrying);
            control.core.wake_all(); // the drain looks at the phase
        }
    }
}

/// Ends in order, because a successor listens on the same sockets and is ready. The end of
/// `successor` tells it that nothing is accepted here any more, and that the store is its own.
pub(super) fn end_for_successor(control: &Rc<Control>, successor: Stream) {
    if control.phase.get() == Phase::Serving {
        begin(control, 0, Admin::HandedOver);
        let (core, control) = (Rc::clone(&control.core), Rc::clone(control));
        core.spawn(async move {
            while control.admission.accepting() > 0 || control.admin.is_accepting() {
                let core = &control.core;
                core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
            }
            // Orders that are being answered are done first; the successor takes the rest.
            while control.admin.is_answering() {
                let core = &control.core;
                core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
            }
            control.keeper.close(control.core.wall());
            drop(successor);
        });
    }
}

/// Who answers operators during the drain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Admin {
    /// This process, with 503 to `/readyz`.
    Answers,
    /// The successor.
    HandedOver,
}

fn begin(control: &Rc<Control>, delay_ms: u64, admin: Admin) {
    control.phase.set(Phase::Draining);
    control.memory.ends_in_order();
    if admin == Admin::HandedOver {
        control.admin.stop(&control.core);
    }
    let task = drain(Rc::clone(control), delay_ms, admin);
    control.core.spawn(task);
}

async fn drain(control: Rc<Control>, delay_ms: u64, admin: Admin) {
    let core = &control.core;
    let hurries = || (control.phase.get() == Phase::Hurrying).then_some(());
    let warned = core.now().plus_ms(delay_ms);
    core.wait_for(warned, hurries).await;
    let deadline_ms = control.blueprint.borrow().plan.server.drain_deadline_ms;
    let deadline = core.now().plus_ms(u64::from(deadline_ms));
    let mut told = Told::default();
    while !has_ended(&control) {
        let hurried = hurries().is_some();
        told.tell(
            &control,
            if hurried { core.now() } else { deadline },
            hurried,
        );
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
    }
    // An operator who asked for this end waits for the answer.
    let answered = core.now().plus_ms(ANSWER_MS);
    while control.admin.is_answering() && core.now() < answered {
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
    }
    if admin == Admin::Answers {
        control.admin.remove();
    }
    core.stop();
}

/// Which workers have their order to drain.
#[derive(Default)]
struct Told {
    workers: Vec<bool>,
    hurried: bool,
}

impl Told {
    fn tell(&mut self, control: &Control, deadline: Mono, hurried: bool) {
        if hurried && !self.hurried {
            self.hurried = true;
            self.workers.clear(); // the new deadline is for all of them
        }
        let workers = control.workers.borrow();
        let posts = workers.as_ref().map_or(&[][..], |workers| workers.posts());
        self.workers.resize(posts.len(), false);
        for (post, told) in posts.iter().zip(&mut self.workers) {
            // A full box is tried again.
            *told = *told || post.send(&control.core, Order::Drain { deadline }).is_ok();
        }
    }
}

fn has_ended(control: &Control) -> bool {
    let workers = control.workers.borrow();
    workers.as_ref().is_none_or(|workers| workers.have_ended())
}

/// How often a drain looks whether it is over.
const LOOK_MS: u64 = 5;
/// Longest wait for an answer under way.
const ANSWER_MS: u64 = 1_000;
