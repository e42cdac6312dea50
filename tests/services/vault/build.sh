#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the path of a real Vault core (1.21.4: token, approle, cert, userpass and kubernetes auth;
# transit and kv engines; in-memory storage), after building it when it is not there yet: about
# 6 minutes of CPU the first time. Needs a go command of any version from 1.19 on; one older than
# Vault needs brings the right toolchain with its own module client. A local test server only
# (Vault since 1.15 is BUSL-1.1): the binary and its source stay in the cache directory.
#
#   usage: build.sh        in $HSMBRIDGE_CACHE (default ~/.cache/hsmbridge)
set -eu
vault=v1.21.4
go_minor=26                                      # the oldest go that builds these modules
toolchain=go1.26.8
here=$(cd "$(dirname "$0")" && pwd)
cache=${HSMBRIDGE_CACHE:-$HOME/.cache/hsmbridge}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
binary=$cache/vault-server-$(cat "$here/build.sh" "$here/main.go" | sha256sum | cut -c1-12)

die() {
    echo "build.sh: $*" >&2
    exit 1
}

new_enough() { # GO: whether it is new enough
    minor=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9][0-9]*\).*/\1/p')
    [ -n "$minor" ] && [ "$minor" -ge $go_minor ]
}

# Prints a go command that is new enough. Go publishes its toolchains as modules, which any go
# command can fetch; but files in the module cache are not executable, hence the copy.
find_go() {
    old=$(command -v go || true)
    [ -n "$old" ] || die "no go command: install one, for example with 'apt-get install golang-go'"
    if new_enough "$old"; then
        echo "$old"
        return
    fi
    root=$cache/$toolchain
    if ! new_enough "$root/bin/go"; then
        platform=$("$old" env GOOS)-$("$old" env GOARCH)
        source=$(module_dir "$old" "golang.org/toolchain@v0.0.1-$toolchain.$platform")
        rm -rf "$root" "$root.part"
        cp -r "$source" "$root.part"
        chmod -R u+w "$root.part"
        chmod -R a+x "$root.part/bin" "$root.part/pkg/tool"
        mv "$root.part" "$root"
    fi
    echo "$root/bin/go"
}

module_dir() { # GO MODULE@VERSION: fetches it, prints its directory in the module cache
    found=$(cd / && "$1" mod download -json "$2" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    [ -n "$found" ] || die "cannot fetch the module $2"
    echo "$found"
}

# The release's own sdk is not published as it stands in the tree; the nearest tag differs in two
# signatures, which three lines bridge. None of them touches cryptography, login or HTTP.
bridge_sdk() {
    sed -i 's/ActivationFunc: iStore.activateDeduplication,/ActivationFunc: func(ctx context.Context, r *logical.Request, _ string) error { return iStore.activateDeduplication(ctx, r) },/' \
        vault-src/vault/identity_store.go
    sed -i 's/b.idStoreBackend.ActivationFunc(ctx, nil)/b.idStoreBackend.ActivationFunc(ctx, nil, "")/' \
        vault-src/vault/logical_system_activation_flags.go
    sed -i 's/restoredKeyName, err := b.lm.RestorePolicy(/restoredKeyName, err := keyName, b.lm.RestorePolicy(/' \
        vault-src/builtin/logical/transit/path_restore.go
}

write_module() { # GO: go.mod and go.sum beside main.go, from Vault's own
    sed -e 's#^module .*#module testserver/vault#' -e '/^replace github.com\/hashicorp\/vault/d' vault-src/go.mod > go.mod
    cp vault-src/go.sum go.sum
    "$1" mod edit -require "github.com/hashicorp/vault@$vault" -replace github.com/hashicorp/vault=./vault-src \
        -require github.com/hashicorp/vault/api@v1.22.0 -require github.com/hashicorp/vault/sdk@v0.21.0 \
        -require github.com/hashicorp/vault/api/auth/approle@v0.11.0 \
        -require github.com/hashicorp/vault/api/auth/userpass@v0.10.0
}

build() {
    go=$(find_go)
    dir=$(module_dir "$go" "github.com/hashicorp/vault@$vault")
    echo "build.sh: building a Vault core, about 6 minutes of CPU the first time" >&2
    rm -rf "$cache/vault-build"
    mkdir "$cache/vault-build"
    cd "$cache/vault-build"
    cp "$here/main.go" .
    cp -r "$dir" vault-src
    chmod -R u+w vault-src
    bridge_sdk
    write_module "$go"
    GOFLAGS="-buildvcs=false -mod=mod" "$go" build -ldflags "-s -w" -o "$binary.part" .
    cd "$cache"
    rm -rf vault-build
    mv "$binary.part" "$binary"
}

export GOTOOLCHAIN=local # never another one behind our back
if ! [ -x "$binary" ]; then
    exec 9> "$cache/vault-server.lock"
    flock 9 # the second of two builds at once finds the first one's work
    [ -x "$binary" ] || build >&2
fi
echo "$binary"
