#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""p11-kit with keys in a real Vault: its proxy module, its list, and its server for other
processes, which carries PKCS#11 2.40 and of that a fixed list of mechanisms only."""

import os
import socket
import subprocess
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils

import tool_operations
from consumers import ConsumerTestCase, main
from harness import CK, Module, P11Error, module_path, oaep, pss
from servers import die_with_parent
from weather import DIGEST, verify_ecdsa

PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
# What the remoting of p11-kit 0.24 leaves out of a list of mechanisms, by its own table.
NOT_CARRIED = {
    "CKM_SHA224_RSA_PKCS",
    *("CKM_SHA3_%s_RSA_PKCS" % size for size in (224, 256, 384, 512)),
    "CKM_SHA1_RSA_PKCS_PSS",
    *("CKM_SHA%s_RSA_PKCS_PSS" % size for size in (224, 256, 384, 512)),
    *("CKM_SHA3_%s_RSA_PKCS_PSS" % size for size in (224, 256, 384, 512)),
    *("CKM_ECDSA_SHA%s" % size for size in (224, 256, 384, 512)),
    *("CKM_ECDSA_SHA3_%s" % size for size in (224, 256, 384, 512)),
    "CKM_EDDSA",
}
# What is left of RSA and EC keys.
CARRIED = {"CKM_RSA_PKCS", "CKM_RSA_PKCS_PSS", "CKM_RSA_PKCS_OAEP", "CKM_ECDSA", "CKM_ECDSA_SHA1",
           *("CKM_SHA%s_RSA_PKCS" % size for size in (1, 256, 384, 512))}
# What it cannot carry as attributes: whoever asks for one of these gets CKR_DEVICE_ERROR.
ARRAYS = {"CKA_ALLOWED_MECHANISMS", "CKA_WRAP_TEMPLATE", "CKA_UNWRAP_TEMPLATE",
          "CKA_DERIVE_TEMPLATE"}


