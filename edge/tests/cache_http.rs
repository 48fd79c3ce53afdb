//! HTTP caching without a network: tables, properties, and histories against a slow model.

#[path = "cache_http/conditions.rs"]
mod conditions;
#[path = "cache_http/freshening.rs"]
mod freshening;
#[path = "cache_http/keys.rs"]
mod keys;
#[path = "cache_http/records.rs"]
mod records;
#[path = "cache_http/serving.rs"]
mod serving;
#[path = "cache_http/storing.rs"]
mod storing;
#[path = "cache_http/suite.rs"]
mod suite;
#[path = "cache_http/text.rs"]
mod text;
#[path = "cache_http/toy.rs"]
mod toy;
