//! What a start serves: what it was told, or the last good configuration.
//!
//! What it is: a start is written down before its configuration is compiled, and its row goes when
//! the configuration has served for a while or the process ends in order. A third start in that
//! while finds two rows and serves what was good before. Shape: [`choose`] decides, [`Memory`]
//! goes on remembering while the gateway runs. Units: wall milliseconds between processes, [`Mono`]
//! within one. Errors: what cannot be remembered is said and costs nothing else. Source:
//! RELIABILITY section 9.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use tidegate_edge::base::time::Mono;

use super::{
    Sources,
    control::{Control, Phase},
    load::{self, Loaded},
    state::{
        State,
        kept::{self, Kept},
        starts::Start,
    },
    upgrade,
};
use crate::files::Files;

/// Starts of one configuration that did not last before it is given up.
const TRIES: usize = 2;

/// A start, decided.
pub(super) struct Chosen {
    pub(super) loaded: Loaded,
    pub(super) memory: Memory,
}

/// What is remembered for the next start.
pub(super) struct Memory {
    state: Option<State>,
    /// Our own row, as long as it stands.
    start: RefCell<Option<Start>>,
    /// What serves and is not kept yet.
    candidate: RefCell<Option<Kept>>,
    /// When it is good.
    good_at: Cell<Mono>,
    /// Why the last good configuration serves instead of what the command line names.
    instead: RefCell<Option<String>>,
}

/// Reads and compiles `sources`, or what was good before.
pub(super) fn choose(sources: &Sources) -> Chosen {
    let read = load::read(sources, Files::on_disk());
    let settings = &read.settings.process;
    let window_ms = u64::from(settings.good_after_ms);
    let memory = Memory::new(State::of(settings.state_dir.as_deref()));
    // A predecessor that still serves is better than anything that was kept.
    if let Some(state) = memory.state.clone().filter(|_| !upgrade::is_successor()) {
        let start = Start {
            name: kept::name(sources, read.files.contents()),
            at_ms: wall_ms(),
            pid: std::process::id(),
        };
        if let Some((loaded, reason)) = last_good(&state, &start, window_ms) {
            *memory.instead.borrow_mut() = Some(reason);
            return Chosen { loaded, memory };
        }
        memory.write_down(&state, start);
    }
    let loaded = load::compiled(read, REVISION);
    *memory.candidate.borrow_mut() = memory.kept_of(sources, &loaded);
    Chosen { loaded, memory }
}

/// The last good configuration and why it is served, if `start` is one too many.
fn last_good(state: &State, start: &Start, window_ms: u64) -> Option<(Loaded, String)> {
    let starts = state.starts().map_err(|reason| say(&reason)).ok()?;
    if starts.count(&start.name, start.at_ms, window_ms) < TRIES {
        return None;
    }
    let name = &start.name;
    let failed = format!("configuration {name} was started {TRIES} times and did not last");
    let kept = match state.kept() {
        Ok(Some(kept)) if kept.name() != name => kept,
        Ok(Some(_)) => {
            say(&format!("{failed}; it is itself the last good one"));
            return None;
        }
        Ok(None) => {
            say(&format!("{failed}; no good one is kept"));
            return None;
        }
        Err(reason) => {
            say(&format!("{failed}; {reason}"));
            return None;
        }
    };
    let loaded = load::compiled(load::read(kept.sources(), kept.files()), REVISION);
    if loaded.plan.is_none() {
        say(&format!(
            "{failed}; the last good one does not compile any more"
        ));
        loaded.print_report();
        return None;
    }
    let reason = format!(
        "{failed}; the last good one, {}, serves instead",
        kept.name()
    );
    say(&reason);
    eprintln!("  help: mend what the command line names, then reload");
    Some((loaded, reason))
}

impl Memory {
    fn new(state: Option<State>) -> Memory {
        Memory {
            state,
            start: RefCell::new(None),
            candidate: RefCell::new(None),
            good_at: Cell::new(Mono::FAR),
            instead: RefCell::new(None),
        }
    }

    /// Why the last good configuration serves, if it does.
    pub(super) fn instead(&self) -> Option<String> {
        self.instead.borrow().clone()
    }

    /// What serves has begun to; it is good `after_ms` from `now` on.
    pub(super) fn serving_since(&self, now: Mono, after_ms: u32) {
        self.good_at.set(now.plus_ms(u64::from(after_ms)));
    }

    /// Something newer serves, and the configuration of the start has nothing to prove any more.
    pub(super) fn replaced(&self, sources: &Sources, loaded: &Loaded) {
        self.instead.take();
        self.ends_in_order();
        *self.candidate.borrow_mut() = self.kept_of(sources, loaded);
    }

    /// The start is over, in order: no configuration ended it.
    pub(super) fn ends_in_order(&self) {
        let (Some(state), Some(start)) = (&self.state, self.start.take()) else {
            return;
        };
        let forgotten = state.starts().and_then(|mut starts| {
            starts.remove(&start);
            state.set_starts(&starts)
        });
        forgotten.unwrap_or_else(|reason| say(&reason));
    }

    /// What serves has done so for long enough.
    fn is_good(&self) {
        self.good_at.set(Mono::FAR);
        self.ends_in_order(); // its start has lasted
        let (Some(state), Some(kept)) = (&self.state, self.candidate.take()) else {
            return;
        };
        let known = matches!(state.kept(), Ok(Some(old)) if old.name() == kept.name());
        if !known {
            state.keep(&kept).unwrap_or_else(|reason| say(&reason));
        }
    }

    fn write_down(&self, state: &State, start: Start) {
        let written = state.starts().and_then(|mut starts| {
            starts.add(start.clone());
            state.set_starts(&starts)
        });
        match written {
            Ok(()) => *self.start.borrow_mut() = Some(start),
            Err(reason) => say(&reason),
        }
    }

    fn kept_of(&self, sources: &Sources, loaded: &Loaded) -> Option<Kept> {
        self.state.as_ref()?; // nobody would ask for it
        Kept::new(sources, loaded.configuration.files.contents(), wall_ms())
    }
}

/// Keeps what serves once it is good.
pub(super) async fn keep_good(control: Rc<Control>) {
    loop {
        let core = &control.core;
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
        let memory = &control.memory;
        if core.now() >= memory.good_at.get() && control.phase.get() == Phase::Serving {
            memory.is_good();
        }
    }
}

fn say(what: &str) {
    eprintln!("tidegate: {what}");
}

/// The wall clock, before there is a ring to ask.
#[allow(clippy::disallowed_methods)] // compared between processes, at their starts alone
fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The plan of a start is the first of its process.
const REVISION: u64 = 1;
/// How often it is looked whether what serves is good by now.
const LOOK_MS: u64 = 250;
