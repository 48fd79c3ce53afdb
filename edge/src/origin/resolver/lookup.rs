//! From a name as written to addresses: hosts file, candidates, cache, servers.
//!
//! What it is: one look-up of a name, both families at once. Shape: [`Lookup`] owns what all names
//! share: files, cache, and the set of questions that are under way, so that a name is never asked
//! for twice at once. Units: [`Mono`]. Ranges: at most [`ASKING_MAX`] questions at a time.
//! Errors: none leave here; [`Verdict`] says whether servers denied the name or kept silent.
//! Source: resolv.conf(5), RFC 8305 section 3 (which answer to wait for), section 4 (order).

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    net::IpAddr,
    pin::pin,
    rc::Rc,
    task::Poll,
};

use super::{ResolverConfig, ResolverFigures, servers::Servers};
use crate::{
    base::time::Mono,
    exec::{Core, TaskId},
    net::dns::{
        Family,
        cache::{CacheLimits, Known, NameCache},
        hosts::Hosts,
        message::Answer,
        normal,
        resolv::ResolvConf,
    },
};

/// What all names share.
pub(super) struct Lookup {
    pub(super) core: Rc<Core>,
    config: ResolverConfig,
    files: RefCell<Rc<Files>>,
    cache: RefCell<NameCache>,
    asking: RefCell<BTreeSet<Question>>,
    waiting: RefCell<Vec<TaskId>>,
    figures: Cell<ResolverFigures>,
}

type Question = (String, Family);

struct Files {
    hosts: Hosts,
    resolv: ResolvConf,
    servers: Servers,
}

/// What a look-up found, and when to look again.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) verdict: Verdict,
    pub(super) due: Mono,
}

/// What is known of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// In the order to try; never empty.
    Addresses(Vec<IpAddr>),
    /// Servers say that there is none.
    Nothing,
    /// No server said anything: what was known before still holds.
    Unknown,
}

/// What is known of one family.
struct Part {
    ips: Vec<IpAddr>,
    due: Mono,
    silent: bool,
}

impl Lookup {
    pub(super) fn new(
        core: &Rc<Core>,
        config: ResolverConfig,
        hosts_text: &str,
        resolv_text: &str,
    ) -> Rc<Lookup> {
        let limits = CacheLimits {
            ttl_ms_min: u64::from(config.ttl_ms_min),
            ttl_ms_max: u64::from(config.ttl_max_s) * 1000,
            negative_ttl_ms_max: u64::from(config.negative_ttl_max_s) * 1000,
            ..CacheLimits::default()
        };
        let files = Files::read(&config, hosts_text, resolv_text);
        Rc::new(Lookup {
            core: Rc::clone(core),
            config,
            files: RefCell::new(Rc::new(files)),
            cache: RefCell::new(NameCache::new(limits)),
            asking: RefCell::new(BTreeSet::new()),
            waiting: RefCell::new(Vec::new()),
            figures: Cell::new(ResolverFigures::default()),
        })
    }

    pub(super) fn set_files(&self, hosts_text: &str, resolv_text: &str) {
        let files = Files::read(&self.config, hosts_text, resolv_text);
        *self.files.borrow_mut() = Rc::new(files);
    }

    pub(super) fn figures(&self) -> ResolverFigures {
        self.figures.get()
    }

    /// Looks `name` up. `early` gets the addresses of one family when the other lets wait.
    pub(super) async fn resolve(&self, name: &str, mut early: impl FnMut(Vec<IpAddr>)) -> Found {
        let files = Rc::clone(&self.files.borrow());
        if let Some(verdict) = files.find(name) {
            let due = Mono::FAR;
            return Found { verdict, due };
        }
        let mut due = Mono::FAR;
        for candidate in files.resolv.candidates(name) {
            let (four, six) = self.both(&files.servers, &candidate, &mut early).await;
            due = due.min(four.due).min(six.due);
            let ips = in_turn(&four.ips, &six.ips);
            let verdict = if !ips.is_empty() {
                Verdict::Addresses(ips)
            } else if four.silent || six.silent {
                // The next candidate may be another host: in doubt, none.
                Verdict::Unknown
            } else {
                continue;
            };
            return Found { verdict, due };
        }
        let verdict = Verdict::Nothing;
        Found { verdict, due }
    }

