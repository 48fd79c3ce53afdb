//! Fuzz target; what it asserts is in `bodies/function_stream.rs`, which `cargo test` replays on the corpus.
#![no_main]

#[path = "../bodies/function_stream.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::check(data));
