#!/usr/bin/env bash
# The real gateways over long lines, on this host alone: what `tidegate sim` says of a scenario's
# smallest version, the formula, and what real TCP does, side by side.
#
#   scripts/wan.sh [SCENARIO.toml] [OPTION…]     options: tidegate-bench wan --help
#
# TIDEGATE_BENCH  the bench's binary, with tidegate and tidegate-load beside it; built when not given
# PROFILE         what is built: release when not given, dev is there sooner and does as well, for
#                 distances decide
#
# Everything runs in namespaces that this makes for itself: it needs no root, touches nothing of the
# host's network, and leaves nothing behind, not even when it is killed. Exit status: 0 measured, 1
# something failed, 2 the command line, 3 the host forbids namespaces or TUN devices (it says what
# to change).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

bench=${TIDEGATE_BENCH:-}
if [ -z "$bench" ]; then
    profile=${PROFILE:-release}
    cargo build --quiet --locked --profile "$profile" --manifest-path "$root/Cargo.toml" \
        -p tidegate -p tidegate-loadtest -p tidegate-bench --bins
    [ "$profile" = dev ] && profile=debug
    bench=${CARGO_TARGET_DIR:-$root/target}/$profile/tidegate-bench
fi
exec "$bench" wan "$@"
