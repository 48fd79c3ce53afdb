//! Fuzz target; what it asserts is in `bodies/cache_record.rs`, which `cargo test` replays on the corpus.
#![no_main]

#[path = "../bodies/cache_record.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::check(data));
