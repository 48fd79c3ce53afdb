#!/usr/bin/env bash
# Fuzzes the parsers: scripts/fuzz.sh [SECONDS] [TARGET…]; 60 seconds each, all targets.
# Needs cargo-fuzz (`cargo install cargo-fuzz`) and a nightly toolchain; FUZZ_STABLE=1 takes the
# toolchain of the repository instead, told that it may use sanitizers. New inputs go below
# edge/fuzz/target, the committed corpora are only read; `cargo test` replays those.
set -euo pipefail
cd "$(dirname "$0")/../edge/fuzz"

seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
fi
cargo=(cargo +nightly)
if [ -n "${FUZZ_STABLE:-}" ]; then
    export RUSTC_BOOTSTRAP=1
    cargo=(cargo)
fi
if ! "${cargo[@]}" fuzz --version >/dev/null 2>&1; then
    echo "install a nightly toolchain and cargo-fuzz first:" >&2
    echo "  rustup toolchain install nightly && cargo install cargo-fuzz" >&2
    exit 1
fi
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(cd fuzz_targets && ls ./*.rs | sed 's|^\./||; s|\.rs$||')
fi
for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    mkdir -p "target/found/$target"
    corpus=corpus/$target
    [ -d "$corpus" ] || corpus=../../tests/corpus/$target # the root package's
    "${cargo[@]}" fuzz run --fuzz-dir . "$target" "target/found/$target" "$corpus" \
        -- -max_total_time="$seconds" -rss_limit_mb=1024
done
