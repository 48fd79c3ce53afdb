//! The keys under which answers are found.
//!
//! Shape: an edge key as its policy writes it, or a stage key of declared values; put together on
//! the stack and kept in the exchange's own room. The first byte tells the two apart. Units:
//! bytes. Ranges: keys of up to [`KEY_BYTES_MAX`]. Errors: `None`; the request is then not
//! answered from the store. Source: RFC 9111 section 2; the API Gateway developer guide,
//! "cacheKeyParameters".

use super::super::exchange::{Exchange, Peer};
use crate::{
    cache::http::{
        hash::Uri,
        key::{KeyFault, KeySource},
        policy::KeyPolicy,
        record::Variants,
    },
    integrate::RequestParts,
    plan::{RouteCache, StageCachePlan, StagePlan},
    wire::Method,
};

/// Longest key.
pub(super) const KEY_BYTES_MAX: usize = 12 * 1024;
/// Keys up to this length are put together on the stack.
const KEY_BYTES_SHORT: usize = 512;

/// What the request in `x` is for.
pub(super) fn uri_of<'x>(x: &'x Exchange, peer: &Peer) -> Uri<'x> {
    let bytes = x.head_bytes.bytes();
    let query = x.head.query(bytes);
    Uri {
        is_https: peer.tls,
        host: x.head.host.name.of(bytes),
        port: x.head.host.port,
        path: x.head.path(bytes),
        query: (!query.is_empty()).then_some(query),
    }
}

fn source<'x>(x: &'x Exchange, uri: Uri<'x>, stage: &'x StagePlan) -> KeySource<'x> {
    KeySource {
        scope: &stage.cache_scope,
        uri,
        fields: &x.head.fields,
        bytes: x.head_bytes.bytes(),
        principal: None,
    }
}

/// Writes the primary key of `uri` under `policy` to `key`.
pub(super) fn write_edge(
    x: &Exchange,
    uri: Uri<'_>,
    stage: &StagePlan,
    policy: &KeyPolicy,
    key: &mut Vec<u8>,
) -> Option<()> {
    key.clear();
    let source = source(x, uri, stage);
    write_into(key, |out| policy.write(&source, out))
}

/// Writes the key of the mark of `uri` under `policy` to `key`.
pub(super) fn write_uri(
    x: &Exchange,
    uri: Uri<'_>,
    stage: &StagePlan,
    policy: &KeyPolicy,
    key: &mut Vec<u8>,
) -> Option<()> {
    key.resize(KEY_BYTES_MAX, 0);
    let written = policy.write_uri(&source(x, uri, stage), key);
    key.truncate(written.unwrap_or(0));
    written.ok().map(drop)
}

/// The query that the origin of the request in `x` may see, in `room` if it is not the request's:
/// a parameter that tells no answers apart must not be able to change one.
pub(in super::super) fn forwarded_query<'q>(
    x: &'q Exchange,
    cache: Option<&RouteCache>,
    room: &'q mut Vec<u8>,
) -> &'q [u8] {
    let query = x.head.query(x.head_bytes.bytes());
    let Some(RouteCache::Edge(plan)) = cache else {
        return query;
    };
    let is_kept = matches!(x.head.method, Method::Get | Method::Head);
    if plan.forward_other_query || !is_kept || query.is_empty() {
        return query;
    }
    room.resize(query.len(), 0);
    match plan.key.write_counted(query, room) {
        Some(len) => room.get(..len).unwrap_or(&[]),
        None => query,
    }
}

/// Turns the primary key in `key` into that of the variant that the request selects.
pub(super) fn write_variant(
    x: &Exchange,
    uri: Uri<'_>,
    stage: &StagePlan,
    policy: &KeyPolicy,
    variants: &Variants<'_>,
    key: &mut Vec<u8>,
) -> Option<()> {
    let primary_bytes = key.len();
    let source = source(x, uri, stage);
    write_into(key, |out| {
        policy.write_variant(&source, variants, primary_bytes, out)
    })
}

/// Lets `write` change `key`, which gives the new length: on the stack if that has room for it, so
/// that a usual key costs its own length and not the longest's.
fn write_into(
    key: &mut Vec<u8>,
    write: impl Fn(&mut [u8]) -> Result<usize, KeyFault>,
) -> Option<()> {
    let mut short = [0; KEY_BYTES_SHORT];
    if let Some(before) = short.get_mut(..key.len()) {
        before.copy_from_slice(key);
        if let Ok(bytes_len) = write(&mut short) {
            key.clear();
            key.extend_from_slice(short.get(..bytes_len)?);
            return Some(());
        }
    }
    key.resize(KEY_BYTES_MAX, 0);
    let written = write(key);
    key.truncate(written.unwrap_or(0));
    written.ok().map(drop)
}

/// Writes the key of a stage's cache.
pub(super) fn write_stage(
    x: &Exchange,
    stage: &StagePlan,
    plan: &StageCachePlan,
    key: &mut Vec<u8>,
) -> Option<()> {
    let bytes = x.head_bytes.bytes();
    let header = |name: &str| {
        let fields = x.head.fields.named(bytes, name.as_bytes());
        fields.last().map(|field| field.value.of(bytes))
    };
    let parts = RequestParts {
        path: x.head.path(bytes),
        query: x.head.query(bytes),
        params: &x.params,
        header: &header,
    };
    let method = x.head.method_name.of(bytes);
    plan.write_key(&stage.cache_scope, method, &parts, key);
    (key.len() <= KEY_BYTES_MAX).then_some(())
}
