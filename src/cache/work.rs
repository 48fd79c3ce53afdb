//! Orders, done on an open store.
//!
//! What it is: what the gateway does on a thread of its own when it is asked, and `tidegate cache`
//! does itself on the file of a stopped one. Walks go a few buckets at a time, hold no lock and pin
//! one object at most, so that nobody waits for them. Shape: JSON. Units: bytes. Errors:
//! [`Refused`]. Source: `cache::walk`, `cache::namespace`.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_edge::{
    base::time::Wall,
    cache::{
        Entry, Owner, Proof, Store, Walk,
        http::{KeyView, Record, hash::Hash64},
    },
    plan::{Plan, StagePlan, stage_namespace, stage_scope},
};

use super::{Flush, Order, Purge, Refused, entry, key::Asked};

/// Does `order` on `store`; `plan` is what its gateway serves, if that is known.
///
/// # Errors
/// What is not there, or cannot be understood.
pub fn perform(
    order: &Order,
    store: &Arc<Store>,
    plan: Option<&Plan>,
    now: Wall,
) -> Result<Value, Refused> {
    match order {
        Order::Stat => Ok(stat(store)),
        Order::Flush(what) => flush(store, plan, what),
        Order::Purge(what) => purge(store, plan, what),
        Order::Get(wanted) => match plan {
            Some(plan) => entry::show(&owner(store)?, plan, wanted, now),
            None => Err(Refused::new(400, "keys need a plan; name it by --config")),
        },
        Order::Verify => {
            let proof = verify(store)?;
            Ok(json!({
                "good": proof.good,
                "damaged": proof.damaged,
                "astray": proof.astray,
            }))
        }
    }
}

/// The figures of the store, over all its processes.
#[must_use]
pub fn stat(store: &Store) -> Value {
    let stats = store.stats();
    let mut processes = store.processes();
    processes.sort_unstable();
    processes.dedup();
    let evicted: serde_json::Map<String, Value> = (stats.evictions().into_iter())
        .map(|(cause, count)| (cause.to_owned(), json!(count)))
        .collect();
    json!({
        "path": store.path(),
        "sealed": store.is_sealed(),
        "capacity_bytes": stats.capacity_bytes,
        "data_bytes": stats.data_bytes,
        "used_bytes": stats.used_bytes,
        "objects": stats.objects,
        "object_bytes_max": store.object_bytes_max(),
        "lookups": {"hits": stats.hits, "misses": stats.misses},
        "stored": stats.inserts,
        "stored_bytes": stats.inserted_bytes,
        "replaced": stats.replaced,
        "removed": stats.removed,
        "refused": stats.refused,
        "damaged": stats.damaged,
        "evicted": evicted,
        "processes": processes,
    })
}

fn flush(store: &Store, plan: Option<&Plan>, what: &Flush) -> Result<Value, Refused> {
    match what {
        Flush::All => store.flush_all(),
        Flush::Stage { api, stage } => {
            let is_named = |known: &StagePlan| *known.api_id == **api && *known.name == **stage;
            if let Some(plan) = plan
                && !plan.stages.iter().any(is_named)
            {
                let known: Vec<String> = (plan.stages.iter())
                    .map(|stage| format!("{}/{}", stage.api_id, stage.name))
                    .collect();
                let reason = format!(
                    "there is no stage `{stage}` of `{api}`; there are {}",
                    known.join(", ")
                );
                return Err(Refused::new(404, reason));
            }
            store.flush(stage_namespace(&stage_scope(api, stage)));
        }
    }
    Ok(json!({"flushed": true}))
}

fn purge(store: &Arc<Store>, plan: Option<&Plan>, what: &Purge) -> Result<Value, Refused> {
    let wanted =
        |url: &str| Asked::parse(plan, "GET", url, &[]).map_err(|reason| Refused::new(400, reason));
    let bare = |url: &str| match url.contains('?') {
        true => Err(Refused::new(400, "a prefix ends before the query")),
        false => wanted(url),
    };
    let removed = match what {
        Purge::Tag(tag) => {
            let tag = Hash64::of_tag(tag.as_bytes());
            walk(store, |entry, _, meta| has_tag(entry, meta, tag))?
        }
        Purge::Url(url) => {
            let asked = wanted(url)?;
            let uri = asked.uri();
            walk(store, |_, key, _| {
                KeyView::decode(key).is_some_and(|view| view.may_be_of(&uri))
            })?
        }
        Purge::Prefix(url) => {
            let asked = bare(url)?;
            let uri = asked.uri();
            walk(store, |_, key, _| {
                let view = KeyView::decode(key);
                view.is_some_and(|view| view.is_of_site(&uri) && view.path.starts_with(uri.path))
            })?
        }
    };
    Ok(json!({ "removed": removed }))
}

/// Removes what `decide` names; how many objects that were.
fn walk(
    store: &Arc<Store>,
    mut decide: impl FnMut(&Entry, &[u8], &[u8]) -> bool,
) -> Result<u64, Refused> {
    let owner = owner(store)?;
    let (mut walk, mut removed) = (Walk::default(), 0);
    let mut count = |entry: &Entry, key: &[u8], meta: &[u8]| {
        let is_named = !entry.is_flushed && decide(entry, key, meta);
        removed += u64::from(is_named);
        is_named
    };
    while owner.purge(&mut walk, BUCKETS_AT_ONCE, &mut count) {
        std::thread::yield_now();
    }
    Ok(removed)
}

fn has_tag(entry: &Entry, meta: &[u8], tag: u64) -> bool {
    match Record::decode(meta, u64::from(entry.body_bytes)) {
        Some(Record::Response(stored)) => stored.tags().any(|known| known == tag),
        _ => false,
    }
}

fn verify(store: &Arc<Store>) -> Result<Proof, Refused> {
    let owner = owner(store)?;
    let (mut walk, mut proof) = (Walk::default(), Proof::default());
    while owner.prove(&mut walk, BUCKETS_AT_ONCE, &mut proof) {
        std::thread::yield_now();
    }
    Ok(proof)
}

fn owner(store: &Arc<Store>) -> Result<Owner, Refused> {
    let owner = store.owner();
    owner.map_err(|fault| Refused::new(409, fault.to_string()))
}

/// Buckets between two looks at who else wants the CPU.
const BUCKETS_AT_ONCE: usize = 256;
