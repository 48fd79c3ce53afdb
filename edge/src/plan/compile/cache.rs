//! The response cache: sizes, policies, and which routes keep answers.
//!
//! Shape: [`Policies`] are compiled once; [`region`] says where a stage's answers are kept, [`route`]
//! gives a method its [`RouteCache`]. Units: bytes
//! and seconds. Ranges: capacity 64 MiB to 237 GiB, stage lifetimes 0 to 3,600 s. Errors: findings
//! on the settings, or on the API's document for cache keys. Source: `configs/full.toml`; the API
//! Gateway developer guide, "cacheClusterSize" and "cacheKeyParameters".

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    super::{
        cache::{
            CachePlan, EdgeCachePlan, RegionIndex, RegionOf, RegionPlan, RouteCache, SealPlan,
            StageCachePlan,
        },
        fault::{Document, Findings, Reporter, pointer_part},
    },
    apis::MethodScope,
    http_proxy,
};
use crate::{
    cache::http::{
        policy::{KeyChoice, KeyPolicy, Names, PolicyFault},
        rules::{HttpCacheRules, NegativeTtl, RequestDirectivesRule, SetCookieRule},
        select::Normalise,
    },
    integrate::Source,
    model::{
        api::{CacheKeyPart, CacheKeySource, Integration, Resource, Verb},
        settings::{
            ApiSource, CachePolicy, Choice, MethodCache, Settings, StageCache, StageCapacity,
        },
    },
};

/// Sizes that a stage's cache can have, in GB of 2^30 bytes, and their names.
const STAGE_SIZES: [(&str, u64); 8] = [
    ("0.5", GIB / 2),
    ("1.6", GIB * 16 / 10),
    ("6.1", GIB * 61 / 10),
    ("13.5", GIB * 135 / 10),
    ("28.4", GIB * 284 / 10),
    ("58.2", GIB * 582 / 10),
    ("118", GIB * 118),
    ("237", GIB * 237),
];
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
const CAPACITY_BYTES_MIN: u64 = 64 * MIB;
const CAPACITY_BYTES_MAX: u64 = 237 * GIB;
/// Room for heads and keys beside the largest body of a stage's cache.
const OBJECT_BYTES_MIN: u32 = 4 * 1024;
const OBJECT_BYTES_MAX: u32 = 64 * 1024 * 1024;
const STAGE_TTL_S_MAX: u32 = 3_600;

/// Policies by name.
pub(super) type Policies = BTreeMap<String, Arc<EdgeCachePlan>>;

/// The common region, if there is one, and what all have in common.
pub(super) fn plan(settings: &Settings, reporter: &mut Reporter<'_>) -> Option<CachePlan> {
    let cache = settings.cache.as_ref()?;
    let pointer = "/cache/capacity";
    check_capacity(&cache.capacity, pointer.to_owned(), reporter);
    let common = RegionPlan {
        of: RegionOf::Common,
        path: cache.path.clone(),
        capacity_bytes: capacity_bytes(&cache.capacity).unwrap_or(CAPACITY_BYTES_MIN),
        pointer: pointer.into(),
    };
    let object_bytes_max = cache.object_bytes_max;
    if !(OBJECT_BYTES_MIN..=OBJECT_BYTES_MAX).contains(&object_bytes_max) {
        reporter.error(
            "/cache/object_bytes_max",
            format!(
                "object_bytes_max is {object_bytes_max}, outside {OBJECT_BYTES_MIN} to \
                 {OBJECT_BYTES_MAX}"
            ),
            "choose a value inside the range",
        );
    }
    let seal = match &cache.key_file {
        None => SealPlan::None,
        Some(path) if path.as_os_str() == "boot" => SealPlan::Boot,
        Some(path) => SealPlan::File(path.clone()),
    };
    Some(CachePlan {
        regions: [common].into(),
        object_bytes_max,
        seal,
        collapse_ms: cache.collapse_ms,
        headers: cache.headers,
    })
}

/// `cache` with the regions of single stages behind the common one.
pub(super) fn with_regions(mut cache: CachePlan, own: Vec<RegionPlan>) -> CachePlan {
    let path = cache.common_path().map(Path::to_owned);
    cache.regions = cache.regions.into_iter().chain(own).collect();
    if let Some(path) = path {
        cache.place(&path);
    }
    cache
}

