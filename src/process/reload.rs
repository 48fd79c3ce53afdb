//! A new configuration under a running gateway.
//!
//! What it is: everything is read, compiled and opened first; only then the workers are told, each
//! by one order that holds the plan and its listeners. Shape: [`reload`] gives and keeps a
//! [`LastLoad`]. Units: wall milliseconds. Errors: any fault leaves the last good plan serving, the
//! metric at 0 and the report readable. Source: RELIABILITY section 9.

use std::{rc::Rc, sync::Arc};

use sd_notify::NotifyState;
use tidegate_edge::{
    base::time::Wall,
    plan::Plan,
    server::{Blueprint, Order},
    telemetry::histograms::CoreHistograms,
};

use super::{
    control::{Control, Phase, stage_names, with_limits},
    listeners::Open,
    load, manager,
};
use crate::{
    diagnostics::{Colour, Problem},
    settings::Configuration,
};

/// What became of the configuration that was read last.
#[derive(Clone, Debug)]
pub(super) struct LastLoad {
    /// It serves.
    pub(super) ok: bool,
    /// When it was read.
    pub(super) at: Wall,
    /// What there is to say about it; empty when nothing is.
    pub(super) report: String,
}

impl LastLoad {
    /// The one that the process started with; `instead`: why that is not the newest.
    pub(super) fn first(at: Wall, instead: Option<String>) -> LastLoad {
        LastLoad {
            ok: instead.is_none(),
            at,
            report: instead.map_or(String::new(), |reason| reason + "\n"),
        }
    }
}

/// Reads everything anew.
pub(super) fn reload(control: &Rc<Control>) -> LastLoad {
    if control.phase.get() != Phase::Serving || control.changing.replace(true) {
        return LastLoad {
            ok: false,
            at: control.core.wall(),
            report: "another change is under way, or the gateway is draining\n".to_owned(),
        };
    }
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        manager::tell(&[NotifyState::Reloading, now]);
    }
    let outcome = load_and_serve(control);
    let revision = control.revision.get();
    if outcome.ok {
        control.reloads_ok.set(control.reloads_ok.get() + 1);
        eprintln!("tidegate: serving revision {revision}");
    } else {
        control.reloads_failed.set(control.reloads_failed.get() + 1);
        eprintln!("tidegate: reload refused; revision {revision} goes on serving");
    }
    *control.last_load.borrow_mut() = outcome.clone();
    control.changing.set(false);
    manager::tell(&[NotifyState::Ready]);
    outcome
}

fn load_and_serve(control: &Control) -> LastLoad {
    let at = control.core.wall();
    let revision = control.revision.get() + 1;
    let mut loaded = load::load(&control.sources, revision);
    let plan = loaded.plan.take().map(with_limits);
    let ready = plan.and_then(|plan| prepare(control, plan, &mut loaded.configuration));
    loaded.print_report();
    let ok = ready.is_some();
    if let Some((next, open)) = ready {
        control.revision.set(revision);
        let good_after_ms = next.plan.process.good_after_ms;
        serve(control, next, open);
        control.memory.replaced(&control.sources, &loaded);
        control
            .memory
            .serving_since(control.core.now(), good_after_ms);
    }
    let report = loaded.configuration.report.render(Colour::Never);
    LastLoad { ok, at, report }
}

/// Reads certificates and opens sockets; what fails is added to the report.
fn prepare(
    control: &Control,
    plan: Plan,
    configuration: &mut Configuration,
) -> Option<(Arc<Blueprint>, Open)> {
    let before = Arc::clone(&control.blueprint.borrow());
    let next = Blueprint::new(plan, &control.keyring, Some(&before))
        .map_err(|errors| load::add_blueprint_errors(configuration, &errors))
        .ok()?;
    let mut open = control.open.borrow().clone();
    // Those that are gone are closed by the workers, which own them.
    open.take_unlisted(&next.plan.listeners);
    let workers = control.workers.borrow();
    let count = workers.as_ref().map_or(0, |workers| workers.posts().len());
    let opened = open.open(&control.core, &next.plan.listeners, count);
    if let Err(error) = opened {
        for fd in open.added_since(&control.open.borrow()) {
            control.core.close(fd);
        }
        configuration
            .report
            .push(Problem::of_file("[[listen]]", error.to_string(), None));
        return None;
    }
    for what in fixed_at_start(&before.plan, &next.plan) {
        let hint = "restart, or `tidegate upgrade`, to apply it";
        let mut problem =
            Problem::of_file(what, "a reload does not change this", Some(hint.to_owned()));
        problem.severity = crate::diagnostics::Severity::Warning;
        configuration.report.push(problem);
    }
    Some((next, open))
}

/// The settings that differ although they are read at the start alone.
fn fixed_at_start(before: &Plan, next: &Plan) -> Vec<&'static str> {
    let threads = |plan: &Plan| (plan.server.workers, plan.server.cpus.clone());
    let rows = [
        ("[server] workers, cpus", threads(before) != threads(next)),
        (
            "[access_log] path, buffer_bytes",
            before.access_log.sink != next.access_log.sink
                || before.access_log.buffer_bytes != next.access_log.buffer_bytes,
        ),
        ("[admin]", before.admin != next.admin),
        (
            "[process] state_dir",
            before.process.state_dir != next.process.state_dir,
        ),
    ];
    let changed = rows.into_iter().filter(|(_, differs)| *differs);
    changed.map(|(what, _)| what).collect()
}

fn serve(control: &Control, next: Arc<Blueprint>, open: Open) {
    let mut registry = control.registry.borrow_mut();
    let ids = registry.stages(&stage_names(&next.plan));
    if let Some(workers) = &*control.workers.borrow() {
        let posts = workers.posts();
        for (index, post) in posts.iter().enumerate() {
            let order = Order::Serve {
                blueprint: Arc::clone(&next),
                cells: registry.stage_cells(index, &ids),
                histograms: CoreHistograms::new(&ids),
                leftover: control.scrape.leftover(index),
                listeners: open
                    .of_worker(&next.plan.listeners, index, posts.len())
                    .into(),
            };
            if post.send(&control.core, order).is_err() {
                eprintln!("tidegate: worker {index} does not take orders");
            }
        }
    }
    control.keyring.follow(&next.plan);
    control.upstreams.watch(&control.core, &next);
    *control.open.borrow_mut() = open;
    *control.blueprint.borrow_mut() = next;
}
