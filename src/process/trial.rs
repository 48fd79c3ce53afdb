//! A reloaded configuration on one worker first.
//!
//! What it is: the first worker serves the new plan for a while, the others go on with the old one;
//! both are counted, and a jump of failures of the gateway's own sends the worker back. The others
//! are the control: what fails there too, a dead origin say, is not the change's fault. Shape:
//! [`run`] says how it went, [`is_worse`] is the rule. Units: milliseconds, percent. Ranges: the
//! rule needs [`ANSWERS_MIN`] answers; what a change breaks more slowly than the trial lasts is
//! not seen. Errors: none. Source: RELIABILITY section 9.

use std::{rc::Rc, sync::Arc};

use tidegate_edge::{base::text::counted, server::Blueprint, telemetry::metrics::Tally};

use super::{
    control::{Control, Phase},
    listeners::Open,
    reload::serve_on,
};

/// How a trial went.
pub(super) enum Verdict {
    /// The first worker serves the new plan.
    Passed,
    /// There was none: everybody still serves the old plan.
    Untried,
    /// The first worker is back with the old plan, and why.
    Reverted(String),
    /// The gateway drains; nobody cares any more.
    Interrupted,
}

/// The worker that tries.
pub(super) const TRIER: usize = 0;
/// Answers by which a plan can be judged.
const ANSWERS_MIN: u64 = 20;
/// How many points more of failures are a jump.
const POINTS_MAX: u64 = 10;
/// How often it is looked.
const LOOK_MS: u64 = 20;

/// Tries `next`, if the settings want that, there is a worker to spare, and no listener changes:
/// a socket is either open or not, and there is no going back to one that was closed.
pub(super) async fn run(control: &Rc<Control>, next: &Arc<Blueprint>, open: &Open) -> Verdict {
    let trial_ms = u64::from(next.plan.process.trial_ms);
    let before = Arc::clone(&control.blueprint.borrow());
    let same_listeners = *open == *control.open.borrow();
    if trial_ms == 0 || workers_count(control) < 2 || !same_listeners {
        return Verdict::Untried;
    }
    let core = &control.core;
    let (mine, others) = (tally(control), tally_of_others(control));
    let old = minus(mine, control.tried_since.get());
    control
        .upstreams
        .watch(core, &[before.as_ref(), next.as_ref()]);
    if !serve_on(control, TRIER, next, open) {
        control.upstreams.watch(core, &[before.as_ref()]);
        return Verdict::Untried;
    }
    let revision = next.plan.revision;
    eprintln!("tidegate: revision {revision} is on trial on one worker for {trial_ms} ms");
    let end = core.now().plus_ms(trial_ms);
    loop {
        core.sleep_until(end.min(core.now().plus_ms(LOOK_MS))).await;
        if control.phase.get() != Phase::Serving {
            return Verdict::Interrupted;
        }
        let tried = minus(tally(control), mine);
        let control_group = minus(tally_of_others(control), others);
        if is_worse(tried, old, control_group) {
            give_back(control, &before).await;
            return Verdict::Reverted(reason(tried, old, control_group));
        }
        if core.now() >= end {
            return Verdict::Passed;
        }
    }
}

/// Sends the worker that tries back to `before`, with the listeners that are open.
pub(super) async fn give_back(control: &Rc<Control>, before: &Arc<Blueprint>) {
    let core = &control.core;
    let open = control.open.borrow().clone();
    // A full box is tried again: nothing but the way back will do.
    while !serve_on(control, TRIER, before, &open) {
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
    }
    control.tried_since.set(tally(control));
    control.upstreams.watch(core, &[before.as_ref()]);
}

/// The rule: enough answers, and failures are more points above what they were before, and above
/// what they are elsewhere, than chance explains.
fn is_worse(tried: Tally, before: Tally, others: Tally) -> bool {
    let others = if others.answers >= ANSWERS_MIN {
        percent(others)
    } else {
        0
    };
    tried.answers >= ANSWERS_MIN && percent(tried) > percent(before).max(others) + POINTS_MAX
}

fn percent(tally: Tally) -> u64 {
    let percent = tally.failures.saturating_mul(100);
    percent.checked_div(tally.answers).unwrap_or(0).min(100)
}

fn reason(tried: Tally, before: Tally, others: Tally) -> String {
    format!(
        "tried on one worker and reverted: the gateway failed {} % of {} there, {} % before \
         the change and {} % on the other workers",
        percent(tried),
        counted(tried.answers, "request"),
        percent(before),
        percent(others)
    )
}

fn workers_count(control: &Control) -> usize {
    let workers = control.workers.borrow();
    workers.as_ref().map_or(0, |workers| workers.posts().len())
}

/// What the worker that tries has answered so far.
pub(super) fn tally(control: &Control) -> Tally {
    control.registry.borrow().tally(TRIER)
}

fn tally_of_others(control: &Control) -> Tally {
    let registry = control.registry.borrow();
    let others = (0..workers_count(control)).filter(|worker| *worker != TRIER);
    others.fold(Tally::default(), |sum, worker| {
        let one = registry.tally(worker);
        Tally {
            answers: sum.answers.wrapping_add(one.answers),
            failures: sum.failures.wrapping_add(one.failures),
        }
    })
}

fn minus(now: Tally, before: Tally) -> Tally {
    Tally {
        answers: now.answers.wrapping_sub(before.answers),
        failures: now.failures.wrapping_sub(before.failures),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_failures_is_worse() {
        let tally = |(failures, answers)| Tally { answers, failures };
        // name, on trial, before, elsewhere (failures of answers), worse
        let rows = [
            ("nothing", (0, 0), (0, 0), (0, 0), false),
            ("well", (0, 1_000), (0, 1_000), (0, 1_000), false),
            ("all fail", (20, 20), (0, 100), (0, 100), true),
            ("too few to tell", (19, 19), (0, 100), (0, 100), false),
            ("ten points", (10, 100), (0, 100), (0, 100), false),
            ("eleven points", (11, 100), (0, 100), (0, 100), true),
            ("as before", (40, 100), (35, 100), (0, 100), false),
            ("more than before", (50, 100), (35, 100), (0, 100), true),
            ("as elsewhere", (100, 100), (0, 100), (95, 100), false),
            ("more than elsewhere", (100, 100), (0, 100), (50, 100), true),
            ("elsewhere too few", (100, 100), (0, 100), (19, 19), true),
            ("nothing before", (100, 100), (0, 0), (0, 0), true),
            ("all failed before", (100, 100), (100, 100), (0, 0), false),
            ("odd counts", (30, 20), (0, 0), (0, 0), true),
        ];
        for (name, tried, before, others, worse) in rows {
            let found = is_worse(tally(tried), tally(before), tally(others));
            assert_eq!(found, worse, "{name}");
        }
    }

    #[test]
    fn counts_are_since_a_moment() {
        let (before, now) = (
            Tally {
                answers: u64::MAX,
                failures: 3,
            },
            Tally {
                answers: 4,
                failures: 3,
            },
        );
        let between = Tally {
            answers: 5,
            failures: 0,
        };
        assert_eq!(minus(now, before), between);
    }
}
