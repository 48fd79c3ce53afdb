//! From documents to a plan: the only validator, all findings at once.
//!
//! Shape: one pass over the settings, then over each API in each of its stages; every step adds
//! its findings and goes on. Units: in the names. Ranges: see the single checks. Errors:
//! [`Findings`] with at least one error. Source: `model` for the documents, `configs/full.toml`.

mod apis;
mod cache;
mod function;
mod http_proxy;
mod listen;
mod mapped;
mod mock;
mod origins;
mod parts;
mod places;
mod rules;
mod stages;
mod stream;
mod throttle;
mod uri;

use super::{
    Plan,
    fault::{Document, Findings, PlanFault, Reporter},
    release::Release,
};
use crate::model::{api::Api, settings::Settings};

use origins::OriginTable;
pub use stages::is_variable as is_stage_variable;

/// A plan, and what is odd about its documents.
#[derive(Debug)]
pub struct Compiled {
    pub plan: Plan,
    pub warnings: Vec<PlanFault>,
}

/// Compiles `settings` and the APIs that its `apis` name, in the same order.
pub fn compile(settings: &Settings, apis: &[Api], revision: u64) -> Result<Compiled, Findings> {
    assert_eq!(settings.apis.len(), apis.len(), "one API for each source");
    compile_releases(settings, apis, &Release::of_files(settings), revision)
}

/// Compiles `settings` and the documents that `releases` name.
pub fn compile_releases(
    settings: &Settings,
    apis: &[Api],
    releases: &[Release],
    revision: u64,
) -> Result<Compiled, Findings> {
    let mut findings = Findings::default();
    let mut reporter = Reporter {
        document: Document::Settings,
        findings: &mut findings,
    };
    let limits = listen::limits(settings, &mut reporter);
    let listeners = listen::listeners(settings, &mut reporter);
    let listen_tls = listen::tls(settings, &mut reporter);
    let server = listen::server(settings, &mut reporter);
    let trusted_proxies =
        listen::networks("/trust/proxies", &settings.trust.proxies, &mut reporter);
    let forwarding = listen::forwarding(settings, &mut reporter);
    let access_log = listen::access_log(settings, &mut reporter);
    let execution_log = listen::execution_log(settings, &mut reporter);
    let admin = listen::admin(settings, &mut reporter);
    let process = listen::process(settings, &mut reporter);
    let dns = listen::dns(settings, &mut reporter);
    let cache = cache::plan(settings, &mut reporter);
    let policies = cache::policies(settings, &mut reporter);
    let account = throttle::account(settings, &mut reporter);
    let clients = throttle::clients(settings, &mut reporter);
    function::check(settings, &mut reporter);
    stages::check_identities(settings, &mut reporter);
    let mut origins = OriginTable::new(settings, &mut reporter);
    let mut served = apis::Served::default();
    for (index, source) in settings.apis.iter().enumerate() {
        apis::check(
            index,
            source,
            (settings, &policies),
            (apis, releases),
            &mut served,
            &mut findings,
        );
    }
    for release in releases {
        apis::compile(
            release,
            apis,
            (settings, &policies, account),
            &mut origins,
            &mut served,
            &mut findings,
        );
    }
    let throttle = throttle::plan(settings, &served.routes, clients);
    let cache = cache.map(|cache| cache::with_regions(cache, std::mem::take(&mut served.regions)));
    let hosts = places::assign(settings, apis, &mut served, &mut findings);
    let health = apis::health(settings, &mut origins, &mut findings);
    let origins = origins.finish(&mut findings);
    let Some(health) = health.filter(|_| findings.errors.is_empty()) else {
        findings.errors.sort_by_key(|fault| fault.document);
        return Err(findings);
    };
    Ok(Compiled {
        plan: Plan {
            revision,
            stages: served.stages.into(),
            routes: served.routes.into(),
            origins: origins.into(),
            listeners,
            listen_tls,
            limits,
            account: settings.account.clone(),
            trusted_proxies,
            forwarding,
            access_log,
            execution_log,
            server,
            admin,
            process,
            dns,
            cache,
            throttle,
            health,
            hosts,
        },
        warnings: findings.warnings,
    })
}
