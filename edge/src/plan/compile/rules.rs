//! Routing rules of domains, from the settings to the map of hosts.
//!
//! Shape: [`add`] turns each rule of a domain into a row of the [`HostMapBuilder`]; globs are taken
//! apart here, so that nothing is left to do for a request. Units: none. Ranges: priorities 1 to
//! [`PRIORITY_MAX`], each once; [`RULES_MAX`] rules; one condition on paths and
//! [`HEADER_CONDITIONS_MAX`] on headers in a rule. Errors: findings on the settings.
//! Source: Amazon API Gateway developer guide, "routing rules to connect API stages to a custom
//! domain name".

use std::collections::BTreeMap;

use super::{
    super::{fault::Reporter, stage::StagePlan},
    places::{is_base_path, named, names_of},
};
use crate::{
    model::settings::{
        MatchHeader, RoutingCondition, RoutingRule,
        domains::{Domain, PRIORITY_MAX, RULES_MAX},
    },
    route::{Glob, HostMapBuilder, RuleRow, is_rule_header},
};

/// Most conditions on headers in one rule.
const HEADER_CONDITIONS_MAX: usize = 2;

/// Gives the domain at `index` its rules.
pub(super) fn add(
    index: usize,
    domain: &Domain,
    stages: &[StagePlan],
    builder: &mut HostMapBuilder,
    reporter: &mut Reporter<'_>,
) {
    let at = format!("/domains/{index}/rules");
    if domain.rules.len() > RULES_MAX {
        let message = format!("a domain has at most {RULES_MAX} routing rules");
        reporter.error(&*at, message, "");
    }
    if !domain.rules.is_empty() && !domain.routing_mode.rules() {
        reporter.warning(
            &*at,
            "the routing rules have no effect: only mappings count",
            "write `routing_mode = \"ROUTING_RULE_THEN_BASE_PATH_MAPPING\"`",
        );
    }
    let mut priorities = BTreeMap::new();
    for (nth, rule) in domain.rules.iter().enumerate() {
        let at = format!("{at}/{nth}");
        let row = compile(rule, stages, &at, reporter);
        if let Some(earlier) = priorities.insert(rule.priority, nth) {
            let message = format!("the priority {} stands twice", rule.priority);
            let hint = format!("/domains/{index}/rules/{earlier} has it; leave gaps between them");
            reporter.error(format!("{at}/priority"), message, hint);
        } else if let Some(row) = row
            && domain.routing_mode.rules()
            && let Err(fault) = builder.rule(&domain.name, row)
        {
            reporter.error(at, fault, "");
        }
    }
}

/// One rule; `None` when something is wrong with it.
fn compile<'r>(
    rule: &'r RoutingRule,
    stages: &[StagePlan],
    at: &str,
    reporter: &mut Reporter<'_>,
) -> Option<RuleRow<'r>> {
    let mut fine = (1..=PRIORITY_MAX).contains(&rule.priority);
    if !fine {
        let message = format!("{} is no priority", rule.priority);
        let hint = format!("write 1 to {PRIORITY_MAX}");
        reporter.error(format!("{at}/priority"), message, hint);
    }
    let names = names_of(&rule.api, stages, at, reporter);
    let stage = names.and_then(|names| named(&names, (&rule.api, &rule.stage), at, reporter));
    let mut paths = None;
    let mut headers = Vec::new();
    for (nth, condition) in rule.conditions.iter().enumerate() {
        let at = format!("{at}/conditions/{nth}");
        match condition {
            RoutingCondition {
                match_base_paths: Some(list),
                match_headers: None,
            } if paths.is_none() => paths = Some(base_paths(list, &at, reporter)),
            RoutingCondition {
                match_base_paths: None,
                match_headers: Some(list),
            } if headers.len() < HEADER_CONDITIONS_MAX => {
                headers.push(any_header(list, &at, reporter));
            }
            condition => {
                let (message, hint) = misplaced(condition);
                reporter.error(at, message, hint);
                fine = false;
            }
        }
    }
    if rule.strip_base_path && paths.is_none() {
        let message = "there is no base path to strip";
        reporter.warning(
            format!("{at}/strip_base_path"),
            message,
            "add a condition with `match_base_paths`",
        );
    }
    let paths = match paths {
        None => None,
        Some(paths) => Some(paths?),
    };
    let headers: Option<Vec<_>> = headers.into_iter().collect();
    let (stage, headers) = (stage?, headers?);
    fine.then_some(RuleRow {
        priority: rule.priority,
        paths,
        headers,
        stage,
        strips: rule.strip_base_path,
    })
}

/// What is wrong with a condition that stands where it may not.
fn misplaced(condition: &RoutingCondition) -> (&'static str, &'static str) {
    let of = (&condition.match_base_paths, &condition.match_headers);
    match of {
        (None, None) => (
            "the condition says nothing",
            "write `match_base_paths` or `match_headers`; a rule without conditions takes all",
        ),
        (Some(_), Some(_)) => (
            "a condition is on paths or on headers",
            "write two conditions; both must hold",
        ),
        (Some(_), None) => (
            "a rule has one condition on paths",
            "any path of its list will do",
        ),
        (None, Some(_)) => (
            "a rule has at most two conditions on headers",
            "any header of a list will do",
        ),
    }
}

fn base_paths<'r>(
    list: &'r [String],
    at: &str,
    reporter: &mut Reporter<'_>,
) -> Option<Vec<&'r str>> {
    let mut fine = !list.is_empty();
    if !fine {
        let message = "the list of base paths is empty, so nothing fits";
        reporter.error(format!("{at}/match_base_paths"), message, "");
    }
    let mut paths = Vec::with_capacity(list.len());
    for (nth, written) in list.iter().enumerate() {
        let path = written.trim_matches('/');
        if path.is_empty() || !is_base_path(path) {
            let hint = "write parts of letters, digits and `$-_.+!*'()`, with `/` between them";
            let message = format!("`{written}` is no base path");
            reporter.error(format!("{at}/match_base_paths/{nth}"), message, hint);
            fine = false;
        }
        paths.push(path);
    }
    fine.then_some(paths)
}

/// The headers of one condition, with their globs.
type AnyHeader<'r> = Vec<(&'r str, Glob)>;

fn any_header<'r>(
    list: &'r [MatchHeader],
    at: &str,
    reporter: &mut Reporter<'_>,
) -> Option<AnyHeader<'r>> {
    let mut fine = !list.is_empty();
    if !fine {
        let message = "the list of headers is empty, so nothing fits";
        reporter.error(format!("{at}/match_headers"), message, "");
    }
    let mut rows = Vec::with_capacity(list.len());
    for (nth, wanted) in list.iter().enumerate() {
        let at = format!("{at}/match_headers/{nth}");
        if !is_rule_header(&wanted.header) {
            let message = format!("`{}` is no header that a rule can look at", wanted.header);
            let hint = "a name has 1 to 40 letters, digits and `-_.~`";
            reporter.error(format!("{at}/header"), message, hint);
            fine = false;
        }
        match Glob::parse(&wanted.value_glob) {
            Ok(glob) => rows.push((&*wanted.header, glob)),
            Err(fault) => {
                let message = format!("`{}` is no glob: {fault}", wanted.value_glob);
                let hint = "write a value of at most 128 letters, digits and `?-!#$%&'.^_|~`, \
                            with `*` at its ends";
                reporter.error(format!("{at}/value_glob"), message, hint);
                fine = false;
            }
        }
    }
    fine.then_some(rows)
}
