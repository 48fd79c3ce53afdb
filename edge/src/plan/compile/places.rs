//! Who is served where: hosts, domains and path prefixes.
//!
//! Shape: every stage gets the root of its API's hosts, when it is the stage they name, the base
//! paths that domains map to it, its API's default hosts, and the prefix `/{stage}/` on all other
//! hosts. Units: none. Ranges: [`MAPPINGS_MAX`] mappings of a domain, base paths of 300 bytes.
//! Errors: findings on the settings when two claim one place, or a mapping leads nowhere.
//!
//! A prefix that several APIs want goes to the one that has no hosts of its own; APIs that are
//! reached by host give way, as each API has its own default host in the service. The prefix
//! stands for the default host: who has none, and who is private, has no prefix either.
//! Source: Amazon API Gateway developer guide, "invoke a REST API", "custom domain names", "API
//! mappings" and "disable the default endpoint".

use std::collections::BTreeMap;

use super::{
    super::{
        fault::{Document, Findings, Reporter},
        stage::StagePlan,
    },
    apis::Served,
    rules,
};
use crate::{
    model::{
        api::{Api, EndpointType},
        settings::{
            Settings,
            domains::{Domain, MAPPINGS_MAX, Mapping},
        },
    },
    route::{ApiHosts, HostMap, HostMapBuilder, StageIndex},
};

/// The stage that an HTTP API serves at the root.
pub(super) const DEFAULT_STAGE: &str = "$default";

pub(super) fn assign(
    settings: &Settings,
    apis: &[Api],
    served: &mut Served,
    findings: &mut Findings,
) -> HostMap {
    let mut reporter = Reporter {
        document: Document::Settings,
        findings,
    };
    let mut builder = HostMapBuilder::new();
    let mut prefixes: BTreeMap<Box<str>, Vec<usize>> = BTreeMap::new();
    let own = served.stages.iter().enumerate();
    for (index, stage) in own.filter(|(_, stage)| !stage.is_canary) {
        let is_private = stage.endpoint == Some(EndpointType::Private);
        if stage.by_default_host && !is_private && *stage.name != *DEFAULT_STAGE {
            prefixes.entry(stage.name.clone()).or_default().push(index);
        }
        let api = stage.source;
        for host in &stage.hosts {
            let nth = settings.apis[api]
                .hosts
                .iter()
                .position(|known| **known == **host);
            if let Err(fault) = builder.root(host, stage_index(index)) {
                reporter.error(
                    format!("/apis/{api}/hosts/{}", nth.unwrap_or(0)),
                    fault,
                    "a host belongs to one API",
                );
            }
        }
    }
    for (index, domain) in settings.domains.iter().enumerate() {
        map_domain(index, domain, &served.stages, &mut builder, &mut reporter);
    }
    default_hosts(apis, &served.stages, &mut builder, &mut reporter);
    for (name, claims) in prefixes {
        let hostless = |index: &&usize| served.stages[**index].hosts.is_empty();
        let plain: Vec<usize> = claims.iter().filter(hostless).copied().collect();
        let winner = match (&plain[..], &claims[..]) {
            ([only], _) | ([], [only]) => Some(*only),
            ([], _) => {
                let hint = "they are reached by their hosts; name the stages differently for both";
                reporter.warning(
                    api_pointer(served, claims.last().copied()),
                    format!("several APIs have a stage `{name}`, so /{name}/ serves none"),
                    hint,
                );
                None
            }
            ([first, others @ ..], _) => {
                for other in others {
                    reporter.error(
                        api_pointer(served, Some(*other)),
                        format!(
                            "/{name}/ already serves the API `{}`",
                            served.stages[*first].api_id
                        ),
                        "give this API `hosts`, or another `stage`",
                    );
                }
                Some(*first)
            }
        };
        if let Some(index) = winner {
            served.stages[index].by_path = true;
            let placed = builder.stage(None, &name, stage_index(index));
            debug_assert_eq!(placed, Ok(()), "one claim for each name");
        }
    }
    builder.finish()
}

/// Every API's own hosts.
fn default_hosts(
    apis: &[Api],
    stages: &[StagePlan],
    builder: &mut HostMapBuilder,
    reporter: &mut Reporter<'_>,
) {
    let mut by_source: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let own = stages.iter().enumerate();
    for (index, stage) in own.filter(|(_, stage)| !stage.is_canary) {
        by_source.entry(stage.source).or_default().push(index);
    }
    for (source, indices) in by_source {
        let open = indices
            .iter()
            .filter(|index| stages[**index].by_default_host);
        let named: Vec<(&str, StageIndex)> = open
            .map(|index| (&*stages[*index].name, stage_index(*index)))
            .collect();
        let endpoints = indices
            .iter()
            .filter_map(|index| match stages[*index].document {
                Document::Api(document) => Some(&apis.get(document)?.endpoint.vpc_endpoint_ids),
                Document::Settings => None,
            });
        let endpoints: Vec<String> = endpoints.flatten().cloned().collect();
        let mut all = indices.iter().map(|index| stages[*index].endpoint);
        let hosts = ApiHosts {
            id: indices.first().map_or("", |index| &stages[*index].api_id),
            default: (named.iter())
                .find(|(name, _)| *name == DEFAULT_STAGE)
                .map(|(_, stage)| *stage),
            is_closed: named.is_empty(),
            stages: &named,
            is_private: all.any(|endpoint| endpoint == Some(EndpointType::Private)),
            vpc_endpoints: &endpoints,
        };
        if let Err(fault) = builder.api(&hosts) {
            reporter.error(format!("/apis/{source}/id"), fault, "choose another id");
        }
    }
}

