//! Who is served where: hosts and path prefixes.
//!
//! Shape: every stage gets the root of its API's hosts, when it is the stage they name, and the
//! prefix `/{stage}/` on all other hosts. Units: none. Ranges: none. Errors: findings on the
//! settings when two APIs claim one place.
//!
//! A prefix that several APIs want goes to the one that has no hosts of its own; APIs that are
//! reached by host give way, as each API has its own default host in the service.
//! Source: Amazon API Gateway developer guide, "invoke a REST API" and "custom domain names".

use std::collections::BTreeMap;

use super::{
    super::fault::{Document, Findings, Reporter},
    apis::Served,
};
use crate::{
    model::settings::Settings,
    route::{HostMap, HostMapBuilder, StageIndex},
};

pub(super) fn assign(settings: &Settings, served: &mut Served, findings: &mut Findings) -> HostMap {
    let mut reporter = Reporter {
        document: Document::Settings,
        findings,
    };
    let mut builder = HostMapBuilder::new();
    let mut prefixes: BTreeMap<Box<str>, Vec<usize>> = BTreeMap::new();
    for (index, stage) in served.stages.iter().enumerate() {
        prefixes.entry(stage.name.clone()).or_default().push(index);
        let Document::Api(api) = stage.document else {
            continue;
        };
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

fn api_pointer(served: &Served, stage: Option<usize>) -> String {
    match stage.map(|index| served.stages[index].document) {
        Some(Document::Api(api)) => format!("/apis/{api}/stage"),
        _ => "/apis".to_owned(),
    }
}

fn stage_index(index: usize) -> StageIndex {
    StageIndex(u32::try_from(index).expect("few stages"))
}