    async fn both(
        &self,
        servers: &Servers,
        name: &str,
        early: &mut impl FnMut(Vec<IpAddr>),
    ) -> (Part, Part) {
        let mut four = pin!(self.part(servers, name, Family::V4));
        let mut six = pin!(self.part(servers, name, Family::V6));
        let (mut four_part, mut six_part) = (None, None);
        let (mut early_at, mut told) = (None, false);
        std::future::poll_fn(move |context| {
            if four_part.is_none()
                && let Poll::Ready(part) = four.as_mut().poll(context)
            {
                four_part = Some(part);
            }
            if six_part.is_none()
                && let Poll::Ready(part) = six.as_mut().poll(context)
            {
                six_part = Some(part);
            }
            let first: &Part = match (four_part.take(), six_part.take()) {
                (Some(four), Some(six)) => return Poll::Ready((four, six)),
                (Some(four), None) => four_part.insert(four),
                (None, Some(six)) => six_part.insert(six),
                (None, None) => return Poll::Pending,
            };
            if first.ips.is_empty() || told {
                return Poll::Pending;
            }
            let now = self.core.now();
            let at = *early_at.get_or_insert(now.plus_ms(RESOLUTION_DELAY_MS));
            if now < at {
                self.core.wake_at(at);
            } else {
                told = true;
                early(first.ips.clone());
            }
            Poll::Pending
        })
        .await
    }

    /// One family of one whole name, from the cache or from a server.
    async fn part(&self, servers: &Servers, name: &str, family: Family) -> Part {
        let _turn = loop {
            if let Some(part) = self.remembered(name, family) {
                return part;
            }
            if let Some(turn) = self.turn(name, family).await {
                break turn;
            }
        };
        let answer = servers.ask(&self.core, name, family).await;
        let now = self.core.now();
        self.count(|figures| {
            figures.asked += 1;
            figures.failed += u64::from(answer.is_err());
        });
        if let Ok(answer) = &answer {
            self.cache.borrow_mut().insert(name, family, answer, now);
        }
        let cache = self.cache.borrow();
        let ips = match cache.lookup(name, family, now) {
            Known::Fresh(ips) | Known::Stale(ips) => ips.to_vec(),
            Known::NoData | Known::NoName | Known::Miss => Vec::new(),
        };
        let retry_at = now.plus_ms(u64::from(self.config.retry_ms));
        let due = match answer {
            Ok(Answer::Addresses { .. }) => cache.refresh_at(name, family).unwrap_or(retry_at),
            // "None" without a TTL is not a reason to ask every moment.
            Ok(_) => cache
                .refresh_at(name, family)
                .unwrap_or(retry_at)
                .max(retry_at),
            Err(_) => retry_at,
        };
        Part {
            ips,
            due,
            silent: answer.is_err(),
        }
    }

    /// What the cache says, unless it is time to ask again.
    fn remembered(&self, name: &str, family: Family) -> Option<Part> {
        let now = self.core.now();
        let cache = self.cache.borrow();
        let due = cache.refresh_at(name, family).filter(|at| now < *at)?;
        let ips = match cache.lookup(name, family, now) {
            Known::Fresh(ips) => ips.to_vec(),
            Known::NoData | Known::NoName => Vec::new(),
            Known::Stale(_) | Known::Miss => return None,
        };
        let silent = false;
        Some(Part { ips, due, silent })
    }

