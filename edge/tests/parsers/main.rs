//! What reads the bytes of others: wire examples, fuzz corpora, the suite of JSON Schema.

#[path = "../common/case.rs"]
mod case;
mod fuzz_corpus;
mod json_schema;
#[path = "../common/templates.rs"]
mod templates;
mod wire;
