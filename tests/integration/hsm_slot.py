#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SoftHSM2 as a slot: what it answers through the module is what it answers by itself."""

import ctypes
import os
import signal
import subprocess
import threading
import unittest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from harness import CK, HarnessTestCase, TempConfig, oaep, pss
from p11 import Module, template

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "1234"
THREADS = 32
EACH = 25
FORKING_THREADS = 8
CHILDREN = 20
DIGEST = bytes(range(32))


class Token:
    """A SoftHSM2 token of its own, with keys made by pkcs11-tool."""

    def __init__(self, config):
        self.config = config
        tokens = config.path("tokens")
        os.makedirs(tokens, exist_ok=True)
        self.conf = config.secret("softhsm2.conf", "directories.tokendir = %s\n" % tokens)
        os.environ["SOFTHSM2_CONF"] = self.conf
        self.run("softhsm2-util", "--init-token", "--free", "--label", "hsm", "--so-pin", "5678",
                 "--pin", PIN)

    @staticmethod
    def run(*command):
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout

    def tool(self, *args):
        return self.run("pkcs11-tool", "--module", SOFTHSM, "--token-label", "hsm", "--login",
                        "--pin", PIN, *args)

    def make_pair(self, label, kind, number):
        self.tool("--keypairgen", "--key-type", kind, "--label", label, "--id", number,
                  "--usage-sign", *(["--usage-decrypt"] if kind.startswith("rsa") else []))

    def public_key(self, label):
        der = self.tool("--read-object", "--type", "pubkey", "--label", label)
        return serialization.load_der_public_key(der)


