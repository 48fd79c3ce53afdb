//! The regions of the response cache, open.
//!
//! What it is: the stores that a plan names, in its order; those that the plan before had open are
//! used on. A stage whose answers move to another region finds nothing there that is older than the
//! move, for what was flushed or replaced meanwhile must not come back. Shape: [`SharedCache`] is
//! one region with the fetches under way for it. Errors: [`BlueprintError`] at what names the
//! region. Source: docs/caching.md, "Regions".

use std::{path::PathBuf, rc::Rc, sync::Arc};

use super::blueprint::{Blueprint, BlueprintError, CacheSecrets};
use crate::{
    cache::{Namespace, Store, StoreOptions, collapse::Flights, key_file},
    exec::Core,
    pipeline::{Serving, cache::Tier},
    plan::{CachePlan, Plan, RegionIndex, RegionOf, RegionPlan, SealPlan, StagePlan, stage_file},
};

/// One region of the response cache as all cores of a process share it.
#[derive(Clone)]
pub struct SharedCache {
    /// What is kept.
    pub store: Arc<Store>,
    /// What is being fetched.
    pub flights: Arc<Flights>,
}

/// The stores that `plan` names: those of `before` if they are the same, else opened or made.
pub(super) fn open(
    plan: &Plan,
    secrets: &CacheSecrets,
    before: Option<&Blueprint>,
    errors: &mut Vec<BlueprintError>,
) -> Box<[SharedCache]> {
    let Some(cache) = &plan.cache else {
        return Box::default();
    };
    let mut caches = Vec::new();
    for region in &cache.regions {
        let opened = known(cache, region, before);
        match opened.map_or_else(|| open_one(cache, region, secrets), Ok) {
            Ok(shared) => caches.push(shared),
            Err(error) => errors.push(error), // nobody will look for a region by its index
        }
    }
    caches.into()
}

/// The store of `region`, if `before` has it open.
fn known(
    cache: &CachePlan,
    region: &RegionPlan,
    before: Option<&Blueprint>,
) -> Option<SharedCache> {
    let before = before?;
    let old = before.plan.cache.as_ref()?;
    let is_alike = old.object_bytes_max == cache.object_bytes_max && old.seal == cache.seal;
    let same = |old: &RegionPlan| {
        old.path == region.path && old.capacity_bytes == region.capacity_bytes && is_alike
    };
    let index = old.regions.iter().position(same)?;
    before.caches.get(index).cloned()
}

fn open_one(
    cache: &CachePlan,
    region: &RegionPlan,
    secrets: &CacheSecrets,
) -> Result<SharedCache, BlueprintError> {
    let fail = |pointer: &str, message: String| BlueprintError {
        pointer: pointer.to_owned(),
        message,
    };
    // A common region that cannot be used is a matter of its place, one of a stage of its size.
    let at = match region.of {
        RegionOf::Common => "/cache/path",
        RegionOf::Stage { .. } => &region.pointer,
    };
    let Some(path) = &region.path else {
        let message = "there is no runtime directory; name a file";
        return Err(fail("/cache/path", message.to_owned()));
    };
    let mut options = StoreOptions::new(path, region.capacity_bytes, secrets.seed);
    options.object_bytes_max = cache.object_bytes_max.saturating_add(HEAD_AND_KEY_BYTES);
    options.key = match &cache.seal {
        SealPlan::None => None,
        SealPlan::Boot => Some(secrets.boot_key),
        SealPlan::File(file) => {
            let key = key_file::read(file);
            Some(key.map_err(|message| fail("/cache/key_file", message))?)
        }
    };
    let store = Store::open(&options).map_err(|error| fail(at, error.to_string()))?;
    Ok(SharedCache {
        store,
        flights: Arc::default(),
    })
}

/// Room for a head and a key beside the largest body.
const HEAD_AND_KEY_BYTES: u32 = 32 * 1024;

