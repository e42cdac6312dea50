#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenSSL's PKCS#11 engine (libp11 0.4.12) with keys in a real Vault: requests, signatures, CMS
and TLS. It needs `key_types = rsa ec`: one Ed25519 key on the token and it finds none at all."""

import re
import socket
import ssl
import subprocess

import capabilities
from consumers import MESSAGE, ConsumerTestCase, main
from harness import module_path

CONFIGURATION = """openssl_conf = init
[init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = %s
%sinit = 0
"""
ENGINE = ("-engine", "pkcs11", "-keyform", "engine")
BOTH = {"rsa": "SHA256", "ec": "SHA256", "p384": "SHA384"}


def uri(name):
    return "pkcs11:token=web;object=%s;type=private" % name


def id_uri(ident):
    return "pkcs11:token=web;id=%s;type=private" % re.sub("(..)", r"%\1", ident)


class Engine:
    """openssl with the engine; without it as the referee."""

    def engine_env(self, module, more=""):
        return {"OPENSSL_CONF": self.write("openssl.cnf", CONFIGURATION % (module, more))}

    def openssl(self, *words, **options):
        return super().openssl(*words, env=super().env(), **options)

    def engine(self, command, *words, **options):
        return self.must("openssl", command, *ENGINE, *words, **options)

    def dgst(self, key, digest, *sigopts, where=None):
        """Signed by the engine, verified without; where: another URI than that of the label."""
        words = [word for option in sigopts for word in ("-sigopt", option)]
        self.engine("dgst", digest, *words, "-sign", where or uri(key), "-out",
                    self.path("signature"), self.message)
        self.openssl_verify(key, self.path("signature"), digest, *sigopts)

    def decrypt(self, *options):
        words = [word for option in options for word in ("-pkeyopt", option)]
        self.openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", self.pub("rsa"), *words, "-in",
                     self.message, "-out", self.path("sealed"))
        self.assertEqual(MESSAGE, self.engine("pkeyutl", "-decrypt", "-inkey", uri("rsa"), *words,
                                              "-in", self.path("sealed")))

    def certify(self, name):
        """A certificate that the key itself signs."""
        made = self.path("made.crt")
        self.engine("req", "-x509", "-new", "-key", uri(name), "-subj", "/CN=" + name, "-sha256",
                    "-out", made)
        self.openssl("verify", "-CAfile", made, made)
        self.assertEqual(self.openssl("x509", "-in", made, "-noout", "-pubkey"),
                         self.openssl("pkey", "-pubin", "-in", self.pub(name)))

    def sign_cms(self, name):
        self.engine("cms", "-sign", "-nodetach", "-binary", "-signer", self.cert(name), "-inkey",
                    uri(name), "-in", self.message, "-outform", "DER", "-out", self.path("cms"))
        self.assertEqual(self.openssl(
            "cms", "-verify", "-inform", "DER", "-in", self.path("cms"), "-CAfile",
            self.vault.authority.path, "-purpose", "any", "-binary"), MESSAGE)

    def serve(self, name, *words):
        """The port of a server with this key; it says ACCEPT when it is ready."""
        server = self.start("openssl", "s_server", *ENGINE, "-key", uri(name), "-cert",
                            self.cert(name), "-accept", "127.0.0.1:0", "-www", *words,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in server.stdout:
            found = re.match(rb"ACCEPT 127.0.0.1:(\d+)", line)
            if found:
                return int(found.group(1))
        self.fail(server.stderr.read().decode())

    def shake_hands(self, port, name, **attributes):
        context = ssl.create_default_context(cafile=self.vault.authority.path)
        for key, value in attributes.items():
            setattr(context, key, value)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname=name + ".test") as tls:
                return tls.version()


class EngineTestCase(Engine, ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "p384": "ecdsa-p384", "ed": "ed25519"}
    certified = ("rsa", "ec", "p384")
    slot_options = {"key_types": "rsa ec"}

    def env(self, **more):
        return super().env(**dict(self.engine_env(module_path()), **more))


class SignTest(EngineTestCase):
    def test_dgst_when_pkcs1_and_ecdsa_then_openssl_verifies(self):
        for name, digest in BOTH.items():
            with self.subTest(name):
                self.dgst(name, "-" + digest.lower())

    def test_dgst_when_pss_then_openssl_verifies(self):
        self.dgst("rsa", "-sha256", "rsa_padding_mode:pss", "rsa_pss_saltlen:digest")

    def test_dgst_when_uri_has_an_id_then_openssl_verifies(self):
        self.dgst("ec", "-sha256", where=id_uri(self.ids["ec"]))

    def test_pkeyutl_when_ciphertext_is_openssls_then_plaintext(self):
        for options in (["rsa_padding_mode:pkcs1"],
                        ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256"]):
            with self.subTest(options[0]):
                self.decrypt(*options)


class CertificateTest(EngineTestCase):
    def test_req_when_self_signed_then_openssl_verifies_and_key_is_vaults(self):
        for name in BOTH:
            with self.subTest(name):
                self.certify(name)

    def test_req_when_request_then_openssl_verifies(self):
        self.engine("req", "-new", "-key", uri("rsa"), "-subj", "/CN=rsa", "-sigopt",
                    "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1", "-out",
                    self.path("csr"))
        self.openssl("req", "-verify", "-noout", "-in", self.path("csr"))


class CmsTest(EngineTestCase):
    def test_cms_when_signed_then_openssl_verifies(self):
        for name in BOTH:
            with self.subTest(name):
                self.sign_cms(name)

    def test_cms_when_encrypted_to_the_certificate_then_opens(self):
        self.openssl("cms", "-encrypt", "-binary", "-aes256", "-in", self.message, "-outform",
                     "DER", "-out", self.path("cms"), self.cert("rsa"))
        self.assertEqual(self.engine("cms", "-decrypt", "-inform", "DER", "-in", self.path("cms"),
                                     "-recip", self.cert("rsa"), "-inkey", uri("rsa")), MESSAGE)


class TlsTest(EngineTestCase):
    def test_server_when_key_is_ec_then_tls_1_3_handshakes(self):
        for name in ("ec", "p384"):
            with self.subTest(name):
                port = self.serve(name, "-tls1_3")
                for _ in range(3):
                    self.assertEqual(self.shake_hands(port, name), "TLSv1.3")

    def test_server_when_key_is_rsa_then_tls_1_3_handshakes(self):
        port = self.serve("rsa", "-tls1_3")
        self.assertEqual(self.shake_hands(port, "rsa"), "TLSv1.3")


class LimitTest(EngineTestCase):
    """What cannot work, and how it ends."""

    def test_load_when_token_has_an_ed25519_key_then_no_key_is_found(self):
        self.config.slot("web", self.vault, key_types=None)
        self.addCleanup(self.config.slot, "web", self.vault, **self.slot_options)
        text = self.must_fail("openssl", "dgst", *ENGINE, "-sha256", "-sign", uri("ec"), "-out",
                              self.path("signature"), self.message)
        self.assertIn("Unable to enumerate private keys", text)

    def refused(self, command, *words):
        """The engine falls back to raw RSA, which the service has not."""
        self.assertIn("Mechanism invalid", self.must_fail("openssl", command, *ENGINE, *words))

    def test_decrypt_when_raw_rsa_is_wanted_then_mechanism_invalid(self):
        self.refused("pkeyutl", "-decrypt", "-inkey", uri("rsa"), "-pkeyopt",
                     "rsa_padding_mode:none", "-in", self.write("block", bytes(256)))

    def test_decrypt_when_oaep_is_not_vaults_then_mechanism_invalid(self):
        self.openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", self.pub("rsa"), "-pkeyopt",
                     "rsa_padding_mode:oaep", "-in", self.message, "-out", self.path("sealed"))
        self.refused("pkeyutl", "-decrypt", "-inkey", uri("rsa"), "-pkeyopt",
                     "rsa_padding_mode:oaep", "-in", self.path("sealed"))

    def test_sign_when_pss_has_another_hash_in_its_mask_then_mechanism_invalid(self):
        self.refused("dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                     "rsa_mgf1_md:sha1", "-sign", uri("rsa"), "-out", self.path("signature"),
                     self.message)


class CapabilityTest(Engine, capabilities.CapabilityTestCase):
    """No wrong PIN: openssl ends before the engine is closed then, and SoftHSM 2.6 dies when it is
    called after its destructors have run."""

    client = "OpenSSL's engine (libp11)"
    note = "On tokens without an Ed25519 key: it finds no key at all where there is one."
    keys = capabilities.WITHOUT_ED25519

    def env(self, **more):
        if self.target is None:
            return super().env(**more)
        return super().env(**dict(self.engine_env(
            self.target.module, "PIN = %s\n" % self.target.pin), **more))

    def can_find_label(self):
        self.dgst("ec", "-sha256")

    can_login = can_sign_ecdsa = can_find_label

    def can_find_id(self):
        self.dgst("rsa", "-sha256", where=id_uri(self.ids["rsa"]))

    def can_sign_pkcs1(self):
        self.dgst("rsa", "-sha256")

    def can_sign_pss(self):
        self.dgst("rsa", "-sha256", "rsa_padding_mode:pss", "rsa_pss_saltlen:digest")

    def can_decrypt_pkcs1(self):
        self.decrypt("rsa_padding_mode:pkcs1")

    def can_oaep_sha1(self):
        self.decrypt("rsa_padding_mode:oaep")

    def can_oaep_sha256(self):
        self.decrypt("rsa_padding_mode:oaep", "rsa_oaep_md:sha256")

    def can_x509(self):
        self.certify("rsa")

    def can_cms(self):
        self.sign_cms("ec")

    def can_tls(self):
        port = self.serve("rsa", "-tls1_3")
        self.assertEqual(self.shake_hands(port, "rsa"), "TLSv1.3")


if __name__ == "__main__":
    main()
