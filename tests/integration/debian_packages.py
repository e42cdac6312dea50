# SPDX-License-Identifier: Apache-2.0
"""The Debian packages of this source tree, for the tests that install them or make an image of
them. They are built once for each state of the sources, and kept in $HSMBRIDGE_CACHE (default
~/.cache/hsmbridge)."""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(os.environ["HSMBRIDGE_SOURCE"])
CACHE = Path(os.environ.get("HSMBRIDGE_CACHE") or Path.home() / ".cache/hsmbridge")
WEEK = 7 * 24 * 3600  # seconds


def run(*command, **options):
    """A command's output; what it said when it fails."""
    done = subprocess.run([str(word) for word in command], check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise RuntimeError(f"{command}: exit status {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def skip_unless_root():
    if os.geteuid() != 0:
        print("needs root, for roots of other machines")
        sys.exit(77)


def _digest():
    """Of the sources that packages are made of: all but the tests."""
    names = run("git", "-C", SOURCE, "ls-files", "-z", "--cached", "--others",
                "--exclude-standard", "--", ":!tests").split("\0")
    digest = hashlib.sha256()
    for name in sorted(filter(None, names)):
        path = SOURCE / name
        if path.is_file():
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _forget(pattern, kept):
    for path in CACHE.glob(pattern):
        if path != kept and time.time() - path.stat().st_mtime > WEEK:
            shutil.rmtree(path)


@functools.cache
def built():
    """The directory with the packages and their .changes. Without the unit tests, which ./check
    runs by itself, and the packages of debug symbols."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "packages.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = CACHE / f"packages-{_digest()}"
        if not kept.is_dir():
            part = kept.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            run(SOURCE / "scripts/build-packages", part,
                env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck noautodbgsym"})
            part.rename(kept)
        _forget("packages-*", kept)
    return kept


def machine_image():
    """What scripts/fresh-root unpacks a new machine from; not older than a week."""
    image = CACHE / "fresh-root.tar"
    if image.exists() and time.time() - image.stat().st_mtime > WEEK:
        image.unlink()
    return image
