//! From `Host` and the first path segments to a stage.
//!
//! Shape: host patterns in three tiers (exact, `*.example.com` for one label, any host). Behind
//! each is one of: a root stage (the whole path is the resource path), the rules and base paths of a
//! domain, or named stages (`/{stage}/…`). Beside them every API has its default hosts,
//! `{api}.execute-api.localhost` and `{api}.execute-api.{region}.amazonaws.com`. Units: byte
//! offsets into the path. Ranges: hosts to 253 bytes. Errors: a lookup only misses; building
//! returns [`HostFault`]. Source: RFC 9110 section 7.2 (Host), RFC 4343 (names ignore case),
//! Amazon API Gateway developer guide, "invoke a REST API", "API mappings", "routing rules" and
//! "invoke a private API".
//!
//! Slashes before the stage or base path, and between it and the resource path, collapse, as the
//! service does: `//dev/x` and `/dev//x` both reach the resource path `/x`.

mod build;
mod rule;

use crate::wire::fields::Fields;

pub use build::{ApiHosts, HostMapBuilder, RuleRow};
use rule::Rule;
pub use rule::{Glob, GlobFault, is_rule_header};

/// A stage, an index into the plan's stages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StageIndex(pub u32);

/// Why a host pattern or a stage does not fit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HostFault {
    #[error("`{host}` is no host name: letters, digits, `-` and `.`, or one leading `*.`")]
    BadHost { host: String },
    #[error("another API already serves {what}")]
    Taken { what: String, earlier: StageIndex },
    #[error("{host} serves a stage at its root, so it cannot also serve stages by path")]
    RootAndStages { host: String, earlier: StageIndex },
    #[error("{what} stands twice")]
    Twice { what: String },
}

/// What a request says about where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// A validated authority, port allowed.
    pub host: &'a [u8],
    pub path: &'a [u8],
    /// `x-apigw-api-id`, where the listener lets it count.
    pub api_id: Option<&'a [u8]>,
    /// What rules of domains look at.
    pub headers: Headers<'a>,
}

/// The headers of a request: fields, and the head that they lie in. The default has none.
#[derive(Clone, Copy, Default, Debug)]
pub struct Headers<'a>(Option<(&'a Fields, &'a [u8])>);

impl<'a> Headers<'a> {
    /// Those of a parsed head.
    #[must_use]
    pub const fn of(fields: &'a Fields, bytes: &'a [u8]) -> Headers<'a> {
        Headers(Some((fields, bytes)))
    }

    /// The values of every field of this name, in any case.
    fn values(&self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let known = self.0.into_iter();
        known.flat_map(move |(fields, bytes)| {
            fields
                .named(bytes, name)
                .map(move |field| field.value.of(bytes))
        })
    }
}

/// Where a request landed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub stage: StageIndex,
    /// Start of the path without doubled leading slashes (`$context.path` starts here).
    pub path_from: usize,
    /// End of the base path of a domain; [`Place::path_from`] where there is none.
    pub base_to: usize,
    /// Start of the resource path: a `/`, or the end of the path when nothing follows.
    pub resource_from: usize,
    /// Priority of the domain's rule that led here; `None`: another way did.
    pub rule: Option<u32>,
}

/// What is behind host and path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    Place(Place),
    /// `/ping` or `/sping`, which ask whether the host is well.
    Health,
    Nothing,
}

/// The compiled map.
#[derive(Debug, Default)]
pub struct HostMap {
    /// Sorted by length, then bytes; lower case.
    exact: Table<Entry>,
    /// What follows the `*` (with its dot), sorted alike.
    wildcard: Table<Entry>,
    /// By id in lower case, sorted alike.
    apis: Table<Api>,
    any: Entry,
}

type Table<T> = Box<[(Box<[u8]>, T)]>;

#[derive(Clone, Debug, Default)]
struct Entry {
    root: Option<StageIndex>,
    stages: Names,
    domain: Option<Domain>,
}

/// What a domain of one's own leads to.
#[derive(Clone, Debug, Default)]
struct Domain {
    /// By priority; they come before the base paths.
    rules: Box<[Rule]>,
    /// The longest first.
    bases: Box<[Base]>,
}

/// Stages by name, sorted by length, then bytes.
#[derive(Clone, Debug, Default)]
struct Names(Vec<(Box<[u8]>, StageIndex)>);

#[derive(Clone, Debug)]
struct Base {
    path: BasePath,
    to: Target,
}

