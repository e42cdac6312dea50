# SPDX-License-Identifier: Apache-2.0
"""What tests of bad input and bad weather assert on, beside the result code.

    class SealedTest(WeatherTestCase):
        def test_sign_when_sealed_then_device_error_until_unsealed(self):
            web = self.scene(self.enter(Double()), "app")
            web.vault.state(sealed=True)
            self.assert_fault(web, CK.CKR_DEVICE_ERROR, web.sign, "sealed", web.vault.url)
            web.vault.state(sealed=False)
            self.assert_works(web)

assert_fault() asserts that the call fails with that code, before the slot's timeout is over by
more than SLACK; that it writes one line of level warning or error, with these words and no secret
in it; and assert_works() that the very next operation succeeds, and that no descriptors were left
behind.
"""

import gc
import os
import re
import time
import unittest
from contextlib import contextmanager

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from harness import CK, HarnessTestCase, P11Error, TempConfig, module

SLACK = 1.0  # seconds beyond `timeout`, on a busy machine
COLD = 3  # descriptors of a first connection: its socket, and libcurl's pair for wake-ups
DIGEST = bytes(range(32))
LINE = re.compile(r"^\S+Z hsmbridge\[\d+\] (warning|error): (.*)$", re.M)


def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def status(field):
    """A number of /proc/self/status: VmRSS in kB, Threads."""
    with open("/proc/self/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise LookupError(field)


def complaints(log):
    """The lines of a log that an operator is to act on, without time and level."""
    return [text for _, text in LINE.findall(log)]


def verify_ecdsa(public_key, digest, signature, algorithm=hashes.SHA256()):
    """Raises unless r||s is a signature of this digest; by OpenSSL."""
    half = len(signature) // 2
    der = utils.encode_dss_signature(int.from_bytes(signature[:half], "big"),
                                     int.from_bytes(signature[half:], "big"))
    public_key.verify(der, digest, ec.ECDSA(utils.Prehashed(algorithm)))


class Scene:
    """A slot `web` of a server, a session on it, and its key."""

    def __init__(self, test, vault, label, timeout=1.0, slot="web", files=None, **options):
        """options: of the slot, as TempConfig.slot() takes them; url may name more servers.
        files: options that are secret files, {"token_file": (name, text)}."""
        self.test, self.vault, self.label, self.timeout = test, vault, label, timeout
        self.secrets = []
        self.config = test.enter(TempConfig())
        for option, (name, text) in (files or {}).items():
            options[option] = self.secret(name, text)
        if "auth" not in options and "pin" not in options:
            self.token = vault.make_token(vault.setup_signer())
            options.update(auth="token", token_file=self.secret("token", self.token))
        self.config.slot(slot, vault, timeout="%dms" % (timeout * 1000), **options)
        self.p11 = test.open_module(self.config)
        self.slot = self.p11.slot(slot)
        self.session = self.p11.open_session(self.slot)
        self.key = None

    def secret(self, name, text):
        """As TempConfig.secret(); the text must not turn up in the log."""
        self.secrets.append(text)
        return self.config.secret(name, text)

    def find(self):
        """Looks the key up, once."""
        if self.key is None:
            self.key = self.session.private_key(self.label)
        return self.key

    def sign(self, digest=DIGEST):
        return self.session.sign(self.find(), CK.CKM_ECDSA, digest)

    def device_error(self):
        return self.session.info().ulDeviceError


class WeatherTestCase(HarnessTestCase):
    def scene(self, vault, label="app", warm=True, **options):
        """A Scene that has signed once: credentials are there, the connection is warm."""
        scene = Scene(self, vault, label, **options)
        if warm:
            scene.sign()
        scene.before = descriptors() + (0 if warm else COLD)
        return scene

    @contextmanager
    def scene_once(self, vault, label="app", **options):
        """A Scene of its own for one case of several."""
        try:
            yield self.scene(vault, label, **options)
        finally:
            module().call("C_Finalize", None)

    def assert_fault(self, scene, rv, function, *words, within=None, without=()):
        """Returns the line. within: seconds, the slot's timeout unless given."""
        scene.config.clear_log()
        begin = time.monotonic()
        with self.assertRaises(P11Error) as caught:
            function()
        elapsed = time.monotonic() - begin
        log = scene.config.log()
        self.assertEqual(caught.exception.rv, rv, "%s\n%s" % (caught.exception, log))
        self.assertLess(elapsed, (scene.timeout if within is None else within) + SLACK, log)
        lines = complaints(log)
        self.assertEqual(len(lines), 1, log)
        for word in words:
            self.assertIn(word, lines[0])
        for word in [*without, *scene.secrets]:
            self.assertNotIn(word, log)
        return lines[0]

    def assert_works(self, scene, more_connections=0):
        """The key signs, at once and silently; descriptors are no more than in good weather."""
        scene.config.clear_log()
        verify_ecdsa(scene.vault.public_key(scene.label), DIGEST, scene.sign())
        self.assertEqual(complaints(scene.config.log()), [])
        self.assertLessEqual(descriptors(), scene.before + more_connections)


def main():
    unittest.main(verbosity=2)
