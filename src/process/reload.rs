//! A new configuration under a running gateway.
//!
//! What it is: everything is read, compiled and opened first; only then the workers are told, each
//! by one order that holds the plan and its listeners, and the first one for a while alone
//! ([`trial`]). Shape: [`reload`] gives and keeps a
//! [`LastLoad`]. Units: wall milliseconds. Errors: any fault leaves the last good plan serving, the
//! metric at 0 and the report readable. Source: RELIABILITY section 9.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use sd_notify::NotifyState;
use serde_json::Value;
use tidegate_edge::{
    base::time::Wall,
    plan::Plan,
    server::{Blueprint, Order},
    telemetry::histograms::CoreHistograms,
};

use super::{
    control::{Control, Phase, stage_names, with_limits},
    documents, keeper,
    listeners::Open,
    load::{self, Loaded},
    manager, regions,
    trial::{self, Verdict},
    workers::enlarge_pages,
};
use crate::{
    deploy::{self, Refused},
    diagnostics::{Colour, Problem},
    settings::Configuration,
    store::{
        Store, StoreError,
        deployments::{Deployed, StageChange},
    },
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

/// How a reload ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Serves,
    Refused,
    Reverted,
}

/// Reads everything anew. The answer comes behind the trial, if there is one.
pub(super) async fn reload(control: &Rc<Control>) -> LastLoad {
    if control.phase.get() != Phase::Serving || control.changing.replace(true) {
        return LastLoad {
            ok: false,
            at: control.core.wall(),
            report: BUSY.to_owned(),
        };
    }
    let outcome = change(control, None).await;
    *control.last_load.borrow_mut() = outcome.clone();
    outcome
}

/// Serves what `change` makes of the deployments, and writes it down once it has been tried: who
/// is killed in between has not changed anything.
///
/// # Errors
/// Nothing was changed, and the old plan serves.
pub(super) async fn deploy(
    control: &Rc<Control>,
    stage: StageChange,
    text: Vec<u8>,
) -> Result<Value, Refused> {
    if control.phase.get() != Phase::Serving || control.changing.replace(true) {
        return Err(StoreError::Unready(BUSY.trim_end().to_owned()).into());
    }
    let proposal = match Proposal::new(control, stage, text).await {
        Ok(proposal) => proposal,
        Err(error) => {
            control.changing.set(false);
            return Err(error.into());
        }
    };
    let outcome = change(control, Some(&proposal)).await;
    match proposal.done.take() {
        Some(done) if outcome.ok => {
            *control.last_load.borrow_mut() = outcome;
            Ok(done)
        }
        _ => Err(Refused::Configuration(outcome.report)),
    }
}

/// A change of what is deployed, not made yet.
struct Proposal {
    stage: StageChange,
    /// The deployment's id, if one is made.
    id: String,
    text: Vec<u8>,
    /// What the API would have.
    deployed: Deployed,
    /// What the store said when it was made.
    done: RefCell<Option<Value>>,
}

impl Proposal {
    async fn new(
        control: &Rc<Control>,
        stage: StageChange,
        text: Vec<u8>,
    ) -> Result<Proposal, StoreError> {
        let (id, now) = (Store::deployment_id()?, control.core.wall());
        let mut proposal = Proposal {
            stage,
            id,
            text,
            deployed: Deployed::default(),
            done: RefCell::new(None),
        };
        let parts = proposal.parts();
        let rehearsed = control.keeper.ask(&control.core, move |store| {
            let (stage, id, text) = &parts;
            store.rehearse(stage, (id, text), now)
        });
        proposal.deployed = rehearsed.await?;
        Ok(proposal)
    }

    /// Copies for the store's thread.
    fn parts(&self) -> (StageChange, String, Vec<u8>) {
        (self.stage.clone(), self.id.clone(), self.text.clone())
    }

