//! Fuzz target; what it asserts is in `bodies/mapping_template.rs`, which `cargo test` replays on the corpus.
#![no_main]

#[path = "../bodies/mapping_template.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::check(data));
