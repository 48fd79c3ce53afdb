#!/usr/bin/env bash
# Fuzzes the parsers: scripts/fuzz.sh [SECONDS] [TARGET…]; 60 seconds each, all targets.
# Needs a nightly toolchain and cargo-fuzz (`cargo install cargo-fuzz`). New inputs go below
# edge/fuzz/target, the committed corpora are only read; `cargo test` replays those.
set -euo pipefail
cd "$(dirname "$0")/../edge/fuzz"

seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
fi
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
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
    cargo +nightly fuzz run --fuzz-dir . "$target" "target/found/$target" "$corpus" \
        -- -max_total_time="$seconds"
done