/// Where answers of `stage` of the API at `index` are kept. This is the one place that decides it;
/// a region of its own is added to `own`, which follow the common one.
pub(super) fn region(
    settings: &Settings,
    index: usize,
    (api_id, stage): (&str, &str),
    own: &mut Vec<RegionPlan>,
) -> RegionIndex {
    let source = settings.apis.get(index);
    let cache = source.and_then(|source| source.stage_cache.as_ref());
    let cache = cache.filter(|cache| settings.cache.is_some() && has_cache(cache, stage));
    let Some((text, below)) = cache
        .and_then(|cache| cache.capacity.as_ref())
        .and_then(|capacity| capacity.of(stage))
    else {
        return RegionIndex::COMMON;
    };
    own.push(RegionPlan {
        of: RegionOf::Stage {
            api_id: api_id.into(),
            stage: stage.into(),
        },
        path: None,
        capacity_bytes: capacity_bytes(text).unwrap_or(CAPACITY_BYTES_MIN),
        pointer: format!("/apis/{index}/stage_cache/capacity{below}").into(),
    });
    RegionIndex(u32::try_from(own.len()).expect("few stages"))
}

/// The stage cache is switched on for `stage`.
fn has_cache(cache: &StageCache, stage: &str) -> bool {
    cache.stages.is_empty() || cache.stages.iter().any(|name| name == stage)
}

/// The size that `text` names, if it is one.
fn capacity_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let named = STAGE_SIZES.iter().find(|(name, _)| *name == text);
    let bytes = named.map(|(_, bytes)| *bytes).or_else(|| {
        let (number, unit) = [("GiB", GIB), ("MiB", MIB)]
            .iter()
            .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)))?;
        number.trim().parse::<u64>().ok()?.checked_mul(unit)
    });
    bytes.filter(|bytes| (CAPACITY_BYTES_MIN..=CAPACITY_BYTES_MAX).contains(bytes))
}

fn check_capacity(text: &str, pointer: String, reporter: &mut Reporter<'_>) {
    if capacity_bytes(text).is_none() {
        let names: Vec<&str> = STAGE_SIZES.iter().map(|(name, _)| *name).collect();
        reporter.error(
            pointer,
            format!("`{}` is no capacity from 64 MiB to 237 GiB", text.trim()),
            format!("write \"512 MiB\", or a stage size: {}", names.join(", ")),
        );
    }
}

/// What `capacity` of a stage cache says.
fn check_stage_capacity(
    index: usize,
    source: &ApiSource,
    cache: &StageCache,
    reporter: &mut Reporter<'_>,
) {
    let at = format!("/apis/{index}/stage_cache/capacity");
    match &cache.capacity {
        None => {}
        Some(StageCapacity::Each(text)) => check_capacity(text, at, reporter),
        Some(StageCapacity::ByStage(rows)) => {
            let known = source.stage_names();
            let known: Vec<&str> = (known.into_iter())
                .filter(|stage| has_cache(cache, stage))
                .collect();
            for (stage, text) in rows {
                let at = format!("{at}/{}", pointer_part(stage));
                if !known.contains(&stage.as_str()) {
                    let message = format!("no stage `{stage}` has this cache");
                    let hint = format!("it is for {}", known.join(", "));
                    reporter.error(at.clone(), message, hint);
                }
                check_capacity(text, at, reporter);
            }
        }
    }
}

/// The policies of the settings and the two that always exist.
pub(super) fn policies(settings: &Settings, reporter: &mut Reporter<'_>) -> Policies {
    let optimized = CachePolicy {
        query: Choice::None,
        ttl_min_s: 1,
        ttl_default_s: 86_400,
        ..CachePolicy::default()
    };
    let built_in = [
        ("standard".to_owned(), CachePolicy::default()),
        ("optimized".to_owned(), optimized),
    ];
    let own = settings.cache.iter().flat_map(|cache| &cache.policies);
    let own = own.map(|(name, policy)| (name.clone(), policy.clone()));
    built_in
        .into_iter()
        .chain(own)
        .filter_map(|(name, policy)| {
            let plan = policy_of(&name, &policy, settings, reporter)?;
            Some((name, Arc::new(plan)))
        })
        .collect()
}

