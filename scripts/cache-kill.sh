#!/usr/bin/env bash
# Kills processes that share a cache: scripts/cache-kill.sh [ROUNDS]; 10,000 rounds without one, and
# a tenth of as many with encryption. A round is one death among four readers and writers, at a random
# moment or at a named step; every hit is compared by key and bytes. `cargo test` does 500 rounds.
# TIDEGATE_SEED repeats a campaign's draws. Takes about 20 ms for a round, at low priority.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-10000}
if ! [[ $rounds =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: scripts/cache-kill.sh [ROUNDS]" >&2
    exit 2
fi
TIDEGATE_CACHE_ROUNDS=$rounds exec nice -n 10 cargo test --locked -p tidegate-edge \
    --test cache -- --nocapture nobody_notices_the_dead
