# SPDX-License-Identifier: Apache-2.0
"""OpenSC's pkcs11-tool by the one list of capabilities: on a module, or on what leads to one."""

import re

from capabilities import CapabilityTestCase
from consumers import MESSAGE
from operations import DIGEST


class ToolOperations(CapabilityTestCase):
    def module(self):
        """What the tool loads."""
        return self.target.module

    def words(self, *words, pin=None):
        return ("pkcs11-tool", "--module", self.module(), "--login", "--pin",
                pin or self.target.pin, *words)

    def tool(self, *words):
        return self.must_say(*self.words(*words))

    def made(self, what, *words):
        """The bytes that the tool writes into a file."""
        self.tool(*words, "--output-file", self.path(what))
        return self.read(what)

    def public_key(self, *how):
        return self.openssl("pkey", "-pubin", "-inform", "DER", "-in",
                            self.write("der", self.made("public", "--read-object", "--type",
                                                        "pubkey", *how)))

    def sign(self, key, mechanism, data=MESSAGE):
        """By the key's ID, as the tool asks for nothing else."""
        self.made("signature", "--sign", "--id", self.ids.get(key, key), "--mechanism", mechanism,
                  "--signature-format", "openssl", "--input-file", self.write("data", data))
        return self.path("signature")

    def decrypt(self, mechanism, padding, *more):
        self.openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", self.pub("rsa"), "-in",
                     self.message, "-out", self.path("sealed"), *padding)
        self.assertEqual(MESSAGE, self.made(
            "plain", "--decrypt", "--id", self.ids["rsa"], "--mechanism", mechanism, "--input-file",
            self.path("sealed"), *more))

    def generate(self, label, *more):
        self.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--usage-sign",
                  *more)

    def assert_signs(self, label, public):
        """If it has an ID; what was given none has none in SoftHSM2."""
        text = self.tool("-O", "--type", "privkey")
        found = re.search(r"label: +%s\n(?:  ID: +(\w+)\n)?" % label, text)
        self.assertTrue(found, text)
        if found.group(1):
            self.openssl("dgst", "-sha256", "-verify", self.write("public.pem", public),
                         "-signature", self.sign(found.group(1), "ECDSA", DIGEST),
                         self.message)

    def import_key(self, label, *more):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                     self.path("own.pem"))
        self.openssl("pkey", "-in", self.path("own.pem"), "-outform", "DER", "-out",
                     self.path("own.der"))
        self.tool("--write-object", self.path("own.der"), "--type", "privkey", "--label", label,
                  "--usage-sign", *more)
        self.assert_signs(label, self.openssl("pkey", "-in", self.path("own.pem"), "-pubout"))

    def can_list(self):
        text = self.tool("-O")
        for name in self.keys:
            self.assertRegex(text, r"label: +%s\n" % name)

    def can_find_label(self):
        self.assertEqual(self.public_key("--label", "ec").decode(), self.read_pub("ec"))

    def can_find_id(self):
        self.assertEqual(self.public_key("--id", self.ids["rsa"]).decode(), self.read_pub("rsa"))

    def can_certificate(self):
        self.assertEqual(self.made("der", "--read-object", "--type", "cert", "--id",
                                   self.ids["ec"]),
                         self.openssl("x509", "-in", self.cert("ec"), "-outform", "DER"))

    def can_login(self):
        self.assertIn("Private Key Object", self.tool("-O", "--type", "privkey"))

    def can_wrong_pin(self):
        self.refuses(*self.words("-O", pin="98765"), says="CKR_PIN_INCORRECT")

    def can_sign_pkcs1(self):
        self.openssl_verify("rsa", self.sign("rsa", "SHA256-RSA-PKCS"), "-sha256")

    def can_sign_pss(self):
        self.openssl_verify("rsa", self.sign("rsa", "SHA256-RSA-PKCS-PSS"), "-sha256",
                            "rsa_padding_mode:pss", "rsa_pss_saltlen:digest")

    def can_sign_ecdsa(self):
        self.openssl_verify("ec", self.sign("ec", "ECDSA", DIGEST), "-sha256")

    def can_sign_ecdsa_sha256(self):
        self.openssl_verify("ec", self.sign("ec", "ECDSA-SHA256"), "-sha256")

    def can_sign_ed25519(self):
        self.openssl("pkeyutl", "-verify", "-pubin", "-inkey", self.pub("ed"), "-rawin", "-in",
                     self.message, "-sigfile", self.sign("ed", "EDDSA"))

    def can_sign_parts(self):
        self.message = self.write("message", MESSAGE * 5000)
        self.openssl_verify("rsa", self.sign("rsa", "SHA256-RSA-PKCS", MESSAGE * 5000), "-sha256")

    def can_verify(self):
        self.sign("rsa", "SHA256-RSA-PKCS")
        words = ("--verify", "--id", self.ids["rsa"], "--mechanism", "SHA256-RSA-PKCS",
                 "--signature-file", self.path("signature"), "--input-file")
        self.expect("Signature is valid", self.tool(*words, self.path("data")))
        self.assertIn("Invalid signature", self.tool(*words, self.write("other", b"other")))

    def can_decrypt_pkcs1(self):
        self.decrypt("RSA-PKCS", ("-pkeyopt", "rsa_padding_mode:pkcs1"))

    def can_oaep_sha1(self):
        self.decrypt("RSA-PKCS-OAEP", ("-pkeyopt", "rsa_padding_mode:oaep"), "--hash-algorithm",
                     "SHA-1")

    def can_oaep_sha256(self):
        self.decrypt("RSA-PKCS-OAEP", ("-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt",
                                       "rsa_oaep_md:sha256"), "--hash-algorithm", "SHA256")

    def can_generate(self):
        label = self.fresh("made")
        self.generate(label)
        self.assert_signs(label, self.public_key("--label", label))

    def can_generate_id(self):
        label = self.fresh("named")
        self.generate(label, "--id", "77")
        self.assert_signs(label, self.public_key("--label", label))

    def can_import(self):
        self.import_key(self.fresh("own"))

    def can_import_id(self):
        self.import_key(self.fresh("known"), "--id", "78")

    def can_destroy(self):
        label = self.fresh("gone")
        self.generate(label)
        self.tool("--delete-object", "--type", "privkey", "--label", label)
        self.assertNotIn(label, self.tool("-O", "--type", "privkey"))

    def can_random(self):
        self.assertEqual(len(self.made("random", "--generate-random", "32")), 32)

    def can_suite(self):
        self.expect("No errors", self.tool("--test"))
