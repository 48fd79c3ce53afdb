//! Fuzz target; what it asserts is in `bodies/content_coding.rs`, which `cargo test` replays on the corpus.
#![no_main]

#[path = "../bodies/content_coding.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::check(data));
