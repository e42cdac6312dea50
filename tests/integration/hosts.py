# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of tests/hosts: processes that the module has to live in.

    class ExitTest(HostTestCase):
        def test_x_when_y_then_z(self):
            self.check_host("exits", "after-dlclose")       # says nothing, ends with 0
            signer = self.signer(self.config)               # obeys word by word
            self.assertEqual(signer.do("sign").rv, CK.CKR_OK)

Each test has a Double `vault` with the ECDSA keys "app" and "other", and a configuration `config`
with the slot "web" for it. The programs say nothing while all is well: whatever is on standard
output or standard error is a failure, the module's own words included.
"""

import os
import subprocess
from collections import namedtuple

from harness import Double, HarnessTestCase, TempConfig, module_path

Outcome = namedtuple("Outcome", "rv ms")


def host_path(name):
    return os.path.join(os.environ["HSMBRIDGE_BUILD"], "tests", "hosts", "host_" + name)


class Signer:
    """The host program signer.c. prefix: a command that runs it, such as unshare(1)."""

    def __init__(self, env, prefix=(), program=None):
        self._process = subprocess.Popen([*prefix, program or host_path("signer")], env=env,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)

    def do(self, *words):
        """One command; its Outcome."""
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the host ended: %d %s" % (self._process.wait(10),
                                                          self._process.stderr.read()))
        return Outcome(*map(int, line.split()))

    def begin(self):
        """C_Initialize and everything that a signature needs."""
        for word in ("initialize", "find", "sign"):
            outcome = self.do(word)
            if outcome.rv != 0:
                raise RuntimeError("%s: 0x%x" % (word, outcome.rv))

    def end(self):
        """(exit status, whatever it printed beside its answers)"""
        out, err = self._process.communicate(timeout=30)
        return self._process.returncode, out + err

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


class HostTestCase(HarnessTestCase):
    slot_options = {}

    def setUp(self):
        self.vault = self.enter(Double())
        self.vault.setup_transit("app", "other")
        self.config = self.enter(TempConfig())
        self.config.slot("web", self.vault, **self.slot_options)
        self.vault.reset()

    def env(self, config=None, **more):
        return (config or self.config).env(**dict({"HSMBRIDGE_MODULE": module_path()}, **more))

    def run_host(self, name, *args, env=None, timeout=200, prefix=(), **options):
        return subprocess.run([*prefix, host_path(name), *args], env=env or self.env(),
                              capture_output=True, text=True, timeout=timeout, check=False,
                              **options)

    def check_host(self, name, *args, **options):
        done = self.run_host(name, *args, **options)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""),
                         "%s %s\n%s" % (name, " ".join(args), self.config.log()[-2000:]))

    @staticmethod
    def mounted(mounts):
        """A prefix for a process that sees other files: mounted({"/etc/hosts": path}). Needs
        the right to mount: unshare(1) as root."""
        script = "".join('mount --bind "%s" "%s" && ' % (path, where)
                         for where, path in mounts.items())
        return ["unshare", "--mount", "sh", "-c", script + 'exec "$0" "$@"']

    def need_mounts(self):
        tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
        if tried.returncode != 0:
            self.skipTest("needs the right to mount: run as root")

    def signer(self, prefix=(), env=None):
        signer = Signer(env or self.env(), prefix)
        self.addCleanup(signer.close)
        return signer

    def assert_quiet_end(self, signer):
        self.assertEqual(signer.end(), (0, ""))
