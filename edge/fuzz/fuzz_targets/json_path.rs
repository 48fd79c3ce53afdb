//! Fuzz target; what it asserts is in `bodies/json_path.rs`, which `cargo test` replays on the corpus.
#![no_main]

#[path = "../bodies/json_path.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::check(data));
