//! What a plan says about keeping answers.
//!
//! Shape: [`CachePlan`] lists the regions, of which each stage uses one, by its [`RegionIndex`]; a
//! route has at most one [`RouteCache`], by the edge policy of its API or as its stage's cache. Units: in the names. Ranges: as the compiler
//! checks them. Errors: none here. Source: RFC 9111; the API Gateway developer guide, "cache
//! settings".

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    cache::{
        Namespace,
        http::{hash::Hash64, policy::KeyPolicy, rules::HttpCacheRules},
    },
    integrate::{RequestParts, Source},
    model::settings::Unauthorized,
};

/// What answers are kept in, and what all regions have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CachePlan {
    /// The common one first; which one a stage uses is [`super::StagePlan::cache_region`].
    pub regions: Box<[RegionPlan]>,
    /// Largest body.
    pub object_bytes_max: u32,
    pub seal: SealPlan,
    /// Longest wait for another request that fetches the same.
    pub collapse_ms: u32,
    /// `X-Cache` and `Cache-Status` are sent.
    pub headers: bool,
}

/// One mapped file. What fills it displaces nothing in another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionPlan {
    pub of: RegionOf,
    /// `None`: in the runtime directory.
    pub path: Option<PathBuf>,
    pub capacity_bytes: u64,
    /// Where the settings say how large it is.
    pub pointer: Box<str>,
}

/// Whose region it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RegionOf {
    /// Of all stages without one.
    Common,
    /// Of one stage alone.
    Stage { api_id: Box<str>, stage: Box<str> },
}

/// Position in [`CachePlan::regions`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionIndex(pub u32);

impl RegionIndex {
    /// The region of all stages without one of their own.
    pub const COMMON: RegionIndex = RegionIndex(0);
}

impl CachePlan {
    /// Puts the common region at `path`, and the others beside it.
    pub fn place(&mut self, path: &Path) {
        for region in &mut self.regions {
            region.path = Some(match &region.of {
                RegionOf::Common => path.to_owned(),
                RegionOf::Stage { api_id, stage } => stage_file(path, api_id, stage),
            });
        }
    }

    /// The file of the common region, once it is known.
    #[must_use]
    pub fn common_path(&self) -> Option<&Path> {
        self.regions.first()?.path.as_deref()
    }

    /// A region by index.
    #[must_use]
    pub fn region(&self, index: RegionIndex) -> Option<&RegionPlan> {
        self.regions.get(index.0 as usize)
    }
}

/// As people see it: `common`, or `petstore01/dev`.
impl fmt::Display for RegionOf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegionOf::Common => out.write_str("common"),
            RegionOf::Stage { api_id, stage } => write!(out, "{api_id}/{stage}"),
        }
    }
}

/// The file of a stage's own region, beside the common one at `path`. Neither an API's id nor a
/// stage's name has an `@`, and no stage's name a dot: so no two names are equal, nor with `.new`
/// behind them.
#[must_use]
pub fn stage_file(path: &Path, api_id: &str, stage: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if api_id.len() + stage.len() > STAGE_FILE_BYTES_MAX {
        let number = stage_namespace(&stage_scope(api_id, stage)).0;
        name.push(format!(".{number:016x}@"));
    } else {
        name.push(format!(".{api_id}@{stage}"));
    }
    PathBuf::from(name)
}

/// Bytes of API and stage that fit into a file's name beside the rest of it.
const STAGE_FILE_BYTES_MAX: usize = 128;

/// How regions are sealed.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_stages_have_names_of_their_own() {
        let long = "x".repeat(128);
        let rows = [
            ("pets", "dev", "c.cache.pets@dev"),
            ("a.b", "new", "c.cache.a.b@new"),
            ("a", "b-new", "c.cache.a@b-new"),
            ("", "dev", "c.cache.@dev"),
        ];
        for (api_id, stage, expected) in rows {
            let file = stage_file(Path::new("/r/c.cache"), api_id, stage);
            assert_eq!(file, Path::new("/r").join(expected));
        }
        let file = |api_id: &str, stage: &str| stage_file(Path::new("/r/c"), api_id, stage);
        let name = file(&long, &long);
        assert!(name.file_name().is_some_and(|name| name.len() < 32));
        assert_ne!(file(&long, "a"), file(&long, "b"));
    }
}
