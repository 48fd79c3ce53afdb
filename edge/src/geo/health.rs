//! Gateways that ask whether what is behind them is well.
//!
//! What it is: the active checks of the product, made by each edge on its own core, and a diary of
//! the verdicts that changed. Shape: one [`Diary`] for a deployment; [`Diary::about`] reads from it
//! how a lost region was found out. Its length is the number of changes, which losses bound. Units:
//! virtual nanoseconds; seconds in reports. Errors: none. Source: docs/simulator.md, "The edges'
//! checks".

use std::{cell::RefCell, rc::Rc, sync::Arc};

use super::{
    network::site_address,
    result::{Detection, Learned},
};
use crate::{
    exec::Core,
    origin::{
        EndpointHost, OriginIndex,
        health::{self, Change, Checked, Checks},
    },
    server::Blueprint,
};

/// Verdicts that changed, of all gateways.
#[derive(Clone, Default)]
pub(super) struct Diary(Rc<RefCell<Vec<Entry>>>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    at_ns: u64,
    /// Whose verdict it is.
    watcher: usize,
    /// About which site.
    site: usize,
    is_well: bool,
}

/// A loss and its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Loss {
    pub(super) site: usize,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

impl Diary {
    /// Starts the checks of the gateway at `watcher`, which may ask `behind`.
    pub(super) fn watch(
        &self,
        core: &Rc<Core>,
        blueprint: &Blueprint,
        watcher: usize,
        behind: Vec<usize>,
    ) -> Checks {
        let origins = &blueprint.plan.origins;
        let each = blueprint.states.iter().zip(&blueprint.origin_tls).zip(0..);
        let groups: Vec<Checked> = each
            .map(|((state, tls), index)| Checked {
                origins: Arc::clone(origins),
                index: OriginIndex(index),
                state: Arc::clone(state),
                tls: tls.clone(),
            })
            .collect();
        let (diary, own_core) = (self.clone(), Rc::clone(core));
        let on_change = move |change: &Change<'_>| {
            let endpoint = change.origin.endpoints.get(change.endpoint);
            let Some(EndpointHost::Address(ip)) = endpoint.map(|row| &row.host) else {
                return; // sites have addresses
            };
            let mut sites = behind.iter().copied();
            if let Some(site) = sites.find(|site| site_address(*site).ip() == *ip) {
                diary.0.borrow_mut().push(Entry {
                    at_ns: own_core.now().0,
                    watcher,
                    site,
                    is_well: change.fault.is_none(),
                });
            }
        };
        health::watch(core, &groups, &(Rc::new(on_change) as health::OnChange))
    }

    /// How `watchers` gateways found out about `loss`.
    pub(super) fn about(&self, loss: &Loss, watchers: u64) -> Detection {
        let entries = self.0.borrow();
        let about = |is_well: bool, from_ns: u64, until_ns: u64| {
            let mut known: Vec<usize> = Vec::new();
            let mut times_s: Vec<f64> = Vec::new();
            for entry in &*entries {
                let is_news = entry.site == loss.site
                    && entry.is_well == is_well
                    && (from_ns..until_ns).contains(&entry.at_ns)
                    && !known.contains(&entry.watcher);
                if is_news {
                    known.push(entry.watcher);
                    times_s.push((entry.at_ns - from_ns) as f64 / 1e9);
                }
            }
            learned(times_s)
        };
        Detection {
            region: loss.site,
            from_s: loss.from_ns as f64 / 1e9,
            watchers,
            lost: about(false, loss.from_ns, loss.to_ns),
            back: about(true, loss.to_ns, u64::MAX),
        }
    }
}

/// Of those who learned; their times are in order, as the diary is.
fn learned(times_s: Vec<f64>) -> Learned {
    let (Some(first_s), Some(last_s)) = (times_s.first(), times_s.last()) else {
        return Learned::default();
    };
    Learned {
        count: times_s.len() as u64,
        first_s: *first_s,
        median_s: times_s[(times_s.len() - 1) / 2],
        last_s: *last_s,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_of_a_loss_is_the_first_news_of_each() {
        let diary = Diary::default();
        // at (s), watcher, site, well
        let rows = [
            (5, 1, 9, false), // an earlier one
            (6, 1, 9, true),
            (12, 1, 9, false),
            (13, 2, 9, false),
            (13, 3, 8, false), // about another site
            (14, 2, 9, true),
            (15, 2, 9, false),
            (17, 4, 9, false),
            (25, 2, 9, true),
            (27, 1, 9, true),
        ];
        for (at_s, watcher, site, is_well) in rows {
            diary.0.borrow_mut().push(Entry {
                at_ns: at_s * 1_000_000_000,
                watcher,
                site,
                is_well,
            });
        }
        let loss = Loss {
            site: 9,
            from_ns: 10_000_000_000,
            to_ns: 20_000_000_000,
        };
        let found = diary.about(&loss, 5);
        let of = |what: &Learned| (what.count, what.first_s, what.median_s, what.last_s);
        assert_eq!(of(&found.lost), (3, 2.0, 3.0, 7.0));
        assert_eq!(of(&found.back), (2, 5.0, 5.0, 7.0));
        assert_eq!((found.region, found.from_s, found.watchers), (9, 10.0, 5));
        let nobody = Loss { site: 7, ..loss };
        assert_eq!(diary.about(&nobody, 5).lost, Learned::default());
    }
}
