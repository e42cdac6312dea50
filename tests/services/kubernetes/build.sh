#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the directory of a real kube-apiserver, kubectl, etcd and kubeconform, after building them
# when they are not there yet: about 6 minutes of CPU the first time. Needs a go command of the
# version that go.mod names, or one that can fetch it (see ../vault/build.sh, which keeps a copy).
#
#   usage: build.sh        in $HSMBRIDGE_CACHE (default ~/.cache/hsmbridge)
set -eu
toolchain=go1.26.8 # as ../vault/build.sh keeps it
go_minor=26
here=$(cd "$(dirname "$0")" && pwd)
cache=${HSMBRIDGE_CACHE:-$HOME/.cache/hsmbridge}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
out=$cache/kubernetes-$(cat "$here/build.sh" "$here/go.mod" "$here/go.sum" | sha256sum | cut -c1-12)

die() {
    echo "build.sh: $*" >&2
    exit 1
}

find_go() {
    for go in go "$cache/$toolchain/bin/go"; do
        minor=$("$go" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9][0-9]*\).*/\1/p')
        if [ -n "$minor" ] && [ "$minor" -ge $go_minor ]; then
            echo "$go"
            return
        fi
    done
    die "no go command of version 1.$go_minor or later; ../vault/build.sh fetches one"
}

build() {
    go=$(find_go)
    echo "build.sh: building kube-apiserver and etcd, about 6 minutes of CPU the first time" >&2
    rm -rf "$cache/kubernetes-build" "$out.part"
    mkdir "$cache/kubernetes-build" "$out.part"
    cp "$here/go.mod" "$here/go.sum" "$cache/kubernetes-build/"
    cd "$cache/kubernetes-build"
    GOFLAGS=-mod=mod CGO_ENABLED=0 "$go" build -trimpath -ldflags "-s -w" -o "$out.part/" tool
    mv "$out.part/server" "$out.part/etcd"
    cd "$cache"
    rm -rf kubernetes-build
    mv "$out.part" "$out"
}

export GOTOOLCHAIN=local # never another one behind our back
if ! [ -x "$out/etcd" ]; then
    exec 9> "$cache/kubernetes.lock"
    flock 9 # the second of two builds at once finds the first one's work
    [ -x "$out/etcd" ] || build >&2
fi
echo "$out"