fn policy_of(
    name: &str,
    policy: &CachePolicy,
    settings: &Settings,
    reporter: &mut Reporter<'_>,
) -> Option<EdgeCachePlan> {
    let at = |key: &str| format!("/cache/policies/{}/{key}", pointer_part(name));
    let mut negative = Vec::new();
    for (status, ttl_s) in &policy.negative_ttl_s {
        match status.parse::<u16>() {
            Ok(status @ 400..=599) => negative.push(NegativeTtl {
                status,
                ttl_s: *ttl_s,
            }),
            _ => reporter.error(
                format!("{}/{}", at("negative_ttl_s"), pointer_part(status)),
                format!("`{status}` is no status of an error"),
                "write 400 to 599",
            ),
        }
    }
    if policy.ttl_min_s > policy.ttl_max_s {
        let message = "ttl_min_s is greater than ttl_max_s";
        let hint = format!("write at most {}", policy.ttl_max_s);
        reporter.error(at("ttl_min_s"), message, hint);
    }
    let choice = KeyChoice {
        query: names(&policy.query),
        headers: bytes(&policy.headers),
        cookies: names(&policy.cookies),
        partition: policy.per_caller,
        normalise: Normalise::default(),
    };
    let key = key_of(choice, &at, reporter)?;
    let object_bytes_max = settings.cache.as_ref().map_or(0, |c| c.object_bytes_max);
    Some(EdgeCachePlan {
        name: name.into(),
        rules: HttpCacheRules {
            ttl_min_s: policy.ttl_min_s,
            ttl_default_s: policy.ttl_default_s,
            ttl_max_s: policy.ttl_max_s,
            ttl_min_overrides: policy.ttl_min_overrides,
            negative,
            stale_while_revalidate_s: policy.stale_while_revalidate_s,
            stale_if_error_s: policy.stale_if_error_s,
            request_directives: if policy.honour_request_directives {
                RequestDirectivesRule::Honour
            } else {
                RequestDirectivesRule::Ignore
            },
            set_cookie: if policy.keep_set_cookie {
                SetCookieRule::Store
            } else {
                SetCookieRule::Pass
            },
            hit_for_miss_s: policy.hit_for_miss_s,
            body_bytes_max: u64::from(object_bytes_max),
            ..HttpCacheRules::default()
        },
        key,
        forward_other_query: policy.forward_other_query,
    })
}

/// The policy of `choice`; what is wrong with it is told of the list that it is in.
fn key_of(
    choice: KeyChoice,
    at: &impl Fn(&str) -> String,
    reporter: &mut Reporter<'_>,
) -> Option<KeyPolicy> {
    let plain = KeyChoice::default;
    let (query, headers, cookies) = (&choice.query, &choice.headers, &choice.cookies);
    let lists = [
        (
            "query",
            KeyChoice {
                query: query.clone(),
                ..plain()
            },
        ),
        (
            "headers",
            KeyChoice {
                headers: headers.clone(),
                ..plain()
            },
        ),
        (
            "cookies",
            KeyChoice {
                cookies: cookies.clone(),
                ..plain()
            },
        ),
    ];
    for (key, alone) in lists {
        if let Err(fault) = KeyPolicy::new(alone) {
            let hint = match fault {
                PolicyFault::TooMany => "leave names out, or write \"all\" where that may stand",
                PolicyFault::Name => "write each name as requests have it, without blanks or `:`",
            };
            reporter.error(at(key), fault, hint);
        }
    }
    KeyPolicy::new(choice).ok()
}

fn names(choice: &Choice) -> Names {
    match choice {
        Choice::All => Names::All,
        Choice::None => Names::None,
        Choice::Only(list) => Names::Listed(bytes(list)),
        Choice::Except(list) => Names::AllExcept(bytes(list)),
    }
}

