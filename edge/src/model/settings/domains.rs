//! `[[domains]]`: names of one's own, and which API is behind which path.
//!
//! Shape: a [`Domain`] has its [`Mapping`]s, as API Gateway's base path mappings, and its
//! [`RoutingRule`]s; its [`RoutingMode`] says which of them count. Units: none. Ranges: at most
//! [`MAPPINGS_MAX`] mappings and [`RULES_MAX`] rules of a domain. Errors: unknown keys are refused
//! by serde; values are judged by the compiler. Source: API Gateway developer guide, "custom domain
//! names", "API mappings" and "routing rules".

use std::path::PathBuf;

use serde::Deserialize;

/// Most mappings of one domain.
pub const MAPPINGS_MAX: usize = 200;

/// Most routing rules of one domain.
pub const RULES_MAX: usize = 200;

/// The largest priority of a routing rule; the smallest is 1.
pub const PRIORITY_MAX: u32 = 1_000_000;

/// One name and what is behind it.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Domain {
    /// `api.example.com`, or `*.example.com`.
    pub name: String,
    /// The chain as PEM, leaf first, beside those of `[tls]`.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// `securityPolicy`: what its certificate is served by; default: as `[tls]` says.
    pub security_policy: Option<String>,
    /// What counts: mappings, rules, or rules and then mappings.
    pub routing_mode: RoutingMode,
    /// The longest that fits counts; a path that none fits is refused.
    pub mappings: Vec<Mapping>,
    /// The first that fits counts, by priority.
    pub rules: Vec<RoutingRule>,
}

/// `routingMode`: what says where a domain's requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RoutingMode {
    #[default]
    #[serde(alias = "API_MAPPING_ONLY")]
    BasePathMappingOnly,
    RoutingRuleOnly,
    #[serde(alias = "ROUTING_RULE_THEN_API_MAPPING")]
    RoutingRuleThenBasePathMapping,
}

impl RoutingMode {
    /// Whether mappings count.
    pub const fn maps(self) -> bool {
        !matches!(self, RoutingMode::RoutingRuleOnly)
    }

    /// Whether rules count.
    pub const fn rules(self) -> bool {
        !matches!(self, RoutingMode::BasePathMappingOnly)
    }
}

/// Where requests go that fit all of its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingRule {
    /// 1 to [`PRIORITY_MAX`]; the lowest is asked first, and none stands twice.
    pub priority: u32,
    /// All must hold; none: every request fits.
    #[serde(default)]
    pub conditions: Vec<RoutingCondition>,
    /// `invokeApi.apiId`.
    pub api: String,
    /// `invokeApi.stage`.
    pub stage: String,
    /// `invokeApi.stripBasePath`: the API does not see the base path that fitted.
    #[serde(default)]
    pub strip_base_path: bool,
}

/// One condition: paths or headers, any of the list.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoutingCondition {
    /// `matchBasePaths.anyOf`: the path begins with one of them, by whole parts.
    pub match_base_paths: Option<Vec<String>>,
    /// `matchHeaders.anyOf`.
    pub match_headers: Option<Vec<MatchHeader>>,
}

/// A header and what it must say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchHeader {
    /// Its name, in any case.
    pub header: String,
    /// The whole value, with its case; `*` at one or both ends stands for anything.
    pub value_glob: String,
}

/// What is behind a path of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// `v1`, `shop/v1`; empty or `(none)`: whatever no other mapping fits.
    #[serde(default)]
    pub path: String,
    /// Id of the API.
    pub api: String,
    /// Left out: the next part of the path names the stage.
    #[serde(default)]
    pub stage: Option<String>,
}

impl Mapping {
    /// The path without slashes around it; empty for none.
    pub fn base_path(&self) -> &str {
        match self.path.trim_matches('/') {
            "(none)" => "",
            path => path,
        }
    }
}
