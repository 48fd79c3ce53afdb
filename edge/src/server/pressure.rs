//! How pressed a core is, looked at ten times a second.
//!
//! What it is: the worst of three causes, in percent, makes the core's
//! [`Step`](crate::pipeline::Step). Memory: the core's buffers that are not free (no answer can be
//! written into those lent to the kernel), and what the process holds of what it may. Files:
//! client connections of what is allowed, and sockets of the open-file limit. Lag: how late the
//! look itself comes, which is what every task of the core waits too. Shape: [`HostLoad`] is what
//! all cores share, `Watch` what a core remembers from one look to the next. Units: percent,
//! nanoseconds. Errors: none; a limit of 0 presses nobody. Source: RELIABILITY section 3.

use std::{
    rc::Rc,
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
};

use super::{admission::Admission, worker::Worker};
use crate::{
    base::time::NS_PER_MS, exec::Core, model::settings::Limits, pipeline::Local,
    telemetry::metrics::Metric,
};

/// What the cores of a host share.
#[derive(Default, Debug)]
pub struct HostLoad {
    /// Descriptors that the process may have; 0: nobody said.
    files_max: AtomicU64,
    /// Sockets of all cores, as of each one's last look.
    sockets: AtomicU64,
    /// Memory in use, of what the process may have.
    memory_percent: AtomicU8,
}

impl HostLoad {
    /// The process may have `count` descriptors.
    pub fn set_files_max(&self, count: u64) {
        self.files_max.store(count, Ordering::Relaxed);
    }

    /// The process holds `percent` of the memory that it may have.
    pub fn set_memory_percent(&self, percent: u8) {
        self.memory_percent.store(percent, Ordering::Relaxed);
    }

    /// One core has `now` sockets, and had `before`; gives the sum over all.
    fn recount_sockets(&self, before: u64, now: u64) -> u64 {
        let change = now.wrapping_sub(before); // the sum wraps with it
        let sum = self.sockets.fetch_add(change, Ordering::Relaxed);
        sum.wrapping_add(change)
    }
}

/// The causes of pressure, each in percent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Causes {
    memory: u8,
    files: u8,
    lag: u8,
}

impl Causes {
    fn worst(self) -> u8 {
        self.memory.max(self.files).max(self.lag)
    }
}

/// What a core remembers.
#[derive(Default)]
struct Watch {
    /// Sockets as told to the host.
    sockets: u64,
    lag: Lag,
}

/// Half of it is the newest look, so that one long turn alone sheds nothing.
#[derive(Default)]
struct Lag {
    smooth_ns: u64,
}

impl Lag {
    /// Notes a look that came `late_ns` late; gives the percentage of `max_ns`.
    fn note(&mut self, late_ns: u64, max_ns: u64) -> u8 {
        self.smooth_ns = self.smooth_ns.min(max_ns).midpoint(late_ns.min(max_ns));
        percent(self.smooth_ns, max_ns)
    }
}

impl Watch {
    fn look(
        &mut self,
        core: &Core,
        admission: &Admission,
        limits: &Limits,
        late_ns: u64,
    ) -> Causes {
        let load = admission.load();
        let buffers = core.pool().count();
        let held = buffers.saturating_sub(core.pool().free_count());
        let host_memory = load.memory_percent.load(Ordering::Relaxed);
        let sockets = core.sockets_open() as u64;
        let all_sockets = load.recount_sockets(self.sockets, sockets);
        self.sockets = sockets;
        let files_max = load.files_max.load(Ordering::Relaxed);
        let connections = percent(admission.open().into(), limits.connections_max.into());
        let lag_max_ns = u64::from(limits.lag_ms_max).saturating_mul(NS_PER_MS);
        Causes {
            memory: percent(held as u64, buffers as u64).max(host_memory.min(100)),
            files: connections.max(percent(all_sockets, files_max)),
            lag: self.lag.note(late_ns, lag_max_ns),
        }
    }
}

/// `part` of `whole`, at most 100; 0 when there is no whole.
fn percent(part: u64, whole: u64) -> u8 {
    let percent = part.saturating_mul(100).checked_div(whole).unwrap_or(0);
    u8::try_from(percent).unwrap_or(u8::MAX).min(100)
}

/// Looks until the core ends.
pub(super) async fn watch(worker: Rc<Worker>) {
    let local = Rc::clone(worker.local());
    let core = &local.core;
    let mut watch = Watch::default();
    loop {
        let due = core.now().plus_ms(LOOK_MS);
        core.sleep_until(due).await;
        let late_ns = core.now().since_ns(due);
        let limits = &local.serving().plan.limits;
        let causes = watch.look(core, worker.admission(), limits, late_ns);
        enter(&worker, &local, causes);
    }
}

/// Goes to the step that `causes` ask for.
fn enter(worker: &Worker, local: &Local, causes: Causes) {
    let before = local.pressure.get();
    let step = before.after(causes.worst());
    local.pressure.set(step);
    if step.stops_accepting() || before.stops_accepting() {
        worker.wake_listeners();
    }
    if step.shortens_idle() && !before.shortens_idle() {
        local.core.wake_all(); // idle connections see that they should end sooner
    }
    let set = |metric, value: u8| local.metrics.cell(metric).set(value.into());
    set(Metric::PressureMemory, causes.memory);
    set(Metric::PressureFiles, causes.files);
    set(Metric::PressureLag, causes.lag);
    set(Metric::PressureStep, step as u8);
}

/// How often a core looks.
const LOOK_MS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage() {
        let rows = [
            (0, 0, 0),
            (5, 0, 0),
            (0, 10, 0),
            (1, 3, 33),
            (10, 10, 100),
            (11, 10, 100),
            (u64::MAX, 1, 100),
            (u64::MAX, u64::MAX, 1),
        ];
        for (part, whole, expected) in rows {
            assert_eq!(percent(part, whole), expected, "{part} of {whole}");
        }
    }

    #[test]
    fn lag_presses_when_it_lasts() {
        const MAX: u64 = 500;
        // name, how late the looks came, the percentages they gave
        let rows: [(&str, &[u64], &[u8]); 5] = [
            ("in time", &[0, 1, 0], &[0, 0, 0]),
            ("one long turn", &[90_000, 0, 0, 0], &[50, 25, 12, 6]),
            ("half as late", &[250; 4], &[25, 37, 43, 46]),
            ("lasting", &[700; 6], &[50, 75, 87, 93, 96, 98]),
            (
                "over",
                &[700, 700, 700, 700, 0, 0],
                &[50, 75, 87, 93, 46, 23],
            ),
        ];
        for (name, looks, expected) in rows {
            let mut lag = Lag::default();
            let found: Vec<u8> = looks.iter().map(|late| lag.note(*late, MAX)).collect();
            assert_eq!(found, expected, "{name}");
        }
        let mut lag = Lag::default();
        lag.note(700, 500);
        assert_eq!(lag.note(10, 10), 100, "a lower limit counts at once");
    }

    #[test]
    fn the_worst_cause_counts() {
        for (memory, files, lag, worst) in [(1, 2, 3, 3), (9, 2, 3, 9), (1, 8, 3, 8)] {
            assert_eq!(Causes { memory, files, lag }.worst(), worst);
        }
    }

    #[test]
    fn sockets_of_all_cores_are_counted_together() {
        let load = HostLoad::default();
        // before, now, sum
        for (before, now, sum) in [(0, 5, 5), (0, 7, 12), (5, 2, 9), (7, 0, 2), (2, 2, 2)] {
            assert_eq!(load.recount_sockets(before, now), sum, "{before} to {now}");
        }
    }
}