    /// Writes it down.
    async fn make(&self, control: &Control) -> Result<(), StoreError> {
        let (parts, now) = (self.parts(), control.core.wall());
        let made = control.keeper.ask(&control.core, move |store| {
            let (stage, id, text) = &parts;
            store.change(stage, (id, text), now)
        });
        self.done.replace(Some(made.await?));
        Ok(())
    }
}

const BUSY: &str = "another change is under way, or the gateway is draining\n";

/// Reads everything anew, with `proposal`, and serves it; the caller has begun a change.
async fn change(control: &Rc<Control>, proposal: Option<&Proposal>) -> LastLoad {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        manager::tell(&[NotifyState::Reloading, now]);
    }
    let at = control.core.wall();
    let (ending, report) = load_and_serve(control, proposal).await;
    let revision = control.revision.get();
    let (count, said) = match ending {
        Ending::Serves => (&control.reloads_ok, "serving"),
        Ending::Refused => (&control.reloads_failed, "reload refused; still serving"),
        Ending::Reverted => (&control.reloads_reverted, "reload reverted; still serving"),
    };
    count.set(count.get() + 1);
    eprintln!("tidegate: {said} revision {revision}");
    let outcome = LastLoad {
        ok: ending == Ending::Serves,
        at,
        report,
    };
    control.changing.set(false);
    if control.phase.get() == Phase::Serving {
        manager::tell(&[NotifyState::Ready]);
    }
    outcome
}

async fn load_and_serve(control: &Rc<Control>, proposal: Option<&Proposal>) -> (Ending, String) {
    let revision = control.revision.get() + 1;
    let mut loaded = match load(control, proposal, revision) {
        Ok(loaded) => loaded,
        Err(reason) => return (Ending::Refused, reason),
    };
    let plan = loaded.plan.take();
    let plan = plan.map(|plan| with_limits(plan, &control.sources));
    let plan = plan.and_then(|mut plan| {
        let fits = regions::check_room(&mut plan, &control.sources, &mut loaded.configuration);
        fits.then_some(plan)
    });
    let seeds = keeper::declared(&loaded.configuration.settings).map_err(|faults| {
        load::add_seed_faults(&mut loaded.configuration, &faults);
    });
    let plan = match (plan, seeds) {
        (Some(plan), Ok(seeds)) => match control.keeper.reseed(control, seeds).await {
            Ok(()) => Some(plan),
            Err(error) => {
                let problem = Problem::of_file("declared keys and plans", error.to_string(), None);
                loaded.configuration.report.push(problem);
                None
            }
        },
        _ => None,
    };
    let ready = plan.and_then(|plan| prepare(control, plan, &mut loaded.configuration));
    loaded.print_report();
    let report = |loaded: &Loaded| loaded.configuration.report.render(Colour::Never);
    let Some((next, open)) = ready else {
        return (Ending::Refused, report(&loaded));
    };
    *control.trying.borrow_mut() = Some(Arc::clone(&next));
    let verdict = trial::run(control, &next, &open).await;
    *control.trying.borrow_mut() = None;
    let reason = match verdict {
        Verdict::Passed | Verdict::Untried => {
            let passed = matches!(verdict, Verdict::Passed);
            if let Some(proposal) = proposal
                && let Err(error) = proposal.make(control).await
            {
                take_back(control, &open, passed).await;
                loaded.configuration.report.push(deploy::problem(&error));
                return (Ending::Refused, report(&loaded));
            }
            control.revision.set(revision);
            let good_after_ms = next.plan.process.good_after_ms;
            serve(control, next, open, passed);
            let memory = &control.memory;
            memory.replaced(&control.sources, &loaded);
            let read = documents::of(&loaded.configuration, control.core.wall());
            control.documents.replace(read);
            memory.serving_since(control.core.now(), good_after_ms);
            return (Ending::Serves, report(&loaded));
        }
        Verdict::Reverted(reason) => reason,
        Verdict::Interrupted => "not served: the gateway drains".to_owned(),
    };
    next.take_back(&control.blueprint.borrow());
    regions::let_go(&control.core, &next, &control.blueprint.borrow());
    eprintln!("tidegate: {reason}");
    let problem = Problem::of_file("the new configuration", reason, None);
    loaded.configuration.report.push(problem);
    (Ending::Reverted, report(&loaded))
}

