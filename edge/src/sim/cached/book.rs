//! What is true of the objects in a run with caches, and what must hold of every answer.
//!
//! What it is: objects have a version that unsafe requests raise; their bytes are a function of
//! what they are, so that a byte of another key, caller, language or version is recognized. Shape:
//! [`Book`], shared by all; a [`Thing`] is a URL, a [`Face`] one of its representations. Units:
//! counts, bytes. Errors: the first violation is kept and ends the run. Source: RELIABILITY
//! sections 5 and 10; RFC 9111 section 4.4.

use std::collections::BTreeMap;

use crate::base::time::Mono;

/// How the requests of a run ended.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Requests begun by clients.
    pub asked: u64,
    /// Requests that origins saw.
    pub arrived: u64,
    /// Whole answers.
    pub answered: u64,
    /// Those from the store.
    pub hits: u64,
    /// Those that another's fetch gave.
    pub collapsed: u64,
    /// Those that an origin's consent renewed.
    pub renewed: u64,
    /// Parts, and answers without a body to clients that had it.
    pub parts: u64,
    /// Unsafe requests that were answered.
    pub changes: u64,
    /// Answers of the gateway itself.
    pub own: u64,
    /// Answers that were visibly cut.
    pub cut: u64,
    /// Requests whose connection ended without an answer.
    pub unanswered: u64,
    /// Clients that left.
    pub left: u64,
    /// Fetches that origins let fail.
    pub failed: u64,
    /// Workers that ended in the middle.
    pub killed: u64,
    /// Flushes.
    pub flushed: u64,
}

impl Figures {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Figures) {
        let Figures {
            asked,
            arrived,
            answered,
            hits,
            collapsed,
            renewed,
            parts,
            changes,
            own,
            cut,
            unanswered,
            left,
            failed,
            killed,
            flushed,
        } = other;
        for (sum, more) in [
            (&mut self.asked, asked),
            (&mut self.arrived, arrived),
            (&mut self.answered, answered),
            (&mut self.hits, hits),
            (&mut self.collapsed, collapsed),
            (&mut self.renewed, renewed),
            (&mut self.parts, parts),
            (&mut self.changes, changes),
            (&mut self.own, own),
            (&mut self.cut, cut),
            (&mut self.unanswered, unanswered),
            (&mut self.left, left),
            (&mut self.failed, failed),
            (&mut self.killed, killed),
            (&mut self.flushed, flushed),
        ] {
            *sum += *more;
        }
    }
}

/// A URL: its site and its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Thing {
    pub(super) site: Site,
    pub(super) number: u64,
}

/// A site, and how its answers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Site {
    /// By a policy, for everybody.
    Shared,
    /// By a policy, for each caller.
    Callers,
    /// By a stage.
    Stage,
}

impl Site {
    pub(super) const ALL: [Site; 3] = [Site::Shared, Site::Callers, Site::Stage];

    /// Its host.
    pub(super) fn host(self) -> &'static str {
        match self {
            Site::Shared => "shared.test",
            Site::Callers => "callers.test",
            Site::Stage => "stage.test",
        }
    }
}

/// How an object behaves, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Fresh for long.
    Long,
    /// Fresh for a second.
    Short,
    /// Fresh, in several languages.
    Language,
    /// Asked about each time.
    Asked,
    /// Given while it is fetched anew.
    Behind,
    /// Fresh, and longer than one buffer.
    Large,
    /// Never kept.
    Never,
    /// Longer than what is kept.
    TooLarge,
}

impl Thing {
    pub(super) fn kind(self) -> Kind {
        const KINDS: [Kind; 8] = [
            Kind::Long,
            Kind::Short,
            Kind::Language,
            Kind::Asked,
            Kind::Behind,
            Kind::Large,
            Kind::Never,
            Kind::TooLarge,
        ];
        KINDS[usize::try_from(self.number % 8).unwrap_or(0)]
    }

    /// What `caller` gets of it in `language` when it has `version`.
    pub(super) fn face(self, version: u64, caller: &str, language: &str) -> Face {
        let is_varied = self.kind() == Kind::Language && self.site != Site::Stage;
        let caller = if self.site == Site::Callers {
            caller
        } else {
            "-"
        };
        let language = if is_varied { language } else { "-" };
        let name = format!(
            "{:?}.{}.{caller}.{language}.{version}",
            self.site, self.number
        );
        let token = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let body_bytes = match self.kind() {
            Kind::Large => 9_000 + token % 40_000,
            Kind::TooLarge => BODY_BYTES_KEPT + 40_000 + token % 10_000,
            _ => 60 + token % 1_500,
        };
        Face {
            name,
            token,
            body_bytes,
        }
    }
}

/// The largest body that is kept.
pub(super) const BODY_BYTES_KEPT: u64 = 60_000;

/// One representation at one version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Face {
    /// All that tells it from others; its entity tag.
    pub(super) name: String,
    /// Its body's.
    pub(super) token: u64,
    pub(super) body_bytes: u64,
}

/// The book of a run.
pub(super) struct Book {
    pub(super) figures: Figures,
    /// Faults are over: everybody behaves.
    pub(super) calm: bool,
    versions: BTreeMap<Thing, u64>,
    /// Versions that whoever asks from now on must get at least.
    floors: BTreeMap<Thing, u64>,
    violation: Option<String>,
    events: Option<Vec<String>>,
}

impl Book {
    /// An empty one, which keeps the events of the run if `verbose`.
    pub(super) fn new(verbose: bool) -> Book {
        Book {
            figures: Figures::default(),
            calm: false,
            versions: BTreeMap::new(),
            floors: BTreeMap::new(),
            violation: None,
            events: verbose.then(Vec::new),
        }
    }

    /// Notes an event, if anybody will read it.
    pub(super) fn note(&mut self, now: Mono, event: impl FnOnce() -> String) {
        if let Some(events) = &mut self.events {
            events.push(format!("{:>12.3} ms  {}", now.0 as f64 / 1e6, event()));
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<String> {
        self.events.take().unwrap_or_default()
    }

    /// Something that must not happen did.
    pub(super) fn violate(&mut self, now: Mono, what: String) {
        self.note(now, || format!("VIOLATION {what}"));
        self.violation.get_or_insert(what);
    }

    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// The version that an origin has of `thing`.
    pub(super) fn version(&self, thing: Thing) -> u64 {
        self.versions.get(&thing).copied().unwrap_or(0)
    }

    /// An unsafe request reached the origin: `thing` has another version from now on.
    pub(super) fn change(&mut self, thing: Thing) -> u64 {
        let version = self.versions.entry(thing).or_insert(0);
        *version += 1;
        *version
    }

    /// Somebody knows that `thing` has had `version`: whoever asks from now on gets no older one.
    /// A stage keeps what it has, whatever was changed.
    pub(super) fn know_changed(&mut self, thing: Thing, version: u64) {
        if thing.site != Site::Stage {
            let floor = self.floors.entry(thing).or_insert(0);
            *floor = version.max(*floor);
        }
    }

    /// All of `site` was flushed.
    pub(super) fn know_flushed(&mut self, site: Site) {
        self.figures.flushed += 1;
        let all = self.versions.iter().filter(|(thing, _)| thing.site == site);
        for (thing, version) in all {
            self.floors.insert(*thing, *version);
        }
    }

    /// The oldest version that one who asks now may get.
    pub(super) fn floor(&self, thing: Thing) -> u64 {
        self.floors.get(&thing).copied().unwrap_or(0)
    }
}
