//! HTTP caching without a network: tables, properties, and histories against a slow model.

mod conditions;
mod freshening;
mod histories;
mod key_properties;
mod keys;
mod model;
mod model_answer;
mod model_entry;
mod model_text;
mod records;
mod serving;
mod storing;
mod suite;
mod text;
mod toy;
mod world;