/// Reads and compiles everything, with `proposal`.
fn load(control: &Control, proposal: Option<&Proposal>, revision: u64) -> Result<Loaded, String> {
    let Some(Proposal {
        stage, deployed, ..
    }) = proposal
    else {
        return Ok(load::load(&control.sources, revision));
    };
    let loaded = deploy::loaded(&control.sources, stage, deployed, revision);
    let mut loaded = loaded.map_err(|refused| refused.to_string())?;
    deploy::check(&mut loaded, stage);
    Ok(loaded)
}

/// Everybody goes on with what they served before; `tried`: one of them does not now.
async fn take_back(control: &Rc<Control>, open: &Open, tried: bool) {
    for fd in open.added_since(&control.open.borrow()) {
        control.core.close(fd);
    }
    let before = Arc::clone(&control.blueprint.borrow());
    if tried {
        trial::give_back(control, &before).await;
    }
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
        next.take_back(&before);
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
        (
            "[execution_log]",
            before.execution_log != next.execution_log,
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

/// Every worker serves `next` from now on; `passed`: the one that tried it does already.
fn serve(control: &Control, next: Arc<Blueprint>, open: Open, passed: bool) {
    let count = {
        let workers = control.workers.borrow();
        workers.as_ref().map_or(0, |workers| workers.posts().len())
    };
    for worker in (0..count).filter(|worker| !(passed && *worker == trial::TRIER)) {
        if !serve_on(control, worker, &next, &open) {
            eprintln!("tidegate: worker {worker} does not take orders");
        }
    }
    control.keyring.follow(&next.plan);
    control.upstreams.watch(&control.core, &[next.as_ref()]);
    control.tried_since.set(trial::tally(control));
    *control.open.borrow_mut() = open;
    let before = control.blueprint.replace(Arc::clone(&next));
    next.leave_common();
    enlarge_pages(&next, Some(&before));
    regions::tidy(&next.plan, Some(&before.plan), &control.sources);
    regions::let_go(&control.core, &before, &next);
    retire(control, Arc::clone(&before.plan));
}

/// Keeps a plan that serves no new requests until no core has it any more: taking a large one apart
/// lasts milliseconds, which are better spent here.
fn retire(control: &Control, plan: Arc<Plan>) {
    let core = Rc::clone(&control.core);
    control.core.spawn(async move {
        while Arc::strong_count(&plan) > 1 {
            core.sleep_until(core.now().plus_ms(RETIRE_LOOK_MS)).await;
        }
    });
}

/// How often it is looked whether a plan is still pinned.
const RETIRE_LOOK_MS: u64 = 50;

/// One worker serves `next` from now on; `false`: it does not take orders.
pub(super) fn serve_on(
    control: &Control,
    worker: usize,
    next: &Arc<Blueprint>,
    open: &Open,
) -> bool {
    let mut registry = control.registry.borrow_mut();
    let ids = registry.stages(&stage_names(&next.plan));
    let workers = control.workers.borrow();
    let posts = workers.as_ref().map_or(&[][..], |workers| workers.posts());
    let listeners = open.of_worker(&next.plan.listeners, worker, posts.len());
    let order = Order::Serve {
        blueprint: Arc::clone(next),
        cells: registry.stage_cells(worker, &ids),
        histograms: CoreHistograms::new(&ids),
        leftover: control.scrape.leftover(worker),
        listeners: listeners.into(),
    };
    let post = posts.get(worker);
    post.is_some_and(|post| post.send(&control.core, order).is_ok())
}
