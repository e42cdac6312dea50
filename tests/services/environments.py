# SPDX-License-Identifier: Apache-2.0
"""Virtual environments for tests with Python libraries that are not in Debian.

They are kept in $HSMBRIDGE_CACHE (default ~/.cache/hsmbridge): made once, under the digest of what
is in them. Debian's python3-cryptography is seen from within.
"""

import hashlib
import os
import shutil
import subprocess
import sys


def _path(name, requirements):
    cache = os.environ.get("HSMBRIDGE_CACHE") or os.path.expanduser("~/.cache/hsmbridge")
    made_of = " ".join([sys.version, *requirements])
    return os.path.join(os.path.abspath(cache), "venv-%s-%s" % (
        name, hashlib.sha256(made_of.encode()).hexdigest()[:12]))


def _make(path, requirements):
    """Under another name first: half an environment never stands there, and of two programs that
    make one at once, the second throws its own away."""
    part = "%s.part-%d" % (path, os.getpid())
    try:
        subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", part], check=True)
        subprocess.run([part + "/bin/python", "-m", "pip", "install", "--quiet", "--no-input",
                        "--disable-pip-version-check", "--no-deps", *requirements], check=True)
        os.rename(part, path)
    except OSError:
        if not os.path.isdir(path):
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def enter(name, requirements):
    """Starts this program again in the environment of these packages, each NAME==VERSION and with
    nothing that it depends on, unless it is there already."""
    path = _path(name, requirements)
    if sys.prefix == path:
        return
    if not os.path.isdir(path):
        _make(path, requirements)
    python = os.path.join(path, "bin", "python")
    os.execv(python, [python, os.path.abspath(sys.argv[0]), *sys.argv[1:]])
