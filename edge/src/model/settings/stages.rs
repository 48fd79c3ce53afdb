//! `[apis.stages.NAME]`: what one stage of an API has of its own.
//!
//! Shape: [`Stages`] is the list of an API's stages, a list of names or a table of
//! [`StageSettings`]; [`ApiSource::for_stage`] lays one over what the API says of all its stages.
//! The members of [`MethodSettings`] have the names that API Gateway gives them. Units: as
//! `throttle` and `cache` have them. Ranges: checked by the compiler. Errors: unknown keys are
//! refused by serde. Source: API Gateway developer guide, "stage settings", "methodSettings" and
//! "canary release deployment".

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::Deserialize;

use super::{ApiSource, MethodCache, MethodThrottle, StageCache, StageThrottle, Unauthorized};

/// An API's stages in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Stages(Vec<(String, StageSettings)>);

/// What one stage has of its own.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageSettings {
    /// Over those of the API.
    pub variables: BTreeMap<String, String>,
    /// `methodSettings`: by `*/*`, or by path and verb, as in `pets/{id}/GET`.
    pub methods: BTreeMap<String, MethodSettings>,
    /// A share of the requests that is served otherwise. Not with `deployed`.
    pub canary: Option<Canary>,
    /// `clientCertificateId`: the `[client_certificates]` that HTTP origins are shown.
    pub client_certificate_id: Option<String>,
}

/// `methodSettings` of one key; what is left out is as in `*/*`, or as for the API.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MethodSettings {
    /// Requests a second.
    pub throttling_rate_limit: Option<f64>,
    /// Requests that may come at once.
    pub throttling_burst_limit: Option<u32>,
    /// In `*/*` of the methods that have no key of their own: `GET` alone.
    pub caching_enabled: Option<bool>,
    /// 0 to 3,600.
    pub cache_ttl_in_seconds: Option<u32>,
    /// A client that asks for a fresh answer must be allowed to.
    pub require_authorization_for_cache_control: Option<bool>,
    /// What one who is not allowed gets.
    pub unauthorized_cache_control_header_strategy: Option<Unauthorized>,
    /// What the execution log tells of its requests.
    pub logging_level: Option<LoggingLevel>,
    /// The execution log holds payloads too.
    pub data_trace_enabled: Option<bool>,
}

/// `loggingLevel`: what the execution log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LoggingLevel {
    /// Nothing.
    #[default]
    Off,
    /// What failed.
    Error,
    /// Every step.
    Info,
}

/// `canarySettings`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// `percentTraffic`: 0 to 100, decimals allowed.
    pub percent: f64,
    /// What it serves; left out: the document of the stage.
    #[serde(default)]
    pub document: Option<PathBuf>,
    /// `stageVariableOverrides`: over those of the stage, or beside them.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Answers are kept together with those of the stage, although the documents differ.
    #[serde(default)]
    pub use_stage_cache: bool,
}

/// The key of [`StageSettings::methods`] that is for all methods.
pub const ALL_METHODS: &str = "*/*";

impl Stages {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names with what each has of its own.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &StageSettings)> {
        self.0.iter().map(|(name, settings)| (&**name, settings))
    }

    /// The same, to be changed.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = (&str, &mut StageSettings)> {
        self.0
            .iter_mut()
            .map(|(name, settings)| (&**name, settings))
    }

    /// What the stage `name` has of its own.
    pub fn get(&self, name: &str) -> Option<&StageSettings> {
        let mut rows = self.rows();
        rows.find(|(known, _)| *known == name).map(|(_, own)| own)
    }

    /// Whether nothing is said of stages.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a stage that has nothing of its own.
    pub fn push(&mut self, name: &str) {
        self.0.push((name.to_owned(), StageSettings::default()));
    }
}

impl<S: Into<String>> FromIterator<S> for Stages {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Stages {
        let row = |name: S| (name.into(), StageSettings::default());
        Stages(names.into_iter().map(row).collect())
    }
}

impl<'de> Deserialize<'de> for Stages {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Stages;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of names or a table of stages")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<Stages, A::Error> {
                let mut rows = Vec::new();
                while let Some(name) = items.next_element::<String>()? {
                    rows.push((name, StageSettings::default()));
                }
                Ok(Stages(rows))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut entries: A,
            ) -> Result<Stages, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = entries.next_entry::<String, StageSettings>()? {
                    rows.push(row);
                }
                Ok(Stages(rows))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// Path and verb of a key of [`StageSettings::methods`]; `None` for [`ALL_METHODS`] and for what is
/// no key.
pub fn method_of_key(key: &str) -> Option<(String, &str)> {
    let (path, verb) = key.rsplit_once('/')?;
    let path = path.strip_prefix('/').unwrap_or(path);
    (path != "*" && !verb.is_empty()).then(|| (format!("/{path}"), verb))
}