    /// The right to ask, or `None` after somebody else has asked the same.
    async fn turn(&self, name: &str, family: Family) -> Option<Asking<'_>> {
        let question = (name.to_owned(), family);
        let mut asked_by_other = false;
        std::future::poll_fn(|_| {
            let mut asking = self.asking.borrow_mut();
            let is_asked = asking.contains(&question);
            if asked_by_other && !is_asked {
                return Poll::Ready(None);
            }
            asked_by_other |= is_asked;
            if is_asked || asking.len() >= ASKING_MAX {
                let mut waiting = self.waiting.borrow_mut();
                let task = self.core.current();
                if !waiting.contains(&task) {
                    waiting.push(task);
                }
                return Poll::Pending;
            }
            asking.insert(question.clone());
            Poll::Ready(Some(Asking {
                lookup: self,
                question: question.clone(),
            }))
        })
        .await
    }

    fn count(&self, change: impl FnOnce(&mut ResolverFigures)) {
        let mut figures = self.figures.get();
        change(&mut figures);
        self.figures.set(figures);
    }
}

impl Files {
    fn read(config: &ResolverConfig, hosts_text: &str, resolv_text: &str) -> Files {
        let resolv = ResolvConf::parse(resolv_text);
        let or_system = |own: u32, system: u64| match own {
            0 => system,
            own => u64::from(own),
        };
        let attempts = or_system(u32::from(config.attempts), u64::from(resolv.attempts));
        let servers = Servers {
            list: match &*config.servers {
                [] => resolv.servers.clone(),
                own => own.to_vec(),
            },
            timeout_ms: or_system(config.timeout_ms, resolv.timeout_ms),
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            rotate: resolv.rotate,
            use_tcp: resolv.use_tcp,
            turn: Cell::new(0),
        };
        Files {
            hosts: Hosts::parse(hosts_text),
            resolv,
            servers,
        }
    }

    /// What needs no server: names of the hosts file, and what is no name.
    fn find(&self, name: &str) -> Option<Verdict> {
        let Ok(plain) = normal(name) else {
            return Some(Verdict::Nothing);
        };
        let four = self.hosts.lookup(&plain, Family::V4)?;
        let six = self.hosts.lookup(&plain, Family::V6)?;
        Some(Verdict::Addresses(in_turn(four, six)))
    }
}

/// A question under way; ended or dropped, others may ask.
struct Asking<'a> {
    lookup: &'a Lookup,
    question: Question,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.lookup.asking.borrow_mut().remove(&self.question);
        for task in self.lookup.waiting.borrow_mut().drain(..) {
            self.lookup.core.wake(task);
        }
    }
}

/// The families by turns, IPv4 first: whichever of them leads nowhere, the next address is of the
/// other.
fn in_turn(four: &[IpAddr], six: &[IpAddr]) -> Vec<IpAddr> {
    let mut ips = Vec::with_capacity(four.len().saturating_add(six.len()));
    for at in 0..four.len().max(six.len()) {
        ips.extend(four.get(at));
        ips.extend(six.get(at));
    }
    ips
}

/// Questions under way at most.
const ASKING_MAX: usize = 64;
/// How long the family that answered first waits for the other (RFC 8305 section 8).
const RESOLUTION_DELAY_MS: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let rows: &[(&[&str], &[&str], &[&str])] = &[
            (&[], &[], &[]),
            (&["1.1.1.1", "2.2.2.2"], &[], &["1.1.1.1", "2.2.2.2"]),
            (&[], &["::1"], &["::1"]),
            (
                &["1.1.1.1", "2.2.2.2"],
                &["::1", "::2", "::3"],
                &["1.1.1.1", "::1", "2.2.2.2", "::2", "::3"],
            ),
        ];
        let read = |texts: &[&str]| -> Vec<IpAddr> {
            let ip = |text: &&str| text.parse().expect("an address");
            texts.iter().map(ip).collect()
        };
        for (four, six, expected) in rows {
            assert_eq!(in_turn(&read(four), &read(six)), read(expected));
        }
    }
}
