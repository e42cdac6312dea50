# SPDX-License-Identifier: Apache-2.0
"""What tests of programs that nobody here wrote stand on: keys in a real Vault, and OpenSSL.

    class SignTest(ConsumerTestCase):
        keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256"}     # in the Vault, in the slot `web`
        certified = ("rsa",)                               # have a certificate beside them

        def test_x_when_y_then_z(self):
            signature = self.must("pkcs11-tool", "--module", module_path(), "--sign", ...)
            self.openssl_verify("rsa", "message", "signature", "-sha256")

Each test has a directory of its own: path(), write(), read(). pub(NAME) is the file of a key's
public half, from Vault itself; cert(NAME) that of its certificate; ids[NAME] its CKA_ID. Programs
get env(): the slot's configuration, a home of their own and the C locale, and they are ended by
their process ids.
"""

import os
import signal
import subprocess
import unittest

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import HarnessTestCase, RealVault, TempConfig
from hosts import HostTestCase
from servers import Directory, die_with_parent

PROGRAM_MAX = 60  # seconds
SYSTEM_MODULES = "/usr/share/p11-kit/modules"
MESSAGE = b"a message that a program signs\n"


class ConsumerTestCase(HarnessTestCase):
    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256"}
    certified = ()
    slot_options = {}
    prefix = ()  # words before every program's

    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.config = TempConfig()
        cls.addClassCleanup(cls.config.remove)
        cls.ids = {}
        cls.make_keys()
        for name in cls.keys:
            cls._write_public(name)
        options = dict(cls.slot_options)
        if cls.certified:
            options["certificates"] = [cls.cert(name) for name in cls.certified]
        cls.config.slot("web", cls.vault, timeout="10s", **options)

    @classmethod
    def make_keys(cls):
        cls.vault.setup_transit(**cls.keys)

    @classmethod
    def _write_public(cls, name):
        if cls.keys[name].startswith(("aes", "chacha", "hmac")):
            return
        public = cls.vault.public_key(name)
        cls.ids[name] = x509.SubjectKeyIdentifier.from_public_key(public).digest.hex()
        with open(cls.pub(name), "wb") as out:
            out.write(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        if name in cls.certified:
            cls.vault.authority.certify(cls.cert(name), public, name + ".test")

    @classmethod
    def pub(cls, name):
        return cls.config.path(name + ".pub")

    @classmethod
    def read_pub(cls, name):
        with open(cls.pub(name), encoding="ascii") as file:
            return file.read()

    @classmethod
    def cert(cls, name):
        return cls.config.path(name + ".crt")

    def setUp(self):
        self.directory = Directory()
        self.addCleanup(self.directory.remove)
        self.path = self.directory.path
        self.message = self.write("message", MESSAGE)

    def write(self, name, content, mode=0o600):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(self.path(name), "rb") as found:
            return found.read()

    def env(self, **more):
        return dict(self.config.env(HOME=self.directory.dir, LC_ALL="C",
                                    XDG_CONFIG_HOME=self.path(".config")), **more)

    def p11_kit_config(self, **modules):
        """From now on programs' p11-kit has these modules and no others. For root it passes over
        the user's own configuration, and gets another view of the system's."""
        for name, path in modules.items():
            self.write(".config/pkcs11/modules/%s.module" % name, "module: %s\n" % path)
        if os.getuid() != 0:
            self.write(".config/pkcs11/pkcs11.conf", "user-config: only\n")
            return
        self.prefix = HostTestCase.mounted({SYSTEM_MODULES: self.path(".config/pkcs11/modules")})
        tried = subprocess.run([*self.prefix, "true"], capture_output=True, check=False)
        if tried.returncode != 0:
            self.skipTest("needs the right to mount, or an ordinary user")

    # ---- programs ----

    def run_program(self, *words, **options):
        """A CompletedProcess with bytes, whatever the exit status."""
        if "env" not in options:
            options["env"] = self.env()
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([*self.prefix, *words], capture_output=True, timeout=PROGRAM_MAX,
                              check=False, **options)

    def must(self, *words, **options):
        """Ends with 0; its standard output as bytes."""
        return self.finished(*words, **options).stdout

    def must_say(self, *words, **options):
        """Ends with 0; all that it said, as text."""
        done = self.finished(*words, **options)
        return (done.stdout + done.stderr).decode(errors="replace")

    def finished(self, *words, **options):
        done = self.run_program(*words, **options)
        if done.returncode != 0:
            self.rejected(words, done)
        return done

    def rejected(self, words, done):
        self.fail(self.told(words, done))

    def must_fail(self, *words, **options):
        """Ends with another status, not by a signal; all that it said, as text."""
        done = self.run_program(*words, **options)
        self.assertGreater(done.returncode, 0, self.told(words, done))
        return (done.stdout + done.stderr).decode(errors="replace")

    def told(self, words, done):
        log = [line for line in self.config.log().splitlines() if " debug: slot " not in line]
        return "\n".join(["%s: %d" % (" ".join(words), done.returncode), str(done.stdout[-4000:]),
                          done.stderr[-4000:].decode(errors="replace"), *log[-5:]])

    def start(self, *words, **options):
        """A process that runs until the test ends."""
        options = dict({"env": self.env(), "stdin": subprocess.DEVNULL}, **options)
        process = subprocess.Popen([*self.prefix, *words], preexec_fn=die_with_parent, **options)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    # ---- OpenSSL, which knows nothing of us ----

    def openssl(self, *words, **options):
        done = self.run_program("openssl", *words, **options)
        self.assertEqual(done.returncode, 0, self.told(("openssl", *words), done))
        return done.stdout

    def openssl_verify(self, key, signature, digest, *sigopts):
        """A signature file over the message; digest: -sha256 and its kind."""
        options = [word for option in sigopts for word in ("-sigopt", option)]
        self.openssl("dgst", digest, *options, "-verify", self.pub(key), "-signature", signature,
                     self.message)


def main():
    unittest.main(verbosity=2)