impl ApiSource {
    /// What is said of the API, as it is for one stage: with the stage's own words over it.
    pub fn for_stage(&self, name: &str) -> ApiSource {
        let mut source = self.clone();
        let Some(own) = self.stages.get(name) else {
            return source;
        };
        source.variables.extend(own.variables.clone());
        if own.methods.values().any(MethodSettings::throttles) {
            source.throttle = Some(throttle(self, name, own));
        }
        if own.methods.values().any(MethodSettings::caches) {
            source.stage_cache = Some(stage_cache(self, name, own));
        }
        source
    }

    /// What the execution log tells of a method in the stage `name`, and whether with payloads:
    /// each member from the method's own key, else from [`ALL_METHODS`].
    pub fn logging(&self, name: &str, path: &str, verb: &str) -> (LoggingLevel, bool) {
        if self.tells_all {
            return (LoggingLevel::Info, true);
        }
        let Some(own) = self.stages.get(name) else {
            return (LoggingLevel::Off, false);
        };
        let mut keys = own.methods.iter();
        let named = keys.find(|(key, _)| {
            let method = method_of_key(key);
            method.is_some_and(|(of, one)| of == path && one.eq_ignore_ascii_case(verb))
        });
        let named = named.map(|(_, settings)| settings);
        let all = own.methods.get(ALL_METHODS);
        let both = || named.into_iter().chain(all);
        (
            both().find_map(|one| one.logging_level).unwrap_or_default(),
            both()
                .find_map(|one| one.data_trace_enabled)
                .unwrap_or(false),
        )
    }
}

impl MethodSettings {
    /// Something is said of the execution log.
    pub fn logs(&self) -> bool {
        let level = self.logging_level.unwrap_or_default();
        level != LoggingLevel::Off || self.data_trace_enabled == Some(true)
    }

    /// Something is said of limits.
    pub fn throttles(&self) -> bool {
        self.throttling_rate_limit.is_some() || self.throttling_burst_limit.is_some()
    }

    /// Something is said of the cache.
    pub fn caches(&self) -> bool {
        self.caching_enabled.is_some()
            || self.cache_ttl_in_seconds.is_some()
            || self.require_authorization_for_cache_control.is_some()
            || self.unauthorized_cache_control_header_strategy.is_some()
    }
}

fn is_for(stages: &[String], name: &str) -> bool {
    stages.is_empty() || stages.iter().any(|known| known == name)
}

fn throttle(source: &ApiSource, name: &str, own: &StageSettings) -> StageThrottle {
    let of_api = source.throttle.as_ref();
    let of_api = of_api.filter(|throttle| is_for(&throttle.stages, name));
    let mut throttle = StageThrottle {
        stages: Vec::new(),
        ..of_api.cloned().unwrap_or_default()
    };
    for (key, settings) in own.methods.iter().filter(|(_, own)| own.throttles()) {
        let (rate, burst) = (
            settings.throttling_rate_limit,
            settings.throttling_burst_limit,
        );
        match (method_of_key(key), rate.zip(burst)) {
            (None, _) => {
                throttle.rate_limit = rate.or(throttle.rate_limit);
                throttle.burst_limit = burst.or(throttle.burst_limit);
            }
            (Some((path, verb)), Some((rate_limit, burst_limit))) => {
                throttle.methods.push(MethodThrottle {
                    path,
                    method: verb.to_owned(),
                    rate_limit,
                    burst_limit,
                });
            }
            (Some(_), None) => {} // one without the other, which the compiler reports
        }
    }
    throttle
}

