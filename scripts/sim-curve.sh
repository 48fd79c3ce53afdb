#!/usr/bin/env bash
# What simulations cost: the readers of `global-read-heavy`, spread over 100 cities with 100 edges and
# cache regions of 1 MiB, by number of requests.
#
#   scripts/sim-curve.sh [MILLIONS…]     of all four deployments together; 0.5 1 2 5 10 if not given
#
# TIDEGATE  the gateway's binary; target/release/tidegate when not given
#
# Prints for each number: requests simulated, seconds of processor time, microseconds a request, and
# the most memory that was resident at a time. It wants a processor for itself, and no other files
# than one in a temporary folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tidegate=${TIDEGATE:-$root/target/release/tidegate}
[ $# -gt 0 ] || set -- 0.5 1 2 5 10

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sed -e 's/first = 20 }/first = 100 }/' -e 's/^capacity_mib = .*/capacity_mib = 1/' \
    "$root/configs/scenarios/global-read-heavy.toml" >"$folder/hundred.toml"

printf '%12s %10s %10s %10s\n' requests 'cpu s' 'us each' 'MiB'
for millions in "$@"; do
    each=$(awk "BEGIN { print int($millions * 1000000 / 4) }")
    "$tidegate" sim --quiet "$folder/hundred.toml" --requests "$each" \
        --json "$folder/report.json" >"$folder/table.txt" &
    pid=$!
    kib=0
    while status=$(cat "/proc/$pid/status" 2>/dev/null) && [[ $status == *VmHWM* ]]; do
        kib=$(awk '/VmHWM/ { print $2 }' <<<"$status")
        # User and system time in hundredths of a second.
        ticks=$(awk '{ print $14 + $15 }' "/proc/$pid/stat" 2>/dev/null || echo "$ticks")
        sleep 0.2
    done
    wait "$pid"
    count=$(awk '/requests simulated/ { print $1; exit }' "$folder/table.txt")
    awk -v count="$count" -v ticks="$ticks" -v kib="$kib" 'BEGIN {
        printf "%12d %10.1f %10.1f %10.0f\n", count, ticks / 100, ticks * 1e4 / count, kib / 1024
    }'
done