/// Whole parts that a path may begin with, without slashes around them.
#[derive(Clone, PartialEq, Eq, Debug)]
struct BasePath(Box<[u8]>);

#[derive(Clone, Debug)]
enum Target {
    Stage(StageIndex),
    /// The next segment names the stage.
    Stages(Names),
}

/// What an API's default hosts serve.
#[derive(Clone, Debug, Default)]
struct Api {
    stages: Names,
    /// `$default`, at the root.
    default: Option<StageIndex>,
    /// Its default hosts refuse everything.
    is_closed: bool,
    is_private: bool,
    /// The endpoints by which it may be called, in lower case; empty: all.
    vpc_endpoints: Box<[Box<[u8]>]>,
}

/// What decides about a host.
enum Way<'m> {
    Entry(&'m Entry),
    Api(&'m Api),
    Nothing,
}

impl HostMap {
    /// What serves the request.
    ///
    /// The most specific pattern decides alone: a host named by one API does not fall through to
    /// APIs that take any host.
    #[must_use]
    pub fn find(&self, asked: &Asked<'_>) -> Found {
        let path = asked.path;
        let slashes = slashes(path, 0);
        let Some(path_from) = slashes.checked_sub(1) else {
            return Found::Nothing;
        };
        let placed = match self.way(asked) {
            Way::Entry(entry) => {
                if entry.domain.is_some() && is_health(path, slashes) {
                    return Found::Health;
                }
                entry.place(path, path_from, &asked.headers)
            }
            Way::Api(api) if api.is_closed => None,
            Way::Api(_) if is_health(path, slashes) => return Found::Health,
            Way::Api(api) => api.stages.place(path, path_from, path_from).or_else(|| {
                let stage = api.default?;
                Some(Place::at_root(stage, path_from))
            }),
            Way::Nothing => None,
        };
        placed.map_or(Found::Nothing, Found::Place)
    }

    /// The stage that serves `path` on `host` (a validated authority, port allowed).
    #[must_use]
    pub fn place(&self, host: &[u8], path: &[u8]) -> Option<Place> {
        let asked = Asked {
            host,
            path,
            api_id: None,
            headers: Headers::default(),
        };
        match self.find(&asked) {
            Found::Place(place) => Some(place),
            Found::Health | Found::Nothing => None,
        }
    }

    fn way(&self, asked: &Asked<'_>) -> Way<'_> {
        let name = host_name(asked.host);
        if let Some(entry) = lookup(&self.exact, name) {
            return Way::Entry(entry);
        }
        let Some(dot) = memchr::memchr(b'.', name).filter(|dot| *dot > 0) else {
            return self.other(asked);
        };
        let (label, tail) = name.split_at(dot);
        if !self.wildcard.is_empty()
            && let Some(entry) = lookup(&self.wildcard, tail)
        {
            return Way::Entry(entry);
        }
        if !is_default_tail(tail) {
            return self.other(asked);
        }
        if let Some(api) = lookup(&self.apis, label) {
            return Way::Api(api);
        }
        // `{api}-{vpce}`, by which a private API is called without private names.
        let Some(at) = memchr::memmem::rfind(label, b"-vpce-") else {
            return Way::Nothing;
        };
        let (id, endpoint) = label.split_at(at);
        let endpoint = endpoint.get(1..).unwrap_or_default();
        match lookup(&self.apis, id) {
            Some(api) if api.is_private && api.takes(endpoint) => Way::Api(api),
            _ => Way::Nothing,
        }
    }

    /// The way of a host that nobody has named.
    fn other(&self, asked: &Asked<'_>) -> Way<'_> {
        match asked.api_id {
            Some(id) => lookup(&self.apis, id).map_or(Way::Nothing, Way::Api),
            None => Way::Entry(&self.any),
        }
    }
}

impl Entry {
    fn place(&self, path: &[u8], path_from: usize, headers: &Headers<'_>) -> Option<Place> {
        if let Some(stage) = self.root {
            return Some(Place::at_root(stage, path_from));
        }
        match &self.domain {
            Some(domain) => domain.place(path, path_from, headers),
            None => self.stages.place(path, path_from, path_from),
        }
    }
}

impl Domain {
    fn place(&self, path: &[u8], path_from: usize, headers: &Headers<'_>) -> Option<Place> {
        let mut rules = self.rules.iter();
        if let Some(place) = rules.find_map(|rule| rule.place(path, path_from, headers)) {
            return Some(place);
        }
        // The longest decides alone, also when it leads to no stage.
        let ends = self.bases.iter();
        let ends = ends.map(|base| (base, base.path.end(path, path_from)));
        let (base, base_to) = ends.filter_map(|(base, end)| Some((base, end?))).next()?;
        base.place(path, path_from, base_to)
    }
}

impl BasePath {
    /// Where it ends in a path that begins with it, by whole segments.
    fn end(&self, path: &[u8], path_from: usize) -> Option<usize> {
        if self.0.is_empty() {
            return Some(path_from);
        }
        let rest = path.get(path_from + 1..)?;
        let after = rest.strip_prefix(&*self.0)?;
        matches!(after.first(), None | Some(b'/')).then(|| path.len() - after.len())
    }
}

impl Base {
    fn place(&self, path: &[u8], path_from: usize, base_to: usize) -> Option<Place> {
        match &self.to {
            Target::Stage(stage) => Some(Place {
                stage: *stage,
                path_from,
                base_to,
                resource_from: base_to + slashes(path, base_to).saturating_sub(1),
                rule: None,
            }),
            Target::Stages(names) => names.place(path, path_from, base_to),
        }
    }
}

impl Names {
    /// The place of the stage that the segment behind `base_to` names.
    fn place(&self, path: &[u8], path_from: usize, base_to: usize) -> Option<Place> {
        let start = base_to + slashes(path, base_to);
        let rest = path.get(start..)?;
        let end = start + memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let name = path.get(start..end)?;
        let order = |known: &[u8]| known.len().cmp(&name.len()).then_with(|| known.cmp(name));
        let index = self.0.binary_search_by(|(known, _)| order(known)).ok()?;
        let (_, stage) = self.0.get(index)?;
        Some(Place {
            stage: *stage,
            path_from,
            base_to,
            resource_from: end + slashes(path, end).saturating_sub(1),
            rule: None,
        })
    }
}

impl Api {
    /// Whether it may be called by the endpoint of this id.
    fn takes(&self, endpoint: &[u8]) -> bool {
        let known = &self.vpc_endpoints;
        known.is_empty() || known.iter().any(|id| id.eq_ignore_ascii_case(endpoint))
    }
}

impl Place {
    const fn at_root(stage: StageIndex, path_from: usize) -> Place {
        Place {
            stage,
            path_from,
            base_to: path_from,
            resource_from: path_from,
            rule: None,
        }
    }
}

/// Slashes from `at` on.
fn slashes(path: &[u8], at: usize) -> usize {
    let rest = path.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| **byte == b'/').count()
}

/// The paths that every host of the service keeps for itself.
fn is_health(path: &[u8], slashes: usize) -> bool {
    matches!(path.get(slashes..), Some(b"ping" | b"sping"))
}

/// Whether `tail`, what follows the first label, is that of a default host.
fn is_default_tail(tail: &[u8]) -> bool {
    const BEGIN: &[u8] = b".execute-api.";
    let Some((begin, rest)) = tail.split_at_checked(BEGIN.len()) else {
        return false;
    };
    if !begin.eq_ignore_ascii_case(BEGIN) {
        return false;
    }
    if rest.eq_ignore_ascii_case(b"localhost") {
        return true;
    }
    let region_bytes = memchr::memchr(b'.', rest).unwrap_or(0);
    let service = rest.get(region_bytes..).unwrap_or_default();
    region_bytes > 0
        && (service.eq_ignore_ascii_case(b".amazonaws.com")
            || service.eq_ignore_ascii_case(b".amazonaws.com.cn"))
}

/// The host without its port and without the root's trailing dot.
#[must_use]
pub fn host_name(authority: &[u8]) -> &[u8] {
    let name = if authority.first() == Some(&b'[') {
        let end = memchr::memchr(b']', authority).map_or(authority.len(), |at| at + 1);
        authority.get(..end).unwrap_or(authority)
    } else {
        let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
        authority.get(..end).unwrap_or(authority)
    };
    name.strip_suffix(b".").unwrap_or(name)
}

fn lookup<'m, T>(table: &'m Table<T>, name: &[u8]) -> Option<&'m T> {
    let order = |known: &[u8]| {
        known.len().cmp(&name.len()).then_with(|| {
            known
                .iter()
                .copied()
                .cmp(name.iter().map(u8::to_ascii_lowercase))
        })
    };
    let index = table.binary_search_by(|(known, _)| order(known)).ok()?;
    table.get(index).map(|(_, entry)| entry)
}
