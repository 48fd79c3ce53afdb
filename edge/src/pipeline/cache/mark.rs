//! The marks of URIs whose answers lie under many keys.
//!
//! What it is: where a policy has headers, cookies or the caller in its keys, nobody can list the
//! keys of one URI. So each of them ends with the nonce of a record that lies under the URI alone,
//! its mark. Removing the mark invalidates them all at once and in every process; they are not found
//! again, and their room is used as it is needed. Shape: functions on a key. Units: seconds, bytes.
//! Errors: `None` when the store has no room for a mark, and the request passes.
//! Source: RFC 9111 section 4.4.

use super::{
    look_up::{Desk, Room},
    seconds,
};
use crate::{
    base::time::Wall,
    cache::{
        Generation, Insert, Namespace, Owner,
        http::{encode, hash::Uri, policy::KeyPolicy, record::Record},
    },
    pipeline::{cache::key, exchange::Exchange},
    plan::{EdgeCachePlan, StagePlan},
};

/// Extends the primary key in `room` by the nonce of its URI's mark, which is made if there is none.
pub(super) fn append(
    desk: Desk<'_>,
    plan: &EdgeCachePlan,
    x: &Exchange,
    room: &mut Room,
) -> Option<()> {
    let (namespace, now) = (Namespace(desk.stage.cache_namespace), desk.now);
    let uri = key::uri_of(x, &desk.call.peer);
    let name = &mut room.meta;
    key::write_uri(x, uri, desk.stage, &plan.key, name)?;
    let found = find(desk.owner, namespace, name, now).or_else(|| {
        let keep_until_s = seconds(now).saturating_add(plan.rules.ttl_max_s);
        let mark = (name.as_slice(), desk.call.local.core.random());
        let place = (namespace, x.cache.generation?);
        make(desk.owner, place, mark, (now, keep_until_s))?;
        // Another may have made it at the same time; one of the two is left.
        find(desk.owner, namespace, name, now)
    });
    name.clear();
    room.key.extend_from_slice(&found?.to_le_bytes());
    (room.key.len() <= key::KEY_BYTES_MAX).then_some(())
}

/// Makes all answers of `uri` under `policy` unreachable.
pub(super) fn remove(
    owner: &Owner,
    x: &Exchange,
    uri: Uri<'_>,
    (stage, policy): (&StagePlan, &KeyPolicy),
    room: &mut Vec<u8>,
) {
    if key::write_uri(x, uri, stage, policy, room).is_some() {
        owner.remove(Namespace(stage.cache_namespace), room);
    }
}

fn find(owner: &Owner, namespace: Namespace, name: &[u8], now: Wall) -> Option<u64> {
    let hash = owner.hash(namespace, name);
    let hit = owner.lookup(namespace, hash, name, seconds(now))?;
    let mut meta = [0; MARK_BYTES_MAX];
    let meta = meta.get_mut(..hit.meta_bytes())?;
    hit.copy_meta(0, meta);
    match Record::decode(meta, hit.body_bytes() as u64) {
        Some(Record::Mark(nonce)) => Some(nonce),
        _ => None,
    }
}

fn make(
    owner: &Owner,
    (namespace, generation): (Namespace, Generation),
    (name, nonce): (&[u8], u64),
    (now, keep_until_s): (Wall, u32),
) -> Option<()> {
    let mut meta = [0; MARK_BYTES_MAX];
    let len = encode::write_mark(nonce, &mut meta).ok()?;
    let insert = Insert {
        namespace,
        generation,
        key: name,
        meta: meta.get(..len)?,
        body: &[],
        stored_s: seconds(now),
        expires_s: keep_until_s,
        keep_until_s,
    };
    owner.insert(&insert, seconds(now)).ok()
}

/// A record without anything behind its fixed part, and some room.
const MARK_BYTES_MAX: usize = 128;
