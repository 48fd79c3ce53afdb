//! What the settings say about single stages: variables, methods, canaries.
//!
//! Shape: checks; the values themselves go into a stage by [`ApiSource::for_stage`]. Units: percent
//! of requests, and parts of 2^32 for shares. Ranges: variables and stage names as the service
//! allows them, 0 to 100 percent. Errors: findings on the settings.
//! Source: Amazon API Gateway developer guide, "stage variables", "methodSettings" and "canary
//! release deployment".

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    fault::{Document, Findings, Reporter, pointer_part},
    release::{CanaryRelease, Release},
};
use crate::model::{
    api::{Resource, Verb},
    settings::{
        ApiSource, MethodSettings, Settings, StageSettings,
        stages::{ALL_METHODS, method_of_key},
    },
};

/// What the settings say of the stages of the API at `index`.
pub(super) fn check_source(
    index: usize,
    source: &ApiSource,
    settings: &Settings,
    resources: &[Resource],
    findings: &mut Findings,
) {
    let mut reporter = Reporter {
        document: Document::Settings,
        findings,
    };
    let at = format!("/apis/{index}/variables");
    check_variables(&at, &source.variables, &mut reporter);
    for (name, own) in source.stages.rows() {
        let at = format!("/apis/{index}/stages/{}", pointer_part(name));
        check_variables(&format!("{at}/variables"), &own.variables, &mut reporter);
        check_methods(&at, own, resources, &mut reporter);
        check_logs(&at, own, settings, &mut reporter);
        let keeps = own.methods.values().any(MethodSettings::caches);
        if keeps && settings.cache.is_none() {
            let hint = "add a `[cache]` table; it may be empty";
            reporter.error(format!("{at}/methods"), "caching needs a cache", hint);
        }
        if keeps && source.edge_cache.is_some() {
            let message = "`edge_cache` and the cache of a stage exclude each other";
            reporter.error(format!("{at}/methods"), message, "keep one of the two");
        }
        if let Some(id) = &own.client_certificate_id
            && !settings.client_certificates.contains_key(id)
        {
            let known: Vec<&str> = (settings.client_certificates.keys())
                .map(String::as_str)
                .collect();
            let hint = match &known[..] {
                [] => format!("make one: tidegate client-certificate generate {id}"),
                known => format!("there are {}", known.join(", ")),
            };
            let message = format!("there is no client certificate `{id}`");
            reporter.error(format!("{at}/client_certificate_id"), message, hint);
        }
        if let Some(canary) = &own.canary {
            let at = format!("{at}/canary");
            check_variables(&format!("{at}/variables"), &canary.variables, &mut reporter);
        }
    }
}

/// Client certificates that nobody shows are odd.
pub(super) fn check_identities(settings: &Settings, reporter: &mut Reporter<'_>) {
    let sources = settings.apis.iter();
    let shown: BTreeSet<&str> = sources
        .flat_map(|source| source.stages.rows())
        .filter_map(|(_, own)| own.client_certificate_id.as_deref())
        .collect();
    for id in settings.client_certificates.keys() {
        if !shown.contains(id.as_str()) {
            let at = format!("/client_certificates/{}", pointer_part(id));
            let hint = format!("write `client_certificate_id = \"{id}\"` in [apis.stages.NAME]");
            reporter.warning(at, format!("no stage shows the certificate `{id}`"), hint);
        }
    }
}

fn check_variables(at: &str, variables: &BTreeMap<String, String>, reporter: &mut Reporter<'_>) {
    for (name, value) in variables {
        if !is_variable(name, value) {
            reporter.error(
                format!("{at}/{}", pointer_part(name)),
                format!("`{name}` is no stage variable"),
                "name: 1 to 64 of A-Za-z0-9_, value: to 512 of A-Za-z0-9-._~:/?#&=,",
            );
        }
    }
}

/// Whether a stage may have this variable.
#[must_use]
pub fn is_variable(name: &str, value: &str) -> bool {
    const NAME_BYTES_MAX: usize = 64;
    const VALUE_BYTES_MAX: usize = 512;
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let in_value = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(in_name)
        && value.len() <= VALUE_BYTES_MAX
        && value.bytes().all(in_value)
}

fn check_methods(
    at: &str,
    own: &StageSettings,
    resources: &[Resource],
    reporter: &mut Reporter<'_>,
) {
    for (key, settings) in &own.methods {
        let at = format!("{at}/methods/{}", pointer_part(key));
        let fits = method_of_key(key).map(|(path, verb)| {
            let verb = Verb::parse(verb);
            let mut fitting = resources.iter().filter(|resource| resource.path == path);
            fitting.any(|resource| {
                let mut methods = resource.methods.iter();
                methods.any(|method| Some(method.verb) == verb)
            })
        });
        match fits {
            None if key != ALL_METHODS => {
                let hint = "write `*/*`, or path and verb as in `pets/{id}/GET`";
                reporter.error(&*at, format!("`{key}` names no method"), hint);
            }
            Some(false) => {
                let hint = "write path and verb as the document has them";
                reporter.error(&*at, format!("the API has no method `{key}`"), hint);
            }
            None | Some(true) => {}
        }
        let (rate, burst) = (
            settings.throttling_rate_limit,
            settings.throttling_burst_limit,
        );
        super::throttle::pair_named((rate, burst), (&at, "throttling_"), reporter);
        if let Some(ttl_s) = settings.cache_ttl_in_seconds {
            super::cache::check_ttl(ttl_s, format!("{at}/cache_ttl_in_seconds"), reporter);
        }
    }
}

/// A level that nobody hears of is odd.
fn check_logs(at: &str, own: &StageSettings, settings: &Settings, reporter: &mut Reporter<'_>) {
    if settings.execution_log.is_on() {
        return;
    }
    for (key, _) in own.methods.iter().filter(|(_, own)| own.logs()) {
        let at = format!("{at}/methods/{}", pointer_part(key));
        let hint = "name a file by `path` in [execution_log]";
        reporter.warning(at, "there is no execution log to write to", hint);
    }
}

/// Requests of 2^32 that the canary of `release` serves.
pub(super) fn share(
    release: &Release,
    canary: &CanaryRelease,
    reporter: &mut Reporter<'_>,
) -> Option<u64> {
    let share = share_of(canary.percent);
    if share.is_none() {
        let Release { source, stage, .. } = release;
        reporter.error(
            format!(
                "/apis/{source}/stages/{}/canary/percent",
                pointer_part(stage)
            ),
            format!("a canary cannot serve {} percent", canary.percent),
            "write 0 to 100; decimals are allowed",
        );
    }
    share
}

/// `percent` as parts of 2^32, to the nearest.
fn share_of(percent: f64) -> Option<u64> {
    const WHOLE: f64 = (1u64 << 32) as f64;
    if !(0.0..=100.0).contains(&percent) {
        return None;
    }
    let parts = (percent / 100.0 * WHOLE).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 2^32, whole
    Some(parts as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_become_parts() {
        let rows = [
            (0.0, Some(0)),
            (100.0, Some(1 << 32)),
            (50.0, Some(1 << 31)),
            (10.5, Some(450_971_566)),
            (-0.1, None),
            (100.1, None),
            (f64::NAN, None),
        ];
        for (percent, expected) in rows {
            assert_eq!(share_of(percent), expected, "{percent}");
        }
    }
}