/// Flushes each stage of `plan` where it comes to from another region: what lies there under its
/// name is of an earlier stay. After a restart the file that it left tells.
pub(super) fn settle(plan: &Plan, caches: &[SharedCache], before: Option<&Blueprint>) {
    let Some(cache) = &plan.cache else { return };
    let of = |caches: &[SharedCache], index: RegionIndex| {
        let shared = caches.get(index.0 as usize);
        shared.map(|shared| Arc::clone(&shared.store))
    };
    for stage in &plan.stages {
        let Some(store) = of(caches, stage.cache_region) else {
            continue;
        };
        let moved = if stage.cache_region == RegionIndex::COMMON {
            left_file(cache, stage).is_some_and(|file| file.exists())
        } else {
            before.is_some_and(|before| {
                let old = before.plan.stages.iter().find(|old| is_same(old, stage));
                let old = old.and_then(|old| of(&before.caches, old.cache_region));
                old.is_some_and(|old| !Arc::ptr_eq(&old, &store))
            })
        };
        if moved {
            store.flush(Namespace(stage.cache_namespace));
        }
    }
}

/// Flushes each stage of `plan` in the common region that has one of its own. Who fetches for it
/// under an earlier plan stores nothing there any more.
pub(super) fn leave_common(plan: &Plan, caches: &[SharedCache]) {
    let Some(common) = caches.first() else { return };
    let stages = plan.stages.iter();
    for stage in stages.filter(|stage| stage.cache_region != RegionIndex::COMMON) {
        common.store.flush(Namespace(stage.cache_namespace));
    }
}

fn is_same(one: &StagePlan, other: &StagePlan) -> bool {
    (&one.api_id, &one.name) == (&other.api_id, &other.name)
}

/// The files of regions that stages of `plan` do not use any more: those that they had before they
/// came to the common region, and those of `before` for stages that are gone. They may be taken
/// away once nobody begins a request with another plan.
#[must_use]
pub fn left_files(plan: &Plan, before: Option<&Plan>) -> Vec<PathBuf> {
    let Some(cache) = &plan.cache else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = (plan.stages.iter())
        .filter(|stage| stage.cache_region == RegionIndex::COMMON)
        .filter_map(|stage| left_file(cache, stage))
        .collect();
    // Where all regions have moved, the old ones stay, as the common one does.
    let old = before.and_then(|before| before.cache.as_ref());
    let old = old.filter(|old| old.common_path() == cache.common_path());
    let old = old.iter().flat_map(|old| &old.regions);
    files.extend(old.filter_map(|region| region.path.clone()));
    let is_used =
        |file: &PathBuf| (cache.regions.iter()).any(|region| region.path.as_ref() == Some(file));
    files.retain(|file| !is_used(file));
    files.sort();
    files.dedup();
    files
}

/// The file that `stage` had if it had a region of its own.
fn left_file(cache: &CachePlan, stage: &StagePlan) -> Option<PathBuf> {
    let path = cache.common_path()?;
    Some(stage_file(path, &stage.api_id, &stage.name))
}

/// This core's part of `caches`; what `before` has of the same stores is used on. A store without a
/// place for one more core has none, and its stages are served as if they had no cache.
pub(super) fn tiers(
    core: &Rc<Core>,
    caches: &[SharedCache],
    before: Option<&Serving>,
) -> Box<[Option<Rc<Tier>>]> {
    let known = before.map_or(&[][..], |before| &before.caches);
    caches
        .iter()
        .map(|cache| {
            let is_same = |tier: &&Rc<Tier>| Arc::ptr_eq(tier.owner.store(), &cache.store);
            if let Some(tier) = known.iter().flatten().find(is_same) {
                return Some(Rc::clone(tier));
            }
            let owner = cache.store.owner().ok()?;
            let seat = cache.flights.seat(core);
            Some(Rc::new(Tier { owner, seat }))
        })
        .collect()
}

/// Takes the files away that were made for `caches` and that `before` does not use: those of a plan
/// that is not served. What lies in them may miss a flush by the time they are wanted again.
pub(super) fn take_back(caches: &[SharedCache], before: Option<&Blueprint>) {
    let kept = before.map_or(&[][..], |before| &before.caches);
    for store in without(caches, kept) {
        if store.was_made() {
            store.forget_file();
        }
    }
}

/// The stores of `caches` that are not among `others`.
pub(super) fn without(caches: &[SharedCache], others: &[SharedCache]) -> Vec<Arc<Store>> {
    let stores = caches.iter().map(|cache| &cache.store);
    let is_other = |store: &Arc<Store>| {
        let mut others = others.iter();
        others.any(|other| Arc::ptr_eq(&other.store, store))
    };
    stores.filter(|store| !is_other(store)).cloned().collect()
}