class HsmSlotTestCase(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        if not os.access(SOFTHSM, os.R_OK):
            raise unittest.SkipTest("SoftHSM2 is not installed")
        cls.config = TempConfig()
        cls.addClassCleanup(cls.config.remove)
        cls.token = Token(cls.config)
        cls.token.make_pair("rsa", "rsa:2048", "01")
        for number, label in (("02", "app"), ("03", "other")):
            cls.token.make_pair(label, "EC:prime256v1", number)
        cls.token.tool("--keygen", "--key-type", "AES:32", "--label", "aes", "--id", "04",
                       "--usage-decrypt", "--sensitive")
        cls.token.tool("--keygen", "--key-type", "GENERIC:32", "--label", "mac", "--id", "05",
                       "--usage-sign", "--sensitive")
        cls.configure()

    @classmethod
    def configure(cls, **options):
        cls.config.slot("web", **dict({
            "backend": "pkcs11", "module": SOFTHSM, "token": "pkcs11:token=hsm",
            "pin_file": cls.config.secret("pin", PIN + "\n")}, **options))

    def direct_session(self, direct):
        session = direct.open_session(direct.slot("hsm"))
        self.addCleanup(session.call, "C_CloseSession")
        if session.call("C_Login", 1, PIN.encode(), len(PIN)) not in (
                CK.CKR_OK, CK.CKR_USER_ALREADY_LOGGED_IN):
            self.fail("SoftHSM2 refuses the PIN")
        return session

    def scene(self):
        """A session of ours and one of SoftHSM2's own, in one process."""
        direct = Module(SOFTHSM)
        direct.initialize()
        self.addCleanup(direct.call, "C_Finalize", None)
        web = self.open_module(self.config)
        session = web.open_session(web.slot("web"))
        self.addCleanup(session.call, "C_CloseSession")
        return session, self.direct_session(direct)


class SameResultsTest(HsmSlotTestCase):
    def test_list_then_every_key_of_the_token_is_shown(self):
        ours, _ = self.scene()
        for object_class, labels in ((CK.CKO_PRIVATE_KEY, {"rsa", "app", "other"}),
                                     (CK.CKO_PUBLIC_KEY, {"rsa", "app", "other"}),
                                     (CK.CKO_SECRET_KEY, {"aes", "mac"})):
            found = ours.find(CKA_CLASS=object_class)
            self.assertEqual({ours.attribute(key, "CKA_LABEL").decode() for key in found}, labels)

    def test_public_parts_are_softhsms(self):
        ours, direct = self.scene()
        for label, names in (("rsa", ("CKA_MODULUS", "CKA_PUBLIC_EXPONENT")),
                             ("app", ("CKA_EC_PARAMS", "CKA_EC_POINT"))):
            for name in names:
                self.assertEqual(ours.attribute(ours.public_key(label), name),
                                 direct.attribute(direct.public_key(label), name), name)

    def test_deterministic_signatures_are_softhsms(self):
        ours, direct = self.scene()
        for mechanism in (CK.CKM_RSA_PKCS, CK.CKM_SHA1_RSA_PKCS, CK.CKM_SHA224_RSA_PKCS,
                          CK.CKM_SHA256_RSA_PKCS, CK.CKM_SHA384_RSA_PKCS, CK.CKM_SHA512_RSA_PKCS):
            self.assertEqual(ours.sign(ours.private_key("rsa"), mechanism, DIGEST),
                             direct.sign(direct.private_key("rsa"), mechanism, DIGEST))

    def test_macs_are_softhsms(self):
        ours, direct = self.scene()
        for mechanism in (CK.CKM_SHA256_HMAC,):
            self.assertEqual(ours.sign(ours.secret_key("mac"), mechanism, DIGEST),
                             direct.sign(direct.secret_key("mac"), mechanism, DIGEST))

    def test_randomized_signatures_verify(self):
        ours, direct = self.scene()
        rsa, app = self.token.public_key("rsa"), self.token.public_key("app")
        for name in ("SHA1", "SHA256", "SHA384", "SHA512"):
            algorithm = getattr(hashes, name)()
            digest = bytes(algorithm.digest_size)
            signature = ours.sign(ours.private_key("rsa"), pss(name), digest)
            rsa.verify(signature, digest, padding.PSS(padding.MGF1(algorithm), len(digest)),
                       utils.Prehashed(algorithm))
            direct.verify(direct.public_key("rsa"), pss(name), digest, signature)
        signature = ours.sign(ours.private_key("app"), CK.CKM_ECDSA_SHA256, DIGEST)
        der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"),
                                         int.from_bytes(signature[32:], "big"))
        app.verify(der, DIGEST, ec.ECDSA(hashes.SHA256()))
        with self.assertRaises(InvalidSignature):
            app.verify(der, DIGEST + b"x", ec.ECDSA(hashes.SHA256()))
        signature = ours.sign(ours.private_key("app"), CK.CKM_ECDSA, DIGEST)
        direct.verify(direct.public_key("app"), CK.CKM_ECDSA, DIGEST, signature)

    def test_decrypt_then_opens_what_others_sealed(self):
        ours, _ = self.scene()
        public = self.token.public_key("rsa")
        for name, label in (("SHA1", b""), ("SHA256", b""), ("SHA512", b"label")):
            algorithm = getattr(hashes, name)()
            sealed = public.encrypt(b"secret", padding.OAEP(padding.MGF1(algorithm), algorithm,
                                                            label or None))
            self.assertEqual(ours.decrypt(ours.private_key("rsa"), oaep(name, label=label), sealed),
                             b"secret")
        sealed = public.encrypt(b"secret", padding.PKCS1v15())
        self.assertEqual(ours.decrypt(ours.private_key("rsa"), CK.CKM_RSA_PKCS, sealed), b"secret")
        self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, ours.decrypt, ours.private_key("rsa"),
                       oaep("SHA256"), bytes(255) + b"\x02")

    def test_random_then_bytes_differ(self):
        ours, _ = self.scene()
        self.assertNotEqual(ours.random(64), ours.random(64))

    def test_mechanisms_once_the_token_was_asked_then_those_it_lacks_are_gone(self):
        ours, _ = self.scene()
        self.assertTrue(ours.find(CKA_LABEL="app"))
        listed = ours.module.mechanisms(ours.module.slot("web"))
        self.assertIn(CK.CKM_SHA256_HMAC, listed)
        self.assertIn(CK.CKM_ECDSA_SHA256, listed)

    def test_finalize_when_host_uses_the_same_module_then_its_session_lives_on(self):
        ours, direct = self.scene()
        key = direct.private_key("app")
        ours.sign(ours.private_key("app"), CK.CKM_ECDSA, DIGEST)
        ours.module.finalize()
        direct.sign(key, CK.CKM_ECDSA, DIGEST)


