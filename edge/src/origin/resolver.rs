//! Names of endpoints, kept resolved.
//!
//! What it is: for every name that a plan mentions a task on the control core that asks for its
//! addresses, writes them where all cores read them, and asks again shortly before they expire.
//! Shape: [`Resolver`] maps each name to its task and to the endpoints that wait for it; one name
//! is one task however many endpoints have it. Units: in the names. Ranges: TTLs are clamped by
//! [`ResolverConfig`]. Errors: none leave here: while servers fail, endpoints keep the addresses
//! they have; when servers deny a name, they lose them. Source: RFC 1035, RFC 8305, RFC 8767.

mod lookup;
mod servers;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use self::lookup::{Lookup, Verdict};
use super::{
    plan::{EndpointHost, OriginPlan},
    state::{EndpointState, GroupState},
    task::Running,
};
use crate::exec::Core;

/// How names are resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolverConfig {
    /// Empty: those of resolv.conf.
    pub servers: Box<[SocketAddr]>,
    /// How long one server may take; 0: as resolv.conf says.
    pub timeout_ms: u32,
    /// How often the list of servers is gone through; 0: as resolv.conf says.
    pub attempts: u8,
    /// Longer TTLs are cut to this.
    pub ttl_max_s: u32,
    /// The same for "no such name" and "no address".
    pub negative_ttl_max_s: u32,
    /// Shorter TTLs are lengthened to this.
    pub ttl_ms_min: u32,
    /// When no server answered, and after a denial: not again before.
    pub retry_ms: u32,
}

/// The groups of one plan, and the state of each.
pub type PlanStates = (Arc<[OriginPlan]>, Vec<Arc<GroupState>>);

/// What a resolver has done.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ResolverFigures {
    /// Questions put to servers; one that took several attempts counts once.
    pub asked: u64,
    /// Of these, without an answer from any server.
    pub failed: u64,
}

/// Keeps the addresses of named endpoints current, once per host.
pub struct Resolver {
    lookup: Rc<Lookup>,
    names: RefCell<BTreeMap<Box<str>, Watched>>,
}

struct Watched {
    name: Rc<Name>,
    task: Running,
}

/// One name: who wants to know, and what was found last.
struct Name {
    text: Box<str>,
    targets: RefCell<Vec<Target>>,
    ips: RefCell<Option<Vec<IpAddr>>>,
    /// Files have changed: look again at once.
    is_outdated: Cell<bool>,
}

struct Target {
    state: Arc<EndpointState>,
    port: u16,
}

impl Resolver {
    /// A resolver without names yet. The texts are those of the hosts file and of resolv.conf.
    #[must_use]
    pub fn new(
        core: &Rc<Core>,
        config: ResolverConfig,
        hosts_text: &str,
        resolv_text: &str,
    ) -> Rc<Resolver> {
        Rc::new(Resolver {
            lookup: Lookup::new(core, config, hosts_text, resolv_text),
            names: RefCell::new(BTreeMap::new()),
        })
    }

    /// Resolves the names of these plans from now on, each with its states in the order of its
    /// origins, and no others. A name that was watched before goes on; its new endpoints get at
    /// once what is known.
    pub fn watch(&self, plans: &[PlanStates]) {
        let mut wanted: BTreeMap<Box<str>, Vec<Target>> = BTreeMap::new();
        for (origins, states) in plans {
            assert_eq!(origins.len(), states.len(), "a state for each group");
            for (origin, state) in origins.iter().zip(states) {
                for (endpoint, state) in origin.endpoints.iter().zip(&state.endpoints) {
                    if let EndpointHost::Name(name) = &endpoint.host {
                        wanted.entry(name.clone()).or_default().push(Target {
                            state: Arc::clone(state),
                            port: endpoint.port,
                        });
                    }
                }
            }
        }
        let mut names = self.names.borrow_mut();
        names.retain(|name, _| wanted.contains_key(name));
        for (text, targets) in wanted {
            match names.get(&text) {
                Some(watched) => watched.name.replace_targets(targets),
                None => {
                    let watched = self.start(text.clone(), targets);
                    names.insert(text, watched);
                }
            }
        }
    }

    /// The hosts file or resolv.conf has changed: every name is looked up again.
    pub fn set_files(&self, hosts_text: &str, resolv_text: &str) {
        self.lookup.set_files(hosts_text, resolv_text);
        for watched in self.names.borrow().values() {
            watched.name.is_outdated.set(true);
            watched.task.wake();
        }
    }

    /// Names watched.
    #[must_use]
    pub fn names_count(&self) -> usize {
        self.names.borrow().len()
    }

    /// What was done so far.
    #[must_use]
    pub fn figures(&self) -> ResolverFigures {
        self.lookup.figures()
    }

    fn start(&self, text: Box<str>, targets: Vec<Target>) -> Watched {
        let name = Rc::new(Name {
            text,
            targets: RefCell::new(targets),
            ips: RefCell::new(None),
            is_outdated: Cell::new(false),
        });
        let task = Running::spawn(
            &self.lookup.core,
            keep_resolved(Rc::clone(&self.lookup), Rc::clone(&name)),
        );
        Watched { name, task }
    }
}

/// The task of one name.
async fn keep_resolved(lookup: Rc<Lookup>, name: Rc<Name>) {
    let core = &lookup.core;
    loop {
        name.is_outdated.set(false);
        let found = lookup
            .resolve(&name.text, |ips| name.publish_first(ips))
            .await;
        match found.verdict {
            Verdict::Addresses(ips) => name.publish(ips),
            Verdict::Nothing => name.publish(Vec::new()),
            Verdict::Unknown => {}
        }
        let due = found.due.max(core.now().plus_ms(PAUSE_MS_MIN));
        core.wait_for(due, || name.is_outdated.get().then_some(()))
            .await;
    }
}

impl Name {
    fn publish(&self, ips: Vec<IpAddr>) {
        for target in self.targets.borrow().iter() {
            target.set(&ips);
        }
        *self.ips.borrow_mut() = Some(ips);
    }

    /// Half an answer is better than none, but not than an older whole one.
    fn publish_first(&self, ips: Vec<IpAddr>) {
        for target in self.targets.borrow().iter() {
            if target.state.addresses().is_empty() {
                target.set(&ips);
            }
        }
    }

    fn replace_targets(&self, targets: Vec<Target>) {
        if let Some(ips) = &*self.ips.borrow() {
            for target in &targets {
                target.set(ips);
            }
        }
        *self.targets.borrow_mut() = targets;
    }
}

impl Target {
    fn set(&self, ips: &[IpAddr]) {
        let addresses = ips.iter().map(|ip| SocketAddr::new(*ip, self.port));
        self.state.set_addresses(addresses.collect());
    }
}

impl Default for ResolverConfig {
    fn default() -> ResolverConfig {
        ResolverConfig {
            servers: Box::from([]),
            timeout_ms: 0,
            attempts: 0,
            ttl_max_s: 3_600,
            negative_ttl_max_s: 30,
            ttl_ms_min: 1_000,
            retry_ms: 5_000,
        }
    }
}

/// Between two look-ups of a name at least.
const PAUSE_MS_MIN: u64 = 100;
