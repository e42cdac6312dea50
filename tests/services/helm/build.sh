#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the path of a real helm, after building it when it is not there yet: 2 minutes of CPU the
# first time. Needs a go command as ../kubernetes/build.sh does, and finds it in the same way.
#
#   usage: build.sh        in $HSMBRIDGE_CACHE (default ~/.cache/hsmbridge)
set -eu
helm=v3.22.0
kubernetes_minor=37 # what charts are told the cluster is, where none is asked
toolchain=go1.26.8 # as ../vault/build.sh keeps it
go_minor=26
cache=${HSMBRIDGE_CACHE:-$HOME/.cache/hsmbridge}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
out=$cache/helm-$(sha256sum "$0" | cut -c1-12)

find_go() {
    for go in go "$cache/$toolchain/bin/go"; do
        minor=$("$go" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9][0-9]*\).*/\1/p')
        if [ -n "$minor" ] && [ "$minor" -ge $go_minor ]; then
            echo "$go"
            return
        fi
    done
    echo "build.sh: no go command of version 1.$go_minor or later; ../vault/build.sh fetches one" >&2
    exit 1
}

build() {
    go=$(find_go)
    echo "build.sh: building helm, about 2 minutes of CPU the first time" >&2
    rm -rf "$out.part"
    set -- "-X helm.sh/helm/v3/internal/version.version=$helm"
    for package in chartutil lint/rules; do
        set -- "$@" "-X helm.sh/helm/v3/pkg/$package.k8sVersionMajor=1" \
            "-X helm.sh/helm/v3/pkg/$package.k8sVersionMinor=$kubernetes_minor"
    done
    GOFLAGS=-mod=mod CGO_ENABLED=0 GOBIN=$out.part "$go" install -trimpath -ldflags "-s -w $*" \
        "helm.sh/helm/v3/cmd/helm@$helm"
    rm -rf "$out"
    mv "$out.part" "$out"
}

export GOTOOLCHAIN=local # never another one behind our back
if ! [ -x "$out/helm" ]; then
    exec 9> "$cache/helm.lock"
    flock 9 # the second of two builds at once finds the first one's work
    [ -x "$out/helm" ] || build >&2
fi
echo "$out/helm"