class LifeTest(HsmSlotTestCase):
    def test_threads_when_32_sign_then_every_signature_verifies(self):
        ours, _ = self.scene()
        module, slot = ours.module, ours.module.slot("web")
        public, failures = self.token.public_key("app"), []

        def work():
            with module.session(slot) as session:
                key = session.private_key("app")
                for _ in range(EACH):
                    rs = session.sign(key, CK.CKM_ECDSA, DIGEST)
                    public.verify(utils.encode_dss_signature(int.from_bytes(rs[:32], "big"),
                                                             int.from_bytes(rs[32:], "big")),
                                  DIGEST, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

        def guarded():
            try:
                work()
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        threads = [threading.Thread(target=guarded) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def child(self, session, key):
        """Goes on with its parent's session; exits with 0 when it signs and lists."""
        signal.alarm(30)
        try:
            session.sign(key, CK.CKM_ECDSA, DIGEST)
            found = session.find(CKA_CLASS=CK.CKO_PRIVATE_KEY)
            os._exit(0 if len(found) == 3 else 1)
        except BaseException:  # pylint: disable=broad-except
            os._exit(2)

    def test_fork_when_threads_sign_then_children_sign_and_list(self):
        web = self.open_module(self.config)
        slot, stop, failures = web.slot("web"), threading.Event(), []

        def work():
            try:
                with web.session(slot) as session:
                    key = session.private_key("app")
                    while not stop.is_set():
                        session.sign(key, CK.CKM_ECDSA, DIGEST)
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(FORKING_THREADS)]
        with web.session(slot) as session:
            key = session.private_key("app")
            for thread in threads:
                thread.start()
            for _ in range(CHILDREN):
                pid = os.fork()
                if pid == 0:
                    self.child(session, key)
                self.assertEqual(os.waitpid(pid, 0)[1], 0)
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])

    def test_initialize_when_only_configured_then_module_is_not_opened(self):
        done = subprocess.run(
            ["python3", "-c", "import sys; sys.path[:0] = [%r, %r]\n"
             "from harness import module\n"
             "m = module(); m.initialize(%r); m.token_info(m.slot('web'))\n"
             "m.mechanisms(m.slot('web')); m.open_session(m.slot('web')).close()\n"
             "print('softhsm' in open('/proc/self/maps').read())"
             % (os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                             "services"), self.config.file)],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))

    def test_login_when_pin_comes_from_the_application(self):
        self.configure(pin="pin", pin_file=None)
        self.addCleanup(self.configure)
        web = self.open_module(self.config)
        with web.session(web.slot("web")) as session:
            self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, "9999")
            session.login(PIN)
            session.sign(session.private_key("app"), CK.CKM_ECDSA, DIGEST)
            session.logout()
            self.assert_rv(CK.CKR_PIN_INCORRECT, session.login, "9999")


