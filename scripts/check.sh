#!/usr/bin/env bash
# The gate: everything a change has to pass, on a fresh Debian-like machine with Rust.
# Installs by name what the tests run beside the gateway, then format, lints, instruction budgets,
# tests.
# The last line is "N passed, N failed", summed over all test programs; a step that fails
# without naming a test counts as one failure. Exit status 0 only without failures.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# A command the tests or the build need, and the package that has it.
needed="
cc         build-essential
nginx      nginx-light
curl       curl
openssl    openssl
python3    python3
valgrind   valgrind
"

# A machine that is made for one run builds once: what makes a second build faster costs time there,
# and so do the lines of a backtrace.
if [ "${CI:-}" = true ]; then
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
fi

# Most tests wait, for a peer, a clock or the disk: more of them at a time than there are processors.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed_steps=0

say() { printf '\n== %s\n' "$*"; }

# Packages of the commands that are missing; installed if apt-get and the rights are there.
install_missing() {
    local missing=() command package as_root=()
    while read -r command package; do
        [ -n "$command" ] || continue
        PATH=$PATH:/usr/sbin:/sbin command -v "$command" >/dev/null || missing+=("$package")
    done <<<"$needed"
    if [ ${#missing[@]} -eq 0 ]; then
        say "packages: nothing to install"
        return
    fi
    say "packages: installing ${missing[*]}"
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    export DEBIAN_FRONTEND=noninteractive
    if ! { "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
        >"$log" 2>&1; then
        tail -n 5 "$log"
        echo "could not install ${missing[*]}; tests that need them will say so"
    fi
}

# Runs a step; a failure is counted, and the steps behind it still run.
step() {
    local name=$1
    shift
    say "$name"
    if ! "$@"; then
        echo "failed: $name"
        failed_steps=$((failed_steps + 1))
    fi
}

# Runs every test and sums the runners' "test result:" lines into $passed and $failed.
run_tests() {
    local status
    cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    read -r passed failed < <(awk '
        /^test result:/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
            }
        }
        END { print passed + 0, failed + 0 }' "$log")
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed_steps=$((failed_steps + 1)) # it did not build, or a test program died
    fi
}

install_missing
export PATH=$PATH:/usr/sbin:/sbin # where nginx is

step "format" cargo fmt --all --check
step "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
if cargo deny --version >/dev/null 2>&1; then
    step "licences, advisories, duplicates" cargo deny --all-features check
else
    say "licences, advisories: skipped, cargo-deny is not installed"
fi

if command -v valgrind >/dev/null; then
    step "instruction budgets" scripts/budgets.sh
else
    say "instruction budgets: skipped, valgrind is not installed"
fi

say "tests"
passed=0
failed=0
run_tests

failed=$((failed + failed_steps))
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
