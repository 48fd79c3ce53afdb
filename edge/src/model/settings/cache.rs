//! `[cache]`: the response cache, its policies, and which APIs use them.
//!
//! Shape: [`Cache`] is the region that stages share; [`CachePolicy`] says how answers of origins
//! are kept by the edge policy; [`StageCache`] is a stage's cache as API Gateway defines it, with a
//! region of its own if it names a [`StageCapacity`]. Sizes, names and verbs stay text here; `plan::compile` reads them and reports by pointer.
//! Units: in the names: `_s`, `_ms`, `_bytes`, `_percent`. Errors: unknown keys are refused by
//! serde. Source: RFC 9111; the API Gateway developer guide, "cache settings".

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

/// The region in which answers are kept, but for those of stages that have one of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// The file that is mapped; absent: `responses.cache` in the runtime directory.
    pub path: Option<PathBuf>,
    /// `"512 MiB"`, or a stage size in GB: `"0.5"`, `"1.6"`, `"6.1"`, `"13.5"`, `"28.4"`,
    /// `"58.2"`, `"118"`, `"237"`.
    pub capacity: String,
    /// Largest body that is kept. 1,048,576.
    pub object_bytes_max: u32,
    /// Bodies, keys and heads are sealed with the 32 bytes of this file, or with a key of this
    /// boot: `"boot"`. Absent: not at all.
    pub key_file: Option<PathBuf>,
    /// How long a request waits for another that fetches the same. 5,000.
    pub collapse_ms: u32,
    /// `X-Cache` and `Cache-Status` in answers of the edge policy. On.
    pub headers: bool,
    /// By name; `standard` and `optimized` exist already.
    pub policies: BTreeMap<String, CachePolicy>,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache {
            path: None,
            capacity: "512 MiB".to_owned(),
            object_bytes_max: 1_048_576,
            key_file: None,
            collapse_ms: 5_000,
            headers: true,
            policies: BTreeMap::new(),
        }
    }
}

/// How answers are kept and found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CachePolicy {
    /// Which query parameters are part of the key.
    pub query: Choice,
    /// The others reach the origin too, which must ignore them: what it answers to them is given
    /// to everybody. Off: they are taken away from `GET` and `HEAD`.
    pub forward_other_query: bool,
    /// Which request fields are.
    pub headers: Vec<String>,
    /// Which cookies are.
    pub cookies: Choice,
    /// Callers never share an answer.
    pub per_caller: bool,
    /// Least lifetime. 0.
    pub ttl_min_s: u32,
    /// Lifetime where the origin says nothing. 0: the heuristic of RFC 9111.
    pub ttl_default_s: u32,
    /// Greatest lifetime. 31,536,000.
    pub ttl_max_s: u32,
    /// `ttl_min_s` also overrules `no-store`, `no-cache` and `private`. Off.
    pub ttl_min_overrides: bool,
    /// Lifetime of errors that say nothing about it, by status: `{ "404" = 10 }`.
    pub negative_ttl_s: BTreeMap<String, u32>,
    /// How long after its end an answer is given while it is fetched anew. 0.
    pub stale_while_revalidate_s: u32,
    /// How long after its end an answer is given when the origin fails. 86,400.
    pub stale_if_error_s: u32,
    /// A client's own `Cache-Control` counts. Off.
    pub honour_request_directives: bool,
    /// Answers with `Set-Cookie` are kept. Off.
    pub keep_set_cookie: bool,
    /// For how long it is remembered that a key's answers cannot be kept. 120.
    pub hit_for_miss_s: u32,
}

impl Default for CachePolicy {
    fn default() -> CachePolicy {
        CachePolicy {
            query: Choice::All,
            forward_other_query: false,
            headers: Vec::new(),
            cookies: Choice::None,
            per_caller: false,
            ttl_min_s: 0,
            ttl_default_s: 0,
            ttl_max_s: 31_536_000,
            ttl_min_overrides: false,
            negative_ttl_s: BTreeMap::new(),
            stale_while_revalidate_s: 0,
            stale_if_error_s: 86_400,
            honour_request_directives: false,
            keep_set_cookie: false,
            hit_for_miss_s: 120,
        }
    }
}

/// Which of several named things count: `"all"`, `"none"`, `{ only = […] }`, `{ except = […] }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    All,
    None,
    Only(Vec<String>),
    Except(Vec<String>),
}

/// A stage's cache, for its `GET` methods unless a row of `methods` says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageCache {
    /// The stages that have one; empty: all of this API.
    pub stages: Vec<String>,
    /// `cacheTtlInSeconds`: 0 to 3,600. 300.
    pub ttl_s: u32,
    /// A client that asks for a fresh answer must be allowed to. On.
    pub require_authorization: bool,
    /// What one who is not allowed gets.
    pub unauthorized: Unauthorized,
    /// `cacheClusterSize` of API Gateway: a region of its own. Absent: the one of [`Cache`].
    pub capacity: Option<StageCapacity>,
    /// Rows for single methods; the last one that fits counts.
    pub methods: Vec<MethodCache>,
    /// `GET` methods that no row is for are kept. On.
    pub enabled: bool,
}

impl Default for StageCache {
    fn default() -> StageCache {
        StageCache {
            stages: Vec::new(),
            ttl_s: 300,
            require_authorization: true,
            unauthorized: Unauthorized::default(),
            capacity: None,
            methods: Vec::new(),
            enabled: true,
        }
    }
}

/// The size of a stage's own region, as in [`Cache::capacity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageCapacity {
    /// Of each stage that has the cache.
    Each(String),
    /// By stage; those that are not named use the common region.
    ByStage(BTreeMap<String, String>),
}

impl StageCapacity {
    /// What it says of `stage`, and where below its own place.
    #[must_use]
    pub fn of(&self, stage: &str) -> Option<(&str, String)> {
        match self {
            StageCapacity::Each(text) => Some((text, String::new())),
            StageCapacity::ByStage(rows) => Some((rows.get(stage)?, format!("/{stage}"))),
        }
    }
}

impl<'de> Deserialize<'de> for StageCapacity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrByStage;
        impl<'de> Visitor<'de> for OneOrByStage {
            type Value = StageCapacity;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text, or a table of texts by stage")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StageCapacity, E> {
                Ok(StageCapacity::Each(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut rows: A) -> Result<StageCapacity, A::Error> {
                let mut by_stage = BTreeMap::new();
                while let Some((stage, text)) = rows.next_entry()? {
                    by_stage.insert(stage, text);
                }
                Ok(StageCapacity::ByStage(by_stage))
            }
        }
        from.deserialize_any(OneOrByStage)
    }
}

/// `unauthorizedCacheControlHeaderStrategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unauthorized {
    /// 403.
    #[serde(rename = "fail_with_403")]
    FailWith403,
    /// The stored answer, with a `Warning`.
    #[default]
    SucceedWithResponseHeader,
    /// The stored answer.
    SucceedWithoutResponseHeader,
}

/// What differs for one method of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodCache {
    /// The resource as its document writes it.
    pub path: String,
    /// `GET`, or `ANY` for the rest.
    pub method: String,
    #[serde(default)]
    pub enabled: Option<bool>,
    #[serde(default)]
    pub ttl_s: Option<u32>,
    #[serde(default)]
    pub require_authorization: Option<bool>,
    #[serde(default)]
    pub unauthorized: Option<Unauthorized>,
}
