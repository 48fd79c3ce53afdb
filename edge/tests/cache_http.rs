//! HTTP caching without a network: tables, properties, and histories against a slow model.

#[path = "cache_http/conditions.rs"]
mod conditions;
#[path = "cache_http/freshening.rs"]
mod freshening;
#[path = "cache_http/histories.rs"]
mod histories;
#[path = "cache_http/key_properties.rs"]
mod key_properties;
#[path = "cache_http/keys.rs"]
mod keys;
#[path = "cache_http/model.rs"]
mod model;
#[path = "cache_http/model_answer.rs"]
mod model_answer;
#[path = "cache_http/model_entry.rs"]
mod model_entry;
#[path = "cache_http/model_text.rs"]
mod model_text;
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
#[path = "cache_http/world.rs"]
mod world;
