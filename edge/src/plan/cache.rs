//! What a plan says about keeping answers.
//!
//! Shape: [`CachePlan`] is the region, one for all; a route has at most one [`RouteCache`], by the
//! edge policy of its API or as its stage's cache. Units: in the names. Ranges: as the compiler
//! checks them. Errors: none here. Source: RFC 9111; the API Gateway developer guide, "cache
//! settings".

use std::{path::PathBuf, sync::Arc};

use crate::{
    cache::{
        Namespace,
        http::{hash::Hash64, policy::KeyPolicy, rules::HttpCacheRules},
    },
    integrate::{RequestParts, Source},
    model::settings::Unauthorized,
};

/// The region that all answers are kept in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CachePlan {
    /// The mapped file; `None`: in the runtime directory.
    pub path: Option<PathBuf>,
    pub capacity_bytes: u64,
    /// Largest body.
    pub object_bytes_max: u32,
    pub seal: SealPlan,
    /// Longest wait for another request that fetches the same.
    pub collapse_ms: u32,
    /// `X-Cache` and `Cache-Status` are sent.
    pub headers: bool,
}

/// How the region is sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SealPlan {
    /// Not at all.
    None,
    /// By a key that nobody knows after this boot.
    Boot,
    /// By the key in this file.
    File(PathBuf),
}

/// How a route's answers are kept.
#[derive(Clone, Debug)]
pub enum RouteCache {
    /// As the origin's fields and a policy say.
    Edge(Arc<EdgeCachePlan>),
    /// As the stage says, whatever the origin's fields are.
    Stage(StageCachePlan),
}

/// An edge policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeCachePlan {
    pub name: Box<str>,
    pub rules: HttpCacheRules,
    pub key: KeyPolicy,
    /// Query parameters that do not count reach the origin all the same.
    pub forward_other_query: bool,
}

/// A stage's cache for one method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageCachePlan {
    /// 1 to 3,600.
    pub ttl_s: u32,
    /// What groups its answers: the resource path, or a name that methods share.
    pub namespace: Box<str>,
    /// Values that tell one answer from another.
    pub key: Box<[Source]>,
    /// Who asks for a fresh answer must be allowed to.
    pub require_authorization: bool,
    /// What one who is not allowed gets.
    pub unauthorized: Unauthorized,
}

impl StageCachePlan {
    /// Writes the key of a request: scope, namespace, verb and the declared values, each with its
    /// length. A value that is missing is as if it were empty.
    pub fn write_key(
        &self,
        scope: &[u8],
        method: &[u8],
        parts: &RequestParts<'_>,
        key: &mut Vec<u8>,
    ) {
        key.clear();
        key.push(STAGE_KEY);
        put(key, scope);
        put(key, self.namespace.as_bytes());
        put(key, method);
        for source in &self.key {
            put(key, parts.value(source).unwrap_or(&[]));
        }
    }
}

/// What tells the stored answers of one stage of an API from all others.
#[must_use]
pub fn stage_scope(api_id: &str, stage: &str) -> Vec<u8> {
    format!("{api_id}\0{stage}").into_bytes()
}

/// The same for the canary of a stage, where its answers are kept apart.
#[must_use]
pub fn canary_scope(api_id: &str, stage: &str) -> Vec<u8> {
    format!("{api_id}\0{stage}\0canary").into_bytes()
}

/// What the answers stored under `scope` are flushed with.
#[must_use]
pub fn stage_namespace(scope: &[u8]) -> Namespace {
    Namespace(Hash64::of_tag(scope))
}

fn put(key: &mut Vec<u8>, part: &[u8]) {
    let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
    key.extend_from_slice(&len.to_le_bytes());
    key.extend_from_slice(part);
}

/// First byte of a stage key; edge keys begin with their version, a small number.
pub const STAGE_KEY: u8 = b'S';
