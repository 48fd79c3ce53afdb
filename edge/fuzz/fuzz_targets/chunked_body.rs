//! Fuzz target; what it asserts is in `bodies/chunked_body.rs`, which `cargo test` replays on the corpus.
#![no_main]

#[path = "../bodies/chunked_body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::check(data));