fn stage_cache(source: &ApiSource, name: &str, own: &StageSettings) -> StageCache {
    let of_api = source.stage_cache.as_ref();
    let of_api = of_api.filter(|cache| is_for(&cache.stages, name));
    let mut cache = StageCache {
        stages: Vec::new(),
        enabled: of_api.is_some_and(|cache| cache.enabled),
        ..of_api.cloned().unwrap_or_default()
    };
    if let Some(all) = own.methods.get(ALL_METHODS) {
        cache.enabled = all.caching_enabled.unwrap_or(cache.enabled);
        cache.ttl_s = all.cache_ttl_in_seconds.unwrap_or(cache.ttl_s);
        cache.require_authorization = all
            .require_authorization_for_cache_control
            .unwrap_or(cache.require_authorization);
        cache.unauthorized = all
            .unauthorized_cache_control_header_strategy
            .unwrap_or(cache.unauthorized);
    }
    for (key, settings) in own.methods.iter().filter(|(_, own)| own.caches()) {
        if let Some((path, verb)) = method_of_key(key) {
            cache.methods.push(MethodCache {
                path,
                method: verb.to_owned(),
                enabled: settings.caching_enabled,
                ttl_s: settings.cache_ttl_in_seconds,
                require_authorization: settings.require_authorization_for_cache_control,
                unauthorized: settings.unauthorized_cache_control_header_strategy,
            });
        }
    }
    cache
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn source(stages: serde_json::Value) -> ApiSource {
        let given = json!({
            "document": "a.yaml", "stages": stages, "variables": { "a": "1", "b": "2" },
            "throttle": { "stages": ["prod"], "rate_limit": 5.0, "burst_limit": 6 },
            "stage_cache": { "stages": ["prod"], "ttl_s": 9 },
        });
        serde_json::from_value(given).expect("settings of an API")
    }

    #[test]
    fn stages_are_names_or_a_table() {
        let names = |given| {
            let source = source(given);
            source.stages.names().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(names(json!(["v2", "v1"])), ["v2", "v1"]);
        assert_eq!(names(json!({ "v1": {}, "v2": {} })), ["v1", "v2"]);
        for wrong in [
            json!("v1"),
            json!([1]),
            json!({ "v1": 1 }),
            json!({ "v1": { "x": 1 } }),
        ] {
            let given = json!({ "document": "a", "stages": wrong });
            assert!(serde_json::from_value::<ApiSource>(given).is_err());
        }
    }

    #[test]
    fn keys_name_a_method_or_all() {
        let rows = [
            ("*/*", None),
            ("GET", None),
            ("pets/", None),
            ("pets/GET", Some(("/pets", "GET"))),
            ("/pets/{id}/ANY", Some(("/pets/{id}", "ANY"))),
            ("/GET", Some(("/", "GET"))),
            ("//GET", Some(("/", "GET"))),
        ];
        for (key, expected) in rows {
            let expected = expected.map(|(path, verb): (&str, _)| (path.to_owned(), verb));
            assert_eq!(method_of_key(key), expected, "{key}");
        }
    }

    #[test]
    fn methods_say_what_is_logged() {
        let mut source = source(json!({
            "dev": {},
            "prod": { "methods": {
                "*/*": { "logging_level": "ERROR", "data_trace_enabled": true },
                "pets/GET": { "logging_level": "INFO" },
                "pets/{id}/put": { "data_trace_enabled": false },
            } },
            "test": { "methods": { "pets/GET": { "logging_level": "INFO" } } },
        }));
        let rows = [
            ("dev", "/pets", "GET", (LoggingLevel::Off, false)),
            ("other", "/pets", "GET", (LoggingLevel::Off, false)),
            ("prod", "/", "GET", (LoggingLevel::Error, true)),
            ("prod", "/pets", "GET", (LoggingLevel::Info, true)),
            ("prod", "/pets", "POST", (LoggingLevel::Error, true)),
            ("prod", "/pets/{id}", "PUT", (LoggingLevel::Error, false)),
            ("test", "/pets", "GET", (LoggingLevel::Info, false)),
            ("test", "/", "GET", (LoggingLevel::Off, false)),
        ];
        for (stage, path, verb, expected) in rows {
            let found = source.logging(stage, path, verb);
            assert_eq!(found, expected, "{stage} {verb} {path}");
        }
        source.tells_all = true;
        assert_eq!(
            source.logging("dev", "/", "GET"),
            (LoggingLevel::Info, true)
        );
        let given = json!({ "document": "a", "stages": { "a": { "methods": {
            "*/*": { "logging_level": "info" },
        } } } });
        assert!(serde_json::from_value::<ApiSource>(given).is_err());
    }

    #[test]
    fn a_stage_lies_over_its_api() {
        let source = source(json!({
            "dev": {},
            "prod": {
                "variables": { "b": "3", "c": "4" },
                "methods": {
                    "*/*": { "throttling_rate_limit": 50.0, "throttling_burst_limit": 60 },
                    "pets/GET": { "throttling_rate_limit": 1.0, "throttling_burst_limit": 2,
                                  "caching_enabled": false },
                },
            },
            "test": { "methods": { "pets/GET": { "caching_enabled": true } } },
        }));
        assert_eq!(source.for_stage("dev"), source);
        assert_eq!(source.for_stage("other"), source);
        let prod = source.for_stage("prod");
        let variables: Vec<_> = prod
            .variables
            .iter()
            .map(|(k, v)| format!("{k}{v}"))
            .collect();
        assert_eq!(variables, ["a1", "b3", "c4"]);
        let throttle = prod.throttle.expect("limits");
        assert_eq!(
            (throttle.rate_limit, throttle.burst_limit),
            (Some(50.0), Some(60))
        );
        assert_eq!((throttle.stages.len(), throttle.methods.len()), (0, 1));
        let cache = prod.stage_cache.expect("a cache");
        assert_eq!((cache.ttl_s, cache.enabled), (9, true));
        assert_eq!(cache.methods[0].enabled, Some(false));
        let test = source.for_stage("test");
        assert_eq!(
            test.throttle, source.throttle,
            "what is for another stage stays so"
        );
        let cache = test.stage_cache.expect("a cache");
        assert_eq!(
            (cache.ttl_s, cache.enabled),
            (300, false),
            "not that of prod"
        );
    }
}