fn bytes(list: &[String]) -> Vec<Vec<u8>> {
    list.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// What the settings say about an API's caches, apart from its methods.
pub(super) fn check_source(
    index: usize,
    source: &ApiSource,
    settings: &Settings,
    policies: &Policies,
    resources: &[Resource],
    findings: &mut Findings,
) {
    let mut reporter = Reporter {
        document: Document::Settings,
        findings,
    };
    let at = |key: &str| format!("/apis/{index}/{key}");
    let (edge, stage) = (&source.edge_cache, &source.stage_cache);
    let key = if edge.is_some() {
        "edge_cache"
    } else {
        "stage_cache"
    };
    if (edge.is_some() || stage.is_some()) && settings.cache.is_none() {
        let message = format!("`{key}` needs a cache");
        reporter.error(at(key), message, "add a `[cache]` table; it may be empty");
    }
    if edge.is_some() && stage.is_some() {
        let message = "`edge_cache` and `stage_cache` exclude each other";
        reporter.error(at("edge_cache"), message, "keep one of the two");
    }
    if let Some(name) = edge
        && !policies.contains_key(name)
    {
        let known: Vec<&str> = policies.keys().map(String::as_str).collect();
        let hint = format!("there are {}", known.join(", "));
        let message = format!("there is no cache policy `{name}`");
        reporter.error(at("edge_cache"), message, hint);
    }
    let Some(stage) = stage else { return };
    for name in &stage.stages {
        if !source.stage_names().contains(&name.as_str()) {
            let message = format!("there is no stage `{name}`");
            let hint = format!("there are {}", source.stage_names().join(", "));
            reporter.error(at("stage_cache/stages"), message, hint);
        }
    }
    check_ttl(stage.ttl_s, at("stage_cache/ttl_s"), &mut reporter);
    check_stage_capacity(index, source, stage, &mut reporter);
    for (row, method) in stage.methods.iter().enumerate() {
        let at = |key: &str| format!("/apis/{index}/stage_cache/methods/{row}/{key}");
        if let Some(ttl_s) = method.ttl_s {
            check_ttl(ttl_s, at("ttl_s"), &mut reporter);
        }
        let verb = Verb::parse(&method.method);
        let fits = resources
            .iter()
            .filter(|resource| resource.path == method.path)
            .flat_map(|resource| &resource.methods)
            .any(|known| Some(known.verb) == verb);
        if !fits {
            let message = format!("the API has no {} {}", method.method, method.path);
            let hint = "write path and verb as the document has them";
            reporter.error(at("path"), message, hint);
        }
    }
}

pub(super) fn check_ttl(ttl_s: u32, pointer: String, reporter: &mut Reporter<'_>) {
    if ttl_s > STAGE_TTL_S_MAX {
        let message = format!("a lifetime of {ttl_s} s is outside 0 to {STAGE_TTL_S_MAX}");
        reporter.error(pointer, message, "write 0, which keeps nothing, to 3600");
    }
}

/// How one method's answers are kept in `stage`.
pub(super) fn route(
    source: &ApiSource,
    stage: &str,
    resource: &str,
    proxy: &Integration,
    policies: &Policies,
    scope: &mut MethodScope<'_, '_>,
) -> Option<RouteCache> {
    if let Some(policy) = source
        .edge_cache
        .as_ref()
        .and_then(|name| policies.get(name))
    {
        return Some(RouteCache::Edge(Arc::clone(policy)));
    }
    let cache = source.stage_cache.as_ref()?;
    if !has_cache(cache, stage) {
        return None;
    }
    let row = row_of(cache, resource, scope.method.verb);
    let enabled = row.and_then(|row| row.enabled);
    let ttl_s = row.and_then(|row| row.ttl_s).unwrap_or(cache.ttl_s);
    let is_get = scope.method.verb == Verb::Get && cache.enabled;
    if !enabled.unwrap_or(is_get) || ttl_s == 0 {
        return None;
    }
    let key = (proxy.cache_key.iter())
        .filter_map(|part| key_source(part, proxy, scope))
        .collect();
    let or = |own: Option<bool>, all: bool| own.unwrap_or(all);
    Some(RouteCache::Stage(StageCachePlan {
        ttl_s,
        namespace: (proxy.cache_namespace.as_deref())
            .unwrap_or(resource)
            .into(),
        key,
        require_authorization: or(
            row.and_then(|row| row.require_authorization),
            cache.require_authorization,
        ),
        unauthorized: row
            .and_then(|row| row.unauthorized)
            .unwrap_or(cache.unauthorized),
    }))
}

fn row_of<'c>(cache: &'c StageCache, resource: &str, verb: Verb) -> Option<&'c MethodCache> {
    cache
        .methods
        .iter()
        .rev()
        .find(|row| row.path == resource && Verb::parse(&row.method) == Some(verb))
}

/// Where the value of a key's part comes from.
fn key_source(
    part: &CacheKeyPart,
    proxy: &Integration,
    scope: &mut MethodScope<'_, '_>,
) -> Option<Source> {
    match &part.source {
        CacheKeySource::Method { place, name } => {
            http_proxy::request_source(*place, name, &part.pointer, scope)
        }
        CacheKeySource::Integration(target) => {
            let mut rows = proxy.request_parameters.iter();
            let Some(row) = rows.find(|row| row.target == *target) else {
                let message = format!("nothing is mapped to `{}`", target.name);
                let hint = "add it to the integration's requestParameters";
                scope.reporter.error(&*part.pointer, message, hint);
                return None;
            };
            http_proxy::source(row, scope)
        }
    }
}
