//! Fuzz target; its body is `tidegate::settings::fuzz_configuration`, which `cargo test` replays on
//! `tests/corpus/configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate::settings::fuzz_configuration(data));
