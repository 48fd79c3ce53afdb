//! What is stored for one request.
//!
//! Shape: [`show`] gives JSON: whether something is there, of what kind, its times, its head.
//! Units: seconds, bytes. Errors: [`Refused`] for a URL that no cached route serves. Source:
//! `pipeline/cache/look_up.rs`, whose steps these are.

use serde_json::{Value, json};
use tidegate_edge::{
    base::time::Wall,
    cache::{
        Hit, Namespace, Owner,
        http::{Record, Stored},
    },
    plan::{Door, EdgeCachePlan, Plan, Resolution, RouteCache, StagePlan},
    route::{self, Headers, Params, Verb},
};

use super::{
    Refused, Region, Wanted,
    key::{self, Asked, KEY_BYTES_MAX},
    work::owner,
};

/// Looks up what a GET for `wanted` would find.
///
/// # Errors
/// No such route, or one without a cache.
pub fn show(regions: &[Region], plan: &Plan, wanted: &Wanted, now: Wall) -> Result<Value, Refused> {
    let bad = |reason: String| Refused::new(400, reason);
    let asked = Asked::parse(Some(plan), "GET", &wanted.url, &wanted.headers).map_err(bad)?;
    let mut params = Params::new();
    let uri = asked.uri();
    let whose = route::Asked {
        host: uri.host,
        path: uri.path,
        api_id: None,
        headers: Headers::of(&asked.head().fields, asked.bytes()),
    };
    let verb = Verb::from_token(b"GET");
    let found = plan.resolve_asked(&whose, verb, Door::Any, || u64::MAX, &mut params);
    let Resolution::Route { route, stage, .. } = found else {
        return Err(Refused::new(404, "no route serves this URL"));
    };
    let (Some(route), Some(stage)) = (plan.route(route), plan.stage(stage)) else {
        return Err(Refused::new(404, "no route serves this URL"));
    };
    let Some(cache) = &route.cache else {
        let reason = "answers of this route are not kept; `tidegate explain` says why";
        return Err(Refused::new(404, reason));
    };
    let too_long = || Refused::new(400, "the key is too long");
    let key = key::write(cache, stage, &params, &asked).ok_or_else(too_long)?;
    let gone = || Refused::new(404, "the region of this route is not open");
    let region = regions
        .get(stage.cache_region.0 as usize)
        .ok_or_else(gone)?;
    let owner = &owner(region)?;
    let shelf = Shelf { owner, stage, now };
    let mut body = shelf.describe(cache, &asked, key);
    let parts = key::parts(cache, route, stage, &params, &asked);
    if let Some(object) = body.as_object_mut() {
        object.insert("kind".to_owned(), json!(kind(cache)));
        object.insert("region".to_owned(), json!(region.name));
        let parts: Vec<String> = (parts.into_iter())
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        object.insert("key".to_owned(), json!(parts));
    }
    Ok(body)
}

/// How a route's answers are kept, in words.
#[must_use]
pub fn kind(cache: &RouteCache) -> String {
    match cache {
        RouteCache::Edge(plan) => format!("edge policy `{}`", plan.name),
        RouteCache::Stage(plan) => format!("stage cache, {} s", plan.ttl_s),
    }
}

struct Shelf<'a> {
    owner: &'a Owner,
    stage: &'a StagePlan,
    now: Wall,
}

impl Shelf<'_> {
    fn describe(&self, cache: &RouteCache, asked: &Asked, mut key: Vec<u8>) -> Value {
        if let RouteCache::Edge(plan) = cache
            && !plan.key.is_of_uri()
        {
            match self.mark(plan, asked) {
                Some(nonce) => key.extend_from_slice(&nonce.to_le_bytes()),
                None => return json!({"found": false}),
            }
        }
        let Some((hit, meta)) = self.fetch(&key) else {
            return json!({"found": false});
        };
        match (Record::decode(&meta, hit.body_bytes() as u64), cache) {
            (Some(Record::Response(stored)), _) => self.response(&stored, &hit),
            (Some(Record::Uncacheable(note)), _) => json!({
                "found": false,
                "note": "answers of this key cannot be kept",
                "reason": note.reason.as_str(),
                "until_s": note.until.0 / 1000,
            }),
            (Some(Record::Variants(variants)), RouteCache::Edge(plan)) => {
                let names: Vec<String> = (variants.names.iter())
                    .map(|name| String::from_utf8_lossy(name).into_owned())
                    .collect();
                let primary_bytes = key.len();
                key.resize(KEY_BYTES_MAX, 0);
                let source = asked.source(self.stage);
                let written = (plan.key).write_variant(&source, &variants, primary_bytes, &mut key);
                key.truncate(written.unwrap_or(0));
                let mut value = match self.fetch(&key) {
                    Some((hit, meta)) => match Record::decode(&meta, hit.body_bytes() as u64) {
                        Some(Record::Response(stored)) => self.response(&stored, &hit),
                        _ => json!({"found": false}),
                    },
                    None => json!({"found": false}),
                };
                if let Some(object) = value.as_object_mut() {
                    object.insert("vary".to_owned(), json!(names));
                }
                value
            }
            _ => json!({"found": false}),
        }
    }

    /// What all keys of the URI end with, where it has several.
    fn mark(&self, plan: &EdgeCachePlan, asked: &Asked) -> Option<u64> {
        let mut name = vec![0; KEY_BYTES_MAX];
        let written = plan.key.write_uri(&asked.source(self.stage), &mut name);
        name.truncate(written.ok()?);
        let (hit, meta) = self.fetch(&name)?;
        match Record::decode(&meta, hit.body_bytes() as u64) {
            Some(Record::Mark(nonce)) => Some(nonce),
            _ => None,
        }
    }

    fn fetch(&self, key: &[u8]) -> Option<(Hit, Vec<u8>)> {
        let namespace = Namespace(self.stage.cache_namespace);
        let hash = self.owner.hash(namespace, key);
        let hit = self.owner.lookup(namespace, hash, key, self.now_s())?;
        let mut meta = vec![0; hit.meta_bytes()];
        (hit.copy_meta(0, &mut meta) == meta.len()).then_some((hit, meta))
    }

    fn response(&self, stored: &Stored<'_>, hit: &Hit) -> Value {
        let head = String::from_utf8_lossy(stored.whole_lines()).into_owned();
        let lines: Vec<&str> = head.lines().collect();
        let left = |until_s: u32| i64::from(until_s) - i64::from(self.now_s());
        json!({
            "found": true,
            "status": stored.status,
            "body_bytes": stored.body_bytes,
            "age_s": stored.age_ms(self.now) / 1000,
            "lifetime_s": stored.lifetime_s,
            "lifetime_by": stored.lifetime_source.as_str(),
            "fresh_for_s": left(hit.expires_s()),
            "kept_for_s": left(hit.keep_until_s()),
            "stale_while_revalidate_s": stored.stale_while_revalidate_s,
            "stale_if_error_s": stored.stale_if_error_s,
            "must_revalidate": stored.must_revalidate,
            "head": lines,
        })
    }

    fn now_s(&self) -> u32 {
        u32::try_from(self.now.0 / 1000).unwrap_or(u32::MAX)
    }
}
