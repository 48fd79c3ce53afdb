#!/usr/bin/env bash
# Counts the instructions of the hot nouns and compares them with bench/budgets.toml; with --write
# makes the counts the budgets. Needs valgrind.
#
# Built is what tests build, but for the two packages that are ours: those are optimized as for a
# release, without assertions, yet without the minutes that fat link-time optimization takes. Budgets
# hold for this profile alone.
set -euo pipefail
cd "$(dirname "$0")/.."

ours=()
for package in tidegate-edge tidegate-bench; do
    for setting in opt-level=3 codegen-units=16 debug-assertions=false overflow-checks=false; do
        ours+=(--config "profile.dev.package.$package.$setting")
    done
done
export CARGO_INCREMENTAL=0 # what was built before must not decide what is inlined
exec cargo bench --locked --quiet --profile dev -p tidegate-bench --no-default-features \
    --bench instructions \
    "${ours[@]}" -- "$@"
