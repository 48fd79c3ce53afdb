#!/usr/bin/env bash
# The public tests for HTTP caches (tests/http-cache-tests) against the gateway.
#
#   scripts/cache-conformance.sh [RESULTS.json]
#
# TIDEGATE  the binary; built when not given
# SUITE     another folder with the suite, for example a fresh checkout of it
# CACHE     a URL: this cache is tested instead of the gateway; it forwards to ORIGIN_PORT
# LONGEST_S  seconds for the suite; 60 when not given
# ORIGIN_PORT  where the suite's origin listens; any free port when not given
#
# Prints required, optimal and informative tests by outcome, and names every one that did not
# pass. Exit status: 0 no required test failed, 1 some did, 3 the suite cannot be run here.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
suite=${SUITE:-$root/tests/http-cache-tests}
results=${1:+$(realpath -m "$1")}

cannot() {
    echo "not run: $*" >&2
    exit 3
}

command -v node >/dev/null || cannot "there is no node (20.18 or newer)"
node -e "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)" ||
    cannot "node is older than 20.18"
command -v npm >/dev/null || cannot "there is no npm, which installs what the suite needs"

work=$(mktemp -d)
gateway=
end() {
    [ -z "$gateway" ] || kill -9 "$gateway" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

cp -r "$suite/tests" "$suite/test-engine" "$work/"
cd "$work"
# The suite's client sees interim answers through this package.
echo '{"private": true, "type": "module"}' >package.json
timeout 25 npm install --no-audit --no-fund --ignore-scripts --silent undici@7 >npm.log 2>&1 ||
    cannot "undici 7 cannot be installed: $(tail -n 1 npm.log)"

origin_port=${ORIGIN_PORT:-$(node -e '
    const server = require("net").createServer().listen(0, () => {
        console.log(server.address().port)
        server.close()
    })')}

if [ -z "${CACHE:-}" ]; then
    binary=${TIDEGATE:-}
    if [ -z "$binary" ]; then
        cargo build --quiet --locked --manifest-path "$root/Cargo.toml"
        binary=$root/target/debug/tidegate
    fi
    cat >tidegate.toml <<SETTINGS
[[listen]]
address = "127.0.0.1:0"
[cache]
path = "responses.cache"
capacity = "64 MiB"
[cache.policies.conformance]
honour_request_directives = true
keep_set_cookie = true
[admin]
socket = "admin.sock"
[[apis]]
document = "api.yaml"
hosts = ["127.0.0.1"]
header_rules = "proxy"
edge_cache = "conformance"
[origins.suite]
match = "http://localhost:$origin_port"
allow_addresses = ["loopback"]
SETTINGS
    cat >api.yaml <<DOCUMENT
openapi: 3.0.1
info: { title: Conformance, version: "1" }
paths:
  /{proxy+}:
    x-amazon-apigateway-any-method:
      parameters:
        - { name: proxy, in: path, required: true, schema: { type: string } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: ANY
        uri: http://localhost:$origin_port/{proxy}
        requestParameters:
          integration.request.path.proxy: method.request.path.proxy
DOCUMENT
    "$binary" run --config tidegate.toml 2>gateway.log &
    gateway=$!
    address=
    for _ in $(seq 200); do
        address=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' gateway.log)
        [ -z "$address" ] || break
        sleep 0.05
    done
    if [ -z "$address" ]; then
        cat gateway.log
        echo "the gateway does not start" >&2
        exit 1
    fi
    CACHE=http://$address
fi

status=0
timeout "${LONGEST_S:-60}" node --no-warnings "$root/scripts/cache-conformance.mjs" \
    . "$CACHE" "$origin_port" $results || status=$?
[ "$status" -ne 124 ] || echo "the suite took longer than ${LONGEST_S:-60} s" >&2
[ "$status" -eq 0 ] || exit 1
