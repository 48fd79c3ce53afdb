#!/usr/bin/env bash
# More seeds of the simulation with caches than `cargo test` runs, optimized and with assertions:
# scripts/sim-cached.sh [COUNT [FIRST]]; 10,000 seeds from a number made of the date.
set -euo pipefail
cd "$(dirname "$0")/.."

export TIDEGATE_SEEDS=${1:-10000}
if [ -n "${2:-}" ]; then
    export TIDEGATE_SEED_BASE=$2
fi
exec cargo test --profile sim -p tidegate-edge --test sim -- --nocapture cached::every_seed
