#!/usr/bin/env bash
# Instructions that limits cost a request: a key look-up with five levels, counted by valgrind.
#
#   scripts/limits-instructions.sh [BUDGET]
#
# TIDEGATE_BENCH  the bench's binary; built when not given
# KEYS            API keys in the directory; 1000 when not given
#
# Prints the count, which is the same on every run. Exit status: 0 within the budget (the one in
# docs/limits.md when none is given), 1 beyond it, 3 it cannot be counted here.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
budget=${1:-$(sed -n 's/^Budget: \([0-9,]*\) instructions.*/\1/p' "$root/docs/limits.md" | tr -d ,)}
requests=100000

cannot() {
    echo "not counted: $*" >&2
    exit 3
}

command -v valgrind >/dev/null || cannot "there is no valgrind"
[ -n "$budget" ] || cannot "no budget is given, and docs/limits.md has none"
bench=${TIDEGATE_BENCH:-}
if [ -z "$bench" ]; then
    cargo build --quiet --release --locked -p tidegate-bench --manifest-path "$root/Cargo.toml"
    bench=$root/target/release/tidegate-bench
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
valgrind --tool=callgrind --toggle-collect='*buckets*pass_many*' \
    --callgrind-out-file="$work/out" \
    "$bench" buckets --keys "${KEYS:-1000}" --instructions "$requests" >"$work/log" 2>&1 ||
    cannot "$(tail -n 1 "$work/log")"
grep -q "^$requests of $requests passed" "$work/log" || cannot "a request was refused"
all=$(sed -n 's/^\(summary\|totals\): *//p' "$work/out" | head -n 1)
each=$((all / requests))
echo "key look-up and five levels: $each instructions a request, budget $budget"
[ "$each" -le "$budget" ]
