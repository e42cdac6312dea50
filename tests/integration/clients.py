# SPDX-License-Identifier: Apache-2.0
"""Test programs in other languages: built once, kept in the cache for as long as they are the same.

    client = build_go("go")             # the path of the program made of the directory go

They are kept in $HSMBRIDGE_CACHE/clients (default ~/.cache/hsmbridge), under the sources' digest.
"""

import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD_MAX = 240  # seconds
GO_MINOR = 25  # the modules need go 1.24.5
RUST_MINOR = 85  # zeroize 1.9, below cryptoki 0.10
NODE_MAJOR = 18  # pkcs11js 2.1
NODE_HEADERS = "/usr/include/node/node_api.h"  # else they would be fetched


def cache():
    return os.environ.get("HSMBRIDGE_CACHE") or os.path.expanduser("~/.cache/hsmbridge")


def build(name, command, env=None):
    """The path of the program; command(PATH) makes it there, in a copy of its sources."""
    source = os.path.join(HERE, name)
    directory = os.path.join(cache(), "clients")
    target = os.path.join(directory, "%s-%s" % (name, _digest(source)))
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name + ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(target):
            _build(source, target, command, env)
    return target


def _digest(directory):
    digest = hashlib.sha256()
    for entry in sorted(os.listdir(directory)):
        with open(os.path.join(directory, entry), "rb") as file:
            content = file.read()
        digest.update(b"%s %d\n" % (entry.encode(), len(content)))
        digest.update(content)
    return digest.hexdigest()[:12]


def _build(source, target, command, env):
    with tempfile.TemporaryDirectory(prefix="hsmbridge-client-") as copy:
        shutil.copytree(source, copy, dirs_exist_ok=True)
        made = os.path.join(copy, "made")
        done = subprocess.run(command(made), cwd=copy, env=dict(os.environ, **(env or {})),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BUILD_MAX,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError("cannot build %s:\n%s" % (
                source, done.stdout.decode(errors="replace")))
        shutil.rmtree(target + ".part", ignore_errors=True)  # of a build that was killed
        shutil.move(made, target + ".part")
    os.rename(target + ".part", target)


def _say(*words):
    """What a command prints, nothing if there is no such command."""
    try:
        return subprocess.run(words, env=dict(os.environ, GOTOOLCHAIN="local"),
                              capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def build_go(name):
    go = _find_go()
    return build(name, lambda target: [go, "build", "-o", target, "."],
                 {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false -mod=readonly",
                  "CGO_ENABLED": "1"})


def _find_go():
    """The go command, or the one that the real Vault was built with: services/vault/build.sh."""
    found = [shutil.which("go"), *sorted(glob.glob(os.path.join(cache(), "go1.*", "bin", "go")))]
    for go in filter(None, found):
        version = re.match(r"go1\.(\d+)", _say(go, "env", "GOVERSION"))
        if version and int(version.group(1)) >= GO_MINOR:
            return go
    raise RuntimeError("no go command from go1.%d on, neither in PATH nor in %s"
                       % (GO_MINOR, cache()))


def build_rust(name):
    said = _say("cargo", "--version")
    version = re.match(r"cargo 1\.(\d+)", said)
    if not version or int(version.group(1)) < RUST_MINOR:
        raise unittest.SkipTest("needs cargo 1.%d, found %s" % (RUST_MINOR, said.strip() or "none"))
    return build(name, lambda made: ["sh", "-ec", "cargo build --quiet --release; "
                                     "mv target/release/testclient \"$0\"", made],
                 {"CARGO_TARGET_DIR": "target"})


def build_node(name):
    """A directory with main.js and what it needs."""
    version = re.match(r"v(\d+)", _say("node", "--version"))
    if not version or int(version.group(1)) < NODE_MAJOR or not _say("npm", "--version"):
        raise unittest.SkipTest("needs node %d and npm" % NODE_MAJOR)
    if not os.path.exists(NODE_HEADERS):
        raise unittest.SkipTest("needs " + NODE_HEADERS)
    return build(name, lambda made: ["sh", "-ec", "npm ci --no-audit --no-fund; mkdir \"$0\"; "
                                     "mv *.js node_modules \"$0\"", made],
                 {"npm_config_nodedir": "/usr"})
