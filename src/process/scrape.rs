//! Metrics of the whole process, gathered when somebody asks.
//!
//! What it is: counters are read where the workers keep them; histograms come by mail. Each worker
//! swaps its set for its spare, the totals take it in, and the emptied set goes back. Shape:
//! [`Scrape`]. Units: milliseconds. Errors: none; a worker too busy to answer in time is counted
//! with the next question. Source: the design notes in `telemetry::histograms`.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use tidegate_edge::{
    exec::{Core, Inbox, Post},
    pipeline::Local,
    server::{Leftover, Order},
    telemetry::{
        histograms::HistogramSet,
        render::{ProcessFigures, render},
    },
};

use super::control::Control;
use crate::cache::Region;

/// One worker's answer.
struct Answer {
    round: u64,
    worker: usize,
    set: Option<Box<HistogramSet>>,
}

/// Gathers histograms.
pub(super) struct Scrape {
    /// Absent while a question is under way.
    inbox: RefCell<Option<Inbox<Answer>>>,
    post: Post<Answer>,
    round: Cell<u64>,
    /// Orders with emptied sets for which a worker's box had no room.
    unsent: RefCell<Vec<(usize, Order)>>,
}

impl Scrape {
    /// A place for answers on the control core.
    pub(super) fn new(core: &Rc<Core>) -> Scrape {
        let (post, inbox) = Inbox::new(core, ANSWERS_MAX);
        Scrape {
            inbox: RefCell::new(Some(inbox)),
            post,
            round: Cell::new(0),
            unsent: RefCell::new(Vec::new()),
        }
    }

    /// Adds what the workers have recorded since the last time to the totals. Who comes while
    /// another asks gets the totals as they are.
    pub(super) async fn collect(&self, control: &Control) {
        let Some(mut inbox) = self.inbox.take() else {
            return;
        };
        let core = &control.core;
        for (worker, order) in self.unsent.take() {
            self.send(control, worker, order);
        }
        let round = self.round.get() + 1;
        self.round.set(round);
        let mut missing = self.ask(control, round);
        let deadline = core.now().plus_ms(ANSWER_MS);
        while missing > 0 {
            let Some(answer) = inbox.recv(deadline).await else {
                break;
            };
            if answer.round == round {
                missing -= 1;
            }
            if let Some(mut set) = answer.set {
                control.registry.borrow_mut().merge(&mut set);
                self.give_back(control, answer.worker, set);
            }
        }
        *self.inbox.borrow_mut() = Some(inbox);
    }

    fn ask(&self, control: &Control, round: u64) -> usize {
        let workers = control.workers.borrow();
        let posts = workers.as_ref().map_or(&[][..], |workers| workers.posts());
        let asked = posts.iter().enumerate().filter(|(worker, post)| {
            let (worker, answers) = (*worker, self.post.clone());
            let take = move |local: &Local| {
                let set = local.histograms.borrow_mut().swap();
                let answer = Answer { round, worker, set };
                // The box has room for many rounds; a lost set costs the worker its spare.
                let _ = answers.send(&local.core, answer);
            };
            let order = Order::Histograms(Box::new(take));
            post.send(&control.core, order).is_ok()
        });
        asked.count()
    }

    /// Takes the last histograms of the plan that a worker stops serving; they are counted with the
    /// next question.
    pub(super) fn leftover(&self, worker: usize) -> Leftover {
        let answers = self.post.clone();
        Box::new(move |local, set| {
            let (round, set) = (NO_ROUND, Some(set));
            let answer = Answer { round, worker, set };
            // The box has room for many reloads between two questions.
            let _ = answers.send(&local.core, answer);
        })
    }

    fn give_back(&self, control: &Control, worker: usize, set: Box<HistogramSet>) {
        let take = move |local: &Local| {
            // One of an older plan is freed here; that happens once per reload.
            drop(local.histograms.borrow_mut().give_back(set));
        };
        self.send(control, worker, Order::Histograms(Box::new(take)));
    }

    fn send(&self, control: &Control, worker: usize, order: Order) {
        let workers = control.workers.borrow();
        let posts = workers.as_ref().map_or(&[][..], |workers| workers.posts());
        if let Some(post) = posts.get(worker)
            && let Err(order) = post.send(&control.core, order)
        {
            self.unsent.borrow_mut().push((worker, order));
        }
    }
}

/// The metrics as text.
pub(super) async fn metrics(control: &Control) -> String {
    control.scrape.collect(control).await;
    let totals = control.log.borrow().as_ref().map(|log| log.totals());
    let regions: Vec<_> = (Region::of(&control.blueprint.borrow()).into_iter())
        .map(|region| (region.name, region.store.stats()))
        .collect();
    let figures = ProcessFigures {
        version: env!("CARGO_PKG_VERSION"),
        started: control.started,
        config_ok: control.last_load.borrow().ok,
        config_last_good: control.memory.instead().is_some(),
        config_revision: control.revision.get(),
        reloads_ok: control.reloads_ok.get(),
        reloads_failed: control.reloads_failed.get(),
        reloads_reverted: control.reloads_reverted.get(),
        log: totals.as_deref(),
        cache: &regions,
    };
    render(&control.registry.borrow(), &figures)
}

/// The round of what nobody asked for; real ones begin with 1.
const NO_ROUND: u64 = 0;
/// How long workers may take to answer.
const ANSWER_MS: u64 = 200;
/// Answers that may wait: late ones of several rounds from every worker.
const ANSWERS_MAX: usize = 4096;
