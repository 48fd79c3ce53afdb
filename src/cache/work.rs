//! Orders, done on open regions.
//!
//! What it is: what the gateway does on a thread of its own when it is asked, and `tidegate cache`
//! does itself on the file of a stopped one. Walks go a few buckets at a time, hold no lock and pin
//! one object at most, so that nobody waits for them. Shape: JSON. Units: bytes. Errors:
//! [`Refused`]. Source: `cache::walk`, `cache::namespace`.

use serde_json::{Value, json};
use tidegate_edge::{
    base::time::Wall,
    cache::{
        Entry, Owner, Proof, Stats, Walk,
        http::{KeyView, Record, hash::Hash64},
    },
    plan::{Plan, StagePlan, canary_scope, stage_namespace, stage_scope},
};

use super::{Flush, Order, Purge, Refused, Region, entry, key::Asked};

/// Does `order` on `regions`; `plan` is what their gateway serves, if that is known: its regions
/// then stand in front, in its order.
///
/// # Errors
/// What is not there, or cannot be understood.
pub fn perform(
    order: &Order,
    regions: &[Region],
    plan: Option<&Plan>,
    now: Wall,
) -> Result<Value, Refused> {
    match order {
        Order::Stat => Ok(stat(regions)),
        Order::Flush(what) => flush(regions, plan, what),
        Order::Purge(what) => purge(regions, plan, what),
        Order::Get(wanted) => match plan {
            Some(plan) => entry::show(regions, plan, wanted, now),
            None => Err(Refused::new(400, "keys need a plan; name it by --config")),
        },
        Order::Verify => verify(regions),
    }
}

/// The figures over all processes: the sums, and where there are several regions, each.
#[must_use]
pub fn stat(regions: &[Region]) -> Value {
    let mut sum = Stats::default();
    let (mut rows, mut processes) = (Vec::new(), Vec::new());
    for Region { name, store } in regions {
        let stats = store.stats();
        sum += stats;
        processes.extend(store.processes());
        let mut row = json!({ "region": name, "path": store.path() });
        extend(&mut row, figures(&stats));
        rows.push(row);
    }
    processes.sort_unstable();
    processes.dedup();
    let mut value = match regions {
        // What all have in common is that of any.
        [Region { store, .. }, ..] => json!({
            "path": store.path(),
            "sealed": store.is_sealed(),
            "object_bytes_max": store.object_bytes_max(),
        }),
        [] => json!({}),
    };
    extend(&mut value, figures(&sum));
    extend(&mut value, json!({ "processes": processes }));
    if rows.len() > 1 {
        extend(&mut value, json!({ "regions": rows }));
    }
    value
}

fn figures(stats: &Stats) -> Value {
    let evicted: serde_json::Map<String, Value> = (stats.evictions().into_iter())
        .map(|(cause, count)| (cause.to_owned(), json!(count)))
        .collect();
    json!({
        "capacity_bytes": stats.capacity_bytes,
        "data_bytes": stats.data_bytes,
        "used_bytes": stats.used_bytes,
        "objects": stats.objects,
        "lookups": {"hits": stats.hits, "misses": stats.misses},
        "stored": stats.inserts,
        "stored_bytes": stats.inserted_bytes,
        "replaced": stats.replaced,
        "removed": stats.removed,
        "refused": stats.refused,
        "damaged": stats.damaged,
        "evicted": evicted,
    })
}

/// Adds the members of `more` to `value`.
fn extend(value: &mut Value, more: Value) {
    if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
        object.extend(more);
    }
}

fn flush(regions: &[Region], plan: Option<&Plan>, what: &Flush) -> Result<Value, Refused> {
    match what {
        Flush::All => regions.iter().for_each(|region| region.store.flush_all()),
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
            // Everywhere: the stage may come back to a region that it was in before.
            for scope in [stage_scope(api, stage), canary_scope(api, stage)] {
                for region in regions {
                    region.store.flush(stage_namespace(&scope));
                }
            }
        }
    }
    Ok(json!({"flushed": true}))
}

fn purge(regions: &[Region], plan: Option<&Plan>, what: &Purge) -> Result<Value, Refused> {
    let wanted =
        |url: &str| Asked::parse(plan, "GET", url, &[]).map_err(|reason| Refused::new(400, reason));
    let bare = |url: &str| match url.contains('?') {
        true => Err(Refused::new(400, "a prefix ends before the query")),
        false => wanted(url),
    };
    let removed = match what {
        Purge::Tag(tag) => {
            let tag = Hash64::of_tag(tag.as_bytes());
            walk(regions, |entry, _, meta| has_tag(entry, meta, tag))?
        }
        Purge::Url(url) => {
            let asked = wanted(url)?;
            let uri = asked.uri();
            walk(regions, |_, key, _| {
                KeyView::decode(key).is_some_and(|view| view.may_be_of(&uri))
            })?
        }
        Purge::Prefix(url) => {
            let asked = bare(url)?;
            let uri = asked.uri();
            walk(regions, |_, key, _| {
                let view = KeyView::decode(key);
                view.is_some_and(|view| view.is_of_site(&uri) && view.path.starts_with(uri.path))
            })?
        }
    };
    Ok(json!({ "removed": removed }))
}

/// Removes what `decide` names, in every region; how many objects that were.
fn walk(
    regions: &[Region],
    mut decide: impl FnMut(&Entry, &[u8], &[u8]) -> bool,
) -> Result<u64, Refused> {
    let mut removed = 0;
    let mut count = |entry: &Entry, key: &[u8], meta: &[u8]| {
        let is_named = !entry.is_flushed && decide(entry, key, meta);
        removed += u64::from(is_named);
        is_named
    };
    for region in regions {
        let (owner, mut walk) = (owner(region)?, Walk::default());
        while owner.purge(&mut walk, BUCKETS_AT_ONCE, &mut count) {
            std::thread::yield_now();
        }
    }
    Ok(removed)
}

fn has_tag(entry: &Entry, meta: &[u8], tag: u64) -> bool {
    match Record::decode(meta, u64::from(entry.body_bytes)) {
        Some(Record::Response(stored)) => stored.tags().any(|known| known == tag),
        _ => false,
    }
}

/// Reads everything: the sums, and where there are several regions, each.
fn verify(regions: &[Region]) -> Result<Value, Refused> {
    let (mut sum, mut rows) = (Proof::default(), Vec::new());
    for region in regions {
        let (owner, mut walk, mut proof) = (owner(region)?, Walk::default(), Proof::default());
        while owner.prove(&mut walk, BUCKETS_AT_ONCE, &mut proof) {
            std::thread::yield_now();
        }
        sum.good += proof.good;
        sum.damaged += proof.damaged;
        sum.astray += proof.astray;
        let mut row = json!({ "region": region.name });
        extend(&mut row, proven(&proof));
        rows.push(row);
    }
    let mut value = proven(&sum);
    if rows.len() > 1 {
        extend(&mut value, json!({ "regions": rows }));
    }
    Ok(value)
}

fn proven(proof: &Proof) -> Value {
    json!({
        "good": proof.good,
        "damaged": proof.damaged,
        "astray": proof.astray,
    })
}

/// A handle to look with.
pub(super) fn owner(region: &Region) -> Result<Owner, Refused> {
    let owner = region.store.owner();
    owner.map_err(|fault| Refused::new(409, fault.to_string()))
}

/// Buckets between two looks at who else wants the CPU.
const BUCKETS_AT_ONCE: usize = 256;