/// One domain and its mappings.
fn map_domain(
    index: usize,
    domain: &Domain,
    stages: &[StagePlan],
    builder: &mut HostMapBuilder,
    reporter: &mut Reporter<'_>,
) {
    if let Err(fault) = builder.domain(&domain.name) {
        let hint = "a name belongs to one domain, or to `hosts` of one API";
        reporter.error(format!("/domains/{index}/name"), fault, hint);
        return;
    }
    if !domain.mappings.is_empty() && !domain.routing_mode.maps() {
        reporter.warning(
            format!("/domains/{index}/mappings"),
            "the mappings have no effect: only routing rules count",
            "write `routing_mode = \"ROUTING_RULE_THEN_BASE_PATH_MAPPING\"`, or remove them",
        );
    }
    if domain.mappings.len() > MAPPINGS_MAX {
        let message = format!("a domain has at most {MAPPINGS_MAX} mappings");
        reporter.error(format!("/domains/{index}/mappings"), message, "");
    }
    for (nth, mapping) in domain.mappings.iter().enumerate() {
        let at = format!("/domains/{index}/mappings/{nth}");
        let Some((stage, names)) = target(mapping, stages, &at, reporter) else {
            continue;
        };
        let path = mapping.base_path();
        if !is_base_path(path) {
            let hint = "write parts of letters, digits and `$-_.+!*'()`, with `/` between them";
            reporter.error(
                format!("{at}/path"),
                format!("`{path}` is no base path"),
                hint,
            );
        } else if domain.routing_mode.maps()
            && let Err(fault) = builder.base(&domain.name, path, stage, &names)
        {
            reporter.error(format!("{at}/path"), fault, "a path leads to one API");
        }
    }
    rules::add(index, domain, stages, builder, reporter);
}

/// The stage that a mapping names, or all stages of its API by their names.
type Target<'s> = (Option<StageIndex>, Vec<(&'s str, StageIndex)>);

fn target<'s>(
    mapping: &Mapping,
    stages: &'s [StagePlan],
    at: &str,
    reporter: &mut Reporter<'_>,
) -> Option<Target<'s>> {
    let names = names_of(&mapping.api, stages, at, reporter)?;
    let Some(wanted) = &mapping.stage else {
        return Some((None, names));
    };
    let stage = named(&names, (&mapping.api, wanted), at, reporter)?;
    Some((Some(stage), Vec::new()))
}

/// The stages of the API that `at` names, by their names.
pub(super) fn names_of<'s>(
    api: &str,
    stages: &'s [StagePlan],
    at: &str,
    reporter: &mut Reporter<'_>,
) -> Option<Vec<(&'s str, StageIndex)>> {
    let own = stages.iter().enumerate();
    let own = own.filter(|(_, stage)| *stage.api_id == *api && !stage.is_canary);
    let names: Vec<(&str, StageIndex)> = own
        .map(|(index, stage)| (&*stage.name, stage_index(index)))
        .collect();
    if names.is_empty() {
        let mut ids: Vec<&str> = stages.iter().map(|stage| &*stage.api_id).collect();
        ids.dedup();
        let message = format!("there is no API `{api}`");
        let hint = format!("there are {}", ids.join(", "));
        reporter.error(format!("{at}/api"), message, hint);
        return None;
    }
    Some(names)
}

/// The stage of an API that `at` names.
pub(super) fn named(
    names: &[(&str, StageIndex)],
    (api, wanted): (&str, &str),
    at: &str,
    reporter: &mut Reporter<'_>,
) -> Option<StageIndex> {
    let stage = names.iter().find(|(name, _)| *name == wanted);
    if stage.is_none() {
        let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let message = format!("the API `{api}` has no stage `{wanted}`");
        let hint = format!("it has {}", known.join(", "));
        reporter.error(format!("{at}/stage"), message, hint);
    }
    stage.map(|(_, stage)| *stage)
}

pub(super) fn is_base_path(path: &str) -> bool {
    const PATH_BYTES_MAX: usize = 300;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_.+!*'()".contains(&byte);
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(fits);
    path.is_empty() || (path.len() <= PATH_BYTES_MAX && path.split('/').all(is_part))
}

fn api_pointer(served: &Served, stage: Option<usize>) -> String {
    match stage {
        Some(index) => format!("/apis/{}/stage", served.stages[index].source),
        None => "/apis".to_owned(),
    }
}

fn stage_index(index: usize) -> StageIndex {
    StageIndex(u32::try_from(index).expect("few stages"))
}