def variable(name):
    return subprocess.run(["pkg-config", "--variable=" + name, "p11-kit-1"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def wait_for_server(address, server):
    """Its socket is there a moment before it listens."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect(address)
        except OSError:
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.01)


class P11KitTestCase(ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "ed": "ed25519"}
    certified = ("rsa",)


class ProxyTest(P11KitTestCase):
    def setUp(self):
        super().setUp()
        self.p11_kit_config(hsmbridge=module_path())

    def tool(self, *words):
        return self.must_say("pkcs11-tool", "--module", variable("proxy_module"), *words)

    def test_list_modules_when_configured_then_ours_with_its_token(self):
        text = self.must("p11-kit", "list-modules").decode()
        self.assertTrue(text.startswith("hsmbridge: %s\n" % module_path()), text)
        for line in ("library-description: Remote key services as HSM slots", "token: web",
                     "manufacturer: hsmbridge", "model: vault"):
            self.assertIn("    %s\n" % line, text)
        for flag in ("rng", "write-protected", "user-pin-initialized", "token-initialized"):
            self.assertRegex(text, r"\n +%s\n" % flag)

    def test_list_modules_when_another_is_there_then_both(self):
        self.p11_kit_config(hsmbridge=module_path(), trust="p11-kit-trust.so")
        text = self.must("p11-kit", "list-modules").decode()
        self.assertIn("hsmbridge: ", text)
        self.assertIn("trust: p11-kit-trust.so", text)

    def test_proxy_when_listed_then_token_and_objects(self):
        self.assertRegex(self.tool("-L"), r"token label +: web")
        text = self.tool("-O")
        for label in self.keys:
            self.assertRegex(text, r"label: +%s\n" % label)

    def test_proxy_when_signing_then_openssl_verifies(self):
        for key, mechanism, digest in (("rsa", "SHA256-RSA-PKCS", "-sha256"),
                                       ("ec", "ECDSA-SHA384", "-sha384")):
            with self.subTest(key):
                self.tool("--sign", "--id", self.ids[key], "--mechanism", mechanism,
                          "--signature-format", "openssl", "--input-file", self.message,
                          "--output-file", self.path("signature"))
                self.openssl_verify(key, self.path("signature"), digest)

    def test_proxy_when_run_by_pkcs11_tools_test_then_no_errors(self):
        text = self.tool("--test")
        self.assertIn("No errors", text)
        self.assertIn("RSA-PKCS: OK", text)


class ServerTest(P11KitTestCase):
    """`p11-kit server` in a process of its own, its client module in this one."""

    @classmethod
    def setUpClass(cls):
        """Once for all: the client keeps the address that it finds first."""
        super().setUpClass()
        cls.address = cls.config.path("socket")
        cls.server = subprocess.Popen(
            ["p11-kit", "server", "--foreground", "--name", cls.address, "--provider",
             module_path(), "pkcs11:token=web"], env=cls.config.env(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        cls.addClassCleanup(cls.server.wait, 10)
        cls.addClassCleanup(cls.server.terminate)
        wait_for_server(cls.address, cls.server)
        os.environ["P11_KIT_SERVER_ADDRESS"] = "unix:path=" + cls.address
        cls.addClassCleanup(os.environ.pop, "P11_KIT_SERVER_ADDRESS")
        cls.client = Module(os.path.join(variable("p11_module_path"), "p11-kit-client.so"))

    def setUp(self):
        super().setUp()
        self.client.initialize()
        self.addCleanup(self.client.call, "C_Finalize", None)
        self.slot = self.client.slot("web")
        self.session = self.enter(self.client.session(self.slot))

    def test_list_when_remote_then_every_object(self):
        kinds = (("CKO_PRIVATE_KEY", 3), ("CKO_PUBLIC_KEY", 3), ("CKO_CERTIFICATE", 1))
        for kind, count in kinds:
            self.assertEqual(len(self.session.find(CKA_CLASS=getattr(CK, kind))), count, kind)

    def test_sign_when_rsa_then_verifies(self):
        key, public = self.session.private_key("rsa"), self.vault.public_key("rsa")
        public.verify(self.session.sign(key, CK.CKM_SHA256_RSA_PKCS, DIGEST), DIGEST,
                      padding.PKCS1v15(), hashes.SHA256())
        public.verify(self.session.sign_parts(key, CK.CKM_SHA512_RSA_PKCS, DIGEST[:5], DIGEST[5:]),
                      DIGEST, padding.PKCS1v15(), hashes.SHA512())

    def test_sign_when_pss_then_its_parameters_are_carried(self):
        key, public = self.session.private_key("rsa"), self.vault.public_key("rsa")
        public.verify(self.session.sign(key, pss("SHA256"), DIGEST), DIGEST, PSS,
                      utils.Prehashed(hashes.SHA256()))
        self.session.verify(self.session.public_key("rsa"), pss("SHA256"), DIGEST,
                            self.session.sign(key, pss("SHA256"), DIGEST))

    def test_sign_when_ecdsa_then_verifies(self):
        verify_ecdsa(self.vault.public_key("ec"), DIGEST, self.session.sign(
            self.session.private_key("ec"), CK.CKM_ECDSA, DIGEST))

    def test_decrypt_when_oaep_then_its_parameters_are_carried(self):
        sealed = self.vault.public_key("rsa").encrypt(DIGEST, padding.OAEP(
            padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        self.assertEqual(DIGEST, self.session.decrypt(self.session.private_key("rsa"),
                                                      oaep("SHA256"), sealed))

    def test_random_when_remote_then_bytes(self):
        self.assertNotEqual(self.session.random(32), self.session.random(32))

    def test_mechanisms_when_remote_then_these_are_not_carried(self):
        ours = self.open_module(self.config)
        signing = {mechanism for mechanism in ours.mechanisms(ours.slot("web")) if
                   ours.mechanism_info(ours.slot("web"), mechanism).flags & 0x800}
        public_keys = {name for name in (CK.name("CKM_", each) for each in signing)
                       if "RSA" in name or "DSA" in name}
        carried = {CK.name("CKM_", each) for each in self.client.mechanisms(self.slot)}
        self.assertEqual(public_keys - carried, NOT_CARRIED)

    def test_mechanisms_when_remote_then_of_public_keys_these_are_carried(self):
        names = {CK.name("CKM_", each) for each in self.client.mechanisms(self.slot)}
        self.assertEqual({name for name in names if ("RSA" in name or "DSA" in name)
                          and not name.endswith("_KEY_PAIR_GEN")}, CARRIED)

    def test_sign_when_mechanism_is_not_carried_then_mechanism_invalid(self):
        for name, key in (("CKM_ECDSA_SHA256", "ec"), ("CKM_EDDSA", "ed")):
            self.assert_rv(CK.CKR_MECHANISM_INVALID, self.session.init, "Sign",
                           self.session.private_key(key), getattr(CK, name))

    def values(self, session, kind):
        """{attribute: value, or the name of the result code}"""
        found = {}
        handle = session.find_one(CKA_CLASS=getattr(CK, kind), CKA_LABEL="rsa")
        for name in [name for name in vars(CK) if name.startswith("CKA_")]:
            try:
                found[name] = session.attribute(handle, name)
            except P11Error as error:
                found[name] = error.rv.name
        return found

    def test_attributes_when_remote_then_all_but_arrays_are_carried(self):
        ours = self.open_module(self.config)
        with ours.session(ours.slot("web")) as direct:
            for kind in ("CKO_PRIVATE_KEY", "CKO_PUBLIC_KEY"):
                near, far = self.values(direct, kind), self.values(self.session, kind)
                differing = {name for name in near if near[name] != far[name]}
                self.assertEqual(differing, ARRAYS, kind)
                self.assertEqual({far[name] for name in ARRAYS}, {"CKR_DEVICE_ERROR"})
                self.assertGreater(sum(isinstance(each, bytes) for each in far.values()), 20)

    def test_info_when_remote_then_2_40(self):
        version = self.client.info().cryptokiVersion
        self.assertEqual((version.major, version.minor), (2, 40))
        with self.assertRaises(AttributeError):
            self.client.use_interface_3_0()

    def test_sign_when_service_refuses_then_the_code_is_carried(self):
        self.vault.make_key("gone")
        key = self.session.private_key("gone")
        self.vault.delete_key("gone")
        self.assert_rv(CK.CKR_FUNCTION_FAILED, self.session.sign, key, CK.CKM_ECDSA, DIGEST)


class ProxyCapabilityTest(tool_operations.ToolOperations):
    client = "p11-kit's proxy"
    note = "By pkcs11-tool."

    def prepare(self):
        self.p11_kit_config(token=self.target.module)

    def module(self):
        return variable("proxy_module")


class ServerCapabilityTest(tool_operations.ToolOperations):
    client = "p11-kit's server"
    note = "By pkcs11-tool, in another process."
    address = ""

    def prepare(self):
        address = self.path("socket")
        server = self.start("p11-kit", "server", "--foreground", "--name", address, "--provider",
                            self.target.module, "pkcs11:token=web", stdout=subprocess.DEVNULL)
        self.address = "unix:path=" + address
        wait_for_server(address, server)

    def env(self, **more):
        return super().env(**dict({"P11_KIT_SERVER_ADDRESS": self.address}, **more))

    def module(self):
        return os.path.join(variable("p11_module_path"), "p11-kit-client.so")


if __name__ == "__main__":
    main()
