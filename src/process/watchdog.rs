//! A worker that has stopped turning ends the process.
//!
//! What it is: a task on the control core that looks at each worker's count of turns. A healthy
//! worker publishes it at least once a second, idle or not; one that does not is stuck in our own
//! code, and its connections with it. Shape: [`Heartbeats`] counts looks without a change. Units:
//! looks of [`LOOK_MS`], not time: a process that was stopped and continued is not stuck. Errors:
//! an abort whose message names the worker. Source: RELIABILITY section 7, rule 8.

use std::rc::Rc;

use tidegate_edge::telemetry::metrics::Metric;

use super::control::Control;

/// What was seen of the workers' turns.
#[derive(Default, Debug)]
pub(super) struct Heartbeats {
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    turns: u64,
    missed: u32,
}

impl Heartbeats {
    /// Notes the turns of every worker (`None`: it has ended) and gives the first one that is
    /// stuck.
    pub(super) fn look(&mut self, turns: impl Iterator<Item = Option<u64>>) -> Option<usize> {
        let mut stuck = None;
        for (index, turns) in turns.enumerate() {
            if self.seen.len() <= index {
                self.seen.push(Seen::default());
            }
            let seen = &mut self.seen[index];
            match turns {
                Some(turns) if turns == seen.turns => seen.missed += 1,
                Some(turns) => *seen = Seen { turns, missed: 0 },
                None => seen.missed = 0,
            }
            if seen.missed > MISSED_MAX && stuck.is_none() {
                stuck = Some(index);
            }
        }
        stuck
    }
}

/// Looks until the process ends.
pub(super) async fn watch(control: Rc<Control>) {
    let mut heartbeats = Heartbeats::default();
    let core = Rc::clone(&control.core);
    loop {
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
        let stuck = {
            let (registry, workers) = (control.registry.borrow(), control.workers.borrow());
            let Some(workers) = &*workers else { continue };
            heartbeats.look((0..workers.posts().len()).map(|index| {
                let metrics = registry.core(index)?;
                (!workers.has_ended(index)).then(|| metrics.cell(Metric::RingTurns).get())
            }))
        };
        if let Some(index) = stuck {
            eprintln!(
                "tidegate: aborting: worker {index} has not turned for {STUCK_MS} ms; \
                 this is a fault of the program itself"
            );
            std::process::abort();
        }
    }
}

const LOOK_MS: u64 = 250;
/// Looks without a change before a worker counts as stuck.
const MISSED_MAX: u32 = 11;
/// A worker says that it lives once a second.
const BEAT_MS: u64 = 1_000;
/// The least time that a worker found stuck has been so.
const STUCK_MS: u64 = LOOK_MS * (MISSED_MAX as u64 + 1) - BEAT_MS;
const _: () = assert!(STUCK_MS >= 2_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_that_stands_still_for_long_is_stuck() {
        // Turns of worker 1 at each look; worker 0 always turns.
        let patience = MISSED_MAX as usize;
        let rows: [(&str, Vec<Option<u64>>, Option<usize>); 4] = [
            ("turns", (1..40).map(Some).collect(), None),
            ("slow", (1..40).map(|n| Some(1 + n / 4)).collect(), None),
            ("stands", vec![Some(7); patience + 2], Some(1)),
            ("has ended", vec![None; 40], None),
        ];
        for (name, turns, expected) in rows {
            let mut heartbeats = Heartbeats::default();
            let mut found = None;
            for (look, turns) in (1u64..).zip(turns) {
                found = found.or(heartbeats.look([Some(look), turns].into_iter()));
            }
            assert_eq!(found, expected, "{name}");
        }
        let mut heartbeats = Heartbeats::default();
        for look in 0..=patience {
            assert_eq!(heartbeats.look([Some(7)].into_iter()), None, "{look}");
        }
    }
}