class LabelTest(HsmSlotTestCase):
    @classmethod
    def configure(cls, **options):
        super().configure(**dict({"allow": "label"}, **options))

    def cli(self, *args, code=0):
        done = self.run_cli(self.config, *args)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def labels(self, object_class):
        listed = self.token.tool("--list-objects", "--type", object_class).decode()
        return {line.split()[-1] for line in listed.splitlines() if "label:" in line}

    def test_label_when_name_is_free_then_all_objects_of_the_key_have_it(self):
        public = self.cli("public", "--key", "other")
        self.assertIn("key 'spare' of slot 'web': renamed, version 1, ec P-256",
                      self.cli("label", "--key", "other", "--label", "spare"))
        self.addCleanup(self.cli, "label", "--key", "spare", "--label", "other")
        self.assertEqual(self.cli("public", "--key", "spare"), public)
        self.assertIn("no key 'other'", self.cli("public", "--key", "other", code=1))
        for object_class in ("privkey", "pubkey"):
            self.assertIn("spare", self.labels(object_class))
            self.assertNotIn("other", self.labels(object_class))

    def test_label_when_it_cannot_be_then_says_why_and_changes_nothing(self):
        for args, code, text in (
                (("--key", "app"), 2, "--label is missing"),
                (("--key", "app", "--label", "a@v2"), 2, "'@' is what versions are named with"),
                (("--key", "app", "--label", "rsa"), 1, "there is a key 'rsa' already"),
                (("--key", "app", "--label", "app"), 1, "there is a key 'app' already"),
                (("--key", "absent", "--label", "new"), 1, "there is no key 'absent'"),
                (("--key", "app", "--label", "x" * 300), 1, "1 to 256 bytes")):
            with self.subTest(args=args):
                self.assertIn(text, self.cli("label", *args, code=code))
        self.configure(allow="destroy")
        self.addCleanup(self.configure)
        self.assertIn("allow = label", self.cli("label", "--key", "app", "--label", "new", code=1))
        self.assertEqual(self.labels("privkey"), {"rsa", "app", "other"})

    def test_label_when_one_object_refuses_then_all_keep_their_name(self):
        _, direct = self.scene()
        fixed, copy = template({"CKA_MODIFIABLE": False}), ctypes.c_ulong()
        with direct.module.session(direct.module.slot("hsm"), read_write=True) as session:
            session.must("C_CopyObject", session.public_key("app"), fixed, 1, ctypes.byref(copy))
            try:
                self.assertIn("C_SetAttributeValue of the HSM's module: CKR_",
                              self.cli("label", "--key", "app", "--label", "new", code=1))
                self.assertEqual(self.labels("privkey"), {"rsa", "app", "other"})
                self.assertEqual(self.labels("pubkey"), {"rsa", "app", "other"})
            finally:
                session.destroy(copy.value)

    def test_label_by_attribute_then_handles_go_on(self):
        web = self.open_module(self.config)
        with web.session(web.slot("web"), read_write=True) as session:
            key, public = session.private_key("app"), session.public_key("app")
            for name in (b"renamed", b"app"):
                self.assertEqual(session.attribute(key, "CKA_MODIFIABLE"), b"\x01")
                session.must("C_SetAttributeValue", key, template({"CKA_LABEL": name}), 1)
                self.assertEqual(session.attribute(key, "CKA_LABEL"), name)
                self.assertEqual(session.private_key(name.decode()), key)
                self.assertEqual(session.public_key(name.decode()), public)
                session.sign(key, CK.CKM_ECDSA, DIGEST)
            taken = template({"CKA_LABEL": "rsa"})
            self.assert_rv(CK.CKR_ATTRIBUTE_VALUE_INVALID, session.must, "C_SetAttributeValue",
                           key, taken, 1)

    def test_label_then_other_sessions_go_on_with_the_key(self):
        web = self.open_module(self.config)
        with web.session(web.slot("web"), read_write=True) as one, \
                web.session(web.slot("web")) as two:
            key = two.private_key("app")
            one.must("C_SetAttributeValue", one.private_key("app"), template({"CKA_LABEL": "new"}),
                     1)
            self.addCleanup(self.cli, "label", "--key", "new", "--label", "app")
            two.sign(key, CK.CKM_ECDSA, DIGEST)


if __name__ == "__main__":
    unittest.main()
